//! Every profile through the door: who signs in, what the application receives, and the way out.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relais::event::Step;
use serde_json::{Map, Value, json};
use stub_upstream::{Client, Persona, Personas, Stub};

use crate::harness::providers::{self, PROVIDERS, Provider};
use crate::harness::{Browser, LegacyApp, Page, RELAY, SECRET, World, choose, parameter};

async fn world() -> World {
    World::with(providers::setup()).await
}

/// Signs a persona in, without a page of the relay; what the application receives.
async fn sign_in(world: &World, browser: &mut Browser<'_>, app: &LegacyApp, persona: &str) -> Value {
    let (attempt, url) = app.start(world.now());
    let page = browser.open(&url).await;
    let back = choose(browser, page, persona).await;
    let reason = world.last_reason();
    assert!(
        parameter(&back.url, "info").is_some(),
        "{} {persona}: {reason} {} {}",
        app.id,
        back.url,
        back.body
    );
    app.identity(&back.url, &attempt)
}

/// The same by a typed login name, which may hold a fault; or the refusal's code.
async fn answered(world: &World, app: &LegacyApp, login: &str) -> Result<Value, String> {
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let back = browser.submit(&page, ("login", login)).await;
    if parameter(&back.url, "info").is_some() {
        return Ok(app.identity(&back.url, &attempt));
    }
    Err(app.refusal(&back.url, &attempt)["error"].as_str().unwrap().to_owned())
}

/// The level that such a login reaches.
async fn typed(world: &World, app: &LegacyApp, login: &str) -> Result<String, String> {
    answered(world, app, login).await.map(|answer| answer["acr"].as_str().unwrap().to_owned())
}

/// What the file says of a person under the name of a claim.
fn told(person: &Persona, claim: &str) -> Option<Value> {
    if let Some(value) = person.claims.get(claim) {
        return Some(value.clone());
    }
    let (given, family) = (person.given_names.join(" "), &person.family_name);
    let named = |name: &str| (!name.is_empty()).then(|| json!(name));
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    match claim {
        "name" => named(format!("{given} {family}").trim()),
        "given_name" | "rnipp_given_name" => named(&given),
        "given_name_array" | "rnipp_given_name_array" => {
            (!given.is_empty()).then(|| json!(person.given_names))
        }
        "family_name" | "rnipp_family_name" => named(family),
        "usual_name" => text(&person.preferred_username).or_else(|| named(family)),
        "preferred_username" => text(&person.preferred_username),
        "gender" | "rnipp_gender" => text(&person.gender),
        "birthdate" | "idp_birthdate" => text(&person.birthdate),
        "rnipp_birthdate" => person.birthdate.as_ref().map(|date| json!(date.replace("-00", "-01"))),
        "birthplace" | "rnipp_birthplace" => text(&person.birthplace),
        "birthcountry" | "rnipp_birthcountry" => text(&person.birthcountry),
        "email" => text(&person.email),
        "email_verified" => person.email.as_ref().map(|_| json!(true)),
        "phone_number" => text(&person.phone_number),
        "uid" => Some(json!(person.id)),
        "siren" => person.claims.get("siret").map(|siret| json!(siret.as_str().unwrap()[..9])),
        "idp_acr" => Some(json!("eidas1")),
        _ => None,
    }
}

/// What the application of `provider` must receive of a person, beside the relay's own members.
fn expected(provider: &Provider, person: &Persona) -> Map<String, Value> {
    let claim = |name: &str| match (provider.profile, name) {
        // FranceConnect+ has these not.
        ("franceconnect_plus", "given_name_array" | "idp_birthdate") => None,
        // What agents are called is known to applications as the family name.
        ("proconnect", "family_name") => told(person, "usual_name"),
        _ => told(person, name),
    };
    provider.claims.iter().filter_map(|name| Some(((*name).to_owned(), claim(name)?))).collect()
}

