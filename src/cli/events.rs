//! `upfront events`: what happened, and with `--follow` what happens, one line an event.

use super::context::Context;
use super::exit::{Exit, Failure};
use super::text::{inert, stamp};
use crate::client::events::{Step, Told};
use crate::client::{Client, ClientError};
use crate::escrow::public::{EventId, ProjectId, in_words, source_in_words};
use crate::escrow::statement::{CharterId, TaskId};
use crate::service::events::Topic;
use anyhow::Context as _;
use clap::Args;
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

/// Events asked for at once.
const PAGE: usize = 1_000;
/// Lines that may wait to be printed.
const WAITING: usize = 64;
/// Digits of a task's id that tell it from others for people.
const SHORT_ID: usize = 12;

#[derive(Args)]
pub struct EventsArgs {
    /// Only of the task with this id
    #[arg(long, value_name = "ID", conflicts_with = "project")]
    task: Option<CharterId>,
    /// Only of this project: its id, or its repository as charters write it
    #[arg(long, value_name = "ID|URL", value_parser = project)]
    project: Option<ProjectId>,
    /// Only of the wish with this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["task", "project"])]
    wish: Option<TaskId>,
    /// Only of this pledge of the task
    #[arg(long, value_name = "N", requires = "task")]
    pledge: Option<u32>,
    /// Begin after the event with this id; 0 is the oldest that is kept
    #[arg(long, value_name = "ID")]
    after: Option<EventId>,
    /// Go on with what happens until interrupted, also when the connection breaks. Without --after it begins now
    #[arg(long)]
    follow: bool,
    /// Say with each who signed it, or where else it comes from
    #[arg(long)]
    signed: bool,
    /// At most so many events
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

fn project(given: &str) -> Result<ProjectId, String> {
    match given.parse() {
        Ok(project) => Ok(project),
        Err(_) if given.contains('/') => Ok(ProjectId::of(given)),
        Err(error) => Err(error.to_string()),
    }
}

/// One event as a line.
struct Line {
    told: Told,
    /// Of several tasks: say which.
    several: bool,
    /// Say who signed it.
    signed: bool,
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.told.json.serialize(serializer)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { id, event, .. } = &self.told;
        let Some(event) = event else {
            return writeln!(f, "{id}  {} (of a later version; --json shows it)", inert(&self.told.kind()));
        };
        write!(f, "{id}  {}  ", stamp(event.recorded_secs))?;
        if self.several {
            let id = event.charter.map(|id| id.to_string()).or(event.wish.map(|id| id.to_string()));
            let id = id.unwrap_or_else(|| event.project.to_string());
            write!(f, "{}  ", id.get(..SHORT_ID).unwrap_or_default())?;
        }
        write!(f, "{}", inert(&in_words(event)))?;
        if self.signed {
            let key = event.signed_by.and_then(|signed| signed.key).map(|key| format!(", key {key}"));
            write!(f, "  ({}{})", source_in_words(event), key.unwrap_or_default())?;
        }
        writeln!(f)
    }
}

pub fn run(context: &Context<'_>, args: &EventsArgs) -> anyhow::Result<Exit> {
    let topic = match (args.task, args.pledge, args.project) {
        _ if args.wish.is_some() => args.wish.map_or(Topic::All, Topic::Wish),
        (Some(task), Some(index), _) => Topic::Pledge(task, index),
        (Some(task), None, _) => Topic::Task(task),
        (None, _, Some(project)) => Topic::Project(project),
        (None, _, None) => Topic::All,
    };
    let printing = Printing {
        context,
        several: args.task.is_none() && args.wish.is_none(),
        signed: args.signed,
        left: args.limit.unwrap_or(usize::MAX),
    };
    if args.follow { follow(printing, topic, args.after) } else { pages(printing, &topic, args.after) }
}

/// Prints until enough is printed, or nobody reads.
struct Printing<'a, 'b> {
    context: &'a Context<'b>,
    several: bool,
    signed: bool,
    left: usize,
}

