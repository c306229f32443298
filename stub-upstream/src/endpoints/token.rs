//! The token endpoint (RFC 6749, section 3.2; OpenID Connect Core, section 3.1.3): a code for tokens, once.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, json};
use url::form_urlencoded;

use super::{Realm, broken, json, with_header};
use crate::client::Client;
use crate::fault::Fault;
use crate::grant::{Code, Grant};
use crate::keys::{alg_none, sign_shared};
use crate::params::Params;
use crate::profiles::{TokenAuth, TokenError};

pub(super) async fn token(State(realm): State<Realm>, headers: HeaderMap, body: Bytes) -> Response {
    realm.count(|counts| &counts.token);
    let params = Params::form(&headers, &body);
    let fault = realm.fault(params.as_ref().and_then(|params| realm.fault_of_code(params)));
    if let Some(response) = fault.and_then(broken::token) {
        return response;
    }
    if fault == Some(Fault::TokenSlow) {
        tokio::time::sleep(realm.stub.0.slow).await;
    }
    let redeemed =
        params.ok_or(TokenError::NotAForm).and_then(|params| realm.redeem(&headers, &params, fault));
    let answer = match redeemed {
        Ok((grant, access_token)) => realm.tokens(&grant, &access_token, fault),
        Err(error) => return realm.refuse(error, &headers),
    };
    match answer {
        Ok(answer) => answer,
        Err(Unspecified) => broken::server_error(),
    }
}

impl Realm {
    fn fault_of_code(&self, params: &Params) -> Option<Fault> {
        self.stub.0.codes.with(params.get("code")?, self.stub.now(), |entry| match &entry?.value {
            Code::Fresh(grant) => grant.fault,
            Code::Spent { .. } => None,
        })
    }

    fn redeem(
        &self,
        headers: &HeaderMap,
        params: &Params,
        fault: Option<Fault>,
    ) -> Result<(Arc<Grant>, String), TokenError> {
        match fault {
            Some(Fault::TokenInvalidGrant) => return Err(TokenError::CodeUnknown),
            Some(Fault::TokenInvalidClient) => return Err(TokenError::ClientSecret),
            _ => {}
        }
        if params.repeated().is_some() {
            return Err(TokenError::Repeated);
        }
        let client = self.authenticate(headers, params)?;
        match params.filled("grant_type") {
            None => return Err(TokenError::Missing("grant_type")),
            Some("authorization_code") => {}
            Some(_) => return Err(TokenError::GrantType),
        }
        let code = params.filled("code").ok_or(TokenError::Missing("code"))?;
        let now = self.stub.now();
        let tokens = &self.stub.0.tokens;
        self.stub.0.codes.with(code, now, |entry| {
            let entry = entry.ok_or(TokenError::CodeUnknown)?;
            let grant = match &entry.value {
                Code::Fresh(grant) => Arc::clone(grant),
                Code::Spent { access_token } => {
                    // RFC 6749, section 4.1.2: a second use revokes what the first one brought.
                    tokens.take(access_token, now);
                    return Err(TokenError::CodeSpent);
                }
            };
            if grant.profile.name != self.profile.name {
                return Err(TokenError::CodeUnknown);
            }
            if grant.request.client.id != client.id {
                return Err(TokenError::CodeOfAnother);
            }
            if params.get("redirect_uri") != Some(&grant.request.reply_to.redirect_uri) {
                return Err(TokenError::RedirectUri);
            }
            if !verifier_fits(grant.request.code_challenge.as_deref(), params.filled("code_verifier")) {
                return Err(TokenError::CodeVerifier);
            }
            let access_token = self.stub.0.chance.token();
            let expires = now.saturating_add(self.profile.lifetimes.access_token);
            tokens.put(access_token.clone(), Arc::clone(&grant), now, expires);
            // As long as there is something to revoke, the code is remembered.
            entry.expires = expires;
            entry.value = Code::Spent { access_token: access_token.clone() };
            Ok((grant, access_token))
        })
    }

