//! The person's answer on the confirmation page.

use super::finish::used;
use super::{Failure, Journey, Next, Outcome};
use crate::event::{Facts, Step, reasons};
use crate::login::{BrowserId, ConfirmLogin, LoginId};
use crate::message::PublicMessage;
use crate::outcome::{Declined, RefusalCode};

/// What the person chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// To be signed in.
    Continue,
    /// Not to.
    Cancel,
}

/// What a confirmation leads to.
pub enum Confirmed {
    /// The application's protocol answers.
    Next(Next),
    /// The form was sent before: the same answer again, if it is still at hand.
    Again(LoginId, Box<Failure>),
}

/// Takes the form's `token` and the person's decision.
pub async fn confirm(
    cx: &mut Journey<'_>,
    token: &str,
    decision: Decision,
    browser: BrowserId,
) -> Result<Confirmed, Box<Failure>> {
    let now = cx.now();
    let forged = || Failure::new(PublicMessage::Csrf, None, reasons::broker::CSRF);
    let key = token.as_bytes();
    // Looked at first, so that another browser cannot use it up.
    if cx.tables.confirm.read(key, now).await?.is_some_and(|(login, _)| login.browser != browser) {
        return Err(forged());
    }
    if let Some(login) = cx.tables.confirm.take(key, now).await? {
        follow(cx, &login);
        used(cx, token, login.id, login.request.app(), login.browser).await?;
        cx.trace.step(Step::ConfirmationGiven, Facts::default());
        let ConfirmLogin { id, request, identity, .. } = login;
        let result = match decision {
            Decision::Continue => Ok(identity),
            Decision::Cancel => Err(cancelled()),
        };
        return Ok(Confirmed::Next(Next::Answer(Box::new(Outcome { login: id, request, result }))));
    }
    match cx.tables.used.read(key, now).await? {
        Some((used, _)) if used.browser == browser => {
            cx.trace.login = Some(used.login);
            cx.trace.app = Some(used.app.clone());
            let message = PublicMessage::AlreadyAnswered;
            let failure = Failure::new(message, Some(&used.app), reasons::broker::CONFIRMATION_SPENT);
            Ok(Confirmed::Again(used.login, failure))
        }
        Some(_) | None => Err(forged()),
    }
}

fn follow(cx: &mut Journey<'_>, login: &ConfirmLogin) {
    cx.trace.login = Some(login.id);
    cx.trace.app = Some(login.request.app().clone());
    cx.trace.upstream = Some(login.upstream.clone());
}

fn cancelled() -> Declined {
    Declined {
        code: RefusalCode::AccessDenied,
        message: PublicMessage::AccessDenied,
        reason: reasons::broker::CANCELLED,
        facts: Facts::default(),
    }
}
