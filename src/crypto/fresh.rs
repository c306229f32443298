//! Private keys made here, as PKCS#8 (RFC 5958).

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use crate::secret::Secret;

/// No key could be made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no key could be made")]
pub struct CannotMake;

impl From<Unspecified> for CannotMake {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// A key on P-256, to sign by ES256 or to agree by ECDH-ES: one for one of them.
pub fn p256() -> Result<Secret<Vec<u8>>, CannotMake> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    Ok(Secret::new(pair.to_pkcs8v1()?.as_ref().to_vec()))
}

/// An RSA key of 3072 bits, which is what ANSSI's guide asks of keys that are used beyond 2030.
pub fn rsa() -> Result<Secret<Vec<u8>>, CannotMake> {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa3072)?;
    let der: Pkcs8V1Der<'_> = key.as_der()?;
    Ok(Secret::new(der.as_ref().to_vec()))
}
