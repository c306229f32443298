//! What is done to the records: each function is part of a transaction of the writer, or one look.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::file::Opened;
use crate::clock::Timestamp;
use crate::store::kind::ByKind;
use crate::store::{Claim, Entry, Key, Kind, Owner, Room, StoreError, Version};

/// Records that one write clears.
pub(super) const CHUNK: usize = 512;

const FIND: &str =
    "SELECT id, spent, value, version, expires, owners FROM record WHERE kind = ?1 AND key = ?2";
const INSERT: &str = "INSERT INTO record (kind, key, value, version, expires, owners, spent) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)";
const SPEND: &str = "UPDATE record SET spent = 1 WHERE id = ?1";
const REMOVE: &str = "DELETE FROM record WHERE kind = ?1 AND key = ?2";
const CLEAR: &str = "DELETE FROM record WHERE id IN \
     (SELECT id FROM record WHERE kind = ?1 AND expires < ?2 ORDER BY expires LIMIT ?3)";
const OWN: &str =
    "INSERT OR IGNORE INTO owner (kind, owner, spent, expires, record) VALUES (?1, ?2, 0, ?3, ?4)";
const SPEND_OWNED: &str = "UPDATE owner SET spent = 1 WHERE record = ?1";
const OWNED: &str = "SELECT r.id, r.spent, r.value, r.version, r.expires, r.owners, r.key \
     FROM owner AS o JOIN record AS r ON r.id = o.record \
     WHERE o.kind = ?1 AND o.owner = ?2 AND o.spent = 0 AND o.expires >= ?3 ORDER BY r.id";
const ALL: &str =
    "SELECT id, spent, value, version, expires, owners, key FROM record WHERE kind = ?1 ORDER BY id";
const COUNT_OWNED: &str =
    "SELECT COUNT(*) FROM owner WHERE kind = ?1 AND owner = ?2 AND spent = 0 AND expires >= ?3";
const OLDEST: &str = "SELECT record FROM owner WHERE kind = ?1 AND owner = ?2 AND spent = 0 AND expires >= ?3 \
     ORDER BY record LIMIT ?4";
const DROP: &str = "DELETE FROM record WHERE id = ?1";
const FORGET_OWNED: &str = "DELETE FROM record WHERE id IN \
     (SELECT record FROM owner WHERE kind = ?1 AND owner = ?2)";
const COUNT: &str = "SELECT COUNT(*) FROM record WHERE kind = ?1";
const TOUCH: &str = "UPDATE probe SET touched = touched + 1";

/// A record as it lies in the file.
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) spent: bool,
    pub(super) entry: Entry,
}

impl Stored {
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        now <= self.entry.expires
    }
}

/// The writer's connection and what it knows of the whole.
pub(super) struct Writer {
    connection: Connection,
    opened: Opened,
    counts: ByKind<usize>,
    ceilings: ByKind<usize>,
}

