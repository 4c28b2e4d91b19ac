//! What a settlement may do: which outpoints, with which share paid, for which reason. Proposals are
//! made from it, and checked against it again whenever somebody signs.

use super::part::{Judged, Origin, Part};
use super::{Refused, SettlementState, SubmissionState, Task};
use crate::escrow::ballot::{self, Verdict};
use crate::escrow::charter::{self, Bps, Payee};
use crate::escrow::descriptor::{OPEN_INDEX, Slot};
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Outpoint, Standing};
use crate::escrow::refund::RefundBundle;
use crate::escrow::settlement::{self, Kind, Plan, TermInput, Terms};
use crate::escrow::statement::{CharterId, SettlementId, Submission, SubmissionId};
use bitcoin::{Address, OutPoint};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds after T during which a payout that was under way may still be rebuilt and bumped.
pub const GRACE_SECS: u32 = 3 * crate::escrow::network::DAY_SECS;
/// A proposal nobody signed lapses after a week.
pub const PROPOSAL_SECS: u32 = 7 * crate::escrow::network::DAY_SECS;

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

    /// Whether a proposal may still be signed: nothing that it rests on has changed, and it has not lapsed.
    pub fn may_be_signed(&self, settlement: &SettlementState, tip: &Tip) -> Result<(), Refused> {
        if settlement.signatures.is_empty() && self.lapsed(settlement.at_mtp_secs, tip) {
            return Err(Refused::ProposalLapsed);
        }
        let terms = settlement.plan.terms();
        // A third signature on what two have signed changes nothing that could be refused.
        if !settlement.fully_signed() {
            self.still_entitled(terms, tip)?;
            self.check_time(terms, tip)?;
            self.check_conflicts(settlement.plan.id(), &settlement.plan.outpoints().collect(), tip)?;
        }
        Ok(())
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

    /// Whether a settlement binds its outpoints: somebody signed, and a transaction of it may still confirm.
    pub fn is_live(&self, id: &SettlementId, tip: &Tip) -> bool {
        self.settlements.get(id).is_some_and(|settlement| {
            !settlement.signatures.is_empty()
                && self.chunk_fates(settlement, tip).into_iter().any(|fate| fate == Fate::Pending)
        })
    }

    /// Whether a transaction that rests on this pledge's vote, or on its silence, may go out: two have
    /// signed one of its forms. What merely returns a stray payment to the pledge's address rests on no
    /// vote, or anybody could end a vote by paying a little there.
    pub(super) fn vote_used(&self, submission: SubmissionId, pledge: u32, tip: &Tip) -> bool {
        self.settlements.values().any(|settlement| {
            let kind = settlement.plan.terms().kind();
            // What pays one milestone rests on the votes for that one; what pays the last, on all.
            if matches!(kind, Kind::Milestone { submission: other } if other != submission) {
                return false;
            }
            let ruled = matches!(kind, Kind::Ruling { .. });
            let uses = |input: &TermInput| input.slot.index == pledge && (ruled || input.pays());
            let chunks = (0u32..).zip(settlement.plan.chunks());
            chunks.zip(self.chunk_fates(settlement, tip)).any(|((at, chunk), fate)| {
                let mut forms = (0u32..).take(chunk.forms.len());
                fate != Fate::Conflicted
                    && chunk.inputs.iter().any(|input| uses(&input.term))
                    && forms.any(|form| settlement.signatures.pair(at, form).is_some())
            })
        })
    }

    /// Whether a signed settlement has a transaction that is not deep enough yet.
    pub(super) fn is_settling(&self, tip: &Tip) -> bool {
        let depth = self.charter.fields().depth;
        self.settlements.values().filter(|settlement| !settlement.signatures.is_empty()).any(|settlement| {
            self.chunk_fates(settlement, tip).into_iter().any(|fate| match fate {
                Fate::Pending => true,
                Fate::Confirmed { depth: has } => has < depth,
                Fate::Conflicted => false,
            })
        })
    }

    /// What became of each transaction of a settlement.
    pub fn chunk_fates(&self, settlement: &SettlementState, tip: &Tip) -> Vec<Fate> {
        settlement
            .plan
            .chunks()
            .iter()
            .map(|chunk| {
                let spends = outpoints_of(chunk).filter_map(|o| self.outpoints.get(&o).and_then(|h| h.spend));
                let mut fate = Fate::Pending;
                for spend in spends {
                    let Some(at) = spend.confirmation else { continue };
                    if chunk.forms.iter().any(|form| form.txid == spend.txid) {
                        return Fate::Confirmed { depth: at.depth(tip) };
                    }
                    if at.depth(tip) >= self.charter.fields().depth {
                        fate = Fate::Conflicted;
                    }
                }
                if outpoints_of(chunk).any(|outpoint| self.never_comes(outpoint, tip)) {
                    fate = Fate::Conflicted;
                }
                fate
            })
            .collect()
    }

    /// Whether an outpoint is a rest that is not there, and what it was to be split off from was spent otherwise,
    /// deep enough: by another form, or by a refund.
    fn never_comes(&self, outpoint: OutPoint, tip: &Tip) -> bool {
        // A proof document leaves out what vanished.
        let held = self.outpoints.get(&outpoint);
        if held.is_some_and(|held| held.present) {
            return false;
        }
        let Some(Origin { from, slot, .. }) = self.origins.get(&outpoint) else { return false };
        if held.is_some_and(|held| held.slot != *slot) {
            return false;
        }
        let spend = self.outpoints.get(from).and_then(|from| from.spend);
        let otherwise = spend.is_some_and(|spend| {
            let depth = spend.confirmation.map_or(0, |at| at.depth(tip));
            spend.txid != outpoint.txid && depth >= self.charter.fields().depth
        });
        otherwise || self.never_comes(*from, tip)
    }

    /// No settlement may share an outpoint with one that two have signed (any form), unless it spends an
    /// outpoint of each of its transactions that may still confirm: then only one of the two can ever
    /// happen. A single signature binds nobody else: any one of the three could hold everything up with it.
    pub(super) fn check_conflicts(
        &self,
        id: SettlementId,
        outpoints: &BTreeSet<OutPoint>,
        tip: &Tip,
    ) -> Result<(), Refused> {
        for (other, settlement) in &self.settlements {
            if *other == id || !settlement.can_go_out() || !self.is_live(other, tip) {
                continue;
            }
            if !settlement.plan.outpoints().any(|outpoint| outpoints.contains(&outpoint)) {
                continue;
            }
            // Where each outpoint has a transaction of its own, whichever spends it first replaces the other, and
            // the rest goes on: who prepared nothing at a higher feerate holds nobody else up.
            if settlement.plan.terms().kind().one_by_one() {
                continue;
            }
            let fates = self.chunk_fates(settlement, tip);
            let replaced = settlement.plan.chunks().iter().zip(fates).all(|(chunk, fate)| {
                fate != Fate::Pending || outpoints_of(chunk).any(|outpoint| outpoints.contains(&outpoint))
            });
            if !replaced {
                return Err(Refused::SettlementUnderWay { settlement: *other });
            }
        }
        Ok(())
    }

    /// After the cut-off only a rebuild goes on: of a settlement that two had signed, without an input
    /// that was spent otherwise. Gifts have no refund that could be crossed, and nobody but the signers
    /// to move them: what moves nothing else may start at any time.
    pub(in crate::escrow) fn check_time(&self, terms: &Terms, tip: &Tip) -> Result<(), Refused> {
        let gifts_only = terms.inputs().iter().all(|input| input.slot.index == OPEN_INDEX);
        if gifts_only || tip.mtp_secs <= self.charter.cutoff_secs() {
            return Ok(());
        }
        let too_late = Refused::PastCutoff { cutoff_secs: self.charter.cutoff_secs() };
        if tip.mtp_secs > self.charter.refund_time_secs().saturating_add(GRACE_SECS) {
            return Err(too_late);
        }
        let rebuilds = |settlement: &SettlementState| {
            let inputs: BTreeSet<OutPoint> = settlement.plan.outpoints().collect();
            settlement.plan.terms().kind() == terms.kind()
                && settlement.fully_signed()
                && terms.inputs().iter().all(|input| inputs.contains(&input.outpoint))
                && self.chunk_fates(settlement, tip).contains(&Fate::Conflicted)
        };
        if self.settlements.values().any(rebuilds) { Ok(()) } else { Err(too_late) }
    }
}

fn outpoints_of(chunk: &settlement::Chunk) -> impl Iterator<Item = OutPoint> {
    chunk.inputs.iter().map(|input| input.term.outpoint)
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

/// What became of one transaction of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// It may still confirm.
    Pending,
    /// It is mined.
    Confirmed {
        /// Confirmations.
        depth: u32,
    },
    /// Something else spent one of its inputs, deep enough.
    Conflicted,
}

impl SettlementState {
    /// Whether two signers (for a ruling, the arbiter among them) signed any form of any transaction.
    pub fn can_go_out(&self) -> bool {
        self.plan.forms().any(|(place, _, _)| self.signatures.pair(place.chunk, place.form).is_some())
    }

    /// Whether two signers (for a ruling, the arbiter among them) signed everything.
    pub fn fully_signed(&self) -> bool {
        self.plan.forms().all(|(place, _, _)| self.signatures.pair(place.chunk, place.form).is_some())
    }
}
