//! The accept loop: takes connections, gives each its time and its place (`connections.rs`), serves HTTP/1.1
//! on it, and ends in order when told to. It knows no routes.

use super::ApiError;
use super::connections::{Connection, Connections, Place};
use crate::config::HttpLimits;
use crate::metrics::Metrics;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, header};
use axum::response::IntoResponse;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tower::ServiceExt;

/// Most bytes of a request's head, and of what is read ahead: bounds what a connection that only waits holds.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How often slow connections are looked for.
const SWEEP: Duration = Duration::from_millis(500);
/// How long the last answers have, once the connections are told to close.
const LAST_BYTES: Duration = Duration::from_millis(500);

/// A listener of either kind.
pub enum Listener {
    /// Addresses and ports.
    Tcp(TcpListener),
    /// A socket in the file system.
    Unix(UnixListener),
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are written whole; waiting for more to send only delays them.
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(peer)))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), None))
            }
        }
    }
}

/// Serves until `stop` resolves; then takes nothing new, ends event streams, and gives requests under way their
/// time. Says whether all of them ended by themselves.
///
/// Handlers find the client's address as `ConnectInfo<SocketAddr>`; over a socket in the file system it is
/// 127.0.0.1, port 0.
pub async fn serve(
    listener: Listener,
    router: Router,
    limits: &HttpLimits,
    metrics: &Arc<Metrics>,
    stop: impl Future<Output = ()>,
) -> bool {
    let (stopping, stopped) = watch::channel(false);
    let connections = Connections::new(limits.clone(), &metrics.http);
    let shared = Arc::new(Shared {
        router,
        metrics: Arc::clone(metrics),
        body_timeout: Duration::from_secs(limits.body_timeout_secs),
        stopped,
    });
    let sweeper = tokio::spawn({
        let (connections, stopped) = (Arc::clone(&connections), shared.stopped.clone());
        async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                connections.sweep(*stopped.borrow());
            }
        }
    });
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => match connections.admit(peer.map(|peer| peer.ip())) {
                Ok(place) => {
                    let here = SocketAddr::from(([127, 0, 0, 1], 0));
                    let talk = Talk { shared: Arc::clone(&shared), place, peer: peer.unwrap_or(here) };
                    match stream {
                        Stream::Tcp(stream) => tokio::spawn(talk.run(stream)),
                        Stream::Unix(stream) => tokio::spawn(talk.run(stream)),
                    };
                }
                Err(reason) => tracing::debug!(?reason, "a connection was not taken"),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: others must end first.
                tracing::error!(%error, "no connection can be taken");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let given = Duration::from_secs(limits.shutdown_timeout_secs);
    let in_time = tokio::time::timeout(given, connections.drained()).await.is_ok();
    if !in_time {
        let cut = connections.close_all();
        tracing::warn!(connections = cut, "closed connections that did not end in time");
        let _ = tokio::time::timeout(LAST_BYTES, connections.drained()).await;
    }
    sweeper.abort();
    in_time
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | InvalidInput
    )
}

/// What all connections of a listener share.
struct Shared {
    router: Router,
    metrics: Arc<Metrics>,
    body_timeout: Duration,
    stopped: watch::Receiver<bool>,
}

impl Shared {
    async fn stopped(&self) {
        // The sender outlives all connections; were it gone, that would be the end too.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

/// One connection being served.
struct Talk {
    shared: Arc<Shared>,
    place: Place,
    peer: SocketAddr,
}

impl Talk {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let connection = self.place.connection();
        let watched = Watched { stream, connection: Arc::clone(connection) };
        let service = service_fn(|request| answer(request, &self.shared, connection, self.peer));
        let serving = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            // The table keeps the time.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(watched), service);
        tokio::pin!(serving);
        let stopped = self.shared.stopped();
        tokio::pin!(stopped);
        let mut told = false;
        loop {
            tokio::select! {
                ended = serving.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                () = connection.closed() => return,
                () = &mut stopped, if !told => {
                    told = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    peer: SocketAddr,
) -> Result<Response<Body>, Infallible> {
    connection.begin_request(!request.body().is_end_stream());
    let late = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(ConnectInfo(peer));
    let body = if body.is_end_stream() {
        Body::empty()
    } else {
        let deadline = Box::pin(tokio::time::sleep(shared.body_timeout));
        Body::new(Arriving { body, deadline, late: Arc::clone(&late), connection: Arc::clone(connection) })
    };
    let mut response = match shared.router.clone().oneshot(Request::from_parts(parts, body)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if late.load(std::sync::atomic::Ordering::Relaxed) {
        let secs = shared.body_timeout.as_secs();
        response =
            ApiError::new("timed_out", format!("the body did not arrive within {secs} s")).into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let streams = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let listener = streams.then(|| Listens::new(shared));
    Ok(response.map(|body| Body::new(Leaving { body, connection: Arc::clone(connection), listener })))
}

/// A stream that notes what moves over it.
struct Watched<S> {
    stream: S,
    connection: Arc<Connection>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        if into.filled().len() > before {
            self.connection.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Watched<S> {
    fn noted<T>(&self, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.connection.sent(sent.is_ready());
        sent
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(sent)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.noted(sent)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request's body, which has to arrive in time.
struct Arriving {
    body: Incoming,
    deadline: Pin<Box<tokio::time::Sleep>>,
    late: Arc<std::sync::atomic::AtomicBool>,
    connection: Arc<Connection>,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.connection.body_came(frame.data_ref().map_or(0, Bytes::len));
                if self.body.is_end_stream() {
                    self.connection.body_done();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                self.connection.body_done();
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(self.deadline.as_mut().poll(cx));
                self.late.store(true, std::sync::atomic::Ordering::Relaxed);
                let error = io::Error::new(io::ErrorKind::TimedOut, "the body did not arrive in time");
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A listener to an event stream, counted while it listens.
struct Listens {
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    shared: Arc<Shared>,
}

impl Listens {
    fn new(shared: &Arc<Shared>) -> Listens {
        shared.metrics.http.sse_listeners.inc();
        let waits = Arc::clone(shared);
        Listens { stopped: Box::pin(async move { waits.stopped().await }), shared: Arc::clone(shared) }
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        self.shared.metrics.http.sse_listeners.dec();
    }
}

/// An answer's body. An event stream ends when the service stops: its listener connects again, elsewhere or
/// later.
struct Leaving {
    body: Body,
    connection: Arc<Connection>,
    listener: Option<Listens>,
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let Some(listener) = &mut self.listener else { return frame };
        if frame.is_pending() && listener.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.connection.end_request();
    }
}

#[cfg(test)]
mod tests;
