//! The store in a SQLite file.
/// In a SQLite file.
pub struct Sqlite;
/// Why a file could not be opened as a store.
pub struct OpenError;
