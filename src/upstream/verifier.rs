//! Whose signature counts: the provider's published keys, or the client secret (OpenID Connect Core, section
//! 3.1.3.7). The profile decides once, when the upstream is made; no token and no setting ever does.

use std::sync::Arc;

use url::Url;

use crate::clock::Clock;
use crate::crypto::jws::hs256::SharedKey;
use crate::crypto::jws::{Jws, Signers};
use crate::crypto::jwt::{
    self, Audience, Failed, Keys, Kind, Mismatch, Newest, NotVerified, Parties, Policy, Typ, Verified,
};
use crate::event::Trace;
use crate::outbound::Outbound;
use crate::remote_jwks::RemoteJwks;

use super::error::UpstreamError;
use super::metadata::DiscoveryError;
use super::{Settings, Signatures};

/// What verifies an upstream's signatures.
pub(super) enum Verifier {
    /// Its published keys.
    Published(RemoteJwks),
    /// The client secret; `None` if it is too short to be a key, which the configuration refuses before.
    Shared(Option<Box<SharedKey>>),
}

impl Settings {
    /// What this upstream's `id_token`s and signed userinfo must be.
    fn policy(&self, kind: Kind) -> Policy<'_> {
        Policy {
            kind,
            typ: Typ { accepted: &["JWT"], optional: true },
            signers: match &self.signatures {
                Signatures::Published(algs) => Signers::Keys(algs),
                Signatures::Shared(_) => Signers::Secret,
            },
            audience: Audience::AmongOthers,
            required: match kind {
                Kind::IdToken => &["iss", "aud", "exp", "iat", "nonce", "sub"],
                Kind::Userinfo if self.profile.userinfo_iss_aud => &["iss", "aud", "sub"],
                Kind::Userinfo => &["sub"],
            },
            leeway: self.leeway,
        }
    }
}

/// Where the keys are, for one call.
pub(super) struct Lookup<'a> {
    /// The JWK Set; for published keys alone.
    pub jwks: Option<&'a Url>,
    pub clock: &'a dyn Clock,
    pub trace: &'a Trace,
}

impl Verifier {
    pub(super) fn new(settings: &Settings, outbound: &Outbound) -> Self {
        match &settings.signatures {
            Signatures::Published(_) => Self::Published(RemoteJwks::new(outbound.clone())),
            Signatures::Shared(secret) => {
                Self::Shared(SharedKey::new(secret.expose().as_bytes()).ok().map(Box::new))
            }
        }
    }

    /// Verifies what the upstream signed.
    pub(super) async fn verify(
        &self,
        kind: Kind,
        settings: &Settings,
        issuer: &str,
        lookup: Lookup<'_>,
        compact: &str,
    ) -> Result<Verified, UpstreamError> {
        let parties = Parties { issuer, us: &settings.client_id };
        let clock = lookup.clock;
        let verified = jwt::verify(&settings.policy(kind), parties, &(self, lookup), clock, compact).await;
        verified.map_err(|failed| match failed {
            Failed::NotAccepted(why) => UpstreamError::Token { kind, source: why.into() },
            Failed::Keys(error) => error,
        })
    }
}

impl Keys for (&Verifier, Lookup<'_>) {
    type Fault = UpstreamError;

    async fn check(&self, jws: &Jws<'_>) -> Result<(), NotVerified<UpstreamError>> {
        let (verifier, lookup) = self;
        match verifier {
            Verifier::Published(keys) => {
                let absent = || UpstreamError::Discovery {
                    url: None,
                    source: Arc::new(DiscoveryError::Endpoint("jwks_uri")),
                };
                let url = lookup.jwks.ok_or_else(|| NotVerified::Keys(absent()))?;
                keys.verify(url, jws, lookup.clock, lookup.trace).await.map_err(|fault| match fault {
                    NotVerified::Mismatch(why, newest) => NotVerified::Mismatch(why, newest),
                    NotVerified::Keys(source) => {
                        NotVerified::Keys(UpstreamError::Jwks { url: url.clone(), source })
                    }
                })
            }
            Verifier::Shared(None) => Err(NotVerified::Mismatch(Mismatch::KeyUnknown, Newest::Yes)),
            Verifier::Shared(Some(key)) if key.verifies(jws) => Ok(()),
            Verifier::Shared(Some(_)) => Err(NotVerified::Mismatch(Mismatch::Signature, Newest::Yes)),
        }
    }
}
