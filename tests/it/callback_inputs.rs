//! Bad inputs at an upstream's callback, and what a faulty or hostile upstream comes to.

use relais::event::Step;
use stub_upstream::Fault;

use crate::harness::{Attempt, Browser, LegacyApp, Page, RELAY, Setup, World, choose, parameter};

/// A login whose browser is about to come back: the callback's address with the stub's answer.
async fn ready_to_return<'w>(world: &'w World, app: &LegacyApp) -> (Browser<'w>, Attempt, String) {
    world.stub.set_auto_login(Some("angela"));
    let (attempt, url) = app.start(world.now());
    let mut browser = Browser::new(world);
    let away = browser.get(&url).await;
    assert_eq!(away.status, 303, "{}", away.body);
    let back = browser.get(away.location().unwrap()).await;
    let callback = back.location().unwrap_or_else(|| panic!("{} {}", back.status, back.body)).to_owned();
    assert!(callback.starts_with(&format!("{RELAY}/callback/")), "{callback}");
    (browser, attempt, callback)
}

fn assert_page(page: &Page, status: u16, code: &str, row: &str) {
    assert_eq!((page.status, page.code().as_str()), (status, code), "{row}");
    assert!(page.location().is_none(), "{row}");
    assert_eq!(page.header("cache-control"), "no-store", "{row}");
    page.button();
}

#[tokio::test]
async fn what_is_not_an_answer() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let (mut browser, attempt, good) = ready_to_return(&world, &app).await;
    let state = parameter(&good, "state").unwrap();
    let code = parameter(&good, "code").unwrap();
    let iss = parameter(&good, "iss").unwrap();
    let at = |query: String| format!("{RELAY}/callback/oidc?{query}");
    let rest = format!("code={code}&state={state}&iss={iss}");
    let cases = [
        ("CBK-01", format!("{RELAY}/callback/oidc"), "UPSTREAM_RESPONSE"),
        ("CBK-01", at(String::new()), "UPSTREAM_RESPONSE"),
        ("CBK-01", at(format!("code={code}&iss={iss}")), "UPSTREAM_RESPONSE"),
        ("CBK-01", at(format!("state={state}&iss={iss}")), "UPSTREAM_RESPONSE"),
        ("CBK-01", at(format!("{rest}&error=access_denied")), "UPSTREAM_RESPONSE"),
        ("CBK-03", at(format!("code={code}&state={}&iss={iss}", "f".repeat(64))), "UPSTREAM_STATE"),
        ("CBK-03", at(format!("code={code}&state=undefined&iss={iss}")), "UPSTREAM_STATE"),
        ("CBK-03", at(format!("code={code}&state=&iss={iss}")), "UPSTREAM_STATE"),
        ("CBK-03", at(format!("code={code}&state={}&iss={iss}", "f".repeat(4096))), "UPSTREAM_STATE"),
        ("CBK-10", at(format!("{rest}&iss={iss}")), "UPSTREAM_RESPONSE"),
        ("CBK-10", at(format!("{rest}&state={state}")), "UPSTREAM_RESPONSE"),
        ("CBK-10", at(format!("{rest}&code={code}")), "UPSTREAM_RESPONSE"),
        ("CBK-12", at(format!("code=a%0Ab&state={state}&iss={iss}")), "UPSTREAM_RESPONSE"),
        ("CBK-15", at(format!("error=%3Cscript%3E&state={state}&iss={iss}")), "UPSTREAM_RESPONSE"),
        ("CBK-19", at(format!("response=eyJhbGciOiJub25lIn0.e30.&state={state}")), "UPSTREAM_RESPONSE"),
        ("CBK-07", format!("{RELAY}/callback/fc?{rest}"), "UPSTREAM_MIXUP"),
    ];
    for (row, url, code) in cases {
        let page = browser.get(&url).await;
        assert_page(&page, 400, code, row);
        assert!(!page.body.contains("script"), "{row} echoes");
    }
    // CBK-04: another browser, with cookies of its own.
    let mut other = Browser::new(&world);
    other.get(&app.start(world.now()).1).await;
    assert_page(&other.get(&good).await, 400, "UPSTREAM_STATE", "CBK-04");
    assert_eq!(world.last_reason(), "broker.other_browser", "CBK-04");
    // CBK-51: a browser that keeps no cookies.
    assert_page(&Browser::new(&world).get(&good).await, 400, "COOKIES", "CBK-51");
    // CBK-18: form_post is not configured.
    let posted = browser.clone().post(&format!("{RELAY}/callback/oidc"), &[("code".into(), code)]).await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET"), "CBK-18");
    assert_eq!(world.stub_calls(), 0, "not one outbound call");
    // After all this the login is intact, and ends once.
    let page = browser.open(&good).await;
    let back = browser.confirm(&page).await;
    app.identity(&back.url, &attempt);
    assert_eq!(
        browser.get(&good).await.location(),
        Some(back.url.as_str()),
        "CBK-06: the same, for a minute"
    );
    let mut stale = browser.clone();
    stale.cookies.retain(|name, _| name.contains("browser"));
    let again = stale.get(&good).await;
    assert_page(&again, 400, "UPSTREAM_STATE", "CBK-06");
    assert_eq!(
        again.button(),
        "https://paie.example/accueil",
        "CBK-06: Back ends on the application's button"
    );
    assert_eq!(world.stub.calls().token, 1, "CBK-06");
}

