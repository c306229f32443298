//! The provider's metadata (OpenID Connect Discovery 1.0, section 4) and its JWK set (RFC 7517, section 5).

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::Value;

use super::broken::{metadata as lies, transport};
use super::{Realm, not_found};
use crate::fault::{Fault, Stage};
use crate::twist::Part;

const KEEP: &str = "public, max-age=600";

pub(super) async fn discovery(realm: Realm) -> Response {
    realm.count(|counts| &counts.discovery);
    let fault = realm.fault_of(Stage::Discovery);
    let Some(mut document) = realm.profile.discovery.map(|make| make(&realm.issuer, realm.profile)) else {
        return not_found();
    };
    realm.delay(fault).await;
    if let Some(response) = fault.and_then(transport::instead) {
        return response;
    }
    if let Some(response) = realm.stub.space.twists.instead(Part::Discovery) {
        return response;
    }
    if let Some(fault) = fault {
        lies::discovery(fault, &mut document);
    }
    if let Some(members) = document.as_object_mut() {
        realm.stub.space.twists.apply(Part::Discovery, members);
    }
    let headers = [(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, KEEP)];
    (headers, document.to_string()).into_response()
}

pub(super) async fn jwks(realm: Realm) -> Response {
    realm.count(|counts| &counts.jwks);
    let headers = [(CONTENT_TYPE, realm.profile.jwks_type), (CACHE_CONTROL, KEEP)];
    let fault = realm.fault_of(Stage::Jwks);
    realm.delay(fault).await;
    if let Some(response) = fault.and_then(transport::instead) {
        return response;
    }
    if let Some(response) = realm.stub.space.twists.instead(Part::Jwks) {
        return response;
    }
    let mut set: Value = serde_json::from_slice(&realm.keys.jwks()).unwrap_or_default();
    if let Some(fault) = fault {
        lies::jwks(fault, &mut set);
    }
    if let Some(members) = set.as_object_mut() {
        realm.stub.space.twists.apply(Part::Jwks, members);
    }
    (headers, set.to_string()).into_response()
}

impl Realm {
    /// A fault that a login left here, or the one of every exchange.
    fn fault_of(&self, stage: Stage) -> Option<Fault> {
        self.stub.space.armed(self.profile.name, stage).or_else(|| self.fault_at(None, &[stage], ""))
    }
}
