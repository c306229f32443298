//! The claims of a `jwe` message: every one is known, each stands once, and the needed ones are there.

use serde_json::{Map, Value};

use super::Refused;
use super::callback::{self, Asks};
use crate::clock::Timestamp;
use crate::crypto::json;
use crate::event::{Facts, reasons::legacy as because};
use crate::service::{Demand, ServiceId};

/// The longest life of a message, in seconds.
const MAX_LIFE: u64 = 900;
/// The longest `jti`, in bytes.
const MAX_JTI: usize = 128;

/// Claims that every message has.
const FRAME: [&str; 5] = ["iss", "aud", "iat", "exp", "jti"];
/// Claims that a request must have besides.
const OF_A_REQUEST: [&str; 3] = ["redirect_uri", "state", "nonce"];
/// Claims that it may have.
const ASKS: [&str; 5] = ["acr_values", "prompt", "max_age", "login_hint", "ui_locales"];

/// When a message is good, and what tells it from others.
pub(super) struct Frame {
    /// When it was sealed.
    pub iat: Timestamp,
    /// The first second in which it is no longer good.
    pub exp: Timestamp,
    /// Its identifier.
    pub jti: String,
}

/// A request as its claims tell it.
pub(super) struct Request {
    pub frame: Frame,
    pub redirect_uri: String,
    pub state: String,
    pub nonce: String,
    pub demand: Demand,
}

/// Reads the claims of a request that `app` sent to `issuer`.
pub(super) fn request(bytes: &[u8], app: &ServiceId, issuer: &str) -> Result<Request, Refused> {
    let claims = object(bytes)?;
    only(&claims, |name| FRAME.contains(&name) || OF_A_REQUEST.contains(&name) || ASKS.contains(&name))?;
    let frame = frame(&claims, app, issuer)?;
    let mut asks = Asks::default();
    for name in ASKS {
        let value = match claims.get(name) {
            None => continue,
            Some(Value::String(text)) if name != "max_age" => text.clone(),
            Some(Value::Number(number)) if name == "max_age" => number.to_string(),
            Some(_) => return Err(wrong(name)),
        };
        asks.take(name, &value)?;
    }
    let redirect_uri = text(&claims, "redirect_uri")?.to_owned();
    let [state, nonce] = ["state", "nonce"].map(|name| {
        let value = text(&claims, name)?;
        if !value.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(wrong(name));
        }
        callback::bounded(value, value.to_owned(), callback::MIN_VALUE)
    });
    Ok(Request { frame, redirect_uri, state: state?, nonce: nonce?, demand: asks.demand })
}

/// Reads the claims of a logout: what frames it, and the `sub`.
pub(super) fn logout(bytes: &[u8], app: &ServiceId, issuer: &str) -> Result<(Frame, String), Refused> {
    let claims = object(bytes)?;
    only(&claims, |name| FRAME.contains(&name) || name == "sub")?;
    Ok((frame(&claims, app, issuer)?, text(&claims, "sub")?.to_owned()))
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Refused> {
    json::object(bytes).map_err(|_| because::CLAIMS_MALFORMED.into())
}

fn only(claims: &Map<String, Value>, known: impl Fn(&str) -> bool) -> Result<(), Refused> {
    claims.keys().find(|name| !known(name)).map_or(Ok(()), |name| Err(wrong(name)))
}

fn frame(claims: &Map<String, Value>, app: &ServiceId, issuer: &str) -> Result<Frame, Refused> {
    if text(claims, "iss")? != app.as_str() {
        return Err(wrong("iss"));
    }
    // A text, never a list: the message is for this relay alone.
    if text(claims, "aud")? != issuer {
        return Err(wrong("aud"));
    }
    let second = |name: &str| claims.get(name).and_then(Value::as_u64).ok_or_else(|| wrong(name));
    let (iat, exp) = (second("iat")?, second("exp")?);
    if exp <= iat || exp - iat > MAX_LIFE {
        return Err(wrong("exp"));
    }
    let jti = text(claims, "jti")?;
    if jti.is_empty() || jti.len() > MAX_JTI {
        return Err(wrong("jti"));
    }
    let (iat, exp) = (Timestamp::from_seconds(iat), Timestamp::from_seconds(exp));
    Ok(Frame { iat, exp, jti: jti.to_owned() })
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refused> {
    claims.get(name).and_then(Value::as_str).ok_or_else(|| wrong(name))
}

/// Names the claim, if it is a name that can stand in an event.
fn wrong(name: &str) -> Refused {
    Refused {
        reason: because::CLAIM_WRONG,
        facts: Facts { names: callback::named(name).names, ..Facts::default() },
    }
}
