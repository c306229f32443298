//! The identity reaches the level, and is as recent, as the service demands.

use async_trait::async_trait;

use super::{Requirement, Standing, Verdict};
use crate::broker::session::{max_age, policy};
use crate::broker::{Failure, Journey};
use crate::event::{Facts, Reason, reasons};
use crate::message::PublicMessage;
use crate::outcome::{Declined, RefusalCode};

/// How far an upstream's `auth_time` may lag behind `max_age`, in seconds.
const LEEWAY: u64 = 60;

pub(super) struct Reached;

#[async_trait]
impl Requirement for Reached {
    async fn check(&self, cx: &mut Journey<'_>, at: &mut Standing<'_>) -> Result<Verdict, Box<Failure>> {
        let Some(identity) = at.sign_in.as_ref().map(|sign_in| &sign_in.identity) else {
            return Ok(Verdict::Met);
        };
        let demand = &at.login.demand;
        if let Some(policy) = policy(&at.service, demand)
            && !policy.satisfied_by(identity.acr.as_ref())
        {
            let asked: Vec<_> = policy.accept.iter().map(|acr| acr.0.as_str()).collect();
            let facts = Facts {
                acr_asked: Some(asked.join(" ")),
                acr: identity.acr.as_ref().map(|acr| acr.0.clone()),
                ..Facts::default()
            };
            return Ok(unmet(reasons::broker::ACR_UNMET, facts));
        }
        // Of whoever was asked meanwhile it was judged before: reading takes time.
        if let Some(seconds) = max_age(&at.service, demand).filter(|_| at.confirmed.is_none()) {
            let age = cx.now().since(identity.auth_time).as_secs();
            // OpenID Connect Core, section 2: with `max_age`, `auth_time` is required.
            if !identity.auth_time_told || age > seconds.saturating_add(LEEWAY) {
                let facts = Facts { offset_s: i64::try_from(age).ok().map(|age| -age), ..Facts::default() };
                return Ok(unmet(reasons::broker::MAX_AGE_UNMET, facts));
            }
        }
        Ok(Verdict::Met)
    }
}

fn unmet(reason: Reason, facts: Facts) -> Verdict {
    Verdict::Declined(Box::new(Declined {
        code: RefusalCode::UnmetAuthenticationRequirements,
        message: PublicMessage::AcrUnmet,
        reason,
        facts,
    }))
}
