//! A copy of the SQLite file, taken while people sign in, and what a relay that starts on it knows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use relais::clock::{Clock as _, SystemClock, Timestamp};
use relais::entropy::SystemEntropy;
use relais::legacy::{Direction, MasterKey, wires};
use relais::service::ServiceId;

use super::http::ask;
use super::legacy_app::LegacyApp;
use super::nodes::{Backend, KIF_APP, KIF_IV, Node, Servers, Site};
use super::steps::{Keeps, Kind, Walk};
use super::{Ends, say};

/// A message of KIF's, which carries no time.
fn timeless(site: &Site) -> Walk {
    let app = LegacyApp::new(KIF_APP);
    let key = MasterKey::from_hex(&LegacyApp::key_hex(KIF_APP)).unwrap();
    let wire = wires::find("kif-cbc").unwrap();
    let keyed = wire.keyed(&key, &ServiceId::parse(KIF_APP).unwrap(), Some(KIF_IV)).unwrap();
    let attempt = app.attempt();
    let text = format!("{}?state={}&nonce={}", app.callback_base(), attempt.state, attempt.nonce);
    let now = Timestamp::from_seconds(0);
    let message = keyed.seal(Direction::Request, now, &SystemEntropy::new(), text.as_bytes());
    Walk::with(site, app.idp(&message))
}

/// What somebody else gets for the message.
fn begun_again(walk: &Walk, port: u16) -> Kind {
    let mut request = walk.asked[0].clone();
    request.cookies.clear();
    Kind::of(&ask(port, &request).unwrap())
}

fn back_up(node: &Node, out: &Path) -> Output {
    node.relais(&["backup", "--out", out.to_str().unwrap()])
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn names(place: &Path) -> Vec<String> {
    let files = fs::read_dir(place).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_copy_taken_under_load_has_all_that_was_acknowledged() {
    let site = Site::new(&Servers::none(), Backend::Sqlite).unwrap();
    let mut node = site.node();
    assert_eq!(node.relais(&["keys", "rotate"]).status.code(), Some(0));
    let mut before = timeless(&site);
    assert_eq!(before.through("confirm", node.public), Kind::ToApplication);

    let copies = tempfile::tempdir().unwrap();
    let (done, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let count = || done.lock().unwrap().len();
    let more = |logins: usize| {
        let start = count();
        let patience = SystemClock.now().plus(Duration::from_mins(1));
        while count() < start + logins {
            assert!(SystemClock.now() < patience, "the relay stands still");
            thread::sleep(Duration::from_millis(1));
        }
    };
    let (acknowledged, last) = thread::scope(|scope| {
        let _ends = Ends(&over);
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let mut walk = Walk::new(&site);
                    assert_eq!(walk.through("claim", node.public), Kind::Claimed, "nobody is disturbed");
                    done.lock().unwrap().push(walk);
                }
            });
        }
        let mut last = None;
        for n in 0..5 {
            more(5);
            let acknowledged = done.lock().unwrap().clone();
            let out = copies.path().join(format!("{n}.sqlite"));
            let (code, text) = said(&back_up(&node, &out));
            assert_eq!(code, Some(0), "{text}");
            let told = format!("{}: ", out.display());
            assert!(text.starts_with(&told) && text.contains(" bytes, checked\n"), "{text}");
            assert!(text.contains("keys.seal_key_file"), "{text}");
            assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o7777, 0o600);
            last = Some((acknowledged, out));
        }
        more(5);
        last.unwrap()
    });
    assert_eq!(names(copies.path()).len(), 5, "nothing is left beside the copies");
    let mut after = timeless(&site);
    assert_eq!(after.through("confirm", node.public), Kind::ToApplication);
    let kept = node.keys();
    assert!(kept.len() > 1, "{kept:?}");
    node.terminate();

    let place = tempfile::tempdir().unwrap();
    let mut restored = node.restored(place.path(), &last);
    refused_without_its_seal_key(&restored, place.path());
    assert_eq!(restored.keys(), kept, "of a relay that is stopped");
    restored.start();
    assert_eq!(restored.keys(), kept);
    for walk in &acknowledged {
        walk.repeat_all(restored.public, Keeps::All, "restored");
    }
    assert_eq!(begun_again(&before, restored.public), Kind::Refused, "spent before the copy");
    // What a copy costs, as the documentation says.
    assert_eq!(begun_again(&after, restored.public), Kind::ToProvider, "spent after the copy");
    assert_eq!(Walk::new(&site).through("claim", restored.public), Kind::Claimed, "it serves");
    say(&format!("copied 5 times under load; {} logins restored, of {}", acknowledged.len(), count()));
}

