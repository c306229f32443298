//! A freeze of the way to PostgreSQL under steady load: what was refused is refused, and the rest goes on at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use relais::secret::Secret;
use relais::store::contract::PROBE;
use relais::store::{PostgresSettings, Store as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::servers::{postgres, postgres_settings};
use super::{NOW, key, record};

/// One way.
const LATENCY: Duration = Duration::from_millis(5);
/// A request every so often.
const EVERY: Duration = Duration::from_millis(3);

/// A way to `to` that takes its time, and stands still while `frozen`.
async fn slow_way(to: u16, frozen: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let frozen = Arc::clone(&frozen);
            tokio::spawn(async move {
                sleep(LATENCY).await;
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                for (mut from, mut onto) in [(near_in, far_out), (far_in, near_out)] {
                    let frozen = Arc::clone(&frozen);
                    tokio::spawn(async move {
                        let mut buffer = [0; 16_384];
                        while let Ok(count @ 1..) = from.read(&mut buffer).await {
                            sleep(LATENCY).await;
                            while frozen.load(Ordering::SeqCst) {
                                sleep(LATENCY).await;
                            }
                            if onto.write_all(&buffer[..count]).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn n1_a_freeze_under_load_is_over_when_it_is_over() {
    let Some(server) = postgres() else { return };
    let frozen = Arc::new(AtomicBool::new(false));
    let way = slow_way(server.port, Arc::clone(&frozen)).await;
    let near = postgres_settings(&server);
    let url = near.url.expose().replace(&format!(":{}", server.port), &format!(":{}", way.port()));
    let settings = PostgresSettings { url: Secret::new(url), max_connections: 8, ..near };
    let store = Arc::new(super::postgres::open_as(&settings, 10_000).await);
    store.put(PROBE, key(1), record(1), NOW).await.unwrap();

    let (good, bad) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let over = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (store, good, bad, over) = (store.clone(), good.clone(), bad.clone(), over.clone());
        async move {
            while !over.load(Ordering::SeqCst) {
                let (store, good, bad) = (store.clone(), good.clone(), bad.clone());
                tokio::spawn(async move {
                    let count = if store.read(PROBE, key(1), NOW).await.is_ok() { &good } else { &bad };
                    count.fetch_add(1, Ordering::SeqCst);
                });
                sleep(EVERY).await;
            }
        }
    });
    let during = async |time: Duration| {
        good.store(0, Ordering::SeqCst);
        bad.store(0, Ordering::SeqCst);
        sleep(time).await;
        (good.load(Ordering::SeqCst), bad.load(Ordering::SeqCst))
    };
    let (steady, failed) = during(Duration::from_secs(2)).await;
    assert!(steady > 100 && failed == 0, "steady: {steady} went well, {failed} did not");
    frozen.store(true, Ordering::SeqCst);
    let (_, failed) = during(Duration::from_secs(3)).await;
    assert!(failed > 50, "frozen: {failed} were refused");
    frozen.store(false, Ordering::SeqCst);
    // What waited in line is late, and is told so; then nothing is left of it.
    sleep(Duration::from_secs(1)).await;
    let (after, failed) = during(Duration::from_secs(2)).await;
    assert!(after * 10 > steady * 8 && failed * 20 < after, "after: {after} of {steady}, {failed} refused");
    over.store(true, Ordering::SeqCst);
    load.await.unwrap();
}
