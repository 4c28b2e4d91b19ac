//! What a settlement is to do: everything its transactions follow from, and its id. Valid by
//! construction; whether the votes allow it is not judged here.

use super::super::charter::{Bps, Payee};
use super::super::descriptor::{MAX_GENERATION, OPEN_INDEX, Slot};
use super::super::statement::{CharterId, SettlementId, SubmissionId, payee_lines, tagged_hash};
use bitcoin::address::NetworkUnchecked;
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Address, Amount, OutPoint};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What a settlement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// Pays what the votes on a submission allow.
    Payout {
        /// The submission.
        submission: SubmissionId,
    },
    /// Gives everything back before T.
    EarlyReturn,
    /// Carries out the arbiter's ruling over the noes of a submission; the arbiter is one of its signers.
    Ruling {
        /// The submission.
        submission: SubmissionId,
    },
    /// Pays one milestone's share of pledges that voted yes; the rest stays in escrow, at the next generation of each
    /// pledge's address.
    Milestone {
        /// A submission of that milestone.
        submission: SubmissionId,
    },
    /// Moves pledges whose sponsors signed for it to their new addresses under another charter.
    Move {
        /// That charter.
        to: CharterId,
    },
}

impl Kind {
    /// The submission it rests on.
    pub fn submission(&self) -> Option<SubmissionId> {
        match self {
            Kind::Payout { submission } | Kind::Ruling { submission } | Kind::Milestone { submission } => {
                Some(*submission)
            }
            Kind::EarlyReturn | Kind::Move { .. } => None,
        }
    }

    /// Whether each outpoint has a transaction of its own: its sponsor signed refunds of what that transaction
    /// makes, so its txid must depend on nobody else.
    pub fn one_by_one(&self) -> bool {
        match self {
            Kind::Milestone { .. } | Kind::Move { .. } => true,
            Kind::Payout { .. } | Kind::EarlyReturn | Kind::Ruling { .. } => false,
        }
    }

    /// Whether what is not paid stays in escrow.
    pub fn leaves_remainder(&self) -> bool {
        matches!(self, Kind::Milestone { .. })
    }
}

/// One outpoint that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TermInputDocument", into = "TermInputDocument")]
pub struct TermInput {
    /// The outpoint.
    pub outpoint: OutPoint,
    /// Its value.
    pub amount: Amount,
    /// The address it pays.
    pub slot: Slot,
    /// S; `None` for gifts to the open address.
    pub sponsor_key: Option<XOnlyPublicKey>,
    /// Share that goes to the payees; the rest returns.
    pub pay: Bps,
    /// Where the rest goes: the signed refund address of a pledge, the pot for gifts (`None` without one), the new
    /// pledge's address where it moves. The rest of a milestone stays in escrow, and does not go there.
    pub return_address: Option<Address>,
}

impl TermInput {
    /// Whether part of it returns.
    pub fn returns(&self) -> bool {
        self.pay < Bps::ALL
    }

    /// Whether part of it is paid.
    pub fn pays(&self) -> bool {
        self.pay > Bps::NONE
    }
}

/// A [`TermInput`] as written. Its address is compared with the charter's network when it is planned.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TermInputDocument {
    outpoint: OutPoint,
    amount_sat: u64,
    index: u32,
    generation: u32,
    sponsor_key: Option<XOnlyPublicKey>,
    pay_bps: u16,
    return_address: Option<Address<NetworkUnchecked>>,
}

impl From<TermInput> for TermInputDocument {
    fn from(input: TermInput) -> Self {
        TermInputDocument {
            outpoint: input.outpoint,
            amount_sat: input.amount.to_sat(),
            index: input.slot.index,
            generation: input.slot.generation,
            sponsor_key: input.sponsor_key,
            pay_bps: input.pay.get(),
            return_address: input.return_address.map(Address::into_unchecked),
        }
    }
}

impl TryFrom<TermInputDocument> for TermInput {
    type Error = TermsError;
    fn try_from(document: TermInputDocument) -> Result<Self, TermsError> {
        let outpoint = document.outpoint;
        let pay =
            Bps::new(document.pay_bps).ok_or(TermsError::Share { outpoint, given: document.pay_bps })?;
        Ok(TermInput {
            outpoint,
            amount: Amount::from_sat(document.amount_sat),
            slot: Slot { index: document.index, generation: document.generation },
            sponsor_key: document.sponsor_key,
            pay,
            return_address: document.return_address.map(Address::assume_checked),
        })
    }
}

