//! `ProConnect` as its published source and tests behave: agents with their organisation, a public `sub`,
//! PKCE checked, a refresh token always, parameters it does not know dropped, single sign-on even where
//! `prompt=login` asks for more.

use serde_json::{Map, Value, json};

use super::generic::{ClaimsRequest, code_challenge, sub};
use super::{
    Ask, Endpoints, HintedClient, Lifetimes, PageError, Profile, Refusal, Signer, TokenAuth, TokenError,
};
use crate::chance::Chance;
use crate::params::Params;
use crate::request::{AuthorizationRequest, Prompt, ReplyTo};

pub(super) const PROFILE: Profile = Profile {
    name: "proconnect",
    about: "ProConnect: civil servants, PKCE, refresh tokens, signed userinfo, single sign-on",
    path: "/proconnect/api/v2",
    issuer_path: "/proconnect/api/v2",
    endpoints: Endpoints {
        authorize: "/authorize",
        token: "/token",
        userinfo: "/userinfo",
        jwks: Some("/jwks"),
        end_session: "/session/end",
        revocation: Some("/token/revocation"),
    },
    // The code's is that of the documentation, the source leaves 600.
    lifetimes: Lifetimes { code: 30, access_token: 3600, id_token: 3600, session: 12 * 3600 },
    token_auth: &[TokenAuth::Post, TokenAuth::PrivateKeyJwt],
    signer: Signer::AsRegistered,
    response_iss: true,
    kid: |alg, generation| match generation {
        1 => format!("pkcs11:{}:hsm", alg.name()),
        more => format!("pkcs11:{}:hsm:{more}", alg.name()),
    },
    at_hash: true,
    userinfo_signed: true,
    encrypted: false,
    refresh: true,
    pkce: true,
    levels: &[
        "eidas0",
        "eidas0-mfa",
        "eidas1",
        "eidas1-mfa",
        "eidas2",
        "eidas3",
        "https://proconnect.gouv.fr/assurance/certification-dirigeant",
    ],
    default_level: Some("eidas1"),
    parameters: PARAMETERS,
    userinfo_post: true,
    silent: true,
    jwks_type: "application/jwk-set+json",
    id_token: |_| (),
    amr: &["pwd"],
    scopes: &[
        ("openid", &[]),
        ("given_name", &["given_name"]),
        ("usual_name", &["usual_name"]),
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
    sub,
    authorize,
    cancelled: "User auth aborted",
    token_error,
    logout,
    discovery: Some(discovery),
};

const PARAMETERS: &[&str] = &[
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
    "login_hint",
    "siret_hint",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
];

fn authorize(ask: &Ask<'_>) -> Result<AuthorizationRequest, Refusal> {
    // What it does not know is dropped, strict or not.
    let params = &ask.params.only(PARAMETERS);
    if let Some(name) = ask.params.repeated().filter(|name| PARAMETERS.contains(name)) {
        return Err(Refusal::page("Y000400", format!("{name} must be a string")));
    }
    for name in ["client_id", "redirect_uri", "scope", "state"] {
        if params.filled(name).is_none() {
            return Err(Refusal::page("Y000400", format!("{name} should not be empty")));
        }
    }
    if params.filled("nonce").is_some_and(|nonce| nonce.len() > 512 || !nonce.is_ascii()) {
        return Err(Refusal::page("Y000400", "nonce must be ASCII, of 1 to 512 characters"));
    }
    let client = ask
        .clients
        .find(params.get("client_id").unwrap_or_default())
        .ok_or_else(|| Refusal::page("oidc-provider-rendered-error:invalid_client", "client is invalid"))?;
    let redirect_uri = params.get("redirect_uri").unwrap_or_default();
    if !client.redirect_uris.iter().any(|known| known == redirect_uri) {
        let text = "redirect_uri did not match any of the client's registered redirect_uris";
        return Err(Refusal::page("oidc-provider-rendered-error:invalid_redirect_uri", text));
    }
    let to = ReplyTo { redirect_uri: redirect_uri.to_owned(), state: params.get("state").map(str::to_owned) };
    let refused = |error, text: &str| Err(Refusal::redirect(&to, error, text));
    match params.filled("response_type") {
        Some("code") => {}
        None => return refused("invalid_request", "missing required parameter 'response_type'"),
        Some(_) => return refused("unsupported_response_type", "unsupported response_type requested"),
    }
    let scopes: Vec<_> =
        params.words("scope").into_iter().filter(|scope| ask.profile.knows_scope(scope)).collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        return refused(
            "invalid_request",
            "openid scope must be requested when using the acr_values parameter",
        );
    }
    if !scopes.iter().all(|scope| client.may_ask(scope)) {
        return refused("invalid_scope", "requested scope is not allowed");
    }
    let asked = ClaimsRequest::read(params, &to)?;
    Ok(AuthorizationRequest {
        client: client.clone(),
        nonce: params.filled("nonce").map(str::to_owned),
        scopes,
        acr: Some(acr(ask.profile, params, &asked, &to)?),
        prompt: prompt(params, &to)?,
        max_age: None,
        login_hint: params.filled("login_hint").map(str::to_owned),
        code_challenge: code_challenge(params, &to)?,
        id_token_claims: asked.id_token.contains_key("amr").then(|| "amr".to_owned()).into_iter().collect(),
        userinfo_claims: Vec::new(),
        reply_to: to,
    })
}

