//! Refunds that fall due: batched and paid for by the operator's wallet where it can, else each by its own
//! ladder. A batch is journalled before it is broadcast, so that after a crash the same one goes out.

use super::scheduler::Memory;
use super::views::FeeWalletView;
use super::{FundError, Funded, Service, ServiceError};
use crate::chain::BroadcastError;
use crate::escrow::book::Book;
use crate::escrow::due;
use crate::escrow::event::{BatchRecord, Record};
use crate::escrow::facts::Tip;
use crate::escrow::fee;
use crate::escrow::pledge::LateMove;
use crate::escrow::refund::{self, RefundBundle, Rung};
use crate::escrow::statement::CharterId;
use crate::escrow::task::GRACE_SECS;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Amount, FeeRate, OutPoint, Transaction, Weight};
use std::collections::HashSet;
use std::sync::PoisonError;

/// Blocks in which the daily budget is counted.
const BUDGET_BLOCKS: u32 = 144;
/// Blocks within which a refund should confirm.
const TARGET_BLOCKS: u16 = 6;
/// The operator pays at most this part of a pledge for its pair.
const MAX_COST: u64 = 10;
/// Feerate that the wallet should be able to pay at the next T: of the worst weeks, not of the worst days.
const PESSIMISTIC: FeeRate = FeeRate::from_sat_per_vb_u32(50);
/// Room left in a batch for fee inputs, change and frame.
const FEE_ROOM: Weight = Weight::from_wu(4_000);

impl Service {
    /// Sends the refunds of `outpoints`, which have one T.
    pub(super) async fn refund(
        &self,
        outpoints: &[OutPoint],
        replaces: Option<&BatchRecord>,
        memory: &mut Memory,
    ) -> Result<(), ServiceError> {
        let mut feerate = self.feerate(TARGET_BLOCKS).await;
        let replaced: Option<Transaction> =
            replaces.and_then(|batch| deserialize_hex(&batch.transaction).ok());
        if let (Some(batch), Some(transaction)) = (replaces, &replaced) {
            feerate = feerate.max(doubled(batch, transaction));
        }
        let (moves, bundles) = self.read(|book| ways(book, outpoints.iter()));
        let (affordable, dear): (Vec<RefundBundle>, Vec<RefundBundle>) = bundles
            .into_iter()
            .partition(|bundle| cost(bundle, feerate) <= bundle.target().amount() / MAX_COST);
        // A batch's txid is not known before it is made, and what moves must arrive with its refund. Moves go first: a
        // batch that nobody takes must not hold them up.
        self.climb(moves.into_iter(), feerate, memory).await;
        let mut by_ladder = dear;
        for batch in batches(affordable) {
            match self.fund(&batch, feerate, replaces, replaced.as_ref()).await {
                Ok(funded) => match self.record_and_send(&batch, funded).await {
                    Ok(()) => {}
                    // What pays for it may be made up: a server says what it likes of the wallet's money.
                    Err(ServiceError::Broadcast(error @ BroadcastError::Rejected { .. })) => {
                        tracing::error!(%error, "ALARM: the network refuses a refund batch: refunds go by their ladder");
                        by_ladder.extend(batch);
                    }
                    Err(other) => return Err(other),
                },
                Err(FundError::Insufficient { needed, available }) => {
                    tracing::warn!(%needed, %available, "the fee wallet cannot pay for refunds: they go by their ladder");
                    by_ladder.extend(batch);
                }
                Err(error @ FundError::Signer { .. }) => {
                    tracing::error!(%error, "ALARM: the fee wallet's signer does not sign: refunds go by their ladder");
                    by_ladder.extend(batch);
                }
                Err(error @ FundError::Failed { .. }) => {
                    tracing::warn!(%error, "the fee wallet failed: refunds go by their ladder");
                    by_ladder.extend(batch);
                }
            }
        }
        self.climb(by_ladder.iter().map(refund_ladder), feerate, memory).await;
        Ok(())
    }

