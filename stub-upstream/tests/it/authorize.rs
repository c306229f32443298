//! Authorization requests: what is answered, what is refused, and where the refusal is seen.

use stub_upstream::Alg;

use crate::harness::{AFTER, BACK, NOW, STATE, World, encoded, fc, generic};

/// Parameters that replace those of a good request.
type Change<'a> = &'a [(&'a str, &'a str)];

fn letters(count: usize) -> String {
    "n".repeat(count)
}

#[tokio::test]
async fn franceconnect_answers_with_code_state_and_iss() {
    let mut world = World::new();
    let answer = world.fc_code("angela", &[]).await;
    assert_eq!(answer.status, 303);
    let location = answer.header("location");
    assert!(location.starts_with(&format!("{BACK}&code=")), "{location}");
    assert!(
        location.ends_with(&format!("&state={STATE}&iss=http%3A%2F%2F127.0.0.1%3A8081%2Fapi%2Fv2")),
        "{location}"
    );
    assert_eq!(answer.parameter("code").unwrap().len(), 43);
    assert!(answer.header("set-cookie").starts_with("stub-session-8081="));
    // A session does not spare the page.
    assert_eq!(world.get_with("/api/v2/authorize", &fc(&[])).await.status, 200);
    assert_eq!(world.post("/api/v2/authorize", &fc(&[])).await.status, 200, "POST is as good");
}

#[tokio::test]
async fn franceconnect_keeps_bad_requests_on_a_page() {
    let mut world = World::new();
    let many = "x ".repeat(65);
    let short = letters(21);
    let cases: &[(Change, &str)] = &[
        (&[("code_challenge", "x")], "Y030007"),
        (&[("code_challenge_method", "S256")], "Y030007"),
        (&[("login_hint", "x")], "Y030007"),
        (&[("max_age", "0")], "Y030007"),
        (&[("request_uri", "x")], "Y030007"),
        (&[("response_mode", "query")], "Y030007"),
        (&[("anything", "")], "Y030007"),
        (&[("acr_values", "-")], "Y030007"),
        (&[("acr_values", "")], "Y030007"),
        (&[("acr_values", &many)], "Y030007"),
        (&[("state", "-")], "Y030007"),
        (&[("nonce", "-")], "Y030007"),
        (&[("nonce", &short)], "Y030007"),
        (&[("response_type", "-")], "Y030007"),
        (&[("redirect_uri", "nowhere")], "Y030007"),
        (&[("client_id", "-")], "Y030007"),
        (&[("prompt", "")], "Y030007"),
        (&[("prompt", "none")], "Y030007"),
        (&[("prompt", "login select_account")], "Y030007"),
        (&[("state", "a"), ("state", "b")], "Y030007"),
        (&[("client_id", "stranger")], "Y04EA6EF"),
        (&[("redirect_uri", AFTER)], "Y04C013C"),
        (&[("redirect_uri", "http://127.0.0.1:8080/callback")], "Y04C013C"),
    ];
    for (change, code) in cases {
        let answer = world.get_with("/api/v2/authorize", &fc(change)).await;
        assert_eq!(answer.status, 400, "{change:?}");
        assert!(answer.header("location").is_empty(), "{change:?}");
        assert!(answer.body.contains(code), "{change:?}: {}", answer.body);
    }
    for good in ["login", "consent", "login consent"] {
        assert_eq!(world.get_with("/api/v2/authorize", &fc(&[("prompt", good)])).await.status, 200, "{good}");
    }
    let just = letters(22);
    assert_eq!(world.get_with("/api/v2/authorize", &fc(&[("nonce", &just)])).await.status, 200);
}

