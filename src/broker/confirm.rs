//! The person's answer on the confirmation page.

use super::answer::{answer, while_good};
use super::handle::{Binding, Handle};
use super::login::{Login, SignIn, Stage};
use super::requirements::{Standing, advance};
use super::{Failure, Journey, Next, logout};
use crate::event::{Facts, Step, reasons};
use crate::login::BrowserId;
use crate::message::PublicMessage;
use crate::outcome::{Declined, RefusalCode};
use crate::service::ServiceId;
use crate::store::Version;

/// What the person chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To be signed in.
    Continue,
    /// Not to.
    Cancel,
    /// Somebody else wishes to be.
    Other,
}

/// Takes the form's `token` and the person's decision.
pub async fn confirm(
    cx: &mut Journey<'_>,
    token: &str,
    decision: Decision,
    browser: BrowserId,
) -> Result<Next, Box<Failure>> {
    let forged = || Failure::new(PublicMessage::Csrf, None, reasons::broker::CSRF);
    let handle = Handle::parse(token).ok_or_else(forged)?;
    let Some((mut login, version)) = cx.records.logins.read(handle.id().as_bytes(), cx.now()).await? else {
        return sent_before(cx, &handle, browser).await;
    };
    let (known, sign_in) = match login.stage {
        Stage::Confirming { handle: known, sign_in } => (known, sign_in),
        // The other one of two clicks went on to the upstream.
        Stage::AtUpstream { by: Some(by), .. }
            if by.handle == handle.digest() && login.browser == browser =>
        {
            return Ok(Next::Redirect(by.location));
        }
        _ if handle.is_made_for(browser, cx.handle_key) => return Err(sent(&login.service)),
        _ => return Err(forged()),
    };
    login.stage = Stage::New;
    let made = Binding { browser: Some(login.browser), party: None };
    let brought = Binding { browser: Some(browser), party: None };
    made.admits(&known, &handle, &brought).map_err(|_| forged())?;
    cx.trace.set_login(login.id);
    cx.trace.app = Some(login.service.clone());
    cx.trace.upstream = Some(sign_in.upstream.clone());
    let mut at = standing(cx, login, version).await?;
    (at.page, at.confirmed) = (Some(known), Some(known));
    match decision {
        Decision::Cancel => return answer(cx, at, Err(cancelled())).await,
        Decision::Other => leave_to_another(cx, &mut at, &sign_in).await?,
        Decision::Continue => {
            cx.trace.step(Step::ConfirmationGiven, Facts::default());
            at.sign_in = Some(sign_in);
        }
    }
    advance(cx, at).await
}

/// The session of whoever the page named ends, and the upstream is asked for a fresh sign-in.
async fn leave_to_another(
    cx: &mut Journey<'_>,
    at: &mut Standing<'_>,
    sign_in: &SignIn,
) -> Result<(), Box<Failure>> {
    (at.login.reauthenticate, at.confirmed) = (true, None);
    if let Some(session) = sign_in.session {
        logout::set_aside(cx, &at.login.service, session, at.login.browser).await?;
    }
    Ok(())
}

async fn standing<'a>(
    cx: &Journey<'_>,
    login: Login,
    version: Version,
) -> Result<Standing<'a>, Box<Failure>> {
    let service = cx.served(&login.service).await?;
    Ok(Standing::again(login, service, version))
}

/// The form was sent before, or was open for too long: the same address again, while it is good.
async fn sent_before(
    cx: &mut Journey<'_>,
    handle: &Handle,
    browser: BrowserId,
) -> Result<Next, Box<Failure>> {
    let known = cx.records.answered.read(handle.id().as_bytes(), cx.now()).await?;
    let service = match known {
        Some((answered, _)) if answered.browser == browser && answered.handle == Some(handle.digest()) => {
            cx.trace.set_login(handle.id());
            cx.trace.app = Some(answered.service.clone());
            if let Some(location) = while_good(cx, handle.id(), &answered).await? {
                if let Some(front) = cx.registry.front(&answered.front) {
                    front.repeated(cx, &location);
                }
                return Ok(Next::Redirect(location));
            }
            answered.service
        }
        // Answered a while ago, too old, or lost in a restart: nothing tells which.
        _ if handle.is_made_for(browser, cx.handle_key) => return Err(gone()),
        _ => return Err(Failure::new(PublicMessage::Csrf, None, reasons::broker::CSRF)),
    };
    Err(sent(&service))
}

fn gone() -> Box<Failure> {
    Failure::new(PublicMessage::UpstreamState, None, reasons::broker::CONFIRMATION_SPENT)
}

fn sent(service: &ServiceId) -> Box<Failure> {
    Failure::new(PublicMessage::AlreadyAnswered, Some(service), reasons::broker::CONFIRMATION_SPENT)
}

fn cancelled() -> Declined {
    Declined {
        code: RefusalCode::AccessDenied,
        message: PublicMessage::AccessDenied,
        reason: reasons::broker::CANCELLED,
        facts: Facts::default(),
    }
}
