//! Disputes and evidence: who may say what, how much, and that no money follows from it.

use super::{sat, verified};
use crate::escrow::event::Command;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{
    Choice, Digest, Evidence, EvidenceKind, Party, Role, Signed, Statement, SubmissionId,
};
use crate::escrow::task::{MAX_ATTACHMENTS, MAX_EVIDENCE, MAX_EVIDENCE_BYTES, Refused, Stage};
use crate::escrow::testing::{World, attacker_keypair};

const DEVELOPER: Party = Party::Signer(Role::Developer);
const REPRESENTATIVE: Party = Party::Signer(Role::Representative);
const ARBITER: Party = Party::Signer(Role::Arbiter);

fn submitted() -> (World, u32, SubmissionId) {
    let mut world = verified(|_| {});
    let (index, _) = world.fund(sat(200_000));
    let submission = world.submit();
    (world, index, submission)
}

fn code<T: std::fmt::Debug>(given: Result<T, Refused>) -> &'static str {
    given.unwrap_err().code()
}

#[test]
fn everybody_with_a_part_in_it_is_heard_and_three_may_dispute() {
    let (mut world, index, submission) = submitted();
    for party in [DEVELOPER, REPRESENTATIVE, ARBITER, Party::Leader, Party::Pledge(index)] {
        assert!(!world.task().submissions()[0].disputed() || party != DEVELOPER);
        assert_eq!(world.say(submission, EvidenceKind::Evidence, party), Ok(1), "{party}");
        let disputes = matches!(party, Party::Leader | DEVELOPER | REPRESENTATIVE);
        assert_eq!(party.may_dispute(), disputes);
        let given = world.say(submission, EvidenceKind::Dispute, party);
        assert_eq!(given.is_ok(), disputes, "{party}");
        if let Err(refused) = given {
            assert_eq!(refused.code(), "no_dispute");
        }
    }
    let state = &world.task().submissions()[0];
    assert!(state.disputed());
    assert_eq!(state.evidence.len(), 8);
    assert_eq!(state.said_by(DEVELOPER), (2, 2));
    assert_eq!(state.said_by(ARBITER), (1, 1));
    world.check();
}

#[test]
fn it_moves_no_money_and_closes_nothing() {
    let (mut quiet, index, submission) = submitted();
    let mut loud = quiet.clone();
    for party in [DEVELOPER, REPRESENTATIVE, Party::Leader] {
        loud.say(submission, EvidenceKind::Dispute, party).unwrap();
    }
    for world in [&mut quiet, &mut loud] {
        world.vote(submission, index, Choice::Yes, 1).unwrap();
    }
    let tip = *quiet.book.tip().unwrap();
    let kind = Kind::Payout { submission };
    assert_eq!(quiet.stage(), loud.stage());
    assert_eq!(quiet.task().entitlements(&kind, &tip), loud.task().entitlements(&kind, &tip));
    assert_eq!(quiet.propose(kind, 1).unwrap(), loud.propose(kind, 1).unwrap());
    // It may be added to after voting, and after the money went.
    loud.settle(kind, [Role::Developer, Role::Representative]).unwrap();
    assert_eq!(loud.stage(), Stage::Paid);
    loud.say(submission, EvidenceKind::Evidence, Party::Pledge(index)).unwrap();
    loud.check();
}

