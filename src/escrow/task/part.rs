//! Milestones: what a remainder has covered already, and what each milestone of a pledge comes to under the votes.
//!
//! A settlement of a milestone pays its share of a pledge and leaves the rest at the next generation of the address.
//! What that rest still owes follows from where it comes from; nothing of it is stored.

use super::entitle::Ballot;
use super::{Refused, SubmissionState, Task};
use crate::escrow::ballot::Verdict;
use crate::escrow::charter::{Bps, Payee, address};
use crate::escrow::descriptor::Slot;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Destination, Outpoint, Standing};
use crate::escrow::settlement::{self, Kind, Plan, Terms};
use crate::escrow::statement::{CharterId, Choice, Move, Signed, SubmissionId};
use bitcoin::{Address, OutPoint};
use std::collections::{BTreeMap, BTreeSet};

/// Where a remainder comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What it was split off from.
    pub from: OutPoint,
    /// The submission of the milestone that was paid.
    pub submission: SubmissionId,
    /// The address it pays.
    pub slot: Slot,
}

/// What becomes of a milestone's share of one outpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It is paid: the sponsor said yes.
    Yes,
    /// It is paid: the sponsor said nothing, and silence pays.
    Silent,
    /// The sponsor said no, and the arbiter ruled that so much is paid.
    Ruled(Bps),
    /// Nothing is decided, and something may still be.
    Pending,
    /// Nothing will be paid.
    Lost,
}

impl Part {
    fn paid(self) -> bool {
        matches!(self, Part::Yes | Part::Silent)
    }

    /// The part of the milestone's share that is paid.
    fn pays(self) -> Bps {
        match self {
            Part::Yes | Part::Silent => Bps::ALL,
            Part::Ruled(share) => share,
            Part::Pending | Part::Lost => Bps::NONE,
        }
    }
}

/// An outpoint of which several milestones are to be paid to different people. One transaction has one list of payees,
/// so a last payout pays some of them and returns the rest: each but the last needs a transaction of its own before,
/// and so the refunds of what that one leaves in escrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// The pledge.
    pub pledge: u32,
    /// The outpoint.
    pub outpoint: OutPoint,
    /// The milestones, counted from 0.
    pub milestones: Vec<u32>,
}

/// A submission as it is judged under a tip.
pub(super) struct Judged<'a> {
    pub submission: &'a SubmissionState,
    pub ballot: Ballot,
}

impl Judged<'_> {
    /// Which milestone it is for.
    pub fn milestone(&self) -> u32 {
        self.submission.milestone()
    }

    /// Whether it may be paid for in a settlement for `of`: one transaction has one list of payees. Who named them does
    /// not matter.
    fn pays_as(&self, of: &SubmissionState) -> bool {
        self.submission.named_payees() == of.named_payees()
    }
}

impl SubmissionState {
    /// Which milestone it is for; 0 where the charter has one only.
    pub fn milestone(&self) -> u32 {
        self.signed.statement.milestone.unwrap_or(0)
    }

    /// Who is paid in place of the charter's payees.
    fn named_payees(&self) -> Option<&[Payee]> {
        self.signed.statement.named.as_ref().map(|named| named.payees.as_slice())
    }
}

impl Task {
    /// What a remainder was split off from, and for which submission; `None` for whatever else lies at an address
    /// of a later generation, and for what was paid in from outside.
    pub fn origin(&self, held: &Outpoint) -> Option<&Origin> {
        self.origins.get(&held.outpoint).filter(|origin| origin.slot == held.slot)
    }

