//! `[store] [keys]`: where records are kept, and the key that seals them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::secrets::{self, Names};
use super::server::read_chain;
use crate::config::file::{Section, variable};
use crate::config::value::{Raw, Wrong, choice, text, whole};
use crate::config::{Backend, Durable, SealKey, Store};
use crate::secret::Secret;
use crate::store::{PostgresSettings, RedisSettings};

const URL: Names = Names { direct: "url", file: "url_file" };

pub(super) fn store(section: Section<'_>, base: &Path) -> Store {
    let backends = [
        ("memory", Backend::Memory),
        ("sqlite", Backend::Sqlite),
        ("postgres", Backend::Postgres),
        ("redis", Backend::Redis),
    ];
    let ephemeral = section.or("ephemeral", Backend::Memory, choice(&backends));
    let durables = [("sqlite", Durable::Sqlite), ("postgres", Durable::Postgres)];
    let durable = section.or("durable", Durable::Sqlite, choice(&durables));
    let path = section.or("path", base.join("relais.sqlite"), secrets::path(base));
    if durable == Durable::Sqlite || ephemeral == Backend::Sqlite {
        file(&section, &path);
    }
    let in_postgres = durable == Durable::Postgres || ephemeral == Backend::Postgres;
    let postgres = postgres(section.section("postgres"), base, in_postgres);
    let redis = redis(section.section("redis"), base, ephemeral == Backend::Redis);
    section.finish();
    Store { ephemeral, durable, path, postgres, redis }
}

fn file(section: &Section<'_>, path: &Path) {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
            let wrong = format!("lies in {}, which is no directory", parent.display());
            section.fault(
                "path",
                Wrong { wrong, right: "make it, owned by the user that runs relais".to_owned() },
            );
        }
        _ if path.is_dir() => section.fault("path", Wrong::new("is a directory", "name a file")),
        _ => {}
    }
}

/// Where nothing is kept there, only the names of the keys are looked at.
fn postgres(section: Section<'_>, base: &Path, used: bool) -> Option<PostgresSettings> {
    if !used {
        unused(section, &["url", "url_file", "ca_file", "schema", "max_connections", "timeout_milliseconds"]);
        return None;
    }
    let example = "postgres://relais:password@db.example/relais";
    let address = address(&section, base, &["postgres", "postgresql"], example);
    let ca_file = ca_file(&section, base);
    let schema = section.or("schema", "relais".to_owned(), word);
    let max_connections = section.or("max_connections", 16, whole(1..=1_000));
    let timeout = timeout(&section);
    section.finish();
    let address = address?;
    let tls = !address.local || (ca_file.is_some() && !address.socket);
    Some(PostgresSettings { url: address.url, tls, ca_file, schema, max_connections, timeout })
}

fn redis(section: Section<'_>, base: &Path, used: bool) -> Option<RedisSettings> {
    if !used {
        let keys = ["url", "url_file", "ca_file", "prefix", "wait_replicas", "timeout_milliseconds"];
        unused(section, &keys);
        return None;
    }
    let example = "rediss://:password@redis.example/0";
    let address = address(&section, base, &["redis", "rediss", "unix"], example);
    let ca_file = ca_file(&section, base);
    if let Some(address) = &address {
        let tls = address.url.expose().starts_with("rediss:");
        if !tls && !address.local {
            let wrong = Wrong::new("would travel in plain text to another machine", "write rediss://…");
            section.fault(address.key, wrong);
        }
        if !tls && ca_file.is_some() {
            section.fault("ca_file", Wrong::new("vouches for nobody", "write rediss://…, or leave it out"));
        }
    }
    let prefix = section.or("prefix", "relais:".to_owned(), text);
    let wait_replicas = section.or("wait_replicas", 0, whole(0..=16));
    let timeout = timeout(&section);
    section.finish();
    Some(RedisSettings { url: address?.url, ca_file, prefix, timeout, wait_replicas })
}

fn unused(section: Section<'_>, keys: &[&'static str]) {
    for key in keys {
        section.optional(key, |_| Ok(()));
    }
    section.finish();
}

fn ca_file(section: &Section<'_>, base: &Path) -> Option<PathBuf> {
    let file = section.optional("ca_file", secrets::path(base))?;
    if let Err(wrong) = read_chain(&file) {
        section.fault("ca_file", wrong);
    }
    Some(file)
}

