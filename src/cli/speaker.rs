//! Who speaks in a command: a key file, which signs at once, or a wallet that signs transactions only, which
//! is given the words as a PSBT (BIP322) and whose signature comes back through `upfront statement send`.

use super::charter::require_seat;
use super::context::{Context, write_public};
use super::exit::Failure;
use super::text::Rows;
use crate::escrow::bip322;
use crate::escrow::charter::Charter;
use crate::escrow::signature::Speaker;
use crate::escrow::statement::{
    Acceptance, Attest, CharterId, Evidence, MergeConfirmation, Pledge, Role, Ruling, Signed, Statement,
    Submission, Vote,
};
use crate::keys::{Identity, SignerKeys};
use bitcoin::Address;
use bitcoin::bip32::KeySource;
use bitcoin::secp256k1::{Secp256k1, XOnlyPublicKey};
use clap::Args;
use miniscript::descriptor::{DescriptorPublicKey, SinglePub, SinglePubKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// A signer of a charter.
#[derive(Args, Clone, Debug)]
pub struct SignerSpeaker {
    /// File with the recovery phrase, encrypted or not, or - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "psbt_out")]
    key: Option<PathBuf>,
    /// Account k of m/87'/coin'/k'; by default the one that the charter names for the seat
    #[arg(long, value_name = "K")]
    account: Option<u32>,
    /// Sign with another wallet: write the words as a PSBT (BIP322) here, and beside it FILE.statement.json for
    /// `upfront statement send`
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    psbt_out: Option<PathBuf>,
}

/// A charter's leader: the key is that of an identity, or one of the leader's own wallet.
#[derive(Args, Clone, Debug)]
pub struct LeaderSpeaker {
    /// File with the recovery phrase whose identity is the charter's leader, encrypted or not, or - for standard
    /// input
    #[arg(long, value_name = "FILE", required_unless_present = "psbt_out")]
    key: Option<PathBuf>,
    /// Sign with the wallet that holds the leader's key: write the words as a PSBT (BIP322) here, and beside it
    /// FILE.statement.json for `upfront statement send`
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    psbt_out: Option<PathBuf>,
}

impl LeaderSpeaker {
    /// Signs as the leader; or writes what a wallet shall sign, and then there is no signature yet.
    pub fn say<S: Statement + Clone>(
        &self,
        context: &Context<'_>,
        charter: &Charter,
        statement: S,
        words: impl FnOnce(S) -> Words,
    ) -> anyhow::Result<Option<Signed<S>>> {
        let nobody = || Failure::refused("no_leader", "this charter names no project leader");
        let speaker = charter.leader_speaker().ok_or_else(nobody)?;
        if let Some(out) = &self.psbt_out {
            let words = words(statement.clone());
            context.report(&Asked::write(out, charter, &speaker, None, &statement, words)?)?;
            return Ok(None);
        }
        let path = self.key.as_ref().ok_or_else(|| Failure::usage("give --key or --psbt-out"))?;
        let identity = Identity::new(&context.read_phrase(path, None)?.phrase);
        let signed = identity.sign(statement);
        speaker.verify(&Secp256k1::new(), &signed.statement, &signed.signature).map_err(|_| {
            Failure::refused("wrong_key", "the identity of this phrase is not the charter's leader").hint(
                "`upfront key identity FILE` prints its public key, `upfront charter show` the leader's",
            )
        })?;
        Ok(Some(signed))
    }
}

impl SignerSpeaker {
    /// The same file, or the same PSBT to write, for the project's leader.
    pub fn leader(&self) -> LeaderSpeaker {
        LeaderSpeaker { key: self.key.clone(), psbt_out: self.psbt_out.clone() }
    }

    /// Key file and number of the account, where a key file signs.
    pub fn account(&self, charter: &Charter, role: Role) -> Option<(&Path, u32)> {
        self.key.as_deref().map(|key| (key, self.number(charter, role)))
    }

    fn number(&self, charter: &Charter, role: Role) -> u32 {
        self.account.unwrap_or_else(|| charter.signer(role).account())
    }

    /// Signs as the one in `role`'s seat; or writes what a wallet shall sign, and then there is no signature
    /// yet.
    pub fn say<S: Statement + Clone>(
        &self,
        context: &Context<'_>,
        charter: &Charter,
        role: Role,
        statement: S,
        words: impl FnOnce(S) -> Words,
    ) -> anyhow::Result<Option<Signed<S>>> {
        if let Some(out) = &self.psbt_out {
            let signer = charter.signer(role);
            let origin = (signer.fingerprint(), signer.full_path(0, 0));
            let asked = Asked::write(
                out,
                charter,
                &signer.speaker(),
                Some(origin),
                &statement,
                words(statement.clone()),
            )?;
            context.report(&asked)?;
            return Ok(None);
        }
        let path = self.key.as_ref().ok_or_else(|| Failure::usage("give --key or --psbt-out"))?;
        let phrase = context.read_phrase(path, Some(charter.network()))?.phrase;
        let key = SignerKeys::new(&phrase, charter.network(), self.number(charter, role))?.statement_key();
        require_seat(charter, role, &key)?;
        Ok(Some(Signed::new(&Secp256k1::new(), statement, &key)))
    }
}

/// A key of a sponsor's own wallet: x-only or compressed, in hex, best with its origin:
/// `[fingerprint/86h/0h/0h/0/9]KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletKey {
    /// S.
    pub key: XOnlyPublicKey,
    /// Where it is in the wallet.
    pub origin: Option<KeySource>,
}

