//! The file: made, locked, checked and brought to the present schema.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// What brings a file from each version of the schema to the next; the version is `user_version`.
pub(super) const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE record (
        id      INTEGER PRIMARY KEY AUTOINCREMENT, -- smaller is older
        kind    TEXT    NOT NULL,
        key     BLOB    NOT NULL,
        value   BLOB    NOT NULL,
        version BLOB    NOT NULL,
        expires INTEGER NOT NULL,                  -- the last millisecond alive
        owners  BLOB    NOT NULL,                  -- 32 bytes each
        spent   INTEGER NOT NULL,
        UNIQUE (kind, key)
    ) STRICT;
    CREATE INDEX record_expiry ON record (kind, expires);
    CREATE TABLE owner (
        kind    TEXT    NOT NULL,
        owner   BLOB    NOT NULL,
        spent   INTEGER NOT NULL,                  -- as the record's, so that to count is to walk one index
        expires INTEGER NOT NULL,
        record  INTEGER NOT NULL REFERENCES record (id) ON DELETE CASCADE,
        PRIMARY KEY (kind, owner, spent, expires, record)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX owner_record ON owner (record);
    CREATE TABLE probe (touched INTEGER NOT NULL) STRICT;
    INSERT INTO probe VALUES (0);
"];

/// How long to wait for whoever looks at the file from outside, for instance to copy it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often, and how long apart, the lock is asked for: whoever only looks has it for an instant, and so has a program
/// that its owner is about to start.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why a file could not be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its lock could not be made or opened.
    #[error("cannot open the store {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the store {} is in use by another process", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// A later release wrote it.
    #[error("the store {} has schema {found}, and this release knows up to {known}: \
             start the later release, or restore a copy from before it", path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema.
        found: usize,
        /// The last schema that is known.
        known: usize,
    },
    /// SQLite finds faults in it.
    #[error("the store {} is damaged ({fault}): restore a copy, or move it away to start anew", path.display())]
    Damaged {
        /// The store.
        path: PathBuf,
        /// The first fault, in one line.
        fault: String,
    },
    /// It was cut to nothing: ours are never empty, since each is made whole.
    #[error("the store {} is empty, what it held is lost: restore a copy, or move it away to start anew", path.display())]
    Empty {
        /// The store.
        path: PathBuf,
    },
    /// SQLite failed otherwise.
    #[error("SQLite cannot open the store {}", path.display())]
    Sqlite {
        /// The store.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl OpenError {
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(NotADatabase | DatabaseCorrupt) => Self::Damaged { path, fault: source.to_string() },
            _ => Self::Sqlite { path, source },
        }
    }
}

/// Takes the store for this process, within a second, until the file is dropped or the process ends.
///
/// The lock lies on a file beside the store: to close the store's own file would drop SQLite's locks on it.
pub(super) fn lock(store: &Path) -> Result<File, OpenError> {
    let path = beside(store, ".lock");
    let file = private().create(true).truncate(false).open(&path);
    let file = file.map_err(|source| OpenError::Io { path: path.clone(), source })?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
        }
    }
    Err(OpenError::InUse { path: store.to_owned() })
}

/// The writer's connection, to a file that is whole and of the present schema.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    if !path.try_exists().map_err(io)? {
        create(path)?;
    }
    if path.metadata().map_err(io)?.len() == 0 {
        return Err(OpenError::Empty { path: path.to_owned() });
    }
    let connection = connect(path)?;
    damage(&connection, path)?;
    migrate(&connection, path)?;
    Ok(connection)
}

/// A connection that writes.
fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sqlite = |source| OpenError::sqlite(path, source);
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    set_up(&connection).map_err(sqlite)?;
    Ok(connection)
}

/// Brings the tables to the present schema.
fn migrate(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::sqlite(path, source);
    let found = schema(connection).map_err(sqlite)?;
    let Some(missing) = MIGRATIONS.get(found..) else {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: MIGRATIONS.len() });
    };
    for (version, migration) in (found + 1..).zip(missing) {
        let whole = format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {version}; COMMIT;");
        connection.execute_batch(&whole).map_err(sqlite)?;
    }
    Ok(())
}

/// Makes the file beside its place, and moves it there: it appears with its tables, or not at all. For whoever has the
/// lock. SQLite would make it readable by all; the log and its index take the mode of the file.
fn create(path: &Path) -> Result<(), OpenError> {
    let new = beside(path, ".new");
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    for ending in ["", "-wal", "-shm"] {
        match std::fs::remove_file(beside(&new, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            // What a start left that was killed.
            _ => {}
        }
    }
    private().create_new(true).open(&new).map_err(io)?;
    let connection = connect(&new)?;
    migrate(&connection, path)?;
    connection.close().map_err(|(_, source)| OpenError::sqlite(path, source))?;
    std::fs::rename(&new, path).and_then(|()| sync_directory(path)).map_err(io)
}

/// The files that were opened, by which it is known whether they are still where they were.
pub(super) struct Opened(Vec<(PathBuf, (u64, u64))>);

/// The store was taken away while it was open: what is written now would be lost with it.
#[derive(Debug, thiserror::Error)]
#[error("{} was removed or replaced while it was in use; restart the relay when the right one is in place", path.display())]
pub(super) struct TakenAway {
    path: PathBuf,
}

impl Opened {
    /// The file at `path`, its log and the log's index, which are there while a connection is.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let files = ["", "-wal", "-shm"].map(|ending| {
            let path = beside(path, ending);
            identity(&path).map(|identity| (path, identity))
        });
        files.into_iter().collect::<io::Result<_>>().map(Self)
    }

    /// Whether what stands there is what was opened.
    pub(super) fn check(&self) -> Result<(), TakenAway> {
        let gone = self.0.iter().find(|(path, opened)| identity(path).ok() != Some(*opened));
        gone.map_or(Ok(()), |(path, _)| Err(TakenAway { path: path.clone() }))
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    path.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Refuses a file in which SQLite finds a fault.
pub(super) fn damage(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    // The quick check does not compare tables with indexes: a changed key would hide a mark against replay.
    let found = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    let fault: String = found.map_err(|source| OpenError::sqlite(path, source))?;
    if fault == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged { path: path.to_owned(), fault: fault.replace('\n', " ") })
}

/// The version of the schema; 0 in a new file.
pub(super) fn schema(connection: &Connection) -> rusqlite::Result<usize> {
    connection.query_row("PRAGMA user_version", [], super::writer::number)
}

/// The path of what goes with a store.
pub(super) fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// A connection that only reads.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    let connection = connection.map_err(|source| OpenError::sqlite(path, source))?;
    connection.busy_timeout(PATIENCE).map_err(|source| OpenError::sqlite(path, source))?;
    Ok(connection)
}

/// Has the directory that `path` is in on disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_lock_for_an_instant_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        let instant = lock(&store).unwrap();
        let gone = std::thread::spawn(move || {
            std::thread::sleep(LOCK_PAUSE * 3);
            drop(instant);
        });
        let _lock = lock(&store).unwrap();
        gone.join().unwrap();
        assert!(matches!(lock(&store), Err(OpenError::InUse { .. })));
    }
}
