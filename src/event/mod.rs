//! What an operator may need, said once: one typed event per step of a login.
//!
//! An event carries the login's id from `/idp` to delivery and logout, the caller's address, and a closed
//! set of [`Facts`]. Nothing personal and nothing secret has a place in it: no `msg`, `info`, reference,
//! token, code, `state`, `nonce` or claim value. Where something failed, the [`Reason`] says exactly why and
//! the support code is the one that the person was shown.

pub mod reasons;
mod render;

use std::sync::{Arc, Mutex, PoisonError};

use crate::login::LoginId;
use crate::message::SupportCode;
use crate::peer::Peer;
use crate::service::{AppId, UpstreamName};

pub use reasons::Reason;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A detail.
    Debug,
    /// The normal course of things, a person's refusal included.
    Info,
    /// Somebody outside is wrong.
    Warn,
    /// The operator must act.
    Error,
}

/// The part of the relay that speaks; also the log target `relais::<area>`, for a level of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The legacy protocol.
    Legacy,
    /// The journey of a login.
    Broker,
    /// The relay as relying party.
    Upstream,
    /// Browser sessions.
    Session,
    /// Process, listeners, configuration, limits.
    Server,
}

/// The steps. The dotted name is stable: operators filter on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A message opened and was accepted.
    LegacyRequestAccepted,
    /// A message was refused.
    LegacyRequestRefused,
    /// Something about an accepted message deserves the operator's eye.
    LegacyRequestNoted,
    /// A sealed identity was issued to the application.
    LegacyAnswerIssued,
    /// The same bytes were sent again to the browser that had them.
    LegacyAnswerRepeated,
    /// A sealed refusal was issued to the application.
    LegacyRefusalIssued,
    /// A reference was exchanged for its answer.
    LegacyClaimed,
    /// A claim was refused.
    LegacyClaimRefused,
    /// The browser was sent to the upstream.
    UpstreamRedirected,
    /// The browser came back.
    UpstreamReturned,
    /// The upstream's answer was refused.
    UpstreamRefused,
    /// The token endpoint answered.
    UpstreamToken,
    /// The `id_token` is valid.
    UpstreamIdToken,
    /// The userinfo endpoint answered.
    UpstreamUserinfo,
    /// An upstream's keys were fetched.
    UpstreamJwks,
    /// An upstream's metadata was fetched, or could not be.
    UpstreamDiscovery,
    /// A session at the relay serves the login.
    SessionReused,
    /// A person signed in, and a session holds it.
    SessionSignedIn,
    /// A session ended.
    SessionEnded,
    /// The person was asked to confirm.
    ConfirmationShown,
    /// The person confirmed.
    ConfirmationGiven,
    /// A login ended without an answer.
    LoginFailed,
    /// A logout was asked for.
    LogoutRequested,
    /// The browser was sent to the upstream's logout.
    LogoutUpstream,
    /// The browser came back from the upstream's logout.
    LogoutReturned,
    /// A request was refused before it meant anything.
    RequestRefused,
    /// The process started to serve.
    ServerStarted,
    /// The process stops.
    ServerStopping,
    /// A weak choice stands in the configuration.
    ServerWarning,
    /// The store failed.
    StoreFailed,
}

impl Step {
    /// The stable name, and the area that it belongs to.
    pub fn name(self) -> (&'static str, Area) {
        use Area::{Broker, Legacy, Server, Session, Upstream};
        match self {
            Self::LegacyRequestAccepted => ("legacy.request.accepted", Legacy),
            Self::LegacyRequestRefused => ("legacy.request.refused", Legacy),
            Self::LegacyRequestNoted => ("legacy.request.noted", Legacy),
            Self::LegacyAnswerIssued => ("legacy.answer.issued", Legacy),
            Self::LegacyAnswerRepeated => ("legacy.answer.repeated", Legacy),
            Self::LegacyRefusalIssued => ("legacy.refusal.issued", Legacy),
            Self::LegacyClaimed => ("legacy.claimed", Legacy),
            Self::LegacyClaimRefused => ("legacy.claim.refused", Legacy),
            Self::UpstreamRedirected => ("upstream.redirected", Upstream),
            Self::UpstreamReturned => ("upstream.returned", Upstream),
            Self::UpstreamRefused => ("upstream.refused", Upstream),
            Self::UpstreamToken => ("upstream.token", Upstream),
            Self::UpstreamIdToken => ("upstream.id_token", Upstream),
            Self::UpstreamUserinfo => ("upstream.userinfo", Upstream),
            Self::UpstreamJwks => ("upstream.jwks", Upstream),
            Self::UpstreamDiscovery => ("upstream.discovery", Upstream),
            Self::SessionReused => ("session.reused", Session),
            Self::SessionSignedIn => ("session.signed_in", Session),
            Self::SessionEnded => ("session.ended", Session),
            Self::ConfirmationShown => ("broker.confirmation.shown", Broker),
            Self::ConfirmationGiven => ("broker.confirmation.given", Broker),
            Self::LoginFailed => ("broker.login.failed", Broker),
            Self::LogoutRequested => ("broker.logout.requested", Broker),
            Self::LogoutUpstream => ("broker.logout.upstream", Broker),
            Self::LogoutReturned => ("broker.logout.returned", Broker),
            Self::RequestRefused => ("server.request.refused", Server),
            Self::ServerStarted => ("server.started", Server),
            Self::ServerStopping => ("server.stopping", Server),
            Self::ServerWarning => ("server.warning", Server),
            Self::StoreFailed => ("server.store.failed", Server),
        }
    }
}

