//! Two nodes of one store as one: each call goes to the other one than the call before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use relais::clock::Timestamp;
use relais::store::{Entry, Insert, Key, Kind, Owner, Spend, Store, StoreError, Version};

pub struct Pair {
    pub nodes: [Arc<dyn Store>; 2],
    pub turn: AtomicUsize,
}

impl Pair {
    pub fn of(one: impl Store + 'static, other: impl Store + 'static) -> Self {
        Self { nodes: [Arc::new(one), Arc::new(other)], turn: AtomicUsize::new(0) }
    }

    fn next(&self) -> &dyn Store {
        self.nodes[self.turn.fetch_add(1, Ordering::Relaxed) % 2].as_ref()
    }
}

#[async_trait]
impl Store for Pair {
    async fn insert(
        &self,
        k: Kind,
        key: Key,
        r: Entry,
        insert: Insert<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.next().insert(k, key, r, insert, now).await
    }

    async fn read(&self, k: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        self.next().read(k, key, now).await
    }

    async fn replace_if(
        &self,
        k: Kind,
        key: Key,
        version: Version,
        r: Entry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.next().replace_if(k, key, version, r, now).await
    }

    async fn spend(&self, k: Kind, key: Key, now: Timestamp) -> Result<Spend<Entry>, StoreError> {
        self.next().spend(k, key, now).await
    }

    async fn take_if(
        &self,
        k: Kind,
        key: Key,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        self.next().take_if(k, key, version, now).await
    }

    async fn forget(&self, k: Kind, key: Key) -> Result<(), StoreError> {
        self.next().forget(k, key).await
    }

    async fn owned(&self, k: Kind, owner: Owner, now: Timestamp) -> Result<Vec<(Key, Entry)>, StoreError> {
        self.next().owned(k, owner, now).await
    }

    async fn count_owned(&self, k: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        self.next().count_owned(k, owner, now).await
    }

    async fn forget_owned(&self, k: Kind, owner: Owner) -> Result<usize, StoreError> {
        self.next().forget_owned(k, owner).await
    }

    async fn count(&self, k: Kind) -> Result<usize, StoreError> {
        self.next().count(k).await
    }

    async fn sweep(&self, k: Kind, now: Timestamp) -> Result<usize, StoreError> {
        self.next().sweep(k, now).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.next().ready().await
    }
}
