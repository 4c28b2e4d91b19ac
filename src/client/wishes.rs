//! Wishes and projects, as the commands ask for them. What a service says somebody signed is checked here.

use super::{Client, ClientError};
use crate::escrow::network::Network;
use crate::escrow::project::{Project, ProjectWithdrawal};
use crate::escrow::public::ProjectId;
use crate::escrow::signature::Speaker;
use crate::escrow::statement::{Digest, Signed, TaskId};
use crate::escrow::wish::{Wish, Withdrawal, Word};
use crate::service::views::{MAX_LIMIT, Page, ProjectView, WishQuery, WishSummary, WishView, WordView};
use bitcoin::secp256k1::{Secp256k1, XOnlyPublicKey};
use serde::Serialize;
use serde_json::json;

/// Which words.
#[derive(Serialize)]
struct WordQuery {
    by: Option<XOnlyPublicKey>,
    limit: u32,
    cursor: Option<String>,
}

/// A wish whose text, id and signatures were checked.
pub struct CheckedWish(WishView);

impl CheckedWish {
    /// Checks what a service tells of a wish.
    ///
    /// # Errors
    /// [`ClientError::Untrue`], with the field that is not so.
    pub fn new(view: WishView, network: Network, id: &TaskId) -> Result<CheckedWish, ClientError> {
        let summary = &view.summary;
        let statement = Wish {
            network,
            repository: summary.repository.clone(),
            link: view.link.clone(),
            text_hash: view.text_hash,
            by: summary.by,
        };
        if statement.id() != *id || summary.wish != *id {
            return Err(ClientError::untrue("wish", "repository, link, text and author are of another wish"));
        }
        if Digest::of(view.text.as_bytes()) != view.text_hash {
            return Err(ClientError::untrue("text", "it does not have the hash that the author signed"));
        }
        let signed = Signed { statement, signature: view.signature };
        let speaker = Speaker::identity(summary.by);
        let untrue = |field: &str, error: String| ClientError::untrue(field, error);
        signed
            .verify(&Secp256k1::verification_only(), &speaker)
            .map_err(|error| untrue("signature", error.to_string()))?;
        if summary.withdrawn_secs.is_some() != view.withdrawn.is_some() {
            return Err(ClientError::untrue("withdrawn", "the summary says otherwise"));
        }
        if let Some(withdrawn) = &view.withdrawn {
            let statement = Withdrawal { network, task: *id, by: summary.by };
            let signed = Signed { statement, signature: withdrawn.signature };
            signed
                .verify(&Secp256k1::verification_only(), &speaker)
                .map_err(|error| untrue("withdrawn", error.to_string()))?;
        }
        for said in &view.last_words {
            if said.word.task() != *id || said.word.network() != network {
                return Err(ClientError::untrue("last_words", "a word was said to another wish"));
            }
            said.word.verify().map_err(|error| untrue("last_words", error.to_string()))?;
        }
        Ok(CheckedWish(view))
    }

    /// What the service tells.
    pub fn into_view(self) -> WishView {
        self.0
    }
}

impl Client {
    /// Writes a wish down.
    pub fn write_wish(&self, wish: &Signed<Wish>, text: &str) -> Result<CheckedWish, ClientError> {
        let body = json!({ "statement": wish.statement, "signature": wish.signature, "text": text });
        CheckedWish::new(self.post("/wishes", &body)?, wish.statement.network, &wish.statement.id())
    }

    /// One wish.
    pub fn wish(&self, id: &TaskId, network: Network) -> Result<CheckedWish, ClientError> {
        CheckedWish::new(self.get(&format!("/wishes/{id}"))?, network, id)
    }

    /// Wishes, newest first, fetched page by page; at most `most`.
    pub fn wishes(
        &self,
        project: Option<ProjectId>,
        withdrawn: bool,
        most: usize,
    ) -> Result<Vec<WishSummary>, ClientError> {
        let mut wishes = Vec::new();
        let withdrawn = withdrawn.then_some(true);
        let mut query = WishQuery { project, withdrawn, ..WishQuery::default() };
        while wishes.len() < most {
            query.limit = Some(u32::try_from(most - wishes.len()).unwrap_or(MAX_LIMIT).min(MAX_LIMIT));
            let page: Page<WishSummary> = self.json("GET /wishes", &self.get_query("/wishes", &query)?)?;
            if page.items.is_empty() {
                break;
            }
            wishes.extend(page.items);
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        wishes.truncate(most);
        Ok(wishes)
    }

    /// Every word of one key to a wish; a key has few.
    pub fn words_of(&self, wish: &TaskId, by: XOnlyPublicKey) -> Result<Vec<WordView>, ClientError> {
        let path = format!("/wishes/{wish}/words");
        let query = WordQuery { by: Some(by), limit: MAX_LIMIT, cursor: None };
        let page: Page<WordView> = self.json(&format!("GET {path}"), &self.get_query(&path, &query)?)?;
        Ok(page.items)
    }

    /// Says something to a wish.
    pub fn say(&self, word: &Word) -> Result<CheckedWish, ClientError> {
        let id = word.task();
        CheckedWish::new(self.post(&format!("/wishes/{id}/words"), word)?, word.network(), &id)
    }

    /// Withdraws a wish.
    pub fn withdraw_wish(&self, withdrawal: &Signed<Withdrawal>) -> Result<CheckedWish, ClientError> {
        let Withdrawal { network, task, .. } = withdrawal.statement;
        CheckedWish::new(self.post(&format!("/wishes/{task}/withdrawal"), withdrawal)?, network, &task)
    }

    /// Withdraws a claim to a project.
    pub fn withdraw_project(
        &self,
        withdrawal: &Signed<ProjectWithdrawal>,
    ) -> Result<ProjectView, ClientError> {
        let said = &withdrawal.statement;
        let path = format!("/projects/{}/withdrawal", said.id());
        checked_project(self.post(&path, withdrawal)?, &said.repository)
    }

    /// The project of a repository. Which of several claims leads is the service's word.
    pub fn project(&self, repository: &str) -> Result<ProjectView, ClientError> {
        checked_project(self.get(&format!("/projects/{}", ProjectId::of(repository)))?, repository)
    }

    /// Claims a project, or changes what was said of it.
    pub fn set_project(&self, project: &Signed<Project>) -> Result<ProjectView, ClientError> {
        checked_project(self.post("/projects", project)?, &project.statement.repository)
    }
}

/// What a service says that keys signed of a project, with the signatures checked.
fn checked_project(view: ProjectView, repository: &str) -> Result<ProjectView, ClientError> {
    let secp = Secp256k1::verification_only();
    for claim in &view.claims {
        let signed = Signed { statement: claim.settings.clone(), signature: claim.signature };
        if signed.statement.repository != repository || signed.statement.by != claim.by {
            return Err(ClientError::untrue("claims", "a claim is of another project or key"));
        }
        signed
            .verify(&secp, &Speaker::identity(claim.by))
            .map_err(|error| ClientError::untrue("claims", error))?;
        let Some(withdrawn) = &claim.withdrawn else { continue };
        let statement = ProjectWithdrawal {
            network: claim.settings.network,
            repository: repository.to_owned(),
            by: claim.by,
            counter: withdrawn.counter,
        };
        if withdrawn.counter <= claim.settings.counter {
            return Err(ClientError::untrue("claims", "a withdrawal is older than what it takes back"));
        }
        let signed = Signed { statement, signature: withdrawn.signature };
        signed
            .verify(&secp, &Speaker::identity(claim.by))
            .map_err(|error| ClientError::untrue("claims", error))?;
    }
    Ok(view)
}
