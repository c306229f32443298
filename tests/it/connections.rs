//! Bytes on a connection: limits of heads, bodies and time, TLS, and an end that finishes what is in flight.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use relais::event::{Event, Events, Recorder, Sink, Step};
use relais::web::serve::{Counters, ListenerLimits, listen, serve};
use relais::web::tls::Certificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::{Setup, World};

pub fn limits() -> ListenerLimits {
    ListenerLimits {
        head_bytes: 32 * 1024,
        headers: 100,
        head: Duration::from_millis(300),
        write: Duration::from_secs(5),
        connections: 64,
        connections_per_address: 16,
        in_flight: 8,
        drain: Duration::from_secs(5),
    }
}

pub struct Served {
    pub address: std::net::SocketAddr,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<()>,
}

pub async fn serve_router(
    router: Router,
    limits: ListenerLimits,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Served {
    serve_counted(router, Counters::new(limits, |_| false, |_, _| {}), tls)
}

pub fn serve_counted(
    router: Router,
    counters: Arc<Counters>,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Served {
    let socket = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn(serve(socket, tls, router, counters, stopping));
    Served { address, stop, task }
}

/// Sends bytes, and reads until the other side closes.
async fn exchange(served: &Served, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read_to_end(&mut stream).await
}

pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the connection was closed").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

pub fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("nothing")
}

#[tokio::test]
async fn heads_are_bounded() {
    let world = World::new().await;
    let served = serve_router(world.relay.clone(), limits(), None).await;
    let host = "Host: 127.0.0.1:8080\r\n";
    let long = format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(33 * 1024));
    let many = format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X: 1\r\n".repeat(100));
    for (row, bytes, expected) in [
        ("ALL-07", long.as_bytes(), "431"),
        ("ALL-07", many.as_bytes(), "431"),
        ("ALL-08", format!("GET / HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n").as_bytes(), "400"),
        ("ALL-08", format!("GET / HTTP/1.1\r\n{host}X: a\nb\r\n\r\n").as_bytes(), "400"),
        ("ALL-08", format!("GET / HTTP/1.1\r\n{host}X: a\0b\r\n\r\n").as_bytes(), "400"),
        ("ALL-25", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
        (
            "ALL-25",
            format!("GET / HTTP/1.1\r\n{host}Connection: upgrade, close\r\nUpgrade: websocket\r\n\r\n")
                .as_bytes(),
            "400",
        ),
    ] {
        let answer = exchange(&served, bytes).await;
        assert_eq!(status(&answer), expected, "{row}: {answer}");
    }
    let offer =
        "Connection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\nUpgrade: h2c";
    let answer = exchange(&served, format!("GET / HTTP/1.1\r\n{host}{offer}\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "what Java's HttpClient sends: {answer}");
    let answer =
        exchange(&served, format!("GET / HTTP/1.1\r\n{host}{offer}, websocket\r\n\r\n").as_bytes()).await;
    assert_eq!(status(&answer), "400", "{answer}");
    let good = format!("GET / HTTP/1.1\r\n{host}{}Connection: close\r\n\r\n", "X: 1\r\n".repeat(90));
    assert_eq!(status(&exchange(&served, good.as_bytes()).await), "200");
}

#[tokio::test]
async fn slow_heads_and_bodies() {
    let world = World::with(Setup { more: "[limit]\nbody_seconds = 1".to_owned(), ..Setup::default() }).await;
    let served = serve_router(world.relay.clone(), limits(), None).await;
    // One byte of the head, then nothing.
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"G").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert_eq!(status(&answer), "408", "ALL-10: {answer}");
    // Nothing at all: closed without a word.
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "", "ALL-10");
    let post = "POST /idp/confirm HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nCookie: relais-browser-8080=\
                AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.compta\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntok";
    let answer = exchange(&served, post.as_bytes()).await;
    assert_eq!(status(&answer), "408", "ALL-11: {answer}");
}

#[tokio::test]
async fn too_long_a_body_is_refused_before_it_is_read() {
    let world = World::new().await;
    let served = serve_router(world.relay.clone(), limits(), None).await;
    let post = "POST /idp/confirm HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nExpect: 100-continue\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10000000\r\n\r\n";
    let answer = exchange(&served, post.as_bytes()).await;
    assert_eq!(status(&answer), "413", "ALL-22: {answer}");
    assert!(!answer.contains("100 Continue"), "ALL-22: {answer}");
}

#[tokio::test]
async fn connections_and_requests_are_counted() {
    let slow = Router::new().route(
        "/",
        get(async || {
            tokio::time::sleep(Duration::from_millis(500)).await;
            "done"
        }),
    );
    let served =
        serve_router(slow, ListenerLimits { in_flight: 2, connections_per_address: 4, ..limits() }, None)
            .await;
    let ask = async || {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        read_to_end(&mut stream).await
    };
    let asked = (0..4).map(|_| ask()).collect::<Vec<_>>();
    let answers = crate::idp_inputs::futures_join(asked).await;
    let with = |code: &str| answers.iter().filter(|answer| status(answer) == code).count();
    assert_eq!((with("200"), with("503")), (2, 2), "{answers:?}");
    // Four connections that say nothing: the fifth is closed at once.
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(TcpStream::connect(served.address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(exchange(&served, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await, "");
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() {
    let slow = Router::new().route(
        "/",
        get(async || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "done"
        }),
    );
    let served = serve_router(slow, ListenerLimits { head: Duration::from_secs(5), ..limits() }, None).await;
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    busy.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let idle = TcpStream::connect(served.address).await.unwrap();
    let mut late = TcpStream::connect(served.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    served.stop.send(true).unwrap();
    // A balancer that had connected, or does not know yet.
    late.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(
        exchange(&served, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.ends_with("done")
    );
    assert!(read_to_end(&mut late).await.ends_with("done"));
    let answer = read_to_end(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    tokio::time::timeout(Duration::from_secs(3), served.task).await.expect("it ended").unwrap();
    assert!(TcpStream::connect(served.address).await.is_err(), "nothing new is taken");
    drop(idle);
}

/// Fails where the home page is told of.
struct Defective(Recorder);

impl Sink for Defective {
    fn accept(&self, event: &Event) {
        assert!(event.step != Step::HomeShown, "a defect");
        self.0.accept(event);
    }
}

/// A defect costs the request that hit it; the connection and everybody else go on.
#[tokio::test]
async fn a_panic_costs_one_request() {
    let events = |recorder: &Recorder| Events::to(Defective(recorder.clone()));
    let world = World::with(Setup { events: Some(events), ..Setup::default() }).await;
    let served = serve_router(world.relay.clone(), limits(), None).await;
    let home = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n";
    let both = format!(
        "{home}\r\n{}\r\n",
        "GET /static/none HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n"
    );
    let answer = exchange(&served, both.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("HTTP/1.1 404 "), "{answer}");
    let [event] = &world.events(Step::Panicked)[..] else { panic!("one event") };
    assert!(answer.contains(&event.code.unwrap().to_string()), "the page has its support code");

    // Where nothing catches it, the connection ends, and is no longer counted.
    let broken = Router::new().route("/", get(async || -> &str { panic!("a defect") }));
    let served = serve_router(broken, limits(), None).await;
    for _ in 0..=limits().connections_per_address {
        assert_eq!(exchange(&served, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await, "");
    }
    let asked = exchange(&served, b"GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&asked), "404");
}

#[tokio::test]
async fn tls_is_modern() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate =
        Certificate::new(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes());
    let config = certificate.unwrap().server_config().unwrap();
    let served = serve_router(Router::new().route("/", get(async || "hello")), limits(), Some(config)).await;
    // A ClientHello of TLS 1.0, and one of 1.1, each with the CBC suites of their time.
    for version in [1, 2] {
        let answer = raw_exchange(&served, &client_hello(version)).await;
        assert_eq!(answer.first(), Some(&21), "ALL-13: an alert, not a handshake: {answer:?}");
    }
    let answer = raw_exchange(&served, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!answer.starts_with(b"HTTP"), "plain HTTP is not served on a TLS listener");
    // And a client of today is served.
    assert!(hello(&served, &made.cert).await.is_some_and(|answer| answer.ends_with("hello")));
}

/// A certificate is renewed while the listener serves; what does not fit changes nothing.
#[tokio::test]
async fn a_certificate_is_renewed() {
    let make = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (first, second) = (make(), make());
    let pem =
        |made: &rcgen::CertifiedKey<rcgen::KeyPair>| (made.cert.pem(), made.signing_key.serialize_pem());
    let (chain, key) = pem(&first);
    let certificate = Certificate::new(chain.as_bytes(), key.as_bytes()).unwrap();
    let config = certificate.server_config().unwrap();
    let served = serve_router(Router::new().route("/", get(async || "hello")), limits(), Some(config)).await;
    let (chain, other) = pem(&second);
    assert!(certificate.renewal(chain.as_bytes(), key.as_bytes()).is_err(), "not its key");
    let renew = certificate.renewal(chain.as_bytes(), other.as_bytes()).unwrap();
    assert!(hello(&served, &first.cert).await.is_some(), "not before it is put in force");
    renew();
    assert!(hello(&served, &second.cert).await.is_some());
    assert!(hello(&served, &first.cert).await.is_none());
}

/// What a client that trusts this certificate alone is answered.
async fn hello(served: &Served, trusted: &rcgen::Certificate) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(served.address).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    Some(String::from_utf8_lossy(&answer).into_owned())
}

async fn raw_exchange(served: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    answer
}

/// A `ClientHello` for TLS 1.x (RFC 4346, section 7.4.1.2): AES-CBC, RC4 and NULL suites.
fn client_hello(minor: u8) -> Vec<u8> {
    let suites: &[u8] = &[0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35, 0x00, 0x05, 0x00, 0x02];
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, u8::try_from(suites.len()).unwrap()]);
    body.extend(suites);
    body.extend([1, 0]);
    let mut handshake = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    handshake.extend(body);
    let mut record = vec![22, 3, minor, 0, u8::try_from(handshake.len()).unwrap()];
    record.extend(handshake);
    record
}
