//! One request to the public listener, read once: who calls, in which language, with which cookies.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};

use super::browser::Browser;
use super::cookies::Cookies;
use super::routes::Audience;
use super::session::Cookie;
use crate::app::{App, Rules};
use crate::broker::{Journey, Session, SessionHandle, Visitor};
use crate::clock::Timestamp;
use crate::event::Trace;
use crate::message::Lang;
use crate::pages::Site;
use crate::peer::Peer;

/// The address that was sent, where the router was asked for another.
#[derive(Clone)]
pub(super) struct Sent(pub Uri);

/// A request and what it means for every endpoint.
pub(super) struct Visit {
    /// The relay.
    pub app: Arc<App>,
    /// The configuration in force when the request came.
    pub rules: Arc<Rules>,
    /// The method.
    pub method: Method,
    /// What the path has at the route's parameter, as sent; or whose configured path it is.
    pub named: String,
    /// Who calls the endpoint.
    pub audience: Audience,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent; empty if there is none.
    pub query: String,
    /// The host of the address, where it is written in full.
    pub authority: Option<String>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The language of the answer.
    pub lang: Lang,
    /// The cookies, as our own parser has read them.
    pub cookies: Cookies,
    /// The cookie that binds logins in flight.
    pub browser: Option<Browser>,
    /// The session cookie, at endpoints of browsers.
    pub session: Cookie,
    /// The session's new handle, which the browser gets with the answer.
    pub renewed: Option<SessionHandle>,
    /// Where events are said.
    pub trace: Trace,
    /// Who calls.
    pub peer: Peer,
}

impl Visit {
    /// Of a request, under the rules in force for it. If the router was asked below the path of `public_url`, the
    /// address that was sent stands in the extensions.
    pub(super) fn new(app: Arc<App>, rules: Arc<Rules>, parts: Parts) -> Self {
        let Parts { method, uri, headers, mut extensions, .. } = parts;
        let uri = extensions.remove::<Sent>().map_or(uri, |sent| sent.0);
        let peer = extensions.get::<Peer>().cloned().unwrap_or_default();
        let mut peer = peer.forwarded(&headers, |address| rules.trusts(address));
        peer.user_agent = text(&headers, &header::USER_AGENT).map(|agent| agent.chars().take(256).collect());
        let cookies = Cookies::read(&rules, &headers);
        let query = uri.query().unwrap_or_default().to_owned();
        let authority = uri.authority().map(|authority| authority.as_str().to_owned());
        Self {
            trace: Trace::new(app.means.events.clone(), Some(peer.clone())),
            lang: language(&rules, &headers, &query),
            browser: cookies.browser.as_deref().and_then(Browser::read),
            session: Cookie::default(),
            renewed: None,
            cookies,
            authority,
            path: uri.path().to_owned(),
            named: String::new(),
            audience: Audience::default(),
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
    pub(super) fn journey(&mut self) -> Journey<'_> {
        let means = &self.app.means;
        Journey {
            records: &means.records,
            registry: &*self.rules,
            limits: &self.rules.journey,
            clock: &*means.clock,
            entropy: &*means.entropy,
            handle_key: &means.handle_key,
            renewed: &mut self.renewed,
            trace: &mut self.trace,
        }
    }

    /// Whoever brings the request, in their `session`.
    pub(super) fn visitor(&self, session: Option<&Session>) -> Visitor {
        Visitor {
            browser: self.browser.as_ref().map(Browser::id),
            session: session.map(|session| session.id),
        }
    }

    /// The address names an application that is not there: no page of this request leads to another one.
    pub(super) fn names_a_stranger(&mut self) {
        if let Some(browser) = &mut self.browser {
            browser.last_app = None;
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
