//! How providers differ from the standard and from one another: one file each, one line in [`PROFILES`].

mod franceconnect_plus;
mod franceconnect_v1;
mod franceconnect_v2;
mod generic;
mod proconnect;

use serde_json::{Map, Value};

use crate::service::Prompt;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Alg, AssertionAudience, ClientAuth, UserinfoKind};

/// Every profile.
pub const PROFILES: &[&Profile] = &[
    &generic::PROFILE,
    &franceconnect_v2::PROFILE,
    &franceconnect_plus::PROFILE,
    &proconnect::PROFILE,
    &franceconnect_v1::PROFILE,
];

/// 64 hexadecimal digits, the only form that every national provider accepts for `state` and `nonce`.
fn hex64(bytes: &[u8; 32]) -> String {
    hex::encode(bytes)
}

/// 43 base64url characters (RFC 4648, section 5, no padding).
fn base64url(bytes: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims as they are: nothing to bring to the standard's names.
fn as_they_are(claims: Map<String, Value>) -> Map<String, Value> {
    claims
}

/// What one kind of provider demands and forbids. It outranks the provider's metadata.
#[derive(Debug)]
pub struct Profile {
    /// Its name in the configuration.
    pub name: &'static str,
    /// One sentence for the reference pages.
    pub about: &'static str,
    /// Whether the provider shows the person a page of its own on every login.
    pub always_asks: bool,
    /// How `state` and `nonce`, of 256 bits each, are spelled: providers differ in the lengths that they take.
    pub spelling: fn(&[u8; 32]) -> String,
    /// Whether PKCE is sent (RFC 7636, S256).
    pub pkce: bool,
    /// The only parameters that may be sent to the authorization endpoint; `None` where unknown ones are
    /// ignored, as the standard wants.
    pub authorize_parameters: Option<&'static [&'static str]>,
    /// The values of `prompt` that may be sent.
    pub prompts: &'static [Prompt],
    /// Whether `prompt=login` alone may spare the person the provider's own page: then `login consent` is sent.
    pub login_skips_its_page: bool,
    /// Whether `prompt=login` makes the person act, whatever session the provider has.
    pub honours_login: bool,
    /// Whether the answer tells when the person signed in (`auth_time`), so that a fresh sign-in can be proved.
    pub tells_auth_time: bool,
    /// The levels that it knows, in rising order; empty where they have no order, or are not known.
    pub levels: &'static [&'static str],
    /// The level asked where the application demands none.
    pub default_acr: Option<&'static str>,
    /// Whether `acr_values` is sent even where the level is asked by `claims`.
    pub acr_values_always: bool,
    /// The scopes asked where the application names none, `openid` apart.
    pub default_scopes: &'static [&'static str],
    /// The scopes that it is known to have, and the claims that each brings, for hints about names that bring nothing.
    pub scopes: &'static [(&'static str, &'static [&'static str])],
    /// Whether a provider of this kind may have scopes and claims of its own.
    pub own_scopes: bool,
    /// Whether `iss` always comes back (RFC 9207).
    pub response_iss: bool,
    /// Whether signed userinfo must carry `iss` and `aud`.
    pub userinfo_iss_aud: bool,
    /// In which form userinfo is registered by default.
    pub userinfo: UserinfoKind,
    /// How the relay authenticates by default.
    pub client_auth: ClientAuth,
    /// Who signs.
    pub signer: Signer,
    /// Whether the client secret may sign instead of the provider's keys, if it is so registered.
    pub secret_may_sign: bool,
    /// Whether `id_token` and userinfo always come encrypted.
    pub encrypted: bool,
    /// For whom a client assertion is by default.
    pub assertion_audience: AssertionAudience,
    /// Whether it publishes its metadata; where not, its endpoints must be written.
    pub discovery: bool,
    /// Whether all of its endpoints lie on its issuer's host; metadata that says otherwise is refused.
    pub one_host: bool,
    /// What the operator should know of it at every start.
    pub warning: Option<&'static str>,
    /// Whether a `sub` has the provider's shape.
    pub sub_fits: fn(&str) -> bool,
    /// The claim with the name that a person uses, where the provider has one: it goes before `family_name` on pages.
    pub usage_name: Option<&'static str>,
    /// Brings the provider's own names of claims to the standard's, and loses none.
    pub claims: fn(Map<String, Value>) -> Map<String, Value>,
    /// The only parameters that may be sent to the logout endpoint.
    pub logout_parameters: &'static [&'static str],
    /// Whether logout needs `id_token_hint`.
    pub logout_needs_hint: bool,
    /// What an error code of the provider means beyond the standard's.
    pub error: fn(&str) -> Option<ErrorMeaning>,
}

/// Who signs `id_token` and userinfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The provider, by keys of its JWK Set; with the algorithms by default.
    Provider(&'static [Alg]),
    /// Whoever holds the client secret, by HS256 (RFC 7518, section 3.2).
    ClientSecret,
}

/// What an error code of an authorization response means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMeaning {
    /// The person gave up or was refused.
    Denied,
    /// The level cannot be reached.
    Level,
    /// A page would be due.
    PageDue,
    /// Another try may succeed.
    Temporary,
    /// Anything else.
    Other,
}

impl Profile {
    /// The profile of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PROFILES.iter().copied().find(|profile| profile.name == name)
    }

    /// The signature algorithms by default; none where the client secret signs.
    pub fn signing_algs(&self) -> &'static [Alg] {
        match self.signer {
            Signer::Provider(algs) => algs,
            Signer::ClientSecret => &[],
        }
    }

    /// `prompt` as it is sent; `None` where it is not.
    pub fn prompt(&self, prompt: Prompt) -> Option<&'static str> {
        let sent = self.takes("prompt") && self.prompts.contains(&prompt);
        sent.then_some(match prompt {
            Prompt::None => "none",
            Prompt::Login if self.login_skips_its_page => "login consent",
            Prompt::Login => "login",
            Prompt::Consent => "consent",
        })
    }

    /// Whether a parameter may be sent to the authorization endpoint.
    pub fn takes(&self, parameter: &str) -> bool {
        self.authorize_parameters.is_none_or(|list| list.contains(&parameter))
    }

    /// What an error code means: the provider's own first, then the standard's.
    pub fn meaning(&self, error: &str) -> ErrorMeaning {
        (self.error)(error).unwrap_or(match error {
            "access_denied" => ErrorMeaning::Denied,
            "unmet_authentication_requirements" => ErrorMeaning::Level,
            "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => {
                ErrorMeaning::PageDue
            }
            "temporarily_unavailable" => ErrorMeaning::Temporary,
            _ => ErrorMeaning::Other,
        })
    }
}
