//! The command line: one file a subcommand. Each command makes one answer, a serde struct that is
//! printed as words or, with `--json`, as one line of JSON. Rules of escrow are not here: they are in
//! [`crate::escrow`].

mod accept;
mod arbiter;
mod charter;
mod completions;
mod config;
mod context;
mod doctor;
mod electrum;
mod events;
mod evidence;
mod exit;
mod journal;
mod keep;
mod key;
mod man;
mod pledge;
mod project;
mod recover;
mod ruling;
mod secret;
mod serve;
mod settlement;
mod speaker;
mod statement;
mod submission;
mod task;
mod text;
mod unlock;
mod verify;
mod vote;
mod wallet;
mod webhook;
mod wish;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use context::Context;
use exit::{ErrorReport, Exit, Failure};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::LazyLock;

/// Bitcoin-native escrow for paying for open-source work before it is written.
#[derive(Parser)]
#[command(name = "upfront", version, long_version = LONG_VERSION, after_long_help = exit::HELP)]
struct Cli {
    /// Print answers and errors as JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    /// The service to ask
    #[arg(long, global = true, value_name = "URL", env = "UPFRONT_SERVER", default_value = DEFAULT_SERVER)]
    server: String,
    #[command(flatten)]
    passphrases: unlock::PassphraseArgs,
    #[command(subcommand)]
    command: Command,
}

const DEFAULT_SERVER: &str = "http://127.0.0.1:8032";
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncharter version 1, recovery file version 1\nnetworks mainnet, testnet4, signet, regtest"
);

/// That, and the SHA-256 of the files that it gives to browsers, in one and of each.
fn version_with_files() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let files = crate::web::files_for_browsers();
        let lines: String = files.iter().map(|(name, sha256)| format!("\n{sha256}  {name}")).collect();
        format!("{LONG_VERSION}\nfiles for browsers {}{lines}", crate::web::files_in_one())
    });
    &TEXT
}

/// The command line as it reads these words. Hashing the files for browsers is for whoever asks for the version alone.
fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    if args.iter().any(|word| word == "--version") {
        command = command.long_version(version_with_files());
    }
    let mut matches = command.try_get_matches_from(args)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut Cli::command()))
}

#[derive(Subcommand)]
enum Command {
    /// Make, encrypt, check and show keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Draft, check, attest and show charters
    #[command(subcommand)]
    Charter(charter::CharterCommand),
    /// Wish for work, like, promise, offer to do it; before there is a charter
    #[command(subcommand)]
    Wish(wish::WishCommand),
    /// Show, claim and set up projects
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// Create, list and show tasks
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Pledge money to a task, secure its refund, show it
    Pledge(Box<pledge::PledgeCommand>),
    /// Put work before the sponsors
    #[command(subcommand)]
    Submission(submission::SubmissionCommand),
    /// Vote on a submission with the key of a pledge
    Vote(vote::VoteArgs),
    /// Accept or refuse a submission, as the sponsors' representative
    Accept(accept::AcceptArgs),
    /// Rule over the noes of a submission, as the arbiter
    Ruling(ruling::RulingArgs),
    /// Open a dispute about a submission, or give evidence
    Evidence(Box<evidence::EvidenceArgs>),
    /// Tell what an arbiter ruled in the tasks of a service
    Arbiter(arbiter::ArbiterArgs),
    /// Hand in statements that another wallet signed
    #[command(subcommand)]
    Statement(statement::StatementCommand),
    /// Propose, show, sign and submit co-signed payments
    #[command(subcommand)]
    Settlement(settlement::SettlementCommand),
    /// Tell what happened, or with --follow what happens
    Events(events::EventsArgs),
    /// Check a task's proof document against the chain, trusting the service for nothing
    Verify(verify::VerifyArgs),
    /// Get a pledge back after T with the recovery file alone
    Recover(recover::RecoverArgs),
    /// Look for what is wrong with service, data, chain and clock
    Doctor(doctor::DoctorArgs),
    /// Run the service
    Serve(serve::ServeArgs),
    /// The service's settings: check, show, begin
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write manual pages
    Man(man::ManArgs),
    /// Have public events posted to an address of yours
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// The operator's fee wallet
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// The service's journal
    #[command(subcommand)]
    Journal(journal::JournalCommand),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    ExitCode::from(run_with(std::env::args_os(), &mut out, &mut err))
}

/// Runs a command line, program name first, and says its exit status. Answers go to `out`, progress and
/// errors to `err`. Keys named `-` and consents are read from this process's standard input.
pub fn run_with(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let json = args.iter().any(|arg| arg == "--json");
    let result = if args.iter().any(|arg| arg.to_str().is_some_and(secret::looks_secret)) {
        // Before clap, which would quote it.
        Err(Failure::usage("a secret was given on the command line, where every process can read it")
            .hint("put it into a file that only you can read (chmod 600), or give it on standard input with --key -")
            .into())
    } else {
        match parse(args) {
            Ok(cli) => {
                let context = Context::new(cli.json, cli.server, cli.passphrases.into(), out, err);
                dispatch(&context, cli.command)
            }
            Err(error) if json && error.use_stderr() => {
                Err(Failure::usage(error.render().to_string().trim_end()).into())
            }
            Err(error) => {
                let to: &mut dyn Write = if error.use_stderr() { err } else { out };
                // Nothing is left to tell when even this cannot be printed.
                let _ = write!(to, "{}", error.render());
                return if error.use_stderr() { Exit::Usage.status() } else { Exit::Done.status() };
            }
        }
    };
    match result {
        Ok(exit) => exit.status(),
        Err(error) => {
            let report = ErrorReport::new(&error);
            let _ = if json { writeln!(err, "{}", report.to_json()) } else { write!(err, "{report}") };
            report.exit().status()
        }
    }
}

fn dispatch(context: &Context<'_>, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Key(command) => key::run(context, command),
        Command::Charter(command) => charter::run(context, command),
        Command::Wish(command) => wish::run(context, command),
        Command::Project(command) => project::run(context, command),
        Command::Task(command) => task::run(context, command),
        Command::Pledge(command) => pledge::run(context, *command),
        Command::Submission(command) => submission::run(context, command),
        Command::Vote(args) => vote::run(context, &args),
        Command::Evidence(args) => evidence::run(context, &args),
        Command::Accept(args) => accept::run(context, &args),
        Command::Ruling(args) => ruling::run(context, &args),
        Command::Arbiter(args) => arbiter::run(context, &args),
        Command::Statement(command) => statement::run(context, command),
        Command::Settlement(command) => settlement::run(context, command),
        Command::Events(args) => events::run(context, &args),
        Command::Verify(args) => verify::run(context, &args),
        Command::Recover(args) => recover::run(context, &args),
        Command::Doctor(args) => doctor::run(context, &args),
        Command::Serve(args) => serve::run(&args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
        Command::Config(command) => config::run(context, &command),
        Command::Webhook(command) => webhook::run(context, command),
        Command::Wallet(command) => wallet::run(context, &command),
        Command::Journal(command) => journal::run(context, &command),
    }
}

#[cfg(test)]
mod tests;
