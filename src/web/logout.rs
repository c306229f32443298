//! `/logout/{app}`: ends the session here, then at the upstream.
//!
//! `GET` closes nothing by itself while a session lives, but asks; a sealed `msg` of the application for this
//! browser's session acts at once. Return addresses come only from the configuration.

use axum::body::Body;
use axum::http::Method;
use axum::response::Response;

use super::browser::Browser;
use super::form::{Form, is_same_origin};
use super::headers::{page, see_other};
use super::refusal::Refusal;
use super::visit::Visit;
use crate::broker::logout::{self, Away};
use crate::broker::{self, Failure, Parties, Session};
use crate::event::{Facts, Step, reasons};
use crate::legacy::App;
use crate::message::PublicMessage;
use crate::pages;
use crate::service::{AppId, UpstreamName};
use url::Url;

/// Asks, or takes the answer.
pub(super) async fn logout(visit: &mut Visit, name: &str, body: Body) -> Result<Response, Refusal> {
    let rules = visit.rules.clone();
    let app = AppId::parse(name).and_then(|id| rules.legacy(&id)).ok_or_else(Refusal::not_found)?;
    visit.trace.app = Some(app.service.id.clone());
    if visit.method == Method::POST { confirmed(visit, app, body).await } else { asked(visit, app).await }
}

/// The same for the default application; without a session there is no page of ours, as KIF had none.
pub(super) async fn alias(visit: &mut Visit) -> Result<Response, Refusal> {
    let rules = visit.rules.clone();
    let app = rules.default_app.as_ref().and_then(|id| rules.legacy(id)).ok_or_else(Refusal::not_found)?;
    visit.trace.app = Some(app.service.id.clone());
    Form::of_query(&visit.query)?;
    if live_session(visit).await?.is_none() {
        visit.trace.step(Step::LogoutClosed, Facts::default());
        return Ok(see_other(app.service.home_url.as_str()));
    }
    asked(visit, app).await
}

async fn asked(visit: &mut Visit, app: &App) -> Result<Response, Refusal> {
    let query = Form::of_query(&visit.query)?;
    let Some(session) = live_session(visit).await? else {
        visit.trace.step(Step::LogoutClosed, Facts::default());
        return Ok(signed_out(visit, Some(app)));
    };
    if query.get("msg").is_some() {
        let floor = visit.app.means.floor;
        let mut journey = visit.journey();
        let closed =
            logout::sealed(&mut journey, app, &visit.rules.issuer, &visit.query, floor, &session).await;
        visit.trace = journey.trace.clone();
        if let Some(away) = closed? {
            // An upstream that drops `state` brings the browser back with nothing else to know the way by.
            let remembered =
                visit.browser.as_ref().and_then(|browser| browser.set_cookie(&visit.rules, &app.service.id));
            let mut response = leave(visit, away).await?;
            if let Some(cookie) = remembered {
                response.headers_mut().append(axum::http::header::SET_COOKIE, cookie);
            }
            return Ok(response);
        }
    }
    let browser = visit.browser.clone().unwrap_or_else(|| Browser::new(&*visit.app.means.entropy));
    let token = logout::ask(&visit.journey(), &app.service.id, &session, browser.id()).await?;
    let upstream = app.service.upstreams.iter().find(|name| session.sign_ins.contains_key(name));
    let view = pages::LogoutConfirmView {
        site: visit.site(),
        app_name: Some(&app.service.name),
        upstream_name: upstream.and_then(|name| visit.rules.upstream_labels.get(name)).map(String::as_str),
        action: &format!("{}/logout/{}", visit.rules.base(), app.service.id),
        token: &token,
    };
    let mut targets = upstream_origins(visit, &session).await;
    targets.push(app.service.home_url.origin().ascii_serialization());
    let mut response = page(200, &pages::logout_confirm(&view, visit.lang), visit, &targets);
    if let Some(cookie) = browser.set_cookie(&visit.rules, &app.service.id) {
        response.headers_mut().append(axum::http::header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn confirmed(visit: &mut Visit, app: &App, body: Body) -> Result<Response, Refusal> {
    let id = &app.service.id;
    let forged = || Refusal::new(PublicMessage::Csrf, Step::LoginFailed, reasons::broker::CSRF).of_app(id);
    if !is_same_origin(visit) {
        return Err(forged());
    }
    let browser = visit.browser.as_ref().map(Browser::id).ok_or_else(forged)?;
    let form = Form::read(visit, body).await?;
    let token = form.get("token").ok_or_else(forged)?;
    if form.get("decision") == Some("no") {
        return Ok(see_other(app.service.home_url.as_str()));
    }
    let mut journey = visit.journey();
    let away = logout::confirmed(&mut journey, token, id, browser).await;
    visit.trace = journey.trace.clone();
    leave(visit, away?).await
}

/// The browser is back from an upstream's logout.
pub(super) async fn returned(visit: &mut Visit) -> Result<Response, Refusal> {
    let query = Form::of_query(&visit.query)?;
    let mut journey = visit.journey();
    let away = logout::returned(&mut journey, query.get("state")).await;
    visit.trace = journey.trace.clone();
    if let Some(away) = away? {
        return leave(visit, away).await;
    }
    let rules = visit.rules.clone();
    let last = visit.browser.as_ref().and_then(|browser| browser.last_app.as_ref());
    Ok(signed_out(visit, last.and_then(|id| rules.legacy(id))))
}

async fn leave(visit: &mut Visit, away: Away) -> Result<Response, Refusal> {
    visit.session.clear().await?;
    match away {
        Away::Redirect(url) => Ok(see_other(url.as_str())),
        Away::SignedOut(id) => {
            let rules = visit.rules.clone();
            Ok(signed_out(visit, rules.legacy(&id)))
        }
    }
}

async fn live_session(visit: &Visit) -> Result<Option<Session>, Refusal> {
    match visit.session.sid().await? {
        Some(sid) => {
            let loaded = broker::session::load(&visit.journey(), &sid).await;
            Ok(loaded.map_err(Box::<Failure>::from)?)
        }
        None => Ok(None),
    }
}

/// Where the form's answer may lead: to the upstreams' logout.
async fn upstream_origins(visit: &Visit, session: &Session) -> Vec<String> {
    let mut origins = Vec::new();
    for name in session.sign_ins.keys() {
        let name: &UpstreamName = name;
        if let Some(upstream) = visit.rules.upstream(name)
            && let Some(origin) = upstream.logout_origin(&*visit.app.means.clock, &visit.trace).await
        {
            origins.push(origin);
        }
    }
    origins
}

fn signed_out(visit: &Visit, app: Option<&App>) -> Response {
    let rules = &visit.rules;
    let own = rules.home_url.as_ref().map_or_else(|| format!("{}/", rules.base()), Url::to_string);
    let view = pages::SignedOutView {
        site: visit.site(),
        app_name: app.map(|app| app.service.name.as_str()),
        home_url: app.map_or(own.as_str(), |app| app.service.home_url.as_str()),
        still_open: None,
    };
    page(200, &pages::signed_out(&view, visit.lang), visit, &[])
}
