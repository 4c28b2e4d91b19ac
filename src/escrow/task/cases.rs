//! What an arbiter had to decide in a task, what came of it, and when: the raw material of the public record. A pure
//! reading of state and tip; it judges nobody.

use super::{SubmissionState, Task};
use crate::escrow::facts::{SpendPath, Tip};
use crate::escrow::pledge::{Outpoint, Standing};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, SettlementId, SubmissionId};
use bitcoin::{Amount, OutPoint, Txid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How the arbiter's part in a submission stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CaseState {
    /// Sponsors still vote.
    Voting,
    /// Noes wait for a ruling, and there is time.
    Due,
    /// The arbiter ruled.
    Ruled {
        /// Share that is paid.
        pay_bps: u16,
        /// When, by median time past, where known.
        at_secs: Option<u32>,
        /// Seconds from the close of the vote to then; 0 where a reorg turned them around.
        took_secs: Option<u64>,
    },
    /// Noes lay there until the time for a ruling was over, and none came.
    Missed,
    /// Nobody's money waited for a ruling, and none was given.
    NotNeeded,
}

/// What became of money that said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoesFate {
    /// It lies where it was paid.
    Waits,
    /// The settlement by the ruling spent it.
    CarriedOut,
    /// Two signers moved it in another way.
    MovedOtherwise,
    /// It came back to its sponsor after T.
    Refunded,
    /// As its sponsor signed, it lies at a pledge of theirs under another charter.
    MovedOn,
}

/// Money that said no, and went one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoesMoved {
    /// Which way.
    pub fate: NoesFate,
    /// By which transaction.
    pub txid: Option<Txid>,
    /// The settlement it belongs to, if it is one of the service's.
    pub settlement: Option<SettlementId>,
    /// How much.
    pub amount: Amount,
    /// Whether it is mined; false in the mempool, and for what waits.
    pub mined: bool,
}

/// A submission as the arbiter had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Which.
    pub submission: SubmissionId,
    /// From 0.
    pub number: u32,
    /// Last time at which votes counted.
    pub closes_secs: u64,
    /// Last time for a ruling.
    pub ruling_ends_secs: u64,
    /// Pledges that said no.
    pub noes: usize,
    /// Their credited money, moved since or not.
    pub noes_amount: Amount,
    /// How it stands.
    pub state: CaseState,
    /// What became of that money.
    pub moved: Vec<NoesMoved>,
}

impl Task {
    /// What the arbiter had to decide, a case a submission.
    pub fn cases(&self, tip: &Tip) -> Vec<Case> {
        self.submissions.iter().filter_map(|submission| self.case(submission, tip)).collect()
    }

    /// `None` while a submission waits for its merge or release: there is nothing to decide yet.
    fn case(&self, submission: &SubmissionState, tip: &Tip) -> Option<Case> {
        let window = self.window(submission)?;
        let tally = self.tally(submission, tip);
        let standings = self.standings(tip);
        let rests = self.outpoints.values().filter(|held| held.present && held.confirmation.is_some());
        let split: BTreeSet<OutPoint> =
            rests.filter_map(|held| self.origin(held)).map(|origin| origin.from).collect();
        let noes: Vec<&Outpoint> = self
            .outpoints
            .values()
            .filter(|held| standings.get(&held.outpoint) == Some(&Standing::Credited))
            .filter(|held| tally.choice(held.slot.index) == Some(Choice::No))
            // What was split is there as its rest.
            .filter(|held| !split.contains(&held.outpoint))
            .collect();
        let state = match &submission.ruling {
            Some(ruling) => {
                let at_secs = self.acts.ruled_secs(&submission.id);
                let took = |at: u32| u64::from(at).saturating_sub(window.closes_secs);
                CaseState::Ruled { pay_bps: ruling.statement.pay_bps, at_secs, took_secs: at_secs.map(took) }
            }
            None if !window.closed(tip.mtp_secs) => CaseState::Voting,
            // To payees that a submission names only a yes pays: nobody could rule.
            None if submission.signed.statement.named.is_some() => CaseState::NotNeeded,
            None if window.ruling_over(tip.mtp_secs) => {
                // What two signers moved before could be ruled on no more.
                let lay = |held: &&Outpoint| !moved_by(held, window.ruling_ends_secs);
                if noes.iter().any(lay) { CaseState::Missed } else { CaseState::NotNeeded }
            }
            None if noes.iter().any(|held| held.unspent()) => CaseState::Due,
            None => CaseState::NotNeeded,
        };
        let mut pledges: Vec<u32> = noes.iter().map(|held| held.slot.index).collect();
        pledges.sort_unstable();
        pledges.dedup();
        Some(Case {
            submission: submission.id,
            number: submission.signed.statement.number,
            closes_secs: window.closes_secs,
            ruling_ends_secs: window.ruling_ends_secs,
            noes: pledges.len(),
            noes_amount: noes.iter().map(|held| held.amount).sum(),
            state,
            moved: self.noes_moved(submission.id, &noes),
        })
    }

    /// What became of the noes' money, one line a transaction.
    fn noes_moved(&self, submission: SubmissionId, noes: &[&Outpoint]) -> Vec<NoesMoved> {
        let mut ways: BTreeMap<(NoesFate, Option<Txid>), NoesMoved> = BTreeMap::new();
        for held in noes {
            let spend = held.spend;
            let settlement = spend.and_then(|spend| {
                self.settlements.values().find(|state| state.plan.has_transaction(&spend.txid))
            });
            let fate = match (spend.map(|spend| spend.path), settlement) {
                (None, _) => NoesFate::Waits,
                (Some(_), _) if self.destination(held).is_some() => NoesFate::MovedOn,
                (Some(SpendPath::Refund), _) => NoesFate::Refunded,
                (Some(_), Some(state)) if state.plan.terms().kind() == (Kind::Ruling { submission }) => {
                    NoesFate::CarriedOut
                }
                (Some(_), _) => NoesFate::MovedOtherwise,
            };
            let txid = spend.map(|spend| spend.txid);
            let way = ways.entry((fate, txid)).or_insert(NoesMoved {
                fate,
                txid,
                settlement: settlement.map(|state| state.plan.id()),
                amount: Amount::ZERO,
                mined: spend.is_some_and(|spend| spend.confirmation.is_some()),
            });
            way.amount += held.amount;
        }
        ways.into_values().collect()
    }
}

/// Whether two signers had moved an outpoint, in a block, by then.
fn moved_by(held: &Outpoint, secs: u64) -> bool {
    held.spend.is_some_and(|spend| {
        spend.path != SpendPath::Refund && spend.confirmation.is_some_and(|at| u64::from(at.mtp_secs) <= secs)
    })
}
