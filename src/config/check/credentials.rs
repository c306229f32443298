//! What `[upstream.<name>]` says of keys: how we authenticate, who signs for us, what decrypts. Where it brings no
//! key of ours, the keyring makes one.

use std::path::Path;
use std::sync::Arc;

use super::secrets::{self, Names};
use crate::config::file::{Element, Section};
use crate::config::value::{Raw, Wrong, boolean, choice, text, texts};
use crate::crypto::alg::HS256;
use crate::crypto::jwe::DecryptionKey;
use crate::crypto::jws::hs256::MIN_SECRET;
use crate::crypto::jws::sign::SigningKey;
use crate::keys::KeyAlg;
use crate::secret::Secret;
use crate::upstream::{
    Alg, AssertionAudience, AssertionKey, ClientAuth, Credentials, DecryptionKeys, Profile, Signatures,
    Signer, UserinfoKind,
};

const SECRET: Names = Names { direct: "client_secret", file: "client_secret_file" };
const KEY: Names = Names { direct: "key", file: "key_file" };

const AUTHS: [(&str, ClientAuth); 3] = [
    ("client_secret_post", ClientAuth::SecretPost),
    ("client_secret_basic", ClientAuth::SecretBasic),
    ("private_key_jwt", ClientAuth::PrivateKeyJwt),
];

const AUDIENCES: [(&str, AssertionAudience); 2] =
    [("token_endpoint", AssertionAudience::TokenEndpoint), ("issuer", AssertionAudience::Issuer)];

/// How we authenticate, and whose signatures count; `None` for what is wrong.
pub(super) fn credentials(
    section: &Section<'_>,
    profile: Option<&'static Profile>,
    base: &Path,
) -> (Option<Credentials>, Option<Signatures>) {
    // A default of the profile is asked for in any case, so that the key is known.
    let standard = profile.or_else(|| Profile::find("generic"));
    let auth = section.optional("client_auth", choice(&AUTHS)).or(standard.map(|p| p.client_auth));
    let by_key = auth == Some(ClientAuth::PrivateKeyJwt);
    let signer = signer(section, profile);
    let shared = signer == Some(Chosen::ClientSecret);
    let secret = if by_key && !shared {
        for key in [SECRET.direct, SECRET.file] {
            if section.has(key) {
                let wrong = Wrong::new("is of no use: private_key_jwt shares no secret", "leave it out");
                section.fault(key, wrong);
            }
        }
        secrets::optional(section, &SECRET, base)
    } else {
        secrets::required(section, &SECRET, base)
    };
    if shared {
        check_secret_signs(section, profile, secret.as_ref());
    }
    let assertion = assertion(section.section("client_key"), by_key, standard, base);
    let credentials = match auth {
        Some(ClientAuth::SecretPost) => secret.clone().map(Credentials::Post),
        Some(ClientAuth::SecretBasic) => secret.clone().map(Credentials::Basic),
        Some(ClientAuth::PrivateKeyJwt) => assertion,
        None => None,
    };
    let signatures = match signer {
        Some(Chosen::Provider(algs)) => Some(Signatures::Published(algs)),
        Some(Chosen::ClientSecret) => secret.map(Signatures::Shared),
        None => None,
    };
    (credentials, signatures)
}

/// Our signing key, where we authenticate by it; the keyring's where none is named.
fn assertion(
    section: Section<'_>,
    wanted: bool,
    profile: Option<&Profile>,
    base: &Path,
) -> Option<Credentials> {
    let audience = section.optional("audience", choice(&AUDIENCES)).or(profile.map(|p| p.assertion_audience));
    if wanted && !["kid", KEY.direct, KEY.file].into_iter().any(|key| section.has(key)) {
        if section.has("alg") {
            let wrong = Wrong::new("is of no use: the keyring's keys sign by ES256", "leave it out");
            section.fault("alg", wrong);
        }
        section.optional("alg", |_| Ok(()));
        section.finish();
        return Some(Credentials::PrivateKeyJwt(AssertionKey::Keyring, audience?));
    }
    let right = "write the key's id in the key set that the provider has of us";
    let kid = if wanted { section.required("kid", right, text) } else { section.optional("kid", text) };
    let pem = if wanted {
        secrets::required(&section, &KEY, base)
    } else {
        secrets::optional(&section, &KEY, base)
    };
    let alg = section.optional("alg", alg);
    let key = match SigningKey::from_pem(kid?, alg, &pem?) {
        Ok(key) => Some(key),
        Err(error) => {
            let right = "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".to_owned();
            section.fault(KEY.file, Wrong { wrong: format!("holds no key to sign with ({error})"), right });
            None
        }
    };
    section.finish();
    Some(Credentials::PrivateKeyJwt(AssertionKey::Given(Arc::new(key?)), audience?))
}

