//! The upstream's metadata (OpenID Connect Discovery 1.0), and the authorization URL with the types of
//! `openidconnect`; no other file names that crate.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{CoreAuthenticationFlow, CoreClient};
use openidconnect::{
    AuthUrl, ClientId, CsrfToken, IssuerUrl, JsonWebKeySet, LanguageTag, LoginHint, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope,
};
use url::Url;

use crate::clock::Clock;
use crate::crypto::json::{Members, NotJson};
use crate::crypto::jwt::found;
use crate::event::reasons::upstream;
use crate::event::{Facts, Step, Trace};
use crate::outbound::kept::Kept;
use crate::outbound::{Outbound, OutboundError, Reach, Status, chain, may_call};

use super::{Endpoints, Settings, Signatures, UserinfoKind};

/// What is known of an upstream, by configuration or by discovery.
pub(super) struct Metadata {
    /// The issuer that its answers name.
    pub issuer: String,
    /// Where it answers.
    pub endpoints: Endpoints,
    /// Whether it says that `iss` comes back (RFC 9207, section 3).
    pub response_iss: bool,
    /// What it says that the relay would use, could do without, and cannot use.
    pub unusable: Vec<&'static str>,
}

/// Why discovery failed.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The issuer is no URL to which the well-known path can be appended.
    #[error("the issuer has no discovery address")]
    Address,
    /// No answer.
    #[error("discovery failed")]
    Call(#[source] OutboundError),
    /// Another status than 200.
    #[error("discovery failed: the answer has status {0}")]
    Status(Status),
    /// Not a discovery document.
    #[error("the answer is not a discovery document: {0}")]
    Malformed(NotJson),
    /// The document is another issuer's (section 4.3).
    #[error("the discovery document names another issuer: {due:?} is due, {found} was found")]
    Issuer {
        /// Those of the configuration.
        due: String,
        /// What it says.
        found: String,
    },
    /// An endpoint is neither https nor on this machine, or a needed one is missing.
    #[error("the {0} is missing or not https")]
    Endpoint(&'static str),
    /// An endpoint is nearer than the issuer: metadata shall not lead the secret, nor a POST of ours, to this machine or
    /// its network.
    #[error("the {0} is on this machine or a private network, and the issuer is not there")]
    Nearer(&'static str),
    /// An endpoint is on another host than the issuer, where the profile knows one host alone.
    #[error("the {0} is on another host than the issuer")]
    Host(&'static str),
}

/// Where an upstream's metadata comes from.
pub(super) enum MetadataSource {
    Fixed(Arc<Metadata>),
    Discovered(Box<Discovery>),
}

pub(super) struct Discovery {
    outbound: Outbound,
    issuers: Vec<String>,
    needs: Needs,
    kept: Kept<Metadata, DiscoveryError>,
}

impl MetadataSource {
    pub(super) fn new(settings: &Settings, outbound: Outbound) -> Self {
        match &settings.endpoints {
            Some(endpoints) => Self::Fixed(Arc::new(Metadata {
                issuer: settings.issuers.first().cloned().unwrap_or_default(),
                endpoints: endpoints.clone(),
                response_iss: false,
                unusable: Vec::new(),
            })),
            None => Self::Discovered(Box::new(Discovery {
                outbound,
                issuers: settings.issuers.clone(),
                needs: Needs {
                    userinfo: settings.userinfo != UserinfoKind::Off,
                    jwks: matches!(settings.signatures, Signatures::Published(_)),
                    one_host: settings.profile.one_host,
                },
                kept: Kept::new(),
            })),
        }
    }

    /// The metadata, fetched if need be.
    pub(super) async fn get(
        &self,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<Arc<Metadata>, Arc<DiscoveryError>> {
        match self {
            Self::Fixed(metadata) => Ok(Arc::clone(metadata)),
            Self::Discovered(discovery) => {
                let noted = |error: &DiscoveryError| {
                    let url = discovery.address().map(Into::into);
                    let facts = Facts { cause: Some(chain(error)), url, ..Facts::default() };
                    trace.because(Step::UpstreamDiscovery, upstream::DISCOVERY, None, facts);
                };
                match discovery.kept.fresh(clock) {
                    Some(metadata) => Ok(metadata),
                    None => Box::pin(discovery.kept.get(clock, discovery.fetch(trace), noted)).await,
                }
            }
        }
    }
}

impl Discovery {
    fn address(&self) -> Option<Url> {
        self.issuers.first().and_then(|issuer| address(issuer))
    }

    async fn fetch(&self, trace: &Trace) -> Result<Metadata, DiscoveryError> {
        let url = self.address().ok_or(DiscoveryError::Address)?;
        let answer = self.outbound.get(&url, "application/json", None).await.map_err(DiscoveryError::Call)?;
        if answer.status != http::StatusCode::OK {
            return Err(DiscoveryError::Status(answer.status()));
        }
        let metadata = read(&answer.body, &self.issuers, self.needs)?;
        let facts = Facts {
            status: Some(answer.status.as_u16()),
            elapsed_ms: u64::try_from(answer.elapsed.as_millis()).ok(),
            url: Some(url.into()),
            names: (!metadata.unusable.is_empty()).then(|| metadata.unusable.join(" ")),
            ..Facts::default()
        };
        trace.step(Step::UpstreamDiscovery, facts);
        Ok(metadata)
    }
}

/// Where an issuer publishes its metadata (section 4).
pub(super) fn address(issuer: &str) -> Option<Url> {
    Url::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))).ok()
}

/// What a login needs of a discovery document besides its authorization and token endpoints.
#[derive(Clone, Copy)]
struct Needs {
    userinfo: bool,
    jwks: bool,
    /// Whether all endpoints are on the issuer's host.
    one_host: bool,
}

/// Reads a discovery document (OpenID Connect Discovery 1.0, section 3): what a login uses is checked, what it can do
/// without is absent where it cannot be used, and everything else is passed over.
fn read(body: &[u8], issuers: &[String], needs: Needs) -> Result<Metadata, DiscoveryError> {
    let document = Members::read(body).map_err(DiscoveryError::Malformed)?;
    let Some(issuer) =
        document.text_or_nothing("issuer").filter(|found| issuers.iter().any(|due| due == found))
    else {
        let (due, found) = (issuers.join(" "), found(document.get("issuer")));
        return Err(DiscoveryError::Issuer { due, found });
    };
    let home = Url::parse(issuer).ok();
    let over_tls = home.as_ref().is_none_or(|home| home.scheme() == "https");
    let (near, home) = (home.as_ref().map(Reach::of), home.map(|url| url.origin()));
    let endpoint = |name: &'static str| -> Result<Option<Url>, DiscoveryError> {
        let Some(text) = document.text(name).map_err(|_| DiscoveryError::Endpoint(name))? else {
            return Ok(None);
        };
        match Url::parse(text) {
            Ok(url) if !may_call(&url) => Err(DiscoveryError::Endpoint(name)),
            Ok(url) if Reach::of(&url) != Reach::World && Some(Reach::of(&url)) != near => {
                Err(DiscoveryError::Nearer(name))
            }
            Ok(url) if over_tls && url.scheme() != "https" => Err(DiscoveryError::Endpoint(name)),
            Ok(url) if needs.one_host && Some(url.origin()) != home => Err(DiscoveryError::Host(name)),
            Ok(url) => Ok(Some(url)),
            Err(_) => Err(DiscoveryError::Endpoint(name)),
        }
    };
    let needed = |name| endpoint(name)?.ok_or(DiscoveryError::Endpoint(name));
    let mut unusable = Vec::new();
    let mut wished = |name, is_needed: bool| {
        if is_needed {
            return needed(name).map(Some);
        }
        Ok(endpoint(name).unwrap_or_else(|_| {
            unusable.push(name);
            None
        }))
    };
    let endpoints = Endpoints {
        authorization: needed("authorization_endpoint")?,
        token: needed("token_endpoint")?,
        userinfo: wished("userinfo_endpoint", needs.userinfo)?,
        jwks: wished("jwks_uri", needs.jwks)?,
        end_session: wished("end_session_endpoint", false)?,
    };
    let response_iss = document.truth(RESPONSE_ISS).unwrap_or_else(|_| {
        unusable.push(RESPONSE_ISS);
        None
    });
    let issuer = issuer.to_owned();
    Ok(Metadata { issuer, endpoints, response_iss: response_iss.unwrap_or(false), unusable })
}

