//! Headers that nobody should follow, made from the real ones.

use super::story::Ask;
use bitcoin::block::Header;
use bitcoin::consensus::encode::deserialize_hex;
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, TxMerkleNode};
use serde_json::{Value, json};

/// What is wrong with the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// The next block, without work.
    NoWork,
    /// The next block, but it follows nothing.
    Unlinked,
    /// The next block, at a target easier than the network has.
    TooEasy,
    /// Two blocks instead of the last one, at a target 256 times as hard as the network's: on paper much
    /// more work than everybody else has.
    FalseBits,
    /// The next block, older than those before it.
    TooOld,
    /// One block instead of the last three: valid, and less work.
    LessWork,
}

/// Headers that take the place of the real ones from a height on.
#[derive(Clone, Debug)]
pub struct Overlay {
    pub from: u32,
    pub headers: Vec<Header>,
}

impl Overlay {
    pub fn tip(&self) -> (u32, Header) {
        let last = self.headers.last().expect("at least one");
        (self.from + u32::try_from(self.headers.len()).unwrap() - 1, *last)
    }

    /// The header at a height: forged, real, or beyond the end.
    pub fn at(&self, height: u32, ask: Ask<'_>) -> Option<Header> {
        match height.checked_sub(self.from) {
            Some(above) => self.headers.get(usize::try_from(above).unwrap()).copied(),
            None => header(height, ask),
        }
    }
}

/// The real header at a height.
pub fn header(height: u32, ask: Ask<'_>) -> Option<Header> {
    let answer = ask("blockchain.block.header", &[json!(height)])?;
    deserialize_hex(answer.as_str()?).ok()
}

/// The real tip.
pub fn tip(ask: Ask<'_>) -> Option<(u32, Header)> {
    let answer = ask("blockchain.headers.subscribe", &[])?;
    let height = answer["height"].as_u64().and_then(|height| u32::try_from(height).ok())?;
    Some((height, deserialize_hex(answer["hex"].as_str()?).ok()?))
}

pub fn told(height: u32, header: &Header) -> Value {
    json!({ "height": height, "hex": bitcoin::consensus::encode::serialize_hex(header) })
}

/// A header after `previous`, with as much work as it claims.
pub fn mine(previous: &Header, root: TxMerkleNode, bits: CompactTarget, time: u32) -> Header {
    mine_after(previous.block_hash(), previous, root, bits, time)
}

fn mine_after(
    hash: BlockHash,
    previous: &Header,
    root: TxMerkleNode,
    bits: CompactTarget,
    time: u32,
) -> Header {
    let mut header =
        Header { version: previous.version, prev_blockhash: hash, merkle_root: root, time, bits, nonce: 0 };
    while header.validate_pow(header.target()).is_err() {
        header.nonce += 1;
    }
    header
}

impl Forgery {
    pub fn forge(self, ask: Ask<'_>) -> Overlay {
        let (height, tip) = tip(ask).expect("the real server answers");
        let below = |depth: u32| header(height - depth, ask).expect("the real server answers");
        let root = TxMerkleNode::from_byte_array([7; 32]);
        let next = |bits, time| mine(&tip, root, bits, time);
        let (bits, later) = (tip.bits, tip.time + 1);
        let on_top = |header| Overlay { from: height + 1, headers: vec![header] };
        match self {
            Forgery::NoWork => {
                let mut header = next(bits, later);
                while header.validate_pow(header.target()).is_ok() {
                    header.nonce += 1;
                }
                on_top(header)
            }
            Forgery::Unlinked => on_top(mine_after(BlockHash::all_zeros(), &tip, root, bits, later)),
            Forgery::TooEasy => on_top(next(CompactTarget::from_consensus(0x2100_ffff), later)),
            Forgery::TooOld => on_top(next(bits, below(11).time.saturating_sub(1))),
            Forgery::FalseBits => {
                let hard = CompactTarget::from_consensus(0x1f7f_ffff);
                let first = mine(&below(1), root, hard, later);
                let second = mine(&first, root, hard, later + 1);
                Overlay { from: height, headers: vec![first, second] }
            }
            Forgery::LessWork => {
                Overlay { from: height - 2, headers: vec![mine(&below(3), root, bits, later)] }
            }
        }
    }
}
