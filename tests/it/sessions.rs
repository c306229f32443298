//! Single sign-on: who is served without the upstream, who is asked, and what a session survives.

use crate::harness::{Browser, LegacyApp, RELAY, World, choose};
use crate::idp_inputs::sign_in;
use relais::event::Step;

async fn sign_in_at<'w>(world: &'w World, browser: &mut Browser<'w>, app: &LegacyApp) -> String {
    let (attempt, url) = app.start(world.now());
    let page = browser.open(&url).await;
    let back = sign_in(browser, page).await;
    app.identity(&back.url, &attempt);
    back.url
}

#[tokio::test]
async fn confirm_names_the_application_and_the_person() {
    let world = World::new().await;
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &world.legacy("paie")).await;
    let calls = world.stub_calls();
    // Another application of the same upstream: a page, no upstream.
    let app = world.legacy("ged");
    let (attempt, url) = app.start(world.now());
    let page = browser.open(&url).await;
    assert_eq!(page.status, 200, "IDP-90");
    assert!(page.body.contains("Application ged"), "IDP-90: names the application");
    assert!(page.body.contains("Ang"), "IDP-90: names the person");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' http://127.0.0.1:9000"), "{policy}");
    assert_eq!(world.stub_calls(), calls, "IDP-90: from the session");
    let back = browser.confirm(&page).await;
    app.identity(&back.url, &attempt);
    // A second click on Continue gets the same bytes.
    assert_eq!(browser.confirm(&page).await.url, back.url, "IDP-91");
    world.advance(61);
    let late = browser.confirm(&page).await;
    assert_eq!(
        (late.status, late.code().as_str()),
        (400, "UPSTREAM_STATE"),
        "answered a while ago: nothing tells it from one that was lost"
    );
    assert_eq!(late.button(), "https://ged.example/accueil");
}

#[tokio::test]
async fn a_silent_sign_in_upstream_is_confirmed_too() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &app).await;
    // Our session gone, the upstream's alive: it returns without a click, and we ask.
    browser.cookies.retain(|name, _| !name.starts_with("relais-8080"));
    let (attempt, url) = app.start(world.now());
    let page = browser.open(&url).await;
    assert!(page.body.contains("/idp/confirm"), "IDP-90: after an upstream SSO without a click");
    let back = browser.confirm(&page).await;
    app.identity(&back.url, &attempt);
}

#[tokio::test]
async fn cancel_is_a_sealed_refusal() {
    let world = World::new().await;
    let mut browser = world.browser();
    let app = world.legacy("paie");
    sign_in_at(&world, &mut browser, &app).await;
    let (attempt, url) = app.start(world.now());
    let page = browser.open(&url).await;
    let back = browser.submit(&page, ("decision", "no")).await;
    assert_eq!(app.refusal(&back.url, &attempt)["error"], "access_denied");
}

#[tokio::test]
async fn forged_confirmations() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &app).await;
    let page = browser.open(&app.start(world.now()).1).await;
    let (action, mut fields) = page.form();
    fields.push(("decision".to_owned(), "yes".to_owned()));
    let url = format!("{RELAY}{action}");
    let wrong = vec![("token".to_owned(), "A".repeat(43)), ("decision".to_owned(), "yes".to_owned())];
    let attempts = [
        ("IDP-70", browser.clone(), Vec::new()),
        ("IDP-70", browser.clone(), wrong),
        ("IDP-70", Browser::new(&world), fields.clone()),
        ("IDP-71", browser.clone().with("Origin", "https://evil.example"), fields.clone()),
        ("IDP-71", browser.clone().with("Sec-Fetch-Site", "same-site"), fields.clone()),
    ];
    for (row, mut browser, fields) in attempts {
        let page = browser.post(&url, &fields).await;
        assert_eq!((page.status, page.code().as_str()), (403, "CSRF"), "{row}");
        assert!(page.location().is_none(), "{row}");
    }
    // What the browser itself sends from a page without referrer is good.
    let mut honest = browser.clone().with("Origin", "null").with("Sec-Fetch-Site", "same-origin");
    assert_eq!(honest.post(&url, &fields).await.status, 303);
}

#[tokio::test]
async fn silent_and_off() {
    let world = World::new().await;
    let mut browser = world.browser();
    let silent = world.legacy("silencieuse");
    sign_in_at(&world, &mut browser, &silent).await;
    let calls = world.stub_calls();
    let (attempt, url) = silent.start(world.now());
    let back = browser.open(&url).await;
    silent.identity(&back.url, &attempt);
    let (attempt, url) = silent.start_with(world.now(), "relais_prompt=none");
    let back = browser.open(&url).await;
    silent.identity(&back.url, &attempt);
    assert_eq!(world.stub_calls(), calls, "silent: the session serves");
    let page = browser.open(&silent.start_with(world.now(), "relais_prompt=consent").1).await;
    assert!(page.body.contains("/idp/confirm"), "prompt=consent asks all the same");
    // `prompt=none` where a page is due.
    let confirm = world.legacy("ged");
    let (attempt, url) = confirm.start_with(world.now(), "relais_prompt=none");
    let back = browser.open(&url).await;
    assert_eq!(confirm.refusal(&back.url, &attempt)["error"], "login_required");
    // `off`, and `prompt=login`: always by the upstream, which is asked to authenticate anew.
    let off = world.legacy("toujours");
    let page = browser.get(&off.start(world.now()).1).await;
    assert!(page.location().unwrap().contains("prompt=login"), "{:?}", page.location());
    let page = browser.get(&silent.start_with(world.now(), "relais_prompt=login").1).await;
    assert!(page.location().unwrap().contains("prompt=login"));
}

