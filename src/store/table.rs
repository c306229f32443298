//! Typed tables over a store.
/// Seals values.
pub struct Sealer;
/// One kind of record.
pub struct Table;
