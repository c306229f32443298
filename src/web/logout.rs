//! `/logout/{app}`: ends the session here, then at the upstream.
//!
//! `GET` closes nothing by itself while a session lives, but asks; a sealed `msg` of the application for this
//! browser's session acts at once. Return addresses come only from the configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, header};
use axum::response::Response;
use url::Url;

use super::browser::Browser;
use super::fetch;
use super::form::Form;
use super::refusal::Refusal;
use super::reply::{page, see_other};
use super::routes::{At, Audience, BodyKind, Caching, CrossOrigin, Route};
use super::session;
use super::visit::Visit;
use crate::broker::logout::{self, Away};
use crate::broker::{Failure, Registry as _, Session};
use crate::config::ListenerKind;
use crate::event::{Facts, Step, reasons};
use crate::message::PublicMessage;
use crate::pages::{self, Ended};
use crate::paths;
use crate::service::{Service, ServiceId, UpstreamName};

/// The route.
pub const ROUTE: Route = Route {
    about: "Ends the session, after a question or by a sealed message.",
    at: At::Path(paths::LOGOUT_APP),
    methods: &[Method::GET, Method::POST],
    audience: Audience::Browser,
    body: BodyKind::Form,
    cross_origin: CrossOrigin::Question,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |visit, body| {
        Box::pin(async move {
            let name = std::mem::take(&mut visit.named);
            logout(visit, &name, body).await
        })
    },
};

/// The route of the alias.
pub const ALIAS: Route = Route {
    about: "The same for the default application, at the path of the relay's predecessor.",
    at: At::Configured { key: "server.aliases.logout", otherwise: None },
    methods: &[Method::GET],
    audience: Audience::Browser,
    body: BodyKind::None,
    cross_origin: CrossOrigin::Question,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |visit, _| Box::pin(alias(visit)),
};

/// The route back from an upstream.
pub const RETURN: Route = Route {
    about: "An upstream sends the browser back after a logout.",
    at: At::Configured {
        key: "upstream.….post_logout_redirect_uri", otherwise: Some(paths::LOGOUT_RETURN)
    },
    methods: &[Method::GET],
    audience: Audience::Browser,
    body: BodyKind::None,
    cross_origin: CrossOrigin::TopLevelNavigation,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |visit, _| {
        Box::pin(async move {
            let name = std::mem::take(&mut visit.named);
            returned(visit, &UpstreamName(name)).await
        })
    },
};

/// Asks, or takes the answer.
pub(super) async fn logout(visit: &mut Visit, name: &str, body: Body) -> Result<Response, Refusal> {
    let id = ServiceId::parse(name);
    let found = match &id {
        Some(id) => service(visit, id).await?,
        None => None,
    };
    let Some(service) = found else {
        visit.names_a_stranger();
        let facts = Facts { names: id.map(String::from), ..Facts::default() };
        return Err(Refusal::not_found().about(facts));
    };
    visit.trace.app = id;
    if visit.method == Method::POST {
        confirmed(visit, &service, body).await
    } else {
        asked(visit, &service).await
    }
}

/// The same for the default application; without a session there is no page of ours, as KIF had none.
pub(super) async fn alias(visit: &mut Visit) -> Result<Response, Refusal> {
    let id = visit.rules.legacy.default_app.clone().ok_or_else(Refusal::not_found)?;
    let service = service(visit, &id).await?.ok_or_else(Refusal::not_found)?;
    visit.trace.app = Some(id);
    Form::of_query(&visit.query)?;
    if session::live(visit).await?.is_none() {
        visit.trace.step(Step::LogoutClosed, Facts::default());
        return Ok(see_other(service.home_url.as_str()));
    }
    asked(visit, &service).await
}

async fn service(visit: &Visit, id: &ServiceId) -> Result<Option<Arc<Service>>, Refusal> {
    Ok(visit.rules.service(id).await.map_err(Box::<Failure>::from)?)
}

