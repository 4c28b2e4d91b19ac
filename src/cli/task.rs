//! `upfront task`: create, list, show, and fetch the proof document.

mod view;

use super::charter::read_charter;
use super::context::{Context, IdentityArg, read_text, write_public};
use super::exit::{Exit, Failure};
use super::text::{Rows, sat};
use crate::client::CheckedTask;
use crate::escrow::statement::{CharterId, Digest};
use crate::escrow::task::Stage;
use crate::service::views::{TaskQuery, TaskSort, TaskSummary};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

pub use view::{outpoint_rows, submission_words, word_of};

#[derive(Subcommand)]
pub enum TaskCommand {
    /// Hand a charter and its text to the service
    Create(CreateArgs),
    /// List the service's tasks
    List(ListArgs),
    /// Show a task: terms, money, votes, settlements
    Show(ShowArgs),
    /// Fetch the proof document: all public data, for `upfront verify` and for signers
    Proof(ProofArgs),
}

#[derive(Args)]
pub struct CreateArgs {
    /// Charter, canonical JSON
    #[arg(long, value_name = "FILE")]
    charter: PathBuf,
    /// The task's text, whose hash the charter names
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Args)]
pub struct ListArgs {
    /// Only tasks at this stage: draft, attested, open, working, voting, deciding, settling, paid, returned,
    /// expired, refunding, refunded
    #[arg(long, value_parser = stage)]
    stage: Option<Stage>,
    /// Only tasks of this repository, as their charters write it
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
    /// Only tasks whose text or repository has all these words
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// Only tasks that need at least so much, satoshis
    #[arg(long, value_name = "SAT")]
    min_target_sat: Option<u64>,
    /// Begin with what raised most, instead of what is newest
    #[arg(long)]
    most_funded: bool,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

fn stage(name: &str) -> Result<Stage, String> {
    let named = serde_json::Value::String(name.to_owned());
    serde_json::from_value(named).map_err(|_| "no such stage: see --help".to_owned())
}

#[derive(Args)]
pub struct ShowArgs {
    /// Id of the task's charter
    task: CharterId,
}

#[derive(Args)]
pub struct ProofArgs {
    /// Id of the task's charter
    task: CharterId,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Created {
    task: CharterId,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "task {}", self.task)?;
        writeln!(f, "Next, each of the three signers:")?;
        writeln!(f, "  upfront charter attest --task {} --role ROLE --key FILE --send", self.task)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<TaskSummary>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "No tasks yet.");
        }
        for task in &self.0 {
            writeln!(f, "{}", task.charter)?;
            let mut rows = Rows::new();
            let raised = format!("{} of {}", sat(task.totals.raised.to_sat()), sat(task.target_sat));
            rows.row("  title", super::text::inert(&task.title))
                .row("  stage", word_of(&task.stage))
                .row("  raised", raised)
                .row("  T", super::text::when(task.refund_time));
            write!(f, "{rows}")?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Proof {
    task: CharterId,
    file: PathBuf,
    bytes: usize,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} bytes in {}. Check it: upfront verify {}",
            self.bytes,
            self.file.display(),
            self.file.display()
        )
    }
}

pub fn run(context: &Context<'_>, command: TaskCommand) -> anyhow::Result<Exit> {
    match command {
        TaskCommand::Create(args) => create(context, &args)?,
        TaskCommand::List(args) => {
            let query = TaskQuery {
                stage: args.stage,
                repository: args.repository,
                q: args.search,
                min_target_sat: args.min_target_sat,
                sort: args.most_funded.then_some(TaskSort::MostFunded),
                ..TaskQuery::default()
            };
            context.report(&List(context.client().tasks(&query, args.limit)?))?;
        }
        TaskCommand::Show(ShowArgs { task }) => {
            let checked = CheckedTask::fetch(&context.client(), &task)?;
            for pledge in &checked.view().pledges {
                checked.check_pledge(pledge)?;
            }
            context.report(&view::TaskReport::new(checked.into_view()))?;
        }
        TaskCommand::Proof(ProofArgs { task, out }) => {
            let text = context.client().proof(&task)?;
            write_public(&out, text.as_bytes())?;
            context.report(&Proof { task, file: out, bytes: text.len() })?;
        }
    }
    Ok(Exit::Done)
}

fn create(context: &Context<'_>, args: &CreateArgs) -> anyhow::Result<()> {
    let charter = read_charter(&args.charter)?;
    let text = read_text(&args.text)?;
    if Digest::of(text.as_bytes()) != charter.fields().text_hash {
        let message = format!("{} is not the text whose hash the charter names", args.text.display());
        return Err(Failure::refused("text_hash", message).into());
    }
    let bytes =
        std::str::from_utf8(charter.bytes()).map_err(|e| Failure::refused("not_text", e.to_string()))?;
    let task = context.client_as(&args.identity)?.create_task(bytes, &text)?;
    if task != charter.id() {
        return Err(Failure::untrue(
            "service_untrue",
            format!("the service made {task} of charter {}", charter.id()),
        )
        .into());
    }
    context.report(&Created { task })
}
