//! A page says what is so: after a restart, a second time, under another name, to a network that has had its share.

use relais::event::{Level, Step};

use crate::harness::{Browser, LegacyApp, Page, RELAY, Setup, World, choose};
use crate::idp_inputs::sign_in;

async fn signed_in<'w>(world: &'w World, app: &LegacyApp) -> Browser<'w> {
    let mut browser = world.browser();
    let page = browser.open(&app.start(world.now()).1).await;
    sign_in(&mut browser, page).await;
    browser
}

/// The same world after a restart, and what the browser has kept.
async fn restarted(world: World, cookies: std::collections::BTreeMap<String, String>) -> World {
    let world = world.restarted().await;
    world.advance(1);
    assert!(!cookies.is_empty());
    world
}

async fn is_served(world: &World, browser: &Browser<'_>, app: &LegacyApp) -> bool {
    browser.clone().open(&app.start(world.now()).1).await.body.contains("/idp/confirm")
}

fn h1(page: &Page) -> &str {
    page.body.split("<h1>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("none")
}

#[tokio::test]
async fn a_question_that_a_restart_has_lost_is_not_finished() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let (page, cookies) = {
        let mut browser = signed_in(&world, &app).await;
        (browser.open(&app.start(world.now()).1).await, browser.cookies)
    };
    assert!(page.body.contains("/idp/confirm"));
    let world = restarted(world, cookies.clone()).await;
    let mut browser = world.browser();
    browser.cookies = cookies;
    let page = browser.click(&page, ("decision", "yes")).await;
    assert_eq!((page.status, page.code().as_str()), (400, "UPSTREAM_STATE"));
    assert_eq!(h1(&page), "Cette connexion n’est plus en cours");
    assert_eq!(page.button(), "https://paie.example/accueil");
    assert_eq!(world.last_reason(), "broker.confirmation_spent");
}

#[tokio::test]
async fn a_logout_whose_session_a_restart_has_lost_finds_none_open() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let (page, cookies) = {
        let mut browser = signed_in(&world, &app).await;
        (browser.get(&format!("{RELAY}/logout/paie")).await, browser.cookies)
    };
    let world = restarted(world, cookies.clone()).await;
    let mut browser = world.browser();
    browser.cookies = cookies;
    let answer = browser.submit(&page, ("decision", "yes")).await;
    assert_eq!((answer.status, h1(&answer)), (200, "Aucune session n’est ouverte"), "{}", answer.body);
    assert_eq!(answer.button(), "https://paie.example/accueil");
    // Whoever has signed in since is asked, and stays signed in until they say yes.
    let start = browser.open(&app.start(world.now()).1).await;
    sign_in(&mut browser, start).await;
    let answer = browser.submit(&page, ("decision", "yes")).await;
    assert_eq!((answer.status, h1(&answer)), (200, "Fermer votre session\u{a0}?"));
    assert!(is_served(&world, &browser, &app).await);
    // The page of the session before is no page of this one either.
    let answer = browser.submit(&page, ("decision", "yes")).await;
    assert_eq!(h1(&answer), "Fermer votre session\u{a0}?");
    assert!(is_served(&world, &browser, &app).await);
    // Another browser's page is as forged as before.
    let mut other = signed_in(&world, &app).await;
    let forged = other.click(&page, ("decision", "yes")).await;
    assert_eq!((forged.status, forged.code().as_str()), (403, "CSRF"));
    assert!(is_served(&world, &other, &app).await);
}

#[tokio::test]
async fn a_logout_page_that_is_too_old_asks_again() {
    let more = "[limit]\nlogin_minutes = 5".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    let app = world.legacy("paie");
    let mut browser = signed_in(&world, &app).await;
    let page = browser.get(&format!("{RELAY}/logout/paie")).await;
    world.advance(5 * 60 + 1);
    let asked = browser.submit(&page, ("decision", "yes")).await;
    assert_eq!(h1(&asked), "Fermer votre session\u{a0}?", "{}", asked.body);
    assert!(is_served(&world, &browser, &app).await);
    let done = browser.submit(&asked, ("decision", "yes")).await;
    assert_eq!(h1(&done), "Votre session est fermée");
    assert!(!is_served(&world, &browser, &app).await);
}

#[tokio::test]
async fn the_page_after_a_logout_claims_nothing_of_other_applications() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let mut browser = signed_in(&world, &app).await;
    let url = format!("{RELAY}/logout/paie");
    let page = browser.get(&url).await;
    let closed = browser.submit(&page, ("decision", "yes")).await;
    let none = browser.get(&url).await;
    let stray = world.browser().get(&format!("{RELAY}/logout/return/oidc")).await;
    for (page, title) in [
        (&closed, "Votre session est fermée"),
        (&none, "Aucune session n’est ouverte"),
        (&stray, "Aucune session n’est ouverte"),
    ] {
        assert_eq!(h1(page), title);
        assert!(page.body.contains("gardent leur propre session"), "{}", page.body);
        assert!(!page.body.contains("il faudra vous identifier"), "{}", page.body);
    }
    let english = browser.raw_fields(&[("accept-language", "en")]).get(&url).await;
    assert_eq!(h1(&english), "No session is open");
    // A way back without a logout ends nothing, and does not say so.
    let live = signed_in(&world, &app).await;
    let page = live.clone().get(&format!("{RELAY}/logout/return/oidc")).await;
    assert_eq!(h1(&page), "Fermer votre session\u{a0}?");
}

