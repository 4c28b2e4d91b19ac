//! A sponsor moves alone from T on: what is sent, where it arrives, and that it is told as moved there and as nothing
//! else, whatever blocks, reorgs and the ordinary refund do.

use super::{sat, verified};
use crate::escrow::charter::CharterFields;
use crate::escrow::due::{Effect, due, rung_due};
use crate::escrow::event::{Command, Event};
use crate::escrow::network::DAY_SECS;
use crate::escrow::pledge::{Destination, Ended, Ending, Standing, Surplus};
use crate::escrow::refund::{LadderSignatures, RefundBundle};
use crate::escrow::statement::CharterId;
use crate::escrow::task::{Refused, Stage};
use crate::escrow::testing::World;
use bitcoin::{Amount, FeeRate, OutPoint, Txid};

/// Takes pledges long after the T of the first task.
fn later(fields: &mut CharterFields) {
    let later_secs = 280 * DAY_SECS;
    fields.refund_time += later_secs;
    fields.funding_close += later_secs;
    fields.work_deadline += later_secs;
    fields.milestones[0].due += later_secs;
}

/// A pledge of half a million with what its sponsor handed in to move it, at T and a second.
fn at_t(change: impl FnOnce(&mut CharterFields)) -> (World, u32, OutPoint, (CharterId, u32)) {
    let mut world = verified(|_| ());
    let (index, outpoint) = world.fund(sat(500_000));
    let to = world.elsewhere(index, |fields| {
        later(fields);
        change(fields);
    });
    assert_eq!(world.move_late(outpoint, to), Ok(1));
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time + 1);
    (world, index, outpoint, to)
}

fn ended(world: &World, outpoint: &OutPoint) -> Option<Ended> {
    world.task().ended(&world.task().outpoints()[outpoint], world.book.tip().unwrap())
}

/// What is raised here, settled here, refunded here, and raised there.
fn sums(world: &World, to: CharterId) -> [u64; 4] {
    let (here, there) = (world.totals(), world.other_totals(&to));
    [here.raised, here.settled, here.refunded, there.raised].map(Amount::to_sat)
}

#[test]
fn from_t_on_a_sponsor_moves_alone_with_the_refund_ready_there() {
    let mut world = verified(|_| ());
    let (index, outpoint) = world.fund(sat(500_000));
    let to = world.elsewhere(index, later);
    let (consent, ladder) = world.late_move(outpoint, to);
    let late = |ladder| Command::SignLateMove { consent: consent.clone(), ladder };
    // An ordinary refund's is none: it pays another address.
    let back = world.bundle(outpoint).signatures().ladder.clone();
    let back = LadderSignatures { ladder: back, ..ladder.signatures().clone() };
    assert!(matches!(world.give(&late(back)), Err(Refused::Bundle(_))));
    for short in [0, 6] {
        let mut short_of = ladder.signatures().clone();
        short_of.ladder.truncate(short);
        assert_eq!(world.give(&late(short_of)).unwrap_err().code(), "bad_refund");
    }
    let all = late(ladder.signatures().clone());
    assert_eq!(world.give(&all).unwrap_err().code(), "move_target", "unprepared");
    let mut arrivals = world.arrivals(&ladder, to);
    let last = arrivals.pop().unwrap();
    for command in arrivals {
        world.give_to(to.0, &command).unwrap();
    }
    assert_eq!(world.give(&all).unwrap_err().code(), "move_target", "each rung has its refund");
    world.give_to(to.0, &last).unwrap();
    assert_eq!(world.give(&all), Ok(1));
    assert_eq!(world.give(&all), Ok(0), "twice is once");
    let elsewhere = world.elsewhere(index, |fields| {
        later(fields);
        fields.licence = "0BSD".into();
    });
    let (other, its) = world.late_move(outpoint, elsewhere);
    let other = Command::SignLateMove { consent: other, ladder: its.signatures().clone() };
    assert_eq!(world.give(&other).unwrap_err().code(), "move_signed", "it goes one way");
    assert!(!world.log.last().unwrap().contains("pair"), "a pair is neither taken nor kept");
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time);
    assert_eq!(due(&world.book), []);
    world.advance_to(refund_time + 1);
    assert_eq!(due(&world.book), [Effect::Refund { outpoints: vec![outpoint], replaces: None }]);
    let held = &world.task().outpoints()[&outpoint];
    let rungs = held.late_move.as_ref().unwrap().ladder().unwrap().rungs();
    let feerate = FeeRate::from_sat_per_vb_u32(2);
    let rung = rung_due(&rungs, held, world.book.tip().unwrap(), feerate).unwrap();
    assert_eq!(rung.compute_txid(), rungs[1].1.compute_txid());
    let txid = world.chain.broadcast(&rung).unwrap();
    world.mine(1);
    world.check();
    let there = world.other(&to.0);
    let arrived = OutPoint { txid, vout: 0 };
    assert_eq!(there.standings(world.book.tip().unwrap())[&arrived], Standing::Credited);
    assert!(there.outpoints()[&arrived].secured());
    assert_eq!(due(&world.book), [], "nothing is sent after it");
}

