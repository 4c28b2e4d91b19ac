//! Webhooks: public events posted to addresses that people name. At least once and in order for each
//! subscription: what was delivered is a durable cursor into the list of events, so a crash repeats and loses
//! nothing. Signed by HMAC as the Standard Webhooks specification has it. Targets in private networks are
//! refused where they are connected to, not where they are named.
//!
//! What it must not do: tell anything that is not a public event, or show a secret after it was made.

pub mod address;
mod deliver;
mod outgoing;
mod records;
mod sign;
#[cfg(test)]
mod tests;

pub use address::{Target, TargetError};
pub use deliver::run;
pub use outgoing::{Answered, Outgoing, Post, PostError, UreqOutgoing};
pub use records::{HookId, HookRecord, Owner};
pub use sign::{Secret, SecretError, VerifyError, verify};

use crate::escrow::network::Network;
use crate::escrow::public::{EventId, KINDS, ProjectId};
use crate::escrow::statement::{CharterId, TaskId};
use crate::metrics::Metrics;
use crate::service::Clock;
use crate::service::events::{EventLog, Topic};
use crate::store::journal::{AppendError, Journal};
use records::{Hook, Hooks};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use utoipa::ToSchema;

/// Random bytes, so that tests bring their own.
pub trait Randomness: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// Where the system has none to give.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The system has no randomness to give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness to give")]
pub struct NoRandomness;

/// The system's randomness.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_| NoRandomness)
    }
}

/// What a subscription tells of. At most one of them is named; none is everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// One task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<CharterId>,
    /// One repository: its tasks and wishes, and what keys say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// One wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<TaskId>,
}

impl Scope {
    fn topic(&self) -> Result<Topic, WebhookError> {
        match (self.task, self.project, self.wish) {
            (None, None, None) => Ok(Topic::All),
            (Some(task), None, None) => Ok(Topic::Task(task)),
            (None, Some(project), None) => Ok(Topic::Project(project)),
            (None, None, Some(wish)) => Ok(Topic::Wish(wish)),
            _ => Err(WebhookError::TwoScopes),
        }
    }
}

/// Why something about a webhook is refused. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The operator turned them off.
    #[error("this service sends no webhooks: follow /api/v1/events instead")]
    Off,
    /// The address cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Several together.
    #[error("name a task, a project or a wish, not several of them")]
    TwoScopes,
    /// A type that no event has.
    #[error("{given:?} is no type of event")]
    UnknownType {
        /// What was asked for.
        given: String,
    },
    /// Too many of one identity.
    #[error("one identity may have {max} webhooks: remove one first")]
    TooManyOfOwner {
        /// The limit.
        max: usize,
    },
    /// Too many in all.
    #[error("this service keeps {max} webhooks, and has them: try again later")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Not there, or somebody else's.
    #[error("there is no such webhook of yours")]
    Unknown,
    /// It delivers already.
    #[error("this webhook is not disabled: there is nothing to resume")]
    NotDisabled,
    /// The system has no randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// Its journal did not take it: nothing was changed.
    #[error("the service could not record it: nothing was changed; try again later")]
    Journal(#[from] AppendError),
}

impl WebhookError {
    /// Stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            WebhookError::Off => "webhooks_off",
            WebhookError::Target(_) => "webhook_target",
            WebhookError::TwoScopes => "webhook_scope",
            WebhookError::UnknownType { .. } => "webhook_type",
            WebhookError::TooManyOfOwner { .. } | WebhookError::TooMany { .. } => "too_many_webhooks",
            WebhookError::Unknown => "unknown_webhook",
            WebhookError::NotDisabled => "webhook_not_disabled",
            WebhookError::Randomness(_) => "internal",
            WebhookError::Journal(AppendError::NoSpace { .. }) => "disk_full",
            WebhookError::Journal(_) => "journal_failed",
        }
    }
}

/// The operator's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most of one identity.
    pub per_owner: usize,
    /// Most in all.
    pub total: usize,
    /// Posts under way at once.
    pub concurrent: usize,
    /// Hosts with port that may be in any network, and may be plain http.
    pub allow: BTreeSet<String>,
    /// Waits before the second try, the third, ...; the last one repeats.
    pub backoff: Vec<Duration>,
    /// A webhook whose deliveries fail for so long is disabled.
    pub give_up: Duration,
}

