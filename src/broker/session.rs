//! Single sign-on: one session for each browser, and one person in it.
//!
//! A session has two names here. Its *handle* is the secret in the cookie, new with every sign-in: the record knows the
//! one that is good now. Its *id* names it in events and logins, and stays until the person changes. The record is found
//! by the browser's own cookie and changed only by `replace_if`: where two requests of one browser meet, the later one
//! decides again on what the other wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::login::SignIn;
use super::person::{Person, owner, person};
use super::{HandleDigest, Journey, Limits, Records};
use crate::clock::Timestamp;
use crate::crypto::hash::sha256;
use crate::entropy::Entropy;
use crate::event::{self, Facts, Step, reasons};
use crate::identity::{AcrPolicy, OutsideLevels, Retention};
use crate::login::{BrowserId, Hex};
use crate::secret::{Secret, same};
use crate::service::{Demand, Service, ServiceId, UpstreamName};
use crate::store::{Ceiling, Class, Kind, Record, Spec, StoreError, Version, fields_of};
use crate::upstream::Upstream;

/// Use within this time does not rewrite the record.
const TOUCH: Duration = Duration::from_mins(1);
/// How often a change is tried again when another request changed the record first.
pub(super) const TRIES: usize = 8;

/// One browser's session, by browser. No `Debug`: identities are inside.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// Its name in events and logins, until the person changes; never sent to a browser.
    pub id: SessionId,
    /// The one handle that is good now.
    handle: HandleDigest,
    /// Who it is.
    pub person: Person,
    /// When it began.
    pub started: Timestamp,
    /// When it was last used, to within a minute.
    pub seen: Timestamp,
    /// How each upstream registration vouches for this person.
    pub sign_ins: BTreeMap<UpstreamName, Vouched>,
    /// The services that took part.
    pub participants: BTreeSet<ServiceId>,
    /// What others left in this browser, kept so that a logout still reaches their upstreams: no more than names.
    pub former: BTreeSet<UpstreamName>,
}

/// Whoever changes a browser's record faster than it can be written is no person.
#[derive(Debug, thiserror::Error)]
#[error("the browser's record changed at each of {TRIES} attempts")]
struct Contended;

/// A record was changed by others again and again.
pub(super) fn contended() -> StoreError {
    StoreError::Backend(Box::new(Contended))
}

/// A sign-in, and what the upstream's logout wants as a hint.
#[derive(Clone, Serialize, Deserialize)]
pub struct Vouched {
    /// Who, by whom, and how far.
    pub sign_in: SignIn,
    /// The `id_token`, for `id_token_hint`.
    pub id_token: String,
}

/// A session's name: it opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Hex<16>);

impl SessionId {
    /// What events call it.
    pub fn shown(&self) -> event::SessionHandle {
        event::SessionHandle::new(sha256(&[b"relais session handle\0", &self.0.0]))
    }
}

/// The secret in a session's cookie: 128 bits. No `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionHandle(pub [u8; 16]);

impl SessionHandle {
    fn new(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    fn digest(&self) -> HandleDigest {
        Hex(sha256(&[b"relais session\0", &self.0]))
    }
}

impl Record for Session {
    const KIND: Kind = Kind::new(&Spec {
        name: "session",
        class: Class::Browser,
        is_mark: false,
        ceiling: Ceiling::Sessions,
        about: "a browser session",
        personal: "the identity from the provider, its id_token, the applications visited",
        fields: fields_of::<Self>,
        longest: |lifetimes| lifetimes.session,
        ends: "at logout, when another person signs in, or unused for session.idle_minutes",
    });
}

impl Session {
    /// The last instant of this session if it is not used again.
    pub fn expires(&self, limits: &Limits) -> Timestamp {
        self.seen.plus(limits.session_idle).min(self.started.plus(limits.session_absolute))
    }

    /// Whether one of `upstreams` calls the person `sub`.
    pub fn is_of(&self, sub: &str, upstreams: &[UpstreamName]) -> bool {
        let mut vouched = upstreams.iter().filter_map(|name| self.sign_ins.get(name));
        vouched.any(|vouched| vouched.sign_in.identity.subject.as_str() == sub)
    }

