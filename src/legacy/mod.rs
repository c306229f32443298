//! The legacy protocol: a browser carries a sealed request to the relay and a sealed answer back.
//!
//! `GET /idp/{app}?msg=…` is [`open`]ed into a request for the broker; its outcome is [`answer`]ed or
//! [`refuse`]d in the same wire; with `reference` delivery the application's server fetches the answer by a
//! `claim`. All of it is pure: time and chance are arguments, so that one recorded exchange can be replayed.

mod answer;
pub mod callback;
mod claim;
mod claims;
pub mod compare;
mod keys;
mod message;
mod request;
mod usage;
pub mod wires;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::event::{Facts, Reason};
use crate::service::Service;

pub use answer::{Answer, Return, Unanswerable, answer, refuse};
pub use callback::CallbackRule;
pub use claim::{Credentials, reference_handle};
pub use keys::{BadKey, Direction, MasterKey};
pub use message::{AHEAD, Logout, Opened, TIMELESS, open, open_logout, sealed};
pub use request::{KeyFingerprint, LegacyRequest, MessageMark};
pub use usage::{Usage, Used};

use wires::{FIXED_IV, Keyed, Wire};

/// One legacy application as configured.
pub struct App {
    /// What it may ask and receive.
    pub service: Service,
    /// Its wire; never guessed, never negotiated.
    pub wire: &'static dyn Wire,
    /// Its keys, the current one first.
    pub keys: Vec<AppKey>,
    /// The callbacks it may name.
    pub callbacks: Vec<CallbackRule>,
    /// How answers reach it.
    pub delivery: Delivery,
    /// How old a request may be.
    pub request_max_age: Duration,
    /// The longest query that an answer's URL may have, in bytes.
    pub max_answer_query: usize,
    /// After this instant a weak wire is no longer served; only those have one.
    pub sunset: Option<Timestamp>,
    /// What the relay adds to the answers of KIF's wires, beside `nonce` and `state`.
    pub relay_claims: Vec<RelayClaim>,
}

/// A member that the relay can write into an answer of KIF's wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayClaim {
    /// When the answer was sealed.
    Iat,
    /// Until when it is good.
    Exp,
    /// Who wrote it.
    Iss,
    /// For whom.
    Aud,
    /// Which answer it is.
    Jti,
    /// The level reached; `null` if the upstream named none.
    Acr,
}

impl RelayClaim {
    /// Every one, in the order in which they are written.
    pub const ALL: [Self; 6] = [Self::Iat, Self::Exp, Self::Iss, Self::Aud, Self::Jti, Self::Acr];

    /// The member's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Iat => "iat",
            Self::Exp => "exp",
            Self::Iss => "iss",
            Self::Aud => "aud",
            Self::Jti => "jti",
            Self::Acr => "acr",
        }
    }
}

/// How long a reference may be claimed.
pub const CLAIM: Duration = Duration::from_mins(1);

/// How an answer reaches the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// In the callback's query, as `info=`.
    Query,
    /// As a reference in the query, exchanged by the application's server at `/idp/claim`.
    Reference,
}

/// One key of an application, with all that is derived from it.
pub struct AppKey {
    /// Finds the key again.
    pub fingerprint: KeyFingerprint,
    /// The wire's own keys.
    pub keyed: Box<dyn Keyed>,
    /// The password of `/idp/claim`.
    pub claim_password: crate::secret::Secret<String>,
    /// The last instant at which it opens requests; the current key has none.
    pub until: Option<Timestamp>,
}

impl AppKey {
    /// Derives everything once. `None` if the wire wants a fixed IV and none is given.
    pub fn new(
        key: &MasterKey,
        wire: &dyn Wire,
        app: &crate::service::ServiceId,
        iv: Option<[u8; FIXED_IV]>,
        until: Option<Timestamp>,
    ) -> Option<Self> {
        Some(Self {
            fingerprint: key.fingerprint(),
            keyed: wire.keyed(key, app, iv)?,
            claim_password: key.claim_password(app),
            until,
        })
    }

    fn valid_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now <= until)
    }
}

impl App {
    /// Whether its wire is weak and its date is past.
    pub fn is_past_sunset(&self, now: Timestamp) -> bool {
        self.sunset.is_some_and(|sunset| now >= sunset)
    }

    /// Whether an answer may go to `return_to`, which one of its rules admitted when the message was opened.
    pub fn admits(&self, return_to: &str) -> bool {
        callback::admits(&self.callbacks, return_to)
    }

    /// The keys that open requests at `now`.
    fn keys_at(&self, now: Timestamp) -> impl Iterator<Item = &AppKey> {
        self.keys.iter().filter(move |key| key.valid_at(now))
    }

    /// The key with this fingerprint, whether or not it still opens requests.
    fn key(&self, fingerprint: KeyFingerprint) -> Option<&AppKey> {
        self.keys.iter().find(|key| key.fingerprint == fingerprint)
    }
}

/// Why a message was refused. The person reads the same page whatever it says.
#[derive(Debug)]
pub struct Refused {
    /// The exact cause, for the operator.
    pub reason: Reason,
    /// More for the operator.
    pub facts: Facts,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, facts: Facts::default() }
    }
}
