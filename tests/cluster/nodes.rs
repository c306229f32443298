//! `relais serve` as an operator runs it: nodes of one site, with one provider, one seal key and one application.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::http::{Cookies, Request, ask};
use super::legacy_app::LegacyApp;
use super::steps::Keeps;
use super::{RELAY, servers};

const SECRET: &str = "the secret of this test, 32 letters";
/// The application that claims its answers.
pub const APP: &str = "compta";
/// One of KIF's, whose messages carry no time.
pub const KIF_APP: &str = "ancienne";
/// Its IV.
pub const KIF_IV: [u8; 16] = [7; 16];
/// Its own page.
pub const HOME: &str = "http://127.0.0.1:9000/";

/// Where records are: the ephemeral class, then the durable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    MemorySqlite,
    /// With `affinity`.
    MemoryPostgres,
    Sqlite,
    Postgres,
    RedisPostgres,
}

impl Backend {
    pub const ALL: [Self; 5] =
        [Self::MemorySqlite, Self::MemoryPostgres, Self::Sqlite, Self::Postgres, Self::RedisPostgres];
    /// Those that several nodes can share.
    pub const SHARED: [Self; 2] = [Self::Postgres, Self::RedisPostgres];

    pub fn name(self) -> &'static str {
        match self {
            Self::MemorySqlite => "memory+sqlite",
            Self::MemoryPostgres => "memory+postgres",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::RedisPostgres => "redis+postgres",
        }
    }

    /// What of that which was acknowledged outlives the process.
    pub fn keeps(self) -> Keeps {
        match self {
            Self::MemorySqlite => Keeps::Nothing,
            Self::MemoryPostgres => Keeps::Marks,
            Self::Sqlite | Self::Postgres | Self::RedisPostgres => Keeps::All,
        }
    }

    fn classes(self) -> (&'static str, &'static str) {
        match self {
            Self::MemorySqlite => ("memory", "sqlite"),
            Self::MemoryPostgres => ("memory", "postgres"),
            Self::Sqlite => ("sqlite", "sqlite"),
            Self::Postgres => ("postgres", "postgres"),
            Self::RedisPostgres => ("redis", "postgres"),
        }
    }
}

/// The servers that backends need; for the test that starts them.
pub struct Servers {
    pub postgres: Option<servers::Server>,
    pub redis: Option<servers::Server>,
}

impl Servers {
    pub fn start() -> Self {
        Self::with(servers::redis(&[]))
    }

    /// PostgreSQL, and this Redis.
    pub fn with(redis: Option<servers::Server>) -> Self {
        Self { postgres: servers::postgres(), redis }
    }

    /// Where they listen.
    pub fn ports(&self) -> Vec<u16> {
        [&self.postgres, &self.redis].into_iter().flatten().map(|server| server.port).collect()
    }

    /// For a backend that needs none.
    pub fn none() -> Self {
        Self { postgres: None, redis: None }
    }

    /// The section `[store]`; `None` where a server is missing, which was said.
    fn section(&self, backend: Backend) -> Option<String> {
        let (ephemeral, durable) = backend.classes();
        let mut lines = vec![format!("[store]\nephemeral = \"{ephemeral}\"\ndurable = \"{durable}\"")];
        if backend == Backend::MemoryPostgres {
            lines.push("affinity = true".to_owned());
        }
        if durable == "postgres" {
            let port = self.postgres.as_ref()?.port;
            // Apart from those of the other backends on the same server.
            let schema = backend.name().replace('+', "_");
            lines.push(format!("[store.postgres]\nurl = \"postgres://relais@127.0.0.1:{port}/postgres\""));
            lines.push(format!("schema = \"{schema}\""));
        }
        if ephemeral == "redis" {
            let port = self.redis.as_ref()?.port;
            lines.push(format!("[store.redis]\nurl = \"redis://127.0.0.1:{port}/\""));
        }
        Some(lines.join("\n"))
    }
}

/// Carries out statements, and what the last one says.
pub fn administer(port: u16, statements: &[&str]) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("postgres://relais@127.0.0.1:{port}/postgres");
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        let mut said = None;
        for statement in statements {
            let row = sqlx::raw_sql(AssertSqlSafe(*statement)).fetch_optional(&mut connection).await.unwrap();
            said = row.and_then(|row| row.try_get(0).ok());
        }
        said
    })
}

