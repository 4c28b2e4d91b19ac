//! What to ask an Electrum server for, and in which order: headers up to its tip, one script's
//! history with all its proofs, a broadcast. Written once over [`Rpc`], for the live watcher
//! (asynchronous) and the one-shot client (blocking). Holds no connection and no state of its own.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bitcoin::block::Header;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{BlockHash, FeeRate, Script, Transaction, Txid};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::cache::{ChainCache, ProvedTransaction};
use super::headers::{Accepted, HeaderChain, HeaderError, Tie};
use super::merkle::MerkleProof;
use super::reconcile::{self, ReconcileError};
use super::wire::{self, Malformed};
use super::{BroadcastError, ChainError, TxProof};
use crate::escrow::facts::{Confirmation, Deposit, ScriptView, Spend};

/// Headers asked for at once: what servers grant.
const HEADERS_AT_ONCE: u32 = 2016;
/// A reorg longer than this is refused: nothing bounds what a server could make us hold.
const MAX_BRANCH: u32 = 100_000;
/// Questions under way at once for one script.
const PARALLEL: usize = 16;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// The connection is gone.
    #[error("disconnected: {reason}")]
    Disconnected {
        /// What happened.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer to {method} in time")]
    TimedOut {
        /// The method that was called.
        method: &'static str,
    },
    /// What came is no answer at all.
    #[error("the server does not keep to the protocol: {reason}")]
    Garbled {
        /// What came.
        reason: String,
    },
    /// The server answered with an error.
    #[error("{method} was refused: {message}")]
    Refused {
        /// The method that was called.
        method: &'static str,
        /// Its words.
        message: String,
    },
}

/// One server, asked one thing at a time.
pub trait Rpc: Sync {
    /// Calls a method of the Electrum protocol.
    fn call(&self, method: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Value, RpcError>>;
}

/// Why something could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The call failed.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The answer breaks the protocol.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The server's headers break the network's rules.
    #[error("invalid header: {0}")]
    Header(#[from] HeaderError),
    /// What the server says of a script is not proved.
    #[error(transparent)]
    Unproved(#[from] ReconcileError),
    /// The server serves another chain than the one the checkpoint is in.
    #[error("the server's block {height} is {theirs}, but {ours} is pinned there: another network?")]
    NotOurChain {
        /// Height of the checkpoint, or of the highest pinned block we hold.
        height: u32,
        /// The server's block there.
        theirs: BlockHash,
        /// Ours.
        ours: BlockHash,
    },
    /// The server's chain ends below a block that is known to exist.
    #[error(
        "the server's chain ends at height {theirs}, below the block pinned at {pinned}: it is not synced yet, \
         or of another network"
    )]
    BelowPin {
        /// Height of its tip.
        theirs: u32,
        /// Height of the pinned block.
        pinned: u32,
    },
    /// The server's chain has less work than the one we know.
    #[error("the server's chain (height {theirs}) has less work than ours (height {ours})")]
    Behind {
        /// Height of its tip.
        theirs: u32,
        /// Height of ours.
        ours: u32,
    },
    /// The server gave fewer headers than it announced.
    #[error("the server announced height {announced} but has no header {missing}")]
    MissingHeaders {
        /// Height of its tip.
        announced: u32,
        /// The first header it did not give.
        missing: u32,
    },
    /// The server's branch is too long to be a reorg.
    #[error("the server's chain leaves ours {depth} blocks below its tip")]
    BranchTooLong {
        /// Blocks from the fork to its tip.
        depth: u32,
    },
}

/// Reads a lock whose holders never panic half way (they replace whole values).
pub fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for the server's tip (which also subscribes to it).
pub async fn announced_tip(rpc: &impl Rpc) -> Result<(u32, Header), FetchError> {
    Ok(wire::tip(&rpc.call("blockchain.headers.subscribe", vec![]).await?)?)
}

/// Brings `chain` to the tip that the server announced, walking back to where the two part. A chain that
/// holds nothing yet first takes the headers that lead to its checkpoint. New headers go to `cache`. The lock
/// is never held while waiting. `tie` says which of two branches of equal work to follow.
///
/// # Errors
/// An invalid header, another chain, or one with less work: the server is no use then.
pub async fn sync_headers(
    rpc: &impl Rpc,
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    announced: (u32, Header),
    tie: Tie,
) -> Result<(), FetchError> {
    anchor(rpc, chain, cache, announced.0).await?;
    follow(rpc, chain, cache, announced, tie).await?;
    match read(chain).missing_pin() {
        Some(pin) => Err(FetchError::BelowPin { theirs: announced.0, pinned: pin.height }),
        None => Ok(()),
    }
}

