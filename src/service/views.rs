//! What the service tells: one struct a resource, written by the API and read back by the client. Amounts
//! are satoshis, times Unix seconds of the chain's median time past.

use crate::chain::{ChainAlarm, ServerStatus};
use crate::escrow::ballot::{self, Tally, Verdict, Window};
use crate::escrow::charter::CharterFields;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Ended, Outpoint, Pledge, Standing, Totals, ended};
use crate::escrow::settlement::{Kind, OutputKind, Plan};
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{
    Acceptance, CharterId, Receipt, Role, Ruling, SettlementId, Signed, Submission, SubmissionId, Vote,
};
use crate::escrow::task::{Fate, SettlementState, Stage, SubmissionState, Task};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Address, OutPoint, Txid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The service and what it knows of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// Version of the program.
    pub version: String,
    /// Chain it works on.
    pub network: crate::escrow::network::Network,
    /// The tip all facts were read under; absent until the first contact with a server.
    pub tip: Option<Tip>,
    /// The connected Electrum server; absent while there is none.
    pub server: Option<String>,
    /// Why there is none.
    pub server_error: Option<String>,
    /// Every configured Electrum server as it stands.
    pub servers: Vec<ServerStatus>,
    /// What the operator should look at on the chain's side; empty when all is well.
    pub alarms: Vec<ChainAlarm>,
    /// Key that receipts are signed with: goes into charters as `receipt_key`.
    pub receipt_key: XOnlyPublicKey,
    /// Tasks it keeps.
    pub tasks: usize,
    /// Mined, unspent outputs of pledges for which no refund is held.
    pub unsecured: usize,
    /// Of those whose T has passed: refunds not yet mined.
    pub refunds_due: usize,
    /// Operator's fee wallet; absent where there is none.
    pub fee_wallet: Option<FeeWalletView>,
    /// Set when the journal takes nothing more.
    pub journal_error: Option<String>,
}

/// The operator's fee wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeWalletView {
    /// Confirmed, spendable.
    pub confirmed_sat: u64,
    /// Not confirmed yet.
    pub pending_sat: u64,
    /// Where to top it up.
    pub address: String,
}

/// A task in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSummary {
    /// Its charter.
    pub charter: CharterId,
    /// First line of its text.
    pub title: String,
    /// Where it stands.
    pub stage: Stage,
    /// What it needs.
    pub target_sat: u64,
    /// Sums.
    pub totals: Totals,
    /// T.
    pub refund_time: u32,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Id of its charter, which names the task everywhere.
    pub charter: CharterId,
    /// What is asked.
    pub text: String,
    /// The charter's fields; its canonical bytes are at `/charter`.
    pub terms: CharterFields,
    /// Where it stands.
    pub stage: Stage,
    /// Signatures over the charter id.
    pub attestations: BTreeMap<Role, StatementSignature>,
    /// The open address for gifts, once the task is open.
    pub open_address: Option<String>,
    /// Index that the next pledge must sign.
    pub next_index: u32,
    /// Last moment anything new is started.
    pub cutoff: u32,
    /// Sums.
    pub totals: Totals,
    /// Pledges in order.
    pub pledges: Vec<PledgeView>,
    /// Gifts to the open address.
    pub gifts: Vec<OutpointView>,
    /// Submissions in order.
    pub submissions: Vec<SubmissionView>,
    /// Settlements.
    pub settlements: Vec<SettlementView>,
    /// The tip all this was computed under.
    pub tip: Option<Tip>,
}

/// A pledge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PledgeView {
    /// Derivation index.
    pub index: u32,
    /// Where to pay.
    pub address: String,
    /// Descriptor with every key in place, and checksum.
    pub descriptor: String,
    /// S.
    pub sponsor_key: XOnlyPublicKey,
    /// Where refunds and returns go.
    pub refund_address: String,
    /// Signature over the pledge statement.
    pub signature: StatementSignature,
    /// What the sponsor meant to pay.
    pub promised_sat: u64,
    /// BIP321 link.
    pub uri: String,
    /// What arrived.
    pub outpoints: Vec<OutpointView>,
}

