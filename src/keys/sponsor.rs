//! A sponsor's keys: refund keys, default refund addresses.

use super::{KeyFileError, Phrase, derive, hardened, keypair, unhardened};
use crate::escrow::network::Network;
use crate::escrow::recovery::RecoveryFile;
use bitcoin::Address;
use bitcoin::bip32::Xpriv;
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::{Keypair, Secp256k1};
use std::fmt;

/// BIP43 purpose of a sponsor's keys: BIP86, Taproot with a single key.
const PURPOSE: u32 = 86;
/// Account of default refund addresses: the one every wallet looks at first.
const ADDRESS_ACCOUNT: u32 = 0;
/// Account of refund keys, whose outputs no ordinary wallet recognises.
const KEY_ACCOUNT: u32 = 1;

/// One sponsor's phrase on one network.
pub struct SponsorKeys {
    phrase: Phrase,
    network: Network,
    root: Xpriv,
}

impl fmt::Debug for SponsorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SponsorKeys").field("network", &self.network).finish_non_exhaustive()
    }
}

impl Drop for SponsorKeys {
    fn drop(&mut self) {
        self.root.private_key.non_secure_erase();
    }
}

/// A recovery file whose words do not give what the rest of it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: the phrase gives another one")]
pub struct RecoveryMismatch {
    /// The field that disagrees with the words.
    pub field: &'static str,
}

impl SponsorKeys {
    /// The keys of a phrase.
    pub fn new(phrase: Phrase, network: Network) -> SponsorKeys {
        let root = phrase.root(network);
        SponsorKeys { phrase, network, root }
    }

    /// The keys of a phrase given as text, comments allowed.
    pub fn from_phrase(text: &str, network: Network) -> Result<SponsorKeys, KeyFileError> {
        Ok(SponsorKeys::new(Phrase::parse(text)?, network))
    }

    /// The words.
    pub fn phrase(&self) -> &Phrase {
        &self.phrase
    }

    /// The network the keys are for.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Key S of the sponsor's `index`-th pledge: `m/86'/coin'/1'/0/index`. It signs the pledge, its
    /// refunds and its votes.
    ///
    /// # Errors
    /// [`KeyFileError::Index`] from 2^31 on.
    pub fn refund_key(&self, index: u32) -> Result<Keypair, KeyFileError> {
        let secp = Secp256k1::new();
        let account = derive(&secp, &self.root, &hardened([PURPOSE, self.network.coin_type(), KEY_ACCOUNT]));
        Ok(keypair(&secp, &account, &[unhardened("branch", 0)?, unhardened("index", index)?]))
    }

    /// Path of [`SponsorKeys::refund_key`], as in the recovery file.
    pub fn refund_key_path(&self, index: u32) -> String {
        format!("m/{PURPOSE}'/{}'/{KEY_ACCOUNT}'/0/{index}", self.network.coin_type())
    }

    /// BIP86 address `m/86'/coin'/0'/0/index`: money sent there shows up in any Taproot wallet that is
    /// restored from the phrase.
    ///
    /// # Errors
    /// [`KeyFileError::Index`] from 2^31 on.
    pub fn refund_address(&self, index: u32) -> Result<Address, KeyFileError> {
        let secp = Secp256k1::new();
        let account =
            derive(&secp, &self.root, &hardened([PURPOSE, self.network.coin_type(), ADDRESS_ACCOUNT]));
        let key = keypair(&secp, &account, &[unhardened("branch", 0)?, unhardened("index", index)?]);
        let output_key = key.tap_tweak(&secp, None).public_parts().0;
        Ok(Address::p2tr_tweaked(output_key, self.network.bitcoin()))
    }

    /// Path of [`SponsorKeys::refund_address`], as in the recovery file.
    pub fn refund_address_path(&self, index: u32) -> String {
        format!("m/{PURPOSE}'/{}'/{ADDRESS_ACCOUNT}'/0/{index}", self.network.coin_type())
    }

    /// Checks that these words give the key and the refund address at the paths a recovery file names.
    /// What the file alone cannot show, for the core knows no BIP39.
    ///
    /// # Errors
    /// [`RecoveryMismatch`] with the field that disagrees.
    pub fn check_recovery(&self, file: &RecoveryFile) -> Result<(), RecoveryMismatch> {
        let differs = |field| RecoveryMismatch { field };
        if file.charter().network() != self.network {
            return Err(differs("network"));
        }
        if let Some(index) = file.sponsor_key_index() {
            let key = self.refund_key(index).map_err(|_| differs("sponsor_key_path"))?;
            if key.x_only_public_key().0 != file.pledge().sponsor_key {
                return Err(differs("sponsor_key_path"));
            }
        }
        if let Some(index) = file.refund_address_index() {
            let address = self.refund_address(index).map_err(|_| differs("refund_path"))?;
            if address != file.pledge().refund_address {
                return Err(differs("refund_path"));
            }
        }
        Ok(())
    }
}
