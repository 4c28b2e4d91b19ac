//! The table of types, and of what stands in the `data` of each, against what events really are.

use super::super::{FIELDS, KINDS, What};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What one event has beyond what its type always has.
fn may_have(kind: &str) -> &'static [&'static str] {
    match kind {
        "settlement_proposed" => &["submission", "to"],
        "spend_seen" | "spend_confirmed" | "spend_unconfirmed" | "spend_dropped" => {
            &["to_charter", "to_index"]
        }
        _ => &[],
    }
}

fn always_has(kind: &str) -> BTreeSet<&'static str> {
    let (_, fields) = FIELDS.iter().find(|(name, _)| *name == kind).expect("every type is in the table");
    fields.iter().copied().collect()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// An event has all that the table says, and nothing else.
#[track_caller]
pub(super) fn check(what: &What) {
    let event = serde_json::to_value(what).unwrap();
    let (kind, always) = (what.kind(), always_has(what.kind()));
    let has = keys(&event["data"]);
    assert!(always.is_subset(&has), "{event} lacks some of {always:?}");
    assert!(
        has.difference(&always).all(|key| may_have(kind).contains(key)),
        "{event} has more than {always:?}"
    );
}

/// Something that may stand under each name, whatever the type.
fn samples() -> Map<String, Value> {
    let (id, numbers) = (
        "0".repeat(64),
        [
            "target_sat",
            "raised_sat",
            "promised_sat",
            "amount_sat",
            "minimum_sat",
            "height",
            "needs",
            "number",
            "opens_secs",
            "closes_secs",
            "ruling_ends_secs",
            "electorate_sat",
            "yes_sat",
            "no_sat",
            "counter",
            "weight_sat",
            "pay_bps",
            "feerate_sat_per_vb",
            "payments",
            "transactions",
            "transaction",
            "confirmations",
            "moved",
            "blocks",
            "generation",
            "to_index",
            "place",
            "until_secs",
        ],
    );
    let flags = ["pair_only", "quorum_met", "threshold_reached", "counted", "accepted", "dispute", "counts"];
    let ids = ["txid", "block_hash", "settlement", "submission", "content", "to_charter"];
    let texts = ["title", "open_address", "address", "link", "name"];
    let mut samples = Map::new();
    let mut put = |names: &[&str], value: Value| {
        samples.extend(names.iter().map(|name| ((*name).to_owned(), value.clone())));
    };
    put(&numbers, json!(1));
    put(&flags, json!(true));
    put(&ids, json!(id));
    put(&texts, json!("text"));
    put(&["outpoint"], json!(format!("{id}:0")));
    put(&["role"], json!("developer"));
    put(&["from", "to"], json!("open"));
    put(&["rule"], json!("all_or_nothing"));
    put(&["reason"], json!("late"));
    put(&["was"], json!("surplus"));
    put(&["choice"], json!("yes"));
    put(&["lead"], json!("accept"));
    put(&["seat"], json!("developer"));
    put(&["kind"], json!("early_return"));
    put(&["by"], json!("pledge 3"));
    put(&["confirmed"], json!("merged"));
    samples
}

/// Of every type, also of those that no test has happen: what the table says is enough to make one, and all that it
/// then says of itself.
#[test]
fn the_table_has_the_shape_of_every_type() {
    assert!(FIELDS.iter().map(|(kind, _)| kind).eq(KINDS));
    let samples = samples();
    for (kind, fields) in FIELDS {
        let data: Map<String, Value> =
            fields.iter().map(|field| ((*field).to_owned(), samples[*field].clone())).collect();
        let event = json!({ "type": kind, "data": data });
        let what: What =
            serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(serde_json::to_value(&what).unwrap(), event);
        check(&what);
    }
}

#[test]
fn no_type_of_event_is_missing_from_the_list() {
    // Serde names the variants it knows when it is given one it does not.
    let wrong = serde_json::json!({ "type": "no_such_thing", "data": {} });
    let error = serde_json::from_value::<What>(wrong).unwrap_err().to_string();
    let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(known.len() > 40, "{error}");
    assert_eq!(known, KINDS);
}
