//! A book, a chain in memory and everybody's keys: one call a step of a task's life. Every record goes
//! through its JSON form before it is applied, and is kept, so that the whole life can be replayed.
//! It knows no rules of its own.

use super::FakeChain;
use crate::escrow::book::Book;
use crate::escrow::charter::{Charter, CharterFields};
use crate::escrow::descriptor::Slot;
use crate::escrow::due;
use crate::escrow::event::{Command, Record};
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::pledge::{Standing, Totals};
use crate::escrow::refund::{RefundBundle, RefundTarget};
use crate::escrow::settlement::{self, ChunkInput, Kind, Made, Plan, RoleSignatures};
use crate::escrow::statement::{
    Acceptance, Attest, CharterId, Choice, Confirmed, Digest, Evidence, EvidenceKind, MergeConfirmation,
    Party, Pledge, Receipt, Role, Ruling, SettlementId, Signed, Statement, Submission, SubmissionId, Vote,
};
use crate::escrow::task::{Refused, Stage, Task};
use bitcoin::secp256k1::{All, Keypair, Secp256k1};
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::BTreeSet;

/// Everything a test needs.
#[derive(Clone, Debug)]
pub struct World {
    /// The chain.
    pub chain: FakeChain,
    /// The service's book.
    pub book: Book,
    /// Every record applied, as JSON.
    pub log: Vec<String>,
    /// How many records each append had.
    pub appends: Vec<usize>,
    /// The task that calls are about.
    pub id: CharterId,
    /// Its network.
    pub network: Network,
    /// Context of all signatures.
    pub secp: Secp256k1<All>,
}

impl World {
    /// One open task on regtest, thirty days before funding close; `change` makes other terms.
    pub fn new(change: impl FnOnce(&mut CharterFields)) -> World {
        let mut fields = super::fields(Network::Regtest);
        change(&mut fields);
        let mut world = World::bare(&fields);
        world.sync();
        world.draft(&fields);
        world.attest_all();
        assert!(world.task().opened(), "all attested and the chain known");
        world
    }

    /// A chain thirty days before the funding close of `fields`, and a book that knows nothing.
    pub fn bare(fields: &CharterFields) -> World {
        World {
            chain: FakeChain::new(fields.funding_close - 30 * DAY_SECS),
            book: Book::default(),
            log: Vec::new(),
            appends: Vec::new(),
            id: CharterId([0; 32]),
            network: fields.network,
            secp: Secp256k1::new(),
        }
    }

    /// Writes a task down; from here on calls are about it.
    pub fn draft(&mut self, fields: &CharterFields) -> CharterId {
        let charter = Charter::from_fields(fields.clone()).expect("a valid charter");
        let (id, records) = self.book.draft(charter.bytes(), super::TEXT, None).expect("drafted");
        self.keep(records);
        self.id = id;
        self.network = fields.network;
        id
    }

    /// All three attest.
    pub fn attest_all(&mut self) {
        for role in Role::ALL {
            self.give(&self.attest_command(role)).expect("attested");
        }
    }

    /// The task.
    pub fn task(&self) -> &Task {
        self.book.task(&self.id).expect("it was drafted")
    }

    pub(super) fn keep(&mut self, records: Vec<Record>) -> usize {
        let count = records.len();
        for record in records {
            let line = serde_json::to_string(&record).expect("records are JSON");
            let again: Record = serde_json::from_str(&line).expect("what was written can be read");
            assert_eq!(again, record, "a record survives the journal");
            self.book.apply(&again).expect("what was decided can be applied");
            self.log.push(line);
        }
        if count > 0 {
            self.appends.push(count);
        }
        count
    }

    /// Decides a command and applies what follows. Returns how many records that were.
    pub fn give(&mut self, command: &Command) -> Result<usize, Refused> {
        let records = self.book.decide(self.task(), command)?;
        Ok(self.keep(records))
    }

