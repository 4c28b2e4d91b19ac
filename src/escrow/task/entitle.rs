//! What a settlement may do: which outpoints, with which share paid, for which reason. Proposals are
//! made from it, and checked against it again whenever somebody signs.

use super::part::{Judged, Part};
use super::underway::GRACE_SECS;
use super::{Refused, SubmissionState, Task};
use crate::escrow::ballot::{self, Verdict};
use crate::escrow::charter::{self, Bps, Payee};
use crate::escrow::descriptor::{OPEN_INDEX, Slot};
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Outpoint, Standing};
use crate::escrow::refund::RefundBundle;
use crate::escrow::settlement::{self, Kind, Plan, TermInput, Terms};
use crate::escrow::statement::{CharterId, Submission, SubmissionId};
use bitcoin::{Address, OutPoint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why an outpoint is part of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its sponsor voted yes.
    Yes,
    /// Its sponsor was silent, and silence pays.
    Silent,
    /// A gift goes where silence goes.
    Gift,
    /// Its sponsor voted no, and the arbiter ruled.
    Ruled,
    /// It is beyond what the charter takes.
    Surplus,
    /// It is below the minimum pledge.
    BelowMinimum,
    /// Two signers give everything back.
    EarlyReturn,
    /// Its sponsor signed that it moves to another charter.
    Moved,
}

/// What may be done with one outpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// Share that goes to the payees; the rest returns.
    pub pay: Bps,
    /// Why.
    pub reason: Reason,
}

impl Task {
    /// What a settlement of this kind may do with one outpoint; `None`: leave it where it is.
    fn entitlement(
        &self,
        rests_on: Option<&RestsOn<'_>>,
        kind: &Kind,
        held: &Outpoint,
        standing: Standing,
        tip: &Tip,
    ) -> Option<Entitlement> {
        let back = |reason| Some(Entitlement { pay: Bps::NONE, reason });
        let pay = |reason| Some(Entitlement { pay: Bps::ALL, reason });
        match (kind, standing) {
            (_, Standing::Vanished | Standing::Seen | Standing::Confirming { .. }) => None,
            (Kind::EarlyReturn, Standing::Credited) => back(Reason::EarlyReturn),
            (Kind::EarlyReturn, Standing::Gift) => self.charter.pot().and_then(|_| back(Reason::EarlyReturn)),
            (Kind::Move { to }, Standing::Credited | Standing::Surplus { .. } | Standing::BelowMinimum) => {
                self.moves.get(&(held.outpoint, *to)).and_then(|_| back(Reason::Moved))
            }
            (Kind::EarlyReturn | Kind::Payout { .. }, Standing::Surplus { .. }) => back(Reason::Surplus),
            (Kind::EarlyReturn | Kind::Payout { .. }, Standing::BelowMinimum) => back(Reason::BelowMinimum),
            (Kind::Payout { .. }, Standing::Gift) => {
                let RestsOn { judged, of } = rests_on?;
                if self.gifts_pay(judged, of, tip) { pay(Reason::Gift) } else { None }
            }
            (Kind::Payout { .. } | Kind::Ruling { .. } | Kind::Milestone { .. }, Standing::Credited) => {
                let RestsOn { judged, of } = rests_on?;
                let (pay, part) = self.share_of(kind, judged, of, held, tip)?;
                let reason = match part {
                    Part::Yes => Reason::Yes,
                    Part::Silent => Reason::Silent,
                    Part::Ruled(_) => Reason::Ruled,
                    Part::Pending | Part::Lost => return None,
                };
                Some(Entitlement { pay, reason })
            }
            (
                Kind::Ruling { .. } | Kind::Milestone { .. },
                Standing::Gift | Standing::Surplus { .. } | Standing::BelowMinimum,
            )
            | (Kind::Move { .. }, Standing::Gift) => None,
        }
    }

    /// What a settlement of `kind` may do with every outpoint that is there, spent in the mempool or not.
    pub fn entitlements(&self, kind: &Kind, tip: &Tip) -> Result<BTreeMap<OutPoint, Entitlement>, Refused> {
        self.entitlements_if(kind, None, tip)
    }

