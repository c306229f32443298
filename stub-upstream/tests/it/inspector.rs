//! The inspector: what it shows of a login, as a page and as JSON.

use serde_json::Value;
use stub_upstream::Alg;

use crate::harness::{SECRET, World, fc, generic};

const API: &str = "/_stub/api/v1/logins";

fn check<'a>(exchange: &'a Value, about: &str) -> &'a Value {
    let checks = exchange["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["expected"].as_str().unwrap().contains(about));
    &found.unwrap_or_else(|| panic!("{about}: {exchange}"))["met"]
}

#[tokio::test]
async fn a_login_from_end_to_end() {
    let mut world = World::new();
    let (tokens, _) = world.fc_login("angela", &[("fault", "wrong_nonce")]).await;
    let logins = world.get(API).await.json();
    let login = &logins[0];
    assert_eq!((&login["persona"], &login["fault"]), (&"angela".into(), &"wrong_nonce".into()));
    assert!(login["advice"].as_str().unwrap().contains("nonce"));
    let steps: Vec<_> =
        login["exchanges"].as_array().unwrap().iter().map(|one| one["endpoint"].clone()).collect();
    assert_eq!(steps, ["authorize", "interaction", "token", "userinfo"]);
    let exchange = |at: usize| &login["exchanges"][at];
    assert_eq!(check(exchange(0), "no PKCE"), true);
    assert_eq!(check(exchange(0), "redirect_uri is registered"), true);
    assert_eq!(check(exchange(2), "code is alive"), true);
    let token = &exchange(2)["tokens"][0];
    assert_eq!((&token["name"], &token["header"]["alg"]), (&"id_token".into(), &"ES256".into()));
    assert!(token["claims"]["nonce"].is_string());
    let text = login.to_string();
    assert!(!text.contains(SECRET) && text.contains(tokens.json()["access_token"].as_str().unwrap()));
    let page = world.get(&format!("/_stub/logins/{}", login["id"])).await;
    assert!(page.body.contains("What your client should have done") && page.body.contains("wrong_nonce"));
    assert!(page.body.contains("✓") && page.body.contains("&quot;alg&quot;: &quot;ES256&quot;"));
    let list = world.get("/_stub/logins").await;
    assert!(list.body.contains(&format!("/_stub/logins/{}", login["id"])));
    assert_eq!(world.get("/_stub/logins/999").await.status, 404);
    assert_eq!(world.delete(API).await.status, 204);
    assert_eq!(world.get(API).await.json().as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn expectations_are_true_or_false() {
    let mut world = World::new();
    let weak = generic(&[("state", "short"), ("code_challenge", "-"), ("code_challenge_method", "-")]);
    world.get_with("/generic/authorize", &weak).await;
    let login = world.get(API).await.json()[0].clone();
    let exchange = &login["exchanges"][0];
    assert_eq!(check(exchange, "state has at least"), false);
    assert_eq!(check(exchange, "PKCE with S256"), false);
    assert_eq!(check(exchange, "nonce has at least"), true);
    world
        .get_with("/api/v2/authorize", &fc(&[("max_age", "1"), ("redirect_uri", "http://127.0.0.1:1/")]))
        .await;
    let login = world.get(API).await.json()[0].clone();
    let exchange = &login["exchanges"][0];
    assert_eq!((&exchange["status"], check(exchange, "only parameters")), (&400.into(), &false.into()));
    assert_eq!(check(exchange, "redirect_uri is registered"), false);
    let (_, _) = world.fc_login("angela", &[]).await;
    let code = world.fc_code("angela", &[]).await.parameter("code").unwrap();
    world
        .post(
            "/api/v2/token",
            &crate::harness::code_grant(&code, &[("client_id", "client"), ("client_secret", "x")]),
        )
        .await;
    let login = world.get(API).await.json()[0].clone();
    assert_eq!(check(&login["exchanges"][2], "client authenticates"), false);
    let page = world.get(&format!("/_stub/logins/{}", login["id"])).await;
    assert!(page.body.contains("✗"));
}

#[tokio::test]
async fn it_works_without_script_and_without_a_journal() {
    let mut world = World::new();
    let page = world.get("/_stub/logins").await;
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("script-src 'self'"));
    assert!(
        page.body.contains("<script src=\"/_stub/live.js\" defer></script>")
            && !page.body.contains("style=\"")
    );
    let script = world.get("/_stub/live.js").await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    let mut quiet = World::build(Alg::Es256, None, |builder| builder.journal(false));
    let (tokens, _) = quiet.fc_login("angela", &[]).await;
    assert_eq!(tokens.status, 200);
    assert_eq!(quiet.get(API).await.json().as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn names_are_escaped() {
    let mut world = World::new();
    let hostile = fc(&[("client_id", "<script>alert(1)</script>")]);
    world.get_with("/api/v2/authorize", &hostile).await;
    let id = world.get(API).await.json()[0]["id"].clone();
    for path in ["/_stub/logins".to_owned(), format!("/_stub/logins/{id}")] {
        let page = world.get(&path).await;
        assert!(page.status == 200 && !page.body.contains("<script>alert"), "{path}");
    }
}
