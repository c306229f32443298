//! One login: one record from its beginning to its answer, whose stage says where the browser is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::handle::HandleDigest;
use super::session::SessionId;
use crate::clock::Timestamp;
use crate::identity::Identity;
use crate::login::{BrowserId, Handshake, LoginId};
use crate::service::{Demand, ServiceId, UpstreamName};
use crate::store::{Ceiling, Class, Kind, Record, Spec, fields_of};

/// For how long the browser that received an answer gets the same address again (a double click).
pub const REPEAT: Duration = Duration::from_mins(1);

/// What belongs to the front alone: typed there, embedded as it is, opaque to the broker.
pub type Payload = Box<RawValue>;

/// A login in flight, by its id. No `Debug`: the payload may hold what no log may.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    /// Its name in the events.
    pub id: LoginId,
    /// The front that asked, and that alone is answered.
    pub front: String,
    /// The service that asked.
    pub service: ServiceId,
    /// What it asks beyond its configuration.
    pub demand: Demand,
    /// The front's own request.
    pub payload: Payload,
    /// The browser that began it, and that alone may go on with it.
    pub browser: BrowserId,
    /// When it began.
    pub started: Timestamp,
    /// Whether the person must sign in at the upstream for this very login.
    #[serde(default)]
    pub reauthenticate: bool,
    /// Where it stands.
    pub stage: Stage,
}

/// Where a login stands.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing has been decided yet; never stored.
    New,
    /// The browser is at the upstream.
    AtUpstream {
        /// The handle that travels as `state`.
        handle: HandleDigest,
        /// The upstream registration.
        upstream: UpstreamName,
        /// What must come back unchanged from there.
        handshake: Handshake,
        /// The page whose form led there, if one did.
        #[serde(default)]
        by: Option<Sent>,
    },
    /// The browser is back, and its code is on its way to the upstream: once, whatever comes.
    Redeeming {
        /// The upstream registration.
        upstream: UpstreamName,
    },
    /// The person is known and is asked.
    Confirming {
        /// The handle in the page's form.
        handle: HandleDigest,
        /// Who would be signed in.
        sign_in: SignIn,
    },
}

/// Where a page's form sent the browser: a second click leads there too.
#[derive(Clone, Serialize, Deserialize)]
pub struct Sent {
    /// The handle in the form.
    pub handle: HandleDigest,
    /// The address.
    pub location: String,
}

/// One person, as one upstream registration vouched for them. No `Debug`: personal data.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignIn {
    /// Who.
    pub identity: Identity,
    /// The registration that vouches.
    pub upstream: UpstreamName,
    /// The scopes that the upstream granted.
    pub granted_scopes: Vec<String>,
    /// The login that brought them.
    pub login: LoginId,
    /// The session that holds it; none where nothing may be kept.
    pub session: Option<SessionId>,
}

impl Record for Login {
    const KIND: Kind = Kind::new(&Spec {
        name: "login",
        class: Class::Browser,
        is_mark: false,
        ceiling: Ceiling::Logins(1),
        about: "a login in flight",
        personal: "the client's address, what the application asked, the identity from the provider once it is known",
        fields: fields_of::<Self>,
        longest: |lifetimes| lifetimes.login,
        ends: "by its answer",
    });
}

/// A login that was answered, for whoever clicks twice; by the login's id.
#[derive(Clone, Serialize, Deserialize)]
pub struct Answered {
    /// The front that answered.
    pub front: String,
    /// The service that asked.
    pub service: ServiceId,
    /// The browser that received the answer.
    pub browser: BrowserId,
    /// The handle that led to it, if one did.
    pub handle: Option<HandleDigest>,
    /// Where the browser was sent; none where it was shown a page.
    pub location: Option<String>,
    /// What it was sent there with.
    #[serde(default)]
    pub carries: Carries,
    /// What the front needs to know whether the answer may be sent again.
    pub receipt: Payload,
}

/// What an answer carries, and so to whom it may be repeated.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carries {
    /// A refusal, which names nobody.
    Refusal,
    /// An identity, and the session that holds it, where one does.
    Identity(Option<SessionId>),
}

impl Default for Carries {
    /// Of a record of an earlier release nothing is known.
    fn default() -> Self {
        Self::Identity(None)
    }
}

impl Record for Answered {
    const KIND: Kind = Kind::new(&Spec {
        name: "answered",
        class: Class::Browser,
        is_mark: false,
        // A convenience: where it is full, a second click ends on a plainer page.
        ceiling: Ceiling::Logins(2),
        about: "the address that a browser was sent to, for a double click",
        personal: "the identity, sealed for the application",
        fields: fields_of::<Self>,
        longest: |_| REPEAT,
        ends: "",
    });
}
