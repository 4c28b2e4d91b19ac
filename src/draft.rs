//! From a draft (a file, options of a command, a form) to the fields of a charter, with the protocol's defaults.
//! Nothing is judged here: `Charter::from_fields` does that.

mod error;
mod milestone;
pub mod when;
pub mod wish;

pub use error::DraftError;
pub use milestone::share_bps;

use crate::escrow::charter::{
    AcceptanceRule, CharterFields, FundingRule, Leader, Payee, Seat, Silence, SubmissionsOpen, VoteOpens,
};
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::statement::{Digest, TaskId};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use when::{Span, When};

/// Where sponsors stand if nobody says who named a signer.
pub const NOMINATED_BY: &str = "the drafter of this charter";
/// T, unless given: between the 90 and 180 days that the protocol recommends.
const REFUND_IN_SECS: u32 = 120 * DAY_SECS;
/// T on regtest, unless given.
const REGTEST_REFUND_IN_SECS: u32 = 3600;
/// Review and ruling windows on regtest, unless given.
const REGTEST_WINDOW_SECS: u32 = 300;

/// Every field of a charter, all of them optional; a draft file has the same names with underscores.
///
/// Keys and addresses are plain texts here, so that neither clap nor TOML quotes what was pasted.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draft {
    /// mainnet, testnet4, signet or regtest; the service's by default
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<Network>,
    /// Id of the task, 64 hex digits; random by default
    #[arg(long, value_name = "HEX")]
    pub task_id: Option<TaskId>,
    /// Repository the work belongs to
    #[arg(long, value_name = "URL")]
    pub repository: Option<String>,
    /// SPDX expression the work is released under
    #[arg(long, value_name = "SPDX")]
    pub licence: Option<String>,
    /// Developer's key expression, from `upfront key show`
    #[arg(long, value_name = "KEY")]
    pub developer: Option<String>,
    /// Representative's key expression
    #[arg(long, value_name = "KEY")]
    pub representative: Option<String>,
    /// Arbiter's key expression
    #[arg(long, value_name = "KEY")]
    pub arbiter: Option<String>,
    /// Who named the developer
    #[arg(long, value_name = "WHO")]
    pub developer_nominated_by: Option<String>,
    /// Who named the representative
    #[arg(long, value_name = "WHO")]
    pub representative_nominated_by: Option<String>,
    /// Who named the arbiter
    #[arg(long, value_name = "WHO")]
    pub arbiter_nominated_by: Option<String>,
    /// T, rounded up to the network's grid: 120d, 2027-05-31 or Unix seconds
    #[arg(long, visible_alias = "refund-in", value_name = "TIME")]
    pub refund_time: Option<When>,
    /// After it no pledge is credited
    #[arg(long, visible_alias = "funding-close-in", value_name = "TIME")]
    pub funding_close: Option<When>,
    /// Last moment for a submission; by default the latest that leaves both windows
    #[arg(long, visible_alias = "work-deadline-in", value_name = "TIME")]
    pub work_deadline: Option<When>,
    /// How long sponsors may vote: 7d
    #[arg(long, value_name = "SPAN")]
    pub review: Option<Span>,
    /// How long the arbiter may rule afterwards: 14d
    #[arg(long, value_name = "SPAN")]
    pub ruling: Option<Span>,
    /// Confirmations until a pledge is credited
    #[arg(long, value_name = "BLOCKS")]
    pub depth: Option<u32>,
    /// What the work needs, satoshis
    #[arg(long, value_name = "SAT")]
    pub target_sat: Option<u64>,
    /// Most that is credited; twice the target by default
    #[arg(long, value_name = "SAT")]
    pub cap_sat: Option<u64>,
    /// Least that is credited
    #[arg(long, value_name = "SAT")]
    pub minimum_pledge_sat: Option<u64>,
    /// Part of the weight cast that yes must reach before silent money moves
    #[arg(long, value_name = "BPS")]
    pub threshold_bps: Option<u16>,
    /// Part of the credited weight that must have been cast
    #[arg(long, value_name = "BPS")]
    pub quorum_bps: Option<u16>,
    /// What silence means
    #[arg(long)]
    pub silence: Option<SilenceArg>,
    /// Whether yes money waits for the threshold too
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub yes_waits: Option<bool>,
    /// Who is paid and what share, ADDRESS:95% or, in basis points, ADDRESS:9500; several times for several
    #[arg(long = "payee", value_name = "ADDRESS:SHARE%")]
    pub payees: Vec<String>,
    /// A part of the work that is paid by itself: SHARE%:DUE, such as 50%:60d; several times, in order. The last one's
    /// DUE may be left out: the work deadline
    #[arg(long = "milestone", value_name = "SHARE%:DUE")]
    pub milestones: Vec<String>,
    /// Address of the project's leader
    #[arg(long, value_name = "ADDRESS", requires = "leader_key")]
    pub leader_address: Option<String>,
    /// Share of the project's leader
    #[arg(long, value_name = "BPS", requires = "leader_address")]
    pub leader_share_bps: Option<u16>,
    /// X-only key the leader speaks with
    #[arg(long, value_name = "HEX", requires = "leader_address")]
    pub leader_key: Option<String>,
    /// The operator's address and share, written alike
    #[arg(long, value_name = "ADDRESS:SHARE%")]
    pub operator: Option<String>,
    /// What happens when the target is missed
    #[arg(long)]
    pub funding_rule: Option<FundingArg>,
    /// What must have happened before sponsors vote
    #[arg(long)]
    pub vote_opens: Option<VoteArg>,
    /// Address for gifts when the task fails
    #[arg(long, value_name = "ADDRESS")]
    pub pot: Option<String>,
    /// Key of the service's receipts; asked from the service by default
    #[arg(long, value_name = "HEX")]
    pub receipt_key: Option<String>,
    /// Highest feerate a signer may sign, sat/vB
    #[arg(long, value_name = "SAT_PER_VB")]
    pub feerate_cap_sat_per_vb: Option<u64>,
}

