//! How providers differ from one another: a file each, and a line in [`PROFILES`].

mod franceconnect;
mod franceconnect_plus;
mod franceconnect_v1;
mod franceconnect_v2;
mod generic;
mod proconnect;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::chance::Chance;
use crate::client::{Client, Clients};
use crate::keys::Alg;
use crate::params::Params;
use crate::persona::Persona;
use crate::request::{AuthorizationRequest, ReplyTo};

/// Every profile; all of them are served at once, each under its own issuer.
pub const PROFILES: &[&Profile] = &[
    &franceconnect_v2::PROFILE,
    &franceconnect_plus::PROFILE,
    &proconnect::PROFILE,
    &generic::PROFILE,
    &franceconnect_v1::PROFILE,
];

/// One kind of provider.
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// The path below which its endpoints are.
    pub path: &'static str,
    /// The path of its issuer: the same, or nothing.
    pub(crate) issuer_path: &'static str,
    /// The paths of its endpoints below `path`.
    pub endpoints: Endpoints,
    pub(crate) lifetimes: Lifetimes,
    /// How clients authenticate at the token endpoint (OpenID Connect Core, section 9).
    pub(crate) token_auth: &'static [TokenAuth],
    /// How it signs for a client.
    pub(crate) signer: Signer,
    /// Whether `iss` comes with every authorization response (RFC 9207).
    pub(crate) response_iss: bool,
    /// The key id of a signature key of some generation.
    pub(crate) kid: fn(Alg, u32) -> String,
    /// Whether the `id_token` holds `at_hash`.
    pub(crate) at_hash: bool,
    /// Whether userinfo is signed.
    pub(crate) userinfo_signed: bool,
    /// Whether `id_token` and userinfo are encrypted to the client.
    pub(crate) encrypted: bool,
    /// Whether a refresh token comes along (RFC 6749, section 6).
    pub(crate) refresh: bool,
    /// Whether PKCE is accepted, and then checked (RFC 7636).
    pub(crate) pkce: bool,
    /// The levels that it vouches for, the lowest first, and the one where none is asked for.
    pub(crate) levels: &'static [&'static str],
    pub(crate) default_level: Option<&'static str>,
    /// The authorization parameters that it knows, where others are refused or dropped.
    pub(crate) parameters: &'static [&'static str],
    /// Whether userinfo also takes POST.
    pub(crate) userinfo_post: bool,
    /// Whether a session may answer without a page.
    pub(crate) silent: bool,
    pub(crate) jwks_type: &'static str,
    /// The last touch to the claims of an `id_token`.
    pub(crate) id_token: fn(&mut Map<String, Value>),
    /// `amr` where it is asked for.
    pub(crate) amr: &'static [&'static str],
    /// Scopes and the claims they give.
    pub(crate) scopes: &'static [(&'static str, &'static [&'static str])],
    pub(crate) sub: fn(sector: &str, &Persona) -> String,
    pub(crate) authorize: fn(&Ask<'_>) -> Result<AuthorizationRequest, Refusal>,
    pub(crate) cancelled: &'static str,
    pub(crate) token_error: fn(TokenError, &Chance) -> Map<String, Value>,
    pub(crate) logout: LogoutCheck,
    /// Its metadata, if it publishes any.
    pub(crate) discovery: Option<fn(&str, &Profile) -> Value>,
}

/// A request, and what it is judged by.
pub(crate) struct Ask<'a> {
    pub(crate) profile: &'static Profile,
    pub(crate) params: &'a Params,
    pub(crate) clients: &'a Clients,
    /// What a strict provider refuses is dropped.
    pub(crate) lenient: bool,
    /// Whether somebody is signed in at this profile in this browser.
    pub(crate) session: bool,
}

/// Where a logout leads, if anywhere. The client is that of the `id_token_hint`, if the hint is ours.
pub(crate) type LogoutCheck = fn(&Ask<'_>, Option<&HintedClient>) -> Result<Option<ReplyTo>, PageError>;

/// Paths below the issuer's.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints {
    /// The authorization endpoint.
    pub authorize: &'static str,
    /// The token endpoint.
    pub token: &'static str,
    /// The userinfo endpoint.
    pub userinfo: &'static str,
    /// The JWK set, if there is one.
    pub jwks: Option<&'static str>,
    /// The logout endpoint.
    pub end_session: &'static str,
    /// The revocation endpoint, if there is one.
    pub revocation: Option<&'static str>,
}

/// How `id_token`s are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// By one algorithm for every client.
    Key(Alg),
    /// By the algorithm that the client registered.
    AsRegistered,
    /// By the client's secret, HS256.
    ClientSecret,
}

/// Seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    pub(crate) code: u64,
    pub(crate) access_token: u64,
    pub(crate) id_token: u64,
    pub(crate) session: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenAuth {
    Basic,
    Post,
    /// RFC 7523, section 2.2.
    PrivateKeyJwt,
}

