//! The store in memory: for each kind, its records and what orders and counts them, under one lock.
//!
//! Expiry is by our clock alone: what has expired goes when it is met, when room is needed and by
//! [`Store::sweep`]. Sessions are counted in hundreds of thousands, so what stands beside a record is small: its key
//! and its owners' names are kept once, and every index holds the number of its place.

mod blocks;
mod owners;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hashbrown::HashTable;
use slab::Slab;

use self::blocks::{Blocks, First};
use self::owners::Owners;
use super::kind::ByKind;
use super::{Claim, Entry, Insert, Key, Kind, Owner, Room, Spend, Store, StoreError, Version};
use crate::clock::Timestamp;

/// Records that are cleared while the lock of their kind is held once.
const CHUNK: usize = 128;

/// In memory: what ends with the process.
pub struct Memory {
    kinds: ByKind<Mutex<Records>>,
}

impl Memory {
    /// An empty store for these kinds, each with its ceiling, spent records included.
    pub fn new(ceilings: impl IntoIterator<Item = (Kind, usize)>) -> Self {
        let records = |(kind, ceiling)| (kind, Mutex::new(Records::new(kind, ceiling)));
        Self { kinds: ceilings.into_iter().map(records).collect() }
    }

    /// The records of one kind, for this caller alone.
    fn lock(&self, kind: Kind) -> Result<MutexGuard<'_, Records>, StoreError> {
        // No code that holds the lock panics; if it ever did, to go on is better than to stop every login.
        Ok(self.kinds.get(kind)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Store for Memory {
    async fn insert(
        &self,
        kind: Kind,
        key: Key,
        entry: Entry,
        insert: Insert<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut records = self.lock(kind)?;
        match records.alive(key, now) {
            None => records.make_room(insert.claims, now)?,
            Some(_) if !insert.replaces => return Ok(false),
            Some(place) => records.remove(place),
        }
        records.put(key, &entry);
        Ok(true)
    }

    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        let records = self.lock(kind)?;
        let held = records.find(key).and_then(|place| records.held(place));
        Ok(held.filter(|held| !held.spent && now <= held.expires).map(|held| records.entry(held)))
    }

    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        mut entry: Entry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut records = self.lock(kind)?;
        let Some(place) = records.unspent(key, Some(version), now) else { return Ok(false) };
        if entry.owners.is_empty() {
            entry.owners = records.held(place).map(|old| records.owners_of(old)).unwrap_or_default();
        }
        records.remove(place);
        records.put(key, &entry);
        Ok(true)
    }

    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Entry>, StoreError> {
        let mut records = self.lock(kind)?;
        let place = records.alive(key, now);
        let Some((place, held)) = place.and_then(|place| Some((place, records.held(place)?))) else {
            return Ok(Spend::Absent);
        };
        let entry = records.entry(held);
        if held.spent {
            return Ok(Spend::Spent(entry));
        }
        records.spend(place);
        Ok(Spend::Fresh(entry))
    }

    async fn take_if(
        &self,
        kind: Kind,
        key: Key,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let mut records = self.lock(kind)?;
        let Some(place) = records.unspent(key, version, now) else { return Ok(None) };
        let entry = records.held(place).map(|held| records.entry(held));
        records.remove(place);
        Ok(entry)
    }

    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError> {
        let mut records = self.lock(kind)?;
        if let Some(place) = records.find(key) {
            records.remove(place);
        }
        Ok(())
    }

