//! Who stands behind what an event tells: the key that signed it, or where else it comes from. An act that
//! somebody signed is told with their part and key, so that whoever reads a timeline knows which signature to look for
//! in the proof document. Signatures themselves are not told here.

use super::{PublicEvent, What};
use crate::escrow::event::Event;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{NamedBy, Party, Role};
use crate::escrow::task::Task;
use bitcoin::Txid;
use bitcoin::bip32::Fingerprint;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};

/// In which part somebody signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The developer's seat.
    Developer,
    /// The seat of the sponsors' representative.
    Representative,
    /// The arbiter's seat.
    Arbiter,
    /// A sponsor, with the key of the event's pledge.
    Sponsor,
    /// The project's leader, with the key that the charter names; on a wish, with the key that led the project then.
    Leader,
    /// An identity: whoever has the key, of which anybody can make one.
    Identity,
}

impl Part {
    /// Every part.
    pub const ALL: [Part; 6] =
        [Part::Developer, Part::Representative, Part::Arbiter, Part::Sponsor, Part::Leader, Part::Identity];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Developer => "developer",
            Part::Representative => "representative",
            Part::Arbiter => "arbiter",
            Part::Sponsor => "sponsor",
            Part::Leader => "leader",
            Part::Identity => "identity",
        }
    }
}

impl From<Role> for Part {
    fn from(role: Role) -> Part {
        match role {
            Role::Developer => Part::Developer,
            Role::Representative => Part::Representative,
            Role::Arbiter => Part::Arbiter,
        }
    }
}

/// What kind of signature it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A statement's tagged hash (BIP340).
    Bip340,
    /// A statement's words, as wallets sign messages (BIP322).
    Bip322,
    /// Transactions: each input with a key of its own.
    Transaction,
}

impl Form {
    /// Every form.
    pub const ALL: [Form; 3] = [Form::Bip340, Form::Bip322, Form::Transaction];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Form::Bip340 => "bip340",
            Form::Bip322 => "bip322",
            Form::Transaction => "transaction",
        }
    }
}

/// Who signed what an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBy {
    /// In which part.
    pub part: Part,
    /// What kind of signature.
    pub form: Form,
    /// Key that it verifies under; absent where each input of a transaction has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<XOnlyPublicKey>,
    /// Fingerprint of the root that the seat's account is declared to come from; absent for sponsors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

fn seat(task: &Task, role: Role, signature: &StatementSignature) -> Option<SignedBy> {
    let speaker = task.charter().speaker(role);
    Some(SignedBy {
        part: role.into(),
        form: form(signature),
        key: Some(speaker.key_for(signature)?),
        fingerprint: Some(task.charter().signer(role).fingerprint()),
    })
}

const fn form(signature: &StatementSignature) -> Form {
    match signature {
        StatementSignature::Tagged(_) => Form::Bip340,
        StatementSignature::Bip322(_) => Form::Bip322,
    }
}

fn sponsor(task: &Task, pledge: u32, form: Form) -> Option<SignedBy> {
    let key = task.pledges().get(&pledge)?.sponsor_key;
    Some(SignedBy { part: Part::Sponsor, form, key: Some(key), fingerprint: None })
}

fn leader(task: &Task, signature: &StatementSignature) -> Option<SignedBy> {
    let key = task.charter().leader_speaker()?.key_for(signature)?;
    Some(SignedBy { part: Part::Leader, form: form(signature), key: Some(key), fingerprint: None })
}

/// A key that speaks before there is a charter.
pub(super) fn of_key(part: Part, key: XOnlyPublicKey, signature: &StatementSignature) -> SignedBy {
    SignedBy { part, form: form(signature), key: Some(key), fingerprint: None }
}

/// Who signed what a record says by itself.
pub(super) fn of_record(task: &Task, event: &Event) -> Option<SignedBy> {
    match event {
        Event::CharterAttested { role, signature } => seat(task, *role, signature),
        Event::PledgeIssued { index, signature, .. } => sponsor(task, *index, form(signature)),
        Event::RefundSecured { refund } => {
            let held = task.outpoints().get(&refund.outpoint)?;
            sponsor(task, held.slot.index, Form::Transaction)
        }
        Event::RefundPrepared { slot, .. } => sponsor(task, slot.index, Form::Transaction),
        Event::MoveSigned { consent }
        | Event::LateMoveSigned { consent, .. }
        | Event::LateLadderSigned { consent, .. } => {
            let held = task.outpoints().get(&consent.statement.outpoint)?;
            sponsor(task, held.slot.index, form(&consent.signature))
        }
        Event::WorkSubmitted { submission, .. } => {
            let signature = &submission.signature;
            match submission.statement.named.as_ref().map(|named| named.by) {
                None => seat(task, Role::Developer, signature),
                Some(NamedBy::Representative) => seat(task, Role::Representative, signature),
                Some(NamedBy::Leader) => leader(task, signature),
            }
        }
        Event::MergeConfirmed { confirmation, .. } => leader(task, &confirmation.signature),
        Event::EvidenceGiven { evidence } => {
            let signature = &evidence.signature;
            match evidence.statement.by {
                Party::Signer(role) => seat(task, role, signature),
                Party::Leader => leader(task, signature),
                Party::Pledge(index) => sponsor(task, index, form(signature)),
            }
        }
        Event::VoteCast { vote, .. } => sponsor(task, vote.statement.pledge, form(&vote.signature)),
        Event::WorkJudged { acceptance } => seat(task, Role::Representative, &acceptance.signature),
        Event::NoesRuled { ruling } => seat(task, Role::Arbiter, &ruling.signature),
        // Nobody's word: drafts and proposals bind nobody, the rest is the chain's or the service's.
        Event::TaskDrafted { .. }
        | Event::TaskOpened
        | Event::OutpointSeen { .. }
        | Event::OutpointConfirmed { .. }
        | Event::OutpointUnconfirmed { .. }
        | Event::OutpointVanished { .. }
        | Event::OutpointSpent { .. }
        | Event::OutpointUnspent { .. }
        | Event::SubmissionBlockMoved { .. }
        | Event::ConfirmationBlockMoved { .. }
        | Event::SettlementProposed { .. }
        | Event::SettlementSigned { .. }
        | Event::SettlementBroadcast { .. } => None,
    }
}

