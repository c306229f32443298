//! Sections E and L: a browser that fetches ahead of its person begins, completes and ends nothing.

use relais::event::Step;

use crate::harness::{Browser, RELAY, World};

/// How browsers say it.
const AHEAD: [(&str, &str); 6] = [
    ("Sec-Purpose", "prefetch"),
    ("Sec-Purpose", "prefetch;prerender"),
    ("Sec-Purpose", "prefetch;anonymous-client-ip"),
    ("Purpose", "prefetch"),
    ("X-Purpose", "preview"),
    ("X-Moz", "prefetch"),
];

async fn nothing_done_ahead(world: &World, browser: &Browser<'_>, url: &str) {
    for (name, value) in AHEAD {
        let page = browser.clone().with(name, value).get(url).await;
        assert_eq!((page.status, page.body.as_str()), (503, ""), "{name}: {value} at {url}");
        assert!(page.header("set-cookie").is_empty() && page.location().is_none(), "{name}: {value}");
        assert_eq!(world.last_reason(), "server.prefetch");
    }
}

#[tokio::test]
async fn e2_l13_what_is_fetched_ahead_completes_and_ends_nothing() {
    let world = World::new().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("paie");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    nothing_done_ahead(&world, &browser, &url).await;
    let away = browser.get(&url).await;
    let back = browser.get(away.location().unwrap()).await;
    let callback = back.location().unwrap().to_owned();
    let asked = world.stub_calls();
    nothing_done_ahead(&world, &browser, &callback).await;
    assert_eq!(world.stub_calls(), asked, "the code was not redeemed");
    let page = browser.open(&callback).await;
    let page = if page.body.contains("/idp/confirm") { browser.confirm(&page).await } else { page };
    let sub = app.identity(&page.url, &attempt)["sub"].as_str().unwrap().to_owned();

    let question = format!("{RELAY}/logout/paie");
    let sealed = format!("{question}?msg={}", app.seal("logout", world.now(), &sub));
    nothing_done_ahead(&world, &browser, &question).await;
    nothing_done_ahead(&world, &browser, &sealed).await;
    assert!(world.events(Step::SessionEnded).is_empty());
    let away = browser.get(&sealed).await;
    assert_eq!(away.status, 303, "the message is still good");
    let returned = browser.get(away.location().unwrap()).await.location().unwrap().to_owned();
    nothing_done_ahead(&world, &browser, &returned).await;
    assert_eq!(browser.open(&returned).await.button(), "https://paie.example/accueil");
    assert_eq!(world.events(Step::SessionEnded).len(), 1);
}
