//! ProConnect: agents and their organisation, PKCE, refresh tokens, levels, single sign-on.

use serde_json::{Value, json};

use crate::harness::{
    AFTER, Answer, BACK, CHALLENGE, ID, NONCE, SECRET, STATE, VERIFIER, World, code_grant, opened, verifies,
};

const PATH: &str = "/proconnect/api/v2";

fn ask<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        ("response_type", "code"),
        ("client_id", ID),
        ("redirect_uri", BACK),
        ("scope", "openid given_name usual_name email siret siren uid organizational_unit idp_id phone"),
        ("state", STATE),
        ("nonce", NONCE),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    all.extend(more.iter().filter(|(_, value)| *value != "-"));
    all
}

async fn authorize(world: &mut World, more: &[(&str, &str)]) -> Answer {
    let answer = world.get_with(&format!("{PATH}/authorize"), &ask(more)).await;
    if answer.status != 200 {
        return answer;
    }
    world.post(&answer.action(), &[("login", "agent")]).await
}

async fn token(world: &mut World, fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("client_id", ID), ("client_secret", SECRET)];
    all.extend(fields);
    world.post(&format!("{PATH}/token"), &all).await
}

async fn id_token(world: &mut World, more: &[(&str, &str)]) -> Value {
    let code = authorize(world, more).await.parameter("code").unwrap();
    let tokens = token(world, &code_grant(&code, &[("code_verifier", VERIFIER)])).await;
    let (_, claims) = opened(tokens.json()["id_token"].as_str().unwrap_or_else(|| panic!("{}", tokens.body)));
    Value::Object(claims)
}

