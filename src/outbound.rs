//! The one way out: HTTP calls to configured peers, with limits on time and size, no redirects (RFC 9110).

mod cause;
pub mod kept;
mod reach;
#[cfg(test)]
pub(crate) mod testing;

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use rustls::pki_types::CertificateDer;
use url::{Host, Url};

pub use cause::Cause;
pub use reach::Reach;

/// How calls leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundSettings {
    /// Longest time for name resolution, TCP and TLS together.
    pub connect: Duration,
    /// Longest time from the call to the last byte of its answer, a retry included.
    pub total: Duration,
    /// Longest body of an answer, in bytes.
    pub max_body: usize,
    /// An HTTP proxy for all calls but those to loopback; the environment's variables are never read.
    pub proxy: Option<Url>,
    /// Authorities trusted besides the machine's, such as that of an administration's own network.
    pub more_roots: Vec<CertificateDer<'static>>,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(10),
            max_body: 1024 * 1024,
            proxy: None,
            more_roots: Vec::new(),
        }
    }
}

/// Idle connections are dropped before common servers (5 s) drop them, so that no code is sent down a
/// connection that is being closed.
const IDLE: Duration = Duration::from_secs(4);

tokio::task_local! {
    /// When the calls of this task must be over, where they share a budget.
    static BUDGET: tokio::time::Instant;
}

/// The client. Clones share connections.
#[derive(Clone)]
pub struct Outbound {
    client: reqwest::Client,
    connect: Duration,
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
    /// `Date`: what the peer's clock says.
    pub date: Option<HeaderValue>,
    /// Scheme, host and port of `Location`, where it is a redirection.
    pub leads_to: Option<String>,
}

impl Answer {
    /// The status, and where it leads.
    pub fn status(&self) -> Status {
        Status { code: self.status.as_u16(), leads_to: self.leads_to.clone() }
    }
}

/// A status that is not the one that was hoped for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: u16,
    /// The host that a redirection leads to, which is never followed.
    pub leads_to: Option<String>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.leads_to {
            Some(host) => write!(f, "{}, to {host}, which is not followed", self.code),
            None => write!(f, "{}", self.code),
        }
    }
}

