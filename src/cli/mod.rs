//! The command line: one file per command. Results go to standard output, everything else to standard error.

mod backup;
#[cfg(feature = "demo")]
mod bench;
mod check_config;
mod config_file;
#[cfg(feature = "demo")]
mod demo;
mod doctor;
mod import_kif;
mod keys;
mod legacy;
mod log;
mod privacy;
mod reload;
mod serve;

use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::Faults;
use crate::keys::read_secret_file;
use crate::legacy::MasterKey;
use crate::outbound::chain;

/// An identity broker between national identity providers and the applications that need their users.
#[derive(Debug, Parser)]
#[command(name = "relais", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0   done
  1   failed while running
  2   wrong usage
  78  wrong configuration

Keys and secrets are never given on the command line: they are in files that only their owner may read.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Reload(reload::Reload),
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    CheckConfig(check_config::CheckConfig),
    Doctor(doctor::Doctor),
    ImportKif(import_kif::ImportKif),
    Keys(keys::Keys),
    Backup(backup::Backup),
    Privacy(privacy::Privacy),
    Legacy(legacy::Legacy),
    #[cfg(feature = "demo")]
    Bench(bench::Bench),
}

/// From now on a panic says where it happened and nothing else: its text may hold what a request brought.
pub fn hide_what_panics_say() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "a place unknown".to_owned(), ToString::to_string);
        // Where standard error is closed there is nobody left to tell.
        let _ = writeln!(std::io::stderr(), "relais: a defect at {place}; please report it");
    }));
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Reload(reload) => reload.run(),
            #[cfg(feature = "demo")]
            Command::Demo(demo) => demo.run(),
            Command::CheckConfig(check) => check.run(),
            Command::Doctor(doctor) => doctor.run(),
            Command::ImportKif(import) => import.run(),
            Command::Keys(keys) => keys.run(),
            Command::Backup(backup) => backup.run(),
            Command::Privacy(privacy) => privacy.run(),
            Command::Legacy(legacy) => legacy.run(),
            #[cfg(feature = "demo")]
            Command::Bench(bench) => bench.run(),
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug)]
pub enum Failure {
    /// It failed.
    Runtime(String),
    /// It was not asked rightly.
    Usage(String),
    /// The configuration is wrong.
    Config(Faults),
}

impl Failure {
    /// A failure with its causes, in one line.
    pub fn caused(error: &dyn std::error::Error) -> Self {
        Self::Runtime(chain(error))
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Runtime(_) => 1,
            Self::Usage(_) => 2,
            // EX_CONFIG of sysexits.h: a service manager need not try again.
            Self::Config(_) => 78,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(text) | Self::Usage(text) => write!(f, "error: {text}"),
            Self::Config(faults) => faults.fmt(f),
        }
    }
}

/// Runs `work` on all cores.
fn in_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::caused(&error))?;
    let done = runtime.block_on(work);
    // What blocks a thread (the resolver, a file) does not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

/// The environment, for the configuration; names and values that are not UTF-8 are none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The key in a file.
fn master_key(path: &Path) -> Result<MasterKey, Failure> {
    let text = read_secret_file(path).map_err(|error| Failure::caused(&error))?;
    let bad = |error| Failure::Runtime(format!("{} holds no key: {error}", path.display()));
    MasterKey::from_hex(text.expose()).map_err(bad)
}

/// All of standard input.
fn input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let failed = |error| Failure::Runtime(format!("cannot read standard input: {error}"));
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Exactly these bytes to standard output.
fn output(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let failed = |error| Failure::Runtime(format!("cannot write to standard output: {error}"));
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
