//! One request to the public listener, read once: who calls, in which language, with which cookies.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};

use super::browser::Browser;
use super::session::Handle;
use crate::app::{App, Rules};
use crate::broker::Journey;
use crate::clock::Timestamp;
use crate::event::Trace;
use crate::message::Lang;
use crate::pages::Site;
use crate::peer::Peer;

/// A request and what it means for every endpoint.
pub(super) struct Visit {
    /// The relay.
    pub app: Arc<App>,
    /// The configuration in force when the request came.
    pub rules: Arc<Rules>,
    /// The method.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent; empty if there is none.
    pub query: String,
    /// The host that the request names.
    pub host: Option<String>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The language of the answer.
    pub lang: Lang,
    /// The cookie that binds logins in flight.
    pub browser: Option<Browser>,
    /// The session cookie.
    pub session: Handle,
    /// Where events are said.
    pub trace: Trace,
    /// Who calls.
    pub peer: Peer,
}

impl Visit {
    pub(super) fn new(app: Arc<App>, parts: Parts) -> Self {
        let rules = app.rules();
        let Parts { method, uri, headers, extensions, .. } = parts;
        let mut peer = extensions.get::<Peer>().cloned().unwrap_or_default();
        if rules.trusted_proxies.iter().any(|proxy| proxy.contains(&peer.address)) {
            believe(&rules, &headers, &mut peer);
        }
        peer.user_agent = text(&headers, &header::USER_AGENT).map(|agent| agent.chars().take(256).collect());
        let query = uri.query().unwrap_or_default().to_owned();
        let host = uri.authority().map(|authority| authority.as_str().to_owned());
        Self {
            trace: Trace::new(app.means.events.clone(), Some(peer.clone())),
            lang: language(&rules, &headers, &query),
            browser: Browser::read(&rules, &headers),
            session: Handle::of(&extensions),
            host: host.or_else(|| text(&headers, &header::HOST).map(str::to_owned)),
            path: uri.path().to_owned(),
            query,
            method,
            headers,
            peer,
            rules,
            app,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.app.means.clock.now()
    }

    /// What the broker needs.
    pub(super) fn journey(&self) -> Journey<'_> {
        let means = &self.app.means;
        Journey {
            tables: &means.tables,
            parties: &*self.rules,
            limits: &self.rules.journey,
            clock: &*means.clock,
            entropy: &*means.entropy,
            floor: means.floor,
            trace: self.trace.clone(),
        }
    }

    /// What every page must know.
    pub(super) fn site(&self) -> Site<'_> {
        Site { root: self.rules.base(), demo: self.rules.demo.is_some() }
    }

    /// A header field's value, if it is text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        text(&self.headers, name)
    }

    /// Prefers the languages that the application asked for.
    pub(super) fn prefer(&mut self, ui_locales: &[String]) {
        if let Some(lang) = ui_locales.iter().find_map(|tag| Lang::from_tag(tag)) {
            self.lang = lang;
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Takes the address that a trusted proxy tells: the right-most that is not itself a trusted proxy. Entries
/// that are not addresses are dropped; nothing is resolved.
fn believe(rules: &Rules, headers: &HeaderMap, peer: &mut Peer) {
    let told = headers.get_all("x-forwarded-for").iter().rev().filter_map(|value| value.to_str().ok());
    let entries = told.flat_map(|value| value.rsplit(',')).take(32);
    for entry in entries {
        let Ok(address) = entry.trim().parse::<IpAddr>() else { continue };
        let address = address.to_canonical();
        (peer.address, peer.port) = (address, 0);
        if !rules.trusted_proxies.iter().any(|proxy| proxy.contains(&address)) {
            break;
        }
    }
}

/// The language of the answer: `ui_locales`, else `Accept-Language` (RFC 9110, section 12.5.4), else the
/// configured one.
fn language(rules: &Rules, headers: &HeaderMap, query: &str) -> Lang {
    let asked = query.split('&').find_map(|piece| piece.strip_prefix("ui_locales="));
    if let Some(lang) = asked.and_then(|tags| tags.split(['+', ' ']).find_map(Lang::from_tag)) {
        return lang;
    }
    let header = text(headers, &header::ACCEPT_LANGUAGE).filter(|value| value.len() <= 1024);
    let mut best: Option<(Lang, f32)> = None;
    for range in header.unwrap_or_default().split(',').take(32) {
        let mut parts = range.split(';');
        let Some(lang) = parts.next().and_then(|tag| Lang::from_tag(tag.trim())) else { continue };
        let weight = parts.find_map(|p| p.trim().strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
        let Some(weight) = weight.filter(|q| (0.001..=1.0).contains(q)) else { continue };
        if best.is_none_or(|(_, former)| weight > former) {
            best = Some((lang, weight));
        }
    }
    best.map_or(rules.default_locale, |(lang, _)| lang)
}
