//! What every request must be before it means anything: to our host, with sane cookies, of a bearable size.

use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use url::{Host, Url};

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
    if visit.host.as_deref().is_some_and(|host| is_spelled(public, host)) {
        return Ok(());
    }
    let asked =
        visit.host.as_deref().and_then(|host| Url::parse(&format!("{}://{host}/", public.scheme())).ok());
    if asked.as_ref().is_some_and(|asked| asked.origin() == public.origin()) {
        return Ok(());
    }
    let same_port =
        asked.as_ref().is_some_and(|a| a.port_or_known_default() == public.port_or_known_default());
    let both_loopback = is_loopback(public) && asked.as_ref().is_some_and(is_loopback);
    if same_port && both_loopback && [Method::GET, Method::HEAD].contains(&visit.method) {
        let query = if visit.query.is_empty() { String::new() } else { format!("?{}", visit.query) };
        let location = format!("{}{}{query}", public.origin().ascii_serialization(), visit.path);
        return Err(Stop::Redirect(see_other(&location)));
    }
    let facts = Facts {
        names: visit.host.clone(),
        url: Some(public.origin().ascii_serialization()),
        ..Facts::default()
    };
    let refusal =
        Refusal::new(PublicMessage::Misdirected, Step::RequestRefused, reasons::server::MISDIRECTED);
    Err(refusal.about(facts).into())
}

/// Whether `host` is that of `public` as it is spelled there, which needs no parsing: nearly always.
fn is_spelled(public: &Url, host: &str) -> bool {
    let port = public.host_str().and_then(|name| host.strip_prefix(name));
    port.is_some_and(|rest| match public.port() {
        Some(port) => rest.strip_prefix(':').is_some_and(|digits| digits == port.to_string()),
        None => rest.is_empty(),
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
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
