//! What the service tells of settlements.

use super::Page;
use crate::escrow::facts::Tip;
use crate::escrow::settlement::{Kind, OutputKind, Plan};
use crate::escrow::statement::{Role, SettlementId};
use crate::escrow::task::{Fate, SettlementState, Task};
use crate::service::schema;
use bitcoin::{Address, OutPoint, Txid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a settlement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettlementProgress {
    /// Nobody signed.
    Proposed,
    /// Some of the signatures are there.
    Signing,
    /// Two signed; on its way.
    Complete,
    /// All its transactions are mined.
    Confirmed,
    /// Something else spent what it wanted to.
    Conflicted,
}

/// A settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettlementView {
    /// Its id.
    pub id: SettlementId,
    /// What for.
    #[serde(flatten)]
    pub kind: Kind,
    /// Its lowest feerate, sat/vB.
    #[schema(value_type = schema::Feerate)]
    pub feerate_sat_per_vb: u64,
    /// How far it is.
    pub progress: SettlementProgress,
    /// Who signed every form.
    pub signed_by: Vec<Role>,
    /// Its transactions.
    pub transactions: Vec<SettlementTransactionView>,
}

/// One transaction of a settlement, in its forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettlementTransactionView {
    /// What became of it; absent while the chain is not known.
    #[serde(flatten)]
    #[schema(value_type = schema::FateIfKnown)]
    pub fate: Option<Fate>,
    /// What it spends.
    pub inputs: Vec<SettlementInputView>,
    /// The same at rising feerates; one of them confirms.
    pub forms: Vec<FormView>,
}

/// An input of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettlementInputView {
    /// What is spent.
    #[schema(value_type = schema::Outpoint)]
    pub outpoint: OutPoint,
    /// Whose.
    #[schema(value_type = schema::AddressIndex)]
    pub pledge: u32,
    /// Its value.
    #[schema(value_type = schema::Sat)]
    pub amount_sat: u64,
    /// Share that is paid; the rest returns.
    #[schema(value_type = schema::BasisPoints)]
    pub pay_bps: u16,
}

/// A settlement's transaction at one feerate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FormView {
    /// Least feerate.
    #[schema(value_type = schema::Feerate)]
    pub feerate_sat_per_vb: u64,
    /// Its txid.
    #[schema(value_type = schema::TransactionId)]
    pub txid: Txid,
    /// Its fee.
    #[schema(value_type = schema::Sat)]
    pub fee_sat: u64,
    /// Who signed it.
    pub signed_by: Vec<Role>,
    /// Its outputs.
    pub outputs: Vec<OutputView>,
}

/// An output of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputView {
    /// `payee`, `return` or `remainder`.
    pub kind: String,
    /// What it is, in words.
    pub what: String,
    /// Where it goes.
    #[schema(value_type = schema::BitcoinAddress)]
    pub address: String,
    /// Its value.
    #[schema(value_type = schema::Sat)]
    pub amount_sat: u64,
}

/// PSBTs of a settlement, for signers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettlementPsbts {
    /// Its id.
    pub settlement: SettlementId,
    /// One a form, by transaction and then feerate.
    pub psbts: Vec<PsbtView>,
}

/// One PSBT of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PsbtView {
    /// Which transaction.
    #[schema(value_type = schema::Count)]
    pub chunk: u32,
    /// Which feerate.
    #[schema(value_type = schema::Count)]
    pub form: u32,
    /// Base64 (BIP174).
    #[schema(value_type = schema::PsbtBase64)]
    pub psbt: String,
}

impl SettlementView {
    /// A page of a task's settlements, in the order they were proposed, after number `after`.
    pub fn page(task: &Task, tip: Option<&Tip>, after: Option<u32>, limit: usize) -> Page<SettlementView> {
        let after = after.and_then(|after| usize::try_from(after).ok());
        let mut left: Vec<&SettlementState> = task
            .settlements()
            .values()
            .filter(|settlement| after.is_none_or(|after| settlement.number > after))
            .collect();
        left.sort_by_key(|settlement| settlement.number);
        let views = left.into_iter().map(|s| (s.number, SettlementView::new(task, s, tip)));
        Page::cut(views, limit)
    }

    /// Of a settlement of a task.
    pub fn new(task: &Task, settlement: &SettlementState, tip: Option<&Tip>) -> SettlementView {
        let plan = &settlement.plan;
        let fates = tip.map(|tip| task.chunk_fates(settlement, tip)).unwrap_or_default();
        let confirmed = |fate: &Fate| matches!(fate, Fate::Confirmed { .. });
        let progress = if !fates.is_empty() && fates.iter().all(confirmed) {
            SettlementProgress::Confirmed
        } else if fates.contains(&Fate::Conflicted) {
            SettlementProgress::Conflicted
        } else if settlement.fully_signed() {
            SettlementProgress::Complete
        } else if settlement.signatures.is_empty() {
            SettlementProgress::Proposed
        } else {
            SettlementProgress::Signing
        };
        SettlementView {
            id: plan.id(),
            kind: plan.terms().kind(),
            feerate_sat_per_vb: plan.terms().feerate_sat_per_vb(),
            progress,
            signed_by: settlement.signatures.roles_done(),
            transactions: transactions(task, settlement, plan, &fates),
        }
    }
}

fn transactions(
    task: &Task,
    settlement: &SettlementState,
    plan: &Plan,
    fates: &[Fate],
) -> Vec<SettlementTransactionView> {
    let network = task.charter().network().bitcoin();
    let address = |script: &bitcoin::ScriptBuf| {
        Address::from_script(script, network).map_or_else(|_| script.to_hex_string(), |a| a.to_string())
    };
    (0u32..)
        .zip(plan.chunks())
        .map(|(at, chunk)| SettlementTransactionView {
            fate: usize::try_from(at).ok().and_then(|at| fates.get(at)).copied(),
            inputs: chunk
                .inputs
                .iter()
                .map(|input| SettlementInputView {
                    outpoint: input.term.outpoint,
                    pledge: input.term.slot.index,
                    amount_sat: input.term.amount.to_sat(),
                    pay_bps: input.term.pay.get(),
                })
                .collect(),
            forms: (0u32..)
                .zip(&chunk.forms)
                .map(|(form_at, form)| FormView {
                    feerate_sat_per_vb: form.feerate_sat_per_vb,
                    txid: form.txid,
                    fee_sat: form.fee.to_sat(),
                    signed_by: settlement.signatures.signed_by(at, form_at),
                    outputs: form
                        .outputs
                        .iter()
                        .zip(&form.transaction.output)
                        .map(|(kind, output)| OutputView {
                            kind: match kind {
                                OutputKind::Payee { .. } => "payee",
                                OutputKind::Return { .. } => "return",
                                OutputKind::Remainder { .. } => "remainder",
                                OutputKind::Move { .. } => "move",
                            }
                            .to_owned(),
                            what: kind.to_string(),
                            address: address(&output.script_pubkey),
                            amount_sat: output.value.to_sat(),
                        })
                        .collect(),
                })
                .collect(),
        })
        .collect()
}
