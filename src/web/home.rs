//! `GET /`, the files that the pages need, and the error page by itself.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::headers::page;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::event::{Facts, Step, reasons};
use crate::message::{Lang, PublicMessage};
use crate::pages;

/// The relay's own page.
pub(super) fn home(visit: &Visit) -> Response {
    visit.trace.step(Step::HomeShown, Facts::default());
    let base = visit.rules.base();
    let hrefs = [Lang::Fr, Lang::En].map(|lang| (lang, format!("{base}/?ui_locales={}", lang.tag())));
    let languages: Vec<_> =
        hrefs.iter().map(|(lang, href)| pages::LanguageLink { lang: *lang, href }).collect();
    let demo = visit.rules.demo.as_ref().map(|demo| pages::DemoLinks {
        legacy_app: &demo.legacy_app,
        stub: &demo.stub,
        management: &demo.management,
    });
    let view = pages::HomeView { site: visit.site(), languages: &languages, demo };
    page(200, &pages::home(&view, visit.lang), visit, &[])
}

/// The error page, for whoever sends a browser to where the relay's predecessor showed its own.
pub(super) fn error() -> Refusal {
    Refusal::new(PublicMessage::InvalidRequest, Step::RequestRefused, reasons::server::ERROR_ALIAS)
}

/// A file of the pages; its address changes with its content, so it may be kept.
pub(super) fn asset(name: &str) -> Result<Response, Refusal> {
    let (kind, bytes) = pages::asset(&format!("/static/{name}")).ok_or_else(Refusal::not_found)?;
    let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, keep)], bytes)
        .into_response())
}
