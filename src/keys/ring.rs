//! The keyring at work: the records of the durable store, read again from time to time, ready for use.
//!
//! Nodes agree through the store alone. Whoever finds that a key is due makes it in a place that only one can take;
//! the others read it. Between two readings each node goes by the dates, which need no word from anybody.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::plan::{Change, Policy, State, active_until, plan, state};
use super::record::{KeyAlg, KeyRecord, KeyUse, Private, Succession, Wanted};
use crate::clock::Timestamp;
use crate::crypto::alg::Alg;
use crate::crypto::fresh::CannotMake;
use crate::crypto::jwe::DecryptionKey;
use crate::crypto::jwk::PublishedKey;
use crate::crypto::jws::sign::SigningKey;
use crate::entropy::Entropy;
use crate::event::{Events, Facts, Step, Trace, reasons};
use crate::outbound::chain;
use crate::service::UpstreamName;
use crate::store::{StoreError, Table};

/// Every key belongs to the ring, so that to list it is to walk an index.
const RING: (&str, &[u8]) = ("keyring", b"");

/// The end of the year 9999: a key ends by the plan, never by itself.
const NEVER: Timestamp = Timestamp::from_seconds(253_402_300_799);

/// Why the keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The store.
    #[error("the keyring cannot be read or written")]
    Store(#[source] StoreError),
    /// Somebody else has the turn, and the store keeps them waiting.
    #[error("the keys are being read or changed, and the store does not answer; try again when it does")]
    Busy,
    /// The records are not ours to read.
    #[error(
        "the keyring does not open: it was sealed under another seal key, or the store is damaged; \
         bring the seal key back, or move the store away to begin anew"
    )]
    Sealed,
    /// A key.
    #[error(transparent)]
    Make(#[from] CannotMake),
    /// An operator named a key that is not there.
    #[error(
        "no key that could be revoked has the id {0:?}; `relais keys list` shows every key with its id and state"
    )]
    NoSuchKey(String),
    /// An operator wants rotated what the configuration does not need.
    #[error("the configuration needs no such key, so there is nothing to rotate; it needs {0}")]
    NotWanted(String),
}

impl From<StoreError> for KeyringError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreadable => Self::Sealed,
            other => Self::Store(other),
        }
    }
}

/// Our own keys.
pub struct Keyring {
    table: Table<KeyRecord>,
    entropy: Arc<dyn Entropy>,
    events: Events,
    pub(super) settings: ArcSwap<Settings>,
    ring: ArcSwap<Ring>,
    /// Held while the ring is read or changed, so that an older reading never takes the place of a newer.
    turn: Mutex<()>,
    /// Held by the one reading beside what is served.
    reading: Arc<Mutex<()>>,
    /// When the ring could last not be read.
    last_failure: ArcSwapOption<Timestamp>,
}

/// How long whoever needs keys waits for a new reading; then the last one serves.
const PATIENCE: Duration = Duration::from_millis(250);
/// For how long a store that has failed is not asked again on anybody's behalf.
const PAUSE: Duration = Duration::from_secs(5);
/// How long an operator's order waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What shall be.
pub(super) struct Settings {
    pub(super) wanted: Vec<Wanted>,
    pub(super) policy: Policy,
}

/// One reading of the store.
#[derive(Default)]
struct Ring {
    read: Timestamp,
    keys: Vec<Kept>,
}

/// A key ready for use. Its record has no private half any more.
struct Kept {
    record: KeyRecord,
    until: Option<Timestamp>,
    material: Material,
}

enum Material {
    Signs(Arc<SigningKey>),
    Decrypts(Arc<DecryptionKey>),
    /// Bytes whose user is still to come, or nothing.
    Other,
}

impl Keyring {
    /// A keyring without keys until it is tended.
    pub fn new(table: Table<KeyRecord>, entropy: Arc<dyn Entropy>, events: Events) -> Self {
        let settings = ArcSwap::from_pointee(Settings { wanted: Vec::new(), policy: Policy::default() });
        let (ring, last_failure) = (ArcSwap::default(), ArcSwapOption::empty());
        let (turn, reading) = (Mutex::default(), Arc::default());
        Self { table, entropy, events, settings, ring, turn, reading, last_failure }
    }

    /// What keys there shall be from now on, and how they succeed one another; [`Keyring::tend`] makes them.
    pub fn configure(&self, wanted: Vec<Wanted>, policy: Policy) {
        self.settings.store(Arc::new(Settings { wanted, policy }));
    }

    /// Reads the ring, makes what is due, removes what is gone; to be called from time to time.
    pub async fn tend(&self, now: Timestamp) -> Result<(), KeyringError> {
        self.toward(&self.settings.load_full(), now).await
    }

    /// The same for settings that are about to be in force, so that their keys are there when they are.
    pub async fn prepare(
        &self,
        wanted: Vec<Wanted>,
        policy: Policy,
        now: Timestamp,
    ) -> Result<(), KeyringError> {
        self.toward(&Settings { wanted, policy }, now).await
    }

