//! The simulator as a whole: its registered clients, its people, its keys, and the handles that a test holds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use url::{Origin, Url};

use crate::chance::Chance;
use crate::client::{Client, Clients};
use crate::clock::{Clock, SystemClock};
use crate::endpoints;
use crate::fault::Fault;
use crate::grant::{AuthorizationRequest, Code, Grant};
use crate::keys::{Alg, KeyRing};
use crate::persona::{Persona, Personas};
use crate::profiles::{PROFILES, Profile};
use crate::shelf::Shelf;

/// A simulator. Clones are the same one.
#[derive(Clone)]
pub struct Stub(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// Scheme, host and port, without a slash at the end.
    pub(crate) base: String,
    /// The issuer of `franceconnect_v1`, if it is to be another.
    v1_issuer: Option<String>,
    pub(crate) cookie: String,
    pub(crate) clients: Clients,
    pub(crate) personas: Personas,
    pub(crate) chance: Chance,
    pub(crate) slow: Duration,
    pub(crate) codes: Shelf<Code>,
    pub(crate) tokens: Shelf<Arc<Grant>>,
    pub(crate) interactions: Shelf<(&'static Profile, AuthorizationRequest)>,
    pub(crate) sessions: Shelf<Vec<SignIn>>,
    pub(crate) counts: Counts,
    keys: Vec<Arc<KeyRing>>,
    clock: Box<dyn Clock>,
    fault: RwLock<Option<Fault>>,
    auto_login: RwLock<Option<Arc<Persona>>>,
}

/// A person signed in at one profile in one browser.
#[derive(Clone)]
pub(crate) struct SignIn {
    pub(crate) profile: &'static str,
    pub(crate) persona: Arc<Persona>,
    pub(crate) auth_time: u64,
    pub(crate) acr: Option<String>,
    pub(crate) expires: u64,
}

/// How often each endpoint was called since the start, over all profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) authorize: AtomicU64,
    pub(crate) token: AtomicU64,
    pub(crate) userinfo: AtomicU64,
    pub(crate) jwks: AtomicU64,
    pub(crate) discovery: AtomicU64,
    pub(crate) logout: AtomicU64,
}

/// Why a simulator cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base is more, or less, than scheme, host and port.
    #[error("the base must be http://host:port or https://host:port, not {0}")]
    Base(String),
    /// A redirect URI that is none.
    #[error("not an absolute address: {0}")]
    RedirectUri(String),
    /// Nobody has this login name.
    #[error("there is no persona {0}")]
    Persona(String),
    /// The people's file.
    #[error("the personas cannot be read")]
    Personas(#[from] toml::de::Error),
    /// Keys or chance.
    #[error("keys cannot be made")]
    Keys,
}

impl From<Unspecified> for BuildError {
    fn from(_: Unspecified) -> Self {
        Self::Keys
    }
}

/// What a simulator is made of.
pub struct Builder {
    base: String,
    v1_issuer: Option<String>,
    clients: Vec<Client>,
    auto_login: Option<String>,
    fault: Option<Fault>,
    clock: Box<dyn Clock>,
    seed: Option<u64>,
    slow: Duration,
}

impl Stub {
    /// Starts the description of a simulator that browsers and clients find at `base`, such as
    /// `http://127.0.0.1:8081`.
    pub fn builder(base: impl AsRef<str>) -> Builder {
        Builder {
            base: base.as_ref().to_owned(),
            v1_issuer: None,
            clients: Vec::new(),
            auto_login: None,
            fault: None,
            clock: Box::new(SystemClock),
            seed: None,
            slow: Duration::from_secs(30),
        }
    }

    /// Every endpoint of every profile, and the pages.
    pub fn router(&self) -> axum::Router {
        endpoints::router(self)
    }

    /// The issuer of a profile.
    pub fn issuer(&self, profile: &Profile) -> String {
        match &self.0.v1_issuer {
            Some(issuer) if !profile.publishes() => issuer.clone(),
            _ => format!("{}{}", self.0.base, profile.issuer_path),
        }
    }

