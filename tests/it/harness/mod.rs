//! A world to test in: one relay behind its router, one simulated provider, a clock moved by hand, browsers
//! that keep cookies and follow redirects, and applications that know nothing but the wire.

mod browser;
mod failing;
mod legacy_app;
pub mod providers;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use relais::app::{App, Parts};
use relais::clock::{Clock, HandClock, SystemClock, Timestamp};
use relais::config::{self, Config, Purpose};
use relais::entropy::{Entropy, SystemEntropy};
use relais::event::{Event, Events, Form, Layout, Recorder, SpanFields, Step};
use relais::secret::Secret;
use relais::service::ServiceId;
use relais::store::{Ephemeral, Memory, Sealer, Sqlite, Store};
use relais::web;
use stub_upstream::Stub;

pub use browser::{Browser, Page};
pub use failing::Failing;
pub use legacy_app::{Attempt, LegacyApp, parameter, random};

/// Where browsers find the relay.
pub const RELAY: &str = "http://127.0.0.1:8080";
/// The host and port of the relay.
pub const RELAY_HOST: &str = "127.0.0.1:8080";
/// When the world begins: long after the relay started, so that no message is older than it.
const START: Timestamp = Timestamp::from_seconds(1_790_791_514);

/// What a section of a KIF application has besides.
macro_rules! KIF {
    () => {
        "iv = \"00112233445566778899aabbccddeeff\"\nsunset = \"2026-12-31T00:00:00Z\""
    };
}

/// The applications of the world, all on one relay. Name, then what their section says beside key, callback,
/// claims and home.
const APPS: &[(&str, &str)] = &[
    ("compta", "upstream = \"fc\""),
    ("etat-civil", "upstream = \"fc\"\ndelivery = \"reference\""),
    ("paie", "upstream = \"oidc\""),
    ("ged", "upstream = \"oidc\""),
    ("silencieuse", "upstream = \"oidc\"\nsso = \"silent\"\naccept_forced_login = true"),
    ("toujours", "upstream = \"oidc\"\nsso = \"off\""),
    ("forte", "upstream = \"oidc\"\nacr = { accept = [\"eidas2\", \"eidas3\"], mode = \"require\" }"),
    ("courte", "upstream = \"oidc\"\nsso = \"silent\"\naccept_forced_login = true\nmax_answer_query = 600"),
    ("fermee", "upstream = \"fc\"\nenabled = false"),
    ("mono", "upstream = \"oidc\"\nwire = \"jwe\""),
    (
        "vieux-gcm",
        concat!("upstream = \"oidc\"\nwire = \"kif-gcm\"\naccept_forgeable_identities = true\n", KIF!()),
    ),
    (
        "vieux-cbc",
        concat!("upstream = \"oidc\"\nwire = \"kif-cbc\"\naccept_forgeable_identities = true\n", KIF!()),
    ),
    ("ref-gcm", concat!("upstream = \"oidc\"\nwire = \"kif-gcm\"\ndelivery = \"reference\"\n", KIF!())),
    ("ref-cbc", concat!("upstream = \"oidc\"\nwire = \"kif-cbc\"\ndelivery = \"reference\"\n", KIF!())),
];

/// What a world is made with.
#[derive(Default)]
pub struct Setup {
    /// Sections added to the configuration, as TOML; `{stub}` becomes the simulator's address.
    pub more: String,
    /// Keys added to `[server]`.
    pub server: String,
    /// More keys of one application's section.
    pub app: HashMap<&'static str, String>,
    /// Other callbacks of an application, as TOML.
    pub callbacks: HashMap<&'static str, String>,
    /// Another upstream of an application.
    pub upstream: HashMap<&'static str, &'static str>,
    /// Keep the ephemeral class in SQLite.
    pub sqlite: bool,
    /// Keep both classes in this store, which several worlds may share.
    pub store: Option<Arc<dyn Store>>,
    /// The SQLite file as it was written before, as SQL.
    pub written: Option<&'static str>,
    /// A public URL of its own.
    pub public_url: Option<&'static str>,
    /// Keys of `[outbound]`.
    pub outbound: Option<&'static str>,
    /// Where events go, instead of the recorder alone.
    pub events: Option<fn(&Recorder) -> Events>,
    /// The applications of `more`, for their key files.
    pub keys: Vec<&'static str>,
}

