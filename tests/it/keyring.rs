//! Keys of our own at a provider that encrypts for us and knows us by our signature: its copy of our key set is what it
//! fetched, as old as we allow.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Request;
use relais::app::App;
use relais::clock::Clock as _;
use relais::event::Step;
use relais::keys::{KeyRecord, KeyUse};
use relais::peer::Peer;
use relais::secret::Secret;
use relais::store::{Memory, Record as _, Sealer, Store, Table};
use relais::{console, web};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{RELAY, Setup, World, choose, parameter};

/// A registration whose both keys are the keyring's.
pub const PLUS: &str = r#"
[upstream.plus]
profile = "franceconnect_plus"
issuer = "{stub}/fcp/api/v2"
client_id = "relais"
client_auth = "private_key_jwt"
"#;

pub const JWKS: &str = "http://127.0.0.1:8080/upstream/plus/jwks";
const DAY: u64 = 86_400;

async fn world() -> World {
    let setup = Setup { more: PLUS.to_owned(), upstream: [("toujours", "plus")].into(), ..Setup::default() };
    World::with(setup).await
}

/// Our key set as the provider fetches it.
async fn published(world: &World) -> Value {
    let page = world.browser().get(JWKS).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "application/jwk-set+json"),
        "{}",
        page.body
    );
    serde_json::from_str(&page.body).unwrap()
}

