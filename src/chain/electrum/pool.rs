//! All servers together: on which of them scripts are watched, and when what they say is published.
//!
//! The rule that makes reorgs ordinary: before a tip is published, every view that held a confirmation in a
//! block no longer ours has been read again under it. The tip comes last, and only from a server whose own
//! tip it is; the others are waited for a little, and then done without.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bitcoin::{BlockHash, ScriptBuf};

use super::Shared;
use super::merge::ServerId;
use super::server::{Server, now_secs};
use crate::chain::headers::{ClockCheck, HeaderChain};
use crate::chain::status::{ChainAlarm, ServerState, ServerStatus};
use crate::chain::{ChainUpdate, fetch};
use crate::escrow::facts::{ScriptView, Tip};

/// Blocks remembered for telling how deep a reorg was.
const REMEMBERED: usize = 2_016;
/// Reorgs of more blocks than this are no ordinary case on any network.
const ALARMING_REORG: u32 = 6;
/// How long a long reorg is told of.
const REORG_TOLD_SECS: u64 = 24 * 60 * 60;
/// How often the servers are looked at when nothing rings.
const TICK: Duration = Duration::from_millis(250);

/// What was published, and what is remembered for it.
#[derive(Default)]
pub(super) struct Published {
    tip: Option<Tip>,
    /// Servers whose lists of the mempool were counted.
    counting: BTreeSet<ServerId>,
    /// Since when a server is waited for.
    waiting: Option<Instant>,
    /// The newest blocks of the chain, oldest first.
    recent: VecDeque<(u32, BlockHash)>,
    long_reorg: Option<ChainAlarm>,
    /// Views that no subscription told of.
    pub(super) swept: Vec<(ScriptBuf, ScriptView)>,
    /// The server last told of as connected.
    told: Option<ServerId>,
    /// What each server's end was last told as.
    reasons: std::collections::BTreeMap<ServerId, String>,
}

/// Looks after roles and publication for ever.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.assign();
        shared.publish();
        tokio::select! {
            () = shared.ring.notified() => {}
            () = tokio::time::sleep(TICK.min(shared.config.patience / 2)) => {}
        }
    }
}

impl Shared {
    fn published(&self) -> std::sync::MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a server's tip is our best block.
    pub(super) fn at_best_tip(&self, server: &Server) -> bool {
        let best = fetch::read(&self.headers).tip_hash();
        server.standing().tip.is_some_and(|tip| tip.hash == best)
    }

    /// Whether another server stands for our branch against one of equal work.
    pub(super) fn somebody_else_at_tip(&self, id: ServerId) -> bool {
        let others = self.servers.iter().enumerate().filter(|(other, _)| *other != id);
        others.into_iter().any(|(_, server)| server.connection().is_some() && self.at_best_tip(server))
    }

    /// A server is connected and its headers are good.
    pub(super) fn joined(&self, id: ServerId) {
        let mut published = self.published();
        published.reasons.remove(&id);
        if published.told.is_none() {
            published.told = Some(id);
            self.outbox.push(ChainUpdate::Connected { server: self.servers[id].name.clone() });
        }
        drop(published);
        self.ring.notify_one();
    }

    /// A server went, or was sent, away.
    pub(super) fn left(&self, id: ServerId, reason: String) {
        self.servers[id].standing().watching = false;
        let mut published = self.published();
        if published.told == Some(id) {
            published.told = self.servers.iter().position(|server| server.connection().is_some());
        }
        let server = self.servers[id].name.clone();
        match published.told {
            Some(other) => {
                self.outbox.push(ChainUpdate::Connected { server: self.servers[other].name.clone() })
            }
            None if published.reasons.get(&id) == Some(&reason) => {}
            None => {
                published.reasons.insert(id, reason.clone());
                self.outbox.push(ChainUpdate::Disconnected { server, reason });
            }
        }
        drop(published);
        self.ring.notify_one();
    }

    /// Headers may have moved: what that undid is to be read again.
    pub(super) fn moved(&self) {
        {
            let mut scripts = self.scripts();
            scripts.undo(&fetch::read(&self.headers));
        }
        self.look_again();
    }

    /// Has every session look at what it is to do.
    pub(super) fn look_again(&self) {
        self.epoch.send_modify(|epoch| *epoch = epoch.wrapping_add(1));
        self.ring.notify_one();
    }

