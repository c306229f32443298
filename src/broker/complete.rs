//! The return from the upstream: its answer becomes an identity.

use super::answer::answer;
use super::handle::{Binding, Handle, Misbound};
use super::login::{Login, SignIn, Stage};
use super::requirements::{Standing, advance, question};
use super::{Failure, Journey, Next, Question};
use crate::event::{Facts, Step, reasons};
use crate::login::{BrowserId, Handshake};
use crate::message::PublicMessage;
use crate::outcome::Declined;
use crate::service::{ServiceId, UpstreamName};
use crate::store::Version;
use crate::upstream::{AuthorizationResponse, SignedIn};

/// Takes the authorization response that `browser` brought to the callback of `upstream`.
pub async fn complete(
    cx: &mut Journey<'_>,
    upstream: &UpstreamName,
    query: &str,
    browser: Option<BrowserId>,
) -> Result<Next, Box<Failure>> {
    let response = AuthorizationResponse::parse(query).map_err(|error| page_of(error.declined(), None))?;
    let (login, handshake, version) = match found(cx, response.state(), upstream, browser).await? {
        Found::OnItsWay(login, handshake, version) => (*login, handshake, version),
        Found::Asked(question) => return Ok(Next::Confirm(question)),
    };
    let elapsed_ms = u64::try_from(cx.now().since(login.started).as_millis()).ok();
    let id = login.service.clone();
    let service = cx.served(&id).await?;
    let registry = cx.registry;
    let upstream = registry
        .upstream(upstream)
        .ok_or_else(|| Failure::new(PublicMessage::Internal, Some(&id), reasons::broker::APP_GONE))?;
    let mut at = Standing::again(login, service, version);
    // From here on nobody else redeems this code, nor do we a second time.
    at.keep(cx, Stage::Redeeming { upstream: upstream.name().clone() }).await?;
    cx.trace.step(Step::UpstreamReturned, Facts { elapsed_ms, ..Facts::default() });
    match upstream.complete(&handshake, response, cx.entropy, cx.clock, cx.trace).await {
        Ok(signed_in) => {
            let SignedIn { identity, id_token, scopes } = signed_in;
            at.sign_in = Some(SignIn {
                identity,
                upstream: upstream.name().clone(),
                granted_scopes: scopes,
                login: at.login.id,
                session: None,
            });
            (at.id_token, at.fresh) = (Some(id_token), true);
            advance(cx, at).await
        }
        Err(error) => {
            let declined = error.declined();
            // Whoever may have been tricked into a mix-up learns nothing more from us.
            if matches!(declined.message, PublicMessage::UpstreamMixup | PublicMessage::UpstreamResponse) {
                // Its end: it counts against nobody any more.
                cx.records.logins.forget(at.login.id.as_bytes()).await?;
                return Err(page_of(declined, Some(&at.login.service)));
            }
            answer(cx, at, Err(declined)).await
        }
    }
}

fn page_of(declined: Declined, app: Option<&ServiceId>) -> Box<Failure> {
    let Declined { message, reason, facts, .. } = declined;
    let mut failure = Failure::new(message, app, reason);
    failure.facts = facts;
    failure
}

/// What `state` leads to.
enum Found {
    /// A login that comes back from the upstream.
    OnItsWay(Box<Login>, Handshake, Version),
    /// A login that came back before, and whose question is still open in this browser.
    Asked(Box<Question>),
}

/// The login that `state` leads to, where this browser brings it from `upstream`.
async fn found(
    cx: &mut Journey<'_>,
    state: &str,
    upstream: &UpstreamName,
    browser: Option<BrowserId>,
) -> Result<Found, Box<Failure>> {
    let unknown = || Failure::new(PublicMessage::UpstreamState, None, reasons::broker::STATE_UNKNOWN);
    let handle = Handle::parse(state).ok_or_else(unknown)?;
    let Some((mut login, version)) = cx.records.logins.read(handle.id().as_bytes(), cx.now()).await? else {
        return Err(answered(cx, &handle, browser).await?.unwrap_or_else(unknown));
    };
    let (known, asked, handshake) = match std::mem::replace(&mut login.stage, Stage::New) {
        Stage::AtUpstream { handle, upstream, handshake } => (handle, upstream, handshake),
        Stage::Confirming { sign_in, .. }
            if browser == Some(login.browser) && sign_in.upstream == *upstream =>
        {
            let question = question(cx, &login, &sign_in);
            follow(cx, &login);
            cx.trace.because(Step::ReturnRepeated, reasons::broker::STATE_REPEATED, None, Facts::default());
            return Ok(Found::Asked(Box::new(question)));
        }
        _ => return Err(spent(cx, &login, browser)),
    };
    let made = Binding { browser: Some(login.browser), party: Some(asked.as_str()) };
    let brought = Binding { browser, party: Some(upstream.as_str()) };
    let admitted = made.admits(&known, &handle, &brought);
    if admitted != Err(Misbound::OtherStep) {
        follow(cx, &login);
    }
    let service = Some(&login.service);
    match admitted {
        Ok(()) => Ok(Found::OnItsWay(Box::new(login), handshake, version)),
        Err(Misbound::NoCookie) => {
            Err(Failure::new(PublicMessage::Cookies, None, reasons::broker::NO_COOKIE))
        }
        Err(Misbound::OtherBrowser) => {
            Err(Failure::new(PublicMessage::UpstreamState, None, reasons::broker::OTHER_BROWSER))
        }
        Err(Misbound::OtherParty) => {
            Err(Failure::new(PublicMessage::UpstreamMixup, service, reasons::broker::OTHER_UPSTREAM))
        }
        Err(Misbound::OtherStep) => Err(unknown()),
    }
}

/// The login has gone on: whoever comes again ends on the right page.
fn spent(cx: &mut Journey<'_>, login: &Login, browser: Option<BrowserId>) -> Box<Failure> {
    let theirs = browser == Some(login.browser);
    if theirs {
        follow(cx, login);
    }
    let app = theirs.then_some(&login.service);
    Failure::new(PublicMessage::UpstreamState, app, reasons::broker::STATE_SPENT)
}

/// The login was answered.
async fn answered(
    cx: &mut Journey<'_>,
    handle: &Handle,
    browser: Option<BrowserId>,
) -> Result<Option<Box<Failure>>, Box<Failure>> {
    let found = cx.records.answered.read(handle.id().as_bytes(), cx.now()).await?;
    Ok(found.map(|(answered, _)| {
        let theirs = browser == Some(answered.browser);
        if theirs {
            cx.trace.set_login(handle.id());
        }
        if !theirs {
            return Failure::new(PublicMessage::UpstreamState, None, reasons::broker::STATE_SPENT);
        }
        let finished = PublicMessage::UpstreamRepeated;
        let mut repeated = Failure::new(finished, Some(&answered.service), reasons::broker::STATE_REPEATED);
        repeated.step = Step::ReturnRepeated;
        repeated
    }))
}

fn follow(cx: &mut Journey<'_>, login: &Login) {
    cx.trace.set_login(login.id);
    cx.trace.app = Some(login.service.clone());
}