    /// The watcher's turn: tip and every issued script. Returns how many records that gave.
    pub fn sync(&mut self) -> usize {
        let mut scripts: Vec<ScriptBuf> = self.book.scripts().cloned().collect();
        scripts.sort();
        let views = self.chain.views(&scripts);
        let records = self.book.observe(&self.chain.tip(), &views);
        let count = self.keep(records);
        let mut moved = 0;
        for (id, named, height) in due::submissions_to_check(&self.book) {
            let Some(block) = self.chain.block(height) else { continue };
            let task = self.book.task(&id).expect("it was just found");
            let records = self.book.decide(task, &named.moved(block)).expect("a block may always move");
            moved += self.keep(records);
        }
        count + moved
    }

    /// Mines blocks with the mempool in the first, and looks.
    pub fn mine(&mut self, blocks: u32) {
        self.chain.mine(blocks);
        self.sync();
    }

    /// Empty blocks until the median time past is `mtp_secs`, and looks.
    pub fn advance_to(&mut self, mtp_secs: u32) {
        self.chain.advance_to(mtp_secs);
        self.sync();
    }

    /// Everything the journal says, folded anew.
    pub fn replayed(&self) -> Book {
        let mut book = Book::default();
        for line in &self.log {
            let record: Record = serde_json::from_str(line).expect("what was written can be read");
            book.apply(&record).expect("what was applied once can be applied again");
        }
        book
    }

    /// The stage of the task.
    pub fn stage(&self) -> Stage {
        self.task().stage(self.book.tip())
    }

    /// Its sums.
    pub fn totals(&self) -> Totals {
        self.task().totals(self.book.tip().expect("synced"))
    }

    /// Where an outpoint stands.
    pub fn standing(&self, outpoint: &OutPoint) -> Standing {
        self.task().standings(self.book.tip().expect("synced"))[outpoint]
    }

    /// The key of pledge `index`: `super::sponsor(index)`.
    pub fn sponsor(&self, index: u32) -> Keypair {
        super::sponsor(u8::try_from(index).expect("few pledges in a test"))
    }

    /// The signer's agreement.
    pub fn attest_command(&self, role: Role) -> Command {
        let key = super::statement_keypair(self.network, role);
        Command::Attest { role, signature: Attest { charter: self.id }.sign(&self.secp, &key) }
    }

    /// What sponsor `index` asks for.
    pub fn issue_command(&self, index: u32, amount: Amount) -> Command {
        self.issue_to(index, amount, &super::address(self.network, 100 + index))
    }

    /// The same with a refund address of one's own.
    pub fn issue_to(&self, index: u32, amount: Amount, refund_address: &bitcoin::Address) -> Command {
        let key = self.sponsor(index);
        let sponsor_key = key.x_only_public_key().0;
        let (network, charter) = (self.network, self.id);
        let statement =
            Pledge { network, charter, index, sponsor_key, refund_address: refund_address.clone() };
        let signature = statement.sign(&self.secp, &key);
        Command::IssuePledge {
            index,
            sponsor_key,
            refund_address: refund_address.to_string(),
            signature,
            amount,
        }
    }

    /// Issues the next address.
    pub fn issue(&mut self, amount: Amount) -> u32 {
        let index = self.task().next_index();
        self.give(&self.issue_command(index, amount)).expect("issued");
        index
    }

    /// The script of a pledge; 0 is the open address.
    pub fn script(&self, index: u32) -> ScriptBuf {
        self.task().output(Slot::pledge(index)).expect("issued").script_pubkey
    }

    /// Pays a pledge's address, or with 0 the open one, into the mempool.
    pub fn pay(&mut self, index: u32, amount: Amount) -> OutPoint {
        let script = self.script(index);
        self.chain.pay_one(&script, amount)
    }

    /// The sponsor's signed refund of an outpoint.
    pub fn bundle(&self, outpoint: OutPoint) -> RefundBundle {
        let held = &self.task().outpoints()[&outpoint];
        let target = self.task().refund_target(held).expect("not a gift");
        RefundBundle::sign(&self.secp, target, &self.sponsor(held.slot.index)).expect("the sponsor's key")
    }

