//! Section H: networks, proxies and host names; and what browsers are told of TLS (L6).

use axum::body::Body;
use axum::http::{Request, header};
use relais::event::Step;
use serde_json::json;
use stub_upstream::Part;
use tower::ServiceExt as _;

use super::{cause, log_in, put, told};
use crate::harness::{Browser, RELAY, Setup, World, parameter};

/// The status of a request with these fields of `Host`.
async fn asked(world: &World, target: &str, hosts: &[&[u8]]) -> u16 {
    let mut request = Request::builder().uri(target);
    for host in hosts {
        request = request.header(header::HOST, *host);
    }
    let request = request.body(Body::empty()).unwrap();
    world.relay.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn h1_whoever_a_trusted_proxy_names_is_the_caller_and_nobody_else() {
    let server = "trusted_proxies = [\"192.0.2.0/24\"]".to_owned();
    let world = World::with(Setup { server, ..Setup::default() }).await;
    for (field, address, port) in [
        ("203.0.113.7:51008", "203.0.113.7", Some(51_008)),
        ("[2001:db8::7]:51008", "2001:db8::7", Some(51_008)),
        ("198.51.100.1, unknown", "192.0.2.9", None),
        ("198.51.100.1, _hidden", "192.0.2.9", None),
    ] {
        let browser = Browser::new(&world).at("192.0.2.9");
        browser.raw_fields(&[("x-forwarded-for", field)]).get(&format!("{RELAY}/nowhere")).await;
        let peer = told(&world).peer.unwrap();
        assert_eq!(peer.address.to_string(), address, "{field}");
        assert!(port.is_none_or(|port| peer.port == port), "{field}");
    }
}

#[tokio::test]
async fn h2_metadata_leads_to_no_machine_that_is_nearer_than_its_issuer() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for (name, at) in [
        ("token_endpoint", "https://10.0.0.7/token"),
        ("token_endpoint", "https://169.254.169.254/latest"),
        ("userinfo_endpoint", "https://[fd00::1]/userinfo"),
        ("jwks_uri", "https://192.168.1.1/jwks"),
        ("authorization_endpoint", "https://172.16.0.1/authorize"),
    ] {
        let world = World::new().await;
        put(&world, Part::Discovery, name, json!(at));
        assert!(log_in(&world, &app).await.is_err(), "{name}");
        let (reason, cause) = cause(&world);
        assert_eq!(reason, "upstream.discovery", "{name}");
        assert!(cause.contains(name) && cause.contains("the issuer is not there"), "{cause}");
    }
    // Where a logout would lead nobody is led, and sign-ins go on.
    put(&world, Part::Discovery, "end_session_endpoint", json!("https://10.0.0.7/logout"));
    log_in(&world, &app).await.unwrap();
}

#[tokio::test]
async fn h5_a_provider_that_wants_no_id_token_hint_gets_none() {
    for (more, sent) in [("", true), ("logout_id_token_hint = false", false)] {
        let setup = Setup { more: more.to_owned(), ..Setup::default() };
        let world = World::with(setup).await;
        let app = world.legacy("silencieuse");
        world.stub.set_auto_login(Some("angela"));
        let mut browser = world.browser();
        browser.open(&app.start(world.now()).1).await;
        let page = browser.get(&format!("{RELAY}/logout/silencieuse")).await;
        let away = browser.click(&page, ("decision", "yes")).await;
        let to = away.location().unwrap_or_else(|| panic!("{}", away.body));
        assert_eq!(parameter(to, "id_token_hint").is_some(), sent, "{to}");
        assert!(parameter(to, "client_id").is_some(), "{to}");
    }
}

#[tokio::test]
async fn h7_a_host_is_one_authority_and_never_read_as_a_url() {
    let world = World::new().await;
    for good in ["127.0.0.1:8080", "127.0.0.1:08080"] {
        assert_eq!(asked(&world, "/", &[good.as_bytes()]).await, 200, "{good}");
    }
    for bad in [
        "evil@127.0.0.1:8080",
        "evil:x@127.0.0.1:8080",
        "@127.0.0.1:8080",
        "127.0.0.1:8080/evil",
        "127.0.0.1:8080/",
        "127.0.0.1:8080?evil",
        "127.0.0.1:8080#evil",
        "127.0.0.1:8080\\evil",
        "evil/127.0.0.1:8080",
        "127.0.0.1:8080, evil.example",
        "127.0.0.1 :8080",
        "127.0.0.1:8080:8080",
        "127.0.0.1:+8080",
        "127.0.0.1:99999",
        "[127.0.0.1]:8080",
        "[::1:8080",
        "http://127.0.0.1:8080",
        "\u{ff11}27.0.0.1:8080",
        "%3127.0.0.1:8080",
    ] {
        assert_eq!(asked(&world, "/", &[bad.as_bytes()]).await, 400, "{bad}");
        let event = world.events(Step::RequestRefused).pop().unwrap();
        assert_eq!(event.reason.unwrap().slug(), "server.host", "{bad}");
        assert_eq!(event.facts.names.as_deref(), Some(bad));
    }
    let ours = b"127.0.0.1:8080".as_slice();
    for hosts in
        [&[] as &[&[u8]], &[ours, ours], &[ours, b"evil.example"], &[b"evil.example", ours], &[b"\xff"]]
    {
        assert_eq!(asked(&world, "/", hosts).await, 400, "{hosts:?}");
        assert_eq!(world.last_reason(), "server.host");
    }
    // An address written in full outranks the field, which must still be one.
    let full = "http://127.0.0.1:8080/";
    assert_eq!(asked(&world, full, &[b"evil.example"]).await, 200);
    assert_eq!(asked(&world, full, &[ours, ours]).await, 400);
    assert_eq!(asked(&world, "http://evil@127.0.0.1:8080/", &[ours]).await, 400);
    assert_eq!(asked(&world, "http://evil.example/", &[ours]).await, 421);
    // Spelled otherwise, and of another number: other names.
    for other in ["127.1:8080", "0x7f.0.0.1:8080", "2130706433:8080", "evil.example", "127.0.0.1"] {
        assert_eq!(asked(&world, "/", &[other.as_bytes()]).await, 421, "{other}");
    }
}

#[tokio::test]
async fn h7_a_name_is_compared_without_case_and_with_the_port_of_its_scheme() {
    let public_url = Some("https://relais.example");
    let world = World::with(Setup { public_url, ..Setup::default() }).await;
    for good in ["relais.example", "RELAIS.example", "relais.example:443", "relais.example:"] {
        assert_eq!(asked(&world, "/", &[good.as_bytes()]).await, 200, "{good}");
    }
    for other in ["relais.example:80", "relais.example:8443", "relais.example.", "xrelais.example", ""] {
        assert_eq!(asked(&world, "/", &[other.as_bytes()]).await, 421, "{other}");
    }
}

#[tokio::test]
async fn l6_tls_is_demanded_of_this_host_alone_and_of_no_host_that_is_shared() {
    for (public_url, server, expected) in [
        ("https://relais.example", "", "max-age=63072000"),
        ("https://relais.example", "hsts_include_subdomains = true", "max-age=63072000; includeSubDomains"),
        ("https://ville.example/sso", "", ""),
        (RELAY, "", ""),
    ] {
        let setup = Setup { public_url: Some(public_url), server: server.to_owned(), ..Setup::default() };
        let world = World::with(setup).await;
        for path in ["", "/nowhere", "/idp/compta", "/static/relais.css"] {
            let page = world.browser().get(&format!("{public_url}{path}")).await;
            assert_eq!(page.header("strict-transport-security"), expected, "{public_url}{path}");
        }
    }
}
