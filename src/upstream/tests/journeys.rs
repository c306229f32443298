//! Whole logins and logouts: what is sent, what comes out, what is told.

use super::*;

#[test]
fn a_login_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let _ = |upstream: &Upstream, handshake: &Handshake, response, trace: &Trace| {
        is_send(upstream.complete(
            handshake,
            response,
            &SystemEntropy::new(),
            &crate::clock::SystemClock,
            trace,
        ));
    };
    let _ = |upstream: &Upstream, ask: &Ask<'_>, entropy: &SystemEntropy, trace: &Trace| {
        is_send(upstream.begin(ask, &[7; 32], entropy, &crate::clock::SystemClock, trace));
    };
}

#[tokio::test]
async fn a_generic_login_by_discovery() {
    let provider = Provider::generic().await;
    let scopes = ["openid".to_owned(), "email".to_owned()];
    let ask = Ask { scopes: &scopes, max_age: Some(60), login_hint: Some("a@b"), ..Ask::default() };
    let (url, handshake) = provider.begin(&ask).await.unwrap();
    let sent = query(&url);
    let get = |name: &str| sent.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(get("response_type"), Some("code"));
    assert_eq!(get("client_id"), Some("client id"));
    assert_eq!(get("redirect_uri"), Some("https://relay.example/cb/idp"));
    assert_eq!(get("scope"), Some("openid email"));
    assert_eq!(get("state"), Some(handshake.state.as_str()));
    assert_eq!(get("nonce"), Some(handshake.nonce.as_str()));
    assert_eq!((get("max_age"), get("login_hint")), (Some("60"), Some("a@b")));
    assert_eq!(get("code_challenge_method"), Some("S256"));
    assert!(get("acr_values").is_none() && get("prompt").is_none());
    assert_eq!(handshake.scopes, scopes);
    assert_ne!(handshake.state, handshake.nonce);

    let signed_in = provider.complete(&handshake, &provider.good_return(&handshake)).await.unwrap();
    let identity = signed_in.identity;
    assert_eq!(identity.subject.as_str(), fc_sub());
    assert_eq!(identity.acr, Some(Acr("eidas1".into())));
    assert_eq!(identity.auth_time.seconds(), NOW - 5);
    assert_eq!(identity.issuer, provider.issuer());
    assert_eq!(
        Value::Object(identity.claims).to_string(),
        r#"{"given_name":"Angela","family_name":"DUBOIS","email":"a@example.fr","amr":["fc","pwd"]}"#
    );
    assert_eq!(signed_in.scopes, scopes);

    let (post, heads) = {
        let script = provider.script.lock().unwrap();
        (script.posts[0].clone(), script.heads.clone())
    };
    let post: Vec<(String, String)> = url::form_urlencoded::parse(post.as_bytes()).into_owned().collect();
    let names: Vec<&str> = post.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["grant_type", "code", "redirect_uri", "code_verifier"]);
    let head = heads.iter().find(|head| head.starts_with("POST")).unwrap();
    // base64("client+id:s3cr%26t%3A%C3%A9")
    assert!(head.contains("Basic Y2xpZW50K2lkOnMzY3IlMjZ0JTNBJUMzJUE5"), "{head}");
    let steps: Vec<&str> = provider.recorder.events().iter().map(|event| event.step.name()).collect();
    let all =
        ["upstream.discovery", "upstream.token", "upstream.jwks", "upstream.id_token", "upstream.userinfo"];
    assert_eq!(steps, all);
    let said = format!("{:?}", provider.recorder.events());
    for secret in ["Angela", "DUBOIS", &fc_sub(), "s3cr", &handshake.nonce, &handshake.state] {
        assert!(!said.contains(secret), "{secret}");
    }

    // The second login calls only what it must.
    let before = provider.server.requests();
    provider.login(|_| ()).await.unwrap();
    assert_eq!(provider.server.requests(), before + 2);
}

