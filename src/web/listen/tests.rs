//! Connections as strangers make them: slow, many, broken off; over real sockets of this machine.

use super::*;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use futures::StreamExt;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest wait for anything; nothing takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Served {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<bool>,
}

fn routes() -> Router {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        "done"
    };
    let stream = || async {
        let never = futures::stream::pending::<Result<Event, Infallible>>();
        Sse::new(futures::stream::iter([Ok(Event::default().data("first"))]).chain(never))
    };
    Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route("/slow", get(slow))
        .route("/events", get(stream))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/large", get(|| async { vec![b'x'; 32 << 20] }))
}

async fn served(limits: HttpLimits) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Arc::new(Metrics::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let counted = Arc::clone(&metrics);
    let done = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap() };
        serve(Listener::Tcp(listener), routes(), &limits, &counted, stopped).await
    });
    Served { address, metrics, stop: Some(stop), done }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn begin(&self, bytes: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }

    /// A whole request on a connection of its own.
    async fn ask(&self, path: &str) -> String {
        all(self.begin(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await).await
    }

    fn closed(&self, reason: &'static str) -> u64 {
        self.metrics.http.closed.get_or_create(&[("reason", reason)]).get()
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn ended(self) -> bool {
        tokio::time::timeout(PATIENCE, self.done).await.unwrap().unwrap()
    }
}

/// Everything until the other side closes; a reset is a close too.
async fn all(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = async {
        let mut part = [0; 4096];
        while let Ok(length) = stream.read(&mut part).await {
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(&part[..length]);
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the connection is closed");
    String::from_utf8(bytes).unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn short() -> HttpLimits {
    HttpLimits {
        header_timeout_secs: 1,
        body_timeout_secs: 1,
        idle_timeout_secs: 1,
        send_timeout_secs: 1,
        shutdown_timeout_secs: 5,
        ..HttpLimits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_with_the_client_s_address_known_and_the_connection_goes_on() {
    let served = served(HttpLimits::default()).await;
    let mut stream = served
        .begin("GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("127.0.0.1").count(), 2, "{text}");
    until("the place is given back", || served.metrics.http.connections.get() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_slow_bodies_rests_and_clients_that_take_nothing_are_let_go() {
    let served = served(short()).await;
    let half_head = served.begin("GET / HTTP/1.1\r\nhost:").await;
    let half_body = served.begin("POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345").await;
    let rests = served.begin("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let takes_nothing = served.begin("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(all(half_head).await, "");
    let refused = all(half_body).await;
    assert!(refused.starts_with("HTTP/1.1 408") && refused.contains("timed_out"), "{refused}");
    let answered = all(rests).await;
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    until("the one that takes nothing is let go", || served.closed("send_timeout") == 1).await;
    assert_eq!((served.closed("header_timeout"), served.closed("idle_timeout")), (1, 1));
    drop(takes_nothing);
    until("all places are given back", || served.metrics.http.connections.get() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_finishes_what_it_answers_ends_streams_and_takes_nothing_new() {
    let mut served = served(HttpLimits { shutdown_timeout_secs: 30, ..HttpLimits::default() }).await;
    let mut stream = served.begin("GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut first = [0; 512];
    let length = stream.read(&mut first).await.unwrap();
    assert!(String::from_utf8_lossy(&first[..length]).contains("200 OK"));
    let under_way = served.begin("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let silent = served.connect().await;
    let half_head = served.begin("GET / HT").await;
    until("all are connected", || served.metrics.http.connections.get() == 4).await;
    assert_eq!(served.metrics.http.sse_listeners.get(), 1);
    served.stop();
    assert!(all(under_way).await.ends_with("done"), "it is answered");
    all(stream).await;
    all(silent).await;
    all(half_head).await;
    assert!(TcpStream::connect(served.address).await.is_err(), "nothing new is taken");
    let metrics = Arc::clone(&served.metrics);
    assert!(served.ended().await, "all ended by themselves");
    assert_eq!((metrics.http.connections.get(), metrics.http.sse_listeners.get()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_in_time_is_cut_off() {
    let mut served = served(HttpLimits { shutdown_timeout_secs: 0, ..HttpLimits::default() }).await;
    let under_way = served.begin("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until("it is connected", || served.metrics.http.connections.get() == 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.stop();
    assert_eq!(all(under_way).await, "");
    assert!(!served.ended().await);
}

/// FAULTS 34, as large as a test can bear: more slow connections than there are places, and every healthy
/// request succeeds. `benches/slow_connections.rs` does it with ten thousand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_slow_connections_take_no_place_from_those_who_ask() {
    const SLOW: usize = 2_000;
    const PLACES: usize = 1_000;
    let served = served(HttpLimits { max_connections: PLACES, ..HttpLimits::default() }).await;
    let mut slow = Vec::new();
    for n in 0..SLOW {
        // From many addresses, as they would come.
        let socket = TcpSocket::new_v4().unwrap();
        let from = format!("127.0.{}.{}:0", 1 + n / 250, 1 + n % 250);
        socket.bind(from.parse().unwrap()).unwrap();
        let mut stream = socket.connect(served.address).await.unwrap();
        let begun = match n % 3 {
            0 => "G",
            1 => "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ",
            _ => "POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n1",
        };
        // Those that made room for others are closed already.
        let _ = stream.write_all(begun.as_bytes()).await;
        slow.push(stream);
        if n % 20 == 0 {
            let answer = served.ask("/").await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{n}: {answer}");
        }
    }
    assert!(served.metrics.http.connections.get() <= u64::try_from(PLACES).unwrap());
    assert!(served.closed("made_room") >= u64::try_from(SLOW - PLACES).unwrap());
    for _ in 0..50 {
        assert!(served.ask("/").await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(served.closed("all_busy"), 0);
}
