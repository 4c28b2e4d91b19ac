//! One pledge and its outpoints: what was issued, what arrived, and what each arrival counts as.
//!
//! Nothing here is decided once and kept: whether an outpoint is credited, surplus or below the
//! minimum follows from the chain's facts under the present tip, so that a reorg needs no special path.

use super::charter::Charter;
use super::descriptor::{EscrowOutput, OPEN_INDEX, Slot};
use super::facts::{Confirmation, Spend, SpendPath, Tip};
use super::refund::{Ladder, RefundBundle, RefundSignatures, RefundTarget};
use super::signature::StatementSignature;
use super::statement::{CharterId, Move, Signed};
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
    /// What its sponsor wants sent from T on in place of the refund.
    pub late_move: Option<LateMove>,
}

/// What a sponsor signed to have sent from T on in place of the refund: to a pledge of theirs under another charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateMove {
    consent: Signed<Move>,
    ladder: Option<Ladder>,
    rungs: BTreeSet<Txid>,
}

impl LateMove {
    /// Of a consent and the ladder to its address. Txids do not depend on signatures, so a proof document, which has
    /// no ladders, tells the same of what the chain has.
    pub(super) fn new(consent: Signed<Move>, to: &RefundTarget, ladder: Option<Ladder>) -> LateMove {
        let rungs = to.ladder().into_iter().map(|(_, rung)| rung.compute_txid()).collect();
        LateMove { consent, ladder, rungs }
    }

    /// The sponsor's word.
    pub fn consent(&self) -> &Signed<Move> {
        &self.consent
    }

    /// What is sent; `None` where only the consent is known.
    pub fn ladder(&self) -> Option<&Ladder> {
        self.ladder.as_ref()
    }

    /// The pledge it goes to.
    pub fn destination(&self) -> Destination {
        Destination::of(&self.consent.statement)
    }

    /// Whether a transaction is one of its rungs.
    pub fn sends(&self, txid: &Txid) -> bool {
        self.rungs.contains(txid)
    }
}

/// The pledge under another charter that an outpoint went to, as its sponsor signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// That charter.
    pub to_charter: CharterId,
    /// Index of the pledge there.
    pub to_index: u32,
}

impl Destination {
    /// The one that a sponsor's consent names.
    pub fn of(consent: &Move) -> Destination {
        Destination { to_charter: consent.to_charter, to_index: consent.to_index }
    }
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
    /// It lies at a pledge of its sponsor under another charter: two of three signed that it moves, or after T the
    /// sponsor alone.
    Moved,
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

/// How `spend` ends an outpoint, under `tip`; `moved` says that it takes it to another charter.
pub(super) fn ended(spend: &Spend, moved: bool, tip: &Tip) -> Ended {
    let how = match spend.path {
        _ if moved => Ending::Moved,
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
    /// Credited and gifts, spent or not, but for what moved to another charter: what the task raised.
    #[serde(with = "bitcoin::amount::serde::as_sat", rename = "raised_sat")]
    pub raised: Amount,
    /// Spent by settlements, or moved to another charter by the sponsor alone; mined.
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
        let needed = needs(charter, held);
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

/// Sums over all outpoints of a task. `remainders` are what settlements left in escrow, `moved` what mined transactions
/// took to another charter.
pub fn totals(
    outpoints: &BTreeMap<OutPoint, Outpoint>,
    standings: &BTreeMap<OutPoint, Standing>,
    remainders: &BTreeMap<OutPoint, OutPoint>,
    moved: &BTreeSet<OutPoint>,
) -> Totals {
    let mut totals = Totals::default();
    // What settlements left in escrow was spent, and is there: it did not leave.
    let mut stayed = Amount::ZERO;
    // What moved on is raised where it moved to. What was beyond the cap was never raised here.
    let mut gone = Amount::ZERO;
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
            let moved = moved.contains(outpoint);
            if path == SpendPath::Refund && !moved {
                add(&mut totals.refunded, amount);
            } else {
                add(&mut totals.settled, amount);
            }
            if moved && *standing == Standing::Credited {
                add(&mut gone, amount);
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
    totals.raised = totals.raised.checked_sub(gone).unwrap_or(Amount::ZERO);
    totals
}

/// The most that was raised at any time, under every tip from the first block on: what the target is judged by. What
/// moves to another charter leaves what is raised now, and undoes no target that was met; nor does money that goes
/// around come to more than there was at once.
pub fn most_raised(
    charter: &Charter,
    outpoints: &BTreeMap<OutPoint, Outpoint>,
    standings: &BTreeMap<OutPoint, Standing>,
    remainders: &BTreeMap<OutPoint, OutPoint>,
    moved: &BTreeSet<OutPoint>,
) -> Amount {
    // What comes and what goes with each block, by height.
    let mut blocks: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for (outpoint, held) in outpoints {
        let Some(standing @ (Standing::Credited | Standing::Gift)) = standings.get(outpoint) else {
            continue;
        };
        let Some(at) = held.confirmation else { continue };
        let amount = held.amount.to_sat();
        let counts_from = at.height.saturating_add(needs(charter, held).saturating_sub(1));
        if !remainders.contains_key(outpoint) {
            let (comes, _) = blocks.entry(counts_from).or_default();
            *comes = comes.saturating_add(amount);
        }
        let spent = held.spend.and_then(|spend| spend.confirmation);
        if let Some(spent) = spent.filter(|_| *standing == Standing::Credited && moved.contains(outpoint)) {
            let (_, goes) = blocks.entry(spent.height.max(counts_from)).or_default();
            *goes = goes.saturating_add(amount);
        }
    }
    let mut there = 0u64;
    let mut most = 0u64;
    for (comes, goes) in blocks.into_values() {
        there = there.saturating_add(comes).saturating_sub(goes);
        most = most.max(there);
    }
    Amount::from_sat(most)
}

/// Confirmations that an outpoint needs until it counts.
pub fn needs(charter: &Charter, held: &Outpoint) -> u32 {
    if held.coinbase { COINBASE_MATURITY } else { charter.fields().depth }
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
