//! The control API: each operation, and the document that describes them.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{ID, NOW, World, fc, opened};

const API: &str = "/_stub/api/v1";

#[tokio::test]
async fn the_document_names_what_is_there() {
    let mut world = World::new();
    let document = world.get(&format!("{API}/openapi.json")).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            operations += 1;
            assert!(operation["summary"].as_str().unwrap().len() > 5);
            let example = operation["requestBody"]["content"].as_object().map(|content| {
                let example = &content.values().next().unwrap()["example"];
                example.as_str().map_or_else(|| example.to_string(), str::to_owned)
            });
            let path = format!("{API}{}", path.replace("{id}", "1"));
            let request =
                Request::builder().method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap());
            let request = request.uri(&path).body(Body::from(example.unwrap_or_default())).unwrap();
            let answer = world.send(request).await;
            let by_name = path.ends_with("/1") && answer.status == 404 && answer.json()["error"].is_string();
            assert!(
                (200..300).contains(&answer.status) || by_name,
                "{method} {path}: {} {}",
                answer.status,
                answer.body
            );
        }
    }
    assert!(operations >= 25, "{operations}");
    let wrong =
        Request::builder().method(Method::PATCH).uri(format!("{API}/clock")).body(Body::empty()).unwrap();
    assert_eq!(world.send(wrong).await.status, 405);
}

#[tokio::test]
async fn a_fault_for_the_next_calls_and_for_one_client() {
    let mut world = World::new();
    world.stub.set_auto_login(Some("angela"));
    let status = async |world: &mut World| {
        let code = world.get_with("/api/v2/authorize", &fc(&[])).await.parameter("code").unwrap();
        world.fc_token(&code).await.status
    };
    world.put(&format!("{API}/fault"), r#"{"name":"token_503","times":2}"#).await;
    let found: Vec<_> = [status(&mut world).await, status(&mut world).await, status(&mut world).await].into();
    assert_eq!(found, [503, 503, 200]);
    assert_eq!(world.get(&format!("{API}/fault")).await.json(), Value::Null);
    world.put(&format!("{API}/fault"), r#"{"name":"token_502","client":"limited"}"#).await;
    assert_eq!(status(&mut world).await, 200);
    world.put(&format!("{API}/fault"), &json!({ "name": "token_502", "client": ID }).to_string()).await;
    assert_eq!(status(&mut world).await, 502);
    world.delete(&format!("{API}/fault")).await;
    assert_eq!(status(&mut world).await, 200);
    for bad in [
        "",
        "{}",
        r#"{"name":"nothing"}"#,
        r#"{"name":"token_500","times":0}"#,
        r#"{"name":"token_500","x":1}"#,
    ] {
        let answer = world.put(&format!("{API}/fault"), bad).await;
        assert!(answer.status == 400 && answer.json()["error"].is_string(), "{bad}");
    }
}

#[tokio::test]
async fn a_clock_that_a_test_holds() {
    let mut world = World::new();
    let now = |answer: crate::harness::Answer| answer.json()["now"].clone();
    assert_eq!(now(world.get(&format!("{API}/clock")).await), NOW);
    assert_eq!(now(world.put(&format!("{API}/clock"), r#"{"offset":-100}"#).await), NOW - 100);
    world.clock.advance(10);
    assert_eq!(now(world.get(&format!("{API}/clock")).await), NOW - 90);
    assert_eq!(now(world.put(&format!("{API}/clock"), r#"{"frozen":1000000000}"#).await), 1_000_000_000);
    world.clock.advance(10);
    assert_eq!(now(world.get(&format!("{API}/clock")).await), 1_000_000_000);
    let (tokens, _) = world.fc_login("angela", &[]).await;
    assert_eq!(opened(tokens.json()["id_token"].as_str().unwrap()).1["iat"], 1_000_000_000);
    let code = world.fc_code("angela", &[]).await.parameter("code").unwrap();
    world.put(&format!("{API}/clock"), r#"{"frozen":1000000031}"#).await;
    assert_eq!(world.fc_token(&code).await.status, 400, "30 seconds have passed");
    assert_eq!(world.delete(&format!("{API}/clock")).await.status, 204);
    assert_eq!(now(world.get(&format!("{API}/clock")).await), NOW + 20);
    assert_eq!(world.put(&format!("{API}/clock"), r#"{"sideways":1}"#).await.status, 400);
}

#[tokio::test]
async fn people_come_and_go() {
    let mut world = World::new();
    let new = r#"{"given_names":["Aube"],"family_name":"NOUVELLE","claims":{"shoe":44}}"#;
    assert_eq!(world.put(&format!("{API}/personas/aube"), new).await.status, 204);
    assert_eq!(world.get(&format!("{API}/personas/aube")).await.json()["claims"]["shoe"], 44);
    let (_, userinfo) = world.fc_login("aube", &[]).await;
    assert_eq!(opened(&userinfo.body).1["family_name"], "NOUVELLE");
    for bad in ["{}", r#"{"family_name":"A","claims":{"sub":"x"}}"#, r#"{"family_name":1}"#, "[]"] {
        let answer = world.put(&format!("{API}/personas/b"), bad).await;
        assert!(answer.status == 400 && answer.json()["error"].is_string(), "{bad}");
    }
    assert_eq!(world.delete(&format!("{API}/personas/aube")).await.status, 204);
    assert_eq!(world.delete(&format!("{API}/personas/aube")).await.status, 404);
    assert_eq!(world.delete(&format!("{API}/state")).await.status, 204);
    assert_eq!(world.get(&format!("{API}/personas")).await.json().as_array().unwrap().len(), 36);
}

#[tokio::test]
async fn strict_or_lenient() {
    let mut world = World::new();
    let odd = fc(&[("code_challenge", "x"), ("acr_values", "-"), ("nonce", "short")]);
    assert_eq!(world.get_with("/api/v2/authorize", &odd).await.status, 400);
    world.put(&format!("{API}/mode"), r#"{"lenient":true}"#).await;
    assert_eq!(world.get_with("/api/v2/authorize", &odd).await.status, 200);
    let unknown = fc(&[("client_id", "nobody")]);
    assert_eq!(world.get_with("/api/v2/authorize", &unknown).await.status, 400, "a wrong client stays wrong");
}

#[tokio::test]
async fn keys_sessions_and_other_sites() {
    let mut world = World::new();
    let before = world.get("/api/v2/jwks").await.json()["keys"].as_array().unwrap().len();
    let rotate = |site: &str| {
        let request = Request::post(format!("{API}/keys/rotate")).header("sec-fetch-site", site);
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(world.send(rotate("cross-site")).await.status, 403);
    assert_eq!(world.send(rotate("same-origin")).await.status, 204);
    assert_eq!(world.get("/api/v2/jwks").await.json()["keys"].as_array().unwrap().len(), before + 1);
    world.generic_login(&[]).await;
    let silent = crate::harness::generic(&[("prompt", "none")]);
    assert!(world.get_with("/generic/authorize", &silent).await.parameter("code").is_some());
    assert_eq!(world.delete(&format!("{API}/sessions")).await.status, 204);
    let answer = world.get_with("/generic/authorize", &silent).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("login_required"));
}
