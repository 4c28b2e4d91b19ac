//! What of a record goes into the log, for those who follow one task or one output through it: which task, which
//! output, and a word. Never what anybody signed, and no transaction.

use crate::escrow::event::{Event, ProjectEvent, Record, WishEvent};
use crate::escrow::statement::CharterId;
use bitcoin::OutPoint;

/// Logs records, in their order.
pub fn tell(records: &[Record]) {
    for record in records {
        match record {
            Record::Chain { tip } => tracing::debug!(tip.height = tip.height, "recorded: tip"),
            Record::Task { charter, event } => tell_event(charter, event),
            Record::Wish { wish, event } => {
                let word = match event {
                    WishEvent::WishWritten { .. } => "wish",
                    WishEvent::WordSaid { word, .. } => word.name(),
                    WishEvent::WishWithdrawn { .. } => "withdrawn",
                };
                tracing::debug!(wish.id = %wish, "recorded: {word}");
            }
            Record::Project { project, event } => {
                let word = match event {
                    ProjectEvent::ProjectSet { .. } => "project set",
                    ProjectEvent::ProjectWithdrawn { .. } => "claim to a project withdrawn",
                };
                tracing::debug!(project.id = %project, "recorded: {word}");
            }
            Record::RefundBatch { batch } => {
                for outpoint in &batch.refunds {
                    tracing::debug!(pledge.outpoint = %outpoint, "recorded: refunded in a batch");
                }
            }
        }
    }
}

fn tell_event(charter: &CharterId, event: &Event) {
    let (word, outpoint) = word(event);
    let index = match event {
        Event::PledgeIssued { index, .. } => Some(*index),
        _ => None,
    };
    tracing::debug!(
        task.id = %charter,
        pledge.index = index,
        pledge.outpoint = outpoint.map(display),
        "recorded: {word}"
    );
}

fn word(event: &Event) -> (&'static str, Option<OutPoint>) {
    match event {
        Event::TaskDrafted { .. } => ("drafted", None),
        Event::CharterAttested { .. } => ("attested", None),
        Event::TaskOpened => ("open", None),
        Event::PledgeIssued { .. } => ("pledge issued", None),
        Event::OutpointSeen { outpoint, .. } => ("payment seen", Some(*outpoint)),
        Event::OutpointConfirmed { outpoint, .. } => ("payment confirmed", Some(*outpoint)),
        Event::OutpointUnconfirmed { outpoint } => ("payment out of its block", Some(*outpoint)),
        Event::OutpointVanished { outpoint } => ("payment gone", Some(*outpoint)),
        Event::OutpointSpent { spend } => ("spent", Some(spend.prevout)),
        Event::OutpointUnspent { outpoint } => ("not spent any more", Some(*outpoint)),
        Event::RefundSecured { refund } => ("refund secured", Some(refund.outpoint)),
        Event::RefundPrepared { refund, .. } => ("refund prepared", Some(refund.outpoint)),
        Event::MoveSigned { consent }
        | Event::LateMoveSigned { consent, .. }
        | Event::LateLadderSigned { consent, .. } => ("move signed", Some(consent.statement.outpoint)),
        Event::WorkSubmitted { .. } => ("work submitted", None),
        Event::SubmissionBlockMoved { .. } => ("block of the submission moved", None),
        Event::MergeConfirmed { .. } => ("merge or release confirmed", None),
        Event::ConfirmationBlockMoved { .. } => ("block of the confirmation moved", None),
        Event::VoteCast { .. } => ("vote", None),
        Event::WorkJudged { .. } => ("work judged", None),
        Event::EvidenceGiven { .. } => ("evidence given", None),
        Event::NoesRuled { .. } => ("noes ruled", None),
        Event::SettlementProposed { .. } => ("settlement proposed", None),
        Event::SettlementSigned { .. } => ("settlement signed", None),
        Event::SettlementBroadcast { .. } => ("settlement handed out", None),
    }
}
