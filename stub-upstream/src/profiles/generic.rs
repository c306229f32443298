//! A provider that keeps to OpenID Connect Core 1.0, with PKCE (RFC 7636) and `iss` in the response
//! (RFC 9207); unknown parameters are ignored.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::{
    Ask, Endpoints, HintedClient, Lifetimes, PageError, Profile, Refusal, Signer, TokenAuth, TokenError,
};
use crate::chance::{Chance, uuid_shape};
use crate::params::Params;
use crate::persona::Persona;
use crate::request::{AuthorizationRequest, Prompt, ReplyTo};

pub(super) const PROFILE: Profile = Profile {
    name: "generic",
    about: "OpenID Connect Core with PKCE, ES256 or RS256, plain userinfo, single sign-on",
    path: "/generic",
    issuer_path: "/generic",
    endpoints: Endpoints {
        authorize: "/authorize",
        token: "/token",
        userinfo: "/userinfo",
        jwks: Some("/jwks.json"),
        end_session: "/logout",
        revocation: Some("/revoke"),
    },
    lifetimes: Lifetimes { code: 60, access_token: 600, id_token: 600, session: 8 * 3600 },
    token_auth: &[TokenAuth::Basic, TokenAuth::Post, TokenAuth::PrivateKeyJwt],
    signer: Signer::AsRegistered,
    response_iss: true,
    kid: |alg, generation| format!("{}-{generation}", alg.name().to_ascii_lowercase()),
    at_hash: true,
    userinfo_signed: false,
    encrypted: false,
    refresh: false,
    pkce: true,
    levels: &["eidas1", "eidas2", "eidas3"],
    default_level: None,
    parameters: &[],
    userinfo_post: true,
    silent: true,
    jwks_type: "application/json",
    id_token: |_| (),
    amr: &["pwd"],
    scopes: &[
        ("openid", &[]),
        (
            "profile",
            &[
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
            ],
        ),
        ("address", &["address"]),
        ("email", &["email", "email_verified"]),
        ("phone", &["phone_number", "phone_number_verified"]),
        ("birth", &["birthplace", "birthcountry"]),
    ],
    sub,
    authorize,
    cancelled: "The end-user denied the request",
    token_error,
    logout,
    discovery: Some(discovery),
};

fn authorize(ask: &Ask<'_>) -> Result<AuthorizationRequest, Refusal> {
    let (params, clients) = (ask.params, ask.clients);
    if let Some(name) = params.repeated() {
        return Err(Refusal::page("invalid_request", format!("{name} is repeated")));
    }
    let client = params.filled("client_id").and_then(|id| clients.find(id));
    let client = client.ok_or_else(|| Refusal::page("invalid_client", "client_id is missing or unknown"))?;
    let redirect_uri = params.filled("redirect_uri").unwrap_or_default();
    if !client.redirect_uris.iter().any(|known| known == redirect_uri) {
        return Err(Refusal::page("invalid_redirect_uri", "redirect_uri is missing or not registered"));
    }
    let to =
        ReplyTo { redirect_uri: redirect_uri.to_owned(), state: params.filled("state").map(str::to_owned) };
    let refused = |error, text: &str| Err(Refusal::redirect(&to, error, text));

    if params.filled("request").is_some() {
        return refused("request_not_supported", "request is not supported");
    }
    if params.filled("request_uri").is_some() {
        return refused("request_uri_not_supported", "request_uri is not supported");
    }
    match params.filled("response_type") {
        Some("code") => {}
        None => return refused("invalid_request", "response_type is missing"),
        Some(_) => return refused("unsupported_response_type", "only response_type=code is supported"),
    }
    if params.filled("response_mode").is_some_and(|mode| mode != "query") {
        return refused("invalid_request", "only response_mode=query is supported");
    }
    let scopes: Vec<_> =
        params.words("scope").into_iter().filter(|scope| ask.profile.knows_scope(scope)).collect();
    if !scopes.iter().any(|scope| scope == "openid") {
        return refused("invalid_scope", "scope lacks openid");
    }
    if !scopes.iter().all(|scope| client.may_ask(scope)) {
        return refused("invalid_scope", "the client may not ask for this scope");
    }
    let max_age = match params.filled("max_age").map(str::parse) {
        None => None,
        Some(Ok(seconds)) => Some(seconds),
        Some(Err(_)) => return refused("invalid_request", "max_age is not a number"),
    };
    let asked = ClaimsRequest::read(params, &to)?;
    Ok(AuthorizationRequest {
        client: client.clone(),
        nonce: params.filled("nonce").map(str::to_owned),
        scopes,
        acr: acr(params, &asked, &to)?,
        prompt: prompt(params, &to)?,
        max_age,
        login_hint: params.filled("login_hint").map(str::to_owned),
        code_challenge: code_challenge(params, &to)?,
        id_token_claims: asked.id_token.keys().cloned().collect(),
        userinfo_claims: asked.userinfo.keys().cloned().collect(),
        reply_to: to,
    })
}

