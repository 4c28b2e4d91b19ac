//! `upfront charter`: draft, check, attest, show.

mod show;

use super::context::{Context, read_bytes, read_text, write_public};
use super::exit::{Exit, Failure};
use super::key::account;
use super::speaker::{SignerSpeaker, Words};
use super::text::Rows;
use super::wish;
use crate::client::charter_of;
use crate::draft::{Draft, DraftError, Ground};
use crate::escrow::charter::Charter;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{Attest, CharterId, Role, TaskId};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use show::Terms;

#[derive(Subcommand)]
pub enum CharterCommand {
    /// Write a charter from a draft file and options; what is left out has a default
    New(Box<NewArgs>),
    /// Check a charter and tell its terms in words
    Check(CheckArgs),
    /// Agree to a charter, as one of its three signers; signs offline
    Attest(AttestArgs),
    /// Show a charter's terms, or what a signer's Bitcoin Core must import
    Show(ShowArgs),
}

#[derive(Args)]
pub struct NewArgs {
    /// Draft in TOML, with the names of the options below; options override it
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The task's text, whose hash goes into the charter; a wish's own by default
    #[arg(long, value_name = "FILE", required_unless_present = "wish")]
    text: Option<PathBuf>,
    /// Draft from this wish: its text, task and repository, and what the project's leader has set
    #[arg(long, value_name = "ID")]
    wish: Option<TaskId>,
    /// Charter to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    draft: Draft,
}

#[derive(Args)]
pub struct CheckArgs {
    /// Charter, canonical JSON
    file: PathBuf,
}

/// A charter from a file or from the service.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Charter, canonical JSON
    file: Option<PathBuf>,
    /// Fetch the charter of this id from the service
    #[arg(long, value_name = "ID")]
    task: Option<CharterId>,
}

#[derive(Args)]
pub struct AttestArgs {
    #[command(flatten)]
    source: Source,
    /// developer, representative or arbiter
    #[arg(long)]
    role: Role,
    #[command(flatten)]
    speaker: SignerSpeaker,
    /// Attest with an account that is in another charter, too
    #[arg(long)]
    reuse_account: bool,
    /// Send the signature to the service
    #[arg(long)]
    send: bool,
}

#[derive(Args)]
pub struct ShowArgs {
    #[command(flatten)]
    source: Source,
    /// Print what Bitcoin Core must import to sign settlements
    #[arg(long)]
    core: bool,
    /// With --core: only for this seat
    #[arg(long, requires = "core")]
    role: Option<Role>,
    /// With --core: how many generations of addresses
    #[arg(long, requires = "core", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    generations: u32,
    /// With --core: the highest pledge index
    #[arg(long, requires = "core", default_value_t = 9999)]
    range: u32,
}

impl Source {
    fn read(&self, context: &Context<'_>) -> anyhow::Result<Charter> {
        match (&self.file, &self.task) {
            (Some(file), _) => read_charter(file),
            (None, Some(task)) => Ok(charter_of(&context.client(), task)?),
            (None, None) => Err(Failure::usage("name a charter's file, or --task").into()),
        }
    }
}

/// Reads and checks a charter's file.
pub fn read_charter(path: &Path) -> anyhow::Result<Charter> {
    let bytes = read_bytes(path)?;
    // An editor's last newline is no part of the canonical bytes, and none of the terms.
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Charter::parse(bytes).map_err(|error| {
        let failure = Failure::refused(error.code(), error.to_string());
        anyhow::Error::from(failure).context(format!("{} is no valid charter", path.display()))
    })
}

/// A charter that was written.
#[derive(Serialize)]
struct Written {
    charter: CharterId,
    file: PathBuf,
    /// Where the text is.
    text: PathBuf,
    #[serde(skip)]
    terms: Terms,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.terms)?;
        writeln!(f, "\nThe charter is in {}. Next:", self.file.display())?;
        let (file, text) = (self.file.display(), self.text.display());
        writeln!(f, "  upfront task create --charter {file} --text {text}")?;
        writeln!(
            f,
            "  upfront charter attest --task {} --role ROLE --key FILE --send   (all three signers)",
            self.charter
        )
    }
}

/// A charter that holds.
#[derive(Serialize)]
struct Valid {
    charter: CharterId,
    valid: bool,
    terms: Terms,
}

impl fmt::Display for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nThe charter is valid.\n", self.terms)
    }
}

/// An attestation, as the service takes it.
#[derive(Serialize)]
struct Attestation {
    charter: CharterId,
    role: Role,
    signature: StatementSignature,
    sent: bool,
    /// Seats still to attest; known only after sending.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<Role>>,
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("charter", self.charter).row("role", self.role).row("signature", self.signature);
        write!(f, "{rows}")?;
        match &self.missing {
            None => writeln!(f, "Not sent. `--send` sends it; anybody may."),
            Some(missing) if missing.is_empty() => writeln!(f, "Sent. All three have attested."),
            Some(missing) => {
                let names: Vec<&str> = missing.iter().map(|role| role.name()).collect();
                writeln!(f, "Sent. Still to attest: {}.", names.join(", "))
            }
        }
    }
}

