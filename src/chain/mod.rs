//! The chain, as Electrum servers tell it and our own checks confirm it.
//!
//! [`ChainSource`] is the port the service is built on: [`electrum::ElectrumChain`] is the real
//! one, tests bring their own. It hands out facts (`escrow::facts`) and knows no rules of escrow.
//! [`oneshot::OneShot`] serves the commands that ask once and exit.
//!
//! The way of the data: `wire` (JSON) -> `fetch` (what to ask for) -> [`headers`] and [`merkle`]
//! (what is proved) -> [`reconcile`] (what holds) -> [`ChainUpdate`].

pub mod cache;
pub mod electrum;
pub(crate) mod fetch;
pub mod headers;
pub mod merkle;
pub mod oneshot;
pub mod reconcile;
pub mod status;
#[cfg(test)]
pub(crate) mod testing;
pub mod wire;

use bitcoin::block::Header;
use bitcoin::{BlockHash, FeeRate, ScriptBuf, Transaction, TxMerkleNode, Txid};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use cache::{ChainCache, MemoryCache, ProvedTransaction, ScriptRecord};
pub use headers::{Checkpoint, HeaderChain};
pub use merkle::MerkleProof;
pub use status::{ChainAlarm, ServerState, ServerStatus, ServerTip};

use crate::escrow::facts::{ScriptView, Tip};

/// What a chain source has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainUpdate {
    /// A server answers, and its headers are valid and have at least our work.
    Connected {
        /// Its address, as configured.
        server: String,
    },
    /// No server is to be had; the source keeps trying. Told once for each reason.
    Disconnected {
        /// Its address, as configured.
        server: String,
        /// What went wrong, for the log and the operator.
        reason: String,
    },
    /// The tip and every view that changed since the last snapshot, all of them under this tip.
    /// Each watched script is told once at first, also when nothing is known of it.
    Snapshot {
        /// The best block.
        tip: Tip,
        /// Views that changed, each whole.
        views: Vec<(ScriptBuf, ScriptView)>,
    },
}

/// A mined transaction with all that proves it against a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxProof {
    /// The transaction.
    pub transaction: Transaction,
    /// Height of its block.
    pub height: u32,
    /// Header of its block, of our own chain.
    pub header: Header,
    /// Position in the block.
    pub position: u32,
    /// Siblings from the leaf upwards.
    pub branch: Vec<TxMerkleNode>,
}

/// Why a question to the chain has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No server is connected.
    #[error("no Electrum server is connected")]
    Offline,
    /// The server did not answer in time, or went away while it was asked.
    #[error("the Electrum server did not answer: {reason}")]
    NoAnswer {
        /// What happened.
        reason: String,
    },
    /// The server does not know it, or does not want to say.
    #[error("the Electrum server refused: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// The server's answer breaks the protocol or its proof is wrong.
    #[error("the Electrum server's answer is wrong: {reason}")]
    Wrong {
        /// What is wrong.
        reason: String,
    },
}

/// Why a transaction was not broadcast, as far as we know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastError {
    /// No server is connected: it was not sent.
    #[error("no Electrum server is connected")]
    Offline,
    /// No answer: it may have been sent or not. Broadcasting again does no harm.
    #[error("the Electrum server did not answer in time")]
    TimedOut,
    /// The node refused it.
    #[error("the transaction was rejected: {reason}")]
    Rejected {
        /// The node's words.
        reason: String,
    },
}

/// The chain, for who uses it. Updates come through the channel handed out at construction.
pub trait ChainSource: Send + Sync {
    /// Adds to the live set; again is no harm; also while offline. One that was retired is live again.
    fn watch(&self, scripts: Vec<ScriptBuf>);

    /// Takes out of the live set what is settled: it is looked at now and then only. What pays or spends
    /// one all the same is told like anything else.
    fn retire(&self, scripts: Vec<ScriptBuf>);

    /// Every configured server as it stands, in the order of the configuration.
    fn servers(&self) -> Vec<ServerStatus>;

    /// What the operator should look at now. Empty when all is well.
    fn alarms(&self) -> Vec<ChainAlarm>;

    /// Sends a transaction to the network. One that is already known or mined counts as sent.
    fn broadcast(&self, tx: Transaction) -> BoxFuture<'_, Result<Txid, BroadcastError>>;

    /// The feerate to confirm within `target_blocks`; `None` when nobody can tell.
    fn estimate(&self, target_blocks: u16) -> BoxFuture<'_, Option<FeeRate>>;

    /// The least feerate that the server's node relays; `None` when it does not say.
    fn relay_feerate(&self) -> BoxFuture<'_, Option<FeeRate>>;

    /// A mined transaction with its proof, checked against our own headers.
    fn proof(&self, txid: Txid, height: u32) -> BoxFuture<'_, Result<TxProof, ChainError>>;

    /// A header of the best chain; `None` above the tip, below the checkpoint, or before first contact.
    fn header(&self, height: u32) -> Option<Header>;

    /// Hash of a block of the best chain, and its median time past (of the eleven blocks ending in it).
    fn block(&self, height: u32) -> Option<(BlockHash, u32)>;

    /// A transaction by its txid, mined or not.
    fn transaction(&self, txid: Txid) -> BoxFuture<'_, Result<Transaction, ChainError>>;
}
