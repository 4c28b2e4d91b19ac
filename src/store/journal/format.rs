//! The lines of the journal, and reading a whole file of them. Reading decides what is intact and
//! where the first damage is; it must not decide what to do about it, and it opens no files.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use bitcoin::hashes::{Hash, sha256};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::mark::Mark;
use super::{FORMAT_VERSION, Head, Header, MAX_LINE_BYTES, Recorded};

/// `,"hash":"` + 64 hex digits + `"}`.
const SEAL_BYTES: usize = 75;
const SEAL_OPEN: &[u8] = b",\"hash\":\"";
const SEAL_CLOSE: &[u8] = b"\"}";

/// More than everything in a line that is not the event.
pub(super) const OVERHEAD_BYTES: usize = 512;

/// Closes the JSON object that began at `from` with the hash over its bytes.
pub(super) fn seal(out: &mut Vec<u8>, from: usize) -> sha256::Hash {
    let hash = sha256::Hash::hash(&out[from..]);
    out.extend_from_slice(SEAL_OPEN);
    out.extend_from_slice(hash.to_string().as_bytes());
    out.extend_from_slice(SEAL_CLOSE);
    hash
}

/// The bytes before the seal, and the hash, if the seal is there and right.
pub(super) fn unseal(sealed: &[u8]) -> Result<(&[u8], sha256::Hash), Cause> {
    let cut = sealed.len().checked_sub(SEAL_BYTES).ok_or(Cause::BadForm)?;
    let (body, seal) = sealed.split_at(cut);
    let hex = seal.strip_prefix(SEAL_OPEN).and_then(|rest| rest.strip_suffix(SEAL_CLOSE));
    let hash = sha256::Hash::hash(body);
    // Compared as written: upper-case digits are another byte than the one that was acknowledged.
    match hex {
        None => Err(Cause::BadForm),
        Some(hex) if hex == hash.to_string().as_bytes() => Ok((body, hash)),
        Some(_) => Err(Cause::BadHash),
    }
}

/// Appends one line to `out`; returns its hash.
pub(super) fn encode(
    out: &mut Vec<u8>,
    prev: sha256::Hash,
    durable: u64,
    line: &Recorded<&str>,
) -> sha256::Hash {
    let from = out.len();
    let Recorded { seq, at_secs, more, event } = line;
    let more = if *more { ",\"more\":true" } else { "" };
    let body = format!(
        "{{\"seq\":{seq},\"prev\":\"{prev}\",\"durable\":{durable},\"at_secs\":{at_secs}{more},\"event\":{event}"
    );
    out.extend_from_slice(body.as_bytes());
    let hash = seal(out, from);
    out.push(b'\n');
    hash
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<E> {
    seq: u64,
    prev: sha256::Hash,
    durable: u64,
    at_secs: u64,
    #[serde(default)]
    more: bool,
    event: E,
}

/// Parses what [`unseal`] gave; the hash was right, so a failure is not a torn write.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Cause> {
    serde_json::from_reader(body.chain(&b"}"[..]))
        .map_err(|error| Cause::BadJson { detail: error.to_string() })
}

fn parse_body<E: DeserializeOwned>(body: &[u8]) -> Result<Body<E>, Cause> {
    parse(body).map_err(|cause| match (parse::<Body<IgnoredAny>>(body), cause) {
        (Ok(_), Cause::BadJson { detail }) => Cause::UnknownEvent { detail },
        (_, cause) => cause,
    })
}

