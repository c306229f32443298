//! The provider's metadata (OpenID Connect Discovery 1.0, section 4) and its JWK set (RFC 7517, section 5).

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::{Realm, not_found};

const KEEP: &str = "public, max-age=600";

pub(super) async fn discovery(State(realm): State<Realm>) -> Response {
    realm.count(|counts| &counts.discovery);
    let Some(document) = realm.profile.discovery.map(|make| make(&realm.issuer, realm.profile)) else {
        return not_found();
    };
    let headers = [(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, KEEP)];
    (headers, document.to_string()).into_response()
}

pub(super) async fn jwks(State(realm): State<Realm>) -> Response {
    realm.count(|counts| &counts.jwks);
    let headers = [(CONTENT_TYPE, realm.profile.jwks_type), (CACHE_CONTROL, KEEP)];
    (headers, realm.keys.jwks()).into_response()
}
