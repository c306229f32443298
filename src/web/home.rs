//! `GET /` and the files that the pages need.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::headers::page;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::pages;

/// The relay's own page.
pub(super) fn home(visit: &Visit) -> Response {
    let view = pages::HomeView { demo: visit.rules.demo.clone() };
    page(200, &pages::home(&view, visit.rules.base(), visit.lang), visit, &[])
}

/// A file of the pages; its name changes with its content, so it may be kept.
pub(super) fn asset(name: &str) -> Result<Response, Refusal> {
    let (kind, bytes) = pages::asset(name).ok_or_else(Refusal::not_found)?;
    let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, keep)], bytes)
        .into_response())
}
