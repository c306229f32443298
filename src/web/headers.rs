//! What every response carries: no caching, no framing, no referrer, no foreign content.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response as HttpResponse, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::visit::Visit;
use crate::app::App;

/// Adds the fields that no endpoint may forget.
pub(super) async fn secure(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let https = app.rules().is_https();
    let headers = response.headers_mut();
    let mut default = |name, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::CACHE_CONTROL, "no-store");
    default(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(header::X_FRAME_OPTIONS, "DENY");
    default(header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    default(header::HeaderName::from_static("x-robots-tag"), "noindex, nofollow");
    if https {
        default(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
    }
    response
}

/// A page. `form_targets` are the origins to which a form's answer leads, besides ourselves. Chromium applies
/// `form-action` to every redirect that follows a submission, and where an application or an upstream sends
/// the browser next is theirs to say: such a page lets it go anywhere over https.
pub(super) fn page(status: u16, markup: &Markup, visit: &Visit, form_targets: &[String]) -> Response {
    let mut targets: String = form_targets.iter().flat_map(|origin| [" ", origin.as_str()]).collect();
    if visit.rules.is_https() && !targets.is_empty() {
        targets.push_str(" https:");
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'{targets}; \
         base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    let builder = HttpResponse::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CONTENT_LANGUAGE, visit.lang.tag())
        .header(header::VARY, "Accept-Language")
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header("cross-origin-opener-policy", "same-origin")
        .header(
            "permissions-policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
        );
    builder.body(Body::from(markup.0.clone())).unwrap_or_else(|_| empty(500))
}

/// A redirect by which the browser turns a POST into a GET (RFC 9110, section 15.4.4).
pub(super) fn see_other(location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => empty(500),
    }
}

/// A status and nothing else.
pub(super) fn empty(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
