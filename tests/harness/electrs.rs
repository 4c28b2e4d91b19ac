//! electrs beside a node. It can be killed and started again, on the same port and the same data.

use super::{Node, directory, executable, free_port, wait_until};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub struct Electrs {
    process: Option<Child>,
    port: u16,
    data: TempDir,
    node_dir: PathBuf,
    node_rpc: String,
    node_p2p: String,
}

impl Electrs {
    pub fn start(node: &Node) -> Electrs {
        let mut electrs = Electrs {
            process: None,
            port: free_port(),
            data: directory(),
            node_dir: node.data_dir().to_owned(),
            node_rpc: node.rpc_address(),
            node_p2p: node.p2p_address(),
        };
        electrs.restart();
        electrs
    }

    /// `tcp://host:port`.
    pub fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// As by `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub fn restart(&mut self) {
        self.kill();
        let log = std::fs::File::create(self.data.path().join("log")).unwrap();
        let process = Command::new(executable("ELECTRS_EXE"))
            .args(["--skip-default-conf-files", "--network", "regtest", "--log-filters", "WARN"])
            .args(["--wait-duration-secs", "1", "--daemon-rpc-addr", &self.node_rpc])
            .args(["--daemon-p2p-addr", &self.node_p2p])
            .arg("--daemon-dir")
            .arg(&self.node_dir)
            .arg("--db-dir")
            .arg(self.data.path())
            .args(["--electrum-rpc-addr", &format!("127.0.0.1:{}", self.port)])
            .args(["--monitoring-addr", &format!("127.0.0.1:{}", free_port())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("electrs does not start: {error}"));
        self.process = Some(process);
        wait_until("electrs answers", || self.answers().then_some(()));
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(
                b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"blockchain.headers.subscribe\",\"params\":[]}\n",
            )?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line)?;
            Ok(line)
        };
        ask().is_ok_and(|line| line.contains("\"height\""))
    }
}

impl Drop for Electrs {
    fn drop(&mut self) {
        self.kill();
    }
}
