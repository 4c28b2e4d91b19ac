//! Whole lives, to the satoshi.

use super::{sat, verified};
use crate::escrow::ballot::Verdict;
use crate::escrow::charter::Silence;
use crate::escrow::fee;
use crate::escrow::network::DAY_SECS;
use crate::escrow::pledge::{Ending, Standing};
use crate::escrow::refund;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role};
use crate::escrow::task::{Fate, Stage};
use crate::escrow::testing::{self, Rejected, World};
use bitcoin::{Amount, FeeRate, OutPoint, Txid};

const DEVELOPER_AND_REPRESENTATIVE: [Role; 2] = [Role::Developer, Role::Representative];
const WITH_ARBITER: [Role; 2] = [Role::Representative, Role::Arbiter];

/// What the charter's payees got: payee 95 %, leader 3 %, operator 2 %.
fn payees(world: &World) -> [Amount; 3] {
    let shares = world.task().charter().shares();
    [0, 1, 2].map(|at: usize| world.chain.received(&shares[at].address.script_pubkey()))
}

fn returned_to(world: &World, index: u32) -> Amount {
    world.chain.received(&testing::address(world.network, 100 + index).script_pubkey())
}

/// The fee a mined transaction paid.
fn fee_of(world: &World, txid: Txid) -> Amount {
    let transaction = world.chain.transaction(&txid).unwrap();
    let ins: Amount =
        transaction.input.iter().map(|i| world.chain.output(&i.previous_output).unwrap().value).sum();
    ins - transaction.output.iter().map(|output| output.value).sum()
}

/// The transaction that ended an outpoint.
fn ended_by(world: &World, outpoint: &OutPoint) -> (Ending, Txid, u32) {
    let end = world.task().ended(&world.task().outpoints()[outpoint], world.book.tip().unwrap()).unwrap();
    (end.how, end.txid, end.depth)
}

#[test]
fn from_a_pledge_to_the_payees() {
    let mut world = verified(|fields| fields.depth = 2);
    assert_eq!(world.stage(), Stage::Open);
    let index = world.issue(sat(1_000_000));
    let outpoint = world.pay(index, sat(1_000_000));
    world.sync();
    assert_eq!(world.standing(&outpoint), Standing::Seen);
    assert_eq!((world.totals().seen, world.totals().credited), (sat(1_000_000), Amount::ZERO));
    world.secure(outpoint).unwrap();
    world.mine(1);
    assert_eq!(world.standing(&outpoint), Standing::Confirming { depth: 1, of: 2 });
    assert_eq!((world.totals().awaiting_depth, world.totals().secured), (sat(1_000_000), sat(1_000_000)));
    world.mine(1);
    assert_eq!(world.standing(&outpoint), Standing::Credited);
    assert_eq!((world.totals().credited, world.totals().raised), (sat(1_000_000), sat(1_000_000)));

    let submission = world.submit();
    assert_eq!(world.stage(), Stage::Voting);
    world.vote(submission, index, Choice::Yes, 1).unwrap();
    let kind = Kind::Payout { submission };
    let id = world.propose(kind, 1).unwrap();
    assert_eq!(world.stage(), Stage::Voting, "a proposal nobody signed binds nothing");
    world.sign(id, Role::Developer).unwrap();
    assert_eq!(world.stage(), Stage::Settling);
    world.sign(id, Role::Arbiter).unwrap();
    let txid = world.broadcast(id, 0, 0);
    assert_eq!(world.totals().credited, sat(1_000_000), "what is only in the mempool has moved nothing");
    world.mine(1);
    assert_eq!(world.stage(), Stage::Settling, "paid means confirmed to the charter's depth");
    assert_eq!(world.totals().settled, sat(1_000_000));
    world.mine(1);
    assert_eq!(world.stage(), Stage::Paid);
    assert_eq!(ended_by(&world, &outpoint), (Ending::Settled, txid, 2));
    let settlement = &world.task().settlements()[&id];
    assert_eq!(
        world.task().chunk_fates(settlement, world.book.tip().unwrap()),
        [Fate::Confirmed { depth: 2 }]
    );

    // One leaf input and three Taproot outputs at 1 sat/vB.
    let weight = fee::frame_weight(1, 3).to_wu() + fee::COOPERATIVE_INPUT.to_wu() + 3 * 4 * 43;
    let fee = fee_of(&world, txid);
    assert!(fee.to_sat() * 4 >= weight && fee.to_sat() * 4 <= weight + 4 * 3, "{fee} for {weight} wu");
    let pool = sat(1_000_000) - fee;
    let [payee, leader, operator] = payees(&world);
    assert_eq!(leader, sat(pool.to_sat() * 300 / 10_000));
    assert_eq!(operator, sat(pool.to_sat() * 200 / 10_000));
    assert_eq!(payee, pool - leader - operator, "what rounding leaves goes to the first");
    world.check();
}

