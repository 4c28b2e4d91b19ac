//! Projects, and pages of events.

use super::{ClaimView, LeaderView, TaskSummary, WishSummary};
use crate::escrow::book::Book;
use crate::escrow::public::{EventId, ProjectId, PublicEvent};
use crate::escrow::task::Task;
use crate::service::schema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Most wishes told with a project; `GET /wishes` has all.
const WISHES: usize = 200;

/// Events in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// They, oldest first.
    pub items: Vec<PublicEvent>,
    /// What to ask for next as `after`.
    pub next: EventId,
}

/// A project in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectSummary {
    /// Its id.
    pub project: ProjectId,
    /// The repository, as charters name it.
    pub repository: String,
    /// What its leader calls it.
    #[schema(required)]
    pub name: Option<String>,
    /// Tasks it has.
    pub tasks: usize,
    /// Wishes for it.
    pub wishes: usize,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectView {
    /// Its id.
    pub project: ProjectId,
    /// The repository, as charters name it.
    pub repository: String,
    /// Who leads it here: the leader that its first open charter names, else whoever claimed it first.
    #[schema(required)]
    pub leader: Option<LeaderView>,
    /// Every key that claims it, in the order they came. Whether a key leads the repository is to be looked up where it
    /// is published.
    pub claims: Vec<ClaimView>,
    /// Its tasks.
    pub tasks: Vec<TaskSummary>,
    /// Wishes for it, in its leader's order, at most 200.
    pub wishes: Vec<WishSummary>,
    /// How many there are.
    #[schema(value_type = schema::Count)]
    pub wish_count: usize,
}

/// Every project, by repository: those of tasks, of wishes, and those that somebody set up.
pub fn projects(book: &Book) -> Vec<ProjectSummary> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for task in book.tasks().values() {
        counts.entry(&task.charter().fields().repository).or_default().0 += 1;
    }
    for wish in book.wishes().in_order() {
        counts.entry(wish.repository()).or_default().1 += 1;
    }
    for (_, claims) in book.projects().all() {
        let settings = claims.first().and_then(|claim| claim.settings());
        settings.map(|settings| counts.entry(&settings.repository).or_default());
    }
    let summary = |(repository, (tasks, wishes)): (&str, (usize, usize))| ProjectSummary {
        project: ProjectId::of(repository),
        repository: repository.to_owned(),
        name: book.settings(repository).map(|settings| settings.name.clone()),
        tasks,
        wishes,
    };
    counts.into_iter().map(summary).collect()
}

/// The repository with this id, if any task, wish or claim names it.
pub fn repository_of(book: &Book, project: ProjectId) -> Option<&str> {
    let task = book.tasks().values().map(|task| task.charter().fields().repository.as_str());
    let wish = book.wishes().in_order().map(|wish| wish.repository());
    let mut named = task.chain(wish).filter(|repository| ProjectId::of(repository) == project);
    let claimed = || {
        let settings = book.projects().claims(&project).first()?.settings()?;
        Some(settings.repository.as_str())
    };
    claimed().or_else(|| named.next())
}

impl ProjectView {
    /// Of the repository with this id, if anything names it.
    pub fn of(book: &Book, project: ProjectId) -> Option<ProjectView> {
        let repository = repository_of(book, project)?;
        let belongs = |task: &&Task| task.charter().fields().repository == repository;
        let leader = book.leader(repository);
        let claims = book.projects().claims(&project).iter();
        let wishes = book.wishes_for(repository);
        Some(ProjectView {
            project,
            repository: repository.to_owned(),
            claims: claims.filter_map(|claim| ClaimView::of(claim, leader.as_ref())).collect(),
            leader: leader.map(LeaderView::from),
            tasks: book
                .tasks()
                .values()
                .filter(belongs)
                .map(|task| TaskSummary::new(task, book.tip()))
                .collect(),
            wish_count: wishes.len(),
            wishes: wishes.into_iter().take(WISHES).map(|wish| WishSummary::new(book, wish)).collect(),
        })
    }

    /// What its leader says of it.
    pub fn settings(&self) -> Option<&crate::escrow::project::Project> {
        self.claims.iter().find(|claim| claim.leads).map(|claim| &claim.settings)
    }
}
