//! What was answered is repeated to whoever it was for, while it is good, and to nobody else.

use std::time::Duration;

use relais::event::Step;
use stub_upstream::Fault;

use crate::claim_inputs::call;
use crate::field_sessions::up_to_the_callback;
use crate::harness::{Browser, Page, RELAY, World, choose, parameter};

const BROWSER: &str = "relais-browser-8080";

/// Signs `person` in for `url`; what the browser was sent to in the end.
async fn answered(browser: &mut Browser<'_>, url: &str, person: &str) -> Page {
    let page = browser.open(url).await;
    let page = choose(browser, page, person).await;
    if page.body.contains("name=\"decision\"") { browser.confirm(&page).await } else { page }
}

fn is_refused(page: &Page) -> bool {
    page.location().is_none() && page.code() == "LEGACY_REQUEST"
}

#[tokio::test]
async fn a_planted_browser_cookie_brings_nobody_the_victims_answer() {
    let world = World::new().await;
    for name in ["silencieuse", "paie", "compta", "etat-civil"] {
        let app = world.legacy(name);
        let (_, url) = app.start(world.now());
        // One value that we set, one that a stranger made up.
        for planted in [None, Some(format!("{}.{name}", "A".repeat(43)))] {
            let mut attacker = world.browser();
            attacker.open(&app.start(world.now()).1).await;
            let cookie = planted.unwrap_or_else(|| attacker.cookies[BROWSER].clone());
            attacker.cookies.clear();
            attacker.cookies.insert(BROWSER.to_owned(), cookie.clone());
            let (_, url) = app.start(world.now());
            let mut victim = world.browser();
            victim.cookies.insert(BROWSER.to_owned(), cookie);
            let answer = answered(&mut victim, &url, "angela").await;
            assert!(parameter(&answer.url, "info").is_some(), "{name}: {}", answer.url);
            assert!(is_refused(&attacker.get(&url).await), "{name}: the cookie alone");
            let again = victim.get(&url).await;
            assert_eq!(again.location(), Some(answer.url.as_str()), "{name}: and the victim has it again");
        }
        // With a session of their own, too.
        let mut attacker = world.browser();
        let mut victim = attacker.clone();
        answered(&mut attacker, &app.start(world.now()).1, "corse").await;
        victim.cookies.insert(BROWSER.to_owned(), attacker.cookies[BROWSER].clone());
        answered(&mut victim, &url, "angela").await;
        assert!(is_refused(&attacker.get(&url).await), "{name}");
    }
}

/// Whoever begins a login knows its `state`, and may send somebody else to the provider with it.
#[tokio::test]
async fn a_state_that_somebody_else_knows_names_nobody() {
    let world = World::new().await;
    for name in ["paie", "silencieuse", "compta"] {
        let app = world.legacy(name);
        let mut attacker = world.browser();
        let away = attacker.get(&app.start(world.now()).1).await.location().unwrap().to_owned();
        let mut victim = world.browser();
        victim.cookies.insert(BROWSER.to_owned(), attacker.cookies[BROWSER].clone());
        let back = up_to_the_callback(&mut victim, &away, "angela").await;
        let answer = victim.get(&back).await;
        assert!(answer.location().is_some() || answer.body.contains("name=\"decision\""), "{name}");
        let page = attacker.get(&back).await;
        assert_eq!(
            (page.status, page.code().as_str(), page.location()),
            (400, "UPSTREAM_STATE", None),
            "{name}"
        );
        assert!(!page.body.contains("Ang"), "{name}: nobody is named");
    }
}

/// E3: the same browser, a moment later.
#[tokio::test]
async fn e3_a_callback_visited_twice_has_the_same_answer() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let mut browser = world.browser();
    let back = up_to_the_callback(&mut browser, &app.start(world.now()).1, "angela").await;
    let answer = browser.get(&back).await;
    assert!(answer.location().is_some_and(|to| parameter(to, "info").is_some()));
    assert_eq!(browser.get(&back).await.location(), answer.location());
    assert_eq!(world.stub.calls().token, 1, "its code was sent once");
    world.advance(61);
    let late = browser.get(&back).await;
    assert_eq!((late.code().as_str(), late.location()), ("UPSTREAM_STATE", None));
}