impl Limits {
    /// The usual ones; on regtest nobody waits for hours.
    pub fn of(network: Network) -> Limits {
        let usual = Limits::default();
        if network != Network::Regtest {
            return usual;
        }
        let millis = [100, 200, 500, 1_000, 2_000];
        Limits { backoff: millis.map(Duration::from_millis).to_vec(), ..usual }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        let secs = [5, 30, 120, 600, 3_600, 6 * 3_600];
        Limits {
            per_owner: 20,
            total: 1_000,
            concurrent: 16,
            allow: BTreeSet::new(),
            backoff: secs.map(Duration::from_secs).to_vec(),
            give_up: Duration::from_secs(3 * 86_400),
        }
    }
}

/// What webhooks are built from.
pub struct Parts {
    /// Their own journal, opened.
    pub journal: Box<dyn Journal<HookRecord>>,
    /// Everything in it.
    pub records: Vec<HookRecord>,
    /// What is told.
    pub events: Arc<EventLog>,
    /// Outgoing HTTP.
    pub outgoing: Arc<dyn Outgoing>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub randomness: Arc<dyn Randomness>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The operator's limits.
    pub limits: Limits,
}

/// One try to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The event.
    pub event: EventId,
    /// Unix time.
    pub at_secs: u64,
    /// Status of the answer; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 999)]
    pub status: Option<u16>,
    /// Why it was no delivery; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A webhook, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    /// Its id.
    pub id: HookId,
    /// Where events go.
    pub url: String,
    /// Only what happens to this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<CharterId>,
    /// Only what happens to tasks and wishes of this project, and what keys say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Only what is said to this wish, and charters drafted from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<TaskId>,
    /// Types of events; empty is all.
    pub types: Vec<String>,
    /// The last event that was delivered or passed over.
    pub delivered: EventId,
    /// Why it was disabled; absent while it delivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<String>,
    /// The last tries since the service started, newest first.
    pub attempts: Vec<Attempt>,
}

/// The webhooks of a service.
pub struct Webhooks {
    hooks: Mutex<Hooks>,
    journal: Box<dyn Journal<HookRecord>>,
    events: Arc<EventLog>,
    outgoing: Arc<dyn Outgoing>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    metrics: Arc<Metrics>,
    limits: Limits,
    /// Posts under way at once.
    lanes: Semaphore,
    /// Changes when subscriptions come, go or resume.
    changed: watch::Sender<u64>,
    /// Who subscribes now: counting and recording are one, or many at once would pass the limits.
    subscribing: tokio::sync::Mutex<()>,
    /// Why the last record was not taken; `None` again with the next one that is.
    trouble: Mutex<Option<AppendError>>,
}

/// Tries shown of a webhook.
const SHOWN: usize = 20;

impl Webhooks {
    /// Folds the records.
    pub fn new(parts: Parts) -> Arc<Webhooks> {
        let mut hooks = Hooks::default();
        parts.records.iter().for_each(|record| hooks.apply(record));
        Arc::new(Webhooks {
            hooks: Mutex::new(hooks),
            journal: parts.journal,
            events: parts.events,
            outgoing: parts.outgoing,
            clock: parts.clock,
            randomness: parts.randomness,
            metrics: parts.metrics,
            lanes: Semaphore::new(parts.limits.concurrent.max(1)),
            limits: parts.limits,
            changed: watch::Sender::new(0),
            subscribing: tokio::sync::Mutex::new(()),
            trouble: Mutex::new(None),
        })
    }

