//! The wires beside the default one, through the door: `jwe`, `kif-gcm` and `kif-cbc`.

use relais::clock::Timestamp;
use relais::entropy::SystemEntropy;
use relais::event::Step;
use relais::front::legacy::SpentTimeless;
use relais::legacy::wires::{self, Keyed};
use relais::legacy::{Direction, MasterKey};
use relais::service::ServiceId;
use relais::store::Record as _;
use serde_json::{Value, json};

use crate::harness::{Browser, LegacyApp, Page, RELAY, Setup, World, parameter, random, write_secret};
use crate::idp_inputs::sign_in;

/// An application on one of these wires.
pub struct Other {
    pub id: &'static str,
    pub keyed: Box<dyn Keyed>,
    /// As the wire's keys are made from it.
    pub base: LegacyApp,
}

impl Other {
    pub fn new(id: &'static str) -> Self {
        let wire = match id {
            "mono" => "jwe",
            _ if id.ends_with("gcm") => "kif-gcm",
            _ => "kif-cbc",
        };
        let key = MasterKey::from_hex(&LegacyApp::key_hex(id)).unwrap();
        let iv = hex::decode("00112233445566778899aabbccddeeff").unwrap().try_into().unwrap();
        let app = ServiceId::parse(id).unwrap();
        let keyed = wires::find(wire).unwrap().keyed(&key, &app, Some(iv)).unwrap();
        Self { id, keyed, base: LegacyApp::new(id) }
    }

    pub fn seal(&self, direction: Direction, plaintext: impl AsRef<[u8]>) -> String {
        self.keyed.seal(direction, Timestamp::from_seconds(0), &SystemEntropy::new(), plaintext.as_ref())
    }

    /// Where a request with this plaintext goes.
    pub fn idp(&self, plaintext: impl AsRef<[u8]>) -> String {
        self.base.idp(&self.seal(Direction::Request, plaintext))
    }

    /// What the relay's answer says.
    pub fn info(&self, url: &str) -> Vec<u8> {
        let info = parameter(url, "info").unwrap_or_else(|| panic!("no info in {url}"));
        self.keyed.open(Direction::Response, &info).unwrap().plaintext
    }
}

/// The claims of a `jwe` request, with fresh values.
fn claims(world: &World) -> Value {
    let fresh = || hex::encode(random::<16>());
    json!({"iss": "mono", "aud": RELAY, "iat": world.now(), "exp": world.now() + 600, "jti": fresh(),
        "redirect_uri": "http://127.0.0.1:9000/mono/retour.cgi?vue=1", "state": fresh(), "nonce": fresh()})
}

pub fn from_anywhere(world: &World) -> Browser<'_> {
    let [a, b, c] = random();
    Browser::new(world).at(&format!("10.{a}.{b}.{c}"))
}

/// Asks from a new address, and expects the page and this reason.
pub async fn refused(world: &World, row: &str, url: &str, reason: &str) {
    let page = from_anywhere(world).get(url).await;
    assert_eq!((page.status, page.code().as_str()), (400, "LEGACY_REQUEST"), "{row}");
    assert!(page.location().is_none(), "{row}");
    assert_eq!(world.last_reason(), reason, "{row}");
}

/// Signs in with `url` in a new browser.
pub async fn through<'w>(world: &'w World, url: &str) -> (Browser<'w>, Page) {
    let mut browser = from_anywhere(world);
    let page = browser.open(url).await;
    let page = sign_in(&mut browser, page).await;
    (browser, page)
}

