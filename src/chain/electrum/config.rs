//! How servers are reached and used: addresses, and every interval and limit with its usual value.

use std::str::FromStr;
use std::time::Duration;

use bitcoin::Network;

use super::address::{BadServerUrl, ServerAddress, split_pin};
use super::transport::{BadCertificate, Trust};
use crate::chain::headers::Checkpoint;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where it is.
    pub address: ServerAddress,
    /// For `ssl://`: whose word on its certificate is taken.
    pub trust: Trust,
}

/// A server that cannot be used as it is named.
#[derive(Debug, thiserror::Error)]
pub enum BadServer {
    /// Its address.
    #[error(transparent)]
    Url(#[from] BadServerUrl),
    /// The certificate behind the `#`.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// A certificate where none is shown.
    #[error("a certificate goes with ssl:// only")]
    PinWithoutTls,
}

/// `tcp://host:port`, `ssl://host:port`, or `ssl://host:port#CERTIFICATE`, which is the SHA-256 fingerprint of
/// the certificate or a PEM file with it.
impl FromStr for ServerConfig {
    type Err = BadServer;

    fn from_str(text: &str) -> Result<Self, BadServer> {
        let (url, pin) = split_pin(text);
        let address: ServerAddress = url.parse()?;
        let trust = match pin {
            None => Trust::Authorities,
            Some(_) if !address.is_tls() => return Err(BadServer::PinWithoutTls),
            Some(certificate) => Trust::from_setting(certificate)?,
        };
        Ok(Self { address, trust })
    }
}

/// One server and the way to it, for those who ask and wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The server.
    pub server: ServerConfig,
    /// SOCKS5 proxy that it is reached through, `host:port`.
    pub socks5: Option<String>,
}

impl Reach {
    /// Each of the servers named in `text`, parted by commas, through the proxy if there is one.
    ///
    /// # Errors
    /// If one cannot be used as it is named.
    pub fn each(text: &str, socks5: Option<&str>) -> Result<Vec<Self>, BadServer> {
        let named = text.split(',').map(str::trim).filter(|server| !server.is_empty());
        let reach = |server: &str| Ok(Self { server: server.parse()?, socks5: socks5.map(str::to_owned) });
        named.map(reach).collect()
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.server.address.to_string()
    }
}

/// How to reach and treat the servers.
#[derive(Clone, Debug)]
pub struct ElectrumConfig {
    /// The servers, the preferred first.
    pub servers: Vec<ServerConfig>,
    /// SOCKS5 proxy that all of them are reached through, `host:port`.
    pub socks5: Option<String>,
    /// The network whose headers are expected.
    pub network: Network,
    /// The block that the chain of headers stands on.
    pub checkpoint: Checkpoint,
    /// On how many servers scripts are watched at once.
    pub watch_on: usize,
    /// Time between pings. electrs asks its node for news whenever it is asked anything, so this is
    /// also how soon a transaction is seen.
    pub ping_interval: Duration,
    /// How long connecting, or any one answer, may take before the connection is given up.
    pub request_timeout: Duration,
    /// First and longest wait before connecting again; it doubles in between.
    pub backoff: (Duration, Duration),
    /// First and longest time for which a server that broke a rule is not asked; it doubles in between.
    pub dropped: (Duration, Duration),
    /// Wait before what did not fit together is asked for again; it grows with each try.
    pub retry: Duration,
    /// How long the others wait for a server that is slower, or a block behind.
    pub patience: Duration,
    /// How long what is listed no more, and in no block, is still shown: servers leave a transaction out of their
    /// mempool a moment before they have the block that it is mined in.
    pub linger: Duration,
    /// How long servers may be on different chains before it is told.
    pub fork_grace: Duration,
    /// How old the best block may be before it is told; `None`: blocks come when somebody wants one.
    pub stale_after: Option<Duration>,
    /// Within which time every settled script is looked at once.
    pub sweep: Duration,
}

impl ElectrumConfig {
    /// The usual settings for one server, without a pin, with headers from the shipped checkpoint.
    ///
    /// # Errors
    /// If `url` is neither `tcp://host:port` nor `ssl://host:port`.
    pub fn new(url: &str, network: Network) -> Result<Self, BadServerUrl> {
        let server = ServerConfig { address: url.parse()?, trust: Trust::Authorities };
        Ok(Self::with_servers(vec![server], network))
    }

    /// The usual settings for these servers.
    pub fn with_servers(servers: Vec<ServerConfig>, network: Network) -> Self {
        let regtest = network == Network::Regtest;
        let pick = |on_regtest_ms, secs| {
            if regtest { Duration::from_millis(on_regtest_ms) } else { Duration::from_secs(secs) }
        };
        Self {
            servers,
            socks5: None,
            network,
            checkpoint: Checkpoint::shipped(network),
            watch_on: 2,
            ping_interval: pick(100, 30),
            request_timeout: Duration::from_secs(20),
            backoff: (Duration::from_millis(200), Duration::from_secs(10)),
            dropped: (pick(5_000, 10 * 60), pick(60_000, 24 * 60 * 60)),
            retry: pick(100, 1),
            patience: pick(500, 3),
            linger: pick(3_000, 10),
            fork_grace: pick(3_000, 30 * 60),
            stale_after: (!regtest).then_some(Duration::from_secs(3 * 60 * 60)),
            sweep: pick(20_000, 24 * 60 * 60),
        }
    }
}
