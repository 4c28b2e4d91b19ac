//! The service: the book behind a lock, every change decided, journalled and only then acknowledged.
//!
//! The way of a change: lock, decide on the book, fold the records, queue them on the journal, unlock,
//! wait for the disk, answer. Effects (broadcasts, refunds) follow from the book alone and are performed
//! by `scheduler.rs` after the records they rest on are durable.

pub mod events;
pub mod figures;
pub mod hidden;
mod ports;
mod proof;
mod psbts;
mod refunds;
mod returns;
mod scheduler;
pub mod schema;
mod told;
mod trail;
pub mod views;
mod wishes;

pub use ports::{Clock, FeeWallet, FundError, Funded, SystemClock};
pub use scheduler::{Memory, run_scheduler};

use crate::chain::{BroadcastError, ChainError, ChainSource, ChainUpdate};
use crate::escrow::book::{Book, BookError};
use crate::escrow::event::{Command, Event, Record};
use crate::escrow::facts::{ScriptView, Tip};
use crate::escrow::network::Network;
use crate::escrow::proof::MissingEvidence;
use crate::escrow::public::{Entry, Feed, PublicEvent};
use crate::escrow::retire;
use crate::escrow::settlement::{Kind, PsbtError, nearest_step};
use crate::escrow::statement::{
    Acceptance, CharterId, Evidence, MergeConfirmation, Receipt, Role, Ruling, SettlementId, Signed,
    Statement, Submission, Vote,
};
use crate::escrow::task::{Refused, Task};
use crate::escrow::wish::WishRefused;
use crate::failpoint;
use crate::metrics::Metrics;
use crate::store::journal::{AppendError, Journal, OpenError, Recorded, Ticket};
use bitcoin::ScriptBuf;
use bitcoin::secp256k1::{All, Keypair, Secp256k1, XOnlyPublicKey};
use events::EventLog;
use hidden::Hidden;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{mpsc, watch};
use trail::Trail;
use views::{FeeWalletView, ReceiptView, StatusView};

/// Blocks within which what nobody names a feerate for should confirm.
pub const WITHIN_BLOCKS: u16 = 6;
/// Reorgs of more blocks than this are no ordinary case on any network.
const ALARMING_REORG: u32 = 6;

