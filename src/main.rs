//! `relais`: the command line, turned into an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use relais::cli::{Cli, hide_what_panics_say};

/// 0 done, 1 failed, 2 misused (clap ends the process itself where it can tell), 78 configuration.
fn main() -> ExitCode {
    hide_what_panics_say();
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where standard error is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
