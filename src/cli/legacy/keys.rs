//! `relais legacy keys`: the keys that an application derives, to compare or to install.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Key, default_wire, named, wires};
use crate::cli::{Failure, output};

/// Print the keys that an application's key gives, and its claim password.
///
/// Prints lines of three columns, separated by tabs: what the key is for, its form, and the key. `hex` and
/// `jwk` (RFC 7517) are the same key. KIF's wires use the application's key itself, for both directions.
#[derive(Debug, Args)]
pub(super) struct Keys {
    /// The wire that the keys are for
    #[arg(long, value_name = "NAME", default_value = default_wire(), value_parser = wires())]
    wire: &'static str,
    #[command(flatten)]
    key: Key,
}

impl Keys {
    pub(super) fn run(self) -> Result<(), Failure> {
        let key = self.key.read()?;
        let app = &self.key.app;
        // To write into a text never fails.
        let mut lines = Zeroizing::new(String::new());
        let wire = named(self.wire)?;
        for direction in wire.directions() {
            let derived = wire.message_key(&key, *direction, app);
            let name = direction.as_str();
            let jwk = json!({
                "kty": "oct",
                "k": URL_SAFE_NO_PAD.encode(derived.expose()),
                "alg": wire.jwk_alg(),
                "use": "enc",
                "kid": format!("{app}/{name}"),
            });
            let _ = writeln!(lines, "{name}\thex\t{}", hex::encode(derived.expose()));
            let _ = writeln!(lines, "{name}\tjwk\t{jwk}");
        }
        let _ = writeln!(lines, "claim\tpassword\t{}", key.claim_password(app).expose());
        output(lines.as_bytes())
    }
}
