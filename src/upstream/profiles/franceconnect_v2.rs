//! FranceConnect v2: a closed list of authorization parameters, no PKCE, `acr_values` required, 64-hex
//! `state` and `nonce`, `iss` always in the response, signed userinfo.
//!
//! Its metadata announces `code_challenge_methods_supported`, but any parameter outside its list, those of
//! PKCE included, leaves the person on an error page (`Y030007`) without a redirect.

use crate::service::Prompt;

use super::super::{Alg, AssertionAudience, ClientAuth, UserinfoKind};
use super::{ErrorMeaning, Profile, Signer, as_they_are, hex64};

pub(super) const PROFILE: Profile = Profile {
    name: "franceconnect_v2",
    about: "FranceConnect v2",
    always_asks: true,
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
        "prompt",
        "claims",
        "idp_hint",
    ]),
    // `none` is refused with an error page: a page is always shown.
    prompts: &[Prompt::Login, Prompt::Consent],
    // Of clients that it lists.
    login_skips_its_page: true,
    honours_login: true,
    tells_auth_time: true,
    levels: &["eidas1", "eidas2", "eidas3"],
    default_acr: Some("eidas1"),
    acr_values_always: true,
    default_scopes: &[],
    scopes: &[
        ("openid", &["sub", "amr"]),
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
        (
            "rnipp_profile",
            &[
                "given_name",
                "family_name",
                "birthdate",
                "gender",
                "rnipp_given_name",
                "rnipp_given_name_array",
                "rnipp_family_name",
                "rnipp_birthdate",
                "rnipp_gender",
            ],
        ),
        ("rnipp_birth", &["birthplace", "birthcountry", "rnipp_birthplace", "rnipp_birthcountry"]),
    ],
    own_scopes: false,
    response_iss: true,
    userinfo_iss_aud: true,
    userinfo: UserinfoKind::SignedJwt,
    client_auth: ClientAuth::SecretPost,
    signer: Signer::Provider(&[Alg::Es256, Alg::Rs256]),
    secret_may_sign: true,
    encrypted: false,
    assertion_audience: AssertionAudience::TokenEndpoint,
    discovery: true,
    one_host: true,
    warning: None,
    usage_name: Some("preferred_username"),
    claims: as_they_are,
    sub_fits,
    logout_parameters: &["id_token_hint", "post_logout_redirect_uri", "state"],
    logout_needs_hint: true,
    error,
};

/// 64 lowercase hex digits and `v1`.
fn sub_fits(sub: &str) -> bool {
    sub.strip_suffix("v1").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

fn error(code: &str) -> Option<ErrorMeaning> {
    match code {
        "invalid_acr" => Some(ErrorMeaning::Level),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_is_64_hex_digits_and_v1() {
        let hex = "0123456789abcdef".repeat(4);
        assert!(sub_fits(&format!("{hex}v1")));
        for bad in [
            String::new(),
            hex.clone(),
            format!("{hex}v2"),
            format!("{hex}0v1"),
            format!("{}v1", hex.to_uppercase()),
            format!("{}v1", &hex[1..]),
        ] {
            assert!(!sub_fits(&bad), "{bad}");
        }
    }

    #[test]
    fn invalid_acr_is_about_the_level() {
        assert_eq!(PROFILE.meaning("invalid_acr"), ErrorMeaning::Level);
        assert_eq!(PROFILE.meaning("access_denied"), ErrorMeaning::Denied);
        assert_eq!(PROFILE.meaning("invalid_idp_hint"), ErrorMeaning::Other);
    }
}
