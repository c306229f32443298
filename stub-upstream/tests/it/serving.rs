//! The program and the socket.

use std::process::Command;
use std::time::Duration;

use stub_upstream::{Fault, Stub, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stub-upstream")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn exit_codes_and_tables() {
    let (code, out, _) = run(&["personas"]);
    assert!(code == Some(0) && out.contains("angela") && out.contains("GARANÇON"));
    let (code, out, _) = run(&["faults"]);
    assert!(code == Some(0) && out.lines().count() == stub_upstream::FAULTS.len());
    for (list, length) in [("faults", stub_upstream::FAULTS.len()), ("personas", 36)] {
        let (code, out, _) = run(&[list, "--json"]);
        let all: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(code == Some(0) && all.as_array().unwrap().len() == length, "{list}");
    }
    let (code, out, _) = run(&["serve", "--help"]);
    assert!(code == Some(0) && out.contains("simulated-secret-for-development-only"));
    let wrong: &[&[&str]] = &[
        &[],
        &["serve", "--fault", "no_such"],
        &["serve", "--listen", "0.0.0.0:0"],
        &["serve", "--listen", "127.0.0.1:0", "--auto-login", "nobody"],
        &["serve", "--listen", "127.0.0.1:0", "--base-url", "nowhere"],
        &["serve", "--listen", "127.0.0.1:0", "--redirect-uri", "nowhere"],
    ];
    for arguments in wrong {
        let (code, _, error) = run(arguments);
        assert!(code == Some(2) && !error.is_empty(), "{arguments:?}: {code:?} {error}");
    }
    let (code, _, error) = run(&["serve", "--listen", "127.0.0.1:0", "--client-secret-file", "/nowhere"]);
    assert!(code == Some(1) && error.contains("/nowhere"), "{error}");
}

#[tokio::test]
async fn it_serves_until_told_to_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stub = Stub::builder(format!("http://{address}")).fault(Some(Fault::TokenCut)).build().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, stub, async { drop(stopped.await) }));
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = "POST /api/v2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let cut = tokio::time::timeout(Duration::from_secs(5), socket.read_to_string(&mut answer)).await;
    assert!(cut.is_ok(), "the connection closes before 1000 bytes");
    assert!(answer.contains("content-length: 1000") && answer.ends_with("{\"access_token\":"), "{answer}");
    let idle = TcpStream::connect(address).await.unwrap();
    stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), server).await;
    assert!(ended.is_ok_and(|server| server.unwrap().is_ok()));
    drop(idle);
}

/// A file that goes with the test.
struct Written(std::path::PathBuf);

impl Written {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stub-upstream-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn broken_files_are_refused_with_their_line() {
    let people =
        Written::new("people.toml", "[[persona]]\nid = 'a'\nfamily_name = 'A'\n\n[[persona]]\nid = 'b'\n");
    let scenario = Written::new("scenario.toml", "[[step]]\n[[step]]\nfault = 'nothing'\n");
    let jwks = Written::new("jwks.json", "{\"keys\": [{\"kty\": \"oct\"}]}");
    let clients = Written::new("clients.toml", "[[client]]\nid = 'a'\nsecret = 'x'\n[[client]]\nid = 'b'\n");
    let cases: &[(&str, &Written, &str)] = &[
        ("--clients", &clients, "line 4: b has neither secret nor jwks"),
        ("--personas", &people, "line 5: b has neither"),
        ("--extra-personas", &people, "line 5: b has neither"),
        ("--scenario", &scenario, "line 2: there is no fault nothing"),
        ("--client-jwks", &jwks, "key 0: kty must be"),
    ];
    for (option, file, reason) in cases {
        let (code, _, error) = run(&["serve", "--listen", "127.0.0.1:0", option, file.path()]);
        assert!(code == Some(2) && error.contains(reason), "{option}: {code:?} {error}");
    }
    let (code, _, error) = run(&["personas", "--personas", people.path()]);
    assert!(code == Some(2) && error.contains("line 5") && error.contains(people.path()), "{error}");
    let good = Written::new("good.toml", "[[persona]]\nid = 'mine'\nfamily_name = 'MINE'\n");
    let (_, own, _) = run(&["personas", "--personas", good.path()]);
    let (_, more, _) = run(&["personas", "--extra-personas", good.path()]);
    assert!(
        own.contains("mine") && !own.contains("angela") && more.contains("mine") && more.contains("angela")
    );
}

#[test]
fn a_file_of_clients() {
    let text = "[[client]]\nid = 'a'\nsecret = 's'\nredirect_uris = ['http://a/']\nscopes = ['openid']\n\
                id_token_signed_response_alg = 'RS256'\n";
    let clients = stub_upstream::Client::parse_file(text).unwrap();
    assert_eq!((clients.len(), clients[0].id_token_signed_response_alg), (1, stub_upstream::Alg::Rs256));
    for (more, reason) in [
        (text, "line 7: a comes twice"),
        ("[[client]]\nid = 'b'\njwks = { keys = [{ kty = 'oct' }] }", "line 7: key 0: kty"),
        ("[[client]]\nid = 'b'\nshoe_size = 44", "line 9: unknown field"),
        ("[[client]]\nsecret = 'b'", "line 7: missing field"),
    ] {
        let error = stub_upstream::Client::parse_file(&format!("{text}{more}")).unwrap_err();
        assert!(error.starts_with(reason), "{error}");
    }
}

#[tokio::test]
async fn a_hang_up_sends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stub = Stub::builder(format!("http://{address}")).fault(Some(Fault::TokenHangUp)).build().unwrap();
    let server = tokio::spawn(serve(listener, stub, std::future::pending()));
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = "POST /api/v2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
    assert!(closed.is_ok() && answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    server.abort();
}
