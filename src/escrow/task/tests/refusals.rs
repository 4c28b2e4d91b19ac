//! Every refusal that can be reached is reached, by its code, and leaves the book as it was.

use super::{sat, verified};
use crate::escrow::charter::{Charter, CharterFields, SubmissionsOpen, VoteOpens};
use crate::escrow::event::Command;
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role, SettlementId, Signed, SubmissionId};
use crate::escrow::task::Refused;
use crate::escrow::testing::{self, World};
use bitcoin::bip32::{ChildNumber, DerivationPath};
use bitcoin::{Amount, OutPoint};

/// Not reached by any test: a second attestation of a seat is taken as the first; indexes end at 2^31;
/// no two slots share a script; and only a settlement of more than 850 outpoints has two transactions,
/// of which a later one could miss one.
const UNREACHED: [&str; 4] = ["already_attested", "no_index_left", "address_reused", "settlement_under_way"];

fn drafting(change: impl FnOnce(&mut CharterFields)) -> Refused {
    let mut world = verified(|_| {});
    let mut fields = testing::fields(Network::Signet);
    change(&mut fields);
    // Two years and more before T.
    if fields.refund_time > testing::REFUND_TIME {
        world.chain = crate::escrow::testing::FakeChain::new(testing::REFUND_TIME);
        world.sync();
    }
    let charter = Charter::from_fields(fields).unwrap();
    world.book.draft(charter.bytes(), testing::TEXT, None).unwrap_err()
}

fn later(fields: &mut CharterFields, secs: u32) {
    for time in [
        &mut fields.refund_time,
        &mut fields.funding_close,
        &mut fields.work_deadline,
        &mut fields.milestones[0].due,
    ] {
        *time += secs;
    }
}

#[test]
fn drafts() {
    let world = verified(|_| {});
    let charter = testing::charter(Network::Regtest);
    let draft = |bytes: &[u8], text: &str| world.book.draft(bytes, text, None).unwrap_err().code();
    assert_eq!(draft(b"{", testing::TEXT), "charter_not_json");
    assert_eq!(draft(charter.bytes(), "another text"), "text_hash");
    assert_eq!(draft(charter.bytes(), &"long ".repeat(20_000)), "text_too_long");
    assert_eq!(world.book.draft(charter.bytes(), testing::TEXT, None).unwrap().1, [], "again gives nothing");
    let nobody = |fields: &mut CharterFields| {
        fields.vote_opens = VoteOpens::Merged;
        fields.payees[0].share_bps += fields.leader.take().unwrap().share_bps;
    };
    assert_eq!(drafting(nobody).code(), "nobody_to_confirm");
    assert_eq!(drafting(|fields| later(fields, 110 * 7 * DAY_SECS)).code(), "refund_time_too_far");
    let mut late = verified(|_| {});
    late.advance_to(charter.fields().funding_close);
    let mut fields = charter.fields().clone();
    fields.cap_sat += 1;
    let other = Charter::from_fields(fields).unwrap();
    assert_eq!(late.book.draft(other.bytes(), testing::TEXT, None).unwrap_err().code(), "funding_close_past");
}

