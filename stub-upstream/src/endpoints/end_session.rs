//! The logout endpoint (OpenID Connect RP-Initiated Logout 1.0, section 2).

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{Realm, error_page, page, see_other};
use crate::keys::{unverified, verify_shared};
use crate::pages;
use crate::params::Params;
use crate::profiles::{HintedClient, PageError, Signer};

pub(super) async fn get(
    State(realm): State<Realm>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    end_session(&realm, &Params::parse(query.unwrap_or_default().as_bytes()), &headers)
}

pub(super) async fn post(State(realm): State<Realm>, headers: HeaderMap, body: Bytes) -> Response {
    match Params::form(&headers, &body) {
        Some(params) => end_session(&realm, &params, &headers),
        None => {
            error_page(StatusCode::BAD_REQUEST, &PageError::new("invalid_request", "the body is not a form"))
        }
    }
}

fn end_session(realm: &Realm, params: &Params, headers: &HeaderMap) -> Response {
    realm.count(|counts| &counts.logout);
    let hinted = params.filled("id_token_hint").and_then(|hint| realm.hinted(hint));
    let to = match (realm.profile.logout)(params, &realm.stub.0.clients, hinted.as_ref()) {
        Ok(to) => to,
        Err(error) => return error_page(StatusCode::BAD_REQUEST, &error),
    };
    realm.forget(headers);
    match to {
        None => page(StatusCode::OK, &pages::signed_out()),
        Some(to) => {
            let state: Vec<_> = to.state.iter().map(|state| ("state", state.as_str())).collect();
            see_other(&to, &state, false)
        }
    }
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
        let client = self.stub.0.clients.find(claims.get("aud")?.as_str()?)?;
        // Whose secret it must be is said by the hint itself.
        if by_secret && !verify_shared(&client.secret, hint) {
            return None;
        }
        Some(HintedClient(client.clone()))
    }
}
