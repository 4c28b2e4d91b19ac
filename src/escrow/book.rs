//! The book: every task of the service, the tip, and the refund batches under way, as a fold of journal
//! records. Pure: the service wraps it with a journal, a chain and a clock.

use super::descriptor::Slot;
use super::event::{BatchRecord, Command, Event, Record};
use super::facts::{ScriptView, Tip};
use super::project::{ProjectApplyError, Projects};
use super::public::ProjectId;
use super::refund::Rung;
use super::settlement::Kind;
use super::statement::{CharterId, Move, Signed, TaskId};
use super::task::{self, ApplyError, Refused, Task};
use super::wish::{WishApplyError, Wishes};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::{OutPoint, ScriptBuf, Transaction};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything the journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    tip: Option<Tip>,
    tasks: BTreeMap<CharterId, Task>,
    /// In the order they were written down.
    order: Vec<CharterId>,
    /// Those of each repository, and those under each task's id, in the same order.
    of_project: BTreeMap<ProjectId, Vec<CharterId>>,
    of_task: BTreeMap<TaskId, Vec<CharterId>>,
    /// From which tasks sponsors have signed something over, by the charter where to.
    moving_to: BTreeMap<CharterId, BTreeSet<CharterId>>,
    /// Every script ever issued, and whose it is.
    scripts: HashMap<ScriptBuf, (CharterId, Slot)>,
    batches: Vec<BatchRecord>,
    wishes: Wishes,
    projects: Projects,
}

/// A record that cannot be folded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// It names a task that was never drafted.
    #[error("it names task {charter}, which was never drafted")]
    UnknownTask {
        /// The charter.
        charter: CharterId,
    },
    /// The event cannot have happened.
    #[error("task {charter}: {source}")]
    Apply {
        /// The charter.
        charter: CharterId,
        /// Why.
        source: ApplyError,
    },
    /// The task's id is not the id of its charter.
    #[error("task {charter} was drafted with another charter's text")]
    WrongCharter {
        /// The charter.
        charter: CharterId,
    },
    /// The event of a wish cannot have happened.
    #[error("wish {wish}: {source}")]
    Wish {
        /// The wish.
        wish: TaskId,
        /// Why.
        source: Box<WishApplyError>,
    },
    /// The event of a project cannot have happened.
    #[error("project {project}: {source}")]
    Project {
        /// The project.
        project: ProjectId,
        /// Why.
        source: Box<ProjectApplyError>,
    },
}

impl Book {
    /// The tip that all facts in the book were read under.
    pub fn tip(&self) -> Option<&Tip> {
        self.tip.as_ref()
    }

    /// Every task.
    pub fn tasks(&self) -> &BTreeMap<CharterId, Task> {
        &self.tasks
    }

    /// Every task, in the order they were written down. A task's place never changes.
    pub fn in_order(&self) -> impl Iterator<Item = &Task> {
        self.order.iter().filter_map(|charter| self.tasks.get(charter))
    }

    /// The tasks of a repository, in the order they were written down.
    pub fn tasks_of<'a>(&'a self, repository: &'a str) -> impl Iterator<Item = &'a Task> {
        let charters = self.of_project.get(&ProjectId::of(repository)).into_iter().flatten();
        let tasks = charters.filter_map(|charter| self.tasks.get(charter));
        tasks.filter(move |task| task.charter().fields().repository == repository)
    }

    /// The repository of some task with this project's id.
    pub fn repository_of(&self, project: &ProjectId) -> Option<&str> {
        let task = self.task(self.of_project.get(project)?.first()?)?;
        Some(task.charter().fields().repository.as_str())
    }

    /// The tasks whose charters name this as their task, in the order they were written down.
    pub fn tasks_under(&self, id: &TaskId) -> impl Iterator<Item = &Task> {
        let charters = self.of_task.get(id).into_iter().flatten();
        charters.filter_map(|charter| self.tasks.get(charter))
    }

    /// The tasks of which a sponsor ever signed that something moves to this charter, in the order of charters.
    pub fn moving_to(&self, charter: &CharterId) -> impl Iterator<Item = &Task> {
        let charters = self.moving_to.get(charter).into_iter().flatten();
        charters.filter_map(|charter| self.tasks.get(charter))
    }

    /// One task.
    pub fn task(&self, charter: &CharterId) -> Option<&Task> {
        self.tasks.get(charter)
    }

    /// Refund batches, oldest first.
    pub fn batches(&self) -> &[BatchRecord] {
        &self.batches
    }

    /// Every wish.
    pub fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// What was said of projects.
    pub fn projects(&self) -> &Projects {
        &self.projects
    }