    async fn fund(
        &self,
        bundles: &[RefundBundle],
        feerate: FeeRate,
        replaces: Option<&BatchRecord>,
        replaced: Option<&Transaction>,
    ) -> Result<Funded, FundError> {
        let needed: Amount = bundles.iter().map(|bundle| cost(bundle, feerate)).sum();
        let Some(wallet) = &self.wallet else {
            return Err(FundError::Insufficient { needed, available: Amount::ZERO });
        };
        // A tenth of each pledge, within the day's budget.
        let tenth: Amount = bundles.iter().map(|bundle| bundle.target().amount() / MAX_COST).sum();
        let budget = self.budget_left(replaces);
        let max_fee = tenth.min(budget);
        if needed > max_fee {
            return Err(FundError::Insufficient { needed, available: max_fee });
        }
        let avoid = self.read(|book| {
            let replaced = replaces.map(|batch| batch.fee_inputs.as_slice()).unwrap_or_default();
            let mut bound: HashSet<OutPoint> = HashSet::new();
            for batch in book.batches() {
                let under_way = |outpoint: &OutPoint| {
                    book.find(outpoint)
                        .is_some_and(|(_, held)| held.spend.is_none_or(|spend| spend.confirmation.is_none()))
                };
                if batch.refunds.iter().any(under_way) {
                    bound.extend(batch.fee_inputs.iter().filter(|input| !replaced.contains(input)));
                }
            }
            bound
        });
        let mut wallet = wallet.lock().await;
        let references: Vec<&RefundBundle> = bundles.iter().collect();
        // The wallet blocks on its own server; other requests go on meanwhile.
        tokio::task::block_in_place(|| {
            wallet.sync()?;
            let replaced = replaced.map(std::slice::from_ref).unwrap_or_default();
            let funded = wallet.fund(&references, feerate, max_fee, replaced, &avoid);
            let signer_error = match &funded {
                Err(FundError::Signer { detail }) => Some(detail.clone()),
                Ok(_) | Err(FundError::Insufficient { .. } | FundError::Failed { .. }) => None,
            };
            // Only a batch tells whether the signer signs.
            self.note_wallet(wallet.view().ok().map(|view| FeeWalletView { signer_error, ..view }));
            funded
        })
    }

    /// Asks the fee wallet what it holds, for the status page. Whether it could be asked, if there is one.
    pub async fn refresh_wallet(&self) -> bool {
        let Some(wallet) = &self.wallet else { return true };
        let mut wallet = wallet.lock().await;
        let view = tokio::task::block_in_place(|| wallet.sync().and_then(|()| wallet.view()));
        match view {
            Ok(view) => {
                let last = self.wallet_view.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let signer_error = last.and_then(|last| last.signer_error);
                self.note_wallet(Some(FeeWalletView { signer_error, ..view }));
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the fee wallet does not answer");
                false
            }
        }
    }

    fn note_wallet(&self, view: Option<FeeWalletView>) {
        let Some(view) = view else { return };
        let view = view.needing(self.refunds_need());
        let mut last = self.wallet_view.lock().unwrap_or_else(PoisonError::into_inner);
        // Told when it begins and when it is over, not with every look.
        match (last.as_ref().is_some_and(|last| last.low), view.low) {
            (false, true) => tracing::error!(
                holds_sat = view.confirmed_sat,
                needed_sat = view.needed_sat,
                address = %view.address,
                "ALARM: the fee wallet is low: top it up, or refunds go by their ladder"
            ),
            (true, false) => {
                tracing::info!(holds_sat = view.confirmed_sat, "the fee wallet holds enough again")
            }
            _ => {}
        }
        *last = Some(view);
    }

