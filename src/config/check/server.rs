//! `[server] [session] [limit] [event]`: the process, and what it takes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

use super::alias;
use super::secrets;
use crate::config::file::Section;
use crate::config::value::{
    Raw, Wrong, address, boolean, choice, networks, on_loopback, plain_url, text, web_url, whole,
};
use crate::config::{Aliases, EventConfig, Limits, Listener, ListenerKind, LogFormat, Session, Tls};
use crate::event::{Area, Level};
use crate::message::Lang;

/// What `[server]` says.
pub(super) struct Server {
    pub(super) public_url: Option<Url>,
    pub(super) home_url: Option<Url>,
    pub(super) listeners: Vec<Listener>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) hsts_include_subdomains: bool,
    pub(super) default_locale: Lang,
    pub(super) default_app: Option<String>,
    pub(super) aliases: Aliases,
}

impl Server {
    /// Whether the relay is reached on this machine only.
    pub(super) fn on_loopback(&self) -> bool {
        self.public_url.as_ref().is_some_and(on_loopback)
    }
}

pub(super) fn server(section: Section<'_>, base: &Path) -> Server {
    let public_url = section.required("public_url", "write \"https://relais.example\"", public_url);
    let insecure = section.or("insecure_public_http", false, boolean);
    let listeners = listeners(&section, base, insecure);
    let proxies = section.or("trusted_proxies", Vec::new(), networks);
    let plain = listeners.iter().any(|one| one.kind == ListenerKind::Public && one.tls.is_none());
    let https = public_url.as_ref().is_some_and(|url| url.scheme() == "https");
    if plain && https && proxies.is_empty() {
        section.warn(
            "trusted_proxies",
            "names nobody, while a proxy must speak TLS before a plain listener: all callers count as one",
        );
    }
    let subdomains = section.or("hsts_include_subdomains", false, boolean);
    if subdomains && public_url.as_ref().is_some_and(|url| url.scheme() != "https" || url.path() != "/") {
        let wrong = "is of no use: HSTS is sent only where public_url is https and has no path";
        section.fault("hsts_include_subdomains", Wrong::new(wrong, "leave it out"));
    }
    let server = Server {
        public_url,
        home_url: section.optional("home_url", web_url),
        listeners,
        trusted_proxies: proxies,
        hsts_include_subdomains: subdomains,
        default_locale: section.or("default_locale", Lang::Fr, locale),
        default_app: section.optional("default_app", text),
        aliases: alias::aliases(section.section("aliases")),
    };
    section.finish();
    server
}

fn locale(raw: &Raw<'_>) -> Result<Lang, Wrong> {
    choice(&[Lang::Fr, Lang::En].map(|lang| (lang.tag(), lang)))(raw)
}

fn public_url(raw: &Raw<'_>) -> Result<Url, Wrong> {
    let url = plain_url(raw)?;
    let path = url.path();
    if path != "/" && path.ends_with('/') {
        let right = format!("write {:?}", url.as_str().trim_end_matches('/'));
        return Err(Wrong { wrong: "ends in a slash".to_owned(), right });
    }
    if path.contains(['%', ';']) || path.contains("//") {
        return Err(Wrong::new("has a path with `%`, `;` or `//`", "write a plain path"));
    }
    // Whoever compares issuers compares bytes, so there is one way to write ours.
    let written = raw.value.as_str().unwrap_or_default();
    if url.as_str().trim_end_matches('/') != written.trim_end_matches('/') {
        let right = format!("write {:?}", url.as_str().trim_end_matches('/'));
        return Err(Wrong { wrong: "is not written in its plainest form".to_owned(), right });
    }
    Ok(url)
}

