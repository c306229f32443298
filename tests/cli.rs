//! The binary as its users meet it: exit codes, exact bytes, every fault at once, and the wire vectors.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::fs::{Permissions, metadata, read_to_string, set_permissions, write};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use relais::broker::Session;
use relais::records;
use relais::store::{Ephemeral, Kind, Record as _};
use serde::Deserialize;

const URL: &str = "https://compta.example/return?state=0123456789abcdef&nonce=fedcba9876543210";

/// Runs the binary with `input` on standard input and none of our own variables.
fn relais(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relais"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RELAIS_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A directory with secret files.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn key(&self, hex: &str) -> String {
        self.file("app.key", hex, 0o600).to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}

/// One row of the wire vectors.
#[derive(Deserialize)]
struct Row {
    id: String,
    wire: String,
    app: String,
    #[serde(default)]
    direction: String,
    key: String,
    derived: Option<String>,
    ts: Option<u64>,
    iv: Option<String>,
    plaintext: Option<String>,
    token: Option<String>,
    refused: Option<String>,
}

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Row>,
}

fn rows(wire: &str) -> Vec<Row> {
    let text = read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wire-vectors.json"));
    let Vectors { vectors } = serde_json::from_str(&text.unwrap()).unwrap();
    let rows: Vec<_> = vectors.into_iter().filter(|row| row.wire == wire).collect();
    assert!(!rows.is_empty(), "{wire}");
    rows
}

#[test]
fn encode_and_decode_reproduce_the_vectors_byte_for_byte() {
    let place = Place::new();
    let mut checked = 0;
    for row in rows("aes-256-gcm").iter().filter(|row| row.refused.is_none()) {
        let key = place.key(&row.key);
        let (plaintext, token) = (row.plaintext.as_ref().unwrap(), row.token.as_ref().unwrap());
        let (ts, iv) = (row.ts.unwrap().to_string(), row.iv.as_ref().unwrap());
        let of =
            ["--wire", "aes-256-gcm", "--app", &row.app, "--key-file", &key, "--direction", &row.direction];
        let encode = [&["legacy", "encode", "--ts", &ts, "--iv", iv], of.as_slice()].concat();
        let sealed = relais(&encode, plaintext.as_bytes());
        assert_eq!((stdout(&sealed), stderr(&sealed), code(&sealed)), (token.as_str(), "", 0), "{}", row.id);
        let opened = relais(&[&["legacy", "decode"], of.as_slice()].concat(), token.as_bytes());
        assert_eq!(
            (stdout(&opened), stderr(&opened), code(&opened)),
            (plaintext.as_str(), "", 0),
            "{}",
            row.id
        );
        checked += 1;
    }
    assert_eq!(checked, 18);
}

/// `jwe` prints and takes the claims.
#[test]
fn jwe_encode_and_decode_reproduce_the_vectors() {
    let place = Place::new();
    for row in rows("jwe").iter().filter(|row| row.refused.is_none()) {
        let key = place.key(&row.key);
        let (plaintext, token) = (row.plaintext.as_ref().unwrap(), row.token.as_ref().unwrap());
        let of = ["--wire", "jwe", "--app", &row.app, "--key-file", &key, "--direction", &row.direction];
        let encode = [&["legacy", "encode", "--iv", row.iv.as_ref().unwrap()], of.as_slice()].concat();
        assert_eq!(stdout(&relais(&encode, plaintext.as_bytes())), token, "{}", row.id);
        let opened = relais(&[&["legacy", "decode"], of.as_slice()].concat(), token.as_bytes());
        assert_eq!(stdout(&opened), plaintext, "{}", row.id);
        let keys = ["legacy", "keys", "--wire", "jwe", "--app", &row.app, "--key-file", &key];
        let line = format!("{}\thex\t{}\n", row.direction, row.derived.as_ref().unwrap());
        assert!(stdout(&relais(&keys, b"")).contains(&line), "{}", row.id);
    }
}

