//! The end of a login: its front answers, and for a minute the same browser may have the same answer again.

use super::login::{Answered, Carries, REPEAT, SignIn};
use super::requirements::Standing;
use super::{Answer, Failure, Holders, Journey, Next, Outcome, Visitor};
use crate::event::reasons;
use crate::login::LoginId;
use crate::message::PublicMessage;
use crate::outcome::Declined;
use crate::service::ServiceId;
use crate::store::StoreError;

/// Hands the outcome to the front. What leaves, leaves once: of two clicks at the same moment both have the address of
/// the one that was kept.
pub(super) async fn answer(
    cx: &mut Journey<'_>,
    at: Standing<'_>,
    result: Result<SignIn, Declined>,
) -> Result<Next, Box<Failure>> {
    let Standing { login, confirmed, .. } = at;
    let (id, browser, service) = (login.id, login.browser, login.service);
    let front = cx.registry.front(&login.front).ok_or_else(|| Failure::gone(&service))?;
    let carries = result.as_ref().map_or(Carries::Refusal, |sign_in| Carries::Identity(sign_in.session));
    let outcome = Outcome { login: id, browser, service: service.clone(), payload: login.payload, result };
    let Answer { reply, receipt } = front.answer(cx, outcome).await?;
    let location = reply.as_ref().ok().cloned();
    let answered =
        Answered { front: login.front, service, browser, handle: confirmed, location, carries, receipt };
    let (now, holders) = (cx.now(), Holders::of(cx));
    let owners: Vec<_> = holders.owners().collect();
    match cx.records.answered.insert_new(id.as_bytes(), &answered, now.plus(REPEAT), &owners, now).await {
        // The other click was faster, and what it was sent is the answer.
        Ok(false) => return other_click(cx, id, &answered.service).await,
        // No room for a convenience: then the login itself decides which of two clicks was first.
        Err(StoreError::Full { .. }) if confirmed.is_some() => {
            if cx.records.logins.take(id.as_bytes(), now).await?.is_none() {
                return other_click(cx, id, &answered.service).await;
            }
        }
        Ok(true) | Err(StoreError::Full { .. }) => cx.records.logins.forget(id.as_bytes()).await?,
        Err(error) => return Err(error.into()),
    }
    reply.map(Next::Redirect)
}

/// What the faster one of two clicks was sent. Who comes here holds the login's own handle.
async fn other_click(cx: &mut Journey<'_>, id: LoginId, service: &ServiceId) -> Result<Next, Box<Failure>> {
    let found = cx.records.answered.read(id.as_bytes(), cx.now()).await?;
    let location = match &found {
        Some((answered, _)) => while_good(cx, id, answered).await?,
        None => None,
    };
    location.map(Next::Redirect).ok_or_else(|| {
        Failure::new(PublicMessage::AlreadyAnswered, Some(service), reasons::broker::CONFIRMATION_SPENT)
    })
}

/// The address that `login` sent its browser to within the last minute, for whoever shows no handle of it but the
/// browser's cookie: an identity goes again only to the session that holds it.
pub async fn again(
    cx: &Journey<'_>,
    login: LoginId,
    visitor: Visitor,
) -> Result<Option<String>, Box<Failure>> {
    let Some((answered, _)) = cx.records.answered.read(login.as_bytes(), cx.now()).await? else {
        return Ok(None);
    };
    match answered.carries {
        Carries::Identity(holds) if !visitor.is_in(holds) => Ok(None),
        Carries::Identity(_) | Carries::Refusal => while_good(cx, login, &answered).await,
    }
}

/// The address of an answer, while the service is served and what the answer carries is good.
pub(super) async fn while_good(
    cx: &Journey<'_>,
    login: LoginId,
    answered: &Answered,
) -> Result<Option<String>, Box<Failure>> {
    let service = cx.registry.service(&answered.service).await?;
    let front = cx.registry.front(&answered.front);
    let (Some(front), true) = (front, service.is_some_and(|service| service.enabled)) else {
        return Ok(None);
    };
    let good = front.is_good(cx, login, answered).await?;
    Ok(answered.location.clone().filter(|_| good))
}
