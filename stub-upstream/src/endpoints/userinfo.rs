//! The userinfo endpoint (OpenID Connect Core, section 5.3), behind a bearer token in the header (RFC 6750,
//! section 2.1).

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, json};

use super::{Realm, broken, json, with_header};
use crate::fault::Fault;

pub(super) async fn userinfo(State(realm): State<Realm>, headers: HeaderMap) -> Response {
    realm.count(|counts| &counts.userinfo);
    let now = realm.stub.now();
    let token = bearer(&headers);
    let grant = token.and_then(|token| realm.stub.0.tokens.get(token, now));
    let grant = grant.filter(|grant| grant.profile.name == realm.profile.name);
    let fault = realm.fault(grant.as_ref().and_then(|grant| grant.fault));
    if let Some(response) = fault.and_then(broken::userinfo) {
        return response;
    }
    let Some(grant) = grant else { return refuse(&realm, token.is_some()) };
    let mut claims = grant.userinfo();
    if fault == Some(Fault::SubDiffers) {
        claims.insert("sub".to_owned(), json!(broken::sub(&grant.sub())));
    }
    let client = &grant.request.client;
    let alg = realm.profile.alg_for(client).filter(|_| realm.profile.userinfo_signed);
    let Some(alg) = alg.filter(|_| fault != Some(Fault::UserinfoJson)) else {
        return json(StatusCode::OK, &claims);
    };
    claims.insert("aud".to_owned(), json!(client.id));
    claims.insert("exp".to_owned(), json!(now.saturating_add(realm.profile.lifetimes.id_token)));
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("iss".to_owned(), json!(&*realm.issuer));
    match realm.keys.sign(alg, None, &claims, &realm.stub.0.chance) {
        Ok(jwt) => {
            let headers = [(CONTENT_TYPE, "application/jwt; charset=utf-8"), (CACHE_CONTROL, "no-store")];
            (headers, jwt).into_response()
        }
        Err(_) => broken::server_error(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// RFC 6750, section 3: the challenge says what is wrong, unless there was no token at all.
fn refuse(realm: &Realm, token: bool) -> Response {
    let issuer = &realm.issuer;
    let (error, text) = if token {
        ("invalid_token", "invalid token provided (access token not found)")
    } else {
        ("invalid_request", "no access token provided")
    };
    let challenge = if token {
        format!("Bearer realm=\"{issuer}\", error=\"{error}\", error_description=\"{text}\"")
    } else {
        format!("Bearer realm=\"{issuer}\"")
    };
    let mut body = Map::new();
    body.insert("error".to_owned(), json!(error));
    body.insert("error_description".to_owned(), json!(text));
    with_header(json(StatusCode::UNAUTHORIZED, &body), WWW_AUTHENTICATE, &challenge)
}
