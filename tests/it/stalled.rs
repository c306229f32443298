//! Peers that stand still: they read nothing, or do not finish what they send. They are cut off in time, hold no more
//! than their share, and hold up no stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use relais::event::{Step, reasons};
use relais::web;
use relais::web::serve::{Counters, ListenerLimits};
use relais::web::tls::Certificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::connections::{Served, limits, read_to_end, serve_counted, serve_router, status};
use crate::harness::{Setup, World};

/// More than the system holds for a peer that does not read.
const MUCH: usize = 4 << 20;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const ASK_ONCE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// An address of this machine in another /16 than 127.0.0.1.
const ELSEWHERE: &str = "127.1.0.1";

fn much() -> Router {
    let answer = Bytes::from(vec![b'x'; MUCH]);
    Router::new()
        .route("/", get(move || async move { answer }))
        .route("/small", get(async || "small"))
        .route("/body", post(async |body: Bytes| body))
}

/// A connection from this address, whose system takes little that is not read.
async fn from(address: &str, served: &Served) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
    socket.connect(served.address).await.unwrap()
}

async fn asked(address: &str, served: &Served, bytes: &[u8]) -> String {
    let mut stream = from(address, served).await;
    stream.write_all(bytes).await.unwrap();
    read_to_end(&mut stream).await
}

const SMALL: &[u8] = b"GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Waits until the address is served again.
async fn served_again(address: &str, served: &Served) {
    for _ in 0..500 {
        if asked(address, served, SMALL).await.ends_with("small") {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{address} is not served again");
}

fn tls() -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate =
        Certificate::new(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes());
    certificate.unwrap().server_config().unwrap()
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let limits = ListenerLimits { write: Duration::from_secs(1), ..limits() };
    let served = serve_router(much(), limits.clone(), None).await;
    // More than the listener has room for, from many addresses of one network.
    let mut stalled = Vec::new();
    for n in 0..96 {
        let mut stream = from(&format!("127.0.{}.1", n / 8), &served).await;
        let _ = stream.write_all(ASK).await;
        stalled.push(stream);
    }
    assert!(asked(ELSEWHERE, &served, SMALL).await.ends_with("small"), "an honest user from elsewhere");
    assert!(asked(ELSEWHERE, &served, ASK_ONCE).await.len() > MUCH);
    served_again("127.0.0.1", &served).await;
    sleep(limits.write).await;
    let mut cut = 0;
    for mut stream in stalled {
        let mut read = Vec::new();
        let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut read)).await.expect("closed");
        assert!(read.len() < MUCH, "it was not cut off");
        cut += usize::from(ended.is_err() && !read.is_empty());
    }
    assert!(cut >= limits.connections_per_address, "they were served, and reset: {cut}");
}

#[tokio::test]
async fn who_does_not_read_tls_is_cut_off() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate =
        Certificate::new(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let limits = ListenerLimits { write: Duration::from_secs(1), head: Duration::from_secs(20), ..limits() };
    let served = serve_router(much(), limits, Some(certificate.server_config().unwrap())).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let connect = async || {
        let stream = from("127.0.0.1", &served).await;
        connector.connect("localhost".try_into().unwrap(), stream).await
    };
    let mut stalled = Vec::new();
    for _ in 0..16 {
        let mut stream = connect().await.unwrap();
        stream.write_all(ASK).await.unwrap();
        stalled.push(stream);
    }
    assert!(connect().await.is_err(), "one too many");
    let again = async {
        while connect().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), again).await.expect("they were cut off");
}

/// A peer that takes little at a time, but steadily, is served to the end, however long that takes.
#[tokio::test]
async fn a_slow_network_goes_on() {
    let limits =
        ListenerLimits { write: Duration::from_secs(1), head: Duration::from_millis(300), ..limits() };
    let served = serve_router(much(), limits, None).await;
    let mut stream = from("127.0.0.1", &served).await;
    stream.write_all(ASK_ONCE).await.unwrap();
    let (mut read, mut piece) = (0, vec![0; 128 * 1024]);
    loop {
        let mut taken = 0;
        while taken < piece.len() {
            match stream.read(&mut piece[taken..]).await.unwrap() {
                0 => break,
                n => taken += n,
            }
        }
        read += taken;
        if taken < piece.len() {
            break;
        }
        sleep(Duration::from_millis(80)).await;
    }
    assert!(read > MUCH, "{read} bytes");
}

