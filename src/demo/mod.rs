//! `relais demo`: the relay, the simulated provider and the demo application in one process, with nothing to
//! prepare.
//!
//! It writes only under its own directory, and keeps its keys there. Everything listens on 127.0.0.1, on
//! consecutive ports: relay, provider, legacy application, (an OpenID relying party, from the provider on),
//! management.

pub mod bench;
mod http_client;
mod legacy_app;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use stub_upstream::Stub;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, Faults, Purpose};
use crate::entropy::{Entropy, SystemEntropy};
use crate::event::Events;
use crate::keys::{SecretFileError, read_secret_file};
use crate::process::{Process, StartError, asked_to_stop};

/// Where the demo keeps its keys and its store.
pub const DIRECTORY: &str = ".relais-demo";

/// Why the demo does not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Its directory or one of its files.
    #[error("cannot write {}", path.display())]
    Write {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key that it kept.
    #[error("a key of the demo cannot be read; delete {DIRECTORY} to begin anew")]
    Key(#[from] SecretFileError),
    /// A key that is none.
    #[error("the key of {0} is not one; delete {DIRECTORY} to begin anew")]
    NotAKey(String),
    /// Its own configuration.
    #[error("the demo's configuration is faulty:\n{0}")]
    Config(Faults),
    /// The simulated provider.
    #[error("the simulated provider cannot be made")]
    Stub(#[from] stub_upstream::BuildError),
    /// The relay.
    #[error("the relay does not start")]
    Start(#[from] StartError),
    /// A port.
    #[error("cannot listen on port {port} (`--port-base` moves all five)")]
    Bind {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// Standard output.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
}

/// The addresses of the parts.
#[derive(Clone, Copy)]
struct Ports(u16);

impl Ports {
    fn url(self, part: u16) -> String {
        format!("http://127.0.0.1:{}", self.0.saturating_add(part))
    }

    fn relay(self) -> String {
        self.url(0)
    }

    fn stub(self) -> String {
        self.url(1)
    }

    fn legacy(self) -> String {
        self.url(2)
    }
}

/// The part that manages.
const MANAGEMENT: u16 = 4;

/// Runs the demo on ports `base` … `base + 4` until it is asked to stop.
pub async fn run(base: u16, events: Events) -> Result<(), DemoError> {
    let ports = Ports(base);
    let keep = Keep::open(Path::new(DIRECTORY))?;
    let secret = keep.secret("upstream.secret")?;
    let (query_key, reference_key) = (keep.secret("demo.key")?, keep.secret("demo-claim.key")?);
    let stub = stub(ports, &secret)?;
    let application = legacy_app::router(legacy_app::Settings {
        relay: parse(&ports.relay()),
        own: parse(&ports.legacy()),
        query: registration("demo", &query_key)?,
        reference: registration("demo-claim", &reference_key)?,
        now: Arc::new(|| SystemClock.now().seconds()),
    });
    let mut parts = JoinSet::new();
    serve(&mut parts, base.saturating_add(1), stub.router()).await?;
    serve(&mut parts, base.saturating_add(2), application).await?;
    let links = crate::app::Demo {
        legacy_app: ports.legacy(),
        stub: ports.stub(),
        management: format!("{}/health/ready", ports.url(MANAGEMENT)),
    };
    let environment = std::iter::empty();
    let config = config::from_toml(&configuration(ports), Path::new(DIRECTORY), environment, Purpose::Demo)
        .map_err(DemoError::Config)?;
    let process = Process::start(config, None, events, Some(links)).await?;
    announce(ports)?;
    asked_to_stop().await;
    process.stop().await;
    parts.shutdown().await;
    Ok(())
}

fn announce(ports: Ports) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "relay              {}", ports.relay())?;
    writeln!(out, "simulated provider {}", ports.stub())?;
    writeln!(out, "legacy application {}   <- open this one", ports.legacy())?;
    writeln!(out, "management         {}/health/ready", ports.url(MANAGEMENT))?;
    writeln!(out, "keys and store     ./{DIRECTORY}")?;
    writeln!(out, "ready")?;
    out.flush()
}

fn registration(app: &str, key: &str) -> Result<legacy_app::Registration, DemoError> {
    legacy_app::Registration::new(app, key).ok_or_else(|| DemoError::NotAKey(app.to_owned()))
}

fn stub(ports: Ports, secret: &str) -> Result<Stub, DemoError> {
    let callback = format!("{}/callback/provider", ports.relay());
    let after_logout = format!("{}/logout/return/provider", ports.relay());
    Ok(Stub::builder(ports.stub()).client("relais-demo", secret, &[callback], &[after_logout]).build()?)
}

async fn serve(parts: &mut JoinSet<()>, port: u16, router: Router) -> Result<(), DemoError> {
    let socket = TcpListener::bind(("127.0.0.1", port)).await;
    let socket = socket.map_err(|source| DemoError::Bind { port, source })?;
    parts.spawn(async move {
        // Ends only with the process.
        let _ = axum::serve(socket, router).await;
    });
    Ok(())
}

fn configuration(ports: Ports) -> String {
    let (relay, stub, legacy) = (ports.relay(), ports.stub(), ports.legacy());
    let listening = |part: u16| format!("127.0.0.1:{}", ports.0.saturating_add(part));
    let (public, management) = (listening(0), listening(MANAGEMENT));
    format!(
        r#"
[server]
public_url = "{relay}"
listeners = [{{ address = "{public}", kind = "public" }}, {{ address = "{management}", kind = "management" }}]
default_app = "demo"
[upstream.provider]
profile = "franceconnect_v2"
name = "Simulated provider"
issuer = "{stub}/api/v2"
client_id = "relais-demo"
client_secret_file = "upstream.secret"
{}{}"#,
        application("demo", "query", &legacy, "retour"),
        application("demo-claim", "reference", &legacy, "retour-claim"),
    )
}

fn application(id: &str, delivery: &str, legacy: &str, path: &str) -> String {
    format!(
        r#"
[legacy.{id}]
name = "Demo"
home_url = "{legacy}/"
callbacks = ["{legacy}/{path}"]
key_file = "{id}.key"
upstream = "provider"
delivery = "{delivery}"
scopes = ["openid", "profile", "birth", "email"]
claims = ["given_name", "family_name", "preferred_username", "birthdate", "gender", "birthplace", "birthcountry", "email"]
"#
    )
}

/// The demo's own directory.
struct Keep(PathBuf);

impl Keep {
    fn open(path: &Path) -> Result<Self, DemoError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| DemoError::Write { path: path.to_owned(), source })?;
        Ok(Self(path.to_owned()))
    }

    /// 256 bits as 64 hexadecimal digits, made at the first start and kept.
    fn secret(&self, name: &str) -> Result<String, DemoError> {
        let path = self.0.join(name);
        if !fs::exists(&path).unwrap_or_default() {
            let digits = (&SystemEntropy::new() as &dyn Entropy).hex64();
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let written = opened.and_then(|mut file| file.write_all(digits.as_bytes()));
            written.map_err(|source| DemoError::Write { path: path.clone(), source })?;
        }
        Ok(read_secret_file(&path)?.expose().clone())
    }
}

/// Addresses made above always parse.
fn parse(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|_| unreachable!("{url}"))
}
