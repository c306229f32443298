//! Chance as an argument: one seam, so that a test can replay a run.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills `buffer` with fresh bytes.
    fn fill(&self, buffer: &mut [u8]);
}

impl dyn Entropy + '_ {
    /// `N` fresh bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        self.fill(&mut buffer);
        buffer
    }

    /// A handle of 256 bits: 43 base64url characters (RFC 4648 section 5, no padding).
    pub fn handle(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }

    /// 256 bits as 64 lowercase hex digits, the only form that every national provider accepts for
    /// `state` and `nonce`.
    pub fn hex64(&self) -> String {
        hex::encode(self.bytes::<32>())
    }
}

/// The operating system's generator, through aws-lc.
pub struct SystemEntropy(aws_lc_rs::rand::SystemRandom);

impl SystemEntropy {
    /// A generator.
    pub fn new() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that opens the machine's source of chance"
        )]
        Self(aws_lc_rs::rand::SystemRandom::new())
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        use aws_lc_rs::rand::SecureRandom as _;
        if self.0.fill(buffer).is_err() {
            // Without chance no handle is safe, and there is no answer that would be.
            std::process::abort();
        }
    }
}
