//! JSON with its random parts as bytes: most of what is kept is digests, identifiers and tokens, which are text only
//! because JSON is.
//!
//! `FE` ‖ length ‖ bytes stands for lower-case hexadecimal digits, `FF` ‖ length ‖ bytes for base64url. UTF-8 has neither
//! byte, so text without such parts is packed as it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A way to write bytes as text.
#[derive(Clone, Copy)]
enum Code {
    Hex,
    Base64Url,
}

impl Code {
    /// The denser one first.
    const ALL: [Self; 2] = [Self::Hex, Self::Base64Url];

    fn mark(self) -> u8 {
        match self {
            Self::Hex => 0xFE,
            Self::Base64Url => 0xFF,
        }
    }

    /// How many characters in front of `text` become bytes at once; whichever they are, they come back the same. Few are
    /// not worth it.
    fn fits(self, text: &[u8]) -> Option<usize> {
        let (least, most, unit) = match self {
            Self::Hex => (16, 510, 2),
            Self::Base64Url => (24, 340, 4),
        };
        let run = text.iter().take(most).take_while(|c| self.has(**c)).count();
        (run >= least).then_some(run - run % unit)
    }

    fn has(self, c: u8) -> bool {
        match self {
            Self::Hex => matches!(c, b'0'..=b'9' | b'a'..=b'f'),
            Self::Base64Url => c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'),
        }
    }

    /// Their bytes, at most 255.
    fn decode(self, digits: &[u8], bytes: &mut [u8; 255]) -> Option<usize> {
        match self {
            Self::Hex => {
                let length = digits.len() / 2;
                hex::decode_to_slice(digits, bytes.get_mut(..length)?).ok().map(|()| length)
            }
            Self::Base64Url => URL_SAFE_NO_PAD.decode_slice(digits, bytes).ok(),
        }
    }

    fn encode(self, bytes: &[u8], digits: &mut [u8; 510]) -> Option<usize> {
        match self {
            Self::Hex => {
                let length = 2 * bytes.len();
                hex::encode_to_slice(bytes, digits.get_mut(..length)?).ok().map(|()| length)
            }
            Self::Base64Url => URL_SAFE_NO_PAD.encode_slice(bytes, digits).ok(),
        }
    }
}

/// Packs UTF-8.
pub(super) fn pack(mut text: &[u8]) -> Vec<u8> {
    let (mut packed, mut bytes) = (Vec::with_capacity(text.len()), [0; 255]);
    while !text.is_empty() {
        let part = Code::ALL.into_iter().find_map(|code| {
            let taken = code.fits(text)?;
            let length = code.decode(text.get(..taken)?, &mut bytes)?;
            Some((code.mark(), taken, length))
        });
        let taken = if let Some((mark, taken, length)) = part {
            packed.extend([mark, u8::try_from(length).unwrap_or(u8::MAX)]);
            packed.extend(bytes.iter().take(length));
            taken
        } else {
            let word = text.iter().take_while(|c| Code::Base64Url.has(**c)).count().max(1);
            packed.extend(text.iter().take(word));
            word
        };
        text = text.get(taken..).unwrap_or_default();
    }
    packed
}

/// What was packed; `None` where it ends too soon.
pub(super) fn unpack(mut packed: &[u8]) -> Option<Vec<u8>> {
    // So much at most: no part of it stays behind in memory that was given back.
    let (mut text, mut digits) = (Vec::with_capacity(2 * packed.len()), [0; 510]);
    while let Some((first, rest)) = packed.split_first() {
        packed = rest;
        if let Some(code) = Code::ALL.into_iter().find(|code| code.mark() == *first) {
            let (length, rest) = rest.split_first()?;
            let (bytes, rest) = rest.split_at_checked(usize::from(*length))?;
            let length = code.encode(bytes, &mut digits)?;
            text.extend(digits.iter().take(length));
            packed = rest;
        } else {
            text.push(*first);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_packed_comes_back() {
        let runs = ["", "\"", "é", "0a", "9f3c", "A", "Zz", "-_", ".", "\u{10ffff}"];
        for first in runs {
            for second in runs {
                for times in [1, 3, 7, 8, 9, 24, 85, 86, 255, 300] {
                    let text = [first, &second.repeat(times), first, &"0b".repeat(times), "g"].concat();
                    assert_eq!(unpack(&pack(text.as_bytes())).unwrap(), text.as_bytes(), "{text}");
                }
            }
        }
    }

    #[test]
    fn digests_and_tokens_take_what_they_are() {
        let digest = ["\"", &"0123456789abcdef".repeat(4), "\""].concat();
        assert_eq!(pack(digest.as_bytes()).len(), 32 + 4);
        let token = [&URL_SAFE_NO_PAD.encode([0xAB; 300]), ".", &URL_SAFE_NO_PAD.encode([0xCD; 63])].concat();
        assert_eq!(pack(token.as_bytes()).len(), 300 + 2 * 2 + 1 + 63 + 2);
        assert_eq!(
            pack("{\"name\":\"Zoé\",\"at\":1790791514000}".as_bytes()),
            "{\"name\":\"Zoé\",\"at\":1790791514000}".as_bytes()
        );
        assert_eq!(unpack(&[0xFE]), None);
        assert_eq!(unpack(&[0xFE, 2, 1]), None);
    }
}
