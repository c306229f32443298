//! Redis: a server for each test.

use std::sync::Arc;
use std::time::Duration;

use relais::store::contract::{self, CEILING};
use relais::store::{Kind, Redis, RedisSettings, Store, StoreError};

use super::pair::Pair;
use super::servers::{Server, redis, redis_settings as settings, tell_redis};
use super::{NOW, key, record, shared, table};

pub(super) async fn open(server: &Server, ceiling: usize) -> Redis {
    open_as(&settings(server), ceiling).await
}

/// A server that has just begun may still say that it is loading.
async fn open_as(settings: &RedisSettings, ceiling: usize) -> Redis {
    for _ in 0..100 {
        if let Ok(store) = Redis::open(settings, |_| ceiling).await {
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
        store.put(Kind::Probe, key(n), record(n), NOW).await.unwrap();
    }
    store.spend(Kind::Probe, key(0), NOW).await.unwrap();
    assert_eq!(tell_redis(&server, "CONFIG SET maxmemory 1mb"), "+OK\r\n");
    let refused = |outcome: Result<bool, StoreError>| matches!(outcome, Err(StoreError::Backend(_)));
    assert!(refused(store.insert_new(Kind::Probe, key(1_000), record(1_000), NOW).await));
    assert!(refused(store.put(Kind::Probe, key(1_001), record(1_001), NOW).await.map(|()| true)));
    assert!(store.ready().await.is_err());
    assert_eq!(store.count(Kind::Probe).await.unwrap(), 100, "a refused write leaves nothing behind");
    assert!(refused(store.spend(Kind::Probe, key(1), NOW).await.map(|_| true)));
    // What ends something still goes.
    assert_eq!(store.take(Kind::Probe, key(2), NOW).await.unwrap(), Some(record(2)));
    assert_eq!(store.take(Kind::Probe, key(2), NOW).await.unwrap(), None);
    assert_eq!(tell_redis(&server, "CONFIG SET maxmemory 0"), "+OK\r\n");
    shared::resumed(&store).await;
    for n in (0..100).filter(|n| ![0, 2].contains(n)) {
        assert_eq!(store.read(Kind::Probe, key(n), NOW).await.unwrap(), Some(record(n)), "{n}");
    }
    assert!(store.insert_new(Kind::Probe, key(1_000), record(1_000), NOW).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_evicts_is_refused() {
    let Some(server) = redis(&["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]) else { return };
    let refusal = Redis::open(&settings(&server), |_| 10).await.err().unwrap();
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
    table.put(b"h", &"v".into(), super::LAST, &[("a", b"b")], NOW).await.unwrap();
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
    for (wait_replicas, lagging) in [(0, false), (0, true), (1, false), (1, true)] {
        let Some(mut primary) = redis(&[]) else { return };
        let replica = redis(&["--replicaof", "127.0.0.1", &primary.port.to_string()]).unwrap();
        while !tell_redis(&replica, "INFO replication").contains("master_link_status:up") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let to_primary = RedisSettings { wait_replicas, ..settings(&primary) };
        let store = Arc::new(open_as(&to_primary, 1_000_000).await);
        store.put(Kind::Probe, key(0), record(0), NOW).await.unwrap();
        if lagging {
            replica.freeze();
        }
        let writers: Vec<_> = (1..=8_u64)
            .map(|writer| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    for n in (writer..).step_by(8) {
                        match store.insert_new(Kind::Probe, key(n), record(n), NOW).await {
                            Ok(_) => acknowledged.push(n),
                            Err(_) => return acknowledged,
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(500)).await;
        primary.kill();
        let mut acknowledged = vec![0];
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        replica.thaw();
        assert_eq!(tell_redis(&replica, "REPLICAOF NO ONE"), "+OK\r\n");
        let promoted = open(&replica, 1_000_000).await;
        let mut lost = 0;
        for n in &acknowledged {
            lost += usize::from(promoted.read(Kind::Probe, key(*n), NOW).await.unwrap().is_none());
        }
        super::say(&format!(
            "primary lost, wait_replicas = {wait_replicas}, replica {}: {lost} of {} acknowledged writes lost",
            if lagging { "stopped" } else { "in step" },
            acknowledged.len()
        ));
        match (wait_replicas, lagging) {
            (0, true) => assert!(lost > 0, "the window is not what docs/stores.md says"),
            (0, false) => assert!(acknowledged.len() > 100, "no load"),
            (_, true) => assert_eq!((lost, acknowledged.len()), (0, 1), "acknowledged without a replica"),
            (_, false) => assert!(lost == 0 && acknowledged.len() > 100, "{lost} of {}", acknowledged.len()),
        }
    }
}
