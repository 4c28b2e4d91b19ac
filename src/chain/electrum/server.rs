//! One server of several: what is known of it, and the loop that keeps its connection coming back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bitcoin::BlockHash;
use tokio::sync::watch;

use super::Shared;
use super::config::ServerConfig;
use super::connection::{self, Connection};
use super::drop::{SessionError, sentence};
use super::merge::ServerId;
use super::session;
use crate::chain::status::{ServerState, ServerTip};

/// Unix seconds by the machine's clock, for display.
pub(super) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A server and how it stands.
pub(super) struct Server {
    pub(super) config: ServerConfig,
    /// Its address, for people.
    pub(super) name: String,
    /// The connection, while there is one that passed the handshake.
    pub(super) connection: watch::Sender<Option<Connection>>,
    standing: Mutex<Standing>,
}

/// What changes about a server.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) state: ServerState,
    pub(super) tip: Option<ServerTip>,
    /// Scripts are to be watched on it.
    pub(super) watching: bool,
    /// The generation of the live set that it watches all of; as of its last round.
    pub(super) covers: Option<u64>,
    /// It takes no more subscriptions.
    pub(super) full: bool,
    /// Since when its tip is not the best block, while it is connected.
    pub(super) behind: Option<Instant>,
    /// Since when it follows another chain, Unix seconds.
    pub(super) forked_since: Option<(u64, Instant)>,
    /// Lies so far.
    lies: u32,
}

impl Server {
    pub(super) fn new(config: ServerConfig) -> Self {
        let standing = Standing {
            state: ServerState::Connecting { reason: None },
            tip: None,
            watching: false,
            covers: None,
            full: false,
            behind: None,
            forked_since: None,
            lies: 0,
        };
        let (name, connection) = (config.address.to_string(), watch::Sender::new(None));
        Self { config, name, connection, standing: Mutex::new(standing) }
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if there is one.
    pub(super) fn connection(&self) -> Option<Connection> {
        self.connection.borrow().clone()
    }

    /// Notes the tip it announced.
    pub(super) fn announced(&self, height: u32, hash: BlockHash) {
        self.standing().tip = Some(ServerTip { height, hash });
    }
}

/// Keeps a server connected for ever.
pub(super) async fn keep(shared: Arc<Shared>, id: ServerId) {
    let server = &shared.servers[id];
    let (first, longest) = shared.config.backoff;
    let mut wait = first;
    loop {
        let since = Instant::now();
        let error = match connection::connect(&server.config, &shared.config).await {
            Err(error) => error.into(),
            Ok((connection, inbox, _tasks)) => {
                let Err(error) = session::serve(&shared, id, connection, &inbox).await;
                match error {
                    SessionError::Outage(crate::chain::fetch::FetchError::Rpc(error)) => {
                        connection::closed_or(&inbox, error).await.into()
                    }
                    other => other,
                }
            }
        };
        server.connection.send_replace(None);
        let reason = error.to_string();
        let lasted = since.elapsed() > longest;
        let pause = match &error {
            SessionError::Outage(_) => {
                if lasted {
                    wait = first;
                }
                let pause = wait;
                wait = (wait * 2).min(longest);
                tracing::warn!(server.address = %server.name, %reason, wait_ms = pause.as_millis(), "disconnected");
                server.standing().state = ServerState::Connecting { reason: Some(reason.clone()) };
                shared.scripts().unsubscribed(id);
                pause
            }
            SessionError::Lie(_) => {
                let mut standing = server.standing();
                standing.lies = standing.lies.saturating_add(1);
                let pause = sentence(shared.config.dropped, standing.lies);
                let until_secs = now_secs().saturating_add(pause.as_secs());
                standing.state = ServerState::Dropped { until_secs, reason: reason.clone() };
                drop(standing);
                tracing::error!(server.address = %server.name, %reason, secs = pause.as_secs(), "ALARM: the server broke a rule and is dropped");
                shared.scripts().forget(id);
                pause
            }
        };
        {
            let mut standing = server.standing();
            (standing.covers, standing.full, standing.behind) = (None, false, None);
            standing.forked_since = None;
        }
        shared.left(id, reason);
        tokio::time::sleep(pause).await;
    }
}
