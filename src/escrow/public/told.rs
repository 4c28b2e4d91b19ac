//! What of a task was told last, and the difference to what is true now. Whatever follows from state and tip
//! together is told from here: comparing with what was told makes "credited" come once a crediting, whatever
//! the order of blocks, facts and restarts.

use super::{Block, Funding, Payment, Review, Was, What};
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::{Confirmation, SpendPath, Tip};
use crate::escrow::pledge::{self, Destination, Outpoint, Standing, Surplus};
use crate::escrow::statement::{Role, SettlementId, SubmissionId};
use crate::escrow::task::{Fate, SettlementState, Stage, SubmissionState, Task};
use bitcoin::{OutPoint, Txid};
use std::collections::BTreeMap;

/// Takes what is told, with the pledge it is about.
type Emit<'a> = &'a mut dyn FnMut(Option<u32>, What);

/// A task as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    stage: Stage,
    met: bool,
    closed: bool,
    missed: bool,
    payments: BTreeMap<OutPoint, PaymentTold>,
    reviews: Vec<(SubmissionId, Phase)>,
    settlements: BTreeMap<SettlementId, SettlementTold>,
    raised_sat: u64,
    /// What counts towards the target.
    counted_sat: u64,
    /// Heights and median times past between which the tip alone changes nothing.
    pub(super) heights: Quiet,
    pub(super) mtps: Quiet,
}

/// The tip changes nothing as long as its number is at least `from` and below `until`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quiet {
    pub(super) from: Option<u64>,
    pub(super) until: Option<u64>,
}

