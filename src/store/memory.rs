//! The store in memory: records in moka, what orders and counts them beside it.
//!
//! moka is given neither a capacity nor a time to live: it would evict the living to make room, and it would
//! expire by a clock of its own, which goes on while ours is put back. So a kind counts its records and
//! refuses, and what has expired by our clock goes when it is met, when room is needed and by
//! [`Store::sweep`]. Changes of one kind take turns under its lock, which keeps records and index in step;
//! a read takes no lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use moka::sync::Cache;

use super::{Key, Kind, Owner, PerKind, Record, Spend, Store, StoreError, Version};
use crate::clock::Timestamp;

/// Records that are cleared while the lock of their kind is held once.
const CHUNK: usize = 128;

/// In memory: what ends with the process.
pub struct Memory {
    shelves: PerKind<Shelf>,
}

impl Memory {
    /// An empty store that holds at most `ceilings(kind)` records of each kind, spent ones included.
    pub fn new(ceilings: impl Fn(Kind) -> usize) -> Self {
        Self { shelves: PerKind::new(|kind| Shelf::new(ceilings(kind))) }
    }
}

#[async_trait]
impl Store for Memory {
    async fn insert_new(
        &self,
        kind: Kind,
        key: Key,
        record: Record,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut desk = self.shelves.of(kind).desk();
        if desk.alive(key, now).is_some() {
            return Ok(false);
        }
        desk.insert(key, record, now)?;
        Ok(true)
    }

    async fn put(&self, kind: Kind, key: Key, record: Record, now: Timestamp) -> Result<(), StoreError> {
        self.shelves.of(kind).desk().insert(key, record, now)
    }

    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let held = self.shelves.of(kind).records.get(&key);
        Ok(held
            .filter(|held| !held.spent && now <= held.record.expires)
            .map(|held| Record::clone(&held.record)))
    }

    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        record: Record,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut desk = self.shelves.of(kind).desk();
        match desk.alive(key, now) {
            Some(old) if !old.spent && old.record.version == version => {
                let new = Held { record: Arc::new(record), ..old.clone() };
                desk.exchange(key, Some(&old), new);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Record>, StoreError> {
        let mut desk = self.shelves.of(kind).desk();
        let Some(held) = desk.alive(key, now) else { return Ok(Spend::Absent) };
        let record = Record::clone(&held.record);
        if held.spent {
            return Ok(Spend::Spent(record));
        }
        desk.exchange(key, Some(&held), Held { spent: true, ..held.clone() });
        Ok(Spend::Fresh(record))
    }

    async fn take(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let mut desk = self.shelves.of(kind).desk();
        if desk.alive(key, now).is_none_or(|held| held.spent) {
            return Ok(None);
        }
        Ok(desk.remove(key).map(|held| Arc::unwrap_or_clone(held.record)))
    }

    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError> {
        self.shelves.of(kind).desk().remove(key);
        Ok(())
    }

    async fn owned(
        &self,
        kind: Kind,
        owner: Owner,
        now: Timestamp,
    ) -> Result<Vec<(Key, Record)>, StoreError> {
        let mut found = self.shelves.of(kind).desk().owned(owner, now);
        found.sort_unstable_by_key(|(_, held)| held.age);
        Ok(found.into_iter().map(|(key, held)| (key, Record::clone(&held.record))).collect())
    }

    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        Ok(self.shelves.of(kind).desk().count_owned(owner, now))
    }

    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        Ok(self.shelves.of(kind).desk().forget_owned(owner))
    }

    async fn count(&self, kind: Kind) -> Result<usize, StoreError> {
        Ok(self.shelves.of(kind).desk().index.by_expiry.len())
    }

    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError> {
        let shelf = self.shelves.of(kind);
        let mut swept = 0;
        loop {
            let cleared = shelf.desk().clear(now);
            swept += cleared;
            if cleared < CHUNK {
                break;
            }
            tokio::task::yield_now().await;
        }
        // moka frees what was removed when it is used again; a kind that fell silent is not.
        shelf.records.run_pending_tasks();
        Ok(swept)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The records of one kind.
struct Shelf {
    ceiling: usize,
    records: Cache<Key, Held>,
    index: Mutex<Index>,
}

impl Shelf {
    fn new(ceiling: usize) -> Self {
        Self { ceiling, records: Cache::builder().build(), index: Mutex::default() }
    }

    /// The right to change this kind.
    fn desk(&self) -> Desk<'_> {
        // No code that holds the lock panics; if it ever did, to go on is better than to stop every login.
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        Desk { shelf: self, index }
    }
}

/// A record and what this backend knows of it; cheap to clone.
#[derive(Clone)]
struct Held {
    record: Arc<Record>,
    spent: bool,
    /// Smaller is older.
    age: u64,
}

/// A record's place in an order by expiry, and by age among those that expire together: mostly ascending, so
/// that a new one stands beside the last.
type Place = (Timestamp, u64);

impl Held {
    fn place(&self) -> Place {
        (self.record.expires, self.age)
    }
}

/// What orders and counts the records of one kind; an entry goes with its record.
#[derive(Default)]
struct Index {
    next_age: u64,
    by_expiry: BTreeMap<Place, Key>,
    owners: HashMap<Owner, Belongings>,
}

/// The records of one owner, so that the expired stand in front.
#[derive(Default)]
struct Belongings {
    unspent: BTreeMap<Place, Key>,
    spent: BTreeMap<Place, Key>,
}

impl Belongings {
    fn side(&mut self, spent: bool) -> &mut BTreeMap<Place, Key> {
        if spent { &mut self.spent } else { &mut self.unspent }
    }
}

