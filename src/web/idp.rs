//! `GET /idp/{app}?msg=…`: a legacy application sends the browser with a sealed request.

use axum::http::{HeaderValue, Method, header};
use axum::response::Response;

use super::answer::next;
use super::browser::Browser;
use super::headers::{empty, see_other};
use super::refusal::Refusal;
use super::visit::Visit;
use crate::broker::{self, Repeat};
use crate::event::reasons::legacy as because;
use crate::event::{Facts, Reason, Step, reasons};
use crate::legacy;
use crate::login::LoginId;
use crate::message::PublicMessage;
use crate::request::{LegacyRequest, LoginRequest};
use crate::service::AppId;

/// Opens the message and begins a login.
pub(super) async fn idp(visit: &mut Visit, name: Option<&str>) -> Result<Response, Refusal> {
    if visit.method == Method::HEAD {
        return Ok(empty(200));
    }
    top_level(visit)?;
    let now = visit.now();
    let prefix = visit.peer.prefix();
    let limiter = &visit.app.means.refused_messages;
    if limiter.is_over(&prefix, now) {
        let seconds = limiter.retry_after(&prefix, now).as_secs().max(1);
        visit.trace.app = known_app(visit, name);
        let limited = Refusal::new(PublicMessage::TooMany, Step::LegacyRequestRefused, because::LIMITED);
        return Err(limited.with(header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    still_served(visit, name)?;
    let opened = match open(visit, name) {
        Ok(request) => unanswered(visit, request).await?,
        Err(refusal) => Err(*refusal),
    };
    let request = match opened {
        Ok(Opened::New(request)) => *request,
        Ok(Opened::Same(response)) => return Ok(response),
        Err(refusal) => {
            // Whatever the cause, it counts the same: a limit that judged would tell.
            let _ = visit.app.means.refused_messages.hit(&prefix, now);
            return Err(refusal.of_sealed(legacy::sealed(&visit.query)));
        }
    };
    let login = LoginId::new(visit.app.means.entropy.bytes());
    visit.trace.login = Some(login);
    accepted(visit, &request);
    visit.prefer(&request.demand.ui_locales);
    let browser = visit.browser.clone().unwrap_or_else(|| Browser::new(&*visit.app.means.entropy));
    let sid = visit.session.sid().await?;
    let mut journey = visit.journey();
    let session = match sid {
        Some(sid) => broker::session::load(&journey, &sid).await.map_err(Box::<broker::Failure>::from)?,
        None => None,
    };
    let app = request.app.clone();
    let request = LoginRequest::Legacy(request);
    let begun = broker::begin(&mut journey, login, request, browser.id(), session.as_ref()).await;
    visit.trace = journey.trace.clone();
    let mut response = next(visit, begun?, browser.id()).await?;
    if let Some(cookie) = browser.set_cookie(&visit.rules, &app) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A login is a page of its own: nothing begins in a frame or for a prefetch.
fn top_level(visit: &Visit) -> Result<(), Refusal> {
    let field =
        |name: &str| visit.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let purposes = [field("sec-purpose"), field("purpose"), field("x-purpose"), field("x-moz")];
    if purposes.iter().any(|purpose| purpose.contains("prefetch") || purpose.contains("preview")) {
        return Err(Refusal::bare(503, Step::RequestRefused, reasons::server::PREFETCH));
    }
    if ["iframe", "frame", "embed", "object", "fencedframe"].contains(&field("sec-fetch-dest")) {
        return Err(Refusal::new(PublicMessage::Framed, Step::LegacyRequestRefused, because::FRAMED));
    }
    Ok(())
}

/// The application of the path, where there is one: its button stands on the page.
fn known_app(visit: &Visit, name: Option<&str>) -> Option<AppId> {
    let id = name.map_or_else(|| visit.rules.default_app.clone(), AppId::parse)?;
    visit.rules.legacy(&id).map(|_| id)
}

/// A weak wire ends on its date; the message is not looked at, and does not count as refused.
fn still_served(visit: &Visit, name: Option<&str>) -> Result<(), Refusal> {
    let Some(id) = known_app(visit, name) else { return Ok(()) };
    if visit.rules.legacy(&id).is_some_and(|app| app.has_set(visit.now())) {
        let page = Refusal::new(PublicMessage::LegacySunset, Step::LegacyRequestRefused, because::SUNSET);
        return Err(page.of_app(&id));
    }
    Ok(())
}

fn open(visit: &mut Visit, name: Option<&str>) -> Result<LegacyRequest, Box<Refusal>> {
    let refused = |reason: Reason| Box::new(Refusal::legacy(reason.into(), None));
    let id = match name {
        Some(name) => AppId::parse(name).ok_or_else(|| refused(because::UNKNOWN_APP))?,
        None => visit.rules.default_app.clone().ok_or_else(|| refused(because::PATH_WITHOUT_APP))?,
    };
    let app = visit.rules.legacy(&id).ok_or_else(|| refused(because::UNKNOWN_APP))?;
    visit.trace.app = Some(id.clone());
    legacy::open(app, &visit.rules.issuer, &visit.query, visit.app.means.floor, visit.now())
        .map_err(|error| Box::new(Refusal::legacy(error, Some(id))))
}

enum Opened {
    /// It may begin a login.
    New(Box<LegacyRequest>),
    /// This browser has just had the answer, and gets it again.
    Same(Response),
}

/// Single use: a message that was answered begins nothing.
async fn unanswered(visit: &mut Visit, request: LegacyRequest) -> Result<Result<Opened, Refusal>, Refusal> {
    let browser = visit.browser.as_ref().map(Browser::id);
    let found = broker::repeat(&visit.journey(), &request, browser).await?;
    Ok(match found {
        Repeat::New => Ok(Opened::New(Box::new(request))),
        Repeat::Same(login, location) => {
            visit.trace.login = Some(login);
            visit.trace.step(Step::LegacyAnswerRepeated, asked(visit, &request));
            Ok(Opened::Same(see_other(&location)))
        }
        Repeat::Spent => Err(Refusal::legacy(because::REPLAYED.into(), Some(request.app))),
    })
}

/// What was sent, and where the answer shall go: the registered address, and the names in its query.
fn asked(visit: &Visit, request: &LegacyRequest) -> Facts {
    let names = request.return_to.split_once('?').map(|(_, query)| {
        let names = query.split('&').filter_map(|piece| piece.split('=').next());
        names.collect::<Vec<_>>().join(" ")
    });
    let url = Some(request.callback().to_owned());
    Facts { sealed: legacy::sealed(&visit.query), url, names, ..Facts::default() }
}

fn accepted(visit: &Visit, request: &LegacyRequest) {
    let offset = i128::from(request.sealed_at.seconds()) - i128::from(visit.now().seconds());
    let wire = visit.rules.legacy(&request.app).map(|app| app.wire.name());
    let offset_s = i64::try_from(offset).ok().filter(|_| !request.timeless);
    visit.trace.step(Step::LegacyRequestAccepted, Facts { offset_s, wire, ..asked(visit, request) });
    if request.timeless {
        let noted = |reason, count| {
            let facts = Facts { count, wire, ..Facts::default() };
            visit.trace.because(Step::LegacyRequestNoted, reason, None, facts);
        };
        let messages = visit.app.means.weak_wires.note(&request.app, visit.now());
        noted(because::WEAK_WIRE, Some(messages));
        if request.state.len().min(request.nonce.len()) < legacy::callback::MIN_VALUE {
            noted(because::SHORT_VALUE, None);
        }
    }
}
