//! The configuration: the file as written ([`file`]), its faults all at once (`check`), and the real types.
//!
//! One TOML file whose section names are the names of the modules they set. Any value can be given as
//! `RELAIS_SECTION__KEY` instead, and secrets only so or by a `*_file`. Every fault is reported in one run.

mod check;
mod fault;
mod file;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::event::{Area, Level};
use crate::keys;
use crate::legacy;
use crate::message::Lang;
use crate::outbound::OutboundSettings;
use crate::secret::Secret;
use crate::service::{ServiceId, UpstreamName};
use crate::store::{Ephemeral, PostgresSettings, RedisSettings};
use crate::upstream;

pub use fault::{Fault, Faults, Warning};

/// Reads the file at `path`, with what `env` overrides. Relative paths in it start from its own directory.
pub fn load(
    path: &Path,
    env: impl IntoIterator<Item = (String, String)>,
    purpose: Purpose,
) -> Result<Config, Faults> {
    let text = std::fs::read_to_string(path).map_err(|error| Faults::unreadable(path, &error))?;
    let base = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    from_toml(&text, base, env, purpose)
}

/// Reads `text` as if it stood in a file in the directory `base`.
pub fn from_toml(
    text: &str,
    base: &Path,
    env: impl IntoIterator<Item = (String, String)>,
    purpose: Purpose,
) -> Result<Config, Faults> {
    let document = file::Document::read(text, env)?;
    check::check(&document, base, purpose)
}

/// What the configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve real people.
    Serve,
    /// To show the relay on this machine: KIF's published sample key is let through.
    Demo,
}

/// A configuration without a fault.
pub struct Config {
    /// Where browsers reach the relay: no query, no fragment, and no trailing slash after a path.
    pub public_url: Url,
    issuer: String,
    /// The button on pages where no application is known.
    pub home_url: Option<Url>,
    /// Where the relay listens; at least one is public.
    pub listeners: Vec<Listener>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether HSTS holds for every host below that of `public_url`.
    pub hsts_include_subdomains: bool,
    /// The language of pages where the browser asks for none that we speak.
    pub default_locale: Lang,
    /// The application behind `/idp` without a name.
    pub default_app: Option<ServiceId>,
    /// Other paths of its pages.
    pub aliases: Aliases,
    /// Where records are kept.
    pub store: Store,
    /// The root key that seals what is kept.
    pub seal_key: SealKey,
    /// A root key that opens what it has sealed, and seals nothing: the former one, or the next.
    pub other_seal_key: Option<Secret<[u8; 32]>>,
    /// How our own keys succeed one another.
    pub keys: keys::Policy,
    /// How long a session lives.
    pub session: Session,
    /// How much of everything is taken.
    pub limits: Limits,
    /// How calls leave.
    pub outbound: OutboundSettings,
    /// Our registrations at national providers.
    pub upstreams: Vec<upstream::Settings>,
    /// The name of each upstream that people read.
    pub upstream_labels: BTreeMap<UpstreamName, String>,
    /// The legacy applications.
    pub apps: Vec<legacy::App>,
    /// The log.
    pub event: EventConfig,
    /// Choices that are weaker than they could be, or were probably not meant; to be said at every start.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// The relay's issuer identifier: `public_url` without a trailing slash.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The seal key that a lost SQLite file has left behind. It is made after the file, so without the file somebody took
    /// it away.
    pub fn key_of_lost_store(&self) -> Option<&Path> {
        let SealKey::Beside(key) = &self.seal_key else { return None };
        (key.exists() && !self.store.path.exists()).then_some(key)
    }

    /// The keys that the keyring shall hold: the relay's own, and those of upstreams that bring none.
    pub fn wanted_keys(&self) -> Vec<keys::Wanted> {
        let upstreams = self.upstreams.iter().flat_map(upstream::Settings::wanted_keys);
        keys::RELAY.iter().cloned().chain(upstreams).collect()
    }
}

/// Paths of the relay's predecessor that go on working, whole and below the host of `public_url`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Ends the session for the default application.
    pub logout: Option<String>,
    /// Shows the error page.
    pub error: Option<String>,
}

/// One address that the relay listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address.
    pub address: SocketAddr,
    /// Whom it serves.
    pub kind: ListenerKind,
    /// Certificate and key, if it speaks TLS itself.
    pub tls: Option<Tls>,
}

/// Whom a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// Browsers and applications.
    Public,
    /// The operator: health, and later metrics and the console.
    Management,
}

