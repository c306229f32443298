//! A SQLite file that is taken away, emptied, or opened for less than it holds.

use std::fs;
use std::path::Path;

use relais::store::contract::{PROBE, kinds};
use relais::store::{OpenError, Sqlite, Store as _, StoreError};

use super::{NOW, key, open, record};

/// Whatever is done to the file that is open, nothing is acknowledged into nothing, and readiness says so.
#[tokio::test]
async fn m2_what_is_taken_away_takes_no_write() {
    let away: [fn(&Path); 5] = [
        |path| fs::remove_dir_all(path.parent().unwrap()).unwrap(),
        |path| fs::rename(path.parent().unwrap(), path.parent().unwrap().with_extension("old")).unwrap(),
        |path| fs::remove_file(path).unwrap(),
        |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        },
        |path| fs::remove_file(path.with_extension("sqlite-wal")).unwrap(),
    ];
    for take in away {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/relais.sqlite");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let store = Sqlite::open(&path, kinds(100)).unwrap();
        store.put(PROBE, key(1), record(1), NOW).await.unwrap();
        store.ready().await.unwrap();
        take(&path);
        let told = store.ready().await.unwrap_err();
        let told = std::error::Error::source(&told).unwrap().to_string();
        assert!(told.contains("removed or replaced") && told.contains("relais.sqlite"), "{told}");
        let refused = store.put(PROBE, key(2), record(2), NOW).await;
        assert!(matches!(refused, Err(StoreError::Backend(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn m3_an_emptied_file_is_no_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    drop(open(&path));
    fs::write(&path, "").unwrap();
    let refused = Sqlite::open(&path, kinds(100)).err().unwrap();
    assert!(matches!(refused, OpenError::Empty { .. }), "{refused}");
    assert!(refused.to_string().contains("move it away to start anew"), "{refused}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0, "left as it was");
    // What a start that was killed has left beside it is in nobody's way.
    fs::remove_file(&path).unwrap();
    for ending in [".new", ".new-wal", ".new-shm"] {
        fs::write(directory.path().join(format!("store{ending}")), "half").unwrap();
    }
    open(&path).ready().await.unwrap();
}

#[tokio::test]
async fn n13_a_lowered_ceiling_loses_no_record_that_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    for n in 0..10 {
        store.put(PROBE, key(n), record(n), NOW).await.unwrap();
    }
    drop(store);
    let store = Sqlite::open(&path, kinds(5)).unwrap();
    store.put(PROBE, key(3), record(4), NOW).await.unwrap();
    assert!(matches!(store.put(PROBE, key(11), record(1), NOW).await, Err(StoreError::Full { .. })));
    assert_eq!(store.read(PROBE, key(3), NOW).await.unwrap(), Some(record(4)));
    assert_eq!(store.count(PROBE).await.unwrap(), 10);
}
