//! Events in words: one short plain sentence each, for feeds, pages and messages. Text that somebody wrote (a
//! title, a link) is not repeated here; whoever shows it escapes it.

use super::{PublicEvent, Spoken, Was, What};
use crate::escrow::charter::FundingRule;
use crate::escrow::pledge::Surplus;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::Choice;
use crate::escrow::statement::Party;
use crate::escrow::task::Stage;
use crate::escrow::wish::{LeadChoice, OfferedSeat};

/// An amount as people read it: `1,000,000 sat`.
pub fn sat_in_words(amount_sat: u64) -> String {
    let digits = amount_sat.to_string();
    let mut text = String::with_capacity(digits.len() + 12);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(" sat");
    text
}

/// An event in a short plain sentence, without a full stop.
pub fn in_words(event: &PublicEvent) -> String {
    let sat = sat_in_words;
    let on = match event.pledge {
        Some(index) => format!("pledge {index}"),
        None => "the open address".to_owned(),
    };
    match &event.what {
        What::TaskDrafted { target_sat, .. } => format!("Task drafted; it needs {}", sat(*target_sat)),
        What::CharterAttested { role } => format!("The {role} agreed to the charter"),
        What::TaskOpened { .. } => "All three signers agreed: the task takes pledges".into(),
        What::StageChanged { from, to } => format!("The task {}; it {} before", stage(*to), was_stage(*from)),
        What::TargetReached(funding) => {
            format!("Target reached: {} of {}", sat(funding.raised_sat), sat(funding.target_sat))
        }
        What::TargetLost(funding) => {
            format!("Below the target again: {} of {}", sat(funding.raised_sat), sat(funding.target_sat))
        }
        What::FundingClosed(funding) => {
            format!("Funding closed with {} of {}", sat(funding.raised_sat), sat(funding.target_sat))
        }
        What::FundingReopened(_) => "Funding is open again after a reorg".into(),
        What::TargetMissed { raised_sat, target_sat, rule } => {
            let then = match rule {
                FundingRule::Keep => "the task goes on with it",
                FundingRule::AllOrNothing => "everything is to be returned",
            };
            format!("Target missed: {} of {}; {then}", sat(*raised_sat), sat(*target_sat))
        }
        What::TargetOpenAgain(_) => "The target can be reached again".into(),
        What::PledgeIssued { promised_sat, .. } => {
            format!("Address issued for {on}: {} promised", sat(*promised_sat))
        }
        What::PaymentSeen(payment) => format!("{} seen on {on}, not confirmed yet", sat(payment.amount_sat)),
        What::PaymentConfirmed { payment, needs, .. } => {
            let amount = sat(payment.amount_sat);
            let wanted = if *needs == 1 { "1 confirmation".into() } else { format!("{needs} confirmations") };
            format!("{amount} mined on {on}; it counts with {wanted}")
        }
        What::PaymentUnconfirmed { payment, .. } => {
            format!("{} on {on} taken out of its block by a reorg", sat(payment.amount_sat))
        }
        What::PaymentCredited(payment) => format!("{} credited on {on}", sat(payment.amount_sat)),
        What::PaymentUncredited(payment) => format!("{} no longer credited on {on}", sat(payment.amount_sat)),
        What::PaymentSurplus { payment, reason } => {
            let why = match reason {
                Surplus::Late => "it came after funding closed",
                Surplus::OverCap => "it is beyond the cap",
                Surplus::AlreadySettled => "the pledge had been settled",
                Surplus::NotARemainder => "it is at an address for what settlements leave in escrow",
            };
            format!("{} on {on} will be returned: {why}", sat(payment.amount_sat))
        }
        What::PaymentBelowMinimum { payment, minimum_sat } => {
            let (amount, least) = (sat(payment.amount_sat), sat(*minimum_sat));
            format!("{amount} on {on} is below the minimum of {least} and will be returned")
        }
        What::PaymentUncounted { payment, was } => {
            let was = match was {
                Was::Surplus => "surplus",
                Was::BelowMinimum => "below the minimum",
            };
            format!("{} on {on} no longer counted as {was}", sat(payment.amount_sat))
        }
        What::PaymentVanished(payment) => format!("{} on {on} vanished", sat(payment.amount_sat)),
        What::GiftReceived(payment) => format!("Gift of {} received", sat(payment.amount_sat)),
        What::GiftLost(payment) => format!("Gift of {} no longer counted", sat(payment.amount_sat)),
        What::RefundSecured { payment, .. } => {
            format!("Refund of {} secured for {on}", sat(payment.amount_sat))
        }
        What::RefundPrepared { payment, .. } => {
            format!("Refund prepared for {} that {on} may have next", sat(payment.amount_sat))
        }
        What::MoveSigned { payment, .. } => {
            format!("The sponsor signed that {} of {on} moves to another charter", sat(payment.amount_sat))
        }
        What::RefundSent { payment, .. } => format!("Refund of {} sent for {on}", sat(payment.amount_sat)),
        What::RefundConfirmed { payment, .. } => {
            format!("Refund of {} confirmed for {on}", sat(payment.amount_sat))
        }
        What::RefundUnconfirmed { payment, .. } => {
            format!("Refund of {} for {on} taken out of its block by a reorg", sat(payment.amount_sat))
        }
        What::RefundDropped { payment, .. } => {
            format!("Refund of {} for {on} replaced or forgotten by the network", sat(payment.amount_sat))
        }
        What::SpendSeen { payment, moved: Some(_), .. } => {
            format!(
                "{} of {on} is being moved to another charter, not confirmed yet",
                sat(payment.amount_sat)
            )
        }
        What::SpendConfirmed { payment, moved: Some(_), .. } => {
            format!("{} of {on} moved to another charter", sat(payment.amount_sat))
        }
        What::SpendUnconfirmed { payment, moved: Some(_), .. } => {
            format!("Move of {} of {on} taken out of its block by a reorg", sat(payment.amount_sat))
        }
        What::SpendDropped { payment, moved: Some(_), .. } => {
            format!("Move of {} of {on} replaced or forgotten by the network", sat(payment.amount_sat))
        }
        What::SpendSeen { payment, .. } => {
            format!("{} of {on} is being settled, not confirmed yet", sat(payment.amount_sat))
        }
        What::SpendConfirmed { payment, .. } => format!("{} of {on} settled", sat(payment.amount_sat)),
        What::SpendUnconfirmed { payment, .. } => {
            format!("Settlement of {} of {on} taken out of its block by a reorg", sat(payment.amount_sat))
        }
        What::SpendDropped { payment, .. } => {
            let amount = sat(payment.amount_sat);
            format!("Settlement of {amount} of {on} replaced or forgotten by the network")
        }
        What::WorkSubmitted { number, .. } => {
            format!("Work submitted (submission {})", number.saturating_add(1))
        }
        What::MergeConfirmed { confirmed, .. } => {
            format!("The project's leader confirmed that the work is {confirmed}")
        }
        What::ReviewOpened { .. } => "Review opened: sponsors may vote".into(),
        What::ReviewMoved { .. } => "The times of the review moved with a reorg".into(),
        What::ReviewClosed { yes_sat, no_sat, electorate_sat, .. } => {
            let (yes, no, all) = (sat(*yes_sat), sat(*no_sat), sat(*electorate_sat));
            format!("Review closed: {yes} for, {no} against, of {all}")
        }
        What::ReviewReopened { .. } => "Review open again after a reorg".into(),
        What::RulingClosed { .. } => "The time for a ruling is over".into(),
        What::RulingReopened { .. } => "A ruling is possible again after a reorg".into(),
        What::VoteCast { choice, counted, weight_sat, .. } => {
            let choice = match choice {
                Choice::Yes => "yes",
                Choice::No => "no",
            };
            let late = if *counted { "" } else { ", too late to be counted" };
            format!("Vote cast on {on}: {choice}, weighing {}{late}", sat(*weight_sat))
        }
        What::AcceptanceGiven { accepted: true, .. } => "The representative accepted the work".into(),
        What::AcceptanceGiven { accepted: false, .. } => "The representative refused the work".into(),
        What::EvidenceGiven { by, dispute, .. } => {
            let who = match by {
                Party::Leader => "The project's leader".into(),
                Party::Signer(role) => format!("The {role}"),
                Party::Pledge(index) => format!("The sponsor of pledge {index}"),
            };
            format!("{who} {}", if *dispute { "opened a dispute" } else { "gave evidence" })
        }
        What::RulingGiven { pay_bps, .. } => {
            let (whole, part) = (pay_bps / 100, pay_bps % 100);
            let share = if part == 0 { format!("{whole}") } else { format!("{whole}.{part:02}") };
            format!("The arbiter ruled over the noes: {share} % is paid")
        }
        What::SettlementProposed { kind, amount_sat, .. } => {
            let what = match kind {
                Kind::Payout { .. } => "Payout",
                Kind::EarlyReturn => "Early return",
                Kind::Ruling { .. } => "Settlement by ruling",
                Kind::Milestone { .. } => "Payout of a milestone",
                Kind::Move { .. } => "Move",
            };
            format!("{what} of {} proposed", sat(*amount_sat))
        }
        What::SettlementSigned { role, .. } => format!("The {role} signed a settlement"),
        What::SettlementComplete { .. } => "Two signers have signed a settlement: it can go out".into(),
        What::SettlementBroadcast { feerate_sat_per_vb, .. } => {
            format!("Settlement sent to the network at {feerate_sat_per_vb} sat/vB")
        }
        What::SettlementConfirmed { block, .. } => format!("Settlement mined in block {}", block.height),
        What::SettlementFinal { confirmations, .. } => {
            let plural = if *confirmations == 1 { "" } else { "s" };
            format!("Settlement final with {confirmations} confirmation{plural}")
        }
        What::SettlementUnconfirmed { .. } => "A settlement is open again after a reorg".into(),
        What::SettlementConflicted { .. } => {
            "A settlement cannot confirm any more: something else spent its payments".into()
        }
        What::Reorg { moved, blocks } => {
            let things = if *moved == 1 { "1 payment or spend" } else { "payments or spends" };
            let count = if *moved == 1 { String::new() } else { format!("{moved} ") };
            format!("A reorg of up to {blocks} blocks moved {count}{things}")
        }
        What::WishWritten { .. } => "Wished for".into(),
        What::WishWithdrawn {} => "Withdrawn by whoever wished for it".into(),
        What::WishLiked(spoken) => stale("Liked", *spoken),
        What::WishUnliked(spoken) => stale("A like taken back", *spoken),
        What::PromiseMade { amount_sat, spoken } => stale(&format!("{} promised", sat(*amount_sat)), *spoken),
        What::PromiseWithdrawn(spoken) => stale("A promise taken back", *spoken),
        What::SeatOffered { seat, spoken } => stale(&format!("Somebody offered to {}", work(*seat)), *spoken),
        What::SeatDeclined { seat, spoken } => stale(&format!("Somebody will not {}", work(*seat)), *spoken),
        What::WishReserved { spoken, .. } => stale("Reserved by a developer", *spoken),
        What::WishReleased(spoken) => stale("A developer's reservation ended", *spoken),
        What::WishJudged { lead, place, spoken } => {
            let said = match lead {
                LeadChoice::Accept => "Accepted for the project",
                LeadChoice::Decline => "Declined for the project",
                LeadChoice::None => "Neither accepted nor declined for the project",
            };
            let place = place.map(|place| format!(", at place {place}")).unwrap_or_default();
            stale(&format!("{said}{place}"), *spoken)
        }
        What::WishChartered {} => "A charter was drafted from the wish".into(),
        What::ProjectClaimed { spoken, .. } => stale("A key claims to lead the project", *spoken),
        What::ProjectChanged { spoken, .. } => {
            stale("A key that claims the project changed what it says of it", *spoken)
        }
        What::ProjectWithdrawn(spoken) => stale("A key claims to lead the project no longer", *spoken),
    }
}

