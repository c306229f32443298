//! A gzip bomb: little to send, much to unpack.

/// A gzip member (RFC 1952) of one space and then runs of 258 copies of it, at least `length` in all, in one
/// block with fixed codes (RFC 1951, section 3.2.6).
pub(super) fn of_spaces(length: usize) -> Vec<u8> {
    let runs = length.div_ceil(258);
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], partial: 0, filled: 0 };
    bits.push(0b1, 1);
    bits.push(0b10, 2);
    bits.push(0x30 + u32::from(b' '), 8);
    for _ in 0..runs {
        // Length 258, then distance 1.
        bits.push(0b1100_0101, 8);
        bits.push(0, 5);
    }
    // The end of the block, and up to the next byte.
    bits.push(0, 7);
    bits.push(0, 7);
    let total = runs * 258 + 1;
    let mut crc = u32::MAX;
    for _ in 0..total {
        crc ^= u32::from(b' ');
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut bytes = bits.bytes;
    bytes.extend((!crc).to_le_bytes());
    bytes.extend(u32::try_from(total).unwrap_or_default().to_le_bytes());
    bytes
}

/// Bits packed from the least significant one (RFC 1951, section 3.1.1).
struct Bits {
    bytes: Vec<u8>,
    partial: u8,
    filled: u32,
}

impl Bits {
    /// Appends the low `count` bits of `code`, the highest of them first.
    fn push(&mut self, code: u32, count: u32) {
        for at in (0..count).rev() {
            if (code >> at) & 1 == 1 {
                self.partial |= 1 << self.filled;
            }
            self.filled += 1;
            if self.filled == 8 {
                self.bytes.push(self.partial);
                self.partial = 0;
                self.filled = 0;
            }
        }
    }
}
