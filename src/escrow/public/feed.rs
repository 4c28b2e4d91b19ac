//! The fold: journal records in, public events out. Appends are whole: what follows from the facts of an
//! append and its tip together is told once, at its end. Under a new tip only those tasks are looked at that
//! the tip can change: each says between which heights and median times past nothing happens by itself.

use super::said;
use super::signer::{self, SignedBy};
use super::told::{self, Told};
use super::{At, EventId, Payment, ProjectId, PublicEvent, Repository, What};
use crate::escrow::book::Book;
use crate::escrow::descriptor::OPEN_INDEX;
use crate::escrow::event::{Event, Record, WishEvent};
use crate::escrow::facts::Tip;
use crate::escrow::refund::RefundBundle;
use crate::escrow::statement::{CharterId, TaskId};
use crate::escrow::statement::{EvidenceKind, Party};
use crate::escrow::task::Task;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A record's place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// Unix time it was recorded at.
    pub at_secs: u64,
    /// More records of the same append follow.
    pub more: bool,
}

/// Turns records into events. Feed it every record of a journal, in order, each with the book that the
/// record was folded into already.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// The tip that was told under last.
    tip: Option<Tip>,
    tasks: BTreeMap<CharterId, Source>,
    /// Repositories of wishes and claims, each kept once.
    repositories: BTreeMap<ProjectId, Repository>,
    /// Charters that the present append drafted from wishes.
    chartered: Vec<(TaskId, CharterId)>,
    heights: Schedule,
    mtps: Schedule,
    /// What of the present append must be looked at when it ends.
    touched: BTreeSet<CharterId>,
    /// What the present append tells.
    telling: Vec<PublicEvent>,
}

/// What all events of a task share, and what was told.
#[derive(Clone, Debug)]
struct Source {
    project: ProjectId,
    repository: Repository,
    told: Told,
}

/// When tasks want to be looked at: when the tip's number reaches, or falls below.
#[derive(Clone, Debug, Default)]
struct Schedule {
    reaches: BTreeSet<(u64, CharterId)>,
    below: BTreeSet<(u64, CharterId)>,
}

impl Schedule {
    fn set(&mut self, charter: CharterId, old: told::Quiet, new: told::Quiet) {
        if old == new {
            return;
        }
        let change = |set: &mut BTreeSet<(u64, CharterId)>, old: Option<u64>, new: Option<u64>| {
            old.map(|at| set.remove(&(at, charter)));
            new.map(|at| set.insert((at, charter)));
        };
        change(&mut self.reaches, old.until, new.until);
        change(&mut self.below, old.from, new.from);
    }

    /// Who wants to be looked at when the number is `now`.
    fn due(&self, now: u64) -> impl Iterator<Item = CharterId> {
        let first = CharterId([0; 32]);
        let reached = self.reaches.range(..(now.saturating_add(1), first));
        let fallen = self.below.range((Bound::Included((now.saturating_add(1), first)), Bound::Unbounded));
        reached.chain(fallen).map(|(_, charter)| *charter)
    }
}

