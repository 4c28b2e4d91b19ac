//! The list of tasks: filtered, sorted, in pages.

use super::TaskSummary;
use super::page::Page;
use crate::escrow::book::Book;
use crate::escrow::facts::Tip;
use crate::escrow::task::{Stage, Task};
use crate::service::schema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;
use utoipa::{IntoParams, ToSchema};

/// How a list of tasks is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskSort {
    /// The one written down last first.
    #[default]
    Newest,
    /// The one that raised most first.
    MostFunded,
}

/// Which tasks are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TaskQuery {
    /// Only tasks that stand here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Only tasks of this repository, as their charters write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Only tasks whose text or repository has all these words, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only tasks that need at least so much, satoshis.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Sat>)]
    pub min_target_sat: Option<u64>,
    /// Order: `newest` if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<TaskSort>,
    /// Items in a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next` of the page before, asked with the same filters and order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^(n[0-9]{1,10}|f[0-9]{1,16}[.][0-9]{1,10})$")]
    pub cursor: Option<String>,
}

/// The cursor is none, or of another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor does not belong to this order: begin again without one")]
pub struct BadCursor;

/// The last task shown, in its order: smaller comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Newest { position: u32 },
    MostFunded { raised_sat: u64, position: u32 },
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Newest { position } => write!(f, "n{position}"),
            Key::MostFunded { raised_sat, position } => write!(f, "f{raised_sat}.{position}"),
        }
    }
}

impl FromStr for Key {
    type Err = BadCursor;
    fn from_str(given: &str) -> Result<Key, BadCursor> {
        let key = if let Some(position) = given.strip_prefix('n') {
            Key::Newest { position: position.parse().map_err(|_| BadCursor)? }
        } else {
            let (raised, position) =
                given.strip_prefix('f').and_then(|rest| rest.split_once('.')).ok_or(BadCursor)?;
            Key::MostFunded {
                raised_sat: raised.parse().map_err(|_| BadCursor)?,
                position: position.parse().map_err(|_| BadCursor)?,
            }
        };
        // One text a cursor: no signs, no zeroes in front.
        if key.to_string() == given { Ok(key) } else { Err(BadCursor) }
    }
}

impl TaskQuery {
    fn wants(&self, task: &Task, tip: Option<&Tip>) -> bool {
        let fields = task.charter().fields();
        let words = self.q.as_deref().unwrap_or_default().to_lowercase();
        let text = || format!("{}\n{}", task.text(), fields.repository).to_lowercase();
        self.min_target_sat.is_none_or(|least| fields.target_sat >= least)
            && self.repository.as_ref().is_none_or(|repository| fields.repository == *repository)
            && self.stage.is_none_or(|stage| task.stage(tip) == stage)
            && (words.trim().is_empty() || {
                let text = text();
                words.split_whitespace().all(|word| text.contains(word))
            })
    }

    /// The page of the tasks that are wanted.
    ///
    /// # Errors
    /// If the cursor is none of this order.
    pub fn page(&self, book: &Book, limit: usize) -> Result<Page<TaskSummary>, BadCursor> {
        let sort = self.sort.unwrap_or_default();
        let after: Option<Key> = self.cursor.as_deref().map(str::parse).transpose()?;
        let of_this_order = match after {
            None => true,
            Some(Key::Newest { .. }) => sort == TaskSort::Newest,
            Some(Key::MostFunded { .. }) => sort == TaskSort::MostFunded,
        };
        if !of_this_order {
            return Err(BadCursor);
        }
        let tip = book.tip();
        let key = |position: u32, task: &Task| match sort {
            TaskSort::Newest => Key::Newest { position },
            TaskSort::MostFunded => {
                let raised_sat = tip.map_or(0, |tip| task.totals(tip).raised.to_sat());
                Key::MostFunded { raised_sat, position }
            }
        };
        let mut wanted: Vec<(Key, &Task)> = (0_u32..)
            .zip(book.in_order())
            .filter(|(_, task)| self.wants(task, tip))
            .map(|(position, task)| (key(position, task), task))
            .filter(|(key, _)| after.is_none_or(|after| *key < after))
            .collect();
        wanted.sort_by_key(|(key, _)| Reverse(*key));
        let summaries = wanted.into_iter().map(|(key, task)| (key, TaskSummary::new(task, tip)));
        Ok(Page::cut(summaries, limit))
    }
}
