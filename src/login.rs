//! One login in flight: from an application's request to the answer it gets.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::Identity;
use crate::request::LoginRequest;
use crate::service::UpstreamName;

/// Names one login from `/idp` to delivery and logout, in every event: 128 bits, 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginId([u8; 16]);

impl LoginId {
    /// From fresh random bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginId({self})")
    }
}

/// The digest of the random cookie that binds logins in flight to one browser.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrowserId(pub [u8; 32]);

/// A login whose browser is at the upstream; found, and taken, by `state`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AwayLogin {
    /// Its name in the events.
    pub id: LoginId,
    /// What was asked.
    pub request: LoginRequest,
    /// The browser that began it, and that alone may finish it.
    pub browser: BrowserId,
    /// The upstream registration it was sent to.
    pub upstream: UpstreamName,
    /// What must come back unchanged from there.
    pub handshake: Handshake,
    /// When it began.
    pub started: Timestamp,
}

/// A login whose person is known and must say yes; found, and taken, by the token of the page's form.
#[derive(Clone, Serialize, Deserialize)]
pub struct ConfirmLogin {
    /// Its name in the events.
    pub id: LoginId,
    /// What was asked.
    pub request: LoginRequest,
    /// The browser that was asked.
    pub browser: BrowserId,
    /// The upstream registration that vouches.
    pub upstream: UpstreamName,
    /// Who would be signed in.
    pub identity: Identity,
    /// When the login began.
    pub started: Timestamp,
}

impl AwayLogin {
    /// The person is back and known; now they are asked.
    pub fn confirm(self, identity: Identity) -> ConfirmLogin {
        let Self { id, request, browser, upstream, started, .. } = self;
        ConfirmLogin { id, request, browser, upstream, identity, started }
    }
}

/// What the relay sent to an upstream and expects to find unchanged in its answer. Plain data, no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Handshake {
    /// `state` (RFC 6749, section 4.1.1).
    pub state: String,
    /// `nonce` (OpenID Connect Core, section 3.1.2.1).
    pub nonce: String,
    /// PKCE `code_verifier` (RFC 7636), where the profile uses one.
    pub code_verifier: Option<String>,
    /// The issuer that must answer (RFC 9207).
    pub issuer: String,
    /// The redirect URI that was sent, to be repeated at the token endpoint.
    pub redirect_uri: String,
    /// The scopes that were asked.
    pub scopes: Vec<String>,
}
