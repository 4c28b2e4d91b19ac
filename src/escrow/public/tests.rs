//! The fold: what is told adds up to what is true, under every order of blocks and reorgs, again and again the
//! same.

use super::*;
use crate::escrow::book::Book;
use crate::escrow::event::Record;
use crate::escrow::pledge::Standing;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, Role, SettlementId, SubmissionId};
use crate::escrow::task::Stage;
use crate::escrow::task::tests::random::{Life, step, wide_step};
use crate::escrow::testing::{self, World};
use bitcoin::{Amount, Txid};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

mod moves;
mod said;
mod shape;
mod signers;

fn sat(sat: u64) -> Amount {
    Amount::from_sat(sat)
}

/// Who believes what is told, and nothing else.
#[derive(Debug, Default)]
struct Listener {
    last: EventId,
    stage: BTreeMap<CharterId, Stage>,
    present: BTreeSet<OutPoint>,
    mined: BTreeMap<OutPoint, Block>,
    credited: BTreeSet<OutPoint>,
    gifts: BTreeSet<OutPoint>,
    uncounted: BTreeMap<OutPoint, Was>,
    spends: BTreeMap<OutPoint, (Txid, Option<Block>)>,
    met: BTreeSet<CharterId>,
    closed: BTreeSet<CharterId>,
    missed: BTreeSet<CharterId>,
    settlements: BTreeMap<(SettlementId, u32), &'static str>,
    voting: BTreeMap<SubmissionId, &'static str>,
}

