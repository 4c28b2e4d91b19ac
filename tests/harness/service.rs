//! `upfront serve` as a child process: started, killed, and started again on the same data.

use super::{Api, directory, free_port, wait_until};
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub struct Service {
    process: Option<Child>,
    port: u16,
    dir: TempDir,
    /// Of the Electrum server; without one, settings name it.
    electrum: Option<String>,
    variables: Vec<(String, String)>,
}

impl Service {
    /// A data directory for a service that is not started yet.
    pub fn prepare(electrum: String) -> Service {
        Service::new(Some(electrum))
    }

    /// The same, with the Electrum servers as lines of a settings file.
    pub fn with_settings(toml: &str) -> Service {
        let service = Service::new(None);
        std::fs::write(service.settings(), toml).unwrap();
        service
    }

    fn new(electrum: Option<String>) -> Service {
        let dir = directory();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        Service { process: None, port: free_port(), dir, electrum, variables: Vec::new() }
    }

    /// The settings file, where there is one.
    pub fn settings(&self) -> PathBuf {
        self.dir.path().join("upfront.toml")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn api(&self) -> Api {
        Api::new(&self.url())
    }

    /// A command line that would serve this directory at `port`.
    pub fn command(&self, port: u16) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upfront"));
        command
            .arg("serve")
            .env("UPFRONT_NETWORK", "regtest")
            .env("UPFRONT_DATA_DIR", self.data_dir())
            .env("UPFRONT_LISTEN", format!("127.0.0.1:{port}"))
            .env_remove("UPFRONT_FAILPOINT")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null());
        match &self.electrum {
            Some(url) => command.env("UPFRONT_ELECTRUM", url),
            None => command.env_remove("UPFRONT_ELECTRUM").arg("--config").arg(self.settings()),
        };
        command
    }

    /// Starts it, to die at `failpoint` if one is given; returns when it answers or is dead.
    pub fn start(&mut self, failpoint: Option<&str>) {
        assert!(self.process.is_none(), "the service runs already");
        let log = OpenOptions::new().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = self.command(self.port);
        if let Some(failpoint) = failpoint {
            command.env("UPFRONT_FAILPOINT", failpoint);
        }
        let process = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.process = Some(process);
        let api = self.api();
        wait_until("the service answers", || {
            (api.status().is_ok() || (failpoint.is_some() && self.dead().is_some())).then_some(())
        });
    }

    /// A variable of its environment, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Sends a signal by its name, as `TERM`.
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("it runs");
        signal(process, name);
    }

    /// Waits until it has ended by itself, and says how.
    pub fn ended(&mut self) -> ExitStatus {
        let status = wait_until("the service ends", || self.dead());
        self.process = None;
        status
    }

    /// Its exit status, once it ended by itself.
    pub fn dead(&mut self) -> Option<ExitStatus> {
        self.process.as_mut()?.try_wait().unwrap()
    }

    /// As by `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// If it has died of its fail point: forgets the dead one and starts another, without a fail point.
    pub fn revive(&mut self) -> bool {
        // A connection breaks a moment before the process is gone.
        for _ in 0..40 {
            if self.dead().is_some() {
                self.process = None;
                self.start(None);
                return true;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        false
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// Sends a signal to a process of ours.
pub fn signal(process: &Child, name: &str) {
    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the service's last words:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}
