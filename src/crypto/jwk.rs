//! Public keys as JWKs (RFC 7517; RFC 7518, section 6; RFC 8037), and their thumbprints (RFC 7638).
//!
//! What others send is read by [`PublicKey::parse`], which takes any encoding that means one key; what we write has
//! one encoding, in the types of `jsonwebtoken`.

use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk,
    OctetKeyPairParameters, PublicKeyUse, RSAKeyParameters,
};
use serde::Serialize;

use super::alg::Alg;
use super::hash::sha256;
use super::json::Members;

/// The members that no public key has (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The sizes of RSA keys that are used, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// base64url with padding or without, whatever its spare bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A public key of a kind that is served: its numbers, each in the one length that it has here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA: big-endian, without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A point on a curve: each coordinate as long as the field.
    Ec {
        /// The curve.
        curve: Curve,
        /// One coordinate.
        x: Vec<u8>,
        /// The other.
        y: Vec<u8>,
    },
    /// Ed25519.
    Ed25519 {
        /// Its 32 bytes.
        x: Vec<u8>,
    },
}

/// The curves of ECDSA and ECDH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256.
    P256,
    /// P-384.
    P384,
}

impl Curve {
    fn parse(crv: &str) -> Option<Self> {
        match crv {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }

    /// The length of a coordinate, in bytes.
    fn length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}

/// Why a JWK is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableKey {
    /// It is no JSON object.
    #[error("it is no JSON object")]
    NotAnObject,
    /// It has a member that makes it a private key, or a shared secret.
    #[error("it has `{0}`, which is private")]
    Private(&'static str),
    /// `kty` and `crv` are of another kind.
    #[error("its `kty` and `crv` are not RSA, P-256, P-384 or Ed25519")]
    Kind,
    /// A member is missing, or not what it must be.
    #[error("its `{0}` is missing or malformed")]
    Member(&'static str),
    /// A modulus of this many bits.
    #[error("its modulus has {0} bits; 2048 to 4096 are accepted")]
    Size(usize),
    /// The numbers are no key: a point off the curve, an even modulus.
    #[error("its numbers are no public key")]
    Numbers,
    /// `use` or `key_ops` reserve it for something other than signatures.
    #[error("its `{0}` is not for signatures")]
    Use(&'static str),
    /// `alg` is not on the list, or is another kind's.
    #[error("its `alg` is not one by which such a key signs here")]
    Alg,
}

impl UnusableKey {
    /// Whether whoever publishes such a key should know; keys for other uses and kinds are in good order.
    pub fn is_defect(&self) -> bool {
        !matches!(self, Self::Kind | Self::Use(_) | Self::Alg)
    }
}

impl PublicKey {
    /// Reads the numbers of a JWK that somebody sent, in any encoding that means one key: leading zeros, padding and
    /// spare bits change nothing.
    pub fn parse(jwk: &Members) -> Result<Self, UnusableKey> {
        if let Some(name) = PRIVATE.into_iter().find(|name| jwk.contains_key(*name)) {
            return Err(UnusableKey::Private(name));
        }
        let text = |name| jwk.text_or_nothing(name);
        let number = |name: &'static str| {
            let bytes = text(name).and_then(|text| LENIENT.decode(text).ok());
            bytes.filter(|bytes| !bytes.is_empty()).ok_or(UnusableKey::Member(name))
        };
        match (text("kty"), text("crv")) {
            (Some("RSA"), _) => Self::rsa(&number("n")?, &number("e")?),
            (Some("EC"), Some(crv)) => {
                let curve = Curve::parse(crv).ok_or(UnusableKey::Kind)?;
                let coordinate = |name| fit(&number(name)?, curve.length()).ok_or(UnusableKey::Member(name));
                Ok(Self::Ec { curve, x: coordinate("x")?, y: coordinate("y")? })
            }
            (Some("OKP"), Some("Ed25519")) => {
                let x = Some(number("x")?).filter(|x| x.len() == 32);
                Ok(Self::Ed25519 { x: x.ok_or(UnusableKey::Member("x"))? })
            }
            _ => Err(UnusableKey::Kind),
        }
    }

    /// From modulus and exponent, big-endian.
    fn rsa(n: &[u8], e: &[u8]) -> Result<Self, UnusableKey> {
        let (n, e) = (significant(n), significant(e));
        let spare = n.first().map_or(0, |first| first.leading_zeros() as usize);
        let bits = (n.len() * 8).saturating_sub(spare);
        if !RSA_BITS.contains(&bits) {
            return Err(UnusableKey::Size(bits));
        }
        if e.is_empty() || e.len() > 4 {
            return Err(UnusableKey::Member("e"));
        }
        Ok(Self::Rsa { n: n.to_vec(), e: e.to_vec() })
    }

    /// The public half of `pair`.
    pub fn of_rsa(pair: &RsaKeyPair) -> Result<Self, UnusableKey> {
        let public: RsaPublicKeyComponents<Vec<u8>> = pair.public_key().into();
        Self::rsa(&public.n, &public.e)
    }

    /// From an uncompressed point (SEC 1, section 2.3.3).
    pub fn of_point(curve: Curve, point: &[u8]) -> Result<Self, UnusableKey> {
        match point.strip_prefix(&[4]).and_then(|both| both.split_at_checked(curve.length())) {
            Some((x, y)) if y.len() == curve.length() => Ok(Self::Ec { curve, x: x.to_vec(), y: y.to_vec() }),
            _ => Err(UnusableKey::Numbers),
        }
    }

    /// The algorithms by which its private half may sign.
    pub fn algs(&self) -> &'static [Alg] {
        match self {
            Self::Rsa { .. } => &[Alg::Rs256, Alg::Ps256],
            Self::Ec { curve: Curve::P256, .. } => &[Alg::Es256],
            Self::Ec { curve: Curve::P384, .. } => &[Alg::Es384],
            Self::Ed25519 { .. } => &[Alg::EdDsa],
        }
    }

    /// SHA-256 over the required members (RFC 7638, section 3), in base64url: over the key as we write it, so that
    /// every encoding of one key has one thumbprint.
    pub fn thumbprint(&self) -> String {
        // The members in lexicographic order, and no value that needs escaping.
        let members = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n)),
            Self::Ec { curve, x, y } => {
                let crv = curve.as_str();
                format!(r#"{{"crv":"{crv}","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
            }
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x)),
        };
        encode(&sha256(&[members.as_bytes()]))
    }

    /// As a member of our JWK Set.
    pub fn published(&self, kid: &str, usage: PublicKeyUse, alg: &'static str) -> PublishedKey {
        let algorithm = match self {
            Self::Rsa { n, e } => AlgorithmParameters::RSA(RSAKeyParameters {
                n: encode(n),
                e: encode(e),
                ..RSAKeyParameters::default()
            }),
            Self::Ec { curve, x, y } => AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                curve: match curve {
                    Curve::P256 => EllipticCurve::P256,
                    Curve::P384 => EllipticCurve::P384,
                },
                x: encode(x),
                y: encode(y),
                ..EllipticCurveKeyParameters::default()
            }),
            Self::Ed25519 { x } => AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                curve: EllipticCurve::Ed25519,
                x: encode(x),
                ..OctetKeyPairParameters::default()
            }),
        };
        let common = CommonParameters {
            key_id: Some(kid.to_owned()),
            public_key_use: Some(usage),
            ..CommonParameters::default()
        };
        PublishedKey { alg, jwk: Jwk { common, algorithm } }
    }
}

