//! What a person sees, and what a client discovers.

use stub_upstream::{BuildError, FAULTS, PROFILES, Stub};

use crate::harness::{BASE, World, fc};

#[tokio::test]
async fn pages_say_that_this_is_a_simulator() {
    let mut world = World::new();
    let login = world.get_with("/api/v2/authorize", &fc(&[])).await;
    for persona in world.stub.personas().iter() {
        assert!(login.body.contains(&format!("value=\"{}\"", persona.id)), "{}", persona.id);
    }
    for fault in FAULTS {
        assert!(login.body.contains(&format!("<option value=\"{}\"", fault.name())), "{fault:?}");
    }
    assert!(login.body.contains("openid profile birth email</code>"), "shows the scopes");
    let refused = world.get("/api/v2/authorize").await;
    let root = world.get("/").await;
    for profile in PROFILES {
        assert!(root.body.contains(&world.stub.issuer(profile)));
    }
    let missing = world.get("/nowhere").await;
    assert_eq!(missing.status, 404);
    for page in [login, refused, root, missing] {
        assert!(page.body.contains("SIMULATEUR") && page.body.contains("SIMULATOR"));
        assert!(!page.body.contains("<script") && !page.body.contains("style=\""));
        assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'self'"));
        assert!(page.body.contains("href=\"/_stub/style.css\""));
    }
    let style = world.get("/_stub/style.css").await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
}

#[tokio::test]
async fn a_session_is_a_button() {
    let mut world = World::new();
    assert!(!world.get_with("/api/v2/authorize", &fc(&[])).await.body.contains("Continue as"));
    world.fc_code("corse", &[]).await;
    let page = world.get_with("/api/v2/authorize", &fc(&[])).await;
    assert!(
        page.body.contains("Continue as")
            && page.body.contains("<strong>Ghjuvan Battista MUVRELLACCI</strong>")
    );
    let answer = world.post(&page.action(), &[("persona", "corse")]).await;
    assert!(answer.parameter("code").is_some());
}

#[tokio::test]
async fn two_tabs_of_one_browser() {
    let mut world = World::new();
    let (one, two) = (
        world.get_with("/api/v2/authorize", &fc(&[])).await,
        world.get_with("/api/v2/authorize", &fc(&[])).await,
    );
    let second = world.post(&two.action(), &[("persona", "corse")]).await.parameter("code").unwrap();
    let first = world.post(&one.action(), &[("persona", "angela")]).await.parameter("code").unwrap();
    assert_eq!((world.fc_token(&first).await.status, world.fc_token(&second).await.status), (200, 200));
}

#[tokio::test]
async fn every_issuer_publishes_itself() {
    let mut world = World::new();
    for profile in PROFILES.iter().filter(|profile| profile.publishes()) {
        let issuer = world.stub.issuer(profile);
        let document = world.get(&format!("{}/.well-known/openid-configuration", profile.path)).await;
        assert_eq!((document.status, document.header("cache-control")), (200, "public, max-age=600"));
        let document = document.json();
        assert_eq!(document["issuer"], issuer);
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        assert_eq!(document["code_challenge_methods_supported"][0], "S256", "even where it misleads");
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "jwks_uri",
            "end_session_endpoint",
        ] {
            let url = document[name].as_str().unwrap();
            let path = url.strip_prefix(BASE).unwrap();
            assert!(url.starts_with(&format!("{issuer}/")), "{url}");
            assert_ne!(world.get(path).await.status, 404, "{url}");
        }
    }
}

#[test]
fn a_base_is_scheme_host_and_port() {
    for bad in ["", "127.0.0.1:8081", "http://a/b", "http://a/?b", "http://u@a/", "ftp://a", "data:,x"] {
        assert!(matches!(Stub::builder(bad).build(), Err(BuildError::Base(_))), "{bad}");
    }
    for good in ["http://127.0.0.1:8081", "http://127.0.0.1:8081/", "https://stub.example"] {
        assert!(Stub::builder(good).build().is_ok(), "{good}");
    }
    assert!(matches!(Stub::builder("http://a").auto_login(Some("x")).build(), Err(BuildError::Persona(_))));
    let client = Stub::builder("http://a").client("a", "b", &["nowhere"], &[] as &[&str]);
    assert!(matches!(client.build(), Err(BuildError::RedirectUri(_))));
}

#[test]
fn a_closure_is_a_clock_and_a_seed_repeats() {
    let build = || Stub::builder("http://a").clock(|| 1_000).seed(7).build().unwrap();
    let (one, two) = (build(), build());
    assert_eq!(one.calls(), two.calls());
}