/// RFC 7636, section 4.3: S256 only.
pub(super) fn code_challenge(params: &Params, to: &ReplyTo) -> Result<Option<String>, Refusal> {
    let refused = |text: &str| Err(Refusal::redirect(to, "invalid_request", text));
    match (params.filled("code_challenge"), params.filled("code_challenge_method")) {
        (None, None) => Ok(None),
        (None, Some(_)) => refused("code_challenge is missing"),
        (Some(challenge), Some("S256")) => {
            let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if challenge.len() == 43 && challenge.bytes().all(alphabet) {
                Ok(Some(challenge.to_owned()))
            } else {
                refused("code_challenge is not a SHA-256 in base64url")
            }
        }
        (Some(_), _) => refused("code_challenge_method must be S256"),
    }
}

/// OpenID Connect Core, section 3.1.2.1.
fn prompt(params: &Params, to: &ReplyTo) -> Result<Prompt, Refusal> {
    let words = params.words("prompt");
    let says = |value: &str| words.iter().any(|word| word == value);
    if says("none") {
        if words.len() > 1 {
            return Err(Refusal::redirect(to, "invalid_request", "prompt=none stands alone"));
        }
        return Ok(Prompt::None);
    }
    let page = says("login") || says("consent") || says("select_account");
    Ok(if page { Prompt::Page } else { Prompt::Usual })
}

/// The first level asked for that can be vouched for; the lowest where none can, unless that is essential.
fn acr(params: &Params, asked: &ClaimsRequest, to: &ReplyTo) -> Result<Option<String>, Refusal> {
    let mut levels = params.words("acr_values");
    let claim = asked.id_token.get("acr");
    let member = |name: &str| claim.and_then(|claim| claim.get(name));
    let values = member("values").and_then(Value::as_array).into_iter().flatten();
    let named: Vec<_> =
        member("value").into_iter().chain(values).filter_map(Value::as_str).map(str::to_owned).collect();
    let essential = member("essential") == Some(&Value::Bool(true)) && !named.is_empty();
    if essential {
        levels = named;
    } else {
        levels.extend(named);
    }
    if levels.is_empty() {
        return Ok(claim.is_some().then(|| "eidas1".to_owned()));
    }
    match levels.into_iter().find(|level| PROFILE.levels.contains(&level.as_str())) {
        None if essential => {
            let error = "unmet_authentication_requirements";
            Err(Refusal::redirect(to, error, "requested ACRs could not be satisfied"))
        }
        None => Ok(Some("eidas1".to_owned())),
        level => Ok(level),
    }
}

/// The parameter `claims` (OpenID Connect Core, section 5.5).
#[derive(Default)]
pub(super) struct ClaimsRequest {
    pub(super) id_token: Map<String, Value>,
    pub(super) userinfo: Map<String, Value>,
}

