//! One pledge and its outpoints: what was issued, what arrived, and what each arrival counts as.
//!
//! Nothing here is decided once and kept: whether an outpoint is credited, surplus or below the
//! minimum follows from the chain's facts under the present tip, so that a reorg needs no special path.

use super::charter::Charter;
use super::descriptor::{EscrowOutput, OPEN_INDEX, Slot};
use super::facts::{Confirmation, Spend, SpendPath, Tip};
use super::refund::{RefundBundle, RefundSignatures};
use super::signature::StatementSignature;
use super::statement::CharterId;
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{Address, Amount, OutPoint, Txid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A coinbase output can be spent when it has a hundred confirmations.
pub const COINBASE_MATURITY: u32 = 100;
/// How long an address that was issued and not paid keeps its part of the cap, by median time past.
pub const RESERVATION_SECS: u32 = 30 * 60;

/// A pledge as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pledge {
    /// Derivation index, from 1.
    pub index: u32,
    /// S.
    pub sponsor_key: XOnlyPublicKey,
    /// Where refunds and returns go; never changes.
    pub refund_address: Address,
    /// The sponsor's signature over the pledge statement.
    pub signature: StatementSignature,
    /// What the sponsor meant to pay.
    pub promised: Amount,
    /// Median time past when it was issued.
    pub at_mtp_secs: u32,
    /// Its output.
    pub output: EscrowOutput,
}

impl Pledge {
    /// Whether what was promised is held back under the cap while nothing has paid the address.
    pub fn reserves(&self, tip: &Tip) -> bool {
        tip.mtp_secs < self.at_mtp_secs.saturating_add(RESERVATION_SECS)
    }
}

/// An output that pays an address of ours, as long as anybody may ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outpoint {
    /// The output.
    pub outpoint: OutPoint,
    /// The address it pays.
    pub slot: Slot,
    /// Its value.
    pub amount: Amount,
    /// From a coinbase.
    pub coinbase: bool,
    /// Whether chain or mempool have it now. One that vanished is kept: a reorg may bring it back, and
    /// its refund with it.
    pub present: bool,
    /// Where it is mined.
    pub confirmation: Option<Confirmation>,
    /// What spends it.
    pub spend: Option<Spend>,
    /// The refund signed in advance, checked on arrival.
    pub refund: Option<RefundBundle>,
    /// What its sponsor wants sent from T on in place of the refund: a ladder that pays a pledge of theirs under another
    /// charter.
    pub late_move: Option<(CharterId, RefundBundle)>,
}

impl Outpoint {
    /// Whether a refund is held for exactly this output.
    pub fn secured(&self) -> bool {
        self.refund.is_some()
    }

    /// The refund's signatures, for those who ask.
    pub fn refund_signatures(&self) -> Option<&RefundSignatures> {
        self.refund.as_ref().map(RefundBundle::signatures)
    }

    /// Present, mined, and not spent by anything in chain or mempool.
    pub fn unspent(&self) -> bool {
        self.present && self.spend.is_none()
    }
}

/// What an arrival counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// Not on the chain nor in the mempool any more.
    Vanished,
    /// In the mempool: shown, never counted.
    Seen,
    /// Mined, not deep enough yet.
    Confirming {
        /// Confirmations it has.
        depth: u32,
        /// Confirmations it needs.
        of: u32,
    },
    /// Counts.
    Credited,
    /// At the open address: counts to the target, not to votes.
    Gift,
    /// Below the minimum pledge: no vote; goes back.
    BelowMinimum,
    /// Beyond the cap, late, or after the end: no vote; goes back.
    Surplus {
        /// Why.
        reason: Surplus,
    },
}

/// Why an arrival is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surplus {
    /// Mined after funding close.
    Late,
    /// Does not fit under the cap any more.
    OverCap,
    /// The address had been paid out already.
    AlreadySettled,
    /// At an address for remainders, but not what a settlement left there.
    NotARemainder,
}

/// How an outpoint ended, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Two of three signed a settlement.
    Settled,
    /// Its sponsor's refund.
    Refunded,
}

/// An ending with its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which way.
    pub how: Ending,
    /// The spending transaction.
    pub txid: Txid,
    /// Confirmations; 0 in the mempool.
    pub depth: u32,
}

