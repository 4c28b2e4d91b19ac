//! Where people say something about delivered work besides votes: sponsors and the project's leader sign in the page,
//! the three signers elsewhere and hand it in. Also where the leader confirms that the work is merged or released.

use super::super::body::Params;
use super::super::{ApiError, App};
use super::pieces;
use super::submission::EvidenceRow;
use super::task::{by_whom, milestone};
use super::{Asked, Site, show as respond};
use crate::escrow::facts::Tip;
use crate::escrow::statement::{CharterId, Confirmed, SubmissionId};
use crate::escrow::task::{Refused, SubmissionState, Task};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

/// How much is shown of what was said; the submission's page has all of it.
const SHOWN: usize = 20;

#[derive(Template, Serialize)]
#[template(path = "say.html")]
struct SayPage {
    #[serde(skip)]
    site: Site,
    charter: CharterId,
    title: String,
    id: SubmissionId,
    /// From 1, as people count.
    number: u32,
    /// Which part of the work, where there are several.
    milestone: Option<String>,
    /// Who handed it in.
    by_whom: &'static str,
    /// Inert.
    link: String,
    href: Option<String>,
    content: String,
    /// The project's leader, where the charter names one, as `npub`.
    leader: Option<String>,
    /// What the leader may confirm now.
    awaits: Option<Confirmed>,
    /// Last moment for that.
    confirm_until_secs: Option<u32>,
    /// Why nothing is to be confirmed, where the charter's vote waits for it.
    not_confirmed: Option<String>,
    /// Whether it names payees in place of the charter's.
    named: bool,
    /// Whether sponsors vote on it now.
    voting: bool,
    disputed: bool,
    /// Newest first.
    evidence: Vec<EvidenceRow>,
    evidence_count: usize,
    now_secs: Option<u32>,
}

/// `/tasks/{charter}/submissions/{submission}/say`.
pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    Params((charter, id)): Params<(CharterId, SubmissionId)>,
) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let page = app.service.read_task(&charter, |task, tip| {
        task.submission(&id).map(|state| SayPage::of(site, task, state, tip))
    })?;
    respond(asked, &page.ok_or(ApiError::missing("submission"))?)
}

/// What the leader may confirm; or why not, where the vote waits for a confirmation at all.
fn confirmable(
    task: &Task,
    state: &SubmissionState,
    tip: Option<&Tip>,
) -> (Option<Confirmed>, Option<String>) {
    let (Some(asked), Some(tip)) = (task.charter().fields().vote_opens.awaits(), tip) else {
        return (None, None);
    };
    match task.may_confirm(state, asked, tip) {
        Ok(()) => (Some(asked), None),
        Err(Refused::AlreadyConfirmed) => (None, Some(format!("It is confirmed that the work is {asked}."))),
        Err(refused) => (None, Some(format!("Nothing is to be confirmed here: {refused}."))),
    }
}

impl SayPage {
    fn of(site: Site, task: &Task, state: &SubmissionState, tip: Option<&Tip>) -> SayPage {
        let statement = &state.signed.statement;
        let (awaits, not_confirmed) = confirmable(task, state, tip);
        SayPage {
            site,
            charter: task.id(),
            title: pieces::title(task.text()),
            id: state.id,
            number: statement.number.saturating_add(1),
            milestone: milestone(task.charter(), statement),
            by_whom: by_whom(statement),
            link: pieces::inert(&statement.link),
            href: pieces::outward(&statement.link),
            content: statement.content.to_string(),
            leader: super::task::leader(task.charter()),
            awaits,
            confirm_until_secs: awaits.map(|_| task.charter().confirmation_deadline_secs()),
            not_confirmed,
            named: statement.named.is_some(),
            voting: task.window(state).zip(tip).is_some_and(|(window, tip)| !window.closed(tip.mtp_secs)),
            disputed: state.disputed(),
            evidence: state.evidence.iter().rev().take(SHOWN).map(EvidenceRow::of).collect(),
            evidence_count: state.evidence.len(),
            now_secs: tip.map(|tip| tip.mtp_secs),
        }
    }
}
