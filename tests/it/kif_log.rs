//! KIF's scenarios, played here: the sentences of our log and their order, beside those of the original as it ran.
//!
//! Each scenario falls into visits: what one arrival of the browser made KIF write. A visit is the same here, or one
//! of the [`RULES`] says how it differs and why.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relais::clock::{HandClock, Timestamp};
use relais::entropy::SystemEntropy;
use relais::event::{Event, Events, Form, Layout, Recorder, Sink, SpanFields, Step, kif};
use relais::legacy::wires::{self, Keyed};
use relais::legacy::{Direction, MasterKey};
use relais::service::ServiceId;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{Browser, LegacyApp, Page, RELAY, SECRET, Setup, World, parameter};

const LOGGERS: &str = "net.fenyo.franceconnect.";
/// Where KIF's application of the scenarios wants its answers.
const CALLBACK: &str = "https://fenyo.net/fc/identite.cgi";
/// The key and IV of the scenarios, and ours.
const KIF_KEY: &str = concat!("a6a7ee7abe681c9c4cede8e3366a9ded", "96b92668ea5e26a31a4b0856341ed224");
const KIF_IV: &str = "87b7225d16ea2ae1f41d0b13fdce9bba";
const IV: &str = "00112233445566778899aabbccddeeff";

/// A way in which a visit differs on purpose.
struct Rule {
    why: &'static str,
    /// Whether this is how `ours` differs from `kif` in a scenario whose first request is `first`; ours is empty if it wrote
    /// nothing.
    fits: fn(kif: &[&str], ours: &[&str], first: &str) -> bool,
}

const ENTER: &str = "accès à /idp";
const SEALED: &str = "accès à /idp: requête chiffrée";
const OPENED: &str = "accès à /idp: requête déchiffrée";
const SENT: &str = "accès à /idp: redirection";
const MISSING: &str = "accès à /idp: renvoi vers la page d'erreur d'authentification";
const OUTSIDE: &str =
    "accès à /idp: renvoi vers la page d'erreur d'authentification (url de callback invalide)";
/// What we may find first where KIF found another fault: nothing sent, nothing asked, no text.
const OTHER_FAULTS: [&str; 3] = [
    MISSING,
    "accès à /idp: renvoi vers la page d'erreur d'authentification (null query)",
    "accès à /idp: exception",
];
const BEGUN: &str = "création de session";

fn is_failure(sentence: &str) -> bool {
    sentence.starts_with("authentication failure exception: ")
}

fn is_refusal(sentence: &str) -> bool {
    sentence.starts_with("accès à /idp: exception") || sentence.starts_with("accès à /idp: renvoi")
}

