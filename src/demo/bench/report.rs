//! The figures, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was done.
    pub scenario: &'static str,
    /// What it cost.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The figures of a scenario. CPU time is user and system together, in microseconds.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Figures {
    /// Logins, beside the floor.
    Logins(Logins),
    /// Refused messages.
    Garbage {
        /// CPU time of the relay per message.
        cpu_us: f64,
        /// Messages counted.
        requests: u64,
        /// Requests that were answered in another way.
        errors: u64,
    },
    /// Memory.
    Memory {
        /// Resident memory of a relay that nobody has used, in KiB.
        idle_kib: u64,
        /// What each login in flight adds to it, in bytes.
        login_in_flight_bytes: u64,
        /// How many were in flight.
        logins_in_flight: u64,
        /// Logins that did not begin.
        errors: u64,
    },
    /// Logins beside live sessions.
    Growth {
        /// How many sessions were made.
        sessions: u64,
        /// What each left in resident memory, in bytes: itself, its marks, and what is kept of its login for a minute.
        fresh_session_bytes: u64,
        /// The same when that minute is over: itself and its marks.
        session_bytes: u64,
        /// By how much a login is dearer beside them, in multiples of the floor.
        growth_percent: f64,
        /// Before.
        empty: Logins,
        /// After.
        full: Logins,
        /// Logins on the way there that did not end in an answer.
        errors: u64,
    },
}

/// Logins, beside the floor.
#[derive(Debug, Serialize)]
pub struct Logins {
    /// CPU time of the relay per login.
    pub cpu_us: f64,
    /// CPU time of the floor per login, in the same seconds.
    pub floor_us: f64,
    /// One over the other.
    pub times_floor: f64,
    /// CPU time of the simulated provider per login: its share of the machine, none of the relay's.
    pub stub_cpu_us: f64,
    /// Logins counted.
    #[serde(rename = "logins")]
    pub counted: u64,
    /// Logins that did not end in an answer that its application can open.
    pub errors: u64,
    /// Resident memory of the relay at the end, in KiB.
    pub rss_kib: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.scenario;
        match &self.figures {
            Figures::Logins(logins) => write!(f, "{name:<13}{logins}"),
            Figures::Garbage { cpu_us, requests, errors } => {
                write!(
                    f,
                    "{name:<13}{cpu_us:>8.1} µs per refused message; {requests} messages, {errors} errors"
                )
            }
            Figures::Memory { idle_kib, login_in_flight_bytes, logins_in_flight, errors } => write!(
                f,
                "{name:<13}{idle_kib:>8} KiB idle\n{:<13}{login_in_flight_bytes:>8} bytes per login in flight; \
                 {logins_in_flight} logins, {errors} errors",
                ""
            ),
            Figures::Growth {
                sessions,
                fresh_session_bytes,
                session_bytes,
                growth_percent,
                empty,
                full,
                errors,
            } => write!(
                f,
                "{name:<13}{growth_percent:>8.1} % per login, beside {sessions} sessions; {errors} errors\n\
                 {:<13}{session_bytes:>8} bytes per session with its marks; {fresh_session_bytes} in its first minute\n{:<13}{empty}\n{:<13}{full}",
                "", "  before", "  after"
            ),
        }
    }
}

impl fmt::Display for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu_us, floor_us, times_floor, stub_cpu_us, counted, errors, rss_kib } = self;
        write!(
            f,
            "{cpu_us:>8.1} µs per login, {times_floor:.2} times the floor of {floor_us:.1} µs; {counted} logins, \
             {errors} errors; {rss_kib} KiB; the simulated provider: {stub_cpu_us:.1} µs"
        )
    }
}

/// Microseconds of `spent` for each of `count`.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn per(spent: Duration, count: u64) -> f64 {
    rounded(spent.as_secs_f64() * 1e6 / count.max(1) as f64, 10.0)
}

/// `figure` in multiples of `floor`.
pub(super) fn ratio(figure: f64, floor: f64) -> f64 {
    if floor > 0.0 { rounded(figure / floor, 1000.0) } else { 0.0 }
}

/// By how many percent `figure` is above `base`.
pub(super) fn percent_over(figure: f64, base: f64) -> f64 {
    if base > 0.0 { rounded((figure / base - 1.0) * 100.0, 10.0) } else { 0.0 }
}

fn rounded(figure: f64, parts: f64) -> f64 {
    (figure * parts).round() / parts
}
