//! Both deliver: address, members, values, order, spelling and delivery.

use serde_json::{Map, Value};

use super::{Exchange, Finding, Kind, Marks, Relay, refused, rules};
use crate::crypto::json;
use crate::event::Reason;
use crate::event::reasons::{legacy as because, upstream};
use crate::identity::{Acr, Identity, PROTOCOL_CLAIMS, Retention, Subject};
use crate::legacy::LegacyRequest;
use crate::legacy::{App, Direction, Return, Unanswerable, answer};

/// What KIF delivered.
pub(super) struct Kif<'a> {
    pub(super) info: &'a str,
    pub(super) location: Option<&'a str>,
}

pub(super) fn compare(
    relay: &Relay<'_>,
    app: &App,
    exchange: &Exchange,
    request: &LegacyRequest,
    kif: &Kif<'_>,
    marks: &mut Marks,
) -> Vec<Finding> {
    let Some(plaintext) = opened(app, request, kif.info) else {
        let why = "the message opens and `info` does not: the recording is damaged, or KIF's key was changed";
        return vec![Finding::new(Kind::KeyDoesNotOpen, why, None)];
    };
    let Ok(theirs) = json::object(&plaintext) else {
        let why = "KIF's answer is no JSON object with each member once";
        return vec![Finding::new(Kind::NotCompared, why, None)];
    };
    let userinfo = exchange.userinfo.clone().unwrap_or_else(|| without_ours(&theirs));
    let sub = userinfo.get("sub").and_then(Value::as_str).filter(|sub| !sub.is_empty());
    let Some(sub) = sub else {
        return refused(exchange, &upstream::SUB.into(), b"");
    };
    marks.0.push(("sub", sub.to_owned()));
    if exchange.tampered {
        let why = "the upstream was made to misbehave, and its answers are not in the recording";
        return vec![Finding::new(Kind::NotCompared, why, None)];
    }
    let identity = identity(relay, sub, &userinfo);
    let ours = match answer(app, relay.issuer, request, &identity, relay.now, relay.entropy) {
        Ok(ours) => ours,
        Err(error) => return refused(exchange, &reason(&error).into(), b""),
    };
    let Some(sealed) = opened(app, request, &ours.sealed) else {
        // What was just sealed opens.
        return refused(exchange, &because::DOES_NOT_OPEN.into(), b"");
    };
    let mut findings = Vec::new();
    findings.extend(address(request, &ours.travels, kif));
    findings.extend(members(app, &theirs, &json::object(&sealed).unwrap_or_default(), marks));
    // Member by member nothing may differ, and the bytes still do.
    if serde_json::to_vec(&theirs).is_ok_and(|here| here != plaintext) {
        let why = "the same members, with other escapes or white space between them";
        findings.push(Finding::new(Kind::SpellingDiffers, why, Some("escapes")));
    }
    if let Return::ByReference { .. } = ours.travels {
        let why = "`info` holds a reference, which the application exchanges at /idp/claim";
        findings.push(Finding::new(Kind::SameButDelivery, why, Some("reference")));
    }
    if findings.is_empty() {
        findings.push(Finding::new(Kind::Same, "byte for byte", None));
    }
    findings
}

fn opened(app: &App, request: &LegacyRequest, sealed: &str) -> Option<Vec<u8>> {
    let opened = app.key(request.key)?.keyed.open(Direction::Response, sealed).ok()?;
    Some(opened.plaintext)
}

