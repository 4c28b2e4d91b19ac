//! For commands that ask once and exit (`verify`, `recover`): a blocking client over TCP or TLS,
//! also through a SOCKS5 proxy, with the same checks as the live watcher. The only file that names
//! `electrum_client`. It never waits for news.

use std::sync::RwLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bitcoin::{FeeRate, Network, Script, Transaction, Txid};
use electrum_client::{Client, ConfigBuilder, ElectrumApi, Error, Param, Socks5Config};
use futures::future::BoxFuture;
use serde_json::Value;

use super::cache::MemoryCache;
use super::fetch::{self, FetchError, Rpc, RpcError};
use super::headers::{Checkpoint, HeaderChain, Tie};
use super::{BroadcastError, ChainError, TxProof};
use crate::escrow::facts::{ScriptView, Tip};

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct OneShotConfig {
    /// `tcp://host:port` or `ssl://host:port`; several, parted by commas: the first that can be used.
    pub url: String,
    /// The network whose headers are expected.
    pub network: Network,
    /// The block that the chain of headers stands on.
    pub checkpoint: Checkpoint,
    /// `host:port` of a SOCKS5 proxy (Tor).
    pub socks5: Option<String>,
    /// How long any one answer may take, in whole seconds.
    pub timeout_secs: u8,
}

impl OneShotConfig {
    /// A server at `url`, headers from the shipped checkpoint, 20 s for an answer, no proxy.
    pub fn new(url: &str, network: Network) -> Self {
        let checkpoint = Checkpoint::shipped(network);
        Self { url: url.to_owned(), network, checkpoint, socks5: None, timeout_secs: 20 }
    }
}

/// A server that was asked for its headers once; all answers are judged by these.
pub struct OneShot {
    server: Blocking,
    headers: RwLock<HeaderChain>,
    cache: MemoryCache,
}

impl OneShot {
    /// Connects, and fetches and checks all headers up to the server's tip. Of several servers the first of
    /// which this can be said.
    ///
    /// # Errors
    /// If no server answers, or none has valid headers; what the last one did.
    pub fn connect(config: &OneShotConfig) -> Result<Self, ChainError> {
        let mut failed = ChainError::NoAnswer { reason: "no server is named".to_owned() };
        for url in config.url.split(',').map(str::trim).filter(|url| !url.is_empty()) {
            match Self::connect_to(url, config) {
                Ok(this) => return Ok(this),
                Err(error) => {
                    tracing::debug!(url, %error, "this server cannot be used");
                    failed = error;
                }
            }
        }
        Err(failed)
    }

    fn connect_to(url: &str, config: &OneShotConfig) -> Result<Self, ChainError> {
        if !(url.starts_with("tcp://") || url.starts_with("ssl://")) {
            return Err(ChainError::NoAnswer { reason: format!("{url:?} is neither tcp:// nor ssl://") });
        }
        let settings = ConfigBuilder::new()
            .timeout(Some(Duration::from_secs(config.timeout_secs.max(1).into())))
            .socks5(config.socks5.as_ref().map(Socks5Config::new))
            .build();
        let client = Client::from_config(url, settings)
            .map_err(|error| ChainError::NoAnswer { reason: error.to_string() })?;
        let headers = RwLock::new(HeaderChain::new(config.network, config.checkpoint));
        let this = Self { server: Blocking(client), headers, cache: MemoryCache::default() };
        this.sync_headers()?;
        Ok(this)
    }

    /// Fetches what headers there are beyond ours.
    fn sync_headers(&self) -> Result<(), FetchError> {
        finish(async {
            let announced = fetch::announced_tip(&self.server).await?;
            fetch::sync_headers(&self.server, &self.headers, &self.cache, announced, Tie::TakeTheirs).await
        })
    }

    /// The tip, as of the last time anything was asked. Always there after
    /// [`OneShot::connect`].
    pub fn tip(&self) -> Option<Tip> {
        fetch::read(&self.headers).tip()
    }

    /// Our checked headers.
    pub fn headers(&self) -> HeaderChain {
        fetch::read(&self.headers).clone()
    }

    /// All that is known of a script, proved.
    ///
    /// # Errors
    /// If the server does not answer, or claims a confirmation that it cannot prove.
    pub fn view(&self, script: &Script) -> Result<ScriptView, ChainError> {
        let read = || finish(fetch::read_script(&self.server, &self.headers, &self.cache, script));
        let view = match read() {
            Err(FetchError::Unproved(_) | FetchError::Rpc(RpcError::Refused { .. })) => {
                // A block may have come since the headers were fetched.
                self.sync_headers()?;
                read()
            }
            read => read,
        };
        Ok(view?)
    }

    /// A transaction, mined or not.
    ///
    /// # Errors
    /// If the server does not answer, does not know it, or gives another.
    pub fn transaction(&self, txid: Txid) -> Result<Transaction, ChainError> {
        Ok(finish(fetch::transaction(&self.server, &self.cache, txid))?)
    }

    /// A mined transaction with its proof, checked.
    ///
    /// # Errors
    /// If the server does not answer or does not prove it.
    pub fn proof(&self, txid: Txid, height: u32) -> Result<TxProof, ChainError> {
        Ok(finish(fetch::tx_proof(&self.server, &self.headers, &self.cache, txid, height))?)
    }

    /// Sends a transaction; one that is already known counts as sent.
    ///
    /// # Errors
    /// If it is rejected, or no answer comes.
    pub fn broadcast(&self, tx: &Transaction) -> Result<Txid, BroadcastError> {
        finish(fetch::broadcast(&self.server, tx))
    }

    /// The feerate to confirm within `target_blocks`, if the server can tell.
    pub fn estimate(&self, target_blocks: u16) -> Option<FeeRate> {
        finish(fetch::estimate(&self.server, target_blocks))
    }
}

/// Runs a future all of whose calls block. It is pending only where a combinator yields, so it is
/// polled again at once.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

struct Blocking(Client);

impl Rpc for Blocking {
    fn call(&self, method: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Value, RpcError>> {
        let answer = self.0.raw_call(method, params.iter().map(param)).map_err(|error| match error {
            Error::Protocol(value) => {
                let message = value.get("message").unwrap_or(&value).as_str().map(str::to_owned);
                RpcError::Refused { method, message: message.unwrap_or_else(|| value.to_string()) }
            }
            other => RpcError::Disconnected { reason: other.to_string() },
        });
        Box::pin(std::future::ready(answer))
    }
}

/// Our parameters are numbers and strings only.
fn param(value: &Value) -> Param {
    match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Param::U32(number),
        None => Param::String(value.as_str().unwrap_or_default().to_owned()),
    }
}
