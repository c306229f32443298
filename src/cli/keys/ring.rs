//! `relais keys list|rotate|revoke`: asks the running relay on its management listener, since it alone holds the SQLite
//! file; where none runs, works on the store itself.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use crate::cli::config_file::ConfigFile;
use crate::cli::{Failure, in_runtime, output};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Durable, ListenerKind};
use crate::entropy::{Entropy, SystemEntropy};
use crate::event::{Events, Form};
use crate::keys::{KeyUse, Keyring, KeyringError, Revocation, Rotation};
use crate::outbound::{Answer, Outbound, OutboundError, OutboundSettings};
use crate::process::durable;
use crate::service::UpstreamName;
use crate::store::Table;

/// Show every key of the keyring and its dates, never its private half.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    relay: Relay,
}

/// Make successors: announced now and used when every provider has seen them.
///
/// Nothing is done where a successor is announced already.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    relay: Relay,
    /// Only keys for this
    #[arg(long = "use", value_name = "USE", value_parser = key_use())]
    usage: Option<KeyUse>,
    /// Only keys for this upstream, by the name of its section
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Use the successor at once: providers that keep the old key set refuse what it signs until they fetch the new
    #[arg(long)]
    now: bool,
}

/// End a key whose private half is no longer private: it is erased, and its successor is used at once.
///
/// What is still signed or encrypted by it is refused. To rotate without a refusal there is `rotate`.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The key's id, from `list`
    #[arg(value_name = "KID")]
    kid: String,
    #[command(flatten)]
    relay: Relay,
}

#[derive(Debug, Args)]
struct Relay {
    #[command(flatten)]
    config: ConfigFile,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn key_use() -> impl TypedValueParser<Value = KeyUse> {
    PossibleValuesParser::new(KeyUse::ALL.map(KeyUse::name)).map(|name| {
        let found = KeyUse::ALL.into_iter().find(|usage| usage.name() == name);
        found.unwrap_or(KeyUse::Signing)
    })
}

impl List {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.relay.carry_out(|_| Order::List)
    }
}

impl Rotate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { relay, usage, upstream, now } = self;
        let upstream = upstream.map(UpstreamName);
        relay.carry_out(|issuer| Order::Rotate(Rotation { issuer, usage, upstream, at_once: now }))
    }
}

impl Revoke {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { relay, kid } = self;
        relay.carry_out(|issuer| Order::Revoke(Revocation { issuer, kid }))
    }
}

/// What is asked.
enum Order {
    List,
    Rotate(Rotation),
    Revoke(Revocation),
}

impl Relay {
    fn carry_out(self, order: impl FnOnce(Option<String>) -> Order) -> Result<(), Failure> {
        let config = self.config.load()?;
        let order = order(Some(config.issuer().to_owned()));
        let answer = in_runtime(async {
            match running(&config, &order).await? {
                Some(answer) => Ok(answer),
                None => stopped(&config, &order).await,
            }
        })?;
        let text = if self.json { format!("{answer:#}\n") } else { table(&answer) };
        output(text.as_bytes())
    }
}

/// What the relay of this configuration answers; `None` if it does not run on this machine.
async fn running(config: &Config, order: &Order) -> Result<Option<Value>, Failure> {
    let outbound = Outbound::new(&OutboundSettings::default()).map_err(|error| Failure::caused(&error))?;
    for address in management(config) {
        let Ok(url) = Url::parse(&format!("http://{address}/keys")) else { continue };
        let answer = match ask(&outbound, &url, order).await {
            Ok(answer) => answer,
            Err(OutboundError::Unreachable(_) | OutboundError::Address) => continue,
            Err(error) => return Err(Failure::caused(&error)),
        };
        let body = || String::from_utf8_lossy(&answer.body).trim().to_owned();
        match answer.status {
            StatusCode::OK => {
                let value: Value = serde_json::from_slice(&answer.body)
                    .map_err(|_| Failure::Runtime(format!("{url} answers, and is no relay")))?;
                if value.get("issuer").and_then(Value::as_str) == Some(config.issuer()) {
                    return Ok(Some(value));
                }
            }
            // The relay of another configuration.
            StatusCode::CONFLICT => {}
            StatusCode::NOT_FOUND => return Err(Failure::Runtime(body())),
            status => return Err(Failure::Runtime(format!("{url} answers {}: {}", status.as_u16(), body()))),
        }
    }
    Ok(None)
}

/// The management listeners that can be called from here.
fn management(config: &Config) -> impl Iterator<Item = SocketAddr> {
    let plain =
        config.listeners.iter().filter(|one| one.kind == ListenerKind::Management && one.tls.is_none());
    plain.filter(|one| one.address.port() != 0).map(|one| {
        let mut address = one.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        address
    })
}

async fn ask(outbound: &Outbound, url: &Url, order: &Order) -> Result<Answer, OutboundError> {
    let mut at = url.clone();
    match order {
        Order::List => outbound.get(url, "application/json", None).await,
        Order::Rotate(rotation) => {
            at.set_path("/keys/rotate");
            outbound.post_json(&at, json!(rotation).to_string()).await
        }
        Order::Revoke(revocation) => {
            at.set_path("/keys/revoke");
            outbound.post_json(&at, json!(revocation).to_string()).await
        }
    }
}

/// The same on the store of a relay that does not run, or that shares it with others.
async fn stopped(config: &Config, order: &Order) -> Result<Value, Failure> {
    if config.store.durable == Durable::Sqlite && !config.store.path.exists() {
        let store = config.store.path.display();
        return Err(Failure::Runtime(format!(
            "there is no {store}: the relay makes its keys at its first start"
        )));
    }
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let (store, sealer) = durable(config, &entropy).await.map_err(|error| Failure::caused(&error))?;
    let keyring = Keyring::new(Table::new(store, sealer), entropy, Events::log(Form::Human));
    keyring.configure(config.wanted_keys(), config.keys);
    let now = SystemClock.now();
    let keys = match order {
        Order::List => keyring.list(now).await,
        Order::Rotate(rotation) => keyring.rotate(rotation, now).await,
        Order::Revoke(revocation) => keyring.revoke(&revocation.kid, now).await,
    };
    let keys = keys.map_err(|error: KeyringError| Failure::caused(&error))?;
    Ok(json!({"issuer": config.issuer(), "keys": keys}))
}

const COLUMNS: [(&str, &str); 7] = [
    ("use", "use"),
    ("upstream", "upstream"),
    ("alg", "alg"),
    ("state", "state"),
    ("active_from", "active from"),
    ("active_until", "active until"),
    ("kid", "kid"),
];

/// One line for each key.
fn table(answer: &Value) -> String {
    let keys = answer.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let cell = |key: &Value, name: &str| key.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let head = COLUMNS.map(|(_, title)| title.to_owned());
    let rows: Vec<_> = keys.iter().map(|key| COLUMNS.map(|(name, _)| cell(key, name))).collect();
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
