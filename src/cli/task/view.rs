//! A task in words. Standings, sums and tallies are the service's; `upfront verify` recomputes them.

use crate::cli::text::{Rows, groups, inert, percent, sat, span, when};
use crate::escrow::statement::{Choice, Role};
use crate::service::views::{
    OutpointView, PartedView, PledgeView, SettlementProgress, SettlementView, SignerView, SubmissionView,
    TaskView,
};
use serde::Serialize;
use std::fmt;

/// A task, as shown.
#[derive(Serialize)]
#[serde(transparent)]
pub struct TaskReport(TaskView);

impl TaskReport {
    /// Of the service's answer.
    pub fn new(view: TaskView) -> TaskReport {
        TaskReport(view)
    }
}

/// The JSON name of an enum without fields, in words: `all_or_nothing` becomes `all or nothing`.
pub fn word_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name.replace('_', " "),
        _ => String::new(),
    }
}

impl fmt::Display for TaskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = &self.0;
        writeln!(f, "{}\n", inert(view.text.trim()))?;
        let mut rows = Rows::new();
        rows.row("task", view.charter).row("network", view.terms.network).row("stage", word_of(&view.stage));
        let attested: Vec<&str> = Role::ALL
            .iter()
            .filter(|role| view.attestations.contains_key(role))
            .map(|role| role.name())
            .collect();
        rows.row("attested", if attested.is_empty() { "nobody".into() } else { attested.join(", ") });
        let totals = &view.totals;
        rows.row("raised", format!("{} of {}", sat(totals.raised.to_sat()), sat(view.terms.target_sat)));
        for (label, amount) in [
            ("in the mempool", totals.seen),
            ("awaiting depth", totals.awaiting_depth),
            ("credited, unspent", totals.credited),
            ("gifts, unspent", totals.gifts),
            ("surplus", totals.surplus),
            ("below the minimum", totals.below_minimum),
            ("settled", totals.settled),
            ("refunded", totals.refunded),
            ("refund secured", totals.secured),
        ] {
            if amount.to_sat() > 0 {
                rows.row(label, sat(amount.to_sat()));
            }
        }
        rows.row("funding until", when(view.terms.funding_close))
            .row("work until", when(view.terms.work_deadline))
            .row("nothing new after", when(view.cutoff))
            .row("T, refunds", when(view.terms.refund_time));
        let parts = view.terms.milestones.iter().filter(|_| view.terms.milestones.len() > 1);
        for (milestone, number) in parts.zip(0..) {
            let (share, due) = (percent(milestone.share_bps), when(milestone.due));
            let became = became(view, number, milestone.due);
            rows.row(format!("milestone {}", number + 1), format!("{share}, due {due}\n{became}"));
        }
        match &view.tip {
            Some(tip) => {
                rows.row("chain", format!("block {}, median time {}", tip.height, when(tip.mtp_secs)))
            }
            None => rows.row("chain", "not known yet: the service is connecting to its Electrum server"),
        };
        if let Some(open) = &view.open_address {
            rows.row(
                "open address",
                format!("{}\ngifts only: better pledge, a pledge has a vote and a refund", groups(open)),
            );
        }
        write!(f, "{rows}")?;
        view.pledges.iter().try_for_each(|pledge| write!(f, "\n{}", pledge_words(pledge)))?;
        if !view.gifts.is_empty() {
            writeln!(f, "\ngifts")?;
            view.gifts.iter().try_for_each(|gift| write!(f, "{}", outpoint_rows(gift)))?;
        }
        view.submissions.iter().try_for_each(|submission| write!(f, "\n{}", submission_words(submission)))?;
        view.settlements.iter().try_for_each(|settlement| write!(f, "\n{}", settlement_line(settlement)))?;
        view.parted.iter().try_for_each(|parted| write!(f, "\n{}", parted_words(parted, view.cutoff)))?;
        let waited_for = view.signers.iter().filter(|signer| signer.waited_for());
        waited_for.into_iter().try_for_each(|signer| write!(f, "\n{}", signer_words(signer)))
    }
}

