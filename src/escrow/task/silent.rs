//! Silent signers: what waits for each of the three seats, since when, whether it has waited so long that the seat is
//! called silent, and what the other two can do without it. A pure reading of state and tip. Silence takes no right
//! away and moves no money; it only says what is so, and what is left.

use super::{Fate, SettlementState, SubmissionState, Task};
use crate::escrow::ballot::{self, Words};
use crate::escrow::charter::Bps;
use crate::escrow::event::Event;
use crate::escrow::facts::Tip;
use crate::escrow::pledge::{Outpoint, Standing};
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{Choice, NamedBy, Role, SettlementId, SubmissionId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// When the three signed what, by the median time past that was known when it was recorded. What was recorded before
/// any block was known has no time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acts {
    attested: BTreeMap<Role, u32>,
    ruled: BTreeMap<SubmissionId, u32>,
    signed: BTreeMap<SettlementId, BTreeMap<Role, u32>>,
    last: BTreeMap<Role, u32>,
}

impl Acts {
    /// Notes an event that was just folded.
    pub(super) fn note(&mut self, event: &Event, mtp_secs: u32) {
        if let Event::SettlementProposed { terms } = event {
            // It may have lapsed and be proposed once more.
            self.signed.remove(&terms.id());
        }
        if mtp_secs == 0 {
            return;
        }
        let role = match event {
            Event::CharterAttested { role, .. } => {
                self.attested.entry(*role).or_insert(mtp_secs);
                *role
            }
            Event::WorkSubmitted { submission, .. } => match submission.statement.named.as_ref() {
                None => Role::Developer,
                Some(named) if named.by == NamedBy::Representative => Role::Representative,
                Some(_) => return,
            },
            Event::WorkJudged { .. } => Role::Representative,
            Event::NoesRuled { ruling } => {
                self.ruled.insert(ruling.statement.submission, mtp_secs);
                Role::Arbiter
            }
            Event::SettlementSigned { settlement, signatures } => {
                let signed = self.signed.entry(*settlement).or_default();
                signed.entry(signatures.role).or_insert(mtp_secs);
                signatures.role
            }
            _ => return,
        };
        self.last.insert(role, mtp_secs);
    }

    /// When the arbiter ruled.
    pub fn ruled_secs(&self, submission: &SubmissionId) -> Option<u32> {
        self.ruled.get(submission).copied()
    }

    /// When a seat signed anything last.
    pub fn last_secs(&self, role: Role) -> Option<u32> {
        self.last.get(&role).copied()
    }
}

/// What waits for a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Wait {
    /// The charter's attestation: others have given theirs.
    Attestation,
    /// The representative's word, which would free the money of the silent.
    Acceptance {
        /// On what.
        submission: SubmissionId,
    },
    /// The arbiter's ruling over noes.
    Ruling {
        /// On what.
        submission: SubmissionId,
    },
    /// A signature on a settlement.
    Signature {
        /// Which.
        settlement: SettlementId,
    },
}

impl Wait {
    /// What is to be done, after "is waited for to".
    pub const fn in_words(&self) -> &'static str {
        match self {
            Wait::Attestation => "agree to the charter, which others have signed",
            Wait::Acceptance { .. } => "accept or refuse the work: the money of the silent waits for it",
            Wait::Ruling { .. } => "rule over the noes",
            Wait::Signature { .. } => "sign a settlement",
        }
    }
}

/// What the other two can do without a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case")]
pub enum Way {
    /// Write another charter with somebody else in the seat.
    AnotherCharter,
    /// Sign this settlement themselves.
    SignWithout {
        /// Which.
        settlement: SettlementId,
    },
    /// Sign a payout of what the votes have freed: every yes, and with an acceptance the silent.
    PayFreed {
        /// Of what.
        submission: SubmissionId,
        /// Last time for it.
        until_secs: u32,
    },
    /// A ruling that pays stands in for the acceptance.
    RulingStandsIn {
        /// On what.
        submission: SubmissionId,
        /// Last time for it.
        until_secs: u32,
    },
    /// Sign an early return of everything.
    EarlyReturn {
        /// Last time for it.
        until_secs: u32,
    },
    /// Nothing about the noes: they come back to their sponsors.
    NoesReturn {
        /// After this time.
        from_secs: u32,
    },
    /// Nothing: what is not moved comes back to its sponsors.
    Refunds {
        /// After this time.
        from_secs: u32,
    },
}

