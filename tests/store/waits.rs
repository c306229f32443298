//! SQLite whose file somebody else holds: what cannot be done is told soon, to everybody, and then all goes on.

use std::sync::Arc;
use std::time::Duration;

use relais::clock::{Clock as _, SystemClock};
use relais::store::contract::{PROBE, kinds};
use relais::store::{Sqlite, Store as _, StoreError};

use super::{NOW, key, record};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn n4_a_batch_that_cannot_begin_fails_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Arc::new(Sqlite::open(&path, kinds(10_000)).unwrap());
    store.put(PROBE, key(0), record(0), NOW).await.unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = SystemClock.now();
    let writes = |from: u64| {
        let store = Arc::clone(&store);
        async move {
            let tasks: Vec<_> = (from..from + 64)
                .map(|n| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move { store.put(PROBE, key(n), record(n), NOW).await })
                })
                .collect();
            let mut failed = 0;
            for task in tasks {
                failed += usize::from(matches!(task.await.unwrap(), Err(StoreError::Backend(_))));
            }
            failed
        }
    };
    assert_eq!(writes(1).await, 64);
    assert!(store.ready().await.is_err(), "it takes no writes");
    // One batch waits for five seconds, and whoever came after it as long again; not each write by itself.
    assert!(SystemClock.now().since(begun) < Duration::from_secs(25), "{:?}", SystemClock.now().since(begun));
    other.execute_batch("ROLLBACK").unwrap();
    let begun = SystemClock.now();
    store.ready().await.unwrap();
    assert_eq!(writes(100).await, 0, "a hiccup stays a hiccup");
    assert!(SystemClock.now().since(begun) < Duration::from_secs(8), "{:?}", SystemClock.now().since(begun));
    // What nobody waits for any more is not done late.
    assert_eq!(store.read(PROBE, key(5), NOW).await.unwrap(), None);
}
