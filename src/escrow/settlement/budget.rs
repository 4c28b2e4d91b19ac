//! What each outpoint bears of the fee, what it pays and what returns; which outpoints are worth moving;
//! and how many transactions they need.
//!
//! Whole satoshis throughout: every share of the fee is rounded up, so that no form falls below its
//! feerate, and what rounding leaves of the payees' pool goes to the first of them.

use super::super::charter::{Bps, Charter, Share};
use super::super::descriptor::Slot;
use super::super::fee;
use super::plan::InputShare;
use super::{FORM_FACTORS, Kind, TermInput};
use bitcoin::{Amount, FeeRate, OutPoint, Weight};
use serde::Serialize;
use std::collections::BTreeMap;

/// Three leaf inputs' fees: what an outpoint must hold at least to be moved.
const WORTH: u64 = 3;
/// A milestone's share must pay ten times the fee of the transaction that splits it off.
const WORTH_SPLITTING: u64 = 10;

/// What the rules of the budget depend on beside the inputs.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    /// Highest feerate of the charter, sat/vB.
    pub cap: u64,
    /// Who is paid.
    pub payees: &'a [Share],
    pub kind: Kind,
}

/// Why an outpoint is not part of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum StaysOut {
    /// Worth less than three times its own input's fee.
    #[error("it holds less than {needs_sat} sat, three times the fee of spending it")]
    Small {
        /// What it would need, in satoshis.
        needs_sat: u64,
    },
    /// The fee of the highest form eats it.
    #[error("its part of the fee at {feerate_sat_per_vb} sat/vB is {fee_sat} sat, which leaves nothing")]
    Eaten {
        /// The form's feerate.
        feerate_sat_per_vb: u64,
        /// Its part of that form's fee, in satoshis.
        fee_sat: u64,
    },
    /// What would return is dust.
    #[error("at {feerate_sat_per_vb} sat/vB only {returned_sat} sat would return, which nodes do not relay")]
    ReturnDust {
        /// The form's feerate.
        feerate_sat_per_vb: u64,
        /// What would return, in satoshis.
        returned_sat: u64,
    },
    /// Everything that would be paid, together, is dust.
    #[error(
        "at {feerate_sat_per_vb} sat/vB all payees together would get {pool_sat} sat, which nodes do not relay"
    )]
    PoolDust {
        /// The form's feerate.
        feerate_sat_per_vb: u64,
        /// What all would get, in satoshis.
        pool_sat: u64,
    },
    /// A milestone's share of it is not worth a transaction of its own.
    #[error(
        "at {feerate_sat_per_vb} sat/vB its share would pay {paid_sat} sat, under ten times its transaction's fee of {fee_sat} sat"
    )]
    ShareSmall {
        /// The lowest form's feerate.
        feerate_sat_per_vb: u64,
        /// What its share would pay, in satoshis.
        paid_sat: u64,
        /// Its transaction's fee, in satoshis.
        fee_sat: u64,
    },
    /// It would return, and there is no address for that.
    #[error("it would return, and there is no address for that")]
    NoReturnAddress,
    /// The lowest form is above the charter's cap already.
    #[error("the feerate is above the charter's cap")]
    FeerateAboveCap,
}

/// What can move and what cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worthwhile {
    /// Together they make a plan.
    pub joins: Vec<TermInput>,
    /// They stay where they are, each with its reason.
    pub stays_out: Vec<(TermInput, StaysOut)>,
}

/// Parts `inputs` into those that can move at `feerate_sat_per_vb` and those not worth it. What an
/// outpoint bears of the shared fee depends on who else joins, so this asks again until none falls out.
pub fn worthwhile(
    charter: &Charter,
    payees: &[Share],
    kind: Kind,
    feerate_sat_per_vb: u64,
    mut inputs: Vec<TermInput>,
) -> Worthwhile {
    let ground = Ground { cap: charter.fields().feerate_cap_sat_per_vb, payees, kind };
    inputs.sort_by_key(|input| input.outpoint);
    inputs.dedup_by_key(|input| input.outpoint);
    let mut stays_out = Vec::new();
    // Each round removes at least one, so this ends.
    while let Err(out) = divide(ground, feerate_sat_per_vb, &inputs) {
        // Of several reasons the first, as in the error of a plan: that of the lowest form.
        let out: BTreeMap<OutPoint, StaysOut> = out.into_iter().rev().collect();
        let (leaving, joining) =
            inputs.into_iter().partition::<Vec<_>, _>(|input| out.contains_key(&input.outpoint));
        inputs = joining;
        stays_out.extend(leaving.into_iter().map(|input| {
            let reason = out[&input.outpoint];
            (input, reason)
        }));
    }
    Worthwhile { joins: inputs, stays_out }
}