    /// Seals anew what lies under the other root key, since a key outlives every other record.
    pub async fn reseal(&self, now: Timestamp) -> Result<(), KeyringError> {
        self.table.reseal_owned(RING, now).await?;
        Ok(())
    }

    async fn toward(&self, settings: &Settings, now: Timestamp) -> Result<(), KeyringError> {
        let turn = self.turn().await?;
        let mut records = self.read(now).await?;
        let mut done = Ok(());
        for change in plan(&records, &settings.wanted, now, &settings.policy) {
            done = done.and(self.apply(change, &mut records, now).await);
        }
        self.show(records, now, &turn)?;
        done
    }

    /// Reads the ring if that was last done `age` ago or longer. One reading for all, which goes on by itself; if it
    /// takes its time, or failed a moment ago, the last one stands.
    pub async fn freshen(self: &Arc<Self>, now: Timestamp, age: Duration) {
        if self.is_fresh(now, age) {
            return;
        }
        let Ok(only) = Arc::clone(&self.reading).try_lock_owned() else {
            // Another one reads.
            let _ = timeout(PATIENCE, self.reading.lock()).await;
            return;
        };
        let keyring = Arc::clone(self);
        let reading = tokio::spawn(async move {
            keyring.read_anew(now, age).await;
            drop(only);
        });
        let _ = timeout(PATIENCE, reading).await;
    }

    fn is_fresh(&self, now: Timestamp, age: Duration) -> bool {
        let failed = self.last_failure.load().as_deref().is_some_and(|failed| now.since(*failed) < PAUSE);
        failed || now.since(self.ring.load().read) < age
    }

    async fn read_anew(&self, now: Timestamp, age: Duration) {
        let read = async {
            let turn = self.turn().await?;
            if self.is_fresh(now, age) {
                return Ok(());
            }
            self.show(self.read(now).await?, now, &turn)
        };
        let read = read.await;
        self.last_failure.store(read.as_ref().err().map(|_| Arc::new(now)));
        if let Err(error) = read {
            self.failed(&error);
        }
    }

