//! Whole logins against a small provider that misbehaves on demand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::clock::{Clock as _, HandClock, Timestamp};
use crate::crypto::jws::testing::TestKey;
use crate::entropy::SystemEntropy;
use crate::event::{Events, Facts, Reason, Recorder, Trace, reasons};
use crate::identity::{Acr, AcrAsk, AcrMode, AcrPolicy};
use crate::login::Handshake;
use crate::message::PublicMessage;
use crate::outbound::OutboundSettings;
use crate::outbound::testing::{Got, Reply, Server};
use crate::outcome::RefusalCode;
use crate::service::Prompt;

const NOW: u64 = 1_790_000_000;

fn fc_sub() -> String {
    format!("{}v1", "0123456789abcdef".repeat(4))
}

/// What the provider will answer; changed by each test.
struct Script {
    key: TestKey,
    header: String,
    id_token: Value,
    userinfo: Value,
    /// Instead of what follows from the above.
    token_reply: Option<fn() -> Reply>,
    token_more: Value,
    userinfo_reply: Option<fn() -> Reply>,
    jwks: Option<Value>,
    metadata: Value,
    /// Bodies of token requests.
    posts: Vec<String>,
    heads: Vec<String>,
}

struct Provider {
    server: Server,
    script: Arc<Mutex<Script>>,
    clock: HandClock,
    trace: Trace,
    recorder: Recorder,
    upstream: Upstream,
}

fn key_set(key: &TestKey, kid: &str) -> Value {
    json!({"keys": [key.jwk(&json!({"kid": kid, "use": "sig"}))]})
}

fn answer(script: &mut Script, got: &Got) -> Reply {
    let signed = got.path() == "/signed";
    script.heads.push(got.head.clone());
    match got.path() {
        "/.well-known/openid-configuration" => Reply::json(script.metadata.to_string()),
        "/jwks" => match &script.jwks {
            Some(set) => Reply::json(set.to_string()),
            None => Reply::json(key_set(&script.key, "k").to_string()),
        },
        "/token" => {
            script.posts.push(got.body.clone());
            if let Some(reply) = script.token_reply {
                return reply();
            }
            let id_token = script.key.sign(Alg::Es256, &script.header, &script.id_token.to_string());
            let mut answer =
                json!({"access_token": "at", "expires_in": 60, "id_token": id_token, "token_type": "bearer"});
            for (name, value) in script.token_more.as_object().unwrap() {
                answer[name] = value.clone();
            }
            answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            Reply::json(answer.to_string())
        }
        "/userinfo" | "/signed" => {
            if let Some(reply) = script.userinfo_reply {
                return reply();
            }
            if signed {
                let text = script.userinfo.to_string();
                let jwt = script.key.sign(Alg::Es256, &script.header, &text);
                Reply::Full(200, "application/jwt; charset=utf-8", jwt)
            } else {
                Reply::json(script.userinfo.to_string())
            }
        }
        other => Reply::Full(404, "text/html", other.to_owned()),
    }
}

