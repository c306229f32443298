//! Every kind of record that the stores keep: a line for each type that implements `Record`.

use crate::broker::{Answered, Login, Logout, Session};
use crate::front::legacy::{Reference, RefusedMessage, SeenIv, SpentMessage, SpentTimeless};
use crate::keys::KeyRecord;
use crate::store::{Kind, Record as _};

/// All kinds. Stores are opened for them, swept of them, and `relais privacy` tells of each.
pub const ALL: [Kind; 10] = [
    Login::KIND,
    Answered::KIND,
    Session::KIND,
    Logout::KIND,
    SpentMessage::KIND,
    SpentTimeless::KIND,
    RefusedMessage::KIND,
    Reference::KIND,
    SeenIv::KIND,
    KeyRecord::KIND,
];
