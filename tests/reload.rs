//! A running relay is given another configuration: all of it, or nothing.

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::{Child, Command, Output, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    const RELAIS: &str = env!("CARGO_BIN_EXE_relais");

    struct Relay {
        process: Child,
        dir: tempfile::TempDir,
        public: u16,
        management: u16,
        log: Receiver<String>,
    }

    impl Drop for Relay {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    fn secret(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    impl Relay {
        fn start() -> Self {
            let dir = tempfile::tempdir().unwrap();
            // Two that are free together; the relay binds them a moment later.
            let held = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
            let [public, management] = held.each_ref().map(|one| one.local_addr().unwrap().port());
            drop(held);
            secret(&dir.path().join("compta.key"), &"0123456789abcdef".repeat(4));
            secret(&dir.path().join("idp.secret"), "a secret of the provider");
            write(dir.path(), public, management, "https://before.example/", "");
            let mut process = Command::new(RELAIS)
                .args(["serve", "--log-format", "json", "--config", "relais.toml"])
                .current_dir(&dir)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (tell, log) = channel();
            let lines = BufReader::new(process.stdout.take().unwrap()).lines();
            std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
            let relay = Self { process, dir, public, management, log };
            relay.said("server.started");
            for port in [public, management] {
                TcpStream::connect(("127.0.0.1", port)).unwrap();
            }
            relay
        }

        fn configure(&self, home: &str, more: &str) {
            write(self.dir.path(), self.public, self.management, home, more);
        }

        /// Waits for an event with this name.
        fn said(&self, event: &str) -> String {
            let event = format!("\"event\":\"{event}\"");
            loop {
                let line = self.log.recv_timeout(Duration::from_secs(20)).unwrap();
                if line.contains(&event) {
                    return line;
                }
            }
        }

        fn reload(&self) -> (Option<i32>, String) {
            let Output { status, stdout, stderr } = Command::new(RELAIS)
                .args(["reload", "--config", "relais.toml"])
                .current_dir(&self.dir)
                .output()
                .unwrap();
            (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
        }

        /// A bad message: its page has the application's button.
        fn page(&self) -> String {
            ask(self.public, "GET /idp/compta?msg=00", "")
        }

        /// A message under this key.
        fn message(&self, key: &str) -> String {
            let mut encode = Command::new(RELAIS)
                .args(["legacy", "encode", "--app", "compta", "--key-file", key, "--direction", "request"])
                .current_dir(&self.dir)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let callback = b"https://app.example/back?state=0123456789abcdef&nonce=0123456789abcdef";
            encode.stdin.take().unwrap().write_all(callback).unwrap();
            String::from_utf8(encode.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
        }
    }

    fn write(dir: &Path, public: u16, management: u16, home: &str, more: &str) {
        let text = format!(
            r#"
[server]
public_url = "http://127.0.0.1:{public}"
listeners = [
  {{ address = "127.0.0.1:{public}", kind = "public" }},
  {{ address = "127.0.0.1:{management}", kind = "management" }},
]
[store]
path = "relais.sqlite"
[upstream.idp]
profile = "generic"
issuer = "http://127.0.0.1:9"
client_id = "relais"
client_secret_file = "idp.secret"
[upstream.idp.endpoints]
authorization = "http://127.0.0.1:9/a"
token = "http://127.0.0.1:9/t"
userinfo = "http://127.0.0.1:9/u"
jwks = "http://127.0.0.1:9/j"
[legacy.compta]
name = "Comptabilité"
home_url = "{home}"
callbacks = ["https://app.example/back"]
key_file = "compta.key"
upstream = "idp"
{more}
"#
        );
        fs::write(dir.join("relais.toml"), text).unwrap();
    }

    fn ask(port: u16, line: &str, more: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn what_the_file_says_is_in_force_at_once() {
        let relay = Relay::start();
        assert!(relay.page().contains("https://before.example/"));
        relay.configure("https://after.example/", "");
        assert!(relay.page().contains("https://before.example/"), "not before it is asked for");
        assert_eq!(relay.reload(), (Some(0), "reloaded\n".to_owned()));
        assert!(relay.page().contains("https://after.example/"));
        assert!(!relay.said("server.reloaded").contains("reason"));

        // A secret is read from its file again.
        secret(&relay.dir.path().join("next.key"), &"fedcba9876543210".repeat(4));
        let url = format!("GET /idp/compta?msg={}", relay.message("next.key"));
        assert!(ask(relay.public, &url, "").starts_with("HTTP/1.1 400 "));
        fs::rename(relay.dir.path().join("next.key"), relay.dir.path().join("compta.key")).unwrap();
        // By the signal this time, as service managers do.
        let pid = relay.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        relay.said("server.reloaded");
        let url = format!("GET /idp/compta?msg={}", relay.message("compta.key"));
        assert!(ask(relay.public, &url, "").starts_with("HTTP/1.1 303 "), "{}", ask(relay.public, &url, ""));
    }

    #[test]
    fn what_is_wrong_changes_nothing_and_says_why() {
        let relay = Relay::start();
        relay.configure("https://after.example/", "claim = []");
        let (code, told) = relay.reload();
        assert_eq!(code, Some(78), "{told}");
        assert!(told.contains("legacy.compta.claim: unknown key"), "{told}");
        let pid = relay.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        let event = relay.said("server.reloaded");
        assert!(event.contains("server.not_reloaded") && event.contains("unknown key"), "{event}");
        assert!(relay.page().contains("https://before.example/"));

        relay.configure(
            "https://after.example/",
            "[limit]\nsessions = 7\n[outbound]\ntotal_milliseconds = 5000",
        );
        let (code, told) = relay.reload();
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("only a restart changes [limit], [outbound]"), "{told}");
        assert!(relay.page().contains("https://before.example/"), "all or nothing");
        assert!(relay.said("server.reloaded").contains("server.not_reloaded"));

        relay.configure("https://after.example/", "");
        assert!(ask(relay.management, "POST /reload", "Origin: https://evil.example\r\n").contains(" 403 "));
        assert!(ask(relay.management, "GET /reload", "").contains(" 405 "));
        assert!(ask(relay.public, "POST /reload", "").contains(" 404 "));
        assert!(relay.page().contains("https://before.example/"));
        assert_eq!(relay.reload().0, Some(0));
    }

    #[test]
    fn a_relay_that_cannot_listen_does_not_say_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let held = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [public, management] = held.each_ref().map(|one| one.local_addr().unwrap().port());
        let [free, _taken] = held;
        drop(free);
        secret(&dir.path().join("compta.key"), &"0123456789abcdef".repeat(4));
        secret(&dir.path().join("idp.secret"), "a secret of the provider");
        write(dir.path(), public, management, "https://before.example/", "");
        let serve = ["serve", "--log-format", "json", "--config", "relais.toml"];
        let Output { status, stdout, stderr } =
            Command::new(RELAIS).args(serve).current_dir(&dir).output().unwrap();
        let [said, told] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!((status.code(), told.contains("cannot listen on")), (Some(1), true), "{told}");
        assert!(!said.contains("server.started"), "{said}");
    }

    #[test]
    fn nobody_is_refused_while_it_happens() {
        let relay = Relay::start();
        let (done, asked) = (AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        assert!(ask(relay.public, "GET /", "").starts_with("HTTP/1.1 200 "));
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            for turn in 0..20 {
                relay.configure(&format!("https://turn-{turn}.example/"), "");
                assert_eq!(relay.reload().0, Some(0));
                assert!(relay.page().contains(&format!("https://turn-{turn}.example/")));
            }
            done.store(true, Ordering::SeqCst);
        });
        assert!(asked.load(Ordering::SeqCst) > 20);
    }
}