/// One world.
pub struct World {
    pub clock: HandClock,
    pub app: Arc<App>,
    pub relay: Router,
    pub stub: Stub,
    pub stub_router: Router,
    pub stub_base: String,
    pub recorder: Recorder,
    pub dir: tempfile::TempDir,
    setup: Setup,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        Self::with_files(setup, &[]).await
    }

    /// The same with more secret files, by name and text.
    pub async fn with_files(setup: Setup, files: &[(&str, &str)]) -> Self {
        init_log();
        // The relay has been up for a day when the world begins.
        let clock = HandClock::at(Timestamp::from_seconds(START.seconds() - 86_400));
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub_base = format!("http://{}", socket.local_addr().unwrap());
        let stub = stub(&stub_base, &clock, setup.public_url.unwrap_or(RELAY));
        let stub_router = stub.router();
        let served = stub_router.clone();
        tokio::spawn(async move { axum::serve(socket, served).await.unwrap() });
        let dir = tempfile::tempdir().unwrap();
        for (id, _) in APPS {
            write_secret(&dir.path().join(format!("{id}.key")), &LegacyApp::key_hex(id));
            write_secret(
                &dir.path().join(format!("{id}.previous.key")),
                &LegacyApp::key_hex(&format!("{id} previous")),
            );
        }
        write_secret(&dir.path().join("fc.secret"), SECRET);
        providers::write_keys(&setup, dir.path());
        for (name, text) in files {
            write_secret(&dir.path().join(name), text);
        }
        if let Some(sql) = setup.written {
            let file = rusqlite::Connection::open(dir.path().join("relais.sqlite")).unwrap();
            file.execute_batch(sql).unwrap();
        }
        let recorder = Recorder::default();
        let config = configuration(&setup, &stub_base, dir.path());
        let app = Arc::new(relay(config, &recorder, &clock, dir.path(), &setup));
        app.tend_keys().await.unwrap();
        clock.advance(Duration::from_hours(24));
        let relay = web::router(app.clone());
        Self { clock, app, relay, stub, stub_router, stub_base, recorder, dir, setup }
    }

    /// The same world after its relay has stopped and started: what was in memory is gone.
    pub async fn restarted(self) -> Self {
        let Self { clock, app, relay: router, stub, stub_router, stub_base, recorder, dir, setup } = self;
        // The file has one owner at a time.
        drop((app, router));
        let config = configuration(&setup, &stub_base, dir.path());
        let app = Arc::new(relay(config, &recorder, &clock, dir.path(), &setup));
        app.tend_keys().await.unwrap();
        let relay = web::router(app.clone());
        Self { clock, app, relay, stub, stub_router, stub_base, recorder, dir, setup }
    }

    /// Another node with the same configuration on `durable`, whose keys nobody has tended yet.
    pub fn another(&self, durable: Arc<dyn Store>, seal: u8) -> Arc<App> {
        let config = configuration(&self.setup, &self.stub_base, self.dir.path());
        let events = Events::to(self.recorder.clone());
        Arc::new(node(config, events, &self.clock, durable, false, seal))
    }

    pub fn now(&self) -> u64 {
        self.clock.now().seconds()
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// An application that knows only the wire.
    pub fn legacy(&self, id: &'static str) -> LegacyApp {
        assert!(
            self.app.rules().legacy.app(&ServiceId::parse(id).unwrap()).is_some(),
            "{id} is not configured"
        );
        LegacyApp::new(id)
    }

    /// The events so far with this step.
    pub fn events(&self, step: Step) -> Vec<Event> {
        self.recorder.events().into_iter().filter(|event| event.step == step).collect()
    }

    /// The slug of the last reason given.
    pub fn last_reason(&self) -> &'static str {
        let events = self.recorder.events();
        events.iter().rev().find_map(|event| event.reason).map_or("none", |reason| reason.slug())
    }

    /// Puts another configuration in force.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        self.app.replace_rules(configuration(&self.setup, &self.stub_base, self.dir.path()));
    }

    /// Makes the keys that another configuration needs, which `reconfigure` then puts in force.
    pub async fn prepare(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        let config = configuration(&self.setup, &self.stub_base, self.dir.path());
        self.app.prepare_keys(&config).await.unwrap();
    }

    /// How often the stub was called at each endpoint.
    pub fn stub_calls(&self) -> u64 {
        let calls = self.stub.calls();
        calls.token + calls.userinfo
    }
}

/// The client secret of both registrations.
pub const SECRET: &str = "a-client-secret-of-at-least-32-characters";

fn stub(base: &str, clock: &HandClock, relay: &str) -> Stub {
    let clock = clock.clone();
    let redirect_uris = ["callback/fc", "callback/oidc", "callback/plus", "openid_connect_login"];
    let redirect_uris = redirect_uris.map(|path| format!("{relay}/{path}"));
    let after_logout = ["fc", "oidc"].map(|name| format!("{relay}/logout/return/{name}"));
    let builder = Stub::builder(base).clock(move || clock.now().seconds()).slow(Duration::from_secs(3));
    let clients = providers::clients(relay, &redirect_uris, &after_logout);
    clients.into_iter().fold(builder, stub_upstream::Builder::register).build().unwrap()
}

