//! What an operator may need, said once: one typed event per step of a login.
//!
//! An event carries the login's id from `/idp` to delivery and logout, the caller's address, and a closed
//! set of [`Facts`]. Nothing personal and nothing secret has a place in it: no `msg`, `info`, reference,
//! token, code, `state`, `nonce` or claim value. Where something failed, the [`Reason`] says exactly why and
//! the support code is the one that the person was shown.

mod fields;
mod handle;
pub mod kif;
mod layout;
pub mod reasons;
mod sampling;
mod trace;

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::login::LoginId;
use crate::message::SupportCode;
use crate::peer::Peer;
use crate::service::{ServiceId, UpstreamName};

pub use handle::{Sealed, SessionHandle};
pub use layout::{Form, Layout, SpanFields};
pub use reasons::Reason;
use sampling::Sampling;
pub use trace::Trace;

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

macro_rules! steps {
    ($($step:ident = $area:ident, $name:literal, $about:literal;)*) => {
        /// The steps. The dotted name is stable: operators filter on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Step {
            $(#[doc = $about] $step,)*
        }

        impl Step {
            /// Every step.
            pub const ALL: &[Self] = &[$(Self::$step),*];

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$step => $name),* }
            }

            /// The area that it belongs to.
            pub fn area(self) -> Area {
                match self { $(Self::$step => Area::$area),* }
            }

            /// What happened.
            pub fn about(self) -> &'static str {
                match self { $(Self::$step => $about),* }
            }
        }
    };
}

#[rustfmt::skip]
steps! {
    LegacyRequestAccepted = Legacy, "legacy.request.accepted", "A message opened and was accepted.";
    LegacyRequestRefused = Legacy, "legacy.request.refused", "A message was refused.";
    LegacyRequestNoted = Legacy, "legacy.request.noted", "Something about an accepted message deserves the operator's eye.";
    LegacyAnswerIssued = Legacy, "legacy.answer.issued", "A sealed identity was issued to the application.";
    LegacyAnswerRepeated = Legacy, "legacy.answer.repeated", "The same answer was sent again to the same browser.";
    LegacyRefusalIssued = Legacy, "legacy.refusal.issued", "A sealed refusal was issued to the application.";
    LegacyClaimed = Legacy, "legacy.claimed", "A reference was exchanged for its answer.";
    LegacyClaimRefused = Legacy, "legacy.claim.refused", "A claim was refused.";
    UpstreamRedirected = Upstream, "upstream.redirected", "The browser was sent to the upstream.";
    UpstreamReturned = Upstream, "upstream.returned", "The browser came back.";
    UpstreamRefused = Upstream, "upstream.refused", "The upstream's answer was refused.";
    UpstreamToken = Upstream, "upstream.token", "The token endpoint answered.";
    UpstreamIdToken = Upstream, "upstream.id_token", "The `id_token` is valid.";
    UpstreamUserinfo = Upstream, "upstream.userinfo", "The userinfo endpoint answered.";
    UpstreamJwks = Upstream, "upstream.jwks", "An upstream's keys were fetched.";
    UpstreamDiscovery = Upstream, "upstream.discovery", "An upstream's metadata was fetched, or could not be.";
    SessionReused = Session, "session.reused", "A session at the relay serves the login.";
    SessionSignedIn = Session, "session.signed_in", "A person signed in, and a session holds it.";
    SessionEnded = Session, "session.ended", "A session ended.";
    SessionExpired = Session, "session.expired", "A session that nobody used any more was cleared away.";
    ConfirmationShown = Broker, "broker.confirmation.shown", "The person was asked to confirm.";
    ConfirmationGiven = Broker, "broker.confirmation.given", "The person confirmed.";
    LoginFailed = Broker, "broker.login.failed", "A login ended without an answer.";
    ReturnRepeated = Broker, "broker.return.repeated", "A browser opened the way back from the upstream again, whose login it has brought back before.";
    LogoutRequested = Broker, "broker.logout.requested", "A logout was asked for.";
    LogoutClosed = Broker, "broker.logout.closed", "A logout was carried out here: the session has ended, or there was none.";
    LogoutUpstream = Broker, "broker.logout.upstream", "The browser was sent to the upstream's logout.";
    LogoutReturned = Broker, "broker.logout.returned", "The browser came back from the upstream's logout.";
    HomeShown = Server, "server.home.shown", "The relay's own page was shown.";
    RequestRefused = Server, "server.request.refused", "A request was refused before it meant anything.";
    RequestNoted = Server, "server.request.noted", "Something about a request deserves the operator's eye; it was served.";
    ServerStarted = Server, "server.started", "The process serves: every listener takes connections.";
    ServerReloaded = Server, "server.reloaded", "The configuration was read anew and is in force; or, with a reason, the old one stays.";
    ServerStopping = Server, "server.stopping", "The process stops.";
    ServerWarning = Server, "server.warning", "A weak or doubtful choice stands in the configuration.";
    KeyMade = Server, "server.key.made", "A key was made and published, or an announced one came into use at once.";
    KeyRevoked = Server, "server.key.revoked", "An operator ended a key.";
    StoreFailed = Server, "server.store.failed", "The store failed.";
    Panicked = Server, "server.panicked", "A request hit a defect of ours; it got the page of an internal error, and nobody else noticed.";
    EventsLeftOut = Server, "server.events.left_out", "After a burst from one address, so many events (`count`) of one reason were left out; `names` has their name.";
    LogLost = Server, "server.log.lost", "Nobody read the log for a while, and so many lines were lost.";
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
    /// Names of claims, parameters, events or hosts, never values.
    pub names: Option<String>,
    /// The wire of a legacy application.
    pub wire: Option<&'static str>,
    /// The error code that the application got (OAuth, OpenID).
    pub error: Option<String>,
    /// The error code that the upstream sent, already matched to its grammar.
    pub upstream_error: Option<String>,
    /// What the upstream said of its error, for the operator alone.
    pub upstream_description: Option<String>,
    /// The technical cause, a chain of fixed texts and library errors.
    pub cause: Option<String>,
    /// An address of ours or of a configured peer: scheme, host, port, path.
    pub url: Option<String>,
    /// The sealed text that a browser brought, told by its length and digest.
    pub sealed: Option<Sealed>,
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
    /// The browser session concerned.
    pub session: Option<SessionHandle>,
    /// The application concerned.
    pub app: Option<ServiceId>,
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
pub struct Events {
    sink: Arc<dyn Sink>,
    sampling: Option<Arc<Sampling>>,
}

/// Receives events.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn accept(&self, event: &Event);

    /// Whether anything becomes of an event of this area and level.
    fn hears(&self, _area: Area, _level: Level) -> bool {
        true
    }
}

