//! The claim: an application's server exchanges a reference for the sealed answer (`reference` delivery).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{App, AppKey, KeyFingerprint};
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::service::ServiceId;

/// HTTP Basic credentials (RFC 7617): an application's id and its claim password.
pub struct Credentials {
    /// The user name.
    pub app: String,
    password: Secret<String>,
}

impl Credentials {
    /// Reads the value of an `Authorization` header.
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, value) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = Secret::new(STANDARD.decode(value.trim()).ok()?);
        let text = std::str::from_utf8(decoded.expose()).ok()?;
        let (app, password) = text.split_once(':')?;
        Some(Self { app: app.to_owned(), password: Secret::new(password.to_owned()) })
    }

    /// The key of `app` whose password this is.
    pub fn key<'a>(&self, app: &'a App, now: Timestamp) -> Option<&'a AppKey> {
        // All are compared, so that time does not tell which.
        let mut found = None;
        for key in app.keys_at(now) {
            if key.claim_password == self.password {
                found = Some(key);
            }
        }
        found.filter(|_| app.service.enabled)
    }
}

/// Where the answer behind `reference` is kept. The application and the key are part of the handle: whoever
/// is neither does not find it, and cannot use it up.
pub fn reference_handle(app: &ServiceId, key: KeyFingerprint, reference: &str) -> Vec<u8> {
    [app.as_str().as_bytes(), &[0], &key.0.0, reference.as_bytes()].concat()
}