fn listeners(section: &Section<'_>, base: &Path, insecure: bool) -> Vec<Listener> {
    let Some(elements) = section.elements("listeners") else { return default_listeners() };
    let mut listeners: Vec<Listener> = Vec::new();
    let mut public = false;
    for element in elements {
        let Some(one) = element.section else {
            let right = "write { address = \"127.0.0.1:8080\", kind = \"public\" }";
            section.fault(&element.path, Wrong::new("is no listener", right));
            continue;
        };
        let kind = one.required("kind", "write \"public\" or \"management\"", kind);
        let address = one.required("address", "write \"127.0.0.1:8080\"", address);
        let files = one.section("tls");
        let tls = one.has("tls").then(|| tls(files, base));
        public |= kind != Some(ListenerKind::Management);
        if let (Some(kind), Some(address)) = (kind, address) {
            exposure(&one, address, kind, tls.is_some(), insecure);
            if listeners.iter().any(|other| other.address == address && address.port() != 0) {
                one.fault("address", Wrong::new("is that of another listener", "give each its own"));
            }
            listeners.push(Listener { address, kind, tls: tls.flatten() });
        }
        one.finish();
    }
    if !public {
        let right = "add { address = \"127.0.0.1:8080\", kind = \"public\" }";
        section.fault("listeners", Wrong::new("holds no public listener", right));
    }
    listeners
}

fn default_listeners() -> Vec<Listener> {
    let at = |port, kind| Listener { address: SocketAddr::from(([127, 0, 0, 1], port)), kind, tls: None };
    vec![at(8080, ListenerKind::Public), at(9090, ListenerKind::Management)]
}

fn kind(raw: &Raw<'_>) -> Result<ListenerKind, Wrong> {
    if raw.value.as_str() == Some("mtls") {
        return Err(Wrong::new(
            "\"mtls\" is not served yet",
            "leave this listener out; client certificates come with OpenID clients",
        ));
    }
    choice(&[("public", ListenerKind::Public), ("management", ListenerKind::Management)])(raw)
}

/// Whoever listens beyond this machine in plain http must say so.
fn exposure(one: &Section<'_>, address: SocketAddr, kind: ListenerKind, tls: bool, insecure: bool) {
    if address.ip().is_loopback() {
        return;
    }
    match kind {
        ListenerKind::Management => {
            one.warn("address", "the management listener has no login, and is not on loopback");
        }
        ListenerKind::Public if tls => {}
        ListenerKind::Public if insecure => {
            one.warn("address", "identities travel in plain http, as insecure_public_http allows");
        }
        ListenerKind::Public => one.fault(
            "address",
            Wrong::new(
                "is open to the network without TLS",
                "add tls = { … }, listen on loopback behind a proxy, or set server.insecure_public_http = true",
            ),
        ),
    }
}

fn tls(section: Section<'_>, base: &Path) -> Option<Tls> {
    let certificate = section.required("certificate_file", "name a PEM file", secrets::path(base));
    let key = section.required("key_file", "name a PEM file of mode 0600", secrets::path(base));
    let chain = certificate.as_ref().and_then(|path| {
        let chain = read_chain(path);
        chain.map_err(|wrong| section.fault("certificate_file", wrong)).ok()
    });
    let private = key.as_ref().and_then(|path| {
        let key = secrets::read(path).and_then(|pem| {
            let right = "write a PKCS#8, PKCS#1 or SEC1 key in PEM";
            PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
                .map_err(|_| Wrong::new("holds no private key", right))
        });
        key.map_err(|wrong| section.fault("key_file", wrong)).ok()
    });
    if let (Some(chain), Some(private)) = (chain, private)
        && let Err(error) = fit(chain, private)
    {
        let right = "name the key that the first certificate was made for".to_owned();
        section.fault("key_file", Wrong { wrong: format!("does not fit the certificate ({error})"), right });
    }
    section.finish();
    Some(Tls { certificate: certificate?, key: key? })
}

/// The certificates of a PEM file, one at least.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let right = "name a PEM file that holds the certificate, then its chain";
    let shown = path.display();
    let marked = std::fs::read(path).is_ok_and(|bytes| bytes.starts_with("\u{feff}".as_bytes()));
    if marked {
        // Its first line would be none of PEM's, and the first certificate passed over.
        let wrong = format!("names {shown}, which begins with a byte order mark");
        return Err(Wrong { wrong, right: "write it without".to_owned() });
    }
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match chain {
        Err(error) => Err(Wrong {
            wrong: format!("names {shown}, which cannot be read ({error})"),
            right: right.to_owned(),
        }),
        Ok(chain) if chain.is_empty() => Err(Wrong {
            wrong: format!("names {shown}, which holds no certificate"),
            right: right.to_owned(),
        }),
        Ok(chain) => Ok(chain),
    }
}

