//! `relais`: the command line, turned into an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use relais::cli::{Cli, hide_what_panics_say};

/// A login makes hundreds of small allocations, and frees some on another thread: this allocator is made for that.
/// Huge pages stay off (`no_thp`): they cost an idle relay half of its memory again.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