/// Requests sent one after another without reading an answer: what waits to be read stays small, and all are answered
/// once somebody reads.
#[tokio::test]
async fn pipelining_without_reading() {
    const REQUESTS: usize = 1_000;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let header = "x".repeat(8 * 1024);
    let router = Router::new().route(
        "/",
        get(async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            [("x", header.clone())]
        }),
    );
    let served = serve_router(router, limits(), None).await;
    let mut stream = from("127.0.0.1", &served).await;
    let mut requests = ASK.repeat(REQUESTS - 1);
    requests.extend(ASK_ONCE);
    stream.write_all(&requests).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let answered = calls.load(Ordering::SeqCst);
    assert!((1..200).contains(&answered), "{answered} answers wait to be read");
    let answers = read_to_end(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), REQUESTS);
}

#[tokio::test]
async fn handshakes_and_heads_that_stop() {
    let limits = ListenerLimits { head: Duration::from_secs(1), ..limits() };
    let secure = serve_router(much(), limits.clone(), Some(tls())).await;
    let plain = serve_router(much(), limits, None).await;
    for (served, begun) in [(&secure, b"\x16\x03\x01\x02".as_slice()), (&plain, b"GET / HT")] {
        let mut stalled = Vec::new();
        for _ in 0..16 {
            let mut stream = from("127.0.0.1", served).await;
            stream.write_all(begun).await.unwrap();
            stalled.push(stream);
        }
        if served.address == plain.address {
            assert_eq!(asked("127.0.0.1", served, SMALL).await, "", "one too many");
            assert!(asked(ELSEWHERE, served, SMALL).await.ends_with("small"));
        }
        for mut stream in stalled {
            read_to_end(&mut stream).await;
        }
    }
    served_again("127.0.0.1", &plain).await;
    // A connection that was used, and then is not.
    let mut kept = from("127.0.0.1", &plain).await;
    kept.write_all(b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut kept).await.ends_with("small"));
}

