//! A browser's logout goes one way, however many of its tabs ask, say yes and come back at once.

use std::sync::Arc;

use relais::broker::Logout;
use relais::store::{Memory, Postgres, Record as _, Sqlite, Store};

use crate::harness::{Browser, Failing, Page, RELAY, Setup, World, choose, parameter};
use crate::one_answer::{at_once, room};
use crate::shared_store::opened;
use crate::shared_store::servers::{postgres, postgres_settings};

/// How many tabs.
const TABS: usize = 6;

/// The one address to which all were sent.
fn one_address(pages: &[Page]) -> String {
    let to = pages[0].location().expect("a redirect").to_owned();
    for page in pages {
        assert_eq!(page.location(), Some(to.as_str()), "{}", page.body);
    }
    to
}

async fn one_way_out(store: Arc<dyn Store>, rounds: usize) {
    let world = World::with(Setup { store: Some(store), ..Setup::default() }).await;
    let (silent, there) = (world.legacy("silencieuse"), world.legacy("compta"));
    for _ in 0..rounds {
        let mut browser = world.browser();
        let page = browser.open(&silent.start(world.now()).1).await;
        choose(&mut browser, page, "angela").await;
        let page = browser.open(&there.start(world.now()).1).await;
        choose(&mut browser, page, "angela").await;
        let url = format!("{RELAY}/logout/compta");
        let asked = at_once(TABS, async |_| browser.clone().get(&url).await);
        let clicked = at_once(TABS, async |n| browser.clone().click(&asked[n], ("decision", "yes")).await);
        let to = one_address(&clicked);
        assert!(to.starts_with(&world.stub_base), "{to}");
        // There it ends its own session, and sends the browser back.
        let back = browser.get(&to).await.location().expect("back here").to_owned();
        assert!(parameter(&back, "state").is_some(), "{back}");
        let returned = at_once(TABS, async |_| browser.clone().get(&back).await);
        let signed_out =
            |page: &Page| page.status == 200 && page.button() == "https://compta.example/accueil";
        assert!(
            returned.iter().all(|page| signed_out(page) || page.location().is_some()),
            "each of them is at the end, or at the upstream that is next"
        );
        // Late, and once too often.
        let late = browser.get(&back).await;
        assert!(signed_out(&late), "{} {}", late.status, late.body);
        let again = browser.clone().click(&asked[0], ("decision", "yes")).await;
        assert!(signed_out(&again) || again.location().is_some(), "{}", again.body);
        world.advance(61);
    }
}

/// A logout waits at the upstream in one tab; whoever signs in meanwhile in another stays signed in.
#[tokio::test]
async fn a_late_return_ends_nobody_elses_session() {
    let world = World::new().await;
    let (silent, there) = (world.legacy("silencieuse"), world.legacy("compta"));
    let mut browser = world.browser();
    let page = browser.open(&there.start(world.now()).1).await;
    choose(&mut browser, page, "angela").await;
    let page = browser.get(&format!("{RELAY}/logout/compta")).await;
    let left = browser.click(&page, ("decision", "yes")).await;
    let back = browser.get(left.location().unwrap()).await.location().unwrap().to_owned();
    let page = browser.open(&silent.start(world.now()).1).await;
    choose(&mut browser, page, "corse").await;
    let served = async |browser: &Browser<'_>| {
        let page = browser.clone().get(&silent.start(world.now()).1).await;
        page.location().is_some_and(|to| parameter(to, "info").is_some())
    };
    assert!(served(&browser).await);
    let page = browser.get(&back).await;
    assert_eq!(page.status, 200, "signed out there");
    assert!(served(&browser).await, "and still signed in here");
}

/// The store fails at a write of the logout: either the session lives, or the upstream is told all the same.
#[tokio::test]
async fn the_store_fails_at_the_logout() {
    for (writes, sealed) in [(0, true), (1, true), (0, false)] {
        let store = Failing::at(Logout::KIND);
        let world = World::with(Setup { store: Some(store.clone()), ..Setup::default() }).await;
        let silent = world.legacy("silencieuse");
        let mut browser = world.browser();
        let (attempt, url) = silent.start(world.now());
        let page = browser.open(&url).await;
        let answer = choose(&mut browser, page, "corse").await;
        let sub = silent.identity(&answer.url, &attempt)["sub"].as_str().unwrap().to_owned();
        let url = format!("{RELAY}/logout/silencieuse");
        let msg = format!("{url}?msg={}", silent.seal("logout", world.now(), &sub));
        let failed = if sealed {
            store.arm_after(writes);
            browser.get(&msg).await
        } else {
            let page = browser.get(&url).await;
            store.arm_after(0);
            browser.click(&page, ("decision", "yes")).await
        };
        assert_eq!(failed.status, 503, "{writes} {sealed}");
        let served = browser.clone().get(&silent.start(world.now()).1).await;
        let lives = served.location().is_some_and(|to| parameter(to, "info").is_some());
        assert_eq!(lives, writes == 0 && sealed, "{writes} {sealed}");
        let mut page = browser.get(&url).await;
        if lives {
            page = browser.click(&page, ("decision", "yes")).await;
        }
        let to = page.location().unwrap_or_else(|| panic!("{writes} {sealed}: {}", page.body));
        assert!(to.starts_with(&world.stub_base), "{to}");
        assert!(parameter(to, "id_token_hint").is_some(), "{to}");
    }
}

/// A logout is its person's, also where it takes the place of somebody else's in a browser that they share: the other one's
/// logouts elsewhere do not drop it.
#[tokio::test]
async fn a_shared_computers_logout_is_the_last_persons() {
    let more = "[limit]\nsessions_per_person = 1".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    let app = world.legacy("compta");
    let leave = async |browser: &mut Browser<'_>, who| {
        let page = browser.open(&app.start(world.now()).1).await;
        choose(browser, page, who).await;
        let page = browser.get(&format!("{RELAY}/logout/compta")).await;
        let left = browser.click(&page, ("decision", "yes")).await;
        let back = browser.get(left.location().unwrap()).await;
        browser.get(back.location().unwrap()).await;
        world.app.means.records.logouts.count().await.unwrap()
    };
    let (mut shared, mut own) = (world.browser(), world.browser());
    assert_eq!(leave(&mut shared, "angela").await, 1);
    assert_eq!(leave(&mut shared, "corse").await, 1);
    assert_eq!(leave(&mut own, "angela").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn e1_many_tabs_in_memory() {
    one_way_out(Arc::new(Memory::new(room())), 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn e1_many_tabs_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    one_way_out(Arc::new(Sqlite::open(&directory.path().join("store"), room()).unwrap()), 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn e1_many_tabs_on_postgres() {
    let Some(server) = postgres() else { return };
    let settings = postgres_settings(&server);
    one_way_out(opened(async || Postgres::open(&settings, room()).await).await, 20).await;
}
