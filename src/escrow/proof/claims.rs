//! What a document claims against what follows from it, leaf by leaf.

use super::Findings;
use serde::Serialize;
use serde_json::Value;

/// Notes every leaf in which `claimed` differs from `computed`.
pub(super) fn compare<T: Serialize>(field: &str, claimed: &T, computed: &T, findings: &mut Findings) {
    match (serde_json::to_value(claimed), serde_json::to_value(computed)) {
        (Ok(claimed), Ok(computed)) => values(field, Some(&claimed), Some(&computed), findings),
        _ => findings.add(field, "cannot be written as JSON"),
    }
}

fn values(field: &str, claimed: Option<&Value>, computed: Option<&Value>, findings: &mut Findings) {
    match (claimed, computed) {
        (claimed, computed) if claimed == computed => {}
        (Some(Value::Object(claimed)), Some(Value::Object(computed))) => {
            for key in claimed.keys().chain(computed.keys().filter(|key| !claimed.contains_key(*key))) {
                values(&format!("{field}/{key}"), claimed.get(key), computed.get(key), findings);
            }
        }
        (Some(Value::Array(claimed)), Some(Value::Array(computed))) => {
            for at in 0..claimed.len().max(computed.len()) {
                values(&format!("{field}/{at}"), claimed.get(at), computed.get(at), findings);
            }
        }
        (claimed, computed) => {
            let words = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            findings.add(field, format!("claimed {}, computed {}", words(claimed), words(computed)));
        }
    }
}
