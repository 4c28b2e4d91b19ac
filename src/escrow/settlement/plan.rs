//! From terms to unsigned transactions: deterministic, so that every signer rebuilds them and compares.
//!
//! Inputs stand in order of outpoint; payees in the charter's order, then returns in the order of their
//! inputs. Every form of a chunk spends the same inputs, so only one of them can ever confirm.

use super::super::charter::{Bps, Charter, CharterError};
use super::super::descriptor::{Contract, DescriptorError, EscrowOutput, Slot};
use super::super::fee;
use super::super::keys::SignerKey;
use super::super::statement::{CharterId, Role, SettlementId};
use super::budget::{self, StaysOut};
use super::{Kind, SEQUENCE, TermInput, Terms};
use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::{Secp256k1, Verification};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxIn, TxOut, Txid, Weight, Witness};
use serde::{Deserialize, Serialize};
use std::fmt;

/// All transactions of one settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    id: SettlementId,
    terms: Terms,
    signers: [SignerKey; 3],
    chunks: Vec<Chunk>,
}

/// One transaction, in its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What every form spends, by outpoint.
    pub inputs: Vec<ChunkInput>,
    /// Rising feerates; at least one.
    pub forms: Vec<Form>,
}

/// An outpoint with the output it spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkInput {
    /// What the terms say of it.
    pub term: TermInput,
    /// The contract's output.
    pub output: EscrowOutput,
}

/// A chunk at one feerate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its feerate is at least this, sat/vB.
    pub feerate_sat_per_vb: u64,
    /// Without witnesses.
    pub transaction: Transaction,
    /// Of the transaction; witnesses do not change it.
    pub txid: Txid,
    /// Weight once signed by the leaf.
    pub weight: Weight,
    /// What the transaction pays.
    pub fee: Amount,
    /// What each output is, in their order.
    pub outputs: Vec<OutputKind>,
    /// What becomes of each input, in their order.
    pub shares: Vec<InputShare>,
}

/// What an output is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// Somebody is paid.
    Payee {
        /// Name in [`Charter::shares`].
        name: String,
        /// Their share of what is paid.
        share: Bps,
    },
    /// Money of an outpoint goes back.
    Return {
        /// The outpoint.
        outpoint: OutPoint,
        /// The address it was at.
        slot: Slot,
    },
    /// Money stays in escrow, at the next generation of the pledge's address.
    Remainder {
        /// The address it goes to.
        slot: Slot,
    },
    /// Money of an outpoint moves to the sponsor's pledge under another charter.
    Move {
        /// The outpoint.
        outpoint: OutPoint,
        /// That charter.
        to: CharterId,
    },
}

impl fmt::Display for OutputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutputKind::Payee { name, share } => {
                write!(f, "{name}, {}.{:02} %", share.get() / 100, share.get() % 100)
            }
            OutputKind::Return { outpoint, slot } if *slot == Slot::OPEN => {
                write!(f, "gift {outpoint} to the pot")
            }
            OutputKind::Return { outpoint, slot } => {
                write!(f, "return of {outpoint} to the sponsor of pledge {}", slot.index)
            }
            OutputKind::Remainder { slot } => {
                write!(f, "rest of pledge {} stays in escrow, generation {}", slot.index, slot.generation)
            }
            OutputKind::Move { outpoint, to } => write!(f, "{outpoint} moves to charter {to}"),
        }
    }
}

/// What becomes of one input: `fee + pay + returned` is its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputShare {
    /// What it bears of the fee.
    pub fee: Amount,
    /// What it adds to the payees' pool.
    pub pay: Amount,
    /// What goes back.
    pub returned: Amount,
}

/// An outpoint that a settlement's transaction makes in an escrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Which form makes it; only one of a chunk's forms ever confirms.
    pub place: Place,
    /// The outpoint.
    pub outpoint: OutPoint,
    /// Its value.
    pub amount: Amount,
    /// The address of the same charter it pays; `None` where it is another charter's.
    pub slot: Option<Slot>,
}

/// A place in a plan, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which transaction, from 0.
    pub chunk: u32,
    /// Which of its forms, from 0.
    pub form: u32,
    /// Feerate of that form, sat/vB.
    pub feerate_sat_per_vb: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transaction {} at {} sat/vB", self.chunk, self.feerate_sat_per_vb)
    }
}

