//! Shares of owners.

use std::sync::Arc;

use super::{CEILING, FAR, NOW, Outcome, P, RACERS, key, later, owner, race, record};
use crate::store::{Claim, Entry, Insert, Key, Limit, Over, Owner, Share, Store, StoreError};

pub(super) async fn check(s: &dyn Store) -> Outcome {
    fixed_shares(s).await?;
    shrinking_shares(s).await?;
    shares_within_shares(s).await?;
    oldest_goes(s).await
}

/// Inserts under the shares of its owners, which `claims` tells.
async fn insert(
    s: &dyn Store,
    key: Key,
    entry: Entry,
    replaces: bool,
    claims: &[Claim],
) -> Result<bool, StoreError> {
    s.insert(P, key, entry, Insert { replaces, claims }, NOW).await
}

fn claim(owner: Owner, tag: &'static str, limit: Limit, over: Over) -> Claim {
    Claim { owner, tag, share: Share { limit, over } }
}

/// A fixed share: the refusal names the owner, and nothing that is alive goes; spent and expired records do not count.
async fn fixed_shares(s: &dyn Store) -> Outcome {
    let (a, b, k) = (owner(1), owner(2), |n| key("shares", n));
    let fresh = || record("v", later(10), &[a, b]);
    let claims =
        [claim(a, "wide", Limit::Fixed(10), Over::Refuse), claim(b, "narrow", Limit::Fixed(3), Over::Refuse)];
    for n in 0..3 {
        assert!(insert(s, k(n), fresh(), n == 1, &claims).await?, "record {n}");
    }
    for replaces in [false, true] {
        let refused = insert(s, k(3), fresh(), replaces, &claims).await;
        let named = matches!(refused, Err(StoreError::Full { kind, owner: Some("narrow") }) if kind == P);
        assert!(named, "{refused:?}");
    }
    assert_eq!(s.count_owned(P, a, NOW).await?, 3, "what was refused left nothing");
    assert!(!insert(s, k(0), fresh(), false, &claims).await?, "a known key is known, not over a share");
    assert!(insert(s, k(0), fresh(), true, &claims).await?, "what replaces needs no share");
    assert_eq!(s.count_owned(P, b, NOW).await?, 3);
    assert!(insert(s, k(4), record("v", NOW, &[a]), false, &claims[..1]).await?, "others go on");
    s.forget(P, k(4)).await?;

    s.spend(P, k(0), NOW).await?;
    assert!(insert(s, k(5), fresh(), false, &claims).await?, "a spent record does not count");
    assert!(insert(s, k(6), fresh(), false, &claims).await.is_err());
    let at_end = Insert { replaces: false, claims: &claims };
    assert!(s.insert(P, k(6), fresh(), at_end, later(10)).await.is_err(), "alive at its expiry");
    assert!(
        s.insert(P, k(6), record("v", later(20), &[a, b]), at_end, later(11)).await?,
        "expired ones do not"
    );
    assert_eq!(s.count_owned(P, b, later(11)).await?, 1);
    // An expired record under the same key is no record that is replaced.
    for n in 7..9 {
        assert!(s.insert(P, k(n), record("v", later(20), &[a, b]), at_end, later(11)).await?);
    }
    let put = Insert { replaces: true, claims: &claims };
    s.put(P, k(9), record("v", later(10), &[a, b]), NOW).await?;
    assert!(s.insert(P, k(9), record("v", later(20), &[a, b]), put, later(11)).await.is_err());
    s.sweep(P, FAR).await?;
    Ok(())
}

