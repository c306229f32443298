//! The connections: a bounded number, each used by one call at a time, and one that failed never again.
//!
//! sqlx's own pool asks the server whether a connection is well each time it is given back, which doubles the
//! round trips, and waits for the answer without end when the server is silent.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::store::StoreError;

/// A connection that was idle for longer is asked first whether it is alive.
const RESTED: Duration = Duration::from_secs(1);

/// What every connection is told. Nothing is acknowledged before it is on disk, a statement ends when nobody
/// waits for it any longer, and the indexes are used from the first row on, before the tables' first ANALYZE.
const SET_UP: &str = "SELECT set_config('search_path', $1, false), \
     set_config('statement_timeout', $2, false), set_config('lock_timeout', $2, false), \
     set_config('idle_in_transaction_session_timeout', $2, false), \
     set_config('default_transaction_isolation', 'read committed', false), \
     set_config('enable_seqscan', 'off', false), \
     set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
         WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";

pub(super) struct Pool {
    options: PgConnectOptions,
    schema: String,
    timeout: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<(PgConnection, Instant)>>,
}

impl Pool {
    pub(super) fn new(
        options: PgConnectOptions,
        schema: String,
        timeout: Duration,
        max_connections: usize,
    ) -> Self {
        let (permits, idle) = (Semaphore::new(max_connections), Mutex::default());
        Self { options, schema, timeout, permits, idle }
    }

    /// Runs `act` on a connection; ends within the timeout, whatever the server does. What the server was
    /// doing then may still happen, but nobody was told that it did.
    pub(super) async fn with<T>(
        &self,
        act: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let outcome = tokio::time::timeout(self.timeout, async {
            let _permit = self.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
            let mut connection = self.connection().await?;
            // Should it fail, or the caller go away, the connection is closed here.
            let done = act(&mut connection).await?;
            self.idle().push((connection, now()));
            Ok::<T, sqlx::Error>(done)
        });
        let failure: StoreError = match outcome.await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.into(),
            Err(late) => StoreError::Backend(Box::new(late)),
        };
        // What befell one has probably befallen all: a restart, or a primary that is one no longer.
        self.idle().clear();
        Err(failure)
    }

    async fn connection(&self) -> Result<PgConnection, sqlx::Error> {
        loop {
            let Some((mut connection, since)) = self.idle().pop() else {
                return self.connect(self.timeout).await;
            };
            if since.elapsed() < RESTED || connection.ping().await.is_ok() {
                return Ok(connection);
            }
        }
    }

    /// A new connection, whose statements may take `patience`.
    pub(super) async fn connect(&self, patience: Duration) -> Result<PgConnection, sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let set_up = sqlx::query(SET_UP).bind(format!("\"{}\"", self.schema));
        set_up.bind(format!("{}ms", patience.as_millis())).execute(&mut connection).await?;
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a connection was idle is no business of the clock")]
fn now() -> Instant {
    Instant::now()
}
