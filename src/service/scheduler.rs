//! Does what is due, again and again: after every change, and every few seconds in case a broadcast was
//! lost. It decides nothing: `escrow::due` says what, from the book alone.

use super::{Service, ServiceError};
use crate::chain::BroadcastError;
use crate::escrow::due::{self, Effect};
use crate::escrow::event::Command;
use crate::escrow::task::Refused;
use crate::failpoint;
use bitcoin::{FeeRate, Transaction, Txid};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

/// Runs until the service fails. `interval` is how long a lost broadcast may go unnoticed.
pub async fn run_scheduler(service: Arc<Service>, interval: Duration) {
    let mut changes = service.changes();
    let mut memory = Memory::default();
    loop {
        // What changes while we work wakes us again.
        changes.mark_unchanged();
        if let Err(error) = service.perform_due(&mut memory).await {
            tracing::warn!(%error, "something that is due could not be done; trying again");
        }
        tokio::select! {
            _ = service.failed() => return,
            _ = changes.changed() => {
                // Many changes come together: a block brings a hundred.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// What was told to the network lately, so that a rejected transaction is not sent ten times a second.
/// Losing it does no harm.
#[derive(Debug, Default)]
pub struct Memory {
    /// Height of the tip and count of changes at the last try.
    tried: HashMap<Txid, (u32, std::time::Instant)>,
}

/// How long the same transaction is not sent again under one tip.
const QUIET: Duration = Duration::from_secs(5);

impl Memory {
    /// Whether a transaction is worth sending now; notes that it is sent.
    pub(super) fn worth_sending(&mut self, txid: Txid, height: u32) -> bool {
        let now = std::time::Instant::now();
        self.tried.retain(|_, (at, when)| *at == height && now.duration_since(*when) < QUIET);
        // A try that is refused leaves the time of the last one alone, or asking often would put it off for ever.
        match self.tried.entry(txid) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert((height, now));
                true
            }
        }
    }
}

impl Service {
    /// Performs everything that is due, each thing on its own: one failure stops no other.
    pub async fn perform_due(&self, memory: &mut Memory) -> Result<(), ServiceError> {
        self.follow_submission_blocks().await?;
        let height = self.read(|book| book.tip().map_or(0, |tip| tip.height));
        for effect in self.read(due::due) {
            let of_task = match &effect {
                Effect::BroadcastSettlement { charter, .. } | Effect::ProposeReturn { charter } => {
                    Some(*charter)
                }
                Effect::RebroadcastBatch { .. } | Effect::Refund { .. } => None,
            };
            let (what, done) = match effect {
                Effect::BroadcastSettlement { charter, settlement, chunk, form, transaction } => {
                    if !memory.worth_sending(transaction.compute_txid(), height) {
                        continue;
                    }
                    let note = Command::NoteBroadcast { settlement, chunk, form };
                    let done = match self.send(transaction).await {
                        Ok(_) => self.execute(&charter, note).await.map(|_| ()),
                        // Too low for the mempool as it is now: the next form is next in turn.
                        Err(error) if is_fee(&error) => {
                            let next = Command::NoteBroadcast { settlement, chunk, form: form + 1 };
                            self.execute(&charter, next).await.map(|_| ())
                        }
                        Err(error) => Err(error.into()),
                    };
                    ("settlement", done)
                }
                Effect::ProposeReturn { charter } => match self.propose_return(&charter).await {
                    // Another settlement spends the same, or the feerate eats what is there: later, or at T.
                    Err(ServiceError::Refused(
                        Refused::SettlementUnderWay { .. }
                        | Refused::NothingToSettle
                        | Refused::PastCutoff { .. },
                    )) => continue,
                    done => ("return", done),
                },
                Effect::RebroadcastBatch { transaction } => {
                    if !memory.worth_sending(transaction.compute_txid(), height) {
                        continue;
                    }
                    let sent = self.send(transaction.clone()).await;
                    if matches!(sent, Err(BroadcastError::Rejected { .. })) {
                        self.refund_without(&transaction, memory).await;
                    }
                    ("refund batch", sent.map(|_| ()).map_err(ServiceError::from))
                }
                Effect::Refund { outpoints, replaces } => {
                    ("refund", self.refund(&outpoints, replaces.as_ref(), memory).await)
                }
            };
            if let Err(error) = done {
                let task = of_task.map(tracing::field::display);
                tracing::warn!(task.id = task, %error, what, "could not be done; trying again");
            }
        }
        Ok(())
    }

    /// Sends a transaction; the watcher sees what becomes of it.
    pub(super) async fn send(&self, transaction: Transaction) -> Result<Txid, BroadcastError> {
        let txid = transaction.compute_txid();
        failpoint::hit("before_broadcast");
        let sent = self.chain.broadcast(transaction).await;
        failpoint::hit("after_broadcast");
        let result = match &sent {
            Ok(_) => "taken",
            Err(BroadcastError::Rejected { .. }) => "rejected",
            Err(BroadcastError::Offline) => "offline",
            Err(BroadcastError::TimedOut) => "timed_out",
        };
        self.metrics.chain.broadcasts.get_or_create(&[("result", result)]).inc();
        match &sent {
            Ok(_) => tracing::info!(%txid, "handed to the network"),
            Err(error) => tracing::warn!(%txid, %error, "not taken by the network"),
        }
        sent
    }

    /// What it costs to confirm within `blocks`, clamped to what is sane: at least the relay minimum and
    /// 1 sat/vB, at most 1,000.
    pub async fn feerate(&self, blocks: u16) -> FeeRate {
        const LEAST: FeeRate = FeeRate::from_sat_per_vb_u32(1);
        const MOST: FeeRate = FeeRate::from_sat_per_vb_u32(1_000);
        let estimate = self.chain.estimate(blocks).await.unwrap_or(LEAST);
        let relay = self.chain.relay_feerate().await.unwrap_or(LEAST);
        estimate.max(relay).clamp(LEAST, MOST)
    }

    /// A submission's weights are counted at a height, and a review opens at one: when a reorg puts another
    /// block there, that block takes its place.
    pub(super) async fn follow_submission_blocks(&self) -> Result<(), ServiceError> {
        for (charter, named, height) in self.read(due::submissions_to_check) {
            if let Some(block) = self.chain.block(height) {
                self.execute(&charter, named.moved(block)).await?;
            }
        }
        Ok(())
    }
}

/// Whether the network asks for a higher fee (Bitcoin Core's reject reasons).
pub(super) fn is_fee(error: &BroadcastError) -> bool {
    match error {
        BroadcastError::Rejected { reason } => {
            ["insufficient fee", "min relay fee not met", "mempool min fee not met", "min-fee-not-met"]
                .iter()
                .any(|known| reason.contains(known))
        }
        BroadcastError::Offline | BroadcastError::TimedOut => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;
    use std::time::Instant;

    #[test]
    fn asking_again_does_not_put_off_the_next_try() {
        let mut memory = Memory::default();
        let txid = Txid::from_byte_array([7; 32]);
        assert!(memory.worth_sending(txid, 1));
        assert!(!memory.worth_sending(txid, 1));
        assert!(memory.worth_sending(txid, 2), "under another tip it is worth a try");
        let short = Duration::from_millis(50);
        let almost = Instant::now().checked_sub(QUIET - short).unwrap();
        memory.tried.insert(txid, (2, almost));
        assert!(!memory.worth_sending(txid, 2));
        std::thread::sleep(short);
        assert!(memory.worth_sending(txid, 2));
    }
}
