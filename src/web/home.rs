//! `GET /`, the files that the pages need, and the error page by itself.

use std::sync::Arc;

use axum::http::Method;
use axum::response::{IntoResponse as _, Response};

use super::refusal::Refusal;
use super::reply::{Reply, page};
use super::routes::{At, Audience, BodyKind, Caching, CrossOrigin, Route};
use super::visit::Visit;
use crate::broker::Registry as _;
use crate::config::ListenerKind;
use crate::event::{Facts, Step, reasons};
use crate::message::PublicMessage;
use crate::pages::{self, HomeButton};
use crate::paths;
use crate::service::Service;

/// The route.
pub const ROUTE: Route = Route {
    about: "The relay's own page.",
    at: At::Path(paths::HOME),
    methods: &[Method::GET, Method::HEAD],
    audience: Audience::Browser,
    body: BodyKind::None,
    cross_origin: CrossOrigin::Any,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |visit, _| Box::pin(async move { Ok(home(visit).await) }),
};

/// The route of those files.
pub const ASSET: Route = Route {
    about: "A file that the pages need.",
    at: At::Path(paths::STATIC),
    methods: &[Method::GET, Method::HEAD],
    audience: Audience::Anyone,
    body: BodyKind::None,
    cross_origin: CrossOrigin::Any,
    caching: Caching::Immutable,
    listener: ListenerKind::Public,
    serve: |visit, _| Box::pin(async move { asset(visit) }),
};

/// The route of the error page.
pub const ERROR_ALIAS: Route = Route {
    about: "The error page, at the path of the relay's predecessor.",
    at: At::Configured { key: "server.aliases.error", otherwise: None },
    methods: &[Method::GET, Method::HEAD],
    audience: Audience::Browser,
    body: BodyKind::None,
    cross_origin: CrossOrigin::Any,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |_, _| Box::pin(async { Err(error()) }),
};

/// The relay's own page.
pub(super) async fn home(visit: &Visit) -> Response {
    visit.trace.step(Step::HomeShown, Facts::default());
    let last = last_app(visit).await;
    let application =
        last.as_ref().map(|app| pages::Button { app_name: &app.name, href: app.home_url.as_str() });
    let site = visit.rules.home_url.as_ref().map(|url| HomeButton::Site(url.as_str()));
    let button = site.or(application.map(HomeButton::Application));
    let demo = visit.rules.demo.as_ref().map(|demo| pages::DemoLinks {
        legacy_app: &demo.legacy_app,
        stub: &demo.stub,
        management: &demo.management,
    });
    let view = pages::HomeView { site: visit.site(), button, demo };
    page(200, pages::home(&view, visit.lang), visit, &[])
}

/// The application that the browser last asked for, else the default one.
async fn last_app(visit: &Visit) -> Option<Arc<Service>> {
    let last = visit.browser.as_ref().and_then(|browser| browser.last_app.as_ref());
    let id = last.or(visit.rules.legacy.default_app.as_ref())?;
    // Where even the store fails, the page has no button.
    visit.rules.service(id).await.ok().flatten().filter(|service| service.enabled)
}

/// The error page, for whoever sends a browser to where the relay's predecessor showed its own.
pub(super) fn error() -> Refusal {
    Refusal::new(PublicMessage::InvalidRequest, Step::RequestRefused, reasons::server::ERROR_ALIAS)
}

/// A file of the pages; its address changes with its content, so it may be kept.
pub(super) fn asset(visit: &Visit) -> Result<Response, Refusal> {
    let (kind, bytes) = pages::asset(&format!("/static/{}", visit.named)).ok_or_else(Refusal::not_found)?;
    Ok(Reply::Document { kind, content: bytes.into() }.into_response())
}
