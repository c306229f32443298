//! A listener's TLS: 1.2 and 1.3, the forward-secret AEAD suites of rustls (RFC 9325), and a certificate that may be
//! renewed while it serves.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificate and key of one listener.
pub struct Certificate(ArcSwap<CertifiedKey>);

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum BadTls {
    /// The certificate file.
    #[error("the certificate file holds no PEM certificate")]
    Certificate,
    /// The key file.
    #[error("the key file holds no PEM private key")]
    Key,
    /// Both read, but do not fit.
    #[error("certificate and key do not fit")]
    Mismatch(#[source] rustls::Error),
}

impl Certificate {
    /// Of a chain and a key in PEM.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Arc<Self>, BadTls> {
        Ok(Arc::new(Self(ArcSwap::new(read(chain, key)?))))
    }

    /// Serves another from the next handshake on; returns what puts it in force, so that several listeners change
    /// together or not at all.
    pub fn renewal(self: &Arc<Self>, chain: &[u8], key: &[u8]) -> Result<impl FnOnce() + use<>, BadTls> {
        let (held, renewed) = (Arc::clone(self), read(chain, key)?);
        Ok(move || held.0.store(renewed))
    }

    /// What a listener serves it by.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<rustls::ServerConfig>, BadTls> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(BadTls::Mismatch)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn read(chain: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, BadTls> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(BadTls::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadTls::Key)?;
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new).map_err(BadTls::Mismatch)
}
