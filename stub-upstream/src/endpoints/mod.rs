//! The HTTP interface: the endpoints of each profile below its issuer, and the simulator's own pages.

mod authorize;
mod broken;
mod end_session;
mod interaction;
mod metadata;
mod token;
mod userinfo;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, PRAGMA, REFERRER_POLICY};
use http::{HeaderName, HeaderValue, StatusCode};
use maud::Markup;
use serde_json::{Map, Value};
use url::Url;

use crate::fault::Fault;
use crate::grant::ReplyTo;
use crate::keys::KeyRing;
use crate::pages;
use crate::profiles::{PageError, Profile};
use crate::stub::{Counts, Stub};

/// One profile of one simulator.
#[derive(Clone)]
pub(crate) struct Realm {
    stub: Stub,
    profile: &'static Profile,
    issuer: Arc<str>,
    keys: Arc<KeyRing>,
}

pub(crate) fn router(stub: &Stub) -> Router {
    let mut router = Router::new()
        .route("/", get(root))
        .route(pages::STYLE_PATH, get(style))
        .fallback(async || not_found())
        .with_state(stub.clone());
    for (profile, keys) in stub.realms() {
        let issuer = stub.issuer(profile).into();
        let realm = Realm { stub: stub.clone(), profile, issuer, keys: Arc::clone(keys) };
        let endpoints = profile.endpoints;
        let mut userinfo = get(userinfo::userinfo);
        if profile.userinfo_post {
            userinfo = userinfo.post(userinfo::userinfo);
        }
        let mut below = Router::new()
            .route(endpoints.authorize, get(authorize::get).post(authorize::post))
            .route("/interaction/{id}", get(interaction::get).post(interaction::post))
            .route(endpoints.token, axum::routing::post(token::token))
            .route(endpoints.userinfo, userinfo)
            .route(endpoints.end_session, get(end_session::get).post(end_session::post));
        if let Some(jwks) = endpoints.jwks {
            below = below.route(jwks, get(metadata::jwks));
        }
        if profile.publishes() {
            below = below.route("/.well-known/openid-configuration", get(metadata::discovery));
        }
        router = router.nest(profile.path, below.with_state(realm));
    }
    router.layer(DefaultBodyLimit::max(64 * 1024))
}

async fn root(State(stub): State<Stub>) -> Response {
    page(StatusCode::OK, &pages::root(&stub))
}

async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, pages::STYLE).into_response()
}

fn not_found() -> Response {
    error_page(StatusCode::NOT_FOUND, &PageError::new("Y000404", "There is nothing here"))
}

impl Realm {
    /// The fault of this login, or the one of every exchange.
    fn fault(&self, of_login: Option<Fault>) -> Option<Fault> {
        of_login.or_else(|| self.stub.fault())
    }

    fn count(&self, endpoint: fn(&Counts) -> &AtomicU64) {
        endpoint(&self.stub.0.counts).fetch_add(1, Ordering::SeqCst);
    }
}

/// A page. The policy has no `form-action`: browsers apply it to every redirect after a form, and where those
/// lead is the clients' business.
fn page(status: StatusCode, markup: &Markup) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, markup.0.clone()).into_response()
}

fn error_page(status: StatusCode, error: &PageError) -> Response {
    page(status, &pages::error(error))
}

/// JSON that must not be kept (RFC 6749, section 5.1).
fn json(status: StatusCode, body: &Map<String, Value>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (PRAGMA, "no-cache"),
    ];
    (status, headers, serde_json::to_vec(body).unwrap_or_default()).into_response()
}

fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
    response
}

/// 303 to the client (RFC 9700, section 4.12) with these parameters.
fn see_other(to: &ReplyTo, parameters: &[(&str, &str)], fragment: bool) -> Response {
    let Ok(mut url) = Url::parse(&to.redirect_uri) else {
        return error_page(StatusCode::INTERNAL_SERVER_ERROR, &PageError::new("Y000000", "redirect_uri"));
    };
    if fragment {
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        url.set_fragment(Some(&encoded));
    } else if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    let headers = [(LOCATION, url.as_str()), (CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")];
    (StatusCode::SEE_OTHER, headers).into_response()
}
