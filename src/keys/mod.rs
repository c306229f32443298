//! Our own keys. The root seal key and the rules for files that hold secrets are in `seal_key`; everything else
//! lies sealed in the store, in a [`Keyring`]: which key signs, decrypts or is published on which date.
//!
//! A [`Succession`] is a succession of keys for one use. By date alone a key of it is announced (published, not used),
//! active (it signs, or is offered first), deactivated (no longer chosen, but what was made for it or by it still
//! counts), and gone. [`plan`] is the whole rule.
//!
//! A module for hardware keys would stand where `ring` turns a record into material: a record then names the key
//! in the module, and signing and decrypting ask it by `kid`.

mod list;
mod orders;
mod plan;
mod record;
mod ring;
mod seal_key;

pub use list::{Listed, date_of};
pub use orders::{Revocation, Rotation};
pub use plan::{Change, Policy, State, plan};
pub use record::{KeyAlg, KeyRecord, KeyUse, RELAY, Succession, Wanted};
pub use ring::{Keyring, KeyringError};
pub use seal_key::{
    BYTE_ORDER_MARK, SECRET_FILE_CEILING, SealKeyError, SealKeySource, SecretFileError, read_secret_file,
};
