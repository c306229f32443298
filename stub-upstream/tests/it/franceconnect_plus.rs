//! FranceConnect+: nested tokens, read by independent eyes; its levels; its logout hint.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use stub_upstream::{Alg, FAULTS, Fault, Stage};

use crate::harness::{
    AFTER, Answer, ID, NONCE, NOW, STATE, World, code_grant, fc, fc_token, opened, verifies,
};

const PATH: &str = "/fcp/api/v2";
const ISSUER: &str = "http://127.0.0.1:8081/fcp/api/v2";

/// The client's private key.
enum Reader {
    Ec(PrivateKey),
    Rsa(OaepPrivateDecryptingKey, &'static aws_lc_rs::rsa::OaepAlgorithm),
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ec() -> (Reader, Value) {
    let key = PrivateKey::generate(&ECDH_P256).unwrap();
    let point = key.compute_public_key().unwrap();
    let (x, y) = (b64(&point.as_ref()[1..33]), b64(&point.as_ref()[33..65]));
    let jwk =
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "mine", "use": "enc", "alg": "ECDH-ES" });
    (Reader::Ec(key), jwk)
}

fn rsa(alg: &str) -> (Reader, Value) {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    let pair = RsaKeyPair::from_pkcs8(key.as_der().unwrap().as_ref()).unwrap();
    let n = b64(pair.public_key().modulus().big_endian_without_leading_zero());
    let e = b64(pair.public_key().exponent().big_endian_without_leading_zero());
    let jwk = json!({ "kty": "RSA", "n": n, "e": e, "kid": "mine", "use": "enc", "alg": alg });
    let oaep = if alg == "RSA-OAEP" { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
    (Reader::Rsa(OaepPrivateDecryptingKey::new(key).unwrap(), oaep), jwk)
}

/// The header and the content of a JWE (RFC 7516, section 5.2).
fn read(reader: &Reader, jwe: &str) -> Option<(Value, String)> {
    let parts: Vec<_> = jwe.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    assert_eq!(parts.len(), 5, "{jwe}");
    let header: Value = serde_json::from_slice(&parts[0]).unwrap();
    let enc = header["enc"].as_str().unwrap();
    let (cipher, length) = if enc == "A128GCM" { (&AES_128_GCM, 16) } else { (&AES_256_GCM, 32) };
    let key = match reader {
        Reader::Ec(private) => {
            assert!(parts[1].is_empty(), "direct agreement has no encrypted key");
            let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(header["epk"][name].as_str()?).ok();
            let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
            agree(private, UnparsedPublicKey::new(&ECDH_P256, &point), (), |secret| {
                // RFC 7518, section 4.6.2, written out for one round.
                let bits = (u32::try_from(length).unwrap() * 8).to_be_bytes();
                let name = [&[0, 0, 0, 7], enc.as_bytes()].concat();
                let other = [&name[..], &[0; 4], &[0; 4], &bits].concat();
                Ok(digest(&SHA256, &[&[0, 0, 0, 1], secret, &other].concat()).as_ref()[..length].to_vec())
            })
            .ok()?
        }
        Reader::Rsa(private, oaep) => {
            let mut plain = vec![0; private.min_output_size()];
            private.decrypt(oaep, &parts[1], &mut plain, None).ok()?.to_vec()
        }
    };
    let protected = jwe.split('.').next().unwrap();
    let nonce = Nonce::try_assume_unique_for_key(&parts[2]).unwrap();
    let mut sealed = [&parts[3][..], &parts[4]].concat();
    let cipher = LessSafeKey::new(UnboundKey::new(cipher, &key).ok()?);
    let plain = cipher.open_in_place(nonce, Aad::from(protected.as_bytes()), &mut sealed).ok()?;
    Some((header, String::from_utf8(plain.to_vec()).unwrap()))
}

fn world(jwk: &Value) -> World {
    World::build(Alg::Es256, Some(json!({ "keys": [jwk] })), |builder| builder)
}

fn ask<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let base = [("acr_values", "eidas2")];
    let other = base.iter().filter(|(name, _)| !more.iter().any(|(known, _)| known == name));
    fc(&other.chain(more).copied().collect::<Vec<_>>())
}

async fn login(world: &mut World, fault: &str) -> (Answer, Answer) {
    let page = world.get_with(&format!("{PATH}/authorize"), &ask(&[])).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let answer = world.post(&page.action(), &[("persona", "angela"), ("fault", fault)]).await;
    assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER));
    let tokens = world.post(&format!("{PATH}/token"), &fc_token(&answer.parameter("code").unwrap())).await;
    let access = serde_json::from_str::<Value>(&tokens.body).unwrap_or_default();
    let access = access["access_token"].as_str().unwrap_or_default();
    let userinfo = world.userinfo(&format!("{PATH}/userinfo"), access).await;
    (tokens, userinfo)
}

