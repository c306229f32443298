//! The public keys that a client registers as a JWK set (RFC 7517): what it is encrypted to, and what it
//! authenticates by.

use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::keys::Alg;

/// The keys of one client.
#[derive(Default)]
pub(crate) struct ClientKeys {
    encryption: Vec<EncryptionKey>,
    signature: Vec<SignatureKey>,
}

/// Whom a JWE is for, and how its key reaches them (RFC 7518, section 4.1).
pub(crate) struct EncryptionKey {
    pub(crate) kid: Option<String>,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    /// RSAES OAEP with SHA-256.
    RsaOaep256(OaepPublicEncryptingKey),
    /// RSAES OAEP with SHA-1.
    RsaOaep(OaepPublicEncryptingKey),
    /// ECDH-ES, direct, on P-256: the uncompressed point.
    EcdhEs(Vec<u8>),
}

struct SignatureKey {
    kid: Option<String>,
    public: Public,
}

enum Public {
    Ec(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl ClientKeys {
    /// Reads a set. The reason of a refusal names the key by its place.
    pub(crate) fn parse(jwks: &Value) -> Result<Self, String> {
        let keys = jwks.get("keys").and_then(Value::as_array).ok_or("there is no array `keys`")?;
        let mut found = Self::default();
        for (at, key) in keys.iter().enumerate() {
            let place = |reason: &str| format!("key {at}: {reason}");
            let text = |name: &str| key.get(name).and_then(Value::as_str);
            if text("d").is_some() {
                return Err(place("this is a private key; register its public half"));
            }
            let kid = text("kid").map(str::to_owned);
            let public = public(key).map_err(place)?;
            if text("use").is_none_or(|usage| usage == "sig") {
                found.signature.push(SignatureKey { kid: kid.clone(), public: public.clone() });
            }
            if text("use").is_none_or(|usage| usage == "enc") {
                let kind = Kind::new(public, text("alg")).map_err(place)?;
                found.encryption.push(EncryptionKey { kid, kind });
            }
        }
        Ok(found)
    }

    /// The first that can be encrypted to.
    pub(crate) fn encryption(&self) -> Option<&EncryptionKey> {
        self.encryption.first()
    }

    /// Whether one of them signed this.
    pub(crate) fn verify(&self, alg: Alg, kid: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        self.signature.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).any(|key| {
            match (&key.public, alg) {
                (Public::Ec(point), Alg::Es256) => {
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
                }
                (Public::Rsa { n, e }, Alg::Rs256) => RsaPublicKeyComponents { n, e }
                    .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                    .is_ok(),
                _ => false,
            }
        })
    }
}

impl Clone for Public {
    fn clone(&self) -> Self {
        match self {
            Self::Ec(point) => Self::Ec(point.clone()),
            Self::Rsa { n, e } => Self::Rsa { n: n.clone(), e: e.clone() },
        }
    }
}

fn public(key: &Value) -> Result<Public, &'static str> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(|value| URL_SAFE_NO_PAD.decode(value).ok());
    match text("kty") {
        Some("EC") if text("crv") == Some("P-256") => {
            let (x, y) = (bytes("x").ok_or("x is not base64url")?, bytes("y").ok_or("y is not base64url")?);
            if x.len() != 32 || y.len() != 32 {
                return Err("x and y must be 32 bytes each");
            }
            Ok(Public::Ec([&[4], &*x, &*y].concat()))
        }
        Some("EC") => Err("only the curve P-256 is supported"),
        Some("RSA") => Ok(Public::Rsa {
            n: bytes("n").ok_or("n is not base64url")?,
            e: bytes("e").ok_or("e is not base64url")?,
        }),
        _ => Err("kty must be EC or RSA"),
    }
}

impl Kind {
    fn new(public: Public, alg: Option<&str>) -> Result<Self, &'static str> {
        match (public, alg) {
            // A key without `use` may be one for signatures.
            (Public::Ec(point), None | Some("ECDH-ES" | "ES256")) => Ok(Self::EcdhEs(point)),
            (Public::Rsa { n, e }, None | Some("RSA-OAEP-256" | "RS256")) => {
                Ok(Self::RsaOaep256(oaep(n, e)?))
            }
            (Public::Rsa { n, e }, Some("RSA-OAEP")) => Ok(Self::RsaOaep(oaep(n, e)?)),
            _ => Err("alg must be RSA-OAEP-256, RSA-OAEP or ECDH-ES"),
        }
    }

    /// Its name in a header.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::RsaOaep256(_) => "RSA-OAEP-256",
            Self::RsaOaep(_) => "RSA-OAEP",
            Self::EcdhEs(_) => "ECDH-ES",
        }
    }
}

fn oaep(n: Vec<u8>, e: Vec<u8>) -> Result<OaepPublicEncryptingKey, &'static str> {
    let key: Result<PublicEncryptingKey, _> = PublicKeyComponents { n, e }.try_into();
    key.and_then(OaepPublicEncryptingKey::new).map_err(|_| "this is no RSA key of 2048 to 8192 bits")
}