#[test]
fn what_is_refused() {
    let (mut world, index, submission) = submitted();
    let right = world.evidence(submission, EvidenceKind::Evidence, DEVELOPER);
    let with = |change: &dyn Fn(&mut Evidence)| {
        let mut changed = right.clone();
        change(&mut changed);
        changed
    };
    let give = |evidence: Evidence| world.clone().give(&world.evidence_command(evidence));
    assert_eq!(give(right.clone()), Ok(1));
    let text = |text: &str| with(&|evidence| evidence.text = text.into());
    for refused in
        ["", "  ", "two\nlines", "a\u{202e}b", "zero\u{200b}width", &"x".repeat(MAX_EVIDENCE_BYTES + 1)]
    {
        assert_eq!(code(give(text(refused))), "evidence_text", "{refused:?}");
    }
    assert_eq!(give(text(&"x".repeat(MAX_EVIDENCE_BYTES))), Ok(1));
    let files = |count: u8| with(&|e| e.attachments = (0..count).map(|n| Digest([n; 32])).collect());
    let most = u8::try_from(MAX_ATTACHMENTS).unwrap();
    assert_eq!((give(files(0)), give(files(most))), (Ok(1), Ok(1)));
    assert_eq!(code(give(files(most + 1))), "too_many_attachments");
    assert_eq!(code(give(with(&|e| e.submission = SubmissionId([9; 32])))), "unknown_submission");
    assert_eq!(code(give(with(&|e| e.charter = crate::escrow::statement::CharterId([9; 32])))), "other_task");
    assert_eq!(code(give(with(&|e| e.by = Party::Pledge(index + 1)))), "unknown_pledge");
    // Another's key, and another's name.
    let signed = Signed::new(&world.secp, right.clone(), &attacker_keypair());
    assert_eq!(code(world.clone().give(&Command::GiveEvidence { evidence: signed })), "bad_signature");
    let developers = world.party(DEVELOPER);
    let posing = Signed::new(&world.secp, with(&|e| e.by = ARBITER), &developers);
    assert_eq!(code(world.clone().give(&Command::GiveEvidence { evidence: posing })), "bad_signature");
    // An address that nothing paid gives no voice; one confirmation does.
    let unpaid = world.issue(sat(50_000));
    assert_eq!(code(world.say(submission, EvidenceKind::Evidence, Party::Pledge(unpaid))), "unpaid_pledge");
    world.pay(unpaid, sat(50_000));
    world.sync();
    assert_eq!(code(world.say(submission, EvidenceKind::Evidence, Party::Pledge(unpaid))), "unpaid_pledge");
    world.mine(1);
    assert_eq!(world.say(submission, EvidenceKind::Evidence, Party::Pledge(unpaid)), Ok(1));

    let mut leaderless = verified(|fields| {
        fields.payees[0].share_bps += fields.leader.take().unwrap().share_bps;
    });
    leaderless.fund(sat(100_000));
    let submission = leaderless.submit();
    assert_eq!(code(leaderless.say(submission, EvidenceKind::Dispute, Party::Leader)), "no_leader");
}

#[test]
fn counters_rise_and_there_is_an_end() {
    let (mut world, _, submission) = submitted();
    let mut words = world.evidence(submission, EvidenceKind::Evidence, ARBITER);
    words.counter = 5;
    let command = world.evidence_command(words.clone());
    assert_eq!(world.give(&command), Ok(1));
    assert_eq!(world.give(&command), Ok(0), "twice is once");
    words.text.push('!');
    for counter in [0, 5] {
        words.counter = counter;
        let refused = world.give(&world.evidence_command(words.clone())).unwrap_err();
        assert_eq!(refused, Refused::EvidenceCounter { given: counter, next: 6 });
    }
    for _ in 1..MAX_EVIDENCE {
        world.say(submission, EvidenceKind::Evidence, ARBITER).unwrap();
    }
    assert_eq!(code(world.say(submission, EvidenceKind::Evidence, ARBITER)), "too_much_evidence");
    assert_eq!(world.give(&command), Ok(0), "the first is known all the same");
    // Each party and each submission for itself.
    world.say(submission, EvidenceKind::Evidence, DEVELOPER).unwrap();
    let closes = world.task().window(&world.task().submissions()[0]).unwrap().closes_secs;
    world.advance_to(u32::try_from(closes).unwrap() + 1);
    let second = world.submit();
    assert_eq!(world.say(second, EvidenceKind::Evidence, ARBITER), Ok(1));
    world.check();
}

#[test]
fn the_signed_lines_are_these() {
    let (world, _, submission) = submitted();
    let mut words = world.evidence(submission, EvidenceKind::Dispute, Party::Leader);
    words.attachments = vec![Digest([1; 32]), Digest([2; 32])];
    let expected = format!(
        "network: regtest\ncharter: {}\nsubmission: {submission}\nkind: dispute\nby: leader\n\
         text: The tests of the third part fail\nattachment: {}\nattachment: {}\ncounter: 0\n",
        world.id, words.attachments[0], words.attachments[1]
    );
    assert_eq!(words.lines(), expected);
    words.attachments.clear();
    words.by = Party::Pledge(3);
    words.kind = EvidenceKind::Evidence;
    assert!(words.lines().contains("kind: evidence\nby: pledge 3\ntext: "));
    assert!(words.lines().ends_with("fail\ncounter: 0\n"));
}

#[test]
fn a_party_is_written_in_one_way() {
    for party in [DEVELOPER, ARBITER, Party::Leader, Party::Pledge(0), Party::Pledge(u32::MAX)] {
        assert_eq!(party.to_string().parse(), Ok(party));
        let json = serde_json::to_string(&party).unwrap();
        assert_eq!(serde_json::from_str::<Party>(&json).unwrap(), party);
    }
    for wrong in [
        "",
        "Leader",
        "pledge",
        "pledge ",
        "pledge 03",
        "pledge +3",
        "pledge -1",
        "pledge 4294967296",
        "operator",
    ] {
        assert!(wrong.parse::<Party>().is_err(), "{wrong}");
    }
}
