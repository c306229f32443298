//! Listeners: connections become requests, within limits of number, size and time.
//!
//! HTTP/1.1, plain or over TLS 1.2 and 1.3. Each request carries its [`Peer`](crate::peer::Peer); when the process
//! drains, what is in flight is finished, and so is what was sent before anybody could know.

mod connection;
mod counters;
mod shares;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use connection::Connections;
pub use counters::{Counters, TooMany};

/// For how long a listener goes on once it is told to stop: balancers learn of it, and connections that they had
/// opened, or kept, are not closed under a request.
const NOTICE: Duration = Duration::from_millis(500);

/// For how long, after that, it takes what the system has accepted already.
const LAST_CALL: Duration = Duration::from_millis(500);

/// How long what was aborted may take to end.
const ABORT: Duration = Duration::from_millis(500);

/// What of one connection's answers the system holds, in bytes. The system's own choice is megabytes where the network
/// is fast: too much for thousands of peers that do not read, and so much that a slow one seems to stand still.
const SEND_BUFFER: u32 = 64 * 1024;

/// Connections that wait to be taken.
const BACKLOG: u32 = 1024;

/// How many connections and requests a listener bears, and for how long it waits.
#[derive(Clone, Debug)]
pub struct ListenerLimits {
    /// The longest head of a request, in bytes.
    pub head_bytes: usize,
    /// How many header fields a request may have.
    pub headers: usize,
    /// How long a TLS handshake may take, and then each request's head; so long a connection may be idle.
    pub head: Duration,
    /// How long a peer may take nothing of what is written to it.
    pub write: Duration,
    /// How many connections may be open.
    pub connections: usize,
    /// How many of them from one address; as many requests of one client may be in flight behind a trusted proxy.
    pub connections_per_address: usize,
    /// How many requests may be in flight.
    pub in_flight: usize,
    /// How long what is in flight may take once the process drains.
    pub drain: Duration,
}

impl ListenerLimits {
    /// How long a stop takes at most, whatever peers do.
    pub fn stop(&self) -> Duration {
        NOTICE + LAST_CALL + self.drain + ABORT
    }
}

/// Listens on `address`, for [`serve`].
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // What is accepted inherits it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `router` on `listener` until `stop` turns true, and a moment longer, then finishes what is in flight.
///
/// It returns within [`ListenerLimits::stop`] of the order to stop.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    counters: Arc<Counters>,
    stop: watch::Receiver<bool>,
) {
    let drain = counters.limits.drain;
    let shared =
        Arc::new(Connections { router, tls: tls.map(TlsAcceptor::from), counters, stop: stop.clone() });
    let mut connections = JoinSet::new();
    tokio::select! {
        () = noticed(stop) => {}
        () = accept(&listener, &shared, &mut connections, None) => {}
    }
    // Those that the system has accepted already are ours to serve.
    let rest = accept(&listener, &shared, &mut connections, Some(Duration::from_millis(10)));
    let _ = timeout(LAST_CALL, rest).await;
    drop(listener);
    let ended = async |connections: &mut JoinSet<()>| while connections.join_next().await.is_some() {};
    if timeout(drain, ended(&mut connections)).await.is_err() {
        connections.abort_all();
        let _ = timeout(ABORT, ended(&mut connections)).await;
    }
}

/// Returns a moment after `stop` has turned true.
async fn noticed(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
    sleep(NOTICE).await;
}

/// Takes connections as they come, for ever, or until none has come for so long.
async fn accept(
    listener: &TcpListener,
    shared: &Arc<Connections>,
    connections: &mut JoinSet<()>,
    patience: Option<Duration>,
) {
    let next = async || {
        let room = shared.counters.room().await.ok_or(io::ErrorKind::Other)?;
        let (stream, address) = listener.accept().await?;
        io::Result::Ok((stream, address, room))
    };
    loop {
        let accepted = match patience {
            None => next().await,
            Some(patience) => match timeout(patience, next()).await {
                Ok(accepted) => accepted,
                Err(_) => return,
            },
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address, room)) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    let _room = room;
                    let _ = stream.set_nodelay(true);
                    shared.serve(stream, address).await;
                });
            }
            // Out of file descriptors, most likely: let some go before trying again.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
