//! JSON Web Encryption (RFC 7516), decrypting side: compact form, the key management of [`super::alg`]
//! (RFC 7518, sections 4.3 and 4.6), content by `A256GCM` (section 5.3). A key is for one algorithm, and what is
//! inside must be signed claims (RFC 7519, section 5.2).

#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use aws_lc_rs::agreement::{self, ECDH_P256, UnparsedPublicKey};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::PublicKeyUse;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::alg::{ContentEncryption, KeyManagement};
use super::hash::sha256;
use super::json::Members;
use super::jwk::{Curve, PublicKey, PublishedKey};
use super::jws::MAX_KID;
use super::jwt::is_type;
use super::pem::{self, NotPkcs8};
use super::seal::{IV, SealKey, TAG};
use crate::secret::Secret;

/// The longest compact form that is looked at, in bytes: signed claims of the greatest length, and what wraps it.
pub const MAX_LENGTH: usize = 96 * 1024;

/// The only content encryption.
const ENC: ContentEncryption = ContentEncryption::A256Gcm;
/// Its key's length, in bytes.
const KEY: usize = 32;

/// A private key that decrypts what was encrypted for its `kid`.
pub struct DecryptionKey {
    kid: String,
    key: Private,
    public: PublicKey,
}

enum Private {
    Rsa(OaepPrivateDecryptingKey),
    Ec(agreement::PrivateKey),
}

/// Why a text is no decryption key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum NotADecryptionKey {
    /// It is no PKCS#8.
    #[error(transparent)]
    Pem(#[from] NotPkcs8),
    /// It is of another kind or size.
    #[error("neither an RSA key of 2048 to 4096 bits nor a key on P-256")]
    Kind,
}

impl DecryptionKey {
    /// A PKCS#8 key in PEM: RSA for `RSA-OAEP-256`, P-256 for `ECDH-ES`. `kid` is its id in the JWK Set that the
    /// sender has.
    pub fn from_pem(kid: String, text: &Secret<String>) -> Result<Self, NotADecryptionKey> {
        let der = pem::pkcs8(text.expose())?;
        Self::from_pkcs8(Some(kid), der.secret_pkcs8_der())
    }

    /// The same in DER. Without a `kid`, its thumbprint (RFC 7638) is it.
    pub fn from_pkcs8(kid: Option<String>, der: &[u8]) -> Result<Self, NotADecryptionKey> {
        let (key, public) = Self::read(der)?;
        Ok(Self { kid: kid.unwrap_or_else(|| public.thumbprint()), key, public })
    }

    fn read(der: &[u8]) -> Result<(Private, PublicKey), NotADecryptionKey> {
        if let Ok(key) = PrivateDecryptingKey::from_pkcs8(der) {
            let key = OaepPrivateDecryptingKey::new(key).map_err(|_| NotADecryptionKey::Kind)?;
            let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| NotADecryptionKey::Kind)?;
            let public = PublicKey::of_rsa(&pair).map_err(|_| NotADecryptionKey::Kind)?;
            return Ok((Private::Rsa(key), public));
        }
        let key = agreement::PrivateKey::from_private_key_der(&ECDH_P256, der);
        let key = key.map_err(|_| NotADecryptionKey::Kind)?;
        let point = key.compute_public_key().map_err(|_| NotADecryptionKey::Kind)?;
        let public = PublicKey::of_point(Curve::P256, point.as_ref()).map_err(|_| NotADecryptionKey::Kind)?;
        Ok((Private::Ec(key), public))
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that it decrypts.
    pub fn alg(&self) -> KeyManagement {
        match self.key {
            Private::Rsa(_) => KeyManagement::RsaOaep256,
            Private::Ec(_) => KeyManagement::EcdhEs,
        }
    }

    /// Its public half, for our JWK Set.
    pub fn published(&self) -> PublishedKey {
        self.public.published(&self.kid, PublicKeyUse::Encryption, self.alg().as_str())
    }
}

/// Why a text was not decrypted.
#[derive(Debug, thiserror::Error)]
pub enum JweError {
    /// Not five parts of base64url, or the header is no JSON object with each member once.
    #[error("it is no compact JWE")]
    Malformed,
    /// So many bytes.
    #[error("it has {0} bytes, more than the {MAX_LENGTH} that are looked at")]
    TooLong(usize),
    /// It decrypts, and what is inside are claims that nobody signed.
    #[error("it holds claims that are not signed")]
    NotSigned,
    /// `alg` or `enc` is not on the list.
    #[error("its encryption may not be used")]
    Alg(Option<String>),
    /// `crit` or `zip` is present, or `cty` does not say that signed claims are inside.
    #[error("its header names an extension, a compression or another content")]
    Header,
    /// No key has its `kid` and `alg`.
    #[error("none of our decryption keys fits its kid and alg")]
    KeyUnknown {
        /// Its algorithm.
        alg: &'static str,
        /// Its key id.
        kid: Option<String>,
    },
    /// It was not encrypted for this key, or was changed.
    #[error("it does not decrypt")]
    DoesNotOpen,
}

