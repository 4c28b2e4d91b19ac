//! What became of a pledge, in words for whoever paid it: one headline for the pledge, one line for each payment, and
//! what is unusual. The only words about state that pages have: scripts fetch the page again and show these.

mod left;

use super::words;
use crate::escrow::charter::CharterFields;
use crate::escrow::pledge::{Ended, Ending, Standing, Surplus};
use crate::service::views::OutpointView;
use serde::Serialize;

/// Words about one thing, and how they are marked besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// Stable name of the state, for programs and tests.
    pub state: &'static str,
    /// Class of the mark: `good`, `warn`, `bad`, or nothing.
    pub tone: &'static str,
    /// A few words.
    pub title: String,
    /// A sentence or two.
    pub text: String,
}

impl Words {
    fn new(
        state: &'static str,
        tone: &'static str,
        title: impl Into<String>,
        text: impl Into<String>,
    ) -> Words {
        Words { state, tone, title: title.into(), text: text.into() }
    }
}

/// What a settlement does with a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// The share that is paid, in basis points: 0 pays nothing of it, 10000 all of it.
    pub pay_bps: u16,
    /// What becomes of the rest.
    pub rest: Rest,
}

/// What a settlement does with what it does not pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// It goes back to the sponsor, as the arbiter ruled.
    Ruled,
    /// It goes back to the sponsor: nobody has earned it.
    Returned,
    /// It stays in escrow for the milestones that are still open.
    Stays,
    /// It goes to a pledge of the same sponsor under another charter.
    Moves,
}

/// What the words of a pledge follow from.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The charter's terms.
    pub terms: &'a CharterFields,
    /// What the sponsor meant to pay.
    pub promised_sat: u64,
    /// Until when room is kept under the cap while nothing is paid, by median time past.
    pub reserved_until_secs: u32,
    /// Where refunds and returns go.
    pub refund_address: &'a str,
    /// Median time past of the tip; absent while the chain is not known.
    pub mtp_secs: Option<u32>,
}