/// Signs a persona in on the simulator's page, and follows.
pub async fn choose(browser: &mut Browser<'_>, page: Page, persona: &str) -> Page {
    if !page.body.contains("name=\"persona\"") {
        return page;
    }
    browser.submit(&page, ("persona", persona)).await
}

/// Gives up on the simulator's page, and follows.
pub async fn cancel(browser: &mut Browser<'_>, page: Page) -> Page {
    assert!(page.body.contains("name=\"cancel\""), "not at the provider: {}", page.body);
    browser.submit(&page, ("cancel", "1")).await
}

fn relay(config: Config, recorder: &Recorder, clock: &HandClock, dir: &Path, setup: &Setup) -> App {
    let limits = config.limits.clone();
    let ceilings = relais::process::ceilings(&limits);
    let durable: Arc<dyn Store> = match &setup.store {
        Some(store) => store.clone(),
        None => Arc::new(Sqlite::open(&dir.join("relais.sqlite"), ceilings).unwrap()),
    };
    let events = setup.events.map_or_else(|| Events::to(recorder.clone()), |make| make(recorder));
    node(config, events, clock, durable, setup.sqlite || setup.store.is_some(), 42)
}

/// One relay on `durable`, which others may share and which keeps the ephemeral class too if `survives`, under the root
/// seal key of that byte.
fn node(
    config: Config,
    events: Events,
    clock: &HandClock,
    durable: Arc<dyn Store>,
    survives: bool,
    seal: u8,
) -> App {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let limits = config.limits.clone();
    let ceilings = relais::process::ceilings(&limits);
    let store: Arc<dyn Store> = if survives { durable.clone() } else { Arc::new(Memory::new(ceilings)) };
    let sealer = Sealer::new(&Secret::new([seal; 32]), entropy.clone());
    let parts = Parts {
        clock: Arc::new(clock.clone()),
        entropy,
        events,
        store,
        ephemeral: if survives { Ephemeral::Kept } else { Ephemeral::Lost },
        durable,
        sealer,
    };
    App::new(config, parts, None).unwrap()
}

fn configuration(setup: &Setup, stub: &str, dir: &Path) -> Config {
    let public_url = setup.public_url.unwrap_or(RELAY);
    let outbound = setup.outbound.unwrap_or("");
    let mut text = format!(
        r#"
[server]
public_url = "{public_url}"
default_app = "compta"
default_locale = "fr"
listeners = [{{ address = "127.0.0.1:0", kind = "public" }}]
{}
[store]
path = "relais.sqlite"
[outbound]
{outbound}
[upstream.fc]
profile = "franceconnect_v2"
issuer = "{stub}/api/v2"
client_id = "relais"
client_secret_file = "fc.secret"
[upstream.oidc]
profile = "generic"
issuer = "{stub}/generic"
client_id = "relais"
client_secret_file = "fc.secret"
{}
"#,
        setup.server,
        setup.more.replace("{stub}", stub)
    );
    for (id, section) in APPS {
        let scopes = if section.contains("\"fc\"") { FC_SCOPES } else { OIDC_SCOPES };
        let callback = if public_url.starts_with("http:") {
            format!("http://127.0.0.1:9000/{id}/retour.cgi")
        } else {
            format!("https://app.example/{id}/retour.cgi")
        };
        let section = match setup.upstream.get(id) {
            Some(upstream) => section.replace("upstream = \"oidc\"", &format!("upstream = \"{upstream}\"")),
            None => (*section).to_owned(),
        };
        let callbacks = setup.callbacks.get(id).cloned().unwrap_or_else(|| {
            format!("callbacks = [{{ url = \"{callback}\", query_keys = [\"vue\", \"dossier\"] }}]")
        });
        let more = setup.app.get(id).map(String::as_str).unwrap_or_default();
        write!(
            text,
            r#"
[legacy.{id}]
name = "Application {id}"
key_file = "{id}.key"
{callbacks}
home_url = "https://{id}.example/accueil"
scopes = {scopes}
claims = ["given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry", "email"]
{section}
{more}
"#
        )
        .unwrap();
    }
    match config::from_toml(&text, dir, [], Purpose::Serve) {
        Ok(config) => config,
        Err(faults) => panic!("{faults}"),
    }
}

const FC_SCOPES: &str = r#"["openid", "profile", "birth", "email"]"#;
const OIDC_SCOPES: &str = r#"["openid", "profile", "email"]"#;

pub fn write_secret(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Every event also goes through the log's own renderer, into nothing.
fn init_log() {
    use std::sync::Once;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .fmt_fields(SpanFields)
            .event_format(Layout::new(Form::Human, SystemClock))
            .with_writer(std::io::sink)
            .with_max_level(tracing::Level::TRACE)
            .init();
    });
}
