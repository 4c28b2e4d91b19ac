//! `upfront accept`: the representative's word on a submission, which frees the money of the silent.

use super::context::Context;
use super::exit::Exit;
use super::speaker::{SignerSpeaker, Words};
use super::submission::{self, SubmissionReport};
use crate::client::CheckedTask;
use crate::escrow::statement::{Acceptance, CharterId, Role, SubmissionId};
use clap::Args;

#[derive(Args)]
pub struct AcceptArgs {
    /// Id of the task's charter
    task: CharterId,
    #[command(flatten)]
    speaker: SignerSpeaker,
    /// Refuse the work instead
    #[arg(long)]
    refuse: bool,
    /// Which submission; the latest by default
    #[arg(long, value_name = "ID")]
    submission: Option<SubmissionId>,
}

pub fn run(context: &Context<'_>, args: &AcceptArgs) -> anyhow::Result<Exit> {
    let client = context.client();
    let task = CheckedTask::fetch(&client, &args.task)?;
    let statement = Acceptance {
        network: task.charter().network(),
        charter: args.task,
        submission: submission::find(&task, args.submission)?.id,
        accepted: !args.refuse,
    };
    let words = |statement| Words::Acceptance { statement };
    if let Some(signed) = args.speaker.say(context, task.charter(), Role::Representative, statement, words)? {
        context.report(&SubmissionReport(client.accept(&signed)?))?;
    }
    Ok(Exit::Done)
}
