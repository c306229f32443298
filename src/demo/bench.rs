//! `relais bench`: what one login costs the relay, in CPU time of a process of its own.
//!
//! The relay runs as a child, as `relais serve` would; the simulated provider (somebody else each time, without a
//! page) on a thread of its own, and the browsers are here, so that the work of each is counted apart.

mod cpu;
mod provider;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use stub_upstream::Stub;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use self::cpu::{cpu, rss};
use self::provider::Provider;
use super::http_client::{HttpClient, Reply};
use super::{DemoError, Keep};
use crate::clock::{Clock as _, SystemClock};
use crate::entropy::{Entropy, SystemEntropy};
use crate::legacy::wires::Keyed;
use crate::legacy::{Direction, MasterKey, wires};
use crate::service::AppId;

/// How many browsers sign in at once.
const BROWSERS: usize = 16;
/// Warm-up before anything is counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was done.
    pub scenario: &'static str,
    /// CPU time of the relay per login, user and system, in microseconds.
    pub cpu_us: f64,
    /// CPU time of the simulated provider per login, in microseconds; its share of the machine, none of the relay's.
    pub stub_cpu_us: f64,
    /// Logins per second that one core would bear.
    pub per_core_per_s: u64,
    /// Logins that did not end in an answer.
    pub errors: u64,
    /// Logins counted.
    pub logins: u64,
    /// The relay's resident memory at the end, in KiB.
    pub rss_kib: u64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file, port or process.
    #[error("the bench cannot be set up")]
    Io(#[from] io::Error),
    /// Keys and directories.
    #[error(transparent)]
    SetUp(#[from] DemoError),
    /// The relay ended, or never answered.
    #[error("the relay under test does not answer")]
    NoRelay,
    /// `/proc` is not what it should be.
    #[error("the CPU time cannot be read")]
    NoFigure,
}

/// Signs in through legacy applications for `seconds`, and reports what each login cost the relay.
pub async fn relay(seconds: u64) -> Result<Report, BenchError> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let directory = std::env::temp_dir().join(format!("relais-bench-{}", hex::encode(entropy.bytes::<8>())));
    let measured = measure(seconds, &directory, &entropy).await;
    std::fs::remove_dir_all(&directory)?;
    measured
}