    /// The transactions that would split one outpoint for a submission's milestone at a feerate: what its sponsor signs
    /// the refunds of what stays in escrow for. Whether votes allow it is not asked.
    ///
    /// # Errors
    /// Where the outpoint does not hold that milestone and another one, or is not worth splitting.
    pub fn split_off(
        &self,
        submission: &SubmissionId,
        outpoint: OutPoint,
        feerate_sat_per_vb: u64,
    ) -> Result<Plan, Refused> {
        let held = self.outpoints.get(&outpoint).ok_or(Refused::UnknownOutpoint { outpoint })?;
        let kind = Kind::Milestone { submission: *submission };
        let number = self.need_submission(submission)?.milestone();
        let open = self.uncovered(held);
        let pay = self.weighed(&open, |other| if other == number { Bps::ALL } else { Bps::NONE });
        self.single(kind, held, pay, self.goes_to(&kind, held), feerate_sat_per_vb)
    }

    /// The transactions that would move one outpoint as its sponsor signed, or is about to sign.
    ///
    /// # Errors
    /// Where it is not here, or not worth moving.
    pub fn moved(&self, consent: &Move, feerate_sat_per_vb: u64) -> Result<Plan, Refused> {
        let outpoint = consent.outpoint;
        let held = self.outpoints.get(&outpoint).ok_or(Refused::UnknownOutpoint { outpoint })?;
        let to = address("to_address", &consent.to_address, self.charter.network());
        let to = to.map_err(Refused::RefundAddress)?;
        let kind = Kind::Move { to: consent.to_charter };
        self.single(kind, held, Bps::NONE, Some(to), feerate_sat_per_vb)
    }

    /// The transactions of a settlement of one outpoint.
    fn single(
        &self,
        kind: Kind,
        held: &Outpoint,
        pay: Bps,
        return_address: Option<Address>,
        feerate_sat_per_vb: u64,
    ) -> Result<Plan, Refused> {
        let input = self.input(held, pay, return_address);
        let terms = Terms::naming(self.id(), kind, feerate_sat_per_vb, self.payees(&kind)?, vec![input]);
        let terms = terms.map_err(Refused::Terms)?;
        Ok(settlement::plan(&self.secp, &self.charter, &self.contract, &terms)?)
    }

    /// Notes where everything comes from that a settlement's transactions would leave in escrow.
    pub(super) fn note_origins(&mut self, plan: &Plan) {
        let Some(submission) = plan.terms().kind().submission() else { return };
        for (input, made) in plan.made() {
            let Some(slot) = made.slot else { continue };
            let origin = Origin { from: input.term.outpoint, submission, slot };
            // What was said first stays: nobody may say later that the same transaction pays another milestone.
            self.origins.entry(made.outpoint).or_insert(origin);
            for generation in 1..=slot.generation {
                let slot = Slot { generation, ..slot };
                if !self.later.contains_key(&slot) {
                    let output = self.output(slot);
                    self.later.extend(output.map(|output| (slot, output)));
                }
            }
        }
    }

    /// Whether a transaction of `plan` is known to pay another milestone: where two milestones have equal shares,
    /// their transactions at one feerate are the same, and only one of the two may be meant.
    pub(in crate::escrow) fn pays_another(&self, plan: &Plan) -> bool {
        let Kind::Milestone { submission } = plan.terms().kind() else { return false };
        let milestone = |id: &SubmissionId| self.submission(id).map(SubmissionState::milestone);
        let known = |made: OutPoint| self.origins.get(&made).map(|origin| origin.submission);
        plan.made().any(|(_, made)| {
            known(made.outpoint).is_some_and(|other| milestone(&other) != milestone(&submission))
        })
    }

    /// Everything that settlements left in escrow, each with the payment it comes from.
    pub(super) fn remainders(&self) -> BTreeMap<OutPoint, OutPoint> {
        let later = self.outpoints.values().filter(|held| held.slot.generation > 0);
        later.filter_map(|held| Some((held.outpoint, self.root(held)?.outpoint))).collect()
    }

    /// The outpoint that was paid in, which a remainder comes from in the end; itself, if nothing was split off.
    pub fn root<'a>(&'a self, held: &'a Outpoint) -> Option<&'a Outpoint> {
        let mut held = held;
        // Each step is a generation lower, so this ends.
        while held.slot.generation > 0 {
            let before = self.outpoints.get(&self.origin(held)?.from)?;
            if before.slot.generation >= held.slot.generation {
                return None;
            }
            held = before;
        }
        Some(held)
    }