    /// Sees to it that scripts are watched on as many servers at the best tip as wanted. Who watches goes on
    /// doing so, also through a moment's lag; who lags for longer is replaced.
    fn assign(&self) {
        let headers = fetch::read(&self.headers);
        let (best, patience) = (headers.tip_hash(), self.config.patience);
        let mut usable = Vec::new();
        let (mut watching, mut late) = (Vec::new(), Vec::new());
        for (id, server) in self.servers.iter().enumerate() {
            let connected = server.connection().is_some();
            let mut standing = server.standing();
            let at_best = connected && standing.tip.is_some_and(|tip| tip.hash == best);
            standing.behind =
                if connected && !at_best { standing.behind.or(Some(Instant::now())) } else { None };
            // On a block that is not ours, as opposed to one that we have and went on from.
            let forked =
                connected && standing.tip.is_some_and(|tip| headers.hash(tip.height) != Some(tip.hash));
            standing.forked_since =
                if forked { standing.forked_since.or(Some((now_secs(), Instant::now()))) } else { None };
            let lags = standing.behind.is_some_and(|since| since.elapsed() > patience);
            match (connected, standing.watching) {
                (true, true) if lags => late.push(id),
                (true, true) => watching.push((id, standing.full)),
                (true, false) if at_best => usable.push(id),
                _ => {}
            }
        }
        drop(headers);
        let mut changed = false;
        let mut whole = watching.iter().filter(|(_, full)| !full).count();
        for id in usable {
            if whole >= self.config.watch_on {
                break;
            }
            self.servers[id].standing().watching = true;
            tracing::info!(server.address = %self.servers[id].name, "scripts are watched on this server");
            (whole, changed) = (whole + 1, true);
        }
        // A server that lags watches on as long as there is no other.
        if whole > 0 {
            for id in late {
                self.servers[id].standing().watching = false;
                tracing::warn!(server.address = %self.servers[id].name, "behind the others: scripts are watched elsewhere");
                changed = true;
            }
        }
        for (id, _) in watching.iter().rev().filter(|(_, full)| !full) {
            if whole > self.config.watch_on {
                self.servers[*id].standing().watching = false;
                (whole, changed) = (whole - 1, true);
            }
        }
        if changed {
            self.look_again();
        }
    }

    /// Publishes the tip and what changed, when enough servers have said their part.
    pub(super) fn publish(&self) {
        let mut published = self.published();
        let mut scripts = self.scripts();
        let headers = fetch::read(&self.headers);
        if scripts.undo(&headers) {
            drop((headers, scripts, published));
            return self.look_again();
        }
        let (mut waited_for, mut settled) = (0usize, BTreeSet::new());
        for (id, server) in self.servers.iter().enumerate() {
            let standing = server.standing();
            if !standing.watching || server.connection().is_none() {
                continue;
            }
            let at_best = standing.tip.is_some_and(|tip| tip.hash == headers.tip_hash());
            let lags = standing.behind.is_some_and(|since| since.elapsed() > self.config.patience);
            waited_for += usize::from(at_best || !lags);
            if at_best && standing.covers == Some(scripts.generation()) && scripts.is_settled(id) {
                settled.insert(id);
            }
        }
        if settled.is_empty() {
            return;
        }
        if settled.len() < waited_for {
            let since = *published.waiting.get_or_insert_with(Instant::now);
            if since.elapsed() < self.config.patience {
                return;
            }
        } else {
            published.waiting = None;
        }
        let Some(tip) = headers.tip() else {
            tracing::warn!(
                "the median time past is not known so near to the checkpoint: nothing can be told yet"
            );
            return;
        };
        if published.counting != settled {
            scripts.recount();
            published.counting.clone_from(&settled);
        }
        let Some(mut views) = scripts.news(&settled, &*self.cache, self.config.linger) else { return };
        let swept = std::mem::take(&mut published.swept);
        views.extend(swept);
        if views.is_empty() && published.tip == Some(tip) {
            return;
        }
        published.remember(&headers);
        drop((headers, scripts));
        tracing::debug!(tip.height, views = views.len(), "snapshot");
        published.tip = Some(tip);
        self.outbox.push(ChainUpdate::Snapshot { tip, views });
    }

    /// Hands over a view that no subscription told of.
    pub(super) fn tell(&self, script: ScriptBuf, view: ScriptView) {
        self.published().swept.push((script, view));
        self.ring.notify_one();
    }

