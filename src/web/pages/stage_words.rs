//! What a task's stage, an arrival's standing and a settlement's progress are called on pages: one place, so that a
//! list, a task's own page, its widget and its badge say the same.

use crate::escrow::ballot::Verdict;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Ending, Standing, Surplus};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::Party;
use crate::escrow::task::{Stage, Task};
use crate::service::views::{OutpointView, SettlementProgress};

/// A stage in two or three words.
pub fn label(stage: Stage) -> &'static str {
    match stage {
        Stage::Draft => "Waits for its signers",
        Stage::Attested => "Agreed, not open yet",
        Stage::Open => "Takes pledges",
        Stage::Working => "Being worked on",
        Stage::Voting => "Sponsors vote",
        Stage::Deciding => "Being decided",
        Stage::Settling => "Money is moving",
        Stage::Paid => "Paid",
        Stage::Returned => "Returned",
        Stage::Expired => "Over",
        Stage::Refunding => "Refunds on their way",
        Stage::Refunded => "Refunded",
    }
}

/// How the label is coloured; the words say the same without.
pub fn tone(stage: Stage) -> &'static str {
    match stage {
        Stage::Open | Stage::Voting | Stage::Paid => "good",
        Stage::Deciding | Stage::Settling | Stage::Refunding => "warn",
        Stage::Draft
        | Stage::Attested
        | Stage::Working
        | Stage::Returned
        | Stage::Expired
        | Stage::Refunded => "",
    }
}

/// The colour of the badge, as shields.io names them.
pub fn colour(stage: Stage) -> &'static str {
    match stage {
        Stage::Open | Stage::Voting | Stage::Paid => "brightgreen",
        Stage::Working | Stage::Settling => "blue",
        Stage::Deciding | Stage::Refunding => "orange",
        Stage::Draft | Stage::Attested | Stage::Returned | Stage::Expired | Stage::Refunded => "lightgrey",
    }
}

/// What a stage means for whoever looks at the task.
pub fn sentence(stage: Stage) -> &'static str {
    match stage {
        Stage::Draft => {
            "The terms are written down. Addresses are issued when developer, representative and arbiter have all signed them."
        }
        Stage::Attested => {
            "All three signers agreed. The task opens as soon as the service knows the chain, if funding has not closed by then."
        }
        Stage::Open => "Anyone can fund it now. What is not paid out goes back to its sponsors.",
        Stage::Working => {
            "Funding is closed and the developer is at work. The money lies at its addresses, untouched."
        }
        Stage::Voting => {
            "Work was handed in. Each sponsor decides over their own money: yes pays it, no holds it for the arbiter."
        }
        Stage::Deciding => {
            "Voting is over. The representative accepts or refuses the work, and the arbiter rules over the noes."
        }
        Stage::Settling => {
            "Signers are moving money. It goes out when two of them have signed, and is done when it is mined deep enough."
        }
        Stage::Paid => {
            "The work was paid, and nothing is left at the task's addresses. Nothing more should be sent to them."
        }
        Stage::Returned => {
            "Nothing is left at the task's addresses, and nobody was paid: the money went back to its sponsors, or on to other tasks where they moved it."
        }
        Stage::Expired => "The refund time has passed, and there is nothing to give back.",
        Stage::Refunding => {
            "The refund time has passed. Every refund signed in advance is being sent to its sponsor."
        }
        Stage::Refunded => "The refund time has passed, and what was left went back to its sponsors.",
    }
}

/// What becomes of the money where an all-or-nothing target was missed, as long as some is left.
pub fn missed(task: &Task, stage: Stage, tip: &Tip) -> Option<&'static str> {
    let before_its_end = matches!(stage, Stage::Open | Stage::Working | Stage::Settling);
    if !before_its_end || !task.to_be_returned(tip) {
        return None;
    }
    Some(if stage == Stage::Settling {
        "Funding closed below the target, so everything goes back: signers are at it. What they do not return goes back by the refunds signed in advance."
    } else if task.return_proposed(tip) {
        "Funding closed below the target, so everything goes back. The return is proposed: it goes out as soon as two of the three signers have signed it, and at the refund time at the latest."
    } else {
        "Funding closed below the target, so everything goes back: as soon as two of the three signers sign a return, and at the refund time at the latest."
    })
}

