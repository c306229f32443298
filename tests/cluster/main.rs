//! Equal nodes behind a balancer without affinity, and processes that are killed. Both read one list of steps
//! ([`steps::STEPS`]): a new single-use thing joins by one line.

mod http;
mod kill;
#[expect(dead_code, reason = "the whole application; here it is asked for a part")]
#[path = "../it/harness/legacy_app.rs"]
mod legacy_app;
mod load;
mod nodes;
#[expect(dead_code, reason = "the whole of both servers; here they only run")]
#[path = "../store/servers.rs"]
mod servers;
mod steps;
mod three;

use std::io::Write as _;

/// Where browsers and applications believe the relay to be, whichever node answers.
const RELAY: &str = "http://127.0.0.1:1";

/// Into the test's output.
#[expect(clippy::unwrap_used, reason = "a test's own output")]
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").unwrap();
}
