//! `relais legacy`: the legacy protocol from a shell, for applications without a cipher of their own and for
//! whoever debugs one.

mod claim;
mod compare;
mod decode;
mod encode;
mod keys;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::{Failure, master_key};
use crate::entropy::Entropy;
use crate::legacy::wires::{FIXED_IV, Keyed, WIRES, Wire, find};
use crate::legacy::{Direction, MasterKey};
use crate::paths::{BadAppId, app_id};
use crate::service::ServiceId;

/// Seal, open, fetch and compare the messages of legacy applications.
#[derive(Debug, Args)]
pub(super) struct Legacy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Encode(encode::Encode),
    Decode(decode::Decode),
    Keys(keys::Keys),
    Claim(claim::Claim),
    Compare(compare::Compare),
}

impl Legacy {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Encode(encode) => encode.run(),
            Command::Decode(decode) => decode.run(),
            Command::Keys(keys) => keys.run(),
            Command::Claim(claim) => claim.run(),
            Command::Compare(compare) => compare.run(),
        }
    }
}

/// Who seals, and with what.
#[derive(Debug, Args)]
struct Sealer {
    /// How messages are sealed, as in the application's section of the configuration
    #[arg(long, value_name = "NAME", default_value = default_wire(), value_parser = wires())]
    wire: &'static str,
    #[command(flatten)]
    key: Key,
}

impl Sealer {
    /// The wire under the application's keys, for messages of `direction`. KIF's wires take the IV that all
    /// their messages share.
    fn open(&self, direction: Direction, iv: Option<&Iv>) -> Result<Box<dyn Keyed>, Failure> {
        let wire = named(self.wire)?;
        let name = wire.name();
        if !wire.directions().contains(&direction) {
            return Err(Failure::Usage(format!("{name} has no {}", direction.as_str())));
        }
        let length = wire.iv_length();
        if let Some(Iv(iv)) = iv
            && iv.len() != length
        {
            return Err(Failure::Usage(format!(
                "--iv has {} bytes, and those of {name} have {length}",
                iv.len()
            )));
        }
        let fixed = iv.and_then(|Iv(iv)| <[u8; FIXED_IV]>::try_from(iv.as_slice()).ok());
        let keyed = wire.keyed(&self.key.read()?, &self.key.app, fixed);
        keyed.ok_or_else(|| Failure::Usage(format!("{name} needs --iv, the IV of all its messages")))
    }
}

fn named(name: &str) -> Result<&'static dyn Wire, Failure> {
    find(name).ok_or_else(|| Failure::Usage(format!("no wire is named {name}")))
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

/// An application and its key.
#[derive(Debug, Args)]
struct Key {
    /// The application's id, as in the configuration
    #[arg(long, value_name = "ID", value_parser = app)]
    app: ServiceId,
    /// The file of its key: 64 hexadecimal digits, readable by its owner only
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
}

impl Key {
    fn read(&self) -> Result<MasterKey, Failure> {
        master_key(&self.key_file)
    }
}

fn app(id: &str) -> Result<ServiceId, BadAppId> {
    app_id(id)
}

fn default_wire() -> &'static str {
    WIRES.first().map(|wire| wire.name()).unwrap_or_default()
}

fn wires() -> impl TypedValueParser<Value = &'static str> {
    let names = WIRES.iter().map(|wire| wire.name());
    PossibleValuesParser::new(names).map(|name| find(&name).map(Wire::name).unwrap_or_default())
}

fn directions() -> impl TypedValueParser<Value = Direction> {
    let named = |name: String| Direction::ALL.into_iter().find(|direction| direction.as_str() == name);
    PossibleValuesParser::new(Direction::ALL.map(Direction::as_str))
        .try_map(move |name| named(name).ok_or("no such direction"))
}
