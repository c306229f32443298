//! A flood of refusals must not become a flood of lines: of what whoever likes can cause, a burst is said, and of the
//! rest the number.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Event, Facts, Level, Reason, Step};
use crate::clock::{Clock, Timestamp};
use crate::peer::Peer;

/// How long is counted before the numbers are said.
const WINDOW: Duration = Duration::from_mins(1);

/// How many floods are counted one by one; further addresses share one count for each reason.
const FLOODS: usize = 4_096;

/// Whether whoever likes can cause `event` as often as they like: requests that are refused before they are a login,
/// and pages that mean nothing. Nothing that belongs to a login or to a session is left out.
fn is_at_will(event: &Event) -> bool {
    let at_will = matches!(
        event.step,
        Step::RequestRefused
            | Step::LegacyRequestRefused
            | Step::LegacyClaimRefused
            | Step::LoginFailed
            | Step::LogoutClosed
            | Step::LogoutReturned
            | Step::HomeShown
    );
    at_will && event.login.is_none() && event.session.is_none()
}

/// Counts events at will by what they say and who caused them, in one window for all, on our clock.
pub(super) struct Sampling {
    clock: Arc<dyn Clock>,
    burst: u32,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    began: Timestamp,
    floods: HashMap<Cause, Flood>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Cause {
    step: Step,
    reason: Option<&'static str>,
    /// The prefix that limits count too; `None` for those that share a count.
    address: Option<IpAddr>,
}

struct Flood {
    reason: Option<Reason>,
    level: Level,
    said: u32,
    left_out: u64,
}

impl Sampling {
    pub(super) fn new(clock: Arc<dyn Clock>, burst: u32) -> Self {
        Self { clock, burst, window: Mutex::default() }
    }

    /// Counts `event`: whether it is said, and what is to be said of the window before.
    pub(super) fn count(&self, event: &Event) -> (bool, Vec<Event>) {
        if !is_at_will(event) {
            return (true, Vec::new());
        }
        let now = self.clock.now();
        let mut window = self.window();
        let ended = window.ended(now);
        if window.floods.is_empty() {
            window.began = now;
        }
        let reason = event.reason;
        let address = event.peer.as_ref().map(Peer::prefix);
        let mut cause = Cause { step: event.step, reason: reason.map(Reason::code), address };
        if window.floods.len() >= FLOODS && !window.floods.contains_key(&cause) {
            cause.address = None;
        }
        let first = Flood { reason, level: event.level, said: 0, left_out: 0 };
        let flood = window.floods.entry(cause).or_insert(first);
        let is_said = flood.said < self.burst;
        if is_said {
            flood.said += 1;
        } else {
            flood.left_out += 1;
        }
        (is_said, ended)
    }

    /// What is to be said of the window, if it has ended.
    pub(super) fn ended(&self) -> Vec<Event> {
        let now = self.clock.now();
        self.window().ended(now)
    }

    /// What is to be said of the window, which ends now.
    pub(super) fn end(&self) -> Vec<Event> {
        self.window().end()
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn ended(&mut self, now: Timestamp) -> Vec<Event> {
        // A window that begins later than it lasts was opened by a clock which has been put back since.
        if now.since(self.began) < WINDOW && self.began.since(now) < WINDOW {
            return Vec::new();
        }
        self.end()
    }

    fn end(&mut self) -> Vec<Event> {
        let floods = std::mem::take(&mut self.floods);
        floods.into_iter().filter(|(_, flood)| flood.left_out > 0).map(left_out).collect()
    }
}

/// The event that says how many were left out.
fn left_out((cause, flood): (Cause, Flood)) -> Event {
    Event {
        step: Step::EventsLeftOut,
        level: flood.level,
        login: None,
        session: None,
        app: None,
        upstream: None,
        reason: flood.reason,
        code: None,
        peer: cause.address.map(|address| Peer { address, port: 0, user_agent: None }),
        facts: Facts {
            count: Some(flood.left_out),
            names: Some(cause.step.name().to_owned()),
            ..Facts::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HandClock;
    use crate::event::reasons;
    use crate::login::LoginId;

    fn event(step: Step, address: [u8; 4]) -> Event {
        Event {
            step,
            level: Level::Warn,
            login: None,
            session: None,
            app: None,
            upstream: None,
            reason: Some(reasons::server::METHOD),
            code: None,
            peer: Some(Peer::at((address, 1).into())),
            facts: Facts::default(),
        }
    }

    fn sampling(burst: u32) -> (HandClock, Sampling) {
        let clock = HandClock::at(Timestamp::from_seconds(1_800_000_000));
        (clock.clone(), Sampling::new(Arc::new(clock), burst))
    }

    fn total(events: &[Event]) -> u64 {
        events.iter().map(|event| event.facts.count.unwrap()).sum()
    }

    #[test]
    fn more_addresses_than_are_counted_one_by_one_share_a_count() {
        let (clock, sampling) = sampling(1);
        let mut said = 0;
        for n in 0..20_000_u32 {
            let [_, a, b, c] = n.to_be_bytes();
            said += u64::from(sampling.count(&event(Step::RequestRefused, [10, a, b, c])).0);
        }
        assert!(sampling.window().floods.len() <= FLOODS + 1);
        clock.advance(WINDOW);
        let ended = sampling.ended();
        assert_eq!(said + total(&ended), 20_000, "each is said, or counted");
        assert!(said <= FLOODS as u64 + 1);
        assert!(ended.iter().any(|event| event.peer.is_none()));
    }

    #[test]
    fn what_belongs_to_a_login_or_a_session_is_never_left_out() {
        let (_, sampling) = sampling(1);
        for step in Step::ALL {
            let of_login = Event { login: Some(LoginId::new([1; 16])), ..event(*step, [192, 0, 2, 1]) };
            let session = Some(crate::event::SessionHandle::new([1; 32]));
            let of_session = Event { session, ..event(*step, [192, 0, 2, 1]) };
            for event in [of_login, of_session] {
                assert!((0..5).all(|_| sampling.count(&event).0), "{}", step.name());
            }
        }
        for step in [Step::LegacyAnswerIssued, Step::SessionSignedIn, Step::SessionEnded, Step::KeyMade] {
            assert!((0..5).all(|_| sampling.count(&event(step, [192, 0, 2, 1])).0), "{}", step.name());
        }
    }

    #[test]
    fn a_clock_put_back_ends_the_window() {
        let (clock, sampling) = sampling(1);
        for _ in 0..3 {
            let _ = sampling.count(&event(Step::RequestRefused, [192, 0, 2, 1]));
        }
        clock.put_back(Duration::from_hours(1));
        assert_eq!(total(&sampling.ended()), 2);
        assert!(sampling.count(&event(Step::RequestRefused, [192, 0, 2, 1])).0);
        assert!(!sampling.count(&event(Step::RequestRefused, [192, 0, 2, 1])).0);
        assert_eq!(total(&sampling.end()), 1, "at the end all is told");
        assert!(sampling.end().is_empty());
    }
}
