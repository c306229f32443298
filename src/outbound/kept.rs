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
/// It is not fetched more often than this.
pub const AGAIN: Duration = Duration::from_mins(1);
/// Nor, where nothing good is at hand, more often than this.
pub const AGAIN_WITHOUT: Duration = Duration::from_secs(5);

/// A value of a peer. `E` says why it could not be fetched.
pub struct Kept<T, E> {
    good: ArcSwapOption<Good<T>>,
    flight: Mutex<Flight<E>>,
}

struct Good<T> {
    value: Arc<T>,
    at: Timestamp,
}

struct Flight<E> {
    next: Timestamp,
    failure: Option<Arc<E>>,
}

impl<T, E> Kept<T, E> {
    /// Nothing yet.
    pub fn new() -> Self {
        let flight = Flight { next: Timestamp::default(), failure: None };
        Self { good: ArcSwapOption::empty(), flight: Mutex::new(flight) }
    }

    /// The value, if there is one and it is not yet due.
    pub fn fresh(&self, clock: &dyn Clock) -> Option<Arc<T>> {
        self.younger_than(REFRESH, clock.now())
    }

    /// The value, fetched if there is none or if it is due. A failure is said to `noted` if there is a good
    /// value to go on with, and returned otherwise.
    pub async fn get(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, E>>,
        noted: impl FnOnce(&E),
    ) -> Result<Arc<T>, Arc<E>> {
        let now = clock.now();
        if let Some(value) = self.younger_than(REFRESH, now) {
            return Ok(value);
        }
        // While another call refreshes, the old value serves.
        if let Some(value) = self.younger_than(LAST_GOOD, now) {
            return match self.flight.try_lock() {
                Ok(flight) => self.fly(flight, clock, fetch, noted, false).await,
                Err(_) => Ok(value),
            };
        }
        let flight = self.flight.lock().await;
        // Another call may have fetched it meanwhile.
        match self.younger_than(REFRESH, clock.now()) {
            Some(value) => Ok(value),
            None => self.fly(flight, clock, fetch, noted, false).await,
        }
    }

    /// The value, fetched again because it does not fit; at most once in [`AGAIN`]. What [`Self::get`] fetched
    /// does not count: a peer may have changed a moment later.
    pub async fn refresh(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, E>>,
        noted: impl FnOnce(&E),
    ) -> Result<Arc<T>, Arc<E>> {
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
    ) -> Result<Arc<T>, Arc<E>> {
        let now = clock.now();
        let wait = flight.next.since(now);
        // A longer wait than was ever set means that the clock was set back.
        if !wait.is_zero() && wait <= AGAIN {
            match (self.younger_than(LAST_GOOD, now), &flight.failure) {
                (Some(value), _) => return Ok(value),
                (None, Some(failure)) => return Err(Arc::clone(failure)),
                (None, None) => {}
            }
        }
        match fetch.await {
            Ok(value) => {
                let value = Arc::new(value);
                self.good.store(Some(Arc::new(Good { value: Arc::clone(&value), at: now })));
                *flight = Flight { next: if forced { now.plus(AGAIN) } else { now }, failure: None };
                Ok(value)
            }
            Err(failure) => {
                let good = self.younger_than(LAST_GOOD, now);
                let pause = if good.is_some() { AGAIN } else { AGAIN_WITHOUT };
                // Counted from the end: a peer that is slow to fail is not asked more often.
                flight.next = clock.now().plus(pause);
                if let Some(value) = good {
                    noted(&failure);
                    return Ok(value);
                }
                let failure = Arc::new(failure);
                flight.failure = Some(Arc::clone(&failure));
                Err(failure)
            }
        }
    }

    fn younger_than(&self, age: Duration, now: Timestamp) -> Option<Arc<T>> {
        let good = self.good.load();
        good.as_ref().filter(|good| now.since(good.at) < age).map(|good| Arc::clone(&good.value))
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
            *kept.refresh(&clock, async move { Ok::<_, &'static str>(answer) }, |_| ()).await.unwrap()
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
        // The pause after the failure is over only after a minute, but nothing good is left.
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
    async fn a_clock_that_is_set_back_does_not_stop_fetching() {
        let (kept, clock) = (Kept::new(), clock());
        assert_eq!(ask(&kept, &clock, Err("down")).await, Err("down"));
        let earlier = HandClock::at(Timestamp::from_seconds(1_780_000_000));
        assert_eq!(ask(&kept, &earlier, Ok(1)).await, Ok(1));
    }
}
