//! The inspector: each login as the simulator saw it. It works without script, and is live with it.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::realm::{Here, Named};
use super::{not_found, page_with};
use crate::pages::inspector;
use crate::stub::Stub;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

pub(super) fn router() -> Router<Stub> {
    Router::new()
        .route("/_stub/logins", get(list))
        .route("/_stub/logins/{id}", get(one))
        .route(inspector::SCRIPT_PATH, get(script))
}

async fn list(Here(stub): Here) -> Response {
    page_with(StatusCode::OK, &inspector::list(&stub, &stub.space.journal.all()), POLICY)
}

async fn one(Here(stub): Here, Named(id): Named) -> Response {
    match id.parse().ok().and_then(|id| stub.space.journal.find(id)) {
        Some(flow) => page_with(StatusCode::OK, &inspector::one(&stub, &flow), POLICY),
        None => not_found(),
    }
}

async fn script() -> Response {
    let headers = [(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (headers, inspector::SCRIPT).into_response()
}
