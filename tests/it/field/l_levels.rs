//! What was asked of a sign-in is checked: its level, its freshness, its age.

use std::fmt::Write as _;

use stub_upstream::{Fault, Part};

use crate::harness::{Browser, LegacyApp, Page, RELAY, Setup, World, choose, parameter, providers};

/// Applications at every provider, whose sections have `other` instead of being silent.
fn with(other: &str) -> Setup {
    let mut setup = providers::setup();
    setup.more = setup.more.replace("sso = \"silent\"\naccept_forced_login = true", other);
    setup
}

/// The same, without a demand of a level.
fn without_a_level(other: &str) -> Setup {
    let mut setup = with(other);
    let kept = setup.more.lines().filter(|line| !line.starts_with("acr = ")).map(|line| format!("{line}\n"));
    setup.more = kept.collect();
    setup
}

/// Signs in, through whatever page of ours there is.
async fn sign_in(browser: &mut Browser<'_>, url: &str, person: &str) -> Page {
    let page = browser.open(url).await;
    let page = choose(browser, page, person).await;
    if page.body.contains("name=\"decision\"") { browser.confirm(&page).await } else { page }
}

/// What the application was told.
fn refused(app: &LegacyApp, attempt: &crate::harness::Attempt, page: &Page) -> String {
    app.refusal(&page.url, attempt)["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn l1_a_demanded_sign_in_is_proved_by_its_time() {
    for (name, answers) in [("core", true), ("v2", true), ("pro", false), ("v1", true)] {
        let world = World::with(with("sso = \"off\"")).await;
        let app = world.legacy(name);
        let mut browser = world.browser();
        let (attempt, url) = app.start(world.now());
        let back = sign_in(&mut browser, &url, "angela").await;
        app.identity(&back.url, &attempt);
        // The provider's own session is there, and older than is asked.
        world.advance(200);
        let (attempt, url) = app.start(world.now());
        let back = sign_in(&mut browser, &url, "angela").await;
        if answers {
            let identity = app.identity(&back.url, &attempt);
            // What cannot be proved is delivered as it is, where nothing could prove it.
            assert!(
                name == "v1" || identity["auth_time"].as_u64() == Some(world.now()),
                "{name}: {identity}"
            );
        } else {
            assert_eq!(refused(&app, &attempt, &back), "unmet_authentication_requirements", "{name}");
            assert_eq!(world.last_reason(), "broker.reauthentication_unmet", "{name}");
        }
    }
}

/// Whoever sits at an unlocked browser takes `prompt` and `max_age` out of the address.
#[tokio::test]
async fn l1_what_was_taken_out_of_the_address_is_missed() {
    let world = World::with(with("sso = \"off\"")).await;
    let app = world.legacy("core");
    let mut browser = world.browser();
    let (_, url) = app.start(world.now());
    sign_in(&mut browser, &url, "angela").await;
    for asked in ["", "relais_prompt=login"] {
        world.advance(200);
        let (attempt, url) =
            if asked.is_empty() { app.start(world.now()) } else { app.start_with(world.now(), asked) };
        let away = browser.get(&url).await.location().unwrap().to_owned();
        assert_eq!(parameter(&away, "prompt").as_deref(), Some("login"));
        let mut bare = url::Url::parse(&away).unwrap();
        let kept: Vec<_> = bare
            .query_pairs()
            .filter(|(name, _)| !["prompt", "max_age"].contains(&&**name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        bare.query_pairs_mut().clear().extend_pairs(kept);
        let page = browser.get(bare.as_str()).await;
        let back = browser.follow(page).await;
        assert_eq!(refused(&app, &attempt, &back), "unmet_authentication_requirements");
        assert_eq!(world.last_reason(), "broker.reauthentication_unmet");
    }
}

#[tokio::test]
async fn l1_where_none_can_be_asked_it_is_said_before_leaving() {
    let world = World::with(providers::setup()).await;
    let app = world.legacy("v1");
    let (attempt, url) = app.start_with(world.now(), "relais_prompt=login");
    let back = world.browser().open(&url).await;
    assert_eq!(refused(&app, &attempt, &back), "unmet_authentication_requirements");
    assert_eq!(world.last_reason(), "broker.reauthentication_impossible");
}

#[tokio::test]
async fn l2_the_profiles_own_level_is_checked() {
    for (name, level) in [("v2", "eidas1"), ("plus", "eidas2")] {
        let world = World::with(without_a_level("sso = \"confirm\"")).await;
        let app = world.legacy(name);
        for (fault, good) in [("acr_low", false), ("acr_missing", false), ("acr_high", true)] {
            world.stub.set_fault(Fault::parse(fault));
            let (attempt, url) = app.start(world.now());
            let mut browser = world.browser();
            let away = browser.get(&url).await.location().unwrap().to_owned();
            assert_eq!(parameter(&away, "acr_values").as_deref(), Some(level), "{name}");
            let page = browser.get(&away).await;
            let page = browser.follow(page).await;
            let page = choose(&mut browser, page, "angela").await;
            if good {
                app.identity(&page.url, &attempt);
            } else {
                assert_eq!(
                    refused(&app, &attempt, &page),
                    "unmet_authentication_requirements",
                    "{name} {fault}"
                );
                assert_eq!(world.last_reason(), "broker.acr_unmet", "{name} {fault}");
            }
        }
    }
}

#[tokio::test]
async fn l2_a_level_that_a_request_asks_is_checked() {
    let world = World::with(without_a_level("sso = \"confirm\"")).await;
    // No order is known here: what was asked, and nothing else.
    for (name, asked, fault, good) in [
        ("core", "eidas2", None, true),
        ("core", "eidas2", Some("acr_low"), false),
        ("core", "eidas2", Some("acr_high"), false),
        ("core", "eidas2 eidas3", Some("acr_high"), true),
        ("v1", "eidas2", Some("acr_high"), true),
        ("v1", "eidas2", Some("acr_low"), false),
    ] {
        world.stub.set_fault(fault.and_then(Fault::parse));
        let app = world.legacy(name);
        let asked = format!("relais_acr_values={}", asked.replace(' ', "%20"));
        let (attempt, url) = app.start_with(world.now(), &asked);
        let back = sign_in(&mut world.browser(), &url, "angela").await;
        if good {
            app.identity(&back.url, &attempt);
        } else {
            assert_eq!(
                refused(&app, &attempt, &back),
                "unmet_authentication_requirements",
                "{name} {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn l2_what_nothing_allows_is_refused_before_leaving() {
    let strict = World::with(providers::setup()).await;
    let free = World::with(without_a_level("sso = \"confirm\"")).await;
    for (world, name) in [(&strict, "core"), (&strict, "plus"), (&free, "v2")] {
        let app = world.legacy(name);
        let (attempt, url) = app.start_with(world.now(), "relais_acr_values=eidas9");
        let answer = world.browser().get(&url).await;
        let to = answer.location().unwrap();
        assert_eq!(app.refusal(to, &attempt)["error"], "unmet_authentication_requirements", "{name}");
        assert_eq!(world.last_reason(), "broker.acr_outside", "{name}");
    }
}

/// `accept` stands in rising order: a request asks its value, and takes it and all that comes after.
#[tokio::test]
async fn l3_what_comes_after_the_level_asked_satisfies() {
    let world = World::with(providers::setup()).await;
    let app = world.legacy("core");
    for (asked, fault, good) in [
        ("eidas2", Some("acr_high"), true),
        ("eidas3", Some("acr_high"), true),
        ("eidas2", Some("acr_low"), false),
        ("eidas1", None, true),
    ] {
        world.stub.set_fault(fault.and_then(Fault::parse));
        let (attempt, url) = app.start_with(world.now(), &format!("relais_acr_values={asked}"));
        let mut browser = world.browser();
        let away = browser.get(&url).await.location().unwrap().to_owned();
        assert_eq!(parameter(&away, "acr_values").as_deref(), Some(asked));
        let page = browser.get(&away).await;
        let page = browser.follow(page).await;
        let back = choose(&mut browser, page, "angela").await;
        if good {
            app.identity(&back.url, &attempt);
        } else {
            assert_eq!(refused(&app, &attempt, &back), "unmet_authentication_requirements");
        }
    }
}

/// An age that a provider takes no word for is reached by a fresh sign-in, and where it is not, that is said.
#[tokio::test]
async fn l5_an_age_that_cannot_be_asked() {
    let world = World::with(providers::setup()).await;
    for (name, prompt, good) in [
        ("core", None, true),
        ("v2", Some("login+consent"), true),
        ("pro", Some("login"), false),
        ("v1", None, false),
    ] {
        let app = world.legacy(name);
        let mut browser = world.browser();
        let (_, url) = app.start(world.now());
        sign_in(&mut browser, &url, "angela").await;
        world.advance(200);
        let (attempt, url) = app.start_with(world.now(), "relais_max_age=100");
        let away = browser.get(&url).await.location().unwrap().to_owned();
        assert_eq!(parameter(&away, "prompt").as_deref(), prompt, "{name}");
        let page = browser.get(&away).await;
        let page = browser.follow(page).await;
        let back = choose(&mut browser, page, "angela").await;
        if good {
            app.identity(&back.url, &attempt);
        } else {
            assert_eq!(refused(&app, &attempt, &back), "unmet_authentication_requirements", "{name}");
            let events = world.recorder.events();
            let unmet = events.iter().rev().find(|event| event.reason.is_some()).unwrap();
            assert_eq!(unmet.reason.unwrap().slug(), "broker.max_age_unmet");
            assert_eq!(unmet.facts.cause.as_deref(), Some("the provider takes no max_age"), "{name}");
        }
    }
}

#[tokio::test]
async fn l9_france_connect_is_asked_for_its_page_too() {
    let world = World::with(with("sso = \"off\"")).await;
    for name in ["v2", "plus"] {
        let app = world.legacy(name);
        let away = world.browser().get(&app.start(world.now()).1).await.location().unwrap().to_owned();
        assert_eq!(parameter(&away, "prompt").as_deref(), Some("login+consent"), "{name}");
    }
}

/// A consent that the provider was not asked for is asked here.
#[tokio::test]
async fn l17_a_consent_is_asked_by_somebody() {
    let world = World::with(providers::setup()).await;
    for (name, here) in [("v1", true), ("core", false)] {
        let app = world.legacy(name);
        let mut browser = world.browser();
        let (attempt, url) = app.start_with(world.now(), "relais_prompt=consent");
        let page = browser.open(&url).await;
        let page = choose(&mut browser, page, "angela").await;
        assert_eq!(page.body.contains("name=\"decision\""), here, "{name}");
        let back = if here { browser.confirm(&page).await } else { page };
        app.identity(&back.url, &attempt);
    }
}

/// Two registrations of one person: the first listed has not the level, the second has.
#[tokio::test]
async fn l20_the_first_that_covers_serves() {
    let mut setup = providers::setup();
    setup.more += "
[upstream.again]
profile = \"generic\"
issuer = \"{stub}/generic\"
client_id = \"relais\"
client_secret_file = \"fc.secret\"
signing_algs = [\"ES256\"]
redirect_uri = \"http://127.0.0.1:8080/openid_connect_login\"
subject_namespace = \"core\"
";
    for (name, upstreams) in [("second", "[\"again\"]"), ("both", "[\"core\", \"again\"]")] {
        write!(
            setup.more,
            "
[legacy.{name}]
name = \"Application {name}\"
key_file = \"{name}.key\"
callbacks = [{{ url = \"http://127.0.0.1:9000/{name}/retour.cgi\", query_keys = [\"vue\"] }}]
home_url = \"https://{name}.example/accueil\"
upstream = {upstreams}
sso = \"silent\"
accept_forced_login = true
scopes = [\"openid\"]
claims = []
acr = {{ accept = [\"eidas3\"], mode = \"require\" }}
"
        )
        .unwrap();
        setup.keys.push(name);
    }
    let world = World::with(setup).await;
    let mut browser = world.browser();
    let mut sign_in_at = async |name: &'static str, fault| {
        world.stub.set_fault(Fault::parse(fault));
        let app = world.legacy(name);
        let (attempt, url) = app.start(world.now());
        app.identity(&sign_in(&mut browser, &url, "angela").await.url, &attempt)
    };
    assert_eq!(sign_in_at("core", "").await["acr"], "eidas1");
    assert_eq!(sign_in_at("second", "acr_high").await["acr"], "eidas3");
    let calls = world.stub_calls();
    assert_eq!(sign_in_at("both", "").await["acr"], "eidas3");
    assert_eq!(world.stub_calls(), calls, "from the session");
}

/// Where a fresh sign-in was asked and is proved, nobody is asked once more.
#[tokio::test]
async fn j1_whoever_has_just_signed_in_is_not_asked_again() {
    let world = World::with(with("sso = \"off\"")).await;
    for name in ["core", "v2", "pro"] {
        let app = world.legacy(name);
        let mut browser = world.browser();
        let (attempt, url) = app.start(world.now());
        let page = browser.open(&url).await;
        let back = choose(&mut browser, page, "angela").await;
        app.identity(&back.url, &attempt);
    }
    // At an upstream that tells no time, they are.
    let app = world.legacy("v1");
    let mut browser = world.browser();
    let page = browser.open(&app.start(world.now()).1).await;
    let page = choose(&mut browser, page, "angela").await;
    assert!(page.body.contains("name=\"decision\""));
}

/// J2: somebody else can always sign in.
#[tokio::test]
async fn j2_somebody_else_signs_in() {
    let world = World::with(with("sso = \"confirm\"")).await;
    let app = world.legacy("core");
    let mut browser = world.browser();
    let (_, url) = app.start(world.now());
    sign_in(&mut browser, &url, "angela").await;
    world.advance(200);
    let (attempt, url) = app.start(world.now());
    let page = browser.get(&url).await;
    assert!(page.body.contains("session déjà ouverte"), "{}", page.body);
    let away = browser.click(&page, ("decision", "other")).await;
    let to = away.location().unwrap();
    assert_eq!(parameter(to, "prompt").as_deref(), Some("login"), "{to}");
    assert_eq!(browser.click(&page, ("decision", "other")).await.location(), Some(to), "a second click");
    assert_eq!(world.events(relais::event::Step::SessionEnded).len(), 1);
    let page = browser.get(to).await;
    let page = browser.follow(page).await;
    let back = choose(&mut browser, page, "corse").await;
    let other = app.identity(&back.url, &attempt);
    // And it is that person's session now.
    let (attempt, url) = app.start(world.now());
    let back = sign_in(&mut browser, &url, "nobody").await;
    assert_eq!(app.identity(&back.url, &attempt)["sub"], other["sub"]);
}

/// J2: where the provider would answer from its own session, that one is closed first.
#[tokio::test]
async fn j2_where_the_provider_does_not_ask_anew() {
    let world = World::with(with("sso = \"confirm\"")).await;
    for name in ["v1", "pro"] {
        let app = world.legacy(name);
        let mut browser = world.browser();
        let page = browser.open(&app.start(world.now()).1).await;
        let page = choose(&mut browser, page, "angela").await;
        assert!(page.body.contains("vient d’arriver de"), "a true sentence: {}", page.body);
        assert!(!page.body.contains("value=\"other\""), "{name}");
        assert!(page.body.contains(&format!("href=\"/logout/{name}\"")), "{name}: {}", page.body);
    }
}

/// What could not be told is said on the last page, and promised on none: on a shared computer the next person would have
/// the former one's session at the provider.
#[tokio::test]
async fn l4_a_session_that_may_still_be_open_is_named() {
    let world = World::with(with("sso = \"confirm\"")).await;
    super::twist(&world, Part::Discovery, |members| drop(members.remove("end_session_endpoint")));
    let app = world.legacy("core");
    let mut browser = world.browser();
    let (_, url) = app.start(world.now());
    sign_in(&mut browser, &url, "angela").await;
    let logout = format!("{RELAY}/logout/core");
    let page = browser.get(&logout).await;
    assert!(!page.body.contains("ferme aussi votre session avec"), "{}", page.body);
    let last = browser.click(&page, ("decision", "yes")).await;
    assert!(last.status == 200 && last.body.contains("est peut-être encore ouverte"), "{}", last.body);
    assert_eq!(world.last_reason(), "server.logout_untold");
    let twice = browser.click(&page, ("decision", "yes")).await;
    assert!(twice.body.contains("est peut-être encore ouverte"), "a second click: {}", twice.body);
    let again = browser.get(&logout).await;
    assert!(again.body.contains("Aucune session"), "{}", again.body);
}

/// A former person's session at a provider that wants a hint is none that we can close: no hint of theirs passes here.
#[tokio::test]
async fn l4_nor_is_the_former_persons_session_passed_over() {
    let world = World::with(with("sso = \"confirm\"")).await;
    let mut browser = world.browser();
    for (name, person) in [("v2", "angela"), ("core", "corse")] {
        let (_, url) = world.legacy(name).start(world.now());
        sign_in(&mut browser, &url, person).await;
    }
    let page = browser.get(&format!("{RELAY}/logout/core")).await;
    let mut page = browser.click(&page, ("decision", "yes")).await;
    while let Some(to) = page.location().map(str::to_owned) {
        page = browser.get(&to).await;
    }
    assert!(page.body.contains("est peut-être encore ouverte"), "{}", page.body);
}
