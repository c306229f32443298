//! What holds at every endpoint, row by row; rows about bytes on a connection are in `connections.rs`.

use relais::event::Step;
use relais::web::{At, CrossOrigin, ROUTES, Route};

use crate::harness::{Browser, RELAY, Setup, World};
use crate::idp_inputs::sign_in;

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
        ("evil.example, <garbage>, 203.0.113.96", "203.0.113.96"),
        ("203.0.113.96, localhost", "192.0.2.7"),
        ("203.0.113.96, unknown, 192.0.2.44", "192.0.2.44"),
        ("203.0.113.95:51008", "203.0.113.95"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::2]:51008", "2001:db8::2"),
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
        format!("relais-browser-8080={handle}.compta; relais-browser-8080={handle}.paie"),
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
    let french = "<html lang=\"fr\"";
    let english = "<html lang=\"en\"";
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

async fn with_aliases() -> World {
    let server = r#"aliases = { logout = "/sortie", error = "/erreur" }"#;
    // Every refusal has its event, however many there are.
    let more = "[event]\nburst_per_minute = 0".to_owned();
    World::with(Setup { server: server.to_owned(), more, ..Setup::default() }).await
}

/// One path of a route.
fn path_of(route: &Route) -> String {
    let pattern = match route.at {
        At::Path(path) | At::Configured { otherwise: Some(path), .. } => path,
        At::Configured { key: "server.aliases.logout", .. } => "/sortie",
        At::Configured { key: "server.aliases.error", .. } => "/erreur",
        At::Configured { key, .. } => panic!("no path for {key}"),
    };
    ["{app}", "{name}", "{upstream}"]
        .iter()
        .zip(["compta", "fc", "fc"])
        .fold(pattern.to_owned(), |path, (parameter, name)| path.replace(parameter, name))
}

#[tokio::test]
async fn each_route_takes_its_methods_and_no_other() {
    let world = with_aliases().await;
    for route in ROUTES {
        let url = format!("{RELAY}{}", path_of(route));
        let allow = route.allow();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FOO"]
        {
            if route.methods.iter().any(|taken| taken == method) {
                continue;
            }
            let page = world.browser().send(method, &url, None).await;
            assert_eq!((page.status, page.header("allow")), (405, allow.as_str()), "IDP-65: {method} {url}");
            assert_eq!(world.last_reason(), "server.method", "{method} {url}");
        }
        for method in route.methods {
            let page = world.browser().send(method.as_str(), &url, None).await;
            assert_ne!(page.status, 405, "{method} {url}");
        }
    }
}

#[tokio::test]
async fn each_route_has_one_spelling() {
    let world = with_aliases().await;
    for path in ROUTES.iter().map(|route| path_of(route)).filter(|path| path != "/") {
        let last = path.chars().last().unwrap();
        let encoded = format!("{}%{:02x}", path.strip_suffix(last).unwrap(), u32::from(last));
        for other in
            [format!("{path}/"), format!("/{path}"), path.to_uppercase(), encoded, format!("{path};a=b")]
        {
            let page = world.browser().get(&format!("{RELAY}{other}")).await;
            assert_eq!((page.status, page.code().as_str()), (404, "NOT_FOUND"), "ALL-01 {other}");
        }
    }
}

#[tokio::test]
async fn each_route_holds_its_rule_about_other_sites() {
    let world = with_aliases().await;
    for route in ROUTES {
        let url = format!("{RELAY}{}", path_of(route));
        let method = route.methods[0].as_str();
        let ask = async |dest: &str, mode: &str, site: &str| {
            let browser = Browser::new(&world).with("Sec-Fetch-Dest", dest).with("Sec-Fetch-Mode", mode);
            browser.with("Sec-Fetch-Site", site).send(method, &url, None).await
        };
        let form = method == "POST";
        let framed = ask("iframe", "navigate", "same-origin").await;
        let image = ask("image", "no-cors", "same-origin").await;
        let foreign = ask("document", "navigate", "cross-site").await;
        match route.cross_origin {
            CrossOrigin::Any => {
                assert_ne!(framed.code(), "FRAMED", "B5: {url}");
                assert_ne!(image.status, 403, "B5: {url}");
            }
            CrossOrigin::Question => {
                assert_eq!((framed.status, framed.code().as_str()), (400, "FRAMED"), "B5: {url}");
                assert_ne!(image.status, 403, "OUT-13: {url}");
            }
            CrossOrigin::TopLevelNavigation | CrossOrigin::SameOriginForm => {
                assert_eq!((framed.status, framed.code().as_str()), (400, "FRAMED"), "B5: {url}");
                assert_eq!((image.status, image.body.as_str()), (403, ""), "B5: {url}");
            }
        }
        let csrf = route.cross_origin == CrossOrigin::SameOriginForm;
        assert_eq!((foreign.status, foreign.code().as_str()) == (403, "CSRF"), csrf, "B5: {url}");
        assert_eq!(form, route.methods.iter().all(|method| method == "POST"), "{url}");
    }
}

