//! `relais doctor` against providers and stores that are well, and each kind of ill.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Write as _;
use std::fs::{Permissions, set_permissions, write};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use axum::Router;
use axum::http::header::DATE;
use axum::response::IntoResponse as _;
use axum::routing::get;
use relais::clock::{Clock as _, SystemClock};
use relais::entropy::SystemEntropy;
use relais::legacy::{Direction, MasterKey, wires};
use relais::service::ServiceId;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::net::TcpListener;

#[cfg(test)]
#[expect(dead_code, reason = "the whole of both servers; here they are started and killed")]
#[path = "../store/servers.rs"]
mod servers;
#[cfg(test)]
mod stores;

const SECRET: &str = "the secret of this test, 32 letters";
const IV: &str = "00112233445566778899aabbccddeeff";

fn key(app: &str) -> String {
    hex::encode(relais::crypto::hash::sha256(&[app.as_bytes()]))
}

struct Place(tempfile::TempDir, String);

impl Place {
    fn new() -> Self {
        let place = Self(
            tempfile::tempdir().unwrap(),
            "[server]\npublic_url = \"http://127.0.0.1:8080\"\n[outbound]\nconnect_milliseconds = 1000\ntotal_milliseconds = 1000\n"
                .to_owned(),
        );
        place.secret("secret", SECRET);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn secret(&self, name: &str, text: &str) {
        write(self.path(name), text).unwrap();
        set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn upstream(mut self, name: &str, profile: &str, issuer: &str, more: &str) -> Self {
        write!(
            self.1,
            "[upstream.{name}]\nprofile = \"{profile}\"\nissuer = \"{issuer}\"\nclient_id = \"relais\"\n\
             client_secret_file = \"secret\"\n{more}\n"
        )
        .unwrap();
        self
    }

    fn app(mut self, id: &str, wire: &str, more: &str) -> Self {
        self.secret(&format!("{id}.key"), &key(id));
        write!(
            self.1,
            "[legacy.{id}]\nname = \"{id}\"\nhome_url = \"https://{id}.example/\"\nupstream = \"fc\"\n\
             callbacks = [\"https://{id}.example/return\"]\nkey_file = \"{id}.key\"\nwire = \"{wire}\"\n{more}\n"
        )
        .unwrap();
        self
    }

    fn doctor(&self, more: &[&str], input: &str) -> Output {
        write(self.path("relais.toml"), &self.1).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
        command.arg("doctor").arg(self.path("relais.toml")).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Without `--message -` nobody reads.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// The exit code, and the lines about `area`, state first.
    fn lines(&self, area: &str, more: &[&str], input: &str) -> (i32, Vec<String>) {
        let output = self.doctor(more, input);
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_ne!(output.status.code(), Some(78), "{said}");
        assert!(!text.contains(SECRET) && !text.contains(&key("a")));
        let about = text.lines().filter(|line| line.split("  ").any(|word| word.trim() == area));
        (output.status.code().unwrap(), about.map(str::to_owned).collect())
    }
}

/// Blocks until the doctor is done while the servers go on.
async fn lines(place: Place, area: &'static str) -> (i32, Vec<String>) {
    tokio::task::spawn_blocking(move || place.lines(area, &[], "")).await.unwrap()
}

async fn stub() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let stub = stub_upstream::Stub::builder(format!("http://{address}"))
        .client("relais", SECRET, &["http://127.0.0.1:8080/callback/fc"], &[] as &[&str])
        .build()
        .unwrap();
    tokio::spawn(stub_upstream::serve(socket, stub, std::future::pending()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_well_provider_is_well() {
    let address = stub().await;
    let fc = Place::new().upstream("fc", "franceconnect_v2", &format!("http://{address}/api/v2"), "");
    let (code, lines) = lines(fc, "upstream.fc").await;
    assert_eq!(code, 0, "{lines:#?}");
    let whats: Vec<_> =
        lines.iter().map(|line| line.split("  ").nth(3).unwrap().split(" (").next().unwrap()).collect();
    assert_eq!(
        whats,
        [
            "its endpoints are published under its issuer",
            "the clocks agree",
            "its published keys sign by ES256",
            "authorization endpoint answers",
            "token endpoint answers",
            "userinfo endpoint answers",
        ]
    );
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_without_discovery_is_asked_at_its_endpoints() {
    let address = stub().await;
    let endpoints = |base: &str| {
        format!(
            "[upstream.fc.endpoints]\nauthorization = \"{base}/authorize\"\ntoken = \"{base}/token\"\n\
             userinfo = \"{base}/userinfo\"\n"
        )
    };
    let base = format!("http://{address}/api/v1");
    let v1 =
        |base: &str| Place::new().upstream("fc", "franceconnect_v1", "http://127.0.0.1", &endpoints(base));
    let (code, well) = lines(v1(&base), "upstream.fc").await;
    assert_eq!((code, well.len()), (0, 5), "{well:#?}");
    assert!(well[0].ends_with("its endpoints are written"));
    let (code, ill) = lines(v1("http://127.0.0.1:1"), "upstream.fc").await;
    assert_eq!((code, ill.len()), (1, 4), "{ill:#?}");
    assert!(
        ill[1..].iter().all(|line| line.starts_with("fail") && line.contains("the connection is refused"))
    );
    let (code, lost) = lines(v1(&format!("{base}/nowhere")), "upstream.fc").await;
    assert_eq!(code, 0, "{lost:#?}");
    assert_eq!(
        lost.iter().filter(|line| line.starts_with("warn") && line.contains("answers 404")).count(),
        3
    );
}

/// A provider of our own hand, whose clock is `ahead` of ours by so many seconds.
async fn provider(ahead: i64, issuer: Option<&'static str>, crv: &'static str) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let base = format!("http://{address}");
    let date = move || {
        let now = i64::try_from(SystemClock.now().seconds()).unwrap() + ahead;
        let date = OffsetDateTime::from_unix_timestamp(now).unwrap().format(&Rfc2822).unwrap();
        [(DATE, date.replace("+0000", "GMT"))]
    };
    let document = json!({
        "issuer": issuer.unwrap_or(&base), "authorization_endpoint": format!("{base}/a"),
        "token_endpoint": format!("{base}/a"), "jwks_uri": format!("{base}/jwks"), "end_session_endpoint": "", "userinfo_endpoint": null,
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    let public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let leaked = json!({ "kid": "leaked", "kty": "OKP", "crv": crv, "x": public, "d": public });
    let jwks = json!({ "keys": [{ "kty": "OKP", "crv": crv, "x": public, "d": null }, leaked] });
    let router = Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(move || async move { (date(), document.to_string()) }),
        )
        .route("/jwks", get(move || async move { jwks.to_string() }))
        .route("/a", get(|| async { "" }))
        .route(
            "/slow/.well-known/openid-configuration",
            get(|| async {
                tokio::time::sleep(Duration::from_secs(20)).await;
                "".into_response()
            }),
        );
    tokio::spawn(async move { axum::serve(socket, router).await });
    address
}

const EDDSA: &str = "signing_algs = [\"EdDSA\"]\nuserinfo = \"off\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn clocks_are_compared_with_the_leeway() {
    let cases = [
        (0, "", 0, "ok    upstream.fc  the clocks agree"),
        (20, "", 0, "warn  upstream.fc  its clock is "),
        (-20, "leeway_seconds = 10\n", 1, "fail  upstream.fc  its clock is "),
        (90, "", 1, "fail  upstream.fc  its clock is "),
        (90, "leeway_seconds = 120\n", 0, "warn  upstream.fc  its clock is "),
    ];
    for (ahead, more, expected, start) in cases {
        let address = provider(ahead, None, "Ed25519").await;
        let place = Place::new();
        let place = place.upstream("fc", "generic", &format!("http://{address}"), &format!("{EDDSA}{more}"));
        let (code, lines) = lines(place, "upstream.fc").await;
        let line = lines.iter().find(|line| line.contains("clock")).unwrap();
        assert!(code == expected && line.starts_with(start), "{ahead}: {lines:#?}");
        assert!(line.contains(if ahead > 0 { "ahead of ours" } else { "" }));
        assert!(line.contains(if ahead < 0 { "behind ours" } else { "" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_illness_has_its_name() {
    let well = provider(0, None, "Ed25519").await;
    let strange = provider(0, Some("https://other.example"), "Ed25519").await;
    let keyless = provider(0, None, "X25519").await;
    let http = |address: SocketAddr| format!("http://{address}");
    let cases = [
        ("http://127.0.0.1:1".to_owned(), EDDSA, "the connection is refused"),
        ("https://nowhere.invalid".to_owned(), EDDSA, "its host's name does not resolve"),
        (format!("https://{well}"), EDDSA, "TLS fails"),
        (format!("http://{well}/slow"), EDDSA, "there is no answer in time"),
        (format!("http://{well}/elsewhere"), EDDSA, "answers 404"),
        (http(strange), EDDSA, "names another issuer"),
        (http(keyless), EDDSA, "the JWK Set has no usable key"),
        (http(well), "signing_algs = [\"ES256\"]\nuserinfo = \"off\"\n", "and none of signing_algs"),
    ];
    for (issuer, more, expected) in cases {
        let start = SystemClock.now();
        let (code, lines) = lines(Place::new().upstream("fc", "generic", &issuer, more), "upstream.fc").await;
        let failed: Vec<_> = lines.iter().filter(|line| line.starts_with("fail")).collect();
        assert!(code == 1 && failed.len() == 1 && failed[0].contains(expected), "{expected}: {lines:#?}");
        assert!(failed[0].contains("  → "), "{failed:?}");
        assert!(SystemClock.now().since(start) < Duration::from_secs(10), "{expected}");
    }
}

/// C5 and D1 of the field: `null` is absence, and a key that cannot be used is named with its defect.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_should_not_be_there_is_named() {
    let issuer = format!("http://{}", provider(0, None, "Ed25519").await);
    let more = EDDSA.replace("EdDSA", "Ed25519");
    let (code, lines) = lines(Place::new().upstream("fc", "generic", &issuer, &more), "upstream.fc").await;
    assert_eq!(code, 0, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("its published keys sign by EdDSA")), "{lines:#?}");
    let named = |line: &&String| line.contains("key \"leaked\": it has `d`, which is private");
    assert!(lines.iter().find(named).is_some_and(|line| line.starts_with("warn")), "{lines:#?}");
}

/// What a login can do without is absent where it cannot be used, and named.
#[tokio::test(flavor = "multi_thread")]
async fn c3_metadata_that_cannot_be_used_is_named() {
    let issuer = format!("http://{}", provider(0, None, "Ed25519").await);
    let (code, lines) = lines(Place::new().upstream("fc", "generic", &issuer, EDDSA), "upstream.fc").await;
    assert_eq!(code, 0, "{lines:#?}");
    let named = |line: &&String| line.contains("its end_session_endpoint cannot be used");
    assert!(lines.iter().find(named).is_some_and(|line| line.starts_with("warn")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn g1_userinfo_that_is_wanted_needs_its_endpoint() {
    let issuer = format!("http://{}", provider(0, None, "Ed25519").await);
    let more = EDDSA.replace("userinfo = \"off\"\n", "");
    let (code, lines) = lines(Place::new().upstream("fc", "generic", &issuer, &more), "upstream.fc").await;
    let named = |line: &String| line.starts_with("fail") && line.contains("the userinfo_endpoint is missing");
    assert!(code == 1 && lines.iter().any(named), "{lines:#?}");
}

/// The message of an application, as it or KIF makes it.
fn message(app: &str, wire: &str, direction: Direction, text: &str) -> String {
    let (key, id) = (MasterKey::from_hex(&key(app)).unwrap(), ServiceId::parse(app).unwrap());
    let iv = hex::decode(IV).unwrap().try_into().unwrap();
    let keyed = wires::find(wire).unwrap().keyed(&key, &id, Some(iv)).unwrap();
    keyed.seal(direction, SystemClock.now(), &SystemEntropy::new(), text.as_bytes())
}

#[test]
fn a_message_tells_its_application_and_nothing_else() {
    let weak =
        |sunset: &str| format!("iv = \"{IV}\"\nsunset = \"{sunset}\"\naccept_forgeable_identities = true\n");
    let place = Place::new()
        .upstream("fc", "generic", "http://127.0.0.1:1", "")
        .app("a", "kif-cbc", &weak("2099-01-01T00:00:00Z"))
        .app("b", "kif-gcm", &weak("2020-01-01T00:00:00Z"))
        .app("c", "aes-256-gcm", "enabled = false\n");
    let url = |app: &str| format!("https://{app}.example/return?state=state-of-person&nonce=nonce-of-person");
    let identity = r#"{"sub":"sub-of-person","given_name":"Name-of-person"}"#;
    let cases = [
        (
            "a",
            "kif-cbc",
            Direction::Request,
            url("a").replace("a.example", "a.example:8443"),
            "warn  message  opens under the key of a (kif-cbc): a request to return to a.example:8443/return, which is refused: the callback is outside",
        ),
        (
            "a",
            "kif-cbc",
            Direction::Request,
            url("a"),
            "ok    message  opens under the key of a (kif-cbc): a request to return to a.example/return, which is served",
        ),
        (
            "a",
            "kif-cbc",
            Direction::Response,
            identity.to_owned(),
            "ok    message  opens under the key of a (kif-cbc): an answer with sub, given_name",
        ),
        (
            "b",
            "kif-gcm",
            Direction::Request,
            url("x"),
            "warn  message  opens under the key of b (kif-gcm): a request to return to x.example/return, which is refused: the callback is outside",
        ),
        (
            "c",
            "aes-256-gcm",
            Direction::Request,
            url("c"),
            "warn  message  opens under the key of c (aes-256-gcm): a request to return to c.example/return, which is refused: the application is disabled",
        ),
    ];
    for (app, wire, direction, text, expected) in cases {
        let sealed = format!("{}\n", message(app, wire, direction, &text));
        write(place.path("message"), &sealed).unwrap();
        let file = place.path("message");
        for more in [&["--message", "-"], &["--message", file.to_str().unwrap()]] {
            let (_, lines) = place.lines("message", more, &sealed);
            assert!(lines.len() == 1 && lines[0].starts_with(expected), "{lines:#?} instead of {expected}");
            assert!(!lines[0].contains("of-person") && !lines[0].contains(sealed.trim()));
        }
    }
    let strange = message("z", "kif-gcm", Direction::Request, &url("a"));
    let (code, lines) = place.lines("message", &["--message", "-"], &strange);
    assert_eq!(code, 1);
    assert!(lines[0].starts_with("fail  message  opens under no application's key"), "{lines:#?}");
}

#[test]
fn applications_keys_sunsets_and_the_build_are_looked_at() {
    let soon = SystemClock.now().plus(Duration::from_hours(241)).seconds();
    let soon = OffsetDateTime::from_unix_timestamp(i64::try_from(soon).unwrap()).unwrap();
    let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let weak = |sunset: &str| format!("iv = \"{IV}\"\nsunset = \"{sunset}\"\ndelivery = \"reference\"\n");
    let place = Place::new()
        .upstream("fc", "generic", "http://127.0.0.1:1", "")
        .app("a", "kif-cbc", &weak("2099-01-01T00:00:00Z"))
        .app("b", "kif-gcm", &weak("2020-01-01T00:00:00Z"))
        .app("d", "kif-gcm", &weak(&soon))
        .app("c", "jwe", "enabled = false\nprevious_key_file = \"old.key\"\nprevious_key_until = \"2020-01-01T00:00:00Z\"\n");
    place.secret("old.key", &key("old"));
    let output = place.doctor(&["--json"], "");
    assert_eq!(output.status.code(), Some(1));
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let has = |state: &str, area: &str, what: &str| {
        let mut of_area = findings.iter().filter(|finding| finding["area"] == area);
        assert!(
            of_area.any(|f| f["state"] == state && f["what"].as_str().unwrap().contains(what)),
            "{state} {area} {what}: {findings:#?}"
        );
    };
    has("ok", "configuration", "no fault; upstreams: 1, applications: 4");
    has("warn", "legacy.a.wire", "is weak");
    has("ok", "wire kif-cbc", "that KIF documents");
    has("ok", "wire kif-gcm", "that KIF documents");
    let fingerprint = MasterKey::from_hex(&key("a")).unwrap().fingerprint();
    has("ok", "legacy.a", &format!("key {} seals and opens on kif-cbc", fingerprint.0));
    has("fail", "legacy.b", "is not served any more");
    has("warn", "legacy.d", "its sunset is in 10 days");
    has("warn", "legacy.c", "has ended");
    has("warn", "legacy.c", "is disabled");
    has("fail", "upstream.fc", "the connection is refused");
    assert_eq!(findings.iter().filter(|finding| finding["state"] == "fail").count(), 2);
}

#[test]
fn a_faulty_configuration_exits_with_78() {
    let mut place = Place::new();
    place.1 += "nonsense = 1\n";
    let output = place.doctor(&[], "");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(78), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("outbound.nonsense: unknown key"));
    let missing = Place::new().doctor(&["--message", "/nowhere"], "");
    assert_eq!(missing.status.code(), Some(2));
}
