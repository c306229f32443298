//! `FranceConnect` v2: `eidas1`, codes of 30 seconds, `id_token` and userinfo signed.

use super::franceconnect::{
    AUTHORIZE_PARAMETERS, RNIPP_BIRTH, RNIPP_PROFILE, authorize, discovery, logout, sub, token_error,
};
use super::{Endpoints, Lifetimes, Profile, Signer, TokenAuth};
use crate::keys::Alg;

pub(super) const PROFILE: Profile = Profile {
    name: "franceconnect_v2",
    about: "FranceConnect v2: closed parameter list, no PKCE, signed userinfo",
    path: "/api/v2",
    issuer_path: "/api/v2",
    endpoints: Endpoints {
        authorize: "/authorize",
        token: "/token",
        userinfo: "/userinfo",
        jwks: Some("/jwks"),
        end_session: "/session/end",
    },
    lifetimes: Lifetimes { code: 30, access_token: 60, id_token: 60, session: 1800 },
    token_auth: &[TokenAuth::Post, TokenAuth::PrivateKeyJwt],
    signer: Signer::Key(Alg::Es256),
    response_iss: true,
    kid: |alg, generation| match generation {
        1 => format!("pkcs11:{}:hsm", alg.name()),
        more => format!("pkcs11:{}:hsm:{more}", alg.name()),
    },
    at_hash: false,
    userinfo_signed: true,
    encrypted: false,
    refresh: false,
    pkce: false,
    levels: &["eidas1"],
    default_level: Some("eidas1"),
    parameters: AUTHORIZE_PARAMETERS,
    userinfo_post: false,
    silent: false,
    jwks_type: "application/jwk-set+json",
    id_token: |_| (),
    amr: &["fc", "pwd"],
    scopes: &[
        ("openid", &[]),
        (
            "profile",
            &["given_name", "given_name_array", "family_name", "birthdate", "gender", "preferred_username"],
        ),
        ("birth", &["birthplace", "birthcountry"]),
        (
            "identite_pivot",
            &[
                "given_name",
                "given_name_array",
                "family_name",
                "birthdate",
                "gender",
                "birthplace",
                "birthcountry",
            ],
        ),
        ("given_name", &["given_name", "given_name_array"]),
        ("family_name", &["family_name"]),
        ("preferred_username", &["preferred_username"]),
        ("gender", &["gender"]),
        ("birthdate", &["birthdate"]),
        ("birthplace", &["birthplace"]),
        ("birthcountry", &["birthcountry"]),
        ("email", &["email"]),
        ("idp_birthdate", &["idp_birthdate"]),
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
