//! The end of a session: ours first, then each upstream's, by the browser.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::handle::{Binding, Handle, HandleDigest};
use super::person::{Person, owner};
use super::session::{self, SessionId, TRIES, contended};
use super::{Failure, Journey, Session};
use crate::event::{Facts, Step, reasons};
use crate::login::{BrowserId, LoginId};
use crate::message::PublicMessage;
use crate::secret::Secret;
use crate::service::{ServiceId, UpstreamName};
use crate::store::{Ceiling, Class, Kind, Record, Spec, StoreError, Version, fields_of};

/// A browser's logout under way: one at a time. No `Debug`: hints are inside.
#[derive(Clone, Serialize, Deserialize)]
pub struct Logout {
    /// The service that asked, whose button the last page shows.
    service: ServiceId,
    /// A login of the session, for the events.
    login: LoginId,
    /// Whose session it is; absent in records of an earlier release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<Person>,
    /// The handle in the form of the page that asked, if one did; itself, so that the same page in a second tab has it too.
    asked: Option<String>,
    /// Upstreams still to be told, with the `id_token` that each wants as a hint.
    remaining: Vec<(UpstreamName, Option<String>)>,
    /// Those that could not be told: they have no place for it, or it was not to be found.
    #[serde(default)]
    untold: BTreeSet<UpstreamName>,
    /// Where it stands.
    stage: Stage,
}

/// Where a logout stands.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// The person is asked whether to end this session.
    Asking(SessionId),
    /// The browser is at an upstream's logout.
    AtUpstream {
        /// The handle that travels as `state`.
        handle: HandleDigest,
        /// The upstream registration.
        upstream: UpstreamName,
        /// Where the browser was sent.
        location: String,
    },
    /// It is done.
    Done,
}

impl Logout {
    /// Whether `handle` is that of the page which asked.
    fn is_asked_by(&self, handle: &Handle, browser: BrowserId) -> bool {
        let Some(known) = self.asked.as_deref().and_then(Handle::parse) else { return false };
        let binding = || Binding { browser: Some(browser), party: None };
        binding().admits(&known.digest(), handle, &binding()).is_ok()
    }
}

impl Record for Logout {
    const KIND: Kind = Kind::new(&Spec {
        name: "logout",
        class: Class::Browser,
        is_mark: false,
        // One for each browser that has, or had a moment ago, a session.
        ceiling: Ceiling::Sessions,
        about: "a logout under way",
        personal: "the id_token that the provider wants as a hint",
        fields: fields_of::<Self>,
        longest: |lifetimes| lifetimes.login,
        ends: "by the browser's next logout",
    });
}

/// Where the browser goes once a session has ended.
pub enum Away {
    /// To an upstream's logout.
    Redirect(String),
    /// To our signed-out page, which names the upstreams whose own sessions may still be open.
    SignedOut(ServiceId, BTreeSet<UpstreamName>),
    /// To the question anew: that of the page is void, by its age, a restart or another session.
    AskAgain(ServiceId),
}

/// Asks the person whether to end `session`; returns the token of the page's form. A question that this browser had
/// before is replaced.
pub async fn ask(
    cx: &mut Journey<'_>,
    service: &ServiceId,
    session: &Session,
    browser: BrowserId,
) -> Result<String, Box<Failure>> {
    let login = login_of(cx, session);
    for _ in 0..TRIES {
        let (before, version) = read(cx, browser).await?.unzip();
        let same = |before: &&Logout| matches!(before.stage, Stage::Asking(asked) if asked == session.id);
        let token = before.as_ref().filter(same).and_then(|before| before.asked.clone());
        let token =
            token.unwrap_or_else(|| Handle::for_logout(browser, cx.entropy, cx.handle_key).base64url());
        let logout = Logout {
            service: service.clone(),
            login,
            person: Some(session.person),
            asked: Some(token.clone()),
            // What a logout before this one had still to tell is told by this one. And should we be killed once the
            // session has ended, the upstreams are told all the same.
            untold: before.as_ref().map(|before| before.untold.clone()).unwrap_or_default(),
            remaining: with(of_before(before), session),
            stage: Stage::Asking(session.id),
        };
        if keep(cx, browser, version, &logout).await? {
            cx.trace.step(Step::LogoutRequested, Facts::default());
            return Ok(token);
        }
    }
    Err(contended().into())
}

/// The upstreams still to be told, those of `session` last and so first to be told.
fn with(
    mut remaining: Vec<(UpstreamName, Option<String>)>,
    session: &Session,
) -> Vec<(UpstreamName, Option<String>)> {
    remaining.retain(|(name, _)| !session.sign_ins.contains_key(name) && !session.former.contains(name));
    // No hint of a former person passes through this browser: it may be a shared computer.
    remaining.extend(session.former.iter().map(|name| (name.clone(), None)));
    let own = session.sign_ins.iter();
    remaining.extend(own.map(|(name, vouched)| (name.clone(), Some(vouched.id_token.clone()))));
    remaining
}