impl Feed {
    /// Folds one record. `book` has it already. What an append tells comes with its last record.
    pub fn apply(&mut self, entry: Entry, record: &Record, book: &Book) -> Vec<PublicEvent> {
        match record {
            // Which tasks the tip changes is asked when all facts are there.
            Record::Chain { .. } | Record::RefundBatch { .. } => {}
            Record::Wish { wish, event } => {
                if let Some(state) = book.wishes().get(wish) {
                    let (what, signed_by) = said::of_wish(state, event);
                    self.tell(entry, state.repository(), Some(*wish), what, signed_by);
                    if matches!(event, WishEvent::WishWritten { .. }) {
                        self.chartered.extend(book.charters_of(state).map(|task| (*wish, task.id())));
                    }
                }
            }
            Record::Project { project, event } => {
                if let Some((repository, what, signed_by)) = said::of_project(book.projects(), project, event)
                {
                    self.tell(entry, repository, None, what, Some(signed_by));
                }
            }
            Record::Task { charter, event } => {
                if let Some(task) = book.task(charter) {
                    self.take(entry, task, event, book.tip());
                    let fields = task.charter().fields();
                    let wish = book.wishes().get(&fields.task);
                    if matches!(event, Event::TaskDrafted { .. })
                        && wish.is_some_and(|wish| wish.repository() == fields.repository)
                    {
                        self.chartered.push((fields.task, *charter));
                    }
                }
            }
        }
        if entry.more {
            return Vec::new();
        }
        self.look(entry, book);
        // Behind everything else, so that what was told before wishes were has the ids it had.
        for (wish, charter) in std::mem::take(&mut self.chartered) {
            if let Some(state) = book.wishes().get(&wish) {
                self.tell(entry, state.repository(), Some(wish), What::WishChartered {}, None);
                self.telling.last_mut().map(|event| event.charter.insert(charter));
            }
        }
        let at = book.tip().map(At::from);
        let mut events = std::mem::take(&mut self.telling);
        events.iter_mut().for_each(|event| event.at = at);
        events
    }

    /// Tells what is about no task.
    fn tell(
        &mut self,
        entry: Entry,
        repository: &str,
        wish: Option<TaskId>,
        what: What,
        signed_by: Option<SignedBy>,
    ) {
        let project = ProjectId::of(repository);
        let known = self.repositories.entry(project).or_insert_with(|| Repository::new(repository));
        let event = PublicEvent {
            id: next_id(entry, &self.telling),
            what,
            charter: None,
            wish,
            pledge: None,
            signed_by,
            project,
            repository: known.clone(),
            at: None,
            recorded_secs: entry.at_secs,
        };
        self.telling.push(event);
    }

    /// What a record says by itself; and whether its task is to be looked at.
    fn take(&mut self, entry: Entry, task: &Task, event: &Event, tip: Option<&Tip>) {
        let charter = task.id();
        if matches!(event, Event::TaskDrafted { .. }) {
            let repository = &task.charter().fields().repository;
            let source = Source {
                project: ProjectId::of(repository),
                repository: Repository::new(repository),
                told: Told::new(),
            };
            self.tasks.insert(charter, source);
        }
        let Some(source) = self.tasks.get_mut(&charter) else { return };
        if let Event::SettlementProposed { terms } = event {
            source.told.forget_settlement(&terms.id());
        }
        if let Some((pledge, what)) = said(task, event, &source.told) {
            let told = source.event(entry, charter, &self.telling, pledge, what);
            self.telling.push(PublicEvent { signed_by: signer::of_record(task, event), ..told });
        }
        // These change nothing that is told from comparing.
        let only_said = match event {
            Event::PledgeIssued { .. }
            | Event::RefundSecured { .. }
            | Event::RefundPrepared { .. }
            | Event::MoveSigned { .. }
            | Event::VoteCast { .. }
            | Event::WorkJudged { .. }
            | Event::EvidenceGiven { .. }
            | Event::NoesRuled { .. } => true,
            Event::TaskDrafted { .. }
            | Event::CharterAttested { .. }
            | Event::TaskOpened
            | Event::OutpointSeen { .. }
            | Event::OutpointConfirmed { .. }
            | Event::OutpointUnconfirmed { .. }
            | Event::OutpointVanished { .. }
            | Event::OutpointSpent { .. }
            | Event::OutpointUnspent { .. }
            // They tell of a spend that is there already where it went.
            | Event::LateMoveSigned { .. }
            | Event::LateLadderSigned { .. }
            | Event::WorkSubmitted { .. }
            | Event::SubmissionBlockMoved { .. }
            | Event::MergeConfirmed { .. }
            | Event::ConfirmationBlockMoved { .. }
            | Event::SettlementProposed { .. }
            | Event::SettlementSigned { .. }
            | Event::SettlementBroadcast { .. } => false,
        };
        if !only_said || tip.is_none() {
            self.touched.insert(charter);
        }
    }