impl Printing<'_, '_> {
    /// Prints an event; whether another one is wanted.
    fn print(&mut self, told: Told) -> anyhow::Result<bool> {
        let line = Line { told, several: self.several, signed: self.signed };
        self.left = self.left.saturating_sub(1);
        Ok(self.context.line(&line)? && self.left > 0)
    }
}

fn pages(mut printing: Printing<'_, '_>, topic: &Topic, after: Option<EventId>) -> anyhow::Result<Exit> {
    let client = printing.context.client();
    let mut after = after.unwrap_or_default();
    let mut printed = false;
    while printing.left > 0 {
        let (items, next) = client.events(topic, after, printing.left.min(PAGE))?;
        if items.is_empty() {
            if !printed {
                printing.context.note("No events.");
            }
            break;
        }
        for told in items {
            printed = true;
            if !printing.print(told)? {
                return Ok(Exit::Done);
            }
        }
        after = next;
    }
    Ok(Exit::Done)
}

/// What those who listen tell the one who prints.
enum Message {
    Event(Box<Told>),
    /// Nothing is heard for so long, from there on.
    Cut {
        why: String,
        wait: Duration,
        last: Option<EventId>,
    },
    Failed(ClientError),
    /// Asked to end.
    Interrupted,
}

/// One thread listens, one waits for signals, and this one prints: whichever of them blocks, an interrupt ends the
/// command between two lines.
fn follow(printing: Printing<'_, '_>, topic: Topic, after: Option<EventId>) -> anyhow::Result<Exit> {
    if printing.left == 0 {
        return Ok(Exit::Done);
    }
    let (sender, receiver) = mpsc::sync_channel(WAITING);
    watch_for_signals(sender.clone()).context("cannot wait for signals")?;
    let client = printing.context.client();
    // Not joined: it may be in a read that takes a minute, and the process ends without it.
    std::thread::Builder::new()
        .name("events".into())
        .spawn(move || listen(&client, topic, after, &sender))
        .context("cannot start a thread")?;
    print_all(printing, &receiver)
}

fn print_all(mut printing: Printing<'_, '_>, messages: &Receiver<Message>) -> anyhow::Result<Exit> {
    loop {
        match messages.recv() {
            Ok(Message::Event(told)) => {
                if !printing.print(*told)? {
                    return Ok(Exit::Done);
                }
            }
            Ok(Message::Cut { why, wait, last }) => {
                let from = last.map_or_else(String::new, |last| format!(", going on after {last}"));
                let wait = wait.as_millis().div_ceil(100);
                let (secs, tenths) = (wait / 10, wait % 10);
                printing.context.note(format!("The stream broke: {why}. Again in {secs}.{tenths} s{from}."));
            }
            Ok(Message::Failed(error)) => return Err(explained(error)),
            // Without anybody who listens there is nothing to wait for.
            Ok(Message::Interrupted) | Err(_) => return Ok(Exit::Done),
        }
    }
}

fn explained(error: ClientError) -> anyhow::Error {
    if error.code() != "events_forgotten" {
        return error.into();
    }
    Failure::refused("events_forgotten", error.to_string())
        .hint("look at the present state with `upfront task show`, then go on with --after 0 or without --after")
        .into()
}

fn listen(client: &Client, topic: Topic, after: Option<EventId>, to: &SyncSender<Message>) {
    let mut follow = client.follow(topic, after);
    loop {
        let (message, wait) = match follow.step() {
            Ok(Step::Event(told)) => (Message::Event(told), None),
            Ok(Step::Cut { why, wait }) => (Message::Cut { why, wait, last: follow.last() }, Some(wait)),
            Err(error) => {
                // Whoever printed is gone where this cannot be told.
                let _ = to.send(Message::Failed(error));
                return;
            }
        };
        if to.send(message).is_err() {
            return;
        }
        std::thread::sleep(wait.unwrap_or_default());
    }
}