/// An arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutpointView {
    /// The output.
    pub outpoint: OutPoint,
    /// Generation of the address it pays.
    pub generation: u32,
    /// Its value.
    pub amount_sat: u64,
    /// What it counts as; absent while the chain is not known.
    #[serde(flatten)]
    pub standing: Option<Standing>,
    /// Confirmations.
    pub confirmations: u32,
    /// Whether a refund is held for it.
    pub secured: bool,
    /// Whether the refund held is a pair without ladder.
    pub pair_only: bool,
    /// What spends it.
    pub ended: Option<Ended>,
}

/// A submission with its count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionView {
    /// Its id.
    pub id: SubmissionId,
    /// As signed by the developer.
    pub submission: Signed<Submission>,
    /// When sponsors vote and the arbiter rules.
    pub window: Window,
    /// Whether voting is over.
    pub closed: bool,
    /// The count; absent while the chain is not known.
    pub tally: Option<Tally>,
    /// What may be done with each pledge's money.
    pub verdicts: BTreeMap<u32, Verdict>,
    /// Whether the money of the silent, and gifts, may be paid.
    pub silence_pays: bool,
    /// Every vote with its receipt.
    pub votes: Vec<ballot::CastVote>,
    /// The representative's word.
    pub acceptance: Option<Signed<Acceptance>>,
    /// The arbiter's word.
    pub ruling: Option<Signed<Ruling>>,
}

/// How far a settlement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementView {
    /// Its id.
    pub id: SettlementId,
    /// What for.
    #[serde(flatten)]
    pub kind: Kind,
    /// Its lowest feerate, sat/vB.
    pub feerate_sat_per_vb: u64,
    /// How far it is.
    pub progress: SettlementProgress,
    /// Who signed every form.
    pub signed_by: Vec<Role>,
    /// Its transactions.
    pub transactions: Vec<SettlementTransactionView>,
}

/// One transaction of a settlement, in its forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementTransactionView {
    /// What became of it; absent while the chain is not known.
    #[serde(flatten)]
    pub fate: Option<Fate>,
    /// What it spends.
    pub inputs: Vec<SettlementInputView>,
    /// The same at rising feerates; one of them confirms.
    pub forms: Vec<FormView>,
}

/// An input of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementInputView {
    /// What is spent.
    pub outpoint: OutPoint,
    /// Whose.
    pub pledge: u32,
    /// Its value.
    pub amount_sat: u64,
    /// Share that is paid; the rest returns.
    pub pay_bps: u16,
}

/// A settlement's transaction at one feerate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormView {
    /// Least feerate.
    pub feerate_sat_per_vb: u64,
    /// Its txid.
    pub txid: Txid,
    /// Its fee.
    pub fee_sat: u64,
    /// Who signed it.
    pub signed_by: Vec<Role>,
    /// Its outputs.
    pub outputs: Vec<OutputView>,
}

/// An output of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputView {
    /// `payee`, `return` or `remainder`.
    pub kind: String,
    /// What it is, in words.
    pub what: String,
    /// Where it goes.
    pub address: String,
    /// Its value.
    pub amount_sat: u64,
}

/// PSBTs of a settlement, for signers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementPsbts {
    /// Its id.
    pub settlement: SettlementId,
    /// One a form, by transaction and then feerate.
    pub psbts: Vec<PsbtView>,
}

/// One PSBT of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PsbtView {
    /// Which transaction.
    pub chunk: u32,
    /// Which feerate.
    pub form: u32,
    /// Base64 (BIP174).
    pub psbt: String,
}

/// Answer to a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptView {
    /// The vote as kept.
    pub vote: Signed<Vote>,
    /// The service's receipt: keep it, it proves an omission.
    pub receipt: Signed<Receipt>,
}

/// What the sponsor's wallet is given (BIP321): address in lower case, amount in BTC.
pub fn payment_uri(address: &Address, amount: bitcoin::Amount) -> String {
    let mut uri = bitcoin_uri::Uri::new(address.clone());
    uri.amount = Some(amount);
    uri.to_string()
}

impl TaskSummary {
    /// Of a task.
    pub fn new(task: &Task, tip: Option<&Tip>) -> TaskSummary {
        TaskSummary {
            charter: task.id(),
            title: title(task.text()),
            stage: task.stage(tip),
            target_sat: task.charter().fields().target_sat,
            totals: tip.map(|tip| task.totals(tip)).unwrap_or_default(),
            refund_time: task.charter().refund_time_secs(),
        }
    }
}

