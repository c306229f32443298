//! PostgreSQL: a server for each test.

use std::sync::Arc;
use std::time::Duration;

use relais::clock::Timestamp;
use relais::secret::Secret;
use relais::store::contract::{self, CEILING, OTHER, PROBE, kinds};
use relais::store::{Postgres, PostgresOpenError, PostgresSettings, Store, StoreError};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::faults::certificate;
use super::pair::Pair;
use super::servers::{Server, postgres, postgres_settings as settings};
use super::{LAST, NOW, key, record, shared};

pub(super) async fn open(server: &Server, ceiling: usize) -> Postgres {
    open_as(&settings(server), ceiling).await
}

/// A server that has just begun may still say that it is starting up.
pub(super) async fn open_as(settings: &PostgresSettings, ceiling: usize) -> Postgres {
    for _ in 0..100 {
        match Postgres::open(settings, kinds(ceiling)).await {
            Ok(store) => return store,
            Err(PostgresOpenError::Database(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the database cannot be opened");
}

async fn administrator(server: &Server) -> sqlx::PgConnection {
    let url = format!("postgres://relais@127.0.0.1:{}/postgres", server.port);
    loop {
        if let Ok(connection) = sqlx::PgConnection::connect(&url).await {
            return connection;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Runs statements as the administrator.
async fn administer(server: &Server, statements: &str) {
    let mut connection = administrator(server).await;
    for statement in statements.split(';') {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_the_contract_on_two_nodes() {
    let Some(server) = postgres() else { return };
    let first = open(&server, CEILING).await;
    // Both make the tables if they are not there, one after the other.
    let (second, third) = tokio::join!(open(&server, CEILING), open(&server, CEILING));
    drop(third);
    contract::check(Arc::new(Pair::of(first, second)), 20).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_what_it_was_given_and_cannot_read_it() {
    let Some(mut server) = postgres() else { return };
    let (first, second) = (open(&server, 10_000).await, open(&server, 10_000).await);
    let restart = || {
        server.kill();
        server.start();
    };
    shared::keeps(Arc::new(first), Arc::new(second), restart).await;
    administer(&server, "CHECKPOINT").await;
    shared::nothing_readable(server.directory.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_killed_loses_nothing_acknowledged() {
    let Some(server) = postgres() else { return };
    let nodes: [Arc<dyn Store>; 2] =
        [Arc::new(open(&server, 1_000_000).await), Arc::new(open(&server, 1_000_000).await)];
    shared::survives_a_kill(nodes, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_silent_postgres_is_not_waited_for() {
    let Some(server) = postgres() else { return };
    shared::survives_silence(Arc::new(open(&server, 10_000).await), &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_only_postgres_is_not_ready_and_recovers() {
    let Some(server) = postgres() else { return };
    let store = open(&server, 10_000).await;
    store.put(PROBE, key(1), record(1), NOW).await.unwrap();
    administer(&server, "ALTER SYSTEM SET default_transaction_read_only = on;SELECT pg_reload_conf()").await;
    let mut refused = false;
    for _ in 0..50 {
        refused = store.ready().await.is_err();
        if refused {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(refused, "ready while nothing can be written");
    assert!(matches!(store.take(PROBE, key(1), NOW).await, Err(StoreError::Backend(_))));
    assert!(matches!(store.insert_new(PROBE, key(2), record(2), NOW).await, Err(StoreError::Backend(_))));
    assert_eq!(store.read(PROBE, key(1), NOW).await.unwrap(), Some(record(1)), "it can be read");
    let writable = "SET default_transaction_read_only = off;\
                    ALTER SYSTEM RESET default_transaction_read_only;SELECT pg_reload_conf()";
    administer(&server, writable).await;
    shared::resumed(&store).await;
    assert_eq!(store.take(PROBE, key(1), NOW).await.unwrap(), Some(record(1)));
    assert_eq!(store.read(PROBE, key(2), NOW).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_later_schema_is_refused_and_left_alone() {
    let Some(server) = postgres() else { return };
    drop(open(&server, 10).await);
    administer(&server, "UPDATE relais.schema_version SET version = 99").await;
    let refusal = Postgres::open(&settings(&server), kinds(10)).await.err().unwrap();
    assert!(matches!(refusal, PostgresOpenError::Newer { found: 99, known: 3 }), "{refusal}");
    administer(&server, "UPDATE relais.schema_version SET version = 3").await;
    drop(open(&server, 10).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_relays_share_a_database_in_schemas_of_their_own() {
    let Some(server) = postgres() else { return };
    let (here, there) =
        (settings(&server), PostgresSettings { schema: "other".to_owned(), ..settings(&server) });
    let (here, there) = (open_as(&here, 10).await, open_as(&there, 10).await);
    here.put(PROBE, key(1), record(1), NOW).await.unwrap();
    assert_eq!(there.read(PROBE, key(1), NOW).await.unwrap(), None);
    assert_eq!(there.count(PROBE).await.unwrap(), 0);
}

/// Many writers at once pass a ceiling by one for each connection at most, and never wait for each other's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ceiling_is_passed_by_writes_in_flight_at_most() {
    let Some(server) = postgres() else { return };
    let nodes = [Arc::new(open(&server, 200).await), Arc::new(open(&server, 200).await)];
    let tasks: Vec<_> = (0..400)
        .map(|n| {
            let node = Arc::clone(&nodes[usize::try_from(n % 2).unwrap()]);
            tokio::spawn(async move { node.insert_new(PROBE, key(n), record(n), NOW).await })
        })
        .collect();
    let (mut inserted, mut full) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(true) => inserted += 1,
            Err(StoreError::Full { .. }) => full += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((200..=232).contains(&inserted), "{inserted}");
    assert_eq!(inserted + full, 400);
    assert_eq!(nodes[1].count(PROBE).await.unwrap(), inserted);
}

/// Statements were planned when the tables were empty; each still finds its rows by an index alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_verb_costs_the_same_when_the_tables_have_grown() {
    const RECORDS: u64 = 3_000;
    let Some(server) = postgres() else { return };
    administer(&server, "ALTER SYSTEM SET autovacuum = off;SELECT pg_reload_conf()").await;
    let store = Arc::new(open(&server, 1_000_000).await);
    let all = async |from: u64| {
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for n in (task..RECORDS).step_by(16).map(|n| n + from) {
                        assert!(store.insert_new(PROBE, key(n), record(n), NOW).await.unwrap());
                        store.put(OTHER, key(n), record(n), NOW).await.unwrap();
                        store.put(OTHER, key(n), record(n), NOW).await.unwrap();
                        assert!(store.read(PROBE, key(n), NOW).await.unwrap().is_some());
                        let version = record(n).version;
                        assert!(store.replace_if(PROBE, key(n), version, record(n), NOW).await.unwrap());
                        if n % 3 == 0 {
                            store.spend(PROBE, key(n), NOW).await.unwrap();
                            store.take(OTHER, key(n), NOW).await.unwrap();
                        }
                        if n % 30 == 7 {
                            store.owned(PROBE, super::owner(n), NOW).await.unwrap();
                            store.count_owned(PROBE, super::owner(n), NOW).await.unwrap();
                            store.forget_owned(OTHER, super::owner(n)).await.unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    };
    // What was read of the indexes of records and owners, and how often a table was read whole.
    let reads = async || {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let statement = "SELECT (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes \
             WHERE relname IN ('record', 'owner')), \
             (SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname IN ('record', 'owner'))";
        let row = sqlx::query(statement).fetch_one(&mut administrator(&server).await).await.unwrap();
        (row.get::<i64, _>(0), row.get::<i64, _>(1))
    };
    // To make the indexes was to read the empty tables.
    let (_, before) = reads().await;
    all(0).await;
    let (first, _) = reads().await;
    // What died in the first round, and was not cleared while it went on, is no cost of the second.
    administer(&server, "VACUUM").await;
    all(RECORDS).await;
    let (both, whole) = reads().await;
    assert!(first > 0, "nothing was counted");
    // How many dead versions a scan meets on its way varies with the threads' turns, by a factor of three as seen; a
    // plan that walks through a grown index would read a thousand times as many rows.
    assert!(both - first < 20 * first, "{first} rows of the indexes were read, then {}", both - first);
    assert_eq!(whole, before, "a table was read whole");
    let after = Timestamp::from_seconds(LAST.seconds() + 1);
    assert!(store.sweep(PROBE, after).await.unwrap() > 5_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_is_held_to_its_name_over_tls() {
    let Some(server) = postgres() else { return };
    let (chain, key) = certificate(server.directory.path());
    let other = tempfile::tempdir().unwrap();
    drop(open(&server, 10).await);
    administer(
        &server,
        &format!(
            "ALTER SYSTEM SET ssl_cert_file = '{}';ALTER SYSTEM SET ssl_key_file = '{}';\
             ALTER SYSTEM SET ssl = on;SELECT pg_reload_conf()",
            chain.display(),
            key.display()
        ),
    )
    .await;
    let at = |host: &str, ca: &std::path::Path| PostgresSettings {
        url: Secret::new(format!("postgres://relais@{host}:{}/postgres", server.port)),
        tls: true,
        ca_file: Some(ca.to_owned()),
        ..settings(&server)
    };
    let store = open_as(&at("localhost", &chain), 10).await;
    store.put(PROBE, super::key(1), record(1), NOW).await.unwrap();
    let row = "SELECT bool_or(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
         WHERE application_name = 'relais'";
    let row = sqlx::query(row).fetch_one(&mut administrator(&server).await).await.unwrap();
    assert!(row.get::<bool, _>(0), "in plain text");
    let stranger = certificate(other.path()).0;
    for refused in [at("127.0.0.1", &chain), at("localhost", &stranger)] {
        assert!(Postgres::open(&refused, kinds(10)).await.is_err());
    }
}
