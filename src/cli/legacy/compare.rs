//! `relais legacy compare`: before an application moves, what would change for it.

use std::path::PathBuf;

use clap::Args;

use super::app;
use crate::cli::{Failure, environment, output};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, Purpose};
use crate::entropy::{Entropy, SystemEntropy};
use crate::legacy::compare::{Relay, compare, read, report::Report};
use crate::secret::Secret;
use crate::service::ServiceId;

/// The largest recording, in bytes.
const CEILING: u64 = 256 * 1024 * 1024;

/// Compare recorded exchanges of a running KIF with what this relay would answer.
///
/// Reads FILE, exchanges of KIF as docs/migrating-from-kif.md describes them, and calls nobody. Reports,
/// application by application, where the relay would answer otherwise and why; `[…]` is a difference on
/// purpose, of docs/kif-differences.md, and `!` one that the operator must settle. Values are never shown, only
/// hashes under a key of this one run. Exits with 0 if there is nothing to settle, 1 if there is, 2 if FILE is
/// broken, 78 if the configuration is.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The recording
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The configuration of the relay
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The application of exchanges that name none [default: the one whose key opens them]
    #[arg(long, value_name = "ID", value_parser = app)]
    app: Option<ServiceId>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = config::load(&self.config, environment(), Purpose::Serve).map_err(Failure::Config)?;
        let known = |id: &ServiceId| config.apps.iter().any(|app| app.service.id == *id);
        if let Some(id) = self.app.as_ref().filter(|id| !known(id)) {
            return Err(Failure::Usage(format!("{} has no application {id}", self.config.display())));
        }
        let mut recording = self.read()?;
        for exchange in &mut recording.exchanges {
            exchange.app = exchange.app.take().or_else(|| self.app.clone());
        }
        let chance = SystemEntropy::new();
        let entropy: &dyn Entropy = &chance;
        let relay = Relay {
            apps: &config.apps,
            default_app: config.default_app.as_ref(),
            issuer: config.issuer(),
            now: SystemClock.now(),
            entropy,
        };
        let compared = compare(&relay, &recording.exchanges);
        let report = Report::new(&compared, recording.without, Secret::new(entropy.bytes()));
        let text = if self.json { format!("{}\n", report.json()) } else { report.text() };
        output(text.as_bytes())?;
        match report.to_settle() {
            0 => Ok(()),
            count => Err(Failure::Runtime(format!("{count} of {} exchanges to settle", compared.len()))),
        }
    }

    fn read(&self) -> Result<read::Recording, Failure> {
        let shown = self.file.display();
        let failed = |error| Failure::Usage(format!("cannot read {shown}: {error}"));
        if std::fs::metadata(&self.file).map_err(failed)?.len() > CEILING {
            return Err(Failure::Usage(format!("{shown} is larger than 256 MiB")));
        }
        let bytes = std::fs::read(&self.file).map_err(failed)?;
        read::read(&bytes).map_err(|error| Failure::Usage(format!("{shown}: {error}")))
    }
}
