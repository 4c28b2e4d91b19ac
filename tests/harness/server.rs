//! An Electrum server beside a node, of either make. It can be killed and started again, on the same ports
//! and the same data.

use super::{Node, directory, executable, free_port, wait_until};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// They share no code: what holds with both does not lean on the habits of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    Electrs,
    ElectrumX,
}

impl Make {
    /// Of tests that do not name one: electrs, or ElectrumX where `UPFRONT_TEST_SERVER` says so.
    pub fn chosen() -> Make {
        match std::env::var("UPFRONT_TEST_SERVER").as_deref() {
            Err(_) | Ok("electrs") => Make::Electrs,
            Ok("electrumx") => Make::ElectrumX,
            Ok(other) => panic!("UPFRONT_TEST_SERVER={other}: electrs or electrumx"),
        }
    }
}

pub struct Server {
    make: Make,
    process: Option<Child>,
    port: u16,
    /// Certificate and port for TLS; ElectrumX alone speaks it itself.
    tls: Option<Tls>,
    data: TempDir,
    node_dir: PathBuf,
    node_rpc: String,
    node_p2p: String,
}

struct Tls {
    port: u16,
    certificate: PathBuf,
    key: PathBuf,
    _dir: TempDir,
}

impl Server {
    pub fn start(make: Make, node: &Node) -> Server {
        Server::prepare(make, node, None)
    }

    /// ElectrumX, which speaks TLS itself, with a certificate of its own making.
    pub fn start_with_tls(node: &Node) -> Server {
        let dir = directory();
        let (key, certificate) = (dir.path().join("key.pem"), dir.path().join("certificate.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "30",
                "-subj",
                "/CN=electrum.invalid",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Server::prepare(Make::ElectrumX, node, Some(Tls { port: free_port(), certificate, key, _dir: dir }))
    }

    /// `ssl://host:port`, where the host is this machine, whatever it is called.
    pub fn tls_url(&self, host: &str) -> String {
        format!("ssl://{host}:{}", self.tls.as_ref().expect("it speaks TLS").port)
    }

    /// SHA-256 of its certificate, in hex.
    pub fn fingerprint(&self) -> String {
        let certificate = &self.tls.as_ref().expect("it speaks TLS").certificate;
        let mut command = Command::new("openssl");
        command.args(["x509", "-fingerprint", "-sha256", "-noout", "-in"]).arg(certificate);
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        said.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
    }

    fn prepare(make: Make, node: &Node, tls: Option<Tls>) -> Server {
        let mut server = Server {
            make,
            process: None,
            port: free_port(),
            tls,
            data: directory(),
            node_dir: node.data_dir().to_owned(),
            node_rpc: node.rpc_address(),
            node_p2p: node.p2p_address(),
        };
        server.restart();
        server
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `tcp://host:port`.
    pub fn url(&self) -> String {
        format!("tcp://{}", self.address())
    }

    /// As by `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Returns when it answers, with the node's tip.
    pub fn restart(&mut self) {
        self.kill();
        let log = std::fs::File::create(self.data.path().join("log")).unwrap();
        let mut command = match self.make {
            Make::Electrs => self.electrs(),
            Make::ElectrumX => self.electrumx(),
        };
        let output = log.try_clone().unwrap();
        let process = command.stdin(Stdio::null()).stdout(output).stderr(log).spawn();
        self.process =
            Some(process.unwrap_or_else(|error| panic!("{:?} does not start: {error}", self.make)));
        wait_until("the Electrum server answers", || self.answers().then_some(()));
    }

    fn electrs(&self) -> Command {
        let mut command = Command::new(executable("ELECTRS_EXE"));
        command
            .args(["--skip-default-conf-files", "--network", "regtest", "--log-filters", "WARN"])
            .args(["--wait-duration-secs", "1", "--daemon-rpc-addr", &self.node_rpc])
            .args(["--daemon-p2p-addr", &self.node_p2p])
            .arg("--daemon-dir")
            .arg(&self.node_dir)
            .arg("--db-dir")
            .arg(self.data.path())
            .args(["--electrum-rpc-addr", &self.address()])
            .args(["--monitoring-addr", &format!("127.0.0.1:{}", free_port())]);
        command
    }

    fn electrumx(&self) -> Command {
        let cookie = std::fs::read_to_string(self.node_dir.join("regtest/.cookie")).unwrap();
        let mut command = Command::new(executable("ELECTRUMX_EXE"));
        let mut services = self.url();
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        if let Some(Tls { port, certificate, key, .. }) = &self.tls {
            services += &format!(",ssl://127.0.0.1:{port}");
            command.env("SSL_CERTFILE", certificate).env("SSL_KEYFILE", key);
        }
        command
            .arg(self.data.path())
            .env("COIN", "Bitcoin")
            .env("NET", "regtest")
            .env("DAEMON_URL", format!("http://{cookie}@{}/", self.node_rpc))
            .env("DB_DIRECTORY", self.data.path())
            .env("SERVICES", services)
            .env("PEER_DISCOVERY", "off")
            .env("PEER_ANNOUNCE", "")
            // It looks at its node every five seconds, and holds back small answers for a second, if it is not
            // told.
            .env("DAEMON_POLL_INTERVAL_BLOCKS", "50")
            .env("DAEMON_POLL_INTERVAL_MEMPOOL", "50")
            .env("ELECTRUMX_HOLD_SECS", "0.02")
            .env("CACHE_MB", "16")
            .env("COST_SOFT_LIMIT", "0")
            .env("COST_HARD_LIMIT", "0")
            .env("ALLOW_ROOT", "1");
        command
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            let call = |id: u8, method: &str, params: &str| {
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n")
            };
            let version = call(1, "server.version", "[\"test\",[\"1.4\",\"1.6\"]]");
            stream.write_all((version + &call(2, "blockchain.headers.subscribe", "[]")).as_bytes())?;
            let (mut reader, mut line) = (BufReader::new(stream), String::new());
            reader.read_line(&mut line)?;
            line.clear();
            reader.read_line(&mut line)?;
            Ok(line)
        };
        ask().is_ok_and(|line| line.contains("\"height\""))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.data.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(8)..];
            eprintln!("last words of {:?} at {}:\n{}", self.make, self.address(), last.join("\n"));
        }
    }
}
