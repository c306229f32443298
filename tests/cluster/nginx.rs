//! The recipe of docs/cluster.md: its nginx, as it stands there, before three nodes that speak TLS.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::http::{Answer, Request, Silence, ask_tls};
use super::load::{Door, Load, judge, walk_through};
use super::nodes::{Backend, Node, Servers, Site};
use super::servers::{Server, free_port, tool};
use super::steps::{Kind, STEPS, Walk};

const PAGE: &str = include_str!("../../docs/cluster.md");
const NAME: &str = "relais.example";

struct Nginx {
    server: Server,
    trusts: Arc<ClientConfig>,
}

impl Nginx {
    /// With the page's configuration: only addresses and files are our own, and there is one node more.
    fn start(certificate: &rcgen::Certificate, files: &Path, nodes: &[Node; 3]) -> Option<Self> {
        let program =
            tool("RELAIS_TEST_NGINX", &["/usr/sbin/nginx", "/usr/bin/nginx"], "nginx (Debian: nginx-light)")?;
        let port = free_port();
        let mut block = PAGE.split_once("```nginx\n").unwrap().1.split_once("\n```").unwrap().0.to_owned();
        let mut replace = |theirs: &str, ours: &str| {
            assert!(block.contains(theirs), "the page has no {theirs}");
            block = block.replace(theirs, ours);
        };
        let second = PAGE.lines().find(|line| line.contains("server 192.0.2.12:8443 ")).unwrap();
        replace(second, &format!("{second}\n{}", second.replace("192.0.2.12", "192.0.2.13")));
        for (node, host) in nodes.iter().zip(11..) {
            replace(&format!("192.0.2.{host}:8443"), &format!("127.0.0.1:{}", node.public));
        }
        replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
        let files = files.display();
        for (theirs, ours) in [("chain", "chain"), ("key", "key"), ("authorities", "chain")] {
            replace(&format!("/etc/nginx/tls/{theirs}.pem"), &format!("{files}/{ours}.pem"));
        }

        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|kind| format!("{kind}_temp_path {place}/{kind};\n")).concat();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {place}/pid;\nevents {{}}\n\
             http {{\naccess_log off;\nadd_header Connected $upstream_connect_time always;\n{temporary}{block}\n}}\n"
        );
        fs::write(directory.path().join("nginx.conf"), config).unwrap();
        let arguments = ["-p", &format!("{place}"), "-e", &format!("{place}/log"), "-c", "nginx.conf"];
        let arguments = arguments.map(str::to_owned).to_vec();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(certificate.der().to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let trusts =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let trusts = Arc::new(trusts.with_root_certificates(roots).with_no_client_auth());
        Some(Self { server: Server::run(program, arguments, None, port, directory), trusts })
    }
}

impl Door for Nginx {
    fn ask(&self, request: &Request) -> Result<Answer, Silence> {
        let answer = ask_tls(self.server.port, NAME, &self.trusts, request)?;
        // A node that was connected and did not answer, and one more: the first may have done what was asked.
        let connected = answer.header("Connected").unwrap_or_default().split(", ");
        let again = connected.filter(|time| *time != "-").count() > 1;
        // 502 is nginx's own.
        let cut = answer.status == 502 || again && Kind::of(&answer) == Kind::Refused;
        if cut { Err(Silence::Cut) } else { Ok(answer) }
    }
}

#[test]
fn nginx_as_the_page_has_it_loses_nothing() {
    let servers = Servers::start();
    let Some(site) = Site::new(&servers, Backend::RedisPostgres) else { return };
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let site = site.by_tls(&made.cert.pem(), &made.signing_key.serialize_pem());
    let mut nodes: [Node; 3] = std::array::from_fn(|_| site.node());
    let Some(nginx) = Nginx::start(&made.cert, site.directory.path(), &nodes) else { return };

    for _ in 0..3 {
        let mut walk = Walk::new(&site);
        for step in STEPS {
            let request = walk.next();
            let answer = nginx.ask(&request).unwrap();
            assert_eq!(walk.took(request, &answer), step.first, "`{}`", step.name);
        }
    }
    let phases = Load::during(&nginx, &site, |load| walk_through(&mut nodes, load, 20, pause()));
    judge("nginx", phases, false);
}

/// What the page says to wait between two nodes: `fail_timeout`, and the second that nginx is not exact by.
fn pause() -> Duration {
    let seconds: u64 =
        PAGE.split_once("fail_timeout=").unwrap().1.split_once('s').unwrap().0.parse().unwrap();
    Duration::from_secs(seconds + 1)
}
