//! What a client asks for at the authorization endpoint (RFC 6749, section 4.1.1).

use std::sync::Arc;

use crate::client::Client;

/// An authorization request that passed its profile's checks.
#[derive(Clone)]
pub(crate) struct AuthorizationRequest {
    pub(crate) client: Arc<Client>,
    pub(crate) reply_to: ReplyTo,
    pub(crate) nonce: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// The level that the answer will name.
    pub(crate) acr: Option<String>,
    pub(crate) prompt: Prompt,
    pub(crate) max_age: Option<u64>,
    pub(crate) login_hint: Option<String>,
    /// PKCE (RFC 7636, section 4.3), always S256.
    pub(crate) code_challenge: Option<String>,
    /// Claims asked one by one (OpenID Connect Core, section 5.5).
    pub(crate) id_token_claims: Vec<String>,
    pub(crate) userinfo_claims: Vec<String>,
}

/// Where the authorization response goes.
#[derive(Clone)]
pub(crate) struct ReplyTo {
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
}

/// How much the person may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// As the profile does by itself.
    Usual,
    /// Always a page.
    Page,
    /// Never a page.
    None,
}