/// KIF's answer without the two members that KIF adds: what the upstream said.
fn without_ours(answer: &Map<String, Value>) -> Map<String, Value> {
    let kept = answer.iter().filter(|(name, _)| !matches!(name.as_str(), "nonce" | "state"));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn identity(relay: &Relay<'_>, sub: &str, userinfo: &Map<String, Value>) -> Identity {
    let claims = userinfo.iter().filter(|(name, _)| !PROTOCOL_CLAIMS.contains(&name.as_str()));
    Identity {
        issuer: String::new(),
        subject: Subject::Issued(sub.to_owned()),
        claims: claims.map(|(name, value)| (name.clone(), value.clone())).collect(),
        acr: userinfo.get("acr").and_then(Value::as_str).map(|acr| Acr(acr.to_owned())),
        auth_time: relay.now,
        auth_time_told: false,
        retention: Retention::None,
    }
}

fn reason(error: &Unanswerable) -> Reason {
    match error {
        Unanswerable::TooLong { .. } => because::ANSWER_TOO_LONG,
        Unanswerable::NoRefusals | Unanswerable::KeyGone => because::DOES_NOT_OPEN,
    }
}

/// The address up to `info`, byte for byte; what follows is compared opened.
fn address(request: &LegacyRequest, travels: &Return, kif: &Kif<'_>) -> Option<Finding> {
    let theirs = kif.location?.strip_suffix(kif.info)?;
    let ours = travels.location();
    let end = ours.rfind("info=").map_or(0, |at| at + "info=".len());
    if ours.get(..end) == Some(theirs) {
        return None;
    }
    let what = if rules::origin(theirs) == rules::origin(&request.return_to) { "query" } else { "host" };
    let why = format!("the browser is sent to another address: the {what} before `info` differs");
    Some(Finding::new(Kind::AddressDiffers, why, None))
}

/// Members, then values, then order: each only says something where the one before is silent.
fn members(
    app: &App,
    theirs: &Map<String, Value>,
    ours: &Map<String, Value>,
    marks: &mut Marks,
) -> Vec<Finding> {
    let lacking = |from: &Map<String, Value>, other: &Map<String, Value>| -> Vec<String> {
        from.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
    };
    let (forced, missing): (Vec<_>, Vec<_>) =
        lacking(theirs, ours).into_iter().partition(|name| !rules::can_be_claimed(name));
    let mut findings = Vec::new();
    if !missing.is_empty() {
        let why = format!("missing here: {}; add them to `claims`, if it needs them", list(&missing));
        findings.push(Finding::new(Kind::ClaimsDiffer, why, None));
    }
    if !forced.is_empty() {
        let why = format!(
            "missing here: {}; `relay_claims` can add the level reached, if it needs it",
            list(&forced)
        );
        findings.push(Finding::new(Kind::ClaimsDiffer, why, Some("acr")));
    }
    let chosen = |name: &String| app.relay_claims.iter().any(|claim| claim.as_str() == name.as_str());
    let (chosen, added): (Vec<_>, Vec<_>) = lacking(ours, theirs).into_iter().partition(chosen);
    if !chosen.is_empty() {
        let why = format!("added here, by `relay_claims`: {}", list(&chosen));
        findings.push(Finding::new(Kind::ClaimsDiffer, why, Some("relay_claims")));
    }
    if !added.is_empty() {
        let why = format!("added here: {}; compare `userinfo` with `info`", list(&added));
        findings.push(Finding::new(Kind::ClaimsDiffer, why, None));
    }
    let differing: Vec<_> =
        ours.iter().filter(|(name, value)| theirs.get(*name).is_some_and(|other| other != *value)).collect();
    if !differing.is_empty() {
        let names: Vec<_> = differing.iter().map(|(name, _)| (*name).clone()).collect();
        let why = format!("other values here: {}; compare `userinfo` with `info`", list(&names));
        findings.push(Finding::new(Kind::ValuesDiffer, why, None));
        for (name, value) in differing {
            marks.0.push(("value here", format!("{name} {value}")));
            marks.0.push(("value of KIF", format!("{name} {}", theirs.get(name).unwrap_or(&Value::Null))));
        }
    }
    let common = |from: &Map<String, Value>, other: &Map<String, Value>| -> Vec<String> {
        from.keys().filter(|name| other.contains_key(*name)).cloned().collect()
    };
    if common(theirs, ours) != common(ours, theirs) {
        let why = "the members come in another order: here `sub` is first";
        findings.push(Finding::new(Kind::OrderDiffers, why, Some("order")));
    }
    findings
}

/// Names for a report: only those that are plain, since whoever fills an identity may choose them.
fn list(names: &[String]) -> String {
    let plain = |name: &String| {
        name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b))
    };
    let shown: Vec<_> =
        names.iter().map(|name| if plain(name) { name.as_str() } else { "(not a name)" }).collect();
    shown.join(", ")
}