/// In place of KIF's own tools: every message that its documentation prints.
#[test]
fn every_documented_message_of_kif_is_reproduced() {
    let place = Place::new();
    let file: serde_json::Value = serde_json::from_str(include_str!("vectors/kif-vectors.json")).unwrap();
    let documented = file["vectors"].as_array().unwrap().iter().filter(|row| row["set"] == "documented");
    let mut checked = 0;
    for row in documented {
        let text = |name: &str| row[name].as_str().unwrap();
        let wire = if text("mode") == "AES-256-GCM" { "kif-gcm" } else { "kif-cbc" };
        let key = place.key(text("key"));
        let of = ["--wire", wire, "--app", "a", "--key-file", &key, "--iv", text("iv")];
        let plaintext = hex::decode(text("plaintext_hex")).unwrap();
        let sealed = relais(&[&["legacy", "encode"], of.as_slice()].concat(), &plaintext);
        assert_eq!((stdout(&sealed), stderr(&sealed)), (text("hex"), ""), "{}", text("id"));
        let opened = relais(&[&["legacy", "decode"], of.as_slice()].concat(), text("hex").as_bytes());
        assert_eq!((&opened.stdout, code(&opened)), (&plaintext, 0), "{}", text("id"));
        let without = relais(&[&["legacy", "decode"], &of[..6]].concat(), text("hex").as_bytes());
        assert_eq!(code(&without), 2, "KIF's wires need their IV");
        let refusal = [&["legacy", "encode", "--direction", "refusal"], of.as_slice()].concat();
        assert_eq!(code(&relais(&refusal, b"x")), 2, "KIF has no refusals");
        checked += 1;
    }
    assert_eq!(checked, 8);
}

#[test]
fn what_the_vectors_refuse_does_not_open() {
    let place = Place::new();
    let refused =
        [rows("aes-256-gcm"), rows("jwe")].into_iter().flatten().filter(|row| row.refused.is_some());
    for row in refused {
        let (key, token) = (place.key(&row.key), row.token.as_ref().unwrap());
        let args = [
            &["legacy", "decode", "--wire", &row.wire, "--app", &row.app],
            &["--key-file", &key, "--direction", &row.direction][..],
        ]
        .concat();
        let output = relais(&args, token.as_bytes());
        assert_eq!((code(&output), stdout(&output)), (1, ""), "{} {:?}", row.id, row.refused);
        assert!(stderr(&output).starts_with("error: the message does not open: "), "{}", stderr(&output));
    }
}

#[test]
fn keys_prints_the_vectors_keys_and_claim_passwords() {
    let place = Place::new();
    let print = |row: &Row| {
        let key = place.key(&row.key);
        let output = relais(&["legacy", "keys", "--app", &row.app, "--key-file", &key], b"");
        assert_eq!((code(&output), stderr(&output)), (0, ""));
        stdout(&output).to_owned()
    };
    for row in rows("aes-256-gcm").iter().filter(|row| row.derived.is_some()) {
        let derived = row.derived.as_ref().unwrap();
        let lines = print(row);
        assert!(lines.contains(&format!("{}\thex\t{derived}\n", row.direction)), "{}: {lines}", row.id);
        let prefix = format!("{}\tjwk\t", row.direction);
        let jwk = lines.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap();
        let jwk: serde_json::Value = serde_json::from_str(jwk).unwrap();
        assert_eq!(jwk["k"], base64url(&hex::decode(derived).unwrap()), "{}", row.id);
        assert_eq!(
            (&jwk["kty"], &jwk["alg"], &jwk["use"]),
            (&"oct".into(), &"A256GCM".into(), &"enc".into())
        );
        assert_eq!(jwk["kid"], format!("{}/{}", row.app, row.direction));
    }
    for row in rows("claim") {
        let line = format!("claim\tpassword\t{}\n", row.derived.as_ref().unwrap());
        assert!(print(&row).contains(&line), "{}", row.id);
    }
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn bytes_go_through_unchanged_and_each_message_is_new() {
    let place = Place::new();
    let key = place.key(&"0123".repeat(16));
    let all: Vec<u8> = (0..=255).chain([b'\r', b'\n', 0]).collect();
    let seal = || relais(&["legacy", "encode", "--app", "compta", "--key-file", &key], &all).stdout;
    let (one, other) = (seal(), seal());
    assert_ne!(one, other);
    assert!(one.iter().all(u8::is_ascii_hexdigit), "no line break is added");
    let decode = ["legacy", "decode", "--app", "compta", "--key-file", &key];
    let as_request = [decode.as_slice(), &["--direction", "request"]].concat();
    assert_eq!(relais(&as_request, &one).stdout, all);

    // A request is no response, which is what `decode` expects unless it is told.
    assert_eq!(code(&relais(&decode, &one)), 1);
    // Freshness is not judged.
    let old = relais(&["legacy", "encode", "--app", "compta", "--key-file", &key, "--ts", "0"], b"x");
    assert_eq!(relais(&as_request, &old.stdout).stdout, b"x");
    // A line break is no part of a message; whoever adds one is told.
    let broken = relais(&as_request, &[one.as_slice(), b"\n"].concat());
    assert_eq!((code(&broken), stdout(&broken)), (1, ""));
    assert!(stderr(&broken).contains("line break"), "{}", stderr(&broken));
}

#[test]
fn key_files_that_others_can_read_are_refused() {
    let place = Place::new();
    let key = "0123".repeat(16);
    for mode in [0o640, 0o604, 0o644] {
        let file = place.file("open.key", &key, mode);
        let args = ["legacy", "encode", "--app", "compta", "--key-file", file.to_str().unwrap()];
        let output = relais(&args, URL.as_bytes());
        assert_eq!((code(&output), stdout(&output)), (1, ""));
        assert!(stderr(&output).contains("chmod 600"), "{}", stderr(&output));
        assert!(!stderr(&output).contains(&key));
    }
    let short = place.file("short.key", "0123", 0o600);
    let output = relais(&["legacy", "keys", "--app", "compta", "--key-file", short.to_str().unwrap()], b"");
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("4 characters instead of 64"), "{}", stderr(&output));
}

