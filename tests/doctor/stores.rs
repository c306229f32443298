//! The stores, the seal key and the relay's own keys: well, and each kind of ill. Real servers; nothing is written.

use std::fs::{read, read_dir, remove_file};
use std::path::Path;
use std::sync::Arc;

use relais::clock::Timestamp;
use relais::entropy::Entropy;
use relais::event::{Events, Recorder};
use relais::keys::{KeyAlg, KeyRecord, KeyUse, Keyring, Policy, RELAY, Succession, Wanted};
use relais::secret::Secret;
use relais::service::UpstreamName;
use relais::store::{Entry, Key, Postgres, Record as _, Sealer, Sqlite, Store, Table, Version};
use sqlx::{Connection as _, PgConnection};

use super::servers::{Server, postgres, postgres_settings, redis};
use super::*;

/// The root seal key of that byte, as its file has it.
fn seal(byte: u8) -> String {
    hex::encode([byte; 32])
}

impl Place {
    /// With these lines in `[store]` and below, and a seal key that is given.
    fn on(mut self, store: &str) -> Self {
        self.secret("seal.key", &seal(7));
        write!(self.1, "[keys]\nseal_key_file = \"seal.key\"\n[store]\n{store}\n").unwrap();
        self
    }

    fn on_postgres(more: &str, ephemeral: &str, server: &str) -> Self {
        Self::new().on(&format!(
            "durable = \"postgres\"\nephemeral = {ephemeral}\n[store.postgres]\nurl = \"{server}\"\n{more}"
        ))
    }

    fn on_redis(more: &str, port: u16) -> Self {
        Self::new()
            .on(&format!("ephemeral = \"redis\"\n[store.redis]\nurl = \"redis://127.0.0.1:{port}/\"\n{more}"))
    }

    /// What is said of `area`, without its name.
    fn says(&self, area: &str) -> Vec<String> {
        let (_, lines) = self.lines(area, &[], "");
        lines.iter().map(|line| line.replacen(&format!("  {area}  "), ": ", 1)).collect()
    }

