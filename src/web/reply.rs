//! What a reader gets: the one place where a page, a redirect, a document or a bare status becomes a response.
//!
//! A person reads pages, a browser follows redirects, a machine reads documents and statuses. Whoever adds a kind of
//! reader (an OAuth client, say) adds a variant here.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::visit::Visit;
use crate::message::Lang;

/// Header fields of a page, more or less.
const FIELDS: usize = 20;

/// A reply, by its reader.
pub(super) enum Reply<'r> {
    /// A page for a person, in the language of the visit.
    Page {
        /// The request that it answers.
        visit: &'r Visit,
        /// The status.
        status: u16,
        /// The page.
        markup: Markup,
        /// The origins to which its form's answer leads, besides ourselves.
        form_targets: &'r [String],
    },
    /// A redirect by which the browser turns a `POST` into a `GET` (RFC 9110, section 15.4.4).
    Redirect(&'r str),
    /// A document for a machine, or a file of a page.
    Document {
        /// Its media type.
        kind: &'static str,
        /// What it holds.
        content: Cow<'static, [u8]>,
    },
    /// A status without a body, for a machine.
    Bare(u16),
}

impl IntoResponse for Reply<'_> {
    fn into_response(self) -> Response {
        match self {
            Self::Page { visit, status, markup, form_targets } => html(status, markup, visit, form_targets),
            Self::Redirect(location) => match HeaderValue::try_from(location) {
                Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
                Err(_) => empty(500),
            },
            Self::Document { kind, content } => {
                ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], content).into_response()
            }
            Self::Bare(status) => {
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
            }
        }
    }
}

/// A page. Chromium applies `form-action` to every redirect that follows a submission, and where an application or an
/// upstream sends the browser next is theirs to say: such a page lets it go anywhere over https.
fn html(status: u16, markup: Markup, visit: &Visit, form_targets: &[String]) -> Response {
    let mut targets: String = form_targets.iter().flat_map(|origin| [" ", origin.as_str()]).collect();
    if visit.rules.is_https() && !targets.is_empty() {
        targets.push_str(" https:");
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'{targets}; \
         base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    let (Ok(status), Ok(policy)) = (StatusCode::from_u16(status), HeaderValue::try_from(policy)) else {
        return empty(500);
    };
    let mut response = Response::new(Body::from(markup.0));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // With what every response carries, more than it would grow to in two steps.
    headers.reserve(FIELDS);
    for (name, value) in fields(visit.lang) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// What every page says of itself.
fn fields(lang: Lang) -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_LANGUAGE, lang.tag()),
        (header::VARY, "Accept-Language"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
        ),
    ]
}

/// A page for a person.
pub(super) fn page(status: u16, markup: Markup, visit: &Visit, form_targets: &[String]) -> Response {
    Reply::Page { visit, status, markup, form_targets }.into_response()
}

/// A redirect for a browser.
pub(super) fn see_other(location: &str) -> Response {
    Reply::Redirect(location).into_response()
}

/// A status and nothing else.
pub(super) fn empty(status: u16) -> Response {
    Reply::Bare(status).into_response()
}