    /// Every script that was ever issued.
    pub fn scripts(&self) -> impl Iterator<Item = &ScriptBuf> {
        self.scripts.keys()
    }

    /// Whose script it is.
    pub fn owner(&self, script: &ScriptBuf) -> Option<(CharterId, Slot)> {
        self.scripts.get(script).copied()
    }

    /// An outpoint wherever it is.
    pub fn find(&self, outpoint: &OutPoint) -> Option<(&Task, &super::pledge::Outpoint)> {
        self.tasks.values().find_map(|task| Some((task, task.outpoints().get(outpoint)?)))
    }

    /// Writes a task down, for an identity where one asks. Again gives no events.
    pub fn draft(
        &self,
        charter: &[u8],
        text: &str,
        by: Option<XOnlyPublicKey>,
    ) -> Result<(CharterId, Vec<Record>), Refused> {
        let (id, mut event) = task::draft(charter, text, self.tip())?;
        if let Event::TaskDrafted { drafted_by, .. } = &mut event {
            *drafted_by = by;
        }
        if self.tasks.contains_key(&id) {
            return Ok((id, Vec::new()));
        }
        Ok((id, vec![Record::Task { charter: id, event }]))
    }

    /// Turns a command for a known task into records. Changes nothing.
    pub fn decide(&self, task: &Task, command: &Command) -> Result<Vec<Record>, Refused> {
        let events = self.events(task, command)?;
        for event in &events {
            self.check_scripts(task, event)?;
        }
        let charter = task.id();
        Ok(events.into_iter().map(|event| Record::Task { charter, event }).collect())
    }

    /// The task that a settlement of this kind moves money to.
    pub fn destination(&self, kind: &Kind) -> Option<&Task> {
        match kind {
            Kind::Move { to } => self.task(to),
            Kind::Payout { .. } | Kind::EarlyReturn | Kind::Ruling { .. } | Kind::Milestone { .. } => None,
        }
    }

    fn events(&self, task: &Task, command: &Command) -> Result<Vec<Event>, Refused> {
        let unknown = Refused::MoveTarget { reason: "this service does not know the charter it leads to" };
        match command {
            Command::SignMove { consent } => {
                let said = &consent.statement;
                let to = self.task(&said.to_charter).ok_or(unknown)?;
                let events = task.decide(command, self.tip())?;
                // Said again it changes nothing, whatever has become of the other charter.
                if !events.is_empty() {
                    self.check_destination(task, consent, to)?;
                }
                Ok(events)
            }
            Command::SignLateMove { consent, ladder } => {
                let to = self.task(&consent.statement.to_charter).ok_or(unknown)?;
                let events = task.decide(command, self.tip())?;
                if !events.is_empty() {
                    self.check_destination(task, consent, to)?;
                    let slot = Slot::pledge(consent.statement.to_index);
                    let rungs = task.late_ladder(consent, ladder)?.rungs();
                    let arrives = |(_, rung): &(Rung, Transaction)| {
                        let txid = rung.compute_txid();
                        let made = (0u32..).zip(&rung.output);
                        made.map(|(vout, output)| (slot, OutPoint { txid, vout }, output.value))
                            .collect::<Vec<_>>()
                    };
                    if !rungs.iter().flat_map(arrives).all(|arrives| to.prepared(&arrives).is_some()) {
                        let reason = "prepare a refund under the other charter for each rung first";
                        return Err(Refused::MoveTarget { reason });
                    }
                }
                Ok(events)
            }
            Command::ProposeSettlement { kind: kind @ Kind::Move { to }, feerate_sat_per_vb } => {
                let to = self.task(to).ok_or(unknown)?;
                let tip = self.tip().ok_or(Refused::NoTip)?;
                let events = task.propose(*kind, *feerate_sat_per_vb, Some(to), tip)?;
                if !events.is_empty() {
                    to.may_pledge(tip)?;
                }
                Ok(events)
            }
            Command::SignSettlement { settlement, .. } => {
                let events = task.decide(command, self.tip())?;
                let state = task.settlements().get(settlement).filter(|state| !state.fully_signed());
                // What would come there too late would count for nothing, under a later T.
                if let Some(Kind::Move { to }) = state.map(|state| state.plan.terms().kind())
                    && !events.is_empty()
                {
                    self.task(&to).ok_or(unknown)?.may_pledge(self.tip().ok_or(Refused::NoTip)?)?;
                }
                Ok(events)
            }
            _ => task.decide(command, self.tip()),
        }
    }