impl Index {
    fn link(&mut self, key: Key, held: &Held) {
        self.by_expiry.insert(held.place(), key);
        for owner in &held.record.owners {
            self.owners.entry(*owner).or_default().side(held.spent).insert(held.place(), key);
        }
    }

    fn unlink(&mut self, held: &Held) {
        self.by_expiry.remove(&held.place());
        for owner in &held.record.owners {
            if let Some(belongings) = self.owners.get_mut(owner) {
                belongings.side(held.spent).remove(&held.place());
                if belongings.unspent.is_empty() && belongings.spent.is_empty() {
                    self.owners.remove(owner);
                }
            }
        }
    }
}

/// One kind, while its lock is held.
struct Desk<'a> {
    shelf: &'a Shelf,
    index: MutexGuard<'a, Index>,
}

impl Desk<'_> {
    /// The record if it is alive, spent or not; an expired one goes.
    fn alive(&mut self, key: Key, now: Timestamp) -> Option<Held> {
        let held = self.shelf.records.get(&key)?;
        if now <= held.record.expires {
            return Some(held);
        }
        self.remove(key);
        None
    }

    fn insert(&mut self, key: Key, record: Record, now: Timestamp) -> Result<(), StoreError> {
        let old = self.shelf.records.get(&key);
        if old.is_none() {
            self.make_room(now)?;
        }
        let age = self.index.next_age;
        self.index.next_age += 1;
        self.exchange(key, old.as_ref(), Held { record: Arc::new(record), spent: false, age });
        Ok(())
    }

    fn make_room(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.index.by_expiry.len() < self.shelf.ceiling {
            return Ok(());
        }
        self.clear(now);
        if self.index.by_expiry.len() < self.shelf.ceiling { Ok(()) } else { Err(StoreError::Full) }
    }

    /// Puts `new` where `old` was, at once: a reader, who takes no lock, never finds the place empty.
    fn exchange(&mut self, key: Key, old: Option<&Held>, new: Held) {
        if let Some(old) = old {
            self.index.unlink(old);
        }
        self.index.link(key, &new);
        self.shelf.records.insert(key, new);
    }

    fn remove(&mut self, key: Key) -> Option<Held> {
        let held = self.shelf.records.remove(&key)?;
        self.index.unlink(&held);
        Some(held)
    }

    /// Removes what has expired, at most [`CHUNK`] records.
    fn clear(&mut self, now: Timestamp) -> usize {
        let mut cleared = 0;
        while cleared < CHUNK
            && let Some((&(expires, _), &key)) = self.index.by_expiry.first_key_value()
            && expires < now
        {
            self.remove(key);
            cleared += 1;
        }
        cleared
    }

    fn owned(&self, owner: Owner, now: Timestamp) -> Vec<(Key, Held)> {
        let Some(belongings) = self.index.owners.get(&owner) else { return Vec::new() };
        let living = belongings.unspent.range((now, 0)..);
        living.filter_map(|(_, key)| Some((*key, self.shelf.records.get(key)?))).collect()
    }

    /// Each expired record costs one removal, once; the rest is one look.
    fn count_owned(&mut self, owner: Owner, now: Timestamp) -> usize {
        loop {
            let Some(belongings) = self.index.owners.get(&owner) else { return 0 };
            match belongings.unspent.first_key_value() {
                Some((&(expires, _), &key)) if expires < now => self.remove(key),
                _ => return belongings.unspent.len(),
            };
        }
    }

    fn forget_owned(&mut self, owner: Owner) -> usize {
        let Some(belongings) = self.index.owners.remove(&owner) else { return 0 };
        let keys = belongings.unspent.values().chain(belongings.spent.values());
        keys.filter(|key| self.remove(**key).is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(expires: u64, owners: &[u8]) -> Record {
        Record {
            value: vec![1; 600],
            version: Version([0; 16]),
            expires: Timestamp::from_millis(expires),
            owners: owners.iter().map(|n| Owner([*n; 32])).collect(),
        }
    }

    fn key(n: u64) -> Key {
        Key(crate::crypto::hash::sha256(&[&n.to_be_bytes()]))
    }

    #[tokio::test]
    async fn the_index_is_empty_when_the_records_are_gone() {
        let store = Memory::new(|_| 10_000);
        let at = Timestamp::from_millis;
        for n in 0..1_000 {
            // An owner named twice counts once.
            store.put(Kind::Probe, key(n), record(1_000 + n, &[1, 2, 2]), at(0)).await.unwrap();
        }
        assert_eq!(store.count_owned(Kind::Probe, Owner([2; 32]), at(0)).await.unwrap(), 1_000);
        for n in 0..100 {
            store.take(Kind::Probe, key(n), at(0)).await.unwrap().unwrap();
            store.spend(Kind::Probe, key(n + 100), at(0)).await.unwrap();
            store.forget(Kind::Probe, key(n + 200)).await.unwrap();
            store.put(Kind::Probe, key(n + 300), record(3_000, &[3]), at(0)).await.unwrap();
        }
        assert_eq!(store.count_owned(Kind::Probe, Owner([2; 32]), at(1_600)).await.unwrap(), 400);
        assert_eq!(store.forget_owned(Kind::Probe, Owner([3; 32])).await.unwrap(), 100);
        // The hundred spent ones and the four hundred alive at 1600 are left.
        assert_eq!(store.sweep(Kind::Probe, at(9_000)).await.unwrap(), 500);
        let desk = store.shelves.of(Kind::Probe).desk();
        assert!(desk.index.owners.is_empty());
        assert!(desk.index.by_expiry.is_empty());
        drop(desk);
        store.shelves.of(Kind::Probe).records.run_pending_tasks();
        assert_eq!(store.shelves.of(Kind::Probe).records.entry_count(), 0);
    }
}