impl Listener {
    fn hear(&mut self, event: &PublicEvent) {
        assert!(event.id > self.last, "ids rise: {} after {}", event.id, self.last);
        self.last = event.id;
        // Its name is the one that its JSON has.
        assert_eq!(event.what.kind(), serde_json::to_value(&event.what).unwrap()["type"]);
        let task = event.charter.expect("what these tests tell is about tasks");
        let first = |new: bool| assert!(new, "told twice: {event:?}");
        match &event.what {
            What::StageChanged { from, to } => {
                let was = self.stage.insert(task, *to).unwrap_or(Stage::Draft);
                assert_eq!((was, was == *to), (*from, false));
            }
            What::TargetReached(_) => first(self.met.insert(task)),
            What::TargetLost(_) => first(self.met.remove(&task)),
            What::FundingClosed(_) => first(self.closed.insert(task)),
            What::FundingReopened(_) => first(self.closed.remove(&task)),
            What::TargetMissed { .. } => first(self.missed.insert(task)),
            What::TargetOpenAgain(_) => first(self.missed.remove(&task)),
            What::PaymentSeen(payment) => first(self.present.insert(payment.outpoint)),
            What::PaymentConfirmed { payment, block, .. } => {
                self.present.insert(payment.outpoint);
                first(self.mined.insert(payment.outpoint, *block).is_none());
            }
            What::PaymentUnconfirmed { payment, block } => {
                assert_eq!(self.mined.remove(&payment.outpoint), Some(*block));
            }
            What::PaymentVanished(payment) => first(self.present.remove(&payment.outpoint)),
            What::PaymentCredited(payment) => first(self.credited.insert(payment.outpoint)),
            What::PaymentUncredited(payment) => first(self.credited.remove(&payment.outpoint)),
            What::GiftReceived(payment) => first(self.gifts.insert(payment.outpoint)),
            What::GiftLost(payment) => first(self.gifts.remove(&payment.outpoint)),
            What::PaymentSurplus { payment, .. } => {
                first(self.uncounted.insert(payment.outpoint, Was::Surplus).is_none());
            }
            What::PaymentBelowMinimum { payment, .. } => {
                first(self.uncounted.insert(payment.outpoint, Was::BelowMinimum).is_none());
            }
            What::PaymentUncounted { payment, was } => {
                assert_eq!(self.uncounted.remove(&payment.outpoint), Some(*was));
            }
            What::RefundSent { payment, txid } | What::SpendSeen { payment, txid, .. } => {
                assert_eq!(self.spends.insert(payment.outpoint, (*txid, None)), None);
            }
            What::RefundConfirmed { payment, txid, block }
            | What::SpendConfirmed { payment, txid, block, .. } => {
                let was = self.spends.insert(payment.outpoint, (*txid, Some(*block)));
                assert!(was.is_none_or(|was| was == (*txid, None)), "{was:?} {event:?}");
            }
            What::RefundUnconfirmed { payment, txid, block }
            | What::SpendUnconfirmed { payment, txid, block, .. } => {
                let was = self.spends.insert(payment.outpoint, (*txid, None));
                assert_eq!(was, Some((*txid, Some(*block))));
            }
            What::RefundDropped { payment, txid } | What::SpendDropped { payment, txid, .. } => {
                assert_eq!(self.spends.remove(&payment.outpoint), Some((*txid, None)));
            }
            What::ReviewOpened { submission, .. } => {
                assert_eq!(self.voting.insert(*submission, "voting"), None);
            }
            What::ReviewClosed { submission, .. } => {
                assert_eq!(self.voting.insert(*submission, "ruling"), Some("voting"));
            }
            What::RulingClosed { submission } => {
                assert_eq!(self.voting.insert(*submission, "over"), Some("ruling"));
            }
            What::RulingReopened { submission } => {
                assert_eq!(self.voting.insert(*submission, "ruling"), Some("over"));
            }
            What::ReviewReopened { submission } => {
                assert_eq!(self.voting.insert(*submission, "voting"), Some("ruling"));
            }
            What::SettlementProposed { settlement, .. } => {
                self.settlements.retain(|(id, _), _| id != settlement);
            }
            What::SettlementConfirmed { settlement, transaction, .. } => {
                assert_eq!(self.settlements.insert((*settlement, *transaction), "mined"), None);
            }
            What::SettlementFinal { settlement, transaction, .. } => {
                assert_eq!(self.settlements.insert((*settlement, *transaction), "final"), Some("mined"));
            }
            What::SettlementConflicted { settlement, transaction } => {
                assert_eq!(self.settlements.insert((*settlement, *transaction), "conflict"), None);
            }
            What::SettlementUnconfirmed { settlement, transaction } => {
                assert!(self.settlements.remove(&(*settlement, *transaction)).is_some());
            }
            What::TaskDrafted { .. }
            | What::CharterAttested { .. }
            | What::TaskOpened { .. }
            | What::PledgeIssued { .. }
            | What::RefundSecured { .. }
            | What::RefundPrepared { .. }
            | What::MoveSigned { .. }
            | What::WorkSubmitted { .. }
            | What::MergeConfirmed { .. }
            | What::ReviewMoved { .. }
            | What::VoteCast { .. }
            | What::AcceptanceGiven { .. }
            | What::EvidenceGiven { .. }
            | What::RulingGiven { .. }
            | What::SettlementSigned { .. }
            | What::SettlementComplete { .. }
            | What::SettlementBroadcast { .. }
            | What::Reorg { .. } => {}
            // Told of no task: `said` has their tests.
            what => panic!("no event of a task: {what:?}"),
        }
    }

