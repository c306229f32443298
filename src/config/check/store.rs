//! `[store]`: where records are kept.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::secrets::{self, Names};
use super::server::read_chain;
use crate::config::file::{Section, variable};
use crate::config::value::{Raw, Wrong, boolean, choice, text, whole};
use crate::config::{Backend, Durable, Store};
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
    let affinity = section.or("affinity", false, boolean);
    if affinity {
        if (ephemeral, durable) == (Backend::Memory, Durable::Postgres) {
            section
                .warn("affinity", "a node that stops loses its logins in flight, and signs its people out");
        } else {
            let wrong = "means memory of each node beside a database of all";
            let right = "write ephemeral = \"memory\" and durable = \"postgres\", or leave it out";
            section.fault("affinity", Wrong::new(wrong, right));
        }
    }
    let path = section.or("path", base.join("relais.sqlite"), secrets::path(base));
    if durable == Durable::Sqlite || ephemeral == Backend::Sqlite {
        file(&section, &path);
    }
    let in_postgres = durable == Durable::Postgres || ephemeral == Backend::Postgres;
    let postgres = postgres(section.section("postgres"), base, in_postgres);
    let redis = redis(section.section("redis"), base, ephemeral == Backend::Redis);
    section.finish();
    Store { ephemeral, durable, affinity, path, postgres, redis }
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
    let socket =
        url.scheme() == "unix" || query.iter().any(|(name, at)| name == "host" && at.starts_with('/'));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{place, secret};
    use crate::config::{Config, Faults, Purpose, from_toml};
    use crate::store::Ephemeral;

    fn read(more: &str, dir: &Path, env: &[(&str, &str)]) -> Result<Config, Faults> {
        let text = format!("[server]\npublic_url = \"https://relais.example\"\n{more}");
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        from_toml(&text, dir, env, Purpose::Serve)
    }

    fn faults(more: &str, env: &[(&str, &str)]) -> String {
        let dir = place();
        read(more, dir.path(), env).err().map(|faults| faults.to_string()).unwrap_or_default()
    }

    const CLUSTER: &str = "[store]\nephemeral = \"postgres\"\ndurable = \"postgres\"\npath = \"no/such/place\"\n\
         [keys]\nseal_key_file = \"seal.key\"\n";

    #[test]
    fn a_cluster_needs_a_database_and_a_key_and_no_file() {
        let dir = place();
        let url = "postgres://relais:s3cret@db.example/relais";
        secret(dir.path(), "postgres.url", url);
        let more = format!("{CLUSTER}[store.postgres]\nurl_file = \"postgres.url\"");
        let config = read(&more, dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        let postgres = config.store.postgres.unwrap();
        assert_eq!((postgres.url.expose().as_str(), postgres.tls), (url, true));
        assert_eq!(postgres.max_connections, 16);
        assert_eq!((config.store.ephemeral, config.store.durable), (Backend::Postgres, Durable::Postgres));
        assert!(config.store.redis.is_none());

        let env = [("RELAIS_STORE__POSTGRES__URL", url)];
        assert_eq!(
            faults("[store]\ndurable = \"postgres\"", &env),
            "keys.seal_key_file: is missing, and store.durable = \"postgres\" needs it; name a file of mode 0600 \
             with the key of all nodes (`openssl rand -hex 32`), or set RELAIS_KEYS__SEAL_KEY"
        );
        assert_eq!(
            faults(CLUSTER, &[]),
            "store.postgres.url_file: is missing; name a file of mode 0600 that holds it, or set \
             RELAIS_STORE__POSTGRES__URL"
        );
        assert!(faults("[store]\npath = \"no/such/place\"", &[]).contains("store.path: lies in"));
        assert!(faults("[store]\ndurable = \"redis\"", &[]).contains("write one of sqlite, postgres"));
    }

    #[test]
    fn affinity_is_memory_beside_a_shared_database() {
        let sticky = CLUSTER.replace("ephemeral = \"postgres\"", "affinity = true");
        let dir = place();
        let env = [("RELAIS_STORE__POSTGRES__URL", "postgres://localhost/relais")];
        let config = read(&sticky, dir.path(), &env).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(config.store.ephemeral_class(), Ephemeral::OfEachNode);
        assert!(config.warnings.iter().any(|warning| warning.path == "store.affinity"));
        let without = read(&sticky.replace("affinity = true\n", ""), dir.path(), &env);
        assert_eq!(without.ok().map(|config| config.store.ephemeral_class()), Some(Ephemeral::Lost));
        for other in [
            CLUSTER.replace("[store]", "[store]\naffinity = true"),
            "[store]\naffinity = true".to_owned(),
            "[store]\naffinity = true\nephemeral = \"sqlite\"".to_owned(),
        ] {
            assert_eq!(
                faults(&other, &env),
                "store.affinity: means memory of each node beside a database of all; write ephemeral = \"memory\" \
                 and durable = \"postgres\", or leave it out"
            );
        }
    }

    #[test]
    fn a_password_has_no_place_in_the_configuration() {
        for (store, url) in [
            ("postgres", "postgres://relais:hush@localhost/relais"),
            ("redis", "redis://:hush@localhost/0"),
            ("redis", "unix:///run/redis?pass=hush"),
        ] {
            let keys = "[keys]\nseal_key_file = \"seal.key\"\n";
            let more = format!("{keys}[store]\nephemeral = \"{store}\"\n[store.{store}]\nurl = \"{url}\"");
            let text = faults(&more, &[]);
            assert!(text.contains(".url: holds a password, which has no place here"), "{text}");
            assert!(!text.contains("hush"), "{text}");
            let more = format!("{keys}[store]\nephemeral = \"{store}\"");
            let variable = format!("RELAIS_STORE__{}__URL", store.to_uppercase());
            assert_eq!(faults(&more, &[(&variable, url)]), "", "{url}");
        }
    }

    #[test]
    fn nothing_travels_to_another_machine_in_plain_text() {
        let redis = |url: &str| {
            faults(&format!("[store]\nephemeral = \"redis\"\n[store.redis]\nurl = \"{url}\""), &[])
        };
        for good in
            ["rediss://redis.example/0", "redis://127.0.0.1/", "redis://[::1]:7000", "unix:///run/redis"]
        {
            assert_eq!(redis(good), "", "{good}");
        }
        for bad in ["redis://redis.example/0", "redis://10.0.0.7"] {
            assert!(redis(bad).contains("would travel in plain text to another machine"), "{bad}");
        }
        for bad in
            ["rediss://redis.example/#insecure", "http://localhost", "localhost:6379", "redis://h/?x=y"]
        {
            assert_ne!(redis(bad), "", "{bad}");
        }
        let tls = |url: &str| {
            let dir = place();
            let more = format!("{CLUSTER}[store.postgres]\nurl = \"{url}\"");
            read(&more, dir.path(), &[]).ok().map(|config| config.store.postgres.unwrap().tls)
        };
        assert_eq!(tls("postgres://relais@db.example/relais"), Some(true));
        assert_eq!(tls("postgres://relais@10.0.0.7/relais"), Some(true));
        assert_eq!(tls("postgres://relais@127.0.0.1/relais"), Some(false));
        assert_eq!(tls("postgres:///relais?host=/run/postgresql"), Some(false));
        assert_eq!(tls("postgres://db.example/relais?sslmode=disable"), None);
        assert_eq!(tls("postgres://localhost/relais?host=db.example"), None);
    }

    #[test]
    fn the_name_of_a_schema_is_a_plain_word() {
        let schema = |name: &str| {
            faults(
                &format!("{CLUSTER}[store.postgres]\nurl = \"postgres://localhost/r\"\nschema = \"{name}\""),
                &[],
            )
        };
        assert_eq!(schema("relais_2"), "");
        for bad in ["Relais", "1a", "a b", "a\\\"b", "a;b"] {
            assert!(schema(bad).contains("store.postgres.schema: is no plain name"), "{bad}");
        }
    }
}
