//! The faucet over HTTP, on a node that writes down what it is asked.

use super::fakes::{PUBLIC_URL, World, read};
use crate::escrow::network::Network;
use crate::service::views::TaskView;
use crate::web::faucet::node::{Node, NodeError};
use crate::web::faucet::{Faucet, Offer};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Answers like a node; its median time follows its mock time with the blocks.
#[derive(Default)]
struct Scripted {
    asked: Mutex<Vec<(String, Value)>>,
    mock_secs: Mutex<u64>,
    mtp_secs: Mutex<u64>,
    empty: bool,
}

impl Node for Scripted {
    fn call(&self, method: &str, params: Value) -> Result<Value, NodeError> {
        self.asked.lock().unwrap().push((method.to_owned(), params.clone()));
        match method {
            "getnewaddress" => Ok(json!("bcrt1qmine")),
            "generatetoaddress" => {
                *self.mtp_secs.lock().unwrap() = *self.mock_secs.lock().unwrap();
                Ok(json!([]))
            }
            "getblockchaininfo" => Ok(json!({ "blocks": 1, "mediantime": *self.mtp_secs.lock().unwrap() })),
            "sendtoaddress" if self.empty => Err(NodeError::Refused { message: "Insufficient funds".into() }),
            "sendtoaddress" => Ok(json!("aa".repeat(32))),
            "setmocktime" => {
                *self.mock_secs.lock().unwrap() = params[0].as_u64().unwrap();
                Ok(Value::Null)
            }
            other => panic!("{other} is not asked for"),
        }
    }
}

const ADDRESS: &str = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6";

async fn world(node: Scripted) -> (World, Arc<Scripted>) {
    let mut world = World::new(None, |_| {}).await;
    let node = Arc::new(node);
    world.faucet = Faucet::with_node(Network::Regtest, Arc::clone(&node) as Arc<dyn Node>);
    (world, node)
}

fn form(path: &str) -> axum::http::request::Builder {
    Request::post(path).header("content-type", "application/x-www-form-urlencoded")
}

async fn as_program(world: &World, path: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    read(world.respond_to(request, "127.0.0.1:50000").await).await
}

#[tokio::test]
async fn a_button_mines_and_leads_back_to_its_page() {
    let (world, node) = world(Scripted::default()).await;
    for (back, leads_to) in [
        ("%2Ftasks%2Fa%23faucet", "/tasks/a#faucet"),
        ("https%3A%2F%2Fevil.example", "/"),
        ("%2F%2Fevil.example", "/"),
        ("%2F%5Cevil.example", "/"),
        ("%2Fa%0D%0Ax%3A+y", "/"),
    ] {
        let body = format!("blocks=3&back={back}");
        let request =
            form("/faucet/mine").header("accept", "text/html").header("origin", "https://upfront.example");
        let response = world.respond_to(request.body(Body::from(body)).unwrap(), "192.0.2.7:50000").await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[header::LOCATION], leads_to);
    }
    assert!(node.asked.lock().unwrap().contains(&("generatetoaddress".into(), json!([3, "bcrt1qmine"]))));
    let origin = crate::web::origin::origin_of(PUBLIC_URL);
    assert_eq!(origin, "https://upfront.example");
}

