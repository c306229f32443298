//! A registered client (RFC 7591, section 2): what the simulator knows of an application in advance.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::Value;

use crate::jwk::ClientKeys;
use crate::keys::Alg;
use crate::scenario::at_line;

/// One client. Every profile knows every client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    #[serde(default)]
    pub secret: String,
    /// Where authorization responses may go; compared byte for byte.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Where logout may return to; compared byte for byte.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// How providers sign for this client. `franceconnect_plus` always takes ES256, `franceconnect_v1` HS256.
    #[serde(default)]
    pub id_token_signed_response_alg: Alg,
    /// What pairwise subjects are derived for (`FranceConnect`: the entity); the `client_id` where `None`.
    pub sector: Option<String>,
    /// The scopes it may ask for; all where `None`.
    pub scopes: Option<Vec<String>>,
    /// Its public keys as a JWK set: for encryption (`use` `enc`; `alg` RSA-OAEP-256, RSA-OAEP or ECDH-ES), and for
    /// `private_key_jwt` (`use` `sig`).
    pub jwks: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    client: Vec<toml::Spanned<Client>>,
}

impl Client {
    /// Reads a file of clients, a `[[client]]` each. A refusal names the line and the reason.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, String> {
        let file: File =
            toml::from_str(text).map_err(|error| at_line(text, error.span(), error.message()))?;
        let mut clients: Vec<Self> = Vec::new();
        for spanned in file.client {
            let span = spanned.span();
            let client = spanned.into_inner();
            let checked = match &client.jwks {
                _ if clients.iter().any(|other| other.id == client.id) => {
                    Err(format!("{} comes twice", client.id))
                }
                None if client.secret.is_empty() => Err(format!("{} has neither secret nor jwks", client.id)),
                Some(jwks) => ClientKeys::parse(jwks).map(|_| ()),
                None => Ok(()),
            };
            checked.map_err(|reason| at_line(text, Some(span), &reason))?;
            clients.push(client);
        }
        Ok(clients)
    }

    /// A client without addresses, for ES256, with every scope.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            id_token_signed_response_alg: Alg::Es256,
            sector: None,
            scopes: None,
            jwks: None,
        }
    }

    /// Whether it may ask for this scope.
    pub(crate) fn may_ask(&self, scope: &str) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|known| known == scope))
    }

    pub(crate) fn sector(&self) -> &str {
        self.sector.as_deref().unwrap_or(&self.id)
    }
}

/// The clients by `client_id`.
#[derive(Default)]
pub(crate) struct Clients(HashMap<String, (Arc<Client>, RwLock<Arc<ClientKeys>>)>);

impl Clients {
    /// Refuses a JWK set that cannot be used, with the reason.
    pub(crate) fn new(clients: Vec<Client>) -> Result<Self, String> {
        let mut all = HashMap::new();
        for client in clients {
            let keys = client.jwks.as_ref().map(ClientKeys::parse).transpose()?.unwrap_or_default();
            all.insert(client.id.clone(), (Arc::new(client), RwLock::new(Arc::new(keys))));
        }
        Ok(Self(all))
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Client>> {
        self.0.get(id).map(|(client, _)| client)
    }

    /// The public keys of a client.
    pub(crate) fn keys(&self, id: &str) -> Option<Arc<ClientKeys>> {
        let (_, keys) = self.0.get(id)?;
        Some(keys.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Takes another JWK set of a client.
    pub(crate) fn set_keys(&self, id: &str, jwks: &Value) -> Result<(), String> {
        let (_, keys) = self.0.get(id).ok_or_else(|| format!("there is no client {id}"))?;
        *keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ClientKeys::parse(jwks)?);
        Ok(())
    }

    pub(crate) fn all(&self) -> Vec<&Arc<Client>> {
        let mut all: Vec<_> = self.0.values().map(|(client, _)| client).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }
}
