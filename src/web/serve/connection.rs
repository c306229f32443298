//! One connection: requests one after another, each counted, until one side has enough.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::counters::Counters;
use super::noticed;
use super::stream::Stream;
use crate::peer::Peer;

/// How long the last words of a connection may take.
const LINGER: Duration = Duration::from_millis(500);

/// What all connections of a listener have in common.
pub(super) struct Connections {
    pub(super) router: Router,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Connections {
    /// Serves one connection to its end; one too many is closed at once.
    pub(super) async fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let peer = Peer::at(address);
        let Some(_counted) = self.counters.connection(&peer) else { return };
        let stream = Stream::new(stream, self.counters.limits.write);
        match &self.tls {
            None => self.requests(stream, peer).await,
            Some(acceptor) => {
                if let Ok(Ok(stream)) = timeout(self.counters.limits.head, acceptor.accept(stream)).await {
                    self.requests(stream, peer).await;
                }
            }
        }
    }

    async fn requests(&self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let limits = &self.counters.limits;
        let service = service_fn(|request: Request<Incoming>| Box::pin(self.request(request, peer.clone())));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(limits.headers)
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.saturating_mul(2).max(8192))
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
        let answer = match (&ended, parts.read_buf.as_ref()) {
            // Begun, and never finished.
            (Err(error), head) if error.is_timeout() && !head.is_empty() => SLOW,
            // HTTP/2 with prior knowledge (RFC 9113, section 3.4), which is closed without a word otherwise.
            (Err(_), head) if head.starts_with(b"PRI * HTTP/2.0") => WRONG,
            _ => &[],
        };
        let _ = timeout(LINGER, close(parts.io.into_inner(), answer)).await;
    }

    async fn request(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Result<Response<Body>, std::convert::Infallible> {
        let Some(_counted) = self.counters.request(&peer, request.headers()) else { return Ok(overloaded()) };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        self.router.clone().oneshot(request).await
    }
}

/// What a request whose head does not arrive in time is told (RFC 9110, section 15.5.9).
const SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What is not HTTP/1.1 is told.
const WRONG: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn overloaded() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Closes so that the last answer arrives: a peer that is still sending would otherwise see a reset.
async fn close(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
    let mut waste = [0; 4096];
    for _ in 0..16 {
        if !matches!(stream.read(&mut waste).await, Ok(1..)) {
            break;
        }
    }
}
