//! What the chain told us, in the shapes the core understands: the tip, and per watched script
//! what paid it and what spent it. A [`ScriptView`] is the *whole* truth about one script under
//! one tip, never a difference: applying it twice changes nothing, and a reorg or a replacement
//! is just another view. Nothing here talks to a server.

use bitcoin::{Amount, BlockHash, OutPoint, Txid};
use serde::{Deserialize, Serialize};

/// The block everything is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// Height of the best block.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
    /// Median time past of that block (BIP113), Unix seconds: a transaction locked to `T` can be
    /// mined in the next block once `mtp_secs > T`.
    pub mtp_secs: u32,
}

/// Where a transaction is mined, proved by a Merkle branch against a header of our own chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Confirmation {
    /// Height of the block.
    pub height: u32,
    /// Hash of the block.
    pub block_hash: BlockHash,
    /// Position of the transaction in the block; 0 is the coinbase.
    pub position: u32,
    /// Median time past of that block (the median of the eleven blocks ending in it), Unix seconds.
    pub mtp_secs: u32,
}

impl Confirmation {
    /// Confirmations under `tip`: 1 when the block is the tip, 0 when the tip is below it.
    pub fn depth(&self, tip: &Tip) -> u32 {
        (tip.height + 1).saturating_sub(self.height)
    }
}

/// An output that pays a watched script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// The output.
    pub outpoint: OutPoint,
    /// Its value.
    #[serde(rename = "amount_sat", with = "bitcoin::amount::serde::as_sat")]
    pub amount: Amount,
    /// Created by a coinbase transaction, so spendable only after 100 blocks.
    pub coinbase: bool,
    /// `None` while it is only in the mempool.
    pub confirmation: Option<Confirmation>,
}

/// Which way of the output's Taproot tree a spend took, read off its witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendPath {
    /// The internal key: developer and representative together (MuSig2).
    Key,
    /// The `multi_a` leaf: any two of the three signers.
    Cooperative,
    /// The refund leaf: the sponsor alone, after T.
    Refund,
    /// None of the above (cannot happen for an output of ours; kept so that nothing panics).
    Unknown,
}

/// A transaction input that spends an output of a watched script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// The output that is spent.
    pub prevout: OutPoint,
    /// The spending transaction.
    pub txid: Txid,
    /// Its input that spends `prevout`.
    pub vin: u32,
    /// The way it took.
    pub path: SpendPath,
    /// `None` while it is only in the mempool.
    pub confirmation: Option<Confirmation>,
}

/// Everything the chain and the mempool say of one script, under one tip. Deposits are ordered by
/// outpoint, spends by prevout; each outpoint appears once at most in either list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptView {
    /// Outputs that pay the script.
    pub deposits: Vec<Deposit>,
    /// Inputs that spend them.
    pub spends: Vec<Spend>,
}
