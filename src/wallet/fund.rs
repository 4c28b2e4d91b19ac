//! Which outputs pay for a batch of refunds, and the last look at the signed batch. Pure: no bdk, no I/O.

use super::WalletError;
use super::descriptor::Branch;
use super::signer::OwnInput;
use crate::escrow::fee;
use crate::escrow::refund::{self, FeeInput, RefundBatch, RefundBundle};
use bitcoin::{Amount, FeeRate, OutPoint, ScriptBuf, Transaction, TxOut, Txid, Weight, Witness};
use std::collections::{BTreeMap, HashSet};

/// What a replacement pays for its own relay (BIP125 rule 4): Bitcoin Core's incremental relay feerate
/// until 29; later ones ask for a tenth of it.
const INCREMENTAL: FeeRate = FeeRate::from_sat_per_vb_u32(1);

/// A batch to be paid for.
#[derive(Clone, Copy, Debug)]
pub struct BatchRequest<'a> {
    /// The refunds, all of one T, at most what [`refund::MAX_BATCH`] holds.
    pub bundles: &'a [&'a RefundBundle],
    /// Feerate to pay at least.
    pub feerate: FeeRate,
    /// Fee to pay at most.
    pub max_fee: Amount,
    /// Unconfirmed batches of this wallet that the new one takes the place of, with their unconfirmed
    /// descendants. Empty for a new batch. Their fee inputs are used again, so that both can never
    /// confirm, and the fee is raised as BIP125 asks.
    pub replaces: &'a [Transaction],
    /// Outputs that other unconfirmed batches spend.
    pub avoid: &'a HashSet<OutPoint>,
}

/// A signed batch, ready to broadcast once its locktime has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundedBatch {
    /// The transaction.
    pub transaction: Transaction,
    /// Fee it pays.
    pub fee: Amount,
    /// This wallet's outputs that it spends: to be avoided by other batches until it is confirmed or gone.
    pub fee_inputs: Vec<OutPoint>,
}

/// An output that may pay.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) outpoint: OutPoint,
    pub(super) prevout: TxOut,
    pub(super) branch: Branch,
    pub(super) index: u32,
    pub(super) confirmed: bool,
    /// Spent by a batch that is to be replaced.
    pub(super) reused: bool,
}

/// What is known of a batch that is to be replaced.
#[derive(Clone, Debug)]
pub(super) struct Replaced {
    pub(super) txid: Txid,
    pub(super) fee_inputs: Vec<OutPoint>,
    pub(super) fee: Amount,
    pub(super) weight: Weight,
    pub(super) change_script: Option<ScriptBuf>,
}

/// A batch that is put together and not signed yet.
pub(super) struct Planned<'a> {
    pub(super) batch: RefundBatch,
    bundles: Vec<&'a RefundBundle>,
    chosen: Vec<Candidate>,
    change_script: ScriptBuf,
}

pub(super) fn plan<'a>(
    input_weight: Weight,
    request: &BatchRequest<'a>,
    replaced: &[Replaced],
    candidates: Vec<Candidate>,
    change_script: ScriptBuf,
) -> Result<Planned<'a>, WalletError> {
    // Once each, in the order of the batch.
    let bundles: BTreeMap<OutPoint, &RefundBundle> =
        request.bundles.iter().map(|bundle| (bundle.target().outpoint(), *bundle)).collect();
    let bundles: Vec<&RefundBundle> = bundles.into_values().collect();
    let cost = Cost::new(&bundles, input_weight, &change_script, request.feerate, replaced);
    if bundles.is_empty() {
        return Err(refund::BatchError::Empty.into());
    }
    let chosen = choose(&cost, candidates)?;
    let fee_inputs: Vec<FeeInput> = chosen
        .iter()
        .map(|candidate| FeeInput {
            outpoint: candidate.outpoint,
            prevout: candidate.prevout.clone(),
            weight: input_weight,
        })
        .collect();
    let batch = refund::batch(&bundles, &fee_inputs, &change_script, cost.feerate(chosen.len())?)?;
    if batch.fee > request.max_fee {
        return Err(WalletError::FeeAboveLimit { fee: batch.fee, limit: request.max_fee });
    }
    Ok(Planned { batch, bundles, chosen, change_script })
}

