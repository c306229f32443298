//! Somebody is known: by the browser's session, or by the upstream, to which the browser goes.

use async_trait::async_trait;

use super::confirmed::login_required;
use super::level::{names, unmet};
use super::{Requirement, Standing, Verdict};
use crate::broker::session::{max_age, policy};
use crate::broker::{Failure, Handle, Journey, Next, Sent, Stage};
use crate::event::{Facts, Step, reasons};
use crate::message::PublicMessage;
use crate::service::{Prompt, Service, UpstreamName};
use crate::upstream::{Ask, Step as UpstreamStep};

pub(super) struct Known;

#[async_trait]
impl Requirement for Known {
    async fn check(&self, cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>> {
        if at.sign_in.is_some() {
            return Ok(Verdict::Met);
        }
        let session = at.session.as_ref().filter(|_| !at.login.reauthenticate);
        let served = session.and_then(|session| session.serves(cx, &at.service, &at.login.demand));
        if let Some(sign_in) = served.cloned() {
            cx.trace.upstream = Some(sign_in.upstream.clone());
            at.sign_in = Some(sign_in);
            return Ok(Verdict::Met);
        }
        if at.login.demand.prompt == Some(Prompt::None) {
            return Ok(Verdict::Declined(Box::new(login_required())));
        }
        to_upstream(cx, at).await
    }
}

/// The service's default upstream: the first of its list.
fn chosen(service: &Service) -> Option<&UpstreamName> {
    service.upstreams.first()
}

async fn to_upstream(cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>> {
    let registry = cx.registry;
    let upstream = chosen(&at.service).and_then(|name| registry.upstream(name)).ok_or_else(|| {
        Failure::new(PublicMessage::Internal, Some(&at.service.id), reasons::broker::APP_GONE)
    })?;
    cx.trace.upstream = Some(upstream.name().clone());
    let demand = &at.login.demand;
    // What can never be met is refused here, and not on the way back.
    let Ok(acr) = policy(upstream, &at.service, demand) else {
        let facts = Facts { acr_asked: Some(names(&demand.acr_values)), ..Facts::default() };
        return Ok(unmet(reasons::broker::ACR_OUTSIDE, facts));
    };
    if demand.prompt == Some(Prompt::Login) && !upstream.takes_prompt(Prompt::Login) {
        return Ok(unmet(reasons::broker::REAUTHENTICATION_IMPOSSIBLE, Facts::default()));
    }
    let max_age = max_age(&at.service, demand);
    // An age that the upstream is not asked for is reached by a fresh sign-in alone.
    let fresh = at.login.reauthenticate || (max_age.is_some() && !upstream.takes_max_age());
    let ask = Ask {
        scopes: &at.service.scopes,
        acr: acr.as_ref(),
        prompt: if fresh { Some(Prompt::Login) } else { demand.prompt },
        max_age,
        login_hint: demand.login_hint.as_deref(),
        ui_locales: &demand.ui_locales,
    };
    let handle = Handle::new(at.login.id, cx.entropy);
    let begun = match upstream.begin(&ask, &handle.bytes(), cx.entropy, cx.clock, cx.trace).await {
        Ok(begun) => begun,
        Err(error) => return Ok(Verdict::Declined(Box::new(error.declined()))),
    };
    let UpstreamStep::Redirect(url) = begun.step;
    let (upstream, handshake) = (upstream.name().clone(), begun.handshake);
    let by = at.page.map(|handle| Sent { handle, location: url.to_string() });
    at.keep(cx, Stage::AtUpstream { handle: handle.digest(), upstream, handshake, by }).await?;
    let acr_asked = acr.map(|policy| names(&policy.asked));
    cx.trace.step(Step::UpstreamRedirected, Facts { acr_asked, ..Facts::default() });
    Ok(Verdict::Unmet(Next::Redirect(url.into())))
}
