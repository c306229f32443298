//! The demonstration's legacy application: an ordinary small site, as a stranger would write it from the
//! description of the wire `aes-256-gcm`. It shares no code with the relay, or both would share the same
//! mistakes.
//!
//! - `/` shows who is signed in, and each check that the last answer went through
//! - `/login` starts an attempt and sends the browser to the relay
//! - `/retour` and `/retour-claim` receive the answer, as text or as a reference
//! - `/logout` closes the session here, then offers to close the relay's

mod answer;
mod claim;
mod html;
mod session;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::Markup;
use url::Url;

use answer::{Check, Outcome, Receipt};
use html::Tongue;
use session::{Attempt, Session, Sessions};

/// Where the application stands, and what the relay knows it as.
#[derive(Clone)]
pub struct Settings {
    /// The relay's public URL, which is also the `iss` of its answers.
    pub relay: Url,
    /// The application's own URL, with nothing after the port.
    pub own: Url,
    /// The registration whose answers come in the URL, to [`RETURN_PATH`].
    pub query: Registration,
    /// The registration whose answers are claimed by reference, sent to [`RETURN_CLAIM_PATH`].
    pub reference: Registration,
    /// Unix seconds.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// One entry of the relay's configuration.
#[derive(Clone)]
pub struct Registration {
    app: String,
    key: [u8; 32],
}

impl Registration {
    /// From the application id and its key in 64 hex digits; `None` if it is not that.
    pub fn new(app: &str, key: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(key.trim(), &mut bytes).ok()?;
        Some(Self { app: app.to_owned(), key: bytes })
    }
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Query,
    Reference,
}

/// The path of the callback to register for [`Settings::query`].
pub const RETURN_PATH: &str = "/retour";
/// The path of the callback to register for [`Settings::reference`].
pub const RETURN_CLAIM_PATH: &str = "/retour-claim";

struct Site {
    settings: Settings,
    cookie: String,
    sessions: Sessions,
    http: Option<reqwest::Client>,
}

/// The application.
pub fn router(settings: Settings) -> Router {
    let port = settings.own.port_or_known_default().unwrap_or_default();
    let site = Site {
        settings,
        // Cookies do not tell ports apart, so the name does.
        cookie: format!("demo-app-{port}"),
        sessions: Sessions::default(),
        http: claim::client(),
    };
    Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route(RETURN_PATH, get(returned_by_query))
        .route(RETURN_CLAIM_PATH, get(returned_by_reference))
        .route("/logout", post(logout))
        .route("/style.css", get(stylesheet))
        .layer(axum::middleware::map_response(harden))
        .with_state(Arc::new(site))
}

type Parameters = Query<Vec<(String, String)>>;

async fn home(State(site): State<Arc<Site>>, headers: HeaderMap) -> Markup {
    let tongue = Tongue::of(&headers);
    let seen = site.session_id(&headers).and_then(|id| {
        site.sessions.with(&id, site.now(), |session| (session.identity.clone(), session.receipt.clone()))
    });
    let (identity, receipt) = seen.unwrap_or_default();
    html::home(identity.as_ref(), receipt.as_ref(), tongue)
}

/// Made on the click: a message rendered into a page would be old by the time it is used.
async fn login(State(site): State<Arc<Site>>, headers: HeaderMap, Query(query): Parameters) -> Response {
    let delivery = match only(&query, "delivery") {
        Some("query") => Delivery::Query,
        Some("reference") => Delivery::Reference,
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    let now = site.now();
    let attempt = Attempt::new(delivery, now);
    let Some(address) = site.relay_address(&attempt, now) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let kept = site.session_id(&headers).filter(|id| {
        site.sessions.with(id, now, |session| session.attempt = Some(attempt.clone())).is_some()
    });
    let go = Redirect::to(&address);
    if kept.is_some() {
        return go.into_response();
    }
    let id = site.sessions.open(Session { attempt: Some(attempt), ..Session::default() }, now);
    (site.set_cookie(&id), go).into_response()
}

async fn returned_by_query(site: State<Arc<Site>>, headers: HeaderMap, query: Parameters) -> Response {
    returned(&site, &headers, &query, Delivery::Query).await
}

async fn returned_by_reference(site: State<Arc<Site>>, headers: HeaderMap, query: Parameters) -> Response {
    returned(&site, &headers, &query, Delivery::Reference).await
}

/// Whatever came of it, the browser goes on to an address without the answer.
async fn returned(
    site: &Site,
    headers: &HeaderMap,
    query: &[(String, String)],
    delivery: Delivery,
) -> Response {
    let id = site.session_id(headers);
    // Taken first, so that the two values are gone even if what follows fails.
    let attempt =
        id.as_ref().and_then(|id| site.sessions.with(id, site.now(), |session| session.attempt.take()));
    let receipt = site.receive(query, delivery, attempt.flatten()).await;
    let now = site.now();
    let home = Redirect::to("/");
    if let Outcome::SignedIn(identity) = &receipt.outcome {
        // A session id that was known before the sign-in must not be worth anything after it.
        if let Some(id) = id {
            site.sessions.close(&id);
        }
        let identity = Some(identity.clone());
        let id = site.sessions.open(Session { identity, receipt: Some(receipt), ..Session::default() }, now);
        return (site.set_cookie(&id), home).into_response();
    }
    // A second copy of an answer (Back, a double click) fails, and leaves who is signed in signed in.
    let told = id.is_some_and(|id| {
        site.sessions.with(&id, now, |session| session.receipt = Some(receipt.clone())).is_some()
    });
    if told {
        return home.into_response();
    }
    let id = site.sessions.open(Session { receipt: Some(receipt), ..Session::default() }, now);
    (site.set_cookie(&id), home).into_response()
}

/// Closes the session here. The links to the relay stand on the page that follows: a form that redirects to
/// another site would need that site, and all it redirects to, in this page's policy.
async fn logout(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let from_here = headers.get("sec-fetch-site").is_none_or(|value| value == "same-origin");
    if !from_here {
        return StatusCode::FORBIDDEN.into_response();
    }
    let identity = site.session_id(&headers).and_then(|id| site.sessions.close(&id)).and_then(|s| s.identity);
    let delivery = identity.as_ref().map_or(Delivery::Query, |identity| identity.delivery);
    let registration = site.registration(delivery);
    let plain = site.at_relay(&["logout", &registration.app]);
    let sealed = identity
        .and_then(|identity| {
            wire::seal(&registration.key, &registration.app, "logout", site.now(), &identity.sub)
        })
        .map(|msg| format!("{plain}?msg={msg}"));
    let expired = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax", site.cookie);
    ([(SET_COOKIE, expired)], html::signed_out(&plain, sealed.as_deref(), Tongue::of(&headers)))
        .into_response()
}

async fn stylesheet() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("legacy_app/style.css"))
}

