//! `POST /reload`: the configuration is read anew, and the operator is told what came of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::guard::{Caller, operator};
use super::text;
use crate::reload::Reloader;

/// Reloads, if the operator asks.
pub(super) async fn reload(
    State(reloader): State<Option<Arc<Reloader>>>,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    if let Err(refused) = operator(&caller, &headers) {
        return text(StatusCode::FORBIDDEN, format!("{refused}\n"));
    }
    let Some(reloader) = reloader else {
        return text(StatusCode::CONFLICT, "this relay has no configuration file\n");
    };
    match reloader.reload().await {
        Ok(()) => text(StatusCode::OK, "reloaded\n"),
        Err(error) => text(StatusCode::CONFLICT, format!("{}\n", error.told())),
    }
}
