//! Every kind of value in a document, changed to another of its kind: the document can no longer be read,
//! or something is found, or the value is the service's word and documented so.

use super::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// Values that nothing follows from. (`secured` is the service's word too, but the sum of those unspent must fit.)
const WORD_OF_THE_SERVICE: [&str; 4] = [
    "pledges/*/promised_sat",
    "pledges/*/issued_mtp_secs",
    "settlements/*/proposed_mtp_secs",
    "settlements/*/signed_by/*",
];
/// Words that stand for something; a value that is one of them becomes each of the others.
const WORDS: [&str; 14] = [
    "yes",
    "no",
    "key",
    "cooperative",
    "refund",
    "developer",
    "representative",
    "arbiter",
    "credited",
    "gift",
    "below_minimum",
    "payout",
    "ruling",
    "regtest",
];

/// Paths of all leaves, by their pattern: steps that count or name something are `*`.
fn leaves(value: &Value, path: &str, pattern: &str, found: &mut BTreeMap<String, Vec<String>>) {
    let named = |key: &str| key.bytes().all(|b| b.is_ascii_digit()) || key.len() == 64;
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let step = if named(key) { "*" } else { key };
                leaves(value, &format!("{path}/{key}"), &format!("{pattern}/{step}"), found);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                leaves(value, &format!("{path}/{at}"), &format!("{pattern}/*"), found);
            }
        }
        Value::Null => {}
        _ => found.entry(pattern[1..].to_owned()).or_default().push(path.to_owned()),
    }
}

fn changes(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(is) => vec![Value::Bool(!is)],
        Value::Number(number) => vec![Value::from(number.as_u64().unwrap() + 1)],
        Value::String(text) if WORDS.contains(&text.as_str()) => {
            WORDS.iter().filter(|word| *word != text).map(|word| Value::from(*word)).collect()
        }
        Value::String(text) => {
            // Other hex where it is hex, and another last character everywhere.
            let turn = |c: char| if c == '1' { '2' } else { '1' };
            let first = text.chars().next().map(|c| turn(c).to_string() + &text[c.len_utf8()..]);
            let mut last = text.clone();
            let end = last.pop().map(turn);
            last.extend(end);
            first.into_iter().chain([last]).map(Value::from).collect()
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Vec::new(),
    }
}

#[test]
fn no_value_can_be_changed_unseen() {
    let document = serde_json::to_value(Life::paid().document()).unwrap();
    let mut patterns = BTreeMap::new();
    leaves(&document, "", "", &mut patterns);
    assert!(patterns.len() > 90, "{}", patterns.len());
    patterns.remove("outpoints/*/secured");
    let mut wrong = Vec::new();
    for (pattern, paths) in patterns {
        let ends = [paths.first(), paths.last().filter(|_| paths.len() > 1)];
        for path in ends.into_iter().flatten() {
            for change in changes(document.pointer(path).unwrap()) {
                let mut changed = document.clone();
                *changed.pointer_mut(path).unwrap() = change.clone();
                let Ok(read) = ProofDocument::parse(&changed.to_string()) else { continue };
                let silent = check(&read).is_ok();
                let expected = WORD_OF_THE_SERVICE.contains(&pattern.as_str());
                if silent != expected {
                    wrong.push(format!("{path} ({pattern}) as {change}"));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
