//! Nothing secret and nothing personal leaves: known values are looked for in every event, every line of the
//! log, every error page and every file of the store.

use std::io::Write;
use std::sync::{Arc, Mutex};

use relais::clock::SystemClock;
use relais::event::{Form, Layout, Sink as _, SpanFields};
use stub_upstream::Fault;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{RELAY, SECRET, Setup, World, choose, parameter};
use crate::idp_inputs::sign_in;
use crate::kif_log::lines_of;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Kept {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn known_secrets_are_nowhere() {
    let lines = Kept::default();
    let human = tracing_subscriber::fmt()
        .with_ansi(false)
        .fmt_fields(SpanFields)
        .event_format(Layout::new(Form::Human, SystemClock))
        .with_writer(lines.clone())
        .with_max_level(tracing::Level::TRACE)
        .finish();
    let guard = tracing::subscriber::set_default(human);
    let more = crate::keyring::PLUS.to_owned();
    let world = World::with(Setup { sqlite: true, more, ..Setup::default() }).await;
    let mut known: Vec<String> = vec![SECRET.to_owned()];
    known.extend(crate::keyring::private_keys(&world).await);
    assert!(known.len() > 8, "the keyring's keys are known");
    let mut pages = String::new();
    pages += &world.browser().get(&format!("{RELAY}/upstream/plus/jwks")).await.body;
    pages += &crate::keyring::order(&world, "GET", "/keys", "").await.1.to_string();
    pages += &crate::keyring::order(&world, "POST", "/keys/rotate", "{\"now\":true}").await.1.to_string();
    assert!(pages.contains("\"kid\""), "keys were shown");
    known.extend(crate::keyring::private_keys(&world).await);
    for id in ["compta", "etat-civil", "paie", "silencieuse"] {
        let app = world.legacy(id);
        known.extend([app.claim_password(), crate::harness::LegacyApp::key_hex(id)]);
        let (attempt, url) = app.start(world.now());
        known.extend([attempt.state.clone(), attempt.nonce.clone(), parameter(&url, "msg").unwrap()]);
        let mut browser = world.browser();
        let away = browser.get(&url).await;
        let location = away.location().unwrap().to_owned();
        known.extend([parameter(&location, "state").unwrap(), parameter(&location, "nonce").unwrap()]);
        let page = browser.follow(away).await;
        let page = choose(&mut browser, page, "angela").await;
        let back = if page.body.contains("/idp/confirm") {
            // The person's name is on this page, and only there.
            browser.confirm(&page).await
        } else {
            page
        };
        let info = parameter(&back.url, "info").unwrap();
        known.push(info.clone());
        known.extend(browser.cookies.values().map(|value| value.split('.').next().unwrap().to_owned()));
        if let Some(plaintext) = app.open("response", &info) {
            let answer: serde_json::Value = serde_json::from_slice(&plaintext).unwrap();
            for claim in ["sub", "given_name", "family_name", "email", "birthdate", "jti"] {
                known.extend(answer[claim].as_str().map(str::to_owned));
            }
        }
        // Replays, bad messages and refusals are logged too.
        pages += &world.browser().get(&url).await.body;
        pages += &world
            .browser()
            .get(&format!("{RELAY}/callback/oidc?code=secret-code&state=secret-state"))
            .await
            .body;
        known.extend(["secret-code".to_owned(), "secret-state".to_owned()]);
        world.stub.set_fault(Fault::parse("wrong_nonce"));
        let page = browser.open(&app.start_with(world.now(), "relais_prompt=login").1).await;
        let page = choose(&mut browser, page, "angela").await;
        pages += &page.body;
        world.stub.set_fault(None);
        let page = browser.get(&format!("{RELAY}/logout/{id}")).await;
        if page.body.contains("<form") {
            pages += &browser.submit(&page, ("decision", "yes")).await.body;
        }
    }
    let mut browser = world.browser();
    let page = browser.open(&world.legacy("compta").start(world.now()).1).await;
    sign_in(&mut browser, page).await;
    drop(guard);
    // What the recorder saw, rendered without the log.
    let events = format!("{:?}", world.recorder.events());
    assert!(world.recorder.events().len() > 50);
    world.recorder.accept(&world.recorder.events()[0]);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("legacy.answer.issued") && log.contains("support_code"), "the log is read");
    let json = lines_of(Form::Json, &world.recorder.events());
    let kif = lines_of(Form::Kif, &world.recorder.events());
    assert!(
        kif.contains("accès à /idp: redirection [") && kif.contains("support_code="),
        "KIF's log is read"
    );
    let mut store = String::new();
    for entry in std::fs::read_dir(world.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("sqlite") {
            store += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
        }
    }
    assert!(store.len() > 4096, "the store is read");
    known.retain(|value| value.len() >= 6);
    known.sort();
    known.dedup();
    assert!(known.len() > 40, "{}", known.len());
    for secret in &known {
        for (place, text) in [
            ("an event", &events),
            ("the log", &log),
            ("the log for programs", &json),
            ("KIF's log", &kif),
            ("a page", &pages),
            ("the store", &store),
        ] {
            assert!(!text.contains(secret.as_str()), "{secret} stands in {place}");
        }
    }
    // Control characters cannot forge a line.
    for text in [&log, &json, &kif] {
        assert!(text.bytes().all(|byte| byte >= 0x20 || byte == b'\n'));
    }
}
