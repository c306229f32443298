//! What happened: the last logins, each as a sequence of requests and answers, with what the client did right
//! and wrong.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;

use crate::fault::Fault;

/// How many logins are kept, and how many exchanges of each.
const FLOWS: usize = 200;
const EXCHANGES: usize = 24;
/// How much of a value is kept.
const VALUE: usize = 8192;
/// How many parameters are kept, and how long a token may be that is decoded.
const PAIRS: usize = 64;
const TOKEN: usize = 32 * 1024;

/// The last logins of one namespace. A flow of number 0 is not recorded.
pub(crate) struct Journal {
    on: bool,
    next: AtomicU64,
    flows: Mutex<VecDeque<Flow>>,
}

/// One login.
#[derive(Clone, Serialize)]
pub(crate) struct Flow {
    pub(crate) id: u64,
    pub(crate) started: u64,
    pub(crate) profile: &'static str,
    pub(crate) client: String,
    pub(crate) persona: Option<String>,
    pub(crate) fault: Option<&'static str>,
    /// What your client should have done about the fault.
    pub(crate) advice: Option<&'static str>,
    pub(crate) exchanges: Vec<Exchange>,
}

/// One request and its answer.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Exchange {
    pub(crate) at: u64,
    pub(crate) endpoint: &'static str,
    pub(crate) request: Vec<(String, String)>,
    pub(crate) status: u16,
    pub(crate) answer: Vec<(String, String)>,
    pub(crate) tokens: Vec<Opened>,
    pub(crate) checks: Vec<Check>,
}

/// A token, decoded and not verified.
#[derive(Clone, Serialize)]
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) header: Value,
    /// Not for one that is encrypted.
    pub(crate) claims: Option<Value>,
}

/// Something expected of the client.
#[derive(Clone, Serialize)]
pub(crate) struct Check {
    pub(crate) expected: String,
    pub(crate) met: bool,
}

impl Check {
    pub(crate) fn new(expected: impl Into<String>, met: bool) -> Self {
        Self { expected: expected.into(), met }
    }
}

impl Journal {
    pub(crate) fn new(on: bool) -> Self {
        Self { on, next: AtomicU64::new(0), flows: Mutex::default() }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Opens a flow; 0 where nothing is recorded.
    pub(crate) fn begin(&self, profile: &'static str, client: &str, now: u64) -> u64 {
        if !self.on {
            return 0;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut flows = self.flows();
        if flows.len() >= FLOWS {
            flows.pop_front();
        }
        flows.push_back(Flow {
            id,
            started: now,
            profile,
            client: cut(client),
            persona: None,
            fault: None,
            advice: None,
            exchanges: Vec::new(),
        });
        id
    }

    /// Who signed in, and what will break.
    pub(crate) fn decided(&self, flow: u64, persona: &str, fault: Option<Fault>) {
        self.with(flow, |flow| {
            flow.persona = Some(persona.to_owned());
            flow.fault = fault.map(Fault::name);
            flow.advice = fault.map(Fault::advice);
        });
    }

    pub(crate) fn add(&self, flow: u64, mut exchange: Exchange) {
        exchange.request.truncate(PAIRS);
        exchange.answer.truncate(PAIRS);
        for (_, value) in exchange.request.iter_mut().chain(&mut exchange.answer) {
            *value = cut(value);
        }
        self.with(flow, |flow| {
            if flow.exchanges.len() < EXCHANGES {
                flow.exchanges.push(exchange);
            }
        });
    }

    /// The flows, newest first.
    pub(crate) fn all(&self) -> Vec<Flow> {
        self.flows().iter().rev().cloned().collect()
    }

    pub(crate) fn find(&self, id: u64) -> Option<Flow> {
        self.flows().iter().find(|flow| flow.id == id).cloned()
    }

    pub(crate) fn clear(&self) {
        self.flows().clear();
    }

    fn with(&self, id: u64, change: impl FnOnce(&mut Flow)) {
        if id == 0 {
            return;
        }
        if let Some(flow) = self.flows().iter_mut().rev().find(|flow| flow.id == id) {
            change(flow);
        }
    }

    fn flows(&self) -> MutexGuard<'_, VecDeque<Flow>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts of a token in compact serialization; `None` if this is none.
pub(crate) fn opened(name: &str, token: &str) -> Option<Opened> {
    if token.len() > TOKEN {
        return None;
    }
    let parts: Vec<_> = token.split('.').collect();
    let part = |at: usize| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.get(at)?).ok()?).ok()
    };
    let header = part(0).filter(Value::is_object)?;
    let claims = if parts.len() == 3 { part(1) } else { None };
    (parts.len() == 3 || parts.len() == 5).then(|| Opened { name: name.to_owned(), header, claims })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded() {
        let journal = Journal::new(true);
        let flow = (0..FLOWS + 10).map(|_| journal.begin("generic", "a", 1)).last().unwrap();
        for _ in 0..EXCHANGES + 10 {
            let long = vec![("a".to_owned(), "é".repeat(VALUE + 1)); PAIRS + 1];
            journal.add(flow, Exchange { request: long, ..Exchange::default() });
        }
        let all = journal.all();
        assert_eq!((all.len(), all[0].id), (FLOWS, 210));
        assert_eq!(all[0].exchanges.len(), EXCHANGES);
        assert_eq!(all[0].exchanges[0].request.len(), PAIRS);
        assert_eq!(all[0].exchanges[0].request[0].1.chars().count(), VALUE + 1);
        assert_eq!(Journal::new(false).begin("generic", "a", 1), 0);
    }
}
