//! What happens on one connection: handshake, headers, subscriptions, then round after round of
//! "take the news, read what changed, publish". Views outlive the connection, so after a reconnect
//! only scripts whose status differs are read again.
//!
//! The rule that makes reorgs ordinary: before a tip is published, every view that holds a
//! confirmation in a block no longer ours has been read again. The tip comes last, and if it moves
//! while scripts are read, the round starts over.

use std::collections::HashMap;
use std::time::Duration;

use bitcoin::{Script, ScriptBuf};
use electrum_streaming_client::ElectrumScriptHash;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use super::connection::{self, Connection, Inbox, Status};
use super::{Outbox, Shared};
use crate::chain::cache::ScriptRecord;
use crate::chain::fetch::{self, FetchError, RpcError};
use crate::chain::headers::{HeaderChain, Tie};
use crate::chain::{ChainCache, ChainUpdate};
use crate::escrow::facts::{ScriptView, Tip};

/// Subscriptions under way at once.
const SUBSCRIBING: usize = 500;
/// Scripts read at once. electrs looks at its mempool again after each batch of requests it finds
/// waiting, so many at once are far cheaper than few (ADR 0003 has numbers).
const READING: usize = 256;
/// How often a script that is not proved is read, with headers synced in between, before the server
/// is dropped for it; and how long to wait in between.
const TRIES: u32 = 4;
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the median time past is not known {above} blocks above the checkpoint")]
    NoMedianTime { above: u32 },
}

impl From<RpcError> for SessionError {
    fn from(error: RpcError) -> Self {
        Self::Fetch(error.into())
    }
}

impl SessionError {
    /// A mere outage, as opposed to something wrong that the server said.
    pub(super) fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Fetch(FetchError::Rpc(RpcError::Disconnected { .. } | RpcError::TimedOut { .. }))
        )
    }
}

/// A script of the live set.
struct Tracked {
    script: ScriptBuf,
    /// The status its view belongs to, or is being read for.
    status: Status,
    /// Must be read (again).
    dirty: bool,
    /// Reads that failed in a row.
    failed: u32,
    view: Option<ScriptView>,
    /// The view was not published yet.
    fresh: bool,
}