    /// The turn of whoever reads or changes the ring; nobody waits for it without end.
    pub(super) async fn turn(&self) -> Result<MutexGuard<'_, ()>, KeyringError> {
        timeout(TURN, self.turn.lock()).await.map_err(|_| KeyringError::Busy)
    }

    /// Says that the ring could not be read or changed.
    pub fn failed(&self, error: &KeyringError) {
        let facts = Facts { cause: Some(chain(error)), ..Facts::default() };
        Trace::new(self.events.clone(), None).because(
            Step::StoreFailed,
            reasons::server::KEYRING,
            None,
            facts,
        );
    }

    /// The key by which `upstream` shall know us now.
    pub fn signing(&self, upstream: &UpstreamName, now: Timestamp) -> Option<Arc<SigningKey>> {
        let ring = self.ring.load();
        let mut active =
            self.of(&ring, KeyUse::Signing, upstream, now).filter(|(_, state)| *state == State::Active);
        active.find_map(|(kept, _)| match &kept.material {
            Material::Signs(key) => Some(key.clone()),
            _ => None,
        })
    }

    /// The keys that open what `upstream` encrypts for us.
    pub fn decryption(&self, upstream: &UpstreamName, now: Timestamp) -> Vec<Arc<DecryptionKey>> {
        let ring = self.ring.load();
        let keys = self.of(&ring, KeyUse::Encryption, upstream, now).filter_map(|(kept, state)| {
            match (&kept.material, state) {
                (_, State::Gone | State::Revoked) => None,
                (Material::Decrypts(key), _) => Some(key.clone()),
                _ => None,
            }
        });
        keys.collect()
    }

    /// The public halves for `upstream`'s copy of our key set, the one in use first: of a key that signs as long as
    /// a signature of it may be looked at, of one that decrypts only while it shall be used.
    pub fn published(&self, usage: KeyUse, upstream: &UpstreamName, now: Timestamp) -> Vec<PublishedKey> {
        let ring = self.ring.load();
        let mut keys: Vec<_> = self
            .of(&ring, usage, upstream, now)
            .filter(|(_, state)| match state {
                State::Announced | State::Active => true,
                State::Deactivated => usage == KeyUse::Signing,
                State::Gone | State::Revoked => false,
            })
            .collect();
        keys.sort_by_key(|(_, state)| *state != State::Active);
        let public = |material: &Material| match material {
            Material::Signs(key) => Some(key.published()),
            Material::Decrypts(key) => Some(key.published()),
            Material::Other => None,
        };
        keys.into_iter().filter_map(|(kept, _)| public(&kept.material)).collect()
    }

    /// For how long others may keep our key set.
    pub fn cacheable(&self) -> Duration {
        self.settings.load().policy.cacheable()
    }

    /// The keys of a succession, and where each stands.
    fn of<'r>(
        &self,
        ring: &'r Ring,
        usage: KeyUse,
        upstream: &UpstreamName,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'r Kept, State)> {
        let policy = self.settings.load().policy;
        let succession = Succession { usage, upstream: Some(upstream.clone()) };
        let keys = ring.keys.iter().filter(move |kept| kept.record.succession == succession);
        keys.map(move |kept| (kept, state(&kept.record, kept.until, now, &policy)))
    }

    pub(super) async fn read(&self, now: Timestamp) -> Result<Vec<KeyRecord>, KeyringError> {
        let mut owned = self.table.owned(RING, now).await?;
        // Under another seal key the ring has another name, and nothing is there. Whoever finds records all the same
        // looks once more: a node that starts at this moment may have made them since.
        if owned.is_empty() && self.table.count().await? > 0 {
            owned = self.table.owned(RING, now).await?;
            if owned.is_empty() {
                return Err(KeyringError::Sealed);
            }
        }
        Ok(owned.into_iter().map(|(_, record)| record).collect())
    }

    /// Makes of records what is used from now on.
    pub(super) fn show(
        &self,
        records: Vec<KeyRecord>,
        now: Timestamp,
        _: &MutexGuard<'_, ()>,
    ) -> Result<(), KeyringError> {
        let untils: Vec<_> = records.iter().map(|key| active_until(&records, key)).collect();
        let keys = records.into_iter().zip(untils).map(|(mut record, until)| {
            let material = material(&record)?;
            record.private = Private::erased();
            Ok(Kept { record, until, material })
        });
        let keys = keys.collect::<Result<_, KeyringError>>()?;
        self.ring.store(Arc::new(Ring { read: now, keys }));
        Ok(())
    }

    /// Carries out a change, in the store and then in `records`.
    pub(super) async fn apply(
        &self,
        change: Change,
        records: &mut Vec<KeyRecord>,
        now: Timestamp,
    ) -> Result<(), KeyringError> {
        match change {
            Change::Make { wanted, generation, active_from } => {
                let made = self.make(&wanted, generation, active_from, now).await?;
                records.push(made);
            }
            Change::Advance { succession, generation } => {
                let is = |key: &&mut KeyRecord| key.succession == succession && key.generation == generation;
                if let Some(key) = records.iter_mut().find(is) {
                    key.active_from = now;
                    let key = key.clone();
                    self.replace(&key, now).await?;
                    self.say(Step::KeyMade, &key);
                }
            }
            Change::Forget { succession, generation } => {
                self.table.forget(&KeyRecord::handle(&succession, generation)).await?;
                records.retain(|key| key.succession != succession || key.generation != generation);
            }
        }
        Ok(())
    }

    /// A key of that place: ours, or that of another node which was there first.
    async fn make(
        &self,
        wanted: &Wanted,
        generation: u32,
        active_from: Timestamp,
        now: Timestamp,
    ) -> Result<KeyRecord, KeyringError> {
        let handle = KeyRecord::handle(&wanted.succession, generation);
        let record = KeyRecord::make(wanted, generation, active_from, now, &*self.entropy)?;
        if self.table.insert_new(&handle, &record, NEVER, &[RING.into()], now).await? {
            self.say(Step::KeyMade, &record);
            return Ok(record);
        }
        let theirs = self.table.read(&handle, now).await?;
        theirs.map(|(record, _)| record).ok_or(KeyringError::Sealed)
    }

    pub(super) async fn replace(&self, key: &KeyRecord, now: Timestamp) -> Result<(), KeyringError> {
        let handle = KeyRecord::handle(&key.succession, key.generation);
        self.table.put(&handle, key, NEVER, &[RING.into()], now).await?;
        Ok(())
    }

    pub(super) fn say(&self, step: Step, key: &KeyRecord) {
        let mut trace = Trace::new(self.events.clone(), None);
        trace.upstream.clone_from(&key.succession.upstream);
        let facts = Facts {
            kid: Some(key.kid.clone()),
            alg: Some(key.alg.as_str().to_owned()),
            names: Some(key.succession.usage.name().to_owned()),
            ..Facts::default()
        };
        trace.step(step, facts);
    }
}

fn material(key: &KeyRecord) -> Result<Material, KeyringError> {
    let private = key.private.0.expose();
    let unreadable = || KeyringError::Make(CannotMake);
    Ok(match key.alg {
        _ if key.revoked.is_some() => Material::Other,
        KeyAlg::Hs256 => Material::Other,
        KeyAlg::Es256 => {
            let key = SigningKey::from_pkcs8(Some(key.kid.clone()), Some(Alg::Es256), private);
            Material::Signs(Arc::new(key.map_err(|_| unreadable())?))
        }
        KeyAlg::EcdhEs | KeyAlg::RsaOaep256 => {
            let key = DecryptionKey::from_pkcs8(Some(key.kid.clone()), private);
            Material::Decrypts(Arc::new(key.map_err(|_| unreadable())?))
        }
    })
}
