//! TLS with a pinned certificate, and SOCKS5, before the scripted server.

use std::sync::atomic::{AtomicUsize, Ordering};

use bitcoin::hashes::{Hash, sha256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");

/// A port that speaks TLS and passes everything on to `server`.
async fn with_tls(server: &Server) -> u16 {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, to) = (listener.local_addr().unwrap().port(), server.address);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut inner) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut inner, &mut server).await;
            });
        }
    });
    port
}

fn at(port: u16, trust: Trust) -> ElectrumConfig {
    let address = format!("ssl://127.0.0.1:{port}").parse().unwrap();
    let mut config = ElectrumConfig::with_servers(vec![ServerConfig { address, trust }], Network::Regtest);
    config.backoff = (Duration::from_millis(10), Duration::from_millis(50));
    config
}

#[tokio::test]
async fn a_pinned_certificate_is_taken_and_no_other() {
    let server = Server::start(12).await;
    let port = with_tls(&server).await;
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let fingerprint = sha256::Hash::hash(&certificate).to_string();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/chain/electrum/tests/tls/certificate.pem");
    for setting in [fingerprint.to_uppercase().as_str(), file] {
        let trust = Trust::from_setting(setting).unwrap();
        let mut client = Client::at(at(port, trust), &[script(1)], Arc::default());
        client.until("first", |c| c.height() == Some(12) && c.views.len() == 1).await;
        server.change(|m| m.mempool.push(pay(1, &script(1), 5)));
        client.until("live", |c| c.deposits(&script(1)) == [(5, None)]).await;
        server.change(|m| m.mempool.clear());
    }
    for trust in [Trust::Pinned([0; 32]), Trust::Authorities] {
        let mut client = Client::at(at(port, trust), &[script(1)], Arc::default());
        client.until("refused", |c| c.reasons.iter().any(|r| r.contains("certificate"))).await;
        assert_eq!(client.connected, 0);
    }
    assert!(Trust::from_setting("no/such/file").is_err() && Trust::from_setting("00").is_err());
}

#[tokio::test]
async fn names_are_resolved_by_the_proxy() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let server = Server::start(12).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (proxy, to) = (listener.local_addr().unwrap(), server.address);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut greeting = [0; 2];
                stream.read_exact(&mut greeting).await.unwrap();
                let mut methods = vec![0; usize::from(greeting[1])];
                stream.read_exact(&mut methods).await.unwrap();
                stream.write_all(&[5, 0]).await.unwrap();
                // Version, connect, reserved, a domain name, its length.
                let mut head = [0; 5];
                stream.read_exact(&mut head).await.unwrap();
                assert_eq!(head[..4], [5, 1, 0, 3], "by name");
                let mut name = vec![0; usize::from(head[4]) + 2];
                stream.read_exact(&mut name).await.unwrap();
                assert_eq!(&name[..name.len() - 2], b"hidden.onion");
                ASKED.fetch_add(1, Ordering::Relaxed);
                stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    let mut config = ElectrumConfig::new("tcp://hidden.onion:50001", Network::Regtest).unwrap();
    config.socks5 = Some(proxy.to_string());
    let mut client = Client::at(config, &[script(1)], Arc::default());
    client.until("first", |c| c.height() == Some(12)).await;
    assert!(ASKED.load(Ordering::Relaxed) > 0);
}