/// A share within a share: however many of one network come, the owner of both has room for another network.
async fn shares_within_shares(s: &dyn Store) -> Outcome {
    let (app, other) = (owner(100), owner(101));
    let claims = |app, network| {
        [
            claim(app, "app", Limit::Shrinking { floor: 8, divisor: 2 }, Over::Refuse),
            claim(owner(network), "within", Limit::Within { floor: 1, divisor: 4 }, Over::Refuse),
        ]
    };
    let mut all = 0;
    let mut fill = async |network: u8| {
        let mut had = 0;
        loop {
            let entry = record("v", NOW, &[app, owner(network)]);
            match insert(s, key("within", all), entry, false, &claims(app, network)).await {
                Ok(_) => (had, all) = (had + 1, all + 1),
                Err(StoreError::Full { owner: Some("within"), .. }) => return Ok::<_, StoreError>(had),
                Err(error) => return Err(error),
            }
        }
    };
    let (mut before, most) = (usize::MAX, CEILING / 2);
    for network in 0..4 {
        let had = fill(network).await?;
        assert!(had >= 1 && had <= before && had * 4 <= most, "network {network} had {had} of {most}");
        before = had;
    }
    let entry = record("v", NOW, &[other, owner(0)]);
    let first = claims(other, 0);
    assert!(insert(s, key("within", 1_000), entry, false, &first[..1]).await?, "another owner");
    s.sweep(P, FAR).await?;
    Ok(())
}

/// A shrinking share: the fuller the kind, the less of it one owner may have; whoever comes new finds room.
async fn shrinking_shares(s: &dyn Store) -> Outcome {
    let k = |n| key("shrinking", n);
    let share = |n| claim(owner(n), "prefix", Limit::Shrinking { floor: 2, divisor: 4 }, Over::Refuse);
    let mut total = 0;
    let mut fill = async |n: u8| {
        let mut had = 0;
        while insert(s, k(total), record("v", NOW, &[owner(n)]), false, &[share(n)]).await? {
            (had, total) = (had + 1, total + 1);
        }
        Ok::<usize, StoreError>(had)
    };
    let mut had = Vec::new();
    for n in 0..4 {
        let refused = fill(n).await;
        let named = matches!(refused, Err(StoreError::Full { kind, owner: Some("prefix") }) if kind == P);
        assert!(named, "{refused:?}");
        had.push(s.count_owned(P, owner(n), NOW).await?);
    }
    // (64 - 13) / 4 = 12, so the first stops at 13; and so on.
    assert_eq!(had, [13, 10, 8, 6]);
    for n in 4..16 {
        let _ = fill(n).await;
        assert!(s.count_owned(P, owner(n), NOW).await? >= 2 || s.count(P).await? == CEILING, "owner {n}");
    }
    let (kind, more) = (s.count(P).await?, fill(200).await);
    assert!(
        kind == CEILING && matches!(more, Err(StoreError::Full { kind, owner: None }) if kind == P),
        "{more:?}"
    );
    s.sweep(P, FAR).await?;
    assert_eq!(s.count(P).await?, 0);
    Ok(())
}

/// An owner that is one person loses its own oldest, and nobody else's.
async fn oldest_goes(s: &dyn Store) -> Outcome {
    let (person, browser, k) = (owner(1), owner(2), |n| key("oldest", n));
    let mine = |n: u64| record("v", later(100 - n), &[person]);
    let claims = [claim(person, "person", Limit::Fixed(3), Over::DropOldest)];
    s.put(P, k(9), record("v", later(1), &[browser]), NOW).await?;
    for n in 0..3 {
        assert!(insert(s, k(n), mine(0), false, &claims).await?);
    }
    assert!(insert(s, k(3), mine(3), false, &claims).await?);
    let left: Vec<Key> = s.owned(P, person, NOW).await?.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [k(1), k(2), k(3)], "the oldest is gone, though another expires first");
    let kept = s.replace_if(P, k(1), mine(0).version, record("w", later(100), &[]), NOW).await?;
    assert!(kept && s.count_owned(P, person, NOW).await? == 3, "what names no owners keeps those of before");
    assert!(insert(s, k(4), mine(4), false, &claims).await?);
    let left: Vec<Key> = s.owned(P, person, NOW).await?.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [k(3), k(1), k(4)], "what was replaced lately is not the oldest");
    changed_hands(s, claims[0]).await?;
    // Who is refused loses nothing.
    let both = [claims[0], claim(browser, "browser", Limit::Fixed(1), Over::Refuse)];
    assert!(insert(s, k(8), record("v", NOW, &[person, browser]), false, &both).await.is_err());
    assert_eq!(s.count_owned(P, person, NOW).await?, 3);
    // A share that became smaller is reached at the next record; a full kind has room for whoever gives some.
    for n in 0..CEILING - 4 {
        s.put(P, key("others", n), record("v", later(100), &[]), NOW).await?;
    }
    let two = [claim(person, "person", Limit::Fixed(2), Over::DropOldest)];
    assert!(insert(s, k(5), mine(5), false, &two).await?);
    let left: Vec<Key> = s.owned(P, person, NOW).await?.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [k(4), k(5)]);
    let none = [claim(person, "person", Limit::Fixed(0), Over::DropOldest)];
    assert!(insert(s, k(6), mine(6), false, &none).await?, "one is always allowed");
    assert_eq!(s.count_owned(P, person, NOW).await?, 1);
    s.sweep(P, FAR).await?;
    Ok(())
}

