//! What is wrong with KIF's wires, carried out against the opt-in, and stopped by `reference`; and what keeps
//! `/idp` from being an oracle for `kif-cbc`.

use std::time::Instant;

use relais::legacy::Direction;
use relais::legacy::MasterKey;
use relais::legacy::wires;
use relais::service::ServiceId;
use serde_json::Value;

use crate::claim_inputs::call;
use crate::harness::{Browser, LegacyApp, Page, Setup, World, parameter};
use crate::other_wires::{Other, from_anywhere, refused, through};

const BLOCK: usize = 16;

fn callback(id: &str, state: &str, nonce: &str) -> String {
    format!("http://127.0.0.1:9000/{id}/retour.cgi?state={state}&nonce={nonce}")
}

/// A world where refusals are not limited, and each has its event.
async fn patient() -> World {
    let more = "[limit]\nrefused_messages_per_minute = 1000000\n[event]\nburst_per_minute = 0".to_owned();
    World::with(Setup { more, ..Setup::default() }).await
}

/// Signs in at `app`, and returns the sealed answer's bytes and what they say.
async fn own_answer(world: &World, app: &Other, nonce: &str) -> (Vec<u8>, Vec<u8>) {
    let (_, back) = through(world, &app.idp(callback(app.id, "0123456789abcdef", nonce))).await;
    (hex::decode(parameter(&back.url, "info").unwrap()).unwrap(), app.info(&back.url))
}

/// KIF's own client: decrypts, forgives bytes that are no UTF-8 and control characters, and lets the last of two
/// members win; then compares `nonce` and `state`.
fn client(app: &Other, info: &[u8], nonce: &str) -> Option<String> {
    let text = app.keyed.open(Direction::Response, &hex::encode(info)).ok()?.plaintext;
    let text = String::from_utf8_lossy(&text).replace(char::is_control, " ");
    let answer: Value = serde_json::from_str(&text).ok()?;
    let theirs = answer["nonce"] == nonce && answer["state"] == "0123456789abcdef";
    theirs.then(|| answer["sub"].as_str().unwrap_or_default().to_owned())
}

/// With `reference` an answer is only what the claim gives: whatever else `info` holds, the application stops.
async fn reference_stops(world: &World, id: &'static str, forged: &[u8]) {
    let app = Other::new(id);
    let (_, back) = through(world, &app.idp(callback(id, "0123456789abcdef", "n"))).await;
    let reference = parameter(&back.url, "info").unwrap();
    assert_eq!(reference.len(), 43, "no ciphertext meets the browser");
    let password = app.base.claim_password();
    let claim =
        async |text: &str| call(world, Some((id, &password)), &format!("ref={text}"), "192.0.2.201").await;
    assert_eq!(claim(&hex::encode(forged)).await.status, 404, "a forged answer is no reference");
    let claimed = claim(&reference).await;
    assert_eq!(claimed.status, 200);
    assert!(client(&app, &hex::decode(claimed.body).unwrap(), "n").is_some_and(|sub| sub != "v"));
}

/// The field of GHASH (SP 800-38D, section 6.3), and polynomials over it, lowest coefficient first.
mod field {
    pub fn mul(x: u128, y: u128) -> u128 {
        let (mut z, mut v) = (0, y);
        for bit in (0..128).rev() {
            if x >> bit & 1 == 1 {
                z ^= v;
            }
            v = if v & 1 == 1 { v >> 1 ^ 0xe1 << 120 } else { v >> 1 };
        }
        z
    }

    fn inverse(x: u128) -> u128 {
        let (mut result, mut power) = (1 << 127, x);
        for _ in 1..128 {
            power = mul(power, power);
            result = mul(result, power);
        }
        result
    }

    fn trim(mut f: Vec<u128>) -> Vec<u128> {
        while f.last() == Some(&0) {
            f.pop();
        }
        f
    }

    fn add(f: &[u128], g: &[u128]) -> Vec<u128> {
        let at = |f: &[u128], n: usize| f.get(n).copied().unwrap_or(0);
        trim((0..f.len().max(g.len())).map(|n| at(f, n) ^ at(g, n)).collect())
    }

    fn divide(mut f: Vec<u128>, g: &[u128]) -> (Vec<u128>, Vec<u128>) {
        let lead = inverse(*g.last().unwrap());
        let mut quotient = vec![0; f.len()];
        while f.len() >= g.len() {
            let (shift, factor) = (f.len() - g.len(), mul(*f.last().unwrap(), lead));
            quotient[shift] = factor;
            for (n, c) in g.iter().enumerate() {
                f[n + shift] ^= mul(*c, factor);
            }
            f = trim(f);
        }
        (trim(quotient), f)
    }

