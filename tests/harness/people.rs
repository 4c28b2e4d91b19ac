//! Signers and sponsors: each knows a phrase, the charter and the public API, derives every address anew
//! and signs nothing that was not checked.

use super::{Api, Failure, World, wait_until};
use bitcoin::address::Address;
use bitcoin::secp256k1::{All, Keypair, Secp256k1};
use bitcoin::{Amount, OutPoint, Psbt};
use serde_json::{Value, json};
use std::cell::Cell;
use upfront::escrow::charter::{Charter, CharterFields, Seat};
use upfront::escrow::descriptor::{Contract, EscrowOutput, Slot};
use upfront::escrow::network::Network;
use upfront::escrow::proof::{Beside, allowed_beside};
use upfront::escrow::recovery::{Origin, RecoveryFile};
use upfront::escrow::refund::{RefundBundle, RefundSignatures, RefundTarget};
use upfront::escrow::settlement::{self, Kind, Plan};
use upfront::escrow::signature::StatementSignature;
use upfront::escrow::statement::{
    Acceptance, Attest, CharterId, Choice, Digest, Move, Pledge, Role, Ruling, SettlementId, Signed,
    Statement, Submission, SubmissionId, Vote,
};
use upfront::escrow::testing;
use upfront::keys::{Phrase, SignerKeys, SponsorKeys};
use upfront::service::views::{
    OutpointView, PledgeView, ReceiptView, SettlementView, SubmissionView, TaskView,
};

pub const NETWORK: Network = Network::Regtest;
/// Sponsors may vote for so long.
pub const REVIEW_SECS: u32 = 600;
/// From the charter's making to T.
pub const LIFE_SECS: u32 = 7_200;

/// Developer, representative and arbiter, each with a phrase of their own.
pub struct Signers([SignerKeys; 3]);

impl Signers {
    /// Equal numbers give equal phrases.
    pub fn new(number: u8) -> Signers {
        Signers([1, 2, 3].map(|seat| {
            let mut entropy = [number; 16];
            entropy[0] = seat;
            SignerKeys::new(&Phrase::from_entropy(&entropy), NETWORK, 0).unwrap()
        }))
    }

    pub fn of(&self, role: Role) -> &SignerKeys {
        let [developer, representative, arbiter] = &self.0;
        match role {
            Role::Developer => developer,
            Role::Representative => representative,
            Role::Arbiter => arbiter,
        }
    }

    fn seat(&self, role: Role) -> Seat {
        Seat { key: self.of(role).expression().to_string(), nominated_by: "everybody".into() }
    }

    pub fn attestation(&self, charter: &Charter, role: Role) -> StatementSignature {
        Attest { charter: charter.id() }.sign(&Secp256k1::new(), &self.of(role).statement_key())
    }
}

/// A sponsor with a phrase.
pub struct Sponsor {
    pub keys: SponsorKeys,
    used: Cell<u32>,
}

impl Sponsor {
    pub fn new(number: u8) -> Sponsor {
        let keys = SponsorKeys::new(Phrase::from_entropy(&[0x80 | number; 16]), NETWORK);
        Sponsor { keys, used: Cell::new(0) }
    }
}

/// A pledge as its sponsor knows it.
pub struct Pledged {
    pub index: u32,
    pub amount: Amount,
    pub key: Keypair,
    pub output: EscrowOutput,
    pub statement: Signed<Pledge>,
    pub phrase: String,
    /// Index of key and refund address in the sponsor's tree.
    pub own_index: u32,
}

impl Pledged {
    pub fn address(&self) -> &Address {
        &self.output.address
    }

    pub fn refund_address(&self) -> &Address {
        &self.statement.statement.refund_address
    }

    pub fn refund(&self, outpoint: OutPoint, amount: Amount) -> RefundBundle {
        let target = RefundTarget::new(self.output.clone(), outpoint, amount, self.refund_address()).unwrap();
        RefundBundle::sign(&Secp256k1::new(), target, &self.key).unwrap()
    }
}

/// A task, known by its charter.
pub struct Task {
    pub charter: Charter,
    pub contract: Contract,
    pub signers: Signers,
    pub secp: Secp256k1<All>,
}