impl Way {
    /// A sentence; its time stands beside it.
    pub const fn in_words(&self) -> &'static str {
        match self {
            Way::AnotherCharter => {
                "Write another charter with somebody else in the seat. Nothing opens without all three, so nothing was paid."
            }
            Way::SignWithout { .. } => "Sign it themselves: two signatures are enough.",
            Way::PayFreed { .. } => "Pay what the votes have freed: the two can sign that payout.",
            Way::RulingStandsIn { .. } => "Let a ruling that pays anything stand in for the missing word.",
            Way::EarlyReturn { .. } => "Give everything back at once: the two can sign an early return.",
            Way::NoesReturn { .. } => {
                "Without a ruling nobody can pay the noes: they come back to their sponsors by themselves."
            }
            Way::Refunds { .. } => "What nobody moves comes back to its sponsors by itself.",
        }
    }

    /// The time that belongs to it: last, or first.
    pub const fn secs(&self) -> Option<(Bound, u32)> {
        match self {
            Way::AnotherCharter | Way::SignWithout { .. } => None,
            Way::PayFreed { until_secs, .. }
            | Way::RulingStandsIn { until_secs, .. }
            | Way::EarlyReturn { until_secs } => Some((Bound::Until, *until_secs)),
            Way::NoesReturn { from_secs } | Way::Refunds { from_secs } => Some((Bound::After, *from_secs)),
        }
    }
}

/// On which side of a time something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Up to it.
    Until,
    /// Beyond it.
    After,
}

/// Something that waits for a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What.
    pub what: Wait,
    /// Since when, Unix seconds of median time past.
    pub since_secs: u32,
    /// Last time at which this is not yet called silence.
    pub silent_after_secs: u32,
    /// Whether the seat is silent about it.
    pub silent: bool,
    /// What the other two can do now.
    pub ways: Vec<Way>,
}

/// A seat, and what waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatState {
    /// Which.
    pub role: Role,
    /// When it signed anything last, as far as known.
    pub last_act_secs: Option<u32>,
    /// The longest wait first.
    pub waiting: Vec<Waiting>,
}

impl SeatState {
    /// Since when the seat has left something waiting that it is silent about.
    pub fn silent_since(&self) -> Option<u32> {
        self.waiting.iter().find(|waiting| waiting.silent).map(|waiting| waiting.since_secs)
    }
}

/// What can be done without a signer, whoever it is.
#[derive(Default)]
struct Left {
    /// Submissions for which a payout would pay something now.
    freed: Vec<SubmissionId>,
    /// Whether everything can be given back now.
    early_return: bool,
    /// Whether money of noes is there. Asked only where something waits for the arbiter.
    noes: bool,
}

impl Task {
    /// When the three signed what.
    pub fn acts(&self) -> &Acts {
        &self.acts
    }

    /// What waits for each of the three, in the order of [`Role::ALL`].
    pub fn seats(&self, tip: &Tip) -> [SeatState; 3] {
        let mut waits: Vec<(Role, Wait, u32)> = self.attestations_missing(tip);
        for submission in self.submissions.iter().filter(|_| tip.mtp_secs <= self.charter.cutoff_secs()) {
            let Some(window) = self.window(submission) else { continue };
            let closed_secs = u32::try_from(window.closes_secs).unwrap_or(u32::MAX);
            let id = submission.id;
            if self.acceptance_waits(submission, tip) {
                waits.push((Role::Representative, Wait::Acceptance { submission: id }, closed_secs));
            }
            if self.ruling_waits(submission, tip) {
                waits.push((Role::Arbiter, Wait::Ruling { submission: id }, closed_secs));
            }
        }
        waits.extend(self.signatures_missing(tip));
        waits.sort_by_key(|(_, _, since_secs)| *since_secs);
        let left = self.left(&waits, tip);
        Role::ALL.map(|role| SeatState {
            role,
            last_act_secs: self.acts.last_secs(role),
            waiting: waits
                .iter()
                .filter(|(of, _, _)| *of == role)
                .map(|(_, what, since_secs)| self.waiting(role, *what, *since_secs, &left, tip))
                .collect(),
        })
    }