impl Planned<'_> {
    /// The fee inputs, which are the last ones.
    pub(super) fn own(&self) -> Vec<OwnInput> {
        let own = |(at, candidate): (usize, &Candidate)| OwnInput {
            at,
            branch: candidate.branch,
            index: candidate.index,
        };
        (self.bundles.len()..).zip(&self.chosen).map(own).collect()
    }

    /// Where the change is, if there is any.
    pub(super) fn change(&self) -> Option<usize> {
        (self.batch.transaction.output.len() > self.bundles.len()).then_some(self.bundles.len())
    }

    /// The batch with the witnesses of its fee inputs, looked at once more.
    pub(super) fn finish(mut self, witnesses: Vec<Witness>) -> Result<FundedBatch, WalletError> {
        let fee_inputs = self.batch.transaction.input.get_mut(self.bundles.len()..).unwrap_or_default();
        if fee_inputs.len() != witnesses.len() || witnesses.iter().any(Witness::is_empty) {
            return Err(WalletError::Broken { what: "the number of signatures" });
        }
        for (input, witness) in fee_inputs.iter_mut().zip(witnesses) {
            input.witness = witness;
        }
        check(&self.batch, &self.bundles, &self.chosen, &self.change_script)?;
        Ok(FundedBatch {
            transaction: self.batch.transaction,
            fee: self.batch.fee,
            fee_inputs: self.chosen.iter().map(|candidate| candidate.outpoint).collect(),
        })
    }
}

/// What a batch costs with a given number of fee inputs.
struct Cost<'a> {
    pairs: Weight,
    pair_count: usize,
    /// One input of the wallet.
    input: Weight,
    change: Weight,
    feerate: FeeRate,
    replaced: &'a [Replaced],
}

impl<'a> Cost<'a> {
    fn new(
        bundles: &[&RefundBundle],
        input: Weight,
        change_script: &ScriptBuf,
        feerate: FeeRate,
        replaced: &'a [Replaced],
    ) -> Cost<'a> {
        Cost {
            pairs: bundles.iter().map(|bundle| refund::pair_weight(bundle)).sum(),
            pair_count: bundles.len(),
            input,
            change: fee::output_weight(change_script),
            feerate,
            replaced,
        }
    }

    fn weight(&self, fee_inputs: usize) -> Weight {
        let own: Weight = std::iter::repeat_n(self.input, fee_inputs).sum();
        self.pairs + fee::frame_weight(self.pair_count + fee_inputs, self.pair_count + 1) + own + self.change
    }

    /// Fee at least, in satoshis: by the feerate; and where something is replaced, more than all of that
    /// paid together plus the own relay (BIP125 rules 3 and 4), at a higher feerate than each of it
    /// (Bitcoin Core's further rule).
    fn fee(&self, fee_inputs: usize) -> Option<Amount> {
        // Nodes reckon with whole vbytes, so a fee by weight alone can be a satoshi short.
        let weight = Weight::from_vb(self.weight(fee_inputs).to_vbytes_ceil())?;
        let mut least = fee::fee(self.feerate, weight)?;
        if !self.replaced.is_empty() {
            let paid = self.replaced.iter().try_fold(Amount::ZERO, |sum, old| sum.checked_add(old.fee))?;
            least = least.max(paid.checked_add(fee::fee(INCREMENTAL, weight)?)?);
        }
        for old in self.replaced {
            let above = rate_of(old.fee, old.weight)?.checked_add(INCREMENTAL.to_sat_per_kwu())?;
            least = least.max(fee::fee(FeeRate::from_sat_per_kwu(above), weight)?);
        }
        Some(least)
    }

    /// The feerate at which [`refund::batch`] pays at least [`Cost::fee`].
    fn feerate(&self, fee_inputs: usize) -> Result<FeeRate, WalletError> {
        self.fee(fee_inputs)
            .and_then(|fee| rate_of(fee, self.weight(fee_inputs)))
            .map(FeeRate::from_sat_per_kwu)
            .ok_or(WalletError::InsufficientFunds { needed: Amount::MAX, available: Amount::ZERO })
    }
}

