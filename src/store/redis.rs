//! The store in Redis or Valkey: the ephemeral class, for any number of nodes.
//!
//! Each verb that decides is one script, which Redis runs whole. Expiry stands in the record and is judged by
//! our clock. Nothing may be evicted: a server whose `maxmemory-policy` would is refused. Replication is
//! Redis's own, and lags: what a lost primary had acknowledged and no replica had yet is lost, unless
//! [`RedisSettings::wait_replicas`] asks for replicas.

mod connection;
mod scripts;
mod survey;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{
    Client, FromRedisValue, InfoDict, RedisError, RedisResult, Script, ScriptInvocation, TlsCertificates,
};

use super::kind::ByKind;
use super::share::inserted;
use super::{Entry, Insert, Key, Kind, Over, Owner, Spend, Store, StoreError, Version};
use crate::clock::Timestamp;
use crate::secret::Secret;
use connection::Connection;
use scripts::Scripts;

pub use survey::RedisFacts;

/// Records that one script clears.
const CHUNK: usize = 100;

/// How Redis is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// `redis://`, `rediss://` (TLS) or `unix://`; with a password, a secret.
    pub url: Secret<String>,
    /// The authorities that vouch for the server, PEM, instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// What every key begins with.
    pub prefix: String,
    /// How long a call may take.
    pub timeout: Duration,
    /// How many replicas must have a write before it is acknowledged.
    pub wait_replicas: usize,
}

/// Why Redis cannot be a store.
#[derive(Debug, thiserror::Error)]
pub enum RedisOpenError {
    /// The file of the authorities.
    #[error("cannot read {}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The URL.
    #[error("Redis's URL cannot be used")]
    Url(#[source] RedisError),
    /// Redis.
    #[error("Redis cannot be used")]
    Server(#[source] StoreError),
}

/// Redis throws away what is alive when its memory is full.
#[derive(Debug, thiserror::Error)]
#[error("Redis evicts under maxmemory-policy {0:?}: set it to noeviction")]
struct Evicts(String);

/// A write is on too few machines.
#[derive(Debug, thiserror::Error)]
#[error("only {had} of {wanted} replicas had the write in time")]
struct TooFewReplicas {
    had: usize,
    wanted: usize,
}

/// In Redis or Valkey: what a node's end does not end.
pub struct Redis {
    connection: Connection,
    scripts: Scripts,
    settings: RedisSettings,
    ceilings: ByKind<usize>,
}

impl Redis {
    /// Connects, for these kinds, each with its ceiling, spent records included.
    pub async fn open(
        settings: &RedisSettings,
        ceilings: impl IntoIterator<Item = (Kind, usize)>,
    ) -> Result<Self, RedisOpenError> {
        let connection = Connection::new(client(settings).await?, settings.timeout);
        let ceilings = ceilings.into_iter().collect();
        let store = Self { connection, scripts: Scripts::new(), settings: settings.clone(), ceilings };
        store.ready().await.map_err(RedisOpenError::Server)?;
        Ok(store)
    }

    fn name(&self, what: &str, kind: Kind) -> Vec<u8> {
        [&self.settings.prefix, what, kind.name].concat().into_bytes()
    }

    /// The start of a script's arguments.
    fn of<'s>(&self, script: &'s Script, kind: Kind, now: Timestamp) -> ScriptInvocation<'s> {
        let mut invocation = script.prepare_invoke();
        invocation.arg(&self.settings.prefix).arg(kind.name).arg(millis(now));
        invocation
    }

    /// Runs a script that writes, and waits for the replicas if it shall.
    async fn write<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.replicated(async |connection| script.invoke_async(connection).await).await
    }

    /// What `act` returns once the replicas have what it wrote.
    async fn replicated<T>(
        &self,
        act: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let wanted = self.settings.wait_replicas;
        let patience = u64::try_from(self.settings.timeout.as_millis() / 2).unwrap_or(u64::MAX);
        let (done, had) = self
            .connection
            .with(async |connection| {
                let done = act(connection).await?;
                let had = match wanted {
                    0 => 0,
                    _ => redis::cmd("WAIT").arg(wanted).arg(patience).query_async(connection).await?,
                };
                Ok((done, had))
            })
            .await?;
        if had < wanted {
            return Err(StoreError::Backend(Box::new(TooFewReplicas { had, wanted })));
        }
        Ok(done)
    }
}

