//! Commands: what is asked, checked against state and tip, and the events it leads to. A command that
//! was carried out already gives no events and no error: delivering it twice does no harm.

use super::super::signature::{Speaker, StatementSignature};
use super::underway::PROPOSAL_SECS;
use super::{Refused, Task};
use crate::escrow::charter::{Charter, CharterError, address, unseen};
use crate::escrow::descriptor::{Contract, MAX_INDEX, Slot};
use crate::escrow::event::{Command, Event};
use crate::escrow::facts::{SpendPath, Tip};
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::pledge::{self, Pledge};
use crate::escrow::refund::{Ladder, LadderSignatures, RefundBundle, RefundSignatures, RefundTarget};
use crate::escrow::settlement::{self, Kind, RoleSignatures};
use crate::escrow::statement::{
    Acceptance, CharterId, Digest, Evidence, MergeConfirmation, Move, Named, Receipt, Role, Ruling,
    SettlementId, Signed, Statement, Submission, SubmissionId, Vote,
};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Amount, BlockHash};
use std::collections::BTreeSet;

/// Furthest T may be ahead when a charter is drafted.
const MAX_AHEAD_SECS: u32 = 2 * 365 * DAY_SECS + DAY_SECS;
/// A submission names the tip or one of the two blocks below it.
const MAX_BLOCKS_BELOW: u32 = 2;
/// Longest text of a task, in bytes: it stands in the journal and in every proof document.
const MAX_TEXT_BYTES: usize = 65_536;
/// Refunds kept of outputs that one pledge may come to have: for every milestone, feerate and form there is one.
const MAX_PREPARED: usize = 1_000;
/// Longest link of a submission, in bytes.
const MAX_LINK_BYTES: usize = 500;

/// Checks a charter that is to be written down, and makes its first event.
pub fn draft(charter: &[u8], text: &str, tip: Option<&Tip>) -> Result<(CharterId, Event), Refused> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Refused::TextTooLong { max: MAX_TEXT_BYTES });
    }
    let charter = Charter::parse(charter)?;
    let fields = charter.fields();
    if Digest::of(text.as_bytes()) != fields.text_hash {
        return Err(Refused::TextHash);
    }
    if fields.vote_opens.awaits().is_some() && fields.leader.is_none() {
        return Err(Refused::NobodyToConfirm);
    }
    if let Some(tip) = tip {
        let latest = tip.mtp_secs.saturating_add(MAX_AHEAD_SECS);
        if charter.network() != Network::Regtest && fields.refund_time > latest {
            return Err(Refused::TooFarAhead { mtp_secs: tip.mtp_secs });
        }
        if !fields.can_open(tip.mtp_secs) {
            return Err(Refused::AlreadyClosed { mtp_secs: tip.mtp_secs });
        }
    }
    // Keys that cancel out would leave the task without addresses.
    Contract::new(&charter)?;
    let text = text.to_owned();
    let canonical = String::from_utf8(charter.bytes().to_vec()).expect("canonical JSON is UTF-8");
    Ok((charter.id(), Event::TaskDrafted { charter: canonical, text, drafted_by: None }))
}

