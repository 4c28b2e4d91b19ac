//! Random lives: no sequence of commands and chain facts breaks what must hold in every case.

use super::audit::{audit, no_dead_state};
use super::{sat, verified};
use crate::escrow::charter::{CharterFields, FundingRule, Milestone, Payee, SubmissionsOpen, VoteOpens};
use crate::escrow::event::Command;
use crate::escrow::facts::SpendPath;
use crate::escrow::network::DAY_SECS;
use crate::escrow::pledge::Outpoint;
use crate::escrow::refund::RefundBundle;
use crate::escrow::settlement::{Kind, Plan};
use crate::escrow::statement::{
    CharterId, Choice, EvidenceKind, Named, NamedBy, Party, Role, SettlementId, Signed, Submission,
    SubmissionId,
};
use crate::escrow::task::Fate;
use crate::escrow::testing::{self, World};
use bitcoin::{Amount, OutPoint};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub(in crate::escrow) enum Step {
    Issue(u64),
    Pay(u8, u64),
    Replace(u8, u64),
    Coinbase(u8),
    Secure(u8),
    Mine(u8),
    Reorg(u8, u8),
    Drop(u8),
    Wait(u8),
    /// For a milestone, where there are several; now and then with payees that the representative names.
    Submit(u8),
    Vote(u8, bool, u8),
    /// The leader confirms the latest submission, where the charter waits for that.
    Confirm,
    /// A party says something about it, or opens a dispute.
    Say(u8, bool),
    Judge(bool),
    Rule(u8),
    Propose(u8, u8, u8),
    Sign(u8, u8, bool),
    Broadcast(u8, u8),
    /// Proposes, has two sign, broadcasts: the way it should be, where it may.
    Settle(u8, u8, u8),
    /// A stranger pays any script that is known, of any generation.
    Stray(u8, u64),
    /// A sponsor signs the refunds of what would be left of an outpoint.
    Prepare(u8, u8, u8),
    /// Everybody who can votes yes with refunds ready, and the milestone is paid.
    Milestone(u8, u8, u8),
    /// A sponsor signs an outpoint over to the other task.
    Move(u8, u8),
    /// A sponsor signs that from T on it goes there.
    Late(u8),
    /// Somebody sends a rung of that.
    Rung(u8, u8),
    /// The program stops, and starts again with its journal.
    Reload,
    Refund(u8, u8),
    Repeat(u8),
}

pub(in crate::escrow) fn step() -> impl Strategy<Value = Step> {
    let amount = prop_oneof![400u64..12_000, 10_000u64..400_000, 1_000_000u64..2_500_000];
    prop_oneof![
        3 => amount.clone().prop_map(Step::Issue),
        5 => (any::<u8>(), amount.clone()).prop_map(|(at, amount)| Step::Pay(at, amount)),
        1 => (any::<u8>(), amount).prop_map(|(at, amount)| Step::Replace(at, amount)),
        1 => any::<u8>().prop_map(Step::Coinbase),
        4 => any::<u8>().prop_map(Step::Secure),
        6 => (1u8..4).prop_map(Step::Mine),
        2 => (1u8..5, 0u8..6).prop_map(|(gone, mined)| Step::Reorg(gone, mined)),
        1 => any::<u8>().prop_map(Step::Drop),
        3 => any::<u8>().prop_map(Step::Wait),
        3 => any::<u8>().prop_map(Step::Submit),
        6 => (any::<u8>(), any::<bool>(), 0u8..3).prop_map(|(at, yes, counter)| Step::Vote(at, yes, counter)),
        2 => Just(Step::Confirm),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(at, dispute)| Step::Say(at, dispute)),
        1 => any::<bool>().prop_map(Step::Judge),
        1 => any::<u8>().prop_map(Step::Rule),
        2 => (any::<u8>(), any::<u8>(), 1u8..4).prop_map(|(kind, of, rate)| Step::Propose(kind, of, rate)),
        5 => (any::<u8>(), any::<u8>(), 0u8..3).prop_map(|(kind, pair, form)| Step::Settle(kind, pair, form)),
        3 => (any::<u8>(), any::<u8>(), any::<bool>()).prop_map(|(at, role, all)| Step::Sign(at, role, all)),
        3 => (any::<u8>(), 0u8..3).prop_map(|(at, form)| Step::Broadcast(at, form)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(at, rung)| Step::Refund(at, rung)),
        1 => any::<u8>().prop_map(Step::Repeat),
    ]
}

