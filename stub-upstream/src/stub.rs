//! The simulator as a whole, and the handles that a test holds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::chance::Chance;
use crate::client::Clients;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::keys::{Alg, KeyRing};
use crate::persona::{Persona, Personas};
use crate::profiles::{PROFILES, Profile};
use crate::scenario::Scenario;
use crate::space::{AutoLogin, Hands, Live, Space, Spaces};
use crate::twist::{Instead, Part, Twist};

/// A simulator, seen from one of its namespaces. Clones are the same one.
#[derive(Clone)]
pub struct Stub {
    pub(crate) inner: Arc<Inner>,
    pub(crate) space: Arc<Space>,
}

pub(crate) struct Inner {
    /// Scheme, host and port, without a slash at the end.
    pub(crate) base: String,
    /// The issuer of `franceconnect_v1`, if it is to be another.
    pub(crate) v1_issuer: Option<String>,
    pub(crate) cookie: String,
    pub(crate) clients: Clients,
    pub(crate) chance: Chance,
    pub(crate) slow: Duration,
    pub(crate) spaces: Spaces,
    pub(crate) clock: Box<dyn Clock>,
}

/// How often each endpoint was called since the start, over all profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Calls {
    /// The authorization endpoint.
    pub authorize: u64,
    /// The token endpoint.
    pub token: u64,
    /// The userinfo endpoint.
    pub userinfo: u64,
    /// The JWK set.
    pub jwks: u64,
    /// The provider's metadata.
    pub discovery: u64,
    /// The logout endpoint.
    pub logout: u64,
}

impl Stub {
    /// The same simulator in another namespace, whose settings, codes, sessions, keys, clock and journal are its
    /// own: its issuers begin with `/ns/NAME`. `None` if this is no name (1 to 64 of `a-z 0-9 - _`).
    pub fn namespace(&self, name: &str) -> Option<Self> {
        Some(Self { inner: Arc::clone(&self.inner), space: self.inner.spaces.find(name)? })
    }

    /// The issuer of a profile.
    pub fn issuer(&self, profile: &Profile) -> String {
        match &self.inner.v1_issuer {
            Some(issuer) if !profile.publishes() => issuer.clone(),
            _ => format!("{}{}{}", self.inner.base, self.space.prefix, profile.issuer_path),
        }
    }

    /// Breaks every exchange from now on, or none.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.set_live(fault.map(|fault| Live { fault, times: None, client: None }));
    }

    pub(crate) fn set_live(&self, live: Option<Live>) {
        self.space.change(|settings| settings.live = live);
    }

    /// Changes a part of every exchange from now on, or none.
    pub fn set_twist(&self, part: Part, twist: Option<Twist>) {
        self.space.twists.set(part, twist);
    }

    /// Gives another answer from now on, or the right one. Good for the parts that are whole answers.
    pub fn set_instead(&self, part: Part, instead: Option<Instead>) {
        self.space.twists.set_instead(part, instead);
    }

    /// The fault of every exchange.
    pub fn fault(&self) -> Option<Fault> {
        self.space.settings(|settings| settings.live.as_ref().map(|live| live.fault))
    }

    /// Signs this person in without a page from now on, or somebody else each time where the name is `load`;
    /// `None` brings the page back. Changes nothing and returns `false` if there is no such person. Automatic
    /// logins leave no session, and never answer `prompt=none`.
    pub fn set_auto_login(&self, persona: Option<&str>) -> bool {
        let found = match persona {
            None => None,
            Some("load") => Some(AutoLogin::Load),
            Some(id) => match self.personas().find(id) {
                None => return false,
                Some(persona) => Some(AutoLogin::Persona(persona)),
            },
        };
        self.space.change(|settings| settings.auto_login = found);
        true
    }

    pub(crate) fn auto_login(&self) -> Option<Arc<Persona>> {
        self.space.settings(|settings| match &settings.auto_login {
            None => None,
            Some(AutoLogin::Persona(persona)) => Some(Arc::clone(persona)),
            Some(AutoLogin::Load) => {
                let number = self.space.load.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                Some(Arc::new(Persona::load(number)))
            }
        })
    }

    /// Puts a scenario in force, or none.
    pub fn set_scenario(&self, scenario: Option<Scenario>) {
        *self.space.scenario.lock().unwrap_or_else(PoisonError::into_inner) = scenario;
    }

    /// How often each endpoint was called.
    pub fn calls(&self) -> Calls {
        let counts = &self.space.counts;
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        Calls {
            authorize: read(&counts.authorize),
            token: read(&counts.token),
            userinfo: read(&counts.userinfo),
            jwks: read(&counts.jwks),
            discovery: read(&counts.discovery),
            logout: read(&counts.logout),
        }
    }

    /// Takes another JWK set of a client, as a provider does that fetches the client's `jwks_uri` anew; or refuses it
    /// with the reason.
    pub fn set_client_jwks(&self, client: &str, jwks: &serde_json::Value) -> Result<(), String> {
        self.inner.clients.set_keys(client, jwks)
    }

    /// The last logins as JSON, newest first: requests, answers, decoded tokens, expectations.
    pub fn logins(&self) -> serde_json::Value {
        serde_json::json!(self.space.journal.all())
    }

    /// New keys sign in every profile; the ones before stay published. Returns `false` if none could be made.
    pub fn rotate_keys(&self) -> bool {
        PROFILES.iter().enumerate().all(|(at, _)| self.keys(at).is_some_and(|ring| ring.rotate().is_ok()))
    }

    /// The people.
    pub fn personas(&self) -> Personas {
        self.space.settings(|settings| settings.personas.clone())
    }

    /// Whether parameters that a strict provider refuses are dropped.
    pub(crate) fn lenient(&self) -> bool {
        self.space.settings(|settings| settings.lenient)
    }

    pub(crate) fn now(&self) -> u64 {
        match self.space.settings(|settings| settings.hands) {
            Hands::Frozen(now) => now,
            Hands::Offset(seconds) => self.inner.clock.now().saturating_add_signed(seconds),
        }
    }

    /// The keys of the profile at this place in the list, made when they are first needed.
    pub(crate) fn keys(&self, at: usize) -> Option<&Arc<KeyRing>> {
        let cell = self.space.keys.get(at)?;
        if let Some(ring) = cell.get() {
            return Some(ring);
        }
        let profile = PROFILES.get(at)?;
        // An RSA key takes long to make: only for those who need one.
        let mut algs = vec![Alg::Es256];
        if self.inner.clients.all().iter().any(|client| profile.alg_for(client) == Some(Alg::Rs256)) {
            algs.push(Alg::Rs256);
        }
        let ring = Arc::new(KeyRing::new(algs, profile.kid).ok()?);
        Some(cell.get_or_init(|| ring))
    }

    /// Back to how the namespace began. Keys and counts remain.
    pub fn reset(&self) {
        self.space.change(|settings| *settings = self.inner.spaces.initial.clone());
        self.space.twists.clear();
        self.space.clear();
    }
}