    /// Hands in the refund of an outpoint.
    pub fn secure(&mut self, outpoint: OutPoint) -> Result<usize, Refused> {
        let refund = self.bundle(outpoint).signatures().clone();
        self.give(&Command::SecureRefund { refund })
    }

    /// One pledge issued, paid, seen, secured, mined to the charter's depth.
    pub fn fund(&mut self, amount: Amount) -> (u32, OutPoint) {
        let index = self.issue(amount);
        let outpoint = self.pay(index, amount);
        self.sync();
        self.secure(outpoint).expect("secured");
        self.mine(self.task().charter().fields().depth);
        (index, outpoint)
    }

    /// The developer's next submission, naming the tip.
    pub fn submission(&self) -> Submission {
        let tip = self.chain.tip();
        Submission {
            network: self.network,
            charter: self.id,
            number: u32::try_from(self.task().submissions().len()).expect("few"),
            link: "https://example.org/parser/pull/7".into(),
            content: Digest::of(b"the work"),
            block_height: tip.height,
            block_hash: tip.hash,
            milestone: None,
            named: None,
        }
    }

    /// A submission signed by the developer, with the block the chain has there.
    pub fn submit_command(&self, submission: Submission) -> Command {
        let block = self.chain.block(submission.block_height);
        let key = super::statement_keypair(self.network, Role::Developer);
        Command::SubmitWork { submission: Signed::new(&self.secp, submission, &key), block }
    }

    /// Submits work.
    pub fn submit(&mut self) -> SubmissionId {
        let submission = self.submission();
        let id = submission.id();
        self.give(&self.submit_command(submission)).expect("submitted");
        id
    }

    /// Submits work for a milestone.
    pub fn submit_milestone(&mut self, milestone: u32) -> SubmissionId {
        let submission = Submission { milestone: Some(milestone), ..self.submission() };
        let id = submission.id();
        self.give(&self.submit_command(submission)).expect("submitted");
        id
    }

    /// The sponsor's refunds of everything that a plan's transactions would keep in escrow, for each form: for the
    /// task that keeps it.
    pub fn prepare_commands(&self, plan: &Plan, at: CharterId) -> Vec<Command> {
        let holder = self.book.task(&at).expect("known");
        let command = |(input, made): (&ChunkInput, Made)| {
            let moved = || self.task().moves_to(input.term.outpoint, at);
            let slot = made.slot.or_else(moved).expect("it stays somewhere");
            let refund_address = &holder.pledges()[&slot.index].refund_address;
            let output = holder.output(slot).expect("an address");
            let target =
                RefundTarget::new(output, made.outpoint, made.amount, refund_address).expect("a pledge");
            let key = self.sponsor(input.term.slot.index);
            let refund = RefundBundle::sign(&self.secp, target, &key).expect("the sponsor's key");
            Command::PrepareRefund { slot, refund: refund.signatures().clone() }
        };
        plan.made().map(command).collect()
    }

    /// The same, handed in.
    pub fn prepare(&mut self, plan: &Plan, at: CharterId) -> Result<usize, Refused> {
        let mut count = 0;
        for command in self.prepare_commands(plan, at) {
            let holder = self.book.task(&at).expect("known");
            let records = self.book.decide(holder, &command)?;
            count += self.keep(records);
        }
        Ok(count)
    }

    /// A yes with the refunds of what would stay in escrow at a feerate.
    pub fn vote_and_prepare(&mut self, submission: SubmissionId, pledge: u32, feerate_sat_per_vb: u64) {
        self.vote(submission, pledge, Choice::Yes, 1).expect("voted");
        let held = self.task().outpoints().values().find(|held| held.slot.index == pledge && held.unspent());
        let outpoint = held.expect("there is money").outpoint;
        let plan = self.task().split_off(&submission, outpoint, feerate_sat_per_vb).expect("it can be split");
        self.prepare(&plan, self.id).expect("prepared");
    }