    async fn owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<Vec<(Key, Entry)>, StoreError> {
        let records = self.lock(kind)?;
        let living = records.owned(owner, now).into_iter().filter_map(|place| records.held(place));
        Ok(living.map(|held| (held.key, records.entry(held))).collect())
    }

    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        Ok(self.lock(kind)?.count_owned(owner, now))
    }

    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        Ok(self.lock(kind)?.forget_owned(owner))
    }

    async fn count(&self, kind: Kind) -> Result<usize, StoreError> {
        Ok(self.lock(kind)?.held.len())
    }

    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError> {
        let mut swept = 0;
        loop {
            let cleared = self.lock(kind)?.clear(now);
            swept += cleared;
            if cleared < CHUNK {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.lock(kind)?.shrink();
        Ok(swept)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A record and what this backend knows of it.
struct Held {
    key: Key,
    version: Version,
    expires: Timestamp,
    /// Smaller is older.
    age: u64,
    /// The owners' numbers, and behind them the value.
    content: First,
    owners: u32,
    len: u32,
    spent: bool,
}

impl Held {
    /// The numbers of its owners.
    fn numbers(&self, contents: &Blocks) -> Vec<u32> {
        let numbers = contents.read(self.content, self.owners as usize * NUMBER);
        numbers.as_chunks().0.iter().map(|number| u32::from_ne_bytes(*number)).collect()
    }
}

/// Bytes of an owner's number.
const NUMBER: usize = size_of::<u32>();

/// The number of a record's place.
type Place = u32;

/// Memory ends long before the numbers do.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The records of one kind, and what orders and counts them: it goes with them.
struct Records {
    kind: Kind,
    ceiling: usize,
    next_age: u64,
    held: Slab<Held>,
    contents: Blocks,
    hasher: RandomState,
    by_key: HashTable<Place>,
    by_expiry: BTreeSet<(Timestamp, Place)>,
    owners: Owners,
}

impl Records {
    fn new(kind: Kind, ceiling: usize) -> Self {
        let (held, contents, hasher, by_key, by_expiry, owners) = Default::default();
        Self { kind, ceiling, next_age: 0, held, contents, hasher, by_key, by_expiry, owners }
    }

    fn find(&self, key: Key) -> Option<Place> {
        let is_it = |place: &Place| self.held(*place).is_some_and(|held| held.key == key);
        self.by_key.find(self.hasher.hash_one(key), is_it).copied()
    }

    fn held(&self, place: Place) -> Option<&Held> {
        self.held.get(place as usize)
    }

    /// The record as it was inserted.
    fn entry(&self, held: &Held) -> Entry {
        let before = held.owners as usize * NUMBER;
        let mut value = self.contents.read(held.content, before + held.len as usize);
        value.drain(..before);
        Entry { value, version: held.version, expires: held.expires, owners: self.owners_of(held) }
    }

    fn owners_of(&self, held: &Held) -> Vec<Owner> {
        let numbers = held.numbers(&self.contents).into_iter();
        numbers.filter_map(|number| self.owners.name(number)).collect()
    }

    /// The record if it is alive, spent or not; an expired one goes.
    fn alive(&mut self, key: Key, now: Timestamp) -> Option<Place> {
        let place = self.find(key)?;
        if self.held(place)?.expires < now {
            self.remove(place);
            return None;
        }
        Some(place)
    }

    /// The record if it is alive, unspent and, where one is asked for, in this state.
    fn unspent(&mut self, key: Key, version: Option<Version>, now: Timestamp) -> Option<Place> {
        let place = self.alive(key, now)?;
        let held = self.held(place)?;
        (!held.spent && version.is_none_or(|version| held.version == version)).then_some(place)
    }

    /// Makes room for a record with these claims, or says why there is none; what is alive goes only where a claim
    /// drops its owner's oldest.
    fn make_room(&mut self, claims: &[Claim], now: Timestamp) -> Result<(), StoreError> {
        let used = self.held.len();
        let (mut dropped, mut room) = (Vec::new(), Room::new(self.ceiling, used));
        for claim in claims {
            let held = self.count_owned(claim.owner, now);
            let excess = claim.excess(self.kind, held, &mut room)?;
            // The order of a whole network's records costs more than a login.
            if excess > 0 {
                dropped.extend(self.owned(claim.owner, now).into_iter().take(excess));
            }
        }
        dropped.sort_unstable();
        dropped.dedup();
        if self.held.len() - dropped.len() >= self.ceiling {
            self.clear(now);
        }
        if self.held.len() - dropped.len() >= self.ceiling {
            return Err(StoreError::Full { kind: self.kind, owner: None });
        }
        for place in dropped {
            self.remove(place);
        }
        Ok(())
    }

    /// Inserts under a key that is free; the record is the youngest.
    fn put(&mut self, key: Key, entry: &Entry) {
        let age = self.next_age;
        self.next_age += 1;
        self.hold(key, entry, age, false);
    }

    fn hold(&mut self, key: Key, entry: &Entry, age: u64, spent: bool) {
        let Entry { ref value, version, expires, ref owners } = *entry;
        let place = number(self.held.vacant_key());
        let numbers: Vec<_> = owners
            .iter()
            .map(|owner| self.owners.link(*owner, spent, expires, place).to_ne_bytes())
            .collect();
        let content = self.contents.write(&[numbers.as_flattened(), value].concat());
        let (owners, len) = (number(numbers.len()), number(value.len()));
        self.held.insert(Held { key, version, expires, age, content, owners, len, spent });
        self.by_expiry.insert((expires, place));
        let Self { held, hasher, by_key, .. } = self;
        let hash = |place: &Place| hasher.hash_one(held.get(*place as usize).map_or(key, |held| held.key));
        by_key.insert_unique(hash(&place), place, hash);
    }

    fn remove(&mut self, place: Place) {
        let Some(held) = self.held.try_remove(place as usize) else { return };
        if let Ok(found) = self.by_key.find_entry(self.hasher.hash_one(held.key), |at| *at == place) {
            found.remove();
        }
        self.by_expiry.remove(&(held.expires, place));
        for number in held.numbers(&self.contents) {
            self.owners.unlink(number, held.spent, held.expires, place);
        }
        self.contents.free(held.content);
    }

    fn spend(&mut self, place: Place) {
        let Some(held) = self.held.get_mut(place as usize) else { return };
        held.spent = true;
        for number in held.numbers(&self.contents) {
            self.owners.spend(number, held.expires, place);
        }
    }

    /// Removes what has expired, at most [`CHUNK`] records.
    fn clear(&mut self, now: Timestamp) -> usize {
        let now = self.kind.cleared_before(now);
        let mut cleared = 0;
        while cleared < CHUNK
            && let Some(&(expires, place)) = self.by_expiry.first()
            && expires < now
        {
            self.remove(place);
            cleared += 1;
        }
        cleared
    }

    /// Gives back the room that a crowd left.
    fn shrink(&mut self) {
        if self.held.len() < self.held.capacity() / 4 {
            let old = std::mem::replace(self, Self::new(self.kind, self.ceiling));
            self.next_age = old.next_age;
            for (_, held) in &old.held {
                self.hold(held.key, &old.entry(held), held.age, held.spent);
            }
        }
    }

    /// The living, unspent records of `owner`, oldest first.
    fn owned(&self, owner: Owner, now: Timestamp) -> Vec<Place> {
        let mut living: Vec<_> = self.owners.living(owner, now).collect();
        living.sort_unstable_by_key(|place| self.held(*place).map(|held| held.age));
        living
    }

    /// Each expired record costs one removal, once; the rest is one look.
    fn count_owned(&mut self, owner: Owner, now: Timestamp) -> usize {
        if self.kind.is_mark {
            return self.owners.living(owner, now).count();
        }
        while let Some(expired) = self.owners.expired(owner, now) {
            self.remove(expired);
        }
        self.owners.count(owner)
    }

    fn forget_owned(&mut self, owner: Owner) -> usize {
        let places = self.owners.all(owner);
        for place in &places {
            self.remove(*place);
        }
        places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{PROBE, kinds};

    fn record(expires: u64, owners: &[u8]) -> Entry {
        Entry {
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
        let store = Memory::new(kinds(10_000));
        let at = Timestamp::from_millis;
        for n in 0..1_000 {
            // An owner named twice counts once.
            store.put(PROBE, key(n), record(1_000 + n, &[1, 2, 2]), at(0)).await.unwrap();
        }
        assert_eq!(store.count_owned(PROBE, Owner([2; 32]), at(0)).await.unwrap(), 1_000);
        for n in 0..100 {
            store.take(PROBE, key(n), at(0)).await.unwrap().unwrap();
            store.spend(PROBE, key(n + 100), at(0)).await.unwrap();
            store.forget(PROBE, key(n + 200)).await.unwrap();
            store.put(PROBE, key(n + 300), record(3_000, &[3]), at(0)).await.unwrap();
        }
        assert_eq!(store.count_owned(PROBE, Owner([2; 32]), at(1_600)).await.unwrap(), 400);
        assert_eq!(store.forget_owned(PROBE, Owner([3; 32])).await.unwrap(), 100);
        // The hundred spent ones and the four hundred alive at 1600 are left.
        assert_eq!(store.sweep(PROBE, at(9_000)).await.unwrap(), 500);
        let records = store.lock(PROBE).unwrap();
        assert!(records.by_key.is_empty() && records.by_expiry.is_empty() && records.owners.is_empty());
        assert!(records.held.capacity() < 100, "the room is given back");
    }

    /// A network's share is counted at each login that comes from it, however many are under way there.
    #[tokio::test]
    async fn a_large_owner_costs_no_more_than_a_small_one() {
        use crate::clock::{Clock as _, SystemClock};
        use crate::store::{Limit, Over, Share};

        let store = Memory::new(kinds(100_000));
        let at = Timestamp::from_millis(0);
        let share = Share { limit: Limit::Fixed(90_000), over: Over::Refuse };
        let claims = [Claim { owner: Owner([1; 32]), tag: "network", share }];
        let insert = async |n: u64| {
            let insert = Insert { replaces: false, claims: &claims };
            assert!(store.insert(PROBE, key(n), record(1_000, &[1]), insert, at).await.unwrap());
        };
        for n in 0..40_000 {
            insert(n).await;
        }
        let start = SystemClock.now();
        for n in 40_000..42_000 {
            insert(n).await;
        }
        let took = SystemClock.now().since(start);
        assert!(took.as_millis() < 1_000, "2,000 records beside 40,000 of the same owner took {took:?}");
    }
}
