//! `upfront settlement`: propose, show, export, sign offline, submit.

mod beside;
mod sign;
mod transfer;
mod view;

pub use transfer::read_psbt;
pub use view::purpose;

use super::context::{Context, IdentityArg};
use super::exit::{Exit, Failure};
use super::submission;
use crate::client::CheckedTask;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, SettlementId, SubmissionId};
use clap::{Args, Subcommand, ValueEnum};
use view::SettlementReport;

#[derive(Subcommand)]
pub enum SettlementCommand {
    /// Propose what charter and votes allow; signers sign it afterwards
    Propose(ProposeArgs),
    /// Show a settlement with every output
    Show(ShowArgs),
    /// Write the PSBTs and the proof document for signing offline
    Export(transfer::ExportArgs),
    /// Check PSBTs against charter and votes, and sign them offline
    Sign(sign::SignArgs),
    /// Fetch a settlement, check it against charter and votes, sign it, hand it in
    CoSign(sign::CoSignArgs),
    /// Hand in signed PSBTs
    Submit(transfer::SubmitArgs),
}

#[derive(Args)]
pub struct ProposeArgs {
    /// Id of the task's charter
    task: CharterId,
    /// What for
    #[arg(long)]
    kind: KindArg,
    /// For payouts, milestones and rulings: which submission; the latest by default
    #[arg(long, value_name = "ID")]
    submission: Option<SubmissionId>,
    /// For moves: the charter that the pledges go to
    #[arg(long, value_name = "CHARTER", required_if_eq("kind", "move"))]
    to: Option<CharterId>,
    /// Lowest feerate, sat/vB, a step of 1 to 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100...; the service's estimate by
    /// default, or for milestones and moves the one that most sponsors signed refunds for
    #[arg(long, value_name = "SAT_PER_VB")]
    feerate: Option<u64>,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    /// Pays what the votes on a submission allow
    Payout,
    /// Pays a milestone of the pledges that said yes and have the refund of the rest signed; the rest stays in escrow
    Milestone,
    /// Moves pledges to another charter, as their sponsors signed
    Move,
    /// Carries out the arbiter's ruling over the noes
    Ruling,
    /// Gives everything back before T
    EarlyReturn,
}

#[derive(Args)]
pub struct ShowArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Id of the settlement
    settlement: SettlementId,
}

pub fn run(context: &Context<'_>, command: SettlementCommand) -> anyhow::Result<Exit> {
    match command {
        SettlementCommand::Propose(args) => propose(context, &args)?,
        SettlementCommand::Show(ShowArgs { task, settlement }) => {
            let view = context.client().settlement(&task, &settlement)?;
            context.report(&SettlementReport::new(task, view))?;
        }
        SettlementCommand::Export(args) => transfer::export(context, &args)?,
        SettlementCommand::Sign(args) => sign::sign(context, &args)?,
        SettlementCommand::CoSign(args) => sign::co_sign(context, &args)?,
        SettlementCommand::Submit(args) => transfer::submit(context, &args)?,
    }
    Ok(Exit::Done)
}

fn propose(context: &Context<'_>, args: &ProposeArgs) -> anyhow::Result<()> {
    let client = context.client_as(&args.identity)?;
    if args.to.is_some() && args.kind != KindArg::Move {
        return Err(Failure::usage("--to belongs to --kind move").into());
    }
    let kind = match (args.kind, args.to) {
        (KindArg::Move, _) if args.submission.is_some() => {
            return Err(Failure::usage("a move belongs to no submission").into());
        }
        (KindArg::Move, to) => {
            let to =
                to.ok_or_else(|| Failure::usage("name the charter that pledges move to: --to CHARTER"))?;
            Kind::Move { to }
        }
        (KindArg::EarlyReturn, _) if args.submission.is_some() => {
            return Err(Failure::usage("an early return belongs to no submission").into());
        }
        (KindArg::EarlyReturn, _) => Kind::EarlyReturn,
        (of_submission @ (KindArg::Payout | KindArg::Ruling | KindArg::Milestone), _) => {
            let task = CheckedTask::fetch(&client, &args.task)?;
            let submission = submission::find(&task, args.submission)?.id;
            match of_submission {
                KindArg::Milestone => Kind::Milestone { submission },
                KindArg::Ruling => Kind::Ruling { submission },
                KindArg::Payout | KindArg::Move | KindArg::EarlyReturn => Kind::Payout { submission },
            }
        }
    };
    let view = client.propose(&args.task, kind, args.feerate)?;
    context.report(&SettlementReport::new(args.task, view))
}