/// What was inside.
pub struct Decrypted {
    /// The signed claims, in compact form.
    pub signed: Secret<String>,
    /// The key that opened it.
    pub kid: String,
    /// `iss` and `aud`, where the header repeats them (RFC 7519, section 5.3).
    pub replicated: Map<String, Value>,
}

/// Decrypts `compact` by the one key of `keys` that its header names; where it names none, by any that fits.
pub fn decrypt(keys: &[Arc<DecryptionKey>], compact: &str) -> Result<Decrypted, JweError> {
    if compact.len() > MAX_LENGTH {
        return Err(JweError::TooLong(compact.len()));
    }
    let parts: Vec<&str> = compact.splitn(6, '.').collect();
    let [protected, wrapped, iv, ciphertext, tag] = parts[..] else { return Err(JweError::Malformed) };
    let header = Members::read(&bytes(protected)?).map_err(|_| JweError::Malformed)?;
    let alg = allowed(&header)?;
    let fit = choose(keys, &header, alg)?;
    let wrapped = bytes(wrapped)?;
    let iv: [u8; IV] = bytes(iv)?.try_into().map_err(|_| JweError::Malformed)?;
    let mut sealed = bytes(ciphertext)?;
    let tag = bytes(tag)?;
    if tag.len() != TAG {
        return Err(JweError::Malformed);
    }
    sealed.extend_from_slice(&tag);
    let open = |key: &DecryptionKey| {
        let content_key = match &key.key {
            Private::Rsa(private) => unwrap(private, &wrapped)?,
            Private::Ec(private) => agree(private, &header, &wrapped)?,
        };
        let plaintext = SealKey::new(&content_key).open(&iv, protected.as_bytes(), &sealed);
        plaintext.map_err(|_| JweError::DoesNotOpen)
    };
    let mut opened = Err(JweError::DoesNotOpen);
    for key in fit {
        opened = open(key).map(|plaintext| (key, plaintext));
        if !matches!(opened, Err(JweError::DoesNotOpen)) {
            break;
        }
    }
    let (key, plaintext) = opened?;
    let signed = String::from_utf8(plaintext).map_err(|_| JweError::Malformed)?;
    // A JWS has two dots; an object that holds claims in clear begins as JSON does.
    if signed.trim_start().starts_with('{') {
        return Err(JweError::NotSigned);
    }
    if !holds_signed_claims(&header) {
        return Err(JweError::Header);
    }
    let mut replicated = header.into_map();
    replicated.retain(|name, _| name == "iss" || name == "aud");
    Ok(Decrypted { signed: Secret::new(signed), kid: key.kid.clone(), replicated })
}

fn bytes(part: &str) -> Result<Vec<u8>, JweError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JweError::Malformed)
}

/// The header's `alg`, if everything in it is on the lists.
fn allowed(header: &Members) -> Result<KeyManagement, JweError> {
    let refused = |name: Option<&str>| JweError::Alg(name.map(|name| name.chars().take(32).collect()));
    let text = |name| header.get(name).and_then(Value::as_str);
    let alg = text("alg");
    let alg = alg.and_then(KeyManagement::parse).ok_or_else(|| refused(alg))?;
    if text("enc") != Some(ENC.as_str()) {
        return Err(refused(text("enc")));
    }
    if header.contains_key("crit") || header.contains_key("zip") {
        return Err(JweError::Header);
    }
    Ok(alg)
}

/// Whether the header says that signed claims are inside (RFC 7519, section 5.2).
fn holds_signed_claims(header: &Members) -> bool {
    header.text_or_nothing("cty").is_some_and(|cty| is_type(cty, "JWT"))
}

