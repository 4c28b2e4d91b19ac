//! A server that lies, each lie a test, on a real node: once as the only server there is, once beside an
//! honest one of another make.
//!
//! Alone with a liar nobody can know everything; but nothing is counted that is not on the chain, nothing is
//! paid twice, and once the liar is honest again the books are what the node finds. Beside an honest server
//! the truth comes through while he lies on, and where a lie can be proved he is dropped and named.
//!
//! Not tried, because it would hold no meaning here: a branch with more work. On regtest work is free, so who
//! mines the longer branch is right by the rules.

use crate::harness::{
    Api, Flood, Forgery, Liar, Lie, Make, Pledged, Sponsor, Task, World, books, people::NETWORK, wait_until,
};
use bitcoin::{Amount, OutPoint, ScriptBuf, Txid};
use serde_json::json;
use std::time::{Duration, Instant};
use upfront::chain::status::{ChainAlarm, ServerState};
use upfront::escrow::pledge::{Ending, Standing};
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::Role;
use upfront::escrow::task::Stage;
use upfront::service::views::{OutpointView, SettlementView};
use upfront::wallet::OperatorWallet;

/// Money that is on the chain, credited and secured before any lie.
const KEPT_SAT: u64 = 300_000;

/// Who else there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    Nobody,
    Honest,
}