    /// The leader's confirmation of what the charter asks for, naming the tip.
    pub fn confirmation(&self, submission: SubmissionId) -> MergeConfirmation {
        let tip = self.chain.tip();
        let asked = self.task().charter().fields().vote_opens.awaits();
        MergeConfirmation {
            network: self.network,
            charter: self.id,
            submission,
            confirmed: asked.unwrap_or(Confirmed::Merged),
            block_height: tip.height,
            block_hash: tip.hash,
        }
    }

    /// A confirmation signed by the leader, with the block the chain has there.
    pub fn confirm_command(&self, confirmation: MergeConfirmation) -> Command {
        let block = self.chain.block(confirmation.block_height);
        Command::ConfirmMerge {
            confirmation: Signed::new(&self.secp, confirmation, &super::leader_keypair()),
            block,
        }
    }

    /// The leader confirms the merge or release.
    pub fn confirm(&mut self, submission: SubmissionId) -> Result<usize, Refused> {
        self.give(&self.confirm_command(self.confirmation(submission)))
    }

    /// The key that a party speaks with.
    pub fn party(&self, party: Party) -> Keypair {
        match party {
            Party::Signer(role) => super::statement_keypair(self.network, role),
            Party::Leader => super::leader_keypair(),
            Party::Pledge(index) => self.sponsor(index),
        }
    }

    /// Evidence as a party would sign it, with its next counter.
    pub fn evidence(&self, submission: SubmissionId, kind: EvidenceKind, by: Party) -> Evidence {
        let known = self.task().submission(&submission);
        Evidence {
            network: self.network,
            charter: self.id,
            submission,
            kind,
            by,
            text: "The tests of the third part fail".into(),
            attachments: vec![Digest::of(b"log")],
            counter: known.map_or(0, |state| state.said_by(by).1),
        }
    }

    /// Signed by the party that it names.
    pub fn evidence_command(&self, evidence: Evidence) -> Command {
        let key = self.party(evidence.by);
        Command::GiveEvidence { evidence: Signed::new(&self.secp, evidence, &key) }
    }

    /// A party says something, or opens a dispute.
    pub fn say(&mut self, submission: SubmissionId, kind: EvidenceKind, by: Party) -> Result<usize, Refused> {
        self.give(&self.evidence_command(self.evidence(submission, kind, by)))
    }

    /// A vote as its sponsor signs it.
    pub fn vote_statement(
        &self,
        submission: SubmissionId,
        pledge: u32,
        choice: Choice,
        counter: u32,
    ) -> Vote {
        Vote { network: self.network, charter: self.id, submission, pledge, choice, counter }
    }

    /// A vote with the service's receipt under the present tip.
    pub fn vote_command(&self, vote: Vote) -> Command {
        let tip = self.chain.tip();
        let receipt = Receipt {
            network: self.network,
            charter: self.id,
            vote: vote.digest(),
            tip_height: tip.height,
            tip_hash: tip.hash,
            tip_mtp_secs: tip.mtp_secs,
        };
        Command::CastVote {
            vote: Signed::new(&self.secp, vote, &self.sponsor(vote.pledge)),
            receipt: Signed::new(&self.secp, receipt, &super::receipt_keypair()),
        }
    }

    /// Votes.
    pub fn vote(
        &mut self,
        submission: SubmissionId,
        pledge: u32,
        choice: Choice,
        counter: u32,
    ) -> Result<usize, Refused> {
        let vote = self.vote_statement(submission, pledge, choice, counter);
        self.give(&self.vote_command(vote))
    }

    /// The representative's word.
    pub fn judge(&mut self, submission: SubmissionId, accepted: bool) -> Result<usize, Refused> {
        let statement = Acceptance { network: self.network, charter: self.id, submission, accepted };
        let key = super::statement_keypair(self.network, Role::Representative);
        self.give(&Command::JudgeWork { acceptance: Signed::new(&self.secp, statement, &key) })
    }

