//! `upfront ruling`: the arbiter's decision over the noes of a submission.

use super::context::Context;
use super::exit::Exit;
use super::speaker::{SignerSpeaker, Words};
use super::submission::{self, SubmissionReport};
use crate::client::CheckedTask;
use crate::escrow::statement::{CharterId, Role, Ruling, SubmissionId};
use clap::Args;

#[derive(Args)]
pub struct RulingArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Share of the noes that is paid: 10000 pays, 0 returns, between splits
    #[arg(long, value_name = "BPS", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pay_bps: u16,
    #[command(flatten)]
    speaker: SignerSpeaker,
    /// Which submission; the latest by default
    #[arg(long, value_name = "ID")]
    submission: Option<SubmissionId>,
}

pub fn run(context: &Context<'_>, args: &RulingArgs) -> anyhow::Result<Exit> {
    let client = context.client();
    let task = CheckedTask::fetch(&client, &args.task)?;
    let statement = Ruling {
        network: task.charter().network(),
        charter: args.task,
        submission: submission::find(&task, args.submission)?.id,
        pay_bps: args.pay_bps,
    };
    let words = |statement| Words::Ruling { statement };
    if let Some(signed) = args.speaker.say(context, task.charter(), Role::Arbiter, statement, words)? {
        context.report(&SubmissionReport(client.rule(&signed)?))?;
    }
    Ok(Exit::Done)
}
