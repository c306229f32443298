//! How the faults look on the wire that `faults.rs` leaves out: each of them, by name.

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use stub_upstream::{FAULTS, Fault, Stage};
use tower::ServiceExt as _;

use crate::harness::{AFTER, ID, NONCE, NOW, STATE, World, fc, fc_token, opened, verifies};

fn id_token(body: &Value) -> &str {
    body["id_token"].as_str().unwrap_or_else(|| panic!("{body}"))
}

/// Header, claims and goodness of the `id_token` under each fault of that stage.
#[tokio::test]
async fn each_lie_in_the_id_token_is_one() {
    let mut world = World::new();
    let sound = opened(id_token(&world.fc_login("angela", &[]).await.0.json()));
    for fault in FAULTS.iter().filter(|fault| fault.stage() == Stage::IdToken) {
        let tokens = world.fc_login("angela", &[("fault", fault.name())]).await.0.json();
        let jws = id_token(&tokens);
        if *fault == Fault::IdTokenGarbled {
            assert_eq!(jws.split('.').count(), 1);
            continue;
        }
        let (head, claims) = opened(jws);
        assert!((&head, &claims) != (&sound.0, &sound.1) || *fault == Fault::BadSignature, "{fault:?} shows");
        let jwks = world.get("/api/v2/jwks").await.json();
        let published = jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .any(|key| key["kid"] == head["kid"] && key["alg"] == head["alg"]);
        let good = published && verifies(jws, &jwks);
        let bad = [
            Fault::BadSignature,
            Fault::AlgNone,
            Fault::AlgConfusion,
            Fault::KeyUnknown,
            Fault::KidMissing,
            Fault::KeyInHeader,
        ];
        assert_eq!(good, !bad.contains(fault), "{fault:?}: {head}");
        let is = |name: &str, value: Value| assert_eq!(claims[name], value, "{fault:?}");
        match fault {
            Fault::IssuerSlash => is("iss", json!("http://127.0.0.1:8081/api/v2/")),
            Fault::AudExtra => is("aud", json!([ID, "another-client"])),
            Fault::AzpWrong => is("azp", json!("another-client")),
            Fault::FutureIdToken => is("iat", json!(NOW + 7200)),
            Fault::SkewedClock => is("iat", json!(NOW + 20)),
            Fault::ExpText => is("exp", json!((NOW + 60).to_string())),
            Fault::AcrHigh => is("acr", json!("eidas3")),
            Fault::AcrUnknown => is("acr", json!("eidas99")),
            Fault::AmrNull => assert!(claims["amr"].is_null() && claims.contains_key("amr")),
            Fault::AmrText => is("amr", json!("pwd")),
            Fault::SubEmpty => is("sub", json!("")),
            Fault::SubNumber => assert!(claims["sub"].is_u64()),
            Fault::SubLong => assert_eq!(claims["sub"].as_str().unwrap().len(), 300),
            Fault::AtHashWrong => assert_eq!(claims["at_hash"].as_str().unwrap().len(), 22),
            Fault::ExpMissing => assert!(!claims.contains_key("exp")),
            Fault::AcrMissing => assert!(!claims.contains_key("acr")),
            Fault::SubMissing => assert!(!claims.contains_key("sub")),
            Fault::AlgConfusion => assert_eq!(head["alg"], "HS256"),
            Fault::AlgOther => assert_eq!(head["alg"], "RS256"),
            Fault::KidMissing => assert_eq!(head, json!({ "alg": "ES256" })),
            Fault::CritUnknown => assert_eq!(head["crit"], json!(["urn:example:extension"])),
            Fault::KeyInHeader => {
                let own = json!({ "keys": [head["jwk"]] });
                let mut named = own.clone();
                named["keys"][0]["kid"] = head["kid"].clone();
                assert!(verifies(jws, &named), "it fits its own key");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn each_broken_answer_of_the_back_channel_is_one() {
    let mut world = World::new();
    let (sound, person) = world.fc_login("angela", &[]).await;
    let person = opened(&person.body).1;
    for fault in FAULTS.iter().filter(|fault| matches!(fault.stage(), Stage::Token | Stage::Userinfo)) {
        // Each has its own test.
        if matches!(fault, Fault::TokenHangUp | Fault::UserinfoHangUp | Fault::ClaimsDeep) {
            continue;
        }
        let (tokens, userinfo) = world.fc_login("angela", &[("fault", fault.name())]).await;
        match fault {
            Fault::Token502 => {
                assert_eq!((tokens.status, tokens.header("content-type")), (502, "text/html; charset=utf-8"));
            }
            Fault::Token503 => assert_eq!((tokens.status, tokens.header("retry-after")), (503, "120")),
            Fault::TokenHtml => assert!(tokens.status == 200 && tokens.body.starts_with("<!DOCTYPE")),
            Fault::TokenEmpty => assert!(tokens.status == 200 && tokens.body.is_empty()),
            Fault::TokenCookies => {
                assert_eq!(tokens.headers.get_all(header::SET_COOKIE).iter().count(), 40);
                assert!(tokens.json()["id_token"].is_string());
                world.cookie = None;
            }
            Fault::TokenTrickle | Fault::TokenSlow => {
                assert!(tokens.json()["id_token"].is_string(), "right in the end");
            }
            Fault::NoAccessToken => assert!(tokens.json().get("access_token").is_none()),
            Fault::Userinfo401 => assert!(
                userinfo.status == 401 && userinfo.header("www-authenticate").contains("invalid_token")
            ),
            Fault::Userinfo503 => assert_eq!((userinfo.status, userinfo.header("retry-after")), (503, "120")),
            Fault::UserinfoHuge => assert!(userinfo.body.len() > 10_000_000),
            Fault::UserinfoCut => assert_eq!(userinfo.header("content-length"), "1000"),
            Fault::UserinfoRedirect => assert_eq!(userinfo.status, 302),
            Fault::UserinfoSlow | Fault::UserinfoTrickle => assert_eq!(userinfo.status, 200),
            _ if fault.stage() == Stage::Token => {
                assert!(tokens.body != sound.body, "{fault:?}");
            }
            Fault::Userinfo500 | Fault::UserinfoGarbled | Fault::UserinfoJson => {}
            _ => {
                let jwks = world.get("/api/v2/jwks").await.json();
                let (head, claims) = opened(&userinfo.body);
                let good = head["alg"] != "none" && verifies(&userinfo.body, &jwks);
                let bad = matches!(fault, Fault::UserinfoBadSignature | Fault::UserinfoAlgNone);
                assert_eq!(good, !bad, "{fault:?}");
                assert!(bad || claims != person || *fault == Fault::ClaimsDuplicate, "{fault:?} shows");
                match fault {
                    Fault::UserinfoSubMissing => assert!(!claims.contains_key("sub")),
                    Fault::UserinfoExpired => assert_eq!(claims["exp"], NOW - 7140),
                    Fault::UserinfoAudWrong => assert_eq!(claims["aud"], "another-client"),
                    Fault::ClaimsMissing => assert!(claims.keys().eq(["sub", "aud", "exp", "iat", "iss"])),
                    Fault::ClaimsEmpty => assert_eq!(claims["email"], ""),
                    Fault::ClaimsNull => assert_eq!(claims["email"], Value::Null),
                    Fault::ClaimsWrongTypes => assert_eq!(claims["given_name"], 42),
                    Fault::ClaimsHostile => assert!(claims["family_name"].as_str().unwrap().contains("\r\n")),
                    Fault::ClaimsHuge => assert_eq!(claims["given_name"].as_str().unwrap().len(), 100_000),
                    _ => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn deep_and_double_json() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let mut world = World::new();
    let payload = |body: &str| {
        String::from_utf8(URL_SAFE_NO_PAD.decode(body.split('.').nth(1).unwrap()).unwrap()).unwrap()
    };
    let (_, double) = world.fc_login("angela", &[("fault", "claims_duplicate")]).await;
    assert_eq!(payload(&double.body).matches("\"sub\":").count(), 2);
    let code = world.fc_code("angela", &[("fault", "claims_deep")]).await.parameter("code").unwrap();
    let tokens = world.fc_token(&code).await.json();
    let deep = world.userinfo("/api/v2/userinfo", tokens["access_token"].as_str().unwrap()).await;
    assert!(payload(&deep.body).contains(&"[".repeat(1000)));
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer() {
    let mut world = World::new();
    for (fault, path) in [
        ("token_hang_up", "/api/v2/token"),
        ("userinfo_hang_up", "/api/v2/userinfo"),
        ("jwks_hang_up", "/api/v2/jwks"),
        ("discovery_hang_up", "/api/v2/.well-known/openid-configuration"),
    ] {
        world.put("/_stub/api/v1/fault", &json!({ "name": fault }).to_string()).await;
        let request = if path.ends_with("token") { Request::post(path) } else { Request::get(path) };
        let response = world.stub.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(response.into_body().collect().await.is_err(), "{fault}");
    }
}

#[tokio::test]
async fn each_odd_authorization_response_is_one() {
    let mut world = World::new();
    for fault in FAULTS.iter().filter(|fault| fault.stage() == Stage::Response) {
        let answer = world.fc_code("angela", &[("fault", fault.name())]).await;
        let has = |name: &str| answer.parameter(name);
        let page = |status: u16, text: &str| {
            assert!(answer.status == status && answer.body.contains(text), "{fault:?}: {}", answer.body);
        };
        match fault {
            Fault::PageRefused => page(400, "Y030007"),
            Fault::NeverReturns => page(500, "Y000000"),
            Fault::SessionLost => page(401, "Y190001"),
            Fault::ReturnsLate | Fault::ReturnsTwice => {
                let links = answer.body.matches("href=\"http://127.0.0.1:8080/callback").count();
                assert_eq!(links, if *fault == Fault::ReturnsLate { 1 } else { 2 });
            }
            Fault::FormPost => {
                page(200, "name=\"code\"");
                assert!(answer.action().starts_with("http://127.0.0.1:8080/callback"));
            }
            Fault::Fragment => assert!(answer.header("location").contains("#code=") && has("code").is_none()),
            Fault::AbortedText => {
                assert_eq!((answer.status, has("error").as_deref()), (302, Some("access_denied")));
            }
            Fault::StateUndefined => assert_eq!(has("state").as_deref(), Some("undefined")),
            Fault::StateWrong => {
                assert!(has("code").is_some() && has("state").is_some_and(|state| state != STATE));
            }
            Fault::CodeMissing => {
                assert!(has("code").is_none() && has("error").is_none() && has("state").is_some());
            }
            Fault::CodeRepeated => assert_eq!(answer.header("location").matches("code=").count(), 2),
            Fault::CodeAndError => assert!(has("code").is_some() && has("error").is_some()),
            Fault::InvalidScope => assert!(has("scope").is_some()),
            Fault::CodeExpired | Fault::CodeForeign => {
                let tokens = world.fc_token(&has("code").unwrap()).await;
                assert_eq!((tokens.status, &tokens.json()["error"]), (400, &json!("invalid_grant")));
            }
            Fault::ServerError | Fault::LoginRequired | Fault::InvalidAcr | Fault::InvalidIdpHint => {
                assert_eq!(has("error").as_deref(), Some(fault.name()));
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn metadata_breaks_for_all_and_for_the_next_call() {
    let mut world = World::new();
    let well_known = "/api/v2/.well-known/openid-configuration";
    let sound = (world.get(well_known).await.body, world.get("/api/v2/jwks").await.body);
    for fault in FAULTS.iter().filter(|fault| matches!(fault.stage(), Stage::Discovery | Stage::Jwks)) {
        if matches!(fault, Fault::DiscoveryHangUp | Fault::JwksHangUp) {
            continue;
        }
        world.stub.set_fault(Some(*fault));
        let (discovery, jwks) = (world.get(well_known).await, world.get("/api/v2/jwks").await);
        let slow = matches!(fault, Fault::DiscoverySlow | Fault::JwksSlow);
        assert_eq!(discovery.body != sound.0, fault.stage() == Stage::Discovery && !slow, "{fault:?}");
        assert_eq!(jwks.body != sound.1, fault.stage() == Stage::Jwks && !slow, "{fault:?}");
        match fault {
            Fault::DiscoveryNoToken => assert!(discovery.json().get("token_endpoint").is_none()),
            Fault::DiscoveryOtherHost => {
                assert!(!discovery.json()["jwks_uri"].as_str().unwrap().contains("127.0.0.1"));
            }
            Fault::JwksStale => assert_eq!(jwks.json()["keys"].as_array().unwrap().len(), 0),
            Fault::JwksEmpty => assert_eq!(jwks.json(), json!({ "keys": [] })),
            Fault::JwksWrongUse => assert_eq!(jwks.json()["keys"][0]["use"], "enc"),
            Fault::JwksPrivate => assert!(jwks.json()["keys"][0]["d"].is_string()),
            Fault::JwksDuplicateKid => {
                let keys = jwks.json();
                assert_eq!(keys["keys"][0]["kid"], keys["keys"][1]["kid"]);
                assert_ne!(keys["keys"][0]["x"], keys["keys"][1]["x"]);
            }
            _ => {}
        }
    }
    world.stub.set_fault(None);
    let (tokens, _) = world.fc_login("angela", &[("fault", "jwks_empty")]).await;
    let (head, _) = opened(id_token(&tokens.json()));
    assert_eq!(head["kid"], "pkcs11:ES256:hsm:2", "a cached set does not help");
    assert_eq!(world.get("/api/v2/jwks").await.json(), json!({ "keys": [] }));
    assert!(
        verifies(id_token(&tokens.json()), &world.get("/api/v2/jwks").await.json()),
        "only the next call"
    );
}

#[tokio::test]
async fn each_odd_logout_is_one() {
    for fault in FAULTS.iter().filter(|fault| fault.stage() == Stage::Logout) {
        let mut world = World::new();
        let (tokens, _) = world.fc_login("angela", &[("fault", fault.name())]).await;
        let body = tokens.json();
        let parameters =
            [("id_token_hint", id_token(&body)), ("post_logout_redirect_uri", AFTER), ("state", STATE)];
        let answer = world.get_with("/api/v2/session/end", &parameters).await;
        match fault {
            Fault::LogoutStateDropped => assert!(answer.status == 303 && answer.parameter("state").is_none()),
            Fault::LogoutStateWrong => assert_ne!(answer.parameter("state").as_deref(), Some(STATE)),
            Fault::LogoutStays => assert_eq!(answer.status, 200),
            Fault::LogoutSessionGone => assert!(answer.status == 400 && answer.body.contains("Y100019")),
            Fault::LogoutHintRefused => {
                assert!(answer.status == 400 && answer.body.contains("could not decode"));
            }
            _ => assert_eq!(answer.status, 500),
        }
        let next = world.get_with("/api/v2/session/end", &parameters).await;
        assert_eq!(next.parameter("state").as_deref(), Some(STATE), "{fault:?}: only that login's");
    }
}

#[tokio::test]
async fn one_fault_is_for_one_login() {
    let mut world = World::new();
    for fault in FAULTS {
        let before = NONCE;
        world.fc_code("angela", &[("fault", fault.name())]).await;
        let code = world.fc_code("angela", &[]).await.parameter("code").unwrap();
        let tokens = world.post("/api/v2/token", &fc_token(&code)).await;
        assert_eq!(opened(id_token(&tokens.json())).1["nonce"], before, "{fault:?}");
    }
    let page = world.get_with("/api/v2/authorize", &fc(&[])).await;
    assert!(FAULTS.len() >= 60 && page.status == 200);
}
