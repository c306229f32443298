//! Who we are at the token endpoint (OpenID Connect Core, section 9; RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde_json::{Map, json};
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::clock::Timestamp;
use crate::crypto::jws::sign::{CannotSign, SigningKey};
use crate::entropy::Entropy;
use crate::secret::Secret;

use super::keys::AssertionKey;

/// How the relay authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ClientAuth {
    /// The secret in the form.
    #[serde(rename = "client_secret_post")]
    SecretPost,
    /// The secret by HTTP Basic, each half form-encoded first (RFC 6749, section 2.3.1).
    #[serde(rename = "client_secret_basic")]
    SecretBasic,
    /// An assertion that our key signs; no secret is shared.
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt,
}

/// The same, with what it takes.
#[derive(Clone)]
pub enum Credentials {
    /// `client_secret_post`.
    Post(Secret<String>),
    /// `client_secret_basic`.
    Basic(Secret<String>),
    /// `private_key_jwt`.
    PrivateKeyJwt(AssertionKey, AssertionAudience),
}

/// For whom an assertion is: providers differ in what they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The token endpoint (OpenID Connect Core, section 9).
    TokenEndpoint,
    /// The issuer, as later profiles demand (FAPI 2.0 Security Profile, section 5.3.2.1).
    Issuer,
}

/// How long an assertion is good, in seconds.
const LIFETIME: u64 = 60;

/// `client_assertion_type` (RFC 7523, section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token call, as far as authentication needs to know it.
pub(super) struct Call<'a> {
    pub client_id: &'a str,
    pub issuer: &'a str,
    pub token_endpoint: &'a Url,
    pub now: Timestamp,
    /// Ours, where we authenticate by it.
    pub key: Option<&'a SigningKey>,
    pub entropy: &'a dyn Entropy,
}

impl Credentials {
    /// The `Authorization` header, made once.
    pub(super) fn header(&self, client_id: &str) -> Option<HeaderValue> {
        let Self::Basic(secret) = self else { return None };
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Secret::new(format!("{}:{}", encoded(client_id), encoded(secret.expose())));
        let value = Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())));
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// What goes into the form.
    pub(super) fn fields(&self, call: &Call<'_>) -> Result<Vec<(&'static str, Secret<String>)>, CannotSign> {
        let public = |text: &str| Secret::new(text.to_owned());
        Ok(match self {
            Self::Basic(_) => Vec::new(),
            Self::Post(secret) => {
                vec![("client_id", public(call.client_id)), ("client_secret", secret.clone())]
            }
            Self::PrivateKeyJwt(_, audience) => vec![
                ("client_id", public(call.client_id)),
                ("client_assertion_type", public(JWT_BEARER)),
                ("client_assertion", assertion(*audience, call)?),
            ],
        })
    }
}

/// RFC 7523, section 3.
fn assertion(audience: AssertionAudience, call: &Call<'_>) -> Result<Secret<String>, CannotSign> {
    let audience = match audience {
        AssertionAudience::TokenEndpoint => call.token_endpoint.as_str(),
        AssertionAudience::Issuer => call.issuer,
    };
    let now = call.now.seconds();
    let claims = Map::from_iter([
        ("iss".to_owned(), json!(call.client_id)),
        ("sub".to_owned(), json!(call.client_id)),
        ("aud".to_owned(), json!(audience)),
        ("jti".to_owned(), json!(URL_SAFE_NO_PAD.encode(call.entropy.bytes::<16>()))),
        ("iat".to_owned(), json!(now)),
        ("exp".to_owned(), json!(now.saturating_add(LIFETIME))),
    ]);
    call.key.ok_or(CannotSign)?.sign("JWT", &claims)
}
