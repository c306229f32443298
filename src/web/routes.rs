//! The list of endpoints. Each file has its `ROUTE` beside its handler; the router, the methods, who may send a browser
//! there and the page of endpoints follow from it.

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::any;

use super::refusal::Refusal;
use super::visit::{Sent, Visit};
use super::{callback, carried, claim, confirm, fetch, guard, home, idp, jwks, logout};
use crate::app::{App, ReturnPath, Rules};
use crate::config::ListenerKind;
use crate::paths;

/// Every endpoint of the public listener.
pub const ROUTES: &[&Route] = &[
    &home::ROUTE,
    &home::ASSET,
    &idp::ROUTE,
    &idp::OF_APP,
    &confirm::ROUTE,
    &claim::ROUTE,
    &callback::ROUTE,
    &logout::ROUTE,
    &logout::RETURN,
    &logout::ALIAS,
    &home::ERROR_ALIAS,
    &jwks::ROUTE,
];

/// One endpoint, and what holds before its handler is asked.
pub struct Route {
    /// What it is for.
    pub about: &'static str,
    /// Where it stands.
    pub at: At,
    /// The methods that it takes.
    pub methods: &'static [Method],
    /// Who calls.
    pub audience: Audience,
    /// What it reads of a body.
    pub body: BodyKind,
    /// What other sites' pages may have a browser do here.
    pub cross_origin: CrossOrigin,
    /// How long its answer may be kept.
    pub caching: Caching,
    /// The listener that has it.
    pub listener: ListenerKind,
    /// The handler.
    pub(super) serve: Serve,
}

/// A handler: a request that the route admits, and the body that the route reads.
pub(super) type Serve = for<'v> fn(&'v mut Visit, Body) -> Serving<'v>;
/// What a handler is doing.
pub(super) type Serving<'v> = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send + 'v>>;

/// Where an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At this path below that of `public_url`, in the router's spelling.
    Path(&'static str),
    /// At the paths that this key of the configuration names.
    Configured {
        /// The key.
        key: &'static str,
        /// The path where the key is absent, if there is one.
        otherwise: Option<&'static str>,
    },
}

/// Who calls an endpoint; its refusals speak to that reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// A person's browser: it has cookies, and reads pages.
    #[default]
    Browser,
    /// The server of an application: it has credentials, and reads statuses.
    ClientServer,
    /// Whoever asks; nothing depends on who it is.
    Anyone,
}

/// What an endpoint reads of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing.
    None,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// What other sites' pages may have a browser do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossOrigin {
    /// A form of our own pages only.
    SameOriginForm,
    /// A link, a redirect or a form that fills the window: no image, script, frame or prefetch.
    TopLevelNavigation,
    /// Anything may ask, outside a frame; what a `GET` ends it ends for a navigation only, else a form of our own asks.
    Question,
    /// Anything.
    Any,
}

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Not at all.
    Never,
    /// For ever: another content has another address.
    Immutable,
    /// As long as the keys in it are good.
    KeyLifetime,
}

impl Route {
    /// The value of `Allow`.
    pub fn allow(&self) -> String {
        self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// The router of the list. Nothing in it answers but our handlers: each path takes any method, and what the route does
/// not admit is refused like all else.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        if let At::Path(path) = route.at {
            router = router.route(path, any(move |State(app), request| found(app, Some(route), request)));
        }
    }
    router
        .fallback(async |State(app), request: Request| found(app, None, request).await)
        .with_state(app.clone())
}

/// Sends a request to the endpoint that the configuration puts at its path, else to the router, which knows the paths
/// below that of `public_url`. A reload may change both.
pub(super) async fn enter(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let rules = app.rules();
    let path = request.uri().path();
    if let Some((route, named)) = configured(&rules, path) {
        return serve(Visiting { app, rules, route: Some(route), named }, request).await;
    }
    if !rules.base().is_empty() {
        let Some(below) = below(&rules, request.uri()) else {
            return serve(Visiting { app, rules, route: None, named: None }, request).await;
        };
        let sent = std::mem::replace(request.uri_mut(), below);
        request.extensions_mut().insert(Sent(sent));
    }
    request.extensions_mut().insert(rules);
    next.run(request).await
}

