//! Why an upstream's answer was not taken, and what each reader is told.

use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::crypto::json::Members;
use crate::crypto::jws::sign::CannotSign;
use crate::crypto::jwt::Kind;
use crate::event::reasons::{broker, upstream};
use crate::event::{Facts, Reason};
use crate::message::PublicMessage;
use crate::outbound::{OutboundError, Status, chain};
use crate::outcome::{Declined, RefusalCode};
use crate::remote_jwks::JwksError;

use super::claims::TokenError;
use super::metadata::DiscoveryError;

/// Why a login at an upstream came to nothing. Carries no secret and nothing personal.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// A parameter of the authorization response is missing, repeated, empty, too long or out of grammar.
    #[error("the authorization response is malformed: {0}")]
    Response(&'static str),
    /// `state` is empty, too long, or not the one that was sent.
    #[error("the authorization response belongs to no login")]
    State,
    /// `iss` is missing or another than expected (RFC 9207).
    #[error("the authorization response is not the expected issuer's: {due:?} is due, {found} was found")]
    Issuer {
        /// Whom the browser was sent to.
        due: String,
        /// What came back.
        found: String,
    },
    /// `access_denied`.
    #[error("the upstream answered access_denied")]
    AccessDenied {
        /// What it said of it.
        description: Option<String>,
    },
    /// The upstream cannot or would not reach the level that was asked.
    #[error("the upstream refused the level")]
    Level {
        /// The code it sent.
        error: String,
        /// What it said of it.
        description: Option<String>,
    },
    /// A page would be due where none may be shown.
    #[error("the upstream would have to show a page")]
    PageDue {
        /// The code it sent, if it was asked at all.
        error: Option<String>,
    },
    /// Any other error code.
    #[error("the upstream answered with an error")]
    ErrorResponse {
        /// The code it sent.
        error: String,
        /// What it said of it.
        description: Option<String>,
        /// Whether another try may succeed.
        temporary: bool,
    },
    /// A call got no answer.
    #[error("the call of the {endpoint} failed")]
    Call {
        /// Which.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: OutboundError,
    },
    /// A call was answered with a failure status, or with an error.
    #[error("the {endpoint} refused the call: the answer has status {status}")]
    Status {
        /// Which.
        endpoint: Endpoint,
        /// The status.
        status: Status,
        /// The error in the body, if it has one.
        told: Told,
    },
    /// A call was answered with something else than the expected JSON.
    #[error("the {endpoint} did not answer with the expected JSON: {fault}")]
    NotJson {
        /// Which.
        endpoint: Endpoint,
        /// What is wrong.
        fault: String,
    },
    /// The code was refused (RFC 6749, section 5.2).
    #[error("the token endpoint refused the code")]
    InvalidGrant(Told),
    /// Our authentication was refused (RFC 6749, section 5.2).
    #[error("the token endpoint refused our authentication: the answer has status {status}")]
    InvalidClient {
        /// The status.
        status: Status,
        /// The error in the body, if it has one.
        told: Told,
    },
    /// Our assertion could not be signed.
    #[error("our client assertion could not be signed")]
    Assertion(#[source] CannotSign),
    /// `token_type` is not Bearer.
    #[error("the token type is not Bearer: {0} was found")]
    TokenType(String),
    /// The token answer has no `id_token`.
    #[error("the token answer has no id_token")]
    IdTokenMissing,
    /// An `id_token` or signed userinfo does not pass.
    #[error("the {kind} does not pass")]
    Token {
        /// Which.
        kind: Kind,
        /// Why.
        #[source]
        source: TokenError,
    },
    /// Userinfo is plain where it is registered as signed, or the reverse.
    #[error("userinfo is not of the registered kind: {due} is due, {found:?} was found")]
    UserinfoType {
        /// The media type of the registered kind.
        due: &'static str,
        /// The one that came.
        found: String,
    },
    /// Userinfo does not say about whom it is.
    #[error("the sub of userinfo is missing or no text")]
    UserinfoClaim,
    /// Userinfo is about another subject.
    #[error("userinfo is about another subject than the id_token")]
    SubDiffers,
    /// Discovery failed.
    #[error("the upstream's metadata cannot be read")]
    Discovery {
        /// Where it is.
        url: Option<Url>,
        /// Why.
        #[source]
        source: Arc<DiscoveryError>,
    },
    /// Its keys cannot be fetched or read.
    #[error("the upstream's keys cannot be used")]
    Jwks {
        /// Where they are.
        url: Url,
        /// Why.
        #[source]
        source: Arc<JwksError>,
    },
}

/// What an upstream says of an error of its own (RFC 6749, sections 4.1.2.1 and 5.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The code, which fits `[A-Za-z0-9_.-]{1,64}`.
    pub error: Option<String>,
    /// Its words, for the operator alone; cut.
    pub description: Option<String>,
}