/// Satoshis per 1000 weight units, rounded up.
fn rate_of(fee: Amount, weight: Weight) -> Option<u64> {
    let rate = (u128::from(fee.to_sat()) * 1000).div_ceil(u128::from(weight.to_wu()));
    u64::try_from(rate).ok()
}

/// The inputs of what is replaced, then as few as possible: the smallest output that completes the sum,
/// else the largest; confirmed ones before our own unconfirmed change.
fn choose(cost: &Cost<'_>, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, WalletError> {
    let too_much = |available| WalletError::InsufficientFunds { needed: Amount::MAX, available };
    if candidates.is_empty() {
        return Err(WalletError::Empty);
    }
    let (mut chosen, mut rest): (Vec<Candidate>, Vec<Candidate>) =
        candidates.into_iter().partition(|candidate| candidate.reused);
    // An output that costs more to spend than it holds makes things worse.
    let own_fee = fee::fee(cost.feerate, cost.input).ok_or(too_much(Amount::ZERO))?;
    rest.retain(|candidate| candidate.prevout.value > own_fee);
    rest.sort_by_key(|candidate| (!candidate.confirmed, candidate.prevout.value, candidate.outpoint));
    chosen.sort_by_key(|candidate| candidate.outpoint);
    let mut sum: Amount = chosen.iter().map(|candidate| candidate.prevout.value).sum();
    loop {
        // Without any input of its own a transaction pays nothing, so one is always needed.
        if !chosen.is_empty() && cost.fee(chosen.len()).is_some_and(|needed| sum >= needed) {
            return Ok(chosen);
        }
        let needed = cost.fee(chosen.len() + 1).ok_or(too_much(sum))?;
        let confirmed = rest.iter().take_while(|candidate| candidate.confirmed).count();
        let group = if confirmed > 0 { confirmed } else { rest.len() };
        let completes = |candidate: &Candidate| sum + candidate.prevout.value >= needed;
        let Some(last) = group.checked_sub(1) else {
            return Err(WalletError::InsufficientFunds { needed, available: sum });
        };
        let next = rest[..group].iter().position(completes).unwrap_or(last);
        let candidate = rest.remove(next);
        sum += candidate.prevout.value;
        chosen.push(candidate);
    }
}

/// The last look before money is spent: every pair whole and in its place, nothing else but the change.
fn check(
    batch: &RefundBatch,
    bundles: &[&RefundBundle],
    chosen: &[Candidate],
    change_script: &ScriptBuf,
) -> Result<(), WalletError> {
    let broken = |what| Err(WalletError::Broken { what });
    let tx = &batch.transaction;
    if tx.input.len() != bundles.len() + chosen.len() || batch.prevouts.len() != tx.input.len() {
        return broken("the number of inputs");
    }
    for (at, bundle) in bundles.iter().enumerate() {
        let pair = bundle.pair();
        if tx.input.get(at) != pair.input.first() {
            return broken("a pair's input or signature");
        }
        if tx.output.get(at) != pair.output.first() {
            return broken("a pair's output");
        }
        if tx.lock_time != pair.lock_time || tx.version != pair.version {
            return broken("locktime or version");
        }
    }
    match &tx.output[bundles.len()..] {
        [] => {}
        [change] if change.script_pubkey == *change_script => {}
        _ => return broken("the change"),
    }
    let total = |outputs: &[TxOut]| {
        outputs.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
    };
    let paid = total(&batch.prevouts).zip(total(&tx.output)).and_then(|(all, out)| all.checked_sub(out));
    if paid != Some(batch.fee) {
        return broken("the fee");
    }
    Ok(())
}