impl Task {
    /// Writes a charter from what the chain and the service say now, has all three attest it, and waits
    /// until it is open.
    pub fn open(world: &World, number: u8, change: impl FnOnce(&mut CharterFields)) -> Task {
        let api = world.api();
        let task = Task::draft(world, number, change);
        let id = task.create(&api).unwrap();
        assert_eq!(id, task.id());
        for role in Role::ALL {
            task.attest(&api, role).unwrap();
        }
        assert_eq!(api.get::<Value>(&format!("/tasks/{id}")).unwrap()["stage"], "open");
        task
    }

    /// A charter nobody but us knows yet. The number makes it differ from others of the same moment.
    pub fn draft(world: &World, number: u8, change: impl FnOnce(&mut CharterFields)) -> Task {
        let status = world.api().status().unwrap();
        Task::draft_at(status.receipt_key.to_string(), status.tip.unwrap().mtp_secs, number, change)
    }

    pub fn draft_at(
        receipt_key: String,
        now: u32,
        number: u8,
        change: impl FnOnce(&mut CharterFields),
    ) -> Task {
        let signers = Signers::new(number);
        let address = |n: u32| testing::address(NETWORK, 10 * u32::from(number) + n).to_string();
        let mut fields = testing::fields(NETWORK);
        fields.task = upfront::escrow::statement::TaskId([number; 32]);
        fields.developer = signers.seat(Role::Developer);
        fields.representative = signers.seat(Role::Representative);
        fields.arbiter = signers.seat(Role::Arbiter);
        fields.refund_time = NETWORK.grid_at_or_after(now + LIFE_SECS).unwrap();
        fields.funding_close = now + 1_800;
        fields.work_deadline = now + 3_600;
        fields.milestones[0].due = fields.work_deadline;
        fields.review_secs = REVIEW_SECS;
        fields.ruling_secs = 600;
        fields.payees[0].address = address(0);
        fields.leader.as_mut().unwrap().address = address(1);
        fields.operator.as_mut().unwrap().address = address(2);
        fields.pot = Some(address(3));
        fields.receipt_key = receipt_key;
        change(&mut fields);
        let charter = Charter::from_fields(fields).unwrap();
        let contract = Contract::new(&charter).unwrap();
        Task { charter, contract, signers, secp: Secp256k1::new() }
    }

    pub fn id(&self) -> CharterId {
        self.charter.id()
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/tasks/{}{rest}", self.id())
    }

    pub fn create(&self, api: &Api) -> Result<CharterId, Failure> {
        let charter = String::from_utf8(self.charter.bytes().to_vec()).unwrap();
        let created: Value = api.post("/tasks", &json!({ "charter": charter, "text": testing::TEXT }))?;
        Ok(created["charter"].as_str().unwrap().parse().unwrap())
    }

    pub fn attest(&self, api: &Api, role: Role) -> Result<TaskView, Failure> {
        let signature = self.signers.attestation(&self.charter, role);
        api.post(&self.path("/attestations"), &json!({ "role": role, "signature": signature }))
    }

    pub fn view(&self, api: &Api) -> TaskView {
        api.task(&self.id()).unwrap()
    }

    /// A pledge of which the service knows nothing yet.
    pub fn sign_pledge(&self, sponsor: &Sponsor, index: u32, amount: Amount) -> Pledged {
        let own_index = sponsor.used.replace(sponsor.used.get() + 1);
        let key = sponsor.keys.refund_key(own_index).unwrap();
        let sponsor_key = key.x_only_public_key().0;
        let refund_address = sponsor.keys.refund_address(own_index).unwrap();
        let statement = Pledge { network: NETWORK, charter: self.id(), index, sponsor_key, refund_address };
        let statement = Signed::new(&self.secp, statement, &key);
        let output = self.contract.pledge(&self.secp, Slot::pledge(index), sponsor_key).unwrap();
        let phrase = sponsor.keys.phrase().expose().to_string();
        Pledged { index, amount, key, output, statement, phrase, own_index }
    }