/// The first place where a journal is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Number of the line, which is the `seq` it should have; the header is 0.
    pub line: u64,
    /// Byte offset of the line's start in the file.
    pub offset: u64,
    /// What is wrong with it.
    pub cause: Cause,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} at byte {}: {}", self.line, self.offset, self.cause)
    }
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The file ends within the line.
    #[error("the file ends before the line does")]
    Unterminated,
    /// The file ends within a batch; the line is the one that should have followed.
    #[error("the file ends within the batch that starts with line {first_seq}")]
    UnfinishedBatch {
        /// First line of the batch.
        first_seq: u64,
    },
    /// Longer than any line is written.
    #[error("longer than {MAX_LINE_BYTES} bytes")]
    Overlong,
    /// Does not end with a hash field.
    #[error("does not end with a hash")]
    BadForm,
    /// The hash is not that of the bytes.
    #[error("its bytes do not match its hash")]
    BadHash,
    /// The hash is right, but it is not JSON of the right shape.
    #[error("not a journal line: {detail}")]
    BadJson {
        /// What serde_json said.
        detail: String,
    },
    /// An intact line with an event this program does not know; a newer one may.
    #[error("an event this version does not know: {detail}")]
    UnknownEvent {
        /// What serde_json said.
        detail: String,
    },
    /// An intact line at the wrong place.
    #[error("holds line {found}")]
    WrongSeq {
        /// The number it has.
        found: u64,
    },
    /// An intact line that does not follow the one before it.
    #[error("does not follow the line before it: its prev is {found}, the line before has {expected}")]
    WrongPrev {
        /// Hash of the line before.
        expected: sha256::Hash,
        /// The hash it names.
        found: sha256::Hash,
    },
    /// Claims that more bytes were durable than precede it.
    #[error("says that {durable} bytes were durable before it")]
    WrongDurable {
        /// The claim.
        durable: u64,
    },
    /// Intact, but not the line that the mark says was acknowledged there.
    #[error("is not the line that was acknowledged here (line {seq}, hash {hash})")]
    NotTheMarked {
        /// Number of the acknowledged line.
        seq: u64,
        /// Its hash.
        hash: sha256::Hash,
    },
    /// The header is of another format version.
    #[error("format version {found}; this program reads version {FORMAT_VERSION}")]
    OtherVersion {
        /// The header's version.
        found: u64,
    },
    /// The file ends, with a whole batch, before the place up to which it was acknowledged.
    #[error("the file ends here, but {acknowledged_bytes} bytes of it were acknowledged")]
    Shortened {
        /// Bytes that were acknowledged.
        acknowledged_bytes: u64,
    },
}

/// What reading a whole journal found.
#[derive(Debug)]
pub(super) struct Scan {
    /// The header, when line 0 is intact.
    pub header: Option<Header>,
    /// Last line of the last whole batch.
    pub head: Head,
    /// Where that line ends: what lies before is intact, in whole batches.
    pub end: u64,
    /// Whole batches, without the header.
    pub batches: u64,
    /// Bytes in the file.
    pub len: u64,
    /// First damage.
    pub damage: Option<Damage>,
    /// A line behind the damage proves that the damaged place had been acknowledged.
    pub acknowledged_later: bool,
}

impl Scan {
    /// The damage, if it is in acknowledged data; rules 1 to 4 of the module's doc.
    pub fn corruption(&self, mark: Option<&Mark>) -> Option<Damage> {
        let Some(damage) = &self.damage else {
            let acknowledged_bytes = mark.map_or(0, |mark| mark.bytes);
            let shortened = Cause::Shortened { acknowledged_bytes };
            return (self.end < acknowledged_bytes).then(|| Damage {
                line: self.head.seq + 1,
                offset: self.end,
                cause: shortened,
            });
        };
        let may_be_torn = match damage.cause {
            Cause::Unterminated | Cause::UnfinishedBatch { .. } => true,
            Cause::Overlong | Cause::BadForm | Cause::BadHash => mark.is_some(),
            Cause::BadJson { .. }
            | Cause::UnknownEvent { .. }
            | Cause::WrongSeq { .. }
            | Cause::WrongPrev { .. }
            | Cause::WrongDurable { .. }
            | Cause::NotTheMarked { .. }
            | Cause::OtherVersion { .. }
            | Cause::Shortened { .. } => false,
        };
        let below_mark = mark.is_some_and(|mark| self.end < mark.bytes);
        let torn = may_be_torn && !below_mark && !self.acknowledged_later && self.header.is_some();
        (!torn).then(|| damage.clone())
    }
}