    /// What refunding everything of the next T would cost at a feerate of bad days: within the tenth of each
    /// pledge and the day's budget, beyond which the wallet does not pay anyway.
    fn refunds_need(&self) -> Amount {
        self.read(|book| {
            let mut by_time: std::collections::BTreeMap<u32, Amount> = Default::default();
            for task in book.tasks().values() {
                let open = task.outpoints().values().filter(|held| held.present && held.spend.is_none());
                for bundle in open.filter_map(|held| held.refund.as_ref()) {
                    let share = cost(bundle, PESSIMISTIC).min(bundle.target().amount() / MAX_COST);
                    let sum = by_time.entry(task.charter().refund_time_secs()).or_default();
                    *sum = sum.checked_add(share).unwrap_or(Amount::MAX_MONEY);
                }
            }
            let Some(refunds) = by_time.into_values().next() else { return Amount::ZERO };
            let frame = fee::fee(PESSIMISTIC, FEE_ROOM).unwrap_or_default();
            let budget = Amount::from_sat(self.policy.refund_budget_sat);
            refunds.checked_add(frame).unwrap_or(Amount::MAX_MONEY).min(budget)
        })
    }

    /// What may still be spent today. A batch that is being replaced was counted once already.
    pub(super) fn budget_left(&self, replaces: Option<&BatchRecord>) -> Amount {
        self.read(|book| {
            let height = book.tip().map_or(0, |tip| tip.height);
            let recent = |batch: &&BatchRecord| batch.height + BUDGET_BLOCKS > height;
            // Of several batches that spend one fee input only one can ever confirm: the dearest counts.
            let mut spent: std::collections::BTreeMap<Option<OutPoint>, u64> = Default::default();
            for batch in book.batches().iter().filter(recent) {
                let fee = spent.entry(batch.fee_inputs.iter().min().copied()).or_default();
                *fee = batch.fee_sat.max(*fee);
            }
            if let Some(batch) = replaces {
                spent.remove(&batch.fee_inputs.iter().min().copied());
            }
            let spent = spent.into_values().sum();
            Amount::from_sat(self.policy.refund_budget_sat.saturating_sub(spent))
        })
    }

    async fn record_and_send(&self, bundles: &[RefundBundle], funded: Funded) -> Result<(), ServiceError> {
        let transaction = funded.transaction;
        let refunds: Vec<OutPoint> = bundles.iter().map(|bundle| bundle.target().outpoint()).collect();
        let count = refunds.len();
        self.commit(|book| {
            let batch = BatchRecord {
                transaction: serialize_hex(&transaction),
                refunds,
                fee_inputs: funded.fee_inputs,
                fee_sat: funded.fee.to_sat(),
                height: book.tip().map_or(0, |tip| tip.height),
            };
            Ok(((), vec![Record::RefundBatch { batch }]))
        })
        .await?;
        crate::failpoint::hit("batch_recorded");
        tracing::info!(txid = %transaction.compute_txid(), refunds = count, fee = %funded.fee, "refunding");
        self.send(transaction.clone()).await?;
        if let Some(wallet) = &self.wallet {
            wallet.lock().await.note_broadcast(&transaction, self.clock.now_secs());
        }
        Ok(())
    }

    /// Sends by their ladders what a batch would have refunded that the network refuses.
    pub(super) async fn refund_without(&self, batch: &Transaction, memory: &mut Memory) {
        let (moves, bundles) =
            self.read(|book| ways(book, batch.input.iter().map(|input| &input.previous_output)));
        let feerate = self.feerate(TARGET_BLOCKS).await;
        self.climb(moves.into_iter().chain(bundles.iter().map(refund_ladder)), feerate, memory).await;
    }

