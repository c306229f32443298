//! Bad inputs at `/logout/{app}`, row by row, and the way out.

use relais::event::Step;

use crate::harness::{Browser, LegacyApp, Page, RELAY, World, choose};
use crate::idp_inputs::sign_in;

fn logout_url(app: &LegacyApp) -> String {
    format!("{RELAY}/logout/{}", app.id)
}

/// Signs a new browser in at `app`.
async fn signed_in<'w>(world: &'w World, app: &LegacyApp) -> (Browser<'w>, String) {
    let (attempt, url) = app.start(world.now());
    let mut browser = Browser::new(world);
    let page = browser.open(&url).await;
    let back = sign_in(&mut browser, page).await;
    let sub = app.identity(&back.url, &attempt)["sub"].as_str().unwrap().to_owned();
    (browser, sub)
}

/// Whether the browser's session still serves `app` without the upstream.
async fn still_signed_in(world: &World, browser: &Browser<'_>, app: &LegacyApp) -> bool {
    let page = browser.clone().open(&app.start(world.now()).1).await;
    page.body.contains("/idp/confirm")
}

fn is_question(page: &Page) -> bool {
    page.status == 200 && page.body.contains("<form") && page.body.contains("/logout/")
}

#[tokio::test]
async fn a_logout_is_confirmed_and_reaches_the_upstream() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let (mut browser, _) = signed_in(&world, &app).await;
    let page = browser.get(&logout_url(&app)).await;
    assert!(is_question(&page), "OUT-01: {}", page.body);
    assert!(still_signed_in(&world, &browser, &app).await, "OUT-01: nothing closed before the yes");
    let policy = page.header("content-security-policy");
    assert!(policy.contains(&format!("form-action 'self' {}", world.stub_base)), "{policy}");
    let page = browser.submit(&page, ("decision", "yes")).await;
    assert_eq!(page.status, 200);
    assert!(page.url.starts_with(&format!("{RELAY}/logout/return/oidc")), "{}", page.url);
    assert_eq!(page.button(), "https://paie.example/accueil");
    assert!(world.stub.calls().logout >= 1, "the upstream's session ended too");
    assert!(!still_signed_in(&world, &browser, &app).await);
    // Without a session there is nothing to ask.
    let page = browser.get(&logout_url(&app)).await;
    assert_eq!((page.status, page.button().as_str()), (200, "https://paie.example/accueil"));
    // The login's own id lasts to its logout.
    let login = world.events(Step::LegacyAnswerIssued)[0].login;
    assert_eq!(world.events(Step::LogoutUpstream)[0].login, login);
}

#[tokio::test]
async fn franceconnect_is_told_with_hint_and_state() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (mut browser, _) = signed_in(&world, &app).await;
    let page = browser.get(&logout_url(&app)).await;
    let (action, fields) = page.form();
    let answer = browser.post(&format!("{RELAY}{action}"), &fields).await;
    let location = answer.location().unwrap();
    assert!(location.starts_with(&format!("{}/api/v2/session/end?", world.stub_base)), "{location}");
    for name in ["id_token_hint=", "state=", "post_logout_redirect_uri="] {
        assert!(location.contains(name), "{location} lacks {name}");
    }
    let page = browser.follow(answer).await;
    assert_eq!((page.status, page.button().as_str()), (200, "https://compta.example/accueil"));
}

#[tokio::test]
async fn a_forged_confirmation_closes_nothing() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let (mut browser, _) = signed_in(&world, &app).await;
    let page = browser.get(&logout_url(&app)).await;
    let (_, fields) = page.form();
    let url = logout_url(&app);
    let token = |value: &str| vec![("token".to_owned(), value.to_owned())];
    let post =
        async |browser: &Browser<'_>, fields: &[(String, String)]| browser.clone().post(&url, fields).await;
    for (row, page) in [
        ("OUT-12", post(&browser, &[]).await),
        ("OUT-12", post(&browser, &token("")).await),
        ("OUT-12", post(&browser, &token(&"A".repeat(43))).await),
        ("OUT-12", post(&browser.clone().with("Origin", "https://evil.example"), &fields).await),
        ("OUT-12", post(&browser.clone().with("Sec-Fetch-Site", "cross-site"), &fields).await),
        ("OUT-12", post(&Browser::new(&world), &fields).await),
    ] {
        assert_eq!((page.status, page.code().as_str()), (403, "CSRF"), "{row}");
    }
    // OUT-13: a GET from an image on another site.
    let page =
        browser.clone().with("Sec-Fetch-Dest", "image").with("Sec-Fetch-Site", "cross-site").get(&url).await;
    assert!(is_question(&page), "OUT-13");
    assert!(still_signed_in(&world, &browser, &app).await, "OUT-13: session intact");
    // The right one still works, once.
    let done = browser.submit(&page, ("decision", "yes")).await;
    assert_eq!(done.status, 200);
    assert!(!still_signed_in(&world, &browser, &app).await);
    // A second click leads to the same place.
    let again = browser.submit(&page, ("decision", "yes")).await;
    assert_eq!((again.status, again.button().as_str()), (200, "https://paie.example/accueil"));
}

