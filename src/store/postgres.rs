//! The store in PostgreSQL: either class, for any number of nodes.
//!
//! Each verb that decides is one statement, whose row lock makes it atomic across nodes; a trigger keeps the
//! owners and the counts beside the records. A ceiling counts what is committed: writes in flight may pass it
//! together, by at most one for each connection.

mod pool;
mod schema;
mod survey;

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow, PgSslMode, Postgres as Dialect};
use sqlx::query::Query;
use sqlx::{ConnectOptions as _, Row as _, query};

use super::kind::ByKind;
use super::share::inserted;
use super::{Entry, Insert, Key, Kind, Over, Owner, Spend, Store, StoreError, Version};
use crate::clock::Timestamp;
use crate::secret::Secret;
use pool::Pool;

pub use survey::PostgresFacts;

/// Records that one statement clears.
const CHUNK: u64 = 512;

/// How long a start may take, another node's migration included.
const START: Duration = Duration::from_secs(30);

// Plans are made while the tables are empty and nothing is known of them, and are kept. So each statement leaves
// one way to go: no joins, keys found first (`ARRAY`), and where a record is asked for by its key, `expires + 0`,
// which the index by expiry does not know.

/// `$1` kind, `$2` key, `$3` value, `$4` version, `$5` expires, `$6` owners, `$7` ceiling; whether it was
/// written, and whether there was room.
macro_rules! insert {
    ($on_conflict:literal) => {
        concat!(
            "WITH room AS MATERIALIZED (SELECT coalesce(sum(records), 0) < $7 AS free FROM tally WHERE kind = $1), \
             known AS MATERIALIZED (SELECT FROM record WHERE kind = $1 AND key = $2), \
             done AS (INSERT INTO record AS r (kind, key, age, value, version, expires, owners, spent) \
                 SELECT $1, $2, nextval('age'), $3, $4, $5, $6, false FROM room WHERE free OR EXISTS (TABLE known) \
                 ON CONFLICT (kind, key) DO UPDATE SET age = excluded.age, value = excluded.value, \
                     version = excluded.version, expires = excluded.expires, owners = excluded.owners, \
                     spent = false ",
            $on_conflict,
            " RETURNING 1) \
             SELECT EXISTS (TABLE done), (SELECT free FROM room) OR EXISTS (TABLE known)"
        )
    };
}

const INSERT_NEW: &str = insert!("WHERE r.expires < $8");
const PUT: &str = insert!("");
const INSERT_SHARED: &str =
    "SELECT insert_shared($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)::bigint";
const READ: &str = "SELECT value, version, expires, owners FROM record \
     WHERE kind = $1 AND key = $2 AND NOT spent AND expires + 0 >= $3";
const REPLACE: &str = "UPDATE record SET age = nextval('age'), value = $3, version = $4, expires = $5, \
     owners = CASE WHEN cardinality($6::bytea[]) = 0 THEN owners ELSE $6::bytea[] END \
     WHERE kind = $1 AND key = $2 AND version = $7 AND NOT spent AND expires + 0 >= $8";
const SPEND: &str = "UPDATE record SET spent = true WHERE kind = $1 AND key = $2 AND NOT spent AND expires + 0 >= $3 \
     RETURNING value, version, expires, owners";
const SPENT: &str = "SELECT value, version, expires, owners FROM record \
     WHERE kind = $1 AND key = $2 AND spent AND expires + 0 >= $3";
const TAKE: &str = "DELETE FROM record WHERE kind = $1 AND key = $2 AND NOT spent AND expires + 0 >= $3 \
     AND ($4::bytea IS NULL OR version = $4::bytea) RETURNING value, version, expires, owners";
const FORGET: &str = "DELETE FROM record WHERE kind = $1 AND key = $2";
const OWNED: &str = "SELECT value, version, expires, owners, key FROM record \
     WHERE kind = $1 AND key = ANY (ARRAY (SELECT key FROM owner \
         WHERE kind = $1 AND owner = $2 AND NOT spent AND expires >= $3)) ORDER BY age";
const COUNT_OWNED: &str =
    "SELECT count(*) FROM owner WHERE kind = $1 AND owner = $2 AND NOT spent AND expires >= $3";
/// In the order of the keys, so that two of them never wait for each other; a record that was given other
/// owners meanwhile stays.
const FORGET_OWNED: &str = "DELETE FROM record WHERE kind = $1 AND key = ANY (ARRAY (SELECT key FROM record \
     WHERE kind = $1 AND key = ANY (ARRAY (SELECT key FROM owner WHERE kind = $1 AND owner = $2)) \
         AND $2 = ANY (owners) ORDER BY key FOR UPDATE))";
const COUNT: &str = "SELECT coalesce(sum(records), 0)::bigint FROM tally WHERE kind = $1";
/// What another node is clearing or using is left for the next time.
const CLEAR: &str = "DELETE FROM record WHERE kind = $1 AND key = ANY (ARRAY \
     (SELECT key FROM record WHERE kind = $1 AND expires < $2 ORDER BY expires LIMIT $3 \
      FOR UPDATE SKIP LOCKED))";
