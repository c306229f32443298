//! Other people's keys: a JWK Set (RFC 7517) fetched, parsed once and kept; fetched again for an unknown key,
//! at most once a minute.

use std::sync::Arc;

use url::Url;

use crate::clock::Clock;
use crate::crypto::jwks::{KeySet, NotAKeySet};
use crate::crypto::jws::Jws;
use crate::crypto::jwt::{Mismatch, NotVerified};
use crate::event::reasons::upstream;
use crate::event::{Facts, Step, Trace};
use crate::outbound::kept::Kept;
use crate::outbound::{Outbound, OutboundError, chain};

/// The keys of one peer.
pub struct RemoteJwks {
    outbound: Outbound,
    kept: Kept<KeySet, JwksError>,
}

/// Why the JWKS fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// No answer.
    #[error("JWKS fetch failed")]
    Call(#[source] OutboundError),
    /// Another status than 200.
    #[error("JWKS fetch failed: the answer has status {0}")]
    Status(u16),
    /// Not a JWK Set with which signatures can be verified.
    #[error(transparent)]
    Set(#[from] NotAKeySet),
}

impl RemoteJwks {
    /// No keys yet.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, kept: Kept::new() }
    }

    /// Checks a signature with the keys at `url`.
    pub async fn verify(
        &self,
        url: &Url,
        jws: &Jws<'_>,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<(), NotVerified<Arc<JwksError>>> {
        let Some(keys) = self.kept.fresh(clock) else {
            return Box::pin(self.fetch_and_verify(url, jws, clock, trace)).await;
        };
        match keys.check(jws) {
            Ok(()) => Ok(()),
            // Rotation gives a new kid: the same one is not worth a call.
            Err(Mismatch::Signature) if jws.kid.is_some() => Err(NotVerified::Mismatch(Mismatch::Signature)),
            Err(_) => Box::pin(self.fetch_and_verify(url, jws, clock, trace)).await,
        }
    }

    /// The keys at `url`.
    pub async fn keys(
        &self,
        url: &Url,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<Arc<KeySet>, Arc<JwksError>> {
        self.kept.get(clock, self.fetch(url, trace), |_| {}).await
    }

    /// The rare way: the keys are not there, due, or do not fit.
    async fn fetch_and_verify(
        &self,
        url: &Url,
        jws: &Jws<'_>,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<(), NotVerified<Arc<JwksError>>> {
        let noted = |error: &JwksError| {
            let facts = Facts { cause: Some(chain(error)), url: Some(url.to_string()), ..Facts::default() };
            trace.because(Step::UpstreamJwks, upstream::JWKS, None, facts);
        };
        let keys = self.kept.get(clock, self.fetch(url, trace), noted).await.map_err(NotVerified::Keys)?;
        match keys.check(jws) {
            Ok(()) => return Ok(()),
            Err(Mismatch::Signature) if jws.kid.is_some() => {
                return Err(NotVerified::Mismatch(Mismatch::Signature));
            }
            Err(_) => {}
        }
        let keys = self.kept.refresh(clock, self.fetch(url, trace), noted).await;
        keys.map_err(NotVerified::Keys)?.check(jws).map_err(NotVerified::Mismatch)
    }

    async fn fetch(&self, url: &Url, trace: &Trace) -> Result<KeySet, JwksError> {
        let answer = self.outbound.get(url, "application/jwk-set+json, application/json", None).await;
        let answer = answer.map_err(JwksError::Call)?;
        if answer.status != http::StatusCode::OK {
            return Err(JwksError::Status(answer.status.as_u16()));
        }
        let keys = KeySet::parse(&answer.body)?;
        let facts = Facts {
            status: Some(answer.status.as_u16()),
            elapsed_ms: u64::try_from(answer.elapsed.as_millis()).ok(),
            count: Some(keys.usable() as u64),
            url: Some(url.to_string()),
            ..Facts::default()
        };
        trace.step(Step::UpstreamJwks, facts);
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::clock::{HandClock, Timestamp};
    use crate::crypto::alg::Alg;
    use crate::crypto::jws::Signers;
    use crate::crypto::jws::testing::TestKey;
    use crate::event::{Events, Recorder};
    use crate::outbound::OutboundSettings;
    use crate::outbound::testing::{Reply, Server};

    fn signed(key: &TestKey, kid: &str) -> String {
        key.sign(Alg::Es256, &format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), "{}")
    }

    /// A peer whose answer can be changed.
    async fn peer(answer: Option<Value>) -> (Server, Arc<Mutex<Option<Value>>>) {
        let answer = Arc::new(Mutex::new(answer.map(|keys| json!({ "keys": keys }))));
        let shared = Arc::clone(&answer);
        let server = Server::start(move |_| match &*shared.lock().unwrap() {
            Some(set) => Reply::Full(200, "application/jwk-set+json", set.to_string()),
            None => Reply::Full(503, "text/html", "down".to_owned()),
        })
        .await;
        (server, answer)
    }

    #[tokio::test]
    async fn an_unknown_kid_fetches_at_most_once_a_minute() {
        let (old, new) = (TestKey::generate(Alg::Es256), TestKey::generate(Alg::Es256));
        let (server, answer) = peer(Some(json!([old.jwk(&json!({"kid": "old"}))]))).await;
        let jwks = RemoteJwks::new(Outbound::new(&OutboundSettings::default()).unwrap());
        let clock = HandClock::at(Timestamp::from_seconds(1_790_000_000));
        let recorder = Recorder::default();
        let trace = Trace::new(Events::to(recorder.clone()), None);
        let (by_old, by_new) = (signed(&old, "old"), signed(&new, "new"));
        let verify = async |text: &str| {
            let jws = Jws::parse(text, Signers::Keys(&[Alg::Es256])).unwrap();
            jwks.verify(&server.url("jwks"), &jws, &clock, &trace).await
        };

        let (a, b, c) = tokio::join!(verify(&by_old), verify(&by_old), verify(&by_old));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(server.requests(), 1, "one flight");

        *answer.lock().unwrap() = Some(json!({"keys": [new.jwk(&json!({"kid": "new"}))]}));
        assert!(verify(&by_new).await.is_ok(), "rotated a moment after the first fetch");
        assert_eq!(server.requests(), 2);
        for _ in 0..50 {
            assert!(matches!(verify(&by_old).await, Err(NotVerified::Mismatch(Mismatch::KeyUnknown))));
        }
        clock.advance(Duration::from_secs(59));
        assert!(matches!(verify(&by_old).await, Err(NotVerified::Mismatch(Mismatch::KeyUnknown))));
        assert_eq!(server.requests(), 2, "once a minute");
        clock.advance(Duration::from_secs(1));
        assert!(matches!(verify(&by_old).await, Err(NotVerified::Mismatch(Mismatch::KeyUnknown))));
        assert_eq!(server.requests(), 3);

        // A wrong signature under a known kid is no reason to ask.
        clock.advance(Duration::from_mins(2));
        let forged = signed(&old, "new");
        assert!(matches!(verify(&forged).await, Err(NotVerified::Mismatch(Mismatch::Signature))));
        assert_eq!(server.requests(), 3);

        // The peer fails: its last good keys serve for a day, and it is said.
        *answer.lock().unwrap() = None;
        clock.advance(Duration::from_hours(2));
        assert!(verify(&by_new).await.is_ok());
        assert_eq!(server.requests(), 4);
        assert_eq!(recorder.events().iter().filter(|event| event.reason.is_some()).count(), 1);
        clock.advance(Duration::from_hours(22));
        assert!(matches!(verify(&by_new).await, Err(NotVerified::Keys(_))));
    }
}
