//! Answers of token, userinfo and key endpoints that must not be taken.

use super::*;
use crate::crypto::alg::SignedBy;

#[tokio::test]
async fn token_answers_that_are_none() {
    use reasons::upstream as R;
    type Case = (fn() -> Reply, Reason, RefusalCode, PublicMessage);
    let provider = Provider::generic().await;
    let (server_error, later) = (RefusalCode::ServerError, RefusalCode::TemporarilyUnavailable);
    let (odd, down, slow) =
        (PublicMessage::UpstreamError, PublicMessage::UpstreamDown, PublicMessage::UpstreamTimeout);
    let cases: [Case; 15] = [
        (
            || Reply::Full(400, "application/json", r#"{"error":"invalid_grant"}"#.into()),
            R::INVALID_GRANT,
            server_error,
            odd,
        ),
        (
            || Reply::Full(400, "application/json", r#"{"error":"invalid_request"}"#.into()),
            R::HTTP_STATUS,
            server_error,
            odd,
        ),
        (
            || Reply::Full(401, "application/json", r#"{"error":"invalid_client"}"#.into()),
            R::INVALID_CLIENT,
            server_error,
            odd,
        ),
        (|| Reply::Full(302, "text/html", String::new()), R::HTTP_STATUS, server_error, odd),
        (|| Reply::Full(500, "text/html", "<h1>".into()), R::HTTP_STATUS, later, down),
        (|| Reply::Full(502, "text/html", "<h1>".into()), R::HTTP_STATUS, later, down),
        (|| Reply::Full(429, "text/html", "<h1>".into()), R::HTTP_STATUS, later, down),
        (|| Reply::Full(200, "text/html", "<h1>".into()), R::NOT_JSON, server_error, odd),
        (|| Reply::json("{'access_token':1}"), R::NOT_JSON, server_error, odd),
        (|| Reply::json("{\"token_type\":\"Bearer\""), R::NOT_JSON, server_error, odd),
        (|| Reply::json(r#"{"token_type":"Bearer","token_type":"Bearer"}"#), R::NOT_JSON, server_error, odd),
        (|| Reply::json(" ".repeat(1024 * 1024 + 1)), R::TOO_LARGE, server_error, odd),
        (|| Reply::Close, R::UNREACHABLE, later, down),
        (|| Reply::Hang, R::TIMEOUT, later, slow),
        (|| Reply::Drip(b"HTTP/1.1 200 X\r\n".to_vec()), R::TIMEOUT, later, slow),
    ];
    for (index, (reply, reason, code, message)) in cases.into_iter().enumerate() {
        let posts = provider.script.lock().unwrap().posts.len();
        let got = told(provider.login(|script| script.token_reply = Some(reply)).await);
        assert_eq!((got.0.slug(), got.1, got.2), (reason.slug(), code, message), "{index}");
        assert_eq!(provider.script.lock().unwrap().posts.len(), posts + 1, "{index}: the code is sent once");
    }
    for (more, reason) in [
        (json!({"id_token": null}), R::ID_TOKEN_MISSING),
        (json!({"id_token": 1}), R::ID_TOKEN_MISSING),
        (json!({"access_token": null}), R::NOT_JSON),
        (json!({"access_token": "a\nb"}), R::NOT_JSON),
        (json!({"token_type": null}), R::TOKEN_TYPE),
        (json!({"token_type": "DPoP"}), R::TOKEN_TYPE),
        (json!({"id_token": "a.b.c.d.e"}), R::ID_TOKEN_MALFORMED),
        (json!({"id_token": "eyJhbGciOiJub25lIn0.e30."}), R::ALG_REFUSED),
    ] {
        let change = |script: &mut Script| {
            script.token_reply = None;
            script.token_more = more;
        };
        untrusted(provider.login(change).await, reason);
    }
    let granted =
        |script: &mut Script| script.token_more = json!({"scope": "openid email", "token_type": "BEARER"});
    assert_eq!(provider.login(granted).await.unwrap().scopes, ["openid", "email"]);
}

#[tokio::test]
async fn id_tokens_that_do_not_pass() {
    use reasons::upstream as R;
    let provider = Provider::generic().await;
    let issuer = provider.issuer();
    let long = "x".repeat(256);
    let cases = [
        ("iss", json!(null), R::ISSUER_CLAIM),
        ("iss", json!(format!("{issuer}/")), R::ISSUER_CLAIM),
        ("iss", json!([issuer]), R::ISSUER_CLAIM),
        ("aud", json!(null), R::AUDIENCE),
        ("aud", json!("other"), R::AUDIENCE),
        ("aud", json!([]), R::AUDIENCE),
        ("aud", json!(["client id", "other"]), R::AUDIENCE),
        ("aud", json!(["client id", 1]), R::AUDIENCE),
        ("azp", json!("other"), R::AUDIENCE),
        ("exp", json!(null), R::CLAIM_TYPE),
        ("exp", json!((NOW + 60).to_string()), R::CLAIM_TYPE),
        ("exp", json!(-1), R::CLAIM_TYPE),
        ("exp", json!(1e300), R::CLAIM_TYPE),
        ("exp", json!(NOW - 60), R::EXPIRED),
        ("iat", json!(null), R::CLAIM_TYPE),
        ("iat", json!(true), R::CLAIM_TYPE),
        ("iat", json!(NOW + 61), R::ISSUED_IN_FUTURE),
        ("nbf", json!(NOW + 61), R::ISSUED_IN_FUTURE),
        ("nbf", json!("1"), R::CLAIM_TYPE),
        ("nonce", json!(null), R::NONCE),
        ("nonce", json!(""), R::NONCE),
        ("nonce", json!("other"), R::NONCE),
        // CBK-36: wrong, or of the wrong type.
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), R::AT_HASH),
        ("at_hash", json!(1), R::AT_HASH),
        ("sub", json!(null), R::SUB),
        ("sub", json!(""), R::SUB),
        ("sub", json!(1), R::SUB),
        ("sub", json!(long), R::SUB),
    ];
    for (name, value, reason) in cases {
        let shown = format!("{name} = {value}");
        let result = provider
            .login(|script| {
                script.id_token[name] = value;
                script.id_token.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            })
            .await;
        let got = told(result);
        assert_eq!((got.0.slug(), got.1), (reason.slug(), RefusalCode::ServerError), "{shown}");
    }
    let good = [
        ("exp", json!(NOW - 59)),
        ("iat", json!(NOW + 60)),
        ("iat", json!(1_790_000_000.5)),
        ("aud", json!(["client id"])),
        ("azp", json!("client id")),
        ("at_hash", json!(SignedBy::Key(Alg::Es256).left_half_hash(b"at"))),
        ("amr", json!(null)),
        ("amr", json!("pwd")),
        ("auth_time", json!(NOW + 3600)),
        ("auth_time", json!("1")),
        ("auth_time", json!(null)),
        ("acr", json!(1)),
        ("acr", json!(null)),
        ("azp", json!(null)),
        ("nbf", json!(null)),
        ("at_hash", json!(null)),
    ];
    for (name, value) in good {
        let shown = format!("{name} = {value}");
        let signed_in = provider.login(|script| script.id_token[name] = value).await;
        assert!(signed_in.is_ok_and(|s| s.identity.auth_time.seconds() <= NOW), "{shown}");
    }
    let several = provider
        .login(|script| {
            script.id_token["aud"] = json!(["client id", "other"]);
            script.id_token["azp"] = json!("client id");
        })
        .await;
    assert!(several.is_ok());
}

#[tokio::test]
async fn signatures_and_headers_that_do_not_pass() {
    use reasons::upstream as R;
    let provider = Provider::generic().await;
    provider.login(|_| ()).await.unwrap();
    for (header, reason) in [
        (r#"{"alg":"none"}"#, R::ALG_REFUSED),
        (r#"{"alg":"HS256","kid":"k"}"#, R::ALG_REFUSED),
        (r#"{"alg":"RS256","kid":"k"}"#, R::ALG_REFUSED),
        (r#"{"alg":"ES256","kid":"other"}"#, R::KEY_UNKNOWN),
        (r#"{"alg":"ES256","kid":"k","crit":["b64"],"b64":false}"#, R::JWT_HEADER),
        (r#"{"alg":"ES256","kid":"k","typ":"logout+jwt"}"#, R::JWT_HEADER),
        (r#"{"alg":"ES256","kid":"k","typ":1}"#, R::JWT_HEADER),
    ] {
        let got = told(provider.login(|script| script.header = header.to_owned()).await);
        assert_eq!(got.0.slug(), reason.slug(), "{header}");
    }
    let requests = provider.server.requests();
    let forged = |script: &mut Script| {
        script.header = r#"{"alg":"ES256","kid":"k"}"#.to_owned();
        script.key = TestKey::generate(Alg::Es256);
    };
    let (reason, _, _, facts) = told(provider.login(forged).await);
    assert_eq!((reason.slug(), facts.kid.as_deref()), (R::SIGNATURE.slug(), Some("k")));
    assert_eq!(provider.server.requests(), requests + 1, "no userinfo after a forged id_token");
    // A rotation: a minute later the new key is known.
    provider.clock.advance(Duration::from_secs(61));
    let rotated = |script: &mut Script| {
        script.header = r#"{"alg":"ES256","kid":"k2"}"#.to_owned();
        script.jwks = Some(key_set(&script.key, "k2"));
    };
    assert!(provider.login(rotated).await.is_ok());
    // CBK-42: no kid, whichever key fits.
    assert!(provider.login(|script| script.header = r#"{"alg":"ES256"}"#.to_owned()).await.is_ok());
}

#[tokio::test]
async fn keys_that_are_not_to_be_had() {
    for set in [json!({"keys": []}), json!({"keys": [{"kty": "oct", "k": "AA"}]}), json!([])] {
        let provider = Provider::generic().await;
        untrusted(provider.login(|script| script.jwks = Some(set)).await, reasons::upstream::JWKS);
    }
}

#[tokio::test]
async fn plain_userinfo_that_does_not_pass() {
    use reasons::upstream as R;
    let provider = Provider::generic().await;
    untrusted(provider.login(|script| script.userinfo["sub"] = json!("other")).await, R::SUB_DIFFERS);
    untrusted(provider.login(|script| script.userinfo["sub"] = json!(1)).await, R::CLAIM_TYPE);
    let cases: [(fn() -> Reply, Reason); 6] = [
        (|| Reply::json(r#"{"sub":"a","sub":"a"}"#), R::NOT_JSON),
        (|| Reply::json(format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500))), R::NOT_JSON),
        (|| Reply::json("not JSON"), R::NOT_JSON),
        (|| Reply::Full(200, "application/jwt", "e30.e30.".into()), R::USERINFO_TYPE),
        (|| Reply::Full(200, "text/html", "{}".into()), R::USERINFO_TYPE),
        (|| Reply::Full(401, "application/json", "{}".into()), R::HTTP_STATUS),
    ];
    for (reply, reason) in cases {
        untrusted(provider.login(|script| script.userinfo_reply = Some(reply)).await, reason);
    }
}

#[tokio::test]
async fn signed_userinfo_that_does_not_pass() {
    use reasons::upstream as R;
    let provider = Provider::france_connect().await;
    let other_sub = format!("{}v1", "f".repeat(64));
    for (name, value, reason) in [
        ("sub", json!(other_sub), R::SUB_DIFFERS),
        ("sub", json!("1"), R::SUB),
        ("iss", json!(null), R::ISSUER_CLAIM),
        ("aud", json!("other"), R::AUDIENCE),
        ("exp", json!(NOW - 61), R::EXPIRED),
        ("exp", json!("1"), R::CLAIM_TYPE),
    ] {
        untrusted(provider.login(|script| script.userinfo[name] = value).await, reason);
    }
    let cases: [(fn() -> Reply, Reason); 3] = [
        (|| Reply::json("{}"), R::USERINFO_TYPE),
        (|| Reply::Full(200, "application/jwt", "eyJhbGciOiJub25lIn0.e30.".into()), R::ALG_REFUSED),
        (|| Reply::Full(503, "text/html", String::new()), R::HTTP_STATUS),
    ];
    for (reply, reason) in cases {
        let got = told(provider.login(|script| script.userinfo_reply = Some(reply)).await);
        assert_eq!(got.0.slug(), reason.slug());
    }
    untrusted(provider.login(|script| script.id_token["sub"] = json!("short")).await, R::SUB);
}

#[tokio::test]
async fn without_userinfo_the_id_token_says_it_all() {
    let provider = Provider::start(|settings| settings.userinfo = UserinfoKind::Off).await;
    let signed_in = provider.login(|script| script.id_token["email"] = json!("a@b")).await.unwrap();
    assert_eq!(Value::Object(signed_in.identity.claims).to_string(), r#"{"email":"a@b","amr":["fc","pwd"]}"#);
}
