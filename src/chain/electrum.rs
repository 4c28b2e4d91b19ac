//! The live watcher: one Electrum server over TCP, watched for ever. This file keeps the connection
//! coming back and answers questions; `electrum/session.rs` is what happens on one connection.
//! Only the files of this module name `electrum_streaming_client`.
//!
//! What it must not do: publish a view or a tip that its own headers do not carry.

mod address;
mod connection;
mod outbox;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bitcoin::{FeeRate, Network, ScriptBuf, Transaction, Txid};
use futures::future::BoxFuture;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

pub use self::address::{BadServerUrl, ServerAddress, is_host_port};
use self::connection::Connection;
use self::outbox::Outbox;
use self::session::Watcher;
use super::fetch;
use super::headers::{Checkpoint, HeaderChain, Tie};
use super::{BroadcastError, ChainAlarm, ChainCache, ChainError, ChainSource, ChainUpdate, TxProof};
use super::{ServerState, ServerStatus, ServerTip};

/// How to reach and treat the server.
#[derive(Clone, Debug)]
pub struct ElectrumConfig {
    /// Host and port, as configured.
    address: String,
    /// The network whose headers are expected.
    pub network: Network,
    /// The block that the chain of headers stands on.
    pub checkpoint: Checkpoint,
    /// Time between pings. electrs asks its node for news whenever it is asked anything, so this is
    /// also how soon a transaction is seen.
    pub ping_interval: Duration,
    /// How long any one answer may take before the connection is given up.
    pub request_timeout: Duration,
    /// First and longest wait before connecting again; it doubles in between.
    pub backoff: (Duration, Duration),
}

impl ElectrumConfig {
    /// The usual settings for a server at `tcp://host:port`, with headers from the shipped checkpoint.
    ///
    /// # Errors
    /// If `url` is anything else.
    pub fn new(url: &str, network: Network) -> Result<Self, BadServerUrl> {
        url.parse::<ServerAddress>()?;
        let address = url.strip_prefix("tcp://").ok_or(BadServerUrl)?.trim_end_matches('/');
        let ping_secs = Duration::from_secs(30);
        let ping_interval = if network == Network::Regtest { Duration::from_millis(100) } else { ping_secs };
        Ok(Self {
            address: address.to_owned(),
            network,
            checkpoint: Checkpoint::shipped(network),
            ping_interval,
            request_timeout: Duration::from_secs(20),
            backoff: (Duration::from_millis(200), Duration::from_secs(10)),
        })
    }

    /// The server's address as a URL, for people.
    pub fn server(&self) -> String {
        format!("tcp://{}", self.address)
    }
}

/// What the handle and the running task share.
struct Shared {
    config: ElectrumConfig,
    cache: Arc<dyn ChainCache>,
    headers: RwLock<HeaderChain>,
    /// The live set; only ever grows.
    scripts: Mutex<BTreeSet<ScriptBuf>>,
    /// Rung when `scripts` grew.
    grew: Notify,
    /// The connection, while there is one that passed the handshake.
    connection: watch::Sender<Option<Connection>>,
}

impl Shared {
    fn connection(&self) -> Option<Connection> {
        self.connection.borrow().clone()
    }