/// How `spend` ends an outpoint, under `tip`.
pub fn ended(spend: &Spend, tip: &Tip) -> Ended {
    let how = match spend.path {
        SpendPath::Refund => Ending::Refunded,
        SpendPath::Key | SpendPath::Cooperative | SpendPath::Unknown => Ending::Settled,
    };
    Ended { how, txid: spend.txid, depth: spend.confirmation.map_or(0, |at| at.depth(tip)) }
}

/// Sums over outpoints, by what they count as. `credited + awaiting_depth + surplus + below_minimum +
/// gifts` is what lies confirmed and unspent at issued addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// In the mempool only.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "seen_sat")]
    pub seen: Amount,
    /// Mined, not deep enough.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "awaiting_depth_sat")]
    pub awaiting_depth: Amount,
    /// Credited and unspent.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "credited_sat")]
    pub credited: Amount,
    /// Gifts, unspent.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "gifts_sat")]
    pub gifts: Amount,
    /// Surplus, unspent.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "surplus_sat")]
    pub surplus: Amount,
    /// Below the minimum, unspent.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "below_minimum_sat")]
    pub below_minimum: Amount,
    /// Credited and gifts, spent or not: what the task raised.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "raised_sat")]
    pub raised: Amount,
    /// Spent by settlements, mined.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "settled_sat")]
    pub settled: Amount,
    /// Taken back by refunds, mined.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "refunded_sat")]
    pub refunded: Amount,
    /// Of the unspent and mined: those whose refund is held.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "secured_sat")]
    pub secured: Amount,
}

/// Where every outpoint stands under `tip`. Mined outpoints fill the cap in the order of height,
/// position in the block and output number; each is credited whole or not at all. `remainders` are what
/// settlements left in escrow, each with the payment it comes from: that holds its place under the cap for
/// them, and they count as it does.
pub fn standings(
    charter: &Charter,
    tip: &Tip,
    outpoints: &BTreeMap<OutPoint, Outpoint>,
    remainders: &BTreeMap<OutPoint, OutPoint>,
) -> BTreeMap<OutPoint, Standing> {
    let mut standings = BTreeMap::new();
    let mut mined: Vec<(&Outpoint, Confirmation)> = Vec::new();
    for (outpoint, held) in outpoints {
        match held.confirmation {
            _ if !held.present => {
                standings.insert(*outpoint, Standing::Vanished);
            }
            Some(at) => mined.push((held, at)),
            None => {
                standings.insert(*outpoint, Standing::Seen);
            }
        }
    }
    mined.sort_by_key(|(held, at)| (at.height, at.position, held.outpoint.vout));
    let settled = first_settled_heights(charter, outpoints);
    let mut filled = Amount::ZERO;
    let mut roots: BTreeMap<OutPoint, Standing> = BTreeMap::new();
    for (held, at) in mined {
        let needed = if held.coinbase { COINBASE_MATURITY } else { charter.fields().depth };
        let depth = at.depth(tip);
        let already = settled.get(&held.slot.index).is_some_and(|height| at.height > *height);
        let counted = if held.slot.index == OPEN_INDEX {
            Standing::Gift
        } else if let Some(root) = remainders.get(&held.outpoint) {
            // On one chain it is mined after what it comes from. One that is not there says nothing against it.
            roots.get(root).copied().unwrap_or(Standing::Credited)
        } else if held.slot.generation > 0 {
            Standing::Surplus { reason: Surplus::NotARemainder }
        } else if held.amount < charter.minimum_pledge() {
            Standing::BelowMinimum
        } else if already {
            Standing::Surplus { reason: Surplus::AlreadySettled }
        } else if charter.fields().funding_closed(at.mtp_secs) {
            Standing::Surplus { reason: Surplus::Late }
        } else if filled + held.amount > charter.cap() {
            Standing::Surplus { reason: Surplus::OverCap }
        } else {
            // It holds its place in the cap from its first confirmation on, so that depth reached in
            // another order changes nothing.
            filled += held.amount;
            Standing::Credited
        };
        if held.slot.generation == 0 {
            roots.insert(held.outpoint, counted);
        }
        let standing = if depth < needed { Standing::Confirming { depth, of: needed } } else { counted };
        standings.insert(held.outpoint, standing);
    }
    standings
}

