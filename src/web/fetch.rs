//! Where a request comes from, as the browser itself tells it (Fetch Metadata): what a page of another site may have a
//! browser do, by the rule of each route. A browser that tells nothing is believed.

use axum::http::{HeaderValue, Method, header};

use super::refusal::Refusal;
use super::routes::{At, CrossOrigin, Route};
use super::visit::Visit;
use crate::event::{Step, reasons};
use crate::message::PublicMessage;
use crate::paths;

/// Holds `visit` to the rule of its route. A `HEAD` begins and ends nothing.
pub(super) fn check(route: &Route, visit: &Visit) -> Result<(), Refusal> {
    match route.cross_origin {
        CrossOrigin::Any => Ok(()),
        _ if visit.method == Method::HEAD => Ok(()),
        CrossOrigin::TopLevelNavigation => navigation(route, visit),
        CrossOrigin::Question if visit.method == Method::GET => {
            not_ahead(visit)?;
            outside_a_frame(route, visit)
        }
        CrossOrigin::Question | CrossOrigin::SameOriginForm => {
            if !is_same_origin(visit) {
                return Err(Refusal::new(PublicMessage::Csrf, Step::LoginFailed, reasons::broker::CSRF));
            }
            navigation(route, visit)
        }
    }
}

/// Whether the browser goes there to show what comes: what it says is only believed where it says so.
pub(super) fn is_navigation(visit: &Visit) -> bool {
    let told =
        |name: &str, right: &[u8]| visit.headers.get(name).is_none_or(|value| value.as_bytes() == right);
    told("sec-fetch-mode", b"navigate") && told("sec-fetch-dest", b"document")
}

/// What a browser fetches ahead of its person is asked for again when they go there.
fn not_ahead(visit: &Visit) -> Result<(), Refusal> {
    if is_prefetch(visit) {
        return Err(Refusal::bare(503, Step::RequestRefused, reasons::server::PREFETCH));
    }
    Ok(())
}

fn navigation(route: &Route, visit: &Visit) -> Result<(), Refusal> {
    not_ahead(visit)?;
    outside_a_frame(route, visit)?;
    if is_navigation(visit) {
        return Ok(());
    }
    Err(Refusal::bare(403, Step::RequestRefused, reasons::server::NOT_NAVIGATED))
}

fn outside_a_frame(route: &Route, visit: &Visit) -> Result<(), Refusal> {
    if !["iframe", "frame", "embed", "object", "fencedframe"].contains(&field(visit, "sec-fetch-dest")) {
        return Ok(());
    }
    let of_a_message = matches!(route.at, At::Path(paths::IDP | paths::IDP_APP));
    let (step, reason) = if of_a_message {
        (Step::LegacyRequestRefused, reasons::legacy::FRAMED)
    } else {
        (Step::RequestRefused, reasons::server::FRAMED)
    };
    Err(Refusal::new(PublicMessage::Framed, step, reason))
}

fn is_prefetch(visit: &Visit) -> bool {
    let purposes = ["sec-purpose", "purpose", "x-purpose", "x-moz"].map(|name| field(visit, name));
    purposes.iter().any(|purpose| purpose.contains("prefetch") || purpose.contains("preview"))
}

fn field<'v>(visit: &'v Visit, name: &str) -> &'v str {
    visit.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether a form comes from our own page. A page without referrer sends the origin `null`, so the browser's
/// own account of the site counts too; the form's token stands above both.
fn is_same_origin(visit: &Visit) -> bool {
    let site = visit.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let origin = visit.header(&header::ORIGIN);
    let ours = visit.rules.public_url.origin().ascii_serialization();
    let site_agrees = site.is_none_or(|site| site == b"same-origin");
    let origin_agrees = origin.is_none_or(|origin| origin == ours || origin == "null");
    site_agrees && origin_agrees
}
