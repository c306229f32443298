//! Typed tables over a store: what a backend keeps, it cannot read.
//!
//! A record's value is `02` ‖ seal-key id (4 bytes) ‖ nonce (12) ‖ ciphertext and tag, sealed by AES-256-GCM
//! with kind ‖ `00` ‖ key digest as associated data, so that no record can stand in another's place. Inside
//! is JSON, packed; in a record of version 0.1, which begins with `01`, it is JSON as it is. The next release keeps
//! reading this format when it writes another.

use std::iter;
use std::marker::PhantomData;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::packed::{pack, unpack};
use super::{
    Claim, Entry, Ephemeral, Insert, Key, Kind, Owner, Record, Share, Spend, Store, StoreError, Version,
};
use crate::clock::Timestamp;
use crate::crypto::hash::{HmacKey, hmac_sha256, sha256};
use crate::crypto::seal::{IV, SealKey};
use crate::entropy::Entropy;
use crate::secret::Secret;

/// An owner: a tag that says what it is (`"session"`, without NUL) and the owner's own identifier; a pair of them is
/// one without a share.
#[derive(Clone, Copy)]
pub struct OwnerRef<'a> {
    tag: &'static str,
    id: &'a [u8],
    share: Option<Share>,
}

impl OwnerRef<'_> {
    /// This owner, of whose records there may be no more than its share when one is inserted.
    #[must_use]
    pub fn within(self, share: Share) -> Self {
        Self { share: Some(share), ..self }
    }
}

impl<'a> From<(&'static str, &'a [u8])> for OwnerRef<'a> {
    fn from((tag, id): (&'static str, &'a [u8])) -> Self {
        Self { tag, id, share: None }
    }
}

const FORMAT: u8 = 2;
/// Not packed, and so packed as it is.
const FORMER: u8 = 1;
const KEY_ID: usize = 4;

/// The records of type `R`. Handles and owners reach the backend as digests only.
pub struct Table<R> {
    store: Arc<dyn Store>,
    sealer: Sealer,
    of: PhantomData<fn() -> R>,
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), sealer: self.sealer.clone(), of: PhantomData }
    }
}

/// Where records may go, and what seals them.
pub struct Stores<'a> {
    /// What may be lost.
    pub store: &'a Arc<dyn Store>,
    /// What becomes of it.
    pub ephemeral: Ephemeral,
    /// What must be there.
    pub durable: &'a Arc<dyn Store>,
    /// Seals both.
    pub sealer: &'a Sealer,
}

impl Stores<'_> {
    /// The records of type `R`, where their class belongs.
    pub fn table<R: Record>(&self) -> Table<R> {
        let store = if R::KIND.is_durable(self.ephemeral) { self.durable } else { self.store };
        Table::new(store.clone(), self.sealer.clone())
    }
}

impl<R: Record> Table<R> {
    /// The records of this type in `store`.
    pub fn new(store: Arc<dyn Store>, sealer: Sealer) -> Self {
        Self { store, sealer, of: PhantomData }
    }