#[tokio::test]
async fn every_person_is_delivered_as_the_file_has_them() {
    const OWN: [&str; 10] = ["iss", "sub", "aud", "iat", "exp", "jti", "state", "nonce", "acr", "auth_time"];
    let world = world().await;
    let people = Personas::bundled().unwrap();
    for provider in PROVIDERS {
        let app = world.legacy(provider.name);
        let mut subjects = HashSet::new();
        for person in people.iter() {
            let at = format!("{} at {}", person.id, provider.name);
            let answer = sign_in(&world, &mut world.browser(), &app, &person.id).await;
            let sub = answer["sub"].as_str().unwrap();
            let of_a_national = sub.len() == 66 && sub.ends_with("v1");
            assert_eq!(of_a_national, provider.profile.starts_with("franceconnect"), "{at}: {sub}");
            assert!(subjects.insert(sub.to_owned()), "{at}: two people, one subject");
            let level = if provider.profile == "franceconnect_plus" { "eidas2" } else { "eidas1" };
            assert_eq!(answer["acr"], level, "{at}");
            let mut received = answer.as_object().unwrap().clone();
            received.retain(|name, _| !OWN.contains(&name.as_str()));
            assert_eq!(Value::Object(received), Value::Object(expected(provider, person)), "{at}");
        }
        assert!(subjects.len() > 30, "{}: few people", provider.name);
    }
}

/// What national registers hold, by example: the test above compares with the file, this one with the words.
#[tokio::test]
async fn what_is_odd_in_a_register_stays_as_it_is() {
    let world = world().await;
    let of = async |provider: &'static str, persona: &str| {
        sign_in(&world, &mut world.browser(), &world.legacy(provider), persona).await
    };
    for provider in ["v2", "plus", "v1", "core"] {
        let odd = of(provider, "jour-inconnu").await;
        assert_eq!((&odd["birthdate"], &odd["birthplace"]), (&json!("1956-07-00"), &json!("")), "{provider}");
        assert_eq!(of(provider, "date-partielle").await["birthdate"], "1950-00-00", "{provider}");
        assert_eq!(of(provider, "corse").await["birthplace"], "2A004", "{provider}");
        assert_eq!(of(provider, "corse-2b").await["birthplace"], "2B033", "{provider}");
        let abroad = of(provider, "lieu-en-clair").await;
        assert_eq!(abroad["birthplace"], "Zaragoza (Aragón)", "{provider}");
        assert_eq!(abroad["birthcountry"], "99134", "{provider}");
        assert_eq!(of(provider, "sans-courriel").await["gender"], "unspecified", "{provider}");
        let combining = of(provider, "accents-decomposes").await;
        assert_eq!(combining["given_name"], "Re\u{301}mi", "{provider}: not recomposed");
        assert_eq!(of(provider, "nom-usage-vide").await["preferred_username"], "", "{provider}");
    }
    for provider in ["v2", "plus"] {
        let both = of(provider, "date-partielle").await;
        assert_eq!(
            (&both["birthdate"], &both["rnipp_birthdate"]),
            (&json!("1950-00-00"), &json!("1950-01-01")),
            "{provider}: what the register presumes comes beside what the provider has"
        );
        assert_eq!(
            of(provider, "angela").await["rnipp_given_name_array"],
            json!(["Angéla", "Zoé", "Maëlys"])
        );
    }
    let agent = of("pro", "agent").await;
    assert_eq!(
        (&agent["usual_name"], &agent["family_name"]),
        (&json!("SAINT-ANDÉOL"), &json!("SAINT-ANDÉOL"))
    );
    assert_eq!((&agent["siret"], &agent["siren"]), (&json!("99999999900018"), &json!("999999999")));
    assert_eq!(
        (&agent["roles"], &agent["custom"]),
        (&json!(["redacteur", "valideur"]), &json!({"grade": "B2"}))
    );
}

/// What a provider says of a person is its own: it is delivered as it came, in JSON that is whole, and no page of ours
/// takes it for markup.
#[tokio::test]
async fn odd_claims_are_delivered_as_they_came() {
    let world = world().await;
    for name in ["core", "v2", "plus"] {
        let app = world.legacy(name);
        let of = async |fault: &str| answered(&world, &app, &format!("angela:{fault}")).await.unwrap();
        let hostile = of("claims_hostile").await;
        assert_eq!(hostile["given_name"], "<script>alert(1)</script>\"'&\u{202e}", "{name}");
        let lines = "O'; DROP TABLE users;--\r\nSet-Cookie: a=b\u{0}\u{7f}";
        assert_eq!(hostile["family_name"], lines, "{name}");
        assert!(hostile.get("__proto__").is_none(), "{name}: not a claim of this application");
        let wrong = of("claims_wrong_types").await;
        let types = (&wrong["given_name"], &wrong["birthdate"]);
        assert_eq!(types, (&json!(42), &json!({ "year": 1980 })), "{name}");
        assert!(of("claims_null").await["given_name"].is_null(), "{name}");
        assert_eq!(of("claims_empty").await["given_name"], "", "{name}");
        assert!(of("claims_missing").await.get("given_name").is_none(), "{name}");
    }
    // This one asks on a page that names the person.
    let mut browser = world.browser();
    let page = browser.open(&world.legacy("paie").start(world.now()).1).await;
    let page = browser.submit(&page, ("login", "angela:claims_hostile")).await;
    assert!(page.body.contains("/idp/confirm") && page.body.contains("alert(2)"), "{}", page.body);
    assert!(!page.body.contains("<script") && !page.body.contains('\0'), "{}", page.body);
}

