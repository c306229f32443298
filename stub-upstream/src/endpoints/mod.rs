//! The HTTP interface: the endpoints of each profile below its issuer, and the simulator's own pages.

mod authorize;
mod broken;
mod client_auth;
mod control;
mod end_session;
mod inspector;
mod interaction;
mod metadata;
mod observe;
mod openapi;
mod realm;
mod revocation;
mod token;
mod userinfo;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, PRAGMA, REFERRER_POLICY};
use http::{HeaderName, HeaderValue, StatusCode};
use maud::Markup;
use serde_json::{Map, Value};
use url::Url;

use crate::pages;
use crate::profiles::{PROFILES, PageError};
use crate::request::ReplyTo;
use crate::stub::Stub;

use realm::{Here, Mount, Realm};

impl Stub {
    /// Every endpoint of every profile, the pages and the control API, in every namespace.
    pub fn router(&self) -> Router {
        let all = below(self);
        Router::new()
            .merge(all.clone())
            .nest("/ns/{ns}", all)
            .route("/ns/{ns}/", get(root))
            .fallback(async || not_found())
            .layer(DefaultBodyLimit::max(256 * 1024))
            .with_state(self.clone())
    }
}

/// Every path, to be found in every namespace.
fn below(stub: &Stub) -> Router<Stub> {
    let mut router = Router::new()
        .route("/", get(root))
        .route(pages::STYLE_PATH, get(style))
        .merge(inspector::router())
        .nest("/_stub/api/v1", control::router());
    for (at, profile) in PROFILES.iter().copied().enumerate() {
        let mount = Mount { stub: stub.clone(), profile, at };
        let endpoints = profile.endpoints;
        let mut userinfo = get(userinfo::userinfo);
        if profile.userinfo_post {
            userinfo = userinfo.post(userinfo::userinfo);
        }
        let mut below = Router::new()
            .route(endpoints.authorize, get(authorize::get).post(authorize::post))
            .route("/interaction/{id}", get(interaction::get).post(interaction::post))
            .route("/interaction/{id}/back", get(interaction::back))
            .route(endpoints.token, axum::routing::post(token::token))
            .route(endpoints.userinfo, userinfo)
            .route(endpoints.end_session, get(end_session::get).post(end_session::post));
        if let Some(jwks) = endpoints.jwks {
            below = below.route(jwks, get(metadata::jwks));
        }
        if let Some(revocation) = endpoints.revocation {
            below = below.route(revocation, axum::routing::post(revocation::revoke));
        }
        if profile.publishes() {
            below = below.route("/.well-known/openid-configuration", get(metadata::discovery));
        }
        router = router.nest(profile.path, below.with_state(mount));
    }
    router
}

async fn root(Here(stub): Here) -> Response {
    page(StatusCode::OK, &pages::root(&stub))
}

async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, pages::STYLE).into_response()
}

fn not_found() -> Response {
    error_page(StatusCode::NOT_FOUND, &PageError::new("Y000404", "There is nothing here"))
}

/// A page. The policy has no `form-action`: browsers apply it to every redirect after a form, and where those
/// lead is the clients' business.
fn page(status: StatusCode, markup: &Markup) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    page_with(status, markup, POLICY)
}

fn page_with(status: StatusCode, markup: &Markup, policy: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, markup.0.clone()).into_response()
}

fn error_page(status: StatusCode, error: &PageError) -> Response {
    page(status, &pages::error(error, None))
}

/// JSON that must not be kept (RFC 6749, section 5.1).
fn json(status: StatusCode, body: &Map<String, Value>) -> Response {
    json_text(status, serde_json::to_string(body).unwrap_or_default())
}

fn json_text(status: StatusCode, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (PRAGMA, "no-cache"),
    ];
    (status, headers, body).into_response()
}

fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
    response
}

/// The client's address with these parameters.
fn to_client(to: &ReplyTo, parameters: &[(&str, &str)], fragment: bool) -> Option<Url> {
    let mut url = Url::parse(&to.redirect_uri).ok()?;
    if fragment {
        let encoded = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        url.set_fragment(Some(&encoded));
    } else if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    Some(url)
}

/// 303 to the client (RFC 9700, section 4.12) with these parameters.
fn see_other(to: &ReplyTo, parameters: &[(&str, &str)], fragment: bool) -> Response {
    let Some(url) = to_client(to, parameters, fragment) else {
        return error_page(StatusCode::INTERNAL_SERVER_ERROR, &PageError::new("Y000000", "redirect_uri"));
    };
    let headers = [(LOCATION, url.as_str()), (CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")];
    (StatusCode::SEE_OTHER, headers).into_response()
}