/// Why terms are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Nothing moves.
    #[error("a settlement needs at least one outpoint")]
    Empty,
    /// An outpoint is named twice.
    #[error("{outpoint} is named twice")]
    Duplicate {
        /// The outpoint.
        outpoint: OutPoint,
    },
    /// Below what nodes relay, or beyond any number.
    #[error("a feerate of {given} sat/vB: it is at least 1")]
    Feerate {
        /// Given feerate.
        given: u64,
    },
    /// A share above 10000.
    #[error("{outpoint}: a share of {given} bps; it is at most 10000")]
    Share {
        /// The outpoint.
        outpoint: OutPoint,
        /// Given share.
        given: u16,
    },
    /// More than 21 million BTC together.
    #[error("the outpoints hold more than 21 million BTC")]
    TooMuch,
    /// A gift with a sponsor's key, or a pledge without one.
    #[error("{outpoint}: pledges have a sponsor's key, the open address (index 0, generation 0) has none")]
    SponsorKey {
        /// The outpoint.
        outpoint: OutPoint,
    },
    /// Part of it returns, but nobody said where to.
    #[error("{outpoint}: part of it returns, and there is no address for that")]
    NoReturnAddress {
        /// The outpoint.
        outpoint: OutPoint,
    },
    /// An early return pays nobody, and so does a move.
    #[error("{outpoint}: an early return or a move pays nobody")]
    PaysInReturn {
        /// The outpoint.
        outpoint: OutPoint,
    },
    /// A milestone pays a part of a pledge; gifts have no refund and are not split.
    #[error("{outpoint}: a milestone pays a part of a pledge and leaves a rest in escrow, of a pledge only")]
    NotAPart {
        /// The outpoint.
        outpoint: OutPoint,
    },
    /// There is no next address to leave a rest at.
    #[error("{outpoint}: it was split {generation} times, and has no further address")]
    NoGenerationLeft {
        /// The outpoint.
        outpoint: OutPoint,
        /// Its generation.
        generation: u32,
    },
}

impl TermsError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            TermsError::Empty => "terms_empty",
            TermsError::Duplicate { .. } => "terms_duplicate",
            TermsError::Feerate { .. } => "terms_feerate",
            TermsError::Share { .. } => "terms_share",
            TermsError::TooMuch => "terms_too_much",
            TermsError::SponsorKey { .. } => "terms_sponsor_key",
            TermsError::NoReturnAddress { .. } => "terms_no_return_address",
            TermsError::PaysInReturn { .. } => "terms_pays_in_return",
            TermsError::NotAPart { .. } => "terms_not_a_part",
            TermsError::NoGenerationLeft { .. } => "terms_no_generation_left",
        }
    }
}

/// Everything a settlement's transactions follow from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TermsDocument", into = "TermsDocument")]
pub struct Terms {
    charter: CharterId,
    kind: Kind,
    feerate_sat_per_vb: u64,
    payees: Vec<Payee>,
    inputs: Vec<TermInput>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TermsDocument {
    charter: CharterId,
    #[serde(rename = "for")]
    kind: Kind,
    feerate_sat_per_vb: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    payees: Vec<Payee>,
    inputs: Vec<TermInput>,
}

impl From<Terms> for TermsDocument {
    fn from(Terms { charter, kind, feerate_sat_per_vb, payees, inputs }: Terms) -> Self {
        TermsDocument { charter, kind, feerate_sat_per_vb, payees, inputs }
    }
}

impl TryFrom<TermsDocument> for Terms {
    type Error = TermsError;
    fn try_from(document: TermsDocument) -> Result<Self, TermsError> {
        let TermsDocument { charter, kind, feerate_sat_per_vb, payees, inputs } = document;
        Terms::naming(charter, kind, feerate_sat_per_vb, payees, inputs)
    }
}

impl Terms {
    /// Sorts the inputs by outpoint and checks what can be checked without the charter.
    /// `feerate_sat_per_vb` is that of the lowest form.
    pub fn new(
        charter: CharterId,
        kind: Kind,
        feerate_sat_per_vb: u64,
        inputs: Vec<TermInput>,
    ) -> Result<Terms, TermsError> {
        Terms::naming(charter, kind, feerate_sat_per_vb, Vec::new(), inputs)
    }