    fn square(f: &[u128], modulus: &[u128]) -> Vec<u128> {
        let mut square = vec![0; f.len() * 2];
        for (n, c) in f.iter().enumerate() {
            square[2 * n] = mul(*c, *c);
        }
        divide(trim(square), modulus).1
    }

    fn gcd(mut f: Vec<u128>, mut g: Vec<u128>) -> Vec<u128> {
        while !g.is_empty() {
            (f, g) = (g.clone(), divide(f, &g).1);
        }
        f
    }

    /// The roots of `f` in the field.
    pub fn roots(f: Vec<u128>) -> Vec<u128> {
        let f = trim(f);
        let x = [0, 1 << 127];
        let mut power = x.to_vec();
        for _ in 0..128 {
            power = square(&power, &f);
        }
        let (mut found, mut open) = (Vec::new(), vec![gcd(f, add(&power, &x))]);
        while let Some(f) = open.pop() {
            match f.len() {
                0 | 1 => {}
                2 => found.push(mul(f[0], inverse(f[1]))),
                // Half of the roots of f have trace 0 at some scale, the others trace 1.
                _ => {
                    let part = (0..128).map(|bit| {
                        let mut term = divide(vec![0, 1 << bit], &f).1;
                        let mut trace = term.clone();
                        for _ in 1..128 {
                            term = square(&term, &f);
                            trace = add(&trace, &term);
                        }
                        gcd(f.clone(), trace)
                    });
                    let part = { part }.find(|part| (2..f.len()).contains(&part.len())).unwrap();
                    open.push(divide(f, &part).0);
                    open.push(part);
                }
            }
        }
        found
    }
}

fn blocks(bytes: &[u8]) -> Vec<u128> {
    let block = |part: &[u8]| {
        let mut block = [0; BLOCK];
        block[..part.len()].copy_from_slice(part);
        u128::from_be_bytes(block)
    };
    bytes.chunks(BLOCK).map(block).collect()
}

fn ghash(h: u128, ciphertext: &[u8]) -> u128 {
    let lengths = u128::try_from(ciphertext.len() * 8).unwrap();
    blocks(ciphertext).into_iter().chain([lengths]).fold(0, |y, block| field::mul(y ^ block, h))
}

/// Three sign-ins of one's own, and any identity can be sealed.
#[tokio::test]
async fn whoever_can_sign_in_can_forge_kif_gcm() {
    let world = World::new().await;
    let app = Other::new("vieux-gcm");
    let nonces = ["1f0e3dad99908345", "f457c545a9ded88f", "c0c7c76d30bd3dca", "6f4922f45568161a"];
    let mut seen = Vec::new();
    for nonce in &nonces[..3] {
        let (sealed, plaintext) = own_answer(&world, &app, nonce).await;
        let (ciphertext, tag) = sealed.split_at(sealed.len() - BLOCK);
        seen.push((ciphertext.to_vec(), blocks(tag)[0], plaintext));
    }
    // T1 + T2 is a polynomial in H, whose coefficients are the differences of the ciphertexts.
    let (one, two) = (blocks(&seen[0].0), blocks(&seen[1].0));
    let mut polynomial = vec![seen[0].1 ^ seen[1].1, 0];
    polynomial.extend(one.iter().zip(&two).rev().map(|(a, b)| a ^ b));
    let mask = |h: u128, n: usize| seen[n].1 ^ ghash(h, &seen[n].0);
    let h = field::roots(polynomial).into_iter().find(|&h| mask(h, 0) == mask(h, 2)).expect("H is found");
    let forged = format!("{{\"sub\":\"v\",\"nonce\":\"{}\",\"state\":\"0123456789abcdef\"}}", nonces[3]);
    let (ciphertext, _, plaintext) = &seen[0];
    let mut sealed: Vec<u8> =
        forged.bytes().zip(ciphertext.iter().zip(plaintext)).map(|(f, (c, p))| f ^ c ^ p).collect();
    let tag = mask(h, 0) ^ ghash(h, &sealed);
    sealed.extend(tag.to_be_bytes());
    assert_eq!(client(&app, &sealed, nonces[3]).as_deref(), Some("v"), "the application takes it");
    // A request can be forged too, and what it says is held to the grammar.
    reference_stops(&world, "ref-gcm", &sealed).await;
}

