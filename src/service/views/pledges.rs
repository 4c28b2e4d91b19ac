//! What the service tells of a pledge: where to pay, what arrived.

use super::Page;
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Destination, Ended, LateMove, Outpoint, Pledge, Standing};
use crate::escrow::signature::StatementSignature;
use crate::escrow::task::{Parted, Task};
use crate::service::schema;
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Address, OutPoint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A pledge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PledgeView {
    /// Derivation index.
    #[schema(value_type = schema::PledgeIndex)]
    pub index: u32,
    /// Where to pay.
    #[schema(value_type = schema::BitcoinAddress)]
    pub address: String,
    /// Descriptor with every key in place, and checksum.
    #[schema(value_type = schema::Descriptor)]
    pub descriptor: String,
    /// S.
    #[schema(value_type = schema::PublicKey)]
    pub sponsor_key: XOnlyPublicKey,
    /// Where refunds and returns go.
    #[schema(value_type = schema::BitcoinAddress)]
    pub refund_address: String,
    /// Signature over the pledge statement.
    pub signature: StatementSignature,
    /// What the sponsor meant to pay.
    #[schema(value_type = schema::Sat)]
    pub promised_sat: u64,
    /// BIP321 link.
    #[schema(value_type = schema::PaymentUri)]
    pub uri: String,
    /// What arrived.
    pub outpoints: Vec<OutpointView>,
    /// Addresses of generations 1, 2 and so on that settlements were proposed to leave money at; left out without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::BitcoinAddress>, required = false)]
    pub later_addresses: Vec<String>,
}

/// Money of which several milestones are to be paid to different people: one transaction pays one list of payees, so each
/// but the last needs a settlement of its own before the last payout, which returns the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartedView {
    /// The pledge.
    #[schema(value_type = schema::PledgeIndex)]
    pub pledge: u32,
    /// The output.
    #[schema(value_type = schema::Outpoint)]
    pub outpoint: OutPoint,
    /// The milestones, from 0.
    pub milestones: Vec<u32>,
}

impl PartedView {
    /// All of a task; none while the chain is not known, and none when nothing can be done about it any more.
    pub fn of(task: &Task, tip: Option<&Tip>) -> Vec<PartedView> {
        let parted = tip.map(|tip| task.parted(tip)).unwrap_or_default();
        let view = |Parted { pledge, outpoint, milestones }| PartedView { pledge, outpoint, milestones };
        parted.into_iter().map(view).collect()
    }
}

/// An arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutpointView {
    /// The output.
    #[schema(value_type = schema::Outpoint)]
    pub outpoint: OutPoint,
    /// Generation of the address it pays.
    #[schema(value_type = schema::Generation)]
    pub generation: u32,
    /// Milestones whose shares it still holds, from 0; none for gifts, and for what no settlement left at a later generation.
    pub uncovered: Vec<u32>,
    /// Its value.
    #[schema(value_type = schema::Sat)]
    pub amount_sat: u64,
    /// What it counts as; absent while the chain is not known.
    #[serde(flatten)]
    #[schema(value_type = schema::StandingIfKnown)]
    pub standing: Option<Standing>,
    /// Confirmations.
    #[schema(value_type = schema::Confirmations)]
    pub confirmations: u32,
    /// Whether a refund is held for it.
    pub secured: bool,
    /// Whether the refund held is a pair without ladder.
    pub pair_only: bool,
    /// What spends it.
    #[schema(required)]
    pub ended: Option<Ended>,
    /// Where it went, or is on its way to, if that is a pledge of the same sponsor under another charter; left out otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub moved: Option<Destination>,
    /// Where it goes from T on in place of the refund, as its sponsor signed, if that charter takes pledges then; left out
    /// where nothing was signed, and once something spends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub late_move: Option<Destination>,
}

/// What the sponsor's wallet is given (BIP321): address in lower case, amount in BTC.
pub fn payment_uri(address: &Address, amount: bitcoin::Amount) -> String {
    let mut uri = bitcoin_uri::Uri::new(address.clone());
    uri.amount = Some(amount);
    uri.to_string()
}

impl PledgeView {
    pub(super) fn new(task: &Task, pledge: &Pledge, outpoints: Vec<OutpointView>) -> PledgeView {
        let later = task.later_outputs_of(pledge.index).map(|output| output.address.to_string());
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
            later_addresses: later.collect(),
        }
    }

    /// A page of a task's pledges, by index, from the one after `after` on.
    pub fn page(task: &Task, tip: Option<&Tip>, after: Option<u32>, limit: usize) -> Page<PledgeView> {
        let standings = tip.map(|tip| task.standings(tip)).unwrap_or_default();
        let mut arrived: BTreeMap<u32, Vec<OutpointView>> = BTreeMap::new();
        for held in task.outpoints().values() {
            let view = OutpointView::new(task, held, standings.get(&held.outpoint), tip);
            arrived.entry(held.slot.index).or_default().push(view);
        }
        let pledges = task.pledges().range(after.map_or(0, |after| after.saturating_add(1))..);
        let view = |(index, pledge): (&u32, &Pledge)| {
            (*index, PledgeView::new(task, pledge, arrived.remove(index).unwrap_or_default()))
        };
        Page::cut(pledges.map(view), limit)
    }

    /// Of pledge `index` of a task.
    pub fn of(task: &Task, index: u32, tip: Option<&Tip>) -> Option<PledgeView> {
        let standings = tip.map(|tip| task.standings(tip)).unwrap_or_default();
        let outpoints = task
            .outpoints()
            .values()
            .filter(|held| held.slot.index == index)
            .map(|held| OutpointView::new(task, held, standings.get(&held.outpoint), tip))
            .collect();
        Some(PledgeView::new(task, task.pledges().get(&index)?, outpoints))
    }
}

impl OutpointView {
    pub(crate) fn new(
        task: &Task,
        held: &Outpoint,
        standing: Option<&Standing>,
        tip: Option<&Tip>,
    ) -> OutpointView {
        OutpointView {
            outpoint: held.outpoint,
            generation: held.slot.generation,
            uncovered: if held.slot.index == OPEN_INDEX { Vec::new() } else { task.uncovered(held) },
            amount_sat: held.amount.to_sat(),
            standing: standing.copied(),
            confirmations: held.confirmation.zip(tip).map_or(0, |(at, tip)| at.depth(tip)),
            secured: held.secured(),
            pair_only: held.refund.as_ref().is_some_and(crate::escrow::refund::RefundBundle::pair_only),
            ended: tip.and_then(|tip| task.ended(held, tip)),
            moved: task.destination(held),
            late_move: held.late_move.as_ref().filter(|_| held.spend.is_none()).map(LateMove::destination),
        }
    }
}
