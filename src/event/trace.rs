//! The thread of one request through the modules: who it is about, and where to say it.

use tracing::Span;
use tracing::field::display;

use super::layout::request_span;
use super::{Event, Events, Facts, Level, Reason, SessionHandle, Step};
use crate::login::LoginId;
use crate::message::SupportCode;
use crate::peer::Peer;
use crate::service::{ServiceId, UpstreamName};

/// Who a request is about, and where to say it.
#[derive(Clone)]
pub struct Trace {
    events: Events,
    span: Span,
    login: Option<LoginId>,
    /// Who called.
    pub peer: Option<Peer>,
    /// The browser session, once it is known.
    pub session: Option<SessionHandle>,
    /// The application, once it is known.
    pub app: Option<ServiceId>,
    /// The upstream registration, once it is known.
    pub upstream: Option<UpstreamName>,
}

impl Trace {
    /// A thread for a request of `peer`, or for what nobody asked for.
    pub fn new(events: Events, peer: Option<Peer>) -> Self {
        let span = if peer.is_some() { request_span() } else { Span::none() };
        Self { events, span, login: None, peer, session: None, app: None, upstream: None }
    }

    /// The span of the request, in which libraries speak.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The login, once there is one.
    pub fn login(&self) -> Option<LoginId> {
        self.login
    }

    /// From now on this is about `login`.
    pub fn set_login(&mut self, login: LoginId) {
        if self.login.replace(login) != Some(login) {
            self.span.record("login", display(login));
        }
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
        if !self.events.hears(step.area(), level) {
            return;
        }
        self.events.say(&Event {
            step,
            level,
            login: self.login,
            session: self.session,
            app: self.app.clone(),
            upstream: self.upstream.clone(),
            reason,
            code,
            peer: self.peer.clone(),
            facts,
        });
    }
}
