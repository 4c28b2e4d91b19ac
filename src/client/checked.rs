//! What a service says of a task, after everything that can be computed here was computed here: the
//! charter's id, the attestations, addresses, and every signature that is relied on.
//!
//! Whether an outpoint is on the chain is not known here: that needs a server of the chain.

use super::{Client, ClientError};
use crate::escrow::ballot::Window;
use crate::escrow::charter::{Charter, address};
use crate::escrow::descriptor::{Contract, EscrowOutput, Slot};
use crate::escrow::signature::{Speaker, StatementSignature};
use crate::escrow::statement::{CharterId, Digest, Party, Pledge, Role, Signed, Statement, SubmissionId};
use crate::service::views::{PledgeView, ReceiptView, SubmissionView, TaskView};
use bitcoin::secp256k1::{All, Secp256k1};

/// A charter of the service, whose bytes have the id that was asked for.
///
/// # Errors
/// [`ClientError::Untrue`] where they have another, or are no valid charter.
pub fn charter_of(client: &Client, task: &CharterId) -> Result<Charter, ClientError> {
    let text = client.charter_text(task)?;
    let charter = Charter::parse(text.as_bytes()).map_err(|error| ClientError::untrue("charter", error))?;
    if charter.id() != *task {
        let problem = format!("its id is {}, not {task}", charter.id());
        return Err(ClientError::untrue("charter", problem));
    }
    Ok(charter)
}

/// A task whose charter is the one asked for.
pub struct CheckedTask {
    charter: Charter,
    contract: Contract,
    view: TaskView,
    secp: Secp256k1<All>,
}

impl CheckedTask {
    /// Fetches a task and checks charter, text and the claims that follow from them.
    ///
    /// # Errors
    /// [`ClientError::Untrue`] with the field that differs, or why there is no answer.
    pub fn fetch(client: &Client, task: &CharterId) -> Result<CheckedTask, ClientError> {
        let charter = charter_of(client, task)?;
        let contract = Contract::new(&charter).map_err(|error| ClientError::untrue("charter", error))?;
        let checked = CheckedTask { charter, contract, view: client.task(task)?, secp: Secp256k1::new() };
        checked.claims()?;
        Ok(checked)
    }

    fn claims(&self) -> Result<(), ClientError> {
        let CheckedTask { charter, contract, view, secp } = self;
        let differs = |field: &str| Err(ClientError::untrue(field, "the charter says otherwise"));
        if view.charter != charter.id() {
            return differs("charter");
        }
        if view.terms != *charter.fields() {
            return differs("terms");
        }
        if Digest::of(view.text.as_bytes()) != charter.fields().text_hash {
            return differs("text");
        }
        for (role, signature) in &view.attestations {
            charter
                .verify_attestation(secp, *role, signature)
                .map_err(|error| ClientError::untrue(format!("attestations.{role}"), error))?;
        }
        match &view.open_address {
            Some(open) if *open != contract.open(secp).address.to_string() => differs("open_address"),
            _ => Ok(()),
        }
    }

    /// The charter.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The contract of the charter.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// What the service says. Sums, standings and tallies in it are its word.
    pub fn view(&self) -> &TaskView {
        &self.view
    }

    /// The same, owned.
    pub fn into_view(self) -> TaskView {
        self.view
    }

    /// For checks elsewhere.
    pub fn secp(&self) -> &Secp256k1<All> {
        &self.secp
    }

    /// All three attestations, verified.
    ///
    /// # Errors
    /// The roles that have not attested yet.
    pub fn attestations(&self) -> Result<[StatementSignature; 3], Vec<Role>> {
        let held = Role::ALL.map(|role| self.view.attestations.get(&role).copied());
        match held {
            [Some(developer), Some(representative), Some(arbiter)] => {
                Ok([developer, representative, arbiter])
            }
            _ => Err(Role::ALL.into_iter().zip(held).filter(|(_, h)| h.is_none()).map(|(r, _)| r).collect()),
        }
    }

    /// Derives a pledge's output again and compares every field with what the service says of it.
    ///
    /// # Errors
    /// [`ClientError::Untrue`] with the field that differs.
    pub fn check_pledge(&self, view: &PledgeView) -> Result<(Signed<Pledge>, EscrowOutput), ClientError> {
        let untrue = |field: &str, problem: &dyn ToString| ClientError::untrue(field, problem.to_string());
        let output = self
            .contract
            .pledge(&self.secp, Slot::pledge(view.index), view.sponsor_key)
            .map_err(|error| untrue("index", &error))?;
        if view.address != output.address.to_string() {
            return Err(untrue("address", &format!("the charter and the key give {}", output.address)));
        }
        if view.descriptor != output.descriptor() {
            return Err(untrue("descriptor", &"the charter and the key give another"));
        }
        let refund_address = address("refund_address", &view.refund_address, self.charter.network())
            .map_err(|error| untrue("refund_address", &error))?;
        let statement = Pledge {
            network: self.charter.network(),
            charter: self.charter.id(),
            index: view.index,
            sponsor_key: view.sponsor_key,
            refund_address,
        };
        let signed = Signed { statement, signature: view.signature };
        signed
            .verify(&self.secp, &Speaker::sponsor(view.sponsor_key))
            .map_err(|error| untrue("signature", &error))?;
        Ok((signed, output))
    }

