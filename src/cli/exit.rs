//! How a command ends: its exit status, and its errors in words or JSON.

use crate::client::ClientError;
use crate::keys::{KeyFileError, SealedError};
use serde::Serialize;
use std::fmt;

/// Exit status of a command. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Refused or failed.
    Refused,
    /// The command line is wrong.
    Usage,
    /// Not yet: something has not happened so far.
    NotYet,
    /// Something that was checked is not so.
    Untrue,
    /// A passphrase is wrong or missing.
    Locked,
}

impl Exit {
    /// Every one. The compiler asks for a new one in `status`; a test asks for it here, in help, manual and README.
    #[cfg(test)]
    pub const ALL: [Exit; 6] =
        [Exit::Done, Exit::Refused, Exit::Usage, Exit::NotYet, Exit::Untrue, Exit::Locked];

    /// The number.
    pub const fn status(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::NotYet => 3,
            Exit::Untrue => 4,
            Exit::Locked => 5,
        }
    }
}

/// The table in the help.
pub const HELP: &str = "\
Exit status:
  0  done
  1  refused or failed
  2  the command line is wrong
  3  not yet: something has not happened so far, or not within --timeout
  4  something that was checked is not so; nothing was signed or sent
  5  a passphrase is wrong, or there is none and no terminal to ask at

Keys are read from a file or, for \"-\", from standard input, never from the command line.
With --json every answer is one JSON object on one line of standard output, and an error is
{\"error\":{\"code\",\"message\",\"hint\"}} on standard error.";

/// A command's own reason not to go on.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    exit: Exit,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl Failure {
    fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Failure {
        Failure { exit, code, message: message.into(), hint: None }
    }

    /// Ends with status 1.
    pub fn refused(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(Exit::Refused, code, message)
    }

    /// Ends with status 2.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, "usage", message)
    }

    /// Ends with status 3.
    pub fn not_yet(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(Exit::NotYet, code, message)
    }

    /// Ends with status 4.
    pub fn untrue(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(Exit::Untrue, code, message)
    }

    /// Ends with status 5.
    pub fn locked(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(Exit::Locked, code, message)
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

/// An error as it is shown.
#[derive(Debug, Serialize)]
pub struct ErrorReport {
    error: ErrorDetail,
    #[serde(skip)]
    causes: Vec<String>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Debug, Serialize)]
struct ErrorDetail {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl ErrorReport {
    /// Reads code, exit status and hint off the first cause that knows them.
    pub fn new(error: &anyhow::Error) -> ErrorReport {
        let mut known = None;
        let mut words: Vec<String> = Vec::new();
        for cause in error.chain() {
            known = known.or_else(|| classify(cause));
            let text = cause.to_string();
            // A transparent error repeats its source; so does one that ends in it.
            if !words.last().is_some_and(|last| last.ends_with(&text)) {
                words.push(text);
            }
        }
        let (exit, code, hint) = known.unwrap_or((Exit::Refused, "failed".into(), None));
        let message = words.join(": ");
        ErrorReport { error: ErrorDetail { code, message, hint }, causes: words, exit }
    }

    /// Exit status.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// As JSON, one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text is JSON")
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut causes = self.causes.iter();
        writeln!(f, "error: {}", causes.next().map_or("", String::as_str))?;
        causes.try_for_each(|cause| writeln!(f, "  because: {cause}"))?;
        self.error.hint.iter().try_for_each(|hint| writeln!(f, "  hint: {hint}"))
    }
}

type Known = (Exit, String, Option<String>);

