//! The beginning: a session that satisfies the request, or the way to the upstream.

use super::admission::{Owners, admit};
use super::choose::choose;
use super::session::{self, SignIn, policy};
use super::{Failure, Journey, Next, Outcome, Question, Session};
use crate::event::{Facts, Step, reasons};
use crate::login::{AwayLogin, BrowserId, ConfirmLogin, LoginId};
use crate::message::PublicMessage;
use crate::outcome::{Declined, RefusalCode};
use crate::request::LoginRequest;
use crate::service::{Prompt, Service, Sso, UpstreamName};
use crate::upstream::{Ask, Step as UpstreamStep};

/// Begins the login `login` for `browser`, whose session, if any, is `session`.
pub async fn begin(
    cx: &mut Journey<'_>,
    login: LoginId,
    request: LoginRequest,
    browser: BrowserId,
    session: Option<&Session>,
) -> Result<Next, Box<Failure>> {
    let app = request.app().clone();
    let parties = cx.parties;
    cx.trace.login = Some(login);
    cx.trace.session = session.map(|session| session::handle(&session.sid));
    let service = parties
        .service(&app)
        .ok_or_else(|| Failure::new(PublicMessage::ClientDisabled, Some(&app), reasons::broker::APP_GONE))?;
    let served = session.and_then(|s| Some((s, s.sign_in_for(service, request.demand(), cx.now())?)));
    if let Some((session, (upstream, sign_in))) = served {
        return serve(cx, login, request, browser, service, session, upstream, sign_in).await;
    }
    if request.demand().prompt == Some(Prompt::None) {
        return Ok(declined(login, request, login_required()));
    }
    away(cx, login, request, browser, service).await
}

/// A session serves: at once where the application chose so, otherwise after a page.
#[expect(clippy::too_many_arguments, reason = "the parts of one decision, used once")]
async fn serve(
    cx: &mut Journey<'_>,
    login: LoginId,
    request: LoginRequest,
    browser: BrowserId,
    service: &Service,
    session: &Session,
    upstream: &UpstreamName,
    sign_in: &SignIn,
) -> Result<Next, Box<Failure>> {
    cx.trace.upstream = Some(upstream.clone());
    let silent = service.sso == Sso::Silent && request.demand().prompt != Some(Prompt::Consent);
    if !silent && request.demand().prompt == Some(Prompt::None) {
        return Ok(declined(login, request, login_required()));
    }
    let acr = sign_in.identity.acr.as_ref().map(|acr| acr.0.clone());
    cx.trace.step(Step::SessionReused, Facts { acr, ..Facts::default() });
    session::joined(cx, &session.sid, request.app()).await?;
    let identity = sign_in.identity.clone();
    if silent {
        return Ok(Next::Answer(Box::new(Outcome { login, request, result: Ok(identity) })));
    }
    let owners = Owners::of(cx, &request);
    admit(cx, request.app(), &owners).await?;
    let started = cx.now();
    let upstream = upstream.clone();
    let asked = ConfirmLogin { id: login, request: request.clone(), browser, upstream, identity, started };
    ask(cx, asked, Some(&session.sid)).await
}

/// Puts the question to the person; the login waits under the token of the page's form.
pub(super) async fn ask(
    cx: &Journey<'_>,
    login: ConfirmLogin,
    sid: Option<&str>,
) -> Result<Next, Box<Failure>> {
    let now = cx.now();
    let token = cx.entropy.handle();
    let owners = Owners::of(cx, &login.request);
    let [message, app, address] = owners.list();
    let session = ("session", sid.unwrap_or_default().as_bytes());
    let expires = login.started.plus(cx.limits.login);
    cx.tables
        .confirm
        .insert_new(token.as_bytes(), &login, expires, &[message, app, address, session], now)
        .await?;
    cx.trace.step(Step::ConfirmationShown, Facts::default());
    let ConfirmLogin { identity, upstream, request, .. } = login;
    let (app, ui_locales) = (request.app().clone(), request.demand().ui_locales.clone());
    Ok(Next::Confirm(Box::new(Question { token, app, identity, upstream, ui_locales })))
}

/// The way to the upstream.
async fn away(
    cx: &mut Journey<'_>,
    id: LoginId,
    request: LoginRequest,
    browser: BrowserId,
    service: &Service,
) -> Result<Next, Box<Failure>> {
    let parties = cx.parties;
    let upstream = choose(service)
        .and_then(|name| parties.upstream(name))
        .ok_or_else(|| Failure::new(PublicMessage::Internal, Some(&service.id), reasons::broker::APP_GONE))?;
    cx.trace.upstream = Some(upstream.name().clone());
    let owners = Owners::of(cx, &request);
    admit(cx, &service.id, &owners).await?;
    let demand = request.demand();
    let acr = policy(service, demand);
    let prompt = if service.sso == Sso::Off { Some(Prompt::Login) } else { demand.prompt };
    let ask = Ask {
        scopes: &service.scopes,
        acr: acr.as_ref(),
        prompt,
        max_age: session::max_age(service, demand),
        login_hint: demand.login_hint.as_deref(),
        ui_locales: &demand.ui_locales,
    };
    let begun = match upstream.begin(&ask, cx.entropy, cx.clock, &cx.trace).await {
        Ok(begun) => begun,
        Err(error) => return Ok(declined(id, request, error.declined())),
    };
    let now = cx.now();
    let login = AwayLogin {
        id,
        request: request.clone(),
        browser,
        upstream: upstream.name().clone(),
        handshake: begun.handshake,
        started: now,
    };
    let state = login.handshake.state.clone();
    let expires = now.plus(cx.limits.login);
    cx.tables.away.insert_new(state.as_bytes(), &login, expires, &owners.list(), now).await?;
    let UpstreamStep::Redirect(url) = begun.step;
    let acr_asked =
        acr.map(|policy| policy.accept.iter().map(|acr| acr.0.as_str()).collect::<Vec<_>>().join(" "));
    cx.trace.step(Step::UpstreamRedirected, Facts { acr_asked, ..Facts::default() });
    Ok(Next::Redirect(url))
}

pub(super) fn declined(login: LoginId, request: LoginRequest, declined: Declined) -> Next {
    Next::Answer(Box::new(Outcome { login, request, result: Err(declined) }))
}

fn login_required() -> Declined {
    Declined {
        code: RefusalCode::LoginRequired,
        message: PublicMessage::AccessDenied,
        reason: reasons::broker::LOGIN_REQUIRED,
        facts: Facts::default(),
    }
}