/// Why terms give no transactions under a charter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Terms, charter and contract do not belong together.
    #[error("these terms are not for this charter")]
    OtherCharter,
    /// Beyond what signers may sign.
    #[error("a feerate of {given} sat/vB is above the charter's cap of {cap}")]
    FeerateAboveCap {
        /// Of the terms, sat/vB.
        given: u64,
        /// Of the charter, sat/vB.
        cap: u64,
    },
    /// An outpoint is not worth its fee.
    #[error("{outpoint} cannot be part of this settlement: {reason}")]
    StaysOut {
        /// The outpoint.
        outpoint: OutPoint,
        /// Why.
        reason: StaysOut,
    },
    /// A return address of another network.
    #[error("the return address of {outpoint} is not for the charter's network")]
    ReturnNetwork {
        /// The outpoint.
        outpoint: OutPoint,
    },
    /// A gift goes to the charter's pot or nowhere.
    #[error("{outpoint} is a gift; it can return to the charter's pot only")]
    NotThePot {
        /// The outpoint.
        outpoint: OutPoint,
    },
    /// The payees that the terms name are none.
    #[error("named payees: {source}")]
    Payees {
        /// Why.
        source: CharterError,
    },
    /// There is no such address.
    #[error("{outpoint}: {source}")]
    Slot {
        /// The outpoint.
        outpoint: OutPoint,
        /// Why.
        source: DescriptorError,
    },
}

impl PlanError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            PlanError::OtherCharter => "plan_other_charter",
            PlanError::FeerateAboveCap { .. } => "plan_feerate_above_cap",
            PlanError::StaysOut { .. } => "plan_stays_out",
            PlanError::ReturnNetwork { .. } => "plan_return_network",
            PlanError::NotThePot { .. } => "plan_not_the_pot",
            PlanError::Payees { .. } => "plan_payees",
            PlanError::Slot { .. } => "plan_slot",
        }
    }
}

/// The transactions of `terms`. Equal arguments give equal plans.
pub fn plan<C: Verification>(
    secp: &Secp256k1<C>,
    charter: &Charter,
    contract: &Contract,
    terms: &Terms,
) -> Result<Plan, PlanError> {
    if terms.charter() != charter.id() || contract.charter() != charter.id() {
        return Err(PlanError::OtherCharter);
    }
    let (given, cap) = (terms.feerate_sat_per_vb(), charter.fields().feerate_cap_sat_per_vb);
    if given > cap {
        return Err(PlanError::FeerateAboveCap { given, cap });
    }
    for input in terms.inputs() {
        check_return_address(charter, input)?;
    }
    let payees = charter.shares_for(terms.payees()).map_err(|source| PlanError::Payees { source })?;
    let ground = budget::Ground { cap, payees: &payees, kind: terms.kind() };
    let chunks = budget::divide(ground, given, terms.inputs())
        .map_err(|mut out| out.swap_remove(0))
        .map_err(|(outpoint, reason)| PlanError::StaysOut { outpoint, reason })?;
    let chunks = chunks
        .into_iter()
        .map(|chunk| {
            let inputs = chunk.inputs.iter().map(|input| with_output(secp, contract, input));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let kept = match chunk.inputs {
                [input] if terms.kind().leaves_remainder() => Some(remainder(secp, contract, input)?),
                _ => None,
            };
            let form = |split| form(ground, chunk.inputs, kept.as_ref(), split);
            let forms = chunk.splits.iter().map(form).collect();
            Ok(Chunk { inputs, forms })
        })
        .collect::<Result<_, _>>()?;
    Ok(Plan { id: terms.id(), terms: terms.clone(), signers: charter.signers().clone(), chunks })
}

fn check_return_address(charter: &Charter, input: &TermInput) -> Result<(), PlanError> {
    let outpoint = input.outpoint;
    let Some(address) = &input.return_address else { return Ok(()) };
    if !address.as_unchecked().is_valid_for_network(charter.network().bitcoin()) {
        return Err(PlanError::ReturnNetwork { outpoint });
    }
    if input.slot == Slot::OPEN && charter.pot() != Some(address) {
        return Err(PlanError::NotThePot { outpoint });
    }
    Ok(())
}

fn with_output<C: Verification>(
    secp: &Secp256k1<C>,
    contract: &Contract,
    input: &TermInput,
) -> Result<ChunkInput, PlanError> {
    let output = match input.sponsor_key {
        None => contract.open(secp),
        Some(sponsor) => contract
            .pledge(secp, input.slot, sponsor)
            .map_err(|source| PlanError::Slot { outpoint: input.outpoint, source })?,
    };
    Ok(ChunkInput { term: input.clone(), output })
}

/// Where what is not paid of a pledge stays: the next generation of its address.
fn remainder<C: Verification>(
    secp: &Secp256k1<C>,
    contract: &Contract,
    input: &TermInput,
) -> Result<EscrowOutput, PlanError> {
    let slot = Slot { generation: input.slot.generation + 1, ..input.slot };
    let sponsor = input.sponsor_key.expect("terms leave remainders of pledges only");
    contract
        .pledge(secp, slot, sponsor)
        .map_err(|source| PlanError::Slot { outpoint: input.outpoint, source })
}

