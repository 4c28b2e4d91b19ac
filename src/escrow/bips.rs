//! Published vectors of the standards the escrow stands on, run against the libraries that implement them:
//! BIP340 (signatures), BIP341 (Taproot outputs and sighashes), BIP86 (single-key outputs). Those of BIP327
//! and BIP328 are tested in `musig.rs`, which implements them. Tests only; nothing here is compiled in.

use bitcoin::bip32::{DerivationPath, Xpriv, Xpub};
use bitcoin::hashes::Hash;
use bitcoin::hex::FromHex;
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::secp256k1::{Keypair, Message, Secp256k1, XOnlyPublicKey};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::taproot::{LeafVersion, NodeInfo, TapLeafHash, TapNodeHash, TapTweakHash, TaprootSpendInfo};
use bitcoin::{Address, Amount, KnownHrp, Network, ScriptBuf, Transaction, TxOut};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors<T> {
    vectors: Vec<T>,
}

#[derive(Deserialize)]
struct Bip340 {
    index: u32,
    secret_key: Option<String>,
    aux_rand: Option<String>,
    public_key: String,
    message: String,
    signature: String,
    valid: bool,
}

fn bytes32(hex: &str) -> [u8; 32] {
    FromHex::from_hex(hex).unwrap()
}

#[test]
fn bip340_signatures() {
    let secp = Secp256k1::new();
    let vectors: Vectors<Bip340> =
        serde_json::from_str(include_str!("../../descriptors/bip/0340.json")).unwrap();
    assert_eq!(vectors.vectors.len(), 15);
    for case in &vectors.vectors {
        let message = Message::from_digest(bytes32(&case.message));
        if let (Some(secret), Some(aux)) = (&case.secret_key, &case.aux_rand) {
            let keypair = Keypair::from_seckey_str(&secp, secret).unwrap();
            let key = keypair.x_only_public_key().0;
            assert_eq!(key.to_string(), case.public_key.to_lowercase(), "vector {}", case.index);
            let signature = secp.sign_schnorr_with_aux_rand(&message, &keypair, &bytes32(aux));
            assert_eq!(signature.to_string(), case.signature.to_lowercase(), "vector {}", case.index);
        }
        let verified = case.public_key.parse::<XOnlyPublicKey>().and_then(|key| {
            secp.verify_schnorr(&case.signature.parse::<Signature>().unwrap(), &message, &key)
        });
        assert_eq!(verified.is_ok(), case.valid, "vector {}", case.index);
    }
}

#[derive(Deserialize)]
struct Bip341 {
    script_pubkey: Vec<Output>,
    key_path_spending: KeyPathSpending,
}

#[derive(Deserialize)]
struct Output {
    internal_key: XOnlyPublicKey,
    tree: Option<Tree>,
    leaf_hashes: Vec<TapLeafHash>,
    merkle_root: Option<TapNodeHash>,
    tweak: TapTweakHash,
    output_key: XOnlyPublicKey,
    script_pubkey: ScriptBuf,
    address: String,
    control_blocks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tree {
    Leaf { script: ScriptBuf, leaf_version: u8 },
    Branch(Box<[Tree; 2]>),
}

impl Tree {
    fn leaves(&self) -> Vec<(ScriptBuf, LeafVersion)> {
        match self {
            Tree::Leaf { script, leaf_version } => {
                vec![(script.clone(), LeafVersion::from_consensus(*leaf_version).unwrap())]
            }
            Tree::Branch(children) => children.iter().flat_map(Tree::leaves).collect(),
        }
    }