    fn waiting(&self, role: Role, what: Wait, since_secs: u32, left: &Left, tip: &Tip) -> Waiting {
        let silent_after_secs = since_secs.saturating_add(self.charter.network().silent_secs());
        Waiting {
            what,
            since_secs,
            silent_after_secs,
            silent: tip.mtp_secs > silent_after_secs,
            ways: self.ways(role, what, left, tip),
        }
    }

    /// While the charter can still open, and somebody has attested at a known time.
    fn attestations_missing(&self, tip: &Tip) -> Vec<(Role, Wait, u32)> {
        let first = self.acts.attested.values().min().copied();
        let Some(since) = first.filter(|_| self.charter.fields().can_open(tip.mtp_secs)) else {
            return Vec::new();
        };
        let missing = Role::ALL.into_iter().filter(|role| !self.attestations.contains_key(role));
        missing.map(|role| (role, Wait::Attestation, since)).collect()
    }

    /// Whether the representative's yes would free money that nothing else frees.
    fn acceptance_waits(&self, submission: &SubmissionState, tip: &Tip) -> bool {
        let named = submission.signed.statement.named.is_some();
        if named || self.may_judge(submission, true).is_err() {
            return false;
        }
        let tally = self.tally(submission, tip);
        let words = self.words(submission, tip);
        let accepted = Words { accepted: Some(true), ..words };
        let frees = ballot::silence_pays(&self.charter, &tally, &accepted)
            && !ballot::silence_pays(&self.charter, &tally, &words);
        let height = submission.signed.statement.block_height;
        frees
            && self.unspent_under(tip).any(|(held, standing)| match standing {
                Standing::Gift => true,
                Standing::Credited => {
                    tally.choice(held.slot.index).is_none()
                        && held.confirmation.is_some_and(|at| at.height <= height)
                }
                _ => false,
            })
    }

    /// Whether noes wait for the arbiter, and a ruling may be given.
    fn ruling_waits(&self, submission: &SubmissionState, tip: &Tip) -> bool {
        self.may_rule(submission, tip).is_ok() && self.noes_unspent(submission, tip)
    }

    fn noes_unspent(&self, submission: &SubmissionState, tip: &Tip) -> bool {
        let tally = self.tally(submission, tip);
        self.unspent_under(tip).any(|(held, standing)| {
            standing == Standing::Credited && tally.choice(held.slot.index) == Some(Choice::No)
        })
    }

    fn unspent_under(&self, tip: &Tip) -> impl Iterator<Item = (&Outpoint, Standing)> {
        let standings = self.standings(tip);
        let unspent = self.outpoints.values().filter(|held| held.unspent());
        unspent.filter_map(move |held| Some((held, *standings.get(&held.outpoint)?)))
    }

    /// Settlements that may be signed and have not what they need. Of several for one purpose the one that waits
    /// longest: who is asked for the same three times is asked once.
    fn signatures_missing(&self, tip: &Tip) -> Vec<(Role, Wait, u32)> {
        let since = |id: &SettlementId, state: &SettlementState| {
            let first = self.acts.signed.get(id).and_then(|signed| signed.values().min().copied());
            first.unwrap_or(state.at_mtp_secs)
        };
        let open = self.settlements.iter().filter(|(_, state)| !state.fully_signed());
        let mut open: Vec<_> = open.map(|(id, state)| (since(id, state), *id, state)).collect();
        open.retain(|(since_secs, ..)| *since_secs > 0);
        open.sort_by_key(|(since_secs, id, _)| (*since_secs, *id));
        let mut longest: BTreeMap<(Role, Kind), (u32, SettlementId)> = BTreeMap::new();
        for (since_secs, id, state) in open {
            let kind = state.plan.terms().kind();
            let mut needed = needed(state);
            needed.retain(|role| !longest.contains_key(&(*role, kind)));
            // Whether it may be signed takes long to say where there are many pledges: asked last.
            if needed.is_empty()
                || !self.chunk_fates(state, tip).contains(&Fate::Pending)
                || self.may_be_signed(state, tip).is_err()
            {
                continue;
            }
            longest.extend(needed.into_iter().map(|role| ((role, kind), (since_secs, id))));
        }
        let wait = |((role, _), (since_secs, settlement))| (role, Wait::Signature { settlement }, since_secs);
        longest.into_iter().map(wait).collect()
    }