/// Why there is no answer.
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
    /// The time was up: this limit.
    #[error("no complete answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
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
        let roots = settings.more_roots.iter().map(|der| reqwest::Certificate::from_der(der));
        let roots = roots.collect::<Result<Vec<_>, _>>().map_err(CannotCall)?;
        if !roots.is_empty() {
            builder = builder.tls_certs_merge(roots);
        }
        let client = builder.build().map_err(CannotCall)?;
        Ok(Self { client, connect: settings.connect, total: settings.total, max_body: settings.max_body })
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
        self.post(url, "application/x-www-form-urlencoded", form, authorization).await
    }

    /// POST of JSON, tried again as a form is.
    pub async fn post_json(&self, url: &Url, json: String) -> Result<Answer, OutboundError> {
        self.post(url, "application/json", json, None).await
    }

    async fn post(
        &self,
        url: &Url,
        kind: &'static str,
        body: String,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, OutboundError> {
        let mut headers = headers("application/json", authorization);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let body = Bytes::from(body);
        let call = || self.client.post(url.clone()).headers(headers.clone()).body(body.clone());
        self.timed(url, async {
            match call().send().await {
                Err(error) if error.is_connect() && !error.is_timeout() => call().send().await,
                other => other,
            }
        })
        .await
    }

    /// Runs `calls`, all of which together take no longer than two of them may: codes and browsers do not wait.
    pub async fn within_budget<T>(&self, calls: impl Future<Output = T>) -> T {
        #[expect(clippy::disallowed_methods, reason = "measures a duration; decides nothing")]
        let start = tokio::time::Instant::now();
        BUDGET.scope(start + self.total.saturating_mul(2), calls).await
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
        let answer = async { self.read(call.await.map_err(|error| self.failed(error))?).await };
        let total = BUDGET.try_with(|end| self.total.min(end.saturating_duration_since(start)));
        let total = total.unwrap_or(self.total);
        let mut answer =
            tokio::time::timeout(total, answer).await.map_err(|_| OutboundError::Timeout(total))??;
        answer.elapsed = start.elapsed();
        Ok(answer)
    }

    fn failed(&self, error: reqwest::Error) -> OutboundError {
        // The URL may hold what must not be logged, and the caller knows it.
        let error = error.without_url();
        if error.is_timeout() {
            // The client has no other limit of its own.
            OutboundError::Timeout(self.connect)
        } else if error.is_connect() {
            OutboundError::Unreachable(error)
        } else {
            OutboundError::Broken(error)
        }
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
        let date = response.headers().get(DATE).cloned();
        let leads_to = response.headers().get(LOCATION).filter(|_| status.is_redirection());
        let leads_to = leads_to.and_then(|to| response.url().join(to.to_str().ok()?).ok());
        let leads_to = leads_to.map(|to| to.origin().ascii_serialization());
        // Most answers come in one piece, which is then not copied.
        let first = response.chunk().await.map_err(|error| self.failed(error))?.unwrap_or_default();
        let body = match response.chunk().await.map_err(|error| self.failed(error))? {
            None => first,
            Some(second) => {
                let mut body = BytesMut::from(first);
                let mut next = Some(second);
                while let Some(piece) = next {
                    if body.len() + piece.len() > self.max_body {
                        return Err(OutboundError::TooLarge);
                    }
                    body.extend_from_slice(&piece);
                    next = response.chunk().await.map_err(|error| self.failed(error))?;
                }
                body.freeze()
            }
        };
        if body.len() > self.max_body {
            return Err(OutboundError::TooLarge);
        }
        Ok(Answer { status, content_type, body, elapsed: Duration::ZERO, date, leads_to })
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

/// The error and its sources, for the operator: fixed texts and library errors.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::testing::{Reply, Server};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn outbound() -> Outbound {
        let settings = OutboundSettings {
            total: Duration::from_millis(600),
            max_body: 1000,
            ..OutboundSettings::default()
        };
        Outbound::new(&settings).unwrap()
    }

    async fn get(server: &Server) -> Result<Answer, OutboundError> {
        outbound().get(&server.url("x?y=z"), "application/json", None).await
    }

    async fn post(server: &Server) -> Result<Answer, OutboundError> {
        outbound().post_form(&server.url("x"), "code=1".to_owned(), None).await
    }

    #[tokio::test]
    async fn an_answer_comes_whole_and_the_request_says_no_more_than_it_must() {
        let server = Server::start(|got| {
            let head = got.head.to_lowercase();
            assert!(head.starts_with("get /x?y=z http/1.1\r\n"), "{head}");
            assert!(head.contains("\r\naccept-encoding: identity"), "{head}");
            assert!(head.contains("\r\nauthorization: bearer t"), "{head}");
            for absent in ["cookie", "user-agent", "referer"] {
                assert!(!head.contains(absent), "{head}");
            }
            Reply::Full(404, "Application/JSON; charset=utf-8", "{}".to_owned())
        })
        .await;
        let bearer = HeaderValue::from_static("Bearer t");
        let answer = outbound().get(&server.url("x?y=z"), "application/json", Some(bearer)).await.unwrap();
        assert_eq!(answer.status, 404);
        assert_eq!(answer.content_type, "application/json");
        assert_eq!(&answer.body[..], b"{}");
    }

    #[tokio::test]
    async fn redirects_are_answers_and_connections_are_kept() {
        let server = Server::start(|_| {
            Reply::Raw(b"HTTP/1.1 302 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_vec())
        })
        .await;
        assert_eq!(get(&server).await.unwrap().status, 302);
        assert_eq!(post(&server).await.unwrap().status, 302);
        assert_eq!(server.requests(), 2);
    }

    #[tokio::test]
    async fn bodies_are_cut_at_the_limit() {
        let answers: [(&str, bool); 4] = [
            ("content-length: 1000\r\n\r\n", true),
            ("content-length: 1001\r\n\r\n", false),
            ("connection: close\r\n\r\n", false),
            ("transfer-encoding: chunked\r\n\r\n3e8\r\n", false),
        ];
        for (head, fits) in answers {
            let server = Server::start(move |_| {
                let length = if head.contains("length") { 1000 } else { 5000 };
                let mut bytes = format!("HTTP/1.1 200 X\r\n{head}{}", "x".repeat(length)).into_bytes();
                if head.contains("chunked") {
                    bytes.truncate(bytes.len() - 4000);
                    bytes.extend_from_slice(b"\r\n1\r\nx\r\n0\r\n\r\n");
                }
                Reply::Raw(bytes)
            })
            .await;
            match get(&server).await {
                Ok(answer) => assert!(fits && answer.body.len() == 1000, "{head}"),
                Err(OutboundError::TooLarge) => assert!(!fits, "{head}"),
                Err(other) => panic!("{head}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_compressed_body_is_refused() {
        let server = Server::start(|_| {
            Reply::Raw(b"HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx".to_vec())
        })
        .await;
        assert!(matches!(get(&server).await, Err(OutboundError::Encoded)));
    }

    #[tokio::test]
    async fn slow_answers_end_in_time_and_are_not_asked_again() {
        for drip in [None, Some("HTTP/1.1 200 X\r\n"), Some("HTTP/1.1 200 X\r\ncontent-length: 900\r\n\r\nx")]
        {
            let server =
                Server::start(move |_| drip.map_or(Reply::Hang, |text| Reply::Drip(text.into()))).await;
            assert!(matches!(get(&server).await, Err(OutboundError::Timeout(_))), "{drip:?}");
            assert!(matches!(post(&server).await, Err(OutboundError::Timeout(_))), "{drip:?}");
            assert_eq!(server.requests(), 2);
        }
    }

    #[tokio::test]
    async fn l15_calls_that_share_a_budget_end_with_it() {
        let server = Server::start(|_| Reply::Hang).await;
        let settings = OutboundSettings { total: Duration::from_millis(200), ..OutboundSettings::default() };
        let outbound = Outbound::new(&settings).unwrap();
        let url = server.url("x");
        let limits = outbound.within_budget(async {
            let mut limits = Vec::new();
            for _ in 0..4 {
                match outbound.get(&url, "*/*", None).await {
                    Err(OutboundError::Timeout(limit)) => limits.push(limit),
                    other => panic!("{other:?}"),
                }
            }
            limits
        });
        let limits = limits.await;
        assert_eq!(limits[0], Duration::from_millis(200));
        assert!(limits.iter().sum::<Duration>() <= Duration::from_millis(400), "{limits:?}");
        assert_eq!(limits[3], Duration::ZERO);
    }

    #[tokio::test]
    async fn only_a_get_is_repeated_and_only_without_an_answer() {
        let server = Server::start(|_| Reply::Close).await;
        assert!(matches!(post(&server).await, Err(OutboundError::Broken(_))));
        assert_eq!(server.requests(), 1, "a code is never sent twice");
        assert!(matches!(get(&server).await, Err(OutboundError::Broken(_))));
        assert_eq!(server.requests(), 3, "a GET is sent twice");

        let half = b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nx";
        for bytes in [&half[..], b"SSH-2.0-OpenSSH\r\n\r\n"] {
            let server = Server::start(move |_| Reply::Raw(bytes.to_vec())).await;
            assert!(matches!(get(&server).await, Err(OutboundError::Broken(_))));
            assert_eq!(server.requests(), 1);
        }
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let url = Url::parse(&format!("http://127.0.0.1:{port}/?secret")).unwrap();
        let error = outbound().post_form(&url, String::new(), None).await.unwrap_err();
        assert!(matches!(error, OutboundError::Unreachable(_)));
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[tokio::test]
    async fn a_certificate_counts_if_somebody_vouches_for_it() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut tls) = acceptor.accept(stream).await else { continue };
                let mut head = [0; 1024];
                assert!(tls.read(&mut head).await.unwrap() > 0);
                tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        });
        let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
        let error = outbound().get(&url, "*/*", None).await.unwrap_err();
        assert!(matches!(error, OutboundError::Unreachable(_)));
        assert!(chain(&error).contains("certificate"), "{}", chain(&error));
        let more_roots = vec![made.cert.der().clone()];
        let trusting =
            Outbound::new(&OutboundSettings { more_roots, ..OutboundSettings::default() }).unwrap();
        assert_eq!(trusting.get(&url, "*/*", None).await.unwrap().status, StatusCode::OK);
    }

    #[tokio::test]
    async fn calls_go_through_the_proxy_but_those_to_this_machine() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 502 X\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let settings = OutboundSettings { proxy: Some(proxy), ..OutboundSettings::default() };
        let through = Outbound::new(&settings).unwrap();
        let server = Server::start(|_| Reply::json("{}".to_owned())).await;
        assert_eq!(through.get(&server.base, "*/*", None).await.unwrap().status, StatusCode::OK);
        let url = Url::parse("https://idp.invalid/token").unwrap();
        assert!(matches!(through.get(&url, "*/*", None).await, Err(OutboundError::Unreachable(_))));
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("CONNECT idp.invalid:443 "), "{asked}");
    }

    #[tokio::test]
    async fn plain_http_goes_only_to_this_machine() {
        for bad in ["http://example.org/", "http://10.0.0.1/", "ftp://localhost/", "http://[2001:db8::1]/"] {
            let answer = outbound().get(&Url::parse(bad).unwrap(), "*/*", None).await;
            assert!(matches!(answer, Err(OutboundError::Address)), "{bad}");
        }
        for good in ["https://example.org/", "http://localhost:1/", "http://127.0.0.9/", "http://[::1]/"] {
            assert!(may_call(&Url::parse(good).unwrap()), "{good}");
        }
    }
}
