//! The whole rule of rotation: pure functions of what is there, what is wanted, and the present.

use std::time::Duration;

use serde::Serialize;

use super::record::{KeyRecord, Succession, Wanted};
use crate::clock::Timestamp;

/// How keys succeed one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a key is used; `None` until an operator rotates it.
    pub rotate: Option<Duration>,
    /// For how long a key is published before it is used: longer than anybody caches our key set.
    pub announce: Duration,
    /// For how long the one before still counts.
    pub overlap: Duration,
}

const HOUR: u64 = 3600;

impl Default for Policy {
    fn default() -> Self {
        Self {
            rotate: Some(Duration::from_secs(90 * 24 * HOUR)),
            announce: Duration::from_secs(48 * HOUR),
            overlap: Duration::from_secs(7 * 24 * HOUR),
        }
    }
}

impl Policy {
    /// For how long others may keep our key set: half of what a new key waits, an hour at most.
    pub fn cacheable(&self) -> Duration {
        (self.announce / 2).min(Duration::from_secs(HOUR))
    }
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Published, not used by us yet.
    Announced,
    /// Used by us, and offered first.
    Active,
    /// No longer chosen; what was made for it or by it still counts.
    Deactivated,
    /// Of no use any more.
    Gone,
    /// Ended by an operator; erased.
    Revoked,
}

/// One step toward what shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make a key.
    Make {
        /// Its succession and algorithm.
        wanted: Wanted,
        /// Its place in the succession.
        generation: u32,
        /// When it shall be used.
        active_from: Timestamp,
    },
    /// Use an announced key at once.
    Advance {
        /// Its succession.
        succession: Succession,
        /// Its place in the succession.
        generation: u32,
    },
    /// Remove what is of no use any more.
    Forget {
        /// Its succession.
        succession: Succession,
        /// Its place in the succession.
        generation: u32,
    },
}

/// When the next key of its succession is used instead of `key`; `None` while there is none.
pub(super) fn active_until(records: &[KeyRecord], key: &KeyRecord) -> Option<Timestamp> {
    let later = |other: &&KeyRecord| {
        other.succession == key.succession && other.revoked.is_none() && other.generation > key.generation
    };
    records.iter().filter(later).map(|other| other.active_from).min()
}

/// Where a key stands, given when the next is used.
pub(super) fn state(key: &KeyRecord, until: Option<Timestamp>, now: Timestamp, policy: &Policy) -> State {
    if key.revoked.is_some() {
        State::Revoked
    } else if now < key.active_from {
        State::Announced
    } else {
        match until {
            Some(until) if now >= until.plus(policy.overlap) => State::Gone,
            Some(until) if now >= until => State::Deactivated,
            _ => State::Active,
        }
    }
}

/// What is to be done at `now`. Nothing, most of the time.
pub fn plan(records: &[KeyRecord], wanted: &[Wanted], now: Timestamp, policy: &Policy) -> Vec<Change> {
    let made = wanted.iter().filter_map(|wanted| succeed(records, wanted, now, policy));
    let gone = records.iter().filter(|key| is_gone(records, key, now, policy));
    let forgotten =
        gone.map(|key| Change::Forget { succession: key.succession.clone(), generation: key.generation });
    made.chain(forgotten).collect()
}

/// What keeps a succession alive and young.
fn succeed(records: &[KeyRecord], wanted: &Wanted, now: Timestamp, policy: &Policy) -> Option<Change> {
    let newest = newest(records, &wanted.succession);
    // The first is used at once: nobody has kept a key set without it.
    let Some(newest) = newest else { return Some(next(records, wanted, now)) };
    if now < newest.active_from {
        let used = |key: &KeyRecord| {
            key.succession == wanted.succession && key.revoked.is_none() && key.active_from <= now
        };
        let succession = wanted.succession.clone();
        let generation = newest.generation;
        return (!records.iter().any(used)).then_some(Change::Advance { succession, generation });
    }
    let announced = now.plus(policy.announce);
    let due = policy.rotate.map(|rotate| newest.active_from.plus(rotate));
    if newest.alg != wanted.alg {
        return Some(next(records, wanted, announced));
    }
    // Late, after a long stop, it is still announced first.
    due.filter(|due| *due <= announced).map(|_| next(records, wanted, announced))
}

/// The next key of a succession.
pub(super) fn next(records: &[KeyRecord], wanted: &Wanted, active_from: Timestamp) -> Change {
    let last =
        records.iter().filter(|key| key.succession == wanted.succession).map(|key| key.generation).max();
    Change::Make {
        wanted: wanted.clone(),
        generation: last.unwrap_or_default().saturating_add(1),
        active_from,
    }
}

/// The youngest of a succession that was not ended.
pub(super) fn newest<'r>(records: &'r [KeyRecord], succession: &Succession) -> Option<&'r KeyRecord> {
    let living = records.iter().filter(|key| key.succession == *succession && key.revoked.is_none());
    living.max_by_key(|key| key.generation)
}