    /// The same, if the arbiter had ruled `ruling` where there is no ruling yet.
    fn entitlements_if(
        &self,
        kind: &Kind,
        ruling: Option<Bps>,
        tip: &Tip,
    ) -> Result<BTreeMap<OutPoint, Entitlement>, Refused> {
        let rests_on = match kind.submission() {
            None => None,
            Some(submission) => {
                let of = self.need_submission(&submission)?;
                let mut judged = self.judged(&submission, tip);
                for own in judged.iter_mut().filter(|judged| judged.submission.id == submission) {
                    own.ballot.words.ruling = own.ballot.words.ruling.or(ruling);
                    if matches!(kind, Kind::Ruling { .. }) && own.ballot.words.ruling.is_none() {
                        return Err(Refused::NoRuling { submission });
                    }
                }
                Some(RestsOn { judged, of })
            }
        };
        let standings = self.standings(tip);
        Ok(self
            .outpoints
            .values()
            .filter_map(|held| {
                let standing = *standings.get(&held.outpoint)?;
                Some((held.outpoint, self.entitlement(rests_on.as_ref(), kind, held, standing, tip)?))
            })
            .collect())
    }

    pub(super) fn ballot(
        &self,
        submission: &SubmissionState,
        electorate: &[ballot::Weight],
        tip: &Tip,
    ) -> Ballot {
        let tally = self.tally_of(submission, electorate);
        let mut words = self.words(submission, tip);
        let Submission { block_height, named, .. } = &submission.signed.statement;
        // To others than the charter names only a yes pays, and nobody rules.
        let named = named.is_some();
        if named {
            words.ruling = None;
        }
        let silence_pays = !named && ballot::silence_pays(&self.charter, &tally, &words);
        Ballot { tally, words, silence_pays, named, block_height: *block_height }
    }

    /// The verdict over what a pledge had confirmed at `height`. Who came after the named block was never
    /// asked: that silence says nothing, and the money waits.
    pub(super) fn verdict(&self, ballot: &Ballot, pledge: u32, height: u32) -> Verdict {
        let asked = height <= ballot.block_height && !ballot.named;
        match ballot::verdict(&self.charter, &ballot.tally, &ballot.words, pledge) {
            Verdict::Pay if !asked && ballot.tally.choice(pledge).is_none() => Verdict::Wait,
            verdict => verdict,
        }
    }

    /// A submission's count, and what follows from it.
    pub fn counted(&self, submission: &SubmissionState, tip: &Tip) -> Counted {
        let electorate = self.electorate(tip);
        let ballot = self.ballot(submission, &electorate, tip);
        let verdicts = self.verdicts_under(&ballot, &electorate);
        Counted { silence_pays: ballot.silence_pays, tally: ballot.tally, verdicts }
    }

    /// What may be done with each pledge's credited money under a submission; pay, if that may be done with
    /// any of it.
    pub fn verdicts(&self, submission: &SubmissionState, tip: &Tip) -> BTreeMap<u32, Verdict> {
        let electorate = self.electorate(tip);
        self.verdicts_under(&self.ballot(submission, &electorate, tip), &electorate)
    }

    fn verdicts_under(&self, ballot: &Ballot, electorate: &[ballot::Weight]) -> BTreeMap<u32, Verdict> {
        let mut verdicts = BTreeMap::new();
        for weight in electorate {
            let verdict = self.verdict(ballot, weight.pledge, weight.height);
            let kept = verdicts.entry(weight.pledge).or_insert(verdict);
            if verdict == Verdict::Pay {
                *kept = Verdict::Pay;
            }
        }
        verdicts
    }

    pub(super) fn need_submission(&self, id: &SubmissionId) -> Result<&SubmissionState, Refused> {
        self.submission(id).ok_or(Refused::UnknownSubmission { submission: *id })
    }

    /// The terms of a settlement of everything `kind` allows now, at `feerate_sat_per_vb`.
    pub(super) fn terms(
        &self,
        kind: Kind,
        feerate_sat_per_vb: u64,
        destination: Option<&Task>,
        tip: &Tip,
    ) -> Result<Terms, Refused> {
        self.terms_of(kind, feerate_sat_per_vb, &self.entitlements(&kind, tip)?, destination, tip)
    }

