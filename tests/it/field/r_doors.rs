//! D: what comes to our own doors, and the reason and facts by which its event alone is enough to act.

use relais::event::Event;
use relais::peer::Peer;
use relais::web;

use super::told;
use crate::claim_inputs::call;
use crate::field_sessions::up_to_the_callback;
use crate::harness::{Browser, RELAY, Setup, World, choose};

/// The last event with a reason, which is this one.
fn said(world: &World, slug: &str) -> Event {
    let event = told(world);
    assert_eq!(event.reason.unwrap().slug(), slug);
    world.recorder.clear();
    event
}

fn framed<'w>(browser: &Browser<'w>) -> Browser<'w> {
    browser.raw_fields(&[("Sec-Fetch-Dest", "iframe"), ("Sec-Fetch-Mode", "navigate")])
}

#[tokio::test]
async fn d_what_comes_with_a_message() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (_, url) = app.start(world.now());
    framed(&world.browser()).get(&url).await;
    assert_eq!(said(&world, "legacy.framed").peer.unwrap().address.to_string(), "192.0.2.7");
    for _ in 0..61 {
        world.browser().at("192.0.2.9").get(&app.idp("00")).await;
    }
    assert!(said(&world, "legacy.limited").facts.sealed.is_some());
    // Sealed before this relay began, whose marks were lost with the one before.
    let before = world.now() - 120;
    let world = world.restarted().await;
    let msg = app.seal("request", before, app.callback(&app.attempt()));
    world.browser().get(&app.idp(&msg)).await;
    assert!(said(&world, "legacy.before_start").facts.offset_s.is_some());
}

#[tokio::test]
async fn d_what_comes_to_the_claim_and_the_logout() {
    let world = World::new().await;
    let app = world.legacy("etat-civil");
    call(&world, None, "ref=x", "192.0.2.200").await;
    said(&world, "legacy.claim_unauthenticated");
    for _ in 0..61 {
        call(&world, Some((app.id, "wrong")), "ref=x", "192.0.2.200").await;
    }
    said(&world, "legacy.claim_limited");
    let password = app.claim_password();
    call(&world, Some((app.id, &password)), "ref=a&ref=b", "192.0.2.200").await;
    said(&world, "legacy.claim_malformed");
    let silent = world.legacy("silencieuse");
    let mut browser = world.browser();
    let page = browser.open(&silent.start(world.now()).1).await;
    choose(&mut browser, page, "angela").await;
    browser.get(&format!("{RELAY}/logout/silencieuse?msg=00")).await;
    assert!(said(&world, "legacy.logout_unsealed").facts.cause.is_some(), "it says why");
}

#[tokio::test]
async fn d_what_comes_back_to_the_broker() {
    let mut world = World::new().await;
    let app = world.legacy("paie");
    let (page, cookies) = {
        let mut browser = world.browser();
        let back = up_to_the_callback(&mut browser, &app.start(world.now()).1, "angela").await;
        world.browser().get(&back).await;
        let login = said(&world, "broker.no_cookie").login;
        assert!(login.is_some(), "the login that waits");
        browser.get(&back.replace("/callback/oidc", "/callback/fc")).await;
        assert_eq!(said(&world, "broker.other_upstream").login, login);
        let page = browser.get(&back).await;
        let mut other = world.browser();
        other.get(&app.start(world.now()).1).await;
        other.get(&back).await;
        said(&world, "broker.state_spent");
        browser.post(&format!("{RELAY}/idp/confirm"), &[("token".to_owned(), "x".to_owned())]).await;
        said(&world, "broker.csrf");
        (page, browser.cookies.clone())
    };
    world.reconfigure(|setup| drop(setup.app.insert("paie", "enabled = false".to_owned())));
    {
        let mut browser = world.browser();
        browser.cookies.clone_from(&cookies);
        browser.click(&page, ("decision", "yes")).await;
        assert_eq!(said(&world, "broker.app_gone").app.unwrap().as_str(), "paie");
    }
    world.reconfigure(|setup| drop(setup.app.remove("paie")));
    let mut browser = world.browser();
    browser.cookies = cookies;
    browser.click(&page, ("decision", "no")).await;
    assert!(said(&world, "broker.cancelled").login.is_some());
    browser.get(&app.start_with(world.now(), "relais_prompt=none").1).await;
    said(&world, "broker.login_required");
}

#[tokio::test]
async fn d_what_finds_no_room() {
    let more = "[limit]\nlogins_in_flight = 64\nlogins_per_app = 1\nlogins_per_address = 1".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    for _ in 0..3 {
        world.browser().get(&world.legacy("compta").start(world.now()).1).await;
    }
    let facts = said(&world, "broker.too_many_logins").facts;
    assert!(facts.names.unwrap().starts_with("login ipv4/"), "whose share it is");
    let peer = Peer::at("192.0.2.9:1".parse().unwrap());
    web::too_many(&world.app, &peer, &web::serve::TooMany { limit: "limit.in_flight" });
    let event = said(&world, "server.overloaded");
    assert_eq!(event.facts.names.as_deref(), Some("limit.in_flight"));
    assert_eq!(event.peer.unwrap().address.to_string(), "192.0.2.9");
}

#[tokio::test]
async fn d_what_is_no_request_for_us() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (_, url) = app.start(world.now());
    world.browser().send_to("evil.example", "/").await;
    let facts = said(&world, "server.misdirected").facts;
    assert_eq!((facts.names.as_deref(), facts.url.as_deref()), (Some("evil.example"), Some(RELAY)));
    world.browser().with("Upgrade", "websocket").get(&url).await;
    said(&world, "server.upgrade");
    world.browser().with("Sec-Purpose", "prefetch").get(&url).await;
    said(&world, "server.prefetch");
    framed(&world.browser()).get(&format!("{RELAY}/callback/fc?state=x&code=y")).await;
    said(&world, "server.framed");
    world.browser().get(&format!("{RELAY}/logout/compta?a=1&a=2&msg=1&msg=2")).await;
    said(&world, "server.invalid_request");
}
