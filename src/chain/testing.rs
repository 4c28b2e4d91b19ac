//! For tests: a little chain mined on the spot (regtest's work is two hashes a block), and an
//! Electrum server that serves it over a real socket and misbehaves on demand.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::transaction::Version as TxVersion;
use bitcoin::{
    Amount, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::headers::easiest_bits;
use super::merkle::hash_pair;
use super::reconcile::HistoryEntry;

/// A header on top of `prev` with valid work for `bits`.
pub fn mine_header(prev: &Header, merkle_root: TxMerkleNode, time: u32, bits: CompactTarget) -> Header {
    let prev_blockhash = prev.block_hash();
    let version = Version::NO_SOFT_FORK_SIGNALLING;
    let mut header = Header { version, prev_blockhash, merkle_root, time, bits, nonce: 0 };
    while header.validate_pow(header.target()).is_err() {
        header.nonce += 1;
    }
    header
}

/// `count` empty headers on top of `prev`, a minute apart; `salt` tells branches apart.
pub fn mine_headers(prev: &Header, count: usize, salt: u8) -> Vec<Header> {
    let (mut prev, mut headers) = (*prev, Vec::new());
    for _ in 0..count {
        let root = TxMerkleNode::from_byte_array([salt; 32]);
        prev = mine_header(&prev, root, prev.time + 60, easiest_bits(Network::Regtest));
        headers.push(prev);
    }
    headers
}

/// A transaction that spends `prevout` (if any) and pays `outputs`; `salt` makes it unique.
pub fn tx(salt: u32, prevout: Option<(OutPoint, Witness)>, outputs: &[(ScriptBuf, u64)]) -> Transaction {
    let made_up = OutPoint { txid: Txid::from_byte_array([7; 32]), vout: salt };
    let (previous_output, witness) = prevout.unwrap_or((made_up, Witness::from_slice(&[[1u8; 64]])));
    Transaction {
        version: TxVersion::TWO,
        lock_time: LockTime::from_consensus(salt),
        input: vec![TxIn { previous_output, script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness }],
        output: outputs
            .iter()
            .map(|(script, sat)| TxOut { script_pubkey: script.clone(), value: Amount::from_sat(*sat) })
            .collect(),
    }
}

/// A script of its own for each number.
pub fn script(number: u8) -> ScriptBuf {
    let mut bytes = vec![0x51, 0x20];
    bytes.extend([number; 32]);
    ScriptBuf::from_bytes(bytes)
}

pub fn coinbase(height: u32, salt: u8, to: ScriptBuf) -> Transaction {
    let mut tx = tx(height, None, &[(to, 5_000_000_000)]);
    tx.input[0].previous_output = OutPoint::null();
    tx.input[0].script_sig = ScriptBuf::from_bytes(vec![4, salt, 0, 0, 0]);
    tx.lock_time = LockTime::ZERO;
    tx.input[0].sequence = Sequence(height);
    tx
}

/// Every level of the tree over `txids`, leaves first.
fn levels(txids: &[Txid]) -> Vec<Vec<[u8; 32]>> {
    let mut levels = vec![txids.iter().map(|txid| txid.to_byte_array()).collect::<Vec<_>>()];
    while levels[levels.len() - 1].len() > 1 {
        let last = &levels[levels.len() - 1];
        let parents =
            last.chunks(2).map(|pair| hash_pair(&pair[0], pair.get(1).unwrap_or(&pair[0]))).collect();
        levels.push(parents);
    }
    levels
}

pub fn merkle_root(txids: &[Txid]) -> TxMerkleNode {
    TxMerkleNode::from_byte_array(levels(txids).last().unwrap()[0])
}

pub fn merkle_branch(txids: &[Txid], position: usize) -> Vec<TxMerkleNode> {
    let levels = levels(txids);
    let mut branch = Vec::new();
    for (up, level) in levels[..levels.len() - 1].iter().enumerate() {
        let sibling = (position >> up) ^ 1;
        branch.push(TxMerkleNode::from_byte_array(*level.get(sibling).unwrap_or(&level[position >> up])));
    }
    branch
}

#[derive(Clone)]
pub struct Block {
    pub header: Header,
    pub txs: Vec<Transaction>,
}

impl Block {
    pub fn txids(&self) -> Vec<Txid> {
        self.txs.iter().map(Transaction::compute_txid).collect()
    }
}

/// A transaction that is in no block, and what is said to prove that it is in one.
#[derive(Clone)]
pub struct Forged {
    pub raw: Vec<u8>,
    pub txid: Txid,
    pub script: ScriptBuf,
    pub height: u32,
    pub position: usize,
    pub branch: Vec<TxMerkleNode>,
}

/// What a server knows: blocks by height, mempool, and how it misbehaves.
pub struct Model {
    pub blocks: Vec<Block>,
    pub mempool: Vec<Transaction>,
    salt: u8,
    /// Lists what is mined once more as if it were in the mempool.
    pub double_listing: bool,
    /// Flips a bit in each Merkle branch.
    pub wrong_branches: bool,
    /// Says that what is in the mempool is mined in this block.
    pub pretend_mined: Option<u32>,
    /// Answers nothing any more.
    pub stalled: bool,
    /// Answers, but tells nobody of new blocks, and nothing of them.
    pub asleep: Option<usize>,
    /// Leaves these out of histories.
    pub omitted: HashSet<Txid>,
    /// Adds this to each status, so that no history has it.
    pub spoil_status: bool,
    /// Scripts it subscribes anybody to, over all connections.
    pub max_subscriptions: usize,
    /// So many subscriptions are refused next, as by a server that has only just started.
    pub unready: usize,
    /// Transactions it says are mined, with what it gives as their proof.
    pub forged: Vec<Forged>,
    /// A line sent in place of every answer.
    pub garbage: Option<String>,
    pub feerate_btc_per_kvb: f64,
    pub relay_btc_per_kvb: f64,
    /// Transactions it was given.
    pub broadcast: Vec<Txid>,
    /// Methods called, over all connections.
    pub calls: BTreeMap<String, usize>,
    pub accept_broadcast: Result<(), String>,
}

impl Model {
    fn new() -> Self {
        let genesis = bitcoin::constants::genesis_block(Network::Regtest);
        Self {
            blocks: vec![Block { header: genesis.header, txs: genesis.txdata }],
            mempool: Vec::new(),
            salt: 0,
            double_listing: false,
            wrong_branches: false,
            pretend_mined: None,
            stalled: false,
            asleep: None,
            omitted: HashSet::new(),
            spoil_status: false,
            max_subscriptions: usize::MAX,
            unready: 0,
            forged: Vec::new(),
            garbage: None,
            feerate_btc_per_kvb: -1.0,
            relay_btc_per_kvb: 0.00001,
            broadcast: Vec::new(),
            calls: BTreeMap::new(),
            accept_broadcast: Ok(()),
        }
    }

    /// Takes over the blocks and the mempool of another server.
    pub fn copy(&mut self, other: &Model) {
        (self.blocks, self.mempool) = (other.blocks.clone(), other.mempool.clone());
    }

    /// The blocks it tells of.
    fn told(&self) -> &[Block] {
        &self.blocks[..self.asleep.unwrap_or(self.blocks.len()).min(self.blocks.len())]
    }

    pub fn height(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap() - 1
    }

    pub fn tip_hash(&self) -> BlockHash {
        self.blocks.last().unwrap().header.block_hash()
    }

    /// Mines `txs`; they leave the mempool.
    pub fn mine(&mut self, txs: Vec<Transaction>) {
        let prev = self.blocks.last().unwrap().header;
        let mut all = vec![coinbase(self.height() + 1, self.salt, script(250))];
        let mined: HashSet<Txid> = txs.iter().map(Transaction::compute_txid).collect();
        self.mempool.retain(|tx| !mined.contains(&tx.compute_txid()));
        all.extend(txs);
        let txids: Vec<Txid> = all.iter().map(Transaction::compute_txid).collect();
        let bits = easiest_bits(Network::Regtest);
        let header = mine_header(&prev, merkle_root(&txids), prev.time + 60, bits);
        self.blocks.push(Block { header, txs: all });
    }

    /// Takes the last `depth` blocks back; what they held is forgotten. New ones will differ.
    pub fn undo(&mut self, depth: usize) {
        self.blocks.truncate(self.blocks.len() - depth);
        self.salt += 1;
    }

    fn history(&self, hash: &str) -> Vec<HistoryEntry> {
        let mut paid: HashSet<OutPoint> = HashSet::new();
        let mut touches = |tx: &Transaction| {
            let txid = tx.compute_txid();
            let mut touched = tx.input.iter().any(|input| paid.contains(&input.previous_output));
            for (vout, output) in (0u32..).zip(&tx.output) {
                if super::wire::script_hash(&output.script_pubkey) == hash {
                    paid.insert(OutPoint { txid, vout });
                    touched = true;
                }
            }
            touched.then_some(txid)
        };
        let mut history = Vec::new();
        for (height, block) in (0u32..).zip(self.told()) {
            history
                .extend(block.txs.iter().filter_map(&mut touches).map(|txid| HistoryEntry { txid, height }));
        }
        if self.double_listing {
            let again: Vec<_> = history.iter().map(|e| HistoryEntry { height: 0, ..*e }).collect();
            history.extend(again);
        }
        let height = self.pretend_mined.unwrap_or(0);
        history
            .extend(self.mempool.iter().filter_map(&mut touches).map(|txid| HistoryEntry { txid, height }));
        let forged = self.forged.iter().filter(|f| super::wire::script_hash(&f.script) == hash);
        history.extend(forged.map(|f| HistoryEntry { txid: f.txid, height: f.height }));
        history.retain(|entry| !self.omitted.contains(&entry.txid));
        history
    }

    fn status(&self, hash: &str) -> Value {
        let history = self.history(hash);
        if history.is_empty() {
            return Value::Null;
        }
        let mut text: String = history.iter().map(|e| format!("{}:{}:", e.txid, e.height)).collect();
        if self.spoil_status {
            text.push('!');
        }
        json!(sha256::Hash::hash(text.as_bytes()).to_string())
    }

    fn tip(&self) -> Value {
        let told = self.told();
        json!({ "height": told.len() - 1, "hex": serialize_hex(&told.last().unwrap().header) })
    }

    fn find(&self, txid: &str) -> Option<&Transaction> {
        let mined = self.blocks.iter().flat_map(|block| &block.txs);
        mined.chain(&self.mempool).find(|tx| tx.compute_txid().to_string() == txid)
    }

    fn merkle(&self, txid: &str, height: usize) -> Option<Value> {
        if let Some(forged) = self.forged.iter().find(|f| f.txid.to_string() == txid) {
            let hex: Vec<String> = forged.branch.iter().map(ToString::to_string).collect();
            return Some(json!({ "block_height": height, "merkle": hex, "pos": forged.position }));
        }
        let txids = self.blocks.get(height)?.txids();
        let found = txids.iter().position(|other| other.to_string() == txid);
        let position = if self.pretend_mined.is_some() { found.unwrap_or(1) } else { found? };
        let mut branch = merkle_branch(&txids, position);
        if self.wrong_branches || branch.is_empty() {
            let mut bytes = branch.pop().map_or([0; 32], |node| node.to_byte_array());
            bytes[0] ^= 1;
            branch.push(TxMerkleNode::from_byte_array(bytes));
        }
        let hex: Vec<String> = branch.iter().map(ToString::to_string).collect();
        Some(json!({ "block_height": height, "merkle": hex, "pos": position }))
    }

    /// One call's result, or an error message.
    fn answer(&mut self, method: &str, params: &[Value]) -> Result<Value, String> {
        *self.calls.entry(method.to_owned()).or_default() += 1;
        let text = |n: usize| params[n].as_str().unwrap_or_default();
        let number = |n: usize| usize::try_from(params[n].as_u64().unwrap()).unwrap();
        Ok(match method {
            "server.version" => json!(["double", "1.4"]),
            "server.ping" => Value::Null,
            "blockchain.headers.subscribe" => self.tip(),
            "blockchain.block.header" => {
                json!(serialize_hex(&self.told().get(number(0)).ok_or("no such block")?.header))
            }
            "blockchain.block.headers" => {
                let some = self.told().iter().skip(number(0)).take(number(1));
                let hex: Vec<String> = some.map(|block| serialize_hex(&block.header)).collect();
                json!({ "count": hex.len(), "hex": hex.concat(), "max": 2016 })
            }
            "blockchain.scripthash.subscribe" => {
                if self.unready > 0 {
                    self.unready -= 1;
                    return Err("unavailable index".to_owned());
                }
                if self.calls[method] > self.max_subscriptions {
                    return Err("too many subscriptions".to_owned());
                }
                self.status(text(0))
            }
            "blockchain.scripthash.unsubscribe" => json!(true),
            "blockchain.scripthash.get_history" => {
                let entry = |e: &HistoryEntry| json!({ "tx_hash": e.txid.to_string(), "height": e.height });
                self.history(text(0)).iter().map(entry).collect()
            }
            "blockchain.transaction.get" if self.forged.iter().any(|f| f.txid.to_string() == text(0)) => {
                let forged = self.forged.iter().find(|f| f.txid.to_string() == text(0)).unwrap();
                json!(bitcoin::hex::DisplayHex::to_lower_hex_string(&forged.raw[..]))
            }
            "blockchain.transaction.get" => json!(serialize_hex(self.find(text(0)).ok_or("no such tx")?)),
            "blockchain.transaction.get_merkle" => self.merkle(text(0), number(1)).ok_or("not in block")?,
            "blockchain.transaction.broadcast" => {
                let bytes: Transaction = bitcoin::consensus::encode::deserialize_hex(text(0)).unwrap();
                self.accept_broadcast.clone()?;
                self.broadcast.push(bytes.compute_txid());
                json!(bytes.compute_txid().to_string())
            }
            "blockchain.estimatefee" => json!(self.feerate_btc_per_kvb),
            "blockchain.relayfee" => json!(self.relay_btc_per_kvb),
            _ => return Err(format!("unknown method {method}")),
        })
    }
}

/// The server. Changes to the model are noticed by clients at once, as electrs' are.
pub struct Server {
    pub address: SocketAddr,
    model: Arc<Mutex<Model>>,
    changed: watch::Sender<u64>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Starts on a free port, with `blocks` empty blocks above the genesis block.
    pub async fn start(blocks: usize) -> Self {
        let mut model = Model::new();
        (0..blocks).for_each(|_| model.mine(vec![]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (changed, _) = watch::channel(0);
        let address = listener.local_addr().unwrap();
        let server =
            Self { address, model: Arc::new(Mutex::new(model)), changed, accepting: Mutex::new(None) };
        server.accept(listener);
        server
    }

    pub fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Looks at the model without telling anybody.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    /// Changes the model, then tells every client what is new to it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Model) -> T) -> T {
        let result = change(&mut self.model());
        self.changed.send_modify(|version| *version += 1);
        result
    }

    /// Closes the port and every connection.
    pub fn stop(&self) {
        if let Some(task) = self.accepting.lock().unwrap().take() {
            task.abort();
        }
    }

    /// Listens again on the same port.
    pub async fn restart(&self) {
        // The port is free once the aborted task has been dropped.
        loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => return self.accept(listener),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    fn accept(&self, listener: TcpListener) {
        let (model, changed) = (Arc::clone(&self.model), self.changed.clone());
        let task = tokio::spawn(async move {
            // Dropped, and with it all connections, when this task is aborted.
            let mut clients = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                clients.spawn(serve(stream, Arc::clone(&model), changed.subscribe()));
            }
        });
        *self.accepting.lock().unwrap() = Some(task);
    }
}

async fn serve(stream: TcpStream, model: Arc<Mutex<Model>>, mut changed: watch::Receiver<u64>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut tip: Option<Value> = None;
    let mut statuses: BTreeMap<String, Value> = BTreeMap::new();
    loop {
        let mut out = Vec::new();
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                let request: Value = serde_json::from_str(&line).unwrap();
                let (id, method) = (&request["id"], request["method"].as_str().unwrap());
                let params = request["params"].as_array().unwrap();
                let mut model = model.lock().unwrap();
                let answer = model.answer(method, params);
                match method {
                    "blockchain.headers.subscribe" => tip = answer.clone().ok(),
                    "blockchain.scripthash.subscribe" => {
                        if let Ok(status) = &answer {
                            statuses.insert(params[0].as_str().unwrap().to_owned(), status.clone());
                        }
                    }
                    "blockchain.scripthash.unsubscribe" => {
                        statuses.remove(params[0].as_str().unwrap());
                    }
                    _ => {}
                }
                if model.stalled {
                    continue;
                }
                out.push(match answer {
                    Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                    Err(message) => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": 1, "message": message } }),
                });
            }
            news = changed.changed() => {
                if news.is_err() {
                    return;
                }
                let model = model.lock().unwrap();
                if model.stalled {
                    continue;
                }
                let notify = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "method": method, "params": params });
                if tip.as_ref().is_some_and(|known| *known != model.tip()) {
                    tip = Some(model.tip());
                    out.push(notify("blockchain.headers.subscribe", json!([model.tip()])));
                }
                for (hash, known) in &mut statuses {
                    let status = model.status(hash);
                    if *known != status {
                        out.push(notify("blockchain.scripthash.subscribe", json!([hash, status])));
                        *known = status;
                    }
                }
            }
        }
        let garbage = model.lock().unwrap().garbage.clone();
        let text: String = match garbage {
            Some(garbage) => format!("{garbage}\n"),
            None => out.iter().map(|message| format!("{message}\n")).collect(),
        };
        if writer.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
