//! Something fetched from a peer and kept: refreshed now and then, by one call at a time, and used for a while
//! longer when the peer fails.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, MutexGuard};

use crate::clock::{Clock, Timestamp};

/// After this long it is fetched again, without need.
pub const REFRESH: Duration = Duration::from_hours(1);
/// After this long it is no longer used, whatever the peer's state.
pub const LAST_GOOD: Duration = Duration::from_hours(24);
/// It is not fetched more often than this, where it does not fit.
pub const AGAIN: Duration = Duration::from_mins(1);
/// After a failure it is fetched again this soon; after each further one twice as late, up to [`AGAIN`].
pub const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A value of a peer. `E` says why it could not be fetched.
pub struct Kept<T, E> {
    good: ArcSwapOption<Good<T>>,
    flight: Mutex<Flight<E>>,
}

/// Its age counts by a clock that only goes forward.
struct Good<T> {
    value: Arc<T>,
    at: Duration,
    /// By the clock that may be set.
    dated: Timestamp,
}

struct Flight<E> {
    /// No fetch before that.
    next: Duration,
    /// How many failed since the last one that did not.
    failed: u32,
    failure: Option<Arc<E>>,
}

/// What a fetch that somebody wished for came to.
pub struct Refreshed<T> {
    /// The value.
    pub value: Arc<T>,
    /// For how long no other fetch is made, where none was made now.
    pub withheld: Option<Duration>,
}

impl<T, E> Kept<T, E> {
    /// Nothing yet.
    pub fn new() -> Self {
        let flight = Flight { next: Duration::ZERO, failed: 0, failure: None };
        Self { good: ArcSwapOption::empty(), flight: Mutex::new(flight) }
    }

    /// The value, if there is one and it is not yet due.
    pub fn fresh(&self, clock: &dyn Clock) -> Option<Arc<T>> {
        let good = self.good.load();
        // What was fetched in the future was fetched under a clock that was wrong, as everything else may have been then.
        let good = good.as_ref().filter(|good| good.dated <= clock.now())?;
        (clock.running().saturating_sub(good.at) < REFRESH).then(|| Arc::clone(&good.value))
    }

    /// The value, fetched if there is none or if it is due. A failure is said to `noted` if there is a good
    /// value to go on with, and returned otherwise.
    pub async fn get(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, E>>,
        noted: impl FnOnce(&E),
    ) -> Result<Arc<T>, Arc<E>> {
        if let Some(value) = self.fresh(clock) {
            return Ok(value);
        }
        // While another call refreshes, the old value serves.
        let flight = match (self.last_good(clock), self.flight.try_lock()) {
            (_, Ok(flight)) => flight,
            (Some(value), Err(_)) => return Ok(value),
            (None, Err(_)) => self.flight.lock().await,
        };
        // Another call may have fetched it meanwhile.
        match self.fresh(clock) {
            Some(value) => Ok(value),
            None => self.fly(flight, clock, fetch, noted, false).await.map(|refreshed| refreshed.value),
        }
    }

    /// The value, fetched again because it does not fit; at most once in [`AGAIN`]. What [`Self::get`] fetched
    /// does not count: a peer may have changed a moment later.
    pub async fn refresh(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, E>>,
        noted: impl FnOnce(&E),
    ) -> Result<Refreshed<T>, Arc<E>> {
        let flight = self.flight.lock().await;
        self.fly(flight, clock, fetch, noted, true).await
    }

    async fn fly(
        &self,
        mut flight: MutexGuard<'_, Flight<E>>,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, E>>,
        noted: impl FnOnce(&E),
        forced: bool,
    ) -> Result<Refreshed<T>, Arc<E>> {
        let now = clock.running();
        let wait = flight.next.saturating_sub(now);
        if !wait.is_zero() {
            match (self.last_good(clock), &flight.failure) {
                (Some(value), _) => return Ok(Refreshed { value, withheld: Some(wait) }),
                (None, Some(failure)) => return Err(Arc::clone(failure)),
                (None, None) => {}
            }
        }
        match fetch.await {
            Ok(value) => {
                let value = Arc::new(value);
                let good = Good { value: Arc::clone(&value), at: now, dated: clock.now() };
                self.good.store(Some(Arc::new(good)));
                let next = if forced { now.saturating_add(AGAIN) } else { now };
                *flight = Flight { next, failed: 0, failure: None };
                Ok(Refreshed { value, withheld: None })
            }
            Err(failure) => {
                // Counted from the end: a peer that is slow to fail is not asked more often.
                let pause = AFTER_FAILURE.saturating_mul(1 << flight.failed.min(4)).min(AGAIN);
                flight.next = clock.running().saturating_add(pause);
                flight.failed = flight.failed.saturating_add(1);
                if let Some(value) = self.last_good(clock) {
                    noted(&failure);
                    return Ok(Refreshed { value, withheld: None });
                }
                let failure = Arc::new(failure);
                flight.failure = Some(Arc::clone(&failure));
                Err(failure)
            }
        }
    }

