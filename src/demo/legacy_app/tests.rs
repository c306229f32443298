//! Sign-ins against a relay that the test plays by hand.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::LOCATION;
use tower::ServiceExt as _;

use super::*;

const NOW: u64 = 1_790_791_514;
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

struct Browser {
    app: Router,
    settings: Settings,
    hand: Arc<AtomicU64>,
    cookie: Option<String>,
    accept_language: &'static str,
}

struct Seen {
    status: StatusCode,
    location: String,
    body: String,
}

impl Browser {
    fn new(relay: &str) -> Self {
        let hand = Arc::new(AtomicU64::new(NOW));
        let clock = Arc::clone(&hand);
        let settings = Settings {
            relay: relay.parse().unwrap(),
            own: "http://127.0.0.1:8082".parse().unwrap(),
            query: Registration::new("demo", KEY).unwrap(),
            reference: Registration::new("demo-claim", &KEY.replace('0', "f")).unwrap(),
            now: Arc::new(move || clock.load(Ordering::Relaxed)),
        };
        let app = router(settings.clone());
        Self { app, settings, hand, cookie: None, accept_language: "fr" }
    }

    async fn ask(&mut self, method: &str, path: &str) -> Seen {
        let request =
            Request::builder().method(method).uri(path).header(ACCEPT_LANGUAGE, self.accept_language);
        let request = match &self.cookie {
            Some(cookie) => request.header(COOKIE, format!("other=1; {cookie}")),
            None => request,
        };
        let response = self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let header =
            |name| response.headers().get(name).map(|v: &HeaderValue| v.to_str().unwrap().to_owned());
        assert!(header(CONTENT_SECURITY_POLICY).unwrap().starts_with("default-src 'none'"));
        if let Some(cookie) = header(SET_COOKIE) {
            assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        }
        let (status, location) = (response.status(), header(LOCATION).unwrap_or_default());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Seen { status, location, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Clicks on sign-in; the callback that the relay would read.
    async fn click(&mut self, delivery: &str) -> Url {
        let seen = self.ask("GET", &format!("/login?delivery={delivery}")).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER);
        let app = self.registration(delivery);
        let start = format!("{}/idp/{}?msg=", self.settings.relay.as_str().trim_end_matches('/'), app.app);
        let msg = seen.location.strip_prefix(&start).unwrap();
        let (_, callback) = wire::open(&app.key, &app.app, "request", msg).unwrap();
        String::from_utf8(callback).unwrap().parse().unwrap()
    }

    fn registration(&self, delivery: &str) -> &Registration {
        if delivery == "query" { &self.settings.query } else { &self.settings.reference }
    }

    fn seal(&self, delivery: &str, direction: &str, text: &str) -> String {
        let app = self.registration(delivery);
        wire::seal(&app.key, &app.app, direction, self.hand.load(Ordering::Relaxed), text).unwrap()
    }

    /// What the first page says after the return to `path`.
    async fn back(&mut self, path: &str) -> String {
        let seen = self.ask("GET", path).await;
        assert_eq!((seen.status, seen.location.as_str()), (StatusCode::SEE_OTHER, "/"));
        self.ask("GET", "/").await.body
    }
}

fn value(callback: &Url, name: &str) -> String {
    callback.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

fn identity(callback: &Url, aud: &str) -> serde_json::Value {
    serde_json::json!({
        "iss": "https://relais.example", "sub": "c918869e99401ca8", "aud": aud,
        "state": value(callback, "state"), "nonce": value(callback, "nonce"),
        "given_name": "Ang\u{e9}la <script>", "family_name": "DUBOIS",
    })
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let mut browser = Browser::new("https://relais.example");
    let callback = browser.click("query").await;
    assert_eq!(callback.path(), "/retour");
    let before = browser.cookie.clone();
    let info = browser.seal("query", "response", &identity(&callback, "demo").to_string());
    let page = browser.back(&format!("/retour?info={info}")).await;
    assert!(page.contains("Angéla &lt;script&gt; DUBOIS"), "{page}");
    assert_eq!((page.matches('✔').count(), page.matches('✘').count()), (10, 0), "{page}");
    assert_eq!(page.matches("<h1>").count(), 1);
    assert!(!page.contains("<script") && !page.contains("style="), "{page}");
    assert_ne!(browser.cookie, before, "a new session id");

    let page = browser.back(&format!("/retour?info={info}")).await;
    assert!(page.contains("DUBOIS") && page.contains('✘'), "the same answer again changes nothing: {page}");

    let cookie = browser.cookie.clone();
    let page = browser.ask("POST", "/logout").await.body;
    assert!(page.contains("https://relais.example/logout/demo?msg="), "{page}");
    browser.cookie = cookie;
    assert!(!browser.ask("GET", "/").await.body.contains("DUBOIS"), "the session is gone");
}

#[tokio::test]
async fn a_false_answer_signs_nobody_in() {
    for (name, wrong) in
        [("state", "x"), ("nonce", ""), ("iss", "https://other.example"), ("aud", "demo-claim"), ("sub", "")]
    {
        let mut browser = Browser::new("https://relais.example");
        let callback = browser.click("query").await;
        let good = identity(&callback, "demo");
        let mut bad = good.clone();
        bad[name] = wrong.into();
        let page = browser
            .back(&format!("/retour?info={}", browser.seal("query", "response", &bad.to_string())))
            .await;
        assert!(page.contains('✘') && !page.contains("DUBOIS"), "{name}: {page}");
        let page = browser
            .back(&format!("/retour?info={}", browser.seal("query", "response", &good.to_string())))
            .await;
        assert!(!page.contains("DUBOIS"), "{name}: the two values were erased");
    }
}

#[tokio::test]
async fn an_answer_elsewhere_late_or_doubled_signs_nobody_in() {
    for case in ["no cookie", "late attempt", "old answer", "twice", "both", "other path", "refusal as info"]
    {
        let mut browser = Browser::new("https://relais.example");
        let callback = browser.click("query").await;
        let text = identity(&callback, "demo").to_string();
        let info = browser.seal("query", "response", &text);
        let path = match case {
            "twice" => format!("/retour?info={info}&info={info}"),
            "both" => format!("/retour?info={info}&info_error={info}"),
            "other path" => format!("/retour-claim?info={info}"),
            "refusal as info" => format!("/retour?info={}", browser.seal("query", "refusal", &text)),
            _ => format!("/retour?info={info}"),
        };
        match case {
            "no cookie" => browser.cookie = None,
            "late attempt" => browser.hand.store(NOW + 901, Ordering::Relaxed),
            "old answer" => browser.hand.store(NOW + 301, Ordering::Relaxed),
            _ => {}
        }
        let page = browser.back(&path).await;
        assert!(page.contains('✘') && !page.contains("DUBOIS"), "{case}: {page}");
    }
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_code() {
    let mut browser = Browser::new("https://relais.example");
    browser.accept_language = "en-GB, fr;q=0.5";
    let callback = browser.click("reference").await;
    let refusal = serde_json::json!({
        "error": "access_denied", "ref": "K7QF-2M",
        "state": value(&callback, "state"), "nonce": value(&callback, "nonce"),
    });
    let sealed = browser.seal("reference", "refusal", &refusal.to_string());
    let page = browser.back(&format!("/retour-claim?info_error={sealed}")).await;
    assert!(
        page.contains("access_denied") && page.contains("K7QF-2M") && page.contains("cancelled"),
        "{page}"
    );
    assert!(!page.contains('✘'), "{page}");
}

/// A relay that answers one claim.
#[tokio::test]
async fn a_reference_is_claimed_server_to_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = format!("http://{}", listener.local_addr().unwrap());
    let mut browser = Browser::new(&relay);
    let callback = browser.click("reference").await;
    let mut answer = identity(&callback, "demo-claim");
    answer["iss"] = relay.clone().into();
    let sealed = browser.seal("reference", "response", &answer.to_string());
    let app = browser.registration("reference").clone();
    let (reference, password) = ("R".repeat(43), wire::claim_password(&app.key, &app.app));
    let asked = format!("ref={reference}");
    let claim = move |headers: HeaderMap, body: String| async move {
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("demo-claim:{password}"));
        assert_eq!(headers["authorization"], format!("Basic {basic}"));
        if body == asked { Ok(sealed) } else { Err(StatusCode::NOT_FOUND) }
    };
    tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/idp/claim", post(claim))).await.unwrap();
    });
    let page = browser.back(&format!("/retour-claim?info={reference}")).await;
    assert!(page.contains("DUBOIS") && page.matches('✔').count() == 11, "{page}");

    browser.click("reference").await;
    let page = browser.back(&format!("/retour-claim?info={}", "S".repeat(43))).await;
    assert!(page.contains('✘'), "an unknown reference fails: {page}");
}

#[tokio::test]
async fn only_its_own_page_may_sign_somebody_out() {
    let site = Browser::new("https://relais.example");
    let request =
        Request::post("/logout").header("sec-fetch-site", "cross-site").body(Body::empty()).unwrap();
    assert_eq!(site.app.oneshot(request).await.unwrap().status(), StatusCode::FORBIDDEN);
}