    /// Why their journal takes nothing, if it does not: full, until a record is taken; or failed, until a restart.
    pub fn trouble(&self) -> Option<AppendError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Hooks> {
        // Every change under the lock is whole before anything that could panic.
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records, and folds once it is durable.
    async fn record(&self, record: HookRecord) -> Result<(), WebhookError> {
        let appended = {
            // One at a time: each says which number it gets.
            let _hooks = self.lock();
            let next_seq = self.journal.next_seq();
            self.journal.append(next_seq, self.clock.now_secs(), std::slice::from_ref(&record))
        };
        let kept = match appended {
            Ok(ticket) => ticket.await.map(|_| ()),
            Err(error) => Err(error),
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = kept.as_ref().err().cloned();
        kept?;
        self.lock().apply(&record);
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// Subscribes: the id, and the secret, which is never shown again. Events are told from now on.
    ///
    /// # Errors
    /// See [`WebhookError`]; nothing was changed then.
    pub async fn create(
        &self,
        owner: Owner,
        url: &str,
        scope: Scope,
        types: Vec<String>,
    ) -> Result<(WebhookView, Secret), WebhookError> {
        let target = Target::parse(url, &self.limits.allow)?;
        scope.topic()?;
        if let Some(given) = types.iter().find(|given| !KINDS.contains(&given.as_str())) {
            return Err(WebhookError::UnknownType { given: given.chars().take(60).collect() });
        }
        let mut id = [0; 16];
        self.randomness.fill(&mut id)?;
        let secret = Secret::generate(&*self.randomness)?;
        let id = HookId(id);
        let _subscribing = self.subscribing.lock().await;
        {
            let hooks = self.lock();
            let own = hooks.iter().filter(|(_, hook)| hook.owner == owner).count();
            if own >= self.limits.per_owner {
                return Err(WebhookError::TooManyOfOwner { max: self.limits.per_owner });
            }
            if hooks.iter().count() >= self.limits.total {
                return Err(WebhookError::TooMany { max: self.limits.total });
            }
        }
        let after = self.events.newest();
        let url = target.url().to_owned();
        self.record(HookRecord::Created { id, owner, url, scope, types, secret: secret.clone(), after })
            .await?;
        Ok((self.view(owner, id)?, secret))
    }

    /// A webhook of `owner`.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`] also for somebody else's: ids are not to be tried.
    pub fn view(&self, owner: Owner, id: HookId) -> Result<WebhookView, WebhookError> {
        let hooks = self.lock();
        Ok(view(id, hooks.of(owner, id)?))
    }

    /// All webhooks of `owner`.
    pub fn list(&self, owner: Owner) -> Vec<WebhookView> {
        let hooks = self.lock();
        let own = hooks.iter().filter(|(_, hook)| hook.owner == owner);
        own.map(|(id, hook)| view(*id, hook)).collect()
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], or why it could not be recorded.
    pub async fn remove(&self, owner: Owner, id: HookId) -> Result<(), WebhookError> {
        self.view(owner, id)?;
        self.record(HookRecord::Removed { id }).await
    }

    /// Goes on with a disabled webhook where it stopped; if the events after that are not kept any more, with
    /// what happens from now on.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], [`WebhookError::NotDisabled`], or why it could not be recorded.
    pub async fn resume(&self, owner: Owner, id: HookId) -> Result<WebhookView, WebhookError> {
        let view = self.view(owner, id)?;
        if view.disabled.is_none() {
            return Err(WebhookError::NotDisabled);
        }
        let after = match self.events.page(&Topic::All, view.delivered, 1) {
            Ok(_) => view.delivered,
            Err(_) => self.events.newest(),
        };
        self.record(HookRecord::Resumed { id, after }).await?;
        self.view(owner, id)
    }

    /// Sends a made-up event of type `webhook_test`, signed like the others, once.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`], or that there is no randomness for its id.
    pub async fn test(&self, owner: Owner, id: HookId) -> Result<Attempt, WebhookError> {
        let (url, secret) = {
            let hooks = self.lock();
            let hook = hooks.of(owner, id)?;
            (hook.url.clone(), hook.secret.clone())
        };
        let mut random = [0; 16];
        self.randomness.fill(&mut random)?;
        Ok(self.send_test(&url, &secret, &HookId(random).to_string()).await)
    }

    /// Whom to tell, for the jobs.
    fn hook(&self, id: &HookId) -> Option<Hook> {
        self.lock().get(id).cloned()
    }

    fn note(&self, id: HookId, attempt: Attempt) {
        if let Some(hook) = self.lock().get_mut(&id) {
            hook.attempts.insert(0, attempt);
            hook.attempts.truncate(SHOWN);
        }
    }
}

fn view(id: HookId, hook: &Hook) -> WebhookView {
    WebhookView {
        id,
        url: hook.url.clone(),
        task: hook.scope.task,
        project: hook.scope.project,
        wish: hook.scope.wish,
        types: hook.types.clone(),
        delivered: hook.reached,
        disabled: hook.disabled.clone(),
        attempts: hook.attempts.clone(),
    }
}
