//! The broker carries a login between an application's front and an upstream. It knows no application protocol.
//!
//! 1. [`begin`]: a front's [`Ask`] becomes a [`Login`]; what is demanded of it stands in `requirements`, and the first
//!    that is unmet decides what the browser sees.
//! 2. [`complete`]: the browser is back from the upstream, whose answer becomes an identity.
//! 3. [`confirm`]: where nobody may be signed in against their will, the person says yes.
//! 4. The [`Front`] answers: it spends what is single-use, and only then the browser gets the address.

mod admission;
mod answer;
mod begin;
mod complete;
mod confirm;
mod front;
mod handle;
mod login;
pub mod logout;
pub mod person;
mod records;
mod requirements;
mod returned;
pub mod session;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;

use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::event::{Facts, Reason, Step, Trace, reasons};
use crate::identity::Identity;
use crate::login::BrowserId;
use crate::message::PublicMessage;
use crate::outbound::chain;
use crate::peer;
use crate::service::{Service, ServiceId, UpstreamName};
use crate::store::{Limit, Over, Record as _, Share, StoreError};
use crate::upstream::Upstream;

pub use admission::Holders;
pub use answer::again;
pub use begin::begin;
pub use complete::complete;
pub use confirm::{Decision, confirm};
pub use front::{Answer, Ask, Front, Outcome};
pub use handle::{Binding, Handle, HandleDigest, HandleKey, Misbound};
pub use login::{Answered, Carries, Login, Payload, REPEAT, Sent, SignIn, Stage};
pub use logout::Logout;
pub use records::Records;
pub use session::{Session, SessionHandle, SessionId};

/// What the broker needs of the edge: the records, the configured parties, time and chance, and the thread of events.
pub struct Journey<'a> {
    /// The records.
    pub records: &'a Records,
    /// The services, upstreams and fronts in force.
    pub registry: &'a dyn Registry,
    /// Limits and lifetimes.
    pub limits: &'a Limits,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Chance.
    pub entropy: &'a dyn Entropy,
    /// What makes the handles of pages recognisable.
    pub handle_key: &'a HandleKey,
    /// The session's new handle, once a sign-in has made one: the browser gets it whatever becomes of the login, since
    /// the one before is void.
    pub renewed: &'a mut Option<SessionHandle>,
    /// Where events are said.
    pub trace: &'a mut Trace,
}

impl Journey<'_> {
    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The service `id`, where it is served.
    async fn served(&self, id: &ServiceId) -> Result<Arc<Service>, Box<Failure>> {
        let service = self.registry.service(id).await?.filter(|service| service.enabled);
        service.ok_or_else(|| Failure::gone(id))
    }
}

/// Services, upstreams and fronts in the configuration in force.
#[async_trait]
pub trait Registry: Send + Sync {
    /// A service, enabled or not. Those that registered themselves will live in the store, and so this may fail.
    async fn service(&self, id: &ServiceId) -> Result<Option<Arc<Service>>, StoreError>;
    /// An upstream registration.
    fn upstream(&self, name: &UpstreamName) -> Option<&Upstream>;
    /// The front of this name.
    fn front(&self, name: &str) -> Option<Arc<dyn Front>>;
}

/// How much may be under way, and for how long.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a login may take.
    pub login: Duration,
    /// How many logins of one service may be in flight, however full the table is.
    pub logins_per_app: usize,
    /// How many logins from one address prefix may be in flight, however full the table is.
    pub logins_per_address: usize,
    /// Networks that count at their widest alone.
    pub large_networks: Vec<IpNet>,
    /// How long a session lives without use.
    pub session_idle: Duration,
    /// How long a session lives at most.
    pub session_absolute: Duration,
    /// How many sessions one person may have; beyond, that person's oldest ends.
    pub sessions_per_person: usize,
}