    /// As [`Terms::new`], with the payees that the submission names in place of the charter's, if it names any.
    pub fn naming(
        charter: CharterId,
        kind: Kind,
        feerate_sat_per_vb: u64,
        payees: Vec<Payee>,
        mut inputs: Vec<TermInput>,
    ) -> Result<Terms, TermsError> {
        inputs.sort_by_key(|input| input.outpoint);
        if inputs.is_empty() {
            return Err(TermsError::Empty);
        }
        if let Some(pair) = inputs.windows(2).find(|pair| pair[0].outpoint == pair[1].outpoint) {
            return Err(TermsError::Duplicate { outpoint: pair[0].outpoint });
        }
        if feerate_sat_per_vb == 0 {
            return Err(TermsError::Feerate { given: feerate_sat_per_vb });
        }
        let mut sum = Amount::ZERO;
        for input in &inputs {
            let outpoint = input.outpoint;
            sum = sum
                .checked_add(input.amount)
                .filter(|sum| *sum <= Amount::MAX_MONEY)
                .ok_or(TermsError::TooMuch)?;
            let open = input.slot == Slot::OPEN;
            if open == input.sponsor_key.is_some() || (input.slot.index == OPEN_INDEX) != open {
                return Err(TermsError::SponsorKey { outpoint });
            }
            if input.returns() && input.return_address.is_none() {
                return Err(TermsError::NoReturnAddress { outpoint });
            }
            match kind {
                Kind::EarlyReturn | Kind::Move { .. } if input.pays() => {
                    return Err(TermsError::PaysInReturn { outpoint });
                }
                Kind::Move { .. } if open => return Err(TermsError::NotAPart { outpoint }),
                Kind::Milestone { .. } if open || !input.pays() || !input.returns() => {
                    return Err(TermsError::NotAPart { outpoint });
                }
                Kind::Milestone { .. } if input.slot.generation >= MAX_GENERATION => {
                    return Err(TermsError::NoGenerationLeft { outpoint, generation: input.slot.generation });
                }
                Kind::Payout { .. }
                | Kind::EarlyReturn
                | Kind::Ruling { .. }
                | Kind::Milestone { .. }
                | Kind::Move { .. } => {}
            }
        }
        Ok(Terms { charter, kind, feerate_sat_per_vb, payees, inputs })
    }

    /// The charter.
    pub fn charter(&self) -> CharterId {
        self.charter
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Feerate of the lowest form, sat/vB.
    pub fn feerate_sat_per_vb(&self) -> u64 {
        self.feerate_sat_per_vb
    }

    /// Who is paid in place of the charter's payees; empty where the submission names nobody.
    pub fn payees(&self) -> &[Payee] {
        &self.payees
    }

    /// What moves, by outpoint.
    pub fn inputs(&self) -> &[TermInput] {
        &self.inputs
    }

    /// Every field in words: what the id is a hash of.
    pub fn lines(&self) -> String {
        let mut lines = format!("charter: {}\n", self.charter);
        match self.kind {
            Kind::Payout { submission } => lines += &format!("kind: payout\nsubmission: {submission}\n"),
            Kind::EarlyReturn => lines += "kind: early return\n",
            Kind::Ruling { submission } => lines += &format!("kind: ruling\nsubmission: {submission}\n"),
            Kind::Milestone { submission } => {
                lines += &format!("kind: milestone\nsubmission: {submission}\n");
            }
            Kind::Move { to } => lines += &format!("kind: move\nto: {to}\n"),
        }
        lines += &payee_lines(&self.payees);
        lines += &format!("feerate: {} sat/vB\n", self.feerate_sat_per_vb);
        for input in &self.inputs {
            let none = || "none".to_owned();
            let Slot { index, generation } = input.slot;
            writeln!(
                lines,
                "input: {}, {} sat, slot {generation}/{index}, sponsor key {}, pay {} bps, return to {}",
                input.outpoint,
                input.amount.to_sat(),
                input.sponsor_key.map_or_else(none, |key| key.to_string()),
                input.pay.get(),
                input.return_address.as_ref().map_or_else(none, Address::to_string),
            )
            .expect("writing to a string does not fail");
        }
        lines
    }

    /// BIP340 tagged hash `upfront/settlement` of [`Terms::lines`].
    pub fn id(&self) -> SettlementId {
        SettlementId(tagged_hash("upfront/settlement", self.lines().as_bytes()))
    }
}
