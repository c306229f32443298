//! The records of the journey.

use super::login::{Answered, Login};
use super::logout::Logout;
use super::session::Session;
use crate::store::{Stores, Table};

/// Every table that the journey uses.
#[derive(Clone)]
pub struct Records {
    /// Logins in flight, by id.
    pub logins: Table<Login>,
    /// Logins that were answered, by id.
    pub answered: Table<Answered>,
    /// Sessions, by browser.
    pub sessions: Table<Session>,
    /// Logouts under way, by browser.
    pub logouts: Table<Logout>,
}

impl Records {
    /// Each table in the store where its class belongs.
    pub fn new(stores: &Stores<'_>) -> Self {
        Self {
            logins: stores.table(),
            answered: stores.table(),
            sessions: stores.table(),
            logouts: stores.table(),
        }
    }
}
