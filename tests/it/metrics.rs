//! The figures of the management listener.

use axum::body::{Body, to_bytes};
use http::Request;
use relais::console;
use relais::peer::Peer;
use tower::ServiceExt as _;

use crate::harness::World;
use crate::other_wires::{Other, from_anywhere};

async fn figures(world: &World) -> Vec<String> {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = console::router(world.app.clone(), None).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let body = to_bytes(response.into_body(), 65_536).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// An operator sees who still uses a weak wire, when the last message came, and that others have moved.
#[tokio::test]
async fn who_still_uses_a_weak_wire() {
    let world = World::new().await;
    let total = |app: &str, wire: &str, count: u32| {
        format!("relais_legacy_weak_wire_messages_total{{app=\"{app}\",wire=\"{wire}\"}} {count}")
    };
    let before = figures(&world).await;
    assert!(before.contains(&total("vieux-cbc", "kif-cbc", 0)), "{before:#?}");
    assert!(before.iter().all(|line| !line.contains("compta")), "no sound wire");

    let app = Other::new("vieux-cbc");
    let callback = |n| format!("http://127.0.0.1:9000/vieux-cbc/retour.cgi?state=s{n}&nonce=n");
    for n in 0..2 {
        world.advance(1);
        assert_eq!(from_anywhere(&world).get(&app.idp(callback(n))).await.status, 303);
    }
    let now = world.now();
    world.advance(60);
    // Whatever is refused is no proof that the application sent it.
    assert_eq!(from_anywhere(&world).get(&app.base.idp("00")).await.status, 400);
    let after = figures(&world).await;
    let last = "relais_legacy_weak_wire_last_message_timestamp_seconds";
    for line in [
        total("vieux-cbc", "kif-cbc", 2),
        total("vieux-gcm", "kif-gcm", 0),
        format!("{last}{{app=\"vieux-cbc\",wire=\"kif-cbc\"}} {now}"),
        "relais_legacy_weak_wire_sunset_timestamp_seconds{app=\"vieux-cbc\",wire=\"kif-cbc\"} 1798675200"
            .into(),
    ] {
        assert!(after.contains(&line), "{line} is not in {after:#?}");
    }
    assert!(after.iter().all(|line| !line.starts_with(&format!("{last}{{app=\"vieux-gcm\""))), "never used");
}

/// The listener may be open to others for these figures: orders come from this machine only, and from no browser.
#[tokio::test]
async fn orders_come_from_this_machine() {
    let world = World::new().await;
    let status = async |address: Option<[u8; 4]>, origin: bool| {
        let mut request = Request::post("/reload");
        if origin {
            request = request.header("origin", "https://evil.example");
        }
        let mut request = request.body(Body::empty()).unwrap();
        if let Some(address) = address {
            request.extensions_mut().insert(Peer::at((address, 4000).into()));
        }
        console::router(world.app.clone(), None).oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(status(Some([192, 0, 2, 7]), false).await, 403);
    assert_eq!(status(None, false).await, 403);
    assert_eq!(status(Some([127, 0, 0, 1]), true).await, 403);
    assert_eq!(status(Some([127, 0, 0, 1]), false).await, 409, "taken, but this world has no file to read");
}
