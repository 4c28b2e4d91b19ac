//! A person's directory, and the commands run in it as that person would: the real program, answers in JSON.

use super::directory;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

pub struct Desk {
    dir: TempDir,
    url: String,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Desk {
    /// A desk whose commands ask the service at `url`.
    pub fn new(url: String) -> Desk {
        Desk { dir: directory(), url, variables: Vec::new() }
    }

    /// A file on the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A variable that names a file on the desk.
    pub fn set(&mut self, variable: &'static str, name: &str) {
        self.variables.push((variable, self.path(name)));
    }

    /// Runs a command: its answer, or its error.
    pub fn try_run(&self, args: &[&str]) -> Result<Value, Value> {
        let done = Command::new(env!("CARGO_BIN_EXE_upfront"))
            .args(["--json", "--server", &self.url])
            .args(args)
            .envs(self.variables.iter().cloned())
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        let read = |bytes: &[u8]| {
            serde_json::from_slice(bytes).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(bytes)))
        };
        if done.status.success() { Ok(read(&done.stdout)) } else { Err(read(&done.stderr)) }
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Value {
        self.try_run(args).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }
}