/// What silence means.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SilenceArg {
    /// It follows the majority, once the representative accepts
    Pay,
    /// It stays until T
    Hold,
}

/// What happens when the target is missed.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum FundingArg {
    /// The task goes on with what it has
    Keep,
    /// Everything is returned
    AllOrNothing,
}

/// What must have happened before sponsors vote.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum VoteArg {
    /// The submission opens the vote
    None,
    /// The work is merged
    Merged,
    /// The work is released
    Released,
}

impl Draft {
    /// Reads a draft file. The text is not quoted in errors: a key may have been pasted.
    ///
    /// # Errors
    /// [`DraftError::File`].
    pub fn parse(text: &str) -> Result<Draft, DraftError> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().map_or(0, |span| span.start);
            let line = text.get(..before).unwrap_or_default().matches('\n').count() + 1;
            let problem = error.message().lines().next().unwrap_or_default().to_owned();
            // Serde names values it did not expect; a name of a field is all that is safe to repeat.
            let problem = if problem.starts_with("unknown field") || problem.starts_with("missing field") {
                problem
            } else {
                "the value is not of the kind this field wants".into()
            };
            DraftError::File { line, problem }
        })
    }

    /// What is missing here is taken from `other`.
    pub fn or(self, other: Draft) -> Draft {
        macro_rules! first {
            ($($field:ident),*) => {
                Draft {
                    payees: if self.payees.is_empty() { other.payees } else { self.payees },
                    milestones: if self.milestones.is_empty() { other.milestones } else { self.milestones },
                    $($field: self.$field.or(other.$field)),*
                }
            };
        }
        first!(
            network,
            task_id,
            repository,
            licence,
            developer,
            representative,
            arbiter,
            developer_nominated_by,
            representative_nominated_by,
            arbiter_nominated_by,
            refund_time,
            funding_close,
            work_deadline,
            review,
            ruling,
            depth,
            target_sat,
            cap_sat,
            minimum_pledge_sat,
            threshold_bps,
            quorum_bps,
            silence,
            yes_waits,
            leader_address,
            leader_share_bps,
            leader_key,
            operator,
            funding_rule,
            vote_opens,
            pot,
            receipt_key,
            feerate_cap_sat_per_vb
        )
    }

    /// Whether network, receipt key or the chain's time have to be asked for.
    pub fn needs_service(&self) -> bool {
        let relative = |time: &Option<When>| !matches!(time, Some(When::At(_)));
        self.receipt_key.is_none()
            || self.network.is_none()
            || relative(&self.refund_time)
            || relative(&self.funding_close)
            || matches!(self.work_deadline, Some(When::In(_)))
            || self.milestones.iter().any(|text| milestone::is_relative(text))
    }

    /// The fields of the charter of a task with this text.
    ///
    /// # Errors
    /// [`DraftError`], the first thing that is missing or cannot be read.
    pub fn fields(self, text: &[u8], ground: &Ground) -> Result<CharterFields, DraftError> {
        let network = self.network.or(ground.network).ok_or(DraftError::Missing { field: "network" })?;
        if let Some(service) = ground.network.filter(|service| *service != network) {
            return Err(DraftError::OtherNetwork { service, draft: network });
        }
        let receipt_key = self.receipt_key.clone().or_else(|| ground.receipt_key.clone());
        let times = self.times(network, ground.now_secs)?;
        let task = match self.task_id {
            Some(task) => task,
            None => random_task()?,
        };
        let target_sat = self.target_sat.ok_or(DraftError::Missing { field: "target_sat" })?;
        let funding_rule = match self.funding_rule.unwrap_or(FundingArg::Keep) {
            FundingArg::Keep => FundingRule::Keep,
            FundingArg::AllOrNothing => FundingRule::AllOrNothing,
        };
        Ok(CharterFields {
            version: 1,
            network,
            task,
            text_hash: Digest::of(text),
            repository: self.repository.ok_or(DraftError::Missing { field: "repository" })?,
            licence: self.licence.ok_or(DraftError::Missing { field: "licence" })?,
            developer: seat("developer", self.developer, self.developer_nominated_by)?,
            representative: seat("representative", self.representative, self.representative_nominated_by)?,
            arbiter: seat("arbiter", self.arbiter, self.arbiter_nominated_by)?,
            refund_time: times.refund,
            depth: self.depth.unwrap_or(if network == Network::Regtest { 1 } else { 2 }),
            funding_close: times.funding_close,
            work_deadline: times.work_deadline,
            review_secs: times.review_secs,
            ruling_secs: times.ruling_secs,
            target_sat,
            // Twice, so that the last pledge need not fit to the satoshi.
            cap_sat: self.cap_sat.unwrap_or(target_sat.saturating_mul(2)),
            minimum_pledge_sat: self.minimum_pledge_sat.unwrap_or(10_000),
            acceptance: AcceptanceRule {
                threshold_bps: self.threshold_bps.unwrap_or(6_667),
                quorum_bps: self.quorum_bps.unwrap_or(2_000),
                silence: match self.silence.unwrap_or(SilenceArg::Pay) {
                    SilenceArg::Pay => Silence::Pay,
                    SilenceArg::Hold => Silence::Hold,
                },
                yes_waits: self.yes_waits.unwrap_or(false),
            },
            milestones: milestone::all(&self.milestones, times.work_deadline, ground.now_secs)?,
            payees: payees(&self.payees)?,
            leader: leader(self.leader_address, self.leader_share_bps, self.leader_key)?,
            operator: self.operator.as_deref().map(|text| payee("operator", text)).transpose()?,
            funding_rule,
            submissions_open: match funding_rule {
                FundingRule::Keep => SubmissionsOpen::AtOnce,
                FundingRule::AllOrNothing => SubmissionsOpen::WhenTargetCredited,
            },
            vote_opens: match self.vote_opens.unwrap_or(VoteArg::None) {
                VoteArg::None => VoteOpens::None,
                VoteArg::Merged => VoteOpens::Merged,
                VoteArg::Released => VoteOpens::Released,
            },
            pot: self.pot,
            receipt_key: receipt_key.ok_or(DraftError::Missing { field: "receipt_key" })?,
            feerate_cap_sat_per_vb: self.feerate_cap_sat_per_vb.unwrap_or(200),
        })
    }

    /// The times of the charter: what is given, else the defaults that fit around it.
    ///
    /// # Errors
    /// [`DraftError::Late`], [`DraftError::TooNear`].
    pub fn times(&self, network: Network, now: u32) -> Result<Times, DraftError> {
        let regtest = network == Network::Regtest;
        let late = |field| DraftError::Late { field };
        let default_in = if regtest { REGTEST_REFUND_IN_SECS } else { REFUND_IN_SECS };
        let wanted = self.refund_time.unwrap_or(When::In(default_in)).from(now);
        let refund =
            wanted.and_then(|secs| network.grid_at_or_after(secs)).ok_or_else(|| late("refund_time"))?;
        let window = |given: Option<Span>, least: u32| {
            given.map_or(if regtest { REGTEST_WINDOW_SECS } else { least }, |Span(secs)| secs)
        };
        let review_secs = window(self.review, network.min_review_secs());
        let ruling_secs = window(self.ruling, network.min_ruling_secs());
        // With several milestones rulings end before the cut-off: none of their time is lost.
        let spare = if self.milestones.len() > 1 { network.cutoff_secs() } else { 0 };
        let latest = refund
            .saturating_sub(network.cutoff_secs())
            .saturating_sub(spare)
            .saturating_sub(review_secs)
            .saturating_sub(ruling_secs);
        let work_deadline = match self.work_deadline {
            None => latest,
            Some(time) => time.from(now).ok_or_else(|| late("work_deadline"))?,
        };
        if work_deadline <= now && self.work_deadline.is_none() {
            return Err(DraftError::TooNear);
        }
        let funding_close = match self.funding_close {
            None => now + work_deadline.saturating_sub(now) / 2,
            Some(time) => time.from(now).ok_or_else(|| late("funding_close"))?,
        };
        Ok(Times { refund, funding_close, work_deadline, review_secs, ruling_secs })
    }
}

