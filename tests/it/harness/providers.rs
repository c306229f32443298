//! The simulator's profiles as registrations of the relay, with one application at each: silent, so that a journey
//! ends at the application, and so that a session which should not be there would show.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use stub_upstream::Client;

use super::{LegacyApp, SECRET, Setup, write_secret};

/// A registration, and the application of the same name.
pub struct Provider {
    /// The name of both sections.
    pub name: &'static str,
    /// The profile, at the relay and at the simulator.
    pub profile: &'static str,
    /// The client at the simulator.
    client: &'static str,
    /// How it authenticates, and what it decrypts by.
    keys: &'static str,
    scopes: &'static str,
    /// The claims that the application may receive.
    pub claims: &'static [&'static str],
    /// The levels that it accepts.
    acr: &'static str,
}

const BY_SECRET: &str = "client_secret_file = \"fc.secret\"";
const BY_SECRET_DECRYPTING: &str = "client_secret_file = \"fc.secret\"\n\
    decryption_keys = [{ kid = \"old\", key_file = \"ec-sig.pem\" }, { kid = \"ec-enc\", key_file = \"ec-enc.pem\" }]";
const BY_KEY: &str =
    "client_auth = \"private_key_jwt\"\nclient_key = { kid = \"ec-sig\", key_file = \"ec-sig.pem\" }";
const BY_RSA_KEY: &str =
    "client_auth = \"private_key_jwt\"\nclient_key = { kid = \"rsa-sig\", key_file = \"rsa-sig.pem\" }";
// FranceConnect+ takes assertions by ES256 alone.
const BY_KEY_DECRYPTING: &str = "client_auth = \"private_key_jwt\"\n\
    client_key = { kid = \"ec-sig\", key_file = \"ec-sig.pem\" }\n\
    decryption_keys = [{ kid = \"rsa-enc\", key_file = \"rsa-enc.pem\" }]";

const CIVIL: &[&str] = &[
    "given_name",
    "given_name_array",
    "family_name",
    "preferred_username",
    "gender",
    "birthdate",
    "birthplace",
    "birthcountry",
    "email",
    "idp_birthdate",
    "rnipp_given_name",
    "rnipp_given_name_array",
    "rnipp_family_name",
    "rnipp_gender",
    "rnipp_birthdate",
    "rnipp_birthplace",
    "rnipp_birthcountry",
];
const AGENT: &[&str] = &[
    "given_name",
    "usual_name",
    "family_name",
    "email",
    "uid",
    "siret",
    "siren",
    "phone_number",
    "organizational_unit",
    "organization_label",
    "belonging_population",
    "chorusdt:matricule",
    "chorusdt:societe",
    "idp_id",
    "idp_acr",
    "roles",
    "groups",
    "custom",
];
const STANDARD_CLAIMS: &[&str] = &[
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
    "address",
    "email",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "birthplace",
    "birthcountry",
];
const V1: &[&str] = &[
    "given_name",
    "family_name",
    "preferred_username",
    "gender",
    "birthdate",
    "birthplace",
    "birthcountry",
    "email",
    "address",
    "phone_number",
];

const CIVIL_SCOPES: &str = "openid profile birth email idp_birthdate rnipp_profile rnipp_birth";
const AGENT_SCOPES: &str = "openid given_name usual_name email uid siret siren phone organizational_unit \
    organization_label belonging_population chorusdt idp_id idp_acr roles groups custom";
const STANDARD_SCOPES: &str = "openid profile address email phone birth";

const ANY_LEVEL: &str = "\"eidas1\", \"eidas2\", \"eidas3\"";
const HIGH_LEVEL: &str = "\"eidas2\", \"eidas3\"";

const fn provider(name: &'static str, profile: &'static str, keys: &'static str) -> Provider {
    let (client, scopes, claims, acr) = ("relais", STANDARD_SCOPES, STANDARD_CLAIMS, ANY_LEVEL);
    Provider { name, profile, client, keys, scopes, claims, acr }
}

const V2: Provider =
    Provider { scopes: CIVIL_SCOPES, claims: CIVIL, ..provider("v2", "franceconnect_v2", BY_SECRET) };
const PLUS: Provider = Provider {
    scopes: CIVIL_SCOPES,
    claims: CIVIL,
    acr: HIGH_LEVEL,
    ..provider("plus", "franceconnect_plus", BY_SECRET_DECRYPTING)
};
const PRO: Provider =
    Provider { scopes: AGENT_SCOPES, claims: AGENT, ..provider("pro", "proconnect", BY_SECRET) };

/// Every registration: one for each profile, then the same with other keys.
pub const PROVIDERS: &[Provider] = &[
    V2,
    PLUS,
    PRO,
    provider("core", "generic", BY_SECRET),
    Provider { claims: V1, ..provider("v1", "franceconnect_v1", BY_SECRET) },
    Provider { name: "v2-key", keys: BY_KEY, ..V2 },
    Provider { name: "plus-rsa", client: "relais-rsa", keys: BY_KEY_DECRYPTING, ..PLUS },
    Provider { name: "pro-key", client: "relais-rsa", keys: BY_RSA_KEY, ..PRO },
    provider("core-key", "generic", BY_KEY),
];