/// Blocks of one's own answer, put together anew, say something else.
#[tokio::test]
async fn whoever_can_sign_in_can_splice_kif_cbc() {
    let world = World::new().await;
    let app = Other::new("vieux-cbc");
    let nonce = "1f0e3dad99908345";
    let (sealed, plaintext) = own_answer(&world, &app, nonce).await;
    let sealed: Vec<_> = sealed.chunks(BLOCK).collect();
    // Where a block begins inside a value, what came before may be garbage.
    let end = plaintext.windows(8).position(|part| part == b"\"nonce\":").unwrap();
    let inside_value = |at: usize| {
        let before = &plaintext[..at];
        let quotes: Vec<_> = (0..at).filter(|&n| before[n] == b'"').collect();
        quotes.len() % 2 == 1 && quotes.last().is_some_and(|&open| before[open - 1] == b':')
    };
    let resumes: Vec<_> = (1..end / BLOCK).filter(|&k| inside_value(k * BLOCK)).collect();
    let wanted = b"\",\"sub\":\"v\",\"\":\"";
    let mut accepted = None;
    for (&k, known) in resumes.iter().flat_map(|k| (1..plaintext.len() / BLOCK).map(move |known| (k, known)))
    {
        // AES⁻¹ of a known block is its plaintext and the block before it.
        let glue: Vec<u8> =
            (0..BLOCK).map(|n| wanted[n] ^ plaintext[known * BLOCK + n] ^ sealed[known - 1][n]).collect();
        let mut forged = [sealed[0], &glue, sealed[known]].concat();
        sealed[k - 1..].iter().for_each(|block| forged.extend_from_slice(block));
        if client(&app, &forged, nonce).as_deref() == Some("v") {
            accepted = Some(forged);
            break;
        }
    }
    let forged = accepted.expect("the application takes one of them");
    reference_stops(&world, "ref-cbc", &forged).await;
    // The other splice: somebody's answer after one's own request, for the relay to decrypt into an address.
    let request = hex::decode(app.seal(Direction::Request, callback(app.id, "s", nonce))).unwrap();
    let spliced = [&request[..request.len() - BLOCK], &sealed.concat()].concat();
    refused(&world, "splice", &app.base.idp(&hex::encode(spliced)), "legacy.not_ascii").await;
}

#[tokio::test]
async fn what_is_no_request_on_a_kif_wire() {
    let world = patient().await;
    for id in ["vieux-gcm", "vieux-cbc"] {
        let app = Other::new(id);
        let good = callback(id, "0123456789abcdef", "0123456789abcdef");
        let (sealed, _) = own_answer(&world, &app, "0123456789abcdef").await;
        refused(&world, "IDP-20", &app.base.idp(&hex::encode(sealed)), "legacy.not_ascii").await;
        refused(&world, "IDP-81", &app.idp(format!("{good}&relais_prompt=login")), "legacy.key_not_allowed")
            .await;
        refused(&world, "IDP-05", &app.base.idp("zz"), "legacy.not_hex").await;
        refused(&world, "IDP-14", &app.idp(""), "legacy.callback_invalid").await;
    }
    let (gcm, cbc) = (Other::new("vieux-gcm"), Other::new("vieux-cbc"));
    for length in [1, 15, 16, 17] {
        let reason = if length < BLOCK { "legacy.too_short" } else { "legacy.does_not_open" };
        refused(&world, "IDP-13", &gcm.base.idp(&"00".repeat(length)), reason).await;
    }
    let whole = hex::decode(cbc.seal(Direction::Request, callback("vieux-cbc", "s", "n"))).unwrap();
    for length in [1, 15, whole.len() - 1] {
        let cut = hex::encode(&whole[..length]);
        refused(&world, "IDP-22", &cbc.base.idp(&cut), "legacy.does_not_open").await;
    }
    for last in [0x00, 0x11, 0xff] {
        refused(&world, "IDP-23", &cbc.base.idp(&badly_padded(&cbc, last)), "legacy.does_not_open").await;
    }
}

/// A message whose last byte of padding is `last`.
fn badly_padded(app: &Other, last: u8) -> String {
    let mut plaintext = vec![b'p'; 4 * BLOCK];
    plaintext[4 * BLOCK - 1] = last;
    let sealed = app.seal(Direction::Request, plaintext);
    sealed[..sealed.len() - 2 * BLOCK].to_owned()
}