#[tokio::test]
async fn a_jwe_application() {
    let world = World::new().await;
    let app = Other::new("mono");
    let mut asked = claims(&world);
    asked["ui_locales"] = "en".into();
    let url = app.idp(asked.to_string());
    let (mut browser, back) = through(&world, &url).await;
    assert!(back.url.starts_with("http://127.0.0.1:9000/mono/retour.cgi?vue=1&info="), "{}", back.url);
    let text = app.info(&back.url);
    assert!(text.is_ascii());
    let answer: Value = serde_json::from_slice(&text).unwrap();
    for name in ["state", "nonce"] {
        assert_eq!(answer[name], asked[name]);
    }
    assert_eq!((&answer["iss"], &answer["aud"]), (&RELAY.into(), &"mono".into()));
    refused(&world, "single use", &url, "legacy.replayed").await;
    // The mark is the `jti`: another message that repeats it is no new one.
    refused(&world, "same jti", &app.idp(asked.to_string()), "legacy.replayed").await;
    // A refusal carries its time.
    asked = claims(&world);
    asked["prompt"] = "none".into();
    let back = from_anywhere(&world).open(&app.idp(asked.to_string())).await;
    let error = parameter(&back.url, "info_error").unwrap();
    let refusal: Value =
        serde_json::from_slice(&app.keyed.open(Direction::Refusal, &error).unwrap().plaintext).unwrap();
    assert_eq!((&refusal["error"], &refusal["iat"]), (&"login_required".into(), &world.now().into()));
    // A sealed logout acts at once, and once.
    let logout = json!({"iss": "mono", "aud": RELAY, "iat": world.now(), "exp": world.now() + 60,
        "jti": hex::encode(random::<8>()), "sub": answer["sub"]});
    let msg = app.seal(Direction::Logout, logout.to_string());
    let page = browser.open(&format!("{RELAY}/logout/mono?msg={msg}")).await;
    assert!(page.url.contains("/logout/return/"), "{}", page.url);
}

