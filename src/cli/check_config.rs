//! `relais check-config`: every fault at once.

use std::io::Write as _;

use clap::Args;

use super::config_file::ConfigFile;
use super::{Failure, output};

/// Check a configuration and report every fault at once.
///
/// Reads the configuration, the environment's `RELAIS_SECTION__KEY` over it, and every file it names; calls
/// nobody. Each fault is one line on standard error, `path: what is wrong; what would be right`, and the exit
/// code is 78. Weak choices, and those that were probably not meant, are warned of.
#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    config: ConfigFile,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let mut stderr = std::io::stderr().lock();
        for warning in &config.warnings {
            // Where standard error is closed there is nobody left to warn.
            let _ = writeln!(stderr, "warning: {warning}");
        }
        let [upstreams, apps, warnings] = [
            counted(config.upstreams.len(), "upstream"),
            counted(config.apps.len(), "application"),
            counted(config.warnings.len(), "warning"),
        ];
        let file = self.config.path().display();
        output(format!("{file}: no fault; {upstreams}, {apps}, {warnings}\n").as_bytes())
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}
