//! Section A of the faults found in use: who is signed in, row by row, with the browsers that showed them.

use relais::event::Step;
use stub_upstream::Fault;

use crate::harness::{Browser, LegacyApp, Page, RELAY, Setup, World, choose, parameter};
use crate::idp_inputs::sign_in;

const SESSION: &str = "relais-8080";
const BROWSER: &str = "relais-browser-8080";

/// Whether `app` is served from the browser's session, without the upstream.
async fn is_served(world: &World, browser: &Browser<'_>, app: &LegacyApp) -> bool {
    let page = browser.clone().get(&app.start(world.now()).1).await;
    page.location().is_some_and(|to| parameter(to, "info").is_some())
}

/// Follows `url` to the point where the provider sends the browser back.
pub async fn up_to_the_callback(browser: &mut Browser<'_>, url: &str, person: &str) -> String {
    let mut page = browser.get(url).await;
    for _ in 0..8 {
        match page.location() {
            Some(to) if to.starts_with(&format!("{RELAY}/callback/")) => return to.to_owned(),
            Some(to) => page = browser.get(to).await,
            None => page = browser.click(&page, ("persona", person)).await,
        }
    }
    panic!("never sent back");
}

/// Two requests of one browser at the same moment.
fn at_once(browser: &Browser<'_>, urls: &[String; 2]) -> Vec<(Page, Option<String>)> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let threads = urls.each_ref().map(|url| {
                let (mut browser, runtime) = (browser.clone(), runtime.clone());
                scope.spawn(move || {
                    let page = runtime.block_on(browser.get(url));
                    (page, browser.cookies.get(SESSION).cloned())
                })
            });
            threads.map(|thread| thread.join().unwrap()).into()
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a1_two_callbacks_at_once_leave_one_good_cookie_and_one_session() {
    for _ in 0..20 {
        let world = World::new().await;
        let (silent, other) = (world.legacy("silencieuse"), world.legacy("paie"));
        let mut browser = world.browser();
        let first = up_to_the_callback(&mut browser, &silent.start(world.now()).1, "angela").await;
        let second = up_to_the_callback(&mut browser, &other.start(world.now()).1, "angela").await;
        let answers = at_once(&browser, &[first, second]);
        let mut good = 0;
        for (page, cookie) in &answers {
            assert!([200, 303].contains(&page.status), "{}", page.status);
            let mut with = browser.clone();
            with.cookies.insert(SESSION.to_owned(), cookie.clone().expect("a cookie of its own"));
            good += usize::from(is_served(&world, &with, &silent).await);
        }
        assert_eq!(good, 1, "one handle is good");
        assert_eq!(world.app.means.records.sessions.count().await.unwrap(), 1, "one session");
    }
}

#[tokio::test]
async fn a1_a_planted_cookie_gives_nobody_the_next_persons_session() {
    let world = World::new().await;
    let (silent, there) = (world.legacy("silencieuse"), world.legacy("compta"));
    let mut attacker = world.browser();
    let page = attacker.open(&silent.start(world.now()).1).await;
    choose(&mut attacker, page, "corse").await;
    assert!(is_served(&world, &attacker, &silent).await);
    let planted = attacker.cookies.clone();
    // The session cookie alone in another browser; then both cookies, as on a shared computer.
    for both in [false, true] {
        let mut victim = world.browser();
        victim.cookies.insert(SESSION.to_owned(), planted[SESSION].clone());
        if both {
            victim.cookies.insert(BROWSER.to_owned(), planted[BROWSER].clone());
        }
        let page = victim.open(&there.start(world.now()).1).await;
        choose(&mut victim, page, "angela").await;
        let page = victim.open(&silent.start(world.now()).1).await;
        choose(&mut victim, page, "angela").await;
        assert!(is_served(&world, &victim, &silent).await, "the victim has a session of their own");
        for name in [SESSION, BROWSER] {
            let mut mixed = attacker.clone();
            mixed.cookies.clone_from(&planted);
            assert_eq!(
                is_served(&world, &mixed, &silent).await,
                !both,
                "both = {both}: as before, or nothing"
            );
            mixed.cookies.insert(name.to_owned(), victim.cookies[name].clone());
            assert!(both || !is_served(&world, &mixed, &silent).await, "half of each");
        }
    }
}

#[tokio::test]
async fn a2_a_session_is_one_person() {
    let world = World::new().await;
    let (silent, there) = (world.legacy("silencieuse"), world.legacy("compta"));
    let mut browser = world.browser();
    let page = browser.open(&silent.start(world.now()).1).await;
    choose(&mut browser, page, "corse").await;
    assert!(is_served(&world, &browser, &silent).await);
    // Somebody at another registration: whatever `sub` they have, these are two namespaces.
    let page = browser.open(&there.start(world.now()).1).await;
    choose(&mut browser, page, "angela").await;
    assert!(!is_served(&world, &browser, &silent).await, "the former person is not served");
    assert_eq!(world.events(Step::SessionEnded).len(), 1);
    // The way out still passes by both providers, without the former person's hint.
    let page = browser.get(&format!("{RELAY}/logout/compta")).await;
    let mut answer = browser.click(&page, ("decision", "yes")).await;
    let mut told = Vec::new();
    while let Some(to) = answer.location().map(str::to_owned) {
        if to.starts_with(&world.stub_base) {
            told.push(to.clone());
        }
        answer = browser.get(&to).await;
    }
    assert_eq!(told.len(), 2, "{told:#?}");
    let hints: Vec<_> = told.iter().map(|url| parameter(url, "id_token_hint").is_some()).collect();
    assert_eq!(hints, [true, false], "{told:#?}");
}