    /// What was told adds up to what the book says.
    fn agrees(&self, book: &Book) {
        let Some(tip) = book.tip() else { return };
        let (mut present, mut mined) = (BTreeSet::new(), BTreeMap::new());
        let (mut credited, mut gifts) = (BTreeSet::new(), BTreeSet::new());
        let mut uncounted = BTreeMap::new();
        let mut spends = BTreeMap::new();
        for (id, task) in book.tasks() {
            assert_eq!(self.stage.get(id).copied().unwrap_or(Stage::Draft), task.stage(Some(tip)));
            let totals = task.totals(tip);
            let fields = task.charter().fields();
            if task.opened() {
                assert_eq!(self.met.contains(id), task.target_met(tip));
                assert!(totals.raised.to_sat() < fields.target_sat || self.met.contains(id));
                assert_eq!(self.closed.contains(id), tip.mtp_secs > fields.funding_close);
                assert!(!self.missed.contains(id) || (self.closed.contains(id) && !self.met.contains(id)));
            }
            for (outpoint, standing) in task.standings(tip) {
                let held = &task.outpoints()[&outpoint];
                if held.present {
                    present.insert(outpoint);
                }
                if let Some(at) = held.confirmation {
                    mined.insert(outpoint, Block { height: at.height, block_hash: at.block_hash });
                }
                if let Some(spend) = held.spend {
                    let block =
                        spend.confirmation.map(|at| Block { height: at.height, block_hash: at.block_hash });
                    spends.insert(outpoint, (spend.txid, block));
                }
                match standing {
                    Standing::Credited => drop(credited.insert(outpoint)),
                    Standing::Gift => drop(gifts.insert(outpoint)),
                    Standing::Surplus { .. } => drop(uncounted.insert(outpoint, Was::Surplus)),
                    Standing::BelowMinimum => drop(uncounted.insert(outpoint, Was::BelowMinimum)),
                    Standing::Vanished | Standing::Seen | Standing::Confirming { .. } => {}
                }
            }
            for submission in task.submissions() {
                let Some(window) = task.window(submission) else {
                    assert_eq!(self.voting.get(&submission.id), None);
                    continue;
                };
                let phase = match (window.closed(tip.mtp_secs), window.ruling_over(tip.mtp_secs)) {
                    (false, _) => "voting",
                    (true, false) => "ruling",
                    (true, true) => "over",
                };
                assert_eq!(self.voting.get(&submission.id), Some(&phase));
            }
            for (id, state) in task.settlements() {
                for (at, fate) in (0u32..).zip(task.chunk_fates(state, tip)) {
                    let fared = match fate {
                        crate::escrow::task::Fate::Pending => None,
                        crate::escrow::task::Fate::Confirmed { depth } if depth >= fields.depth => {
                            Some("final")
                        }
                        crate::escrow::task::Fate::Confirmed { .. } => Some("mined"),
                        crate::escrow::task::Fate::Conflicted => Some("conflict"),
                    };
                    assert_eq!(self.settlements.get(&(*id, at)).copied(), fared);
                }
            }
        }
        assert_eq!(self.present, present);
        assert_eq!(self.mined, mined);
        assert_eq!(self.credited, credited);
        assert_eq!(self.gifts, gifts);
        assert_eq!(self.uncounted, uncounted);
        assert_eq!(self.spends, spends);
    }
}

/// The journal of a world, folded, with everything that must hold at every append looked at on the way.
fn told(world: &World) -> Vec<PublicEvent> {
    let (mut book, mut feed, mut listener) = (Book::default(), Feed::default(), Listener::default());
    let mut events: Vec<PublicEvent> = Vec::new();
    let mut log = world.log.iter();
    let mut seq = 0;
    for count in &world.appends {
        let mut entry = Entry { seq, at_secs: 0, more: false };
        for left in (0..*count).rev() {
            seq += 1;
            entry = Entry { seq, at_secs: 1_000 + seq, more: left > 0 };
            let record: Record = serde_json::from_str(log.next().unwrap()).unwrap();
            book.apply(&record).unwrap();
            let new = feed.apply(entry, &record, &book);
            assert!(new.is_empty() || left == 0, "an append is told as a whole");
            new.iter().for_each(|event| listener.hear(event));
            targets_fall_with_payments_alone(&new);
            events.extend(new);
        }
        listener.agrees(&book);
        assert_eq!(feed.clone().look_at_all(entry, &book), [], "no task was passed over");
    }
    events.iter().for_each(|event| shape::check(&event.what));
    events
}

/// A target that was met stays met, and one that can be met is not missed, but where a payment stops counting or funding
/// closes. A move is none of these.
fn targets_fall_with_payments_alone(append: &[PublicEvent]) {
    for event in append {
        let of_task = |what: fn(&What) -> bool| {
            append.iter().any(|other| other.charter == event.charter && what(&other.what))
        };
        let fell = || of_task(|what| matches!(what, What::PaymentUncredited(_) | What::GiftLost(_)));
        match event.what {
            What::TargetLost(funding) => {
                assert!(fell() && funding.raised_sat < funding.target_sat, "{event:?} in {append:?}");
            }
            What::TargetReached(funding) => assert!(funding.raised_sat >= funding.target_sat),
            What::TargetMissed { raised_sat, target_sat, .. } => {
                assert!(raised_sat < target_sat);
                let closed = of_task(|what| matches!(what, What::FundingClosed(_)));
                // Or what might still have counted turned out to be late, too little, too much, or gone.
                let settled = of_task(|what| {
                    matches!(
                        what,
                        What::PaymentSurplus { .. }
                            | What::PaymentBelowMinimum { .. }
                            | What::PaymentCredited(_)
                            | What::PaymentUnconfirmed { .. }
                            | What::PaymentVanished(_)
                    )
                });
                assert!(closed || settled || fell(), "{event:?} in {append:?}");
            }
            _ => {}
        }
    }
}