type Case = (&'static str, fn() -> (World, Result<usize, Refused>));

/// A world with one credited pledge and one submission.
fn submitted() -> (World, u32, SubmissionId) {
    let mut world = verified(|_| {});
    let (index, _) = world.fund(sat(100_000));
    let submission = world.submit();
    (world, index, submission)
}

fn closed() -> (World, u32, SubmissionId) {
    let (mut world, index, submission) = submitted();
    world.vote(submission, index, Choice::No, 1).unwrap();
    world.advance_to(world.chain.tip().mtp_secs + world.task().charter().fields().review_secs + 1);
    (world, index, submission)
}

/// Gives the command to a clone, so that the world can be compared.
fn given(world: World, command: Command) -> (World, Result<usize, Refused>) {
    let result = world.clone().give(&command);
    (world, result)
}

fn issue(world: World, change: impl FnOnce(&mut Command)) -> (World, Result<usize, Refused>) {
    let mut command = world.issue_command(world.task().next_index(), sat(10_000));
    change(&mut command);
    given(world, command)
}

fn undrafted(attest: bool) -> World {
    let fields = testing::fields(Network::Regtest);
    let mut world = World::bare(&fields);
    if attest {
        world.draft(&fields);
        world.attest_all();
    } else {
        world.sync();
        world.draft(&fields);
    }
    world
}

fn submit(
    change: impl FnOnce(&mut World, &mut crate::escrow::statement::Submission),
) -> (World, Result<usize, Refused>) {
    let mut world = verified(|_| {});
    world.mine(5);
    let mut submission = world.submission();
    change(&mut world, &mut submission);
    let command = world.submit_command(submission);
    given(world, command)
}

const CASES: &[Case] = &[
    ("chain_unknown", || issue(undrafted(true), |_| {})),
    ("not_open", || issue(undrafted(false), |_| {})),
    ("bad_signature", || {
        let world = undrafted(false);
        let mut command = world.attest_command(Role::Arbiter);
        if let Command::Attest { role, .. } = &mut command {
            *role = Role::Developer;
        }
        given(world, command)
    }),
    ("bad_signature", || {
        // Signed for 10,000 sat or more, it matters not; for another refund address it does.
        issue(verified(|_| {}), |command| {
            if let Command::IssuePledge { refund_address, .. } = command {
                *refund_address = testing::address(Network::Regtest, 5).to_string();
            }
        })
    }),
    ("charter_address", || {
        issue(verified(|_| {}), |command| {
            if let Command::IssuePledge { refund_address, .. } = command {
                *refund_address = "nowhere".into();
            }
        })
    }),
    ("charter_address_network", || {
        issue(verified(|_| {}), |command| {
            if let Command::IssuePledge { refund_address, .. } = command {
                *refund_address = testing::address(Network::Mainnet, 5).to_string();
            }
        })
    }),
    ("descriptor", || {
        let world = verified(|_| {});
        let normal = |index| ChildNumber::from_normal_idx(index).unwrap();
        let path: DerivationPath = vec![normal(0), normal(1)].into();
        let account = testing::account(world.network, Role::Arbiter);
        let key = account.derive_priv(&world.secp, &path).unwrap().to_keypair(&world.secp);
        issue(world, |command| {
            if let Command::IssuePledge { sponsor_key, .. } = command {
                *sponsor_key = key.x_only_public_key().0;
            }
        })
    }),
    ("funding_closed", || {
        let mut world = verified(|_| {});
        world.advance_to(world.task().charter().fields().funding_close + 1);
        issue(world, |_| {})
    }),
    ("index_taken", || {
        let mut world = verified(|_| {});
        world.issue(sat(10_000));
        let mut command = world.issue_command(2, sat(10_000));
        if let Command::IssuePledge { index, .. } = &mut command {
            *index = 1;
        }
        given(world, command)
    }),
    ("index_taken", || {
        let world = verified(|_| {});
        let command = world.issue_command(2, sat(10_000));
        given(world, command)
    }),
    ("refund_to_escrow", || {
        // Its own address.
        let world = verified(|_| {});
        let key = world.sponsor(1).x_only_public_key().0;
        let own = world.task().candidate(1, key).unwrap().address;
        let command = world.issue_to(1, sat(10_000), &own);
        given(world, command)
    }),
    ("refund_to_escrow", || {
        // One of another task.
        let mut world = verified(|_| {});
        let open = world.task().open_output().address.clone();
        let mut fields = world.task().charter().fields().clone();
        fields.cap_sat += 1;
        world.draft(&fields);
        world.attest_all();
        let command = world.issue_to(1, sat(10_000), &open);
        given(world, command)
    }),
    ("below_minimum", || {
        let world = verified(|_| {});
        let command = world.issue_command(1, sat(9_999));
        given(world, command)
    }),
    ("cap_reached", || {
        let mut world = verified(|_| {});
        world.issue(sat(1_995_000));
        issue(world, |_| {})
    }),
    ("unknown_outpoint", || {
        let (world, _, _) = submitted();
        let outpoint = *world.task().outpoints().keys().next().unwrap();
        let mut refund = world.bundle(outpoint).signatures().clone();
        refund.outpoint.vout += 1;
        given(world, Command::SecureRefund { refund })
    }),
    ("gift_has_no_refund", || {
        let (mut world, _, _) = submitted();
        let held = *world.task().outpoints().keys().next().unwrap();
        let gift = world.pay(0, sat(100_000));
        world.mine(1);
        let mut refund = world.bundle(held).signatures().clone();
        refund.outpoint = gift;
        given(world, Command::SecureRefund { refund })
    }),
    ("bad_refund", || {
        let mut world = verified(|_| {});
        let index = world.issue(sat(10_000));
        let outpoint = world.pay(index, sat(10_000));
        world.sync();
        let mut refund = world.bundle(outpoint).signatures().clone();
        refund.ladder.swap(0, 1);
        given(world, Command::SecureRefund { refund })
    }),
    ("submission_number", || submit(|_, submission| submission.number = 1)),
    ("submission_link", || submit(|_, submission| submission.link = " ".into())),
    ("submission_link", || submit(|_, submission| submission.link = "x".repeat(501))),
    ("submission_link", || submit(|_, submission| submission.link = "https://a\u{202e}b".into())),
    ("submission_block", || submit(|_, submission| submission.block_height += 1)),
    ("other_task", || submit(|_, submission| submission.network = Network::Mainnet)),
    ("work_deadline", || {
        submit(|world, submission| {
            world.advance_to(world.task().charter().fields().work_deadline + 1);
            *submission = world.submission();
        })
    }),
    ("target_missing", || {
        let mut world = verified(|fields| fields.submissions_open = SubmissionsOpen::WhenTargetCredited);
        world.fund(sat(999_999));
        let command = world.submit_command(world.submission());
        given(world, command)
    }),
    ("still_voting", || {
        let (world, _, _) = submitted();
        let command = world.submit_command(world.submission());
        given(world, command)
    }),
    ("unknown_submission", || {
        let (world, index, _) = submitted();
        let vote = world.vote_statement(SubmissionId([9; 32]), index, Choice::Yes, 1);
        let command = world.vote_command(vote);
        given(world, command)
    }),
    ("unknown_pledge", || {
        let (world, _, submission) = submitted();
        let vote = world.vote_statement(submission, 7, Choice::Yes, 1);
        let command = world.vote_command(vote);
        given(world, command)
    }),
    ("vote_settled", || {
        let (mut world, index, submission) = submitted();
        world.vote(submission, index, Choice::Yes, 1).unwrap();
        world.settle(Kind::Payout { submission }, [Role::Developer, Role::Arbiter]).unwrap();
        let command = world.vote_command(world.vote_statement(submission, index, Choice::No, 2));
        given(world, command)
    }),
    ("voting_closed", || {
        let (world, index, submission) = closed();
        let command = world.vote_command(world.vote_statement(submission, index, Choice::Yes, 2));
        given(world, command)
    }),
    ("too_many_votes", || {
        let (mut world, index, submission) = submitted();
        for counter in 1..=32 {
            world.vote(submission, index, Choice::Yes, counter).unwrap();
        }
        let command = world.vote_command(world.vote_statement(submission, index, Choice::No, 33));
        given(world, command)
    }),
    ("already_judged", || {
        let (mut world, _, submission) = submitted();
        world.judge(submission, false).unwrap();
        assert_eq!(world.judge(submission, false), Ok(0));
        let result = world.clone().judge(submission, true);
        (world, result)
    }),
    ("already_ruled", || {
        let (mut world, _, submission) = closed();
        world.rule(submission, 0).unwrap();
        assert_eq!(world.rule(submission, 0), Ok(0));
        let result = world.clone().rule(submission, 1);
        // What stood in for the representative's word is not taken back by one that comes after.
        assert_eq!(world.clone().judge(submission, false), result);
        assert_eq!(world.clone().judge(submission, true), Ok(1));
        (world, result)
    }),
    ("ruling_too_early", || {
        let (world, _, submission) = submitted();
        let result = world.clone().rule(submission, 0);
        (world, result)
    }),
    ("ruling_too_late", || {
        let (mut world, _, submission) = closed();
        let ends = world.task().window(&world.task().submissions()[0]).unwrap().ruling_ends_secs;
        world.advance_to(u32::try_from(ends).unwrap());
        assert!(world.clone().rule(submission, 0).is_ok(), "in its last second");
        world.advance_to(u32::try_from(ends).unwrap() + 1);
        let result = world.clone().rule(submission, 0);
        (world, result)
    }),
    ("ruling_share", || {
        let (world, _, submission) = closed();
        let result = world.clone().rule(submission, 10_001);
        (world, result)
    }),
    ("no_ruling", || {
        let (world, _, submission) = closed();
        let result = world.clone().propose(Kind::Ruling { submission }, 1).map(|_| 0);
        (world, result)
    }),
    ("feerate", || {
        let (world, _, _) = submitted();
        assert_eq!(world.clone().propose(Kind::EarlyReturn, 0).unwrap_err().code(), "feerate");
        let result = world.clone().propose(Kind::EarlyReturn, 201).map(|_| 0);
        (world, result)
    }),
    ("feerate_step", || {
        let (world, _, _) = submitted();
        let refused = world.clone().propose(Kind::EarlyReturn, 11).unwrap_err();
        assert!(refused.to_string().ends_with("take 10 or 12"), "{refused}");
        let result = world.clone().propose(Kind::EarlyReturn, 199).map(|_| 0);
        (world, result)
    }),
    ("nothing_to_settle", || {
        let (world, _, submission) = submitted();
        let result = world.clone().propose(Kind::Payout { submission }, 1).map(|_| 0);
        (world, result)
    }),
    ("settlement_terms", || {
        // Gifts of all the money there is, twice.
        let mut world = verified(|_| {});
        world.pay(0, Amount::MAX_MONEY);
        world.pay(0, Amount::MAX_MONEY);
        world.mine(1);
        let result = world.clone().propose(Kind::EarlyReturn, 1).map(|_| 0);
        (world, result)
    }),
    ("past_cutoff", || {
        let (mut world, _, _) = submitted();
        let cutoff = world.task().charter().cutoff_secs();
        world.advance_to(cutoff);
        assert!(world.clone().propose(Kind::EarlyReturn, 1).is_ok());
        world.advance_to(cutoff + 1);
        let result = world.clone().propose(Kind::EarlyReturn, 1).map(|_| 0);
        (world, result)
    }),
    ("unknown_settlement", || {
        let (mut world, _, _) = submitted();
        let id = world.propose(Kind::EarlyReturn, 1).unwrap();
        let signatures = world.signatures(id, Role::Developer);
        given(world, Command::SignSettlement { settlement: SettlementId([1; 32]), signatures })
    }),
    ("proposal_lapsed", || {
        let (mut world, _, _) = submitted();
        let id = world.propose(Kind::EarlyReturn, 1).unwrap();
        world.advance_to(world.chain.tip().mtp_secs + 7 * DAY_SECS + 1);
        let result = world.clone().sign(id, Role::Developer);
        // Proposed again, it may be signed.
        let mut again = world.clone();
        assert_eq!(again.propose(Kind::EarlyReturn, 1), Ok(id));
        assert_eq!(again.sign(id, Role::Developer), Ok(1));
        again.check();
        (world, result)
    }),
    ("no_longer_allowed", || {
        let (mut world, _, _) = submitted();
        let id = world.propose(Kind::EarlyReturn, 1).unwrap();
        world.chain.disconnect(3);
        world.sync();
        let result = world.clone().sign(id, Role::Developer);
        (world, result)
    }),
    ("settlement_signature", || {
        let (mut world, _, _) = submitted();
        let id = world.propose(Kind::EarlyReturn, 1).unwrap();
        let mut signatures = world.signatures(id, Role::Developer);
        signatures.role = Role::Arbiter;
        given(world, Command::SignSettlement { settlement: id, signatures })
    }),
];

#[test]
fn every_refusal_has_its_code_and_changes_nothing() {
    for (code, case) in CASES {
        let (world, result) = case();
        let refused = result.expect_err(code);
        assert_eq!(refused.code(), *code, "{refused}");
        assert!(!refused.to_string().is_empty());
        assert_eq!(world.replayed(), world.book, "{code}");
    }
    // Whoever adds a refusal adds its case.
    let source = include_str!("../refused.rs");
    let codes = source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next());
    let elsewhere = [
        "text_hash",
        "text_too_long",
        "refund_time_too_far",
        "funding_close_past",
        "settlement_plan",
        // Of a merge or release: in `confirm.rs`.
        "nobody_to_confirm",
        "too_many_submissions",
        "nothing_to_confirm",
        "other_confirmation",
        "already_confirmed",
        "submission_replaced",
        "confirmation_too_late",
        "confirmation_block",
        "voting_not_open",
        // Of disputes and evidence: in `evidence.rs`.
        "no_leader",
        "no_dispute",
        "evidence_text",
        "too_many_attachments",
        "unpaid_pledge",
        "too_much_evidence",
        "evidence_counter",
    ];
    let milestones = include_str!("milestones.rs");
    for code in codes {
        let reached = CASES.iter().any(|(known, _)| *known == code);
        assert!(
            reached
                || elsewhere.contains(&code)
                || milestones.contains(&format!("\"{code}\""))
                || UNREACHED.contains(&code),
            "{code} has no case"
        );
    }
}

