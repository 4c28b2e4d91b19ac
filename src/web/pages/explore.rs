//! Explore: all tasks, by words, state, project, amount and order, in pages. A plain form that asks with GET.

use super::super::{ApiError, App};
use super::pieces::{TaskCard, encoded};
use super::stage_words;
use super::{Asked, Site, show as respond, words};
use crate::escrow::task::Stage;
use crate::service::views::{TaskQuery, TaskSort, projects};
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use bitcoin::Amount;
use serde::{Deserialize, Serialize};

/// Tasks in a page.
const PAGE: usize = 24;
/// Projects offered to choose from; more are found by words.
const PROJECTS: usize = 100;

/// What the form sends: an empty field is none.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    q: String,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    repository: String,
    #[serde(default)]
    min: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template, Serialize)]
#[template(path = "explore.html")]
struct Explore {
    #[serde(skip)]
    site: Site,
    /// What was asked for.
    asked: TaskQuery,
    /// Where the least amount cannot be read: why.
    min_error: Option<&'static str>,
    /// As it was typed.
    #[serde(skip)]
    min: String,
    tasks: Vec<TaskCard>,
    /// Where the next page is.
    next: Option<String>,
    /// Projects to choose from.
    repositories: Vec<String>,
}

impl Explore {
    fn from(&self, repository: &str) -> bool {
        self.asked.repository.as_deref() == Some(repository)
    }

    fn narrowed(&self) -> bool {
        let TaskQuery { stage, repository, q, min_target_sat, .. } = &self.asked;
        stage.is_some() || repository.is_some() || q.is_some() || min_target_sat.is_some()
    }
}

/// An amount as people type it: digits, with commas, points or spaces between groups.
fn typed_sat(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches("sat").trim_end();
    let digits: String =
        text.chars().filter(|c| !matches!(c, ',' | '_' | ' ' | '\u{a0}' | '\u{202f}')).collect();
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|sat| plain && *sat <= Amount::MAX_MONEY.to_sat())
}

fn given(text: &str) -> Option<String> {
    let text: String = text.trim().chars().take(300).collect();
    (!text.is_empty()).then_some(text)
}

impl Form {
    /// The same question, from a cursor on.
    fn address(&self, cursor: &str) -> String {
        let pairs = [
            ("q", self.q.as_str()),
            ("stage", &self.stage),
            ("repository", &self.repository),
            ("min", &self.min),
            ("sort", &self.sort),
            ("cursor", cursor),
        ];
        let given = pairs.iter().filter(|(_, value)| !value.is_empty());
        let parts: Vec<String> = given.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("/tasks?{}", parts.join("&"))
    }

    /// The query, or what is wrong with the least amount.
    fn query(&self) -> (TaskQuery, Option<&'static str>) {
        let min = given(&self.min);
        let least = min.as_deref().and_then(typed_sat);
        let error =
            (min.is_some() && least.is_none()).then_some("Give a whole number of satoshis, such as 100,000.");
        let query = TaskQuery {
            stage: Stage::ALL.into_iter().find(|stage| stage.name() == self.stage),
            repository: given(&self.repository),
            q: given(&self.q),
            min_target_sat: least,
            sort: Some(if self.sort == "newest" { TaskSort::Newest } else { TaskSort::MostFunded }),
            limit: None,
            cursor: given(&self.cursor),
        };
        (query, error)
    }
}

pub(super) async fn show(
    State(app): State<App>,
    asked: Asked,
    form: Result<Query<Form>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(form) = form.map_err(|error| ApiError::shape(error.body_text()))?;
    let (query, min_error) = form.query();
    let read = app.service.read(|book| {
        let page = query.page(book, PAGE)?;
        let tasks = page.items.iter().filter_map(|summary| book.task(&summary.charter));
        let cards: Vec<TaskCard> = tasks.map(|task| TaskCard::of(task, book.tip())).collect();
        let repositories: Vec<String> = projects(book, &app.service.policy().hidden)
            .into_iter()
            .map(|project| project.repository)
            .take(PROJECTS)
            .collect();
        Ok((cards, page.next, repositories))
    });
    let (tasks, cursor, repositories) =
        read.map_err(|error: crate::service::views::BadCursor| ApiError::shape(error.to_string()))?;
    let next = cursor.map(|cursor| form.address(&cursor));
    respond(
        asked,
        &Explore { site: Site::new(&app), asked: query, min_error, min: form.min, tasks, next, repositories },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_type_them() {
        for (text, sat) in [
            ("100000", Some(100_000)),
            ("100,000 sat", Some(100_000)),
            (" 1 000 ", Some(1_000)),
            ("0", Some(0)),
        ] {
            assert_eq!(typed_sat(text), sat, "{text}");
        }
        for bad in ["", "-1", "1.5", "1e9", "NaN", "2100000000000001", "99999999999999999999", "sat"] {
            assert_eq!(typed_sat(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_next_page_asks_the_same() {
        let form = Form { q: "date & time=é".into(), min: "1,000".into(), ..Form::default() };
        assert_eq!(form.address("n7"), "/tasks?q=date%20%26%20time%3D%C3%A9&min=1%2C000&cursor=n7");
    }
}
