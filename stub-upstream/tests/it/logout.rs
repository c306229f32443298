//! Logout started by the client.

use crate::harness::{AFTER, ID, World, encoded, generic};

#[tokio::test]
async fn franceconnect_returns_with_state() {
    let mut world = World::new();
    let tokens = world.fc_login("angela", &[]).await.0.json();
    let hint = tokens["id_token"].as_str().unwrap();
    world.clock.advance(100_000);
    let good = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", "s &")];
    let answer = world.get_with("/api/v2/session/end", &good).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, &*format!("{AFTER}?{}", encoded(&[("state", "s &")])))
    );
    let answer = world.get_with("/api/v2/session/end", &good[..2]).await;
    assert_eq!(answer.header("location"), AFTER);
    let answer = world.get_with("/api/v2/session/end", &good[..1]).await;
    assert!(answer.status == 200 && answer.body.contains("déconnecté"));
    assert_eq!(world.stub.calls().logout, 3);
}

#[tokio::test]
async fn franceconnect_refuses_on_a_page() {
    let mut world = World::new();
    let tokens = world.fc_login("angela", &[]).await.0.json();
    let hint = tokens["id_token"].as_str().unwrap();
    let altered = format!("{}AAAA", &hint[..hint.len() - 4]);
    let cases: &[&[(&str, &str)]] = &[
        &[("post_logout_redirect_uri", AFTER)],
        &[("id_token_hint", ""), ("post_logout_redirect_uri", AFTER)],
        &[("id_token_hint", "a.b.c.d.e"), ("post_logout_redirect_uri", AFTER)],
        &[("id_token_hint", &altered), ("post_logout_redirect_uri", AFTER)],
        &[("id_token_hint", hint), ("post_logout_redirect_uri", "http://127.0.0.1:8080/after/")],
        &[("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("unknown", "x")],
        &[("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("client_id", "limited")],
    ];
    for case in cases {
        let answer = world.get_with("/api/v2/session/end", case).await;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{case:?}");
    }
    let answer = world.get_with("/generic/logout", &[("id_token_hint", hint)]).await;
    assert_eq!(answer.status, 400, "another issuer's hint");
}

#[tokio::test]
async fn generic_ends_the_session() {
    let mut world = World::new();
    let code = world.generic_login(&[]).await.parameter("code").unwrap();
    let tokens = world.generic_token(&code).await.json();
    let hint = tokens["id_token"].as_str().unwrap();
    let refused: &[&[(&str, &str)]] = &[
        &[("post_logout_redirect_uri", AFTER)],
        &[("client_id", ID), ("post_logout_redirect_uri", "http://elsewhere.example/")],
        &[("client_id", "stranger")],
        &[("client_id", "limited"), ("id_token_hint", hint)],
        &[("id_token_hint", "x")],
    ];
    for case in refused {
        assert_eq!(world.get_with("/generic/logout", case).await.status, 400, "{case:?}");
    }
    let silent = generic(&[("prompt", "none")]);
    assert!(
        world.get_with("/generic/authorize", &silent).await.parameter("code").is_some(),
        "still signed in"
    );
    let good = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", "x")];
    let answer = world.post("/generic/logout", &good).await;
    assert_eq!((answer.status, answer.header("location")), (303, &*format!("{AFTER}?state=x")));
    let answer = world.get_with("/generic/authorize", &silent).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("login_required"));
    let by_id = [("client_id", ID), ("post_logout_redirect_uri", AFTER)];
    assert_eq!(world.get_with("/generic/logout", &by_id).await.header("location"), AFTER);
    assert_eq!(world.get("/generic/logout").await.status, 200);
}