    /// Breaks every exchange from now on, or none.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *self.0.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// The fault of every exchange.
    pub fn fault(&self) -> Option<Fault> {
        *self.0.fault.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs this person in without a page from now on; `None` brings the page back. Changes nothing and
    /// returns `false` if there is no such person. Automatic logins leave no session, and never answer
    /// `prompt=none`.
    pub fn set_auto_login(&self, persona: Option<&str>) -> bool {
        let found = match persona {
            None => None,
            Some(id) => match self.0.personas.find(id) {
                None => return false,
                found => found.cloned(),
            },
        };
        *self.0.auto_login.write().unwrap_or_else(PoisonError::into_inner) = found;
        true
    }

    pub(crate) fn auto_login(&self) -> Option<Arc<Persona>> {
        self.0.auto_login.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often each endpoint was called.
    pub fn calls(&self) -> Calls {
        let counts = &self.0.counts;
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

    /// New keys sign in every profile; the ones before stay published. Returns `false` if none could be made.
    pub fn rotate_keys(&self) -> bool {
        self.0.keys.iter().all(|ring| ring.rotate().is_ok())
    }

    /// The people.
    pub fn personas(&self) -> &Personas {
        &self.0.personas
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// The profiles and their keys.
    pub(crate) fn realms(&self) -> impl Iterator<Item = (&'static Profile, &Arc<KeyRing>)> {
        PROFILES.iter().copied().zip(&self.0.keys)
    }
}

impl Builder {
    /// Adds a client: its secret, its redirect URIs, its addresses after logout.
    pub fn client<T: AsRef<str>, U: AsRef<str>>(
        self,
        id: &str,
        secret: &str,
        redirect_uris: &[T],
        post_logout_redirect_uris: &[U],
    ) -> Self {
        self.register(Client {
            redirect_uris: redirect_uris.iter().map(|uri| uri.as_ref().to_owned()).collect(),
            post_logout_redirect_uris: post_logout_redirect_uris
                .iter()
                .map(|uri| uri.as_ref().to_owned())
                .collect(),
            ..Client::new(id, secret)
        })
    }

    /// Adds a client with every detail.
    pub fn register(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Signs this person in without a page.
    pub fn auto_login(mut self, persona: Option<&str>) -> Self {
        self.auto_login = persona.map(str::to_owned);
        self
    }

    /// Breaks every exchange.
    pub fn fault(mut self, fault: Option<Fault>) -> Self {
        self.fault = fault;
        self
    }

    /// What the `id_token`s of `franceconnect_v1` name as issuer; the base, without a path, if nothing is said.
    pub fn v1_issuer(mut self, issuer: Option<&str>) -> Self {
        self.v1_issuer = issuer.map(str::to_owned);
        self
    }

    /// Counts time by this clock, which may be a closure that returns seconds since 1970.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Makes codes and tokens repeatable. Keys and signatures are not.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How late `token_slow` answers; 30 seconds by default, real ones.
    pub fn slow(mut self, delay: Duration) -> Self {
        self.slow = delay;
        self
    }

    /// Makes keys and the simulator.
    pub fn build(self) -> Result<Stub, BuildError> {
        let base = origin(&self.base).ok_or_else(|| BuildError::Base(self.base.clone()))?;
        for client in &self.clients {
            for uri in client.redirect_uris.iter().chain(&client.post_logout_redirect_uris) {
                Url::parse(uri).map_err(|_| BuildError::RedirectUri(uri.clone()))?;
            }
        }
        let personas = Personas::bundled()?;
        let auto_login = match self.auto_login {
            None => None,
            Some(id) => Some(personas.find(&id).cloned().ok_or(BuildError::Persona(id))?),
        };
        let mut keys = Vec::new();
        for profile in PROFILES {
            // An RSA key takes long to make: only for those who need one.
            let mut algs = vec![Alg::Es256];
            if self.clients.iter().any(|client| profile.alg_for(client) == Some(Alg::Rs256)) {
                algs.push(Alg::Rs256);
            }
            keys.push(Arc::new(KeyRing::new(algs, profile.kid)?));
        }
        let port = base.port_or_known_default().unwrap_or_default();
        Ok(Stub(Arc::new(Inner {
            base: base.origin().ascii_serialization(),
            v1_issuer: self.v1_issuer,
            cookie: format!("stub-session-{port}"),
            clients: Clients::new(self.clients),
            personas,
            chance: Chance::new(self.seed)?,
            slow: self.slow,
            codes: Shelf::new(200_000),
            tokens: Shelf::new(200_000),
            interactions: Shelf::new(10_000),
            sessions: Shelf::new(50_000),
            counts: Counts::default(),
            keys,
            clock: self.clock,
            fault: RwLock::new(self.fault),
            auto_login: RwLock::new(auto_login),
        })))
    }
}

/// Only scheme, host and port: issuers are built on it.
fn origin(base: &str) -> Option<Url> {
    let url = Url::parse(base).ok()?;
    let plain =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (plain && matches!(url.scheme(), "http" | "https") && matches!(url.origin(), Origin::Tuple(..)))
        .then_some(url)
}
