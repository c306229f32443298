//! Section C: values that nobody needs do not kill a request. What the relay uses is checked strictly, what it does not
//! use is passed over, `null` is absence.

use std::fmt::Write as _;

use relais::event::Step;
use serde_json::{Value, json};
use stub_upstream::Part;

use super::{REFRESH, cause, log_in, mended, put, told, twist, unusable};
use crate::field_sessions::up_to_the_callback;
use crate::harness::{Browser, LegacyApp, Page, RELAY, World, parameter};

/// A browser that is about to bring a response back, and that response.
async fn ready<'w>(world: &'w World, app: &LegacyApp) -> (Browser<'w>, crate::harness::Attempt, String) {
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let callback = up_to_the_callback(&mut browser, &url, "angela").await;
    (browser, attempt, callback)
}

#[tokio::test]
async fn c1_a_foreign_cookie_byte_is_passed_over() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for foreign in
        [&b"nom=Ang\xc3\xa9la"[..], b"nom=Ang\xe9la", b"\xff", b"=", b"a b=\"c;d\"", b"%zz=%", b"x=\t"]
    {
        let (mut browser, attempt, callback) = ready(&world, &app).await;
        let ours = &browser.cookies["relais-browser-8080"];
        let field = [foreign, b"; relais-browser-8080=", ours.as_bytes(), b"; ", foreign].concat();
        browser.raw_cookie = Some(field);
        let page = browser.get(&callback).await;
        app.identity(page.location().unwrap(), &attempt);
    }
}

#[tokio::test]
async fn c2_descriptions_and_unknown_parameters_are_not_judged() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for (sent, heard) in [
        ("Acc%C3%A8s+refus%C3%A9", "Accès refusé"),
        ("Acc%E8s", "Acc\u{fffd}s"),
        ("a%0D%0ASet-Cookie%3A+x", "a\r\nSet-Cookie: x"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", "<script>alert(1)</script>"),
    ] {
        let (mut browser, attempt, callback) = ready(&world, &app).await;
        let (state, iss) = (parameter(&callback, "state").unwrap(), parameter(&callback, "iss").unwrap());
        let url = format!(
            "{RELAY}/callback/oidc?error=access_denied&error_description={sent}&state={state}&iss={iss}"
        );
        let page = browser.get(&url).await;
        let refusal = app.refusal(page.location().unwrap_or_else(|| panic!("CBK-15a: {sent}")), &attempt);
        assert_eq!(refusal["error"], "access_denied");
        assert!(!refusal.to_string().contains("script"));
        assert_eq!(told(&world).facts.upstream_description.as_deref(), Some(heard));
    }
    // Where no login fits, nobody's words are heard.
    let url = format!("{RELAY}/callback/oidc?error=x&error_description=mine&state={}", "A".repeat(43));
    assert_eq!(world.browser().get(&url).await.code(), "UPSTREAM_STATE");
    assert_eq!(told(&world).facts.upstream_description, None);
    let long = format!("&x={}", "%E9".repeat(3000));
    for more in ["&x=%E9", "&%E9=1", "&x=%zz", "&x=1&x=2", "&error_description=%", &"&a=1".repeat(60), &long]
    {
        let (mut browser, attempt, callback) = ready(&world, &app).await;
        let page = browser.get(&format!("{callback}{more}")).await;
        app.identity(page.location().unwrap_or_else(|| panic!("{more}: {}", page.body)), &attempt);
    }
}