/// The same, with much of what only a charter with several milestones, and another one beside it, have.
pub(in crate::escrow) fn wide_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => step(),
        1 => (any::<u8>(), 400u64..60_000).prop_map(|(at, amount)| Step::Stray(at, amount)),
        2 => (any::<u8>(), any::<u8>(), 1u8..4).prop_map(|(of, at, rate)| Step::Prepare(of, at, rate)),
        4 => (any::<u8>(), any::<u8>(), 0u8..3).prop_map(|(of, pair, form)| Step::Milestone(of, pair, form)),
        1 => (any::<u8>(), 1u8..3).prop_map(|(at, rate)| Step::Move(at, rate)),
        1 => any::<u8>().prop_map(Step::Late),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(at, rung)| Step::Rung(at, rung)),
        1 => Just(Step::Reload),
    ]
}

fn pick<T: Clone>(from: impl IntoIterator<Item = T>, at: u8) -> Option<T> {
    let all: Vec<T> = from.into_iter().collect();
    if all.is_empty() { None } else { Some(all[usize::from(at) % all.len()].clone()) }
}

fn kind_of(kind: u8, of: Option<SubmissionId>, there: Option<CharterId>) -> Kind {
    match (kind % 9, of, there) {
        (1 | 2, Some(submission), _) => Kind::Ruling { submission },
        (3 | 4, Some(submission), _) => Kind::Milestone { submission },
        (5, _, Some(to)) => Kind::Move { to },
        (5.., Some(submission), _) => Kind::Payout { submission },
        _ => Kind::EarlyReturn,
    }
}

/// A life with what was given to it and what must never be lost again.
pub(in crate::escrow) struct Life {
    pub(in crate::escrow) world: World,
    commands: Vec<(CharterId, Command)>,
    secured: BTreeSet<OutPoint>,
    /// Another task of the same service, which pledges may move to.
    there: Option<CharterId>,
}

impl Life {
    pub(in crate::escrow) fn new() -> Life {
        Life::under(|_| {})
    }

    /// One under other terms.
    pub(in crate::escrow) fn under(change: impl FnOnce(&mut CharterFields)) -> Life {
        let world = verified(|fields| {
            fields.depth = 2;
            fields.cap_sat = 3_000_000;
            change(fields);
        });
        Life { world, commands: Vec::new(), secured: BTreeSet::new(), there: None }
    }

    /// One with several milestones, two of them alike, and another task with a later T beside it: one that takes pledges
    /// when this one's T has come, or one that does not.
    pub(in crate::escrow) fn wide(takes_late: bool) -> Life {
        let mut life = Life::under(|fields| {
            let due = |weeks: u32| fields.work_deadline - weeks * 7 * DAY_SECS;
            fields.review_secs = 3 * DAY_SECS;
            fields.ruling_secs = 4 * DAY_SECS;
            fields.milestones = vec![
                Milestone { share_bps: 5_000, due: due(3) },
                Milestone { share_bps: 2_500, due: due(1) },
                Milestone { share_bps: 2_500, due: due(0) },
            ];
        });
        let here = life.world.id;
        let mut fields = life.world.task().charter().fields().clone();
        fields.refund_time += 7 * DAY_SECS;
        if takes_late {
            let later_secs = 280 * DAY_SECS;
            fields.refund_time += later_secs;
            fields.work_deadline += later_secs;
            fields.funding_close += later_secs;
            fields.milestones.iter_mut().for_each(|milestone| milestone.due += later_secs);
        }
        fields.licence = "MIT".into();
        life.there = Some(life.world.draft(&fields));
        life.world.attest_all();
        life.world.id = here;
        life
    }

