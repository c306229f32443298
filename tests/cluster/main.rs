//! Equal nodes behind a balancer, and processes that are killed or lack something. All read one list of steps
//! ([`steps::STEPS`]): a new single-use thing joins by one line.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod http;
#[cfg(test)]
mod keys;
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
mod seal_key;
#[cfg(test)]
#[expect(dead_code, reason = "the whole of both servers; here they only run")]
#[path = "../store/servers.rs"]
mod servers;
#[cfg(test)]
mod stalled;
#[cfg(test)]
mod starved;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod three;

/// Where browsers and applications believe the relay to be, whichever node answers.
#[cfg(test)]
const RELAY: &str = "https://127.0.0.1";

/// Ends what runs beside a test when the test ends, in whatever way.
#[cfg(test)]
struct Ends<'a>(&'a std::sync::atomic::AtomicBool);

#[cfg(test)]
impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Into the test's output.
#[cfg(test)]
#[expect(clippy::print_stdout, reason = "a test's own output")]
fn say(line: &str) {
    println!("{line}");
}
