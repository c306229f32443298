//! Bad inputs at `/idp`, row by row of `tests/vectors/bad-inputs.tsv`.

use relais::event::Step;

use crate::harness::{Browser, LegacyApp, Page, RELAY, Setup, World, parameter};
use crate::other_wires::Other;

/// Every refused message looks the same: the page, no redirect, nothing echoed, nothing sent upstream.
fn assert_refused(world: &World, page: &Page, row: &str, echo: &str) {
    assert_eq!((page.status, page.code().as_str()), (400, "LEGACY_REQUEST"), "{row}");
    assert!(page.location().is_none(), "{row}");
    assert_eq!(page.header("cache-control"), "no-store", "{row}");
    assert!(echo.len() < 8 || !page.body.contains(echo), "{row} echoes its input");
    let refused = world.events(Step::LegacyRequestRefused);
    assert_eq!(refused.len(), 1, "{row}: one event");
    let code = refused[0].code.unwrap().to_string();
    assert!(page.body.contains(&code), "{row}: the page shows the event's support code");
}

/// Asks for `url` in a new browser from an address of its own, and expects a refusal for `reason`.
async fn refused(world: &World, row: &str, url: &str, reason: &str) {
    world.recorder.clear();
    let calls = world.stub_calls();
    // Each case from its own address: the limit on refused messages is another row.
    let page = from_anywhere(world).get(url).await;
    assert_refused(world, &page, row, url.split_once("msg=").map_or("", |(_, msg)| msg));
    assert_eq!(world.last_reason(), reason, "{row} {url}");
    assert_eq!(world.stub_calls(), calls, "{row}: the upstream was not troubled");
}

fn from_anywhere(world: &World) -> Browser<'_> {
    let [a, b, c] = crate::harness::random();
    Browser::new(world).at(&format!("10.{a}.{b}.{c}"))
}

/// A message with this plaintext, sealed now.
fn sealed(world: &World, app: &LegacyApp, plaintext: impl AsRef<[u8]>) -> String {
    app.idp(&app.seal("request", world.now(), plaintext))
}

#[tokio::test]
async fn what_is_not_a_message() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (_, good) = app.start(world.now());
    let msg = parameter(&good, "msg").unwrap();
    let base = format!("{RELAY}/idp/compta");
    let cases: &[(&str, String, &str)] = &[
        ("IDP-01", base.clone(), "legacy.msg_missing"),
        ("IDP-01", format!("{base}?other=1"), "legacy.msg_missing"),
        ("IDP-02", format!("{base}?msg="), "legacy.msg_missing"),
        ("IDP-02", format!("{base}?msg"), "legacy.msg_missing"),
        ("IDP-04", format!("{base}?msg={}", &msg[1..]), "legacy.not_hex"),
        ("IDP-05", format!("{base}?msg=%20{msg}"), "legacy.not_hex"),
        ("IDP-05", format!("{base}?msg={}+{}", &msg[..20], &msg[20..]), "legacy.not_hex"),
        ("IDP-05", format!("{base}?msg={msg}%00"), "legacy.not_hex"),
        ("IDP-05", format!("{base}?msg={msg}%EF%BC%90%EF%BC%90"), "legacy.not_hex"),
        ("IDP-07", format!("{base}?msg={msg}&msg={msg}"), "legacy.msg_twice"),
        ("IDP-08", format!("{base}?msg={msg}&msg=00"), "legacy.msg_twice"),
        ("IDP-08", format!("{base}?msg=00&msg={msg}"), "legacy.msg_twice"),
        ("IDP-11", format!("{base}?msg={}", "0".repeat(8193)), "legacy.msg_too_long"),
        ("IDP-11", format!("{base}?msg={}", "0".repeat(8192)), "legacy.does_not_open"),
        ("IDP-56", format!("{base}?%6dsg={msg}"), "legacy.msg_missing"),
        ("IDP-61", format!("{RELAY}/idp/inconnue?msg={msg}"), "legacy.unknown_app"),
        ("IDP-61", format!("{RELAY}/idp/fermee?msg={msg}"), "legacy.disabled_app"),
        ("IDP-61", format!("{RELAY}/idp/Compta?msg={msg}"), "legacy.unknown_app"),
        ("IDP-74", format!("{base}?msg={}", msg.to_uppercase()), "legacy.not_hex"),
    ];
    for (row, url, reason) in cases {
        refused(&world, row, url, reason).await;
    }
    // IDP-10: an unknown extra parameter is a control row.
    let page = from_anywhere(&world).get(&format!("{good}&extra=1")).await;
    assert_eq!(page.status, 303, "IDP-10");
    assert!(!page.location().unwrap().contains("extra"), "IDP-10");
}