    /// Every server as it stands.
    pub(super) fn statuses(&self) -> Vec<ServerStatus> {
        let best = fetch::read(&self.headers).tip_hash();
        let scripts = self.scripts();
        let status = |(id, server): (ServerId, &Server)| {
            let connection = server.connection();
            let standing = server.standing();
            ServerStatus {
                address: server.name.clone(),
                state: standing.state.clone(),
                tip: standing.tip,
                at_best_tip: connection.is_some() && standing.tip.is_some_and(|tip| tip.hash == best),
                watches: connection.is_some() && standing.watching,
                subscriptions: scripts.subscriptions(id),
                last_answer_age_secs: connection.map(|connection| connection.silent_for().as_secs()),
            }
        };
        self.servers.iter().enumerate().map(status).collect()
    }

    /// What the operator should look at.
    pub(super) fn alarms(&self) -> Vec<ChainAlarm> {
        let statuses = self.statuses();
        let mut alarms = Vec::new();
        let connected: Vec<&ServerStatus> =
            statuses.iter().filter(|status| status.state == ServerState::Connected).collect();
        let now_secs = now_secs();
        let (height, newest, clock) = {
            let headers = fetch::read(&self.headers);
            let newest = headers.header(headers.height()).map(|header| u64::from(header.time));
            (headers.height(), newest, headers.clock(now_secs))
        };
        match connected.as_slice() {
            [] => alarms.push(ChainAlarm::NoServer),
            [only] if self.servers.len() > 1 => {
                alarms.push(ChainAlarm::OneServer { address: only.address.clone() });
            }
            _ => {}
        }
        if !connected.is_empty() && connected.iter().all(|status| !status.at_best_tip) {
            alarms.push(ChainAlarm::NobodyAtBestTip { height });
        }
        for (server, status) in self.servers.iter().zip(&statuses) {
            let standing = server.standing().clone();
            if let ServerState::Dropped { until_secs, reason } = &status.state {
                let (address, reason) = (status.address.clone(), reason.clone());
                alarms.push(ChainAlarm::ServerDropped { address, reason, until_secs: *until_secs });
            }
            if let (Some((since_secs, since)), Some(tip)) = (standing.forked_since, status.tip)
                && since.elapsed() > self.config.fork_grace
            {
                let (address, height, hash) = (status.address.clone(), tip.height, tip.hash);
                alarms.push(ChainAlarm::Disagreement { address, height, hash, since_secs });
            }
            if standing.full {
                let by = self.servers.iter().enumerate().filter(|(_, server)| server.standing().watching);
                let scripts = self.scripts().unwatched(&by.map(|(id, _)| id).collect()).len();
                if scripts > 0 {
                    let address = status.address.clone();
                    alarms.push(ChainAlarm::SubscriptionsRefused { address, scripts });
                }
            }
        }
        if let Some(newest) = newest {
            let age_secs = now_secs.saturating_sub(newest);
            if self.config.stale_after.is_some_and(|after| age_secs > after.as_secs()) {
                alarms.push(ChainAlarm::TipStale { height, age_secs });
            }
        }
        // Never on regtest, whose times are made up.
        if let Some(ClockCheck::BlocksAhead { by_secs }) = clock {
            alarms.push(ChainAlarm::ClockSkew { ahead_secs: by_secs });
        }
        alarms.extend(self.published().long_reorg.clone().filter(|alarm| match alarm {
            ChainAlarm::LongReorg { at_secs, .. } => now_secs.saturating_sub(*at_secs) < REORG_TOLD_SECS,
            _ => true,
        }));
        alarms
    }
}

impl Published {
    /// Remembers the newest blocks, and how many of those remembered were undone.
    fn remember(&mut self, headers: &HeaderChain) {
        let mut depth = 0u32;
        while let Some((height, hash)) = self.recent.back().copied() {
            if headers.hash(height) == Some(hash) {
                break;
            }
            depth += 1;
            self.recent.pop_back();
        }
        let fork_height = self.recent.back().map(|(height, _)| *height);
        if depth > ALARMING_REORG {
            tracing::error!(depth, "ALARM: a deep reorg");
            let fork_height = fork_height.unwrap_or_default();
            self.long_reorg = Some(ChainAlarm::LongReorg { depth, fork_height, at_secs: now_secs() });
        }
        let remembered = u32::try_from(REMEMBERED).unwrap_or(u32::MAX);
        let from =
            fork_height.map_or(0, |height| height + 1).max(headers.height().saturating_sub(remembered));
        self.recent.extend((from..=headers.height()).filter_map(|at| Some((at, headers.hash(at)?))));
        while self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }
}
