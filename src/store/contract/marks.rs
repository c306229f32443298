//! What is spent stays spent for an hour longer than it counts, also where its kind is full.

use super::{CEILING, MARK, NOW, Outcome, key, later, record};
use crate::store::{CLOCK_ERROR, Store, StoreError};

pub(super) async fn n16_an_expired_mark_of_a_full_kind_has_its_hour(s: &dyn Store) -> Outcome {
    let last = later(1_000);
    for n in 0..CEILING {
        assert!(s.insert_new(MARK, key("mark", n), record("v", last, &[]), NOW).await?);
    }
    let after = later(1_001);
    let more = s.insert_new(MARK, key("mark", CEILING), record("v", after, &[]), after).await;
    assert!(matches!(more, Err(StoreError::Full { owner: None, .. })), "{more:?}");
    assert_eq!(s.sweep(MARK, after).await?, 0);
    // The clock is set right: what was spent is spent.
    assert!(!s.insert_new(MARK, key("mark", 0), record("v", last, &[]), NOW).await?);
    let hour = after.plus(CLOCK_ERROR);
    assert!(s.insert_new(MARK, key("mark", CEILING), record("v", hour, &[]), hour).await?);
    s.forget(MARK, key("mark", CEILING)).await?;
    s.sweep(MARK, hour).await?;
    Ok(())
}