fn kinds(events: &[PublicEvent]) -> Vec<String> {
    events.iter().map(|event| event.what.kind().to_owned()).collect()
}

/// Of all events since the `from`th.
fn since(world: &World, from: usize) -> Vec<String> {
    kinds(&told(world)[from..])
}

#[test]
fn a_life_from_draft_to_payout() {
    let mut world = World::new(|fields| fields.depth = 2);
    assert_eq!(
        since(&world, 0),
        [
            "task_drafted",
            "charter_attested",
            "charter_attested",
            "charter_attested",
            "task_opened",
            "stage_changed"
        ]
    );
    let index = world.issue(sat(1_000_000));
    let outpoint = world.pay(index, sat(1_000_000));
    world.sync();
    world.secure(outpoint).unwrap();
    world.mine(1);
    world.mine(1);
    let events = told(&world);
    assert_eq!(
        kinds(&events[6..]),
        [
            "pledge_issued",
            "payment_seen",
            "refund_secured",
            "payment_confirmed",
            "payment_credited",
            "target_reached"
        ]
    );
    let credited = &events[10];
    assert_eq!(credited.pledge, Some(index));
    assert_eq!(in_words(credited), "1,000,000 sat credited on pledge 1");
    assert_eq!(credited.at, world.book.tip().map(At::from));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 0).unwrap();
    world.judge(submission, true).unwrap();
    let close = world.task().window(&world.task().submissions()[0]).unwrap().closes_secs;
    world.advance_to(u32::try_from(close).unwrap() + 1);
    let id = world.settle(Kind::Payout { submission }, [Role::Developer, Role::Representative]).unwrap();
    let events = told(&world);
    let tail: Vec<String> = kinds(&events[12..]);
    assert_eq!(
        tail,
        [
            "work_submitted",
            "review_opened",
            "stage_changed",
            "vote_cast",
            "acceptance_given",
            "review_closed",
            "stage_changed",
            "settlement_proposed",
            "settlement_signed",
            "stage_changed",
            "settlement_signed",
            "settlement_complete",
            "settlement_broadcast",
            "spend_seen",
            "spend_confirmed",
            "settlement_confirmed",
            "settlement_final",
            "stage_changed"
        ]
    );
    let vote = events.iter().find(|event| matches!(event.what, What::VoteCast { .. })).unwrap();
    assert!(matches!(vote.what, What::VoteCast { weight_sat: 1_000_000, counted: true, .. }), "{vote:?}");
    let seen = events.iter().find(|event| matches!(event.what, What::SpendSeen { .. })).unwrap();
    assert!(matches!(seen.what, What::SpendSeen { settlement, .. } if settlement == Some(id)), "{seen:?}");
}

#[test]
fn a_reorg_is_told_backwards_and_forwards_again() {
    let mut world = World::new(|fields| {
        fields.depth = 2;
        fields.target_sat = 1_000_000;
    });
    world.fund(sat(1_000_000));
    let before = told(&world).len();
    world.chain.disconnect(2);
    world.sync();
    assert_eq!(since(&world, before), ["reorg", "payment_uncredited", "payment_unconfirmed", "target_lost"]);
    let before = told(&world).len();
    world.mine(3);
    assert_eq!(since(&world, before), ["payment_confirmed", "payment_credited", "target_reached"]);
    // The same depth in another block is told as well, in one look.
    let before = told(&world).len();
    world.chain.disconnect(3);
    world.chain.mine(4);
    world.sync();
    let again = ["reorg", "payment_unconfirmed", "payment_confirmed"];
    assert_eq!(since(&world, before), again);
    assert_eq!(world.sync(), 0);
}

#[test]
fn refunds_are_told_from_t_on() {
    let mut world = World::new(|fields| fields.depth = 2);
    let (_, outpoint) = world.fund(sat(500_000));
    world.advance_to(testing::REFUND_TIME + 1);
    let before = told(&world).len();
    let (_, refund) = world.bundle(outpoint).ladder().remove(0);
    world.chain.broadcast(&refund).unwrap();
    world.sync();
    world.mine(2);
    assert_eq!(since(&world, before), ["refund_sent", "refund_confirmed", "stage_changed"]);
    let all = kinds(&told(&world));
    assert!(
        all.contains(&"funding_closed".to_owned()) && all.contains(&"target_missed".to_owned()),
        "{all:?}"
    );
}