/// Bodies half sent through a trusted proxy: its connections count for nobody, the requests for whom it names.
#[tokio::test]
async fn half_a_body_through_a_trusted_proxy() {
    let world = World::with(Setup {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        more: "[limit]\nbody_seconds = 3".to_owned(),
        ..Setup::default()
    })
    .await;
    let limits = ListenerLimits { connections_per_address: 4, in_flight: 32, ..limits() };
    let (app, told) = (world.app.clone(), world.app.clone());
    let trusts = move |address: IpAddr| app.rules().trusts(address);
    let counters = Counters::new(limits, trusts, move |peer, refused| web::too_many(&told, peer, refused));
    let served = serve_counted(world.relay.clone(), counters, None);
    let half = |client: &str| {
        format!(
            "POST /idp/confirm HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Forwarded-For: {client}\r\n\
             Cookie: relais-browser-8080=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.compta\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntok"
        )
    };
    let home = |client: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Forwarded-For: {client}\r\nConnection: close\r\n\r\n"
        )
    };
    let mut stalled = Vec::new();
    for n in 0..20 {
        let mut stream = from("127.0.0.1", &served).await;
        // The left entry is the caller's invention.
        stream.write_all(half(&format!("192.0.2.{n}, 203.0.113.9:{}", 1000 + n)).as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    sleep(Duration::from_millis(300)).await;
    let refused = asked("127.0.0.1", &served, home("203.0.113.9").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    let answer = asked("127.0.0.1", &served, home("198.51.100.7").as_bytes()).await;
    assert_eq!(status(&answer), "200", "another client of the same proxy: {answer}");
    let told = world.events(Step::RequestRefused);
    let told = told.iter().find(|event| event.reason == Some(reasons::server::OVERLOADED)).expect("an event");
    assert_eq!(told.facts.names.as_deref(), Some("limit.connections_per_address"));
    assert_eq!(told.peer.as_ref().unwrap().address.to_string(), "203.0.113.9", "whom it concerns");
    let mut answers = Vec::new();
    for mut stream in stalled {
        answers.push(read_to_end(&mut stream).await);
    }
    let with = |code: &str| answers.iter().filter(|answer| status(answer) == code).count();
    assert_eq!((with("408"), with("503")), (4, 16), "{answers:?}");
    let answer = asked("127.0.0.1", &served, home("203.0.113.9").as_bytes()).await;
    assert_eq!(status(&answer), "200", "and nothing stays counted");
}

/// Half-sent bodies from four networks of a thousand addresses: whoever comes from elsewhere is served.
#[tokio::test]
async fn half_a_body_from_many_networks() {
    let world = World::with(Setup {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        more: "[limit]\nbody_seconds = 5".to_owned(),
        ..Setup::default()
    })
    .await;
    for trusted in [true, false] {
        let limits =
            ListenerLimits { in_flight: 128, connections: 4096, connections_per_address: 64, ..limits() };
        let counters = Counters::new(limits, move |_| trusted, |_, _| {});
        let served = serve_counted(world.relay.clone(), counters, None);
        let mut stalled = Vec::new();
        for n in 0..200 {
            // Direct ones come from many networks of this machine.
            let network = n % 4;
            let address = if trusted { "127.0.0.1".to_owned() } else { format!("127.{network}.{n}.1") };
            let mut stream = from(&address, &served).await;
            let head = format!(
                "POST /idp/confirm HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Forwarded-For: 10.{network}.{n}.1\r\n\
                 Cookie: relais-browser-8080=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.compta\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntok"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stalled.push(stream);
        }
        sleep(Duration::from_millis(300)).await;
        let home = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Forwarded-For: 198.51.100.7\r\n\
                    Connection: close\r\n\r\n";
        let address = if trusted { "127.0.0.1" } else { "127.77.0.1" };
        let answer = asked(address, &served, home.as_bytes()).await;
        assert_eq!(status(&answer), "200", "trusted = {trusted}: {answer}");
    }
}

/// The management listener's bodies have a deadline too.
#[tokio::test]
async fn half_an_order() {
    let world = World::with(Setup { more: "[limit]\nbody_seconds = 1".to_owned(), ..Setup::default() }).await;
    let served = serve_router(relais::console::router(world.app.clone(), None), limits(), None).await;
    let head = "POST /keys/rotate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length:";
    let answer = asked("127.0.0.1", &served, format!("{head} 100\r\n\r\n{{").as_bytes()).await;
    assert_eq!(status(&answer), "408", "{answer}");
    let long = format!("{head} 70000\r\n\r\n{}", "x".repeat(66_000));
    assert_eq!(status(&asked("127.0.0.1", &served, long.as_bytes()).await), "413");
    let none = asked("127.0.0.1", &served, format!("{head} 0\r\nConnection: close\r\n\r\n").as_bytes()).await;
    assert_eq!(status(&none), "400", "{none}");
}

/// Whatever peers do, a stop ends within its limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stop_waits_for_nobody_who_stands_still() {
    let long = Duration::from_mins(5);
    let limits = ListenerLimits { head: long, write: long, drain: Duration::from_millis(500), ..limits() };
    let public = serve_router(much(), limits.clone(), None).await;
    let secure = serve_router(much(), limits.clone(), Some(tls())).await;
    let mut stalled = Vec::new();
    for bytes in [ASK, b"GET / HT", b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", b""] {
        for served in [&public, &secure] {
            let mut stream = from("127.0.0.1", served).await;
            stream.write_all(bytes).await.unwrap();
            stalled.push(stream);
        }
    }
    sleep(Duration::from_millis(200)).await;
    // And somebody who connects without end.
    let address = public.address;
    let flood = || async move {
        loop {
            if TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let floods = [tokio::spawn(flood()), tokio::spawn(flood())];
    for served in [public, secure] {
        served.stop.send(true).unwrap();
        let slack = Duration::from_secs(1);
        timeout(limits.stop() + slack, served.task).await.expect("it ended within its limit").unwrap();
    }
    for flood in floods {
        flood.abort();
    }
}
