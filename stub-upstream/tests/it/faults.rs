//! How each fault looks on the wire.

use serde_json::{Value, json};
use stub_upstream::fault::Stage;
use stub_upstream::{FAULTS, Fault};

use crate::harness::{Answer, BACK, ID, NONCE, NOW, STATE, World, fc, opened, verifies};

fn id_token(tokens: &Answer) -> String {
    tokens.json()["id_token"].as_str().unwrap_or_else(|| panic!("{}", tokens.body)).to_owned()
}

/// The `id_token` under a fault, and whether its signature is good.
async fn lie(fault: Fault) -> (Value, serde_json::Map<String, Value>, bool) {
    let mut world = World::new();
    let (tokens, _) = world.fc_login("angela", &[("fault", fault.name())]).await;
    let jws = id_token(&tokens);
    let jwks = world.get("/api/v2/jwks").await.json();
    let (header, claims) = opened(&jws);
    let good = fault != Fault::AlgNone && verifies(&jws, &jwks);
    let (tokens, _) = world.fc_login("angela", &[]).await;
    let (_, next) = opened(&id_token(&tokens));
    assert_eq!((&next["nonce"], &next["aud"]), (&json!(NONCE), &json!(ID)), "the next login is sound");
    (header, claims, good)
}

async fn token(fault: Fault) -> Answer {
    let mut world = World::new();
    let code = world.fc_code("angela", &[("fault", fault.name())]).await.parameter("code").unwrap();
    world.fc_token(&code).await
}

async fn response(fault: Fault) -> Answer {
    World::new().fc_code("angela", &[("fault", fault.name())]).await
}

#[tokio::test]
async fn lies_in_the_id_token() {
    let (_, claims, good) = lie(Fault::WrongNonce).await;
    assert!(good && claims["nonce"] != NONCE && claims["nonce"].as_str().unwrap().len() > 22);
    let (_, claims, good) = lie(Fault::NonceMissing).await;
    assert!(good && !claims.contains_key("nonce"));
    let (_, claims, good) = lie(Fault::WrongIssuer).await;
    assert!(good && claims["iss"] != "http://127.0.0.1:8081/api/v2");
    let (_, claims, good) = lie(Fault::AudWrong).await;
    assert!(good && claims["aud"] != ID);
    let (_, claims, good) = lie(Fault::AcrLow).await;
    assert!(good && claims["acr"] == "eidas0");
    let (_, claims, good) = lie(Fault::ExpiredIdToken).await;
    assert!(good && claims["exp"] == NOW - 7140 && claims["iat"] == NOW - 7200);
    let (_, claims, good) = lie(Fault::BadSignature).await;
    assert!(!good && claims["nonce"] == NONCE);
    let (header, claims, _) = lie(Fault::AlgNone).await;
    assert!(header == json!({ "alg": "none" }) && claims["nonce"] == NONCE);
    let (header, _, good) = lie(Fault::KeyUnknown).await;
    assert!(!good && header["kid"] == "unpublished");
    let (header, _, good) = lie(Fault::KeyRotated).await;
    assert!(good && header["kid"] == "pkcs11:ES256:hsm:2");
}

#[tokio::test]
async fn broken_token_responses() {
    let answer = token(Fault::Token500).await;
    assert_eq!((answer.status, answer.header("content-type")), (500, "text/html; charset=utf-8"));
    let answer = token(Fault::TokenGarbled).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json; charset=utf-8"));
    assert!(serde_json::from_str::<Value>(&answer.body).is_err());
    let answer = token(Fault::TokenHuge).await;
    assert!(answer.status == 200 && answer.body.len() > 10_000_000);
    let answer = token(Fault::TokenGzipBomb).await;
    assert!(
        answer.status == 200 && answer.header("content-encoding") == "gzip" && answer.body.len() < 200_000
    );
    let answer = token(Fault::TokenTruncated).await;
    assert!(answer.status == 200 && answer.body.starts_with('{') && !answer.body.ends_with('}'));
    let answer = token(Fault::TokenCut).await;
    assert!(answer.header("content-length") == "1000" && answer.body.len() < 1000);
    let answer = token(Fault::TokenRedirect).await;
    assert!(answer.status == 302 && !answer.header("location").is_empty());
    let answer = token(Fault::TokenInvalidGrant).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_grant")));
    let answer = token(Fault::TokenInvalidClient).await;
    assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("invalid_client")));
    assert_eq!(token(Fault::TokenTypeWrong).await.json()["token_type"], "mac");
    assert_eq!(token(Fault::ScopeFewer).await.json()["scope"], "openid");
    assert_eq!(token(Fault::NoIdToken).await.json().get("id_token"), None);
}