    /// The sign-in that may serve `service` without the upstream: the first in the service's order that covers.
    pub(super) fn serves(&self, cx: &Journey<'_>, service: &Service, demand: &Demand) -> Option<&SignIn> {
        let sign_ins = service.upstreams.iter().filter_map(|name| self.sign_ins.get(name));
        sign_ins.map(|vouched| &vouched.sign_in).find(|sign_in| sign_in.covers(cx, service, demand))
    }
}

impl SignIn {
    fn covers(&self, cx: &Journey<'_>, service: &Service, demand: &Demand) -> bool {
        let Some(upstream) = cx.registry.upstream(&self.upstream) else { return false };
        let scopes = service.scopes.iter().all(|scope| self.granted_scopes.contains(scope));
        let reached =
            |policy: AcrPolicy| self.identity.acr.as_ref().is_some_and(|acr| policy.accept.contains(acr));
        let level = policy(upstream, service, demand).is_ok_and(|policy| policy.is_none_or(reached));
        let age = cx.now().since(self.identity.auth_time).as_secs();
        let recent =
            max_age(service, demand).is_none_or(|seconds| self.identity.auth_time_told && age < seconds);
        scopes && level && recent && self.identity.retention == Retention::Session
    }
}

/// The level demanded of `upstream`: the service's own, narrowed by the request.
pub(super) fn policy(
    upstream: &Upstream,
    service: &Service,
    demand: &Demand,
) -> Result<Option<AcrPolicy>, OutsideLevels> {
    upstream.acr_policy(service.acr.as_ref(), &demand.acr_values)
}

/// The greatest age allowed, in seconds: the request may only lower it.
pub(super) fn max_age(service: &Service, demand: &Demand) -> Option<u64> {
    [service.max_age, demand.max_age].into_iter().flatten().min()
}

/// The session of `browser`, if `handle` is the one that is good now; touched.
pub async fn load(
    cx: &mut Journey<'_>,
    browser: BrowserId,
    handle: SessionHandle,
) -> Result<Option<Session>, StoreError> {
    let now = cx.now();
    let Some((mut session, version)) = cx.records.sessions.read(browser.as_bytes(), now).await? else {
        return Ok(None);
    };
    if !same(&session.handle.0, &handle.digest().0) {
        return Ok(None);
    }
    if now.since(session.seen) >= TOUCH {
        session.seen = now;
        // Another request may have touched it first: as good.
        change(cx, browser, version, &session).await?;
    }
    cx.trace.session = Some(session.id.shown());
    Ok(Some(session))
}

/// Whether `handle` is the one that is good now for the session of `browser`.
pub async fn is_good(
    records: &Records,
    browser: BrowserId,
    handle: SessionHandle,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found = records.sessions.read(browser.as_bytes(), now).await?;
    Ok(found.is_some_and(|(session, _)| same(&session.handle.0, &handle.digest().0)))
}

/// Puts `sign_in` into the session of `browser`, in which `service` takes part from now on. Another person
/// inherits nothing: the session of whoever was here before ends. Returns the sign-in with the session that holds it; none
/// where it may not be kept, or where there is no room.
pub(super) async fn sign_in(
    cx: &mut Journey<'_>,
    browser: BrowserId,
    sign_in: SignIn,
    id_token: Secret<String>,
    service: &ServiceId,
) -> Result<SignIn, StoreError> {
    let Some(upstream) = cx.registry.upstream(&sign_in.upstream) else { return Ok(sign_in) };
    let arrived = Arrived {
        person: person(upstream, &sign_in.identity),
        id_token: id_token.expose().clone(),
        service: service.clone(),
        handle: SessionHandle::new(cx.entropy),
        sign_in,
    };
    // Some identities may be delivered, and not kept.
    if arrived.sign_in.identity.retention == Retention::None {
        return Ok(arrived.sign_in);
    }
    for _ in 0..TRIES {
        let now = cx.now();
        let (before, version) = cx.records.sessions.read(browser.as_bytes(), now).await?.unzip();
        // In one step, so that nothing forgets whose upstreams are still to be told.
        let (session, ended) = match before {
            Some(same) if same.person == arrived.person => (same.with(&arrived, now), None),
            other => (Session::after(other.as_ref(), &arrived, cx), other.map(|other| other.id)),
        };
        let kept = match version {
            Some(version) => change(cx, browser, version, &session).await,
            None => insert(cx, browser, &session).await,
        };
        if let Err(StoreError::Full { .. }) = kept {
            let facts = Facts::default();
            cx.trace.because(Step::SessionSignedIn, reasons::broker::SESSIONS_FULL, None, facts);
            return Ok(arrived.sign_in);
        }
        if kept? {
            if let Some(ended) = ended {
                say_ended(cx, ended).await;
            }
            cx.trace.session = Some(session.id.shown());
            let count = cx.records.sessions.count().await.ok().and_then(|count| u64::try_from(count).ok());
            cx.trace.step(Step::SessionSignedIn, Facts { count, ..Facts::default() });
            *cx.renewed = Some(arrived.handle);
            return Ok(SignIn { session: Some(session.id), ..arrived.sign_in });
        }
    }
    // Whoever changes the record faster than this is no person.
    Ok(arrived.sign_in)
}

/// What a sign-in brings into a session.
struct Arrived {
    person: Person,
    sign_in: SignIn,
    id_token: String,
    service: ServiceId,
    handle: SessionHandle,
}

impl Session {
    /// The session of a person who is not the one `before`.
    fn after(before: Option<&Self>, arrived: &Arrived, cx: &Journey<'_>) -> Self {
        let now = cx.now();
        let left = before.into_iter().flat_map(|before| before.sign_ins.keys().chain(&before.former));
        let empty = Self {
            id: SessionId(Hex(cx.entropy.bytes())),
            handle: arrived.handle.digest(),
            person: arrived.person,
            started: now,
            seen: now,
            sign_ins: BTreeMap::new(),
            participants: BTreeSet::new(),
            former: left.cloned().collect(),
        };
        empty.with(arrived, now)
    }

