//! Real servers, each in a directory of its own and for one test: started, stopped, killed, gone with the test.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use relais::secret::Secret;
use relais::store::{PostgresSettings, RedisSettings};

/// Where a tool is: as `variable` says, or at one of the usual places. Where it is missing, the test says so,
/// and fails if it must be there.
pub fn tool(variable: &str, usual: &[&str], name: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).map(PathBuf::from);
    let found = given.or_else(|| usual.iter().map(PathBuf::from).find(|path| path.exists()));
    if found.is_none() {
        assert!(std::env::var_os("RELAIS_TEST_REQUIRE_FOREIGN").is_none(), "{name} is missing");
        writeln!(std::io::stdout(), "!! SKIPPED: {name} is missing").unwrap();
    }
    found
}

/// A command that ends with this test's thread, and does not run as root, which PostgreSQL refuses.
fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some((user, group)) = user {
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
    }
    command.arg(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().ok()
}

/// Who runs the server, if we are root.
pub fn nobody() -> Option<(u32, u32)> {
    let root = id(&["-u"]) == Some(0);
    let one = |name| Some((id(&["-u", name])?, id(&["-g", name])?));
    root.then(|| one("postgres").or_else(|| one("nobody")).unwrap())
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn signal(signal: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let pids = pids.iter().map(u32::to_string);
    Command::new("kill").arg(signal).args(pids).stderr(Stdio::null()).status().unwrap();
}

fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parent_of = |pid: &u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    pids.filter(|pid| parent_of(pid) == Some(parent)).collect()
}

/// A server's process and its place.
pub struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    user: Option<(u32, u32)>,
    pub port: u16,
    pub directory: tempfile::TempDir,
    child: Option<Child>,
}

impl Server {
    /// A server that runs: its program, which will listen at `port`.
    pub fn run(
        program: PathBuf,
        arguments: Vec<String>,
        user: Option<(u32, u32)>,
        port: u16,
        directory: tempfile::TempDir,
    ) -> Self {
        let mut server = Self { program, arguments, user, port, directory, child: None };
        server.start();
        server
    }

    pub fn start(&mut self) {
        for _ in 0..300 {
            let mut child = command(&self.program, self.user)
                .args(&self.arguments)
                .current_dir(self.directory.path())
                .spawn()
                .unwrap();
            // One that was just killed may still hold the directory, and this one then gives up.
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.serves() {
                    self.child = Some(child);
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{} does not start", self.program.display());
    }

    /// PostgreSQL takes connections before it has read its log, and refuses them.
    fn serves(&self) -> bool {
        if !self.program.ends_with("postgres") {
            return true;
        }
        let mut asked = command(&self.program.with_file_name("pg_isready"), None);
        asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status().unwrap().success()
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) {
        // One that is stopped dies all the same.
        signal("-KILL", &self.family());
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// The server's processes, the first one first.
    pub fn family(&self) -> Vec<u32> {
        let first = self.child.as_ref().map(Child::id);
        first.into_iter().chain(first.into_iter().flat_map(children)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// PostgreSQL with an empty database; `None` says itself that it was skipped.
pub fn postgres() -> Option<Server> {
    let usual: Vec<String> = (13..30).rev().map(|n| format!("/usr/lib/postgresql/{n}/bin")).collect();
    let usual: Vec<&str> = usual.iter().map(String::as_str).collect();
    let programs = tool("RELAIS_TEST_POSTGRES", &usual, "PostgreSQL's server (Debian: postgresql)")?;
    let directory = tempfile::tempdir().unwrap();
    let user = nobody();
    if let Some((user, group)) = user {
        chown(directory.path(), Some(user), Some(group)).unwrap();
    }
    let data = directory.path().join("data");
    let made = command(&programs.join("initdb"), user)
        .args(["--no-sync", "--auth=trust", "--username=relais", "--encoding=UTF8", "--locale=C", "-D"])
        .arg(&data)
        .current_dir(directory.path())
        .status();
    assert!(made.unwrap().success(), "initdb");
    let port = free_port();
    let mut arguments = vec!["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.to_string()];
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=32MB"] {
        arguments.extend(["-c".to_owned(), setting.to_owned()]);
    }
    Some(Server::run(programs.join("postgres"), arguments, user, port, directory))
}

pub fn postgres_settings(server: &Server) -> PostgresSettings {
    PostgresSettings {
        url: Secret::new(format!("postgres://relais@127.0.0.1:{}/postgres", server.port)),
        tls: false,
        ca_file: None,
        schema: "relais".to_owned(),
        max_connections: 16,
        timeout: Duration::from_millis(1_500),
    }
}

/// Redis, which writes down what it acknowledges; `None` says itself that it was skipped.
pub fn redis(more: &[&str]) -> Option<Server> {
    let usual = ["/usr/bin/redis-server", "/usr/bin/valkey-server"];
    let program = tool("RELAIS_TEST_REDIS", &usual, "Redis's server (Debian: redis-server)")?;
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let place = directory.path().display().to_string();
    let mut arguments: Vec<String> =
        ["--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--dir", &place, "--port"]
            .map(str::to_owned)
            .to_vec();
    arguments.push(port.to_string());
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    Some(Server::run(program, arguments, None, port, directory))
}

pub fn redis_settings(server: &Server) -> RedisSettings {
    RedisSettings {
        url: Secret::new(format!("redis://127.0.0.1:{}/", server.port)),
        ca_file: None,
        prefix: "relais:".to_owned(),
        timeout: Duration::from_millis(1_500),
        wait_replicas: 0,
    }
}
