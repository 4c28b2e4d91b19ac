//! The invariant that holds in every case: credited + awaiting depth + surplus + below minimum + gifts = the
//! confirmed unspent outputs at issued addresses. One side is what the service says; the other is what the
//! node itself finds in its set of unspent outputs. Nothing here asks the service twice for one number.

use super::node::amount;
use super::{Api, Failure, Node};
use bitcoin::{Amount, OutPoint};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use upfront::escrow::pledge::Standing;
use upfront::escrow::statement::CharterId;
use upfront::service::views::{OutpointView, TaskView};

/// Where the books are not what the chain says, in words; `Ok` when they are.
pub fn compare(node: &Node, api: &Api) -> Result<(), String> {
    let tasks = tasks(api).map_err(|failure| format!("{failure:?}"))?;
    let addresses: BTreeSet<&String> = tasks.iter().flat_map(issued).collect();
    let (tip, unspent) = unspent(node, &addresses);
    let mut held: BTreeMap<OutPoint, Amount> = BTreeMap::new();
    let mut sum = Amount::ZERO;
    for task in &tasks {
        match task.tip {
            Some(known) if known.hash.to_string() == tip => {}
            known => return Err(format!("computed under {known:?}, the node is at {tip}")),
        }
        let t = &task.totals;
        sum += t.credited + t.awaiting_depth + t.surplus + t.below_minimum + t.gifts;
        for view in outpoints(task).filter(|view| is_held(view)) {
            let again = held.insert(view.outpoint, Amount::from_sat(view.amount_sat));
            assert_eq!(again, None, "{} is counted twice", view.outpoint);
        }
    }
    if held != unspent {
        return Err(format!("the service holds {held:?}, the node {unspent:?}"));
    }
    let total: Amount = unspent.values().copied().sum();
    if sum != total { Err(format!("the totals make {sum}, the node has {total}")) } else { Ok(()) }
}

/// While a server lies: whatever is counted is on the chain and unspent, and nothing is counted twice.
pub fn nothing_false(node: &Node, api: &Api) -> Result<(), String> {
    let tasks = tasks(api).map_err(|failure| format!("{failure:?}"))?;
    let addresses: BTreeSet<&String> = tasks.iter().flat_map(issued).collect();
    let (_, unspent) = unspent(node, &addresses);
    let mut counted = BTreeSet::new();
    for task in &tasks {
        for view in outpoints(task).filter(|view| is_held(view)) {
            if unspent.get(&view.outpoint) != Some(&Amount::from_sat(view.amount_sat)) {
                return Err(format!("{view:?} is counted, the node has no such output"));
            }
            if !counted.insert(view.outpoint) {
                return Err(format!("{view:?} is counted twice"));
            }
        }
        let t = &task.totals;
        let sum = t.credited + t.awaiting_depth + t.surplus + t.below_minimum + t.gifts;
        let held = outpoints(task).filter(|view| is_held(view)).map(|view| Amount::from_sat(view.amount_sat));
        let held: Amount = held.sum();
        if sum != held {
            return Err(format!("the totals make {sum}, the outpoints {held}"));
        }
    }
    Ok(())
}

/// Confirmed, and no mined transaction spends it.
fn is_held(view: &OutpointView) -> bool {
    let confirmed = !matches!(view.standing, None | Some(Standing::Vanished | Standing::Seen));
    confirmed && view.ended.is_none_or(|ended| ended.depth == 0)
}

fn outpoints(task: &TaskView) -> impl Iterator<Item = &OutpointView> {
    task.pledges.iter().flat_map(|pledge| &pledge.outpoints).chain(&task.gifts)
}

fn issued(task: &TaskView) -> impl Iterator<Item = &String> {
    let later = task.pledges.iter().flat_map(|pledge| &pledge.later_addresses);
    task.pledges.iter().map(|pledge| &pledge.address).chain(later).chain(&task.open_address)
}

fn tasks(api: &Api) -> Result<Vec<TaskView>, Failure> {
    let list: Value = api.get("/tasks")?;
    let list = list["items"].as_array().expect("a page of tasks");
    let id = |task: &Value| -> CharterId { task["charter"].as_str().unwrap().parse().unwrap() };
    list.iter().map(|task| api.task(&id(task))).collect()
}

/// What the node has, confirmed and unspent, at these addresses, and the tip it has it under.
fn unspent(node: &Node, addresses: &BTreeSet<&String>) -> (String, BTreeMap<OutPoint, Amount>) {
    let wanted: Vec<String> = addresses.iter().map(|address| format!("addr({address})")).collect();
    let scan = node.json(&["scantxoutset", "start", &json!(wanted).to_string()]);
    let outpoint = |output: &Value| OutPoint {
        txid: output["txid"].as_str().unwrap().parse().unwrap(),
        vout: output["vout"].as_u64().unwrap().try_into().unwrap(),
    };
    let found = scan["unspents"].as_array().unwrap().iter();
    let found = found.map(|output| (outpoint(output), amount(&output["amount"]))).collect();
    (scan["bestblock"].as_str().unwrap().to_owned(), found)
}
