//! The wiring: what survives a change of configuration ([`Means`]), and what a change replaces ([`Rules`]).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use url::Url;

use async_trait::async_trait;

use crate::broker::{self, Front, HandleKey, Registry, Session};
use crate::clock::{Clock, Timestamp};
use crate::config::{Aliases, Config};
use crate::entropy::Entropy;
use crate::event::{Events, Facts, Step, Trace, reasons};
use crate::front::legacy::{self, Legacy};
use crate::keys::{Keyring, KeyringError};
use crate::message::Lang;
use crate::outbound::{CannotCall, Outbound, chain};
use crate::records;
use crate::service::{Service, ServiceId, UpstreamName};
use crate::store::{Ephemeral, Record as _, Sealer, Store, StoreError, Stores, Table};
use crate::upstream::Upstream;

/// A running relay. Cheap to share; several may run side by side in one process.
pub struct App {
    /// What survives a change of configuration.
    pub means: Means,
    rules: ArcSwap<Rules>,
}

/// Time, chance, memory and the way out.
pub struct Means {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Where events are said.
    pub events: Events,
    /// The records of the journey.
    pub records: broker::Records,
    /// What makes the handles of pages recognisable.
    pub handle_key: HandleKey,
    /// What the door of the legacy applications keeps.
    pub legacy: Arc<legacy::Means>,
    /// The stores, to be swept and asked whether they are ready.
    pub stores: Vec<Arc<dyn Store>>,
    /// Our own keys.
    pub keyring: Arc<Keyring>,
    /// The one way out.
    pub outbound: Outbound,
    draining: AtomicBool,
}

/// What [`Means`] is made of.
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Where events are said.
    pub events: Events,
    /// The store of the ephemeral class: logins in flight, sessions, replay marks.
    pub store: Arc<dyn Store>,
    /// What becomes of it.
    pub ephemeral: Ephemeral,
    /// The store of the durable class.
    pub durable: Arc<dyn Store>,
    /// Seals what the stores keep.
    pub sealer: Sealer,
}

/// The configuration in force, ready to be asked.
pub struct Rules {
    /// Where the relay stands for browsers, without a trailing slash; also its issuer identifier.
    pub public_url: Url,
    /// The issuer identifier.
    pub issuer: String,
    /// The button where no application is known.
    pub home_url: Option<Url>,
    /// The language where the browser states none of ours.
    pub default_locale: Lang,
    /// Whose forwarded addresses are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether browsers are to reach every host below the relay's over TLS.
    pub hsts_include_subdomains: bool,
    /// Limits of requests.
    pub requests: crate::config::Limits,
    /// Limits of logins.
    pub journey: broker::Limits,
    /// Other paths of its pages.
    pub aliases: Aliases,
    /// Links of the demo, where this is one.
    pub demo: Option<Demo>,
    /// Callback and logout-return paths, relative to `public_url`'s host.
    pub paths: HashMap<String, ReturnPath>,
    /// The name of each upstream that people read.
    pub upstream_labels: BTreeMap<UpstreamName, String>,
    /// The door of the legacy applications.
    pub legacy: Arc<Legacy>,
    fronts: Vec<Arc<dyn Front>>,
    services: HashMap<ServiceId, Arc<Service>>,
    upstreams: HashMap<UpstreamName, Upstream>,
}

/// The addresses of the demo's other parts.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The legacy application.
    pub legacy_app: String,
    /// The simulated provider.
    pub stub: String,
    /// The management listener.
    pub management: String,
}

/// A path to which an upstream sends browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnPath {
    /// After a login.
    Callback(UpstreamName),
    /// After a logout.
    Logout(UpstreamName),
}

