//! What is kept of webhooks: records of a journal of their own, and the state they fold to. The file holds the
//! secrets that sign, and is as private as the receipt key.

use super::{Scope, Secret};
use crate::escrow::public::EventId;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Names a webhook: 16 random bytes, 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub [u8; 16]);

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not 32 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's id is 32 lower-case hex digits")]
pub struct BadHookId;

impl std::str::FromStr for HookId {
    type Err = BadHookId;
    fn from_str(given: &str) -> Result<HookId, BadHookId> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if given.len() != 32 || !given.bytes().all(digit) {
            return Err(BadHookId);
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(given.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| BadHookId)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| BadHookId)?;
        }
        Ok(HookId(id))
    }
}

impl Serialize for HookId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HookId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who has a webhook: the key of an identity (NIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub XOnlyPublicKey);

/// One line of the webhooks' journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) owner: Owner,
    pub(super) url: String,
    pub(super) scope: Scope,
    pub(super) types: Vec<String>,
    pub(super) secret: Secret,
    /// The last event delivered, as far as is durable.
    pub(super) cursor: EventId,
    pub(super) disabled: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hooks(BTreeMap<HookId, Hook>);

impl Hooks {
    pub(super) fn get(&self, id: &HookId) -> Option<&Hook> {
        self.0.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&HookId, &Hook)> {
        self.0.iter()
    }

    /// Folds a record. One about a webhook that was removed meanwhile says nothing: deliveries end a moment
    /// after their subscription.
    pub(super) fn apply(&mut self, record: &HookRecord) {
        match record.clone() {
            HookRecord::Created { id, owner, url, scope, types, secret, after } => {
                self.0.insert(id, Hook { owner, url, scope, types, secret, cursor: after, disabled: None });
            }
            HookRecord::Removed { id } => {
                self.0.remove(&id);
            }
            HookRecord::Delivered { id, through } => {
                if let Some(hook) = self.0.get_mut(&id) {
                    hook.cursor = hook.cursor.max(through);
                }
            }
            HookRecord::Disabled { id, reason } => {
                if let Some(hook) = self.0.get_mut(&id) {
                    hook.disabled = Some(reason);
                }
            }
            HookRecord::Resumed { id, after } => {
                if let Some(hook) = self.0.get_mut(&id) {
                    (hook.disabled, hook.cursor) = (None, after);
                }
            }
        }
    }
}

/// Whether events have a type of this name.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

/// Every type of event; a test compares it with what events are made of.
pub const TYPES: [&str; 50] = [
    "task_drafted",
    "charter_attested",
    "task_opened",
    "stage_changed",
    "target_reached",
    "target_lost",
    "funding_closed",
    "funding_reopened",
    "target_missed",
    "target_open_again",
    "pledge_issued",
    "payment_seen",
    "payment_confirmed",
    "payment_unconfirmed",
    "payment_credited",
    "payment_uncredited",
    "payment_surplus",
    "payment_below_minimum",
    "payment_uncounted",
    "payment_vanished",
    "gift_received",
    "gift_lost",
    "refund_secured",
    "refund_sent",
    "refund_confirmed",
    "refund_unconfirmed",
    "refund_dropped",
    "spend_seen",
    "spend_confirmed",
    "spend_unconfirmed",
    "spend_dropped",
    "work_submitted",
    "review_opened",
    "review_moved",
    "review_closed",
    "review_reopened",
    "ruling_closed",
    "ruling_reopened",
    "vote_cast",
    "acceptance_given",
    "ruling_given",
    "settlement_proposed",
    "settlement_signed",
    "settlement_complete",
    "settlement_broadcast",
    "settlement_confirmed",
    "settlement_final",
    "settlement_unconfirmed",
    "settlement_conflicted",
    "reorg",
];