    /// Hands a pledge in, and compares what comes back with what was derived.
    pub fn issue(&self, api: &Api, pledged: &Pledged) -> Result<PledgeView, Failure> {
        let Signed { statement, signature } = &pledged.statement;
        let body = json!({
            "index": statement.index,
            "sponsor_key": statement.sponsor_key,
            "refund_address": statement.refund_address,
            "signature": signature,
            "amount_sat": pledged.amount.to_sat(),
        });
        let view: PledgeView = api.post(&self.path("/pledges"), &body)?;
        assert_eq!(view.address, pledged.address().to_string(), "the address is the one we derive");
        assert_eq!(view.descriptor, pledged.output.descriptor());
        assert_eq!(view.refund_address, pledged.refund_address().to_string());
        Ok(view)
    }

    /// Pledges under the next index.
    pub fn pledge(&self, api: &Api, sponsor: &Sponsor, amount_sat: u64) -> Pledged {
        let index = self.view(api).next_index;
        let pledged = self.sign_pledge(sponsor, index, Amount::from_sat(amount_sat));
        self.issue(api, &pledged).unwrap();
        pledged
    }

    /// What has arrived at a pledge, once something has.
    pub fn outpoints(&self, api: &Api, pledged: &Pledged) -> Vec<OutpointView> {
        let path = self.path(&format!("/pledges/{}", pledged.index));
        let view: PledgeView = api.get(&path).unwrap();
        view.outpoints
    }

    /// Waits until the service sees a payment.
    #[track_caller]
    pub fn wait_seen(&self, api: &Api, pledged: &Pledged, outpoint: OutPoint) {
        wait_until(&format!("pledge {} is seen at {outpoint}", pledged.index), || {
            self.outpoints(api, pledged).iter().any(|held| held.outpoint == outpoint).then_some(())
        });
    }

    /// Hands in the refund of one outpoint.
    pub fn secure(&self, api: &Api, pledged: &Pledged, outpoint: OutPoint) -> Result<PledgeView, Failure> {
        let refund = pledged.refund(outpoint, pledged.amount);
        api.post(&self.path("/refunds"), refund.signatures())
    }

    pub fn submission(&self, world: &World, number: u32) -> Signed<Submission> {
        self.submission_of(world, number, None)
    }

    fn submission_of(&self, world: &World, number: u32, milestone: Option<u32>) -> Signed<Submission> {
        let statement = Submission {
            network: NETWORK,
            charter: self.id(),
            number,
            link: "https://example.org/parser/pull/7".into(),
            content: Digest::of(b"the work"),
            block_height: world.node.height(),
            block_hash: world.node.tip().parse().unwrap(),
            milestone,
            named: None,
        };
        Signed::new(&self.secp, statement, &self.signers.of(Role::Developer).statement_key())
    }

    /// The developer names the tip and puts the work before the sponsors.
    pub fn submit(&self, world: &World) -> SubmissionId {
        let signed = self.submission(world, 0);
        let view: SubmissionView = world.api().post(&self.path("/submissions"), &signed).unwrap();
        assert_eq!(view.id, signed.statement.id());
        view.id
    }

    /// The same for a milestone, counted from 0.
    pub fn submit_milestone(&self, world: &World, milestone: u32) -> SubmissionId {
        let number = u32::try_from(self.view(&world.api()).submissions.len()).unwrap();
        let signed = self.submission_of(world, number, Some(milestone));
        let view: SubmissionView = world.api().post(&self.path("/submissions"), &signed).unwrap();
        view.id
    }

    /// The task as its proof document proves it.
    pub fn proved(&self, api: &Api) -> upfront::escrow::task::Task {
        let document = api.proof(&self.id()).unwrap();
        upfront::escrow::proof::check(&document).unwrap_or_else(|found| panic!("{found:?}")).task
    }

    /// The sponsor's refunds of what a milestone's payout of one outpoint leaves, for every form, handed in.
    pub fn prepare_split(
        &self,
        api: &Api,
        proved: &upfront::escrow::task::Task,
        pledged: &Pledged,
        submission: SubmissionId,
        outpoint: OutPoint,
        feerate_sat_per_vb: u64,
    ) -> Plan {
        let plan = proved.split_off(&submission, outpoint, feerate_sat_per_vb).unwrap();
        for (_, made) in plan.made() {
            let slot = made.slot.expect("it stays here");
            let output = self.contract.pledge(&self.secp, slot, pledged.key.x_only_public_key().0).unwrap();
            self.prepare(api, pledged, output, made.outpoint, made.amount);
        }
        plan
    }

