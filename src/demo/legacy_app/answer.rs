//! What must hold before an answer is believed, check by check, so that the page can show them.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::{Map, Value};

use super::session::Attempt;
use super::{Delivery, Registration, wire};

/// Greatest difference between an answer's time and ours, in seconds.
const FRESH_SECS: u64 = 300;

/// One thing that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Expected,
    OneAnswer,
    Claimed,
    Opened,
    Fresh,
    Readable,
    State,
    Nonce,
    Issuer,
    Audience,
    Subject,
}

/// Who came back.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) sub: String,
    /// Every member of the answer, in its order.
    pub(super) claims: Vec<(String, String)>,
    pub(super) delivery: Delivery,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Outcome {
    /// A check failed: nobody is signed in, and nothing of the answer is believed.
    #[default]
    Failed,
    /// The relay says, under seal, that nobody signed in.
    Refused { code: String, reference: String },
    /// All checks passed.
    SignedIn(Identity),
}

/// The checks that were made, and what came of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipt {
    pub(super) checks: Vec<(Check, bool)>,
    pub(super) outcome: Outcome,
}

/// What an answer is held against.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) registration: &'a Registration,
    pub(super) issuer: &'a str,
    pub(super) attempt: &'a Attempt,
    pub(super) now: u64,
}

impl Receipt {
    pub(super) fn made(&mut self, check: Check, passed: bool) {
        self.checks.push((check, passed));
    }

    /// A sealed identity.
    pub(super) fn identity(&mut self, token: &str, terms: &Terms<'_>) {
        let Some(answer) = self.open(token, "response", terms) else { return };
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        self.made(Check::Issuer, text("iss") == terms.issuer);
        self.made(Check::Audience, text("aud") == terms.registration.app);
        self.made(Check::Subject, !text("sub").is_empty());
        if self.all_passed() {
            self.outcome = Outcome::SignedIn(Identity {
                sub: text("sub").to_owned(),
                claims: answer.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
                delivery: terms.attempt.delivery,
            });
        }
    }

    /// A sealed refusal, which signs nobody in.
    pub(super) fn refusal(&mut self, token: &str, terms: &Terms<'_>) {
        let Some(answer) = self.open(token, "refusal", terms) else { return };
        if self.all_passed() {
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            self.outcome = Outcome::Refused { code: text("error"), reference: text("ref") };
        }
    }

    /// What every answer must pass. `state` and `nonce` are compared from inside it: only there do they prove
    /// anything.
    fn open(&mut self, token: &str, direction: &str, terms: &Terms<'_>) -> Option<Map<String, Value>> {
        let opened = wire::open(&terms.registration.key, &terms.registration.app, direction, token);
        self.made(Check::Opened, opened.is_some());
        let (ts, text) = opened?;
        self.made(Check::Fresh, ts.abs_diff(terms.now) <= FRESH_SECS);
        let answer = String::from_utf8(text).ok().and_then(|text| serde_json::from_str(&text).ok());
        self.made(Check::Readable, answer.is_some());
        let answer: Map<String, Value> = answer?;
        self.made(Check::State, same(answer.get("state"), &terms.attempt.state));
        self.made(Check::Nonce, same(answer.get("nonce"), &terms.attempt.nonce));
        Some(answer)
    }

    fn all_passed(&self) -> bool {
        self.checks.iter().all(|(_, passed)| *passed)
    }
}

/// As strings, in constant time.
fn same(answered: Option<&Value>, kept: &str) -> bool {
    let answered = answered.and_then(Value::as_str).unwrap_or_default();
    !kept.is_empty() && verify_slices_are_equal(answered.as_bytes(), kept.as_bytes()).is_ok()
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