pub fn run(context: &Context<'_>, command: CharterCommand) -> anyhow::Result<Exit> {
    match command {
        CharterCommand::New(args) => new(context, *args)?,
        CharterCommand::Check(CheckArgs { file }) => {
            let charter = read_charter(&file)?;
            context.report(&Valid { charter: charter.id(), valid: true, terms: Terms::new(&charter) })?;
        }
        CharterCommand::Attest(args) => attest(context, &args)?,
        CharterCommand::Show(args) => {
            let charter = args.source.read(context)?;
            if args.core {
                context.report(&show::CoreImport::new(&charter, args.role, args.generations, args.range))?;
            } else {
                context.report(&Terms::new(&charter))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn new(context: &Context<'_>, args: NewArgs) -> anyhow::Result<()> {
    let file = match &args.from {
        None => Draft::default(),
        Some(path) => Draft::parse(&read_text(path)?)
            .map_err(failure)
            .with_context(|| format!("in {}", path.display()))?,
    };
    let from_wish = args.wish.map(|wish| wish::for_charter(&context.client(), &wish)).transpose()?;
    let (text, text_file) = text_of(&args, from_wish.as_ref())?;
    let mut draft = args.draft.or(file);
    if let Some(from_wish) = from_wish {
        from_wish.notes.iter().for_each(|note| context.note(note));
        // Who names a leader of their own names all of it.
        let own_leader = draft.leader_address.is_some() || draft.leader_key.is_some();
        let mut said = from_wish.draft;
        if own_leader {
            (said.leader_address, said.leader_share_bps, said.leader_key) = (None, None, None);
        }
        draft = draft.or(said);
    }
    // The service knows the chain's time and its own receipt key; a draft that gives both needs none.
    let status = if draft.needs_service() {
        let status = context.client().status();
        Some(status.context("the receipt key, and the chain's time, come from the service (or give --receipt-key and absolute times)")?)
    } else {
        None
    };
    let ground = Ground {
        network: status.as_ref().map(|status| status.network),
        receipt_key: status.as_ref().map(|status| status.receipt_key.to_string()),
        now_secs: status.and_then(|status| status.tip).map_or_else(wall_clock_secs, |tip| tip.mtp_secs),
    };
    let fields = draft.fields(text.as_bytes(), &ground).map_err(failure)?;
    let charter =
        Charter::from_fields(fields).map_err(|error| Failure::refused(error.code(), error.to_string()))?;
    write_public(&args.out, charter.bytes())?;
    let terms = Terms::new(&charter);
    context.report(&Written { charter: charter.id(), file: args.out, text: text_file, terms })
}

/// The text, and the file it is in: the one that is named, or one beside the charter with the wish's own.
fn text_of(args: &NewArgs, from_wish: Option<&wish::FromWish>) -> anyhow::Result<(String, PathBuf)> {
    let Some(from_wish) = from_wish.filter(|_| args.text.is_none()) else {
        let path = args.text.clone().ok_or_else(|| Failure::usage("give --text, or --wish"))?;
        return Ok((read_text(&path)?, path));
    };
    let mut path = args.out.clone().into_os_string();
    path.push(".txt");
    let path = PathBuf::from(path);
    if path.exists() && read_text(&path)? != from_wish.text {
        let message = format!("{} is there already, with another text", path.display());
        return Err(Failure::refused("exists", message)
            .hint("move it away, or give the text with --text")
            .into());
    }
    write_public(&path, from_wish.text.as_bytes())?;
    Ok((from_wish.text.clone(), path))
}

/// Now, for drafts made without a chain. The draft shows every time in words, so a wrong clock is seen before anybody
/// signs.
fn wall_clock_secs() -> u32 {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(secs).unwrap_or(u32::MAX)
}

/// What is wrong with a draft, with the option that puts it right.
fn failure(error: DraftError) -> Failure {
    let failure = Failure::refused(error.code(), error.to_string());
    match &error {
        DraftError::Missing { field } => {
            let option = field.replace('_', "-");
            failure.hint(format!("give --{option}, or {field} in the draft file"))
        }
        DraftError::NobodyPaid => {
            failure.hint("give --payee ADDRESS:SHARE%, or payees = [\"ADDRESS:SHARE%\"] in the draft file")
        }
        DraftError::Milestone { .. } => {
            failure.hint("give --milestone SHARE%:DUE, or milestones = [\"SHARE%:DUE\"] in the draft file")
        }
        DraftError::TooNear => failure.hint("give a later --refund-time, or shorter --review and --ruling"),
        _ => failure,
    }
}

fn attest(context: &Context<'_>, args: &AttestArgs) -> anyhow::Result<()> {
    let charter = args.source.read(context)?;
    if let (Some((file, account)), false) = (args.speaker.account(&charter, args.role), args.reuse_account) {
        let online = args.send || args.source.task.is_some();
        account::require_fresh(context, &charter, args.role, file, account, online)?;
    }
    let attest = Attest { charter: charter.id() };
    let words = Words::attestation(args.role);
    let Some(signed) = args.speaker.say(context, &charter, args.role, attest, words)? else { return Ok(()) };
    let (role, signature) = (args.role, signed.signature);
    if let Some((file, account)) = args.speaker.account(&charter, args.role) {
        account::note_attested(context, &charter, file, account);
    }
    if args.send {
        return send(context, &charter, role, signature);
    }
    context.report(&Attestation { charter: charter.id(), role, signature, sent: false, missing: None })
}

/// Hands an attestation in.
pub fn send(
    context: &Context<'_>,
    charter: &Charter,
    role: Role,
    signature: StatementSignature,
) -> anyhow::Result<()> {
    let view = context.client().attest(&charter.id(), role, &signature)?;
    let missing = Role::ALL.into_iter().filter(|role| !view.attestations.contains_key(role)).collect();
    let charter = charter.id();
    context.report(&Attestation { charter, role, signature, sent: true, missing: Some(missing) })
}

/// Refuses a key that is not the one of a seat.
pub fn require_seat(charter: &Charter, role: Role, key: &bitcoin::secp256k1::Keypair) -> anyhow::Result<()> {
    if charter.statement_key(role) == key.x_only_public_key().0 {
        return Ok(());
    }
    let message = format!("this is not the {role}'s key in charter {}", charter.id());
    Err(Failure::refused("wrong_key", message)
        .hint("check the phrase, and the number of the account (--account)")
        .into())
}
