//! `relais keys`: makes keys, and shows and changes the keyring.

mod ring;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{Failure, output};
use crate::entropy::{Entropy, SystemEntropy};

/// Make keys, and show and change the relay's own.
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Generate(Generate),
    List(ring::List),
    Rotate(ring::Rotate),
    // The alias is its name up to now.
    #[command(alias = "retire")]
    Revoke(ring::Revoke),
}

/// Make a key.
#[derive(Debug, Subcommand)]
enum Generate {
    /// Make the key that one legacy application and the relay share: 64 hexadecimal digits.
    ///
    /// Give the same file to the application and to the relay (`key_file` in its section). `--out` makes it
    /// readable by its owner only, which both need.
    Legacy {
        /// Write it to a new file of mode 0600 instead of standard output; never overwrites
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make the root seal key, under which everything in the store lies: 64 hexadecimal digits.
    ///
    /// For `keys.seal_key_file`, the same file on every node of a cluster. A relay with a store of its own makes
    /// one at its first start.
    Seal {
        /// Write it to a new file of mode 0600 instead of standard output; never overwrites
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Keys {
    pub(super) fn run(self) -> Result<(), Failure> {
        let out = match self.command {
            Command::Generate(Generate::Legacy { out } | Generate::Seal { out }) => out,
            Command::List(list) => return list.run(),
            Command::Rotate(rotate) => return rotate.run(),
            Command::Revoke(revoke) => return revoke.run(),
        };
        let line = Zeroizing::new(format!("{}\n", *digits(&SystemEntropy::new())));
        match out {
            None => output(line.as_bytes()),
            Some(path) => write_new(&path, line.as_bytes()),
        }
    }
}

fn digits(entropy: &dyn Entropy) -> Zeroizing<String> {
    let key = Zeroizing::new(entropy.bytes::<32>());
    Zeroizing::new(hex::encode(*key))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        let shown = path.display();
        Failure::Runtime(match error.kind() {
            ErrorKind::AlreadyExists => format!("{shown} is there already; it was left as it is"),
            _ => format!("cannot write {shown}: {error}"),
        })
    })
}