/// Fetches the headers from the chain's base to its checkpoint, unless they are there.
async fn anchor(
    rpc: &impl Rpc,
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    announced: u32,
) -> Result<(), FetchError> {
    let (anchored, base, checkpoint) = {
        let chain = read(chain);
        (chain.is_anchored(), chain.base_height(), chain.checkpoint())
    };
    if anchored {
        return Ok(());
    }
    if announced < checkpoint.height {
        return Err(FetchError::BelowPin { theirs: announced, pinned: checkpoint.height });
    }
    // One question tells whether it is worth asking for thousands of headers.
    let theirs = hash_at(rpc, checkpoint.height).await?;
    if theirs != checkpoint.hash {
        return Err(FetchError::NotOurChain { height: checkpoint.height, theirs, ours: checkpoint.hash });
    }
    let mut headers = Vec::new();
    let mut at = base;
    while at <= checkpoint.height {
        let more = headers_at(rpc, at, checkpoint.height, announced).await?;
        at = at.saturating_add(u32::try_from(more.len()).unwrap_or(u32::MAX));
        headers.extend(more);
    }
    accept(chain, cache, base, &headers, Tie::KeepOurs).map(|_| ())
}

async fn follow(
    rpc: &impl Rpc,
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    announced: (u32, Header),
    tie: Tie,
) -> Result<(), FetchError> {
    let (height, header) = announced;
    let (ours, known, next) = {
        let chain = read(chain);
        (
            chain.height(),
            chain.hash(height) == Some(header.block_hash()),
            chain.tip_hash() == header.prev_blockhash,
        )
    };
    if known {
        // Ours may be longer: a server that lags, or went back without a longer chain.
        return if height < ours { Err(FetchError::Behind { theirs: height, ours }) } else { Ok(()) };
    }
    if next && height == ours + 1 {
        return match accept(chain, cache, height, &[header], tie)? {
            Accepted::LessWork { .. } => Err(FetchError::Behind { theirs: height, ours }),
            _ => Ok(()),
        };
    }
    let common = find_common(rpc, chain, height).await?;
    let extending = common == ours;
    if !extending && height - common > MAX_BRANCH {
        return Err(FetchError::BranchTooLong { depth: height - common });
    }
    let (mut from, mut branch) = (common + 1, Vec::new());
    let mut outcome = Accepted::Nothing;
    let mut at = from;
    while at <= height {
        let headers = headers_at(rpc, at, height, height).await?;
        at = at.saturating_add(u32::try_from(headers.len()).unwrap_or(u32::MAX));
        branch.extend(headers);
        // On top of our tip they can be taken as they come; a branch counts only as a whole.
        if extending || at > height {
            outcome = accept(chain, cache, from, &branch, tie)?;
            branch.clear();
            from = at;
        }
    }
    match outcome {
        Accepted::LessWork { .. } => Err(FetchError::Behind { theirs: height, ours }),
        _ => Ok(()),
    }
}

/// Some headers from `at` on, at least one and none above `last`.
async fn headers_at(rpc: &impl Rpc, at: u32, last: u32, announced: u32) -> Result<Vec<Header>, FetchError> {
    let count = HEADERS_AT_ONCE.min(last - at + 1);
    let answer = rpc.call("blockchain.block.headers", vec![json!(at), json!(count)]).await?;
    let headers = wire::block_headers(&answer, count as usize)?;
    if headers.is_empty() { Err(FetchError::MissingHeaders { announced, missing: at }) } else { Ok(headers) }
}

async fn hash_at(rpc: &impl Rpc, height: u32) -> Result<BlockHash, FetchError> {
    let answer = rpc.call("blockchain.block.header", vec![json!(height)]).await?;
    Ok(wire::block_header(&answer)?.block_hash())
}

