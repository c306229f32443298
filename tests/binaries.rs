//! The real programs over TCP: `relais serve` as an operator runs it, the simulated provider on a socket of its
//! own, and applications in other languages, with cryptography that is not ours.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::fs;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::{AtomicU16, Ordering};
    use std::time::Duration;

    use relais::crypto::hash::sha256;

    const RELAIS: &str = env!("CARGO_BIN_EXE_relais");

    /// A port that nothing listens on, with the four after it, below those that the system gives to outgoing
    /// connections.
    fn free_port() -> u16 {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = 20_000 + u16::try_from(std::process::id() % 1000).unwrap() * 10;
        for _ in 0..500 {
            let port = start + NEXT.fetch_add(5, Ordering::SeqCst) % 2000;
            if (port..port + 5).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
                return port;
            }
        }
        panic!("no port is free");
    }

    fn wait_for(port: u16) {
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nothing listens on {port}");
    }

    /// A child that does not outlive its test.
    struct Running(Child);

    impl Running {
        fn start(command: &mut Command) -> Self {
            Self(command.stdin(Stdio::null()).spawn().unwrap())
        }

        /// Asks it to stop, as a service manager does; its exit code.
        fn terminate(mut self) -> Option<i32> {
            let pid = self.0.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
            self.0.wait().unwrap().code()
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// A browser that opens a connection per request: cookies by host, redirects followed.
    #[derive(Default)]
    struct Browser {
        cookies: BTreeMap<String, String>,
    }

    struct Page {
        url: String,
        status: u16,
        body: String,
        location: Option<String>,
    }

    impl Browser {
        fn open(&mut self, url: &str) -> Page {
            let mut page = self.get(url);
            for _ in 0..12 {
                let Some(location) = page.location.take() else { return page };
                let next = url::Url::parse(&page.url).unwrap().join(&location).unwrap();
                page = self.get(next.as_str());
            }
            panic!("too many redirects at {}", page.url);
        }

        fn get(&mut self, url: &str) -> Page {
            let (host, target) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
            let address: SocketAddr = host.parse().unwrap();
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let head = format!(
                "GET /{target} HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
                cookies.join("; ")
            );
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let mut page = Page { url: url.to_owned(), status: 0, body: body.to_owned(), location: None };
            for line in head.lines() {
                match line.split_once(": ") {
                    None => page.status = line.split(' ').nth(1).unwrap().parse().unwrap(),
                    Some((name, value)) if name.eq_ignore_ascii_case("location") => {
                        page.location = Some(value.to_owned());
                    }
                    Some((name, value)) if name.eq_ignore_ascii_case("set-cookie") => {
                        let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
                        self.cookies.insert(name.to_owned(), value.to_owned());
                    }
                    Some(_) => {}
                }
            }
            page
        }
    }

    fn write_secret(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A configuration with one application per example and delivery, and the simulated provider for it.
    fn deployment(dir: &Path, relay: u16, apps: &[(String, &str, u16)]) -> tokio::runtime::Runtime {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let provider = socket.local_addr().unwrap();
        let callback = format!("http://127.0.0.1:{relay}/callback/provider");
        let stub = stub_upstream::Stub::builder(format!("http://{provider}"))
            .client("relais", "the secret of this test, 32 letters", &[callback], &[] as &[&str])
            .auto_login(Some("angela"))
            .build()
            .unwrap();
        runtime.spawn(stub_upstream::serve(socket, stub, std::future::pending()));
        write_secret(&dir.join("secret"), "the secret of this test, 32 letters");
        let mut config = format!(
            "[server]\npublic_url = \"http://127.0.0.1:{relay}\"\n\
             listeners = [{{ address = \"127.0.0.1:{relay}\", kind = \"public\" }}]\n\
             [event]\nformat = \"json\"\n\
             [upstream.provider]\nprofile = \"franceconnect_v2\"\nissuer = \"http://{provider}/api/v2\"\n\
             client_id = \"relais\"\nclient_secret_file = \"secret\"\n"
        );
        for (id, delivery, port) in apps {
            write_secret(&dir.join(format!("{id}.key")), &hex::encode(sha256(&[id.as_bytes()])));
            write!(
                config,
                "[legacy.{id}]\nname = \"{id}\"\nhome_url = \"http://127.0.0.1:{port}/\"\n\
                 callbacks = [\"http://127.0.0.1:{port}/retour\"]\nkey_file = \"{id}.key\"\n\
                 upstream = \"provider\"\ndelivery = \"{delivery}\"\nscopes = [\"openid\", \"profile\"]\n\
                 claims = [\"given_name\", \"family_name\"]\n"
            )
            .unwrap();
        }
        fs::write(dir.join("relais.toml"), config).unwrap();
        runtime
    }

    fn serve(dir: &Path, relay: u16) -> Running {
        let log = fs::File::create(dir.join("log")).unwrap();
        let config = dir.join("relais.toml");
        let running =
            Running::start(Command::new(RELAIS).args(["serve", "--config"]).arg(config).stdout(log));
        wait_for(relay);
        running
    }

    #[expect(clippy::print_stdout, reason = "a skip is said aloud")]
    /// The interpreter of an example: what `tests/run` found, or what is on the path. Where it is missing, the test
    /// says so, and fails if it must be there.
    fn interpreter(variable: &str, usual: &str) -> Option<String> {
        let found = std::env::var(variable).ok().or_else(|| {
            let there =
                Command::new(usual).arg("--version").output().is_ok_and(|output| output.status.success());
            there.then(|| usual.to_owned())
        });
        if found.is_none() {
            assert!(std::env::var_os("RELAIS_TEST_REQUIRE_FOREIGN").is_none(), "{usual} is missing");
            println!("!! SKIPPED: {usual} is missing");
        }
        found
    }

    fn sign_in_at(language: &str, variable: &str, usual: &str) {
        let Some(interpreter) = interpreter(variable, usual) else { return };
        let dir = tempfile::tempdir().unwrap();
        let relay = free_port();
        let apps =
            ["query", "reference"].map(|delivery| (format!("{language}-{delivery}"), delivery, free_port()));
        let _provider = deployment(dir.path(), relay, &apps);
        let relais = serve(dir.path(), relay);
        let run = fs::canonicalize(format!("legacy-client-examples/{language}/run")).unwrap();
        for (id, delivery, port) in &apps {
            let _application = Running::start(
                Command::new(&run)
                    .env(language.to_uppercase(), &interpreter)
                    .env("RELAIS_URL", format!("http://127.0.0.1:{relay}"))
                    .env("RELAIS_APP", id)
                    .env("RELAIS_KEY_FILE", dir.path().join(format!("{id}.key")))
                    .env("DELIVERY", delivery)
                    .env("PORT", port.to_string())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null()),
            );
            wait_for(*port);
            let mut browser = Browser::default();
            let page = browser.open(&format!("http://127.0.0.1:{port}/login"));
            assert_eq!(
                (page.status, page.url.as_str()),
                (200, &*format!("http://127.0.0.1:{port}/")),
                "{}",
                page.body
            );
            assert!(page.body.contains("GARAN\u{c7}ON"), "{id}: {}", page.body);
            assert!(page.body.contains('\u{2714}') && !page.body.contains('\u{2716}'), "{id}: {}", page.body);
        }
        // Lines wait a moment for others; at the end they are all written.
        assert_eq!(relais.terminate(), Some(0));
        let log = fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(log.matches("legacy.answer.issued").count(), 2, "{log}");
        assert_eq!(log.matches("legacy.claimed").count(), 1, "{log}");
        assert!(!log.contains("GARAN"), "{log}");
        assert!(log.contains("server.stopping"), "{log}");
    }

    #[test]
    fn php_signs_in_at_the_real_relay() {
        sign_in_at("php", "RELAIS_TEST_PHP", "php");
    }

    #[test]
    fn python_signs_in_at_the_real_relay() {
        sign_in_at("python", "RELAIS_TEST_PYTHON", "/usr/bin/python3");
    }

    /// The README's first command: everything in one process, nothing to prepare.
    #[test]
    fn the_demo_is_ready_and_ends() {
        let dir = tempfile::tempdir().unwrap();
        let base = free_port();
        let mut child = Command::new(RELAIS)
            .args(["demo", "--port-base", &base.to_string()])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let demo = Running(child);
        let mut urls = Vec::new();
        for line in out.lines() {
            let line = line.unwrap();
            urls.extend(line.split_whitespace().find(|word| word.starts_with("http")).map(str::to_owned));
            if line == "ready" {
                break;
            }
        }
        for part in [0, 1, 2, 4] {
            let url = format!("http://127.0.0.1:{}", base + part);
            assert!(urls.iter().any(|printed| printed.starts_with(&url)), "{url} is not printed: {urls:?}");
        }
        let page = Browser::default().open(&format!("http://127.0.0.1:{}/login?delivery=query", base + 2));
        assert!(
            page.url.contains("/api/v2/") && page.body.contains("name=\"persona\""),
            "{}: {}",
            page.url,
            page.body
        );
        let ready = Browser::default().get(&format!("http://127.0.0.1:{}/health/ready", base + 4));
        assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
        let live = Browser::default().get(&format!("http://127.0.0.1:{}/health/live", base + 4));
        assert_eq!(live.status, 200);
        assert_eq!(demo.terminate(), Some(0));
        // It wrote only under its own directory.
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".relais-demo"]);
    }

    /// The bench's figures are one JSON object for each scenario, and no login failed, at the relay or at its floor.
    #[test]
    fn the_bench_tells_its_figures() {
        let scenarios = ["memory", "relay", "garbage-msg"];
        let output = Command::new(RELAIS)
            .arg("bench")
            .args(scenarios.iter().rev().flat_map(|name| ["--scenario", name]))
            .args(["--json", "--seconds", "1", "--warm-up", "0", "--sessions", "500"])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success());
        let reports: Vec<serde_json::Value> = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let told: Vec<_> = reports.iter().map(|report| report["scenario"].as_str().unwrap()).collect();
        assert_eq!(told, scenarios);
        for report in &reports {
            assert_eq!(report["errors"], 0, "{report}");
        }
        let [memory, relay, garbage] = &reports[..] else { panic!("{reports:?}") };
        assert!(memory["idle_kib"].as_u64() > Some(1_000), "{memory}");
        assert!(memory["login_in_flight_bytes"].as_u64() > Some(100), "{memory}");
        assert_eq!(memory["logins_in_flight"], 100);
        assert!(
            garbage["cpu_us"].as_f64() > Some(0.0) && garbage["requests"].as_u64() > Some(10),
            "{garbage}"
        );
        // What the relay does besides, the floor does not; and the simulator must never be what is measured.
        let us = |name: &str| relay[name].as_f64().unwrap();
        assert!(us("floor_us") > 0.0 && us("floor_us") < us("cpu_us"), "{relay}");
        assert!(us("stub_cpu_us") > 0.0 && us("stub_cpu_us") < us("cpu_us"), "{relay}");
        assert!(us("times_floor") > 1.0 && relay["logins"].as_u64() > Some(10), "{relay}");
    }

    /// The option goes before the configuration, which has `json` here; KIF's is the same in both places.
    #[test]
    fn the_log_has_the_form_that_the_option_names() {
        let dir = tempfile::tempdir().unwrap();
        let relay = free_port();
        let _provider = deployment(dir.path(), relay, &[("a".to_owned(), "query", 9)]);
        let config = fs::read_to_string(dir.path().join("relais.toml")).unwrap();
        fs::write(dir.path().join("kif.toml"), config.replace("format = \"json\"", "format = \"kif\""))
            .unwrap();
        for args in [&["relais.toml", "--log-format", "kif"][..], &["kif.toml"]] {
            let log = fs::File::create(dir.path().join("log")).unwrap();
            let mut serve = Command::new(RELAIS);
            serve.current_dir(dir.path()).args(["serve", "--config"]).args(args).stdout(log);
            let relais = Running::start(&mut serve);
            wait_for(relay);
            Browser::default().open(&format!("http://127.0.0.1:{relay}/"));
            assert_eq!(relais.terminate(), Some(0));
            let log = fs::read_to_string(dir.path().join("log")).unwrap();
            let shown =
                log.lines().find(|line| line.contains("msg [accès à /]; auth: anonymous; req: ")).unwrap();
            let (date, rest) = shown.split_once(" net.fenyo.franceconnect.WebController - log fc: ").unwrap();
            let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            assert_eq!(shape, "INFO : 9999-99-99 99:99:99,999");
            assert!(rest.contains("req: remote addr [127.0.0.1]; "), "{shown}");
            assert!(
                log.contains(" relais.server - log fc: msg [server.stopping]; "),
                "nothing is lost: {log}"
            );
        }
    }

    /// A second process on the same file is refused; a lost seal key is not made anew.
    #[test]
    fn one_process_one_file_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (free_port(), free_port());
        let _provider = deployment(dir.path(), first, &[("a".to_owned(), "query", 9)]);
        let relais = serve(dir.path(), first);
        let config = fs::read_to_string(dir.path().join("relais.toml")).unwrap();
        fs::write(dir.path().join("second.toml"), config.replace(&first.to_string(), &second.to_string()))
            .unwrap();
        let start = |config: &str| {
            let output = Command::new(RELAIS)
                .args(["serve", "--config"])
                .arg(dir.path().join(config))
                .output()
                .unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let (code, said) = start("second.toml");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("relais.sqlite"), "{said}");
        assert_eq!(relais.terminate(), Some(0));
        fs::remove_file(dir.path().join("relais.key")).unwrap();
        let (code, said) = start("relais.toml");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("relais.key") && !dir.path().join("relais.key").exists(), "{said}");
    }
    /// `relais keys` finds the keyring wherever it is: behind a running relay's management listener, in the store of
    /// one that is stopped; and tells when it is nowhere.
    #[test]
    fn keys_of_a_relay_that_runs_and_of_one_that_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let relay = free_port();
        let _provider = deployment(dir.path(), relay, &[("a".to_owned(), "query", 9)]);
        let path = dir.path().join("relais.toml");
        let public = format!("listeners = [{{ address = \"127.0.0.1:{relay}\", kind = \"public\" }}");
        let both = format!("{public}, {{ address = \"127.0.0.1:{}\", kind = \"management\" }}", relay + 1);
        let config = fs::read_to_string(&path).unwrap().replace(&public, &both);
        assert!(config.contains("management"));
        fs::write(&path, format!("{config}[keys]\nseal_key_file = \"seal.key\"\n")).unwrap();
        let run = |args: &[&str]| {
            let output = Command::new(RELAIS).current_dir(dir.path()).args(args).output().unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (output.status.code(), text(output.stdout), text(output.stderr))
        };
        let keys = |args: &[&str]| run(&[&["keys"][..], args, &["--config", "relais.toml"]].concat());
        assert_eq!(run(&["keys", "generate", "seal", "--out", "seal.key"]).0, Some(0));
        let made = dir.path().join("seal.key");
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&made).unwrap().trim().len(), 64);
        assert_eq!(run(&["keys", "generate", "seal", "--out", "seal.key"]).0, Some(1), "never overwrites");
        let (code, _, said) = keys(&["list"]);
        assert_eq!((code, said.contains("makes its keys at its first start")), (Some(1), true), "{said}");
        assert!(!dir.path().join("relais.sqlite").exists());

        let relais = serve(dir.path(), relay);
        wait_for(relay + 1);
        let (code, listed, said) = keys(&["list"]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(listed.lines().count(), 3, "a head, and the relay's own two: {listed}");
        let (code, rotated, said) = keys(&["rotate", "--use", "signing", "--json"]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(rotated.matches("\"announced\"").count(), 1, "{rotated}");
        let unknown = |when: &str| {
            let (code, _, said) = keys(&["rotate", "--upstream", "nobody"]);
            assert_eq!(code, Some(1), "{when}");
            assert!(said.contains("nothing to rotate; it needs signing, nonce"), "{when}: {said}");
            let (code, _, said) = keys(&["revoke", "nope"]);
            assert_eq!(code, Some(1), "{when}");
            assert!(
                said.contains("has the id \"nope\"") && said.contains("relais keys list"),
                "{when}: {said}"
            );
        };
        unknown("running");
        assert_eq!(relais.terminate(), Some(0));

        unknown("stopped");
        let (_, stopped, said) = keys(&["list", "--json"]);
        assert_eq!(stopped.matches("\"kid\"").count(), 3, "{stopped}{said}");
        let kid = stopped.split("\"kid\": \"").nth(1).unwrap().split('"').next().unwrap();
        let (code, revoked, said) = keys(&["revoke", kid, "--json"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(revoked.contains("\"revoked\"") && revoked.contains("\"active\""), "{revoked}");
        assert!(!revoked.contains("private"), "{revoked}");

        write_secret(&made, &"0".repeat(64));
        let (code, _, said) = keys(&["list"]);
        assert_eq!((code, said.contains("sealed under another seal key")), (Some(1), true), "{said}");
        let (code, _, said) = run(&["serve", "--config", "relais.toml"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("it was sealed under another seal key"), "{said}");
    }
}