/// Gone by date; or ended by an operator so long ago that nobody asks where it went.
fn is_gone(records: &[KeyRecord], key: &KeyRecord, now: Timestamp, policy: &Policy) -> bool {
    match key.revoked {
        Some(revoked) => now >= revoked.plus(policy.overlap),
        None => state(key, active_until(records, key), now, policy) == State::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::keys::{KeyAlg, KeyUse};
    use crate::service::UpstreamName;

    const DAY: Duration = Duration::from_hours(24);
    const POLICY: Policy = Policy {
        rotate: Some(Duration::from_hours(90 * 24)),
        announce: Duration::from_hours(48),
        overlap: Duration::from_hours(7 * 24),
    };

    fn wanted() -> Wanted {
        let succession =
            Succession { usage: KeyUse::Encryption, upstream: Some(UpstreamName("fc".to_owned())) };
        Wanted { succession, alg: KeyAlg::EcdhEs }
    }

    fn at(days: u32) -> Timestamp {
        Timestamp::from_seconds(1_000_000_000).plus(DAY * days)
    }

    const MS: Duration = Duration::from_millis(1);

    fn before(now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.millis() - 1)
    }

    /// Does what the plan says.
    fn apply(records: &mut Vec<KeyRecord>, now: Timestamp) -> Vec<Change> {
        let changes = plan(records, &[wanted()], now, &POLICY);
        for change in &changes {
            match change {
                Change::Make { wanted, generation, active_from } => records.push(
                    KeyRecord::make(wanted, *generation, *active_from, now, &SystemEntropy::new()).unwrap(),
                ),
                Change::Advance { generation, .. } => {
                    records.iter_mut().find(|key| key.generation == *generation).unwrap().active_from = now;
                }
                Change::Forget { generation, .. } => records.retain(|key| key.generation != *generation),
            }
        }
        changes
    }

    fn states(records: &[KeyRecord], now: Timestamp) -> Vec<State> {
        records.iter().map(|key| state(key, active_until(records, key), now, &POLICY)).collect()
    }

    #[test]
    fn a_life_to_the_millisecond() {
        use State::{Active, Announced, Deactivated, Gone};
        let mut records = Vec::new();
        apply(&mut records, at(0));
        assert_eq!(states(&records, at(0)), [Active], "the first at once");
        assert_eq!(plan(&records, &[wanted()], before(at(88)), &POLICY), []);
        let made = apply(&mut records, at(88));
        assert!(
            matches!(made[..], [Change::Make { generation: 2, active_from, .. }] if active_from == at(90))
        );
        assert_eq!(apply(&mut records, at(89)), [], "one successor");
        assert_eq!(states(&records, before(at(90))), [Active, Announced]);
        assert_eq!(states(&records, at(90)), [Deactivated, Active]);
        assert_eq!(states(&records, before(at(97))), [Deactivated, Active]);
        assert_eq!(plan(&records, &[wanted()], before(at(97)), &POLICY), []);
        assert_eq!(states(&records, at(97)), [Gone, Active]);
        let cleared = apply(&mut records, at(97));
        assert!(matches!(cleared[..], [Change::Forget { generation: 1, .. }]));
        assert!(matches!(apply(&mut records, at(178))[..], [Change::Make { generation: 3, .. }]));
    }

    /// Stopped for a year, it neither drops its only key nor uses one that nobody has seen.
    #[test]
    fn a_late_successor_is_announced_all_the_same() {
        let mut records = Vec::new();
        apply(&mut records, at(0));
        assert_eq!(states(&records, at(400)), [State::Active]);
        let made = apply(&mut records, at(400));
        assert!(matches!(made[..], [Change::Make { active_from, .. }] if active_from == at(402)));
        assert_eq!(states(&records, at(400)), [State::Active, State::Announced]);
    }

    #[test]
    fn another_algorithm_is_announced_like_any_successor() {
        let mut records = Vec::new();
        apply(&mut records, at(0));
        let rsa = Wanted { alg: KeyAlg::RsaOaep256, ..wanted() };
        let changes = plan(&records, std::slice::from_ref(&rsa), at(1), &POLICY);
        assert_eq!(changes, [Change::Make { wanted: rsa, generation: 2, active_from: at(3) }]);
    }

    #[test]
    fn a_line_whose_keys_were_ended_goes_on_at_once() {
        let mut records = Vec::new();
        apply(&mut records, at(0));
        records[0].revoked = Some(at(10));
        assert_eq!(states(&records, at(10)), [State::Revoked]);
        let made = apply(&mut records, at(10));
        assert!(
            matches!(made[..], [Change::Make { generation: 2, active_from, .. }] if active_from == at(10)),
            "its number is never given again"
        );
        assert!(matches!(apply(&mut records, at(17))[..], [Change::Forget { generation: 1, .. }]));
        // Where the next is there, it comes forward.
        apply(&mut records, at(98));
        assert_eq!(states(&records, at(98)), [State::Active, State::Announced]);
        records[0].revoked = Some(at(98));
        assert!(matches!(apply(&mut records, at(98))[..], [Change::Advance { generation: 3, .. }]));
        assert_eq!(states(&records, at(98)), [State::Revoked, State::Active]);
        // Nothing of one that was ended is in the way of the others.
        assert_eq!(active_until(&records, &records[1]), None);
        assert_eq!(states(&records, at(98).plus(MS))[1], State::Active);
    }

    #[test]
    fn without_a_date_an_operator_rotates() {
        let mut records = Vec::new();
        apply(&mut records, at(0));
        let never = Policy { rotate: None, ..POLICY };
        assert_eq!(plan(&records, &[wanted()], at(10_000), &never), []);
        // What nobody wants any more is left alone: it may be wanted again, and is registered somewhere.
        assert_eq!(plan(&records, &[], at(10_000), &POLICY), []);
    }
}
