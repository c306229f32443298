//! What strangers send, fuzzed: each target takes any bytes, must not panic, asserts what no input may bring about,
//! and tells whether the relay accepted anything. `tests/it/fuzz_corpus.rs` replays the corpus with the ordinary tests; `tests/fuzz/run` looks for more.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relais::clock::Timestamp;
use relais::crypto::alg::{Alg, SignedBy};
use relais::crypto::hash::{hmac_sha256, sha256};
use relais::crypto::json;
use relais::crypto::jwe::{self, DecryptionKey};
use relais::crypto::jwk::{Curve, PublicKey};
use relais::crypto::jws::hs256::SharedKey;
use relais::crypto::jws::{Jws, Signers, VerifyingKey};
use relais::crypto::seal::{SealKey, TAG};
use relais::entropy::Entropy;
use relais::legacy::{self, App, AppKey, CallbackRule, Delivery, Direction, MasterKey, wires};
use relais::service::{Service, ServiceId, Sso};
use serde_json::Value;
use url::Url;

/// Takes any bytes, and tells whether the relay accepted anything.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name, which is that of its folder in the corpus.
pub const TARGETS: &[(&str, Target)] =
    &[("callback", callback), ("wires", sealed), ("jws", jws), ("jwe", jwe), ("json", strict_json)];

const ISSUER: &str = "https://relais.example";
/// When `tests/vectors/wire-vectors.json` was sealed.
const NOW: Timestamp = Timestamp::from_seconds(1_790_791_514);
const CALLBACKS: [&str; 4] = [
    "https://compta.example/retour.cgi",
    "https://compta.example:8443/a/b",
    "https://[2001:db8::1]/retour",
    "http://127.0.0.1:8080/",
];

/// Chance that is always the same.
struct Fixed;

impl Entropy for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// An application on each wire, under the key of the wire vectors.
static APPS: LazyLock<Vec<App>> = LazyLock::new(|| {
    let id = ServiceId::parse("compta").unwrap();
    let key =
        MasterKey::from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap();
    let rule = |url: &&str| CallbackRule::new(url, vec!["vue".to_owned(), "p".to_owned()], true).unwrap();
    let app = |wire: &&'static dyn wires::Wire| App {
        service: Service {
            id: id.clone(),
            enabled: true,
            name: "Compta".to_owned(),
            upstreams: Vec::new(),
            scopes: Vec::new(),
            claims: Vec::new(),
            acr: None,
            sso: Sso::Confirm,
            home_url: Url::parse("https://compta.example/").unwrap(),
            origins: Vec::new(),
            max_age: None,
        },
        wire: *wire,
        keys: vec![AppKey::new(&key, *wire, &id, Some([9; wires::FIXED_IV]), None).unwrap()],
        callbacks: CALLBACKS.iter().map(rule).collect(),
        delivery: Delivery::Query,
        request_max_age: Duration::from_mins(15),
        max_answer_query: 4000,
        sunset: None,
        relay_claims: Vec::new(),
    };
    wires::WIRES.iter().map(app).collect()
});

/// One of `list`, by a byte of the input.
fn pick<T>(list: &[T], byte: u8) -> &T {
    &list[usize::from(byte) % list.len()]
}

/// The byte chooses the wire, the rest is what the application sealed.
fn callback(data: &[u8]) -> bool {
    let Some((choice, plaintext)) = data.split_first() else { return false };
    let app = pick(&APPS, *choice);
    let msg = app.keys[0].keyed.seal(Direction::Request, NOW, &Fixed, plaintext);
    let Ok(opened) = legacy::open(app, ISSUER, &format!("msg={msg}"), None, NOW) else { return false };
    let request = opened.request;

    let returns = Url::parse(&request.return_to).unwrap();
    let bare = request.return_to.split('?').next().unwrap();
    assert!(CALLBACKS.contains(&bare), "the browser goes to what was registered");
    // Browsers encode an apostrophe, which means the same.
    assert_eq!(returns.as_str(), request.return_to.replace('\'', "%27"), "which reads in one way only");
    assert!(returns.fragment().is_none() && returns.username().is_empty());
    let answers = ["info", "info_error", "error", "iss"];
    assert!(
        returns.query_pairs().all(|(name, _)| !answers.contains(&&*name)),
        "and answers nothing by itself"
    );
    assert!(!request.state.is_empty() && !request.nonce.is_empty());
    if let Ok(asked) = Url::parse(&String::from_utf8_lossy(plaintext)) {
        let of = |url: &Url| {
            (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port(), url.path().to_owned())
        };
        assert_eq!(of(&asked), of(&returns), "whoever else reads what was asked reads the same");
    }
    true
}

