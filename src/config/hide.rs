//! What the operator does not show of wishes, and of what is said of projects.

use super::api::PublicKey;
use super::read::{Reader, text_settings};
use crate::escrow::statement::TaskId;
use crate::service::hidden::Hidden;

/// What is not shown. It stays in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hide {
    /// Wishes.
    pub wishes: Vec<TaskId>,
    /// Identities: their wishes, their words to others', and what they say of projects.
    pub keys: Vec<PublicKey>,
}

text_settings!(TaskId);

impl Hide {
    pub(super) fn read(reader: &mut Reader<'_>) -> Hide {
        Hide { wishes: reader.or("hide.wishes", Vec::new()), keys: reader.or("hide.keys", Vec::new()) }
    }

    /// As the service asks for it.
    pub fn hidden(&self) -> Hidden {
        Hidden {
            wishes: self.wishes.iter().copied().collect(),
            keys: self.keys.iter().map(|key| key.0).collect(),
        }
    }
}
