//! Projects: what the leader of a repository says of it, as statements by an identity's key. Whoever comes
//! first stands as its leader until a charter of the repository that three have attested names another; whether
//! a key leads the repository in truth is for people to look up where the key is published. No key here has
//! power over money: a charter states every term itself.

use super::book::Book;
use super::event::{ProjectEvent, Record};
use super::keys::SECP;
use super::network::Network;
use super::public::ProjectId;
use super::signature::Speaker;
use super::statement::{BadSignature, CharterId, Signed, Statement};
use super::wish::{self, WishRefused, WishState};
use bitcoin::Amount;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most projects that somebody has set up.
pub const MAX_PROJECTS: usize = 10_000;
/// Most keys that claim one project. The key that an attested charter names always may.
pub const MAX_CLAIMS: usize = 50;
/// Most statements of one key about one project.
pub const MAX_SETTINGS_OF_KEY: usize = 100;
/// Least minimum pledge, as of a charter.
const LEAST_MINIMUM_SAT: u64 = 330;

/// What a leader says of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Network of the service.
    pub network: Network,
    /// The repository, as charters write it.
    pub repository: String,
    /// What people call it.
    pub name: String,
    /// What it is, in one line.
    pub description: String,
    /// SPDX expression that work is released under.
    pub licence: String,
    /// Who decides over noes unless a charter says otherwise.
    pub arbiter: Option<String>,
    /// Where the leader's share goes.
    pub leader_address: Option<String>,
    /// The leader's share in basis points.
    pub leader_share_bps: u16,
    /// Least pledge, satoshis.
    pub minimum_pledge_sat: u64,
    /// Where the team takes donations of its own.
    pub donations: Option<String>,
    /// Whether wishes may be liked.
    pub likes: bool,
    /// Where the repository shows the fingerprint of this key.
    pub published: Option<String>,
    /// Whose words these are.
    pub by: XOnlyPublicKey,
    /// The highest counter of a key counts.
    pub counter: u32,
}

impl Statement for Project {
    const TAG: &'static str = "upfront/project";
    const NAME: &'static str = "project";
    fn lines(&self) -> String {
        format!(
            "network: {}\nrepository: {}\nname: {}\ndescription: {}\nlicence: {}\narbiter: {}\nleader address: {}\n\
             leader share: {} bps\nminimum pledge: {} sat\ndonations: {}\nlikes: {}\npublished: {}\nby: {}\n\
             counter: {}\n",
            self.network,
            self.repository,
            self.name,
            self.description,
            self.licence,
            wish::or_none(self.arbiter.as_deref()),
            wish::or_none(self.leader_address.as_deref()),
            self.leader_share_bps,
            self.minimum_pledge_sat,
            wish::or_none(self.donations.as_deref()),
            if self.likes { "on" } else { "off" },
            wish::or_none(self.published.as_deref()),
            self.by,
            self.counter
        )
    }
}

impl Project {
    /// The project it is about.
    pub fn id(&self) -> ProjectId {
        ProjectId::of(&self.repository)
    }

    /// Whether everything in it can be shown and used in a charter.
    fn check(&self) -> Result<(), WishRefused> {
        let optional = |given: Option<&str>, check: &dyn Fn(&str) -> Result<(), WishRefused>| {
            given.map_or(Ok(()), check)
        };
        let field = |field, reason| Err(WishRefused::Field { field, reason });
        wish::check_line("repository", &self.repository, 300)?;
        wish::check_line("name", &self.name, 100)?;
        wish::check_line("description", &self.description, 1_000)?;
        wish::check_licence(&self.licence)?;
        optional(self.arbiter.as_deref(), &|arbiter| wish::check_line("arbiter", arbiter, 200))?;
        if self.arbiter.as_deref() == Some("none") {
            return field("arbiter", "named none is nobody: leave it out");
        }
        optional(self.leader_address.as_deref(), &|text| {
            wish::check_address("leader_address", text, self.network)
        })?;
        if self.leader_share_bps >= 10_000 {
            return field("leader_share_bps", "leaves nothing for the developer: give less than 10000");
        }
        if self.leader_share_bps > 0 && self.leader_address.is_none() {
            return field("leader_share_bps", "needs leader_address: say where the share goes, or give 0");
        }
        if !(LEAST_MINIMUM_SAT..=Amount::MAX_MONEY.to_sat()).contains(&self.minimum_pledge_sat) {
            return field("minimum_pledge_sat", "is from 330 to all satoshis there will ever be");
        }
        optional(self.donations.as_deref(), &|link| wish::check_link("donations", link))?;
        optional(self.published.as_deref(), &|link| wish::check_link("published", link))
    }
}