/// The files of a TLS listener, which were read and fit together when the configuration was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Where records are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    /// Where logins in flight, browser sessions and replay marks live.
    pub ephemeral: Backend,
    /// Where whatever must outlive every node lives.
    pub durable: Durable,
    /// Whether there are several nodes, each with its own memory, behind a balancer that keeps a browser at one.
    pub affinity: bool,
    /// The SQLite file, if either is there.
    pub path: PathBuf,
    /// The PostgreSQL database, if either is there.
    pub postgres: Option<PostgresSettings>,
    /// Redis, if the ephemeral records are there.
    pub redis: Option<RedisSettings>,
}

impl Store {
    /// What becomes of the ephemeral records when a node ends.
    pub fn ephemeral_class(&self) -> Ephemeral {
        match self.ephemeral {
            Backend::Memory if self.affinity => Ephemeral::OfEachNode,
            Backend::Memory => Ephemeral::Lost,
            Backend::Sqlite | Backend::Postgres | Backend::Redis => Ephemeral::Kept,
        }
    }
}

/// What can keep ephemeral records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The process; they are lost when it stops.
    Memory,
    /// The SQLite file.
    Sqlite,
    /// The PostgreSQL database.
    Postgres,
    /// Redis or Valkey.
    Redis,
}

/// What can keep durable records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// The SQLite file: one node.
    Sqlite,
    /// The PostgreSQL database: any number.
    Postgres,
}

/// Where the root seal key comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum SealKey {
    /// From this file, made with mode 0600 at the first start.
    Beside(PathBuf),
    /// Given by the operator.
    Given(Secret<[u8; 32]>),
}

/// How long a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Without use.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

/// How much of everything is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of a request's head, in bytes.
    pub head_bytes: usize,
    /// Number of headers.
    pub headers: usize,
    /// Time for the head to arrive.
    pub head: Duration,
    /// Size of a request's body, in bytes.
    pub body_bytes: usize,
    /// Time for the body to arrive.
    pub body: Duration,
    /// Time in which a peer takes something of what is written to it.
    pub write: Duration,
    /// Open connections.
    pub connections: usize,
    /// Open connections of one address; requests in flight of one client behind a trusted proxy.
    pub connections_per_address: usize,
    /// Requests being answered.
    pub in_flight: usize,
    /// How long a stop waits for them.
    pub drain: Duration,
    /// Refused messages of one address prefix, a minute.
    pub refused_messages_per_minute: u32,
    /// Wrong claim passwords of one address prefix, a minute.
    pub wrong_claims_per_minute: u32,
    /// Logins in flight.
    pub logins_in_flight: usize,
    /// Logins in flight of one application.
    pub logins_per_app: usize,
    /// Logins in flight of one address prefix.
    pub logins_per_address: usize,
    /// Networks with many subscribers behind few addresses: what comes from there counts at the widest prefix alone.
    pub large_networks: Vec<IpNet>,
    /// How long a login may take.
    pub login: Duration,
    /// Browser sessions.
    pub sessions: usize,
    /// Browser sessions of one person; beyond, that person's oldest ends.
    pub sessions_per_person: usize,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// The least level that is written, for areas that `levels` does not name.
    pub level: Level,
    /// The least level of an area.
    pub levels: Vec<(Area, Level)>,
    /// How many refusals of one reason and one address are written, a minute; all of them if 0.
    pub burst_per_minute: u32,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `Human` on a terminal, else `Json`.
    Auto,
    /// For eyes.
    Human,
    /// For programs: one JSON object per line.
    Json,
    /// For what reads KIF's log: its layout and its sentences.
    Kif,
}

impl LogFormat {
    /// Every form and its name.
    pub const ALL: [(&str, Self); 4] =
        [("auto", Self::Auto), ("human", Self::Human), ("json", Self::Json), ("kif", Self::Kif)];
}

impl EventConfig {
    /// The directives of a `tracing_subscriber` filter: ours as configured, libraries only if they warn.
    pub fn filter(&self) -> String {
        // What a cookie that we do not know means, we say; its library warns of it whenever anybody likes.
        let mut filter = format!("warn,tower_sessions_core=error,relais={}", word(self.level));
        for (area, level) in &self.levels {
            let area = match area {
                Area::Legacy => "legacy",
                Area::Broker => "broker",
                Area::Upstream => "upstream",
                Area::Session => "session",
                Area::Server => "server",
            };
            filter = format!("{filter},relais::{area}={}", word(*level));
        }
        filter
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
