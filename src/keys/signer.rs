//! A signer's account: the key expression a charter names, the keys at pledges and for statements.

use super::{KeyFileError, Phrase, derive, hardened, keypair, unhardened};
use crate::escrow::keys::{PURPOSE, STATEMENT_GENERATION, SignerKey};
use crate::escrow::network::Network;
use bitcoin::bip32::{Fingerprint, Xpriv, Xpub};
use bitcoin::secp256k1::{Keypair, Secp256k1};
use std::fmt;

/// One account `m/87'/coin'/k'` of a developer, representative or arbiter. Neither the account's key nor
/// a child's ever leaves this program as text: one child and the public account key give all the others.
pub struct SignerKeys {
    network: Network,
    account_index: u32,
    fingerprint: Fingerprint,
    account: Xpriv,
}

impl fmt::Debug for SignerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKeys")
            .field("network", &self.network)
            .field("fingerprint", &self.fingerprint)
            .field("account_index", &self.account_index)
            .finish_non_exhaustive()
    }
}

impl Drop for SignerKeys {
    fn drop(&mut self) {
        self.account.private_key.non_secure_erase();
    }
}

impl SignerKeys {
    /// Account `account_index` of a phrase. Best a fresh one for each charter.
    ///
    /// # Errors
    /// [`KeyFileError::Index`] from 2^31 on.
    pub fn new(phrase: &Phrase, network: Network, account_index: u32) -> Result<SignerKeys, KeyFileError> {
        unhardened("account", account_index)?;
        let secp = Secp256k1::new();
        let mut root = phrase.root(network);
        let fingerprint = root.fingerprint(&secp);
        let account = derive(&secp, &root, &hardened([PURPOSE, network.coin_type(), account_index]));
        root.private_key.non_secure_erase();
        Ok(SignerKeys { network, account_index, fingerprint, account })
    }

    /// Account `account_index` of a phrase given as text, comments allowed.
    pub fn from_phrase(text: &str, network: Network, account_index: u32) -> Result<SignerKeys, KeyFileError> {
        SignerKeys::new(&Phrase::parse(text)?, network, account_index)
    }

    /// The network the keys are for.
    pub fn network(&self) -> Network {
        self.network
    }

    /// The public key expression `[fingerprint/87h/coin'h/k'h]xpub` that goes into a charter.
    pub fn expression(&self) -> SignerKey {
        let xpub = Xpub::from_priv(&Secp256k1::new(), &self.account);
        let coin = self.network.coin_type();
        let text = format!("[{}/{PURPOSE}h/{coin}h/{}h]{xpub}", self.fingerprint, self.account_index);
        SignerKey::parse(&text, self.network).expect("an account of purpose 87 on this network")
    }

    /// The account's extended private key, for signing PSBTs in memory. Never to be written or shown.
    pub fn account(&self) -> &Xpriv {
        &self.account
    }

    /// The key at `generation/index` below the account: the one in a pledge's output.
    ///
    /// # Errors
    /// [`KeyFileError::Index`] from 2^31 on.
    pub fn child(&self, generation: u32, index: u32) -> Result<Keypair, KeyFileError> {
        let path = [unhardened("generation", generation)?, unhardened("index", index)?];
        Ok(keypair(&Secp256k1::new(), &self.account, &path))
    }

    /// The key at `1000/0`, which signs attestations, acceptances and rulings.
    pub fn statement_key(&self) -> Keypair {
        self.child(STATEMENT_GENERATION, 0).expect("both numbers are below 2^31")
    }
}