/// IDP-26: a message of one wire to an application configured for another, every pair, under its own key.
#[tokio::test]
async fn no_wire_is_guessed() {
    let world = patient().await;
    for target in ["compta", "mono", "vieux-gcm", "vieux-cbc"] {
        let configured =
            world.app.rules().legacy.app(&ServiceId::parse(target).unwrap()).unwrap().wire.name();
        let key = MasterKey::from_hex(&LegacyApp::key_hex(target)).unwrap();
        for wire in wires::WIRES.iter().filter(|wire| wire.name() != configured) {
            let keyed = wire.keyed(&key, &ServiceId::parse(target).unwrap(), Some([7; 16])).unwrap();
            let now = relais::clock::Timestamp::from_seconds(world.now());
            let text = callback(target, "0123456789abcdef", "0123456789abcdef");
            let chance = relais::entropy::SystemEntropy::new();
            let msg = keyed.seal(Direction::Request, now, &chance, text.as_bytes());
            let page = from_anywhere(&world).get(&LegacyApp::new(target).idp(&msg)).await;
            assert_eq!((page.status, page.code().as_str()), (400, "LEGACY_REQUEST"), "IDP-26 {target}");
        }
    }
}

/// The page without what differs between any two pages.
fn seen(page: &Page) -> (u16, String, String) {
    (page.status, format!("{:?}", page.headers), page.body.replace(&page.support_code(), "CODE"))
}

/// IDP-25: whatever the padding, the answer is the same, byte for byte.
#[tokio::test]
async fn a_padding_oracle_says_nothing() {
    let world = patient().await;
    let app = Other::new("vieux-cbc");
    let request = hex::decode(app.seal(Direction::Request, callback(app.id, "s", "n"))).unwrap();
    let target = hex::decode(app.seal(Direction::Response, b"{\"sub\":\"somebody else\"}")).unwrap();
    let (mut pages, mut reasons) = (Vec::new(), Vec::new());
    let mut browser = Browser::new(&world);
    for guess in 0..=255_u8 {
        let mut probe = [0x5a; BLOCK];
        probe[BLOCK - 1] = guess;
        let msg = hex::encode([&request[..], &probe, &target[..BLOCK]].concat());
        pages.push(seen(&browser.get(&app.base.idp(&msg)).await));
        reasons.push(world.last_reason());
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "IDP-25");
    let opened = reasons.iter().filter(|reason| **reason != "legacy.does_not_open").count();
    assert!((1..=2).contains(&opened), "IDP-25: the sweep met right padding {opened} times");
}

/// IDP-23, IDP-25: bad padding takes as long as good padding around what is no callback.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
async fn refusals_are_of_one_class_in_time() {
    let world = patient().await;
    let app = Other::new("vieux-cbc");
    let urls = [
        app.base.idp(&badly_padded(&app, 0)),
        app.idp([0xe9; 4 * BLOCK - 1]),
        app.idp(callback("elsewhere", "s", "n")),
    ];
    let mut browser = Browser::new(&world);
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..300 {
        for (url, times) in urls.iter().zip(&mut times) {
            let start = Instant::now();
            assert_eq!(browser.get(url).await.status, 400);
            times.push(start.elapsed());
        }
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    // A class, not a proof: what tells them apart in the code is microseconds, and the limit comes first.
    assert!(*most < *least * 2, "{medians:?}");
}

/// IDP-96: the limit counts refusals of every kind alike, so that it is no oracle either.
#[tokio::test]
async fn mixed_refusals_meet_one_limit() {
    let bad = |app: &Other| [app.base.idp(&badly_padded(app, 0)), app.idp([0xe9; 63])];
    let mut limited = Vec::new();
    for period in [1, 2, 7, 60] {
        let world = World::new().await;
        let app = Other::new("vieux-cbc");
        let kinds = bad(&app);
        let mut browser = Browser::new(&world).at("203.0.113.5");
        for n in 0..60 {
            let kind = if period == 60 { 0 } else { n / period % 2 };
            assert_eq!(browser.get(&kinds[kind]).await.status, 400, "IDP-96 {n}");
        }
        for url in kinds.iter().chain([&app.idp(callback(app.id, "s", "n"))]) {
            let page = browser.get(url).await;
            assert_eq!((page.status, page.code().as_str()), (429, "TOO_MANY"), "IDP-96");
            limited.push(page.body.replace(&page.support_code(), "CODE"));
        }
    }
    assert!(limited.iter().all(|page| *page == limited[0]), "IDP-96");
}
