//! Codes for tokens, tokens for claims.

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};
use stub_upstream::Alg;

use crate::harness::{
    AFTER, BACK, ID, NONCE, NOW, SECRET, VERIFIER, World, code_grant, fc, fc_token, generic, opened, verifies,
};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn franceconnect_end_to_end() {
    let mut world = World::new();
    let (tokens, userinfo) = world.fc_login("angela", &[]).await;
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    assert_eq!(tokens.header("cache-control"), "no-store");
    let body = tokens.json();
    assert_eq!(keys(&body), ["access_token", "expires_in", "id_token", "scope", "token_type"]);
    assert_eq!((&body["expires_in"], &body["token_type"]), (&json!(60), &json!("Bearer")));
    assert_eq!(body["scope"], "openid profile birth email");
    assert_eq!(body["access_token"].as_str().unwrap().len(), 43);

    let id_token = body["id_token"].as_str().unwrap();
    let (head, claims) = opened(id_token);
    assert_eq!(head, json!({ "alg": "ES256", "kid": "pkcs11:ES256:hsm" }));
    let names: Vec<_> = claims.keys().map(String::as_str).collect();
    assert_eq!(names, ["sub", "acr", "auth_time", "nonce", "aud", "exp", "iat", "iss"]);
    assert_eq!(
        (&claims["acr"], &claims["nonce"], &claims["aud"]),
        (&json!("eidas1"), &json!(NONCE), &json!(ID))
    );
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOW), &json!(NOW + 60)));
    assert_eq!(claims["iss"], "http://127.0.0.1:8081/api/v2");
    let jwks = world.get("/api/v2/jwks").await;
    assert_eq!(jwks.header("content-type"), "application/jwk-set+json");
    assert!(verifies(id_token, &jwks.json()));
    assert!(
        !verifies(id_token, &world.get("/generic/jwks.json").await.json()),
        "each issuer has its own keys"
    );

    assert_eq!((userinfo.status, userinfo.header("content-type")), (200, "application/jwt; charset=utf-8"));
    assert!(verifies(&userinfo.body, &jwks.json()));
    let (_, person) = opened(&userinfo.body);
    let names: Vec<_> = person.keys().map(String::as_str).collect();
    let expected = "sub given_name given_name_array family_name birthdate gender preferred_username birthplace \
                    birthcountry email aud exp iat iss";
    assert_eq!(names, expected.split(' ').collect::<Vec<_>>());
    assert_eq!(person["sub"], claims["sub"]);
    assert_eq!(person["given_name"], "Angéla Zoé Maëlys");
    assert_eq!((&person["aud"], &person["exp"]), (&json!(ID), &json!(NOW + 60)));
}

