//! The keyring as an operator may see it: never a private half.

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::plan::{Policy, State, active_until, state};
use super::record::{KeyAlg, KeyRecord, Succession};
use crate::clock::Timestamp;

/// One key. Dates are RFC 3339, in whole seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its succession.
    #[serde(flatten)]
    pub succession: Succession,
    /// Its place in the succession.
    pub generation: u32,
    /// Its id.
    pub kid: String,
    /// What it is for.
    pub alg: KeyAlg,
    /// Where it stands.
    pub state: State,
    /// When it was made, and published.
    #[serde(serialize_with = "date")]
    pub created: Timestamp,
    /// From when it is used.
    #[serde(serialize_with = "date")]
    pub active_from: Timestamp,
    /// Until when: until its successor is, or will be by the policy; none where an operator decides.
    #[serde(serialize_with = "perhaps")]
    pub active_until: Option<Timestamp>,
    /// When it is of no use any more.
    #[serde(serialize_with = "perhaps")]
    pub gone_after: Option<Timestamp>,
}

/// Every key, succession after succession, oldest first.
pub(super) fn list(records: &[KeyRecord], now: Timestamp, policy: &Policy) -> Vec<Listed> {
    let one = |key: &KeyRecord| {
        let next = active_until(records, key);
        let by_policy = || policy.rotate.map(|rotate| key.active_from.plus(rotate).max(now));
        let active_until = key.revoked.or(next).or_else(by_policy);
        Listed {
            succession: key.succession.clone(),
            generation: key.generation,
            kid: key.kid.clone(),
            alg: key.alg,
            state: state(key, next, now, policy),
            created: key.created,
            active_from: key.active_from,
            active_until,
            gone_after: key.revoked.or_else(|| active_until.map(|until| until.plus(policy.overlap))),
        }
    };
    let mut listed: Vec<_> = records.iter().map(one).collect();
    listed.sort_by(|a, b| (&a.succession, a.generation).cmp(&(&b.succession, b.generation)));
    listed
}

/// The date of an instant, RFC 3339, in whole seconds.
pub fn date_of(at: Timestamp) -> String {
    let seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
    let date = OffsetDateTime::from_unix_timestamp(seconds).ok();
    date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a field by reference")]
fn date<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&date_of(*at))
}

#[expect(clippy::ref_option, reason = "serde hands a field by reference")]
fn perhaps<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(date_of).serialize(serializer)
}
