//! Canonical JSON (RFC 8785) for charters: one text for one meaning. Bytes that are not canonical,
//! a key given twice and a key nobody knows are refused, because two readers could read them
//! differently.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, de::Error as _};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;

/// Canonical bytes of a value. Fails only where a number or a map key cannot be written in JSON.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(value)
}

/// The first key that some object of the text gives twice.
pub fn first_duplicate_key(text: &str) -> Result<Option<String>, serde_json::Error> {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Walk { found: &mut found }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(found)
}

/// The path of the first key in `given` that `known` (the same document, read and written back) lacks.
pub fn first_unknown_key(given: &Value, known: &Value) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            given.iter().find_map(|(key, value)| match known.get(key) {
                None => Some(key.clone()),
                Some(other) => first_unknown_key(value, other).map(|rest| format!("{key}.{rest}")),
            })
        }
        (Value::Array(given), Value::Array(known)) => {
            given.iter().zip(known).enumerate().find_map(|(i, (value, other))| {
                first_unknown_key(value, other).map(|rest| format!("{i}.{rest}"))
            })
        }
        _ => None,
    }
}

/// Visits a JSON text and remembers the first duplicate key; serde's own maps keep the last silently.
struct Walk<'a> {
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom("fractions and exponents have no place here: amounts are whole satoshis"))
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Walk { found: self.found })?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if key.len() > 64 {
                return Err(A::Error::custom("a key longer than 64 bytes"));
            }
            map.next_value_seed(Walk { found: self.found })?;
            if self.found.is_none() && keys.contains(&key) {
                *self.found = Some(key.clone());
            }
            keys.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn duplicates_are_found_at_any_depth() {
        assert_eq!(first_duplicate_key(r#"{"a":1,"b":[{"c":1,"c":2}]}"#).unwrap(), Some("c".into()));
        assert_eq!(first_duplicate_key(r#"{"a":1,"b":{"a":2}}"#).unwrap(), None);
        assert!(first_duplicate_key("{} x").is_err());
        assert!(first_duplicate_key("1e3").is_err());
    }

    #[test]
    fn unknown_keys_are_named_by_path() {
        let known = json!({"a": {"b": 1}, "l": [{"x": 1}]});
        assert_eq!(first_unknown_key(&json!({"a": {"b": 1, "z": 2}}), &known), Some("a.z".into()));
        assert_eq!(first_unknown_key(&json!({"l": [{"x": 1, "y": 1}]}), &known), Some("l.0.y".into()));
        assert_eq!(first_unknown_key(&known, &known), None);
    }

    #[test]
    fn rfc8785_orders_keys_and_drops_space() {
        let value: Value = serde_json::from_str(r#"{ "b": [1, null], "a": "ü\u0001" }"#).unwrap();
        assert_eq!(to_bytes(&value).unwrap(), "{\"a\":\"ü\\u0001\",\"b\":[1,null]}".as_bytes());
    }
}