const RULES: &[Rule] = &[
    Rule {
        why: "a message is read before the person leaves for the provider, and a session begins when they are back",
        fits: |kif, ours, _| {
            kif == [BEGUN, ENTER, SEALED, OPENED, SENT] && ours == [ENTER, SEALED, OPENED, BEGUN, SENT]
        },
    },
    Rule {
        why: "a bad message is refused before the person leaves for the provider: nobody signs in for nothing",
        fits: |kif, ours, _| {
            kif.first() == Some(&BEGUN) && kif.get(1) == Some(&ENTER) && same_refusal(&kif[1..], ours)
        },
    },
    Rule {
        why: "a login that fails at the provider has had its message read before, and leaves no session",
        fits: |kif, ours, _| matches!(kif, [BEGUN, failure] if matches!(ours, [ENTER, SEALED, OPENED, ours] if same_failure(failure, ours))),
    },
    Rule {
        why: "a return that belongs to no login begins no session",
        fits: |kif, ours, _| matches!((kif, ours), ([BEGUN, kif], [ours]) if same_failure(kif, ours)),
    },
    Rule {
        why: "whoever leaves for the provider and does not come back has no session",
        fits: |kif, ours, _| kif == [BEGUN] && ours == [ENTER, SEALED, OPENED],
    },
    Rule {
        why: "where KIF answered 500 without a word, the failure has its reason",
        fits: |kif, ours, _| {
            kif == [BEGUN] && matches!(ours, [ENTER, SEALED, OPENED, failure] if is_failure(failure))
        },
    },
    Rule {
        why: "two sentences of KIF are one reason here",
        fits: |kif, ours, _| one_for_two(kif, ours).is_some(),
    },
    Rule {
        why: "both refuse the message, for another of its faults: ours are looked for in another order, and named",
        fits: |kif, ours, _| {
            let named = |said: &&str| {
                said.ends_with("(url de callback invalide)")
                    || said.contains("(legacy.")
                    || OTHER_FAULTS.contains(said)
            };
            kif.last().is_some_and(|last| is_refusal(last))
                && ours.starts_with(&[ENTER, SEALED])
                && ours.last().is_some_and(named)
        },
    },
    Rule {
        why: "callbacks are compared part by part: a default port may be written",
        fits: |kif, ours, _| kif == [ENTER, SEALED, OPENED, OUTSIDE] && ours == [ENTER, SEALED, OPENED, SENT],
    },
    Rule {
        why: "a callback outside the grammar of docs/legacy-protocol.md is refused: docs/kif-differences.md",
        fits: |kif, ours, _| {
            kif == [ENTER, SEALED, OPENED, SENT] && ours.last().is_some_and(|last| is_refusal(last))
        },
    },
    Rule {
        why: "an answer of the provider that KIF took is refused here: another algorithm, audience, subject or age",
        fits: |kif, ours, _| {
            kif == [BEGUN, ENTER, SEALED, OPENED, SENT]
                && matches!(ours, [ENTER, SEALED, OPENED, failure] if is_failure(failure))
        },
    },
    Rule {
        why: "a message is good once: a second use from another browser is refused",
        fits: |kif, ours, _| {
            kif == [BEGUN, ENTER, SEALED, OPENED, SENT]
                && matches!(ours, [ENTER, SEALED, OPENED, refusal] if refusal.ends_with("(legacy.replayed)"))
        },
    },
    Rule {
        why: "/user, and a login that no application asked for, were for KIF's demo",
        fits: |kif, ours, first| ours.is_empty() && (first == "GET /user" || kif == ["accès à /user"]),
    },
    Rule {
        why: "the callback is no way in: without a login it is refused",
        fits: |kif, ours, first| {
            first == "GET /openid_connect_login"
                && kif == [BEGUN]
                && matches!(ours, [failure] if is_failure(failure))
        },
    },
    Rule {
        why: "logout takes no POST but that of its own form",
        fits: |kif, ours, first| {
            first == "POST /j_spring_security_logout"
                && matches!(kif, ["destruction de session" | "logout"])
                && ours.is_empty()
        },
    },
    Rule {
        why: "a path has one spelling: /idp/ is not /idp",
        fits: |kif, ours, first| {
            first == "GET /idp/" && kif == [ENTER, SEALED, OPENED, SENT] && ours.is_empty()
        },
    },
];

fn same_refusal(kif: &[&str], ours: &[&str]) -> bool {
    kif == ours
}

fn same_failure(kif: &str, ours: &str) -> bool {
    is_failure(kif) && kif == ours
}

/// KIF's sentences that have no reason of their own here, and the one that stands for them.
const ONE_FOR_TWO: &[(&str, &str)] = &[
    ("Id Token Issuer is null", "Issuers do not match"),
    ("Id Token not valid untill", "Id Token was issued in the future"),
    ("Id token audience is null", "Audience does not match"),
    ("ID token did not contain a nonce claim", "Possible replay attack detected!"),
    ("Token Endpoint did not return an access_token", "Token Endpoint did not return a JSON object"),
    ("Unable to obtain Access Token.  Token Endpoint returned", "Unable to obtain Access Token"),
    ("Error from Authorization Endpoint", "State parameter mismatch on return"),
];

fn rule_for(kif: &[&str], ours: &[&str], first: &str) -> Option<usize> {
    RULES.iter().position(|rule| (rule.fits)(kif, ours, first))
}

/// Which of the pairs explains how two failures differ.
fn one_for_two(kif: &[&str], ours: &[&str]) -> Option<usize> {
    let (kif, ours) = (kif.last()?, ours.last()?);
    let pair = |(two, one): &(&str, &str)| kif.contains(two) && ours.contains(one);
    ONE_FOR_TWO.iter().position(pair).filter(|_| is_failure(kif) && is_failure(ours))
}

/// A line of KIF's log, or of ours in its form.
#[derive(Debug)]
struct Entry<'a> {
    logger: &'a str,
    msg: &'a str,
    auth: &'a str,
    req: &'a str,
}