/// That a key claims a project no longer, until it says something of it under a higher counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectWithdrawal {
    /// Network of the service.
    pub network: Network,
    /// The repository, as the claim has it.
    pub repository: String,
    /// Whose claim.
    pub by: XOnlyPublicKey,
    /// Of the counters of its claim: the highest counts.
    pub counter: u32,
}

impl Statement for ProjectWithdrawal {
    const TAG: &'static str = "upfront/project-withdrawal";
    const NAME: &'static str = "withdrawal of a claim";
    fn lines(&self) -> String {
        format!(
            "network: {}\nrepository: {}\nby: {}\ncounter: {}\n",
            self.network, self.repository, self.by, self.counter
        )
    }
}

impl ProjectWithdrawal {
    /// The project it is about.
    pub fn id(&self) -> ProjectId {
        ProjectId::of(&self.repository)
    }
}

/// What a key said of a project, with the chain's time when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidOfProject {
    /// What, signed.
    pub signed: Signed<Project>,
    /// Median time past then.
    pub at_mtp_secs: u32,
}

/// A key that says it leads a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub by: XOnlyPublicKey,
    /// All it said, in the order it came; at least once.
    pub said: Vec<SaidOfProject>,
    /// How often it took the claim back, in the order it came.
    pub withdrawals: Vec<ClaimWithdrawn>,
    /// Since when it claims the project: when it came first, or came back after a withdrawal.
    pub since_mtp_secs: u32,
}

/// That a key took its claim back, with the chain's time when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimWithdrawn {
    /// As it was signed.
    pub signed: Signed<ProjectWithdrawal>,
    /// Median time past then.
    pub at_mtp_secs: u32,
}

impl Claim {
    /// What counts of it: the statement with the highest counter.
    pub fn newest(&self) -> Option<&SaidOfProject> {
        self.said.iter().max_by_key(|said| said.signed.statement.counter)
    }

    /// That the claim is taken back, if that is what the key said last.
    pub fn withdrawn(&self) -> Option<&ClaimWithdrawn> {
        let last = self.withdrawals.iter().max_by_key(|said| said.signed.statement.counter)?;
        let said = self.newest().map_or(0, |said| said.signed.statement.counter);
        (last.signed.statement.counter > said).then_some(last)
    }

    fn counters(&self) -> impl Iterator<Item = u32> {
        let withdrawals = self.withdrawals.iter().map(|said| said.signed.statement.counter);
        self.said.iter().map(|said| said.signed.statement.counter).chain(withdrawals)
    }

    /// The settings that count.
    pub fn settings(&self) -> Option<&Project> {
        self.newest().map(|said| &said.signed.statement)
    }
}

/// What was said of all projects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projects {
    /// In the order keys came, by project.
    claims: BTreeMap<ProjectId, Vec<Claim>>,
}

/// An event of a project that cannot have happened: the journal was written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectApplyError {
    /// The record's id is not that of the statement.
    #[error("it was written down under the id of another project")]
    OtherProject,
    /// The signature does not verify.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// A key has said something else under this counter.
    #[error("a key says two things under one counter")]
    CounterUsed,
    /// Only who claims a project can take it back.
    #[error("a claim was withdrawn that nobody had made")]
    NoClaim,
}

/// Who leads a project here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    /// The key.
    pub key: XOnlyPublicKey,
    /// The open charter that names it; none where it claimed the project first.
    pub charter: Option<CharterId>,
}

impl Projects {
    /// Who claims a project, in the order they came.
    pub fn claims(&self, project: &ProjectId) -> &[Claim] {
        self.claims.get(project).map_or(&[], Vec::as_slice)
    }

    /// Every project that somebody claims.
    pub fn all(&self) -> impl Iterator<Item = (&ProjectId, &[Claim])> {
        self.claims.iter().map(|(project, claims)| (project, claims.as_slice()))
    }

