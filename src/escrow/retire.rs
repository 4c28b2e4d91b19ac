//! Which scripts need no watching any more. A settled script can still be paid by somebody who comes late,
//! so it is looked at now and then; nothing else depends on what is found here. Computed from the book
//! alone, so a fresh process comes to the same.
//!
//! The rule: the task is over (it ended in one of its ways, or T passed three days ago), and every output that
//! was ever seen at the script is gone, or spent 144 blocks deep. A script that nothing ever paid is settled
//! with its task.

use super::book::Book;
use super::facts::Tip;
use super::pledge::Outpoint;
use super::task::{GRACE_SECS, Stage, Task};
use bitcoin::ScriptBuf;
use std::collections::BTreeSet;

/// Confirmations after which a spend is not undone: a day of blocks.
pub const RETIRE_DEPTH: u32 = 144;

/// Every script that is settled under the book's tip.
pub fn settled_scripts(book: &Book) -> BTreeSet<ScriptBuf> {
    let Some(tip) = book.tip() else { return BTreeSet::new() };
    let over = book.tasks().values().filter(|task| task.opened() && is_over(task, tip));
    over.flat_map(|task| {
        let open: BTreeSet<_> =
            task.outpoints().values().filter(|held| !is_gone(held, tip)).map(|held| held.slot).collect();
        let settled = task.scripts().into_iter().filter(move |(_, slot)| !open.contains(slot));
        settled.map(|(script, _)| script)
    })
    .collect()
}

fn is_over(task: &Task, tip: &Tip) -> bool {
    tip.mtp_secs > task.charter().refund_time_secs().saturating_add(GRACE_SECS)
        || match task.stage(Some(tip)) {
            Stage::Paid | Stage::Returned | Stage::Refunded | Stage::Expired => true,
            Stage::Draft
            | Stage::Attested
            | Stage::Open
            | Stage::Working
            | Stage::Voting
            | Stage::Deciding
            | Stage::Settling
            | Stage::Refunding => false,
        }
}

fn is_gone(held: &Outpoint, tip: &Tip) -> bool {
    let spent = held.spend.and_then(|spend| spend.confirmation);
    !held.present || spent.is_some_and(|at| at.depth(tip) >= RETIRE_DEPTH)
}