impl ClaimsRequest {
    pub(super) fn read(params: &Params, to: &ReplyTo) -> Result<Self, Refusal> {
        let Some(text) = params.filled("claims") else { return Ok(Self::default()) };
        let Ok(Value::Object(mut object)) = serde_json::from_str(text) else {
            return Err(Refusal::redirect(to, "invalid_request", "claims is not a JSON object"));
        };
        let mut member = |name: &str| match object.remove(name) {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        };
        Ok(Self { id_token: member("id_token"), userinfo: member("userinfo") })
    }
}

/// The same for every client.
pub(super) fn sub(_: &str, persona: &Persona) -> String {
    uuid_shape(digest(&SHA256, persona.id.as_bytes()).as_ref())
}

fn token_error(error: TokenError, _: &Chance) -> Map<String, Value> {
    let description = match error {
        TokenError::NotAForm => "the body is not a form".to_owned(),
        TokenError::Repeated => "a parameter is repeated".to_owned(),
        TokenError::Missing(name) => format!("{name} is missing"),
        TokenError::GrantType => "only authorization_code is supported".to_owned(),
        TokenError::ClientUnknown
        | TokenError::ClientMethod
        | TokenError::ClientSecret
        | TokenError::ClientAssertion => "client authentication failed".to_owned(),
        TokenError::RefreshToken => "the refresh token is unknown".to_owned(),
        TokenError::CodeUnknown | TokenError::CodeOfAnother => "the code is unknown or expired".to_owned(),
        TokenError::CodeSpent => "the code was used before".to_owned(),
        TokenError::RedirectUri => "redirect_uri is not the one of the authorization request".to_owned(),
        TokenError::CodeVerifier => "code_verifier does not fit the code_challenge".to_owned(),
    };
    let mut body = Map::new();
    body.insert("error".to_owned(), json!(error.error()));
    body.insert("error_description".to_owned(), json!(description));
    body
}

/// OpenID Connect RP-Initiated Logout 1.0, sections 2 and 3.
fn logout(ask: &Ask<'_>, hinted: Option<&HintedClient>) -> Result<Option<ReplyTo>, PageError> {
    let (params, clients) = (ask.params, ask.clients);
    let named = match params.filled("client_id") {
        Some(id) => {
            Some(clients.find(id).ok_or_else(|| PageError::new("invalid_client", "unknown client_id"))?)
        }
        None => None,
    };
    let client = match (params.filled("id_token_hint"), hinted, named) {
        (Some(_), None, _) => {
            return Err(PageError::new("invalid_request", "id_token_hint is not one of ours"));
        }
        (Some(_), Some(HintedClient(hinted)), Some(named)) if hinted.id != named.id => {
            return Err(PageError::new("invalid_request", "id_token_hint belongs to another client"));
        }
        (Some(_), Some(HintedClient(hinted)), _) => Some(hinted),
        (None, _, named) => named,
    };
    let Some(uri) = params.filled("post_logout_redirect_uri") else { return Ok(None) };
    if !client.is_some_and(|client| client.post_logout_redirect_uris.iter().any(|known| known == uri)) {
        return Err(PageError::new("invalid_request", "post_logout_redirect_uri is not registered"));
    }
    let state = params.filled("state").map(str::to_owned);
    Ok(Some(ReplyTo { redirect_uri: uri.to_owned(), state }))
}

fn discovery(issuer: &str, profile: &Profile) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let scopes: Vec<_> = profile.scopes.iter().map(|(name, _)| name).collect();
    let auth: Vec<_> = profile.token_auth.iter().map(|method| method.name()).collect();
    json!({
        "issuer": issuer,
        "authorization_endpoint": at(profile.endpoints.authorize),
        "token_endpoint": at(profile.endpoints.token),
        "userinfo_endpoint": at(profile.endpoints.userinfo),
        "jwks_uri": at(profile.endpoints.jwks.unwrap_or_default()),
        "end_session_endpoint": at(profile.endpoints.end_session),
        "revocation_endpoint": at(profile.endpoints.revocation.unwrap_or_default()),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "acr_values_supported": profile.levels,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_methods_supported": auth,
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "name",
            "given_name", "family_name", "preferred_username", "gender", "birthdate", "birthplace",
            "birthcountry", "email", "email_verified", "phone_number",
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}