impl Provider {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let script = Arc::new(Mutex::new(Script {
            key: TestKey::generate(Alg::Es256),
            header: r#"{"alg":"ES256","kid":"k"}"#.to_owned(),
            id_token: Value::Null,
            userinfo: Value::Null,
            token_reply: None,
            token_more: json!({}),
            userinfo_reply: None,
            jwks: None,
            metadata: Value::Null,
            posts: Vec::new(),
            heads: Vec::new(),
        }));
        let shared = Arc::clone(&script);
        let server = Server::start(move |got| answer(&mut shared.lock().unwrap(), got)).await;
        let base = server.base.as_str().trim_end_matches('/');
        script.lock().unwrap().metadata = json!({
            "issuer": base,
            "authorization_endpoint": server.url("authorize"),
            "token_endpoint": server.url("token"),
            "userinfo_endpoint": server.url("userinfo"),
            "jwks_uri": server.url("jwks"),
            "end_session_endpoint": server.url("logout"),
            "authorization_response_iss_parameter_supported": true,
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["HS256", "ES256"],
            "code_challenge_methods_supported": ["S256"],
        });
        let profile = Profile::find("generic").unwrap();
        let mut settings = Settings {
            name: UpstreamName("idp".into()),
            profile,
            issuers: vec![base.to_owned()],
            endpoints: None,
            client_id: "client id".into(),
            client_secret: Secret::new("s3cr&t:é".into()),
            client_auth: ClientAuth::SecretBasic,
            redirect_uri: Url::parse("https://relay.example/cb/idp").unwrap(),
            post_logout_redirect_uri: Some(Url::parse("https://relay.example/out").unwrap()),
            signing_algs: vec![Alg::Es256],
            userinfo: UserinfoKind::Json,
            require_iss: false,
            leeway: LEEWAY,
        };
        change(&mut settings);
        if settings.profile.name == "franceconnect_v2" {
            settings.endpoints = Some(Endpoints {
                authorization: server.url("authorize"),
                token: server.url("token"),
                userinfo: Some(server.url("signed")),
                jwks: server.url("jwks"),
                end_session: Some(server.url("logout")),
            });
        }
        let outbound = OutboundSettings { total: Duration::from_millis(500), ..OutboundSettings::default() };
        let upstream = Upstream::new(settings, &Outbound::new(&outbound).unwrap());
        let recorder = Recorder::default();
        let trace = Trace::new(Events::to(recorder.clone()), None);
        let clock = HandClock::at(Timestamp::from_seconds(NOW));
        Self { server, script, clock, trace, recorder, upstream }
    }

    async fn generic() -> Self {
        Self::start(|_| ()).await
    }

    async fn france_connect() -> Self {
        Self::start(|settings| {
            settings.profile = Profile::find("franceconnect_v2").unwrap();
            settings.userinfo = settings.profile.userinfo;
            settings.client_auth = settings.profile.client_auth;
        })
        .await
    }

    fn issuer(&self) -> String {
        self.server.base.as_str().trim_end_matches('/').to_owned()
    }

    async fn begin(&self, ask: &Ask<'_>) -> Result<(Url, Handshake), UpstreamError> {
        let entropy = SystemEntropy::new();
        let Begun { step: Step::Redirect(url), handshake } =
            self.upstream.begin(ask, &entropy, &self.clock, &self.trace).await?;
        // A provider in good order, from here on.
        let now = self.clock.now().seconds();
        let mut script = self.script.lock().unwrap();
        script.id_token = json!({
            "sub": fc_sub(), "acr": "eidas1", "amr": ["fc", "pwd"], "auth_time": now - 5, "nonce": handshake.nonce,
            "aud": "client id", "exp": now + 60, "iat": now, "iss": self.issuer(),
        });
        script.userinfo = json!({
            "sub": fc_sub(), "given_name": "Angela", "family_name": "DUBOIS", "nonce": "n", "state": "s",
            "iss": self.issuer(), "aud": "client id", "exp": now + 60, "iat": now, "email": "a@example.fr",
        });
        Ok((url, handshake))
    }

    async fn complete(&self, handshake: &Handshake, query: &str) -> Result<SignedIn, UpstreamError> {
        let response = AuthorizationResponse::parse(query)?;
        self.upstream.complete(handshake, response, &self.clock, &self.trace).await
    }

    fn good_return(&self, handshake: &Handshake) -> String {
        let iss: String = url::form_urlencoded::byte_serialize(self.issuer().as_bytes()).collect();
        format!("code=c&state={}&iss={iss}", handshake.state)
    }

    /// A login in which the provider's answers were changed.
    async fn login(&self, change: impl FnOnce(&mut Script)) -> Result<SignedIn, UpstreamError> {
        let (_, handshake) = self.begin(&Ask::default()).await?;
        change(&mut self.script.lock().unwrap());
        self.complete(&handshake, &self.good_return(&handshake)).await
    }
}

fn told(result: Result<SignedIn, UpstreamError>) -> (Reason, RefusalCode, PublicMessage, Facts) {
    match result {
        Ok(_) => panic!("accepted"),
        Err(error) => {
            let declined = error.declined();
            (declined.reason, declined.code, declined.message, declined.facts)
        }
    }
}

#[track_caller]
fn untrusted(result: Result<SignedIn, UpstreamError>, reason: Reason) {
    let (got, code, message, _) = told(result);
    assert_eq!((got.slug(), code), (reason.slug(), RefusalCode::ServerError));
    assert_eq!(message, PublicMessage::UpstreamError);
}

fn query(url: &Url) -> Vec<(String, String)> {
    url.query_pairs().into_owned().collect()
}

#[test]
fn a_login_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let _ = |upstream: &Upstream, handshake: &Handshake, response, trace: &Trace| {
        is_send(upstream.complete(handshake, response, &crate::clock::SystemClock, trace));
    };
    let _ = |upstream: &Upstream, ask: &Ask<'_>, entropy: &SystemEntropy, trace: &Trace| {
        is_send(upstream.begin(ask, entropy, &crate::clock::SystemClock, trace));
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
    let steps: Vec<&str> = provider.recorder.events().iter().map(|event| event.step.name().0).collect();
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
    let policy =
        AcrPolicy { accept: vec![Acr("eidas1".into())], mode: AcrMode::Require, ask: AcrAsk::Claims };
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

    let (url, handshake) = provider.begin(&Ask::default()).await.unwrap();
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
        let policy = AcrPolicy { accept: accept.clone(), mode, ask };
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
        (json!({"scope": 1}), R::NOT_JSON),
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
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), R::AT_HASH),
        ("at_hash", json!(1), R::AT_HASH),
        ("sub", json!(null), R::SUB),
        ("sub", json!(""), R::SUB),
        ("sub", json!(1), R::SUB),
        ("sub", json!(long), R::SUB),
        ("acr", json!(1), R::CLAIM_TYPE),
        ("auth_time", json!("1"), R::CLAIM_TYPE),
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
        ("at_hash", json!(Alg::Es256.left_half_hash(b"at"))),
        ("amr", json!(null)),
        ("amr", json!("pwd")),
        ("auth_time", json!(NOW + 3600)),
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
    // No kid: whichever fits.
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
        ("end_session_endpoint", json!("javascript:alert(1)")),
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