fn accept(
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    from: u32,
    headers: &[Header],
    tie: Tie,
) -> Result<Accepted, FetchError> {
    // Chain and cache change together, or two servers' headers could leave a gap in the cache.
    let mut chain = write(chain);
    let accepted = chain.accept(from, headers, tie)?;
    if matches!(accepted, Accepted::Extended | Accepted::Reorganised { .. }) {
        cache.put_headers(from, headers);
    }
    Ok(accepted)
}

/// The highest block found that both chains share: steps double, so a long fork takes few questions.
async fn find_common(rpc: &impl Rpc, chain: &RwLock<HeaderChain>, theirs: u32) -> Result<u32, FetchError> {
    let (floor, ours) = {
        let chain = read(chain);
        (chain.floor_height(), chain.height())
    };
    if theirs < floor {
        return Err(FetchError::Behind { theirs, ours });
    }
    let (mut at, mut step) = (ours.min(theirs), 1u32);
    loop {
        let hash = hash_at(rpc, at).await?;
        let known = read(chain).hash(at);
        if known == Some(hash) {
            return Ok(at);
        }
        if at == floor {
            let ours = known.unwrap_or_else(|| read(chain).checkpoint().hash);
            return Err(FetchError::NotOurChain { height: floor, theirs: hash, ours });
        }
        at = at.saturating_sub(step).max(floor);
        step = step.saturating_mul(2);
    }
}

/// Reads one script's history and everything it takes to believe it.
///
/// # Errors
/// [`FetchError::Unproved`] when a confirmation that is claimed is not proved under `chain`: maybe
/// only because the server is a block ahead, so the caller syncs headers and tries again.
pub async fn read_script(
    rpc: &impl Rpc,
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    script: &Script,
) -> Result<ScriptView, FetchError> {
    let method = "blockchain.scripthash.get_history";
    let answer = rpc.call(method, vec![json!(wire::script_hash(script))]).await?;
    let history = wire::history(&answer)?;
    let claims = reconcile::claimed_heights(&history);
    let (mut transactions, mut proofs) = (HashMap::new(), HashMap::new());
    for (txid, tx, proof) in gather(rpc, chain, cache, claims).await? {
        transactions.insert(txid, tx);
        proofs.extend(proof.map(|proof| (txid, proof)));
    }
    Ok(reconcile::reconcile(script, &history, &transactions, &proofs, &read(chain), None)?)
}

/// The transactions of a history, each with a proof of one of the heights claimed for it.
async fn gather(
    rpc: &impl Rpc,
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    claims: impl IntoIterator<Item = (Txid, Vec<u32>)>,
) -> Result<Vec<(Txid, Transaction, Option<MerkleProof>)>, FetchError> {
    let parts: Vec<BoxFuture<'_, _>> = claims
        .into_iter()
        .map(|(txid, heights)| {
            async move {
                let tx = transaction(rpc, cache, txid).await?;
                reconcile::check_money(txid, &tx)?;
                let proof = prove(rpc, chain, cache, txid, &tx, &heights).await?;
                Ok::<_, FetchError>((txid, tx, proof))
            }
            .boxed()
        })
        .collect();
    futures::stream::iter(parts).buffer_unordered(PARALLEL).try_collect().await
}

/// One server's history of a script, with every confirmation in it proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The status that a history like this has.
    pub status: Option<[u8; 32]>,
    /// Whether that status is the only one it can have: the order of two in the mempool is not laid down.
    pub exact: bool,
    /// What is mined, with its proof.
    pub mined: HashMap<Txid, (Transaction, MerkleProof)>,
    /// What is said to be in the mempool; of very many, some.
    pub unconfirmed: HashMap<Txid, Transaction>,
}

/// Unconfirmed transactions taken from one history. Anybody can make up more; they count for nothing.
const MAX_UNCONFIRMED: usize = 500;

