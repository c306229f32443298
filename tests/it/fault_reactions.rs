//! What the relay does about every fault of the simulator, through the door: what the person sees, which reason the
//! operator finds, what the application is told; and that a good login follows in the same browser.
//!
//! `table.tsv` says what must come out. `UPDATE_DOCS=1` writes `docs/provider-faults.md` from it.

mod page;

use std::sync::Arc;

use relais::event::Step;
use stub_upstream::{FAULTS, Fault, Stage};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::harness::providers::{self, PROVIDERS, Provider};
use crate::harness::{Browser, LegacyApp, Page, RELAY, Setup, World, choose, parameter};

const TABLE: &str = include_str!("fault_reactions/table.tsv");

/// How long a login may be under way, in seconds.
const LOGIN: u64 = 15 * 60;
/// How long metadata and keys serve before they are asked for again, in seconds.
const REFRESH: u64 = 60 * 60;

/// One line of the table.
struct Row {
    fault: Fault,
    /// Whether metadata or keys were fetched before: `first`, `later`, or `-` where it does not matter.
    when: &'static str,
    /// At these profiles.
    profiles: Vec<&'static str>,
    outcome: Outcome,
}

/// What came of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    /// What the person sees: `application`, `page` with status and public code, `provider` with status, `signed out`,
    /// or `elsewhere`.
    sees: String,
    /// The reason of the last event that has one, or `-`.
    reason: String,
    /// What the application is told: `identity`, a refusal's code, or `nothing`.
    told: String,
}

fn table() -> Vec<Row> {
    let row = |line: &'static str| {
        let columns: Vec<_> = line.split('\t').collect();
        let [fault, when, profiles, sees, reason, told] = columns[..] else { panic!("six columns: {line}") };
        let outcome = Outcome { sees: sees.into(), reason: reason.into(), told: told.into() };
        let fault = Fault::parse(fault).unwrap_or_else(|| panic!("there is no fault {fault}"));
        Row { fault, when, profiles: profiles.split(' ').collect(), outcome }
    };
    TABLE.lines().skip(1).map(row).collect()
}

fn profiles() -> impl Iterator<Item = &'static str> {
    stub_upstream::PROFILES.iter().map(|profile| profile.name)
}

/// Whether it is one of the metadata or of the keys, which outlive a login.
fn of_the_provider(fault: Fault) -> bool {
    matches!(fault.stage(), Stage::Discovery | Stage::Jwks)
}

/// Whether a profile has what this fault breaks.
fn shows_at(fault: Fault, profile: &str) -> bool {
    let v1 = profile == "franceconnect_v1";
    match fault {
        _ if of_the_provider(fault) => !v1,
        _ if fault.stage() == Stage::Encryption => profile == "franceconnect_plus",
        // It names no issuer in its response, and no key in its tokens.
        Fault::IssMissing
        | Fault::KeyUnknown
        | Fault::KeyRotated
        | Fault::KidMissing
        | Fault::KeyInHeader
        | Fault::CritUnknown => !v1,
        Fault::UserinfoJson
        | Fault::UserinfoBadSignature
        | Fault::UserinfoAlgNone
        | Fault::UserinfoAudWrong
        | Fault::UserinfoIssWrong
        | Fault::UserinfoExpired => !v1 && profile != "generic",
        _ => true,
    }
}