#[tokio::test]
async fn nothing_is_repeated_once_the_session_is_over() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let mut browser = world.browser();
    let (_, url) = app.start(world.now());
    let answer = answered(&mut browser, &url, "corse").await;
    assert_eq!(browser.get(&url).await.location(), Some(answer.url.as_str()));
    // Somebody else signs in.
    let mut other = browser.clone();
    answered(&mut other, &world.legacy("compta").start(world.now()).1, "angela").await;
    assert!(is_refused(&other.get(&url).await), "another person's session");
    assert!(is_refused(&browser.get(&url).await), "and the former cookie is void");
    // Or nobody is here any more.
    let (_, url) = app.start(world.now());
    let answer = answered(&mut other, &url, "corse").await;
    assert_eq!(other.get(&url).await.location(), Some(answer.url.as_str()));
    let page = other.get(&format!("{RELAY}/logout/silencieuse")).await;
    other.submit(&page, ("decision", "yes")).await;
    assert!(is_refused(&other.get(&url).await), "after the logout");
}

/// The provider takes its time, and the browser leaves: its code is redeemed once, and the login has its end.
#[tokio::test]
async fn d11_a_browser_that_leaves_ends_no_login() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let mut browser = world.browser();
    let (_, url) = app.start(world.now());
    let back = up_to_the_callback(&mut browser, &url, "angela").await;
    world.stub.set_fault(Fault::parse("token_slow"));
    let mut leaving = browser.clone();
    let left = tokio::time::timeout(Duration::from_millis(200), leaving.get(&back)).await;
    assert!(left.is_err(), "it has left");
    assert!(world.events(Step::LegacyAnswerIssued).is_empty());
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !world.events(Step::LegacyAnswerIssued).is_empty() {
            break;
        }
    }
    assert_eq!(world.events(Step::LegacyAnswerIssued).len(), 1);
    assert_eq!(world.app.means.records.sessions.count().await.unwrap(), 1, "the sign-in is kept");
}

#[tokio::test]
async fn a_reference_that_was_claimed_is_not_handed_out_again() {
    let world = World::new().await;
    let app = world.legacy("etat-civil");
    let mut browser = world.browser();
    let (_, url) = app.start(world.now());
    let answer = answered(&mut browser, &url, "angela").await;
    assert_eq!(browser.get(&url).await.location(), Some(answer.url.as_str()));
    let reference = parameter(&answer.url, "info").unwrap();
    let credentials = (app.id, app.claim_password());
    let form = format!("ref={reference}");
    let claimed = call(&world, Some((credentials.0, &credentials.1)), &form, "192.0.2.200").await;
    assert_eq!(claimed.status, 200);
    assert!(is_refused(&browser.get(&url).await));
}

#[tokio::test]
async fn an_answer_goes_to_no_address_that_was_withdrawn_and_to_no_disabled_application() {
    for disabled in [false, true] {
        let mut world = World::new().await;
        let app = world.legacy("paie");
        let (cookies, page, url) = {
            let mut browser = world.browser();
            let (_, url) = app.start(world.now());
            let page = browser.open(&url).await;
            let page = choose(&mut browser, page, "angela").await;
            let answer = browser.click(&page, ("decision", "yes")).await;
            let twice = browser.click(&page, ("decision", "yes")).await;
            assert!(answer.location().is_some() && answer.location() == twice.location());
            (browser.cookies.clone(), page, url)
        };
        world.reconfigure(|setup| {
            if disabled {
                setup.app.insert("paie", "enabled = false".to_owned());
            } else {
                let callbacks = "callbacks = [{ url = \"http://127.0.0.1:9000/ailleurs\" }]";
                setup.callbacks.insert("paie", callbacks.to_owned());
            }
        });
        let mut browser = world.browser();
        browser.cookies = cookies;
        for page in [browser.click(&page, ("decision", "yes")).await, browser.get(&url).await] {
            assert_eq!((page.status / 100, page.location()), (4, None), "disabled = {disabled}");
        }
    }
}

/// Of two people with one message one has the answer, and nothing waits for the other.
#[tokio::test]
async fn whoever_lost_a_message_leaves_no_reference() {
    let world = World::new().await;
    let (_, url) = world.legacy("etat-civil").start(world.now());
    let mut browsers = [world.browser(), world.browser()];
    let mut back = Vec::new();
    for browser in &mut browsers {
        back.push(up_to_the_callback(browser, &url, "angela").await);
    }
    let won = browsers[0].get(&back[0]).await;
    assert!(won.location().is_some());
    let lost = browsers[1].get(&back[1]).await;
    assert_eq!((lost.location(), world.last_reason()), (None, "legacy.lost_to_another"));
    assert_eq!(world.app.means.legacy.records.references.count().await.unwrap(), 1);
}