/// Reads one script's history and everything it takes to believe it, for comparing several servers.
///
/// # Errors
/// As [`read_script`].
pub async fn hear_script(
    rpc: &impl Rpc,
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    script: &Script,
) -> Result<Heard, FetchError> {
    let method = "blockchain.scripthash.get_history";
    let answer = rpc.call(method, vec![json!(wire::script_hash(script))]).await?;
    let (history, status) = wire::history_with_status(&answer)?;
    let exact = history.iter().filter(|entry| entry.height == 0).count() < 2;
    let mut open = 0;
    let claims = reconcile::claimed_heights(&history).into_iter().filter(|(_, heights)| {
        open += usize::from(heights.is_empty());
        !heights.is_empty() || open <= MAX_UNCONFIRMED
    });
    let mut heard = Heard { status, exact, mined: HashMap::new(), unconfirmed: HashMap::new() };
    for part in gather(rpc, chain, cache, claims).await? {
        match part {
            (txid, tx, Some(proof)) => {
                heard.mined.insert(txid, (tx, proof));
            }
            // A coinbase is in a block or nowhere: without one (after a reorg) it does not exist.
            (txid, tx, None) if !tx.is_coinbase() => {
                heard.unconfirmed.insert(txid, tx);
            }
            (_, _, None) => {}
        }
    }
    Ok(heard)
}

/// Whether a view from the cache still holds: all of it that is mined is proved under `chain` by
/// transactions and proofs that the cache has.
pub fn still_proved(
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    script: &Script,
    view: &ScriptView,
) -> bool {
    let chain = read(chain);
    let mined = |txid: Txid, confirmation: Confirmation| {
        let ProvedTransaction { transaction, proof } = cache.proof(txid)?;
        let proved = transaction.compute_txid() == txid
            && reconcile::check_proof(txid, &transaction, &proof, &chain) == Ok(confirmation);
        proved.then_some(transaction)
    };
    let pays = |deposit: &Deposit, tx: &Transaction| {
        let output = tx.output.get(deposit.outpoint.vout as usize);
        output.is_some_and(|o| o.value == deposit.amount && o.script_pubkey.as_script() == script)
            && deposit.coinbase == tx.is_coinbase()
    };
    let spends = |spend: &Spend, tx: &Transaction| {
        tx.input.get(spend.vin as usize).is_some_and(|input| input.previous_output == spend.prevout)
    };
    let deposits = view.deposits.iter().filter_map(|d| Some((d, d.confirmation?)));
    let spent = view.spends.iter().filter_map(|s| Some((s, s.confirmation?)));
    deposits.into_iter().all(|(d, c)| mined(d.outpoint.txid, c).is_some_and(|tx| pays(d, &tx)))
        && spent.into_iter().all(|(s, c)| mined(s.txid, c).is_some_and(|tx| spends(s, &tx)))
}

/// A transaction, from the cache or the server; its txid is recomputed either way.
pub async fn transaction(
    rpc: &impl Rpc,
    cache: &dyn ChainCache,
    txid: Txid,
) -> Result<Transaction, FetchError> {
    if let Some(tx) = cached_transaction(cache, txid) {
        return Ok(tx);
    }
    let answer = rpc.call("blockchain.transaction.get", vec![json!(txid.to_string())]).await?;
    let tx = wire::transaction(&answer, txid)?;
    cache.put_transaction(txid, &tx);
    Ok(tx)
}

/// A transaction from the cache, its txid recomputed.
pub fn cached_transaction(cache: &dyn ChainCache, txid: Txid) -> Option<Transaction> {
    let proved = || cache.proof(txid).map(|proved| proved.transaction);
    cache.transaction(txid).or_else(proved).filter(|tx| tx.compute_txid() == txid)
}