macro_rules! lies {
    ($($name:ident),+ $(,)?) => {
        mod alone {
            $(#[test] fn $name() { super::$name(super::Company::Nobody); })+
        }
        mod beside_an_honest_server {
            $(#[test] fn $name() { super::$name(super::Company::Honest); })+
        }
    };
}

lies!(
    an_unconfirmed_payment_that_nobody_made,
    a_confirmed_payment_that_nobody_made,
    a_payment_said_to_be_mined_too_early,
    a_deposit_left_out,
    a_spend_left_out,
    time_stands_still,
    headers_that_break_a_rule,
    a_branch_with_less_work,
    wrong_merkle_branches,
    a_transaction_of_64_bytes,
    the_bytes_of_another_transaction,
    silence,
    answers_to_pings_alone,
    a_broadcast_swallowed,
    a_broadcast_swallowed_and_shown,
    fees_beyond_reason,
    a_line_without_end,
    thousands_of_notifications,
    a_spend_that_nobody_made,
);

struct Scene {
    world: World,
    company: Company,
    task: Task,
    kept: Pledged,
    outpoint: OutPoint,
    /// An address that was issued; nothing has arrived there.
    open: Pledged,
}

impl Scene {
    fn set(company: Company) -> Scene {
        let second = (company == Company::Honest).then_some(Make::ElectrumX);
        let world = World::with_liar(Make::Electrs, second, |_| ());
        let api = world.api();
        let task = Task::open(&world, 60, |_| ());
        let kept = task.pledge(&api, &Sponsor::new(1), KEPT_SAT);
        let txid = world.node.send(kept.address(), kept.amount);
        let outpoint = world.node.outpoint(&txid, kept.address());
        task.wait_seen(&api, &kept, outpoint);
        task.secure(&api, &kept, outpoint).unwrap();
        let open = task.pledge(&api, &Sponsor::new(2), 120_000);
        world.mine(1);
        let scene = Scene { world, company, task, kept, outpoint, open };
        scene.kept_is_there();
        scene
    }

    fn api(&self) -> Api {
        self.world.api()
    }

    fn liar(&self) -> &Liar {
        self.world.liar.as_ref().unwrap()
    }

    fn script(&self, pledge: &Pledged) -> ScriptBuf {
        pledge.address().script_pubkey()
    }

    fn only(&self, pledge: &Pledged) -> OutpointView {
        match &self.task.outpoints(&self.api(), pledge)[..] {
            [held] => held.clone(),
            held => panic!("pledge {} has one outpoint, not {held:?}", pledge.index),
        }
    }

    fn credited(&self) -> u64 {
        self.task.view(&self.api()).totals.credited.to_sat()
    }

    /// The first deposit is credited and its refund is held.
    #[track_caller]
    fn kept_is_there(&self) {
        let held = self.only(&self.kept);
        assert_eq!((held.outpoint, held.standing), (self.outpoint, Some(Standing::Credited)));
        assert!(held.secured && held.ended.is_none_or(|ended| ended.depth == 0), "{held:?}");
    }

    /// A real payment to the open address.
    fn pay(&self) -> OutPoint {
        let txid = self.world.node.send(self.open.address(), self.open.amount);
        self.world.node.outpoint(&txid, self.open.address())
    }

    /// Long enough for a lie to sink in: nothing false is counted at any moment of it.
    #[track_caller]
    fn nothing_false(&self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2_500) {
            // What was just mined may be known to one side only: then it is asked again.
            let stays = (0..10).all(|_| {
                let found = books::nothing_false(&self.world.node, &self.api());
                found.is_err() && {
                    std::thread::sleep(Duration::from_millis(30));
                    true
                }
            });
            assert!(!stays, "{:?}", books::nothing_false(&self.world.node, &self.api()));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// While he lies: nothing false; and the whole truth, where there is somebody else to tell it.
    #[track_caller]
    fn stands(&self) {
        self.nothing_false();
        if self.company == Company::Honest {
            self.world.synced();
        }
    }

    /// Whether the status page has him as one who lies, with these words.
    fn is_named_for(&self, words: &str) -> Option<()> {
        let status = self.api().status().unwrap();
        let url = self.liar().url();
        let told = status.servers.iter().any(|server| match &server.state {
            ServerState::Dropped { reason, .. } => server.address == url && reason.contains(words),
            ServerState::Connecting { .. } | ServerState::Connected => false,
        });
        let alarmed = status.alarms.iter().any(|alarm| match alarm {
            ChainAlarm::ServerDropped { address, reason, .. } => *address == url && reason.contains(words),
            _ => false,
        });
        (told && alarmed).then_some(())
    }

    #[track_caller]
    fn named(&self, words: &str) {
        wait_until(&format!("he is named for {words:?}"), || self.is_named_for(words));
    }

    /// The honest server goes away for a while: what it has proved, the liar would not be asked for.
    fn leave_alone(&mut self) {
        if let Some(second) = self.world.second.as_mut() {
            second.kill();
        }
    }

    fn come_back(&mut self) {
        if let Some(second) = self.world.second.as_mut() {
            second.restart();
        }
    }

    /// He is honest again: the books are what the node finds, and what was secured still is.
    #[track_caller]
    fn ends(self) {
        self.liar().honest();
        self.world.mine(2);
        self.kept_is_there();
        self.task.verify(&self.world);
    }
}

/// Two servers of different make: the honest one is killed, the other lies on; then the honest one is back.
#[test]
fn the_honest_server_dies_while_the_other_lies() {
    let mut scene = Scene::set(Company::Honest);
    let (script, height) = (scene.script(&scene.open), scene.world.node.height());
    scene.world.second.as_mut().unwrap().kill();
    scene.liar().lie(Lie::FakeConfirmed { script, amount_sat: 120_000, height });
    scene.named("is said to be in block");
    let outpoint = scene.pay();
    scene.world.node.mine(1);
    scene.nothing_false();
    scene.kept_is_there();
    scene.world.second.as_mut().unwrap().restart();
    scene.world.synced();
    let held = scene.only(&scene.open);
    assert_eq!((held.outpoint, held.standing), (outpoint, Some(Standing::Credited)));
    assert_eq!(scene.credited(), KEPT_SAT + 120_000);
    scene.ends();
}

fn an_unconfirmed_payment_that_nobody_made(company: Company) {
    let scene = Scene::set(company);
    scene.liar().lie(Lie::FakeUnconfirmed { script: scene.script(&scene.open), amount_sat: 120_000 });
    scene.stands();
    scene.world.node.mine(2);
    scene.stands();
    let shown = scene.task.outpoints(&scene.api(), &scene.open);
    assert!(shown.iter().all(|held| held.standing == Some(Standing::Seen)), "{shown:?}");
    if company == Company::Honest {
        assert_eq!(shown, [], "nobody else has heard of it");
    }
    assert_eq!(scene.credited(), KEPT_SAT);
    scene.ends();
}

fn a_confirmed_payment_that_nobody_made(company: Company) {
    let scene = Scene::set(company);
    let (script, height) = (scene.script(&scene.open), scene.world.node.height());
    scene.liar().lie(Lie::FakeConfirmed { script, amount_sat: 120_000, height });
    scene.named("is said to be in block");
    scene.stands();
    assert_eq!((scene.task.outpoints(&scene.api(), &scene.open), scene.credited()), (vec![], KEPT_SAT));
    scene.ends();
}

fn a_payment_said_to_be_mined_too_early(company: Company) {
    let scene = Scene::set(company);
    let outpoint = scene.pay();
    scene.task.wait_seen(&scene.api(), &scene.open, outpoint);
    let (script, height) = (scene.script(&scene.open), scene.world.node.height());
    scene.liar().lie(Lie::ClaimsMined { script, height });
    scene.named("is said to be in block");
    scene.stands();
    assert_eq!(scene.credited(), KEPT_SAT);
    scene.liar().honest();
    scene.world.mine(1);
    assert_eq!(scene.credited(), KEPT_SAT + 120_000);
    scene.ends();
}

fn a_deposit_left_out(company: Company) {
    let scene = Scene::set(company);
    scene.liar().lie(Lie::Omission { script: scene.script(&scene.kept) });
    // What was proved once stays so while its block is in the best chain, whoever is silent about it.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        scene.kept_is_there();
        std::thread::sleep(Duration::from_millis(50));
    }
    scene.world.node.mine(1);
    scene.stands();
    scene.kept_is_there();
    // What comes while he leaves it out.
    scene.liar().lie(Lie::Omission { script: scene.script(&scene.open) });
    let outpoint = scene.pay();
    scene.world.node.mine(1);
    scene.stands();
    if company == Company::Honest {
        assert_eq!(scene.only(&scene.open).standing, Some(Standing::Credited));
    }
    scene.liar().honest();
    scene.task.wait_seen(&scene.api(), &scene.open, outpoint);
    scene.world.mine(1);
    assert_eq!(scene.credited(), KEPT_SAT + 120_000);
    scene.ends();
}

/// Everything goes back to the sponsors, signed by two.
fn early_return(scene: &Scene) -> SettlementView {
    let api = scene.api();
    let returns = scene.task.propose(&api, Kind::EarlyReturn, 2).unwrap();
    scene.task.sign(&api, &returns.id, Role::Developer).unwrap();
    scene.task.sign(&api, &returns.id, Role::Representative).unwrap()
}

/// It was mined, once, and paid the sponsor what it was to pay.
#[track_caller]
fn returned(scene: &Scene, returns: &SettlementView) {
    let mempool = wait_until("the return is in the mempool", || {
        Some(scene.world.node.mempool()).filter(|mempool| !mempool.is_empty())
    });
    let forms: Vec<Txid> = returns.transactions[0].forms.iter().map(|form| form.txid).collect();
    assert!(matches!(&mempool[..], [txid] if forms.contains(txid)), "{mempool:?} of {forms:?}");
    let fee = scene.world.node.fee(&scene.world.node.transaction(&mempool[0]));
    scene.world.mine(1);
    wait_until("it is settled", || {
        let ended = scene.only(&scene.kept).ended?;
        (ended.how == Ending::Settled && ended.depth > 0).then_some(())
    });
    let paid = scene.world.node.unspent(scene.kept.refund_address());
    assert_eq!(paid, [Amount::from_sat(KEPT_SAT) - fee], "once");
    assert_eq!(scene.world.node.mempool(), []);
}

fn a_spend_left_out(company: Company) {
    let scene = Scene::set(company);
    let api = scene.api();
    let returns = scene.task.propose(&api, Kind::EarlyReturn, 2).unwrap();
    let txids = returns.transactions[0].forms.iter().map(|form| form.txid).collect();
    scene.liar().lie(Lie::Hides { txids });
    scene.task.sign(&api, &returns.id, Role::Developer).unwrap();
    scene.task.sign(&api, &returns.id, Role::Representative).unwrap();
    scene.world.node.wait_mempool(1);
    scene.world.node.mine(1);
    if company == Company::Honest {
        scene.world.synced();
        assert_eq!(scene.credited(), 0);
    } else {
        // Nobody is there to tell; it is broadcast again, which does no harm.
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(scene.world.node.mempool(), [], "not paid twice");
        scene.liar().honest();
        scene.world.synced();
    }
    scene.liar().honest();
    scene.world.mine(1);
    let ended = scene.only(&scene.kept).ended.unwrap();
    assert_eq!(ended.how, Ending::Settled);
    assert_eq!(scene.world.node.unspent(scene.kept.refund_address()).len(), 1, "once");
    scene.task.verify(&scene.world);
}

fn time_stands_still(company: Company) {
    let scene = Scene::set(company);
    scene.liar().lie(Lie::Stale);
    let outpoint = scene.pay();
    scene.world.node.mine(3);
    scene.stands();
    scene.kept_is_there();
    if company == Company::Honest {
        assert_eq!(scene.credited(), KEPT_SAT + 120_000, "he is not waited for");
    }
    scene.liar().honest();
    scene.task.wait_seen(&scene.api(), &scene.open, outpoint);
    scene.world.mine(1);
    assert_eq!(scene.credited(), KEPT_SAT + 120_000);
    scene.ends();
}

fn headers_that_break_a_rule(company: Company) {
    for (forgery, words) in [
        (Forgery::NoWork, "no proof of work"),
        (Forgery::Unlinked, "header"),
        (Forgery::TooEasy, "target"),
        (Forgery::FalseBits, "target"),
        (Forgery::TooOld, "median time past"),
    ] {
        let scene = Scene::set(company);
        let tip = scene.world.node.tip();
        scene.liar().lie(Lie::Headers(forgery));
        scene.named(words);
        assert_eq!(scene.api().status().unwrap().tip.unwrap().hash.to_string(), tip, "{forgery:?}");
        scene.pay();
        scene.world.node.mine(1);
        scene.stands();
        scene.kept_is_there();
        scene.ends();
    }
}

fn a_branch_with_less_work(company: Company) {
    let scene = Scene::set(company);
    scene.world.mine(3);
    let tip = scene.world.node.tip();
    scene.liar().lie(Lie::Headers(Forgery::LessWork));
    scene.stands();
    assert_eq!(scene.api().status().unwrap().tip.unwrap().hash.to_string(), tip);
    if company == Company::Honest {
        let url = scene.liar().url();
        wait_until("the disagreement is told", || {
            let disagrees = |alarm: &ChainAlarm| matches!(alarm, ChainAlarm::Disagreement { address, .. } if *address == url);
            scene.api().status().unwrap().alarms.iter().any(disagrees).then_some(())
        });
    }
    scene.ends();
}

fn wrong_merkle_branches(company: Company) {
    let mut scene = Scene::set(company);
    let outpoint = scene.pay();
    scene.task.wait_seen(&scene.api(), &scene.open, outpoint);
    scene.leave_alone();
    scene.liar().lie(Lie::WrongMerkle);
    scene.world.node.mine(1);
    scene.named("is said to be in block");
    scene.come_back();
    scene.stands();
    let credited = if company == Company::Honest { KEPT_SAT + 120_000 } else { KEPT_SAT };
    assert_eq!(scene.credited(), credited);
    scene.ends();
}

fn a_transaction_of_64_bytes(company: Company) {
    let scene = Scene::set(company);
    scene.liar().lie(Lie::SixtyFour { outpoint: scene.outpoint, script: scene.script(&scene.kept) });
    scene.named("64 bytes");
    scene.nothing_false();
    scene.kept_is_there();
    // His header is valid, and work is free here: the node needs one block more to be ahead.
    scene.ends();
}

fn the_bytes_of_another_transaction(company: Company) {
    let mut scene = Scene::set(company);
    scene.leave_alone();
    scene.liar().lie(Lie::WrongTransaction);
    scene.pay();
    scene.world.node.mine(1);
    scene.named("another transaction");
    scene.come_back();
    scene.stands();
    let credited = if company == Company::Honest { KEPT_SAT + 120_000 } else { KEPT_SAT };
    assert_eq!(scene.credited(), credited);
    scene.ends();
}

fn says_nothing(company: Company, answers_pings: bool) {
    let scene = Scene::set(company);
    scene.liar().lie(Lie::Silence { answers_pings });
    scene.pay();
    scene.world.node.mine(1);
    scene.stands();
    scene.kept_is_there();
    if company == Company::Honest {
        assert_eq!(scene.credited(), KEPT_SAT + 120_000);
    }
    scene.ends();
}

fn silence(company: Company) {
    says_nothing(company, false);
}

fn answers_to_pings_alone(company: Company) {
    says_nothing(company, true);
}

fn swallows(company: Company, shows: bool) {
    let scene = Scene::set(company);
    scene.liar().lie(Lie::SwallowBroadcast { shows });
    let returns = early_return(&scene);
    wait_until("he was given the return", || (!scene.liar().swallowed().is_empty()).then_some(()));
    if company == Company::Nobody {
        assert_eq!(scene.world.node.mempool(), []);
        scene.nothing_false();
        scene.liar().honest();
    }
    returned(&scene, &returns);
    scene.liar().honest();
    scene.world.mine(1);
    scene.task.verify(&scene.world);
}

fn a_broadcast_swallowed(company: Company) {
    swallows(company, false);
}

fn a_broadcast_swallowed_and_shown(company: Company) {
    swallows(company, true);
}

fn fees_beyond_reason(company: Company) {
    for fees in [json!(-1), json!(0), json!(1_000_000)] {
        let second = (company == Company::Honest).then_some(Make::ElectrumX);
        let world = World::with_liar(Make::Electrs, second, |dir| {
            OperatorWallet::create(dir, NETWORK).unwrap();
        });
        let api = world.api();
        let wallet = || api.status().unwrap().fee_wallet;
        let top_up: bitcoin::Address<_> = wait_until("a fee wallet", wallet).address.parse().unwrap();
        world.node.send(&top_up.assume_checked(), Amount::from_sat(50_000));
        let task = Task::open(&world, 61, |_| ());
        let pledge = task.pledge(&api, &Sponsor::new(1), KEPT_SAT);
        let txid = world.node.send(pledge.address(), pledge.amount);
        let outpoint = world.node.outpoint(&txid, pledge.address());
        task.wait_seen(&api, &pledge, outpoint);
        task.secure(&api, &pledge, outpoint).unwrap();
        world.mine(1);
        wait_until("the fee wallet is funded", || (wallet()?.confirmed_sat == 50_000).then_some(()));
        world.liar.as_ref().unwrap().lie(Lie::WrongFees(fees.clone()));
        world.node.set_mtp(task.charter.refund_time_secs() + 1);
        let [txid] = world.node.wait_mempool(1)[..] else { unreachable!("one was waited for") };
        let fee = world.node.fee(&world.node.transaction(&txid)).to_sat();
        assert!(fee <= KEPT_SAT / 10, "{fee} sat when the server says {fees}");
        world.mine(1);
        wait_until("refunded", || (task.view(&api).stage == Stage::Refunded).then_some(()));
        assert_eq!(world.node.unspent(pledge.refund_address()).len(), 1, "once");
        task.verify(&world);
    }
}

fn a_line_without_end(company: Company) {
    flooded(company, Flood::EndlessLine);
}

fn thousands_of_notifications(company: Company) {
    flooded(company, Flood::Notifications(5_000));
}

fn flooded(company: Company, flood: Flood) {
    let scene = Scene::set(company);
    scene.liar().flood(flood);
    if matches!(flood, Flood::EndlessLine) {
        scene.named("a line without end");
    }
    scene.pay();
    scene.world.node.mine(1);
    scene.nothing_false();
    scene.world.synced();
    assert_eq!(scene.credited(), KEPT_SAT + 120_000);
    // Any number of notifications breaks no rule: only the newest of each script is kept, and nobody is cut off
    // who merely talks a lot.
    if matches!(flood, Flood::Notifications(_)) {
        let log = scene.world.service.log();
        assert!(!log.contains("broke a rule") && !log.contains("disconnected"), "{log}");
    }
    scene.ends();
}

fn a_spend_that_nobody_made(company: Company) {
    let scene = Scene::set(company);
    scene.liar().lie(Lie::FakeSpend { outpoint: scene.outpoint, script: scene.script(&scene.kept) });
    scene.stands();
    scene.world.node.mine(2);
    scene.stands();
    scene.kept_is_there();
    assert_eq!(scene.credited(), KEPT_SAT);
    if company == Company::Honest {
        assert_eq!(scene.only(&scene.kept).ended, None, "nobody else has heard of it");
        let returns = early_return(&scene);
        returned(&scene, &returns);
        scene.liar().honest();
        scene.world.mine(1);
        scene.task.verify(&scene.world);
        return;
    }
    // The money moves as it would have; where nobody contradicts him, once he has stopped: what spends an
    // output in the mempool might be another settlement.
    scene.liar().honest();
    wait_until("the spend is gone", || scene.only(&scene.kept).ended.is_none().then_some(()));
    let returns = early_return(&scene);
    returned(&scene, &returns);
    scene.task.verify(&scene.world);
}
