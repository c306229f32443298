//! Encryption for unit tests: the sender's side, told to be wrong.

use aws_lc_rs::agreement::{self, ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::crypto::seal::SealKey;
use crate::secret::Secret;

/// A key pair made for one test.
pub(crate) enum Recipient {
    Rsa(PrivateDecryptingKey),
    Ec { pkcs8: Vec<u8>, point: Vec<u8> },
}

/// How a text is wrapped.
pub(crate) struct Wrap<'a> {
    pub alg: &'a str,
    pub enc: &'a str,
    pub kid: Option<&'a str>,
    pub cty: Option<&'a str>,
    /// More members, each with a comma after it.
    pub more: &'a str,
    /// Instead of the true `epk`, with a comma after it.
    pub epk: Option<&'a str>,
}

impl<'a> Wrap<'a> {
    pub(crate) fn new(alg: &'a str, kid: &'a str) -> Self {
        Self { alg, enc: "A256GCM", kid: Some(kid), cty: Some("JWT"), more: "", epk: None }
    }
}

impl Recipient {
    pub(crate) fn rsa() -> Self {
        Self::Rsa(PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap())
    }

    pub(crate) fn ec() -> Self {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        Self::Ec { pkcs8: pair.to_pkcs8v1().unwrap().as_ref().to_vec(), point }
    }

    /// As an operator's file has it.
    pub(crate) fn pem(&self) -> Secret<String> {
        let der = match self {
            Self::Rsa(key) => AsDerOf::der(key),
            Self::Ec { pkcs8, .. } => pkcs8.clone(),
        };
        let text =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
        Secret::new(text)
    }
}

/// `as_der` has several forms; this is PKCS#8.
trait AsDerOf {
    fn der(&self) -> Vec<u8>;
}

impl AsDerOf for PrivateDecryptingKey {
    fn der(&self) -> Vec<u8> {
        let der: Pkcs8V1Der<'_> = self.as_der().unwrap();
        der.as_ref().to_vec()
    }
}

/// A compact JWE of `text`; wherever the header names what is not served, the true algorithm of the key is used.
pub(crate) fn seal(to: &Recipient, wrap: &Wrap<'_>, text: &str) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let member =
        |name: &str, value: Option<&str>| value.map_or_else(String::new, |v| format!("\"{name}\":\"{v}\","));
    let (mut content_key, mut epk, mut wrapped) = ([7; 32], String::new(), Vec::new());
    match to {
        Recipient::Rsa(key) => {
            let public = OaepPublicEncryptingKey::new(key.public_key()).unwrap();
            wrapped = vec![0; public.ciphertext_size()];
            public.encrypt(&OAEP_SHA256_MGF1SHA256, &content_key, &mut wrapped, None).unwrap();
        }
        Recipient::Ec { point, .. } => {
            #[expect(clippy::disallowed_methods, reason = "an ephemeral key needs a generator")]
            let random = aws_lc_rs::rand::SystemRandom::new();
            let ephemeral = EphemeralPrivateKey::generate(&ECDH_P256, &random).unwrap();
            let public = ephemeral.compute_public_key().unwrap();
            let (x, y) = public.as_ref()[1..].split_at(32);
            epk = format!(
                "\"epk\":{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{}\",\"y\":\"{}\"}},",
                encode(x),
                encode(y)
            );
            let theirs = UnparsedPublicKey::new(&ECDH_P256, point);
            content_key = agreement::agree_ephemeral(ephemeral, theirs, (), |shared| {
                Ok(super::concat_kdf(shared, "A256GCM", 256, b"", b""))
            })
            .unwrap();
        }
    }
    let header = format!(
        "{{{}{}{}{}\"alg\":\"{}\",\"enc\":\"{}\"}}",
        wrap.more,
        wrap.epk.map_or(epk, str::to_owned),
        member("kid", wrap.kid),
        member("cty", wrap.cty),
        wrap.alg,
        wrap.enc
    );
    let protected = encode(header.as_bytes());
    let sealed = SealKey::new(&content_key).seal(&[3; 12], protected.as_bytes(), text.as_bytes());
    let (ciphertext, tag) = sealed.split_at(sealed.len() - 16);
    format!("{protected}.{}.{}.{}.{}", encode(&wrapped), encode(&[3; 12]), encode(ciphertext), encode(tag))
}
