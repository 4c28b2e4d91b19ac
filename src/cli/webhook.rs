//! `upfront webhook`: public events posted to an address of yours; and the check a receiver makes.

use super::context::{Context, IdentityArg, read_bytes, read_text};
use super::exit::{Exit, Failure};
use super::text::{Rows, inert};
use crate::client::WebhookOrder;
use crate::escrow::public::ProjectId;
use crate::escrow::statement::{CharterId, TaskId};
use crate::keys::write_new_secret;
use crate::webhooks::{self, Attempt, HookId, Secret, WebhookView};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Subcommand)]
pub enum WebhookCommand {
    /// Subscribe: events are posted to the URL from now on
    Add(AddArgs),
    /// List the webhooks of your identity
    List(WhoArgs),
    /// Show one, with what came of the last tries
    Show(OneArgs),
    /// End one
    Remove(OneArgs),
    /// Have a made-up event sent to one, and show what was answered
    Test(OneArgs),
    /// Go on with one that was disabled, where it stopped
    Resume(OneArgs),
    /// Check a message that a receiver of yours got
    Verify(VerifyArgs),
}

#[derive(Args)]
pub struct AddArgs {
    /// Where events go: https, a public host
    url: String,
    /// Only what happens to this task
    #[arg(long, value_name = "ID", conflicts_with = "project")]
    task: Option<CharterId>,
    /// Only what happens to tasks and wishes of this project
    #[arg(long, value_name = "ID")]
    project: Option<ProjectId>,
    /// Only what is said to this wish
    #[arg(long, value_name = "ID", conflicts_with_all = ["task", "project"])]
    wish: Option<TaskId>,
    /// Only events of this type; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// New file for the secret that signs the messages; printed if left out
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Args)]
pub struct WhoArgs {
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Args)]
pub struct OneArgs {
    /// Id of the webhook
    webhook: HookId,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Args)]
pub struct VerifyArgs {
    /// File with the secret (whsec_...)
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// The header webhook-id
    #[arg(long)]
    id: String,
    /// The header webhook-timestamp
    #[arg(long, value_name = "SECS")]
    timestamp: u64,
    /// The header webhook-signature
    #[arg(long)]
    signature: String,
    /// The body, byte for byte
    body: PathBuf,
    /// Take an old message, too
    #[arg(long)]
    any_age: bool,
}

#[derive(Serialize)]
struct Made {
    webhook: WebhookView,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_file: Option<PathBuf>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", words(&self.webhook))?;
        match (&self.secret, &self.secret_file) {
            (Some(secret), _) => writeln!(f, "secret {secret}\nKeep it: it is not shown again."),
            (None, Some(file)) => writeln!(f, "The secret is in {}: it is not shown again.", file.display()),
            (None, None) => Ok(()),
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown(WebhookView);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", words(&self.0))?;
        self.0.attempts.iter().try_for_each(|attempt| writeln!(f, "  {}", attempt_in_words(attempt)))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<WebhookView>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "No webhooks.");
        }
        self.0.iter().try_for_each(|webhook| write!(f, "{}", words(webhook)))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Tried(Attempt);

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", attempt_in_words(&self.0))
    }
}

#[derive(Serialize)]
struct Removed {
    removed: HookId,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is gone.", self.removed)
    }
}

#[derive(Serialize)]
struct Genuine {
    genuine: bool,
}

impl fmt::Display for Genuine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The message is genuine.")
    }
}

fn words(webhook: &WebhookView) -> String {
    let of = match (webhook.task, webhook.project) {
        _ if webhook.wish.is_some() => webhook.wish.map(|wish| format!("wish {wish}")).unwrap_or_default(),
        (Some(task), _) => format!("task {task}"),
        (None, Some(project)) => format!("project {project}"),
        (None, None) => "everything".to_owned(),
    };
    let types = if webhook.types.is_empty() { "all".to_owned() } else { webhook.types.join(", ") };
    let mut rows = Rows::new();
    rows.row("webhook", webhook.id)
        .row("url", inert(&webhook.url))
        .row("tells of", of)
        .row("types", inert(&types))
        .row("delivered", webhook.delivered);
    if let Some(reason) = &webhook.disabled {
        rows.row("disabled", inert(reason));
    }
    rows.to_string()
}

fn attempt_in_words(attempt: &Attempt) -> String {
    let what = match (attempt.status, &attempt.error) {
        (Some(status), None) => format!("delivered, answered {status}"),
        (_, Some(error)) => format!("not delivered: {}", inert(error)),
        (None, None) => "delivered".to_owned(),
    };
    format!("event {} at {}: {what}", attempt.event, attempt.at_secs)
}

pub fn run(context: &Context<'_>, command: WebhookCommand) -> anyhow::Result<Exit> {
    match command {
        WebhookCommand::Add(args) => add(context, args)?,
        WebhookCommand::List(WhoArgs { identity }) => {
            context.report(&List(context.client_as(&identity)?.webhooks()?))?;
        }
        WebhookCommand::Show(OneArgs { webhook, identity }) => {
            context.report(&Shown(context.client_as(&identity)?.webhook(webhook)?))?;
        }
        WebhookCommand::Remove(OneArgs { webhook, identity }) => {
            context.client_as(&identity)?.remove_webhook(webhook)?;
            context.report(&Removed { removed: webhook })?;
        }
        WebhookCommand::Test(OneArgs { webhook, identity }) => {
            let attempt = context.client_as(&identity)?.test_webhook(webhook)?;
            let failed = attempt.error.is_some();
            context.report(&Tried(attempt))?;
            return Ok(if failed { Exit::Refused } else { Exit::Done });
        }
        WebhookCommand::Resume(OneArgs { webhook, identity }) => {
            context.report(&Shown(context.client_as(&identity)?.resume_webhook(webhook)?))?;
        }
        WebhookCommand::Verify(args) => verify(context, &args)?,
    }
    Ok(Exit::Done)
}

fn add(context: &Context<'_>, args: AddArgs) -> anyhow::Result<()> {
    let AddArgs { url, task, project, wish, types, secret_file, identity } = args;
    if let Some(file) = secret_file.as_ref().filter(|file| file.exists()) {
        let message = format!("{} is there already: secrets are never overwritten", file.display());
        return Err(Failure::refused("exists", message).into());
    }
    let order = WebhookOrder { url, task, project, wish, types };
    let made = context.client_as(&identity)?.create_webhook(&order)?;
    let secret = match &secret_file {
        None => Some(made.secret),
        Some(file) => {
            write_new_secret(file, format!("{}\n", made.secret).as_bytes())?;
            None
        }
    };
    context.report(&Made { webhook: made.webhook, secret, secret_file })
}

fn verify(context: &Context<'_>, args: &VerifyArgs) -> anyhow::Result<()> {
    let secret: Secret = read_text(&args.secret_file)?
        .parse()
        .map_err(|error: webhooks::SecretError| Failure::refused("secret", error.to_string()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let now = if args.any_age { args.timestamp } else { now };
    let body = read_bytes(&args.body)?;
    webhooks::verify(&secret, &args.id, args.timestamp, &args.signature, &body, now)
        .map_err(|error| Failure::untrue("not_genuine", error.to_string()))?;
    context.report(&Genuine { genuine: true })
}