/// Where the relay sends the browser, the page there not yet answered.
async fn away(world: &World, browser: &mut Browser<'_>, app: &LegacyApp) -> String {
    let page = browser.get(&app.start(world.now()).1).await;
    page.location().unwrap_or_else(|| panic!("{}: {}", app.id, page.body)).to_owned()
}

/// Says yes to the relay's question; where it leads.
async fn log_out(browser: &mut Browser<'_>, app: &LegacyApp) -> Page {
    let page = browser.get(&format!("{RELAY}/logout/{}", app.id)).await;
    let (action, mut fields) = page.form();
    fields.push(("decision".to_owned(), "yes".to_owned()));
    browser.post(&format!("{RELAY}{action}"), &fields).await
}

#[tokio::test]
async fn each_provider_is_left_by_its_own_rules() {
    let world = world().await;
    for provider in PROVIDERS {
        let name = provider.name;
        let app = world.legacy(name);
        let mut browser = world.browser();
        sign_in(&world, &mut browser, &app, "angela").await;
        let left = log_out(&mut browser, &app).await;
        let location = left.location().unwrap_or_else(|| panic!("{name}: {}", left.body));
        let hint = parameter(location, "id_token_hint").unwrap();
        // Not the JWE in which FranceConnect+ sent it.
        assert_eq!(hint.split('.').count(), 3, "{name}: the hint is the signed token");
        assert_eq!(parameter(location, "state").is_none(), provider.profile == "franceconnect_v1", "{name}");
        let page = browser.follow(left).await;
        assert!(page.url.starts_with(&format!("{RELAY}/logout/return/{name}")), "{name}: {}", page.url);
        assert_eq!(page.button(), format!("https://{name}.example/accueil"), "{name}");
        let location = away(&world, &mut browser, &app).await;
        let page = browser.open(&location).await;
        assert!(page.body.contains("name=\"persona\""), "{name}: signed out on both sides");
    }
}

#[tokio::test]
async fn franceconnect_plus_refuses_what_it_encrypted_as_a_hint() {
    let world = world().await;
    let mut browser = world.browser();
    let location = away(&world, &mut browser, &world.legacy("plus")).await;
    assert_eq!(parameter(&location, "acr_values").as_deref(), Some("eidas2+eidas3"));
    assert!(parameter(&location, "code_challenge").is_none(), "{location}");
    let page = browser.get(&location).await;
    let (action, mut fields) = page.form();
    fields.push(("persona".to_owned(), "angela".to_owned()));
    let back = browser.post(&format!("{}{action}", world.stub_base), &fields).await;
    let callback = back.location().unwrap().to_owned();
    // The code is redeemed here and not by the relay, to have the token as it is sent.
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &parameter(&callback, "code").unwrap()),
        ("redirect_uri", &format!("{RELAY}/callback/plus")),
        ("client_id", "relais"),
        ("client_secret", SECRET),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer = browser.post(&format!("{}/fcp/api/v2/token", world.stub_base), &form).await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let token = answer["id_token"].as_str().unwrap();
    assert_eq!(token.split('.').count(), 5, "encrypted");
    let back = format!("{RELAY}/logout/return/plus");
    let end = format!("{}/fcp/api/v2/session/end", world.stub_base);
    let page =
        browser.open(&format!("{end}?id_token_hint={token}&post_logout_redirect_uri={back}&state=s")).await;
    assert_eq!(page.status, 400);
    assert!(page.body.contains("Y040001"), "{}", page.body);
}

#[tokio::test]
async fn proconnect_has_pkce_and_one_session() {
    let world = world().await;
    let app = world.legacy("pro");
    let mut browser = world.browser();
    let location = away(&world, &mut browser, &app).await;
    assert_eq!(parameter(&location, "code_challenge_method").as_deref(), Some("S256"));
    for name in ["state", "nonce"] {
        assert_eq!(parameter(&location, name).unwrap().len(), 64, "{name}");
    }
    sign_in(&world, &mut browser, &app, "agent").await;
    // The relay forgets, the provider does not: nobody is asked again.
    browser.cookies.retain(|name, _| name.starts_with("stub-"));
    let (attempt, url) = app.start(world.now());
    let back = browser.open(&url).await;
    assert_eq!(app.identity(&back.url, &attempt)["siret"], "99999999900018");
}

