//! `/keys`: the keyring of a running relay, for `relais keys`. Orders are JSON, which a page cannot send across origins
//! without asking first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::guard::{Caller, from_here, operator};
use crate::app::App;
use crate::keys::{KeyringError, Listed, Revocation, Rotation};
use crate::outbound::chain;

/// Every key, never its private half.
pub(super) async fn list(State(app): State<Arc<App>>, peer: Caller) -> Response {
    if let Err(refused) = from_here(&peer) {
        return refusal(StatusCode::FORBIDDEN, refused);
    }
    let listed = app.means.keyring.list(app.means.clock.now()).await;
    answer(&app, listed)
}

/// Makes successors.
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    peer: Caller,
    headers: HeaderMap,
    body: Result<Json<Rotation>, JsonRejection>,
) -> Response {
    match order(&app, &peer, &headers, body, |rotation| rotation.issuer.as_deref()) {
        Ok(rotation) => answer(&app, app.means.keyring.rotate(&rotation, app.means.clock.now()).await),
        Err(refused) => refused,
    }
}

/// Ends a key.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    peer: Caller,
    headers: HeaderMap,
    body: Result<Json<Revocation>, JsonRejection>,
) -> Response {
    match order(&app, &peer, &headers, body, |revocation| revocation.issuer.as_deref()) {
        Ok(revocation) => {
            answer(&app, app.means.keyring.revoke(&revocation.kid, app.means.clock.now()).await)
        }
        Err(refused) => refused,
    }
}

/// The order, if it comes from this machine but from no browser, and is for this relay.
fn order<T>(
    app: &App,
    peer: &Caller,
    headers: &HeaderMap,
    body: Result<Json<T>, JsonRejection>,
    issuer: impl Fn(&T) -> Option<&str>,
) -> Result<T, Response> {
    operator(peer, headers).map_err(|refused| refusal(StatusCode::FORBIDDEN, refused))?;
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
        Err(error @ (KeyringError::NoSuchKey(_) | KeyringError::NotWanted(_))) => {
            refusal(StatusCode::NOT_FOUND, &error.to_string())
        }
        Err(error) => {
            app.means.keyring.failed(&error);
            refusal(StatusCode::SERVICE_UNAVAILABLE, &chain(&error))
        }
    }
}

fn refusal(status: StatusCode, text: &str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], format!("{text}\n")).into_response()
}