/// What became of a milestone, counted from 0, in words.
fn became(view: &TaskView, number: u32, due_secs: u32) -> String {
    let of_it = |submission: &&SubmissionView| submission.submission.statement.milestone == Some(number);
    let Some(latest) = view.submissions.iter().rev().find(of_it) else {
        let over = view.tip.is_some_and(|tip| tip.mtp_secs > due_secs);
        return if over { "nothing was submitted in time" } else { "not submitted yet" }.into();
    };
    let paying = |settlement: &&SettlementView| {
        settlement.kind.submission() == Some(latest.id)
            && settlement.progress == SettlementProgress::Confirmed
    };
    let payments = view.settlements.iter().filter(paying).count();
    let judged = match &latest.acceptance {
        Some(word) if word.statement.accepted => ", accepted by the representative",
        Some(_) => ", refused by the representative",
        None => "",
    };
    let voting = match latest.window {
        None => format!("waits for the leader's confirmation{judged}"),
        Some(_) if latest.closed => format!("voting closed{judged}"),
        Some(window) => format!("voting until {}{judged}", when(window.closes_secs)),
    };
    let paid = match payments {
        0 => String::new(),
        1 => "; 1 payment for it is mined".into(),
        many => format!("; {many} payments for it are mined"),
    };
    format!("submitted: {}\n{voting}{paid}", latest.id)
}

/// What no single payout can pay, and what is to be done about it.
fn parted_words(parted: &PartedView, cutoff: u32) -> String {
    let PartedView { pledge, outpoint, milestones } = parted;
    let numbers: Vec<String> = milestones.iter().map(|number| (number + 1).to_string()).collect();
    let all = numbers.join(", ");
    format!(
        "pledge {pledge}: milestones {all} of {outpoint} are approved, and pay different people\nOne transaction pays one list of \
         payees: the last payout would pay one of them and return the rest.\nUntil {}: its sponsor signs the refunds of what \
         stays in escrow (`upfront vote` again, after the close with the same --counter), and two sign \
         `--kind milestone` for each but the last.\n",
        when(cutoff)
    )
}

fn pledge_words(pledge: &PledgeView) -> String {
    let mut text = format!("pledge {}, {} promised\n", pledge.index, sat(pledge.promised_sat));
    let mut rows = Rows::new();
    rows.row("  address", groups(&pledge.address)).row("  refunds to", &pledge.refund_address);
    text += &rows.to_string();
    for outpoint in &pledge.outpoints {
        text += &outpoint_rows(outpoint);
    }
    text
}

/// One arrival, in one line.
pub fn outpoint_rows(outpoint: &OutpointView) -> String {
    use crate::escrow::pledge::{Ending, Standing, Surplus};
    let standing = match outpoint.standing {
        None => "not known yet".to_owned(),
        Some(Standing::Vanished) => "vanished from chain and mempool".into(),
        Some(Standing::Seen) => "seen in the mempool".into(),
        Some(Standing::Confirming { depth, of }) => format!("{depth} of {of} confirmations"),
        Some(Standing::Credited) => "credited".into(),
        Some(Standing::Gift) => "a gift".into(),
        Some(Standing::BelowMinimum) => "below the minimum: goes back".into(),
        Some(Standing::Surplus { reason }) => match reason {
            Surplus::Late => "too late: goes back".into(),
            Surplus::OverCap => "beyond the cap: goes back".into(),
            Surplus::AlreadySettled => "to an address already paid out: goes back".into(),
            Surplus::NotARemainder => "to an address for what settlements leave in escrow: goes back".into(),
        },
    };
    let secured = match (outpoint.secured, outpoint.pair_only) {
        (false, _) => "no refund held",
        (true, true) => "refund secured, pair only",
        (true, false) => "refund secured",
    };
    let ended = outpoint.ended.map_or(String::new(), |ended| {
        let how = match ended.how {
            Ending::Settled => "settled",
            Ending::Refunded => "refunded",
            Ending::Moved => "moved",
        };
        let to = outpoint.moved.map_or_else(String::new, |to| {
            format!(" to pledge {} of charter {}", to.to_index, to.to_charter)
        });
        format!(", {how}{to} by {} ({} confirmations)", ended.txid, ended.depth)
    });
    format!("  {}  {}  {standing}, {secured}{ended}\n", outpoint.outpoint, sat(outpoint.amount_sat))
}

