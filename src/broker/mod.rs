//! The broker carries a login between an application's protocol and an upstream.
//!
//! 1. [`begin`]: a session that satisfies the request serves it, perhaps after a page; otherwise the browser
//!    goes to the upstream, and the login waits under its `state`.
//! 2. [`complete`]: the browser is back; the login is *taken*, the upstream's answer becomes an identity.
//! 3. [`confirm`]: where nobody may be signed in against their will, the person says yes.
//! 4. [`finish`]: the protocol has sealed its answer; the first login to finish spends the message.

mod admission;
mod begin;
mod choose;
mod complete;
mod confirm;
mod finish;
mod inventory;
pub mod logout;
pub mod session;
mod tables;

use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::event::{Facts, Reason, Trace, reasons};
use crate::identity::Identity;
use crate::login::LoginId;
use crate::message::PublicMessage;
use crate::outbound::chain;
use crate::outcome::Declined;
use crate::request::LoginRequest;
use crate::service::{AppId, Service, UpstreamName};
use crate::store::StoreError;
use crate::upstream::Upstream;

pub use begin::begin;
pub use complete::complete;
pub use confirm::{Confirmed, Decision, confirm};
pub use finish::{Repeat, again, finish, repeat};
pub use inventory::{Kept, inventory};
pub use session::Session;
pub use tables::{Claimable, Tables};

/// What the broker needs of the edge: the records, the configured parties, time and chance, and the thread
/// of events.
pub struct Journey<'a> {
    /// The records.
    pub tables: &'a Tables,
    /// The configured applications and upstreams.
    pub parties: &'a dyn Parties,
    /// Limits and lifetimes.
    pub limits: &'a Limits,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Chance.
    pub entropy: &'a dyn Entropy,
    /// The instant before which sealed messages are refused, where their marks do not outlive the process.
    pub floor: Option<Timestamp>,
    /// Where events are said.
    pub trace: Trace,
}

impl Journey<'_> {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Finds applications and upstreams in the configuration in force.
pub trait Parties: Send + Sync {
    /// An application that is served.
    fn service(&self, app: &AppId) -> Option<&Service>;
    /// An upstream registration.
    fn upstream(&self, name: &UpstreamName) -> Option<&Upstream>;
}

/// How much may be under way, and for how long.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a login may take.
    pub login: Duration,
    /// How many logins of one application may be in flight.
    pub logins_per_app: usize,
    /// How many logins from one address prefix may be in flight.
    pub logins_per_address: usize,
    /// How long a session lives without use.
    pub session_idle: Duration,
    /// How long a session lives at most.
    pub session_absolute: Duration,
}

/// What happens next in the browser.
pub enum Next {
    /// It goes to the upstream.
    Redirect(url::Url),
    /// The person is asked.
    Confirm(Box<Question>),
    /// The application's protocol answers.
    Answer(Box<Outcome>),
}

/// What the confirmation page needs.
pub struct Question {
    /// The single-use token of the page's form.
    pub token: String,
    /// The application that would be signed in to.
    pub app: AppId,
    /// The person who would be signed in.
    pub identity: Identity,
    /// Who vouches for them.
    pub upstream: UpstreamName,
    /// The languages that the application asked for.
    pub ui_locales: Vec<String>,
}

/// A login that came to its end, well or not: whoever asked is told.
pub struct Outcome {
    /// Its name in the events.
    pub login: LoginId,
    /// What was asked.
    pub request: LoginRequest,
    /// Who it is, or why not.
    pub result: Result<Identity, Declined>,
}

/// A step that ends on a page: no application is told.
#[derive(Debug)]
pub struct Failure {
    /// What the person reads.
    pub message: PublicMessage,
    /// The application whose button the page shows, where it is known.
    pub app: Option<AppId>,
    /// Why.
    pub reason: Reason,
    /// More for the operator.
    pub facts: Facts,
}

impl Failure {
    fn new(message: PublicMessage, app: Option<&AppId>, reason: Reason) -> Box<Self> {
        Box::new(Self { message, app: app.cloned(), reason, facts: Facts::default() })
    }
}

impl From<StoreError> for Box<Failure> {
    fn from(error: StoreError) -> Self {
        let (message, reason) = match error {
            StoreError::Full => (PublicMessage::Busy, reasons::broker::TOO_MANY_LOGINS),
            StoreError::Backend(_) | StoreError::Unreadable => {
                (PublicMessage::Unavailable, reasons::server::STORE_FAILED)
            }
        };
        let facts = Facts { cause: Some(chain(&error)), ..Facts::default() };
        Box::new(Failure { message, app: None, reason, facts })
    }
}
