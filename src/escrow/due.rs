//! What is to be done now, from the book alone: which settlement to hand to the network, which refunds
//! fall due, which return to propose. Nothing is remembered between two calls but what the journal says, so doing it twice, or
//! again after a crash, does no harm.

use super::book::Book;
use super::event::{BatchRecord, Command};
use super::facts::{Spend, Tip};
use super::pledge::{COINBASE_MATURITY, LateMove, Outpoint};
use super::refund::Rung;
use super::statement::{CharterId, SettlementId, SubmissionId};
use super::task::{Fate, GRACE_SECS, SettlementState, Task};
use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::{BlockHash, FeeRate, OutPoint, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet};

/// Blocks after which an unconfirmed transaction of ours is replaced by one with a higher feerate.
pub const BUMP_AFTER_BLOCKS: u32 = 3;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Hand a fully signed form of a settlement to the network.
    BroadcastSettlement {
        /// Whose.
        charter: CharterId,
        /// Which settlement.
        settlement: SettlementId,
        /// Which of its transactions.
        chunk: u32,
        /// Which of its feerates.
        form: u32,
        /// It, signed.
        transaction: Transaction,
    },
    /// Propose that everything goes back: an all-or-nothing target was missed.
    ProposeReturn {
        /// Whose.
        charter: CharterId,
    },
    /// Hand a refund batch to the network again: it is not in the mempool any more.
    RebroadcastBatch {
        /// It, signed.
        transaction: Transaction,
    },
    /// Build a refund batch of these outpoints, all of one T, and hand it to the network.
    Refund {
        /// What falls due.
        outpoints: Vec<OutPoint>,
        /// The batch it replaces, if an earlier one did not confirm.
        replaces: Option<BatchRecord>,
    },
}

/// What is to be done under the book's tip.
pub fn due(book: &Book) -> Vec<Effect> {
    let Some(tip) = book.tip() else { return Vec::new() };
    let mut effects = Vec::new();
    for task in book.tasks().values().filter(|task| task.opened()) {
        settlements_due(task, tip, &mut effects);
        if task.return_due(tip) {
            effects.push(Effect::ProposeReturn { charter: task.id() });
        }
    }
    refunds_due(book, tip, &mut effects);
    effects
}

/// What a statement named a block for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBlock {
    /// Weights are counted at it, and where nothing else is waited for the review opens with it.
    Submission(SubmissionId),
    /// The review of this submission opens with it.
    Confirmation(SubmissionId),
}

impl NamedBlock {
    /// What is to be said when `block` is the one at that height now.
    pub fn moved(self, block: (BlockHash, u32)) -> Command {
        match self {
            NamedBlock::Submission(submission) => Command::MoveSubmissionBlock { submission, block },
            NamedBlock::Confirmation(submission) => Command::MoveConfirmationBlock { submission, block },
        }
    }
}

/// Every height that a submission or a confirmation names: what block is there now is for the chain to say.
pub fn submissions_to_check(book: &Book) -> Vec<(CharterId, NamedBlock, u32)> {
    let submissions = book.tasks().values().flat_map(|task| {
        task.submissions().iter().flat_map(|s| {
            let height = s.signed.statement.block_height;
            let confirmed = s.confirmation.as_ref().map(|known| known.signed.statement.block_height);
            let opened = confirmed.map(|height| (task.id(), NamedBlock::Confirmation(s.id), height));
            [Some((task.id(), NamedBlock::Submission(s.id), height)), opened].into_iter().flatten()
        })
    });
    submissions.collect()
}