#[test]
fn many_tasks_share_a_project_and_the_tip_wakes_those_it_concerns() {
    let mut world = World::new(|fields| fields.depth = 2);
    let first = world.id;
    let mut other = testing::fields(world.network);
    other.depth = 6;
    other.licence = "MIT".into();
    world.draft(&other);
    world.attest_all();
    let second = world.id;
    world.fund(sat(300_000));
    world.id = first;
    world.fund(sat(200_000));
    let events = told(&world);
    let of = |id: CharterId| events.iter().filter(move |event| event.charter == Some(id));
    assert!(of(first).chain(of(second)).all(|event| event.project == events[0].project));
    assert_eq!(events[0].project.to_string().parse(), Ok(events[0].project));
    for id in [first, second] {
        assert_eq!(of(id).filter(|event| matches!(event.what, What::PaymentCredited(_))).count(), 1);
    }
}

/// Nobody's signature, bundle, refund address or unpublished transaction stands in anything that is told.
#[test]
fn nothing_private_is_told() {
    let mut world = World::new(|fields| fields.depth = 2);
    let (index, outpoint) = world.fund(sat(1_000_000));
    let submission = world.submit();
    world.vote(submission, index, Choice::Yes, 0).unwrap();
    let id = world.propose(Kind::Payout { submission }, 1).unwrap();
    world.sign(id, Role::Developer).unwrap();
    let text = serde_json::to_string(&told(&world)).unwrap();
    let task = world.task();
    let pledge = &task.pledges()[&index];
    assert!(!text.contains(&pledge.signature.to_string()));
    assert!(!text.contains(&pledge.refund_address.to_string()));
    // Who signed is told, as the pledge itself tells it; what was signed with it is not.
    assert!(text.contains(&pledge.sponsor_key.to_string()));
    assert!(!text.contains(&task.submissions()[0].votes[0].vote.signature.to_string()));
    for form in &task.settlements()[&id].plan.chunks()[0].forms {
        assert!(!text.contains(&form.txid.to_string()), "not before it went out");
    }
    let bundle = serde_json::to_value(task.outpoints()[&outpoint].refund_signatures().unwrap()).unwrap();
    let mut signatures = Vec::new();
    strings(&bundle, &mut signatures);
    signatures.retain(|text| text.len() >= 128);
    assert!(!signatures.is_empty());
    assert!(signatures.iter().all(|signature| !text.contains(signature.as_str())));
}

fn strings(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|field| strings(field, found)),
        _ => {}
    }
}

#[test]
fn ids_are_read_as_they_are_written() {
    let id = EventId { seq: 42, place: 7 };
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!("0".parse(), Ok(EventId::default()));
    for bad in
        ["", "-", "1", "1-", "-1", "+1-0", "1-+0", "1-0-0", " 1-0", "99999999999999999999-0", "1-4294967296"]
    {
        assert_eq!(bad.parse::<EventId>(), Err(BadEventId), "{bad:?}");
    }
    for bad in ["", "zz", &"A".repeat(32), &"0".repeat(31), &"0".repeat(33), &"é".repeat(16)] {
        assert_eq!(bad.parse::<ProjectId>(), Err(BadProjectId), "{bad:?}");
    }
    assert_ne!(ProjectId::of("https://example.org/a"), ProjectId::of("https://example.org/b"));
}

