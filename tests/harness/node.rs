//! A regtest node with a wallet, and with a clock that the test sets.

use super::{BASE_SECS, directory, executable, free_port, wait_until};
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Address, Amount, OutPoint, Transaction, Txid};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Wallet of the miner and of everybody who pays.
const WALLET: &str = "w";
/// Ten of them mature: as many payments need not wait for each other.
const FIRST_BLOCKS: u32 = 110;

pub struct Node {
    process: Child,
    cli: PathBuf,
    rpc_port: u16,
    p2p_port: u16,
    data: TempDir,
}

impl Node {
    pub fn start() -> Node {
        // Another process may take the ports between looking and binding; then the next ones will do.
        let node = (0..3).find_map(|_| Node::try_start()).expect("bitcoind starts on free ports");
        node.call(&["-named", "createwallet", &format!("wallet_name={WALLET}")]);
        node.mine(FIRST_BLOCKS);
        node
    }

    fn try_start() -> Option<Node> {
        let bitcoind = executable("BITCOIND_EXE");
        let version = Command::new(&bitcoind).arg("-version").output().unwrap();
        // Knots has rules of its own, and stops at a date that mock time passes.
        let knots = String::from_utf8_lossy(&version.stdout).contains("Knots");
        let knots: &[&str] =
            if knots { &["-corepolicy=1", "-mempooltruc=enforce", "-softwareexpiry=0"] } else { &[] };
        let (data, rpc_port, p2p_port) = (directory(), free_port(), free_port());
        let process = Command::new(&bitcoind)
            .arg(format!("-datadir={}", data.path().display()))
            .arg(format!("-rpcport={rpc_port}"))
            .arg(format!("-bind=127.0.0.1:{p2p_port}"))
            .arg(format!("-mocktime={BASE_SECS}"))
            .args(["-regtest", "-server", "-listenonion=0", "-natpmp=0", "-discover=0", "-dnsseed=0"])
            .args(["-fixedseeds=0", "-addresstype=bech32m", "-fallbackfee=0.00001", "-txindex=1"])
            // A jump of mock time must not look as if electrs had been silent for days.
            .args(["-peertimeout=999999999", "-maxtipage=999999999", "-dbcache=16"])
            .args(knots)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", bitcoind.display()));
        let cli = executable("BITCOIN_CLI");
        let mut node = Node { process, cli, rpc_port, p2p_port, data };
        let up = node.run(&["-rpcwait", "-rpcwaittimeout=30", "getblockcount"]).is_ok();
        (node.process.try_wait().unwrap().is_none() && up).then_some(node)
    }

    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    pub fn rpc_address(&self) -> String {
        format!("127.0.0.1:{}", self.rpc_port)
    }

    pub fn p2p_address(&self) -> String {
        format!("127.0.0.1:{}", self.p2p_port)
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.cli)
            .arg("-regtest")
            .arg(format!("-datadir={}", self.data.path().display()))
            .arg(format!("-rpcport={}", self.rpc_port))
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// The beginning of a shell command that calls the node.
    pub fn command_line(&self) -> String {
        let (cli, data) = (self.cli.display(), self.data.path().display());
        format!("'{cli}' -regtest '-datadir={data}' -rpcport={}", self.rpc_port)
    }

    /// One call; the answer as the node prints it.
    pub fn try_call(&self, arguments: &[&str]) -> Result<String, String> {
        self.try_wallet(WALLET, arguments)
    }

    pub fn try_wallet(&self, wallet: &str, arguments: &[&str]) -> Result<String, String> {
        let wallet = format!("-rpcwallet={wallet}");
        let mut all = vec![wallet.as_str()];
        all.extend(arguments);
        self.run(&all)
    }

    #[track_caller]
    pub fn call(&self, arguments: &[&str]) -> String {
        self.try_call(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.call(arguments)).unwrap()
    }

    pub fn tip(&self) -> String {
        self.call(&["getbestblockhash"])
    }

    pub fn height(&self) -> u32 {
        self.call(&["getblockcount"]).parse().unwrap()
    }

    /// Median time past of the tip (BIP113).
    pub fn mtp(&self) -> u32 {
        u32::try_from(self.json(&["getblockchaininfo"])["mediantime"].as_u64().unwrap()).unwrap()
    }

    pub fn mine(&self, blocks: u32) {
        self.call(&["-generate", &blocks.to_string()]);
    }

    /// Mines blocks that leave the mempool where it is.
    pub fn mine_empty(&self, blocks: u32) {
        let address = self.address();
        for _ in 0..blocks {
            self.call(&["generateblock", &address, "[]"]);
        }
    }