fn settlements_due(task: &Task, tip: &Tip, effects: &mut Vec<Effect>) {
    let refund_time = task.charter().refund_time_secs();
    for (id, state) in task.settlements() {
        if state.signatures.is_empty() {
            continue;
        }
        for (at, fate) in (0u32..).zip(task.chunk_fates(state, tip)) {
            if fate != Fate::Pending || state.signatures.complete(at).is_none() {
                continue;
            }
            let spends = chunk_spends(task, state, at);
            let (ours, others): (Vec<Spend>, Vec<Spend>) =
                spends.into_iter().partition(|spend| state.plan.has_transaction(&spend.txid));
            let of = |spend: &Spend, which: fn(usize, usize) -> bool| {
                let mut settlements = task.settlements().values();
                settlements.any(|s| which(s.number, state.number) && s.plan.has_transaction(&spend.txid))
            };
            // A refund spends an input, or a newer settlement: its turn. An older one is replaced (BIP125).
            // What is in no block and nobody's of ours holds nothing up before T: no refund is final then,
            // and a server can make up what it likes. If it is there after all, the node decides.
            let holds = |spend: &Spend| {
                let mined_or_late = spend.confirmation.is_some() || tip.mtp_secs > refund_time;
                !of(spend, |a, b| a < b) && (mined_or_late || of(spend, |a, b| a > b))
            };
            if others.iter().any(holds) || superseded(task, state, at, tip) {
                continue;
            }
            let in_mempool = !ours.is_empty() && others.is_empty();
            // From T on money goes back; only what is under way already is bumped, for three days. What may
            // still be started then (a rebuild, gifts) is sent as well.
            let over = tip.mtp_secs > refund_time.saturating_add(GRACE_SECS);
            let late = tip.mtp_secs > refund_time && (!in_mempool || over);
            if late && task.check_time(state.plan.terms(), tip).is_err() {
                continue;
            }
            let form = match state.broadcasts.get(&at) {
                None => 0,
                // Whether it is in the mempool is the servers' word, and must not keep it from being bumped.
                Some((form, height))
                    if tip.height >= height + BUMP_AFTER_BLOCKS
                        && state.plan.finalize(at, form + 1, &state.signatures).is_ok() =>
                {
                    form + 1
                }
                Some((form, _)) if !in_mempool => *form,
                Some(_) => continue,
            };
            // Past the highest form there is nothing to bump with.
            if let Ok(transaction) = state.plan.finalize(at, form, &state.signatures) {
                let (charter, settlement) = (task.id(), *id);
                effects.push(Effect::BroadcastSettlement {
                    charter,
                    settlement,
                    chunk: at,
                    form,
                    transaction,
                });
            }
        }
    }
}

/// Whether a newer transaction that goes out by itself spends some of the same: the signers have thought
/// again. One that is signed at its higher feerates only, or dead, must not hold up what two have signed.
fn superseded(task: &Task, state: &SettlementState, chunk: u32, tip: &Tip) -> bool {
    let inputs = state.plan.chunk(chunk).map(|chunk| chunk.inputs.as_slice()).unwrap_or_default();
    let spends: BTreeSet<OutPoint> = inputs.iter().map(|input| input.term.outpoint).collect();
    task.settlements().values().filter(|other| other.number > state.number).any(|other| {
        let chunks = (0u32..).zip(other.plan.chunks()).zip(task.chunk_fates(other, tip));
        chunks.into_iter().any(|((at, chunk), fate)| {
            // Mined, or there to be: what spends something that a reorg took away goes nowhere.
            let goes = match fate {
                Fate::Conflicted => false,
                Fate::Confirmed { .. } => true,
                Fate::Pending => task.inputs_there(chunk),
            };
            goes && other.signatures.complete(at).is_some()
                && chunk.inputs.iter().any(|input| spends.contains(&input.term.outpoint))
        })
    })
}

/// What spends inputs of a chunk now, in the mempool or not deep enough.
fn chunk_spends(task: &Task, state: &SettlementState, chunk: u32) -> Vec<Spend> {
    let inputs = state.plan.chunk(chunk).map(|chunk| chunk.inputs.as_slice()).unwrap_or_default();
    inputs.iter().filter_map(|input| task.outpoints().get(&input.term.outpoint)?.spend).collect()
}

/// Whether a held outpoint's refund may go out now.
pub fn refundable(task: &Task, held: &Outpoint, tip: &Tip) -> bool {
    let ladder = held.late_move.as_ref().and_then(LateMove::ladder);
    let signed = held.secured() || ladder.is_some();
    let Some(at) = held.confirmation.filter(|_| held.present && signed) else { return false };
    let mature = !held.coinbase || at.depth(tip) >= COINBASE_MATURITY;
    // BIP113: a transaction locked to T is final once the median time past exceeds T.
    mature && tip.mtp_secs > task.charter().refund_time_secs()
}

