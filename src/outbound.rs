//! The one way out: HTTP calls to configured peers, with limits on time and size, no redirects (RFC 9110).

pub mod kept;

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::{Host, Url};

/// How calls leave.
#[derive(Clone, Debug)]
pub struct OutboundSettings {
    /// Longest time for name resolution, TCP and TLS together.
    pub connect: Duration,
    /// Longest time from the call to the last byte of its answer, a retry included.
    pub total: Duration,
    /// Longest body of an answer, in bytes.
    pub max_body: usize,
    /// An HTTP proxy for all calls but those to loopback; the environment's variables are never read.
    pub proxy: Option<Url>,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(10),
            max_body: 1024 * 1024,
            proxy: None,
        }
    }
}

/// Idle connections are dropped before common servers (5 s) drop them, so that no code is sent down a
/// connection that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// The client. Clones share connections.
#[derive(Clone)]
pub struct Outbound {
    client: reqwest::Client,
    total: Duration,
    max_body: usize,
}

/// What a peer answered, whatever the status.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The media type of `Content-Type` in lower case, without parameters; empty if there is none.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
    /// From the call to the last byte.
    pub elapsed: Duration,
}

/// Why no answer was had.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// Plain `http` to another machine, or no http at all.
    #[error("the address is neither https nor on this machine")]
    Address,
    /// No connection: name, route, refusal, TLS.
    #[error("no connection to the peer")]
    Unreachable(#[source] reqwest::Error),
    /// The connection broke before the answer was complete, or the answer is not HTTP.
    #[error("the connection broke before the answer was complete")]
    Broken(#[source] reqwest::Error),
    /// The time was up.
    #[error("no complete answer in time")]
    Timeout,
    /// The body is longer than the limit.
    #[error("the answer is longer than the limit")]
    TooLarge,
    /// The body is compressed, which was not asked for.
    #[error("the answer has a content encoding that was not asked for")]
    Encoded,
}

/// The client could not be made: no certificates on this machine, or an unusable proxy.
#[derive(Debug, thiserror::Error)]
#[error("the outbound client cannot be made")]
pub struct CannotCall(#[source] reqwest::Error);

impl Outbound {
    /// A client.
    pub fn new(settings: &OutboundSettings) -> Result<Self, CannotCall> {
        #[expect(clippy::disallowed_methods, reason = "this is the one way out")]
        let builder = reqwest::Client::builder();
        let mut builder = builder
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(settings.connect)
            .pool_idle_timeout(IDLE)
            .min_tls_version(reqwest::tls::Version::TLS_1_2);
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(CannotCall)?;
            builder =
                builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_string("localhost,127.0.0.0/8,::1")));
        }
        let client = builder.build().map_err(CannotCall)?;
        Ok(Self { client, total: settings.total, max_body: settings.max_body })
    }

    /// GET. Tried once more if the connection broke before any answer, within the same total time.
    pub async fn get(
        &self,
        url: &Url,
        accept: &'static str,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, OutboundError> {
        let headers = headers(accept, authorization);
        let call = || self.client.get(url.clone()).headers(headers.clone());
        self.timed(url, async {
            match call().send().await {
                Err(error) if may_repeat(&error) => call().send().await,
                other => other,
            }
        })
        .await
    }

    /// POST of a form. Tried once more only if no connection could be opened, so that nothing was sent.
    pub async fn post_form(
        &self,
        url: &Url,
        form: String,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, OutboundError> {
        let mut headers = headers("application/json", authorization);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let form = Bytes::from(form);
        let call = || self.client.post(url.clone()).headers(headers.clone()).body(form.clone());
        self.timed(url, async {
            match call().send().await {
                Err(error) if error.is_connect() && !error.is_timeout() => call().send().await,
                other => other,
            }
        })
        .await
    }

    async fn timed(
        &self,
        url: &Url,
        call: impl Future<Output = reqwest::Result<reqwest::Response>>,
    ) -> Result<Answer, OutboundError> {
        if !may_call(url) {
            return Err(OutboundError::Address);
        }
        #[expect(clippy::disallowed_methods, reason = "measures a duration; decides nothing")]
        let start = tokio::time::Instant::now();
        let answer = async { self.read(call.await.map_err(failed)?).await };
        let mut answer =
            tokio::time::timeout(self.total, answer).await.map_err(|_| OutboundError::Timeout)??;
        answer.elapsed = start.elapsed();
        Ok(answer)
    }

    /// Reads the body up to the limit.
    async fn read(&self, mut response: reqwest::Response) -> Result<Answer, OutboundError> {
        let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if !response.headers().get_all(CONTENT_ENCODING).iter().all(identity) {
            return Err(OutboundError::Encoded);
        }
        let announced = response.content_length().unwrap_or(0);
        if announced > self.max_body as u64 {
            return Err(OutboundError::TooLarge);
        }
        let status = response.status();
        let content_type = media_type(response.headers());
        // Most answers come in one piece, which is then not copied.
        let first = response.chunk().await.map_err(failed)?.unwrap_or_default();
        let body = match response.chunk().await.map_err(failed)? {
            None => first,
            Some(second) => {
                let mut body = BytesMut::from(first);
                let mut next = Some(second);
                while let Some(piece) = next {
                    if body.len() + piece.len() > self.max_body {
                        return Err(OutboundError::TooLarge);
                    }
                    body.extend_from_slice(&piece);
                    next = response.chunk().await.map_err(failed)?;
                }
                body.freeze()
            }
        };
        if body.len() > self.max_body {
            return Err(OutboundError::TooLarge);
        }
        Ok(Answer { status, content_type, body, elapsed: Duration::ZERO })
    }
}

/// Whether a URL may be called: https, or http to this machine.
pub fn may_call(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        },
        _ => false,
    }
}

fn headers(accept: &'static str, authorization: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(mut value) = authorization {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    headers
}

fn media_type(headers: &HeaderMap) -> String {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return String::new() };
    let text = value.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a call without effect may be sent again: nothing of an answer was read.
fn may_repeat(error: &reqwest::Error) -> bool {
    if error.is_timeout() {
        return false;
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(hyper) = inner.downcast_ref::<hyper::Error>() {
            return !hyper.is_parse();
        }
        cause = inner.source();
    }
    error.is_connect()
}

fn failed(error: reqwest::Error) -> OutboundError {
    // The URL may hold what must not be logged, and the caller knows it.
    let error = error.without_url();
    if error.is_timeout() {
        OutboundError::Timeout
    } else if error.is_connect() {
        OutboundError::Unreachable(error)
    } else {
        OutboundError::Broken(error)
    }
}