    /// Makes the node leave its last blocks; what was in them is in the mempool again.
    pub fn undo(&self, blocks: u32) {
        let hash = self.call(&["getblockhash", &(self.height() - blocks + 1).to_string()]);
        self.call(&["invalidateblock", &hash]);
    }

    /// Mines six blocks of one time: the median of eleven is then exactly that.
    pub fn set_mtp(&self, secs: u32) {
        self.call(&["setmocktime", &secs.to_string()]);
        self.mine(6);
        assert_eq!(self.mtp(), secs, "median time past");
    }

    /// A new address of the wallet.
    pub fn address(&self) -> String {
        self.call(&["getnewaddress"])
    }

    pub fn send(&self, address: &Address, amount: Amount) -> Txid {
        self.call(&["sendtoaddress", &address.to_string(), &btc(amount)]).parse().unwrap()
    }

    /// One transaction for several addresses, as an exchange pays.
    pub fn send_many(&self, payments: &[(&Address, Amount)]) -> Txid {
        // Amounts as text: the node reads it, and no number of ours is ever a float.
        let payments: serde_json::Map<String, Value> =
            payments.iter().map(|(address, amount)| (address.to_string(), json!(btc(*amount)))).collect();
        self.call(&["sendmany", "", &Value::Object(payments).to_string()]).parse().unwrap()
    }

    pub fn transaction(&self, txid: &Txid) -> Transaction {
        deserialize_hex(&self.call(&["getrawtransaction", &txid.to_string()])).unwrap()
    }

    /// The output of `txid` that pays `address`.
    pub fn outpoint(&self, txid: &Txid, address: &Address) -> OutPoint {
        let transaction = self.transaction(txid);
        let pays = |output: &bitcoin::TxOut| output.script_pubkey == address.script_pubkey();
        let vout = transaction.output.iter().position(pays).expect("it pays the address");
        OutPoint { txid: *txid, vout: u32::try_from(vout).unwrap() }
    }

    pub fn broadcast(&self, transaction: &Transaction) -> Result<Txid, String> {
        self.try_call(&["sendrawtransaction", &serialize_hex(transaction)]).map(|txid| txid.parse().unwrap())
    }

    pub fn mempool(&self) -> Vec<Txid> {
        serde_json::from_value(self.json(&["getrawmempool"])).unwrap()
    }

    /// Waits until exactly so many transactions are in the mempool.
    #[track_caller]
    pub fn wait_mempool(&self, count: usize) -> Vec<Txid> {
        wait_until(&format!("{count} transactions in the mempool"), || {
            Some(self.mempool()).filter(|mempool| mempool.len() == count)
        })
    }

    /// What the node pays in fees for a transaction whose inputs it knows.
    pub fn fee(&self, transaction: &Transaction) -> Amount {
        let spent = |input: &bitcoin::TxIn| {
            let OutPoint { txid, vout } = input.previous_output;
            self.transaction(&txid).output[usize::try_from(vout).unwrap()].value
        };
        let spent: Amount = transaction.input.iter().map(spent).sum();
        spent - transaction.output.iter().map(|output| output.value).sum()
    }

    /// Confirmed unspent outputs of an address, by the node's own set of them.
    pub fn unspent(&self, address: &Address) -> Vec<Amount> {
        let scan = self.json(&["scantxoutset", "start", &json!([format!("addr({address})")]).to_string()]);
        scan["unspents"].as_array().unwrap().iter().map(|output| amount(&output["amount"])).collect()
    }

    /// What `gettxout` says of a confirmed output: `None` once it is spent in the chain.
    pub fn confirmed_output(&self, outpoint: &OutPoint) -> Option<Amount> {
        let OutPoint { txid, vout } = outpoint;
        let text = self.call(&["gettxout", &txid.to_string(), &vout.to_string(), "false"]);
        let output: Value = if text.is_empty() { return None } else { serde_json::from_str(&text).unwrap() };
        Some(amount(&output["value"]))
    }
}

/// A number of the node's, which is in bitcoins with eight places.
pub fn amount(value: &Value) -> Amount {
    let text = value.to_string();
    // serde_json prints small numbers with an exponent, which Amount does not read.
    let text = match text.split_once("e-") {
        None => text,
        Some((digits, places)) => {
            let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
            let zeros = "0".repeat(places.parse::<usize>().unwrap() - whole.len());
            format!("0.{zeros}{whole}{part}")
        }
    };
    Amount::from_str_in(&text, bitcoin::Denomination::Bitcoin).unwrap()
}

fn btc(amount: Amount) -> String {
    amount.to_string_in(bitcoin::Denomination::Bitcoin)
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nothing of it is kept, so there is nothing to shut down in order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
