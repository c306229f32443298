//! Other people's keys: a JWK Set (RFC 7517) fetched, parsed once and kept; fetched again for an unknown key,
//! at most once a minute.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use url::Url;

use crate::clock::Clock;
use crate::crypto::jwks::{KeySet, NotAKeySet};
use crate::crypto::jws::Jws;
use crate::crypto::jwt::{Newest, NotVerified};
use crate::event::reasons::upstream;
use crate::event::{Facts, Step, Trace};
use crate::outbound::kept::Kept;
use crate::outbound::{Outbound, OutboundError, Status, chain};

/// The keys of one peer.
pub struct RemoteJwks {
    outbound: Outbound,
    /// What was fetched at the address where they are now.
    at: ArcSwapOption<(Url, Kept<KeySet, JwksError>)>,
}

/// Why the JWKS fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// No answer.
    #[error("JWKS fetch failed")]
    Call(#[source] OutboundError),
    /// Another status than 200.
    #[error("JWKS fetch failed: the answer has status {0}")]
    Status(Status),
    /// Not a JWK Set with which signatures can be verified.
    #[error(transparent)]
    Set(#[from] NotAKeySet),
}

impl RemoteJwks {
    /// No keys yet.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, at: ArcSwapOption::empty() }
    }

    /// Checks a signature with the keys at `url`.
    pub async fn verify(
        &self,
        url: &Url,
        jws: &Jws<'_>,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<(), NotVerified<Arc<JwksError>>> {
        let at = self.kept(url);
        match at.1.fresh(clock) {
            Some(keys) if keys.check(jws).is_ok() => Ok(()),
            _ => Box::pin(self.fetch_and_verify(&at.1, url, jws, clock, trace)).await,
        }
    }

    /// The keys at `url`.
    pub async fn keys(
        &self,
        url: &Url,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<Arc<KeySet>, Arc<JwksError>> {
        self.kept(url).1.get(clock, self.fetch(url, trace), |_| {}).await
    }

    /// What is kept of `url`: where the peer's metadata name another address, nothing yet.
    fn kept(&self, url: &Url) -> Arc<(Url, Kept<KeySet, JwksError>)> {
        match self.at.load_full() {
            Some(at) if at.0 == *url => at,
            _ => {
                let at = Arc::new((url.clone(), Kept::new()));
                self.at.store(Some(at.clone()));
                at
            }
        }
    }

    /// The rare way: the keys are not there, due, or do not fit; another key may even have taken the same `kid`.
    async fn fetch_and_verify(
        &self,
        kept: &Kept<KeySet, JwksError>,
        url: &Url,
        jws: &Jws<'_>,
        clock: &dyn Clock,
        trace: &Trace,
    ) -> Result<(), NotVerified<Arc<JwksError>>> {
        let noted = |error: &JwksError| {
            let facts = Facts { cause: Some(chain(error)), url: Some(url.to_string()), ..Facts::default() };
            trace.because(Step::UpstreamJwks, upstream::JWKS, None, facts);
        };
        let keys = kept.get(clock, self.fetch(url, trace), noted).await.map_err(NotVerified::Keys)?;
        if keys.check(jws).is_ok() {
            return Ok(());
        }
        let refreshed =
            kept.refresh(clock, self.fetch(url, trace), noted).await.map_err(NotVerified::Keys)?;
        let newest = refreshed.withheld.map_or(Newest::Yes, |wait| Newest::NotFor(wait.as_secs().max(1)));
        refreshed.value.check(jws).map_err(|why| NotVerified::Mismatch(why, newest))
    }

    async fn fetch(&self, url: &Url, trace: &Trace) -> Result<KeySet, JwksError> {
        let answer = self.outbound.get(url, "application/jwk-set+json, application/json", None).await;
        let answer = answer.map_err(JwksError::Call)?;
        if answer.status != http::StatusCode::OK {
            return Err(JwksError::Status(answer.status()));
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
    use crate::crypto::jwt::Mismatch;
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
            assert!(matches!(verify(&by_old).await, Err(NotVerified::Mismatch(Mismatch::KeyUnknown, _))));
        }
        clock.advance(Duration::from_secs(59));
        assert!(matches!(verify(&by_old).await, Err(NotVerified::Mismatch(Mismatch::KeyUnknown, _))));
        assert_eq!(server.requests(), 2, "once a minute");
        clock.advance(Duration::from_secs(1));
        assert!(matches!(verify(&by_old).await, Err(NotVerified::Mismatch(Mismatch::KeyUnknown, _))));
        assert_eq!(server.requests(), 3);

        // A wrong signature under a known kid: the peer may have begun anew under the same name.
        clock.advance(Duration::from_mins(2));
        let forged = signed(&old, "new");
        for _ in 0..3 {
            assert!(matches!(verify(&forged).await, Err(NotVerified::Mismatch(Mismatch::Signature, _))));
        }
        assert_eq!(server.requests(), 4, "once a minute");
        clock.advance(Duration::from_secs(18));
        let Err(NotVerified::Mismatch(_, withheld)) = verify(&forged).await else { panic!() };
        assert_eq!(withheld, Newest::NotFor(42));
        clock.advance(Duration::from_mins(1));
        let again = TestKey::generate(Alg::Es256);
        *answer.lock().unwrap() = Some(json!({"keys": [again.jwk(&json!({"kid": "new"}))]}));
        assert!(verify(&signed(&again, "new")).await.is_ok());
        *answer.lock().unwrap() = Some(json!({"keys": [new.jwk(&json!({"kid": "new"}))]}));
        clock.advance(Duration::from_mins(1));
        assert!(verify(&by_new).await.is_ok());
        assert_eq!(server.requests(), 6);

        // Another address: nothing of the former one counts.
        let other = Jws::parse(&by_new, Signers::Keys(&[Alg::Es256])).unwrap();
        assert!(jwks.verify(&server.url("other"), &other, &clock, &trace).await.is_ok());
        assert_eq!(server.requests(), 7);
        assert!(verify(&by_new).await.is_ok());
        assert_eq!(server.requests(), 8);

        // The peer fails: its last good keys serve for a day, and it is said.
        *answer.lock().unwrap() = None;
        clock.advance(Duration::from_hours(2));
        assert!(verify(&by_new).await.is_ok());
        assert_eq!(server.requests(), 9);
        assert_eq!(recorder.events().iter().filter(|event| event.reason.is_some()).count(), 1);
        clock.advance(Duration::from_hours(22));
        assert!(matches!(verify(&by_new).await, Err(NotVerified::Keys(_))));
    }
}
