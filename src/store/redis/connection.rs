//! The connection: one that all calls share, and made anew after any failure.
//!
//! The library's own manager does not give up a connection on which nothing comes back, nor one to a primary
//! that has become a replica.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::sync::Mutex;

use crate::store::StoreError;

pub(super) struct Connection {
    client: Client,
    timeout: Duration,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// Tells one connection from the next.
    number: u64,
    connection: Option<MultiplexedConnection>,
}

impl Connection {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout, current: Mutex::default() }
    }

    /// Runs `act` on the connection; ends within the timeout, whatever the server does. What the server was
    /// asked may still happen then, but nobody was told that it did.
    pub(super) async fn with<T>(
        &self,
        act: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let mut used = None;
        let outcome = tokio::time::timeout(self.timeout, async {
            let (number, mut connection) = self.connection().await?;
            used = Some(number);
            act(&mut connection).await
        });
        let failure: StoreError = match outcome.await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.into(),
            Err(late) => StoreError::Backend(Box::new(late)),
        };
        if let Some(number) = used {
            self.hang_up(number);
        }
        Err(failure)
    }

    /// The connection; whoever comes while it is made waits for it.
    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((current.number, connection.clone()));
        }
        // Each call has its own end, so the connection needs none.
        let plain = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&plain).await?;
        current.number += 1;
        current.connection = Some(connection.clone());
        Ok((current.number, connection))
    }

    fn hang_up(&self, number: u64) {
        // Whoever holds the lock is making a new one.
        if let Ok(mut current) = self.current.try_lock()
            && current.number == number
        {
            current.connection = None;
        }
    }
}
