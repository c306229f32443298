//! The report: application by application, for eyes or for programs. Values only as hashes under a key of that
//! one run, so that equal ones can be matched within a report and nowhere else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Compared, Kind};
use crate::crypto::hash::hmac_sha256;
use crate::secret::Secret;

/// The bytes of a hash that are shown.
const SHOWN: usize = 8;

/// What was found, ready to be said.
pub struct Report<'a> {
    apps: BTreeMap<&'a str, Vec<&'a Compared>>,
    without: usize,
    key: Secret<[u8; 32]>,
}

impl<'a> Report<'a> {
    /// Of these exchanges, and of so many scenarios without one; `key` is fresh for each report.
    pub fn new(compared: &'a [Compared], without: usize, key: Secret<[u8; 32]>) -> Self {
        let mut apps: BTreeMap<&str, Vec<&Compared>> = BTreeMap::new();
        for one in compared {
            apps.entry(one.app.as_ref().map_or("-", |app| app.as_str())).or_default().push(one);
        }
        Self { apps, without, key }
    }

    /// How many exchanges the operator must settle.
    pub fn to_settle(&self) -> usize {
        self.apps.values().map(|all| settle(all)).sum()
    }

    /// For eyes.
    pub fn text(&self) -> String {
        // To write into a text never fails.
        let mut text = String::new();
        for (app, all) in &self.apps {
            let _ = writeln!(text, "{app}: {}, {} to settle", counted(all.len(), "exchange"), settle(all));
            for (kind, count) in counts(all) {
                let _ = writeln!(text, "  {count:>5}  {}", kind.as_str());
            }
            for one in all {
                for finding in one.findings.iter().filter(|finding| finding.kind.is_difference()) {
                    let mark = if finding.to_settle() { '!' } else { ' ' };
                    let rule = finding.rule.map(|rule| format!(" [{rule}]")).unwrap_or_default();
                    let (scenario, number) = (one.scenario.escape_debug(), one.number);
                    let (kind, why) = (finding.kind.as_str(), &finding.why);
                    let _ = writeln!(text, "{mark} {scenario} #{number} {kind}: {why}{rule}");
                }
                if one.findings.iter().any(super::Finding::to_settle) {
                    let marks: Vec<_> =
                        self.marks(one).map(|(name, hash)| format!("{name} {hash}")).collect();
                    let _ = writeln!(text, "    {}", marks.join("  "));
                }
            }
        }
        if self.without > 0 {
            let _ = writeln!(text, "{} without an exchange", counted(self.without, "scenario"));
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let apps = self.apps.iter().map(|(app, all)| {
            let counts: serde_json::Map<_, _> =
                counts(all).map(|(kind, count)| (kind.as_str().to_owned(), count.into())).collect();
            let exchanges: Vec<_> = all.iter().map(|one| self.exchange(one)).collect();
            json!({ "app": app, "to_settle": settle(all), "counts": counts, "exchanges": exchanges })
        });
        json!({
            "applications": apps.collect::<Vec<_>>(),
            "scenarios_without_exchange": self.without,
            "to_settle": self.to_settle(),
        })
    }

    fn exchange(&self, one: &Compared) -> Value {
        let findings = one.findings.iter().map(|finding| {
            json!({
                "kind": finding.kind.as_str(),
                "why": finding.why,
                "rule": finding.rule,
                "to_settle": finding.to_settle(),
            })
        });
        let hashes: Vec<_> = self.marks(one).map(|(of, hash)| json!({ "of": of, "hash": hash })).collect();
        json!({
            "scenario": one.scenario,
            "exchange": one.number,
            "findings": findings.collect::<Vec<_>>(),
            "hashes": hashes,
        })
    }

    fn marks(&self, one: &'a Compared) -> impl Iterator<Item = (&'static str, String)> {
        one.marks.0.iter().map(|(of, value)| {
            let hash = hmac_sha256(self.key.expose(), value.as_bytes());
            (*of, hex::encode(hash.first_chunk::<SHOWN>().copied().unwrap_or_default()))
        })
    }
}

fn settle(all: &[&Compared]) -> usize {
    all.iter().filter(|one| one.findings.iter().any(super::Finding::to_settle)).count()
}

/// How many exchanges have each kind.
fn counts(all: &[&Compared]) -> impl Iterator<Item = (Kind, usize)> {
    let of = |kind| all.iter().filter(|one| one.findings.iter().any(|finding| finding.kind == kind)).count();
    Kind::ALL.map(|kind| (kind, of(kind))).into_iter().filter(|(_, count)| *count > 0)
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}
