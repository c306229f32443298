//! What is kept, of whom, and for how long: a row for every kind of record.

use std::time::Duration;

use super::finish::{ON_ITS_WAY, REPEAT};
use super::tables::{AwayLogout, Claimable, ConfirmLogout, SpentMessage, UsedHandle};
use super::{Limits, Session};
use crate::keys::{KeyRecord, Policy};
use crate::legacy::{CLAIM, TIMELESS};
use crate::login::{AwayLogin, ConfirmLogin};
use crate::store::{CLOCK_ERROR, Kind, fields_of};

/// One kind of record.
pub struct Kept {
    /// What it is.
    pub about: &'static str,
    /// What of a person is in it; empty where nothing is.
    pub personal: &'static str,
    /// Its fields; none where it is a plain value.
    pub fields: &'static [&'static str],
    /// The longest that it is kept.
    pub longest: Duration,
    /// Why no longer, and what ends it before.
    pub ends: &'static str,
}

/// The row of `kind`; `request_max_age` is the longest of any application, and `keys` how our own succeed one another.
/// `None` for what only tests keep.
pub fn inventory(kind: Kind, limits: &Limits, request_max_age: Duration, keys: &Policy) -> Option<Kept> {
    // A message is known until nobody could send it again: its age, and what clocks may differ by.
    let mark = request_max_age.saturating_add(Duration::from_mins(1)).max(ON_ITS_WAY);
    let (about, personal, fields, longest, ends) = match kind {
        Kind::AwayLogin => (
            "a login whose browser is at the provider",
            "the client's address, what the application asked",
            fields_of::<AwayLogin>(),
            limits.login,
            "taken when the browser comes back",
        ),
        Kind::ConfirmLogin => (
            "a login that waits for the person's yes",
            "the identity from the provider, the client's address",
            fields_of::<ConfirmLogin>(),
            limits.login,
            "taken by the answer",
        ),
        Kind::UsedHandle => (
            "that a login was used, for whoever clicks twice",
            "",
            fields_of::<UsedHandle>(),
            limits.login,
            "",
        ),
        Kind::SpentMessage => (
            "that a message was answered",
            "",
            fields_of::<SpentMessage>(),
            mark,
            "until the message is too old anyway, and an hour longer",
        ),
        Kind::SpentTimeless => (
            "that a message was answered: of a KIF wire, or stamped ahead of the relay's clock",
            "",
            fields_of::<SpentMessage>(),
            Duration::from_secs(TIMELESS),
            "",
        ),
        Kind::Answer => (
            "the address that a browser was sent to, for a double click",
            "the identity, sealed for the application",
            fields_of::<String>(),
            REPEAT,
            "",
        ),
        Kind::Reference => (
            "an answer that its application will fetch",
            "the identity, sealed for the application",
            fields_of::<Claimable>(),
            CLAIM,
            "taken when it is fetched",
        ),
        Kind::SeenIv => ("that an application used an IV", "", fields_of::<[u8; 32]>(), mark, ""),
        Kind::Session => (
            "a browser session",
            "the identity from the provider, its id_token, the applications visited",
            fields_of::<Session>(),
            limits.session_absolute,
            "at logout, or unused for session.idle_minutes",
        ),
        Kind::SessionCookie => (
            "which session a cookie belongs to",
            "",
            fields_of::<String>(),
            limits.session_absolute,
            "at logout, and renewed at each sign-in",
        ),
        Kind::AwayLogout => (
            "a logout whose browser is at the provider",
            "the id_token that the provider wants as a hint",
            fields_of::<AwayLogout>(),
            limits.login,
            "taken when the browser comes back",
        ),
        Kind::ConfirmLogout => (
            "a logout that waits for the person's yes",
            "",
            fields_of::<ConfirmLogout>(),
            limits.login,
            "taken by the answer",
        ),
        Kind::Key => (
            "a key of the relay's own",
            "",
            fields_of::<KeyRecord>(),
            keys.rotate.map_or(Duration::MAX, |rotate| {
                keys.announce.saturating_add(rotate).saturating_add(keys.overlap)
            }),
            "by relais keys retire",
        ),
        Kind::Probe => return None,
    };
    let longest = if kind.is_mark() { longest.saturating_add(CLOCK_ERROR) } else { longest };
    Some(Kept { about, personal, fields, longest, ends })
}
