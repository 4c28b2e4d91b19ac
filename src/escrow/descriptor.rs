//! From a charter to addresses: the output of every pledge and generation, and of the open address.
//!
//! ```text
//! pledge n >= 1, generation g:  tr( I , { multi_a(2, D, R, A) , and_v(v:pk(S), after(T)) } )
//! open address (n = g = 0):     tr( I , multi_a(2, D, R, A) )
//! D, R, A = xpub/g/n of developer, representative, arbiter
//! I       = SYN / c1/c2/c3/c4 / g / n
//! SYN     = BIP328 synthetic xpub of MuSig2(developer's, representative's account key), keys sorted
//! c1..c4  = the first 124 bits of the charter id as four 31-bit unhardened steps
//! ```
//!
//! Scripts are put together here by hand and compared with rust-miniscript's in the tests: parsing a
//! descriptor for each of thousands of pledges costs four times as much.

use super::charter::Charter;
use super::keys::SignerKey;
use super::musig::{self, AggregateError};
use super::network::Network;
use super::statement::{CharterId, Role};
use bitcoin::absolute::LockTime;
use bitcoin::bip32::{ChildNumber, Xpub};
use bitcoin::key::Secp256k1;
use bitcoin::opcodes::all::{OP_CHECKSIG, OP_CHECKSIGADD, OP_CHECKSIGVERIFY, OP_CLTV, OP_NUMEQUAL};
use bitcoin::script::Builder;
use bitcoin::secp256k1::{PublicKey, Verification, XOnlyPublicKey};
use bitcoin::taproot::{ControlBlock, LeafVersion, TapLeafHash, TaprootBuilder, TaprootSpendInfo};
use bitcoin::{Address, ScriptBuf};
use miniscript::descriptor::checksum::desc_checksum;
use serde::{Deserialize, Serialize};

/// Generations of a pledge's address end here: `1000/0` is the statement key.
pub const MAX_GENERATION: u32 = 999;
/// Derivation indexes are unhardened BIP32 steps.
pub const MAX_INDEX: u32 = 0x7fff_ffff;
/// The task's open address.
pub const OPEN_INDEX: u32 = 0;

/// Where in a charter's tree of addresses an output stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// Pledge index n; 0 is the open address.
    pub index: u32,
    /// Generation g: 0 at first, one more for what a settlement returns to escrow.
    pub generation: u32,
}

impl Slot {
    /// The open address.
    pub const OPEN: Slot = Slot { index: OPEN_INDEX, generation: 0 };

    /// The first address of pledge `index`.
    pub const fn pledge(index: u32) -> Slot {
        Slot { index, generation: 0 }
    }
}

/// Why there is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// Developer and representative keys have no aggregate (they cancel out).
    #[error("the keys of developer and representative cannot be aggregated: {0}")]
    Aggregate(#[from] AggregateError),
    /// Not a pledge's index.
    #[error("pledge index {index} is out of range: 1 to 2147483647")]
    Index {
        /// Given index.
        index: u32,
    },
    /// Not a generation.
    #[error("generation {generation} is out of range: 0 to 999")]
    Generation {
        /// Given generation.
        generation: u32,
    },
    /// The sponsor's key is one of the signers'.
    #[error("the sponsor's key is the key of the {role} at this index: use a key of your own")]
    SponsorIsSigner {
        /// Whose key it is.
        role: Role,
    },
}

/// Everything of a charter that addresses are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    network: Network,
    charter: CharterId,
    signers: [SignerKey; 3],
    refund_time: LockTime,
    aggregate: PublicKey,
    synthetic: Xpub,
    /// `SYN/c1/c2/c3/c4`.
    branch: Xpub,
}

impl Contract {
    /// The contract of a charter.
    pub fn new(charter: &Charter) -> Result<Contract, DescriptorError> {
        let secp = Secp256k1::verification_only();
        let developer = charter.signer(Role::Developer);
        let representative = charter.signer(Role::Representative);
        let accounts = [developer.xpub().public_key, representative.xpub().public_key];
        let aggregate = musig::aggregate_sorted(&secp, &accounts)?;
        let synthetic = musig::synthetic_xpub(aggregate, charter.network().kind());
        let branch = derive(&secp, &synthetic, &charter_steps(&charter.id()));
        Ok(Contract {
            network: charter.network(),
            charter: charter.id(),
            signers: charter.signers().clone(),
            refund_time: charter.refund_lock_time(),
            aggregate,
            synthetic,
            branch,
        })
    }

    /// MuSig2 aggregate (BIP327) of the developer's and representative's account keys.
    pub fn aggregate(&self) -> &PublicKey {
        &self.aggregate
    }