    /// What is left to do whoever is silent: asked once for all that waits, since it takes the votes on every submission.
    fn left(&self, waits: &[(Role, Wait, u32)], tip: &Tip) -> Left {
        let asked = waits.iter().filter(|(_, what, _)| *what != Wait::Attestation);
        let asked: BTreeSet<Role> = asked.map(|(role, _, _)| *role).collect();
        if asked.is_empty() {
            return Left::default();
        }
        let open = tip.mtp_secs <= self.charter.cutoff_secs();
        let freed = self.submissions.iter().filter(|submission| open && self.freed(submission, tip));
        let returns = || self.entitlements(&Kind::EarlyReturn, tip).is_ok_and(|all| !all.is_empty());
        let noes = || self.submissions.iter().any(|submission| self.noes_unspent(submission, tip));
        Left {
            freed: freed.map(|submission| submission.id).collect(),
            early_return: open && returns(),
            noes: asked.contains(&Role::Arbiter) && noes(),
        }
    }

    /// What the two others can do while `role` is silent about `what`.
    fn ways(&self, role: Role, what: Wait, left: &Left, tip: &Tip) -> Vec<Way> {
        let (cutoff, refund_time) = (self.charter.cutoff_secs(), self.charter.refund_time_secs());
        let mut ways = Vec::new();
        match what {
            Wait::Attestation => return vec![Way::AnotherCharter],
            Wait::Signature { settlement } => {
                let kind = self.settlements.get(&settlement).map(|state| state.plan.terms().kind());
                let arbiters_own = matches!(kind, Some(Kind::Ruling { .. })) && role == Role::Arbiter;
                if !arbiters_own {
                    ways.push(Way::SignWithout { settlement });
                }
            }
            Wait::Acceptance { .. } | Wait::Ruling { .. } => {}
        }
        let freed = left.freed.iter();
        ways.extend(freed.map(|submission| Way::PayFreed { submission: *submission, until_secs: cutoff }));
        if let Wait::Acceptance { submission } = what
            && let Some(state) = self.submission(&submission)
            && self.may_rule(state, tip).is_ok()
            && let Some(window) = self.window(state)
        {
            let until_secs = u32::try_from(window.ruling_ends_secs).unwrap_or(u32::MAX);
            ways.push(Way::RulingStandsIn { submission, until_secs });
        }
        if left.early_return {
            ways.push(Way::EarlyReturn { until_secs: cutoff });
        }
        ways.push(if role == Role::Arbiter && left.noes {
            Way::NoesReturn { from_secs: refund_time }
        } else {
            Way::Refunds { from_secs: refund_time }
        });
        ways
    }

    /// Whether a payout would pay anything now that is not spent.
    fn freed(&self, submission: &SubmissionState, tip: &Tip) -> bool {
        let kind = Kind::Payout { submission: submission.id };
        let free = |outpoint: &bitcoin::OutPoint| self.outpoints.get(outpoint).is_some_and(Outpoint::unspent);
        self.entitlements(&kind, tip)
            .is_ok_and(|all| all.iter().any(|(outpoint, due)| due.pay > Bps::NONE && free(outpoint)))
    }
}

/// Whose signatures a settlement that is not fully signed waits for. One that nobody has signed waits for those whose
/// part it is; nobody is asked to give back what nobody has begun to give back.
fn needed(state: &SettlementState) -> BTreeSet<Role> {
    let done = state.signatures.roles_done();
    let kind = state.plan.terms().kind();
    let others = [Role::Developer, Role::Representative];
    match kind {
        Kind::Ruling { .. } if !done.contains(&Role::Arbiter) => [Role::Arbiter].into(),
        Kind::Ruling { .. } => others.into_iter().filter(|role| !done.contains(role)).collect(),
        Kind::Payout { .. } | Kind::Milestone { .. } if state.signatures.is_empty() => others.into(),
        Kind::EarlyReturn | Kind::Move { .. } if state.signatures.is_empty() => BTreeSet::new(),
        Kind::Payout { .. } | Kind::EarlyReturn | Kind::Milestone { .. } | Kind::Move { .. } => {
            Role::ALL.into_iter().filter(|role| !done.contains(role)).collect()
        }
    }
}