impl Limits {
    /// A person's share of the sessions, and of what hangs on one.
    fn of_person(&self) -> Share {
        Share { limit: Limit::Fixed(self.sessions_per_person), over: Over::DropOldest }
    }
}

/// Whoever brings a request: a browser by its cookie, which somebody else may have planted, and the session that it has
/// proved by a handle which nobody else has.
#[derive(Clone, Copy)]
pub struct Visitor {
    /// The browser, where it sent a cookie of ours.
    pub browser: Option<BrowserId>,
    /// Its session, where one lives.
    pub session: Option<SessionId>,
}

impl Visitor {
    /// Whether it is in the session that holds something; nobody is where none does.
    pub fn is_in(&self, holds: Option<SessionId>) -> bool {
        holds.is_some() && holds == self.session
    }
}

/// What happens next in the browser.
pub enum Next {
    /// It goes there.
    Redirect(String),
    /// The person is asked.
    Confirm(Box<Question>),
}

/// What the confirmation page needs.
pub struct Question {
    /// The single-use token of the page's form.
    pub token: String,
    /// The service that would be signed in to.
    pub app: ServiceId,
    /// The person who would be signed in.
    pub identity: Identity,
    /// Who vouches for them.
    pub upstream: UpstreamName,
    /// Whether they have just come from there; otherwise the browser's session holds them.
    pub fresh: bool,
    /// The languages that the application asked for.
    pub ui_locales: Vec<String>,
}

/// A step that ends on a page: no application is told.
#[derive(Debug)]
pub struct Failure {
    /// The step that failed.
    pub step: Step,
    /// What the person reads.
    pub message: PublicMessage,
    /// The service whose button the page shows, where it is known.
    pub app: Option<ServiceId>,
    /// Why.
    pub reason: Reason,
    /// More for the operator.
    pub facts: Facts,
    /// After how long it may be tried again, where that is known.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A page without further facts.
    pub fn new(message: PublicMessage, app: Option<&ServiceId>, reason: Reason) -> Box<Self> {
        let (step, facts) = (Step::LoginFailed, Facts::default());
        Box::new(Self { step, message, app: app.cloned(), reason, facts, retry_after: None })
    }

    /// The service was removed or disabled while the login was under way.
    pub fn gone(app: &ServiceId) -> Box<Self> {
        Self::new(PublicMessage::ClientDisabled, Some(app), reasons::broker::APP_GONE)
    }
}

impl From<StoreError> for Box<Failure> {
    fn from(error: StoreError) -> Self {
        let (message, reason) = match error {
            StoreError::Full { kind, owner: Some(owner) } if peer::is_prefix(owner) => {
                let of_logins = kind == Login::KIND;
                let reason =
                    if of_logins { reasons::broker::TOO_MANY_LOGINS } else { reasons::broker::TABLE_FULL };
                (PublicMessage::BusyNetwork, reason)
            }
            StoreError::Full { kind, .. } if kind == Login::KIND => {
                (PublicMessage::Busy, reasons::broker::TOO_MANY_LOGINS)
            }
            StoreError::Full { kind, .. } if kind.is_mark => {
                (PublicMessage::Busy, reasons::broker::MARKS_FULL)
            }
            StoreError::Full { .. } => (PublicMessage::Busy, reasons::broker::TABLE_FULL),
            StoreError::Backend(_) | StoreError::Unreadable => {
                (PublicMessage::Unavailable, reasons::server::STORE_FAILED)
            }
        };
        let mut failure = Failure::new(message, None, reason);
        // What a network holds ends with its logins, not in a moment.
        failure.retry_after = (message == PublicMessage::BusyNetwork).then_some(Duration::from_mins(1));
        if let StoreError::Full { kind, owner } = &error {
            failure.facts.names =
                Some(owner.map_or_else(|| kind.name.to_owned(), |owner| format!("{} {owner}", kind.name)));
        }
        failure.facts.cause = Some(chain(&error));
        failure
    }
}
