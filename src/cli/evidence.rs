//! `upfront evidence`: a dispute or evidence about a submission, by a signer, the project's leader or a sponsor.

use super::context::{Context, read_bytes};
use super::exit::{Exit, Failure};
use super::pledge::{find_key, read_recovery};
use super::speaker::{Asked, Words};
use super::submission::{self, SubmissionReport};
use crate::client::CheckedTask;
use crate::escrow::signature::Speaker;
use crate::escrow::statement::{
    CharterId, Digest, Evidence, EvidenceKind, Party, Role, Signed, Statement, SubmissionId,
};
use crate::keys::{Identity, SignerKeys, SponsorKeys};
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args)]
#[command(group(ArgGroup::new("party").required(true).args(["speaks_as", "pledge"])))]
pub struct EvidenceArgs {
    /// Id of the task's charter
    task: CharterId,
    /// Whose word it is
    #[arg(long = "as", value_name = "WHO")]
    speaks_as: Option<Who>,
    /// The word of the sponsor of this pledge
    #[arg(long, value_name = "N")]
    pledge: Option<u32>,
    /// What is to be known: one line, at most 2000 bytes. It is published
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// A file that belongs to it; its SHA-256 is signed, the file stays here. Up to eight
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Open a dispute with it: developer, representative and leader only
    #[arg(long)]
    dispute: bool,
    /// File with the recovery phrase, encrypted or not, or - for standard input. The leader's key is its identity
    #[arg(long, value_name = "FILE", required_unless_present_any = ["recovery", "psbt_out"])]
    key: Option<PathBuf>,
    /// For a signer: account k of m/87'/coin'/k'; by default the one that the charter names for the seat
    #[arg(long, value_name = "K")]
    account: Option<u32>,
    /// For a sponsor: take the key from the pledge's recovery file instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "speaks_as"])]
    recovery: Option<PathBuf>,
    /// Sign with another wallet: write the words as a PSBT (BIP322) here, and beside it FILE.statement.json for
    /// `upfront statement send`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "recovery"])]
    psbt_out: Option<PathBuf>,
    /// Which submission; the latest by default
    #[arg(long, value_name = "ID")]
    submission: Option<SubmissionId>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Who {
    Developer,
    Representative,
    Arbiter,
    Leader,
}

impl EvidenceArgs {
    fn party(&self) -> anyhow::Result<Party> {
        Ok(match (self.speaks_as, self.pledge) {
            (Some(Who::Developer), _) => Party::Signer(Role::Developer),
            (Some(Who::Representative), _) => Party::Signer(Role::Representative),
            (Some(Who::Arbiter), _) => Party::Signer(Role::Arbiter),
            (Some(Who::Leader), _) => Party::Leader,
            (None, Some(index)) => Party::Pledge(index),
            (None, None) => return Err(Failure::usage("give --as or --pledge").into()),
        })
    }
}

/// Under which keys a party of the task speaks.
pub fn speaker_of(task: &CheckedTask, party: Party) -> anyhow::Result<Speaker> {
    let missing = || match party {
        Party::Pledge(index) => Failure::refused("unknown_pledge", format!("there is no pledge {index}")),
        Party::Signer(_) | Party::Leader => {
            Failure::refused("no_leader", "this charter names no project leader")
        }
    };
    Ok(task.speaker(party).ok_or_else(missing)?)
}

pub fn run(context: &Context<'_>, args: &EvidenceArgs) -> anyhow::Result<Exit> {
    let client = context.client();
    let task = CheckedTask::fetch(&client, &args.task)?;
    let by = args.party()?;
    let about = submission::find(&task, args.submission)?;
    let own = about.evidence.iter().map(|signed| &signed.statement).filter(|said| said.by == by);
    let attachments = args.attach.iter().map(|file| Ok(Digest::of(&read_bytes(file)?)));
    let statement = Evidence {
        network: task.charter().network(),
        charter: args.task,
        submission: about.id,
        kind: if args.dispute { EvidenceKind::Dispute } else { EvidenceKind::Evidence },
        by,
        text: args.text.clone(),
        attachments: attachments.collect::<anyhow::Result<_>>()?,
        counter: own.map(|said| said.counter.saturating_add(1)).max().unwrap_or(0),
    };
    let speaker = speaker_of(&task, by)?;
    if let Some(out) = &args.psbt_out {
        let origin = match by {
            Party::Signer(role) => {
                let signer = task.charter().signer(role);
                Some((signer.fingerprint(), signer.full_path(0, 0)))
            }
            Party::Leader | Party::Pledge(_) => None,
        };
        let words = Words::Evidence { statement: statement.clone() };
        context.report(&Asked::write(out, task.charter(), &speaker, origin, &statement, words)?)?;
        return Ok(Exit::Done);
    }
    let signed = sign(context, args, &task, by, statement)?;
    speaker.verify(task.secp(), &signed.statement, &signed.signature).map_err(|_| {
        Failure::refused("wrong_key", format!("this key is not that of the {by} of this task"))
            .hint("`upfront charter show` prints the keys of signers and leader")
    })?;
    context.report(&SubmissionReport(client.give_evidence(&signed)?))?;
    Ok(Exit::Done)
}

/// Signs with the key file, or the recovery file, that was given.
fn sign<S: Statement>(
    context: &Context<'_>,
    args: &EvidenceArgs,
    task: &CheckedTask,
    by: Party,
    statement: S,
) -> anyhow::Result<Signed<S>> {
    let network = task.charter().network();
    if let Some(file) = &args.recovery {
        let none = || Failure::refused("no_key", "the recovery file holds no key").hint("give --key FILE");
        let file = read_recovery(context, file)?.file;
        return Ok(Signed::new(task.secp(), statement, file.key().ok_or_else(none)?));
    }
    let path = args.key.as_ref().ok_or_else(|| Failure::usage("give --key, --recovery or --psbt-out"))?;
    Ok(match by {
        Party::Signer(role) => {
            let phrase = context.read_phrase(path, Some(network))?.phrase;
            let account = args.account.unwrap_or_else(|| task.charter().signer(role).account());
            let keys = SignerKeys::new(&phrase, network, account)?;
            Signed::new(task.secp(), statement, &keys.statement_key())
        }
        Party::Leader => Identity::new(&context.read_phrase(path, None)?.phrase).sign(statement),
        Party::Pledge(index) => {
            let keys = SponsorKeys::new(context.read_phrase(path, Some(network))?.phrase, network);
            let pledge = task.view().pledges.iter().find(|pledge| pledge.index == index);
            let missing = || Failure::refused("unknown_pledge", format!("there is no pledge {index}"));
            Signed::new(task.secp(), statement, &find_key(&keys, &pledge.ok_or_else(missing)?.sponsor_key)?)
        }
    })
}
