//! The store in a SQLite file.
/// In a SQLite file.
pub struct Sqlite;