#[test]
fn wrong_usage_exits_with_2() {
    let place = Place::new();
    let key = place.key(&"0123".repeat(16));
    let legacy = |more: &[&str]| {
        let args = [&["legacy", "encode", "--key-file", &key], more].concat();
        let output = relais(&args, URL.as_bytes());
        (code(&output), stderr(&output).to_owned(), output.stdout)
    };
    for args in [
        &[][..],
        &["--app", "Compta"],
        &["--app", "claim"],
        &["--app", "compta", "--iv", "0011"],
        &["--app", "compta", "--iv", "xx"],
        &["--app", "compta", "--wire", "rot13"],
        &["--app", "compta", "--direction", "sideways"],
        &["--app", "compta", "--key", "0011"],
    ] {
        let (code, text, out) = legacy(args);
        assert_eq!((code, out), (2, Vec::new()), "{args:?}: {text}");
    }
    for args in [&[][..], &["serve"], &["legacy"], &["keys", "generate"], &["check-config"], &["nonsense"]] {
        assert_eq!(code(&relais(args, b"")), 2, "{args:?}");
    }
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let output = relais(&["--help"], b"");
    assert_eq!((code(&output), stderr(&output)), (0, ""));
    for word in ["serve", "check-config", "doctor", "keys", "backup", "legacy", "78  wrong configuration"] {
        assert!(stdout(&output).contains(word), "{word}");
    }
    assert!(stdout(&output).contains("bench"));
    let bench = relais(&["bench", "--help"], b"");
    for word in
        ["memory", "relay", "relay-rs256", "growth", "garbage-msg", "--warm-up", "--sessions", "--json"]
    {
        assert!(stdout(&bench).contains(word), "{word}");
    }
    assert!(!stdout(&bench).contains("--floor"), "the bench's own");
    for wrong in [["--scenario", "nothing"], ["--seconds", "0"], ["--sessions", "0"], ["--floor", "--json"]] {
        assert_eq!(code(&relais(&[&["bench"], &wrong[..]].concat(), b"")), 2, "{wrong:?}");
    }
    for args in [&["legacy", "--help"][..], &["legacy", "encode", "--help"], &["keys", "generate", "--help"]]
    {
        assert_eq!(code(&relais(args, b"")), 0, "{args:?}");
    }
}

#[test]
fn a_made_key_is_64_digits_in_a_file_of_its_owner() {
    let place = Place::new();
    let printed = relais(&["keys", "generate", "legacy"], b"");
    let digits = stdout(&printed).strip_suffix('\n').unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()));

    let path = place.path("new.key");
    let made = relais(&["keys", "generate", "legacy", "--out", &path], b"");
    assert_eq!((code(&made), stdout(&made), stderr(&made)), (0, "", ""));
    assert_eq!(metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let first = read_to_string(&path).unwrap();
    assert!(first.len() == 65 && first.trim_end() != digits);

    let again = relais(&["keys", "generate", "legacy", "--out", &path], b"");
    assert_eq!(code(&again), 1);
    assert!(stderr(&again).contains("is there already"), "{}", stderr(&again));
    assert_eq!(read_to_string(&path).unwrap(), first);
}

