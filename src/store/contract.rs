//! The contract that every backend keeps, as one test: `tests/store` runs it on each.

mod marks;
mod shares;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Ceiling, Class, Entry, Key, Kind, Owner, Record, Spec, Spend, Store, StoreError, Version};
use crate::clock::Timestamp;
use crate::crypto::hash::sha256;

/// The ceiling of every kind that the store under test must have been given.
pub const CEILING: usize = 64;

/// What the contract keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Probe(pub String);

impl Record for Probe {
    const KIND: Kind = PROBE;
}

impl From<&str> for Probe {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The kind of [`Probe`].
pub const PROBE: Kind = Kind::new(&spec("probe"));
/// Another kind.
pub const OTHER: Kind = Kind::new(&spec("other_probe"));
/// A kind of marks against replay.
pub const MARK: Kind = Kind::new(&Spec { is_mark: true, ..spec("mark_probe") });
/// A kind that no store was opened with.
const STRANGE: Kind = Kind::new(&spec("strange"));

/// The kinds that the store under test must have been opened for, each with this ceiling.
pub fn kinds(ceiling: usize) -> [(Kind, usize); 3] {
    [(PROBE, ceiling), (OTHER, ceiling), (MARK, ceiling)]
}

const fn spec(name: &'static str) -> Spec {
    Spec {
        name,
        class: Class::Browser,
        is_mark: false,
        ceiling: Ceiling::Fixed(CEILING),
        about: "something of a test",
        personal: "",
        fields: || &[],
        longest: |_| Duration::MAX,
        ends: "",
    }
}

/// What a check returns: the store's own failure; what is wrong panics.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const RACERS: usize = 32;
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Runs the whole contract on an empty store that was opened for [`kinds`] of [`CEILING`], with `rounds`
/// rounds of each race; leaves it empty. Wants a runtime with several threads.
///
/// # Panics
/// If the store breaks the contract.
pub async fn check(store: Arc<dyn Store>, rounds: usize) -> Outcome {
    let s = store.as_ref();
    insertion(s).await?;
    expiry(s).await?;
    replacement(s).await?;
    spending(s).await?;
    taking(s).await?;
    owners(s).await?;
    apart(s).await?;
    ceilings(s).await?;
    shares::check(s).await?;
    sweeping(s).await?;
    marks::n16_an_expired_mark_of_a_full_kind_has_its_hour(s).await?;
    races(&store, rounds).await?;
    shares::racing_shares(&store, rounds).await?;
    s.ready().await?;
    for kind in [PROBE, OTHER, MARK] {
        assert_eq!(s.count(kind).await?, 0, "{kind:?} is left empty");
    }
    Ok(())
}

async fn insertion(s: &dyn Store) -> Outcome {
    let (k, first, second) = (key("insertion", 0), record("first", NOW, &[]), record("second", NOW, &[]));
    assert_eq!(s.read(P, k, NOW).await?, None);
    assert!(s.insert_new(P, k, first.clone(), NOW).await?);
    assert!(!s.insert_new(P, k, second.clone(), NOW).await?);
    assert_eq!(s.read(P, k, NOW).await?, Some(first), "a refused insertion changes nothing");
    s.put(P, k, second.clone(), NOW).await?;
    assert_eq!(s.read(P, k, NOW).await?, Some(second));
    assert_eq!(s.count(P).await?, 1);
    s.forget(P, k).await?;
    s.forget(P, k).await?;
    assert_eq!(s.read(P, k, NOW).await?, None);
    let empty = Entry { value: Vec::new(), ..record("", NOW, &[]) };
    s.put(P, k, empty.clone(), NOW).await?;
    assert_eq!(s.take(P, k, NOW).await?, Some(empty), "an empty value is a value");
    let long = Entry { value: vec![7; 300_000], ..record("", Timestamp::from_millis(u64::MAX), &[]) };
    s.put(P, k, long.clone(), NOW).await?;
    assert_eq!(s.take(P, k, later(u64::from(u32::MAX))).await?.map(|r| r.value), Some(long.value));
    Ok(())
}

/// Alive at `expires`, absent a millisecond later, for every verb.
async fn expiry(s: &dyn Store) -> Outcome {
    let (k, o) = (key("expiry", 0), owner(0));
    let (last, after) = (later(5_000), later(5_001));
    let fresh = || record("v", last, &[o]);

    s.put(P, k, fresh(), NOW).await?;
    assert!(!s.insert_new(P, k, fresh(), last).await?);
    assert_eq!(s.read(P, k, last).await?, Some(fresh()));
    assert_eq!(s.owned(P, o, last).await?, [(k, fresh())]);
    assert_eq!(s.count_owned(P, o, last).await?, 1);
    assert!(s.replace_if(P, k, fresh().version, fresh(), last).await?);
    assert_eq!(s.spend(P, k, last).await?, Spend::Fresh(fresh()));
    s.put(P, k, fresh(), last).await?;
    assert_eq!(s.take(P, k, last).await?, Some(fresh()));

    s.put(P, k, fresh(), NOW).await?;
    assert_eq!(s.read(P, k, after).await?, None);
    assert_eq!(s.owned(P, o, after).await?, []);
    assert_eq!(s.count_owned(P, o, after).await?, 0);
    s.put(P, k, fresh(), NOW).await?;
    assert!(!s.replace_if(P, k, fresh().version, fresh(), after).await?);
    s.put(P, k, fresh(), NOW).await?;
    assert_eq!(s.spend(P, k, after).await?, Spend::Absent);
    s.put(P, k, fresh(), NOW).await?;
    assert_eq!(s.take(P, k, after).await?, None);

    // A spent record expires like any other.
    s.put(P, k, fresh(), NOW).await?;
    s.spend(P, k, NOW).await?;
    assert_eq!(s.spend(P, k, last).await?, Spend::Spent(fresh()));
    assert_eq!(s.spend(P, k, after).await?, Spend::Absent);

    let again = record("again", later(9_000), &[]);
    s.put(P, k, fresh(), NOW).await?;
    assert!(s.insert_new(P, k, again.clone(), after).await?, "an expired record does not hold its key");
    assert_eq!(s.count_owned(P, o, NOW).await?, 0, "nor its owners");
    assert_eq!(s.take(P, k, after).await?, Some(again));
    Ok(())
}

async fn replacement(s: &dyn Store) -> Outcome {
    let k = key("replacement", 0);
    let (one, two) = (record("one", later(10), &[owner(0)]), record("two", later(20), &[owner(1)]));
    assert!(!s.replace_if(P, k, one.version, two.clone(), NOW).await?, "absent");
    s.put(P, k, one.clone(), NOW).await?;
    assert!(!s.replace_if(P, k, two.version, two.clone(), NOW).await?, "another version");
    assert!(s.replace_if(P, k, one.version, two.clone(), NOW).await?);
    assert!(!s.replace_if(P, k, one.version, one.clone(), NOW).await?, "the version of before");
    assert_eq!(
        s.read(P, k, later(20)).await?,
        Some(two.clone()),
        "value, expiry and owners are the new ones"
    );
    assert_eq!(s.count_owned(P, owner(0), NOW).await?, 0);
    assert_eq!(s.owned(P, owner(1), NOW).await?, [(k, two.clone())]);
    assert_eq!(s.take(P, k, NOW).await?, Some(two));
    Ok(())
}

async fn spending(s: &dyn Store) -> Outcome {
    let (k, o) = (key("spending", 0), owner(0));
    let r = record("v", later(10), &[o]);
    assert_eq!(s.spend(P, k, NOW).await?, Spend::Absent);
    s.put(P, k, r.clone(), NOW).await?;
    assert_eq!(s.spend(P, k, NOW).await?, Spend::Fresh(r.clone()));
    assert_eq!(s.spend(P, k, NOW).await?, Spend::Spent(r.clone()));
    assert_eq!(s.spend(P, k, NOW).await?, Spend::Spent(r.clone()));
    assert_eq!(s.read(P, k, NOW).await?, None);
    assert_eq!(s.take(P, k, NOW).await?, None);
    assert!(!s.replace_if(P, k, r.version, r.clone(), NOW).await?);
    assert!(!s.insert_new(P, k, r.clone(), NOW).await?, "a spent record holds its key");
    assert_eq!(s.owned(P, o, NOW).await?, []);
    assert_eq!(s.count_owned(P, o, NOW).await?, 0);
    assert_eq!(s.count(P).await?, 1);
    s.put(P, k, r.clone(), NOW).await?;
    assert_eq!(s.spend(P, k, NOW).await?, Spend::Fresh(r), "what is put anew is unspent");
    assert_eq!(s.forget_owned(P, o).await?, 1, "a spent record still belongs to its owner");
    assert_eq!(s.spend(P, k, NOW).await?, Spend::Absent);
    Ok(())
}

async fn taking(s: &dyn Store) -> Outcome {
    let (k, r) = (key("taking", 0), record("v", later(10), &[owner(0)]));
    s.put(P, k, r.clone(), NOW).await?;
    assert_eq!(s.take_if(P, k, Some(Version([0xEE; 16])), NOW).await?, None, "another state");
    assert_eq!(s.take_if(P, k, Some(r.version), NOW).await?, Some(r.clone()));
    assert_eq!(s.take(P, k, NOW).await?, None);
    assert_eq!(s.spend(P, k, NOW).await?, Spend::Absent);
    assert_eq!(s.count_owned(P, owner(0), NOW).await?, 0);
    assert!(s.insert_new(P, k, r, NOW).await?, "what was taken may come again");
    s.forget(P, k).await?;
    Ok(())
}

async fn owners(s: &dyn Store) -> Outcome {
    let (a, b) = (owner(1), owner(2));
    let keys: Vec<Key> = (0..6).map(|n| key("owners", n)).collect();
    for (n, k) in (0..).zip(&keys) {
        // The expiries run against the age, so that an order by expiry is found out.
        let belongs: &[Owner] = if n % 2 == 0 { &[a, b] } else { &[a, a] };
        s.put(P, *k, record("v", later(100 - n), belongs), NOW).await?;
    }
    let found: Vec<Key> = s.owned(P, a, NOW).await?.into_iter().map(|(k, _)| k).collect();
    assert_eq!(found, keys, "oldest first");
    assert_eq!(s.count_owned(P, a, NOW).await?, 6, "an owner named twice counts once");
    assert_eq!(s.count_owned(P, b, NOW).await?, 3);
    assert_eq!(s.count_owned(P, owner(3), NOW).await?, 0);
    let [k0, k1, k2, k3, ..] = *keys else { return Err("six keys".into()) };
    let renewed = record("w", later(200), &[a]);
    assert!(s.replace_if(P, k0, record("v", NOW, &[]).version, renewed.clone(), NOW).await?);
    assert_eq!(s.owned(P, a, NOW).await?.last(), Some(&(k0, renewed)), "what replaces is the youngest");
    s.put(P, k1, record("v", later(200), &[a]), NOW).await?;
    assert_eq!(s.owned(P, a, NOW).await?.last().map(|(k, _)| *k), Some(k1), "one put anew is the youngest");
    s.forget(P, k2).await?;
    s.spend(P, k3, NOW).await?;
    assert_eq!(s.count_owned(P, a, NOW).await?, 4);
    assert_eq!(s.count_owned(P, b, NOW).await?, 1);
    assert_eq!(s.count_owned(P, a, later(96)).await?, 3, "one expired at 95 ms, the others not");
    assert_eq!(s.forget_owned(P, b).await?, 1);
    assert_eq!(s.forget_owned(P, b).await?, 0);
    assert_eq!(s.count_owned(P, a, later(96)).await?, 2, "what both owned is gone for both");
    s.forget_owned(P, a).await?;
    s.sweep(P, FAR).await?;
    Ok(())
}

/// What happens to one kind never touches another, and a kind that the store does not know fails.
async fn apart(s: &dyn Store) -> Outcome {
    let (k, o) = (key("apart", 0), owner(0));
    for kind in [PROBE, OTHER] {
        assert!(s.insert_new(kind, k, record(kind.name, NOW, &[o]), NOW).await?);
    }
    s.forget(OTHER, k).await?;
    assert_eq!(s.read(P, k, NOW).await?, Some(record(P.name, NOW, &[o])));
    assert!(s.insert_new(OTHER, k, record(OTHER.name, NOW, &[o]), NOW).await?);
    assert_eq!(s.forget_owned(OTHER, o).await?, 1);
    assert_eq!(s.count_owned(P, o, NOW).await?, 1);
    assert_eq!(s.take(P, k, NOW).await?, Some(record(P.name, NOW, &[o])));
    let strange = s.put(STRANGE, k, record("v", NOW, &[]), NOW).await;
    assert!(matches!(strange, Err(StoreError::Backend(_))), "{strange:?}");
    Ok(())
}

/// A full kind refuses; what is alive stays, what has expired makes room.
async fn ceilings(s: &dyn Store) -> Outcome {
    let r = |millis| record("v", later(millis), &[owner(0)]);
    for n in 0..CEILING {
        let expires = if n == 0 { 10 } else { 20 };
        s.put(P, key("ceilings", n), r(expires), NOW).await?;
    }
    s.spend(P, key("ceilings", 1), NOW).await?;
    let more = key("ceilings", CEILING);
    assert!(is_full(&s.put(P, more, r(20), later(10)).await));
    assert!(is_full(&s.insert_new(P, more, r(20), later(10)).await));
    assert!(!s.insert_new(P, key("ceilings", 2), r(20), NOW).await?, "a known key needs no room");
    s.put(P, key("ceilings", 2), r(30), NOW).await?;
    s.put(OTHER, more, r(20), NOW).await?;
    assert_eq!(s.count(P).await?, CEILING);
    assert_eq!(s.count_owned(P, owner(0), NOW).await?, CEILING - 1);

    assert!(s.insert_new(P, more, r(20), later(11)).await?, "the one that expired at 10 ms makes room");
    assert!(is_full(&s.put(P, key("ceilings", CEILING + 1), r(20), later(11)).await));
    s.take(P, more, NOW).await?;
    s.put(P, key("ceilings", CEILING + 1), r(20), NOW).await?;
    assert_eq!(s.count(P).await?, CEILING);
    assert_eq!(s.sweep(P, FAR).await?, CEILING);
    assert_eq!(s.sweep(OTHER, FAR).await?, 1, "each kind by itself");
    Ok(())
}

async fn sweeping(s: &dyn Store) -> Outcome {
    for n in 0..10 {
        s.put(P, key("sweeping", n), record("v", later(n as u64), &[owner(0)]), NOW).await?;
    }
    s.spend(P, key("sweeping", 0), NOW).await?;
    assert_eq!(s.sweep(P, NOW).await?, 0, "at its expiry a record is alive");
    assert_eq!(s.sweep(P, later(4)).await?, 4);
    assert_eq!(s.count(P).await?, 6);
    assert_eq!(s.count_owned(P, owner(0), NOW).await?, 6);
    assert_eq!(s.sweep(P, FAR).await?, 6);
    assert_eq!(s.owned(P, owner(0), NOW).await?, []);
    Ok(())
}

/// Of many who try the same thing at once, exactly one succeeds.
async fn races(store: &Arc<dyn Store>, rounds: usize) -> Outcome {
    for round in 0..rounds {
        let k = key("races", round);
        let start = record("start", later(10), &[owner(0)]);

        let won = race(store, move |s, n| async move {
            s.insert_new(P, k, record(&format!("racer {n}"), later(10), &[owner(0)]), NOW).await
        });
        assert_eq!(won.await?, 1, "insert_new");
        assert_eq!(store.count_owned(P, owner(0), NOW).await?, 1);

        store.put(P, k, start.clone(), NOW).await?;
        let version = start.version;
        let won = race(store, move |s, n| async move {
            let new = record(&format!("racer {n}"), later(11), &[owner(0)]);
            s.replace_if(P, k, version, new, NOW).await
        });
        assert_eq!(won.await?, 1, "replace_if");
        assert_eq!(store.count_owned(P, owner(0), NOW).await?, 1);

        let won =
            race(store, move |s, _| async move { Ok(matches!(s.spend(P, k, NOW).await?, Spend::Fresh(_))) });
        assert_eq!(won.await?, 1, "spend");
        assert_eq!(store.count_owned(P, owner(0), NOW).await?, 0);

        store.put(P, k, start.clone(), NOW).await?;
        let won = race(store, move |s, _| async move { Ok(s.take(P, k, NOW).await?.is_some()) });
        assert_eq!(won.await?, 1, "take");

        // Takers against spenders against replacers: one taker or one spender.
        store.put(P, k, start.clone(), NOW).await?;
        let won = race(store, move |s, n| async move {
            Ok(match n % 3 {
                0 => s.take(P, k, NOW).await?.is_some(),
                1 => matches!(s.spend(P, k, NOW).await?, Spend::Fresh(_)),
                _ => {
                    let new = record("between", later(10), &[owner(0)]);
                    s.replace_if(P, k, version, new, NOW).await?;
                    false
                }
            })
        });
        assert_eq!(won.await?, 1, "take and spend");
        store.forget(P, k).await?;
        assert_eq!(store.count(P).await?, 0);
    }
    Ok(())
}

/// How many of [`RACERS`] concurrent `act`s say yes.
async fn race<F, A>(store: &Arc<dyn Store>, act: F) -> Result<usize, Box<dyn Error + Send + Sync>>
where
    F: Fn(Arc<dyn Store>, usize) -> A,
    A: Future<Output = Result<bool, StoreError>> + Send + 'static,
{
    let gate = Arc::new(Barrier::new(RACERS));
    let mut racers = JoinSet::new();
    for n in 0..RACERS {
        let (gate, attempt) = (Arc::clone(&gate), act(Arc::clone(store), n));
        racers.spawn(async move {
            gate.wait().await;
            attempt.await
        });
    }
    let mut won = 0;
    while let Some(outcome) = racers.join_next().await {
        won += usize::from(outcome??);
    }
    Ok(won)
}

const P: Kind = PROBE;

/// Whether an outcome says that the whole kind is full.
fn is_full<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Full { kind, owner: None }) if *kind == P)
}
const FAR: Timestamp = Timestamp::from_seconds(9_000_000_000);

fn later(millis: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(millis))
}

fn key(check: &str, n: usize) -> Key {
    Key(sha256(&[check.as_bytes(), &n.to_be_bytes()]))
}

fn owner(n: u8) -> Owner {
    Owner([n; 32])
}

/// A record whose version follows from its value, so that two of one value are equal.
fn record(value: &str, expires: Timestamp, owners: &[Owner]) -> Entry {
    let [a, b, c, d, ..] = sha256(&[value.as_bytes()]);
    let version = Version([a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]);
    Entry { value: value.as_bytes().to_vec(), version, expires, owners: owners.to_vec() }
}
