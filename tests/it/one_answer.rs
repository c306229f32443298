//! One message has one answer, for one person: many browsers at once, on every backend, and a store that fails at
//! the worst moment (fault A9).

use std::sync::Arc;

use relais::broker::Answered;
use relais::front::legacy::{Reference, SpentMessage, SpentTimeless};
use relais::records;
use relais::store::{Kind, Memory, Postgres, Record as _, Redis, Sqlite, Store};

use crate::harness::{Browser, Failing, Page, Setup, World, choose, parameter};
use crate::other_wires::Other;
use crate::shared_store::opened;
use crate::shared_store::servers::{postgres, postgres_settings, redis, redis_settings};

/// People of the simulator.
const PEOPLE: [&str; 4] = ["angela", "corse", "angela", "corse"];
/// How many browsers bring one message; it holds half of them at most.
const BROWSERS: usize = 16;

/// Room for a thousand records of each kind.
pub fn room() -> [(Kind, usize); records::ALL.len()] {
    records::ALL.map(|kind| (kind, 1_000))
}

/// Sixteen people have a session each. Then, round after round, they bring one message, and all say yes at once, with
/// two clicks each.
async fn one_person_has_the_answer(store: Arc<dyn Store>, rounds: usize) {
    let world = World::with(Setup { store: Some(store), ..Setup::default() }).await;
    let app = world.legacy("paie");
    let mut browsers = Vec::new();
    for n in 0..BROWSERS {
        let mut browser = world.browser().at(&format!("10.{n}.0.1"));
        let page = browser.open(&app.start(world.now()).1).await;
        let page = choose(&mut browser, page, PEOPLE[n % PEOPLE.len()]).await;
        browser.confirm(&page).await;
        browsers.push(browser);
    }
    for round in 0..rounds {
        let (attempt, url) = app.start(world.now());
        let mut asked = Vec::new();
        for browser in &mut browsers {
            let page = browser.open(&url).await;
            asked.push((browser.clone(), page));
        }
        let answers = all_at_once(&asked, 2);
        let answered: Vec<_> = answers.iter().map(|of_one| informed(of_one)).collect();
        let winners: Vec<_> = answered.iter().filter(|answers| !answers.is_empty()).collect();
        assert_eq!(winners.len(), 1, "round {round}: one browser has the answer");
        assert!(
            winners[0].iter().all(|url| url == &winners[0][0]),
            "round {round}: and the same at each click"
        );
        app.identity(&winners[0][0], &attempt);
        // The pool of people goes on with the clock; what they were refused does not count for ever.
        world.advance(61);
    }
}

/// The addresses with an answer among those to which a browser was sent.
fn informed(answers: &[Page]) -> Vec<String> {
    let sent = answers.iter().filter_map(Page::location);
    sent.filter(|to| parameter(to, "info").is_some()).map(str::to_owned).collect()
}

/// Each browser says yes so many times, all in the same moment.
fn all_at_once(asked: &[(Browser<'_>, Page)], clicks: usize) -> Vec<Vec<Page>> {
    let mut answers = at_once(asked.len() * clicks, async |n| {
        let (browser, page) = &asked[n / clicks];
        browser.clone().click(page, ("decision", "yes")).await
    })
    .into_iter();
    asked.iter().map(|_| answers.by_ref().take(clicks).collect()).collect()
}

/// What `act` returns for each number below `count`, all begun in the same moment, in threads of their own.
pub fn at_once<T: Send>(count: usize, act: impl AsyncFn(usize) -> T + Sync) -> Vec<T> {
    let runtime = tokio::runtime::Handle::current();
    let start = std::sync::Barrier::new(count);
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let begun = (0..count).map(|n| {
                let (runtime, start, act) = (runtime.clone(), &start, &act);
                scope.spawn(move || {
                    start.wait();
                    runtime.block_on(act(n))
                })
            });
            let begun: Vec<_> = begun.collect();
            begun.into_iter().map(|one| one.join().unwrap()).collect()
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a9_many_browsers_in_memory() {
    one_person_has_the_answer(Arc::new(Memory::new(room())), 80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a9_many_browsers_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("store"), room()).unwrap();
    one_person_has_the_answer(Arc::new(store), 80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a9_many_browsers_on_postgres() {
    let Some(server) = postgres() else { return };
    let settings = postgres_settings(&server);
    one_person_has_the_answer(opened(async || Postgres::open(&settings, room()).await).await, 80).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a9_many_browsers_on_redis() {
    let Some(server) = redis(&[]) else { return };
    let settings = redis_settings(&server);
    one_person_has_the_answer(opened(async || Redis::open(&settings, room()).await).await, 80).await;
}

/// The store fails at one write of the answer: the page is 503, and whatever the person does then, one message has
/// given no more than one person's identity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a9_the_store_fails_at_the_answer() {
    for (name, kind) in [
        ("paie", SpentMessage::KIND),
        ("paie", Answered::KIND),
        ("vieux-gcm", SpentTimeless::KIND),
        ("vieux-gcm", Answered::KIND),
        ("ref-gcm", Reference::KIND),
    ] {
        let store = Failing::at(kind);
        let world = World::with(Setup { store: Some(store.clone()), ..Setup::default() }).await;
        let url = match name {
            "paie" => world.legacy("paie").start(world.now()).1,
            kif => {
                let values = "state=0123456789abcdef&nonce=fedcba9876543210";
                Other::new(kif).idp(format!("http://127.0.0.1:9000/{kif}/retour.cgi?{values}"))
            }
        };
        let mut pages = Vec::new();
        for person in ["angela", "corse"] {
            let mut browser = world.browser();
            let page = browser.open(&url).await;
            let page = choose(&mut browser, page, person).await;
            pages.push((browser, page));
        }
        let (mut first, page) = pages.remove(0);
        store.arm();
        let failed = first.click(&page, ("decision", "yes")).await;
        assert_eq!(failed.status, 503, "{name}, {kind:?}");
        let mut sent = Vec::new();
        for _ in 0..3 {
            let again = first.click(&page, ("decision", "yes")).await;
            sent.extend(again.location().map(|to| (0, to.to_owned())));
            let again = first.get(&url).await;
            sent.extend(again.location().map(|to| (0, to.to_owned())));
        }
        let (mut second, page) = pages.remove(0);
        for _ in 0..2 {
            let other = second.click(&page, ("decision", "yes")).await;
            sent.extend(other.location().map(|to| (1, to.to_owned())));
        }
        let informed = sent.iter().filter(|(_, to)| parameter(to, "info").is_some());
        let mut winners: Vec<_> = informed.map(|(who, _)| who).collect();
        winners.dedup();
        assert_eq!(winners, [&0], "{name}, {kind:?}: the first person, at the second try");
    }
}