/// The commented configuration with its secret files.
/// The commented file with an id at the place of its placeholder.
fn template() -> String {
    let template = include_str!("../config/relais.toml");
    template.replace("the id that the provider gave you", "relais-compta")
}

fn configured(place: &Place) -> String {
    place.file("fc.secret", "s3cret", 0o600);
    place.file("compta.key", &"0123".repeat(16), 0o600);
    place.file("relais.toml", &template(), 0o644);
    place.path("relais.toml")
}

#[test]
fn check_config_accepts_the_commented_file() {
    let place = Place::new();
    let file = configured(&place);
    let output = relais(&["check-config", &file], b"");
    let expected = format!("{file}: no fault; 1 upstream, 1 application, 0 warnings\n");
    assert_eq!((stdout(&output), stderr(&output), code(&output)), (expected.as_str(), "", 0));
}

/// Every kind of record is told of, with the fields that its type has and the place that the configuration gives it.
#[test]
fn privacy_tells_what_is_kept() {
    let place = Place::new();
    let file = configured(&place);
    let output = relais(&["privacy", &file, "--json"], b"");
    assert_eq!((stderr(&output), code(&output)), ("", 0));
    let rows: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    let row = |kind: Kind| rows.as_array().unwrap().iter().find(|row| row["kind"] == kind.name);
    for kind in records::ALL {
        let row = row(kind).unwrap_or_else(|| panic!("{} is not told of", kind.name));
        let kept_in = row["kept_in"].as_str().unwrap();
        assert_eq!(kept_in.contains("SQLite file"), kind.is_durable(Ephemeral::Lost), "{kept_in}");
        assert!(row["longest_seconds"].as_u64().unwrap() > 0);
    }
    let session = row(Session::KIND).unwrap();
    assert_eq!(
        session["fields"],
        serde_json::json!([
            "id",
            "handle",
            "person",
            "started",
            "seen",
            "sign_ins",
            "participants",
            "former"
        ])
    );
    assert_eq!(session["longest_seconds"], 12 * 3600);
    assert!(session["personal"].as_str().unwrap().contains("identity"));

    let text = template().replace("#ephemeral = \"memory\"", "ephemeral = \"sqlite\"");
    write(&file, text).unwrap();
    let output = relais(&["privacy", &file], b"");
    let told = stdout(&output);
    assert!(
        told.contains("session: a browser session\n") && told.contains("  at most    12 hours; at logout")
    );
    assert!(!told.contains("kept in    memory"), "{told}");

    place.file("seal.key", &"89ab".repeat(16), 0o600);
    let text = template()
        .replace("#affinity = false", "affinity = true")
        .replace("#durable = \"sqlite\"", "durable = \"postgres\"")
        .replace("#seal_key_file", "seal_key_file")
        .replace("#[store.postgres]\n", "[store.postgres]\nurl = \"postgres://localhost/relais\"\n");
    write(&file, text).unwrap();
    let output = relais(&["privacy", &file, "--json"], b"");
    let rows: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    let mut in_memory: Vec<_> = rows.as_array().unwrap().iter().collect();
    in_memory.retain(|row| row["kept_in"] == "memory, until the process stops");
    let kinds: Vec<_> = in_memory.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    let own = ["login", "answered", "session", "logout", "refused_message"];
    assert_eq!(kinds, own, "what a browser's own node needs");
}

