//! The program `stub-upstream`.

use std::process::ExitCode;

fn main() -> ExitCode {
    stub_upstream::cli::main()
}
