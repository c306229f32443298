//! The return from the upstream: its answer becomes an identity.

use super::answer::answer;
use super::login::{SignIn, Stage};
use super::requirements::{Standing, advance, names};
use super::returned::{Found, found};
use super::session::policy;
use super::{Failure, Journey, Next, Visitor};
use crate::event::{Facts, Step, reasons};
use crate::message::PublicMessage;
use crate::outcome::Declined;
use crate::service::{ServiceId, UpstreamName};
use crate::upstream::{AuthorizationResponse, SignedIn, Upstream};

/// Takes the authorization response that `visitor` brought to the callback of `upstream`.
pub async fn complete(
    cx: &mut Journey<'_>,
    upstream: &UpstreamName,
    query: &str,
    visitor: Visitor,
) -> Result<Next, Box<Failure>> {
    let response = AuthorizationResponse::parse(query).map_err(|error| page_of(error.declined(), None))?;
    let (login, handshake, version) = match found(cx, response.state(), upstream, visitor).await? {
        Found::OnItsWay(login, handshake, version) => (*login, handshake, version),
        Found::Before(next) => return Ok(next),
    };
    let elapsed_ms = u64::try_from(cx.now().since(login.started).as_millis()).ok();
    let id = login.service.clone();
    let service = cx.served(&id).await?;
    let registry = cx.registry;
    let upstream = registry
        .upstream(upstream)
        .ok_or_else(|| Failure::new(PublicMessage::Internal, Some(&id), reasons::broker::APP_GONE))?;
    let mut at = Standing::again(login, service, version);
    // From here on nobody else redeems this code, nor do we a second time.
    at.keep(cx, Stage::Redeeming { upstream: upstream.name().clone() }).await?;
    cx.trace.step(Step::UpstreamReturned, Facts { elapsed_ms, ..Facts::default() });
    match upstream.complete(&handshake, response, cx.entropy, cx.clock, cx.trace).await {
        Ok(signed_in) => {
            let SignedIn { identity, id_token, scopes } = signed_in;
            at.sign_in = Some(SignIn {
                identity,
                upstream: upstream.name().clone(),
                granted_scopes: scopes,
                login: at.login.id,
                session: None,
            });
            (at.id_token, at.fresh) = (Some(id_token), true);
            advance(cx, at).await
        }
        Err(error) => {
            let mut declined = error.declined();
            declined.facts.acr_asked = asked(&at, upstream);
            // Whoever may have been tricked into a mix-up learns nothing more from us.
            if matches!(declined.message, PublicMessage::UpstreamMixup | PublicMessage::UpstreamResponse) {
                // Its end: it counts against nobody any more.
                cx.records.logins.forget(at.login.id.as_bytes()).await?;
                return Err(page_of(declined, Some(&at.login.service)));
            }
            answer(cx, at, Err(declined)).await
        }
    }
}

/// The level that the upstream was asked for.
fn asked(at: &Standing<'_>, upstream: &Upstream) -> Option<String> {
    let policy = policy(upstream, &at.service, &at.login.demand).ok().flatten()?;
    Some(names(&policy.asked))
}

fn page_of(declined: Declined, app: Option<&ServiceId>) -> Box<Failure> {
    let Declined { message, reason, facts, .. } = declined;
    let mut failure = Failure::new(message, app, reason);
    failure.facts = facts;
    failure
}