#[tokio::test]
async fn the_issuer_of_the_answer() {
    let world = World::new().await;
    for (row, change) in [("CBK-09", None), ("CBK-07", Some("https%3A%2F%2Fevil.example"))] {
        let (mut browser, _, good) = ready_to_return(&world, &world.legacy("compta")).await;
        let iss = parameter(&good, "iss").unwrap();
        let with = |iss: &str| format!("&iss={iss}");
        let url = good.replace(&with(&iss), &change.map(with).unwrap_or_default());
        let calls = world.stub_calls();
        let page = browser.get(&url).await;
        assert_page(&page, 400, "UPSTREAM_MIXUP", row);
        assert_eq!(page.button(), "https://compta.example/accueil", "{row}");
        assert_eq!(world.stub_calls(), calls, "{row}: no token call");
    }
}

#[tokio::test]
async fn a_login_has_fifteen_minutes() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let (mut browser, _, late) = ready_to_return(&world, &app).await;
    world.advance(15 * 60 + 1);
    let page = browser.get(&late).await;
    assert_page(&page, 400, "UPSTREAM_STATE", "CBK-03");
    assert_eq!(page.button(), "https://silencieuse.example/accueil", "the cookie remembers the application");
    // And the user can start again.
    let (attempt, url) = app.start(world.now());
    let back = browser.open(&url).await;
    app.identity(&back.url, &attempt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_returns_and_one_redemption() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let (browser, attempt, good) = ready_to_return(&world, &app).await;
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (mut browser, good) = (browser.clone(), good.clone());
            async move { browser.get(&good).await }
        })
        .collect();
    let pages = crate::idp_inputs::futures_join(calls).await;
    let answered: Vec<_> = pages.iter().filter_map(|page| page.location()).collect();
    assert_eq!(answered.len(), 1, "CBK-06: one success");
    app.identity(answered[0], &attempt);
    assert_eq!(pages.iter().filter(|page| page.code() == "UPSTREAM_STATE").count(), 49, "CBK-06");
    assert_eq!(world.stub.calls().token, 1, "CBK-06: a single redemption");
}

#[tokio::test]
async fn errors_of_the_upstream_reach_the_application() {
    let world = World::new().await;
    for (row, error, told) in [
        ("CBK-13", "access_denied", "access_denied"),
        ("CBK-16", "temporarily_unavailable", "temporarily_unavailable"),
        ("CBK-16", "server_error", "server_error"),
        ("CBK-16", "invalid_acr", "unmet_authentication_requirements"),
        ("CBK-16", "something_new", "server_error"),
    ] {
        let app = world.legacy("compta");
        let (mut browser, attempt, good) = ready_to_return(&world, &app).await;
        let (state, iss) = (parameter(&good, "state").unwrap(), parameter(&good, "iss").unwrap());
        let url = format!("{RELAY}/callback/fc?error={error}&error_description=x&state={state}&iss={iss}");
        let answer = browser.get(&url).await;
        assert_eq!(answer.status, 303, "{row} {error}: {}", answer.body);
        let refusal = app.refusal(answer.location().unwrap(), &attempt);
        assert_eq!(refusal["error"], told, "{row} {error}");
        let event = world.events(Step::LegacyRefusalIssued).pop().unwrap();
        assert_eq!(refusal["ref"], event.code.unwrap().to_string(), "{row}: `ref` is the event's code");
        // The request is spent by its refusal.
        let replay = Browser::new(&world).at("10.9.9.9").get(&good).await;
        assert_ne!(replay.status, 303, "{row}");
    }
}