#[tokio::test]
async fn c3_optional_metadata_that_cannot_be_used_is_absent() {
    const OPTIONAL: [&str; 18] = [
        "end_session_endpoint",
        "authorization_response_iss_parameter_supported",
        "op_policy_uri",
        "op_tos_uri",
        "service_documentation",
        "registration_endpoint",
        "scopes_supported",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "token_endpoint_auth_methods_supported",
        "claims_supported",
        "display_values_supported",
        "ui_locales_supported",
        "claims_parameter_supported",
        "request_uri_parameter_supported",
        "code_challenge_methods_supported",
        "x-of-nobody",
    ];
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for value in unusable() {
        let shown = value.to_string().chars().take(40).collect::<String>();
        twist(&world, Part::Discovery, move |members| {
            members.extend(OPTIONAL.map(|name| (name.to_owned(), value.clone())));
        });
        world.advance(REFRESH);
        world.recorder.clear();
        log_in(&world, &app).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
        let fetched = world.events(Step::UpstreamDiscovery).pop().unwrap();
        assert_eq!(fetched.reason, None, "{shown}");
        let names = fetched.facts.names.unwrap_or_default();
        assert_eq!(names.contains("end_session_endpoint"), shown != "null", "{shown}: {names}");
    }
    mended(&world);
    // What a login uses is another matter.
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        for value in [Value::Null, json!(""), json!(1), json!("ftp://x"), json!("http://idp.example/x")] {
            let world = World::new().await;
            put(&world, Part::Discovery, name, value.clone());
            assert!(log_in(&world, &world.legacy("silencieuse")).await.is_err(), "{name} = {value}");
            let (reason, cause) = cause(&world);
            assert_eq!(reason, "upstream.discovery");
            assert!(cause.contains(name.trim_start_matches("issuer")), "{cause}");
        }
    }
}

#[tokio::test]
async fn c4_claims_that_nobody_demanded_are_passed_over() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for name in ["acr", "auth_time", "amr", "sid", "idp", "jti", "c_hash", "email", "given_name", "x"] {
        for value in unusable() {
            let shown = format!("{name} = {}", value.to_string().chars().take(40).collect::<String>());
            put(&world, Part::IdToken, name, value);
            log_in(&world, &app).await.unwrap_or_else(|error| panic!("{shown}: {error} {:?}", cause(&world)));
        }
    }
    for name in ["azp", "nbf", "at_hash"] {
        put(&world, Part::IdToken, name, Value::Null);
        log_in(&world, &app).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    // What is used: another type is no absence.
    for (name, value, reason) in [
        ("azp", json!("other"), "upstream.audience"),
        ("nbf", json!("soon"), "upstream.claim_type"),
        ("at_hash", json!(1), "upstream.at_hash"),
        ("nonce", Value::Null, "upstream.nonce"),
        ("exp", Value::Null, "upstream.claim_type"),
        ("sub", Value::Null, "upstream.sub"),
    ] {
        put(&world, Part::IdToken, name, value);
        assert!(log_in(&world, &app).await.is_err(), "{name}");
        assert_eq!(cause(&world).0, reason, "{name}");
    }
    // Where a level was demanded, what cannot be read does not reach it.
    let strict = world.legacy("forte");
    for value in [Value::Null, json!(2), json!(["eidas2"]), json!("")] {
        put(&world, Part::IdToken, "acr", value.clone());
        assert_eq!(
            log_in(&world, &strict).await.unwrap_err(),
            "unmet_authentication_requirements",
            "{value}"
        );
        assert_eq!(told(&world).facts.acr_asked.as_deref(), Some("eidas2 eidas3"));
    }
}

#[tokio::test]
async fn c4_members_of_userinfo_that_nobody_needs_are_passed_over() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for name in ["given_name", "family_name", "email", "address", "updated_at", "iss", "aud", "x"] {
        for value in unusable() {
            let shown = format!("{name} = {}", value.to_string().chars().take(40).collect::<String>());
            let is_long = value.as_str().is_some_and(|text| text.len() > 10_000) && name != "x";
            put(&world, Part::Userinfo, name, value);
            match log_in(&world, &app).await {
                Ok(identity) => assert!(identity["sub"].is_string(), "{shown}"),
                // What the application is to have, and cannot be carried.
                Err(error) => assert!(is_long, "{shown}: {error} {:?}", cause(&world)),
            }
        }
    }
}

