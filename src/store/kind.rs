//! What is known of a kind of record, beside the type that it stores.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use crate::clock::Timestamp;

/// A type that is stored: one kind of record.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its kind. `crate::records` lists all of them.
    const KIND: Kind;
}

/// What is known of one kind of record.
pub struct Spec {
    /// Its name: part of the sealed record's associated data, so it never changes.
    pub name: &'static str,
    /// Who presents its handle, which decides whether it is durable.
    pub class: Class,
    /// Whether its absence makes something good again that is spent: a mark against replay.
    pub is_mark: bool,
    /// How many there may be.
    pub ceiling: Ceiling,
    /// What it is.
    pub about: &'static str,
    /// What of a person is in it; empty where nothing is.
    pub personal: &'static str,
    /// Its fields; none where it is a plain value.
    pub fields: fn() -> &'static [&'static str],
    /// The longest that it is alive.
    pub longest: fn(&Lifetimes) -> Duration,
    /// Why no longer, and what ends it before.
    pub ends: &'static str,
}

/// A kind of record. Two are equal if their names are.
#[derive(Clone, Copy)]
pub struct Kind(&'static Spec);

impl Kind {
    /// The kind that `spec` describes.
    pub const fn new(spec: &'static Spec) -> Self {
        Self(spec)
    }

    /// The longest that a record is kept.
    pub fn kept(self, lifetimes: &Lifetimes) -> Duration {
        let longest = (self.longest)(lifetimes);
        if self.is_mark { longest.saturating_add(CLOCK_ERROR) } else { longest }
    }

    /// What expired before this is cleared away: a mark an hour after its end, also where its kind is full.
    pub fn cleared_before(self, now: Timestamp) -> Timestamp {
        if self.is_mark { now.minus(CLOCK_ERROR) } else { now }
    }

    /// Whether it is in the durable store, given what becomes of the ephemeral one.
    ///
    /// | class | [`Kept`](Ephemeral::Kept) | [`Lost`](Ephemeral::Lost) | [`OfEachNode`](Ephemeral::OfEachNode) |
    /// |---|---|---|---|
    /// | [`Browser`](Class::Browser) | ephemeral | ephemeral | ephemeral |
    /// | [`AnyNode`](Class::AnyNode) | ephemeral | ephemeral | durable |
    /// | [`Lasting`](Class::Lasting) | durable | durable | durable |
    ///
    /// The same table with a row for each kind is in `docs/stores.md`.
    pub fn is_durable(self, ephemeral: Ephemeral) -> bool {
        match self.class {
            Class::Browser => false,
            Class::AnyNode => ephemeral == Ephemeral::OfEachNode,
            Class::Lasting => true,
        }
    }
}

impl Deref for Kind {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        self.0
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

impl Hash for Kind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// Who presents the handle of a record, and for how long it must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A browser, which a balancer can keep at one node.
    Browser,
    /// Whoever has a copy of a message, or an application's server: they come to any node.
    AnyNode,
    /// Found whatever became of the ephemeral store.
    Lasting,
}

/// What becomes of the ephemeral class when a node ends, which decides what else must be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ephemeral {
    /// It stays.
    Kept,
    /// It is lost with the only node, marks of messages too: what was sealed before the next start is refused.
    Lost,
    /// Each node has its own, with what its own browsers need, and loses it.
    OfEachNode,
}

/// For how long marks against replay stay beyond their time: a clock that went ahead by as much, and is set right,
/// finds them again.
pub const CLOCK_ERROR: Duration = Duration::from_hours(1);

/// How many records of a kind there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// As many times the logins that may be in flight.
    Logins(usize),
    /// As many as sessions.
    Sessions,
    /// As many.
    Fixed(usize),
}

impl Ceiling {
    /// The number of records.
    pub fn records(self, logins_in_flight: usize, sessions: usize) -> usize {
        match self {
            Self::Logins(times) => logins_in_flight.saturating_mul(times),
            Self::Sessions => sessions,
            Self::Fixed(records) => records,
        }
    }
}

/// The configured lifetimes, on which those of records depend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// How long a login may take.
    pub login: Duration,
    /// How long a session lives at most.
    pub session: Duration,
    /// How long a message of any application is fresh at most.
    pub message: Duration,
    /// How long a key of our own is kept at most; [`Duration::MAX`] until an operator ends it.
    pub key: Duration,
}

/// What a store was opened without.
#[derive(Debug, thiserror::Error)]
#[error("the store was not opened for records of the kind {0}")]
struct UnknownKind(&'static str);

/// Something for each kind that a store was opened for.
#[derive(Clone)]
pub(super) struct ByKind<T>(BTreeMap<Kind, T>);

impl<T> ByKind<T> {
    pub(super) fn get(&self, kind: Kind) -> Result<&T, StoreError> {
        self.0.get(&kind).ok_or_else(|| unknown(kind))
    }

    pub(super) fn get_mut(&mut self, kind: Kind) -> Result<&mut T, StoreError> {
        self.0.get_mut(&kind).ok_or_else(|| unknown(kind))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Kind, &T)> {
        self.0.iter().map(|(kind, value)| (*kind, value))
    }
}

impl<T> FromIterator<(Kind, T)> for ByKind<T> {
    fn from_iter<I: IntoIterator<Item = (Kind, T)>>(kinds: I) -> Self {
        Self(kinds.into_iter().collect())
    }
}

fn unknown(kind: Kind) -> StoreError {
    StoreError::Backend(Box::new(UnknownKind(kind.name)))
}