#[test]
fn what_a_sponsor_moved_alone_is_told_as_moved_there() {
    for at in [0, 2] {
        let (mut world, _, outpoint, to) = at_t(|_| ());
        assert_eq!(sums(&world, to.0), [500_000, 0, 0, 0]);
        let txid = world.send_rung(outpoint, at);
        let value = world.chain.transaction(&txid).unwrap().output[0].value.to_sat();
        assert_eq!(ended(&world, &outpoint), Some(Ended { how: Ending::Moved, txid, depth: 0 }));
        assert_eq!(sums(&world, to.0), [500_000, 0, 0, 0], "what is in no block has moved nothing");
        world.mine(1);
        assert_eq!(ended(&world, &outpoint), Some(Ended { how: Ending::Moved, txid, depth: 1 }));
        let held = &world.task().outpoints()[&outpoint];
        let destination = Destination { to_charter: to.0, to_index: to.1 };
        assert_eq!(world.task().destination(held), Some(destination));
        assert_eq!(sums(&world, to.0), [0, 500_000, 0, value], "it leaves here, and is raised there");
        assert_eq!(world.stage(), Stage::Returned, "as where two signed the move");
        world.check();

        // The block goes, and the rung waits again; then it comes back deeper.
        world.chain.disconnect(1);
        world.sync();
        assert_eq!(ended(&world, &outpoint), Some(Ended { how: Ending::Moved, txid, depth: 0 }));
        assert_eq!(sums(&world, to.0), [500_000, 0, 0, 0]);
        assert_eq!(world.stage(), Stage::Refunding);
        world.mine(2);
        assert_eq!(sums(&world, to.0), [0, 500_000, 0, value]);
        world.check();
    }
}

/// Takes what is in the mempool back, and has the ordinary refund mined.
fn refund_wins(world: &mut World, outpoint: OutPoint, rung: Option<Txid>) -> Txid {
    if let Some(rung) = rung {
        world.chain.drop_from_mempool(&rung);
    }
    let (_, refund) = world.bundle(outpoint).ladder().swap_remove(0);
    let txid = world.chain.broadcast(&refund).unwrap();
    world.mine(1);
    txid
}

#[test]
fn where_the_ordinary_refund_wins_it_is_told_as_refunded() {
    let (mut world, index, outpoint, to) = at_t(|_| ());
    let rung = world.send_rung(outpoint, 0);
    world.mine(1);
    world.chain.disconnect(1);
    let txid = refund_wins(&mut world, outpoint, Some(rung));
    assert_eq!(ended(&world, &outpoint), Some(Ended { how: Ending::Refunded, txid, depth: 1 }));
    assert_eq!(world.task().destination(&world.task().outpoints()[&outpoint]), None);
    assert_eq!(sums(&world, to.0), [500_000, 0, 500_000, 0]);
    assert_eq!(world.stage(), Stage::Refunded);
    let arrived = OutPoint { txid: rung, vout: 0 };
    assert!(!world.other(&to.0).outpoints()[&arrived].present, "nothing arrived there");
    let home = world.task().pledges()[&index].refund_address.script_pubkey();
    assert!(world.chain.received(&home) > sat(499_000));
    world.check();
    // What is spent already is signed over to nobody.
    let again = world.move_late(outpoint, to);
    assert_eq!(again, Ok(0), "what was handed in before is no news");
    let (mut late, _, outpoint) = {
        let mut world = verified(|_| ());
        let (index, outpoint) = world.fund(sat(500_000));
        (world, index, outpoint)
    };
    let to = late.elsewhere(1, later);
    let refund_time = late.task().charter().refund_time_secs();
    late.advance_to(refund_time + 1);
    refund_wins(&mut late, outpoint, None);
    assert_eq!(late.move_late(outpoint, to).unwrap_err().code(), "move_target");
}

