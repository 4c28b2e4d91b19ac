//! The jobs that deliver: one for each subscription, so that a slow receiver holds up nobody else; within one,
//! in order. What is under way when the process dies is delivered again.

use super::outgoing::Post;
use super::records::{Hook, HookId, HookRecord};
use super::sign::Secret;
use super::{Attempt, Webhooks};
use crate::escrow::public::{EventId, PublicEvent};
use crate::service::events::Lost;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Events taken from the list at once.
const BATCH: usize = 100;
/// A cursor is made durable after so many deliveries, or when there is nothing left to do.
const CURSOR_EVERY: u32 = 50;
/// Or after so long.
const CURSOR_AFTER: Duration = Duration::from_secs(5);
/// How much of a failure's words is kept.
const MAX_WORDS: usize = 200;

/// Delivers for ever: starts and ends the jobs of subscriptions as they come and go.
pub async fn run(webhooks: Arc<Webhooks>) {
    let mut changed = webhooks.changed.subscribe();
    let mut jobs: BTreeMap<HookId, Job> = BTreeMap::new();
    loop {
        changed.mark_unchanged();
        let enabled = webhooks.enabled();
        webhooks.metrics.webhooks_pending.set(webhooks.pending());
        jobs.retain(|id, job| enabled.contains(id) && !job.0.is_finished());
        for id in enabled {
            jobs.entry(id).or_insert_with(|| Job(tokio::spawn(Arc::clone(&webhooks).deliver(id))));
        }
        tokio::select! {
            // The sender is in `webhooks`, so this ends with a change.
            _ = changed.changed() => {}
            // A job may end by itself a moment after it was looked at.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// Ends with the one who started it.
struct Job(JoinHandle<()>);

impl Drop for Job {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What came of an event.
enum Outcome {
    Delivered,
    /// The subscription is over or disabled.
    Ended,
}

impl Webhooks {
    /// Makes every cursor durable; at the end of the process, so that nothing is repeated for no reason.
    pub async fn flush(&self) {
        let behind: Vec<(HookId, EventId)> = {
            let hooks = self.lock();
            let behind = hooks.iter().filter(|(_, hook)| hook.reached > hook.cursor);
            behind.map(|(id, hook)| (*id, hook.reached)).collect()
        };
        for (id, through) in behind {
            self.keep_cursor(id, through).await;
        }
    }

    async fn keep_cursor(&self, id: HookId, through: EventId) {
        // One that could not be kept costs a delivery twice.
        if let Err(error) = self.record(HookRecord::Delivered { id, through }).await {
            tracing::warn!(webhook.id = %id, %error, "how far a webhook is could not be recorded");
        }
    }

    async fn deliver(self: Arc<Self>, id: HookId) {
        let mut news = self.events.watch();
        let (mut since_kept, mut kept_at) = (0, Instant::now());
        loop {
            news.mark_unchanged();
            let Some(hook) = self.hook(&id) else { return };
            let Ok(topic) = hook.scope.topic() else { return };
            let page = match self.events.page(&topic, hook.reached, BATCH) {
                Ok(page) => page,
                Err(lost) => return self.disable(id, &lost_in_words(&lost)).await,
            };
            let newest = page.next;
            for event in &page.items {
                let wanted = hook.types.is_empty() || hook.types.iter().any(|name| name == event.what.kind());
                if wanted && matches!(self.deliver_one(id, &hook, event).await, Outcome::Ended) {
                    return;
                }
                since_kept += u32::from(wanted);
                self.reach(id, event.id);
                if since_kept >= CURSOR_EVERY || (since_kept > 0 && kept_at.elapsed() > CURSOR_AFTER) {
                    self.keep_cursor(id, event.id).await;
                    (since_kept, kept_at) = (0, Instant::now());
                }
            }
            // Past events of other topics, so that a quiet one is not looked for among them again.
            self.reach(id, newest);
            if page.items.len() < BATCH {
                if since_kept > 0 {
                    self.keep_cursor(id, newest).await;
                    (since_kept, kept_at) = (0, Instant::now());
                }
                // The list outlives the jobs, so this ends with an event.
                if news.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    fn reach(&self, id: HookId, event: EventId) {
        if let Some(hook) = self.lock().get_mut(&id) {
            hook.reached = hook.reached.max(event);
        }
    }

    fn enabled(&self) -> Vec<HookId> {
        let hooks = self.lock();
        let enabled = hooks.iter().filter(|(_, hook)| hook.disabled.is_none());
        enabled.map(|(id, _)| *id).collect()
    }

    /// How many subscriptions have something to deliver.
    fn pending(&self) -> u64 {
        let newest = self.events.newest();
        let hooks = self.lock();
        let behind = hooks.iter().filter(|(_, hook)| hook.disabled.is_none() && hook.reached < newest);
        u64::try_from(behind.count()).unwrap_or(u64::MAX)
    }

    /// Tries until it is delivered, or has failed for too long.
    async fn deliver_one(&self, id: HookId, hook: &Hook, event: &PublicEvent) -> Outcome {
        let Ok(body) = serde_json::to_string(event) else {
            // An event is made of text and numbers.
            return Outcome::Delivered;
        };
        let mut tries = 0;
        loop {
            let attempt =
                self.send(&hook.url, &hook.secret, &format!("{id}-{}", event.id), &body, event.id).await;
            let (status, failed) = (attempt.status, attempt.error.clone());
            self.note(id, attempt);
            let Some(reason) = failed else {
                self.count("delivered");
                if self.hook(&id).is_some_and(|hook| hook.failing_since.is_some()) {
                    // Or a restart would take a later failure for the end of this one.
                    self.keep_cursor(id, event.id).await;
                    // Also where that could not be recorded.
                    self.lock().get_mut(&id).into_iter().for_each(|hook| hook.failing_since = None);
                }
                return Outcome::Delivered;
            };
            self.count("failed");
            tracing::debug!(webhook.id = %id, event.id = %event.id, reason, tries, "not delivered");
            if status == Some(410) {
                self.disable(id, "the receiver is gone (410)").await;
                return Outcome::Ended;
            }
            let since_secs = self.failing_since(id).await;
            if self.clock.now_secs().saturating_sub(since_secs) >= self.limits.give_up.as_secs() {
                self.count("given_up");
                self.disable(id, &format!("event {} could not be delivered: {reason}", event.id)).await;
                return Outcome::Ended;
            }
            tokio::time::sleep(self.wait(tries)).await;
            tries = tries.saturating_add(1);
            // It may have been removed meanwhile.
            if self.hook(&id).is_none() {
                return Outcome::Ended;
            }
        }
    }

    /// Since when the next event does not get through. Kept, so that a restart does not begin the count anew.
    async fn failing_since(&self, id: HookId) -> u64 {
        let now_secs = self.clock.now_secs();
        let Some(hook) = self.hook(&id) else { return now_secs };
        if let Some(since_secs) = hook.failing_since {
            return since_secs;
        }
        // Deliveries before it are over, also after a restart.
        if hook.reached > hook.cursor {
            self.keep_cursor(id, hook.reached).await;
        }
        if let Err(error) = self.record(HookRecord::Failing { id, since_secs: now_secs }).await {
            tracing::warn!(webhook.id = %id, %error, "that a webhook fails could not be recorded");
            // In memory at least.
            if let Some(hook) = self.lock().get_mut(&id) {
                hook.failing_since = Some(now_secs);
            }
        }
        now_secs
    }

    /// How long to wait after so many failures: a fifth more or less, so that many do not come together.
    fn wait(&self, tries: usize) -> Duration {
        let last = self.limits.backoff.last().copied().unwrap_or(Duration::from_secs(3_600));
        let planned = self.limits.backoff.get(tries).copied().unwrap_or(last);
        let mut dice = [0];
        // Without randomness there is no spread.
        let spread = self.randomness.fill(&mut dice).map_or(128, |()| u32::from(dice[0]));
        planned * (320 + spread) / 448
    }

    pub(super) async fn send_test(&self, url: &str, secret: &Secret, name: &str) -> Attempt {
        let body = serde_json::json!({
            "id": format!("test-{name}"),
            "type": "webhook_test",
            "data": {},
            "recorded_secs": self.clock.now_secs(),
        });
        self.send(url, secret, &format!("test-{name}"), &body.to_string(), EventId::default()).await
    }

    async fn send(&self, url: &str, secret: &Secret, id: &str, body: &str, event: EventId) -> Attempt {
        // Never closed.
        let _lane = self.lanes.acquire().await;
        let at_secs = self.clock.now_secs();
        let headers = vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at_secs.to_string()),
            ("webhook-signature", secret.sign(id, at_secs, body.as_bytes())),
        ];
        let sent = self.outgoing.post(Post { url: url.to_owned(), headers, body: body.to_owned() }).await;
        let (status, error) = match sent {
            Ok(answered) if (200..300).contains(&answered.status) => (Some(answered.status), None),
            Ok(answered) => (Some(answered.status), Some(format!("it answered {}", answered.status))),
            Err(error) => (None, Some(error.to_string().chars().take(MAX_WORDS).collect())),
        };
        Attempt { event, at_secs, status, error }
    }

    fn count(&self, result: &'static str) {
        self.metrics.webhook_deliveries.get_or_create(&[("result", result)]).inc();
    }

    async fn disable(&self, id: HookId, reason: &str) {
        tracing::info!(webhook.id = %id, reason, "a webhook is disabled");
        let reached = self.lock().get(&id).map(|hook| hook.reached);
        if let Some(through) = reached {
            self.keep_cursor(id, through).await;
        }
        if let Err(error) = self.record(HookRecord::Disabled { id, reason: reason.to_owned() }).await {
            tracing::warn!(webhook.id = %id, %error, "that a webhook is disabled could not be recorded");
        }
    }
}

fn lost_in_words(lost: &Lost) -> String {
    format!("it was behind for too long: {lost}")
}
