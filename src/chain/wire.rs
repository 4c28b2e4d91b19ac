//! The JSON of the Electrum protocol, parsed once for the live watcher and the one-shot client
//! (versions 1.4 to 1.6, <https://electrum-protocol.readthedocs.io>). Pure. Amounts are read digit
//! by digit, never through a float.

use bitcoin::block::Header;
use bitcoin::consensus::encode::{deserialize, deserialize_hex};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::hex::{DisplayHex, FromHex};
use bitcoin::{FeeRate, Script, Transaction, TxMerkleNode, Txid};
use serde_json::Value;

use super::reconcile::HistoryEntry;

/// An answer that does not follow the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer to {method} is malformed: {what}")]
pub struct Malformed {
    /// The method that was called.
    pub method: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Feerates above this (100,000 sat/vB) are nonsense.
const MAX_SAT_PER_KVB: u64 = 100_000_000;

/// Bytes of a serialized header.
const HEADER_LEN: usize = 80;

/// The name of a script in the protocol: its SHA256, reversed, in hex.
pub fn script_hash(script: &Script) -> String {
    let mut hash = sha256::Hash::hash(script.as_bytes()).to_byte_array();
    hash.reverse();
    hash.to_lower_hex_string()
}

/// `blockchain.headers.subscribe`: height and header of the server's tip.
pub fn tip(value: &Value) -> Result<(u32, Header), Malformed> {
    let method = "blockchain.headers.subscribe";
    let height = uint(value.get("height")).ok_or(Malformed { method, what: "height" })?;
    let header = value.get("hex").and_then(header).ok_or(Malformed { method, what: "hex" })?;
    Ok((height, header))
}

/// `blockchain.block.header`.
pub fn block_header(value: &Value) -> Result<Header, Malformed> {
    header(value).ok_or(Malformed { method: "blockchain.block.header", what: "no header" })
}

/// `blockchain.block.headers`: one long hex string, since 1.6 an array of headers. At most `most`.
pub fn block_headers(value: &Value, most: usize) -> Result<Vec<Header>, Malformed> {
    let malformed = |what| Malformed { method: "blockchain.block.headers", what };
    let headers: Vec<Header> = if let Some(hex) = value.get("hex").and_then(Value::as_str) {
        let bytes = Vec::<u8>::from_hex(hex).map_err(|_| malformed("hex"))?;
        if bytes.len() % HEADER_LEN != 0 {
            return Err(malformed("length"));
        }
        let parsed: Result<_, _> = bytes.chunks(HEADER_LEN).map(deserialize).collect();
        parsed.map_err(|_| malformed("header"))?
    } else {
        let list = value.get("headers").and_then(Value::as_array).ok_or(malformed("headers"))?;
        list.iter().map(|v| header(v).ok_or(malformed("header"))).collect::<Result<_, _>>()?
    };
    if headers.len() > most {
        return Err(malformed("more headers than asked for"));
    }
    Ok(headers)
}

/// `blockchain.scripthash.get_history`. Heights 0 and -1 (unconfirmed parents) both mean the mempool.
pub fn history(value: &Value) -> Result<Vec<HistoryEntry>, Malformed> {
    let malformed = |what| Malformed { method: "blockchain.scripthash.get_history", what };
    let entry = |v: &Value| {
        let txid = txid(v.get("tx_hash")).ok_or(malformed("tx_hash"))?;
        let height = match v.get("height").and_then(Value::as_i64) {
            Some(-1 | 0) => 0,
            Some(height) => u32::try_from(height).map_err(|_| malformed("height"))?,
            None => return Err(malformed("height")),
        };
        Ok(HistoryEntry { txid, height })
    };
    value.as_array().ok_or(malformed("no list"))?.iter().map(entry).collect()
}

/// As [`history`], with the status that a history in just this order has: a hash over its lines. `None`
/// without any.
pub fn history_with_status(value: &Value) -> Result<(Vec<HistoryEntry>, Option<[u8; 32]>), Malformed> {
    let entries = history(value)?;
    let mut text = String::new();
    for (entry, line) in entries.iter().zip(value.as_array().into_iter().flatten()) {
        let height = line.get("height").and_then(Value::as_i64).unwrap_or_default();
        text += &format!("{}:{height}:", entry.txid);
    }
    let status = (!text.is_empty()).then(|| sha256::Hash::hash(text.as_bytes()).to_byte_array());
    Ok((entries, status))
}

/// `blockchain.transaction.get`, checked to be the transaction that was asked for.
pub fn transaction(value: &Value, txid: Txid) -> Result<Transaction, Malformed> {
    let malformed = |what| Malformed { method: "blockchain.transaction.get", what };
    let hex = value.as_str().ok_or(malformed("no hex"))?;
    let tx: Transaction = deserialize_hex(hex).map_err(|_| malformed("no transaction"))?;
    if tx.compute_txid() != txid {
        return Err(malformed("another transaction"));
    }
    Ok(tx)
}

/// `blockchain.transaction.get_merkle`: position and branch.
pub fn merkle(value: &Value) -> Result<(u32, Vec<TxMerkleNode>), Malformed> {
    let malformed = |what| Malformed { method: "blockchain.transaction.get_merkle", what };
    let position = uint(value.get("pos")).ok_or(malformed("pos"))?;
    let list = value.get("merkle").and_then(Value::as_array).ok_or(malformed("merkle"))?;
    let node = |v: &Value| v.as_str().and_then(|s| s.parse().ok()).ok_or(malformed("merkle"));
    Ok((position, list.iter().map(node).collect::<Result<_, _>>()?))
}

/// `blockchain.transaction.broadcast`: the txid, as the server computed it.
pub fn broadcast(value: &Value) -> Result<Txid, Malformed> {
    txid(Some(value)).ok_or(Malformed { method: "blockchain.transaction.broadcast", what: "no txid" })
}

/// A feerate in BTC per 1000 vbytes, rounded up to sat per 1000 weight units. `None` for -1 ("cannot
/// tell"), zero, and anything beyond reason.
pub fn feerate(value: &Value) -> Option<FeeRate> {
    let sat_per_kvb = sat_from_btc(&value.as_number()?.to_string())?;
    let sane = (1..=MAX_SAT_PER_KVB).contains(&sat_per_kvb);
    sane.then(|| FeeRate::from_sat_per_kwu(sat_per_kvb.div_ceil(4)))
}

/// Reads `1.5`, `0.00001` or `1e-5` BTC as satoshis, rounded down. `None` if negative or not a number.
fn sat_from_btc(text: &str) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u128 = digits.parse().ok()?;
    // 10^8 satoshis to the coin, and one power less for each digit of the fraction.
    let shift = exponent.checked_add(8)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let power = 10u128.checked_pow(shift.unsigned_abs());
    let sat = match power {
        Some(power) if shift >= 0 => value.checked_mul(power)?,
        Some(power) => value / power,
        None if shift >= 0 && value > 0 => return None,
        None => 0,
    };
    u64::try_from(sat).ok()
}

