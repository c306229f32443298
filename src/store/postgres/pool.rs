//! The connections: a bounded number, each used by one call at a time, and one that failed never again.
//!
//! sqlx's own pool asks the server whether a connection is well each time it is given back, which doubles the
//! round trips, and waits for the answer without end when the server is silent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
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

/// How many calls may wait for each connection; who comes then is told at once, and the next in line is not late.
const WAITING: usize = 32;

pub(super) struct Pool {
    options: PgConnectOptions,
    schema: String,
    timeout: Duration,
    permits: Arc<Semaphore>,
    /// How many may wait for a permit, and do.
    places: Semaphore,
    idle: Mutex<Vec<(PgConnection, Instant)>>,
}

/// A connection for one call, and the right to have it.
type Held = (PgConnection, OwnedSemaphorePermit);

impl Pool {
    pub(super) fn new(
        options: PgConnectOptions,
        schema: String,
        timeout: Duration,
        max_connections: usize,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(max_connections));
        let places = Semaphore::new(max_connections.saturating_mul(WAITING));
        Arc::new(Self { options, schema, timeout, permits, places, idle: Mutex::default() })
    }

    /// Runs `act` on a connection; ends within the timeout, whatever the server does. What the server was
    /// doing then may still happen, but nobody was told that it did.
    pub(super) async fn with<T>(
        self: &Arc<Self>,
        act: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let outcome = tokio::time::timeout(self.timeout, async {
            let (mut connection, permit) = self.connection(self.permit().await?).await?;
            // Should it fail, or the caller go away, the connection is closed here.
            let done = act(&mut connection).await?;
            self.idle().push((connection, now()));
            drop(permit);
            Ok::<T, StoreError>(done)
        });
        outcome.await.unwrap_or_else(|late| Err(StoreError::Backend(Box::new(late)))).inspect_err(|error| {
            if is_of_all(error) {
                self.idle().clear();
            }
        })
    }

    /// The right to a connection. Whoever waits for long would have too little time left to use it.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let busy = || StoreError::Backend("every connection to PostgreSQL is busy".into());
        let _place = self.places.try_acquire().map_err(|_| busy())?;
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(self.timeout / 2, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    async fn connection(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Held, StoreError> {
        loop {
            let Some((mut connection, since)) = self.idle().pop() else { break };
            if since.elapsed() < RESTED || connection.ping().await.is_ok() {
                return Ok((connection, permit));
            }
        }
        // What is begun is useful to the next call if this one has given up: else, under load, none would ever be ready.
        let (hand, taken) = oneshot::channel();
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let made = tokio::time::timeout(pool.timeout.saturating_mul(2), pool.connect(pool.timeout)).await;
            let made = match made {
                Ok(made) => made.map(|connection| (connection, permit)).map_err(StoreError::from),
                Err(late) => Err(StoreError::Backend(Box::new(late))),
            };
            if let Err(Ok((connection, permit))) = hand.send(made) {
                pool.idle().push((connection, now()));
                drop(permit);
            }
        });
        taken.await.unwrap_or_else(|gone| Err(StoreError::Backend(Box::new(gone))))
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

/// Whether what befell one connection has befallen all: a server that has gone, or a primary that is one no longer
/// (25006), or one that is shutting down (57P01 to 57P03). A statement that was refused, or took too long, says nothing of
/// the others.
fn is_of_all(error: &StoreError) -> bool {
    let StoreError::Backend(source) = error else { return false };
    match source.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::Io(_)) => true,
        Some(sqlx::Error::Database(error)) => {
            error.code().is_some_and(|code| matches!(&*code, "25006" | "57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a connection was idle is no business of the clock")]
fn now() -> Instant {
    Instant::now()
}