fn classify(cause: &(dyn std::error::Error + 'static)) -> Option<Known> {
    if let Some(Failure { exit, code, hint, .. }) = cause.downcast_ref() {
        return Some((*exit, (*code).to_owned(), hint.clone()));
    }
    if let Some(error) = cause.downcast_ref::<ClientError>() {
        let exit = match error {
            ClientError::Untrue { .. } => Exit::Untrue,
            ClientError::Refused { code, .. } if code == "chain_unknown" => Exit::NotYet,
            ClientError::Refused { .. }
            | ClientError::Unreachable { .. }
            | ClientError::Answer { .. }
            | ClientError::Unsigned { .. } => Exit::Refused,
        };
        return Some((exit, error.code().to_owned(), client_hint(error)));
    }
    cause.downcast_ref::<KeyFileError>().map(key_error)
}

fn key_error(error: &KeyFileError) -> Known {
    match error {
        KeyFileError::Sealed { source: SealedError::WrongPassphrase, .. } => {
            let hint = "nothing was opened. The passphrase is that of the file, not the words in it";
            (Exit::Locked, "wrong_passphrase".into(), Some(hint.into()))
        }
        KeyFileError::Locked { .. } => (Exit::Locked, "passphrase_needed".into(), None),
        KeyFileError::Sealed {
            source:
                SealedError::NotPassphrase
                | SealedError::TooMuchWork { .. }
                | SealedError::Damaged
                | SealedError::TooLong { .. },
            ..
        }
        | KeyFileError::File { .. }
        | KeyFileError::Exists { .. }
        | KeyFileError::TooLong { .. }
        | KeyFileError::NotText
        | KeyFileError::WordCount { .. }
        | KeyFileError::UnknownWord { .. }
        | KeyFileError::Checksum
        | KeyFileError::Index { .. }
        | KeyFileError::Randomness { .. }
        | KeyFileError::Passphrase { .. }
        | KeyFileError::Accounts { .. }
        | KeyFileError::Unverified { .. } => (Exit::Refused, "key".into(), None),
    }
}

/// The command's own words where it knows better what to do here; otherwise the service's.
fn client_hint(error: &ClientError) -> Option<String> {
    let own = match error {
        ClientError::Unreachable { .. } => {
            "is `upfront serve` running there? Name another service with --server or UPFRONT_SERVER"
        }
        ClientError::Answer { .. } => "is this an Upfront service, and of this version?",
        ClientError::Unsigned { .. } => "look at this machine's clock and its source of randomness",
        ClientError::Untrue { .. } => {
            "pay nothing and sign nothing there; nothing was sent. Keep this message and tell the others"
        }
        ClientError::Refused { code, hint, .. } => match code.as_str() {
            "psbt_no_signature" => {
                "the wallet signed nothing: its keys' range does not cover this address. See `upfront charter show --core`, \
                 or use descriptorprocesspsbt"
            }
            "other_receipt_key" => {
                "make the charter with `upfront charter new`, which asks the service for its key"
            }
            "auth_required" => {
                "name a key file with --identity FILE or UPFRONT_IDENTITY_FILE; `upfront key new` makes one"
            }
            "auth_url" => "give --server the address that the service itself is known by",
            "not_open" => "`upfront task show` tells who has not attested",
            "chain_unknown" => "try again in a few seconds",
            _ => return hint.clone(),
        },
    };
    Some(own.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_names_its_cause_its_code_and_what_to_do() {
        let refused =
            ClientError::Refused { status: 409, code: "not_open".into(), message: "no".into(), hint: None };
        let error = Err::<(), _>(refused).context("cannot pledge").unwrap_err();
        let report = ErrorReport::new(&error);
        assert_eq!(report.exit().status(), 1);
        let text = report.to_string();
        assert!(
            text.starts_with("error: cannot pledge\n  because: the service refused: no\n  hint: "),
            "{text}"
        );
        assert!(report.to_json().contains(r#""code":"not_open""#), "{}", report.to_json());
    }

    #[test]
    fn statuses_follow_the_cause() {
        let of = |error: anyhow::Error| ErrorReport::new(&error).exit();
        assert_eq!(of(Failure::not_yet("wait", "later").into()), Exit::NotYet);
        assert_eq!(of(ClientError::untrue("address", "another").into()), Exit::Untrue);
        assert_eq!(of(anyhow::anyhow!("anything")), Exit::Refused);
    }
}