/// Who shall sign.
#[derive(PartialEq, Eq)]
enum Chosen {
    Provider(Vec<Alg>),
    ClientSecret,
}

fn signer(section: &Section<'_>, profile: Option<&'static Profile>) -> Option<Chosen> {
    let standard = profile.or_else(|| Profile::find("generic"))?;
    let by_profile = match standard.signer {
        Signer::Provider(algs) => Chosen::Provider(algs.to_vec()),
        Signer::ClientSecret => Chosen::ClientSecret,
    };
    let may = profile.is_none_or(|profile| profile.secret_may_sign);
    let read = |raw: &Raw<'_>| {
        let names = texts(raw)?;
        if may && names == [HS256] {
            return Ok(Chosen::ClientSecret);
        }
        if may && names.iter().any(|name| name == HS256) {
            let right = "write [\"HS256\"] alone, or the provider's algorithms without it";
            return Err(Wrong::new(
                "mixes HS256, which the client secret signs, with the provider's keys",
                right,
            ));
        }
        let one = |name: String| alg(&Raw { value: &name.into(), env: raw.env });
        Ok(Chosen::Provider(names.into_iter().map(one).collect::<Result<_, _>>()?))
    };
    if by_profile == Chosen::ClientSecret {
        if section.has("signing_algs") {
            let wrong = Wrong::new("is of no use: the client secret signs, by HS256", "leave it out");
            section.fault("signing_algs", wrong);
        }
        section.optional("signing_algs", |_| Ok(()));
        return Some(by_profile);
    }
    section.optional("signing_algs", read).or(Some(by_profile))
}

fn alg(raw: &Raw<'_>) -> Result<Alg, Wrong> {
    choice(&Alg::NAMES)(raw)
}

/// Where the client secret signs it must be a key, and the operator knows that it is one.
fn check_secret_signs(section: &Section<'_>, profile: Option<&Profile>, secret: Option<&Secret<String>>) {
    if profile.is_some_and(|profile| profile.secret_may_sign) {
        section.warn(
            "signing_algs",
            "the client secret signs (HS256): whoever reads it can sign anybody in; ES256 needs no secret",
        );
    }
    if secret.is_some_and(|secret| secret.expose().len() < MIN_SECRET) {
        let wrong = format!("is shorter than {MIN_SECRET} bytes, and signs");
        let right = "have the provider give a longer one".to_owned();
        let at = if section.has(SECRET.direct) { SECRET.direct } else { SECRET.file };
        section.fault(at, Wrong { wrong, right });
    }
}

/// The keys that decrypt, and whether `id_token`s come encrypted: userinfo says for itself whether it does.
pub(super) fn encryption(
    section: &Section<'_>,
    profile: Option<&Profile>,
    userinfo: Option<UserinfoKind>,
    base: &Path,
) -> (Option<DecryptionKeys>, bool) {
    let usual = profile.is_some_and(|profile| profile.encrypted);
    let usual = usual || section.has("decryption_alg") || section.has("decryption_keys");
    let id_token = section.or("encrypted_id_token", usual, boolean);
    let encrypted = id_token || userinfo == Some(UserinfoKind::EncryptedJwt);
    (decryption_keys(section, encrypted, base), id_token)
}

/// Those that are listed, else the keyring's where something comes encrypted.
fn decryption_keys(section: &Section<'_>, encrypted: bool, base: &Path) -> Option<DecryptionKeys> {
    let elements = section.elements("decryption_keys").unwrap_or_default();
    let asked = section.has("decryption_alg");
    let alg = section.or(
        "decryption_alg",
        KeyAlg::EcdhEs,
        choice(&[KeyAlg::EcdhEs, KeyAlg::RsaOaep256].map(|alg| (alg.as_str(), alg))),
    );
    if elements.is_empty() && (encrypted || asked) {
        return Some(DecryptionKeys::Keyring(alg));
    }
    if asked && !elements.is_empty() {
        section.warn("decryption_alg", "is of no use beside decryption_keys, each of which has its own");
    }
    let mut keys: Vec<DecryptionKey> = Vec::new();
    let mut whole = true;
    for element in elements {
        match key(section, element, base) {
            Some(key) if keys.iter().any(|other| other.kid() == key.kid()) => {
                let wrong = format!("has two keys with the kid {:?}", key.kid());
                let right = "give each its own: it is how a message names its key".to_owned();
                section.fault("decryption_keys", Wrong { wrong, right });
            }
            Some(key) => keys.push(key),
            None => whole = false,
        }
    }
    whole.then(|| DecryptionKeys::new(keys))
}