/// Those upstreams without their hints, which may be another person's.
fn nameless(remaining: Vec<(UpstreamName, Option<String>)>) -> Vec<(UpstreamName, Option<String>)> {
    remaining.into_iter().map(|(name, _)| (name, None)).collect()
}

/// What the browser's logout before this one had still to tell.
fn of_before(before: Option<Logout>) -> Vec<(UpstreamName, Option<String>)> {
    before.map(|before| nameless(before.remaining)).unwrap_or_default()
}

/// Takes the form's `token`: the person said yes. A second click leads to the same place.
pub async fn confirmed(
    cx: &mut Journey<'_>,
    token: &str,
    service: &ServiceId,
    browser: BrowserId,
) -> Result<Away, Box<Failure>> {
    let forged = || Failure::new(PublicMessage::Csrf, Some(service), reasons::broker::CSRF);
    let handle = Handle::parse(token).ok_or_else(forged)?;
    let found = read(cx, browser).await?;
    // It ends this browser's session, whichever application's page asked; that one has the button at the end.
    let Some((mut logout, version)) = found.filter(|(logout, _)| logout.is_asked_by(&handle, browser)) else {
        return if handle.asks_to_end(browser, cx.handle_key) {
            Ok(Away::AskAgain(service.clone()))
        } else {
            Err(forged())
        };
    };
    match logout.stage {
        Stage::Asking(session) => {
            logout.service = service.clone();
            end(cx, logout, version, session, browser).await
        }
        Stage::AtUpstream { location, .. } => Ok(Away::Redirect(location)),
        Stage::Done => Ok(Away::SignedOut(logout.service, logout.untold)),
    }
}

/// Ends `session` at once, for `service`.
pub async fn close(
    cx: &mut Journey<'_>,
    service: &ServiceId,
    session: &Session,
    browser: BrowserId,
) -> Result<Away, Box<Failure>> {
    // Should we be killed once the session has ended, what is kept here leads the browser on.
    let token = ask(cx, service, session, browser).await?;
    confirmed(cx, &token, service, browser).await
}

/// Ends `session` where somebody else wishes to sign in. Its upstreams are told when this browser next signs out.
pub(super) async fn set_aside(
    cx: &mut Journey<'_>,
    service: &ServiceId,
    session: SessionId,
    browser: BrowserId,
) -> Result<(), Box<Failure>> {
    let found = cx.records.sessions.read(browser.as_bytes(), cx.now()).await?;
    let Some((there, _)) = found.filter(|(there, _)| there.id == session) else { return Ok(()) };
    ask(cx, service, &there, browser).await?;
    session::end(cx, browser, session).await?;
    Ok(())
}

/// Goes on with a logout of `browser` that was cut off once its session had ended; `None` where there is none.
pub async fn resumed(cx: &mut Journey<'_>, browser: BrowserId) -> Result<Option<Away>, Box<Failure>> {
    let Some((logout, version)) = read(cx, browser).await? else { return Ok(None) };
    let Stage::Asking(session) = logout.stage else { return Ok(None) };
    if cx.records.sessions.read(browser.as_bytes(), cx.now()).await?.is_some() {
        return Ok(None);
    }
    end(cx, logout, version, session, browser).await.map(Some)
}

fn login_of(cx: &Journey<'_>, session: &Session) -> LoginId {
    let first = session.sign_ins.values().next().map(|vouched| vouched.sign_in.login);
    first.unwrap_or_else(|| LoginId::new(cx.entropy.bytes()))
}

/// Ends the session, then sends the browser to the upstreams that signed it in.
async fn end(
    cx: &mut Journey<'_>,
    mut logout: Logout,
    version: Version,
    session: SessionId,
    browser: BrowserId,
) -> Result<Away, Box<Failure>> {
    let ended = session::end(cx, browser, session).await?;
    cx.trace.set_login(logout.login);
    cx.trace.step(Step::LogoutClosed, Facts::default());
    logout.remaining = match ended {
        Some(ended) => with(logout.remaining, &ended),
        // It ended before: in a step that was cut off, or because somebody else is here now.
        None if cx.records.sessions.read(browser.as_bytes(), cx.now()).await?.is_none() => logout.remaining,
        None => nameless(logout.remaining),
    };
    next(cx, logout, version, browser).await
}