fn fit(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<(), rustls::Error> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    rustls::sign::CertifiedKey::from_der(chain, key, &provider).map(drop)
}

pub(super) fn session(section: Section<'_>) -> Session {
    let idle = section.or("idle_minutes", 240, whole(1..=1_440));
    let absolute = section.or("absolute_hours", 12, whole(1..=168));
    if idle > absolute * 60 {
        section.fault("idle_minutes", Wrong::new("is longer than absolute_hours", "write a shorter time"));
    }
    section.finish();
    Session { idle: minutes(idle), absolute: minutes(absolute * 60) }
}

pub(super) fn limits(section: Section<'_>) -> Limits {
    let logins = section.or("logins_in_flight", 10_000, whole(1..=10_000_000));
    let share = |key, default: usize| {
        let share = section.or(key, default.min(logins), whole(1..=10_000_000));
        if share > logins {
            section.fault(key, Wrong::new("is more than logins_in_flight", "write a smaller number"));
        }
        share
    };
    let (logins_per_app, logins_per_address) =
        (share("logins_per_app", 100), share("logins_per_address", 32));
    let limits = Limits {
        head_bytes: section.or("head_bytes", 32_768, whole(8_192..=1_048_576)),
        headers: section.or("headers", 100, whole(16..=1_000)),
        head: seconds(section.or("head_seconds", 10, whole(1..=300))),
        body_bytes: section.or("body_bytes", 65_536, whole(4_096..=16_777_216)),
        body: seconds(section.or("body_seconds", 10, whole(1..=300))),
        write: seconds(section.or("write_seconds", 10, whole(1..=300))),
        connections: section.or("connections", 4_096, whole(1..=1_000_000)),
        connections_per_address: section.or("connections_per_address", 256, whole(1..=1_000_000)),
        in_flight: section.or("in_flight", 2_048, whole(1..=1_000_000)),
        drain: seconds(section.or("drain_seconds", 30, whole(0..=600))),
        refused_messages_per_minute: section.or("refused_messages_per_minute", 60, whole(1..=1_000_000)),
        wrong_claims_per_minute: section.or("wrong_claims_per_minute", 60, whole(1..=1_000_000)),
        logins_in_flight: logins,
        logins_per_app,
        logins_per_address,
        large_networks: section.or("large_networks", Vec::new(), networks),
        login: minutes(section.or("login_minutes", 15, whole(1..=60))),
        sessions: section.or("sessions", 100_000, whole(1..=100_000_000)),
        sessions_per_person: section.or("sessions_per_person", 20, whole(1..=10_000)),
    };
    section.finish();
    limits
}

pub(super) fn event(section: Section<'_>) -> EventConfig {
    const LEVELS: [(&str, Level); 4] =
        [("debug", Level::Debug), ("info", Level::Info), ("warn", Level::Warn), ("error", Level::Error)];
    const AREAS: [(&str, Area); 5] = [
        ("legacy", Area::Legacy),
        ("broker", Area::Broker),
        ("upstream", Area::Upstream),
        ("session", Area::Session),
        ("server", Area::Server),
    ];
    let format = section.or("format", LogFormat::Auto, choice(&LogFormat::ALL));
    let level = section.or("level", Level::Info, choice(&LEVELS));
    let areas = section.section("levels");
    let one = |(name, area)| Some((area, areas.optional(name, choice(&LEVELS))?));
    let levels = AREAS.into_iter().filter_map(one).collect();
    areas.finish();
    let burst_per_minute = section.or("burst_per_minute", 60, whole(0..=1_000_000));
    section.finish();
    EventConfig { format, level, levels, burst_per_minute }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}
