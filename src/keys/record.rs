//! One key as it lies in the store, and the closed list of what keys are for.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize as _, Zeroizing};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::Timestamp;
use crate::crypto::alg::{Alg, HS256, KeyManagement};
use crate::crypto::fresh::{self, CannotMake};
use crate::crypto::jwe::DecryptionKey;
use crate::crypto::jws::sign::SigningKey;
use crate::entropy::Entropy;
use crate::secret::Secret;
use crate::service::UpstreamName;
use crate::store::{Ceiling, Class, Kind, Record, Spec, fields_of};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// It signs what we say.
    Signing,
    /// It decrypts what others encrypt for us.
    Encryption,
    /// It authenticates our own nonces.
    Nonce,
}

impl KeyUse {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Signing, Self::Encryption, Self::Nonce];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Encryption => "encryption",
            Self::Nonce => "nonce",
        }
    }
}

/// The algorithms for which keys are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlg {
    /// To sign.
    Es256,
    /// To decrypt, by agreement.
    EcdhEs,
    /// To decrypt, by RSA.
    RsaOaep256,
    /// To authenticate our own nonces.
    Hs256,
}

impl KeyAlg {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EcdhEs, Self::RsaOaep256, Self::Hs256];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => Alg::Es256.as_str(),
            Self::EcdhEs => KeyManagement::EcdhEs.as_str(),
            Self::RsaOaep256 => KeyManagement::RsaOaep256.as_str(),
            Self::Hs256 => HS256,
        }
    }

    /// A fresh key, and its id: the thumbprint of its public half (RFC 7638), or chance.
    fn make(self, entropy: &dyn Entropy) -> Result<(Secret<Vec<u8>>, String), CannotMake> {
        let private = match self {
            Self::Es256 | Self::EcdhEs => fresh::p256()?,
            Self::RsaOaep256 => fresh::rsa()?,
            Self::Hs256 => Secret::new(entropy.bytes::<32>().to_vec()),
        };
        let kid = match self {
            Self::Es256 => SigningKey::from_pkcs8(None, Some(Alg::Es256), private.expose())
                .map_err(|_| CannotMake)?
                .kid()
                .to_owned(),
            Self::EcdhEs | Self::RsaOaep256 => {
                DecryptionKey::from_pkcs8(None, private.expose()).map_err(|_| CannotMake)?.kid().to_owned()
            }
            Self::Hs256 => entropy.handle(),
        };
        Ok((private, kid))
    }
}

impl Serialize for KeyAlg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyAlg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Self::ALL.into_iter().find(|alg| alg.as_str() == name);
        known.ok_or_else(|| serde::de::Error::custom("an algorithm for which no keys are made"))
    }
}

/// A succession of keys: one use, for one upstream registration or for the relay itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Succession {
    /// What its keys are for.
    #[serde(rename = "use")]
    pub usage: KeyUse,
    /// Whom they are for; the relay itself where `None`.
    pub upstream: Option<UpstreamName>,
}

impl fmt::Display for Succession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.upstream {
            Some(upstream) => write!(f, "{} for the upstream {upstream}", self.usage.name()),
            None => f.write_str(self.usage.name()),
        }
    }
}

/// A succession that shall have keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The succession.
    pub succession: Succession,
    /// What the next key of it shall be.
    pub alg: KeyAlg,
}

/// The relay's own successions.
pub const RELAY: &[Wanted] = &[
    Wanted { succession: Succession { usage: KeyUse::Signing, upstream: None }, alg: KeyAlg::Es256 },
    Wanted { succession: Succession { usage: KeyUse::Nonce, upstream: None }, alg: KeyAlg::Hs256 },
];

/// One key. No `Debug`: its private half is inside.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The succession that it belongs to; under the name that stores have of it.
    #[serde(rename = "line")]
    pub succession: Succession,
    /// Its place in the succession, from 1.
    pub generation: u32,
    /// What it is for.
    pub alg: KeyAlg,
    /// Its id.
    pub kid: String,
    /// PKCS#8, or the bytes themselves; empty once it is revoked.
    pub(super) private: Private,
    /// When it was made, and published.
    pub created: Timestamp,
    /// From when it is used; until the next of its succession is.
    pub active_from: Timestamp,
    /// When an operator ended it; under the name that stores have of it, which earlier nodes read too.
    #[serde(rename = "retired")]
    pub revoked: Option<Timestamp>,
}

impl Record for KeyRecord {
    const KIND: Kind = Kind::new(&Spec {
        name: "key",
        class: Class::Lasting,
        is_mark: false,
        // A few for each upstream.
        ceiling: Ceiling::Fixed(10_000),
        about: "a key of the relay's own",
        personal: "",
        fields: fields_of::<Self>,
        longest: |lifetimes| lifetimes.key,
        ends: "by relais keys revoke",
    });
}

impl KeyRecord {
    /// A fresh key.
    pub(super) fn make(
        wanted: &Wanted,
        generation: u32,
        active_from: Timestamp,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, CannotMake> {
        let (private, kid) = wanted.alg.make(entropy)?;
        Ok(Self {
            succession: wanted.succession.clone(),
            generation,
            alg: wanted.alg,
            kid,
            private: Private(private),
            created: now,
            active_from,
            revoked: None,
        })
    }

    /// Where it lies: of two makers of one generation, one finds the place taken.
    pub(super) fn handle(succession: &Succession, generation: u32) -> Vec<u8> {
        let owner = succession.upstream.as_ref().map(UpstreamName::as_str).unwrap_or_default();
        [succession.usage.name().as_bytes(), &[0], owner.as_bytes(), &[0], &generation.to_be_bytes()].concat()
    }
}

/// A private key. Only the sealed record writes it.
#[derive(Clone)]
pub(super) struct Private(pub(super) Secret<Vec<u8>>);

impl Private {
    pub(super) fn erased() -> Self {
        Self(Secret::new(Vec::new()))
    }
}

impl Serialize for Private {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.expose())))
    }
}

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(&text);
        text.zeroize();
        // The error would show a byte of it.
        let bytes = bytes.map_err(|_| serde::de::Error::custom("a private key is not base64"))?;
        Ok(Self(Secret::new(bytes)))
    }
}
