//! One store for everything that must be remembered, single-use things above all.
//!
//! Few verbs, each taking `now`: expiry stands beside the value, and a backend's own time-to-live only
//! cleans up, so that one clock rules everywhere. A record is alive while `now <= expires`. Every verb that
//! decides (`insert`, `replace_if`, `spend`, `take`) is atomic. Keys and owners are digests; values are
//! sealed by [`Table`] before a backend sees them. Every kind has a ceiling; a full kind refuses, and never
//! evicts what is alive, apart from an owner's own oldest where its [`Share`] says so. A stored type says beside itself what its kind is ([`Record`]).

mod fields;
mod kind;
mod memory;
mod packed;
mod postgres;
mod redis;
mod share;
mod sqlite;
mod table;

#[doc(hidden)]
pub mod contract;

use std::hash::{Hash, Hasher};

use async_trait::async_trait;

use crate::clock::Timestamp;

pub use self::redis::{Redis, RedisFacts, RedisOpenError, RedisSettings};
pub use fields::fields_of;
pub use kind::{CLOCK_ERROR, Ceiling, Class, Ephemeral, Kind, Lifetimes, Record, Spec};
pub use memory::Memory;
pub use postgres::{OpenError as PostgresOpenError, Postgres, PostgresFacts, PostgresSettings};
use share::Room;
pub use share::{Claim, Insert, Limit, Over, Share};
pub use sqlite::{Backup, BackupError, OpenError, Sqlite, SqliteFacts, back_up};
pub use table::{OwnerRef, Sealer, Stores, Table};

/// The digest under which a record is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

/// The keyed digest of something that records belong to: a message, an application, a session, a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(pub [u8; 32]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_digest(&self.0, state);
    }
}

impl Hash for Owner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_digest(&self.0, state);
    }
}

/// Eight bytes of a digest tell it apart; the hasher's own secret keeps chosen ones from piling up.
fn hash_digest(digest: &[u8; 32], state: &mut impl Hasher) {
    if let Some(head) = digest.first_chunk() {
        state.write_u64(u64::from_ne_bytes(*head));
    }
}

/// Names one state of one record; random, so that a record made anew is never mistaken for the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub [u8; 16]);

/// A record as a backend keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The sealed value.
    pub value: Vec<u8>,
    /// This state of the record.
    pub version: Version,
    /// The last instant at which it is alive.
    pub expires: Timestamp,
    /// Whom it belongs to.
    pub owners: Vec<Owner>,
}

/// The outcome of [`Store::spend`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spend<T> {
    /// It was there and unspent; now it is spent, and this caller alone was told so.
    Fresh(T),
    /// It was spent before; the value is still remembered.
    Spent(T),
    /// There is no such record alive.
    Absent,
}

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The kind's ceiling is reached: refused rather than evicting what is alive.
    #[error("the store has no room for another record of the kind {}{}", .kind.name, whose(*.owner))]
    Full {
        /// The kind.
        kind: Kind,
        /// What kind of owner has used up its share; `None` where the kind is full.
        owner: Option<&'static str>,
    },
    /// The backend failed, and the outcome is unknown: what was asked may have happened, or may still happen. Nobody
    /// was told so, so what is single-use is then lost rather than accepted twice.
    #[error("the store's backend failed; the outcome is unknown")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record does not open or does not read: another seal key, or a damaged file.
    #[error("a record of the store cannot be read")]
    Unreadable,
}

fn whose(owner: Option<&str>) -> String {
    owner.map(|tag| format!(" for this {tag}")).unwrap_or_default()
}

/// How far `theirs` is ahead of our clock, in milliseconds, if it was read between these instants of ours.
fn ahead(theirs: Timestamp, asked: Timestamp, answered: Timestamp) -> i64 {
    let ours = u64::midpoint(asked.millis(), answered.millis());
    let apart = i128::from(theirs.millis()) - i128::from(ours);
    i64::try_from(apart).unwrap_or(i64::MAX)
}

/// The verbs. A record that has expired by `now` is absent for all of them.
#[async_trait]
pub trait Store: Send + Sync {
    /// Inserts, if each owner that claims a share has room in it; tells whether it did. To count, to drop an owner's
    /// oldest and to insert is one step. A record that replaces one needs no share, and is then the youngest of its
    /// owners.
    async fn insert(
        &self,
        kind: Kind,
        key: Key,
        entry: Entry,
        insert: Insert<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Inserts unless the key is taken, by a spent record too; tells whether it did (replay detection).
    async fn insert_new(
        &self,
        kind: Kind,
        key: Key,
        entry: Entry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.insert(kind, key, entry, Insert { replaces: false, claims: &[] }, now).await
    }

    /// Inserts or replaces, whatever was there.
    async fn put(&self, kind: Kind, key: Key, entry: Entry, now: Timestamp) -> Result<(), StoreError> {
        self.insert(kind, key, entry, Insert { replaces: true, claims: &[] }, now).await.map(drop)
    }

    /// Reads; a spent record is absent.
    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError>;

    /// Replaces if the record is alive, unspent and still in the state `version`; tells whether it did. The
    /// new record is the youngest of its owners, who are the old one's if it names none; it needs no share.
    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        entry: Entry,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Marks as spent and remembers the value until it expires.
    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Entry>, StoreError>;

    /// Removes and returns; exactly one of any number of takers gets it. A spent record is absent. With a version, only
    /// if nothing happened to it since it was read in that state.
    async fn take_if(
        &self,
        kind: Kind,
        key: Key,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError>;

    /// [`Store::take_if`] whatever happened to it.
    async fn take(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        self.take_if(kind, key, None, now).await
    }

    /// Removes, whether it is there or not.
    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError>;

    /// The living, unspent records of `owner`, oldest first.
    async fn owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<Vec<(Key, Entry)>, StoreError>;

    /// How many living, unspent records `owner` has.
    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError>;

    /// Removes all records of `owner`, spent or not; tells how many.
    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError>;

    /// How many records of `kind` are kept, expired but unswept ones perhaps included.
    async fn count(&self, kind: Kind) -> Result<usize, StoreError>;

    /// Removes what has expired of one kind, marks after their hour, and tells how many; called from time to time, never on a request's
    /// path.
    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError>;

    /// Whether it could take a write now; what readiness asks.
    async fn ready(&self) -> Result<(), StoreError>;
}