    fn scripts(&self) -> std::sync::MutexGuard<'_, BTreeSet<ScriptBuf>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle of a running watcher. The task behind it ends when the receiver of its updates is
/// dropped, or when it is aborted.
pub struct ElectrumChain {
    shared: Arc<Shared>,
}

impl ElectrumChain {
    /// Starts watching; must be called within a tokio runtime. Never fails: a server that is not
    /// there is told as [`ChainUpdate::Disconnected`] and tried again.
    pub fn start(
        config: ElectrumConfig,
        cache: Arc<dyn ChainCache>,
    ) -> (Arc<Self>, mpsc::Receiver<ChainUpdate>, JoinHandle<()>) {
        let headers = RwLock::new(headers_from(&config, &*cache));
        let shared = Arc::new(Shared {
            config,
            cache,
            headers,
            scripts: Mutex::default(),
            grew: Notify::new(),
            connection: watch::Sender::new(None),
        });
        let (sender, receiver) = mpsc::channel(1);
        let task = tokio::spawn(run(Arc::clone(&shared), sender));
        (Arc::new(Self { shared }), receiver, task)
    }
}

/// The headers in the cache, checked once more; without them, or if they are wrong, none above the checkpoint.
fn headers_from(config: &ElectrumConfig, cache: &dyn ChainCache) -> HeaderChain {
    let mut chain = HeaderChain::new(config.network, config.checkpoint);
    if let Some((from, headers)) = cache.headers()
        && let Err(error) = chain.accept(from, &headers, Tie::TakeTheirs)
    {
        tracing::warn!(%error, "the cached headers are not valid; they are fetched again");
    }
    chain
}

async fn run(shared: Arc<Shared>, updates: mpsc::Sender<ChainUpdate>) {
    let outbox = Arc::new(Outbox::default());
    let forward = outbox.forward(updates.clone());
    tokio::select! {
        () = keep_connected(&shared, &outbox) => {}
        () = forward => {}
        () = updates.closed() => {}
    }
    shared.connection.send_replace(None);
}

async fn keep_connected(shared: &Shared, outbox: &Outbox) {
    let server = shared.config.server();
    let (first, longest) = shared.config.backoff;
    let mut wait = first;
    let mut watcher = Watcher::new(shared, outbox);
    loop {
        let (error, settled) = watcher.session().await;
        shared.connection.send_replace(None);
        // A server that we have to drop for what it says is not asked again at once.
        if settled && error.is_outage() {
            wait = first;
        }
        let reason = error.to_string();
        tracing::warn!(server.address = %server, %reason, wait_ms = wait.as_millis(), "disconnected");
        outbox.push(ChainUpdate::Disconnected { server: server.clone(), reason });
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

impl ChainSource for ElectrumChain {
    fn header(&self, height: u32) -> Option<bitcoin::block::Header> {
        fetch::read(&self.shared.headers).header(height).copied()
    }

    fn block(&self, height: u32) -> Option<(bitcoin::BlockHash, u32)> {
        let headers = fetch::read(&self.shared.headers);
        Some((headers.hash(height)?, headers.mtp_secs(height)?))
    }

    fn watch(&self, scripts: Vec<ScriptBuf>) {
        let mut live = self.shared.scripts();
        let before = live.len();
        live.extend(scripts);
        if live.len() > before {
            self.shared.grew.notify_one();
        }
    }

    fn retire(&self, scripts: Vec<ScriptBuf>) {
        // Kept in the live set: looking at them too often is no harm.
        drop(scripts);
    }

    fn servers(&self) -> Vec<ServerStatus> {
        let connected = self.shared.connection().is_some();
        let headers = fetch::read(&self.shared.headers);
        vec![ServerStatus {
            address: self.shared.config.server(),
            state: if connected { ServerState::Connected } else { ServerState::Connecting { reason: None } },
            tip: connected.then(|| ServerTip { height: headers.height(), hash: headers.tip_hash() }),
            at_best_tip: connected,
            watches: connected,
            subscriptions: if connected { self.shared.scripts().len() } else { 0 },
            last_answer_age_secs: connected.then_some(0),
        }]
    }

    fn alarms(&self) -> Vec<ChainAlarm> {
        if self.shared.connection().is_some() { Vec::new() } else { vec![ChainAlarm::NoServer] }
    }

    fn broadcast(&self, tx: Transaction) -> BoxFuture<'_, Result<Txid, BroadcastError>> {
        Box::pin(async move {
            let connection = self.shared.connection().ok_or(BroadcastError::Offline)?;
            fetch::broadcast(&connection, &tx).await
        })
    }

    fn estimate(&self, target_blocks: u16) -> BoxFuture<'_, Option<FeeRate>> {
        Box::pin(async move { fetch::estimate(&self.shared.connection()?, target_blocks).await })
    }

    fn relay_feerate(&self) -> BoxFuture<'_, Option<FeeRate>> {
        Box::pin(async move { fetch::relay_feerate(&self.shared.connection()?).await })
    }

    fn proof(&self, txid: Txid, height: u32) -> BoxFuture<'_, Result<TxProof, ChainError>> {
        Box::pin(async move {
            let Shared { headers, cache, .. } = &*self.shared;
            // What is cached can be proved offline too.
            if let Some(connection) = self.shared.connection() {
                Ok(fetch::tx_proof(&connection, headers, &**cache, txid, height).await?)
            } else {
                let offline = connection::Nobody;
                fetch::tx_proof(&offline, headers, &**cache, txid, height)
                    .await
                    .map_err(|_| ChainError::Offline)
            }
        })
    }

    fn transaction(&self, txid: Txid) -> BoxFuture<'_, Result<Transaction, ChainError>> {
        Box::pin(async move {
            if let Some(tx) = fetch::cached_transaction(&*self.shared.cache, txid) {
                return Ok(tx);
            }
            let connection = self.shared.connection().ok_or(ChainError::Offline)?;
            Ok(fetch::transaction(&connection, &*self.shared.cache, txid).await?)
        })
    }
}