    /// Tells what follows from the append as a whole.
    fn look(&mut self, entry: Entry, book: &Book) {
        let tip = book.tip();
        let mut touched = std::mem::take(&mut self.touched);
        if let Some(tip) = tip.filter(|tip| self.tip.as_ref() != Some(*tip)) {
            if self.tip.is_none() {
                touched.extend(self.tasks.keys());
            }
            touched.extend(self.heights.due(u64::from(tip.height)));
            touched.extend(self.mtps.due(u64::from(tip.mtp_secs)));
        }
        for charter in touched {
            let Some(task) = book.task(&charter) else { continue };
            let Some(source) = self.tasks.get_mut(&charter) else { continue };
            let now = Told::of(task, tip);
            let (source_was, telling) = (&*source, &mut self.telling);
            source_was.told.tell(&now, task, (self.tip.as_ref(), tip), &mut |pledge, what| {
                let signed_by = signer::of_told(task, &what);
                let event = source_was.event(entry, charter, telling, pledge, what);
                telling.push(PublicEvent { signed_by, ..event });
            });
            self.heights.set(charter, source.told.heights, now.heights);
            self.mtps.set(charter, source.told.mtps, now.mtps);
            source.told = now;
        }
        self.tip = tip.copied();
    }

    /// Every task, looked at under the present tip, as if none could be skipped: tells nothing if nothing was
    /// missed.
    #[cfg(test)]
    pub(super) fn look_at_all(&mut self, entry: Entry, book: &Book) -> Vec<PublicEvent> {
        self.touched.extend(self.tasks.keys());
        self.look(entry, book);
        std::mem::take(&mut self.telling)
    }
}

impl Source {
    fn event(
        &self,
        entry: Entry,
        charter: CharterId,
        telling: &[PublicEvent],
        pledge: Option<u32>,
        what: What,
    ) -> PublicEvent {
        PublicEvent {
            id: next_id(entry, telling),
            what,
            charter: Some(charter),
            wish: None,
            pledge: pledge.filter(|index| *index != OPEN_INDEX),
            signed_by: None,
            project: self.project,
            repository: self.repository.clone(),
            at: None,
            recorded_secs: entry.at_secs,
        }
    }
}

/// Numbered among what the same record tells; the last one's number is the highest.
fn next_id(entry: Entry, telling: &[PublicEvent]) -> EventId {
    let place = telling.last().filter(|last| last.id.seq == entry.seq).map_or(0, |last| last.id.place + 1);
    EventId { seq: entry.seq, place }
}

