//! What happens on one connection: handshake, headers, and where scripts are watched on it, subscriptions and
//! round after round of "take the news, read what changed". What comes of it goes to the union
//! (`merge.rs`); what is published, and when, is for `pool.rs`.

use std::convert::Infallible;

use bitcoin::ScriptBuf;
use bitcoin::block::Header;
use electrum_streaming_client::ElectrumScriptHash;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use super::Shared;
use super::connection::{Connection, Inbox};
use super::drop::{SessionError, may_pass};
use super::merge::{ServerId, Taken};
use super::server::Server;
use crate::chain::fetch::{self, FetchError, RpcError};
use crate::chain::headers::Tie;
use crate::chain::status::ServerState;

/// Subscriptions under way at once.
const SUBSCRIBING: usize = 500;
/// Scripts read at once. electrs looks at its mempool again after each batch of requests it finds
/// waiting, so many at once are far cheaper than few (ADR 0003 has numbers).
const READING: usize = 256;
/// How often what does not fit together is asked for, with headers synced in between, before it is held
/// against the server.
const TRIES: u32 = 4;

/// One connection.
struct Session<'a> {
    shared: &'a Shared,
    id: ServerId,
    server: &'a Server,
    connection: Connection,
    inbox: &'a Inbox,
}

/// Serves until something fails.
pub(super) async fn serve(
    shared: &Shared,
    id: ServerId,
    connection: Connection,
    inbox: &Inbox,
) -> Result<Infallible, SessionError> {
    let server = &shared.servers[id];
    let session = Session { shared, id, server, connection, inbox };
    session.sync_headers().await?;
    tracing::info!(server.address = %server.name, "connected");
    server.standing().state = ServerState::Connected;
    server.connection.send_replace(Some(session.connection.clone()));
    shared.joined(id);
    let mut epoch = shared.epoch.subscribe();
    loop {
        epoch.borrow_and_update();
        session.round().await?;
        shared.ring.notify_one();
        tokio::select! {
            () = inbox.wait() => {}
            _ = epoch.changed() => {}
        }
    }
}