impl App {
    /// Wires a relay.
    pub fn new(config: Config, parts: Parts, demo: Option<Demo>) -> Result<Self, CannotCall> {
        let Parts { clock, entropy, events, store, ephemeral, durable, sealer } = parts;
        let events = events.sampled(clock.clone(), config.event.burst_per_minute);
        let outbound = Outbound::new(&config.outbound)?;
        let stores = Stores { store: &store, ephemeral, durable: &durable, sealer: &sealer };
        let legacy = legacy::Means::new(
            legacy::Records::new(&stores),
            (ephemeral == Ephemeral::Lost).then(|| clock.now()),
            config.limits.refused_messages_per_minute,
            config.limits.wrong_claims_per_minute,
        );
        let keys = Table::new(durable.clone(), sealer.clone());
        let means = Means {
            keyring: Arc::new(Keyring::new(keys, entropy.clone(), events.clone())),
            records: broker::Records::new(&stores),
            handle_key: HandleKey::new(&sealer.derived(b"relais page handles")),
            legacy: Arc::new(legacy),
            stores: if Arc::ptr_eq(&store, &durable) { vec![durable] } else { vec![store, durable] },
            draining: AtomicBool::new(false),
            clock,
            entropy,
            events,
            outbound,
        };
        let rules = Rules::new(config, &means, demo);
        Ok(Self { means, rules: ArcSwap::from_pointee(rules) })
    }

    /// Every listener takes connections.
    pub fn started(&self) {
        let url = Some(self.rules().issuer.clone());
        self.trace().step(Step::ServerStarted, Facts { url, ..Facts::default() });
    }

    /// The configuration in force; taken once per request.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Puts another configuration in force. Logins in flight go on under it.
    pub fn replace_rules(&self, config: Config) {
        let demo = self.rules().demo.clone();
        self.rules.store(Arc::new(Rules::new(config, &self.means, demo)));
    }

    /// A thread of events that belongs to no request.
    pub fn trace(&self) -> Trace {
        Trace::new(self.means.events.clone(), None)
    }

    /// From now on the relay is not ready for new work; what is in flight is finished.
    pub fn drain(&self) {
        if !self.means.draining.swap(true, Ordering::SeqCst) {
            self.trace().step(Step::ServerStopping, Facts::default());
        }
    }

    /// Why the relay cannot serve now, if so: what readiness tells.
    pub async fn not_ready(&self) -> Option<&'static str> {
        if self.means.draining.load(Ordering::SeqCst) {
            return Some("draining");
        }
        for store in &self.means.stores {
            if let Err(error) = store.ready().await {
                let facts = Facts { cause: Some(chain(&error)), ..Facts::default() };
                self.trace().because(Step::StoreFailed, reasons::server::STORE_FAILED, None, facts);
                return Some("store");
            }
        }
        None
    }

    /// Makes the keys that another configuration needs; to be called before it is put in force.
    pub async fn prepare_keys(&self, config: &Config) -> Result<(), KeyringError> {
        self.means.keyring.prepare(config.wanted_keys(), config.keys, self.means.clock.now()).await
    }

    /// Seals the keyring under the present root key, where the other one has sealed it; to be called at the start.
    pub async fn reseal_keys(&self) -> Result<(), KeyringError> {
        let resealed = self.means.keyring.reseal(self.means.clock.now()).await;
        resealed.inspect_err(|error| self.means.keyring.failed(error))
    }

    /// Makes the keys that the configuration in force needs; to be called before anything is served, and from time to
    /// time.
    pub async fn tend_keys(&self) -> Result<(), KeyringError> {
        let tended = self.means.keyring.tend(self.means.clock.now()).await;
        tended.inspect_err(|error| self.means.keyring.failed(error))
    }

    /// Removes what has expired; to be called from time to time.
    pub async fn sweep(&self) {
        let now = self.means.clock.now();
        for store in &self.means.stores {
            if let Err(error) = self.sweep_store(&**store, now).await {
                let facts = Facts { cause: Some(chain(&error)), ..Facts::default() };
                self.trace().because(Step::StoreFailed, reasons::server::STORE_FAILED, None, facts);
            }
        }
    }

    async fn sweep_store(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        for kind in records::ALL {
            let swept = store.sweep(kind, now).await?;
            if kind == Session::KIND && swept > 0 {
                let alive = store.count(kind).await?;
                for more in (0..swept).rev() {
                    let count = u64::try_from(alive + more).ok();
                    self.trace().step(Step::SessionExpired, Facts { count, ..Facts::default() });
                }
            }
        }
        Ok(())
    }
}

