//! The addresses of the test vectors, derived once more by a real node: `deriveaddresses` on regtest for the
//! descriptors of every case, extended keys re-encoded with the prefix of test networks. An address of another
//! network is compared by its script_pubkey.
//!
//! Needs `BITCOIND_EXE` and `BITCOIN_CLI`, as `regtest/test` sets them; without them the test fails and says so.

use crate::vectors::{self, AddressCase};
use bitcoin::bip32::Xpub;
use bitcoin::{Address, Network, NetworkKind};
use miniscript::descriptor::checksum::desc_checksum;
use serde_json::Value;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// Bitcoin Core reads `musig()` from here on (BIP390).
const READS_MUSIG: u64 = 300_000;

/// A regtest node without network or wallet, stopped when it goes out of scope.
struct Node {
    process: Child,
    cli: PathBuf,
    port: u16,
    data: TempDir,
}

fn from_env(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(path) => path.into(),
        None => panic!("{name} is not set: run ./regtest/test, which gets a node first"),
    }
}

impl Node {
    fn start() -> Node {
        let bitcoind = from_env("BITCOIND_EXE");
        let cli = from_env("BITCOIN_CLI");
        let data = TempDir::new().unwrap();
        // The port is free now and may be taken a moment later: the node then ends at once, and start() fails.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let version = Command::new(&bitcoind).arg("-version").output().unwrap();
        // Knots stops working at a date; deriving addresses has nothing to do with it.
        let knots = String::from_utf8_lossy(&version.stdout).contains("Knots");
        let process = Command::new(&bitcoind)
            .arg(format!("-datadir={}", data.path().display()))
            .arg(format!("-rpcport={port}"))
            .args(["-regtest", "-server", "-listen=0", "-dnsseed=0", "-disablewallet", "-natpmp=0"])
            .args(knots.then_some("-softwareexpiry=0"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", bitcoind.display()));
        let mut node = Node { process, cli, port, data };
        let answer = node.run(&["-rpcwait", "-rpcwaittimeout=30", "getblockchaininfo"]);
        let ended = node.process.try_wait().unwrap();
        assert!(ended.is_none() && answer.status.success(), "the node did not start: {answer:?} {ended:?}");
        node
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.cli)
            .arg("-regtest")
            .arg(format!("-datadir={}", self.data.path().display()))
            .arg(format!("-rpcport={}", self.port))
            .args(arguments)
            .output()
            .unwrap()
    }

    fn call(&self, arguments: &[&str]) -> Result<Value, String> {
        let output = self.run(arguments);
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    /// script_pubkey, hex, of the one address of a descriptor.
    fn script_pubkey(&self, body: &str) -> Result<String, String> {
        let descriptor = format!("{body}#{}", desc_checksum(body).unwrap());
        let addresses: Vec<String> =
            serde_json::from_value(self.call(&["deriveaddresses", &descriptor])?).unwrap();
        let [address] = addresses.as_slice() else { panic!("one address, not {addresses:?}") };
        let address = address.parse::<Address<_>>().unwrap().require_network(Network::Regtest).unwrap();
        Ok(address.script_pubkey().to_hex_string())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nothing of it is kept, so there is nothing to shut down in order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The descriptor of a case without its checksum, extended keys with the prefix that regtest reads.
fn for_regtest(case: &AddressCase, descriptor: &str) -> String {
    let (body, _) = descriptor.rsplit_once('#').unwrap();
    let mut body = body.to_owned();
    let expressions = [&case.developer, &case.representative, &case.arbiter];
    let accounts = expressions.map(|key| key.split_once(']').unwrap().1);
    for key in accounts.into_iter().chain([case.synthetic_xpub.as_str()]) {
        let mut xpub: Xpub = key.parse().unwrap();
        xpub.network = NetworkKind::Test;
        body = body.replace(key, &xpub.to_string());
    }
    body
}

#[test]
fn a_node_derives_the_same_addresses() {
    let node = Node::start();
    let version = node.call(&["getnetworkinfo"]).unwrap()["version"].as_u64().unwrap();
    let mut cases = vectors::read().addresses;
    let later = vectors::milestones::read().addresses;
    for generation in [1, 2] {
        assert!(later.iter().any(|case| case.generation == generation), "addresses of what stays in escrow");
    }
    cases.extend(later);
    for (at, case) in cases.iter().enumerate() {
        let expect = |form: &str, body: &str| {
            let found = node.script_pubkey(body).unwrap_or_else(|error| panic!("case {at}, {form}: {error}"));
            assert_eq!(found, case.script_pubkey, "case {at}, {form}");
        };
        expect("every key derived", &for_regtest(case, &case.descriptor));
        // The node derives all keys itself, the internal key from the synthetic xpub.
        let musig = format!("musig({},{})", case.developer, case.representative);
        let with_synthetic = case.musig_descriptor.replace(&musig, &case.synthetic_xpub);
        assert_ne!(with_synthetic, case.musig_descriptor);
        expect("synthetic xpub", &for_regtest(case, &with_synthetic));
        if version >= READS_MUSIG {
            expect("musig()", &for_regtest(case, &case.musig_descriptor));
        }
    }
    if version < READS_MUSIG {
        eprintln!("this node ({version}) is too old for musig(): {} cases without that form", cases.len());
    }
}