#[tokio::test]
async fn what_does_not_open() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let base = format!("{RELAY}/idp/compta?msg=");
    for length in [0, 1, 7, 8, 19, 20, 34, 35] {
        let reason = if length == 0 { "legacy.msg_missing" } else { "legacy.too_short" };
        refused(&world, "IDP-13", &format!("{base}{}", "00".repeat(length)), reason).await;
    }
    for length in [36, 37] {
        refused(&world, "IDP-13", &format!("{base}{}", "00".repeat(length)), "legacy.does_not_open").await;
    }
    refused(&world, "IDP-14", &sealed(&world, &app, ""), "legacy.callback_invalid").await;
    let (attempt, good) = app.start(world.now());
    let msg = parameter(&good, "msg").unwrap();
    let bytes = hex::decode(&msg).unwrap();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1 << (position % 8);
        refused(&world, "IDP-16", &format!("{base}{}", hex::encode(changed)), "legacy.does_not_open").await;
    }
    for cut in [4, 12] {
        let shorter = &msg[..msg.len() - 2 * cut];
        refused(&world, "IDP-17", &format!("{base}{shorter}"), "legacy.does_not_open").await;
    }
    // IDP-19: an answer, a refusal, a logout are no requests.
    for direction in ["response", "refusal", "logout"] {
        let other = app.seal(direction, world.now(), app.callback(&attempt));
        refused(&world, "IDP-19", &format!("{base}{other}"), "legacy.does_not_open").await;
    }
    // A message of one application at another, every pair of two.
    let other = world.legacy("ged");
    refused(&world, "IDP-26", &other.idp(&msg), "legacy.does_not_open").await;
}

