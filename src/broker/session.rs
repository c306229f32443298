//! Single sign-on: one record per browser session, with one sign-in per upstream registration.
//!
//! The session cookie only finds `sid`, and changes with every sign-in; `sid` survives that. A session serves
//! an application only through the upstream registration that the application names.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Journey, Limits};
use crate::clock::Timestamp;
use crate::crypto::hash::sha256;
use crate::event::{Facts, SessionHandle, Step};
use crate::identity::{AcrPolicy, Identity, Retention};
use crate::login::LoginId;
use crate::service::{AppId, Demand, Prompt, Service, Sso, UpstreamName};
use crate::store::StoreError;

/// Use within this time does not rewrite the record.
const TOUCH: std::time::Duration = std::time::Duration::from_mins(1);
/// How often a change is tried again when another request changed the record first.
const TRIES: usize = 8;

/// One browser session. No `Debug`: identities are inside.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// Its id, never sent to a browser.
    pub sid: String,
    /// When it began.
    pub started: Timestamp,
    /// When it was last used, to within a minute.
    pub seen: Timestamp,
    /// Who signed in, by upstream registration.
    pub sign_ins: BTreeMap<UpstreamName, SignIn>,
    /// The applications that took part.
    pub participants: BTreeSet<AppId>,
}

/// One person, as one upstream registration vouched for them.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignIn {
    /// Who.
    pub identity: Identity,
    /// Kept as the hint of the upstream's logout.
    pub id_token: String,
    /// The scopes that were asked.
    pub scopes: Vec<String>,
    /// The login that brought them.
    pub login: LoginId,
}

impl Session {
    /// The last instant of this session if it is not used again.
    pub fn expires(&self, limits: &Limits) -> Timestamp {
        self.seen.plus(limits.session_idle).min(self.started.plus(limits.session_absolute))
    }

    /// The sign-in that may serve `service` without the upstream.
    pub(super) fn sign_in_for(
        &self,
        service: &Service,
        demand: &Demand,
        now: Timestamp,
    ) -> Option<(&UpstreamName, &SignIn)> {
        if service.sso == Sso::Off || demand.prompt == Some(Prompt::Login) {
            return None;
        }
        let found = service.upstreams.iter().find_map(|name| self.sign_ins.get_key_value(name));
        found.filter(|(_, sign_in)| sign_in.covers(service, demand, now))
    }
}

impl SignIn {
    fn covers(&self, service: &Service, demand: &Demand, now: Timestamp) -> bool {
        let scopes = service.scopes.iter().all(|scope| self.scopes.contains(scope));
        let level = policy(service, demand)
            .is_none_or(|policy| self.identity.acr.as_ref().is_some_and(|acr| policy.accept.contains(acr)));
        let age = now.since(self.identity.auth_time).as_secs();
        let recent =
            max_age(service, demand).is_none_or(|seconds| self.identity.auth_time_told && age < seconds);
        scopes && level && recent && self.identity.retention == Retention::Session
    }
}

/// What events call the session `sid`. `sid` is random and known to the relay alone, so its digest tells nothing.
pub fn handle(sid: &str) -> SessionHandle {
    SessionHandle::new(sha256(&[b"relais session handle\0", sid.as_bytes()]))
}

/// The level demanded: the application's own, narrowed by the request.
pub(super) fn policy(service: &Service, demand: &Demand) -> Option<AcrPolicy> {
    service.acr.as_ref().map(|policy| policy.narrowed(&demand.acr_values))
}

/// The greatest age allowed, in seconds: the request may only lower it.
pub(super) fn max_age(service: &Service, demand: &Demand) -> Option<u64> {
    [service.max_age, demand.max_age].into_iter().flatten().min()
}

/// The session behind `sid`, touched; `None` if it ended or fell asleep.
pub async fn load(cx: &Journey<'_>, sid: &str) -> Result<Option<Session>, StoreError> {
    let now = cx.now();
    let Some((mut session, version)) = cx.tables.sessions.read(sid.as_bytes(), now).await? else {
        return Ok(None);
    };
    if now.since(session.seen) >= TOUCH {
        session.seen = now;
        let expires = session.expires(cx.limits);
        // Another request may have touched it first: as good.
        cx.tables.sessions.replace_if(sid.as_bytes(), version, &session, expires, &[], now).await?;
    }
    Ok(Some(session))
}

/// Adds a sign-in to the browser's session, or begins one. Another person at the same upstream never inherits
/// what the former one left: their session ends first.
pub(super) async fn sign_in(
    cx: &mut Journey<'_>,
    sid: Option<&str>,
    upstream: &UpstreamName,
    sign_in: SignIn,
    app: &AppId,
) -> Result<String, StoreError> {
    let now = cx.now();
    if let Some(sid) = sid {
        for _ in 0..TRIES {
            let Some((mut session, version)) = cx.tables.sessions.read(sid.as_bytes(), now).await? else {
                break;
            };
            let same_person = session
                .sign_ins
                .get(upstream)
                .is_none_or(|former| former.identity.subject.as_str() == sign_in.identity.subject.as_str());
            if !same_person {
                end(cx, sid).await?;
                break;
            }
            session.seen = now;
            session.sign_ins.insert(upstream.clone(), sign_in.clone());
            session.participants.insert(app.clone());
            let expires = session.expires(cx.limits);
            let key = sid.as_bytes();
            if cx.tables.sessions.replace_if(key, version, &session, expires, &[], now).await? {
                cx.trace.step(Step::SessionSignedIn, Facts::default());
                return Ok(sid.to_owned());
            }
        }
    }
    let session = Session {
        sid: cx.entropy.handle(),
        started: now,
        seen: now,
        sign_ins: BTreeMap::from([(upstream.clone(), sign_in)]),
        participants: BTreeSet::from([app.clone()]),
    };
    let expires = session.expires(cx.limits);
    cx.tables.sessions.insert_new(session.sid.as_bytes(), &session, expires, &[], now).await?;
    cx.trace.session = Some(handle(&session.sid));
    let count = cx.tables.sessions.count().await.ok().and_then(|count| u64::try_from(count).ok());
    cx.trace.step(Step::SessionSignedIn, Facts { count, ..Facts::default() });
    Ok(session.sid)
}

/// Notes that `app` takes part in the session, so that its logout can be told.
pub(super) async fn joined(cx: &Journey<'_>, sid: &str, app: &AppId) -> Result<(), StoreError> {
    let now = cx.now();
    for _ in 0..TRIES {
        let Some((mut session, version)) = cx.tables.sessions.read(sid.as_bytes(), now).await? else { break };
        if !session.participants.insert(app.clone()) {
            break;
        }
        let expires = session.expires(cx.limits);
        if cx.tables.sessions.replace_if(sid.as_bytes(), version, &session, expires, &[], now).await? {
            break;
        }
    }
    Ok(())
}

/// Ends a session, and with it the questions that it still had open.
pub(super) async fn end(cx: &mut Journey<'_>, sid: &str) -> Result<Option<Session>, StoreError> {
    let ended = cx.tables.sessions.take(sid.as_bytes(), cx.now()).await?;
    cx.tables.confirm.forget_owned(("session", sid.as_bytes())).await?;
    if ended.is_some() {
        cx.trace.session = Some(handle(sid));
        let count = cx.tables.sessions.count().await.ok().and_then(|count| u64::try_from(count).ok());
        cx.trace.step(Step::SessionEnded, Facts { count, ..Facts::default() });
    }
    Ok(ended)
}