    /// Inserts, within the shares of its owners, unless the handle is taken, by a spent record too; tells whether it
    /// did.
    pub async fn insert_new(
        &self,
        handle: &[u8],
        value: &R,
        expires: Timestamp,
        owners: &[OwnerRef<'_>],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = Self::key(handle);
        let entry = self.entry(key, value, expires, owners)?;
        let claims = self.sealer.claims(owners);
        self.store.insert(R::KIND, key, entry, Insert { replaces: false, claims: &claims }, now).await
    }

    /// Inserts, within the shares of its owners, or replaces.
    pub async fn put(
        &self,
        handle: &[u8],
        value: &R,
        expires: Timestamp,
        owners: &[OwnerRef<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = Self::key(handle);
        let entry = self.entry(key, value, expires, owners)?;
        let claims = self.sealer.claims(owners);
        let insert = Insert { replaces: true, claims: &claims };
        self.store.insert(R::KIND, key, entry, insert, now).await.map(drop)
    }

    /// The value and the state that it was read in; a spent one is absent.
    pub async fn read(&self, handle: &[u8], now: Timestamp) -> Result<Option<(R, Version)>, StoreError> {
        let key = Self::key(handle);
        let Some(record) = self.store.read(R::KIND, key, now).await? else { return Ok(None) };
        Ok(Some((self.open(key, &record)?, record.version)))
    }

    /// Replaces if nothing happened to the record since it was read as `version`; the state that it is in now, if it did.
    /// It keeps its owners where none is named.
    pub async fn replace_if(
        &self,
        handle: &[u8],
        version: Version,
        value: &R,
        expires: Timestamp,
        owners: &[OwnerRef<'_>],
        now: Timestamp,
    ) -> Result<Option<Version>, StoreError> {
        let key = Self::key(handle);
        let entry = self.entry(key, value, expires, owners)?;
        let new = entry.version;
        Ok(self.store.replace_if(R::KIND, key, version, entry, now).await?.then_some(new))
    }

    /// Marks as spent: one caller gets [`Spend::Fresh`], every later one [`Spend::Spent`] until it expires.
    pub async fn spend(&self, handle: &[u8], now: Timestamp) -> Result<Spend<R>, StoreError> {
        let key = Self::key(handle);
        Ok(match self.store.spend(R::KIND, key, now).await? {
            Spend::Fresh(record) => Spend::Fresh(self.open(key, &record)?),
            Spend::Spent(record) => Spend::Spent(self.open(key, &record)?),
            Spend::Absent => Spend::Absent,
        })
    }

    /// Removes and returns; exactly one of any number of takers gets it.
    pub async fn take(&self, handle: &[u8], now: Timestamp) -> Result<Option<R>, StoreError> {
        let key = Self::key(handle);
        let record = self.store.take(R::KIND, key, now).await?;
        record.map(|record| self.open(key, &record)).transpose()
    }

    /// Removes if nothing happened to the record since it was read as `version`; tells whether it did.
    pub async fn take_if(&self, handle: &[u8], version: Version, now: Timestamp) -> Result<bool, StoreError> {
        let taken = self.store.take_if(R::KIND, Self::key(handle), Some(version), now).await?;
        Ok(taken.is_some())
    }

    /// Removes, whether it is there or not.
    pub async fn forget(&self, handle: &[u8]) -> Result<(), StoreError> {
        self.forget_key(Self::key(handle)).await
    }

    /// Removes what [`Table::owned`] found.
    pub async fn forget_key(&self, key: Key) -> Result<(), StoreError> {
        self.store.forget(R::KIND, key).await
    }

    /// The living, unspent records of `owner`, oldest first; those under the other root key last.
    pub async fn owned<'a>(
        &self,
        owner: impl Into<OwnerRef<'a>>,
        now: Timestamp,
    ) -> Result<Vec<(Key, R)>, StoreError> {
        let mut owned = Vec::new();
        for name in self.sealer.owners(owner.into()) {
            for (key, record) in self.store.owned(R::KIND, name, now).await? {
                owned.push((key, self.open(key, &record)?));
            }
        }
        Ok(owned)
    }

    /// How many living, unspent records `owner` has; does not read them.
    pub async fn count_owned<'a>(
        &self,
        owner: impl Into<OwnerRef<'a>>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut count = 0;
        for name in self.sealer.owners(owner.into()) {
            count += self.store.count_owned(R::KIND, name, now).await?;
        }
        Ok(count)
    }

    /// Removes all records of `owner`, spent or not; tells how many.
    pub async fn forget_owned<'a>(&self, owner: impl Into<OwnerRef<'a>>) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        for name in self.sealer.owners(owner.into()) {
            forgotten += self.store.forget_owned(R::KIND, name).await?;
        }
        Ok(forgotten)
    }

    /// Seals anew what belongs to `owner` alone and lies under the other root key; tells how many.
    pub async fn reseal_owned<'a>(
        &self,
        owner: impl Into<OwnerRef<'a>>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (owner, mut resealed) = (owner.into(), 0);
        for name in self.sealer.owners(owner).skip(1) {
            for (key, found) in self.store.owned(R::KIND, name, now).await? {
                let value = self.open(key, &found)?;
                let entry = self.entry(key, &value, found.expires, &[owner])?;
                let done = self.store.replace_if(R::KIND, key, found.version, entry, now).await?;
                resealed += usize::from(done);
            }
        }
        Ok(resealed)
    }

    /// How many records are kept, expired but unswept ones perhaps included.
    pub async fn count(&self) -> Result<usize, StoreError> {
        self.store.count(R::KIND).await
    }

    fn key(handle: &[u8]) -> Key {
        Key(sha256(&[R::KIND.name.as_bytes(), &[0], handle]))
    }

    fn entry(
        &self,
        key: Key,
        value: &R,
        expires: Timestamp,
        owners: &[OwnerRef<'_>],
    ) -> Result<Entry, StoreError> {
        // A type whose JSON cannot be written (a map with keys that are no strings) could not be read either.
        let json = serde_json::to_vec(value).map(Zeroizing::new).map_err(|_| StoreError::Unreadable)?;
        Ok(Entry {
            value: self.sealer.seal(R::KIND, key, &Zeroizing::new(pack(&json))),
            version: Version(self.sealer.entropy.bytes()),
            expires,
            owners: owners.iter().map(|owner| self.sealer.root.owner(*owner)).collect(),
        })
    }

    fn open(&self, key: Key, record: &Entry) -> Result<R, StoreError> {
        let packed = self.sealer.open(R::KIND, key, &record.value)?;
        let json = unpack(&packed).map(Zeroizing::new).ok_or(StoreError::Unreadable)?;
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
    seal: HmacKey,
    owner: HmacKey,
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

    /// A key for another purpose, derived from the root key.
    pub fn derived(&self, purpose: &[u8]) -> Secret<[u8; 32]> {
        Secret::new(self.root.owner.sha256(&[purpose]))
    }

    /// The names of an owner, the present one first.
    fn owners(&self, owner: OwnerRef<'_>) -> impl Iterator<Item = Owner> {
        self.roots().map(move |root| root.owner(owner))
    }

    /// The shares that are claimed, under the present name of each owner.
    fn claims(&self, owners: &[OwnerRef<'_>]) -> Vec<Claim> {
        let claim = |owner: &OwnerRef<'_>| {
            Some(Claim { owner: self.root.owner(*owner), tag: owner.tag, share: owner.share? })
        };
        owners.iter().filter_map(claim).collect()
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
        let rest = sealed.strip_prefix(&[FORMAT]).or_else(|| sealed.strip_prefix(&[FORMER]));
        let parts = rest.and_then(|rest| {
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
            seal: HmacKey::new(&*Zeroizing::new(derive(b"relais store seal"))),
            owner: HmacKey::new(&*Zeroizing::new(derive(b"relais store owner"))),
        }
    }

    fn owner(&self, OwnerRef { tag, id, .. }: OwnerRef<'_>) -> Owner {
        Owner(self.owner.sha256(&[tag.as_bytes(), &[0], id]))
    }

    /// Each place has a key of its own: with random nonces one key may seal 2^32 texts (NIST SP 800-38D,
    /// section 8.3), and a busy relay would write as many in a season.
    fn cipher(&self, place: &[u8]) -> SealKey {
        SealKey::new(&Zeroizing::new(self.seal.sha256(&[place])))
    }
}

fn associated(kind: Kind, key: Key) -> Vec<u8> {
    [kind.name.as_bytes(), &[0], &key.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::store::Memory;
    use crate::store::contract::{OTHER, PROBE, Probe, kinds};

    fn sealer(root: u8) -> Sealer {
        Sealer::new(&Secret::new([root; 32]), Arc::new(SystemEntropy::new()))
    }

    #[test]
    fn a_value_opens_only_in_its_own_place() {
        let (here, there) = (Key([1; 32]), Key([2; 32]));
        let sealed = sealer(7).seal(PROBE, here, b"text");
        assert_eq!(sealer(7).open(PROBE, here, &sealed).unwrap().as_slice(), b"text");
        assert!(sealer(7).open(PROBE, there, &sealed).is_err());
        assert!(sealer(7).open(OTHER, here, &sealed).is_err());
        assert!(sealer(8).open(PROBE, here, &sealed).is_err());
    }

    #[test]
    fn a_changed_or_shortened_value_does_not_open() {
        let key = Key([1; 32]);
        let sealed = sealer(7).seal(PROBE, key, b"text");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(sealer(7).open(PROBE, key, &changed).is_err(), "byte {place}");
            assert!(sealer(7).open(PROBE, key, &sealed[..place]).is_err(), "length {place}");
        }
    }

    #[tokio::test]
    async fn the_verbs_carry_values() {
        let at = Timestamp::from_millis;
        let table = Table::<Probe>::new(Arc::new(Memory::new(kinds(10))), sealer(7));
        let owner = ("person", &b"p1"[..]);
        assert!(table.insert_new(b"h1", &"one".into(), at(10), &[owner.into()], at(0)).await.unwrap());
        assert!(!table.insert_new(b"h1", &"two".into(), at(10), &[owner.into()], at(0)).await.unwrap());
        let (value, version) = table.read(b"h1", at(0)).await.unwrap().unwrap();
        assert_eq!(value, "one".into());
        assert!(
            table.replace_if(b"h1", version, &"three".into(), at(9), &[], at(0)).await.unwrap().is_some()
        );
        assert!(table.replace_if(b"h1", version, &"four".into(), at(9), &[], at(0)).await.unwrap().is_none());
        table
            .put(b"h2", &"five".into(), at(10), &[owner.into(), ("app", &b"p1"[..]).into()], at(0))
            .await
            .unwrap();
        assert_eq!(table.count_owned(owner, at(9)).await.unwrap(), 2);
        let owned = table.owned(owner, at(0)).await.unwrap();
        assert_eq!(owned.iter().map(|(_, value)| value.0.as_str()).collect::<Vec<_>>(), ["three", "five"]);
        assert_eq!(table.owned(("app", &b"p1"[..]), at(0)).await.unwrap().len(), 1);
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
        let store: Arc<dyn Store> = Arc::new(Memory::new(kinds(10)));
        let table = Table::<Probe>::new(Arc::clone(&store), sealer(7));
        table.put(b"h", &"1".into(), at(10), &[], at(0)).await.unwrap();
        let stranger = Table::<Probe>::new(store, sealer(8));
        assert!(matches!(stranger.read(b"h", at(0)).await, Err(StoreError::Unreadable)));
    }
    #[tokio::test]
    async fn the_other_root_key_opens_and_seals_nothing() {
        let at = Timestamp::from_millis;
        let store: Arc<dyn Store> = Arc::new(Memory::new(kinds(10)));
        let table = |sealer| Table::<Probe>::new(Arc::clone(&store), sealer);
        let owner = ("person", &b"p1"[..]);
        let (old, new) = (table(sealer(7)), table(sealer(8)));
        // In the midst of the change one node seals under each, and both read everything.
        let before = table(sealer(7).opening_also(&Secret::new([8; 32])));
        let after = table(sealer(8).opening_also(&Secret::new([7; 32])));
        before.put(b"h1", &"1".into(), at(10), &[owner.into()], at(0)).await.unwrap();
        after.put(b"h2", &"2".into(), at(10), &[owner.into()], at(0)).await.unwrap();
        for node in [&before, &after] {
            assert_eq!(node.read(b"h1", at(0)).await.unwrap().unwrap().0, "1".into());
            assert_eq!(node.read(b"h2", at(0)).await.unwrap().unwrap().0, "2".into());
            assert_eq!(node.count_owned(owner, at(0)).await.unwrap(), 2);
            assert_eq!(node.owned(owner, at(0)).await.unwrap().len(), 2);
        }
        assert!(new.read(b"h1", at(0)).await.is_err());
        assert!(old.read(b"h2", at(0)).await.is_err());
        // Sealed anew, a record is found without the former key, and needs it no more.
        assert_eq!(after.reseal_owned(owner, at(0)).await.unwrap(), 1);
        assert_eq!(after.reseal_owned(owner, at(0)).await.unwrap(), 0);
        assert_eq!(new.read(b"h1", at(0)).await.unwrap().unwrap().0, "1".into());
        assert_eq!(new.owned(owner, at(0)).await.unwrap().len(), 2);
        before.put(b"h3", &"3".into(), at(10), &[owner.into()], at(0)).await.unwrap();
        assert_eq!(after.forget_owned(owner).await.unwrap(), 3);
        assert_eq!(after.count().await.unwrap(), 0);
    }
}