fn uint(value: Option<&Value>) -> Option<u32> {
    u32::try_from(value?.as_u64()?).ok()
}

fn txid(value: Option<&Value>) -> Option<Txid> {
    value?.as_str()?.parse().ok()
}

fn header(value: &Value) -> Option<Header> {
    deserialize_hex(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn feerates_are_exact_and_nonsense_is_none() {
        let kwu = |v: Value| feerate(&v).map(FeeRate::to_sat_per_kwu);
        assert_eq!(kwu(json!(0.00001)), Some(250));
        assert_eq!(kwu(json!(1e-5)), Some(250));
        assert_eq!(kwu(json!(0.00001001)), Some(251), "rounded up, so that a floor is still met");
        assert_eq!(kwu(json!(0.0001)), Some(2_500));
        assert_eq!(kwu(json!(1)), Some(25_000_000));
        for nonsense in
            [json!(-1), json!(-1.0), json!(0), json!(0.0), json!(1_000_000), json!(1.5e300), json!(1e-300)]
        {
            assert_eq!(kwu(nonsense.clone()), None, "{nonsense}");
        }
        for nonsense in [json!(null), json!("0.1"), json!([]), json!({})] {
            assert_eq!(kwu(nonsense), None);
        }
    }

    #[test]
    fn a_script_hash_is_the_reversed_sha256() {
        // The example of the protocol's documentation: the output of the genesis block's address.
        let script =
            bitcoin::ScriptBuf::from_hex("76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac").unwrap();
        assert_eq!(script_hash(&script), "8b01df4e368ea28f8dc0423bcf7a4923e3a12d307c875e47a0cfbf90b5c39161");
    }

    #[test]
    fn history_takes_both_mempool_heights_and_refuses_others_below_zero() {
        let id = "aa".repeat(32);
        let entry = |height: i64| json!([{ "tx_hash": id, "height": height, "fee": 1 }]);
        assert_eq!(history(&entry(-1)).unwrap()[0].height, 0);
        assert_eq!(history(&entry(0)).unwrap()[0].height, 0);
        assert_eq!(history(&entry(7)).unwrap()[0].height, 7);
        assert!(history(&entry(-2)).is_err());
        assert!(history(&entry(1 << 40)).is_err());
        assert!(history(&json!({ "history": [] })).is_err());
    }

    #[test]
    fn headers_come_as_one_string_or_as_a_list() {
        let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest).header;
        let hex = bitcoin::consensus::encode::serialize_hex(&genesis);
        let old = json!({ "count": 2, "hex": format!("{hex}{hex}"), "max": 2016 });
        let new = json!({ "count": 2, "headers": [hex, hex], "max": 2016 });
        assert_eq!(block_headers(&old, 2).unwrap(), vec![genesis, genesis]);
        assert_eq!(block_headers(&new, 2).unwrap(), vec![genesis, genesis]);
        assert!(block_headers(&old, 1).is_err());
        assert!(block_headers(&json!({ "hex": &hex[2..] }), 1).is_err());
        assert!(block_headers(&json!({}), 1).is_err());
    }
}
