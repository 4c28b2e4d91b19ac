//! `upfront project`: show a project, claim it as its leader, change what was said of it.

use super::context::{Context, IdentityArg};
use super::exit::{Exit, Failure};
use super::text::{Rows, inert, sat, when};
use super::wish;
use crate::client::{Client, ClientError};
use crate::escrow::project::{Project, ProjectWithdrawal};
use crate::escrow::statement::Statement;
use crate::keys::Identity;
use crate::nip98::npub;
use crate::service::views::{ClaimView, ProjectView};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::fmt;

#[derive(Subcommand)]
pub enum ProjectCommand {
    /// Show a project: who leads it, its wishes and tasks
    Show(ShowArgs),
    /// Claim a project as its leader
    Claim(ClaimArgs),
    /// Change what you said of a project that you claim
    Set(SetArgs),
    /// Withdraw your claim to a project
    Withdraw(WithdrawArgs),
}

#[derive(Args)]
pub struct ShowArgs {
    /// Repository, as charters write it
    repository: String,
}

#[derive(Args)]
pub struct WithdrawArgs {
    /// Repository, as charters write it
    repository: String,
    #[command(flatten)]
    identity: IdentityArg,
}

/// Whether wishes may be liked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// They may
    On,
    /// They may not
    Off,
}

/// What may be said of a project. `none` takes an optional field back.
#[derive(Args, Clone, Debug, Default)]
struct Settings {
    /// Who decides over noes by default, in words
    #[arg(long, value_name = "WHO")]
    arbiter: Option<String>,
    /// Where the leader's share goes
    #[arg(long, value_name = "ADDRESS")]
    leader_address: Option<String>,
    /// The leader's share
    #[arg(long, value_name = "BPS")]
    leader_share_bps: Option<u16>,
    /// Least pledge that charters should take
    #[arg(long, value_name = "SAT")]
    minimum_pledge_sat: Option<u64>,
    /// Where the team takes donations of its own
    #[arg(long, value_name = "URL")]
    donations: Option<String>,
    /// Whether wishes may be liked
    #[arg(long, value_enum)]
    likes: Option<Switch>,
    /// Where the repository shows this identity's key
    #[arg(long, value_name = "URL")]
    published: Option<String>,
}

#[derive(Args)]
pub struct ClaimArgs {
    /// Repository, as charters write it
    repository: String,
    /// What people call it
    #[arg(long)]
    name: String,
    /// What it is, in one line
    #[arg(long, value_name = "TEXT")]
    description: String,
    /// SPDX expression that work is released under
    #[arg(long, value_name = "SPDX")]
    licence: String,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    identity: IdentityArg,
}

#[derive(Args)]
pub struct SetArgs {
    /// Repository, as charters write it
    repository: String,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// What it is, in one line
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// SPDX expression that work is released under
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    identity: IdentityArg,
}

impl Settings {
    fn put_into(self, project: &mut Project) {
        let optional = |field: &mut Option<String>, given: Option<String>| {
            if let Some(given) = given {
                *field = (given != "none").then_some(given);
            }
        };
        optional(&mut project.arbiter, self.arbiter);
        optional(&mut project.leader_address, self.leader_address);
        optional(&mut project.donations, self.donations);
        optional(&mut project.published, self.published);
        project.leader_share_bps = self.leader_share_bps.unwrap_or(project.leader_share_bps);
        project.minimum_pledge_sat = self.minimum_pledge_sat.unwrap_or(project.minimum_pledge_sat);
        project.likes = self.likes.map_or(project.likes, |switch| switch == Switch::On);
    }
}

/// A project, as shown.
#[derive(Serialize)]
#[serde(transparent)]
struct ProjectReport(ProjectView);

impl fmt::Display for ProjectReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProjectReport(view) = self;
        let mut rows = Rows::new();
        rows.row("project", view.project).row("repository", inert(&view.repository));
        rows.row("tasks", view.tasks.len()).row("wishes", view.wish_count);
        match &view.leader {
            Some(leader) => rows.row("leader", npub(&leader.key)),
            None => rows.row("leader", "nobody has claimed it: upfront project claim"),
        };
        write!(f, "{rows}")?;
        for claim in &view.claims {
            let settings = &claim.settings;
            let mut rows = Rows::new();
            let leads = if claim.leads { " (leads it here)" } else { "" };
            rows.row("claimed by", format!("{}{leads}", npub(&claim.by)));
            if let Some(withdrawn) = &claim.withdrawn {
                rows.row("  withdrawn", when(withdrawn.at_secs));
            }
            rows.row("  since", when(claim.since_secs)).row("  name", inert(&settings.name));
            rows.row("  description", inert(&settings.description))
                .row("  licence", inert(&settings.licence));
            rows.row("  arbiter", inert(settings.arbiter.as_deref().unwrap_or("none")));
            rows.row("  leader's share", super::text::percent(settings.leader_share_bps));
            rows.row("  least pledge", sat(settings.minimum_pledge_sat));
            rows.row("  donations", inert(settings.donations.as_deref().unwrap_or("none")));
            rows.row("  likes", if settings.likes { "on" } else { "off" });
            rows.row("  key published", inert(settings.published.as_deref().unwrap_or("nowhere")));
            write!(f, "{rows}")?;
        }
        if !view.claims.is_empty() {
            writeln!(
                f,
                "Whether a key leads the repository is for you to look up: open the address where it says its key is \
                 published, see that it belongs to the repository, and compare the key there, letter by letter."
            )?;
        }
        for wish in &view.wishes {
            writeln!(f, "Wish {}: {} ({})", wish.wish, inert(&wish.title), wish::lead_words(wish))?;
        }
        view.tasks.iter().try_for_each(|task| writeln!(f, "Task {}: {}", task.charter, inert(&task.title)))
    }
}

