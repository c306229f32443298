//! One relay as a process: stores opened, listeners bound, signals obeyed.

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{App, Demo, Parts};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Backend, Config, Durable, Limits, ListenerKind, SealKey};
use crate::entropy::{Entropy, SystemEntropy};
use crate::event::Events;
use crate::keys::{KeyringError, SealKeyError, SealKeySource};
use crate::outbound::CannotCall;
use crate::records;
use crate::reload::{BuiltOn, Load, Reloader};
use crate::store::{Ephemeral, Kind, Memory, OpenError, Postgres, PostgresOpenError, Redis, RedisOpenError};
use crate::store::{Sealer, Sqlite, Store, StoreError};
use crate::web::serve::{Counters, ListenerLimits, listen, serve};
use crate::web::tls::{BadTls, Certificate};
use crate::{console, web};

/// How often the stores are swept.
const SWEEP: Duration = Duration::from_mins(1);
/// How long after a sweep its room is given back.
const GIVE_BACK: Duration = Duration::from_millis(1_500);
/// Bytes that an allocator keeps no page of its own for.
const LARGE: usize = 4 << 20;

/// How much longer than a listener other tasks may take to stop.
const OTHERS: Duration = Duration::from_secs(1);
/// How often it is looked whether events that were left out are to be counted up.
const COUNT_UP: Duration = Duration::from_secs(1);

