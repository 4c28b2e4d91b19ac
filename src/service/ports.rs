//! What the service asks of the world besides chain and journal: the time of day, and the operator's fee
//! wallet. Tests bring their own.

use super::views::FeeWalletView;
use crate::escrow::refund::RefundBundle;
use bitcoin::{Amount, FeeRate, OutPoint, Transaction};
use std::collections::HashSet;

/// The wall clock: for display, the journal's time stamps, the age of signed requests and the tries of
/// webhooks; never for rules of the escrow.
pub trait Clock: Send + Sync {
    /// Unix seconds.
    fn now_secs(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_secs(&self) -> u64 {
        // Before 1970 the clock is simply wrong; rules do not look at it.
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// A refund batch with its fee paid and signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funded {
    /// Ready to broadcast.
    pub transaction: Transaction,
    /// What it pays.
    pub fee: Amount,
    /// The wallet's outputs that pay it.
    pub fee_inputs: Vec<OutPoint>,
}

/// Why a batch is not paid for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FundError {
    /// The wallet is empty, or what it holds is bound: refunds go by their own ladder.
    #[error("the fee wallet holds {available}, the batch needs {needed}")]
    Insufficient {
        /// What is needed.
        needed: Amount,
        /// What there is.
        available: Amount,
    },
    /// The program that has the wallet's keys did not sign.
    #[error("nobody signed for the fee wallet: {detail}")]
    Signer {
        /// What happened, without secrets.
        detail: String,
    },
    /// It failed otherwise; worth another try.
    #[error("the fee wallet failed: {detail}")]
    Failed {
        /// What happened, without secrets.
        detail: String,
    },
}

/// The operator's wallet, which pays network fees and nothing else. Calls block.
pub trait FeeWallet: Send {
    /// Asks its server for what is new.
    fn sync(&mut self) -> Result<(), FundError>;

    /// What it holds, as far as it knows, and the least it should (`needed_sat`; the service raises it to what
    /// refunds will need).
    fn view(&mut self) -> Result<FeeWalletView, FundError>;

    /// Pays for a batch of refunds of one T at `feerate`, spending at most `max_fee`, none of `avoid`, and
    /// taking the place of `replaces`.
    fn fund(
        &mut self,
        bundles: &[&RefundBundle],
        feerate: FeeRate,
        max_fee: Amount,
        replaces: &[Transaction],
        avoid: &HashSet<OutPoint>,
    ) -> Result<Funded, FundError>;

    /// Notes a batch that the network took, so that its inputs are not used again. `now_secs` is wall-clock
    /// time.
    fn note_broadcast(&mut self, transaction: &Transaction, now_secs: u64);
}
