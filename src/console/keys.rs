//! `/keys`: the keyring of a running relay, for `relais keys`. No login: whoever reaches this listener is the operator.
//!
//! A page in a browser on the operator's machine is not. It cannot send JSON across origins without asking first, which
//! is never granted; and whatever a browser sends of a page's own accord names its origin.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::keys::{KeyringError, Listed, Retirement, Rotation};
use crate::outbound::chain;

/// Every key, never its private half.
pub(super) async fn list(State(app): State<Arc<App>>) -> Response {
    let listed = app.means.keyring.list(app.means.clock.now()).await;
    answer(&app, listed)
}

/// Makes successors.
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Json<Rotation>, JsonRejection>,
) -> Response {
    match order(&app, &headers, body, |rotation| rotation.issuer.as_deref()) {
        Ok(rotation) => answer(&app, app.means.keyring.rotate(&rotation, app.means.clock.now()).await),
        Err(refused) => refused,
    }
}

/// Ends a key.
pub(super) async fn retire(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Json<Retirement>, JsonRejection>,
) -> Response {
    match order(&app, &headers, body, |retirement| retirement.issuer.as_deref()) {
        Ok(retirement) => {
            answer(&app, app.means.keyring.retire(&retirement.kid, app.means.clock.now()).await)
        }
        Err(refused) => refused,
    }
}

/// The order, if it comes from no browser and is for this relay.
#[expect(clippy::result_large_err, reason = "the error is the response")]
fn order<T>(
    app: &App,
    headers: &HeaderMap,
    body: Result<Json<T>, JsonRejection>,
    issuer: impl Fn(&T) -> Option<&str>,
) -> Result<T, Response> {
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Err(refusal(StatusCode::FORBIDDEN, "not from a browser"));
    }
    let Json(order) = body.map_err(|wrong| refusal(wrong.status(), &wrong.body_text()))?;
    if issuer(&order).is_some_and(|issuer| issuer != app.rules().issuer) {
        return Err(refusal(StatusCode::CONFLICT, "another relay is meant"));
    }
    Ok(order)
}

fn answer(app: &App, keys: Result<Vec<Listed>, KeyringError>) -> Response {
    match keys {
        Ok(keys) => {
            let body = json!({"issuer": app.rules().issuer, "keys": keys});
            ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
        }
        Err(error @ KeyringError::NoSuchKey) => refusal(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error) => {
            app.means.keyring.failed(&error);
            refusal(StatusCode::SERVICE_UNAVAILABLE, &chain(&error))
        }
    }
}

fn refusal(status: StatusCode, text: &str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], format!("{text}\n")).into_response()
}
