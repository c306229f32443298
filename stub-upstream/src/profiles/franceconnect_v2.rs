//! `FranceConnect` v2 as its published source and tests behave: a closed list of authorization parameters
//! (anything else stays on a page with `Y030007`), no PKCE, `eidas1`, codes of 30 seconds, signed userinfo.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Endpoints, HintedClient, Lifetimes, PageError, Profile, Refusal, Signer, TokenAuth, TokenError};
use crate::chance::Chance;
use crate::client::Clients;
use crate::grant::{AuthorizationRequest, Prompt, ReplyTo};
use crate::keys::Alg;
use crate::params::Params;
use crate::persona::Persona;

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
    token_auth: &[TokenAuth::Post],
    signer: Signer::Key(Alg::Es256),
    response_iss: true,
    kid: |alg, generation| match generation {
        1 => format!("pkcs11:{}:hsm", alg.name()),
        more => format!("pkcs11:{}:hsm:{more}", alg.name()),
    },
    at_hash: false,
    userinfo_signed: true,
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
    ],
    sub,
    authorize,
    cancelled: "User auth aborted",
    token_error,
    logout,
    discovery: Some(discovery),
};

const AUTHORIZE_PARAMETERS: &[&str] = &[
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
    "ui_locales",
];

const LOGOUT_PARAMETERS: &[&str] =
    &["id_token_hint", "post_logout_redirect_uri", "state", "client_id", "logout_hint", "ui_locales"];

const ERROR_PAGE: &str =
    "https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-erreurs/";

fn authorize(params: &Params, clients: &Clients) -> Result<AuthorizationRequest, Refusal> {
    well_formed(params)?;
    let client_id = params.get("client_id").unwrap_or_default();
    let client = clients.find(client_id).ok_or_else(|| Refusal::page("Y04EA6EF", "client is invalid"))?;
    let redirect_uri = params.get("redirect_uri").unwrap_or_default();
    if !client.redirect_uris.iter().any(|known| known == redirect_uri) {
        let text = "redirect_uri did not match any of the client's registered redirect_uris";
        return Err(Refusal::page("Y04C013C", text));
    }
    let to = ReplyTo { redirect_uri: redirect_uri.to_owned(), state: params.get("state").map(str::to_owned) };

    response_type(params, &to)?;
    if params.get("idp_hint").is_some() {
        let text = "An idp_hint was provided but is not allowed";
        return Err(Refusal::redirect(&to, "invalid_idp_hint", text));
    }
    let scopes: Vec<_> =
        params.words("scope").into_iter().filter(|scope| PROFILE.knows_scope(scope)).collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        let text = "openid scope must be requested when using the acr_values parameter";
        return Err(Refusal::redirect(&to, "invalid_request", text));
    }
    if let Some(scope) = scopes.iter().find(|scope| !client.may_ask(scope)) {
        let more = vec![("scope", scope.clone())];
        let description = "requested scope is not allowed".to_owned();
        return Err(Refusal::Redirect { to, error: "invalid_scope", description, more, fragment: false });
    }
    acr(params, &to)?;
    let id_token_claims = claims(params, &to)?;
    Ok(AuthorizationRequest {
        client: client.clone(),
        reply_to: to,
        nonce: params.get("nonce").map(str::to_owned),
        scopes,
        acr: Some("eidas1".to_owned()),
        prompt: Prompt::Page,
        max_age: None,
        login_hint: None,
        code_challenge: None,
        id_token_claims,
        userinfo_claims: Vec::new(),
    })
}

