//! What the operator of this service does not show: wishes, and all that some keys say before there is a charter. It
//! hides and forgets nothing: the journal has it all, rules do not look at it, and another service may show it.

use crate::escrow::book::Book;
use crate::escrow::public::{Part, PublicEvent};
use crate::escrow::statement::TaskId;
use crate::escrow::wish::WishState;
use bitcoin::secp256k1::XOnlyPublicKey;
use std::collections::BTreeSet;

/// Ids of wishes and keys of identities that are not shown here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Wishes.
    pub wishes: BTreeSet<TaskId>,
    /// Keys: their wishes, their words to wishes, and what they say of projects.
    pub keys: BTreeSet<XOnlyPublicKey>,
}

impl Hidden {
    /// Whether a wish is not shown.
    pub fn wish(&self, wish: &WishState) -> bool {
        self.wishes.contains(&wish.id()) || self.key(&wish.by())
    }

    /// Whether what a key says is not shown.
    pub fn key(&self, key: &XOnlyPublicKey) -> bool {
        self.keys.contains(key)
    }

    /// Whether an event is told to nobody. Of tasks everything is told: hiding is for what costs nothing to say.
    pub fn event(&self, event: &PublicEvent, book: &Book) -> bool {
        if self.wishes.is_empty() && self.keys.is_empty() {
            return false;
        }
        let wish = event.wish.and_then(|wish| book.wishes().get(&wish));
        let spoke = event
            .signed_by
            .filter(|signed| event.charter.is_none() && matches!(signed.part, Part::Identity | Part::Leader));
        wish.is_some_and(|wish| self.wish(wish))
            || spoke.and_then(|signed| signed.key).is_some_and(|key| self.key(&key))
    }
}

#[cfg(test)]
mod tests;
