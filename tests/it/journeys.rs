//! Whole sign-ins, as an application and its user live them.

use relais::event::Step;
use serde_json::Value;

use crate::harness::{Browser, RELAY, World, choose, parameter};
use crate::idp_inputs::sign_in;

#[tokio::test]
async fn a_legacy_application_signs_a_user_in() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    assert!(page.url.starts_with(&world.stub_base), "at the provider: {}", page.url);
    let back = choose(&mut browser, page, "angela").await;
    assert!(back.url.starts_with(&format!("{}?vue=1&info=", app.callback_base())), "{}", back.url);
    // state, nonce and relais_* are inside the answer, and only there.
    assert!(!back.url.contains(&attempt.state) && !back.url.contains(&attempt.nonce));
    let info = parameter(&back.url, "info").unwrap();
    let plaintext = app.open("response", &info).unwrap();
    let text = String::from_utf8(plaintext).unwrap();
    assert!(text.is_ascii() && !text.contains(": ") && text.contains("\\u00"), "compact ASCII: {text}");
    let answer: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let first: Vec<_> = answer.keys().take(10).map(String::as_str).collect();
    assert_eq!(first, ["iss", "sub", "aud", "iat", "exp", "jti", "state", "nonce", "acr", "auth_time"]);
    let answer = app.identity(&back.url, &attempt);
    let ts = u64::from_str_radix(&info[..16], 16).unwrap();
    assert_eq!((answer["iat"].as_u64(), answer["exp"].as_u64()), (Some(ts), Some(ts + 300)));
    assert_eq!(answer["acr"], "eidas1");
    let sub = answer["sub"].as_str().unwrap();
    assert!(sub.len() == 66 && sub.ends_with("v1"), "upstream's own: {sub}");
    for claim in ["given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry", "email"] {
        assert!(answer.get(claim).is_some(), "{claim}");
    }
    // Nothing outside `claims`.
    for claim in ["preferred_username", "given_name_array", "idp", "amr"] {
        assert!(answer.get(claim).is_none(), "{claim}");
    }
    // One login id from `/idp` to delivery.
    let steps = [
        Step::LegacyRequestAccepted,
        Step::UpstreamRedirected,
        Step::UpstreamReturned,
        Step::UpstreamToken,
        Step::UpstreamIdToken,
        Step::UpstreamUserinfo,
        Step::SessionSignedIn,
        Step::LegacyAnswerIssued,
    ];
    let login = world.events(Step::LegacyRequestAccepted)[0].login;
    assert!(login.is_some());
    for step in steps {
        let events = world.events(step);
        assert_eq!(events.len(), 1, "{step:?}");
        assert_eq!(events[0].login, login, "{step:?}");
        let peer = events[0].peer.as_ref().unwrap();
        assert_eq!((peer.address.to_string().as_str(), peer.port), ("192.0.2.7", 40_000), "{step:?}");
    }
}

#[tokio::test]
async fn own_query_pieces_come_back_byte_for_byte() {
    let world = World::new().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("compta");
    let attempt = app.attempt();
    let own = "vue=1+2&dossier=%c3%A9%20&vue=&dossier=x?y'";
    let callback = format!(
        "{}?vue=a&state={}&dossier=%41&nonce={}&{own}&relais_prompt=login",
        app.callback_base(),
        attempt.state,
        attempt.nonce
    );
    let msg = app.seal("request", world.now(), callback);
    let back = Browser::new(&world).open(&app.idp(&msg)).await;
    let expected = format!("{}?vue=a&dossier=%41&{own}&info=", app.callback_base());
    assert!(back.url.starts_with(&expected), "{}", back.url);
    app.identity(&back.url, &attempt);
}

/// `state` and `nonce` are decoded once into the answer.
#[tokio::test]
async fn state_is_decoded_once() {
    let world = World::new().await;
    world.stub.set_auto_login(Some("angela"));
    let app = world.legacy("compta");
    let mut attempt = app.attempt();
    let callback =
        format!("{}?state=%22%3E%3Cscript%3E%2541%C3%A9-&nonce={}", app.callback_base(), attempt.nonce);
    let msg = app.seal("request", world.now(), callback);
    let back = Browser::new(&world).open(&app.idp(&msg)).await;
    attempt.state = "\"><script>%41é-".to_owned();
    app.identity(&back.url, &attempt);
}