impl TokenAuth {
    /// Its name in the metadata (OpenID Connect Core, section 9).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

/// Why an authorization request goes no further.
pub(crate) enum Refusal {
    /// The client is not proven: the browser stays here.
    Page(PageError),
    /// An error response.
    Redirect {
        to: ReplyTo,
        error: &'static str,
        description: String,
        more: Vec<(&'static str, String)>,
        fragment: bool,
    },
}

/// A page instead of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageError {
    pub(crate) code: Cow<'static, str>,
    pub(crate) text: String,
}

/// Why the token endpoint refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    NotAForm,
    Repeated,
    Missing(&'static str),
    GrantType,
    ClientUnknown,
    ClientMethod,
    ClientSecret,
    ClientAssertion,
    RefreshToken,
    CodeUnknown,
    CodeSpent,
    CodeOfAnother,
    RedirectUri,
    CodeVerifier,
}

/// The client that an `id_token_hint` of ours was issued to.
pub(crate) struct HintedClient(pub(crate) Arc<Client>);

impl Profile {
    /// The profile of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PROFILES.iter().copied().find(|profile| profile.name == name)
    }

    /// The claims that a scope gives.
    pub(crate) fn claims_of(&self, scope: &str) -> &'static [&'static str] {
        self.scopes.iter().find(|(name, _)| *name == scope).map_or(&[], |(_, claims)| claims)
    }

    pub(crate) fn knows_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|(name, _)| *name == scope)
    }

    /// The algorithm of the key that signs for this client; `None` where its secret does.
    pub(crate) fn alg_for(&self, client: &Client) -> Option<Alg> {
        match self.signer {
            Signer::Key(alg) => Some(alg),
            Signer::AsRegistered => Some(client.id_token_signed_response_alg),
            Signer::ClientSecret => None,
        }
    }

    /// Whether a session may answer this request, on a page: `FranceConnect+` never lets one vouch for `eidas3`.
    pub(crate) fn shares(&self, request: &AuthorizationRequest) -> bool {
        !self.encrypted || request.acr.as_deref() != Some("eidas3")
    }

    /// What distinguishes it, in a few words: for tables.
    pub fn features(&self) -> Vec<(&'static str, String)> {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let auth: Vec<_> = self.token_auth.iter().map(|method| method.name()).collect();
        let signed = match self.signer {
            Signer::Key(alg) => alg.name().to_owned(),
            Signer::AsRegistered => "ES256 or RS256, as registered".to_owned(),
            Signer::ClientSecret => "HS256 by the secret".to_owned(),
        };
        let pkce = match (self.pkce, self.parameters.is_empty()) {
            (true, _) => "S256, checked",
            (false, true) => "ignored",
            (false, false) => "refused",
        };
        let userinfo = match (self.userinfo_signed, self.encrypted) {
            (false, _) => "JSON",
            (true, false) => "signed",
            (true, true) => "signed, in a JWE",
        };
        vec![
            ("discovery", yes(self.publishes())),
            ("PKCE", pkce.to_owned()),
            ("client authentication", auth.join(", ")),
            ("`id_token`", signed + if self.encrypted { ", in a JWE" } else { "" }),
            ("`at_hash`", yes(self.at_hash)),
            ("userinfo", userinfo.to_owned()),
            ("refresh token", yes(self.refresh)),
            ("acr", self.levels.join(", ")),
            ("`iss` in the response", yes(self.response_iss)),
            (
                "single sign-on",
                if self.silent { "without a page" } else { "by a button on the page" }.to_owned(),
            ),
            ("code, access token, `id_token`", {
                let Lifetimes { code, access_token, id_token, .. } = self.lifetimes;
                format!("{code} s, {access_token} s, {id_token} s")
            }),
        ]
    }

    /// Whether it has metadata to be found.
    pub fn publishes(&self) -> bool {
        self.discovery.is_some()
    }
}

impl PageError {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), text: text.into() }
    }
}

impl Refusal {
    fn page(code: &'static str, text: impl Into<String>) -> Self {
        Self::Page(PageError::new(code, text))
    }

    fn redirect(to: &ReplyTo, error: &'static str, description: impl Into<String>) -> Self {
        Self::Redirect {
            to: to.clone(),
            error,
            description: description.into(),
            more: Vec::new(),
            fragment: false,
        }
    }
}

impl TokenError {
    /// The HTTP status (RFC 6749, section 5.2).
    pub(crate) fn status(self) -> http::StatusCode {
        match self {
            Self::ClientUnknown | Self::ClientMethod | Self::ClientSecret | Self::ClientAssertion => {
                http::StatusCode::UNAUTHORIZED
            }
            _ => http::StatusCode::BAD_REQUEST,
        }
    }

    /// The error code (RFC 6749, section 5.2).
    pub(crate) fn error(self) -> &'static str {
        match self {
            Self::NotAForm | Self::Repeated | Self::Missing(_) => "invalid_request",
            Self::GrantType => "unsupported_grant_type",
            Self::ClientUnknown | Self::ClientMethod | Self::ClientSecret | Self::ClientAssertion => {
                "invalid_client"
            }
            Self::RefreshToken
            | Self::CodeUnknown
            | Self::CodeSpent
            | Self::CodeOfAnother
            | Self::RedirectUri
            | Self::CodeVerifier => "invalid_grant",
        }
    }
}
