//! An application on the other side of the wire, written from the protocol page alone.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use aws_lc_rs::{digest, hmac};
use serde_json::Value;

use super::RELAY;

/// One application: its id and key.
#[derive(Clone)]
pub struct LegacyApp {
    pub id: &'static str,
    key: [u8; 32],
}

/// What an application keeps in its own session for one attempt.
#[derive(Clone)]
pub struct Attempt {
    pub state: String,
    pub nonce: String,
}

impl LegacyApp {
    pub fn new(id: &'static str) -> Self {
        Self { id, key: Self::key(id) }
    }

    /// The same application with the key it had before.
    pub fn with_previous_key(id: &'static str) -> Self {
        Self { id, key: Self::key(&format!("{id} previous")) }
    }

    fn key(seed: &str) -> [u8; 32] {
        digest::digest(&digest::SHA256, seed.as_bytes()).as_ref().try_into().unwrap()
    }

    pub fn key_hex(seed: &str) -> String {
        hex::encode(Self::key(seed))
    }

    fn hmac(&self, label: &str) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), label.as_bytes()).as_ref().to_vec()
    }

    fn cipher(&self, direction: &str) -> Aes256Gcm {
        let key = self.hmac(&format!("relais-1 aes-256-gcm {direction} {}", self.id));
        Aes256Gcm::new_from_slice(&key).unwrap()
    }

    /// The password of `/idp/claim`.
    pub fn claim_password(&self) -> String {
        hex::encode(self.hmac(&format!("relais-1 claim {}", self.id)))
    }

    /// Seals `plaintext`, stamped `ts`, under a fresh IV.
    pub fn seal(&self, direction: &str, ts: u64, plaintext: impl AsRef<[u8]>) -> String {
        self.seal_with_iv(direction, ts, random(), plaintext)
    }

    pub fn seal_with_iv(
        &self,
        direction: &str,
        ts: u64,
        iv: [u8; 12],
        plaintext: impl AsRef<[u8]>,
    ) -> String {
        let aad = ts.to_be_bytes();
        let payload = Payload { msg: plaintext.as_ref(), aad: &aad };
        let sealed = self.cipher(direction).encrypt(&Nonce::from(iv), payload).unwrap();
        hex::encode([&aad[..], &iv, &sealed].concat())
    }

    /// Opens what the relay sealed.
    pub fn open(&self, direction: &str, token: &str) -> Option<Vec<u8>> {
        let bytes = hex::decode(token).ok()?;
        let (ts, rest) = bytes.split_at_checked(8)?;
        let (iv, sealed) = rest.split_at_checked(12)?;
        let iv: [u8; 12] = iv.try_into().unwrap();
        self.cipher(direction).decrypt(&Nonce::from(iv), Payload { msg: sealed, aad: ts }).ok()
    }

    /// Fresh values for one attempt.
    #[expect(clippy::unused_self, reason = "reads as what the application does")]
    pub fn attempt(&self) -> Attempt {
        Attempt { state: hex::encode(random::<16>()), nonce: hex::encode(random::<16>()) }
    }

    /// The registered callback.
    pub fn callback_base(&self) -> String {
        format!("http://127.0.0.1:9000/{}/retour.cgi", self.id)
    }

    pub fn callback(&self, attempt: &Attempt) -> String {
        format!("{}?vue=1&state={}&nonce={}", self.callback_base(), attempt.state, attempt.nonce)
    }

    /// Where the application sends the browser.
    pub fn idp(&self, msg: &str) -> String {
        format!("{RELAY}/idp/{}?msg={msg}", self.id)
    }

    /// A fresh attempt and its address.
    pub fn start(&self, now: u64) -> (Attempt, String) {
        let attempt = self.attempt();
        let msg = self.seal("request", now, self.callback(&attempt));
        (attempt, self.idp(&msg))
    }

    /// A fresh address that carries `relais_*` parameters.
    pub fn start_with(&self, now: u64, parameters: &str) -> (Attempt, String) {
        let attempt = self.attempt();
        let msg = self.seal("request", now, format!("{}&{parameters}", self.callback(&attempt)));
        (attempt, self.idp(&msg))
    }

    /// The identity that an answer's address carries, checked as the protocol page says.
    pub fn identity(&self, url: &str, attempt: &Attempt) -> Value {
        let info = parameter(url, "info").unwrap_or_else(|| panic!("no info in {url}"));
        self.accept(&info, attempt)
    }

    /// Checks a sealed answer as the protocol page says.
    pub fn accept(&self, sealed: &str, attempt: &Attempt) -> Value {
        let plaintext = self.open("response", sealed).expect("the answer opens under the response key");
        assert!(plaintext.is_ascii(), "the answer is ASCII");
        let answer: Value = serde_json::from_slice(&plaintext).unwrap();
        assert_eq!(answer["state"], attempt.state.as_str());
        assert_eq!(answer["nonce"], attempt.nonce.as_str());
        assert_eq!(answer["iss"], RELAY);
        assert_eq!(answer["aud"], self.id);
        assert!(!answer["sub"].as_str().unwrap().is_empty());
        answer
    }

    /// The refusal that an answer's address carries.
    pub fn refusal(&self, url: &str, attempt: &Attempt) -> Value {
        let info = parameter(url, "info_error").unwrap_or_else(|| panic!("no info_error in {url}"));
        assert!(parameter(url, "info").is_none());
        let plaintext = self.open("refusal", &info).expect("the refusal opens under the refusal key");
        assert!(self.open("response", &info).is_none(), "a refusal is no identity");
        let answer: Value = serde_json::from_slice(&plaintext).unwrap();
        assert_eq!(answer["state"], attempt.state.as_str());
        assert_eq!(answer["nonce"], attempt.nonce.as_str());
        answer
    }
}

/// A parameter of a URL's query, as sent.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    query.split('&').find_map(|piece| piece.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    relais::entropy::Entropy::fill(&relais::entropy::SystemEntropy::new(), &mut bytes);
    bytes
}