/// `login` is no demand where there is a session, `none` is one where there is none.
fn prompt(params: &Params, to: &ReplyTo) -> Result<Prompt, Refusal> {
    let words = params.words("prompt");
    let none = words.iter().any(|word| word == "none");
    if let Some(other) = words.iter().find(|word| !["login", "consent", "none"].contains(&word.as_str())) {
        return Err(Refusal::redirect(to, "invalid_request", format!("unsupported prompt value {other}")));
    }
    match (none, words.len()) {
        (true, 1) => Ok(Prompt::None),
        (true, _) => Err(Refusal::redirect(to, "invalid_request", "prompt none must only be used alone")),
        (false, _) => Ok(Prompt::Usual),
    }
}

/// The first known level asked for. An essential claim makes every demand essential.
fn acr(profile: &Profile, params: &Params, asked: &ClaimsRequest, to: &ReplyTo) -> Result<String, Refusal> {
    let claim = asked.id_token.get("acr");
    let member = |name: &str| claim.and_then(|claim| claim.get(name));
    let essential = member("essential") == Some(&Value::Bool(true));
    let values = member("values").and_then(Value::as_array).into_iter().flatten();
    let named = member("value").into_iter().chain(values).filter_map(Value::as_str).map(str::to_owned);
    let levels: Vec<_> = named.chain(params.words("acr_values")).collect();
    match levels.iter().find(|level| profile.levels.contains(&level.as_str())) {
        Some(level) => Ok(level.clone()),
        None if essential && !levels.is_empty() => {
            Err(Refusal::redirect(to, "access_denied", "requested ACRs could not be satisfied"))
        }
        None => Ok(profile.default_level.unwrap_or_default().to_owned()),
    }
}

fn token_error(error: TokenError, _: &Chance) -> Map<String, Value> {
    let description = match error {
        TokenError::NotAForm => "only application/x-www-form-urlencoded content-type bodies are supported",
        TokenError::Repeated => "parameters must not be provided twice",
        TokenError::Missing("code") => "missing required parameter 'code'",
        TokenError::Missing(_) => "missing required parameter",
        TokenError::GrantType => "unsupported grant_type requested",
        _ if error.error() == "invalid_client" => "client authentication failed",
        _ => "grant request is invalid",
    };
    let mut body = Map::new();
    body.insert("error".to_owned(), json!(error.error()));
    body.insert("error_description".to_owned(), json!(description));
    body
}

/// Nothing is required, and what it does not know is dropped; but a session must be there.
fn logout(ask: &Ask<'_>, hinted: Option<&HintedClient>) -> Result<Option<ReplyTo>, PageError> {
    let params = ask.params;
    if params.filled("id_token_hint").is_some() && hinted.is_none() {
        return Err(PageError::new(
            "oidc-provider-rendered-error:invalid_request",
            "could not decode id_token_hint",
        ));
    }
    let Some(uri) = params.filled("post_logout_redirect_uri") else { return Ok(None) };
    let client = match hinted {
        Some(HintedClient(client)) => Some(client),
        None => params.filled("client_id").and_then(|id| ask.clients.find(id)),
    };
    if !client.is_some_and(|client| client.post_logout_redirect_uris.iter().any(|known| known == uri)) {
        return Err(PageError::new("Y030111", "post_logout_redirect_uri not registered"));
    }
    if !ask.session && hinted.is_none() {
        return Err(PageError::new("Y030110", "there is no session"));
    }
    let state = params.filled("state").map(str::to_owned);
    Ok(Some(ReplyTo { redirect_uri: uri.to_owned(), state }))
}

fn discovery(issuer: &str, profile: &Profile) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let scopes: Vec<_> = profile.scopes.iter().map(|(name, _)| name).collect();
    let auth: Vec<_> = profile.token_auth.iter().map(|method| method.name()).collect();
    let claims = profile.scopes.iter().flat_map(|(_, claims)| claims.iter().copied());
    let claims: Vec<_> = claims.chain(["sub", "acr", "amr", "auth_time", "iss"]).collect();
    json!({
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
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "request_parameter_supported": true,
        "request_uri_parameter_supported": true,
        "response_modes_supported": ["query"],
        "response_types_supported": ["code"],
        "scopes_supported": scopes,
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": auth,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256"],
        "userinfo_signing_alg_values_supported": ["ES256", "RS256"],
    })
}
