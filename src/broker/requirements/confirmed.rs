//! Nobody is signed in against their will: the person said yes, unless nobody need be asked.

use async_trait::async_trait;

use super::{Requirement, Standing, Verdict};
use crate::broker::{Failure, Handle, Journey, Login, Next, Question, SignIn, Stage};
use crate::event::{Facts, Step, reasons};
use crate::message::PublicMessage;
use crate::outcome::{Declined, RefusalCode};
use crate::service::{Prompt, Sso};

pub(super) struct Confirmed;

#[async_trait]
impl Requirement for Confirmed {
    async fn check(&self, cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>> {
        let Some(sign_in) = at.sign_in.clone().filter(|_| at.confirmed.is_none()) else {
            return Ok(Verdict::Met);
        };
        let asked = asked_already(cx, at, &sign_in);
        if !asked && at.login.demand.prompt == Some(Prompt::None) {
            return Ok(Verdict::Declined(Box::new(login_required())));
        }
        if !at.fresh {
            let acr = sign_in.identity.acr.as_ref().map(|acr| acr.0.clone());
            cx.trace.step(Step::SessionReused, Facts { acr, ..Facts::default() });
        }
        if asked { Ok(Verdict::Met) } else { ask(cx, at, sign_in).await }
    }
}

/// Whether the service wants no page, or the person acted at the upstream for this very request: it shows a page each
/// time, or it was asked for a fresh sign-in and has proved one (`level` has judged it).
fn asked_already(cx: &Journey<'_>, at: &Standing<'_>, sign_in: &SignIn) -> bool {
    let silent = at.service.sso == Sso::Silent;
    let consent = at.login.demand.prompt == Some(Prompt::Consent);
    let Some(upstream) = cx.registry.upstream(&sign_in.upstream).filter(|_| at.fresh) else {
        return silent && !consent;
    };
    // A consent that the upstream was not asked for is asked for here.
    if consent && !upstream.takes_prompt(Prompt::Consent) {
        return false;
    }
    silent || upstream.always_asks() || (at.login.reauthenticate && upstream.tells_auth_time())
}

/// Puts the question to the person; the login waits for the page's form.
async fn ask(cx: &mut Journey<'_>, at: &mut Standing<'_>, sign_in: SignIn) -> Result<Verdict, Box<Failure>> {
    let handle = Handle::for_page(at.login.id, at.login.browser, cx.handle_key);
    let question = question(cx, &at.login, &sign_in);
    at.keep(cx, Stage::Confirming { handle: handle.digest(), sign_in }).await?;
    cx.trace.step(Step::ConfirmationShown, Facts::default());
    Ok(Verdict::Unmet(Next::Confirm(Box::new(question))))
}

/// What the page asks about `login`: the same each time, while it waits for the form.
pub(in crate::broker) fn question(cx: &Journey<'_>, login: &Login, sign_in: &SignIn) -> Question {
    Question {
        token: Handle::for_page(login.id, login.browser, cx.handle_key).base64url(),
        app: login.service.clone(),
        identity: sign_in.identity.clone(),
        upstream: sign_in.upstream.clone(),
        fresh: sign_in.login == login.id,
        ui_locales: login.demand.ui_locales.clone(),
    }
}

/// A page would be due, and `prompt=none` forbids it (OpenID Connect Core, section 3.1.2.6).
pub(super) fn login_required() -> Declined {
    Declined {
        code: RefusalCode::LoginRequired,
        message: PublicMessage::AccessDenied,
        reason: reasons::broker::LOGIN_REQUIRED,
        facts: Facts::default(),
    }
}
