//! Who still uses a weak wire, counted until the last one has moved.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::service::ServiceId;

/// The messages accepted since the start, by application; holds as many entries as there are applications.
#[derive(Default)]
pub struct Usage(Mutex<BTreeMap<ServiceId, Used>>);

/// What one application has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Messages accepted.
    pub messages: u64,
    /// When the last one was.
    pub last: Option<Timestamp>,
}

impl Usage {
    /// Counts an accepted message; how many there are now.
    pub fn note(&self, app: &ServiceId, now: Timestamp) -> u64 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.entry(app.clone()).or_default();
        used.messages = used.messages.saturating_add(1);
        used.last = Some(now);
        used.messages
    }

    /// What `app` has sent.
    pub fn of(&self, app: &ServiceId) -> Used {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(app).copied().unwrap_or_default()
    }
}