    /// A refused command changes nothing; what was accepted was applied, or `give` would have panicked.
    /// Given again at once it changes nothing either, and is no error.
    fn give(&mut self, command: Command) {
        let before = self.world.log.len();
        if self.world.give(&command).is_err() {
            assert_eq!(self.world.log.len(), before);
        } else {
            assert_eq!(self.world.give(&command), Ok(0), "twice is once: {command:?}");
        }
        self.commands.push((self.world.id, command));
    }

    fn give_to(&mut self, task: CharterId, command: Command) {
        let here = std::mem::replace(&mut self.world.id, task);
        self.give(command);
        self.world.id = here;
    }

    /// Mostly the last submission.
    fn submission(&self, at: u8) -> Option<SubmissionId> {
        let all = || self.world.task().submissions().iter().map(|submission| submission.id);
        if at.is_multiple_of(4) { pick(all(), at / 4) } else { all().next_back() }
    }

    /// A sponsor's refunds of everything a plan would leave, with the task that keeps it.
    fn prepare(&mut self, plan: &Plan, at: CharterId) {
        for command in self.world.prepare_commands(plan, at) {
            self.give_to(at, command);
        }
    }

    /// Proposes, has two sign all, and broadcasts every transaction in one of its forms.
    fn settle(&mut self, kind: Kind, pair: u8, form: u8) {
        let tip = *self.world.book.tip().expect("synced");
        let task = self.world.task();
        let rate = task.prepared_step(kind, 1, self.world.book.destination(&kind), &tip).unwrap_or(1);
        let Ok(id) = self.world.propose(kind, rate) else { return };
        let out = usize::from(pair) % 3;
        for role in Role::ALL.into_iter().filter(|role| *role != Role::ALL[out]) {
            let signatures = self.world.signatures(id, role);
            self.give(Command::SignSettlement { settlement: id, signatures });
        }
        let state = self.world.task().settlements()[&id].clone();
        for (chunk, forms) in (0u32..).zip(state.plan.chunks()) {
            let last = u32::try_from(forms.forms.len()).unwrap() - 1;
            let form = u32::from(form).min(last);
            let Ok(transaction) = state.plan.finalize(chunk, form, &state.signatures) else { continue };
            let _ = self.world.chain.broadcast(&transaction);
            self.give(Command::NoteBroadcast { settlement: id, chunk, form });
        }
    }

    /// An outpoint, and a pledge of the same sponsor with the other task, issued where there is none yet.
    fn pledge_there(&mut self, at: u8) -> Option<(OutPoint, (CharterId, u32))> {
        let (there, outpoint) = (self.there?, self.outpoint(at)?);
        let (here, index) = (self.world.id, self.world.task().outpoints()[&outpoint].slot.index);
        if index == 0 {
            return None;
        }
        let next = |world: &World| world.book.task(&there).expect("drafted").next_index();
        while next(&self.world) <= index {
            self.world.id = there;
            let before = next(&self.world);
            let command = self.world.issue_command(before, sat(10_000));
            self.world.id = here;
            self.give_to(there, command);
            if next(&self.world) == before {
                return None;
            }
        }
        Some((outpoint, (there, index)))
    }

    /// What a sponsor does to have an outpoint moved from T on.
    fn moves_alone(&mut self, at: u8) {
        let Some((outpoint, to)) = self.pledge_there(at) else { return };
        let consent = self.world.consent(outpoint, to);
        let target = self.world.task().late_target(&consent).expect("a pledge's outpoint");
        if target.ladder().is_empty() {
            return;
        }
        let (consent, ladder) = self.world.late_move(outpoint, to);
        for command in self.world.arrivals(&ladder, to) {
            self.give_to(to.0, command);
        }
        self.give(Command::SignLateMove { consent, ladder: ladder.signatures().clone() });
    }

    /// A rung of one that somebody has; nodes take it, or not.
    fn rung(&mut self, at: u8, rung: u8) {
        let late =
            self.world.task().outpoints().values().filter_map(|held| held.late_move.as_ref()?.ladder());
        let Some(ladder) = pick(late.cloned(), at) else { return };
        if let Some((_, transaction)) = pick(ladder.rungs(), rung) {
            let _ = self.world.chain.broadcast(&transaction);
        }
    }