/// What all nodes have in common.
pub struct Site {
    pub app: LegacyApp,
    pub provider: u16,
    pub stub: stub_upstream::Stub,
    pub directory: tempfile::TempDir,
    /// The section `[store]`.
    pub store: String,
    /// What the public listener has besides.
    tls: &'static str,
    _provider: tokio::runtime::Runtime,
}

fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A port below those that the system gives to outgoing connections, so that a node finds its own again.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 10_000 + u16::try_from(std::process::id() % 900).unwrap() * 10;
    let mut ports = (0..900).map(|_| start + NEXT.fetch_add(1, Ordering::SeqCst));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl Site {
    pub fn new(servers: &Servers, backend: Backend) -> Option<Self> {
        let store = servers.section(backend)?;
        let directory = tempfile::tempdir().unwrap();
        secret(&directory.path().join("seal.key"), &"0123456789abcdef".repeat(4));
        secret(&directory.path().join("provider.secret"), SECRET);
        secret(&directory.path().join("compta.key"), &LegacyApp::key_hex(APP));
        secret(&directory.path().join("ancienne.key"), &LegacyApp::key_hex(KIF_APP));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let provider = socket.local_addr().unwrap().port();
        let stub = stub_upstream::Stub::builder(format!("http://127.0.0.1:{provider}"))
            .client(
                "relais",
                SECRET,
                &[format!("{RELAY}/callback/provider")],
                &[format!("{RELAY}/logout/return/provider")],
            )
            .auto_login(Some("angela"))
            .build()
            .unwrap();
        runtime.spawn(stub_upstream::serve(socket, stub.clone(), std::future::pending()));
        Some(Self { app: LegacyApp::new(APP), provider, stub, store, tls: "", directory, _provider: runtime })
    }

    /// The same with nodes that speak TLS, with this certificate and its key.
    pub fn by_tls(mut self, chain: &str, key: &str) -> Self {
        fs::write(self.directory.path().join("chain.pem"), chain).unwrap();
        self.secret("key.pem", key);
        self.tls = ", tls = { certificate_file = \"chain.pem\", key_file = \"key.pem\" }";
        self
    }

    /// A secret file for all nodes.
    pub fn secret(&self, name: &str, text: &str) {
        secret(&self.directory.path().join(name), text);
    }

    /// A node, running.
    pub fn node(&self) -> Node {
        self.node_on(&self.store)
    }

    /// A node with a section `[store]` of its own.
    pub fn node_on(&self, store: &str) -> Node {
        let mut node = self.configured_on("", store);
        node.start();
        node
    }

    /// A node that shall run, with more sections in its configuration.
    pub fn configured(&self, more: &str) -> Node {
        self.configured_on(more, &self.store)
    }

    fn configured_on(&self, more: &str, store: &str) -> Node {
        let (public, management, provider) = (port(), port(), self.provider);
        let directory = self.directory.path().to_owned();
        let config = directory.join(format!("{public}.toml"));
        let text = format!(
            r#"
[server]
public_url = "{RELAY}"
trusted_proxies = ["127.0.0.1"]
listeners = [
  {{ address = "127.0.0.1:{public}", kind = "public"{tls} }},
  {{ address = "127.0.0.1:{management}", kind = "management" }},
]
[keys]
seal_key_file = "seal.key"
[limit]
connections_per_address = 4096
refused_messages_per_minute = 1000000
wrong_claims_per_minute = 1000000
logins_per_app = 10000
logins_per_address = 10000
[event]
format = "json"
burst_per_minute = 0
[upstream.provider]
profile = "generic"
issuer = "http://127.0.0.1:{provider}/generic"
client_id = "relais"
client_secret_file = "provider.secret"
[legacy.{APP}]
name = "Comptabilité"
home_url = "{HOME}"
callbacks = [{{ url = "{callback}", query_keys = ["vue"] }}]
key_file = "compta.key"
upstream = "provider"
delivery = "reference"
scopes = ["openid", "profile"]
claims = ["given_name"]
[legacy.{KIF_APP}]
name = "Ancienne"
home_url = "http://127.0.0.1:9000/"
callbacks = ["{kif_callback}"]
key_file = "ancienne.key"
upstream = "provider"
wire = "kif-cbc"
iv = "{kif_iv}"
sunset = "2099-12-31T00:00:00Z"
delivery = "reference"
scopes = ["openid", "profile"]
claims = ["given_name"]
{more}
{store}"#,
            callback = self.app.callback_base(),
            kif_callback = LegacyApp::new(KIF_APP).callback_base(),
            kif_iv = hex::encode(KIF_IV),
            tls = self.tls,
        );
        fs::write(&config, text).unwrap();
        Node { public, management, config, setting: String::new(), process: None }
    }
}

