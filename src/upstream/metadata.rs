//! The upstream's metadata (OpenID Connect Discovery 1.0) and the authorization URL, with the types of
//! `openidconnect`; no other file names that crate.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
    CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, ClientId, CsrfToken, IssuerUrl, JsonWebKeySet, LanguageTag,
    LoginHint, Nonce, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata, RedirectUrl, Scope,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::clock::Clock;
use crate::crypto::jws::json;
use crate::event::reasons::upstream;
use crate::event::{Facts, Step, Trace};
use crate::outbound::kept::Kept;
use crate::outbound::{Outbound, OutboundError, chain, may_call};

use super::{Endpoints, Settings};

/// What is known of an upstream, by configuration or by discovery.
pub(super) struct Metadata {
    /// The issuer that its answers name.
    pub issuer: String,
    /// Where it answers.
    pub endpoints: Endpoints,
    /// Whether it says that `iss` comes back (RFC 9207, section 3).
    pub response_iss: bool,
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
    Status(u16),
    /// Not a discovery document.
    #[error("the answer is not a discovery document")]
    Malformed,
    /// The document is another issuer's (section 4.3).
    #[error("the discovery document names another issuer")]
    Issuer,
    /// An endpoint is neither https nor on this machine, or a needed one is missing.
    #[error("the {0} is missing or not https")]
    Endpoint(&'static str),
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
    one_host: bool,
    kept: Kept<Metadata, DiscoveryError>,
}

impl MetadataSource {
    pub(super) fn new(settings: &Settings, outbound: Outbound) -> Self {
        match &settings.endpoints {
            Some(endpoints) => Self::Fixed(Arc::new(Metadata {
                issuer: settings.issuers.first().cloned().unwrap_or_default(),
                endpoints: endpoints.clone(),
                response_iss: false,
            })),
            None => Self::Discovered(Box::new(Discovery {
                outbound,
                issuers: settings.issuers.clone(),
                one_host: settings.profile.one_host,
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
                    let facts = Facts { cause: Some(chain(error)), ..Facts::default() };
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
    async fn fetch(&self, trace: &Trace) -> Result<Metadata, DiscoveryError> {
        let url = self.issuers.first().and_then(|issuer| address(issuer)).ok_or(DiscoveryError::Address)?;
        let answer = self.outbound.get(&url, "application/json", None).await.map_err(DiscoveryError::Call)?;
        if answer.status != http::StatusCode::OK {
            return Err(DiscoveryError::Status(answer.status.as_u16()));
        }
        let metadata = read(&answer.body, &self.issuers, self.one_host)?;
        let facts = Facts {
            status: Some(answer.status.as_u16()),
            elapsed_ms: u64::try_from(answer.elapsed.as_millis()).ok(),
            url: Some(url.into()),
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

/// The members that the relay reads besides those of `openidconnect`.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct More {
    end_session_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for More {}

type Document = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

fn read(body: &[u8], issuers: &[String], one_host: bool) -> Result<Metadata, DiscoveryError> {
    let object = json::object(body).map_err(|_| DiscoveryError::Malformed)?;
    let document: Document =
        serde_json::from_value(Value::Object(object)).map_err(|_| DiscoveryError::Malformed)?;
    let issuer = document.issuer().as_str();
    if !issuers.iter().any(|ours| ours == issuer) {
        return Err(DiscoveryError::Issuer);
    }
    let home = document.issuer().url().origin();
    let checked = |url: &Url, name| match url {
        url if !may_call(url) => Err(DiscoveryError::Endpoint(name)),
        url if one_host && url.origin() != home => Err(DiscoveryError::Host(name)),
        url => Ok(url.clone()),
    };
    let more = document.additional_metadata();
    let endpoints = Endpoints {
        authorization: checked(document.authorization_endpoint().url(), "authorization_endpoint")?,
        token: match document.token_endpoint() {
            Some(endpoint) => checked(endpoint.url(), "token_endpoint")?,
            None => return Err(DiscoveryError::Endpoint("token_endpoint")),
        },
        userinfo: match document.userinfo_endpoint() {
            Some(endpoint) => Some(checked(endpoint.url(), "userinfo_endpoint")?),
            None => None,
        },
        jwks: Some(checked(document.jwks_uri().url(), "jwks_uri")?),
        end_session: match &more.end_session_endpoint {
            Some(endpoint) => Some(checked(endpoint, "end_session_endpoint")?),
            None => None,
        },
    };
    let response_iss = more.authorization_response_iss_parameter_supported;
    Ok(Metadata { issuer: issuer.to_owned(), endpoints, response_iss })
}

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
