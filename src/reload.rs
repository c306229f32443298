//! Another configuration while the relay serves: all of it, or nothing.
//!
//! Applications, upstreams, their secrets and keys, sessions' lifetimes, pages and certificates change from one request
//! to the next; a request under way goes on under what it began with. What the process was built on changes at a restart
//! only, and a file that changes it is refused as a whole.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::{JoinError, spawn_blocking};

use crate::app::App;
use crate::config::{Config, EventConfig, Faults, Limits, Listener, SealKey, Store, Tls};
use crate::event::{Facts, Step, reasons};
use crate::keys::KeyringError;
use crate::outbound::{OutboundSettings, chain};
use crate::secret::Secret;
use crate::web::tls::{BadTls, Certificate};

/// Reads the configuration anew.
pub type Load = Arc<dyn Fn() -> Result<Config, Faults> + Send + Sync>;

/// A listener's certificate, where it was read from, and the listener.
pub type Served = (SocketAddr, Tls, Arc<Certificate>);

/// What reloads a relay.
pub struct Reloader {
    app: Arc<App>,
    load: Load,
    built_on: BuiltOn,
    certificates: Vec<Served>,
    /// One at a time.
    turn: Mutex<()>,
}

/// Why everything stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum NotReloaded {
    /// The file is wrong.
    #[error("the configuration is wrong")]
    Config(Faults),
    /// It changes what only a restart can.
    #[error("only a restart changes {0}")]
    Restart(String),
    /// Reading it was broken off.
    #[error("the configuration was not read")]
    Unread(#[source] JoinError),
    /// The keys that it needs cannot be made.
    #[error("the keys that it needs cannot be made")]
    Keys(#[source] KeyringError),
    /// A certificate or its key cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A certificate or its key is none.
    #[error("the listener {address} cannot speak TLS")]
    Tls {
        /// The listener.
        address: SocketAddr,
        /// Why.
        source: BadTls,
    },
}

impl NotReloaded {
    /// The cause, for the operator: every fault, one in a line.
    pub fn told(&self) -> String {
        match self {
            Self::Config(faults) => faults.to_string(),
            other => chain(other),
        }
    }
}

impl Reloader {
    /// For a relay that was built on `built_on`.
    pub fn new(app: Arc<App>, load: Load, built_on: BuiltOn, certificates: Vec<Served>) -> Self {
        Self { app, load, built_on, certificates, turn: Mutex::default() }
    }

    /// Reads everything, then puts it in force; or changes nothing.
    pub async fn reload(&self) -> Result<(), NotReloaded> {
        let _turn = self.turn.lock().await;
        let done = self.try_reload().await;
        let trace = self.app.trace();
        match &done {
            Ok(()) => trace.step(Step::ServerReloaded, Facts::default()),
            Err(error) => {
                let cause = error.told().replace('\n', "; ");
                let facts = Facts { cause: Some(cause), ..Facts::default() };
                trace.because(Step::ServerReloaded, reasons::server::NOT_RELOADED, None, facts);
            }
        }
        done
    }

    async fn try_reload(&self) -> Result<(), NotReloaded> {
        let load = Arc::clone(&self.load);
        let config = spawn_blocking(move || load()).await.map_err(NotReloaded::Unread)?;
        let config = config.map_err(NotReloaded::Config)?;
        let changed = self.built_on.changed(&BuiltOn::of(&config));
        if !changed.is_empty() {
            return Err(NotReloaded::Restart(changed.join(", ")));
        }
        let mut renewals = Vec::new();
        for (address, files, certificate) in &self.certificates {
            let read = |path: &PathBuf| {
                std::fs::read(path).map_err(|source| NotReloaded::Read { path: path.clone(), source })
            };
            let (chain, key) = (read(&files.certificate)?, read(&files.key)?);
            let renewal = certificate.renewal(&chain, &key);
            renewals.push(renewal.map_err(|source| NotReloaded::Tls { address: *address, source })?);
        }
        self.app.prepare_keys(&config).await.map_err(NotReloaded::Keys)?;
        for renew in renewals {
            renew();
        }
        self.app.replace_rules(config);
        Ok(())
    }
}

/// The parts of a configuration that a process is built on.
pub struct BuiltOn {
    listeners: Vec<Listener>,
    store: Store,
    seal_keys: (SealKey, Option<Secret<[u8; 32]>>),
    limits: Limits,
    outbound: OutboundSettings,
    event: EventConfig,
}

impl BuiltOn {
    /// Those of `config`.
    pub fn of(config: &Config) -> Self {
        Self {
            listeners: config.listeners.clone(),
            store: config.store.clone(),
            seal_keys: (config.seal_key.clone(), config.other_seal_key.clone()),
            limits: config.limits.clone(),
            outbound: config.outbound.clone(),
            event: config.event.clone(),
        }
    }

    /// The sections in which `other` differs.
    fn changed(&self, other: &Self) -> Vec<&'static str> {
        let parts = [
            ("server.listeners", self.listeners != other.listeners),
            ("[store]", self.store != other.store),
            ("the seal key", self.seal_keys != other.seal_keys),
            ("[limit]", self.limits != other.limits),
            ("[outbound]", self.outbound != other.outbound),
            ("[event]", self.event != other.event),
        ];
        parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}