#[tokio::test]
async fn two_tabs_end_in_the_right_application() {
    let world = World::new().await;
    let (one, two) = (world.legacy("paie"), world.legacy("ged"));
    // Every interleaving of begin, return and confirmation of the two.
    for order in interleavings() {
        let mut browser = world.browser();
        let (first, first_url) = one.start(world.now());
        let (second, second_url) = two.start(world.now());
        let mut at = [None, None];
        let mut ended = [None, None];
        for tab in order {
            let url = [&first_url, &second_url][tab];
            at[tab] = Some(match at[tab].take() {
                None => browser.open(url).await,
                Some(page) => {
                    let page: crate::harness::Page = page;
                    if page.body.contains("/idp/confirm") {
                        browser.confirm(&page).await
                    } else {
                        choose(&mut browser, page, "angela").await
                    }
                }
            });
            let page = at[tab].as_ref().unwrap();
            if page.url.contains("info=") {
                ended[tab] = Some(page.url.clone());
            }
        }
        for tab in [0, 1] {
            if ended[tab].is_none() {
                let page = at[tab].take().unwrap();
                ended[tab] = Some(browser.confirm(&page).await.url);
            }
        }
        one.identity(ended[0].as_ref().unwrap(), &first);
        two.identity(ended[1].as_ref().unwrap(), &second);
    }
}

/// The ways to order three steps of tab 0 and three of tab 1.
fn interleavings() -> Vec<Vec<usize>> {
    fn extend(left: [usize; 2], so_far: Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if left == [0, 0] {
            return all.push(so_far);
        }
        for tab in [0, 1] {
            if left[tab] > 0 {
                let mut left = left;
                left[tab] -= 1;
                let mut next = so_far.clone();
                next.push(tab);
                extend(left, next, all);
            }
        }
    }
    let mut all = Vec::new();
    extend([2, 2], Vec::new(), &mut all);
    all
}

#[tokio::test]
async fn reload_and_back() {
    let world = World::new().await;
    let app = world.legacy("compta");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let first = browser.open(&url).await;
    // Back to the application's link, and again; the first page at the provider is left open.
    let second = browser.open(&url).await;
    let back = sign_in(&mut browser, second).await;
    app.identity(&back.url, &attempt);
    // Whoever goes on from the first page ends on a page with the application's button.
    let page = choose(&mut browser, first, "angela").await;
    assert_eq!(page.status, 400, "{}", page.url);
    assert_eq!(page.button(), "https://compta.example/accueil");
}

#[tokio::test]
async fn the_user_gives_up_at_the_provider() {
    let world = World::new().await;
    for id in ["compta", "paie"] {
        let app = world.legacy(if id == "compta" { "compta" } else { "paie" });
        let (attempt, url) = app.start(world.now());
        let mut browser = world.browser();
        let page = browser.open(&url).await;
        let back = crate::harness::cancel(&mut browser, page).await;
        let refusal = app.refusal(&back.url, &attempt);
        assert_eq!(refusal["error"], "access_denied");
        let event = world.events(Step::LegacyRefusalIssued).pop().unwrap();
        assert_eq!(event.level, relais::event::Level::Info, "a person's choice is no warning");
    }
}

#[tokio::test]
async fn what_is_asked_of_the_provider() {
    let world = World::new().await;
    // FranceConnect: a closed list.
    let page = world.browser().get(&world.legacy("compta").start(world.now()).1).await;
    let location = page.location().unwrap();
    let names: Vec<_> =
        location.split_once('?').unwrap().1.split('&').map(|p| p.split('=').next().unwrap()).collect();
    for name in &names {
        let allowed =
            ["response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "acr_values", "prompt"];
        assert!(allowed.contains(name), "{name} is refused by FranceConnect");
    }
    for name in ["state", "nonce"] {
        let value = parameter(location, name).unwrap();
        assert!(
            value.len() == 64 && value.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
            "{name}"
        );
    }
    assert_eq!(parameter(location, "acr_values").as_deref(), Some("eidas1"));
    // An ordinary provider: PKCE and hints.
    let app = world.legacy("paie");
    let url = app
        .start_with(
            world.now(),
            "relais_login_hint=a%40b.example&relais_ui_locales=en%20fr&relais_max_age=60",
        )
        .1;
    let page = world.browser().get(&url).await;
    let location = page.location().unwrap();
    assert_eq!(parameter(location, "code_challenge_method").as_deref(), Some("S256"));
    assert!(parameter(location, "login_hint").is_some(), "{location}");
    assert!(parameter(location, "ui_locales").is_some(), "{location}");
    assert_eq!(parameter(location, "max_age").as_deref(), Some("60"));
}

#[tokio::test]
async fn the_provider_rotates_its_keys() {
    let world = World::new().await;
    let app = world.legacy("compta");
    for round in 0..3 {
        let (attempt, url) = app.start(world.now());
        let mut browser = world.browser();
        let page = browser.open(&url).await;
        let back = sign_in(&mut browser, page).await;
        app.identity(&back.url, &attempt);
        world.stub.rotate_keys();
        // Refetched on an unknown kid, at most once a minute.
        world.advance(61);
        let _ = round;
    }
    assert_eq!(world.stub.calls().jwks, 3);
}

#[tokio::test]
async fn the_home_page() {
    let world = World::new().await;
    let page = world.browser().get(&format!("{RELAY}/")).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<h1"));
}