#[tokio::test]
async fn d6_another_host_name_is_told_to_both_and_leads_to_the_right_one() {
    let public_url = Some("https://relais.example/sso");
    let world = World::with(Setup { public_url, ..Setup::default() }).await;
    let page = world.browser().send_to("other.example:8443", "/idp/compta").await;
    assert_eq!((page.status, page.code().as_str()), (421, "MISDIRECTED"));
    assert_eq!(page.button(), "https://relais.example/sso/");
    let event = world.events(Step::RequestRefused).pop().unwrap();
    assert_eq!(event.facts.names.as_deref(), Some("other.example:8443"));
    assert_eq!(event.facts.url.as_deref(), Some("https://relais.example"));
}

#[tokio::test]
async fn a_network_that_has_had_its_share_is_told_so() {
    let more = "[limit]\nlogins_in_flight = 256\nlogins_per_app = 1\nlogins_per_address = 1".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    let app = world.legacy("compta");
    let mut last = None;
    for _ in 0..4 {
        last = Some(world.browser().get(&app.start(world.now()).1).await);
    }
    let page = last.unwrap();
    assert_eq!((page.status, page.code().as_str()), (503, "BUSY_NETWORK"));
    assert!(h1(&page).contains("depuis votre réseau"), "{}", h1(&page));
    assert!(page.header("retry-after").parse::<u64>().unwrap() >= 60);
    let advice = world.events(Step::LoginFailed).pop().unwrap().reason.unwrap().row().advice;
    assert!(
        advice.contains("limit.logins_per_address") && advice.contains("limit.large_networks"),
        "{advice}"
    );
}

#[tokio::test]
async fn a_callback_visited_again_is_finished() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let mut browser = world.browser();
    let (attempt, url) = app.start(world.now());
    let page = browser.open(&url).await;
    world.recorder.clear();
    let callback = {
        let answer = browser.click(&page, ("persona", "angela")).await;
        answer.location().unwrap().to_owned()
    };
    let back = browser.open(&callback).await;
    let back = if back.body.contains("/idp/confirm") { browser.confirm(&back).await } else { back };
    app.identity(&back.url, &attempt);
    // A browser that is in the session has its answer again; this one is not any more.
    browser.cookies.retain(|name, _| !name.starts_with("relais-8080"));
    let again = browser.get(&callback).await;
    assert_eq!((again.status, again.code().as_str()), (400, "UPSTREAM_STATE"));
    assert_eq!(h1(&again), "Cette connexion est déjà terminée");
    assert_eq!(again.button(), "https://compta.example/accueil");
    let event = world.recorder.events().pop().unwrap();
    assert_eq!((event.step.name(), event.level), ("broker.return.repeated", Level::Info));
    assert_eq!(event.code.unwrap().to_string(), again.support_code());
    // Somebody else's browser learns nothing.
    let stranger = choose_nothing(&world, &callback).await;
    assert_eq!(stranger.code(), "UPSTREAM_STATE");
    assert_eq!(world.recorder.events().pop().unwrap().step, Step::LoginFailed);
}

/// A reload of the question that a callback has answered with.
#[tokio::test]
async fn a_callback_whose_question_is_open_asks_again() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let mut browser = signed_in(&world, &app).await;
    browser.cookies.retain(|name, _| !name.starts_with("relais-8080"));
    let (attempt, url) = app.start(world.now());
    let asked = browser.open(&url).await;
    assert!(asked.url.starts_with(&format!("{RELAY}/callback/oidc")), "{}", asked.url);
    let again = browser.get(&asked.url).await;
    assert_eq!((again.status, h1(&again)), (200, h1(&asked)), "{}", again.body);
    assert_eq!(world.events(Step::UpstreamReturned).len(), 2, "its code was sent once");
    assert_eq!(world.stub.calls().token, 2);
    // Nobody else is asked.
    let stranger = choose_nothing(&world, &asked.url).await;
    assert_eq!((stranger.status, stranger.code().as_str()), (400, "UPSTREAM_STATE"));
    assert_eq!(browser.get(&asked.url.replace("/oidc", "/fc")).await.code(), "UPSTREAM_STATE");
    let back = browser.confirm(&again).await;
    app.identity(&back.url, &attempt);
}

async fn choose_nothing(world: &World, callback: &str) -> Page {
    let mut other = world.browser();
    let page = other.open(&world.legacy("ged").start(world.now()).1).await;
    choose(&mut other, page, "corse").await;
    other.get(callback).await
}

/// Every code that a page shows is in the log as it is written by default.
#[tokio::test]
async fn the_code_of_a_page_not_found_is_in_the_log() {
    let world = World::new().await;
    let page = world.browser().get(&format!("{RELAY}/nowhere")).await;
    let event = world.events(Step::RequestRefused).pop().unwrap();
    assert_eq!(event.code.unwrap().to_string(), page.support_code());
    assert!(event.level >= Level::Info);
}
