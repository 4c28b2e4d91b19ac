//! Following a task from its draft to its payout with `upfront events`, over deaths of the service: what was heard
//! is what was told, each event once and in order.

use crate::harness::service::signal;
use crate::harness::{Sponsor, Task, World, directory, wait_until};
use bitcoin::Amount;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use upfront::escrow::settlement::Kind;
use upfront::escrow::statement::{Choice, Role};
use upfront::escrow::task::Stage;

/// `upfront events`, asking a world's service.
fn events(world: &World, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upfront"));
    command.args(["events", "--server", &world.service.url()]).args(args).stdin(Stdio::null());
    command
}

/// Somebody who listens, with what was heard in a file.
struct Listener {
    process: Child,
    dir: TempDir,
}

impl Listener {
    fn start(world: &World, args: &[&str]) -> Listener {
        let dir = directory();
        let file = |name: &str| File::create(dir.path().join(name)).unwrap();
        let process = events(world, args).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Listener { process, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn heard(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("out")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Interrupted as by Ctrl-C, it ends in order.
    fn end(mut self) {
        signal(&self.process, "INT");
        let status = wait_until("it ends", || self.process.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the listener said: {}", std::fs::read_to_string(self.path("err")).unwrap_or_default());
        }
    }
}

/// Everything told so far, page by page.
fn told(world: &World, path: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page: Value = world.api().get(&format!("{path}?limit=7&after={after}")).unwrap();
        let items = page["items"].as_array().unwrap();
        if items.is_empty() {
            return all;
        }
        all.extend(items.iter().cloned());
        after = page["next"].as_str().unwrap().to_owned();
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn what_is_heard_from_draft_to_payout_is_what_was_told() {
    let mut world = World::start();
    let everything = Listener::start(&world, &["--follow", "--json", "--after", "0"]);
    let task = Task::open(&world, 40, |_| ());
    let id = task.id().to_string();
    let of_task = Listener::start(&world, &["--follow", "--json", "--after", "0", "--task", &id]);
    let api = world.api();
    let sponsors = [1, 2].map(Sponsor::new);
    let pledges = [(300_000, &sponsors[0]), (200_000, &sponsors[1])]
        .map(|(amount_sat, sponsor)| task.pledge(&api, sponsor, amount_sat));
    let of_pledge =
        Listener::start(&world, &["--follow", "--json", "--after", "0", "--task", &id, "--pledge", "1"]);
    for pledge in &pledges {
        let txid = world.node.send(pledge.address(), pledge.amount);
        let outpoint = world.node.outpoint(&txid, pledge.address());
        task.wait_seen(&api, pledge, outpoint);
        task.secure(&api, pledge, outpoint).unwrap();
    }
    world.mine(1);
    // Who has never been connected does not wait for a service that is not there: everybody listens by now.
    for listener in [&everything, &of_task, &of_pledge] {
        wait_until("everybody hears", || (!listener.heard().is_empty()).then_some(()));
    }

    // The service dies; what happens while nobody listens is heard afterwards.
    world.service.kill();
    world.service.start(None);
    world.synced();
    let api = world.api();
    let submission = task.submit(&world);
    for pledge in &pledges {
        task.vote(&api, pledge, submission, Choice::Yes).unwrap();
    }
    world.service.kill();
    world.node.mine(1);
    world.service.start(None);
    world.synced();
    let api = world.api();
    let payout = task.propose(&api, Kind::Payout { submission }, 2).unwrap();
    for role in [Role::Developer, Role::Representative] {
        task.sign(&api, &payout.id, role).unwrap();
    }
    world.node.wait_mempool(1);
    world.mine(1);
    wait_until("the task is paid", || (task.view(&world.api()).stage == Stage::Paid).then_some(()));

    let all = told(&world, "/events");
    wait_until("everything is heard", || (everything.heard().len() >= all.len()).then_some(()));
    assert_eq!(everything.heard(), all);
    for (listener, path) in [(&of_task, "/events"), (&of_pledge, "/pledges/1/events")] {
        let mine = told(&world, &task.path(path));
        wait_until("all of the topic is heard", || (listener.heard().len() >= mine.len()).then_some(()));
        assert_eq!(listener.heard(), mine, "{path}");
    }
    assert!(all.iter().all(|event| event["charter"] == *id), "there is one task");
    let story = types(&all);
    let mut from = story.iter();
    for step in [
        "task_drafted",
        "task_opened",
        "pledge_issued",
        "payment_seen",
        "refund_secured",
        "payment_credited",
        "work_submitted",
        "vote_cast",
        "settlement_proposed",
        "settlement_complete",
        "settlement_broadcast",
        "settlement_confirmed",
    ] {
        assert!(from.any(|told| *told == step), "{step} in its place of {story:?}");
    }
    for once in ["task_opened", "settlement_complete", "settlement_confirmed"] {
        assert_eq!(story.iter().filter(|told| **told == once).count(), 1, "{once}: {story:?}");
    }

    // In words; a part of it; and whoever closes the pipe has read enough.
    let text = events(&world, &["--task", &id]).output().unwrap();
    assert!(text.status.success(), "{text:?}");
    let text = String::from_utf8(text.stdout).unwrap();
    assert_eq!(text.lines().count(), all.len());
    for said in ["  300,000 sat credited on pledge 1\n", "  Settlement mined in block ", " UTC  "] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let second = all[1]["id"].as_str().unwrap();
    let part = events(&world, &["--after", second, "--limit", "2"]).output().unwrap();
    assert!(part.status.success());
    let first_words: Vec<String> = String::from_utf8(part.stdout)
        .unwrap()
        .lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(first_words, [&all[2]["id"], &all[3]["id"]].map(|id| id.as_str().unwrap()));
    let mut piped = events(&world, &["--follow", "--after", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(piped.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with(all[0]["id"].as_str().unwrap()), "{line}");
    // The pipe is closed now; at the latest the next event finds out.
    let late = Task::draft(&world, 41, |_| ());
    late.create(&api).unwrap();
    let status = wait_until("it ends with its reader", || piped.try_wait().unwrap());
    assert!(status.success(), "{status}");

    // What the service does not know is refused in its words.
    let unknown = events(&world, &["--json", "--follow", "--after", "999999-0"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("events_forgotten"));
    let cuts = std::fs::read_to_string(of_task.path("err")).unwrap();
    assert_eq!(cuts, "", "nothing is noted with --json");
    [everything, of_task, of_pledge].into_iter().for_each(Listener::end);
    assert_eq!(task.view(&api).totals.settled, Amount::from_sat(500_000));
}
