//! Section D: the event and the page name the true cause; the event alone is enough to act.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use relais::event::Step;
use serde_json::json;
use stub_upstream::{Fault, Instead, Part};

use super::{REFRESH, cause, instead, log_in, mended, put, told, twist};
use crate::field_sessions::up_to_the_callback;
use crate::harness::{RELAY, Setup, World, choose, parameter};

/// Changes one number of every key on a curve, and publishes no other.
fn numbers(world: &World, name: &'static str, change: fn(Vec<u8>) -> String) {
    twist(world, Part::Jwks, move |set| {
        let keys = set["keys"].as_array_mut().unwrap();
        keys.retain(|key| key["kty"] == "EC");
        for key in keys {
            let bytes = URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
            key[name] = json!(change(bytes));
        }
    });
}

#[tokio::test]
async fn d1_any_encoding_of_a_key_is_the_key_and_a_defect_is_named() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for change in [
        (|bytes| URL_SAFE_NO_PAD.encode([&[0], &bytes[..]].concat())) as fn(Vec<u8>) -> String,
        |bytes| URL_SAFE.encode([&[0; 7], &bytes[..]].concat()),
        |bytes| URL_SAFE.encode(bytes),
    ] {
        numbers(&world, "x", change);
        world.advance(REFRESH);
        log_in(&world, &app).await.unwrap_or_else(|error| panic!("{error} {:?}", cause(&world)));
    }
    for (change, defect) in [
        ((|_| "A+/=".to_owned()) as fn(Vec<u8>) -> String, "its `y` is missing or malformed"),
        (|_| String::new(), "its `y` is missing or malformed"),
        (|bytes| URL_SAFE_NO_PAD.encode([&[1], &bytes[..]].concat()), "its `y` is missing or malformed"),
        (|bytes| URL_SAFE_NO_PAD.encode(&bytes[1..]), "its numbers are no public key"),
    ] {
        let world = World::new().await;
        numbers(&world, "y", change);
        assert!(log_in(&world, &world.legacy("silencieuse")).await.is_err(), "{defect}");
        let (reason, cause) = cause(&world);
        assert_eq!(reason, "upstream.jwks");
        assert!(cause.contains(defect) && cause.contains("key \""), "{cause}");
    }
}

#[tokio::test]
async fn d2_an_error_with_status_200_is_an_error() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for (status, error, reason) in [
        (200, "invalid_client", "upstream.invalid_client"),
        (200, "invalid_grant", "upstream.invalid_grant"),
        (200, "server_error", "upstream.http_status"),
        (400, "invalid_client", "upstream.invalid_client"),
    ] {
        let body = json!({"error": error, "error_description": "No\u{202e}", "token_type": null}).to_string();
        instead(&world, Part::Token, status, "application/json", &body);
        assert!(log_in(&world, &app).await.is_err());
        let event = told(&world);
        assert_eq!(event.reason.unwrap().slug(), reason);
        assert_eq!(event.facts.upstream_error.as_deref(), Some(error));
        assert_eq!(event.facts.upstream_description.as_deref(), Some("No\u{202e}"));
    }
}