fn sent<'w>(browser: &Browser<'w>, (dest, mode): (&str, &str)) -> Browser<'w> {
    let site = ("Sec-Fetch-Site", "cross-site");
    browser.raw_fields(&[("Sec-Fetch-Dest", dest), ("Sec-Fetch-Mode", mode), site])
}

#[tokio::test]
async fn only_a_navigation_begins_or_ends_anything() {
    let world = World::new().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("paie");
    let (attempt, url) = app.start(world.now());
    let elsewhere = [
        ("image", "no-cors"),
        ("script", "no-cors"),
        ("style", "no-cors"),
        ("video", "no-cors"),
        ("empty", "cors"),
        ("empty", "same-origin"),
        ("empty", "no-cors"),
        ("empty", "navigate"),
        ("document", "no-cors"),
    ];
    let plain = world.browser();
    for one in elsewhere {
        let page = sent(&plain, one).get(&url).await;
        assert_eq!((page.status, page.body.as_str()), (403, ""), "B5: {one:?}");
        assert!(page.header("set-cookie").is_empty(), "B5: {one:?}");
        let told = world.events(Step::RequestRefused).pop().unwrap();
        assert_eq!(told.reason.unwrap().slug(), "server.not_navigated", "B5: {one:?}");
        assert!(told.code.is_some(), "B5: {one:?}");
    }
    assert!(world.events(Step::LegacyRequestAccepted).is_empty(), "B5: nothing began");
    // A link on another site is good, and so is a browser that tells nothing.
    let mut browser = sent(&plain, ("document", "navigate"));
    let away = browser.get(&url).await;
    assert_eq!(away.status, 303, "B5: a link");
    let back = browser.get(away.location().unwrap()).await;
    let callback = back.location().unwrap().to_owned();
    for one in elsewhere {
        let page = sent(&browser, one).get(&callback).await;
        assert_eq!((page.status, page.body.as_str()), (403, ""), "B5: {one:?} at the callback");
    }
    let prefetch = browser.raw_fields(&[("Sec-Purpose", "prefetch")]).get(&callback).await;
    assert_eq!((prefetch.status, prefetch.body.as_str()), (503, ""), "B5: a prefetch of the callback");
    let page = browser.get(&callback).await;
    assert!(page.body.contains("/idp/confirm"), "B5: the login was still under way: {}", page.body);
    let (action, mut fields) = page.form();
    fields.push(("decision".to_owned(), "yes".to_owned()));
    let confirm = format!("{RELAY}{action}");
    for mode in ["cors", "same-origin", "no-cors"] {
        let same = [("Sec-Fetch-Dest", "empty"), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Site", "same-origin")];
        let page = browser.raw_fields(&same).post(&confirm, &fields).await;
        assert_eq!((page.status, page.body.as_str()), (403, ""), "B5: {mode} at the confirmation");
    }
    let own =
        [("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "same-origin")];
    let answer = browser.raw_fields(&own).post(&confirm, &fields).await;
    app.identity(answer.location().unwrap(), &attempt);
}

#[tokio::test]
async fn an_image_ends_no_session_by_a_sealed_logout() {
    let world = World::new().await;
    let app = world.legacy("paie");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let back = sign_in(&mut browser, page).await;
    let sub = app.identity(&back.url, &attempt)["sub"].as_str().unwrap().to_owned();
    let url = format!("{RELAY}/logout/paie?msg={}", app.seal("logout", world.now(), &sub));
    let image =
        [("Sec-Fetch-Dest", "image"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Site", "cross-site")];
    let page = browser.raw_fields(&image).get(&url).await;
    assert!(page.status == 200 && page.body.contains("<form"), "B5, OUT-13: {}", page.body);
    assert!(world.events(Step::SessionEnded).is_empty(), "B5: session intact");
    let link =
        [("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(browser.raw_fields(&link).get(&url).await.status, 303, "OUT-27: a navigation acts at once");
}