/// Who signed what is told from comparing.
pub(super) fn of_told(task: &Task, what: &What) -> Option<SignedBy> {
    let What::SettlementSigned { role, .. } = what else { return None };
    Some(SignedBy {
        part: (*role).into(),
        form: Form::Transaction,
        key: None,
        fingerprint: Some(task.charter().signer(*role).fingerprint()),
    })
}

/// Where what an event tells comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Source {
    /// Somebody signed it.
    Signed,
    /// It was seen on the chain, in a block or in the mempool.
    Chain {
        /// In this transaction, where it is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        txid: Option<Txid>,
    },
    /// It follows from what was signed, what the chain has, and the charter.
    Rules,
    /// The service did it; whoever has the transaction could have.
    Service {
        /// The transaction it sent.
        txid: Txid,
    },
    /// Written down without a signature that binds anybody.
    Nobody,
}

/// Where what an event tells comes from.
pub fn source(event: &PublicEvent) -> Source {
    if event.signed_by.is_some() {
        return Source::Signed;
    }
    let chain = |txid| Source::Chain { txid: Some(txid) };
    match &event.what {
        What::CharterAttested { .. }
        | What::PledgeIssued { .. }
        | What::RefundSecured { .. }
        | What::RefundPrepared { .. }
        | What::MoveSigned { .. }
        | What::MergeConfirmed { .. }
        | What::EvidenceGiven { .. }
        | What::WorkSubmitted { .. }
        | What::VoteCast { .. }
        | What::AcceptanceGiven { .. }
        | What::RulingGiven { .. }
        | What::SettlementSigned { .. }
        | What::WishWritten { .. }
        | What::WishWithdrawn {}
        | What::WishLiked(_)
        | What::WishUnliked(_)
        | What::PromiseMade { .. }
        | What::PromiseWithdrawn(_)
        | What::SeatOffered { .. }
        | What::SeatDeclined { .. }
        | What::WishReserved { .. }
        | What::WishReleased(_)
        | What::WishJudged { .. }
        | What::ProjectClaimed { .. }
        | What::ProjectChanged { .. }
        | What::ProjectWithdrawn(_) => Source::Signed,
        What::TaskDrafted { .. } | What::WishChartered {} | What::SettlementProposed { .. } => Source::Nobody,
        What::TaskOpened { .. }
        | What::StageChanged { .. }
        | What::TargetReached(_)
        | What::TargetLost(_)
        | What::FundingClosed(_)
        | What::FundingReopened(_)
        | What::TargetMissed { .. }
        | What::TargetOpenAgain(_)
        | What::ReviewOpened { .. }
        | What::ReviewMoved { .. }
        | What::ReviewClosed { .. }
        | What::ReviewReopened { .. }
        | What::RulingClosed { .. }
        | What::RulingReopened { .. }
        | What::SettlementComplete { .. } => Source::Rules,
        What::PaymentSeen(payment)
        | What::PaymentConfirmed { payment, .. }
        | What::PaymentUnconfirmed { payment, .. }
        | What::PaymentCredited(payment)
        | What::PaymentUncredited(payment)
        | What::PaymentSurplus { payment, .. }
        | What::PaymentBelowMinimum { payment, .. }
        | What::PaymentUncounted { payment, .. }
        | What::PaymentVanished(payment)
        | What::GiftReceived(payment)
        | What::GiftLost(payment) => chain(payment.outpoint.txid),
        What::RefundSent { txid, .. }
        | What::RefundConfirmed { txid, .. }
        | What::RefundUnconfirmed { txid, .. }
        | What::RefundDropped { txid, .. }
        | What::SpendSeen { txid, .. }
        | What::SpendConfirmed { txid, .. }
        | What::SpendUnconfirmed { txid, .. }
        | What::SpendDropped { txid, .. }
        | What::SettlementConfirmed { txid, .. }
        | What::SettlementFinal { txid, .. } => chain(*txid),
        What::SettlementUnconfirmed { .. } | What::SettlementConflicted { .. } | What::Reorg { .. } => {
            Source::Chain { txid: None }
        }
        What::SettlementBroadcast { txid, .. } => Source::Service { txid: *txid },
    }
}

/// The same in words, without a full stop: keys and txids stand beside it.
pub fn source_in_words(event: &PublicEvent) -> String {
    if let Some(signed) = event.signed_by {
        let who = match (signed.part, event.pledge) {
            (Part::Sponsor, Some(index)) => format!("the sponsor of pledge {index}"),
            (Part::Identity, _) => "an identity".to_owned(),
            (part, _) => format!("the {}", part.name()),
        };
        let account = signed.fingerprint.map(|root| format!(", account of {root}")).unwrap_or_default();
        return format!("Signed by {who}{account}");
    }
    match source(event) {
        Source::Signed => "Signed; an earlier version told it without saying by whom",
        Source::Chain { .. } => "Seen on the chain",
        Source::Rules => "Follows from the charter, what was signed, and the chain",
        Source::Service { .. } => "Sent by the service",
        Source::Nobody => "Signed by nobody: it binds nobody",
    }
    .to_owned()
}
