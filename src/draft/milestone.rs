//! Milestones as people write them: a share and a time, `50%:60d`.

use super::DraftError;
use super::when::When;
use crate::escrow::charter::Milestone;

/// A share: `33.34%`, or basis points without a sign, `3334`.
pub fn share_bps(text: &str) -> Option<u16> {
    let text = text.trim();
    let Some(percent) = text.strip_suffix('%') else { return text.parse().ok() };
    let (whole, part) = percent.trim().split_once('.').unwrap_or((percent.trim(), ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u16 = whole.parse().ok()?;
    let part: u16 = format!("{part:0<2}").parse().ok()?;
    whole.checked_mul(100)?.checked_add(part)
}

/// The milestones of a charter; the whole work at its deadline where none are given.
pub(super) fn all(texts: &[String], work_deadline: u32, now_secs: u32) -> Result<Vec<Milestone>, DraftError> {
    if texts.is_empty() {
        return Ok(vec![Milestone { share_bps: 10_000, due: work_deadline }]);
    }
    let one = |(text, number): (&String, usize)| {
        let bad = || DraftError::Milestone { number };
        let (share, due) = match text.split_once(':') {
            Some((share, due)) => (share, Some(due.parse::<When>().map_err(|_| bad())?)),
            None if number == texts.len() => (text.as_str(), None),
            None => return Err(bad()),
        };
        let due = match due {
            None => work_deadline,
            Some(due) => due.from(now_secs).ok_or(DraftError::Late { field: "milestones" })?,
        };
        Ok(Milestone { share_bps: share_bps(share).ok_or_else(bad)?, due })
    };
    texts.iter().zip(1..).map(one).collect()
}

/// Whether the time counts from now.
pub(super) fn is_relative(text: &str) -> bool {
    let due = text.split_once(':').and_then(|(_, due)| due.parse().ok());
    matches!(due, Some(When::In(_)))
}
