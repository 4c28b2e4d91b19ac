//! `upfront submission`: the word that work is there to be judged, of the developer, or of whoever names others to be
//! paid for it.

use super::context::{Context, read_bytes};
use super::exit::{Exit, Failure};
use super::speaker::{LeaderSpeaker, SignerSpeaker, Words};
use super::task::submission_words;
use super::text::{percent, when};
use crate::client::CheckedTask;
use crate::draft::share_bps;
use crate::escrow::charter::{Charter, Payee};
use crate::escrow::facts::Tip;
use crate::escrow::statement::{
    CharterId, Digest, MergeConfirmation, Named, NamedBy, Role, Submission, SubmissionId,
};
use crate::service::views::SubmissionView;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum SubmissionCommand {
    /// Put work before the sponsors, as the developer or, naming other payees, as representative or leader
    Create(CreateArgs),
    /// Confirm that a submission is merged or released, as the project's leader: the vote opens with it
    Confirm(ConfirmArgs),
    /// Show a submission with its votes
    Show(ShowArgs),
}

#[derive(Args)]
pub struct CreateArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Where the work is
    #[arg(long, value_name = "URL")]
    link: String,
    /// What is delivered; its SHA-256 is signed
    #[arg(long, value_name = "FILE")]
    content: PathBuf,
    /// Which milestone the work is for, counted from 1; needed where the charter has several
    #[arg(long, value_name = "N")]
    milestone: Option<u32>,
    /// Who is paid in place of the charter's payees, ADDRESS:SHARE%; several times for several. The shares add up to
    /// what those have together; only sponsors who say yes pay others
    #[arg(long = "payee", value_name = "ADDRESS:SHARE%", requires = "by")]
    payees: Vec<String>,
    /// Who names them, and signs in the developer's place
    #[arg(id = "by", long = "as", value_name = "WHO", requires = "payees")]
    by: Option<NamedByArg>,
    #[command(flatten)]
    speaker: SignerSpeaker,
}

#[derive(Clone, Copy, ValueEnum)]
enum NamedByArg {
    /// The sponsors' representative, with the account's key
    Representative,
    /// The project's leader, with the identity of the phrase
    Leader,
}

#[derive(Args)]
pub struct ConfirmArgs {
    /// Id of the task's charter
    task: CharterId,
    #[command(flatten)]
    speaker: LeaderSpeaker,
    /// Which submission; the latest by default
    #[arg(long, value_name = "ID")]
    submission: Option<SubmissionId>,
}

#[derive(Args)]
pub struct ShowArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Which one; the latest by default
    #[arg(long, value_name = "ID")]
    submission: Option<SubmissionId>,
}

/// A submission, as shown.
#[derive(Serialize)]
#[serde(transparent)]
pub struct SubmissionReport(pub SubmissionView);

impl fmt::Display for SubmissionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&submission_words(&self.0))
    }
}

/// The submission that is meant, with its id and the developer's signature checked.
pub fn find(task: &CheckedTask, id: Option<SubmissionId>) -> anyhow::Result<&SubmissionView> {
    Ok(task.submission(id)?.ok_or_else(|| match id {
        Some(id) => Failure::refused("unknown_submission", format!("there is no submission {id}")),
        None => Failure::not_yet("no_submission", "no work was submitted yet"),
    })?)
}

pub fn run(context: &Context<'_>, command: SubmissionCommand) -> anyhow::Result<Exit> {
    match command {
        SubmissionCommand::Create(args) => create(context, &args)?,
        SubmissionCommand::Confirm(args) => confirm(context, &args)?,
        SubmissionCommand::Show(ShowArgs { task, submission }) => {
            let task = CheckedTask::fetch(&context.client(), &task)?;
            context.report(&SubmissionReport(find(&task, submission)?.clone()))?;
        }
    }
    Ok(Exit::Done)
}

fn create(context: &Context<'_>, args: &CreateArgs) -> anyhow::Result<()> {
    let client = context.client();
    let task = CheckedTask::fetch(&client, &args.task)?;
    let tip = tip(&task)?;
    let number = u32::try_from(task.view().submissions.len());
    let statement = Submission {
        network: task.charter().network(),
        charter: args.task,
        number: number.map_err(|_| Failure::refused("submission_number", "too many submissions"))?,
        link: args.link.clone(),
        content: Digest::of(&read_bytes(&args.content)?),
        block_height: tip.height,
        block_hash: tip.hash,
        milestone: milestone(&task, args.milestone, tip.mtp_secs)?,
        named: named(task.charter(), args)?,
    };
    let words = |statement| Words::Submission { statement };
    let charter = task.charter();
    let signed = match args.by {
        None => args.speaker.say(context, charter, Role::Developer, statement, words)?,
        Some(NamedByArg::Representative) => {
            args.speaker.say(context, charter, Role::Representative, statement, words)?
        }
        Some(NamedByArg::Leader) => args.speaker.leader().say(context, charter, statement, words)?,
    };
    if let Some(signed) = signed {
        let id = signed.statement.id();
        let view = client.submit_work(&signed)?;
        if view.id != id {
            return Err(crate::client::ClientError::untrue(
                "submission",
                "it kept another one than was sent",
            )
            .into());
        }
        context.report(&SubmissionReport(view))?;
    }
    Ok(())
}

