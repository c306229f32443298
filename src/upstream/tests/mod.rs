//! A small provider that misbehaves on demand, and the helpers of the tests that use it.

mod answers;
mod encrypted;
mod journeys;

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
    /// Wraps whatever was signed.
    encrypt: Option<Box<dyn Fn(String) -> String + Send>>,
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
            let id_token = wrapped(script, id_token);
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
                let jwt = wrapped(script, script.key.sign(Alg::Es256, &script.header, &text));
                Reply::Full(200, "application/jwt; charset=utf-8", jwt)
            } else {
                Reply::json(script.userinfo.to_string())
            }
        }
        other => Reply::Full(404, "text/html", other.to_owned()),
    }
}

fn wrapped(script: &Script, jwt: String) -> String {
    match &script.encrypt {
        Some(encrypt) => encrypt(jwt),
        None => jwt,
    }
}

impl Provider {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let script = Arc::new(Mutex::new(Script {
            key: TestKey::generate(Alg::Es256),
            header: r#"{"alg":"ES256","kid":"k"}"#.to_owned(),
            id_token: Value::Null,
            userinfo: Value::Null,
            encrypt: None,
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
            credentials: Credentials::Basic(Secret::new("s3cr&t:é".into())),
            redirect_uri: Url::parse("https://relay.example/cb/idp").unwrap(),
            post_logout_redirect_uri: Some(Url::parse("https://relay.example/out").unwrap()),
            logout_hint: true,
            signatures: Signatures::Published(vec![Alg::Es256]),
            decryption_keys: DecryptionKeys::default(),
            encrypted_id_token: false,
            userinfo: UserinfoKind::Json,
            require_iss: false,
            leeway: LEEWAY,
            subject_namespace: "provider".to_owned(),
        };
        change(&mut settings);
        if settings.profile.name.starts_with("franceconnect") {
            settings.endpoints = Some(Endpoints {
                authorization: server.url("authorize"),
                token: server.url("token"),
                userinfo: Some(server.url("signed")),
                jwks: Some(server.url("jwks")),
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
            settings.credentials = Credentials::Post(Secret::new("s3cr&t:é".into()));
        })
        .await
    }

    fn issuer(&self) -> String {
        self.server.base.as_str().trim_end_matches('/').to_owned()
    }

    async fn begin(&self, ask: &Ask<'_>) -> Result<(Url, Handshake), UpstreamError> {
        let entropy = SystemEntropy::new();
        let Begun { step: Step::Redirect(url), handshake } =
            self.upstream.begin(ask, &[7; 32], &entropy, &self.clock, &self.trace).await?;
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
        self.upstream.complete(handshake, response, &SystemEntropy::new(), &self.clock, &self.trace).await
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
