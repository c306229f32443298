//! `relais demo`.

use clap::Args;

use super::Failure;

/// Show the relay on this machine, with two applications and a simulated provider.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The first of the ports on 127.0.0.1: the relay's; the others follow it
    #[arg(long, value_name = "N", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1024..=65_500))]
    port_base: u16,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        Err(Failure::Runtime(format!("demo is not wired yet (port {})", self.port_base)))
    }
}