/// Yes, no, silence and a gift, under one submission.
fn mixed(silence: Silence) -> (World, [(u32, OutPoint); 3], OutPoint) {
    let mut world = verified(|fields| fields.acceptance.silence = silence);
    let yes = world.fund(sat(600_000));
    let no = world.fund(sat(200_000));
    let silent = world.fund(sat(100_000));
    let gift = world.pay(0, sat(50_000));
    world.mine(1);
    assert_eq!(world.standing(&gift), Standing::Gift);
    (world, [yes, no, silent], gift)
}

#[test]
fn yes_at_once_silence_and_gift_by_acceptance_no_by_ruling() {
    let (mut world, [(yes, paid), (no, held), (_, quiet)], gift) = mixed(Silence::Pay);
    assert_eq!(world.totals().raised, sat(950_000));
    let submission = world.submit();
    let kind = Kind::Payout { submission };
    world.vote(submission, yes, Choice::Yes, 1).unwrap();
    world.vote(submission, no, Choice::No, 1).unwrap();
    let first = world.settle(kind, [Role::Developer, Role::Arbiter]).unwrap();
    assert_eq!(world.plan(first).outpoints().collect::<Vec<_>>(), [paid], "only the yes, before the end");

    // The vote is over; without the representative nobody moves the silent's money.
    let closes = world.task().window(&world.task().submissions()[0]).unwrap().closes_secs;
    world.advance_to(u32::try_from(closes).unwrap() + 1);
    assert_eq!(world.stage(), Stage::Deciding);
    let tally = world.task().tally(&world.task().submissions()[0], world.book.tip().unwrap());
    assert_eq!((tally.electorate, tally.yes, tally.no), (sat(900_000), sat(600_000), sat(200_000)));
    assert!(tally.threshold_reached && tally.quorum_met, "6 of 8 is over two thirds, 8 of 9 over a fifth");
    assert_eq!(world.propose(kind, 1).unwrap_err().code(), "nothing_to_settle");
    world.judge(submission, true).unwrap();
    let second = world.settle(kind, DEVELOPER_AND_REPRESENTATIVE).unwrap();
    let mut expected = [quiet, gift];
    expected.sort();
    assert_eq!(world.plan(second).outpoints().collect::<Vec<_>>(), expected);
    assert_eq!(world.totals().credited, sat(200_000), "the no is where it was");

    // The ruling splits: a quarter to the payees.
    world.rule(submission, 2_500).unwrap();
    let before = payees(&world).into_iter().sum::<Amount>();
    let ruling = world.propose(Kind::Ruling { submission }, 1).unwrap();
    world.sign(ruling, Role::Developer).unwrap();
    world.sign(ruling, Role::Representative).unwrap();
    let state = &world.task().settlements()[&ruling];
    assert!(state.plan.finalize(0, 0, &state.signatures).is_err(), "a ruling needs the arbiter's hand");
    world.sign(ruling, Role::Arbiter).unwrap();
    let txid = world.broadcast(ruling, 0, 0);
    world.mine(1);
    let net = sat(200_000) - fee_of(&world, txid);
    assert_eq!(payees(&world).into_iter().sum::<Amount>() - before, sat(net.to_sat() / 4));
    assert_eq!(returned_to(&world, no), net - sat(net.to_sat() / 4));
    assert_eq!(ended_by(&world, &held).0, Ending::Settled);
    assert_eq!(world.stage(), Stage::Paid);
    assert_eq!(world.totals().settled, sat(950_000));
    world.check();
}

