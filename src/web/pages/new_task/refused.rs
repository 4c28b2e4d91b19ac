//! At which field of the form an error of a charter is told.

use crate::draft::DraftError;
use crate::escrow::charter::CharterError;
use crate::web::pages::words;

/// The field's name; empty where it is of none.
pub fn field_of(error: &CharterError) -> &str {
    match error {
        CharterError::Text { field, .. } | CharterError::PublicKey { field } => named(field),
        CharterError::Address { field }
        | CharterError::AddressNetwork { field, .. }
        | CharterError::Share { field } => named(field),
        CharterError::NotATime { field, .. }
        | CharterError::WindowTooShort { field, .. }
        | CharterError::TooMuch { field, .. }
        | CharterError::Count { field, .. }
        | CharterError::Rate { field, .. } => named(field),
        CharterError::Key { role, .. } => role.name(),
        CharterError::DuplicateSigner { second, .. } => second.name(),
        CharterError::OffGrid { .. } | CharterError::TimeTooLate { .. } => "refund_time",
        CharterError::OutOfOrder { earlier, .. } if earlier.starts_with("funding_close") => "funding_close",
        CharterError::OutOfOrder { earlier, .. } if earlier.starts_with("milestones") => "milestones",
        CharterError::OutOfOrder { .. } => "work_deadline",
        CharterError::Depth { .. } => "depth",
        CharterError::DustMinimum { .. } => "minimum_pledge_sat",
        CharterError::AmountOrder { smaller, .. } => named(smaller),
        CharterError::ShareSum { what: "milestones", .. } => "milestones",
        CharterError::ShareSum { .. } => "payee_1_share",
        CharterError::EarlySubmissions => "funding_rule",
        CharterError::FeerateCap { .. } => "feerate_cap_sat_per_vb",
        CharterError::TooLong { .. }
        | CharterError::NotJson { .. }
        | CharterError::DuplicateKey { .. }
        | CharterError::UnknownKey { .. }
        | CharterError::Shape { .. }
        | CharterError::NotCanonical { .. }
        | CharterError::Version { .. } => "",
    }
}

/// The error as a person reads it beside the field; most are said well by themselves.
pub fn in_words(error: &CharterError) -> String {
    let time = |secs: u64| words::time(u32::try_from(secs).unwrap_or(u32::MAX));
    match error {
        CharterError::AmountOrder { smaller: "minimum_pledge_sat", .. } => {
            "The least pledge must not be more than the target.".to_owned()
        }
        CharterError::AmountOrder { .. } => "The target must not be more than the cap.".to_owned(),
        CharterError::OutOfOrder { earlier, earlier_at, later_at, .. }
            if earlier.starts_with("funding_close") =>
        {
            format!(
                "Funding must close before the work is due: this is {}, the work is due {}.",
                time(*earlier_at),
                time(*later_at)
            )
        }
        CharterError::OutOfOrder { earlier_at, later_at, .. } => format!(
            "With votes and ruling after it this ends {}, but the last payout starts {}: an earlier day, shorter windows, or a later refund time.",
            time(*earlier_at),
            time(*later_at)
        ),
        CharterError::ShareSum { sum_bps, .. } => format!(
            "All shares together make {}.{:02} %; they must make 100 %.",
            sum_bps / 100,
            sum_bps % 100
        ),
        CharterError::DuplicateSigner { first, .. } => {
            format!("The {first} has the same key: the three must be three keys.")
        }
        CharterError::Rate { field: "acceptance.threshold_bps", .. } => {
            "More than 50 %, at most 100: else a minority would move the money of the silent.".to_owned()
        }
        CharterError::WindowTooShort { min_secs, .. } => format!("At least {}.", words::span(*min_secs)),
        CharterError::DustMinimum { min_sat, .. } => {
            format!("At least {}: less cannot be refunded or paid.", words::sat(*min_sat))
        }
        CharterError::OffGrid { next: Some(next), .. } => {
            format!("The refund time is a Monday, 00:00 UTC; the next one is {}.", words::day(*next))
        }
        CharterError::Share { .. } => "A share is more than 0 and at most 100 %.".to_owned(),
        other => other.to_string(),
    }
}

/// The same of a draft that makes no charter.
pub fn draft_in_words(error: &DraftError) -> String {
    match error {
        DraftError::Missing { .. } | DraftError::NobodyPaid => "This is needed.".to_owned(),
        DraftError::TooNear => {
            "This is too near: no time for the work is left before votes, ruling and the last payout."
                .to_owned()
        }
        DraftError::Late { .. } => "This is too far away.".to_owned(),
        other => other.to_string(),
    }
}

/// The form's name of a charter's field.
fn named(field: &str) -> &str {
    match field {
        "developer.nominated_by" => "developer_nominated_by",
        "representative.nominated_by" => "representative_nominated_by",
        "arbiter.nominated_by" => "arbiter_nominated_by",
        "review_secs" => "review",
        "ruling_secs" => "ruling",
        "acceptance.threshold_bps" => "threshold",
        "acceptance.quorum_bps" => "quorum",
        "leader.key" => "leader_key",
        "leader.address" => "leader_address",
        "leader.share_bps" => "leader_share",
        "operator.address" => "operator_address",
        "operator.share_bps" => "operator_share",
        "payees" => "payee_1_address",
        "payees.0.address" => "payee_1_address",
        "payees.0.share_bps" => "payee_1_share",
        "payees.1.address" => "payee_2_address",
        "payees.1.share_bps" => "payee_2_share",
        "payees.2.address" => "payee_3_address",
        "payees.2.share_bps" => "payee_3_share",
        "payees.3.address" => "payee_4_address",
        "payees.3.share_bps" => "payee_4_share",
        "repository"
        | "licence"
        | "developer"
        | "representative"
        | "arbiter"
        | "refund_time"
        | "funding_close"
        | "work_deadline"
        | "depth"
        | "target_sat"
        | "cap_sat"
        | "minimum_pledge_sat"
        | "pot"
        | "feerate_cap_sat_per_vb" => field,
        _ => "",
    }
}
