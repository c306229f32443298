//! Who may give orders here. There is no login: whoever calls from this machine is the operator, even where the listener is
//! open to others for the sake of health and figures. A page in a browser on this machine is not: whatever a browser
//! sends of a page's own accord names its origin.

use axum::Extension;
use axum::http::{HeaderMap, header};

use crate::peer::Peer;

/// The caller, where the listener told who it is.
pub(super) type Caller = Option<Extension<Peer>>;

/// Why a caller is turned away.
pub(super) type Refused = &'static str;

/// The caller is on this machine.
pub(super) fn from_here(caller: &Caller) -> Result<(), Refused> {
    let here = caller.as_ref().is_some_and(|peer| peer.address.is_loopback());
    if here { Ok(()) } else { Err("only from this machine") }
}

/// The caller is on this machine, and no browser.
pub(super) fn operator(caller: &Caller, headers: &HeaderMap) -> Result<(), Refused> {
    from_here(caller)?;
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Err("not from a browser");
    }
    Ok(())
}
