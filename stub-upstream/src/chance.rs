//! Codes, access tokens and identifiers: 256 bits in base64url (RFC 6749, section 10.10), or repeatable
//! where a seed is given.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where values nobody can guess come from: HMAC of a counter under a key that chance, or a seed, chose.
pub(crate) struct Chance {
    key: hmac::Key,
    counter: AtomicU64,
    rng: SystemRandom,
}

impl Chance {
    #[expect(clippy::disallowed_methods, reason = "the one place where the simulator draws chance")]
    pub(crate) fn new(seed: Option<u64>) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let rng = SystemRandom::new();
        let mut secret = [0; 32];
        match seed {
            Some(seed) => secret = seed_bytes(seed),
            None => rng.fill(&mut secret)?,
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), counter: AtomicU64::new(0), rng })
    }

    /// The machine's own chance, for signatures.
    pub(crate) fn rng(&self) -> &SystemRandom {
        &self.rng
    }

    /// 43 characters.
    pub(crate) fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.draw())
    }

    /// The shape of a UUID (RFC 9562), for error references.
    pub(crate) fn uuid(&self) -> String {
        uuid_shape(self.draw().as_ref())
    }

    fn draw(&self) -> hmac::Tag {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        hmac::sign(&self.key, &count.to_be_bytes())
    }
}

/// 32 hexadecimal digits of `bytes` in groups, with the version and variant of a random UUID.
pub(crate) fn uuid_shape(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    let group = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", group(0, 8), group(8, 12), group(13, 16), group(17, 20), group(20, 32))
}

fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (byte, value) in bytes.iter_mut().zip(seed.to_be_bytes()) {
        *byte = value;
    }
    bytes
}
