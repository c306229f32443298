//! A registered client (RFC 7591, section 2): what the simulator knows of an application in advance.

use std::collections::HashMap;
use std::sync::Arc;

use crate::keys::Alg;

/// One client. Every profile knows every client.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: String,
    /// Where authorization responses may go; compared byte for byte.
    pub redirect_uris: Vec<String>,
    /// Where logout may return to; compared byte for byte.
    pub post_logout_redirect_uris: Vec<String>,
    /// How the `generic` profile signs for this client. `franceconnect_v2` always takes ES256,
    /// `franceconnect_v1` HS256.
    pub id_token_signed_response_alg: Alg,
    /// What pairwise subjects are derived for (`FranceConnect`: the entity); the `client_id` where `None`.
    pub sector: Option<String>,
    /// The scopes it may ask for; all where `None`.
    pub scopes: Option<Vec<String>>,
}

impl Client {
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
pub(crate) struct Clients(HashMap<String, Arc<Client>>);

impl Clients {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        Self(clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect())
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Client>> {
        self.0.get(id)
    }

    pub(crate) fn all(&self) -> Vec<&Arc<Client>> {
        let mut all: Vec<_> = self.0.values().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }
}