/// A record that is replaced by another owner's is that one's alone: it counts in no former owner's share, and no former
/// owner's newer record drops it. `claim` allows three.
async fn changed_hands(s: &dyn Store, claim: Claim) -> Outcome {
    let (former, heir, k) = (owner(3), owner(4), |n| key("hands", n));
    let of = |owner| record("v", later(100), &[owner]);
    let claims = |owner| [Claim { owner, ..claim }];
    for n in 0..3 {
        assert!(insert(s, k(n), of(former), false, &claims(former)).await?);
    }
    assert!(s.replace_if(P, k(0), of(former).version, of(heir), NOW).await?);
    assert_eq!(s.count_owned(P, former, NOW).await?, 2);
    assert_eq!(s.owned(P, heir, NOW).await?, [(k(0), of(heir))]);
    for n in 3..5 {
        assert!(insert(s, k(n), of(former), false, &claims(former)).await?);
    }
    assert_eq!(s.read(P, k(0), NOW).await?, Some(of(heir)), "the former owner drops its own");
    assert_eq!(s.read(P, k(1), NOW).await?, None);
    for n in 5..8 {
        assert!(insert(s, k(n), of(heir), false, &claims(heir)).await?);
    }
    assert_eq!(s.read(P, k(0), NOW).await?, None, "the heir's oldest");
    s.forget_owned(P, former).await?;
    s.forget_owned(P, heir).await?;
    Ok(())
}

/// Many who insert for the same owners at once never pass a share.
pub(super) async fn racing_shares(store: &Arc<dyn Store>, rounds: usize) -> Outcome {
    for round in 0..rounds {
        let (person, prefix) = (owner(1), owner(2));
        let race_for = |claims: [Claim; 2]| {
            race(store, move |s, n| async move {
                let k = key("racing", round * RACERS + n);
                match insert(&*s, k, record("v", NOW, &[person, prefix]), false, &claims).await {
                    Err(StoreError::Full { owner: Some("prefix"), .. }) => Ok(false),
                    outcome => outcome,
                }
            })
        };
        let drops = claim(person, "person", Limit::Fixed(5), Over::DropOldest);
        let won = race_for([claim(prefix, "prefix", Limit::Fixed(7), Over::Refuse), drops]).await?;
        let held = living(store, prefix).await?;
        assert!(held == 5 && won >= 7, "{held} of {won} are left");
        store.forget_owned(P, person).await?;

        let wide = claim(person, "person", Limit::Fixed(RACERS), Over::Refuse);
        let won = race_for([wide, claim(prefix, "prefix", Limit::Fixed(7), Over::Refuse)]).await?;
        assert_eq!((won, living(store, prefix).await?), (7, 7), "fixed");
        store.forget_owned(P, person).await?;

        let shrinking = Limit::Shrinking { floor: 1, divisor: 4 };
        let won = race_for([claim(prefix, "prefix", shrinking, Over::Refuse), wide]).await?;
        assert_eq!((won, living(store, prefix).await?), (13, 13), "shrinking");
        store.forget_owned(P, person).await?;
    }
    assert_eq!(store.count(P).await?, 0);
    Ok(())
}

async fn living(store: &Arc<dyn Store>, owner: Owner) -> Result<usize, StoreError> {
    store.count_owned(P, owner, NOW).await
}
