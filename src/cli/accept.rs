//! `upfront accept`: the representative's word on a submission, which frees the money of the silent.

use super::charter::require_seat;
use super::context::{Context, SignerArg};
use super::exit::Exit;
use super::submission::{self, SubmissionReport};
use crate::client::CheckedTask;
use crate::escrow::statement::{Acceptance, CharterId, Role, Signed, SubmissionId};
use clap::Args;

#[derive(Args)]
pub struct AcceptArgs {
    /// Id of the task's charter
    task: CharterId,
    #[command(flatten)]
    key: SignerArg,
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
    let key = args.key.signer(context, task.charter().network())?.statement_key();
    require_seat(task.charter(), Role::Representative, &key)?;
    let statement = Acceptance {
        network: task.charter().network(),
        charter: args.task,
        submission: submission::find(&task, args.submission)?.id,
        accepted: !args.refuse,
    };
    let view = client.accept(&Signed::new(task.secp(), statement, &key))?;
    context.report(&SubmissionReport(view))?;
    Ok(Exit::Done)
}
