//! Texts and numbers: identifiers, keys, signatures, amounts, times. Marker types that stand in a view's
//! `#[schema(value_type = ...)]`; none of them is ever made.

use super::Shape;
use crate::escrow::descriptor::{MAX_GENERATION, MAX_INDEX};
use crate::escrow::proof::{HexHeader, HexTransaction};
use crate::escrow::public::{EventId, ProjectId};
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{CharterId, Digest, SettlementId, SubmissionId, TaskId};
use serde_json::json;
use std::borrow::Cow;
use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// All satoshis there will ever be.
const MAX_MONEY_SAT: u64 = 2_100_000_000_000_000;

/// A text of one pattern, under the name of a type.
macro_rules! text {
    ($($type:ty, $name:literal, $pattern:expr, $example:expr, $description:literal;)+) => { $(
        impl utoipa::PartialSchema for $type {
            fn schema() -> $crate::service::schema::Shape {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .pattern(Some($pattern))
                    .description(Some($description))
                    .examples([serde_json::json!($example)])
                    .into()
            }
        }
        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            }
        }
    )+ };
}
pub(crate) use text;

/// A whole number within bounds, under the name of a type.
macro_rules! number {
    ($($(#[$doc:meta])* $type:ident, $minimum:expr, $maximum:expr, $example:expr, $description:literal;)+) => { $(
        $(#[$doc])*
        pub enum $type {}

        impl PartialSchema for $type {
            fn schema() -> Shape {
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                    .minimum(Some($minimum))
                    .maximum(Some($maximum))
                    .description(Some($description))
                    .examples([json!($example)])
                    .into()
            }
        }
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($type))
            }
        }
    )+ };
}

/// A BIP340 public key.
pub enum PublicKey {}
/// A BIP340 signature.
pub enum Signature {}
/// Fingerprint of a root key.
pub enum Fingerprint {}
/// An outpoint.
pub enum Outpoint {}
/// A txid.
pub enum TransactionId {}
/// A block's hash.
pub enum BlockId {}
/// A node of a Merkle tree.
pub enum MerkleNode {}
/// An address.
pub enum BitcoinAddress {}
/// An output script.
pub enum ScriptHex {}
/// An output descriptor.
pub enum Descriptor {}
/// A BIP321 link.
pub enum PaymentUri {}
/// A PSBT.
pub enum PsbtBase64 {}
/// A pledge's index as the key of an object.
pub enum IndexKey {}
/// A txid as the key of an object.
pub enum TransactionIdKey {}
/// A height as the key of an object.
pub enum HeightKey {}

const HASH: &str = "^[0-9a-f]{64}$";
const ID: &str = "3d2f9a0c1b5e47768f1c2a9d0e4b6f83a7c5d1e2f3049586b7c8d9eafb0c1d2e";
const KEY: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const TXID: &str = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";