#[test]
fn amounts_are_grouped() {
    for (amount, text) in [
        (0, "0 sat"),
        (999, "999 sat"),
        (1_000, "1,000 sat"),
        (12_345, "12,345 sat"),
        (2_100_000_000_000_000, "2,100,000,000,000,000 sat"),
    ] {
        assert_eq!(sat_in_words(amount), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn what_is_told_adds_up_in_every_life(
        amounts in prop::collection::vec(10_000u64..900_000, 0..3),
        steps in prop::collection::vec(step(), 5..50),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut life = Life::new();
        for amount in &amounts {
            life.world.fund(sat(*amount));
        }
        for step in &steps {
            life.step(step);
        }
        let events = told(&life.world);
        prop_assert_eq!(&told(&life.world), &events, "again the same");
        for event in &events {
            let json = serde_json::to_string(event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<PublicEvent>(&json).unwrap(), event);
            let words = in_words(event);
            prop_assert!(words.len() < 200 && words.chars().next().is_some_and(|c| c.is_ascii()), "{}", words);
        }
        let mut world = life.world;
        world.appends.truncate(cut.index(world.appends.len()) + 1);
        let earlier = told(&world);
        prop_assert_eq!(&earlier[..], &events[..earlier.len()], "what was told before stays");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]
    #[test]
    fn what_is_told_adds_up_where_money_moves_between_tasks(
        amounts in prop::collection::vec(300_000u64..900_000, 1..4),
        steps in prop::collection::vec(wide_step(), 15..45),
        takes_late in any::<bool>(),
    ) {
        let mut life = Life::wide(takes_late);
        for amount in &amounts {
            life.world.fund(sat(*amount));
        }
        for step in &steps {
            life.step(step);
        }
        life.moves_at_t();
        let events = told(&life.world);
        prop_assert_eq!(&told(&life.world), &events, "again the same");
        for event in &events {
            let json = serde_json::to_string(event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<PublicEvent>(&json).unwrap(), event);
        }
        // What was refunded by what is told is what the book calls refunded.
        let mut refunded: BTreeMap<(Option<CharterId>, OutPoint), u64> = BTreeMap::new();
        for event in &events {
            match event.what {
                What::RefundConfirmed { payment, .. } => {
                    refunded.insert((event.charter, payment.outpoint), payment.amount_sat);
                }
                What::RefundUnconfirmed { payment, .. } => {
                    refunded.remove(&(event.charter, payment.outpoint));
                }
                _ => {}
            }
        }
        for id in life.world.book.tasks().keys() {
            let own = refunded.iter().filter(|((charter, _), _)| *charter == Some(*id)).map(|(_, sat)| sat).sum();
            prop_assert_eq!(sat(own), life.world.other_totals(id).refunded);
        }
    }
}

#[test]
fn a_review_that_waits_for_a_merge_opens_with_it() {
    let mut world = World::new(|fields| fields.vote_opens = crate::escrow::charter::VoteOpens::Merged);
    let (index, _) = world.fund(sat(1_000_000));
    let before = told(&world).len();
    let submission = world.submit();
    world.mine(3);
    assert_eq!(since(&world, before), ["work_submitted"], "no review yet, and no other stage");
    world.confirm(submission).unwrap();
    world.vote(submission, index, Choice::Yes, 0).unwrap();
    assert_eq!(since(&world, before + 1), ["merge_confirmed", "review_opened", "stage_changed", "vote_cast"]);
    let events = told(&world);
    assert_eq!(in_words(&events[before + 1]), "The project's leader confirmed that the work is merged");
    let now = events.len();
    world.chain.disconnect(1);
    world.chain.mine_at(world.chain.tip().mtp_secs + 900);
    world.mine(1);
    assert!(since(&world, now).contains(&"review_moved".to_owned()));
}

#[test]
fn disputes_and_evidence_are_told_without_their_words() {
    use crate::escrow::statement::{EvidenceKind, Party};
    let mut world = World::new(|_| {});
    let (index, _) = world.fund(sat(1_000_000));
    let submission = world.submit();
    let before = told(&world).len();
    world.say(submission, EvidenceKind::Dispute, Party::Leader).unwrap();
    world.say(submission, EvidenceKind::Evidence, Party::Signer(Role::Arbiter)).unwrap();
    world.say(submission, EvidenceKind::Evidence, Party::Pledge(index)).unwrap();
    let events = told(&world);
    assert_eq!(kinds(&events[before..]), ["evidence_given"; 3]);
    let words: Vec<String> = events[before..].iter().map(in_words).collect();
    assert_eq!(
        words,
        [
            "The project's leader opened a dispute",
            "The arbiter gave evidence",
            "The sponsor of pledge 1 gave evidence"
        ]
    );
    assert_eq!((events[before].pledge, events[before + 2].pledge), (None, Some(index)));
    assert!(!serde_json::to_string(&events).unwrap().contains("third part"));
}
