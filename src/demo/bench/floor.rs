//! The floor: what no relay can leave out of a login, and nothing else.
//!
//! It runs as a process of its own, on hyper, with a runtime per core. Its list of work: receive and send four times,
//! with the relay's header fields; open the message and seal the answer; check the time, the callback and the replay;
//! put and take a sealed login, put a sealed session and a mark in maps under one mutex; verify two signatures by keys
//! parsed once and compare the claims; write the relay's eight lines of JSON, gathered for a millisecond. It has no
//! limits, time-outs, admission, expiry, TLS or reload. It imports none of the relay's protocol code, so that a relay
//! that grows dearer shows.

mod log;
mod login;
mod provider;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime;

use self::log::Log;
use self::login::{Cipher, Tables};
use self::provider::{Caller, ProviderKeys};
use super::BenchError;
use super::parties::Party;
use crate::entropy::{Entropy, SystemEntropy};
use crate::legacy::{Direction, MasterKey, wires};

/// What the process is told on its standard input, in one line of JSON.
#[derive(Serialize, Deserialize)]
pub(super) struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The simulated provider.
    pub provider: SocketAddr,
    /// The client secret at the provider.
    pub secret: String,
    /// The applications' keys, in hexadecimal digits, in the order of [`Party::ALL`].
    pub keys: [String; 2],
}

/// What all cores share.
struct Shared {
    settings: Settings,
    parties: [(Party, Cipher, Cipher); 2],
    keys: ProviderKeys,
    records: Cipher,
    tables: Mutex<Tables>,
    entropy: Box<dyn Entropy>,
    log: Log,
}

/// One core: what its connections share.
struct Core {
    shared: Arc<Shared>,
    caller: Caller,
}

/// Serves until standard input ends.
pub(super) fn run() -> Result<(), BenchError> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let settings: Settings = serde_json::from_str(&line).map_err(io::Error::other)?;
    let entropy = Box::new(SystemEntropy::new());
    let wire = wires::WIRES.first().ok_or(BenchError::NoFigure)?;
    let ciphers = |party: Party, key: &str| {
        let (app, key) = (party.app_id()?, MasterKey::from_hex(key).ok()?);
        let cipher = |direction| Cipher::new(wire.message_key(&key, direction, &app).expose());
        Some((party, cipher(Direction::Request)?, cipher(Direction::Response)?))
    };
    let ([first, second], [first_key, second_key]) = (Party::ALL, &settings.keys);
    let parties = [ciphers(first, first_key), ciphers(second, second_key)];
    let [Some(first), Some(second)] = parties else { return Err(BenchError::NoFigure) };
    let alone = runtime::Builder::new_current_thread().enable_all().build()?;
    let keys = alone.block_on(ProviderKeys::fetch(settings.provider)).ok_or(BenchError::NoProvider)?;
    let records = Cipher::new(&(&*entropy as &dyn Entropy).bytes::<32>()).ok_or(BenchError::NoFigure)?;
    let shared = Arc::new(Shared {
        settings,
        parties: [first, second],
        keys,
        records,
        tables: Mutex::default(),
        entropy,
        log: Log::start()?,
    });
    for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
        let core = Arc::new(Core { shared: shared.clone(), caller: Caller::to(shared.settings.provider) });
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("floor".to_owned()).spawn(move || runtime.block_on(core.serve()))?;
    }
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

impl Core {
    /// Accepts its share of the connections (socket(7), `SO_REUSEPORT`).
    async fn serve(self: Arc<Self>) -> io::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseport(true)?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.shared.settings.listen)?;
        let listener = socket.listen(1024)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(self.clone().connection(stream));
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.request(&request).await));
        // A driver that is gone is no fault.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn request(&self, request: &Request<Incoming>) -> Response<Empty<Bytes>> {
        let path = request.uri().path();
        let field =
            |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let visit = login::Visit {
            query: request.uri().query().unwrap_or_default(),
            cookie: field("cookie"),
            address: field("x-forwarded-for"),
        };
        let next = if let Some(app) = path.strip_prefix("/idp/") {
            self.shared.begin(app, &visit)
        } else if let Some(upstream) = path.strip_prefix("/callback/") {
            self.complete(upstream, &visit).await
        } else {
            return answer(StatusCode::OK);
        };
        next.unwrap_or_else(|| answer(StatusCode::BAD_REQUEST))
    }
}

fn answer(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}

/// A redirect that sets a cookie, with the fields that every response of the relay carries.
fn redirect(location: &str, cookie: &str) -> Option<Response<Empty<Bytes>>> {
    let fixed = |value| HeaderValue::from_static(value);
    let fields = [
        (header::LOCATION, HeaderValue::try_from(location).ok()?),
        (header::SET_COOKIE, HeaderValue::try_from(cookie).ok()?),
        (header::CACHE_CONTROL, fixed("no-store")),
        (
            header::CONTENT_SECURITY_POLICY,
            fixed("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (header::X_FRAME_OPTIONS, fixed("DENY")),
        (header::HeaderName::from_static("cross-origin-resource-policy"), fixed("same-origin")),
        (header::HeaderName::from_static("x-robots-tag"), fixed("noindex, nofollow")),
    ];
    let mut response = answer(StatusCode::SEE_OTHER);
    response.headers_mut().extend(fields);
    Some(response)
}
