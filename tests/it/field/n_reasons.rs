//! What a full table and a chatty library say, and what a store that keeps everybody waiting holds up.

use std::time::Duration;

use relais::broker::Failure;
use relais::clock::{Clock as _, SystemClock};
use relais::config::{self, Purpose};
use relais::front::legacy::SpentMessage;
use relais::keys::KeyRecord;
use relais::store::{Record as _, StoreError};
use tracing::Level;
use tracing_subscriber::filter::Targets;

use crate::harness::{Failing, Setup, World, choose};
use crate::keyring::{JWKS, PLUS, order};
use crate::one_answer::at_once;

/// Any full table was "too many logins". This one is full of answers that nobody fetches; the message stays good.
#[tokio::test]
async fn n8_a_full_table_is_named() {
    let more = "[limit]\nlogins_in_flight = 4\nlogins_per_app = 4\nlogins_per_address = 4".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    let app = world.legacy("etat-civil");
    for n in 0..16 {
        let (attempt, url) = app.start(world.now());
        let mut browser = world.browser().at(&format!("10.{n}.0.1"));
        let page = browser.open(&url).await;
        let page = choose(&mut browser, page, "angela").await;
        if page.status == 303 || page.url.starts_with(&app.callback_base()) {
            continue;
        }
        assert_eq!((page.status, page.code().as_str()), (503, "BUSY"), "{}", page.body);
        assert_eq!(world.last_reason(), "broker.table_full");
        let told = world.recorder.events().into_iter().rev().find(|event| event.reason.is_some()).unwrap();
        assert!(told.facts.names.is_some_and(|names| names.starts_with("reference")));
        // Room was taken before the message was spent: once there is some, it is answered.
        world.advance(61);
        let page = browser.open(&url).await;
        let page = choose(&mut browser, page, "angela").await;
        assert!(page.url.starts_with(&app.callback_base()), "{} {}", page.status, page.url);
        assert!(!attempt.state.is_empty());
        return;
    }
    panic!("the table was never full");
}

#[test]
fn n8_marks_have_a_reason_of_their_own() {
    let full = StoreError::Full { kind: SpentMessage::KIND, owner: Some("person") };
    let failure = Box::<Failure>::from(full);
    assert_eq!(failure.reason.slug(), "broker.marks_full");
    assert_eq!(failure.facts.names.as_deref(), Some("spent_message person"));
}

/// The library of the session cookie warns of "possibly suspicious activity" at anybody's will.
#[test]
fn n11_a_library_raises_no_alarm_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[server]\npublic_url = \"http://127.0.0.1:8080\"\n";
    let config =
        config::from_toml(text, dir.path(), [], Purpose::Serve).unwrap_or_else(|faults| panic!("{faults}"));
    let filter: Targets = config.event.filter().parse().unwrap();
    assert!(!filter.would_enable("tower_sessions_core::session", &Level::WARN));
    assert!(filter.would_enable("tower_sessions_core::session", &Level::ERROR));
    assert!(
        filter.would_enable("hyper", &Level::WARN) && filter.would_enable("relais::broker", &Level::INFO)
    );
}

/// Strangers ask for our key set while the store keeps everybody waiting: they have the last reading at once, and the
/// operator's order has its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn n3_the_last_reading_serves_while_the_store_is_slow() {
    let store = Failing::at(KeyRecord::KIND);
    let setup = Setup { more: PLUS.to_owned(), store: Some(store.clone()), ..Setup::default() };
    let world = World::with(setup).await;
    assert_eq!(world.browser().get(JWKS).await.status, 200);
    world.advance(60);
    store.slow(Duration::from_secs(2));
    let begun = SystemClock.now();
    let pages =
        at_once(20, async |_| (world.browser().get(JWKS).await.status, SystemClock.now().since(begun)));
    for (status, took) in pages {
        assert_eq!(status, 200);
        assert!(took < Duration::from_millis(1_500), "{took:?}");
    }
    let (status, _) = order(&world, "POST", "/keys/rotate", r#"{"upstream":"plus"}"#).await;
    assert_eq!(status, 200, "the order has its turn");
    assert!(SystemClock.now().since(begun) < Duration::from_secs(12), "{:?}", SystemClock.now().since(begun));
    // And where nothing ends, it is told so.
    store.slow(Duration::from_mins(1));
    world.advance(60);
    world.browser().get(JWKS).await;
    let begun = SystemClock.now();
    let (status, told) = order(&world, "POST", "/keys/rotate", r#"{"upstream":"plus"}"#).await;
    assert_eq!(status, 503, "{told}");
    assert!(SystemClock.now().since(begun) < Duration::from_secs(8), "{:?}", SystemClock.now().since(begun));
}