    /// A refund of an output that does not exist yet, at one of this task's addresses, handed in.
    pub fn prepare(
        &self,
        api: &Api,
        pledged: &Pledged,
        output: EscrowOutput,
        outpoint: OutPoint,
        amount: Amount,
    ) {
        let generation = output.slot.generation;
        let target = RefundTarget::new(output, outpoint, amount, pledged.refund_address()).unwrap();
        let refund = RefundBundle::sign(&self.secp, target, &pledged.key).unwrap();
        let body = json!({ "generation": generation, "refund": refund.signatures() });
        let path = self.path(&format!("/pledges/{}/prepared-refunds", pledged.index));
        let _: PledgeView = api.post(&path, &body).unwrap();
    }

    /// Pledges again elsewhere with the key of a pledge here, and signs an outpoint over to it with all refunds.
    pub fn sign_move(
        &self,
        api: &Api,
        from: &Pledged,
        outpoint: OutPoint,
        to: &Task,
        feerate_sat_per_vb: u64,
    ) -> Pledged {
        let index = to.view(api).next_index;
        let sponsor_key = from.key.x_only_public_key().0;
        let refund_address = from.refund_address().clone();
        let statement = Pledge { network: NETWORK, charter: to.id(), index, sponsor_key, refund_address };
        let there = Pledged {
            index,
            amount: from.amount,
            key: from.key,
            output: to.contract.pledge(&self.secp, Slot::pledge(index), sponsor_key).unwrap(),
            statement: Signed::new(&self.secp, statement, &from.key),
            phrase: from.phrase.clone(),
            own_index: from.own_index,
        };
        to.issue(api, &there).unwrap();
        let consent = Move {
            network: NETWORK,
            charter: self.id(),
            outpoint,
            to_charter: to.id(),
            to_index: index,
            to_address: there.address().to_string(),
        };
        let signed = Signed::new(&self.secp, consent, &from.key);
        let _: PledgeView = api.post(&self.path("/moves"), &signed).unwrap();
        let plan = self.proved(api).moved(&signed.statement, feerate_sat_per_vb).unwrap();
        for (_, made) in plan.made() {
            to.prepare(api, &there, there.output.clone(), made.outpoint, made.amount);
        }
        there
    }

    pub fn sign_vote(
        &self,
        pledged: &Pledged,
        submission: SubmissionId,
        choice: Choice,
        counter: u32,
    ) -> Signed<Vote> {
        let (network, charter, pledge) = (NETWORK, self.id(), pledged.index);
        let vote = Vote { network, charter, submission, pledge, choice, counter };
        Signed::new(&self.secp, vote, &pledged.key)
    }

    /// Votes, and checks the receipt.
    pub fn vote(
        &self,
        api: &Api,
        pledged: &Pledged,
        submission: SubmissionId,
        choice: Choice,
    ) -> Result<ReceiptView, Failure> {
        let vote = self.sign_vote(pledged, submission, choice, 0);
        let answer: ReceiptView = api.post(&self.path("/votes"), &vote)?;
        assert_eq!(answer.vote, vote);
        assert_eq!(answer.receipt.statement.vote, vote.statement.digest());
        answer.receipt.verify(&self.secp, &self.charter.receipts()).unwrap();
        Ok(answer)
    }

    /// The representative accepts.
    pub fn accept(&self, api: &Api, submission: SubmissionId) -> Result<SubmissionView, Failure> {
        let acceptance = Acceptance { network: NETWORK, charter: self.id(), submission, accepted: true };
        let key = self.signers.of(Role::Representative).statement_key();
        api.post(&self.path("/acceptances"), &Signed::new(&self.secp, acceptance, &key))
    }

    /// The arbiter rules.
    pub fn rule(&self, api: &Api, submission: SubmissionId, pay_bps: u16) -> Result<SubmissionView, Failure> {
        let ruling = Ruling { network: NETWORK, charter: self.id(), submission, pay_bps };
        let key = self.signers.of(Role::Arbiter).statement_key();
        api.post(&self.path("/rulings"), &Signed::new(&self.secp, ruling, &key))
    }