fn kids(set: &Value, usage: &str) -> Vec<String> {
    let keys = set["keys"].as_array().unwrap().iter().filter(|key| key["use"] == usage);
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The provider fetches our key set.
async fn fetch(world: &World) -> Value {
    let set = published(world).await;
    world.stub.set_client_jwks("relais", &set).unwrap();
    set
}

/// Whether a person comes back signed in.
async fn signs_in(world: &World) -> bool {
    let app = world.legacy("toujours");
    let (attempt, url) = app.start(world.now());
    let mut browser = world.browser();
    let page = browser.open(&url).await;
    let page = choose(&mut browser, page, "angela").await;
    let came = parameter(&page.url, "info").is_some();
    if came {
        app.identity(&page.url, &attempt);
    }
    came
}

/// One order at the management listener.
pub async fn order(world: &World, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    answered(&world.app, request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn answered(app: &Arc<App>, request: Request<Body>) -> (u16, Value) {
    answered_to("127.0.0.1", app, request).await
}

async fn answered_to(address: &str, app: &Arc<App>, mut request: Request<Body>) -> (u16, Value) {
    request.extensions_mut().insert(Peer::at((address.parse::<IpAddr>().unwrap(), 4000).into()));
    let response = console::router(app.clone(), None).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 65_536).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn durable(world: &World) -> Arc<dyn Store> {
    world.app.means.stores.last().unwrap().clone()
}

/// Every form in which a private half of the ring could leave.
pub async fn private_keys(world: &World) -> Vec<String> {
    let entropy: Arc<dyn relais::entropy::Entropy> = Arc::new(relais::entropy::SystemEntropy::new());
    let sealer = Sealer::new(&Secret::new([42; 32]), entropy);
    let table: Table<KeyRecord> = Table::new(durable(world), sealer);
    let records = table.owned(("keyring", &b""[..]), world.clock.now()).await.unwrap();
    let mut forms = Vec::new();
    for (_, record) in records {
        let record = serde_json::to_value(record).unwrap();
        let text = record["private"].as_str().unwrap().to_owned();
        let bytes = STANDARD.decode(&text).unwrap();
        // The scalar of a P-256 key in PKCS#8 begins at byte 36; a nonce key is bytes alone.
        let bare = bytes.get(36..68).unwrap_or(&bytes);
        forms.extend([hex::encode(bare), URL_SAFE_NO_PAD.encode(bare), STANDARD.encode(bare), text]);
    }
    forms
}

/// Somebody signs in every day of two rotations, at a provider that fetches our keys as seldom as it may, and just
/// before a new one is announced. Nobody is refused.
#[tokio::test]
async fn nobody_is_refused_during_rotations() {
    let world = world().await;
    let mut seen = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for day in 0..200 {
        if day % 2 == 0 {
            fetch(&world).await;
        }
        world.app.tend_keys().await.unwrap();
        assert!(signs_in(&world).await, "day {day}: {}", world.last_reason());
        let set = published(&world).await;
        let (sig, enc) = (kids(&set, "sig"), kids(&set, "enc"));
        assert!((1..=2).contains(&sig.len()) && (1..=2).contains(&enc.len()), "day {day}: {set}");
        seen.0.extend(sig);
        seen.1.extend(enc);
        world.advance(DAY);
    }
    assert_eq!((seen.0.len(), seen.1.len()), (3, 3), "two rotations were seen");
}

/// The edges of each state, to the second.
#[tokio::test]
async fn edges_to_the_second() {
    let world = world().await;
    let first = fetch(&world).await;
    let listed = order(&world, "GET", "/keys", "").await.1;
    let of = |listed: &Value, usage: &str| -> Vec<Value> {
        let keys = listed["keys"].as_array().unwrap().iter();
        keys.filter(|key| key["use"] == usage && key["upstream"] == "plus").cloned().collect()
    };
    assert_eq!(of(&listed, "encryption")[0]["state"], "active", "the first at once: {listed}");
    let (status, rotated) =
        order(&world, "POST", "/keys/rotate", r#"{"upstream":"plus","issuer":"http://127.0.0.1:8080"}"#)
            .await;
    assert_eq!(status, 200);
    assert_eq!(of(&rotated, "encryption").len(), 2, "{rotated}");
    let again = order(&world, "POST", "/keys/rotate", r#"{"upstream":"plus"}"#).await.1;
    assert_eq!(again, rotated, "one successor is enough");
    let second = published(&world).await;
    let (old, new) = (kids(&first, "enc"), kids(&second, "enc")[1].clone());
    assert_eq!(kids(&second, "enc"), [old[0].clone(), new.clone()], "the one in use first");
    let states =
        |listed: &Value| of(listed, "signing").iter().map(|key| key["state"].clone()).collect::<Vec<_>>();
    let list = || async { order(&world, "GET", "/keys", "").await.1 };

    world.advance(2 * DAY - 1);
    assert_eq!(states(&list().await), ["active", "announced"]);
    assert!(signs_in(&world).await, "with a set from before the announcement");
    world.advance(1);
    assert_eq!(states(&list().await), ["deactivated", "active"]);
    assert_eq!(
        kids(&published(&world).await, "enc"),
        [new.as_str()],
        "nobody shall encrypt for the old one now"
    );
    assert_eq!(kids(&published(&world).await, "sig").len(), 2, "what the old one signed may be looked at");
    // It knows the new signature, and still encrypts for the old key.
    let mixed: Vec<_> = [&first, &second]
        .iter()
        .zip(["enc", "sig"])
        .flat_map(|(set, usage)| {
            set["keys"].as_array().unwrap().iter().filter(move |key| key["use"] == usage)
        })
        .cloned()
        .collect();
    world.stub.set_client_jwks("relais", &json!({ "keys": mixed })).unwrap();
    assert!(signs_in(&world).await, "{}", world.last_reason());
    world.advance(7 * DAY - 1);
    assert_eq!(states(&list().await), ["deactivated", "active"]);
    assert!(signs_in(&world).await, "{}", world.last_reason());
    world.advance(1);
    assert!(!signs_in(&world).await, "gone by date alone");
    assert_eq!(world.last_reason(), "upstream.decryption_key");
    world.app.tend_keys().await.unwrap();
    assert_eq!(states(&list().await), ["active"], "cleared away");
    fetch(&world).await;
    assert!(signs_in(&world).await);
}

#[tokio::test]
async fn a_key_that_an_operator_ends_decrypts_nothing() {
    let world = world().await;
    let first = fetch(&world).await;
    assert!(signs_in(&world).await);
    let kid = kids(&first, "enc").remove(0);
    let before = private_keys(&world).await;
    let (status, listed) = order(&world, "POST", "/keys/revoke", &json!({ "kid": kid }).to_string()).await;
    assert_eq!(status, 200, "{listed}");
    let states: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["revoked", "active"]);
    assert_eq!(order(&world, "POST", "/keys/revoke", &json!({ "kid": kid }).to_string()).await.0, 404);
    assert!(!signs_in(&world).await, "the provider has the old set");
    assert_eq!(world.last_reason(), "upstream.decryption_key");
    let set = fetch(&world).await;
    assert!(!kids(&set, "enc").contains(&kid));
    assert!(signs_in(&world).await);
    let after = private_keys(&world).await;
    assert_eq!(before.iter().filter(|form| !after.contains(form)).count(), 4, "its private half is erased");
    assert_eq!(world.events(Step::KeyRevoked).len(), 1);
}

/// Two nodes that start at once on one store have the same keys; what one makes, the other uses.
#[tokio::test]
async fn nodes_agree() {
    let world = world().await;
    for _ in 0..8 {
        let store: Arc<dyn Store> = Arc::new(Memory::new([(KeyRecord::KIND, 1000)]));
        let nodes = [world.another(store.clone(), 42), world.another(store, 42)];
        let (a, b) = tokio::join!(nodes[0].tend_keys(), nodes[1].tend_keys());
        a.unwrap();
        b.unwrap();
        let now = world.clock.now();
        let of = |app: &Arc<App>| {
            let plus = relais::service::UpstreamName("plus".to_owned());
            [KeyUse::Signing, KeyUse::Encryption].map(|usage| app.means.keyring.published(usage, &plus, now))
        };
        assert_eq!(of(&nodes[0]), of(&nodes[1]));
        assert!(of(&nodes[0]).iter().all(|keys| keys.len() == 1));
    }
    // The provider has from another node what this one has not read yet.
    fetch(&world).await;
    let other = world.another(durable(&world), 42);
    other.tend_keys().await.unwrap();
    let rotate = Request::post("/keys/rotate").header("content-type", "application/json");
    let rotate = rotate.body(Body::from(r#"{"use":"encryption","now":true}"#)).unwrap();
    assert_eq!(answered(&other, rotate).await.0, 200);
    let request =
        Request::get("/upstream/plus/jwks").header("host", "127.0.0.1:8080").body(Body::empty()).unwrap();
    let set = web::router(other).oneshot(request).await.unwrap().into_body();
    let set: Value = serde_json::from_slice(&to_bytes(set, 65_536).await.unwrap()).unwrap();
    world.stub.set_client_jwks("relais", &set).unwrap();
    assert!(signs_in(&world).await, "{}", world.last_reason());
}

#[tokio::test]
async fn a_restart_keeps_the_ring_and_another_seal_key_opens_none_of_it() {
    let world = world().await;
    let before = fetch(&world).await;
    let world = world.restarted().await;
    assert_eq!(published(&world).await, before);
    assert!(signs_in(&world).await);
    let stranger = world.another(durable(&world), 43);
    let error = stranger.tend_keys().await.unwrap_err().to_string();
    assert!(
        error.contains("sealed under another seal key") && error.contains("bring the seal key back"),
        "{error}"
    );
    assert_eq!(published(&world).await, before, "and it changed nothing");
}

/// Whatever becomes of the store, the keys that were read go on.
#[tokio::test]
async fn the_last_reading_stands() {
    let world = world().await;
    fetch(&world).await;
    let (status, _) = order(&world, "POST", "/keys/rotate", r#"{"use":"nonce"}"#).await;
    assert_eq!(status, 200);
    // A record that nobody can read: put there under another seal key.
    let entropy: Arc<dyn relais::entropy::Entropy> = Arc::new(relais::entropy::SystemEntropy::new());
    let record = relais::store::Entry {
        value: vec![1; 60],
        version: relais::store::Version([0; 16]),
        expires: relais::clock::Timestamp::from_seconds(4_000_000_000),
        owners: vec![owner_of_the_ring(&world, &entropy).await],
    };
    durable(&world)
        .put(KeyRecord::KIND, relais::store::Key([7; 32]), record, world.clock.now())
        .await
        .unwrap();
    assert!(world.app.tend_keys().await.is_err());
    assert_eq!(world.last_reason(), "server.keyring");
    world.advance(10);
    assert_eq!(published(&world).await["keys"].as_array().unwrap().len(), 2);
    assert!(signs_in(&world).await);
}

/// The owner under which the ring's records lie, learnt from one of them.
async fn owner_of_the_ring(
    world: &World,
    entropy: &Arc<dyn relais::entropy::Entropy>,
) -> relais::store::Owner {
    let sealer = Sealer::new(&Secret::new([42; 32]), entropy.clone());
    let table: Table<KeyRecord> = Table::new(durable(world), sealer);
    let (key, _) = table.owned(("keyring", &b""[..]), world.clock.now()).await.unwrap().remove(0);
    durable(world).read(KeyRecord::KIND, key, world.clock.now()).await.unwrap().unwrap().owners[0]
}

#[tokio::test]
async fn what_is_published_and_to_whom() {
    let world = world().await;
    let page = world.browser().get(JWKS).await;
    assert_eq!(page.header("cache-control"), "public, max-age=3600");
    let set: Value = serde_json::from_str(&page.body).unwrap();
    for key in set["keys"].as_array().unwrap() {
        let names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["alg", "use", "kid", "kty", "crv", "x", "y"], "public members only");
    }
    assert_eq!((&set["keys"][0]["alg"], &set["keys"][1]["alg"]), (&json!("ES256"), &json!("ECDH-ES")));
    for (path, status) in [
        ("/upstream/oidc/jwks", 404),
        ("/upstream/unknown/jwks", 404),
        ("/upstream/plus/jwks/", 404),
        ("/upstream/plus", 404),
        ("/upstream/plus/jwks/more", 404),
    ] {
        assert_eq!(world.browser().get(&format!("{RELAY}{path}")).await.status, status, "{path}");
    }
    assert_eq!(world.browser().post(JWKS, &[]).await.status, 405);
    assert_eq!(world.browser().send("HEAD", JWKS, None).await.status, 200);
    // Below a base path, with the operator's own keys, and with RSA.
    let more = format!(
        "{PLUS}decryption_alg = \"RSA-OAEP-256\"\n[upstream.plus.client_key]\nkid = \"own\"\nkey_file = \"own.pem\""
    );
    let base = World::with_files(
        Setup { more, public_url: Some("http://127.0.0.1:8080/sso"), ..Setup::default() },
        &[("own.pem", &rcgen::KeyPair::generate().unwrap().serialize_pem())],
    )
    .await;
    let page = base.browser().get(&format!("{RELAY}/sso/upstream/plus/jwks")).await;
    let set: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!((&set["keys"][0]["kid"], &set["keys"][1]["alg"]), (&json!("own"), &json!("RSA-OAEP-256")));
    assert_eq!(base.browser().get(JWKS).await.status, 404);
}

/// The operator's orders: from no browser, as JSON, for this relay.
#[tokio::test]
async fn orders_come_from_no_browser() {
    let world = world().await;
    let before = published(&world).await;
    let body = r#"{"now":true}"#;
    let send = |name: &'static str, value: &'static str| {
        let request = Request::post("/keys/rotate").header(name, value);
        let request =
            if name == "content-type" { request } else { request.header("content-type", "application/json") };
        answered(&world.app, request.body(Body::from(body)).unwrap())
    };
    assert_eq!(send("origin", "http://127.0.0.1:9090").await.0, 403);
    assert_eq!(send("origin", "null").await.0, 403);
    assert_eq!(send("sec-fetch-site", "none").await.0, 403);
    assert_eq!(send("content-type", "text/plain").await.0, 415);
    assert_eq!(send("content-type", "application/x-www-form-urlencoded").await.0, 415);
    for address in ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7"] {
        let list = Request::get("/keys").body(Body::empty()).unwrap();
        assert_eq!(answered_to(address, &world.app, list).await.0, 403, "{address}");
        let rotate = Request::post("/keys/rotate").header("content-type", "application/json");
        let rotate = rotate.body(Body::from(body)).unwrap();
        assert_eq!(answered_to(address, &world.app, rotate).await.0, 403, "{address}");
    }
    for (path, body, status) in [
        ("/keys/rotate", r#"{"issuer":"https://other.example","now":true}"#, 409),
        ("/keys/rotate", r#"{"upstream":"unknown"}"#, 404),
        ("/keys/rotate", r#"{"upstream":"oidc"}"#, 404),
        ("/keys/rotate", r#"{"use":"sealing"}"#, 422),
        ("/keys/rotate", r#"{"surprise":1}"#, 422),
        ("/keys/rotate", "", 400),
        ("/keys/revoke", r#"{"kid":"unknown"}"#, 404),
        ("/keys/revoke", "{}", 422),
    ] {
        assert_eq!(order(&world, "POST", path, body).await.0, status, "{path} {body}");
    }
    assert_eq!(published(&world).await, before, "none of it did anything");
    let page = world.browser().get(&format!("{RELAY}/keys")).await;
    assert_eq!(page.status, 404, "not on the public listener");
    assert_eq!(order(&world, "POST", "/keys/rotate", body).await.0, 200);
    world.clock.advance(Duration::from_secs(1));
    assert_ne!(published(&world).await, before);
}

/// A registration that comes while the relay serves has its keys from its first request on.
#[tokio::test]
async fn keys_of_another_configuration_are_there_before_it_is() {
    let mut world = World::new().await;
    assert_eq!(world.browser().get(JWKS).await.status, 404);
    world
        .prepare(|setup| {
            setup.more = PLUS.to_owned();
            setup.upstream = [("toujours", "plus")].into();
        })
        .await;
    assert_eq!(world.browser().get(JWKS).await.status, 404, "prepared, not in force");
    world.reconfigure(|_| ());
    fetch(&world).await;
    assert!(signs_in(&world).await, "{}", world.last_reason());
}
