//! Equal nodes behind a balancer without affinity, and processes that are killed. Both read one list of steps
//! ([`steps::STEPS`]): a new single-use thing joins by one line.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod http;
#[cfg(test)]
mod kill;
#[cfg(test)]
#[expect(dead_code, reason = "the whole application; here it is asked for a part")]
#[path = "../it/harness/legacy_app.rs"]
mod legacy_app;
#[cfg(test)]
mod link;
#[cfg(test)]
mod load;
#[cfg(test)]
mod nginx;
#[cfg(test)]
mod nodes;
#[cfg(test)]
#[expect(dead_code, reason = "the whole of both servers; here they only run")]
#[path = "../store/servers.rs"]
mod servers;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod three;

/// Where browsers and applications believe the relay to be, whichever node answers.
#[cfg(test)]
const RELAY: &str = "https://127.0.0.1";

/// Into the test's output.
#[cfg(test)]
#[expect(clippy::print_stdout, reason = "a test's own output")]
fn say(line: &str) {
    println!("{line}");
}
