//! The store in a SQLite file: one writer thread, which commits a queue of writes at a time.
//!
//! `synchronous=FULL` makes every commit wait for the disk, so whatever comes meanwhile shares the next
//! commit, and each write is acknowledged only after its own. A batch in which something fails is rolled
//! back and its writes run again, each alone: one failure never fails its neighbours. Reads go over a
//! connection of their own, which sees whatever was acknowledged.

mod backup;
mod writer;
mod file;
mod survey;
mod worker;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::kind::ByKind;
use super::{Entry, Insert, Key, Kind, Owner, Spend, Store, StoreError, Version};
use crate::clock::Timestamp;
use worker::{Job, Worker, Write};
use writer::Writer;

pub use backup::{Backup, BackupError, back_up};
pub use file::OpenError;
pub use survey::SqliteFacts;

/// Writes and reads that may wait; whoever comes then waits for a place.
const QUEUE: usize = 1024;

/// In a SQLite file: what outlives the process. When it is dropped, what waits is written and the file
/// closed, which takes as long as it takes.
pub struct Sqlite {
    // In this order they end: who closes the file last folds the log into it, and a reader cannot.
    reader: Worker<Read>,
    writer: Worker<Box<dyn Write>>,
    counts: Counts,
    _lock: File,
}

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// How many records of each kind are committed.
type Counts = Arc<ByKind<AtomicUsize>>;

impl Sqlite {
    /// Opens the store at `path`, or makes it with mode 0600; for these kinds, each with its ceiling,
    /// spent records included. Checks the whole file first, and refuses one that is damaged, newer than this
    /// program or in use by another process. Blocks: for the start of the program.
    pub fn open(path: &Path, ceilings: impl IntoIterator<Item = (Kind, usize)>) -> Result<Self, OpenError> {
        let lock = file::lock(path)?;
        let connection = file::open(path)?;
        let reading = file::open_to_read(path)?;
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        let opened = file::Opened::at(path).map_err(io)?;
        let writer = Writer::new(connection, opened, ceilings.into_iter().collect());
        let writer = writer.map_err(|e| OpenError::sqlite(path, e))?;
        let counts = writer.counts().iter().map(|(kind, count)| (kind, AtomicUsize::new(*count)));
        let counts: Counts = Arc::new(counts.collect());
        let publish = Arc::clone(&counts);
        let writer = Worker::spawn("store-writer", QUEUE, move |queue| {
            worker::write_all(writer, queue, |writer| {
                for (kind, count) in writer.counts().iter() {
                    if let Ok(published) = publish.get(kind) {
                        published.store(*count, Ordering::Release);
                    }
                }
            });
        });
        let reader = Worker::spawn("store-reader", QUEUE, move |mut queue| {
            while let Some(read) = queue.blocking_recv() {
                let read: Read = read;
                // A defect of one costs its caller an answer, and nobody the thread.
                let _ = catch_unwind(AssertUnwindSafe(|| read(&reading)));
            }
        });
        Ok(Self { reader: reader.map_err(io)?, writer: writer.map_err(io)?, counts, _lock: lock })
    }

