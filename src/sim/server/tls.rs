//! Accepts TLS connections for the server. Handshakes run beside each other, so that a client that opens
//! a connection and says nothing holds up nobody.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::TlsIdentity;

/// Handshakes under way at the same time; more wait in the backlog of the socket.
const HANDSHAKES_MAX: usize = 64;

/// A handshake that takes longer is given up.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

type Handshake = Option<(TlsStream<TcpStream>, SocketAddr)>;

/// A listener whose connections have their handshake behind them.
pub(super) struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Handshake>,
}

impl TlsListener {
    pub(super) fn new(listener: TcpListener, identity: &TlsIdentity) -> io::Result<Self> {
        let unusable = |error: String| io::Error::new(io::ErrorKind::InvalidInput, error);
        let chain = CertificateDer::pem_slice_iter(&identity.cert_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unusable(format!("the certificate is unusable: {error}")))?;
        let key = PrivateKeyDer::from_pem_slice(&identity.key_pem)
            .map_err(|error| unusable(format!("the private key is unusable: {error}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| unusable(format!("the certificate and key are unusable: {error}")))?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { listener, acceptor, handshakes: JoinSet::new() })
    }

    fn begin(&mut self, stream: TcpStream, address: SocketAddr) {
        let accepting = self.acceptor.accept(stream);
        self.handshakes.spawn(async move {
            let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting).await.ok()?.ok()?;
            Some((stream, address))
        });
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                // axum's own accept deals with errors of the socket, such as too many open files.
                (stream, address) = axum::serve::Listener::accept(&mut self.listener),
                    if self.handshakes.len() < HANDSHAKES_MAX => self.begin(stream, address),
                Some(finished) = self.handshakes.join_next() => {
                    // A failed handshake is the client's affair.
                    if let Ok(Some(ready)) = finished {
                        return ready;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
