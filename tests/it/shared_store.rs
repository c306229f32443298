//! Journeys on the stores that several nodes can share, against real servers.

use std::sync::Arc;
use std::time::Duration;

use relais::store::{Postgres, Redis, Store};

use crate::harness::{Setup, World};
use crate::idp_inputs::sign_in;

#[path = "../store/servers.rs"]
pub mod servers;

use servers::{postgres, postgres_settings, redis, redis_settings};

/// A server that has just begun may still say that it is starting up.
pub async fn opened<S: Store + 'static, E>(open: impl AsyncFn() -> Result<S, E>) -> Arc<dyn Store> {
    loop {
        if let Ok(store) = open().await {
            return Arc::new(store);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A sign-in, single sign-on after a restart, a message that is answered once, the end by the clock.
async fn journeys(store: Arc<dyn Store>) {
    let world = World::with(Setup { store: Some(store), ..Setup::default() }).await;
    let app = world.legacy("paie");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let back = sign_in(&mut browser, page).await;
    app.identity(&back.url, &attempt);
    world.advance(61);
    let again = world.browser().open(&url).await;
    assert_eq!((again.status, world.last_reason()), (400, "legacy.replayed"));
    let calls = world.stub_calls();
    let cookies = browser.cookies.clone();

    let world = world.restarted().await;
    let other = world.legacy("ged");
    let (attempt, url) = other.start(world.now());
    let mut browser = world.browser();
    browser.cookies = cookies;
    let page = browser.open(&url).await;
    let back = browser.confirm(&page).await;
    other.identity(&back.url, &attempt);
    assert_eq!(world.stub_calls(), calls, "the session outlives the process");
    world.advance(13 * 3_600);
    let (_, url) = other.start(world.now());
    assert!(browser.open(&url).await.url.starts_with(&world.stub_base), "and ends by our clock");
    assert_eq!(world.app.not_ready().await, None);
    world.app.sweep().await;
    for kind in relais::records::ALL {
        let kept = world.app.means.stores[0].count(kind).await.unwrap();
        assert!(kept <= 3, "{kind:?}: {kept} after the sweep");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_and_a_session_on_postgres() {
    let Some(server) = postgres() else { return };
    let settings = postgres_settings(&server);
    journeys(
        opened(async || Postgres::open(&settings, relais::records::ALL.map(|kind| (kind, 1_000))).await)
            .await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_and_a_session_on_redis() {
    let Some(server) = redis(&[]) else { return };
    let settings = redis_settings(&server);
    journeys(
        opened(async || Redis::open(&settings, relais::records::ALL.map(|kind| (kind, 1_000))).await).await,
    )
    .await;
}
