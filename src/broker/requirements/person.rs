//! Somebody is known: by the browser's session, or by the upstream, to which the browser goes.

use async_trait::async_trait;

use super::confirmed::login_required;
use super::{Requirement, Standing, Verdict};
use crate::broker::session::{max_age, policy};
use crate::broker::{Failure, Handle, Journey, Next, Stage};
use crate::event::{Facts, Step, reasons};
use crate::message::PublicMessage;
use crate::service::{Prompt, Service, Sso, UpstreamName};
use crate::upstream::{Ask, Step as UpstreamStep};

pub(super) struct Known;

#[async_trait]
impl Requirement for Known {
    async fn check(&self, cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>> {
        if at.sign_in.is_some() {
            return Ok(Verdict::Met);
        }
        let served = at.session.as_ref().and_then(|s| s.serves(&at.service, &at.login.demand, cx.now()));
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
    let acr = policy(&at.service, demand);
    let ask = Ask {
        scopes: &at.service.scopes,
        acr: acr.as_ref(),
        prompt: if at.service.sso == Sso::Off { Some(Prompt::Login) } else { demand.prompt },
        max_age: max_age(&at.service, demand),
        login_hint: demand.login_hint.as_deref(),
        ui_locales: &demand.ui_locales,
    };
    let handle = Handle::new(at.login.id, cx.entropy);
    let begun = match upstream.begin(&ask, &handle.bytes(), cx.entropy, cx.clock, cx.trace).await {
        Ok(begun) => begun,
        Err(error) => return Ok(Verdict::Declined(Box::new(error.declined()))),
    };
    let (upstream, handshake) = (upstream.name().clone(), begun.handshake);
    at.keep(cx, Stage::AtUpstream { handle: handle.digest(), upstream, handshake }).await?;
    let UpstreamStep::Redirect(url) = begun.step;
    let acr_asked =
        acr.map(|policy| policy.accept.iter().map(|acr| acr.0.as_str()).collect::<Vec<_>>().join(" "));
    cx.trace.step(Step::UpstreamRedirected, Facts { acr_asked, ..Facts::default() });
    Ok(Verdict::Unmet(Next::Redirect(url.into())))
}
