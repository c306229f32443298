//! The end of a session: ours first, then each upstream's, by the browser.

use super::session;
use super::tables::{AwayLogout, ConfirmLogout};
use super::{Failure, Journey, Session};
use crate::clock::Timestamp;
use crate::event::{Facts, Step, reasons};
use crate::legacy::{App, open_logout};
use crate::login::{BrowserId, LoginId};
use crate::message::PublicMessage;
use crate::secret::Secret;
use crate::service::{AppId, UpstreamName};

/// Where the browser goes once a session has ended.
pub enum Away {
    /// To an upstream's logout.
    Redirect(url::Url),
    /// To our signed-out page.
    SignedOut(AppId),
}

/// Asks the person; returns the token of the page's form.
pub async fn ask(
    cx: &Journey<'_>,
    app: &AppId,
    session: &Session,
    browser: BrowserId,
) -> Result<String, Box<Failure>> {
    let now = cx.now();
    let token = cx.entropy.handle();
    let asked = ConfirmLogout { app: app.clone(), sid: session.sid.clone(), browser };
    cx.tables
        .confirm_logout
        .insert_new(token.as_bytes(), &asked, now.plus(cx.limits.login), &[], now)
        .await?;
    cx.trace.step(Step::LogoutRequested, Facts::default());
    Ok(token)
}

/// Takes the form's `token`: the person said yes.
pub async fn confirmed(
    cx: &mut Journey<'_>,
    token: &str,
    app: &AppId,
    browser: BrowserId,
) -> Result<Away, Box<Failure>> {
    let now = cx.now();
    let forged = || Failure::new(PublicMessage::Csrf, Some(app), reasons::broker::CSRF);
    let key = token.as_bytes();
    // Looked at first, so that another browser cannot use it up; what decides is the taking.
    let (asked, _) = cx.tables.confirm_logout.read(key, now).await?.ok_or_else(forged)?;
    if asked.browser != browser || asked.app != *app {
        return Err(forged());
    }
    let asked = cx.tables.confirm_logout.take(key, now).await?.ok_or_else(forged)?;
    close(cx, app, &asked.sid).await
}

/// Whether a sealed logout of `app` is good, and for this session: then it acts at once. Otherwise `None`,
/// and the person is asked.
pub async fn sealed(
    cx: &mut Journey<'_>,
    app: &App,
    issuer: &str,
    query: &str,
    floor: Option<Timestamp>,
    session: &Session,
) -> Result<Option<Away>, Box<Failure>> {
    let now = cx.now();
    let refused = |cx: &Journey<'_>, facts| {
        cx.trace.because(Step::LegacyRequestNoted, reasons::legacy::LOGOUT_UNSEALED, None, facts);
        Ok(None)
    };
    let message = match open_logout(app, issuer, query, floor, now) {
        Ok(message) => message,
        Err(error) => {
            let cause = Some(error.reason.slug().to_owned());
            return refused(cx, Facts { cause, ..error.facts });
        }
    };
    let is_theirs = |name: &UpstreamName| {
        session.sign_ins.get(name).is_some_and(|sign_in| sign_in.identity.subject.as_str() == message.sub)
    };
    if !app.service.upstreams.iter().any(is_theirs) {
        return refused(cx, Facts { cause: Some("not for this session".to_owned()), ..Facts::default() });
    }
    let spent = super::tables::SpentMessage {
        login: LoginId::new(cx.entropy.bytes()),
        browser: BrowserId([0; 32]),
        at: now,
    };
    if !cx.tables.spent.insert_new(&message.mark, &spent, message.fresh_until, &[], now).await? {
        return refused(cx, Facts { cause: Some("already used".to_owned()), ..Facts::default() });
    }
    cx.trace.step(Step::LogoutRequested, Facts::default());
    close(cx, &app.service.id, &session.sid).await.map(Some)
}

/// Ends the session, then sends the browser to the upstreams that signed it in.
async fn close(cx: &mut Journey<'_>, app: &AppId, sid: &str) -> Result<Away, Box<Failure>> {
    let ended = session::end(cx, sid).await?;
    if let Some(login) = ended.as_ref().and_then(|ended| ended.sign_ins.values().next()) {
        cx.trace.login = Some(login.login);
    }
    cx.trace.step(Step::LogoutClosed, Facts::default());
    let Some(ended) = ended else {
        return Ok(Away::SignedOut(app.clone()));
    };
    let login = cx.trace.login.unwrap_or_else(|| LoginId::new(cx.entropy.bytes()));
    let remaining = ended.sign_ins.into_iter().map(|(name, sign_in)| (name, sign_in.id_token)).collect();
    next(cx, AwayLogout { app: app.clone(), login, remaining }).await
}

/// The browser is back from an upstream's logout with `state`.
pub async fn returned(cx: &mut Journey<'_>, state: Option<&str>) -> Result<Option<Away>, Box<Failure>> {
    let known = match state {
        Some(state) => cx.tables.away_logout.take(state.as_bytes(), cx.now()).await?,
        None => None,
    };
    let Some(away) = known else {
        // Some upstreams drop the state; our session is closed all the same.
        cx.trace.because(Step::LogoutReturned, reasons::server::LOGOUT_STATE, None, Facts::default());
        return Ok(None);
    };
    cx.trace.login = Some(away.login);
    cx.trace.app = Some(away.app.clone());
    cx.trace.step(Step::LogoutReturned, Facts::default());
    next(cx, away).await.map(Some)
}

async fn next(cx: &mut Journey<'_>, mut away: AwayLogout) -> Result<Away, Box<Failure>> {
    let parties = cx.parties;
    while let Some((name, id_token)) = away.remaining.pop() {
        let Some(upstream) = parties.upstream(&name) else { continue };
        let state = cx.entropy.hex64();
        let hint = Secret::new(id_token);
        if let Some(url) = upstream.logout_url(Some(&hint), &state, cx.clock, &cx.trace).await {
            cx.trace.upstream = Some(name);
            let now = cx.now();
            let expires = now.plus(cx.limits.login);
            cx.tables.away_logout.insert_new(state.as_bytes(), &away, expires, &[], now).await?;
            cx.trace.step(Step::LogoutUpstream, Facts::default());
            return Ok(Away::Redirect(url));
        }
    }
    Ok(Away::SignedOut(away.app))
}
