//! The logout endpoint (OpenID Connect RP-Initiated Logout 1.0, section 2).

use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::broken::transport;
use super::{Realm, error_page, page, see_other};
use crate::fault::{Fault, Stage};
use crate::journal::Check;
use crate::keys::{unverified, verify_shared};
use crate::pages;
use crate::params::Params;
use crate::profiles::{HintedClient, PageError, Signer};
use crate::request::ReplyTo;

pub(super) async fn get(realm: Realm, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    end_session(&realm, &Params::parse(query.unwrap_or_default().as_bytes()), &headers).await
}

pub(super) async fn post(realm: Realm, headers: HeaderMap, body: Bytes) -> Response {
    match Params::form(&headers, &body) {
        Some(params) => end_session(&realm, &params, &headers).await,
        None => {
            error_page(StatusCode::BAD_REQUEST, &PageError::new("invalid_request", "the body is not a form"))
        }
    }
}

async fn end_session(realm: &Realm, params: &Params, headers: &HeaderMap) -> Response {
    realm.count(|counts| &counts.logout);
    let hinted = params.filled("id_token_hint").and_then(|hint| realm.hinted(hint));
    let client = hinted.as_ref().map(|HintedClient(client)| client.id.clone()).unwrap_or_default();
    let sign_in = realm.sign_in(headers);
    let fault = realm.fault_at(sign_in.as_ref().and_then(|sign_in| sign_in.fault), &[Stage::Logout], &client);
    let checks = vec![
        Check::new("id_token_hint is a JWS of this provider", hinted.is_some()),
        Check::new("the browser brings its session", sign_in.is_some()),
        Check::new(
            "state has at least 32 characters",
            params.get("state").is_some_and(|state| state.len() >= 32),
        ),
    ];
    let response = match (realm.profile.logout)(&realm.ask(params, sign_in.is_some()), hinted.as_ref()) {
        Err(error) => error_page(StatusCode::BAD_REQUEST, &error),
        Ok(to) => {
            realm.forget(headers);
            signed_out(realm, to, fault)
        }
    };
    let flow = match sign_in.map_or(0, |sign_in| sign_in.flow) {
        0 => realm.stub.space.journal.begin(realm.profile.name, &client, realm.stub.now()),
        flow => flow,
    };
    realm.observe(flow, "logout", params.pairs(), checks, response).await
}

fn signed_out(realm: &Realm, to: Option<ReplyTo>, fault: Option<Fault>) -> Response {
    let stays = |code, text: &str| error_page(StatusCode::BAD_REQUEST, &PageError::new(code, text));
    match fault {
        Some(Fault::LogoutSessionGone) => return stays("Y100019", "There is no usable session"),
        Some(Fault::LogoutHintRefused) => return stays("Y040001", "could not decode id_token_hint"),
        _ => {}
    }
    if let Some(response) = fault.and_then(transport::instead) {
        return response;
    }
    let Some(to) = to.filter(|_| fault != Some(Fault::LogoutStays)) else {
        return page(StatusCode::OK, &pages::signed_out());
    };
    let state = match fault {
        Some(Fault::LogoutStateDropped) => None,
        Some(Fault::LogoutStateWrong) => Some(realm.stub.inner.chance.token()),
        _ => to.state.clone(),
    };
    let state: Vec<_> = state.iter().map(|state| ("state", state.as_str())).collect();
    see_other(&to, &state, false)
}

impl Realm {
    /// The client of an `id_token` that we signed; an expired one will do.
    fn hinted(&self, hint: &str) -> Option<HintedClient> {
        let of_key = self.keys.verify(hint);
        let by_secret = of_key.is_none() && self.profile.signer == Signer::ClientSecret;
        let claims = if by_secret { unverified(hint)? } else { of_key? };
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return None;
        }
        let client = self.stub.inner.clients.find(claims.get("aud")?.as_str()?)?;
        // Whose secret it must be is said by the hint itself.
        if by_secret && !verify_shared(&client.secret, hint) {
            return None;
        }
        Some(HintedClient(client.clone()))
    }
}
