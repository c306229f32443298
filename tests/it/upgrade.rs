//! What an earlier release has written is read: a store of each schema, as SQL, with a person signed in.
//!
//! `WRITE_STORE=1` makes the text of the present schema; that of an earlier one, or of earlier records, is never made
//! again.

use std::fmt::Write as _;
use std::fs;

use rusqlite::Connection;

use crate::harness::{Browser, Setup, World};
use crate::idp_inputs::sign_in;

const PRESENT: &str = "tests/it/store-schema-1.sql";

/// Every statement that makes the store at `path`.
fn dump(path: &std::path::Path) -> String {
    let connection = Connection::open(path).unwrap();
    let all = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut text = String::new();
    for statement in
        all("SELECT sql || ';' FROM sqlite_schema WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'")
    {
        writeln!(text, "{statement}").unwrap();
    }
    for table in ["record", "owner", "probe"] {
        let columns = all(&format!("SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}')"));
        let row = columns.join(" || ',' || ");
        for insert in all(&format!("SELECT 'INSERT INTO {table} VALUES (' || {row} || ');' FROM {table}")) {
            writeln!(text, "{insert}").unwrap();
        }
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    text + &format!("PRAGMA user_version = {version};\n")
}

#[tokio::test]
async fn the_present_release_writes_its_store() {
    if std::env::var_os("WRITE_STORE").is_none() {
        return;
    }
    let world = World::with(Setup { sqlite: true, ..Setup::default() }).await;
    let mut browser = world.browser();
    let (_, url) = world.legacy("paie").start(world.now());
    let page = browser.open(&url).await;
    sign_in(&mut browser, page).await;
    let path = world.dir.path().join("relais.sqlite");
    let mut cookies = String::new();
    for (name, value) in browser.cookies.iter().filter(|(name, _)| name.starts_with("relais")) {
        writeln!(cookies, "-- cookie {name}={value}").unwrap();
    }
    // Closed, it is one file.
    let World { app, relay, dir: _dir, .. } = world;
    drop((app, relay));
    fs::write(PRESENT, format!("-- spent {url}\n{cookies}{}", dump(&path))).unwrap();
}

/// The store that version 0.1 wrote before logins and sessions were records of their own: what is spent stays spent,
/// logins in flight end on the page that starts again, and sessions are forgotten without a word.
#[tokio::test]
async fn the_store_of_the_first_release_goes_on() {
    let text: &str = fs::read_to_string("tests/it/store-0.1.sql").unwrap().leak();
    let world = World::with(Setup { sqlite: true, written: Some(text), ..Setup::default() }).await;
    let of = |what: &str| text.lines().filter_map(|line| line.strip_prefix(what)).collect::<Vec<_>>();
    for url in of("-- spent ") {
        let page = Browser::new(&world).get(url).await;
        assert_eq!((page.status, world.last_reason()), (400, "legacy.replayed"));
    }
    let mut browser = world.browser();
    for cookie in of("-- cookie ") {
        let (name, value) = cookie.split_once('=').unwrap();
        browser.cookies.insert(name.to_owned(), value.to_owned());
    }
    let page = browser.clone().get(of("-- returning ")[0]).await;
    assert_eq!((page.status, page.code().as_str()), (400, "UPSTREAM_STATE"), "a login in flight");
    assert_eq!(page.button(), "https://vieux-gcm.example/accueil");
    let fields = [("token", of("-- token ")[0]), ("decision", "yes")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let page = browser.clone().post(&format!("{}/idp/confirm", crate::harness::RELAY), &fields).await;
    assert_eq!((page.status, page.location()), (403, None), "a question on its way");
    world.recorder.clear();
    let page = browser.get(&world.legacy("ged").start(world.now()).1).await;
    assert!(page.location().unwrap().starts_with(&world.stub_base), "a session");
    assert!(world.recorder.events().iter().all(|event| event.reason.is_none()), "without a word");
    world.app.sweep().await;
}

#[tokio::test]
async fn a_store_of_each_schema_goes_on() {
    for file in [PRESENT] {
        let text: &str = fs::read_to_string(file).unwrap().leak();
        let world = World::with(Setup { sqlite: true, written: Some(text), ..Setup::default() }).await;
        let of = |what: &str| text.lines().filter_map(|line| line.strip_prefix(what)).collect::<Vec<_>>();
        let page = Browser::new(&world).get(of("-- spent ")[0]).await;
        assert_eq!((page.status, world.last_reason()), (400, "legacy.replayed"), "{file}");
        let mut browser = world.browser();
        for cookie in of("-- cookie ") {
            let (name, value) = cookie.split_once('=').unwrap();
            browser.cookies.insert(name.to_owned(), value.to_owned());
        }
        let app = world.legacy("ged");
        let (attempt, url) = app.start(world.now());
        let page = browser.open(&url).await;
        let back = browser.confirm(&page).await;
        app.identity(&back.url, &attempt);
        assert_eq!(world.stub_calls(), 0, "{file}: the session serves");
    }
}