/// All that is known of the watched scripts, over all connections.
pub(super) struct Watcher<'a> {
    shared: &'a Shared,
    outbox: &'a Outbox,
    scripts: HashMap<ElectrumScriptHash, Tracked>,
    tip: Option<Tip>,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(shared: &'a Shared, outbox: &'a Outbox) -> Self {
        Self { shared, outbox, scripts: HashMap::new(), tip: None }
    }

    /// Connects and serves until something fails. Says what, and whether anything was published.
    pub(super) async fn session(&mut self) -> (SessionError, bool) {
        let config = &self.shared.config;
        let connected =
            connection::connect(&config.address, config.request_timeout, config.ping_interval).await;
        let (connection, inbox, _tasks) = match connected {
            Ok(parts) => parts,
            Err(error) => return (error.into(), false),
        };
        self.scripts.values_mut().for_each(|tracked| tracked.failed = 0);
        let mut session = Session { connection, inbox: &inbox, subscribed: Vec::new(), settled: false };
        let Err(error) = self.serve(&mut session).await;
        let error = match error {
            SessionError::Fetch(FetchError::Rpc(error)) => connection::closed_or(&inbox, error).into(),
            other => other,
        };
        (error, session.settled)
    }

    async fn serve(&mut self, session: &mut Session<'_>) -> Result<std::convert::Infallible, SessionError> {
        self.sync_headers(session).await?;
        let server = self.shared.config.server();
        tracing::info!(server.address = %server, tip.height = fetch::read(&self.shared.headers).height(), "connected");
        self.shared.connection.send_replace(Some(session.connection.clone()));
        self.outbox.push(ChainUpdate::Connected { server });
        loop {
            self.round(session).await?;
            session.settled = true;
            tokio::select! {
                () = session.inbox.wait() => {}
                () = self.shared.grew.notified() => {}
            }
        }
    }

    /// Asks for the tip and brings our headers to it.
    async fn sync_headers(&mut self, session: &Session<'_>) -> Result<(), SessionError> {
        let announced = fetch::announced_tip(&session.connection).await?;
        self.follow(session, announced).await
    }

    async fn follow(
        &mut self,
        session: &Session<'_>,
        announced: (u32, bitcoin::block::Header),
    ) -> Result<(), SessionError> {
        let Shared { headers, cache, .. } = self.shared;
        fetch::sync_headers(&session.connection, headers, &**cache, announced, Tie::TakeTheirs).await?;
        let headers = fetch::read(headers);
        for tracked in self.scripts.values_mut() {
            tracked.dirty |= tracked.view.as_ref().is_some_and(|view| undone(view, &headers));
        }
        Ok(())
    }

    /// Takes the news, reads what they are about, and publishes what came of it.
    async fn round(&mut self, session: &mut Session<'_>) -> Result<(), SessionError> {
        loop {
            let news = session.inbox.take();
            if let Some(error) = news.closed {
                return Err(error.into());
            }
            for (hash, status) in news.statuses {
                if let Some(tracked) = self.scripts.get_mut(&hash) {
                    (tracked.status, tracked.dirty) = (status, true);
                }
            }
            if let Some(tip) = news.tip {
                match self.follow(session, tip).await {
                    // Old news, maybe: what counts is the tip it has now.
                    Err(SessionError::Fetch(FetchError::Behind { .. })) => self.sync_headers(session).await?,
                    followed => followed?,
                }
            }
            self.subscribe(session).await?;
            let unproved = self.read_changed(session).await?;
            if let Some((tries, error)) = unproved {
                if tries >= TRIES {
                    self.publish_if_whole()?;
                    return Err(error.into());
                }
                // Most likely the server knows a block that we do not know yet.
                tracing::debug!(%error, tries, "reading again");
                tokio::time::sleep(RETRY_AFTER * tries).await;
                self.sync_headers(session).await?;
            } else if !session.inbox.has_tip() {
                return self.publish();
            }
        }
    }

    /// Subscribes to whatever joined the live set, and on a new connection to all of it.
    async fn subscribe(&mut self, session: &mut Session<'_>) -> Result<(), SessionError> {
        let missing: Vec<ScriptBuf> = {
            let live = self.shared.scripts();
            live.iter().filter(|script| session.subscribed.binary_search(script).is_err()).cloned().collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        for script in &missing {
            session.inbox.expect(ElectrumScriptHash::new(script));
        }
        let connection = &session.connection;
        // Boxed, because the compiler cannot show such a stream of borrowing futures to be `Send`.
        let calls: Vec<BoxFuture<'_, _>> = missing
            .iter()
            .map(|script| async move { (script, connection.subscribe(script).await) }.boxed())
            .collect();
        let mut answers = futures::stream::iter(calls).buffer_unordered(SUBSCRIBING);
        while let Some((script, status)) = answers.next().await {
            self.learn(script, status?);
        }
        drop(answers);
        session.subscribed.extend(missing);
        session.subscribed.sort_unstable();
        Ok(())
    }

    /// Compares a status with the one our view is for; the view may come from the cache.
    fn learn(&mut self, script: &Script, status: Status) {
        let Shared { headers, cache, .. } = self.shared;
        let tracked = self.scripts.entry(ElectrumScriptHash::new(script)).or_insert_with(|| {
            let record = cache.script(script).filter(|record| record.status == status);
            let view = record.map(|record| record.view);
            let view = view.filter(|view| fetch::still_proved(headers, &**cache, script, view));
            let (dirty, fresh) = (view.is_none(), view.is_some());
            Tracked { script: script.to_owned(), status, dirty, failed: 0, view, fresh }
        });
        if tracked.status != status {
            (tracked.status, tracked.dirty) = (status, true);
        }
    }

    /// Reads every dirty script. What stays unproved is returned, with how often it failed.
    async fn read_changed(
        &mut self,
        session: &Session<'_>,
    ) -> Result<Option<(u32, FetchError)>, SessionError> {
        let Shared { headers, cache, .. } = self.shared;
        let dirty = self.scripts.iter().filter(|(_, tracked)| tracked.dirty);
        let dirty: Vec<_> = dirty.map(|(hash, t)| (*hash, t.script.clone(), t.status)).collect();
        let (connection, cache) = (&session.connection, &**cache);
        let reads: Vec<BoxFuture<'_, _>> = dirty
            .into_iter()
            .map(|(hash, script, status)| {
                async move {
                    let read = match status {
                        None => Ok(ScriptView::default()),
                        Some(_) => fetch::read_script(connection, headers, cache, &script).await,
                    };
                    (hash, status, read)
                }
                .boxed()
            })
            .collect();
        let mut reads = futures::stream::iter(reads).buffer_unordered(READING);
        let mut unproved: Option<(u32, FetchError)> = None;
        while let Some((hash, status, read)) = reads.next().await {
            let tracked = self.scripts.get_mut(&hash).expect("scripts are never removed");
            match read {
                Ok(view) => tracked.update(cache, status, view),
                // Histories, transactions and proofs that contradict each other may be a reorg in
                // the making; only what lasts is held against the server.
                Err(error @ (FetchError::Unproved(_) | FetchError::Rpc(RpcError::Refused { .. }))) => {
                    tracked.failed += 1;
                    if unproved.as_ref().is_none_or(|(tries, _)| *tries < tracked.failed) {
                        unproved = Some((tracked.failed, error));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(unproved)
    }

    /// Publishes what is proved, unless a script that could not be read had something undone: its
    /// view would be false under the new tip.
    fn publish_if_whole(&mut self) -> Result<(), SessionError> {
        let stale = {
            let headers = fetch::read(&self.shared.headers);
            self.scripts.values().any(|t| t.view.as_ref().is_some_and(|view| undone(view, &headers)))
        };
        if stale { Ok(()) } else { self.publish() }
    }

    fn publish(&mut self) -> Result<(), SessionError> {
        let tip = {
            let headers = fetch::read(&self.shared.headers);
            let above = headers.height() - headers.checkpoint().height;
            headers.tip().ok_or(SessionError::NoMedianTime { above })?
        };
        let fresh = self.scripts.values_mut().filter(|tracked| tracked.fresh);
        let mut views: Vec<(ScriptBuf, ScriptView)> = fresh
            .filter_map(|tracked| {
                tracked.fresh = false;
                Some((tracked.script.clone(), tracked.view.clone()?))
            })
            .collect();
        if views.is_empty() && self.tip == Some(tip) {
            return Ok(());
        }
        views.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        tracing::debug!(tip.height, views = views.len(), "snapshot");
        self.tip = Some(tip);
        self.outbox.push(ChainUpdate::Snapshot { tip, views });
        Ok(())
    }
}

impl Tracked {
    fn update(&mut self, cache: &dyn ChainCache, status: Status, view: ScriptView) {
        cache.put_script(&self.script, &ScriptRecord { status, view: view.clone() });
        self.failed = 0;
        self.dirty = false;
        if self.view.as_ref() != Some(&view) {
            (self.view, self.fresh) = (Some(view), true);
        }
    }
}

/// What belongs to one connection only.
struct Session<'a> {
    connection: Connection,
    inbox: &'a Inbox,
    /// Sorted.
    subscribed: Vec<ScriptBuf>,
    /// A round was completed.
    settled: bool,
}

/// Whether a view has a confirmation in a block that is not in our chain (any more).
fn undone(view: &ScriptView, headers: &HeaderChain) -> bool {
    let deposits = view.deposits.iter().filter_map(|deposit| deposit.confirmation);
    let spends = view.spends.iter().filter_map(|spend| spend.confirmation);
    deposits.chain(spends).any(|c| headers.hash(c.height) != Some(c.block_hash))
}