fn id_token(tokens: &Answer) -> String {
    tokens.json()["id_token"].as_str().unwrap_or_else(|| panic!("{}", tokens.body)).to_owned()
}

#[tokio::test]
async fn tokens_are_signed_and_then_encrypted() {
    for (reader, jwk) in [ec(), rsa("RSA-OAEP-256"), rsa("RSA-OAEP")] {
        let mut world = world(&jwk);
        let (tokens, userinfo) = login(&mut world, "").await;
        let jwks = world.get(&format!("{PATH}/jwks")).await.json();
        let (header, inner) = read(&reader, &id_token(&tokens)).expect("it is for us");
        let names: Vec<_> = header.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = vec!["alg", "enc", "cty", "kid", "iss", "aud", "epk"];
        expected.truncate(if jwk["kty"] == "EC" { 7 } else { 6 });
        assert_eq!(names, expected);
        assert_eq!((&header["alg"], &header["enc"]), (&jwk["alg"], &json!("A256GCM")));
        assert_eq!(
            (&header["kid"], &header["aud"], &header["iss"]),
            (&json!("mine"), &json!(ID), &json!(ISSUER))
        );
        assert!(verifies(&inner, &jwks));
        let (head, claims) = opened(&inner);
        assert_eq!(head, json!({ "alg": "ES256", "kid": "pkcs11:hsm" }));
        let names: Vec<_> = claims.keys().map(String::as_str).collect();
        assert_eq!(names, ["sub", "acr", "auth_time", "nonce", "aud", "exp", "iat", "iss"]);
        assert_eq!((&claims["acr"], &claims["nonce"]), (&json!("eidas2"), &json!(NONCE)));

        assert_eq!(userinfo.header("content-type"), "application/jwt; charset=utf-8");
        let (_, inner) = read(&reader, &userinfo.body).expect("so is userinfo");
        assert!(verifies(&inner, &jwks));
        let person = opened(&inner).1;
        assert_eq!((&person["sub"], &person["exp"]), (&claims["sub"], &json!(NOW + 60)));
        assert!(!person.contains_key("given_name_array"), "that is FranceConnect's alone");
    }
}

#[tokio::test]
async fn levels_are_its_own() {
    let mut world = world(&ec().1);
    for (asked, got) in [("eidas3 eidas2", "eidas2"), ("eidas3", "eidas3"), ("unknown", "eidas3")] {
        world.stub.set_auto_login(Some("angela"));
        let answer = world.get_with(&format!("{PATH}/authorize"), &ask(&[("acr_values", asked)])).await;
        let tokens =
            world.post(&format!("{PATH}/token"), &fc_token(&answer.parameter("code").unwrap())).await;
        assert_eq!(tokens.status, 200);
        world.stub.set_auto_login(None);
        let page = world.get_with(&format!("{PATH}/authorize"), &ask(&[("acr_values", asked)])).await;
        assert!(page.body.contains(&format!("<code>{got}</code>")), "{asked}");
    }
    let answer = world.get_with(&format!("{PATH}/authorize"), &ask(&[("acr_values", "eidas1 eidas2")])).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("invalid_acr"));
    assert!(answer.parameter("error_description").unwrap().ends_with("got eidas1"));
    let document = world.get(&format!("{PATH}/.well-known/openid-configuration")).await.json();
    assert_eq!(document["acr_values_supported"], json!(["eidas2", "eidas3"]));
    assert_eq!(document["id_token_encryption_enc_values_supported"], json!(["A256GCM"]));
}

#[tokio::test]
async fn the_logout_hint_is_the_inner_token() {
    let (reader, jwk) = ec();
    let mut world = world(&jwk);
    let (tokens, _) = login(&mut world, "").await;
    let jwe = id_token(&tokens);
    let (_, inner) = read(&reader, &jwe).unwrap();
    let end = format!("{PATH}/session/end");
    let after = [("post_logout_redirect_uri", AFTER), ("state", STATE)];
    let refused = world.get_with(&end, &[&[("id_token_hint", jwe.as_str())][..], &after].concat()).await;
    assert!(
        refused.status == 400 && refused.body.contains("could not decode id_token_hint"),
        "{}",
        refused.body
    );
    let answer = world.get_with(&end, &[&[("id_token_hint", inner.as_str())][..], &after].concat()).await;
    assert_eq!((answer.status, answer.parameter("state").as_deref()), (303, Some(STATE)));
}

#[tokio::test]
async fn whoever_has_no_key_is_told() {
    let mut world = World::new();
    let page = world.get_with(&format!("{PATH}/authorize"), &ask(&[])).await;
    assert!(page.status == 400 && page.body.contains("--client-jwks"), "{}", page.body);
}

