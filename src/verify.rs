//! `verify`: a proof document against a chain, trusting the service that wrote it for nothing.
//!
//! The core checks the document by itself; here an Electrum server, whose headers are checked, is asked
//! for the whole history of every address that the document's charter and keys derive. What it has mined
//! at or below the document's tip must be what the document says, no more and no less; what is newer or
//! only in the mempool is news, not a fault.
//!
//! What stays the server's word: that it leaves nothing out. Ask several, or one's own.

mod compare;
mod parts;

use crate::chain::oneshot::{OneShot, OneShotConfig};
use crate::chain::{ChainError, HeaderChain};
use crate::escrow::ballot::Tally;
use crate::escrow::charter::Charter;
use crate::escrow::facts::{ScriptView, Tip};
use crate::escrow::pledge::{Standing, Totals};
use crate::escrow::proof::{self, Finding, Findings, ProofDocument};
use crate::escrow::statement::{CharterId, SubmissionId};
use bitcoin::block::Header;
use bitcoin::{Amount, Script};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

pub use parts::{MilestoneReport, MoveReport};

pub use crate::escrow::proof::{Explanation, allowed, allowed_hearing};

/// What verification needs to know of a chain.
pub trait ChainView {
    /// Its tip; `None` if nothing is known.
    fn tip(&self) -> Option<Tip>;

    /// The header at a height of the best chain.
    fn header(&self, height: u32) -> Option<Header>;

    /// All that is known of a script, each confirmation proved.
    ///
    /// # Errors
    /// If the server does not answer, or claims what it cannot prove.
    fn view(&self, script: &Script) -> Result<ScriptView, ChainError>;
}

/// A server's chain, as of when it was connected.
struct Asked {
    server: OneShot,
    headers: HeaderChain,
}

impl ChainView for Asked {
    fn tip(&self) -> Option<Tip> {
        self.headers.tip()
    }

    fn header(&self, height: u32) -> Option<Header> {
        self.headers.header(height).copied()
    }

    fn view(&self, script: &Script) -> Result<ScriptView, ChainError> {
        self.server.view(script)
    }
}

/// What verification comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing was found: everything in the document is so.
    pub sound: bool,
    /// Id of the charter in the document, if it is a charter.
    pub charter_id: Option<CharterId>,
    /// The tip that the document was written under.
    pub document_tip: Tip,
    /// The server's tip.
    pub server_tip: Option<Tip>,
    /// How much was looked at.
    pub counts: Counts,
    /// Outpoints by what they count as. Empty if the document does not hold together by itself.
    pub standings: BTreeMap<String, usize>,
    /// Sums, computed anew; none if the document does not hold together by itself.
    pub totals: Option<Totals>,
    /// The count of each submission, likewise.
    pub tallies: Vec<SubmissionTally>,
    /// The milestones, where there are several; likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub milestones: Vec<MilestoneReport>,
    /// Sponsors' consents to move, and what moved; likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<MoveReport>,
    /// Everything that is not so.
    pub findings: Vec<Finding>,
    /// What happened since the document was written.
    pub news: Vec<String>,
}

/// How much a document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Addresses derived anew.
    pub addresses: usize,
    /// Pledges.
    pub pledges: usize,
    /// Outpoints.
    pub outpoints: usize,
    /// Transactions.
    pub transactions: usize,
    /// Headers.
    pub headers: usize,
    /// Submissions.
    pub submissions: usize,
    /// Votes.
    pub votes: usize,
    /// Settlements.
    pub settlements: usize,
}

/// The count of one submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubmissionTally {
    /// Which.
    pub submission: SubmissionId,
    /// The count.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Verifies `document` with the first Electrum server of `urls` that can be used, reached through the proxy if
/// there is one; its headers are checked from the shipped checkpoint on.
///
/// # Errors
/// If the server does not answer, or its answers are wrong. What is wrong with the document is in the
/// report.
pub fn run(document: &ProofDocument, urls: &str, socks5: Option<&str>) -> Result<Report, ChainError> {
    match Charter::parse(document.charter.as_bytes()) {
        Ok(charter) => {
            let config = OneShotConfig::new(urls, socks5, charter.network().bitcoin());
            run_with(document, &config.map_err(|e| ChainError::NoAnswer { reason: e.to_string() })?)
        }
        // Nothing to ask a chain for: no address follows from it.
        Err(_) => report(document, None),
    }
}

/// As [`run`], with a time-out or a checkpoint of one's own.
///
/// # Errors
/// As [`run`].
pub fn run_with(document: &ProofDocument, config: &OneShotConfig) -> Result<Report, ChainError> {
    let server = OneShot::connect(config)?;
    let headers = server.headers();
    report(document, Some(&Asked { server, headers }))
}

