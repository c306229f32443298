//! The claim: an application's server exchanges a reference for the sealed answer, once.

use std::net::IpAddr;
use std::time::Duration;

use super::{Legacy, Reference};
use crate::clock::Timestamp;
use crate::event::{Facts, Step, Trace};
use crate::legacy::{Credentials, KeyFingerprint, reference_handle};
use crate::service::ServiceId;
use crate::store::StoreError;

/// Why a claim is refused. The application reads the status alone.
#[derive(Debug)]
pub enum ClaimError {
    /// No valid password.
    Unauthenticated,
    /// Too many wrong ones from this address; good again after so long.
    Limited(Duration),
    /// No such reference, or no longer.
    Unknown,
    /// The store failed.
    Store(StoreError),
}

impl Legacy {
    /// The application, and the key whose password it is. A right password is never limited; wrong ones are, per address.
    pub fn authenticate(
        &self,
        header: Option<&str>,
        prefix: IpAddr,
        now: Timestamp,
    ) -> Result<(ServiceId, KeyFingerprint), ClaimError> {
        let Some(credentials) = header.and_then(Credentials::parse) else {
            return Err(ClaimError::Unauthenticated);
        };
        if let Some(id) = ServiceId::parse(&credentials.app)
            && let Some(key) = self.app(&id).and_then(|app| credentials.key(app, now))
        {
            return Ok((id, key.fingerprint));
        }
        let limiter = &self.means.wrong_claims;
        if !limiter.hit(&prefix, now) {
            return Err(ClaimError::Limited(limiter.retry_after(&prefix, now)));
        }
        Err(ClaimError::Unauthenticated)
    }

    /// Takes the answer behind `reference`, which was issued to `app` under `key`: whoever is neither does not find it,
    /// and cannot use it up.
    pub async fn claim(
        &self,
        trace: &mut Trace,
        app: &ServiceId,
        key: KeyFingerprint,
        reference: &str,
        now: Timestamp,
    ) -> Result<String, ClaimError> {
        let handle = reference_handle(app, key, reference);
        let taken = self.means.records.references.take(&handle, now).await.map_err(ClaimError::Store)?;
        let Reference { login, sealed } = taken.ok_or(ClaimError::Unknown)?;
        trace.set_login(login);
        trace.step(Step::LegacyClaimed, Facts { length: Some(sealed.len()), ..Facts::default() });
        Ok(sealed)
    }
}
