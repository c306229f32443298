//! `relais legacy encode`: what an application does before it sends its user to the relay.

use clap::Args;

use super::{Iv, Sealer, directions, iv};
use crate::cli::{Failure, input, output};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::entropy::{Entropy, SystemEntropy};
use crate::legacy::Direction;

/// Seal standard input into a message on standard output.
///
/// Seals exactly the bytes of standard input, and prints exactly the message: no line break is taken away or
/// added. The callback of a request is one line without its break: `printf %s "$url" | relais legacy encode …`
/// On the wire jwe it is the claims, as JSON, their times included.
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
    /// The IV. KIF's wires need it: the one that all their messages share. Otherwise it reproduces a known
    /// message, and is never used twice under one key [default: random]
    #[arg(long, value_name = "HEX", value_parser = iv)]
    iv: Option<Iv>,
}

impl Encode {
    pub(super) fn run(self) -> Result<(), Failure> {
        let keyed = self.sealer.open(self.direction, self.iv.as_ref())?;
        let now = self.ts.map_or_else(|| SystemClock.now(), Timestamp::from_seconds);
        let chance = SystemEntropy::new();
        let entropy: &dyn Entropy = match &self.iv {
            Some(iv) => iv,
            None => &chance,
        };
        output(keyed.seal(self.direction, now, entropy, &input()?).as_bytes())
    }
}