#[tokio::test]
async fn what_is_not_a_callback() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let attempt = app.attempt();
    let rest = format!("state={}&nonce={}", attempt.state, attempt.nonce);
    let base = app.callback_base();
    let host = "http://127.0.0.1:9000";
    let path = "/compta/retour.cgi";
    let cases: Vec<(&str, String, &str)> = vec![
        ("IDP-28", format!("{base}?{rest}\r\nX: 1"), "legacy.not_ascii"),
        ("IDP-28", format!("{base}?{rest}\n"), "legacy.not_ascii"),
        ("IDP-28", format!("\t{base}?{rest}"), "legacy.not_ascii"),
        ("IDP-29", format!("{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-29", format!("//127.0.0.1:9000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-29", "#x".to_owned(), "legacy.callback_invalid"),
        ("IDP-31", format!("https://127.0.0.1:9000{path}?{rest}"), "legacy.callback_outside"),
        ("IDP-31", format!("HTTP://127.0.0.1:9000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-31", format!("javascript:alert(1)?{rest}"), "legacy.callback_invalid"),
        ("IDP-32", format!("http://127.0.0.1.evil.test:9000{path}?{rest}"), "legacy.callback_outside"),
        ("IDP-34", format!("http://a@b@127.0.0.1:9000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-34", format!("http://127.0.0.1:x@evil.test{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-35", format!("http://user@127.0.0.1:9000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-35", format!("http://user:pass@127.0.0.1:9000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-37", format!("http:\\\\127.0.0.1:9000\\compta\\retour.cgi?{rest}"), "legacy.callback_invalid"),
        ("IDP-37", format!("http:/127.0.0.1:9000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-37", format!("http:127.0.0.1:9000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-38", format!("{host}/compta/../compta/retour.cgi?{rest}"), "legacy.callback_outside"),
        ("IDP-38", format!("{host}/compta/%2e%2e/retour.cgi?{rest}"), "legacy.callback_outside"),
        ("IDP-38", format!("{host}/compta/..;/x?{rest}"), "legacy.callback_outside"),
        ("IDP-38", format!("{host}/compta/%252e%252e/?{rest}"), "legacy.callback_outside"),
        ("IDP-40", format!("{host}/compta/RETOUR.cgi?{rest}"), "legacy.callback_outside"),
        ("IDP-40", format!("{host}/compta/retour.cgi/?{rest}"), "legacy.callback_outside"),
        ("IDP-43", format!("http://аpp.fr{path}?{rest}"), "legacy.not_ascii"),
        ("IDP-43", format!("http://xn--127-0-0-1:9000{path}?{rest}"), "legacy.callback_outside"),
        ("IDP-44", format!("http://127.0.0.1.:9000{path}?{rest}"), "legacy.callback_outside"),
        ("IDP-44", format!("http://127。0.0.1:9000{path}?{rest}"), "legacy.not_ascii"),
        ("IDP-44", format!("http://%3127.0.0.1:9000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-44", format!("http://2130706433:9000{path}?{rest}"), "legacy.callback_outside"),
        ("IDP-44", format!("http://127.0.0.1:09000{path}?{rest}"), "legacy.callback_invalid"),
        ("IDP-44", format!("http://127.0.0.1{path}?{rest}"), "legacy.callback_outside"),
        ("IDP-46", format!("{base}?{rest}#y"), "legacy.callback_invalid"),
        ("IDP-47", format!("{base}?info=00&{rest}"), "legacy.reserved_present"),
        ("IDP-49", format!("{base}?state={}", attempt.state), "legacy.nonce_missing"),
        ("IDP-50", format!("{base}?nonce={}", attempt.nonce), "legacy.state_missing"),
        ("IDP-50", base.clone(), "legacy.query_missing"),
        ("IDP-50", format!("{base}?"), "legacy.query_missing"),
        ("IDP-52", format!("{base}?{rest}&state={}", attempt.state), "legacy.parameter_twice"),
        ("IDP-52", format!("{base}?{rest}&nonce={}", attempt.nonce), "legacy.parameter_twice"),
        (
            "IDP-53",
            format!("{base}?state={}&nonce={}", "s".repeat(513), attempt.nonce),
            "legacy.value_length",
        ),
        (
            "IDP-53",
            format!("{base}?state={}&nonce={}", attempt.state, "n".repeat(513)),
            "legacy.value_length",
        ),
        ("IDP-56", format!("{base}?%6eonce={}&{rest}", attempt.nonce), "legacy.key_not_allowed"),
        (
            "IDP-79",
            format!("{base}?{rest}&relais_acr_values=a&relais_acr_values=a"),
            "legacy.parameter_twice",
        ),
        ("IDP-79", format!("{base}?{rest}&relais_foo=1"), "legacy.parameter_unknown"),
        ("IDP-79", format!("{base}?{rest}&relais_max_age=-1"), "legacy.parameter_unknown"),
        ("IDP-79", format!("{base}?{rest}&relais_max_age="), "legacy.parameter_unknown"),
        ("IDP-79", format!("{base}?{rest}&relais_prompt=select_account"), "legacy.parameter_unknown"),
        ("IDP-87", format!("{base}?info_error=1&{rest}"), "legacy.reserved_present"),
        ("IDP-87", format!("{base}?error=1&{rest}"), "legacy.reserved_present"),
        ("IDP-87", format!("{base}?iss=1&{rest}"), "legacy.reserved_present"),
        ("IDP-92", format!("{base}?vue=1;info=EVIL&{rest}"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?vue=\"&{rest}"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?vue=<&{rest}"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?vue={{&{rest}"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?vue=a b&{rest}"), "legacy.not_ascii"),
        ("IDP-92", format!("{base}?vue=%ff&{rest}"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?vue=%00&{rest}"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?vue=%4&{rest}"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?vue&{rest}"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?{rest}&"), "legacy.query_malformed"),
        ("IDP-92", format!("{base}?autre=1&{rest}"), "legacy.key_not_allowed"),
        (
            "IDP-93",
            format!("{base}?vue={}&{rest}", "v".repeat(2049 - 5 - rest.len())),
            "legacy.query_too_long",
        ),
        ("IDP-94", format!("{base}?state={}&nonce={}", "s".repeat(15), attempt.nonce), "legacy.value_length"),
        (
            "IDP-94",
            format!("{base}?state={}&nonce={}", "%73".repeat(15), attempt.nonce),
            "legacy.value_length",
        ),
    ];
    for (row, plaintext, reason) in cases {
        refused(&world, row, &sealed(&world, &app, &plaintext), reason).await;
    }
}

/// Control rows: they look odd but must be accepted.
#[tokio::test]
async fn what_looks_odd_but_is_good() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let attempt = app.attempt();
    let rest = format!("state={}&nonce={}", attempt.state, attempt.nonce);
    let base = app.callback_base();
    let odd = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let cases = [
        ("IDP-55", format!("{base}?state={odd}&nonce={}", attempt.nonce)),
        ("IDP-53", format!("{base}?state={}&nonce={}", "s".repeat(512), attempt.nonce)),
        ("IDP-93", format!("{base}?vue={}&{rest}", "v".repeat(2048 - 5 - rest.len()))),
        ("IDP-94", format!("{base}?state={}&nonce={}", "s".repeat(16), attempt.nonce)),
        ("IDP-92", format!("{base}?vue=a+b?c&dossier=%C3%A9&{rest}")),
        ("IDP-80", format!("{base}?{rest}&relais_max_age=999999")),
    ];
    for (row, plaintext) in cases {
        let page = from_anywhere(&world).get(&sealed(&world, &app, &plaintext)).await;
        assert_eq!(page.status, 303, "{row}: {}", page.body);
        assert!(page.location().unwrap().starts_with(&world.stub_base), "{row}");
        assert!(!page.location().unwrap().contains("script"), "{row}");
    }
}

/// A default port may be written.
#[tokio::test]
async fn a_default_port_may_be_written() {
    let world = World::with(Setup { public_url: Some("https://relais.example"), ..Setup::default() }).await;
    let app = world.legacy("compta");
    let attempt = app.attempt();
    let rest = format!("state={}&nonce={}", attempt.state, attempt.nonce);
    for host in ["app.example", "app.example:443", "APP.example"] {
        let msg = app.seal("request", world.now(), format!("https://{host}/compta/retour.cgi?{rest}"));
        let url = format!("https://relais.example/idp/compta?msg={msg}");
        let page = Browser::new(&world).get(&url).await;
        assert_eq!(page.status, 303, "IDP-41 {host}");
    }
    // And the cookies are those of https.
    let msg = app.seal("request", world.now(), format!("https://app.example/compta/retour.cgi?{rest}"));
    let page = Browser::new(&world).get(&format!("https://relais.example/idp/compta?msg={msg}")).await;
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Host-relais-browser="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert_eq!(page.header("strict-transport-security"), "max-age=63072000");
}

#[tokio::test]
async fn a_message_has_its_time() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let now = world.now();
    let at = |ts: u64| app.idp(&app.seal("request", ts, app.callback(&app.attempt())));
    refused(&world, "IDP-62", &at(now - 901), "legacy.expired").await;
    let event = &world.events(Step::LegacyRequestRefused)[0];
    assert_eq!(event.facts.offset_s, Some(-901), "the event states the measured offset");
    refused(&world, "IDP-62", &at(now + 61), "legacy.in_the_future").await;
    refused(&world, "IDP-62", &at(u64::MAX), "legacy.in_the_future").await;
    refused(&world, "IDP-62", &at(0), "legacy.expired").await;
    for (row, ts) in [("IDP-73", now - 900), ("IDP-73", now + 60)] {
        assert_eq!(from_anywhere(&world).get(&at(ts)).await.status, 303, "{row}");
    }
}

/// With replay marks in memory, what was sealed before the process started may have been answered before.
#[tokio::test]
async fn a_restart_forgets_no_replay() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let floor = world.app.means.legacy.floor.expect("marks are in memory").seconds();
    assert!(floor < world.now());
    let durable = World::with(Setup { sqlite: true, ..Setup::default() }).await;
    assert!(durable.app.means.legacy.floor.is_none(), "marks in the file survive");
    let slow = World::with(Setup {
        app: [("compta", "request_max_age = 86400".to_owned())].into(),
        ..Setup::default()
    })
    .await;
    let at = |ts: u64| app.idp(&app.seal("request", ts, app.callback(&app.attempt())));
    assert_eq!(from_anywhere(&slow).get(&at(floor)).await.status, 303);
    slow.advance(1);
    refused(&slow, "floor", &at(floor - 1), "legacy.expired").await;
}

#[tokio::test]
async fn methods_frames_and_prefetches() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (_, url) = app.start(world.now());
    for (row, method) in [
        ("IDP-64", "POST"),
        ("IDP-65", "PUT"),
        ("IDP-65", "DELETE"),
        ("IDP-65", "TRACE"),
        ("IDP-65", "FOO"),
        ("IDP-65", "CONNECT"),
    ] {
        let page = Browser::new(&world).send(method, &url, None).await;
        assert_eq!((page.status, page.header("allow")), (405, "GET, HEAD"), "{row} {method}");
        assert!(!page.body.contains(&parameter(&url, "msg").unwrap()), "{row} echoes");
    }
    let head = Browser::new(&world).send("HEAD", &url, None).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""), "HEAD starts nothing");
    assert!(head.location().is_none() && head.header("set-cookie").is_empty());
    for (name, value) in
        [("Sec-Purpose", "prefetch"), ("Purpose", "prefetch"), ("Sec-Purpose", "prefetch;prerender")]
    {
        let page = Browser::new(&world).with(name, value).get(&url).await;
        assert_eq!((page.status, page.body.as_str()), (503, ""), "IDP-67");
    }
    for dest in ["iframe", "frame", "object", "embed"] {
        let page = Browser::new(&world).with("Sec-Fetch-Dest", dest).get(&url).await;
        assert_eq!((page.status, page.code().as_str()), (400, "FRAMED"), "IDP-68");
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"), "IDP-68");
    }
    assert!(world.events(Step::LegacyRequestAccepted).is_empty(), "nothing was started");
    assert_eq!(Browser::new(&world).get(&url).await.status, 303, "and the message is still good");
}

#[tokio::test]
async fn single_use() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    // IDP-59: before completion the same message may be opened again, in this browser and in others.
    let first = browser.get(&url).await;
    let second = browser.get(&url).await;
    assert_eq!((first.status, second.status), (303, 303), "IDP-59");
    assert_ne!(first.location(), second.location(), "IDP-59: each opens a login of its own");
    let mut other = Browser::new(&world).at("198.51.100.9");
    let pending = other.get(&url).await;
    // The first to finish wins.
    let back = browser.follow(second).await;
    let back = sign_in(&mut browser, back).await;
    app.identity(&back.url, &attempt);
    // IDP-91: for a minute the browser that received the answer gets the same bytes again.
    world.advance(60);
    assert_eq!(browser.get(&url).await.location(), Some(back.url.as_str()), "IDP-91");
    // IDP-58: another browser gets the page.
    world.recorder.clear();
    let page = Browser::new(&world).at("198.51.100.10").get(&url).await;
    assert_eq!((page.status, page.code().as_str()), (400, "LEGACY_REQUEST"), "IDP-58");
    assert_eq!(world.last_reason(), "legacy.replayed", "IDP-58");
    // The other login of the same message comes too late: a page with the application's button.
    let page = other.follow(pending).await;
    let page = sign_in(&mut other, page).await;
    assert_eq!((page.status, page.code().as_str()), (400, "LEGACY_REQUEST"));
    assert_eq!(world.last_reason(), "legacy.lost_to_another");
    assert_eq!(page.button(), "https://compta.example/accueil");
    // After the minute, this browser too gets the page.
    world.advance(1);
    assert_eq!(browser.get(&url).await.code(), "LEGACY_REQUEST", "IDP-91");
}

/// Chooses the first persona on the simulator's page, and says yes where the relay asks.
pub async fn sign_in(browser: &mut Browser<'_>, page: Page) -> Page {
    let page = crate::harness::choose(browser, page, "angela").await;
    if page.body.contains("/idp/confirm") { browser.confirm(&page).await } else { page }
}

/// Marks are over decoded bytes, and only one spelling is accepted at all on this wire.
#[tokio::test]
async fn another_spelling_is_no_second_use() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let back = sign_in(&mut browser, page).await;
    app.identity(&back.url, &attempt);
    let upper = app.idp(&parameter(&url, "msg").unwrap().to_uppercase());
    refused(&world, "IDP-84", &upper, "legacy.not_hex").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_browsers_and_one_answer() {
    let world = World::new().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("compta");
    let (attempt, url) = app.start(world.now());
    let mut waiting = Vec::new();
    for n in 0..50 {
        let mut browser = Browser::new(&world).at(&format!("10.0.0.{n}"));
        let page = browser.get(&url).await;
        assert_eq!(page.status, 303, "IDP-85");
        waiting.push((browser, page));
    }
    let finished = waiting.into_iter().map(|(mut browser, page)| async move { browser.follow(page).await });
    let pages = futures_join(finished).await;
    let answered: Vec<_> = pages.iter().filter(|page| page.url.contains("info=")).collect();
    assert_eq!(answered.len(), 1, "IDP-85: exactly one answer");
    app.identity(&answered[0].url, &attempt);
    for page in pages.iter().filter(|page| !page.url.contains("info=")) {
        assert!(
            ["LEGACY_REQUEST", "UPSTREAM_STATE"].contains(&page.code().as_str()),
            "IDP-85 {}",
            page.code()
        );
    }
}

/// Drives all futures at once, on this task.
pub async fn futures_join<F: std::future::Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut ready = true;
        for (future, done) in &mut pinned {
            if done.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(output) => *done = Some(output),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pinned.into_iter().map(|(_, done)| done.unwrap()).collect()
}

/// At most eight logins of one message are in flight; the oldest falls.
#[tokio::test]
async fn the_ninth_login_of_a_message() {
    let world = World::new().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("compta");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let mut away = Vec::new();
    for _ in 0..9 {
        away.push(browser.get(&url).await);
        world.advance(1);
    }
    let first = browser.follow(away.remove(0)).await;
    assert_eq!(first.code(), "UPSTREAM_STATE", "IDP-85: the oldest fell");
    let second = browser.follow(away.remove(0)).await;
    app.identity(&second.url, &attempt);
}

#[tokio::test]
async fn an_answer_too_long_for_a_url() {
    let world = World::new().await;
    let app = world.legacy("courte");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let back = sign_in(&mut browser, page).await;
    let refusal = app.refusal(&back.url, &attempt);
    assert_eq!(refusal["error"], "server_error", "IDP-86");
    let event = &world.events(Step::LegacyRefusalIssued)[0];
    assert_eq!(event.code.unwrap().to_string(), refusal["ref"], "IDP-86");
    assert_eq!(event.reason.unwrap().slug(), "legacy.answer_too_long", "IDP-86");
    assert!(event.reason.unwrap().row().advice.contains("reference"), "IDP-86: the advice names `reference`");
    // The request is spent.
    refused(&world, "IDP-86", &url, "legacy.replayed").await;
    // With room for neither answer nor refusal: a page.
    let tight = World::with(Setup {
        app: [("compta", "max_answer_query = 500".to_owned())].into(),
        ..Setup::default()
    })
    .await;
    let app = tight.legacy("compta");
    let callback = format!("{}&dossier={}", app.callback(&app.attempt()), "d".repeat(450));
    let url = app.idp(&app.seal("request", tight.now(), callback));
    let mut browser = tight.browser();
    let page = browser.open(&url).await;
    let page = sign_in(&mut browser, page).await;
    assert_eq!((page.status, page.code().as_str()), (500, "ANSWER_TOO_LONG"), "IDP-86");
    assert_eq!(page.button(), "https://compta.example/accueil", "IDP-86");
}

#[tokio::test]
async fn a_rotated_key_opens_until_its_date() {
    let until = |seconds: u64| {
        let date = humantime(seconds);
        Setup {
            app: [(
                "compta",
                format!("previous_key_file = \"compta.previous.key\"\nprevious_key_until = \"{date}\""),
            )]
            .into(),
            ..Setup::default()
        }
    };
    let world = World::with(until(1_790_791_514 + 100)).await;
    let old = LegacyApp::with_previous_key("compta");
    for app in [old.clone(), world.legacy("compta")] {
        let (attempt, url) = app.start(world.now());
        let mut browser = world.browser();
        let page = browser.open(&url).await;
        let back = sign_in(&mut browser, page).await;
        // Sealed under the key that opened the request: `identity` opens it with that one.
        app.identity(&back.url, &attempt);
    }
    world.advance(100);
    assert_eq!(from_anywhere(&world).get(&old.start(world.now()).1).await.status, 303, "IDP-82");
    world.advance(1);
    refused(&world, "IDP-83", &old.start(world.now()).1, "legacy.does_not_open").await;
}

/// RFC 3339, for whole seconds.
pub fn humantime(seconds: u64) -> String {
    let date = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap();
    date.format(&time::format_description::well_known::Rfc3339).unwrap()
}

/// Refuses sixty messages of `bad` to one address, and returns the last page.
async fn refused_sixty_times(browser: &mut Browser<'_>, bad: &[String]) -> Page {
    let mut last = None;
    for n in 0..60 {
        let page = browser.get(&bad[n % bad.len()]).await;
        assert_eq!(page.status, 400, "IDP-96 {n}");
        last = Some(page);
    }
    last.unwrap()
}

/// B1: on an authenticated wire a message that opens is never refused for what others sent.
#[tokio::test]
async fn b1_refused_messages_are_limited_and_good_ones_are_not() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let mut browser = Browser::new(&world).at("203.0.113.5");
    let bad = [format!("{RELAY}/idp/compta?msg=00"), sealed(&world, &app, "https://evil.test/?a=b")];
    refused_sixty_times(&mut browser, &bad).await;
    for url in &bad {
        let page = browser.get(url).await;
        assert_eq!((page.status, page.code().as_str()), (429, "TOO_MANY"), "IDP-96");
        assert!(!page.header("retry-after").is_empty(), "IDP-96");
    }
    assert_eq!(browser.get(&app.start(world.now()).1).await.status, 303, "B1: a good one is served");
    let other = browser.get(&world.legacy("paie").start(world.now()).1).await;
    assert_eq!(other.status, 303, "B1: and so are other applications");
    let page = browser.get(&format!("{RELAY}/idp/paie?msg=00")).await;
    assert_eq!(page.status, 400, "B1: which have a count of their own");
    world.advance(60);
    assert_eq!(browser.get(&bad[0]).await.status, 400, "IDP-96: the minute is over");
}

/// On `kif-cbc` to answer would be a padding oracle: over the limit nothing is opened, good or bad.
#[tokio::test]
async fn b1_over_the_limit_a_wire_without_authentication_opens_nothing() {
    let world = World::new().await;
    let app = Other::new("vieux-cbc");
    let good =
        app.idp("http://127.0.0.1:9000/vieux-cbc/retour.cgi?state=0123456789abcdef&nonce=fedcba9876543210");
    let bad = [format!("{RELAY}/idp/vieux-cbc?msg={}", "00".repeat(32)), app.idp("https://evil.test/?a=b")];
    let mut browser = Browser::new(&world).at("203.0.113.5");
    refused_sixty_times(&mut browser, &bad).await;
    let mut pages = Vec::new();
    for url in [&bad[0], &bad[1], &good] {
        let page = browser.get(url).await;
        assert_eq!((page.status, page.code().as_str()), (429, "TOO_MANY"), "IDP-96");
        pages.push(page.body.replace(&page.support_code(), "CODE"));
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "IDP-96: the same page");
    let others = [
        Browser::new(&world).at("203.0.113.6").get(&good).await,
        browser.get(&world.legacy("paie").start(world.now()).1).await,
    ];
    assert!(others.iter().all(|page| page.status == 303), "another address, another application");
    world.advance(60);
    assert_eq!(browser.get(&good).await.status, 303, "IDP-96");
}

#[tokio::test]
async fn a_repeated_iv_is_noticed() {
    let world = World::new().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("compta");
    for expected in [0, 1] {
        let attempt = app.attempt();
        let msg = app.seal_with_iv("request", world.now(), [7; 12], app.callback(&attempt));
        let back = Browser::new(&world).open(&app.idp(&msg)).await;
        app.identity(&back.url, &attempt);
        let noted = world.events(Step::LegacyRequestNoted);
        assert_eq!(noted.len(), expected, "two answered requests with one IV");
    }
    assert_eq!(world.last_reason(), "legacy.iv_repeats");
}

#[tokio::test]
async fn prompt_none_without_a_session() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (attempt, url) = app.start_with(world.now(), "relais_prompt=none");
    let back = world.browser().open(&url).await;
    assert_eq!(app.refusal(&back.url, &attempt)["error"], "login_required", "IDP-97");
    assert_eq!(world.stub_calls(), 0);
}

/// The bare `/idp` is the default application's, and only where there is one.
#[tokio::test]
async fn the_default_application() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (_, url) = app.start(world.now());
    let bare = url.replace("/idp/compta", "/idp");
    assert_eq!(world.browser().get(&bare).await.status, 303);
    let other = world.legacy("ged").start(world.now()).1.replace("/idp/ged", "/idp");
    refused(&world, "default", &other, "legacy.does_not_open").await;
}

/// Logins in flight have a share per application and per network, which shrinks as the table fills.
#[tokio::test]
async fn b4_shares_of_logins_in_flight() {
    let more = "[limit]\nlogins_in_flight = 256\nlogins_per_app = 1\nlogins_per_address = 1".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    let (one, two) = (world.legacy("compta"), world.legacy("paie"));
    let start = async |app: &LegacyApp, address: &str| {
        Browser::new(&world).at(address).get(&app.start(world.now()).1).await
    };
    // A /24 may have a 64th of what is left: of 256, less what it has, three.
    for (n, status) in [303, 303, 303, 503, 503].into_iter().enumerate() {
        let page = start(&one, &format!("198.51.100.{n}")).await;
        assert_eq!(page.status, status, "{n}");
        if status == 503 {
            assert_eq!((page.code().as_str(), page.header("retry-after")), ("BUSY_NETWORK", "60"));
            let facts = world.events(Step::LoginFailed).pop().unwrap().facts;
            assert_eq!(facts.names.as_deref(), Some("login ipv4/24"));
        }
    }
    // One /16 fills what it can with each of its /24, and somebody from elsewhere goes on, at either application.
    for n in 0..=255 {
        for _ in 0..4 {
            start(&one, &format!("198.51.{n}.1")).await;
        }
    }
    let of_network = world.app.means.records.logins.count().await.unwrap();
    assert!(of_network <= 256 / 5 + 1, "B4: {of_network}");
    assert_eq!(start(&two, "203.0.113.9").await.status, 303, "B4: somebody from elsewhere");
    assert_eq!(start(&one, "203.0.113.9").await.status, 303, "B4: at the same application");
    // What is over makes room.
    world.advance(15 * 60 + 1);
    assert_eq!(start(&one, "198.51.100.1").await.status, 303);
}

/// B4: the share of one application is not used up by a few networks, however many logins they begin there.
#[tokio::test]
async fn b4_no_few_networks_close_one_application() {
    let more = "[limit]\nlogins_in_flight = 600\nlogins_per_app = 16\nlogins_per_address = 4".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    let app = world.legacy("compta");
    let start = async |address: String| world.browser().at(&address).get(&app.start(world.now()).1).await;
    for network in 0..6 {
        let mut had = 0;
        for n in 0..120 {
            had += u32::from(start(format!("10.{network}.{n}.1")).await.status == 303);
        }
        assert!(had >= 1, "network {network} found room");
    }
    let facts = world.events(Step::LoginFailed).pop().unwrap().facts;
    assert_eq!(facts.names.as_deref(), Some("login ipv4/16"), "and it is the network that is told");
    assert_eq!(start("203.0.113.9".to_owned()).await.status, 303, "and so does whoever comes new");
}

/// B2: one account with ever new browsers keeps its share of sessions; its oldest ends.
#[tokio::test]
async fn b2_one_account_fills_no_table() {
    let more = "[limit]\nsessions = 10\nsessions_per_person = 3".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    let app = world.legacy("silencieuse");
    let sign_in_anew = async |person: &str| {
        let mut browser = world.browser();
        let (attempt, url) = app.start(world.now());
        let page = browser.open(&url).await;
        let back = crate::harness::choose(&mut browser, page, person).await;
        app.identity(&back.url, &attempt);
        browser
    };
    let mut browsers = Vec::new();
    for _ in 0..12 {
        browsers.push(sign_in_anew("angela").await);
    }
    assert_eq!(world.app.means.records.sessions.count().await.unwrap(), 3);
    let mut served = Vec::new();
    for browser in &mut browsers {
        let page = browser.get(&app.start(world.now()).1).await;
        served.push(parameter(page.location().unwrap(), "info").is_some());
    }
    assert_eq!(served[..9], [false; 9], "the oldest ended");
    assert_eq!(served[9..], [true; 3]);
    // A table that others have filled means no single sign-on, and never no sign-in.
    for person in ["corse", "nom-d-usage", "sans-courriel"] {
        for _ in 0..3 {
            sign_in_anew(person).await;
        }
    }
    assert_eq!(world.app.means.records.sessions.count().await.unwrap(), 10);
    assert!(
        world
            .recorder
            .events()
            .iter()
            .any(|event| { event.reason.is_some_and(|reason| reason.slug() == "broker.sessions_full") })
    );
}

/// B3: a refusal spends nothing; only the browser that had it is told that it did.
#[tokio::test]
async fn b3_a_refusal_spends_no_message() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let back = crate::harness::cancel(&mut browser, page).await;
    assert_eq!(app.refusal(&back.url, &attempt)["error"], "access_denied");
    let records = &world.app.means.legacy.records;
    assert_eq!(records.spent.count().await.unwrap() + records.spent_timeless.count().await.unwrap(), 0);
    assert_eq!(browser.get(&url).await.location(), Some(back.url.as_str()), "for a minute the same");
    world.advance(61);
    assert_eq!(browser.get(&url).await.code(), "LEGACY_REQUEST", "then the page");
    let mut other = world.browser();
    let page = other.open(&url).await;
    let back = sign_in(&mut other, page).await;
    app.identity(&back.url, &attempt);
}

