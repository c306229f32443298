//! Keys and signatures for unit tests.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::crypto::alg::Alg;
use crate::crypto::json::Members;
use crate::crypto::jwk::PublicKey;

/// A key pair made for one test.
pub(crate) enum TestKey {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, Alg),
    Ed(Ed25519KeyPair),
}

impl TestKey {
    /// A fresh key for `alg`.
    pub(crate) fn generate(alg: Alg) -> Self {
        match alg {
            Alg::Rs256 | Alg::Ps256 => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            Alg::Es256 => {
                let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING);
                Self::Ec(pair.unwrap(), alg)
            }
            Alg::Es384 => {
                let pair = EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING);
                Self::Ec(pair.unwrap(), alg)
            }
            Alg::EdDsa => Self::Ed(Ed25519KeyPair::generate().unwrap()),
        }
    }

    /// The public key, with more members.
    pub(crate) fn jwk(&self, more: &Value) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self {
            Self::Rsa(pair) => {
                let public: RsaPublicKeyComponents<Vec<u8>> = pair.public_key().into();
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
            Self::Ec(pair, alg) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                let crv = if *alg == Alg::Es256 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": crv, "x": text(x), "y": text(y)})
            }
            Self::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())}),
        };
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    }

    /// The public key.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::parse(&Members::from(self.jwk(&json!({})).as_object().unwrap().clone())).unwrap()
    }

    /// A compact JWS; the signature is made by `alg`, whatever the header says.
    pub(crate) fn sign(&self, alg: Alg, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        #[expect(clippy::disallowed_methods, reason = "signing needs a generator")]
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(pair) => {
                let padding = if alg == Alg::Ps256 {
                    &signature::RSA_PSS_SHA256 as &dyn signature::RsaEncoding
                } else {
                    &signature::RSA_PKCS1_SHA256
                };
                let mut bytes = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, signed.as_bytes(), &mut bytes).unwrap();
                bytes
            }
            Self::Ec(pair, _) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A compact JWS signed by a shared secret, whatever the header says.
pub(crate) fn hs256(secret: &[u8], header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let tag = crate::crypto::hash::hmac_sha256(secret, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Somebody else's reading of what `issuer` signed by ES256, whatever its audience; the times are off, for they are
/// the system's.
#[expect(clippy::disallowed_methods, reason = "the library is the other reader")]
pub(crate) fn decoded_by_the_library(
    compact: &str,
    point: &[u8],
    issuer: &str,
) -> jsonwebtoken::TokenData<Value> {
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    validation.set_issuer(&[issuer]);
    validation.sub = Some(issuer.to_owned());
    jsonwebtoken::decode(compact, &jsonwebtoken::DecodingKey::from_ec_der(point), &validation).unwrap()
}
