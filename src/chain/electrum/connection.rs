//! One connection to an Electrum server: calls with a time-out, and what the server says unasked
//! gathered in an [`Inbox`] of bounded size. Lines that are too long or cut off end the connection
//! (the library below would hold the former in memory, and panics on the latter).

use std::collections::{HashMap, HashSet};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bitcoin::Script;
use bitcoin::block::Header;
use bitcoin::hashes::Hash;
use electrum_streaming_client::notification::Notification;
use electrum_streaming_client::request::{self, Custom, ScriptHashSubscribe};
use electrum_streaming_client::{
    AsyncClient, AsyncRequestError, ElectrumScriptHash, Event, ProcessError, ResponseError,
};
use futures::StreamExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::config::{ElectrumConfig, ServerConfig};
use super::transport::{self, Unblocked};
use crate::chain::fetch::{Rpc, RpcError};
use crate::chain::wire;

/// Longest line taken from a server: a block full of one transaction has 8 MB in hex.
pub(super) const MAX_LINE: usize = 32 << 20;

/// Within which time the reason of a connection's end is noted, once the end is felt.
const NOTED_WITHIN: Duration = Duration::from_secs(1);

/// Status of a script as the protocol has it: a hash over its history, `None` without history.
pub(super) type Status = Option<[u8; 32]>;

/// Calls to a server; cheap to clone.
#[derive(Clone)]
pub(super) struct Connection {
    client: AsyncClient,
    timeout: Duration,
    /// When anything was answered last.
    answered: Arc<Mutex<Instant>>,
}

impl Connection {
    /// Subscribes to a script; its status is heard of in the inbox from then on.
    pub(super) async fn subscribe(&self, script: &Script) -> Result<Status, RpcError> {
        let status =
            self.request("blockchain.scripthash.subscribe", ScriptHashSubscribe::from_script(script));
        Ok(status.await?.map(|status| status.to_byte_array()))
    }

    /// Ends a subscription, if the server knows how to.
    pub(super) async fn unsubscribe(&self, script: &Script) {
        let hash = wire::script_hash(script);
        let _ = self.call("blockchain.scripthash.unsubscribe", vec![json!(hash)]).await;
    }

    /// Time since anything was answered.
    pub(super) fn silent_for(&self) -> Duration {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    async fn request<R>(&self, method: &'static str, request: R) -> Result<R::Response, RpcError>
    where
        R: request::Request,
        electrum_streaming_client::AsyncPendingRequestTuple<R, R::Response>:
            Into<electrum_streaming_client::AsyncPendingRequest>,
    {
        match timeout(self.timeout, self.client.send_request(request)).await {
            Ok(Ok(response)) => {
                *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                Ok(response)
            }
            Ok(Err(AsyncRequestError::Response(error))) => {
                Err(RpcError::Refused { method, message: words(&error) })
            }
            Ok(Err(AsyncRequestError::Canceled | AsyncRequestError::Dispatch(_))) => {
                Err(RpcError::Disconnected { reason: "the connection was closed".into() })
            }
            Err(_) => Err(RpcError::TimedOut { method }),
        }
    }
}

impl Rpc for Connection {
    fn call(&self, method: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Value, RpcError>> {
        Box::pin(self.request(method, Custom { method: method.into(), params }))
    }
}

/// A server that is never there.
pub(super) struct Nobody;

impl Rpc for Nobody {
    fn call(&self, _: &'static str, _: Vec<Value>) -> BoxFuture<'_, Result<Value, RpcError>> {
        Box::pin(async { Err(RpcError::Disconnected { reason: "no server is connected".into() }) })
    }
}

/// The server's words in an error of its.
fn words(error: &ResponseError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("Response.error: ").unwrap_or(&text);
    let message = serde_json::from_str::<Value>(text).ok();
    let message = message.as_ref().and_then(|v| v.get("message").unwrap_or(v).as_str());
    message.unwrap_or(text).to_owned()
}

/// What the server said unasked, the newest of each kind.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<News>,
    filled: Notify,
}

#[derive(Default)]
pub(super) struct News {
    pub(super) tip: Option<(u32, Header)>,
    pub(super) statuses: HashMap<ElectrumScriptHash, Status>,
    pub(super) closed: Option<RpcError>,
    /// Scripts that were subscribed to; news of others is dropped.
    known: HashSet<ElectrumScriptHash>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets news of a script in; to be called before subscribing to it.
    pub(super) fn expect(&self, script: ElectrumScriptHash) {
        self.lock().known.insert(script);
    }

    /// Keeps news of a script out again.
    pub(super) fn ignore(&self, script: &ElectrumScriptHash) {
        let mut news = self.lock();
        news.known.remove(script);
        news.statuses.remove(script);
    }

    /// Takes the tip and the statuses that came in; a closed connection stays closed.
    pub(super) fn take(&self) -> News {
        let mut news = self.lock();
        let (tip, statuses) = (news.tip.take(), std::mem::take(&mut news.statuses));
        News { tip, statuses, closed: news.closed.clone(), known: HashSet::new() }
    }

    /// Whether a tip is waiting to be taken.
    pub(super) fn has_tip(&self) -> bool {
        self.lock().tip.is_some()
    }

    /// Returns as soon as there is something to take.
    pub(super) async fn wait(&self) {
        loop {
            let filled = self.filled.notified();
            {
                let news = self.lock();
                if news.tip.is_some() || !news.statuses.is_empty() || news.closed.is_some() {
                    return;
                }
            }
            filled.await;
        }
    }

    fn close(&self, reason: RpcError) {
        self.lock().closed.get_or_insert(reason);
        self.filled.notify_one();
    }

    fn put(&self, event: Event) {
        let mut news = self.lock();
        match event {
            Event::Notification(Notification::Header(n)) => news.tip = Some((n.height(), *n.header())),
            Event::Notification(Notification::ScriptHash(n)) if news.known.contains(&n.script_hash()) => {
                let status = n.script_status().map(|status| status.to_byte_array());
                news.statuses.insert(n.script_hash(), status);
            }
            _ => return,
        }
        drop(news);
        self.filled.notify_one();
    }
}

/// The tasks behind a connection; dropping this ends them.
pub(super) struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Connects and agrees on a protocol version.
pub(super) async fn connect(
    server: &ServerConfig,
    config: &ElectrumConfig,
) -> Result<(Connection, Arc<Inbox>, Tasks), RpcError> {
    let gone = |error: io::Error| RpcError::Disconnected { reason: error.to_string() };
    let dial = transport::dial(&server.address, &server.trust, config.socks5.as_deref());
    let stream = timeout(config.request_timeout, dial).await;
    let stream = stream.map_err(|_| RpcError::TimedOut { method: "connect" })?.map_err(gone)?;
    let (reader, writer) = tokio::io::split(stream);
    let (writer, write) = Unblocked::new(writer);
    let (client, mut events, work) = AsyncClient::new_tokio(LineGuard { inner: reader, line: 0 }, writer);
    let inbox = Arc::new(Inbox::default());
    let answered = Arc::new(Mutex::new(Instant::now()));
    let connection = Connection { client, timeout: config.request_timeout, answered };

    let worker_inbox = Arc::clone(&inbox);
    let worker = tokio::spawn(async move {
        let reason = tokio::select! {
            read = work => match read {
                Ok(()) => gone(io::Error::other("the server closed the connection")),
                Err(error) => ended(error),
            },
            Err(error) = write => gone(error),
        };
        worker_inbox.close(reason);
    });
    let reader_inbox = Arc::clone(&inbox);
    let reader = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            reader_inbox.put(event);
        }
    });
    let mut tasks = Tasks(vec![worker, reader]);