/// What the provider validates before it looks at the client; each fault is the same page.
fn well_formed(params: &Params) -> Result<(), Refusal> {
    let refused = |text: String| Err(Refusal::page("Y030007", text));
    if let Some(name) = params.names().find(|name| !AUTHORIZE_PARAMETERS.contains(name)) {
        return refused(format!("property {name} should not exist"));
    }
    if let Some(name) = params.repeated() {
        return refused(format!("{name} must be a string"));
    }
    for name in ["client_id", "acr_values"] {
        if params.filled(name).is_none() {
            return refused(format!("{name} should not be empty"));
        }
    }
    for name in ["response_type", "redirect_uri", "scope", "state", "nonce"] {
        if params.get(name).is_none() {
            return refused(format!("{name} must be a string"));
        }
    }
    if params.get("nonce").is_some_and(|nonce| nonce.chars().count() < 22) {
        return refused("nonce must be longer than or equal to 22 characters".to_owned());
    }
    if params.words("acr_values").len() > 64 {
        return refused("acr_values must contain no more than 64 elements".to_owned());
    }
    let absolute = |uri: &str| Url::parse(uri).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !params.get("redirect_uri").is_some_and(absolute) {
        return refused("redirect_uri must be a URL address".to_owned());
    }
    if params.get("prompt").is_some() {
        let words = params.words("prompt");
        if words.is_empty() || words.iter().any(|word| word != "login" && word != "consent") {
            return refused("prompt must be login or consent".to_owned());
        }
    }
    Ok(())
}

/// Only `code`. What would bring a token into the browser is refused in the fragment.
fn response_type(params: &Params, to: &ReplyTo) -> Result<(), Refusal> {
    let asked = params.get("response_type").unwrap_or_default();
    if asked == "code" {
        return Ok(());
    }
    if asked.is_empty() {
        let text = "missing required parameter 'response_type'";
        return Err(Refusal::redirect(to, "invalid_request", text));
    }
    let fragment = asked.split(' ').any(|word| word == "token" || word == "id_token");
    Err(Refusal::Redirect {
        to: to.clone(),
        error: "unsupported_response_type",
        description: "unsupported response_type requested".to_owned(),
        more: Vec::new(),
        fragment,
    })
}

/// The lowest known level asked for must be `eidas1`; unknown ones count as not asked.
fn acr(params: &Params, to: &ReplyTo) -> Result<(), Refusal> {
    let asked = params.words("acr_values");
    let lowest =
        ["eidas1", "eidas2", "eidas3"].into_iter().find(|level| asked.iter().any(|word| word == level));
    match lowest {
        None | Some("eidas1") => Ok(()),
        Some(level) => {
            let text = format!(
                "acr_value is not valid, should be equal one of these values, expected eidas1, got {level}"
            );
            Err(Refusal::redirect(to, "invalid_acr", text))
        }
    }
}

/// Only `amr` may be asked one by one, in the `id_token`.
fn claims(params: &Params, to: &ReplyTo) -> Result<Vec<String>, Refusal> {
    let Some(text) = params.get("claims") else { return Ok(Vec::new()) };
    let Ok(Value::Object(asked)) = serde_json::from_str(text) else {
        return Err(Refusal::redirect(to, "invalid_request", "could not parse the claims parameter JSON"));
    };
    let amr = asked.get("id_token").and_then(|id_token| id_token.get("amr")).is_some();
    Ok(if amr { vec!["amr".to_owned()] } else { Vec::new() })
}

/// 64 hexadecimal digits and `v1`: of the entity and the civil status, the birthplace only for France.
pub(super) fn sub(sector: &str, persona: &Persona) -> String {
    let in_france = persona.birthcountry.as_deref() == Some("99100");
    let pivot = [
        persona.given_names.join(" "),
        persona.family_name.clone(),
        persona.birthdate.clone().unwrap_or_default(),
        persona.gender.clone().unwrap_or_default(),
        persona.birthplace.clone().filter(|_| in_france).unwrap_or_default(),
        persona.birthcountry.clone().unwrap_or_default(),
    ];
    let pivot = hex::encode(digest(&SHA256, pivot.join("\n").as_bytes()));
    let sub = digest(&SHA256, format!("{sector}\n{pivot}\nsimulated").as_bytes());
    format!("{}v1", hex::encode(sub))
}

