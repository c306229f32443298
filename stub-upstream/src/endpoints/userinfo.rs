//! The userinfo endpoint (OpenID Connect Core, section 5.3), behind a bearer token in the header (RFC 6750,
//! section 2.1).

use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, json};

use super::broken::{transport, userinfo as lies};
use super::observe::Inner;
use super::{Realm, json, json_text, with_header};
use crate::fault::{Fault, Stage};
use crate::grant::Grant;
use crate::journal::Check;
use crate::twist::Part;

pub(super) async fn userinfo(realm: Realm, method: Method, headers: HeaderMap) -> Response {
    realm.count(|counts| &counts.userinfo);
    let token = bearer(&headers);
    let grant = token.and_then(|token| realm.stub.space.tokens.get(token, realm.stub.now()));
    let grant = grant.filter(|grant| grant.profile.name == realm.profile.name);
    let (of_login, client, flow) = match &grant {
        Some(grant) => (grant.fault, grant.request.client.id.as_str(), grant.flow),
        None => (None, "", 0),
    };
    let fault = realm.fault_at(of_login, &[Stage::Userinfo], client);
    realm.delay(fault).await;
    let instead = fault.and_then(transport::instead);
    let response = match (instead.or_else(|| realm.stub.space.twists.instead(Part::Userinfo)), &grant) {
        (Some(response), _) => response,
        (None, None) => refuse(&realm, token.is_some()),
        (None, Some(grant)) => {
            person(&realm, grant, fault).unwrap_or_else(|Unspecified| transport::server_error())
        }
    };
    let checks = vec![
        Check::new("the access token comes in the header", token.is_some()),
        Check::new("the access token is alive", grant.is_some()),
        Check::new("GET", method == Method::GET),
    ];
    let response = realm.observe(flow, "userinfo", Vec::new(), checks, response).await;
    transport::dress(fault, response, realm.stub.inner.slow)
}

fn person(realm: &Realm, grant: &Arc<Grant>, fault: Option<Fault>) -> Result<Response, Unspecified> {
    let mut claims = grant.userinfo();
    let client = &grant.request.client;
    let alg = realm.profile.alg_for(client).filter(|_| realm.profile.userinfo_signed);
    let alg = alg.filter(|_| fault != Some(Fault::UserinfoJson));
    if alg.is_some() {
        let now = realm.stub.now();
        claims.insert("aud".to_owned(), json!(client.id));
        claims.insert("exp".to_owned(), json!(now.saturating_add(realm.profile.lifetimes.id_token)));
        claims.insert("iat".to_owned(), json!(now));
        claims.insert("iss".to_owned(), json!(realm.issuer));
    }
    if let Some(fault) = fault {
        lies::claims(fault, &mut claims);
    }
    realm.stub.space.twists.apply(Part::Userinfo, &mut claims);
    let text = match fault {
        Some(Fault::ClaimsDuplicate) => lies::duplicate(&claims),
        _ => serde_json::to_string(&claims).map_err(|_| Unspecified)?,
    };
    let Some(alg) = alg else { return Ok(json_text(StatusCode::OK, text)) };
    let jws = realm.keys.sign_text(alg, &text, &realm.stub.inner.chance, |_, _| ())?;
    let (jwt, inner) = realm.nested(&client.id, lies::jws(fault, jws, &claims), None, String::new)?;
    let headers = [(CONTENT_TYPE, "application/jwt; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    let mut response = (headers, jwt).into_response();
    if let Some(inner) = inner {
        response.extensions_mut().insert(Inner("userinfo (inside)", inner));
    }
    Ok(response)
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