#[test]
fn what_was_done_is_not_done_again() {
    let (mut world, index, submission) = submitted();
    let outpoint: OutPoint = *world.task().outpoints().keys().next().unwrap();
    let before = world.book.clone();
    assert_eq!(world.give(&world.issue_command(index, sat(100_000))), Ok(0));
    assert_eq!(world.secure(outpoint), Ok(0));
    let mut pair_only = world.bundle(outpoint).signatures().clone();
    pair_only.ladder.clear();
    assert_eq!(world.give(&Command::SecureRefund { refund: pair_only }), Ok(0), "a ladder is not given up");
    let signed = world.task().submission(&submission).unwrap().signed.clone();
    let Signed { statement, .. } = signed;
    assert_eq!(world.give(&world.submit_command(statement)), Ok(0));
    assert_eq!(world.book, before);
    let id = world.propose(Kind::EarlyReturn, 1).unwrap();
    assert_eq!(world.sign(id, Role::Developer), Ok(1));
    let before = world.book.clone();
    assert_eq!(world.sign(id, Role::Developer), Ok(0));
    assert_eq!(world.propose(Kind::EarlyReturn, 1), Ok(id));
    assert_eq!(world.book, before);
    world.check();
}

#[test]
fn a_bare_pair_is_kept_until_a_ladder_comes() {
    let mut world = verified(|_| {});
    let index = world.issue(sat(50_000));
    let outpoint = world.pay(index, sat(50_000));
    world.sync();
    let full = world.bundle(outpoint).signatures().clone();
    let mut pair_only = full.clone();
    pair_only.ladder.clear();
    assert_eq!(world.give(&Command::SecureRefund { refund: pair_only }), Ok(1));
    assert!(world.task().outpoints()[&outpoint].refund.as_ref().unwrap().pair_only());
    assert_eq!(world.give(&Command::SecureRefund { refund: full }), Ok(1));
    assert_eq!(
        world.task().outpoints()[&outpoint].refund.as_ref().unwrap().ladder().len(),
        7 - usize::from(50_000 / 2 < 100 * 138)
    );
    world.check();
}
