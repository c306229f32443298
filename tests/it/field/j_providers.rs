//! Section J: what other providers do.

use relais::event::Step;
use serde_json::json;
use stub_upstream::{Fault, Part};

use super::{cause, instead, log_in, put, told};
use crate::harness::{World, providers};

#[tokio::test]
async fn j4_any_401_of_the_token_endpoint_is_a_wrong_credential() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let keycloak = r#"{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}"#;
    for (kind, body) in [
        ("application/json", keycloak),
        ("application/json", r#"{"error":"invalid_grant"}"#),
        ("application/json", "{}"),
        ("text/html", "<h1>401</h1>"),
    ] {
        instead(&world, Part::Token, 401, kind, body);
        assert_eq!(log_in(&world, &app).await.unwrap_err(), "server_error");
        let event = told(&world);
        assert_eq!(event.reason.unwrap().slug(), "upstream.invalid_client", "{body}");
        assert_eq!(event.facts.status, Some(401));
        if body == keycloak {
            assert_eq!(event.facts.upstream_error.as_deref(), Some("unauthorized_client"));
            assert!(event.facts.upstream_description.unwrap().starts_with("Invalid client"));
        }
    }
}

#[tokio::test]
async fn j5_a_fetch_that_was_withheld_is_said() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    log_in(&world, &app).await.unwrap();
    put(&world, Part::IdTokenHeader, "kid", json!("first"));
    assert!(log_in(&world, &app).await.is_err());
    assert!(!cause(&world).1.contains("not asked for again"), "it was just fetched");
    world.advance(13);
    put(&world, Part::IdTokenHeader, "kid", json!("second"));
    assert!(log_in(&world, &app).await.is_err());
    let (reason, cause) = cause(&world);
    assert_eq!(reason, "upstream.key_unknown");
    assert!(cause.contains("not asked for again for 47 s"), "{cause}");
    assert_eq!(told(&world).facts.kid.as_deref(), Some("second"));
}

#[tokio::test]
async fn j6_what_the_application_got_and_what_the_provider_said_are_two_fields() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for (fault, got, said) in [
        (Fault::InvalidScope, "server_error", Some("invalid_scope")),
        (Fault::TemporarilyUnavailable, "temporarily_unavailable", Some("temporarily_unavailable")),
        (Fault::AccessDenied, "access_denied", Some("access_denied")),
        (Fault::TokenInvalidGrant, "server_error", Some("invalid_grant")),
        (Fault::TokenInvalidClient, "server_error", Some("invalid_client")),
        (Fault::WrongNonce, "server_error", None),
        (Fault::LoginRequired, "login_required", Some("login_required")),
    ] {
        world.stub.set_fault(Some(fault));
        assert_eq!(log_in(&world, &app).await.unwrap_err(), got);
        let facts = world.events(Step::LegacyRefusalIssued).pop().unwrap().facts;
        assert_eq!((facts.error.as_deref(), facts.upstream_error.as_deref()), (Some(got), said));
    }
}

#[tokio::test]
async fn j7_a_provider_s_words_reach_the_operator_alone() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let words = format!("Pushed Authorization Request is required\u{202e}{}", "x".repeat(300));
    for status in [400, 500, 403] {
        let body = json!({"error": "invalid_request", "error_description": words}).to_string();
        instead(&world, Part::Token, status, "application/json", &body);
        assert!(log_in(&world, &app).await.is_err());
        let facts = told(&world).facts;
        assert_eq!(facts.upstream_error.as_deref(), Some("invalid_request"));
        let heard = facts.upstream_description.unwrap();
        assert!(heard.starts_with("Pushed Authorization") && heard.chars().count() == 200, "{heard}");
    }
    world.stub.set_instead(Part::Token, None);
    for odd in [json!(null), json!(1), json!(["a"]), json!({"a": 1}), json!("")] {
        let body = json!({"error": "invalid_request", "error_description": odd}).to_string();
        instead(&world, Part::Token, 400, "application/json", &body);
        assert!(log_in(&world, &app).await.is_err());
        assert_eq!(told(&world).facts.upstream_description, None);
    }
    world.stub.set_instead(Part::Token, None);
    for kind in ["application/jwt", "text/plain"] {
        instead(&world, Part::Userinfo, 200, kind, "{}");
        assert!(log_in(&world, &app).await.is_err());
        let (reason, cause) = cause(&world);
        assert_eq!(reason, "upstream.userinfo_type");
        assert!(cause.contains(&format!("application/json is due, {kind:?} was found")), "{cause}");
    }
    // A refused document says where it stands.
    let world = World::new().await;
    instead(&world, Part::Discovery, 200, "application/json", "<html>");
    assert!(log_in(&world, &world.legacy("silencieuse")).await.is_err());
    let facts = told(&world).facts;
    assert!(facts.url.is_some_and(|url| url.ends_with("/generic/.well-known/openid-configuration")));
    assert!(facts.cause.is_some_and(|cause| cause.contains("expected value at line 1 column 1")));
    instead(&world, Part::Discovery, 200, "application/json", "{}");
}

#[tokio::test]
async fn j8_encrypted_and_not_signed_is_called_so() {
    let world = World::with(providers::setup()).await;
    world.stub.set_fault(Some(Fault::JweUnsigned));
    let app = world.legacy("plus");
    assert_eq!(log_in(&world, &app).await.unwrap_err(), "server_error");
    let (reason, cause) = cause(&world);
    assert_eq!(reason, "upstream.not_signed", "{cause}");
    world.stub.set_fault(Some(Fault::JweNoCty));
    assert!(log_in(&world, &app).await.is_err());
    assert_eq!(super::cause(&world).0, "upstream.jwt_header");
}
