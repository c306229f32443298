//! Parity, offline: what a running KIF answered, against what this relay would answer under a configuration.
//!
//! Pure: [`read`] makes exchanges of a recording, [`compare`] judges each, [`report`] says it without a value.
//! What upstream's tokens say is not in a recording: a login is taken to have given what `info` holds.

mod answered;
pub mod read;
pub mod report;
mod rules;

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{App, Direction, Refused, message, open};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::event::Reason;
use crate::event::reasons::{legacy as because, server};
use crate::legacy::LegacyRequest;
use crate::service::ServiceId;

pub use rules::RULES;

/// One request to KIF's `/idp` and what became of it.
pub struct Exchange {
    /// The id of its scenario.
    pub scenario: String,
    /// Which exchange of its scenario it is, from 1.
    pub number: usize,
    /// The application that the recording names: by a member, or by the path.
    pub app: Option<ServiceId>,
    /// How it was asked.
    pub asked: Asked,
    /// What the upstream said of the person, where the recording has it apart from `info`.
    pub userinfo: Option<Map<String, Value>>,
    /// Whether the upstream was made to misbehave in a way that a recording does not show.
    pub tampered: bool,
    /// What KIF did.
    pub kif: Kif,
}

/// A request to `/idp`.
pub enum Asked {
    /// By GET, at an address that the relay has too, with this query.
    Query(String),
    /// In a way that the relay does not have.
    Otherwise(Reason),
}

/// What KIF did.
pub enum Kif {
    /// It sent the browser to the application.
    Delivered {
        /// `info`, in hexadecimal.
        info: String,
        /// The whole address, where it was recorded.
        location: Option<String>,
    },
    /// It showed an error; with its sentence, if that is one of its known ones.
    Refused(Option<&'static str>),
    /// It sent the browser to sign in, and nothing of the application followed.
    NotSignedIn,
}

/// How the relay would have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// With the same bytes.
    Same,
    /// With an error, like KIF.
    BothRefuse,
    /// With the same answer, to be fetched by its reference.
    SameButDelivery,
    /// The recording does not tell.
    NotCompared,
    /// With an error.
    RefusedHere,
    /// With a login, where KIF showed an error.
    AcceptedHere,
    /// With an error: no key of the application opens the message.
    KeyDoesNotOpen,
    /// At another address.
    AddressDiffers,
    /// With other members.
    ClaimsDiffer,
    /// With the same members and other values.
    ValuesDiffer,
    /// With the same members in another order.
    OrderDiffers,
    /// With the same members, spelled otherwise.
    SpellingDiffers,
}

impl Kind {
    /// Every one, in the order of a report.
    pub const ALL: [Self; 12] = [
        Self::Same,
        Self::BothRefuse,
        Self::SameButDelivery,
        Self::NotCompared,
        Self::RefusedHere,
        Self::AcceptedHere,
        Self::KeyDoesNotOpen,
        Self::AddressDiffers,
        Self::ClaimsDiffer,
        Self::ValuesDiffer,
        Self::OrderDiffers,
        Self::SpellingDiffers,
    ];

    /// Its name in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::BothRefuse => "both_refuse",
            Self::SameButDelivery => "same_but_delivery",
            Self::NotCompared => "not_compared",
            Self::RefusedHere => "refused_here",
            Self::AcceptedHere => "accepted_here",
            Self::KeyDoesNotOpen => "key_does_not_open",
            Self::AddressDiffers => "address_differs",
            Self::ClaimsDiffer => "claims_differ",
            Self::ValuesDiffer => "values_differ",
            Self::OrderDiffers => "order_differs",
            Self::SpellingDiffers => "spelling_differs",
        }
    }

    fn is_difference(self) -> bool {
        !matches!(self, Self::Same | Self::BothRefuse | Self::NotCompared)
    }
}