impl Session<'_> {
    /// Asks for the tip and brings our headers to it, if it is on the best chain.
    async fn sync_headers(&self) -> Result<(), SessionError> {
        let announced = fetch::announced_tip(&self.connection).await.map_err(SessionError::of)?;
        self.follow(announced).await
    }

    /// Offers the server's branch to our headers. One that is valid and has less work is nobody's fault.
    async fn follow(&self, mut announced: (u32, Header)) -> Result<(), SessionError> {
        let Shared { headers, cache, .. } = self.shared;
        let mut tries = 1;
        loop {
            let hash = announced.1.block_hash();
            self.server.announced(announced.0, hash);
            let tie = if self.shared.somebody_else_at_tip(self.id) { Tie::KeepOurs } else { Tie::TakeTheirs };
            let turn = self.shared.turn.lock();
            let turn = tokio::time::timeout(self.shared.config.patience, turn).await;
            let synced = fetch::sync_headers(&self.connection, headers, &**cache, announced, tie).await;
            drop(turn);
            match synced {
                Ok(()) => break,
                Err(error @ FetchError::Behind { .. }) => {
                    // Old news, maybe, that waited while a newer tip was asked for: what counts is the tip it
                    // has now, and nobody would tell that one again.
                    let now = fetch::announced_tip(&self.connection).await.map_err(SessionError::of)?;
                    if now.1.block_hash() != hash && tries < TRIES {
                        tries += 1;
                        announced = now;
                        continue;
                    }
                    tracing::debug!(server.address = %self.server.name, %error, "not followed");
                    break;
                }
                // Another server may have moved our chain, or this one its own, between two answers.
                Err(error) if may_pass(&error) && tries < TRIES => {
                    tracing::debug!(server.address = %self.server.name, %error, tries, "asking again");
                    tokio::time::sleep(self.shared.config.retry * tries).await;
                    tries += 1;
                    announced = fetch::announced_tip(&self.connection).await.map_err(SessionError::of)?;
                }
                Err(error) => return Err(SessionError::of(error)),
            }
        }
        self.shared.moved();
        Ok(())
    }

    fn at_best_tip(&self) -> bool {
        self.shared.at_best_tip(self.server)
    }

    /// Takes the news and, if scripts are watched here, reads what they are about.
    async fn round(&self) -> Result<(), SessionError> {
        let mut tries = 0;
        loop {
            let news = self.inbox.take();
            if let Some(error) = news.closed {
                return Err(error.into());
            }
            if let Some(tip) = news.tip {
                let before = fetch::read(&self.shared.headers).tip_hash();
                self.follow(tip).await?;
                if fetch::read(&self.shared.headers).tip_hash() != before {
                    self.shared.scripts().forgive(self.id);
                }
            }
            if !self.server.standing().watching {
                return self.rest();
            }
            {
                let mut scripts = self.shared.scripts();
                for (hash, status) in news.statuses {
                    scripts.learn(self.id, hash, status, false, &self.shared.headers, &*self.shared.cache);
                }
            }
            self.subscribe().await?;
            let Some(error) = self.read().await? else {
                if self.inbox.has_tip() {
                    continue;
                }
                return Ok(());
            };
            // Who is behind, or on another branch, cannot prove what we ask for: it is not held against it.
            if !self.at_best_tip() {
                self.shared.scripts().forgive(self.id);
                self.shared.ring.notify_one();
                return Ok(());
            }
            tries += 1;
            if let Failed::ForGood(reason) = error {
                // What is proved is told before it goes.
                self.shared.scripts().give_up(self.id);
                self.shared.publish();
                return Err(reason);
            }
            tokio::time::sleep(self.shared.config.retry * tries.min(TRIES)).await;
            self.sync_headers().await?;
        }
    }

    /// Watches nothing (any more).
    fn rest(&self) -> Result<(), SessionError> {
        let mut standing = self.server.standing();
        if standing.covers.take().is_some() {
            drop(standing);
            self.shared.scripts().unsubscribed(self.id);
        }
        Ok(())
    }

    /// Subscribes to whatever this server does not watch yet.
    async fn subscribe(&self) -> Result<(), SessionError> {
        let (missing, generation, gone) = {
            let mut scripts = self.shared.scripts();
            let gone = scripts.take_leaving(self.id);
            let known = self.server.standing().covers == Some(scripts.generation());
            let missing = if known { Vec::new() } else { scripts.missing(self.id) };
            (missing, scripts.generation(), gone)
        };
        for script in gone {
            self.inbox.ignore(&ElectrumScriptHash::new(&script));
            self.connection.unsubscribe(&script).await;
        }
        if missing.is_empty() || self.server.standing().full {
            self.server.standing().covers = Some(generation);
            return Ok(());
        }
        let (mut missing, mut tries) = (missing, 1);
        while let Some(refused) = self.ask_for(missing).await? {
            // A server that has only just started refuses for a moment (electrs: "unavailable index").
            if tries < TRIES {
                tracing::debug!(server.address = %self.server.name, error = %refused, tries, "asking again");
                tokio::time::sleep(self.shared.config.retry * tries).await;
                missing = self.shared.scripts().missing(self.id);
                tries += 1;
                continue;
            }
            // Not one was taken: that is no limit, it cannot serve now. It is connected to again.
            if self.shared.scripts().subscriptions(self.id) == 0 {
                return Err(refused.into());
            }
            tracing::warn!(server.address = %self.server.name, error = %refused, "no more subscriptions are taken");
            self.server.standing().full = true;
            self.shared.ring.notify_one();
            break;
        }
        self.server.standing().covers = Some(generation);
        Ok(())
    }

    /// Subscribes to these, until one is refused: then why.
    async fn ask_for(
        &self,
        missing: Vec<(ElectrumScriptHash, ScriptBuf)>,
    ) -> Result<Option<RpcError>, SessionError> {
        let connection = &self.connection;
        // Boxed, because the compiler cannot show such a stream of borrowing futures to be `Send`.
        let calls: Vec<BoxFuture<'_, _>> = missing
            .into_iter()
            .map(|(hash, script)| {
                async move {
                    self.inbox.expect(hash);
                    (hash, connection.subscribe(&script).await)
                }
                .boxed()
            })
            .collect();
        let mut answers = futures::stream::iter(calls).buffer_unordered(SUBSCRIBING);
        while let Some((hash, status)) = answers.next().await {
            match status {
                Ok(status) => {
                    let mut scripts = self.shared.scripts();
                    scripts.learn(self.id, hash, status, true, &self.shared.headers, &*self.shared.cache);
                }
                Err(refused @ RpcError::Refused { .. }) => {
                    self.inbox.ignore(&hash);
                    return Ok(Some(refused));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Reads every dirty script once. What does not fit together (yet) is returned.
    async fn read(&self) -> Result<Option<Failed>, SessionError> {
        let Shared { headers, cache, .. } = self.shared;
        let dirty = self.shared.scripts().dirty(self.id);
        let (connection, cache) = (&self.connection, &**cache);
        let reads: Vec<BoxFuture<'_, _>> = dirty
            .into_iter()
            .map(|(hash, script)| {
                async move { (hash, fetch::hear_script(connection, headers, cache, &script).await) }.boxed()
            })
            .collect();
        let mut reads = futures::stream::iter(reads).buffer_unordered(READING);
        let mut failed: Option<Failed> = None;
        let mut contradicting = Vec::new();
        while let Some((hash, heard)) = reads.next().await {
            let taken =
                heard.and_then(|heard| Ok(self.shared.scripts().take(self.id, hash, heard, headers)?));
            let error = match taken {
                Ok(Taken::Good) => continue,
                Ok(Taken::Contradicts) => {
                    contradicting.push(hash);
                    continue;
                }
                Err(error) if may_pass(&error) => error,
                Err(error) => return Err(SessionError::of(error)),
            };
            // Histories, transactions and proofs that contradict each other may be a reorg in the making;
            // only what lasts, while the server has the very blocks that we have, is held against it.
            if self.shared.scripts().failed(self.id, hash) >= TRIES {
                failed = Some(Failed::ForGood(SessionError::of(error)));
            } else if failed.is_none() {
                failed = Some(Failed::ForNow);
            }
        }
        drop(reads);
        for hash in contradicting {
            if self.shared.scripts().failed(self.id, hash) >= TRIES {
                let reason = "its statuses contradict the histories it gives".to_owned();
                return Ok(Some(Failed::ForGood(SessionError::Lie(reason))));
            }
            let Some(script) = self.shared.scripts().script(&hash) else { continue };
            // The history may have changed since: what is its status now?
            let status = self.connection.subscribe(&script).await?;
            self.shared.scripts().learn(self.id, hash, status, true, headers, cache);
            failed.get_or_insert(Failed::ForNow);
        }
        Ok(failed)
    }
}

/// Something could not be read.
enum Failed {
    /// It is worth another try.
    ForNow,
    /// It was tried often enough.
    ForGood(SessionError),
}
