//! Opening what an application sent: everything is checked here, before the upstream is troubled.

use std::time::Duration;

use super::{App, AppKey, Direction, LegacyRequest, MessageMark, Refused, callback, claims};
use crate::clock::Timestamp;
use crate::crypto::hash::sha256;
use crate::event::{Facts, Sealed, reasons::legacy as because};
use crate::legacy::wires::{self, Dialect};
use crate::login::Hex;
use crate::service::Demand;

/// The longest `msg`, in characters.
const MAX_MSG: usize = 8192;
/// How far in the future a message may be dated.
pub const AHEAD: Duration = Duration::from_mins(1);
/// For how long a message without a time is remembered, in seconds: a day.
pub const TIMELESS: u64 = 86_400;

/// A message that opened: what it asks of the relay, and what beyond the application's configuration.
pub struct Opened {
    /// Where the answer goes, and how it is sealed.
    pub request: LegacyRequest,
    /// What is demanded.
    pub demand: Demand,
}

/// Opens the `msg` of a query string for `app`, sent to the relay `issuer`. `floor` is the instant before which
/// sealed messages are refused, because the marks that would tell a replay are lost.
pub fn open(
    app: &App,
    issuer: &str,
    query: &str,
    floor: Option<Timestamp>,
    now: Timestamp,
) -> Result<Opened, Refused> {
    if !app.service.enabled {
        return Err(because::DISABLED_APP.into());
    }
    let text = msg(query)?;
    let (key, opened) = open_under_any(app, Direction::Request, text, now)?;
    let dialect = app.wire.dialect();
    let asked = match dialect {
        Dialect::Stamped | Dialect::Kif => {
            let (sealed_at, fresh_until) = match opened.sealed_at {
                Some(sealed_at) => (sealed_at, fresh(app, sealed_at, None, floor, now)?),
                None => (now, Timestamp::from_seconds(now.seconds().saturating_add(TIMELESS))),
            };
            let callback::Admitted { return_to, query } =
                callback::admit(&app.callbacks, dialect, &opened.plaintext)?;
            let callback::Query { state, nonce, demand } = query;
            Asked { return_to, state, nonce, demand, sealed_at, fresh_until, mark: mark(app, &opened.bytes) }
        }
        Dialect::Claims => {
            let claims = claims::request(&opened.plaintext, &app.service.id, issuer)?;
            let fresh_until = fresh(app, claims.frame.iat, Some(claims.frame.exp), floor, now)?;
            let return_to =
                callback::admit(&app.callbacks, dialect, claims.redirect_uri.as_bytes())?.return_to;
            let mark = mark(app, claims.frame.jti.as_bytes());
            let claims::Request { state, nonce, demand, frame, .. } = claims;
            Asked { return_to, state, nonce, demand, sealed_at: frame.iat, fresh_until, mark }
        }
    };
    let request = LegacyRequest {
        app: app.service.id.clone(),
        return_to: asked.return_to,
        state: asked.state,
        nonce: asked.nonce,
        key: key.fingerprint,
        mark: asked.mark,
        iv_mark: opened.iv.map(|iv| mark(app, &iv)),
        timeless: dialect == Dialect::Kif,
        sealed_at: asked.sealed_at,
        fresh_until: asked.fresh_until,
    };
    Ok(Opened { request, demand: asked.demand })
}

/// What a request says, in whatever dialect.
struct Asked {
    return_to: String,
    state: String,
    nonce: String,
    demand: Demand,
    sealed_at: Timestamp,
    fresh_until: Timestamp,
    mark: MessageMark,
}

/// Tells a message of `app` from all others.
fn mark(app: &App, id: &[u8]) -> MessageMark {
    Hex(sha256(&[app.service.id.as_str().as_bytes(), &[0], id]))
}

/// A sealed logout that opened: whom it is for, and how to tell a replay.
pub struct Logout {
    /// The `sub` that shall be signed out.
    pub sub: String,
    /// Identifies the message.
    pub mark: MessageMark,
    /// The last instant at which it is fresh.
    pub fresh_until: Timestamp,
}

/// Opens the `msg` of a logout.
pub fn open_logout(
    app: &App,
    issuer: &str,
    query: &str,
    floor: Option<Timestamp>,
    now: Timestamp,
) -> Result<Logout, Refused> {
    let text = msg(query)?;
    let (_, opened) = open_under_any(app, Direction::Logout, text, now)?;
    match app.wire.dialect() {
        Dialect::Stamped => {
            let sealed_at = opened.sealed_at.ok_or(because::LOGOUT_UNSEALED)?;
            let fresh_until = fresh(app, sealed_at, None, floor, now)?;
            let sub = String::from_utf8(opened.plaintext).map_err(|_| because::LOGOUT_UNSEALED)?;
            Ok(Logout { sub, mark: mark(app, &opened.bytes), fresh_until })
        }
        Dialect::Claims => {
            let (frame, sub) = claims::logout(&opened.plaintext, &app.service.id, issuer)?;
            let fresh_until = fresh(app, frame.iat, Some(frame.exp), floor, now)?;
            Ok(Logout { sub, mark: mark(app, frame.jti.as_bytes()), fresh_until })
        }
        // What opens as anything under K would be some other message of theirs.
        Dialect::Kif => Err(because::LOGOUT_UNSEALED.into()),
    }
}

/// The one `msg` of a query string, as sent: names and value are compared raw, other parameters ignored.
pub(super) fn msg(query: &str) -> Result<&str, Refused> {
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

/// The `msg` of a query string, as events tell of it; the first one, whatever [`open`] says to it.
pub fn sealed(query: &str) -> Option<Sealed> {
    let values = query.split('&').filter_map(|piece| piece.split_once('='));
    let text = values.filter(|(name, _)| *name == "msg").map(|(_, text)| text).next()?;
    Some(Sealed::new(text, sha256(&[text.as_bytes()])))
}

/// Tries the current key, then the previous one while it lives: keys of one application and one wire.
pub(super) fn open_under_any<'a>(
    app: &'a App,
    direction: Direction,
    text: &str,
    now: Timestamp,
) -> Result<(&'a AppKey, wires::Opened), Refused> {
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

/// Judges a message's own time, and tells until when it stays fresh. `end` is the first second in which it says
/// itself that it is no longer good.
fn fresh(
    app: &App,
    sealed_at: Timestamp,
    end: Option<Timestamp>,
    floor: Option<Timestamp>,
    now: Timestamp,
) -> Result<Timestamp, Refused> {
    let (sealed, now_s) = (sealed_at.seconds(), now.seconds());
    let max_age = app.request_max_age.as_secs();
    let offset_s = i64::try_from(i128::from(sealed) - i128::from(now_s)).ok();
    let refused = |reason| Err(Refused { reason, facts: Facts { offset_s, ..Facts::default() } });
    if sealed > now_s.saturating_add(AHEAD.as_secs()) {
        return refused(because::IN_THE_FUTURE);
    }
    if now_s.saturating_sub(sealed) > max_age || end.is_some_and(|end| now_s >= end.seconds()) {
        return refused(because::EXPIRED);
    }
    if floor.is_some_and(|floor| sealed < floor.seconds()) {
        return refused(because::BEFORE_START);
    }
    let last = sealed.saturating_add(max_age);
    let last = end.map_or(last, |end| last.min(end.seconds().saturating_sub(1)));
    // To the end of the last second in which the comparisons above still pass.
    Ok(Timestamp::from_millis(Timestamp::from_seconds(last).millis() + 999))
}
