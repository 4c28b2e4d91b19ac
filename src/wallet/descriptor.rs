//! The fee wallet's private keys: BIP86 descriptors `tr(KEY/*)`, external and internal. Kept apart from
//! bdk, which sees the public ones only.

use super::WalletError;
use crate::escrow::network::Network;
use crate::keys::{Phrase, derive};
use bitcoin::bip32::{ChildNumber, Xpriv};
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::{All, Keypair, Secp256k1};
use miniscript::descriptor::{DescriptorSecretKey, Wildcard};
use miniscript::{Descriptor, DescriptorPublicKey};
use std::path::Path;

/// BIP43 purpose: BIP86, Taproot with a single key.
const PURPOSE: u32 = 86;
/// No two descriptors with their comments are longer.
const MAX_FILE_BYTES: u64 = 16_384;

/// One of the two chains of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// Addresses that are given out.
    External,
    /// Change.
    Internal,
}

struct BranchKey {
    /// The key that `/*` is a child of.
    parent: Xpriv,
    public: Descriptor<DescriptorPublicKey>,
}

impl Drop for BranchKey {
    fn drop(&mut self) {
        self.parent.private_key.non_secure_erase();
    }
}

/// Both branches with their private keys. Has no `Debug`.
pub(super) struct FeeKeys {
    secp: Secp256k1<All>,
    external: BranchKey,
    internal: BranchKey,
}

impl FeeKeys {
    /// `tr([fingerprint/86h/coin'h/0h]xprv/0/*)` and `/1/*`.
    pub(super) fn from_phrase(phrase: &Phrase, network: Network) -> FeeKeys {
        let secp = Secp256k1::new();
        let mut root = phrase.root(network);
        let fingerprint = root.fingerprint(&secp);
        let steps = [PURPOSE, network.coin_type(), 0].map(|index| ChildNumber::Hardened { index });
        let account = derive(&secp, &root, &steps);
        root.private_key.non_secure_erase();
        let coin = network.coin_type();
        let branch = |step: u32| {
            let text = format!("tr([{fingerprint}/{PURPOSE}h/{coin}h/0h]{account}/{step}/*)");
            parse(&secp, &text, network).expect("a BIP86 descriptor of this network")
        };
        FeeKeys { external: branch(0), internal: branch(1), secp }
    }

    /// Two lines, external and internal; lines that begin with `#` are comments.
    pub(super) fn read_file(path: &Path, network: Network) -> Result<FeeKeys, WalletError> {
        let bad = |reason| WalletError::BadDescriptor { path: path.to_owned(), reason };
        let failed =
            |source| crate::keys::KeyFileError::File { action: "cannot read", path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
            return Err(bad("this file is too long for two descriptors"));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| bad("this is not UTF-8 text"))?;
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let [external, internal] = lines[..] else {
            return Err(bad("it needs two lines: the external and the internal private descriptor"));
        };
        let secp = Secp256k1::new();
        let read = |text| {
            parse(&secp, text, network).map_err(|refused| match refused {
                Refused::Form(reason) => bad(reason),
                Refused::Network => {
                    WalletError::WrongNetwork { what: path.display().to_string(), expected: network }
                }
            })
        };
        let (external, internal) = (read(external)?, read(internal)?);
        if external.public == internal.public {
            return Err(bad("the external and the internal descriptor are the same"));
        }
        Ok(FeeKeys { secp, external, internal })
    }

    fn branch(&self, branch: Branch) -> &BranchKey {
        match branch {
            Branch::External => &self.external,
            Branch::Internal => &self.internal,
        }
    }

    pub(super) fn secp(&self) -> &Secp256k1<All> {
        &self.secp
    }

    /// The public descriptor.
    pub(super) fn public(&self, branch: Branch) -> &Descriptor<DescriptorPublicKey> {
        &self.branch(branch).public
    }

    /// The output key's pair at `index`: tweaked as BIP86 says.
    pub(super) fn keypair(&self, branch: Branch, index: u32) -> Keypair {
        let step = ChildNumber::Normal { index };
        let key = derive(&self.secp, &self.branch(branch).parent, &[step]).to_keypair(&self.secp);
        key.tap_tweak(&self.secp, None).to_keypair()
    }
}

#[derive(Debug)]
enum Refused {
    Form(&'static str),
    Network,
}

/// Errors say what is wrong and never repeat the text: it has a private key in it.
fn parse(secp: &Secp256k1<All>, text: &str, network: Network) -> Result<BranchKey, Refused> {
    const FORM: &str = "a line is no descriptor of the form tr([fingerprint/86h/0h/0h]xprv.../0/*)";
    let (public, keys) =
        Descriptor::<DescriptorPublicKey>::parse_descriptor(secp, text).map_err(|_| Refused::Form(FORM))?;
    match &public {
        Descriptor::Tr(tr) if tr.tap_tree().is_none() => {}
        _ => return Err(Refused::Form("only tr(KEY/*) descriptors are used: Taproot, a single key")),
    }
    let mut keys = keys.into_values();
    let key = match (keys.next(), keys.next()) {
        (Some(DescriptorSecretKey::XPrv(key)), None) => key,
        (None, _) => {
            return Err(Refused::Form("a line has a public key: fees are signed with a private one"));
        }
        _ => return Err(Refused::Form(FORM)),
    };
    if key.wildcard != Wildcard::Unhardened {
        return Err(Refused::Form("the descriptors must end in /*"));
    }
    if key.xkey.network != network.kind() {
        return Err(Refused::Network);
    }
    let parent = key.xkey.derive_priv(secp, &key.derivation_path).map_err(|_| Refused::Form(FORM))?;
    Ok(BranchKey { parent, public })
}