fn token_error(error: TokenError, chance: &Chance) -> Map<String, Value> {
    let (description, code) = match error {
        TokenError::NotAForm => {
            ("only application/x-www-form-urlencoded content-type bodies are supported", "Y04B6A21")
        }
        TokenError::Repeated => ("parameters must not be provided twice", "Y04F3D90"),
        TokenError::Missing("code") => ("missing required parameter 'code' (undefined)", "Y048017B"),
        TokenError::Missing(_) => ("missing required parameter (undefined)", "Y048017B"),
        TokenError::GrantType => ("unsupported grant_type requested", "Y04C2D5E"),
        TokenError::ClientUnknown => ("client authentication failed (client not found)", "Y04EA6EF"),
        TokenError::ClientMethod => {
            ("client authentication failed (no client authentication mechanism provided)", "Y040001")
        }
        TokenError::ClientSecret => ("client authentication failed (invalid secret provided)", "Y0434A7B"),
        TokenError::CodeUnknown => ("grant request is invalid (authorization code not found)", "Y049E20B"),
        TokenError::CodeSpent => {
            ("grant request is invalid (authorization code already consumed)", "Y0416228")
        }
        TokenError::CodeOfAnother => ("grant request is invalid (client mismatch)", "Y040001"),
        TokenError::RedirectUri => {
            ("grant request is invalid (authorization code redirect_uri mismatch)", "Y04F8199")
        }
        TokenError::CodeVerifier => ("grant request is invalid (PKCE verification failed)", "Y040001"),
    };
    let mut body = Map::new();
    body.insert("error".to_owned(), json!(error.error()));
    body.insert("error_description".to_owned(), json!(description));
    body.insert("error_uri".to_owned(), json!(format!("{ERROR_PAGE}?code={code}&id={}", chance.uuid())));
    body
}

fn logout(params: &Params, _: &Clients, hinted: Option<&HintedClient>) -> Result<Option<ReplyTo>, PageError> {
    if let Some(name) = params.names().find(|name| !LOGOUT_PARAMETERS.contains(name)) {
        return Err(PageError::new("Y000400", format!("property {name} should not exist")));
    }
    if params.repeated().is_some() || params.filled("id_token_hint").is_none() {
        return Err(PageError::new("Y000400", "id_token_hint should not be empty"));
    }
    let Some(HintedClient(client)) = hinted else {
        return Err(PageError::new("Y040001", "could not decode id_token_hint"));
    };
    if params.get("client_id").is_some_and(|id| id != client.id) {
        return Err(PageError::new("Y040001", "client_id does not match the provided id_token_hint"));
    }
    let Some(uri) = params.get("post_logout_redirect_uri") else { return Ok(None) };
    if !client.post_logout_redirect_uris.iter().any(|known| known == uri) {
        return Err(PageError::new("Y04CFAEF", "post_logout_redirect_uri not registered"));
    }
    let state = params.get("state").map(str::to_owned);
    Ok(Some(ReplyTo { redirect_uri: uri.to_owned(), state }))
}

/// As published, with two members that mislead: PKCE and request objects are announced and refused.
fn discovery(issuer: &str, profile: &Profile) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let scopes: Vec<_> = profile.scopes.iter().map(|(name, _)| name).collect();
    json!({
        "issuer": issuer,
        "authorization_endpoint": at(profile.endpoints.authorize),
        "token_endpoint": at(profile.endpoints.token),
        "userinfo_endpoint": at(profile.endpoints.userinfo),
        "jwks_uri": at(profile.endpoints.jwks.unwrap_or_default()),
        "end_session_endpoint": at(profile.endpoints.end_session),
        "acr_values_supported": ["eidas1"],
        "authorization_response_iss_parameter_supported": true,
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": true,
        "claims_supported": [
            "amr", "birthcountry", "birthdate", "birthplace", "email", "family_name", "gender", "given_name",
            "given_name_array", "idp_birthdate", "preferred_username", "sub", "acr", "auth_time", "iss",
        ],
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code"],
        "id_token_signing_alg_values_supported": ["HS256", "ES256", "RS256"],
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "response_modes_supported": ["form_post", "fragment", "query"],
        "response_types_supported": ["code"],
        "scopes_supported": scopes,
        "subject_types_supported": ["pairwise"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256"],
        "userinfo_signing_alg_values_supported": ["HS256", "ES256", "RS256"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::Personas;

    #[test]
    fn sub_is_pairwise_and_stable() {
        let personas = Personas::bundled().unwrap();
        let angela = personas.find("angela").unwrap();
        let here = sub("a", angela);
        assert!(here.len() == 66 && here.ends_with("v1"), "{here}");
        assert_eq!(here, sub("a", angela));
        assert_ne!(here, sub("b", angela));
        assert_ne!(here, sub("a", personas.find("corse").unwrap()));
    }
}
