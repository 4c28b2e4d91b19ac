//! Projects, and pages of events.

use super::TaskSummary;
use crate::escrow::book::Book;
use crate::escrow::public::{EventId, ProjectId, PublicEvent};
use crate::escrow::task::Task;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

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
    /// Tasks it has.
    pub tasks: usize,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectView {
    /// Its id.
    pub project: ProjectId,
    /// The repository, as charters name it.
    pub repository: String,
    /// Its tasks.
    pub tasks: Vec<TaskSummary>,
}

/// Every project, by repository.
pub fn projects(book: &Book) -> Vec<ProjectSummary> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for task in book.tasks().values() {
        *counts.entry(&task.charter().fields().repository).or_default() += 1;
    }
    let summary = |(repository, tasks): (&str, usize)| ProjectSummary {
        project: ProjectId::of(repository),
        repository: repository.to_owned(),
        tasks,
    };
    counts.into_iter().map(summary).collect()
}

impl ProjectView {
    /// Of the repository with this id, if any task names it.
    pub fn of(book: &Book, project: ProjectId) -> Option<ProjectView> {
        let belongs = |task: &&Task| ProjectId::of(&task.charter().fields().repository) == project;
        let tasks: Vec<&Task> = book.tasks().values().filter(belongs).collect();
        Some(ProjectView {
            project,
            repository: tasks.first()?.charter().fields().repository.clone(),
            tasks: tasks.into_iter().map(|task| TaskSummary::new(task, book.tip())).collect(),
        })
    }
}
