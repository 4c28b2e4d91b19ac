//! `upfront arbiter`: what an arbiter ruled in the tasks of a service, for whoever is about to name or trust one. It is
//! the service's word; `upfront verify` checks each task.

use super::context::Context;
use super::exit::Exit;
use super::text::{Rows, inert, percent, sat, stamp, when};
use crate::service::views::{ArbiterTask, ArbiterView, CaseView};
use bitcoin::bip32::Fingerprint;
use clap::Args;
use serde::Serialize;
use std::fmt;

#[derive(Args)]
pub struct ArbiterArgs {
    /// Fingerprint of the root that the arbiter's keys are declared to come from, 8 hex digits
    fingerprint: Fingerprint,
}

/// An arbiter's record, as shown.
#[derive(Serialize)]
#[serde(transparent)]
struct ArbiterReport(ArbiterView);

pub fn run(context: &Context<'_>, args: &ArbiterArgs) -> anyhow::Result<Exit> {
    context.report(&ArbiterReport(context.client().arbiter(args.fingerprint)?))?;
    Ok(Exit::Done)
}

impl fmt::Display for ArbiterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = &self.0;
        let mut rows = Rows::new();
        rows.row("arbiter", inert(&view.fingerprint))
            .row("", "the fingerprint is declared by whoever wrote the charters, and not proved")
            .row("accounts", view.accounts)
            .row("tasks", format!("{}, {} of them agreed to", view.task_count, view.attested))
            .row("rulings given", view.ruled)
            .row("due, did not come", view.missed)
            .row("due now", view.due);
        write!(f, "{rows}")?;
        view.tasks.iter().try_for_each(|task| write!(f, "\n{}", task_words(task)))
    }
}

fn task_words(task: &ArbiterTask) -> String {
    let mut rows = Rows::new();
    rows.row("task", task.charter).row("  title", inert(&task.title));
    if !task.attested {
        rows.row("  agreed", "no: somebody only named this key");
    }
    for case in &task.cases {
        rows.row(format!("  submission {}", case.number.saturating_add(1)), case_words(case));
        rows.row("    said no", format!("{} of the pledges, {}", case.noes, sat(case.noes_sat)));
        for outcome in &case.outcomes {
            let by = outcome.txid.map(|txid| format!(" by {txid}")).unwrap_or_default();
            let words = inert(&outcome.outcome.replace('_', " "));
            rows.row("    outcome", format!("{} {words}{by}", sat(outcome.amount_sat)));
        }
    }
    rows.to_string()
}

fn case_words(case: &CaseView) -> String {
    let state = inert(&case.state.replace('_', " "));
    let Some(bps) = case.pay_bps else {
        return format!("{state}; a ruling could come until {}", when(case.ruling_ends_secs));
    };
    let took = match (case.took_secs, case.ruled_secs) {
        (Some(took), Some(at)) => format!(", {took} s after the close of the vote, {}", stamp(at.into())),
        _ => String::new(),
    };
    format!("{state}: {} of the noes is paid{took}", percent(bps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::statement::Role;
    use crate::escrow::testing::World;

    #[test]
    fn a_record_reads_well_and_says_that_the_fingerprint_proves_nothing() {
        let mut world = World::new(|_| {});
        world.fund(bitcoin::Amount::from_sat(300_000));
        let submission = world.submit();
        world.vote(submission, 1, crate::escrow::statement::Choice::No, 0).unwrap();
        let root = world.task().charter().signer(Role::Arbiter).fingerprint();
        let told = |world: &World| ArbiterReport(ArbiterView::of(&world.book, root).unwrap()).to_string();
        let ends = world.task().window(&world.task().submissions()[0]).unwrap().ruling_ends_secs;
        let text = told(&world);
        for part in [
            "declared by whoever wrote the charters",
            "submission 1  voting",
            "1 of the pledges, 300,000 sat",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let closes = world.task().window(&world.task().submissions()[0]).unwrap().closes_secs;
        world.advance_to(u32::try_from(closes).unwrap() + 60);
        let mut missed = world.clone();
        world.rule(submission, 2_500).unwrap();
        let text = told(&world);
        assert!(
            text.contains("ruled: 25.00 % of the noes is paid, 60 s after the close of the vote"),
            "{text}"
        );
        missed.advance_to(u32::try_from(ends).unwrap() + 1);
        let text = told(&missed);
        assert!(
            text.contains("missed; a ruling could come until") && text.contains("due, did not come  1"),
            "{text}"
        );
    }
}
