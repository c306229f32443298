//! The only place where an error becomes a response: one event for the operator, one page for the person,
//! both with the same support code.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use maud::Markup;

use super::headers::{empty, page};
use super::visit::Visit;
use crate::broker::Failure;
use crate::event::{Facts, Reason, Sealed, Step, reasons};
use crate::legacy::Refused;
use crate::message::{PublicMessage, SupportCode};
use crate::pages;
use crate::service::AppId;
use url::Url;

/// A request that is not served.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What the person reads; `None` for a machine, which gets the status alone.
    message: Option<PublicMessage>,
    status: u16,
    app: Option<AppId>,
    step: Step,
    reason: Reason,
    facts: Facts,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// A page.
    pub(super) fn new(message: PublicMessage, step: Step, reason: Reason) -> Self {
        Self {
            message: Some(message),
            status: message.status(),
            app: None,
            step,
            reason,
            facts: Facts::default(),
            header: None,
        }
    }

    /// A status without a body, for a machine.
    pub(super) fn bare(status: u16, step: Step, reason: Reason) -> Self {
        Self { message: None, status, ..Self::new(PublicMessage::Internal, step, reason) }
    }

    pub(super) fn not_found() -> Self {
        Self::new(PublicMessage::NotFound, Step::RequestRefused, reasons::server::NOT_FOUND)
    }

    /// What panicked told standard error where; it may hold what no log may.
    pub(super) fn panicked() -> Self {
        Self::new(PublicMessage::Internal, Step::Panicked, reasons::server::INTERNAL)
    }

    pub(super) fn method(allow: &'static str) -> Self {
        Self::new(PublicMessage::Method, Step::RequestRefused, reasons::server::METHOD)
            .with(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// A refused message: the same page whatever the cause.
    pub(super) fn legacy(refused: Refused, app: Option<AppId>) -> Self {
        let page = Self::new(PublicMessage::LegacyRequest, Step::LegacyRequestRefused, refused.reason);
        Self { app, facts: refused.facts, ..page }
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(super) fn about(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// Tells which sealed text was refused.
    pub(super) fn of_sealed(mut self, sealed: Option<Sealed>) -> Self {
        self.facts.sealed = sealed;
        self
    }

    pub(super) fn of_app(mut self, app: &AppId) -> Self {
        self.app = Some(app.clone());
        self
    }

    /// Says the event and makes the response.
    pub(super) fn respond(self, visit: &Visit) -> Response {
        let code = SupportCode::new(visit.app.means.entropy.bytes());
        let mut trace = visit.trace.clone();
        trace.app = trace.app.or_else(|| self.app.clone());
        trace.because(self.step, self.reason, Some(code), self.facts.clone());
        let mut response = match self.message {
            None => empty(self.status),
            Some(message) => page(self.status, &self.page(message, code, visit), visit, &[]),
        };
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }

    /// The page, with one button: back to the application, or to the relay's own page.
    fn page(&self, message: PublicMessage, code: SupportCode, visit: &Visit) -> Markup {
        let last = visit.browser.as_ref().and_then(|browser| browser.last_app.as_ref());
        let app =
            self.app.as_ref().or(visit.trace.app.as_ref()).or(last).and_then(|id| visit.rules.legacy(id));
        let button =
            app.map(|app| pages::Button { app_name: &app.service.name, href: app.service.home_url.as_str() });
        let view = pages::ErrorView {
            site: visit.site(),
            message,
            support_code: &code.to_string(),
            when: &pages::when(visit.now()),
            button,
            home_url: visit.rules.home_url.as_ref().map(Url::as_str),
        };
        pages::error(&view, visit.lang)
    }
}

impl From<Box<Failure>> for Refusal {
    fn from(failure: Box<Failure>) -> Self {
        let Failure { message, app, reason, facts } = *failure;
        let mut refusal = Self::new(message, Step::LoginFailed, reason).about(facts);
        refusal.app = app;
        if message.status() == 503 {
            refusal = refusal.with(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        refusal
    }
}
