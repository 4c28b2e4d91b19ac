//! The fee wallet's keys: two descriptors, external and internal, private or public. Kept apart from bdk,
//! which sees the public ones only.
//!
//! Private ones are `tr(KEY/*)` (BIP86) and sign here. Public ones are `tr(KEY/*)` or `wpkh(KEY/*)`; another
//! program signs for them.

use super::WalletError;
use crate::escrow::fee;
use crate::escrow::network::Network;
use crate::keys::{Phrase, derive};
use bitcoin::bip32::{ChildNumber, Xpriv};
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::{All, Keypair, Secp256k1};
use bitcoin::{ScriptBuf, Weight};
use miniscript::descriptor::{DescriptorSecretKey, Wildcard};
use miniscript::{DefiniteDescriptorKey, Descriptor, DescriptorPublicKey, ForEachKey};
use std::path::Path;

/// BIP43 purpose: BIP86, Taproot with a single key.
const PURPOSE: u32 = 86;
/// A P2WPKH input: signature of at most 72 bytes with its sighash byte, and the key.
const WPKH_INPUT: Weight = Weight::from_wu(4 * 41 + 1 + 73 + 34);

/// One of the two chains of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// Addresses that are given out.
    External,
    /// Change.
    Internal,
}

/// What an output of the wallet is, and with it how it is signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputType {
    /// P2TR, spent by its key.
    Taproot,
    /// P2WPKH.
    WitnessKeyHash,
}

struct BranchKey {
    /// The key that `/*` is a child of; `None` where another program has it.
    parent: Option<Xpriv>,
    public: Descriptor<DescriptorPublicKey>,
}

impl Drop for BranchKey {
    fn drop(&mut self) {
        if let Some(parent) = &mut self.parent {
            parent.private_key.non_secure_erase();
        }
    }
}

