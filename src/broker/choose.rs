//! Which upstream serves a request.

use crate::service::{Service, UpstreamName};

/// The application's default upstream: the first of its list.
pub(super) fn choose(service: &Service) -> Option<&UpstreamName> {
    service.upstreams.first()
}