text! {
    CharterId, "CharterId", HASH, ID, "Id of a charter: tagged hash `upfront/charter` of its canonical bytes, hex. It \
        names the task everywhere.";
    SubmissionId, "SubmissionId", HASH, ID, "Id of a submission: tagged hash `upfront/submission` of its lines, hex.";
    SettlementId, "SettlementId", HASH, ID, "Id of a settlement: tagged hash `upfront/settlement` of its terms, hex.";
    EventId, "EventId", "^[0-9]+-[0-9]+$", "42-0", "Id of an event; later events have later ids. Opaque to clients.";
    ProjectId, "ProjectId", "^[0-9a-f]{32}$", "3d2f9a0c1b5e47768f1c2a9d0e4b6f83", "Id of a project: the first 16 bytes of \
        the tagged hash `upfront/project` of the repository as charters name it, hex.";
    TaskId, "TaskId", HASH, ID, "The task a charter belongs to, 32 bytes in hex: the wish it was drafted from (tagged hash \
        `upfront/wish` of the wish's lines), or chosen by whoever drafts it.";
    Digest, "Digest", HASH, ID, "SHA-256 of some content, or the digest of a statement, hex.";
    PublicKey, "PublicKey", HASH, KEY, "X-only public key (BIP340), hex.";
    Fingerprint, "Fingerprint", "^[0-9a-f]{8}$", "73c5da0a", "Fingerprint of a root key (BIP32), hex: declared by whoever \
        wrote the key expression, and not proved.";
    Signature, "Signature", "^[0-9a-f]{128}$", format!("{KEY}{ID}"), "BIP340 signature, hex.";
    StatementSignature, "StatementSignature", "^([0-9a-f]{128}|(smp|ful)?[A-Za-z0-9+/]{4,}={0,2})$", format!("{KEY}{ID}"),
        "Signature over a statement: BIP340 (128 hex digits), or BIP322 by the key's Taproot address (`smp` and base64; \
        `ful`, and a signed PSBT in base64, are read as well).";
    Outpoint, "Outpoint", "^[0-9a-f]{64}:(0|[1-9][0-9]{0,9})$", format!("{TXID}:0"), "An output of a transaction, \
        `txid:vout`.";
    TransactionId, "Txid", HASH, TXID, "Id of a transaction, hex as nodes show it.";
    BlockId, "BlockHash", HASH, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f", "Hash of a block, hex \
        as nodes show it.";
    MerkleNode, "MerkleNode", HASH, TXID, "A node of a block's Merkle tree, hex as nodes show it.";
    BitcoinAddress, "Address", "^[0-9A-Za-z]{14,100}$", "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6",
        "Bitcoin address on the service's network.";
    ScriptHex, "ScriptPubkey", "^([0-9a-f]{2})*$", format!("5120{KEY}"), "Output script, hex.";
    Descriptor, "Descriptor", "^tr\\(.+\\)#[0-9a-z]{8}$", format!("tr({KEY})#dh4fyxrd"),
        "Output descriptor (BIP380, BIP386) with every key in place, and its checksum.";
    PaymentUri, "PaymentUri", "^bitcoin:[0-9A-Za-z]+\\?amount=[0-9.]+$",
        "bitcoin:bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6?amount=0.001",
        "Payment link (BIP321): address in lower case, amount in BTC.";
    PsbtBase64, "Psbt", "^\\s*[A-Za-z0-9+/]+={0,2}\\s*$", "cHNidP8BAAoCAAAAAAAAAAAAAAA=", "A PSBT (BIP174), base64.";
    IndexKey, "PledgeIndexKey", "^(0|[1-9][0-9]{0,9})$", "1", "Index of a pledge, as the key of an object; 0 stands for gifts.";
    TransactionIdKey, "TxidKey", HASH, TXID, "Id of a transaction, as the key of an object.";
    HeightKey, "HeightKey", "^(0|[1-9][0-9]{0,9})$", "840000", "Height of a block, as the key of an object.";
    HexHeader, "BlockHeader", "^[0-9a-f]{160}$", "00".repeat(80), "A block header, its 80 bytes in hex.";
    HexTransaction, "RawTransaction", "^([0-9a-f]{2})+$", "02000000", "A transaction with witnesses, consensus \
        encoding in hex.";
}

number! {
    /// An amount.
    Sat, 0_u64, MAX_MONEY_SAT, 100_000, "Satoshis, 100,000,000 to the bitcoin.";
    /// A sum of amounts that nobody has to have.
    SatSum, 0_u64, i64::MAX, 100_000, "Satoshis that were promised together: it may be more than there are.";
    /// A word's counter.
    WordCounter, 0_u32, u32::MAX - 1, 1, "Counts the statements of a key: the highest counts.";
    /// A time.
    UnixSeconds, 0_u32, u32::MAX, 1_800_000_000_u32, "Unix seconds, compared with the chain's median time past (BIP113).";
    /// A time that may be a sum of two.
    UnixSecondsSum, 0_u32, 3 * u64::from(u32::MAX), 1_800_000_000_u32, "Unix seconds, compared with the chain's \
        median time past (BIP113).";
    /// A span of time.
    Seconds, 0_u32, u32::MAX, 604_800, "A span of time in seconds.";
    /// A span of any length.
    LongSeconds, 0_u64, i64::MAX, 12, "A span of time in seconds.";
    /// A time of this machine.
    ClockSeconds, 0_u64, i64::MAX, 1_800_000_000_u32, "Unix seconds of the service's own clock.";
    /// A height.
    Height, 0_u32, u32::MAX, 840_000, "Height of a block.";
    /// Confirmations.
    Confirmations, 0_u32, u32::MAX, 1, "Confirmations: 0 in the mempool, 1 in the tip.";
    /// A pledge's index.
    PledgeIndex, 1_u32, MAX_INDEX, 1, "Derivation index of a pledge, from 1.";
    /// An address's index.
    AddressIndex, 0_u32, MAX_INDEX, 1, "Derivation index of an address; 0 is the task's open address, for gifts.";
    /// The index after the last.
    NextIndex, 1_u32, u64::from(MAX_INDEX) + 1, 1, "Derivation index that the next pledge must sign.";
    /// An address's generation.
    Generation, 0_u32, MAX_GENERATION, 0, "Generation of an address: 0 at first.";
    /// A share.
    BasisPoints, 0_u32, 10_000_u32, 10_000, "Share in basis points: 10000 is all.";
    /// A feerate.
    Feerate, 1_u32, 1_000_000_u32, 2, "Feerate, satoshis per virtual byte (sat/vB).";
    /// A count or a position.
    Count, 0_u32, u32::MAX, 0, "A count, or a position counted from 0.";
}