#[tokio::test]
async fn a_session_serves_only_its_own_registration() {
    let world = World::new().await;
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &world.legacy("silencieuse")).await;
    let page = browser.get(&world.legacy("compta").start(world.now()).1).await;
    assert!(
        page.location().unwrap().starts_with(&format!("{}/api/v2/", world.stub_base)),
        "another upstream"
    );
    // Nor a demand that it does not cover.
    let page = browser.get(&world.legacy("forte").start(world.now()).1).await;
    assert!(page.location().unwrap().contains("acr_values=eidas2"), "another level");
    world.advance(10);
    let page = browser.get(&world.legacy("silencieuse").start_with(world.now(), "relais_max_age=5").1).await;
    assert!(page.location().unwrap().starts_with(&world.stub_base), "too old");
    let page = browser.get(&world.legacy("silencieuse").start_with(world.now(), "relais_max_age=0").1).await;
    assert!(page.location().unwrap().starts_with(&world.stub_base), "max_age=0");
}

#[tokio::test]
async fn an_age_is_demanded_and_judged() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &app).await;
    // The provider's own session is older than is asked, and it says so.
    world.advance(200);
    let (attempt, url) = app.start_with(world.now(), "relais_max_age=100");
    let page = browser.open(&url).await;
    assert!(page.body.contains("name=\"persona\""), "asked anew: {}", page.url);
    let back = choose(&mut browser, page, "angela").await;
    assert_eq!(app.identity(&back.url, &attempt)["auth_time"].as_u64(), Some(world.now()));
    // Now the session is young enough, and the relay need not ask.
    world.advance(99);
    let (attempt, url) = app.start_with(world.now(), "relais_max_age=100");
    let answer = browser.get(&url).await;
    app.identity(answer.location().unwrap(), &attempt);
    world.advance(1);
    let answer = browser.get(&app.start_with(world.now(), "relais_max_age=100").1).await;
    assert!(answer.location().unwrap().starts_with(&world.stub_base), "one second too old");
}

#[tokio::test]
async fn a_session_sleeps_and_ends() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &app).await;
    let served = async |browser: &Browser<'_>| {
        browser.clone().get(&app.start(world.now()).1).await.location().unwrap().contains("info=")
    };
    world.advance(239 * 60);
    assert!(served(&browser).await, "239 minutes without use");
    world.advance(239 * 60);
    assert!(served(&browser).await, "use wakes it");
    world.advance(240 * 60 + 61);
    assert!(!served(&browser).await, "240 minutes without use");
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &app).await;
    for _ in 0..11 {
        world.advance(60 * 60);
        assert!(served(&browser).await);
    }
    world.advance(60 * 60 + 1);
    assert!(!served(&browser).await, "12 hours in all");
}

#[tokio::test]
async fn the_cookie_is_renewed_at_each_login() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &app).await;
    let first = browser.cookies["relais-8080"].clone();
    let before = browser.clone();
    sign_in_at(&world, &mut browser, &world.legacy("toujours")).await;
    let second = browser.cookies["relais-8080"].clone();
    assert_ne!(first, second);
    // The old cookie finds nothing any more.
    let page = before.clone().get(&app.start(world.now()).1).await;
    assert!(page.location().is_some_and(|to| to.starts_with(&world.stub_base)));
    // A cookie that we did not make finds nothing, and is not adopted.
    let mut fixed = world.browser();
    fixed.cookies.insert("relais-8080".to_owned(), first.clone());
    sign_in_at(&world, &mut fixed, &app).await;
    assert_ne!(fixed.cookies["relais-8080"], first);
}

#[tokio::test]
async fn another_person_ends_the_former_ones_session() {
    let world = World::new().await;
    let app = world.legacy("toujours");
    let mut browser = world.browser();
    sign_in_at(&world, &mut browser, &app).await;
    let page = browser.open(&app.start(world.now()).1).await;
    choose(&mut browser, page, "corse").await;
    assert_eq!(world.events(Step::SessionEnded).len(), 1);
    let page = browser.open(&world.legacy("ged").start(world.now()).1).await;
    assert!(!page.body.contains("Ang"), "the former person is not offered");
}

#[tokio::test]
async fn localhost_is_sent_to_the_configured_name() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.send("GET", "http://127.0.0.1:8080/idp/compta?msg=00", None).await;
    assert_eq!(page.status, 400);
    for host in ["localhost:8080", "127.0.0.2:8080", "[::1]:8080"] {
        let page = browser.send_to(host, "/idp/compta?msg=00").await;
        assert_eq!(
            (page.status, page.location().unwrap()),
            (303, &*format!("{RELAY}/idp/compta?msg=00")),
            "{host}"
        );
    }
    for host in ["evil.example", "evil.example:8080", "localhost:8081", "127.0.0.1", ""] {
        let page = browser.send_to(host, "/").await;
        assert_eq!((page.status, page.code().as_str()), (421, "MISDIRECTED"), "{host}");
    }
}

/// The age of a sign-in is judged when the person comes back from the provider, not when they have read our page.
#[tokio::test]
async fn whoever_reads_the_question_slowly_has_not_signed_in_too_long_ago() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let mut browser = world.browser();
    let (attempt, url) = app.start_with(world.now(), "relais_max_age=5");
    let page = browser.open(&url).await;
    let page = choose(&mut browser, page, "angela").await;
    world.advance(300);
    let answer = browser.click(&page, ("decision", "yes")).await;
    let to = answer.location().unwrap_or_else(|| panic!("{}", answer.body));
    assert!(app.identity(to, &attempt)["sub"].is_string());
}
