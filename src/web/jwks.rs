//! `GET /upstream/{name}/jwks`: our public keys for one upstream (RFC 7517, section 5), which the operator registers
//! there as `jwks_uri`.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::refusal::Refusal;
use super::visit::Visit;
use crate::broker::Parties as _;
use crate::service::UpstreamName;

/// How old the keyring may be that is shown: strangers may ask as often as they like.
const AGE: Duration = Duration::from_secs(5);

/// Shows the key set.
pub(super) async fn jwks(visit: &Visit, name: &UpstreamName) -> Result<Response, Refusal> {
    let upstream = visit.rules.upstream(name).ok_or_else(Refusal::not_found)?;
    let keyring = &visit.app.means.keyring;
    let now = visit.now();
    if !upstream.settings().wanted_keys().is_empty() {
        keyring.freshen(now, AGE).await;
    }
    let keys = upstream.published_keys(now);
    if keys.is_empty() {
        return Err(Refusal::not_found());
    }
    let kept = format!("public, max-age={}", keyring.cacheable().as_secs());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json")),
        (header::CACHE_CONTROL, HeaderValue::try_from(kept).unwrap_or(HeaderValue::from_static("no-store"))),
    ];
    Ok((headers, json!({"keys": keys}).to_string()).into_response())
}