/// A world's setup with these registrations.
pub fn setup() -> Setup {
    let mut more = String::new();
    for Provider { name, profile, client, keys, scopes, claims, acr } in PROVIDERS {
        let path = stub_upstream::Profile::find(profile).unwrap().path;
        let (issuer, endpoints) = match *profile {
            "franceconnect_v1" => ("", v1_endpoints(name)),
            _ => (path, String::new()),
        };
        // As it is registered; the secret of v1 signs without being told.
        let signed = if endpoints.is_empty() { "signing_algs = [\"ES256\"]" } else { "" };
        let scopes: Vec<_> = scopes.split_whitespace().collect();
        write!(
            more,
            r#"
[upstream.{name}]
profile = "{profile}"
issuer = "{{stub}}{issuer}"
client_id = "{client}"
{signed}
{keys}
{endpoints}
[legacy.{name}]
name = "Application {name}"
key_file = "{name}.key"
callbacks = [{{ url = "http://127.0.0.1:9000/{name}/retour.cgi", query_keys = ["vue"] }}]
home_url = "https://{name}.example/accueil"
upstream = "{name}"
sso = "silent"
accept_forced_login = true
max_answer_query = 16000
scopes = {scopes:?}
claims = {claims:?}
acr = {{ accept = [{acr}], mode = "require" }}
"#
        )
        .unwrap();
    }
    let keys = PROVIDERS.iter().map(|provider| provider.name).collect();
    Setup { more, keys, ..Setup::default() }
}

/// FranceConnect v1 publishes nothing.
fn v1_endpoints(name: &str) -> String {
    let at = "{stub}/api/v1";
    format!(
        "[upstream.{name}.endpoints]\nauthorization = \"{at}/authorize\"\ntoken = \"{at}/token\"\n\
         userinfo = \"{at}/userinfo\"\nend_session = \"{at}/logout\"\n"
    )
}

/// The key files of these registrations and applications.
pub(super) fn write_keys(setup: &Setup, dir: &Path) {
    for name in &setup.keys {
        write_secret(&dir.join(format!("{name}.key")), &LegacyApp::key_hex(name));
    }
    for (name, (pem, _)) in keys() {
        write_secret(&dir.join(format!("{name}.pem")), pem);
    }
}

/// The clients that the simulator knows: one whose keys are elliptic, one whose keys are RSA.
pub(super) fn clients(relay: &str, redirect_uris: &[String], after_logout: &[String]) -> [Client; 2] {
    let of = |path: &'static str| {
        PROVIDERS.iter().map(move |provider| format!("{relay}/{path}/{}", provider.name))
    };
    let jwks = |names: &[&str]| json!({ "keys": names.iter().map(|name| keys()[name].1.clone()).collect::<Vec<_>>() });
    let client = |id: &str, names: &[&str]| Client {
        redirect_uris: redirect_uris.iter().cloned().chain(of("callback")).collect(),
        post_logout_redirect_uris: after_logout.iter().cloned().chain(of("logout/return")).collect(),
        jwks: Some(jwks(names)),
        ..Client::new(id, SECRET)
    };
    [client("relais", &["ec-enc", "ec-sig"]), client("relais-rsa", &["rsa-enc", "rsa-sig", "ec-sig"])]
}

/// Key pairs by kid, made once: the operator's file, and the JWK that the provider is given.
fn keys() -> &'static HashMap<&'static str, (String, Value)> {
    static KEYS: OnceLock<HashMap<&str, (String, Value)>> = OnceLock::new();
    KEYS.get_or_init(|| {
        [
            ("ec-enc", ec("ec-enc", "enc", "ECDH-ES")),
            ("ec-sig", ec("ec-sig", "sig", "ES256")),
            ("rsa-enc", rsa("rsa-enc", "enc", "RSA-OAEP-256")),
            ("rsa-sig", rsa("rsa-sig", "sig", "RS256")),
        ]
        .into()
    })
}

fn ec(kid: &str, usage: &str, alg: &str) -> (String, Value) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let part = |from: usize, to: usize| URL_SAFE_NO_PAD.encode(&pair.public_key_raw()[from..to]);
    let (x, y) = (part(1, 33), part(33, 65));
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": usage, "alg": alg });
    (pair.serialize_pem(), jwk)
}

fn rsa(kid: &str, usage: &str, alg: &str) -> (String, Value) {
    let pair = RsaPair::generate(KeySize::Rsa2048).unwrap();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = pair.public_key();
    let (n, e) = (
        part(public.modulus().big_endian_without_leading_zero()),
        part(public.exponent().big_endian_without_leading_zero()),
    );
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    (pem, json!({ "kty": "RSA", "n": n, "e": e, "kid": kid, "use": usage, "alg": alg }))
}
