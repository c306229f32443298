//! A message that opened and passed its grammar.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::login::Hex;
use crate::service::ServiceId;

/// Identifies a message, whoever brings it and however often: SHA-256(app ‖ 00 ‖ decoded bytes, or `jti`).
pub type MessageMark = Hex<32>;

/// What an application asked, already checked. No `Debug`: `state` and `nonce` are inside.
#[derive(Clone, Serialize, Deserialize)]
pub struct LegacyRequest {
    /// The application, chosen by the path of the request.
    pub app: ServiceId,
    /// The registered callback with the request's own query pieces, byte for byte: the answer is appended.
    pub return_to: String,
    /// `state`, decoded once.
    pub state: String,
    /// `nonce`, decoded once.
    pub nonce: String,
    /// Which of the application's keys opened the message; its answer is sealed under the same.
    pub key: KeyFingerprint,
    /// Identifies the message.
    pub mark: MessageMark,
    /// Identifies (app, iv), to notice a random source that repeats; `None` where the IV is fixed.
    pub iv_mark: Option<Hex<32>>,
    /// Whether the message has no time of its own: then its mark is durable, for no restart makes it old.
    pub timeless: bool,
    /// The message's own time; that of its opening where it has none.
    pub sealed_at: Timestamp,
    /// The last instant at which the message is fresh: until then a replay must be remembered.
    pub fresh_until: Timestamp,
}

impl LegacyRequest {
    /// The registered callback without its query.
    pub fn callback(&self) -> &str {
        self.return_to.split('?').next().unwrap_or_default()
    }
}

/// The first bytes of a digest of a key: enough to find it again, useless to an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyFingerprint(pub Hex<8>);
