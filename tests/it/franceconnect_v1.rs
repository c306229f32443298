//! FranceConnect v1, as KIF spoke it: static endpoints, HS256 by the client secret, userinfo as JSON, logout
//! without `state`; and KIF's own callback path. The forged tokens come from a provider of our own hand.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relais::event::Step;
use serde_json::{Value, json};
use stub_upstream::Fault;

use crate::harness::{Browser, LegacyApp, RELAY, SECRET, Setup, World, choose, parameter};

const CALLBACK: &str = "http://127.0.0.1:8080/openid_connect_login";

/// A world whose `ged` goes to FranceConnect v1; token and userinfo are answered at `back`.
async fn world(back: &str) -> World {
    let more = format!(
        r#"
[upstream.v1]
profile = "franceconnect_v1"
issuer = "{{stub}}"
client_id = "relais"
client_secret_file = "fc.secret"
redirect_uri = "{CALLBACK}"
[upstream.v1.endpoints]
authorization = "{{stub}}/api/v1/authorize"
token = "{back}/token"
userinfo = "{back}/userinfo"
end_session = "{{stub}}/api/v1/logout"
"#
    );
    World::with(Setup { more, upstream: [("ged", "v1")].into(), ..Setup::default() }).await
}

async fn with_stub() -> World {
    world("{stub}/api/v1").await
}

/// Leaves for the provider; the address there.
async fn away<'w>(world: &'w World, app: &LegacyApp) -> (Browser<'w>, crate::harness::Attempt, String) {
    let (attempt, url) = app.start(world.now());
    let mut browser = Browser::new(world);
    let page = browser.get(&url).await;
    let location = page.location().unwrap_or_else(|| panic!("{}", page.body)).to_owned();
    (browser, attempt, location)
}

#[tokio::test]
async fn an_application_signs_a_user_in_and_out() {
    let world = with_stub().await;
    let app = world.legacy("ged");
    let (mut browser, attempt, location) = away(&world, &app).await;
    assert!(location.starts_with(&format!("{}/api/v1/authorize?", world.stub_base)), "{location}");
    for absent in ["code_challenge", "acr_values", "prompt", "max_age", "claims"] {
        assert!(parameter(&location, absent).is_none(), "{absent} in {location}");
    }
    let page = browser.get(&location).await;
    let page = choose(&mut browser, page, "angela").await;
    assert!(page.url.starts_with(CALLBACK), "KIF's callback: {}", page.url);
    assert!(parameter(&page.url, "iss").is_none(), "v1 names no issuer: {}", page.url);
    // Its session may have answered without the person, so the relay asks.
    let back = browser.confirm(&page).await;
    let answer = app.identity(&back.url, &attempt);
    assert_eq!((&answer["acr"], &answer["gender"]), (&json!("eidas2"), &json!("female")));
    let sub = answer["sub"].as_str().unwrap();
    assert!(sub.len() == 66 && sub.ends_with("v1"), "{sub}");
    let verified = world.events(Step::UpstreamIdToken).pop().unwrap().facts;
    assert_eq!((verified.alg.as_deref(), verified.kid), (Some("HS256"), None));
    let calls = world.stub.calls();
    assert_eq!((calls.discovery, calls.jwks), (0, 0));
    // How long ago it was, v1 does not say, and neither do we.
    assert!(answer["auth_time"].is_null());

    let page = browser.get(&format!("{RELAY}/logout/ged")).await;
    let (action, mut fields) = page.form();
    fields.push(("decision".to_owned(), "yes".to_owned()));
    let answer = browser.post(&format!("{RELAY}{action}"), &fields).await;
    let location = answer.location().unwrap();
    assert!(location.starts_with(&format!("{}/api/v1/logout?id_token_hint=", world.stub_base)), "{location}");
    assert!(parameter(location, "post_logout_redirect_uri").is_some());
    assert!(parameter(location, "state").is_none() && parameter(location, "client_id").is_none());
    let page = browser.follow(answer).await;
    assert_eq!(page.url, format!("{RELAY}/logout/return/v1"), "without state");
    assert_eq!((page.status, page.button().as_str()), (200, "https://ged.example/accueil"), "by the cookie");
    assert_eq!(world.stub.calls().logout, 1);
    let page = browser.get(&app.start(world.now()).1).await;
    assert!(page.location().is_some_and(|to| to.starts_with(&world.stub_base)), "signed out");
}

/// KIF's `msg` of direction logout acts at once, from a browser that used another application last.
#[tokio::test]
async fn a_sealed_logout_comes_back_to_its_application() {
    let world = with_stub().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("ged");
    let (mut browser, attempt, location) = away(&world, &app).await;
    let page = browser.open(&location).await;
    let back = browser.confirm(&page).await;
    let sub = app.identity(&back.url, &attempt)["sub"].as_str().unwrap().to_owned();
    world.stub.set_auto_login(None);
    browser.get(&world.legacy("compta").start(world.now()).1).await;
    let page =
        browser.open(&format!("{RELAY}/logout/ged?msg={}", app.seal("logout", world.now(), &sub))).await;
    assert_eq!((page.status, page.button().as_str()), (200, "https://ged.example/accueil"), "{}", page.url);
}

