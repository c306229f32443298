//! Redis: a server for each test.

use std::sync::Arc;
use std::time::Duration;

use relais::secret::Secret;
use relais::store::contract::{self, CEILING, OTHER, PROBE, kinds};
use relais::store::{Redis, RedisSettings, Store, StoreError};

use super::faults::{certificate, tell_redis};
use super::pair::Pair;
use super::servers::{Server, free_port, redis, redis_settings as settings};
use super::{NOW, key, record, shared, table};

pub(super) async fn open(server: &Server, ceiling: usize) -> Redis {
    open_as(&settings(server), ceiling).await
}

/// A server that has just begun may still say that it is loading.
async fn open_as(settings: &RedisSettings, ceiling: usize) -> Redis {
    for _ in 0..100 {
        if let Ok(store) = Redis::open(settings, kinds(ceiling)).await {
            return store;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("Redis cannot be opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_keeps_the_contract_on_two_nodes() {
    let Some(server) = redis(&[]) else { return };
    let nodes = Pair::of(open(&server, CEILING).await, open(&server, CEILING).await);
    contract::check(Arc::new(nodes), 100).await.unwrap();
    // What is left of an empty store: the count of ages and the mark of readiness.
    assert_eq!(tell_redis(&server, "DBSIZE"), ":2\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_keeps_what_it_was_given_and_cannot_read_it() {
    let Some(mut server) = redis(&[]) else { return };
    let (first, second) = (open(&server, 10_000).await, open(&server, 10_000).await);
    let restart = || {
        server.kill();
        server.start();
    };
    shared::keeps(Arc::new(first), Arc::new(second), restart).await;
    shared::nothing_readable(server.directory.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_killed_loses_nothing_acknowledged() {
    let Some(server) = redis(&[]) else { return };
    let nodes: [Arc<dyn Store>; 2] =
        [Arc::new(open(&server, 1_000_000).await), Arc::new(open(&server, 1_000_000).await)];
    shared::survives_a_kill(nodes, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_silent_redis_is_not_waited_for() {
    let Some(server) = redis(&[]) else { return };
    shared::survives_silence(Arc::new(open(&server, 10_000).await), &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_redis_refuses_what_is_new_and_keeps_what_is_alive() {
    let Some(server) = redis(&[]) else { return };
    let store = open(&server, 1_000_000).await;
    for n in 0..100 {
        store.put(PROBE, key(n), record(n), NOW).await.unwrap();
    }
    store.spend(PROBE, key(0), NOW).await.unwrap();
    assert_eq!(tell_redis(&server, "CONFIG SET maxmemory 1mb"), "+OK\r\n");
    let refused = |outcome: Result<bool, StoreError>| matches!(outcome, Err(StoreError::Backend(_)));
    assert!(refused(store.insert_new(PROBE, key(1_000), record(1_000), NOW).await));
    assert!(refused(store.put(PROBE, key(1_001), record(1_001), NOW).await.map(|()| true)));
    assert!(store.ready().await.is_err());
    assert_eq!(store.count(PROBE).await.unwrap(), 100, "a refused write leaves nothing behind");
    assert!(refused(store.spend(PROBE, key(1), NOW).await.map(|_| true)));
    // What ends something still goes.
    assert_eq!(store.take(PROBE, key(2), NOW).await.unwrap(), Some(record(2)));
    assert_eq!(store.take(PROBE, key(2), NOW).await.unwrap(), None);
    assert_eq!(tell_redis(&server, "CONFIG SET maxmemory 0"), "+OK\r\n");
    shared::resumed(&store).await;
    for n in (0..100).filter(|n| ![0, 2].contains(n)) {
        assert_eq!(store.read(PROBE, key(n), NOW).await.unwrap(), Some(record(n)), "{n}");
    }
    assert!(store.insert_new(PROBE, key(1_000), record(1_000), NOW).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_evicts_is_refused() {
    let Some(server) = redis(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]) else { return };
    let refusal = Redis::open(&settings(&server), kinds(10)).await.err().unwrap();
    assert!(relais::outbound::chain(&refusal).contains("noeviction"), "{refusal}");
    tell_redis(&server, "CONFIG SET maxmemory-policy noeviction");
    let store = open(&server, 10).await;
    tell_redis(&server, "CONFIG SET maxmemory-policy volatile-ttl");
    assert!(store.ready().await.is_err(), "one that begins to evict is found out");
}

/// What Redis itself would remove is what no relay removed, a day later; the hand clock rules until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_itself_removes_only_what_was_left_over() {
    let Some(server) = redis(&[]) else { return };
    let table = table(Arc::new(open(&server, 10).await), 7);
    table.put(b"h", &"v".into(), super::LAST, &[("a", &b"b"[..]).into()], NOW).await.unwrap();
    let keys = tell_redis(&server, "KEYS *");
    let names: Vec<&str> = keys.split("\r\n").filter(|name| name.starts_with("relais:")).collect();
    assert!(keys.contains("relais:r:probe:"), "{keys}");
    assert!(!names.is_empty());
    let script = "EVAL \"local n = 9e15 for _, k in ipairs(redis.call('KEYS', 'relais:[ro]:*')) do \
                  n = math.min(n, redis.call('PTTL', k)) end return n\" 0";
    let least: i64 = tell_redis(&server, script).trim_start_matches(':').trim().parse().unwrap();
    assert!((86_400_000..=87_000_000).contains(&least), "{least}");
}

/// The window of a lost primary: what was acknowledged and no replica had. With `wait_replicas` there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_primary_costs_what_no_replica_had() {
    for (wait_replicas, cut_off) in [(0, false), (0, true), (1, false), (1, true)] {
        let Some(primary) = redis(&["--repl-diskless-sync-delay", "0"]) else { return };
        let replica = redis(&["--replicaof", "127.0.0.1", &primary.port.to_string()]).unwrap();
        let (acknowledged, lost) = lose(primary, &replica, wait_replicas, cut_off).await;
        super::say(&format!(
            "primary lost, wait_replicas = {wait_replicas}, replica {}: {lost} of {acknowledged} acknowledged writes lost",
            if cut_off { "cut off" } else { "connected" },
        ));
        match (wait_replicas, cut_off) {
            (0, true) => assert!(lost > 100 && lost == acknowledged, "no window: docs/stores.md is wrong"),
            (0, false) => assert!(acknowledged > 100, "no load"),
            (_, true) => assert_eq!((lost, acknowledged), (0, 0), "acknowledged without a replica"),
            (_, false) => assert!(lost == 0 && acknowledged > 100, "{lost} of {acknowledged}"),
        }
    }
}

/// Eight writers; the primary dies, and the replica, once it has noticed, takes its place. How many writes were
/// acknowledged, and how many of them the replica does not have.
async fn lose(mut primary: Server, replica: &Server, wait_replicas: usize, cut_off: bool) -> (usize, usize) {
    let link = |state: &str| tell_redis(replica, "INFO replication").contains(state);
    while !link("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let store = Arc::new(open_as(&RedisSettings { wait_replicas, ..settings(&primary) }, 1_000_000).await);
    // From here on the replica takes part, or no longer.
    while store.put(OTHER, key(0), record(0), NOW).await.is_err() {}
    if cut_off {
        assert_eq!(tell_redis(replica, "REPLICAOF NO ONE"), "+OK\r\n");
    }
    let writers: Vec<_> = (0..8_u64)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in (writer..).step_by(8) {
                    match store.insert_new(PROBE, key(n), record(n), NOW).await {
                        Ok(_) => acknowledged.push(n),
                        Err(_) => return acknowledged,
                    }
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    primary.kill();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    while link("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(tell_redis(replica, "REPLICAOF NO ONE"), "+OK\r\n");
    let promoted = open(replica, 1_000_000).await;
    let mut lost = 0;
    for n in &acknowledged {
        lost += usize::from(promoted.read(PROBE, key(*n), NOW).await.unwrap().is_none());
    }
    (acknowledged.len(), lost)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_is_held_to_its_name_over_tls() {
    let (here, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ((chain, key), stranger) = (certificate(here.path()), certificate(other.path()).0);
    let (chain_path, key_path) = (chain.display().to_string(), key.display().to_string());
    let port = free_port();
    let arguments = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &chain_path,
        "--tls-key-file",
        &key_path,
        "--tls-ca-cert-file",
        &chain_path,
        "--tls-auth-clients",
        "no",
    ];
    let Some(server) = redis(&arguments) else { return };
    let at = |host: &str, ca: &std::path::Path| RedisSettings {
        url: Secret::new(format!("rediss://{host}:{port}/")),
        ca_file: Some(ca.to_owned()),
        ..settings(&server)
    };
    let store = open_as(&at("localhost", &chain), 10).await;
    store.put(PROBE, super::key(1), record(1), NOW).await.unwrap();
    assert_eq!(store.take(PROBE, super::key(1), NOW).await.unwrap(), Some(record(1)));
    for refused in [at("127.0.0.1", &chain), at("localhost", &stranger)] {
        assert!(Redis::open(&refused, kinds(10)).await.is_err());
    }
}