async fn asked(visit: &mut Visit, service: &Service) -> Result<Response, Refusal> {
    let query = Form::of_query(&visit.query)?;
    let Some((session, browser)) = session::live(visit).await?.zip(visit.browser.clone()) else {
        let browser = visit.browser.as_ref().map(Browser::id).filter(|_| fetch::is_navigation(visit));
        if let Some(browser) = browser
            && let Some(away) = logout::resumed(&mut visit.journey(), browser).await?
        {
            return leave(visit, away).await;
        }
        visit.trace.step(Step::LogoutClosed, Facts::default());
        return Ok(signed_out(visit, Some(service), Ended::Before, &BTreeSet::new()));
    };
    // Another site's page may not end a session by an image: then the person is asked.
    let sealed = query.get("msg").is_some() && fetch::is_navigation(visit);
    let closed = if sealed { close_sealed(visit, service, &session, &browser).await? } else { None };
    let mut response = match closed {
        Some(away) => leave(visit, away).await?,
        None => question(visit, service, &session, &browser).await?,
    };
    // An upstream that drops `state` brings the browser back with nothing else to know the way by.
    if let Some(cookie) = browser.set_cookie(&visit.rules, &service.id) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The page that asks.
async fn question(
    visit: &mut Visit,
    service: &Service,
    session: &Session,
    browser: &Browser,
) -> Result<Response, Refusal> {
    let token = logout::ask(&mut visit.journey(), &service.id, session, browser.id()).await?;
    let places = upstream_origins(visit, session).await;
    // Promised only where the upstream has a place for it.
    let promised = service.upstreams.iter().find(|name| places.iter().any(|(place, _)| place == *name));
    let view = pages::LogoutConfirmView {
        site: visit.site(),
        app_name: Some(&service.name),
        upstream_name: promised
            .filter(|name| session.sign_ins.contains_key(name))
            .map(|name| label(visit, name)),
        action: &format!("{}/logout/{}", visit.rules.base(), service.id),
        token: &token,
    };
    let mut targets: Vec<_> = places.into_iter().map(|(_, origin)| origin).collect();
    targets.push(service.home_url.origin().ascii_serialization());
    Ok(page(200, pages::logout_confirm(&view, visit.lang), visit, &targets))
}

/// Ends the session at once, where the application says so in a message that is good.
async fn close_sealed(
    visit: &mut Visit,
    service: &Service,
    session: &Session,
    browser: &Browser,
) -> Result<Option<Away>, Refusal> {
    let (legacy, query) = (visit.rules.legacy.clone(), visit.query.clone());
    let Some(app) = legacy.app(&service.id) else { return Ok(None) };
    Ok(legacy.sealed_logout(&mut visit.journey(), app, &query, session, browser.id()).await?)
}

async fn confirmed(visit: &mut Visit, service: &Service, body: Body) -> Result<Response, Refusal> {
    let id = &service.id;
    let forged = || Refusal::new(PublicMessage::Csrf, Step::LoginFailed, reasons::broker::CSRF).of_app(id);
    let browser = visit.browser.as_ref().map(Browser::id).ok_or_else(forged)?;
    let form = Form::read(visit, body).await?;
    let token = form.get("token").ok_or_else(forged)?;
    if form.get("decision") == Some("no") {
        return Ok(see_other(service.home_url.as_str()));
    }
    let away = logout::confirmed(&mut visit.journey(), token, id, browser).await?;
    leave(visit, away).await
}

/// The browser is back from an upstream's logout.
pub(super) async fn returned(visit: &mut Visit, upstream: &UpstreamName) -> Result<Response, Refusal> {
    let query = Form::of_query(&visit.query)?;
    let browser = visit.browser.as_ref().map(Browser::id);
    let away = logout::returned(&mut visit.journey(), upstream, query.get("state"), browser).await?;
    if let Some(away) = away {
        return leave(visit, away).await;
    }
    let session = session::live(visit).await?;
    let last = visit.browser.as_ref().and_then(|browser| browser.last_app.clone());
    let participant = || session.as_ref().and_then(|session| session.participants.first().cloned());
    let last = match last.or_else(participant) {
        Some(id) => service(visit, &id).await?,
        None => None,
    };
    match (session, visit.browser.clone(), &last) {
        // Nothing was under way: whoever came here so may wish to sign out.
        (Some(session), Some(browser), Some(service)) => question(visit, service, &session, &browser).await,
        _ => Ok(signed_out(visit, last.as_deref(), Ended::Before, &BTreeSet::new())),
    }
}

async fn leave(visit: &mut Visit, away: Away) -> Result<Response, Refusal> {
    // Somebody may have signed in since, in another tab: their session has not ended.
    if session::live(visit).await?.is_none() {
        visit.session.clear().await?;
    }
    match away {
        Away::Redirect(location) => Ok(see_other(&location)),
        Away::SignedOut(id, untold) => {
            let service = service(visit, &id).await?;
            Ok(signed_out(visit, service.as_deref(), Ended::Now, &untold))
        }
        Away::AskAgain(id) => Ok(see_other(&format!("{}/logout/{id}", visit.rules.base()))),
    }
}

/// How people call an upstream.
fn label<'v>(visit: &'v Visit, name: &'v UpstreamName) -> &'v str {
    visit.rules.upstream_labels.get(name).map_or(name.as_str(), String::as_str)
}

/// Where the form's answer may lead: to the logout of each upstream that has one.
async fn upstream_origins(visit: &Visit, session: &Session) -> Vec<(UpstreamName, String)> {
    let mut origins = Vec::new();
    for name in session.sign_ins.keys().chain(&session.former) {
        if let Some(upstream) = visit.rules.upstream(name)
            && let Some(origin) = upstream.logout_origin(&*visit.app.means.clock, &visit.trace).await
        {
            origins.push((name.clone(), origin));
        }
    }
    origins
}

fn signed_out(
    visit: &Visit,
    service: Option<&Service>,
    ended: Ended,
    untold: &BTreeSet<UpstreamName>,
) -> Response {
    let rules = &visit.rules;
    let still_open: Vec<_> = untold.iter().map(|name| label(visit, name)).collect();
    let own = rules.home_url.as_ref().map_or_else(|| format!("{}/", rules.base()), Url::to_string);
    let view = pages::SignedOutView {
        site: visit.site(),
        app_name: service.map(|service| service.name.as_str()),
        home_url: service.map_or(own.as_str(), |service| service.home_url.as_str()),
        ended,
        still_open: &still_open,
    };
    page(200, pages::signed_out(&view, visit.lang), visit, &[])
}
