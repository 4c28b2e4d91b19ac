//! What is kept of webhooks: records of a journal of their own, and the state they fold to. The file holds the
//! secrets that sign, and is as private as the receipt key.

use super::{Attempt, Scope, Secret, WebhookError};
use crate::escrow::id::hex_id;
use crate::escrow::public::EventId;
use crate::service::schema::text;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

hex_id!(
    /// Names a webhook: 16 random bytes, 32 lower-case hex digits.
    HookId, 16, BadHookId, BadHookId
);

/// Not 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's id is 32 lower-case hex digits")]
pub struct BadHookId;

text! {
    HookId, "WebhookId", "^[0-9a-f]{32}$", "0123456789abcdef0123456789abcdef", "Id of a webhook.";
}

/// Who has a webhook: the key of an identity (NIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub XOnlyPublicKey);

/// One line of the webhooks' journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "each is read or written once, none is kept")]
pub enum HookRecord {
    /// Somebody subscribed.
    Created {
        /// Its id.
        id: HookId,
        /// Who.
        owner: Owner,
        /// Where events go.
        url: String,
        /// What it tells of.
        scope: Scope,
        /// Types of events; empty is all.
        types: Vec<String>,
        /// What signs.
        secret: Secret,
        /// The newest event then: told is what comes after.
        after: EventId,
    },
    /// Its owner ended it.
    Removed {
        /// Which.
        id: HookId,
    },
    /// Everything up to an event was delivered or passed over.
    Delivered {
        /// Which.
        id: HookId,
        /// The event.
        through: EventId,
    },
    /// The event after the last one delivered does not get through. Ends with a delivery.
    Failing {
        /// Which.
        id: HookId,
        /// Since when, Unix time.
        since_secs: u64,
    },
    /// Deliveries failed for too long, or the receiver wants no more.
    Disabled {
        /// Which.
        id: HookId,
        /// In words, for its owner.
        reason: String,
    },
    /// Its owner wants it to go on.
    Resumed {
        /// Which.
        id: HookId,
        /// After which event.
        after: EventId,
    },
}

/// A subscription.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) owner: Owner,
    pub(super) url: String,
    pub(super) scope: Scope,
    pub(super) types: Vec<String>,
    pub(super) secret: Secret,
    /// The last event delivered, as far as is durable.
    pub(super) cursor: EventId,
    /// The last event delivered or passed over; the durable cursor may be behind.
    pub(super) reached: EventId,
    /// Since when the next event does not get through, Unix time.
    pub(super) failing_since: Option<u64>,
    pub(super) disabled: Option<String>,
    /// What came of the last tries, newest first. Not durable.
    pub(super) attempts: Vec<Attempt>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Hooks(BTreeMap<HookId, Hook>);

impl Hooks {
    pub(super) fn get(&self, id: &HookId) -> Option<&Hook> {
        self.0.get(id)
    }

    /// A webhook of `owner`.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`] also for somebody else's.
    pub(super) fn of(&self, owner: Owner, id: HookId) -> Result<&Hook, WebhookError> {
        self.get(&id).filter(|hook| hook.owner == owner).ok_or(WebhookError::Unknown)
    }

    pub(super) fn get_mut(&mut self, id: &HookId) -> Option<&mut Hook> {
        self.0.get_mut(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&HookId, &Hook)> {
        self.0.iter()
    }

    /// Folds a record. One about a webhook that was removed meanwhile says nothing: deliveries end a moment
    /// after their subscription.
    pub(super) fn apply(&mut self, record: &HookRecord) {
        match record.clone() {
            HookRecord::Created { id, owner, url, scope, types, secret, after } => {
                let (cursor, reached) = (after, after);
                let hook = Hook {
                    owner,
                    url,
                    scope,
                    types,
                    secret,
                    cursor,
                    reached,
                    failing_since: None,
                    disabled: None,
                    attempts: Vec::new(),
                };
                self.0.insert(id, hook);
            }
            HookRecord::Removed { id } => {
                self.0.remove(&id);
            }
            HookRecord::Delivered { id, through } => {
                if let Some(hook) = self.0.get_mut(&id) {
                    hook.cursor = hook.cursor.max(through);
                    hook.reached = hook.reached.max(through);
                    hook.failing_since = None;
                }
            }
            HookRecord::Failing { id, since_secs } => {
                if let Some(hook) = self.0.get_mut(&id) {
                    hook.failing_since = Some(since_secs);
                }
            }
            HookRecord::Disabled { id, reason } => {
                if let Some(hook) = self.0.get_mut(&id) {
                    hook.disabled = Some(reason);
                }
            }
            HookRecord::Resumed { id, after } => {
                if let Some(hook) = self.0.get_mut(&id) {
                    (hook.disabled, hook.cursor, hook.reached) = (None, after, after);
                    hook.failing_since = None;
                }
            }
        }
    }
}
