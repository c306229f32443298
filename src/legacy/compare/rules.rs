//! The differences from KIF that are on purpose, by their rows in `docs/kif-differences.md`.

use crate::event::kif;
use crate::event::reasons::{legacy as because, server, upstream};
use crate::legacy::Refused;

/// Every row that a finding can name. A test holds the page to it.
pub const RULES: [&str; 22] = [
    "once",
    "idp-004",
    "idp-005",
    "idp-007",
    "idp-014",
    "idp-016",
    "idp-017",
    "idp-019",
    "idp-020",
    "idp-023",
    "idp-025",
    "idp-034",
    "idp-037",
    "idp-040",
    "names",
    "path",
    "reference",
    "sub",
    "acr",
    "relay_claims",
    "order",
    "escapes",
];

/// The row of a refusal; `None` where the configuration can change it.
pub(super) fn of_refusal(why: &Refused, plaintext: &[u8]) -> Option<&'static str> {
    let rule = match why.reason {
        reason if reason == because::REPLAYED => "once",
        reason if reason == because::PARAMETER_TWICE => "idp-004",
        reason if reason == because::QUERY_MALFORMED => malformed(plaintext),
        // Too long is another matter.
        reason if reason == because::VALUE_LENGTH && why.facts.length == Some(0) => "idp-007",
        reason if reason == because::NOT_ASCII => not_ascii(plaintext),
        reason if reason == because::RESERVED_PRESENT => "idp-023",
        reason if reason == because::CALLBACK_INVALID && plaintext.contains(&b'#') => "idp-025",
        // A name that could be listed is the operator's choice.
        reason if reason == because::KEY_NOT_ALLOWED && is_no_name(why) => "names",
        reason if reason == server::NOT_FOUND => "path",
        reason if reason == upstream::SUB => "sub",
        _ => return None,
    };
    Some(rule)
}

fn is_no_name(why: &Refused) -> bool {
    why.facts.names.as_deref().is_some_and(|names| names.starts_with('('))
}

/// What in a query is outside the grammar.
fn malformed(plaintext: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(plaintext);
    let query = text.split_once('?').map_or("", |(_, query)| query);
    if query.contains(';') {
        "idp-017"
    } else if query.contains(['"', '<', '>']) {
        "idp-020"
    } else if query.contains(['{', '}']) {
        "idp-040"
    } else if query.split('&').any(|piece| !piece.contains('=')) {
        "idp-005"
    } else if query.contains('+') {
        "idp-014"
    } else {
        "idp-016"
    }
}

fn not_ascii(plaintext: &[u8]) -> &'static str {
    if plaintext.is_ascii() { "idp-037" } else { "idp-019" }
}

/// Whether a member of KIF's answer that this relay leaves out can be named in `claims` at all.
pub(super) fn can_be_claimed(name: &str) -> bool {
    name != "acr"
}

/// Scheme, host and port of an address.
pub(super) fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address.get(host..).and_then(|rest| rest.find('/')).map_or(address.len(), |at| host + at);
    address.get(..end).unwrap_or(address)
}

/// The sentence of KIF's traces that `text` holds, from the closed list: the longest, but any before the one that
/// KIF writes around others. Never `text` itself.
pub(super) fn sentence(text: &str) -> Option<&'static str> {
    let known = kif::sentences().map(|(reason, sentence)| (reason != because::MSG_MISSING, sentence.text()));
    let found = known.filter(|(_, kif)| text.contains(kif));
    found.max_by_key(|(is_whole, kif)| (*is_whole, kif.len())).map(|(_, kif)| kif)
}
