//! The signing side: one private key, its algorithm and its id, parsed once (RFC 7515, RFC 7518).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::PublicKeyUse;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};

use crate::crypto::alg::Alg;
use crate::crypto::jwk::{Curve, PublicKey, PublishedKey, UnusableKey};
use crate::crypto::pem::{self, NotPkcs8};
use crate::secret::Secret;

/// A private key that signs by one algorithm.
pub struct SigningKey {
    kid: String,
    alg: Alg,
    pair: Pair,
    public: PublicKey,
    random: SystemRandom,
}

enum Pair {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ec(Box<EcdsaKeyPair>),
    Ed(Box<Ed25519KeyPair>),
}

/// Why a text is no signing key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum NotASigningKey {
    /// It is no PKCS#8.
    #[error(transparent)]
    Pem(#[from] NotPkcs8),
    /// It is not a key of this algorithm.
    #[error("not a key for {0}")]
    Kind(Alg),
    /// It is a key of no algorithm on the list.
    #[error("neither RSA of 2048 to 4096 bits nor P-256, P-384 or Ed25519")]
    Unknown,
}

/// No signature could be made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no signature could be made")]
pub struct CannotSign;

impl SigningKey {
    /// A PKCS#8 key in PEM for `alg`; without one, for the algorithm that its kind has by default (RS256 for RSA).
    pub fn from_pem(kid: String, alg: Option<Alg>, text: &Secret<String>) -> Result<Self, NotASigningKey> {
        let der = pem::pkcs8(text.expose())?;
        Self::from_pkcs8(Some(kid), alg, der.secret_pkcs8_der())
    }

    /// The same in DER. Without a `kid`, its thumbprint (RFC 7638) is it.
    pub fn from_pkcs8(kid: Option<String>, alg: Option<Alg>, der: &[u8]) -> Result<Self, NotASigningKey> {
        let tried = alg.map_or_else(|| vec![Alg::Es256, Alg::Es384, Alg::EdDsa, Alg::Rs256], |alg| vec![alg]);
        let found = tried.into_iter().find_map(|alg| Some((alg, pair(alg, der)?)));
        let (alg, pair) = found.ok_or(alg.map_or(NotASigningKey::Unknown, NotASigningKey::Kind))?;
        #[expect(clippy::disallowed_methods, reason = "a signature's own chance is the library's affair")]
        let random = SystemRandom::new();
        let public = pair.public().map_err(|_| NotASigningKey::Kind(alg))?;
        Ok(Self { kid: kid.unwrap_or_else(|| public.thumbprint()), alg, pair, public, random })
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half, for our JWK Set.
    pub fn published(&self) -> PublishedKey {
        self.public.published(&self.kid, PublicKeyUse::Signature, self.alg.as_str())
    }

    /// A compact JWS of `claims`, whose `typ` names its kind.
    pub fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<Secret<String>, CannotSign> {
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(algorithm(self.alg))
        };
        let header = serde_json::to_vec(&header).map_err(|_| CannotSign)?;
        let claims = serde_json::to_vec(claims).map_err(|_| CannotSign)?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut bytes = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &self.random, signed.as_bytes(), &mut bytes).map_err(|_| CannotSign)?;
                bytes
            }
            Pair::Ec(pair) => {
                let signature = pair.sign(&self.random, signed.as_bytes()).map_err(|_| CannotSign)?;
                signature.as_ref().to_vec()
            }
            Pair::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl Pair {
    fn public(&self) -> Result<PublicKey, UnusableKey> {
        match self {
            Self::Rsa(pair, _) => PublicKey::of_rsa(pair),
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                PublicKey::of_point(if point.len() == 65 { Curve::P256 } else { Curve::P384 }, point)
            }
            Self::Ed(pair) => Ok(PublicKey::Ed25519 { x: pair.public_key().as_ref().to_vec() }),
        }
    }
}

/// The library's name of an algorithm.
pub(super) fn algorithm(alg: Alg) -> Algorithm {
    match alg {
        Alg::Rs256 => Algorithm::RS256,
        Alg::Ps256 => Algorithm::PS256,
        Alg::Es256 => Algorithm::ES256,
        Alg::Es384 => Algorithm::ES384,
        Alg::EdDsa => Algorithm::EdDSA,
    }
}

fn pair(alg: Alg, der: &[u8]) -> Option<Pair> {
    let rsa = |encoding| {
        let pair = RsaKeyPair::from_pkcs8(der).ok()?;
        (256..=512).contains(&pair.public_modulus_len()).then(|| Pair::Rsa(Box::new(pair), encoding))
    };
    let ec = |curve| EcdsaKeyPair::from_pkcs8(curve, der).ok().map(|pair| Pair::Ec(Box::new(pair)));
    match alg {
        Alg::Rs256 => rsa(&RSA_PKCS1_SHA256),
        Alg::Ps256 => rsa(&RSA_PSS_SHA256),
        Alg::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Alg::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        Alg::EdDsa => {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(|pair| Pair::Ed(Box::new(pair)))
        }
    }
}
