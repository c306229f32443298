//! What every response carries: no caching, no framing, no referrer, no foreign content.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;

/// Adds the fields that no endpoint may forget.
pub(super) async fn secure(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let transport = app.rules().strict_transport();
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
    if let Some(value) = transport {
        default(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}