#[tokio::test]
async fn a2_registrations_of_one_namespace_stand_side_by_side() {
    // The same client at the same provider, registered twice under one namespace.
    let more = "
[upstream.again]
profile = \"generic\"
issuer = \"{stub}/generic\"
client_id = \"relais\"
client_secret_file = \"fc.secret\"
redirect_uri = \"http://127.0.0.1:8080/callback/plus\"
subject_namespace = \"oidc\"
";
    let upstream = [("paie", "again")].into();
    let world = World::with(Setup { more: more.to_owned(), upstream, ..Setup::default() }).await;
    let (silent, there) = (world.legacy("silencieuse"), world.legacy("paie"));
    let mut browser = world.browser();
    let page = browser.open(&silent.start(world.now()).1).await;
    choose(&mut browser, page, "corse").await;
    let page = browser.open(&there.start(world.now()).1).await;
    sign_in(&mut browser, page).await;
    assert!(is_served(&world, &browser, &silent).await, "one person, two registrations");
    assert_eq!(world.events(Step::SessionEnded).len(), 0);
}

#[tokio::test]
async fn a3_a_logout_on_its_way_is_taken_only_by_its_browser_and_upstream() {
    let world = World::new().await;
    let (silent, there) = (world.legacy("silencieuse"), world.legacy("compta"));
    let mut browser = world.browser();
    let page = browser.open(&silent.start(world.now()).1).await;
    choose(&mut browser, page, "corse").await;
    let page = browser.open(&there.start(world.now()).1).await;
    choose(&mut browser, page, "angela").await;
    let page = browser.get(&format!("{RELAY}/logout/compta")).await;
    let answer = browser.click(&page, ("decision", "yes")).await;
    let state = parameter(answer.location().unwrap(), "state").unwrap();
    let returned = |upstream: &str| format!("{RELAY}/logout/return/{upstream}?state={state}");
    let mut stranger = world.browser();
    for url in [returned("oidc"), returned("fc")] {
        let page = stranger.get(&url).await;
        assert_eq!((page.status, page.location()), (200, None), "{url}: no cookies");
    }
    let page = browser.clone().get(&returned("oidc")).await;
    assert_eq!((page.status, page.location()), (200, None), "another upstream's return path");
    let page = browser.clone().get(&returned("fc")).await;
    assert!(page.location().is_some_and(|to| to.starts_with(&world.stub_base)), "and the right one goes on");
}

#[tokio::test]
async fn a5_a_callback_that_was_withdrawn_gets_no_answer() {
    let mut world = World::new().await;
    let app = world.legacy("silencieuse");
    let cookies = {
        let mut browser = world.browser();
        let back = up_to_the_callback(&mut browser, &app.start(world.now()).1, "angela").await;
        (browser.cookies.clone(), back)
    };
    world.reconfigure(|setup| {
        let callbacks = "callbacks = [{ url = \"http://127.0.0.1:9000/ailleurs\" }]";
        setup.callbacks.insert("silencieuse", callbacks.to_owned());
    });
    let mut browser = world.browser();
    browser.cookies = cookies.0;
    let page = browser.get(&cookies.1).await;
    assert_eq!((page.status, page.code().as_str(), page.location()), (400, "CLIENT_DISABLED", None));
    // Who signed in is signed in all the same: the way out stays open.
    let page = browser.get(&format!("{RELAY}/logout/silencieuse")).await;
    assert!(page.body.contains("<form"), "a session that can be ended: {}", page.body);
}

#[tokio::test]
async fn a6_a_session_covers_what_was_granted() {
    let world = World::new().await;
    let (silent, other) = (world.legacy("silencieuse"), world.legacy("paie"));
    for (fault, is_covered) in [(Some(Fault::ScopeFewer), false), (None, true)] {
        world.stub.set_fault(fault);
        let mut browser = world.browser();
        let (attempt, url) = silent.start(world.now());
        let page = browser.open(&url).await;
        let back = choose(&mut browser, page, "angela").await;
        assert!(silent.identity(&back.url, &attempt)["sub"].is_string(), "this login is served");
        assert_eq!(is_served(&world, &browser, &silent).await, is_covered, "{fault:?}: from the session");
        let page = browser.get(&other.start(world.now()).1).await;
        let left = page.location().is_some_and(|to| to.starts_with(&world.stub_base));
        assert_eq!(left, !is_covered, "{fault:?}: another application");
    }
}

#[tokio::test]
async fn a7_the_question_tells_people_apart_whatever_they_are_called() {
    let world = World::new().await;
    let app = world.legacy("paie");
    for fault in [Fault::ClaimsMissing, Fault::ClaimsEmpty, Fault::ClaimsNull] {
        world.stub.set_fault(Some(fault));
        let mut browser = world.browser();
        let (attempt, url) = app.start(world.now());
        let page = browser.open(&url).await;
        let page = choose(&mut browser, page, "angela").await;
        let back = browser.confirm(&page).await;
        let sub =
            app.identity(back.location().unwrap_or(&back.url), &attempt)["sub"].as_str().unwrap().to_owned();
        let page = browser.open(&app.start(world.now()).1).await;
        let title = page.body.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
        assert!(title.contains(&sub[..8]), "{}: {title}", fault.name());
        assert!(!title.contains("<bdi></bdi>"), "{}: {title}", fault.name());
    }
}