/// The first interrupt ends the command in order, a second one at once.
fn watch_for_signals(to: SyncSender<Message>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let wait = move || {
        runtime.block_on(async {
            for last in [false, true] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                // Where lines wait to be printed nobody reads them: then ending in order would take for ever.
                if last || to.try_send(Message::Interrupted).is_err() {
                    std::process::exit(i32::from(Exit::Done.status()));
                }
            }
        });
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::unlock::PassphraseArgs;
    use serde_json::json;

    fn told(id: &str, extra: serde_json::Value) -> Told {
        let mut json = json!({
            "id": id, "type": "payment_credited", "charter": "ab".repeat(32), "pledge": 3,
            "data": { "outpoint": format!("{}:0", "cd".repeat(32)), "amount_sat": 1_000_000 },
            "project": "0".repeat(32), "repository": "https://example.org/x", "recorded_secs": 1_800_000_000,
        });
        for (key, value) in extra.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        let event = serde_json::from_value(json.clone()).ok();
        Told { id: id.parse().unwrap(), json, event }
    }

    #[test]
    fn a_line_says_when_where_and_what() {
        let line = |several, extra| Line { told: told("42-1", extra), several, signed: false }.to_string();
        assert_eq!(
            line(false, json!({})),
            "42-1  2027-01-15 08:00:00 UTC  1,000,000 sat credited on pledge 3\n"
        );
        assert!(line(true, json!({})).contains("UTC  abababababab  1,000,000 sat"));
        let signed = |extra| Line { told: told("42-1", extra), several: false, signed: true }.to_string();
        let chain = signed(json!({}));
        assert!(chain.ends_with("sat credited on pledge 3  (Seen on the chain)\n"), "{chain}");
        let key = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let vote = json!({ "signed_by": { "part": "sponsor", "form": "bip340", "key": key } });
        let vote = signed(vote);
        assert!(vote.ends_with(&format!("(Signed by the sponsor of pledge 3, key {key})\n")), "{vote}");
        let unknown = line(true, json!({ "type": "moon\u{1b}[2J\u{202e}\nx" }));
        assert_eq!(unknown, "42-1  moon [2J\u{fffd} x (of a later version; --json shows it)\n");
    }

    /// What was printed of messages, where they came to an end, and what was noted.
    fn printed(json: bool, limit: usize, messages: Vec<Message>) -> (String, String, anyhow::Result<Exit>) {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let (sender, receiver) = mpsc::sync_channel(messages.len());
        messages.into_iter().for_each(|message| sender.send(message).unwrap());
        drop(sender);
        let passphrases = PassphraseArgs::default().into();
        let context = Context::new(json, String::new(), passphrases, &mut out, &mut notes);
        let ended =
            print_all(Printing { context: &context, several: false, signed: false, left: limit }, &receiver);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(out), text(notes), ended)
    }

    #[test]
    fn what_is_heard_is_printed_and_cuts_are_noted() {
        let event = |id| Message::Event(Box::new(told(id, json!({}))));
        let cut = || Message::Cut {
            why: "the stream ended".into(),
            wait: Duration::from_millis(3_210),
            last: Some("1-0".parse().unwrap()),
        };
        let (out, notes, ended) =
            printed(false, 9, vec![event("1-0"), cut(), event("2-0"), Message::Interrupted, event("3-0")]);
        assert_eq!((out.lines().count(), ended.unwrap()), (2, Exit::Done));
        assert_eq!(notes, "The stream broke: the stream ended. Again in 3.3 s, going on after 1-0.\n");
        let (out, notes, ended) = printed(true, 2, vec![event("1-0"), cut(), event("2-0"), event("3-0")]);
        let ids: Vec<serde_json::Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((ids.len(), &ids[1]["id"], notes.as_str()), (2, &json!("2-0"), ""));
        assert_eq!(ended.unwrap(), Exit::Done);
        let forgotten = ClientError::Refused {
            status: 410,
            code: "events_forgotten".into(),
            message: "no".into(),
            hint: None,
        };
        let (_, _, ended) = printed(false, 2, vec![Message::Failed(forgotten)]);
        let report = super::super::exit::ErrorReport::new(&ended.unwrap_err());
        assert!(report.to_json().contains("--after 0"), "{}", report.to_json());
    }

    #[test]
    fn a_project_is_named_by_id_or_repository() {
        let id = ProjectId::of("https://example.org/x");
        assert_eq!(project("https://example.org/x"), Ok(id));
        assert_eq!(project(&id.to_string()), Ok(id));
        assert!(project("example").is_err());
    }
}
