//! What `upfront pledge move` tells: where everything goes, what of it arrives, what may not count, and what is next.

use crate::cli::keep::Feerate;
use crate::cli::text::{Rows, groups, sat, when};
use crate::escrow::statement::CharterId;
use bitcoin::OutPoint;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// What was signed.
#[derive(Serialize)]
pub struct Moving {
    pub task: CharterId,
    pub pledge: u32,
    pub to: CharterId,
    pub to_pledge: u32,
    pub to_address: String,
    /// When the sponsor moves it alone, Unix seconds; absent where signers move it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone_after: Option<u32>,
    /// None where it moves by a ladder of feerates from T on.
    #[serde(flatten)]
    pub feerate: Option<Feerate>,
    pub outpoints: Vec<MovingOutpoint>,
    pub stays: Vec<Stays>,
    pub refunds_prepared: usize,
    /// Of the other charter: what arrives below it does not count there.
    pub minimum_pledge_sat: u64,
    pub refund_time: u32,
    pub recovery_file: PathBuf,
    /// What proposes it, where signers move it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What moves of it.
#[derive(Serialize)]
pub struct MovingOutpoint {
    pub outpoint: OutPoint,
    pub amount_sat: u64,
    /// At the lowest feerate.
    pub arrives_at_most_sat: u64,
    /// At the highest.
    pub arrives_at_least_sat: u64,
}

/// What does not.
#[derive(Serialize)]
pub struct Stays {
    pub outpoint: OutPoint,
    pub reason: String,
}

impl fmt::Display for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("pledge", self.pledge)
            .row("moves to", format!("pledge {} of charter {}", self.to_pledge, self.to))
            .row("at", groups(&self.to_address));
        if let Some(feerate) = self.feerate {
            rows.row("feerate from", feerate);
        }
        for MovingOutpoint { outpoint, amount_sat, arrives_at_most_sat, arrives_at_least_sat } in
            &self.outpoints
        {
            let arrives = format!("{} to {} arrive", sat(*arrives_at_least_sat), sat(*arrives_at_most_sat));
            rows.row(outpoint.to_string(), format!("{}: {arrives}", sat(*amount_sat)));
        }
        rows.row("T, refunds, then", when(self.refund_time))
            .row("recovery file", self.recovery_file.display());
        write!(f, "{rows}")?;
        self.stays.iter().try_for_each(|stays| writeln!(f, "{} stays: {}.", stays.outpoint, stays.reason))?;
        writeln!(
            f,
            "Your consent and the refunds under the new charter are handed in. Keep both recovery files."
        )?;
        let minimum = self.minimum_pledge_sat;
        for short in self.outpoints.iter().filter(|moving| moving.arrives_at_least_sat < minimum) {
            writeln!(
                f,
                "As little as {} of {} may arrive, less than the least pledge there ({}), if what pays the lowest feerate \
                 is not mined for long. Then it does not count there: it has no vote, and is locked until the T there.",
                sat(short.arrives_at_least_sat),
                short.outpoint,
                sat(minimum)
            )?;
        }
        writeln!(
            f,
            "What does not fit under the cap there when it arrives, arrives after its funding has closed, or is less than \
             the least pledge there, does not count there."
        )?;
        if let Some(refund_time) = self.alone_after {
            writeln!(
                f,
                "Nothing has moved yet: after {} the service sends it there in place of your refund. If the other charter \
                 takes no pledges then, the refund goes to you as ever.",
                when(refund_time)
            )?;
        }
        match &self.next {
            Some(next) => writeln!(
                f,
                "Nothing has moved yet: two of the three signers of the old charter sign. Next, anybody proposes it:\n  {next}"
            ),
            None => Ok(()),
        }
    }
}