/// The browser is back from the logout of `upstream` with `state`; `None` where that leads nowhere.
pub async fn returned(
    cx: &mut Journey<'_>,
    upstream: &UpstreamName,
    state: Option<&str>,
    browser: Option<BrowserId>,
) -> Result<Option<Away>, Box<Failure>> {
    let Some((logout, version, browser)) = known(cx, upstream, state, browser).await? else {
        cx.trace.because(Step::LogoutReturned, reasons::server::LOGOUT_STATE, None, Facts::default());
        return Ok(None);
    };
    cx.trace.set_login(logout.login);
    cx.trace.app = Some(logout.service.clone());
    cx.trace.step(Step::LogoutReturned, Facts::default());
    next(cx, logout, version, browser).await.map(Some)
}

/// The logout for which `browser` was sent to `upstream` with this `state`. Some upstreams drop it: then it is the logout
/// that is there, which tells its way to nobody else.
async fn known(
    cx: &Journey<'_>,
    upstream: &UpstreamName,
    state: Option<&str>,
    browser: Option<BrowserId>,
) -> Result<Option<(Logout, Version, BrowserId)>, Box<Failure>> {
    let Some(browser) = browser else { return Ok(None) };
    Ok(read(cx, browser).await?.and_then(|(logout, version)| {
        let Stage::AtUpstream { handle: known, upstream: asked, .. } = &logout.stage else { return None };
        let made = Binding { browser: Some(browser), party: Some(asked.as_str()) };
        let brought = Binding { browser: Some(browser), party: Some(upstream.as_str()) };
        let theirs = match state {
            None => asked == upstream,
            Some(state) => made.admits(known, &Handle::parse(state)?, &brought).is_ok(),
        };
        theirs.then_some((logout, version, browser))
    }))
}

/// To the next upstream, or to the end. Of two requests at once, one leads there, and the other follows.
async fn next(
    cx: &mut Journey<'_>,
    mut logout: Logout,
    version: Version,
    browser: BrowserId,
) -> Result<Away, Box<Failure>> {
    let away = to_upstream(cx, &mut logout).await;
    if away.is_none() {
        logout.stage = Stage::Done;
    }
    let mut version = Some(version);
    for _ in 0..TRIES {
        if keep(cx, browser, version, &logout).await? {
            let Some(location) = away else { return Ok(Away::SignedOut(logout.service, logout.untold)) };
            cx.trace.step(Step::LogoutUpstream, Facts::default());
            return Ok(Away::Redirect(location));
        }
        let found = read(cx, browser).await?;
        match found.as_ref().map(|(found, _)| &found.stage) {
            Some(Stage::AtUpstream { location, .. }) => return Ok(Away::Redirect(location.clone())),
            Some(Stage::Done) => return Ok(Away::SignedOut(logout.service, logout.untold)),
            // Another page asked meanwhile: its button leads here too.
            Some(Stage::Asking(_)) | None => {}
        }
        version = found.as_ref().map(|(_, version)| *version);
        logout.asked = found.and_then(|(found, _)| found.asked);
    }
    Err(contended().into())
}

/// The logout of the next upstream that has one.
async fn to_upstream(cx: &mut Journey<'_>, logout: &mut Logout) -> Option<String> {
    let registry = cx.registry;
    while let Some((name, id_token)) = logout.remaining.pop() {
        let Some(upstream) = registry.upstream(&name) else { continue };
        let handle = Handle::new(logout.login, cx.entropy);
        let (state, hint) = (hex::encode(handle.bytes()), id_token.map(Secret::new));
        logout.untold.remove(&name);
        if let Some(url) = upstream.logout_url(hint.as_ref(), &state, cx.clock, cx.trace).await {
            cx.trace.upstream = Some(name.clone());
            let location = String::from(url);
            logout.stage =
                Stage::AtUpstream { handle: handle.digest(), upstream: name, location: location.clone() };
            return Some(location);
        }
        cx.trace.upstream = Some(name.clone());
        cx.trace.because(Step::LogoutUpstream, reasons::server::LOGOUT_UNTOLD, None, Facts::default());
        logout.untold.insert(name);
    }
    None
}

async fn read(cx: &Journey<'_>, browser: BrowserId) -> Result<Option<(Logout, Version)>, StoreError> {
    cx.records.logouts.read(browser.as_bytes(), cx.now()).await
}

/// Keeps `logout` in place of what was read as `version`, or where nothing was; tells whether it did.
async fn keep(
    cx: &Journey<'_>,
    browser: BrowserId,
    version: Option<Version>,
    logout: &Logout,
) -> Result<bool, StoreError> {
    let (key, now) = (browser.as_bytes(), cx.now());
    let (table, expires) = (&cx.records.logouts, now.plus(cx.limits.login));
    let share = cx.limits.of_person();
    let owners: Vec<_> = logout.person.iter().map(|person| owner(person).within(share)).collect();
    if let Some(version) = version {
        return Ok(table.replace_if(key, version, logout, expires, &owners, now).await?.is_some());
    }
    table.insert_new(key, logout, expires, &owners, now).await
}
