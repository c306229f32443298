//! The return from the upstream: the login is spent, the answer becomes an identity.

use super::begin::{ask, declined};
use super::finish::used;
use super::session::{self, SignIn, max_age, policy};
use super::{Failure, Journey, Next, Outcome};
use crate::event::{Facts, Step, reasons};
use crate::identity::{Identity, Retention};
use crate::login::{AwayLogin, BrowserId};
use crate::message::PublicMessage;
use crate::outcome::{Declined, RefusalCode};
use crate::service::{Service, Sso, UpstreamName};
use crate::upstream::{AuthorizationResponse, SignedIn, Upstream};

/// How far an upstream's `auth_time` may lag behind `max_age`, in seconds.
const LEEWAY: u64 = 60;

/// What [`complete`] leads to.
pub struct Completed {
    /// What happens next in the browser.
    pub next: Next,
    /// The session that now holds the sign-in; the cookie is renewed for it.
    pub sid: Option<String>,
}

/// Takes the authorization response that `browser` brought to the callback of `upstream`.
pub async fn complete(
    cx: &mut Journey<'_>,
    upstream: &UpstreamName,
    query: &str,
    browser: Option<BrowserId>,
    sid: Option<&str>,
) -> Result<Completed, Box<Failure>> {
    let parties = cx.parties;
    cx.trace.session = sid.map(session::handle);
    let response = AuthorizationResponse::parse(query).map_err(|error| {
        let Declined { message, reason, facts, .. } = error.declined();
        Box::new(Failure { message, app: None, reason, facts })
    })?;
    let login = take(cx, response.state(), upstream, browser).await?;
    cx.trace.step(Step::UpstreamReturned, away_for(cx, &login));
    let app = login.request.app().clone();
    let service = parties
        .service(&app)
        .ok_or_else(|| Failure::new(PublicMessage::ClientDisabled, Some(&app), reasons::broker::APP_GONE))?;
    let upstream = parties
        .upstream(upstream)
        .ok_or_else(|| Failure::new(PublicMessage::Internal, Some(&app), reasons::broker::APP_GONE))?;
    match upstream.complete(&login.handshake, response, cx.entropy, cx.clock, &cx.trace).await {
        Ok(signed_in) => signed(cx, login, service, upstream, signed_in, sid).await,
        Err(error) => {
            let refusal = error.declined();
            // Whoever may have been tricked into a mix-up learns nothing more from us.
            if matches!(refusal.message, PublicMessage::UpstreamMixup | PublicMessage::UpstreamResponse) {
                let Declined { message, reason, facts, .. } = refusal;
                return Err(Box::new(Failure { message, app: Some(app), reason, facts }));
            }
            Ok(Completed { next: declined(login.id, login.request, refusal), sid: None })
        }
    }
}

/// Takes the login of `state`. It is looked at first, so that another browser, or another upstream, cannot
/// use it up; what decides is the taking.
async fn take(
    cx: &mut Journey<'_>,
    state: &str,
    upstream: &UpstreamName,
    browser: Option<BrowserId>,
) -> Result<AwayLogin, Box<Failure>> {
    let now = cx.now();
    let key = state.as_bytes();
    if let Some((login, _)) = cx.tables.away.read(key, now).await? {
        follow(cx, &login);
        let Some(browser) = browser else {
            return Err(Failure::new(PublicMessage::Cookies, None, reasons::broker::NO_COOKIE));
        };
        if login.browser != browser {
            return Err(Failure::new(PublicMessage::UpstreamState, None, reasons::broker::OTHER_BROWSER));
        }
        if login.upstream != *upstream {
            let app = login.request.app();
            return Err(Failure::new(
                PublicMessage::UpstreamMixup,
                Some(app),
                reasons::broker::OTHER_UPSTREAM,
            ));
        }
    }
    if let Some(login) = cx.tables.away.take(key, now).await? {
        used(cx, state, login.id, login.request.app(), login.browser).await?;
        return Ok(login);
    }
    let message = PublicMessage::UpstreamState;
    match cx.tables.used.read(key, now).await? {
        Some((used, _)) if Some(used.browser) == browser => {
            cx.trace.login = Some(used.login);
            Err(Failure::new(message, Some(&used.app), reasons::broker::STATE_SPENT))
        }
        Some(_) => Err(Failure::new(message, None, reasons::broker::STATE_SPENT)),
        None => Err(Failure::new(message, None, reasons::broker::STATE_UNKNOWN)),
    }
}

fn follow(cx: &mut Journey<'_>, login: &AwayLogin) {
    cx.trace.login = Some(login.id);
    cx.trace.app = Some(login.request.app().clone());
    cx.trace.upstream = Some(login.upstream.clone());
}

async fn signed(
    cx: &mut Journey<'_>,
    login: AwayLogin,
    service: &Service,
    upstream: &Upstream,
    signed_in: SignedIn,
    sid: Option<&str>,
) -> Result<Completed, Box<Failure>> {
    let SignedIn { identity, id_token, .. } = signed_in;
    if let Err(refusal) = judge(cx, service, &login, &identity) {
        return Ok(Completed { next: declined(login.id, login.request, refusal), sid: None });
    }
    let sign_in = SignIn {
        identity: identity.clone(),
        id_token: id_token.expose().clone(),
        scopes: login.handshake.scopes.clone(),
        login: login.id,
    };
    // Some identities may be delivered, and not kept.
    let sid = match identity.retention {
        Retention::Session => Some(session::sign_in(cx, sid, upstream.name(), sign_in, &service.id).await?),
        Retention::None => None,
    };
    // Whether the person acted for this very request, we know only of upstreams that always ask.
    let next = if service.sso == Sso::Silent || upstream.always_asks() {
        Next::Answer(Box::new(Outcome { login: login.id, request: login.request, result: Ok(identity) }))
    } else {
        ask(cx, login.confirm(identity), sid.as_deref()).await?
    };
    Ok(Completed { next, sid })
}

/// Whether the identity reaches what the application demands.
fn judge(
    cx: &Journey<'_>,
    service: &Service,
    login: &AwayLogin,
    identity: &Identity,
) -> Result<(), Declined> {
    let unmet = |reason, facts| Declined {
        code: RefusalCode::UnmetAuthenticationRequirements,
        message: PublicMessage::AcrUnmet,
        reason,
        facts,
    };
    let demand = login.request.demand();
    if let Some(policy) = policy(service, demand)
        && !policy.satisfied_by(identity.acr.as_ref())
    {
        let asked: Vec<_> = policy.accept.iter().map(|acr| acr.0.as_str()).collect();
        let facts = Facts {
            acr_asked: Some(asked.join(" ")),
            acr: identity.acr.as_ref().map(|acr| acr.0.clone()),
            ..Facts::default()
        };
        return Err(unmet(reasons::broker::ACR_UNMET, facts));
    }
    if let Some(seconds) = max_age(service, demand) {
        let age = cx.now().since(identity.auth_time).as_secs();
        // OpenID Connect Core, section 2: with `max_age`, `auth_time` is required.
        if !identity.auth_time_told || age > seconds.saturating_add(LEEWAY) {
            let facts = Facts { offset_s: i64::try_from(age).ok().map(|age| -age), ..Facts::default() };
            return Err(unmet(reasons::broker::MAX_AGE_UNMET, facts));
        }
    }
    Ok(())
}

fn away_for(cx: &Journey<'_>, login: &AwayLogin) -> Facts {
    let elapsed_ms = u64::try_from(cx.now().since(login.started).as_millis()).ok();
    Facts { elapsed_ms, ..Facts::default() }
}