const TOUCH: &str = "INSERT INTO probe (slot, touched) VALUES (pg_backend_pid() % 32, 1) \
     ON CONFLICT (slot) DO UPDATE SET touched = probe.touched + 1";

/// How the database is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`; with a password, a secret.
    pub url: Secret<String>,
    /// Whether to speak TLS and hold the server to its name.
    pub tls: bool,
    /// The authorities that vouch for the server, PEM, beside the usual ones.
    pub ca_file: Option<PathBuf>,
    /// The schema in which the tables are made; a plain word.
    pub schema: String,
    /// Connections at most.
    pub max_connections: usize,
    /// How long a call may take, the wait for a connection included.
    pub timeout: Duration,
}

/// Why the database cannot be a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL.
    #[error("the database's URL cannot be read")]
    Url,
    /// A later release made the tables.
    #[error("the database has schema {found}, and this release knows up to {known}: start the later release")]
    Newer {
        /// Its schema.
        found: i32,
        /// The last schema that is known.
        known: usize,
    },
    /// The start took too long.
    #[error("the database did not answer within {} s", START.as_secs())]
    Late,
    /// The database.
    #[error("PostgreSQL failed")]
    Database(#[from] sqlx::Error),
}

/// In a PostgreSQL database: what outlives any node.
pub struct Postgres {
    pool: Arc<Pool>,
    ceilings: ByKind<usize>,
}

impl Postgres {
    /// Connects, and makes the tables if they are not there; for these kinds, each with its ceiling, spent
    /// records included.
    pub async fn open(
        settings: &PostgresSettings,
        ceilings: impl IntoIterator<Item = (Kind, usize)>,
    ) -> Result<Self, OpenError> {
        let options = options(settings)?;
        let pool = Pool::new(options, settings.schema.clone(), settings.timeout, settings.max_connections);
        let prepare = async {
            let mut connection = pool.connect(START).await?;
            schema::migrate(&mut connection, &settings.schema).await
        };
        tokio::time::timeout(START, prepare).await.map_err(|_| OpenError::Late)??;
        Ok(Self { pool, ceilings: ceilings.into_iter().collect() })
    }

    /// Inserts: by one statement, or, where owners have shares, by one function.
    async fn try_insert(
        &self,
        kind: Kind,
        key: Key,
        entry: &Entry,
        Insert { replaces, claims }: Insert<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = match (claims, replaces) {
            ([], false) => INSERT_NEW,
            ([], true) => PUT,
            _ => INSERT_SHARED,
        };
        let bound = of(statement, kind).bind(key.0).bind(&entry.value).bind(entry.version.0);
        let bound = bound.bind(millis(entry.expires)).bind(owners(entry)).bind(self.ceiling(kind)?);
        if claims.is_empty() {
            let bound = if replaces { bound } else { bound.bind(millis(now)) };
            let row = self.one(bound).await?;
            return match (row.try_get(0)?, row.try_get(1)?) {
                (written, true) => Ok(written),
                (_, false) => Err(StoreError::Full { kind, owner: None }),
            };
        }
        let sharers: Vec<&[u8]> = claims.iter().map(|claim| claim.owner.0.as_slice()).collect();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let parts = claims.iter().map(|claim| claim.share.limit.parts());
        let (always, divisors): (Vec<i64>, Vec<i64>) =
            parts.map(|(always, divisor)| (number(always), divisor)).unzip();
        let drops: Vec<bool> = claims.iter().map(|claim| claim.share.over == Over::DropOldest).collect();
        let bound = bound.bind(millis(now)).bind(replaces);
        let row = self.one(bound.bind(sharers).bind(always).bind(divisors).bind(drops)).await?;
        inserted(row.try_get(0)?, kind, claims)
    }

    fn ceiling(&self, kind: Kind) -> Result<i64, StoreError> {
        Ok(i64::try_from(*self.ceilings.get(kind)?).unwrap_or(i64::MAX))
    }

    async fn clear(&self, kind: Kind, now: Timestamp) -> Result<u64, StoreError> {
        let chunk = i64::try_from(CHUNK).unwrap_or(1);
        self.run(of(CLEAR, kind).bind(millis(kind.cleared_before(now))).bind(chunk)).await
    }

    /// How many rows it changed.
    async fn run(&self, query: Bound<'_>) -> Result<u64, StoreError> {
        self.pool
            .with(async |connection| query.execute(connection).await)
            .await
            .map(|done| done.rows_affected())
    }

    async fn one(&self, query: Bound<'_>) -> Result<PgRow, StoreError> {
        self.pool.with(async |connection| query.fetch_one(connection).await).await
    }

