//! `relais reload`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use http::StatusCode;
use url::Url;

use super::config_file::ConfigFile;
use super::{Failure, in_runtime, output};
use crate::config::{Config, ListenerKind};
use crate::outbound::{Outbound, OutboundSettings};

/// Have the running relay read its configuration anew: all of it or nothing
///
/// Asks its management listener, as the configuration names it, and says what came of it. SIGHUP does the same, and
/// says it in an event. Requests under way go on under what they began with. Listeners, [store], the seal key, [limit],
/// [outbound] and [event] change at a restart only.
#[derive(Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    config: ConfigFile,
}

impl Reload {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let url = management(&config, "/reload")?;
        in_runtime(async {
            let outbound = Outbound::new(&OutboundSettings::default());
            let outbound = outbound.map_err(|error| Failure::caused(&error))?;
            let answer = outbound.post_form(&url, String::new(), None).await;
            let answer = answer.map_err(|error| Failure::caused(&error))?;
            if answer.status == StatusCode::OK {
                return output(&answer.body);
            }
            let told = String::from_utf8_lossy(&answer.body).trim_end().to_owned();
            Err(Failure::Runtime(format!("not reloaded: {told}")))
        })
    }
}

/// Where the relay of `config` can be asked on this machine.
fn management(config: &Config, path: &str) -> Result<Url, Failure> {
    let listener = config.listeners.iter().find(|listener| listener.kind == ListenerKind::Management);
    let none = || Failure::Runtime("the configuration names no management listener; send SIGHUP".to_owned());
    let listener = listener.ok_or_else(none)?;
    let address = match listener.address.ip() {
        ip if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}{path}", SocketAddr::new(address, listener.address.port()));
    Url::parse(&url).map_err(|error| Failure::caused(&error))
}
