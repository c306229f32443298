//! What a `state` leads to: a login on its way back, or one that came back before.

use super::answer::again;
use super::handle::{Binding, Handle, Misbound};
use super::login::{Login, Stage};
use super::requirements::question;
use super::{Failure, Journey, Next, Visitor};
use crate::event::{Facts, Step, reasons};
use crate::login::Handshake;
use crate::message::PublicMessage;
use crate::service::UpstreamName;
use crate::store::Version;

/// What `state` leads to.
pub(super) enum Found {
    /// A login that comes back from the upstream.
    OnItsWay(Box<Login>, Handshake, Version),
    /// A login that came back before; whoever it was for sees the same once more.
    Before(Next),
}

/// The login that `state` leads to, where this visitor brings it from `upstream`.
pub(super) async fn found(
    cx: &mut Journey<'_>,
    state: &str,
    upstream: &UpstreamName,
    visitor: Visitor,
) -> Result<Found, Box<Failure>> {
    let unknown = || Failure::new(PublicMessage::UpstreamState, None, reasons::broker::STATE_UNKNOWN);
    let handle = Handle::parse(state).ok_or_else(unknown)?;
    let Some((mut login, version)) = cx.records.logins.read(handle.id().as_bytes(), cx.now()).await? else {
        return answered(cx, &handle, visitor).await?.ok_or_else(unknown);
    };
    let browser = visitor.browser;
    let (known, asked, handshake) = match std::mem::replace(&mut login.stage, Stage::New) {
        Stage::AtUpstream { handle, upstream, handshake, .. } => (handle, upstream, handshake),
        // Whoever began the login knows its state, and may have planted the cookie: the person is named to their own session.
        Stage::Confirming { sign_in, .. }
            if browser == Some(login.browser)
                && visitor.is_in(sign_in.session)
                && sign_in.upstream == *upstream =>
        {
            let question = question(cx, &login, &sign_in);
            follow(cx, &login);
            cx.trace.because(Step::ReturnRepeated, reasons::broker::STATE_REPEATED, None, Facts::default());
            return Ok(Found::Before(Next::Confirm(Box::new(question))));
        }
        _ => return Err(spent(cx, &login, visitor)),
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
fn spent(cx: &mut Journey<'_>, login: &Login, visitor: Visitor) -> Box<Failure> {
    let theirs = visitor.browser == Some(login.browser);
    if theirs {
        follow(cx, login);
    }
    let app = theirs.then_some(&login.service);
    Failure::new(PublicMessage::UpstreamState, app, reasons::broker::STATE_SPENT)
}

/// The login was answered: the same answer again, for whoever may have it; `None` where nothing is known of it.
async fn answered(
    cx: &mut Journey<'_>,
    handle: &Handle,
    visitor: Visitor,
) -> Result<Option<Found>, Box<Failure>> {
    let id = handle.id();
    let Some((answered, _)) = cx.records.answered.read(id.as_bytes(), cx.now()).await? else {
        return Ok(None);
    };
    if visitor.browser != Some(answered.browser) {
        return Err(Failure::new(PublicMessage::UpstreamState, None, reasons::broker::STATE_SPENT));
    }
    cx.trace.set_login(id);
    if let Some(location) = again(cx, id, visitor).await? {
        cx.trace.because(Step::ReturnRepeated, reasons::broker::STATE_REPEATED, None, Facts::default());
        return Ok(Some(Found::Before(Next::Redirect(location))));
    }
    let finished = PublicMessage::UpstreamRepeated;
    let mut repeated = Failure::new(finished, Some(&answered.service), reasons::broker::STATE_REPEATED);
    repeated.step = Step::ReturnRepeated;
    Err(repeated)
}

fn follow(cx: &mut Journey<'_>, login: &Login) {
    cx.trace.set_login(login.id);
    cx.trace.app = Some(login.service.clone());
}
