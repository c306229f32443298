//! `relais bench`.

use clap::Args;

use super::{Failure, in_runtime, output};
use crate::demo::bench;

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
        let measured =
            in_runtime(async { bench::relay(self.seconds).await.map_err(|error| Failure::caused(&error)) })?;
        let text = if self.json {
            serde_json::to_string(&measured).map_err(|error| Failure::caused(&error))?
        } else {
            format!(
                "{}: {} µs of CPU per login, {} logins per second and core, {} logins, {} errors, {} KiB; \
                 the simulated provider: {} µs",
                self.scenario,
                measured.cpu_us,
                measured.per_core_per_s,
                measured.logins,
                measured.errors,
                measured.rss_kib,
                measured.stub_cpu_us
            )
        };
        output(format!("{text}\n").as_bytes())
    }
}
