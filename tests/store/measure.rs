//! What the verbs cost.

use std::sync::Arc;

use relais::clock::Timestamp;
use relais::store::contract::{OTHER, PROBE, Probe, kinds};
use relais::store::{Entry, Key, Memory, Owner, Store, Version};

use super::servers::{postgres, redis};
use super::{LAST, NOW, key, open, record, say, table};

/// What the verbs cost: `cargo test --release --test store -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure() {
    const N: u32 = 20_000;
    let memory = Memory::new(kinds(1_000_000));
    let keys: Vec<Key> = (0..u64::from(N)).map(key).collect();
    let mut report = Vec::new();
    macro_rules! time {
        ($what:expr, $count:expr, $act:expr) => {
            let began = Stopwatch::start();
            for n in 0..u64::from($count) {
                $act(n).await.unwrap();
            }
            report.push(format!("{:40} {:8.2} us", $what, began.micros() / f64::from($count)));
        };
    }
    let (k, one) = (|n: u64| keys[usize::try_from(n).unwrap()], Owner([9; 32]));
    let owned_by_one = |n: u64| Entry { owners: vec![one], ..record(n) };
    time!("memory insert_new", N, |n| memory.insert_new(PROBE, k(n), record(n), NOW));
    time!("memory put over", N, |n| memory.put(PROBE, k(n), record(n), NOW));
    time!("memory read", N, |n| memory.read(PROBE, k(n), NOW));
    time!("memory replace_if", N, |n| { memory.replace_if(PROBE, k(n), Version([2; 16]), record(n), NOW) });
    time!("memory spend", N, |n| memory.spend(PROBE, k(n), NOW));
    time!("memory forget", N, |n| memory.forget(PROBE, k(n)));
    time!("memory insert, 10 000 of one owner", 10_000_u32, |n| {
        memory.insert_new(OTHER, k(n), owned_by_one(n), NOW)
    });
    time!("memory count_owned of 10 000", N, |_| memory.count_owned(OTHER, one, NOW));
    time!("memory take, 10 000 of one owner", 10_000_u32, |n| memory.take(OTHER, k(n), NOW));
    time!("memory insert_new again", N, |n| memory.insert_new(PROBE, k(n), record(n), NOW));
    time!("memory take", N, |n| memory.take(PROBE, k(n), NOW));
    time!("memory insert_new again", N, |n| memory.insert_new(PROBE, k(n), record(n), NOW));
    time!("memory sweep of 20 000", 1_u32, |_| memory.sweep(PROBE, Timestamp::from_seconds(9_000_000_000)));
    let table = table(Arc::new(memory), 7);
    let value = Probe("v".repeat(600));
    let owners = [("app", &b"a"[..]).into()];
    time!("table insert_new, 600 bytes", N, |n: u64| {
        let (handle, table, value) = (n.to_be_bytes(), &table, &value);
        async move { table.insert_new(&handle, value, LAST, &owners, NOW).await }
    });
    time!("table read", N, |n: u64| {
        let (handle, table) = (n.to_be_bytes(), &table);
        async move { table.read(&handle, NOW).await }
    });
    time!("table take", N, |n: u64| {
        let (handle, table) = (n.to_be_bytes(), &table);
        async move { table.take(&handle, NOW).await }
    });

    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let sqlite = open(&directory.path().join("store"));
    time!("sqlite put, alone", 200_u32, |n| sqlite.put(OTHER, k(n), owned_by_one(n), NOW));
    for writers in [32_u32, 256] {
        let began = Stopwatch::start();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let sqlite = Arc::clone(&sqlite);
                tokio::spawn(async move {
                    for n in 0..10_000 / writers {
                        let n = u64::from(writers * 1_000_000 + writer * 10_000 + n);
                        let record = Entry { owners: vec![Owner([9; 32])], ..record(n) };
                        sqlite.put(PROBE, key(n), record, NOW).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let rows = f64::from(10_000 / writers * writers);
        let each = began.micros() / rows;
        report.push(format!(
            "sqlite put, {writers:3} writers {:16} {each:8.2} us  {:.0} rows/s",
            "",
            1e6 / each
        ));
    }
    time!("sqlite read", 10_000_u32, |n| sqlite.read(OTHER, k(n % 200), NOW));
    time!("sqlite count_owned of 20 000", 100_u32, |_| sqlite.count_owned(PROBE, one, NOW));
    time!("sqlite sweep of 20 000", 1_u32, |_| sqlite.sweep(PROBE, Timestamp::from_seconds(9_000_000_000)));
    say(&report.join("\n"));
}

struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a stopwatch")]
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    fn micros(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1e6
    }
}

/// Records per second: each is put, and taken by its handle; 600 bytes and one owner, by 32 tasks at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_all_backends() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    rate("memory", Arc::new(Memory::new(kinds(1_000_000))), 200_000).await;
    rate("sqlite", open(&directory.path().join("store")), 10_000).await;
    if let Some(server) = postgres() {
        let store = super::postgres::open(&server, 1_000_000).await;
        rate("postgres", Arc::new(store), 10_000).await;
    }
    if let Some(server) = redis(&[]) {
        let store = super::redis::open(&server, 1_000_000).await;
        rate("redis", Arc::new(store), 20_000).await;
    }
}

async fn rate(name: &str, store: Arc<dyn Store>, records: u64) {
    const TASKS: u64 = 32;
    let mut line = format!("{name:10}");
    for verb in ["put", "read", "take", "put", "sweep"] {
        let began = Stopwatch::start();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for n in (task..records).step_by(usize::try_from(TASKS).unwrap()) {
                        match verb {
                            "put" => store.put(PROBE, key(n), record(n), NOW).await.unwrap(),
                            "read" => drop(store.read(PROBE, key(n), NOW).await.unwrap().unwrap()),
                            "take" => drop(store.take(PROBE, key(n), NOW).await.unwrap().unwrap()),
                            _ => return,
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        if verb == "sweep" {
            let after = Timestamp::from_seconds(9_000_000_000);
            assert_eq!(store.sweep(PROBE, after).await.unwrap(), usize::try_from(records).unwrap());
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = records as f64 * 1e6 / began.micros();
        line = format!("{line}  {verb} {rate:.0}/s");
    }
    let one = key(1);
    store.put(PROBE, one, record(1), NOW).await.unwrap();
    let began = Stopwatch::start();
    for _ in 0..500 {
        store.put(PROBE, one, record(1), NOW).await.unwrap();
    }
    say(&format!("{line}  one put alone {:.0} us", began.micros() / 500.0));
}

/// What a record costs beside its 700 bytes: `cargo test --release --test store memory_of -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn memory_of_a_session() {
    const SESSIONS: u64 = 100_000;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    let memory = Memory::new(kinds(1_000_000));
    let before = resident();
    for n in 0..SESSIONS {
        let owners = vec![Owner(key(n).0), Owner(key(n + SESSIONS).0)];
        let session = Entry { value: vec![1; 700], owners, ..record(n) };
        memory.insert_new(PROBE, key(n), session, NOW).await.unwrap();
    }
    say(&format!("{} bytes for a session of 700 with two owners", (resident() - before) / SESSIONS));
}
