//! `relais legacy`: the legacy protocol from a shell, for applications without a cipher of their own and for
//! whoever debugs one.

mod claim;
mod decode;
mod encode;
mod keys;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::{Failure, master_key};
use crate::legacy::wires::{Keyed, WIRES, Wire, find};
use crate::legacy::{Direction, MasterKey};
use crate::service::AppId;

/// Seal, open and fetch the messages of legacy applications.
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
}

impl Legacy {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Encode(encode) => encode.run(),
            Command::Decode(decode) => decode.run(),
            Command::Keys(keys) => keys.run(),
            Command::Claim(claim) => claim.run(),
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
    fn open(&self) -> Result<(&'static dyn Wire, Box<dyn Keyed>), Failure> {
        let unknown = || Failure::Usage(format!("no wire is named {}", self.wire));
        let wire = find(self.wire).ok_or_else(unknown)?;
        Ok((wire, wire.keyed(&self.key.read()?, &self.key.app)))
    }
}

/// An application and its key.
#[derive(Debug, Args)]
struct Key {
    /// The application's id, as in the configuration
    #[arg(long, value_name = "ID", value_parser = app)]
    app: AppId,
    /// The file of its key: 64 hexadecimal digits, readable by its owner only
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
}

impl Key {
    fn read(&self) -> Result<MasterKey, Failure> {
        master_key(&self.key_file)
    }
}

fn app(id: &str) -> Result<AppId, &'static str> {
    AppId::try_from(id.to_owned())
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
