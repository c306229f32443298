//! The revocation endpoint (RFC 7009): an access token or a refresh token dies.

use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};

use super::Realm;
use crate::params::Params;
use crate::profiles::TokenError;

pub(super) async fn revoke(realm: Realm, headers: HeaderMap, body: Bytes) -> Response {
    match realm.revoked(&headers, Params::form(&headers, &body)) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => realm.refuse(error, &headers),
    }
}

impl Realm {
    /// RFC 7009, section 2.2: a token that is unknown, or another's, is as good as revoked.
    fn revoked(&self, headers: &HeaderMap, params: Option<Params>) -> Result<(), TokenError> {
        let params = params.ok_or(TokenError::NotAForm)?;
        let client = self.authenticate(headers, &params)?;
        let token = params.filled("token").ok_or(TokenError::Missing("token"))?;
        let (space, now) = (&self.stub.space, self.stub.now());
        for shelf in [&space.tokens, &space.refresh_tokens] {
            if shelf.get(token, now).is_some_and(|grant| grant.request.client.id == client.id) {
                shelf.take(token, now);
            }
        }
        Ok(())
    }
}
