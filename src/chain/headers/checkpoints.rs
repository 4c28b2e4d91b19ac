//! Blocks that are pinned by their hash: the ones shipped with the program, and one that an operator may set.
//! Constants and their plausibility only; what a pin means for a chain is in `headers.rs`.

use bitcoin::{BlockHash, Network};

use super::rules::Rules;

/// A block that is taken as given. Its hash names all its ancestors, so nothing below it is taken on
/// anybody's word either; what is built on it is checked header by header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checkpoint {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
}

/// A checkpoint that contradicts what the program knows of its network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "block {height} of this network is {pinned}, not {given}: compare with `bitcoin-cli getblockhash {height}`"
)]
pub struct FalseCheckpoint {
    /// The height it was given for.
    pub height: u32,
    /// The hash it was given.
    pub given: BlockHash,
    /// The hash shipped with the program.
    pub pinned: BlockHash,
}

/// Pins of the main network, lowest first.
///
/// The height is the last of a difficulty period, 2016 n - 1. Anybody with a node checks a value with
/// `bitcoin-cli getblockhash HEIGHT`. It was taken from the list of the Electrum wallet
/// (`electrum/chains/mainnet/checkpoints.json`, which has every such height and the target that follows it;
/// August 2026). That list was compared with the checkpoints of bitcoinj, made from another node: the same
/// hashes and targets at all 436 heights that both have, up to 878975. The hash itself shows more work than
/// anybody would spend on deceiving us.
///
/// **The first of a list never moves up:** it is where chains start, and a deposit mined below it could not be
/// proved by a later version. Later releases append.
const MAINNET: &[Pin] =
    &[Pin::new(953_567, "00000000000000000001b315e72169bef4867bf780527aa97c625ee9c001dc5d")];

/// Pins of testnet4, of the same source. No second list was found that reaches as far.
const TESTNET4: &[Pin] =
    &[Pin::new(139_103, "000000000001fa52cf7346a418640560743e051f8096a21ca452f3569bfe4f9e")];

/// Pins of the default global signet, of the same source; the same hashes as in bitcoinj's list at all 114
/// heights that both have, up to 229823.
const SIGNET: &[Pin] =
    &[Pin::new(308_447, "0000000fce481bd689af96794ea36ad8e80bc4635f068104aeff53bc17326ecf")];

/// A constant as it is displayed: hashes cannot be parsed at compile time.
struct Pin {
    height: u32,
    hash: &'static str,
}

impl Pin {
    const fn new(height: u32, hash: &'static str) -> Self {
        Self { height, hash }
    }
}

impl Checkpoint {
    /// The first block of `network`.
    pub fn genesis(network: Network) -> Self {
        Self { height: 0, hash: bitcoin::constants::genesis_block(network).block_hash() }
    }

    /// Where the program's own chain of `network` starts: its first pin, or the genesis block if it has none.
    pub fn shipped(network: Network) -> Self {
        Self::pins(network).first().copied().unwrap_or_else(|| Self::genesis(network))
    }

    /// All blocks of `network` above its first that are shipped with the program, lowest first. A chain that
    /// has another block at one of these heights is not that network.
    pub fn pins(network: Network) -> Vec<Self> {
        let pins = match network {
            Network::Bitcoin => MAINNET,
            Network::Testnet4 => TESTNET4,
            Network::Signet => SIGNET,
            // Private, or not a network of ours.
            Network::Regtest | Network::Testnet => &[],
        };
        let parse = |pin: &Pin| Self {
            height: pin.height,
            hash: pin.hash.parse().expect("a test parses every constant of this file"),
        };
        pins.iter().map(parse).collect()
    }

    /// A block that an operator vouches for, at any height.
    ///
    /// # Errors
    /// If the program knows another block at that height. Contradictions at other heights show when a chain
    /// passes them.
    pub fn vouched(network: Network, height: u32, hash: BlockHash) -> Result<Self, FalseCheckpoint> {
        let mut known = Self::pins(network);
        known.push(Self::genesis(network));
        match known.into_iter().find(|pin| pin.height == height && pin.hash != hash) {
            Some(pin) => Err(FalseCheckpoint { height, given: hash, pinned: pin.hash }),
            None => Ok(Self { height, hash }),
        }
    }

    /// Height of the first header that a chain on this checkpoint holds: with it and those up to the
    /// checkpoint, the next target and the median time past can be computed.
    pub fn base_height(self, network: Network) -> u32 {
        Rules::new(network).base_height(self.height)
    }
}
