//! The store in memory: for each kind, its records and what orders and counts them, under one lock.
//!
//! Expiry is by our clock alone: what has expired goes when it is met, when room is needed and by
//! [`Store::sweep`]. Sessions are counted in hundreds of thousands, so what stands beside a record is small: most
//! owners have one or two records, for which a sorted queue takes a tenth of a tree's first node.

use std::collections::{BTreeMap, HashMap, VecDeque, hash_map};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

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
        if records.alive(key, now).is_none() {
            records.make_room(insert.claims, now)?;
        } else if !insert.replaces {
            return Ok(false);
        }
        records.put(key, entry);
        Ok(true)
    }

    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        let records = self.lock(kind)?;
        let held = records.by_key.get(&key).filter(|held| !held.spent && now <= held.entry.expires);
        Ok(held.map(|held| held.entry.clone()))
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
        let unchanged = |held: &Held| !held.spent && held.entry.version == version;
        if !records.alive(key, now).is_some_and(unchanged) {
            return Ok(false);
        }
        if entry.owners.is_empty()
            && let Some(old) = records.remove(key)
        {
            entry.owners = old.entry.owners;
        }
        records.put(key, entry);
        Ok(true)
    }

    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Entry>, StoreError> {
        let mut records = self.lock(kind)?;
        let Some(held) = records.alive(key, now) else { return Ok(Spend::Absent) };
        let entry = held.entry.clone();
        if held.spent {
            return Ok(Spend::Spent(entry));
        }
        if let Some(held) = records.remove(key) {
            records.hold(key, Held { spent: true, ..*held });
        }
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
        let wanted = |held: &Held| !held.spent && version.is_none_or(|version| held.entry.version == version);
        if !records.alive(key, now).is_some_and(wanted) {
            return Ok(None);
        }
        Ok(records.remove(key).map(|held| held.entry))
    }

    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError> {
        self.lock(kind)?.remove(key);
        Ok(())
    }

    async fn owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<Vec<(Key, Entry)>, StoreError> {
        let records = self.lock(kind)?;
        let living = records.owned(owner, now).into_iter();
        Ok(living.filter_map(|key| Some((key, records.by_key.get(&key)?.entry.clone()))).collect())
    }

    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        Ok(self.lock(kind)?.count_owned(owner, now))
    }

    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        Ok(self.lock(kind)?.forget_owned(owner))
    }

    async fn count(&self, kind: Kind) -> Result<usize, StoreError> {
        Ok(self.lock(kind)?.by_key.len())
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
    entry: Entry,
    spent: bool,
    /// Smaller is older.
    age: u64,
}

/// A record's place in an order by expiry, and by age among those that expire together: mostly ascending, so
/// that a new one stands beside the last.
type Place = (Timestamp, u64);

impl Held {
    fn place(&self) -> Place {
        (self.entry.expires, self.age)
    }
}

/// The records of one kind, and what orders and counts them: it goes with them.
struct Records {
    kind: Kind,
    ceiling: usize,
    next_age: u64,
    by_key: HashMap<Key, Box<Held>>,
    by_expiry: BTreeMap<Place, Key>,
    owners: HashMap<Owner, Belongings>,
}

/// The places of one owner's records, in order, so that the expired stand in front.
#[derive(Default)]
struct Belongings {
    unspent: VecDeque<Place>,
    spent: VecDeque<Place>,
}

impl Belongings {
    fn side(&mut self, spent: bool) -> &mut VecDeque<Place> {
        if spent { &mut self.spent } else { &mut self.unspent }
    }

    fn link(&mut self, held: &Held) {
        let places = self.side(held.spent);
        // An owner that is named twice has the record once.
        if let Err(at) = places.binary_search(&held.place()) {
            if places.is_empty() {
                places.reserve_exact(1);
            }
            places.insert(at, held.place());
        }
    }

    fn unlink(&mut self, held: &Held) {
        let places = self.side(held.spent);
        if let Ok(at) = places.binary_search(&held.place()) {
            places.remove(at);
        }
    }

    fn is_empty(&self) -> bool {
        self.unspent.is_empty() && self.spent.is_empty()
    }
}

