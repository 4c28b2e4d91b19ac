//! Wishes, the words to them, and what leaders say of projects: each is authority in itself.

use super::{Service, ServiceError};
use crate::escrow::project::Project;
use crate::escrow::public::ProjectId;
use crate::escrow::statement::{Signed, TaskId};
use crate::escrow::wish::{Wish, Word};

impl Service {
    /// Writes a wish down.
    pub async fn write_wish(&self, wish: Signed<Wish>, text: &str) -> Result<TaskId, ServiceError> {
        self.commit(|book| Ok(book.write_wish(self.policy.network, &wish, text)?)).await
    }

    /// Keeps a word to a wish.
    pub async fn say(&self, wish: &TaskId, word: Word) -> Result<(), ServiceError> {
        self.commit(|book| Ok(((), book.say(self.policy.network, wish, &word)?))).await
    }

    /// Keeps what a key says of a project.
    pub async fn set_project(&self, project: Signed<Project>) -> Result<ProjectId, ServiceError> {
        self.commit(|book| Ok(book.set_project(self.policy.network, &project)?)).await
    }
}
