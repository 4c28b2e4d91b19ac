//! The tables and the diagram of docs/PROTOCOL.md, section 11, against the rules: each cell is tried at its moment of
//! a life, and every change of stage on the way is an arrow.

use super::sat;
use crate::escrow::event::Command;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role, SubmissionId};
use crate::escrow::task::Stage;
use crate::escrow::testing::{self, World};
use std::collections::{BTreeMap, BTreeSet};

const PROTOCOL: &str = include_str!("../../../../docs/PROTOCOL.md");

/// Moments of the table, in the order of its columns.
const MOMENTS: [&str; 8] =
    ["draft", "open", "working", "voting", "deciding", "ruling over", "past cut-off", "past T"];

/// Rows of the table by their first cell: for each moment whether it can be done.
fn table() -> BTreeMap<&'static str, Vec<bool>> {
    let lines = PROTOCOL.lines().skip_while(|line| !line.starts_with("### Who can do what, when"));
    let rows: Vec<Vec<&str>> = lines
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let [head, _, body @ ..] = rows.as_slice() else { panic!("no table") };
    assert_eq!(head[2..], MOMENTS, "the columns are the moments of this test");
    let cell = |cell: &&str| match *cell {
        "yes" => true,
        "–" => false,
        other => panic!("{other:?} is neither yes nor –"),
    };
    body.iter().map(|row| (row[0], row[2..].iter().map(cell).collect())).collect()
}

/// A world at each moment: three pledges, of which one says yes, one no and one nothing; the work is handed in when
/// funding has closed.
fn moments() -> Vec<World> {
    let fields = testing::fields(crate::escrow::network::Network::Regtest);
    let mut world = World::bare(&fields);
    world.sync();
    world.draft(&fields);
    let mut all = vec![world.clone()];
    world.attest_all();
    for amount in [900_000, 300_000, 400_000] {
        world.fund(sat(amount));
    }
    all.push(world.clone());
    world.advance_to(fields.funding_close + 1);
    all.push(world.clone());
    let submission = world.submit();
    world.vote(submission, 1, Choice::Yes, 0).unwrap();
    world.vote(submission, 2, Choice::No, 0).unwrap();
    all.push(world.clone());
    let window = world.task().window(&world.task().submissions()[0]).unwrap();
    for after in [window.closes_secs, window.ruling_ends_secs] {
        world.advance_to(u32::try_from(after).unwrap() + 1);
        all.push(world.clone());
    }
    world.advance_to(world.task().charter().cutoff_secs() + 1);
    all.push(world.clone());
    world.advance_to(fields.refund_time + 1);
    all.push(world.clone());
    all
}

fn id(world: &World) -> Option<SubmissionId> {
    world.task().submissions().first().map(|submission| submission.id)
}

/// Whether a settlement could be proposed and signed, after some words that must come first.
fn settles(
    world: &World,
    kind: Option<Kind>,
    first: impl FnOnce(&mut World) -> bool,
    signers: [Role; 2],
) -> bool {
    let mut world = world.clone();
    let Some(kind) = kind else { return false };
    first(&mut world) && world.settle(kind, signers).is_ok()
}

/// What can be done at a moment, tried.
fn tried(row: &str, world: &World) -> bool {
    let (task, tip) = (world.task(), *world.book.tip().unwrap());
    let submission = task.submissions().first();
    let payout = id(world).map(|submission| Kind::Payout { submission });
    let pays = |world: &World, index: u32| {
        let tip = world.book.tip().unwrap();
        let kind = Kind::Payout { submission: id(world).unwrap() };
        let due = world.task().entitlements(&kind, tip).unwrap();
        due.iter().any(|(outpoint, due)| {
            world.task().outpoints()[outpoint].slot.index == index && due.pay.get() > 0
        })
    };
    match row {
        "attest" => world.clone().give(&world.attest_command(Role::Arbiter)).is_ok_and(|records| records > 0),
        "take an address" => task.may_pledge(&tip).is_ok(),
        "submit work" => task.may_submit(&tip).is_ok(),
        "vote for the first time" => submission.is_some_and(|s| task.may_vote(s, 3, &tip).is_ok()),
        "change a vote" => submission.is_some_and(|s| task.may_vote(s, 1, &tip).is_ok()),
        "accept or refuse the work" => {
            submission.is_some_and(|s| task.may_judge(s, true).is_ok() && task.may_judge(s, false).is_ok())
        }
        "rule over the noes" => submission.is_some_and(|s| task.may_rule(s, &tip).is_ok()),
        "pay what a yes released" => {
            settles(world, payout, |world| pays(world, 1), [Role::Developer, Role::Representative])
        }
        "pay the silent, with an acceptance" => {
            let accepted =
                |world: &mut World| world.judge(id(world).unwrap(), true).is_ok() && pays(world, 3);
            settles(world, payout, accepted, [Role::Developer, Role::Arbiter])
        }
        "carry out a ruling given in time" => {
            // Given while it may be, and then carried out at this moment.
            let Some(submission) = id(world) else { return false };
            let ruled = |world: &mut World| world.task().submissions()[0].ruling.is_some();
            let mut ruled_world = ruled_life(world.book.tip().unwrap().mtp_secs);
            let kind = Some(Kind::Ruling { submission });
            ruled_world.as_mut().is_some_and(|w| settles(w, kind, ruled, [Role::Arbiter, Role::Developer]))
        }
        "give everything back early" => {
            settles(world, Some(Kind::EarlyReturn), |_| true, [Role::Representative, Role::Arbiter])
        }
        "refund, by a signature of S alone" => {
            let Some(held) = task.outpoints().values().next() else { return false };
            let (_, refund) = world.bundle(held.outpoint).ladder().remove(0);
            world.clone().chain.broadcast(&refund).is_ok()
        }
        other => panic!("{other:?} is a row that this test cannot try"),
    }
}