#[tokio::test]
async fn a_france_connect_login_sends_what_it_takes_and_no_more() {
    let provider = Provider::france_connect().await;
    assert!(provider.upstream.always_asks());
    assert_eq!(provider.upstream.callback_path(), "/cb/idp");
    let policy = AcrPolicy { ask: AcrAsk::Claims, ..AcrPolicy::any_of(vec![Acr("eidas1".into())]) };
    let locales = ["fr".to_owned()];
    let ask = Ask {
        scopes: &["openid".to_owned(), "given_name".to_owned()],
        acr: Some(&policy),
        prompt: Some(Prompt::Login),
        max_age: Some(1),
        login_hint: Some("x"),
        ui_locales: &locales,
    };
    let (url, handshake) = provider.begin(&ask).await.unwrap();
    let mut names: Vec<String> = query(&url).into_iter().map(|(name, _)| name).collect();
    names.sort();
    let all = [
        "acr_values",
        "claims",
        "client_id",
        "nonce",
        "prompt",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
    ];
    assert_eq!(names, all);
    let hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
    assert!(hex(&handshake.state) && hex(&handshake.nonce) && handshake.code_verifier.is_none());

    let policy = provider.upstream.acr_policy(None, &[]).unwrap();
    let (url, handshake) = provider.begin(&Ask { acr: policy.as_ref(), ..Ask::default() }).await.unwrap();
    assert!(query(&url).contains(&("acr_values".into(), "eidas1".into())));
    let signed_in = provider.complete(&handshake, &provider.good_return(&handshake)).await.unwrap();
    assert_eq!(signed_in.identity.claims["given_name"], "Angela");
    assert_eq!(signed_in.scopes, ["openid"]);
    let post = provider.script.lock().unwrap().posts[0].clone();
    assert!(
        post.contains("client_id=client+id&client_secret=s3cr%26t%3A%C3%A9") && !post.contains("verifier")
    );

    let silent = provider.begin(&Ask { prompt: Some(Prompt::None), ..Ask::default() }).await.err().unwrap();
    assert_eq!(silent.declined().code, RefusalCode::LoginRequired);
}

#[tokio::test]
async fn a_level_is_asked_as_the_policy_says() {
    let provider = Provider::generic().await;
    let accept = vec![Acr("a".into()), Acr("b".into())];
    for (ask, mode, name, value) in [
        (AcrAsk::AcrValues, AcrMode::Require, "acr_values", "a b"),
        (
            AcrAsk::Claims,
            AcrMode::Require,
            "claims",
            r#"{"id_token":{"acr":{"essential":true,"values":["a","b"]}}}"#,
        ),
        (
            AcrAsk::Claims,
            AcrMode::Prefer,
            "claims",
            r#"{"id_token":{"acr":{"essential":false,"values":["a","b"]}}}"#,
        ),
    ] {
        let policy = AcrPolicy { mode, ask, ..AcrPolicy::any_of(accept.clone()) };
        let (url, _) = provider.begin(&Ask { acr: Some(&policy), ..Ask::default() }).await.unwrap();
        let sent = query(&url);
        assert!(sent.contains(&(name.to_owned(), value.to_owned())), "{sent:?}");
        assert_eq!(sent.iter().filter(|(name, _)| name == "acr_values" || name == "claims").count(), 1);
    }
}

#[tokio::test]
async fn a_response_of_another_issuer_or_login_makes_no_call() {
    let provider = Provider::generic().await;
    let (_, handshake) = provider.begin(&Ask::default()).await.unwrap();
    let before = provider.server.requests();
    let state = &handshake.state;
    for iss in ["", "&iss=https://evil.example", &format!("&iss={}/", provider.issuer())] {
        let (_, code, message, _) =
            told(provider.complete(&handshake, &format!("code=c&state={state}{iss}")).await);
        assert_eq!((code, message), (RefusalCode::ServerError, PublicMessage::UpstreamMixup), "{iss}");
    }
    // An error is no exception.
    let error = provider.complete(&handshake, &format!("error=access_denied&state={state}")).await;
    assert_eq!(told(error).2, PublicMessage::UpstreamMixup);
    let other = provider.good_return(&handshake).replace(state.as_str(), "undefined");
    assert_eq!(told(provider.complete(&handshake, &other).await).2, PublicMessage::UpstreamState);
    assert_eq!(provider.server.requests(), before);
}