/// A chunk's inputs and what becomes of them in each form.
pub(super) struct Part<'a> {
    pub inputs: &'a [TermInput],
    pub splits: Vec<Split>,
}

/// What becomes of a chunk's money in one form.
pub(super) struct Split {
    pub feerate_sat_per_vb: u64,
    /// By input.
    pub shares: Vec<InputShare>,
    /// By the charter's shares; zero makes no output.
    pub payees: Vec<Amount>,
}

/// Outpoints that cannot be part of it, each with its reason; never empty.
type Out = Vec<(OutPoint, StaysOut)>;

/// Chunks and splits for `inputs` (sorted by outpoint), or the outpoints that spoil them.
pub(super) fn divide<'a>(
    ground: Ground<'_>,
    feerate_sat_per_vb: u64,
    inputs: &'a [TermInput],
) -> Result<Vec<Part<'a>>, Out> {
    let cap = ground.cap;
    let rates: Vec<u64> = FORM_FACTORS
        .iter()
        .filter_map(|factor| feerate_sat_per_vb.checked_mul(*factor))
        .filter(|rate| (1..=cap).contains(rate))
        .collect();
    let Some(lowest) = rates.first() else {
        return if inputs.is_empty() {
            Ok(Vec::new())
        } else {
            Err(inputs.iter().map(|input| (input.outpoint, StaysOut::FeerateAboveCap)).collect())
        };
    };
    let small: Out = inputs.iter().filter_map(|input| too_small(*lowest, input)).collect();
    if !small.is_empty() {
        return Err(small);
    }
    let mut out = Out::new();
    let mut parts = Vec::new();
    for inputs in chunks(ground, inputs) {
        let mut splits = Vec::new();
        for rate in &rates {
            match split(ground, *rate, inputs) {
                Ok(split) => splits.push(split),
                Err(these) => out.extend(these),
            }
        }
        out.extend(splits.first().and_then(|lowest| share_small(ground, inputs, lowest)));
        parts.push(Part { inputs, splits });
    }
    if out.is_empty() { Ok(parts) } else { Err(out) }
}

/// Weight of spending an outpoint by the cooperative leaf.
pub(super) fn input_weight(input: &TermInput) -> Weight {
    if input.slot == Slot::OPEN { fee::OPEN_INPUT } else { fee::COOPERATIVE_INPUT }
}

/// Weight of the output that takes what is not paid.
fn return_weight(kind: Kind, input: &TermInput) -> Weight {
    match &input.return_address {
        _ if kind.leaves_remainder() => fee::REMAINDER_OUTPUT,
        Some(address) => fee::output_weight(&address.script_pubkey()),
        None => Weight::ZERO,
    }
}

fn payees_weight(payees: &[Share]) -> Weight {
    payees.iter().map(|share| fee::output_weight(&share.address.script_pubkey())).sum()
}

/// The charter's cap keeps feerates, and the size of a transaction keeps weights, far below overflow.
fn fee_at(feerate_sat_per_vb: u64, weight: Weight) -> Amount {
    FeeRate::from_sat_per_vb(feerate_sat_per_vb)
        .and_then(|feerate| fee::fee(feerate, weight))
        .unwrap_or(Amount::MAX_MONEY)
}

/// `amount / parts`, rounded up.
fn part_of(amount: Amount, parts: usize) -> Amount {
    let parts = u64::try_from(parts).expect("a length fits in 64 bits");
    Amount::from_sat(amount.to_sat().div_ceil(parts.max(1)))
}