/// The times of a charter, Unix seconds, and its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// T.
    pub refund: u32,
    /// After it no pledge is credited.
    pub funding_close: u32,
    /// Last moment for a submission.
    pub work_deadline: u32,
    /// How long sponsors may vote.
    pub review_secs: u32,
    /// How long the arbiter may rule afterwards.
    pub ruling_secs: u32,
}

/// What a draft stands on: the service it is for, and the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The service's chain; without one the draft has to say it.
    pub network: Option<Network>,
    /// The key of the service's receipts, hex; without one the draft has to say it.
    pub receipt_key: Option<String>,
    /// What relative times count from: the chain's median time past where one is known.
    pub now_secs: u32,
}

fn seat(field: &'static str, key: Option<String>, nominated_by: Option<String>) -> Result<Seat, DraftError> {
    let key = key.ok_or(DraftError::Missing { field })?;
    Ok(Seat { key, nominated_by: nominated_by.unwrap_or_else(|| NOMINATED_BY.into()) })
}

fn payees(texts: &[String]) -> Result<Vec<Payee>, DraftError> {
    if texts.is_empty() {
        return Err(DraftError::NobodyPaid);
    }
    texts.iter().zip(1..).map(|(text, number)| payee(&format!("payee {number}"), text)).collect()
}

fn payee(what: &str, text: &str) -> Result<Payee, DraftError> {
    let bad = || DraftError::Payee { what: what.to_owned() };
    let (address, share) = text.rsplit_once(':').ok_or_else(bad)?;
    Ok(Payee { address: address.to_owned(), share_bps: share_bps(share).ok_or_else(bad)? })
}

fn leader(
    address: Option<String>,
    share_bps: Option<u16>,
    key: Option<String>,
) -> Result<Option<Leader>, DraftError> {
    match (address, key) {
        (None, None) => Ok(None),
        (Some(address), Some(key)) => Ok(Some(Leader { address, share_bps: share_bps.unwrap_or(0), key })),
        _ => Err(DraftError::Leader),
    }
}

fn random_task() -> Result<TaskId, DraftError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| DraftError::Randomness { detail: error.to_string() })?;
    Ok(TaskId(bytes))
}

#[cfg(test)]
mod tests;
