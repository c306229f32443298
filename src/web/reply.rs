//! What a reader gets: the one place where a page, a redirect, a document or a bare status becomes a response.
//!
//! A person reads pages, a browser follows redirects, a machine reads documents and statuses. Whoever adds a kind of
//! reader (an OAuth client, say) adds a variant here.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, Response as HttpResponse, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::visit::Visit;

/// A reply, by its reader.
pub(super) enum Reply<'r> {
    /// A page for a person, in the language of the visit.
    Page {
        /// The request that it answers.
        visit: &'r Visit,
        /// The status.
        status: u16,
        /// The page.
        markup: &'r Markup,
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
fn html(status: u16, markup: &Markup, visit: &Visit, form_targets: &[String]) -> Response {
    let mut targets: String = form_targets.iter().flat_map(|origin| [" ", origin.as_str()]).collect();
    if visit.rules.is_https() && !targets.is_empty() {
        targets.push_str(" https:");
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'{targets}; \
         base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    let builder = HttpResponse::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CONTENT_LANGUAGE, visit.lang.tag())
        .header(header::VARY, "Accept-Language")
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header("cross-origin-opener-policy", "same-origin")
        .header(
            "permissions-policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
        );
    builder.body(Body::from(markup.0.clone())).unwrap_or_else(|_| empty(500))
}

/// A page for a person.
pub(super) fn page(status: u16, markup: &Markup, visit: &Visit, form_targets: &[String]) -> Response {
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
