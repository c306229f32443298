//! Public keys as JWKs (RFC 7517; RFC 7518, section 6; RFC 8037), and their thumbprints (RFC 7638).

use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::hash::sha256;

/// The required members of a public key, in the lexicographic order that its thumbprint wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk(Vec<(&'static str, String)>);

impl Jwk {
    /// An uncompressed point on `crv` (SEC 1, section 2.3.3).
    pub fn ec(crv: &str, point: &[u8]) -> Self {
        let coordinates = point.strip_prefix(&[4]).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        Self(vec![("crv", crv.to_owned()), ("kty", "EC".to_owned()), ("x", text(x)), ("y", text(y))])
    }

    /// An Ed25519 key.
    pub fn ed25519(public: &[u8]) -> Self {
        Self(vec![("crv", "Ed25519".to_owned()), ("kty", "OKP".to_owned()), ("x", text(public))])
    }

    /// Modulus and exponent, big endian, without leading zeros.
    pub fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self(vec![("e", text(e)), ("kty", "RSA".to_owned()), ("n", text(n))])
    }

    /// The public half of `pair`.
    pub fn of_rsa(pair: &RsaKeyPair) -> Self {
        let public: RsaPublicKeyComponents<Vec<u8>> = pair.public_key().into();
        Self::rsa(&public.n, &public.e)
    }

    /// SHA-256 over the required members (RFC 7638, section 3), in base64url.
    pub fn thumbprint(&self) -> String {
        let members: Map<String, Value> =
            self.0.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        text(&sha256(&[Value::Object(members).to_string().as_bytes()]))
    }

    /// As a member of a JWK Set: `usage` is `sig` or `enc`.
    pub fn member(&self, kid: &str, usage: &str, alg: &str) -> Value {
        let mut members = Map::new();
        for (name, value) in [("kid", kid), ("use", usage), ("alg", alg)] {
            members.insert(name.to_owned(), json!(value));
        }
        for (name, value) in &self.0 {
            members.insert((*name).to_owned(), json!(value));
        }
        Value::Object(members)
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprints_of_the_standards() {
        // RFC 7638, section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX\
                 jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqz\
                 s8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-\
                 G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = Jwk::rsa(&URL_SAFE_NO_PAD.decode(n).unwrap(), &[1, 0, 1]);
        assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037, appendix A.3.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(Jwk::ed25519(&x).thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