/// The milestone as the statement counts it, from 0; `None` where there is one only.
fn milestone(task: &CheckedTask, given: Option<u32>, mtp_secs: u32) -> anyhow::Result<Option<u32>> {
    let charter = task.charter();
    let milestones = charter.milestones();
    let refused = |message: String| Failure::refused("milestone_number", message);
    let number = match (given, milestones) {
        (None, 1) => return Ok(None),
        (Some(1), 1) => {
            let message = "this charter has no milestones: all of the work is one";
            return Err(refused(message.into()).hint("leave --milestone out").into());
        }
        (Some(number), _) if (1..=milestones).contains(&number) => number - 1,
        (Some(number), _) => {
            return Err(refused(format!("there is no milestone {number}: the charter has {milestones}"))
                .hint(open_milestones(task, mtp_secs))
                .into());
        }
        (None, _) => {
            return Err(refused(format!(
                "the charter has {milestones} milestones: say which one the work is for"
            ))
            .hint(open_milestones(task, mtp_secs))
            .into());
        }
    };
    let due = charter.milestone(number).map_or(0, |milestone| milestone.due);
    if mtp_secs > due {
        let message = format!("milestone {} was due {}", number + 1, when(due));
        return Err(Failure::refused("milestone_overdue", message)
            .hint(open_milestones(task, mtp_secs))
            .into());
    }
    Ok(Some(number))
}

/// The milestones that may still be submitted, in words.
fn open_milestones(task: &CheckedTask, mtp_secs: u32) -> String {
    let view = task.view();
    let open = view.terms.milestones.iter().zip(0_u32..).filter(|(milestone, _)| mtp_secs <= milestone.due);
    let words = |(milestone, number): (&crate::escrow::charter::Milestone, u32)| {
        let submitted =
            view.submissions.iter().any(|known| known.submission.statement.milestone == Some(number));
        let again = if submitted { ", submitted before" } else { "" };
        format!(
            "--milestone {} ({}, due {}{again})",
            number + 1,
            percent(milestone.share_bps),
            when(milestone.due)
        )
    };
    let open: Vec<String> = open.map(words).collect();
    if open.is_empty() {
        return "none is open any more: all of them are overdue".into();
    }
    format!("open: {}", open.join("; "))
}

/// Who is paid instead, and who says so.
fn named(charter: &Charter, args: &CreateArgs) -> anyhow::Result<Option<Named>> {
    let by = match args.by {
        None => return Ok(None),
        Some(NamedByArg::Representative) => NamedBy::Representative,
        Some(NamedByArg::Leader) => NamedBy::Leader,
    };
    let payee = |text: &String| {
        let (address, share) = text.rsplit_once(':')?;
        Some(Payee { address: address.to_owned(), share_bps: share_bps(share)? })
    };
    let payees: Option<Vec<Payee>> = args.payees.iter().map(payee).collect();
    let form = || Failure::usage("write --payee ADDRESS:SHARE%, for example bc1q...:97%");
    let payees = payees.ok_or_else(form)?;
    let together: u32 = charter.fields().payees.iter().map(|payee| u32::from(payee.share_bps)).sum();
    let given: u32 = payees.iter().map(|payee| u32::from(payee.share_bps)).sum();
    if given != together {
        let words = |bps: u32| percent(u16::try_from(bps).unwrap_or(u16::MAX));
        let message = format!(
            "the shares make {}; the charter's payees, whose place these take, have {} together",
            words(given),
            words(together)
        );
        return Err(Failure::refused("named_payees", message)
            .hint("the shares of the project's leader and of the operator stay as they are")
            .into());
    }
    charter.shares_for(&payees).map_err(|error| Failure::refused("named_payees", error.to_string()))?;
    Ok(Some(Named { by, payees }))
}

/// The tip under which the service told the task.
fn tip(task: &CheckedTask) -> anyhow::Result<Tip> {
    let unknown =
        || Failure::not_yet("chain_unknown", "the service does not know the chain yet; try again shortly");
    Ok(task.view().tip.ok_or_else(unknown)?)
}

fn confirm(context: &Context<'_>, args: &ConfirmArgs) -> anyhow::Result<()> {
    let client = context.client();
    let task = CheckedTask::fetch(&client, &args.task)?;
    let nothing = || {
        let problem = "this charter's vote opens with the submission: there is nothing to confirm";
        Failure::refused("nothing_to_confirm", problem)
    };
    let confirmed = task.charter().fields().vote_opens.awaits().ok_or_else(nothing)?;
    let tip = tip(&task)?;
    let statement = MergeConfirmation {
        network: task.charter().network(),
        charter: args.task,
        submission: find(&task, args.submission)?.id,
        confirmed,
        block_height: tip.height,
        block_hash: tip.hash,
    };
    let words = |statement| Words::Confirmation { statement };
    if let Some(signed) = args.speaker.say(context, task.charter(), statement, words)? {
        context.report(&SubmissionReport(client.confirm(&signed)?))?;
    }
    Ok(())
}
