//! A browser and a client in one, on a hand clock.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use stub_upstream::{Alg, Builder, Client, HandClock, Stub};
use tower::ServiceExt as _;
use url::{Url, form_urlencoded};

pub const BASE: &str = "http://127.0.0.1:8081";
pub const NOW: u64 = 1_790_000_000;
pub const ID: &str = "client";
pub const SECRET: &str = "a secret: with/odd+characters";
pub const BACK: &str = "http://127.0.0.1:8080/callback?kept=1";
pub const AFTER: &str = "http://127.0.0.1:8080/after";
pub const STATE: &str = "0123456789abcdef0123456789abcdef";
pub const NONCE: &str = "fedcba9876543210fedcba9876543210";
/// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub struct World {
    pub stub: Stub,
    pub clock: HandClock,
    pub cookie: Option<String>,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// A parameter of the redirect.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let url =
            Url::parse(self.header("location")).unwrap_or_else(|_| panic!("no redirect: {}", self.body));
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Where the page's form goes.
    pub fn action(&self) -> String {
        let (_, rest) = self.body.split_once("action=\"").unwrap_or_else(|| panic!("no form: {}", self.body));
        rest.split('"').next().unwrap().to_owned()
    }
}

impl World {
    pub fn new() -> Self {
        Self::with_alg(Alg::Es256)
    }

    pub fn with_alg(alg: Alg) -> Self {
        Self::build(alg, None, |builder| builder)
    }

    /// With the client's public keys, and whatever else is wanted.
    pub fn build(alg: Alg, jwks: Option<Value>, more: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = HandClock::at(NOW);
        let client = Client {
            jwks,
            redirect_uris: vec![BACK.to_owned()],
            post_logout_redirect_uris: vec![AFTER.to_owned()],
            id_token_signed_response_alg: alg,
            ..Client::new(ID, SECRET)
        };
        let limited = Client {
            scopes: Some(vec!["openid".to_owned()]),
            ..Client { id: "limited".to_owned(), ..client.clone() }
        };
        let stub = more(Stub::builder(BASE))
            .register(client)
            .register(limited)
            .clock(clock.clone())
            .slow(std::time::Duration::from_millis(30))
            .build()
            .unwrap();
        Self { stub, clock, cookie: None }
    }

    pub async fn send(&mut self, request: Request<Body>) -> Answer {
        let (mut parts, body) = request.into_parts();
        if let Some(cookie) = &self.cookie {
            parts.headers.insert(header::COOKIE, format!("other=1; {cookie}").parse().unwrap());
        }
        let response = self.stub.router().oneshot(Request::from_parts(parts, body)).await.unwrap();
        let (parts, body) = response.into_parts();
        if let Some(cookie) = parts.headers.get(header::SET_COOKIE) {
            self.cookie = Some(cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
        let body = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn get_with(&mut self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.get(&format!("{path}?{}", encoded(parameters))).await
    }

    pub async fn post(&mut self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send(form(path, parameters).body(Body::from(encoded(parameters))).unwrap()).await
    }

    pub async fn post_basic(
        &mut self,
        path: &str,
        parameters: &[(&str, &str)],
        id: &str,
        secret: &str,
    ) -> Answer {
        let one = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let credentials = STANDARD.encode(format!("{}:{}", one(id), one(secret)));
        let request = form(path, parameters).header(header::AUTHORIZATION, format!("Basic {credentials}"));
        self.send(request.body(Body::from(encoded(parameters))).unwrap()).await
    }

    pub async fn put(&mut self, path: &str, body: &str) -> Answer {
        self.send(Request::put(path).body(Body::from(body.to_owned())).unwrap()).await
    }

    pub async fn delete(&mut self, path: &str) -> Answer {
        self.send(Request::delete(path).body(Body::empty()).unwrap()).await
    }

    pub async fn userinfo(&mut self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Asks FranceConnect's way, and signs in as this person.
    pub async fn fc_code(&mut self, persona: &str, more: &[(&str, &str)]) -> Answer {
        let page = self.get_with("/api/v2/authorize", &fc(&[])).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let mut fields = vec![("login", ""), ("fault", ""), ("persona", persona)];
        fields.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        fields.extend(more);
        self.post(&page.action(), &fields).await
    }

    pub async fn fc_token(&mut self, code: &str) -> Answer {
        self.post("/api/v2/token", &fc_token(code)).await
    }

    /// Code, tokens, userinfo.
    pub async fn fc_login(&mut self, persona: &str, more: &[(&str, &str)]) -> (Answer, Answer) {
        let code = self.fc_code(persona, more).await.parameter("code").unwrap();
        let tokens = self.fc_token(&code).await;
        let token = serde_json::from_str::<Value>(&tokens.body).ok();
        let token = token.and_then(|body| Some(body.get("access_token")?.as_str()?.to_owned()));
        let userinfo = self.userinfo("/api/v2/userinfo", &token.unwrap_or_default()).await;
        (tokens, userinfo)
    }

    pub async fn generic_login(&mut self, more: &[(&str, &str)]) -> Answer {
        let answer = self.get_with("/generic/authorize", &generic(more)).await;
        if answer.status == 303 {
            return answer;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.post(&answer.action(), &[("persona", "angela")]).await
    }

    pub async fn generic_token(&mut self, code: &str) -> Answer {
        self.post_basic("/generic/token", &code_grant(code, &[("code_verifier", VERIFIER)]), ID, SECRET).await
    }
}

fn form(path: &str, _: &[(&str, &str)]) -> http::request::Builder {
    Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

pub fn encoded(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// Replaces parameters by name; `"-"` removes one.
fn changed<'a>(base: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = base.to_vec();
    all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    all.extend(more.iter().filter(|(_, value)| *value != "-"));
    all
}

pub fn fc<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let base = [
        ("response_type", "code"),
        ("client_id", ID),
        ("redirect_uri", BACK),
        ("scope", "openid profile birth email unknown"),
        ("state", STATE),
        ("nonce", NONCE),
        ("acr_values", "eidas1"),
    ];
    changed(&base, more)
}

pub fn generic<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let base = [
        ("response_type", "code"),
        ("client_id", ID),
        ("redirect_uri", BACK),
        ("scope", "openid profile email"),
        ("state", STATE),
        ("nonce", NONCE),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    changed(&base, more)
}

pub fn code_grant<'a>(code: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    changed(&[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK)], more)
}

pub fn fc_token(code: &str) -> Vec<(&str, &str)> {
    code_grant(code, &[("client_id", ID), ("client_secret", SECRET)])
}

/// Header and claims of a JWS, unverified.
pub fn opened(jws: &str) -> (Value, Map<String, Value>) {
    let mut parts = jws.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let header = serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (header, serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

/// Whether a key of the published set signed it, by independent eyes.
pub fn verifies(jws: &str, jwks: &Value) -> bool {
    use aws_lc_rs::rsa::PublicKeyComponents;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    let (header, _) = opened(jws);
    let Some(key) = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]) else {
        return false;
    };
    assert_eq!((&key["alg"], &key["use"]), (&header["alg"], &Value::from("sig")));
    let member = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let (input, signature) = jws.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    if key["kty"] == "RSA" {
        let key = PublicKeyComponents { n: member("n"), e: member("e") };
        return key.verify(&RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), &signature).is_ok();
    }
    let point = [vec![4], member("x"), member("y")].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(input.as_bytes(), &signature).is_ok()
}
