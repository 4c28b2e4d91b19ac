//! When a server is dropped, and for how long. An outage, a lag or a race around a new block is nobody's
//! fault; what no honest server says, also when it is asked again, is a lie.

use std::time::Duration;

use crate::chain::fetch::{FetchError, RpcError};

/// Why a session ended.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// The server went away, or does not answer.
    #[error("{0}")]
    Outage(FetchError),
    /// It broke a rule.
    #[error("{0}")]
    Lie(String),
}

impl From<RpcError> for SessionError {
    fn from(error: RpcError) -> Self {
        Self::of(error.into())
    }
}

impl SessionError {
    /// What an error that lasted means.
    pub(super) fn of(error: FetchError) -> Self {
        match error {
            FetchError::Rpc(
                RpcError::Disconnected { .. } | RpcError::TimedOut { .. } | RpcError::Refused { .. },
            )
            | FetchError::BelowPin { .. }
            | FetchError::Behind { .. } => Self::Outage(error),
            FetchError::Rpc(RpcError::Garbled { .. })
            | FetchError::Malformed(_)
            | FetchError::Header(_)
            | FetchError::Unproved(_)
            | FetchError::NotOurChain { .. }
            | FetchError::MissingHeaders { .. }
            | FetchError::BranchTooLong { .. } => Self::Lie(error.to_string()),
        }
    }
}

/// Whether an error may be gone when the server is asked again: it changed its mind, or we did, between two
/// answers.
pub(super) fn may_pass(error: &FetchError) -> bool {
    match error {
        FetchError::Unproved(_)
        | FetchError::Header(_)
        | FetchError::MissingHeaders { .. }
        | FetchError::Rpc(RpcError::Refused { .. }) => true,
        FetchError::Rpc(
            RpcError::Disconnected { .. } | RpcError::TimedOut { .. } | RpcError::Garbled { .. },
        )
        | FetchError::Malformed(_)
        | FetchError::NotOurChain { .. }
        | FetchError::BranchTooLong { .. }
        | FetchError::BelowPin { .. }
        | FetchError::Behind { .. } => false,
    }
}

/// How long a server is dropped for its `nth` lie, from 1.
pub(super) fn sentence((first, longest): (Duration, Duration), nth: u32) -> Duration {
    let doubled = 1u32.checked_shl(nth.saturating_sub(1)).and_then(|times| first.checked_mul(times));
    doubled.unwrap_or(longest).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_double_up_to_the_longest() {
        let between = (Duration::from_secs(600), Duration::from_secs(86_400));
        let secs: Vec<u64> = [1, 2, 3, 8, 9, 40, u32::MAX].map(|nth| sentence(between, nth).as_secs()).into();
        assert_eq!(secs, [600, 1_200, 2_400, 76_800, 86_400, 86_400, 86_400]);
    }
}
