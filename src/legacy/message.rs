//! Opening what an application sent: everything is checked here, before the upstream is troubled.

use super::{App, AppKey, Direction, Refused, callback};
use crate::clock::Timestamp;
use crate::crypto::hash::sha256;
use crate::event::{Facts, reasons::legacy as because};
use crate::legacy::wires::Opened;
use crate::request::LegacyRequest;

/// The longest `msg`, in characters.
const MAX_MSG: usize = 8192;
/// How far in the future a message may be dated, in seconds.
const AHEAD: u64 = 60;

/// Opens the `msg` of a query string for `app`. `floor` is the instant before which sealed messages are
/// refused, because the marks that would tell a replay are lost.
pub fn open(
    app: &App,
    query: &str,
    floor: Option<Timestamp>,
    now: Timestamp,
) -> Result<LegacyRequest, Refused> {
    if !app.enabled {
        return Err(because::DISABLED_APP.into());
    }
    let text = msg(query)?;
    let (key, opened) = open_under_any(app, Direction::Request, text, now)?;
    let fresh_until = fresh(app, &opened, floor, now)?;
    let admitted = callback::admit(&app.callbacks, &opened.plaintext)?;
    let id = app.service.id.as_str().as_bytes();
    Ok(LegacyRequest {
        app: app.service.id.clone(),
        return_to: admitted.return_to,
        state: admitted.state,
        nonce: admitted.nonce,
        key: key.fingerprint,
        mark: sha256(&[id, &[0], &opened.bytes]),
        iv_mark: sha256(&[id, &[0], &opened.iv]),
        sealed_at: opened.sealed_at,
        fresh_until,
        demand: admitted.demand,
    })
}

/// A sealed logout that opened: whom it is for, and how to tell a replay.
pub struct Logout {
    /// The `sub` that shall be signed out.
    pub sub: String,
    /// Identifies the message.
    pub mark: [u8; 32],
    /// The last instant at which it is fresh.
    pub fresh_until: Timestamp,
}

/// Opens the `msg` of a logout.
pub fn open_logout(
    app: &App,
    query: &str,
    floor: Option<Timestamp>,
    now: Timestamp,
) -> Result<Logout, Refused> {
    let text = msg(query)?;
    let (_, opened) = open_under_any(app, Direction::Logout, text, now)?;
    let fresh_until = fresh(app, &opened, floor, now)?;
    let mark = sha256(&[app.service.id.as_str().as_bytes(), &[0], &opened.bytes]);
    let sub = String::from_utf8(opened.plaintext).map_err(|_| because::LOGOUT_UNSEALED)?;
    Ok(Logout { sub, mark, fresh_until })
}

/// The one `msg` of a query string, as sent: names and value are compared raw, other parameters ignored.
fn msg(query: &str) -> Result<&str, Refused> {
    let mut values = query.split('&').filter_map(|piece| match piece.split_once('=') {
        Some(("msg", value)) => Some(value),
        None if piece == "msg" => Some(""),
        _ => None,
    });
    let text = values.next().filter(|text| !text.is_empty()).ok_or(because::MSG_MISSING)?;
    if values.next().is_some() {
        return Err(because::MSG_TWICE.into());
    }
    if text.len() > MAX_MSG {
        let facts = Facts { length: Some(text.len()), ..Facts::default() };
        return Err(Refused { reason: because::MSG_TOO_LONG, facts });
    }
    Ok(text)
}

/// Tries the current key, then the previous one while it lives: keys of one application and one wire.
fn open_under_any<'a>(
    app: &'a App,
    direction: Direction,
    text: &str,
    now: Timestamp,
) -> Result<(&'a AppKey, Opened), Refused> {
    let mut reason = because::DOES_NOT_OPEN;
    for key in app.keys_at(now) {
        match key.keyed.open(direction, text) {
            Ok(opened) => return Ok((key, opened)),
            Err(failed) => reason = failed,
        }
    }
    let facts = Facts { length: Some(text.len()), wire: Some(app.wire.name()), ..Facts::default() };
    Err(Refused { reason, facts })
}

/// Judges a message's own time, and tells until when it stays fresh.
fn fresh(app: &App, opened: &Opened, floor: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Refused> {
    let (sealed, now_s) = (opened.sealed_at.seconds(), now.seconds());
    let max_age = app.request_max_age.as_secs();
    let offset_s = i64::try_from(i128::from(sealed) - i128::from(now_s)).ok();
    let refused = |reason| Err(Refused { reason, facts: Facts { offset_s, ..Facts::default() } });
    if sealed > now_s.saturating_add(AHEAD) {
        return refused(because::IN_THE_FUTURE);
    }
    if now_s.saturating_sub(sealed) > max_age {
        return refused(because::EXPIRED);
    }
    if floor.is_some_and(|floor| sealed < floor.seconds()) {
        return refused(because::BEFORE_START);
    }
    // To the end of the last second in which the comparison above still passes.
    Ok(Timestamp::from_millis(Timestamp::from_seconds(sealed.saturating_add(max_age)).millis() + 999))
}