fn form(
    ground: budget::Ground<'_>,
    inputs: &[TermInput],
    kept: Option<&EscrowOutput>,
    split: &budget::Split,
) -> Form {
    let mut output = Vec::new();
    let mut outputs = Vec::new();
    for (share, amount) in ground.payees.iter().zip(&split.payees) {
        if *amount > Amount::ZERO {
            output.push(TxOut { value: *amount, script_pubkey: share.address.script_pubkey() });
            outputs.push(OutputKind::Payee { name: share.name.clone(), share: share.share });
        }
    }
    for (input, share) in inputs.iter().zip(&split.shares) {
        if share.returned > Amount::ZERO {
            let address = input.return_address.as_ref().expect("the budget returns nothing without one");
            let script_pubkey =
                kept.map_or_else(|| address.script_pubkey(), |kept| kept.script_pubkey.clone());
            output.push(TxOut { value: share.returned, script_pubkey });
            outputs.push(match (kept, ground.kind) {
                (Some(kept), _) => OutputKind::Remainder { slot: kept.slot },
                (None, Kind::Move { to }) => OutputKind::Move { outpoint: input.outpoint, to },
                (None, _) => OutputKind::Return { outpoint: input.outpoint, slot: input.slot },
            });
        }
    }
    let spend = |input: &TermInput| TxIn {
        previous_output: input.outpoint,
        script_sig: ScriptBuf::new(),
        sequence: SEQUENCE,
        witness: Witness::new(),
    };
    let transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(spend).collect(),
        output,
    };
    let weight = fee::frame_weight(transaction.input.len(), transaction.output.len())
        + inputs.iter().map(budget::input_weight).sum()
        + transaction.output.iter().map(|output| fee::output_weight(&output.script_pubkey)).sum();
    Form {
        feerate_sat_per_vb: split.feerate_sat_per_vb,
        txid: transaction.compute_txid(),
        weight,
        fee: split.shares.iter().map(|share| share.fee).sum(),
        outputs,
        shares: split.shares.clone(),
        transaction,
    }
}

impl Plan {
    /// Id of the terms.
    pub fn id(&self) -> SettlementId {
        self.id
    }

    /// What it was made from.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Its transactions.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// One transaction, counted from 0.
    pub fn chunk(&self, chunk: u32) -> Option<&Chunk> {
        self.chunks.get(usize::try_from(chunk).ok()?)
    }

    /// One form of one transaction, both counted from 0.
    pub fn form(&self, chunk: u32, form: u32) -> Option<&Form> {
        self.chunk(chunk)?.forms.get(usize::try_from(form).ok()?)
    }

    /// Every form of every transaction with its place.
    pub fn forms(&self) -> impl Iterator<Item = (Place, &Chunk, &Form)> {
        (0u32..).zip(&self.chunks).flat_map(|(at, chunk)| {
            (0u32..).zip(&chunk.forms).map(move |(form_at, form)| {
                (Place { chunk: at, form: form_at, feerate_sat_per_vb: form.feerate_sat_per_vb }, chunk, form)
            })
        })
    }

    /// What a transaction of it leaves in escrow or moves to another charter's: the outpoint and its value.
    pub fn made(&self) -> impl Iterator<Item = (&ChunkInput, Made)> {
        self.forms().flat_map(|(place, chunk, form)| {
            let outputs = (0u32..).zip(&form.outputs).zip(&form.transaction.output);
            outputs.filter_map(move |((vout, kind), output)| {
                let slot = match kind {
                    OutputKind::Remainder { slot } => Some(*slot),
                    OutputKind::Move { .. } => None,
                    OutputKind::Payee { .. } | OutputKind::Return { .. } => return None,
                };
                let outpoint = OutPoint { txid: form.txid, vout };
                Some((chunk.inputs.first()?, Made { place, outpoint, amount: output.value, slot }))
            })
        })
    }

    /// Everything it spends, by outpoint.
    pub fn outpoints(&self) -> impl Iterator<Item = OutPoint> {
        self.terms.inputs().iter().map(|input| input.outpoint)
    }

    /// Where a transaction stands in the plan.
    pub fn find(&self, txid: &Txid) -> Option<Place> {
        self.forms().find(|(_, _, form)| form.txid == *txid).map(|(place, _, _)| place)
    }

    /// Whether a transaction is one of its forms.
    pub fn has_transaction(&self, txid: &Txid) -> bool {
        self.find(txid).is_some()
    }

    /// Whether any of its outputs pays a payee.
    pub fn pays_anybody(&self) -> bool {
        let pays = |form: &Form| form.outputs.iter().any(|kind| matches!(kind, OutputKind::Payee { .. }));
        self.forms().any(|(_, _, form)| pays(form))
    }

    /// Key expression of one signer.
    pub fn signer(&self, role: Role) -> &SignerKey {
        role.of(&self.signers)
    }
}

impl Chunk {
    /// What the inputs spend, in their order.
    pub fn prevouts(&self) -> Vec<TxOut> {
        self.inputs.iter().map(ChunkInput::prevout).collect()
    }
}

impl ChunkInput {
    /// What it spends.
    pub fn prevout(&self) -> TxOut {
        TxOut { value: self.term.amount, script_pubkey: self.output.script_pubkey.clone() }
    }
}