/// A relay that serves.
pub struct Process {
    /// The relay.
    pub app: Arc<App>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// How long they may take to end.
    stop_limit: Duration,
}

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The root seal key.
    #[error("the root seal key cannot be read")]
    SealKey(#[from] SealKeyError),
    /// The SQLite file.
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    /// The SQLite file is gone, and its seal key is not.
    #[error(
        "the store {} is missing, and its seal key {} is there: restore a copy of the store; or, to begin anew and \
         forget every key and all that was spent, move the seal key away too",
        store.display(), key.display()
    )]
    StoreLost {
        /// The store.
        store: PathBuf,
        /// Its seal key.
        key: PathBuf,
    },
    /// The store was opened and cannot be read.
    #[error("the store cannot be read")]
    Unread(#[source] StoreError),
    /// The PostgreSQL database.
    #[error("the PostgreSQL store cannot be opened")]
    Postgres(#[from] PostgresOpenError),
    /// Redis.
    #[error("the Redis store cannot be opened")]
    Redis(#[from] RedisOpenError),
    /// A store without its section.
    #[error("a store is named and not configured")]
    NoSettings,
    /// The keyring.
    #[error("the keyring cannot be used")]
    Keyring(#[from] KeyringError),
    /// The HTTP client.
    #[error("the outbound client cannot be made")]
    Outbound(#[from] CannotCall),
    /// A listener's certificate or key.
    #[error("the listener {address} cannot speak TLS")]
    Tls {
        /// The listener.
        address: SocketAddr,
        /// Why.
        source: BadTls,
    },
    /// A file that a listener needs.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An address.
    #[error("cannot listen on {address}")]
    Bind {
        /// The listener.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl Process {
    /// Opens, binds and serves.
    ///
    /// `load` reads the configuration anew when the operator asks for it; without it, nobody can.
    pub async fn start(
        config: Config,
        load: Option<Load>,
        events: Events,
        demo: Option<Demo>,
    ) -> Result<Self, StartError> {
        let built_on = BuiltOn::of(&config);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
        let (durable, sealer) = durable(&config, &entropy).await?;
        let store = ephemeral(&config, &durable).await?;
        let ephemeral = config.store.ephemeral_class();
        let clock = Arc::new(SystemClock);
        if ephemeral == Ephemeral::Lost {
            // Stamps are whole seconds: whatever the former process has spent shall be stamped before the floor.
            let into_second = clock.now().millis() % 1000;
            tokio::time::sleep(Duration::from_millis(1000 - into_second)).await;
        }
        let listeners = config.listeners.clone();
        let limits = listener_limits(&config.limits);
        let parts = Parts { clock, entropy, events, store, ephemeral, durable, sealer };
        let app = Arc::new(App::new(config, parts, demo)?);
        app.reseal_keys().await?;
        app.tend_keys().await?;
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut certificates = Vec::new();
        for listener in &listeners {
            let Some(files) = &listener.tls else { continue };
            let (chain, key) = (read(&files.certificate).await?, read(&files.key).await?);
            let certificate = Certificate::new(&chain, &key);
            let address = listener.address;
            let certificate = certificate.map_err(|source| StartError::Tls { address, source })?;
            certificates.push((address, files.clone(), certificate));
        }
        let served = certificates.clone();
        let reloader = load.map(|load| Arc::new(Reloader::new(app.clone(), load, built_on, certificates)));
        for listener in listeners {
            let address = listener.address;
            let certificate = served.iter().find(|(served, ..)| *served == address);
            let tls = certificate.map(|(.., certificate)| certificate.server_config()).transpose();
            let tls = tls.map_err(|source| StartError::Tls { address, source })?;
            let router: Router = match listener.kind {
                ListenerKind::Public => web::router(app.clone()),
                ListenerKind::Management => console::router(app.clone(), reloader.clone()),
            };
            let socket = listen(address).map_err(|source| StartError::Bind { address, source })?;
            let (rules, told) = (app.clone(), app.clone());
            let counters = Counters::new(
                limits.clone(),
                move |address| rules.rules().trusts(address),
                move |peer, refused| web::too_many(&told, peer, refused),
            );
            tasks.spawn(serve(socket, tls, router, counters, stopping.clone()));
        }
        app.started();
        tasks.spawn(sweep(app.clone(), stopping.clone()));
        tasks.spawn(say_left_out(app.clone(), stopping.clone()));
        if let Some(reloader) = reloader {
            tasks.spawn(obey_hangups(reloader, stopping));
        }
        Ok(Self { app, stop, tasks, stop_limit: limits.stop() + OTHERS })
    }

    /// Takes nothing new, and waits for what is in flight, within the limit; what is left then is aborted.
    pub async fn stop(mut self) {
        self.app.drain();
        let _ = self.stop.send(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.stop_limit, ended).await;
        self.app.means.events.say_all_left_out();
    }
}

/// The store that outlives the process, and what seals its records.
pub async fn durable(
    config: &Config,
    entropy: &Arc<dyn Entropy>,
) -> Result<(Arc<dyn Store>, Sealer), StartError> {
    if let Some(key) = config.key_of_lost_store() {
        return Err(StartError::StoreLost { store: config.store.path.clone(), key: key.to_owned() });
    }
    let store: Arc<dyn Store> = match config.store.durable {
        Durable::Sqlite => sqlite(config)?,
        Durable::Postgres => postgres(config).await?,
    };
    let root = match &config.seal_key {
        SealKey::Given(key) => key.clone(),
        SealKey::Beside(path) => {
            let source = SealKeySource::File(path.clone());
            // Made after the store, so that no start that is killed leaves a key without one.
            if is_unused(&*store).await.map_err(StartError::Unread)? {
                source.load_or_create(&**entropy)?
            } else {
                // Where records were sealed before, a new key would open none of them.
                source.load()?
            }
        }
    };
    let sealer = Sealer::new(&root, entropy.clone());
    Ok((store, config.other_seal_key.iter().fold(sealer, Sealer::opening_also)))
}

/// Whether nothing was ever sealed in it.
async fn is_unused(store: &dyn Store) -> Result<bool, StoreError> {
    for kind in records::ALL {
        if store.count(kind).await? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The store of what may be lost; the durable one, where both are in one place.
async fn ephemeral(config: &Config, durable: &Arc<dyn Store>) -> Result<Arc<dyn Store>, StartError> {
    Ok(match (config.store.ephemeral, config.store.durable) {
        (Backend::Sqlite, Durable::Sqlite) | (Backend::Postgres, Durable::Postgres) => durable.clone(),
        (Backend::Memory, _) => Arc::new(Memory::new(ceilings(&config.limits))),
        (Backend::Sqlite, _) => sqlite(config)?,
        (Backend::Postgres, _) => postgres(config).await?,
        (Backend::Redis, _) => {
            let settings = config.store.redis.as_ref().ok_or(StartError::NoSettings)?;
            Arc::new(Redis::open(settings, ceilings(&config.limits)).await?)
        }
    })
}

fn sqlite(config: &Config) -> Result<Arc<Sqlite>, OpenError> {
    Ok(Arc::new(Sqlite::open(&config.store.path, ceilings(&config.limits))?))
}

/// A configuration that was checked has the settings of whatever it names.
async fn postgres(config: &Config) -> Result<Arc<Postgres>, StartError> {
    let settings = config.store.postgres.as_ref().ok_or(StartError::NoSettings)?;
    Ok(Arc::new(Postgres::open(settings, ceilings(&config.limits)).await?))
}

async fn sweep(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    loop {
        if tokio::time::timeout(SWEEP, stopped(&mut stop)).await.is_ok() {
            return;
        }
        app.sweep().await;
        // What failed was said.
        let _ = app.tend_keys().await;
        if tokio::time::timeout(GIVE_BACK, stopped(&mut stop)).await.is_ok() {
            return;
        }
        // mimalloc gives back what has been free for a second, and looks for it when something large is freed.
        drop(black_box(Vec::<u8>::with_capacity(LARGE)));
    }
}

async fn say_left_out(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    while tokio::time::timeout(COUNT_UP, stopped(&mut stop)).await.is_err() {
        app.means.events.say_left_out();
    }
}

/// SIGHUP reloads; what came of it is an event.
async fn obey_hangups(reloader: Arc<Reloader>, mut stop: watch::Receiver<bool>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            received = hangup.recv() => {
                if received.is_none() {
                    return;
                }
                // Said in an event, whatever came of it.
                let _ = reloader.reload().await;
            }
        }
    }
}

/// Returns once the process shall stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn read(path: &PathBuf) -> Result<Vec<u8>, StartError> {
    tokio::fs::read(path).await.map_err(|source| StartError::Read { path: path.clone(), source })
}

/// SIGTERM or SIGINT.
pub async fn asked_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn listener_limits(limits: &Limits) -> ListenerLimits {
    ListenerLimits {
        head_bytes: limits.head_bytes,
        headers: limits.headers,
        head: limits.head,
        write: limits.write,
        connections: limits.connections,
        connections_per_address: limits.connections_per_address,
        in_flight: limits.in_flight,
        drain: limits.drain,
    }
}

/// How many records of each kind there may be.
pub fn ceilings(limits: &Limits) -> impl Iterator<Item = (Kind, usize)> {
    records::ALL
        .into_iter()
        .map(|kind| (kind, kind.ceiling.records(limits.logins_in_flight, limits.sessions)))
}
