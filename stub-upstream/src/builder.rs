//! What a simulator is made of: its registered clients, its people, its clock.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use url::{Origin, Url};

use crate::chance::Chance;
use crate::client::{Client, Clients};
use crate::clock::{Clock, SystemClock};
use crate::fault::Fault;
use crate::persona::Personas;
use crate::scenario::Scenario;
use crate::space::{Hands, Live, Settings, Space, Spaces};
use crate::stub::{Inner, Stub};

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
    /// The people's file, with line and reason.
    #[error("the personas cannot be read: {0}")]
    Personas(String),
    /// A client's JWK set, with the reason.
    #[error("the client's keys cannot be used: {0}")]
    Jwks(String),
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
    personas: Option<Personas>,
    auto_login: Option<String>,
    fault: Option<Fault>,
    scenario: Option<Scenario>,
    lenient: bool,
    journal: bool,
    clock: Box<dyn Clock>,
    seed: Option<u64>,
    slow: Duration,
}

impl Stub {
    /// Starts the description of a simulator that browsers and clients find at `base`, such as
    /// `http://127.0.0.1:8081`.
    pub fn builder(base: impl AsRef<str>) -> Builder {
        Builder::new(base.as_ref())
    }
}

impl Builder {
    fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            v1_issuer: None,
            clients: Vec::new(),
            personas: None,
            auto_login: None,
            fault: None,
            scenario: None,
            lenient: false,
            journal: true,
            clock: Box::new(SystemClock),
            seed: None,
            slow: Duration::from_secs(30),
        }
    }

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

    /// Takes these people instead of its own.
    pub fn personas(mut self, personas: Personas) -> Self {
        self.personas = Some(personas);
        self
    }

    /// Signs this person in without a page; `load` is somebody else each time. No journal is kept then.
    pub fn auto_login(mut self, persona: Option<&str>) -> Self {
        self.auto_login = persona.map(str::to_owned);
        self.journal &= persona.is_none();
        self
    }

    /// Breaks every exchange.
    pub fn fault(mut self, fault: Option<Fault>) -> Self {
        self.fault = fault;
        self
    }

    /// What the first logins meet.
    pub fn scenario(mut self, scenario: Option<Scenario>) -> Self {
        self.scenario = scenario;
        self
    }

    /// Drops what a strict provider refuses: parameters it does not list, a short nonce, a missing `acr_values`.
    pub fn lenient(mut self, lenient: bool) -> Self {
        self.lenient = lenient;
        self
    }

    /// Whether the last logins are kept for the inspector.
    pub fn journal(mut self, journal: bool) -> Self {
        self.journal = journal;
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

    /// How late the slow faults answer; 30 seconds by default, real ones.
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
        let personas = match self.personas {
            Some(personas) => personas,
            None => Personas::bundled().map_err(BuildError::Personas)?,
        };
        let settings = Settings {
            live: self.fault.map(|fault| Live { fault, times: None, client: None }),
            auto_login: None,
            hands: Hands::Offset(0),
            personas,
            lenient: self.lenient,
        };
        let port = base.port_or_known_default().unwrap_or_default();
        let mut inner = Inner {
            base: base.origin().ascii_serialization(),
            v1_issuer: self.v1_issuer,
            cookie: format!("stub-session-{port}"),
            clients: Clients::new(self.clients).map_err(BuildError::Jwks)?,
            chance: Chance::new(self.seed)?,
            slow: self.slow,
            spaces: Spaces::new(settings.clone(), self.journal),
            clock: self.clock,
        };
        let space = Arc::new(Space::new("", settings, self.journal));
        if let Some(id) = self.auto_login {
            let stub = Stub { inner: Arc::new(inner), space: Arc::clone(&space) };
            if !stub.set_auto_login(Some(&id)) {
                return Err(BuildError::Persona(id));
            }
            inner = Arc::into_inner(stub.inner).ok_or(BuildError::Keys)?;
            inner.spaces.initial = space.settings(Clone::clone);
        }
        let stub = Stub { inner: Arc::new(inner), space };
        stub.set_scenario(self.scenario);
        // The first keys, before the first visitor.
        (0..crate::profiles::PROFILES.len())
            .try_for_each(|at| stub.keys(at).map(|_| ()))
            .ok_or(BuildError::Keys)?;
        Ok(stub)
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