/// Faults of the simulator: what the application is told, and the operator's reason.
#[tokio::test]
async fn faults_of_the_upstream() {
    let faults: &[(&str, &str, &str, &str)] = &[
        ("CBK-21", "token_invalid_grant", "server_error", "upstream.invalid_grant"),
        ("CBK-21", "token_invalid_client", "server_error", "upstream.invalid_client"),
        ("CBK-22", "token_500", "temporarily_unavailable", "upstream.http_status"),
        ("CBK-24", "token_garbled", "server_error", "upstream.not_json"),
        ("CBK-24", "token_truncated", "server_error", "upstream.not_json"),
        ("CBK-24", "token_gzip_bomb", "server_error", ""),
        ("F23", "token_cut", "temporarily_unavailable", ""),
        ("CBK-24", "token_huge", "server_error", "upstream.too_large"),
        ("CBK-24", "token_redirect", "server_error", ""),
        ("CBK-27", "no_id_token", "server_error", "upstream.id_token_missing"),
        ("CBK-28", "token_type_wrong", "server_error", "upstream.token_type"),
        ("CBK-30", "wrong_issuer", "server_error", "upstream.issuer_claim"),
        ("CBK-31", "aud_wrong", "server_error", "upstream.audience"),
        ("CBK-33", "expired_id_token", "server_error", "upstream.expired"),
        ("CBK-34", "wrong_nonce", "server_error", "upstream.nonce"),
        ("CBK-34", "nonce_missing", "server_error", "upstream.nonce"),
        ("CBK-39", "alg_none", "server_error", "upstream.alg_refused"),
        ("CBK-39", "bad_signature", "server_error", "upstream.signature"),
        ("CBK-48", "key_unknown", "server_error", "upstream.key_unknown"),
        ("CBK-43", "sub_differs", "server_error", "upstream.sub_differs"),
        ("CBK-46", "userinfo_garbled", "server_error", ""),
        ("CBK-46", "userinfo_500", "temporarily_unavailable", "upstream.http_status"),
    ];
    let world = World::new().await;
    for (row, fault, told, reason) in faults {
        for id in ["compta", "paie"] {
            let app = world.legacy(if id == "compta" { "compta" } else { "paie" });
            world.stub.set_fault(None);
            let fault_kind = Fault::parse(fault).unwrap_or_else(|| panic!("the stub has no fault {fault}"));
            world.stub.set_fault(Some(fault_kind));
            let (mut browser, attempt, good) = ready_to_return(&world, &app).await;
            let answer = browser.get(&good).await;
            assert_eq!(answer.status, 303, "{row} {fault} {id}: {} {}", answer.body, world.last_reason());
            let refusal = app.refusal(answer.location().unwrap(), &attempt);
            assert_eq!(refusal["error"], *told, "{row} {fault} {id}");
            if !reason.is_empty() {
                assert_eq!(world.last_reason(), *reason, "{row} {fault} {id}");
            }
            // And the user can start again.
            world.stub.set_fault(None);
            world.advance(61);
            let (attempt, url) = app.start(world.now());
            let page = browser.open(&url).await;
            let back = if page.body.contains("/idp/confirm") { browser.confirm(&page).await } else { page };
            app.identity(&back.url, &attempt);
        }
    }
}

