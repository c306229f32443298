//! `GET` the callback of an upstream: the browser brings the authorization response.

use axum::http::Method;
use axum::response::Response;

use super::next::carry_out;
use super::refusal::Refusal;
use super::routes::{At, Audience, BodyKind, Caching, CrossOrigin, Route};
use super::session;
use super::visit::Visit;
use crate::broker;
use crate::config::ListenerKind;
use crate::paths;
use crate::service::UpstreamName;

/// The route.
pub const ROUTE: Route = Route {
    about: "An upstream sends the browser back after a login.",
    at: At::Configured { key: "upstream.….redirect_uri", otherwise: Some(paths::CALLBACK) },
    methods: &[Method::GET],
    audience: Audience::Browser,
    body: BodyKind::None,
    cross_origin: CrossOrigin::TopLevelNavigation,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |visit, _| {
        Box::pin(async move {
            let name = std::mem::take(&mut visit.named);
            callback(visit, &UpstreamName(name)).await
        })
    },
};

/// Completes the login that the response belongs to.
pub(super) async fn callback(visit: &mut Visit, upstream: &UpstreamName) -> Result<Response, Refusal> {
    visit.trace.upstream = Some(upstream.clone());
    let session = session::live(visit).await?;
    let visitor = visit.visitor(session.as_ref());
    let query = std::mem::take(&mut visit.query);
    let progress = broker::complete(&mut visit.journey(), upstream, &query, visitor).await?;
    carry_out(visit, progress).await
}
