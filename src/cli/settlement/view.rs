//! A settlement in words, as the service tells it. Signers read `settlement sign`, which recomputes it.

use crate::cli::task::word_of;
use crate::cli::text::{Rows, percent, sat};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, Role};
use crate::escrow::task::Fate;
use crate::service::views::{SettlementProgress, SettlementView};
use serde::Serialize;
use std::fmt;

/// A settlement, as shown.
#[derive(Serialize)]
pub struct SettlementReport {
    task: CharterId,
    #[serde(flatten)]
    view: SettlementView,
}

impl SettlementReport {
    /// Of the service's answer.
    pub fn new(task: CharterId, view: SettlementView) -> SettlementReport {
        SettlementReport { task, view }
    }
}

/// What a settlement is for, in words.
pub fn purpose(kind: &Kind) -> String {
    match kind {
        Kind::Payout { submission } => format!("payout for submission {submission}"),
        Kind::EarlyReturn => "early return of everything".into(),
        Kind::Ruling { submission } => format!("ruling over the noes of submission {submission}"),
        Kind::Milestone { submission } => {
            format!("milestone of submission {submission}; the rest stays in escrow")
        }
        Kind::Move { to } => format!("move to charter {to}"),
    }
}

impl fmt::Display for SettlementReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SettlementReport { task, view } = self;
        let names: Vec<&str> = view.signed_by.iter().map(|role| role.name()).collect();
        let mut rows = Rows::new();
        rows.row("settlement", view.id)
            .row("for", purpose(&view.kind))
            .row("progress", word_of(&view.progress))
            .row("signed by", if names.is_empty() { "nobody".into() } else { names.join(", ") });
        write!(f, "{rows}")?;
        for (transaction, number) in view.transactions.iter().zip(1..) {
            let fate = match transaction.fate {
                None => "not known yet".to_owned(),
                Some(Fate::Pending) => "not mined".into(),
                Some(Fate::Confirmed { depth }) => format!("mined, {depth} confirmations"),
                Some(Fate::Conflicted) => "something else spent its inputs".into(),
            };
            writeln!(f, "transaction {number} of {}, {fate}", view.transactions.len())?;
            for input in &transaction.inputs {
                let from =
                    if input.pledge == 0 { "a gift".into() } else { format!("pledge {}", input.pledge) };
                writeln!(
                    f,
                    "  in   {}  {}  {from}, {} is paid",
                    input.outpoint,
                    sat(input.amount_sat),
                    percent(input.pay_bps)
                )?;
            }
            for form in &transaction.forms {
                let signed: Vec<&str> = form.signed_by.iter().map(|role| role.name()).collect();
                let by = if signed.is_empty() { "nobody".into() } else { signed.join(", ") };
                writeln!(
                    f,
                    "  at {} sat/vB, fee {}, txid {}, signed by {by}",
                    form.feerate_sat_per_vb,
                    sat(form.fee_sat),
                    form.txid
                )?;
                for output in &form.outputs {
                    writeln!(f, "    out  {}  {}  {}", output.address, sat(output.amount_sat), output.what)?;
                }
            }
        }
        if matches!(view.progress, SettlementProgress::Proposed | SettlementProgress::Signing) {
            let who = if matches!(view.kind, Kind::Ruling { .. }) {
                "The arbiter and one other sign"
            } else {
                "Two of the three sign"
            };
            let missing = Role::ALL.iter().filter(|role| !view.signed_by.contains(role));
            let missing: Vec<&str> = missing.map(|role| role.name()).collect();
            writeln!(f, "{who} ({} not yet):", missing.join(", "))?;
            writeln!(f, "  upfront settlement co-sign {task} {} --role ROLE --key FILE", view.id)?;
        }
        Ok(())
    }
}
