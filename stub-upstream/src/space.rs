//! A namespace: everything that one test may change without another one noticing. The default one has no
//! name; the others live below `/ns/NAME`, where every path of the simulator is found again.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::fault::{Fault, Stage};
use crate::grant::{Code, Grant};
use crate::journal::Journal;
use crate::keys::KeyRing;
use crate::persona::{Persona, Personas};
use crate::profiles::{PROFILES, Profile};
use crate::request::AuthorizationRequest;
use crate::scenario::Scenario;
use crate::shelf::Shelf;
use crate::twist::Twists;

/// How many namespaces there can be beside the default one.
const CEILING: usize = 1000;

/// One namespace.
pub(crate) struct Space {
    /// Empty for the default one.
    pub(crate) name: String,
    /// What its paths begin with.
    pub(crate) prefix: String,
    pub(crate) codes: Shelf<Code>,
    pub(crate) tokens: Shelf<Arc<Grant>>,
    pub(crate) refresh_tokens: Shelf<Arc<Grant>>,
    pub(crate) interactions: Shelf<Interaction>,
    pub(crate) sessions: Shelf<Vec<SignIn>>,
    /// The `jti`s of client assertions.
    pub(crate) assertions: Shelf<()>,
    pub(crate) counts: Counts,
    pub(crate) journal: Journal,
    pub(crate) settings: RwLock<Settings>,
    /// What tests make of answers.
    pub(crate) twists: Twists,
    /// Used up step by step.
    pub(crate) scenario: Mutex<Option<Scenario>>,
    /// Faults of metadata that wait for the next call.
    armed: Mutex<Vec<(&'static str, Fault)>>,
    pub(crate) keys: Vec<OnceLock<Arc<KeyRing>>>,
    pub(crate) load: AtomicU64,
}

/// What the control API changes.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) live: Option<Live>,
    pub(crate) auto_login: Option<AutoLogin>,
    pub(crate) hands: Hands,
    pub(crate) personas: Personas,
    pub(crate) lenient: bool,
}

/// A fault of every exchange, or of some.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) fault: Fault,
    /// How many calls are still to be broken; all where `None`.
    pub(crate) times: Option<u32>,
    /// Only this client's.
    pub(crate) client: Option<String>,
}

/// Who signs in without a page.
#[derive(Clone)]
pub(crate) enum AutoLogin {
    Persona(Arc<Persona>),
    /// Somebody else each time: `load-000001` and so on.
    Load,
}

/// What a virtual clock shows, seen from the simulator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hands {
    /// This many seconds ahead, or behind.
    Offset(i64),
    /// It stands.
    Frozen(u64),
}

/// A page that waits for the person.
#[derive(Clone)]
pub(crate) struct Interaction {
    pub(crate) profile: &'static Profile,
    pub(crate) request: AuthorizationRequest,
    /// Its place in the journal.
    pub(crate) flow: u64,
    /// What the scenario has for this login; the person's own choice outranks it.
    pub(crate) fault: Option<Fault>,
}

/// A person signed in at one profile in one browser.
#[derive(Clone)]
pub(crate) struct SignIn {
    pub(crate) profile: &'static str,
    pub(crate) persona: Arc<Persona>,
    pub(crate) auth_time: u64,
    pub(crate) acr: Option<String>,
    pub(crate) expires: u64,
    /// The fault chosen for this login: it may show at logout.
    pub(crate) fault: Option<Fault>,
    pub(crate) flow: u64,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) authorize: AtomicU64,
    pub(crate) token: AtomicU64,
    pub(crate) userinfo: AtomicU64,
    pub(crate) jwks: AtomicU64,
    pub(crate) discovery: AtomicU64,
    pub(crate) logout: AtomicU64,
}

impl Space {
    pub(crate) fn new(name: &str, settings: Settings, journal: bool) -> Self {
        Self {
            name: name.to_owned(),
            prefix: if name.is_empty() { String::new() } else { format!("/ns/{name}") },
            codes: Shelf::new(200_000),
            tokens: Shelf::new(200_000),
            refresh_tokens: Shelf::new(50_000),
            interactions: Shelf::new(10_000),
            sessions: Shelf::new(50_000),
            assertions: Shelf::new(50_000),
            counts: Counts::default(),
            journal: Journal::new(journal),
            settings: RwLock::new(settings),
            twists: Twists::default(),
            scenario: Mutex::new(None),
            armed: Mutex::default(),
            keys: PROFILES.iter().map(|_| OnceLock::new()).collect(),
            load: AtomicU64::new(0),
        }
    }

    pub(crate) fn settings<R>(&self, read: impl FnOnce(&Settings) -> R) -> R {
        read(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn change<R>(&self, write: impl FnOnce(&mut Settings) -> R) -> R {
        write(&mut self.settings.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The fault that shows now, if one of these stages has come. A login's own fault outranks the live one.
    pub(crate) fn fault_at(&self, of_login: Option<Fault>, stages: &[Stage], client: &str) -> Option<Fault> {
        if let Some(fault) = of_login {
            return stages.contains(&fault.stage()).then_some(fault);
        }
        let fits = |live: &Live| {
            stages.contains(&live.fault.stage()) && live.client.as_deref().is_none_or(|only| only == client)
        };
        let counted = self.settings(|settings| settings.live.as_ref().filter(|live| fits(live)).cloned())?;
        if counted.times.is_none() {
            return Some(counted.fault);
        }
        self.change(|settings| {
            let live = settings.live.as_mut().filter(|live| fits(live))?;
            let (fault, left) = (live.fault, live.times.unwrap_or_default().saturating_sub(1));
            live.times = Some(left);
            if left == 0 {
                settings.live = None;
            }
            Some(fault)
        })
    }

    /// Keeps a fault of this profile's metadata for the next call there.
    pub(crate) fn arm(&self, profile: &'static str, fault: Fault) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.len() < 16 {
            armed.push((profile, fault));
        }
    }

    /// Takes the fault that waits for a call at this stage.
    pub(crate) fn armed(&self, profile: &str, stage: Stage) -> Option<Fault> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let at = armed.iter().position(|(of, fault)| *of == profile && fault.stage() == stage)?;
        Some(armed.remove(at).1)
    }

    /// Forgets what waits, what is kept, and what was seen.
    pub(crate) fn clear(&self) {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.scenario.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.codes.clear();
        self.tokens.clear();
        self.refresh_tokens.clear();
        self.interactions.clear();
        self.sessions.clear();
        self.journal.clear();
    }
}

/// The namespaces by name.
pub(crate) struct Spaces {
    pub(crate) initial: Settings,
    pub(crate) journal: bool,
    named: RwLock<HashMap<String, Arc<Space>>>,
}

impl Spaces {
    pub(crate) fn new(initial: Settings, journal: bool) -> Self {
        Self { initial, journal, named: RwLock::default() }
    }

    /// The namespace of that name, which comes into being when it is first named. `None` if it is no name (1 to
    /// 64 of `a-z 0-9 - _`), or if there are too many.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Space>> {
        if let Some(space) = self.named.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(Arc::clone(space));
        }
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(letter) {
            return None;
        }
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        if named.len() >= CEILING && !named.contains_key(name) {
            return None;
        }
        let make = || Arc::new(Space::new(name, self.initial.clone(), self.journal));
        Some(Arc::clone(named.entry(name.to_owned()).or_insert_with(make)))
    }

    /// Forgets a namespace.
    pub(crate) fn remove(&self, name: &str) -> bool {
        self.named.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }

    /// Their names, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.named.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        names.sort();
        names
    }
}
