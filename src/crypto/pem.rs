//! Private keys as operators bring them: one PKCS#8 key in PEM (RFC 7468, section 10; RFC 5958).

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

/// The text holds no PKCS#8 key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no PKCS#8 private key in PEM (`-----BEGIN PRIVATE KEY-----`)")]
pub struct NotPkcs8;

/// The key in `text`, as DER; erased when dropped.
pub fn pkcs8(text: &str) -> Result<PrivatePkcs8KeyDer<'static>, NotPkcs8> {
    PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| NotPkcs8)
}
