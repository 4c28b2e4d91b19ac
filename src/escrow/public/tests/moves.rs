//! What is told where a pledge moves to another charter, by two signers or at T by its sponsor alone.

use super::*;
use crate::escrow::charter::CharterFields;
use crate::escrow::event::Event;
use crate::escrow::network::DAY_SECS;
use crate::escrow::refund::RefundBundle;

fn later(fields: &mut CharterFields) {
    let later_secs = 280 * DAY_SECS;
    fields.refund_time += later_secs;
    fields.funding_close += later_secs;
    fields.work_deadline += later_secs;
    fields.milestones[0].due += later_secs;
}

/// Types of what is told of a task since a number of events, without what the other task says.
fn of(world: &World, charter: CharterId, from: usize) -> Vec<(String, String)> {
    let events = told(world);
    let own = events[from..].iter().filter(|event| event.charter == Some(charter));
    own.map(|event| (event.what.kind().to_owned(), in_words(event))).collect()
}

fn names(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[test]
fn a_move_by_the_sponsor_alone_is_told_as_a_move_and_as_no_refund() {
    let mut world = World::new(|fields| fields.target_sat = 400_000);
    let (index, outpoint) = world.fund(sat(500_000));
    let to = world.elsewhere(index, later);
    world.move_late(outpoint, to).unwrap();
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time + 1);
    let before = told(&world).len();
    let txid = world.send_rung(outpoint, 0);
    world.mine(1);
    let here = of(&world, world.id, before);
    assert_eq!(names(&here), ["spend_seen", "spend_confirmed", "stage_changed"]);
    assert_eq!(here[0].1, "500,000 sat of pledge 1 is being moved to another charter, not confirmed yet");
    assert_eq!(here[1].1, "500,000 sat of pledge 1 moved to another charter");
    let events = told(&world);
    let confirmed = events.iter().find(|event| matches!(event.what, What::SpendConfirmed { .. })).unwrap();
    let data = &serde_json::to_value(&confirmed.what).unwrap()["data"];
    assert_eq!(
        (&data["to_charter"], &data["to_index"], &data["settlement"], &data["txid"]),
        (
            &serde_json::json!(to.0),
            &serde_json::json!(to.1),
            &serde_json::Value::Null,
            &serde_json::json!(txid)
        )
    );
    assert_eq!(
        names(&of(&world, to.0, before)),
        ["payment_seen", "payment_confirmed", "payment_credited", "target_reached"]
    );

    // A reorg takes it back, and the refund is mined in its place.
    let before = told(&world).len();
    world.chain.disconnect(1);
    world.sync();
    world.chain.drop_from_mempool(&txid);
    let (_, refund) = world.bundle(outpoint).ladder().swap_remove(0);
    world.chain.broadcast(&refund).unwrap();
    world.sync();
    world.mine(1);
    assert_eq!(
        names(&of(&world, world.id, before)),
        [
            "reorg",
            "spend_unconfirmed",
            "stage_changed",
            "spend_dropped",
            "refund_sent",
            "refund_confirmed",
            "stage_changed"
        ]
    );
}

#[test]
fn what_is_signed_for_a_spend_that_was_told_already_is_told_again_as_what_it_is() {
    let mut world = World::new(|_| ());
    let (index, outpoint) = world.fund(sat(500_000));
    let to = world.elsewhere(index, later);
    let (consent, ladder) = world.late_move(outpoint, to);
    let refund_time = world.task().charter().refund_time_secs();
    world.advance_to(refund_time + 1);
    let (_, rung) = ladder.rungs().swap_remove(0);
    world.chain.broadcast(&rung).unwrap();
    world.mine(1);
    let before = told(&world).len();
    // A journal of an earlier version may have it in this order.
    let bundle = RefundBundle::sign(&world.secp, ladder.target().clone(), &world.sponsor(index)).unwrap();
    world.record(Event::LateMoveSigned { consent, refund: bundle.signatures().clone() });
    let said = of(&world, world.id, before);
    assert_eq!(
        names(&said),
        ["move_signed", "refund_unconfirmed", "refund_dropped", "spend_confirmed", "stage_changed"]
    );
}

#[test]
fn no_move_takes_a_target_back() {
    let mut world = World::new(|fields| fields.target_sat = 600_000);
    let (index, outpoint) = world.fund(sat(500_000));
    world.fund(sat(200_000));
    let to = world.elsewhere(index, |fields| fields.refund_time += 7 * DAY_SECS);
    let consent = world.consent(outpoint, to);
    let plan = world.task().moved(&consent.statement, 1).unwrap();
    world.give(&crate::escrow::event::Command::SignMove { consent }).unwrap();
    world.prepare(&plan, to.0).unwrap();
    let before = told(&world).len();
    world.settle(Kind::Move { to: to.0 }, [Role::Developer, Role::Arbiter]).unwrap();
    let close = world.task().charter().fields().funding_close;
    world.advance_to(close + 1);
    let here = of(&world, world.id, before);
    assert_eq!(world.totals().raised, sat(200_000));
    let targets = here.iter().filter(|(kind, _)| kind.starts_with("target_"));
    assert_eq!(targets.count(), 0, "{here:?}");
    assert!(here.iter().any(|(_, words)| words == "500,000 sat of pledge 1 moved to another charter"));
    assert!(
        here.iter().any(|(_, words)| words == "Funding closed with 200,000 sat of 600,000 sat"),
        "{here:?}"
    );
}
