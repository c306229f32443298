//! Client authentication at the token endpoint (RFC 6749, section 2.3.1; RFC 7523, section 2.2; OpenID Connect
//! Core, section 9).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::Realm;
use crate::client::Client;
use crate::keys::Alg;
use crate::params::Params;
use crate::profiles::{TokenAuth, TokenError};

/// RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion may live.
const ASSERTION_LIFE: u64 = 600;

impl Realm {
    /// The client that proved itself, by the one method that it used (RFC 6749, section 2.3).
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        params: &Params,
    ) -> Result<Arc<Client>, TokenError> {
        let basic = headers.contains_key(AUTHORIZATION);
        let post = params.filled("client_secret").is_some();
        let assertion = params.filled("client_assertion");
        let method = match (basic, post, assertion.is_some()) {
            (true, false, false) => TokenAuth::Basic,
            (false, false, true) => TokenAuth::PrivateKeyJwt,
            (false, true, false) => TokenAuth::Post,
            (false, false, false) if params.filled("client_id").is_none() => {
                return Err(TokenError::Missing("client_id"));
            }
            _ => return Err(TokenError::ClientMethod),
        };
        if !self.profile.token_auth.contains(&method) {
            return Err(TokenError::ClientMethod);
        }
        if let Some(assertion) = assertion {
            return self.asserted(assertion, params).ok_or(TokenError::ClientAssertion);
        }
        let (id, secret) = if basic {
            basic_credentials(headers).ok_or(TokenError::ClientMethod)?
        } else {
            let id = params.filled("client_id").ok_or(TokenError::Missing("client_id"))?;
            (id.to_owned(), params.get("client_secret").unwrap_or_default().to_owned())
        };
        let client = self.stub.inner.clients.find(&id).ok_or(TokenError::ClientUnknown)?;
        if !client.secret.is_empty() && client.secret == secret {
            Ok(Arc::clone(client))
        } else {
            Err(TokenError::ClientSecret)
        }
    }

    /// The client that signed this assertion: for this provider, alive, and for the first time.
    fn asserted(&self, assertion: &str, params: &Params) -> Option<Arc<Client>> {
        if params.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return None;
        }
        let (input, signature) = assertion.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let part = |text: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
        };
        let (header, claims) = (part(header)?, part(claims)?);
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let id = text("iss")?;
        if text("sub") != Some(id) || params.filled("client_id").is_some_and(|named| named != id) {
            return None;
        }
        let alg = match header.get("alg")?.as_str()? {
            "ES256" => Alg::Es256,
            "RS256" if !self.profile.encrypted => Alg::Rs256,
            _ => return None,
        };
        let kid = header.get("kid").and_then(Value::as_str);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self.stub.inner.clients.keys(id)?.verify(alg, kid, input.as_bytes(), &signature) {
            return None;
        }
        let endpoint = format!(
            "{}{}{}{}",
            self.stub.inner.base, self.stub.space.prefix, self.profile.path, self.profile.endpoints.token
        );
        let named = |value: &Value| value.as_str().is_some_and(|aud| aud == self.issuer || aud == endpoint);
        let for_us = match claims.get("aud")? {
            Value::Array(audiences) => audiences.iter().any(named),
            one => named(one),
        };
        let now = self.stub.now();
        let exp = claims.get("exp").and_then(Value::as_u64)?;
        if !for_us || exp <= now || exp > now.saturating_add(ASSERTION_LIFE) {
            return None;
        }
        let jti = format!("{id}\n{}", text("jti")?);
        let seen = &self.stub.space.assertions;
        if seen.with(&jti, now, |entry| entry.is_some()) {
            return None;
        }
        seen.put(jti, (), now, exp);
        self.stub.inner.clients.find(id).cloned()
    }
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
