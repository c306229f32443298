//! Our keys at one upstream: those that the operator brought, else those of the keyring.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::crypto::jwe::DecryptionKey;
use crate::crypto::jwk::PublishedKey;
use crate::crypto::jws::sign::SigningKey;
use crate::keys::{KeyAlg, KeyUse, Keyring, Succession, Wanted};

use super::{Credentials, DecryptionKeys, Settings, Upstream};

/// Whose key signs our assertions.
#[derive(Clone)]
pub enum AssertionKey {
    /// The operator's.
    Given(Arc<SigningKey>),
    /// The keyring's, by ES256.
    Keyring,
}

impl Settings {
    /// What the keyring must hold for it.
    pub fn wanted_keys(&self) -> Vec<Wanted> {
        let wanted = |usage, alg| {
            let succession = Succession { usage, upstream: Some(self.name.clone()) };
            Wanted { succession, alg }
        };
        let mut all = Vec::new();
        if matches!(self.credentials, Credentials::PrivateKeyJwt(AssertionKey::Keyring, _)) {
            all.push(wanted(KeyUse::Signing, KeyAlg::Es256));
        }
        if let DecryptionKeys::Keyring(alg) = self.decryption_keys {
            all.push(wanted(KeyUse::Encryption, alg));
        }
        all
    }
}

impl Upstream {
    /// The same with the keys of `keyring`, where its settings name none.
    pub fn with_keyring(self, keyring: &Arc<Keyring>) -> Self {
        Self { keyring: Some(keyring.clone()), ..self }
    }

    /// The key that signs our assertions now.
    pub(super) fn signing_key(&self, now: Timestamp) -> Option<Arc<SigningKey>> {
        match &self.settings.credentials {
            Credentials::PrivateKeyJwt(AssertionKey::Given(key), _) => Some(key.clone()),
            Credentials::PrivateKeyJwt(AssertionKey::Keyring, _) => {
                self.keyring.as_ref()?.signing(&self.settings.name, now)
            }
            Credentials::Post(_) | Credentials::Basic(_) => None,
        }
    }

    /// The keys that open what it encrypts for us now.
    pub(super) fn decryption_keys(&self, now: Timestamp) -> Vec<Arc<DecryptionKey>> {
        match (&self.settings.decryption_keys, &self.keyring) {
            (DecryptionKeys::Given(keys), _) => keys.to_vec(),
            (DecryptionKeys::Keyring(_), Some(keyring)) => keyring.decryption(&self.settings.name, now),
            (DecryptionKeys::Keyring(_), None) => Vec::new(),
        }
    }

    /// The public halves, for its copy of our key set (RFC 7517, section 5).
    pub fn published_keys(&self, now: Timestamp) -> Vec<PublishedKey> {
        let ring = |usage| {
            let keyring = self.keyring.as_ref();
            keyring.map(|keyring| keyring.published(usage, &self.settings.name, now)).unwrap_or_default()
        };
        let signing = match &self.settings.credentials {
            Credentials::PrivateKeyJwt(AssertionKey::Given(key), _) => vec![key.published()],
            Credentials::PrivateKeyJwt(AssertionKey::Keyring, _) => ring(KeyUse::Signing),
            Credentials::Post(_) | Credentials::Basic(_) => Vec::new(),
        };
        let encryption = match &self.settings.decryption_keys {
            DecryptionKeys::Given(keys) => keys.iter().map(|key| key.published()).collect(),
            DecryptionKeys::Keyring(_) => ring(KeyUse::Encryption),
        };
        [signing, encryption].concat()
    }
}