#[tokio::test]
async fn parameters_twice() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let (mut browser, _) = signed_in(&world, &app).await;
    for query in ["state=a&state=b", "msg=a&msg=b", "x=1&x=2"] {
        let page = browser.get(&format!("{}?{query}", logout_url(&app))).await;
        assert_eq!((page.status, page.code().as_str()), (400, "INVALID_REQUEST"), "OUT-15");
    }
    assert!(still_signed_in(&world, &browser, &app).await);
}

#[tokio::test]
async fn a_sealed_logout_acts_at_once() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let (mut browser, sub) = signed_in(&world, &app).await;
    let url = |token: String| format!("{}?msg={token}", logout_url(&app));
    let now = world.now();
    let intact = [
        ("another sub", app.seal("logout", now, "somebody-else")),
        ("expired", app.seal("logout", now - 901, &sub)),
        ("another direction", app.seal("request", now, &sub)),
        ("another application", world.legacy("ged").seal("logout", now, &sub)),
        ("noise", "00".repeat(50)),
    ];
    for (what, token) in intact {
        let page = browser.get(&url(token)).await;
        assert!(is_question(&page), "OUT-28 {what}");
        assert!(still_signed_in(&world, &browser, &app).await, "OUT-28 {what}: session intact");
    }
    let token = app.seal("logout", now, &sub);
    let answer = browser.get(&url(token.clone())).await;
    assert_eq!(answer.status, 303, "OUT-27: no confirmation");
    assert!(answer.location().unwrap().starts_with(&world.stub_base), "OUT-27: then upstream");
    let page = browser.follow(answer).await;
    assert_eq!(page.button(), "https://paie.example/accueil", "OUT-27");
    assert!(!still_signed_in(&world, &browser, &app).await, "OUT-27: the session ended");
    // OUT-29: the same message again closes nothing.
    let page = browser.get(&url(token.clone())).await;
    assert_eq!(page.status, 200, "OUT-29");
    let (attempt, start) = app.start(world.now());
    let page = browser.open(&start).await;
    let page = choose(&mut browser, page, "angela").await;
    let back = browser.confirm(&page).await;
    app.identity(&back.url, &attempt);
    let page = browser.get(&url(token)).await;
    assert!(is_question(&page), "OUT-29");
    assert!(still_signed_in(&world, &browser, &app).await, "OUT-29");
}

#[tokio::test]
async fn an_unknown_return_is_a_page() {
    let world = World::new().await;
    for query in ["", "?state=unknown", "?state="] {
        let page = Browser::new(&world).get(&format!("{RELAY}/logout/return/oidc{query}")).await;
        assert_eq!(page.status, 200);
        page.button();
    }
    let page = Browser::new(&world).get(&format!("{RELAY}/logout/inconnue")).await;
    assert_eq!(page.status, 404);
}

/// Who comes to the return path without a `state` is told nothing that is not so.
#[tokio::test]
async fn a_return_without_a_state() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let back = format!("{RELAY}/logout/return/fc");
    let mut browser = world.browser();
    let page = browser.open(&app.start(world.now()).1).await;
    sign_in(&mut browser, page).await;
    // A session lives, and no logout is under way: the person is asked.
    let page = browser.get(&back).await;
    assert!(page.status == 200 && page.body.contains("name=\"decision\""), "{}", page.body);
    let away = browser.click(&page, ("decision", "yes")).await;
    assert!(away.location().is_some_and(|to| to.starts_with(&world.stub_base)), "{}", away.body);
    // From another upstream it leads nowhere, from this one to the end.
    let other = browser.clone().get(&format!("{RELAY}/logout/return/oidc")).await;
    assert_eq!((other.status, other.location()), (200, None));
    world.recorder.clear();
    let page = browser.get(&back).await;
    assert_eq!((page.status, page.button().as_str()), (200, "https://compta.example/accueil"));
    let returned = world.events(Step::LogoutReturned);
    assert!(returned[0].login.is_some() && returned[0].reason.is_none(), "it went on with the logout");
}
