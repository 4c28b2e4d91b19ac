//! Aggregate keys: BIP327 key sorting and aggregation, and the BIP328 synthetic xpub of the result.
//!
//! Key aggregation is forty lines of our own on the point operations of the one `secp256k1` in the
//! lockfile. Its musig module exists only in later versions, which would bring a second copy of
//! libsecp256k1 into the core; addresses need no more than the aggregate, and signing (nonces, partial
//! signatures) is not done here. Whatever comes to sign must use the library's module, never code of ours.

use super::statement::tagged_hash;
use bitcoin::NetworkKind;
use bitcoin::bip32::{ChainCode, ChildNumber, Fingerprint, Xpub};
use bitcoin::secp256k1::constants::PUBLIC_KEY_SIZE;
use bitcoin::secp256k1::{PublicKey, Scalar, Secp256k1, Verification};

/// BIP328: SHA256 of the text `MuSig2MuSig2MuSig2`, the chain code of every synthetic xpub.
pub const SYNTHETIC_CHAIN_CODE: [u8; 32] = [
    0x86, 0x80, 0x87, 0xca, 0x02, 0xa6, 0xf9, 0x74, 0xc4, 0x59, 0x89, 0x24, 0xc3, 0x6b, 0x57, 0x76, 0x2d,
    0x32, 0xcb, 0x45, 0x71, 0x71, 0x67, 0xe3, 0x00, 0x62, 0x2c, 0x71, 0x67, 0xe3, 0x89, 0x65,
];

/// Why keys have no aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// No key was given.
    #[error("no key to aggregate")]
    Empty,
    /// The weighted keys sum to the point at infinity.
    #[error("the keys cancel each other out")]
    Infinity,
    /// A coefficient hashed to zero or beyond the group order, for which the odds are 2^-128.
    #[error("the coefficient of key {position} is not a scalar")]
    Coefficient {
        /// Position of the key, from 0.
        position: usize,
    },
}

/// BIP327 `KeySort`: ascending order of the compressed encodings.
pub fn sort_keys(keys: &mut [PublicKey]) {
    keys.sort_by_key(PublicKey::serialize);
}

/// BIP327 `KeyAgg` in the given order: the sum of each key times its coefficient. The result is the plain
/// aggregate (with its sign, as BIP328 needs it). Another order gives another key.
pub fn aggregate<C: Verification>(
    secp: &Secp256k1<C>,
    keys: &[PublicKey],
) -> Result<PublicKey, AggregateError> {
    let first = keys.first().ok_or(AggregateError::Empty)?;
    // The first key unlike the first has coefficient 1, which saves a multiplication (BIP327).
    let second = keys.iter().find(|key| *key != first);
    let mut list = Vec::with_capacity(keys.len() * PUBLIC_KEY_SIZE);
    for key in keys {
        list.extend_from_slice(&key.serialize());
    }
    let list_hash = tagged_hash("KeyAgg list", &list);
    let mut terms = Vec::with_capacity(keys.len());
    for (position, key) in keys.iter().enumerate() {
        if second == Some(key) {
            terms.push(*key);
            continue;
        }
        let hash = tagged_hash("KeyAgg coefficient", &[list_hash.as_slice(), &key.serialize()].concat());
        let coefficient =
            Scalar::from_be_bytes(hash).map_err(|_| AggregateError::Coefficient { position })?;
        terms.push(key.mul_tweak(secp, &coefficient).map_err(|_| AggregateError::Coefficient { position })?);
    }
    let terms: Vec<&PublicKey> = terms.iter().collect();
    PublicKey::combine_keys(&terms).map_err(|_| AggregateError::Infinity)
}

/// [`aggregate`] of the sorted keys: the order of the arguments does not matter (as BIP390 `musig()`).
pub fn aggregate_sorted<C: Verification>(
    secp: &Secp256k1<C>,
    keys: &[PublicKey],
) -> Result<PublicKey, AggregateError> {
    let mut sorted = keys.to_vec();
    sort_keys(&mut sorted);
    aggregate(secp, &sorted)
}