/// What the operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Chain it works on; every charter must name it.
    pub network: Network,
    /// Most the fee wallet spends on refunds in a day (144 blocks), satoshis.
    pub refund_budget_sat: u64,
    /// Most tasks kept that all three signers have attested.
    pub max_tasks: usize,
    /// Most public events kept in memory.
    pub max_events: usize,
    /// Most listeners to events at once.
    pub max_listeners: usize,
    /// Most of them from one address; 0 is any number.
    pub max_listeners_per_address: usize,
    /// The address people reach the service at.
    pub public_url: String,
    /// Most that are not attested so far, of everybody.
    pub max_drafts: usize,
    /// Most of them of one identity.
    pub max_drafts_per_identity: usize,
    /// Who may draft; without any, everybody may.
    pub drafters: Vec<XOnlyPublicKey>,
    /// What is not shown here of wishes and of what is said of projects.
    pub hidden: Hidden,
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No such task.
    #[error("there is no task {charter}")]
    UnknownTask {
        /// Id of the charter.
        charter: CharterId,
    },
    /// The charter is for another chain.
    #[error("this service works on {ours}; the charter is for {given}")]
    OtherNetwork {
        /// The service's.
        ours: Network,
        /// The charter's.
        given: Network,
    },
    /// The charter names a receipt key that this service does not hold.
    #[error("the charter's receipt_key is not this service's ({ours}): see GET /api/v1/status")]
    OtherReceiptKey {
        /// The service's.
        ours: XOnlyPublicKey,
    },
    /// The operator's limit.
    #[error("this service keeps at most {max} tasks")]
    TooManyTasks {
        /// The limit.
        max: usize,
    },
    /// The operator's limit on what nobody has agreed to yet.
    #[error(
        "{max} tasks of {whose} wait to be attested: have one attested first, or let one's funding close"
    )]
    TooManyDrafts {
        /// The limit.
        max: usize,
        /// `everybody`, or `this identity`.
        whose: &'static str,
    },
    /// The operator has named who may draft.
    #[error(
        "this service takes tasks from identities that its operator has named, and {identity} is none of them"
    )]
    NotADrafter {
        /// Who asked.
        identity: XOnlyPublicKey,
    },
    /// A wish, a word to one, or a project's settings are refused.
    #[error(transparent)]
    Wish(#[from] WishRefused),
    /// PSBTs that do not belong to the settlement.
    #[error(transparent)]
    Psbt(#[from] PsbtError),
    /// The disk is full: nothing was changed.
    #[error("the disk of the service is full: nothing was changed; try again later")]
    DiskFull,
    /// The journal failed: the service stops.
    #[error("the service cannot write its journal and is stopping")]
    Journal(#[source] AppendError),
    /// The journal cannot be read back.
    #[error("the service cannot read its journal and is stopping")]
    Reload(#[source] OpenError),
    /// A decision that could not be folded: a defect.
    #[error("the service made an error of its own; nothing was changed")]
    Fold(#[source] BookError),
    /// The chain has no answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain moved while evidence was gathered.
    #[error("the proof document could not be put together while the chain moved ({0}); try again")]
    Proof(#[from] MissingEvidence),
    /// The network did not take a transaction.
    #[error(transparent)]
    Broadcast(#[from] BroadcastError),
}

struct State {
    book: Book,
    /// Knows what the book's records told.
    feed: Feed,
    next_seq: u64,
    server: Option<String>,
    server_error: Option<String>,
}

/// The service.
pub struct Service {
    /// Itself, for what must go on when nobody waits for it.
    me: Weak<Service>,
    state: Mutex<State>,
    journal: Box<dyn Journal<Record>>,
    chain: Arc<dyn ChainSource>,
    clock: Arc<dyn Clock>,
    receipt: Keypair,
    wallet: Option<tokio::sync::Mutex<Box<dyn FeeWallet>>>,
    /// Scripts that are settled, as told to the chain source.
    retired: Mutex<BTreeSet<ScriptBuf>>,
    /// What the fee wallet said last, so that a status page never waits for a server.
    wallet_view: Mutex<Option<FeeWalletView>>,
    policy: Policy,
    metrics: Arc<Metrics>,
    /// What was told.
    events: Arc<EventLog>,
    /// What is told as soon as it is durable, with the number of its last record.
    untold: Mutex<VecDeque<(u64, Vec<PublicEvent>)>>,
    /// Why the last append was refused; none once one is durable.
    refused: Mutex<Option<String>>,
    trail: Mutex<Trail>,
    /// Number of the last durable record, and how often the book went back to what is durable.
    durable: watch::Sender<(u64, u64)>,
    /// Counts changes; whoever waits for something due looks again.
    changed: watch::Sender<u64>,
    /// Why the service must stop.
    fatal: watch::Sender<Option<String>>,
    secp: Secp256k1<All>,
}

/// What a service is built from.
pub struct Parts {
    /// The journal, opened.
    pub journal: Box<dyn Journal<Record>>,
    /// Everything recorded so far.
    pub records: Vec<Recorded<Record>>,
    /// The chain.
    pub chain: Arc<dyn ChainSource>,
    /// The wall clock, for display.
    pub clock: Arc<dyn Clock>,
    /// Key of receipts.
    pub receipt: Keypair,
    /// The operator's fee wallet.
    pub wallet: Option<Box<dyn FeeWallet>>,
    /// The operator's settings.
    pub policy: Policy,
}

impl Service {
    /// Folds the records, and watches every script ever issued.
    ///
    /// # Errors
    /// [`BookError`] where a record cannot have happened: the journal is not ours.
    pub fn new(parts: Parts) -> Result<Arc<Service>, BookError> {
        let Policy { max_events, max_listeners, max_listeners_per_address, .. } = parts.policy;
        let events = Arc::new(EventLog::new(max_events, max_listeners, max_listeners_per_address));
        let (book, feed) = replay(&parts.records, &parts.policy.hidden, |told| events.tell(told))?;
        drop(parts.records);
        let retired = retire::settled_scripts(&book);
        parts.chain.watch(book.scripts().filter(|script| !retired.contains(*script)).cloned().collect());
        parts.chain.retire(retired.iter().cloned().collect());
        let next_seq = parts.journal.next_seq();
        let metrics = Metrics { journal: parts.journal.metrics(), ..Metrics::default() };
        Ok(Arc::new_cyclic(|me| Service {
            me: Weak::clone(me),
            state: Mutex::new(State { book, feed, next_seq, server: None, server_error: None }),
            journal: parts.journal,
            chain: parts.chain,
            clock: parts.clock,
            receipt: parts.receipt,
            wallet: parts.wallet.map(tokio::sync::Mutex::new),
            wallet_view: Mutex::new(None),
            retired: Mutex::new(retired),
            policy: parts.policy,
            metrics: Arc::new(metrics),
            events,
            untold: Mutex::default(),
            refused: Mutex::new(None),
            trail: Mutex::default(),
            durable: watch::Sender::new((next_seq.saturating_sub(1), 0)),
            changed: watch::Sender::new(0),
            fatal: watch::Sender::new(None),
            secp: Secp256k1::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held can only have come before the fold: the book is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the book.
    pub fn read<T>(&self, f: impl FnOnce(&Book) -> T) -> T {
        f(&self.lock().book)
    }

    /// Reads one task, with the tip.
    pub fn read_task<T>(
        &self,
        charter: &CharterId,
        f: impl FnOnce(&Task, Option<&Tip>) -> T,
    ) -> Result<T, ServiceError> {
        let state = self.lock();
        let task = state.book.task(charter).ok_or(ServiceError::UnknownTask { charter: *charter })?;
        Ok(f(task, state.book.tip()))
    }

    /// Public key of the receipts.
    pub fn receipt_key(&self) -> XOnlyPublicKey {
        self.receipt.x_only_public_key().0
    }

    /// The operator's settings.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Why the journal takes nothing now, if it does not: full, until an append succeeds; or failed, for good.
    pub fn journal_trouble(&self) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.fatal.borrow().clone().or(refused)
    }

    /// What the fee wallet said last.
    pub fn fee_wallet(&self) -> Option<FeeWalletView> {
        self.wallet_view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until everything decided so far is on the disk.
    pub async fn flush(&self) -> Result<(), ServiceError> {
        self.commit(|_| Ok(((), Vec::new()))).await
    }

    /// What was told, for whoever listens.
    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// The chain.
    pub fn chain(&self) -> &Arc<dyn ChainSource> {
        &self.chain
    }

    /// Resolves when the service must stop, with the reason.
    pub async fn failed(&self) -> String {
        let mut fatal = self.fatal.subscribe();
        // The sender lives as long as we do, so this ends with a reason or not at all.
        let reason = fatal.wait_for(Option::is_some).await.map(|reason| reason.clone());
        reason.ok().flatten().unwrap_or_default()
    }

    /// Told after every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Decides under the lock, folds and journals the records, and answers when they are durable.
    async fn commit<T>(
        &self,
        decide: impl FnOnce(&Book) -> Result<(T, Vec<Record>), ServiceError>,
    ) -> Result<T, ServiceError> {
        let (answer, waits) = self.decide_and_queue(decide)?;
        match waits {
            Waits::For(seq, resets) => {
                // Said before, perhaps a moment ago: acknowledged no earlier than it is durable.
                let mut durable = self.durable.subscribe();
                let done = durable.wait_for(|(done, now)| *done >= seq || *now != resets).await;
                if done.is_ok_and(|done| done.1 != resets) {
                    return Err(ServiceError::DiskFull);
                }
            }
            Waits::Ticket(ticket, resets, scripts) => {
                let service = self.me.upgrade().expect("it is borrowed, so it lives");
                // On a task of its own: a client that goes away meanwhile takes this future with it, and what
                // is in the journal must be followed all the same.
                let done = tokio::spawn(async move { service.appended(ticket, resets, scripts).await }).await;
                done.map_err(|_| ServiceError::Journal(AppendError::Closed))??;
            }
        }
        Ok(answer)
    }

    /// What follows once records are durable, or are not.
    async fn appended(
        &self,
        ticket: Ticket,
        resets: u64,
        scripts: Vec<ScriptBuf>,
    ) -> Result<(), ServiceError> {
        let appended = ticket.await.map_err(|error| self.journal_failed(error, resets))?;
        failpoint::hit("after_append");
        self.tell(appended.head.seq);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.durable.send_modify(|(seq, _)| *seq = appended.head.seq.max(*seq));
        if !scripts.is_empty() {
            self.chain.watch(scripts);
        }
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Tells what is durable up to this record. Appends may end in another order than they began in: the lock
    /// keeps what is told in order.
    fn tell(&self, seq: u64) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        while untold.front().is_some_and(|(last, _)| *last <= seq) {
            if let Some((_, events)) = untold.pop_front() {
                self.events.tell(events);
            }
        }
    }

    fn decide_and_queue<T>(
        &self,
        decide: impl FnOnce(&Book) -> Result<(T, Vec<Record>), ServiceError>,
    ) -> Result<(T, Waits), ServiceError> {
        let mut state = self.lock();
        if let Some(reason) = self.fatal.borrow().clone() {
            return Err(ServiceError::Journal(AppendError::Poisoned { detail: reason }));
        }
        let (answer, records) = decide(&state.book)?;
        let resets = self.durable.borrow().1;
        if records.is_empty() {
            return Ok((answer, Waits::For(state.next_seq.saturating_sub(1), resets)));
        }
        let at_secs = self.clock.now_secs();
        let State { book, feed, next_seq, .. } = &mut *state;
        let mut told = Vec::new();
        for (seq, (left, record)) in (*next_seq..).zip((0..records.len()).rev().zip(&records)) {
            if let Err(error) = book.apply(record) {
                tracing::error!(%error, "a decision could not be folded");
                self.reload(&mut state)?;
                return Err(ServiceError::Fold(error));
            }
            let mut events = feed.apply(Entry { seq, at_secs, more: left > 0 }, record, book);
            events.retain(|event| !self.policy.hidden.event(event, book));
            told.extend(events);
        }
        failpoint::hit("before_append");
        match self.journal.append(*next_seq, at_secs, &records) {
            Ok(ticket) => {
                state.next_seq = self.journal.next_seq();
                // Under the lock, so that it stands in the order of the journal.
                if !told.is_empty() {
                    let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
                    untold.push_back((state.next_seq.saturating_sub(1), told));
                }
                let scripts = new_scripts(&state.book, &records);
                drop(state);
                told::tell(&records);
                Ok((answer, Waits::Ticket(ticket, resets, scripts)))
            }
            Err(error) => {
                drop(state);
                Err(self.journal_failed(error, resets))
            }
        }
    }

    /// Goes back to what is durable, if nobody has since the append was decided (`resets`): going back again
    /// would drop what was decided well after that and is on its way to the disk. A full disk can be waited
    /// out; anything else stops the service.
    fn journal_failed(&self, error: AppendError, resets: u64) -> ServiceError {
        let mut state = self.lock();
        if self.durable.borrow().1 == resets
            && let Err(error) = self.reload(&mut state)
        {
            return error;
        }
        match error {
            AppendError::NoSpace { .. } | AppendError::Stale { .. } => {
                tracing::error!(%error, "the journal refused an append; nothing was changed");
                if matches!(error, AppendError::NoSpace { .. }) {
                    *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                }
                ServiceError::DiskFull
            }
            AppendError::Empty | AppendError::Encode { .. } | AppendError::TooLong { .. } => {
                tracing::error!(%error, "the journal refused an append; nothing was changed");
                ServiceError::Journal(error)
            }
            AppendError::WriteFailed { .. }
            | AppendError::SyncFailed { .. }
            | AppendError::Poisoned { .. }
            | AppendError::Closed => {
                tracing::error!(%error, "the journal failed: stopping");
                self.fatal.send_replace(Some(error.to_string()));
                ServiceError::Journal(error)
            }
        }
    }

    fn reload(&self, state: &mut State) -> Result<(), ServiceError> {
        let fatal = |error: ServiceError| {
            self.fatal.send_replace(Some(error.to_string()));
            error
        };
        let recorded = self.journal.read_from(0).map_err(|error| fatal(ServiceError::Reload(error)))?;
        // What is durable and was not told yet is told now; the rest never happened.
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let replayed = replay(&recorded, &self.policy.hidden, |told| self.events.tell(told));
        let (book, feed) = replayed.map_err(|error| fatal(ServiceError::Fold(error)))?;
        untold.clear();
        drop(untold);
        state.book = book;
        state.feed = feed;
        state.next_seq = self.journal.next_seq();
        self.durable.send_modify(|(_, resets)| *resets += 1);
        Ok(())
    }

    /// Carries out a command on a task; says whether anything changed.
    async fn execute(&self, charter: &CharterId, command: Command) -> Result<bool, ServiceError> {
        self.commit(|book| {
            let task = book.task(charter).ok_or(ServiceError::UnknownTask { charter: *charter })?;
            let records = book.decide(task, &command)?;
            if matches!(command, Command::Attest { .. })
                && !records.is_empty()
                && task.attestations().len() + 1 == Role::ALL.len()
            {
                self.check_tasks(book)?;
            }
            Ok((!records.is_empty(), records))
        })
        .await
    }

    /// Writes a task down for an identity.
    pub async fn draft(
        &self,
        charter: &str,
        text: &str,
        by: XOnlyPublicKey,
    ) -> Result<CharterId, ServiceError> {
        let ours = self.receipt_key();
        self.commit(|book| {
            let parsed = crate::escrow::charter::Charter::parse(charter.as_bytes()).map_err(Refused::from)?;
            if parsed.network() != self.policy.network {
                return Err(ServiceError::OtherNetwork {
                    ours: self.policy.network,
                    given: parsed.network(),
                });
            }
            if *parsed.receipt_key() != ours {
                return Err(ServiceError::OtherReceiptKey { ours });
            }
            if book.task(&parsed.id()).is_none() {
                self.check_room(book, by)?;
            }
            Ok(book.draft(charter.as_bytes(), text, Some(by))?)
        })
        .await
    }

    /// Whether an identity may draft one more. Drafts that can never open, because funding has closed, count no
    /// longer.
    fn check_room(&self, book: &Book, by: XOnlyPublicKey) -> Result<(), ServiceError> {
        let Policy { max_drafts, max_drafts_per_identity, ref drafters, .. } = self.policy;
        if !drafters.is_empty() && !drafters.contains(&by) {
            return Err(ServiceError::NotADrafter { identity: by });
        }
        self.check_tasks(book)?;
        let closed =
            |task: &Task| book.tip().is_some_and(|tip| !task.charter().fields().can_open(tip.mtp_secs));
        let drafts = || book.tasks().values().filter(|task| !task.attested() && !closed(task));
        if drafts().filter(|task| task.drafted_by() == Some(by)).count() >= max_drafts_per_identity {
            let (max, whose) = (max_drafts_per_identity, "this identity");
            return Err(ServiceError::TooManyDrafts { max, whose });
        }
        if drafts().count() >= max_drafts {
            return Err(ServiceError::TooManyDrafts { max: max_drafts, whose: "everybody" });
        }
        Ok(())
    }

    fn check_tasks(&self, book: &Book) -> Result<(), ServiceError> {
        let max = self.policy.max_tasks;
        let attested = book.tasks().values().filter(|task| task.attested()).count();
        if attested >= max { Err(ServiceError::TooManyTasks { max }) } else { Ok(()) }
    }

    /// Whether a pledge's address holds back money under the cap that nobody has paid.
    pub fn holds_unpaid(&self, charter: &CharterId, index: u32) -> bool {
        let holds = self.read_task(charter, |task, tip| {
            let pledge = task.pledges().get(&index)?;
            let paid = task.outpoints().values().any(|held| held.slot.index == index);
            Some(!paid && pledge.reserves(tip?))
        });
        holds.ok().flatten().unwrap_or(false)
    }

    /// Records a command that carries its own authority: attestation, pledge, refund, acceptance, ruling.
    pub async fn submit(&self, charter: &CharterId, command: Command) -> Result<bool, ServiceError> {
        let secures = matches!(command, Command::SecureRefund { .. });
        let changed = self.execute(charter, command).await?;
        if secures {
            failpoint::hit("bundle_accepted");
        }
        Ok(changed)
    }

    /// Puts work before the sponsors.
    pub async fn submit_work(
        &self,
        charter: &CharterId,
        submission: Signed<Submission>,
    ) -> Result<bool, ServiceError> {
        let block = self.chain.block(submission.statement.block_height);
        self.execute(charter, Command::SubmitWork { submission, block }).await
    }

    /// Keeps a vote and answers with a receipt.
    pub async fn vote(&self, charter: &CharterId, vote: Signed<Vote>) -> Result<ReceiptView, ServiceError> {
        let statement = vote.statement;
        self.commit(|book| {
            let task = book.task(charter).ok_or(ServiceError::UnknownTask { charter: *charter })?;
            let tip = book.tip().ok_or(Refused::NoTip)?;
            let receipt = Receipt {
                network: task.charter().network(),
                charter: *charter,
                vote: statement.digest(),
                tip_height: tip.height,
                tip_hash: tip.hash,
                tip_mtp_secs: tip.mtp_secs,
            };
            let receipt = Signed::new(&self.secp, receipt, &self.receipt);
            let records = book.decide(task, &Command::CastVote { vote: vote.clone(), receipt })?;
            Ok(((), records))
        })
        .await?;
        // A vote that came before keeps its first receipt.
        self.read_task(charter, |task, _| {
            let votes =
                task.submission(&statement.submission).map(|s| s.votes.as_slice()).unwrap_or_default();
            votes.iter().find(|cast| cast.vote.statement == statement).and_then(|cast| {
                Some(ReceiptView { vote: cast.vote.clone(), receipt: cast.receipt.clone()? })
            })
        })?
        .ok_or(ServiceError::Refused(Refused::UnknownSubmission { submission: statement.submission }))
    }

    /// The leader's word that a submission is merged or released.
    pub async fn confirm(
        &self,
        charter: &CharterId,
        confirmation: Signed<MergeConfirmation>,
    ) -> Result<bool, ServiceError> {
        let block = self.chain.block(confirmation.statement.block_height);
        self.execute(charter, Command::ConfirmMerge { confirmation, block }).await
    }

    /// The representative's word on a submission.
    pub async fn judge(
        &self,
        charter: &CharterId,
        acceptance: Signed<Acceptance>,
    ) -> Result<bool, ServiceError> {
        self.execute(charter, Command::JudgeWork { acceptance }).await
    }

    /// The arbiter's word on the noes.
    pub async fn rule(&self, charter: &CharterId, ruling: Signed<Ruling>) -> Result<bool, ServiceError> {
        self.execute(charter, Command::RuleNoes { ruling }).await
    }

    /// What somebody says about a submission.
    pub async fn give_evidence(
        &self,
        charter: &CharterId,
        evidence: Signed<Evidence>,
    ) -> Result<bool, ServiceError> {
        self.execute(charter, Command::GiveEvidence { evidence }).await
    }

    /// Proposes a settlement of all that votes and rulings allow now. Without a feerate, one that should
    /// confirm within six blocks.
    pub async fn propose(
        &self,
        charter: &CharterId,
        kind: Kind,
        feerate_sat_per_vb: Option<u64>,
    ) -> Result<SettlementId, ServiceError> {
        let estimated = match feerate_sat_per_vb {
            Some(feerate) => feerate,
            None => self.feerate(WITHIN_BLOCKS).await.to_sat_per_vb_ceil(),
        };
        // Which feerate most sponsors signed refunds for takes a while to find out: nobody waits for it.
        let prepared = if kind.one_by_one() && feerate_sat_per_vb.is_none() {
            let copies = self.read(|book| {
                let task = book.task(charter)?.clone();
                Some((task, book.destination(&kind).cloned(), book.tip().copied()?))
            });
            copies.and_then(|(task, destination, tip)| {
                let cap = task.charter().fields().feerate_cap_sat_per_vb;
                let wanted = nearest_step(estimated, cap);
                let step = || task.prepared_step(kind, wanted, destination.as_ref(), &tip);
                tokio::task::block_in_place(step)
            })
        } else {
            None
        };
        self.commit(|book| {
            let task = book.task(charter).ok_or(ServiceError::UnknownTask { charter: *charter })?;
            let tip = book.tip().ok_or(Refused::NoTip)?;
            // An estimate is clamped to what signers may sign; a feerate somebody names is not bent.
            let cap = task.charter().fields().feerate_cap_sat_per_vb;
            let wanted = nearest_step(estimated, cap);
            let destination = book.destination(&kind);
            // Refunds of what stays in escrow were signed for the feerates that sponsors took.
            let feerate_sat_per_vb = feerate_sat_per_vb.or(prepared).unwrap_or(wanted);
            let records = book.decide(task, &Command::ProposeSettlement { kind, feerate_sat_per_vb })?;
            let proposed = records.iter().find_map(|record| match record {
                Record::Task { event: Event::SettlementProposed { terms }, .. } => Some(terms.id()),
                _ => None,
            });
            let id = match proposed {
                Some(id) => id,
                None => task.proposal_id(kind, feerate_sat_per_vb, destination, tip)?,
            };
            Ok((id, records))
        })
        .await
    }

    /// Takes in what the chain says. Facts and tip go into one append.
    pub async fn observe(&self, tip: &Tip, views: &[(ScriptBuf, ScriptView)]) -> Result<(), ServiceError> {
        self.commit(|book| Ok(((), book.observe(tip, views)))).await
    }

    /// Takes in one update of the chain source.
    pub async fn chain_update(&self, update: ChainUpdate) -> Result<(), ServiceError> {
        match update {
            ChainUpdate::Connected { server } => {
                tracing::info!(server, "connected to the Electrum server");
                let mut state = self.lock();
                state.server = Some(server);
                state.server_error = None;
            }
            ChainUpdate::Disconnected { server, reason } => {
                tracing::warn!(server, reason, "no Electrum server");
                let mut state = self.lock();
                state.server = None;
                state.server_error = Some(reason);
            }
            ChainUpdate::Snapshot { tip, views } => {
                tracing::debug!(tip.height = tip.height, views = views.len(), "the chain moved");
                self.warn_of_reorg(&views);
                self.follow_trail(&tip);
                self.observe(&tip, &views).await?;
                self.retire_settled();
            }
        }
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Has the chain source watch what is under way, and look at what is settled now and then only.
    fn retire_settled(&self) {
        let settled = self.read(retire::settled_scripts);
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let back: Vec<ScriptBuf> = retired.difference(&settled).cloned().collect();
        let gone: Vec<ScriptBuf> = settled.difference(&retired).cloned().collect();
        if !back.is_empty() {
            self.chain.watch(back);
        }
        if !gone.is_empty() {
            tracing::info!(scripts = gone.len(), "settled: not watched all the time any more");
            self.chain.retire(gone);
        }
        *retired = settled;
    }

    /// Tells the operator when confirmed money moved, with the deepest of it. Credits reverse and come back by themselves; a deep
    /// reorg is a reason to look all the same.
    fn warn_of_reorg(&self, views: &[(ScriptBuf, ScriptView)]) {
        let lost = self.read(|book| {
            let tip = book.tip()?;
            let moved = |script: &ScriptBuf, view: &ScriptView| {
                let (charter, slot) = book.owner(script)?;
                let held = book.task(&charter)?.outpoints().values().filter(move |held| held.slot == slot);
                held.filter_map(|held| {
                    let at = held.confirmation.filter(|_| held.present)?;
                    let now = view.deposits.iter().find(|deposit| deposit.outpoint == held.outpoint);
                    let lost = now.and_then(|deposit| deposit.confirmation) != Some(at);
                    lost.then(|| (at.depth(tip), charter, held.outpoint))
                })
                .max()
            };
            views.iter().filter_map(|(script, view)| moved(script, view)).max()
        });
        match lost {
            Some((depth, task, outpoint)) if depth > ALARMING_REORG => tracing::error!(
                depth,
                task.id = %task,
                pledge.outpoint = %outpoint,
                "ALARM: a deep reorg took confirmed pledges out of their blocks"
            ),
            Some((depth, task, outpoint)) => tracing::warn!(
                depth,
                task.id = %task,
                pledge.outpoint = %outpoint,
                "a reorg took confirmed pledges out of their blocks"
            ),
            None => {}
        }
    }

    /// The service and what it knows of the chain.
    pub fn status(&self) -> StatusView {
        let state = self.lock();
        let tip = state.book.tip();
        let held =
            || state.book.tasks().values().flat_map(|task| task.outpoints().values().map(move |h| (task, h)));
        let mined = |h: &crate::escrow::pledge::Outpoint| {
            h.present && h.confirmation.is_some() && h.spend.is_none_or(|spend| spend.confirmation.is_none())
        };
        let unsecured = held().filter(|(_, h)| mined(h) && h.slot.index > 0 && !h.secured()).count();
        let due = |task: &Task, h: &crate::escrow::pledge::Outpoint| {
            tip.is_some_and(|tip| crate::escrow::due::refundable(task, h, tip))
        };
        StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: self.policy.network,
            tip: tip.copied(),
            server: state.server.clone(),
            server_error: state.server_error.clone(),
            servers: self.chain.servers(),
            alarms: self.chain.alarms(),
            receipt_key: self.receipt_key(),
            tasks: state.book.tasks().len(),
            unsecured,
            refunds_due: held().filter(|(task, h)| mined(h) && due(task, h)).count(),
            fee_wallet: self.wallet_view.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            journal_error: self.fatal.borrow().clone(),
        }
    }
}

enum Waits {
    /// Nothing new: durable when this record is.
    For(u64, u64),
    /// Durable when the ticket says so; then these scripts are watched. Between them how often the book had
    /// gone back when it was decided.
    Ticket(Ticket, u64, Vec<ScriptBuf>),
}

/// Folds a journal, and tells what it tells.
fn replay(
    records: &[Recorded<Record>],
    hidden: &Hidden,
    mut tell: impl FnMut(Vec<PublicEvent>),
) -> Result<(Book, Feed), BookError> {
    let (mut book, mut feed) = (Book::default(), Feed::default());
    for Recorded { seq, at_secs, more, event } in records {
        book.apply(event)?;
        let mut told = feed.apply(Entry { seq: *seq, at_secs: *at_secs, more: *more }, event, &book);
        told.retain(|event| !hidden.event(event, &book));
        if !told.is_empty() {
            tell(told);
        }
    }
    Ok((book, feed))
}

/// Scripts that the records issue.
fn new_scripts(book: &Book, records: &[Record]) -> Vec<ScriptBuf> {
    let mut scripts = Vec::new();
    for record in records {
        let Record::Task { charter, event } = record else { continue };
        let Some(task) = book.task(charter) else { continue };
        scripts.extend(task.issued_by(event).into_iter().map(|(script, _)| script));
    }
    scripts
}

/// Feeds the service from a chain source until either ends.
pub async fn run_watcher(service: Arc<Service>, mut updates: mpsc::Receiver<ChainUpdate>) {
    while let Some(update) = updates.recv().await {
        // A full disk must not lose a fact: the same update is tried again until there is room.
        let mut wait = std::time::Duration::from_millis(200);
        while let Err(error) = service.chain_update(update.clone()).await {
            tracing::error!(%error, "what the chain says could not be recorded; trying again");
            if service.fatal.borrow().is_some() {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(std::time::Duration::from_secs(10));
        }
    }
}