    /// Past T some of what sponsors signed for it is sent, and mined.
    pub(in crate::escrow) fn moves_at_t(&mut self) {
        self.world.advance_to(testing::REFUND_TIME + 1);
        for at in 0..4 {
            self.rung(at * 2, at);
        }
        self.world.mine(1);
        self.world.check();
        audit(&self.world);
        no_dead_state(&self.world);
    }

    /// What the sponsor of an outpoint does to move it: pledges there with the same key, consents, and signs its
    /// refund there.
    fn moves(&mut self, at: u8, rate: u8) {
        let Some((outpoint, (there, index))) = self.pledge_there(at) else { return };
        let consent = self.world.consent(outpoint, (there, index));
        let statement = consent.statement.clone();
        self.give(Command::SignMove { consent });
        let signed = self.world.task().moves_to(outpoint, there).is_some();
        if let Ok(plan) = self.world.task().moved(&statement, u64::from(rate))
            && signed
        {
            self.prepare(&plan, there);
        }
    }

    fn outpoint(&self, at: u8) -> Option<OutPoint> {
        pick(self.world.task().outpoints().keys().copied(), at)
    }

    fn settlement(&self, at: u8) -> Option<SettlementId> {
        pick(self.world.task().settlements().keys().copied(), at)
    }

    pub(in crate::escrow) fn step(&mut self, step: &Step) {
        let world = &mut self.world;
        let task = world.task();
        let index = |at: u8| u32::from(at) % (u32::try_from(task.pledges().len()).unwrap() + 1);
        let last = task.submissions().last().map(|submission| submission.id);
        match *step {
            Step::Issue(amount) => {
                let command = world.issue_command(task.next_index(), sat(amount));
                self.give(command);
            }
            Step::Pay(at, amount) => {
                let index = index(at);
                world.pay(index, sat(amount));
            }
            Step::Replace(at, amount) => {
                let waiting =
                    task.outpoints().values().filter(|held| held.present && held.confirmation.is_none());
                let Some(held) = pick(waiting.cloned(), at) else { return };
                if world.chain.in_mempool(&held.outpoint.txid) {
                    let script = world.script(held.slot.index);
                    let inputs = &world.chain.transaction(&held.outpoint.txid).unwrap().input;
                    // Not what a settlement left in escrow.
                    let from_outside =
                        inputs.iter().all(|input| world.book.find(&input.previous_output).is_none());
                    if from_outside {
                        world.chain.replace(held.outpoint.txid, &[(script, sat(amount))]);
                    }
                }
            }
            Step::Coinbase(at) => {
                let script = world.script(index(at));
                world.chain.mine_to(&script, sat(25_000));
            }
            Step::Secure(at) => {
                let Some(outpoint) = self.outpoint(at) else { return };
                if self.world.task().outpoints()[&outpoint].slot.index != 0 {
                    let refund = self.world.bundle(outpoint).signatures().clone();
                    self.give(Command::SecureRefund { refund });
                }
            }
            Step::Mine(blocks) => world.chain.mine(u32::from(blocks)),
            Step::Reorg(gone, mined) => {
                world.chain.disconnect(usize::from(gone));
                world.chain.mine(u32::from(mined));
            }
            Step::Drop(at) => {
                let waiting = task.outpoints().keys().map(|outpoint| outpoint.txid);
                let Some(txid) = pick(waiting, at) else { return };
                world.chain.drop_from_mempool(&txid);
            }
            Step::Wait(at) => {
                let fields = task.charter().fields();
                let now = world.chain.tip().mtp_secs;
                let week = crate::escrow::network::DAY_SECS * 7;
                // T comes seldom: a life before it has more to tell.
                let until = match at {
                    0..140 => now + week + 1,
                    140..180 => now + 3 * week,
                    180..215 => fields.funding_close,
                    215..230 => task.charter().cutoff_secs(),
                    230.. => fields.refund_time + 1,
                };
                world.chain.advance_to(until);
            }
            Step::Submit(at) => {
                let count = u8::try_from(task.charter().milestones()).unwrap();
                let milestone = (count > 1).then(|| u32::from(at % count));
                // The wide lives know payees that the representative names.
                let named = (at >= 200 && self.there.is_some()).then(|| {
                    let address = testing::address(world.network, 55).to_string();
                    Named { by: NamedBy::Representative, payees: vec![Payee { address, share_bps: 9_500 }] }
                });
                let role = if named.is_some() { Role::Representative } else { Role::Developer };
                let submission = Submission { milestone, named, ..world.submission() };
                let block = world.chain.block(submission.block_height);
                let key = testing::statement_keypair(world.network, role);
                let submission = Signed::new(&world.secp, submission, &key);
                self.give(Command::SubmitWork { submission, block });
            }
            Step::Vote(at, yes, counter) => {
                let index = index(at);
                let Some(submission) = self.submission(at) else { return };
                let world = &self.world;
                let choice = if yes { Choice::Yes } else { Choice::No };
                let vote = world.vote_statement(submission, index.max(1), choice, u32::from(counter));
                let command = world.vote_command(vote);
                self.give(command);
            }
            Step::Confirm => {
                let Some(submission) = last else { return };
                let command = world.confirm_command(world.confirmation(submission));
                self.give(command);
            }
            Step::Say(at, dispute) => {
                let Some(submission) = last else { return };
                let kind = if dispute { EvidenceKind::Dispute } else { EvidenceKind::Evidence };
                let signers = Role::ALL.map(Party::Signer);
                let sponsors = task.pledges().keys().map(|index| Party::Pledge(*index));
                let all = signers.into_iter().chain([Party::Leader]).chain(sponsors);
                let Some(by) = pick(all, at) else { return };
                let command = world.evidence_command(world.evidence(submission, kind, by));
                self.give(command);
            }
            Step::Judge(accepted) => {
                let Some(submission) = last else { return };
                let _ = world.judge(submission, accepted);
            }
            Step::Rule(share) => {
                let Some(submission) = last else { return };
                let _ = world.rule(submission, u16::from(share) * 40);
            }
            Step::Propose(kind, of, rate) => {
                let kind = kind_of(kind, self.submission(of), self.there);
                self.give(Command::ProposeSettlement { kind, feerate_sat_per_vb: u64::from(rate) });
            }
            Step::Sign(at, role, all) => {
                let Some(settlement) = self.settlement(at) else { return };
                let role = Role::ALL[usize::from(role) % 3];
                let mut signatures = self.world.signatures(settlement, role);
                if !all {
                    signatures.chunks.iter_mut().for_each(|forms| forms[1..].iter_mut().for_each(Vec::clear));
                }
                self.give(Command::SignSettlement { settlement, signatures });
            }
            Step::Broadcast(at, form) => {
                let Some(id) = self.settlement(at) else { return };
                let state = &self.world.task().settlements()[&id];
                let chunk = u32::from(at) % u32::try_from(state.plan.chunks().len()).unwrap();
                let forms = state.plan.chunk(chunk).unwrap().forms.len();
                let form = u32::from(form) % u32::try_from(forms).unwrap();
                let Ok(transaction) = state.plan.finalize(chunk, form, &state.signatures) else { return };
                let _ = self.world.chain.broadcast(&transaction);
                self.give(Command::NoteBroadcast { settlement: id, chunk, form });
            }
            Step::Settle(kind, pair, form) => {
                let kind = kind_of(kind, self.submission(pair), self.there);
                self.settle(kind, pair, form);
            }
            Step::Stray(at, amount) => {
                let scripts = world.book.tasks().values().flat_map(|task| task.scripts());
                let Some((script, _)) = pick(scripts, at) else { return };
                world.chain.pay_one(&script, sat(amount));
            }
            Step::Prepare(of, at, rate) => {
                let (Some(submission), Some(outpoint)) = (self.submission(of), self.outpoint(at)) else {
                    return;
                };
                let plan = self.world.task().split_off(&submission, outpoint, u64::from(rate));
                if let Ok(plan) = plan {
                    self.prepare(&plan, self.world.id);
                }
            }
            Step::Milestone(of, pair, form) => {
                let Some(submission) = self.submission(of) else { return };
                let unspent = self.world.task().outpoints().values().filter(|held| held.unspent());
                let held: Vec<Outpoint> = unspent.filter(|held| held.slot.index > 0).cloned().collect();
                for held in held {
                    let vote = self.world.vote_statement(submission, held.slot.index, Choice::Yes, 9);
                    let command = self.world.vote_command(vote);
                    self.give(command);
                    if let Ok(plan) = self.world.task().split_off(&submission, held.outpoint, 1) {
                        self.prepare(&plan, self.world.id);
                    }
                }
                self.settle(Kind::Milestone { submission }, pair, form);
            }
            Step::Move(at, rate) => self.moves(at, rate),
            Step::Late(at) => self.moves_alone(at),
            Step::Rung(at, rung) => self.rung(at, rung),
            Step::Reload => {
                let again = self.world.replayed();
                assert_eq!(again, self.world.book, "the journal folds into the same book");
                self.world.book = again;
            }
            Step::Refund(at, rung) => {
                let secured = task.outpoints().values().filter_map(|held| held.refund.clone());
                let Some(bundle) = pick(secured, at) else { return };
                if let Some((_, transaction)) = pick(bundle.ladder(), rung) {
                    let _ = world.chain.broadcast(&transaction);
                }
            }
            Step::Repeat(at) => {
                let Some((task, command)) = pick(self.commands.clone(), at) else { return };
                self.give_to(task, command);
            }
        }
        self.world.sync();
    }

