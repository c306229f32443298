//! What every module calls a login in flight by: its id, its browser, what an upstream must bring back.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a fixed length, written as lower-case hexadecimal digits. A list of numbers, as version 0.1 wrote them, is
/// read too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        let mut text = [[0_u8; 2]; N];
        for (pair, byte) in text.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4) as u8, digit(byte & 15) as u8];
        }
        f.write_str(std::str::from_utf8(text.as_flattened()).map_err(|_| fmt::Error)?)
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hex({self})")
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Bytes).map(Self)
    }
}

/// Reads hexadecimal digits, or a list of numbers.
struct Bytes<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_str<E: Error>(self, digits: &str) -> Result<[u8; N], E> {
        let mut bytes = [0; N];
        hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| E::custom("not hexadecimal, or of another length"))?;
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<[u8; N], A::Error> {
        let mut bytes = [0; N];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = list.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
        }
        match list.next_element::<u8>()? {
            None => Ok(bytes),
            Some(_) => Err(A::Error::custom("too many bytes")),
        }
    }
}

/// Names one login from the application's request to delivery and logout, in every event: 128 bits, 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginId(Hex<16>);

impl LoginId {
    /// From fresh random bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(Hex(bytes))
    }

    /// The bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0.0
    }
}

impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginId({self})")
    }
}

/// The digest of the random cookie that binds logins in flight, and the session, to one browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrowserId(Hex<32>);

impl BrowserId {
    /// From the digest of the cookie.
    pub fn new(digest: [u8; 32]) -> Self {
        Self(Hex(digest))
    }

    /// The bytes of the digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

/// What the relay sent to an upstream and expects to find unchanged in its answer. Plain data, no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Handshake {
    /// `state` (RFC 6749, section 4.1.1).
    pub state: String,
    /// `nonce` (OpenID Connect Core, section 3.1.2.1).
    pub nonce: String,
    /// PKCE `code_verifier` (RFC 7636), where the profile uses one.
    pub code_verifier: Option<String>,
    /// The issuer that must answer (RFC 9207).
    pub issuer: String,
    /// The redirect URI that was sent, to be repeated at the token endpoint.
    pub redirect_uri: String,
    /// The scopes that were asked.
    pub scopes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_in_hex_and_read_as_version_0_1_wrote_them() {
        let id = LoginId::new([0xab; 16]);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{}\"", "ab".repeat(16)));
        assert_eq!(serde_json::from_str::<LoginId>(&json).unwrap(), id);
        let list = serde_json::to_string(&[0xab_u8; 16]).unwrap();
        assert_eq!(serde_json::from_str::<LoginId>(&list).unwrap(), id);
        for wrong in ["\"ab\"", "[1,2]", "null", &serde_json::to_string(&[1_u8; 17]).unwrap()] {
            assert!(serde_json::from_str::<LoginId>(wrong).is_err(), "{wrong}");
        }
    }
}