    pub(super) fn apply(
        &mut self,
        project: &ProjectId,
        event: &ProjectEvent,
    ) -> Result<(), ProjectApplyError> {
        let (signed, at_mtp_secs) = match event {
            ProjectEvent::ProjectSet { project: signed, at_mtp_secs } => (signed, at_mtp_secs),
            ProjectEvent::ProjectWithdrawn { withdrawal, at_mtp_secs } => {
                return self.withdraw(project, withdrawal, *at_mtp_secs);
            }
        };
        let statement = &signed.statement;
        if statement.id() != *project {
            return Err(ProjectApplyError::OtherProject);
        }
        signed.verify(&SECP, &Speaker::identity(statement.by))?;
        let said = SaidOfProject { signed: signed.clone(), at_mtp_secs: *at_mtp_secs };
        let claims = self.claims.entry(*project).or_default();
        let Some(place) = claims.iter().position(|claim| claim.by == statement.by) else {
            claims.push(Claim {
                by: statement.by,
                said: vec![said],
                withdrawals: Vec::new(),
                since_mtp_secs: *at_mtp_secs,
            });
            return Ok(());
        };
        let claim = &mut claims[place];
        if claim.counters().any(|counter| counter == statement.counter) {
            return Err(ProjectApplyError::CounterUsed);
        }
        let was = claim.withdrawn().is_some();
        claim.said.push(said);
        // Whoever comes back stands behind those who claim it by now.
        if was && claim.withdrawn().is_none() {
            claim.since_mtp_secs = *at_mtp_secs;
            let back = claims.remove(place);
            claims.push(back);
        }
        Ok(())
    }

    fn withdraw(
        &mut self,
        project: &ProjectId,
        signed: &Signed<ProjectWithdrawal>,
        at_mtp_secs: u32,
    ) -> Result<(), ProjectApplyError> {
        let statement = &signed.statement;
        if statement.id() != *project {
            return Err(ProjectApplyError::OtherProject);
        }
        signed.verify(&SECP, &Speaker::identity(statement.by))?;
        let claims = self.claims.get_mut(project).into_iter().flatten();
        let claim = claims.into_iter().find(|claim| claim.by == statement.by);
        let claim = claim.ok_or(ProjectApplyError::NoClaim)?;
        if claim.counters().any(|counter| counter == statement.counter) {
            return Err(ProjectApplyError::CounterUsed);
        }
        claim.withdrawals.push(ClaimWithdrawn { signed: signed.clone(), at_mtp_secs });
        Ok(())
    }
}

impl Book {
    /// Who leads the project of a repository here: the leader that its first open charter names, else whoever
    /// claimed it first.
    pub fn leader(&self, repository: &str) -> Option<Leader> {
        let named = self.tasks_of(repository).filter(|task| task.opened()).find_map(|task| {
            let key = task.charter().fields().leader.as_ref()?.key.parse().ok()?;
            Some(Leader { key, charter: Some(task.id()) })
        });
        let first = || {
            let claims = self.projects().claims(&ProjectId::of(repository));
            let claim = claims.iter().find(|claim| claim.withdrawn().is_none())?;
            Some(Leader { key: claim.by, charter: None })
        };
        named.or_else(first)
    }

    /// What the leader of a repository says of it.
    pub fn settings(&self, repository: &str) -> Option<&Project> {
        self.settings_of(repository, self.leader(repository).as_ref())
    }

    /// The same, of a leader that was looked up before.
    pub fn settings_of(&self, repository: &str, leader: Option<&Leader>) -> Option<&Project> {
        let claims = self.projects().claims(&ProjectId::of(repository));
        let claim = claims.iter().find(|claim| leader.is_some_and(|leader| leader.key == claim.by))?;
        claim.settings().filter(|_| claim.withdrawn().is_none())
    }

    /// Whether wishes for a repository may be liked.
    pub fn takes_likes(&self, repository: &str) -> bool {
        self.settings(repository).is_none_or(|settings| settings.likes)
    }

