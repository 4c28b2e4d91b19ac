//! A man in the middle between the service and a real Electrum server, JSON lines over TCP, who lies on
//! command while he runs. What he is not told to falsify passes through him unchanged.
//!
//! A good liar is consistent: the status of a script is the hash over the history he tells, and whoever
//! subscribed hears at once when the story changes. Stands on its own (no other part of the harness), so
//! that `examples/liar.rs` makes a program of it for the demo.

#[path = "liar/forgery.rs"]
mod forgery;
#[path = "liar/story.rs"]
mod story;

pub use forgery::Forgery;

use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use story::Story;

/// What he is told to say.
#[derive(Clone, Debug)]
pub enum Lie {
    /// An unconfirmed transaction that nobody made pays a script.
    FakeUnconfirmed { script: ScriptBuf, amount_sat: u64 },
    /// The same, said to be mined in the block at `height`, with the proof of that block's coinbase.
    FakeConfirmed { script: ScriptBuf, amount_sat: u64, height: u32 },
    /// What is in the mempool for a script is said to be mined at `height`, with another one's proof.
    ClaimsMined { script: ScriptBuf, height: u32 },
    /// Nothing ever happened to a script.
    Omission { script: ScriptBuf },
    /// Some transactions are left out of every history.
    Hides { txids: Vec<Txid> },
    /// Time stands still: no block, no status, the answers of now for ever.
    Stale,
    /// Headers that nobody should follow.
    Headers(Forgery),
    /// Merkle branches with one wrong hash.
    WrongMerkle,
    /// A "transaction" of 64 bytes spends an outpoint, with a proof that is right under a header of his own.
    SixtyFour { outpoint: OutPoint, script: ScriptBuf },
    /// For every transaction asked for, the bytes of another.
    WrongTransaction,
    /// He takes everything and answers nothing, or pings only.
    Silence { answers_pings: bool },
    /// Broadcasts are thanked for and thrown away; `shows` lists them as unconfirmed nevertheless.
    SwallowBroadcast { shows: bool },
    /// Fee estimates and relay fee, in BTC per 1000 vbytes.
    WrongFees(Value),
    /// An unconfirmed transaction that nobody made spends an outpoint.
    FakeSpend { outpoint: OutPoint, script: ScriptBuf },
}

/// Bursts, in addition to whatever he says.
#[derive(Clone, Copy, Debug)]
pub enum Flood {
    /// One line, without end.
    EndlessLine,
    /// So many notifications: of scripts never asked for, and made-up statuses of those that were.
    Notifications(usize),
}

pub struct Liar {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    story: Mutex<Story>,
    clients: Mutex<Vec<Arc<Client>>>,
    stopped: AtomicBool,
}

/// Somebody who is lied to.
struct Client {
    writer: Mutex<TcpStream>,
    upstream: TcpStream,
    pending: Mutex<HashMap<String, (String, Vec<Value>)>>,
    /// Status told last, by script hash.
    told: Mutex<BTreeMap<String, Value>>,
    /// Whether news of the tip is wanted.
    heads: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    fn say(&self, message: &Value) {
        let _ = lock(&self.writer).write_all(format!("{message}\n").as_bytes());
    }

    fn close(&self) {
        let _ = lock(&self.writer).shutdown(Shutdown::Both);
        let _ = self.upstream.shutdown(Shutdown::Both);
    }
}

