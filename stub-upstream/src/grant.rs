//! What a person granted to a client (RFC 6749, section 1.3).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::persona::Persona;
use crate::profiles::Profile;
use crate::request::AuthorizationRequest;

/// What a code stands for, and later an access token.
pub(crate) struct Grant {
    pub(crate) profile: &'static Profile,
    pub(crate) request: AuthorizationRequest,
    pub(crate) persona: Arc<Persona>,
    pub(crate) auth_time: u64,
    /// The fault chosen for this login alone.
    pub(crate) fault: Option<Fault>,
    /// Its place in the journal.
    pub(crate) flow: u64,
}

/// A code: single use, and it remembers its use (RFC 6749, section 4.1.2).
pub(crate) enum Code {
    Fresh(Arc<Grant>),
    Spent { access_token: String, refresh_token: Option<String>, flow: u64 },
}

impl Grant {
    /// The subject in this client's eyes.
    pub(crate) fn sub(&self) -> String {
        (self.profile.sub)(self.request.client.sector(), &self.persona)
    }

    /// `sub` and what the granted scopes and the claims request give.
    pub(crate) fn userinfo(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(self.sub()));
        let by_scope =
            self.request.scopes.iter().flat_map(|scope| self.profile.claims_of(scope).iter().copied());
        let by_name = self.request.userinfo_claims.iter().map(String::as_str);
        self.add(&mut claims, by_scope.chain(by_name));
        claims
    }

    /// The claims of the `id_token`, and the access token's hash where the profile gives one.
    pub(crate) fn id_token(&self, issuer: &str, now: u64, at_hash: Option<String>) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value);
            }
        };
        let request = &self.request;
        let asked = |name: &str| request.id_token_claims.iter().any(|claim| claim == name);
        add("sub", Some(json!(self.sub())));
        add("acr", request.acr.as_ref().map(|acr| json!(acr)));
        add("amr", (asked("amr") && !self.profile.amr.is_empty()).then(|| json!(self.profile.amr)));
        add("auth_time", Some(json!(self.auth_time)));
        add("nonce", request.nonce.as_ref().map(|nonce| json!(nonce)));
        add("at_hash", at_hash.map(|hash| json!(hash)));
        add("aud", Some(json!(request.client.id)));
        add("exp", Some(json!(now.saturating_add(self.profile.lifetimes.id_token))));
        add("iat", Some(json!(now)));
        add("iss", Some(json!(issuer)));
        self.add(&mut claims, request.id_token_claims.iter().map(String::as_str));
        (self.profile.id_token)(&mut claims);
        claims
    }

    fn add<'a>(&self, claims: &mut Map<String, Value>, names: impl Iterator<Item = &'a str>) {
        for name in names {
            if let Some(value) = self.persona.claim(name) {
                claims.entry(name).or_insert(value);
            }
        }
    }
}