    /// What must hold after every step.
    fn holds(&mut self) {
        self.world.check_sums();
        let task = self.world.task();
        self.secured
            .extend(task.outpoints().values().filter(|held| held.secured()).map(|held| held.outpoint));
        for outpoint in &self.secured {
            assert!(task.outpoints()[outpoint].secured(), "a refund that was secured stays");
        }
        for submission in task.submissions().iter().filter(|s| task.window(s).is_none()) {
            assert!(submission.votes.is_empty() && submission.ruling.is_none(), "nothing before the merge");
        }
    }

    /// Where the return of a missed target is due it can be proposed, and then it is not due any more.
    fn returned_once(&mut self) {
        let tip = *self.world.book.tip().expect("synced");
        if self.world.task().return_due(&tip) {
            match self.world.propose(Kind::EarlyReturn, 1) {
                Ok(id) => {
                    let task = self.world.task();
                    let held_up = task.may_be_signed(&task.settlements()[&id], &tip).is_err();
                    assert!(!task.return_due(&tip) || held_up, "once, but for what waits for another");
                }
                Err(refused) => assert_eq!(refused.code(), "settlement_under_way"),
            }
        }
    }

    /// After T every secured outpoint that is still there can go home, before Bitcoin Core's verifier, and
    /// does.
    pub(in crate::escrow) fn goes_home(&mut self) {
        let world = &mut self.world;
        world.advance_to(testing::REFUND_TIME + 1);
        // Old enough for every coinbase; what waits in the mempool is mined on the way, or stays.
        world.mine(100);
        let there = |held: &&Outpoint| {
            held.present && held.spend.is_none() && held.confirmation.is_some() && held.secured()
        };
        let bundles: Vec<RefundBundle> =
            world.task().outpoints().values().filter(there).filter_map(|held| held.refund.clone()).collect();
        for bundle in &bundles {
            world.chain.check(&bundle.pair()).expect("the pair is valid");
            let ladder = bundle.ladder();
            for (_, transaction) in ladder.iter().filter(|(rung, _)| rung.delay_secs == 0) {
                world.chain.check(transaction).expect("the rung is valid");
            }
            let home = ladder.first().map_or_else(|| bundle.pair(), |(_, transaction)| transaction.clone());
            world.chain.broadcast(&home).expect("nodes take it");
        }
        world.mine(2);
        for bundle in &bundles {
            let spend = world.task().outpoints()[&bundle.target().outpoint()].spend.expect("it went home");
            assert_eq!(spend.path, SpendPath::Refund);
        }
        assert_eq!(world.totals().secured, Amount::ZERO);
        world.check();
        audit(&self.world);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 300, ..ProptestConfig::default() })]
    #[test]
    fn no_life_breaks_the_books(
        amounts in prop::collection::vec(10_000u64..900_000, 0..4),
        waits in any::<bool>(),
        all_or_nothing in any::<bool>(),
        steps in prop::collection::vec(step(), 5..50),
    ) {
        let mut life = Life::under(|fields| {
            if waits {
                fields.vote_opens = VoteOpens::Merged;
            }
            if all_or_nothing {
                fields.funding_rule = FundingRule::AllOrNothing;
                fields.submissions_open = SubmissionsOpen::WhenTargetCredited;
            }
        });
        for amount in &amounts {
            life.world.fund(sat(*amount));
        }
        for step in &steps {
            life.step(step);
            life.holds();
            life.returned_once();
        }
        life.world.check();
        audit(&life.world);
        life.goes_home();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, ..ProptestConfig::default() })]
    #[test]
    fn no_life_of_milestones_and_moves_loses_a_satoshi_or_leaves_one_behind(
        amounts in prop::collection::vec(10_000u64..900_000, 1..4),
        steps in prop::collection::vec(wide_step(), 15..45),
        look in any::<prop::sample::Index>(),
        takes_late in any::<bool>(),
    ) {
        let mut life = Life::wide(takes_late);
        for amount in &amounts {
            life.world.fund(sat(*amount));
        }
        let look = look.index(steps.len());
        for (at, step) in steps.iter().enumerate() {
            life.step(step);
            life.holds();
            if at == look {
                audit(&life.world);
                no_dead_state(&life.world);
            }
        }
        life.world.check();
        audit(&life.world);
        no_dead_state(&life.world);
        life.moves_at_t();
        life.goes_home();
    }
}

