//! `upfront statement send`: hands in what a wallet signed. Words and signature are checked here first, so
//! that a wrong one is told apart from a service that does not take it.

use super::context::{Context, read_bytes, read_text};
use super::exit::{Exit, Failure};
use super::pledge::{PledgeAnswer, deliver_pledge};
use super::speaker::Words;
use super::submission::{self, SubmissionReport};
use super::{charter, evidence, vote};
use crate::client::CheckedTask;
use crate::escrow::bip322::{self, Bip322Error};
use crate::escrow::charter::address;
use crate::escrow::signature::{Speaker, StatementSignature};
use crate::escrow::statement::{Attest, Pledge, Role, Signed, Statement};
use bitcoin::Psbt;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum StatementCommand {
    /// Hand in a statement that another wallet signed
    Send(SendArgs),
}

#[derive(Args)]
pub struct SendArgs {
    /// The words, as a command with --psbt-out wrote them
    statement: PathBuf,
    /// The signed PSBT (base64 or binary), or a BIP322 signature as text
    #[arg(long, value_name = "FILE")]
    signed: PathBuf,
    /// For a vote: keep it and the service's receipt here
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// For a pledge: recovery file to write [default: upfront-TASK-INDEX.recovery.json in this directory]
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
    /// For a pledge: do not draw the QR code
    #[arg(long)]
    no_qr: bool,
}

pub fn run(context: &Context<'_>, command: StatementCommand) -> anyhow::Result<Exit> {
    let StatementCommand::Send(args) = command;
    let words: Words = serde_json::from_str(&read_text(&args.statement)?).map_err(|error| {
        Failure::refused("statement", format!("{} holds no statement: {error}", args.statement.display()))
    })?;
    let signature = read_signature(&args.signed)?;
    let client = context.client();
    let task = CheckedTask::fetch(&client, &words.charter())?;
    let charter = task.charter();
    match words {
        Words::Attestation { charter: id, role } => {
            let signed = checked(&task, charter.speaker(role), Attest { charter: id }, signature)?;
            charter::send(context, charter, role, signed.signature)?;
        }
        Words::Submission { statement } => {
            let nobody = || Failure::refused("no_leader", "this charter has no leader who could name payees");
            let speaker = task.charter().submitter(&statement).ok_or_else(nobody)?;
            let signed = checked(&task, speaker, statement, signature)?;
            context.report(&SubmissionReport(client.submit_work(&signed)?))?;
        }
        Words::Confirmation { statement } => {
            let nobody = || Failure::refused("no_leader", "this charter names no project leader");
            let signed = checked(&task, charter.leader_speaker().ok_or_else(nobody)?, statement, signature)?;
            context.report(&SubmissionReport(client.confirm(&signed)?))?;
        }
        Words::Acceptance { statement } => {
            let signed = checked(&task, charter.speaker(Role::Representative), statement, signature)?;
            context.report(&SubmissionReport(client.accept(&signed)?))?;
        }
        Words::Evidence { statement } => {
            let speaker = evidence::speaker_of(&task, statement.by)?;
            let signed = checked(&task, speaker, statement, signature)?;
            context.report(&SubmissionReport(client.give_evidence(&signed)?))?;
        }
        Words::Ruling { statement } => {
            let signed = checked(&task, charter.speaker(Role::Arbiter), statement, signature)?;
            context.report(&SubmissionReport(client.rule(&signed)?))?;
        }
        Words::Vote { statement } => {
            let known = task.view().pledges.iter().find(|pledge| pledge.index == statement.pledge);
            let missing =
                || Failure::refused("unknown_pledge", format!("there is no pledge {}", statement.pledge));
            let speaker = Speaker::sponsor(known.ok_or_else(missing)?.sponsor_key);
            let submission = submission::find(&task, Some(statement.submission))?;
            let signed = checked(&task, speaker, statement, signature)?;
            vote::deliver_alone(context, &client, &task, submission, &signed, args.receipt.as_deref())?;
        }
        Words::Pledge { charter: id, index, sponsor_key, refund_address, amount_sat } => {
            let refund_address = address("refund_address", &refund_address, charter.network())
                .map_err(|error| Failure::refused("refund_address", error.to_string()))?;
            let network = charter.network();
            let statement = Pledge { network, charter: id, index, sponsor_key, refund_address };
            let signed = checked(&task, Speaker::sponsor(sponsor_key), statement, signature)?;
            let answer = PledgeAnswer { amount_sat, recovery: args.recovery, no_qr: args.no_qr };
            deliver_pledge(context, &client, &task, &signed, answer)?;
        }
    }
    Ok(Exit::Done)
}

/// The statement with its signature, which verifies.
fn checked<S: Statement>(
    task: &CheckedTask,
    speaker: Speaker,
    statement: S,
    signature: StatementSignature,
) -> anyhow::Result<Signed<S>> {
    speaker.verify(task.secp(), &statement, &signature).map_err(|error| {
        Failure::refused("bad_signature", error.to_string())
            .hint("sign the PSBT that was written with this statement, with the wallet that owns the address named then")
    })?;
    Ok(Signed { statement, signature })
}

/// A signed PSBT, or a signature as text.
fn read_signature(path: &Path) -> anyhow::Result<StatementSignature> {
    let bytes = read_bytes(path)?;
    let read = || -> Result<StatementSignature, Bip322Error> {
        if bytes.starts_with(b"psbt") {
            let psbt = Psbt::deserialize(&bytes).map_err(|_| Bip322Error::Unreadable)?;
            return bip322::from_psbt(&psbt).map(StatementSignature::Bip322);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| Bip322Error::Unreadable)?.trim();
        match text.parse::<Psbt>() {
            Ok(psbt) => bip322::from_psbt(&psbt).map(StatementSignature::Bip322),
            Err(_) => text.parse(),
        }
    };
    read().map_err(|error| {
        let failure = Failure::refused(error.code(), format!("{}: {error}", path.display()));
        match error {
            Bip322Error::Unsigned => failure.hint(
                "Bitcoin Core signs nothing, silently, for keys that are not the wallet's: import the account first \
                 (`upfront charter show --core`)",
            ),
            _ => failure,
        }
        .into()
    })
}
