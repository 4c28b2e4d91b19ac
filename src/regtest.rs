//! For tests: a real node and real Electrum servers of their own, started by `regtest/up` and stopped when
//! dropped. Never compiled into the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// A node, electrs, and ElectrumX if asked for.
pub(crate) struct Regtest {
    dir: String,
    env: BTreeMap<String, String>,
}

impl Regtest {
    /// Starts a node and electrs, with `blocks` blocks at least.
    ///
    /// # Panics
    /// Where no node is named: a test that silently does nothing is worse than none.
    pub(crate) fn start(blocks: u32) -> Regtest {
        Regtest::start_with(blocks, &[])
    }

    /// As [`Regtest::start`], with ElectrumX as well: a server of another make, at the same node.
    ///
    /// # Panics
    /// As there.
    pub(crate) fn start_both(blocks: u32) -> Regtest {
        Regtest::start_with(blocks, &["--electrumx"])
    }

    fn start_with(blocks: u32, options: &[&str]) -> Regtest {
        let mut needed = vec!["BITCOIND_EXE", "ELECTRS_EXE"];
        needed.extend((!options.is_empty()).then_some("ELECTRUMX_EXE"));
        let named = needed.iter().all(|name| std::env::var_os(name).is_some());
        assert!(named, "this test needs {needed:?}: run ./regtest/test, which finds them");
        let up = Command::new(Path::new(PROJECT).join("regtest/up"))
            .args(["--detach", "--blocks", &blocks.to_string()])
            .args(options)
            .output()
            .unwrap();
        assert!(up.status.success(), "regtest/up: {}", String::from_utf8_lossy(&up.stderr));
        let dir = String::from_utf8(up.stdout).unwrap().trim().to_owned();
        let text = std::fs::read_to_string(Path::new(&dir).join("env")).unwrap();
        let env = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.replace('\\', "")))
            .collect();
        Regtest { dir, env }
    }

    /// `tcp://127.0.0.1:port` of electrs.
    pub(crate) fn url(&self) -> &str {
        &self.env["ELECTRUM_URL"]
    }

    /// The same of ElectrumX, where it was started.
    pub(crate) fn electrumx_url(&self) -> &str {
        &self.env["ELECTRUMX_URL"]
    }

    /// Asks the node, with its wallet at hand.
    pub(crate) fn try_cli(&self, args: &[&str]) -> Result<String, String> {
        let mut words = self.env["BITCOIN_CLI"].split(' ');
        let mut command = Command::new(words.next().unwrap());
        let output = command.args(words).arg("-rpcwallet=w").args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Asks the node something it must not refuse.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        self.try_cli(args).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }
}

impl Drop for Regtest {
    fn drop(&mut self) {
        let down = Command::new(Path::new(PROJECT).join("regtest/down")).arg(&self.dir).output();
        if !down.is_ok_and(|output| output.status.success()) {
            eprintln!("regtest/down {} failed", self.dir);
        }
    }
}