/// Why a transaction came to nothing.
pub(super) enum Spoiled {
    /// One of its acts failed, and perhaps no other would have.
    ByAct(StoreError),
    /// It could not begin or end, whatever was in it.
    ForAll(StoreError),
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        opened: Opened,
        ceilings: ByKind<usize>,
    ) -> rusqlite::Result<Self> {
        let count = |(kind, _): (Kind, _)| Ok((kind, connection.query_row(COUNT, [kind.name], number)?));
        let counts = ceilings.iter().map(count).collect::<rusqlite::Result<_>>()?;
        Ok(Self { connection, opened, counts, ceilings })
    }

    /// How many records there are.
    pub(super) fn counts(&self) -> &ByKind<usize> {
        &self.counts
    }

    /// Runs `acts` and commits; unless all goes well, it is as if nothing had been tried.
    pub(super) fn transact(
        &mut self,
        acts: impl FnOnce(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), Spoiled> {
        let counts = self.counts.clone();
        let begun = self.roll_back().and_then(|()| self.execute("BEGIN IMMEDIATE"));
        // A file that was taken away still takes writes, and gives them back to nobody.
        let begun =
            begun.and_then(|()| self.opened.check().map_err(|gone| StoreError::Backend(Box::new(gone))));
        let outcome = begun
            .map_err(Spoiled::ForAll)
            .and_then(|()| unharmed(|| acts(self)).map_err(Spoiled::ByAct))
            .and_then(|()| self.execute("COMMIT").map_err(Spoiled::ForAll));
        if outcome.is_err() {
            self.counts = counts;
            // Should this fail too, the next transaction tries again before it begins.
            let _ = self.roll_back();
        }
        outcome
    }

    /// Ends a transaction that is still open; a full disk or a failed write may have ended it already.
    fn roll_back(&self) -> Result<(), StoreError> {
        if self.connection.is_autocommit() { Ok(()) } else { self.execute("ROLLBACK") }
    }

    pub(super) fn execute(&self, sql: &str) -> Result<(), StoreError> {
        // A pragma may answer with a row.
        self.connection.prepare_cached(sql)?.query([])?.next()?;
        Ok(())
    }

    /// The record if it is alive, spent or not; an expired one goes.
    pub(super) fn alive(
        &mut self,
        kind: Kind,
        key: Key,
        now: Timestamp,
    ) -> Result<Option<Stored>, StoreError> {
        match find(&self.connection, kind, key)? {
            Some(stored) if !stored.lives(now) => {
                self.remove(kind, key)?;
                Ok(None)
            }
            found => Ok(found),
        }
    }

    /// Makes room for a record with these claims, or says why there is none; what is alive goes only where a claim
    /// drops its owner's oldest.
    pub(super) fn make_room(
        &mut self,
        kind: Kind,
        claims: &[Claim],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (ceiling, used) = (*self.ceilings.get(kind)?, *self.counts.get(kind)?);
        let (mut dropped, mut room) = (BTreeSet::new(), Room::new(ceiling, used));
        for claim in claims {
            let held = count_owned(&self.connection, kind, claim.owner, now)?;
            let excess = claim.excess(kind, held, &mut room)?;
            if excess > 0 {
                let mut oldest = self.connection.prepare_cached(OLDEST)?;
                let most = i64::try_from(excess).unwrap_or(i64::MAX);
                let ids = oldest
                    .query_map(params![kind.name, claim.owner.0, millis(now), most], |row| row.get(0))?;
                for id in ids {
                    dropped.insert(id?);
                }
            }
        }
        if used - dropped.len() >= ceiling {
            self.clear(kind, now)?;
        }
        if *self.counts.get(kind)? - dropped.len() >= ceiling {
            return Err(StoreError::Full { kind, owner: None });
        }
        for id in dropped {
            let id: i64 = id;
            *self.counts.get_mut(kind)? -= self.connection.prepare_cached(DROP)?.execute([id])?;
        }
        Ok(())
    }

    /// Inserts what is not there, as the youngest record of `owners`.
    pub(super) fn insert(
        &mut self,
        kind: Kind,
        key: Key,
        entry: &Entry,
        owners: &[Owner],
    ) -> Result<(), StoreError> {
        self.connection.prepare_cached(INSERT)?.execute(params![
            kind.name,
            key.0,
            entry.value,
            entry.version.0,
            millis(entry.expires),
            joined(owners),
        ])?;
        *self.counts.get_mut(kind)? += 1;
        let id = self.connection.last_insert_rowid();
        let mut own = self.connection.prepare_cached(OWN)?;
        for owner in owners {
            own.execute(params![kind.name, owner.0, millis(entry.expires), id])?;
        }
        Ok(())
    }

    pub(super) fn spend(&mut self, id: i64) -> Result<(), StoreError> {
        self.connection.prepare_cached(SPEND)?.execute([id])?;
        self.connection.prepare_cached(SPEND_OWNED)?.execute([id])?;
        Ok(())
    }

    pub(super) fn remove(&mut self, kind: Kind, key: Key) -> Result<(), StoreError> {
        let removed = self.connection.prepare_cached(REMOVE)?.execute(params![kind.name, key.0])?;
        *self.counts.get_mut(kind)? -= removed;
        Ok(())
    }

    /// Removes what has expired, at most [`CHUNK`] records; tells how many.
    pub(super) fn clear(&mut self, kind: Kind, now: Timestamp) -> Result<usize, StoreError> {
        let mut clear = self.connection.prepare_cached(CLEAR)?;
        let cleared = clear.execute(params![
            kind.name,
            millis(kind.cleared_before(now)),
            i64::try_from(CHUNK).unwrap_or(1)
        ])?;
        *self.counts.get_mut(kind)? -= cleared;
        Ok(cleared)
    }

    pub(super) fn forget_owned(&mut self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        let forgotten = self.connection.prepare_cached(FORGET_OWNED)?.execute(params![kind.name, owner.0])?;
        *self.counts.get_mut(kind)? -= forgotten;
        Ok(forgotten)
    }

    /// Writes something.
    pub(super) fn touch(&mut self) -> Result<(), StoreError> {
        self.connection.prepare_cached(TOUCH)?.execute([])?;
        Ok(())
    }
}

