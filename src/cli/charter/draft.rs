//! From a draft and options to the fields of a charter, with the protocol's defaults. Nothing is judged
//! here: `Charter::from_fields` does that.

use super::when::{Clock, Span, When};
use crate::cli::exit::Failure;
use crate::escrow::charter::{
    AcceptanceRule, CharterFields, FundingRule, Leader, Milestone, Payee, Seat, Silence, SubmissionsOpen,
    VoteOpens,
};
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::statement::{Digest, TaskId};
use crate::service::views::StatusView;
use clap::{Args, ValueEnum};
use serde::Deserialize;

/// Where sponsors stand if nobody says who named a signer.
const NOMINATED_BY: &str = "the drafter of this charter";
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
    network: Option<Network>,
    /// Id of the task, 64 hex digits; random by default
    #[arg(long, value_name = "HEX")]
    task_id: Option<TaskId>,
    /// Repository the work belongs to
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
    /// SPDX expression the work is released under
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    /// Developer's key expression, from `upfront key show`
    #[arg(long, value_name = "KEY")]
    developer: Option<String>,
    /// Representative's key expression
    #[arg(long, value_name = "KEY")]
    representative: Option<String>,
    /// Arbiter's key expression
    #[arg(long, value_name = "KEY")]
    arbiter: Option<String>,
    /// Who named the developer
    #[arg(long, value_name = "WHO")]
    developer_nominated_by: Option<String>,
    /// Who named the representative
    #[arg(long, value_name = "WHO")]
    representative_nominated_by: Option<String>,
    /// Who named the arbiter
    #[arg(long, value_name = "WHO")]
    arbiter_nominated_by: Option<String>,
    /// T, rounded up to the network's grid: 120d, 2027-05-31 or Unix seconds
    #[arg(long, visible_alias = "refund-in", value_name = "TIME")]
    refund_time: Option<When>,
    /// After it no pledge is credited
    #[arg(long, visible_alias = "funding-close-in", value_name = "TIME")]
    funding_close: Option<When>,
    /// Last moment for a submission; by default the latest that leaves both windows
    #[arg(long, visible_alias = "work-deadline-in", value_name = "TIME")]
    work_deadline: Option<When>,
    /// How long sponsors may vote: 7d
    #[arg(long, value_name = "SPAN")]
    review: Option<Span>,
    /// How long the arbiter may rule afterwards: 14d
    #[arg(long, value_name = "SPAN")]
    ruling: Option<Span>,
    /// Confirmations until a pledge is credited
    #[arg(long, value_name = "BLOCKS")]
    depth: Option<u32>,
    /// What the work needs, satoshis
    #[arg(long, value_name = "SAT")]
    target_sat: Option<u64>,
    /// Most that is credited; twice the target by default
    #[arg(long, value_name = "SAT")]
    cap_sat: Option<u64>,
    /// Least that is credited
    #[arg(long, value_name = "SAT")]
    minimum_pledge_sat: Option<u64>,
    /// Part of the weight cast that yes must reach before silent money moves
    #[arg(long, value_name = "BPS")]
    threshold_bps: Option<u16>,
    /// Part of the credited weight that must have been cast
    #[arg(long, value_name = "BPS")]
    quorum_bps: Option<u16>,
    /// What silence means
    #[arg(long)]
    silence: Option<SilenceArg>,
    /// Whether yes money waits for the threshold too
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    yes_waits: Option<bool>,
    /// Who is paid and what share: ADDRESS:BPS; several times for several
    #[arg(long = "payee", value_name = "ADDRESS:BPS")]
    payees: Vec<String>,
    /// Address of the project's leader
    #[arg(long, value_name = "ADDRESS", requires = "leader_key")]
    leader_address: Option<String>,
    /// Share of the project's leader
    #[arg(long, value_name = "BPS", requires = "leader_address")]
    leader_share_bps: Option<u16>,
    /// X-only key the leader speaks with
    #[arg(long, value_name = "HEX", requires = "leader_address")]
    leader_key: Option<String>,
    /// The operator's address and share
    #[arg(long, value_name = "ADDRESS:BPS")]
    operator: Option<String>,
    /// What happens when the target is missed
    #[arg(long)]
    funding_rule: Option<FundingArg>,
    /// What must have happened before sponsors vote
    #[arg(long)]
    vote_opens: Option<VoteArg>,
    /// Address for gifts when the task fails
    #[arg(long, value_name = "ADDRESS")]
    pot: Option<String>,
    /// Key of the service's receipts; asked from the service by default
    #[arg(long, value_name = "HEX")]
    receipt_key: Option<String>,
    /// Highest feerate a signer may sign, sat/vB
    #[arg(long, value_name = "SAT_PER_VB")]
    feerate_cap_sat_per_vb: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum SilenceArg {
    /// It follows the majority, once the representative accepts
    Pay,
    /// It stays until T
    Hold,
}

#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum FundingArg {
    /// The task goes on with what it has
    Keep,
    /// Everything is returned
    AllOrNothing,
}

#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum VoteArg {
    /// The submission opens the vote
    None,
    /// The work is merged
    Merged,
    /// The work is released
    Released,
}