/// A byte chooses the wire and one the direction; `r` then has a text that comes from outside, anything else a
/// bit to change and what is sealed.
fn sealed(data: &[u8]) -> bool {
    let [wire, direction, kind, rest @ ..] = data else { return false };
    let app = pick(&APPS, *wire);
    let keyed = &app.keys[0].keyed;
    let direction = *pick(&Direction::ALL, *direction);
    if *kind == b'r' {
        let Ok(text) = std::str::from_utf8(rest) else { return false };
        let mut accepted = keyed.open(direction, text).is_ok();
        for query in [text, &format!("msg={text}")] {
            accepted |= legacy::open(app, ISSUER, query, Some(NOW), NOW).is_ok();
            accepted |= legacy::open_logout(app, ISSUER, query, Some(NOW), NOW).is_ok();
            let _ = legacy::sealed(query);
        }
        return accepted;
    }
    let [high, low, plaintext @ ..] = rest else { return false };
    let text = keyed.seal(direction, NOW, &Fixed, plaintext);
    let Ok(opened) = keyed.open(direction, &text) else {
        assert!(!app.wire.directions().contains(&direction), "what was sealed opens");
        return false;
    };
    assert_eq!(opened.plaintext, plaintext);
    for other in Direction::ALL.iter().filter(|other| **other != direction) {
        let one_key = app.wire.dialect() == wires::Dialect::Kif;
        assert!(one_key || keyed.open(*other, &text).is_err(), "for its own direction alone");
    }
    let at = usize::from(u16::from_be_bytes([*high, *low])) % text.len();
    let mut changed = text.into_bytes();
    changed[at] ^= 1;
    let Ok(changed) = String::from_utf8(changed) else { return false };
    let again = keyed.open(direction, &changed);
    let authenticated = app.wire.name() != "kif-cbc";
    assert!(!authenticated || again.is_err(), "a changed character does not open");
    true
}

/// `r` and a compact JWS, or anything else and a header, a line's end and a payload to sign.
fn jws(data: &[u8]) -> bool {
    /// RFC 7515, appendix A.3: what it signs, and by which key.
    const SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    static PUBLIC: LazyLock<VerifyingKey> = LazyLock::new(|| {
        let coordinate = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let x = coordinate("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        let y = coordinate("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        VerifyingKey::new(Alg::Es256, &PublicKey::Ec { curve: Curve::P256, x, y }).ok().unwrap()
    });
    const SECRET: [u8; 32] = [3; 32];
    static SHARED: LazyLock<SharedKey> = LazyLock::new(|| SharedKey::new(&SECRET).ok().unwrap());

    let Some((kind, rest)) = data.split_first() else { return false };
    let compact = if *kind == b'r' {
        let Ok(text) = std::str::from_utf8(rest) else { return false };
        text.to_owned()
    } else {
        let (header, payload) = halves(rest);
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac_sha256(&SECRET, signed.as_bytes())))
    };
    let mut accepted = false;
    if let Ok(jws) = Jws::parse(&compact, Signers::Keys(&Alg::ALL)) {
        let header = header_of(&compact);
        let named = header["alg"].as_str().and_then(Alg::parse).unwrap();
        assert_eq!(jws.signed_by, SignedBy::Key(named));
        assert!(header.get("crit").is_none());
        let is_signed = compact.rsplit_once('.').is_some_and(|(signed, _)| signed == SIGNED);
        assert!(!jws.verified_by(&PUBLIC) || is_signed, "nobody else can sign");
        accepted = has_claims(&compact);
    }
    let shared = Jws::parse(&compact, Signers::Secret).ok().filter(|jws| SHARED.verifies(jws));
    if shared.is_some() && has_claims(&compact) {
        let header = header_of(&compact);
        assert_eq!(header["alg"], "HS256");
        assert!(header.get("crit").is_none());
        accepted = true;
    }
    accepted
}