/// Reads lines until the end, handing over whole batches as they are complete.
pub(super) fn scan<E: DeserializeOwned>(
    input: impl Read,
    mark: Option<&Mark>,
    mut take: impl FnMut(Vec<Recorded<E>>),
) -> io::Result<Scan> {
    let mut lines = Lines { input: BufReader::with_capacity(1 << 16, input), offset: 0, line: Vec::new() };
    let mut scan = Scan {
        header: None,
        head: Head { seq: 0, hash: sha256::Hash::all_zeros() },
        end: 0,
        batches: 0,
        len: 0,
        damage: None,
        acknowledged_later: false,
    };
    let mut expected = Expected { seq: 0, prev: sha256::Hash::all_zeros() };
    let mut batch: Vec<Recorded<E>> = Vec::new();
    loop {
        let offset = lines.offset;
        let read = lines.next()?;
        if matches!(read, Ok(false)) {
            break;
        }
        if let Some(damage) = &scan.damage {
            let later =
                read.is_ok() && durable_before(&lines.line).is_some_and(|bytes| bytes > damage.offset);
            scan.acknowledged_later |= later;
            continue;
        }
        let here = Damage { line: expected.seq, offset, cause: Cause::Unterminated };
        let line = read.and_then(|_| {
            if expected.seq == 0 {
                scan.header = Some(header(&lines.line)?);
                let line = expected.check::<IgnoredAny>(&lines.line, offset)?;
                return Ok(Recorded { seq: line.seq, at_secs: line.at_secs, more: line.more, event: None });
            }
            let line = expected.check::<E>(&lines.line, offset)?;
            Ok(Recorded { seq: line.seq, at_secs: line.at_secs, more: line.more, event: Some(line.event) })
        });
        let line = match line {
            Ok(line) => line,
            Err(cause) => {
                scan.damage = Some(Damage { cause, ..here });
                continue;
            }
        };
        let head = Head { seq: line.seq, hash: expected.prev };
        if let Some(Err(cause)) = mark.map(|mark| mark.check(offset, lines.offset, head, line.more)) {
            scan.damage = Some(Damage { cause, ..here });
            continue;
        }
        let more = line.more;
        if let Some(event) = line.event {
            batch.push(Recorded { seq: line.seq, at_secs: line.at_secs, more, event });
        }
        if !more {
            scan.head = head;
            scan.end = lines.offset;
            if !batch.is_empty() {
                scan.batches += 1;
                take(std::mem::take(&mut batch));
            }
        }
    }
    scan.len = lines.offset;
    if let (None, Some(first)) = (&scan.damage, batch.first()) {
        let cause = Cause::UnfinishedBatch { first_seq: first.seq };
        scan.damage = Some(Damage { line: expected.seq, offset: scan.len, cause });
    }
    if scan.len == 0 {
        scan.damage = Some(Damage { line: 0, offset: 0, cause: Cause::Unterminated });
    }
    Ok(scan)
}

/// Looks at the version before the rest, so that another version is named and not called damage.
fn header(line: &[u8]) -> Result<Header, Cause> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    let (body, _) = unseal(line)?;
    let version = parse_body::<Versioned>(body)?.event.version;
    if version != u64::from(FORMAT_VERSION) {
        return Err(Cause::OtherVersion { found: version });
    }
    Ok(parse_body::<Header>(body)?.event)
}

/// What an intact line says was durable before it.
fn durable_before(line: &[u8]) -> Option<u64> {
    let (body, _) = unseal(line).ok()?;
    Some(parse_body::<IgnoredAny>(body).ok()?.durable)
}

/// What the next line has to be.
struct Expected {
    seq: u64,
    prev: sha256::Hash,
}

impl Expected {
    fn check<E: DeserializeOwned>(&mut self, line: &[u8], offset: u64) -> Result<Body<E>, Cause> {
        let (body, hash) = unseal(line)?;
        let place = parse_body::<IgnoredAny>(body)?;
        if place.seq != self.seq {
            return Err(Cause::WrongSeq { found: place.seq });
        }
        if place.prev != self.prev {
            return Err(Cause::WrongPrev { expected: self.prev, found: place.prev });
        }
        if place.durable > offset {
            return Err(Cause::WrongDurable { durable: place.durable });
        }
        let line = parse_body::<E>(body)?;
        *self = Expected { seq: self.seq + 1, prev: hash };
        Ok(line)
    }
}

/// Lines of bounded length.
struct Lines<R> {
    input: R,
    offset: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line into `line`, without its newline; `Ok(false)` at the end of the file.
    fn next(&mut self) -> io::Result<Result<bool, Cause>> {
        self.line.clear();
        let limit = u64::try_from(MAX_LINE_BYTES).map_err(io::Error::other)?;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        self.offset += u64::try_from(read).map_err(io::Error::other)?;
        if read == 0 {
            return Ok(Ok(false));
        }
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Ok(true));
        }
        if read < MAX_LINE_BYTES {
            return Ok(Err(Cause::Unterminated));
        }
        self.offset += u64::try_from(self.input.skip_until(b'\n')?).map_err(io::Error::other)?;
        Ok(Err(Cause::Overlong))
    }
}