impl Task {
    /// Turns a command into events, or says why not. Changes nothing.
    pub fn decide(&self, command: &Command, tip: Option<&Tip>) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Attest { role, signature } => self.attest(*role, signature, tip),
            Command::IssuePledge { index, sponsor_key, refund_address, signature, amount } => {
                self.issue(*index, sponsor_key, refund_address, signature, *amount, self.known(tip)?)
            }
            Command::SecureRefund { refund } => self.secure(refund),
            Command::PrepareRefund { slot, refund } => self.prepare(*slot, refund),
            Command::SignMove { consent } => self.sign_move(consent),
            Command::SignLateMove { consent, ladder } => self.sign_late_move(consent, ladder),
            Command::SubmitWork { submission, block } => self.submit(submission, *block, self.known(tip)?),
            Command::MoveSubmissionBlock { submission, block } => self.move_block(submission, *block),
            Command::ConfirmMerge { confirmation, block } => {
                self.confirm(confirmation, *block, self.known(tip)?)
            }
            Command::MoveConfirmationBlock { submission, block } => {
                self.move_confirmation(submission, *block)
            }
            Command::CastVote { vote, receipt } => self.vote(vote, receipt, self.known(tip)?),
            Command::JudgeWork { acceptance } => self.judge(acceptance),
            Command::RuleNoes { ruling } => self.rule(ruling, self.known(tip)?),
            Command::GiveEvidence { evidence } => self.give_evidence(evidence),
            Command::ProposeSettlement { kind, feerate_sat_per_vb } => {
                self.propose(*kind, *feerate_sat_per_vb, None, self.known(tip)?)
            }
            Command::SignSettlement { settlement, signatures } => {
                self.sign(settlement, signatures, self.known(tip)?)
            }
            Command::NoteBroadcast { settlement, chunk, form } => {
                self.note_broadcast(settlement, *chunk, *form, self.known(tip)?)
            }
        }
    }

    fn known<'a>(&self, tip: Option<&'a Tip>) -> Result<&'a Tip, Refused> {
        tip.ok_or(Refused::NoTip)
    }

    /// Opens the task once all three have attested and the chain is known.
    pub fn due_to_open(&self, tip: Option<&Tip>) -> bool {
        let in_time = |tip: &Tip| self.charter.fields().can_open(tip.mtp_secs);
        !self.opened && self.attestations.len() == Role::ALL.len() && tip.is_some_and(in_time)
    }

    fn attest(
        &self,
        role: Role,
        signature: &StatementSignature,
        tip: Option<&Tip>,
    ) -> Result<Vec<Event>, Refused> {
        self.charter.verify_attestation(&self.secp, role, signature)?;
        if self.attestations.contains_key(&role) {
            // BIP340 allows many signatures over one statement; the first is as good as any.
            return Ok(Vec::new());
        }
        let mut events = vec![Event::CharterAttested { role, signature: *signature }];
        let mut after = self.clone();
        after.attestations.insert(role, *signature);
        if after.due_to_open(tip) {
            events.push(Event::TaskOpened);
        }
        Ok(events)
    }

    fn issue(
        &self,
        index: u32,
        sponsor_key: &XOnlyPublicKey,
        refund_address: &str,
        signature: &StatementSignature,
        amount: Amount,
        tip: &Tip,
    ) -> Result<Vec<Event>, Refused> {
        let refund_address = address("refund_address", refund_address, self.charter.network())
            .map_err(Refused::RefundAddress)?;
        if let Some(pledge) = self.pledges.get(&index)
            && pledge.sponsor_key == *sponsor_key
            && pledge.refund_address == refund_address
        {
            return Ok(Vec::new());
        }
        self.may_pledge(tip)?;
        let next = self.next_index();
        if next > MAX_INDEX {
            return Err(Refused::NoIndexLeft);
        }
        if index != next {
            return Err(Refused::IndexTaken { given: index, next });
        }
        let pledge = Pledge {
            index,
            sponsor_key: *sponsor_key,
            output: self.contract.pledge(&self.secp, Slot::pledge(index), *sponsor_key)?,
            refund_address,
            signature: *signature,
            promised: amount,
            at_mtp_secs: tip.mtp_secs,
        };
        let speaker = Speaker::sponsor(*sponsor_key);
        speaker.verify(&self.secp, &self.pledge_statement(&pledge), signature)?;
        let script = pledge.refund_address.script_pubkey();
        if script == pledge.output.script_pubkey || self.scripts().iter().any(|(own, _)| *own == script) {
            return Err(Refused::RefundToEscrow);
        }
        let minimum = self.charter.minimum_pledge();
        if amount < minimum {
            return Err(Refused::BelowMinimum { given: amount, minimum });
        }
        let taken = pledge::reserved(&self.pledges, &self.outpoints, &self.standings(tip), tip);
        let left = self.charter.cap().checked_sub(taken).unwrap_or(Amount::ZERO);
        if amount > left {
            return Err(Refused::CapReached { left });
        }
        Ok(vec![Event::PledgeIssued {
            index,
            sponsor_key: *sponsor_key,
            refund_address: pledge.refund_address.to_string(),
            signature: *signature,
            amount,
            at_mtp_secs: tip.mtp_secs,
        }])
    }

    fn secure(&self, refund: &RefundSignatures) -> Result<Vec<Event>, Refused> {
        let outpoint = refund.outpoint;
        let held = self.outpoints.get(&outpoint).ok_or(Refused::UnknownOutpoint { outpoint })?;
        let target = self.refund_target(held).ok_or(Refused::GiftHasNoRefund { outpoint })?;
        let bundle = RefundBundle::check(&self.secp, target, refund.clone())?;
        match &held.refund {
            // A ladder is never given up for a bare pair, and an equal bundle says nothing new.
            Some(kept) if !kept.pair_only() || bundle.pair_only() => Ok(Vec::new()),
            _ => Ok(vec![Event::RefundSecured { refund: refund.clone() }]),
        }
    }

    /// A refund of an output that a settlement may make: of a remainder, or of what moves here.
    fn prepare(&self, slot: Slot, refund: &RefundSignatures) -> Result<Vec<Event>, Refused> {
        let pledge = self.need_pledge(slot.index)?.index;
        let target = self.prepared_target(slot, refund).ok_or(Refused::UnknownPledge { pledge })?;
        let bundle = RefundBundle::check(&self.secp, target, refund.clone())?;
        let key = (slot, refund.outpoint, bundle.target().amount());
        if self.prepared.get(&key).is_some_and(|kept| !kept.pair_only() || bundle.pair_only()) {
            return Ok(Vec::new());
        }
        // It has come to be meanwhile: then it is a refund like any other.
        if self.outpoints.get(&refund.outpoint).is_some_and(|held| held.present) {
            return self.secure(refund);
        }
        if self.prepared_of(pledge).count() >= MAX_PREPARED {
            return Err(Refused::TooManyPrepared { max: MAX_PREPARED });
        }
        Ok(vec![Event::RefundPrepared { slot, refund: refund.clone() }])
    }

    /// A sponsor's consent to move. Whether the new pledge is what it says is for whoever knows the other charter.
    fn sign_move(&self, consent: &Signed<Move>) -> Result<Vec<Event>, Refused> {
        let said = &consent.statement;
        self.same_task("move", said.network, said.charter)?;
        let outpoint = said.outpoint;
        let held = self.outpoints.get(&outpoint).ok_or(Refused::UnknownOutpoint { outpoint })?;
        let pledge = self.pledges.get(&held.slot.index).ok_or(Refused::GiftHasNoRefund { outpoint })?;
        consent.verify(&self.secp, &Speaker::sponsor(pledge.sponsor_key))?;
        if said.to_charter == self.id() {
            return Err(Refused::MoveTarget { reason: "it leads to the charter it comes from" });
        }
        address("to_address", &said.to_address, self.charter.network()).map_err(Refused::RefundAddress)?;
        match self.moves.get(&(outpoint, said.to_charter)) {
            Some(known) if known.statement == *said => Ok(Vec::new()),
            Some(_) => Err(Refused::MoveSigned),
            None => Ok(vec![Event::MoveSigned { consent: consent.clone() }]),
        }
    }

    /// The same from T on, by the sponsor alone: a ladder that pays the new pledge.
    fn sign_late_move(
        &self,
        consent: &Signed<Move>,
        ladder: &LadderSignatures,
    ) -> Result<Vec<Event>, Refused> {
        // A consent to move now or at T is one statement; that it was given before changes nothing.
        match self.sign_move(consent) {
            Ok(_) | Err(Refused::MoveSigned) => {}
            Err(refused) => return Err(refused),
        }
        let held = self.outpoints.get(&consent.statement.outpoint);
        if let Some(known) = held.and_then(|held| held.late_move.as_ref()) {
            let same = known.consent().statement == consent.statement
                && known.ladder().is_some_and(|known| known.signatures() == ladder);
            return if same { Ok(Vec::new()) } else { Err(Refused::MoveSigned) };
        }
        let spend = held.and_then(|held| held.spend);
        if spend.is_some_and(|spend| spend.confirmation.is_some() || spend.path == SpendPath::Refund) {
            return Err(Refused::MoveTarget { reason: "it is spent already" });
        }
        self.late_ladder(consent, ladder)?;
        Ok(vec![Event::LateLadderSigned { consent: consent.clone(), ladder: ladder.clone() }])
    }

    /// The transactions that would move an outpoint from T on, signed.
    pub fn late_ladder(&self, consent: &Signed<Move>, ladder: &LadderSignatures) -> Result<Ladder, Refused> {
        Ok(Ladder::check(&self.secp, self.late_target(consent)?, ladder.clone())?)
    }

    /// What is spent by a move from T on, and where to.
    pub fn late_target(&self, consent: &Signed<Move>) -> Result<RefundTarget, Refused> {
        let outpoint = consent.statement.outpoint;
        let held = self.outpoints.get(&outpoint).ok_or(Refused::UnknownOutpoint { outpoint })?;
        let to = address("to_address", &consent.statement.to_address, self.charter.network());
        let to = to.map_err(Refused::RefundAddress)?;
        let output = self.output(held.slot).ok_or(Refused::UnknownOutpoint { outpoint })?;
        let target = RefundTarget::new(output, outpoint, held.amount, &to);
        target.map_err(|_| Refused::GiftHasNoRefund { outpoint })
    }

    fn submit(
        &self,
        signed: &Signed<Submission>,
        block: Option<(BlockHash, u32)>,
        tip: &Tip,
    ) -> Result<Vec<Event>, Refused> {
        let submission = &signed.statement;
        self.same_task("submission", submission.network, submission.charter)?;
        signed.verify(&self.secp, &self.charter.submitter(submission).ok_or(Refused::NoLeader)?)?;
        if self.submission(&submission.id()).is_some() {
            return Ok(Vec::new());
        }
        let expected = u32::try_from(self.submissions.len()).unwrap_or(u32::MAX);
        if submission.number != expected {
            return Err(Refused::SubmissionNumber { given: submission.number, expected });
        }
        if submission.link.trim().is_empty() {
            return Err(Refused::Link { reason: "is empty: say where the work is" });
        }
        if submission.link.len() > MAX_LINK_BYTES {
            return Err(Refused::Link { reason: "is longer than 500 bytes" });
        }
        if let Some(reason) = unseen(&submission.link) {
            return Err(Refused::Link { reason });
        }
        let wrong_block = Refused::SubmissionBlock { tip_height: tip.height };
        let Some((hash, block_mtp_secs)) = block else { return Err(wrong_block) };
        let recent =
            submission.block_height <= tip.height && submission.block_height + MAX_BLOCKS_BELOW >= tip.height;
        if hash != submission.block_hash || !recent {
            return Err(wrong_block);
        }
        self.may_submit(tip)?;
        self.check_milestone(submission, tip)?;
        Ok(vec![Event::WorkSubmitted { submission: signed.clone(), block_mtp_secs }])
    }

    /// Whether a submission's milestone is one that may be submitted, and its payees can be paid.
    fn check_milestone(&self, submission: &Submission, tip: &Tip) -> Result<(), Refused> {
        let milestones = self.charter.milestones();
        let wrong = |hint| Refused::MilestoneNumber { milestones, hint };
        match submission.milestone {
            None if milestones > 1 => return Err(wrong("say which one the work is for, counted from 0")),
            Some(_) if milestones == 1 => return Err(wrong("leave the number out")),
            None => {}
            Some(number) => {
                let Some(milestone) = self.charter.milestone(number) else {
                    return Err(wrong("they are counted from 0"));
                };
                if tip.mtp_secs > milestone.due {
                    return Err(Refused::MilestoneOverdue { milestone: number + 1, due_secs: milestone.due });
                }
            }
        }
        if let Some(Named { payees, .. }) = &submission.named {
            let none = CharterError::Count { field: "payees", given: 0, max: 20 };
            if payees.is_empty() {
                return Err(Refused::NamedPayees(none));
            }
            self.charter.shares_for(payees).map_err(Refused::NamedPayees)?;
        }
        Ok(())
    }

    fn move_block(&self, id: &SubmissionId, block: (BlockHash, u32)) -> Result<Vec<Event>, Refused> {
        let submission = self.need_submission(id)?;
        let (block_hash, block_mtp_secs) = block;
        if submission.block_hash == block_hash && submission.block_mtp_secs == block_mtp_secs {
            return Ok(Vec::new());
        }
        Ok(vec![Event::SubmissionBlockMoved { submission: *id, block_hash, block_mtp_secs }])
    }

    fn confirm(
        &self,
        signed: &Signed<MergeConfirmation>,
        block: Option<(BlockHash, u32)>,
        tip: &Tip,
    ) -> Result<Vec<Event>, Refused> {
        let statement = &signed.statement;
        self.same_task("confirmation", statement.network, statement.charter)?;
        let submission = self.need_submission(&statement.submission)?;
        let speaker = self.charter.leader_speaker().ok_or(Refused::NothingToConfirm)?;
        signed.verify(&self.secp, &speaker)?;
        if submission.confirmation.as_ref().is_some_and(|known| known.signed.statement == *statement) {
            return Ok(Vec::new());
        }
        self.may_confirm(submission, statement.confirmed, tip)?;
        let wrong_block = Refused::ConfirmationBlock { tip_height: tip.height };
        let Some((hash, block_mtp_secs)) = block else { return Err(wrong_block) };
        let height = statement.block_height;
        let recent = height <= tip.height && height.saturating_add(MAX_BLOCKS_BELOW) >= tip.height;
        let after_the_work = height >= submission.signed.statement.block_height;
        if hash != statement.block_hash || !recent || !after_the_work {
            return Err(wrong_block);
        }
        Ok(vec![Event::MergeConfirmed { confirmation: signed.clone(), block_mtp_secs }])
    }

    fn move_confirmation(&self, id: &SubmissionId, block: (BlockHash, u32)) -> Result<Vec<Event>, Refused> {
        let (block_hash, block_mtp_secs) = block;
        match &self.need_submission(id)?.confirmation {
            Some(known) if (known.block_hash, known.block_mtp_secs) != block => {
                Ok(vec![Event::ConfirmationBlockMoved { submission: *id, block_hash, block_mtp_secs }])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn vote(&self, vote: &Signed<Vote>, receipt: &Signed<Receipt>, tip: &Tip) -> Result<Vec<Event>, Refused> {
        let statement = &vote.statement;
        self.same_task("vote", statement.network, statement.charter)?;
        let submission = self.need_submission(&statement.submission)?;
        let pledge = self.need_pledge(statement.pledge)?;
        vote.verify(&self.secp, &Speaker::sponsor(pledge.sponsor_key))?;
        if submission.votes.iter().any(|cast| cast.vote.statement == *statement) {
            return Ok(Vec::new());
        }
        self.may_vote(submission, statement.pledge, tip)?;
        let words = &receipt.statement;
        self.same_task("receipt", words.network, words.charter)?;
        if words.vote != statement.digest() {
            return Err(Refused::OtherTask { what: "receipt", field: "vote" });
        }
        receipt.verify(&self.secp, &self.charter.receipts())?;
        Ok(vec![Event::VoteCast { vote: vote.clone(), receipt: receipt.clone() }])
    }

    fn judge(&self, acceptance: &Signed<Acceptance>) -> Result<Vec<Event>, Refused> {
        let statement = &acceptance.statement;
        self.same_task("acceptance", statement.network, statement.charter)?;
        let submission = self.need_submission(&statement.submission)?;
        acceptance.verify(&self.secp, &self.charter.speaker(Role::Representative))?;
        if submission.acceptance.as_ref().is_some_and(|known| known.statement == *statement) {
            return Ok(Vec::new());
        }
        self.may_judge(submission, statement.accepted)?;
        Ok(vec![Event::WorkJudged { acceptance: acceptance.clone() }])
    }

    fn rule(&self, ruling: &Signed<Ruling>, tip: &Tip) -> Result<Vec<Event>, Refused> {
        let statement = &ruling.statement;
        self.same_task("ruling", statement.network, statement.charter)?;
        let submission = self.need_submission(&statement.submission)?;
        ruling.verify(&self.secp, &self.charter.speaker(Role::Arbiter))?;
        if statement.pay_bps > 10_000 {
            return Err(Refused::RulingShare { given: statement.pay_bps });
        }
        if submission.ruling.as_ref().is_some_and(|known| known.statement == *statement) {
            return Ok(Vec::new());
        }
        self.may_rule(submission, tip)?;
        Ok(vec![Event::NoesRuled { ruling: ruling.clone() }])
    }

    fn give_evidence(&self, evidence: &Signed<Evidence>) -> Result<Vec<Event>, Refused> {
        let statement = &evidence.statement;
        self.same_task("evidence", statement.network, statement.charter)?;
        let submission = self.need_submission(&statement.submission)?;
        let speaker = self.need_party(statement.by)?;
        evidence.verify(&self.secp, &speaker)?;
        if submission.evidence.iter().any(|known| known.statement == *statement) {
            return Ok(Vec::new());
        }
        self.may_say(submission, statement)?;
        Ok(vec![Event::EvidenceGiven { evidence: evidence.clone() }])
    }

    /// Proposes a settlement; where money moves, `destination` is the task it moves to.
    ///
    /// # Errors
    /// Why there is nothing to propose so now.
    pub fn propose(
        &self,
        kind: Kind,
        feerate_sat_per_vb: u64,
        destination: Option<&Task>,
        tip: &Tip,
    ) -> Result<Vec<Event>, Refused> {
        self.need_open()?;
        let cap = self.charter.fields().feerate_cap_sat_per_vb;
        if !(1..=cap).contains(&feerate_sat_per_vb) {
            return Err(Refused::Feerate { given: feerate_sat_per_vb, cap });
        }
        if let Some(nearest) = settlement::steps_beside(feerate_sat_per_vb, cap) {
            return Err(Refused::FeerateStep { given: feerate_sat_per_vb, nearest });
        }
        let terms = self.terms(kind, feerate_sat_per_vb, destination, tip)?;
        if let Some(known) = self.settlements.get(&terms.id())
            && (!known.signatures.is_empty() || !self.lapsed(known.at_mtp_secs, tip))
        {
            return Ok(Vec::new());
        }
        self.check_time(&terms, tip)?;
        let outpoints: BTreeSet<_> = terms.inputs().iter().map(|input| input.outpoint).collect();
        self.check_conflicts(terms.id(), &outpoints, tip)?;
        // What cannot be built is refused now, not when somebody has signed.
        settlement::plan(&self.secp, &self.charter, &self.contract, &terms)?;
        Ok(vec![Event::SettlementProposed { terms }])
    }

    /// The terms that [`Command::ProposeSettlement`] would propose now.
    pub fn proposal_id(
        &self,
        kind: Kind,
        feerate_sat_per_vb: u64,
        destination: Option<&Task>,
        tip: &Tip,
    ) -> Result<SettlementId, Refused> {
        Ok(self.terms(kind, feerate_sat_per_vb, destination, tip)?.id())
    }

    pub(super) fn lapsed(&self, at_mtp_secs: u32, tip: &Tip) -> bool {
        tip.mtp_secs > at_mtp_secs.saturating_add(PROPOSAL_SECS)
    }

    fn sign(&self, id: &SettlementId, signatures: &RoleSignatures, tip: &Tip) -> Result<Vec<Event>, Refused> {
        let state = self.settlements.get(id).ok_or(Refused::UnknownSettlement { settlement: *id })?;
        let checked = state.plan.check_signatures(&self.secp, signatures)?;
        if !matches!(state.signatures.clone().merge(&checked), Ok(true)) {
            return Ok(Vec::new());
        }
        self.may_be_signed(state, tip)?;
        Ok(vec![Event::SettlementSigned { settlement: *id, signatures: signatures.clone() }])
    }

    fn note_broadcast(
        &self,
        id: &SettlementId,
        chunk: u32,
        form: u32,
        tip: &Tip,
    ) -> Result<Vec<Event>, Refused> {
        let state = self.settlements.get(id).ok_or(Refused::UnknownSettlement { settlement: *id })?;
        // A form that nobody can send must not be noted: it would be all that is tried from then on.
        if state.signatures.pair(chunk, form).is_none() {
            return Ok(Vec::new());
        }
        match state.broadcasts.get(&chunk) {
            Some((noted, _)) if *noted >= form => Ok(Vec::new()),
            _ => Ok(vec![Event::SettlementBroadcast { settlement: *id, chunk, form, height: tip.height }]),
        }
    }

    fn same_task(&self, what: &'static str, network: Network, charter: CharterId) -> Result<(), Refused> {
        if network != self.charter.network() {
            return Err(Refused::OtherTask { what, field: "network" });
        }
        if charter != self.id() {
            return Err(Refused::OtherTask { what, field: "charter" });
        }
        Ok(())
    }
}