#[tokio::test]
async fn franceconnect_answers_other_faults_by_redirect() {
    let mut world = World::new();
    let cases: &[(Change, &str, &str)] = &[
        (&[("acr_values", "eidas2")], "invalid_acr", "expected eidas1, got eidas2"),
        (&[("acr_values", "eidas3 what")], "invalid_acr", "got eidas3"),
        (&[("scope", "profile")], "invalid_request", "openid scope must be requested"),
        (&[("response_type", "")], "invalid_request", "response_type"),
        (&[("response_type", "x")], "unsupported_response_type", "unsupported"),
        (&[("idp_hint", "x")], "invalid_idp_hint", "is not allowed"),
        (&[("claims", "{")], "invalid_request", "claims"),
        (&[("client_id", "limited")], "invalid_scope", "requested scope is not allowed"),
    ];
    for (change, error, text) in cases {
        let answer = world.get_with("/api/v2/authorize", &fc(change)).await;
        assert_eq!(answer.status, 303, "{change:?} {}", answer.body);
        assert_eq!(answer.parameter("error").as_deref(), Some(*error), "{change:?}");
        assert!(answer.parameter("error_description").unwrap().contains(text), "{change:?}");
        assert_eq!(answer.parameter("state").as_deref(), Some(STATE));
        assert_eq!(answer.parameter("iss").as_deref(), Some("http://127.0.0.1:8081/api/v2"));
    }
    let answer = world.get_with("/api/v2/authorize", &fc(&[("response_type", "id_token token")])).await;
    assert!(answer.header("location").contains("#error=unsupported_response_type&"));
    for good in ["what", "eidas2 eidas1", "eidas1"] {
        assert_eq!(
            world.get_with("/api/v2/authorize", &fc(&[("acr_values", good)])).await.status,
            200,
            "{good}"
        );
    }
}

#[tokio::test]
async fn cancelling_is_access_denied() {
    let mut world = World::new();
    let answer = world.fc_code("", &[("cancel", "1")]).await;
    let expected = encoded(&[
        ("error", "access_denied"),
        ("error_description", "User auth aborted"),
        ("state", STATE),
        ("iss", "http://127.0.0.1:8081/api/v2"),
    ]);
    assert_eq!(answer.header("location"), format!("{BACK}&{expected}"));
}

#[tokio::test]
async fn a_page_is_answered_once() {
    let mut world = World::new();
    let page = world.get_with("/api/v2/authorize", &fc(&[])).await;
    let action = page.action();
    let wrong = world.post(&action, &[("login", "<nobody>")]).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("&lt;nobody&gt;") && wrong.body.contains("<form"), "asks again");
    assert_eq!(world.post(&action, &[("login", ""), ("fault", "no such")]).await.status, 400);
    assert_eq!(world.get(&action).await.status, 200, "may be reloaded");
    assert_eq!(world.post(&action.replace("/api/v2", "/generic"), &[("persona", "corse")]).await.status, 400);
    assert_eq!(world.post(&action, &[("login", " corse ")]).await.status, 303);
    assert_eq!(world.post(&action, &[("persona", "corse")]).await.status, 400);
    assert_eq!(world.get(&action).await.status, 400);
    let action = world.get_with("/api/v2/authorize", &fc(&[])).await.action();
    world.clock.advance(1800);
    assert_eq!(world.post(&action, &[("persona", "corse")]).await.status, 400, "expired");
}

