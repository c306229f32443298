//! Which configuration a command reads, said in the same two ways everywhere.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, environment};
use crate::config::{self, Config, Purpose};

/// `FILE` or `--config FILE`.
#[derive(Debug, Args)]
#[group(id = "configuration", required = true, multiple = false)]
pub(super) struct ConfigFile {
    /// The configuration; config/relais.toml is a commented one
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same
    #[arg(long = "config", short = 'c', value_name = "FILE")]
    named: Option<PathBuf>,
}

impl ConfigFile {
    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        // One of them is required.
        self.file.as_deref().or(self.named.as_deref()).unwrap_or(Path::new(""))
    }

    /// Reads it, to serve real people.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        config::load(self.path(), environment(), Purpose::Serve).map_err(Failure::Config)
    }
}