/// BIP328: the aggregate as an extended public key of depth 0, from which unhardened children derive as
/// from any other.
pub fn synthetic_xpub(aggregate: PublicKey, kind: NetworkKind) -> Xpub {
    Xpub {
        network: kind,
        depth: 0,
        parent_fingerprint: Fingerprint::default(),
        child_number: ChildNumber::Normal { index: 0 },
        public_key: aggregate,
        chain_code: ChainCode::from(SYNTHETIC_CHAIN_CODE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::{Hash, sha256};
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Bip327 {
        pubkeys: Vec<String>,
        tweaks: Vec<String>,
        valid: Vec<Valid>,
        invalid_keys: Vec<InvalidKey>,
        invalid_tweaks: Vec<InvalidTweak>,
        sort: Sort,
    }

    #[derive(Deserialize)]
    struct Valid {
        key_indices: Vec<usize>,
        expected: String,
    }

    #[derive(Deserialize)]
    struct InvalidKey {
        key_indices: Vec<usize>,
        signer: usize,
        why: String,
    }

    #[derive(Deserialize)]
    struct InvalidTweak {
        key_indices: Vec<usize>,
        tweak_index: usize,
        is_xonly: bool,
        why: String,
    }

    #[derive(Deserialize)]
    struct Sort {
        pubkeys: Vec<PublicKey>,
        sorted: Vec<PublicKey>,
    }

    #[derive(Deserialize)]
    struct Bip328 {
        vectors: Vec<SyntheticCase>,
    }

    #[derive(Deserialize)]
    struct SyntheticCase {
        keys: Vec<PublicKey>,
        aggregate: PublicKey,
        synthetic_xpub: String,
    }

    fn bip327() -> Bip327 {
        serde_json::from_str(include_str!("../../descriptors/bip/0327.json")).unwrap()
    }

    fn scalar(hex: &str) -> Result<Scalar, bitcoin::secp256k1::scalar::OutOfRangeError> {
        let bytes: [u8; 32] = bitcoin::hex::FromHex::from_hex(hex).unwrap();
        Scalar::from_be_bytes(bytes)
    }

    #[test]
    fn bip327_key_agg() {
        let secp = Secp256k1::verification_only();
        let vectors = bip327();
        assert_eq!(vectors.valid.len(), 4);
        for case in &vectors.valid {
            let keys: Vec<PublicKey> =
                case.key_indices.iter().map(|at| vectors.pubkeys[*at].parse().unwrap()).collect();
            let found = aggregate(&secp, &keys).unwrap();
            assert_eq!(found.x_only_public_key().0.to_string(), case.expected.to_lowercase());
        }
    }

    #[test]
    fn bip327_key_agg_errors() {
        let secp = Secp256k1::verification_only();
        let vectors = bip327();
        assert_eq!(vectors.invalid_keys.len() + vectors.invalid_tweaks.len(), 5);
        for case in &vectors.invalid_keys {
            for (signer, at) in case.key_indices.iter().enumerate() {
                let parsed = vectors.pubkeys[*at].parse::<PublicKey>();
                assert_eq!(parsed.is_err(), signer == case.signer, "{}", case.why);
            }
        }
        for case in &vectors.invalid_tweaks {
            let keys: Vec<PublicKey> =
                case.key_indices.iter().map(|at| vectors.pubkeys[*at].parse().unwrap()).collect();
            let key = aggregate(&secp, &keys).unwrap();
            let refused = match scalar(&vectors.tweaks[case.tweak_index]) {
                Err(_) => true,
                Ok(tweak) if case.is_xonly => {
                    key.x_only_public_key().0.add_tweak(&Secp256k1::new(), &tweak).is_err()
                }
                Ok(tweak) => key.add_exp_tweak(&secp, &tweak).is_err(),
            };
            assert!(refused, "{}", case.why);
        }
    }

    #[test]
    fn bip327_key_sort() {
        let Sort { mut pubkeys, sorted } = bip327().sort;
        assert_ne!(pubkeys, sorted);
        sort_keys(&mut pubkeys);
        assert_eq!(pubkeys, sorted);
    }

    #[test]
    fn bip328_synthetic_xpub() {
        let secp = Secp256k1::verification_only();
        let vectors: Bip328 = serde_json::from_str(include_str!("../../descriptors/bip/0328.json")).unwrap();
        assert_eq!(vectors.vectors.len(), 3);
        for case in &vectors.vectors {
            // These vectors aggregate in the order given.
            let found = aggregate(&secp, &case.keys).unwrap();
            assert_eq!(found, case.aggregate);
            let synthetic = synthetic_xpub(found, NetworkKind::Main);
            assert_eq!(synthetic.to_string(), case.synthetic_xpub);
            assert!(synthetic_xpub(found, NetworkKind::Test).to_string().starts_with("tpub"));
        }
    }

    #[test]
    fn the_chain_code_is_what_bip328_says() {
        assert_eq!(sha256::Hash::hash(b"MuSig2MuSig2MuSig2").to_byte_array(), SYNTHETIC_CHAIN_CODE);
    }

    #[test]
    fn nothing_has_no_aggregate() {
        let secp = Secp256k1::verification_only();
        assert_eq!(aggregate(&secp, &[]), Err(AggregateError::Empty));
    }

    proptest! {
        // Sum of (coefficient times secret key) must be the secret of the aggregate, in any order of keys.
        #[test]
        fn the_aggregate_is_the_sum_of_the_secrets(seeds in proptest::collection::vec(1u64.., 1..5)) {
            let secp = Secp256k1::new();
            let mut secrets: Vec<bitcoin::secp256k1::SecretKey> = seeds
                .iter()
                .map(|seed| {
                    let hash = sha256::Hash::hash(&seed.to_be_bytes()).to_byte_array();
                    bitcoin::secp256k1::SecretKey::from_slice(&hash).unwrap()
                })
                .collect();
            let keys: Vec<PublicKey> = secrets.iter().map(|secret| secret.public_key(&secp)).collect();
            let found = aggregate_sorted(&secp, &keys).unwrap();
            let mut reversed = keys.clone();
            reversed.reverse();
            prop_assert_eq!(aggregate_sorted(&secp, &reversed).unwrap(), found);

            secrets.sort_by_key(|secret| secret.public_key(&secp).serialize());
            let sorted: Vec<PublicKey> = secrets.iter().map(|secret| secret.public_key(&secp)).collect();
            let list: Vec<u8> = sorted.iter().flat_map(PublicKey::serialize).collect();
            let list_hash = tagged_hash("KeyAgg list", &list);
            let second = sorted.iter().find(|key| **key != sorted[0]);
            let mut sum: Option<bitcoin::secp256k1::SecretKey> = None;
            for (secret, key) in secrets.iter().zip(&sorted) {
                let hash = tagged_hash("KeyAgg coefficient", &[list_hash.as_slice(), &key.serialize()].concat());
                let coefficient =
                    if second == Some(key) { Scalar::ONE } else { Scalar::from_be_bytes(hash).unwrap() };
                let term = secret.mul_tweak(&coefficient).unwrap();
                sum = Some(sum.map_or(term, |sum| sum.add_tweak(&Scalar::from(term)).unwrap()));
            }
            prop_assert_eq!(sum.unwrap().public_key(&secp), found);
        }
    }
}
