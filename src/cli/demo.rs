//! `relais demo`.

use clap::Args;

use super::log::Log;
use super::{Failure, in_runtime};
use crate::config::{EventConfig, LogFormat};
use crate::demo;
use crate::event::Level;

/// Show the relay on this machine, with an application and a simulated provider.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The first of five ports on 127.0.0.1: the relay's; the other parts follow
    #[arg(long, value_name = "N", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1024..=65_500))]
    port_base: u16,
    #[command(flatten)]
    log: Log,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let settings = EventConfig {
            format: LogFormat::Auto,
            level: Level::Info,
            levels: Vec::new(),
            burst_per_minute: 60,
        };
        let (events, _flush) = self.log.open(&settings)?;
        in_runtime(async { demo::run(self.port_base, events).await.map_err(|error| Failure::caused(&error)) })
    }
}
