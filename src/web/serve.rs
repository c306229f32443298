//! Listeners: connections become requests, within limits of number, size and time.
//!
//! HTTP/1.1, plain or over TLS 1.2 and 1.3. Each request carries its [`Peer`]; when the process drains,
//! what is in flight is finished, and so is what was sent before anybody could know.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::peer::Peer;

/// For how long a listener goes on once it is told to stop: balancers learn of it, and connections that they had
/// opened, or kept, are not closed under a request.
const NOTICE: Duration = Duration::from_millis(500);

/// How many connections and requests a listener bears, and for how long it waits.
#[derive(Clone, Debug)]
pub struct ListenerLimits {
    /// The longest head of a request, in bytes.
    pub head_bytes: usize,
    /// How many header fields a request may have.
    pub headers: usize,
    /// How long a request's head may take to arrive.
    pub head: Duration,
    /// How many connections may be open.
    pub connections: usize,
    /// How many of them from one address.
    pub connections_per_address: usize,
    /// How many requests may be in flight.
    pub in_flight: usize,
    /// How long what is in flight may take once the process drains.
    pub drain: Duration,
}

/// Serves `router` on `listener` until `stop` turns true, and a moment longer, then finishes what is in flight.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    limits: ListenerLimits,
    stop: watch::Receiver<bool>,
) {
    let shared = Arc::new(Shared {
        router,
        tls: tls.map(TlsAcceptor::from),
        connections: Arc::new(Semaphore::new(limits.connections)),
        in_flight: Arc::new(Semaphore::new(limits.in_flight)),
        addresses: Mutex::default(),
        limits,
        stop: stop.clone(),
    });
    let mut connections = JoinSet::new();
    let noticed = noticed(stop);
    tokio::pin!(noticed);
    let mut closing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut noticed, if !closing => {
                closing = true;
                continue;
            }
            // Those that the system has accepted already are ours to serve.
            accepted = timeout(Duration::ZERO, accept(&listener, &shared)), if closing => match accepted {
                Ok(Ok(accepted)) => Ok(accepted),
                Ok(Err(_)) | Err(_) => break,
            },
            accepted = accept(&listener, &shared), if !closing => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address, permit)) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    shared.admit(stream, address).await;
                });
            }
            // Out of file descriptors, most likely: let some go before trying again.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(shared.limits.drain, drained).await;
}

/// Returns a moment after `stop` has turned true.
async fn noticed(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
    sleep(NOTICE).await;
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, shared: &Shared) -> io::Result<Accepted> {
    let permit = shared.connections.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address, permit))
}

struct Shared {
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: ListenerLimits,
    connections: Arc<Semaphore>,
    in_flight: Arc<Semaphore>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    stop: watch::Receiver<bool>,
}

impl Shared {
    async fn admit(&self, stream: TcpStream, address: SocketAddr) {
        let peer = Peer::at(address);
        let Some(_counted) = self.count(peer.prefix()) else { return };
        match &self.tls {
            None => self.connection(stream, peer).await,
            Some(acceptor) => {
                if let Ok(Ok(stream)) = timeout(self.limits.head, acceptor.accept(stream)).await {
                    self.connection(stream, peer).await;
                }
            }
        }
    }

    /// Counts a connection of `address` for as long as the answer lives; `None` if there are too many.
    fn count(&self, address: IpAddr) -> Option<Counted<'_>> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let open = addresses.entry(address).or_default();
        if *open >= self.limits.connections_per_address {
            return None;
        }
        *open += 1;
        Some(Counted { addresses: &self.addresses, address })
    }

    async fn connection(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let service = service_fn(|request: Request<Incoming>| Box::pin(self.request(request, peer.clone())));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_headers(self.limits.headers)
            .max_header_size(self.limits.head_bytes)
            .max_buf_size(self.limits.head_bytes.saturating_mul(2).max(8192))
            .serve_connection(TokioIo::new(stream), service);
        let stopping = noticed(self.stop.clone());
        tokio::pin!(stopping);
        let mut draining = false;
        let ended = std::future::poll_fn(|cx| {
            if !draining && stopping.as_mut().poll(cx).is_ready() {
                draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(cx)
        })
        .await;
        let parts = connection.into_parts();
        let mut stream = parts.io.into_inner();
        if let Err(error) = ended {
            let answer = match parts.read_buf.as_ref() {
                // Begun, and never finished.
                head if error.is_timeout() && !head.is_empty() => SLOW,
                // HTTP/2 with prior knowledge (RFC 9113, section 3.4), which is closed without a word otherwise.
                head if head.starts_with(b"PRI * HTTP/2.0") => WRONG,
                _ => &[],
            };
            let _ = stream.write_all(answer).await;
        }
        linger(stream).await;
    }

    async fn request(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Result<Response<Body>, std::convert::Infallible> {
        let Ok(_permit) = self.in_flight.try_acquire() else { return Ok(overloaded()) };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        self.router.clone().oneshot(request).await
    }
}

/// One open connection; dropped with it, whatever ends it.
struct Counted<'a> {
    addresses: &'a Mutex<HashMap<IpAddr, usize>>,
    address: IpAddr,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = addresses.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

/// What a request whose head does not arrive in time is told (RFC 9110, section 15.5.9).
const SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What is not HTTP/1.1 is told.
const WRONG: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn overloaded() -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
}

/// Closes so that the last answer arrives: a peer that is still sending would otherwise see a reset.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let _ = stream.shutdown().await;
    let drain = async {
        let mut waste = [0; 4096];
        for _ in 0..16 {
            if !matches!(stream.read(&mut waste).await, Ok(1..)) {
                break;
            }
        }
    };
    let _ = timeout(Duration::from_millis(500), drain).await;
}