#[tokio::test]
async fn error_responses_are_told_in_standard_words() {
    use PublicMessage as M;
    use RefusalCode as C;
    let provider = Provider::france_connect().await;
    let (_, handshake) = provider.begin(&Ask::default()).await.unwrap();
    for (error, code, message) in [
        ("access_denied", C::AccessDenied, M::AccessDenied),
        ("invalid_acr", C::UnmetAuthenticationRequirements, M::AcrUnmet),
        ("login_required", C::LoginRequired, M::AccessDenied),
        ("temporarily_unavailable", C::TemporarilyUnavailable, M::UpstreamDown),
        ("server_error", C::ServerError, M::UpstreamError),
        ("invalid_idp_hint", C::ServerError, M::UpstreamError),
        ("Y000400", C::ServerError, M::UpstreamError),
    ] {
        let query = provider.good_return(&handshake).replace("code=c", &format!("error={error}"));
        let got = told(provider.complete(&handshake, &query).await);
        assert_eq!((got.1, got.2), (code, message), "{error}");
    }
    assert!(provider.script.lock().unwrap().posts.is_empty());
}

#[tokio::test]
async fn metadata_that_does_not_fit_stops_the_login_and_is_asked_again_later() {
    let remote = "http://idp.example/x";
    for (name, value) in [
        ("issuer", json!("https://evil.example")),
        ("token_endpoint", json!(null)),
        ("token_endpoint", json!(remote)),
        ("authorization_endpoint", json!(remote)),
        ("userinfo_endpoint", json!(remote)),
        ("jwks_uri", json!(remote)),
        ("jwks_uri", json!(null)),
        ("issuer", json!(1)),
    ] {
        let provider = Provider::generic().await;
        let good = provider.script.lock().unwrap().metadata.clone();
        provider.script.lock().unwrap().metadata[name] = value;
        let error = provider.begin(&Ask::default()).await.err().unwrap();
        let declined = error.declined();
        assert_eq!(
            (declined.reason.slug(), declined.code),
            ("upstream.discovery", RefusalCode::ServerError),
            "{name}"
        );
        provider.script.lock().unwrap().metadata = good;
        assert!(provider.begin(&Ask::default()).await.is_err(), "remembered");
        assert_eq!(provider.server.requests(), 1);
        provider.clock.advance(Duration::from_secs(5));
        assert!(provider.begin(&Ask::default()).await.is_ok());
    }
}

#[tokio::test]
async fn logout_sends_what_the_profile_lists() {
    let hint = Secret::new("hint".to_owned());
    let provider = Provider::france_connect().await;
    let logout = async |provider: &Provider, hint| {
        provider.upstream.logout_url(hint, "s t", &provider.clock, &provider.trace).await
    };
    assert!(logout(&provider, None).await.is_none());
    let url = logout(&provider, Some(&hint)).await.unwrap();
    let names: Vec<String> = query(&url).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["id_token_hint", "post_logout_redirect_uri", "state"]);

    let provider = Provider::generic().await;
    let url = logout(&provider, None).await.unwrap();
    assert_eq!(
        url.query(),
        Some("client_id=client+id&post_logout_redirect_uri=https%3A%2F%2Frelay.example%2Fout&state=s+t")
    );
    let provider = Provider::start(|settings| settings.post_logout_redirect_uri = None).await;
    assert_eq!(logout(&provider, None).await.unwrap().query(), Some("client_id=client+id"));
}
