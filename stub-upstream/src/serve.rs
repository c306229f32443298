//! The simulator on a socket (HTTP/1.1, RFC 9112).

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::stub::Stub;

/// How long answers in flight may take once it shall stop.
const GRACE: Duration = Duration::from_secs(1);

/// Serves until `stop` is done, and a moment longer for answers in flight.
pub async fn serve(
    listener: TcpListener,
    stub: Stub,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, mut stopped) = watch::channel(());
    let signal = async move {
        stop.await;
        let _ = stopping.send(());
    };
    tokio::select! {
        done = axum::serve(listener, stub.router()).with_graceful_shutdown(signal) => done,
        () = async {
            // An error means that the sender is gone, which it is only once the server has ended.
            let _ = stopped.changed().await;
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}