/// Verifies `document`, with a chain or by itself.
///
/// # Errors
/// Those of the chain.
pub fn report(document: &ProofDocument, chain: Option<&dyn ChainView>) -> Result<Report, ChainError> {
    let examined = proof::examine(document);
    let mut findings = Findings(examined.findings);
    findings.0.extend(examined.undone);
    let mut news = Vec::new();
    if let Some(chain) = chain {
        compare::compare(document, &examined.outputs, chain, &mut findings, &mut news)?;
    }
    let mut standings: BTreeMap<String, usize> = BTreeMap::new();
    let checked = examined.checked;
    for standing in checked.iter().flat_map(|checked| checked.standings.values()) {
        *standings.entry(standing_name(standing).into()).or_default() += 1;
    }
    let tallies = checked.iter().flat_map(|checked| checked.tallies.clone());
    Ok(Report {
        sound: findings.0.is_empty(),
        charter_id: Charter::parse(document.charter.as_bytes()).ok().map(|charter| charter.id()),
        document_tip: document.tip,
        server_tip: chain.and_then(ChainView::tip),
        counts: Counts {
            addresses: examined.outputs.len(),
            pledges: document.pledges.len(),
            outpoints: document.outpoints.len(),
            transactions: document.transactions.len(),
            headers: document.headers.len(),
            submissions: document.submissions.len(),
            votes: document.submissions.iter().map(|proof| proof.votes.len()).sum(),
            settlements: document.settlements.len(),
        },
        standings,
        totals: checked.as_ref().map(|checked| checked.totals),
        milestones: checked.as_ref().map(parts::milestones).unwrap_or_default(),
        moves: checked.as_ref().map(parts::moves).unwrap_or_default(),
        tallies: tallies.map(|(submission, tally)| SubmissionTally { submission, tally }).collect(),
        findings: findings.0,
        news,
    })
}

fn standing_name(standing: &Standing) -> &'static str {
    match standing {
        Standing::Vanished => "vanished",
        Standing::Seen => "in the mempool",
        Standing::Confirming { .. } => "awaiting depth",
        Standing::Credited => "credited",
        Standing::Gift => "gifts",
        Standing::BelowMinimum => "below the minimum",
        Standing::Surplus { .. } => "surplus",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sat = Amount::to_sat;
        if let Some(id) = self.charter_id {
            writeln!(f, "charter {id}")?;
        }
        writeln!(f, "document as of block {} ({})", self.document_tip.height, self.document_tip.hash)?;
        match self.server_tip {
            Some(tip) => writeln!(f, "server at block {} ({})", tip.height, tip.hash)?,
            None => writeln!(f, "no server was asked: whether its headers are the chain's is not known")?,
        }
        let Counts { addresses, pledges, outpoints, transactions, headers, submissions, votes, settlements } =
            self.counts;
        writeln!(
            f,
            "checked {addresses} addresses, {pledges} pledges, {outpoints} outpoints, {transactions} transactions, {headers} headers, {submissions} submissions, {votes} votes, {settlements} settlements"
        )?;
        self.standings.iter().try_for_each(|(name, count)| writeln!(f, "  {name}: {count}"))?;
        if let Some(totals) = &self.totals {
            writeln!(
                f,
                "raised {} sat; credited and unspent {}, gifts {}, surplus {}, below the minimum {}, awaiting depth {}; settled {}, refunded {}",
                sat(totals.raised),
                sat(totals.credited),
                sat(totals.gifts),
                sat(totals.surplus),
                sat(totals.below_minimum),
                sat(totals.awaiting_depth),
                sat(totals.settled),
                sat(totals.refunded)
            )?;
        }
        for SubmissionTally { submission, tally } in &self.tallies {
            let yes_no = |holds: bool| if holds { "yes" } else { "no" };
            writeln!(
                f,
                "submission {submission}: yes {} sat, no {} sat of {} sat; quorum met: {}, threshold reached: {}",
                sat(tally.yes),
                sat(tally.no),
                sat(tally.electorate),
                yes_no(tally.quorum_met),
                yes_no(tally.threshold_reached)
            )?;
        }
        for MilestoneReport { milestone, share_bps, due, submissions, in_escrow } in &self.milestones {
            let (whole, part, held) = (share_bps / 100, share_bps % 100, sat(*in_escrow));
            let number = milestone + 1;
            let work = match submissions.last() {
                None => "nothing submitted".to_owned(),
                Some(id) => format!("submission {id}"),
            };
            writeln!(
                f,
                "milestone {number}: {whole}.{part:02} %, due {due}, {work}; {held} sat in escrow for it"
            )?;
        }
        for MoveReport { outpoint, to_charter, to_index, to_address, alone, moved_by } in &self.moves {
            let done = moved_by.map_or("not moved".to_owned(), |txid| {
                format!(
                    "moved by {txid} to {to_address}; that it is that pledge's shows in that task's document"
                )
            });
            let from_t = if *alone { " from T on" } else { "" };
            writeln!(
                f,
                "{outpoint} signed over{from_t} to pledge {to_index} of charter {to_charter}: {done}"
            )?;
        }
        self.news.iter().try_for_each(|news| writeln!(f, "since then: {news}"))?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "NOT SO  {finding}"))?;
        if self.sound {
            writeln!(f, "everything holds")
        } else {
            writeln!(f, "{} findings", self.findings.len())
        }
    }
}

#[cfg(test)]
mod tests;
