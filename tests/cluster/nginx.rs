//! The recipe's nginx before three nodes, with the lines of docs/cluster.md themselves.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use relais::clock::{Clock as _, SystemClock};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::load::{BROWSERS, Balancer, put_under_load};
use super::nodes::{Backend, Node, Servers, Site};
use super::servers::{command, free_port, signal, tool};

const PAGE: &str = include_str!("../../docs/cluster.md");

/// The page's lines, with addresses and files of ours.
fn recipe(port: u16, nodes: &[Node; 3], tls: &Path) -> String {
    let (_, rest) = PAGE.split_once("5. **nginx**").unwrap();
    let (_, rest) = rest.split_once("```nginx\n").unwrap();
    let (mut lines, _) = rest.split_once("```").map(|(lines, rest)| (lines.to_owned(), rest)).unwrap();
    let mut replace = |from: &str, to: &str| {
        assert!(lines.contains(from), "the page has no `{from}`");
        lines = lines.replace(from, to);
    };
    let second = PAGE.lines().find(|line| line.contains("server 192.0.2.12:8443")).unwrap();
    replace(second, &format!("{second}\n{}", second.replace("192.0.2.12", "192.0.2.13")));
    for (node, host) in nodes.iter().zip(["192.0.2.11", "192.0.2.12", "192.0.2.13"]) {
        replace(&format!("{host}:8443"), &format!("127.0.0.1:{}", node.public));
    }
    replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
    replace("/etc/nginx/tls", tls.to_str().unwrap());
    lines
}

/// For how long nginx passes over a node that did not answer.
fn fail_timeout() -> Duration {
    let (_, rest) = PAGE.split_once("fail_timeout=").unwrap();
    Duration::from_secs(rest.split_once('s').unwrap().0.parse().unwrap())
}

/// nginx; it ends with the test.
struct Nginx(Child);

impl Nginx {
    fn new(program: &Path, arguments: &[&str]) -> Self {
        Self(command(program, None).args(arguments).spawn().unwrap())
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Gently, so that it ends its own processes.
        signal("-TERM", &[self.0.id()]);
        let _ = self.0.wait();
    }
}

#[test]
fn nginx_as_the_recipe_has_it() {
    let Some(program) = tool("RELAIS_TEST_NGINX", &["/usr/sbin/nginx"], "nginx (Debian: nginx-light)") else {
        return;
    };
    let servers = Servers::start();
    let Some(site) = Site::new(&servers, Backend::RedisPostgres) else { return };
    let made =
        rcgen::generate_simple_self_signed(["relais.example", "127.0.0.1"].map(str::to_owned)).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let site = site.speaking_tls(&chain, &key);
    let mut nodes: [Node; 3] = std::array::from_fn(|_| site.node());

    let place = tempfile::tempdir().unwrap();
    for (file, text) in [("chain.pem", &chain), ("key.pem", &key), ("authorities.pem", &chain)] {
        fs::write(place.path().join(file), text).unwrap();
    }
    let port = free_port();
    let here = place.path().display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .concat();
    let text = format!(
        "daemon off; pid {here}/pid; error_log {here}/log;\nevents {{}}\nhttp {{ access_log off;\n{temporary}{} }}\n",
        recipe(port, &nodes, place.path())
    );
    fs::write(place.path().join("nginx.conf"), text).unwrap();
    let log = || fs::read_to_string(place.path().join("log")).unwrap_or_default();
    let file = |name: &str| place.path().join(name).display().to_string();
    let mut nginx = Nginx::new(&program, &["-e", &file("log"), "-c", &file("nginx.conf")]);
    let patience = SystemClock.now().plus(Duration::from_secs(20));
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(nginx.runs() && SystemClock.now() < patience, "{}", log());
        thread::sleep(Duration::from_millis(10));
    }

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let balancer = Balancer::behind(port, client);
    // A node that was restarted is passed over for a while, so the next one waits for it.
    let settled = || thread::sleep(fail_timeout());
    let [steady, killed, rolling] = put_under_load(&site, &balancer, &mut nodes, settled);
    steady.told("nginx", "steady");
    killed.told("nginx", "killed");
    rolling.told("nginx", "rolling");
    for (phase, counts) in [("steady", steady), ("rolling", rolling)] {
        let wrong = (counts.refused, counts.cut, counts.lost);
        assert_eq!(wrong, (0, 0, 0), "{phase}: refused, cut, lost\n{}", log());
    }
    // A GET that the killed node did not answer was sent again, and may say that it was used already.
    let wrong = killed.refused + killed.cut + killed.lost;
    assert!(wrong <= 3 * BROWSERS, "{wrong} requests for one kill\n{}", log());
    for counts in [steady, killed, rolling] {
        assert_eq!(counts.double_spent, 0);
    }
}
