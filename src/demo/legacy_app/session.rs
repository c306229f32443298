//! Sessions in memory, found by cookie only.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::answer::{Identity, Receipt};
use super::{Delivery, wire};

/// How long a sign-in may take, in seconds.
const ATTEMPT_SECS: u64 = 15 * 60;
/// How long a session lives unused, in seconds.
const IDLE_SECS: u64 = 30 * 60;
/// How many sessions there may be: over that, the one unused for longest falls.
const MOST: usize = 1000;

/// A sign-in under way: two fresh values that the answer must bring back.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) delivery: Delivery,
    pub(super) state: String,
    pub(super) nonce: String,
    begun: u64,
}

impl Attempt {
    pub(super) fn new(delivery: Delivery, now: u64) -> Self {
        let value = || hex::encode(wire::random::<16>());
        Self { delivery, state: value(), nonce: value(), begun: now }
    }

    pub(super) fn is_live(&self, now: u64) -> bool {
        now.saturating_sub(self.begun) <= ATTEMPT_SECS
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

/// What is known of one browser.
#[derive(Default)]
pub(super) struct Session {
    pub(super) attempt: Option<Attempt>,
    pub(super) identity: Option<Identity>,
    /// What came of the last answer.
    pub(super) receipt: Option<Receipt>,
    /// Set by the map.
    pub(super) used: u64,
}

#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    /// Keeps `session` under a fresh id.
    pub(super) fn open(&self, session: Session, now: u64) -> String {
        let id = hex::encode(wire::random::<32>());
        let mut sessions = self.lock();
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| id.clone());
            oldest.and_then(|id| sessions.remove(&id));
        }
        sessions.insert(id.clone(), Session { used: now, ..session });
        id
    }

    /// Uses the session, if there is one and it was used lately.
    pub(super) fn with<T>(&self, id: &str, now: u64, use_it: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(id)?;
        if now.saturating_sub(session.used) > IDLE_SECS {
            sessions.remove(id);
            return None;
        }
        session.used = now;
        Some(use_it(session))
    }

    pub(super) fn close(&self, id: &str) -> Option<Session> {
        self.lock().remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_bounded_and_end() {
        let sessions = Sessions::default();
        let first = sessions.open(Session::default(), 0);
        let second = sessions.open(Session::default(), 1);
        for _ in 2..=MOST {
            sessions.open(Session::default(), 2);
        }
        assert!(sessions.with(&first, 2, |_| ()).is_none(), "the oldest fell");
        assert!(sessions.with(&second, 2 + IDLE_SECS - 1, |_| ()).is_some());
        assert!(sessions.with(&second, 2 + 2 * IDLE_SECS, |_| ()).is_none(), "unused for too long");
    }
}
