//! A process that lacks something: room on the disk, descriptors, memory, a reader of its log. It says so, refuses what
//! it cannot do, and goes on by itself when it has it again.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::http::{Cookies, Request, ask};
use super::nodes::{Backend, Node, Servers, Site, is_ready};
use super::steps::{Keeps, Kind, STEPS, Walk};
use super::{RELAY, say};

fn site(backend: Backend) -> Site {
    Site::new(&Servers::none(), backend).unwrap()
}

/// Waits a few seconds for what comes by itself.
fn becomes(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not in ten seconds: {what}");
}

fn home() -> Request {
    Request::get(&format!("{RELAY}/"), &Cookies::new())
}

fn prlimit(node: &Node, limit: &str) {
    let pid = node.pid().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, limit]).status().unwrap().success());
}

/// A whole login, with the disk failing at each step: refused with 503, and done when it is asked again.
fn every_step_waits_for_the_disk(site: &Site, node: &Node, fail: impl Fn(), mend: impl Fn()) {
    let mut walk = Walk::new(site);
    let mut refused = Vec::new();
    for step in STEPS {
        let request = walk.next();
        fail();
        becomes("unready", || !is_ready(node.management));
        let mut answer = ask(node.public, &request).unwrap();
        mend();
        becomes("ready", || is_ready(node.management));
        if answer.status == 503 {
            refused.push(step.name);
            answer = ask(node.public, &request).unwrap();
        }
        assert_eq!(walk.took(request, &answer), step.first, "`{}`", step.name);
        walk.repeat_all(node.public, Keeps::All, "the disk failed meanwhile");
    }
    for name in ["begin", "callback", "confirm", "claim", "logout confirm"] {
        assert!(refused.contains(&name), "`{name}` was acknowledged, and nothing was written: {refused:?}");
    }
    assert!(node.log().contains("server.store.failed"));
}

/// Writes fail (the size of files is limited, which SQLite takes for a failing disk).
#[test]
fn writes_that_fail() {
    let site = site(Backend::Sqlite);
    let mut node = site.configured("");
    "trap '' XFSZ".clone_into(&mut node.setting);
    node.start();
    let log = site.directory.path().join("relais.sqlite-wal");
    let fail = || prlimit(&node, &format!("--fsize={}:", fs::metadata(&log).unwrap().len()));
    every_step_waits_for_the_disk(&site, &node, fail, || prlimit(&node, "--fsize=unlimited:"));
}

/// The disk is full: a small one of its own, where the system lets us have one.
#[test]
fn a_full_disk() {
    let unshared = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !unshared.is_ok_and(|output| output.status.success()) {
        say("!! SKIPPED: no file system of one's own here (unshare -rm)");
        return;
    }
    let site = site(Backend::Sqlite);
    let disk = site.directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut node = site.configured("");
    // The shell begins anew in a place of its own.
    node.setting = format!(
        "[ -n \"$RELAIS_STORE__PATH\" ] || RELAIS_STORE__PATH={path}/store exec unshare -rm sh -c \
         'mount -t tmpfs -o size=2m none {path} && exec \"$0\" \"$@\"' \"$0\" \"$@\"",
        path = disk.display()
    );
    node.start();
    let ballast = format!("/proc/{}/root{}/ballast", node.pid(), disk.display());
    let fail = || {
        let mut file = File::create(&ballast).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    };
    every_step_waits_for_the_disk(&site, &node, fail, || fs::remove_file(&ballast).unwrap());
}

