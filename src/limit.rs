//! Counters by key in fixed windows, on our clock.

use std::hash::Hash;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::clock::Timestamp;

/// Keys that are counted at once.
const CAPACITY: u64 = 100_000;

/// Lets each key through `limit` times in a window, which begins with the key's first hit. Clones share
/// their counters.
///
/// Memory is bounded: beyond 100,000 keys the one that was longest untouched is forgotten, which only
/// forgives.
#[derive(Clone)]
pub struct Limiter<K> {
    limit: u32,
    window: Duration,
    counters: Cache<K, Counter>,
}

#[derive(Clone, Copy)]
struct Counter {
    began: Timestamp,
    hits: u32,
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Limiter<K> {
    /// At most `limit` hits in `window`, to the millisecond.
    pub fn new(limit: u32, window: Duration) -> Self {
        let counters = Cache::builder()
            .max_capacity(CAPACITY)
            // moka's default policy would not admit new keys beside busy old ones: a flood would go uncounted.
            .eviction_policy(EvictionPolicy::lru())
            // In real time, and only to free memory; our clock decides. moka refuses a thousand years.
            .time_to_idle(window.saturating_mul(2).min(Duration::from_hours(24 * 365)))
            .build();
        Self { limit, window, counters }
    }

    /// Counts a hit; whether it is within the limit.
    #[must_use]
    pub fn hit(&self, key: &K, now: Timestamp) -> bool {
        let counted = self.counters.entry_by_ref(key).and_upsert_with(|known| {
            match known.map(moka::Entry::into_value) {
                Some(counter) if self.runs(counter, now) => {
                    Counter { hits: counter.hits.saturating_add(1), ..counter }
                }
                _ => Counter { began: now, hits: 1 },
            }
        });
        counted.into_value().hits <= self.limit
    }

    /// Whether a further hit would be over the limit; counts nothing.
    pub fn is_over(&self, key: &K, now: Timestamp) -> bool {
        match self.running(key, now) {
            Some(counter) => counter.hits >= self.limit,
            None => self.limit == 0,
        }
    }

    /// How long until the key's window ends; zero if it has none.
    pub fn retry_after(&self, key: &K, now: Timestamp) -> Duration {
        let counter = self.running(key, now);
        counter.map_or(Duration::ZERO, |counter| self.window.saturating_sub(now.since(counter.began)))
    }

    fn running(&self, key: &K, now: Timestamp) -> Option<Counter> {
        self.counters.get(key).filter(|counter| self.runs(*counter, now))
    }

    fn runs(&self, counter: Counter, now: Timestamp) -> bool {
        // A window that begins later than it lasts was opened by a clock which has been put back since.
        now.since(counter.began) < self.window && counter.began.since(now) < self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    const WINDOW: Duration = Duration::from_mins(1);
    const BEGAN: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const KEY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn after(millis: u64) -> Timestamp {
        BEGAN.plus(Duration::from_millis(millis))
    }

    #[test]
    fn the_limit_is_let_through_and_the_next_is_not() {
        let limiter = Limiter::new(3, WINDOW);
        for n in 0..3 {
            assert!(!limiter.is_over(&KEY, after(n)));
            assert!(limiter.hit(&KEY, after(n)), "hit {n}");
        }
        assert!(limiter.is_over(&KEY, after(3)));
        assert!(!limiter.hit(&KEY, after(3)));
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        assert!(!limiter.is_over(&other, after(3)) && limiter.hit(&other, after(3)));
    }

    #[test]
    fn the_window_ends_sixty_seconds_after_the_first_hit() {
        let limiter = Limiter::new(1, WINDOW);
        assert_eq!(limiter.retry_after(&KEY, BEGAN), Duration::ZERO);
        assert!(limiter.hit(&KEY, BEGAN));
        assert_eq!(limiter.retry_after(&KEY, BEGAN), WINDOW);
        assert!(!limiter.hit(&KEY, after(59_999)), "a refused hit does not prolong it");
        assert!(limiter.is_over(&KEY, after(59_999)));
        assert_eq!(limiter.retry_after(&KEY, after(59_999)), Duration::from_millis(1));
        assert!(!limiter.is_over(&KEY, after(60_000)));
        assert_eq!(limiter.retry_after(&KEY, after(60_000)), Duration::ZERO);
        assert!(limiter.hit(&KEY, after(60_000)));
        assert!(!limiter.hit(&KEY, after(119_999)));
    }

    #[test]
    fn a_clock_put_back_does_not_open_a_window() {
        let limiter = Limiter::new(1, WINDOW);
        assert!(limiter.hit(&KEY, after(1_000)));
        assert!(!limiter.hit(&KEY, BEGAN));
        // Nor does it keep one shut for as long as it was put back.
        assert!(limiter.hit(&KEY, after(3_600_000)));
        assert!(limiter.hit(&KEY, BEGAN));
        assert!(!limiter.hit(&KEY, BEGAN));
    }

    #[test]
    fn a_limit_of_zero_lets_nothing_through() {
        let limiter = Limiter::new(0, WINDOW);
        assert!(limiter.is_over(&KEY, BEGAN) && !limiter.hit(&KEY, BEGAN));
    }

    #[test]
    fn concurrent_hits_are_all_counted() {
        let limiter = Limiter::new(1_000, WINDOW);
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..250).filter(|_| limiter.hit(&KEY, BEGAN)).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1_000);
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_counted() {
        let limiter = Limiter::new(1, WINDOW);
        let keys = 0..CAPACITY + 20_000;
        assert!(keys.clone().all(|key| limiter.hit(&key, BEGAN)));
        limiter.counters.run_pending_tasks();
        assert!(limiter.counters.entry_count() <= CAPACITY);
        assert!(keys.rev().take(1_000).all(|key| limiter.is_over(&key, BEGAN)));
    }
}