#[test]
fn a_record_of_the_first_kind_is_read_and_its_pair_put_aside() {
    let mut world = verified(|_| ());
    let (index, outpoint) = world.fund(sat(500_000));
    let to = world.elsewhere(index, later);
    let (consent, ladder) = world.late_move(outpoint, to);
    for command in world.arrivals(&ladder, to) {
        world.give_to(to.0, &command).unwrap();
    }
    let bundle = RefundBundle::sign(&world.secp, ladder.target().clone(), &world.sponsor(index)).unwrap();
    world.record(Event::LateMoveSigned { consent: consent.clone(), refund: bundle.signatures().clone() });
    assert!(world.log.last().unwrap().contains("late_move_signed"));
    let late = world.task().outpoints()[&outpoint].late_move.clone().unwrap();
    assert_eq!((late.consent(), late.ladder()), (&consent, Some(&ladder)));
    // Handed in again as it is today it is nothing new.
    assert_eq!(world.move_late(outpoint, to), Ok(0));
    world.check();
    let mut forged = world.log.last().unwrap().clone();
    let signature = bundle.signatures().pair.to_string();
    forged = forged.replace(&signature, &bundle.signatures().ladder[0].to_string());
    let record = serde_json::from_str(&forged).unwrap();
    assert!(world.book.clone().apply(&record).is_err(), "and is checked as it was");
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time + 1);
    world.send_rung(outpoint, 1);
    world.mine(1);
    assert_eq!(ended(&world, &outpoint).unwrap().how, Ending::Moved);
    assert_eq!(sums(&world, to.0)[..3], [0, 500_000, 0]);
    world.check();
}

#[test]
fn what_arrives_as_surplus_has_its_refund_all_the_same() {
    // Somebody else fills the cap there first.
    let (mut full, index, outpoint, to) = at_t(|fields| {
        fields.target_sat = 400_000;
        fields.cap_sat = 600_000;
    });
    let here = std::mem::replace(&mut full.id, to.0);
    full.fund(sat(300_000));
    full.id = here;
    let rung = full.send_rung(outpoint, 0);
    full.mine(1);
    assert_eq!(sums(&full, to.0), [0, 500_000, 0, 300_000], "moved, and raised nowhere");
    held_as(full, index, OutPoint { txid: rung, vout: 0 }, to, Surplus::OverCap);

    // Funding closes there while the rung waits for a block.
    let (mut closed, index, outpoint, to) = at_t(|_| ());
    let rung = closed.send_rung(outpoint, 0);
    let close = closed.other(&to.0).charter().fields().funding_close;
    closed.advance_to(close + 1);
    closed.mine(1);
    assert_eq!(sums(&closed, to.0), [0, 500_000, 0, 0]);
    held_as(closed, index, OutPoint { txid: rung, vout: 0 }, to, Surplus::Late);
}

/// The sponsor has it back at the T there.
fn held_as(mut world: World, index: u32, arrived: OutPoint, to: (CharterId, u32), reason: Surplus) {
    world.check();
    world.id = to.0;
    assert_eq!(world.standing(&arrived), Standing::Surplus { reason });
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time + 1);
    let refund = world.task().outpoints()[&arrived].refund.clone().expect("it was prepared");
    world.chain.check(&refund.pair()).expect("the pair is valid");
    let (_, rung) = refund.ladder().swap_remove(0);
    world.chain.broadcast(&rung).expect("nodes take it");
    world.mine(1);
    assert_eq!(
        world.task().ended(&world.task().outpoints()[&arrived], world.book.tip().unwrap()).unwrap().how,
        Ending::Refunded
    );
    let home = world.task().pledges()[&index].refund_address.script_pubkey();
    assert!(world.chain.received(&home) > sat(498_000));
}