impl Told {
    /// What an error answer says.
    pub(super) fn read(answer: &Members) -> Self {
        let error = answer.text_or_nothing("error").filter(|error| is_error_code(error));
        let description = answer.text_or_nothing("error_description").map(short);
        Self { error: error.map(str::to_owned), description }
    }

    fn describe(&self, facts: &mut Facts) {
        facts.upstream_error.clone_from(&self.error);
        facts.upstream_description.clone_from(&self.description);
    }
}

/// Whether a text may be taken for an error code.
pub(super) fn is_error_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// What the operator's event holds of a description.
pub(super) fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The endpoints that are called for every login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Token endpoint.
    Token,
    /// Userinfo endpoint.
    Userinfo,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "token endpoint",
            Self::Userinfo => "userinfo endpoint",
        })
    }
}

impl UpstreamError {
    /// The operator's row.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Response(_) => upstream::RESPONSE_MALFORMED,
            Self::State => broker::STATE_UNKNOWN,
            Self::Issuer { .. } => upstream::ISSUER_MISMATCH,
            Self::AccessDenied { .. } => upstream::ACCESS_DENIED,
            Self::Level { .. } => upstream::LEVEL_REFUSED,
            Self::PageDue { .. } => upstream::LOGIN_REQUIRED,
            Self::ErrorResponse { .. } => upstream::ERROR_RESPONSE,
            Self::Call { source, .. } => call_reason(source),
            Self::Status { .. } => upstream::HTTP_STATUS,
            Self::NotJson { .. } => upstream::NOT_JSON,
            Self::InvalidGrant(_) => upstream::INVALID_GRANT,
            Self::InvalidClient { .. } | Self::Assertion(_) => upstream::INVALID_CLIENT,
            Self::TokenType(_) => upstream::TOKEN_TYPE,
            Self::IdTokenMissing => upstream::ID_TOKEN_MISSING,
            Self::Token { source, .. } => source.reason(),
            Self::UserinfoType { .. } => upstream::USERINFO_TYPE,
            Self::UserinfoClaim => upstream::CLAIM_TYPE,
            Self::SubDiffers => upstream::SUB_DIFFERS,
            Self::Discovery { .. } => upstream::DISCOVERY,
            Self::Jwks { .. } => upstream::JWKS,
        }
    }

    /// What each reader is told.
    pub fn declined(&self) -> Declined {
        let (code, message) = self.told();
        Declined { code, message, reason: self.reason(), facts: self.facts() }
    }

    fn told(&self) -> (RefusalCode, PublicMessage) {
        use RefusalCode::{
            AccessDenied, LoginRequired, ServerError, TemporarilyUnavailable, UnmetAuthenticationRequirements,
        };
        match self {
            Self::Response(_) => (ServerError, PublicMessage::UpstreamResponse),
            Self::State => (ServerError, PublicMessage::UpstreamState),
            Self::Issuer { .. } => (ServerError, PublicMessage::UpstreamMixup),
            Self::AccessDenied { .. } => (AccessDenied, PublicMessage::AccessDenied),
            Self::Level { .. } => (UnmetAuthenticationRequirements, PublicMessage::AcrUnmet),
            Self::PageDue { .. } => (LoginRequired, PublicMessage::AccessDenied),
            Self::ErrorResponse { temporary: true, .. } => {
                (TemporarilyUnavailable, PublicMessage::UpstreamDown)
            }
            Self::Call { source, .. } => call_told(source),
            Self::Status { status, .. } => status_told(status.code),
            Self::Discovery { source, .. } => match &**source {
                DiscoveryError::Call(source) => call_told(source),
                DiscoveryError::Status(status) => status_told(status.code),
                DiscoveryError::Address
                | DiscoveryError::Malformed(_)
                | DiscoveryError::Issuer { .. }
                | DiscoveryError::Endpoint(_)
                | DiscoveryError::Nearer(_)
                | DiscoveryError::Host(_) => (ServerError, PublicMessage::UpstreamError),
            },
            Self::Jwks { source, .. } => match &**source {
                JwksError::Call(source) => call_told(source),
                JwksError::Status(_) | JwksError::Set(_) => (ServerError, PublicMessage::UpstreamError),
            },
            Self::ErrorResponse { temporary: false, .. }
            | Self::NotJson { .. }
            | Self::InvalidGrant(_)
            | Self::InvalidClient { .. }
            | Self::Assertion(_)
            | Self::TokenType(_)
            | Self::IdTokenMissing
            | Self::Token { .. }
            | Self::UserinfoType { .. }
            | Self::UserinfoClaim
            | Self::SubDiffers => (ServerError, PublicMessage::UpstreamError),
        }
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts { cause: Some(chain(self)), ..Facts::default() };
        match self {
            Self::AccessDenied { description } => {
                facts.upstream_error = Some("access_denied".to_owned());
                facts.upstream_description.clone_from(description);
            }
            Self::Level { error, description } | Self::ErrorResponse { error, description, .. } => {
                facts.upstream_error = Some(error.clone());
                facts.upstream_description.clone_from(description);
            }
            Self::PageDue { error } => facts.upstream_error.clone_from(error),
            Self::Status { status, told, .. } | Self::InvalidClient { status, told } => {
                facts.status = Some(status.code);
                told.describe(&mut facts);
            }
            Self::InvalidGrant(told) => told.describe(&mut facts),
            Self::Discovery { url, source } => {
                facts.url = url.as_ref().map(ToString::to_string);
                if let DiscoveryError::Status(status) = &**source {
                    facts.status = Some(status.code);
                }
            }
            Self::Jwks { url, source } => {
                facts.url = Some(url.to_string());
                if let JwksError::Status(status) = &**source {
                    facts.status = Some(status.code);
                }
            }
            Self::Token { source, .. } => source.describe(&mut facts),
            _ => {}
        }
        facts
    }
}

