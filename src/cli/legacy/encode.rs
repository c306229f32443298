//! `relais legacy encode`: what an application does before it sends its user to the relay.

use clap::Args;

use super::{Sealer, directions};
use crate::cli::{Failure, input, output};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::entropy::{Entropy, SystemEntropy};
use crate::legacy::Direction;

/// Seal standard input into a message on standard output.
///
/// Seals exactly the bytes of standard input, and prints exactly the message: no line break is taken away or
/// added. The callback of a request is one line without its break: `printf %s "$url" | relais legacy encode …`
#[derive(Debug, Args)]
pub(super) struct Encode {
    #[command(flatten)]
    sealer: Sealer,
    /// What the message is for; an application sends requests, and sealed logouts
    #[arg(long, default_value = "request", value_parser = directions())]
    direction: Direction,
    /// The time it is stamped with, in seconds since 1970 [default: now]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=253_402_300_799))]
    ts: Option<u64>,
    /// The IV, to reproduce a known message; never twice under one key [default: random]
    #[arg(long, value_name = "HEX", value_parser = iv)]
    iv: Option<Iv>,
}

impl Encode {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (wire, keyed) = self.sealer.open()?;
        let length = wire.iv_length();
        if let Some(Iv(iv)) = &self.iv
            && iv.len() != length
        {
            let text = format!("--iv has {} bytes, and those of {} have {length}", iv.len(), wire.name());
            return Err(Failure::Usage(text));
        }
        let now = self.ts.map_or_else(|| SystemClock.now(), Timestamp::from_seconds);
        let chance = SystemEntropy::new();
        let entropy: &dyn Entropy = match &self.iv {
            Some(iv) => iv,
            None => &chance,
        };
        output(keyed.seal(self.direction, now, entropy, &input()?).as_bytes())
    }
}

/// A given IV, in place of chance.
#[derive(Clone, Debug)]
struct Iv(Vec<u8>);

impl Entropy for Iv {
    fn fill(&self, buffer: &mut [u8]) {
        for (to, from) in buffer.iter_mut().zip(&self.0) {
            *to = *from;
        }
    }
}

fn iv(text: &str) -> Result<Iv, &'static str> {
    hex::decode(text).map(Iv).map_err(|_| "write pairs of hexadecimal digits")
}
