//! What waits for somebody in a seat: over all tasks, from state and tip. Nothing is stored for it.

use super::super::pieces::title;
use super::super::settlement::moves::people;
use super::super::settlements::number_of;
use super::super::{stage_words, words};
use crate::escrow::ballot::Verdict;
use crate::escrow::facts::Tip;
use crate::escrow::settlement::Kind;
use crate::escrow::statement::{CharterId, Confirmed, Role};
use crate::escrow::task::{Fate, Refused, SettlementState, SubmissionState, Task};
use bitcoin::OutPoint;
use serde::Serialize;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// What kind of thing waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The charter is to be agreed to.
    Attest,
    /// That the work is merged or released is to be confirmed.
    Confirm,
    /// Work may be submitted.
    Submit,
    /// The representative's word is due.
    Judge,
    /// The arbiter's word is due.
    Rule,
    /// A settlement is to be signed.
    Sign,
    /// Money may move, and nobody has proposed it.
    Propose,
    /// Sponsors signed for a move, and nobody has proposed it.
    Move,
    /// Sponsors vote.
    Watch,
}

/// Something that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What.
    pub what: What,
    /// The task.
    pub charter: CharterId,
    /// Its title.
    pub title: String,
    /// In a sentence.
    pub words: String,
    /// What one does about it.
    pub act: &'static str,
    /// Where.
    pub link: String,
    /// Whether somebody waits for this very seat; what is only to be watched, or another can do, is not.
    pub due: bool,
    /// Until when, Unix seconds of median time past.
    pub deadline_secs: Option<u32>,
}

impl Waiting {
    /// Names it in the page, so that it can be changed in place: of one kind there is one for each submission or
    /// settlement, and that is what ends the path of its link.
    pub fn anchor(&self) -> String {
        let path = self.link.split('#').next().unwrap_or_default().trim_end_matches("/say");
        let ending: String = path.chars().rev().take(8).filter(char::is_ascii_alphanumeric).collect();
        let charter = self.charter.to_string();
        format!("wait-{}-{:?}-{ending}", charter.get(..8).unwrap_or_default(), self.what).to_lowercase()
    }
}

fn secs(secs: u64) -> u32 {
    u32::try_from(secs).unwrap_or(u32::MAX)
}

/// What waits for `role` in a task.
pub fn waiting(task: &Task, role: Role, tip: Option<&Tip>) -> Vec<Waiting> {
    let Some(tip) = tip else { return Vec::new() };
    let seat = Seat { task, role, tip, proposed: OnceCell::new() };
    let mut all = Vec::new();
    all.extend(seat.attest());
    if task.opened() {
        all.extend(seat.submit());
        for submission in task.submissions() {
            all.extend(seat.judge(submission));
            all.extend(seat.rule(submission));
            all.extend(seat.watch(submission));
        }
        for settlement in task.settlements().values() {
            all.extend(seat.sign(settlement));
        }
        all.extend(seat.propose());
        all.extend(seat.propose_moves());
    }
    all
}

struct Seat<'a> {
    task: &'a Task,
    role: Role,
    tip: &'a Tip,
    /// What proposals would spend: asked for by each kind, computed once.
    proposed: OnceCell<BTreeSet<OutPoint>>,
}