/// The endpoint at a path that the configuration names, compared byte for byte, and whose it is.
fn configured(rules: &Rules, path: &str) -> Option<(&'static Route, Option<String>)> {
    let is_alias = |alias: &Option<String>| alias.as_deref() == Some(path);
    match rules.paths.get(path) {
        Some(ReturnPath::Callback(name)) => Some((&callback::ROUTE, Some(name.to_string()))),
        Some(ReturnPath::Logout(name)) => Some((&logout::RETURN, Some(name.to_string()))),
        None if is_alias(&rules.aliases.logout) => Some((&logout::ALIAS, None)),
        None if is_alias(&rules.aliases.error) => Some((&home::ERROR_ALIAS, None)),
        None => None,
    }
}

/// The address without the path of `public_url` in front.
fn below(rules: &Rules, uri: &Uri) -> Option<Uri> {
    let sent = uri.path_and_query()?.as_str();
    let below = sent.strip_prefix(rules.base()).filter(|below| below.starts_with('/'))?;
    Some(Uri::from(PathAndQuery::try_from(below).ok()?))
}

/// A request, and what was found for it.
struct Visiting {
    app: Arc<App>,
    rules: Arc<Rules>,
    route: Option<&'static Route>,
    named: Option<String>,
}

async fn found(app: Arc<App>, route: Option<&'static Route>, mut request: Request) -> Response {
    let rules = request.extensions_mut().remove::<Arc<Rules>>().unwrap_or_else(|| app.rules());
    // The router hands parameters over decoded, and an id has one spelling: it is taken as it was sent.
    let (route, named) = match route.map(|route| (route, route.at)) {
        Some((route, At::Path(pattern))) => match paths::named(pattern, request.uri().path()) {
            Some(named) => (Some(route), named.map(str::to_owned)),
            None => (None, None),
        },
        _ => (None, None),
    };
    serve(Visiting { app, rules, route, named }, request).await
}

async fn serve(visiting: Visiting, request: Request) -> Response {
    let Visiting { app, rules, route, named } = visiting;
    let (parts, body) = request.into_parts();
    let mut visit = Visit::new(app, rules, parts);
    visit.named = named.unwrap_or_default();
    visit.audience = route.map(|route| route.audience).unwrap_or_default();
    match guard::check(&visit) {
        Ok(()) => {}
        Err(guard::Stop::Redirect(response)) => return response,
        Err(guard::Stop::Refuse(refusal)) => return refusal.respond(&visit).await,
    }
    let Some(route) = route else { return Refusal::not_found().respond(&visit).await };
    if let Err(refusal) = admit(route, &visit) {
        return refusal.respond(&visit).await;
    }
    let body = if route.body == BodyKind::Form { body } else { Body::empty() };
    let mut response = match route.audience {
        Audience::Browser => carried::with_session(route, visit, body).await,
        Audience::ClientServer | Audience::Anyone => super::run(route, &mut visit, body).await,
    };
    if route.caching == Caching::Immutable && response.status().is_success() {
        let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, keep);
    }
    response
}

fn admit(route: &Route, visit: &Visit) -> Result<(), Refusal> {
    if !route.methods.contains(&visit.method) {
        return Err(Refusal::method(&route.allow()));
    }
    fetch::check(route, visit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_one_route() {
        let mut at: Vec<_> = ROUTES
            .iter()
            .filter_map(|route| match route.at {
                At::Path(path) => Some(path),
                At::Configured { .. } => None,
            })
            .collect();
        let mut all = paths::ALL.to_vec();
        at.sort_unstable();
        all.sort_unstable();
        assert_eq!(at, all);
    }
}