#[tokio::test]
async fn an_upstream_that_drips_or_is_down() {
    let world = World::with(Setup {
        outbound: Some("connect_milliseconds = 500\ntotal_milliseconds = 500"),
        ..Setup::default()
    })
    .await;
    let app = world.legacy("compta");
    world.stub.set_fault(Fault::parse("token_slow"));
    let (mut browser, attempt, good) = ready_to_return(&world, &app).await;
    let answer = browser.get(&good).await;
    assert_eq!(
        app.refusal(answer.location().unwrap(), &attempt)["error"],
        "temporarily_unavailable",
        "CBK-25"
    );
    assert_eq!(world.last_reason(), "upstream.timeout", "CBK-25");
}

#[tokio::test]
async fn the_level_reached() {
    let world = World::new().await;
    let app = world.legacy("forte");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let page = choose(&mut browser, page, "angela").await;
    let back = browser.confirm(&page).await;
    let acr = app.identity(&back.url, &attempt)["acr"].as_str().unwrap().to_owned();
    assert!(["eidas2", "eidas3"].contains(&acr.as_str()), "{acr}");
    world.stub.set_fault(Fault::parse("acr_low"));
    let (mut browser, attempt, good) = ready_to_return(&world, &app).await;
    let answer = browser.get(&good).await;
    let refusal = app.refusal(answer.location().unwrap(), &attempt);
    assert_eq!(refusal["error"], "unmet_authentication_requirements", "CBK-37");
    let event = world.events(Step::LegacyRefusalIssued).pop().unwrap();
    assert_eq!(event.facts.acr_asked.as_deref(), Some("eidas2 eidas3"), "CBK-37");
}

#[tokio::test]
async fn an_application_disabled_meanwhile() {
    let mut world = World::new().await;
    let app = world.legacy("compta");
    let (browser, _, good) = ready_to_return(&world, &app).await;
    let kept = browser.cookies.clone();
    world.reconfigure(|setup| {
        setup.app.insert("compta", "enabled = false".to_owned());
    });
    let mut browser = Browser::new(&world);
    browser.cookies = kept;
    let page = browser.get(&good).await;
    assert_page(&page, 400, "CLIENT_DISABLED", "CBK-49");
    assert_eq!(world.stub_calls(), 0, "CBK-49");
}

/// A provider that is down when a login begins: the application is told at once, and nothing is stuck once the
/// provider is back.
#[tokio::test]
async fn a_provider_that_is_down_at_the_beginning() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let section = format!(
        "[upstream.down]\nprofile = \"generic\"\nissuer = \"http://{closed}\"\nclient_id = \"relais\"\n\
         client_secret_file = \"fc.secret\"\n"
    );
    let mut world = World::with(Setup {
        more: section,
        app: [("toujours", String::new())].into(),
        upstream: [("toujours", "down")].into(),
        ..Setup::default()
    })
    .await;
    let app = world.legacy("toujours");
    let (attempt, url) = app.start(world.now());
    let answer = Browser::new(&world).get(&url).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let refusal = app.refusal(answer.location().unwrap(), &attempt);
    assert_eq!(refusal["error"], "temporarily_unavailable");
    assert_eq!(world.last_reason(), "upstream.discovery");
    world.reconfigure(|setup| {
        setup.upstream.clear();
    });
    let page = Browser::new(&world).get(&app.start(world.now()).1).await;
    assert!(page.location().unwrap().starts_with(&world.stub_base));
}

/// Endpoints from the configuration: nothing is discovered.
#[tokio::test]
async fn endpoints_that_are_configured() {
    let mut world = World::new().await;
    let base = world.stub_base.clone();
    world.reconfigure(|setup| {
        setup.more = format!(
            "[upstream.oidc.endpoints]\nauthorization = \"{base}/generic/authorize\"\ntoken = \"{base}/generic/token\"\n\
             userinfo = \"{base}/generic/userinfo\"\njwks = \"{base}/generic/jwks.json\"\n\
             end_session = \"{base}/generic/logout\"\n"
        );
    });
    let app = world.legacy("silencieuse");
    let (mut browser, attempt, good) = ready_to_return(&world, &app).await;
    let back = browser.open(&good).await;
    app.identity(&back.url, &attempt);
    assert_eq!(world.stub.calls().discovery, 0);
}
