//! A provider that keeps to OpenID Connect Core 1.0, with PKCE as RFC 9700 wants it.

use crate::service::Prompt;

use super::super::{Alg, AssertionAudience, ClientAuth, UserinfoKind};
use super::{Profile, Signer, as_they_are, base64url};

pub(super) const PROFILE: Profile = Profile {
    name: "generic",
    about: "A provider that keeps to OpenID Connect Core",
    always_asks: false,
    spelling: base64url,
    pkce: true,
    authorize_parameters: None,
    prompts: &[Prompt::None, Prompt::Login, Prompt::Consent],
    login_skips_its_page: false,
    honours_login: true,
    tells_auth_time: true,
    levels: &[],
    default_acr: None,
    acr_values_always: false,
    default_scopes: &[],
    // OpenID Connect Core, sections 2, 5.4 and 11.
    scopes: &[
        ("openid", &["sub", "amr"]),
        (
            "profile",
            &[
                "name",
                "family_name",
                "given_name",
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
            ],
        ),
        ("email", &["email", "email_verified"]),
        ("address", &["address"]),
        ("phone", &["phone_number", "phone_number_verified"]),
        ("offline_access", &[]),
    ],
    own_scopes: true,
    response_iss: false,
    userinfo_iss_aud: false,
    userinfo: UserinfoKind::Json,
    client_auth: ClientAuth::SecretBasic,
    signer: Signer::Provider(&[Alg::Rs256, Alg::Es256]),
    secret_may_sign: true,
    encrypted: false,
    assertion_audience: AssertionAudience::TokenEndpoint,
    discovery: true,
    one_host: false,
    warning: None,
    usage_name: None,
    claims: as_they_are,
    sub_fits,
    logout_parameters: &["id_token_hint", "client_id", "post_logout_redirect_uri", "state"],
    logout_needs_hint: false,
    error: |_| None,
};

/// OpenID Connect Core, section 2: at most 255 ASCII characters.
pub(super) fn sub_fits(sub: &str) -> bool {
    (1..=255).contains(&sub.len()) && sub.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_is_short_printable_ascii() {
        for good in ["1", "a b", &"x".repeat(255)] {
            assert!(sub_fits(good), "{good}");
        }
        for bad in ["", "é", "a\n", "a\0", &"x".repeat(256)] {
            assert!(!sub_fits(bad), "{bad}");
        }
    }
}
