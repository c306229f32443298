//! The cookies of a request, read byte by byte by one parser; and the session's, carried under the rules in force.

use relais::broker::Session;
use relais::event::Step;
use relais::store::Record as _;
use relais::web;

use crate::harness::{Browser, Failing, RELAY, Setup, World};
use crate::idp_inputs::sign_in;

/// A browser that has signed in at `paie`.
async fn signed_in(world: &World) -> Browser<'_> {
    let app = world.legacy("paie");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let back = sign_in(&mut browser, page).await;
    app.identity(&back.url, &attempt);
    browser
}

/// Whether the relay finds the session of a browser that sends `cookie`, written as it is, beside its own cookie.
async fn finds_session(world: &World, own: &str, cookie: &[u8]) -> bool {
    let mut browser = world.browser();
    browser.raw_cookie = Some([format!("relais-browser-8080={own}; ").as_bytes(), cookie].concat());
    let page = browser.get(&format!("{RELAY}/logout/paie")).await;
    assert_eq!(page.status, 200, "{}", String::from_utf8_lossy(cookie));
    page.body.contains("<form")
}

#[tokio::test]
async fn one_bad_pair_costs_no_other() {
    let world = World::new().await;
    let cookies = signed_in(&world).await.cookies;
    let (session, own) = (cookies["relais-8080"].clone(), cookies["relais-browser-8080"].clone());
    let ours = format!("relais-8080={session}");
    for (before, after) in
        [("nom=Ang\u{e9}la; ", ""), ("", "; nom=\u{202e}"), ("x; =; ;;a=b=c;\t", "\t;"), ("%zz=%; ", "")]
    {
        let cookie = format!("{before}{ours}{after}");
        assert!(finds_session(&world, &own, cookie.as_bytes()).await, "C1: {cookie:?}");
    }
    let latin = [b"nom=Ang\xe9la; ", ours.as_bytes()].concat();
    assert!(finds_session(&world, &own, &latin).await, "C1: Latin-1");
    assert!(world.events(Step::RequestNoted).is_empty());
}

#[tokio::test]
async fn near_spellings_of_our_names_are_nothing() {
    let world = World::new().await;
    let cookies = signed_in(&world).await.cookies;
    let (session, own) = (cookies["relais-8080"].clone(), cookies["relais-browser-8080"].clone());
    for near in [
        format!("relais%2D8080={session}"),
        format!("%72elais-8080={session}"),
        format!("Relais-8080={session}"),
        format!("\u{a0}relais-8080={session}"),
        format!("relais-8080\u{2003}={session}"),
        format!("\u{feff}relais-8080={session}"),
        format!("relais-8080 ={session}"),
    ] {
        world.recorder.clear();
        assert!(!finds_session(&world, &own, near.as_bytes()).await, "A1: {near:?}");
        let noted = world.events(Step::RequestNoted);
        assert_eq!(noted.len(), 1, "A1: {near:?}");
        assert_eq!(noted[0].reason.unwrap().slug(), "broker.cookie_near", "A1");
        assert_eq!(noted[0].facts.names.as_deref(), Some("relais-8080"), "A1");
        // Beside ours it takes nothing away.
        assert!(
            finds_session(&world, &own, format!("{near}; relais-8080={session}").as_bytes()).await,
            "A1: {near:?}"
        );
    }
    // A value has one spelling too.
    let spelled = format!("relais-8080=%{:02x}{}", session.as_bytes()[0], &session[1..]);
    for value in [spelled, format!("relais-8080=\"{session}\""), format!("relais-8080={session}\u{a0}")] {
        assert!(!finds_session(&world, &own, value.as_bytes()).await, "A1: {value:?}");
    }
}

#[tokio::test]
async fn the_cookie_follows_the_rules_of_the_request() {
    const BASE: &str = "https://relais.example";
    let mut world = World::with(Setup { public_url: Some(BASE), ..Setup::default() }).await;
    world.reconfigure(|setup| setup.public_url = None);
    world.relay = web::router(world.app.clone());
    world.reconfigure(|setup| setup.public_url = Some(BASE));
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("paie");
    let attempt = app.attempt();
    let callback =
        format!("https://app.example/paie/retour.cgi?vue=1&state={}&nonce={}", attempt.state, attempt.nonce);
    let msg = app.seal("request", world.now(), callback);
    let mut browser = world.browser();
    let away = browser.get(&format!("{BASE}/idp/paie?msg={msg}")).await;
    let back = browser.get(away.location().unwrap()).await;
    let page = browser.get(back.location().unwrap()).await;
    let set = page.header("set-cookie");
    assert!(set.starts_with("__Host-relais="), "A4: {} {set}", page.status);
    for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(set.contains(attribute), "A4: {set} lacks {attribute}");
    }
    // And so does its end, or browsers would not take it.
    let page = browser.get(&format!("{BASE}/logout/paie")).await;
    let (action, mut fields) = page.form();
    fields.push(("decision".to_owned(), "yes".to_owned()));
    let page = browser.post(&format!("{BASE}{action}"), &fields).await;
    let ends = |cookie: &&str| cookie.starts_with("__Host-relais=;") && cookie.contains("Max-Age=0");
    let set = page.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let ended: Vec<_> = set.filter(ends).collect();
    assert!(ended.len() == 1 && ended[0].contains("; Secure"), "A4: {ended:?}");
}

#[tokio::test]
async fn n2_a_session_that_the_store_does_not_take_is_our_page() {
    let store = Failing::at(Session::KIND);
    let world = World::with(Setup { store: Some(store.clone()), ..Setup::default() }).await;
    world.stub.set_auto_login(Some("angela"));
    let mut browser = world.browser();
    let away = browser.get(&world.legacy("paie").start(world.now()).1).await;
    let back = browser.get(away.location().unwrap()).await;
    store.arm();
    let page = browser.get(back.location().unwrap()).await;
    assert_eq!((page.status, page.code().as_str()), (503, "UNAVAILABLE"), "{}", page.body);
    assert_eq!(page.header("retry-after"), "10");
    assert_eq!(page.header("cache-control"), "no-store");
    let told = world.recorder.events().pop().unwrap();
    assert_eq!(told.reason.unwrap().slug(), "server.store_failed");
    assert_eq!(told.code.unwrap().to_string(), page.support_code());
}