#[test]
fn check_config_reports_every_fault_at_once() {
    let place = Place::new();
    let file = configured(&place);
    place.file("fc.secret", "s3cret", 0o644);
    let text = template()
        .replace("public_url =", "pubic_url =")
        .replace("upstream = \"fc\"", "upstream = \"fd\"")
        .replace("profile = \"franceconnect_v2\"", "profile = 2")
        .replace("https://compta.example/return\"", "http://compta.example/return\"")
        .replace("#sso = \"confirm\"", "sso = \"silent\"");
    write(&file, text).unwrap();
    let output = relais(&["check-config", &file], b"");
    let expected = [
        "server.public_url: is missing; write \"https://relais.example\"",
        "server.pubic_url: unknown key; did you mean `public_url`?",
        "upstream.fc.profile: is a number; write one of generic, franceconnect_v2, franceconnect_plus, proconnect, franceconnect_v1",
        &format!(
            "upstream.fc.client_secret_file: is readable by others (mode 0644); chmod 600 {}",
            place.path("fc.secret")
        ),
        "legacy.compta.callbacks[0]: \"http://compta.example/return\": its scheme is not https (http only to \
         127.0.0.1 or [::1], while `server.public_url` is loopback); write an exact https URL, and its query \
         keys apart: { url = …, query_keys = […] }",
        "legacy.compta.upstream: \"fd\" is no upstream; write the name of a section [upstream.…]: fc",
        "legacy.compta.sso: \"silent\" lets any page sign a visitor in as somebody else; write \"confirm\", or \
         add accept_forced_login = true",
    ];
    assert_eq!(stderr(&output), format!("{}\n", expected.join("\n")));
    assert_eq!((code(&output), stdout(&output)), (78, ""));
}

#[test]
fn check_config_says_what_keeps_a_file_from_being_read() {
    let place = Place::new();
    let missing = relais(&["check-config", &place.path("none.toml")], b"");
    assert_eq!(code(&missing), 78);
    assert!(stderr(&missing).contains("none.toml: cannot be read ("), "{}", stderr(&missing));
    let broken = place.file("broken.toml", "[server\n", 0o644);
    let broken = relais(&["check-config", broken.to_str().unwrap()], b"");
    assert_eq!(code(&broken), 78);
    assert!(stderr(&broken).starts_with("line 1, column "), "{}", stderr(&broken));
}

/// A relay that answers one call with `answer`, and says what it was sent.
fn relay(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/base", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&request).contains("\r\n\r\nref=") {
            let length = stream.read(&mut piece).unwrap();
            assert_ne!(length, 0);
            request.extend_from_slice(&piece[..length]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, served)
}

