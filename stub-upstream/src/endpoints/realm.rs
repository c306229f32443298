//! Where a request arrived: one profile of one simulator, in one namespace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{FromRef, FromRequestParts, RawPathParams};
use axum::response::Response;
use http::request::Parts;

use super::not_found;
use crate::fault::{Fault, Stage};
use crate::keys::KeyRing;
use crate::params::Params;
use crate::profiles::{Ask, Profile};
use crate::space::Counts;
use crate::stub::Stub;

/// One profile, in every namespace.
#[derive(Clone)]
pub(super) struct Mount {
    pub(super) stub: Stub,
    pub(super) profile: &'static Profile,
    /// Its place in the list.
    pub(super) at: usize,
}

/// One profile of one namespace.
pub(super) struct Realm {
    pub(super) stub: Stub,
    pub(super) profile: &'static Profile,
    pub(super) issuer: String,
    pub(super) keys: Arc<KeyRing>,
}

/// The simulator, seen from the namespace of the request.
pub(super) struct Here(pub(super) Stub);

impl<S: Send + Sync> FromRequestParts<S> for Here
where
    Stub: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let stub = Stub::from_ref(state);
        let names = RawPathParams::from_request_parts(parts, state).await.map_err(|_| not_found())?;
        match names.iter().find(|(name, _)| *name == "ns") {
            None => Ok(Self(stub)),
            Some((_, name)) => stub.namespace(name).map(Self).ok_or_else(not_found),
        }
    }
}

impl FromRef<Mount> for Stub {
    fn from_ref(mount: &Mount) -> Self {
        mount.stub.clone()
    }
}

impl FromRequestParts<Mount> for Realm {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, mount: &Mount) -> Result<Self, Self::Rejection> {
        let Here(stub) = Here::from_request_parts(parts, mount).await?;
        let keys = Arc::clone(stub.keys(mount.at).ok_or_else(not_found)?);
        Ok(Self { issuer: stub.issuer(mount.profile), profile: mount.profile, keys, stub })
    }
}

/// A part of the path, by name.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let names = RawPathParams::from_request_parts(parts, state).await.map_err(|_| not_found())?;
        let id = names.iter().find(|(name, _)| *name == "id").map(|(_, value)| value.to_owned());
        id.map(Self).ok_or_else(not_found)
    }
}

impl Realm {
    /// The fault that shows here, if any.
    pub(super) fn fault_at(&self, of_login: Option<Fault>, stages: &[Stage], client: &str) -> Option<Fault> {
        self.stub.space.fault_at(of_login, stages, client)
    }

    pub(super) fn count(&self, endpoint: fn(&Counts) -> &AtomicU64) {
        endpoint(&self.stub.space.counts).fetch_add(1, Ordering::SeqCst);
    }

    /// A request as this profile judges it.
    pub(super) fn ask<'a>(&'a self, params: &'a Params, session: bool) -> Ask<'a> {
        let (clients, lenient) = (&self.stub.inner.clients, self.stub.lenient());
        Ask { profile: self.profile, params, clients, lenient, session }
    }

    /// Waits where a fault wants to be late.
    pub(super) async fn delay(&self, fault: Option<Fault>) {
        if super::broken::transport::is_slow(fault) {
            tokio::time::sleep(self.stub.inner.slow).await;
        }
    }
}
