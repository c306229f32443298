//! The authorization endpoint (RFC 6749, section 3.1; OpenID Connect Core, section 3.1.2).

use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::broken::response as lies;
use super::{Realm, error_page, observe, page, see_other};
use crate::fault::{Fault, Stage};
use crate::grant::{Code, Grant};
use crate::pages;
use crate::params::Params;
use crate::persona::Persona;
use crate::profiles::{PageError, Refusal};
use crate::request::{AuthorizationRequest, Prompt, ReplyTo};
use crate::space::Interaction;

/// How long a page waits for the person.
const INTERACTION: u64 = 1800;

pub(super) async fn get(realm: Realm, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    authorize(&realm, &Params::parse(query.unwrap_or_default().as_bytes()), &headers).await
}

pub(super) async fn post(realm: Realm, headers: HeaderMap, body: Bytes) -> Response {
    match Params::form(&headers, &body) {
        Some(params) => authorize(&realm, &params, &headers).await,
        None => {
            error_page(StatusCode::BAD_REQUEST, &PageError::new("invalid_request", "the body is not a form"))
        }
    }
}

async fn authorize(realm: &Realm, params: &Params, headers: &HeaderMap) -> Response {
    realm.count(|counts| &counts.authorize);
    let client = params.get("client_id").unwrap_or_default();
    let journal = &realm.stub.space.journal;
    let flow = journal.begin(realm.profile.name, client, realm.stub.now());
    let response = decide(realm, params, headers, flow);
    if flow == 0 {
        return response;
    }
    realm.observe(flow, "authorize", params.pairs(), observe::authorization(realm, params), response).await
}

fn decide(realm: &Realm, params: &Params, headers: &HeaderMap, flow: u64) -> Response {
    let request = match (realm.profile.authorize)(&realm.ask(params, false)) {
        Ok(request) => request,
        Err(Refusal::Page(error)) => return error_page(StatusCode::BAD_REQUEST, &error),
        Err(Refusal::Redirect { to, error, description, more, fragment }) => {
            let mut parameters = vec![("error", error), ("error_description", description.as_str())];
            parameters.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
            return answer(realm, &to, parameters, fragment);
        }
    };
    let now = realm.stub.now();
    if realm.profile.silent && request.prompt != Prompt::Page {
        if let Some(sign_in) = realm.sign_in(headers).filter(|sign_in| sign_in.satisfies(&request, now)) {
            let drawn = realm.draw(&request.client.id);
            return grant(realm, request, sign_in.persona, sign_in.auth_time, drawn.0, flow);
        }
        if request.prompt == Prompt::None {
            let error =
                [("error", "login_required"), ("error_description", "End-User authentication is required")];
            return answer(realm, &request.reply_to, error.to_vec(), false);
        }
    }
    let (fault, person) = realm.draw(&request.client.id);
    let hinted = request.login_hint.as_deref().and_then(|hint| realm.typed(hint));
    if let Some(everybody) = realm.stub.auto_login() {
        let (person, of_hint) = hinted.unwrap_or_else(|| (person.unwrap_or(everybody), None));
        return grant(realm, request, person, now, of_hint.or(fault), flow);
    }
    if let Some(person) = person {
        return grant(realm, request, person, now, fault, flow);
    }
    let id = realm.stub.inner.chance.token();
    let session = realm.sign_in(headers).filter(|_| realm.profile.shares(&request));
    let signed_in = session.as_ref().map(|sign_in| &*sign_in.persona);
    let markup = pages::login(&realm.stub, realm.profile, &id, &request, signed_in, None);
    let interaction = Interaction { profile: realm.profile, request, flow, fault };
    realm.stub.space.interactions.put(id, interaction, now, now.saturating_add(INTERACTION));
    page(StatusCode::OK, &markup)
}

/// The person agreed: a code, unless a fault wants something else.
pub(super) fn grant(
    realm: &Realm,
    request: AuthorizationRequest,
    persona: Arc<Persona>,
    auth_time: u64,
    of_login: Option<Fault>,
    flow: u64,
) -> Response {
    let to = request.reply_to.clone();
    let (stub, space) = (&realm.stub, &realm.stub.space);
    let fault = realm.fault_at(of_login, &[Stage::Response], &request.client.id);
    space.journal.decided(flow, &persona.id, of_login.or(fault).or_else(|| stub.fault()));
    if let Some(response) = fault.and_then(|fault| lies::instead(realm, &to, fault)) {
        return response;
    }
    if let Some(fault) = of_login.filter(|fault| fault.stage() == Stage::Discovery) {
        space.arm(realm.profile.name, fault);
    }
    let code = stub.inner.chance.token();
    let now = stub.now();
    let grant = Grant { profile: realm.profile, request, persona, auth_time, fault: of_login, flow };
    let lifetime = if fault == Some(Fault::CodeExpired) { 0 } else { realm.profile.lifetimes.code };
    space.codes.put(code.clone(), Code::Fresh(Arc::new(grant)), now, now.saturating_add(lifetime));
    let mut parameters = vec![("code", code)];
    parameters.extend(to.state.iter().map(|state| ("state", state.clone())));
    if realm.profile.response_iss {
        parameters.push(("iss", realm.issuer.clone()));
    }
    lies::twist(fault, &mut parameters, || stub.inner.chance.token());
    lies::send(fault, &to, &parameters)
}

/// The person refused, or was refused.
pub(super) fn denied(realm: &Realm, to: &ReplyTo) -> Response {
    let error = [("error", "access_denied"), ("error_description", realm.profile.cancelled)];
    answer(realm, to, error.to_vec(), false)
}

/// An error response (RFC 6749, section 4.1.2.1).
pub(super) fn answer(realm: &Realm, to: &ReplyTo, error: Vec<(&str, &str)>, fragment: bool) -> Response {
    see_other(to, &with_state(realm, to, error), fragment)
}

/// These parameters with `state` and, where the profile has it, `iss` (RFC 9207, section 2).
pub(super) fn with_state<'a>(
    realm: &'a Realm,
    to: &'a ReplyTo,
    error: Vec<(&'a str, &'a str)>,
) -> Vec<(&'a str, &'a str)> {
    let mut parameters = error;
    if let Some(state) = &to.state {
        parameters.push(("state", state));
    }
    if realm.profile.response_iss {
        parameters.push(("iss", &realm.issuer));
    }
    parameters
}

impl Realm {
    /// What the scenario has for the next login of this client.
    fn draw(&self, client: &str) -> (Option<Fault>, Option<Arc<Persona>>) {
        let mut scenario = self.stub.space.scenario.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(draw) = scenario.as_mut().and_then(|scenario| scenario.draw(client)) else {
            return (None, None);
        };
        drop(scenario);
        (draw.fault, draw.persona.and_then(|id| self.stub.personas().find(&id)))
    }

    /// Whom a login name means: a person, a fault, or both as `person:fault`. With a fault alone, it is the first
    /// person of the list.
    pub(super) fn typed(&self, login: &str) -> Option<(Arc<Persona>, Option<Fault>)> {
        let people = self.stub.personas();
        if let Some(person) = people.find(login) {
            return Some((person, None));
        }
        if let Some((person, fault)) = login.split_once(':') {
            return Some((people.find(person)?, Some(Fault::parse(fault)?)));
        }
        Some((people.iter().next().cloned()?, Some(Fault::parse(login)?)))
    }
}