impl Records {
    fn new(kind: Kind, ceiling: usize) -> Self {
        let (by_key, by_expiry, owners) = Default::default();
        Self { kind, ceiling, next_age: 0, by_key, by_expiry, owners }
    }

    /// The record if it is alive, spent or not; an expired one goes.
    fn alive(&mut self, key: Key, now: Timestamp) -> Option<&Held> {
        if self.by_key.get(&key)?.entry.expires < now {
            self.remove(key);
        }
        self.by_key.get(&key).map(|held| &**held)
    }

    /// Makes room for a record with these claims, or says why there is none; what is alive goes only where a claim
    /// drops its owner's oldest.
    fn make_room(&mut self, claims: &[Claim], now: Timestamp) -> Result<(), StoreError> {
        let used = self.by_key.len();
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
        if self.by_key.len() - dropped.len() >= self.ceiling {
            self.clear(now);
        }
        if self.by_key.len() - dropped.len() >= self.ceiling {
            return Err(StoreError::Full { kind: self.kind.name, owner: None });
        }
        for key in dropped {
            self.remove(key);
        }
        Ok(())
    }

    /// Inserts or replaces; the record is then the youngest.
    fn put(&mut self, key: Key, entry: Entry) {
        self.remove(key);
        let age = self.next_age;
        self.next_age += 1;
        self.hold(key, Held { entry, spent: false, age });
    }

    fn hold(&mut self, key: Key, held: Held) {
        self.by_expiry.insert(held.place(), key);
        for owner in &held.entry.owners {
            self.owners.entry(*owner).or_default().link(&held);
        }
        self.by_key.insert(key, Box::new(held));
    }

    fn remove(&mut self, key: Key) -> Option<Box<Held>> {
        let held = self.by_key.remove(&key)?;
        self.by_expiry.remove(&held.place());
        for owner in &held.entry.owners {
            if let hash_map::Entry::Occupied(mut belongings) = self.owners.entry(*owner) {
                belongings.get_mut().unlink(&held);
                if belongings.get().is_empty() {
                    belongings.remove();
                }
            }
        }
        Some(held)
    }

    /// Removes what has expired, at most [`CHUNK`] records.
    fn clear(&mut self, now: Timestamp) -> usize {
        let mut cleared = 0;
        while cleared < CHUNK
            && let Some((&(expires, _), &key)) = self.by_expiry.first_key_value()
            && expires < now
        {
            self.remove(key);
            cleared += 1;
        }
        cleared
    }

    /// Gives back the room that a crowd left.
    fn shrink(&mut self) {
        if self.by_key.len() < self.by_key.capacity() / 4 {
            self.by_key.shrink_to(2 * self.by_key.len());
        }
        if self.owners.len() < self.owners.capacity() / 4 {
            self.owners.shrink_to(2 * self.owners.len());
        }
    }

    /// The living, unspent records of `owner`, oldest first.
    fn owned(&self, owner: Owner, now: Timestamp) -> Vec<Key> {
        let Some(belongings) = self.owners.get(&owner) else { return Vec::new() };
        let places = &belongings.unspent;
        let mut living: Vec<Place> =
            places.range(places.partition_point(|(expires, _)| *expires < now)..).copied().collect();
        living.sort_unstable_by_key(|(_, age)| *age);
        living.iter().filter_map(|place| self.by_expiry.get(place).copied()).collect()
    }

    /// Each expired record costs one removal, once; the rest is one look.
    fn count_owned(&mut self, owner: Owner, now: Timestamp) -> usize {
        loop {
            let Some(belongings) = self.owners.get(&owner) else { return 0 };
            match belongings.unspent.front() {
                Some(place) if place.0 < now => match self.by_expiry.get(place).copied() {
                    Some(key) => self.remove(key),
                    None => return belongings.unspent.len(),
                },
                _ => return belongings.unspent.len(),
            };
        }
    }

    fn forget_owned(&mut self, owner: Owner) -> usize {
        let Some(belongings) = self.owners.remove(&owner) else { return 0 };
        let places = belongings.unspent.into_iter().chain(belongings.spent);
        let keys: Vec<Key> = places.filter_map(|place| self.by_expiry.get(&place).copied()).collect();
        keys.into_iter().filter(|key| self.remove(*key).is_some()).count()
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
        assert!(records.by_key.capacity() < 100, "the room is given back");
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
