//! TLS towards clients (RFC 8446, RFC 5246): the handshake under the guard's deadline, and a certificate that can be
//! renewed while the gateway runs. TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, no early data, no client certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::listeners::tls::Acceptor;
use pingora::prelude::timeout;
use pingora::protocols::Stream;
use pingora::protocols::l4::stream::Stream as Plain;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::TlsListener;
use crate::model::Timestamp;

/// Certificate and key cannot be used; the text says which file and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct CertificateError {
    file: PathBuf,
    why: String,
}

/// The TLS side of the gateway.
pub struct Tls {
    settings: TlsListener,
    acceptor: ArcSwap<Acceptor>,
    expires: AtomicI64,
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// [`CertificateError`] when they cannot be read or do not belong together.
    pub fn open(settings: &TlsListener) -> Result<Self, CertificateError> {
        let (config, expires) = load(settings)?;
        Ok(Self {
            settings: settings.clone(),
            acceptor: ArcSwap::from_pointee(Acceptor::from_server_config(config)),
            expires: AtomicI64::new(expires.secs()),
        })
    }

    /// Reads the files again; connections from now on see the new certificate.
    ///
    /// # Errors
    /// [`CertificateError`]; the old certificate stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let (config, expires) = load(&self.settings)?;
        self.acceptor.store(Arc::new(Acceptor::from_server_config(config)));
        self.expires.store(expires.secs(), Ordering::Relaxed);
        Ok(())
    }

    /// When the certificate in use expires.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        Timestamp::from_secs(self.expires.load(Ordering::Relaxed))
    }

    /// The two files.
    #[must_use]
    pub fn files(&self) -> [&Path; 2] {
        [&self.settings.certificate, &self.settings.key]
    }

    /// Whether the connection came to this listener.
    pub(super) fn is_for(&self, stream: &Stream) -> bool {
        let local = || Some(stream.get_socket_digest()?.local_addr()?.as_inet()?.port());
        local() == Some(self.settings.listen.port())
    }

    /// The handshake; `None` when it failed or took longer than `patience`.
    pub(super) async fn accept(&self, stream: Stream, patience: Duration) -> Option<Stream> {
        let plain = stream.into_any().downcast::<Plain>().ok()?;
        let acceptor = self.acceptor.load_full();
        match timeout(patience, acceptor.tls_handshake(*plain)).await {
            Ok(Ok(encrypted)) => Some(Box::new(encrypted)),
            Ok(Err(e)) => {
                tracing::debug!(error = %e, "TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }
}

fn load(settings: &TlsListener) -> Result<(Arc<ServerConfig>, Timestamp), CertificateError> {
    let TlsListener { certificate, key, .. } = settings;
    let fault = |file: &Path, why: &dyn std::fmt::Display| CertificateError {
        file: file.to_owned(),
        why: why.to_string(),
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|e| fault(certificate, &e))?;
    let Some(own) = chain.first() else { return Err(fault(certificate, &"there is no certificate in it")) };
    let expires = expiry(own).ok_or_else(|| fault(certificate, &"the first certificate cannot be read"))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| fault(key, &e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| fault(certificate, &e))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| fault(key, &format!("it does not fit {}: {e}", certificate.display())))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), expires))
}

/// `notAfter` (RFC 5280 section 4.1.2.5).
fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, read) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(Timestamp::from_secs(read.validity().not_after.timestamp()))
}