#[tokio::test]
async fn a_slow_token_response_is_right_and_late() {
    let mut world = World::new();
    let code = world.fc_code("angela", &[("fault", "token_slow")]).await.parameter("code").unwrap();
    let soon = tokio::time::timeout(std::time::Duration::from_millis(10), world.fc_token(&code)).await;
    assert!(soon.is_err(), "not before its time");
    let answer = world.fc_token(&code).await;
    assert_eq!((answer.status, &answer.json()["token_type"]), (200, &json!("Bearer")));
}

#[tokio::test]
async fn broken_userinfo_responses() {
    let mut world = World::new();
    let (tokens, userinfo) = world.fc_login("angela", &[("fault", "sub_differs")]).await;
    let (here, there) = (opened(&id_token(&tokens)).1, opened(&userinfo.body).1);
    assert_ne!(here["sub"], there["sub"]);
    assert_eq!(there["sub"].as_str().unwrap().len(), 66, "of the right shape");
    let (_, userinfo) = world.fc_login("angela", &[("fault", "userinfo_json")]).await;
    assert!(
        userinfo.header("content-type").starts_with("application/json")
            && userinfo.json()["sub"] == here["sub"]
    );
    let (_, userinfo) = world.fc_login("angela", &[("fault", "userinfo_garbled")]).await;
    assert!(userinfo.status == 200 && serde_json::from_str::<Value>(&userinfo.body).is_err());
    let (_, userinfo) = world.fc_login("angela", &[("fault", "userinfo_500")]).await;
    assert_eq!(userinfo.status, 500);
}

#[tokio::test]
async fn broken_authorization_responses() {
    let answer = response(Fault::AccessDenied).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("access_denied"));
    let answer = response(Fault::TemporarilyUnavailable).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("temporarily_unavailable"));
    assert_eq!(answer.parameter("state").as_deref(), Some(STATE));
    let answer = response(Fault::StateMissing).await;
    assert!(answer.parameter("code").is_some() && answer.parameter("state").is_none());
    let answer = response(Fault::IssMissing).await;
    assert!(answer.parameter("state").is_some() && answer.parameter("iss").is_none());
    let answer = response(Fault::IssWrong).await;
    assert!(answer.parameter("iss").is_some_and(|iss| iss != "http://127.0.0.1:8081/api/v2"));
}

#[tokio::test]
async fn a_fault_of_every_exchange_comes_and_goes() {
    let mut world = World::new();
    world.stub.set_auto_login(Some("angela"));
    for fault in FAULTS {
        world.stub.set_fault(Some(*fault));
        let answer = world.get_with("/api/v2/authorize", &fc(&[])).await;
        if !matches!(answer.status, 302 | 303) {
            assert!(fault.stage() == Stage::Response && answer.body.contains("SIMULATEUR"), "{fault:?}");
            continue;
        }
        assert!(answer.header("location").starts_with(BACK), "{fault:?}");
        let code = answer.parameter("code").is_some();
        assert!(code || fault.stage() == Stage::Response, "{fault:?}");
    }
    world.stub.set_fault(None);
    let code = world.get_with("/api/v2/authorize", &fc(&[])).await.parameter("code").unwrap();
    world.stub.set_fault(Some(Fault::Token500));
    assert_eq!(world.fc_token(&code).await.status, 500);
    world.stub.set_fault(None);
    assert_eq!(world.fc_token(&code).await.status, 200, "and the code is unharmed");
}