/// At the ceiling new logins are refused; whoever is under way comes to the end.
#[tokio::test]
async fn those_under_way_go_before_those_who_come() {
    let more = "[limit]\nlogins_in_flight = 100\nlogins_per_app = 75\nlogins_per_address = 100".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    world.stub.set_auto_login(Some("angela"));
    let apps = [world.legacy("compta"), world.legacy("paie")];
    let mut under_way = Vec::new();
    for n in 0..150 {
        let app = &apps[n % 2];
        let (attempt, url) = app.start(world.now());
        let mut browser = Browser::new(&world).at(&format!("10.{n}.0.1"));
        let page = browser.get(&url).await;
        if n < 100 {
            under_way.push((app, attempt, browser, page));
        } else {
            let told = (page.status, page.code(), page.header("retry-after").to_owned());
            assert_eq!(told, (503, "BUSY".to_owned(), "10".to_owned()), "login {n}");
        }
    }
    for (app, attempt, mut browser, page) in under_way {
        let page = browser.follow(page).await;
        let back = sign_in(&mut browser, page).await;
        app.identity(&back.url, &attempt);
    }
}

/// Whatever arrives as `msg` is answered with the page: never a redirect, never a server's fault.
#[tokio::test]
async fn noise_is_refused() {
    let more = "[limit]\nrefused_messages_per_minute = 1000000".to_owned();
    let world = World::with(Setup { more, ..Setup::default() }).await;
    let app = world.legacy("compta");
    let good = app.callback(&app.attempt());
    for round in 0..2000_usize {
        let noise: [u8; 24] = crate::harness::random();
        let at = usize::from(noise[0]) % good.len();
        let msg = match round % 4 {
            // Any bytes, as they are in a URL.
            0 => noise.iter().map(|b| char::from(b"0aZ-._~!$'()*+,;:@/?="[usize::from(*b) % 21])).collect(),
            // Hexadecimal of any length.
            1 => hex::encode(&noise[..usize::from(noise[1] % 24)]).repeat(1 + round % 5),
            // A well sealed text that is the callback with a byte changed, to anything that is not the same URL.
            2 => {
                let mut text = good.clone().into_bytes();
                text[at] = [b'#', b'\\', b' ', 0, 0xff, b'"'][usize::from(noise[2]) % 6];
                app.seal("request", world.now(), text)
            }
            // A well sealed text that is noise.
            _ => app.seal("request", world.now(), noise),
        };
        let page = Browser::new(&world).get(&app.idp(&msg)).await;
        assert_eq!((page.status, page.code().as_str()), (400, "LEGACY_REQUEST"), "{msg}");
        assert!(page.location().is_none());
    }
    assert_eq!(world.stub_calls(), 0);
}
