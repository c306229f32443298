//! Namespaces: what one test changes, another does not notice.

use serde_json::json;
use stub_upstream::Fault;

use crate::harness::{BASE, NOW, World, fc, fc_token, opened};

#[tokio::test]
async fn two_tests_side_by_side() {
    let mut world = World::new();
    for name in ["a", "b"] {
        let document = world.get(&format!("/ns/{name}/api/v2/.well-known/openid-configuration")).await.json();
        assert_eq!(document["issuer"], format!("{BASE}/ns/{name}/api/v2"));
        assert_eq!(document["token_endpoint"], format!("{BASE}/ns/{name}/api/v2/token"));
        assert_eq!(
            world.put(&format!("/ns/{name}/_stub/api/v1/auto-login"), r#"{"persona":"angela"}"#).await.status,
            204
        );
    }
    assert_eq!(world.put("/ns/a/_stub/api/v1/fault", r#"{"name":"token_500"}"#).await.status, 204);
    assert_eq!(world.put("/ns/b/_stub/api/v1/clock", r#"{"offset":86400}"#).await.status, 200);
    let a = world.get_with("/ns/a/api/v2/authorize", &fc(&[])).await.parameter("code").unwrap();
    let b = world.get_with("/ns/b/api/v2/authorize", &fc(&[])).await.parameter("code").unwrap();
    assert_eq!(
        world.post("/ns/b/api/v2/token", &fc_token(&a)).await.status,
        400,
        "a code of another namespace"
    );
    assert_eq!(world.post("/ns/a/api/v2/token", &fc_token(&a)).await.status, 500);
    let tokens = world.post("/ns/b/api/v2/token", &fc_token(&b)).await;
    let (_, claims) = opened(tokens.json()["id_token"].as_str().unwrap());
    assert_eq!(
        (&claims["iat"], &claims["iss"]),
        (&json!(NOW + 86_400), &json!(format!("{BASE}/ns/b/api/v2")))
    );
    assert_eq!(
        world.get_with("/api/v2/authorize", &fc(&[])).await.status,
        200,
        "the default one shows its page"
    );
    assert_eq!(world.stub.calls().token, 0);
    let calls = world.get("/ns/b/_stub/api/v1/calls").await.json();
    assert_eq!((&calls["token"], &calls["discovery"]), (&json!(2), &json!(1)));
    let keys = |answer: crate::harness::Answer| answer.json()["keys"][0]["x"].clone();
    assert_ne!(keys(world.get("/ns/a/api/v2/jwks").await), keys(world.get("/ns/b/api/v2/jwks").await));
    assert_eq!(world.get("/_stub/api/v1/namespaces").await.json(), json!(["a", "b"]));
    assert_eq!(world.delete("/_stub/api/v1/namespaces/a").await.status, 204);
    assert_eq!(world.get("/_stub/api/v1/namespaces").await.json(), json!(["b"]));
}

#[tokio::test]
async fn a_browser_stays_in_its_namespace() {
    let mut world = World::new();
    let page = world.get_with("/ns/t-1/api/v2/authorize", &fc(&[])).await;
    assert!(page.action().starts_with("/ns/t-1/api/v2/interaction/"), "{}", page.action());
    let elsewhere = page.action().replace("/ns/t-1", "");
    assert_eq!(world.post(&elsewhere, &[("login", "angela")]).await.status, 400);
    let answer = world.post(&page.action(), &[("login", "angela")]).await;
    assert_eq!(answer.parameter("iss").unwrap(), format!("{BASE}/ns/t-1/api/v2"));
    assert!(answer.header("set-cookie").starts_with("stub-session-8081-t-1="));
    let root = world.get("/ns/t-1/").await;
    assert!(root.status == 200 && root.body.contains(&format!("{BASE}/ns/t-1/generic")), "{}", root.status);
}

#[tokio::test]
async fn names_are_narrow_and_handles_are_the_same() {
    let mut world = World::new();
    for bad in ["A", "a%20b", "a.b", &"x".repeat(65)] {
        assert_eq!(world.get(&format!("/ns/{bad}/api/v2/jwks")).await.status, 404, "{bad}");
    }
    let space = world.stub.namespace("handle").unwrap();
    space.set_fault(Some(Fault::Token500));
    assert_eq!((world.stub.fault(), space.fault()), (None, Some(Fault::Token500)));
    let state = world.get("/ns/handle/_stub/api/v1/state").await.json();
    assert_eq!((&state["namespace"], &state["fault"]["name"]), (&json!("handle"), &json!("token_500")));
    assert!(world.stub.namespace("Not a name").is_none());
}
