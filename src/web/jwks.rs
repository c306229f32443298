//! `GET /upstream/{name}/jwks`: our public keys for one upstream (RFC 7517, section 5), which the operator registers
//! there as `jwks_uri`.

use std::time::Duration;

use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::refusal::Refusal;
use super::reply::Reply;
use super::routes::{At, Audience, BodyKind, Caching, CrossOrigin, Route};
use super::visit::Visit;
use crate::broker::Registry as _;
use crate::config::ListenerKind;
use crate::paths;
use crate::service::UpstreamName;

/// The route.
pub const ROUTE: Route = Route {
    about: "Our public keys for one upstream; 404 where nothing is signed or decrypted there.",
    at: At::Path(paths::JWKS),
    methods: &[Method::GET, Method::HEAD],
    audience: Audience::Anyone,
    body: BodyKind::None,
    cross_origin: CrossOrigin::Any,
    caching: Caching::KeyLifetime,
    listener: ListenerKind::Public,
    serve: |visit, _| {
        Box::pin(async move {
            let name = std::mem::take(&mut visit.named);
            jwks(visit, &UpstreamName(name)).await
        })
    },
};

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
    let kept = HeaderValue::try_from(kept).unwrap_or(HeaderValue::from_static("no-store"));
    let content = json!({"keys": keys}).to_string().into_bytes().into();
    let mut response = Reply::Document { kind: "application/jwk-set+json", content }.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    Ok(response)
}
