//! A person's identity key: signs requests and words before a charter, has no power over money. NIP-06, so that every Nostr program finds
//! the same key in the same phrase.

use super::{Phrase, Zeroizing, derive, hardened, keypair};
use crate::escrow::network::Network;
use crate::escrow::statement::{Signed, Statement};
use crate::nip98::{self, Asked};
use bitcoin::bech32::{self, Bech32, Hrp};
use bitcoin::bip32::ChildNumber;
use bitcoin::secp256k1::{Keypair, Secp256k1, XOnlyPublicKey};
use std::fmt;

/// Path of the key in the phrase's tree.
pub const IDENTITY_PATH: &str = "m/44'/1237'/0'/0/0";
const PURPOSE: u32 = 44;
/// Nostr in SLIP-0044.
const COIN_TYPE: u32 = 1237;

/// The identity of a phrase. Shown by [`Identity::nsec`] only.
pub struct Identity(Keypair);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.public()).finish()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl Identity {
    /// Derives it. The network changes how keys are written, not which they are.
    pub fn new(phrase: &Phrase) -> Identity {
        let secp = Secp256k1::new();
        let mut root = phrase.root(Network::Mainnet);
        let mut account = derive(&secp, &root, &hardened([PURPOSE, COIN_TYPE, 0]));
        let first = ChildNumber::Normal { index: 0 };
        let identity = Identity(keypair(&secp, &account, &[first, first]));
        root.private_key.non_secure_erase();
        account.private_key.non_secure_erase();
        identity
    }

    /// Its public key.
    pub fn public(&self) -> XOnlyPublicKey {
        self.0.x_only_public_key().0
    }

    /// The public key as people of Nostr write it (NIP-19).
    pub fn npub(&self) -> String {
        nip98::npub(&self.public())
    }

    /// The private key as Nostr programs import it (NIP-19), for its owner alone.
    pub fn nsec(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.0.secret_bytes());
        let text = bech32::encode::<Bech32>(Hrp::parse_unchecked("nsec"), bytes.as_slice());
        Zeroizing::new(text.expect("32 bytes are short"))
    }

    /// Signs a statement of this identity: a wish, a word to one, what a project's leader says. None moves money.
    pub fn sign<S: Statement>(&self, statement: S) -> Signed<S> {
        Signed::new(&Secp256k1::signing_only(), statement, &self.0)
    }

    /// The `Authorization` header of a request.
    pub fn authorize(&self, asked: &Asked<'_>, now_secs: u64, nonce: &str) -> String {
        nip98::authorization(&self.0, asked, now_secs, nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of NIP-06.
    #[test]
    fn vectors_of_nip_06() {
        for (words, public, npub, nsec) in [
            (
                "leader monkey parrot ring guide accident before fence cannon height naive bean",
                "17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917",
                "npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu",
                "nsec10allq0gjx7fddtzef0ax00mdps9t2kmtrldkyjfs8l5xruwvh2dq0lhhkp",
            ),
            (
                "what bleak badge arrange retreat wolf trade produce cricket blur garlic valid proud rude strong \
                 choose busy staff weather area salt hollow arm fade",
                "d41b22899549e1f3d335a31002cfd382174006e166d3e658e3a5eecdb6463573",
                "npub16sdj9zv4f8sl85e45vgq9n7nsgt5qphpvmf7vk8r5hhvmdjxx4es8rq74h",
                "nsec1c9wh8xy5eqdzln7n5t0ctgxjcrdug73gp5yj0x03gntn67h83twssdfhel",
            ),
        ] {
            let identity = Identity::new(&Phrase::parse(words).unwrap());
            assert_eq!(identity.public().to_string(), public);
            assert_eq!(identity.npub(), npub);
            assert_eq!(identity.nsec().as_str(), nsec);
            assert!(!format!("{identity:?}").contains(nsec));
        }
    }
}