/// The key of that `kid`; without one, every key that fits: there are several while one succeeds another.
fn choose<'k>(
    keys: &'k [Arc<DecryptionKey>],
    header: &Members,
    alg: KeyManagement,
) -> Result<Vec<&'k DecryptionKey>, JweError> {
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= MAX_KID => Some(kid),
        Some(_) => return Err(JweError::Malformed),
    };
    let fits = |key: &&DecryptionKey| key.alg() == alg && kid.is_none_or(|kid| *kid == key.kid);
    let fit: Vec<_> = keys.iter().map(|key| &**key).filter(fits).collect();
    if fit.is_empty() {
        return Err(JweError::KeyUnknown { alg: alg.as_str(), kid: kid.cloned() });
    }
    Ok(fit)
}

/// The content key under RSA (RFC 8017, section 7.1).
fn unwrap(private: &OaepPrivateDecryptingKey, wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY]>, JweError> {
    let mut room = Zeroizing::new(vec![0; private.min_output_size()]);
    let opened = private.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut room, None);
    let opened: &[u8] = opened.map_err(|_| JweError::DoesNotOpen)?;
    opened.try_into().map(Zeroizing::new).map_err(|_| JweError::DoesNotOpen)
}

/// The content key agreed with the header's `epk` (RFC 7518, section 4.6); nothing is wrapped.
fn agree(
    private: &agreement::PrivateKey,
    header: &Members,
    wrapped: &[u8],
) -> Result<Zeroizing<[u8; KEY]>, JweError> {
    if !wrapped.is_empty() {
        return Err(JweError::Malformed);
    }
    let part = |name| match header.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) if text.len() <= MAX_KID => bytes(text),
        Some(_) => Err(JweError::Malformed),
    };
    let (apu, apv) = (part("apu")?, part("apv")?);
    let point = point(header.get("epk")).ok_or(JweError::Malformed)?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, point);
    // A point off the curve is refused here.
    agreement::agree(private, theirs, JweError::DoesNotOpen, |shared| {
        Ok(Zeroizing::new(concat_kdf(shared, ENC.as_str(), 256, &apu, &apv)))
    })
}

/// The uncompressed point of a JWK on P-256.
fn point(epk: Option<&Value>) -> Option<Vec<u8>> {
    match PublicKey::parse(&Members::from(epk?.as_object()?.clone())).ok()? {
        PublicKey::Ec { curve: Curve::P256, x, y } => Some([&[4], &x[..], &y].concat()),
        _ => None,
    }
}