fn too_small(feerate_sat_per_vb: u64, input: &TermInput) -> Option<(OutPoint, StaysOut)> {
    let needs = fee_at(feerate_sat_per_vb, input_weight(input)).checked_mul(WORTH)?;
    let reason = StaysOut::Small { needs_sat: needs.to_sat() };
    (input.amount < needs).then_some((input.outpoint, reason))
}

/// Whether a milestone's share of an outpoint is not worth splitting off.
fn share_small(ground: Ground<'_>, inputs: &[TermInput], lowest: &Split) -> Option<(OutPoint, StaysOut)> {
    let ([input], [share]) = (inputs, lowest.shares.as_slice()) else { return None };
    let small = share.fee.checked_mul(WORTH_SPLITTING).is_none_or(|worth| share.pay < worth);
    let reason = StaysOut::ShareSmall {
        feerate_sat_per_vb: lowest.feerate_sat_per_vb,
        paid_sat: share.pay.to_sat(),
        fee_sat: share.fee.to_sat(),
    };
    (ground.kind.leaves_remainder() && small).then_some((input.outpoint, reason))
}

/// The fewest chunks that nodes relay however the inputs are spent; their sizes differ by one at most.
fn chunks<'a>(ground: Ground<'_>, inputs: &'a [TermInput]) -> Vec<&'a [TermInput]> {
    let Ground { payees, kind, .. } = ground;
    if inputs.is_empty() {
        return Vec::new();
    }
    if kind.one_by_one() {
        return evenly(inputs, inputs.len());
    }
    let weigh = |inputs: &[TermInput]| {
        // A ruling whose payees would get dust returns everything.
        let returns = |input: &&TermInput| input.returns() || matches!(kind, Kind::Ruling { .. });
        let (mut weight, mut outputs) = (Weight::ZERO, 0);
        if inputs.iter().any(TermInput::pays) {
            weight += payees_weight(payees);
            outputs += payees.len();
        }
        weight += inputs.iter().map(input_weight).sum();
        weight += inputs.iter().filter(returns).map(|input| return_weight(kind, input)).sum();
        outputs += inputs.iter().filter(returns).count();
        weight + fee::frame_weight(inputs.len(), outputs)
    };
    let least = weigh(inputs).to_wu().div_ceil(fee::MAX_TRANSACTION.to_wu());
    let least = usize::try_from(least).unwrap_or(inputs.len()).clamp(1, inputs.len());
    let fits = |chunks: &Vec<&[TermInput]>| chunks.iter().all(|chunk| weigh(chunk) <= fee::MAX_TRANSACTION);
    // A single input with all payees weighs a few thousand units at most, so the last try always fits.
    (least..inputs.len())
        .map(|count| evenly(inputs, count))
        .find(fits)
        .unwrap_or_else(|| evenly(inputs, inputs.len()))
}

fn evenly(mut inputs: &[TermInput], count: usize) -> Vec<&[TermInput]> {
    let (size, longer) = (inputs.len() / count, inputs.len() % count);
    let mut chunks = Vec::with_capacity(count);
    for at in 0..count {
        let (chunk, rest) = inputs.split_at(size + usize::from(at < longer));
        chunks.push(chunk);
        inputs = rest;
    }
    chunks
}

/// Splits one chunk at one feerate. A ruling whose payees together would get dust returns everything;
/// any other settlement refuses the inputs that pay.
fn split(ground: Ground<'_>, rate: u64, inputs: &[TermInput]) -> Result<Split, Out> {
    let shares = share(ground, rate, inputs, false)?;
    let paying: Vec<&TermInput> = inputs.iter().filter(|input| input.pays()).collect();
    let pool: Amount = shares.iter().map(|share| share.pay).sum();
    let none = || vec![Amount::ZERO; ground.payees.len()];
    if paying.is_empty() {
        return Ok(Split { feerate_sat_per_vb: rate, shares, payees: none() });
    }
    if let Some(payees) = divide_pool(ground.payees, pool) {
        return Ok(Split { feerate_sat_per_vb: rate, shares, payees });
    }
    if matches!(ground.kind, Kind::Ruling { .. }) {
        let shares = share(ground, rate, inputs, true)?;
        return Ok(Split { feerate_sat_per_vb: rate, shares, payees: none() });
    }
    let reason = StaysOut::PoolDust { feerate_sat_per_vb: rate, pool_sat: pool.to_sat() };
    Err(paying.into_iter().map(|input| (input.outpoint, reason)).collect())
}