/// RFC 9207, section 3.
const RESPONSE_ISS: &str = "authorization_response_iss_parameter_supported";

/// The parameters of an authorization request (OpenID Connect Core, section 3.1.2.1), already cut to what
/// the profile takes.
pub(super) struct Request<'a> {
    pub client_id: &'a str,
    pub redirect_uri: &'a Url,
    /// Without `openid`, which is always there.
    pub scopes: Vec<&'a str>,
    pub state: &'a str,
    pub nonce: &'a str,
    pub code_verifier: Option<&'a str>,
    pub acr_values: Option<String>,
    pub claims: Option<String>,
    pub prompt: Option<&'static str>,
    pub max_age: Option<u64>,
    pub login_hint: Option<&'a str>,
    pub ui_locales: &'a [String],
}

impl Metadata {
    /// Where to send the browser.
    pub(super) fn authorization_url(&self, request: &Request<'_>) -> Url {
        let endpoint = AuthUrl::from_url(self.endpoints.authorization.clone());
        let client = CoreClient::new(
            ClientId::new(request.client_id.to_owned()),
            IssuerUrl::from_url(endpoint.url().clone()),
            JsonWebKeySet::default(),
        )
        .set_auth_uri(endpoint);
        let state = CsrfToken::new(request.state.to_owned());
        let nonce = Nonce::new(request.nonce.to_owned());
        let mut url = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, move || nonce)
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(request.redirect_uri.clone())))
            .add_scopes(request.scopes.iter().map(|scope| Scope::new((*scope).to_owned())));
        if let Some(verifier) = request.code_verifier {
            let verifier = PkceCodeVerifier::new(verifier.to_owned());
            url = url.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        if let Some(values) = &request.acr_values {
            url = url.add_extra_param("acr_values", values.as_str());
        }
        if let Some(claims) = &request.claims {
            url = url.add_extra_param("claims", claims.as_str());
        }
        if let Some(prompt) = request.prompt {
            url = url.add_extra_param("prompt", prompt);
        }
        if let Some(seconds) = request.max_age {
            url = url.set_max_age(Duration::from_secs(seconds));
        }
        if let Some(hint) = request.login_hint {
            url = url.set_login_hint(LoginHint::new(hint.to_owned()));
        }
        for locale in request.ui_locales {
            url = url.add_ui_locale(LanguageTag::new(locale.clone()));
        }
        url.url().0
    }
}