/// A proof for one of the heights claimed; `None` when none is claimed (mempool).
async fn prove(
    rpc: &impl Rpc,
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    txid: Txid,
    tx: &Transaction,
    heights: &[u32],
) -> Result<Option<MerkleProof>, FetchError> {
    let cached = cache.proof(txid).map(|proved| proved.proof).filter(|p| heights.contains(&p.height));
    if let Some(proof) = cached
        && reconcile::check_proof(txid, tx, &proof, &read(chain)).is_ok()
    {
        return Ok(Some(proof));
    }
    let mut failed = None;
    for &height in heights {
        if read(chain).hash(height).is_none() {
            failed = Some(ReconcileError::UnknownHeader { txid, height });
            continue;
        }
        let params = vec![json!(txid.to_string()), json!(height)];
        let answer = match rpc.call("blockchain.transaction.get_merkle", params).await {
            Err(RpcError::Refused { .. }) => {
                failed = Some(ReconcileError::MissingProof { txid, height });
                continue;
            }
            answer => answer?,
        };
        let (position, branch) = wire::merkle(&answer)?;
        let proof = MerkleProof { height, position, branch };
        match reconcile::check_proof(txid, tx, &proof, &read(chain)) {
            Ok(_) => {
                cache.put_proof(txid, &ProvedTransaction { transaction: tx.clone(), proof: proof.clone() });
                return Ok(Some(proof));
            }
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(None), |error| Err(error.into()))
}

/// A mined transaction with its proof and header.
pub async fn tx_proof(
    rpc: &impl Rpc,
    chain: &RwLock<HeaderChain>,
    cache: &dyn ChainCache,
    txid: Txid,
    height: u32,
) -> Result<TxProof, FetchError> {
    let transaction = transaction(rpc, cache, txid).await?;
    let missing = ReconcileError::MissingProof { txid, height };
    let proof = prove(rpc, chain, cache, txid, &transaction, &[height]).await?.ok_or(missing)?;
    let headers = read(chain);
    // Once more, now that nothing moves: the header must be the one that the proof is for.
    reconcile::check_proof(txid, &transaction, &proof, &headers)?;
    let header = *headers.header(height).ok_or(ReconcileError::UnknownHeader { txid, height })?;
    let MerkleProof { position, branch, .. } = proof;
    Ok(TxProof { transaction, height, header, position, branch })
}

/// Hands a transaction to the server's node. Idempotent: "already known" is success.
pub async fn broadcast(rpc: &impl Rpc, tx: &Transaction) -> Result<Txid, BroadcastError> {
    let txid = tx.compute_txid();
    let sent = rpc.call("blockchain.transaction.broadcast", vec![json!(serialize_hex(tx))]).await;
    match sent {
        Ok(answer) => match wire::broadcast(&answer) {
            Ok(told) if told == txid => Ok(txid),
            _ => Err(BroadcastError::Rejected { reason: "the server answered with another txid".into() }),
        },
        Err(RpcError::Disconnected { .. } | RpcError::TimedOut { .. } | RpcError::Garbled { .. }) => {
            Err(BroadcastError::TimedOut)
        }
        Err(RpcError::Refused { message, .. }) => {
            // One whose outputs are spent already is refused for missing inputs: ask for it by name.
            if already_known(&message) || knows(rpc, txid).await {
                Ok(txid)
            } else {
                Err(BroadcastError::Rejected { reason: message })
            }
        }
    }
}

fn already_known(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "already in block chain",
        "already in utxo set",
        "already-in-mempool",
        "already in mempool",
        "already-known",
    ]
    .iter()
    .any(|known| message.contains(known))
}

async fn knows(rpc: &impl Rpc, txid: Txid) -> bool {
    match rpc.call("blockchain.transaction.get", vec![json!(txid.to_string())]).await {
        Ok(answer) => wire::transaction(&answer, txid).is_ok(),
        Err(_) => false,
    }
}

/// The server's estimate for `target_blocks`.
pub async fn estimate(rpc: &impl Rpc, target_blocks: u16) -> Option<FeeRate> {
    wire::feerate(&rpc.call("blockchain.estimatefee", vec![json!(target_blocks)]).await.ok()?)
}

/// The least feerate that is relayed; protocol 1.6 moved it to `mempool.get_info`.
pub async fn relay_feerate(rpc: &impl Rpc) -> Option<FeeRate> {
    if let Ok(answer) = rpc.call("blockchain.relayfee", vec![]).await {
        return wire::feerate(&answer);
    }
    let info = rpc.call("mempool.get_info", vec![]).await.ok()?;
    let field = |name| info.get(name).and_then(wire::feerate);
    field("mempoolminfee").max(field("minrelaytxfee"))
}

impl From<FetchError> for ChainError {
    fn from(error: FetchError) -> Self {
        let reason = error.to_string();
        match error {
            FetchError::Rpc(RpcError::Disconnected { .. } | RpcError::TimedOut { .. }) => {
                Self::NoAnswer { reason }
            }
            FetchError::Rpc(RpcError::Refused { message, .. }) => Self::Refused { reason: message },
            FetchError::Rpc(RpcError::Garbled { .. })
            | FetchError::Malformed(_)
            | FetchError::Header(_)
            | FetchError::Unproved(_)
            | FetchError::NotOurChain { .. }
            | FetchError::BelowPin { .. }
            | FetchError::Behind { .. }
            | FetchError::MissingHeaders { .. }
            | FetchError::BranchTooLong { .. } => Self::Wrong { reason },
        }
    }
}
