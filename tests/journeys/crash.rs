//! The service dies as by `kill -9` at named places and is started again: nothing acknowledged is lost,
//! nothing is done twice, and the journey still ends as it should.
//!
//! The people of these journeys do what people do: when nobody answers they wait, and say the same again.

use crate::harness::{Api, Failure, Make, Pledged, Sponsor, Task, World, people::NETWORK, wait_until};
use bitcoin::{Amount, OutPoint, Txid};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use upfront::escrow::pledge::Standing;
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Choice, Role};
use upfront::escrow::task::Stage;
use upfront::escrow::testing;
use upfront::service::views::{SettlementProgress, TaskView};
use upfront::wallet::OperatorWallet;

fn sat(amount: u64) -> Amount {
    Amount::from_sat(amount)
}

/// A world whose service may die, and is then started again.
struct Mortal {
    world: World,
    failpoint: &'static str,
    deaths: u32,
}

impl Mortal {
    /// Says it until there is an answer.
    #[track_caller]
    fn insist<T>(&mut self, what: &str, mut say: impl FnMut(&World, &Api) -> Result<T, Failure>) -> T {
        let begun = Instant::now();
        loop {
            match say(&self.world, &self.world.api()) {
                Ok(answer) => return answer,
                Err(Failure::Down(_)) if self.world.service.revive() => {
                    self.deaths += 1;
                    assert_eq!(self.deaths, 1, "{}: it dies once", self.failpoint);
                }
                Err(Failure::Refused { code, .. }) if code == "chain_unknown" => {}
                Err(Failure::Refused { code, .. }) if code == "unknown_outpoint" => {}
                Err(error) => {
                    assert!(begun.elapsed() < Duration::from_secs(5), "{}: {what}: {error:?}", self.failpoint)
                }
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{}: waited for {what}", self.failpoint);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for something to be so, starting the service again if it dies.
    #[track_caller]
    fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&World, &Api) -> Result<Option<T>, Failure>,
    ) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = self.insist(what, &mut look) {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{}: waited for {what}", self.failpoint);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn view(&mut self, task: &Task) -> TaskView {
        self.insist("the task", |_, api| api.task(&task.id()))
    }

    fn synced(&mut self) {
        self.until("the node's tip is known", |world, api| {
            let tip = world.node.tip();
            Ok(api.status()?.tip.filter(|known| known.hash.to_string() == tip))
        });
    }

    fn mine(&mut self, blocks: u32) {
        self.world.node.mine(blocks);
        self.synced();
    }

    fn open(&mut self, number: u8) -> Task {
        let status = self.until("the chain is known", |_, api| {
            Ok(Some(api.status()?).filter(|status| status.tip.is_some()))
        });
        let now = status.tip.unwrap().mtp_secs;
        let task = Task::draft_at(status.receipt_key.to_string(), now, number, |_| ());
        self.insist("the task is created", |_, api| task.create(api));
        for role in Role::ALL {
            self.insist("the charter is attested", |_, api| task.attest(api, role));
        }
        assert_eq!(self.view(&task).stage, Stage::Open);
        task
    }

    /// Two pledges, paid, secured and credited.
    fn fund(&mut self, task: &Task) -> Vec<(Pledged, OutPoint)> {
        let mut funded = Vec::new();
        for (index, amount_sat) in [(1, 300_000), (2, 200_000)] {
            let sponsor = Sponsor::new(u8::try_from(index).unwrap());
            let pledge = task.sign_pledge(&sponsor, index, sat(amount_sat));
            // The same words again after a crash: the same address, not a second pledge.
            self.insist("the pledge is issued", |_, api| task.issue(api, &pledge));
            let txid = self.world.node.send(pledge.address(), pledge.amount);
            let outpoint = self.world.node.outpoint(&txid, pledge.address());
            self.insist("the refund is secured", |_, api| task.secure(api, &pledge, outpoint));
            funded.push((pledge, outpoint));
        }
        self.mine(1);
        funded
    }

    /// Everything said so far is there, once.
    fn check_books(&mut self, task: &Task, funded: &[(Pledged, OutPoint)]) {
        // A server may tell of the block first, and of what is in it a little later.
        let view = wait_until("everything is credited", || {
            let view = self.view(task);
            (view.totals.raised >= sat(500_000)).then_some(view)
        });
        assert_eq!(view.pledges.len(), funded.len(), "{}", self.failpoint);
        for (pledge, (known, outpoint)) in view.pledges.iter().zip(funded) {
            assert_eq!(pledge.address, known.address().to_string());
            let [held] = &pledge.outpoints[..] else { panic!("{}: one outpoint", self.failpoint) };
            assert_eq!((held.outpoint, held.amount_sat), (*outpoint, known.amount.to_sat()));
            assert_eq!(held.standing, Some(Standing::Credited), "{}", self.failpoint);
            assert!(held.secured, "{}", self.failpoint);
        }
        assert_eq!(view.totals.raised, sat(500_000), "{}", self.failpoint);
    }

    /// It died where it was told to, and its journal is whole.
    fn end(mut self) {
        assert_eq!(self.deaths, 1, "{}: never passed", self.failpoint);
        assert!(self.world.service.log().contains("aborting, as a test asked for"));
        self.world.service.kill();
        let mut verify = std::process::Command::new(env!("CARGO_BIN_EXE_upfront"));
        let verified =
            verify.args(["journal", "verify"]).arg(self.world.service.data_dir()).output().unwrap();
        assert!(verified.status.success(), "{}: {verified:?}", self.failpoint);
    }
}

/// Pledges, votes of yes, a payout by developer and representative.
fn pays_out(mut mortal: Mortal, number: u8) -> Mortal {
    let task = mortal.open(number);
    let funded = mortal.fund(&task);
    mortal.check_books(&task, &funded);
    let signed = task.submission(&mortal.world, 0);
    let submission = signed.statement.id();
    mortal.insist("the work is submitted", |_, api| {
        api.post::<serde_json::Value>(&task.path("/submissions"), &signed)
    });
    let mut receipts = Vec::new();
    for (pledge, _) in &funded {
        let vote = |_: &World, api: &Api| task.vote(api, pledge, submission, Choice::Yes);
        receipts.push(mortal.insist("the vote is cast", vote));
        // Said again it is the same vote, with the receipt it had.
        let again = mortal.insist("the vote is cast again", vote);
        assert_eq!(receipts.last(), Some(&again), "{}", mortal.failpoint);
    }
    let payout =
        mortal.insist("a payout is proposed", |_, api| task.propose(api, Kind::Payout { submission }, 2));
    for role in [Role::Developer, Role::Representative] {
        mortal.insist("the payout is signed", |_, api| task.sign(api, &payout.id, role));
    }
    let forms: BTreeSet<Txid> = payout.transactions[0].forms.iter().map(|form| form.txid).collect();
    let sent = mortal.until("the payout is in the mempool", |world, api| {
        api.status()?;
        Ok(world.node.mempool().into_iter().find(|txid| forms.contains(txid)))
    });
    assert_eq!(mortal.world.node.mempool(), [sent], "and nothing else is");
    mortal.mine(1);
    mortal.until("the task is paid", |_, api| Ok((api.task(&task.id())?.stage == Stage::Paid).then_some(())));
    mortal.check_books(&task, &funded);
    let view = mortal.view(&task);
    assert_eq!(view.settlements.len(), 1, "{}", mortal.failpoint);
    assert_eq!(view.settlements[0].progress, SettlementProgress::Confirmed);
    let votes = &view.submissions[0].votes;
    assert_eq!(votes.len(), 2, "{}", mortal.failpoint);
    for (cast, receipt) in votes.iter().zip(&receipts) {
        assert_eq!((&cast.vote, &cast.receipt), (&receipt.vote, &Some(receipt.receipt.clone())));
    }
    let transaction = mortal.world.node.transaction(&sent);
    let developer = testing::address(NETWORK, 10 * u32::from(number));
    assert_eq!(mortal.world.node.unspent(&developer), [transaction.output[0].value], "paid once");
    mortal
}

/// Pledges, and nothing said until T; the operator's wallet pays.
fn refunds(mut mortal: Mortal, number: u8) -> Mortal {
    let status =
        mortal.until("the fee wallet", |_, api| Ok(api.status()?.fee_wallet.map(|wallet| wallet.address)));
    let top_up: bitcoin::Address<_> = status.parse().unwrap();
    mortal.world.node.send(&top_up.assume_checked(), sat(50_000));
    let task = mortal.open(number);
    let funded = mortal.fund(&task);
    mortal.check_books(&task, &funded);
    mortal.until("the fee wallet is funded", |_, api| {
        Ok(api.status()?.fee_wallet.filter(|wallet| wallet.confirmed_sat == 50_000))
    });
    mortal.world.node.set_mtp(task.charter.refund_time_secs() + 1);
    let sent = mortal.until("one batch is in the mempool", |world, api| {
        api.status()?;
        let mempool = world.node.mempool();
        Ok((mempool.len() == 1).then(|| mempool[0]))
    });
    // Time for a second one, if there were one.
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(mortal.world.node.mempool(), [sent], "{}", mortal.failpoint);
    let batch = mortal.world.node.transaction(&sent);
    assert_eq!(batch.input.len(), 3, "{}: two pairs and the fee", mortal.failpoint);
    mortal.mine(1);
    mortal.until("all is refunded", |_, api| {
        Ok((api.task(&task.id())?.stage == Stage::Refunded).then_some(()))
    });
    mortal.check_books(&task, &funded);
    for (pledge, _) in &funded {
        let unspent = mortal.world.node.unspent(pledge.refund_address());
        assert_eq!(unspent, [pledge.amount], "{}", mortal.failpoint);
    }
    mortal
}

fn with_failpoint(failpoint: &'static str) -> Mortal {
    let mut world = World::start_with(Make::chosen(), |dir| {
        OperatorWallet::create(dir, NETWORK).unwrap();
    });
    world.service.kill();
    world.service.start(Some(failpoint));
    Mortal { world, failpoint, deaths: 0 }
}

macro_rules! dies_at {
    ($($name:ident: $failpoint:literal, $journey:ident, $number:literal;)*) => {$(
        #[test]
        fn $name() {
            $journey(with_failpoint($failpoint), $number).end();
        }
    )*};
}

// `name:7` dies at the seventh pass, which lies in the middle of a journey.
dies_at! {
    dies_before_an_append: "before_append:7", pays_out, 20;
    dies_after_an_append: "after_append:7", pays_out, 21;
    dies_before_the_journal_is_synced: "journal_before_sync:8", pays_out, 22;
    dies_after_the_journal_is_synced: "journal_after_sync:9", pays_out, 23;
    dies_before_the_index_is_written: "before_index:1", pays_out, 24;
    dies_after_the_index_is_written: "after_index:1", pays_out, 25;
    dies_before_a_broadcast: "before_broadcast", pays_out, 11;
    dies_after_a_broadcast: "after_broadcast", pays_out, 12;
    dies_when_a_bundle_is_accepted: "bundle_accepted:2", pays_out, 13;
    dies_when_a_settlement_is_complete: "settlement_complete", pays_out, 14;
    dies_when_a_batch_is_recorded: "batch_recorded", refunds, 15;
    dies_before_a_refund_is_broadcast: "before_broadcast", refunds, 16;
    dies_after_a_refund_is_broadcast: "after_broadcast", refunds, 17;
}

#[test]
fn a_lost_index_is_rebuilt_to_the_same_state() {
    let mut world = World::start();
    let task = Task::open(&world, 8, |_| ());
    let api = world.api();
    let pledge = task.pledge(&api, &Sponsor::new(1), 400_000);
    let txid = world.node.send(pledge.address(), pledge.amount);
    let outpoint = world.node.outpoint(&txid, pledge.address());
    task.wait_seen(&api, &pledge, outpoint);
    task.secure(&api, &pledge, outpoint).unwrap();
    world.mine(1);
    let submission = task.submit(&world);
    task.vote(&api, &pledge, submission, Choice::Yes).unwrap();
    let unconfirmed = task.pledge(&api, &Sponsor::new(2), 100_000);
    let txid = world.node.send(unconfirmed.address(), unconfirmed.amount);
    task.wait_seen(&api, &unconfirmed, world.node.outpoint(&txid, unconfirmed.address()));
    let tell = |world: &World| -> (serde_json::Value, String) {
        let api = world.api();
        let proof = api.get::<serde_json::Value>(&task.path("/proof")).unwrap();
        (api.get(&task.path("")).unwrap(), proof.to_string())
    };
    let before = tell(&world);

    world.service.kill();
    let index = world.service.data_dir().join("index");
    assert!(index.is_dir(), "there is an index to lose");
    std::fs::remove_dir_all(index).unwrap();
    world.service.start(None);
    world.synced();
    crate::harness::wait_until("connected", || world.api().status().unwrap().server);
    assert_eq!(tell(&world), before);
    task.verify(&world);
}