    /// Has `act` run inside a transaction, more than once if its batch fails; answers after the commit.
    async fn write<T: Send + 'static>(
        &self,
        act: impl Fn(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        in_time(async {
            self.writer.send(Job::boxed(act, answer)).await?;
            answered.await.map_err(worker::stopped)?
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let read = move |connection: &Connection| {
            // Who asked may be gone.
            let _ = answer.send(look(connection));
        };
        in_time(async {
            self.reader.send(Box::new(read)).await?;
            answered.await.map_err(worker::stopped)?
        })
        .await
    }
}

/// How long a call may take, the wait in line included: longer than whoever looks at the file from outside is waited for.
const DEADLINE: Duration = Duration::from_secs(8);

/// What was asked may still happen afterwards, unless its turn had not come.
async fn in_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(DEADLINE, call).await.unwrap_or_else(|late| Err(StoreError::Backend(Box::new(late))))
}

#[async_trait]
impl Store for Sqlite {
    async fn insert(
        &self,
        kind: Kind,
        key: Key,
        entry: Entry,
        Insert { replaces, claims }: Insert<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let claims = claims.to_vec();
        self.write(move |writer| {
            match writer.alive(kind, key, now)? {
                Some(_) if !replaces => return Ok(false),
                Some(_) => writer.remove(kind, key)?,
                None => writer.make_room(kind, &claims, now)?,
            }
            writer.insert(kind, key, &entry, &entry.owners)?;
            Ok(true)
        })
        .await
    }

    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        self.read(move |connection| {
            let found = writer::find(connection, kind, key)?;
            Ok(found.filter(|stored| !stored.spent && stored.lives(now)).map(|stored| stored.entry))
        })
        .await
    }

    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        entry: Entry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |writer| match writer.alive(kind, key, now)? {
            Some(stored) if !stored.spent && stored.entry.version == version => {
                let owners = if entry.owners.is_empty() { &stored.entry.owners } else { &entry.owners };
                writer.remove(kind, key)?;
                writer.insert(kind, key, &entry, owners)?;
                Ok(true)
            }
            _ => Ok(false),
        })
        .await
    }

    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Entry>, StoreError> {
        self.write(move |writer| match writer.alive(kind, key, now)? {
            Some(stored) if stored.spent => Ok(Spend::Spent(stored.entry)),
            Some(stored) => {
                writer.spend(stored.id)?;
                Ok(Spend::Fresh(stored.entry))
            }
            None => Ok(Spend::Absent),
        })
        .await
    }

    async fn take_if(
        &self,
        kind: Kind,
        key: Key,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let unchanged = move |entry: &Entry| version.is_none_or(|version| entry.version == version);
        self.write(move |writer| match writer.alive(kind, key, now)? {
            Some(stored) if !stored.spent && unchanged(&stored.entry) => {
                writer.remove(kind, key)?;
                Ok(Some(stored.entry))
            }
            _ => Ok(None),
        })
        .await
    }

    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError> {
        self.write(move |writer| writer.remove(kind, key)).await
    }

    async fn owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<Vec<(Key, Entry)>, StoreError> {
        self.read(move |connection| writer::owned(connection, kind, owner, now)).await
    }

    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        self.read(move |connection| writer::count_owned(connection, kind, owner, now)).await
    }

    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        self.write(move |writer| writer.forget_owned(kind, owner)).await
    }

    async fn count(&self, kind: Kind) -> Result<usize, StoreError> {
        Ok(self.counts.get(kind)?.load(Ordering::Acquire))
    }

    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError> {
        let mut swept = 0;
        loop {
            // Each chunk is a write among the others, so that none waits for the whole sweep.
            let cleared = self.write(move |writer| writer.clear(kind, now)).await?;
            swept += cleared;
            if cleared < writer::CHUNK {
                return Ok(swept);
            }
        }
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.read(|connection| Ok(file::schema(connection)?)).await?;
        self.write(Writer::touch).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{PROBE, kinds};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn record(len: usize) -> Entry {
        Entry { value: vec![1; len], version: Version([0; 16]), expires: NOW, owners: vec![Owner([1; 32])] }
    }

    fn store() -> (tempfile::TempDir, Arc<Sqlite>) {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&directory.path().join("store"), kinds(10_000)).unwrap();
        (directory, Arc::new(store))
    }

    #[tokio::test]
    async fn a_failed_statement_fails_alone() {
        let (_directory, store) = store();
        let neighbour = |n| store.put(PROBE, Key([n; 32]), record(10), NOW);
        let failing = store.write(|writer| {
            writer.remove(PROBE, Key([1; 32]))?;
            writer.execute("INSERT INTO record (id) VALUES (NULL)")
        });
        let (a, failed, b) = tokio::join!(neighbour(1), failing, neighbour(2));
        a.unwrap();
        b.unwrap();
        assert!(matches!(failed, Err(StoreError::Backend(_))));
        assert_eq!(store.count(PROBE).await.unwrap(), 2, "what the failed one removed is back");
    }

    #[tokio::test]
    async fn n18_a_defect_costs_one_call_and_no_thread() {
        let (_directory, store) = store();
        let neighbour = store.put(PROBE, Key([1; 32]), record(10), NOW);
        let written = store.write(|_| -> Result<(), StoreError> { panic!("of the test") });
        let (neighbour, written) = tokio::join!(neighbour, written);
        neighbour.unwrap();
        assert!(written.is_err());
        assert!(store.read(|_| -> Result<(), StoreError> { panic!("of the test") }).await.is_err());
        assert!(Store::read(&*store, PROBE, Key([1; 32]), NOW).await.unwrap().is_some());
        store.ready().await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_acknowledges_nothing_and_recovers() {
        let (_directory, store) = store();
        store.put(PROBE, Key([0; 32]), record(10), NOW).await.unwrap();
        store.write(|writer| writer.execute("PRAGMA max_page_count = 40")).await.unwrap();
        let mut refused = 0;
        for n in 1..=100 {
            match store.put(PROBE, Key([n; 32]), record(4_000), NOW).await {
                Ok(()) => {}
                Err(StoreError::Backend(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(refused > 50, "{refused}");
        assert_eq!(store.count(PROBE).await.unwrap(), 101 - refused);
        assert_eq!(store.count_owned(PROBE, Owner([1; 32]), NOW).await.unwrap(), 101 - refused);
        store.write(|writer| writer.execute("PRAGMA max_page_count = 4000")).await.unwrap();
        store.put(PROBE, Key([200; 32]), record(4_000), NOW).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_not_ready() {
        let (_directory, store) = store();
        store.ready().await.unwrap();
        store.write(|writer| writer.execute("PRAGMA query_only = 1")).await.unwrap();
        assert!(matches!(store.ready().await, Err(StoreError::Backend(_))));
        assert!(matches!(store.sweep(PROBE, NOW).await, Err(StoreError::Backend(_))));
    }
}
