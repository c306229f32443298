//! The public listener: every request becomes a `Visit`, finds its [`Route`], and gets a page, a redirect or a
//! refusal. `routes.rs` lists the endpoints.

mod next;
mod browser;
mod callback;
mod carried;
mod claim;
mod confirm;
mod cookies;
mod fetch;
mod form;
mod guard;
mod headers;
mod home;
mod idp;
mod jwks;
mod logout;
mod refusal;
mod reply;
mod routes;
pub mod serve;
pub mod tls;
mod session;
mod visit;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use tracing::Instrument as _;

use tower::Layer as _;

use crate::app::App;
use crate::event::{Facts, Step, Trace, reasons};
use crate::peer::Peer;
use refusal::Refusal;
pub use routes::{At, Audience, BodyKind, Caching, CrossOrigin, ROUTES, Route};
use serve::TooMany;
use visit::Visit;

/// The public listener's service.
pub fn router(app: Arc<App>) -> Router {
    let entered = from_fn_with_state(app.clone(), routes::enter).layer(routes::router(&app));
    Router::new().fallback_service(entered).layer(from_fn_with_state(app, headers::secure))
}

/// Says that there was no room for `peer`.
pub fn too_many(app: &App, peer: &Peer, refused: &TooMany) {
    let facts = Facts { names: Some(refused.limit.to_owned()), ..Facts::default() };
    let trace = Trace::new(app.means.events.clone(), Some(peer.clone()));
    trace.because(Step::RequestRefused, reasons::server::OVERLOADED, None, facts);
}

/// Asks the handler of `route`.
async fn run(route: &'static Route, visit: &mut Visit, body: Body) -> Response {
    let span = visit.trace.span();
    let mut served = unless_it_panics((route.serve)(visit, body)).instrument(span).await;
    if let Some(handle) = visit.renewed.take()
        && let Err(failure) = visit.session.renew(handle).await
    {
        served = Err(failure.into());
    }
    match served {
        Ok(response) => response,
        Err(refusal) => refusal.respond(visit).await,
    }
}

/// A defect of ours costs the request that hit it, and is said.
async fn unless_it_panics(
    serving: impl Future<Output = Result<Response, Refusal>>,
) -> Result<Response, Refusal> {
    let mut serving = std::pin::pin!(serving);
    std::future::poll_fn(|cx| {
        // What the request held is dropped with it; what all share is changed by the store alone.
        let poll = AssertUnwindSafe(|| serving.as_mut().poll(cx));
        catch_unwind(poll).unwrap_or_else(|_| Poll::Ready(Err(Refusal::panicked())))
    })
    .await
}
