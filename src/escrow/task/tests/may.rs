//! What may be said, as it is told beforehand, is what is taken when it is said.

use super::random::{Life, step};
use super::sat;
use crate::escrow::charter::SubmissionsOpen;
use crate::escrow::event::Command;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Acceptance, Choice, Role, Ruling, Signed};
use crate::escrow::task::Refused;
use crate::escrow::testing::{World, statement_keypair};
use proptest::prelude::*;

/// Counter of a vote and share of a ruling that random lives never have: a word that is
/// known already is taken again whatever the rule says.
const NEVER_SAID: (u32, u16) = (1_000, 9_999);

fn code(said: Result<(), Refused>) -> Option<&'static str> {
    said.err().map(|refused| refused.code())
}

/// Says everything that could be said now, without anything coming of it, and compares with what was told.
fn agrees(world: &World) {
    let (task, tip) = (world.task(), world.book.tip());
    let at = tip.expect("synced");
    let (network, charter) = (world.network, world.id);
    let taken = |command: &Command| match task.decide(command, tip) {
        Ok(events) => {
            assert!(!events.is_empty(), "nobody said it before");
            None
        }
        Err(refused) => Some(refused.code()),
    };
    assert_eq!(code(task.may_submit(at)), taken(&world.submit_command(world.submission())));
    let (counter, pay_bps) = NEVER_SAID;
    for submission in task.submissions() {
        let id = submission.id;
        let ruling = Ruling { network, charter, submission: id, pay_bps };
        let ruling = Signed::new(&world.secp, ruling, &statement_keypair(network, Role::Arbiter));
        assert_eq!(code(task.may_rule(submission, at)), taken(&Command::RuleNoes { ruling }));
        for accepted in [true, false] {
            let known = submission.acceptance.as_ref().map(|signed| signed.statement.accepted);
            let told = code(task.may_judge(submission, accepted));
            if known == Some(accepted) {
                assert_eq!(told, Some("already_judged"), "there is nothing left to say");
                continue;
            }
            let acceptance = Acceptance { network, charter, submission: id, accepted };
            let key = statement_keypair(network, Role::Representative);
            let acceptance = Signed::new(&world.secp, acceptance, &key);
            assert_eq!(told, taken(&Command::JudgeWork { acceptance }));
        }
        for pledge in task.pledges().keys() {
            let vote = world.vote_statement(id, *pledge, Choice::Yes, counter);
            assert_eq!(code(task.may_vote(submission, *pledge, at)), taken(&world.vote_command(vote)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 100, ..ProptestConfig::default() })]
    #[test]
    fn what_is_told_beforehand_is_what_is_taken(
        waits in any::<bool>(),
        amounts in prop::collection::vec(10_000u64..900_000, 0..4),
        steps in prop::collection::vec(step(), 5..40),
    ) {
        let mut life = Life::under(|fields| {
            if waits {
                fields.submissions_open = SubmissionsOpen::WhenTargetCredited;
            }
        });
        for amount in &amounts {
            life.world.fund(sat(*amount));
        }
        for step in &steps {
            life.step(step);
            agrees(&life.world);
        }
    }
}

#[test]
fn every_rule_is_told_once_on_a_way_through() {
    let mut world = World::new(|fields| fields.submissions_open = SubmissionsOpen::WhenTargetCredited);
    let told = |world: &World| code(world.task().may_submit(world.book.tip().unwrap()));
    world.fund(sat(400_000));
    assert_eq!(told(&world), Some("target_missing"));
    agrees(&world);
    world.fund(sat(600_000));
    assert_eq!(told(&world), None);
    let id = world.submit();
    assert_eq!(told(&world), Some("still_voting"));
    agrees(&world);

    // A yes that two have signed upon is used; the other pledge may still speak.
    world.vote(id, 1, Choice::Yes, 0).unwrap();
    let payout = world.propose(Kind::Payout { submission: id }, 1).unwrap();
    for role in [Role::Developer, Role::Arbiter] {
        let signatures = world.signatures(payout, role);
        world.give(&Command::SignSettlement { settlement: payout, signatures }).unwrap();
    }
    let of = |world: &World, pledge| {
        let task = world.task();
        code(task.may_vote(&task.submissions()[0], pledge, world.book.tip().unwrap()))
    };
    assert_eq!(
        (of(&world, 1), of(&world, 2), of(&world, 3)),
        (Some("vote_settled"), None, Some("unknown_pledge"))
    );
    agrees(&world);
    world.vote(id, 2, Choice::No, 0).unwrap();

    let ruled = |world: &World| {
        let task = world.task();
        code(task.may_rule(&task.submissions()[0], world.book.tip().unwrap()))
    };
    let judged = |world: &World| {
        let submission = &world.task().submissions()[0];
        [true, false].map(|accepted| code(world.task().may_judge(submission, accepted)))
    };
    assert_eq!((ruled(&world), judged(&world)), (Some("ruling_too_early"), [None, None]));
    let window = world.task().window(&world.task().submissions()[0]).unwrap();
    world.advance_to(u32::try_from(window.closes_secs).unwrap() + 1);
    assert_eq!((ruled(&world), of(&world, 2)), (None, Some("voting_closed")));
    agrees(&world);
    world.rule(id, 5_000).unwrap();
    assert_eq!((ruled(&world), judged(&world)), (Some("already_ruled"), [None, Some("already_ruled")]));
    agrees(&world);
    world.judge(id, true).unwrap();
    assert_eq!(judged(&world), [Some("already_judged"); 2]);
    agrees(&world);
    world.advance_to(world.task().charter().fields().work_deadline + 1);
    assert_eq!(told(&world), Some("work_deadline"));
    agrees(&world);
}

#[test]
fn a_ruling_that_comes_too_late_is_told_and_the_representative_may_still_speak() {
    let mut world = World::new(|_| {});
    world.fund(sat(400_000));
    world.submit();
    let window = world.task().window(&world.task().submissions()[0]).unwrap();
    world.advance_to(u32::try_from(window.ruling_ends_secs).unwrap() + 1);
    let (task, tip) = (world.task(), world.book.tip().unwrap());
    let submission = &task.submissions()[0];
    assert_eq!(code(task.may_rule(submission, tip)), Some("ruling_too_late"));
    assert_eq!((task.may_judge(submission, true), task.may_judge(submission, false)), (Ok(()), Ok(())));
    agrees(&world);
}