    /// Says it, and of the area nothing worse.
    fn has(&self, area: &str, expected: &[&str]) {
        let lines = self.says(area);
        for expected in expected {
            assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {lines:#?}");
        }
        let bad = |line: &&String| !line.starts_with("ok");
        let ill = expected.iter().filter(|line| !line.starts_with("ok")).count();
        assert_eq!(lines.iter().filter(bad).count(), ill, "{lines:#?}");
        assert!(lines.iter().filter(bad).all(|line| line.contains("  → ")), "{lines:#?}");
    }
}

/// The keys of the relay, and of the upstreams named, as a relay that ran at each of these instants has left them.
async fn tended(store: Arc<dyn Store>, seal: u8, upstreams: &[&str], at: &[Timestamp]) {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let table = Table::new(store, Sealer::new(&Secret::new([seal; 32]), entropy.clone()));
    let ring = Keyring::new(table, entropy, Events::to(Recorder::default()));
    let upstream = |name: &&str| Wanted {
        succession: Succession { usage: KeyUse::Signing, upstream: Some(UpstreamName((*name).to_owned())) },
        alg: KeyAlg::Es256,
    };
    ring.configure(RELAY.iter().cloned().chain(upstreams.iter().map(upstream)).collect(), Policy::default());
    for now in at {
        ring.tend(*now).await.unwrap();
    }
}

fn days_ago(days: u64) -> Timestamp {
    Timestamp::from_seconds(SystemClock.now().seconds() - days * 86_400)
}

/// As the administrator; a server that has just begun may still say that it is starting up.
async fn administer(server: &Server, statements: &[&'static str]) {
    let url = format!("postgres://relais@127.0.0.1:{}/postgres", server.port);
    let mut connection = None;
    for _ in 0..100 {
        connection = PgConnection::connect(&url).await.ok();
        if connection.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut connection = connection.unwrap();
    for statement in statements {
        sqlx::raw_sql(*statement).execute(&mut connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_asked_and_left_as_it_is() {
    const AREA: &str = "store.postgres";
    let Some(mut server) = postgres() else { return };
    let url = |user: &str, port: u16| format!("postgres://{user}@127.0.0.1:{port}/postgres");
    let place = Place::on_postgres("", "\"postgres\"", &url("relais", server.port));
    administer(&server, &["CREATE ROLE guest LOGIN"]).await;
    let empty = "ok  : there are no tables in relais yet: the first start makes them";
    place.has(
        AREA,
        &["ok  : PostgreSQL ", "ok  : is a primary, and takes writes", empty, "ok  : the clocks agree"],
    );
    place.has(AREA, &[empty, "ok  : waits for no standby", "ok  : it has 97 connections, of which "]);
    place.has("keys.seal", &["ok  : is that of keys.seal_key_file; the store holds no key yet"]);
    place.has("keys", &["ok  : signing: no key yet", "ok  : nonce: no key yet"]);
    let guest = Place::on_postgres("max_connections = 200\n", "\"memory\"", &url("guest", server.port));
    guest.has(
        AREA,
        &["fail: there are no tables in relais, and its user may not make them", "warn: it has 97 "],
    );
    guest.has("store.affinity", &["warn: memory beside PostgreSQL is for one node"]);
    let sticky = Place::on_postgres("", "\"memory\"\naffinity = true", &url("relais", server.port));
    let said = "warn  store.affinity  a node that stops loses its logins in flight, and signs its people out";
    assert_eq!(sticky.lines("store.affinity", &[], "").1, [said]);

    let store = Arc::new(
        Postgres::open(&postgres_settings(&server), relais::records::ALL.map(|kind| (kind, 1_000)))
            .await
            .unwrap(),
    );
    tended(store.clone(), 7, &[], &[SystemClock.now()]).await;
    place.has(AREA, &["ok  : the tables in relais are those of this release (3)"]);
    place.has("keys.seal", &["ok  : is that of keys.seal_key_file, and opens the store's keys (2)"]);
    place.has("keys", &["ok  : signing: ES256 ", "ok  : nonce: HS256 "]);
    let (expires, version) = (days_ago(0).plus(Duration::from_mins(9)), Version([0; 16]));
    let strange = Entry { value: vec![1; 99], version, expires, owners: Vec::new() };
    store.put(KeyRecord::KIND, Key([9; 32]), strange, days_ago(0)).await.unwrap();
    place.has("keys.seal", &["fail: that of keys.seal_key_file, opens 2 of the store's 3 keys"]);
    place.secret("seal.key", &seal(9));
    place.has("keys.seal", &["fail: that of keys.seal_key_file, does not open the store's keys"]);
    assert_eq!(place.says("keys").len(), 0, "nothing is known of them");

    administer(
        &server,
        &[
            "UPDATE relais.schema_version SET version = 99",
            "ALTER SYSTEM SET fsync = off",
            "SELECT pg_reload_conf()",
        ],
    )
    .await;
    let later = "fail: the tables in relais are of a later release (99; this one knows 3)";
    // The server takes its new configuration when it comes to it.
    for _ in 0..100 {
        if place.says(AREA).iter().any(|line| line.starts_with("fail: fsync")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    place.has(AREA, &[later, "fail: fsync = off: "]);
    administer(
        &server,
        &[
            "UPDATE relais.schema_version SET version = 3",
            "ALTER ROLE relais SET default_transaction_read_only = on",
        ],
    )
    .await;
    place.has(AREA, &["fail: is a primary, and takes no writes", "fail: fsync = off: "]);
    server.kill();
    place.has(AREA, &["fail: the store's backend failed; the outcome is unknown: "]);
    place.has("keys.seal", &["ok  : is that of keys.seal_key_file"]);
}

#[test]
fn redis_is_asked_and_left_as_it_is() {
    const AREA: &str = "store.redis";
    let Some(mut server) = redis(&[]) else { return };
    let place = Place::on_redis("", server.port);
    let well = [
        "is a primary",
        "forgets nothing that is alive",
        "appendfsync everysec: ",
        "0 replicas follow it",
        "the clocks agree",
    ];
    place.has(AREA, &well.map(|line| format!("ok  : {line}")).each_ref().map(String::as_str));
    let careful = Place::on_redis("wait_replicas = 1\n", server.port);
    careful.has(AREA, &["fail: 0 replicas follow it, and wait_replicas = 1: no login succeeds"]);
    let small = ["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "no"];
    let evicts = redis(&small).unwrap();
    Place::on_redis("", evicts.port)
        .has(AREA, &["fail: evicts under maxmemory-policy allkeys-lru", "warn: appendonly no: "]);
    let replica =
        redis(&["--replicaof", "127.0.0.1", &server.port.to_string(), "--appendfsync", "no"]).unwrap();
    Place::on_redis("", replica.port).has(AREA, &["fail: is a replica", "warn: appendfsync no: "]);
    let sure = redis(&["--appendfsync", "always"]).unwrap();
    Place::on_redis("", sure.port).has(AREA, &["ok  : what it acknowledges is on disk (appendfsync always)"]);
    server.kill();
    place.has(AREA, &["fail: the store's backend failed; the outcome is unknown: "]);
}

/// A server that takes connections and says nothing.
#[test]
fn a_silent_store_costs_five_seconds() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("postgres://relais@127.0.0.1:{port}/postgres");
    let redis = format!("[store.redis]\nurl = \"redis://127.0.0.1:{port}/\"\n");
    let place = Place::on_postgres(&redis, "\"redis\"", &url);
    let start = SystemClock.now();
    let output = place.doctor(&[], "");
    let text = String::from_utf8(output.stdout).unwrap();
    for area in ["store.postgres", "store.redis"] {
        let line = format!("fail  {area}  the store's backend failed; the outcome is unknown: ");
        assert_eq!(text.lines().filter(|found| found.starts_with(&line)).count(), 1, "{text}");
    }
    let took = SystemClock.now().since(start);
    assert!((10..13).contains(&took.as_secs()), "{took:?}");
}

/// The names and contents of everything there, but for the configuration itself.
fn files(directory: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = read_dir(directory)
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name() != "relais.toml")
        .map(|entry| (entry.file_name(), read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_read_and_left_as_it_is() {
    const AREA: &str = "store.sqlite";
    let place = Place::new();
    let path = place.path("relais.sqlite");
    let before = files(place.0.path());
    place.has(AREA, &[&format!("ok  : {} is not there yet: the first start makes it", path.display())]);
    let key = place.path("relais.key");
    place.has("keys.seal", &[&format!("ok  : {} is not there yet: the first start makes it", key.display())]);
    assert!(files(place.0.path()) == before, "nothing was made");

    let store = Arc::new(Sqlite::open(&path, relais::records::ALL.map(|kind| (kind, 1_000))).unwrap());
    tended(store.clone(), 7, &[], &[SystemClock.now()]).await;
    place.has("keys.seal", &[&format!("fail: the secret file {} is missing", key.display())]);
    place.secret("relais.key", &seal(7));
    let opens = format!("ok  : is that of {}, and opens the store's keys (2)", key.display());
    place.has("keys.seal", &[&opens]);
    place.has(AREA, &["ok  : is whole, and its schema that of this release (1)", "ok  : there are "]);
    let can_be_read = |has: &str| format!("ok  : {} can be read; {has}", path.display());
    place.has(AREA, &[&can_be_read("a relay has it")]);
    store.ready().await.unwrap();
    assert!(Sqlite::open(&path, relais::records::ALL.map(|kind| (kind, 1_000))).is_err(), "it still has it");
    drop(store);
    let stopped = files(place.0.path());
    place.has(AREA, &[&can_be_read("no relay has it now")]);
    place.has("keys.seal", &[&opens]);
    assert!(files(place.0.path()) == stopped, "no log and no index beside it, and not a byte changed");
    place.secret("relais.key", &seal(8));
    place.has("keys.seal", &[&format!("fail: that of {}, does not open the store's keys", key.display())]);

    set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    place.has(AREA, &["warn: has mode 0644, open to group or others"]);
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let mut bytes = read(&path).unwrap();
    let len = bytes.len();
    bytes[4_096..len].fill(0x5A);
    write(&path, &bytes).unwrap();
    place.has(AREA, &["fail: is damaged: "]);
    assert_eq!(place.says("keys").len(), 0, "nothing is known of them");
    write(&path, "no database").unwrap();
    place.has(AREA, &["fail: is damaged: "]);
    remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/proc/1/mem", &path).unwrap();
    place.has(AREA, &["fail: "]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_seal_key_is_needed_until_all_is_sealed_anew() {
    const AREA: &str = "keys.other_seal_key_file";
    let mut place = Place::new();
    place.secret("former.key", &seal(7));
    place.secret("new.key", &seal(8));
    place.1.push_str("[keys]\nseal_key_file = \"new.key\"\nother_seal_key_file = \"former.key\"\n");
    let store = Arc::new(
        Sqlite::open(&place.path("relais.sqlite"), relais::records::ALL.map(|kind| (kind, 1_000))).unwrap(),
    );
    tended(store.clone(), 7, &[], &[SystemClock.now()]).await;
    place.has("keys.seal", &["ok  : is that of keys.seal_key_file, and opens the store's keys (2)"]);
    place.has(AREA, &["warn: it alone opens some of the store's keys (2)"]);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let sealer = Sealer::new(&Secret::new([8; 32]), entropy.clone()).opening_also(&Secret::new([7; 32]));
    let ring = Keyring::new(Table::new(store, sealer), entropy, Events::to(Recorder::default()));
    ring.reseal(SystemClock.now()).await.unwrap();
    place.has(AREA, &["ok  : none of the store's keys lies under it"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_nobody_looks_after_are_named() {
    let place = Place::new();
    place.secret("relais.key", &seal(7));
    let store = Arc::new(
        Sqlite::open(&place.path("relais.sqlite"), relais::records::ALL.map(|kind| (kind, 1_000))).unwrap(),
    );
    tended(store.clone(), 7, &["old"], &[days_ago(89)]).await;
    let late = place.says("keys");
    assert_eq!(late.len(), 3, "{late:#?}");
    for line in &late[..2] {
        assert!(
            line.starts_with("warn: ") && line.contains("; its successor should be announced since 20"),
            "{line}"
        );
    }
    assert_eq!(late[2], "ok  : signing for old: in the store, and not needed by this configuration");
    tended(store, 7, &[], &[SystemClock.now()]).await;
    let place = place.upstream("fc", "generic", "http://127.0.0.1:1", "");
    let announced = place.says("keys");
    assert!(
        announced[0].contains(" is active until 20") && announced[0].contains("; its successor "),
        "{announced:#?}"
    );
    assert!(announced[..2].iter().all(|line| line.starts_with("ok  : ") && line.ends_with(" is announced")));
}
