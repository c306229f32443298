//! `POST /idp/claim`: an application's server exchanges a reference for the sealed answer.
//!
//! HTTP Basic with the application's id and claim password, a form with `ref`. 200 with the sealed text, or a
//! status with an empty body.

use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};

use super::form::Form;
use super::refusal::Refusal;
use super::reply::Reply;
use super::routes::{At, Audience, BodyKind, Caching, CrossOrigin, Route};
use super::visit::Visit;
use crate::config::ListenerKind;
use crate::event::{Facts, Step, reasons};
use crate::front::legacy::ClaimError;
use crate::outbound::chain;
use crate::paths;

/// The route.
pub const ROUTE: Route = Route {
    about: "An application's server exchanges a reference for the sealed answer.",
    at: At::Path(paths::CLAIM),
    methods: &[Method::POST],
    audience: Audience::ClientServer,
    body: BodyKind::Form,
    cross_origin: CrossOrigin::Any,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |visit, body| Box::pin(claim(visit, body)),
};

/// Serves a claim.
pub(super) async fn claim(visit: &mut Visit, body: Body) -> Result<Response, Refusal> {
    let (legacy, now) = (visit.rules.legacy.clone(), visit.now());
    let authorization = visit.header(&header::AUTHORIZATION);
    let (app, key) = legacy.authenticate(authorization, visit.peer.prefix(), now).map_err(refused)?;
    visit.trace.app = Some(app.clone());
    let unknown = |reason| Refusal::bare(404, Step::LegacyClaimRefused, reason);
    // A body too long or too slow is told as it is; what is no claim tells nothing.
    let form = Form::read(visit, body).await.map_err(|refusal| {
        if refusal.is_malformed() { unknown(reasons::legacy::CLAIM_MALFORMED) } else { refusal }
    })?;
    let reference = form.get("ref").filter(|r| r.len() == 43);
    let reference = reference.ok_or_else(|| unknown(reasons::legacy::CLAIM_UNKNOWN))?;
    let sealed = legacy.claim(&mut visit.trace, &app, key, reference, now).await.map_err(refused)?;
    let content = sealed.into_bytes().into();
    Ok(Reply::Document { kind: "text/plain; charset=us-ascii", content }.into_response())
}

fn refused(error: ClaimError) -> Refusal {
    let bare = |status, reason| Refusal::bare(status, Step::LegacyClaimRefused, reason);
    match error {
        ClaimError::Unauthenticated => bare(401, reasons::legacy::CLAIM_UNAUTHENTICATED)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"relais\"")),
        ClaimError::Limited(rest) => bare(429, reasons::legacy::CLAIM_LIMITED)
            .with(header::RETRY_AFTER, HeaderValue::from(rest.as_secs().max(1))),
        ClaimError::Unknown => bare(404, reasons::legacy::CLAIM_UNKNOWN),
        ClaimError::Store(error) => {
            let facts = Facts { cause: Some(chain(&error)), ..Facts::default() };
            Refusal::bare(503, Step::StoreFailed, reasons::server::STORE_FAILED).about(facts)
        }
    }
}