    /// BIP328 synthetic xpub of the aggregate.
    pub fn synthetic_xpub(&self) -> &Xpub {
        &self.synthetic
    }

    /// The chain.
    pub fn network(&self) -> Network {
        self.network
    }

    /// The charter.
    pub fn charter(&self) -> CharterId {
        self.charter
    }

    /// T.
    pub fn refund_time(&self) -> LockTime {
        self.refund_time
    }

    /// The output of a pledge: `slot.index` from 1, `slot.generation` up to 999.
    pub fn pledge<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        slot: Slot,
        sponsor: XOnlyPublicKey,
    ) -> Result<EscrowOutput, DescriptorError> {
        if slot.index == OPEN_INDEX || slot.index > MAX_INDEX {
            return Err(DescriptorError::Index { index: slot.index });
        }
        if slot.generation > MAX_GENERATION {
            return Err(DescriptorError::Generation { generation: slot.generation });
        }
        self.output(secp, slot, Some(sponsor))
    }

    /// The task's open address, for gifts from any wallet: no refund key, no timelock.
    pub fn open<C: Verification>(&self, secp: &Secp256k1<C>) -> EscrowOutput {
        self.output(secp, Slot::OPEN, None).expect("without a sponsor's key no check can fail")
    }

    fn output<C: Verification>(
        &self,
        secp: &Secp256k1<C>,
        slot: Slot,
        sponsor: Option<XOnlyPublicKey>,
    ) -> Result<EscrowOutput, DescriptorError> {
        let steps = [normal(slot.generation), normal(slot.index)];
        let internal_key = derive(secp, &self.branch, &steps).to_x_only_pub();
        let signer_keys = self.signers.each_ref().map(|signer| signer.child(slot.generation, slot.index));
        if let Some(sponsor) = sponsor
            && let Some(at) = signer_keys.iter().position(|key| *key == sponsor)
        {
            return Err(DescriptorError::SponsorIsSigner { role: Role::ALL[at] });
        }
        let cooperative_leaf = cooperative_leaf(&signer_keys);
        let refund_leaf = sponsor.map(|key| refund_leaf(&key, self.refund_time));
        let mut tree = TaprootBuilder::new();
        let depth = u8::from(refund_leaf.is_some());
        tree = tree.add_leaf(depth, cooperative_leaf.clone()).expect("first leaf of a tree of two");
        if let Some(leaf) = &refund_leaf {
            tree = tree.add_leaf(1, leaf.clone()).expect("second leaf of a tree of two");
        }
        let spend_info = tree.finalize(secp, internal_key).expect("the tree is complete");
        let script_pubkey = ScriptBuf::new_p2tr_tweaked(spend_info.output_key());
        let address = Address::p2tr_tweaked(spend_info.output_key(), self.network.bitcoin());
        Ok(EscrowOutput {
            slot,
            sponsor_key: sponsor,
            internal_key,
            signer_keys,
            cooperative_leaf,
            refund_leaf,
            refund_time: self.refund_time,
            spend_info,
            script_pubkey,
            address,
        })
    }

    /// The descriptor in BIP390 form, from which Bitcoin Core 30 and later derives the same address:
    /// `tr(musig(DEV,REP)/c1/c2/c3/c4/g/n,{...})#checksum`.
    pub fn musig_descriptor(&self, output: &EscrowOutput) -> String {
        let Slot { index, generation } = output.slot;
        let [developer, representative, arbiter] = &self.signers;
        let steps = charter_steps(&self.charter).map(|step| step.to_string()).join("/");
        let leaf = format!(
            "multi_a(2,{developer}/{generation}/{index},{representative}/{generation}/{index},{arbiter}/{generation}/{index})"
        );
        let tree = output.with_refund(&leaf);
        with_checksum(format!("tr(musig({developer},{representative})/{steps}/{generation}/{index},{tree})"))
    }
}

/// One output of the contract, with all that spending it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscrowOutput {
    /// Where it stands.
    pub slot: Slot,
    /// S; `None` for the open address.
    pub sponsor_key: Option<XOnlyPublicKey>,
    /// I, before the Taproot tweak.
    pub internal_key: XOnlyPublicKey,
    /// D, R, A at this slot, in the order of [`Role::ALL`].
    pub signer_keys: [XOnlyPublicKey; 3],
    /// `<D> CHECKSIG <R> CHECKSIGADD <A> CHECKSIGADD 2 NUMEQUAL`.
    pub cooperative_leaf: ScriptBuf,
    /// `<S> CHECKSIGVERIFY <T> CHECKLOCKTIMEVERIFY`; `None` for the open address.
    pub refund_leaf: Option<ScriptBuf>,
    /// T.
    pub refund_time: LockTime,
    /// The tree, for control blocks.
    pub spend_info: TaprootSpendInfo,
    /// What is paid.
    pub script_pubkey: ScriptBuf,
    /// The same as an address.
    pub address: Address,
}