    /// Whether the pledge that money is signed over to is there, belongs to the same sponsor, and will be credited.
    fn check_destination(&self, from: &Task, consent: &Signed<Move>, to: &Task) -> Result<(), Refused> {
        let refused = |reason| Err(Refused::MoveTarget { reason });
        let said = &consent.statement;
        let Some(pledge) = to.pledges().get(&said.to_index) else {
            return refused("there is no such pledge under the other charter: pledge there first");
        };
        if pledge.output.address.to_string() != said.to_address {
            return refused("the address is not that of the pledge under the other charter");
        }
        let held = from.outpoints().get(&said.outpoint);
        let own = held.and_then(|held| from.pledges().get(&held.slot.index));
        if own.is_none_or(|own| own.sponsor_key != pledge.sponsor_key) {
            return refused(
                "the pledge under the other charter has another sponsor key: pledge there with the same",
            );
        }
        to.may_pledge(self.tip().ok_or(Refused::NoTip)?)
    }

    /// A script ever issued is refused again, in any task; and no refund may go to one.
    fn check_scripts(&self, task: &Task, event: &Event) -> Result<(), Refused> {
        let Event::PledgeIssued { index, sponsor_key, refund_address, .. } = event else { return Ok(()) };
        let output = task.candidate(*index, *sponsor_key)?;
        if self.scripts.contains_key(&output.script_pubkey) {
            return Err(Refused::AddressReused);
        }
        let refund = super::charter::address("refund_address", refund_address, task.charter().network())
            .map_err(Refused::RefundAddress)?;
        if self.scripts.contains_key(&refund.script_pubkey()) {
            return Err(Refused::RefundToEscrow);
        }
        Ok(())
    }

    /// What a snapshot of the chain changes: facts first, the tip last, all for one append. A snapshot
    /// that says nothing new gives no record.
    pub fn observe(&self, tip: &Tip, views: &[(ScriptBuf, ScriptView)]) -> Vec<Record> {
        let mut records = Vec::new();
        for (script, view) in views {
            let Some((charter, slot)) = self.owner(script) else { continue };
            let Some(task) = self.tasks.get(&charter) else { continue };
            records.extend(task.observe(slot, view).into_iter().map(|event| Record::Task { charter, event }));
        }
        if self.tip.as_ref() != Some(tip) || !records.is_empty() {
            let due = self.tasks.values().filter(|task| task.due_to_open(Some(tip)));
            records.extend(due.map(|task| Record::Task { charter: task.id(), event: Event::TaskOpened }));
        }
        if self.tip.as_ref() != Some(tip) {
            records.push(Record::Chain { tip: *tip });
        }
        records
    }

    /// Folds one record.
    pub fn apply(&mut self, record: &Record) -> Result<(), BookError> {
        match record {
            Record::Chain { tip } => {
                self.tip = Some(*tip);
                self.tasks.values_mut().for_each(|task| task.apply_tip(tip));
            }
            Record::RefundBatch { batch } => self.batches.push(batch.clone()),
            Record::Wish { wish, event } => {
                let fail = |source| BookError::Wish { wish: *wish, source: Box::new(source) };
                self.wishes.apply(wish, event).map_err(fail)?;
            }
            Record::Project { project, event } => {
                let fail = |source| BookError::Project { project: *project, source: Box::new(source) };
                self.projects.apply(project, event).map_err(fail)?;
            }
            Record::Task { charter, event: Event::TaskDrafted { charter: bytes, text, drafted_by } } => {
                let fail = |source| BookError::Apply { charter: *charter, source };
                let mut task = Task::draft(bytes, text).map_err(fail)?;
                if task.id() != *charter {
                    return Err(BookError::WrongCharter { charter: *charter });
                }
                if self.tasks.contains_key(charter) {
                    return Err(fail(ApplyError::NotTheFirst));
                }
                task.drafted_for(*drafted_by);
                if let Some(tip) = &self.tip {
                    task.apply_tip(tip);
                }
                let fields = task.charter().fields();
                self.of_project.entry(ProjectId::of(&fields.repository)).or_default().push(*charter);
                self.of_task.entry(fields.task).or_default().push(*charter);
                self.tasks.insert(*charter, task);
                self.order.push(*charter);
            }
            Record::Task { charter, event } => {
                let task = self.tasks.get_mut(charter).ok_or(BookError::UnknownTask { charter: *charter })?;
                task.apply(event).map_err(|source| BookError::Apply { charter: *charter, source })?;
                for (script, slot) in task.issued_by(event) {
                    self.scripts.insert(script, (*charter, slot));
                }
                if let Event::MoveSigned { consent }
                | Event::LateMoveSigned { consent, .. }
                | Event::LateLadderSigned { consent, .. } = event
                {
                    self.moving_to.entry(consent.statement.to_charter).or_default().insert(*charter);
                }
                if let Event::SettlementProposed { terms } = event {
                    task.drop_unsigned(terms);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
