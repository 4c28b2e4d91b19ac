//! Random lives: no sequence of commands and chain facts breaks what must hold in every case.

use super::{sat, verified};
use crate::escrow::charter::{CharterFields, FundingRule, SubmissionsOpen, VoteOpens};
use crate::escrow::event::Command;
use crate::escrow::facts::SpendPath;
use crate::escrow::pledge::Outpoint;
use crate::escrow::refund::RefundBundle;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, EvidenceKind, Party, Role, SettlementId, SubmissionId};
use crate::escrow::testing::{self, World};
use bitcoin::{Amount, OutPoint, ScriptBuf, Txid};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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
    Submit,
    Vote(u8, bool, u8),
    /// The leader confirms the latest submission, where the charter waits for that.
    Confirm,
    /// A party says something about it, or opens a dispute.
    Say(u8, bool),
    Judge(bool),
    Rule(u8),
    Propose(u8, u8),
    Sign(u8, u8, bool),
    Broadcast(u8, u8),
    /// Proposes, has two sign, broadcasts: the way it should be, where it may.
    Settle(u8, u8, u8),
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
        2 => Just(Step::Submit),
        6 => (any::<u8>(), any::<bool>(), 0u8..3).prop_map(|(at, yes, counter)| Step::Vote(at, yes, counter)),
        2 => Just(Step::Confirm),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(at, dispute)| Step::Say(at, dispute)),
        1 => any::<bool>().prop_map(Step::Judge),
        1 => any::<u8>().prop_map(Step::Rule),
        2 => (any::<u8>(), 1u8..4).prop_map(|(kind, rate)| Step::Propose(kind, rate)),
        5 => (any::<u8>(), any::<u8>(), 0u8..3).prop_map(|(kind, pair, form)| Step::Settle(kind, pair, form)),
        3 => (any::<u8>(), any::<u8>(), any::<bool>()).prop_map(|(at, role, all)| Step::Sign(at, role, all)),
        3 => (any::<u8>(), 0u8..3).prop_map(|(at, form)| Step::Broadcast(at, form)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(at, rung)| Step::Refund(at, rung)),
        1 => any::<u8>().prop_map(Step::Repeat),
    ]
}

fn pick<T: Clone>(from: impl IntoIterator<Item = T>, at: u8) -> Option<T> {
    let all: Vec<T> = from.into_iter().collect();
    if all.is_empty() { None } else { Some(all[usize::from(at) % all.len()].clone()) }
}

fn kind_of(kind: u8, last: Option<SubmissionId>) -> Kind {
    match (kind % 6, last) {
        (0, _) => Kind::EarlyReturn,
        (1 | 2, Some(submission)) => Kind::Ruling { submission },
        (_, Some(submission)) => Kind::Payout { submission },
        (_, None) => Kind::EarlyReturn,
    }
}

/// A life with what was given to it and what must never be lost again.
pub(in crate::escrow) struct Life {
    pub(in crate::escrow) world: World,
    commands: Vec<Command>,
    secured: BTreeSet<OutPoint>,
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
        Life { world, commands: Vec::new(), secured: BTreeSet::new() }
    }

    /// A refused command changes nothing; what was accepted was applied, or `give` would have panicked.
    fn give(&mut self, command: Command) {
        let before = self.world.log.len();
        if self.world.give(&command).is_err() {
            assert_eq!(self.world.log.len(), before);
        }
        self.commands.push(command);
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
                    let from_outside = world.chain.transaction(&held.outpoint.txid).unwrap().input.len() == 1;
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
            Step::Submit => {
                let command = world.submit_command(world.submission());
                self.give(command);
            }
            Step::Vote(at, yes, counter) => {
                let (Some(submission), index) = (last, index(at)) else { return };
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
            Step::Propose(kind, rate) => {
                let kind = kind_of(kind, last);
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
                let form = u32::from(form) % u32::try_from(state.plan.chunks()[0].forms.len()).unwrap();
                let Ok(transaction) = state.plan.finalize(0, form, &state.signatures) else { return };
                let _ = self.world.chain.broadcast(&transaction);
                self.give(Command::NoteBroadcast { settlement: id, chunk: 0, form });
            }
            Step::Settle(kind, pair, form) => {
                let Ok(id) = world.propose(kind_of(kind, last), 1) else { return };
                let out = usize::from(pair) % 3;
                for role in Role::ALL.into_iter().filter(|role| *role != Role::ALL[out]) {
                    let signatures = self.world.signatures(id, role);
                    self.give(Command::SignSettlement { settlement: id, signatures });
                }
                let state = &self.world.task().settlements()[&id];
                let Ok(transaction) = state.plan.finalize(0, u32::from(form), &state.signatures) else {
                    return;
                };
                let _ = self.world.chain.broadcast(&transaction);
                self.give(Command::NoteBroadcast { settlement: id, chunk: 0, form: u32::from(form) });
            }
            Step::Refund(at, rung) => {
                let secured = task.outpoints().values().filter_map(|held| held.refund.clone());
                let Some(bundle) = pick(secured, at) else { return };
                if let Some((_, transaction)) = pick(bundle.ladder(), rung) {
                    let _ = world.chain.broadcast(&transaction);
                }
            }
            Step::Repeat(at) => {
                let Some(command) = pick(self.commands.clone(), at) else { return };
                self.give(command);
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

    /// Nobody is paid twice, and no satoshi goes anywhere but where it may: each mined spend of an escrow
    /// output is a form of one settlement or a refund, to the payees, the pot and the sponsors of its inputs.
    fn paid_once(&self) {
        let (world, task) = (&self.world, self.world.task());
        let mut spent = BTreeSet::new();
        let payees: Vec<ScriptBuf> =
            task.charter().shares().iter().map(|s| s.address.script_pubkey()).collect();
        for transaction in world.chain.mined_transactions() {
            let ours: Vec<OutPoint> = transaction
                .input
                .iter()
                .map(|input| input.previous_output)
                .filter(|outpoint| task.outpoints().contains_key(outpoint))
                .collect();
            if ours.is_empty() {
                continue;
            }
            let txid: Txid = transaction.compute_txid();
            let mut allowed: BTreeMap<ScriptBuf, Amount> = BTreeMap::new();
            for outpoint in &ours {
                assert!(spent.insert(*outpoint), "{outpoint} is spent once");
                let held = &task.outpoints()[outpoint];
                let spend = held.spend.expect("the book knows");
                assert_eq!((spend.txid, spend.confirmation.is_some()), (txid, true));
                let back = task.return_address(held.slot).expect("there is a pot").script_pubkey();
                *allowed.entry(back).or_default() += held.amount;
                let settlement = task.settlements().values().find(|state| state.plan.has_transaction(&txid));
                assert_eq!(settlement.is_some(), spend.path == SpendPath::Cooperative);
                if spend.path == SpendPath::Refund {
                    assert!(spend.confirmation.unwrap().mtp_secs >= testing::REFUND_TIME);
                }
            }
            for output in &transaction.output {
                if !payees.contains(&output.script_pubkey) {
                    assert!(allowed.get(&output.script_pubkey).is_some_and(|most| output.value <= *most));
                }
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
        self.paid_once();
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
        life.paid_once();
        life.goes_home();
    }
}
