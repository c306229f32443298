//! Whose records are where: each owner has a number, and its records stand in order of their expiry.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use slab::Slab;

use super::{Place, number};
use crate::clock::Timestamp;
use crate::store::Owner;

/// The owners of the records of one kind, as long as they have any.
#[derive(Default)]
pub(super) struct Owners {
    known: Slab<Known>,
    hasher: RandomState,
    by_name: HashTable<u32>,
    unspent: BTreeSet<Link>,
    spent: BTreeSet<Link>,
}

/// An owner, and how many records it has.
struct Known {
    name: Owner,
    unspent: u32,
    spent: u32,
}

/// An owner's number, and one of its records by expiry: of each owner the expired ones stand in front.
type Link = (u32, Timestamp, Place);

impl Owners {
    pub(super) fn name(&self, number: u32) -> Option<Owner> {
        self.known.get(number as usize).map(|known| known.name)
    }

    /// The record at `place` is also `name`'s; returns the owner's number.
    pub(super) fn link(&mut self, name: Owner, spent: bool, expires: Timestamp, place: Place) -> u32 {
        let owner = self.find(name).unwrap_or_else(|| self.add(name));
        // An owner that is named twice has the record once.
        if self.side(spent).insert((owner, expires, place))
            && let Some(known) = self.known.get_mut(owner as usize)
        {
            *known.count(spent) += 1;
        }
        owner
    }

    /// The record is gone.
    pub(super) fn unlink(&mut self, owner: u32, spent: bool, expires: Timestamp, place: Place) {
        if !self.side(spent).remove(&(owner, expires, place)) {
            return;
        }
        let Some(known) = self.known.get_mut(owner as usize) else { return };
        *known.count(spent) -= 1;
        if known.unspent == 0 && known.spent == 0 {
            let name = known.name;
            self.known.remove(owner as usize);
            if let Ok(found) = self.by_name.find_entry(self.hasher.hash_one(name), |at| *at == owner) {
                found.remove();
            }
        }
    }

    /// The record is spent.
    pub(super) fn spend(&mut self, owner: u32, expires: Timestamp, place: Place) {
        if let Some(name) = self.name(owner) {
            self.link(name, true, expires, place);
            self.unlink(owner, false, expires, place);
        }
    }

    /// How many unspent records it has.
    pub(super) fn count(&self, name: Owner) -> usize {
        let known = self.find(name).and_then(|owner| self.known.get(owner as usize));
        known.map_or(0, |known| known.unspent as usize)
    }

    /// An unspent record of it that has expired.
    pub(super) fn expired(&self, name: Owner, now: Timestamp) -> Option<Place> {
        let first = links(&self.unspent, self.find(name)?, Timestamp::default()).next();
        first.filter(|(_, expires, _)| *expires < now).map(|(.., place)| *place)
    }

    /// Its living, unspent records.
    pub(super) fn living(&self, name: Owner, now: Timestamp) -> impl Iterator<Item = Place> {
        let owner = self.find(name).into_iter();
        owner.flat_map(move |owner| links(&self.unspent, owner, now)).map(|(.., place)| *place)
    }

    /// All its records.
    pub(super) fn all(&self, name: Owner) -> Vec<Place> {
        let sides = self.find(name).into_iter().flat_map(|owner| {
            [&self.unspent, &self.spent].map(|side| links(side, owner, Timestamp::default()))
        });
        sides.flatten().map(|(.., place)| *place).collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.by_name.is_empty() && self.unspent.is_empty() && self.spent.is_empty()
    }

    fn find(&self, name: Owner) -> Option<u32> {
        self.by_name.find(self.hasher.hash_one(name), |owner| self.name(*owner) == Some(name)).copied()
    }

    fn add(&mut self, name: Owner) -> u32 {
        let owner = number(self.known.insert(Known { name, unspent: 0, spent: 0 }));
        let Self { known, hasher, by_name, .. } = self;
        let hash = |owner: &u32| hasher.hash_one(known.get(*owner as usize).map_or(name, |known| known.name));
        by_name.insert_unique(hash(&owner), owner, hash);
        owner
    }

    fn side(&mut self, spent: bool) -> &mut BTreeSet<Link> {
        if spent { &mut self.spent } else { &mut self.unspent }
    }
}

impl Known {
    fn count(&mut self, spent: bool) -> &mut u32 {
        if spent { &mut self.spent } else { &mut self.unspent }
    }
}

/// What `owner` has on this side that expires at `from` or later.
fn links(side: &BTreeSet<Link>, owner: u32, from: Timestamp) -> impl Iterator<Item = &Link> {
    side.range((owner, from, 0)..).take_while(move |(of, ..)| *of == owner)
}
