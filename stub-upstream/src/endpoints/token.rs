//! The token endpoint (RFC 6749, section 3.2; OpenID Connect Core, section 3.1.3): a code for tokens, once.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use axum::body::Bytes;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, json};

use super::broken::{id_token as lies, transport};
use super::observe::{self, Inner};
use super::{Realm, json, with_header};
use crate::fault::{Fault, Stage};
use crate::grant::{Code, Grant};
use crate::jwe;
use crate::params::Params;
use crate::profiles::TokenError;
use crate::twist::Part;

/// Everything that may show in a token response.
const STAGES: &[Stage] = &[Stage::Token, Stage::IdToken, Stage::Encryption];

/// How long a refresh token lives.
const REFRESH: u64 = 12 * 3600;

/// What a code or a refresh token was turned into.
struct Redeemed {
    grant: Arc<Grant>,
    access_token: String,
    refresh_token: Option<String>,
}

pub(super) async fn token(realm: Realm, headers: HeaderMap, body: Bytes) -> Response {
    realm.count(|counts| &counts.token);
    let params = Params::form(&headers, &body);
    let (of_login, client, flow) = params.as_ref().and_then(|params| realm.known(params)).unwrap_or_default();
    let fault = realm.fault_at(of_login, STAGES, &client);
    realm.delay(fault).await;
    let pairs = params.as_ref().map(Params::pairs).unwrap_or_default();
    let instead = fault.and_then(transport::instead);
    let (response, checks) =
        if let Some(response) = instead.or_else(|| realm.stub.space.twists.instead(Part::Token)) {
            (response, Vec::new())
        } else {
            let redeemed =
                params.ok_or(TokenError::NotAForm).and_then(|params| realm.redeem(&headers, &params, fault));
            let checks = observe::token(redeemed.as_ref().err().copied());
            let response = match redeemed {
                Ok(redeemed) => {
                    realm.tokens(&redeemed, fault).unwrap_or_else(|Unspecified| transport::server_error())
                }
                Err(error) => realm.refuse(error, &headers),
            };
            (response, checks)
        };
    let flow = match flow {
        0 => realm.stub.space.journal.begin(realm.profile.name, &client, realm.stub.now()),
        flow => flow,
    };
    let response = realm.observe(flow, "token", pairs, checks, response).await;
    transport::dress(fault, response, realm.stub.inner.slow)
}

impl Realm {
    /// The fault, the client and the flow of the code, or of the refresh token.
    fn known(&self, params: &Params) -> Option<(Option<Fault>, String, u64)> {
        let (space, now) = (&self.stub.space, self.stub.now());
        let of = |grant: &Grant| (grant.fault, grant.request.client.id.clone(), grant.flow);
        if let Some(token) = params.get("refresh_token") {
            return space.refresh_tokens.get(token, now).map(|grant| of(&grant));
        }
        space.codes.with(params.get("code")?, now, |entry| {
            Some(match &entry?.value {
                Code::Fresh(grant) => of(grant),
                Code::Spent { flow, .. } => (None, String::new(), *flow),
            })
        })
    }

