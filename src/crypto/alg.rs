//! The closed lists of JOSE algorithms (RFC 7518, RFC 8037, RFC 9864), for every role. No `none`; whoever names an
//! algorithm takes its name from here.

use std::fmt;

use aws_lc_rs::digest::{self, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

/// HMAC with SHA-256 (RFC 7518, section 3.2): no member of [`Alg`], so that a secret is never taken for a key.
pub const HS256: &str = "HS256";

/// The signature algorithms of key pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Alg {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa];

    /// The names on the wire. `EdDSA` (RFC 8037) and `Ed25519` (RFC 9864) are one algorithm, since Ed25519 is the
    /// only curve of it here.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("RS256", Self::Rs256),
        ("PS256", Self::Ps256),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
        ("Ed25519", Self::EdDsa),
    ];

    /// The name that we write.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, alg)| *alg == self).map_or("", |(name, _)| name)
    }

    /// From a name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, alg)| alg)
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Alg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// By what something is signed: a key pair, or a secret that two parties share (HS256).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// A key pair, by this algorithm.
    Key(Alg),
    /// A shared secret.
    Secret,
}

impl SignedBy {
    /// The name that we write.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key(alg) => alg.as_str(),
            Self::Secret => HS256,
        }
    }

    /// The left half of the digest that goes with the algorithm, as base64url: `at_hash` (OpenID Connect Core,
    /// section 3.1.3.6).
    pub fn left_half_hash(self, of: &[u8]) -> String {
        let digest = match self {
            Self::Secret | Self::Key(Alg::Rs256 | Alg::Ps256 | Alg::Es256) => digest(&digest::SHA256, of),
            Self::Key(Alg::Es384) => digest(&digest::SHA384, of),
            Self::Key(Alg::EdDsa) => digest(&digest::SHA512, of),
        };
        let (left, _) = digest.as_ref().split_at(digest.as_ref().len() / 2);
        URL_SAFE_NO_PAD.encode(left)
    }
}

/// How the key of an encrypted text reaches us (RFC 7518, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyManagement {
    /// Agreement on P-256, direct.
    EcdhEs,
    /// RSAES OAEP with SHA-256.
    RsaOaep256,
}

impl KeyManagement {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::EcdhEs, Self::RsaOaep256];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdhEs => "ECDH-ES",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }

    /// From the name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name)
    }
}

/// How a text is encrypted (RFC 7518, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncryption {
    /// AES-256-GCM.
    A256Gcm,
    /// AES-256-CBC with HMAC-SHA-512: a legacy wire's alone.
    A256CbcHs512,
}

impl ContentEncryption {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A256Gcm => "A256GCM",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_its_names() {
        for alg in Alg::ALL {
            assert_eq!(Alg::parse(alg.as_str()), Some(alg));
        }
        assert_eq!((Alg::parse("Ed25519"), Alg::EdDsa.as_str()), (Some(Alg::EdDsa), "EdDSA"));
        for alg in KeyManagement::ALL {
            assert_eq!(KeyManagement::parse(alg.as_str()), Some(alg));
        }
        for name in ["none", "HS256", "es256", "EDDSA", "Ed448", "RS384", ""] {
            assert_eq!(Alg::parse(name), None, "{name}");
        }
    }

    #[test]
    fn at_hash_takes_the_digest_of_the_algorithm() {
        // OpenID Connect Core, appendix A.3.
        let token = b"jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(SignedBy::Key(Alg::Rs256).left_half_hash(token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(SignedBy::Secret.left_half_hash(token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(SignedBy::Key(Alg::Es384).left_half_hash(token).len(), 32);
        assert_eq!(SignedBy::Key(Alg::EdDsa).left_half_hash(token).len(), 43);
    }
}
