//! Faults of the userinfo response: of the person's claims, and of the signed claims around them.

use serde_json::{Map, Value, json};

use super::{STRANGER, id_token};
use crate::fault::Fault;
use crate::keys::alg_none;

/// What is not the person's: the members of the signed response.
const OF_THE_JWT: [&str; 5] = ["sub", "iss", "aud", "exp", "iat"];

/// Lies in the person's claims.
pub(in crate::endpoints) fn claims(fault: Fault, claims: &mut Map<String, Value>) {
    let each = |claims: &mut Map<String, Value>, value: &Value| {
        let persons = claims.iter_mut().filter(|(name, _)| !OF_THE_JWT.contains(&name.as_str()));
        persons.for_each(|(_, place)| *place = value.clone());
    };
    let mut lie = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
    match fault {
        Fault::SubDiffers => {
            let sub = claims.get("sub").and_then(Value::as_str).map(other_sub);
            claims.insert("sub".to_owned(), json!(sub));
        }
        Fault::UserinfoSubMissing => drop(claims.shift_remove("sub")),
        Fault::ClaimsMissing => claims.retain(|name, _| OF_THE_JWT.contains(&name.as_str())),
        Fault::ClaimsEmpty => each(claims, &json!("")),
        Fault::ClaimsNull => each(claims, &Value::Null),
        Fault::ClaimsWrongTypes => {
            lie("given_name", json!(42));
            lie("family_name", json!(["A", "B"]));
            lie("birthdate", json!({ "year": 1980 }));
            lie("email", json!(["a@example.org"]));
            lie("gender", json!(true));
        }
        Fault::ClaimsHostile => {
            lie("given_name", json!("<script>alert(1)</script>\"'&\u{202e}"));
            lie("family_name", json!("O'; DROP TABLE users;--\r\nSet-Cookie: a=b\u{0}\u{7f}"));
            lie("name", json!("<script>alert(2)</script>\"'&\u{202e}"));
            lie("email", json!("\"><img src=x>\"@example.org"));
            lie("__proto__", json!({ "admin": true }));
        }
        Fault::ClaimsHuge => lie("given_name", json!("a".repeat(100_000))),
        Fault::ClaimsDeep => {
            // Not more: whoever drops it does so recursively.
            let deep = (0..1000).fold(json!(1), |inner, _| json!([inner]));
            lie("given_name_array", deep);
        }
        Fault::UserinfoAudWrong => lie("aud", json!("another-client")),
        Fault::UserinfoIssWrong => lie("iss", json!(STRANGER)),
        Fault::UserinfoExpired => {
            for name in ["exp", "iat"] {
                if let Some(time) = claims.get(name).and_then(Value::as_u64) {
                    claims.insert(name.to_owned(), json!(time.saturating_sub(7200)));
                }
            }
        }
        _ => {}
    }
}

/// Lies around the claims of signed userinfo.
pub(in crate::endpoints) fn jws(fault: Option<Fault>, jws: String, claims: &Map<String, Value>) -> String {
    match fault {
        Some(Fault::UserinfoBadSignature) => id_token::altered(&jws),
        Some(Fault::UserinfoAlgNone) => alg_none(claims),
        _ => jws,
    }
}

/// JSON in which `sub` comes twice (RFC 8259, section 4, leaves open what that means).
pub(in crate::endpoints) fn duplicate(claims: &Map<String, Value>) -> String {
    let text = serde_json::to_string(claims).unwrap_or_default();
    format!("{{\"sub\":\"somebody-else\",{}", text.get(1..).unwrap_or_default())
}

/// Another subject of the same shape.
fn other_sub(sub: &str) -> String {
    let other = if sub.starts_with('0') { '1' } else { '0' };
    other.to_string() + sub.get(1..).unwrap_or_default()
}