    /// The terms of a settlement of everything that is entitled, at `feerate_sat_per_vb`.
    fn terms_of(
        &self,
        kind: Kind,
        feerate_sat_per_vb: u64,
        entitled: &BTreeMap<OutPoint, Entitlement>,
        destination: Option<&Task>,
        tip: &Tip,
    ) -> Result<Terms, Refused> {
        // From then on pledges only go back to their sponsors by themselves; gifts never do.
        let refunds_only = tip.mtp_secs > self.charter.refund_time_secs().saturating_add(GRACE_SECS);
        let inputs: Vec<TermInput> = entitled
            .iter()
            .filter_map(|(outpoint, entitlement)| {
                let held = self.outpoints.get(outpoint)?;
                let free = held.unspent()
                    || self.outbids(held, feerate_sat_per_vb)
                    || self.spent_by_nobody(held, tip);
                let may_move = free && (!refunds_only || held.slot.index == OPEN_INDEX);
                may_move.then(|| self.term_input(&kind, held, *entitlement))
            })
            .collect();
        let payees = self.payees(&kind)?;
        let shares = self.charter.shares_for(&payees)?;
        let inputs = settlement::worthwhile(&self.charter, &shares, kind, feerate_sat_per_vb, inputs).joins;
        let holder = if matches!(kind, Kind::Move { .. }) { destination } else { Some(self) };
        let secured = |input: &TermInput| {
            let terms =
                Terms::naming(self.id(), kind, feerate_sat_per_vb, payees.clone(), vec![input.clone()]);
            terms.is_ok_and(|terms| holder.is_some_and(|holder| self.refunds_prepared(&terms, holder)))
        };
        let inputs: Vec<TermInput> =
            inputs.into_iter().filter(|input| !kind.one_by_one() || secured(input)).collect();
        let moves = |input: &TermInput| match kind {
            Kind::Payout { .. } => input.pay > Bps::NONE,
            Kind::EarlyReturn | Kind::Ruling { .. } | Kind::Milestone { .. } | Kind::Move { .. } => true,
        };
        if !inputs.iter().any(moves) {
            return Err(if kind.one_by_one() { Refused::NothingPrepared } else { Refused::NothingToSettle });
        }
        Terms::naming(self.id(), kind, feerate_sat_per_vb, payees, inputs).map_err(Refused::Terms)
    }

    /// For the kinds whose refunds are signed in advance: the step at which most outpoints can move, of equals the
    /// one nearest to `wanted`. `None` for other kinds, and where nothing can.
    pub fn prepared_step(
        &self,
        kind: Kind,
        wanted: u64,
        destination: Option<&Task>,
        tip: &Tip,
    ) -> Option<u64> {
        if !kind.one_by_one() {
            return None;
        }
        let cap = self.charter.fields().feerate_cap_sat_per_vb;
        let steps = settlement::steps().take_while(|step| *step <= cap);
        let entitled = self.entitlements(&kind, tip).ok()?;
        let movable = |step: u64| {
            let terms = self.terms_of(kind, step, &entitled, destination, tip).ok()?;
            Some((terms.inputs().len(), std::cmp::Reverse(step.abs_diff(wanted)), step))
        };
        steps.filter_map(movable).max().map(|(_, _, step)| step)
    }

    /// Who is paid in place of the charter's payees by a settlement of this kind.
    pub fn payees(&self, kind: &Kind) -> Result<Vec<Payee>, Refused> {
        let Some(submission) = kind.submission() else { return Ok(Vec::new()) };
        let named = self.need_submission(&submission)?.signed.statement.named.as_ref();
        Ok(named.map(|named| named.payees.clone()).unwrap_or_default())
    }

    /// Whether `holder` (this task, or the one that money moves to) has a refund of everything that the
    /// transactions of `terms` would make in its escrow.
    fn refunds_prepared(&self, terms: &Terms, holder: &Task) -> bool {
        // Planning takes long; most pledges have nothing prepared at all.
        let index = |input: &TermInput| match terms.kind() {
            Kind::Move { .. } => self.moves_to(input.outpoint, holder.id()).map(|slot| slot.index),
            _ => Some(input.slot.index),
        };
        let any = |index: u32| holder.prepared_of(index).next().is_some();
        if !terms.inputs().iter().all(|input| index(input).is_some_and(any)) {
            return false;
        }
        let Ok(plan) = settlement::plan(&self.secp, &self.charter, &self.contract, terms) else {
            return false;
        };
        !self.pays_another(&plan)
            && plan.made().all(|(input, made)| self.prepared_for(holder, input, &made).is_some())
    }

