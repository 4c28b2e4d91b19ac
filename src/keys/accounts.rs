//! Which accounts of a signer's phrase are in use: a small file beside the key file, so that each charter gets
//! an account of its own. Nothing in it is secret, and it is no more than a note: what was never noted may be
//! in use all the same.

use super::{KeyFileError, replace_file};
use crate::escrow::network::Network;
use crate::escrow::statement::CharterId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;

/// What an account is used for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountUse {
    /// Charters it was attested in: one, where nobody insisted on more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charters: Vec<CharterId>,
    /// What its owner noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    /// By the network's name.
    accounts: BTreeMap<String, BTreeMap<u32, AccountUse>>,
}

/// The accounts of one key file.
pub struct Accounts {
    path: PathBuf,
    document: Document,
}

impl Accounts {
    /// The file beside `key_file`: its name with `.accounts.json`. None yet is none used.
    ///
    /// # Errors
    /// [`KeyFileError::Accounts`] where it cannot be understood: it is not guessed at.
    pub fn beside(key_file: &Path) -> Result<Accounts, KeyFileError> {
        let mut name = key_file.as_os_str().to_owned();
        name.push(".accounts.json");
        let path = PathBuf::from(name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Accounts { path, document: Document { version: VERSION, ..Document::default() } });
            }
            Err(source) => return Err(KeyFileError::File { action: "cannot read", path, source }),
        };
        match serde_json::from_slice::<Document>(&bytes) {
            Ok(document) if document.version == VERSION => Ok(Accounts { path, document }),
            Ok(_) | Err(_) => Err(KeyFileError::Accounts { path }),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What an account is used for, if it is noted.
    pub fn of(&self, network: Network, account: u32) -> Option<&AccountUse> {
        self.document.accounts.get(&network.to_string())?.get(&account)
    }

    /// The account after the highest one noted.
    pub fn next(&self, network: Network) -> u32 {
        let noted = self.document.accounts.get(&network.to_string());
        noted.and_then(|noted| noted.keys().next_back()).map_or(0, |highest| highest.saturating_add(1))
    }

    /// Notes that an account is given out, for `purpose`.
    ///
    /// # Errors
    /// [`KeyFileError::File`].
    pub fn give_out(
        &mut self,
        network: Network,
        account: u32,
        purpose: Option<String>,
    ) -> Result<(), KeyFileError> {
        let noted = self.entry(network, account);
        noted.purpose = purpose.or_else(|| noted.purpose.take());
        self.write()
    }

    /// Notes that an account is attested in a charter.
    ///
    /// # Errors
    /// [`KeyFileError::File`].
    pub fn attested(
        &mut self,
        network: Network,
        account: u32,
        charter: CharterId,
    ) -> Result<(), KeyFileError> {
        let noted = self.entry(network, account);
        if noted.charters.contains(&charter) {
            return Ok(());
        }
        noted.charters.push(charter);
        self.write()
    }

    fn entry(&mut self, network: Network, account: u32) -> &mut AccountUse {
        self.document.accounts.entry(network.to_string()).or_default().entry(account).or_default()
    }

    fn write(&self) -> Result<(), KeyFileError> {
        let mut text = serde_json::to_string_pretty(&self.document).expect("names and numbers are JSON");
        text.push('\n');
        replace_file(&self.path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_noted_by_network_and_never_guessed() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("signer.words");
        let mut accounts = Accounts::beside(&key).unwrap();
        assert_eq!(accounts.next(Network::Regtest), 0);
        accounts.give_out(Network::Regtest, 0, Some("a parser".into())).unwrap();
        accounts.attested(Network::Regtest, 4, CharterId([1; 32])).unwrap();
        accounts.attested(Network::Regtest, 4, CharterId([1; 32])).unwrap();
        let mut accounts = Accounts::beside(&key).unwrap();
        assert!(accounts.path().ends_with("signer.words.accounts.json"));
        assert_eq!((accounts.next(Network::Regtest), accounts.next(Network::Signet)), (5, 0));
        assert_eq!(accounts.of(Network::Regtest, 4).unwrap().charters, [CharterId([1; 32])]);
        // The purpose stays when the charter comes.
        accounts.attested(Network::Regtest, 0, CharterId([2; 32])).unwrap();
        accounts.give_out(Network::Regtest, 0, None).unwrap();
        let of = Accounts::beside(&key).unwrap().of(Network::Regtest, 0).unwrap().clone();
        assert_eq!((of.purpose.as_deref(), of.charters), (Some("a parser"), vec![CharterId([2; 32])]));
        for broken in [
            "",
            "{}",
            "{\"version\":2,\"accounts\":{}}",
            "{\"version\":1,\"accounts\":{\"regtest\":{\"x\":{}}}}",
        ] {
            std::fs::write(accounts.path(), broken).unwrap();
            assert!(matches!(Accounts::beside(&key), Err(KeyFileError::Accounts { .. })), "{broken}");
        }
    }
}
