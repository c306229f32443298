//! The person at the provider: who signs in, by a button or a login name, or nobody; and the session that
//! remains (OpenID Connect Core, section 3.1.2.3).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use super::{Realm, authorize, error_page, page, with_header};
use crate::fault::Fault;
use crate::grant::AuthorizationRequest;
use crate::pages;
use crate::params::Params;
use crate::persona::Persona;
use crate::profiles::PageError;
use crate::stub::SignIn;

pub(super) async fn get(State(realm): State<Realm>, Path(id): Path<String>) -> Response {
    match realm.pending(&id) {
        Some(request) => page(StatusCode::OK, &pages::login(&realm.stub, realm.profile, &id, &request, None)),
        None => gone(),
    }
}

pub(super) async fn post(
    State(realm): State<Realm>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(request) = realm.pending(&id) else { return gone() };
    let again = |text: &str| {
        let markup = pages::login(&realm.stub, realm.profile, &id, &request, Some(text));
        page(StatusCode::BAD_REQUEST, &markup)
    };
    let Some(form) = Params::form(&headers, &body) else { return again("?") };
    let interactions = &realm.stub.0.interactions;
    let now = realm.stub.now();
    if form.get("cancel").is_some() {
        if interactions.take(&id, now).is_none() {
            return gone();
        }
        tracing::info!(profile = realm.profile.name, client = request.client.id, "cancelled");
        return authorize::denied(&realm, &request.reply_to);
    }
    let login = form.filled("persona").or_else(|| form.filled("login")).unwrap_or_default().trim();
    let Some(persona) = realm.stub.0.personas.find(login).cloned() else {
        return again(login);
    };
    let fault = match form.filled("fault").map(Fault::parse) {
        None => None,
        Some(Some(fault)) => Some(fault),
        Some(None) => return again("fault"),
    };
    // Whoever clicks twice gets one answer.
    if interactions.take(&id, now).is_none() {
        return gone();
    }
    let named = fault.map(Fault::name);
    tracing::info!(
        profile = realm.profile.name,
        client = request.client.id,
        persona = persona.id,
        fault = named,
        "signed in"
    );
    let cookie = realm.remember(&headers, &persona, &request);
    with_header(authorize::grant(&realm, request, persona, now, fault), SET_COOKIE, &cookie)
}

fn gone() -> Response {
    error_page(
        StatusCode::BAD_REQUEST,
        &PageError::new("Y190001", "This page has expired or was answered before"),
    )
}

impl Realm {
    fn pending(&self, id: &str) -> Option<AuthorizationRequest> {
        let (profile, request) = self.stub.0.interactions.get(id, self.stub.now())?;
        (profile.name == self.profile.name).then_some(request)
    }

    /// Who is signed in at this profile in this browser.
    pub(super) fn sign_in(&self, headers: &HeaderMap) -> Option<SignIn> {
        let now = self.stub.now();
        let here = self.stub.0.sessions.get(self.session_id(headers)?, now)?;
        here.into_iter().find(|sign_in| sign_in.profile == self.profile.name && sign_in.expires > now)
    }

    /// Ends this profile's session in this browser.
    pub(super) fn forget(&self, headers: &HeaderMap) {
        if let Some(id) = self.session_id(headers) {
            self.stub.0.sessions.with(id, self.stub.now(), |session| {
                if let Some(session) = session {
                    session.value.retain(|sign_in| sign_in.profile != self.profile.name);
                }
            });
        }
    }

    /// The cookie of the session that now holds this person, beside those of the other profiles.
    fn remember(
        &self,
        headers: &HeaderMap,
        persona: &Arc<Persona>,
        request: &AuthorizationRequest,
    ) -> String {
        let now = self.stub.now();
        let sessions = &self.stub.0.sessions;
        let mut session = self.session_id(headers).and_then(|id| sessions.take(id, now)).unwrap_or_default();
        session.retain(|sign_in| sign_in.profile != self.profile.name && sign_in.expires > now);
        session.push(SignIn {
            profile: self.profile.name,
            persona: Arc::clone(persona),
            auth_time: now,
            acr: request.acr.clone(),
            expires: now.saturating_add(self.profile.lifetimes.session),
        });
        let expires = session.iter().map(|sign_in| sign_in.expires).max().unwrap_or(now);
        let id = self.stub.0.chance.token();
        let cookie = format!("{}={id}; Path=/; HttpOnly; SameSite=Lax", self.stub.0.cookie);
        sessions.put(id, session, now, expires);
        cookie
    }

    fn session_id<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies =
            lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        cookies.find(|(name, _)| *name == self.stub.0.cookie).map(|(_, value)| value)
    }
}

impl SignIn {
    /// Whether it serves a request without asking again.
    pub(super) fn satisfies(&self, request: &AuthorizationRequest, now: u64) -> bool {
        let young = request.max_age.is_none_or(|age| age > 0 && now.saturating_sub(self.auth_time) <= age);
        young && (request.acr.is_none() || request.acr == self.acr)
    }
}
