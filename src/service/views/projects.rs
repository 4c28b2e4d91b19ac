//! Projects, and pages of events.

use super::{ClaimView, LeaderView, TaskSummary, WishSummary};
use crate::escrow::book::Book;
use crate::escrow::project::Project;
use crate::escrow::public::{EventId, ProjectId, PublicEvent};
use crate::escrow::task::Task;
use crate::service::hidden::Hidden;
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
    /// Wishes for it that are not withdrawn, in its leader's order, at most 200.
    pub wishes: Vec<WishSummary>,
    /// How many there are.
    #[schema(value_type = schema::Count)]
    pub wish_count: usize,
}

/// Every project, by repository: those of tasks, of wishes, and those that somebody claims.
pub fn projects(book: &Book, hidden: &Hidden) -> Vec<ProjectSummary> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for task in book.tasks().values() {
        counts.entry(&task.charter().fields().repository).or_default().0 += 1;
    }
    let wishes = book.wishes().in_order();
    for wish in wishes.filter(|wish| wish.withdrawn().is_none() && !hidden.wish(wish)) {
        counts.entry(wish.repository()).or_default().1 += 1;
    }
    for (_, claims) in book.projects().all() {
        let mut standing =
            claims.iter().filter(|claim| claim.withdrawn().is_none() && !hidden.key(&claim.by));
        let settings = standing.find_map(|claim| claim.settings());
        settings.map(|settings| counts.entry(&settings.repository).or_default());
    }
    let summary = |(repository, (tasks, wishes)): (&str, (usize, usize))| ProjectSummary {
        project: ProjectId::of(repository),
        repository: repository.to_owned(),
        name: settings(book, repository, hidden).map(|settings| settings.name.clone()),
        tasks,
        wishes,
    };
    counts.into_iter().map(summary).collect()
}

/// What the leader of a repository says of it, where that is shown.
pub fn settings<'a>(book: &'a Book, repository: &str, hidden: &Hidden) -> Option<&'a Project> {
    book.settings(repository).filter(|settings| !hidden.key(&settings.by))
}

/// The repository with this id, if any task, wish or claim that is shown names it.
pub fn repository_of<'a>(book: &'a Book, project: ProjectId, hidden: &Hidden) -> Option<&'a str> {
    let wish = || book.wishes().of_project(&project).find(|wish| !hidden.wish(wish));
    let claim = || book.projects().claims(&project).iter().find(|claim| !hidden.key(&claim.by));
    let claimed = || Some(claim()?.settings()?.repository.as_str());
    book.repository_of(&project).or_else(|| wish().map(|wish| wish.repository())).or_else(claimed)
}

impl ProjectView {
    /// Of the repository with this id, if anything names it.
    pub fn of(book: &Book, project: ProjectId, hidden: &Hidden) -> Option<ProjectView> {
        let repository = repository_of(book, project, hidden)?;
        let mut tasks: Vec<&Task> = book.tasks_of(repository).collect();
        tasks.sort_by_key(|task| task.id());
        let leader = book.leader(repository);
        let claims = book.projects().claims(&project).iter().filter(|claim| !hidden.key(&claim.by));
        let mut wishes = book.wishes_for(repository);
        wishes.retain(|wish| !hidden.wish(wish));
        Some(ProjectView {
            project,
            repository: repository.to_owned(),
            claims: claims.filter_map(|claim| ClaimView::of(claim, leader.as_ref())).collect(),
            leader: leader.map(LeaderView::from),
            tasks: tasks.into_iter().map(|task| TaskSummary::new(task, book.tip())).collect(),
            wish_count: wishes.len(),
            wishes: wishes
                .into_iter()
                .take(WISHES)
                .map(|wish| WishSummary::new(book, wish, hidden))
                .collect(),
        })
    }

    /// What its leader says of it.
    pub fn settings(&self) -> Option<&Project> {
        self.claims.iter().find(|claim| claim.leads && claim.withdrawn.is_none()).map(|claim| &claim.settings)
    }
}
