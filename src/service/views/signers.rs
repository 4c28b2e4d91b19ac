//! What the service tells of the three signers: what waits for each, since when, and what the other two can do.

use crate::escrow::facts::Tip;
use crate::escrow::statement::{Role, SettlementId, SubmissionId};
use crate::escrow::task::{Bound, Task, Wait, Waiting, Way};
use crate::service::schema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A signer's seat, and what waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignerView {
    /// Which seat.
    pub role: Role,
    /// Fingerprint of the root key that its account is declared to come from (BIP32).
    #[schema(value_type = schema::Fingerprint)]
    pub fingerprint: String,
    /// When it signed anything last; `null` if it never did, or nobody knew the chain's time then.
    #[schema(required, value_type = Option<schema::UnixSeconds>)]
    pub last_act_secs: Option<u32>,
    /// Whether it has left something waiting for too long.
    pub silent: bool,
    /// What waits for it, the longest wait first.
    pub waiting: Vec<WaitingView>,
}

/// Something that waits for a signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingView {
    /// `attestation`, `acceptance`, `ruling` or `signature`.
    pub what: String,
    /// The submission, for an acceptance or a ruling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub submission: Option<SubmissionId>,
    /// The settlement, for a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub settlement: Option<SettlementId>,
    /// What the signer is waited for to do.
    pub words: String,
    /// Since when.
    #[schema(value_type = schema::UnixSeconds)]
    pub since_secs: u32,
    /// Last time at which this is not yet called silence.
    #[schema(value_type = schema::UnixSeconds)]
    pub silent_after_secs: u32,
    /// Whether the signer is silent about it.
    pub silent: bool,
    /// What the other two can do now.
    pub others_can: Vec<WayView>,
}

/// What the other two can do without a signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WayView {
    /// `another_charter`, `sign_without`, `pay_freed`, `ruling_stands_in`, `early_return`, `noes_return` or `refunds`.
    pub way: String,
    /// In a sentence.
    pub words: String,
    /// Last time for it; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::UnixSeconds>, nullable = false)]
    pub until_secs: Option<u32>,
    /// It happens after this time; left out where nothing has to come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::UnixSeconds>, nullable = false)]
    pub after_secs: Option<u32>,
    /// The submission it is about; left out where it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub submission: Option<SubmissionId>,
    /// The settlement it is about; left out where it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub settlement: Option<SettlementId>,
}

impl SignerView {
    /// Whether anything waits for it.
    pub fn waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The three of a task; none while the chain is not known.
    pub fn of(task: &Task, tip: Option<&Tip>) -> Vec<SignerView> {
        let seats = tip.map(|tip| task.seats(tip)).into_iter().flatten();
        seats
            .map(|seat| SignerView {
                role: seat.role,
                fingerprint: task.charter().signer(seat.role).fingerprint().to_string(),
                last_act_secs: seat.last_act_secs,
                silent: seat.silent_since().is_some(),
                waiting: seat.waiting.iter().map(WaitingView::new).collect(),
            })
            .collect()
    }
}

impl WaitingView {
    fn new(waiting: &Waiting) -> WaitingView {
        let (what, submission, settlement) = match waiting.what {
            Wait::Attestation => ("attestation", None, None),
            Wait::Acceptance { submission } => ("acceptance", Some(submission), None),
            Wait::Ruling { submission } => ("ruling", Some(submission), None),
            Wait::Signature { settlement } => ("signature", None, Some(settlement)),
        };
        WaitingView {
            what: what.to_owned(),
            submission,
            settlement,
            words: waiting.what.in_words().to_owned(),
            since_secs: waiting.since_secs,
            silent_after_secs: waiting.silent_after_secs,
            silent: waiting.silent,
            others_can: waiting.ways.iter().map(WayView::new).collect(),
        }
    }
}

impl WayView {
    fn new(way: &Way) -> WayView {
        let (name, submission, settlement) = match *way {
            Way::AnotherCharter => ("another_charter", None, None),
            Way::SignWithout { settlement } => ("sign_without", None, Some(settlement)),
            Way::PayFreed { submission, .. } => ("pay_freed", Some(submission), None),
            Way::RulingStandsIn { submission, .. } => ("ruling_stands_in", Some(submission), None),
            Way::EarlyReturn { .. } => ("early_return", None, None),
            Way::NoesReturn { .. } => ("noes_return", None, None),
            Way::Refunds { .. } => ("refunds", None, None),
        };
        let bound = |side| way.secs().filter(|(of, _)| *of == side).map(|(_, secs)| secs);
        WayView {
            way: name.to_owned(),
            words: way.in_words().to_owned(),
            until_secs: bound(Bound::Until),
            after_secs: bound(Bound::After),
            submission,
            settlement,
        }
    }
}