/// What an arrival counts as, or how it ended.
pub fn arrival(outpoint: &OutpointView) -> String {
    if let Some(ended) = &outpoint.ended {
        let text = match (ended.how, ended.depth > 0) {
            (Ending::Settled, true) => "settled",
            (Ending::Settled, false) => "being settled",
            (Ending::Refunded, true) => "refunded",
            (Ending::Refunded, false) => "refund on its way",
            (Ending::Moved, true) => "moved to another task",
            (Ending::Moved, false) => "being moved to another task",
        };
        return text.to_owned();
    }
    match &outpoint.standing {
        None => "the chain is not known".to_owned(),
        Some(Standing::Seen | Standing::Confirming { .. } | Standing::Credited)
            if outpoint.generation > 0 =>
        {
            "left by a payout, stays in escrow".to_owned()
        }
        Some(standing) => self::standing(standing),
    }
}

/// What an arrival counts as.
pub fn standing(standing: &Standing) -> String {
    let text = match standing {
        Standing::Vanished => "gone from the chain",
        Standing::Seen => "seen, not confirmed",
        Standing::Confirming { depth, of } => return format!("{depth} of {of} confirmations"),
        Standing::Credited => "confirmed",
        Standing::Gift => "gift",
        Standing::BelowMinimum => "below the minimum, goes back",
        Standing::Surplus { reason: Surplus::Late } => "came too late, goes back",
        Standing::Surplus { reason: Surplus::OverCap } => "beyond the cap, goes back",
        Standing::Surplus { reason: Surplus::AlreadySettled } => "came after the payout, goes back",
        Standing::Surplus { reason: Surplus::NotARemainder } => "not what a payout left here, goes back",
    };
    text.to_owned()
}

/// Whether a refund signed in advance is held.
pub fn secured(outpoint: &OutpointView) -> &'static str {
    match (outpoint.secured, outpoint.pair_only) {
        (false, _) => "not yet",
        (true, true) => "yes, pair only",
        (true, false) => "yes",
    }
}

/// What a settlement is for.
pub fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Payout { .. } => "Payout",
        Kind::EarlyReturn => "Return to all sponsors",
        Kind::Ruling { .. } => "Carrying out a ruling",
        Kind::Milestone { .. } => "Payout of a milestone",
        Kind::Move { .. } => "Move to another charter",
    }
}

/// How far a settlement is.
pub fn progress(progress: SettlementProgress) -> &'static str {
    match progress {
        SettlementProgress::Proposed => "proposed, nobody signed",
        SettlementProgress::Signing => "one of two signed",
        SettlementProgress::Complete => "signed by two, on its way",
        SettlementProgress::Confirmed => "confirmed",
        SettlementProgress::Conflicted => "void: something else was spent",
    }
}

/// Who speaks about a submission.
pub fn party(party: Party) -> String {
    match party {
        Party::Signer(role) => format!("The {role}"),
        Party::Leader => "The project's leader".to_owned(),
        Party::Pledge(index) => format!("The sponsor of pledge {index}"),
    }
}

/// What may be done with a pledge's money under a submission.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pay => "may be paid",
        Verdict::Wait => "waits",
        Verdict::Contested => "held for a ruling",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_stage_has_words_of_its_own() {
        let labels: BTreeSet<&str> = Stage::ALL.into_iter().map(label).collect();
        let sentences: BTreeSet<&str> = Stage::ALL.into_iter().map(sentence).collect();
        assert_eq!((labels.len(), sentences.len()), (Stage::ALL.len(), Stage::ALL.len()));
        for stage in Stage::ALL {
            let name = stage.name();
            assert_eq!(serde_json::to_value(stage).unwrap(), name, "the query's value is the API's");
            assert!(label(stage).len() < 24 && sentence(stage).ends_with('.'), "{name}");
        }
    }

    #[test]
    fn what_went_back_is_not_called_paid() {
        let standing = |standing| standing_of(standing, None);
        assert_eq!(standing(Standing::Confirming { depth: 1, of: 2 }), "1 of 2 confirmations");
        assert_eq!(standing(Standing::Surplus { reason: Surplus::Late }), "came too late, goes back");
        let refund = |depth| standing_of(Standing::Credited, Some((Ending::Refunded, depth)));
        assert_eq!((refund(0).as_str(), refund(1).as_str()), ("refund on its way", "refunded"));
    }

    fn standing_of(standing: Standing, ended: Option<(Ending, u32)>) -> String {
        use bitcoin::hashes::Hash;
        let txid = bitcoin::Txid::all_zeros();
        arrival(&OutpointView {
            outpoint: bitcoin::OutPoint { txid, vout: 0 },
            generation: 0,
            uncovered: vec![0],
            amount_sat: 1,
            standing: Some(standing),
            confirmations: 0,
            secured: false,
            pair_only: false,
            ended: ended.map(|(how, depth)| crate::escrow::pledge::Ended { how, txid, depth }),
            moved: None,
            late_move: None,
        })
    }
}
