//! A copy of the file in one consistent state, whether a relay has it or not.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::file::{OpenError, open_to_read, private, sync_directory};
use super::writer::number;
use crate::entropy::Entropy;

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Records of every kind, alive or not yet swept.
    pub records: usize,
    /// The size of the copy.
    pub bytes: u64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// SQLite could not make the copy: the store is damaged, or the disk full.
    #[error("cannot copy the store to {}", path.display())]
    Copy {
        /// Where the copy was to be.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// SQLite finds faults in what it wrote.
    #[error("the copy is damaged ({fault}), and was thrown away")]
    Damaged {
        /// The first fault.
        fault: String,
    },
    /// Something is there.
    #[error("{} is there already; it was left as it is", path.display())]
    Exists {
        /// Where the copy was to be.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Where the copy was to be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Copies the store at `path` to the new file `out`, mode 0600: all that was acknowledged before the call, and nothing
/// that was erased. It appears whole, checked and on disk, or not at all. Whoever writes to the store goes on; only its
/// log grows meanwhile. Blocks.
pub fn back_up(path: &Path, out: &Path, entropy: &dyn Entropy) -> Result<Backup, BackupError> {
    let exists = || BackupError::Exists { path: out.to_owned() };
    let write = |source| BackupError::Write { path: out.to_owned(), source };
    if out.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let store = open_to_read(path)?;
    let beside = fresh_name(out, entropy).map_err(write)?;
    private().create_new(true).open(&beside).map_err(write)?;
    let made = copy(&store, &beside, out).and_then(|backup| {
        File::open(&beside).and_then(|file| file.sync_all()).map_err(write)?;
        // Unlike a renamed file, a linked one takes nobody's place.
        std::fs::hard_link(&beside, out).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(),
            _ => write(error),
        })?;
        Ok(backup)
    });
    let cleared = std::fs::remove_file(&beside);
    let backup = made?;
    cleared.and_then(|()| sync_directory(out)).map_err(write)?;
    Ok(backup)
}

/// Fills the empty file `beside`, and looks at what is in it.
fn copy(store: &Connection, beside: &Path, out: &Path) -> Result<Backup, BackupError> {
    let failed = |source| BackupError::Copy { path: out.to_owned(), source };
    // One snapshot, by a reader; the backup interface would begin anew with each write of another process.
    store.execute("VACUUM INTO ?1", [beside.to_str()]).map_err(failed)?;
    let copy = open_to_read(beside)?;
    let fault: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if fault != "ok" {
        return Err(BackupError::Damaged { fault });
    }
    let records = copy.query_row("SELECT COUNT(*) FROM record", [], number).map_err(failed)?;
    let bytes =
        beside.metadata().map_err(|source| BackupError::Write { path: out.to_owned(), source })?.len();
    Ok(Backup { records, bytes })
}

/// A name that nobody has, in the directory of `out`; absolute, so that SQLite takes it for no address.
fn fresh_name(out: &Path, entropy: &dyn Entropy) -> io::Result<PathBuf> {
    let mut name = std::path::absolute(out)?.into_os_string();
    name.push(format!(".{}", hex::encode(entropy.bytes::<8>())));
    if name.to_str().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8"));
    }
    Ok(name.into())
}