    /// The wishes for a repository that nobody has withdrawn, in the leader's order: those with a place, by it; then those the leader
    /// accepted; then those nobody has judged, those with most promised and liked first; at last those that
    /// the leader declined.
    pub fn wishes_for(&self, repository: &str) -> Vec<&WishState> {
        let leader = self.leader(repository).map(|leader| leader.key);
        let mut wishes: Vec<&WishState> =
            self.wishes().of(repository).filter(|wish| wish.withdrawn().is_none()).collect();
        wishes.sort_by_cached_key(|wish| {
            let (choice, place) = wish.lead(leader.as_ref());
            let group = match choice {
                wish::LeadChoice::Decline => 3,
                _ if place.is_some() => 0,
                wish::LeadChoice::Accept => 1,
                wish::LeadChoice::None => 2,
            };
            let most = std::cmp::Reverse((wish.promised(), wish.likes().len()));
            (group, place, most, wish.at_mtp_secs(), wish.id())
        });
        wishes
    }

    /// Takes what a key says of a project: a claim, or other settings. Again gives no records.
    ///
    /// # Errors
    /// [`WishRefused`], the first rule that is broken.
    pub fn set_project(
        &self,
        network: Network,
        signed: &Signed<Project>,
    ) -> Result<(ProjectId, Vec<Record>), WishRefused> {
        let statement = &signed.statement;
        wish::same_network(Project::NAME, network, statement.network)?;
        statement.check()?;
        signed.verify(&SECP, &Speaker::identity(statement.by))?;
        let project = statement.id();
        let claims = self.projects().claims(&project);
        let own = claims.iter().find(|claim| claim.by == statement.by);
        let said = own.map_or(&[][..], |claim| &claim.said);
        if said.iter().any(|said| said.signed.statement == *statement) {
            return Ok((project, Vec::new()));
        }
        check_next(own, statement.counter, MAX_SETTINGS_OF_KEY)?;
        let too_many = |max, what| Err(WishRefused::TooManyClaims { max, what });
        let named = self.leader(&statement.repository).is_some_and(|leader| leader.key == statement.by);
        if own.is_none() && claims.len() >= MAX_CLAIMS && !named {
            return too_many(MAX_CLAIMS, "claims to one project");
        }
        if claims.is_empty() && self.projects().claims.len() >= MAX_PROJECTS {
            return too_many(MAX_PROJECTS, "projects");
        }
        let tip = self.tip().ok_or(WishRefused::NoTip)?;
        let event = ProjectEvent::ProjectSet { project: signed.clone(), at_mtp_secs: tip.mtp_secs };
        Ok((project, vec![Record::Project { project, event }]))
    }

    /// Takes a claim back, for the key that made it. Again gives no records.
    ///
    /// # Errors
    /// [`WishRefused`], the first rule that is broken.
    pub fn withdraw_project(
        &self,
        network: Network,
        signed: &Signed<ProjectWithdrawal>,
    ) -> Result<(ProjectId, Vec<Record>), WishRefused> {
        let statement = &signed.statement;
        wish::same_network(ProjectWithdrawal::NAME, network, statement.network)?;
        signed.verify(&SECP, &Speaker::identity(statement.by))?;
        let project = statement.id();
        let claims = self.projects().claims(&project);
        let own = claims.iter().find(|claim| claim.by == statement.by);
        let own = own.ok_or(WishRefused::NoClaim { by: statement.by })?;
        if own.withdrawals.iter().any(|said| said.signed.statement == *statement) {
            return Ok((project, Vec::new()));
        }
        // Whoever has spoken can always take it back.
        check_next(Some(own), statement.counter, MAX_SETTINGS_OF_KEY + 1)?;
        let tip = self.tip().ok_or(WishRefused::NoTip)?;
        let event = ProjectEvent::ProjectWithdrawn { withdrawal: signed.clone(), at_mtp_secs: tip.mtp_secs };
        Ok((project, vec![Record::Project { project, event }]))
    }
}

/// Whether a key may say one thing more of a project, under this counter.
fn check_next(own: Option<&Claim>, counter: u32, max: usize) -> Result<(), WishRefused> {
    let counters: Vec<u32> = own.into_iter().flat_map(Claim::counters).collect();
    let newest = || counters.iter().copied().max().unwrap_or(0);
    wish::check_counter(counter, counters.contains(&counter), newest)?;
    if counters.len() >= max {
        let what = "statements of one key about a project";
        return Err(WishRefused::TooManyClaims { max: MAX_SETTINGS_OF_KEY, what });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
