//! What holds at every endpoint, row by row; rows about bytes on a connection are in `connections.rs`.

use crate::harness::{Browser, RELAY, Setup, World};

#[tokio::test]
async fn one_spelling_per_route() {
    let world = World::new().await;
    let mut browser = world.browser();
    let paths = [
        ("ALL-01", "/nothing"),
        ("ALL-01", "/idp/"),
        ("ALL-01", "//idp"),
        ("ALL-01", "/idp%2f"),
        ("ALL-01", "/IDP"),
        ("ALL-01", "/./idp"),
        ("ALL-01", "//evil.example/idp"),
        ("ALL-01", "/idp/compta/"),
        ("ALL-01", "/logout"),
        ("ALL-02", "/%2e%2e/config.toml"),
        ("ALL-02", "/static/../../etc/passwd"),
        ("ALL-02", "/static/%2e%2e/relais.css"),
        ("ALL-02", "/static/%00"),
        ("ALL-26", "/metrics"),
        ("ALL-26", "/health/ready"),
        ("ALL-26", "/health/live"),
        ("ALL-26", "/debug"),
    ];
    for (row, path) in paths {
        let page = browser.send_to("127.0.0.1:8080", path).await;
        assert_eq!((page.status, page.code().as_str()), (404, "NOT_FOUND"), "{row} {path}");
        assert!(page.location().is_none(), "{row} {path}");
        page.button();
    }
}

#[tokio::test]
async fn forwarded_headers_of_strangers_are_ignored() {
    let world = World::new().await;
    let app = world.legacy("compta");
    for (name, value) in [
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example;proto=https"),
        ("X-Original-URL", "/logout/compta"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "203.0.113.99"),
    ] {
        let page = Browser::new(&world).with(name, value).get(&app.start(world.now()).1).await;
        assert_eq!(page.status, 303, "ALL-04 {name}");
        assert!(page.location().unwrap().starts_with(&world.stub_base), "ALL-04 {name}");
        assert!(!page.location().unwrap().contains("evil"), "ALL-04 {name}");
        assert!(!page.header("set-cookie").contains("Secure"), "ALL-04 {name}");
        let peer = world.recorder.events().pop().unwrap().peer.unwrap();
        assert_eq!(peer.address.to_string(), "192.0.2.7", "ALL-04 {name}");
    }
}

#[tokio::test]
async fn forwarded_addresses_of_trusted_proxies() {
    let world =
        World::with(Setup { server: "trusted_proxies = [\"192.0.2.0/24\"]".to_owned(), ..Setup::default() })
            .await;
    let app = world.legacy("compta");
    let many = vec!["x"; 10_000].join(",");
    for (value, seen) in [
        ("203.0.113.99", "203.0.113.99"),
        ("10.0.0.1, 203.0.113.98", "203.0.113.98"),
        ("203.0.113.97, 192.0.2.44", "203.0.113.97"),
        ("evil.example, <garbage>, 203.0.113.96, localhost", "203.0.113.96"),
        ("2001:db8::1", "2001:db8::1"),
        ("garbage", "192.0.2.7"),
        (many.as_str(), "192.0.2.7"),
    ] {
        let page = Browser::new(&world).with("X-Forwarded-For", value).get(&app.start(world.now()).1).await;
        assert_eq!(page.status, 303, "ALL-05");
        let peer = world.recorder.events().pop().unwrap().peer.unwrap();
        assert_eq!(peer.address.to_string(), seen, "ALL-05 {}", &value[..value.len().min(40)]);
    }
}

#[tokio::test]
async fn cookies_in_excess_or_twice() {
    let world = World::new().await;
    let (_, url) = world.legacy("compta").start(world.now());
    let many: Vec<_> = (0..200).map(|n| format!("c{n}=1")).collect();
    let long = format!("c={}", "x".repeat(16 * 1024));
    let handle = "A".repeat(43);
    for cookies in [
        many.join("; "),
        long,
        format!("relais-browser-8080={handle}.compta; relais-browser-8080={handle}.compta"),
        "relais-8080=a; other=1; relais-8080=b".to_owned(),
    ] {
        let page = Browser::new(&world).with("Cookie", &cookies).get(&url).await;
        assert_eq!((page.status, page.code().as_str()), (400, "COOKIES"), "ALL-14");
    }
    let page = Browser::new(&world).with("Cookie", "other=1; Max-Age=99999999999; expires=x").get(&url).await;
    assert_eq!(page.status, 303, "ALL-16");
}