fn timeout(section: &Section<'_>) -> Duration {
    Duration::from_millis(section.or("timeout_milliseconds", 2_000, whole(50..=30_000)))
}

/// The address of a server.
struct Address {
    url: Secret<String>,
    /// The key that gave it.
    key: &'static str,
    /// Whether it is on this machine.
    local: bool,
    /// Whether it is a Unix socket.
    socket: bool,
}

/// The URL at `url` or in `url_file`. One with a password has no place in the configuration itself.
fn address(section: &Section<'_>, base: &Path, schemes: &[&str], example: &str) -> Option<Address> {
    let written = section.optional(URL.direct, text);
    let (key, secret) = match written {
        Some(url) => (URL.direct, Secret::new(url)),
        None if section.has(URL.direct) => return None,
        None => (URL.file, secrets::required(section, &URL, base)?),
    };
    let right = format!("write it like {example}");
    let Ok(url) = Url::parse(secret.expose().trim()) else {
        section.fault(key, Wrong::new("is no URL", &right));
        return None;
    };
    if !schemes.contains(&url.scheme()) || url.fragment().is_some() {
        section.fault(key, Wrong::new("is no address of such a server", &right));
        return None;
    }
    let query: Vec<_> = url.query_pairs().collect();
    let password = url.password().is_some() || query.iter().any(|(name, _)| name == "pass");
    if key == URL.direct && password && !section.is_from_env(URL.direct) {
        let variable = variable(&section.path_of(URL.direct));
        let right = format!("put it in a file of mode 0600 and name that in `url_file`, or set {variable}");
        section.fault(key, Wrong { wrong: "holds a password, which has no place here".to_owned(), right });
        return None;
    }
    let socket = url.scheme() == "unix" || query.iter().any(|(name, at)| name == "host" && at.starts_with('/'));
    // What else a library reads there could undo what is checked here.
    let known = |name: &str| match url.scheme() {
        "unix" => ["db", "user", "pass"].contains(&name),
        "redis" | "rediss" => false,
        _ => name == "host" && socket,
    };
    if let Some((name, _)) = query.iter().find(|(name, _)| !known(name)) {
        let wrong = format!("holds {name:?} in its query");
        section.fault(key, Wrong { wrong, right: "leave it out: TLS is always verified".to_owned() });
        return None;
    }
    let local = socket || url.host_str().is_some_and(on_this_machine);
    Some(Address { url: Secret::new(url.to_string()), key, local, socket })
}

fn on_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name of a schema, which needs no quotes.
fn word(raw: &Raw<'_>) -> Result<String, Wrong> {
    let word = text(raw)?;
    let plain = word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.len() <= 63
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let right = "write small letters, digits and `_`";
    if plain { Ok(word) } else { Err(Wrong::new("is no plain name", right)) }
}

/// The root seal key; by default beside the SQLite file, and where several nodes may share what is durable,
/// always given.
pub(super) fn seal_key(section: Section<'_>, base: &Path, store: &Store) -> Option<SealKey> {
    const NAMES: Names = Names { direct: "seal_key", file: "seal_key_file" };
    let given = section.has(NAMES.direct) || section.has(NAMES.file);
    let secret = secrets::optional(&section, &NAMES, base);
    let key = match secret {
        None if given => None,
        None if store.durable == Durable::Postgres => {
            let variable = variable(&section.path_of(NAMES.direct));
            let right = format!(
                "name a file of mode 0600 with the key of all nodes (`openssl rand -hex 32`), or set {variable}"
            );
            let wrong = "is missing, and store.durable = \"postgres\" needs it".to_owned();
            section.fault(NAMES.file, Wrong { wrong, right });
            None
        }
        None => Some(SealKey::Beside(store.path.with_extension("key"))),
        Some(text) => {
            let mut key = [0; 32];
            if hex::decode_to_slice(text.expose().trim(), &mut key).is_err() {
                let at = if section.has(NAMES.direct) { NAMES.direct } else { NAMES.file };
                let right = "write 64 hexadecimal digits (`openssl rand -hex 32`)";
                section.fault(at, Wrong::new("is no key", right));
            }
            Some(SealKey::Given(Secret::new(key)))
        }
    };
    section.finish();
    key
}
