//! What stands in an event for something that must not: enough to find it again, nothing to use it with.

use std::fmt;

/// A browser session: 128 bits of a digest of its id, written as KIF wrote its session ids, 32 upper-case digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHandle([u8; 16]);

impl SessionHandle {
    /// From the digest of the session's id.
    pub fn new(digest: [u8; 32]) -> Self {
        let mut first = [0; 16];
        first.iter_mut().zip(digest).for_each(|(byte, digest)| *byte = digest);
        Self(first)
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 32];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        digits.make_ascii_uppercase();
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

/// A sealed text as a browser brought it: whether it is hexadecimal, its length in characters, and 32 bits of its
/// SHA-256, by which it is found in the log of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    is_hex: bool,
    length: usize,
    digest: u32,
}

impl Sealed {
    /// Of `text`, whose SHA-256 is `digest`.
    pub fn new(text: &str, digest: [u8; 32]) -> Self {
        let [a, b, c, d, ..] = digest;
        let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self { is_hex, length: text.len(), digest: u32::from_be_bytes([a, b, c, d]) }
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.is_hex { "hex" } else { "text" };
        write!(f, "{form}:{}:sha256={:08x}", self.length, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_of_them() {
        assert_eq!(SessionHandle::new([0xab; 32]).to_string(), "AB".repeat(16));
        assert_eq!(Sealed::new("00ff", [1; 32]).to_string(), "hex:4:sha256=01010101");
        assert_eq!(Sealed::new("zz", [0; 32]).to_string(), "text:2:sha256=00000000");
        assert_eq!(Sealed::new("", [0; 32]).to_string(), "text:0:sha256=00000000");
    }
}