#[tokio::test]
async fn languages() {
    let world = World::new().await;
    let french = "lang=\"fr\"";
    let english = "lang=\"en\"";
    let long = "en,".repeat(3000);
    for (accept, lang) in [
        ("*/*;q=abc", french),
        (long.as_str(), french),
        ("de, it;q=0.9", french),
        ("en", english),
        ("en-GB,fr;q=0.5", english),
        ("fr;q=0.5, en;q=0.9", english),
        ("en;q=0, fr;q=0.1", french),
        ("EN-us", english),
    ] {
        let page = Browser::new(&world)
            .with("Accept-Language", accept)
            .with("Accept", "*/*;q=abc")
            .get(&format!("{RELAY}/"))
            .await;
        assert_eq!(page.status, 200, "ALL-17");
        assert!(page.body.contains(lang), "ALL-17 {}", &accept[..accept.len().min(30)]);
    }
    // The application's wish comes first.
    let app = world.legacy("ged");
    let mut browser = world.browser();
    let page = browser.open(&app.start(world.now()).1).await;
    let page = crate::idp_inputs::sign_in(&mut browser, page).await;
    assert!(page.url.contains("info="));
    let page = browser.open(&app.start_with(world.now(), "relais_ui_locales=de%20en%20fr").1).await;
    assert!(page.body.contains(english), "{}", page.body);
    let page = browser.get(&format!("{RELAY}/logout/ged?ui_locales=en")).await;
    assert!(page.body.contains(english));
}

#[tokio::test]
async fn forms_are_bounded() {
    let world = World::new().await;
    let url = format!("{RELAY}/idp/confirm");
    let mut browser = world.browser();
    browser.get(&world.legacy("compta").start(world.now()).1).await;
    let keys = |count: usize| (0..count).map(|n| format!("k{n}=")).collect::<Vec<_>>().join("&");
    for (form, status, code) in [
        (keys(65), 400, "INVALID_REQUEST"),
        (keys(5_000), 400, "INVALID_REQUEST"),
        (keys(100_000), 413, "TOO_LARGE"),
        ("token=a&token=a".to_owned(), 400, "INVALID_REQUEST"),
        (keys(64), 403, "CSRF"),
    ] {
        let page = browser.send("POST", &url, Some(form)).await;
        assert_eq!((page.status, page.code().as_str()), (status, code), "ALL-20");
    }
}

#[tokio::test]
async fn dynamic_pages_are_whole_and_never_kept() {
    let world = World::new().await;
    for (name, value) in [
        ("Range", "bytes=0-10"),
        ("If-None-Match", "*"),
        ("If-Modified-Since", "Wed, 25 Nov 2026 00:00:00 GMT"),
    ] {
        let page = Browser::new(&world).with(name, value).get(&format!("{RELAY}/")).await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "ALL-23");
        assert!(page.body.ends_with("</html>"), "ALL-23");
    }
    let page = Browser::new(&world)
        .with("Upgrade", "websocket")
        .with("Connection", "upgrade")
        .get(&format!("{RELAY}/"))
        .await;
    assert_eq!(page.status, 400, "ALL-25");
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let urls = [
        format!("{RELAY}/"),
        format!("{RELAY}/nothing"),
        app.start(world.now()).1,
        format!("{RELAY}/idp/claim"),
        format!("{RELAY}/callback/fc"),
        format!("{RELAY}/logout/compta"),
    ];
    for url in urls {
        let page = world.browser().get(&url).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("x-robots-tag", "noindex, nofollow"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), value, "{url}");
        }
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{url} {policy}"
        );
        assert!(page.header("server").is_empty() && page.header("x-powered-by").is_empty(), "{url}");
        assert!(page.header("access-control-allow-origin").is_empty(), "{url}");
    }
    // The one thing that may be kept.
    let home = world.browser().get(&format!("{RELAY}/")).await;
    let at = home.body.find("/static/").expect("a stylesheet");
    let path = home.body[at..].split('"').next().unwrap();
    let css = world.browser().get(&format!("{RELAY}{path}")).await;
    assert_eq!(css.status, 200);
    assert!(
        css.header("cache-control").contains("immutable")
            && css.header("content-type").starts_with("text/css")
    );
}

/// A wish for a path below the host.
#[tokio::test]
async fn the_relay_may_stand_below_a_path() {
    let world =
        World::with(Setup { public_url: Some("https://portail.example/relais"), ..Setup::default() }).await;
    let base = "https://portail.example/relais";
    assert_eq!(world.browser().get(&format!("{base}/idp/compta?msg=00")).await.status, 400);
    assert_eq!(world.browser().get("https://portail.example/idp/compta?msg=00").await.status, 404);
    let page = world.browser().get(&format!("{base}/")).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("/relais/static/"), "{}", page.body);
}
