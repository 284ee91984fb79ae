//! TLS on the webhook port: version 1.2 and later, only HTTP/1.1 by ALPN, and a certificate that can be replaced while connections go on.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio_rustls::{
    Accept, TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// The server's side of TLS.
pub struct ServerTls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

impl ServerTls {
    /// Returns a server that shows this certificate.
    pub fn new(certified: Arc<CertifiedKey>) -> Result<Self, rustls::Error> {
        let shown = Arc::new(Shown(ArcSwap::new(certified)));
        // TLS sessions can be resumed after a change of the certificate, because the rest of this configuration stays.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown })
    }

    /// Shows another certificate from the next handshake on.
    pub fn show(&self, certified: Arc<CertifiedKey>) {
        self.shown.0.store(certified);
    }

    pub(super) fn accept(&self, stream: TcpStream) -> Accept<TcpStream> {
        self.acceptor.accept(stream)
    }
}

/// The current certificate; every server name that a peer asks for gets it.
struct Shown(ArcSwap<CertifiedKey>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
