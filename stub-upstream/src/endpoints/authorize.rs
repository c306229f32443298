//! The authorization endpoint (RFC 6749, section 3.1; OpenID Connect Core, section 3.1.2).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::{Realm, error_page, page, see_other};
use crate::fault::Fault;
use crate::grant::{AuthorizationRequest, Code, Grant, Prompt, ReplyTo};
use crate::pages;
use crate::params::Params;
use crate::persona::Persona;
use crate::profiles::{PageError, Refusal};

/// How long a page waits for the person.
const INTERACTION: u64 = 1800;

pub(super) async fn get(
    State(realm): State<Realm>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    authorize(&realm, &Params::parse(query.unwrap_or_default().as_bytes()), &headers)
}

pub(super) async fn post(State(realm): State<Realm>, headers: HeaderMap, body: Bytes) -> Response {
    match Params::form(&headers, &body) {
        Some(params) => authorize(&realm, &params, &headers),
        None => {
            error_page(StatusCode::BAD_REQUEST, &PageError::new("invalid_request", "the body is not a form"))
        }
    }
}

fn authorize(realm: &Realm, params: &Params, headers: &HeaderMap) -> Response {
    realm.count(|counts| &counts.authorize);
    let request = match (realm.profile.authorize)(params, &realm.stub.0.clients) {
        Ok(request) => request,
        Err(Refusal::Page(error)) => return error_page(StatusCode::BAD_REQUEST, &error),
        Err(Refusal::Redirect { to, error, description, more, fragment }) => {
            let mut parameters = vec![("error", error), ("error_description", description.as_str())];
            parameters.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
            return answer(realm, &to, parameters, fragment);
        }
    };
    if realm.profile.silent && request.prompt != Prompt::Page {
        if let Some(sign_in) =
            realm.sign_in(headers).filter(|sign_in| sign_in.satisfies(&request, realm.stub.now()))
        {
            return grant(realm, request, sign_in.persona, sign_in.auth_time, None);
        }
        if request.prompt == Prompt::None {
            let error =
                [("error", "login_required"), ("error_description", "End-User authentication is required")];
            return answer(realm, &request.reply_to, error.to_vec(), false);
        }
    }
    let now = realm.stub.now();
    if let Some(persona) = realm.stub.auto_login() {
        return grant(realm, request, persona, now, None);
    }
    let id = realm.stub.0.chance.token();
    let markup = pages::login(&realm.stub, realm.profile, &id, &request, None);
    realm.stub.0.interactions.put(id, (realm.profile, request), now, now.saturating_add(INTERACTION));
    page(StatusCode::OK, &markup)
}

/// The person agreed: a code, unless a fault wants something else.
pub(super) fn grant(
    realm: &Realm,
    request: AuthorizationRequest,
    persona: Arc<Persona>,
    auth_time: u64,
    of_login: Option<Fault>,
) -> Response {
    let mut to = request.reply_to.clone();
    let fault = realm.fault(of_login);
    match fault {
        Some(Fault::AccessDenied) => return denied(realm, &to),
        Some(Fault::TemporarilyUnavailable) => {
            let text = "authentication aborted due to a technical error on the authorization server";
            let error = [("error", "temporarily_unavailable"), ("error_description", text)];
            return answer(realm, &to, error.to_vec(), false);
        }
        Some(Fault::StateMissing) => to.state = None,
        _ => {}
    }
    let stub = &realm.stub.0;
    let code = stub.chance.token();
    let now = realm.stub.now();
    let grant = Grant { profile: realm.profile, request, persona, auth_time, fault: of_login };
    let expires = now.saturating_add(realm.profile.lifetimes.code);
    stub.codes.put(code.clone(), Code::Fresh(Arc::new(grant)), now, expires);
    let mut parameters = vec![("code", code.as_str())];
    if let Some(state) = &to.state {
        parameters.push(("state", state));
    }
    match fault {
        Some(Fault::IssMissing) => {}
        Some(Fault::IssWrong) => parameters.push(("iss", "https://another-issuer.example")),
        _ if realm.profile.response_iss => parameters.push(("iss", &realm.issuer)),
        _ => {}
    }
    see_other(&to, &parameters, false)
}

/// The person refused, or was refused.
pub(super) fn denied(realm: &Realm, to: &ReplyTo) -> Response {
    let error = [("error", "access_denied"), ("error_description", realm.profile.cancelled)];
    answer(realm, to, error.to_vec(), false)
}

/// An error response with `state` and, where the profile has it, `iss` (RFC 6749, section 4.1.2.1; RFC 9207,
/// section 2).
fn answer(realm: &Realm, to: &ReplyTo, error: Vec<(&str, &str)>, fragment: bool) -> Response {
    let mut parameters = error;
    if let Some(state) = &to.state {
        parameters.push(("state", state));
    }
    if realm.profile.response_iss {
        parameters.push(("iss", &realm.issuer));
    }
    see_other(to, &parameters, fragment)
}