/// One process. It ends with the test.
pub struct Node {
    pub public: u16,
    pub management: u16,
    /// What its shell does before it becomes the relay.
    pub setting: String,
    pub config: PathBuf,
    process: Option<Child>,
}

impl Node {
    /// Starts it, and waits until it is ready.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.config.with_extension("log")).unwrap();
        self.start_into(log);
    }

    /// The same, with its log to somewhere else.
    pub fn start_into(&mut self, log: impl Into<Stdio>) {
        let mut child = self.command().stdout(log).spawn().unwrap();
        while !is_ready(self.management) {
            assert!(child.try_wait().unwrap().is_none(), "{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.process = Some(child);
    }

    /// Restarts it with these seal keys, if it has others.
    pub fn seals(&mut self, (present, other): (&str, Option<&str>)) {
        let text = fs::read_to_string(&self.config).unwrap();
        let (head, rest) = text.split_once("[keys]\n").unwrap();
        let rest = &rest[rest.find("[limit]").unwrap()..];
        let other = other.map(|name| format!("other_seal_key_file = \"{name}\"\n")).unwrap_or_default();
        let wanted = format!("{head}[keys]\nseal_key_file = \"{present}\"\n{other}{rest}");
        if wanted != text {
            fs::write(&self.config, wanted).unwrap();
            self.terminate();
            self.start();
        }
    }

    /// The ids of the relay's own keys, whether it runs or not.
    pub fn keys(&self) -> Vec<serde_json::Value> {
        let listed = self.relais(&["keys", "list", "--json"]).stdout;
        let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
        listed["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
    }

    /// A command of `relais` on its configuration.
    pub fn relais(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
        command.args(arguments).arg("--config").arg(&self.config).stdin(Stdio::null()).output().unwrap()
    }

    /// The same node in another place with this copy of its store, not started; its secrets come along.
    pub fn restored(&self, place: &Path, copy: &Path) -> Self {
        for file in fs::read_dir(self.config.parent().unwrap()).unwrap().map(|file| file.unwrap().path()) {
            if file
                .extension()
                .is_some_and(|ending| ["key", "secret", "toml"].map(OsStr::new).contains(&ending))
            {
                fs::copy(&file, place.join(file.file_name().unwrap())).unwrap();
            }
        }
        fs::copy(copy, place.join("relais.sqlite")).unwrap();
        let config = place.join(self.config.file_name().unwrap());
        Self {
            public: self.public,
            management: self.management,
            config,
            setting: String::new(),
            process: None,
        }
    }

    /// Its exit code and what it says where it refuses to start.
    pub fn refuses(&self) -> (Option<i32>, String) {
        let output = self.command().output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    fn command(&self) -> Command {
        const RELAIS: &str = env!("CARGO_BIN_EXE_relais");
        let mut command = if self.setting.is_empty() {
            Command::new(RELAIS)
        } else {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{}; exec \"$0\" \"$@\"", self.setting), RELAIS]);
            shell
        };
        command.args(["serve", "--config"]).arg(&self.config).stdin(Stdio::null());
        command
    }

    /// Of the running process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM, as service managers do; waits for the end.
    pub fn terminate(&mut self) {
        let mut process = self.process.take().unwrap();
        let pid = process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(process.wait().unwrap().code(), Some(0), "{}", self.log());
    }

    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.config.with_extension("log")).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// What a balancer asks a node.
pub fn is_ready(management: u16) -> bool {
    let url = format!("http://127.0.0.1:{management}/health/ready");
    ask(management, &Request::get(&url, &Cookies::new())).is_ok_and(|answer| answer.status == 200)
}