pub fn run(context: &Context<'_>, command: ProjectCommand) -> anyhow::Result<Exit> {
    match command {
        ProjectCommand::Show(ShowArgs { repository }) => {
            let view = context.client().project(&repository)?;
            context.report(&ProjectReport(view))?;
        }
        ProjectCommand::Claim(args) => claim(context, args)?,
        ProjectCommand::Set(args) => set(context, args)?,
        ProjectCommand::Withdraw(args) => withdraw(context, args)?,
    }
    Ok(Exit::Done)
}

/// What an identity has said of a project, if it has.
fn own(client: &Client, repository: &str, by: &Identity) -> anyhow::Result<Option<ClaimView>> {
    let view = match client.project(repository) {
        Ok(view) => view,
        Err(ClientError::Refused { code, .. }) if code == "not_found" => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(view.claims.into_iter().find(|claim| claim.by == by.public()))
}

/// The counter after everything a key has said of a project.
fn next(claim: &ClaimView) -> u32 {
    let withdrawn = claim.withdrawn.as_ref().map_or(0, |withdrawn| withdrawn.counter);
    claim.settings.counter.max(withdrawn).saturating_add(1)
}

fn withdraw(context: &Context<'_>, args: WithdrawArgs) -> anyhow::Result<()> {
    let speaker = context.identity(&args.identity)?;
    let client = context.client();
    let claim = own(&client, &args.repository, &speaker)?.filter(|claim| claim.withdrawn.is_none());
    let claim = claim.ok_or_else(not_claimed)?;
    let withdrawal = ProjectWithdrawal {
        network: claim.settings.network,
        repository: args.repository,
        by: speaker.public(),
        counter: next(&claim),
    };
    context.report(&ProjectReport(client.withdraw_project(&speaker.sign(withdrawal))?))
}

fn not_claimed() -> Failure {
    Failure::refused("not_claimed", "this identity does not claim the project")
        .hint("claim it with `upfront project claim`")
}

fn claim(context: &Context<'_>, args: ClaimArgs) -> anyhow::Result<()> {
    let speaker = context.identity(&args.identity)?;
    let client = context.client();
    let before = own(&client, &args.repository, &speaker)?;
    if before.as_ref().is_some_and(|claim| claim.withdrawn.is_none()) {
        return Err(Failure::refused("claimed", "this identity has claimed the project already")
            .hint("change what it said with `upfront project set`")
            .into());
    }
    let mut project = Project {
        network: client.status()?.network,
        repository: args.repository,
        name: args.name,
        description: args.description,
        licence: args.licence,
        arbiter: None,
        leader_address: None,
        leader_share_bps: 0,
        minimum_pledge_sat: 10_000,
        donations: None,
        likes: true,
        published: None,
        by: speaker.public(),
        counter: before.as_ref().map_or(1, next),
    };
    args.settings.put_into(&mut project);
    if project.published.is_none() {
        context.note(format!(
            "Nobody can check this claim yet. Put the key {} into a file of the repository, and give its address with \
             `upfront project set --published URL`.",
            speaker.npub()
        ));
    }
    deliver(context, &client, &speaker, project)
}

fn set(context: &Context<'_>, args: SetArgs) -> anyhow::Result<()> {
    let speaker = context.identity(&args.identity)?;
    let client = context.client();
    let claim = own(&client, &args.repository, &speaker)?.filter(|claim| claim.withdrawn.is_none());
    let claim = claim.ok_or_else(not_claimed)?;
    let counter = next(&claim);
    let mut project = claim.settings;
    let before = project.lines();
    project.name = args.name.unwrap_or(project.name);
    project.description = args.description.unwrap_or(project.description);
    project.licence = args.licence.unwrap_or(project.licence);
    args.settings.put_into(&mut project);
    if project.lines() == before {
        return Err(Failure::usage("nothing to change: name what should be different").into());
    }
    project.counter = counter;
    deliver(context, &client, &speaker, project)
}

fn deliver(
    context: &Context<'_>,
    client: &Client,
    speaker: &Identity,
    project: Project,
) -> anyhow::Result<()> {
    context.report(&ProjectReport(client.set_project(&speaker.sign(project))?))
}