#[async_trait]
impl Store for Redis {
    async fn insert(
        &self,
        kind: Kind,
        key: Key,
        entry: Entry,
        Insert { replaces, claims }: Insert<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut invocation = self.of(&self.scripts.insert, kind, now);
        argue(&mut invocation, key, &entry).arg(*self.ceilings.get(kind)?).arg(u8::from(replaces));
        invocation.arg(millis(kind.cleared_before(now)));
        for claim in claims {
            let (always, divisor) = claim.share.limit.parts();
            let drops = u8::from(claim.share.over == Over::DropOldest);
            invocation.arg(&claim.owner.0).arg(always).arg(divisor).arg(drops);
        }
        inserted(self.write(&invocation).await?, kind, claims)
    }

    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        const FIELDS: [&str; 5] = ["spent", "value", "version", "expires", "owners"];
        type Found = (Option<String>, Option<Vec<u8>>, Option<Vec<u8>>, Option<u64>, Option<Vec<u8>>);
        let mut get = redis::cmd("HMGET");
        get.arg([self.name("r:", kind).as_slice(), b":", &key.0].concat()).arg(&FIELDS);
        let found: Found = self.connection.with(async |connection| get.query_async(connection).await).await?;
        let (Some(spent), Some(value), Some(version), Some(expires), Some(owners)) = found else {
            return Ok(None);
        };
        let entry = entry((value, version, expires, owners))?;
        Ok((spent == "0" && now <= entry.expires).then_some(entry))
    }

    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        entry: Entry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut invocation = self.of(&self.scripts.replace_if, kind, now);
        argue(&mut invocation, key, &entry).arg(&version.0);
        Ok(self.write::<i64>(&invocation).await? == 1)
    }

    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Entry>, StoreError> {
        let mut invocation = self.of(&self.scripts.spend, kind, now);
        Ok(match self.write::<Option<(i64, Fields)>>(invocation.arg(&key.0)).await? {
            None => Spend::Absent,
            Some((0, found)) => Spend::Spent(entry(found)?),
            Some((_, found)) => Spend::Fresh(entry(found)?),
        })
    }

    async fn take_if(
        &self,
        kind: Kind,
        key: Key,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let mut invocation = self.of(&self.scripts.take, kind, now);
        let version = version.as_ref().map_or(&[][..], |version| &version.0);
        self.write::<Option<Fields>>(invocation.arg(&key.0).arg(version)).await?.map(entry).transpose()
    }

    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError> {
        let mut invocation = self.of(&self.scripts.forget, kind, Timestamp::default());
        self.write::<i64>(invocation.arg(&key.0)).await.map(drop)
    }

    async fn owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<Vec<(Key, Entry)>, StoreError> {
        let mut invocation = self.of(&self.scripts.owned, kind, now);
        let invocation = invocation.arg(&owner.0);
        let mut found: Vec<(Vec<u8>, u64, Fields)> =
            self.connection.with(async |connection| invocation.invoke_async(connection).await).await?;
        found.sort_unstable_by_key(|(_, age, _)| *age);
        found.into_iter().map(|(key, _, fields)| Ok((Key(digest(&key)?), entry(fields)?))).collect()
    }

    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = redis::cmd("ZCOUNT");
        count.arg([self.name("o:", kind).as_slice(), b":", &owner.0].concat()).arg(millis(now)).arg("+inf");
        self.connection.with(async |connection| count.query_async(connection).await).await
    }

    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        let mut invocation = self.of(&self.scripts.forget_owned, kind, Timestamp::default());
        self.write(invocation.arg(&owner.0)).await
    }

    async fn count(&self, kind: Kind) -> Result<usize, StoreError> {
        let mut count = redis::cmd("ZCARD");
        count.arg(self.name("x:", kind));
        self.connection.with(async |connection| count.query_async(connection).await).await
    }

    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError> {
        let mut swept = 0;
        loop {
            // Each chunk is a script among the others, so that none waits for the whole sweep.
            let mut invocation = self.of(&self.scripts.sweep, kind, kind.cleared_before(now));
            let cleared: usize = self.write(invocation.arg(CHUNK)).await?;
            swept += cleared;
            if cleared < CHUNK {
                return Ok(swept);
            }
        }
    }

    /// Writes, and looks whether this server, which may be another than at the start, keeps what is alive.
    async fn ready(&self) -> Result<(), StoreError> {
        let mut both = redis::pipe();
        both.cmd("INCR").arg(format!("{}touched", self.settings.prefix)).ignore();
        both.cmd("INFO").arg("memory");
        let (memory,): (InfoDict,) =
            self.replicated(async |connection| both.query_async(connection).await).await?;
        let policy: String = memory.get("maxmemory_policy").unwrap_or_default();
        let unlimited = memory.get("maxmemory") == Some(0_u64);
        if policy == "noeviction" || unlimited {
            return Ok(());
        }
        Err(StoreError::Backend(Box::new(Evicts(policy))))
    }
}

/// What connects.
async fn client(settings: &RedisSettings) -> Result<Client, RedisOpenError> {
    let url = settings.url.expose().as_str();
    let client = match &settings.ca_file {
        None => Client::open(url),
        Some(path) => {
            let root = tokio::fs::read(path).await;
            let root = root.map_err(|source| RedisOpenError::Ca { path: path.clone(), source })?;
            Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: Some(root) })
        }
    };
    client.map_err(RedisOpenError::Url)
}

/// Value, version, expiry, owners.
type Fields = (Vec<u8>, Vec<u8>, u64, Vec<u8>);

fn entry((value, version, expires, owners): Fields) -> Result<Entry, StoreError> {
    Ok(Entry {
        value,
        version: Version(digest(&version)?),
        expires: Timestamp::from_millis(expires),
        owners: owners.as_chunks::<32>().0.iter().map(|owner| Owner(*owner)).collect(),
    })
}

fn digest<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Unreadable)
}

/// Key, value, version, expiry and owners, as the scripts expect them.
fn argue<'i, 's>(
    invocation: &'i mut ScriptInvocation<'s>,
    key: Key,
    entry: &Entry,
) -> &'i mut ScriptInvocation<'s> {
    let owners: Vec<u8> = entry.owners.iter().flat_map(|owner| owner.0).collect();
    invocation.arg(&key.0).arg(&entry.value).arg(&entry.version.0).arg(millis(entry.expires)).arg(owners)
}

/// Scores are fractions of 53 bits; what lies beyond them never comes.
fn millis(time: Timestamp) -> u64 {
    time.millis().min(1 << 53)
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        Self::Backend(Box::new(error))
    }
}
