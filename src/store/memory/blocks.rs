//! The contents of one kind's records, in blocks of one size. The allocator would keep records of all kinds of about one
//! length side by side: what lives for hours would hold the room of what lived for a minute.

/// Bytes of content in a block.
const BYTES: usize = 60;
/// Blocks that are allocated at once: a mebibyte, which an allocator gives back by itself, and of which nothing is there
/// before it is written.
const CHUNK: usize = 16_384;
/// The number of no block.
const NONE: u32 = u32::MAX;

/// Where a content is: the number of its first block.
pub(super) type First = u32;

pub(super) struct Blocks {
    chunks: Vec<Vec<Block>>,
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
            let mut block = Block { next: first, bytes: [0; BYTES] };
            block.bytes.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            first = self.place(block);
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

    fn place(&mut self, block: Block) -> u32 {
        let free = self.free;
        if let Some(place) = self.get_mut(free) {
            let next = std::mem::replace(place, block).next;
            self.free = next;
            return free;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let number = self.chunks.last().map_or(before, |chunk| before + chunk.len());
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(block);
        }
        super::number(number)
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
            let needed: usize = (0..500_usize).map(|n| n.div_ceil(BYTES)).sum();
            assert_eq!(blocks.chunks.iter().map(Vec::len).sum::<usize>(), needed, "round {round}");
            for first in firsts {
                blocks.free(first);
            }
        }
    }
}