    /// The refund that was signed beforehand of what a form makes of an input, in the escrow of `holder`: this task, or
    /// the one that money moves to.
    pub fn prepared_for<'a>(
        &self,
        holder: &'a Task,
        input: &settlement::ChunkInput,
        made: &settlement::Made,
    ) -> Option<&'a RefundBundle> {
        let slot = made.slot.or_else(|| self.moves_to(input.term.outpoint, holder.id()))?;
        holder.prepared(&(slot, made.outpoint, made.amount))
    }

    /// The address under another charter that an outpoint's sponsor signed it over to.
    pub fn moves_to(&self, outpoint: OutPoint, charter: CharterId) -> Option<Slot> {
        self.moves.get(&(outpoint, charter)).map(|consent| Slot::pledge(consent.statement.to_index))
    }

    /// The transactions that proposing a settlement of `kind` would make now; for a ruling that was not given
    /// yet, those it would make if the arbiter ruled `ruling`. Changes nothing, and says nothing of whether it is
    /// the time for it.
    pub fn preview(
        &self,
        kind: Kind,
        feerate_sat_per_vb: u64,
        ruling: Option<Bps>,
        destination: Option<&Task>,
        tip: &Tip,
    ) -> Result<Plan, Refused> {
        let entitled = self.entitlements_if(&kind, ruling, tip)?;
        let terms = self.terms_of(kind, feerate_sat_per_vb, &entitled, destination, tip)?;
        Ok(settlement::plan(&self.secp, &self.charter, &self.contract, &terms)?)
    }

    /// Whether an outpoint is spent only by a settlement that waits in the mempool, at most at a feerate below
    /// `feerate_sat_per_vb`: then a new one may take its place.
    fn outbids(&self, held: &Outpoint, feerate_sat_per_vb: u64) -> bool {
        let Some(spend) = held.spend.filter(|spend| spend.confirmation.is_none()) else { return false };
        let highest = self.settlements.values().find_map(|settlement| {
            let place = settlement.plan.find(&spend.txid)?;
            settlement.plan.chunk(place.chunk)?.forms.last().map(|form| form.feerate_sat_per_vb)
        });
        held.present && highest.is_some_and(|highest| highest < feerate_sat_per_vb)
    }

    /// Whether all that spends an outpoint before T is an unconfirmed transaction that is none of ours. No
    /// refund is final then, so it is the signers' own, or a server made it up: it must not keep money from
    /// being settled.
    fn spent_by_nobody(&self, held: &Outpoint, tip: &Tip) -> bool {
        let Some(spend) = held.spend.filter(|spend| spend.confirmation.is_none()) else { return false };
        let ours = self.settlements.values().any(|settlement| settlement.plan.has_transaction(&spend.txid));
        held.present && !ours && tip.mtp_secs <= self.charter.refund_time_secs()
    }

    fn term_input(&self, kind: &Kind, held: &Outpoint, entitlement: Entitlement) -> TermInput {
        self.input(held, entitlement.pay, self.goes_to(kind, held))
    }

    /// What terms say of an outpoint. Sponsors sign refunds for the txids that follow from it before anybody proposes
    /// them, so there is one place that makes it.
    pub(super) fn input(&self, held: &Outpoint, pay: Bps, return_address: Option<Address>) -> TermInput {
        TermInput {
            outpoint: held.outpoint,
            amount: held.amount,
            slot: held.slot,
            sponsor_key: self.pledges.get(&held.slot.index).map(|pledge| pledge.sponsor_key),
            pay,
            return_address,
        }
    }

    /// Where what a settlement does not pay of an outpoint goes: back, or to the pledge it moves to.
    pub fn goes_to(&self, kind: &Kind, held: &Outpoint) -> Option<Address> {
        let Kind::Move { to } = kind else { return self.return_address(held.slot).cloned() };
        let consent = self.moves.get(&(held.outpoint, *to))?;
        charter::address("to_address", &consent.statement.to_address, self.charter.network()).ok()
    }

    /// Whether every input of `terms` may still be settled so: votes change, rulings come, blocks go.
    pub(super) fn still_entitled(&self, terms: &Terms, tip: &Tip) -> Result<(), Refused> {
        let kind = terms.kind();
        let entitlements = self.entitlements(&kind, tip)?;
        if terms.payees() != self.payees(&kind)? {
            return Err(Refused::OtherTask { what: "settlement", field: "list of payees" });
        }
        for input in terms.inputs() {
            let held = self.outpoints.get(&input.outpoint);
            match (held, entitlements.get(&input.outpoint)) {
                (Some(held), Some(entitlement)) if self.term_input(&kind, held, *entitlement) == *input => {}
                _ => return Err(Refused::NoLongerAllowed { outpoint: input.outpoint }),
            }
        }
        Ok(())
    }
}

/// A submission as it stands under a tip.
pub(super) struct Ballot {
    pub tally: ballot::Tally,
    pub words: ballot::Words,
    pub silence_pays: bool,
    /// Whether it names other payees than the charter.
    named: bool,
    /// Height of the submission's named block.
    block_height: u32,
}

/// The count of a submission with what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The count.
    pub tally: ballot::Tally,
    /// What may be done with each pledge's money; pay, if that may be done with any of it.
    pub verdicts: BTreeMap<u32, Verdict>,
    /// Whether the money of the silent, and gifts, may be paid.
    pub silence_pays: bool,
}

/// What decides over a settlement that rests on a submission.
struct RestsOn<'a> {
    judged: Vec<Judged<'a>>,
    of: &'a SubmissionState,
}