/// First line of a task's text, at most 120 characters.
pub fn title(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().chars().take(120).collect()
}

impl TaskView {
    /// Of a task.
    pub fn new(task: &Task, tip: Option<&Tip>) -> TaskView {
        let standings = tip.map(|tip| task.standings(tip)).unwrap_or_default();
        let outpoint = |held: &Outpoint| OutpointView::new(held, standings.get(&held.outpoint), tip);
        let at = |index: u32| {
            task.outpoints().values().filter(|held| held.slot.index == index).map(outpoint).collect()
        };
        TaskView {
            charter: task.id(),
            text: task.text().to_owned(),
            terms: task.charter().fields().clone(),
            stage: task.stage(tip),
            attestations: task.attestations().clone(),
            open_address: task.opened().then(|| task.open_output().address.to_string()),
            next_index: task.next_index(),
            cutoff: task.charter().cutoff_secs(),
            totals: tip.map(|tip| task.totals(tip)).unwrap_or_default(),
            pledges: task
                .pledges()
                .values()
                .map(|pledge| PledgeView::new(pledge, at(pledge.index)))
                .collect(),
            gifts: at(crate::escrow::descriptor::OPEN_INDEX),
            submissions: task.submissions().iter().map(|s| SubmissionView::new(task, s, tip)).collect(),
            settlements: task.settlements().values().map(|s| SettlementView::new(task, s, tip)).collect(),
            tip: tip.copied(),
        }
    }
}

impl PledgeView {
    fn new(pledge: &Pledge, outpoints: Vec<OutpointView>) -> PledgeView {
        PledgeView {
            index: pledge.index,
            address: pledge.output.address.to_string(),
            descriptor: pledge.output.descriptor(),
            sponsor_key: pledge.sponsor_key,
            refund_address: pledge.refund_address.to_string(),
            signature: pledge.signature,
            promised_sat: pledge.promised.to_sat(),
            uri: payment_uri(&pledge.output.address, pledge.promised),
            outpoints,
        }
    }

    /// Of pledge `index` of a task.
    pub fn of(task: &Task, index: u32, tip: Option<&Tip>) -> Option<PledgeView> {
        let standings = tip.map(|tip| task.standings(tip)).unwrap_or_default();
        let outpoints = task
            .outpoints()
            .values()
            .filter(|held| held.slot.index == index)
            .map(|held| OutpointView::new(held, standings.get(&held.outpoint), tip))
            .collect();
        Some(PledgeView::new(task.pledges().get(&index)?, outpoints))
    }
}

impl OutpointView {
    fn new(held: &Outpoint, standing: Option<&Standing>, tip: Option<&Tip>) -> OutpointView {
        OutpointView {
            outpoint: held.outpoint,
            generation: held.slot.generation,
            amount_sat: held.amount.to_sat(),
            standing: standing.copied(),
            confirmations: held.confirmation.zip(tip).map_or(0, |(at, tip)| at.depth(tip)),
            secured: held.secured(),
            pair_only: held.refund.as_ref().is_some_and(crate::escrow::refund::RefundBundle::pair_only),
            ended: held.spend.zip(tip).map(|(spend, tip)| ended(&spend, tip)),
        }
    }
}

impl SubmissionView {
    /// Of a submission of a task.
    pub fn new(task: &Task, submission: &SubmissionState, tip: Option<&Tip>) -> SubmissionView {
        let window = task.window(submission);
        let tally = tip.map(|tip| task.tally(submission, tip));
        let counted = tally.as_ref().zip(tip).map(|(tally, tip)| {
            let words = task.words(submission, tip);
            (task.verdicts(submission, tip), ballot::silence_pays(task.charter(), tally, &words))
        });
        let (verdicts, silence_pays) = counted.unwrap_or_default();
        SubmissionView {
            id: submission.id,
            submission: submission.signed.clone(),
            window,
            closed: tip.is_some_and(|tip| window.closed(tip.mtp_secs)),
            tally,
            verdicts,
            silence_pays,
            votes: submission.votes.clone(),
            acceptance: submission.acceptance.clone(),
            ruling: submission.ruling.clone(),
        }
    }
}

impl SettlementView {
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
