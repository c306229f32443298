//! `relais serve`.

use std::sync::Arc;

use clap::Args;

use super::config_file::ConfigFile;
use super::log::Log;
use super::{Failure, environment, in_runtime};
use crate::config::{self, Purpose};
use crate::process::{Process, asked_to_stop};

/// Serve people and applications.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    log: Log,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let (events, _flush) = self.log.open(&config.event)?;
        in_runtime(async {
            let load = move || config::load(self.config.path(), environment(), Purpose::Serve);
            let started = Process::start(config, Some(Arc::new(load)), events, None).await;
            let process = started.map_err(|error| Failure::caused(&error))?;
            asked_to_stop().await;
            process.stop().await;
            Ok(())
        })
    }
}