/// A submission with its count.
pub fn submission_words(view: &SubmissionView) -> String {
    let statement = &view.submission.statement;
    let mut rows = Rows::new();
    rows.row("submission", view.id);
    if let Some(milestone) = statement.milestone {
        rows.row("  milestone", milestone + 1);
    }
    if let Some(named) = &statement.named {
        let paid =
            named.payees.iter().map(|payee| format!("{}  {}", percent(payee.share_bps), payee.address));
        let paid: Vec<String> = paid.collect();
        rows.row("  pays instead", paid.join("\n")).row("  named by", named.by.name());
    }
    rows.row("  link", inert(&statement.link))
        .row("  content", format!("sha256 {}", statement.content))
        .row("  weights at", format!("block {}", statement.block_height));
    if let Some(signed) = &view.confirmation {
        let said = signed.statement;
        rows.row(
            "  leader",
            format!("confirms that it is {}, at block {}", said.confirmed, said.block_height),
        );
    }
    match (&view.window, view.awaits) {
        (Some(window), _) => {
            let until = if view.closed { "closed after" } else { "until" };
            rows.row("  voting", format!("{until} {}", when(window.closes_secs)))
                .row("  rulings until", when(window.ruling_ends_secs));
        }
        (None, Some(awaits)) => {
            rows.row("  voting", format!("opens when the project's leader confirms that it is {awaits}"));
        }
        (None, None) => {}
    }
    if let Some(tally) = &view.tally {
        rows.row("  yes", format!("{} of {}", sat(tally.yes.to_sat()), sat(tally.electorate.to_sat())))
            .row("  no", sat(tally.no.to_sat()))
            .row("  quorum", if tally.quorum_met { "met" } else { "not met" })
            .row("  threshold", if tally.threshold_reached { "reached" } else { "not reached" });
        for (pledge, choice) in tally.choices.iter().chain(&tally.late) {
            let late =
                if tally.choices.contains_key(pledge) { "" } else { ", late: binds its own money only" };
            let choice = if *choice == Choice::Yes { "yes" } else { "no" };
            rows.row(format!("  pledge {pledge}"), format!("{choice}{late}"));
        }
    }
    match &view.acceptance {
        Some(word) => {
            rows.row("  representative", if word.statement.accepted { "accepts" } else { "refuses" })
        }
        None => rows.row("  representative", "has not spoken"),
    };
    if let Some(ruling) = &view.ruling {
        rows.row(
            "  arbiter",
            format!("rules that {} of the noes is paid", percent(ruling.statement.pay_bps)),
        );
    }
    if view.disputed {
        rows.row("  state", "disputed");
    }
    for signed in &view.evidence {
        let said = &signed.statement;
        let files = match said.attachments.len() {
            0 => String::new(),
            1 => ", with 1 attachment".into(),
            count => format!(", with {count} attachments"),
        };
        rows.row(format!("  {}", said.by), format!("{}: {}{files}", said.kind.name(), inert(&said.text)));
    }
    rows.row("  silent money", if view.silence_pays { "may be paid" } else { "waits" });
    if let Some(window) = &view.window {
        let review = u32::try_from(window.closes_secs.saturating_sub(window.opens_secs.into()));
        rows.row("  review", review.map_or_else(|_| String::new(), span));
    }
    rows.to_string()
}

/// What waits for a signer, and what the others can do where the signer is silent about it.
fn signer_words(signer: &SignerView) -> String {
    let mut rows = Rows::new();
    rows.row(signer.role.name(), if signer.silent { "silent" } else { "waited for" });
    for wait in &signer.waiting {
        rows.row("  waited for to", inert(&wait.words));
        rows.row("    since", when(wait.since_secs));
        rows.row(
            if wait.silent { "    silent since" } else { "    silent after" },
            when(wait.silent_after_secs),
        );
        for way in wait.others_can.iter().filter(|_| wait.silent) {
            let bound = match (way.until_secs, way.after_secs) {
                (Some(until), _) => format!(" Until {}.", when(until)),
                (None, Some(after)) => format!(" After {}.", when(after)),
                (None, None) => String::new(),
            };
            rows.row("    the others can", format!("{}{bound}", inert(&way.words)));
        }
    }
    rows.to_string()
}

fn settlement_line(view: &SettlementView) -> String {
    let signers: Vec<&str> = view.signed_by.iter().map(|role| role.name()).collect();
    let by = if signers.is_empty() { "nobody".into() } else { signers.join(", ") };
    let purpose = crate::cli::settlement::purpose(&view.kind);
    format!("settlement {}\n  {purpose}\n  {}, signed by {by}\n", view.id, word_of(&view.progress))
}