/// What a record says by itself, with the pledge it is about.
fn said(task: &Task, event: &Event, told: &Told) -> Option<(Option<u32>, What)> {
    let about = |pledge: u32, what| Some((Some(pledge), what));
    let of_task = |what| Some((None, what));
    match event {
        Event::TaskDrafted { text, .. } => {
            let target_sat = task.charter().fields().target_sat;
            of_task(What::TaskDrafted { title: crate::escrow::task::title(text), target_sat })
        }
        Event::CharterAttested { role, .. } => of_task(What::CharterAttested { role: *role }),
        Event::TaskOpened => {
            of_task(What::TaskOpened { open_address: task.open_output().address.to_string() })
        }
        Event::PledgeIssued { index, amount, .. } => {
            let address = task.pledges().get(index)?.output.address.to_string();
            about(*index, What::PledgeIssued { address, promised_sat: amount.to_sat() })
        }
        Event::RefundSecured { refund } => {
            let held = task.outpoints().get(&refund.outpoint)?;
            let payment = Payment { outpoint: held.outpoint, amount_sat: held.amount.to_sat() };
            let pair_only = held.refund.as_ref().is_some_and(RefundBundle::pair_only);
            about(held.slot.index, What::RefundSecured { payment, pair_only })
        }
        Event::RefundPrepared { slot, refund } => {
            let payment = Payment { outpoint: refund.outpoint, amount_sat: refund.amount_sat };
            about(slot.index, What::RefundPrepared { payment, generation: slot.generation })
        }
        Event::MoveSigned { consent }
        | Event::LateMoveSigned { consent, .. }
        | Event::LateLadderSigned { consent, .. } => {
            let said = &consent.statement;
            let held = task.outpoints().get(&said.outpoint)?;
            let payment = Payment { outpoint: held.outpoint, amount_sat: held.amount.to_sat() };
            let (to_charter, to_index) = (said.to_charter, said.to_index);
            about(held.slot.index, What::MoveSigned { payment, to_charter, to_index })
        }
        Event::WorkSubmitted { submission, .. } => {
            let statement = &submission.statement;
            of_task(What::WorkSubmitted {
                submission: statement.id(),
                number: statement.number,
                link: statement.link.clone(),
                content: statement.content,
            })
        }
        // Where the vote waits for a merge, the submission's block says nothing of the times.
        Event::SubmissionBlockMoved { .. } if task.charter().fields().vote_opens.awaits().is_some() => None,
        Event::MergeConfirmed { confirmation, .. } => {
            let (submission, confirmed) =
                (confirmation.statement.submission, confirmation.statement.confirmed);
            of_task(What::MergeConfirmed { submission, confirmed })
        }
        Event::SubmissionBlockMoved { submission, .. } | Event::ConfirmationBlockMoved { submission, .. } => {
            let review = told::review(task, task.submission(submission)?)?;
            of_task(What::ReviewMoved { submission: *submission, review })
        }
        Event::VoteCast { vote, receipt } => {
            let vote = &vote.statement;
            let submission = task.submission(&vote.submission)?;
            let height = submission.signed.statement.block_height;
            about(
                vote.pledge,
                What::VoteCast {
                    submission: vote.submission,
                    choice: vote.choice,
                    counter: vote.counter,
                    counted: task
                        .window(submission)
                        .is_some_and(|window| !window.closed(receipt.statement.tip_mtp_secs)),
                    weight_sat: told.weight_sat(vote.pledge, height),
                },
            )
        }
        Event::WorkJudged { acceptance } => {
            let statement = &acceptance.statement;
            let (submission, accepted) = (statement.submission, statement.accepted);
            of_task(What::AcceptanceGiven { submission, accepted })
        }
        Event::EvidenceGiven { evidence } => {
            let statement = &evidence.statement;
            let pledge = match statement.by {
                Party::Pledge(index) => Some(index),
                Party::Signer(_) | Party::Leader => None,
            };
            let what = What::EvidenceGiven {
                submission: statement.submission,
                by: statement.by,
                dispute: statement.kind == EvidenceKind::Dispute,
                counter: statement.counter,
            };
            Some((pledge, what))
        }
        Event::NoesRuled { ruling } => {
            let statement = &ruling.statement;
            of_task(What::RulingGiven { submission: statement.submission, pay_bps: statement.pay_bps })
        }
        Event::SettlementProposed { terms } => {
            let plan = &task.settlements().get(&terms.id())?.plan;
            let amount = terms.inputs().iter().map(|input| input.amount.to_sat());
            of_task(What::SettlementProposed {
                settlement: terms.id(),
                kind: terms.kind(),
                feerate_sat_per_vb: terms.feerate_sat_per_vb(),
                payments: terms.inputs().len(),
                amount_sat: amount.fold(0, u64::saturating_add),
                transactions: plan.chunks().len(),
            })
        }
        Event::SettlementBroadcast { settlement, chunk, form, .. } => {
            let form = task.settlements().get(settlement)?.plan.form(*chunk, *form)?;
            of_task(What::SettlementBroadcast {
                settlement: *settlement,
                transaction: *chunk,
                txid: form.txid,
                feerate_sat_per_vb: form.feerate_sat_per_vb,
            })
        }
        // Told from comparing with what was told before, together with the tip.
        Event::OutpointSeen { .. }
        | Event::OutpointConfirmed { .. }
        | Event::OutpointUnconfirmed { .. }
        | Event::OutpointVanished { .. }
        | Event::OutpointSpent { .. }
        | Event::OutpointUnspent { .. }
        | Event::SettlementSigned { .. } => None,
    }
}