    /// The pledge under another charter that an outpoint's spend takes it to, in a block or not: by a settlement that
    /// moves it, or by a rung of what its sponsor signed for T. `None` where it lies here, or went elsewhere: home,
    /// for one, where the refund was mined in place of the rung.
    pub fn destination(&self, held: &Outpoint) -> Option<Destination> {
        let spend = held.spend?;
        if let Some(late) = held.late_move.as_ref().filter(|late| late.sends(&spend.txid)) {
            return Some(late.destination());
        }
        let carried_out = |charter: &CharterId| {
            let kind = Kind::Move { to: *charter };
            let mut states = self.settlements.values();
            states.any(|state| state.plan.terms().kind() == kind && state.plan.has_transaction(&spend.txid))
        };
        let mut consents = self.consents(held.outpoint);
        let carried_out = consents.find(|consent| carried_out(&consent.statement.to_charter));
        carried_out.map(|consent| Destination::of(&consent.statement))
    }

    /// What its sponsor signed about moving an outpoint with two signers, in the order of the charters it leads to.
    pub fn consents(&self, outpoint: OutPoint) -> impl Iterator<Item = &Signed<Move>> {
        let ends = |charter| (outpoint, charter);
        let all = ends(CharterId([0; 32]))..=ends(CharterId([0xff; 32]));
        self.moves.range(all).map(|(_, consent)| consent)
    }

    /// Everything that mined transactions took to another charter.
    pub(super) fn moved_on(&self) -> BTreeSet<OutPoint> {
        let mined = |held: &&Outpoint| held.spend.is_some_and(|spend| spend.confirmation.is_some());
        let moved = self.outpoints.values().filter(mined).filter(|held| self.destination(held).is_some());
        moved.map(|held| held.outpoint).collect()
    }

    /// Height at which what is left of a payment moved to another charter: from then on it speaks there, not here.
    pub(in crate::escrow) fn moved_height(&self, root: &Outpoint) -> Option<u32> {
        let mut held = root;
        // Each step is a generation higher, so this ends.
        loop {
            let spend = held.spend?;
            let at = spend.confirmation?;
            if self.destination(held).is_some() {
                return Some(at.height);
            }
            let rest = |later: &&Outpoint| {
                later.slot.generation > held.slot.generation
                    && self.origin(later).is_some_and(|origin| origin.from == held.outpoint)
            };
            let at = |vout| OutPoint { txid: spend.txid, vout };
            held = self.outpoints.range(at(0)..=at(u32::MAX)).map(|(_, later)| later).find(rest)?;
        }
    }

    /// The milestones whose shares an outpoint still holds, in order; none for what is no remainder.
    pub fn uncovered(&self, held: &Outpoint) -> Vec<u32> {
        let mut open: BTreeSet<u32> = (0..self.charter.milestones()).collect();
        let mut held = held;
        while held.slot.generation > 0 {
            let Some(origin) = self.origin(held) else { return Vec::new() };
            if let Some(state) = self.submission(&origin.submission) {
                open.remove(&state.milestone());
            }
            match self.outpoints.get(&origin.from) {
                Some(before) if before.slot.generation < held.slot.generation => held = before,
                _ => return Vec::new(),
            }
        }
        open.into_iter().collect()
    }

