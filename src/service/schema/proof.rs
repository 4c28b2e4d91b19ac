//! The proof document.

use super::mirrored;
use super::scalar::*;
use super::statement::{
    SignedAcceptance, SignedConfirmation, SignedEvidence, SignedMove, SignedRuling, SignedSubmission,
};
use crate::escrow::ballot::{CastVote, Tally};
use crate::escrow::facts::{Confirmation, SpendPath, Tip};
use crate::escrow::pledge::{Standing, Totals};
use crate::escrow::proof::{self, HexHeader, HexTransaction};
use crate::escrow::settlement::Kind;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{CharterId, Role, SettlementId, SubmissionId};
use std::collections::BTreeMap;
use utoipa::ToSchema;

mirrored! {
    proof::ProofDocument => ProofDocument,
}

/// All public data of one task, as of one tip: what `upfront verify` recomputes addresses, balances and the tally
/// from. What is marked as a claim follows from the rest and is compared with it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct ProofDocument {
    /// Format of the document.
    #[schema(minimum = 1, maximum = 1)]
    version: u32,
    /// Claim: id of the charter.
    charter_id: CharterId,
    /// Canonical text of the charter.
    charter: String,
    /// The task's text, whose hash the charter names.
    text: String,
    /// Who agreed to the charter: signatures over its id.
    attestations: BTreeMap<Role, StatementSignature>,
    /// Whether addresses are issued; needs all three attestations.
    opened: bool,
    /// The tip under which everything is computed.
    tip: Tip,
    /// Claim: every address of the task, the open one first.
    addresses: Vec<AddressClaim>,
    /// Pledges by index, from 1.
    pledges: Vec<PledgeProof>,
    /// Everything that pays the task's addresses now.
    outpoints: Vec<OutpointProof>,
    /// The transactions that create and spend these outpoints, by txid.
    #[schema(value_type = BTreeMap<TransactionIdKey, TransactionProof>)]
    transactions: BTreeMap<String, TransactionProof>,
    /// Every header that is referred to, by height, each with the ten below it (for its median time past).
    #[schema(value_type = BTreeMap<HeightKey, HexHeader>)]
    headers: BTreeMap<u32, HexHeader>,
    /// Sponsors' consents that an outpoint moves to another charter; left out where there are none.
    #[schema(value_type = Option<Vec<SignedMove>>, nullable = false)]
    moves: Option<Vec<SignedMove>>,
    /// Their consents that it moves from T on, by themselves alone; left out where there are none.
    #[schema(value_type = Option<Vec<SignedMove>>, nullable = false)]
    late_moves: Option<Vec<SignedMove>>,
    /// Submissions with everything said about them.
    submissions: Vec<SubmissionProof>,
    /// Settlements that were proposed.
    settlements: Vec<SettlementProof>,
    /// Claim: sums over the outpoints.
    totals: Totals,
}

/// Claim: an address of the task.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct AddressClaim {
    /// Derivation index; 0 is the open address.
    #[schema(value_type = AddressIndex)]
    index: u32,
    /// Generation.
    #[schema(value_type = Generation)]
    generation: u32,
    /// Output script.
    #[schema(value_type = ScriptHex)]
    script_pubkey: String,
    /// On the charter's network.
    #[schema(value_type = BitcoinAddress)]
    address: String,
    /// With checksum.
    #[schema(value_type = Descriptor)]
    descriptor: String,
}

/// A pledge as it was issued.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct PledgeProof {
    /// Derivation index.
    #[schema(value_type = PledgeIndex)]
    index: u32,
    /// S.
    #[schema(value_type = PublicKey)]
    sponsor_key: String,
    /// Where refunds and returns go.
    #[schema(value_type = BitcoinAddress)]
    refund_address: String,
    /// The sponsor's signature over the pledge statement.
    signature: StatementSignature,
    /// What the sponsor meant to pay. The service's word; nothing follows from it.
    #[schema(value_type = Sat)]
    promised_sat: u64,
    /// Median time past when it was issued. The service's word.
    #[schema(value_type = UnixSeconds)]
    issued_mtp_secs: u32,
}

/// An output that pays an address of the task.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct OutpointProof {
    /// The output.
    #[schema(value_type = Outpoint)]
    outpoint: String,
    /// Index of the address it pays.
    #[schema(value_type = AddressIndex)]
    index: u32,
    /// Generation of that address.
    #[schema(value_type = Generation)]
    generation: u32,
    /// Its value.
    #[schema(value_type = Sat)]
    amount_sat: u64,
    /// Whether the service holds a refund for it. The service's word: refunds are not published.
    secured: bool,
    /// What spends it, or `null`.
    #[schema(required)]
    spend: Option<SpendProof>,
    /// Claim: what it counts as.
    standing: Standing,
}

