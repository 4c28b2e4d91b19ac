//! The live watcher: several Electrum servers that are not trusted, watched for ever. This file holds what
//! they share and answers questions. `server.rs` keeps one connected, `session.rs` is what happens on one
//! connection, `merge.rs` what holds from what all of them say (`linger.rs`: for a moment longer), `pool.rs` who watches and what is
//! published. Only the files of this module name `electrum_streaming_client`.
//!
//! What it must not do: publish a view or a tip that its own headers do not carry.

mod address;
mod blocking;
mod config;
mod connection;
mod drop;
mod fees;
mod linger;
mod merge;
mod outbox;
mod pool;
mod server;
mod session;
mod sweep;
#[cfg(test)]
mod tests;
mod transport;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bitcoin::{FeeRate, ScriptBuf, Transaction, Txid};
use futures::future::BoxFuture;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use self::address::{BadServerUrl, ServerAddress, is_host_port, split_pin};
pub use self::blocking::BlockingStream;
pub use self::config::{BadServer, ElectrumConfig, Reach, ServerConfig};
use self::connection::Connection;
use self::merge::Scripts;
use self::outbox::Outbox;
use self::pool::Published;
use self::server::Server;
pub use self::transport::{BadCertificate, Trust};
use super::fetch;
use super::headers::{HeaderChain, Tie};
use super::{
    BroadcastError, ChainAlarm, ChainCache, ChainError, ChainSource, ChainUpdate, ServerStatus, TxProof,
};

/// What the handle and the running tasks share. Locks are taken in this order: `published`, `scripts`,
/// `headers`, a server's standing; none is held while waiting for a server.
struct Shared {
    config: ElectrumConfig,
    cache: Arc<dyn ChainCache>,
    servers: Vec<Server>,
    published: Mutex<Published>,
    scripts: Mutex<Scripts>,
    headers: RwLock<HeaderChain>,
    /// Scripts that are settled.
    retired: Mutex<BTreeSet<ScriptBuf>>,
    /// Who syncs headers; a courtesy that saves work and spurious failures.
    turn: tokio::sync::Mutex<()>,
    /// Counts changes that every session must look at.
    epoch: watch::Sender<u64>,
    /// Rung when roles or what is published may have to change.
    ring: Notify,
    outbox: Arc<Outbox>,
}

impl Shared {
    fn scripts(&self) -> MutexGuard<'_, Scripts> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retired(&self) -> MutexGuard<'_, BTreeSet<ScriptBuf>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every connection there is; those at the best tip first, or only those.
    fn connections(&self, at_best_only: bool) -> Vec<Connection> {
        let connected = self.servers.iter().filter_map(|server| Some((server, server.connection()?)));
        let (best, others): (Vec<_>, Vec<_>) = connected.partition(|(server, _)| self.at_best_tip(server));
        let others = if at_best_only { Vec::new() } else { others };
        best.into_iter().chain(others).map(|(_, connection)| connection).collect()
    }
}

/// The handle of a running watcher. The tasks behind it end when the receiver of its updates is
/// dropped, or when the task is aborted.
pub struct ElectrumChain {
    shared: Arc<Shared>,
}