#[test]
fn every_fault_has_its_rows() {
    let rows = table();
    for fault in FAULTS {
        let of_it: Vec<_> = rows.iter().filter(|row| row.fault == *fault).collect();
        assert!(!of_it.is_empty(), "{} has no row", fault.name());
        let whens = if of_the_provider(*fault) { &["first", "later"][..] } else { &["-"] };
        for (when, profile) in whens.iter().flat_map(|when| profiles().map(move |profile| (*when, profile))) {
            let lines = of_it.iter().filter(|row| row.when == when && row.profiles.contains(&profile));
            let expected = usize::from(shows_at(*fault, profile));
            assert_eq!(lines.count(), expected, "rows of {} at {profile}, {when}", fault.name());
        }
    }
    let order = |fault| FAULTS.iter().position(|other| *other == fault);
    assert!(rows.is_sorted_by_key(|row| order(row.fault)), "in the order of the exchange");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_fault_comes_to_what_the_table_says() {
    let (mut plays, at_once) = (JoinSet::new(), Arc::new(Semaphore::new(12)));
    for row in table() {
        for profile in row.profiles {
            let provider = PROVIDERS.iter().find(|provider| provider.profile == profile);
            let provider = provider.unwrap_or_else(|| panic!("there is no profile {profile}"));
            let (fault, when, expected) = (row.fault, row.when, row.outcome.clone());
            let at_once = at_once.clone();
            plays.spawn(async move {
                let _turn = at_once.acquire().await.unwrap();
                let play = tokio::spawn(play(fault, when, provider));
                let wrong = match play.await {
                    Ok(outcome) if outcome == expected => return None,
                    Ok(Outcome { sees, reason, told }) => format!("{sees}\t{reason}\t{told}"),
                    Err(panic) => format!("{panic}"),
                };
                Some(format!("{}\t{when}\t{profile}\t{wrong}", fault.name()))
            });
        }
    }
    let mut wrong: Vec<_> = plays.join_all().await.into_iter().flatten().collect();
    wrong.sort();
    assert!(wrong.is_empty(), "came out otherwise:\n{}", wrong.join("\n"));
}

/// Plays one fault in a world of its own.
async fn play(fault: Fault, when: &'static str, provider: &'static Provider) -> Outcome {
    let slow = ["_slow", "_trickle"].iter().any(|ending| fault.name().ends_with(ending));
    let outbound = slow.then_some("total_milliseconds = 2000");
    let world = World::with(Setup { outbound, ..providers::setup() }).await;
    let app = world.legacy(provider.name);
    let name = fault.name();
    // Somebody else was here before, unless metadata and keys are to be fetched for the first time.
    let before = if when == "first" { None } else { Some(good(&world, &app, &mut world.browser()).await) };
    if of_the_provider(fault) {
        world.advance(REFRESH + 1);
        world.stub.set_fault(Some(fault));
    }
    world.recorder.clear();
    let calls = world.stub.calls().token;

    let mut browser = world.browser();
    let (attempt, url) = app.start(world.now());
    let page = browser.open(&url).await;
    let login = if of_the_provider(fault) { "angela".to_owned() } else { format!("angela:{name}") };
    let page = if page.body.contains("name=\"persona\"") {
        browser.submit(&page, ("login", &login)).await
    } else {
        page
    };
    let ways = links(&page);
    let page = match fault {
        Fault::ReturnsLate => {
            world.advance(LOGIN + 1);
            browser.open(&ways[0]).await
        }
        Fault::ReturnsTwice => browser.open(&ways[0]).await,
        Fault::FormPost => {
            let (action, fields) = page.form();
            browser.post(&action, &fields).await
        }
        _ => page,
    };
    let mut told = "nothing".to_owned();
    if page.url.starts_with(&app.callback_base()) {
        if parameter(&page.url, "info").is_some() {
            let answer = app.identity(&page.url, &attempt);
            assert!(before.is_none_or(|sub| answer["sub"] == sub.as_str()), "{name}: somebody else");
            told = "identity".to_owned();
        } else {
            told = app.refusal(&page.url, &attempt)["error"].as_str().unwrap().to_owned();
        }
    }
    let page = match fault {
        Fault::ReturnsTwice => browser.open(&ways[1]).await,
        _ if fault.stage() == Stage::Logout => log_out(&mut browser, &app).await,
        _ => page,
    };
    let sees = sees(&world, &app, &page);
    let reason = Some(world.last_reason()).filter(|slug| *slug != "none").unwrap_or("-").to_owned();

    let redeemed = world.stub.calls().token - calls;
    assert!(redeemed <= 1, "{name}: a code is sent once");
    if fault.stage() == Stage::Response && sees != "application" {
        assert!(redeemed == 0 || told == "identity", "{name}: nothing was asked");
    }
    world.stub.set_fault(None);
    if of_the_provider(fault) {
        world.advance(if sees == "elsewhere" { REFRESH } else { 60 } + 1);
    }
    if told != "identity" || fault.stage() == Stage::Logout {
        assert_eq!(world.events(Step::SessionSignedIn).len(), usize::from(told == "identity"), "{name}");
        let page = browser.get(&app.start(world.now()).1).await;
        let location = page.location().unwrap_or_else(|| panic!("{name}: {} {}", page.status, page.body));
        assert!(location.starts_with(&world.stub_base), "{name}: no session is left: {location}");
    }
    good(&world, &app, &mut browser).await;
    Outcome { sees, reason, told }
}

/// Signs angela in at `app`, and says who she is there.
async fn good(world: &World, app: &LegacyApp, browser: &mut Browser<'_>) -> String {
    let (attempt, url) = app.start(world.now());
    let page = browser.open(&url).await;
    let back = choose(browser, page, "angela").await;
    app.identity(&back.url, &attempt)["sub"].as_str().unwrap().to_owned()
}

async fn log_out(browser: &mut Browser<'_>, app: &LegacyApp) -> Page {
    let page = browser.get(&format!("{RELAY}/logout/{}", app.id)).await;
    browser.submit(&page, ("decision", "yes")).await
}

/// The ways back to the relay that a page offers.
fn links(page: &Page) -> Vec<String> {
    let callback = format!("{RELAY}/callback/");
    let targets = page.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    targets.filter(|to| to.starts_with(&callback)).map(|to| to.replace("&amp;", "&")).collect()
}

fn sees(world: &World, app: &LegacyApp, page: &Page) -> String {
    if page.url.starts_with(&app.callback_base()) {
        return "application".to_owned();
    }
    if page.url.starts_with(&world.stub_base) {
        return format!("provider {}", page.status);
    }
    if !page.url.starts_with(RELAY) {
        return "elsewhere".to_owned();
    }
    // Wherever it ends, there is one way on.
    assert_eq!(page.button(), format!("https://{}.example/accueil", app.id));
    match page.status {
        200 => "signed out".to_owned(),
        status => format!("page {status} {}", page.code()),
    }
}
