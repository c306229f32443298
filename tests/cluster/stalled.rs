//! Peers that stand still, and a whole process: what they cost is given back, people sign in meanwhile, and SIGTERM ends
//! it.

use std::fs;
use std::time::Duration;

use relais::clock::{Clock as _, SystemClock, Timestamp};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use super::http::{Cookies, Request, ask};
use super::nodes::{Backend, Node, Servers, Site};
use super::steps::{Kind, Walk};
use super::{RELAY, say};

/// What all nodes allow one address is replaced by these limits.
fn node(site: &Site, limits: &str) -> Node {
    let mut node = site.configured("");
    let text = fs::read_to_string(&node.config).unwrap();
    let limited = text.replace("connections_per_address = 4096", limits);
    assert_ne!(text, limited);
    fs::write(&node.config, limited).unwrap();
    node.start();
    node
}

fn now() -> Timestamp {
    SystemClock.now()
}

/// A connection from this address of this machine; the node's configuration trusts 127.0.0.1 as a proxy.
async fn sent(address: &str, node: &Node, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], node.public).into()).await.unwrap();
    // What does not fit is part of the test.
    let _ = tokio::time::timeout(Duration::from_millis(50), stream.write_all(bytes)).await;
    stream
}

/// Readers that do not read, from `addresses` in one /16, and half bodies of one client through the trusted proxy.
async fn stalled(node: &Node, addresses: usize, each: usize, bodies: usize) -> Vec<TcpStream> {
    let home = ask(node.public, &Request::get(&format!("{RELAY}/"), &Cookies::new())).unwrap().body;
    let style = &home[home.find("/static/").unwrap()..];
    let style = &style[..style.find('"').unwrap()];
    let many = format!("GET {style} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").repeat(200);
    let half = "POST /idp/confirm HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.9\r\n\
                Cookie: __Host-relais-browser=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.compta\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntok";
    let mut streams = Vec::new();
    for n in 0..addresses * each {
        let address = format!("127.5.{}.1", n / each);
        streams.push(sent(&address, node, many.as_bytes()).await);
    }
    for _ in 0..bodies {
        streams.push(sent("127.0.0.1", node, half.as_bytes()).await);
    }
    streams
}

fn descriptors(node: &Node) -> usize {
    fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count()
}

fn resident_kib(node: &Node) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Waits until the node's descriptors are so many.
fn until(node: &Node, what: &str, is_so: impl Fn(usize) -> bool) {
    for _ in 0..2_000 {
        if is_so(descriptors(node)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: {} descriptors", descriptors(node));
}

/// Attacks, each while somebody signs in; whatever they cost is given back.
fn rounds(node: &Node, site: &Site, rounds: usize, addresses: usize, each: usize) {
    let baseline = descriptors(node);
    let mut resident = Vec::new();
    for _ in 0..rounds {
        let streams = runtime().block_on(async {
            let streams = stalled(node, addresses, each, 200).await;
            streams.into_iter().map(|stream| stream.into_std().unwrap()).collect::<Vec<_>>()
        });
        until(node, "they are held, and not closed at once", |held| held > baseline + 250);
        let mut walk = Walk::new(site);
        assert_eq!(walk.step(node.public).unwrap(), Kind::ToProvider);
        assert_eq!(walk.step(node.public).unwrap(), Kind::Question);
        assert_eq!(walk.step(node.public).unwrap(), Kind::ToApplication);
        until(node, "they are closed", |held| held <= baseline);
        drop(streams);
        resident.push(resident_kib(node));
    }
    say(&format!("{baseline} descriptors; resident {resident:?} KiB"));
    // The first round fills what the allocator keeps.
    let (first, last) = (resident[0], resident[rounds - 1]);
    assert!(last < first + 8 * 1024, "memory grows: {resident:?}");
}

const SHORT: &str = "head_seconds = 5\nbody_seconds = 5\nwrite_seconds = 5";

#[test]
fn what_they_cost_is_given_back() {
    let site = Site::new(&Servers::none(), Backend::MemorySqlite).unwrap();
    let node = node(&site, &format!("connections = 1024\nconnections_per_address = 128\n{SHORT}"));
    rounds(&node, &site, 3, 4, 60);
}

/// As many as the default limits know, and more: `ulimit -n` must allow twice as many.
#[test]
#[ignore = "thousands of connections, for `tests/run long`"]
fn thousands_of_them() {
    let site = Site::new(&Servers::none(), Backend::MemorySqlite).unwrap();
    let node = node(&site, &SHORT.replace('5', "30"));
    rounds(&node, &site, 3, 17, 250);
}

/// SIGTERM while readers hang, with deadlines longer than anybody waits: the process ends within `drain_seconds`, and
/// the two seconds that its limit has besides.
#[test]
fn a_stop_ends_within_its_limit() {
    let site = Site::new(&Servers::none(), Backend::MemorySqlite).unwrap();
    let long = "head_seconds = 300\nbody_seconds = 300\nwrite_seconds = 300\ndrain_seconds = 1";
    let mut node = node(&site, long);
    let streams = runtime().block_on(async {
        let streams = stalled(&node, 2, 20, 20).await;
        let told = now();
        node.terminate();
        let took = now().since(told);
        assert!(took < Duration::from_secs(5), "{took:?}");
        streams
    });
    drop(streams);
}
