//! ProConnect, for agents: PKCE, single sign-on for twelve hours, claims of an organisation.
//!
//! Its names are not all the standard's: `usual_name` is what applications know as `family_name`, and is delivered
//! under both. `siret`, `siren`, `idp_id`, `organizational_unit`, `roles`… come as they are. Its documentation closes
//! the list of parameters that its code leaves open: nothing else is sent.

use serde_json::{Map, Value};

use crate::service::Prompt;

use super::super::{Alg, AssertionAudience, ClientAuth, UserinfoKind};
use super::{ErrorMeaning, Profile, Signer, generic, hex64};

pub(super) const PROFILE: Profile = Profile {
    name: "proconnect",
    about: "ProConnect, for agents of the administration",
    always_asks: false,
    // Its documentation wants 32 characters at least.
    spelling: hex64,
    pkce: true,
    authorize_parameters: Some(&[
        "client_id",
        "response_type",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "acr_values",
        "claims",
        "prompt",
        "login_hint",
        "code_challenge",
        "code_challenge_method",
    ]),
    prompts: &[Prompt::None, Prompt::Login, Prompt::Consent],
    login_skips_its_page: false,
    honours_login: false,
    tells_auth_time: true,
    levels: &[],
    default_acr: None,
    acr_values_always: false,
    default_scopes: &[],
    scopes: &[
        ("openid", &["sub", "amr"]),
        ("given_name", &["given_name"]),
        // The second is ours: see `claims`.
        ("usual_name", &["usual_name", "family_name"]),
        ("email", &["email"]),
        ("uid", &["uid"]),
        ("siret", &["siret"]),
        ("siren", &["siren"]),
        ("phone", &["phone_number"]),
        ("organizational_unit", &["organizational_unit"]),
        ("organization_label", &["organization_label"]),
        ("belonging_population", &["belonging_population"]),
        ("chorusdt", &["chorusdt:matricule", "chorusdt:societe"]),
        ("idp_id", &["idp_id"]),
        ("idp_acr", &["idp_acr"]),
        ("roles", &["roles"]),
        ("groups", &["groups"]),
        ("custom", &["custom"]),
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
    usage_name: Some("usual_name"),
    claims,
    sub_fits: generic::sub_fits,
    logout_parameters: &["id_token_hint", "post_logout_redirect_uri", "state"],
    logout_needs_hint: true,
    error,
};

/// `family_name` where only `usual_name` is told.
fn claims(mut claims: Map<String, Value>) -> Map<String, Value> {
    if let Some(name) = claims.get("usual_name").filter(|name| name.is_string()).cloned() {
        claims.entry("family_name").or_insert(name);
    }
    claims
}

fn error(code: &str) -> Option<ErrorMeaning> {
    match code {
        "invalid_acr" => Some(ErrorMeaning::Level),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_usual_name_is_a_family_name_where_there_is_no_other() {
        let mapped = |told: Value| Value::Object(claims(told.as_object().unwrap().clone()));
        assert_eq!(
            mapped(json!({"given_name": "Zoé", "usual_name": "Le Goff", "siret": "13002526500013"})),
            json!({"given_name": "Zoé", "usual_name": "Le Goff", "siret": "13002526500013", "family_name": "Le Goff"})
        );
        let both = json!({"usual_name": "Usage", "family_name": "NAISSANCE"});
        assert_eq!(mapped(both.clone()), both, "what is told stays");
        assert_eq!(mapped(json!({"usual_name": 1})), json!({"usual_name": 1}));
    }
}