    fn node(&self) -> NodeInfo {
        match self {
            Tree::Leaf { script, leaf_version } => NodeInfo::new_leaf_with_ver(
                script.clone(),
                LeafVersion::from_consensus(*leaf_version).unwrap(),
            ),
            Tree::Branch(children) => {
                let [left, right] = children.as_ref();
                NodeInfo::combine(left.node(), right.node()).unwrap()
            }
        }
    }
}

#[derive(Deserialize)]
struct KeyPathSpending {
    unsigned_tx: String,
    spent: Vec<Spent>,
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Spent {
    script_pubkey: ScriptBuf,
    amount_sat: u64,
}

#[derive(Deserialize)]
struct Input {
    vin: usize,
    internal_secret_key: String,
    merkle_root: Option<TapNodeHash>,
    sighash_type: u8,
    sighash: String,
    witness: String,
}

fn bip341() -> Bip341 {
    serde_json::from_str(include_str!("../../descriptors/bip/0341.json")).unwrap()
}

#[test]
fn bip341_outputs() {
    let secp = Secp256k1::new();
    let vectors = bip341().script_pubkey;
    assert_eq!(vectors.len(), 7);
    for case in &vectors {
        let spend = match &case.tree {
            None => TaprootSpendInfo::new_key_spend(&secp, case.internal_key, None),
            Some(tree) => TaprootSpendInfo::from_node_info(&secp, case.internal_key, tree.node()),
        };
        assert_eq!(spend.merkle_root(), case.merkle_root);
        assert_eq!(spend.tap_tweak(), case.tweak);
        assert_eq!(spend.output_key().to_x_only_public_key(), case.output_key);
        let script = ScriptBuf::new_p2tr(&secp, case.internal_key, case.merkle_root);
        assert_eq!(script, case.script_pubkey);
        let address = Address::p2tr(&secp, case.internal_key, case.merkle_root, KnownHrp::Mainnet);
        assert_eq!(address.to_string(), case.address);
        let leaves = case.tree.as_ref().map(Tree::leaves).unwrap_or_default();
        assert_eq!(leaves.len(), case.leaf_hashes.len());
        assert_eq!(leaves.len(), case.control_blocks.len());
        for ((leaf, hash), block) in leaves.iter().zip(&case.leaf_hashes).zip(&case.control_blocks) {
            assert_eq!(TapLeafHash::from_script(&leaf.0, leaf.1), *hash);
            let found = spend.control_block(leaf).unwrap();
            assert_eq!(found.serialize(), Vec::<u8>::from_hex(block).unwrap());
            assert!(found.verify_taproot_commitment(&secp, case.output_key, &leaf.0));
        }
    }
}

#[test]
fn bip341_key_path_spending() {
    let secp = Secp256k1::new();
    let KeyPathSpending { unsigned_tx, spent, inputs } = bip341().key_path_spending;
    let transaction: Transaction =
        bitcoin::consensus::deserialize(&Vec::<u8>::from_hex(&unsigned_tx).unwrap()).unwrap();
    let spent: Vec<TxOut> = spent
        .into_iter()
        .map(|Spent { script_pubkey, amount_sat }| TxOut {
            value: Amount::from_sat(amount_sat),
            script_pubkey,
        })
        .collect();
    assert_eq!(inputs.len(), 7);
    let mut cache = SighashCache::new(&transaction);
    for case in &inputs {
        let kind = TapSighashType::from_consensus_u8(case.sighash_type).unwrap();
        let sighash = cache.taproot_key_spend_signature_hash(case.vin, &Prevouts::All(&spent), kind).unwrap();
        assert_eq!(sighash.to_byte_array(), bytes32(&case.sighash), "input {}", case.vin);
        let keypair = Keypair::from_seckey_str(&secp, &case.internal_secret_key).unwrap();
        let tweaked = keypair.tap_tweak(&secp, case.merkle_root).to_keypair();
        let message = Message::from_digest(sighash.to_byte_array());
        let signature = secp.sign_schnorr_with_aux_rand(&message, &tweaked, &[0; 32]);
        let witness = bitcoin::taproot::Signature { signature, sighash_type: kind };
        assert_eq!(witness.to_vec(), Vec::<u8>::from_hex(&case.witness).unwrap(), "input {}", case.vin);
    }
}

#[derive(Deserialize)]
struct Bip86 {
    #[cfg_attr(not(feature = "service"), expect(dead_code))]
    phrase: String,
    root_xprv: String,
    account_path: DerivationPath,
    account_xpub: String,
    vectors: Vec<Bip86Output>,
}

#[derive(Deserialize)]
struct Bip86Output {
    path: DerivationPath,
    internal_key: XOnlyPublicKey,
    output_key: XOnlyPublicKey,
    script_pubkey: ScriptBuf,
    address: String,
}

#[test]
fn bip86_outputs() {
    let secp = Secp256k1::new();
    let vectors: Bip86 = serde_json::from_str(include_str!("../../descriptors/bip/0086.json")).unwrap();
    let root: Xpriv = vectors.root_xprv.parse().unwrap();
    #[cfg(feature = "service")]
    {
        let seed = bip39::Mnemonic::parse(&vectors.phrase).unwrap().to_seed("");
        assert_eq!(Xpriv::new_master(Network::Bitcoin, &seed).unwrap(), root);
    }
    let account = root.derive_priv(&secp, &vectors.account_path).unwrap();
    let account = Xpub::from_priv(&secp, &account);
    assert_eq!(account.to_string(), vectors.account_xpub);
    assert_eq!(vectors.vectors.len(), 3);
    for case in &vectors.vectors {
        let internal_key = account.derive_pub(&secp, &case.path).unwrap().to_x_only_pub();
        assert_eq!(internal_key, case.internal_key);
        assert_eq!(internal_key.tap_tweak(&secp, None).0.to_x_only_public_key(), case.output_key);
        let address = Address::p2tr(&secp, internal_key, None, Network::Bitcoin);
        assert_eq!(address.script_pubkey(), case.script_pubkey);
        assert_eq!(address.to_string(), case.address);
    }
}