/// Per pledge, the height at which one of its outpoints was first settled on the chain. What is too
/// little to count does not end a pledge when it goes back: anybody can send it.
fn first_settled_heights(charter: &Charter, outpoints: &BTreeMap<OutPoint, Outpoint>) -> BTreeMap<u32, u32> {
    let mut heights = BTreeMap::new();
    let counts = |held: &&Outpoint| held.slot.generation == 0 && held.amount >= charter.minimum_pledge();
    for held in outpoints.values().filter(counts) {
        if let Some(Spend { confirmation: Some(at), .. }) = held.spend {
            heights
                .entry(held.slot.index)
                .and_modify(|height: &mut u32| *height = at.height.min(*height))
                .or_insert(at.height);
        }
    }
    heights
}

/// Enough made-up mempool transactions would overflow a sum; the largest number says as much.
fn add(sum: &mut Amount, amount: Amount) {
    *sum = sum.checked_add(amount).unwrap_or(Amount::MAX);
}

/// Sums over all outpoints of a task.
pub fn totals(
    outpoints: &BTreeMap<OutPoint, Outpoint>,
    standings: &BTreeMap<OutPoint, Standing>,
    remainders: &BTreeMap<OutPoint, OutPoint>,
) -> Totals {
    let mut totals = Totals::default();
    // What settlements left in escrow was spent, and is there: it did not leave.
    let mut stayed = Amount::ZERO;
    for (outpoint, held) in outpoints {
        let Some(standing) = standings.get(outpoint) else { continue };
        let amount = held.amount;
        let remainder = remainders.contains_key(outpoint);
        if remainder && held.confirmation.is_some() {
            add(&mut stayed, amount);
        }
        if matches!(standing, Standing::Credited | Standing::Gift) && !remainder {
            add(&mut totals.raised, amount);
        }
        // A spend that is not mined has not moved anything yet.
        if let Some(Spend { confirmation: Some(_), path, .. }) = held.spend {
            if path == SpendPath::Refund {
                add(&mut totals.refunded, amount);
            } else {
                add(&mut totals.settled, amount);
            }
            continue;
        }
        let sum = match standing {
            Standing::Vanished => continue,
            Standing::Seen => {
                add(&mut totals.seen, amount);
                continue;
            }
            Standing::Confirming { .. } => &mut totals.awaiting_depth,
            Standing::Credited => &mut totals.credited,
            Standing::Gift => &mut totals.gifts,
            Standing::BelowMinimum => &mut totals.below_minimum,
            Standing::Surplus { .. } => &mut totals.surplus,
        };
        add(sum, amount);
        if held.secured() {
            add(&mut totals.secured, amount);
        }
    }
    totals.settled = totals.settled.checked_sub(stayed).unwrap_or(Amount::ZERO);
    totals
}

/// What is taken of the cap when an address is asked for: what is credited, awaiting depth or seen, and
/// what was promised for addresses of the last half hour that nothing has paid yet.
pub fn reserved(
    pledges: &BTreeMap<u32, Pledge>,
    outpoints: &BTreeMap<OutPoint, Outpoint>,
    standings: &BTreeMap<OutPoint, Standing>,
    tip: &Tip,
) -> Amount {
    let mut paid = BTreeSet::new();
    let mut sum = Amount::ZERO;
    for (outpoint, held) in outpoints {
        // What stays in escrow held its place when it was pledged.
        if held.slot.index == OPEN_INDEX || held.slot.generation > 0 {
            continue;
        }
        match standings.get(outpoint) {
            Some(Standing::Credited | Standing::Confirming { .. } | Standing::Seen) => {
                add(&mut sum, held.amount)
            }
            Some(Standing::Vanished) | None => continue,
            Some(Standing::Gift | Standing::BelowMinimum | Standing::Surplus { .. }) => {}
        }
        paid.insert(held.slot.index);
    }
    let waiting =
        pledges.values().filter(|pledge| pledge.reserves(tip)).filter(|pledge| !paid.contains(&pledge.index));
    waiting.for_each(|pledge| add(&mut sum, pledge.promised));
    sum
}

#[cfg(test)]
mod tests;