/// One thing to say of an exchange. Without values.
pub struct Finding {
    /// How the relay would have answered.
    pub kind: Kind,
    /// Why, in one sentence.
    pub why: String,
    /// The row of `docs/kif-differences.md` that has it, if it is on purpose.
    pub rule: Option<&'static str>,
}

impl Finding {
    fn new(kind: Kind, why: impl Into<String>, rule: Option<&'static str>) -> Self {
        Self { kind, why: why.into(), rule }
    }

    /// Whether the operator must do something about it.
    pub fn to_settle(&self) -> bool {
        self.kind.is_difference() && self.rule.is_none()
    }
}

/// What identifies an exchange to whoever has the recording; only ever shown as keyed hashes. No `Debug`.
#[derive(Default)]
pub struct Marks(Vec<(&'static str, String)>);

/// One exchange, judged.
pub struct Compared {
    /// The application; `None` where none could be told.
    pub app: Option<ServiceId>,
    /// The id of its scenario.
    pub scenario: String,
    /// Which exchange of its scenario it is.
    pub number: usize,
    /// What there is to say; never empty.
    pub findings: Vec<Finding>,
    marks: Marks,
}

/// The relay, as far as it decides about messages.
pub struct Relay<'a> {
    /// Its legacy applications.
    pub apps: &'a [App],
    /// The application of a bare `/idp`.
    pub default_app: Option<&'a ServiceId>,
    /// Its issuer identifier.
    pub issuer: &'a str,
    /// When it would be asked.
    pub now: Timestamp,
    /// Chance, for answers that need it.
    pub entropy: &'a dyn Entropy,
}

/// Judges every exchange, in the recording's order: a message that comes twice is a replay.
pub fn compare(relay: &Relay<'_>, exchanges: &[Exchange]) -> Vec<Compared> {
    let mut seen = HashSet::new();
    exchanges.iter().map(|exchange| relay.judge(exchange, &mut seen)).collect()
}

impl Relay<'_> {
    fn judge(&self, exchange: &Exchange, seen: &mut HashSet<[u8; 32]>) -> Compared {
        let app = self.application(exchange);
        let mut marks = Marks::default();
        let findings = match &exchange.asked {
            Asked::Otherwise(reason) => refused(exchange, &(*reason).into(), b""),
            Asked::Query(query) => {
                if let Ok(msg) = message::msg(query) {
                    marks.0.push(("msg", msg.to_ascii_lowercase()));
                }
                match app.as_ref().map(|id| self.apps.iter().find(|app| app.service.id == *id)) {
                    None => refused(exchange, &because::PATH_WITHOUT_APP.into(), b""),
                    Some(None) => refused(exchange, &because::UNKNOWN_APP.into(), b""),
                    Some(Some(app)) => self.ask(exchange, app, query, seen, &mut marks),
                }
            }
        };
        Compared { app, scenario: exchange.scenario.clone(), number: exchange.number, findings, marks }
    }

    fn ask(
        &self,
        exchange: &Exchange,
        app: &App,
        query: &str,
        seen: &mut HashSet<[u8; 32]>,
        marks: &mut Marks,
    ) -> Vec<Finding> {
        if app.is_past_sunset(self.now) {
            return refused(exchange, &because::SUNSET.into(), b"");
        }
        let request = match open(app, self.issuer, query, None, self.now).map(|opened| opened.request) {
            Ok(request) => request,
            Err(why) => return refused(exchange, &why, &self.plaintext(app, query)),
        };
        marks.0.extend([("state", request.state.clone()), ("nonce", request.nonce.clone())]);
        match &exchange.kif {
            Kif::NotSignedIn => {
                let why = "the message is accepted here too; nobody signed in, and what the upstream said \
                           is not in the recording";
                vec![Finding::new(Kind::NotCompared, why, None)]
            }
            Kif::Refused(said) => vec![accepted(*said, &self.plaintext(app, query), &request)],
            Kif::Delivered { info, location } => {
                let mut findings = Vec::new();
                if !seen.insert(request.mark.0) {
                    findings.extend(refused(exchange, &because::REPLAYED.into(), b""));
                }
                let kif = answered::Kif { info, location: location.as_deref() };
                findings.extend(answered::compare(self, app, exchange, &request, &kif, marks));
                findings
            }
        }
    }

    /// The application: named, else the one whose key opens the message, else the relay's default.
    fn application(&self, exchange: &Exchange) -> Option<ServiceId> {
        let ids = || self.apps.iter().map(|app| &app.service.id);
        let only = || ids().next().filter(|_| self.apps.len() == 1).cloned();
        let found = exchange.app.clone().or_else(|| match &exchange.asked {
            Asked::Query(query) => self.opener(query),
            Asked::Otherwise(_) => None,
        });
        found.or_else(|| self.default_app.cloned()).or_else(only)
    }

    /// The application that accepts a message, else one whose key makes a text of it: by chance, KIF's CBC opens
    /// some messages of others.
    fn opener(&self, query: &str) -> Option<ServiceId> {
        let accepts = |app: &&App| open(app, self.issuer, query, None, self.now).is_ok();
        let reads =
            |app: &&App| std::str::from_utf8(&self.plaintext(app, query)).is_ok_and(|t| !t.is_empty());
        let app = self.apps.iter().find(accepts).or_else(|| self.apps.iter().find(reads))?;
        Some(app.service.id.clone())
    }

    /// What the message of a query says; empty if it does not open.
    fn plaintext(&self, app: &App, query: &str) -> Vec<u8> {
        let opened = message::msg(query)
            .and_then(|text| message::open_under_any(app, Direction::Request, text, self.now));
        opened.map(|(_, opened)| opened.plaintext).unwrap_or_default()
    }
}

