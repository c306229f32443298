//! A store that fails at the worst moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use relais::clock::Timestamp;
use relais::records;
use relais::store::{Entry, Insert, Key, Kind, Memory, Owner, Spend, Store, StoreError, Version};

/// A store in memory whose next write of one kind fails, once it is armed.
pub struct Failing {
    inner: Memory,
    kind: Kind,
    /// How many writes go well before one fails; negative where none does.
    left: AtomicI64,
    /// How long a list of what an owner has takes, in milliseconds.
    slow: AtomicU64,
}

impl Failing {
    pub fn at(kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            inner: Memory::new(records::ALL.map(|kind| (kind, 1_000))),
            kind,
            left: AtomicI64::new(-1),
            slow: AtomicU64::new(0),
        })
    }

    /// The next write of the kind fails.
    pub fn arm(&self) {
        self.arm_after(0);
    }

    /// The write of the kind after the next so many fails.
    pub fn arm_after(&self, writes: i64) {
        self.left.store(writes, Ordering::SeqCst);
    }

    /// From now on what an owner has is told so late.
    pub fn slow(&self, time: Duration) {
        self.slow.store(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn write(&self, kind: Kind) -> Result<(), StoreError> {
        let counts = |left: i64| (left >= 0).then_some(left - 1);
        if kind == self.kind && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counts) == Ok(0) {
            return Err(StoreError::Backend("the test took it away".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Failing {
    async fn insert(
        &self,
        kind: Kind,
        key: Key,
        record: Entry,
        insert: Insert<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(kind)?;
        self.inner.insert(kind, key, record, insert, now).await
    }

    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        self.inner.read(kind, key, now).await
    }

    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        record: Entry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(kind)?;
        self.inner.replace_if(kind, key, version, record, now).await
    }

    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Entry>, StoreError> {
        self.inner.spend(kind, key, now).await
    }

    async fn take_if(
        &self,
        kind: Kind,
        key: Key,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        self.inner.take_if(kind, key, version, now).await
    }

    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError> {
        self.inner.forget(kind, key).await
    }

    async fn owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<Vec<(Key, Entry)>, StoreError> {
        let slow = self.slow.load(Ordering::SeqCst);
        if slow > 0 {
            tokio::time::sleep(Duration::from_millis(slow)).await;
        }
        self.inner.owned(kind, owner, now).await
    }

    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        self.inner.count_owned(kind, owner, now).await
    }

    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        self.inner.forget_owned(kind, owner).await
    }

    async fn count(&self, kind: Kind) -> Result<usize, StoreError> {
        self.inner.count(kind).await
    }

    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError> {
        self.inner.sweep(kind, now).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