impl<'a> Entry<'a> {
    /// Reads a line as a log reader does; the date may be missing.
    fn parse(line: &'a str) -> Option<Self> {
        let (level, rest) = line.split_at_checked(5)?;
        if !["DEBUG", "INFO ", "WARN ", "ERROR"].contains(&level) {
            return None;
        }
        let (head, rest) = rest.strip_prefix(": ")?.split_once(" - log fc: msg [")?;
        let logger = match head.rsplit_once(' ') {
            Some((date, logger)) => {
                let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
                (shape == "9999-99-99 99:99:99,999").then_some(logger)?
            }
            None => head,
        };
        let (msg, rest) = rest.split_once("]; auth: ")?;
        let (auth, req) = rest.split_once("; req: ")?;
        Some(Self { logger, msg, auth, req })
    }

    /// The sentence, without what stands in its brackets.
    fn sentence(&self) -> String {
        let msg = self.msg;
        for bare in [BEGUN, "destruction de session", SEALED, OPENED, SENT, "accès à /idp: exception"] {
            if msg.starts_with(bare) {
                return bare.to_owned();
            }
        }
        if let Some(text) = msg.strip_prefix("authentication failure exception: [") {
            let text = text.split(']').next().unwrap();
            let text = text.split_once("xception: ").map_or(text, |(_, text)| text);
            return format!("authentication failure exception: {}", fixed(text));
        }
        msg.split(" [").next().unwrap().to_owned()
    }
}

/// The text of an exception without the values in it.
fn fixed(text: &str) -> String {
    let known = kif::sentences().map(|(_, sentence)| sentence.text());
    let known = known.chain(ONE_FOR_TWO.iter().map(|(two, _)| *two));
    let longest = known.filter(|known| text.starts_with(known)).max_by_key(|known| known.len());
    longest.unwrap_or(text).to_owned()
}

/// Stands between what two browsers made the log say.
const OTHER_BROWSER: &str = "(another browser)";