#[tokio::test]
async fn generic_checks_its_requests() {
    let mut world = World::new();
    let pages: &[Change] = &[
        &[("client_id", "stranger")],
        &[("client_id", "-")],
        &[("redirect_uri", AFTER)],
        &[("redirect_uri", "-")],
        &[("state", "a"), ("state", "b")],
    ];
    for change in pages {
        let answer = world.get_with("/generic/authorize", &generic(change)).await;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{change:?}");
    }
    let redirects: &[(Change, &str)] = &[
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("response_type", "-")], "invalid_request"),
        (&[("response_mode", "form_post")], "invalid_request"),
        (&[("scope", "email")], "invalid_scope"),
        (&[("client_id", "limited")], "invalid_scope"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "-")], "invalid_request"),
        (&[("code_challenge", "short")], "invalid_request"),
        (&[("code_challenge", "-")], "invalid_request"),
        (&[("max_age", "soon")], "invalid_request"),
        (&[("claims", "[]")], "invalid_request"),
        (&[("prompt", "none login")], "invalid_request"),
        (&[("prompt", "none")], "login_required"),
        (&[("request", "x")], "request_not_supported"),
        (&[("request_uri", "x")], "request_uri_not_supported"),
        (
            &[("claims", r#"{"id_token":{"acr":{"essential":true,"value":"eidas9"}}}"#)],
            "unmet_authentication_requirements",
        ),
    ];
    for (change, error) in redirects {
        let answer = world.get_with("/generic/authorize", &generic(change)).await;
        assert_eq!(answer.status, 303, "{change:?}");
        assert_eq!(answer.parameter("error").as_deref(), Some(*error), "{change:?}");
        assert_eq!(answer.parameter("state").as_deref(), Some(STATE), "{change:?}");
        assert_eq!(answer.parameter("iss").as_deref(), Some("http://127.0.0.1:8081/generic"));
    }
    let tolerated = [("anything", "x"), ("login_hint", "corse"), ("display", "page"), ("ui_locales", "fr")];
    let page = world.get_with("/generic/authorize", &generic(&tolerated)).await;
    assert!(page.status == 200 && page.body.contains(r#"value="corse" autocomplete"#), "{}", page.body);
}

#[tokio::test]
async fn generic_signs_in_again_without_a_page() {
    let mut world = World::new();
    let ask = async |world: &mut World, more: &[(&str, &str)]| {
        world.get_with("/generic/authorize", &generic(more)).await.status
    };
    assert_eq!(world.generic_login(&[]).await.status, 303);
    world.fc_code("corse", &[]).await;
    assert_eq!(ask(&mut world, &[]).await, 303, "beside another profile's session");
    assert_eq!(ask(&mut world, &[("prompt", "none")]).await, 303);
    for prompt in ["login", "consent", "select_account"] {
        assert_eq!(ask(&mut world, &[("prompt", prompt)]).await, 200, "{prompt}");
    }
    assert_eq!(ask(&mut world, &[("acr_values", "eidas2")]).await, 200, "another level");
    world.clock.advance(100);
    assert_eq!(ask(&mut world, &[("max_age", "100")]).await, 303);
    assert_eq!(ask(&mut world, &[("max_age", "99")]).await, 200);
    assert_eq!(ask(&mut world, &[("max_age", "0")]).await, 200);
    // auth_time stays that of the page.
    let code = world.generic_login(&[]).await.parameter("code").unwrap();
    let tokens = world.generic_token(&code).await.json();
    let (_, claims) = crate::harness::opened(tokens["id_token"].as_str().unwrap());
    assert_eq!((&claims["auth_time"], &claims["iat"]), (&NOW.into(), &(NOW + 100).into()));
    assert_eq!(claims["sub"].as_str().unwrap().len(), 36);
    world.clock.advance(8 * 3600);
    assert_eq!(ask(&mut world, &[]).await, 200, "the session has ended");
    world.cookie = Some("stub-session-8081=forged".to_owned());
    assert_eq!(ask(&mut world, &[]).await, 200);
}

#[tokio::test]
async fn automatic_login_shows_no_page() {
    let mut world = World::with_alg(Alg::Rs256);
    assert!(!world.stub.set_auto_login(Some("nobody")));
    assert!(world.stub.set_auto_login(Some("corse")));
    for (path, request) in [("/api/v2", fc(&[])), ("/generic", generic(&[]))] {
        let answer = world.get_with(&format!("{path}/authorize"), &request).await;
        assert_eq!(answer.status, 303);
        assert!(answer.parameter("code").is_some() && answer.header("set-cookie").is_empty());
    }
    let silent = world.get_with("/generic/authorize", &generic(&[("prompt", "none")])).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
    assert!(world.stub.set_auto_login(None));
    assert_eq!(world.get_with("/api/v2/authorize", &fc(&[])).await.status, 200);
}