/// Both branches. Has no `Debug`.
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
            parse_private(&secp, &text, network).expect("a BIP86 descriptor of this network")
        };
        FeeKeys { external: branch(0), internal: branch(1), secp }
    }

    /// Two lines, external and internal, or one with `<0;1>` for both (BIP389); lines that begin with `#` are
    /// comments. All private or all public.
    pub(super) fn parse(path: &Path, bytes: &[u8], network: Network) -> Result<FeeKeys, WalletError> {
        let bad = |reason| WalletError::BadDescriptor { path: path.to_owned(), reason };
        let text = std::str::from_utf8(bytes).map_err(|_| bad("this is not UTF-8 text"))?;
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let secp = Secp256k1::new();
        let refused = |refused| match refused {
            Refused::Form(reason) => bad(reason),
            Refused::Network => {
                WalletError::WrongNetwork { what: path.display().to_string(), expected: network }
            }
        };
        let (external, internal) = match lines[..] {
            [both] if is_private(&secp, both) => {
                return Err(bad("two lines are needed for private descriptors: external and internal"));
            }
            [both] => parse_multipath(both, network).map_err(refused)?,
            [external, internal] => {
                let private = [external, internal].map(|line| is_private(&secp, line));
                if private[0] != private[1] {
                    return Err(bad("one line is private, the other public"));
                }
                let read = |line| {
                    if private[0] { parse_private(&secp, line, network) } else { parse_public(line, network) }
                };
                (read(external).map_err(refused)?, read(internal).map_err(refused)?)
            }
            _ => {
                return Err(bad(
                    "it needs two lines, the external and the internal descriptor, or one public line with <0;1>",
                ));
            }
        };
        if external.public == internal.public {
            return Err(bad("the external and the internal descriptor are the same"));
        }
        if output_type(&external.public) != output_type(&internal.public) {
            return Err(bad("the external and the internal descriptor are of two kinds"));
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

    /// Whether the private keys are here.
    pub(super) fn can_sign(&self) -> bool {
        self.external.parent.is_some() && self.internal.parent.is_some()
    }

    pub(super) fn output_type(&self) -> OutputType {
        output_type(&self.external.public).expect("checked when it was read")
    }

    /// Weight of an input that spends an output of this wallet, at most.
    pub(super) fn input_weight(&self) -> Weight {
        match self.output_type() {
            OutputType::Taproot if self.can_sign() => fee::KEY_PATH_INPUT,
            // Another program may write SIGHASH_ALL out, which is a byte more.
            OutputType::Taproot => fee::KEY_PATH_INPUT + Weight::from_wu(1),
            OutputType::WitnessKeyHash => WPKH_INPUT,
        }
    }

    /// The public descriptor.
    pub(super) fn public(&self, branch: Branch) -> &Descriptor<DescriptorPublicKey> {
        &self.branch(branch).public
    }

    /// The public descriptor at `index`.
    pub(super) fn definite(&self, branch: Branch, index: u32) -> Option<Descriptor<DefiniteDescriptorKey>> {
        self.public(branch).at_derivation_index(index).ok()
    }

    /// Where the wallet's key to `script` is, if it is one of `index`.
    pub(super) fn branch_of(&self, script: &ScriptBuf, index: u32) -> Option<Branch> {
        let pays = |branch: &Branch| {
            self.definite(*branch, index).is_some_and(|definite| definite.script_pubkey() == *script)
        };
        [Branch::External, Branch::Internal].into_iter().find(pays)
    }

    /// The output key's pair at `index`, tweaked as BIP86 says; `None` where another program has the keys.
    pub(super) fn keypair(&self, branch: Branch, index: u32) -> Option<Keypair> {
        let parent = self.branch(branch).parent.as_ref()?;
        let step = ChildNumber::from_normal_idx(index).ok()?;
        let key = derive(&self.secp, parent, &[step]).to_keypair(&self.secp);
        Some(key.tap_tweak(&self.secp, None).to_keypair())
    }
}

#[derive(Debug)]
enum Refused {
    Form(&'static str),
    Network,
}

const FORM: &str = "a line is no descriptor of the form tr([fingerprint/86h/0h/0h]KEY/0/*)";

fn is_private(secp: &Secp256k1<All>, text: &str) -> bool {
    Descriptor::<DescriptorPublicKey>::parse_descriptor(secp, text).is_ok_and(|(_, keys)| !keys.is_empty())
}

fn output_type(descriptor: &Descriptor<DescriptorPublicKey>) -> Option<OutputType> {
    match descriptor {
        Descriptor::Tr(tr) if tr.tap_tree().is_none() => Some(OutputType::Taproot),
        Descriptor::Wpkh(_) => Some(OutputType::WitnessKeyHash),
        _ => None,
    }
}

/// Errors say what is wrong and never repeat the text: it has a private key in it.
fn parse_private(secp: &Secp256k1<All>, text: &str, network: Network) -> Result<BranchKey, Refused> {
    let (public, keys) =
        Descriptor::<DescriptorPublicKey>::parse_descriptor(secp, text).map_err(|_| Refused::Form(FORM))?;
    if output_type(&public) != Some(OutputType::Taproot) {
        return Err(Refused::Form("only tr(KEY/*) descriptors sign here: Taproot, a single key"));
    }
    let mut keys = keys.into_values();
    let key = match (keys.next(), keys.next()) {
        (Some(DescriptorSecretKey::XPrv(key)), None) => key,
        _ => return Err(Refused::Form(FORM)),
    };
    if key.wildcard != Wildcard::Unhardened {
        return Err(Refused::Form("the descriptors must end in /*"));
    }
    if key.xkey.network != network.kind() {
        return Err(Refused::Network);
    }
    let parent = key.xkey.derive_priv(secp, &key.derivation_path).map_err(|_| Refused::Form(FORM))?;
    Ok(BranchKey { parent: Some(parent), public })
}

fn parse_public(text: &str, network: Network) -> Result<BranchKey, Refused> {
    let public: Descriptor<DescriptorPublicKey> = text.parse().map_err(|_| Refused::Form(FORM))?;
    public_branch(public, network)
}

fn public_branch(public: Descriptor<DescriptorPublicKey>, network: Network) -> Result<BranchKey, Refused> {
    if output_type(&public).is_none() {
        return Err(Refused::Form("only tr(KEY/*) and wpkh(KEY/*) descriptors are used: a single key"));
    }
    let mut refused = None;
    public.for_each_key(|key| {
        refused = match key {
            DescriptorPublicKey::XPub(key) if key.wildcard != Wildcard::Unhardened => {
                Some(Refused::Form("the descriptors must end in /*"))
            }
            DescriptorPublicKey::XPub(key) if key.xkey.network != network.kind() => Some(Refused::Network),
            DescriptorPublicKey::XPub(_) => None,
            DescriptorPublicKey::Single(_) | DescriptorPublicKey::MultiXPub(_) => Some(Refused::Form(FORM)),
        };
        refused.is_none()
    });
    match refused {
        Some(refused) => Err(refused),
        None => Ok(BranchKey { parent: None, public }),
    }
}

fn parse_multipath(text: &str, network: Network) -> Result<(BranchKey, BranchKey), Refused> {
    const BOTH: &str = "one line alone must be a public descriptor with both branches, .../<0;1>/*";
    let both: Descriptor<DescriptorPublicKey> = text.parse().map_err(|_| Refused::Form(BOTH))?;
    let single = both.into_single_descriptors().map_err(|_| Refused::Form(BOTH))?;
    let [external, internal] = <[_; 2]>::try_from(single).map_err(|_| Refused::Form(BOTH))?;
    Ok((public_branch(external, network)?, public_branch(internal, network)?))
}
