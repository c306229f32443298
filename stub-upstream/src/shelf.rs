//! What is kept for a short time and found by a value nobody can guess: codes, access tokens, sessions.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

const SHARDS: usize = 16;

/// A map with expiry and a ceiling. Where it is full, the oldest entry goes.
pub(crate) struct Shelf<T> {
    first: Mutex<Shard<T>>,
    others: Vec<Mutex<Shard<T>>>,
    hasher: RandomState,
    per_shard: usize,
}

struct Shard<T> {
    entries: HashMap<String, Entry<T>>,
    /// Roughly by expiry: the lifetimes on one shelf are of one kind.
    order: VecDeque<(u64, String)>,
}

/// One value and the second from which it is gone.
pub(crate) struct Entry<T> {
    pub(crate) expires: u64,
    pub(crate) value: T,
}

impl<T> Shelf<T> {
    pub(crate) fn new(ceiling: usize) -> Self {
        let shard = || Mutex::new(Shard { entries: HashMap::new(), order: VecDeque::new() });
        let others = (1..SHARDS).map(|_| shard()).collect();
        Self { first: shard(), others, hasher: RandomState::new(), per_shard: (ceiling / SHARDS).max(1) }
    }

    pub(crate) fn put(&self, key: String, value: T, now: u64, expires: u64) {
        self.in_shard(&key.clone(), |shard| {
            shard.prune(now, self.per_shard);
            shard.order.push_back((expires, key.clone()));
            shard.entries.insert(key, Entry { expires, value });
        });
    }

    /// Looks at a live entry, and may change it, with the shelf's part locked.
    pub(crate) fn with<R>(&self, key: &str, now: u64, look: impl FnOnce(Option<&mut Entry<T>>) -> R) -> R {
        self.in_shard(key, |shard| look(shard.entries.get_mut(key).filter(|entry| entry.expires > now)))
    }

    /// Takes a live entry: only one caller gets it.
    pub(crate) fn take(&self, key: &str, now: u64) -> Option<T> {
        let entry = self.in_shard(key, |shard| shard.entries.remove(key))?;
        (entry.expires > now).then_some(entry.value)
    }

    /// Takes everything away.
    pub(crate) fn clear(&self) {
        for shard in self.others.iter().chain([&self.first]) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.entries.clear();
            shard.order.clear();
        }
    }

    fn in_shard<R>(&self, key: &str, work: impl FnOnce(&mut Shard<T>) -> R) -> R {
        let at = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % SHARDS;
        let shard = self.others.get(at).unwrap_or(&self.first);
        work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Clone> Shelf<T> {
    /// A copy of a live entry.
    pub(crate) fn get(&self, key: &str, now: u64) -> Option<T> {
        self.with(key, now, |entry| entry.map(|entry| entry.value.clone()))
    }
}

impl<T> Shard<T> {
    /// Drops what has expired, and the oldest entries where `ceiling` is reached.
    fn prune(&mut self, now: u64, ceiling: usize) {
        while let Some((expires, _)) = self.order.front() {
            let full = self.entries.len() >= ceiling || self.order.len() >= ceiling * 4;
            if *expires > now && !full {
                return;
            }
            let Some((_, key)) = self.order.pop_front() else { return };
            match self.entries.get(&key) {
                // Its life was prolonged.
                Some(entry) if entry.expires > now && !full => self.order.push_back((entry.expires, key)),
                _ => drop(self.entries.remove(&key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_expire_and_are_bounded() {
        let shelf = Shelf::new(160);
        for n in 0..1000 {
            shelf.put(n.to_string(), n, 0, 10);
        }
        let kept = (0..1000).filter(|n| shelf.get(&n.to_string(), 9).is_some()).count();
        assert!(kept <= 160 && kept > 100, "{kept}");
        assert_eq!(shelf.get("999", 9), Some(999));
        assert_eq!(shelf.get("999", 10), None);
        assert_eq!(shelf.take("998", 9), Some(998));
        assert_eq!(shelf.take("998", 9), None);
        for n in 1000..1100 {
            shelf.put(n.to_string(), n, 10, 20);
        }
        let shards = shelf.others.iter().chain([&shelf.first]);
        let entries: usize = shards.map(|shard| shard.lock().unwrap().entries.len()).sum();
        assert!(entries <= 160, "{entries}");
    }

    #[test]
    fn a_life_can_be_prolonged() {
        let shelf = Shelf::new(1600);
        shelf.put("a".to_owned(), 1, 0, 10);
        shelf.with("a", 5, |entry| entry.unwrap().expires = 100);
        for n in 0..500 {
            shelf.put(n.to_string(), n, 20, 30);
        }
        assert_eq!(shelf.get("a", 50), Some(1));
    }
}