/// Concat KDF (NIST SP 800-56A, section 5.8.1) with SHA-256, as RFC 7518, section 4.6.2, has it for direct
/// agreement on a key of `bits` for the content encryption `enc`; one round is enough.
fn concat_kdf(shared: &[u8], enc: &str, bits: u32, apu: &[u8], apv: &[u8]) -> [u8; KEY] {
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
    sha256(&[
        &1_u32.to_be_bytes(),
        shared,
        &length(enc.as_bytes()),
        enc.as_bytes(),
        &length(apu),
        apu,
        &length(apv),
        apv,
        &bits.to_be_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::testing::{Recipient, Wrap, seal};
    use super::*;

    fn keys() -> (Vec<Arc<DecryptionKey>>, Recipient, Recipient) {
        let (rsa, ec) = (Recipient::rsa(), Recipient::ec());
        let read = |kid: &str, one: &Recipient| {
            Arc::new(DecryptionKey::from_pem(kid.to_owned(), &one.pem()).ok().unwrap())
        };
        (vec![read("r", &rsa), read("e", &ec)], rsa, ec)
    }

    #[test]
    fn the_key_derivation_of_rfc_7518_appendix_c() {
        let z = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163,
            218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
        ];
        let key = concat_kdf(&z, "A128GCM", 128, b"Alice", b"Bob");
        assert_eq!(URL_SAFE_NO_PAD.encode(&key[..16]), "VqqN6vgjbSBcIijNcacQGg");
    }

    #[test]
    fn each_algorithm_opens_by_its_own_key() {
        let (keys, rsa, ec) = keys();
        for (kid, to, alg) in [("r", &rsa, "RSA-OAEP-256"), ("e", &ec, "ECDH-ES")] {
            let jwe = seal(to, &Wrap::new(alg, kid), "a.b.c");
            let opened = decrypt(&keys, &jwe).ok().unwrap();
            assert_eq!((opened.signed.expose().as_str(), opened.kid.as_str()), ("a.b.c", kid));
            let without = seal(to, &Wrap { kid: None, ..Wrap::new(alg, kid) }, "a.b.c");
            assert!(decrypt(&keys, &without).is_ok(), "the only key that fits");
            let other = if alg == "ECDH-ES" { Recipient::ec() } else { Recipient::rsa() };
            let other = Arc::new(DecryptionKey::from_pem("o".to_owned(), &other.pem()).ok().unwrap());
            for several in [[&keys[..], from_ref(&other)].concat(), [from_ref(&other), &keys].concat()] {
                assert_eq!(
                    decrypt(&several, &without).ok().unwrap().kid,
                    kid,
                    "the one of several that opens"
                );
            }
            let stranger = if alg == "ECDH-ES" { Recipient::ec() } else { Recipient::rsa() };
            let jwe = seal(&stranger, &Wrap::new(alg, kid), "a.b.c");
            assert!(matches!(decrypt(&keys, &jwe), Err(JweError::DoesNotOpen)), "{alg}");
        }
        let told = seal(
            &ec,
            &Wrap { more: "\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",", ..Wrap::new("ECDH-ES", "e") },
            "x",
        );
        let told = decrypt(&keys, &told).ok().unwrap().replicated;
        assert_eq!(told.keys().collect::<Vec<_>>(), ["iss", "aud"]);
    }

    #[test]
    fn what_the_header_may_not_say() {
        let (keys, rsa, ec) = keys();
        let refused =
            |to: &Recipient, wrap: Wrap<'_>| decrypt(&keys, &seal(to, &wrap, "a.b.c")).err().unwrap();
        let on_ec = || Wrap::new("ECDH-ES", "e");
        for alg in ["RSA-OAEP", "RSA1_5", "dir", "ECDH-ES+A256KW", "PBES2-HS256+A128KW", "none", ""] {
            assert!(matches!(refused(&rsa, Wrap::new(alg, "r")), JweError::Alg(Some(_))), "{alg}");
        }
        for enc in ["A128GCM", "A256CBC-HS512", ""] {
            assert!(matches!(refused(&ec, Wrap { enc, ..on_ec() }), JweError::Alg(Some(_))), "{enc}");
        }
        for more in ["\"zip\":\"DEF\",", "\"crit\":[],"] {
            assert!(matches!(refused(&ec, Wrap { more, ..on_ec() }), JweError::Header), "{more}");
        }
        assert!(
            matches!(refused(&ec, Wrap { cty: None, ..on_ec() }), JweError::Header),
            "signed claims must be inside"
        );
        for kid in ["other", "r"] {
            let unknown = refused(&ec, Wrap { kid: Some(kid), ..on_ec() });
            assert!(matches!(unknown, JweError::KeyUnknown { .. }), "{kid}: a key is for one algorithm");
        }
    }

    #[test]
    fn a_changed_byte_and_a_point_off_the_curve_do_not_open() {
        let (keys, rsa, ec) = keys();
        for jwe in [
            seal(&rsa, &Wrap::new("RSA-OAEP-256", "r"), "a.b.c"),
            seal(&ec, &Wrap::new("ECDH-ES", "e"), "a.b.c"),
        ] {
            let parts: Vec<&str> = jwe.split('.').collect();
            for (at, part) in parts.iter().enumerate().skip(1).filter(|(_, part)| !part.is_empty()) {
                let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
                let other = if part.starts_with('A') { "B" } else { "A" };
                changed[at].replace_range(..1, other);
                assert!(decrypt(&keys, &changed.join(".")).is_err(), "part {at}");
            }
        }
        let off = "\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"},";
        let off = seal(&ec, &Wrap { epk: Some(off), ..Wrap::new("ECDH-ES", "e") }, "a.b.c");
        assert!(matches!(decrypt(&keys, &off), Err(JweError::DoesNotOpen)));
        let none = seal(&ec, &Wrap { epk: Some(""), ..Wrap::new("ECDH-ES", "e") }, "a.b.c");
        assert!(matches!(decrypt(&keys, &none), Err(JweError::Malformed)));
    }

    #[test]
    fn what_is_no_compact_jwe_is_malformed() {
        let (keys, _, ec) = keys();
        let good = seal(&ec, &Wrap::new("ECDH-ES", "e"), "a.b.c");
        for bad in [
            String::new(),
            "....".to_owned(),
            "a.b.c".to_owned(),
            format!("{good}.x"),
            format!("{good}="),
            good.replacen('.', ".AAAA", 1),
        ] {
            assert!(matches!(decrypt(&keys, &bad), Err(JweError::Malformed)), "{bad}");
        }
    }

    #[test]
    fn keys_of_another_kind_are_none() {
        for text in ["", "no pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(
                DecryptionKey::from_pem("k".to_owned(), &Secret::new(text.to_owned())).is_err(),
                "{text}"
            );
        }
    }
}