/// What one arrival of a browser made the log say.
fn visits(sentences: &[String]) -> Vec<Vec<&str>> {
    let mut visits: Vec<Vec<&str>> = Vec::new();
    let mut apart = false;
    for sentence in sentences.iter().map(String::as_str) {
        if sentence == OTHER_BROWSER {
            apart = true;
            continue;
        }
        let other = std::mem::take(&mut apart);
        let follows = visits.last().is_some_and(|visit| {
            let is_over = visit.iter().any(|said| {
                is_failure(said)
                    || is_refusal(said)
                    || [SENT, "logout", "destruction de session", "accès à /user"].contains(said)
            });
            let begins = [ENTER, "accès à /user"].contains(&sentence) && visit != &[BEGUN];
            let begins = begins || sentence == "accès à /" || other;
            // KIF begins a visit with its session; ours follows what was asked.
            let begins = begins || sentence == BEGUN && visit.last() != Some(&OPENED);
            !is_over && !begins
        });
        match visits.last_mut() {
            Some(visit) if follows => visit.push(sentence),
            _ => visits.push(vec![sentence]),
        }
    }
    visits
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Kept {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// The log of `work` in a form.
pub fn written(form: Form, work: impl FnOnce(&Events)) -> String {
    let kept = Kept::default();
    let clock = HandClock::at(Timestamp::from_millis(1_469_330_716_203));
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(kept.clone())
        .with_max_level(tracing::Level::TRACE)
        .fmt_fields(SpanFields)
        .event_format(Layout::new(form, clock))
        .finish();
    tracing::subscriber::with_default(subscriber, || work(&Events::log(form)));
    String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
}

/// What the log says of `events`, in a form.
pub fn lines_of(form: Form, events: &[Event]) -> String {
    written(form, |log| events.iter().for_each(|event| log.say(event)))
}

/// FranceConnect's stub of the scenarios: every fault they name, and no other.
#[derive(Clone)]
struct Provider {
    id: Arc<str>,
    fault: Arc<Value>,
    issuer: Arc<Mutex<String>>,
    nonce: Arc<Mutex<String>>,
    now: u64,
}

impl Provider {
    async fn start(id: &str, fault: &Value, now: u64) -> (Self, String) {
        let provider = Self {
            id: id.into(),
            fault: Arc::new(fault.clone()),
            issuer: Arc::default(),
            nonce: Arc::default(),
            now,
        };
        let (token, userinfo) = (provider.clone(), provider.clone());
        let router = Router::new()
            .route("/token", post(async move || token.token()))
            .route("/userinfo", get(async move || userinfo.userinfo()));
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", socket.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        (provider, base)
    }

    /// The body of `[status, body, type]`: bytes written as Latin-1.
    fn forged(given: &Value) -> Response {
        let status = u16::try_from(given[0].as_u64().unwrap()).unwrap();
        let bytes: Vec<u8> =
            given[1].as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let kind = given[2].as_str().unwrap_or("application/json").to_owned();
        (axum::http::StatusCode::from_u16(status).unwrap(), [(CONTENT_TYPE, kind)], bytes).into_response()
    }

    fn changed(&self, mut value: Value, prefix: &str) -> Response {
        let members = value.as_object_mut().unwrap();
        for (name, value) in self.fault[format!("{prefix}_set")].as_object().into_iter().flatten() {
            members.insert(name.clone(), value.clone());
        }
        for name in self.fault[format!("{prefix}_del")].as_array().into_iter().flatten() {
            members.shift_remove(name.as_str().unwrap());
        }
        ([(CONTENT_TYPE, "application/json; charset=utf-8")], value.to_string()).into_response()
    }

    fn token(&self) -> Response {
        if self.fault["tok"].is_array() {
            return Self::forged(&self.fault["tok"]);
        }
        let token = json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 3600, "id_token": self.id_token() });
        self.changed(token, "tok")
    }

    fn userinfo(&self) -> Response {
        if self.fault["ui"].is_array() {
            return Self::forged(&self.fault["ui"]);
        }
        self.changed(json!({ "sub": "YWxhY3JpdMOp", "given_name": "Éric", "family_name": "Mercier" }), "ui")
    }

    fn id_token(&self) -> String {
        if self.fault["id_raw"].is_string() {
            let jwe = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AA.AA.AA.AA";
            return if self.id.contains("jwe") { jwe } else { "garbage" }.to_owned();
        }
        let (issuer, nonce) = (self.issuer.lock().unwrap().clone(), self.nonce.lock().unwrap().clone());
        let mut claims = json!({
            "iss": issuer, "aud": "relais", "exp": self.now + 3600, "iat": self.now, "nonce": nonce,
            "sub": "YWxhY3JpdMOp", "acr": "eidas2", "idp": "FC",
        });
        let members = claims.as_object_mut().unwrap();
        for name in self.fault["id_del"].as_array().into_iter().flatten() {
            members.shift_remove(name.as_str().unwrap());
        }
        let id = &*self.id;
        // What KIF's recorder computed.
        let computed = [
            ("exp-past-1h", "exp", self.now - 3600),
            ("exp-past-290s", "exp", self.now - 290),
            ("exp-past-310s", "exp", self.now - 310),
            ("nbf-future", "nbf", self.now + 900),
            ("iat-future-900", "iat", self.now + 900),
            ("iat-old-1d", "iat", self.now - 86_400),
        ];
        if self.fault["id_set"] == "<fn>" {
            let (_, name, value) = computed.iter().find(|(name, ..)| id.contains(name)).unwrap();
            members.insert((*name).to_owned(), json!(value));
        }
        for (name, value) in self.fault["id_set"].as_object().into_iter().flatten() {
            let client = "1".repeat(64);
            let value = value.to_string().replace(&client, "relais");
            members.insert(name.clone(), serde_json::from_str(&value).unwrap());
        }
        let alg = self.fault["alg"].as_str().unwrap_or("HS256");
        let by = match alg {
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => hmac::HMAC_SHA256,
        };
        let header = json!({ "typ": "JWT", "alg": alg }).to_string();
        let text =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let tag = hmac::sign(&hmac::Key::new(by, SECRET.as_bytes()), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

/// One scenario, as it is played here.
struct Play<'w> {
    world: &'w World,
    provider: Provider,
    /// Opens what KIF's application sealed; seals it as ours does.
    wires: [Box<dyn Keyed>; 2],
    browser: Browser<'w>,
    /// The provider's address that the browser was sent to last.
    away: Option<String>,
    /// The `state` of the last login in the scenario, and here.
    states: [String; 2],
    /// How many events there were when another browser came.
    apart: Vec<usize>,
}

fn wire(name: &str, key: &str, iv: &str) -> Box<dyn Keyed> {
    let key = MasterKey::from_hex(key).unwrap();
    let iv = hex::decode(iv).unwrap().try_into().unwrap();
    wires::find(name).unwrap().keyed(&key, &ServiceId::parse("kif").unwrap(), Some(iv)).unwrap()
}

async fn world(wire: &str, base: &str, cut: bool) -> World {
    let token = if cut { "http://127.0.0.1:9" } else { base };
    let more = format!(
        r#"
[upstream.v1]
profile = "franceconnect_v1"
issuer = "{{stub}}"
client_id = "relais"
client_secret_file = "fc.secret"
redirect_uri = "{RELAY}/openid_connect_login"
[upstream.v1.endpoints]
authorization = "{base}/authorize"
token = "{token}/token"
userinfo = "{base}/userinfo"
end_session = "{base}/logout"
[legacy.kif]
name = "KIF"
key_file = "vieux-cbc.previous.key"
callbacks = [{{ url = "{CALLBACK}", query_keys = ["x", "lang", "page", "p"] }}]
home_url = "https://kif.example/"
upstream = "v1"
scopes = ["openid"]
claims = ["given_name"]
wire = "{wire}"
iv = "{IV}"
sunset = "2026-12-31T00:00:00Z"
accept_forgeable_identities = true
sso = "silent"
accept_forced_login = true
"#
    );
    let server =
        r#"aliases = { logout = "/j_spring_security_logout", error = "/authenticationError" }"#.to_owned();
    World::with(Setup { more, server, ..Setup::default() }).await
}

impl Play<'_> {
    /// A message of the scenario, sealed for our application.
    fn message(&self, msg: &str) -> String {
        let Ok(opened) = self.wires[0].open(Direction::Request, msg) else { return msg.to_owned() };
        let sealed = self.seal(&opened.plaintext);
        if msg.contains(|c: char| c.is_ascii_uppercase()) { sealed.to_uppercase() } else { sealed }
    }

    fn seal(&self, plaintext: &[u8]) -> String {
        self.wires[1].seal(Direction::Request, Timestamp::from_seconds(0), &SystemEntropy::new(), plaintext)
    }

    /// Goes to `/idp`; if the provider is next, remembers where.
    async fn idp(&mut self, method: &str, path: &str, query: &str) {
        let pieces: Vec<_> = query
            .split('&')
            .map(|piece| match piece.strip_prefix("msg=") {
                Some(msg) => format!("msg={}", self.message(msg)),
                None => piece.to_owned(),
            })
            .collect();
        let slash = path.strip_prefix("/idp").unwrap();
        let url = format!("{RELAY}/idp/kif{slash}?{}", pieces.join("&"));
        let page = self.browser.send(method, url.trim_end_matches('?'), None).await;
        self.left(&page);
    }

    fn left(&mut self, page: &Page) {
        self.away = page.location().filter(|to| to.contains("/authorize?")).map(str::to_owned);
        if let Some(away) = &self.away {
            self.states[1] = parameter(away, "state").unwrap();
            *self.provider.nonce.lock().unwrap() = parameter(away, "nonce").unwrap();
        }
    }

    /// The provider sends the browser back.
    async fn back(&mut self) {
        let Some(_) = self.away.take() else { return };
        let state = &self.states[1];
        let query = match self.provider.fault["authz"].as_str() {
            Some(query) => query.replace("{STATE}", state),
            None => format!("code=abc&state={state}"),
        };
        self.browser.get(&format!("{RELAY}/openid_connect_login?{query}")).await;
    }

    async fn sign_in(&mut self) {
        let msg = self.seal(format!("{CALLBACK}?nonce=before0123456789&state=before0123456789").as_bytes());
        let page = self.browser.get(&format!("{RELAY}/idp/kif?msg={msg}")).await;
        self.left(&page);
        self.back().await;
    }

    async fn callback(&mut self, query: &str) {
        let query = if self.states[0].is_empty() {
            query.to_owned()
        } else {
            query.replace(&self.states[0], &self.states[1])
        };
        let url = format!("{RELAY}/openid_connect_login?{query}");
        self.browser.get(url.trim_end_matches('?')).await;
    }

    async fn log_out(&mut self, method: &str) {
        let url = format!("{RELAY}/j_spring_security_logout");
        let page = self.browser.send(method, &url, None).await;
        if page.body.contains("<form") {
            self.browser.submit(&page, ("decision", "yes")).await;
        }
    }

    async fn step(&mut self, steps: &[Value], at: usize) {
        let text =
            |at: usize, name: &str| steps.get(at).and_then(|step| step[name].as_str()).unwrap_or_default();
        let (method, url) = (text(at, "method"), text(at, "url"));
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        if let Some(state) =
            parameter(text(at, "location"), "state").filter(|_| text(at, "location").contains("STUB"))
        {
            self.states[0] = state;
        }
        let followed = at > 0 && (text(at - 1, "location") == url || address == "RELAY/authenticationError");
        match address.strip_prefix("RELAY") {
            // KIF's home is where its users land after logout.
            Some("/") => drop(self.browser.get(&format!("{RELAY}/")).await),
            None if at > 0 => self.back().await,
            Some("/idp" | "/idp/") if !followed => {
                if at > 0 && steps[at]["sets_cookie"] == true {
                    self.browser = Browser::new(self.world);
                    self.apart.push(self.world.recorder.events().len());
                }
                self.idp(method, address.strip_prefix("RELAY").unwrap(), query).await;
            }
            Some("/openid_connect_login") if !followed => {
                if at > 0 && steps[at]["sets_cookie"] == true {
                    self.browser = Browser::new(self.world);
                    self.apart.push(self.world.recorder.events().len());
                }
                self.callback(query).await;
            }
            Some("/j_spring_security_logout") => self.log_out(method).await,
            Some("/user") if !followed => drop(self.browser.get(&format!("{RELAY}/user")).await),
            _ if followed => {}
            _ => panic!("{url} is not played"),
        }
    }
}

/// The sentences that our log says in the scenario, and its lines.
async fn play(scenario: &Value) -> (Vec<String>, String) {
    let id = scenario["id"].as_str().unwrap();
    let name = if id.starts_with("gcm") { "kif-gcm" } else { "kif-cbc" };
    let (provider, base) = Provider::start(id, &scenario["fault"], 1_790_791_514).await;
    let world = world(name, &base, id.contains("connection-cut")).await;
    provider.issuer.lock().unwrap().clone_from(&world.stub_base);
    let key = LegacyApp::key_hex("vieux-cbc previous");
    let mut play = Play {
        world: &world,
        provider,
        wires: [wire(name, KIF_KEY, KIF_IV), wire(name, &key, IV)],
        browser: Browser::new(&world),
        away: None,
        states: [const { String::new() }; 2],
        apart: Vec::new(),
    };
    let steps = scenario["steps"].as_array().unwrap();
    let log = scenario["log"].as_array().unwrap();
    let first = &steps[0];
    let is_login = first["location"] == "RELAY/openid_connect_login";
    let of_session =
        ["RELAY/idp", "RELAY/j_spring"].iter().any(|url| first["url"].as_str().unwrap().starts_with(url));
    if of_session && !is_login && log.iter().any(|line| line.as_str().unwrap().contains("user info [JSON]")) {
        play.sign_in().await;
        if !log[0].as_str().unwrap().contains(BEGUN) {
            world.recorder.clear();
        }
    }
    for at in 0..steps.len() {
        play.step(steps, at).await;
    }
    let (events, mut ours, mut written) = (world.recorder.events(), Vec::new(), String::new());
    for (n, event) in events.iter().enumerate() {
        ours.extend(play.apart.contains(&n).then(|| OTHER_BROWSER.to_owned()));
        let lines = lines_of(Form::Kif, std::slice::from_ref(event));
        let read = lines.lines().map(|line| Entry::parse(line).unwrap_or_else(|| panic!("{line}")));
        ours.extend(read.filter(|line| line.logger.starts_with(LOGGERS)).map(|line| line.sentence()));
        written += &lines;
    }
    (ours, written)
}

/// A message that held a line end broke KIF's line in two; the recording has the first half.
fn whole(line: &str) -> String {
    if line.contains("]; auth: ") { line.to_owned() } else { format!("{line}…]]; auth: null; req: …") }
}

fn golden() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/kif-golden.json")).unwrap();
    file["scenarios"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_sentences_of_every_scenario_and_their_order() {
    let (mut used, mut pairs, mut wrong, mut same) = (BTreeSet::new(), BTreeSet::new(), Vec::new(), 0);
    let scenarios = golden();
    assert_eq!(scenarios.len(), 123);
    for scenario in &scenarios {
        let kif: Vec<_> =
            scenario["log"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let kif: Vec<_> = kif.iter().map(|line| Entry::parse(&whole(line)).unwrap().sentence()).collect();
        let (ours, _) = play(scenario).await;
        let (kif, ours) = (visits(&kif), visits(&ours));
        let first = &scenario["steps"][0];
        let first = format!("{} {}", first["method"].as_str().unwrap(), first["url"].as_str().unwrap());
        let first = first.replace("RELAY", "");
        let first = first.split('?').next().unwrap();
        let mut rest = ours.iter().map(Vec::as_slice).peekable();
        let mut matches = true;
        for visit in &kif {
            let next: &[&str] = rest.peek().copied().unwrap_or_default();
            if visit == next {
                same += 1;
                rest.next();
            } else if let Some(n) = rule_for(visit, next, first).filter(|_| !next.is_empty()) {
                used.insert(n);
                pairs.extend(one_for_two(visit, next));
                rest.next();
            } else if let Some(n) = rule_for(visit, &[], first) {
                used.insert(n);
            } else {
                matches = false;
            }
        }
        if !matches || rest.next().is_some() {
            wrong.push(format!("{}\n  kif  {kif:?}\n  ours {ours:?}", scenario["id"]));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    let idle: Vec<_> = (0..RULES.len()).filter(|n| !used.contains(n)).map(|n| RULES[n].why).collect();
    assert!(idle.is_empty(), "no scenario needs: {idle:#?}");
    let idle: Vec<_> =
        (0..ONE_FOR_TWO.len()).filter(|n| !pairs.contains(n)).map(|n| ONE_FOR_TWO[n]).collect();
    assert!(idle.is_empty(), "no scenario needs: {idle:#?}");
    assert!(same > 40, "{same}");
}

/// KIF's README has these, here without the JWT and the identity in them.
const README: &[&str] = &[
    "INFO : 2016-07-24 03:25:16,203 net.fenyo.franceconnect.SessionListener - log fc: msg [création de session 2236652D2F06E535395CDA6CA557B9BF (21 sessions)]; auth: oidc authentication token is null; req: request attributes are null",
    "INFO : 2016-07-24 04:21:14,525 net.fenyo.franceconnect.SessionListener - log fc: msg [destruction de session 2236652D2F06E535395CDA6CA557B9BF (20 session)]; auth: id token [JWT]; auth: user info [{}]; req: request attributes are null",
    "INFO : 2016-07-24 03:36:56,095 net.fenyo.franceconnect.LogoutHandler - log fc: msg [logout]; auth: id token [JWT]; auth: user info [{}]; req: session id [2236652D2F06E535395CDA6CA557B9BF]; req: remote addr [127.0.0.1]; req: remote port [62375]; req: request [a.B@1]",
    "INFO : 2016-07-24 03:47:24,138 net.fenyo.franceconnect.AuthenticationFailureHandler - log fc: msg [authentication failure exception: [org.springframework.security.authentication.AuthenticationServiceException: State parameter mismatch on return. Expected null got 205775549532c]]; auth: oidc authentication token is null; req: session id [null]; req: remote addr [127.0.0.1]; req: remote port [62535]; req: request [a.B@1]",
];

#[tokio::test]
async fn one_reader_reads_both() {
    for (line, sentence) in README.iter().zip([
        BEGUN,
        "destruction de session",
        "logout",
        "authentication failure exception: State parameter mismatch on return",
    ]) {
        assert_eq!(Entry::parse(line).unwrap().sentence(), sentence);
    }
    let scenarios = golden();
    let login = scenarios.iter().find(|scenario| scenario["id"] == "cbc-005-logout-with-session").unwrap();
    let (_, written) = play(login).await;
    let lines: Vec<_> = written.lines().filter(|line| line.contains(LOGGERS)).collect();
    assert!(lines[0].starts_with("INFO : 2016-07-24 03:25:16,203 net.fenyo.franceconnect."), "{}", lines[0]);
    let begun = lines.iter().find(|line| line.contains(BEGUN)).unwrap();
    let ended = lines.iter().find(|line| line.contains("destruction")).unwrap();
    let handle = |line: &str| line.split("de session ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let (begun_handle, ended_handle) = (handle(begun), handle(ended));
    assert_eq!(begun_handle, ended_handle, "the two are found by the session");
    assert!(
        begun_handle.len() == 32
            && begun_handle.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    );
    assert!(begun.contains(&format!("{begun_handle} (1 session)]; ")), "{begun}");
    assert!(ended.contains(" (0 session)]; "), "{ended}");
    let logout =
        lines.iter().map(|line| Entry::parse(line).unwrap()).find(|line| line.msg == "logout").unwrap();
    assert!(logout.req.starts_with(&format!("session id [{begun_handle}]; req: remote addr [192.0.2.7]; ")));
    assert_eq!(logout.auth, "id token [redacted]; auth: user info [redacted]");
    let opened =
        lines.iter().map(|line| Entry::parse(line).unwrap()).find(|line| line.msg.starts_with(OPENED));
    let opened = opened.unwrap().msg;
    assert!(opened.starts_with(&format!("{OPENED} [{CALLBACK}?nonce=#&state=#] [app=kif ")), "{opened}");
    let sent = lines.iter().map(|line| Entry::parse(line).unwrap()).find(|line| line.msg.starts_with(SENT));
    let sent = sent.unwrap().msg;
    assert!(sent.starts_with(&format!("{SENT} [{CALLBACK}?info=#")), "{sent}");
}

/// A session that nobody uses any more is cleared away, and that is said, as KIF's container did.
#[tokio::test]
async fn the_end_of_a_forgotten_session_is_said() {
    for sqlite in [false, true] {
        let world = World::with(Setup { sqlite, ..Setup::default() }).await;
        world.stub.set_auto_login(Some("angela"));
        for _ in 0..2 {
            let mut browser = world.browser();
            let page = browser.open(&world.legacy("paie").start(world.now()).1).await;
            browser.confirm(&page).await;
        }
        world.app.sweep().await;
        assert!(world.events(Step::SessionExpired).is_empty());
        world.advance(86_400);
        world.app.sweep().await;
        let events = world.events(Step::SessionExpired);
        let lines = lines_of(Form::Kif, &events);
        let said: Vec<_> = lines.lines().map(|line| Entry::parse(line).unwrap()).collect();
        let msgs: Vec<_> = said.iter().map(|line| line.msg).collect();
        assert_eq!(
            msgs,
            ["destruction de session null (1 session)", "destruction de session null (0 session)"]
        );
        assert!(said.iter().all(|line| line.req == "request attributes are null"));
    }
}

/// What other code says through `tracing` has the same layout.
#[test]
fn libraries_speak_in_the_same_layout() {
    let say = |_: &Events| tracing::warn!(target: "some::library", count = 3, "broken\r\npipe");
    assert_eq!(
        written(Form::Kif, say),
        "WARN : 2016-07-24 03:25:16,203 some.library - broken\u{fffd}\u{fffd}pipe count=3\n"
    );
    assert_eq!(
        written(Form::Human, say),
        "2016-07-24T03:25:16.203Z  WARN some::library: broken\u{fffd}\u{fffd}pipe count=3\n"
    );
    let json: Value = serde_json::from_str(&written(Form::Json, say)).unwrap();
    let expected = json!({
        "timestamp": "2016-07-24T03:25:16.203Z",
        "level": "WARN",
        "message": "broken\u{fffd}\u{fffd}pipe",
        "count": 3,
        "target": "some::library",
    });
    assert_eq!(json, expected);
}

/// Speaks as a library would, whenever something happens.
struct Chatty(Recorder);

impl Sink for Chatty {
    fn accept(&self, event: &Event) {
        self.0.accept(event);
        tracing::warn!(target: "some::library", at = event.step.name(), "said");
    }
}

/// What a library says while a login is served names that login; our own lines name it once.
#[tokio::test]
async fn a_library_s_line_names_the_login() {
    for form in [Form::Json, Form::Human, Form::Kif] {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(kept.clone())
            .with_max_level(tracing::Level::INFO)
            .fmt_fields(SpanFields)
            .event_format(Layout::new(form, HandClock::at(Timestamp::from_millis(1_469_330_716_203))))
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let events = |recorder: &Recorder| Events::to(Chatty(recorder.clone()));
        let world = World::with(Setup { events: Some(events), ..Setup::default() }).await;
        let mut browser = world.browser();
        let page = browser.open(&world.legacy("compta").start(world.now()).1).await;
        crate::idp_inputs::sign_in(&mut browser, page).await;
        drop(guard);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let of_library: Vec<_> = text.lines().filter(|line| line.contains("some")).collect();
        let all = world.recorder.events();
        assert_eq!(of_library.len(), all.len(), "{text}");
        assert!(all.iter().filter(|event| event.login.is_some()).count() > 5);
        for (line, event) in of_library.iter().zip(all) {
            match event.login {
                Some(login) => assert_eq!(line.matches(&login.to_string()).count(), 1, "{line}"),
                None => assert!(!line.contains("login\"") && !line.contains("login="), "{line}"),
            }
            assert!(line.contains(event.step.name()), "{line}");
        }
        for line in text.lines().filter(|line| line.contains("relais::")) {
            assert!(line.matches("login=").count() + line.matches("\"login\":").count() <= 1, "{line}");
        }
    }
}
