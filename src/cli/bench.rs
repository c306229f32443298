//! `relais bench`.

use clap::Args;

use super::Failure;

/// Measure the relay on this machine.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// What is measured
    #[arg(long, value_name = "NAME", default_value = "relay", value_parser = ["relay"])]
    scenario: String,
    /// How long, in seconds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { scenario, seconds, json } = self;
        Err(Failure::Runtime(format!("bench is not wired yet ({scenario}, {seconds} s, json {json})")))
    }
}