    /// A submission, the latest where none is named, with id and developer's signature checked. `None`
    /// where there is none.
    ///
    /// # Errors
    /// [`ClientError::Untrue`] with the field that is not so.
    pub fn submission(&self, id: Option<SubmissionId>) -> Result<Option<&SubmissionView>, ClientError> {
        let all = &self.view.submissions;
        let found = match id {
            None => all.last(),
            Some(id) => all.iter().find(|submission| submission.id == id),
        };
        let Some(view) = found else { return Ok(None) };
        let statement = &view.submission.statement;
        if view.id != statement.id() {
            return Err(ClientError::untrue("submission", "its id is not the hash of its words"));
        }
        if statement.charter != self.charter.id() || statement.network != self.charter.network() {
            return Err(ClientError::untrue("submission", "it belongs to another task"));
        }
        let nobody = || ClientError::untrue("submission", "its charter has no leader who could name payees");
        let speaker = self.charter.submitter(statement).ok_or_else(nobody)?;
        view.submission
            .verify(&self.secp, &speaker)
            .map_err(|error| ClientError::untrue("submission", error))?;
        self.check_words(view)?;
        Ok(Some(view))
    }

    /// Under which keys a party's words verify; `None` if there is no such party.
    pub fn speaker(&self, party: Party) -> Option<Speaker> {
        let pledges = &self.view.pledges;
        let sponsor = |index| Some(pledges.iter().find(|pledge| pledge.index == index)?.sponsor_key);
        self.charter.party_speaker(party, sponsor)
    }

    /// What leader and parties are said to have said about a submission is theirs, and about this one.
    fn check_words(&self, view: &SubmissionView) -> Result<(), ClientError> {
        let mine = |network, charter, submission| {
            (network, charter, submission) == (self.charter.network(), self.charter.id(), view.id)
        };
        if let Some(signed) = &view.confirmation {
            let said = &signed.statement;
            let untrue = |problem: &dyn std::fmt::Display| ClientError::untrue("confirmation", problem);
            if !mine(said.network, said.charter, said.submission) {
                return Err(untrue(&"it is about something else"));
            }
            let leader = self.speaker(Party::Leader).ok_or_else(|| untrue(&"the charter names no leader"))?;
            signed.verify(&self.secp, &leader).map_err(|error| untrue(&error))?;
        }
        for signed in &view.evidence {
            let said = &signed.statement;
            let untrue = |problem: &dyn std::fmt::Display| ClientError::untrue("evidence", problem);
            if !mine(said.network, said.charter, said.submission) {
                return Err(untrue(&"it is about something else"));
            }
            let speaker = self.speaker(said.by).ok_or_else(|| untrue(&"it is by nobody of this task"))?;
            signed.verify(&self.secp, &speaker).map_err(|error| untrue(&error))?;
        }
        Ok(())
    }

    /// A receipt: for this very vote, by the key of the charter, and not dated past a window that is open.
    ///
    /// # Errors
    /// [`ClientError::Untrue`] with the field that is not so.
    pub fn check_receipt(
        &self,
        vote: &impl Statement,
        answer: &ReceiptView,
        window: Option<&Window>,
    ) -> Result<(), ClientError> {
        let receipt = &answer.receipt;
        // A receipt dated past closing would quietly keep the vote out of the count.
        let open = window.filter(|window| self.view.tip.is_some_and(|tip| !window.closed(tip.mtp_secs)));
        if open.is_some_and(|window| window.closed(receipt.statement.tip_mtp_secs)) {
            let problem =
                "it is dated after voting closes, and voting is open: hand the vote to the signers directly";
            return Err(ClientError::untrue("receipt", problem));
        }
        if receipt.statement.vote != vote.digest() {
            return Err(ClientError::untrue("receipt", "it is for another vote"));
        }
        if receipt.statement.charter != self.charter.id()
            || receipt.statement.network != self.charter.network()
        {
            return Err(ClientError::untrue("receipt", "it is for another task"));
        }
        receipt
            .verify(&self.secp, &self.charter.receipts())
            .map_err(|error| ClientError::untrue("receipt", error))
    }
}
