//! Two sites, of which one has the stores: the line between them is cut and heals. And replicas that a write must
//! reach, beyond a cut.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use relais::clock::{Clock as _, SystemClock, Timestamp};

use super::http::{Request, ask};
use super::link::Link;
use super::nodes::{Backend, Node, Servers, Site, administer, is_ready};
use super::say;
use super::servers::{redis, signal};
use super::steps::{Keeps, Kind, Walk};

/// How long a node waits for a store.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a loaded machine may add.
const SLACK: Duration = Duration::from_millis(1_500);
/// How long a node may take to come back.
const RECOVERY: Duration = Duration::from_secs(5);

/// `[store]` with our timeout.
fn impatient(store: &str) -> String {
    store.replace("url = ", &format!("timeout_milliseconds = {}\nurl = ", TIMEOUT.as_millis()))
}

fn since(start: Timestamp) -> Duration {
    SystemClock.now().since(start)
}

/// The node answers each of these with 503 and says that it is not ready; the longest that anybody waited.
fn refuses(node: &Node, requests: &[&Request]) -> Duration {
    let mut longest = Duration::ZERO;
    for request in requests {
        let start = SystemClock.now();
        let answer = ask(node.public, request).unwrap();
        assert_eq!(answer.status, 503, "{}", answer.body);
        longest = longest.max(since(start));
    }
    let start = SystemClock.now();
    assert!(!is_ready(node.management));
    longest = longest.max(since(start));
    assert!(longest < TIMEOUT + SLACK, "{longest:?}");
    longest
}

/// How long it takes until the node is ready.
fn recovers(node: &Node, start: Timestamp) -> Duration {
    while !is_ready(node.management) {
        assert!(since(start) < RECOVERY, "not ready: {}", node.log());
    }
    since(start)
}

#[test]
fn a_cut_between_two_sites() {
    let servers = Servers::start();
    for backend in Backend::SHARED {
        let Some(site) = Site::new(&servers, backend) else { continue };
        let links: Vec<Link> = servers.ports().into_iter().map(Link::to).collect();
        let beyond = links.iter().fold(impatient(&site.store), |store, link| {
            store.replace(&format!(":{}/", link.to), &format!(":{}/", link.port))
        });
        let (a, b) = (site.node(), site.node_on(&beyond));
        for refused in [false, true] {
            let mut begun = Walk::new(&site);
            assert_eq!(begun.step(b.public).unwrap(), Kind::ToProvider);
            let mut asked = Walk::new(&site);
            assert_eq!(asked.through("callback", b.public), Kind::Question);
            let mut fresh = Walk::new(&site);

            links.iter().for_each(Link::fall_silent);
            let (first, confirm) = (fresh.next(), asked.next());
            let silent = refuses(&b, &[&first, &confirm]);
            assert_eq!(begun.through("claim", a.public), Kind::Claimed, "begun at B, goes on at A");
            assert_eq!(
                asked.through("claim", a.public),
                Kind::Claimed,
                "confirmed in vain at B, goes on at A"
            );
            assert_eq!(Walk::new(&site).through("claim", a.public), Kind::Claimed, "A serves");
            assert!(is_ready(a.management));
            let mut gone = String::new();
            if refused {
                links.iter().for_each(Link::refuse);
                let longest = refuses(&b, &[&first, &confirm, begun.asked.last().unwrap()]);
                assert_eq!(Walk::new(&site).through("claim", a.public), Kind::Claimed, "A serves");
                gone = format!(", refused: within {} ms", longest.as_millis());
            }

            let start = SystemClock.now();
            links.iter().for_each(Link::heal);
            let back = recovers(&b, start);
            for walk in [&begun, &asked] {
                walk.repeat_all(b.public, Keeps::All, "healed");
            }
            assert_eq!(fresh.through("claim", b.public), Kind::Claimed, "what was refused was not spent");
            let (name, silent, back) = (backend.name(), silent.as_millis(), back.as_millis());
            say(&format!("{name:<15}silent: 503 within {silent} ms{gone}; healed: ready within {back} ms"));
        }
    }
}

