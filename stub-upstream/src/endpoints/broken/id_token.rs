//! Faults of the `id_token`: lies in its claims, in its header, and in its signature.

use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::STRANGER;
use crate::chance::Chance;
use crate::client::Client;
use crate::endpoints::Realm;
use crate::fault::Fault;
use crate::keys::{Alg, KeyRing, alg_none, sign_shared};
use crate::twist::Part;

/// Lies in the claims.
pub(in crate::endpoints) fn claims(fault: Fault, claims: &mut Map<String, Value>, chance: &Chance) {
    let times = |claims: &mut Map<String, Value>, change: &dyn Fn(u64) -> Value| {
        for name in ["exp", "iat", "auth_time"] {
            if let Some(time) = claims.get(name).and_then(Value::as_u64) {
                claims.insert(name.to_owned(), change(time));
            }
        }
    };
    let text = |claims: &Map<String, Value>, name: &str| {
        claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (iss, aud) = (text(claims, "iss"), text(claims, "aud"));
    let mut lie = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    match fault {
        Fault::WrongNonce => lie("nonce", json!(chance.token())),
        Fault::NonceMissing => drop(claims.shift_remove("nonce")),
        Fault::WrongIssuer => lie("iss", json!(STRANGER)),
        Fault::IssuerSlash => lie("iss", json!(format!("{iss}/"))),
        Fault::AudWrong => lie("aud", json!("another-client")),
        Fault::AudExtra => lie("aud", json!([aud, "another-client"])),
        Fault::AzpWrong => lie("azp", json!("another-client")),
        Fault::AcrLow => lie("acr", json!("eidas0")),
        Fault::AcrHigh => lie("acr", json!("eidas3")),
        Fault::AcrUnknown => lie("acr", json!("eidas99")),
        Fault::AcrMissing => drop(claims.shift_remove("acr")),
        Fault::AmrNull => lie("amr", Value::Null),
        Fault::AmrText => lie("amr", json!("pwd")),
        Fault::SubMissing => drop(claims.shift_remove("sub")),
        Fault::SubEmpty => lie("sub", json!("")),
        Fault::SubLong => lie("sub", json!("5".repeat(300))),
        Fault::SubNumber => lie("sub", json!(123_456_789)),
        Fault::AtHashWrong => lie("at_hash", json!(chance.token().get(..22))),
        Fault::ExpMissing => drop(claims.shift_remove("exp")),
        Fault::ExpText => times(claims, &|time| json!(time.to_string())),
        Fault::ExpiredIdToken => times(claims, &|time| json!(time.saturating_sub(7200))),
        Fault::FutureIdToken => times(claims, &|time| json!(time.saturating_add(7200))),
        Fault::SkewedClock => times(claims, &|time| json!(time.saturating_add(20))),
        _ => {}
    }
}

/// The JWS, or what a fault makes of it. `alg` is `None` where the client's secret signs.
pub(in crate::endpoints) fn sign(
    fault: Option<Fault>,
    alg: Option<Alg>,
    claims: &Map<String, Value>,
    (realm, client): (&Realm, &Client),
) -> Result<String, Unspecified> {
    let (keys, chance) = (&realm.keys, &realm.stub.inner.chance);
    let twisted = |header: &mut Map<String, Value>| {
        in_header(fault, header);
        realm.stub.space.twists.apply(Part::IdTokenHeader, header);
    };
    match fault {
        Some(Fault::IdTokenGarbled) => return Ok("this-is-no-jwt".to_owned()),
        Some(Fault::AlgNone) => return Ok(alg_none(claims)),
        Some(Fault::KeyRotated) => keys.rotate()?,
        Some(Fault::AlgConfusion) => return keys.confuse(alg.unwrap_or(Alg::Es256), claims),
        _ => {}
    }
    let alg = match (fault, alg) {
        (Some(Fault::AlgOther), Some(Alg::Es256)) => Some(Alg::Rs256),
        (Some(Fault::AlgOther), _) => Some(Alg::Es256),
        (_, alg) => alg,
    };
    if let Some(alg) = alg.filter(|_| fault == Some(Fault::AlgOther)) {
        keys.add(alg)?;
    }
    let jws = match alg {
        None => sign_shared(&client.secret, claims, twisted),
        // Nobody knows the key that it brings along.
        Some(alg) if fault == Some(Fault::KeyInHeader) => {
            let own = KeyRing::new(vec![alg], |_, _| "its-own".to_owned())?;
            own.sign(alg, claims, chance, |header, key| drop(header.insert("jwk".to_owned(), key.clone())))?
        }
        Some(alg) => keys.sign(alg, claims, chance, |header, _| twisted(header))?,
    };
    Ok(if fault == Some(Fault::BadSignature) { altered(&jws) } else { jws })
}

/// Faults of the header; those of `kid` need one.
fn in_header(fault: Option<Fault>, header: &mut Map<String, Value>) {
    match fault {
        Some(Fault::KeyUnknown) => {
            if let Some(kid) = header.get_mut("kid") {
                *kid = json!("unpublished");
            }
        }
        Some(Fault::KidMissing) => drop(header.shift_remove("kid")),
        Some(Fault::CritUnknown) => {
            header.insert("crit".to_owned(), json!(["urn:example:extension"]));
            header.insert("urn:example:extension".to_owned(), json!(true));
        }
        _ => {}
    }
}

/// The same JWS with the last byte of its signature altered.
pub(super) fn altered(jws: &str) -> String {
    let (input, signature) = jws.rsplit_once('.').unwrap_or((jws, ""));
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    if let Some(last) = signature.last_mut() {
        *last ^= 1;
    }
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}
