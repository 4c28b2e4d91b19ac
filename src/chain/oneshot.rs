//! For commands that ask once and exit (`verify`, `recover`): a blocking client on the watcher's transport (TCP
//! or TLS, pins, SOCKS5 proxy), with the same checks as the live watcher. The only file that names
//! `electrum_client`. It never waits for news.

use std::sync::{Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bitcoin::{FeeRate, Network, Script, Transaction, Txid};
use electrum_client::raw_client::RawClient;
use electrum_client::{ElectrumApi, Error, Param};
use futures::future::BoxFuture;
use serde_json::Value;

use super::cache::MemoryCache;
use super::electrum::{BadServer, BlockingStream, Reach};
use super::fetch::{self, FetchError, Rpc, RpcError};
use super::headers::{Checkpoint, HeaderChain, Tie};
use super::{BroadcastError, ChainError, TxProof};
use crate::escrow::facts::{ScriptView, Tip};

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct OneShotConfig {
    /// The servers: the first that can be used.
    pub servers: Vec<Reach>,
    /// The network whose headers are expected.
    pub network: Network,
    /// The block that the chain of headers stands on.
    pub checkpoint: Checkpoint,
    /// How long any one answer may take.
    pub timeout: Duration,
}

impl OneShotConfig {
    /// The servers in `urls`, parted by commas, through the proxy if there is one; otherwise as
    /// [`OneShotConfig::at`].
    ///
    /// # Errors
    /// If one cannot be used as it is named.
    pub fn new(urls: &str, socks5: Option<&str>, network: Network) -> Result<Self, BadServer> {
        Ok(Self::at(Reach::each(urls, socks5)?, network))
    }

    /// These servers, headers from the shipped checkpoint, 20 s for an answer.
    pub fn at(servers: Vec<Reach>, network: Network) -> Self {
        let checkpoint = Checkpoint::shipped(network);
        Self { servers, network, checkpoint, timeout: Duration::from_secs(20) }
    }
}

/// A client that blocks, on our own connection.
pub(crate) type BlockingClient = RawClient<BlockingStream>;

/// Connects, and says which versions of the protocol we speak, as must come first.
pub(crate) fn connect(reach: &Reach, timeout: Duration) -> Result<BlockingClient, Error> {
    let client = BlockingClient::from(BlockingStream::dial(reach, timeout)?);
    client.protocol_version()?;
    Ok(client)
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
        for reach in &config.servers {
            match Self::connect_to(reach, config) {
                Ok(this) => return Ok(this),
                Err(error) => {
                    tracing::debug!(url = reach.url(), %error, "this server cannot be used");
                    failed = error;
                }
            }
        }
        Err(failed)
    }

    fn connect_to(reach: &Reach, config: &OneShotConfig) -> Result<Self, ChainError> {
        let client = connect(reach, config.timeout)
            .map_err(|error| ChainError::NoAnswer { reason: error.to_string() })?;
        let server =
            Blocking { reach: reach.clone(), timeout: config.timeout, client: Mutex::new(Some(client)) };
        let headers = RwLock::new(HeaderChain::new(config.network, config.checkpoint));
        let this = Self { server, headers, cache: MemoryCache::default() };
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

/// A server that is connected to again when it went away: `recover --wait` asks for days.
struct Blocking {
    reach: Reach,
    timeout: Duration,
    client: Mutex<Option<BlockingClient>>,
}

impl Blocking {
    fn ask(&self, method: &'static str, params: &[Value]) -> Result<Value, RpcError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = RpcError::TimedOut { method };
        for _ in 0..2 {
            let connected = match client.take() {
                Some(connected) => Ok(connected),
                None => connect(&self.reach, self.timeout),
            };
            let answer = connected.and_then(|connected| {
                let answer = connected.raw_call(method, params.iter().map(param));
                if matches!(answer, Ok(_) | Err(Error::Protocol(_))) {
                    *client = Some(connected);
                }
                answer
            });
            match answer {
                Ok(value) => return Ok(value),
                Err(Error::Protocol(value)) => {
                    let message = value.get("message").unwrap_or(&value).as_str().map(str::to_owned);
                    let message = message.unwrap_or_else(|| value.to_string());
                    return Err(RpcError::Refused { method, message });
                }
                Err(other) => gone = RpcError::Disconnected { reason: other.to_string() },
            }
        }
        Err(gone)
    }
}

impl Rpc for Blocking {
    fn call(&self, method: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Value, RpcError>> {
        Box::pin(std::future::ready(self.ask(method, &params)))
    }
}

/// Our parameters are numbers and strings only.
fn param(value: &Value) -> Param {
    match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Param::U32(number),
        None => Param::String(value.as_str().unwrap_or_default().to_owned()),
    }
}
