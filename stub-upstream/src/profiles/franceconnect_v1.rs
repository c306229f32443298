//! `FranceConnect` v1 as KIF's README and its log samples show it: no discovery, no JWK set, `iss` without a
//! path, `id_token` of 20 minutes by the client's secret (HS256), userinfo as JSON, logout without `state`.

use serde_json::{Map, Value, json};

use super::{
    Ask, Endpoints, HintedClient, Lifetimes, PageError, Profile, Refusal, Signer, TokenAuth, TokenError,
};
use crate::chance::Chance;
use crate::request::{AuthorizationRequest, Prompt, ReplyTo};

pub(super) const PROFILE: Profile = Profile {
    name: "franceconnect_v1",
    about: "FranceConnect v1, retired: no discovery, HS256 by the client's secret, plain userinfo",
    path: "/api/v1",
    issuer_path: "",
    endpoints: Endpoints {
        authorize: "/authorize",
        token: "/token",
        userinfo: "/userinfo",
        jwks: None,
        end_session: "/logout",
        revocation: None,
    },
    // Those of code and access token are not documented any more.
    lifetimes: Lifetimes { code: 60, access_token: 60, id_token: 1200, session: 1800 },
    token_auth: &[TokenAuth::Post],
    signer: Signer::ClientSecret,
    response_iss: false,
    kid: |alg, generation| format!("unused-{}-{generation}", alg.name()),
    at_hash: false,
    userinfo_signed: false,
    encrypted: false,
    refresh: false,
    pkce: false,
    levels: &["eidas1", "eidas2", "eidas3"],
    default_level: Some("eidas2"),
    parameters: &[],
    userinfo_post: false,
    silent: true,
    jwks_type: "application/json",
    id_token,
    amr: &[],
    scopes: &[
        ("openid", &[]),
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
    sub: super::franceconnect::sub,
    authorize,
    cancelled: "User auth aborted",
    token_error,
    logout,
    discovery: None,
};

/// `idp` and an empty `amr` are always there, `auth_time` never.
fn id_token(claims: &mut Map<String, Value>) {
    claims.shift_remove("auth_time");
    claims.insert("idp".to_owned(), json!("FC"));
    claims.insert("amr".to_owned(), json!([]));
}

/// Parameters that it does not know are ignored; KIF sends no `acr_values`.
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
    for name in ["state", "nonce"] {
        if params.filled(name).is_none() {
            return Err(Refusal::page("invalid_request", format!("{name} is missing")));
        }
    }
    let to =
        ReplyTo { redirect_uri: redirect_uri.to_owned(), state: params.filled("state").map(str::to_owned) };
    if params.filled("response_type") != Some("code") {
        return Err(Refusal::redirect(&to, "invalid_request", "response_type is not code"));
    }
    let scopes: Vec<_> =
        params.words("scope").into_iter().filter(|scope| ask.profile.knows_scope(scope)).collect();
    if !scopes.iter().any(|scope| scope == "openid") || !scopes.iter().all(|scope| client.may_ask(scope)) {
        return Err(Refusal::redirect(&to, "invalid_scope", "scope lacks openid or is not allowed"));
    }
    let asked = params.words("acr_values");
    let known = asked.into_iter().find(|level| ["eidas1", "eidas2", "eidas3"].contains(&level.as_str()));
    Ok(AuthorizationRequest {
        client: client.clone(),
        reply_to: to,
        nonce: params.filled("nonce").map(str::to_owned),
        scopes,
        // What the one surviving token says, whose request asked for nothing.
        acr: Some(known.unwrap_or_else(|| "eidas2".to_owned())),
        prompt: Prompt::Usual,
        max_age: None,
        login_hint: None,
        code_challenge: None,
        id_token_claims: Vec::new(),
        userinfo_claims: Vec::new(),
    })
}

/// A code that is unknown, used or another's is `invalid_request`; there is never a description.
fn token_error(error: TokenError, _: &Chance) -> Map<String, Value> {
    let code = match error.error() {
        "invalid_grant" => "invalid_request",
        other => other,
    };
    Map::from_iter([("error".to_owned(), json!(code))])
}

/// `state` does not come back.
fn logout(ask: &Ask<'_>, hinted: Option<&HintedClient>) -> Result<Option<ReplyTo>, PageError> {
    let params = ask.params;
    if params.repeated().is_some() || params.filled("id_token_hint").is_none() {
        return Err(PageError::new(
            "invalid_request",
            "id_token_hint is missing, or a parameter is repeated",
        ));
    }
    let Some(HintedClient(client)) = hinted else {
        return Err(PageError::new("invalid_request", "id_token_hint is not one of ours"));
    };
    let Some(uri) = params.filled("post_logout_redirect_uri") else { return Ok(None) };
    if !client.post_logout_redirect_uris.iter().any(|known| known == uri) {
        return Err(PageError::new("invalid_request", "post_logout_redirect_uri is not registered"));
    }
    Ok(Some(ReplyTo { redirect_uri: uri.to_owned(), state: None }))
}
