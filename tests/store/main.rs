//! The store's contract on every backend, and what is asked of each besides.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod pair;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod waits;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use relais::clock::Timestamp;
use relais::entropy::SystemEntropy;
use relais::secret::Secret;
use relais::store::contract::{self, CEILING, PROBE, Probe, kinds};
use relais::store::{Entry, Key, Memory, OpenError, Owner, Sealer};
use relais::store::{Spend, Sqlite, Store, StoreError, Table, Version};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const LAST: Timestamp = Timestamp::from_seconds(1_800_000_600);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    contract::check(Arc::new(Memory::new(kinds(CEILING))), 300).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("store"), kinds(CEILING)).unwrap();
    contract::check(Arc::new(store), 30).await.unwrap();
}

#[tokio::test]
async fn sqlite_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let table = table(open(&path), 7);
    let owner = ("person", &b"p"[..]);
    table.put(b"kept", &"kept".into(), LAST, &[owner.into()], NOW).await.unwrap();
    table.put(b"spent", &"spent".into(), LAST, &[owner.into()], NOW).await.unwrap();
    table.put(b"taken", &"taken".into(), LAST, &[owner.into()], NOW).await.unwrap();
    table.spend(b"spent", NOW).await.unwrap();
    table.take(b"taken", NOW).await.unwrap();
    drop(table);
    assert!(!directory.path().join("store-wal").exists(), "a closed store is one file");

    let table = self::table(open(&path), 7);
    assert_eq!(table.count().await.unwrap(), 2);
    assert_eq!(table.count_owned(owner, NOW).await.unwrap(), 1);
    assert_eq!(table.read(b"kept", LAST).await.unwrap().unwrap().0, "kept".into());
    assert_eq!(table.spend(b"spent", LAST).await.unwrap(), Spend::Spent("spent".into()));
    assert_eq!(table.take(b"taken", NOW).await.unwrap(), None);
}

/// Not a test of its own: what `a_killed_process_loses_nothing_acknowledged` starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os("RELAIS_TEST_WRITE_UNTIL_KILLED") else { return };
    let store = open(Path::new(&path));
    let writers = (0..16_u64).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in (writer..).step_by(16) {
                assert!(store.insert_new(PROBE, key(n), record(n), NOW).await.unwrap());
                writeln!(std::io::stdout(), "acknowledged {n}").unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged() {
    for acknowledged in [1, 100, 2_000] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writes_until_it_is_killed", "--exact", "--nocapture"])
            .env("RELAIS_TEST_WRITE_UNTIL_KILLED", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let number = |line: String| line.split_once("acknowledged ")?.1.parse::<u64>().ok();
        let mut heard: Vec<u64> = lines.by_ref().filter_map(number).take(acknowledged).collect();
        assert!(matches!(Sqlite::open(&path, kinds(10)), Err(OpenError::InUse { .. })));
        child.kill().unwrap();
        child.wait().unwrap();
        heard.extend(lines.filter_map(number));

        assert!(heard.len() >= acknowledged);
        let store = open(&path);
        for n in &heard {
            assert_eq!(store.read(PROBE, key(*n), NOW).await.unwrap(), Some(record(*n)), "record {n}");
        }
        assert!(store.count(PROBE).await.unwrap() >= heard.len());
    }
}

#[tokio::test]
async fn the_files_contain_nothing_readable_and_are_ours_alone() {
    let directory = tempfile::tempdir().unwrap();
    let table = table(open(&directory.path().join("store")), 7);
    table
        .put(b"handle-9d2f", &"Angela".into(), LAST, &[("person", &b"sub-71c3"[..]).into()], NOW)
        .await
        .unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
        let bytes = std::fs::read(file.path()).unwrap();
        for word in ["Angela", "handle-9d2f", "sub-71c3", "person"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} in {file:?}");
        }
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        files += 1;
    }
    assert_eq!(files, 4, "store, lock, log and its index");
}

#[tokio::test]
async fn another_seal_key_reads_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = open(&directory.path().join("store"));
    table(Arc::clone(&store), 7).put(b"h", &"v".into(), LAST, &[], NOW).await.unwrap();
    assert!(matches!(table(Arc::clone(&store), 8).read(b"h", NOW).await, Err(StoreError::Unreadable)));
    assert!(table(store, 7).read(b"h", NOW).await.unwrap().is_some());
}

#[tokio::test]
async fn a_later_schema_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    drop(open(&path));
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    let refusal = Sqlite::open(&path, kinds(10)).err().unwrap();
    assert!(matches!(refusal, OpenError::Newer { found: 99, known: 1, .. }), "{refusal}");
    raw.pragma_update(None, "user_version", 1).unwrap();
    drop(open(&path));
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = open(&path);
    for n in 0..200 {
        store.put(PROBE, key(n), record(n), NOW).await.unwrap();
    }
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xA5);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(Sqlite::open(&path, kinds(10)), Err(OpenError::Damaged { .. })));
    std::fs::write(&path, "not a store at all, but long enough to be looked at as one").unwrap();
    assert!(matches!(Sqlite::open(&path, kinds(10)), Err(OpenError::Damaged { .. })));
    let nowhere = directory.path().join("missing").join("store");
    assert!(matches!(Sqlite::open(&nowhere, kinds(10)), Err(OpenError::Io { .. })));
}

/// Into the test's output.
#[expect(clippy::print_stdout, reason = "a measurement is said aloud")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::unwrap_used, reason = "a test's own store")]
fn open(path: &Path) -> Arc<Sqlite> {
    Arc::new(Sqlite::open(path, kinds(1_000_000)).unwrap())
}

fn table(store: Arc<dyn Store>, root: u8) -> Table<Probe> {
    let sealer = Sealer::new(&Secret::new([root; 32]), Arc::new(SystemEntropy::new()));
    Table::new(store, sealer)
}

fn key(n: u64) -> Key {
    Key(relais::crypto::hash::sha256(&[&n.to_be_bytes()]))
}

fn record(n: u64) -> Entry {
    Entry { value: vec![1; 600], version: Version([2; 16]), expires: LAST, owners: vec![owner(n)] }
}

fn owner(n: u64) -> Owner {
    Owner(key(n / 10).0)
}
