//! All faults at once: each section is read to its end whatever was found before, then what concerns several.

mod alias;
mod claims;
mod credentials;
mod demands;
mod keys;
mod legacy;
mod outbound;
mod secrets;
mod server;
mod store;
mod upstream;
mod wire;

use std::path::Path;

use super::file::Document;
use super::value::Wrong;
use super::{Config, Faults, Purpose};

/// Checks everything, and makes the configuration of it if nothing is wrong.
pub(super) fn check(document: &Document, base: &Path, purpose: Purpose) -> Result<Config, Faults> {
    let root = document.root();
    let server = server::server(root.section("server"), base);
    let store = store::store(root.section("store"), base);
    let keys = keys::keys(root.section("keys"), base, &store);
    let session = server::session(root.section("session"));
    let limits = server::limits(root.section("limit"));
    let outbound = outbound::outbound(root.section("outbound"), base);
    let event = server::event(root.section("event"));
    let upstreams = upstream::upstreams(root.named("upstream"), base, server.public_url.as_ref());
    let around =
        legacy::Around { base, purpose, on_loopback: server.on_loopback(), upstreams: &upstreams.known };
    let apps = legacy::apps(root.named("legacy"), &around);
    if apps.ids.is_empty() {
        root.warn("legacy", "there is no application, so nobody can sign in anywhere");
    }
    if let Some(id) = &server.default_app
        && !apps.ids.contains(&id.as_str())
    {
        let right = one_of("write the name of a section [legacy.…]", apps.ids.iter().copied());
        root.section("server")
            .fault("default_app", Wrong { wrong: format!("{id:?} is no application"), right });
    }
    let aliases = root.section("server").section("aliases");
    let default_app = server.default_app.is_some();
    alias::check(&aliases, &server.aliases, server.public_url.as_ref(), &upstreams.settings, default_app);
    root.finish();
    let config = (|| {
        let public_url = server.public_url?;
        let issuer = public_url.as_str().trim_end_matches('/').to_owned();
        Some(Config {
            public_url,
            issuer,
            home_url: server.home_url,
            listeners: server.listeners,
            trusted_proxies: server.trusted_proxies,
            hsts_include_subdomains: server.hsts_include_subdomains,
            default_locale: server.default_locale,
            default_app: server.default_app.and_then(|id| crate::service::ServiceId::parse(&id)),
            aliases: server.aliases,
            store,
            seal_key: keys.seal_key?,
            other_seal_key: keys.other_seal_key,
            keys: keys.policy,
            session,
            limits,
            outbound,
            upstreams: upstreams.settings,
            upstream_labels: upstreams.labels,
            apps: apps.apps,
            event,
            warnings: Vec::new(),
        })
    })();
    let (config, warnings) = document.verdict(config)?;
    Ok(Config { warnings, ..config })
}

/// `text`, and what can be written there.
fn one_of<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { text.to_owned() } else { format!("{text}: {}", names.join(", ")) }
}