    async fn entry(&self, query: Bound<'_>) -> Result<Option<Entry>, StoreError> {
        let row = self.pool.with(async |connection| query.fetch_optional(connection).await).await?;
        row.as_ref().map(entry).transpose()
    }

    async fn number(&self, query: Bound<'_>) -> Result<usize, StoreError> {
        let number: i64 = self.one(query).await?.try_get(0)?;
        Ok(usize::try_from(number).unwrap_or_default())
    }
}

#[async_trait]
impl Store for Postgres {
    async fn insert(
        &self,
        kind: Kind,
        key: Key,
        entry: Entry,
        insert: Insert<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let full = |error: &StoreError| matches!(error, StoreError::Full { owner: None, .. });
        match self.try_insert(kind, key, &entry, insert, now).await {
            Err(error) if full(&error) && self.clear(kind, now).await? > 0 => {
                self.try_insert(kind, key, &entry, insert, now).await
            }
            outcome => outcome,
        }
    }

    async fn read(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        self.entry(of(READ, kind).bind(key.0).bind(millis(now))).await
    }

    async fn replace_if(
        &self,
        kind: Kind,
        key: Key,
        version: Version,
        entry: Entry,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let bound = of(REPLACE, kind).bind(key.0).bind(&entry.value).bind(entry.version.0);
        let bound = bound.bind(millis(entry.expires)).bind(owners(&entry));
        Ok(self.run(bound.bind(version.0).bind(millis(now))).await? == 1)
    }

    async fn spend(&self, kind: Kind, key: Key, now: Timestamp) -> Result<Spend<Entry>, StoreError> {
        if let Some(entry) = self.entry(of(SPEND, kind).bind(key.0).bind(millis(now))).await? {
            return Ok(Spend::Fresh(entry));
        }
        let spent = self.entry(of(SPENT, kind).bind(key.0).bind(millis(now))).await?;
        Ok(spent.map_or(Spend::Absent, Spend::Spent))
    }

    async fn take_if(
        &self,
        kind: Kind,
        key: Key,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<Option<Entry>, StoreError> {
        let version = version.map(|version| version.0);
        self.entry(of(TAKE, kind).bind(key.0).bind(millis(now)).bind(version)).await
    }

    async fn forget(&self, kind: Kind, key: Key) -> Result<(), StoreError> {
        self.run(of(FORGET, kind).bind(key.0)).await.map(drop)
    }

    async fn owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<Vec<(Key, Entry)>, StoreError> {
        let query = of(OWNED, kind).bind(owner.0).bind(millis(now));
        let rows = self.pool.with(async |connection| query.fetch_all(connection).await).await?;
        rows.iter().map(|row| Ok((Key(row.try_get(4)?), entry(row)?))).collect()
    }

    async fn count_owned(&self, kind: Kind, owner: Owner, now: Timestamp) -> Result<usize, StoreError> {
        self.number(of(COUNT_OWNED, kind).bind(owner.0).bind(millis(now))).await
    }

    async fn forget_owned(&self, kind: Kind, owner: Owner) -> Result<usize, StoreError> {
        let forgotten = self.run(of(FORGET_OWNED, kind).bind(owner.0)).await?;
        Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
    }

    async fn count(&self, kind: Kind) -> Result<usize, StoreError> {
        self.number(of(COUNT, kind)).await
    }

    async fn sweep(&self, kind: Kind, now: Timestamp) -> Result<usize, StoreError> {
        let mut swept = 0;
        loop {
            let cleared = self.clear(kind, now).await?;
            swept += cleared;
            if cleared < CHUNK {
                return Ok(usize::try_from(swept).unwrap_or(usize::MAX));
            }
        }
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.run(query(TOUCH)).await.map(drop)
    }
}

/// How to connect.
fn options(settings: &PostgresSettings) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(settings.url.expose()).map_err(|_| OpenError::Url)?;
    let options = options.application_name("relais").disable_statement_logging();
    let options = options.ssl_mode(if settings.tls { PgSslMode::VerifyFull } else { PgSslMode::Disable });
    Ok(match &settings.ca_file {
        Some(file) => options.ssl_root_cert(file),
        None => options,
    })
}

type Bound<'q> = Query<'q, Dialect, PgArguments>;

/// A statement about one kind, which is its first argument.
fn of(statement: &'static str, kind: Kind) -> Bound<'static> {
    query(statement).bind(kind.name)
}

/// The first four columns.
fn entry(row: &PgRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        value: row.try_get(0)?,
        version: Version(row.try_get(1)?),
        expires: Timestamp::from_millis(row.try_get::<i64, _>(2)?.unsigned_abs()),
        owners: row.try_get::<Vec<[u8; 32]>, _>(3)?.into_iter().map(Owner).collect(),
    })
}

fn owners(entry: &Entry) -> Vec<&[u8]> {
    entry.owners.iter().map(|owner| owner.0.as_slice()).collect()
}

/// PostgreSQL's integers are signed; what lies beyond them never comes.
fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Backend(Box::new(error))
    }
}
