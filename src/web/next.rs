//! What the broker decided becomes a response: a redirect, or the page that asks.

use axum::response::Response;

use super::refusal::Refusal;
use super::reply::{page, see_other};
use super::visit::Visit;
use crate::broker::{Failure, Next, Question, Registry as _};
use crate::pages;
use crate::upstream::Upstream;

/// Carries out what the broker decided.
pub(super) async fn carry_out(visit: &mut Visit, next: Next) -> Result<Response, Refusal> {
    match next {
        Next::Redirect(location) => Ok(see_other(&location)),
        Next::Confirm(question) => ask(visit, &question).await,
    }
}

async fn ask(visit: &mut Visit, question: &Question) -> Result<Response, Refusal> {
    visit.prefer(&question.ui_locales);
    let service = visit.rules.service(&question.app).await.map_err(Box::<Failure>::from)?;
    let service = service.ok_or_else(|| Failure::gone(&question.app))?;
    let upstream = visit.rules.upstream(&question.upstream);
    let label = visit.rules.upstream_labels.get(&question.upstream);
    let upstream_name = label.map_or(question.upstream.as_str(), String::as_str);
    let usage_name = upstream.and_then(|upstream| upstream.settings().profile.usage_name);
    let person = pages::person(&question.identity, upstream_name, usage_name);
    let logout = format!("{}/logout/{}", visit.rules.base(), service.id);
    let asks_anew = upstream.is_some_and(Upstream::honours_login);
    let view = pages::ConfirmView {
        site: visit.site(),
        app_name: &service.name,
        person: &person,
        upstream_name,
        action: &format!("{}/idp/confirm", visit.rules.base()),
        token: &question.token,
        fresh: question.fresh,
        other: if asks_anew { pages::Other::Button } else { pages::Other::Logout(&logout) },
    };
    Ok(page(200, pages::confirm(&view, visit.lang), visit, &service.origins))
}