    /// The arbiter's word.
    pub fn rule(&mut self, submission: SubmissionId, pay_bps: u16) -> Result<usize, Refused> {
        let statement = Ruling { network: self.network, charter: self.id, submission, pay_bps };
        let key = super::statement_keypair(self.network, Role::Arbiter);
        self.give(&Command::RuleNoes { ruling: Signed::new(&self.secp, statement, &key) })
    }

    /// Proposes a settlement of everything that may move.
    pub fn propose(&mut self, kind: Kind, feerate_sat_per_vb: u64) -> Result<SettlementId, Refused> {
        let tip = *self.book.tip().ok_or(Refused::NoTip)?;
        self.give(&Command::ProposeSettlement { kind, feerate_sat_per_vb })?;
        self.task().proposal_id(kind, feerate_sat_per_vb, self.book.destination(&kind), &tip)
    }

    /// The transactions of a settlement.
    pub fn plan(&self, id: SettlementId) -> &Plan {
        &self.task().settlements()[&id].plan
    }

    /// What a signer signs of a settlement.
    pub fn signatures(&self, id: SettlementId, role: Role) -> RoleSignatures {
        let account = super::account(self.network, role);
        settlement::sign(&self.secp, self.plan(id), role, &account).expect("the signer's key")
    }

    /// A signer signs all forms.
    pub fn sign(&mut self, id: SettlementId, role: Role) -> Result<usize, Refused> {
        let signatures = self.signatures(id, role);
        self.give(&Command::SignSettlement { settlement: id, signatures })
    }

    /// One form of one transaction of a settlement, with its witnesses.
    pub fn finalized(&self, id: SettlementId, chunk: u32, form: u32) -> Transaction {
        let state = &self.task().settlements()[&id];
        state.plan.finalize(chunk, form, &state.signatures).expect("two have signed")
    }

    /// Hands a form to the network, as the service does.
    pub fn broadcast(&mut self, id: SettlementId, chunk: u32, form: u32) -> Txid {
        let transaction = self.finalized(id, chunk, form);
        let txid = self.chain.broadcast(&transaction).expect("nodes take it");
        self.give(&Command::NoteBroadcast { settlement: id, chunk, form }).expect("noted");
        self.sync();
        txid
    }

    /// Proposes at 1 sat/vB, has two sign, broadcasts every transaction and mines them to depth.
    pub fn settle(&mut self, kind: Kind, signers: [Role; 2]) -> Result<SettlementId, Refused> {
        let id = self.propose(kind, 1)?;
        for role in signers {
            self.sign(id, role)?;
        }
        for chunk in (0u32..).take(self.plan(id).chunks().len()) {
            self.broadcast(id, chunk, 0);
        }
        self.mine(self.task().charter().fields().depth);
        Ok(id)
    }

    /// Panics where one of the book's promises is broken: sums are those of the chain alone, a second look
    /// gives nothing, and the journal folds into the same book.
    pub fn check(&mut self) {
        self.check_sums();
        assert_eq!(self.replayed(), self.book, "the journal folds into the same book");
    }

    /// The same without folding the journal, which takes longest.
    pub fn check_sums(&mut self) {
        assert_eq!(self.sync(), 0, "a view that says nothing new gives no record");
        for task in self.book.tasks().values() {
            let totals = task.totals(self.book.tip().expect("synced"));
            let scripts: BTreeSet<ScriptBuf> = task.scripts().into_iter().map(|(script, _)| script).collect();
            let there: Amount = self.chain.mined_unspent(&scripts).values().copied().sum();
            let counted = totals.credited
                + totals.awaiting_depth
                + totals.surplus
                + totals.below_minimum
                + totals.gifts;
            assert_eq!(counted, there, "every confirmed unspent satoshi is counted once: {totals:?}");
        }
    }
}
