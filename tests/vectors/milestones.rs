//! The vectors of what came after the first: `descriptors/milestones.json`. Submissions for milestones and with
//! named payees, moves, settlements that leave remainders or move pledges, the refunds of what they make, and what
//! closing payouts pay. Made and compared as `vectors.json` is; explained in `descriptors/README.md`.

mod charters;
mod closings;
mod settlements;
mod statements;

use super::{AddressCase, CharterCase, RefundCase};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use upfront::escrow::settlement::{Kind, TermInput, Terms};
use upfront::escrow::statement::{Move, Submission};

/// The whole file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    pub version: u32,
    pub charters: Vec<CharterCase>,
    pub submissions: Vec<SubmissionCase>,
    pub moves: Vec<MoveCase>,
    pub settlements: Vec<SettlementCase>,
    pub addresses: Vec<AddressCase>,
    pub refunds: Vec<RefundCase>,
    pub closings: Vec<ClosingCase>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmissionCase {
    pub charter: usize,
    pub statement: Submission,
    pub phrase: String,
    pub path: String,
    pub key: String,
    pub lines: String,
    pub digest: String,
    pub signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveCase {
    pub charter: usize,
    pub to_charter: usize,
    pub statement: Move,
    pub phrase: String,
    pub path: String,
    pub key: String,
    pub lines: String,
    pub digest: String,
    pub signature: String,
    pub bip322_signature: String,
}

/// An outpoint, and what each milestone of it comes to, in words.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    pub parts: Vec<String>,
    pub input: TermInput,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaysOutCase {
    pub outpoint: String,
    pub why: WhyCase,
}

/// The reason with the numbers that programs are told.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhyCase {
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_sat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feerate_sat_per_vb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_sat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_sat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returned_sat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_sat: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettlementCase {
    pub charter: usize,
    pub candidates: Vec<Candidate>,
    pub stays_out: Vec<StaysOutCase>,
    pub terms: Terms,
    pub lines: String,
    pub id: String,
    pub chunks: Vec<ChunkCase>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkCase {
    pub inputs: Vec<String>,
    pub forms: Vec<FormCase>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormCase {
    pub sat_per_vb: u64,
    pub fee_sat: u64,
    pub weight: u64,
    pub shares: Vec<ShareCase>,
    pub outputs: Vec<OutputCase>,
    pub txid: String,
    pub transaction: String,
    /// By developer and representative; a ruling by developer and arbiter.
    pub signed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareCase {
    pub fee_sat: u64,
    pub pay_sat: u64,
    pub returned_sat: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputCase {
    /// `payee`, `return`, `remainder` or `move`.
    pub kind: String,
    /// Payee's name, outpoint that returns or moves, or slot of the remainder.
    pub of: String,
    pub address: String,
    pub amount_sat: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosingCase {
    pub shares_bps: Vec<u16>,
    pub parts: Vec<String>,
    pub kind: String,
    pub milestone: usize,
    pub pay_bps: Option<u16>,
}

/// The committed file.
pub fn read() -> Vectors {
    serde_json::from_str(&std::fs::read_to_string(super::in_descriptors("milestones.json")).unwrap()).unwrap()
}

fn generate() -> Vectors {
    let charters = charters::all();
    let submissions = statements::submissions(&charters);
    let made = settlements::all(&charters, &submissions);
    Vectors {
        version: 1,
        charters: charters.iter().map(|signed| signed.case()).collect(),
        moves: statements::moves(&charters, &made),
        addresses: made.addresses(&charters),
        refunds: made.refunds(&charters),
        settlements: made.cases,
        submissions,
        closings: closings::all(),
    }
}

#[test]
fn the_committed_vectors_of_milestones_are_what_this_code_makes() {
    super::committed_is(&super::in_descriptors("milestones.json"), &generate());
}

#[test]
fn the_vectors_of_milestones_show_every_case() {
    let vectors = read();
    assert_eq!(vectors.charters.len(), 3);
    assert_eq!((vectors.submissions.len(), vectors.moves.len()), (8, 2));
    assert_eq!((vectors.settlements.len(), vectors.refunds.len()), (12, 8));
    let reasons: BTreeSet<&str> = vectors
        .settlements
        .iter()
        .flat_map(|case| case.stays_out.iter().map(|out| out.why.reason.as_str()))
        .collect();
    let all = ["eaten", "pool_dust", "return_dust", "share_small", "small"];
    assert_eq!(reasons, BTreeSet::from(all));
    let forms: BTreeSet<usize> = vectors
        .settlements
        .iter()
        .filter(|case| matches!(case.terms.kind(), Kind::Milestone { .. }))
        .flat_map(|case| case.chunks.iter().map(|chunk| chunk.forms.len()))
        .collect();
    assert_eq!(forms, BTreeSet::from([1, 2, 3]));
    let outputs = || {
        let forms = vectors.settlements.iter().flat_map(|case| &case.chunks).flat_map(|chunk| &chunk.forms);
        forms.flat_map(|form| &form.outputs)
    };
    for kind in ["payee", "return", "remainder", "move"] {
        assert!(outputs().any(|output| output.kind == kind), "{kind}");
    }
}