    /// Client authentication (RFC 6749, section 2.3.1; OpenID Connect Core, section 9).
    fn authenticate(&self, headers: &HeaderMap, params: &Params) -> Result<Arc<Client>, TokenError> {
        let basic = headers.contains_key(AUTHORIZATION);
        let post = params.filled("client_secret").is_some();
        let (method, id, secret) = if basic {
            let (id, secret) = basic_credentials(headers).ok_or(TokenError::ClientMethod)?;
            (TokenAuth::Basic, id, secret)
        } else {
            let id = params.filled("client_id").ok_or(TokenError::Missing("client_id"))?;
            let secret = params.filled("client_secret").ok_or(TokenError::ClientMethod)?;
            (TokenAuth::Post, id.to_owned(), secret.to_owned())
        };
        // RFC 6749, section 2.3: one method per request, and the one that is registered.
        if !self.profile.token_auth.contains(&method) || (basic && post) {
            return Err(TokenError::ClientMethod);
        }
        let client = self.stub.0.clients.find(&id).ok_or(TokenError::ClientUnknown)?;
        if client.secret == secret { Ok(Arc::clone(client)) } else { Err(TokenError::ClientSecret) }
    }

    fn refuse(&self, error: TokenError, headers: &HeaderMap) -> Response {
        tracing::debug!(profile = self.profile.name, error = error.error(), "token refused");
        let body = (self.profile.token_error)(error, &self.stub.0.chance);
        let response = json(error.status(), &body);
        // RFC 6749, section 5.2: whoever used the header is told its scheme.
        if error.status() == StatusCode::UNAUTHORIZED && headers.contains_key(AUTHORIZATION) {
            return with_header(response, WWW_AUTHENTICATE, &format!("Basic realm=\"{}\"", self.issuer));
        }
        response
    }

    fn tokens(
        &self,
        grant: &Grant,
        access_token: &str,
        fault: Option<Fault>,
    ) -> Result<Response, Unspecified> {
        let id_token = self.id_token(grant, access_token, fault)?;
        let token_type = if fault == Some(Fault::TokenTypeWrong) { "mac" } else { "Bearer" };
        let mut body = Map::new();
        body.insert("access_token".to_owned(), json!(access_token));
        body.insert("expires_in".to_owned(), json!(self.profile.lifetimes.access_token));
        if fault != Some(Fault::NoIdToken) {
            body.insert("id_token".to_owned(), json!(id_token));
        }
        body.insert("scope".to_owned(), json!(grant.request.scopes.join(" ")));
        body.insert("token_type".to_owned(), json!(token_type));
        Ok(json(StatusCode::OK, &body))
    }

    fn id_token(
        &self,
        grant: &Grant,
        access_token: &str,
        fault: Option<Fault>,
    ) -> Result<String, Unspecified> {
        let chance = &self.stub.0.chance;
        let at_hash = self.profile.at_hash.then(|| at_hash(access_token));
        let mut claims = grant.id_token(&self.issuer, self.stub.now(), at_hash);
        let mut kid = None;
        if let Some(fault) = fault {
            broken::claims(fault, &mut claims, chance);
            match fault {
                Fault::AlgNone => return Ok(alg_none(&claims)),
                Fault::KeyRotated => self.keys.rotate()?,
                Fault::KeyUnknown => kid = Some("unpublished"),
                _ => {}
            }
        }
        let client = &grant.request.client;
        let jws = match self.profile.alg_for(client) {
            Some(alg) => self.keys.sign(alg, kid, &claims, chance)?,
            None => sign_shared(&client.secret, &claims),
        };
        Ok(if fault == Some(Fault::BadSignature) { broken::signature(&jws) } else { jws })
    }
}

/// RFC 7636, section 4.6. A verifier without a challenge is refused too (RFC 9700, section 4.8.2).
fn verifier_fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let length = (43..=128).contains(&verifier.len());
            length && URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == challenge
        }
        _ => false,
    }
}

/// OpenID Connect Core, section 3.1.3.6.
fn at_hash(access_token: &str) -> String {
    let hash = digest(&SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..16).unwrap_or_default())
}

/// Both parts are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain =
        |part: &str| form_urlencoded::parse(part.as_bytes()).next().map(|(name, _)| name.into_owned());
    Some((plain(id)?, plain(secret).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkce_of_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(verifier_fits(Some(challenge), Some(verifier)));
        assert!(!verifier_fits(Some(challenge), Some(challenge)));
        assert!(!verifier_fits(Some(challenge), None));
        assert!(!verifier_fits(None, Some(verifier)));
    }

    #[test]
    fn basic_credentials_are_form_encoded() {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode("a%3Ab:c+d%26"));
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        assert_eq!(basic_credentials(&headers), Some(("a:b".to_owned(), "c d&".to_owned())));
        for bad in ["Basic", "Basic !", "Bearer YTpi", "Basic YQ=="] {
            headers.insert(AUTHORIZATION, bad.parse().unwrap());
            assert_eq!(basic_credentials(&headers), None, "{bad}");
        }
    }
}