#[tokio::test]
async fn c5_null_in_a_jwk_is_absence() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    let each = |world: &World, name: &'static str, value: Value| {
        twist(world, Part::Jwks, move |set| {
            for key in set["keys"].as_array_mut().unwrap() {
                key[name] = value.clone();
            }
        });
    };
    for name in
        ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "use", "alg", "key_ops", "x5c", "x5t", "ext", "iat"]
    {
        each(&world, name, Value::Null);
        world.advance(REFRESH);
        log_in(&world, &app).await.unwrap_or_else(|error| panic!("{name}: {error} {:?}", cause(&world)));
    }
    for name in ["x5c", "x5t", "x5t#S256", "x5u", "ext", "iat", "nbf", "exp", "x"] {
        for value in unusable() {
            if name == "x" {
                continue;
            }
            each(&world, name, value.clone());
            world.advance(REFRESH);
            log_in(&world, &app).await.unwrap_or_else(|error| panic!("{name}: {error} {:?}", cause(&world)));
        }
    }
    // A real one is refused by name.
    for name in ["d", "k"] {
        let world = World::new().await;
        each(&world, name, json!("AAAA"));
        assert!(log_in(&world, &world.legacy("silencieuse")).await.is_err());
        let (reason, cause) = cause(&world);
        assert_eq!(reason, "upstream.jwks");
        assert!(cause.contains(&format!("it has `{name}`, which is private")), "{cause}");
    }
}

#[tokio::test]
async fn c6_members_of_the_token_answer_that_nobody_needs_are_passed_over() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for name in
        ["scope", "expires_in", "refresh_token", "refresh_expires_in", "error", "error_description", "x"]
    {
        for value in unusable() {
            // A text there says that something failed.
            if name == "error" && value.as_str().is_some_and(|text| !text.is_empty()) {
                continue;
            }
            let shown = format!("{name} = {}", value.to_string().chars().take(40).collect::<String>());
            put(&world, Part::Token, name, value);
            log_in(&world, &app).await.unwrap_or_else(|error| panic!("{shown}: {error} {:?}", cause(&world)));
        }
    }
    for name in ["access_token", "id_token", "token_type"] {
        for value in [Value::Null, json!(""), json!(1), json!([])] {
            put(&world, Part::Token, name, value);
            assert!(log_in(&world, &app).await.is_err(), "{name}");
        }
    }
}

#[tokio::test]
async fn c7_a_code_is_as_long_as_a_url_may_be() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for length in [2600, 8192, 20_000] {
        let (mut browser, attempt, callback) = ready(&world, &app).await;
        let (state, iss) = (parameter(&callback, "state").unwrap(), parameter(&callback, "iss").unwrap());
        let code = "c".repeat(length);
        let before = world.stub.calls().token;
        let page = browser.get(&format!("{RELAY}/callback/oidc?code={code}&state={state}&iss={iss}")).await;
        assert_eq!(world.stub.calls().token, before + 1, "CBK-12: it is taken to the token endpoint");
        assert_eq!(app.refusal(page.location().unwrap(), &attempt)["error"], "server_error");
        assert_eq!(cause(&world).0, "upstream.invalid_grant");
    }
}

fn foreign(count: usize, length: usize) -> String {
    (0..count).fold(String::new(), |mut all, at| {
        let _ = write!(all, "other-{at}={}; ", "v".repeat(length));
        all
    })
}

#[tokio::test]
async fn c8_cookies_of_others_do_not_matter_while_ours_are_there() {
    let world = World::new().await;
    let app = world.legacy("silencieuse");
    for others in [foreign(50, 10), foreign(200, 10), foreign(5, 2600), foreign(1, 13_000)] {
        let (mut browser, attempt, callback) = ready(&world, &app).await;
        let ours = browser.cookies["relais-browser-8080"].clone();
        browser.raw_cookie = Some(format!("{others}relais-browser-8080={ours}").into_bytes());
        let page = browser.get(&callback).await;
        app.identity(page.location().unwrap_or_else(|| panic!("{}", page.body)), &attempt);
    }
    let refused = async |cookie: String| -> Page {
        let mut browser = world.browser();
        browser.raw_cookie = Some(cookie.into_bytes());
        let page = browser.get(&app.start(world.now()).1).await;
        assert_eq!((page.status, page.code().as_str()), (400, "COOKIES"), "ALL-14");
        page
    };
    let page = refused(foreign(200, 10)).await;
    assert!(page.body.contains("trop de cookies"), "{}", page.body);
    let event = told(&world);
    assert_eq!(event.reason.unwrap().slug(), "broker.cookies_too_many");
    assert_eq!(event.facts.count, Some(200));
    assert!(refused(foreign(1, 16_384)).await.body.contains("trop de cookies"));
    refused("relais-8080=a; relais-8080=b".to_owned()).await;
    assert_eq!(cause(&world).0, "broker.cookie_twice");
}