fn call_reason(error: &OutboundError) -> Reason {
    match error {
        OutboundError::Address | OutboundError::Unreachable(_) | OutboundError::Broken(_) => {
            upstream::UNREACHABLE
        }
        OutboundError::Timeout(_) => upstream::TIMEOUT,
        OutboundError::TooLarge => upstream::TOO_LARGE,
        OutboundError::Encoded => upstream::NOT_JSON,
    }
}

fn call_told(error: &OutboundError) -> (RefusalCode, PublicMessage) {
    match error {
        OutboundError::Unreachable(_) | OutboundError::Broken(_) => {
            (RefusalCode::TemporarilyUnavailable, PublicMessage::UpstreamDown)
        }
        OutboundError::Timeout(_) => (RefusalCode::TemporarilyUnavailable, PublicMessage::UpstreamTimeout),
        OutboundError::Address | OutboundError::TooLarge | OutboundError::Encoded => {
            (RefusalCode::ServerError, PublicMessage::UpstreamError)
        }
    }
}

fn status_told(status: u16) -> (RefusalCode, PublicMessage) {
    if status >= 500 || status == 429 {
        (RefusalCode::TemporarilyUnavailable, PublicMessage::UpstreamDown)
    } else {
        (RefusalCode::ServerError, PublicMessage::UpstreamError)
    }
}
