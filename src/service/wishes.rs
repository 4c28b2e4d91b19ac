//! Wishes, the words to them, and what leaders say of projects: each is authority in itself.

use super::{Service, ServiceError};
use crate::escrow::project::{Project, ProjectWithdrawal};
use crate::escrow::public::ProjectId;
use crate::escrow::statement::{Signed, TaskId};
use crate::escrow::wish::{Wish, Withdrawal, Word};

impl Service {
    /// Writes a wish down.
    pub async fn write_wish(&self, wish: Signed<Wish>, text: &str) -> Result<TaskId, ServiceError> {
        self.commit(|book| Ok(book.write_wish(self.policy.network, &wish, text)?)).await
    }

    /// Keeps a word to a wish.
    pub async fn say(&self, wish: &TaskId, word: Word) -> Result<(), ServiceError> {
        self.commit(|book| Ok(((), book.say(self.policy.network, wish, &word)?))).await
    }

    /// Takes a wish back, for whoever wrote it.
    pub async fn withdraw_wish(
        &self,
        wish: &TaskId,
        withdrawal: Signed<Withdrawal>,
    ) -> Result<(), ServiceError> {
        self.commit(|book| Ok(((), book.withdraw_wish(self.policy.network, wish, &withdrawal)?))).await
    }

    /// Takes a claim to a project back, for the key that made it.
    pub async fn withdraw_project(
        &self,
        withdrawal: Signed<ProjectWithdrawal>,
    ) -> Result<ProjectId, ServiceError> {
        self.commit(|book| Ok(book.withdraw_project(self.policy.network, &withdrawal)?)).await
    }

    /// Keeps what a key says of a project.
    pub async fn set_project(&self, project: Signed<Project>) -> Result<ProjectId, ServiceError> {
        self.commit(|book| Ok(book.set_project(self.policy.network, &project)?)).await
    }
}
