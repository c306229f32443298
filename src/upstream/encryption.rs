//! What came encrypted for us (OpenID Connect Core, section 10.2): decrypted first, then verified as if it had come
//! plain. Where a registration encrypts, what comes in clear is refused: whoever could strip the encryption could
//! read it.

use std::sync::Arc;

use serde_json::Value;

use crate::crypto::jwe::{self, DecryptionKey};
use crate::crypto::jwt::{NotAccepted, found};
use crate::keys::KeyAlg;
use crate::secret::Secret;

use super::claims::TokenError;

/// The keys of one registration.
#[derive(Clone)]
pub enum DecryptionKeys {
    /// The operator's; none where nothing is encrypted.
    Given(Arc<[Arc<DecryptionKey>]>),
    /// The keyring's, for this algorithm.
    Keyring(KeyAlg),
}

impl Default for DecryptionKeys {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl DecryptionKeys {
    /// The operator's keys.
    pub fn new(keys: Vec<DecryptionKey>) -> Self {
        Self::Given(keys.into_iter().map(Arc::new).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Given(keys) if keys.is_empty())
    }
}

/// The signed claims inside `text`. `iss` and `aud` of the header, where present, must be what the claims must be
/// (RFC 7519, section 5.3).
pub(super) fn open(
    keys: &[Arc<DecryptionKey>],
    text: &str,
    issuer: &str,
    client_id: &str,
) -> Result<Secret<String>, TokenError> {
    if text.bytes().filter(|byte| *byte == b'.').count() == 2 {
        return Err(TokenError::NotEncrypted);
    }
    let opened = jwe::decrypt(keys, text)?;
    let told = |name| opened.replicated.get(name);
    if told("iss").is_some_and(|iss| iss != issuer) {
        let (due, found) = (issuer.to_owned(), found(told("iss")));
        return Err(NotAccepted::Issuer { due, found }.into());
    }
    let ours = |aud: &Value| match aud {
        Value::String(aud) => aud == client_id,
        Value::Array(all) => matches!(&all[..], [Value::String(aud)] if aud == client_id),
        _ => false,
    };
    if told("aud").is_some_and(|aud| !ours(aud)) {
        return Err(NotAccepted::Audience(found(told("aud"))).into());
    }
    Ok(opened.signed)
}