impl Events {
    /// Says events to `sink`.
    pub fn to(sink: impl Sink + 'static) -> Self {
        Self { sink: Arc::new(sink), sampling: None }
    }

    /// Says events as lines of the log, through `tracing`; a [`Layout`] of the same form writes them.
    pub fn log(form: Form) -> Self {
        Self::to(layout::Log(form))
    }

    /// The same sink, which gets at most `burst` events a minute of one reason and one address, where whoever likes can
    /// cause them; of the others it gets the number. All of them where `burst` is 0.
    #[must_use]
    pub fn sampled(self, clock: Arc<dyn Clock>, burst: u32) -> Self {
        let sampling = (burst > 0).then(|| Arc::new(Sampling::new(clock, burst)));
        Self { sampling, ..self }
    }

    /// Says one event.
    pub fn say(&self, event: &Event) {
        if let Some(sampling) = &self.sampling {
            let (is_said, left_out) = sampling.count(event);
            self.say_each(&left_out);
            if !is_said {
                return;
            }
        }
        self.sink.accept(event);
    }

    /// Says what was left out, where its minute has ended; to be called from time to time.
    pub fn say_left_out(&self) {
        self.say_each(&self.sampling.as_ref().map(|sampling| sampling.ended()).unwrap_or_default());
    }

    /// Says what was left out; to be called at the end.
    pub fn say_all_left_out(&self) {
        self.say_each(&self.sampling.as_ref().map(|sampling| sampling.end()).unwrap_or_default());
    }

    fn say_each(&self, events: &[Event]) {
        for event in events {
            self.sink.accept(event);
        }
    }

    fn hears(&self, area: Area, level: Level) -> bool {
        self.sink.hears(area, level)
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
        layout::Log(Form::Human).accept(event);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}
