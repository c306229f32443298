//! Room for one more login: a share for each service and each network, which shrinks as the table fills, and what the front
//! asks for. Nothing that is alive goes to make room for somebody else.

use super::{Failure, Journey, Login};
use crate::clock::Timestamp;
use crate::event::reasons;
use crate::message::PublicMessage;
use crate::store::{Limit, Over, OwnerRef, Share};

/// Into how many parts the room is divided of which one service may have one.
const SERVICES: usize = 2;

/// Keeps a login for the first time, where there is room.
pub(super) async fn insert(
    cx: &mut Journey<'_>,
    login: &Login,
    expires: Timestamp,
    share: Option<OwnerRef<'_>>,
) -> Result<(), Box<Failure>> {
    let limit = Limit::Shrinking { floor: cx.limits.logins_per_app, divisor: SERVICES };
    let service = OwnerRef::from(("app", login.service.as_str().as_bytes()));
    let networks = cx.networks();
    let owners: Vec<_> = cx
        .shares(&networks)
        .chain([service.within(Share { limit, over: Over::Refuse })])
        .chain(share)
        .collect();
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