    pub fn propose(&self, api: &Api, kind: Kind, feerate_sat_per_vb: u64) -> Result<SettlementView, Failure> {
        let mut body = serde_json::to_value(kind).unwrap();
        body["feerate_sat_per_vb"] = feerate_sat_per_vb.into();
        api.post(&self.path("/settlements"), &body)
    }

    /// What a settlement's transactions must be, planned anew from its terms in the proof document.
    pub fn plan(&self, api: &Api, id: &SettlementId) -> Plan {
        let proof = api.proof(&self.id()).unwrap();
        let proposed = proof.settlements.iter().find(|proposed| proposed.id == *id).unwrap();
        let plan = settlement::plan(&self.secp, &self.charter, &self.contract, &proposed.terms).unwrap();
        assert_eq!(plan.id(), *id);
        plan
    }

    /// PSBTs of a plan with one signer's signatures.
    pub fn signed_psbts(&self, plan: &Plan, role: Role) -> Vec<Psbt> {
        let signatures = settlement::sign(&self.secp, plan, role, self.signers.of(role).account()).unwrap();
        let checked = plan.check_signatures(&self.secp, &signatures).unwrap();
        plan.signed_psbts(&checked)
    }

    pub fn hand_in(&self, api: &Api, id: &SettlementId, psbts: &[Psbt]) -> Result<SettlementView, Failure> {
        let psbts: Vec<String> = psbts.iter().map(Psbt::to_string).collect();
        let path = self.path(&format!("/settlements/{id}/signatures"));
        api.post(&path, &json!({ "psbts": psbts }))
    }

    /// A signer takes the PSBTs, checks them against charter and votes, and signs what was planned.
    pub fn sign(&self, api: &Api, id: &SettlementId, role: Role) -> Result<SettlementView, Failure> {
        let served: Vec<Psbt> =
            api.psbts(&self.id(), id)?.psbts.iter().map(|view| view.psbt.parse().unwrap()).collect();
        let proof = api.proof(&self.id())?;
        let prepared: Value = api.get(&self.path(&format!("/settlements/{id}/prepared-refunds")))?;
        let refunds: Vec<RefundSignatures> = serde_json::from_value(prepared["refunds"].clone()).unwrap();
        let kind = proof.settlements.iter().find(|proposed| proposed.id == *id).unwrap().terms.kind();
        let destination = match kind {
            Kind::Move { to } => Some(api.proof(&to)?),
            _ => None,
        };
        let beside = Beside { refunds: &refunds, destination: destination.as_ref(), ..Beside::default() };
        let explained = allowed_beside(&proof, &served, role, &beside)
            .unwrap_or_else(|findings| panic!("the {role} refuses: {findings:?}"));
        assert_eq!(explained.settlement, *id);
        let plan = self.plan(api, id);
        assert_eq!(plan.psbts(), served, "the PSBTs are those we plan ourselves");
        self.hand_in(api, id, &self.signed_psbts(&plan, role))
    }

    /// The file the sponsor keeps, with the refund of each outpoint.
    pub fn recovery_file(&self, pledged: &Pledged, outpoints: &[OutPoint]) -> RecoveryFile {
        let attestations = Role::ALL.map(|role| self.signers.attestation(&self.charter, role));
        let origin = Origin {
            sponsor_key_index: Some(pledged.own_index),
            refund_address_index: Some(pledged.own_index),
            phrase: Some(pledged.phrase.clone()),
        };
        let statement = pledged.statement.clone();
        let charter = self.charter.clone();
        let mut file =
            RecoveryFile::new(&self.secp, charter, attestations, statement, Some(pledged.key), origin)
                .unwrap();
        for outpoint in outpoints {
            file.add_refund(pledged.refund(*outpoint, pledged.amount)).unwrap();
        }
        file
    }

    /// Verifies the proof document with the Electrum server, as a stranger.
    pub fn verify(&self, world: &World) {
        let proof = world.api().proof(&self.id()).unwrap();
        let report = upfront::verify::run(&proof, &world.server.url(), None).unwrap();
        assert!(report.sound, "{report}");
        assert_eq!(report.charter_id, Some(self.id()));
    }
}
