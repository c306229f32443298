//! What `FranceConnect` v2 and `FranceConnect+` have in common, as their published source and tests behave: a
//! closed list of authorization parameters (anything else stays on a page with `Y030007`), no PKCE.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Ask, HintedClient, PageError, Profile, Refusal, TokenError};
use crate::chance::Chance;
use crate::params::Params;
use crate::persona::Persona;
use crate::request::{AuthorizationRequest, Prompt, ReplyTo};

pub(super) const AUTHORIZE_PARAMETERS: &[&str] = &[
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

/// What the provider has, and beside it what the national register of persons (RNIPP) has.
pub(super) const RNIPP_PROFILE: &[&str] = &[
    "given_name",
    "family_name",
    "birthdate",
    "gender",
    "rnipp_given_name",
    "rnipp_given_name_array",
    "rnipp_family_name",
    "rnipp_birthdate",
    "rnipp_gender",
];

pub(super) const RNIPP_BIRTH: &[&str] =
    &["birthplace", "birthcountry", "rnipp_birthplace", "rnipp_birthcountry"];

const LOGOUT_PARAMETERS: &[&str] =
    &["id_token_hint", "post_logout_redirect_uri", "state", "client_id", "logout_hint", "ui_locales"];

const ERROR_PAGE: &str =
    "https://docs.partenaires.franceconnect.gouv.fr/fs/fs-technique/fs-technique-erreurs/";

pub(super) fn authorize(ask: &Ask<'_>) -> Result<AuthorizationRequest, Refusal> {
    let (profile, clients) = (ask.profile, ask.clients);
    let dropped = ask.lenient.then(|| ask.params.only(AUTHORIZE_PARAMETERS));
    let params = dropped.as_ref().unwrap_or(ask.params);
    well_formed(params, ask.lenient)?;
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
        params.words("scope").into_iter().filter(|scope| profile.knows_scope(scope)).collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        let text = "openid scope must be requested when using the acr_values parameter";
        return Err(Refusal::redirect(&to, "invalid_request", text));
    }
    if let Some(scope) = scopes.iter().find(|scope| !client.may_ask(scope)) {
        let more = vec![("scope", scope.clone())];
        let description = "requested scope is not allowed".to_owned();
        return Err(Refusal::Redirect { to, error: "invalid_scope", description, more, fragment: false });
    }
    if profile.encrypted && clients.keys(client_id).is_none_or(|keys| keys.encryption().is_none()) {
        let text = "the client has no encryption key; register one, --client-jwks FILE";
        return Err(Refusal::page("Y04A586", text));
    }
    let acr = acr(profile, params, &to)?;
    let id_token_claims = claims(params, &to)?;
    Ok(AuthorizationRequest {
        client: client.clone(),
        reply_to: to,
        nonce: params.get("nonce").map(str::to_owned),
        scopes,
        acr: Some(acr),
        prompt: Prompt::Page,
        max_age: None,
        login_hint: None,
        code_challenge: None,
        id_token_claims,
        userinfo_claims: Vec::new(),
    })
}

