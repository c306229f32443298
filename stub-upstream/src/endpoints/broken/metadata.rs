//! Faults of the provider's metadata and of its JWK set.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::STRANGER;
use crate::fault::Fault;
use crate::keys::{Alg, KeyRing};

/// Lies in the metadata.
pub(in crate::endpoints) fn discovery(fault: Fault, document: &mut Value) {
    let Some(members) = document.as_object_mut() else { return };
    match fault {
        Fault::DiscoveryIssuer => drop(members.insert("issuer".to_owned(), json!(STRANGER))),
        Fault::DiscoveryNoToken => drop(members.shift_remove("token_endpoint")),
        Fault::DiscoveryOtherHost => {
            for (name, value) in members.iter_mut() {
                if name.ends_with("_endpoint") || name == "jwks_uri" {
                    *value = json!(format!("{STRANGER}/{name}"));
                }
            }
        }
        _ => {}
    }
}

/// Lies in the JWK set.
pub(in crate::endpoints) fn jwks(fault: Fault, set: &mut Value) {
    let Some(keys) = set.get_mut("keys").and_then(Value::as_array_mut) else { return };
    match fault {
        Fault::JwksEmpty => keys.clear(),
        Fault::JwksStale if !keys.is_empty() => drop(keys.remove(0)),
        Fault::JwksDuplicateKid => {
            let kid = keys.first().and_then(|key| key.get("kid")).cloned();
            let stranger = KeyRing::new(vec![Alg::Es256], |_, _| String::new()).ok();
            let stranger = stranger.and_then(|ring| serde_json::from_slice::<Value>(&ring.jwks()).ok());
            let stranger = stranger.and_then(|set| set.get("keys")?.get(0).cloned());
            if let (Some(kid), Some(mut key)) = (kid, stranger) {
                if let Some(members) = key.as_object_mut() {
                    members.insert("kid".to_owned(), kid);
                }
                keys.insert(0, key);
            }
        }
        Fault::JwksWrongUse => each(keys, "use", |_| json!("enc")),
        // It looks like one, and is none.
        Fault::JwksPrivate => {
            each(keys, "d", |key| json!(URL_SAFE_NO_PAD.encode(digest(&SHA256, key.to_string().as_bytes()))));
        }
        _ => {}
    }
}

fn each(keys: &mut [Value], name: &str, value: impl Fn(&Value) -> Value) {
    for key in keys {
        let value = value(key);
        if let Some(members) = key.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    }
}
