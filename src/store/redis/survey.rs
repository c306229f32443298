//! What an operator may want to know of the server. Writes nothing.

use std::time::Duration;

use redis::InfoDict;

use super::connection::Connection;
use super::{RedisSettings, client};
use crate::clock::{Clock, Timestamp};
use crate::store::{StoreError, ahead};

/// What was found.
pub struct RedisFacts {
    /// `Redis` or `Valkey`, and its version.
    pub server: String,
    /// The version of Redis whose commands it has: major and minor.
    pub version: (u32, u32),
    /// Whether it is a primary.
    pub is_primary: bool,
    /// Replicas that follow it now.
    pub replicas: usize,
    /// What it does when its memory is full.
    pub policy: String,
    /// Whether its memory has a limit.
    pub is_limited: bool,
    /// Whether it writes down what it acknowledges.
    pub appends: bool,
    /// When that is on disk: `always`, `everysec` or `no`; `None` where we may not ask.
    pub fsync: Option<String>,
    /// How far its clock is ahead of ours, in milliseconds; `None` where we may not ask.
    pub ahead: Option<i64>,
}

impl RedisFacts {
    /// Asks the server; ends within `patience`.
    pub async fn gather(
        settings: &RedisSettings,
        patience: Duration,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let client = client(settings).await.map_err(|error| StoreError::Backend(Box::new(error)))?;
        let connection = Connection::new(client, patience);
        let (info, time, asked, answered, fsync) = connection
            .with(async |connection| {
                let info: InfoDict = redis::cmd("INFO").query_async(connection).await?;
                let asked = clock.now();
                let time: Option<(u64, u64)> = redis::cmd("TIME").query_async(connection).await.ok();
                let answered = clock.now();
                let mut config = redis::cmd("CONFIG");
                let fsync: Option<(String, String)> =
                    config.arg("GET").arg("appendfsync").query_async(connection).await.ok();
                Ok((info, time, asked, answered, fsync))
            })
            .await?;
        let text = |name: &str| info.get::<String>(name).unwrap_or_default();
        let number = |name: &str| info.get::<u64>(name).unwrap_or_default();
        let version = text("redis_version");
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or_default());
        let server = match info.get::<String>("valkey_version") {
            Some(valkey) => format!("Valkey {valkey}"),
            None => format!("Redis {version}"),
        };
        let theirs = |(seconds, micros): (u64, u64)| {
            Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))
        };
        Ok(Self {
            server,
            version: (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()),
            is_primary: text("role") == "master",
            replicas: usize::try_from(number("connected_slaves")).unwrap_or(usize::MAX),
            policy: text("maxmemory_policy"),
            is_limited: number("maxmemory") > 0,
            appends: number("aof_enabled") == 1,
            fsync: fsync.map(|(_, fsync)| fsync),
            ahead: time.map(|time| ahead(theirs(time), asked, answered)),
        })
    }
}
