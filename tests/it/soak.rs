//! Soak and growth, for `tests/run long`: many logins, and nothing that stays.

use std::time::Duration;

use relais::clock::Clock as _;
use relais::records;

use crate::harness::{Browser, World};

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Logins for a minute of real time and weeks of the hand clock: what has expired is gone, and memory does not grow
/// with the number of logins.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "a figure for people")]
#[ignore = "a soak, for `tests/run long`"]
async fn logins_leave_nothing_behind() {
    let world = World::new().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("compta");
    let real = relais::clock::SystemClock;
    let end = real.now().plus(Duration::from_mins(1));
    let (mut logins, mut marks) = (0_u32, Vec::new());
    while real.now() < end {
        for n in 0..500 {
            let (attempt, url) = app.start(world.now());
            let mut browser = Browser::new(&world).at(&format!("10.1.{}.{}", n / 250, n % 250));
            if n % 10 == 0 {
                // One in ten never comes back.
                assert_eq!(browser.get(&url).await.status, 303);
                continue;
            }
            let back = browser.open(&url).await;
            app.identity(&back.url, &attempt);
            logins += 1;
            world.recorder.clear();
        }
        // Past every lifetime there is: a session's 12 hours.
        world.advance(13 * 3600);
        world.app.sweep().await;
        for kind in records::ALL {
            for store in &world.app.means.stores {
                assert_eq!(store.count(kind).await.unwrap(), 0, "{kind:?}");
            }
        }
        marks.push(resident_kib());
    }
    let settled = marks[marks.len() / 3];
    let last = *marks.last().unwrap();
    println!("{logins} logins; resident {} KiB at first, {settled} settled, {last} at the end", marks[0]);
    assert!(last < settled + 8 * 1024, "memory grows: {marks:?}");
}

/// Ten thousand logins in flight fit in the memory that the documentation states.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "a figure for people")]
#[ignore = "a measurement of growth, for `tests/run long`"]
async fn ten_thousand_logins_in_flight() {
    let more = "[limit]\nlogins_per_app = 10000\nlogins_per_address = 10000".to_owned();
    let world = World::with(crate::harness::Setup { more, ..Default::default() }).await;
    let app = world.legacy("compta");
    world.browser().get(&app.start(world.now()).1).await;
    let before = resident_kib();
    for n in 1..10_000 {
        let page = world.browser().get(&app.start(world.now()).1).await;
        assert_eq!(page.status, 303, "{n}");
        world.recorder.clear();
    }
    let grown = resident_kib().saturating_sub(before);
    println!("10,000 logins in flight: {grown} KiB");
    assert!(grown < 40 * 1024, "{grown} KiB");
    assert_eq!(world.browser().get(&app.start(world.now()).1).await.status, 503, "and no more");
}
