//! What is open and under way, counted: in all, and by who holds it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::ListenerLimits;
use super::shares::{Over, Share, Shares};
use crate::peer::Peer;

/// The counters of one listener, which several runs of [`serve`](super::serve) may have in common.
///
/// A connection counts for the address at its other end. That of a trusted proxy counts for nobody, since the proxy
/// has it for many. A request counts for its client, whom such a proxy tells: it may stand still for as long as its body
/// or an upstream may.
pub struct Counters {
    pub(super) limits: ListenerLimits,
    is_trusted: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    refused: Box<Refused>,
    connections: Arc<Semaphore>,
    by_peer: Shares,
    requests: Semaphore,
    by_client: Shares,
}

/// How many requests of a network may be in flight at least.
const FEW: usize = 4;

/// One too many.
pub struct TooMany {
    /// The key of the configuration that says how many there may be.
    pub limit: &'static str,
}

const IN_FLIGHT: TooMany = TooMany { limit: "limit.in_flight" };
const OF_NETWORK: TooMany = TooMany { limit: "limit.in_flight of one network" };
const PER_ADDRESS: TooMany = TooMany { limit: "limit.connections_per_address" };

/// What is told of everybody for whom there was no room.
type Refused = dyn Fn(&Peer, &TooMany) + Send + Sync;

/// A connection that is counted.
pub(super) struct CountedConnection<'a> {
    _share: Option<Share<'a>>,
}

/// A request that is counted.
pub(super) struct CountedRequest<'a> {
    _permit: SemaphorePermit<'a>,
    _share: Share<'a>,
}

impl Counters {
    /// Counts within these limits; `is_trusted` says whose word about the client is believed, and `refused` is told of
    /// everybody for whom there was no room.
    pub fn new(
        limits: ListenerLimits,
        is_trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
        refused: impl Fn(&Peer, &TooMany) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Arc::new(Semaphore::new(limits.connections)),
            by_peer: Shares::new(
                limits.connections,
                limits.connections_per_address,
                limits.connections_per_address,
            ),
            requests: Semaphore::new(limits.in_flight),
            by_client: Shares::new(
                limits.in_flight,
                limits.connections_per_address,
                (limits.in_flight / 64).max(FEW),
            ),
            is_trusted: Box::new(is_trusted),
            refused: Box::new(refused),
            limits,
        })
    }

    /// Room for one more connection, once there is some; whose it is, is not known yet.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.connections.clone().acquire_owned().await.ok()
    }

    /// Counts a connection for its peer, unless that is a trusted proxy; `None` where it is one too many.
    pub(super) fn connection(&self, peer: &Peer) -> Option<CountedConnection<'_>> {
        if (self.is_trusted)(peer.address) {
            return Some(CountedConnection { _share: None });
        }
        let share = self.by_peer.take(peer.address).ok();
        if share.is_none() {
            (self.refused)(peer, &PER_ADDRESS);
        }
        share.map(|share| CountedConnection { _share: Some(share) })
    }

    /// Counts a request; behind a trusted proxy, for the client that the proxy tells; `None` where it is one too many.
    pub(super) fn request(&self, peer: &Peer, headers: &HeaderMap) -> Option<CountedRequest<'_>> {
        let proxied = (self.is_trusted)(peer.address);
        let client = proxied.then(|| peer.clone().forwarded(headers, |address| (self.is_trusted)(address)));
        let whose = client.as_ref().unwrap_or(peer);
        let Ok(permit) = self.requests.try_acquire() else {
            (self.refused)(whose, &IN_FLIGHT);
            return None;
        };
        match self.by_client.take(whose.address) {
            Ok(share) => Some(CountedRequest { _permit: permit, _share: share }),
            Err(over) => {
                (self.refused)(whose, if over == Over::Address { &PER_ADDRESS } else { &OF_NETWORK });
                None
            }
        }
    }
}