/// Clock ticks, hundredths of a second, that the process has had.
fn ticks(node: &Node) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn no_file_descriptors() {
    let site = site(Backend::MemorySqlite);
    let mut node = site.configured("");
    "ulimit -n 64".clone_into(&mut node.setting);
    node.start();
    let mut walk = Walk::new(&site);
    assert_eq!(walk.step(node.public).unwrap(), Kind::ToProvider);
    let mut open = BufReader::new(TcpStream::connect(("127.0.0.1", node.public)).unwrap());
    let mut answered = || {
        let host = &RELAY["https://".len()..];
        write!(open.get_mut(), "HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let head: Vec<_> =
            open.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        assert_eq!(head.first().map(String::as_str), Some("HTTP/1.1 200 OK"));
    };
    answered();
    let idle: Vec<_> = (0..100).map(|_| TcpStream::connect(("127.0.0.1", node.public)).unwrap()).collect();
    let used = || fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count();
    becomes("no descriptor is left", || used() >= 64);
    let before = ticks(&node);
    thread::sleep(Duration::from_secs(1));
    let spun = ticks(&node) - before;
    assert!(spun < 10, "it spins: {spun} % of a processor");
    answered();
    drop(idle);
    becomes("served again", || ask(node.public, &home()).is_ok_and(|answer| answer.status == 200));
    assert_eq!(walk.step(node.public).unwrap(), Kind::Question, "the login goes on");
}

/// Kibibytes, of a line of the process's status.
fn kib(node: &Node, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let value = status.lines().find_map(|one| one.strip_prefix(line)).unwrap();
    value.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

/// Ten thousand logins in flight, as many as there may be, within 40 MiB (docs/stores.md), in a process that can have
/// no more than 96 MiB beyond what it has at the start. What comes then is refused, and those under way go on.
#[test]
fn logins_are_refused_before_memory_runs_out() {
    const CEILING: usize = 10_000;
    let site = site(Backend::MemorySqlite);
    let mut node = site.configured("");
    node.start();
    let early: Vec<_> = (0..10)
        .map(|_| {
            let mut walk = Walk::new(&site);
            assert_eq!(walk.step(node.public).unwrap(), Kind::ToProvider);
            walk
        })
        .collect();
    let before = kib(&node, "VmRSS");
    prlimit(&node, &format!("--as={}", (kib(&node, "VmSize") + 96 * 1024) * 1024));
    let begun = AtomicUsize::new(early.len());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while begun.fetch_add(1, Ordering::SeqCst) < CEILING {
                    let answer = ask(node.public, &Walk::new(&site).next()).unwrap();
                    assert_eq!(Kind::of(&answer), Kind::ToProvider, "{}", answer.body);
                }
            });
        }
    });
    let grown = kib(&node, "VmRSS").saturating_sub(before);
    for _ in 0..200 {
        let answer = ask(node.public, &Walk::new(&site).next()).unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("60")), "{}", answer.body);
    }
    assert!(is_ready(node.management));
    say(&format!("{CEILING} logins in flight: {grown} KiB"));
    assert!(grown < 40 * 1024, "{grown} KiB");
    for mut walk in early {
        assert_eq!(walk.step(node.public).unwrap(), Kind::Question, "who came first is not evicted");
        assert_eq!(walk.step(node.public).unwrap(), Kind::ToApplication);
    }
}

/// Nobody reads the log: requests go on, what is lost is counted and told once somebody reads again, and the process
/// still ends.
#[test]
fn a_log_that_nobody_reads() {
    const THREADS: usize = 4;
    const REQUESTS: usize = 10_000;
    let site = site(Backend::MemorySqlite);
    let mut node = site.configured("");
    let (log, theirs) = std::io::pipe().unwrap();
    node.start_into(theirs);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..REQUESTS / THREADS {
                    assert_eq!(ask(node.public, &home()).unwrap().status, 200);
                }
            });
        }
    });
    let (mut told, mut lost) = (0, 0);
    for line in BufReader::new(log.try_clone().unwrap()).lines().map(Result::unwrap) {
        let line: serde_json::Value = serde_json::from_str(&line).expect("a whole line");
        told += usize::from(line["event"] == "server.home.shown");
        if line["event"] == "server.log.lost" {
            lost = usize::try_from(line["count"].as_u64().unwrap()).unwrap();
            break;
        }
    }
    assert!(lost > 0 && told + lost == REQUESTS, "{told} told, {lost} lost");
    for _ in 0..1_000 {
        assert_eq!(ask(node.public, &home()).unwrap().status, 200);
    }
    node.terminate();
}

/// SIGTERM with logins in flight and requests under way: nobody is cut off, and the logins go on after the start.
#[test]
fn a_stop_under_load() {
    let site = site(Backend::Sqlite);
    let mut node = site.node();
    let (public, management) = (node.public, node.management);
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let walks: Vec<Walk> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut walks = Vec::new();
                    // As a balancer sends: to whoever says it is ready.
                    while is_ready(management) {
                        let mut walk = Walk::new(&site);
                        assert_eq!(walk.step(public).expect("an answer"), Kind::ToProvider);
                        walks.push(walk);
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                    assert!(over.load(Ordering::SeqCst), "unready before it was told to stop");
                    walks
                })
            })
            .collect();
        becomes("under load", || served.load(Ordering::SeqCst) > 300);
        over.store(true, Ordering::SeqCst);
        node.terminate();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    node.start();
    say(&format!("{} logins in flight at the stop", walks.len()));
    for mut walk in walks.into_iter().step_by(10) {
        assert_eq!(walk.step(public).unwrap(), Kind::Question);
    }
}

/// A store that is damaged, or of a later release, is a reason not to start, said in one line.
#[test]
fn a_store_that_cannot_be_used() {
    let site = site(Backend::Sqlite);
    let mut node = site.node();
    for _ in 0..50 {
        Walk::new(&site).step(node.public).unwrap();
    }
    node.terminate();
    let path = site.directory.path().join("relais.sqlite");
    let good = fs::read(&path).unwrap();
    let mut damaged = good.clone();
    let middle = damaged.len() / 2 / 4096 * 4096;
    damaged[middle] ^= 0xFF;
    fs::write(&path, damaged).unwrap();
    let (code, said) = node.refuses();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is damaged (") && said.contains("restore a copy"), "{said}");
    let mut later = good.clone();
    // `user_version`, in the file's head.
    later[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&path, later).unwrap();
    let (code, said) = node.refuses();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("has schema 99") && said.contains("start the later release"), "{said}");
    fs::write(&path, good).unwrap();
    node.start();
}