/// Missing, missing where the relay makes its own, and another one.
fn refused_without_its_seal_key(node: &Node, place: &Path) {
    let (key, config) = (place.join("seal.key"), fs::read_to_string(&node.config).unwrap());
    let right = fs::read_to_string(&key).unwrap();
    let refused = || said(&node.relais(&["serve"]));

    fs::remove_file(&key).unwrap();
    let (code, text) = refused();
    assert!(code == Some(78) && text.contains("keys.seal_key_file"), "{code:?} {text}");

    fs::write(&node.config, config.replace("seal_key_file", "#seal_key_file")).unwrap();
    let (code, text) = refused();
    assert!(code == Some(1) && text.contains("relais.key is missing"), "{code:?} {text}");
    assert!(!place.join("relais.key").exists(), "a new key would open nothing");
    fs::write(&node.config, config).unwrap();

    fs::write(&key, "f".repeat(64)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, text) = refused();
    assert!(code == Some(1) && text.contains("sealed under another seal key"), "{code:?} {text}");
    fs::write(&key, right).unwrap();
}

#[test]
fn a_copy_is_whole_or_not_there() {
    let site = Site::new(&Servers::none(), Backend::MemorySqlite).unwrap();
    let mut node = site.node();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("copy.sqlite");

    // As long as half of it: the disk is full.
    let limited = "trap '' XFSZ; ulimit -f 40; exec \"$@\"";
    let full = Command::new("sh")
        .args(["-c", limited, "sh", env!("CARGO_BIN_EXE_relais"), "backup", "--out"])
        .arg(&out)
        .arg("--config")
        .arg(&node.config)
        .output()
        .unwrap();
    let (code, text) = said(&full);
    assert!(code == Some(1) && text.starts_with("error: cannot copy the store to "), "{code:?} {text}");
    assert_eq!(names(place.path()), Vec::<String>::new(), "{text}");

    let nowhere = place.path().join("missing").join("copy.sqlite");
    let (code, text) = said(&back_up(&node, &nowhere));
    assert!(code == Some(1) && text.contains("cannot write "), "{code:?} {text}");

    site.secret("former.key", &"f".repeat(64));
    node.seals(("seal.key", Some("former.key")));
    let (code, text) = said(&back_up(&node, &out));
    assert!(code == Some(0) && text.contains(", and keys.other_seal_key_file\n"), "{code:?} {text}");
    fs::remove_file(&out).unwrap();
    node.seals(("seal.key", None));

    // While it runs, after it was killed with all in its log, and after it stopped.
    let mut sizes = Vec::new();
    for turn in 0..3 {
        match turn {
            0 => {}
            1 => node.kill(),
            _ => {
                node.start();
                node.terminate();
            }
        }
        let (code, text) = said(&back_up(&node, &out));
        assert_eq!(code, Some(0), "{text}");
        sizes.push(text.split_once(" records").unwrap().0.to_owned());
        let first = fs::read(&out).unwrap();
        let (code, text) = said(&back_up(&node, &out));
        assert!(code == Some(1) && text.contains("copy.sqlite is there already"), "{code:?} {text}");
        assert_eq!(fs::read(&out).unwrap(), first, "left as it is");
        assert_eq!(names(place.path()), ["copy.sqlite"]);
        fs::remove_file(&out).unwrap();
    }
    sizes.dedup();
    assert_eq!(sizes.len(), 1, "the same records each time: {sizes:?}");
    node.start();
}

#[test]
fn what_cannot_be_copied_is_said() {
    let site = Site::new(&Servers::none(), Backend::MemorySqlite).unwrap();
    let mut node = site.node();
    node.terminate();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("copy.sqlite");
    let config = fs::read_to_string(&node.config).unwrap();
    let refused = |text: String| {
        fs::write(&node.config, text).unwrap();
        let told = said(&back_up(&node, &out));
        assert!(names(place.path()).is_empty());
        told
    };

    let beside = config.replace("seal_key_file", "#seal_key_file");
    let (code, text) = refused(beside);
    assert!(code == Some(1) && text.contains("relais.key is missing"), "{code:?} {text}");

    let postgres = config.replace("durable = \"sqlite\"", "durable = \"postgres\"");
    let (code, text) =
        refused(format!("{postgres}\n[store.postgres]\nurl = \"postgres://relais@127.0.0.1:1/relais\""));
    assert!(code == Some(1) && text.contains("pg_dump"), "{code:?} {text}");

    let elsewhere = config.replace("[store]", "[store]\npath = \"missing.sqlite\"");
    let (code, text) = refused(elsewhere);
    assert!(code == Some(1) && text.contains("missing.sqlite"), "{code:?} {text}");
    assert!(!node.config.with_file_name("missing.sqlite").exists(), "none is made");

    let store = node.config.with_file_name("relais.sqlite");
    let whole = fs::read(&store).unwrap();
    fs::write(&store, [&whole[..4096], &vec![0xA5; whole.len() - 4096]].concat()).unwrap();
    let (code, text) = refused(config);
    assert!(code == Some(1) && text.contains("malformed"), "{code:?} {text}");
}