/// A defect of one act costs that act, not the thread, which nobody would start again.
fn unharmed<T>(act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(act))
        .unwrap_or_else(|_| Err(StoreError::Backend("a defect of ours".into())))
}

/// The record, alive or not.
pub(super) fn find(connection: &Connection, kind: Kind, key: Key) -> Result<Option<Stored>, StoreError> {
    let mut find = connection.prepare_cached(FIND)?;
    Ok(find.query_row(params![kind.name, key.0], stored).optional()?)
}

pub(super) fn owned(
    connection: &Connection,
    kind: Kind,
    owner: Owner,
    now: Timestamp,
) -> Result<Vec<(Key, Entry)>, StoreError> {
    let mut owned = connection.prepare_cached(OWNED)?;
    let rows = owned.query_map(params![kind.name, owner.0, millis(now)], |row| {
        Ok((Key(row.get(6)?), stored(row)?.entry))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// All records of a kind, alive or not.
pub(super) fn all(connection: &Connection, kind: Kind) -> rusqlite::Result<Vec<(Key, Entry)>> {
    let mut all = connection.prepare(ALL)?;
    let rows = all.query_map([kind.name], |row| Ok((Key(row.get(6)?), stored(row)?.entry)))?;
    rows.collect()
}

pub(super) fn count_owned(
    connection: &Connection,
    kind: Kind,
    owner: Owner,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut count = connection.prepare_cached(COUNT_OWNED)?;
    Ok(count.query_row(params![kind.name, owner.0, millis(now)], number)?)
}

/// The first six columns of [`FIND`], [`OWNED`] and [`ALL`].
fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let owners = row.get_ref(5)?.as_blob()?.as_chunks::<32>().0.iter().map(|owner| Owner(*owner)).collect();
    Ok(Stored {
        id: row.get(0)?,
        spent: row.get(1)?,
        entry: Entry {
            value: row.get(2)?,
            version: Version(row.get(3)?),
            expires: Timestamp::from_millis(row.get::<_, i64>(4)?.unsigned_abs()),
            owners,
        },
    })
}

/// The count in the only column.
pub(super) fn number(row: &Row<'_>) -> rusqlite::Result<usize> {
    Ok(usize::try_from(row.get::<_, i64>(0)?).unwrap_or_default())
}

fn joined(owners: &[Owner]) -> Vec<u8> {
    owners.iter().flat_map(|owner| owner.0).collect()
}

/// SQLite's integers are signed; what lies beyond them never comes.
fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Backend(Box::new(error))
    }
}
