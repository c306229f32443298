//! The only place where an error becomes a reply: one event for the operator, and what the endpoint's reader reads. A
//! person gets a page with the event's support code, a server the status alone.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use maud::Markup;

use super::reply::Reply;
use super::routes::Audience;
use super::visit::Visit;
use crate::broker::{Failure, Registry as _};
use crate::event::{Facts, Reason, Step, reasons};
use crate::message::{PublicMessage, SupportCode};
use crate::pages;
use crate::service::ServiceId;
use url::Url;

/// A request that is not served.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What a person reads; `None` where nobody reads a page, and the status says all.
    message: Option<PublicMessage>,
    status: u16,
    app: Option<ServiceId>,
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

    /// The library of the session cookie failed by itself; the store said why.
    pub(super) fn session_lost() -> Self {
        let refusal = Self::new(PublicMessage::Unavailable, Step::StoreFailed, reasons::server::STORE_FAILED);
        refusal.with(header::RETRY_AFTER, HeaderValue::from_static("10"))
    }

    pub(super) fn method(allow: &str) -> Self {
        let refusal = Self::new(PublicMessage::Method, Step::RequestRefused, reasons::server::METHOD);
        match HeaderValue::try_from(allow) {
            Ok(allow) => refusal.with(header::ALLOW, allow),
            Err(_) => refusal,
        }
    }

    /// Whether the request itself is malformed, in any way.
    pub(super) fn is_malformed(&self) -> bool {
        self.message == Some(PublicMessage::InvalidRequest)
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(super) fn about(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    pub(super) fn of_app(mut self, app: &ServiceId) -> Self {
        self.app = Some(app.clone());
        self
    }

    /// Says the event and makes the response.
    pub(super) async fn respond(mut self, visit: &Visit) -> Response {
        let code = SupportCode::new(visit.app.means.entropy.bytes());
        let mut trace = visit.trace.clone();
        trace.app = trace.app.or_else(|| self.app.clone());
        trace.because(self.step, self.reason, Some(code), std::mem::take(&mut self.facts));
        let mut response = match (self.message, visit.audience) {
            (Some(message), Audience::Browser | Audience::Anyone) => {
                let markup = self.page(message, code, visit).await;
                Reply::Page { visit, status: self.status, markup, form_targets: &[] }.into_response()
            }
            (None, _) | (_, Audience::ClientServer) => Reply::Bare(self.status).into_response(),
        };
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }

    /// The page, with one button: back to the application, or to the relay's own page.
    async fn page(&self, message: PublicMessage, code: SupportCode, visit: &Visit) -> Markup {
        let rules = &visit.rules;
        // Under another name no address of ours leads anywhere but here.
        let away = (message == PublicMessage::Misdirected).then(|| format!("{}/", rules.issuer));
        let last = visit.browser.as_ref().and_then(|browser| browser.last_app.as_ref());
        let service = match self.app.as_ref().or(visit.trace.app.as_ref()).or(last) {
            // Where even the store fails, the page has no button.
            Some(id) if away.is_none() => rules.service(id).await.ok().flatten(),
            _ => None,
        };
        let button = service
            .as_ref()
            .map(|service| pages::Button { app_name: &service.name, href: service.home_url.as_str() });
        let view = pages::ErrorView {
            site: visit.site(),
            message,
            support_code: &code.to_string(),
            when: &pages::when(visit.now()),
            button,
            home_url: away.as_deref().or(rules.home_url.as_ref().map(Url::as_str)),
        };
        pages::error(&view, visit.lang)
    }
}

impl From<Box<Failure>> for Refusal {
    fn from(failure: Box<Failure>) -> Self {
        let Failure { step, message, app, reason, facts, retry_after } = *failure;
        let mut refusal = Self::new(message, step, reason).about(facts);
        refusal.app = app;
        let wait = retry_after.map(|rest| rest.as_secs().max(1)).or((message.status() == 503).then_some(10));
        if let Some(seconds) = wait {
            refusal = refusal.with(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        refusal
    }
}
