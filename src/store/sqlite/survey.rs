//! What an operator may want to know of the file, whether a relay has it or not. Writes nothing.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use url::Url;

use super::file::{MIGRATIONS, OpenError, beside, damage, open_to_read, schema};
use super::writer;
use crate::store::{Entry, Key, Kind};

/// What was found.
pub struct SqliteFacts {
    /// Its permission bits.
    pub mode: u32,
    /// Whether a relay has it.
    pub is_in_use: bool,
    /// The version of its tables; 0 where they are not made yet.
    pub schema: usize,
    /// The last version that this release knows.
    pub known: usize,
    /// The first fault that SQLite finds in it.
    pub damage: Option<String>,
    /// Room on its disk for us, in bytes.
    pub free: u64,
    /// The records of the kind that was asked for.
    pub records: Vec<(Key, Entry)>,
}

impl SqliteFacts {
    /// Reads the whole file, and what it has of `kind`; `None` where there is none. Blocks.
    pub fn gather(path: &Path, kind: Kind) -> Result<Option<Self>, OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        let mode = match File::open(path).and_then(|file| file.metadata()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(io)?.permissions().mode() & 0o7777,
        };
        let space = rustix::fs::statvfs(path).map_err(|error| io(error.into()))?;
        let mut facts = Self {
            mode,
            is_in_use: is_in_use(path).map_err(io)?,
            schema: 0,
            known: MIGRATIONS.len(),
            damage: None,
            free: space.f_bavail.saturating_mul(space.f_frsize),
            records: Vec::new(),
        };
        match facts.read(path, kind) {
            Err(OpenError::Damaged { fault, .. }) => facts.damage = Some(fault),
            done => done?,
        }
        Ok(Some(facts))
    }

    fn read(&mut self, path: &Path, kind: Kind) -> Result<(), OpenError> {
        let sqlite = |source| OpenError::sqlite(path, source);
        if path.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            return Err(OpenError::Damaged { path: path.to_owned(), fault: "it is empty".to_owned() });
        }
        let connection = connect(path)?;
        damage(&connection, path)?;
        self.schema = schema(&connection).map_err(sqlite)?;
        if (1..=self.known).contains(&self.schema) {
            self.records = writer::all(&connection, kind).map_err(sqlite)?;
        }
        Ok(())
    }
}

/// A file without a log is read as it lies: to read it otherwise, SQLite would make an empty log, and leave it there.
fn connect(path: &Path) -> Result<Connection, OpenError> {
    let absolute = std::fs::canonicalize(path).ok().and_then(|path| Url::from_file_path(path).ok());
    let Some(mut url) = absolute.filter(|_| !beside(path, "-wal").exists()) else {
        return open_to_read(path);
    };
    url.set_query(Some("immutable=1"));
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(url.as_str(), flags).map_err(|source| OpenError::sqlite(path, source))
}

/// Whether somebody has the lock. Who has it keeps it.
fn is_in_use(path: &Path) -> io::Result<bool> {
    let lock = match File::open(beside(path, ".lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        lock => lock?,
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