    /// The submissions that decide over a settlement for `submission`: with several milestones all of them.
    pub(super) fn judged(&self, submission: &SubmissionId, tip: &Tip) -> Vec<Judged<'_>> {
        let several = self.charter.milestones() > 1;
        let electorate = self.electorate(tip);
        self.submissions
            .iter()
            .filter(|state| several || state.id == *submission)
            .map(|state| Judged { submission: state, ballot: self.ballot(state, &electorate, tip) })
            .collect()
    }

    /// What milestone `number` of a pledge's outpoint comes to in a settlement for `of`; `None` stands for the money
    /// that says nothing: gifts.
    pub(super) fn part(
        &self,
        judged: &[Judged<'_>],
        of: &SubmissionState,
        number: u32,
        asked: Option<(u32, u32)>,
        tip: &Tip,
    ) -> Part {
        let of_it = || judged.iter().filter(|judged| judged.milestone() == number);
        if of.milestone() == number {
            let mut own = of_it().filter(|judged| judged.submission.id == of.id);
            return own.next().map_or(Part::Pending, |judged| self.said(judged, asked));
        }
        let said: Vec<Part> =
            of_it().filter(|judged| judged.pays_as(of)).map(|judged| self.said(judged, asked)).collect();
        if let Some(paid) = said.iter().copied().find(|part| part.paid()) {
            return paid;
        }
        if let Some(ruled) = said.iter().rev().copied().find(|part| matches!(part, Part::Ruled(_))) {
            return ruled;
        }
        let may_be_submitted =
            self.charter.milestone(number).is_some_and(|milestone| tip.mtp_secs <= milestone.due);
        let may_be_decided = of_it().any(|judged| match self.window(judged.submission) {
            // Noes of a submission that names payees get no ruling: it must not hold others up until there could be one.
            Some(window) if judged.submission.signed.statement.named.is_some() => {
                !window.closed(tip.mtp_secs)
            }
            Some(window) => !window.ruling_over(tip.mtp_secs),
            None => tip.mtp_secs <= self.charter.confirmation_deadline_secs(),
        });
        if may_be_submitted || may_be_decided { Part::Pending } else { Part::Lost }
    }

    /// The submissions whose verdicts pay a part of an outpoint in a settlement of this kind.
    pub(in crate::escrow) fn paying_for(&self, kind: &Kind, held: &Outpoint, tip: &Tip) -> Vec<SubmissionId> {
        let Some(of) = kind.submission().and_then(|id| self.submission(&id)) else { return Vec::new() };
        if matches!(kind, Kind::Milestone { .. }) {
            return vec![of.id];
        }
        let Some(at) = self.root(held).and_then(|root| root.confirmation) else { return Vec::new() };
        let asked = Some((held.slot.index, at.height));
        let judged = self.judged(&of.id, tip);
        let pays = |number: u32| {
            let speaks = |judged: &&Judged<'_>| {
                let own = of.milestone() == number;
                judged.milestone() == number
                    && if own { judged.submission.id == of.id } else { judged.pays_as(of) }
            };
            let mut speaking = judged.iter().filter(speaks);
            speaking.find(|judged| self.said(judged, asked).paid()).map(|judged| judged.submission.id)
        };
        self.uncovered(held).into_iter().filter_map(pays).collect()
    }

    /// What no single payout can pay as the votes say, as long as something can still be done about it.
    pub fn parted(&self, tip: &Tip) -> Vec<Parted> {
        let named = self.submissions.iter().any(|state| state.named_payees().is_some());
        let Some(any) = self.submissions.last().filter(|_| self.charter.milestones() > 1 && named) else {
            return Vec::new();
        };
        if tip.mtp_secs > self.charter.cutoff_secs() {
            return Vec::new();
        }
        let judged = self.judged(&any.id, tip);
        let standings = self.standings(tip);
        let parted = |held: &Outpoint| {
            let at = self.root(held)?.confirmation?;
            let paying = |number: &u32| {
                let of_it = judged.iter().filter(|judged| judged.milestone() == *number);
                let pays = |part: Part| match part {
                    Part::Ruled(share) => share > Bps::NONE,
                    part => part.paid(),
                };
                let paid = of_it.filter(|judged| pays(self.said(judged, Some((held.slot.index, at.height)))));
                let lists: Vec<_> = paid.map(|judged| judged.submission.named_payees()).collect();
                (!lists.is_empty()).then_some((*number, lists))
            };
            let paid: Vec<_> = self.uncovered(held).iter().filter_map(paying).collect();
            let (_, first) = paid.first()?;
            let together = first.iter().any(|list| paid.iter().all(|(_, lists)| lists.contains(list)));
            let milestones = paid.iter().map(|(number, _)| *number).collect();
            (!together).then_some(Parted { pledge: held.slot.index, outpoint: held.outpoint, milestones })
        };
        let credited =
            |held: &&Outpoint| held.unspent() && standings.get(&held.outpoint) == Some(&Standing::Credited);
        self.outpoints.values().filter(credited).filter_map(parted).collect()
    }

    /// What a submission says about one pledge's money (index and height of what was paid in), or about gifts.
    fn said(&self, judged: &Judged<'_>, asked: Option<(u32, u32)>) -> Part {
        let Judged { ballot, .. } = judged;
        let Some((index, height)) = asked else {
            return if ballot.silence_pays { Part::Silent } else { Part::Pending };
        };
        match self.verdict(ballot, index, height) {
            Verdict::Pay if ballot.tally.choice(index) == Some(Choice::Yes) => Part::Yes,
            Verdict::Pay => Part::Silent,
            Verdict::Contested => ballot.words.ruling.map_or(Part::Pending, Part::Ruled),
            Verdict::Wait => Part::Pending,
        }
    }

    /// The share of an outpoint that a settlement for `of` pays, and why; `None` where it has to wait.
    pub(super) fn share_of(
        &self,
        kind: &Kind,
        judged: &[Judged<'_>],
        of: &SubmissionState,
        held: &Outpoint,
        tip: &Tip,
    ) -> Option<(Bps, Part)> {
        let root = self.root(held)?;
        let asked = Some((held.slot.index, root.confirmation?.height));
        let open = self.uncovered(held);
        if !open.contains(&of.milestone()) {
            return None;
        }
        let own = self.part(judged, of, of.milestone(), asked, tip);
        if matches!(kind, Kind::Milestone { .. }) {
            let paid =
                self.weighed(&open, |number| if number == of.milestone() { Bps::ALL } else { Bps::NONE });
            return (own == Part::Yes && open.len() > 1).then_some((paid, own));
        }
        let parts: Vec<(u32, Part)> =
            open.iter().map(|number| (*number, self.part(judged, of, *number, asked, tip))).collect();
        if parts.iter().any(|(_, part)| *part == Part::Pending) {
            return None;
        }
        let ruled = parts.iter().any(|(_, part)| matches!(part, Part::Ruled(_)));
        let fits = match kind {
            Kind::Payout { .. } => own.paid() && !ruled,
            Kind::Ruling { .. } => matches!(own, Part::Ruled(_)),
            Kind::EarlyReturn | Kind::Milestone { .. } | Kind::Move { .. } => false,
        };
        let pays = |number| {
            let part = parts.iter().find(|(other, _)| *other == number);
            part.map_or(Bps::NONE, |(_, part)| part.pays())
        };
        fits.then(|| (self.weighed(&open, pays), own))
    }

    /// Whether gifts may be paid with a settlement for `of`: they follow the silent, and wait for the last payout.
    pub(super) fn gifts_pay(&self, judged: &[Judged<'_>], of: &SubmissionState, tip: &Tip) -> bool {
        self.part(judged, of, of.milestone(), None, tip) == Part::Silent
            && (0..self.charter.milestones())
                .all(|number| self.part(judged, of, number, None, tip) != Part::Pending)
    }

    /// The part of an outpoint that is paid, where `pays` is paid of each milestone it still holds. Rounded down.
    fn weighed(&self, open: &[u32], pays: impl Fn(u32) -> Bps) -> Bps {
        let share = |number: &u32| {
            self.charter.milestone(*number).map_or(0, |milestone| u64::from(milestone.share_bps))
        };
        let whole: u64 = open.iter().map(share).sum();
        let paid: u64 = open.iter().map(|number| share(number) * u64::from(pays(*number).get())).sum();
        let bps = paid.checked_div(whole).and_then(|bps| u16::try_from(bps).ok());
        bps.and_then(Bps::new).unwrap_or(Bps::NONE)
    }
}
