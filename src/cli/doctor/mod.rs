//! `relais doctor`: whether a relay with this configuration would work here and now. One file per check, one
//! line in [`CHECKS`]. No server is started.

mod affinity;
mod apps;
mod configuration;
mod keys;
mod message;
mod postgres_server;
mod redis_server;
mod sqlite_file;
mod upstreams;
mod wires;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use serde::Serialize;
use tokio::sync::{OnceCell, oneshot};
use tokio::time::timeout;

use super::config_file::ConfigFile;
use super::{Failure, in_runtime, input, output};
use crate::clock::SystemClock;
use crate::config::{Backend, Config, Durable};
use crate::keys::KeyRecord;
use crate::store::{OpenError, PostgresFacts, Record as _, SqliteFacts, StoreError};

/// Every check, in the order of the report.
const CHECKS: &[&dyn Check] = &[
    &configuration::Configuration,
    &affinity::Affinity,
    &postgres_server::Postgres,
    &redis_server::Redis,
    &sqlite_file::Sqlite,
    &keys::Keys,
    &wires::Wires,
    &apps::Apps,
    &message::Message,
    &upstreams::Upstreams,
];

/// The longest that one call may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nodes and the stores that they share should agree on the time to this, in milliseconds.
const APART: u64 = 1_000;

/// The longest recorded message, in bytes.
const CEILING: u64 = 64 * 1024;

/// Check that a relay with this configuration would work here and now.
///
/// Checks the configuration, the stores, the relay's keys and each application's, calls each upstream, and compares
/// the clocks; serves nobody, and writes nothing. One line per check: `ok`, `warn` or `fail`, what it is about, what
/// was found, and what to do. Takes less than 30 seconds. Exits with 0, with 1 if a check failed, with 78 if the
/// configuration has a fault.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    config: ConfigFile,
    /// A `msg` or `info` of a running KIF or application, to find whose key opens it; `-` for standard input
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// Print one JSON list
    #[arg(long)]
    json: bool,
}

/// What is checked.
struct Patient {
    config: Config,
    message: Option<String>,
    postgres: OnceCell<Result<PostgresFacts, StoreError>>,
    sqlite: OnceCell<File>,
}

/// The SQLite file.
enum File {
    Missing,
    Late,
    Failed(OpenError),
    Found(SqliteFacts),
}

impl Patient {
    fn new(config: Config, message: Option<String>) -> Self {
        Self { config, message, postgres: OnceCell::new(), sqlite: OnceCell::new() }
    }

    /// What the PostgreSQL database says, asked once; `None` where nothing is kept there.
    async fn postgres(&self) -> Option<&Result<PostgresFacts, StoreError>> {
        let settings = self.config.store.postgres.as_ref()?;
        Some(
            self.postgres
                .get_or_init(|| PostgresFacts::gather(settings, PATIENCE, &SystemClock, KeyRecord::KIND))
                .await,
        )
    }

    /// What is in the SQLite file, looked at once; `None` where nothing is kept there.
    async fn sqlite(&self) -> Option<&File> {
        let store = &self.config.store;
        if store.durable != Durable::Sqlite && store.ephemeral != Backend::Sqlite {
            return None;
        }
        let look = || {
            let (path, (answer, looked)) = (store.path.clone(), oneshot::channel());
            // Not a task: the runtime would wait for its end.
            std::thread::spawn(move || answer.send(SqliteFacts::gather(&path, KeyRecord::KIND)));
            async {
                match timeout(PATIENCE, looked).await {
                    Ok(Ok(Ok(Some(facts)))) => File::Found(facts),
                    Ok(Ok(Ok(None))) => File::Missing,
                    Ok(Ok(Err(error))) => File::Failed(error),
                    Ok(Err(_)) | Err(_) => File::Late,
                }
            }
        };
        Some(self.sqlite.get_or_init(look).await)
    }
}

/// One check.
#[async_trait]
trait Check: Sync {
    /// What it finds; nothing if it does not apply.
    async fn run(&self, patient: &Patient) -> Vec<Finding>;
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One line of the report. Holds no secret and nobody's identity.
#[derive(Serialize)]
struct Finding {
    state: State,
    area: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(area: &str, what: impl Into<String>) -> Self {
        Self { state: State::Ok, area: area.to_owned(), what: what.into(), advice: None }
    }

    fn warn(area: &str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into()).filter(|advice| !advice.is_empty());
        Self { state: State::Warn, area: area.to_owned(), what: what.into(), advice }
    }

    fn fail(area: &str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::warn(area, what, advice) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "fail",
        };
        write!(f, "{state}  {}  {}", self.area, self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "  → {advice}"),
            None => Ok(()),
        }
    }
}

/// A store's clock against ours.
fn clock(area: &str, ahead: i64) -> Finding {
    let apart = ahead.unsigned_abs();
    if apart <= APART {
        return Finding::ok(area, format!("the clocks agree ({apart} ms)"));
    }
    let how = if ahead > 0 { "ahead of" } else { "behind" };
    let what = format!("its clock is {}.{:03} s {how} ours", apart / 1_000, apart % 1_000);
    Finding::warn(
        area,
        what,
        "synchronise the clocks of this machine, of the other nodes and of the server (NTP)",
    )
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let patient = Patient::new(config, self.message()?);
        let findings = in_runtime(async {
            let mut findings = Vec::new();
            for check in CHECKS {
                findings.extend(check.run(&patient).await);
            }
            Ok(findings)
        })?;
        let text = if self.json {
            serde_json::to_string(&findings).map_err(|error| Failure::caused(&error))?
        } else {
            findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n")
        };
        output(format!("{text}\n").as_bytes())?;
        match findings.iter().filter(|finding| finding.state == State::Fail).count() {
            0 => Ok(()),
            1 => Err(Failure::Runtime("1 check failed".to_owned())),
            count => Err(Failure::Runtime(format!("{count} checks failed"))),
        }
    }

    /// The recorded message, white space around it left out.
    fn message(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.message else { return Ok(None) };
        let shown = path.display();
        let failed = |error| Failure::Usage(format!("cannot read {shown}: {error}"));
        let bytes = if path.as_os_str() == "-" {
            input()?
        } else if std::fs::metadata(path).map_err(failed)?.len() > CEILING {
            return Err(Failure::Usage(format!("{shown} is longer than any message")));
        } else {
            std::fs::read(path).map_err(failed)?
        };
        let text =
            String::from_utf8(bytes).map_err(|_| Failure::Usage(format!("{shown} holds no message")))?;
        Ok(Some(text.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_agree_to_the_second() {
        let said = |ahead| clock("store", ahead).to_string();
        for agree in [0, 1_000, -1_000] {
            assert!(said(agree).starts_with("ok    store  the clocks agree"), "{agree}");
        }
        assert!(said(1_001).starts_with("warn  store  its clock is 1.001 s ahead of ours  → "));
        assert!(said(-2_500).starts_with("warn  store  its clock is 2.500 s behind ours  → "));
    }
}
