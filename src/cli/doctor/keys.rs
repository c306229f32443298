//! The root seal key, whether it opens what is in the store, and how each succession of our own keys stands.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Check, File, Finding, Patient};
use crate::cli::environment;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::config::{Durable, SealKey};
use crate::entropy::{Entropy, SystemEntropy};
use crate::event::{Events, Form};
use crate::keys::{KeyRecord, State, Wanted, date_of};
use crate::keys::{
    Keyring, KeyringError, Listed, Policy, SealKeyError, SealKeySource, SecretFileError, Succession,
};
use crate::outbound::chain;
use crate::secret::Secret;
use crate::store::{Entry, Key, Memory, Record as _, Sealer, Store as _, Table};

pub(super) struct Keys;

const SEAL: &str = "keys.seal";
const KEYS: &str = "keys";
/// A running relay announces a successor within a minute; later than this, none runs.
const LATE: Duration = Duration::from_hours(1);

#[async_trait]
impl Check for Keys {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let (source, key) = match seal_key(&patient.config.seal_key, patient.config.store.path.exists()) {
            Ok(found) => found,
            Err(finding) => return vec![finding],
        };
        // Where the store cannot be read, its own check has said why.
        let Some(records) = records(patient).await else {
            return vec![Finding::ok(SEAL, format!("is {source}"))];
        };
        let now = SystemClock.now();
        let present = Sealer::new(&key, Arc::new(SystemEntropy::new()));
        let other = patient.config.other_seal_key.as_ref();
        let both = other.iter().fold(present.clone(), |sealer, other| sealer.opening_also(other));
        let listed = match list(patient, both, records, now).await {
            Ok(listed) if listed.len() == records.len() => listed,
            Ok(listed) => {
                let what = format!("{source}, opens {} of the store's {} keys", listed.len(), records.len());
                return vec![Finding::fail(SEAL, what, "give every node the same seal key")];
            }
            Err(KeyringError::Sealed) => {
                let what = format!("{source}, does not open the store's keys");
                return vec![Finding::fail(SEAL, what, "bring back the key under which the store was made")];
            }
            Err(error) => return vec![Finding::fail(SEAL, chain(&error), "")],
        };
        let mut findings = vec![Finding::ok(
            SEAL,
            match listed.len() {
                0 => format!("is {source}; the store holds no key yet"),
                count => format!("is {source}, and opens the store's keys ({count})"),
            },
        )];
        if other.is_some() {
            let under_present = list(patient, present, records, now).await.map_or(0, |keys| keys.len());
            findings.push(other_key(listed.len().saturating_sub(under_present)));
        }
        let wanted = patient.config.wanted_keys();
        findings.extend(wanted.iter().map(|wanted| succession(wanted, &listed, &patient.config.keys, now)));
        findings.extend(left(&listed, &wanted));
        findings
    }
}

/// Where it comes from, and the key.
fn seal_key(from: &SealKey, is_store_there: bool) -> Result<(String, Secret<[u8; 32]>), Finding> {
    const VARIABLE: &str = "RELAIS_KEYS__SEAL_KEY";
    let path = match from {
        SealKey::Given(key) => {
            let by_env = environment().into_iter().any(|(name, _)| name == VARIABLE);
            let source = if by_env { VARIABLE } else { "keys.seal_key_file" };
            return Ok((format!("that of {source}"), key.clone()));
        }
        SealKey::Beside(path) => path,
    };
    let shown = path.display();
    match SealKeySource::File(path.clone()).load() {
        Ok(key) => Ok((format!("that of {shown}"), key)),
        Err(SealKeyError::File(SecretFileError::Missing { .. })) if !is_store_there => {
            Err(Finding::ok(SEAL, format!("{shown} is not there yet: the first start makes it")))
        }
        Err(error) => {
            let advice = "bring the key of this store back: without it the store is worthless";
            Err(Finding::fail(SEAL, chain(&error), advice))
        }
    }
}

/// What still needs the other seal key.
fn other_key(keys: usize) -> Finding {
    let area = "keys.other_seal_key_file";
    if keys == 0 {
        return Finding::ok(area, "none of the store's keys lies under it");
    }
    let what = format!("it alone opens some of the store's keys ({keys})");
    let advice = "keep it until every node was started with the new one as keys.seal_key_file";
    Finding::warn(area, what, advice)
}

/// Our own keys as they lie in the durable store.
async fn records(patient: &Patient) -> Option<&[(Key, Entry)]> {
    match patient.config.store.durable {
        Durable::Postgres => Some(&patient.postgres().await?.as_ref().ok()?.records),
        Durable::Sqlite => match patient.sqlite().await? {
            File::Missing => Some(&[]),
            File::Found(facts) if facts.damage.is_none() => Some(&facts.records),
            _ => None,
        },
    }
}

/// Reads a copy in memory, so that nothing can be written.
async fn list(
    patient: &Patient,
    sealer: Sealer,
    entries: &[(Key, Entry)],
    now: Timestamp,
) -> Result<Vec<Listed>, KeyringError> {
    let copy = Arc::new(Memory::new([(KeyRecord::KIND, usize::MAX)]));
    for (key, entry) in entries {
        copy.put(KeyRecord::KIND, *key, entry.clone(), now).await?;
    }
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let table = Table::new(copy, sealer);
    let keyring = Keyring::new(table, entropy, Events::log(Form::Human));
    keyring.configure(patient.config.wanted_keys(), patient.config.keys);
    keyring.list(now).await
}

fn name(succession: &Succession) -> String {
    match &succession.upstream {
        Some(upstream) => format!("{} for {upstream}", succession.usage.name()),
        None => succession.usage.name().to_owned(),
    }
}

fn succession(wanted: &Wanted, listed: &[Listed], policy: &Policy, now: Timestamp) -> Finding {
    let name = name(&wanted.succession);
    let of_succession = || listed.iter().filter(|key| key.succession == wanted.succession);
    let Some(active) = of_succession().find(|key| key.state == State::Active) else {
        let what = format!("{name}: no key is active");
        return match of_succession().count() {
            0 => {
                Finding::ok(KEYS, format!("{name}: no key yet: the relay makes it when it starts or reloads"))
            }
            _ => Finding::warn(KEYS, what, "start the relay, which makes or uses one"),
        };
    };
    let until = active.active_until.map_or("an operator rotates it".to_owned(), date_of);
    let what = format!("{name}: {} {} is active until {until}", active.alg.as_str(), active.kid);
    if let Some(next) = of_succession().find(|key| key.state == State::Announced) {
        return Finding::ok(KEYS, format!("{what}; its successor {} is announced", next.kid));
    }
    let due = policy.rotate.map(|rotate| active.active_from.plus(rotate.saturating_sub(policy.announce)));
    match due {
        Some(due) if due.plus(LATE) < now => {
            let what = format!("{what}; its successor should be announced since {}", date_of(due));
            Finding::warn(KEYS, what, "start the relay: no node has looked after the keys since")
        }
        _ => Finding::ok(KEYS, what),
    }
}

/// Lines that the configuration does not want, and that wait in case it does again.
fn left(listed: &[Listed], wanted: &[Wanted]) -> Vec<Finding> {
    let mut successions: Vec<_> = listed.iter().map(|key| &key.succession).collect();
    successions.retain(|succession| !wanted.iter().any(|wanted| wanted.succession == **succession));
    successions.dedup();
    let what =
        |succession| format!("{}: in the store, and not needed by this configuration", name(succession));
    successions.into_iter().map(|succession| Finding::ok(KEYS, what(succession))).collect()
}
