//! What `relais doctor` asks of an upstream: the same calls that a login makes, without one.

use std::sync::Arc;

use url::Url;

use super::verifier::Verifier;
use super::{DiscoveryError, Endpoints, Upstream, metadata};
use crate::clock::Clock;
use crate::crypto::jwks::KeySet;
use crate::event::Trace;
use crate::remote_jwks::JwksError;

impl Upstream {
    /// The first address that a login needs: its discovery document, or its authorization endpoint.
    pub fn first_address(&self) -> Option<Url> {
        match &self.settings.endpoints {
            Some(endpoints) => Some(endpoints.authorization.clone()),
            None => self.settings.issuers.first().and_then(|issuer| metadata::address(issuer)),
        }
    }

    /// Where it answers, as written or as it publishes under one of its issuers.
    pub async fn endpoints(
        &self,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<Endpoints, Arc<DiscoveryError>> {
        Ok(self.metadata.get(clock, trace).await?.endpoints.clone())
    }

    /// The members of its discovery document that could be of use, and are not what they must be.
    pub async fn unusable_metadata(&self, clock: &dyn Clock, trace: &Trace) -> Vec<&'static str> {
        self.metadata.get(clock, trace).await.map(|metadata| metadata.unusable.clone()).unwrap_or_default()
    }

    /// The keys that it publishes at `jwks`; `None` where the client secret signs.
    pub async fn remote_keys(
        &self,
        jwks: &Url,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Option<Result<Arc<KeySet>, Arc<JwksError>>> {
        match &self.verifier {
            Verifier::Published(keys) => Some(keys.keys(jwks, clock, trace).await),
            Verifier::Shared(_) => None,
        }
    }
}
