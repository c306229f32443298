//! A whole relay on both servers: it says when it cannot serve, and serves again by itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use relais::config::{Purpose, from_toml};
use relais::event::{Events, Recorder};
use relais::process::Process;

use super::servers::{Server, free_port, postgres, redis};

/// The status of readiness.
async fn ready(port: u16) -> String {
    let asked = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head =
            format!("GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    });
    asked.await.unwrap()
}

async fn becomes(port: u16, status: &str) {
    for _ in 0..100 {
        if ready(port).await == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("readiness is not {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_relay_without_its_stores_is_not_ready_and_comes_back_by_itself() {
    let (Some(postgres), Some(redis)) = (postgres(), redis(&[])) else { return };
    let (public, management) = (free_port(), free_port());
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "[server]\npublic_url = \"http://127.0.0.1:{public}\"\nlisteners = [\n\
         {{ address = \"127.0.0.1:{public}\", kind = \"public\" }},\n\
         {{ address = \"127.0.0.1:{management}\", kind = \"management\" }}]\n\
         [store]\nephemeral = \"redis\"\ndurable = \"postgres\"\n\
         [store.postgres]\nurl = \"postgres://relais@127.0.0.1:{}/postgres\"\ntimeout_milliseconds = 500\n\
         [store.redis]\nurl = \"redis://127.0.0.1:{}/\"\ntimeout_milliseconds = 500\n",
        postgres.port, redis.port
    );
    let start = async || {
        let env = [("RELAIS_KEYS__SEAL_KEY".to_owned(), "89ab".repeat(16))];
        let config = from_toml(&text, directory.path(), env, Purpose::Serve);
        let config = config.unwrap_or_else(|faults| panic!("{faults}"));
        Process::start(config, None, Events::to(Recorder::default()), None).await
    };
    let process = loop {
        if let Ok(process) = start().await {
            break process;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(ready(management).await, "200");
    let mut servers: [Server; 2] = [postgres, redis];
    for server in &mut servers {
        server.freeze();
        becomes(management, "503").await;
        server.thaw();
        becomes(management, "200").await;
        server.kill();
        becomes(management, "503").await;
        server.start();
        becomes(management, "200").await;
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no file is needed");
    process.stop().await;
}