/// `r` and a compact JWE, or anything else and a header, a line's end and a text to encrypt.
fn jwe(data: &[u8]) -> bool {
    /// RFC 7518, appendix C: Bob's private key, and what Alice's ephemeral key and it agree on.
    const BOB: &str = "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw";
    const AGREED: &str = "nlbZHYFxNdNyg0KDv4QmnPsxbqPagGpI9tqneYz-kMQ";
    static KEYS: LazyLock<Vec<Arc<DecryptionKey>>> = LazyLock::new(|| {
        // PKCS #8 (RFC 5958) around SEC 1's ECPrivateKey, on P-256.
        let mut der = vec![
            0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
            0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
            0x01, 0x04, 0x20,
        ];
        der.extend(URL_SAFE_NO_PAD.decode(BOB).unwrap());
        vec![Arc::new(DecryptionKey::from_pkcs8(Some("bob".to_owned()), &der).ok().unwrap())]
    });

    let Some((kind, rest)) = data.split_first() else { return false };
    if *kind == b'r' {
        let Ok(text) = std::str::from_utf8(rest) else { return false };
        return jwe::decrypt(&KEYS, text).is_ok();
    }
    let (header, text) = halves(rest);
    let protected = URL_SAFE_NO_PAD.encode(header);
    let told: Value = serde_json::from_slice(header).unwrap_or_default();
    let info = |name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(told[name].as_str().unwrap_or_default()).unwrap_or_default();
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), &bytes[..]].concat()
    };
    let agreed = URL_SAFE_NO_PAD.decode(AGREED).unwrap();
    let algorithm = [&7_u32.to_be_bytes(), &b"A256GCM"[..]].concat();
    let key =
        sha256(&[&[0, 0, 0, 1], &agreed, &algorithm, &info("apu"), &info("apv"), &256_u32.to_be_bytes()]);
    let sealed = SealKey::new(&key).seal(&[5; 12], protected.as_bytes(), text);
    let (ciphertext, tag) = sealed.split_at(sealed.len() - TAG);
    let [iv, ciphertext, tag] = [&[5; 12][..], ciphertext, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    let Ok(opened) = jwe::decrypt(&KEYS, &format!("{protected}..{iv}.{ciphertext}.{tag}")) else {
        return false;
    };
    assert_eq!(opened.signed.expose().as_bytes(), text);
    assert_eq!((&told["alg"], &told["enc"]), (&Value::from("ECDH-ES"), &Value::from("A256GCM")));
    assert!(told.get("crit").is_none() && told.get("zip").is_none());
    assert!(opened.replicated.iter().all(|(name, value)| told[name] == *value));
    true
}

/// Whether what was signed is one JSON object, as the strict reader has it.
fn has_claims(compact: &str) -> bool {
    let payload = compact.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    payload.is_some_and(|payload| json::object(&payload).is_ok())
}

/// What the strict reader takes, any other reader takes, and reads in the same way.
fn strict_json(data: &[u8]) -> bool {
    let Ok(object) = json::object(data) else { return false };
    assert_eq!(serde_json::from_slice::<Value>(data).ok(), Some(Value::Object(object)));
    true
}

/// What is before the first line's end, and after it.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}

/// A compact form's header, as a reader that does not mind reads it.
fn header_of(compact: &str) -> Value {
    let header = compact.split('.').next().unwrap_or_default();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}
