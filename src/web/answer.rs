//! What the broker decided becomes a response: a redirect to the upstream, a question, or the sealed answer.

use axum::response::Response;

use super::headers::{page, see_other};
use super::refusal::Refusal;
use super::visit::Visit;
use crate::broker::{self, Next, Outcome, Question};
use crate::event::{Facts, Step, reasons};
use crate::legacy::{self, App, Return, Unanswerable};
use crate::login::{BrowserId, LoginId};
use crate::message::{PublicMessage, SupportCode};
use crate::outcome::{Declined, RefusalCode};
use crate::pages;
use crate::request::{LegacyRequest, LoginRequest};

/// Carries out what the broker decided.
pub(super) async fn next(visit: &mut Visit, next: Next, browser: BrowserId) -> Result<Response, Refusal> {
    match next {
        Next::Redirect(url) => Ok(see_other(url.as_str())),
        Next::Confirm(question) => Ok(ask(visit, &question)),
        Next::Answer(outcome) => answer(visit, *outcome, browser).await,
    }
}

fn ask(visit: &mut Visit, question: &Question) -> Response {
    visit.prefer(&question.ui_locales);
    let rules = visit.rules.clone();
    let Some(app) = rules.legacy(&question.app) else {
        return gone(&question.app).respond(visit);
    };
    let label = rules.upstream_labels.get(&question.upstream);
    let view = pages::ConfirmView {
        site: visit.site(),
        app_name: &app.service.name,
        person: &pages::display_name(&question.identity.claims),
        upstream_name: label.map_or(question.upstream.as_str(), String::as_str),
        action: &format!("{}/idp/confirm", rules.base()),
        token: &question.token,
    };
    let targets: Vec<_> = app.callbacks.iter().map(legacy::CallbackRule::origin).collect();
    page(200, &pages::confirm(&view, visit.lang), visit, &targets)
}

/// Seals the outcome for the application, spends the message, and sends the browser back.
async fn answer(visit: &mut Visit, outcome: Outcome, browser: BrowserId) -> Result<Response, Refusal> {
    let Outcome { login, request: LoginRequest::Legacy(request), result } = outcome;
    visit.trace.login = Some(login);
    visit.trace.app = Some(request.app.clone());
    let rules = visit.rules.clone();
    let app = rules.legacy(&request.app).filter(|app| app.enabled).ok_or_else(|| gone(&request.app))?;
    let identity = match result {
        Ok(identity) => identity,
        Err(declined) => return refuse(visit, app, &request, login, browser, declined).await,
    };
    let means = &visit.app.means;
    let now = visit.now();
    match legacy::answer(app, &rules.issuer, &request, &identity, now, &*means.entropy) {
        Ok(answer) => {
            let journey = visit.journey();
            broker::finish(&journey, &request, login, browser, answer.travels.location()).await?;
            // Only a message that this login spent leaves something to claim.
            if let Return::ByReference { reference, .. } = &answer.travels {
                let handle = legacy::reference_handle(&request.app, request.key, reference);
                let waiting = broker::Claimable { login, sealed: answer.sealed.clone() };
                let kept =
                    means.tables.references.put(&handle, &waiting, now.plus(legacy::CLAIM), &[], now).await;
                kept.map_err(Box::<broker::Failure>::from)?;
            }
            let facts = Facts {
                length: Some(answer.sealed.len()),
                names: Some(answer.names),
                acr: identity.acr.map(|acr| acr.0),
                wire: Some(app.wire.name()),
                url: Some(request.callback().to_owned()),
                ..Facts::default()
            };
            visit.trace.step(Step::LegacyAnswerIssued, facts);
            Ok(see_other(answer.travels.location()))
        }
        Err(Unanswerable::TooLong { length }) => {
            let declined = Declined {
                code: RefusalCode::ServerError,
                message: PublicMessage::AnswerTooLong,
                reason: reasons::legacy::ANSWER_TOO_LONG,
                facts: Facts { length: Some(length), ..Facts::default() },
            };
            refuse(visit, app, &request, login, browser, declined).await
        }
        Err(Unanswerable::KeyGone | Unanswerable::NoRefusals) => Err(gone(&request.app)),
    }
}

/// A refusal returns to the application, sealed; where even that does not fit, or the wire has no refusals, the person reads a page.
async fn refuse(
    visit: &mut Visit,
    app: &App,
    request: &LegacyRequest,
    login: LoginId,
    browser: BrowserId,
    declined: Declined,
) -> Result<Response, Refusal> {
    let Declined { code, message, reason, facts } = declined;
    let means = &visit.app.means;
    let support = SupportCode::new(means.entropy.bytes());
    let sealed = legacy::refuse(app, request, code, support, visit.now(), &*means.entropy);
    let on_page = || Refusal::new(message, Step::LoginFailed, reason).of_app(&request.app);
    match sealed {
        Ok(location) => {
            broker::finish(&visit.journey(), request, login, browser, &location).await?;
            let facts = Facts { error: facts.error.or_else(|| Some(code.as_str().to_owned())), ..facts };
            visit.trace.because(Step::LegacyRefusalIssued, reason, Some(support), facts);
            Ok(see_other(&location))
        }
        Err(Unanswerable::TooLong { .. } | Unanswerable::NoRefusals) => {
            broker::finish(&visit.journey(), request, login, browser, app.service.home_url.as_str()).await?;
            Err(on_page().about(facts))
        }
        Err(Unanswerable::KeyGone) => Err(gone(&request.app)),
    }
}

fn gone(app: &crate::service::AppId) -> Refusal {
    Refusal::new(PublicMessage::ClientDisabled, Step::LoginFailed, reasons::broker::APP_GONE).of_app(app)
}
