//! One store for everything that must be remembered, single-use things above all.
//!
//! Few verbs, each taking `now`: expiry stands beside the value, and a backend's own time-to-live only
//! cleans up, so that one clock rules everywhere. A record is alive while `now <= expires`. Every verb that
//! decides (`insert_new`, `replace_if`, `spend`, `take`) is atomic. Keys and owners are digests; values are
//! sealed by [`Table`] before a backend sees them. Every kind has a ceiling; a full kind refuses, and never
//! evicts what is alive.

mod fields;
mod memory;
mod postgres;
mod redis;
mod sqlite;
mod table;

#[doc(hidden)]
pub mod contract;

use std::hash::{Hash, Hasher};

use async_trait::async_trait;

use crate::clock::Timestamp;

pub use self::redis::{Redis, RedisOpenError, RedisSettings};
pub use fields::fields_of;
pub use memory::Memory;
pub use postgres::{OpenError as PostgresOpenError, Postgres, PostgresSettings};
pub use sqlite::{Backup, BackupError, OpenError, Sqlite, back_up};
pub use table::{OwnerRef, Sealer, Table};

/// The kinds of record. The name is part of the sealed record's associated data: it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A login whose browser is at the upstream, by `state`.
    AwayLogin,
    /// A login that awaits confirmation, by the form's token.
    ConfirmLogin,
    /// What became of a `state` or a form's token that was used, by its value.
    UsedHandle,
    /// A message that was answered, by its mark.
    SpentMessage,
    /// A message without a time, or with one that was still to come, that was answered, by its mark.
    SpentTimeless,
    /// The answer that a browser may get again for a minute, by login id.
    Answer,
    /// A sealed answer that waits to be claimed, by application, key and reference.
    Reference,
    /// The IV of an answered request, by application and IV.
    SeenIv,
    /// A browser session, by `sid`.
    Session,
    /// The `sid` of a session cookie, by the cookie's value.
    SessionCookie,
    /// A logout whose browser is at the upstream, by `state`.
    AwayLogout,
    /// A logout that awaits confirmation, by the form's token.
    ConfirmLogout,
    /// One of our own keys, by use, upstream and generation.
    Key,
    /// Something of the contract test.
    Probe,
}

impl Kind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 14] = [
        Self::AwayLogin,
        Self::ConfirmLogin,
        Self::UsedHandle,
        Self::SpentMessage,
        Self::SpentTimeless,
        Self::Answer,
        Self::Reference,
        Self::SeenIv,
        Self::Session,
        Self::SessionCookie,
        Self::AwayLogout,
        Self::ConfirmLogout,
        Self::Key,
        Self::Probe,
    ];

    /// Whether it must outlive the process whatever the configuration says: it is then in the durable store.
    pub fn is_durable(self) -> bool {
        matches!(self, Self::SpentTimeless | Self::Key)
    }

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwayLogin => "away_login",
            Self::ConfirmLogin => "confirm_login",
            Self::UsedHandle => "used_handle",
            Self::SpentMessage => "spent_message",
            Self::SpentTimeless => "spent_timeless",
            Self::Answer => "answer",
            Self::Reference => "reference",
            Self::SeenIv => "seen_iv",
            Self::Session => "session",
            Self::SessionCookie => "session_cookie",
            Self::AwayLogout => "away_logout",
            Self::ConfirmLogout => "confirm_logout",
            Self::Key => "key",
            Self::Probe => "probe",
        }
    }
}

/// One `T` for each kind.
#[derive(Clone)]
struct PerKind<T>([T; Kind::ALL.len()]);

impl<T> PerKind<T> {
    fn new(make: impl FnMut(Kind) -> T) -> Self {
        Self(Kind::ALL.map(make))
    }

    #[expect(clippy::indexing_slicing, reason = "there are as many places as kinds, in the same order")]
    fn of(&self, kind: Kind) -> &T {
        &self.0[kind as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "there are as many places as kinds, in the same order")]
    fn of_mut(&mut self, kind: Kind) -> &mut T {
        &mut self.0[kind as usize]
    }
}

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
pub struct Record {
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

/// Why the store could not answer. What was asked may have happened where a backend failed, but nobody was told
/// so: what is single-use is then lost rather than accepted twice.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The kind's ceiling is reached: refused rather than evicting what is alive.
    #[error("the store has no room for another record of this kind")]
    Full,
    /// The backend failed.
    #[error("the store's backend failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record does not open or does not read: another seal key, or a damaged file.
    #[error("a record of the store cannot be read")]
    Unreadable,
}

/// The verbs. A record that has expired by `now` is absent for all of them.
#[async_trait]
pub trait Store: Send + Sync {
    /// Inserts unless the key is taken, by a spent record too; tells whether it did (replay detection).
    async fn insert_new(
        &self,
        kind: Kind,
        key: Key,
        record: Record,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Inserts or replaces, whatever was there; the record is then the youngest of its owners.
    async fn put(&self, kind: Kind, key: Key, record: Record, now: Timestamp) -> Result<(), StoreError>;

    /// Reads; a spent record is absent.
    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError>;

    /// Replaces if the record is alive, unspent and still in the state `version`; tells whether it did. The
    /// record keeps its age.
    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        record: Record,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Marks as spent and remembers the value until it expires.
    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Record>, StoreError>;

    /// Removes and returns; exactly one of any number of takers gets it. A spent record is absent.
    async fn take(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError>;

    /// Removes, whether it is there or not.
    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError>;

    /// The living, unspent records of `owner`, oldest first.
    async fn owned(&self, kind: Kind, owner: Owner, now: Timestamp)
    -> Result<Vec<(Key, Record)>, StoreError>;

    /// How many living, unspent records `owner` has.
    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError>;

    /// Removes all records of `owner`, spent or not; tells how many.
    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError>;

    /// How many records of `kind` are kept, expired but unswept ones perhaps included.
    async fn count(&self, kind: Kind) -> Result<usize, StoreError>;

    /// Removes what has expired of one kind and tells how many; called from time to time, never on a request's
    /// path.
    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError>;

    /// Whether it could take a write now; what readiness asks.
    async fn ready(&self) -> Result<(), StoreError>;
}
