//! SIGKILL while keys are rotated.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::RELAY;
use super::http::{Cookies, Request, ask};
use super::legacy_app::random;
use super::nodes::{Backend, Node, Servers, Site};

const SIGNED: &str = r#"
[upstream.signed]
profile = "generic"
issuer = "http://127.0.0.1:9"
client_id = "relais"
client_auth = "private_key_jwt"
"#;

fn json(port: u16, request: &Request) -> Option<Value> {
    serde_json::from_str(&ask(port, request).ok()?.body).ok()
}

fn kids(list: &Value) -> BTreeSet<String> {
    let kids = list.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
    kids.collect()
}

/// What is published, and the one that signs.
fn published(node: &Node) -> (BTreeSet<String>, String) {
    let set = Request::get(&format!("{RELAY}/upstream/signed/jwks"), &Cookies::new());
    let published = kids(&json(node.public, &set).unwrap()["keys"]);
    let list = Request::get(&format!("http://127.0.0.1:{}/keys", node.management), &Cookies::new());
    let list = json(node.management, &list).unwrap()["keys"].take();
    let active =
        list.as_array().unwrap().iter().filter(|key| key["upstream"] == "signed" && key["state"] == "active");
    let [active] = active.collect::<Vec<_>>()[..] else { panic!("one key signs: {list}") };
    (published, active["kid"].as_str().unwrap().to_owned())
}

/// Whatever was published, or named in an answer to an order, is published after the kill: the set is the old one or
/// the new one, and one key signs.
#[test]
fn a_rotation_that_is_killed_is_done_or_not_begun() {
    let site = Site::new(&Servers::none(), Backend::Sqlite).unwrap();
    let mut node = site.configured(SIGNED);
    node.start();
    let (mut known, first) = published(&node);
    assert!(known.contains(&first));
    for turn in 0..30 {
        let management = node.management;
        let (tell, told) = channel();
        let ordering = thread::spawn(move || {
            let order = Request::order(
                &format!("http://127.0.0.1:{management}/keys/rotate"),
                r#"{"upstream":"signed","now":true}"#,
            );
            let mut acknowledged = BTreeSet::new();
            while let Some(list) = json(management, &order) {
                acknowledged.extend(kids(&list["keys"]));
                let _ = tell.send(());
            }
            acknowledged
        });
        // The first order of a process takes its time; then they come one after another.
        if turn % 3 > 0 {
            told.recv().unwrap();
        }
        let [instant] = random::<1>();
        thread::sleep(Duration::from_micros(u64::from(instant) * 40));
        node.kill();
        known.extend(ordering.join().unwrap());
        node.start();
        let (now, active) = published(&node);
        assert!(now.is_superset(&known), "kill {turn}: {:?} are gone", known.difference(&now));
        assert!(now.contains(&active), "kill {turn}: the key that signs is published");
        known = now;
    }
    assert!(known.len() > 30, "nothing was rotated: {known:?}");
}