#[tokio::test]
async fn franceconnect_gives_what_was_asked() {
    let mut world = World::new();
    let ask = [("scope", "openid given_name"), ("claims", r#"{"id_token":{"amr":{"essential":true}}}"#)];
    let page = world.get_with("/api/v2/authorize", &fc(&ask)).await;
    let code = world.post(&page.action(), &[("persona", "sans-courriel")]).await.parameter("code").unwrap();
    let tokens = world.fc_token(&code).await.json();
    assert_eq!(opened(tokens["id_token"].as_str().unwrap()).1["amr"], json!(["fc", "pwd"]));
    let userinfo = world.userinfo("/api/v2/userinfo", tokens["access_token"].as_str().unwrap()).await;
    let (_, person) = opened(&userinfo.body);
    assert_eq!(person["given_name_array"], json!(["Camille"]));
    assert!(!person.contains_key("family_name") && !person.contains_key("email"));
    let (_, abroad) = opened(&world.fc_login("ne-a-l-etranger", &[]).await.1.body);
    assert_eq!(abroad["birthplace"], "");
}

#[tokio::test]
async fn a_code_is_used_once_and_soon() {
    let mut world = World::new();
    let code = world.fc_code("angela", &[]).await.parameter("code").unwrap();
    world.clock.advance(29);
    let token = world.fc_token(&code).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.userinfo("/api/v2/userinfo", &token).await.status, 200);
    world.clock.advance(40);
    let again = world.fc_token(&code).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_grant")));
    assert!(again.body.contains("Y0416228"), "{}", again.body);
    let revoked = world.userinfo("/api/v2/userinfo", &token).await;
    assert_eq!((revoked.status, &revoked.json()["error"]), (401, &json!("invalid_token")));
    assert!(revoked.header("www-authenticate").contains("error=\"invalid_token\""));

    let code = world.fc_code("angela", &[]).await.parameter("code").unwrap();
    world.clock.advance(30);
    let late = world.fc_token(&code).await;
    assert_eq!((late.status, &late.json()["error"]), (400, &json!("invalid_grant")));
    assert!(late.body.contains("code=Y049E20B&id="), "{}", late.body);

    let code = world.fc_code("angela", &[]).await.parameter("code").unwrap();
    let token = world.fc_token(&code).await.json()["access_token"].as_str().unwrap().to_owned();
    world.clock.advance(60);
    assert_eq!(world.userinfo("/api/v2/userinfo", &token).await.status, 401, "a minute is all");
}

#[tokio::test]
async fn only_one_of_many_gets_the_tokens() {
    let mut world = World::new();
    let code = world.fc_code("angela", &[]).await.parameter("code").unwrap();
    let tries: Vec<_> = (0..16)
        .map(|_| {
            let (stub, clock, code) = (world.stub.clone(), world.clock.clone(), code.clone());
            tokio::spawn(async move { World { stub, clock, cookie: None }.fc_token(&code).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for attempt in tries {
        statuses.push(attempt.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn franceconnect_refuses_at_the_token_endpoint() {
    let mut world = World::new();
    let code = world.fc_code("angela", &[]).await.parameter("code").unwrap();
    let client = [("client_id", ID), ("client_secret", SECRET)];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut all = fc_token(&code);
        all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        all.extend(more.iter().filter(|(_, value)| *value != "-"));
        all
    };
    let cases = [
        (with(&[("client_secret", "wrong")]), 401, "invalid_client", "Y0434A7B"),
        (with(&[("client_secret", "-")]), 401, "invalid_client", "Y040001"),
        (with(&[("client_id", "stranger")]), 401, "invalid_client", "Y04EA6EF"),
        (with(&[("code", "-")]), 400, "invalid_request", "Y048017B"),
        (with(&[("code", "unknown")]), 400, "invalid_grant", "Y049E20B"),
        (with(&[("redirect_uri", AFTER)]), 400, "invalid_grant", "Y04F8199"),
        (with(&[("redirect_uri", "-")]), 400, "invalid_grant", "Y04F8199"),
        (with(&[("client_id", "limited")]), 400, "invalid_grant", "Y040001"),
        (with(&[("code_verifier", VERIFIER)]), 400, "invalid_grant", "Y040001"),
        (with(&[("grant_type", "password")]), 400, "unsupported_grant_type", "Y04"),
        (with(&[("code", "a"), ("code", "b")]), 400, "invalid_request", "Y04"),
    ];
    for (form, status, error, code) in cases {
        let answer = world.post("/api/v2/token", &form).await;
        assert_eq!(answer.status, status, "{form:?}");
        let body = answer.json();
        assert_eq!(keys(&body), ["error", "error_description", "error_uri"]);
        assert_eq!(body["error"], error, "{form:?}");
        assert!(body["error_uri"].as_str().unwrap().contains(code), "{form:?} {body}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let basic = world.post_basic("/api/v2/token", &code_grant(&code, &[]), ID, SECRET).await;
    assert_eq!(basic.status, 401, "no Basic here");
    let json = Request::post("/api/v2/token").header(header::CONTENT_TYPE, "application/json");
    assert_eq!(world.send(json.body(Body::from("{}")).unwrap()).await.status, 400);
    assert_eq!(
        world.post("/generic/token", &code_grant(&code, &client)).await.status,
        400,
        "another issuer's code"
    );
    assert_eq!(world.fc_token(&code).await.status, 200, "none of this spent the code");
    assert_eq!(world.get("/api/v2/token").await.status, 405);
    assert_eq!(world.post("/api/v2/userinfo", &[]).await.status, 405);
    assert_eq!(world.get("/api/v2/userinfo").await.status, 401);
}

#[tokio::test]
async fn generic_end_to_end() {
    for alg in [Alg::Es256, Alg::Rs256] {
        let mut world = World::with_alg(alg);
        let ask = [("acr_values", "eidas2 eidas3"), ("claims", r#"{"userinfo":{"birthplace":null}}"#)];
        let code = world.generic_login(&ask).await.parameter("code").unwrap();
        let tokens = world.generic_token(&code).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let tokens = tokens.json();
        let id_token = tokens["id_token"].as_str().unwrap();
        let (head, claims) = opened(id_token);
        assert_eq!(head["alg"], alg.name());
        assert!(verifies(id_token, &world.get("/generic/jwks.json").await.json()));
        assert_eq!((&claims["acr"], &claims["nonce"]), (&json!("eidas2"), &json!(NONCE)));
        assert_eq!(claims["at_hash"].as_str().unwrap().len(), 22);
        let token = tokens["access_token"].as_str().unwrap();
        let userinfo = world.userinfo("/generic/userinfo", token).await;
        assert_eq!(userinfo.header("content-type"), "application/json; charset=utf-8");
        let person = userinfo.json();
        assert_eq!((&person["sub"], &person["birthplace"]), (&claims["sub"], &json!("31555")));
        assert_eq!(person["email_verified"], true);
        assert_eq!(world.userinfo("/api/v2/userinfo", token).await.status, 401, "another issuer's token");
    }
}

#[tokio::test]
async fn generic_checks_pkce_and_the_client() {
    let mut world = World::new();
    let code = world.generic_login(&[]).await.parameter("code").unwrap();
    let wrong = "A".repeat(43);
    for verifier in ["-", "short", &wrong] {
        let form = code_grant(&code, &[("code_verifier", verifier)]);
        let answer = world.post_basic("/generic/token", &form, ID, SECRET).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_grant")), "{verifier}");
    }
    let form = code_grant(&code, &[("code_verifier", VERIFIER)]);
    let answer = world.post_basic("/generic/token", &form, ID, "wrong").await;
    assert_eq!((answer.status, &answer.json()["error"]), (401, &json!("invalid_client")));
    assert!(answer.header("www-authenticate").starts_with("Basic "));
    let both =
        code_grant(&code, &[("code_verifier", VERIFIER), ("client_id", ID), ("client_secret", SECRET)]);
    assert_eq!(world.post_basic("/generic/token", &both, ID, SECRET).await.status, 401, "one method only");
    assert_eq!(world.post("/generic/token", &both).await.status, 200);
    let plain = generic(&[("code_challenge", "-"), ("code_challenge_method", "-")]);
    let code = world.get_with("/generic/authorize", &plain).await.parameter("code").unwrap();
    assert_eq!(world.generic_token(&code).await.status, 400, "a verifier nobody announced");
    assert_eq!(world.post_basic("/generic/token", &code_grant(&code, &[]), ID, SECRET).await.status, 200);
    assert_eq!(BACK, plain.iter().find(|(name, _)| *name == "redirect_uri").unwrap().1);
}

#[tokio::test]
async fn keys_rotate_and_calls_are_counted() {
    let mut world = World::new();
    let before = world.fc_login("angela", &[]).await.0.json()["id_token"].as_str().unwrap().to_owned();
    assert!(world.stub.rotate_keys());
    let after = world.fc_login("angela", &[]).await.0.json()["id_token"].as_str().unwrap().to_owned();
    let jwks = world.get("/api/v2/jwks").await.json();
    assert_ne!(opened(&before).0["kid"], opened(&after).0["kid"]);
    assert!(verifies(&before, &jwks) && verifies(&after, &jwks));
    world.get("/api/v2/.well-known/openid-configuration").await;
    let calls = world.stub.calls();
    assert_eq!((calls.authorize, calls.token, calls.userinfo, calls.logout), (2, 2, 2, 0));
    assert_eq!((calls.jwks, calls.discovery), (1, 1));
}
