//! Whose signature counts: the provider's published keys, or the client secret (OpenID Connect Core, section
//! 3.1.3.7). The profile decides once, when the upstream is made; no token and no setting ever does.

use serde_json::{Map, Value};
use url::Url;

use crate::clock::Clock;
use crate::crypto::jws::hs256::{HS256, NotShared, SharedKey};
use crate::crypto::jws::{Alg, Jws};
use crate::event::Trace;
use crate::outbound::Outbound;
use crate::remote_jwks::{NotVerified, RemoteJwks};

use super::claims::JwtError;
use super::error::{Jwt, UpstreamError};
use super::metadata::DiscoveryError;
use super::{Settings, Signatures};

/// What verifies an upstream's JWTs.
pub(super) enum Verifier {
    /// Its published keys, by these algorithms.
    Published { keys: RemoteJwks, allowed: Vec<Alg> },
    /// The client secret; `None` if it is too short to be a key, which the configuration refuses before.
    Shared(Option<Box<SharedKey>>),
}

/// A JWT whose signature was verified.
pub(super) struct Verified {
    /// How it was signed.
    pub alg: SignedBy,
    /// The key that signed.
    pub kid: Option<String>,
    /// What it says.
    pub claims: Map<String, Value>,
}

/// The algorithm of a signature that was verified.
#[derive(Clone, Copy)]
pub(super) enum SignedBy {
    Published(Alg),
    Shared,
}

impl SignedBy {
    /// The name on the wire.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Published(alg) => alg.as_str(),
            Self::Shared => HS256,
        }
    }

    /// What `at_hash` must be (OpenID Connect Core, section 3.1.3.6).
    pub(super) fn left_half_hash(self, of: &[u8]) -> String {
        match self {
            Self::Published(alg) => alg.left_half_hash(of),
            // The hash is SHA-256 for all whose name ends in 256.
            Self::Shared => Alg::Rs256.left_half_hash(of),
        }
    }
}

impl Verifier {
    pub(super) fn new(settings: &Settings, outbound: &Outbound) -> Self {
        match &settings.signatures {
            Signatures::Published(algs) => {
                Self::Published { keys: RemoteJwks::new(outbound.clone()), allowed: algs.clone() }
            }
            Signatures::Shared(secret) => {
                Self::Shared(SharedKey::new(secret.expose().as_bytes()).ok().map(Box::new))
            }
        }
    }

    /// Verifies a JWT. `jwks` is for published keys alone.
    pub(super) async fn verify(
        &self,
        jwt: Jwt,
        text: &str,
        jwks: Option<&Url>,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<Verified, UpstreamError> {
        let refused = |source| UpstreamError::Jwt { jwt, source };
        let (keys, allowed) = match self {
            Self::Published { keys, allowed } => (keys, allowed),
            Self::Shared(key) => return shared(key.as_deref(), text).map_err(refused),
        };
        let jws = Jws::parse(text, allowed).map_err(|error| refused(error.into()))?;
        let url =
            jwks.ok_or_else(|| UpstreamError::Discovery(DiscoveryError::Endpoint("jwks_uri").into()))?;
        match keys.verify(url, &jws, clock, trace).await {
            Ok(()) => {}
            Err(NotVerified::KeyUnknown) => {
                return Err(refused(JwtError::KeyUnknown { alg: jws.alg.as_str(), kid: jws.kid }));
            }
            Err(NotVerified::Signature) => {
                return Err(refused(JwtError::Signature { alg: jws.alg.as_str(), kid: jws.kid }));
            }
            Err(NotVerified::Keys(error)) => return Err(UpstreamError::Jwks(error)),
        }
        let claims = jws.claims().map_err(|error| refused(error.into()))?;
        Ok(Verified { alg: SignedBy::Published(jws.alg), kid: jws.kid, claims })
    }
}

fn shared(key: Option<&SharedKey>, text: &str) -> Result<Verified, JwtError> {
    let key = key.ok_or(JwtError::KeyUnknown { alg: HS256, kid: None })?;
    match key.claims(text) {
        Ok(claims) => Ok(Verified { alg: SignedBy::Shared, kid: None, claims }),
        Err(NotShared::Signature) => Err(JwtError::Signature { alg: HS256, kid: None }),
        Err(NotShared::Jws(error)) => Err(error.into()),
    }
}