#[tokio::test]
async fn payments_and_times_are_bounded_and_the_node_s_refusals_told() {
    let (world, node) = world(Scripted { mtp_secs: 1_000.into(), ..Scripted::default() }).await;
    let (status, paid) =
        as_program(&world, "/faucet/pay", json!({ "address": ADDRESS, "amount_sat": 123_456 })).await;
    assert_eq!((status, paid), (StatusCode::OK, json!({ "txid": "aa".repeat(32) })));
    let payment = json!({ "address": ADDRESS, "amount": "0.00123456", "fee_rate": 2 });
    assert!(node.asked.lock().unwrap().contains(&("sendtoaddress".into(), payment)));
    let (status, moved) = as_program(&world, "/faucet/time", json!({ "to_secs": 5_000 })).await;
    assert_eq!((status, moved), (StatusCode::OK, json!({ "height": 1, "mtp_secs": 5_000 })));
    let before = node.asked.lock().unwrap().len();
    for (path, body) in [
        ("mine", json!({ "blocks": 0 })),
        ("mine", json!({ "blocks": 51 })),
        ("mine", json!({})),
        ("mine", json!({ "blocks": [1] })),
        ("pay", json!({ "address": ADDRESS, "amount_sat": 0 })),
        ("pay", json!({ "address": ADDRESS, "amount_sat": 10_000_000_001_u64 })),
        ("pay", json!({ "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "amount_sat": 1 })),
        ("pay", json!({ "amount_sat": 1 })),
        ("time", json!({ "to_secs": -1 })),
    ] {
        let (status, problem) = as_program(&world, &format!("/faucet/{path}"), body.clone()).await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("bad_request")),
            "{body}"
        );
    }
    assert_eq!(node.asked.lock().unwrap().len(), before, "what is refused is not asked of the node");
    let (status, _) = as_program(&world, "/faucet/time", json!({ "to_secs": u32::MAX })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // Back in time it does not go.
    let (_, moved) = as_program(&world, "/faucet/time", json!({ "to_secs": 4_000 })).await;
    assert_eq!(moved["mtp_secs"], 5_000);
    let poor = self::world(Scripted { empty: true, ..Scripted::default() }).await.0;
    let (status, problem) =
        as_program(&poor, "/faucet/pay", json!({ "address": ADDRESS, "amount_sat": 1_000 })).await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::BAD_GATEWAY, Some("faucet_failed")));
    assert!(problem["detail"].as_str().unwrap().contains("Insufficient funds"));
}

#[tokio::test]
async fn without_a_faucet_there_are_no_routes_and_pages_of_other_sites_press_no_button() {
    let world = World::new(None, |_| {}).await;
    for path in ["/faucet/mine", "/faucet/pay", "/faucet/time"] {
        let (status, problem) = as_program(&world, path, json!({ "blocks": 1 })).await;
        assert_eq!((status, problem["code"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")), "{path}");
    }
    for network in Network::ALL.into_iter().filter(|network| *network != Network::Regtest) {
        assert!(Faucet::with_node(network, Arc::new(Scripted::default())).is_none(), "{network}");
    }
    let (world, node) = self::world(Scripted::default()).await;
    let request = form("/faucet/mine").header("origin", "https://evil.example");
    let response = world.respond_to(request.body(Body::from("blocks=1")).unwrap(), "192.0.2.7:50000").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(node.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn pages_offer_what_is_still_to_come() {
    let (world, _) = world(Scripted::default()).await;
    let app = world.app();
    let task = app.service.read_task(&world.id, TaskView::new).unwrap();
    let offer = Offer::on(&app, "/tasks/x").unwrap().paying(ADDRESS, 5).deadlines(&task);
    let names: Vec<&str> = offer.moments.iter().map(|moment| moment.name.as_str()).collect();
    assert_eq!(names, ["funding close", "the work deadline", "T, when refunds begin"]);
    assert_eq!(offer.moments[0].to_secs, u64::from(task.terms.funding_close) + 1);
    let later = Offer { mtp_secs: task.terms.work_deadline + 1, moments: Vec::new(), ..offer };
    assert_eq!(later.deadlines(&task).moments.len(), 1, "what has passed is not offered");
    assert!(Offer::on(&World::new(None, |_| {}).await.app(), "/").is_none());
}

#[tokio::test]
async fn pages_about_money_have_the_buttons_where_there_is_a_faucet() {
    let (world, _) = world(Scripted::default()).await;
    let (task, without) = (format!("/tasks/{}", world.id), World::new(None, |_| {}).await);
    for path in [task.clone(), format!("{task}/pledge")] {
        let (html, _) = world.page(&path).await;
        for part in
            ["action=\"/faucet/mine\"", "action=\"/faucet/pay\"", "Move the clock past funding close", &path]
        {
            assert!(html.contains(part), "{path}: {part} in {html}");
        }
        let (html, _) = without.page(&path).await;
        assert!(!html.contains("faucet"), "{path}: {html}");
    }
}
