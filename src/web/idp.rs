//! `GET /idp/{app}?msg=…`: a legacy application sends the browser with a sealed request.

use axum::http::{Method, header};
use axum::response::Response;

use super::browser::Browser;
use super::next::carry_out;
use super::refusal::Refusal;
use super::reply::{empty, see_other};
use super::routes::{At, Audience, BodyKind, Caching, CrossOrigin, Route};
use super::session;
use super::visit::Visit;
use crate::broker;
use crate::config::ListenerKind;
use crate::front::legacy::{Opened, Request};
use crate::paths;
use crate::service::ServiceId;

/// The route.
pub const ROUTE: Route = Route {
    about: "A sealed request for the default application.",
    at: At::Path(paths::IDP),
    methods: &[Method::GET, Method::HEAD],
    audience: Audience::Browser,
    body: BodyKind::None,
    cross_origin: CrossOrigin::TopLevelNavigation,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |visit, _| Box::pin(idp(visit, None)),
};

/// The route that names the application.
pub const OF_APP: Route = Route {
    about: "A legacy application sends the browser with a sealed request.",
    at: At::Path(paths::IDP_APP),
    serve: |visit, _| {
        Box::pin(async move {
            let name = std::mem::take(&mut visit.named);
            idp(visit, Some(&name)).await
        })
    },
    ..ROUTE
};

/// Opens the message and begins a login.
pub(super) async fn idp(visit: &mut Visit, name: Option<&str>) -> Result<Response, Refusal> {
    if visit.method == Method::HEAD {
        return Ok(empty(200));
    }
    let (legacy, query) = (visit.rules.legacy.clone(), std::mem::take(&mut visit.query));
    if name.is_some_and(|name| ServiceId::parse(name).is_none_or(|id| legacy.app(&id).is_none())) {
        visit.names_a_stranger();
    }
    let session = session::live(visit).await?;
    let visitor = visit.visitor(session.as_ref());
    let request = Request { app: name, query: &query, prefix: visit.peer.prefix(), visitor };
    let asked = match legacy.open(&mut visit.journey(), &request).await? {
        Opened::Again(location) => return Ok(see_other(&location)),
        Opened::New(asked) => asked,
    };
    visit.prefer(asked.ui_locales());
    let browser = visit.browser.clone().unwrap_or_else(|| Browser::new(&*visit.app.means.entropy));
    let begun = broker::begin(&mut visit.journey(), asked.ask()?, browser.id(), session).await?;
    let mut response = carry_out(visit, begun).await?;
    if let Some(cookie) = browser.set_cookie(&visit.rules, asked.app()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
