//! AES-256-CBC (NIST SP 800-38A) with PKCS#7 padding (RFC 5652, section 6.3): for messages whose form others
//! fixed. It authenticates nothing; whoever uses it checks a MAC first, or refuses whatever looks odd alike.

use aes::Aes256;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use zeroize::Zeroizing;

use super::seal::DoesNotOpen;
use crate::secret::Secret;

/// The length of an IV, and of a block, in bytes.
pub const BLOCK: usize = 16;

/// A key.
#[derive(Clone)]
pub struct CbcKey(Secret<[u8; 32]>);

impl CbcKey {
    /// From 32 bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Secret::new(*key))
    }

    /// The ciphertext of `plaintext` and its padding.
    pub fn encrypt(&self, iv: &[u8; BLOCK], plaintext: &[u8]) -> Vec<u8> {
        let padding = BLOCK - plaintext.len() % BLOCK;
        let mut buffer = plaintext.to_vec();
        buffer.resize(plaintext.len() + padding, u8::try_from(padding).unwrap_or_default());
        let length = buffer.len();
        let cipher = cbc::Encryptor::<Aes256>::new(self.0.expose().into(), iv.into());
        // Fails only on broken blocks, and these are whole.
        let sealed = cipher.encrypt_padded::<NoPadding>(&mut buffer, length).is_ok();
        if sealed { buffer } else { Vec::new() }
    }

    /// The plaintext without its padding. Whether the padding is right is found out in constant time.
    pub fn decrypt(&self, iv: &[u8; BLOCK], ciphertext: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK) {
            return Err(DoesNotOpen);
        }
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let cipher = cbc::Decryptor::<Aes256>::new(self.0.expose().into(), iv.into());
        cipher.decrypt_padded::<NoPadding>(&mut buffer).map_err(|_| DoesNotOpen)?;
        let (padding, wrong) = padding(buffer.last_chunk().ok_or(DoesNotOpen)?);
        let length = buffer.len().saturating_sub(usize::from(padding));
        if wrong != 0 {
            Err(DoesNotOpen)
        } else {
            buffer.get(..length).map(<[u8]>::to_vec).ok_or(DoesNotOpen)
        }
    }
}

/// The length that a last block's padding claims, and 0 if all of it is as it must be. Every byte is looked
/// at, whatever the others are.
fn padding(block: &[u8; BLOCK]) -> (u8, u8) {
    let claimed = block.last().copied().unwrap_or_default();
    // All ones where a < b, for a and b below 256.
    let below = |a: u8, b: u8| (u16::from(a).wrapping_sub(u16::from(b)) >> 8).to_le_bytes()[0];
    let mut wrong = below(claimed, 1) | below(16, claimed);
    for (from_end, byte) in (0_u8..).zip(block.iter().rev()) {
        wrong |= below(from_end, claimed) & (byte ^ claimed);
    }
    (claimed, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_padding_and_no_other() {
        let key = CbcKey::new(&[7; 32]);
        for length in 0..48 {
            let plaintext = vec![b'p'; length];
            let sealed = key.encrypt(&[9; BLOCK], &plaintext);
            assert_eq!(sealed.len(), (length / BLOCK + 1) * BLOCK);
            assert_eq!(key.decrypt(&[9; BLOCK], &sealed).unwrap(), plaintext);
        }
        for claimed in 0..=255_u8 {
            let mut block = [claimed; BLOCK];
            assert_eq!(padding(&block).1 == 0, (1..=16).contains(&claimed), "{claimed}");
            if (2..=16).contains(&claimed) {
                block[BLOCK - usize::from(claimed)] ^= 0x40;
                assert_ne!(padding(&block).1, 0, "{claimed}: its first byte is wrong");
                block[BLOCK - usize::from(claimed)] ^= 0x40;
            }
            if (1..16).contains(&claimed) {
                block[BLOCK - 1 - usize::from(claimed)] ^= 1;
                assert_eq!(padding(&block).1, 0, "{claimed}: what is before it does not matter");
            }
        }
    }
}