impl EscrowOutput {
    /// BIP341 leaf hash of the cooperative leaf.
    pub fn cooperative_leaf_hash(&self) -> TapLeafHash {
        TapLeafHash::from_script(&self.cooperative_leaf, LeafVersion::TapScript)
    }

    /// BIP341 leaf hash of the refund leaf.
    pub fn refund_leaf_hash(&self) -> Option<TapLeafHash> {
        self.refund_leaf.as_ref().map(|leaf| TapLeafHash::from_script(leaf, LeafVersion::TapScript))
    }

    /// Proof that the cooperative leaf is part of the output.
    pub fn cooperative_control_block(&self) -> ControlBlock {
        self.control_block(&self.cooperative_leaf)
    }

    /// Proof that the refund leaf is part of the output.
    pub fn refund_control_block(&self) -> Option<ControlBlock> {
        self.refund_leaf.as_ref().map(|leaf| self.control_block(leaf))
    }

    fn control_block(&self, leaf: &ScriptBuf) -> ControlBlock {
        self.spend_info
            .control_block(&(leaf.clone(), LeafVersion::TapScript))
            .expect("the leaf was put into this tree")
    }

    /// The key of one signer at this slot.
    pub fn signer_key(&self, role: Role) -> XOnlyPublicKey {
        let [developer, representative, arbiter] = self.signer_keys;
        match role {
            Role::Developer => developer,
            Role::Representative => representative,
            Role::Arbiter => arbiter,
        }
    }

    /// The descriptor with every key in place, and its checksum:
    /// `tr(I,{multi_a(2,D,R,A),and_v(v:pk(S),after(T))})#checksum`.
    pub fn descriptor(&self) -> String {
        let [developer, representative, arbiter] = &self.signer_keys;
        let leaf = format!("multi_a(2,{developer},{representative},{arbiter})");
        with_checksum(format!("tr({},{})", self.internal_key, self.with_refund(&leaf)))
    }

    fn with_refund(&self, cooperative: &str) -> String {
        match &self.sponsor_key {
            None => cooperative.to_owned(),
            Some(sponsor) => {
                format!(
                    "{{{cooperative},and_v(v:pk({sponsor}),after({}))}}",
                    self.refund_time.to_consensus_u32()
                )
            }
        }
    }
}

/// The first 124 bits of a charter id as four 31-bit unhardened steps.
pub fn charter_steps(charter: &CharterId) -> [ChildNumber; 4] {
    let mut head = [0; 16];
    head.copy_from_slice(&charter.as_bytes()[..16]);
    let bits = u128::from_be_bytes(head) >> 4;
    [93, 62, 31, 0].map(|shift| {
        let step = (bits >> shift) & u128::from(MAX_INDEX);
        normal(u32::try_from(step).expect("31 bits"))
    })
}

fn normal(index: u32) -> ChildNumber {
    ChildNumber::from_normal_idx(index).expect("callers keep indexes below 2^31")
}

fn derive<C: Verification>(secp: &Secp256k1<C>, parent: &Xpub, steps: &[ChildNumber]) -> Xpub {
    parent.derive_pub(secp, &steps).expect("unhardened steps always derive (BIP32, but for odds of 2^-127)")
}

fn cooperative_leaf(keys: &[XOnlyPublicKey; 3]) -> ScriptBuf {
    let [developer, representative, arbiter] = keys;
    Builder::new()
        .push_x_only_key(developer)
        .push_opcode(OP_CHECKSIG)
        .push_x_only_key(representative)
        .push_opcode(OP_CHECKSIGADD)
        .push_x_only_key(arbiter)
        .push_opcode(OP_CHECKSIGADD)
        .push_int(2)
        .push_opcode(OP_NUMEQUAL)
        .into_script()
}

fn refund_leaf(sponsor: &XOnlyPublicKey, refund_time: LockTime) -> ScriptBuf {
    Builder::new()
        .push_x_only_key(sponsor)
        .push_opcode(OP_CHECKSIGVERIFY)
        .push_lock_time(refund_time)
        .push_opcode(OP_CLTV)
        .into_script()
}

fn with_checksum(body: String) -> String {
    let checksum = desc_checksum(&body).expect("keys, digits and names are in the descriptor character set");
    format!("{body}#{checksum}")
}

#[cfg(test)]
mod tests;
