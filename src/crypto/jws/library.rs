//! Ours beside `jsonwebtoken`: what each signs the other reads, where the verdicts differ, and what each costs
//! (docs/decisions/jsonwebtoken.md).

#![expect(clippy::disallowed_methods, reason = "the library is what is looked at")]

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};

use super::sign::{SigningKey, algorithm};
use super::testing::TestKey;
use super::{Jws, Signers};
use crate::clock::{HandClock, Timestamp};
use crate::crypto::alg::Alg;
use crate::crypto::jwks::KeySet;
use crate::crypto::jwt::{Audience, Kind, Parties, Policy, Typ, verify};

const NOW: u64 = 1_790_000_000;
const ISSUER: &str = "https://i.example";

fn pkcs8(alg: Alg) -> Vec<u8> {
    let der = match alg {
        Alg::Rs256 | Alg::Ps256 => {
            let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
            return der.as_ref().to_vec();
        }
        Alg::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1(),
        Alg::Es384 => EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap().to_pkcs8v1(),
        Alg::EdDsa => Ed25519KeyPair::generate().unwrap().to_pkcs8v1(),
    };
    der.unwrap().as_ref().to_vec()
}

/// On a clock that we move by hand, the library's times are off.
fn validation(alg: Algorithm) -> Validation {
    let mut validation = Validation::new(alg);
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&["us"]);
    validation
}

fn policy(algs: &[Alg]) -> Policy<'_> {
    Policy {
        kind: Kind::IdToken,
        typ: Typ { accepted: &["JWT"], optional: true },
        signers: Signers::Keys(algs),
        audience: Audience::AmongOthers,
        required: &["iss", "aud", "exp", "iat"],
        leeway: 60,
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "us", "exp": NOW + 60, "iat": NOW, "sub": "s", "nonce": "n".repeat(32)})
}

async fn ours(set: &KeySet, alg: Alg, compact: &str) -> bool {
    let clock = HandClock::at(Timestamp::from_seconds(NOW));
    let parties = Parties { issuer: ISSUER, us: "us" };
    verify(&policy(&[alg]), parties, set, &clock, compact).await.is_ok()
}

