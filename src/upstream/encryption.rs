//! What came encrypted for us (OpenID Connect Core, section 10.2): decrypted first, then verified as if it had come
//! plain. Where a registration encrypts, a JWT in clear is refused: whoever could strip the encryption could read it.

use std::sync::Arc;

use serde_json::Value;

use crate::crypto::jwe::{self, DecryptionKey, JweError};
use crate::secret::Secret;

use super::claims::JwtError;

/// The keys of one registration; empty where nothing is encrypted.
#[derive(Clone, Default)]
pub struct DecryptionKeys(Arc<[DecryptionKey]>);

impl DecryptionKeys {
    /// The keys.
    pub fn new(keys: Vec<DecryptionKey>) -> Self {
        Self(keys.into())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The signed JWT inside `text`. `iss` and `aud` of the header, where present, must be what the claims must be
    /// (RFC 7519, section 5.3).
    pub(super) fn open(&self, text: &str, issuer: &str, client_id: &str) -> Result<Secret<String>, JwtError> {
        if text.bytes().filter(|byte| *byte == b'.').count() == 2 {
            return Err(JwtError::NotEncrypted);
        }
        let opened = jwe::decrypt(&self.0, text)?;
        let told = |name| opened.replicated.get(name);
        if told("iss").is_some_and(|iss| iss != issuer) {
            return Err(JwtError::Issuer);
        }
        let ours = |aud: &Value| match aud {
            Value::String(aud) => aud == client_id,
            Value::Array(all) => matches!(&all[..], [Value::String(aud)] if aud == client_id),
            _ => false,
        };
        if told("aud").is_some_and(|aud| !ours(aud)) {
            return Err(JwtError::Audience);
        }
        Ok(opened.jwt)
    }
}

impl From<JweError> for JwtError {
    fn from(error: JweError) -> Self {
        match error {
            JweError::Malformed => Self::Malformed,
            JweError::Alg(alg) => Self::EncryptionAlg(alg),
            JweError::Header => Self::Header,
            JweError::KeyUnknown { alg, kid } => Self::DecryptionKeyUnknown { alg, kid },
            JweError::DoesNotOpen => Self::DoesNotDecrypt,
        }
    }
}
