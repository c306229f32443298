//! Faults found in use, section by section. A test's name begins with the row that it shows.

mod c_values;
mod d_causes;
mod f_keys;
mod h_networks;
mod j_providers;
mod l_budgets;
mod l_examples;
mod l_levels;
mod l_prefetch;
mod n_reasons;
mod r_doors;
mod reasons;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use relais::event::Event;
use serde_json::{Map, Value, json};
use stub_upstream::{Instead, Part};

use crate::harness::{LegacyApp, World, parameter};

/// How long metadata and keys serve before they are asked for again, in seconds, and a second more.
const REFRESH: u64 = 60 * 60 + 1;

/// What nobody can use, at the place of anything.
fn unusable() -> Vec<Value> {
    vec![
        Value::Null,
        json!(""),
        json!(0),
        json!(-1.5e300),
        json!(u64::MAX),
        json!(true),
        json!([]),
        json!(["a", null, 1]),
        json!({}),
        json!({"a": {"b": null}}),
        json!("x".repeat(20_000)),
        json!("\u{202e}\u{2028}\u{0}\r\n"),
    ]
}

/// Changes a part of what the provider says.
fn twist(world: &World, part: Part, change: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) {
    world.stub.set_twist(part, Some(Arc::new(change)));
}

/// Puts one member into a part.
fn put(world: &World, part: Part, name: &'static str, value: Value) {
    twist(world, part, move |members| drop(members.insert(name.to_owned(), value.clone())));
}

/// Another answer than the right one.
fn instead(world: &World, part: Part, status: u16, kind: &str, body: &str) {
    let headers = vec![("content-type", kind.to_owned())];
    world.stub.set_instead(part, Some(Instead { status, headers, body: body.to_owned() }));
}

/// The provider in good order again.
fn mended(world: &World) {
    for part in [Part::Discovery, Part::Jwks, Part::Token, Part::IdTokenHeader, Part::IdToken, Part::Userinfo]
    {
        world.stub.set_twist(part, None);
        world.stub.set_instead(part, None);
    }
}

/// A login of Angela in a new browser: the identity, or the error that the application is told.
async fn log_in(world: &World, app: &LegacyApp) -> Result<Value, String> {
    world.stub.set_auto_login(Some("angela"));
    let (attempt, url) = app.start(world.now());
    let page = world.browser().open(&url).await;
    assert!(page.url.starts_with(&app.callback_base()), "{} {} {}", page.url, page.status, page.body);
    if parameter(&page.url, "info").is_some() {
        return Ok(app.identity(&page.url, &attempt));
    }
    Err(app.refusal(&page.url, &attempt)["error"].as_str().unwrap().to_owned())
}

/// The last event with a reason.
fn told(world: &World) -> Event {
    let events = world.recorder.events();
    events.into_iter().rev().find(|event| event.reason.is_some()).expect("an event says why")
}

/// Its reason and its cause.
fn cause(world: &World) -> (&'static str, String) {
    let event = told(world);
    (event.reason.unwrap().slug(), event.facts.cause.unwrap_or_default())
}

/// The rows of sections C to N, without I: how many each section has.
const SECTIONS: [(char, u8); 11] = [
    ('c', 8),
    ('d', 14),
    ('e', 3),
    ('f', 3),
    ('g', 6),
    ('h', 7),
    ('j', 8),
    ('k', 9),
    ('l', 20),
    ('m', 8),
    ('n', 22),
];

/// Rows that no test shows yet. It shrinks to nothing.
const LATER: [&str; 6] = [
    "d8 d13",
    "g6 h3 h4 h6",
    "k1 k2 k3 k4 k5 k6 k7 k8 k9",
    "l10 l19",
    "m1 m4 m5 m6 m7 m8",
    "n5 n6 n7 n9 n10 n12 n14 n15 n19 n20 n21 n22",
];

fn sources(place: &Path, all: &mut String) {
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            *all += &fs::read_to_string(&path).unwrap();
        }
    }
}

/// The rows that the name of a test begins with: one, or several.
fn rows_of(name: &str) -> Vec<String> {
    let is_row = |word: &&str| {
        let mut chars = word.chars();
        let section = chars.next().is_some_and(|c| SECTIONS.iter().any(|(known, _)| *known == c));
        section && word.len() > 1 && chars.all(|c| c.is_ascii_digit())
    };
    let rows: Vec<_> = name.split('_').take_while(is_row).map(str::to_owned).collect();
    // The rest says what is right.
    if name.split('_').count() > rows.len() + 2 { rows } else { Vec::new() }
}

#[test]
fn every_row_has_a_test_or_is_still_to_come() {
    let mut all = String::new();
    sources(Path::new("tests"), &mut all);
    sources(Path::new("src"), &mut all);
    let names = all.split("\nfn ").chain(all.split("async fn ")).chain(all.split("    fn ")).skip(1);
    let shown: Vec<_> = names.flat_map(|rest| rows_of(rest.split('(').next().unwrap_or_default())).collect();
    let later: Vec<_> = LATER.iter().flat_map(|rows| rows.split_whitespace()).collect();
    for (section, last) in SECTIONS {
        for number in 1..=last {
            let row = format!("{section}{number}");
            let (is_shown, is_later) = (shown.contains(&row), later.contains(&row.as_str()));
            assert!(is_shown || is_later, "{row} has no test");
            assert!(!(is_shown && is_later), "{row} has a test: take it off the list of LATER");
        }
    }
}