#[test]
fn a_life_of_everything_leaves_no_dead_state_on_its_way() {
    let mut life = Life::wide(false);
    for amount in [600_000, 400_000, 300_000] {
        life.world.fund(sat(amount));
    }
    let look = |life: &mut Life| {
        life.step(&Step::Mine(2));
        life.step(&Step::Reload);
        life.holds();
        audit(&life.world);
        no_dead_state(&life.world);
    };
    // Everybody's first two milestones are paid, each with the rest left in escrow.
    for milestone in [0, 1] {
        life.step(&Step::Submit(milestone));
        life.step(&Step::Milestone(1, milestone, 2 * milestone));
        look(&mut life);
        let now = life.world.chain.tip().mtp_secs;
        life.world.advance_to(now + life.world.task().charter().fields().review_secs + 1);
    }
    // One rest moves to the other task, the two others are paid out.
    let outpoints = life.world.task().outpoints().clone();
    let mine = outpoints.values().position(|held| held.slot.index == 1 && held.unspent()).unwrap();
    life.step(&Step::Move(u8::try_from(mine).unwrap(), 1));
    let to = life.there.unwrap();
    life.settle(Kind::Move { to }, 0, 1);
    look(&mut life);
    life.step(&Step::Submit(2));
    for pledge in [2, 3] {
        life.step(&Step::Vote(pledge, true, 1));
    }
    let submission = life.submission(1).unwrap();
    life.settle(Kind::Payout { submission }, 2, 0);
    look(&mut life);
    let (task, tip) = (life.world.task(), life.world.book.tip().unwrap());
    let mined: Vec<usize> = task
        .settlements()
        .values()
        .map(|state| task.chunk_fates(state, tip).iter().filter(|fate| **fate != Fate::Pending).count())
        .collect();
    assert_eq!(mined.iter().sum::<usize>(), 3 + 3 + 1 + 1, "three splits twice, a move, a payout");
    assert!(task.outpoints().values().all(|held| !held.unspent()), "nothing is left here");
    let there = life.world.book.task(&to).unwrap();
    let arrived: Vec<&Outpoint> = there.outpoints().values().collect();
    assert!(arrived.len() == 1 && arrived[0].unspent() && arrived[0].secured());
    life.goes_home();
}
