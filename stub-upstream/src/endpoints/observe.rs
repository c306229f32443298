//! What the journal is told of an exchange.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::response::Response;
use http::header::LOCATION;
use serde_json::Value;
use url::Url;

use super::Realm;
use crate::journal::{Check, Exchange, opened};
use crate::params::Params;
use crate::profiles::{Profile, TokenError};

/// Bodies above this are not looked at.
const BODY: u64 = 64 * 1024;

/// The inner JWS of an encrypted token, for the journal: it travels beside the response.
#[derive(Clone)]
pub(super) struct Inner(pub(super) &'static str, pub(super) String);

impl Realm {
    /// Notes an exchange in a flow, and gives the response back unchanged.
    pub(super) async fn observe(
        &self,
        flow: u64,
        endpoint: &'static str,
        request: Vec<(String, String)>,
        checks: Vec<Check>,
        response: Response,
    ) -> Response {
        let space = &self.stub.space;
        if flow == 0 || !space.journal.is_on() {
            return response;
        }
        let request: Vec<_> = request.into_iter().map(|(name, value)| hidden(name, value)).collect();
        let mut tokens: Vec<_> = request
            .iter()
            .filter(|(name, _)| name == "id_token_hint" || name == "client_assertion")
            .filter_map(|(name, value)| opened(name, value))
            .collect();
        let status = response.status().as_u16();
        let (answer, response) = answer(response).await;
        tokens.extend(answer.iter().filter_map(|(name, value)| opened(name, value)));
        if let Some(Inner(name, jws)) = response.extensions().get::<Inner>() {
            tokens.extend(opened(name, jws));
        }
        let at = self.stub.now();
        space.journal.add(flow, Exchange { at, endpoint, request, status, answer, tokens, checks });
        response
    }
}

/// Secrets are not shown, whoever's they are.
fn hidden(name: String, value: String) -> (String, String) {
    if name == "client_secret" { (name, format!("({} bytes)", value.len())) } else { (name, value) }
}

/// The parameters of a redirect, the members of a JSON object, or the text.
async fn answer(response: Response) -> (Vec<(String, String)>, Response) {
    if let Some(location) = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()) {
        let mut pairs = vec![("location".to_owned(), location.to_owned())];
        if let Ok(url) = Url::parse(location) {
            pairs.extend(url.query_pairs().into_owned());
        }
        return (pairs, response);
    }
    if response.body().size_hint().exact().is_none_or(|length| length > BODY) {
        return (vec![("body".to_owned(), "(not shown)".to_owned())], response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let html = parts
        .headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let pairs = match serde_json::from_slice(&bytes) {
        _ if html => vec![("page".to_owned(), format!("({} bytes)", bytes.len()))],
        Ok(Value::Object(members)) => members
            .into_iter()
            .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect(),
        _ => vec![("body".to_owned(), String::from_utf8_lossy(&bytes).into_owned())],
    };
    (pairs, Response::from_parts(parts, Body::from(bytes)))
}

/// What is expected of an authorization request.
pub(super) fn authorization(realm: &Realm, params: &Params) -> Vec<Check> {
    let profile: &Profile = realm.profile;
    let length = |name: &str| params.get(name).map_or(0, |value| value.chars().count());
    let client = params.get("client_id").and_then(|id| realm.stub.inner.clients.find(id));
    let uri = params.get("redirect_uri").unwrap_or_default();
    let registered = client.is_some_and(|client| client.redirect_uris.iter().any(|known| known == uri));
    let challenge = params.filled("code_challenge").is_some();
    let mut checks = vec![
        Check::new("client_id is registered", client.is_some()),
        Check::new("redirect_uri is registered, byte for byte", registered),
        Check::new("state has at least 32 characters", length("state") >= 32),
        Check::new("nonce has at least 32 characters", length("nonce") >= 32),
        Check::new("state and nonce differ", params.get("state") != params.get("nonce")),
        Check::new("no parameter is repeated", params.repeated().is_none()),
        Check::new("scope holds openid", params.words("scope").iter().any(|scope| scope == "openid")),
    ];
    if profile.pkce {
        let s256 = params.get("code_challenge_method") == Some("S256");
        checks.push(Check::new("PKCE with S256", challenge && s256));
    } else {
        checks.push(Check::new("no PKCE, which this provider does not take", !challenge));
    }
    if !profile.parameters.is_empty() {
        let known = params.names().all(|name| profile.parameters.contains(&name));
        checks.push(Check::new("only parameters that this provider knows", known));
    }
    checks
}

/// What is expected of a token request.
pub(super) fn token(error: Option<TokenError>) -> Vec<Check> {
    let not = |errors: &[TokenError]| error.is_none_or(|error| !errors.contains(&error));
    let client = error.is_none_or(|error| error.error() != "invalid_client");
    vec![
        Check::new(
            "the body is a form without repetitions",
            not(&[TokenError::NotAForm, TokenError::Repeated]),
        ),
        Check::new("the client authenticates, in one registered way", client),
        Check::new(
            "the code is alive, and used for the first time",
            not(&[TokenError::CodeUnknown, TokenError::CodeSpent]),
        ),
        Check::new("the code belongs to this client", not(&[TokenError::CodeOfAnother])),
        Check::new("redirect_uri is the one of the authorization request", not(&[TokenError::RedirectUri])),
        Check::new("code_verifier fits, where there was a challenge", not(&[TokenError::CodeVerifier])),
    ]
}