#[tokio::test]
async fn d3_the_media_type_of_a_token_answer_is_told() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for (kind, told) in [("text/plain", "text/plain"), ("Text/HTML; charset=x", "text/html"), ("", "\"\"")] {
        instead(&world, Part::Token, 200, kind, r#"{"access_token":"a","token_type":"Bearer"}"#);
        assert!(log_in(&world, &app).await.is_err());
        let (reason, cause) = cause(&world);
        assert_eq!(reason, "upstream.not_json");
        assert!(cause.contains(told) && cause.contains("application/json is due"), "{cause}");
    }
    for (body, told) in [
        ("", "EOF while parsing"),
        ("[]", "no object"),
        (r#"{"a":1,"a":2}"#, "the member \"a\" twice"),
        (r#"{"token_type":"Bearer","id_token":"x"}"#, "its access_token is missing"),
    ] {
        instead(&world, Part::Token, 200, "application/json", body);
        assert!(log_in(&world, &app).await.is_err());
        assert!(cause(&world).1.contains(told), "{:?}", cause(&world));
    }
}

#[tokio::test]
async fn d4_a_refusal_tells_the_level_that_was_asked() {
    let world = World::new().await;
    world.stub.set_fault(Some(Fault::AccessDenied));
    assert_eq!(log_in(&world, &world.legacy("forte")).await.unwrap_err(), "access_denied");
    let event = told(&world);
    assert_eq!(event.facts.acr_asked.as_deref(), Some("eidas2 eidas3"));
    let row = event.reason.unwrap().row();
    assert!(row.advice.contains("`acr_asked`"), "{}", row.advice);
    assert_eq!(log_in(&world, &world.legacy("silencieuse")).await.unwrap_err(), "access_denied");
    assert_eq!(told(&world).facts.acr_asked, None);
}

#[tokio::test]
async fn d5_the_issuer_due_and_the_one_found_are_told() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let due = format!("{}/generic", world.stub_base);
    put(&world, Part::IdToken, "iss", json!(format!("{due}/")));
    assert!(log_in(&world, &app).await.is_err());
    let says_both = |world: &World, reason: &str| {
        let told = cause(world);
        assert_eq!(told.0, reason);
        let (one, other) = (format!("{due:?} is due"), format!("\"{due}/\" was found"));
        assert!(told.1.contains(&one) && told.1.contains(&other), "{}", told.1);
    };
    says_both(&world, "upstream.issuer_claim");
    mended(&world);
    // The authorization response.
    let mut browser = world.browser();
    let callback = up_to_the_callback(&mut browser, &app.start(world.now()).1, "angela").await;
    let (state, code) = (parameter(&callback, "state").unwrap(), parameter(&callback, "code").unwrap());
    let url = callback.split_once('?').unwrap().0;
    let page = browser.get(&format!("{url}?code={code}&state={state}&iss={due}/")).await;
    assert_eq!(page.code(), "UPSTREAM_MIXUP");
    says_both(&world, "upstream.issuer_mismatch");
    // The metadata.
    let world = World::new().await;
    let due = format!("{}/generic", world.stub_base);
    put(&world, Part::Discovery, "issuer", json!(format!("{due}/")));
    assert!(log_in(&world, &world.legacy("silencieuse")).await.is_err());
    let (reason, cause) = cause(&world);
    assert_eq!(reason, "upstream.discovery");
    assert!(cause.contains(&format!("{due:?} is due, \"{due}/\" was found")), "{cause}");
    assert_eq!(told(&world).facts.url, Some(format!("{due}/.well-known/openid-configuration")));
}

#[tokio::test]
async fn d9_a_token_that_is_too_long_is_called_so() {
    let world = World::new().await;
    put(&world, Part::IdToken, "x", json!("x".repeat(70_000)));
    assert!(log_in(&world, &world.legacy("silencieuse")).await.is_err());
    let event = told(&world);
    assert_eq!(event.reason.unwrap().slug(), "upstream.too_large");
    assert!(event.facts.length.is_some_and(|length| length > 70_000));
    assert!(event.facts.cause.unwrap().contains("more than the 65536 that are looked at"));
}

#[tokio::test]
async fn d10_what_nobody_sees_shows_on_pages() {
    let world = World::new().await;
    let app = world.legacy("paie");
    put(&world, Part::Userinfo, "name", json!("Ange\u{202e}la\u{2028}\u{200b}\u{ad}\u{e0041}"));
    let mut browser = world.browser();
    let page = browser.open(&app.start(world.now()).1).await;
    let page = choose(&mut browser, page, "angela").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Ange‹U+202E›la‹U+2028›‹U+200B›‹U+00AD›‹U+E0041›"), "{}", page.body);
    assert!(!page.body.chars().any(relais::visible::is_hidden));
}

#[tokio::test]
async fn d12_a_redirection_tells_whereto() {
    let to = "https://sso.example:8443/login?token=secret";
    let redirection = || {
        let headers = vec![("location", to.to_owned())];
        Some(Instead { status: 302, headers, body: String::new() })
    };
    for (part, reason) in [
        (Part::Discovery, "upstream.discovery"),
        (Part::Jwks, "upstream.jwks"),
        (Part::Token, "upstream.http_status"),
        (Part::Userinfo, "upstream.http_status"),
    ] {
        let world = World::new().await;
        world.stub.set_instead(part, redirection());
        assert!(log_in(&world, &world.legacy("silencieuse")).await.is_err());
        let told = cause(&world);
        assert_eq!(told.0, reason);
        assert!(told.1.contains("302, to https://sso.example:8443, which is not followed"), "{}", told.1);
        assert!(!told.1.contains("secret"));
        assert_eq!(super::told(&world).facts.status, Some(302));
    }
}

#[tokio::test]
async fn d14_behind_a_proxy_that_tells_no_port_there_is_none() {
    let server = "trusted_proxies = [\"127.0.0.0/8\"]\n".to_owned();
    let world = World::with(Setup { server, ..Setup::default() }).await;
    let app = world.legacy("silencieuse");
    for (forwarded, port) in [("203.0.113.7", 0), ("203.0.113.7:51008", 51_008)] {
        let mut browser = world.browser().at("127.0.0.1").with("X-Forwarded-For", forwarded);
        browser.get(&app.start(world.now()).1).await;
        let peer = world.events(Step::UpstreamRedirected).pop().unwrap().peer.unwrap();
        assert_eq!((peer.address.to_string().as_str(), peer.port), ("203.0.113.7", port));
    }
}

/// An address that names an application which is not there: the event says which, and the page leads to no other one.
#[tokio::test]
async fn d7_the_application_that_was_asked_for_is_told() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open(&world.legacy("compta").start(world.now()).1).await;
    for (path, asked) in [
        ("/idp/nobody?msg=00", Some("nobody")),
        ("/idp/NOBODY?msg=00", None),
        ("/logout/nobody", Some("nobody")),
    ] {
        world.recorder.clear();
        let page = browser.get(&format!("{RELAY}{path}")).await;
        assert!([400, 404].contains(&page.status) && !page.body.contains("compta"), "{path}: {}", page.body);
        assert_eq!(told(&world).facts.names.as_deref(), asked, "{path}");
    }
    let page = browser.get(&format!("{RELAY}/idp/compta?msg=00")).await;
    assert_eq!(page.button(), "https://compta.example/accueil", "its own");
}
