//! What the core lets a settlement pay of one pledge, for every way in which three milestones may have ended: each
//! case is lived through in the testing world, and its answer is the core's own.

use super::ClosingCase;
use upfront::escrow::charter::{CharterFields, Milestone};
use upfront::escrow::network::DAY_SECS;
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Choice, Role};
use upfront::escrow::testing::World;

const SHARES: [u16; 3] = [5_000, 3_333, 1_667];
const RULED_BPS: u16 = 4_000;

/// How one milestone of a pledge may stand.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Paid before; what is left does not hold it any more.
    Covered,
    /// The sponsor said yes.
    Paid,
    /// The sponsor said no, and the arbiter ruled.
    Ruled,
    /// Nothing was submitted, and its time is over.
    Lost,
    /// Nothing was submitted yet.
    Pending,
}

const PARTS: [Part; 5] = [Part::Covered, Part::Paid, Part::Ruled, Part::Lost, Part::Pending];

fn word(part: Part) -> String {
    match part {
        Part::Covered => "covered".into(),
        Part::Paid => "paid".into(),
        Part::Ruled => format!("ruled {RULED_BPS}"),
        Part::Lost => "lost".into(),
        Part::Pending => "pending".into(),
    }
}

/// The part of an outpoint that is paid, in basis points: the words of its milestones weighed by their shares. What
/// stays in escrow counts as nothing paid, what was covered is not there any more.
pub fn weighed(shares: &[u16], parts: &[String]) -> u16 {
    let pays = |part: &str| match part.strip_prefix("ruled ") {
        Some(bps) => bps.parse::<u64>().unwrap(),
        None if part == "paid" => 10_000,
        None => 0,
    };
    let open = || shares.iter().zip(parts).filter(|(_, part)| *part != "covered");
    let whole: u64 = open().map(|(share, _)| u64::from(*share)).sum();
    let paid: u64 = open().map(|(share, part)| u64::from(*share) * pays(part)).sum();
    u16::try_from(paid / whole).unwrap()
}

fn fields(fields: &mut CharterFields) {
    let due = [14, 7, 0].map(|days| fields.work_deadline - days * DAY_SECS);
    fields.milestones =
        SHARES.into_iter().zip(due).map(|(share_bps, due)| Milestone { share_bps, due }).collect();
    fields.review_secs = 600;
    fields.ruling_secs = 600;
}

pub fn all() -> Vec<ClosingCase> {
    let mut cases = Vec::new();
    for first in PARTS {
        for second in PARTS {
            for third in PARTS {
                let parts = [first, second, third];
                // Milestones are due one after the other: after one whose time has not come, no other's is over.
                let pending = parts.iter().position(|part| *part == Part::Pending).unwrap_or(3);
                let ended = parts[pending..].iter().all(|part| *part == Part::Pending);
                if ended && parts.iter().any(|part| matches!(part, Part::Paid | Part::Ruled)) {
                    cases.extend(lived(parts));
                }
            }
        }
    }
    cases
}

fn lived(parts: [Part; 3]) -> Vec<ClosingCase> {
    let mut world = World::new(fields);
    let (pledge, _) = world.fund(bitcoin::Amount::from_sat(1_000_000));
    let mut submissions = [None; 3];
    for (milestone, part) in (0u32..).zip(parts) {
        let mut submit = || world.submit_milestone(milestone);
        match part {
            Part::Lost | Part::Pending => continue,
            Part::Covered => {
                let submission = submit();
                world.vote_and_prepare(submission, pledge, 1);
                world.settle(Kind::Milestone { submission }, [Role::Developer, Role::Arbiter]).unwrap();
            }
            Part::Paid => {
                let submission = submit();
                world.vote(submission, pledge, Choice::Yes, 1).unwrap();
                submissions[milestone as usize] = Some(submission);
            }
            Part::Ruled => {
                let submission = submit();
                world.vote(submission, pledge, Choice::No, 1).unwrap();
                submissions[milestone as usize] = Some(submission);
            }
        }
        world.advance_to(world.chain.tip().mtp_secs + 601);
        if let (Part::Ruled, Some(submission)) = (part, submissions[milestone as usize]) {
            world.rule(submission, RULED_BPS).unwrap();
        }
    }
    if let Some(last) = parts.iter().rposition(|part| *part == Part::Lost) {
        let due = world.task().charter().fields().milestones[last].due;
        world.advance_to(due + 1);
    }
    let tip = *world.book.tip().unwrap();
    let held = world.task().outpoints().values().find(|held| held.unspent()).unwrap().outpoint;
    let words: Vec<String> = parts.into_iter().map(word).collect();
    let mut cases = Vec::new();
    for (milestone, submission) in submissions.into_iter().enumerate() {
        let Some(submission) = submission else { continue };
        let kinds = match parts[milestone] {
            Part::Paid => {
                vec![("milestone", Kind::Milestone { submission }), ("payout", Kind::Payout { submission })]
            }
            _ => vec![("ruling", Kind::Ruling { submission })],
        };
        for (name, kind) in kinds {
            let entitlements = world.task().entitlements(&kind, &tip).unwrap();
            let pay_bps = entitlements.get(&held).map(|entitlement| entitlement.pay.get());
            cases.push(ClosingCase {
                shares_bps: SHARES.to_vec(),
                parts: words.clone(),
                kind: name.into(),
                milestone,
                pay_bps,
            });
        }
    }
    cases
}

#[test]
fn closing_payouts_weigh_the_milestones_by_their_shares() {
    let cases = super::read().closings;
    assert!(cases.len() > 100);
    for case in &cases {
        let has = |word: &str| case.parts.iter().any(|part| part.starts_with(word));
        let open = case.parts.iter().filter(|part| *part != "covered").count();
        let allowed = match case.kind.as_str() {
            "milestone" => open > 1,
            "payout" => !has("pending") && !has("ruled"),
            _ => !has("pending"),
        };
        let own_only = |(at, part): (usize, &String)| {
            if at == case.milestone || part == "covered" { part.clone() } else { "kept".into() }
        };
        let parts = match case.kind.as_str() {
            "milestone" => case.parts.iter().enumerate().map(own_only).collect(),
            _ => case.parts.clone(),
        };
        let expected = allowed.then(|| weighed(&case.shares_bps, &parts));
        assert_eq!(case.pay_bps, expected, "{} of {}: {:?}", case.kind, case.milestone, case.parts);
    }
}