impl Seat<'_> {
    fn wait(&self, what: What, words: String, act: &'static str, link: String) -> Waiting {
        let (charter, title) = (self.task.id(), title(self.task.text()));
        Waiting { what, charter, title, words, act, link, due: true, deadline_secs: None }
    }

    fn past(&self, secs: u64) -> bool {
        u64::from(self.tip.mtp_secs) > secs
    }

    fn case(&self, submission: &SubmissionState) -> String {
        format!("/desk/{}/{}/{}", self.role, self.task.id(), submission.id)
    }

    fn attest(&self) -> Option<Waiting> {
        let fields = self.task.charter().fields();
        let close_secs = fields.funding_close;
        if self.task.attestations().contains_key(&self.role) || !fields.can_open(self.tip.mtp_secs) {
            return None;
        }
        let words = "You are named in this charter. Read it, and agree or let it lie.".to_owned();
        let link = format!("/tasks/{}/charter", self.task.id());
        let wait = self.wait(What::Attest, words, "Read and attest", link);
        Some(Waiting { deadline_secs: Some(close_secs), ..wait })
    }

    fn submit(&self) -> Option<Waiting> {
        if self.role != Role::Developer || self.task.may_submit(self.tip).is_err() {
            return None;
        }
        let deadline_secs = self.task.charter().fields().work_deadline;
        let totals = self.task.totals(self.tip);
        // Nobody waits for work that nobody has paid for so far.
        let paid_for = totals.credited + totals.gifts > bitcoin::Amount::ZERO;
        let first = self.task.submissions().is_empty();
        let words = match (first, paid_for) {
            (true, true) => "When the work is done, submit it here.",
            (true, false) => "When the work is done, submit it here. Nothing has been paid for it so far.",
            (false, _) if self.awaits().is_some() => {
                "Your last submission waits for the leader's confirmation. You may submit again in its place."
            }
            (false, _) => "You may submit again.",
        };
        let link = format!("/desk/developer/{}", self.task.id());
        let wait = self.wait(What::Submit, words.to_owned(), "Submit work", link);
        Some(Waiting { deadline_secs: Some(deadline_secs), due: first && paid_for, ..wait })
    }

    /// What the latest submission waits for before sponsors vote on it.
    fn awaits(&self) -> Option<Confirmed> {
        self.task.awaits(self.task.submissions().last()?)
    }

    fn judge(&self, submission: &SubmissionState) -> Option<Waiting> {
        if self.role != Role::Representative || self.task.may_judge(submission, true).is_err() {
            return None;
        }
        // Under a submission that names payees silence pays nothing, whatever this word is.
        if submission.signed.statement.named.is_some() {
            return None;
        }
        // The word is taken for ever; a desk keeps it only while money may move on it.
        if self.past(u64::from(self.task.charter().cutoff_secs())) {
            return None;
        }
        // Before the merge or release is confirmed nobody waits for this word.
        let window = self.task.window(submission)?;
        let closed = window.closed(self.tip.mtp_secs);
        let over = window.ruling_over(self.tip.mtp_secs);
        let may_refuse = self.task.may_judge(submission, false).is_ok();
        let until = match (closed, over || !may_refuse) {
            (false, _) => secs(window.closes_secs),
            (true, false) => secs(window.ruling_ends_secs),
            (true, true) => self.task.charter().cutoff_secs(),
        };
        let words = if !may_refuse {
            "the arbiter's ruling stands in for your word. You may still accept."
        } else if over {
            "you have said nothing, and no ruling came. Your word may still free the money of the silent."
        } else if closed {
            "voting is over and you have said nothing. A ruling may stand in for your word."
        } else {
            "do you accept the work? Your word frees the money of sponsors who say nothing."
        };
        let words = format!("Submission {}: {words}", submission.signed.statement.number + 1);
        let act = if may_refuse { "Accept or refuse" } else { "Accept" };
        let wait = self.wait(What::Judge, words, act, self.case(submission));
        Some(Waiting { due: may_refuse, deadline_secs: Some(until), ..wait })
    }

    fn rule(&self, submission: &SubmissionState) -> Option<Waiting> {
        if self.role != Role::Arbiter {
            return None;
        }
        let closed = match self.task.may_rule(submission, self.tip) {
            Ok(()) => true,
            // It may soon: whoever rules then can look at the case now.
            Err(Refused::RulingTooEarly { .. }) => false,
            Err(_) => return None,
        };
        let window = self.task.window(submission)?;
        let number = submission.signed.statement.number + 1;
        let contested = self.contested(submission);
        let silent = submission.acceptance.is_none();
        let words = match (closed, contested > 0, silent) {
            (true, true, _) => format!(
                "Submission {number}: {contested} {} for your ruling.",
                if contested == 1 { "pledge voted no and waits" } else { "pledges voted no and wait" }
            ),
            (true, false, true) => format!(
                "Submission {number}: nobody voted no, and the representative said nothing. Your ruling may stand in."
            ),
            (false, true, _) => format!(
                "Submission {number}: {contested} {} voted no so far. You can rule once voting is over.",
                words::plural("pledge", contested)
            ),
            (_, false, _) if submission.disputed() => {
                format!("Submission {number} is disputed; nobody voted no so far.")
            }
            (false | true, false, _) => return None,
        };
        let words =
            if submission.disputed() && contested > 0 { format!("{words} It is disputed.") } else { words };
        let act = if closed { "Hear both sides and rule" } else { "Look at the case" };
        let until = if closed { window.ruling_ends_secs } else { window.closes_secs };
        let wait = self.wait(What::Rule, words, act, self.case(submission));
        Some(Waiting { due: closed && contested > 0, deadline_secs: Some(secs(until)), ..wait })
    }

    fn contested(&self, submission: &SubmissionState) -> u32 {
        let verdicts = self.task.verdicts(submission, self.tip);
        let count = verdicts.values().filter(|verdict| **verdict == Verdict::Contested).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn watch(&self, submission: &SubmissionState) -> Option<Waiting> {
        let window = self.task.window(submission)?;
        if self.role == Role::Arbiter || window.closed(self.tip.mtp_secs) {
            return None;
        }
        let tally = self.task.tally(submission, self.tip);
        let said = words::percent((tally.yes + tally.no).to_sat(), tally.electorate.to_sat());
        let words = format!(
            "Submission {}: {said} % of the weight has voted, {} yes and {} no.",
            submission.signed.statement.number + 1,
            words::sat(tally.yes.to_sat()),
            words::sat(tally.no.to_sat())
        );
        let link = match self.role {
            Role::Representative => self.case(submission),
            _ => format!("/tasks/{}/submissions/{}", self.task.id(), submission.id),
        };
        let wait = self.wait(What::Watch, words, "See the votes", link);
        Some(Waiting { due: false, deadline_secs: Some(secs(window.closes_secs)), ..wait })
    }

    fn sign(&self, state: &SettlementState) -> Option<Waiting> {
        let done = state.signatures.roles_done();
        let pending = self.task.chunk_fates(state, self.tip).contains(&Fate::Pending);
        if done.contains(&self.role)
            || state.fully_signed()
            || !pending
            || self.task.may_be_signed(state, self.tip).is_err()
        {
            return None;
        }
        let kind = state.plan.terms().kind();
        let spent: u64 = state.plan.terms().inputs().iter().map(|input| input.amount.to_sat()).sum();
        let of = match kind {
            Kind::Payout { submission } | Kind::Ruling { submission } | Kind::Milestone { submission } => {
                let number = number_of(self.task, &submission).unwrap_or_default();
                format!("{}, submission {number}", stage_words::kind(&kind))
            }
            Kind::EarlyReturn if self.task.to_be_returned(self.tip) => {
                format!("{}, because the target was missed", stage_words::kind(&kind))
            }
            Kind::EarlyReturn | Kind::Move { .. } => stage_words::kind(&kind).to_owned(),
        };
        let words = if done.is_empty() {
            format!("{of}: {} move. Nobody has signed yet.", words::sat(spent))
        } else {
            format!("{of}: {} move. 1 of 2 signed, by {}.", words::sat(spent), people(&done))
        };
        let link = format!("/tasks/{}/settlements/{}", self.task.id(), state.plan.id());
        let wait = self.wait(What::Sign, words, "Review and sign", link);
        let ruling = matches!(kind, Kind::Ruling { .. });
        let due = (self.role == Role::Arbiter) == ruling || (ruling && !done.is_empty());
        Some(Waiting { due, deadline_secs: Some(self.task.charter().cutoff_secs()), ..wait })
    }

    /// Money that votes or a ruling have freed, and that no proposal moves so far.
    fn propose(&self) -> Option<Waiting> {
        if self.past(u64::from(self.task.charter().cutoff_secs())) {
            return None;
        }
        let several = self.task.charter().milestones() > 1;
        let of = |submission: &SubmissionState| -> Vec<Kind> {
            let ruled = submission.ruling.is_some();
            let submission = submission.id;
            match self.role {
                Role::Arbiter if ruled => vec![Kind::Ruling { submission }],
                Role::Arbiter => Vec::new(),
                _ if several => vec![Kind::Payout { submission }, Kind::Milestone { submission }],
                _ => vec![Kind::Payout { submission }],
            }
        };
        let kinds = self.task.submissions().iter().flat_map(of);
        let sat = kinds.map(|kind| self.free(kind)).max().unwrap_or_default();
        if sat == 0 {
            return None;
        }
        let words = match self.role {
            Role::Arbiter => format!("Your ruling frees {}. Nobody has proposed it so far.", words::sat(sat)),
            _ => format!("The votes free {}. Nobody has proposed the payout so far.", words::sat(sat)),
        };
        let link = format!("/tasks/{}/settlements#propose", self.task.id());
        let wait = self.wait(What::Propose, words, "Propose it", link);
        Some(Waiting { deadline_secs: Some(self.task.charter().cutoff_secs()), ..wait })
    }

    /// Pledges that their sponsors signed over to another charter, and that no proposal moves so far. Whether their
    /// refunds there are signed is seen where it is proposed.
    fn propose_moves(&self) -> Option<Waiting> {
        let cutoff_secs = self.task.charter().cutoff_secs();
        if self.role == Role::Arbiter || self.task.moves().is_empty() || self.past(u64::from(cutoff_secs)) {
            return None;
        }
        let proposed = self.proposed();
        let held = |outpoint: &OutPoint| self.task.outpoints().get(outpoint).filter(|held| held.unspent());
        let signed: BTreeSet<OutPoint> = self.task.moves().keys().map(|(outpoint, _)| *outpoint).collect();
        let waits = signed.iter().filter(|outpoint| !proposed.contains(outpoint)).filter_map(held);
        let sat: u64 = waits.map(|held| held.amount.to_sat()).sum();
        let words =
            format!("Sponsors signed {} over to another charter. The move may be proposed.", words::sat(sat));
        let link = format!("/tasks/{}/settlements#propose", self.task.id());
        let wait = self.wait(What::Move, words, "Look and propose it", link);
        (sat > 0).then_some(Waiting { due: false, deadline_secs: Some(cutoff_secs), ..wait })
    }

    /// What a settlement of this kind may pay, and no proposal does; of a ruling, all that it decides over.
    fn free(&self, kind: Kind) -> u64 {
        let Ok(allowed) = self.task.entitlements(&kind, self.tip) else { return 0 };
        let proposed = self.proposed();
        let freed = allowed.into_iter().filter_map(|(outpoint, entitlement)| {
            let held = self.task.outpoints().get(&outpoint).filter(|held| held.unspent())?;
            // What stays in escrow goes nowhere before its refund is signed.
            let secured = !matches!(kind, Kind::Milestone { .. }) || self.prepared(held.slot.index);
            let sat = match kind {
                Kind::Ruling { .. } => held.amount.to_sat(),
                _ => entitlement.pay.of(held.amount).to_sat(),
            };
            (secured && !proposed.contains(&outpoint)).then_some(sat)
        });
        freed.sum()
    }

    /// Whether refunds were signed in advance of what a settlement would leave of a pledge.
    fn prepared(&self, pledge: u32) -> bool {
        self.task.prepared_of(pledge).next().is_some()
    }

    /// What proposals that can still be signed, or go out, would spend.
    fn proposed(&self) -> &BTreeSet<OutPoint> {
        self.proposed.get_or_init(|| {
            let may = |state: &&SettlementState| self.task.may_be_signed(state, self.tip).is_ok();
            self.task.settlements().values().filter(may).flat_map(|state| state.plan.outpoints()).collect()
        })
    }
}
