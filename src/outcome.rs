//! What came of a login that did not succeed, for each of its three readers.

use crate::event::{Facts, Reason};
use crate::message::PublicMessage;

/// What an application is told: OAuth and OpenID error codes, the same on every protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    /// The person gave up or was refused (RFC 6749, section 4.1.2.1).
    AccessDenied,
    /// A page would be due (OpenID Connect Core, section 3.1.2.6).
    LoginRequired,
    /// The upstream is down or slow (RFC 6749, section 4.1.2.1).
    TemporarilyUnavailable,
    /// The upstream or the relay failed (RFC 6749, section 4.1.2.1).
    ServerError,
    /// The level demanded was not reached (OpenID Connect Core Unmet Authentication Requirements 1.0).
    UnmetAuthenticationRequirements,
}

impl RefusalCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
        }
    }
}

/// A login that ends without an identity: the application's code, the person's sentence, the operator's cause.
#[derive(Clone, Debug)]
pub struct Declined {
    /// For the application.
    pub code: RefusalCode,
    /// For the person, where the application cannot be told.
    pub message: PublicMessage,
    /// For the operator.
    pub reason: Reason,
    /// More for the operator.
    pub facts: Facts,
}