#[test]
fn a_ruling_pays_or_returns_all() {
    for (bps, to_payees) in [(10_000, true), (0, false)] {
        let mut world = verified(|_| {});
        let (index, _) = world.fund(sat(300_000));
        let submission = world.submit();
        world.vote(submission, index, Choice::No, 1).unwrap();
        world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
        world.rule(submission, bps).unwrap();
        let id = world.settle(Kind::Ruling { submission }, WITH_ARBITER).unwrap();
        let net = sat(300_000) - fee_of(&world, world.plan(id).form(0, 0).unwrap().txid);
        let paid = payees(&world).into_iter().sum::<Amount>();
        let expected = if to_payees { (net, Amount::ZERO) } else { (Amount::ZERO, net) };
        assert_eq!((paid, returned_to(&world, index)), expected);
        assert_eq!(world.stage(), if to_payees { Stage::Paid } else { Stage::Returned });
        world.check();
    }
}

#[test]
fn held_silence_and_gifts_wait_and_go_back_after_t() {
    let (mut world, [(yes, _), (_, no), (_, quiet)], gift) = mixed(Silence::Hold);
    let submission = world.submit();
    world.vote(submission, yes, Choice::Yes, 1).unwrap();
    world.settle(Kind::Payout { submission }, DEVELOPER_AND_REPRESENTATIVE).unwrap();
    world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
    world.judge(submission, true).unwrap();
    assert_eq!(world.propose(Kind::Payout { submission }, 1).unwrap_err().code(), "nothing_to_settle");
    world.advance_to(testing::REFUND_TIME + 1);
    assert_eq!(world.stage(), Stage::Refunding);
    for outpoint in [no, quiet] {
        let bundle = world.task().outpoints()[&outpoint].refund.clone().unwrap();
        world.chain.broadcast(&bundle.ladder()[0].1).unwrap();
    }
    world.mine(1);
    let totals = world.totals();
    assert_eq!((totals.refunded, totals.settled, totals.gifts), (sat(300_000), sat(600_000), sat(50_000)));
    assert_eq!(world.standing(&gift), Standing::Gift);
    world.check();
    // Nothing gives a gift back by itself: two signers send it to the pot, however late.
    world.advance_to(testing::REFUND_TIME + 30 * DAY_SECS);
    assert_eq!(world.stage(), Stage::Refunded, "no sponsor waits for a gift");
    let id = world.settle(Kind::EarlyReturn, WITH_ARBITER).unwrap();
    assert_eq!(world.plan(id).outpoints().collect::<Vec<_>>(), [gift]);
    assert_eq!(world.totals().gifts, Amount::ZERO);
    assert_eq!(world.stage(), Stage::Refunded);
    world.check();
}

#[test]
fn who_came_after_the_named_block_is_not_silent_but_was_never_asked() {
    let mut world = verified(|_| {});
    let (yes, _) = world.fund(sat(400_000));
    let (_, quiet) = world.fund(sat(100_000));
    let submission = world.submit();
    let (newcomer, late) = world.fund(sat(200_000));
    world.vote(submission, yes, Choice::Yes, 1).unwrap();
    world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
    world.judge(submission, true).unwrap();
    let verdicts = world.task().verdicts(world.task().submission(&submission).unwrap(), &world.chain.tip());
    assert_eq!(verdicts.into_values().collect::<Vec<_>>(), [Verdict::Pay, Verdict::Pay, Verdict::Wait]);
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    let spent: Vec<OutPoint> = world.plan(id).outpoints().collect();
    assert!(spent.contains(&quiet) && !spent.contains(&late));
    // A yes of their own releases it all the same.
    world.vote(submission, newcomer, Choice::Yes, 1).unwrap();
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    assert!(world.plan(id).outpoints().any(|outpoint| outpoint == late));
}

#[test]
fn two_signers_give_everything_back_before_t() {
    let mut world = verified(|_| {});
    let (first, _) = world.fund(sat(400_000));
    let (second, _) = world.fund(sat(250_000));
    world.pay(0, sat(30_000));
    world.mine(1);
    let id = world.settle(Kind::EarlyReturn, [Role::Developer, Role::Arbiter]).unwrap();
    let fee = fee_of(&world, world.plan(id).form(0, 0).unwrap().txid);
    let pot = world.chain.received(&world.task().charter().pot().unwrap().script_pubkey());
    assert_eq!(returned_to(&world, first) + returned_to(&world, second) + pot + fee, sat(680_000));
    assert!(returned_to(&world, first) > sat(399_000) && pot > sat(29_000));
    assert_eq!(payees(&world), [Amount::ZERO; 3]);
    assert_eq!(world.stage(), Stage::Returned);
    world.check();
}