#[test]
fn claim_exchanges_a_reference_for_exactly_the_answer() {
    let place = Place::new();
    let row = rows("claim").remove(0);
    let key = place.key(&row.key);
    let reference = "r".repeat(43);
    let claim = |url: &str, input: &str| {
        let args = ["legacy", "claim", "--relay", url, "--app", &row.app, "--key-file", &key];
        relais(&args, input.as_bytes())
    };

    let (url, served) = relay(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\nconnection: close\r\n\r\n0a1b2c",
    );
    let output = claim(&url, &format!("{reference}\n"));
    assert_eq!((stdout(&output), stderr(&output), code(&output)), ("0a1b2c", "", 0));
    let request = served.join().unwrap();
    assert!(request.starts_with("POST /base/idp/claim HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(&format!("\r\n\r\nref={reference}")), "{request}");
    let basic = {
        use base64::Engine as _;
        let pair = format!("{}:{}", row.app, row.derived.as_ref().unwrap());
        base64::engine::general_purpose::STANDARD.encode(pair)
    };
    assert!(request.contains(&format!("authorization: Basic {basic}\r\n")), "{request}");

    let (url, served) = relay("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let output = claim(&url, &reference);
    assert_eq!((code(&output), stdout(&output)), (1, ""));
    assert!(stderr(&output).starts_with("error: nothing to claim (404)"), "{}", stderr(&output));
    served.join().unwrap();

    let output = claim(&url, "too short");
    assert_eq!(code(&output), 1);
    let output = claim("http://relais.example", &reference);
    assert_eq!(code(&output), 2);
}

/// Starts itself anew, to panic there.
#[test]
fn a_panic_says_where_and_not_what() {
    const NAME: &str = "a_panic_says_where_and_not_what";
    if std::env::var_os("RELAIS_TEST_PANIC").is_some() {
        relais::cli::hide_what_panics_say();
        panic!("with the person's name");
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = again.args([NAME, "--exact", "--nocapture"]).env("RELAIS_TEST_PANIC", "1").output().unwrap();
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(!output.status.success() && said.contains("relais: a defect at tests/cli.rs:"), "{said}");
    assert!(!said.contains("the person's name"), "{said}");
}

/// I5: every command that reads a configuration takes it as `FILE` and as `--config FILE`.
#[test]
fn a_configuration_is_named_in_the_same_two_ways_everywhere() {
    let place = Place::new();
    let file = configured(&place);
    for command in ["check-config", "privacy"] {
        let [bare, named] =
            [&[command, &file][..], &[command, "--config", &file]].map(|args| relais(args, b""));
        assert_eq!((code(&bare), stdout(&bare)), (0, stdout(&named)), "{command}: {}", stderr(&named));
    }
    let nowhere = place.path("nowhere.toml");
    let commands: [&[&str]; 9] = [
        &["serve"],
        &["check-config"],
        &["doctor"],
        &["privacy"],
        &["reload"],
        &["backup", "--out", &nowhere],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "revoke", "KID"],
    ];
    for command in commands {
        for named in [&[nowhere.as_str()][..], &["--config", &nowhere], &["-c", &nowhere]] {
            let output = relais(&[command, named].concat(), b"");
            assert_eq!(code(&output), 78, "{command:?} {named:?}: {}", stderr(&output));
        }
        assert_eq!(code(&relais(command, b"")), 2, "{command:?}");
        assert_eq!(code(&relais(&[command, &[&nowhere, "-c", &nowhere]].concat(), b"")), 2, "{command:?}");
    }
}

/// What keeps a configuration from being read: the first line of it.
fn fault_of(template: &str, secret: &str) -> String {
    let place = Place::new();
    configured(&place);
    place.file("fc.secret", secret, 0o600);
    place.file("relais.toml", template, 0o644);
    let output = relais(&["check-config", &place.path("relais.toml")], b"");
    stderr(&output).to_owned() + stdout(&output)
}

#[test]
fn g5_what_a_template_has_at_the_place_of_a_value_is_refused() {
    let raw = include_str!("../config/relais.toml");
    assert!(fault_of(raw, "s3cret").contains("upstream.fc.client_id: is a placeholder"));
    for placeholder in ["<client_id>", "CHANGEME", "your-client-id", "${CLIENT_ID}", "TODO"] {
        let text = template().replace("relais-compta", placeholder);
        assert!(fault_of(&text, "s3cret").contains("client_id: is a placeholder"), "{placeholder}");
    }
    for placeholder in ["changeme\n", "<the secret>", "your-client-secret"] {
        let told = fault_of(&template(), placeholder);
        assert!(told.contains("client_secret_file: holds a placeholder"), "{placeholder}: {told}");
    }
    for good in ["todo-list-of-the-town", "relais", "xxx-1"] {
        let told = fault_of(&template().replace("relais-compta", good), "s3cret");
        assert!(!told.contains("placeholder"), "{told}");
    }
}

#[test]
fn g3_an_issuer_is_not_the_address_of_its_metadata() {
    const ISSUER: &str = "https://oidc.franceconnect.gouv.fr/api/v2";
    for (wrong, right) in [
        ("/.well-known/openid-configuration", ISSUER),
        ("/.well-known/openid-configuration/", ISSUER),
        ("/.well-known/oauth-authorization-server", ISSUER),
    ] {
        let told = fault_of(&template().replace(ISSUER, &format!("{ISSUER}{wrong}")), "s3cret");
        assert!(told.contains("issuer: is the address of a discovery document"), "{told}");
        assert!(told.contains(&format!("write \"{right}\"")), "{told}");
    }
    let before = "https://oidc.franceconnect.gouv.fr/.well-known/oauth-authorization-server/api/v2";
    let told = fault_of(&template().replace(ISSUER, before), "s3cret");
    assert!(told.contains(&format!("write \"{ISSUER}\"")), "{told}");
}

#[test]
fn g2_a_byte_order_mark_is_refused_in_every_file() {
    let told = fault_of(&template(), "\u{feff}s3cret");
    assert!(told.contains("client_secret_file: names") && told.contains("byte order mark"), "{told}");
    let place = Place::new();
    let marked = place.file("k", &format!("\u{feff}{}", "0123".repeat(16)), 0o600);
    let args = ["legacy", "keys", "--key-file", marked.to_str().unwrap(), "--app", "compta"];
    let output = relais(&args, b"");
    assert!(code(&output) != 0 && stderr(&output).contains("byte order mark"), "{}", stderr(&output));
    // Of the configuration itself it is a part that means nothing.
    let told = fault_of(&format!("\u{feff}{}", template()), "s3cret");
    assert!(!told.contains("mark") && !told.contains("TOML"), "{told}");
}
