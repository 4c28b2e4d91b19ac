//! Runs another program as the fee wallet's signer: PSBT in base64 on its standard input, signed PSBT on its
//! standard output. No shell; time and answer are bounded; one that failed is left alone for a while, so that
//! refunds never wait for it twice in a row.

use super::signer::SignerError;
use bitcoin::psbt::Psbt;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest answer: a batch of 50 kvB with all its fields is a tenth of it.
const MAX_ANSWER_BYTES: u64 = 8 * 1024 * 1024;
/// How much of what it complains of is told.
const MAX_COMPLAINT_BYTES: u64 = 4096;
const MAX_COMPLAINT_CHARS: usize = 200;
/// A signer that failed is not asked again for so long.
const REST: Duration = Duration::from_secs(300);
/// Time between two looks at a running signer.
const LOOK: Duration = Duration::from_millis(10);

/// A program that signs.
#[derive(Clone, Debug)]
pub struct ExternalSigner {
    command: Vec<String>,
    timeout: Duration,
    resting_until: Option<Instant>,
}

impl ExternalSigner {
    /// `command` is the program and its arguments; it is stopped after `timeout`.
    pub fn new(command: Vec<String>, timeout: Duration) -> ExternalSigner {
        ExternalSigner { command, timeout, resting_until: None }
    }

    /// Has a PSBT signed. `check` judges the answer: one that it refuses counts as a failure too.
    pub(super) fn sign<T>(
        &mut self,
        psbt: &Psbt,
        check: impl FnOnce(&Psbt) -> Result<T, SignerError>,
    ) -> Result<T, SignerError> {
        if let Some(left) = self.resting_until.and_then(|until| until.checked_duration_since(Instant::now()))
        {
            return Err(SignerError::Resting { secs: left.as_secs() + 1 });
        }
        let outcome = self.run(psbt).and_then(|answer| check(&answer));
        self.resting_until = outcome.is_err().then(|| Instant::now() + REST);
        outcome
    }

    fn run(&self, psbt: &Psbt) -> Result<Psbt, SignerError> {
        let failed = |detail: String| SignerError::Failed { detail };
        let (program, arguments) = self.command.split_first().ok_or(SignerError::None)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child =
            command.spawn().map_err(|error| failed(format!("{program} does not start: {error}")))?;
        let text = psbt.to_string();
        if let Some(mut stdin) = child.stdin.take() {
            // A signer that does not read is stopped by the time limit, and this thread with it.
            std::thread::spawn(move || _ = stdin.write_all(text.as_bytes()));
        }
        let answer = collect(child.stdout.take(), MAX_ANSWER_BYTES);
        let complaint = collect(child.stderr.take(), MAX_COMPLAINT_BYTES);
        let until = Instant::now() + self.timeout;
        let timed_out = || SignerError::TimeOut { secs: self.timeout.as_secs() };
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < until => std::thread::sleep(LOOK),
                Ok(None) => {
                    stop(&mut child);
                    return Err(timed_out());
                }
                Err(error) => {
                    stop(&mut child);
                    return Err(failed(error.to_string()));
                }
            }
        };
        // A grandchild may hold the pipe open for ever.
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        let received = |pipe: mpsc::Receiver<Vec<u8>>| pipe.recv_timeout(left).map_err(|_| timed_out());
        if !status.success() {
            let complaint = received(complaint).unwrap_or_default();
            let words: String = String::from_utf8_lossy(&complaint)
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(MAX_COMPLAINT_CHARS)
                .collect();
            return Err(failed(format!("{program} ended with {status}: {}", words.trim())));
        }
        let answer = received(answer);
        if answer.is_err() {
            stop(&mut child);
        }
        let answer = answer?;
        if u64::try_from(answer.len()).is_ok_and(|len| len > MAX_ANSWER_BYTES) {
            return Err(SignerError::NoPsbt);
        }
        let text = std::str::from_utf8(&answer).map_err(|_| SignerError::NoPsbt)?;
        text.trim().parse().map_err(|_| SignerError::NoPsbt)
    }
}

/// Reads a pipe to its end, or one byte beyond `max`, which also makes the writer fail.
fn collect(pipe: Option<impl Read + Send + 'static>, max: u64) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(max + 1).read_to_end(&mut bytes);
        }
        // Nobody waits for a signer that was given up.
        let _ = sender.send(bytes);
    });
    receiver
}

/// Stops a signer with everything it started.
fn stop(child: &mut Child) {
    // The group, for a script's own children would go on; `kill` because signals take unsafe code.
    let group = format!("-{}", child.id());
    let _ = Command::new("kill")
        .args(["-KILL", "--", &group])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let _ = child.kill();
    let _ = child.wait();
}
