//! What a milestone's payout leaves of a pledge in escrow, in words, and what a move takes elsewhere.

use super::{Case, Rest, Words};
use crate::escrow::pledge::Standing;
use crate::service::views::OutpointView;
use crate::web::pages::words;

impl Case<'_> {
    /// What a milestone's payout left in escrow: nobody paid it in anew.
    pub(super) fn remainder(&self, held: &OutpointView, amount: &str) -> Option<Words> {
        if held.generation == 0 {
            return None;
        }
        let still = still(&held.uncovered);
        match held.standing? {
            Standing::Seen => Some(Words::new(
                "staying",
                "",
                "Stays in escrow, not in a block yet",
                format!("{amount} of what you paid stay in escrow{still}, once the payout is in a block."),
            )),
            Standing::Confirming { depth, of } => Some(Words::new(
                "staying",
                "",
                format!("Stays in escrow, {depth} of {of} confirmations"),
                format!("{amount} of what you paid stay in escrow{still}."),
            )),
            Standing::Credited => Some(Words::new(
                "stays",
                "good",
                "Stays in escrow",
                format!("{amount} of what you paid stay in escrow{still}."),
            )),
            Standing::Vanished => Some(Words::new(
                "replaced",
                "",
                "Not this one",
                format!(
                    "The payout that would have left {amount} here was replaced by the same payout at another fee."
                ),
            )),
            Standing::Gift | Standing::BelowMinimum | Standing::Surplus { .. } => None,
        }
    }

    /// A pledge of which milestones were paid, and the rest of which waits for the others.
    pub(super) fn part_paid(&self, present: &[(&OutpointView, &Words)], open: bool) -> Words {
        let left: Vec<&OutpointView> =
            present.iter().filter(|(held, _)| held.ended.is_none()).map(|(held, _)| *held).collect();
        let sum = words::sat(left.iter().fold(0u64, |sum, held| sum.saturating_add(held.amount_sat)));
        let still = left.first().map_or_else(String::new, |held| still(&held.uncovered));
        let from = words::day(self.terms.refund_time);
        if open {
            return Words::new(
                "part_paid_unsecured",
                "warn",
                "Part is paid; the refund of the rest is not signed yet",
                format!(
                    "{sum} stay in escrow{still}. Open this pledge with its key: the refund is signed there."
                ),
            );
        }
        Words::new(
            "part_paid_secured",
            "good",
            "Part is paid; the rest stays in escrow, and its refund is secured",
            format!(
                "{sum} stay in escrow{still}. Next comes that work, then your vote on it. What is not paid out comes back from {from} on."
            ),
        )
    }
}

/// ` for milestone 3`, ` for milestones 2 and 3`: what something is still held for.
fn still(uncovered: &[u32]) -> String {
    let numbers: Vec<String> = uncovered.iter().map(|at| at.saturating_add(1).to_string()).collect();
    match numbers.as_slice() {
        [] => String::new(),
        [one] => format!(" for milestone {one}"),
        [first @ .., last] => format!(" for milestones {} and {last}", first.join(", ")),
    }
}

/// What moves to a pledge of the same sponsor under another charter, whoever signed it besides.
pub(super) fn moved(mined: bool, blocks: &str) -> Words {
    if mined {
        return Words::new(
            "went_over",
            "good",
            "Moved to another task",
            format!("As you signed, the money went to your pledge under another charter ({blocks})."),
        );
    }
    Words::new(
        "going_over",
        "",
        "Being moved to another task",
        "As you signed, the money is on its way to your pledge under another charter. It waits for a block.",
    )
}

/// A settlement that pays a part and keeps the rest in escrow, here or elsewhere.
pub(super) fn split(pay_bps: u16, rest: Rest, mined: bool, blocks: &str) -> Words {
    match (rest, mined) {
        (Rest::Moves, mined) => moved(mined, blocks),
        (_, true) => Words::new(
            "part_paid",
            "good",
            format!("{} paid", words::share(pay_bps)),
            format!(
                "{} of it went to those who did the work ({blocks}); the rest, less the fee, was left in escrow.",
                words::share(pay_bps)
            ),
        ),
        (_, false) => Words::new(
            "part_paying",
            "",
            format!("{} being paid", words::share(pay_bps)),
            format!(
                "Two of the three signers sent {} of it to those who did the work; the rest, less the fee, stays in escrow. It waits for a block.",
                words::share(pay_bps)
            ),
        ),
    }
}