    fn last_good(&self, clock: &dyn Clock) -> Option<Arc<T>> {
        let good = self.good.load();
        let young = |good: &&Arc<Good<T>>| clock.running().saturating_sub(good.at) < LAST_GOOD;
        good.as_ref().filter(young).map(|good| Arc::clone(&good.value))
    }
}

impl<T, E> Default for Kept<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HandClock;

    fn clock() -> HandClock {
        HandClock::at(Timestamp::from_seconds(1_790_000_000))
    }

    async fn ask(
        kept: &Kept<u32, &'static str>,
        clock: &HandClock,
        answer: Result<u32, &'static str>,
    ) -> Result<u32, &'static str> {
        kept.get(clock, async { answer }, |_| ()).await.map(|v| *v).map_err(|e| *e)
    }

    #[tokio::test]
    async fn a_value_is_fetched_once_an_hour() {
        let (kept, clock) = (Kept::new(), clock());
        assert_eq!(ask(&kept, &clock, Ok(1)).await, Ok(1));
        clock.advance(REFRESH.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(ask(&kept, &clock, Ok(2)).await, Ok(1));
        clock.advance(Duration::from_millis(1));
        assert_eq!(ask(&kept, &clock, Ok(2)).await, Ok(2));
    }

    #[tokio::test]
    async fn a_value_that_does_not_fit_is_fetched_at_most_once_a_minute() {
        let (kept, clock) = (Kept::new(), clock());
        let forced = async |answer: u32| {
            let refreshed = kept.refresh(&clock, async move { Ok::<_, &'static str>(answer) }, |_| ()).await;
            *refreshed.unwrap().value
        };
        assert_eq!(ask(&kept, &clock, Ok(1)).await, Ok(1));
        assert_eq!(forced(2).await, 2, "right after an ordinary fetch");
        assert_eq!(forced(3).await, 2);
        clock.advance(AGAIN.checked_sub(Duration::from_millis(1)).unwrap());
        assert_eq!(forced(3).await, 2);
        clock.advance(Duration::from_millis(1));
        assert_eq!(forced(3).await, 3);
    }

    #[tokio::test]
    async fn the_last_good_value_serves_a_day() {
        let (kept, clock) = (Kept::new(), clock());
        assert_eq!(ask(&kept, &clock, Ok(1)).await, Ok(1));
        clock.advance(LAST_GOOD.checked_sub(Duration::from_secs(1)).unwrap());
        let mut noted = 0;
        let kept_value = kept.get(&clock, async { Err("down") }, |_| noted += 1).await;
        assert_eq!((*kept_value.unwrap(), noted), (1, 1));
        clock.advance(Duration::from_secs(1));
        // The pause after the failure is not over, but nothing good is left.
        assert_eq!(ask(&kept, &clock, Ok(2)).await, Ok(2));
    }

    #[tokio::test]
    async fn a_failure_is_remembered_five_seconds() {
        let (kept, clock) = (Kept::new(), clock());
        assert_eq!(ask(&kept, &clock, Err("down")).await, Err("down"));
        clock.advance(Duration::from_millis(4999));
        assert_eq!(ask(&kept, &clock, Ok(1)).await, Err("down"));
        clock.advance(Duration::from_millis(1));
        assert_eq!(ask(&kept, &clock, Ok(1)).await, Ok(1));
    }

    #[tokio::test]
    async fn a_failure_is_tried_again_after_seconds_and_ever_later() {
        let (kept, clock) = (Kept::new(), clock());
        for pause in [5, 10, 20, 40, 60, 60] {
            assert_eq!(ask(&kept, &clock, Err("down")).await, Err("down"));
            clock.advance(Duration::from_secs(pause).checked_sub(Duration::from_millis(1)).unwrap());
            assert_eq!(ask(&kept, &clock, Ok(1)).await, Err("down"), "{pause}");
            clock.advance(Duration::from_millis(1));
        }
        assert_eq!(ask(&kept, &clock, Ok(1)).await, Ok(1));
    }

    /// L14 and N17 of the field.
    #[tokio::test]
    async fn no_clock_that_is_set_stops_fetching() {
        let (kept, clock) = (Kept::new(), clock());
        assert_eq!(ask(&kept, &clock, Err("down")).await, Err("down"));
        clock.put_back(Duration::from_hours(2000));
        assert_eq!(ask(&kept, &clock, Ok(1)).await, Err("down"), "no time has passed");
        clock.advance(AFTER_FAILURE);
        assert_eq!(ask(&kept, &clock, Ok(1)).await, Ok(1));
        // Fetched under a clock that was ahead, and then was set right.
        clock.set_ahead(Duration::from_hours(30));
        assert_eq!(ask(&kept, &clock, Ok(2)).await, Ok(1), "a leap is no age");
        clock.advance(REFRESH);
        assert_eq!(ask(&kept, &clock, Ok(3)).await, Ok(3));
        clock.put_back(Duration::from_hours(30));
        assert!(kept.fresh(&clock).is_none());
        assert_eq!(ask(&kept, &clock, Ok(4)).await, Ok(4), "at once");
        assert_eq!(ask(&kept, &clock, Ok(5)).await, Ok(4));
    }
}