    fn redeem(
        &self,
        headers: &HeaderMap,
        params: &Params,
        fault: Option<Fault>,
    ) -> Result<Redeemed, TokenError> {
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
            Some("refresh_token") if self.profile.refresh => return self.refresh(&client.id, params),
            Some(_) => return Err(TokenError::GrantType),
        }
        let code = params.filled("code").ok_or(TokenError::Missing("code"))?;
        let now = self.stub.now();
        let space = &self.stub.space;
        space.codes.with(code, now, |entry| {
            let entry = entry.ok_or(TokenError::CodeUnknown)?;
            let grant = match &entry.value {
                Code::Fresh(grant) => Arc::clone(grant),
                Code::Spent { access_token, refresh_token, .. } => {
                    // RFC 6749, section 4.1.2: a second use revokes what the first one brought.
                    space.tokens.take(access_token, now);
                    refresh_token.as_ref().map(|token| space.refresh_tokens.take(token, now));
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
            let redeemed = self.issue(grant);
            // As long as there is something to revoke, the code is remembered.
            entry.expires = now.saturating_add(self.profile.lifetimes.access_token);
            entry.value = Code::Spent {
                access_token: redeemed.access_token.clone(),
                refresh_token: redeemed.refresh_token.clone(),
                flow: redeemed.grant.flow,
            };
            Ok(redeemed)
        })
    }

    /// RFC 6749, section 6. The refresh token is replaced.
    fn refresh(&self, client: &str, params: &Params) -> Result<Redeemed, TokenError> {
        let token = params.filled("refresh_token").ok_or(TokenError::Missing("refresh_token"))?;
        let (space, now) = (&self.stub.space, self.stub.now());
        let ours =
            |grant: &Grant| grant.request.client.id == client && grant.profile.name == self.profile.name;
        let found = space.refresh_tokens.get(token, now).filter(|grant| ours(grant));
        if found.is_none() || space.refresh_tokens.take(token, now).is_none() {
            return Err(TokenError::RefreshToken);
        }
        found.map(|grant| self.issue(grant)).ok_or(TokenError::RefreshToken)
    }

    fn issue(&self, grant: Arc<Grant>) -> Redeemed {
        let (space, now, chance) = (&self.stub.space, self.stub.now(), &self.stub.inner.chance);
        let access_token = chance.token();
        let expires = now.saturating_add(self.profile.lifetimes.access_token);
        space.tokens.put(access_token.clone(), Arc::clone(&grant), now, expires);
        let refresh_token = self.profile.refresh.then(|| chance.token());
        if let Some(token) = &refresh_token {
            space.refresh_tokens.put(token.clone(), Arc::clone(&grant), now, now.saturating_add(REFRESH));
        }
        Redeemed { grant, access_token, refresh_token }
    }

    pub(super) fn refuse(&self, error: TokenError, headers: &HeaderMap) -> Response {
        tracing::debug!(profile = self.profile.name, error = error.error(), "token refused");
        let body = (self.profile.token_error)(error, &self.stub.inner.chance);
        let response = json(error.status(), &body);
        // RFC 6749, section 5.2: whoever used the header is told its scheme.
        if error.status() == StatusCode::UNAUTHORIZED && headers.contains_key(AUTHORIZATION) {
            return with_header(response, WWW_AUTHENTICATE, &format!("Basic realm=\"{}\"", self.issuer));
        }
        response
    }

    fn tokens(&self, redeemed: &Redeemed, fault: Option<Fault>) -> Result<Response, Unspecified> {
        let Redeemed { grant, access_token, refresh_token } = redeemed;
        let (id_token, inner) = self.id_token(grant, access_token, fault)?;
        let token_type = if fault == Some(Fault::TokenTypeWrong) { "mac" } else { "Bearer" };
        let mut body = Map::new();
        if fault != Some(Fault::NoAccessToken) {
            body.insert("access_token".to_owned(), json!(access_token));
        }
        body.insert("expires_in".to_owned(), json!(self.profile.lifetimes.access_token));
        if fault != Some(Fault::NoIdToken) {
            body.insert("id_token".to_owned(), json!(id_token));
        }
        if let Some(token) = refresh_token {
            body.insert("refresh_token".to_owned(), json!(token));
        }
        let scopes = grant.request.scopes.join(" ");
        body.insert(
            "scope".to_owned(),
            json!(if fault == Some(Fault::ScopeFewer) { "openid" } else { &scopes }),
        );
        body.insert("token_type".to_owned(), json!(token_type));
        self.stub.space.twists.apply(Part::Token, &mut body);
        let mut response = json(StatusCode::OK, &body);
        if let Some(inner) = inner {
            response.extensions_mut().insert(Inner("id_token (inside)", inner));
        }
        Ok(response)
    }

    /// The `id_token`, and the JWS inside where it is encrypted.
    fn id_token(
        &self,
        grant: &Grant,
        access_token: &str,
        fault: Option<Fault>,
    ) -> Result<(String, Option<String>), Unspecified> {
        let chance = &self.stub.inner.chance;
        let at_hash = self.profile.at_hash.then(|| at_hash(access_token));
        let mut claims = grant.id_token(&self.issuer, self.stub.now(), at_hash);
        if let Some(fault) = fault {
            lies::claims(fault, &mut claims, chance);
        }
        self.stub.space.twists.apply(Part::IdToken, &mut claims);
        let live = self.stub.fault().filter(|fault| fault.stage() == Stage::Jwks);
        let of_login = grant.fault.filter(|fault| fault.stage() == Stage::Jwks);
        if of_login.or(live).is_some() {
            // The set must be asked for anew.
            self.keys.rotate()?;
            if let Some(fault) = of_login {
                self.stub.space.arm(self.profile.name, fault);
            }
        }
        let client = &grant.request.client;
        let jws = lies::sign(fault, self.profile.alg_for(client), &claims, (self, client))?;
        self.nested(&client.id, jws, fault, || serde_json::to_string(&claims).unwrap_or_default())
    }

    /// A JWS in a JWE, where the profile encrypts (RFC 7519, section 5.2).
    pub(super) fn nested(
        &self,
        client: &str,
        jws: String,
        fault: Option<Fault>,
        claims: impl FnOnce() -> String,
    ) -> Result<(String, Option<String>), Unspecified> {
        if !self.profile.encrypted || fault == Some(Fault::JwePlain) {
            return Ok((jws, None));
        }
        let keys = self.stub.inner.clients.keys(client).ok_or(Unspecified)?;
        let key = keys.encryption().ok_or(Unspecified)?;
        let content = if fault == Some(Fault::JweUnsigned) { claims() } else { jws };
        let names = (self.issuer.as_str(), client);
        let jwe = jwe::encrypt(key, &content, names, &self.stub.inner.chance, fault)?;
        Ok((jwe, Some(content)))
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
}