/// What the provider validates before it looks at the client; each fault is the same page.
fn well_formed(params: &Params, lenient: bool) -> Result<(), Refusal> {
    let refused = |text: String| Err(Refusal::page("Y030007", text));
    if let Some(name) = params.names().find(|name| !AUTHORIZE_PARAMETERS.contains(name)) {
        return refused(format!("property {name} should not exist"));
    }
    if let Some(name) = params.repeated() {
        return refused(format!("{name} must be a string"));
    }
    for name in ["client_id", "acr_values"] {
        if lenient && name == "acr_values" {
            continue;
        }
        if params.filled(name).is_none() {
            return refused(format!("{name} should not be empty"));
        }
    }
    for name in ["response_type", "redirect_uri", "scope", "state", "nonce"] {
        if params.get(name).is_none() {
            return refused(format!("{name} must be a string"));
        }
    }
    if !lenient && params.get("nonce").is_some_and(|nonce| nonce.chars().count() < 22) {
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

/// The lowest known level asked for must be one that the provider vouches for; unknown ones count as not asked.
fn acr(profile: &Profile, params: &Params, to: &ReplyTo) -> Result<String, Refusal> {
    let asked = params.words("acr_values");
    let lowest =
        ["eidas1", "eidas2", "eidas3"].into_iter().find(|level| asked.iter().any(|word| word == level));
    let level = lowest.or(profile.default_level).unwrap_or_default();
    if profile.levels.contains(&level) {
        return Ok(level.to_owned());
    }
    let levels = profile.levels.join(",");
    let text = format!(
        "acr_value is not valid, should be equal one of these values, expected {levels}, got {level}"
    );
    Err(Refusal::redirect(to, "invalid_acr", text))
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

pub(super) fn token_error(error: TokenError, chance: &Chance) -> Map<String, Value> {
    let (description, code) = match error {
        TokenError::NotAForm => {
            ("only application/x-www-form-urlencoded content-type bodies are supported", "Y04B6A21")
        }
        TokenError::Repeated => ("parameters must not be provided twice", "Y04F3D90"),
        TokenError::Missing("code") => ("missing required parameter 'code' (undefined)", "Y048017B"),
        TokenError::Missing(_) => ("missing required parameter (undefined)", "Y048017B"),
        TokenError::GrantType | TokenError::RefreshToken => ("unsupported grant_type requested", "Y04C2D5E"),
        TokenError::ClientUnknown => ("client authentication failed (client not found)", "Y04EA6EF"),
        TokenError::ClientMethod => {
            ("client authentication failed (no client authentication mechanism provided)", "Y040001")
        }
        TokenError::ClientSecret => ("client authentication failed (invalid secret provided)", "Y0434A7B"),
        TokenError::ClientAssertion => {
            ("client authentication failed (invalid client assertion)", "Y0434A7B")
        }
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

pub(super) fn logout(ask: &Ask<'_>, hinted: Option<&HintedClient>) -> Result<Option<ReplyTo>, PageError> {
    let dropped = ask.lenient.then(|| ask.params.only(LOGOUT_PARAMETERS));
    let params = dropped.as_ref().unwrap_or(ask.params);
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
pub(super) fn discovery(issuer: &str, profile: &Profile) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let scopes: Vec<_> = profile.scopes.iter().map(|(name, _)| name).collect();
    let algs: &[&str] = if profile.encrypted { &["ES256"] } else { &["HS256", "ES256", "RS256"] };
    let auth_algs: &[&str] = if profile.encrypted { &["ES256"] } else { &["ES256", "RS256"] };
    let auth: Vec<_> = profile.token_auth.iter().map(|method| method.name()).collect();
    let mut claims: Vec<_> = profile.scopes.iter().flat_map(|(_, claims)| claims.iter().copied()).collect();
    claims.sort_unstable();
    claims.dedup();
    let claims: Vec<_> =
        ["amr"].into_iter().chain(claims).chain(["sub", "acr", "auth_time", "iss"]).collect();
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at(profile.endpoints.authorize),
        "token_endpoint": at(profile.endpoints.token),
        "userinfo_endpoint": at(profile.endpoints.userinfo),
        "jwks_uri": at(profile.endpoints.jwks.unwrap_or_default()),
        "end_session_endpoint": at(profile.endpoints.end_session),
        "revocation_endpoint": at(profile.endpoints.revocation.unwrap_or_default()),
        "acr_values_supported": profile.levels,
        "authorization_response_iss_parameter_supported": true,
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": true,
        "claims_supported": claims,
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code"],
        "id_token_signing_alg_values_supported": algs,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "response_modes_supported": ["form_post", "fragment", "query"],
        "response_types_supported": ["code"],
        "scopes_supported": scopes,
        "subject_types_supported": ["pairwise"],
        "token_endpoint_auth_methods_supported": auth,
        "token_endpoint_auth_signing_alg_values_supported": auth_algs,
        "userinfo_signing_alg_values_supported": algs,
    });
    if let Some(members) = document.as_object_mut().filter(|_| profile.encrypted) {
        for token in ["id_token", "userinfo"] {
            let alg = json!(["ECDH-ES", "RSA-OAEP", "RSA-OAEP-256"]);
            members.insert(format!("{token}_encryption_alg_values_supported"), alg);
            members.insert(format!("{token}_encryption_enc_values_supported"), json!(["A256GCM"]));
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::Personas;

    #[test]
    fn sub_is_pairwise_and_stable() {
        let personas = Personas::bundled().unwrap();
        let angela = &personas.find("angela").unwrap();
        let here = sub("a", angela);
        assert!(here.len() == 66 && here.ends_with("v1"), "{here}");
        assert_eq!(here, sub("a", angela));
        assert_ne!(here, sub("b", angela));
        assert_ne!(here, sub("a", &personas.find("corse").unwrap()));
    }
}