impl Rules {
    fn new(config: Config, means: &Means, demo: Option<Demo>) -> Self {
        for warning in &config.warnings {
            let facts = Facts {
                names: Some(warning.path.clone()),
                cause: Some(warning.text.clone()),
                ..Facts::default()
            };
            Trace::new(means.events.clone(), None).because(
                Step::ServerWarning,
                reasons::server::WEAK_CHOICE,
                None,
                facts,
            );
        }
        let issuer = config.issuer().to_owned();
        let mut paths = HashMap::new();
        for upstream in &config.upstreams {
            paths
                .insert(upstream.redirect_uri.path().to_owned(), ReturnPath::Callback(upstream.name.clone()));
            if let Some(uri) = &upstream.post_logout_redirect_uri {
                paths.insert(uri.path().to_owned(), ReturnPath::Logout(upstream.name.clone()));
            }
        }
        let journey = broker::Limits {
            login: config.limits.login,
            logins_per_app: config.limits.logins_per_app,
            logins_per_address: config.limits.logins_per_address,
            session_idle: config.session.idle,
            session_absolute: config.session.absolute,
            sessions_per_person: config.limits.sessions_per_person,
            large_networks: config.limits.large_networks.clone(),
        };
        means.keyring.configure(config.wanted_keys(), config.keys);
        let services = config.apps.iter().map(|app| (app.service.id.clone(), Arc::new(app.service.clone())));
        let services = services.collect();
        let means_of_legacy = means.legacy.clone();
        let legacy = Arc::new(Legacy::new(issuer.clone(), config.default_app, config.apps, means_of_legacy));
        let upstreams = config.upstreams.into_iter();
        Self {
            issuer,
            paths,
            journey,
            demo,
            public_url: config.public_url,
            home_url: config.home_url,
            hsts_include_subdomains: config.hsts_include_subdomains,
            default_locale: config.default_locale,
            trusted_proxies: config.trusted_proxies,
            requests: config.limits,
            aliases: config.aliases,
            upstream_labels: config.upstream_labels,
            services,
            // Every front, a line each.
            fronts: vec![legacy.clone()],
            legacy,
            upstreams: upstreams
                .map(|settings| {
                    let upstream = Upstream::new(settings, &means.outbound);
                    (upstream.name().clone(), upstream.with_keyring(&means.keyring))
                })
                .collect(),
        }
    }

    /// The path under which the relay stands, without a trailing slash; empty at the root.
    pub fn base(&self) -> &str {
        self.public_url.path().trim_end_matches('/')
    }

    /// Whether what this address says of the client it speaks for is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|proxy| proxy.contains(&address))
    }

    /// What browsers are told of TLS (RFC 6797): for this host alone, and only where the host is the relay's own. Below a
    /// path it is somebody else's, who decides for it.
    pub fn strict_transport(&self) -> Option<&'static str> {
        let alone = self.is_https() && self.base().is_empty();
        let below = self.hsts_include_subdomains;
        alone.then_some(if below { "max-age=63072000; includeSubDomains" } else { "max-age=63072000" })
    }

    /// Whether browsers reach the relay over TLS.
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}

#[async_trait]
impl Registry for Rules {
    async fn service(&self, id: &ServiceId) -> Result<Option<Arc<Service>>, StoreError> {
        Ok(self.services.get(id).cloned())
    }

    fn upstream(&self, name: &UpstreamName) -> Option<&Upstream> {
        self.upstreams.get(name)
    }

    fn front(&self, name: &str) -> Option<Arc<dyn Front>> {
        self.fronts.iter().find(|front| front.name() == name).cloned()
    }
}
