//! What is open and under way, counted: in all, and by who holds it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::ListenerLimits;
use super::shares::{Share, Shares};
use crate::peer::Peer;

/// The counters of one listener, which several runs of [`serve`](super::serve) may have in common.
///
/// A connection counts for the address at its other end. That of a trusted proxy counts for nobody, since the proxy
/// has it for many: there, requests count for the address that the proxy tells.
pub struct Counters {
    pub(super) limits: ListenerLimits,
    is_trusted: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    connections: Arc<Semaphore>,
    by_peer: Shares,
    requests: Semaphore,
    by_client: Shares,
}

/// One too many.
pub(super) struct TooMany;

/// A request that is counted.
pub(super) struct CountedRequest<'a> {
    _permit: SemaphorePermit<'a>,
    _share: Option<Share<'a>>,
}

impl Counters {
    /// Counts within these limits; `is_trusted` says whose word about the client is believed.
    pub fn new(
        limits: ListenerLimits,
        is_trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Arc::new(Semaphore::new(limits.connections)),
            by_peer: Shares::new(limits.connections, limits.connections_per_address),
            requests: Semaphore::new(limits.in_flight),
            by_client: Shares::new(limits.in_flight, limits.connections_per_address),
            is_trusted: Box::new(is_trusted),
            limits,
        })
    }

    /// Room for one more connection, once there is some; whose it is, is not known yet.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.connections.clone().acquire_owned().await.ok()
    }

    /// Counts a connection for its peer, unless that is a trusted proxy.
    pub(super) fn connection(&self, peer: &Peer) -> Result<Option<Share<'_>>, TooMany> {
        if (self.is_trusted)(peer.address) {
            return Ok(None);
        }
        self.by_peer.take(peer.address).map(Some).ok_or(TooMany)
    }

    /// Counts a request; behind a trusted proxy, for the client that the proxy tells.
    pub(super) fn request(&self, peer: &Peer, headers: &HeaderMap) -> Result<CountedRequest<'_>, TooMany> {
        let permit = self.requests.try_acquire().map_err(|_| TooMany)?;
        let share = if (self.is_trusted)(peer.address) {
            let client = peer.clone().forwarded(headers, |address| (self.is_trusted)(address));
            Some(self.by_client.take(client.address).ok_or(TooMany)?)
        } else {
            None
        };
        Ok(CountedRequest { _permit: permit, _share: share })
    }
}