/// The relay refuses.
fn refused(exchange: &Exchange, why: &Refused, plaintext: &[u8]) -> Vec<Finding> {
    let row = why.reason.row();
    let names = why.facts.names.as_ref().map(|names| format!(" ({names})")).unwrap_or_default();
    let here = format!("{}: {}{names}", row.slug, row.en);
    let finding = match &exchange.kif {
        Kif::Refused(Some(said)) => Finding::new(Kind::BothRefuse, format!("{here}; KIF: {said}"), None),
        Kif::Refused(None) | Kif::NotSignedIn => Finding::new(Kind::BothRefuse, here, None),
        Kif::Delivered { .. } if does_not_open(why.reason) => {
            Finding::new(Kind::KeyDoesNotOpen, here + "; compare key_file, iv and wire with KIF's", None)
        }
        Kif::Delivered { .. } => {
            let rule = rules::of_refusal(why, plaintext);
            let advice = if rule.is_none() { format!("; {}", row.advice) } else { String::new() };
            Finding::new(Kind::RefusedHere, here + &advice, rule)
        }
    };
    vec![finding]
}

fn does_not_open(reason: Reason) -> bool {
    [because::NOT_HEX, because::TOO_SHORT, because::DOES_NOT_OPEN, because::NOT_JWE].contains(&reason)
}

/// The relay accepts what KIF refused.
fn accepted(said: Option<&str>, plaintext: &[u8], request: &LegacyRequest) -> Finding {
    let said = said.map(|said| format!("; KIF: {said}")).unwrap_or_default();
    let registered = format!("{}/", rules::origin(&request.return_to));
    if plaintext.starts_with(registered.as_bytes()) {
        let why = format!("the callback is registered here, and its message is sound{said}");
        Finding::new(Kind::AcceptedHere, why, None)
    } else {
        let why = format!("the callback's host is spelled otherwise than it is registered{said}");
        Finding::new(Kind::AcceptedHere, why, Some("idp-034"))
    }
}

/// The relay's own reasons for requests that are none.
pub(super) const NO_SUCH_PAGE: Reason = server::NOT_FOUND;
/// The same for other methods than GET.
pub(super) const NO_SUCH_METHOD: Reason = server::METHOD;
