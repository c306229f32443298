//! `[outbound]`: how calls leave.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use url::Url;

use super::secrets;
use super::server::read_chain;
use crate::config::file::Section;
use crate::config::value::{Raw, Wrong, text, whole};
use crate::outbound::OutboundSettings;

pub(super) fn outbound(section: Section<'_>, base: &Path) -> OutboundSettings {
    let default = OutboundSettings::default();
    let millis = |key, default: Duration| {
        let default = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(section.or(key, default, whole(100..=60_000)))
    };
    let (connect, total) =
        (millis("connect_milliseconds", default.connect), millis("total_milliseconds", default.total));
    if connect > total {
        let wrong = Wrong::new("is longer than total_milliseconds", "write a shorter time");
        section.fault("connect_milliseconds", wrong);
    }
    let outbound = OutboundSettings {
        connect,
        total,
        max_body: section.or("max_body_bytes", default.max_body, whole(65_536..=16_777_216)),
        proxy: section.optional("proxy", proxy),
        more_roots: section.optional("ca_file", roots(base)).unwrap_or_default(),
    };
    section.finish();
    outbound
}

/// An HTTP proxy; plain http is how most are spoken to.
fn proxy(raw: &Raw<'_>) -> Result<Url, Wrong> {
    let url = Url::parse(&text(raw)?).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.filter(|url| url.has_host() && url.password().is_none() && url.query().is_none());
    url.ok_or_else(|| Wrong::new("is no proxy", "write \"http://proxy.example:3128\", without a password"))
}

/// Authorities that are trusted besides the machine's.
fn roots(base: &Path) -> impl FnOnce(&Raw<'_>) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    move |raw| read_chain(&secrets::path(base)(raw)?)
}
