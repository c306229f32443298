//! What faults put on the wire, a file for each stage of the exchange.

mod gzip;
pub(super) mod id_token;
pub(super) mod metadata;
pub(super) mod response;
pub(super) mod transport;
pub(super) mod userinfo;

/// Another issuer than any here.
const STRANGER: &str = "https://another-issuer.example";