#[test]
fn after_t_one_batch_of_pairs_refunds_many_and_the_ladder_the_rest() {
    let mut world = verified(|_| {});
    let pledges: Vec<(u32, OutPoint)> =
        [110_000, 220_000, 330_000, 10_000].map(|amount| world.fund(sat(amount))).to_vec();
    let bundle = |world: &World, at: usize| world.task().outpoints()[&pledges[at].1].refund.clone().unwrap();
    let batched = [bundle(&world, 0), bundle(&world, 1), bundle(&world, 2)];
    let purse = world.chain.purse();
    let fee_input = refund::FeeInput {
        outpoint: purse,
        prevout: world.chain.output(&purse).unwrap(),
        weight: fee::KEY_PATH_INPUT,
    };
    let change = testing::address(world.network, 50).script_pubkey();
    let pairs: Vec<_> = batched.iter().collect();
    let batch = refund::batch(&pairs, &[fee_input], &change, FeeRate::from_sat_per_vb(3).unwrap()).unwrap();

    // At T itself nodes refuse it; a second later they take it.
    world.advance_to(testing::REFUND_TIME);
    assert_eq!(world.stage(), Stage::Working, "T is not past when the median time equals it");
    assert_eq!(world.chain.broadcast(&batch.transaction), Err(Rejected::NotFinal));
    world.advance_to(testing::REFUND_TIME + 1);
    assert_eq!(world.stage(), Stage::Refunding);
    world.chain.broadcast(&batch.transaction).unwrap();
    world.mine(1);
    assert_eq!(world.stage(), Stage::Refunding, "one is left");
    for (index, outpoint) in &pledges[..3] {
        assert_eq!(returned_to(&world, *index), world.task().outpoints()[outpoint].amount);
        assert_eq!(ended_by(&world, outpoint).0, Ending::Refunded);
    }

    let rungs = bundle(&world, 3).ladder();
    assert_eq!(rungs.iter().map(|(rung, _)| rung.sat_per_vb).collect::<Vec<_>>(), [1, 2, 5, 10, 25]);
    assert_eq!(world.chain.broadcast(&rungs[3].1), Err(Rejected::NotFinal), "the top is locked for longer");
    world.chain.broadcast(&rungs[0].1).unwrap();
    world.chain.broadcast(&rungs[2].1).unwrap();
    world.mine(1);
    assert_eq!(world.stage(), Stage::Refunded);
    assert_eq!(returned_to(&world, pledges[3].0), sat(10_000 - 5 * 138), "138 vB at 5 sat/vB");
    assert_eq!(world.totals().refunded, sat(670_000));
    world.check();
}

#[test]
fn nothing_ever_came() {
    let mut world = verified(|_| {});
    let fields = world.task().charter().fields().clone();
    world.issue(sat(10_000));
    world.advance_to(fields.funding_close + 1);
    assert_eq!(world.stage(), Stage::Working);
    world.advance_to(fields.refund_time + 1);
    assert_eq!(world.stage(), Stage::Expired);
    world.check();
}

#[test]
fn addresses_wait_for_three_attestations_and_a_known_chain() {
    let fields = testing::fields(crate::escrow::network::Network::Regtest);
    let mut world = World::bare(&fields);
    world.draft(&fields);
    assert_eq!(world.stage(), Stage::Draft);
    assert_eq!(world.give(&world.issue_command(1, sat(10_000))).unwrap_err().code(), "chain_unknown");
    world.attest_all();
    assert_eq!(world.stage(), Stage::Attested);
    assert!(!world.task().opened() && world.task().scripts().is_empty(), "no address without a chain");
    world.sync();
    assert_eq!(world.stage(), Stage::Open);
    assert_eq!(world.give(&world.attest_command(Role::Arbiter)), Ok(0), "again changes nothing");
    world.check();
}