#[tokio::test]
async fn what_is_no_jwe() {
    let world = World::new().await;
    let app = Other::new("mono");
    let token = app.seal(Direction::Request, claims(&world).to_string());
    let parts: Vec<_> = token.split('.').collect();
    let with = |at: usize, text: String| {
        let mut parts: Vec<_> = parts.iter().map(|part| (*part).to_owned()).collect();
        parts[at] = text;
        app.base.idp(&parts.join("."))
    };
    let header = |text: &str| {
        use base64::Engine as _;
        with(0, base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text))
    };
    let cases = [
        ("IDP-75", header(r#"{"enc":"A256CBC-HS512","alg":"dir","kid":"mono","typ":"relais-request+jwt"}"#)),
        ("IDP-75", header(r#"{"alg":"dir","enc":"A256GCM","kid":"mono","typ":"relais-request+jwt"}"#)),
        ("IDP-75", header(r#"{"alg":"dir","enc":"A256CBC-HS512","kid":"m","typ":"relais-request+jwt"}"#)),
        ("IDP-76", app.base.idp(&app.seal(Direction::Response, claims(&world).to_string()))),
        ("IDP-19", app.base.idp(&app.seal(Direction::Logout, claims(&world).to_string()))),
        ("IDP-77", app.base.idp(&format!("{token}="))),
        ("IDP-77", with(2, format!("{}B", &parts[2][..parts[2].len() - 1]))),
        ("IDP-77", app.base.idp(&format!("{token}.x"))),
        ("IDP-95", app.base.idp(&format!("{token}."))),
        ("IDP-95", with(1, "AAAA".to_owned())),
        ("IDP-26", app.base.idp(&world.legacy("compta").seal("request", world.now(), "x"))),
    ];
    for (row, url) in cases {
        refused(&world, row, &url, "legacy.not_jwe").await;
    }
    refused(&world, "IDP-95", &with(4, "A".repeat(86)), "legacy.does_not_open").await;
}

#[tokio::test]
async fn what_is_no_good_claim() {
    let world = World::new().await;
    let app = Other::new("mono");
    let now = world.now();
    let set = |name: &str, value: Value| {
        let mut claims = claims(&world);
        claims[name] = value;
        app.idp(claims.to_string())
    };
    let without = |name: &str| {
        let mut claims = claims(&world);
        claims.as_object_mut().unwrap().remove(name);
        app.idp(claims.to_string())
    };
    let mut past = claims(&world);
    (past["iat"], past["exp"]) = ((now - 60).into(), now.into());
    let twice = claims(&world).to_string().replace("{\"iss\"", "{\"jti\":\"a\",\"iss\"");
    for (row, url, reason) in [
        ("IDP-78", app.idp(past.to_string()), "legacy.expired"),
        ("IDP-78", set("iat", (now - 901).into()), "legacy.claim_wrong"),
        ("IDP-78", set("exp", (now + 901).into()), "legacy.claim_wrong"),
        ("IDP-78", set("aud", "https://other.example".into()), "legacy.claim_wrong"),
        ("IDP-78", set("aud", json!([RELAY])), "legacy.claim_wrong"),
        ("IDP-78", set("iss", "compta".into()), "legacy.claim_wrong"),
        ("IDP-78", without("jti"), "legacy.claim_wrong"),
        ("unknown", set("foo", 1.into()), "legacy.claim_wrong"),
        ("twice", app.idp(twice), "legacy.claims_malformed"),
        ("not JSON", app.idp("x"), "legacy.claims_malformed"),
        ("short", set("state", "s".repeat(15).into()), "legacy.value_length"),
        ("not ASCII", set("nonce", "é".repeat(16).into()), "legacy.claim_wrong"),
        (
            "in the URL",
            set("redirect_uri", "http://127.0.0.1:9000/mono/retour.cgi?state=1".into()),
            "legacy.key_not_allowed",
        ),
        ("outside", set("redirect_uri", "http://127.0.0.1:9000/".into()), "legacy.callback_outside"),
    ] {
        refused(&world, row, &url, reason).await;
    }
    let bare = set("redirect_uri", "http://127.0.0.1:9000/mono/retour.cgi".into());
    assert_eq!(from_anywhere(&world).get(&bare).await.status, 303, "a callback needs no query");
}

#[tokio::test]
async fn a_kif_application_as_it_is() {
    for id in ["vieux-gcm", "vieux-cbc"] {
        let world = World::new().await;
        let app = Other::new(id);
        let callback =
            format!("http://127.0.0.1:9000/{id}/retour.cgi?vue=1+2%20&state=s&dossier=x?y&nonce=n%C3%A9");
        let msg = app.seal(Direction::Request, &callback);
        let (_, back) = through(&world, &app.base.idp(&msg)).await;
        assert!(back.url.starts_with(&format!("{callback}&info=")), "IDP-88: {}", back.url);
        let text = String::from_utf8(app.info(&back.url)).unwrap();
        assert!(
            text.starts_with("{\"sub\":") && text.ends_with(",\"nonce\":\"né\",\"state\":\"s\"}"),
            "{text}"
        );
        // IDP-94: one byte is enough here, and reported; and the weak wire's use too.
        let noted: Vec<_> =
            world.events(Step::LegacyRequestNoted).iter().map(|e| e.reason.unwrap().slug()).collect();
        assert_eq!(noted, ["legacy.weak_wire", "legacy.short_value"], "IDP-94");
        // IDP-84: the mark is over decoded bytes, and lasts a day without regard to any clock of the message.
        world.advance(86_000);
        refused(&world, "IDP-84", &app.base.idp(&msg.to_uppercase()), "legacy.replayed").await;
        refused(&world, "IDP-84", &app.base.idp(&msg), "legacy.replayed").await;
        let callback = format!("http://127.0.0.1:9000/{id}/retour.cgi?state=s&nonce=n");
        let upper = app.base.idp(&app.seal(Direction::Request, &callback).to_uppercase());
        assert_eq!(from_anywhere(&world).get(&upper).await.status, 303, "either case");
        // What no refusal could say, a page does.
        let mut browser = from_anywhere(&world);
        let page = browser.open(&app.idp(format!("{callback}&vue=2"))).await;
        let page = crate::harness::cancel(&mut browser, page).await;
        assert_eq!((page.status, page.code().as_str()), (403, "ACCESS_DENIED"));
    }
}

/// The marks of KIF's messages are in the durable store, whatever the others are in; and the relay adds what the
/// configuration says, after `nonce` and `state`.
#[tokio::test]
async fn kif_marks_are_durable_and_answers_may_say_more() {
    let more = "relay_claims = [\"iat\", \"exp\", \"iss\", \"aud\", \"acr\", \"jti\"]\nacr = { accept = [\"eidas1\"] }".to_owned();
    let world = World::with(Setup { app: [("vieux-cbc", more)].into(), ..Setup::default() }).await;
    let app = Other::new("vieux-cbc");
    let url = app.idp("http://127.0.0.1:9000/vieux-cbc/retour.cgi?state=s&nonce=n");
    let (_, back) = through(&world, &url).await;
    let text = String::from_utf8(app.info(&back.url)).unwrap();
    let now = world.now();
    let expected = format!(
        ",\"nonce\":\"n\",\"state\":\"s\",\"iat\":{now},\"exp\":{},\"iss\":\"{RELAY}\",\"aud\":\"vieux-cbc\",\"acr\":\"eidas1\",\"jti\":\"",
        now + 300
    );
    assert!(text.contains(&expected), "{text}");
    let tables = &world.app.means.legacy.records;
    assert!(world.app.means.legacy.floor.is_some(), "the other marks are in memory");
    assert_eq!((tables.spent_timeless.count().await.unwrap(), tables.spent.count().await.unwrap()), (1, 0));
    let durable = &world.app.means.stores[1];
    assert_eq!(durable.count(SpentTimeless::KIND).await.unwrap(), 1);

    let world = world.restarted().await;
    world.advance(86_300);
    refused(&world, "IDP-84", &url, "legacy.replayed").await;
    let other = app.idp("http://127.0.0.1:9000/vieux-cbc/retour.cgi?state=s&nonce=n2");
    assert_eq!(from_anywhere(&world).get(&other).await.status, 303, "it carries no time: no floor");
}

/// How an application leaves KIF's wire: a second section with a key of its own, both alive, one `sub`.
#[tokio::test]
async fn an_application_moves_while_both_wires_live() {
    let mut world = World::new().await;
    let callback = "http://127.0.0.1:9000/vieux-cbc/retour.cgi";
    write_secret(&world.dir.path().join("vieux2.key"), &LegacyApp::key_hex("vieux2"));
    world.reconfigure(|setup| {
        setup.more = format!(
            r#"
[legacy.vieux2]
name = "Application vieux-cbc"
key_file = "vieux2.key"
callbacks = [{{ url = "{callback}", query_keys = ["vue", "dossier"] }}]
home_url = "https://vieux-cbc.example/accueil"
upstream = "oidc"
scopes = ["openid", "profile", "email"]
claims = ["given_name", "family_name", "email"]
"#
        );
    });
    let (old, new) = (Other::new("vieux-cbc"), LegacyApp::new("vieux2"));
    let attempt = new.attempt();
    let request = format!("{callback}?state={}&nonce={}", attempt.state, attempt.nonce);
    let moved = new.idp(&new.seal("request", world.now(), &request));
    let (_, back) = through(&world, &old.idp(&request)).await;
    let before: Value = serde_json::from_slice(&old.info(&back.url)).unwrap();
    let (_, back) = through(&world, &moved).await;
    let after = new.identity(&back.url, &attempt);
    assert!(before["sub"].is_string());
    assert_eq!(before["sub"], after["sub"], "the account stays the person's");
}

#[tokio::test]
async fn an_answer_too_long_for_kif() {
    let more = "max_answer_query = 500".to_owned();
    let world = World::with(Setup { app: [("vieux-gcm", more)].into(), ..Setup::default() }).await;
    let app = Other::new("vieux-gcm");
    let callback = "http://127.0.0.1:9000/vieux-gcm/retour.cgi?state=s&nonce=n&vue=";
    let url = app.idp(format!("{callback}{}", "v".repeat(400)));
    let (_, page) = through(&world, &url).await;
    assert_eq!((page.status, page.code().as_str()), (500, "ANSWER_TOO_LONG"), "IDP-86");
    assert_eq!(page.button(), "https://vieux-gcm.example/accueil", "IDP-86");
    refused(&world, "IDP-86", &url, "legacy.replayed").await;
}

#[tokio::test]
async fn a_weak_wire_ends_on_its_date() {
    let world = World::new().await;
    let app = Other::new("vieux-cbc");
    let url = app.idp("http://127.0.0.1:9000/vieux-cbc/retour.cgi?state=s&nonce=n");
    assert_eq!(from_anywhere(&world).get(&url).await.status, 303);
    world.advance(100 * 86_400);
    let mut browser = from_anywhere(&world);
    for _ in 0..70 {
        let page = browser.get(&url).await;
        assert_eq!((page.status, page.code().as_str()), (410, "LEGACY_SUNSET"), "IDP-89");
        assert_eq!(page.button(), "https://vieux-cbc.example/accueil", "IDP-89");
    }
    assert_eq!(world.last_reason(), "legacy.sunset", "IDP-89");
    let others = world.legacy("compta").start(world.now()).1;
    assert_eq!(browser.get(&others).await.status, 303, "IDP-89: other applications go on");
}