async fn measure(seconds: u64, directory: &Path, entropy: &Arc<dyn Entropy>) -> Result<Report, BenchError> {
    let keep = Keep::open(directory)?;
    let (secret, key) = (keep.secret("upstream.secret")?, keep.secret("bench.key")?);
    let relay = free_port(&**entropy).await?;
    let provider = TcpListener::bind("127.0.0.1:0").await?;
    let stub_address = provider.local_addr()?;
    let callback = format!("http://{relay}/callback/provider");
    let stub = Stub::builder(format!("http://{stub_address}"))
        .client("bench", &secret, &[callback], &[] as &[&str])
        .auto_login(Some("load"))
        .build()
        .map_err(DemoError::from)?;
    let provider = Provider::start(provider, stub)?;
    let config = directory.join("relais.toml");
    std::fs::write(&config, configuration(relay, stub_address))?;
    let mut child = start(&config)?;
    let pid = child.id().ok_or(BenchError::NoRelay)?;
    let relay_stat = PathBuf::from(format!("/proc/{pid}/stat"));
    let app = AppId::parse("bench").ok_or(BenchError::NoRelay)?;
    let key = MasterKey::from_hex(&key).map_err(io::Error::other)?;
    let wire = wires::WIRES.first().ok_or(BenchError::NoRelay)?;
    let keyed: Arc<dyn Keyed> = wire.keyed(&key, &app, None).ok_or(BenchError::NoRelay)?.into();
    let load = Load { relay, stub: stub_address, keyed, entropy: entropy.clone(), counts: Arc::default() };
    let report = async {
        wait_for(relay, &mut child).await?;
        load.run(WARM_UP).await;
        load.counts.take();
        let before = (cpu(&relay_stat)?, cpu(provider.stat())?);
        load.run(Duration::from_secs(seconds)).await;
        let spent = cpu(&relay_stat)?.saturating_sub(before.0);
        let stub_spent = cpu(provider.stat())?.saturating_sub(before.1);
        let (logins, errors) = load.counts.take();
        Ok(report(logins, errors, spent, stub_spent, rss(pid)?))
    };
    let report = report.await;
    child.kill().await?;
    report
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
fn report(logins: u64, errors: u64, spent: Duration, stub_spent: Duration, rss_kib: u64) -> Report {
    let per_login = |spent: Duration| spent.as_micros() as f64 / logins.max(1) as f64;
    let tenths = |figure: f64| (figure * 10.0).round() / 10.0;
    let cpu_us = per_login(spent);
    let per_core_per_s = if cpu_us > 0.0 { (1_000_000.0 / cpu_us) as u64 } else { 0 };
    Report {
        scenario: "relay",
        cpu_us: tenths(cpu_us),
        stub_cpu_us: tenths(per_login(stub_spent)),
        per_core_per_s,
        errors,
        logins,
        rss_kib,
    }
}

fn start(config: &Path) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["serve", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        // The log is written as in earnest, and goes nowhere.
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// An address that nothing listens on, below the ports that the system gives to outgoing connections.
async fn free_port(entropy: &dyn Entropy) -> io::Result<SocketAddr> {
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..50 {
        let port = 22_000 + u16::from_be_bytes(entropy.bytes()) % 10_000;
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(free) => return free.local_addr(),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn wait_for(relay: SocketAddr, child: &mut Child) -> Result<(), BenchError> {
    for _ in 0..200 {
        if child.try_wait()?.is_some() {
            return Err(BenchError::NoRelay);
        }
        if let Ok(mut client) = HttpClient::connect(relay).await
            && client.get("/", &[]).await.is_ok_and(|reply| reply.status == 200)
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(BenchError::NoRelay)
}

#[derive(Default)]
struct Counts {
    logins: AtomicU64,
    errors: AtomicU64,
}

impl Counts {
    fn take(&self) -> (u64, u64) {
        (self.logins.swap(0, Ordering::SeqCst), self.errors.swap(0, Ordering::SeqCst))
    }
}

#[derive(Clone)]
struct Load {
    relay: SocketAddr,
    stub: SocketAddr,
    keyed: Arc<dyn Keyed>,
    entropy: Arc<dyn Entropy>,
    counts: Arc<Counts>,
}

impl Load {
    async fn run(&self, time: Duration) {
        let browsers: Vec<_> = (0..BROWSERS)
            .map(|_| {
                let load = self.clone();
                tokio::spawn(async move { tokio::time::timeout(time, load.browse()).await })
            })
            .collect();
        for browser in browsers {
            let _ = browser.await;
        }
    }

    /// One browser after another on the same connections: each without a cookie at first.
    async fn browse(&self) {
        loop {
            let Ok(mut relay) = HttpClient::connect(self.relay).await else { return };
            let Ok(mut stub) = HttpClient::connect(self.stub).await else { return };
            while let Ok(answered) = self.sign_in(&mut relay, &mut stub).await {
                let count = if answered { &self.counts.logins } else { &self.counts.errors };
                count.fetch_add(1, Ordering::Relaxed);
            }
            self.counts.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn sign_in(&self, relay: &mut HttpClient, stub: &mut HttpClient) -> io::Result<bool> {
        let callback = format!(
            "http://127.0.0.1:9/retour?state={}&nonce={}",
            hex::encode(self.entropy.bytes::<16>()),
            hex::encode(self.entropy.bytes::<16>()),
        );
        let msg = self.keyed.seal(Direction::Request, SystemClock.now(), &*self.entropy, callback.as_bytes());
        let begun = relay.get(&format!("/idp/bench?msg={msg}"), &[]).await?;
        let authorized = stub.get(&target(&begun), &[]).await?;
        let answered = relay.get(&target(&authorized), &begun.cookies).await?;
        Ok(answered.status == 303 && answered.location.is_some_and(|to| to.contains("?info=")))
    }
}

/// Path and query of where an answer redirects to.
fn target(reply: &Reply) -> String {
    let location = reply.location.as_deref().unwrap_or_default();
    let path = location.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    format!("/{}", path.map(|(_, path)| path).unwrap_or_default())
}

fn configuration(relay: SocketAddr, stub: SocketAddr) -> String {
    format!(
        r#"
[server]
public_url = "http://{relay}"
listeners = [{{ address = "{relay}", kind = "public" }}]
[limit]
logins_per_address = 10000
sessions = 1000000
[event]
format = "json"
[upstream.provider]
profile = "franceconnect_v2"
issuer = "http://{stub}/api/v2"
client_id = "bench"
client_secret_file = "upstream.secret"
[legacy.bench]
name = "Bench"
home_url = "http://127.0.0.1:9/"
callbacks = ["http://127.0.0.1:9/retour"]
key_file = "bench.key"
upstream = "provider"
scopes = ["openid", "profile", "birth", "email"]
claims = ["given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry", "email"]
"#
    )
}