    /// The session with one more sign-in of the same person, under a new handle.
    fn with(mut self, arrived: &Arrived, now: Timestamp) -> Self {
        let sign_in = SignIn { session: Some(self.id), ..arrived.sign_in.clone() };
        let vouched = Vouched { sign_in, id_token: arrived.id_token.clone() };
        self.former.remove(&arrived.sign_in.upstream);
        self.sign_ins.insert(arrived.sign_in.upstream.clone(), vouched);
        self.participants.insert(arrived.service.clone());
        Self { handle: arrived.handle.digest(), seen: now, ..self }
    }
}

/// Keeps a new session; tells whether it did, or another request of this browser was faster.
async fn insert(cx: &Journey<'_>, browser: BrowserId, session: &Session) -> Result<bool, StoreError> {
    let owners = [owner(&session.person).within(cx.limits.of_person())];
    let (key, expires) = (browser.as_bytes(), session.expires(cx.limits));
    cx.records.sessions.insert_new(key, session, expires, &owners, cx.now()).await
}

/// Notes that `service` takes part in the session `id`, so that its logout can be told; whether that session lives.
pub(super) async fn join(
    cx: &Journey<'_>,
    browser: BrowserId,
    id: SessionId,
    service: &ServiceId,
) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let Some((mut session, version)) = cx.records.sessions.read(browser.as_bytes(), cx.now()).await?
        else {
            return Ok(false);
        };
        if session.id != id {
            return Ok(false);
        }
        if !session.participants.insert(service.clone()) || change(cx, browser, version, &session).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ends the session `id` of `browser`; `None` if it has ended already, or another one is there.
pub(super) async fn end(
    cx: &mut Journey<'_>,
    browser: BrowserId,
    id: SessionId,
) -> Result<Option<Session>, StoreError> {
    for _ in 0..TRIES {
        let now = cx.now();
        let Some((session, version)) = cx.records.sessions.read(browser.as_bytes(), now).await? else {
            return Ok(None);
        };
        if session.id != id {
            return Ok(None);
        }
        // In this state, and no later one: what another request made of it is not ours to end.
        if cx.records.sessions.take_if(browser.as_bytes(), version, now).await? {
            say_ended(cx, id).await;
            return Ok(Some(session));
        }
    }
    Err(contended())
}

async fn say_ended(cx: &mut Journey<'_>, id: SessionId) {
    cx.trace.session = Some(id.shown());
    let count = cx.records.sessions.count().await.ok().and_then(|count| u64::try_from(count).ok());
    cx.trace.step(Step::SessionEnded, Facts { count, ..Facts::default() });
}

async fn change(
    cx: &Journey<'_>,
    browser: BrowserId,
    version: Version,
    session: &Session,
) -> Result<bool, StoreError> {
    let (key, expires, owners) = (browser.as_bytes(), session.expires(cx.limits), [owner(&session.person)]);
    Ok(cx.records.sessions.replace_if(key, version, session, expires, &owners, cx.now()).await?.is_some())
}
