//! Of section L, and of N: clocks that are set, and calls that share a budget.

use std::time::Duration;

use relais::event::Step;
use serde_json::json;
use stub_upstream::Part;

use super::{log_in, put};
use crate::harness::World;

#[tokio::test]
async fn l14_n17_what_was_fetched_in_the_future_is_due() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    world.clock.set_ahead(Duration::from_hours(300));
    log_in(&world, &app).await.unwrap();
    let before = world.stub.calls();
    log_in(&world, &app).await.unwrap();
    assert_eq!((world.stub.calls().jwks, world.stub.calls().discovery), (before.jwks, before.discovery));
    world.clock.put_back(Duration::from_hours(300));
    log_in(&world, &app).await.unwrap();
    let after = world.stub.calls();
    assert_eq!((after.jwks, after.discovery), (before.jwks + 1, before.discovery + 1));
    // A clock that leaps ahead makes nothing too old to serve, while the provider is down.
    world.clock.set_ahead(Duration::from_hours(48));
    super::instead(&world, Part::Jwks, 503, "text/html", "down");
    log_in(&world, &app).await.unwrap();
}

#[tokio::test]
async fn l14_keys_belong_to_their_address() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    log_in(&world, &app).await.unwrap();
    put(&world, Part::Discovery, "jwks_uri", json!(format!("{}/nowhere", world.stub_base)));
    world.advance(super::REFRESH);
    world.recorder.clear();
    assert!(log_in(&world, &app).await.is_err());
    let event = super::told(&world);
    assert_eq!(event.reason.unwrap().slug(), "upstream.jwks");
    assert!(event.facts.url.is_some_and(|url| url.ends_with("/nowhere")));
    assert!(!world.events(Step::UpstreamReturned).is_empty());
}
