//! Milestones, other payees and moves by commands, against a service whose every word can be checked.

use super::lives::{Lives, charter, life, recovery};
use super::{Ran, WORDS, path, upfront};
use crate::escrow::charter::{Charter, Milestone};
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::pledge::Standing;
use crate::escrow::proof::fixture::Life;
use crate::escrow::recovery::RecoveryFile;
use crate::escrow::statement::{CharterId, NamedBy, SettlementId};
use crate::escrow::testing;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Amount, Transaction};
use serde_json::Value;
use std::path::Path;

fn three() -> Charter {
    charter(|fields| {
        let due = |weeks: u32| fields.work_deadline - weeks * 7 * DAY_SECS;
        fields.milestones = vec![
            Milestone { share_bps: 5_000, due: due(2) },
            Milestone { share_bps: 3_333, due: due(1) },
            Milestone { share_bps: 1_667, due: due(0) },
        ];
    })
}

/// A person at a desk of their own.
struct Desk<'a> {
    dir: &'a Path,
    url: &'a str,
    task: String,
}

impl Desk<'_> {
    fn new<'a>(dir: &'a Path, lives: &'a Lives, task: &CharterId) -> Desk<'a> {
        std::fs::write(dir.join("words"), WORDS).unwrap();
        std::fs::write(dir.join("work"), "the work").unwrap();
        Desk { dir, url: &lives.url, task: task.to_string() }
    }

    fn run(&self, args: &[&str]) -> Ran {
        upfront(&[&["--server", self.url], args].concat())
    }

    fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[&["--json"], args].concat());
        assert_eq!(ran.status, 0, "{args:?}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }

    fn submit(&self, more: &[&str]) -> Ran {
        let (words, work) = (path(self.dir, "words"), path(self.dir, "work"));
        let link = "https://example.org/parser/pull/7";
        let base = ["submission", "create", &self.task, "--link", link, "--content", &work, "--key", &words];
        self.run(&[&base, more].concat())
    }

    fn vote(&self, recovery: &str, more: &[&str]) -> Vec<String> {
        let base = ["vote", &self.task, "--pledge", "1", "--choice", "yes", "--recovery", recovery];
        [&base, more].concat().iter().map(|word| (*word).to_owned()).collect()
    }

    fn co_sign(&self, settlement: &str, role: &str, account: &str) -> Ran {
        let words = path(self.dir, "words");
        self.run(&[
            "settlement",
            "co-sign",
            &self.task,
            settlement,
            "--role",
            role,
            "--key",
            &words,
            "--account",
            account,
            "--yes",
        ])
    }
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

fn refunds(file: &str) -> Vec<(u32, Amount)> {
    let file = RecoveryFile::parse(&Secp256k1::new(), &std::fs::read(file).unwrap()).unwrap();
    let refund = |bundle: &crate::escrow::refund::RefundBundle| {
        assert!(!bundle.pair_only(), "pair and ladder");
        (bundle.target().output().slot.generation, bundle.target().amount())
    };
    file.refunds().iter().map(refund).collect()
}

fn finalized(life: &Life, id: &str, form: u32) -> Transaction {
    let state = &life.task.settlements()[&id.parse::<SettlementId>().unwrap()];
    state.plan.finalize(0, form, &state.signatures).unwrap()
}

#[test]
fn a_milestone_is_submitted_voted_on_split_and_signed() {
    let dir = tempfile::tempdir().unwrap();
    let charter = three();
    let alive = life(&charter, &[300_000, 100_000]);
    let file = recovery(&alive, 1, dir.path());
    let lives = Lives::start([alive]);
    let desk = Desk::new(dir.path(), &lives, &charter.id());

    // Which milestone has to be said, and is one of those that are open.
    for (more, part) in [
        (vec![], "say which one"),
        (vec!["--milestone", "4"], "there is no milestone 4"),
        (vec!["--milestone", "0"], "there is no milestone 0"),
    ] {
        let ran = desk.submit(&more);
        assert_eq!(ran.status, 1, "{}", ran.err);
        assert!(ran.err.contains(part) && ran.err.contains("--milestone 2 (33.33 %, due"), "{}", ran.err);
    }
    let ran = desk.submit(&["--milestone", "1"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("milestone"), "{}", ran.out);
    lives.with(&charter.id(), |life| assert_eq!(life.task.submissions()[0].milestone(), 0));

    // The vote stands, also where preparing is cut off; the same again goes on.
    lives.cut_after(Some(2));
    let vote = desk.vote(&file, &[]);
    let ran = desk.run(&[&["--json"], &words(&vote)[..]].concat());
    lives.cut_after(None);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(told["kept_problem"].as_str().unwrap().contains("prepared-refunds"), "{told}");
    lives.with(&charter.id(), |life| assert_eq!(life.task.submissions()[0].votes.len(), 1));
    let told = desk.json(&words(&vote));
    let kept = &told["kept"];
    assert_eq!(kept["refunds_prepared"], 3);
    assert_eq!(kept["feerate_sat_per_vb"], 2);
    assert_eq!(kept["feerates_sat_per_vb"], serde_json::json!([2, 4, 8]));
    let split = &kept["splits"][0];
    assert_eq!((&split["pay_bps"], &split["stays_for"]), (&5_000.into(), &serde_json::json!([2, 3])));
    let sum =
        ["paid_sat", "stays_sat", "fee_sat"].map(|part| split[part].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!(sum, 300_000, "{split}");
    let held = refunds(&file);
    assert_eq!(held.iter().map(|(generation, _)| *generation).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(held[0].1.to_sat(), split["stays_sat"].as_u64().unwrap());
    lives.with(&charter.id(), |life| assert_eq!(life.task.all_prepared().len(), 3));
    let ran = desk.run(&words(&vote));
    for part in
        ["are paid now (50.00 %)", "stay in escrow for milestones 2, 3", "is secured", "2, 4, 8 sat/vB"]
    {
        assert!(ran.out.contains(part), "{part} is not in\n{}", ran.out);
    }

    // Proposed at the feerate the refunds are for, and signed with the refunds checked.
    let proposed = desk.json(&["settlement", "propose", &desk.task, "--kind", "milestone"]);
    let id = proposed["id"].as_str().unwrap();
    assert_eq!((&proposed["kind"], &proposed["feerate_sat_per_vb"]), (&"milestone".into(), &2.into()));
    for (role, account) in [("developer", "0"), ("representative", "1")] {
        let ran = desk.co_sign(id, role, account);
        assert_eq!(ran.status, 0, "{}", ran.err);
    }
    lives.with(&charter.id(), |life| {
        let transaction = finalized(life, id, 1);
        life.mine(vec![transaction], 600);
        let rest = life.task.outpoints().values().find(|held| held.slot.generation == 1).unwrap();
        assert!(rest.secured(), "from the first moment");
        assert_eq!(life.task.standings(&life.tip())[&rest.outpoint], Standing::Credited);
        assert!(held.contains(&(1, rest.amount)));
    });
    let shown = desk.run(&["task", "show", &desk.task]).out;
    for part in ["1 payment for it is mined", "not submitted yet", "milestone 3", "milestone of submission"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let verified = desk.run(&["verify", "--offline", "--task", &desk.task]);
    assert_eq!(verified.status, 0, "{}", verified.err);
    for part in ["milestone 1: 50.00 %", "milestone 2: 33.33 %", "nothing submitted; "] {
        assert!(verified.out.contains(part), "{part} is not in\n{}", verified.out);
    }
    // The rest's own refund is in the recovery file already; one that lacks it gets it.
    let secured = desk.json(&["pledge", "secure", &desk.task, "--recovery", &file]);
    assert_eq!((secured["index"].clone(), refunds(&file)), (1.into(), held.clone()));
    let bare = lives.with(&charter.id(), |life| recovery(life, 1, dir.path()));
    desk.json(&["pledge", "secure", &desk.task, "--recovery", &bare]);
    assert_eq!(refunds(&bare), [held[1]], "of the form that was mined");
}

#[test]
fn a_vote_alone_signs_no_refund() {
    let dir = tempfile::tempdir().unwrap();
    let charter = three();
    let alive = life(&charter, &[300_000]);
    let file = recovery(&alive, 1, dir.path());
    let lives = Lives::start([alive]);
    let desk = Desk::new(dir.path(), &lives, &charter.id());
    assert_eq!(desk.submit(&["--milestone", "3"]).status, 0);
    let told = desk.json(&words(&desk.vote(&file, &["--no-split"])));
    assert!(told.get("kept").is_none() && told.get("kept_problem").is_none(), "{told}");
    lives.with(&charter.id(), |life| assert!(life.task.all_prepared().is_empty()));
    assert_eq!(refunds(&file), []);
    let wrong = desk.run(&words(&desk.vote(&file, &["--feerate", "11"])));
    assert!(wrong.status == 1 && wrong.err.contains("10 or 12"), "{}", wrong.err);
    // By another wallet the vote only, and that is said.
    let out = path(dir.path(), "vote.psbt");
    let asked = desk.run(&["vote", &desk.task, "--pledge", "1", "--choice", "yes", "--psbt-out", &out]);
    assert!(asked.status == 0 && asked.err.contains("Only the vote"), "{}", asked.err);
}

#[test]
fn signing_a_milestone_offline_needs_the_refunds() {
    let dir = tempfile::tempdir().unwrap();
    let charter = three();
    let alive = life(&charter, &[300_000]);
    let file = recovery(&alive, 1, dir.path());
    let lives = Lives::start([alive]);
    let desk = Desk::new(dir.path(), &lives, &charter.id());
    assert_eq!(desk.submit(&["--milestone", "2"]).status, 0);
    desk.json(&words(&desk.vote(&file, &["--feerate", "1"])));
    let proposed = desk.json(&["settlement", "propose", &desk.task, "--kind", "milestone"]);
    let id = proposed["id"].as_str().unwrap();
    let at = path(dir.path(), "export");
    let exported = desk.run(&["settlement", "export", &desk.task, id, "--dir", &at]);
    assert!(exported.status == 0 && exported.out.contains("--refunds refunds.json"), "{}", exported.out);
    let (key, proof) = (path(dir.path(), "words"), path(Path::new(&at), "proof.json"));
    let (refunds, out) = (path(Path::new(&at), "refunds.json"), path(dir.path(), "signed"));
    let psbts: Vec<String> = (0..3).map(|form| path(Path::new(&at), &format!("0-{form}.psbt"))).collect();
    let base = [
        "settlement",
        "sign",
        "--role",
        "developer",
        "--key",
        &key,
        "--proof",
        &proof,
        "--out",
        &out,
        "--yes",
    ];
    let psbts: Vec<&str> = psbts.iter().map(String::as_str).collect();
    let without = upfront(&[&base[..], &psbts].concat());
    assert_eq!(without.status, 4, "{}", without.err);
    assert!(without.err.contains("without its sponsor's refund"), "{}", without.err);
    let with = upfront(&[&base[..], &["--refunds", &refunds], &psbts].concat());
    assert_eq!(with.status, 0, "{}", with.err);
    let signed: Vec<String> = (0..3).map(|form| path(Path::new(&out), &format!("0-{form}.psbt"))).collect();
    let submit = [&["settlement", "submit", &desk.task, id], &words(&signed)[..]].concat();
    assert_eq!(desk.json(&submit)["signed_by"], serde_json::json!(["developer"]));
}

#[test]
fn representative_or_leader_name_others_who_are_paid() {
    let other = testing::address(Network::Regtest, 55);
    for (by, named_by) in [("representative", NamedBy::Representative), ("leader", NamedBy::Leader)] {
        let dir = tempfile::tempdir().unwrap();
        let charter = charter(|_| ());
        let lives = Lives::start([life(&charter, &[300_000])]);
        let desk = Desk::new(dir.path(), &lives, &charter.id());
        let few = format!("{other}:94%");
        let ran = desk.submit(&["--payee", &few, "--as", by]);
        assert!(ran.status == 1 && ran.err.contains("have 95.00 % together"), "{}", ran.err);
        let all = format!("{other}:95%");
        assert_eq!(desk.submit(&["--payee", &all]).status, 2, "somebody names them");
        let account = if by == "representative" { "1" } else { "5" };
        let ran = desk.submit(&["--payee", &all, "--as", by, "--account", account]);
        assert_eq!(ran.status, 0, "{}", ran.err);
        assert!(ran.out.contains(&other.to_string()) && ran.out.contains(by), "{}", ran.out);
        lives.with(&charter.id(), |life| {
            let named = life.task.submissions()[0].signed.statement.named.clone().unwrap();
            assert_eq!((named.by, named.payees[0].share_bps), (named_by, 9_500));
        });
        // What was signed is checked again by whoever reads it.
        assert_eq!(desk.run(&["submission", "show", &desk.task]).status, 0);
        let one = desk.submit(&["--milestone", "1"]);
        assert!(one.status == 1 && one.err.contains("no milestones"), "{}", one.err);
    }
    let dir = tempfile::tempdir().unwrap();
    let charter = charter(|_| ());
    let lives = Lives::start([life(&charter, &[])]);
    let desk = Desk::new(dir.path(), &lives, &charter.id());
    let all = format!("{other}:95%");
    let ran = desk.submit(&["--payee", &all, "--as", "representative", "--account", "4"]);
    assert!(ran.status == 1 && ran.err.contains("representative's key"), "{}", ran.err);
}

#[test]
fn a_task_says_what_no_single_payout_can_pay() {
    let dir = tempfile::tempdir().unwrap();
    let charter = three();
    let alive = life(&charter, &[300_000]);
    let file = recovery(&alive, 1, dir.path());
    let lives = Lives::start([alive]);
    let desk = Desk::new(dir.path(), &lives, &charter.id());
    for (milestone, payee) in [("1", 55), ("2", 56)] {
        let payee = format!("{}:95%", testing::address(Network::Regtest, payee));
        let by = ["--milestone", milestone, "--payee", &payee, "--as", "representative", "--account", "1"];
        let ran = desk.submit(&by);
        assert_eq!(ran.status, 0, "{}", ran.err);
        assert!(!desk.run(&["task", "show", &desk.task]).out.contains("pay different people"));
        let ran = desk.run(&words(&desk.vote(&file, &["--no-split"])));
        assert_eq!(ran.status, 0, "{}", ran.err);
        lives.with(&charter.id(), |life| {
            life.mine_empty(1, charter.fields().review_secs + 1);
            life.mine_empty(10, 600);
        });
    }
    let told = desk.run(&["task", "show", &desk.task]).out;
    for words in
        ["pledge 1: milestones 1, 2 of ", "pay different people", "`--kind milestone` for each but the last"]
    {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    assert_eq!(
        desk.json(&["task", "show", &desk.task])["parted"][0]["milestones"],
        serde_json::json!([0, 1])
    );
}

/// A task, another one with a later T, and the recovery file of the pledge in the first.
fn two(dir: &Path) -> (Lives, CharterId, CharterId, String) {
    let old = charter(|_| ());
    let new = charter(|fields| {
        fields.refund_time += 7 * DAY_SECS;
        fields.licence = "MIT".into();
    });
    let alive = life(&old, &[100_000, 300_000]);
    let file = recovery(&alive, 2, dir);
    // Somebody else is first there.
    let lives = Lives::start([alive, life(&new, &[50_000])]);
    (lives, old.id(), new.id(), file)
}

#[test]
fn a_pledge_moves_and_goes_on_after_every_cut() {
    for posts in 0..=5 {
        let dir = tempfile::tempdir().unwrap();
        let (lives, old, new, file) = two(dir.path());
        let desk = Desk::new(dir.path(), &lives, &old);
        let (to, out) = (new.to_string(), path(dir.path(), "moved.json"));
        let command =
            ["pledge", "move", &desk.task, "--to", &to, "--recovery", &file, "--recovery-out", &out];
        lives.cut_after(Some(posts));
        let cut = desk.run(&command);
        assert_ne!(cut.status, 0, "after {posts}");
        lives.cut_after(None);
        let told = desk.json(&command);
        assert_eq!((&told["to_pledge"], &told["refunds_prepared"]), (&2.into(), &3.into()), "after {posts}");
        assert!(told["next"].as_str().unwrap().contains("--kind move --to"));
        lives.with(&new, |life| {
            assert_eq!(life.task.pledges().len(), 2, "after {posts}");
            assert_eq!(life.task.all_prepared().len(), 3);
        });
        lives.with(&old, |life| assert_eq!(life.task.moves().len(), 1));
        assert_eq!(refunds(&out).len(), 3);
        let again = desk.json(&command);
        assert_eq!(again, told, "nothing twice");
    }
}

#[test]
fn a_move_is_proposed_signed_with_both_documents_and_arrives_with_its_refund() {
    let dir = tempfile::tempdir().unwrap();
    let (lives, old, new, file) = two(dir.path());
    let desk = Desk::new(dir.path(), &lives, &old);
    let (to, out) = (new.to_string(), path(dir.path(), "moved.json"));
    let command = ["pledge", "move", &desk.task, "--to", &to, "--recovery", &file, "--recovery-out", &out];
    let ran = desk.run(&command);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("Nothing has moved yet"), "{}", ran.out);
    let missing = desk.run(&["settlement", "propose", &desk.task, "--kind", "move"]);
    assert_eq!(missing.status, 2, "{}", missing.err);
    let proposed = desk.json(&["settlement", "propose", &desk.task, "--kind", "move", "--to", &to]);
    let id = proposed["id"].as_str().unwrap();
    let at = path(dir.path(), "export");
    let exported = desk.run(&["settlement", "export", &desk.task, id, "--dir", &at]);
    assert!(exported.out.contains("--destination destination.json"), "{}", exported.out);
    let (key, proof) = (path(dir.path(), "words"), path(Path::new(&at), "proof.json"));
    let [refunds, destination] = ["refunds.json", "destination.json"].map(|name| path(Path::new(&at), name));
    let (signed, psbt) = (path(dir.path(), "signed"), path(Path::new(&at), "0-0.psbt"));
    let base =
        ["settlement", "sign", "--role", "arbiter", "--account", "2", "--key", &key, "--proof", &proof];
    let rest = ["--out", &signed, "--yes", &psbt, "--refunds", &refunds];
    let without = upfront(&[&base[..], &rest].concat());
    assert!(without.status == 4 && without.err.contains("destination"), "{}", without.err);
    let with = upfront(&[&base[..], &rest, &["--destination", &destination]].concat());
    assert_eq!(with.status, 0, "{}", with.err);
    for (role, account) in [("arbiter", "2"), ("developer", "0")] {
        let ran = desk.co_sign(id, role, account);
        assert_eq!(ran.status, 0, "{}", ran.err);
    }
    let moved = lives.with(&old, |life| {
        let moved = finalized(life, id, 2);
        life.mine(vec![moved.clone()], 600);
        moved
    });
    lives.with(&new, |life| {
        life.mine(vec![moved.clone()], 600);
        let arrived = life.task.outpoints().values().find(|held| held.slot.index == 2).unwrap();
        assert!(arrived.secured(), "under the new T");
        assert_eq!(life.task.standings(&life.tip())[&arrived.outpoint], Standing::Credited);
    });
    let verified = desk.run(&["verify", "--offline", "--task", &desk.task]);
    assert_eq!(verified.status, 0, "{}", verified.err);
    let words = format!("pledge 2 of charter {new}: moved by {}", moved.compute_txid());
    assert!(verified.out.contains(&words), "{}", verified.out);
    let again = desk.run(&command);
    assert!(again.status == 1 && again.err.contains("nothing can move"), "{}", again.err);
    let same = desk.run(&["pledge", "move", &desk.task, "--to", &desk.task, "--recovery", &file]);
    assert_eq!(same.status, 2, "{}", same.err);
}

#[test]
fn a_sponsor_moves_alone_at_t_with_a_refund_for_every_rung() {
    let dir = tempfile::tempdir().unwrap();
    let (lives, old, new, file) = two(dir.path());
    let desk = Desk::new(dir.path(), &lives, &old);
    let (to, out) = (new.to_string(), path(dir.path(), "moved.json"));
    let command =
        ["pledge", "move", &desk.task, "--to", &to, "--recovery", &file, "--recovery-out", &out, "--alone"];
    // Cut off before the ladder is handed in.
    lives.cut_after(Some(4));
    assert_ne!(desk.run(&command).status, 0);
    lives.cut_after(None);
    let told = desk.json(&command);
    assert!(told.get("next").is_none() && told["alone_after"].is_u64(), "{told}");
    lives.with(&old, |life| {
        let held = life.task.outpoints().values().find(|held| held.slot.index == 2).unwrap();
        let late = held.late_move.as_ref().unwrap();
        let rungs = late.ladder().unwrap().rungs();
        assert_eq!((late.consent().statement.to_charter, rungs.len()), (new, 7));
        assert!(life.task.moves().is_empty(), "signers move nothing by it");
    });
    assert_eq!((told["refunds_prepared"].as_u64(), refunds(&out).len()), (Some(7), 7));
    assert_eq!(desk.json(&command), told, "nothing twice");
    assert!(desk.run(&command).out.contains("in place of your refund"));
}

#[test]
fn a_charter_is_drafted_with_milestones_that_are_shown_from_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "charter.json");
    std::fs::write(&file, three().bytes()).unwrap();
    let shown = upfront(&["charter", "show", &file]).out;
    for part in ["milestone 1", "50.00 % of each pledge, due", "milestone 3", "16.67 %"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let text = path(dir.path(), "task.txt");
    std::fs::write(&text, "Read dates.").unwrap();
    let refused = upfront(&[
        "charter",
        "new",
        "--text",
        &text,
        "--out",
        &file,
        "--network",
        "regtest",
        "--receipt-key",
        &testing::receipt_keypair().x_only_public_key().0.to_string(),
        "--repository",
        "x",
        "--refund-time",
        "1811721600",
        "--funding-close",
        "1811700000",
        "--work-deadline",
        "1811710000",
        "--licence",
        "MIT",
        "--developer",
        "d",
        "--representative",
        "r",
        "--arbiter",
        "a",
        "--target-sat",
        "100000",
        "--milestone",
        "50",
        "--milestone",
        "50%",
    ]);
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("milestone 1: write SHARE%:DUE"), "{}", refused.err);
}
