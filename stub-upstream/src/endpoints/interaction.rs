//! The person at the provider: who signs in, by a button or a login name, or nobody; and the session that
//! remains (OpenID Connect Core, section 3.1.2.3).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use super::realm::Named;
use super::{Realm, authorize, broken, error_page, page, with_header};
use crate::error_login::ErrorLogin;
use crate::fault::Fault;
use crate::pages;
use crate::params::Params;
use crate::persona::Persona;
use crate::profiles::PageError;
use crate::request::AuthorizationRequest;
use crate::space::{Interaction, SignIn};
use crate::stub::Stub;

pub(super) async fn get(realm: Realm, Named(id): Named) -> Response {
    match realm.pending(&id) {
        Some(Interaction { request, .. }) => {
            page(StatusCode::OK, &pages::login(&realm.stub, realm.profile, &id, &request, None, None))
        }
        None => gone(),
    }
}

pub(super) async fn post(realm: Realm, Named(id): Named, headers: HeaderMap, body: Bytes) -> Response {
    let Some(pending) = realm.pending(&id) else { return gone() };
    let flow = pending.flow;
    let form = Params::form(&headers, &body);
    let shown = form.as_ref().map(Params::pairs).unwrap_or_default();
    let response = sign_in(&realm, &id, pending, form.as_ref(), &headers).await;
    realm.observe(flow, "interaction", shown, Vec::new(), response).await
}

async fn sign_in(
    realm: &Realm,
    id: &str,
    pending: Interaction,
    form: Option<&Params>,
    headers: &HeaderMap,
) -> Response {
    let Interaction { mut request, flow, .. } = pending;
    let again = |text: &str| {
        let markup = pages::login(&realm.stub, realm.profile, id, &request, None, Some(text));
        page(StatusCode::BAD_REQUEST, &markup)
    };
    let Some(form) = form else { return again("?") };
    let interactions = &realm.stub.space.interactions;
    let now = realm.stub.now();
    if form.get("cancel").is_some() {
        if interactions.take(id, now).is_none() {
            return gone();
        }
        tracing::info!(profile = realm.profile.name, client = request.client.id, "cancelled");
        return authorize::denied(realm, &request.reply_to);
    }
    let login = form.filled("persona").or_else(|| form.filled("login")).unwrap_or_default().trim();
    if let Some(error) = ErrorLogin::find(login) {
        return refused(realm, id, login, error).await;
    }
    let Some((persona, typed)) = realm.typed(login) else { return again(login) };
    let fault = match form.filled("fault").map(Fault::parse) {
        None => typed.or(pending.fault),
        Some(Some(fault)) => Some(fault),
        Some(None) => return again("fault"),
    };
    // Whoever clicks twice gets one answer.
    if interactions.take(id, now).is_none() {
        return gone();
    }
    if let Some(acr) = form.filled("acr") {
        request.acr = Some(acr.to_owned());
    }
    let named = fault.map(Fault::name);
    tracing::info!(profile = realm.profile.name, client = request.client.id, fault = named, "signed in");
    let cookie = realm.remember(headers, &persona, &request, fault, flow);
    with_header(authorize::grant(realm, request, persona, now, fault, flow), SET_COOKIE, &cookie)
}

/// The page of a login that is an error code, with its link back to the service.
async fn refused(realm: &Realm, id: &str, login: &str, error: &ErrorLogin) -> Response {
    if error.status == 504 {
        tokio::time::sleep(realm.stub.inner.slow).await;
    }
    let letter = if realm.profile.publishes() { 'Y' } else { 'E' };
    let back =
        format!("{}{}/interaction/{id}/back?login={login}", realm.stub.space.prefix, realm.profile.path);
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let shown = PageError { code: format!("{letter}{}", error.number).into(), text: error.about.to_owned() };
    page(status, &pages::error(&shown, Some(&back)))
}

/// The link back to the service.
pub(super) async fn back(realm: Realm, Named(id): Named, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let error = params.get("login").and_then(ErrorLogin::find);
    let pending = realm.pending(&id);
    let (Some(error), Some(Interaction { request, flow, .. })) = (error, pending) else { return gone() };
    if realm.stub.space.interactions.take(&id, realm.stub.now()).is_none() {
        return gone();
    }
    let text = match error.error {
        "access_denied" => "user authentication aborted",
        _ => "authentication aborted due to a technical error on the authorization server",
    };
    let response = broken::response::text_redirect(&realm, &request.reply_to, error.error, text);
    realm.observe(flow, "back to the service", params.pairs(), Vec::new(), response).await
}

fn gone() -> Response {
    error_page(
        StatusCode::BAD_REQUEST,
        &PageError::new("Y190001", "This page has expired or was answered before"),
    )
}

impl Realm {
    fn pending(&self, id: &str) -> Option<Interaction> {
        let pending = self.stub.space.interactions.get(id, self.stub.now())?;
        (pending.profile.name == self.profile.name).then_some(pending)
    }

    /// Who is signed in at this profile in this browser.
    pub(super) fn sign_in(&self, headers: &HeaderMap) -> Option<SignIn> {
        let now = self.stub.now();
        let here = self.stub.space.sessions.get(self.session_id(headers)?, now)?;
        here.into_iter().find(|sign_in| sign_in.profile == self.profile.name && sign_in.expires > now)
    }

    /// Ends this profile's session in this browser.
    pub(super) fn forget(&self, headers: &HeaderMap) {
        if let Some(id) = self.session_id(headers) {
            self.stub.space.sessions.with(id, self.stub.now(), |session| {
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
        fault: Option<Fault>,
        flow: u64,
    ) -> String {
        let now = self.stub.now();
        let sessions = &self.stub.space.sessions;
        let mut session = self.session_id(headers).and_then(|id| sessions.take(id, now)).unwrap_or_default();
        session.retain(|sign_in| sign_in.profile != self.profile.name && sign_in.expires > now);
        session.push(SignIn {
            profile: self.profile.name,
            persona: Arc::clone(persona),
            auth_time: now,
            acr: request.acr.clone(),
            expires: now.saturating_add(self.profile.lifetimes.session),
            fault,
            flow,
        });
        let expires = session.iter().map(|sign_in| sign_in.expires).max().unwrap_or(now);
        let id = self.stub.inner.chance.token();
        let cookie = format!("{}={id}; Path=/; HttpOnly; SameSite=Lax", self.cookie());
        sessions.put(id, session, now, expires);
        cookie
    }

    /// Each namespace has its own.
    fn cookie(&self) -> String {
        let Stub { inner, space } = &self.stub;
        if space.name.is_empty() { inner.cookie.clone() } else { format!("{}-{}", inner.cookie, space.name) }
    }

    fn session_id<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookie = self.cookie();
        let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies =
            lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        cookies.find(|(name, _)| *name == cookie).map(|(_, value)| value)
    }
}

impl SignIn {
    /// Whether it serves a request without asking again.
    pub(super) fn satisfies(&self, request: &AuthorizationRequest, now: u64) -> bool {
        let young = request.max_age.is_none_or(|age| age > 0 && now.saturating_sub(self.auth_time) <= age);
        young && (request.acr.is_none() || request.acr == self.acr)
    }
}