fn set_of(jwk: &impl serde::Serialize) -> KeySet {
    KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn each_reads_what_the_other_signs() {
    let Value::Object(said) = claims() else { unreachable!() };
    for alg in Alg::ALL {
        let der = pkcs8(alg);
        let key = SigningKey::from_pkcs8(None, Some(alg), &der).unwrap();
        let set = set_of(&key.published());
        let jwk: Jwk = serde_json::from_value(serde_json::to_value(key.published()).unwrap()).unwrap();
        let public = DecodingKey::from_jwk(&jwk).unwrap();

        let compact = key.sign("JWT", &said).unwrap();
        let read = decode::<Value>(compact.expose(), &public, &validation(algorithm(alg))).unwrap();
        assert_eq!((read.header.kid.as_deref(), read.claims), (Some(key.kid()), claims()), "{alg}");
        assert!(ours(&set, alg, compact.expose()).await, "{alg}");

        // Its RSA keys are PKCS#1.
        let theirs = match alg {
            Alg::Rs256 | Alg::Ps256 => continue,
            Alg::Es256 | Alg::Es384 => EncodingKey::from_ec_der(&der),
            Alg::EdDsa => EncodingKey::from_ed_der(&der),
        };
        let compact = encode(&Header::new(algorithm(alg)), &said, &theirs).unwrap();
        assert!(ours(&set, alg, &compact).await, "{alg}");
    }
}

#[tokio::test]
async fn what_the_library_takes_and_we_do_not() {
    let key = TestKey::generate(Alg::Es256);
    let jwk = key.jwk(&json!({}));
    let public = DecodingKey::from_jwk(&serde_json::from_value(jwk.clone()).unwrap()).unwrap();
    let set = set_of(&jwk);
    let plain = r#"{"alg":"ES256"}"#;
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims.to_string()
    };
    let twice = claims().to_string().replacen('{', r#"{"acr":"eidas1","acr":"eidas3","#, 1);
    let cases = [
        ("another kind", r#"{"alg":"ES256","typ":"logout+jwt"}"#, claims().to_string()),
        ("an extension", r#"{"alg":"ES256","crit":["b64"],"b64":true}"#, claims().to_string()),
        ("a member twice", plain, twice),
        ("us among others", plain, with("aud", json!(["us", "other"]))),
        ("several issuers", plain, with("iss", json!([ISSUER, "https://other.example"]))),
        ("dated in the future", plain, with("iat", json!(NOW + 3600))),
        ("valid in the future", plain, with("nbf", json!(NOW + 3600))),
        ("any length", plain, with("x", json!("x".repeat(super::MAX_LENGTH)))),
    ];
    for (what, header, payload) in cases {
        let compact = key.sign(Alg::Es256, header, &payload);
        let theirs = decode::<Value>(&compact, &public, &validation(Algorithm::ES256)).is_ok();
        assert!(theirs, "the library refuses {what} by now: a difference less");
        assert!(!ours(&set, Alg::Es256, &compact).await, "{what}");
    }
    assert!(ours(&set, Alg::Es256, &key.sign(Alg::Es256, plain, &claims().to_string())).await);
}

/// `cargo test --release --lib library -- --ignored --nocapture`
#[tokio::test]
#[ignore = "a measurement: alone, in a release build"]
async fn what_each_costs() {
    const ROUNDS: u32 = 2_000;
    let Value::Object(said) = claims() else { unreachable!() };
    for alg in [Alg::Es256, Alg::Rs256] {
        let der = pkcs8(alg);
        let key = SigningKey::from_pkcs8(None, Some(alg), &der).unwrap();
        let set = set_of(&key.published());
        let jwk: Jwk = serde_json::from_value(serde_json::to_value(key.published()).unwrap()).unwrap();
        let public = DecodingKey::from_jwk(&jwk).unwrap();
        let compact = key.sign("JWT", &said).unwrap();
        let (text, validation) = (compact.expose().as_str(), validation(algorithm(alg)));
        let jws = Jws::parse(text, Signers::Keys(&Alg::ALL)).unwrap();
        let theirs = EncodingKey::from_ec_der(&der);
        let mut best = [f64::INFINITY; 5];
        for _ in 0..7 {
            let mut began = cpu();
            let mut lap = |which: usize| {
                let now = cpu();
                best[which] = best[which].min((now - began) * 1e6 / f64::from(ROUNDS));
                began = now;
            };
            for _ in 0..ROUNDS {
                assert!(set.check(&jws).is_ok());
            }
            lap(0);
            for _ in 0..ROUNDS {
                assert!(ours(&set, alg, text).await);
            }
            lap(1);
            for _ in 0..ROUNDS {
                assert!(decode::<Value>(text, &public, &validation).is_ok());
            }
            lap(2);
            for _ in 0..ROUNDS {
                assert!(key.sign("JWT", &said).is_ok());
            }
            lap(3);
            // Its RSA keys are PKCS#1.
            if alg == Alg::Es256 {
                for _ in 0..ROUNDS {
                    assert!(encode(&Header::new(algorithm(alg)), &said, &theirs).is_ok());
                }
                lap(4);
            }
        }
        let [signature, whole, decoded, signed, encoded] = best;
        tell(format_args!(
            "{alg}: the signature alone {signature:.1} µs, by policy {whole:.1}, their decode {decoded:.1}"
        ));
        tell(format_args!("{alg}: signed {signed:.1} µs; their encode {encoded:.1}"));
    }
}

/// CPU time of this thread, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = stat.split_ascii_whitespace().next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}

/// What a measurement tells whoever runs it with `--nocapture`.
fn tell(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}