fn key(section: &Section<'_>, element: Element<'_>, base: &Path) -> Option<DecryptionKey> {
    let Some(table) = element.section else {
        section.fault(&element.path, Wrong::new("is no key", "write { kid = \"…\", key_file = \"…\" }"));
        return None;
    };
    let right = "write the key's id in the key set that the provider has of us";
    let kid = table.required("kid", right, text);
    let pem = secrets::required(&table, &KEY, base);
    let (kid, pem) = (kid?, pem?);
    let key = match DecryptionKey::from_pem(kid, &pem) {
        Ok(key) => Some(key),
        Err(error) => {
            let right = "make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".to_owned();
            table.fault(KEY.file, Wrong { wrong: format!("holds no decryption key ({error})"), right });
            None
        }
    };
    table.finish();
    key
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{faults, place, read, secret};
    use crate::upstream::{Alg, Credentials, Signatures};

    /// The commented file with another section for its registration.
    fn with(lines: &str) -> String {
        let sample = include_str!("../../../config/relais.toml");
        let (before, rest) = sample.split_once("[upstream.fc]").unwrap();
        let (_, after) = rest.split_once("\n[legacy.compta]").unwrap();
        format!(
            "{before}[upstream.fc]\nissuer = \"https://i.example\"\nclient_id = \"x\"\n{lines}\n[legacy.compta]{after}"
        )
    }

    const DECRYPTS: &str = "decryption_keys = [{ kid = \"e\", key_file = \"fc.decryption.pem\" }]";

    #[test]
    fn a_key_of_our_own_instead_of_a_secret() {
        let dir = place();
        let generic = "profile = \"generic\"\nclient_auth = \"private_key_jwt\"";
        let key = "[upstream.fc.client_key]\nkid = \"s\"\nkey_file = \"fc.client.pem\"";
        let config =
            read(&with(&format!("{generic}\n{key}")), dir.path(), &[]).unwrap_or_else(|f| panic!("{f}"));
        assert!(matches!(config.upstreams[0].credentials, Credentials::PrivateKeyJwt(..)));
        let fault = |lines: &str| faults(&with(lines), dir.path(), &[]);
        let half = format!("{generic}\n[upstream.fc.client_key]\nkid = \"s\"");
        assert!(
            fault(&half).starts_with("upstream.fc.client_key.key_file: is missing; "),
            "{}",
            fault(&half)
        );
        let half = format!("{generic}\n[upstream.fc.client_key]\nkey_file = \"fc.client.pem\"");
        assert!(fault(&half).starts_with("upstream.fc.client_key.kid: is missing; "), "{}", fault(&half));
        assert_eq!(
            fault(&format!("{generic}\nclient_secret_file = \"fc.secret\"\n{key}")),
            "upstream.fc.client_secret_file: is of no use: private_key_jwt shares no secret; leave it out"
        );
        assert_eq!(
            fault(&format!("{generic}\n{key}\nalg = \"RS256\"")),
            "upstream.fc.client_key.key_file: holds no key to sign with (not a key for RS256); \
             make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
        );
        secret(dir.path(), "fc.client.pem", "no key");
        assert!(fault(&format!("{generic}\n{key}")).contains("no PKCS#8 private key in PEM"));
    }

    #[test]
    fn ed25519_has_two_names() {
        let dir = place();
        let line = "profile = \"generic\"\nclient_secret_file = \"fc.secret\"\nsigning_algs = [\"Ed25519\", \"ES256\"]";
        let config = read(&with(line), dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        let signatures = &config.upstreams[0].signatures;
        assert!(matches!(signatures, Signatures::Published(algs) if algs[..] == [Alg::EdDsa, Alg::Es256]));
    }

    #[test]
    fn the_client_secret_signs_alone_or_not_at_all() {
        let dir = place();
        let lines = |profile: &str, algs: &str| {
            let line =
                format!("profile = \"{profile}\"\nclient_secret_file = \"fc.secret\"\nsigning_algs = {algs}");
            with(&if profile == "franceconnect_plus" { format!("{line}\n{DECRYPTS}") } else { line })
        };
        let hs256 = "[\"HS256\"]";
        let short = faults(&lines("generic", hs256), dir.path(), &[]);
        assert!(short.contains("client_secret_file: is shorter than 32 bytes, and signs"), "{short}");
        secret(dir.path(), "fc.secret", &"2".repeat(32));
        for profile in ["generic", "franceconnect_v2", "proconnect"] {
            let config = read(&lines(profile, hs256), dir.path(), &[]).unwrap_or_else(|f| panic!("{f}"));
            assert!(matches!(config.upstreams[0].signatures, Signatures::Shared(_)));
            assert!(config.warnings.iter().any(|warning| warning.path == "upstream.fc.signing_algs"), "weak");
            let mixed = faults(&lines(profile, "[\"ES256\", \"HS256\"]"), dir.path(), &[]);
            assert!(mixed.contains("mixes HS256"), "{mixed}");
        }
        let plus = faults(&lines("franceconnect_plus", hs256), dir.path(), &[]);
        assert!(plus.starts_with("upstream.fc.signing_algs: "), "{plus}");
    }

    /// Who brings no key gets one of the keyring; who brings one has the keyring's switched off.
    #[test]
    fn the_keyring_where_no_key_is_brought() {
        let dir = place();
        let wanted = |lines: &str| -> Vec<_> {
            let config = read(&with(lines), dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
            let wanted = config.upstreams[0].wanted_keys();
            assert_eq!(config.wanted_keys().len(), wanted.len() + 2, "and the relay's own");
            wanted.iter().map(|one| format!("{} {}", one.succession.usage.name(), one.alg.as_str())).collect()
        };
        let none: [&str; 0] = [];
        let by_key = "profile = \"generic\"\nclient_auth = \"private_key_jwt\"";
        let given = "[upstream.fc.client_key]\nkid = \"s\"\nkey_file = \"fc.client.pem\"";
        assert_eq!(wanted(by_key), ["signing ES256"]);
        assert_eq!(
            wanted(&format!("{by_key}\n[upstream.fc.client_key]\naudience = \"issuer\"")),
            ["signing ES256"]
        );
        assert_eq!(wanted(&format!("{by_key}\n{given}")), none);
        let secret = "client_secret_file = \"fc.secret\"\nprofile = ";
        assert_eq!(wanted(&format!("{secret}\"generic\"")), none);
        assert_eq!(wanted(&format!("{secret}\"franceconnect_plus\"")), ["encryption ECDH-ES"]);
        assert_eq!(
            wanted(&format!("{secret}\"generic\"\nuserinfo = \"encrypted_jwt\"")),
            ["encryption ECDH-ES"]
        );
        let rsa = format!("{secret}\"generic\"\ndecryption_alg = \"RSA-OAEP-256\"");
        assert_eq!(wanted(&rsa), ["encryption RSA-OAEP-256"]);
        assert_eq!(wanted(&format!("{secret}\"franceconnect_plus\"\n{DECRYPTS}")), none);
        let alg = format!("{by_key}\n[upstream.fc.client_key]\nalg = \"ES384\"");
        assert_eq!(
            faults(&with(&alg), dir.path(), &[]),
            "upstream.fc.client_key.alg: is of no use: the keyring's keys sign by ES256; leave it out"
        );
    }

    #[test]
    fn keys_that_are_brought() {
        let dir = place();
        let start = "client_secret_file = \"fc.secret\"\nprofile = ";
        let fault = |lines: &str| faults(&with(&format!("{start}{lines}")), dir.path(), &[]);
        assert_eq!(fault(&format!("\"franceconnect_plus\"\n{DECRYPTS}")), "");
        let twice = DECRYPTS.replace("[{", "[{ kid = \"e\", key_file = \"fc.client.pem\" }, {");
        assert!(fault(&format!("\"generic\"\n{twice}")).contains("has two keys with the kid \"e\""));
        secret(dir.path(), "fc.decryption.pem", "no key");
        assert!(
            fault(&format!("\"generic\"\n{DECRYPTS}"))
                .contains("decryption_keys[0].key_file: holds no decryption key")
        );
    }
}
