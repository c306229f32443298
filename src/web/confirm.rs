//! `POST /idp/confirm`: the person's answer to the question whether to sign in.

use axum::body::Body;
use axum::response::Response;

use super::answer::next;
use super::browser::Browser;
use super::form::{Form, is_same_origin};
use super::headers::see_other;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::broker::{self, Confirmed, Decision};
use crate::event::{Facts, Step, reasons};
use crate::message::PublicMessage;

/// Takes the form of the confirmation page.
pub(super) async fn confirm(visit: &mut Visit, body: Body) -> Result<Response, Refusal> {
    let forged = || Refusal::new(PublicMessage::Csrf, Step::LoginFailed, reasons::broker::CSRF);
    if !is_same_origin(visit) {
        return Err(forged());
    }
    let browser = visit.browser.as_ref().map(Browser::id).ok_or_else(forged)?;
    let form = Form::read(visit, body).await?;
    let token = form.get("token").ok_or_else(forged)?;
    let decision = match form.get("decision") {
        Some("yes") => Decision::Continue,
        _ => Decision::Cancel,
    };
    let mut journey = visit.journey();
    let confirmed = broker::confirm(&mut journey, token, decision, browser).await;
    visit.trace = journey.trace.clone();
    match confirmed? {
        Confirmed::Next(outcome) => next(visit, outcome, browser).await,
        Confirmed::Again(login, failure) => match broker::again(&visit.journey(), login).await? {
            Some(location) => {
                let url = location.split('?').next().map(str::to_owned);
                visit.trace.step(Step::LegacyAnswerRepeated, Facts { url, ..Facts::default() });
                Ok(see_other(&location))
            }
            None => Err(failure.into()),
        },
    }
}
