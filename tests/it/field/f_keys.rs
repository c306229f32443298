//! Section F: keys of providers.

use serde_json::{Value, json};
use stub_upstream::Part;

use super::{REFRESH, cause, instead, log_in, mended, put, twist};
use crate::harness::World;

/// The header of each `id_token` names this key.
fn names(world: &World, kid: Option<&'static str>) {
    twist(world, Part::IdTokenHeader, move |header| match kid {
        Some(kid) => drop(header.insert("kid".to_owned(), json!(kid))),
        None => drop(header.shift_remove("kid")),
    });
}

/// The newest key alone is published, under this name.
fn publishes(world: &World, kid: &'static str) {
    twist(world, Part::Jwks, move |set| {
        let keys = set["keys"].as_array_mut().unwrap();
        keys.retain(|key| key["alg"] == "ES256" || key["kty"] == "EC");
        keys.truncate(1);
        keys[0]["kid"] = json!(kid);
    });
}

#[tokio::test]
async fn f1_another_key_under_the_same_kid_is_fetched() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    names(&world, Some("one"));
    publishes(&world, "one");
    log_in(&world, &app).await.unwrap();
    world.stub.rotate_keys();
    log_in(&world, &app).await.unwrap_or_else(|error| panic!("{error} {:?}", cause(&world)));
    // At most once a minute; then it is said.
    world.stub.rotate_keys();
    let calls = world.stub.calls().jwks;
    for _ in 0..3 {
        assert!(log_in(&world, &app).await.is_err());
    }
    assert_eq!(world.stub.calls().jwks, calls);
    let (reason, cause) = cause(&world);
    assert_eq!(reason, "upstream.signature");
    assert!(cause.contains("not asked for again for 60 s"), "{cause}");
    world.advance(60);
    log_in(&world, &app).await.unwrap();
}

#[tokio::test]
async fn f2_all_keys_that_fit_are_tried() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    names(&world, None);
    let among = |world: &World, others: usize| {
        twist(world, Part::Jwks, move |set| {
            let keys = set["keys"].as_array_mut().unwrap();
            keys.retain(|key| key["kty"] == "EC");
            keys.truncate(1);
            // Points of the curve that are nobody's: those of RFC 7517, appendix A, over and over.
            let stranger = json!({"kty": "EC", "crv": "P-256",
                "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"});
            for key in keys.iter_mut() {
                key.as_object_mut().unwrap().shift_remove("kid");
            }
            for _ in 0..others {
                keys.insert(0, stranger.clone());
            }
        });
    };
    for others in [5, 15] {
        among(&world, others);
        world.advance(REFRESH);
        log_in(&world, &app).await.unwrap_or_else(|error| panic!("{others}: {error} {:?}", cause(&world)));
    }
    among(&world, 16);
    world.advance(REFRESH);
    assert!(log_in(&world, &app).await.is_err());
    let (reason, cause) = cause(&world);
    assert_eq!(reason, "upstream.keys_too_many");
    assert!(cause.contains("17 keys fit its kid and alg, more than the 16 that are tried"), "{cause}");
}

#[tokio::test]
async fn f3_one_failed_fetch_costs_nobody_a_login() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    log_in(&world, &app).await.unwrap();
    instead(&world, Part::Jwks, 503, "text/html", "down");
    world.advance(REFRESH);
    for hours in 0..23 {
        log_in(&world, &app).await.unwrap_or_else(|error| panic!("{hours} h: {error}"));
        world.advance(3600 - 200);
    }
    world.advance(4 * 3600);
    assert_eq!(log_in(&world, &app).await.unwrap_err(), "server_error", "after a day");
    // Tried again after seconds, and every time later.
    let mut calls = world.stub.calls().jwks;
    for pause in [5, 10, 20] {
        world.advance(60);
        let _ = (pause, log_in(&world, &app).await);
    }
    assert!(world.stub.calls().jwks > calls);
    mended(&world);
    world.advance(60);
    log_in(&world, &app).await.unwrap();

    let world = World::new().await;
    instead(&world, Part::Jwks, 503, "text/html", "down");
    assert!(log_in(&world, &app).await.is_err());
    calls = world.stub.calls().jwks;
    assert!(log_in(&world, &app).await.is_err());
    assert_eq!(world.stub.calls().jwks, calls, "not at once");
    world.advance(5);
    mended(&world);
    log_in(&world, &app).await.unwrap();

    // A key that is not known yet, while the set cannot be had: the next try is seconds away.
    names(&world, Some("new"));
    instead(&world, Part::Jwks, 503, "text/html", "down");
    assert!(log_in(&world, &app).await.is_err());
    assert_eq!(cause(&world).0, "upstream.key_unknown");
    mended(&world);
    names(&world, Some("new"));
    publishes(&world, "new");
    world.advance(5);
    log_in(&world, &app).await.unwrap();
}

#[tokio::test]
async fn f2_a_set_of_odd_members_serves_by_those_that_are_keys() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    twist(&world, Part::Jwks, |set| {
        let odd = [
            Value::Null,
            json!(1),
            json!("x"),
            json!({}),
            json!([]),
            json!({"kty": 1}),
            json!({"kty": "EC"}),
        ];
        let keys = set["keys"].as_array_mut().unwrap();
        for odd in odd {
            keys.insert(0, odd);
        }
        set.insert("expires".to_owned(), json!([1]));
    });
    log_in(&world, &app).await.unwrap_or_else(|error| panic!("{error} {:?}", cause(&world)));
    put(&world, Part::Jwks, "keys", json!({}));
    world.advance(REFRESH * 25);
    assert!(log_in(&world, &app).await.is_err());
    assert!(cause(&world).1.contains("its `keys` is no list"));
}
