//! The contents of one kind's records, in blocks of one size. The allocator would keep records of all kinds of about one
//! length side by side: what lives for hours would hold the room of what lived for a minute.

/// Bytes of content in a block.
const BYTES: usize = 60;
/// Blocks that are allocated at once.
const CHUNK: usize = 1024;
/// The number of no block.
const NONE: u32 = u32::MAX;

/// Where a content is: the number of its first block.
pub(super) type First = u32;

pub(super) struct Blocks {
    chunks: Vec<Box<[Block]>>,
    /// The first of those that are free.
    free: u32,
}

#[derive(Clone, Copy)]
struct Block {
    next: u32,
    bytes: [u8; BYTES],
}

impl Default for Blocks {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: NONE }
    }
}

impl Blocks {
    pub(super) fn write(&mut self, content: &[u8]) -> First {
        let mut first = NONE;
        // The last one first: then each knows the next.
        for piece in content.chunks(BYTES).rev() {
            if self.free == NONE {
                self.grow();
            }
            let number = self.free;
            let Some(block) = self.get_mut(number) else { break };
            let free = block.next;
            block.next = first;
            block.bytes.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            (self.free, first) = (free, number);
        }
        first
    }

    /// The first `len` bytes of a content.
    pub(super) fn read(&self, first: First, len: usize) -> Vec<u8> {
        let (mut content, mut number) = (Vec::with_capacity(len), first);
        while content.len() < len
            && let Some(block) = self.get(number)
        {
            content.extend(block.bytes.iter().take(len - content.len()));
            number = block.next;
        }
        content
    }

    pub(super) fn free(&mut self, first: First) {
        let (free, mut number) = (self.free, first);
        while let Some(block) = self.get_mut(number) {
            if block.next == NONE {
                block.next = free;
                self.free = first;
                return;
            }
            number = block.next;
        }
    }

    fn grow(&mut self) {
        let from = self.chunks.len() * CHUNK;
        let number = |at: usize| u32::try_from(from + at).unwrap_or(NONE);
        let block =
            |at| Block { next: if at + 1 < CHUNK { number(at + 1) } else { NONE }, bytes: [0; BYTES] };
        self.chunks.push((0..CHUNK).map(block).collect());
        self.free = number(0);
    }

    fn get(&self, number: u32) -> Option<&Block> {
        let number = number as usize;
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Block> {
        let number = number as usize;
        self.chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_stay_apart_and_free_blocks_are_used_again() {
        let mut blocks = Blocks::default();
        let content = |n: usize| vec![u8::try_from(n % 251).unwrap(); n];
        for round in 0..3 {
            let firsts: Vec<_> = (0..500).map(|n| blocks.write(&content(n))).collect();
            for (n, first) in firsts.iter().enumerate() {
                assert_eq!(blocks.read(*first, n), content(n));
                assert_eq!(blocks.read(*first, n / 2), vec![u8::try_from(n % 251).unwrap(); n / 2]);
            }
            assert_eq!(blocks.chunks.len(), 3, "round {round}");
            for first in firsts {
                blocks.free(first);
            }
        }
    }
}
