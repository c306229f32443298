//! What is asked of every backend on a server of its own, whichever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use relais::clock::Timestamp;
use relais::store::contract::{OTHER, PROBE};
use relais::store::{Spend, Store, StoreError};
use tokio::time::{sleep, timeout};

use super::servers::Server;
use super::{LAST, NOW, key, record, table};

/// A call's end, whatever the server does: the stores under test give up after 1.5 s.
const SOON: Duration = Duration::from_secs(3);

/// Waits until the store takes writes again by itself; tells how often it said no.
pub async fn resumed(store: &dyn Store) -> usize {
    for refused in 0..200 {
        if timeout(SOON, store.ready()).await.expect("a call ends").is_ok() {
            return refused;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("the store does not resume");
}

/// Written by one node, read by another, and by no other key; `reopen` restarts the server between.
pub async fn keeps(first: Arc<dyn Store>, second: Arc<dyn Store>, restart: impl FnOnce()) {
    let here = table(Arc::clone(&first), 7);
    let owner = ("person", &b"sub-71c3"[..]);
    here.put(b"handle-9d2f", &"Angela".into(), LAST, &[owner.into()], NOW).await.unwrap();
    here.put(b"spent", &"spent".into(), LAST, &[owner.into()], NOW).await.unwrap();
    here.put(b"taken", &"taken".into(), LAST, &[owner.into()], NOW).await.unwrap();
    here.spend(b"spent", NOW).await.unwrap();
    here.take(b"taken", NOW).await.unwrap();
    let stranger = table(Arc::clone(&second), 8);
    assert!(matches!(stranger.read(b"handle-9d2f", NOW).await, Err(StoreError::Unreadable)));
    assert_eq!(stranger.count_owned(owner, NOW).await.unwrap(), 0, "nor are its owners the same");
    restart();
    resumed(&*second).await;
    resumed(&*first).await;
    let there = table(second, 7);
    assert_eq!(there.count().await.unwrap(), 2);
    assert_eq!(there.count_owned(owner, NOW).await.unwrap(), 1);
    assert_eq!(there.read(b"handle-9d2f", LAST).await.unwrap().unwrap().0, "Angela".into());
    assert_eq!(there.spend(b"spent", LAST).await.unwrap(), Spend::Spent("spent".into()));
    assert_eq!(there.take(b"taken", NOW).await.unwrap(), None);
    for n in 0..1_100 {
        first.put(OTHER, key(n), record(n), NOW).await.unwrap();
    }
    assert_eq!(first.sweep(OTHER, LAST).await.unwrap(), 0);
    let after = Timestamp::from_seconds(LAST.seconds() + 1);
    assert_eq!(first.sweep(OTHER, after).await.unwrap(), 1_100, "in several batches");
    assert_eq!(first.count(OTHER).await.unwrap(), 0);
}

/// Nothing that a person or an application said stands in the server's files, which do hold the records.
pub fn nothing_readable(directory: &Path) {
    let mut files = Vec::new();
    collect(directory, &mut files);
    let holds = |word: &str| {
        files.iter().any(|file| {
            let bytes = std::fs::read(file).unwrap_or_default();
            bytes.windows(word.len()).any(|window| window == word.as_bytes())
        })
    };
    assert!(holds("probe"), "the kind of the records is in no file: this looks in the wrong place");
    for word in ["Angela", "handle-9d2f", "sub-71c3", "person"] {
        assert!(!holds(word), "{word}");
    }
}

fn collect(directory: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        // The system's own tables know the word `person`.
        let system =
            path.to_string_lossy().contains("/base/1/") || path.to_string_lossy().contains("/base/4/");
        match entry.file_type().unwrap().is_dir() {
            true if !system => collect(&path, files),
            true => {}
            false => files.push(path),
        }
    }
}

/// The server is killed under load and started again: whatever was acknowledged is there, nothing is served twice,
/// and both nodes go on by themselves.
pub async fn survives_a_kill(nodes: [Arc<dyn Store>; 2], mut server: Server) -> Server {
    const PRIZES: u64 = 4_000;
    for n in 0..PRIZES {
        nodes[0].put(OTHER, key(n), record(n), NOW).await.unwrap();
    }
    let (acknowledged, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = Vec::new();
    for worker in 0..16_u64 {
        let node = Arc::clone(&nodes[usize::try_from(worker % 2).unwrap()]);
        let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            let (mut inserted, mut won, mut failed) = (Vec::new(), Vec::new(), 0_usize);
            let mut n = worker;
            while stop.load(Ordering::Relaxed) == 0 {
                match timeout(SOON, node.insert_new(PROBE, key(n), record(n), NOW)).await.expect("it ends") {
                    Ok(true) => {
                        inserted.push(n);
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(false) => panic!("{n} was never inserted before"),
                    Err(StoreError::Backend(_)) => {
                        failed += 1;
                        sleep(Duration::from_millis(20)).await;
                    }
                    Err(other) => panic!("{other}"),
                }
                // The same prizes for all: each may be had once, before or after.
                let prize = key((n / 16) % PRIZES);
                if let Ok(Some(_)) = timeout(SOON, node.take(OTHER, prize, NOW)).await.expect("it ends") {
                    won.push((n / 16) % PRIZES);
                }
                n += 16;
            }
            (inserted, won, failed)
        }));
    }
    while acknowledged.load(Ordering::Relaxed) < 300 {
        sleep(Duration::from_millis(5)).await;
    }
    server.kill();
    sleep(Duration::from_millis(200)).await;
    assert!(nodes[0].ready().await.is_err(), "ready without a server");
    server.start();
    let before = acknowledged.load(Ordering::Relaxed);
    // Not asked whether they are ready: the next calls find out by themselves.
    for _ in 0..300 {
        if acknowledged.load(Ordering::Relaxed) > before + 300 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(acknowledged.load(Ordering::Relaxed) > before + 300, "service does not resume");
    stop.store(1, Ordering::Relaxed);
    let (mut inserted, mut prizes, mut failed) = (BTreeSet::new(), BTreeMap::new(), 0);
    for task in tasks {
        let (more, won, failures) = task.await.unwrap();
        inserted.extend(more);
        failed += failures;
        for prize in won {
            *prizes.entry(prize).or_insert(0) += 1;
        }
    }
    assert!(failed > 0, "nobody noticed the kill");
    for n in &inserted {
        assert_eq!(nodes[0].read(PROBE, key(*n), NOW).await.unwrap(), Some(record(*n)), "record {n}");
    }
    assert!(prizes.len() > 10, "{prizes:?}");
    assert!(prizes.values().all(|times| *times == 1), "had twice: {prizes:?}");
    for prize in prizes.keys() {
        assert_eq!(nodes[1].take(OTHER, key(*prize), NOW).await.unwrap(), None, "prize {prize}");
    }
    server
}

/// The server says nothing any more: calls end, readiness says no; then it goes on, and so does the store.
pub async fn survives_silence(node: Arc<dyn Store>, server: &Server) {
    for n in 0..10 {
        node.put(PROBE, key(n), record(n), NOW).await.unwrap();
    }
    server.freeze();
    let mut had = 0;
    let attempts = (0..10).map(|n| {
        let node = Arc::clone(&node);
        tokio::spawn(async move { timeout(SOON, node.take(PROBE, key(n), NOW)).await.expect("it ends") })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        assert!(matches!(attempt.await.unwrap(), Err(StoreError::Backend(_))), "answered by nobody");
    }
    assert!(timeout(SOON, node.ready()).await.expect("it ends").is_err());
    assert!(matches!(
        timeout(SOON, node.read(PROBE, key(0), NOW)).await.expect("it ends"),
        Err(StoreError::Backend(_))
    ));
    server.thaw();
    resumed(&*node).await;
    // What was asked may have been done or not; no one may be told so twice.
    for _ in 0..2 {
        for n in 0..10 {
            had += usize::from(node.take(PROBE, key(n), NOW).await.unwrap().is_some());
        }
    }
    assert!(had <= 10, "{had}");
    node.put(PROBE, key(1), record(1), NOW).await.unwrap();
    assert_eq!(node.take(PROBE, key(1), NOW).await.unwrap(), Some(record(1)));
}
