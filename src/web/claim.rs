//! `POST /idp/claim`: an application's server exchanges a reference for the sealed answer.
//!
//! HTTP Basic with the application's id and claim password, a form with `ref`. 200 with the sealed text, or a
//! status with an empty body.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::form::Form;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::broker::Claimable;
use crate::event::{Facts, Step, reasons};
use crate::legacy::{Credentials, reference_handle};
use crate::outbound::chain;
use crate::request::KeyFingerprint;
use crate::service::AppId;
use crate::store::StoreError;

/// Serves a claim.
pub(super) async fn claim(visit: &mut Visit, body: Body) -> Response {
    let served = exchange(visit, body).await;
    served.unwrap_or_else(|refusal| refusal.respond(visit))
}

async fn exchange(visit: &mut Visit, body: Body) -> Result<Response, Refusal> {
    let (app, key) = authenticate(visit)?;
    visit.trace.app = Some(app.clone());
    let unknown = |reason| Refusal::bare(404, Step::LegacyClaimRefused, reason);
    let form = Form::read(visit, body).await.map_err(|_| unknown(reasons::legacy::CLAIM_MALFORMED))?;
    let reference =
        form.get("ref").filter(|r| r.len() == 43).ok_or_else(|| unknown(reasons::legacy::CLAIM_UNKNOWN))?;
    let handle = reference_handle(&app, key, reference);
    match visit.app.means.tables.references.take(&handle, visit.now()).await {
        Ok(Some(Claimable { login, sealed })) => {
            visit.trace.login = Some(login);
            visit.trace.step(Step::LegacyClaimed, Facts { length: Some(sealed.len()), ..Facts::default() });
            let text = HeaderValue::from_static("text/plain; charset=us-ascii");
            Ok(([(header::CONTENT_TYPE, text)], sealed).into_response())
        }
        Ok(None) => Err(unknown(reasons::legacy::CLAIM_UNKNOWN)),
        Err(error @ (StoreError::Full | StoreError::Backend(_) | StoreError::Unreadable)) => {
            let facts = Facts { cause: Some(chain(&error)), ..Facts::default() };
            Err(Refusal::bare(503, Step::StoreFailed, reasons::server::STORE_FAILED).about(facts))
        }
    }
}

/// A right password is never limited; wrong ones are, per address.
fn authenticate(visit: &Visit) -> Result<(AppId, KeyFingerprint), Refusal> {
    let now = visit.now();
    let prefix = visit.peer.prefix();
    let credentials = visit.header(&header::AUTHORIZATION).and_then(Credentials::parse);
    if let Some(credentials) = &credentials
        && let Some(id) = AppId::parse(&credentials.app)
        && let Some(key) = visit.rules.legacy(&id).and_then(|app| credentials.key(app, now))
    {
        return Ok((id, key.fingerprint));
    }
    let limiter = &visit.app.means.wrong_claims;
    if credentials.is_some() && limiter.is_over(&prefix, now) {
        let seconds = limiter.retry_after(&prefix, now).as_secs().max(1);
        let limited = Refusal::bare(429, Step::LegacyClaimRefused, reasons::legacy::CLAIM_LIMITED);
        return Err(limited.with(header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    if credentials.is_some() {
        let _ = limiter.hit(&prefix, now);
    }
    Err(Refusal::bare(401, Step::LegacyClaimRefused, reasons::legacy::CLAIM_UNAUTHENTICATED)
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"relais\"")))
}
