//! Room for one more: a share for each network, each service, and each network within a service, which shrinks as the table
//! fills. Nothing that is alive goes to make room for somebody else.

use super::{Failure, Journey, Login};
use crate::clock::Timestamp;
use crate::event::reasons;
use crate::message::PublicMessage;
use crate::peer::Prefix;
use crate::service::ServiceId;
use crate::store::{Limit, Over, OwnerRef, Share};

/// Into how many parts the room is divided of which one service may have one.
const SERVICES: usize = 2;

/// Whom a record counts against: the networks of whoever calls, and the service that it is for.
pub struct Holders {
    networks: Vec<Prefix>,
    /// The floor of a network's share.
    floor: usize,
    service: Option<OfService>,
}

/// A service, and the same networks within it, so that a few of them cannot use up what it may have.
struct OfService {
    id: ServiceId,
    floor: usize,
    networks: Vec<Vec<u8>>,
}

impl Holders {
    /// Whoever calls in `cx`.
    pub fn of(cx: &Journey<'_>) -> Self {
        let peer = cx.trace.peer.as_ref();
        let networks = peer.map(|peer| peer.prefixes(&cx.limits.large_networks)).unwrap_or_default();
        Self { networks, floor: cx.limits.logins_per_address, service: None }
    }

    /// Within the share of `service`, too.
    #[must_use]
    pub fn within(self, service: &ServiceId, floor: usize) -> Self {
        let id = service.as_str().as_bytes();
        let of = |network: &Prefix| [id, &[0], network.address.as_slice()].concat();
        let networks = self.networks.iter().map(of).collect();
        Self { service: Some(OfService { id: service.clone(), floor, networks }), ..self }
    }

    /// As owners of a record, each with its share.
    pub fn owners(&self) -> impl Iterator<Item = OwnerRef<'_>> {
        let refuse = |limit| Share { limit, over: Over::Refuse };
        let networks = self.networks.iter().map(move |network| {
            let limit = Limit::Shrinking { floor: self.floor, divisor: network.divisor };
            OwnerRef::from((network.tag, network.address.as_slice())).within(refuse(limit))
        });
        let service = self.service.iter().flat_map(move |service| {
            let limit = Limit::Shrinking { floor: service.floor, divisor: SERVICES };
            let whole = OwnerRef::from(("app", service.id.as_str().as_bytes())).within(refuse(limit));
            let floor = self.floor.min(service.floor);
            let parts = self.networks.iter().zip(&service.networks).map(move |(network, id)| {
                let limit = Limit::Within { floor, divisor: (network.divisor / 4).max(4) };
                OwnerRef::from((network.tag, id.as_slice())).within(refuse(limit))
            });
            std::iter::once(whole).chain(parts)
        });
        networks.chain(service)
    }
}

/// Keeps a login for the first time, where there is room.
pub(super) async fn insert(
    cx: &mut Journey<'_>,
    login: &Login,
    expires: Timestamp,
    share: Option<OwnerRef<'_>>,
) -> Result<(), Box<Failure>> {
    let holders = Holders::of(cx).within(&login.service, cx.limits.logins_per_app);
    let owners: Vec<_> = holders.owners().chain(share).collect();
    let kept = cx.records.logins.insert_new(login.id.as_bytes(), login, expires, &owners, cx.now()).await;
    let inserted = kept.map_err(|error| {
        let mut failure = Box::<Failure>::from(error);
        failure.app = Some(login.service.clone());
        failure
    })?;
    // Its id is new. A second requirement that keeps it in one request would have to read it first.
    if inserted {
        Ok(())
    } else {
        Err(Failure::new(PublicMessage::Internal, None, reasons::server::INTERNAL))
    }
}
