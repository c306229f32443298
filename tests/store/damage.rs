//! A SQLite store whose files are not what was written: cut in the middle of a write, or changed.

use std::fs;
use std::path::{Path, PathBuf};

use relais::store::contract::{PROBE, Probe, kinds};
use relais::store::{OpenError, Spend, Sqlite, Store as _, StoreError};

use super::{LAST, NOW, key, open, owner, record, table};

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The machine stopped while the last record was written: whatever part of it is there, it is dropped whole, and what
/// was acknowledged before is not.
#[tokio::test]
async fn a_torn_write_is_dropped_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    for n in 0..20 {
        store.put(PROBE, key(n), record(n), NOW).await.unwrap();
    }
    store.spend(PROBE, key(3), NOW).await.unwrap();
    store.take(PROBE, key(4), NOW).await.unwrap();
    let start = fs::metadata(beside(&path, "-wal")).unwrap().len();
    store.put(PROBE, key(20), record(20), NOW).await.unwrap();
    let (file, log) = (fs::read(&path).unwrap(), fs::read(beside(&path, "-wal")).unwrap());
    drop(store);

    let (start, whole) = (usize::try_from(start).unwrap(), log.len());
    assert!(whole > start + 4096, "the write is in the log");
    // Each byte of the heads of its pages and of its end, and some of the rest.
    let cuts = (start..=whole).filter(|cut| (cut - start) % 4120 < 25 || cut % 499 == 0 || whole - cut < 25);
    for cut in cuts {
        fs::write(&path, &file).unwrap();
        fs::write(beside(&path, "-wal"), &log[..cut]).unwrap();
        let _ = fs::remove_file(beside(&path, "-shm"));
        let store = open(&path);
        for n in (0..20).filter(|n| ![3, 4].contains(n)) {
            assert_eq!(store.read(PROBE, key(n), NOW).await.unwrap(), Some(record(n)), "cut at {cut}");
        }
        assert_eq!(store.spend(PROBE, key(3), NOW).await.unwrap(), Spend::Spent(record(3)));
        assert_eq!(store.take(PROBE, key(4), NOW).await.unwrap(), None);
        let last = store.read(PROBE, key(20), NOW).await.unwrap();
        assert_eq!(last, (cut == whole).then(|| record(20)), "cut at {cut} of {whole}");
        let owned = store.count_owned(PROBE, owner(20), NOW).await.unwrap();
        assert_eq!(owned, usize::from(last.is_some()), "cut at {cut}");
    }
}

/// A bit that has changed is found at the start, or when its record is read; no record is passed over as if it had
/// never been.
#[tokio::test]
async fn a_changed_bit_hides_no_record() {
    const RECORDS: u64 = 100;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let written = table(open(&path), 7);
    for n in 0..RECORDS {
        let value = Probe(format!("record {n}"));
        written.put(&n.to_be_bytes(), &value, LAST, &[("person", &b"p"[..]).into()], NOW).await.unwrap();
    }
    drop(written);
    let good = fs::read(&path).unwrap();
    let (mut refused, mut unreadable) = (0, 0);
    for place in (0..good.len()).step_by(good.len() / 500) {
        let mut changed = good.clone();
        changed[place] ^= 1 << (place % 8);
        fs::write(&path, &changed).unwrap();
        let store = match Sqlite::open(&path, kinds(1_000)) {
            Ok(store) => std::sync::Arc::new(store),
            Err(OpenError::Damaged { .. } | OpenError::Newer { .. } | OpenError::Sqlite { .. }) => {
                refused += 1;
                continue;
            }
            Err(other) => panic!("byte {place}: {other}"),
        };
        let read = table(store, 7);
        for n in 0..RECORDS {
            match read.read(&n.to_be_bytes(), NOW).await {
                Ok(Some((value, _))) => assert_eq!(value.0, format!("record {n}"), "byte {place}"),
                Ok(None) => panic!("byte {place} of {}: record {n} is passed over", good.len()),
                Err(StoreError::Unreadable | StoreError::Backend(_)) => unreadable += 1,
                Err(other) => panic!("byte {place}: {other}"),
            }
        }
    }
    assert!(refused > 10 && unreadable > 10, "{refused} refused, {unreadable} unreadable");
}