impl Quiet {
    fn around(now: u64, thresholds: impl Iterator<Item = u64>) -> Quiet {
        let mut quiet = Quiet::default();
        for threshold in thresholds {
            if threshold <= now {
                quiet.from = quiet.from.max(Some(threshold));
            } else {
                quiet.until = Some(quiet.until.map_or(threshold, |until| until.min(threshold)));
            }
        }
        quiet
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Vanished,
    Waiting,
    Credited,
    Gift,
    BelowMinimum,
    Surplus(Surplus),
}

impl From<Standing> for Counts {
    fn from(standing: Standing) -> Counts {
        match standing {
            Standing::Vanished => Counts::Vanished,
            Standing::Seen | Standing::Confirming { .. } => Counts::Waiting,
            Standing::Credited => Counts::Credited,
            Standing::Gift => Counts::Gift,
            Standing::BelowMinimum => Counts::BelowMinimum,
            Standing::Surplus { reason } => Counts::Surplus(reason),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PaymentTold {
    pledge: u32,
    amount_sat: u64,
    /// Not what a settlement left: that weighed when it was paid in.
    paid_in: bool,
    /// Height at which what is left of it moved to another charter.
    moved_height: Option<u32>,
    counts: Counts,
    block: Option<Block>,
    spend: Option<SpendTold>,
    needs: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SpendTold {
    txid: Txid,
    refund: bool,
    moved: Option<Destination>,
    block: Option<Block>,
}

impl SpendTold {
    /// Whether the same is told of both, but for the block.
    fn same(&self, other: &SpendTold) -> bool {
        (self.txid, self.refund, self.moved) == (other.txid, other.refund, other.moved)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// For its merge or release.
    Waiting,
    Voting,
    Ruling,
    Over,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct SettlementTold {
    signed: Vec<Role>,
    complete: bool,
    transactions: Vec<Fared>,
}

/// How one transaction of a settlement fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fared {
    Pending,
    Confirmed { txid: Txid, block: Block, deep: bool },
    Conflicted,
}

fn block_of(at: Confirmation) -> Block {
    Block { height: at.height, block_hash: at.block_hash }
}

fn needs(task: &Task, held: &Outpoint) -> u32 {
    pledge::needs(task.charter(), held)
}

impl Told {
    /// Of a task that was just written down.
    pub(super) fn new() -> Told {
        Told {
            stage: Stage::Draft,
            met: false,
            closed: false,
            missed: false,
            payments: BTreeMap::new(),
            reviews: Vec::new(),
            settlements: BTreeMap::new(),
            raised_sat: 0,
            counted_sat: 0,
            heights: Quiet::default(),
            mtps: Quiet::default(),
        }
    }

    /// What is true now.
    pub(super) fn of(task: &Task, tip: Option<&Tip>) -> Told {
        let mut told = Told::new();
        let Some(tip) = tip.filter(|_| task.opened()) else {
            told.stage = task.stage(tip);
            return told;
        };
        let fields = task.charter().fields();
        let standings = task.standings(tip);
        told.raised_sat = task.totals_of(&standings).raised.to_sat();
        told.counted_sat = task.counted_to_target(&standings).to_sat();
        told.stage = task.stage_under(tip, &standings);
        told.met = told.counted_sat >= fields.target_sat;
        told.closed = fields.funding_closed(tip.mtp_secs);
        told.missed = task.target_missed_under(tip, &standings);
        for (outpoint, held) in task.outpoints() {
            let Some(standing) = standings.get(outpoint) else { continue };
            told.payments.insert(*outpoint, payment(task, held, *standing));
        }
        told.reviews = task.submissions().iter().map(|s| (s.id, phase(task, s, tip))).collect();
        told.settlements = task.settlements().iter().map(|(id, s)| (*id, settlement(task, s, tip))).collect();
        told.heights = Quiet::around(u64::from(tip.height), heights(task));
        told.mtps = Quiet::around(u64::from(tip.mtp_secs), mtps(task));
        told
    }

    /// What a pledge weighs in a vote that counts weights at `height`.
    pub(super) fn weight_sat(&self, pledge: u32, height: u32) -> u64 {
        let counts = |told: &&PaymentTold| {
            told.pledge == pledge
                && told.paid_in
                && told.counts == Counts::Credited
                && told.block.is_some_and(|block| block.height <= height)
                && told.moved_height.is_none_or(|moved| moved > height)
        };
        self.payments.values().filter(counts).map(|told| told.amount_sat).fold(0, u64::saturating_add)
    }

    /// A settlement that was proposed once more starts anew.
    pub(super) fn forget_settlement(&mut self, id: &SettlementId) {
        self.settlements.remove(id);
    }

    /// Tells what leads from here to `now`, which is true under the second tip; the first is the one before.
    pub(super) fn tell(&self, now: &Told, task: &Task, tips: (Option<&Tip>, Option<&Tip>), emit: Emit<'_>) {
        let (tip_was, tip) = tips;
        self.tell_reorg(now, tip_was, emit);
        for (outpoint, new) in &now.payments {
            let old = self.payments.get(outpoint);
            tell_payment(task, *outpoint, old, new, emit);
        }
        self.tell_funding(now, task, emit);
        for (at, (id, new)) in now.reviews.iter().enumerate() {
            let old = self.reviews.get(at).map(|(_, phase)| *phase);
            if let (Some(submission), Some(tip)) = (task.submission(id), tip) {
                tell_review(task, submission, old, *new, tip, emit);
            }
        }
        for (id, new) in &now.settlements {
            tell_settlement(task, *id, self.settlements.get(id), new, emit);
        }
        if self.stage != now.stage {
            emit(None, What::StageChanged { from: self.stage, to: now.stage });
        }
    }

    fn tell_reorg(&self, now: &Told, tip_was: Option<&Tip>, emit: Emit<'_>) {
        let mut moved = 0;
        let mut lowest = u32::MAX;
        let mut look = |old: Option<Block>, new: Option<Block>| {
            if let Some(old) = old.filter(|old| new != Some(*old)) {
                moved += 1;
                lowest = lowest.min(old.height);
            }
        };
        for (outpoint, old) in &self.payments {
            let new = now.payments.get(outpoint);
            look(old.block, new.and_then(|new| new.block));
            let spent = |told: &PaymentTold| told.spend.and_then(|spend| spend.block);
            look(spent(old), new.and_then(spent));
        }
        if moved > 0 {
            let blocks = tip_was.map_or(0, |tip| (tip.height + 1).saturating_sub(lowest));
            emit(None, What::Reorg { moved, blocks });
        }
    }

    fn tell_funding(&self, now: &Told, task: &Task, emit: Emit<'_>) {
        let fields = task.charter().fields();
        let target_sat = fields.target_sat;
        let funding = Funding { raised_sat: now.raised_sat, target_sat };
        let counted = Funding { raised_sat: now.counted_sat, target_sat };
        let steps = [
            (self.missed && !now.missed, What::TargetOpenAgain(counted)),
            (self.met && !now.met, What::TargetLost(counted)),
            (self.closed && !now.closed, What::FundingReopened(funding)),
            (!self.met && now.met, What::TargetReached(counted)),
            (!self.closed && now.closed, What::FundingClosed(funding)),
            (
                !self.missed && now.missed,
                What::TargetMissed { raised_sat: now.counted_sat, target_sat, rule: fields.funding_rule },
            ),
        ];
        for (_, what) in steps.into_iter().filter(|(happened, _)| *happened) {
            emit(None, what);
        }
    }
}

fn payment(task: &Task, held: &Outpoint, standing: Standing) -> PaymentTold {
    let spend = held.spend.map(|spend| {
        let moved = task.destination(held);
        let refund = spend.path == SpendPath::Refund && moved.is_none();
        SpendTold { txid: spend.txid, refund, moved, block: spend.confirmation.map(block_of) }
    });
    let paid_in = held.slot.generation == 0;
    PaymentTold {
        pledge: held.slot.index,
        amount_sat: held.amount.to_sat(),
        paid_in,
        moved_height: if paid_in { task.moved_height(held) } else { None },
        counts: standing.into(),
        block: held.confirmation.map(block_of),
        spend,
        needs: needs(task, held),
    }
}

fn phase(task: &Task, submission: &SubmissionState, tip: &Tip) -> Phase {
    let Some(window) = task.window(submission) else { return Phase::Waiting };
    match (window.closed(tip.mtp_secs), window.ruling_over(tip.mtp_secs)) {
        (false, _) => Phase::Voting,
        (true, false) => Phase::Ruling,
        (true, true) => Phase::Over,
    }
}

fn settlement(task: &Task, state: &SettlementState, tip: &Tip) -> SettlementTold {
    let depth = task.charter().fields().depth;
    let fared = |(chunk, fate): (&crate::escrow::settlement::Chunk, Fate)| match fate {
        Fate::Pending => Fared::Pending,
        Fate::Conflicted => Fared::Conflicted,
        Fate::Confirmed { depth: has } => {
            let mined = chunk.inputs.iter().find_map(|input| {
                let spend = task.outpoints().get(&input.term.outpoint)?.spend?;
                let ours = chunk.forms.iter().any(|form| form.txid == spend.txid);
                Some((spend.txid, spend.confirmation.filter(|_| ours)?))
            });
            mined.map_or(Fared::Pending, |(txid, at)| Fared::Confirmed {
                txid,
                block: block_of(at),
                deep: has >= depth,
            })
        }
    };
    SettlementTold {
        signed: state.signatures.roles_done(),
        complete: state.fully_signed(),
        transactions: state.plan.chunks().iter().zip(task.chunk_fates(state, tip)).map(fared).collect(),
    }
}

/// Heights of the tip from which on something about the task is different.
fn heights(task: &Task) -> impl Iterator<Item = u64> {
    let depth = task.charter().fields().depth;
    task.outpoints().values().filter(|held| held.present).flat_map(move |held| {
        let deep = |at: Confirmation, needs: u32| {
            let mined = u64::from(at.height);
            [mined, mined + u64::from(needs.saturating_sub(1))]
        };
        let paid = held.confirmation.map(|at| deep(at, needs(task, held)));
        let spent = held.spend.and_then(|spend| spend.confirmation).map(|at| deep(at, depth));
        paid.into_iter().chain(spent).flatten()
    })
}

/// Median times past of the tip from which on something about the task is different.
fn mtps(task: &Task) -> impl Iterator<Item = u64> {
    let fields = task.charter().fields();
    let after = |last: u64| last.saturating_add(1);
    let opened = task.submissions().iter().filter_map(|submission| task.window(submission));
    let windows = opened.flat_map(move |window| [after(window.closes_secs), after(window.ruling_ends_secs)]);
    let charter = [u64::from(fields.funding_close), u64::from(task.charter().refund_time_secs())];
    charter.into_iter().map(after).chain(windows)
}

fn tell_payment(
    task: &Task,
    outpoint: OutPoint,
    old: Option<&PaymentTold>,
    new: &PaymentTold,
    emit: Emit<'_>,
) {
    let payment = Payment { outpoint, amount_sat: new.amount_sat };
    let pledge = (new.pledge != OPEN_INDEX).then_some(new.pledge);
    let was = old.map_or(Counts::Vanished, |old| old.counts);
    let was_block = old.and_then(|old| old.block);
    let was_spend = old.and_then(|old| old.spend);
    let mut emit = |what| emit(pledge, what);

    // What was, backwards.
    if let Some(spend) = was_spend {
        let still = new.spend.filter(|now| now.same(&spend));
        if let Some(block) = spend.block.filter(|block| still.and_then(|now| now.block) != Some(*block)) {
            emit(spend_unconfirmed(task, payment, spend, block));
        }
        if still.is_none() {
            emit(spend_dropped(task, payment, spend));
        }
    }
    if was != new.counts {
        match was {
            Counts::Vanished | Counts::Waiting => {}
            Counts::Credited => emit(What::PaymentUncredited(payment)),
            Counts::Gift => emit(What::GiftLost(payment)),
            Counts::BelowMinimum => emit(What::PaymentUncounted { payment, was: Was::BelowMinimum }),
            Counts::Surplus(_) => emit(What::PaymentUncounted { payment, was: Was::Surplus }),
        }
    }
    if let Some(block) = was_block.filter(|block| new.block != Some(*block)) {
        emit(What::PaymentUnconfirmed { payment, block });
    }
    if was != Counts::Vanished && new.counts == Counts::Vanished {
        emit(What::PaymentVanished(payment));
    }

    // What is, forwards.
    if was == Counts::Vanished && new.counts != Counts::Vanished && new.block.is_none() {
        emit(What::PaymentSeen(payment));
    }
    if let Some(block) = new.block.filter(|block| was_block != Some(*block)) {
        emit(What::PaymentConfirmed { payment, block, needs: new.needs });
    }
    if was != new.counts {
        match new.counts {
            Counts::Vanished | Counts::Waiting => {}
            Counts::Credited => emit(What::PaymentCredited(payment)),
            Counts::Gift => emit(What::GiftReceived(payment)),
            Counts::BelowMinimum => {
                let minimum_sat = task.charter().minimum_pledge().to_sat();
                emit(What::PaymentBelowMinimum { payment, minimum_sat });
            }
            Counts::Surplus(reason) => emit(What::PaymentSurplus { payment, reason }),
        }
    }
    if let Some(spend) = new.spend {
        let known = was_spend.filter(|was| was.same(&spend));
        match spend.block {
            None if known.is_none() => emit(spend_seen(task, payment, spend)),
            Some(block) if known.and_then(|known| known.block) != Some(block) => {
                emit(spend_confirmed(task, payment, spend, block));
            }
            _ => {}
        }
    }
}

/// The settlement that a transaction belongs to.
fn settlement_of(task: &Task, txid: Txid) -> Option<SettlementId> {
    task.settlements().values().find(|state| state.plan.has_transaction(&txid)).map(|state| state.plan.id())
}

fn spend_seen(task: &Task, payment: Payment, spend: SpendTold) -> What {
    let SpendTold { txid, refund, moved, .. } = spend;
    if refund {
        return What::RefundSent { payment, txid };
    }
    What::SpendSeen { payment, txid, settlement: settlement_of(task, txid), moved }
}

fn spend_dropped(task: &Task, payment: Payment, spend: SpendTold) -> What {
    let SpendTold { txid, refund, moved, .. } = spend;
    if refund {
        return What::RefundDropped { payment, txid };
    }
    What::SpendDropped { payment, txid, settlement: settlement_of(task, txid), moved }
}

fn spend_confirmed(task: &Task, payment: Payment, spend: SpendTold, block: Block) -> What {
    let SpendTold { txid, refund, moved, .. } = spend;
    if refund {
        return What::RefundConfirmed { payment, txid, block };
    }
    What::SpendConfirmed { payment, txid, settlement: settlement_of(task, txid), moved, block }
}

fn spend_unconfirmed(task: &Task, payment: Payment, spend: SpendTold, block: Block) -> What {
    let SpendTold { txid, refund, moved, .. } = spend;
    if refund {
        return What::RefundUnconfirmed { payment, txid, block };
    }
    What::SpendUnconfirmed { payment, txid, settlement: settlement_of(task, txid), moved, block }
}

/// When a submission is reviewed.
pub(super) fn review(task: &Task, submission: &SubmissionState) -> Option<Review> {
    let window = task.window(submission)?;
    Some(Review {
        opens_secs: window.opens_secs,
        closes_secs: window.closes_secs,
        ruling_ends_secs: window.ruling_ends_secs,
    })
}

fn tell_review(
    task: &Task,
    state: &SubmissionState,
    old: Option<Phase>,
    new: Phase,
    tip: &Tip,
    emit: Emit<'_>,
) {
    let submission = state.id;
    let Some(review) = review(task, state) else { return };
    let old = old.filter(|old| *old != Phase::Waiting);
    if old.is_none() {
        emit(None, What::ReviewOpened { submission, review });
    }
    let old = old.unwrap_or(Phase::Voting);
    if old == Phase::Over && new < Phase::Over {
        emit(None, What::RulingReopened { submission });
    }
    if old > Phase::Voting && new == Phase::Voting {
        emit(None, What::ReviewReopened { submission });
    }
    if old == Phase::Voting && new > Phase::Voting {
        let tally = task.tally(state, tip);
        emit(
            None,
            What::ReviewClosed {
                submission,
                electorate_sat: tally.electorate.to_sat(),
                yes_sat: tally.yes.to_sat(),
                no_sat: tally.no.to_sat(),
                quorum_met: tally.quorum_met,
                threshold_reached: tally.threshold_reached,
                ruling_ends_secs: review.ruling_ends_secs,
            },
        );
    }
    if old < Phase::Over && new == Phase::Over {
        emit(None, What::RulingClosed { submission });
    }
}

fn tell_settlement(
    task: &Task,
    settlement: SettlementId,
    old: Option<&SettlementTold>,
    new: &SettlementTold,
    emit: Emit<'_>,
) {
    let none = SettlementTold::default();
    let old = old.unwrap_or(&none);
    for role in new.signed.iter().filter(|role| !old.signed.contains(role)) {
        emit(None, What::SettlementSigned { settlement, role: *role });
    }
    if new.complete && !old.complete {
        emit(None, What::SettlementComplete { settlement });
    }
    for (at, (transaction, fared)) in (0u32..).zip(&new.transactions).enumerate() {
        let was = old.transactions.get(at).copied().unwrap_or(Fared::Pending);
        if was == *fared {
            continue;
        }
        let known = match (was, *fared) {
            (Fared::Confirmed { txid: a, block: b, deep: false }, Fared::Confirmed { txid, block, .. }) => {
                (a, b) == (txid, block)
            }
            _ => false,
        };
        if !known && was != Fared::Pending {
            emit(None, What::SettlementUnconfirmed { settlement, transaction });
        }
        match *fared {
            Fared::Pending => {}
            Fared::Conflicted => emit(None, What::SettlementConflicted { settlement, transaction }),
            Fared::Confirmed { txid, block, deep } => {
                if !known {
                    emit(None, What::SettlementConfirmed { settlement, transaction, txid, block });
                }
                if deep {
                    let confirmations = task.charter().fields().depth;
                    emit(None, What::SettlementFinal { settlement, transaction, txid, confirmations });
                }
            }
        }
    }
}
