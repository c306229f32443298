//! `relais serve`.

use std::path::PathBuf;

use clap::Args;

use super::Failure;

/// Serve people and applications.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration; config/relais.toml is a commented one
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        Err(Failure::Runtime(format!("serve is not wired yet ({})", self.config.display())))
    }
}