/// A public key of ours, as others read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishedKey {
    /// Beside the library's own member, whose list has no ECDH-ES.
    alg: &'static str,
    #[serde(flatten)]
    jwk: Jwk,
}

/// A number without its leading zeros.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// A number in so many bytes, if it fits.
fn fit(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let number = significant(number);
    let zeros = length.checked_sub(number.len())?;
    Some([&vec![0; zeros], number].concat())
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::ThumbprintHash;
    use serde_json::{Map, Value, json};

    use super::super::jws::testing::TestKey;
    use super::*;

    fn parse(jwk: &Value) -> Result<PublicKey, UnusableKey> {
        PublicKey::parse(&Members::from(jwk.as_object().unwrap().clone()))
    }

    #[test]
    fn the_thumbprints_of_the_standards() {
        // RFC 7638, section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX\
                 jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqz\
                 s8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-\
                 G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = parse(&json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}));
        assert_eq!(rsa.unwrap().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037, appendix A.3.
        let ed = parse(
            &json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        );
        assert_eq!(ed.unwrap().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn what_we_write_is_read_by_others_and_by_us() {
        for alg in Alg::ALL {
            let key = parse(&TestKey::generate(alg).jwk(&json!({}))).unwrap();
            let written =
                serde_json::to_value(key.published("k", PublicKeyUse::Signature, alg.as_str())).unwrap();
            let told = |name: &str| written[name].as_str().unwrap_or_default().to_owned();
            assert_eq!(["kid", "use", "alg"].map(told), ["k", "sig", alg.as_str()]);
            assert_eq!(parse(&written).as_ref(), Ok(&key), "{alg}");
            let theirs: Jwk = serde_json::from_value(written).unwrap();
            assert_eq!(theirs.thumbprint(ThumbprintHash::SHA256).unwrap(), key.thumbprint(), "{alg}");
        }
    }

    /// D1 of the field: whatever means one key is that key, and has its thumbprint.
    #[test]
    fn every_encoding_of_a_key_is_the_key() {
        let rsa = TestKey::generate(Alg::Rs256).jwk(&json!({}));
        let key = parse(&rsa).unwrap();
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(rsa[name].as_str().unwrap()).unwrap();
        let with = |name: &str, value: String| {
            let mut jwk = rsa.clone();
            jwk[name] = json!(value);
            jwk
        };
        let padded = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE.encode(bytes);
        for same in [
            with("n", encode(&[&[0][..], &bytes("n")].concat())),
            with("n", encode(&[&[0; 9][..], &bytes("n")].concat())),
            with("n", padded(&bytes("n"))),
            with("e", encode(&[0, 1, 0, 1])),
        ] {
            assert_eq!(parse(&same).unwrap(), key, "{same}");
            assert_eq!(parse(&same).unwrap().thumbprint(), key.thumbprint());
        }
        // A coordinate that begins with a zero byte, as one in 256 does, written without it.
        let short = json!({"kty": "EC", "crv": "P-256", "x": encode(&[7; 31]), "y": encode(&[7; 32])});
        let whole = json!({"kty": "EC", "crv": "P-256", "x": encode(&[&[0][..], &[7; 31]].concat()), "y": encode(&[7; 32])});
        assert_eq!(parse(&short).unwrap(), parse(&whole).unwrap());
    }

    /// C5 of the field: `null` is absence.
    #[test]
    fn a_private_member_is_refused_by_name_and_null_is_none() {
        let ec = TestKey::generate(Alg::Es256);
        let absent: Map<_, _> = PRIVATE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        assert!(parse(&ec.jwk(&Value::Object(absent))).is_ok());
        for name in PRIVATE {
            for value in [json!("AAAA"), json!(""), json!(1), json!([])] {
                let refused = parse(&ec.jwk(&json!({name: value})));
                assert_eq!(refused, Err(UnusableKey::Private(name)), "{name} = {value}");
            }
        }
        assert_eq!(parse(&json!({"kty": "oct", "k": "AAAA"})), Err(UnusableKey::Private("k")));
    }

    #[test]
    fn a_key_that_is_none_says_what_is_wrong() {
        let rsa = TestKey::generate(Alg::Rs256);
        let ec = TestKey::generate(Alg::Es256);
        for (jwk, defect) in [
            (json!({}), UnusableKey::Kind),
            (ec.jwk(&json!({"crv": "P-521"})), UnusableKey::Kind),
            (ec.jwk(&json!({"kty": null})), UnusableKey::Kind),
            (json!({"kty": "OKP", "crv": "X25519", "x": encode(&[9; 32])}), UnusableKey::Kind),
            (ec.jwk(&json!({"x": 1})), UnusableKey::Member("x")),
            (ec.jwk(&json!({"y": null})), UnusableKey::Member("y")),
            (ec.jwk(&json!({"y": encode(&[1; 33])})), UnusableKey::Member("y")),
            (ec.jwk(&json!({"y": "a+/="})), UnusableKey::Member("y")),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&[9; 31])}), UnusableKey::Member("x")),
            (rsa.jwk(&json!({"n": ""})), UnusableKey::Member("n")),
            (rsa.jwk(&json!({"e": "AA=="})), UnusableKey::Member("e")),
            (rsa.jwk(&json!({"e": encode(&[1; 5])})), UnusableKey::Member("e")),
            (rsa.jwk(&json!({"n": encode(&[0xff; 64])})), UnusableKey::Size(512)),
            (rsa.jwk(&json!({"n": encode(&[0x7f; 256])})), UnusableKey::Size(2047)),
            (rsa.jwk(&json!({"n": encode(&[0xff; 1024])})), UnusableKey::Size(8192)),
        ] {
            assert_eq!(parse(&jwk), Err(defect), "{jwk}");
        }
    }
}
