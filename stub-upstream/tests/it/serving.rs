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