impl Site {
    fn now(&self) -> u64 {
        (self.settings.now)()
    }

    fn registration(&self, delivery: Delivery) -> &Registration {
        match delivery {
            Delivery::Query => &self.settings.query,
            Delivery::Reference => &self.settings.reference,
        }
    }

    fn at_relay(&self, path: &[&str]) -> String {
        format!("{}/{}", self.issuer(), path.join("/"))
    }

    /// As the relay writes it: no slash at the end.
    fn issuer(&self) -> &str {
        self.settings.relay.as_str().trim_end_matches('/')
    }

    fn relay_address(&self, attempt: &Attempt, now: u64) -> Option<String> {
        let registration = self.registration(attempt.delivery);
        let own = self.settings.own.as_str().trim_end_matches('/');
        let path = match attempt.delivery {
            Delivery::Query => RETURN_PATH,
            Delivery::Reference => RETURN_CLAIM_PATH,
        };
        let callback = format!("{own}{path}?state={}&nonce={}", attempt.state, attempt.nonce);
        let msg = wire::seal(&registration.key, &registration.app, "request", now, &callback)?;
        Some(format!("{}?msg={msg}", self.at_relay(&["idp", &registration.app])))
    }

    /// What the relay sent back, and whether it may be believed.
    async fn receive(
        &self,
        query: &[(String, String)],
        delivery: Delivery,
        attempt: Option<Attempt>,
    ) -> Receipt {
        let mut receipt = Receipt::default();
        let now = self.now();
        let expected = attempt.filter(|attempt| attempt.delivery == delivery && attempt.is_live(now));
        receipt.made(Check::Expected, expected.is_some());
        let Some(attempt) = expected else { return receipt };

        let (info, info_error) = (only(query, "info"), only(query, "info_error"));
        receipt.made(Check::OneAnswer, info.is_some() != info_error.is_some());
        let registration = self.registration(delivery);
        let terms = answer::Terms { registration, issuer: self.issuer(), attempt: &attempt, now };
        match (info, info_error) {
            (Some(info), None) if delivery == Delivery::Query => receipt.identity(info, &terms),
            (Some(reference), None) => {
                let sealed = match &self.http {
                    Some(http) => {
                        claim::claim(http, &self.at_relay(&["idp", "claim"]), registration, reference).await
                    }
                    None => None,
                };
                receipt.made(Check::Claimed, sealed.is_some());
                // Nothing but the claimed text is ever opened: what the query carried is a reference.
                if let Some(sealed) = sealed {
                    let now = self.now();
                    receipt.identity(&sealed, &answer::Terms { now, ..terms });
                }
            }
            (None, Some(refusal)) => receipt.refusal(refusal, &terms),
            _ => {}
        }
        receipt
    }

    /// By cookie only, never from the address or the answer.
    fn session_id(&self, headers: &HeaderMap) -> Option<String> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == self.cookie)
            .map(|(_, id)| id.to_owned())
    }

    fn set_cookie(&self, id: &str) -> [(axum::http::HeaderName, String); 1] {
        let secure = if self.settings.own.scheme() == "https" { "; Secure" } else { "" };
        [(SET_COOKIE, format!("{}={id}; Path=/; HttpOnly; SameSite=Lax{secure}", self.cookie))]
    }
}

/// The value of a parameter that is there once and is not empty.
fn only<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        _ => None,
    }
}

async fn harden(mut response: Response) -> Response {
    let policy =
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (VARY, ACCEPT_LANGUAGE.as_str()),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