    /// Sends one rung of each ladder.
    async fn climb(
        &self,
        ladders: impl Iterator<Item = (OutPoint, Rungs)>,
        target: FeeRate,
        memory: &mut Memory,
    ) {
        for (outpoint, rungs) in ladders {
            let rung = self.read(|book| {
                let (task, held) = book.find(&outpoint)?;
                let rung = due::rung_due(&rungs, held, book.tip()?, target)?;
                Some((task.charter().id(), rung, book.tip()?.height))
            });
            let Some((task, transaction, height)) = rung else { continue };
            let txid = transaction.compute_txid();
            if memory.worth_sending(txid, height) {
                tracing::info!(task.id = %task, pledge.outpoint = %outpoint, %txid, "sending a rung of its own ladder");
                // Refused or not, the next round looks again.
                let _ = self.send(transaction).await;
            }
        }
    }
}

/// A ladder's transactions, lowest fee first.
type Rungs = Vec<(Rung, Transaction)>;

/// What is to be sent for each outpoint: the ladder that moves it, as its sponsor signed, while the other charter takes
/// pledges and will as long as a cheap rung may wait; else its refund. So it is with a ladder whose highest rung has
/// waited that long: what cannot move goes home.
fn ways<'a>(
    book: &Book,
    outpoints: impl Iterator<Item = &'a OutPoint>,
) -> (Vec<(OutPoint, Rungs)>, Vec<RefundBundle>) {
    let open = |to: &CharterId| {
        let (Some(tip), Some(to)) = (book.tip(), book.task(to)) else { return false };
        let waits_secs = to.charter().network().cutoff_secs();
        to.may_pledge(&Tip { mtp_secs: tip.mtp_secs.saturating_add(waits_secs), ..*tip }).is_ok()
    };
    let climbs = |rungs: &Rungs| {
        let highest = rungs.last().map_or(0, |(_, rung)| rung.lock_time.to_consensus_u32());
        book.tip().is_some_and(|tip| tip.mtp_secs <= highest.saturating_add(GRACE_SECS))
    };
    let (mut moves, mut refunds) = (Vec::new(), Vec::new());
    for (_, held) in outpoints.filter_map(|outpoint| book.find(outpoint)) {
        let late = held.late_move.as_ref().filter(|late| open(&late.consent().statement.to_charter));
        let rungs = late.and_then(LateMove::ladder).map(|ladder| ladder.rungs());
        // Without a refund there is nothing else to send.
        match rungs.filter(|rungs| held.refund.is_none() || climbs(rungs)) {
            Some(rungs) => moves.push((held.outpoint, rungs)),
            None => refunds.extend(held.refund.clone()),
        }
    }
    (moves, refunds)
}

fn refund_ladder(bundle: &RefundBundle) -> (OutPoint, Rungs) {
    (bundle.target().outpoint(), bundle.ladder())
}

/// What a pair adds to a batch's fee.
fn cost(bundle: &RefundBundle, feerate: FeeRate) -> Amount {
    fee::fee(feerate, refund::pair_weight(bundle)).unwrap_or(Amount::MAX_MONEY)
}

/// Twice the feerate of a batch that did not confirm.
fn doubled(batch: &BatchRecord, transaction: &Transaction) -> FeeRate {
    let weight = transaction.weight().to_wu().max(1);
    let per_kwu = u128::from(batch.fee_sat) * 2 * 1000 / u128::from(weight);
    FeeRate::from_sat_per_kwu(u64::try_from(per_kwu).unwrap_or(u64::MAX / 1000))
}

