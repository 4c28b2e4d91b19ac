//! What the service tells: one struct a resource, written by the API and read back by the client. Amounts
//! are satoshis, times Unix seconds of the chain's median time past.

mod arbiter;
mod ballot;
mod page;
mod pledges;
mod projects;
mod settlements;
mod signers;
mod tasks;
mod wishes;

pub use arbiter::{ArbiterTask, ArbiterView, CaseView, OutcomeView};
pub use ballot::{ReceiptView, SubmissionView, votes};
pub use page::{DEFAULT_LIMIT, MAX_LIMIT, Page};
pub use pledges::{OutpointView, PartedView, PledgeView, payment_uri};
pub use projects::{EventPage, ProjectSummary, ProjectView, projects, repository_of, settings};
pub use settlements::{
    FormView, OutputView, PsbtView, SettlementInputView, SettlementProgress, SettlementPsbts,
    SettlementTransactionView, SettlementView,
};
pub use signers::{SignerView, WaitingView, WayView};
pub use tasks::{BadCursor, TaskQuery, TaskSort};
pub use wishes::{
    ClaimView, Heard, LeaderView, ReservationView, WishCharter, WishQuery, WishSummary, WishView,
    WithdrawnClaim, WithdrawnView, WordView,
};

use super::schema;
use crate::chain::{ChainAlarm, ServerStatus};
use crate::escrow::charter::CharterFields;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Outpoint, Totals};
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{CharterId, Role};
use crate::escrow::task::{Stage, Task, title};
use bitcoin::Amount;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The service and what it knows of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// Version of the program.
    pub version: String,
    /// Chain it works on.
    pub network: crate::escrow::network::Network,
    /// The tip all facts were read under; absent until the first contact with a server.
    #[schema(required)]
    pub tip: Option<Tip>,
    /// The connected Electrum server; absent while there is none.
    #[schema(required)]
    pub server: Option<String>,
    /// Why there is none.
    #[schema(required)]
    pub server_error: Option<String>,
    /// Every configured Electrum server as it stands.
    pub servers: Vec<ServerStatus>,
    /// What the operator should look at on the chain's side; empty when all is well.
    pub alarms: Vec<ChainAlarm>,
    /// Key that receipts are signed with: goes into charters as `receipt_key`.
    #[schema(value_type = schema::PublicKey)]
    pub receipt_key: XOnlyPublicKey,
    /// Tasks it keeps.
    #[schema(value_type = schema::Count)]
    pub tasks: usize,
    /// Mined, unspent outputs of pledges for which no refund is held.
    #[schema(value_type = schema::Count)]
    pub unsecured: usize,
    /// Of those whose T has passed: refunds not yet mined.
    #[schema(value_type = schema::Count)]
    pub refunds_due: usize,
    /// Operator's fee wallet; absent where there is none.
    #[schema(required)]
    pub fee_wallet: Option<FeeWalletView>,
    /// Set when the journal takes nothing more.
    #[schema(required)]
    pub journal_error: Option<String>,
}

/// The operator's fee wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeeWalletView {
    /// Confirmed, spendable.
    #[schema(value_type = schema::Sat)]
    pub confirmed_sat: u64,
    /// Not confirmed yet.
    #[schema(value_type = schema::Sat)]
    pub pending_sat: u64,
    /// Where to top it up.
    #[schema(value_type = schema::BitcoinAddress)]
    pub address: String,
    /// What it should hold: for the refunds of the next T at a pessimistic feerate, and never less than the
    /// operator's own limit.
    #[schema(value_type = schema::Sat)]
    pub needed_sat: u64,
    /// It holds less: top it up.
    pub low: bool,
    /// Why the program that signs for it did not sign last time; refunds go by their ladders until it does.
    #[schema(required)]
    pub signer_error: Option<String>,
}

impl FeeWalletView {
    /// Raises what it should hold to `refunds`, and says whether it holds less: with what is on its way to it, or a
    /// batch under way would look like a loss. This rule alone decides what is low.
    pub fn needing(mut self, refunds: Amount) -> FeeWalletView {
        self.needed_sat = self.needed_sat.max(refunds.to_sat());
        self.low = self.confirmed_sat.saturating_add(self.pending_sat) < self.needed_sat;
        self
    }
}

/// A task in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskSummary {
    /// Its charter.
    pub charter: CharterId,
    /// First line of its text.
    pub title: String,
    /// Where it stands.
    pub stage: Stage,
    /// What it needs.
    #[schema(value_type = schema::Sat)]
    pub target_sat: u64,
    /// Sums.
    pub totals: Totals,
    /// Whether it reached its target, now or before: what moves to another charter undoes no target that was met.
    #[serde(default)]
    #[schema(required)]
    pub target_met: bool,
    /// T.
    #[schema(value_type = schema::UnixSeconds)]
    pub refund_time: u32,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    #[schema(required, value_type = Option<schema::BitcoinAddress>)]
    pub open_address: Option<String>,
    /// Index that the next pledge must sign.
    #[schema(value_type = schema::NextIndex)]
    pub next_index: u32,
    /// Last moment anything new is started.
    #[schema(value_type = schema::UnixSeconds)]
    pub cutoff: u32,
    /// Sums.
    pub totals: Totals,
    /// Whether it reached its target, now or before: what moves to another charter undoes no target that was met.
    #[serde(default)]
    #[schema(required)]
    pub target_met: bool,
    /// Pledges in order.
    pub pledges: Vec<PledgeView>,
    /// Gifts to the open address.
    pub gifts: Vec<OutpointView>,
    /// Submissions in order.
    pub submissions: Vec<SubmissionView>,
    /// Settlements.
    pub settlements: Vec<SettlementView>,
    /// The three signers and what waits for each; empty while the chain is not known.
    #[serde(default)]
    pub signers: Vec<SignerView>,
    /// Pledges of which no single payout can pay all that their votes say.
    #[serde(default)]
    pub parted: Vec<PartedView>,
    /// The tip all this was computed under.
    #[schema(required)]
    pub tip: Option<Tip>,
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
            target_met: tip.is_some_and(|tip| task.target_met(tip)),
            refund_time: task.charter().refund_time_secs(),
        }
    }
}

impl TaskView {
    /// Of a task.
    pub fn new(task: &Task, tip: Option<&Tip>) -> TaskView {
        let standings = tip.map(|tip| task.standings(tip)).unwrap_or_default();
        let outpoint = |held: &Outpoint| OutpointView::new(task, held, standings.get(&held.outpoint), tip);
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
            target_met: tip.is_some_and(|tip| task.target_met(tip)),
            pledges: task
                .pledges()
                .values()
                .map(|pledge| PledgeView::new(task, pledge, at(pledge.index)))
                .collect(),
            gifts: at(crate::escrow::descriptor::OPEN_INDEX),
            submissions: task.submissions().iter().map(|s| SubmissionView::new(task, s, tip)).collect(),
            settlements: task.settlements().values().map(|s| SettlementView::new(task, s, tip)).collect(),
            signers: SignerView::of(task, tip),
            parted: PartedView::of(task, tip),
            tip: tip.copied(),
        }
    }
}
