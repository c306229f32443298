//! The identity reaches the level, and is as recent, as was asked.

use async_trait::async_trait;

use super::{Requirement, Standing, Verdict};
use crate::broker::session::{max_age, policy};
use crate::broker::{Failure, Journey};
use crate::event::{Facts, Reason, reasons};
use crate::identity::{Acr, Identity};
use crate::message::PublicMessage;
use crate::outcome::{Declined, RefusalCode};
use crate::upstream::Upstream;

pub(super) struct Reached;

#[async_trait]
impl Requirement for Reached {
    async fn check(&self, cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>> {
        let Some(sign_in) = &at.sign_in else { return Ok(Verdict::Met) };
        let Some(upstream) = cx.registry.upstream(&sign_in.upstream) else {
            let reason = reasons::broker::APP_GONE;
            return Err(Failure::new(PublicMessage::Internal, Some(&at.service.id), reason));
        };
        if let Some(unmet) = level(at, upstream, &sign_in.identity) {
            return Ok(unmet);
        }
        // Of whoever was asked meanwhile it was judged before: reading takes time.
        if at.confirmed.is_some() {
            return Ok(Verdict::Met);
        }
        let unmet = age(cx, at, upstream, &sign_in.identity);
        Ok(unmet.or_else(|| freshness(at, upstream, &sign_in.identity)).unwrap_or(Verdict::Met))
    }
}

fn level(at: &Standing<'_>, upstream: &Upstream, identity: &Identity) -> Option<Verdict> {
    // A demand outside the configuration was refused on the way out; it is none that this one meets.
    let policy = policy(upstream, &at.service, &at.login.demand).unwrap_or_default()?;
    if policy.satisfied_by(identity.acr.as_ref()) {
        return None;
    }
    let facts = Facts {
        acr_asked: Some(names(&policy.asked)),
        acr: identity.acr.as_ref().map(|acr| acr.0.clone()),
        ..Facts::default()
    };
    Some(unmet(reasons::broker::ACR_UNMET, facts))
}

/// OpenID Connect Core, section 2: with `max_age`, `auth_time` is required.
fn age(cx: &Journey<'_>, at: &Standing<'_>, upstream: &Upstream, identity: &Identity) -> Option<Verdict> {
    let seconds = max_age(&at.service, &at.login.demand)?;
    let age = cx.now().since(identity.auth_time).as_secs();
    if identity.auth_time_told && age <= seconds.saturating_add(upstream.settings().leeway) {
        return None;
    }
    let cause = (!upstream.takes_max_age()).then(|| "the provider takes no max_age".to_owned());
    Some(unmet(reasons::broker::MAX_AGE_UNMET, Facts { offset_s: ago(age), cause, ..Facts::default() }))
}

/// A sign-in that was asked for is not older than the login. Where it is not told, that counts only against an upstream
/// that could tell.
fn freshness(at: &Standing<'_>, upstream: &Upstream, identity: &Identity) -> Option<Verdict> {
    let asked = at.login.reauthenticate && at.fresh;
    let before = at.login.started.since(identity.auth_time).as_secs();
    let proved = if identity.auth_time_told {
        before <= upstream.settings().leeway
    } else {
        !upstream.tells_auth_time()
    };
    if !asked || proved {
        return None;
    }
    let offset_s = ago(before).filter(|_| identity.auth_time_told);
    Some(unmet(reasons::broker::REAUTHENTICATION_UNMET, Facts { offset_s, ..Facts::default() }))
}

fn ago(seconds: u64) -> Option<i64> {
    i64::try_from(seconds).ok().map(|seconds| -seconds)
}

/// The levels' names.
pub(in crate::broker) fn names(levels: &[Acr]) -> String {
    levels.iter().map(|acr| acr.0.as_str()).collect::<Vec<_>>().join(" ")
}

/// It was asked, and is not so.
pub(super) fn unmet(reason: Reason, facts: Facts) -> Verdict {
    Verdict::Declined(Box::new(Declined {
        code: RefusalCode::UnmetAuthenticationRequirements,
        message: PublicMessage::AcrUnmet,
        reason,
        facts,
    }))
}