/// The same life in which the arbiter rules as soon as it is allowed, at this time; none before.
fn ruled_life(mtp_secs: u32) -> Option<World> {
    let mut world = moments().swap_remove(4);
    let submission = id(&world)?;
    if world.book.tip()?.mtp_secs > mtp_secs {
        return None;
    }
    world.rule(submission, 5_000).unwrap();
    world.advance_to(mtp_secs);
    Some(world)
}

#[test]
fn who_can_do_what_when_is_as_the_protocol_says() {
    let (table, worlds) = (table(), moments());
    assert_eq!(table.len(), 12);
    for (row, cells) in table {
        for ((moment, world), told) in MOMENTS.iter().zip(&worlds).zip(cells) {
            assert_eq!(tried(row, world), told, "{row}: {moment}");
        }
    }
}

fn name(stage: Stage) -> String {
    serde_json::to_value(stage).unwrap().as_str().unwrap().to_owned()
}

/// Arrows of the diagram.
fn arrows() -> BTreeSet<(String, String)> {
    let lines =
        PROTOCOL.lines().skip_while(|line| *line != "stateDiagram-v2").take_while(|line| *line != "```");
    let arrow = |line: &str| {
        let (from, to) = line.split_once("-->")?;
        let to = to.split_once(':').map_or(to, |(to, _)| to);
        Some((from.trim().to_owned(), to.trim().to_owned()))
    };
    lines.filter_map(arrow).collect()
}

#[test]
fn every_stage_is_in_the_diagram_and_every_change_on_the_way_is_an_arrow() {
    let arrows = arrows();
    for stage in Stage::ALL.map(name) {
        assert!(arrows.iter().any(|(_, to)| *to == stage), "nothing leads to {stage}");
    }
    let known: BTreeSet<String> = Stage::ALL.map(name).into_iter().chain(["[*]".to_owned()]).collect();
    for (from, to) in &arrows {
        assert!(known.contains(from) && known.contains(to), "{from} --> {to}");
    }
    let lives: Vec<Vec<Stage>> =
        vec![moments().iter().map(World::stage).collect(), paid(false), paid(true), back(), nothing_came()];
    for life in lives {
        for pair in life.windows(2).filter(|pair| pair[0] != pair[1]) {
            let step = (name(pair[0]), name(pair[1]));
            assert!(arrows.contains(&step), "{step:?} of {life:?}");
        }
    }
}

/// Stages on the way to a payout; of part of the money, with the rest refunded, or of all.
fn paid(all: bool) -> Vec<Stage> {
    let mut world = World::new(|fields| fields.depth = 2);
    let mut life = vec![Stage::Draft, world.stage()];
    world.fund(sat(600_000));
    if !all {
        world.fund(sat(600_000));
    }
    let submission = world.submit();
    life.push(world.stage());
    world.vote(submission, 1, Choice::Yes, 0).unwrap();
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    for role in [Role::Developer, Role::Arbiter] {
        let signatures = world.signatures(id, role);
        world.give(&Command::SignSettlement { settlement: id, signatures }).unwrap();
        life.push(world.stage());
    }
    world.broadcast(id, 0, 0);
    for _ in 0..2 {
        world.mine(1);
        life.push(world.stage());
    }
    if all {
        assert_eq!(life.last(), Some(&Stage::Paid));
        return life;
    }
    // The other half lies there: through the rest of the life, and then back.
    let window = world.task().window(&world.task().submissions()[0]).unwrap();
    let fields = world.task().charter().fields().clone();
    let mut times = vec![
        u32::try_from(window.closes_secs).unwrap() + 1,
        u32::try_from(window.ruling_ends_secs).unwrap() + 1,
        fields.funding_close + 1,
        fields.refund_time + 1,
    ];
    times.sort_unstable();
    for at in times {
        world.advance_to(at);
        life.push(world.stage());
    }
    let left = world.task().outpoints().values().find(|held| held.slot.index == 2).unwrap().outpoint;
    let (_, refund) = world.bundle(left).ladder().remove(0);
    world.chain.broadcast(&refund).unwrap();
    world.mine(2);
    life.push(world.stage());
    assert_eq!(life.last(), Some(&Stage::Refunded));
    life
}

fn back() -> Vec<Stage> {
    let mut world = World::new(|_| {});
    let mut life = vec![world.stage()];
    world.fund(sat(600_000));
    world.advance_to(world.task().charter().fields().funding_close + 1);
    life.push(world.stage());
    let id = world.propose(Kind::EarlyReturn, 1).unwrap();
    world.sign(id, Role::Developer).unwrap();
    life.push(world.stage());
    world.sign(id, Role::Representative).unwrap();
    world.broadcast(id, 0, 0);
    world.mine(1);
    life.push(world.stage());
    assert_eq!(life.last(), Some(&Stage::Returned));
    life
}

/// Attested before the chain is known; then open, and nobody comes.
fn nothing_came() -> Vec<Stage> {
    let fields = testing::fields(crate::escrow::network::Network::Regtest);
    let mut world = World::bare(&fields);
    world.draft(&fields);
    let mut life = vec![world.stage()];
    world.attest_all();
    life.push(world.stage());
    world.sync();
    life.push(world.stage());
    for at in [fields.funding_close + 1, fields.refund_time + 1] {
        world.advance_to(at);
        life.push(world.stage());
    }
    assert_eq!(life.last(), Some(&Stage::Expired));
    life
}
