//! A flood of what whoever likes can cause is a burst of lines and a number, not a flood of lines.

use relais::event::{Event, Step};
use relais::message::SupportCode;

use crate::harness::{RELAY, Setup, World};
use crate::idp_inputs::sign_in;

fn burst(count: u32) -> Setup {
    Setup { more: format!("[event]\nburst_per_minute = {count}\n"), ..Setup::default() }
}

fn left_out(world: &World) -> Vec<(&'static str, String, String, u64)> {
    let row = |event: &Event| {
        let address = event.peer.as_ref().map(|peer| peer.address.to_string()).unwrap_or_default();
        let names = event.facts.names.clone().unwrap();
        (event.reason.map_or("none", |reason| reason.slug()), names, address, event.facts.count.unwrap())
    };
    let mut rows: Vec<_> = world.events(Step::EventsLeftOut).iter().map(row).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn a_flood_is_a_burst_of_lines_and_a_number() {
    let world = World::new().await;
    let mut codes = Vec::new();
    for _ in 0..200 {
        let page = world.browser().at("192.0.2.66").get(&format!("{RELAY}/nothing")).await;
        assert_eq!(page.status, 404);
        codes.push(page.support_code());
    }
    let said = world.events(Step::RequestRefused);
    assert_eq!(said.len(), 60, "a burst");
    let is_said = |code: &String| {
        said.iter().any(|event| event.code.as_ref().map(SupportCode::to_string).as_ref() == Some(code))
    };
    assert!(codes[..60].iter().all(is_said) && !codes[60..].iter().any(is_said));
    // Another reason, and another address, have bursts of their own.
    world.browser().at("192.0.2.66").get(&format!("{RELAY}/idp/unknown-app?msg=00")).await;
    world.browser().at("192.0.2.7").get(&format!("{RELAY}/nothing")).await;
    assert_eq!(world.events(Step::LegacyRequestRefused).len(), 1);
    assert_eq!(world.events(Step::RequestRefused).len(), 61);

    world.advance(59);
    world.app.means.events.say_left_out();
    assert_eq!(left_out(&world), []);
    world.advance(1);
    world.app.means.events.say_left_out();
    let number = ("server.not_found", "server.request.refused".to_owned(), "192.0.2.66".to_owned(), 140);
    assert_eq!(left_out(&world), std::slice::from_ref(&number));
    // It is said once, and the next minute has a burst of its own.
    world.app.means.events.say_left_out();
    world.browser().at("192.0.2.66").get(&format!("{RELAY}/nothing")).await;
    assert_eq!(left_out(&world), [number]);
    assert_eq!(world.events(Step::RequestRefused).len(), 62);
}

#[tokio::test]
async fn whatever_comes_next_says_the_number_of_the_minute_before() {
    let world = World::with(burst(2)).await;
    let flood = async |target: &str, count: u32| {
        for _ in 0..count {
            world.browser().at("[2001:db8::1]").get(&format!("{RELAY}{target}")).await;
            world.browser().at("[2001:db8:0:ff::1]").get(&format!("{RELAY}{target}")).await;
        }
    };
    // One subscriber, whichever address of the /56.
    flood("/idp/compta?msg=00", 3).await;
    flood("/callback/fc?state=none&code=none", 3).await;
    flood("/logout/compta", 3).await;
    flood("/", 3).await;
    world.advance(60);
    assert_eq!(left_out(&world), []);
    flood("/nothing", 1).await;
    let row = |reason, name: &str| (reason, name.to_owned(), "2001:db8::".to_owned(), 4);
    assert_eq!(
        left_out(&world),
        [
            row("broker.state_unknown", "broker.login.failed"),
            row("legacy.too_short", "legacy.request.refused"),
            row("none", "broker.logout.closed"),
            row("none", "server.home.shown"),
        ]
    );
    assert_eq!(world.events(Step::LoginFailed).len(), 2);
}

#[tokio::test]
async fn a_login_amid_a_flood_from_its_own_address_has_all_its_events() {
    let world = World::with(burst(1)).await;
    let steps = async || {
        world.recorder.clear();
        let mut browser = world.browser().at("192.0.2.66");
        let page = browser.open(&world.legacy("compta").start(world.now()).1).await;
        sign_in(&mut browser, page).await;
        let of_login = world.recorder.events().into_iter().filter(|event| event.login.is_some());
        of_login.map(|event| event.step).collect::<Vec<_>>()
    };
    // The first one fetches what the provider publishes.
    steps().await;
    let quiet = steps().await;
    assert!(quiet.contains(&Step::LegacyAnswerIssued) && quiet.contains(&Step::SessionSignedIn), "{quiet:?}");
    for _ in 0..20 {
        world.browser().at("192.0.2.66").get(&format!("{RELAY}/nothing")).await;
        world.browser().at("192.0.2.66").get(&format!("{RELAY}/callback/fc?state=none&code=none")).await;
    }
    assert_eq!(steps().await, quiet);
}

#[tokio::test]
async fn without_a_burst_every_refusal_is_said() {
    let world = World::with(burst(0)).await;
    for _ in 0..200 {
        world.browser().get(&format!("{RELAY}/nothing")).await;
    }
    assert_eq!(world.events(Step::RequestRefused).len(), 200);
    world.app.means.events.say_all_left_out();
    assert_eq!(left_out(&world), []);
}

/// At the end nothing stays uncounted.
#[tokio::test]
async fn the_number_is_said_when_the_relay_stops() {
    let world = World::with(burst(1)).await;
    for _ in 0..3 {
        world.browser().get(&format!("{RELAY}/nothing")).await;
    }
    world.app.drain();
    world.app.means.events.say_all_left_out();
    assert_eq!(left_out(&world).iter().map(|(.., count)| count).sum::<u64>(), 2);
}