/// Everything that an event may carry besides who and where. All optional, none personal.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Seconds by which a time differs from ours; positive is the future.
    pub offset_s: Option<i64>,
    /// An HTTP status received.
    pub status: Option<u16>,
    /// Time taken, in milliseconds.
    pub elapsed_ms: Option<u64>,
    /// A length, in bytes or characters.
    pub length: Option<usize>,
    /// How many (sessions alive, logins in flight, attempts).
    pub count: Option<u64>,
    /// A signature or encryption algorithm (RFC 7518).
    pub alg: Option<String>,
    /// A key id (RFC 7515, section 4.1.4).
    pub kid: Option<String>,
    /// Level asked.
    pub acr_asked: Option<String>,
    /// Level reached.
    pub acr: Option<String>,
    /// Names of claims or parameters, never values.
    pub names: Option<String>,
    /// The wire of a legacy application.
    pub wire: Option<&'static str>,
    /// An OAuth or OpenID error code, already matched to its grammar.
    pub error: Option<String>,
    /// The technical cause, a chain of fixed texts and library errors.
    pub cause: Option<String>,
    /// An address of ours or of a configured peer: scheme, host, port, path.
    pub url: Option<String>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub step: Step,
    /// How much it matters.
    pub level: Level,
    /// The login it belongs to.
    pub login: Option<LoginId>,
    /// The application concerned.
    pub app: Option<AppId>,
    /// The upstream registration concerned.
    pub upstream: Option<UpstreamName>,
    /// Why, where something failed.
    pub reason: Option<Reason>,
    /// The code that the person was shown.
    pub code: Option<SupportCode>,
    /// Who called.
    pub peer: Option<Peer>,
    /// The rest.
    pub facts: Facts,
}

/// Where an `App` says its events. Clones share the sink.
#[derive(Clone)]
pub struct Events(Arc<dyn Sink>);

/// Receives events.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn accept(&self, event: &Event);
}

impl Events {
    /// Says events to `sink`.
    pub fn to(sink: impl Sink + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Says events as lines of the log, through `tracing`.
    pub fn log() -> Self {
        Self::to(render::Log)
    }

    /// Says one event.
    pub fn say(&self, event: &Event) {
        self.0.accept(event);
    }
}

/// Keeps events in memory, for tests.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Event>>>);

impl Recorder {
    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the events so far.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Sink for Recorder {
    fn accept(&self, event: &Event) {
        render::Log.accept(event);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}

/// The thread of one request through the modules: who it is about, and where to say it.
#[derive(Clone)]
pub struct Trace {
    events: Events,
    /// Who called.
    pub peer: Option<Peer>,
    /// The login, once there is one.
    pub login: Option<LoginId>,
    /// The application, once it is known.
    pub app: Option<AppId>,
    /// The upstream registration, once it is known.
    pub upstream: Option<UpstreamName>,
}

impl Trace {
    /// A thread for a request of `peer`.
    pub fn new(events: Events, peer: Option<Peer>) -> Self {
        Self { events, peer, login: None, app: None, upstream: None }
    }

    /// Says that `step` was reached in the normal course.
    pub fn step(&self, step: Step, facts: Facts) {
        self.say(step, Level::Info, None, None, facts);
    }

    /// Says that `step` was reached because of `reason`, at the reason's own level.
    pub fn because(&self, step: Step, reason: Reason, code: Option<SupportCode>, facts: Facts) {
        self.say(step, reason.level(), Some(reason), code, facts);
    }

    fn say(&self, step: Step, level: Level, reason: Option<Reason>, code: Option<SupportCode>, facts: Facts) {
        self.events.say(&Event {
            step,
            level,
            login: self.login,
            app: self.app.clone(),
            upstream: self.upstream.clone(),
            reason,
            code,
            peer: self.peer.clone(),
            facts,
        });
    }
}
