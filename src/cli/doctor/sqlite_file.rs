//! The SQLite file, where anything is kept there. A relay that has it goes on undisturbed.

use std::path::Path;

use async_trait::async_trait;

use super::{Check, File, Finding, Patient};
use crate::outbound::chain;
use crate::store::SqliteFacts;

pub(super) struct Sqlite;

const AREA: &str = "store.sqlite";
/// With less room than this on its disk, in bytes, it is time to do something.
const LITTLE: u64 = 256 << 20;

#[async_trait]
impl Check for Sqlite {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let Some(file) = patient.sqlite().await else { return Vec::new() };
        let path = &patient.config.store.path;
        let shown = path.display();
        match file {
            File::Found(facts) => of(path, facts),
            File::Missing => {
                if let Some(key) = patient.config.key_of_lost_store() {
                    let what = format!("{shown} is missing, and its seal key {} is there", key.display());
                    let advice = "restore a copy of the store; or, to begin anew, move the seal key away too";
                    return vec![Finding::fail(AREA, what, advice)];
                }
                vec![Finding::ok(AREA, format!("{shown} is not there yet: the first start makes it"))]
            }
            File::Failed(error) => {
                let advice = "let the user that runs relais own the file and its directory";
                vec![Finding::fail(AREA, chain(error), advice)]
            }
            File::Late => {
                vec![Finding::warn(AREA, format!("{shown} was not read in time"), "look at its disk")]
            }
        }
    }
}

fn of(path: &Path, facts: &SqliteFacts) -> Vec<Finding> {
    let (shown, mode, free) = (path.display(), facts.mode, facts.free >> 20);
    let has = if facts.is_in_use { "a relay has it" } else { "no relay has it now" };
    let mut findings = vec![Finding::ok(AREA, format!("{shown} can be read; {has}"))];
    if mode & 0o077 != 0 {
        let what = format!("has mode {mode:04o}, open to group or others");
        findings.push(Finding::warn(AREA, what, format!("chmod 600 {shown}")));
    }
    findings.push(match (&facts.damage, facts.schema, facts.known) {
        (Some(fault), ..) => {
            let advice = "stop the relay, and restore a copy, together with its seal key";
            Finding::fail(AREA, format!("is damaged: {fault}"), advice)
        }
        (None, found, known) if found > known => {
            let what = format!("is of a later release (schema {found}; this one knows {known})");
            Finding::fail(AREA, what, "start the later release, or restore a copy from before it")
        }
        (None, found, known) if found == known => {
            Finding::ok(AREA, format!("is whole, and its schema that of this release ({known})"))
        }
        (None, found, known) => {
            Finding::ok(AREA, format!("is whole; the next start brings its schema from {found} to {known}"))
        }
    });
    let what = format!("there are {free} MiB free on its disk");
    findings.push(if facts.free < LITTLE {
        Finding::warn(AREA, what, "make room: on a full disk no login succeeds")
    } else {
        Finding::ok(AREA, what)
    });
    findings
}