#[tokio::test]
async fn an_agent_end_to_end() {
    let mut world = World::new();
    let answer = authorize(&mut world, &[("invented", "dropped"), ("login_hint", "agent")]).await;
    assert_eq!(answer.parameter("iss").as_deref(), Some("http://127.0.0.1:8081/proconnect/api/v2"));
    let code = answer.parameter("code").unwrap();
    let wrong = token(&mut world, &code_grant(&code, &[("code_verifier", NONCE)])).await;
    assert_eq!(
        (wrong.status, wrong.json()),
        (400, json!({ "error": "invalid_grant", "error_description": "grant request is invalid" }))
    );
    let tokens = token(&mut world, &code_grant(&code, &[("code_verifier", VERIFIER)])).await.json();
    let names: Vec<_> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"]);
    assert_eq!(tokens["expires_in"], 3600);
    let (_, claims) = opened(tokens["id_token"].as_str().unwrap());
    let names: Vec<_> = claims.keys().map(String::as_str).collect();
    assert_eq!(names, ["sub", "acr", "auth_time", "nonce", "at_hash", "aud", "exp", "iat", "iss"]);
    assert_eq!((&claims["acr"], claims["sub"].as_str().unwrap().len()), (&json!("eidas1"), 36));

    let userinfo =
        world.userinfo(&format!("{PATH}/userinfo"), tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(userinfo.header("content-type"), "application/jwt; charset=utf-8");
    let jwks = world.get(&format!("{PATH}/jwks")).await.json();
    assert!(verifies(&userinfo.body, &jwks));
    let person = opened(&userinfo.body).1;
    assert_eq!((&person["sub"], &person["usual_name"]), (&claims["sub"], &json!("SAINT-ANDÉOL")));
    assert_eq!((&person["siret"], &person["siren"]), (&json!("99999999900018"), &json!("999999999")));
    assert_eq!(
        (&person["uid"], &person["organizational_unit"]),
        (&json!("nroqueflorin"), &json!("DSI/Bureau des simulacres"))
    );
    assert!(!person.contains_key("family_name") && person.contains_key("idp_id"));

    let refresh = tokens["refresh_token"].as_str().unwrap();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let again = token(&mut world, &fields).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_ne!(again.json()["access_token"], tokens["access_token"]);
    assert_eq!(token(&mut world, &fields).await.status, 400, "it was replaced");
    let other = [("client_id", "limited"), ("client_secret", SECRET)];
    let next = again.json()["refresh_token"].as_str().unwrap().to_owned();
    let stolen = [&other[..], &[("grant_type", "refresh_token"), ("refresh_token", &next)]].concat();
    assert_eq!(world.post(&format!("{PATH}/token"), &stolen).await.status, 400, "and belongs to one client");
}

#[tokio::test]
async fn tokens_can_be_revoked() {
    let mut world = World::new();
    let code = authorize(&mut world, &[]).await.parameter("code").unwrap();
    let tokens = token(&mut world, &code_grant(&code, &[("code_verifier", VERIFIER)])).await.json();
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text("access_token"), text("refresh_token"));
    let revoke = async |world: &mut World, id: &str, token: &str| {
        let fields = [("client_id", id), ("client_secret", SECRET), ("token", token)];
        world.post(&format!("{PATH}/token/revocation"), &fields).await
    };
    let userinfo = format!("{PATH}/userinfo");
    assert_eq!(revoke(&mut world, "limited", &access).await.status, 200);
    assert_eq!(world.userinfo(&userinfo, &access).await.status, 200, "another client's token lives on");
    assert_eq!(revoke(&mut world, "nobody", &access).await.status, 401);
    let answer = revoke(&mut world, ID, &access).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(world.userinfo(&userinfo, &access).await.status, 401);
    assert_eq!(revoke(&mut world, ID, &refresh).await.status, 200);
    let again = token(&mut world, &[("grant_type", "refresh_token"), ("refresh_token", &refresh)]).await;
    assert_eq!(again.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn levels() {
    let mut world = World::new();
    assert_eq!(id_token(&mut world, &[("acr_values", "unknown eidas1-mfa")]).await["acr"], "eidas1-mfa");
    assert_eq!(id_token(&mut world, &[("acr_values", "unknown")]).await["acr"], "eidas1");
    let essential = r#"{"id_token":{"acr":{"essential":true,"values":["eidas2"]}}}"#;
    assert_eq!(id_token(&mut world, &[("claims", essential)]).await["acr"], "eidas2");
    let unmet = r#"{"id_token":{"acr":{"essential":true,"value":"eidas9"}}}"#;
    let answer = authorize(&mut world, &[("claims", unmet)]).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(
        answer.parameter("error_description").as_deref(),
        Some("requested ACRs could not be satisfied")
    );
    let amr = r#"{"id_token":{"amr":{"essential":true}}}"#;
    assert_eq!(id_token(&mut world, &[("claims", amr)]).await["amr"], json!(["pwd"]));
}

#[tokio::test]
async fn one_session_serves_even_prompt_login() {
    let mut world = World::new();
    let none = world.get_with(&format!("{PATH}/authorize"), &ask(&[("prompt", "none")])).await;
    assert_eq!(none.parameter("error").as_deref(), Some("login_required"));
    id_token(&mut world, &[]).await;
    for prompt in ["none", "login"] {
        let answer = world.get_with(&format!("{PATH}/authorize"), &ask(&[("prompt", prompt)])).await;
        assert!(answer.status == 303 && answer.parameter("code").is_some(), "{prompt}");
    }
}

#[tokio::test]
async fn bad_requests_are_answered_its_way() {
    let mut world = World::new();
    for (more, text) in [
        (("client_id", "nobody"), "oidc-provider-rendered-error:invalid_client"),
        (("redirect_uri", "http://127.0.0.1/x"), "oidc-provider-rendered-error:invalid_redirect_uri"),
        (("scope", ""), "Y000400"),
        (("state", "-"), "Y000400"),
    ] {
        let page = authorize(&mut world, &[more]).await;
        assert!(page.status == 400 && page.body.contains(text), "{more:?}: {}", page.body);
    }
    for more in
        [("code_challenge_method", "plain"), ("code_challenge", "short"), ("code_challenge_method", "-")]
    {
        let answer = authorize(&mut world, &[more]).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{more:?}");
    }
    let answer = authorize(&mut world, &[("response_type", "token")]).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("unsupported_response_type"));
    assert_eq!(authorize(&mut world, &[("nonce", "-")]).await.status, 303, "nonce is optional");
    let uri =
        world.get_with(&format!("{PATH}/session/end"), &[("post_logout_redirect_uri", "http://a/")]).await;
    assert!(uri.status == 400 && uri.body.contains("Y030111"));
    world.cookie = None;
    let known = [("post_logout_redirect_uri", AFTER), ("client_id", ID)];
    let session = world.get_with(&format!("{PATH}/session/end"), &known).await;
    assert!(session.status == 400 && session.body.contains("Y030110"));
}
