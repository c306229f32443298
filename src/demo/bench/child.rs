//! What is measured, as processes of their own: the relay as `relais serve` runs it, and the floor.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::cpu::{cpu, rss};
use super::parties::{PATH, Party};
use super::{BenchError, floor};
use crate::demo::http_client::HttpClient;
use crate::entropy::Entropy;

/// A process, which ends when this is dropped.
pub(super) struct Child {
    /// Where it listens.
    pub address: SocketAddr,
    pid: u32,
    stat: PathBuf,
    process: tokio::process::Child,
}

impl Child {
    /// The relay, for the configuration in `directory`, which this writes.
    pub(super) async fn relay(
        directory: &Path,
        address: SocketAddr,
        provider: SocketAddr,
    ) -> Result<Self, BenchError> {
        let config = directory.join("relais.toml");
        std::fs::write(&config, configuration(address, provider))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--config"]).arg(config).stdin(Stdio::null());
        Self::start(command, address).await
    }

    /// The floor.
    pub(super) async fn floor(settings: &floor::Settings) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "--floor"]).stdin(Stdio::piped());
        let mut line = serde_json::to_vec(settings).map_err(io::Error::other)?;
        line.push(b'\n');
        let mut child = Self::spawn(command, settings.listen)?;
        if let Some(stdin) = &mut child.process.stdin {
            stdin.write_all(&line).await?;
        }
        child.answers().await?;
        Ok(child)
    }

    async fn start(command: Command, address: SocketAddr) -> Result<Self, BenchError> {
        let mut child = Self::spawn(command, address)?;
        child.answers().await?;
        Ok(child)
    }

    fn spawn(mut command: Command, address: SocketAddr) -> Result<Self, BenchError> {
        // The log is written as in earnest, and goes nowhere.
        let process = command.stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        let pid = process.id().ok_or(BenchError::NoRelay)?;
        Ok(Self { address, pid, stat: PathBuf::from(format!("/proc/{pid}/stat")), process })
    }

    async fn answers(&mut self) -> Result<(), BenchError> {
        for _ in 0..200 {
            if self.process.try_wait()?.is_some() {
                break;
            }
            if let Ok(mut client) = HttpClient::connect(self.address).await
                && client.get("/", &[]).await.is_ok_and(|reply| reply.status == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(BenchError::NoRelay)
    }

    /// Ends it, and waits until it has ended.
    pub(super) async fn end(mut self) -> Result<(), BenchError> {
        Ok(self.process.kill().await?)
    }

    /// Its CPU time so far.
    pub(super) fn cpu(&self) -> Result<Duration, BenchError> {
        cpu(&self.stat)
    }

    /// Its resident memory, in KiB.
    pub(super) fn rss(&self) -> Result<u64, BenchError> {
        rss(self.pid)
    }
}

/// An address that nothing listens on, below the ports that the system gives to outgoing connections.
pub(super) async fn free_address(entropy: &dyn Entropy) -> io::Result<SocketAddr> {
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

/// Room for everybody: what is measured is the work, and no limit.
fn configuration(relay: SocketAddr, provider: SocketAddr) -> String {
    let issuer = format!("http://{provider}{PATH}");
    let parties: String = Party::ALL.map(|party| party.configuration(&issuer)).concat();
    format!(
        r#"
[server]
public_url = "http://{relay}"
listeners = [{{ address = "{relay}", kind = "public" }}]
trusted_proxies = ["127.0.0.1"]
[limit]
logins_in_flight = 100000
logins_per_app = 100000
logins_per_address = 100000
sessions = 1000000
[event]
format = "json"
{parties}"#
    )
}
