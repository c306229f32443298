//! `POST /idp/confirm`: the person's answer to the question whether to sign in.

use axum::body::Body;
use axum::http::Method;
use axum::response::Response;

use super::browser::Browser;
use super::form::Form;
use super::next::carry_out;
use super::refusal::Refusal;
use super::routes::{At, Audience, BodyKind, Caching, CrossOrigin, Route};
use super::visit::Visit;
use crate::broker::{self, Decision};
use crate::config::ListenerKind;
use crate::event::{Step, reasons};
use crate::message::PublicMessage;
use crate::paths;

/// The route.
pub const ROUTE: Route = Route {
    about: "The person's answer to the question whether to sign in.",
    at: At::Path(paths::CONFIRM),
    methods: &[Method::POST],
    audience: Audience::Browser,
    body: BodyKind::Form,
    cross_origin: CrossOrigin::SameOriginForm,
    caching: Caching::Never,
    listener: ListenerKind::Public,
    serve: |visit, body| Box::pin(confirm(visit, body)),
};

/// Takes the form of the confirmation page.
pub(super) async fn confirm(visit: &mut Visit, body: Body) -> Result<Response, Refusal> {
    let forged = || Refusal::new(PublicMessage::Csrf, Step::LoginFailed, reasons::broker::CSRF);
    let browser = visit.browser.as_ref().map(Browser::id).ok_or_else(forged)?;
    let form = Form::read(visit, body).await?;
    let token = form.get("token").ok_or_else(forged)?;
    let decision = match form.get("decision") {
        Some("yes") => Decision::Continue,
        Some("other") => Decision::Other,
        _ => Decision::Cancel,
    };
    let next = broker::confirm(&mut visit.journey(), token, decision, browser).await?;
    carry_out(visit, next).await
}
