//! A wall clock that goes ahead and is set right: what is spent stays spent, what is under way comes to its end.

use std::time::Duration;

use crate::harness::{Browser, Setup, World};
use crate::idp_inputs::sign_in;

const HOUR: u64 = 3_600;

/// Both places of marks: in memory, and in a file.
async fn worlds() -> [World; 2] {
    [World::new().await, World::with(Setup { sqlite: true, ..Setup::default() }).await]
}

fn put_back(world: &World, seconds: u64) {
    world.clock.put_back(Duration::from_secs(seconds));
}

/// The message was fresh until a moment ago, or an hour ago, by a wrong clock that cleared what had expired.
#[tokio::test]
async fn what_was_spent_stays_spent() {
    for world in worlds().await {
        // The second wire's messages carry no time, and are remembered for a day.
        for (id, lasts) in [("compta", 900), ("vieux-gcm", 86_400)] {
            for (ahead, back) in [(lasts + 1, 5), (lasts + 1, HOUR), (HOUR, HOUR)] {
                let app = world.legacy(id);
                let (_, url) = app.start(world.now());
                let mut browser = world.browser();
                let page = browser.open(&url).await;
                sign_in(&mut browser, page).await;
                world.advance(ahead);
                world.app.sweep().await;
                put_back(&world, back);
                let again = Browser::new(&world).get(&url).await;
                let context = format!("{id}: {ahead} s ahead, {back} s back: {}", world.last_reason());
                assert_eq!(again.status, 400, "{context}");
                world.advance(2 * HOUR);
            }
        }
    }
}

#[tokio::test]
async fn what_has_expired_does_not_revive() {
    for world in worlds().await {
        let (_, url) = world.legacy("paie").start(world.now());
        let mut browser = world.browser();
        let page = browser.open(&url).await;
        sign_in(&mut browser, page).await;
        let (_, away) = world.legacy("paie").start(world.now());
        let mut other = world.browser();
        let provider = other.get(&away).await;
        // Past the 240 minutes of a session without use, and the 15 of a login.
        world.advance(5 * HOUR);
        world.app.sweep().await;
        put_back(&world, 5 * HOUR);
        let (_, url) = world.legacy("ged").start(world.now());
        let page = browser.get(&url).await;
        assert!(page.location().unwrap().starts_with(&world.stub_base), "the session has ended");
        let page = other.follow(provider).await;
        let page = sign_in(&mut other, page).await;
        assert_eq!((page.status, world.last_reason()), (400, "broker.state_unknown"));
        assert_eq!(page.button(), "https://paie.example/accueil", "and there is a way back");
    }
}

#[tokio::test]
async fn a_login_comes_to_its_end_whichever_way_the_clock_steps() {
    for world in worlds().await {
        for (ahead, back) in [(0, 5), (0, HOUR), (600, 0), (600, 605)] {
            let app = world.legacy("paie");
            let (attempt, url) = app.start(world.now());
            let mut browser = world.browser();
            let page = browser.open(&url).await;
            world.advance(ahead);
            put_back(&world, back);
            let back = sign_in(&mut browser, page).await;
            app.identity(&back.url, &attempt);
            assert_eq!(Browser::new(&world).get(&url).await.status, 400, "spent all the same");
            world.advance(2 * HOUR);
        }
    }
}