#[tokio::test]
async fn faults_of_the_encryption() {
    for (reader, jwk) in [ec(), rsa("RSA-OAEP-256")] {
        let mut world = world(&jwk);
        for fault in FAULTS.iter().filter(|fault| fault.stage() == Stage::Encryption) {
            let (tokens, _) = login(&mut world, fault.name()).await;
            let token = id_token(&tokens);
            if *fault == Fault::JwePlain {
                assert_eq!(token.split('.').count(), 3);
                continue;
            }
            let header: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap())
                    .unwrap();
            let content = match fault {
                // The reader of this test does as the header says, and has no key then.
                Fault::JweAlgDir => None,
                _ => read(&reader, &token),
            };
            let inner = content.as_ref().map(|(_, inner)| inner.as_str());
            match fault {
                Fault::JweUnsigned => assert!(inner.unwrap().starts_with('{')),
                Fault::JweKidUnknown => assert!(header["kid"] == "unpublished" && inner.is_some()),
                Fault::JweNoCty => assert!(header.get("cty").is_none() && inner.is_some()),
                Fault::JweZip => assert!(header["zip"] == "DEF" && inner.is_some()),
                Fault::JweEncOther => assert!(header["enc"] == "A128GCM" && inner.is_some()),
                Fault::JweAlgDir => assert_eq!(header["alg"], "dir"),
                _ => assert!(inner.is_none(), "{fault:?}: {header}"),
            }
        }
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a client draws its own chance")]
async fn a_client_may_sign_its_authentication() {
    let rng = SystemRandom::new();
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (b64(&point[1..33]), b64(&point[33..65]));
    let sig =
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "s1", "use": "sig", "alg": "ES256" });
    let keys = json!({ "keys": [sig, ec().1] });
    let mut world = World::build(Alg::Es256, Some(keys), |builder| builder.auto_login(Some("angela")));
    let assertion = |claims: Value| {
        let header = json!({ "alg": "ES256", "kid": "s1" });
        let input = format!("{}.{}", b64(header.to_string().as_bytes()), b64(claims.to_string().as_bytes()));
        let signature = pair.sign(&rng, input.as_bytes()).unwrap();
        format!("{input}.{}", b64(signature.as_ref()))
    };
    let claims = |change: Value| {
        let mut claims =
            json!({ "iss": ID, "sub": ID, "aud": format!("{ISSUER}/token"), "exp": NOW + 60, "jti": "1" });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims
    };
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let mut redeem = async |assertion: &str| {
        let answer = world.get_with(&format!("{PATH}/authorize"), &ask(&[])).await;
        let code = answer.parameter("code").unwrap();
        let fields = code_grant(&code, &[("client_id", ID), kind, ("client_assertion", assertion)]);
        world.post(&format!("{PATH}/token"), &fields).await.status
    };
    assert_eq!(redeem(&assertion(claims(json!({})))).await, 200);
    assert_eq!(redeem(&assertion(claims(json!({})))).await, 401, "jti is used once");
    assert_eq!(redeem(&assertion(claims(json!({ "jti": "2", "aud": ISSUER })))).await, 200);
    for (number, change) in [
        json!({ "aud": "https://elsewhere.example" }),
        json!({ "exp": NOW }),
        json!({ "exp": NOW + 100_000 }),
        json!({ "sub": "limited" }),
        json!({ "iss": "limited", "sub": "limited" }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut change = change;
        change["jti"] = json!(format!("bad-{number}"));
        assert_eq!(redeem(&assertion(claims(change.clone()))).await, 401, "{change}");
    }
    let forged = assertion(claims(json!({ "jti": "3" })));
    assert_eq!(redeem(&forged[..forged.len() - 8]).await, 401);
}

#[test]
fn keys_that_cannot_be_used_are_refused() {
    let build = |jwks: Value| {
        let client = stub_upstream::Client { jwks: Some(jwks), ..stub_upstream::Client::new("a", "b") };
        stub_upstream::Stub::builder("http://a").register(client).build().err().map(|error| error.to_string())
    };
    let (_, good) = ec();
    assert_eq!(build(json!({ "keys": [good] })), None);
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        json!({ "keys": [key] })
    };
    for (jwks, reason) in [
        (json!({}), "no array"),
        (with("kty", json!("oct")), "kty"),
        (with("crv", json!("P-521")), "P-256"),
        (with("x", json!("AA")), "32 bytes"),
        (with("alg", json!("A256KW")), "alg must be"),
        (with("d", json!("AA")), "private key"),
    ] {
        let error = build(jwks).unwrap();
        assert!(error.contains(reason), "{error}");
    }
}
