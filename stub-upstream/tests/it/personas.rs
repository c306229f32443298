//! The people, and the ways to name one.

use stub_upstream::{Alg, Personas};

use crate::harness::{World, fc, generic, opened};

const FILE: &str = "[[persona]]\nid = 'own'\nfamily_name = 'OWN'\nemail = 'own@example.org'\n";

#[tokio::test]
async fn everybody_can_sign_in_everywhere() {
    let mut world = World::new();
    let ids: Vec<_> = world.stub.personas().iter().map(|persona| persona.id.clone()).collect();
    let mut subs = std::collections::HashSet::new();
    for id in &ids {
        let (tokens, userinfo) = world.fc_login(id, &[]).await;
        assert_eq!((tokens.status, userinfo.status), (200, 200), "{id}");
        subs.insert(opened(&userinfo.body).1["sub"].as_str().unwrap().to_owned());
    }
    assert_eq!(subs.len(), ids.len(), "each is somebody else");
    let (_, userinfo) = world.fc_login("corse-2b", &[]).await;
    assert_eq!(opened(&userinfo.body).1["birthplace"], "2B033");
    let (_, userinfo) = world.fc_login("un-seul-nom", &[]).await;
    assert!(!opened(&userinfo.body).1.contains_key("given_name"));
    let (_, userinfo) = world.fc_login("presque-rien", &[]).await;
    assert!(!opened(&userinfo.body).1.contains_key("email"));
}

#[tokio::test]
async fn every_standard_claim() {
    let mut world = World::new();
    world.stub.set_auto_login(Some("complet"));
    let scope = ("scope", "openid profile email phone address");
    let code = world.get_with("/generic/authorize", &generic(&[scope])).await.parameter("code").unwrap();
    let tokens = world.generic_token(&code).await.json();
    let person = world.userinfo("/generic/userinfo", tokens["access_token"].as_str().unwrap()).await.json();
    for claim in "sub name given_name family_name middle_name nickname preferred_username profile picture website \
                  email email_verified gender birthdate zoneinfo locale phone_number phone_number_verified address \
                  updated_at"
        .split_whitespace()
    {
        assert!(person.get(claim).is_some(), "{claim}");
    }
    assert_eq!(person["address"]["postal_code"], "69003");
}

#[tokio::test]
async fn another_file_takes_their_place() {
    let own = Personas::parse(FILE).unwrap();
    let mut world = World::build(Alg::Es256, None, |builder| builder.personas(own.clone()));
    let page = world.get_with("/api/v2/authorize", &fc(&[])).await;
    assert!(page.body.contains("value=\"own\"") && !page.body.contains("angela\""));
    let both = Personas::bundled().unwrap().and(&own);
    assert!(both.find("own").is_some() && both.find("angela").is_some());
    let angela = Personas::parse("[[persona]]\nid = 'angela'\nfamily_name = 'OTHER'").unwrap();
    let replaced = both.and(&angela);
    assert_eq!(replaced.find("angela").unwrap().family_name, "OTHER");
    assert_eq!(replaced.iter().count(), both.iter().count());
}

#[tokio::test]
async fn a_login_name_may_be_a_fault() {
    let mut world = World::new();
    let mut typed = async |login: &str| {
        let page = world.get_with("/api/v2/authorize", &fc(&[])).await;
        let answer = world.post(&page.action(), &[("login", login)]).await;
        let code = answer.parameter("code")?;
        Some(world.fc_token(&code).await)
    };
    assert_eq!(typed("token_500").await.unwrap().status, 500);
    assert_eq!(typed("angela:token_invalid_grant").await.unwrap().status, 400);
    assert_eq!(typed(" angela ").await.unwrap().status, 200);
    assert!(typed("state_missing").await.is_some());
    let page = world.get_with("/api/v2/authorize", &fc(&[])).await;
    for nobody in ["", "nobody", "nobody:token_500", "angela:nothing", "E999999"] {
        let again = world.post(&page.action(), &[("login", nobody)]).await;
        assert!(again.status == 400 && again.body.contains("role=\"alert\""), "{nobody}");
    }
}

#[tokio::test]
async fn a_login_name_may_be_an_error_code() {
    let mut world = World::new();
    for (login, code, status, error) in [
        ("E010004", "Y010004", 403, "access_denied"),
        ("y180001", "Y180001", 403, "access_denied"),
        ("E020010", "Y020010", 502, "server_error"),
        ("E020018", "Y020018", 504, "temporarily_unavailable"),
    ] {
        let page = world.get_with("/api/v2/authorize", &fc(&[])).await;
        let stays = world.post(&page.action(), &[("login", login)]).await;
        assert_eq!(stays.status, status, "{login}");
        assert!(stays.body.contains(&format!("<code>{code}</code>")), "{}", stays.body);
        let link = stays.body.split("href=\"").find(|part| part.contains("/back?")).unwrap();
        let link = link.split('"').next().unwrap().replace("&amp;", "&");
        let back = world.get(&link).await;
        assert_eq!((back.status, back.header("content-type")), (302, "text/plain; charset=utf-8"));
        assert_eq!(back.parameter("error").as_deref(), Some(error));
        assert!(back.parameter("state").is_some() && back.parameter("iss").is_some());
        assert_eq!(world.get(&link).await.status, 400, "once");
    }
}

#[tokio::test]
async fn a_hint_names_somebody_only_where_it_is_accepted() {
    let mut world = World::new();
    let refused = world.get_with("/api/v2/authorize", &fc(&[("login_hint", "corse")])).await;
    assert!(refused.status == 400 && refused.body.contains("Y030007"));
    let page = world.get_with("/generic/authorize", &generic(&[("login_hint", "corse")])).await;
    assert!(page.body.contains("value=\"corse\" autocomplete"));
    world.stub.set_auto_login(Some("angela"));
    let hint = ("login_hint", "corse:no_id_token");
    let code = world.get_with("/generic/authorize", &generic(&[hint])).await.parameter("code").unwrap();
    let tokens = world.generic_token(&code).await.json();
    assert!(tokens.get("id_token").is_none());
    let person = world.userinfo("/generic/userinfo", tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!(person["family_name"], "MUVRELLACCI");
}

#[tokio::test]
async fn load_is_somebody_else_each_time_and_the_same_again() {
    let names = async || {
        let mut world = World::build(Alg::Es256, None, |builder| builder.auto_login(Some("load")));
        let mut names = Vec::new();
        for _ in 0..3 {
            let code = world.get_with("/generic/authorize", &generic(&[])).await.parameter("code").unwrap();
            let tokens = world.generic_token(&code).await.json();
            let token = tokens["access_token"].as_str().unwrap();
            let person = world.userinfo("/generic/userinfo", token).await.json();
            names.push(person["family_name"].as_str().unwrap().to_owned());
        }
        assert_eq!(world.get("/_stub/api/v1/logins").await.json().as_array().unwrap().len(), 0, "no journal");
        names
    };
    let (one, two) = (names().await, names().await);
    assert_eq!(one, two);
    assert!(one[0] != one[1] && one[1] != one[2]);
}
