//! What an operator may want to know of the server and the tables. Makes and writes nothing.

use std::time::Duration;

use sqlx::{Row as _, query};

use super::pool::Pool;
use super::{PostgresSettings, entry, options, schema};
use crate::clock::{Clock, Timestamp};
use crate::store::{Entry, Key, Kind, StoreError, ahead};

const FACTS: &str = "SELECT current_setting('server_version'), current_setting('server_version_num')::int, \
     pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', current_setting('fsync') = 'on', \
     current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint, \
     (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database), \
     current_setting('synchronous_standby_names'), (extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
     to_regclass('schema_version') IS NOT NULL, \
     CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) THEN has_schema_privilege($1, 'CREATE') \
         ELSE has_database_privilege(current_database(), 'CREATE') END";
const VERSION: &str = "SELECT version FROM schema_version";
const ALL: &str = "SELECT value, version, expires, owners, key FROM record WHERE kind = $1";

/// What was found.
pub struct PostgresFacts {
    /// The server's version, as it writes it.
    pub version: String,
    /// Its major version.
    pub major: i32,
    /// Whether it is a standby.
    pub is_standby: bool,
    /// Whether it takes no writes of ours.
    pub is_read_only: bool,
    /// Whether what it acknowledges is on disk.
    pub fsync: bool,
    /// Connections that it has for users like ours.
    pub connections: i64,
    /// Connections in use, this one included.
    pub in_use: i64,
    /// The standbys that must have a write before it is acknowledged; empty if none.
    pub synchronous: String,
    /// How far its clock is ahead of ours, in milliseconds.
    pub ahead: i64,
    /// The version of our tables; `None` where they are not made yet.
    pub schema: Option<i32>,
    /// The last version that this release knows.
    pub known: usize,
    /// Whether we may make tables.
    pub may_make: bool,
    /// The records of the kind that was asked for.
    pub records: Vec<(Key, Entry)>,
}

impl PostgresFacts {
    /// Asks the server, for what it has of `kind` too; ends within `patience`.
    pub async fn gather(
        settings: &PostgresSettings,
        patience: Duration,
        clock: &dyn Clock,
        kind: Kind,
    ) -> Result<Self, StoreError> {
        let options = options(settings).map_err(|error| StoreError::Backend(Box::new(error)))?;
        let pool = Pool::new(options, settings.schema.clone(), patience, 1);
        let (facts, asked, answered, schema, records) = pool
            .with(async |connection| {
                let asked = clock.now();
                let facts = query(FACTS).bind(&settings.schema).fetch_one(&mut *connection).await?;
                let answered = clock.now();
                if !facts.try_get::<bool, _>(9)? {
                    return Ok((facts, asked, answered, None, Vec::new()));
                }
                let schema = query(VERSION).fetch_one(&mut *connection).await?.try_get(0)?;
                let records = match schema {
                    0 => Vec::new(),
                    _ => query(ALL).bind(kind.name).fetch_all(&mut *connection).await?,
                };
                Ok((facts, asked, answered, Some(schema), records))
            })
            .await?;
        Ok(Self {
            version: facts.try_get(0)?,
            major: facts.try_get::<i32, _>(1)? / 10_000,
            is_standby: facts.try_get(2)?,
            is_read_only: facts.try_get(3)?,
            fsync: facts.try_get(4)?,
            connections: facts.try_get(5)?,
            in_use: facts.try_get(6)?,
            synchronous: facts.try_get(7)?,
            ahead: ahead(Timestamp::from_millis(facts.try_get::<i64, _>(8)?.unsigned_abs()), asked, answered),
            schema,
            known: schema::MIGRATIONS.len(),
            may_make: facts.try_get(10)?,
            records: records
                .iter()
                .map(|row| Ok((Key(row.try_get(4)?), entry(row)?)))
                .collect::<Result<_, StoreError>>()?,
        })
    }
}