/// What becomes of each input. With `nobody_paid` everything returns, whatever the terms say.
fn share(
    ground: Ground<'_>,
    rate: u64,
    inputs: &[TermInput],
    nobody_paid: bool,
) -> Result<Vec<InputShare>, Out> {
    let pay = |input: &TermInput| if nobody_paid { Bps::NONE } else { input.pay };
    let returning = inputs.iter().filter(|input| pay(input) < Bps::ALL).count();
    let paying = inputs.iter().filter(|input| pay(input) > Bps::NONE).count();
    let payees = if paying > 0 { ground.payees.len() } else { 0 };
    let frame = part_of(fee_at(rate, fee::frame_weight(inputs.len(), returning + payees)), inputs.len());
    let payee_outputs = part_of(fee_at(rate, payees_weight(ground.payees)), paying);
    let mut out = Out::new();
    let mut shares = Vec::with_capacity(inputs.len());
    for input in inputs {
        let pay = pay(input);
        let returns = pay < Bps::ALL;
        let returned = if returns { return_weight(ground.kind, input) } else { Weight::ZERO };
        let own = input_weight(input) + returned;
        let fee = fee_at(rate, own) + frame + if pay > Bps::NONE { payee_outputs } else { Amount::ZERO };
        match one(ground.kind, input, rate, pay, fee) {
            Ok(share) => shares.push(share),
            Err(reason) => out.push((input.outpoint, reason)),
        }
    }
    if out.is_empty() { Ok(shares) } else { Err(out) }
}

/// What becomes of one input that bears `fee`.
fn one(
    kind: Kind,
    input: &TermInput,
    feerate_sat_per_vb: u64,
    pay: Bps,
    fee: Amount,
) -> Result<InputShare, StaysOut> {
    let net = input.amount.checked_sub(fee).filter(|net| *net > Amount::ZERO);
    let net = net.ok_or(StaysOut::Eaten { feerate_sat_per_vb, fee_sat: fee.to_sat() })?;
    let paid = pay.of(net);
    let returned = net - paid;
    if pay == Bps::ALL {
        return Ok(InputShare { fee, pay: net, returned: Amount::ZERO });
    }
    let address = input.return_address.as_ref().ok_or(StaysOut::NoReturnAddress)?;
    let dust =
        if kind.leaves_remainder() { fee::LEAST_REMAINDER } else { fee::dust(&address.script_pubkey()) };
    if returned >= dust {
        return Ok(InputShare { fee, pay: paid, returned });
    }
    // What is to stay in escrow is never paid instead.
    if pay == Bps::NONE || kind.leaves_remainder() {
        return Err(StaysOut::ReturnDust { feerate_sat_per_vb, returned_sat: returned.to_sat() });
    }
    // Too little to come back: better the payees have it than the miners.
    Ok(InputShare { fee, pay: net, returned: Amount::ZERO })
}

/// Shares of the pool; `None` where all of it together is dust. What rounding leaves goes
/// to the first, and what would be dust to whoever has the largest share.
fn divide_pool(shares: &[Share], pool: Amount) -> Option<Vec<Amount>> {
    let dusts: Vec<Amount> = shares.iter().map(|share| fee::dust(&share.address.script_pubkey())).collect();
    // `max_by_key` takes the last of equals; the order is the charter's, so look from its end.
    let largest = (0..shares.len()).rev().max_by_key(|at| shares[*at].share)?;
    if pool < dusts[largest] {
        return None;
    }
    let mut amounts: Vec<Amount> = shares.iter().map(|share| share.share.of(pool)).collect();
    let rounded: Amount = amounts.iter().copied().sum();
    amounts[0] += pool - rounded;
    for at in (0..amounts.len()).filter(|at| *at != largest) {
        if amounts[at] < dusts[at] {
            let dust = std::mem::take(&mut amounts[at]);
            amounts[largest] += dust;
        }
    }
    if amounts[largest] < dusts[largest] {
        // The others' kinds of output have lower limits than this one's.
        amounts.fill(Amount::ZERO);
        amounts[largest] = pool;
    }
    Some(amounts)
}
