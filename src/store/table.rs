//! Typed tables over a store: what a backend keeps, it cannot read.
//!
//! A record's value is `01` ‖ seal-key id (4 bytes) ‖ nonce (12) ‖ ciphertext and tag, sealed by AES-256-GCM
//! with kind ‖ `00` ‖ key digest as associated data, so that no record can stand in another's place. Inside
//! is JSON. The next release keeps reading this format when it writes another.

use std::iter;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{Key, Kind, Owner, Record, Spend, Store, StoreError, Version};
use crate::clock::Timestamp;
use crate::crypto::hash::{hmac_sha256, sha256};
use crate::crypto::seal::{IV, SealKey};
use crate::entropy::Entropy;
use crate::secret::Secret;

/// An owner as a tag that says what it is (`"session"`, without NUL) and the owner's own identifier.
pub type OwnerRef<'a> = (&'a str, &'a [u8]);

const FORMAT: u8 = 1;
const KEY_ID: usize = 4;

/// One kind of record, of type `T`. Handles and owners reach the backend as digests only.
pub struct Table<T> {
    store: Arc<dyn Store>,
    sealer: Sealer,
    kind: Kind,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), sealer: self.sealer.clone(), kind: self.kind, of: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The records of `kind` in `store`. One kind has one type.
    pub fn new(store: Arc<dyn Store>, sealer: Sealer, kind: Kind) -> Self {
        Self { store, sealer, kind, of: PhantomData }
    }

    /// Inserts unless the handle is taken, by a spent record too; tells whether it did.
    pub async fn insert_new(
        &self,
        handle: &[u8],
        value: &T,
        expires: Timestamp,
        owners: &[OwnerRef<'_>],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = self.key(handle);
        let record = self.record(key, value, expires, owners)?;
        self.store.insert_new(self.kind, key, record, now).await
    }

    /// Inserts or replaces.
    pub async fn put(
        &self,
        handle: &[u8],
        value: &T,
        expires: Timestamp,
        owners: &[OwnerRef<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = self.key(handle);
        let record = self.record(key, value, expires, owners)?;
        self.store.put(self.kind, key, record, now).await
    }

    /// The value and the state that it was read in; a spent one is absent.
    pub async fn read(&self, handle: &[u8], now: Timestamp) -> Result<Option<(T, Version)>, StoreError> {
        let key = self.key(handle);
        let Some(record) = self.store.read(self.kind, key, now).await? else { return Ok(None) };
        Ok(Some((self.open(key, &record)?, record.version)))
    }

    /// Replaces if nothing happened to the record since it was read as `version`; tells whether it did.
    pub async fn replace_if(
        &self,
        handle: &[u8],
        version: Version,
        value: &T,
        expires: Timestamp,
        owners: &[OwnerRef<'_>],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = self.key(handle);
        let record = self.record(key, value, expires, owners)?;
        self.store.replace_if(self.kind, key, version, record, now).await
    }

    /// Marks as spent: one caller gets [`Spend::Fresh`], every later one [`Spend::Spent`] until it expires.
    pub async fn spend(&self, handle: &[u8], now: Timestamp) -> Result<Spend<T>, StoreError> {
        let key = self.key(handle);
        Ok(match self.store.spend(self.kind, key, now).await? {
            Spend::Fresh(record) => Spend::Fresh(self.open(key, &record)?),
            Spend::Spent(record) => Spend::Spent(self.open(key, &record)?),
            Spend::Absent => Spend::Absent,
        })
    }

    /// Removes and returns; exactly one of any number of takers gets it.
    pub async fn take(&self, handle: &[u8], now: Timestamp) -> Result<Option<T>, StoreError> {
        let key = self.key(handle);
        let record = self.store.take(self.kind, key, now).await?;
        record.map(|record| self.open(key, &record)).transpose()
    }

    /// Removes, whether it is there or not.
    pub async fn forget(&self, handle: &[u8]) -> Result<(), StoreError> {
        self.forget_key(self.key(handle)).await
    }

    /// Removes what [`Table::owned`] found.
    pub async fn forget_key(&self, key: Key) -> Result<(), StoreError> {
        self.store.forget(self.kind, key).await
    }

    /// The living, unspent records of `owner`, oldest first; those under the other root key last.
    pub async fn owned(&self, owner: OwnerRef<'_>, now: Timestamp) -> Result<Vec<(Key, T)>, StoreError> {
        let mut owned = Vec::new();
        for name in self.sealer.owners(owner) {
            for (key, record) in self.store.owned(self.kind, name, now).await? {
                owned.push((key, self.open(key, &record)?));
            }
        }
        Ok(owned)
    }

    /// How many living, unspent records `owner` has; does not read them.
    pub async fn count_owned(&self, owner: OwnerRef<'_>, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = 0;
        for name in self.sealer.owners(owner) {
            count += self.store.count_owned(self.kind, name, now).await?;
        }
        Ok(count)
    }

    /// Removes all records of `owner`, spent or not; tells how many.
    pub async fn forget_owned(&self, owner: OwnerRef<'_>) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        for name in self.sealer.owners(owner) {
            forgotten += self.store.forget_owned(self.kind, name).await?;
        }
        Ok(forgotten)
    }

    /// Seals anew what belongs to `owner` alone and lies under the other root key; tells how many.
    pub async fn reseal_owned(&self, owner: OwnerRef<'_>, now: Timestamp) -> Result<usize, StoreError> {
        let mut resealed = 0;
        for name in self.sealer.owners(owner).skip(1) {
            for (key, found) in self.store.owned(self.kind, name, now).await? {
                let value = self.open(key, &found)?;
                let record = self.record(key, &value, found.expires, &[owner])?;
                let done = self.store.replace_if(self.kind, key, found.version, record, now).await?;
                resealed += usize::from(done);
            }
        }
        Ok(resealed)
    }

    /// How many records are kept, expired but unswept ones perhaps included.
    pub async fn count(&self) -> Result<usize, StoreError> {
        self.store.count(self.kind).await
    }

    fn key(&self, handle: &[u8]) -> Key {
        Key(sha256(&[self.kind.name().as_bytes(), &[0], handle]))
    }

    fn record(
        &self,
        key: Key,
        value: &T,
        expires: Timestamp,
        owners: &[OwnerRef<'_>],
    ) -> Result<Record, StoreError> {
        // A type whose JSON cannot be written (a map with keys that are no strings) could not be read either.
        let json = serde_json::to_vec(value).map(Zeroizing::new).map_err(|_| StoreError::Unreadable)?;
        Ok(Record {
            value: self.sealer.seal(self.kind, key, &json),
            version: Version(self.sealer.entropy.bytes()),
            expires,
            owners: owners.iter().map(|owner| self.sealer.root.owner(*owner)).collect(),
        })
    }

    fn open(&self, key: Key, record: &Record) -> Result<T, StoreError> {
        let json = self.sealer.open(self.kind, key, &record.value)?;
        serde_json::from_slice(&json).map_err(|_| StoreError::Unreadable)
    }
}

/// Seals values and names owners; cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    root: Arc<Root>,
    /// Opens what lies under it, and seals nothing.
    other: Option<Arc<Root>>,
    entropy: Arc<dyn Entropy>,
}

/// The keys of one root key.
struct Root {
    id: [u8; KEY_ID],
    seal: Secret<[u8; 32]>,
    owner: Secret<[u8; 32]>,
}

impl Sealer {
    /// From the root key, of which each use gets a key of its own.
    pub fn new(root: &Secret<[u8; 32]>, entropy: Arc<dyn Entropy>) -> Self {
        Self { root: Arc::new(Root::new(root)), other: None, entropy }
    }

    /// What `other` has sealed opens too: the former root key, or the next one, which other nodes use already.
    #[must_use]
    pub fn opening_also(self, other: &Secret<[u8; 32]>) -> Self {
        Self { other: Some(Arc::new(Root::new(other))), ..self }
    }

    /// The names of an owner, the present one first.
    fn owners(&self, owner: OwnerRef<'_>) -> impl Iterator<Item = Owner> {
        self.roots().map(move |root| root.owner(owner))
    }

    fn roots(&self) -> impl Iterator<Item = &Root> {
        iter::once(&self.root).chain(&self.other).map(|root| &**root)
    }

    fn seal(&self, kind: Kind, key: Key, plaintext: &[u8]) -> Vec<u8> {
        let aad = associated(kind, key);
        let nonce: [u8; IV] = self.entropy.bytes();
        let ciphertext = self.root.cipher(&aad).seal(&nonce, &aad, plaintext);
        [&[FORMAT][..], &self.root.id, &nonce, &ciphertext].concat()
    }

    fn open(&self, kind: Kind, key: Key, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let parts = sealed.strip_prefix(&[FORMAT]).and_then(|rest| {
            let (id, rest) = rest.split_first_chunk::<KEY_ID>()?;
            let (nonce, ciphertext) = rest.split_first_chunk::<IV>()?;
            Some((self.roots().find(|root| root.id == *id)?, nonce, ciphertext))
        });
        let (root, nonce, ciphertext) = parts.ok_or(StoreError::Unreadable)?;
        let aad = associated(kind, key);
        let opened = root.cipher(&aad).open(nonce, &aad, ciphertext);
        opened.map(Zeroizing::new).map_err(|_| StoreError::Unreadable)
    }
}

impl Root {
    fn new(root: &Secret<[u8; 32]>) -> Self {
        let derive = |purpose: &[u8]| hmac_sha256(root.expose(), purpose);
        let [a, b, c, d, ..] = derive(b"relais store key id");
        Self {
            id: [a, b, c, d],
            seal: Secret::new(derive(b"relais store seal")),
            owner: Secret::new(derive(b"relais store owner")),
        }
    }

    fn owner(&self, (tag, id): OwnerRef<'_>) -> Owner {
        Owner(hmac_sha256(self.owner.expose(), &[tag.as_bytes(), &[0], id].concat()))
    }

    /// Each place has a key of its own: with random nonces one key may seal 2^32 texts (NIST SP 800-38D,
    /// section 8.3), and a busy relay would write as many in a season.
    fn cipher(&self, place: &[u8]) -> SealKey {
        SealKey::new(&Zeroizing::new(hmac_sha256(self.seal.expose(), place)))
    }
}

fn associated(kind: Kind, key: Key) -> Vec<u8> {
    [kind.name().as_bytes(), &[0], &key.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::store::Memory;

    fn sealer(root: u8) -> Sealer {
        Sealer::new(&Secret::new([root; 32]), Arc::new(SystemEntropy::new()))
    }

    #[test]
    fn a_value_opens_only_in_its_own_place() {
        let (here, there) = (Key([1; 32]), Key([2; 32]));
        let sealed = sealer(7).seal(Kind::Probe, here, b"text");
        assert_eq!(sealer(7).open(Kind::Probe, here, &sealed).unwrap().as_slice(), b"text");
        assert!(sealer(7).open(Kind::Probe, there, &sealed).is_err());
        assert!(sealer(7).open(Kind::Answer, here, &sealed).is_err());
        assert!(sealer(8).open(Kind::Probe, here, &sealed).is_err());
    }

    #[test]
    fn a_changed_or_shortened_value_does_not_open() {
        let key = Key([1; 32]);
        let sealed = sealer(7).seal(Kind::Probe, key, b"text");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(sealer(7).open(Kind::Probe, key, &changed).is_err(), "byte {place}");
            assert!(sealer(7).open(Kind::Probe, key, &sealed[..place]).is_err(), "length {place}");
        }
    }

    #[tokio::test]
    async fn the_verbs_carry_values() {
        let at = Timestamp::from_millis;
        let table = Table::<String>::new(Arc::new(Memory::new(|_| 10)), sealer(7), Kind::Probe);
        let owner = ("person", &b"p1"[..]);
        assert!(table.insert_new(b"h1", &"one".into(), at(10), &[owner], at(0)).await.unwrap());
        assert!(!table.insert_new(b"h1", &"two".into(), at(10), &[owner], at(0)).await.unwrap());
        let (value, version) = table.read(b"h1", at(0)).await.unwrap().unwrap();
        assert_eq!(value, "one");
        assert!(table.replace_if(b"h1", version, &"three".into(), at(9), &[owner], at(0)).await.unwrap());
        assert!(!table.replace_if(b"h1", version, &"four".into(), at(9), &[owner], at(0)).await.unwrap());
        table.put(b"h2", &"five".into(), at(10), &[owner, ("app", b"p1")], at(0)).await.unwrap();
        assert_eq!(table.count_owned(owner, at(9)).await.unwrap(), 2);
        let owned = table.owned(owner, at(0)).await.unwrap();
        assert_eq!(owned.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["three", "five"]);
        assert_eq!(table.owned(("app", b"p1"), at(0)).await.unwrap().len(), 1);
        table.forget_key(owned[0].0).await.unwrap();
        assert_eq!(table.take(b"h1", at(0)).await.unwrap(), None);
        assert_eq!(table.spend(b"h2", at(0)).await.unwrap(), Spend::Fresh("five".into()));
        assert_eq!(table.spend(b"h2", at(0)).await.unwrap(), Spend::Spent("five".into()));
        assert_eq!(table.forget_owned(owner).await.unwrap(), 1);
        assert_eq!(table.count().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn another_root_key_is_told_apart_from_absence() {
        let at = Timestamp::from_millis;
        let store: Arc<dyn Store> = Arc::new(Memory::new(|_| 10));
        let table = Table::<u32>::new(Arc::clone(&store), sealer(7), Kind::Probe);
        table.put(b"h", &1, at(10), &[], at(0)).await.unwrap();
        let stranger = Table::<u32>::new(store, sealer(8), Kind::Probe);
        assert!(matches!(stranger.read(b"h", at(0)).await, Err(StoreError::Unreadable)));
    }
    #[tokio::test]
    async fn the_other_root_key_opens_and_seals_nothing() {
        let at = Timestamp::from_millis;
        let store: Arc<dyn Store> = Arc::new(Memory::new(|_| 10));
        let table = |sealer| Table::<u32>::new(Arc::clone(&store), sealer, Kind::Probe);
        let owner = ("person", &b"p1"[..]);
        let (old, new) = (table(sealer(7)), table(sealer(8)));
        // In the midst of the change one node seals under each, and both read everything.
        let before = table(sealer(7).opening_also(&Secret::new([8; 32])));
        let after = table(sealer(8).opening_also(&Secret::new([7; 32])));
        before.put(b"h1", &1, at(10), &[owner], at(0)).await.unwrap();
        after.put(b"h2", &2, at(10), &[owner], at(0)).await.unwrap();
        for node in [&before, &after] {
            assert_eq!(node.read(b"h1", at(0)).await.unwrap().unwrap().0, 1);
            assert_eq!(node.read(b"h2", at(0)).await.unwrap().unwrap().0, 2);
            assert_eq!(node.count_owned(owner, at(0)).await.unwrap(), 2);
            assert_eq!(node.owned(owner, at(0)).await.unwrap().len(), 2);
        }
        assert!(new.read(b"h1", at(0)).await.is_err());
        assert!(old.read(b"h2", at(0)).await.is_err());
        // Sealed anew, a record is found without the former key, and needs it no more.
        assert_eq!(after.reseal_owned(owner, at(0)).await.unwrap(), 1);
        assert_eq!(after.reseal_owned(owner, at(0)).await.unwrap(), 0);
        assert_eq!(new.read(b"h1", at(0)).await.unwrap().unwrap().0, 1);
        assert_eq!(new.owned(owner, at(0)).await.unwrap().len(), 2);
        before.put(b"h3", &3, at(10), &[owner], at(0)).await.unwrap();
        assert_eq!(after.forget_owned(owner).await.unwrap(), 3);
        assert_eq!(after.count().await.unwrap(), 0);
    }
}
