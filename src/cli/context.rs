//! What every command is given: where to print, in which form, which service to ask; and the reading of
//! keys and files. The one place that touches standard input and output.

use super::exit::Failure;
use super::unlock::{Passphrases, Unlocked};
use crate::client::Client;
use crate::escrow::charter::Charter;
use crate::escrow::network::Network;
use crate::escrow::statement::Role;
use crate::keys::{Identity, Passphrase, SignerKeys, SponsorKeys};
use anyhow::Context as _;
use serde::Serialize;
use std::cell::RefCell;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest file read whole.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// What a command works with.
pub struct Context<'a> {
    json: bool,
    server: String,
    passphrases: Passphrases,
    out: RefCell<&'a mut dyn Write>,
    notes: RefCell<&'a mut dyn Write>,
}

impl<'a> Context<'a> {
    /// Answers go to `out`, progress to `notes`.
    pub fn new(
        json: bool,
        server: String,
        passphrases: Passphrases,
        out: &'a mut dyn Write,
        notes: &'a mut dyn Write,
    ) -> Context<'a> {
        Context { json, server, passphrases, out: RefCell::new(out), notes: RefCell::new(notes) }
    }

    /// Where passphrases come from.
    pub fn passphrases(&self) -> &Passphrases {
        &self.passphrases
    }

    /// The service.
    pub fn client(&self) -> Client {
        Client::new(&self.server)
    }

    /// The service, with requests signed where the command line names an identity.
    pub fn client_as(&self, identity: &IdentityArg) -> anyhow::Result<Client> {
        let Some(path) = &identity.file else { return Ok(self.client()) };
        let identity = Identity::new(&self.read_phrase(path, None)?.phrase);
        Ok(self.client().signing(identity))
    }

    /// The identity that the command line names, which what is said here needs.
    pub fn identity(&self, identity: &IdentityArg) -> anyhow::Result<Identity> {
        let Some(path) = &identity.file else {
            return Err(Failure::usage("this is said in somebody's name: give --identity FILE")
                .hint("`upfront key new --out FILE` makes a phrase; `upfront key identity FILE` shows its identity")
                .into());
        };
        Ok(Identity::new(&self.read_phrase(path, None)?.phrase))
    }

    /// Prints an answer: its words, or one line of JSON.
    pub fn report<R: Serialize + fmt::Display>(&self, report: &R) -> anyhow::Result<()> {
        self.line(report).map(|_| ())
    }

    /// As [`Context::report`], where more follow: whether somebody still reads.
    pub fn line<R: Serialize + fmt::Display>(&self, line: &R) -> anyhow::Result<bool> {
        let text = if self.json { format!("{}\n", serde_json::to_string(line)?) } else { line.to_string() };
        let mut out = self.out.borrow_mut();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever closed the pipe has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true).context("cannot print"),
        }
    }

    /// Tells how far something is; nothing with `--json`.
    pub fn note(&self, text: impl fmt::Display) {
        if !self.json {
            // Progress that cannot be shown is no reason to stop.
            let _ = writeln!(self.notes.borrow_mut(), "{text}");
        }
    }

    /// Asks a person at the terminal. Without one the answer is an error that names `--yes`.
    pub fn confirm(&self, question: &str) -> anyhow::Result<bool> {
        if !io::stdin().is_terminal() {
            return Err(Failure::refused("not_confirmed", "this needs somebody's consent at a terminal")
                .hint("read what is shown above, then give --yes")
                .into());
        }
        write!(self.notes.borrow_mut(), "{question} Type yes to go on: ").context("cannot ask")?;
        self.notes.borrow_mut().flush().context("cannot ask")?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).context("cannot read the answer")?;
        Ok(answer.trim() == "yes")
    }
}

/// A key file given on the command line: `-` is standard input.
#[derive(clap::Args, Clone, Debug)]
pub struct KeyArg {
    /// File with the recovery phrase, encrypted or not, or - for standard input
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl KeyArg {
    /// Reads the phrase.
    pub fn read(&self, context: &Context<'_>, network: Network) -> anyhow::Result<Unlocked> {
        context.read_phrase(&self.key, Some(network))
    }
}

/// Whose name a request is made in.
#[derive(clap::Args, Clone, Debug)]
pub struct IdentityArg {
    /// File with the recovery phrase whose identity signs the request, or - for standard input
    #[arg(id = "identity", long = "identity", value_name = "FILE", env = "UPFRONT_IDENTITY_FILE")]
    file: Option<PathBuf>,
}

/// A key file that may be left out where a recovery file holds the key.
#[derive(clap::Args, Clone, Debug)]
pub struct OptionalKeyArg {
    /// File with the recovery phrase, encrypted or not, or - for standard input
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl OptionalKeyArg {
    /// The keys of a sponsor, if a file is named.
    pub fn sponsor(&self, context: &Context<'_>, network: Network) -> anyhow::Result<Option<SponsorKeys>> {
        Ok(self.unlocked(context, network)?.map(|(keys, _)| keys))
    }

    /// The same with what opened the file.
    pub fn unlocked(
        &self,
        context: &Context<'_>,
        network: Network,
    ) -> anyhow::Result<Option<(SponsorKeys, Option<Passphrase>)>> {
        let Some(path) = &self.key else { return Ok(None) };
        let Unlocked { phrase, passphrase } = context.read_phrase(path, Some(network))?;
        Ok(Some((SponsorKeys::new(phrase, network), passphrase)))
    }
}

/// A signer's key file with the number of the account.
#[derive(clap::Args, Clone, Debug)]
pub struct SignerArg {
    #[command(flatten)]
    key: KeyArg,
    /// Account k of m/87'/coin'/k'; by default the one that the charter names for the seat
    #[arg(long, value_name = "K")]
    account: Option<u32>,
}

impl SignerArg {
    /// The keys of a charter's signer.
    pub fn signer(&self, context: &Context<'_>, charter: &Charter, role: Role) -> anyhow::Result<SignerKeys> {
        let account = self.account.unwrap_or_else(|| charter.signer(role).account());
        let network = charter.network();
        Ok(SignerKeys::new(&self.key.read(context, network)?.phrase, network, account)?)
    }
}

/// Reads a whole text file.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    let bytes = read_bytes(path)?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::refused("not_text", format!("{} is not UTF-8 text", path.display())).into())
}

/// Reads a whole file.
pub fn read_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let what = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).with_context(what)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).with_context(what)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_FILE_BYTES) {
        let message = format!("{} is longer than {MAX_FILE_BYTES} bytes", path.display());
        return Err(Failure::refused("too_long", message).into());
    }
    Ok(bytes)
}

/// Writes a public file, replacing one that is there.
pub fn write_public(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// A limit on waiting.
pub struct Patience {
    until: Instant,
    poll: Duration,
}

impl Patience {
    /// From now on.
    pub fn new(timeout_secs: u64) -> Patience {
        let timeout = Duration::from_secs(timeout_secs.min(10 * 365 * 86_400));
        Patience { until: Instant::now() + timeout, poll: Duration::from_millis(300) }
    }

    /// Sleeps until the next look; `false` when time is up. Looks become rarer, to at most every 2 s.
    pub fn rest(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        std::thread::sleep(self.poll.min(left));
        self.poll = (self.poll * 11 / 10).min(Duration::from_secs(2));
        !left.is_zero()
    }
}
