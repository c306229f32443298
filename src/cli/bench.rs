//! `relais bench`.

use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{Failure, in_runtime, output};
use crate::demo::bench::{self, Report, Scenario, Settings};

/// Measure the relay on this machine, beside the least that a relay can cost.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// What is measured; everything, where none is named
    #[arg(long = "scenario", value_name = "NAME", value_parser = scenario())]
    scenarios: Vec<Scenario>,
    /// How long each figure is measured, in seconds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How old the relay is before its logins count, in seconds: in its first minute it also looks for marks in its
    /// file
    #[arg(long, value_name = "N", default_value_t = 62, value_parser = clap::value_parser!(u64).range(..=3_600))]
    warm_up: u64,
    /// How many sessions `growth` makes; `memory` has a fifth as many logins in flight
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=900_000))]
    sessions: u64,
    /// Print one JSON object for each scenario, each in a line
    #[arg(long)]
    json: bool,
    /// Be the floor: a process of the bench's own
    #[arg(long, hide = true, exclusive = true)]
    floor: bool,
}

fn scenario() -> impl TypedValueParser<Value = Scenario> {
    PossibleValuesParser::new(Scenario::ALL.map(Scenario::name)).map(|name| {
        let found = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
        found.unwrap_or(Scenario::Relay)
    })
}

impl Bench {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.floor {
            return bench::floor().map_err(|error| Failure::caused(&error));
        }
        let scenarios = if self.scenarios.is_empty() { Scenario::ALL.to_vec() } else { self.scenarios };
        let warm_up = Duration::from_secs(self.warm_up);
        let settings = Settings { scenarios, seconds: self.seconds, warm_up, sessions: self.sessions };
        let mut said = Ok(());
        let say = |report: &Report| {
            if said.is_ok() {
                said = line(report, self.json);
            }
        };
        in_runtime(async { bench::run(&settings, say).await.map_err(|error| Failure::caused(&error)) })?;
        said
    }
}

fn line(report: &Report, json: bool) -> Result<(), Failure> {
    let text = if json {
        serde_json::to_string(report).map_err(|error| Failure::caused(&error))?
    } else {
        report.to_string()
    };
    output(format!("{text}\n").as_bytes())
}
