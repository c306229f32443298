//! The store in Redis or Valkey: the ephemeral class, for any number of nodes.
//!
//! Each verb that decides is one script, which Redis runs whole. Expiry stands in the record and is judged by
//! our clock. Nothing may be evicted: a server whose `maxmemory-policy` would is refused. Replication is
//! Redis's own, and lags: what a lost primary had acknowledged and no replica had yet is lost, unless
//! [`RedisSettings::wait_replicas`] asks for replicas.

mod line;
mod scripts;
mod survey;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{
    Client, FromRedisValue, InfoDict, RedisError, RedisResult, Script, ScriptInvocation, TlsCertificates,
};

use super::{Key, Kind, Owner, PerKind, Record, Spend, Store, StoreError, Version};
use crate::clock::Timestamp;
use crate::secret::Secret;
use line::Line;
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
    line: Line,
    scripts: Scripts,
    settings: RedisSettings,
    ceilings: PerKind<usize>,
}

impl Redis {
    /// Connects; at most `ceilings(kind)` records of each kind, spent ones included.
    pub async fn open(
        settings: &RedisSettings,
        ceilings: impl Fn(Kind) -> usize,
    ) -> Result<Self, RedisOpenError> {
        let line = Line::new(client(settings).await?, settings.timeout);
        let ceilings = PerKind::new(ceilings);
        let store = Self { line, scripts: Scripts::new(), settings: settings.clone(), ceilings };
        store.ready().await.map_err(RedisOpenError::Server)?;
        Ok(store)
    }

    fn name(&self, what: &str, kind: Kind) -> Vec<u8> {
        [&self.settings.prefix, what, kind.name()].concat().into_bytes()
    }

    /// The start of a script's arguments.
    fn of<'s>(&self, script: &'s Script, kind: Kind, now: Timestamp) -> ScriptInvocation<'s> {
        let mut invocation = script.prepare_invoke();
        invocation.arg(&self.settings.prefix).arg(kind.name()).arg(millis(now));
        invocation
    }

    /// Runs a script that writes, and waits for the replicas if it shall.
    async fn write<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.replicated(async |line| script.invoke_async(line).await).await
    }

    /// What `act` returns once the replicas have what it wrote.
    async fn replicated<T>(
        &self,
        act: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let wanted = self.settings.wait_replicas;
        let patience = u64::try_from(self.settings.timeout.as_millis() / 2).unwrap_or(u64::MAX);
        let (done, had) = self
            .line
            .with(async |line| {
                let done = act(line).await?;
                let had = match wanted {
                    0 => 0,
                    _ => redis::cmd("WAIT").arg(wanted).arg(patience).query_async(line).await?,
                };
                Ok((done, had))
            })
            .await?;
        if had < wanted {
            return Err(StoreError::Backend(Box::new(TooFewReplicas { had, wanted })));
        }
        Ok(done)
    }

    /// Inserts by `script`; tells whether it was written.
    async fn insert(
        &self,
        script: &Script,
        kind: Kind,
        key: Key,
        record: &Record,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut invocation = self.of(script, kind, now);
        argue(&mut invocation, key, record).arg(*self.ceilings.of(kind));
        match self.write::<i64>(&invocation).await? {
            -1 => Err(StoreError::Full),
            done => Ok(done == 1),
        }
    }
}

#[async_trait]
impl Store for Redis {
    async fn insert_new(
        &self,
        kind: Kind,
        key: Key,
        record: Record,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.insert(&self.scripts.insert_new, kind, key, &record, now).await
    }

    async fn put(&self, kind: Kind, key: Key, record: Record, now: Timestamp) -> Result<(), StoreError> {
        self.insert(&self.scripts.put, kind, key, &record, now).await.map(drop)
    }

    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        const FIELDS: [&str; 5] = ["spent", "value", "version", "expires", "owners"];
        type Found = (Option<String>, Option<Vec<u8>>, Option<Vec<u8>>, Option<u64>, Option<Vec<u8>>);
        let mut get = redis::cmd("HMGET");
        get.arg([self.name("r:", kind).as_slice(), b":", &key.0].concat()).arg(&FIELDS);
        let found: Found = self.line.with(async |line| get.query_async(line).await).await?;
        let (Some(spent), Some(value), Some(version), Some(expires), Some(owners)) = found else {
            return Ok(None);
        };
        let record = record((value, version, expires, owners))?;
        Ok((spent == "0" && now <= record.expires).then_some(record))
    }

    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        record: Record,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut invocation = self.of(&self.scripts.replace_if, kind, now);
        argue(&mut invocation, key, &record).arg(&version.0);
        Ok(self.write::<i64>(&invocation).await? == 1)
    }

    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Record>, StoreError> {
        let mut invocation = self.of(&self.scripts.spend, kind, now);
        Ok(match self.write::<Option<(i64, Fields)>>(invocation.arg(&key.0)).await? {
            None => Spend::Absent,
            Some((0, found)) => Spend::Spent(record(found)?),
            Some((_, found)) => Spend::Fresh(record(found)?),
        })
    }

    async fn take(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let mut invocation = self.of(&self.scripts.take, kind, now);
        self.write::<Option<Fields>>(invocation.arg(&key.0)).await?.map(record).transpose()
    }

    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError> {
        let mut invocation = self.of(&self.scripts.forget, kind, Timestamp::default());
        self.write::<i64>(invocation.arg(&key.0)).await.map(drop)
    }

    async fn owned(
        &self,
        kind: Kind,
        owner: Owner,
        now: Timestamp,
    ) -> Result<Vec<(Key, Record)>, StoreError> {
        let mut invocation = self.of(&self.scripts.owned, kind, now);
        let invocation = invocation.arg(&owner.0);
        let mut found: Vec<(Vec<u8>, u64, Fields)> =
            self.line.with(async |line| invocation.invoke_async(line).await).await?;
        found.sort_unstable_by_key(|(_, age, _)| *age);
        found.into_iter().map(|(key, _, fields)| Ok((Key(digest(&key)?), record(fields)?))).collect()
    }

    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = redis::cmd("ZCOUNT");
        count.arg([self.name("o:", kind).as_slice(), b":", &owner.0].concat()).arg(millis(now)).arg("+inf");
        self.line.with(async |line| count.query_async(line).await).await
    }

    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        let mut invocation = self.of(&self.scripts.forget_owned, kind, Timestamp::default());
        self.write(invocation.arg(&owner.0)).await
    }

    async fn count(&self, kind: Kind) -> Result<usize, StoreError> {
        let mut count = redis::cmd("ZCARD");
        count.arg(self.name("x:", kind));
        self.line.with(async |line| count.query_async(line).await).await
    }

    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError> {
        let mut swept = 0;
        loop {
            // Each chunk is a script among the others, so that none waits for the whole sweep.
            let mut invocation = self.of(&self.scripts.sweep, kind, now);
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
        let (memory,): (InfoDict,) = self.replicated(async |line| both.query_async(line).await).await?;
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

fn record((value, version, expires, owners): Fields) -> Result<Record, StoreError> {
    Ok(Record {
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
    record: &Record,
) -> &'i mut ScriptInvocation<'s> {
    let owners: Vec<u8> = record.owners.iter().flat_map(|owner| owner.0).collect();
    invocation.arg(&key.0).arg(&record.value).arg(&record.version.0).arg(millis(record.expires)).arg(owners)
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
