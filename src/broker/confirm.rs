//! The person's answer on the confirmation page.

use super::{Failure, Journey, Next, Outcome};
use crate::event::{Facts, Step, reasons};
use crate::login::{BrowserId, ConfirmLogin, LoginId};
use crate::message::PublicMessage;
use crate::outcome::{Declined, RefusalCode};
use crate::store::Spend;

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
    match cx.tables.confirm.spend(key, now).await? {
        Spend::Fresh(login) => {
            follow(cx, &login);
            cx.trace.step(Step::ConfirmationGiven, Facts::default());
            let ConfirmLogin { id, request, identity, .. } = login;
            let result = match decision {
                Decision::Continue => Ok(identity),
                Decision::Cancel => Err(cancelled()),
            };
            Ok(Confirmed::Next(Next::Answer(Box::new(Outcome { login: id, request, result }))))
        }
        Spend::Spent(login) if login.browser == browser => {
            follow(cx, &login);
            let app = login.request.app();
            let failure =
                Failure::new(PublicMessage::AlreadyAnswered, Some(app), reasons::broker::CONFIRMATION_SPENT);
            Ok(Confirmed::Again(login.id, failure))
        }
        Spend::Spent(_) | Spend::Absent => Err(forged()),
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