#[tokio::test]
async fn levels_are_those_that_are_listed() {
    let mut world = world().await;
    for (name, login, result) in [
        ("plus", "angela", Ok("eidas2")),
        ("plus", "angela:acr_high", Ok("eidas3")),
        ("core", "angela:acr_high", Ok("eidas3")),
        ("plus", "angela:acr_low", Err("unmet_authentication_requirements")),
        ("plus", "angela:acr_unknown", Err("unmet_authentication_requirements")),
        ("plus", "angela:acr_missing", Err("unmet_authentication_requirements")),
    ] {
        let came = typed(&world, &world.legacy(name), login).await;
        assert_eq!(came.as_deref().map_err(String::as_str), result, "{login} at {name}");
    }
    // A level has no order of its own: what is not listed is refused, even above.
    world.reconfigure(|setup| setup.more = setup.more.replace("\"eidas2\", \"eidas3\"", "\"eidas2\""));
    let app = world.legacy("plus");
    assert_eq!(typed(&world, &app, "angela").await.as_deref(), Ok("eidas2"));
    let refused = Err("unmet_authentication_requirements".to_owned());
    assert_eq!(typed(&world, &app, "angela:acr_high").await, refused);
}

/// Keys of our own: what the provider does not have of us is refused, and said to the operator.
#[tokio::test]
async fn a_key_that_the_provider_does_not_have() {
    let mut world = world().await;
    for (name, right, wrong, reason) in [
        ("core-key", "key_file = \"ec-sig.pem\" }", "key_file = \"ec-enc.pem\" }", "upstream.invalid_client"),
        ("v2-key", "kid = \"ec-sig\"", "kid = \"other\"", "upstream.invalid_client"),
        ("plus", "kid = \"ec-enc\"", "kid = \"other\"", "upstream.decryption_key"),
        ("plus-rsa", "key_file = \"rsa-enc.pem\"", "key_file = \"rsa-sig.pem\"", "upstream.decryption"),
    ] {
        let app = world.legacy(name);
        typed(&world, &app, "angela").await.unwrap();
        world.reconfigure(|setup| {
            assert!(setup.more.contains(right), "{name}");
            setup.more = setup.more.replace(right, wrong);
        });
        assert_eq!(typed(&world, &app, "angela").await, Err("server_error".to_owned()), "{name}");
        assert_eq!(world.last_reason(), reason, "{name}");
        world.reconfigure(|setup| setup.more = providers::setup().more);
    }
    // HS256 by the secret, keys by their set, and what was encrypted: each said what it was signed by.
    for (name, alg) in [("v1", "HS256"), ("plus-rsa", "ES256"), ("pro-key", "ES256")] {
        typed(&world, &world.legacy(name), "angela").await.unwrap();
        let verified = world.events(Step::UpstreamIdToken).pop().unwrap();
        assert_eq!(verified.facts.alg.as_deref(), Some(alg), "{name}");
    }
}

/// The commands of the operating guide make keys that the relay reads and a set that the provider takes.
#[test]
fn the_guide_s_commands_make_a_key_set() {
    let guide = include_str!("../../docs/operating.md");
    let section = guide.split("## A provider that encrypts").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let script = format!("set -e\n{}", blocks.collect::<String>());
    let run = std::process::Command::new("sh").arg("-c").arg(script).current_dir(&dir).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let file = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let set: Value = serde_json::from_str(&file("relais-jwks.json")).unwrap();
    for (at, pem) in ["fc.decryption.pem", "fc.client.pem"].into_iter().enumerate() {
        let point = rcgen::KeyPair::from_pem(&file(pem)).unwrap().public_key_raw().to_vec();
        let part = |name: &str| URL_SAFE_NO_PAD.decode(set["keys"][at][name].as_str().unwrap()).unwrap();
        assert_eq!([vec![4], part("x"), part("y")].concat(), point, "{pem}");
        assert!(
            section.contains(&format!("kid = {}, key_file = \"{pem}\"", set["keys"][at]["kid"])),
            "{pem}"
        );
    }
    let client = Client { jwks: Some(set), ..Client::new("relais", SECRET) };
    Stub::builder("http://127.0.0.1:8081").register(client).build().unwrap();
}