impl Draft {
    /// Reads a draft file. The text is not quoted in errors: a key may have been pasted.
    pub fn parse(text: &str) -> Result<Draft, Failure> {
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
            Failure::refused("draft", format!("line {line}: {problem}"))
        })
    }

    /// What is missing here is taken from `other`.
    pub fn or(self, other: Draft) -> Draft {
        macro_rules! first {
            ($($field:ident),*) => {
                Draft {
                    payees: if self.payees.is_empty() { other.payees } else { self.payees },
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
    }

    /// The fields of the charter. Relative times count from the chain's median time past, or where the
    /// service does not know one, from `clock`.
    pub fn fields(
        self,
        text: &[u8],
        status: Option<&StatusView>,
        clock: Clock,
    ) -> Result<CharterFields, Failure> {
        let network =
            self.network.or(status.map(|status| status.network)).ok_or_else(|| missing("network"))?;
        if let Some(status) = status.filter(|status| status.network != network) {
            let message = format!("the service works on {}, the draft is for {network}", status.network);
            return Err(Failure::refused("other_network", message));
        }
        let receipt_key = self.receipt_key.clone().or(status.map(|status| status.receipt_key.to_string()));
        let now = status.and_then(|status| status.tip).map_or(clock.secs(), |tip| tip.mtp_secs);
        let times = self.times(network, now)?;
        let task = match self.task_id {
            Some(task) => task,
            None => random_task()?,
        };
        let target_sat = self.target_sat.ok_or_else(|| missing("target_sat"))?;
        let funding_rule = match self.funding_rule.unwrap_or(FundingArg::Keep) {
            FundingArg::Keep => FundingRule::Keep,
            FundingArg::AllOrNothing => FundingRule::AllOrNothing,
        };
        Ok(CharterFields {
            version: 1,
            network,
            task,
            text_hash: Digest::of(text),
            repository: self.repository.ok_or_else(|| missing("repository"))?,
            licence: self.licence.ok_or_else(|| missing("licence"))?,
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
            milestones: vec![Milestone { share_bps: 10_000, due: times.work_deadline }],
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
            receipt_key: receipt_key.ok_or_else(|| missing("receipt_key"))?,
            feerate_cap_sat_per_vb: self.feerate_cap_sat_per_vb.unwrap_or(200),
        })
    }

    fn times(&self, network: Network, now: u32) -> Result<Times, Failure> {
        let regtest = network == Network::Regtest;
        let late = |field: &str| Failure::refused("time", format!("{field} is past the end of 32-bit time"));
        let default_in = if regtest { REGTEST_REFUND_IN_SECS } else { REFUND_IN_SECS };
        let wanted = self.refund_time.unwrap_or(When::In(default_in)).from(now);
        let refund =
            wanted.and_then(|secs| network.grid_at_or_after(secs)).ok_or_else(|| late("refund_time"))?;
        let window = |given: Option<Span>, least: u32| {
            given.map_or(if regtest { REGTEST_WINDOW_SECS } else { least }, |Span(secs)| secs)
        };
        let review_secs = window(self.review, network.min_review_secs());
        let ruling_secs = window(self.ruling, network.min_ruling_secs());
        let latest = refund
            .saturating_sub(network.cutoff_secs())
            .saturating_sub(review_secs)
            .saturating_sub(ruling_secs);
        let work_deadline = match self.work_deadline {
            None => latest,
            Some(time) => time.from(now).ok_or_else(|| late("work_deadline"))?,
        };
        if work_deadline <= now && self.work_deadline.is_none() {
            let message =
                "refund_time is too near: no time for the work is left before the review and ruling windows";
            return Err(Failure::refused("time", message)
                .hint("give a later --refund-time, or shorter --review and --ruling"));
        }
        let funding_close = match self.funding_close {
            None => now + work_deadline.saturating_sub(now) / 2,
            Some(time) => time.from(now).ok_or_else(|| late("funding_close"))?,
        };
        Ok(Times { refund, funding_close, work_deadline, review_secs, ruling_secs })
    }
}

struct Times {
    refund: u32,
    funding_close: u32,
    work_deadline: u32,
    review_secs: u32,
    ruling_secs: u32,
}

fn missing(field: &str) -> Failure {
    let option = field.replace('_', "-");
    Failure::refused("draft_incomplete", format!("{field} is missing"))
        .hint(format!("give --{option}, or {field} in the draft file"))
}

fn seat(field: &str, key: Option<String>, nominated_by: Option<String>) -> Result<Seat, Failure> {
    let key = key.ok_or_else(|| missing(field))?;
    Ok(Seat { key, nominated_by: nominated_by.unwrap_or_else(|| NOMINATED_BY.into()) })
}

fn payees(texts: &[String]) -> Result<Vec<Payee>, Failure> {
    if texts.is_empty() {
        return Err(Failure::refused("draft_incomplete", "nobody is paid")
            .hint("give --payee ADDRESS:BPS, or payees = [\"ADDRESS:BPS\"] in the draft file"));
    }
    texts.iter().zip(1..).map(|(text, number)| payee(&format!("payee {number}"), text)).collect()
}

fn payee(what: &str, text: &str) -> Result<Payee, Failure> {
    let bad =
        || Failure::refused("payee", format!("{what}: write ADDRESS:BPS, for example bc1q...:10000 for all"));
    let (address, share) = text.rsplit_once(':').ok_or_else(bad)?;
    Ok(Payee { address: address.to_owned(), share_bps: share.parse().map_err(|_| bad())? })
}

fn leader(
    address: Option<String>,
    share_bps: Option<u16>,
    key: Option<String>,
) -> Result<Option<Leader>, Failure> {
    match (address, key) {
        (None, None) => Ok(None),
        (Some(address), Some(key)) => Ok(Some(Leader { address, share_bps: share_bps.unwrap_or(0), key })),
        _ => Err(Failure::refused("leader", "a leader has an address and a key")),
    }
}

fn random_task() -> Result<TaskId, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::refused("randomness", format!("the system has no randomness to give: {error}"))
    })?;
    Ok(TaskId(bytes))
}

#[cfg(test)]
mod tests;