impl ElectrumChain {
    /// Starts watching; must be called within a tokio runtime. Never fails: servers that are not
    /// there are told as [`ChainUpdate::Disconnected`] and tried again.
    pub fn start(
        config: ElectrumConfig,
        cache: Arc<dyn ChainCache>,
    ) -> (Arc<Self>, mpsc::Receiver<ChainUpdate>, JoinHandle<()>) {
        let headers = RwLock::new(headers_from(&config, &*cache));
        let shared = Arc::new(Shared {
            servers: config.servers.iter().cloned().map(Server::new).collect(),
            config,
            cache,
            published: Mutex::default(),
            scripts: Mutex::default(),
            headers,
            retired: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            epoch: watch::Sender::new(0),
            ring: Notify::new(),
            outbox: Arc::default(),
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
    // Dropped, and with it all connections, when this task ends or is aborted.
    let mut tasks = JoinSet::new();
    for id in 0..shared.servers.len() {
        tasks.spawn(server::keep(Arc::clone(&shared), id));
    }
    tasks.spawn(pool::run(Arc::clone(&shared)));
    tasks.spawn(sweep::run(Arc::clone(&shared)));
    let forward = shared.outbox.forward(updates.clone());
    tokio::select! {
        () = forward => {}
        () = updates.closed() => {}
    }
    shared.servers.iter().for_each(|server| {
        server.connection.send_replace(None);
    });
}

/// The first good answer of several servers, asked one after the other; else the last error.
macro_rules! first_good {
    ($shared:expr, $server:ident => $question:expr) => {{
        let mut answer = Err(ChainError::Offline);
        for $server in $shared.connections(false) {
            answer = $question.await.map_err(ChainError::from);
            if answer.is_ok() {
                break;
            }
        }
        answer
    }};
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
        {
            let mut retired = self.shared.retired();
            scripts.iter().for_each(|script| {
                retired.remove(script);
            });
        }
        if self.shared.scripts().add(scripts) {
            self.shared.look_again();
        }
    }

    fn retire(&self, scripts: Vec<ScriptBuf>) {
        {
            let mut live = self.shared.scripts();
            scripts.iter().for_each(|script| live.remove(script));
        }
        self.shared.retired().extend(scripts);
        self.shared.look_again();
    }

    fn servers(&self) -> Vec<ServerStatus> {
        self.shared.statuses()
    }

    fn alarms(&self) -> Vec<ChainAlarm> {
        self.shared.alarms()
    }

    fn broadcast(&self, tx: Transaction) -> BoxFuture<'_, Result<Txid, BroadcastError>> {
        Box::pin(async move {
            let servers = self.shared.connections(false);
            if servers.is_empty() {
                return Err(BroadcastError::Offline);
            }
            let (sender, mut answers) = mpsc::channel(servers.len());
            let tx = Arc::new(tx);
            for server in servers {
                let (tx, sender) = (Arc::clone(&tx), sender.clone());
                // The others are told as well when one has taken it, also if nobody waits any more.
                tokio::spawn(async move {
                    let _ = sender.send(fetch::broadcast(&server, &tx).await).await;
                });
            }
            drop(sender);
            let mut failed = BroadcastError::TimedOut;
            while let Some(answer) = answers.recv().await {
                match answer {
                    Ok(txid) => return Ok(txid),
                    // A node's words say more than silence.
                    Err(error @ BroadcastError::Rejected { .. }) => failed = error,
                    Err(BroadcastError::TimedOut | BroadcastError::Offline) => {}
                }
            }
            Err(failed)
        })
    }

    fn estimate(&self, target_blocks: u16) -> BoxFuture<'_, Option<FeeRate>> {
        Box::pin(async move { fees::estimate(&self.shared.connections(false), target_blocks).await })
    }

    fn relay_feerate(&self) -> BoxFuture<'_, Option<FeeRate>> {
        Box::pin(async move { fees::relay(&self.shared.connections(false)).await })
    }

    fn proof(&self, txid: Txid, height: u32) -> BoxFuture<'_, Result<TxProof, ChainError>> {
        Box::pin(async move {
            let Shared { headers, cache, .. } = &*self.shared;
            // What is cached can be proved offline too.
            let offline = fetch::tx_proof(&connection::Nobody, headers, &**cache, txid, height).await;
            if let Ok(proof) = offline {
                return Ok(proof);
            }
            first_good!(self.shared, server => fetch::tx_proof(&server, headers, &**cache, txid, height))
        })
    }

    fn transaction(&self, txid: Txid) -> BoxFuture<'_, Result<Transaction, ChainError>> {
        Box::pin(async move {
            if let Some(tx) = fetch::cached_transaction(&*self.shared.cache, txid) {
                return Ok(tx);
            }
            first_good!(self.shared, server => fetch::transaction(&server, &*self.shared.cache, txid))
        })
    }
}
