//! `relais legacy decode`: what an application does with the answer that its user brings.

use clap::Args;

use super::{Iv, Sealer, directions, iv};
use crate::cli::{Failure, input, output};
use crate::event::Reason;
use crate::legacy::Direction;

/// Open the message on standard input onto standard output.
///
/// Opens the message that is exactly the bytes of standard input, and prints exactly what was sealed: no line
/// break is taken away or added. Exits with 1, and prints nothing, if it does not open. Does not judge
/// freshness: the application compares the time, `state`, `nonce`, `iss` and `aud` itself.
#[derive(Debug, Args)]
pub(super) struct Decode {
    #[command(flatten)]
    sealer: Sealer,
    /// What the message is for; `info` is a response, `info_error` a refusal
    #[arg(long, default_value = "response", value_parser = directions())]
    direction: Direction,
    /// The IV that all messages share, on KIF's wires; elsewhere the message carries its own
    #[arg(long, value_name = "HEX", value_parser = iv)]
    iv: Option<Iv>,
}

impl Decode {
    pub(super) fn run(self) -> Result<(), Failure> {
        let keyed = self.sealer.open(self.direction, self.iv.as_ref())?;
        let bytes = input()?;
        // What is no UTF-8 is refused as what is no hex.
        let text = String::from_utf8_lossy(&bytes);
        let opened = keyed.open(self.direction, &text).map_err(|reason| refused(reason, &text))?;
        output(&opened.plaintext)
    }
}

fn refused(reason: Reason, text: &str) -> Failure {
    let row = reason.row();
    let hint = if text.ends_with(['\n', '\r']) {
        "; it ends in a line break, which belongs to no message"
    } else {
        ""
    };
    Failure::Runtime(format!("the message does not open: {} ({}){hint}", row.en, row.code))
}
