//! The management listener: for operators and their machines, never for browsers from outside.

mod body;
mod guard;
mod keys;
mod metrics;
mod reload;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::reload::Reloader;

/// The management listener's service; without a reloader, nothing is reloaded.
pub fn router(app: Arc<App>, reloader: Option<Arc<Reloader>>) -> Router {
    let reload = Router::new().route("/reload", post(reload::reload)).with_state(reloader);
    Router::new()
        .route("/health/live", get(async || text(StatusCode::OK, "live\n")))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics::metrics))
        .route("/keys", get(keys::list))
        .route("/keys/rotate", post(keys::rotate))
        .route("/keys/revoke", post(keys::revoke))
        .with_state(app.clone())
        .merge(reload)
        .layer(axum::middleware::from_fn_with_state(app, body::read))
}

/// Ready: the configuration is loaded, the store takes writes, the process is not draining. An upstream that
/// is down does not make a relay unready, or its outage would take every node with it.
async fn ready(State(app): State<Arc<App>>) -> impl IntoResponse {
    match app.not_ready().await {
        None => text(StatusCode::OK, "ready\n"),
        Some(cause) => text(StatusCode::SERVICE_UNAVAILABLE, cause),
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body.into()).into_response()
}