impl std::str::FromStr for WalletKey {
    type Err = String;
    fn from_str(text: &str) -> Result<WalletKey, String> {
        let wanted = "a public key in hex is expected, best with its origin: [fingerprint/86h/0h/0h/0/9]KEY";
        match text.parse::<DescriptorPublicKey>() {
            Ok(DescriptorPublicKey::Single(SinglePub { origin, key })) => {
                let key = match key {
                    SinglePubKey::XOnly(key) => key,
                    SinglePubKey::FullKey(key) => key.inner.x_only_public_key().0,
                };
                Ok(WalletKey { key, origin })
            }
            Ok(_) => Err(format!("this is an extended key, whose children differ: {wanted}")),
            Err(error) => Err(format!("{error}; {wanted}")),
        }
    }
}

/// What is to be signed, as it waits for its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Words {
    /// Agreement to a charter.
    Attestation {
        /// The charter.
        charter: CharterId,
        /// Whose.
        role: Role,
    },
    /// A pledge.
    Pledge {
        /// The charter.
        charter: CharterId,
        /// Index it is for.
        index: u32,
        /// S.
        sponsor_key: XOnlyPublicKey,
        /// Where refunds and returns go.
        refund_address: String,
        /// What the sponsor means to pay.
        amount_sat: u64,
    },
    /// Work.
    Submission {
        /// The words.
        statement: Submission,
    },
    /// A vote.
    Vote {
        /// The words.
        statement: Vote,
    },
    /// The leader's word on a merge or release.
    Confirmation {
        /// The words.
        statement: MergeConfirmation,
    },
    /// The representative's word.
    Acceptance {
        /// The words.
        statement: Acceptance,
    },
    /// A dispute, or evidence.
    Evidence {
        /// The words.
        statement: Evidence,
    },
    /// The arbiter's.
    Ruling {
        /// The words.
        statement: Ruling,
    },
}

impl Words {
    /// Of an attestation.
    pub fn attestation(role: Role) -> impl FnOnce(Attest) -> Words {
        move |attest| Words::Attestation { charter: attest.charter, role }
    }

    /// Of a pledge.
    pub fn pledge(statement: &Pledge, amount_sat: u64) -> Words {
        Words::Pledge {
            charter: statement.charter,
            index: statement.index,
            sponsor_key: statement.sponsor_key,
            refund_address: statement.refund_address.to_string(),
            amount_sat,
        }
    }

    /// The task they are about.
    pub fn charter(&self) -> CharterId {
        match self {
            Words::Attestation { charter, .. } | Words::Pledge { charter, .. } => *charter,
            Words::Submission { statement } => statement.charter,
            Words::Vote { statement } => statement.charter,
            Words::Confirmation { statement } => statement.charter,
            Words::Acceptance { statement } => statement.charter,
            Words::Evidence { statement } => statement.charter,
            Words::Ruling { statement } => statement.charter,
        }
    }
}

/// A statement that waits for a wallet's signature.
#[derive(Serialize)]
pub struct Asked {
    psbt_file: PathBuf,
    statement_file: PathBuf,
    /// Whose owner signs.
    address: String,
    message: String,
}

impl Asked {
    /// Writes the PSBT to `out` and the words beside it.
    pub fn write<S: Statement>(
        out: &Path,
        charter: &Charter,
        speaker: &Speaker,
        origin: Option<KeySource>,
        statement: &S,
        words: Words,
    ) -> anyhow::Result<Asked> {
        let secp = Secp256k1::new();
        let key = speaker.bip322_key().ok_or_else(|| Failure::usage("this key signs tagged hashes only"))?;
        let message = bip322::message(statement);
        let psbt = bip322::psbt(&secp, &message, key, origin);
        let address = Address::p2tr(&secp, key, None, charter.network().bitcoin()).to_string();
        let mut name = out.as_os_str().to_owned();
        name.push(".statement.json");
        let statement_file = PathBuf::from(name);
        write_public(&statement_file, format!("{}\n", serde_json::to_string_pretty(&words)?).as_bytes())?;
        write_public(out, format!("{psbt}\n").as_bytes())?;
        Ok(Asked { psbt_file: out.to_owned(), statement_file, address, message })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("signs", &self.address)
            .row("PSBT", self.psbt_file.display())
            .row("statement", self.statement_file.display());
        write!(f, "{rows}\n{}\n", self.message)?;
        writeln!(
            f,
            "Nothing was sent. Sign the PSBT with the wallet that owns this address, Bitcoin Core's say:"
        )?;
        writeln!(
            f,
            "  bitcoin-cli walletprocesspsbt \"$(cat {})\" | jq -r .psbt > signed.psbt",
            self.psbt_file.display()
        )?;
        writeln!(f, "  upfront statement send {} --signed signed.psbt", self.statement_file.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallets_key_comes_with_or_without_its_origin() {
        let hex = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0";
        let bare: WalletKey = hex.parse().unwrap();
        assert_eq!(bare.origin, None);
        let full: WalletKey = format!("[d34db33f/86h/1h/0h/0/9]{hex}").parse().unwrap();
        assert_eq!(full.key, bare.key);
        let (fingerprint, path) = full.origin.unwrap();
        assert_eq!((fingerprint.to_string().as_str(), path.len()), ("d34db33f", 5));
        assert_eq!(format!("02{hex}").parse::<WalletKey>().unwrap().key, bare.key);
        for wrong in [
            "",
            "50929b",
            "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B",
        ] {
            assert!(wrong.parse::<WalletKey>().unwrap_err().contains("public key in hex"), "{wrong}");
        }
    }

    #[test]
    fn words_that_wait_are_read_back() {
        let words = Words::Attestation { charter: CharterId([1; 32]), role: Role::Arbiter };
        let text = serde_json::to_string(&words).unwrap();
        assert_eq!(serde_json::from_str::<Words>(&text).unwrap(), words);
        assert!(text.contains(r#""kind":"attestation""#), "{text}");
    }
}
