//! What every request must be before it means anything: to our host, with sane cookies, of a bearable size.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use url::Url;

use super::refusal::Refusal;
use super::reply::see_other;
use super::visit::Visit;
use crate::event::{Facts, Step, reasons};
use crate::message::PublicMessage;

/// How many cookies a request may carry without ours among them: a browser that has so many has no room for ours.
const MAX_COOKIES: usize = 50;
/// How long they may be then, in bytes.
const MAX_COOKIE_BYTES: usize = 12 * 1024;

/// Why a request goes no further.
pub(super) enum Stop {
    /// The same page under our one host name.
    Redirect(Response),
    /// A refusal.
    Refuse(Box<Refusal>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(Box::new(refusal))
    }
}

/// Checks host, cookies, protocol switches and the announced length.
pub(super) fn check(visit: &Visit) -> Result<(), Stop> {
    host(visit)?;
    cookies(visit)?;
    if asks_for_another_protocol(visit) {
        let upgrade =
            Refusal::new(PublicMessage::InvalidRequest, Step::RequestRefused, reasons::server::UPGRADE);
        return Err(upgrade.with(header::CONNECTION, HeaderValue::from_static("close")).into());
    }
    let announced = visit.header(&header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > visit.rules.requests.body_bytes as u64) {
        return Err(too_large(announced).into());
    }
    Ok(())
}

/// Java's own client offers HTTP/2 (`h2c`) with every request by plain http: RFC 9110, section 7.8, lets a server
/// pass over an offer.
fn asks_for_another_protocol(visit: &Visit) -> bool {
    visit.headers.get_all(header::UPGRADE).iter().any(|protocol| protocol != "h2c")
}

pub(super) fn too_large(announced: Option<u64>) -> Refusal {
    let length = announced.and_then(|length| usize::try_from(length).ok());
    Refusal::new(PublicMessage::TooLarge, Step::RequestRefused, reasons::server::TOO_LARGE)
        .about(Facts { length, ..Facts::default() })
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}

/// Only the configured name is served. Another name of the same loopback address is sent there, since the
/// cookies of `localhost` and `127.0.0.1` do not meet.
fn host(visit: &Visit) -> Result<(), Stop> {
    let public = &visit.rules.public_url;
    let asked = asked_host(visit)?;
    let (name, port) =
        asked.as_deref().and_then(authority).ok_or_else(|| unreadable_host(asked.as_deref()))?;
    let same_port = Some(port.unwrap_or_else(|| default_port(public))) == public.port_or_known_default();
    if same_port && public.host_str().is_some_and(|ours| ours.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let both_loopback = public.host_str().is_some_and(is_loopback) && is_loopback(name);
    if same_port && both_loopback && [Method::GET, Method::HEAD].contains(&visit.method) {
        let query = if visit.query.is_empty() { String::new() } else { format!("?{}", visit.query) };
        let location = format!("{}{}{query}", public.origin().ascii_serialization(), visit.path);
        return Err(Stop::Redirect(see_other(&location)));
    }
    let facts = Facts { names: asked, url: Some(public.origin().ascii_serialization()), ..Facts::default() };
    let refusal =
        Refusal::new(PublicMessage::Misdirected, Step::RequestRefused, reasons::server::MISDIRECTED);
    Err(refusal.about(facts).into())
}

/// The host that the request is for: of the address where it is written in full, else of its one `Host` (RFC 9112,
/// sections 3.2 and 3.2.2).
fn asked_host(visit: &Visit) -> Result<Option<String>, Refusal> {
    let mut fields = visit.headers.get_all(header::HOST).iter();
    let (first, second) = (fields.next(), fields.next());
    let written = first.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if second.is_some() {
        return Err(unreadable_host(written.as_deref()));
    }
    Ok(visit.authority.clone().or(written))
}

/// A `Host` that is missing, there twice, or no host.
fn unreadable_host(written: Option<&str>) -> Refusal {
    let names = written.map(|host| host.chars().take(256).collect());
    Refusal::new(PublicMessage::InvalidRequest, Step::RequestRefused, reasons::server::HOST)
        .about(Facts { names, ..Facts::default() })
}

/// Host and port of an authority (RFC 3986, section 3.2), without anything before or behind: it is compared as it
/// stands, and never read as a URL, which would take `evil@ours` and `ours/evil` for ours.
fn authority(text: &str) -> Option<(&str, Option<u16>)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (name, rest) = text.split_at(end);
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let is_host = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        // An empty one is an authority: of a URL that has none.
        None => is_name(name),
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    is_host.then_some((name, port))
}

/// The port of its scheme.
fn default_port(url: &Url) -> u16 {
    if url.scheme() == "https" { 443 } else { 80 }
}

fn is_loopback(name: &str) -> bool {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Two cookies of our name with two values mean that somebody else writes one: nothing may rest on either. Those of
/// others are theirs, however many, as long as ours are there. A name that only resembles
/// ours counts for nothing, and is said.
fn cookies(visit: &Visit) -> Result<(), Stop> {
    let cookies = &visit.cookies;
    if let Some(name) = &cookies.near {
        let facts = Facts { names: Some(name.clone()), ..Facts::default() };
        visit.trace.because(Step::RequestNoted, reasons::broker::COOKIE_NEAR, None, facts);
    }
    if cookies.twice {
        let refusal =
            Refusal::new(PublicMessage::Cookies, Step::RequestRefused, reasons::broker::COOKIE_TWICE);
        return Err(refusal.into());
    }
    let many = cookies.count > MAX_COOKIES || cookies.bytes > MAX_COOKIE_BYTES;
    if many && cookies.session.is_none() && cookies.browser.is_none() {
        let facts =
            Facts { count: Some(cookies.count as u64), length: Some(cookies.bytes), ..Facts::default() };
        let reason = reasons::broker::COOKIES_TOO_MANY;
        return Err(Refusal::new(PublicMessage::CookiesFull, Step::RequestRefused, reason)
            .about(facts)
            .into());
    }
    Ok(())
}