#[tokio::test]
async fn what_the_provider_gets_wrong() {
    let world = with_stub().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("ged");
    for (fault, reason) in [
        (Fault::AlgNone, "upstream.alg_refused"),
        (Fault::BadSignature, "upstream.signature"),
        (Fault::WrongNonce, "upstream.nonce"),
        (Fault::NonceMissing, "upstream.nonce"),
        (Fault::WrongIssuer, "upstream.issuer_claim"),
        (Fault::AudWrong, "upstream.audience"),
        (Fault::ExpiredIdToken, "upstream.expired"),
        (Fault::NoIdToken, "upstream.id_token_missing"),
        (Fault::SubDiffers, "upstream.sub_differs"),
        (Fault::TokenGarbled, "upstream.not_json"),
        (Fault::TokenInvalidGrant, "upstream.http_status"),
        (Fault::TokenInvalidClient, "upstream.invalid_client"),
    ] {
        world.stub.set_fault(Some(fault));
        let (mut browser, attempt, location) = away(&world, &app).await;
        let back = browser.open(&location).await;
        app.refusal(&back.url, &attempt);
        assert_eq!(world.last_reason(), reason, "{fault:?}");
    }
}

/// A provider that answers the back channel as it is told.
#[derive(Clone, Default)]
struct Forge(Arc<Mutex<String>>);

impl Forge {
    async fn start() -> (Self, String) {
        let forge = Self::default();
        let id_token = forge.0.clone();
        let json = |body: Value| ([(CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string());
        let token = async move || {
            let id_token = id_token.lock().unwrap_or_else(PoisonError::into_inner).clone();
            json(
                json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": id_token }),
            )
        };
        let userinfo = async move || json(json!({ "sub": "somebody", "given_name": "Angela" }));
        let router = Router::new().route("/token", post(token)).route("/userinfo", get(userinfo));
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", socket.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        (forge, base)
    }

    fn says(&self, id_token: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = id_token;
    }
}

fn hs256(secret: &[u8], header: &str, claims: &Value) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[tokio::test]
async fn only_hs256_by_the_secret_s_bytes_is_believed() {
    const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
    let (forge, base) = Forge::start().await;
    let world = world(&base).await;
    let app = world.legacy("ged");
    let secret = SECRET.as_bytes();
    let cases: [(&str, &[u8], &str, &str); 12] = [
        ("in order", secret, HEADER, ""),
        ("another secret", b"another-client-secret-of-32-characters-or-so", HEADER, "upstream.signature"),
        ("a shorter secret", &secret[..32], HEADER, "upstream.signature"),
        ("the client id as secret", b"relais", HEADER, "upstream.signature"),
        ("no secret", b"", HEADER, "upstream.signature"),
        ("alg none", secret, r#"{"alg":"none"}"#, "upstream.alg_refused"),
        ("RS256 in the header", secret, r#"{"alg":"RS256"}"#, "upstream.alg_refused"),
        ("ES256 in the header", secret, r#"{"alg":"ES256","kid":"a"}"#, "upstream.alg_refused"),
        ("HS512 in the header", secret, r#"{"alg":"HS512"}"#, "upstream.alg_refused"),
        ("hs256 in the header", secret, r#"{"alg":"hs256"}"#, "upstream.alg_refused"),
        ("no alg", secret, r#"{"typ":"JWT"}"#, "upstream.alg_refused"),
        ("crit", secret, r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, "upstream.jwt_header"),
    ];
    for (what, secret, header, reason) in cases {
        let (mut browser, attempt, location) = away(&world, &app).await;
        let (state, nonce) = (parameter(&location, "state").unwrap(), parameter(&location, "nonce").unwrap());
        let now = world.now();
        let claims = json!({
            "iss": world.stub_base, "sub": "somebody", "aud": "relais", "exp": now + 1200, "iat": now,
            "nonce": nonce, "idp": "FC", "acr": "eidas2", "amr": [],
        });
        forge.says(hs256(secret, header, &claims));
        let page = browser.get(&format!("{CALLBACK}?code=c&state={state}")).await;
        if reason.is_empty() {
            let back = browser.confirm(&page).await;
            assert_eq!(app.identity(&back.url, &attempt)["sub"], "somebody", "{what}");
        } else {
            app.refusal(page.location().unwrap_or_else(|| panic!("{what}: {}", page.body)), &attempt);
            assert_eq!(world.last_reason(), reason, "{what}");
        }
    }
}

#[tokio::test]
async fn the_operator_is_warned_at_every_start() {
    let world = with_stub().await;
    let warned = world.events(Step::ServerWarning);
    let warned = warned.iter().find(|event| event.facts.names.as_deref() == Some("upstream.v1.profile"));
    assert!(warned.unwrap().facts.cause.as_ref().unwrap().contains("retired"));
}