/// While whatever a write must reach is cut off by `cut`, nothing is acknowledged; once `mend` has brought it back, or
/// the administrator does without, everything is.
fn nothing_on_one_side_only(name: &str, site: &Site, node: &Node, cut: impl FnOnce(), mend: impl FnOnce()) {
    let mut asked = Walk::new(site);
    assert_eq!(asked.through("callback", node.public), Kind::Question);
    let mut answered = Walk::new(site);
    assert_eq!(answered.through("confirm", node.public), Kind::ToApplication);
    let claim = {
        assert_eq!(answered.step(node.public).unwrap(), Kind::Refused, "message of another");
        answered.next()
    };
    cut();
    let start = SystemClock.now();
    while is_ready(node.management) {
        assert!(since(start) < RECOVERY, "ready, and nothing can be written");
    }
    let mut fresh = Walk::new(site);
    let longest = refuses(node, &[&fresh.next(), &asked.next(), &claim]);
    let start = SystemClock.now();
    mend();
    let back = recovers(node, start);
    // Done on one side, and nobody was told: refused ever after, rather than had by whoever asks next.
    let again = || Kind::of(&ask(node.public, &claim).unwrap());
    let first = again();
    assert!([Kind::Claimed, Kind::Refused].contains(&first), "{first:?}");
    assert_eq!(again(), Kind::Refused);
    // Its message may be spent by this very login: the person says yes again, and goes on.
    assert_eq!(asked.through("claim", node.public), Kind::Claimed, "{name}: confirmed in vain");
    assert_eq!(fresh.through("claim", node.public), Kind::Claimed, "what was refused was not spent");
    say(&format!(
        "{name}: 503 within {} ms; a claim that was refused meanwhile: {first:?}; ready again within {} ms",
        longest.as_millis(),
        back.as_millis()
    ));
}

#[test]
fn a_write_that_no_standby_has_is_refused() {
    let servers = Servers::with(None);
    let Some(site) = Site::new(&servers, Backend::Postgres) else { return };
    let port = servers.postgres.as_ref().unwrap().port;
    let node = site.node_on(&impatient(&site.store));
    let set = |names: &str| {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        administer(port, &[&set, "SELECT pg_reload_conf()"]);
    };
    let mend = || {
        let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        say(&format!("{} connections wait for the standby", administer(port, &[waiting]).unwrap()));
        set("");
    };
    nothing_on_one_side_only("synchronous standby cut off", &site, &node, || set("absent"), mend);
}

/// Whether a replica of the Redis server on `port` has a write of this moment within a tenth of a second: one that is
/// called online may still be reading its first copy.
fn has_replica(port: u16) -> bool {
    let mut server = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    server.write_all(b"INCR followed\r\nWAIT 1 100\r\nQUIT\r\n").unwrap();
    let mut told = String::new();
    server.read_to_string(&mut told).unwrap();
    told.lines().nth(1) == Some(":1")
}

#[test]
fn a_write_that_no_replica_has_is_refused() {
    let servers = Servers::with(redis(&["--repl-diskless-sync-delay", "0"]));
    let Some(site) = Site::new(&servers, Backend::RedisPostgres) else { return };
    let primary = servers.redis.as_ref().unwrap().port;
    let replica = redis(&["--replicaof", "127.0.0.1", &primary.to_string()]).unwrap();
    let store = impatient(&site.store).replace("[store.redis]", "[store.redis]\nwait_replicas = 1");
    // A node does not start before the replica has what the primary has.
    while !has_replica(primary) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let node = site.node_on(&store);
    let cut = || signal("-STOP", &replica.family());
    let mend = || signal("-CONT", &replica.family());
    nothing_on_one_side_only("replica cut off", &site, &node, cut, mend);
}