/// What spends an outpoint.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct SpendProof {
    /// The spending transaction.
    #[schema(value_type = TransactionId)]
    txid: String,
    /// Its input that does.
    #[schema(value_type = Count)]
    vin: u32,
    /// Claim: the way it took.
    path: SpendPath,
}

/// A transaction, and if it is mined, the proof.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct TransactionProof {
    /// With witnesses. May be `null` while it is in the mempool only.
    #[schema(required)]
    raw: Option<HexTransaction>,
    /// Where it is mined, or `null`.
    #[schema(required)]
    confirmation: Option<Confirmation>,
    /// Siblings from the leaf upwards.
    #[schema(value_type = Vec<MerkleNode>)]
    branch: Vec<String>,
}

/// A submission with everything said about it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct SubmissionProof {
    /// Claim: its id.
    id: SubmissionId,
    /// As the developer signed it.
    submission: SignedSubmission,
    /// Hash of the block now at the named height.
    #[schema(value_type = BlockId)]
    block_hash: String,
    /// Median time past of that block.
    #[schema(value_type = UnixSeconds)]
    block_mtp_secs: u32,
    /// The leader's confirmation of a merge or release; left out while there is none.
    #[schema(nullable = false)]
    confirmation: Option<ConfirmationProof>,
    /// Every vote with its receipt, in order of arrival.
    votes: Vec<CastVote>,
    /// The representative's word, or `null`.
    #[schema(required)]
    acceptance: Option<SignedAcceptance>,
    /// The arbiter's word, or `null`.
    #[schema(required)]
    ruling: Option<SignedRuling>,
    /// Disputes and evidence, in order of arrival; left out while there are none.
    #[schema(nullable = false)]
    evidence: Option<Vec<SignedEvidence>>,
    /// Claim: the count.
    tally: Tally,
}

/// The leader's word that opens a review.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct ConfirmationProof {
    /// As the leader signed it.
    confirmation: SignedConfirmation,
    /// Hash of the block now at the named height.
    #[schema(value_type = BlockId)]
    block_hash: String,
    /// Median time past of that block: the review opens with it.
    #[schema(value_type = UnixSeconds)]
    block_mtp_secs: u32,
}

/// A settlement. Signatures are not published: two signers' would let anybody send the dearest form.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct SettlementProof {
    /// Claim: id of the terms.
    id: SettlementId,
    /// Everything its transactions follow from.
    terms: Terms,
    /// Who has signed all of it. The service's word.
    signed_by: Vec<Role>,
    /// Median time past when it was proposed. The service's word.
    #[schema(value_type = UnixSeconds)]
    proposed_mtp_secs: u32,
    /// Claim: every form of every transaction.
    transactions: Vec<Vec<FormClaim>>,
}

/// Claim: a transaction of a settlement at one feerate.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct FormClaim {
    /// Its feerate is at least this.
    #[schema(value_type = Feerate)]
    feerate_sat_per_vb: u64,
    /// Its fee.
    #[schema(value_type = Sat)]
    fee_sat: u64,
    /// Its txid.
    #[schema(value_type = TransactionId)]
    txid: String,
}

/// Everything a settlement's transactions follow from.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Terms {
    /// The charter.
    charter: CharterId,
    /// What it is for.
    #[serde(rename = "for")]
    kind: Kind,
    /// Feerate of the lowest form.
    #[schema(value_type = Feerate)]
    feerate_sat_per_vb: u64,
    /// Who is paid in place of the charter's payees; left out where the submission names nobody.
    #[schema(nullable = false)]
    payees: Option<Vec<super::charter::Payee>>,
    /// What moves, sorted by outpoint.
    inputs: Vec<TermInput>,
}

/// One outpoint that moves.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct TermInput {
    /// The outpoint.
    #[schema(value_type = Outpoint)]
    outpoint: String,
    /// Its value.
    #[schema(value_type = Sat)]
    amount_sat: u64,
    /// Index of the address it pays.
    #[schema(value_type = AddressIndex)]
    index: u32,
    /// Generation of that address.
    #[schema(value_type = Generation)]
    generation: u32,
    /// S; `null` for gifts to the open address.
    #[schema(required, value_type = Option<PublicKey>)]
    sponsor_key: Option<String>,
    /// Share that goes to the payees; the rest returns.
    #[schema(value_type = BasisPoints)]
    pay_bps: u16,
    /// Where the rest goes: the signed refund address of a pledge, the pot for gifts (`null` without one).
    #[schema(required, value_type = Option<BitcoinAddress>)]
    return_address: Option<String>,
}
