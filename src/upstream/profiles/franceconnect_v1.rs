//! FranceConnect v1, which KIF spoke and which is retired: no discovery, no JWK Set, `id_token` signed by the
//! client secret (HS256), userinfo as JSON, logout without `state`. For stubs of pre-production.

use super::super::{AssertionAudience, ClientAuth, UserinfoKind};
use super::{Profile, Signer, as_they_are, hex64};

pub(super) const PROFILE: Profile = Profile {
    name: "franceconnect_v1",
    about: "FranceConnect v1, retired: for stubs and tests",
    // Its session answers without a page.
    always_asks: false,
    spelling: hex64,
    pkce: false,
    authorize_parameters: Some(&[
        "client_id",
        "response_type",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "acr_values",
    ]),
    prompts: &[],
    login_skips_its_page: false,
    honours_login: false,
    tells_auth_time: false,
    levels: &["eidas1", "eidas2", "eidas3"],
    default_acr: None,
    acr_values_always: true,
    default_scopes: &[],
    scopes: &[
        ("openid", &["sub", "amr"]),
        ("profile", &["given_name", "family_name", "birthdate", "gender", "preferred_username"]),
        ("birth", &["birthplace", "birthcountry"]),
        (
            "identite_pivot",
            &["given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry"],
        ),
        ("gender", &["gender"]),
        ("birthdate", &["birthdate"]),
        ("birthcountry", &["birthcountry"]),
        ("birthplace", &["birthplace"]),
        ("given_name", &["given_name"]),
        ("family_name", &["family_name"]),
        ("email", &["email"]),
        ("address", &["address"]),
        ("preferred_username", &["preferred_username"]),
        ("phone", &["phone_number"]),
    ],
    // Its stubs.
    own_scopes: true,
    response_iss: false,
    userinfo_iss_aud: false,
    userinfo: UserinfoKind::Json,
    client_auth: ClientAuth::SecretPost,
    signer: Signer::ClientSecret,
    secret_may_sign: false,
    encrypted: false,
    assertion_audience: AssertionAudience::TokenEndpoint,
    discovery: false,
    one_host: false,
    warning: Some(
        "is a retired service whose tokens are signed by the client secret: whoever reads it can sign in as anybody. \
         For stubs and tests",
    ),
    usage_name: Some("preferred_username"),
    claims: as_they_are,
    sub_fits,
    // It need not return a `state`.
    logout_parameters: &["id_token_hint", "post_logout_redirect_uri"],
    logout_needs_hint: true,
    error: |_| None,
};

/// OpenID Connect Core, section 2: at most 255 ASCII characters. The service's own has 64 hex digits and `v1`,
/// those of its stubs do not.
fn sub_fits(sub: &str) -> bool {
    (1..=255).contains(&sub.len()) && sub.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_is_the_service_s_or_a_stub_s() {
        for good in [&format!("{}v1", "0123456789abcdef".repeat(4)), "YWxhY3JpdMOp"] {
            assert!(sub_fits(good), "{good}");
        }
        for bad in ["", "é", "a\n", &"x".repeat(256)] {
            assert!(!sub_fits(bad), "{bad}");
        }
    }
}