impl Liar {
    /// Listens, and is honest until told otherwise. `upstream` is `host:port` of a real server.
    pub fn start(upstream: String) -> Liar {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (clients, stopped) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { upstream, story: Mutex::default(), clients, stopped });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                let _ = stream.and_then(|stream| shared.serve(stream));
            }
        });
        Liar { address, shared }
    }

    /// `tcp://host:port`.
    pub fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// From now on he says this, and nothing else that is false. Who listens is told.
    pub fn lie(&self, lie: Lie) {
        let known = self.shared.scripts_told();
        let story = Story::of(lie, &known, &|method, params| self.shared.ask(method, params));
        self.shared.tell(story);
    }

    /// From now on he says what his server says.
    pub fn honest(&self) {
        self.shared.tell(Story::default());
    }

    /// Ends every connection; others may follow.
    pub fn hang_up(&self) {
        for client in lock(&self.shared.clients).drain(..) {
            client.close();
        }
    }

    pub fn flood(&self, flood: Flood) {
        for client in lock(&self.shared.clients).iter() {
            match flood {
                Flood::EndlessLine => {
                    let chunk = vec![b'x'; 1 << 20];
                    // Until nobody listens any more: 256 MB at most.
                    let mut writer = lock(&client.writer);
                    let _ = (0..256).try_for_each(|_| writer.write_all(&chunk));
                }
                Flood::Notifications(count) => {
                    let known: Vec<String> = lock(&client.told).keys().cloned().collect();
                    for n in 0..count {
                        let made_up = format!("{n:064x}");
                        let script = known.get(n % (known.len() + 1)).unwrap_or(&made_up);
                        client
                            .say(&notification("blockchain.scripthash.subscribe", json!([script, made_up])));
                    }
                }
            }
        }
    }

    /// Broadcasts that were thanked for and thrown away.
    pub fn swallowed(&self) -> Vec<Txid> {
        lock(&self.shared.story).swallowed.clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.hang_up();
        // The listener looks up when somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

impl Shared {
    /// One question to the real server, on a connection of its own.
    fn ask(&self, method: &str, params: &[Value]) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.upstream).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let version = json!({ "jsonrpc": "2.0", "id": 0, "method": "server.version", "params": ["liar", ["1.4", "1.6"]] });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        stream.write_all(format!("{version}\n{call}\n").as_bytes()).ok()?;
        for line in BufReader::new(stream).lines() {
            let mut answer: Value = serde_json::from_str(&line.ok()?).ok()?;
            if answer["id"] == 1 {
                return answer.get_mut("result").map(Value::take);
            }
        }
        None
    }

    fn scripts_told(&self) -> Vec<String> {
        lock(&self.clients)
            .iter()
            .flat_map(|client| lock(&client.told).keys().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Changes the story, and lets those who listen hear what is new in it.
    fn tell(&self, story: Story) {
        *lock(&self.story) = story;
        self.clients_hear();
    }

    fn clients_hear(&self) {
        let clients = lock(&self.clients).clone();
        for client in clients {
            if lock(&self.story).is_silent() {
                continue;
            }
            let scripts: Vec<(String, Value)> =
                lock(&client.told).iter().map(|(script, status)| (script.clone(), status.clone())).collect();
            for (script, before) in scripts {
                let Some(status) = self.status(&script) else { continue };
                if status != before {
                    lock(&client.told).insert(script.clone(), status.clone());
                    client.say(&notification("blockchain.scripthash.subscribe", json!([script, status])));
                }
            }
            if client.heads.load(Ordering::SeqCst)
                && let Some(tip) = self.answer("blockchain.headers.subscribe", &[])
            {
                client.say(&notification("blockchain.headers.subscribe", json!([tip])));
            }
        }
    }

    /// The history that is told of a script.
    fn history(&self, script: &str) -> Option<Vec<Value>> {
        let story = lock(&self.story).clone();
        let real = self.ask("blockchain.scripthash.get_history", &[json!(script)])?;
        Some(story.history(script, real.as_array()?.clone()))
    }

    fn status(&self, script: &str) -> Option<Value> {
        self.history(script).map(|history| story::status(&history))
    }

    /// What he answers; `None` if the real server does not know either.
    fn answer(&self, method: &str, params: &[Value]) -> Option<Value> {
        let story = lock(&self.story).clone();
        match method {
            "blockchain.scripthash.get_history" => self.history(params.first()?.as_str()?).map(Value::from),
            "blockchain.scripthash.subscribe" => self.status(params.first()?.as_str()?),
            "blockchain.transaction.broadcast" if story.swallow.is_some() => {
                let raw: Transaction = deserialize_hex(params.first()?.as_str()?).ok()?;
                let phantom = story::Phantom::unconfirmed(raw, &|method, params| self.ask(method, params));
                let txid = phantom.txid;
                {
                    let mut story = lock(&self.story);
                    story.swallowed.push(txid);
                    if story.swallow == Some(true) {
                        story.phantoms.push(phantom);
                    }
                }
                Some(json!(txid.to_string()))
            }
            _ => story.answer(method, params, &|method, params| self.ask(method, params)),
        }
    }

    fn serve(self: Arc<Self>, stream: TcpStream) -> io::Result<()> {
        let upstream = TcpStream::connect(&self.upstream)?;
        for end in [&stream, &upstream] {
            end.set_nodelay(true)?;
        }
        let client = Arc::new(Client {
            writer: Mutex::new(stream.try_clone()?),
            upstream: upstream.try_clone()?,
            pending: Mutex::default(),
            told: Mutex::default(),
            heads: AtomicBool::new(false),
        });
        lock(&self.clients).push(Arc::clone(&client));
        let (asked, answering, heard) = (Arc::clone(&self), Arc::clone(&client), upstream.try_clone()?);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if asked.hear(&client, &line).is_err() {
                    break;
                }
            }
            client.close();
        });
        std::thread::spawn(move || {
            for line in BufReader::new(heard).lines().map_while(Result::ok) {
                self.pass_on(&answering, &line);
            }
            answering.close();
        });
        Ok(())
    }

    /// A client asks.
    fn hear(&self, client: &Arc<Client>, line: &str) -> io::Result<()> {
        let Ok(request) = serde_json::from_str::<Value>(line) else { return Ok(()) };
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        let params = request["params"].as_array().cloned().unwrap_or_default();
        let (silent, touched) = {
            let story = lock(&self.story);
            (!story.answers(&method), story.touches(&method))
        };
        if silent {
            return Ok(());
        }
        if method == "blockchain.headers.subscribe" {
            client.heads.store(true, Ordering::SeqCst);
        }
        if touched {
            let reply = match self.answer(&method, &params) {
                Some(result) => json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }),
                None => {
                    json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": 1, "message": "unknown" } })
                }
            };
            if method == "blockchain.scripthash.subscribe"
                && let Some(script) = params.first().and_then(Value::as_str)
            {
                lock(&client.told).insert(script.to_owned(), reply["result"].clone());
                // So that the real server tells of news too; its answer is dropped.
                let quiet = json!({ "jsonrpc": "2.0", "id": "quiet", "method": method, "params": params });
                (&client.upstream).write_all(format!("{quiet}\n").as_bytes())?;
            }
            client.say(&reply);
            if method == "blockchain.transaction.broadcast" {
                self.clients_hear();
            }
            return Ok(());
        }
        lock(&client.pending).insert(request["id"].to_string(), (method, params));
        (&client.upstream).write_all(format!("{line}\n").as_bytes())
    }

    /// The real server answers, or tells news.
    fn pass_on(&self, client: &Arc<Client>, line: &str) {
        let Ok(message) = serde_json::from_str::<Value>(line) else { return };
        let story = lock(&self.story).clone();
        if message.get("id").is_some_and(|id| !id.is_null()) {
            if message["id"] == "quiet" {
                return;
            }
            if let Some((method, params)) = lock(&client.pending).remove(&message["id"].to_string())
                && method == "blockchain.scripthash.subscribe"
                && let Some(script) = params.first().and_then(Value::as_str)
            {
                lock(&client.told).insert(script.to_owned(), message["result"].clone());
            }
            client.say(&message);
            return;
        }
        if story.is_silent() || story.is_frozen() {
            return;
        }
        match message["method"].as_str() {
            Some("blockchain.scripthash.subscribe") if story.touches("blockchain.scripthash.subscribe") => {
                let Some(script) = message["params"][0].as_str() else { return };
                let Some(status) = self.status(script) else { return };
                if lock(&client.told).insert(script.to_owned(), status.clone()) != Some(status.clone()) {
                    client.say(&notification("blockchain.scripthash.subscribe", json!([script, status])));
                }
            }
            // A forged chain stays where it is.
            Some("blockchain.headers.subscribe") if story.touches("blockchain.headers.subscribe") => {}
            _ => {
                if let Some(script) = message["params"][0].as_str() {
                    lock(&client.told).insert(script.to_owned(), message["params"][1].clone());
                }
                client.say(&message);
            }
        }
    }
}
