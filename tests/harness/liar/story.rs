//! What the liar says at the moment: the lie, worked out into answers.

use super::Lie;
use super::forgery::{self, Overlay};
use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::{deserialize_hex, serialize, serialize_hex};
use bitcoin::hashes::{Hash, sha256, sha256d};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Txid, Witness,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A question to the real server.
pub type Ask<'a> = &'a dyn Fn(&str, &[Value]) -> Option<Value>;

/// A transaction that is not where it is said to be.
#[derive(Clone, Debug)]
pub struct Phantom {
    pub txid: Txid,
    pub hex: String,
    /// Where it is said to be mined; 0 = in the mempool.
    pub height: u32,
    /// Script hashes in whose histories it is listed.
    pub touches: BTreeSet<String>,
    /// The proof that is given.
    pub merkle: Option<Value>,
}

impl Phantom {
    /// A whole transaction, listed with everything it pays and spends, as far as the real server knows.
    pub fn unconfirmed(tx: Transaction, ask: Ask<'_>) -> Phantom {
        let spent = tx.input.iter().filter_map(|input| {
            let OutPoint { txid, vout } = input.previous_output;
            let previous = ask("blockchain.transaction.get", &[json!(txid.to_string())])?;
            let previous: Transaction = deserialize_hex(previous.as_str()?).ok()?;
            Some(previous.output.get(usize::try_from(vout).ok()?)?.script_pubkey.clone())
        });
        let paid = tx.output.iter().map(|output| output.script_pubkey.clone());
        let touches = spent.chain(paid).map(|script| script_hash(&script)).collect();
        Phantom { txid: tx.compute_txid(), hex: serialize_hex(&tx), height: 0, touches, merkle: None }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Story {
    pub phantoms: Vec<Phantom>,
    pub swallow: Option<bool>,
    pub swallowed: Vec<Txid>,
    /// Script hash without history.
    omitted: Option<String>,
    hidden: BTreeSet<Txid>,
    /// Script hash whose unconfirmed transactions are said to be mined at a height.
    claimed: Option<(String, u32)>,
    overlay: Option<Overlay>,
    frozen: Option<Frozen>,
    wrong_merkle: bool,
    wrong_transaction: bool,
    /// Whether pings are answered.
    silent: Option<bool>,
    fees: Option<Value>,
}

/// How everything was when time stopped.
#[derive(Clone, Debug)]
struct Frozen {
    histories: BTreeMap<String, Vec<Value>>,
}

impl Story {
    pub fn of(lie: Lie, known: &[String], ask: Ask<'_>) -> Story {
        let mut story = Story::default();
        let made_up = |script: ScriptBuf, amount_sat: u64| {
            let outpoint = OutPoint { txid: Txid::from_byte_array([0x5a; 32]), vout: 0 };
            Phantom::unconfirmed(transaction(outpoint, script, amount_sat), ask)
        };
        match lie {
            Lie::FakeUnconfirmed { script, amount_sat } => story.phantoms.push(made_up(script, amount_sat)),
            Lie::FakeConfirmed { script, amount_sat, height } => {
                let mut phantom = made_up(script, amount_sat);
                (phantom.height, phantom.merkle) = (height, Some(coinbase_proof(height, ask)));
                story.phantoms.push(phantom);
            }
            Lie::ClaimsMined { script, height } => story.claimed = Some((script_hash(&script), height)),
            Lie::Omission { script } => story.omitted = Some(script_hash(&script)),
            Lie::Hides { txids } => story.hidden = txids.into_iter().collect(),
            Lie::Stale => {
                let history = |script: &String| -> Option<(String, Vec<Value>)> {
                    let history = ask("blockchain.scripthash.get_history", &[json!(script)])?;
                    Some((script.clone(), history.as_array()?.clone()))
                };
                let (from, tip) = forgery::tip(ask).expect("the real server answers");
                story.overlay = Some(Overlay { from, headers: vec![tip] });
                story.frozen = Some(Frozen { histories: known.iter().filter_map(history).collect() });
            }
            Lie::Headers(forgery) => story.overlay = Some(forgery.forge(ask)),
            Lie::WrongMerkle => story.wrong_merkle = true,
            Lie::SixtyFour { outpoint, script } => story.sixty_four(outpoint, &script, ask),
            Lie::WrongTransaction => story.wrong_transaction = true,
            Lie::Silence { answers_pings } => story.silent = Some(answers_pings),
            Lie::SwallowBroadcast { shows } => story.swallow = Some(shows),
            Lie::WrongFees(fees) => story.fees = Some(fees),
            Lie::FakeSpend { outpoint, script } => {
                let elsewhere = ScriptBuf::from_bytes([&[0x51, 0x20][..], &[9; 32]].concat());
                let mut phantom = Phantom::unconfirmed(transaction(outpoint, elsewhere, 1_000), ask);
                phantom.touches.insert(script_hash(&script));
                story.phantoms.push(phantom);
            }
        }
        story
    }

    /// 64 bytes are what the two children of a Merkle node are long: such a "transaction" may be a node.
    fn sixty_four(&mut self, outpoint: OutPoint, script: &Script, ask: Ask<'_>) {
        let tx = transaction(outpoint, ScriptBuf::from_bytes(vec![0x51; 4]), 1_000);
        assert_eq!(serialize(&tx).len(), 64);
        let (txid, sibling) = (tx.compute_txid(), [3; 32]);
        let root = sha256d::Hash::hash(&[sibling, txid.to_byte_array()].concat());
        let (height, tip) = forgery::tip(ask).expect("the real server answers");
        let root = TxMerkleNode::from_raw_hash(root);
        let header = forgery::mine(&tip, root, tip.bits, tip.time + 1);
        self.overlay = Some(Overlay { from: height + 1, headers: vec![header] });
        let sibling = TxMerkleNode::from_byte_array(sibling).to_string();
        let merkle = json!({ "block_height": height + 1, "pos": 1, "merkle": [sibling] });
        let touches = BTreeSet::from([script_hash(script)]);
        let hex = serialize_hex(&tx);
        self.phantoms.push(Phantom { txid, hex, height: height + 1, touches, merkle: Some(merkle) });
    }

    pub fn is_silent(&self) -> bool {
        self.silent.is_some()
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Whether anything is answered to this.
    pub fn answers(&self, method: &str) -> bool {
        self.silent.is_none_or(|pings| pings && method == "server.ping")
    }

    /// Whether what the real server says to this may be changed.
    pub fn touches(&self, method: &str) -> bool {
        let histories = !self.phantoms.is_empty()
            || self.omitted.is_some()
            || !self.hidden.is_empty()
            || self.claimed.is_some()
            || self.frozen.is_some();
        match method {
            "blockchain.scripthash.subscribe" | "blockchain.scripthash.get_history" => histories,
            "blockchain.transaction.get" => !self.phantoms.is_empty() || self.wrong_transaction,
            "blockchain.transaction.get_merkle" => {
                !self.phantoms.is_empty() || self.claimed.is_some() || self.wrong_merkle
            }
            "blockchain.transaction.broadcast" => self.swallow.is_some(),
            "blockchain.headers.subscribe" | "blockchain.block.header" | "blockchain.block.headers" => {
                self.overlay.is_some()
            }
            "blockchain.estimatefee" | "blockchain.relayfee" | "mempool.get_info" => self.fees.is_some(),
            _ => false,
        }
    }

    /// What is told of a script whose real history is `real`.
    pub fn history(&self, script: &str, real: Vec<Value>) -> Vec<Value> {
        if let Some(frozen) = &self.frozen {
            return frozen.histories.get(script).cloned().unwrap_or_default();
        }
        if self.omitted.as_deref() == Some(script) {
            return Vec::new();
        }
        let is_hidden = |entry: &Value| {
            let txid = entry["tx_hash"].as_str().and_then(|txid| txid.parse().ok());
            txid.is_some_and(|txid: Txid| self.hidden.contains(&txid))
        };
        let mut told: Vec<Value> = real.into_iter().filter(|entry| !is_hidden(entry)).collect();
        if let Some((_, height)) = self.claimed.as_ref().filter(|(claimed, _)| claimed == script) {
            for entry in told.iter_mut().filter(|entry| entry["height"].as_i64() <= Some(0)) {
                entry["height"] = json!(height);
            }
        }
        let real: BTreeSet<String> = told.iter().map(|entry| entry["tx_hash"].to_string()).collect();
        for phantom in self.phantoms.iter().filter(|phantom| phantom.touches.contains(script)) {
            let txid = json!(phantom.txid.to_string());
            if !real.contains(&txid.to_string()) {
                told.push(json!({ "tx_hash": txid, "height": phantom.height, "fee": 200 }));
            }
        }
        // As a server lists them: blocks first, then the mempool.
        told.sort_by_key(|entry| match entry["height"].as_i64() {
            Some(height) if height > 0 => height,
            _ => i64::MAX,
        });
        told
    }

    pub fn answer(&self, method: &str, params: &[Value], ask: Ask<'_>) -> Option<Value> {
        let number = |at: usize| params.get(at)?.as_u64().and_then(|n| u32::try_from(n).ok());
        let txid = || -> Option<Txid> { params.first()?.as_str()?.parse().ok() };
        let phantom = || {
            let txid = txid()?;
            self.phantoms.iter().find(|phantom| phantom.txid == txid)
        };
        match method {
            "blockchain.headers.subscribe" => match &self.overlay {
                Some(overlay) => {
                    let (height, header) = overlay.tip();
                    Some(forgery::told(height, &header))
                }
                None => ask(method, params),
            },
            "blockchain.block.header" => {
                let header = self.overlay.as_ref()?.at(number(0)?, ask)?;
                Some(json!(serialize_hex(&header)))
            }
            "blockchain.block.headers" => {
                let (overlay, from, count) = (self.overlay.as_ref()?, number(0)?, number(1)?);
                let headers = (from..from.saturating_add(count)).map_while(|at| overlay.at(at, ask));
                let hex: Vec<String> = headers.map(|header| serialize_hex(&header)).collect();
                Some(json!({ "count": hex.len(), "hex": hex.concat(), "max": 2016 }))
            }
            "blockchain.transaction.get" => match phantom() {
                Some(phantom) => Some(json!(phantom.hex)),
                None if self.wrong_transaction => {
                    let real = ask(method, params)?;
                    let mut tx: Transaction = deserialize_hex(real.as_str()?).ok()?;
                    tx.lock_time = LockTime::from_consensus(tx.lock_time.to_consensus_u32() ^ 1);
                    Some(json!(serialize_hex(&tx)))
                }
                None => ask(method, params),
            },
            "blockchain.transaction.get_merkle" => {
                if let Some(phantom) = phantom() {
                    return phantom.merkle.clone();
                }
                match &self.claimed {
                    Some((_, height)) if number(1) == Some(*height) => Some(coinbase_proof(*height, ask)),
                    _ => {
                        let mut answer = ask(method, params)?;
                        if self.wrong_merkle {
                            let wrong = json!("11".repeat(32));
                            match answer["merkle"].as_array_mut()?.first_mut() {
                                Some(first) => *first = wrong,
                                None => answer["merkle"] = json!([wrong]),
                            }
                        }
                        Some(answer)
                    }
                }
            }
            "mempool.get_info" => {
                let fee = self.fees.as_ref()?;
                Some(json!({ "mempoolminfee": fee, "minrelaytxfee": fee, "incrementalrelayfee": fee }))
            }
            "blockchain.estimatefee" | "blockchain.relayfee" => self.fees.clone(),
            _ => ask(method, params),
        }
    }
}

/// One input, one output, no signature: no node would take it.
fn transaction(spends: OutPoint, script: ScriptBuf, amount_sat: u64) -> Transaction {
    let input = TxIn {
        previous_output: spends,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let output = TxOut { value: Amount::from_sat(amount_sat), script_pubkey: script };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
}

/// The proof of another transaction of a block: its first.
fn coinbase_proof(height: u32, ask: Ask<'_>) -> Value {
    let found = ask("blockchain.transaction.id_from_pos", &[json!(height), json!(0), json!(true)]);
    let merkle = found.as_ref().map_or(json!([]), |found| found["merkle"].clone());
    json!({ "block_height": height, "pos": 0, "merkle": merkle })
}

/// As the protocol names scripts.
pub fn script_hash(script: &Script) -> String {
    let mut hash = sha256::Hash::hash(script.as_bytes()).to_byte_array();
    hash.reverse();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As the protocol hashes a history; null if there is none.
pub fn status(history: &[Value]) -> Value {
    if history.is_empty() {
        return Value::Null;
    }
    let line =
        |entry: &Value| format!("{}:{}:", entry["tx_hash"].as_str().unwrap_or_default(), entry["height"]);
    let text: String = history.iter().map(line).collect();
    json!(sha256::Hash::hash(text.as_bytes()).to_string())
}