    let versions = vec![json!(concat!("upfront/", env!("CARGO_PKG_VERSION"))), json!(["1.4", "1.6"])];
    if let Err(error) = connection.call("server.version", versions).await {
        return Err(closed_or(&inbox, error).await);
    }

    let (ping, ping_inbox, ping_interval) = (connection.clone(), Arc::clone(&inbox), config.ping_interval);
    tasks.0.push(tokio::spawn(async move {
        loop {
            tokio::time::sleep(ping_interval).await;
            match ping.call("server.ping", vec![]).await {
                Ok(_) => {}
                // Why it ended, the one who reads knows, and tells.
                Err(RpcError::Disconnected { .. }) => return,
                Err(error) => return ping_inbox.close(error),
            }
        }
    }));
    Ok((connection, inbox, tasks))
}

/// What the end of the input means: what is no protocol at all is held against the server, what is merely
/// cut off is not.
fn ended(error: io::Error) -> RpcError {
    let reason = error.to_string();
    let breach = error.get_ref().is_some_and(|inner| inner.is::<ProcessError>());
    match error.kind() {
        io::ErrorKind::InvalidData => RpcError::Garbled { reason },
        _ if breach => RpcError::Garbled { reason },
        _ => RpcError::Disconnected { reason },
    }
}

/// The reason the connection closed, if it did and so is behind `error`. Whoever waited for an answer may learn of
/// the end a moment before its reason is noted, and a breach would pass for an outage.
pub(super) async fn closed_or(inbox: &Inbox, error: RpcError) -> RpcError {
    let noted = async {
        loop {
            let filled = inbox.filled.notified();
            let closed = inbox.lock().closed.clone();
            match closed {
                Some(reason) => return reason,
                None => filled.await,
            }
        }
    };
    match error {
        RpcError::Disconnected { .. } => timeout(NOTED_WITHIN, noted).await.unwrap_or(error),
        RpcError::TimedOut { .. } | RpcError::Refused { .. } | RpcError::Garbled { .. } => error,
    }
}

/// Passes bytes on, and fails instead of ending in the middle of a line or going on without end.
struct LineGuard<R> {
    inner: R,
    /// Bytes since the last line ended.
    line: usize,
}

impl<R: AsyncRead + Unpin> AsyncRead for LineGuard<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        if new.is_empty() && buf.remaining() > 0 && self.line > 0 {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended within a line");
            return Poll::Ready(Err(error));
        }
        self.line = match new.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => new.len() - end - 1,
            None => self.line + new.len(),
        };
        if self.line > MAX_LINE {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a line without end")));
        }
        Poll::Ready(Ok(()))
    }
}
