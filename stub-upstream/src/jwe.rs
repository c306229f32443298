//! Nested JWTs: a JWS inside a JWE in compact serialization (RFC 7516, section 7.1; RFC 7519, section 5.2),
//! with A256GCM, as `FranceConnect+` sends them.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SecureRandom as _;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::chance::Chance;
use crate::fault::Fault;
use crate::jwk::{EncryptionKey, Kind};

/// Encrypts `content` to `key`. Header: `alg enc cty kid iss aud`, and `epk` with ECDH-ES.
pub(crate) fn encrypt(
    key: &EncryptionKey,
    content: &str,
    (iss, aud): (&str, &str),
    chance: &Chance,
    fault: Option<Fault>,
) -> Result<String, Unspecified> {
    let (enc, cipher, length) = match fault {
        Some(Fault::JweEncOther) => ("A128GCM", &AES_128_GCM, 16),
        _ => ("A256GCM", &AES_256_GCM, 32),
    };
    let mut header = Map::new();
    let mut put = |name: &str, value: Value| drop(header.insert(name.to_owned(), value));
    put("alg", json!(if fault == Some(Fault::JweAlgDir) { "dir" } else { key.kind.name() }));
    put("enc", json!(enc));
    put("cty", json!("JWT"));
    if let Some(kid) = &key.kid {
        put("kid", json!(if fault == Some(Fault::JweKidUnknown) { "unpublished" } else { kid }));
    }
    put("iss", json!(iss));
    put("aud", json!(aud));

    let mut sealed_key = Vec::new();
    let content_key = match &key.kind {
        Kind::EcdhEs(point) => {
            let ephemeral = EphemeralPrivateKey::generate(&ECDH_P256, chance.rng())?;
            let public = ephemeral.compute_public_key()?;
            let coordinate = |from: usize, to: usize| public.as_ref().get(from..to).unwrap_or_default();
            let mut y = coordinate(33, 65).to_vec();
            if let Some(last) = y.last_mut().filter(|_| fault == Some(Fault::JweBadPoint)) {
                *last ^= 1;
            }
            let (x, y) = (URL_SAFE_NO_PAD.encode(coordinate(1, 33)), URL_SAFE_NO_PAD.encode(y));
            if fault != Some(Fault::JweNoKey) {
                put("epk", json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }));
            }
            let stranger = EphemeralPrivateKey::generate(&ECDH_P256, chance.rng())?.compute_public_key()?;
            let point = if fault == Some(Fault::JweWrongRecipient) { stranger.as_ref() } else { point };
            agree_ephemeral(ephemeral, UnparsedPublicKey::new(&ECDH_P256, point), Unspecified, |secret| {
                Ok(concat_kdf(secret, enc, length))
            })?
        }
        Kind::RsaOaep256(rsa) | Kind::RsaOaep(rsa) => {
            let mut content_key = vec![0; length];
            chance.rng().fill(&mut content_key)?;
            let algorithm = match &key.kind {
                Kind::RsaOaep(_) => &OAEP_SHA1_MGF1SHA1,
                _ => &OAEP_SHA256_MGF1SHA256,
            };
            sealed_key = vec![0; rsa.ciphertext_size()];
            rsa.encrypt(algorithm, &content_key, &mut sealed_key, None)?;
            match fault {
                // Whoever else's key it was sealed to, this one does not open it.
                Some(Fault::JweWrongRecipient) => {
                    chance.rng().fill(sealed_key.get_mut(1..).unwrap_or_default())?;
                }
                Some(Fault::JweBadPoint) => sealed_key.fill(0xff),
                Some(Fault::JweNoKey) => sealed_key.clear(),
                _ => {}
            }
            content_key
        }
    };
    match fault {
        Some(Fault::JweNoCty) => drop(header.shift_remove("cty")),
        Some(Fault::JweZip) => drop(header.insert("zip".to_owned(), json!("DEF"))),
        Some(Fault::JweAlgDir) => sealed_key.clear(),
        _ => {}
    }

    let protected = URL_SAFE_NO_PAD.encode(Value::Object(header).to_string());
    let mut iv = [0; 12];
    chance.rng().fill(&mut iv)?;
    let mut text = content.as_bytes().to_vec();
    let cipher = LessSafeKey::new(UnboundKey::new(cipher, &content_key)?);
    let nonce = Nonce::assume_unique_for_key(iv);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(protected.as_bytes()), &mut text)?;
    let mut tag = tag.as_ref().to_vec();
    if let Some(last) = tag.last_mut().filter(|_| fault == Some(Fault::JweTagAltered)) {
        *last ^= 1;
    }
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(format!("{protected}.{}.{}.{}.{}", part(&sealed_key), part(&iv), part(&text), part(&tag)))
}

/// Concat KDF with SHA-256, one round, without `apu` and `apv` (RFC 7518, section 4.6.2).
fn concat_kdf(secret: &[u8], enc: &str, length: usize) -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).unwrap_or_default().to_be_bytes();
    let mut input = word(1).to_vec();
    input.extend(secret);
    input.extend(word(enc.len()));
    input.extend(enc.as_bytes());
    input.extend([word(0), word(0), word(length * 8)].concat());
    digest(&SHA256, &input).as_ref().get(..length).unwrap_or_default().to_vec()
}
