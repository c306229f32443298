//! `POST /reload`: the configuration is read anew, and the operator is told what came of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::text;
use crate::reload::Reloader;

/// Reloads, unless a browser asks: this listener has no login, and a page could make one send this.
pub(super) async fn reload(State(reloader): State<Option<Arc<Reloader>>>, headers: HeaderMap) -> Response {
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return text(StatusCode::FORBIDDEN, "not for browsers\n");
    }
    let Some(reloader) = reloader else {
        return text(StatusCode::CONFLICT, "this relay has no configuration file\n");
    };
    match reloader.reload().await {
        Ok(()) => text(StatusCode::OK, "reloaded\n"),
        Err(error) => text(StatusCode::CONFLICT, format!("{}\n", error.told())),
    }
}