impl Case<'_> {
    /// Whether refunds may be mined.
    pub fn refundable(&self) -> bool {
        self.mtp_secs.is_some_and(|now_secs| self.terms.refundable(now_secs))
    }

    fn funding_closed(&self) -> bool {
        self.mtp_secs.is_some_and(|now_secs| self.terms.funding_closed(now_secs))
    }

    /// What a payment counts as.
    pub fn payment(&self, held: &OutpointView, settled: Option<Settled>) -> Words {
        if let Some(ended) = held.ended {
            return self.ended(&ended, settled);
        }
        let confirmed = !matches!(held.standing, None | Some(Standing::Seen | Standing::Vanished));
        if confirmed && self.refundable() {
            return self.due(held);
        }
        let amount = words::sat(held.amount_sat);
        let back = words::day(self.terms.refund_time);
        if let Some(words) = self.remainder(held, &amount) {
            return words;
        }
        match held.standing {
            None => Words::new("unknown", "", "Looking", "The service does not know the chain yet."),
            Some(Standing::Vanished) => Words::new(
                "replaced",
                "warn",
                "Gone",
                format!(
                    "This payment of {amount} was replaced by another transaction, or dropped. It moved no money."
                ),
            ),
            Some(Standing::Seen) => Words::new(
                "seen",
                "",
                "Seen, not in a block yet",
                format!("{amount} is on its way and waits for a block."),
            ),
            Some(Standing::Confirming { depth, of }) => Words::new(
                "confirming",
                "",
                format!("{depth} of {of} confirmations"),
                format!("{amount} is in a block. It counts with {of} {}.", words::plural("confirmation", of)),
            ),
            Some(Standing::Credited) => {
                Words::new("credited", "good", "Credited", format!("{amount} counts for the task."))
            }
            Some(Standing::Gift) => {
                Words::new("gift", "", "Gift", format!("{amount} was given to the task."))
            }
            Some(Standing::BelowMinimum) => Words::new(
                "below_minimum",
                "warn",
                "Below the least pledge",
                format!(
                    "{amount} is less than the least pledge of {}: it has no vote. It comes back with the next settlement, or from {back} on.",
                    words::sat(self.terms.minimum_pledge_sat)
                ),
            ),
            Some(Standing::Surplus { reason }) => self.surplus(reason, &amount, &back),
        }
    }

    fn surplus(&self, reason: Surplus, amount: &str, back: &str) -> Words {
        match reason {
            Surplus::NotARemainder => Words::new(
                "not_a_remainder",
                "warn",
                "Not what a payout left here",
                format!(
                    "{amount} came to an address that is only for what payouts leave in escrow: it has no vote. It comes back with the next settlement, or from {back} on."
                ),
            ),
            Surplus::Late => Words::new(
                "late",
                "warn",
                "Too late to count",
                format!(
                    "{amount} was confirmed after funding had closed: it has no vote. It comes back with the next settlement, or from {back} on."
                ),
            ),
            Surplus::OverCap => Words::new(
                "over_cap",
                "warn",
                "More than the task takes",
                format!(
                    "{amount} does not fit under the cap any more: it has no vote. It comes back with the next settlement, or from {back} on."
                ),
            ),
            Surplus::AlreadySettled => Words::new(
                "after_the_end",
                "warn",
                "After the pledge had ended",
                format!(
                    "{amount} reached an address that had been emptied already. It comes back from {back} on, or sooner if two signers agree."
                ),
            ),
        }
    }

    fn due(&self, held: &OutpointView) -> Words {
        let amount = words::sat(held.amount_sat);
        if held.late_move.is_some() && held.secured {
            return Words::new(
                "move_due",
                "",
                "Move due",
                format!(
                    "The refund time has come. As you signed, the service sends {amount} to your pledge under another charter while that takes pledges, and else back to you."
                ),
            );
        }
        if held.secured {
            Words::new(
                "refund_due",
                "",
                "Refund due",
                format!("The refund time has come. The service sends {amount} back to you by itself."),
            )
        } else {
            Words::new(
                "refund_unsigned",
                "bad",
                "Refund due, but not signed",
                format!(
                    "The refund time has come, and no refund of {amount} is signed. Open this pledge with its key, or use the recovery file.{}",
                    if held.late_move.is_some() {
                        " Until then it can only go to your pledge under another charter, as you signed, while that takes pledges."
                    } else {
                        ""
                    }
                ),
            )
        }
    }

    fn ended(&self, ended: &Ended, settled: Option<Settled>) -> Words {
        let mined = ended.depth > 0;
        let blocks = format!("{} {}", ended.depth, words::plural("confirmation", ended.depth));
        if ended.how == Ending::Moved {
            return left::moved(mined, &blocks);
        }
        if let (Ending::Settled, Some(Settled { pay_bps, rest: rest @ (Rest::Stays | Rest::Moves) })) =
            (ended.how, settled)
        {
            return left::split(pay_bps, rest, mined, &blocks);
        }
        match (ended.how, settled.map(|settled| settled.pay_bps)) {
            (Ending::Refunded, _) if mined => Words::new(
                "refunded",
                "good",
                "Refunded",
                format!("The money is back at {} ({blocks}).", words::ends(self.refund_address)),
            ),
            (Ending::Refunded, _) => Words::new(
                "refunding",
                "",
                "Refund on its way",
                format!("The refund to {} is sent and waits for a block.", words::ends(self.refund_address)),
            ),
            (Ending::Settled, Some(10_000)) if mined => Words::new(
                "paid",
                "good",
                "Paid",
                format!("The money went to those who did the work ({blocks})."),
            ),
            (Ending::Settled, Some(10_000)) => Words::new(
                "paying",
                "",
                "Being paid",
                "Two of the three signers sent the money to those who did the work. It waits for a block.",
            ),
            (Ending::Settled, Some(0)) if mined => Words::new(
                "returned",
                "good",
                "Returned",
                format!("The money is back at {} ({blocks}).", words::ends(self.refund_address)),
            ),
            (Ending::Settled, Some(0)) => Words::new(
                "returning",
                "",
                "Being returned",
                format!(
                    "Two of the three signers sent the money back to {}. It waits for a block.",
                    words::ends(self.refund_address)
                ),
            ),
            (Ending::Settled, Some(pay_bps)) => Words::new(
                if mined { "divided" } else { "dividing" },
                if mined { "good" } else { "" },
                if mined { "Divided" } else { "Being divided" },
                format!(
                    "{}{} goes to those who did the work, the rest back to {}{}.",
                    if settled.is_some_and(|settled| settled.rest == Rest::Ruled) {
                        "By the arbiter's ruling "
                    } else {
                        "Not all that it was held for was done: "
                    },
                    words::share(pay_bps),
                    words::ends(self.refund_address),
                    if mined { format!(" ({blocks})") } else { String::new() },
                ),
            ),
            // What moved as its sponsor signed was told above.
            (Ending::Settled | Ending::Moved, _) => Words::new(
                if mined { "moved" } else { "moving" },
                "warn",
                if mined { "Moved by two signers" } else { "Being moved by two signers" },
                "Two of the three signers spent this payment in a transaction that was not proposed here.",
            ),
        }
    }

    /// Whether the refund is safe, in words; nothing where the question has passed.
    pub fn security(&self, held: &OutpointView) -> Option<Words> {
        let gone = held.ended.is_some() || matches!(held.standing, Some(Standing::Vanished));
        if gone {
            return None;
        }
        let from = words::day(self.terms.refund_time);
        let mut words = match (held.secured, held.pair_only) {
            (true, false) => Words::new(
                "secured",
                "good",
                "Refund secured",
                format!("Your refund is signed and kept. From {from} on it is sent by itself."),
            ),
            (true, true) => Words::new(
                "secured_pair_only",
                "good",
                "Refund secured, at the operator's cost only",
                format!(
                    "Your refund is signed and kept, without fees of its own: from {from} on it needs the operator's wallet, or your key."
                ),
            ),
            (false, _) => Words::new(
                "unsecured",
                "warn",
                "Refund not signed yet",
                "Keep the tab open in which you pledged, or open this pledge with its key: the refund is signed there.",
            ),
        };
        match (held.late_move, held.secured) {
            (Some(_), true) => words.text.push_str(
                " As you signed, the money goes to your pledge under another charter then, while that takes pledges.",
            ),
            (Some(_), false) => words.text.push_str(
                " As you signed, the money goes to your pledge under another charter at the refund time, while that takes pledges; if it does not, nothing brings it back to you so far.",
            ),
            (None, _) => {}
        }
        Some(words)
    }

    /// The pledge as a whole. `payments` with their words, newest facts; the order does not matter.
    pub fn headline(&self, payments: &[(&OutpointView, &Words)]) -> Words {
        let present: Vec<_> =
            payments.iter().filter(|(held, _)| held.standing != Some(Standing::Vanished)).copied().collect();
        if present.is_empty() {
            return self.unpaid(!payments.is_empty());
        }
        // What needs the sponsor comes first, then what moves, then what rests.
        const ORDER: [&str; 27] = [
            "refund_unsigned",
            "move_due",
            "refund_due",
            "refunding",
            "moving",
            "moved",
            "dividing",
            "returning",
            "paying",
            "part_paying",
            "going_over",
            "seen",
            "confirming",
            "credited",
            "staying",
            "stays",
            "late",
            "over_cap",
            "below_minimum",
            "after_the_end",
            "divided",
            "returned",
            "refunded",
            "went_over",
            "paid",
            "part_paid",
            "unknown",
        ];
        let rank =
            |words: &Words| ORDER.iter().position(|state| *state == words.state).unwrap_or(ORDER.len());
        let Some((_, said)) = present.iter().min_by_key(|(_, words)| rank(words)) else {
            return self.unpaid(false);
        };
        let open = present.iter().any(|(held, _)| held.ended.is_none() && !held.secured);
        if said.state == "credited" && open {
            return Words::new(
                "credited_unsecured",
                "warn",
                "Your pledge counts; its refund is not signed yet",
                "Keep the tab open in which you pledged, or open this pledge with its key: the refund is signed there.",
            );
        }
        if said.state == "credited" {
            return Words::new(
                "credited_secured",
                "good",
                "Your pledge counts, and its refund is secured",
                format!(
                    "You can close this page. Next comes the work, then your vote. Without a payout the money {} from {} on.",
                    if present.iter().any(|(held, _)| held.late_move.is_some()) {
                        "moves to another task, as you signed, or comes back"
                    } else {
                        "comes back"
                    },
                    words::day(self.terms.refund_time)
                ),
            );
        }
        let part_paid = present.iter().any(|(_, words)| words.state == "part_paid");
        if part_paid && matches!(said.state, "staying" | "stays") {
            return self.part_paid(&present, open);
        }
        let title = match said.state {
            "divided" | "returned" | "refunded" | "went_over" if part_paid => {
                format!("Part paid; the rest: {}", said.title.to_lowercase())
            }
            "seen" => "Your payment is seen".to_owned(),
            "confirming" => format!("Your payment has {}", said.title),
            _ => said.title.clone(),
        };
        let mut text = said.text.clone();
        let waiting: Vec<_> = present.iter().filter(|(_, words)| words.state == said.state).collect();
        if waiting.len() > 1 && matches!(said.state, "seen" | "confirming") {
            let sum = waiting.iter().fold(0u64, |sum, (held, _)| sum.saturating_add(held.amount_sat));
            text = format!("{} payments, {} together, wait for blocks.", waiting.len(), words::sat(sum));
        }
        if matches!(said.state, "seen" | "confirming") {
            text.push_str(if open {
                " Keep this tab open until your refund is secured."
            } else {
                " Its refund is secured already: you may close this page."
            });
        }
        Words { state: said.state, tone: said.tone, title, text }
    }

    fn unpaid(&self, vanished: bool) -> Words {
        let promised = words::sat(self.promised_sat);
        if self.refundable() {
            return Words::new(
                "over",
                "warn",
                "This task is over",
                "Do not pay this address any more: nothing would be done with the money, and only your key could take it back.",
            );
        }
        if vanished {
            return Words::new(
                "replaced",
                "warn",
                "Your payment is gone",
                "It was replaced by another transaction, or dropped. If your wallet sent it again with a higher fee, the new one shows here by itself; if not, pay again. Either way no money has moved.",
            );
        }
        if self.funding_closed() {
            return Words::new(
                "closed",
                "warn",
                "Funding has closed",
                format!(
                    "Do not pay this address any more: the money would not count, and come back only from {} on.",
                    words::day(self.terms.refund_time)
                ),
            );
        }
        if self.mtp_secs.is_some_and(|now_secs| now_secs >= self.reserved_until_secs) {
            return Words::new(
                "lapsed",
                "",
                "Not paid yet",
                format!(
                    "Room for {promised} was kept half an hour and is free again. The address is still yours: what you pay counts while there is room under the cap."
                ),
            );
        }
        Words::new(
            "waiting",
            "",
            "Waiting for your payment",
            format!("Pay {promised}. It shows here a few seconds after your wallet sent it."),
        )
    }

    /// What is unusual about the payments of a pledge.
    pub fn remarks(&self, payments: &[OutpointView]) -> Vec<Words> {
        // What a payout left in escrow was paid in before.
        let payments: Vec<_> = payments.iter().filter(|held| held.generation == 0).collect();
        let present: Vec<_> =
            payments.iter().filter(|held| held.standing != Some(Standing::Vanished)).collect();
        let sum = present.iter().fold(0u64, |sum, held| sum.saturating_add(held.amount_sat));
        let mut remarks = Vec::new();
        let (got, promised) = (words::sat(sum), words::sat(self.promised_sat));
        if present.len() > 1 {
            remarks.push(Words::new(
                "double",
                "warn",
                format!("{} payments arrived", present.len()),
                "Each stands for itself and has a refund of its own; what counts adds to your vote. If you meant to pay once: the other comes back as the first does, when it is not paid out.",
            ));
        }
        if !present.is_empty() && sum < self.promised_sat && sum >= self.terms.minimum_pledge_sat {
            remarks.push(Words::new(
                "under",
                "",
                "Less than you meant to pay",
                format!("{got} arrived of {promised}. It counts as it is; nothing more is due."),
            ));
        }
        if sum > self.promised_sat && present.len() == 1 {
            remarks.push(Words::new(
                "over_promised",
                "",
                "More than you meant to pay",
                format!("{got} arrived, {promised} was meant. All of it counts as far as there is room under the cap."),
            ));
        }
        let replaced = payments.len() > present.len() && !present.is_empty();
        if replaced {
            remarks.push(Words::new(
                "replacement",
                "",
                "A payment was replaced",
                "An earlier transaction is gone; only what is shown as present counts. The refund is signed anew for the one that took its place.",
            ));
        }
        remarks
    }
}

#[cfg(test)]
mod tests;
