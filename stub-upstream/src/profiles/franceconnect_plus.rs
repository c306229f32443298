//! `FranceConnect+`: `eidas2` and `eidas3`, `id_token` and userinfo signed with ES256 and then encrypted to the
//! client (nested JWT, RFC 7519, section 5.2); the logout hint is the inner JWS.

use super::franceconnect::{
    AUTHORIZE_PARAMETERS, RNIPP_BIRTH, RNIPP_PROFILE, authorize, discovery, logout, sub, token_error,
};
use super::{Endpoints, Lifetimes, Profile, Signer, TokenAuth};
use crate::keys::Alg;

pub(super) const PROFILE: Profile = Profile {
    name: "franceconnect_plus",
    about: "FranceConnect+: as v2 with eidas2 and eidas3, id_token and userinfo in a JWE",
    path: "/fcp/api/v2",
    issuer_path: "/fcp/api/v2",
    endpoints: Endpoints {
        authorize: "/authorize",
        token: "/token",
        userinfo: "/userinfo",
        jwks: Some("/jwks"),
        end_session: "/session/end",
        revocation: Some("/token/revocation"),
    },
    lifetimes: Lifetimes { code: 30, access_token: 60, id_token: 60, session: 600 },
    token_auth: &[TokenAuth::Post, TokenAuth::PrivateKeyJwt],
    signer: Signer::Key(Alg::Es256),
    response_iss: true,
    kid: |alg, generation| match generation {
        1 if alg == Alg::Es256 => "pkcs11:hsm".to_owned(),
        more => format!("pkcs11:hsm:{}:{more}", alg.name()),
    },
    at_hash: false,
    userinfo_signed: true,
    encrypted: true,
    refresh: false,
    pkce: false,
    levels: &["eidas2", "eidas3"],
    default_level: Some("eidas3"),
    parameters: AUTHORIZE_PARAMETERS,
    userinfo_post: false,
    silent: false,
    jwks_type: "application/jwk-set+json",
    id_token: |_| (),
    amr: &["fc", "pop", "mfa", "pin"],
    scopes: &[
        ("openid", &[]),
        ("profile", &["given_name", "family_name", "birthdate", "gender", "preferred_username"]),
        ("birth", &["birthplace", "birthcountry"]),
        (
            "identite_pivot",
            &["given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry"],
        ),
        ("given_name", &["given_name"]),
        ("family_name", &["family_name"]),
        ("preferred_username", &["preferred_username"]),
        ("gender", &["gender"]),
        ("birthdate", &["birthdate"]),
        ("birthplace", &["birthplace"]),
        ("birthcountry", &["birthcountry"]),
        ("email", &["email"]),
        ("rnipp_profile", RNIPP_PROFILE),
        ("rnipp_birth", RNIPP_BIRTH),
    ],
    sub,
    authorize,
    cancelled: "User auth aborted",
    token_error,
    logout,
    discovery: Some(discovery),
};
