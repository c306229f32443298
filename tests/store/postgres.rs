//! PostgreSQL: a server for each test.

use std::sync::Arc;
use std::time::Duration;

use relais::store::contract::{self, CEILING};
use relais::store::{Kind, Postgres, PostgresOpenError, PostgresSettings, Store, StoreError};
use sqlx::Connection as _;

use super::pair::Pair;
use super::servers::{Server, postgres, postgres_settings as settings};
use super::{NOW, key, record, shared};

pub(super) async fn open(server: &Server, ceiling: usize) -> Postgres {
    open_as(&settings(server), ceiling).await
}

/// A server that has just begun may still say that it is starting up.
async fn open_as(settings: &PostgresSettings, ceiling: usize) -> Postgres {
    for _ in 0..100 {
        match Postgres::open(settings, |_| ceiling).await {
            Ok(store) => return store,
            Err(PostgresOpenError::Database(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the database cannot be opened");
}

/// Runs statements as the administrator.
async fn administer(server: &Server, statements: &'static str) {
    let url = format!("postgres://relais@127.0.0.1:{}/postgres", server.port);
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    for statement in statements.split(';') {
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
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
    store.put(Kind::Probe, key(1), record(1), NOW).await.unwrap();
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
    assert!(matches!(store.take(Kind::Probe, key(1), NOW).await, Err(StoreError::Backend(_))));
    assert!(matches!(
        store.insert_new(Kind::Probe, key(2), record(2), NOW).await,
        Err(StoreError::Backend(_))
    ));
    assert_eq!(store.read(Kind::Probe, key(1), NOW).await.unwrap(), Some(record(1)), "it can be read");
    let writable = "SET default_transaction_read_only = off;\
                    ALTER SYSTEM RESET default_transaction_read_only;SELECT pg_reload_conf()";
    administer(&server, writable).await;
    shared::resumed(&store).await;
    assert_eq!(store.take(Kind::Probe, key(1), NOW).await.unwrap(), Some(record(1)));
    assert_eq!(store.read(Kind::Probe, key(2), NOW).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_later_schema_is_refused_and_left_alone() {
    let Some(server) = postgres() else { return };
    drop(open(&server, 10).await);
    administer(&server, "UPDATE relais.schema_version SET version = 99").await;
    let refusal = Postgres::open(&settings(&server), |_| 10).await.err().unwrap();
    assert!(matches!(refusal, PostgresOpenError::Newer { found: 99, known: 1 }), "{refusal}");
    administer(&server, "UPDATE relais.schema_version SET version = 1").await;
    drop(open(&server, 10).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_relays_share_a_database_in_schemas_of_their_own() {
    let Some(server) = postgres() else { return };
    let (here, there) =
        (settings(&server), PostgresSettings { schema: "other".to_owned(), ..settings(&server) });
    let (here, there) = (open_as(&here, 10).await, open_as(&there, 10).await);
    here.put(Kind::Probe, key(1), record(1), NOW).await.unwrap();
    assert_eq!(there.read(Kind::Probe, key(1), NOW).await.unwrap(), None);
    assert_eq!(there.count(Kind::Probe).await.unwrap(), 0);
}

/// Many writers at once pass a ceiling by one for each connection at most, and never wait for each other's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ceiling_is_passed_by_writes_in_flight_at_most() {
    let Some(server) = postgres() else { return };
    let nodes = [Arc::new(open(&server, 200).await), Arc::new(open(&server, 200).await)];
    let tasks: Vec<_> = (0..400)
        .map(|n| {
            let node = Arc::clone(&nodes[usize::try_from(n % 2).unwrap()]);
            tokio::spawn(async move { node.insert_new(Kind::Probe, key(n), record(n), NOW).await })
        })
        .collect();
    let (mut inserted, mut full) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(true) => inserted += 1,
            Err(StoreError::Full) => full += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((200..=232).contains(&inserted), "{inserted}");
    assert_eq!(inserted + full, 400);
    assert_eq!(nodes[1].count(Kind::Probe).await.unwrap(), inserted);
}