fn refunds_due(book: &Book, tip: &Tip, effects: &mut Vec<Effect>) {
    // What a settlement spends in this very round is not refunded beside it.
    let taken: BTreeSet<OutPoint> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::BroadcastSettlement { transaction, .. } => Some(transaction),
            Effect::ProposeReturn { .. } | Effect::RebroadcastBatch { .. } | Effect::Refund { .. } => None,
        })
        .flat_map(|transaction| transaction.input.iter().map(|input| input.previous_output))
        .collect();
    let mut batches: BTreeMap<Txid, (&BatchRecord, Transaction)> = BTreeMap::new();
    // The latest batch that names an outpoint is the one that counts.
    let mut latest: BTreeMap<OutPoint, Txid> = BTreeMap::new();
    for batch in book.batches() {
        if let Ok(transaction) = deserialize_hex::<Transaction>(&batch.transaction) {
            let txid = transaction.compute_txid();
            latest.extend(batch.refunds.iter().map(|outpoint| (*outpoint, txid)));
            batches.insert(txid, (batch, transaction));
        }
    }
    // New ones by T; those of an earlier batch by that batch.
    let mut fresh: BTreeMap<u32, Vec<OutPoint>> = BTreeMap::new();
    let mut again: BTreeMap<Txid, Vec<OutPoint>> = BTreeMap::new();
    for task in book.tasks().values() {
        let refund_time = task.charter().refund_time_secs();
        for held in task.outpoints().values().filter(|held| refundable(task, held, tip)) {
            if taken.contains(&held.outpoint) {
                continue;
            }
            let batch = latest.get(&held.outpoint);
            let ours = match (held.spend, batch) {
                (None, batch) => batch,
                (Some(spend), _) if spend.confirmation.is_some() => continue,
                // Also an older batch of ours that the newest did not manage to replace.
                (Some(spend), Some(batch)) if batches.contains_key(&spend.txid) => Some(batch),
                // A rung of the sponsor's own move: it may be too cheap, or the other charter take no pledges any more.
                (Some(spend), _) if held.late_move.as_ref().is_some_and(|late| late.sends(&spend.txid)) => {
                    batch
                }
                // A settlement on its way has three days, and so has a refund that somebody else sent. After
                // that ours goes out all the same: a spend that stays unconfirmed may be made up.
                (Some(_), _) if tip.mtp_secs <= refund_time.saturating_add(GRACE_SECS) => continue,
                (Some(_), batch) => batch,
            };
            match ours {
                Some(batch) => again.entry(*batch).or_default().push(held.outpoint),
                None => fresh.entry(refund_time).or_default().push(held.outpoint),
            }
        }
    }
    effects.extend(fresh.into_values().map(|outpoints| Effect::Refund { outpoints, replaces: None }));
    for (txid, outpoints) in again {
        let Some((record, transaction)) = batches.get(&txid) else { continue };
        let spent = |outpoint: &OutPoint| book.find(outpoint).is_some_and(|(_, held)| held.spend.is_some());
        let whole = outpoints.len() == record.refunds.len();
        let in_mempool = outpoints.iter().any(spent);
        if whole && !in_mempool {
            effects.push(Effect::RebroadcastBatch { transaction: transaction.clone() });
        }
        // Not whole: somebody took one of its outpoints, so it can never confirm as it is.
        if !whole || tip.height >= record.height + BUMP_AFTER_BLOCKS {
            effects.push(Effect::Refund { outpoints, replaces: Some((*record).clone()) });
        }
    }
}

/// The rung to send for an outpoint when no batch can be paid for: the lowest that is final and reaches
/// `target`, else the highest that is final; none if one as high is in the mempool already.
pub fn rung_due(
    ladder: &[(Rung, Transaction)],
    held: &Outpoint,
    tip: &Tip,
    target: FeeRate,
) -> Option<Transaction> {
    let final_rungs = || ladder.iter().filter(|(_, tx)| tip.mtp_secs > tx.lock_time.to_consensus_u32());
    let reaches = |sat_per_vb: u64| FeeRate::from_sat_per_vb(sat_per_vb).is_some_and(|rate| rate >= target);
    let (rung, transaction) =
        final_rungs().find(|(rung, _)| reaches(rung.sat_per_vb)).or_else(|| final_rungs().next_back())?;
    let sent = held.spend.and_then(|spend| {
        let is = |tx: &Transaction| tx.compute_txid() == spend.txid;
        let here = final_rungs().find(|(_, tx)| is(tx)).map(|(rung, _)| rung.sat_per_vb);
        // A move's rung gives way to a refund's that pays more, once the other charter takes nothing any more.
        let of_move = || {
            let ladder = held.late_move.as_ref().filter(|late| late.sends(&spend.txid))?.ladder()?;
            ladder.rungs().iter().find(|(_, tx)| is(tx)).map(|(rung, _)| rung.sat_per_vb)
        };
        here.or_else(of_move)
    });
    // Something else spends it, or is said to: it has three days from T.
    let grace = ladder.first().map(|(_, tx)| tx.lock_time.to_consensus_u32().saturating_add(GRACE_SECS));
    match (held.spend, sent) {
        (Some(_), None) if grace.is_none_or(|grace| tip.mtp_secs <= grace) => None,
        (_, Some(sent_per_vb)) if sent_per_vb >= rung.sat_per_vb => None,
        _ => Some(transaction.clone()),
    }
}
