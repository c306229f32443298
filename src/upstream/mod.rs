//! The relay as relying party of a national identity provider (OpenID Connect Core 1.0, code flow).
//!
//! What differs between providers is a [`Profile`]: data and small functions in one file each. It outranks
//! whatever the provider's metadata says.

mod begin;
mod claims;
mod client_auth;
mod complete;
mod encryption;
mod error;
mod keys;
mod logout;
mod metadata;
mod probe;
mod profiles;
mod response;
#[cfg(test)]
mod tests;
mod verifier;

use std::sync::Arc;

use http::HeaderValue;
use url::Url;

use crate::clock::Clock;
use crate::event::Trace;
use crate::identity::{Acr, AcrPolicy, OutsideLevels};
use crate::keys::Keyring;
use crate::outbound::Outbound;
use crate::secret::Secret;
use crate::service::{Prompt, UpstreamName};

use metadata::{Metadata, MetadataSource};
use verifier::Verifier;

pub use crate::crypto::alg::Alg;
pub use begin::{Ask, Begun, Step};
pub use claims::TokenError;
pub use client_auth::{AssertionAudience, ClientAuth, Credentials};
pub use complete::SignedIn;
pub use encryption::DecryptionKeys;
pub use error::{Endpoint, Told, UpstreamError};
pub use keys::AssertionKey;
pub use metadata::DiscoveryError;
pub use profiles::{ErrorMeaning, PROFILES, Profile, Signer};
pub use response::AuthorizationResponse;

/// One registration of the relay at an upstream.
#[derive(Clone)]
pub struct Settings {
    /// Its name in the configuration.
    pub name: UpstreamName,
    /// How this provider differs from the standard.
    pub profile: &'static Profile,
    /// Its issuer identifiers, the current one first: hosts get renamed. Never empty.
    pub issuers: Vec<String>,
    /// Where it answers; `None` to ask its discovery document (OpenID Connect Discovery 1.0).
    pub endpoints: Option<Endpoints>,
    /// Our client id.
    pub client_id: String,
    /// How we authenticate at the token endpoint.
    pub credentials: Credentials,
    /// Where the browser comes back, exactly as registered; its path is our callback.
    pub redirect_uri: Url,
    /// Where the browser comes back after a logout, exactly as registered.
    pub post_logout_redirect_uri: Option<Url>,
    /// Whether a logout says whose session it is (`id_token_hint`): some providers want it not.
    pub logout_hint: bool,
    /// Who signs `id_token` and userinfo.
    pub signatures: Signatures,
    /// What decrypts what comes encrypted.
    pub decryption_keys: DecryptionKeys,
    /// Whether the `id_token` comes encrypted; then it must.
    pub encrypted_id_token: bool,
    /// In which form userinfo is registered.
    pub userinfo: UserinfoKind,
    /// Whether `iss` (RFC 9207) must come back even if neither profile nor metadata say so.
    pub require_iss: bool,
    /// Seconds by which the upstream's clock may differ from ours.
    pub leeway: u64,
    /// In which namespace its subjects are: two registrations of one namespace that tell the same `sub` mean one person.
    pub subject_namespace: String,
}

/// The default of [`Settings::leeway`], in seconds.
pub const LEEWAY: u64 = 60;

/// Where an upstream answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Authorization endpoint.
    pub authorization: Url,
    /// Token endpoint.
    pub token: Url,
    /// Userinfo endpoint.
    pub userinfo: Option<Url>,
    /// JWK Set; `None` where the client secret signs.
    pub jwks: Option<Url>,
    /// Logout (OpenID Connect RP-Initiated Logout 1.0).
    pub end_session: Option<Url>,
}

/// Whose signatures count; nothing that a token says turns one into the other.
#[derive(Clone)]
pub enum Signatures {
    /// The provider's published keys', by these algorithms.
    Published(Vec<Alg>),
    /// The client secret's, by HS256 (RFC 7518, section 3.2).
    Shared(Secret<String>),
}

/// In which form userinfo comes (OpenID Connect Core, section 5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserinfoKind {
    /// `application/json`.
    Json,
    /// `application/jwt`, signed.
    SignedJwt,
    /// `application/jwt`, signed, then encrypted for us.
    EncryptedJwt,
    /// Not asked: the `id_token` says it all.
    Off,
}

/// One upstream, ready to be used. Its metadata and keys are fetched when first needed.
pub struct Upstream {
    settings: Settings,
    outbound: Outbound,
    metadata: MetadataSource,
    verifier: Verifier,
    /// The `Authorization` header of token calls, where the secret goes there.
    basic: Option<HeaderValue>,
    keyring: Option<Arc<Keyring>>,
}

impl Upstream {
    /// Makes an upstream; calls nobody.
    pub fn new(settings: Settings, outbound: &Outbound) -> Self {
        Self {
            metadata: MetadataSource::new(&settings, outbound.clone()),
            verifier: Verifier::new(&settings, outbound),
            basic: settings.credentials.header(&settings.client_id),
            outbound: outbound.clone(),
            keyring: None,
            settings,
        }
    }

    /// What is known of it.
    async fn metadata(&self, clock: &dyn Clock, trace: &Trace) -> Result<Arc<Metadata>, UpstreamError> {
        let metadata = self.metadata.get(clock, trace).await;
        metadata.map_err(|source| UpstreamError::Discovery { url: self.first_address(), source })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &UpstreamName {
        &self.settings.name
    }

    /// What it was made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether it shows the person a page of its own on every login.
    pub fn always_asks(&self) -> bool {
        self.settings.profile.always_asks
    }

    /// Whether it takes `prompt`.
    pub fn takes_prompt(&self, prompt: Prompt) -> bool {
        self.settings.profile.prompt(prompt).is_some()
    }

    /// Whether it takes `max_age`.
    pub fn takes_max_age(&self) -> bool {
        self.settings.profile.takes("max_age")
    }

    /// Whether its answers tell when the person signed in.
    pub fn tells_auth_time(&self) -> bool {
        self.settings.profile.tells_auth_time
    }

    /// What is demanded of the level, where an application has `configured` and a request wants `wanted`; what neither
    /// says, the profile may.
    pub fn acr_policy(
        &self,
        configured: Option<&AcrPolicy>,
        wanted: &[Acr],
    ) -> Result<Option<AcrPolicy>, OutsideLevels> {
        if let Some(configured) = configured {
            return configured.clone().narrowed(wanted).map(Some);
        }
        let profile = self.settings.profile;
        let named = |level: &&str| Acr((*level).to_owned());
        let default = profile.default_acr.iter().map(named);
        let wanted: Vec<_> = if wanted.is_empty() { default.collect() } else { wanted.to_vec() };
        if wanted.is_empty() {
            return Ok(None);
        }
        let levels: Vec<_> = profile.levels.iter().map(named).collect();
        let known = if levels.is_empty() { wanted.clone() } else { levels };
        AcrPolicy::any_of(known).narrowed(&wanted).map(Some)
    }

    /// Whether a fresh sign-in can be had of it: `prompt=login` makes the person act.
    pub fn honours_login(&self) -> bool {
        self.settings.profile.honours_login && self.takes_prompt(Prompt::Login)
    }

    /// The path at which the browser comes back.
    pub fn callback_path(&self) -> &str {
        self.settings.redirect_uri.path()
    }
}