fn work(seat: OfferedSeat) -> &'static str {
    match seat {
        OfferedSeat::Developer => "do the work",
        OfferedSeat::Representative => "represent the sponsors",
    }
}

/// What was said, and whether the same key has said something later.
fn stale(words: &str, spoken: Spoken) -> String {
    if spoken.counts { words.to_owned() } else { format!("{words}, before what the same key said later") }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Draft => "waits for its signers",
        Stage::Attested => "is agreed by all signers and waits for the chain",
        Stage::Open => "takes pledges",
        Stage::Working => "is being worked on",
        Stage::Voting => "is being voted on",
        Stage::Deciding => "waits for representative and arbiter",
        Stage::Settling => "is being settled",
        Stage::Paid => "is paid",
        Stage::Returned => "is returned to its sponsors",
        Stage::Expired => "has expired",
        Stage::Refunding => "is being refunded",
        Stage::Refunded => "is refunded",
    }
}

fn was_stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Draft => "waited for its signers",
        Stage::Attested => "was agreed by all signers",
        Stage::Open => "took pledges",
        Stage::Working => "was being worked on",
        Stage::Voting => "was being voted on",
        Stage::Deciding => "waited for representative and arbiter",
        Stage::Settling => "was being settled",
        Stage::Paid => "was paid",
        Stage::Returned => "was returned",
        Stage::Expired => "had expired",
        Stage::Refunding => "was being refunded",
        Stage::Refunded => "was refunded",
    }
}
