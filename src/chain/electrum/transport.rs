//! The bytes below a connection: TCP or TLS, straight or through a SOCKS5 proxy that also resolves the name
//! (so .onion works, and nobody else learns where we connect). A certificate is verified against the
//! public authorities, or is exactly the one that is pinned; there is no third way.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bitcoin::hashes::{Hash, sha256};
use bitcoin::hex::FromHex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_socks::tcp::Socks5Stream;

use super::address::ServerAddress;

/// Whose word on a certificate is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The public authorities'.
    Authorities,
    /// Nobody's: the certificate has this SHA-256.
    Pinned([u8; 32]),
}

/// A certificate that cannot be pinned.
#[derive(Debug, thiserror::Error)]
#[error(
    "{setting:?} is neither the SHA-256 fingerprint of a certificate (64 hex digits) nor a PEM file with one: {detail}"
)]
pub struct BadCertificate {
    /// As configured.
    pub setting: String,
    /// Why it is no file.
    pub detail: String,
}

impl Trust {
    /// Reads the setting: 64 hex digits (colons between them are fine), or the path of a PEM file whose first
    /// certificate is the server's.
    ///
    /// # Errors
    /// If it is neither.
    pub fn from_setting(setting: &str) -> Result<Self, BadCertificate> {
        if let Ok(hash) = <[u8; 32]>::from_hex(&setting.replace(':', "")) {
            return Ok(Self::Pinned(hash));
        }
        let certificate = CertificateDer::from_pem_file(Path::new(setting))
            .map_err(|error| BadCertificate { setting: setting.to_owned(), detail: error.to_string() })?;
        Ok(Self::Pinned(fingerprint(&certificate)))
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    sha256::Hash::hash(certificate).to_byte_array()
}

/// Both directions of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects.
pub(super) async fn dial(
    address: &ServerAddress,
    trust: &Trust,
    socks5: Option<&str>,
) -> io::Result<Box<dyn Stream>> {
    let tcp = dial_tcp(address, socks5).await?;
    if !address.is_tls() {
        return Ok(Box::new(tcp));
    }
    let stream = TlsConnector::from(Arc::new(tls(trust)?)).connect(server_name(address)?, tcp).await?;
    Ok(Box::new(stream))
}

/// The name that a certificate is judged by.
pub(super) fn server_name(address: &ServerAddress) -> io::Result<ServerName<'static>> {
    ServerName::try_from(address.host().to_owned()).map_err(io::Error::other)
}

/// Connects, without TLS.
pub(super) async fn dial_tcp(address: &ServerAddress, socks5: Option<&str>) -> io::Result<TcpStream> {
    let (host, port) = (address.host(), address.port());
    let tcp = match socks5 {
        None => TcpStream::connect((host, port)).await?,
        Some(proxy) => {
            let through = Socks5Stream::connect(proxy, (host, port)).await;
            through.map_err(|error| io::Error::other(format!("SOCKS5 proxy {proxy}: {error}")))?.into_inner()
        }
    };
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

pub(super) fn tls(trust: &Trust) -> io::Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(match trust {
        Trust::Authorities => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            config.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Pinned(hash) => config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { hash: *hash, provider }))
            .with_no_client_auth(),
    })
}

/// Takes exactly one certificate, whatever it says of name and dates; the handshake proves that the server
/// has its key.
#[derive(Debug)]
struct Pinned {
    hash: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if fingerprint(certificate) == self.hash {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes every write at once and hands it to a task that writes and flushes: the client below reads and
/// writes in one loop, so a write that waits for the other side would keep it from reading, and both sides
/// could wait for ever. What can be on its way is bounded by the number of questions under way.
pub(super) struct Unblocked(mpsc::UnboundedSender<Vec<u8>>);

impl Unblocked {
    pub(super) fn new(
        mut inner: impl AsyncWrite + Send + Unpin,
    ) -> (Self, impl Future<Output = io::Result<()>> + Send) {
        let (sender, mut queue) = mpsc::unbounded_channel::<Vec<u8>>();
        let write = async move {
            while let Some(mut bytes) = queue.recv().await {
                while let Ok(more) = queue.try_recv() {
                    bytes.extend(more);
                }
                inner.write_all(&bytes).await?;
                inner.flush().await?;
            }
            Ok(())
        };
        (Self(sender), write)
    }
}

impl AsyncWrite for Unblocked {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the connection was closed");
        Poll::Ready(self.0.send(bytes.to_vec()).map(|()| bytes.len()).map_err(|_| gone()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