/// Cuts refunds into batches that fit.
fn batches(bundles: Vec<RefundBundle>) -> Vec<Vec<RefundBundle>> {
    let mut batches: Vec<Vec<RefundBundle>> = Vec::new();
    let mut weight = Weight::ZERO;
    for bundle in bundles {
        let added = refund::pair_weight(&bundle);
        match batches.last_mut() {
            Some(batch) if weight + added + FEE_ROOM <= refund::MAX_BATCH => {
                weight += added;
                batch.push(bundle);
            }
            _ => {
                weight = added;
                batches.push(vec![bundle]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::network::DAY_SECS;
    use crate::escrow::testing::World;

    /// How long a cheap rung may wait.
    const WAIT_SECS: u32 = crate::escrow::network::Network::Regtest.cutoff_secs();

    /// A pledge past its T whose sponsor signed it over to a charter that takes pledges for `left_secs` more.
    fn at_t(left_secs: u32) -> (World, OutPoint) {
        let mut world = World::new(|_| ());
        assert_eq!(world.network.cutoff_secs(), WAIT_SECS);
        let (index, outpoint) = world.fund(Amount::from_sat(500_000));
        let refund_time = world.task().charter().refund_time_secs();
        let to = world.elsewhere(index, |fields| {
            let later_secs = 280 * DAY_SECS;
            fields.refund_time += later_secs;
            fields.work_deadline += later_secs;
            fields.milestones[0].due += later_secs;
            fields.funding_close = refund_time + 1 + left_secs;
        });
        assert_eq!(world.move_late(outpoint, to), Ok(1));
        world.advance_to(refund_time + 1);
        (world, outpoint)
    }

    /// How many are sent each way.
    fn counts(world: &World, outpoint: OutPoint) -> (usize, usize) {
        let (moves, refunds) = ways(&world.book, std::iter::once(&outpoint));
        (moves.len(), refunds.len())
    }

    #[test]
    fn what_moves_alone_goes_home_where_it_might_come_too_late() {
        let (world, outpoint) = at_t(WAIT_SECS);
        assert_eq!(counts(&world, outpoint), (1, 0));
        // A rung could wait for longer than pledges are taken there.
        let (world, outpoint) = at_t(WAIT_SECS - 1);
        assert_eq!(counts(&world, outpoint), (0, 1));
    }

    #[test]
    fn a_rung_that_waits_is_raised_while_it_may_arrive_and_else_gives_way_to_the_refund() {
        let (mut world, outpoint) = at_t(10 * DAY_SECS);
        world.send_rung(outpoint, 0);
        let effects = due::due(&world.book);
        assert_eq!(effects, [due::Effect::Refund { outpoints: vec![outpoint], replaces: None }]);
        let (moves, _) = ways(&world.book, std::iter::once(&outpoint));
        let held = &world.task().outpoints()[&outpoint];
        let tip = world.book.tip().unwrap();
        let rate = |sat_per_vb| FeeRate::from_sat_per_vb(sat_per_vb).unwrap();
        let rung = |target| due::rung_due(&moves[0].1, held, tip, target).map(|tx| tx.compute_txid());
        assert_eq!(rung(rate(1)), None, "it is there");
        assert_eq!(rung(rate(4)), Some(moves[0].1[2].1.compute_txid()), "fees have risen");
        // Where pledges are not taken for long enough any more, it goes home.
        let (mut world, outpoint) = at_t(WAIT_SECS - 1);
        world.send_rung(outpoint, 0);
        let (_, refunds) = ways(&world.book, std::iter::once(&outpoint));
        let (held, tip) = (&world.task().outpoints()[&outpoint], world.book.tip().unwrap());
        let rungs = refunds[0].ladder();
        let home = due::rung_due(&rungs, held, tip, rate(4)).map(|tx| tx.compute_txid());
        assert_eq!(home, Some(rungs[2].1.compute_txid()), "it pays more than the one that waits");
        assert_eq!(due::rung_due(&rungs, held, tip, rate(1)), None, "one that pays no more replaces nothing");
    }

    #[test]
    fn what_no_rung_brings_there_goes_home_in_the_end() {
        let (mut world, outpoint) = at_t(60 * DAY_SECS);
        let held = &world.task().outpoints()[&outpoint];
        let rungs = held.late_move.as_ref().and_then(LateMove::ladder).unwrap().rungs();
        let highest = rungs.last().unwrap().1.lock_time.to_consensus_u32();
        world.advance_to(highest + GRACE_SECS);
        assert_eq!(counts(&world, outpoint), (1, 0));
        world.advance_to(highest + GRACE_SECS + 1);
        assert_eq!(counts(&world, outpoint), (0, 1));
    }
}
