//! Checkout, pledge and vote as pages, through the life of a pledge.

use super::super::fakes::World;
use crate::escrow::charter::Charter;
use crate::escrow::statement::{CharterId, Choice, Move, Signed, TaskId};
use crate::escrow::testing;
use axum::http::StatusCode;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Amount, OutPoint};
use serde_json::Value;

impl World {
    /// The pledge's page in this state, told the same to browsers and programs.
    async fn stands(&self, index: u32, state: &str) -> (String, Value) {
        let (html, json) = self.page(&format!("/tasks/{}/pledges/{index}", self.id)).await;
        assert_eq!(json["headline"]["state"], state, "{}", json["headline"]);
        assert!(html.contains(&format!("data-state=\"{state}\"")), "{html}");
        (html, json)
    }

    fn pay_pledge(&self, index: u32, amount_sat: u64) -> OutPoint {
        let script =
            self.service.read_task(&self.id, |task, _| task.pledges()[&index].output.script_pubkey.clone());
        self.chain().pay_one(&script.unwrap(), Amount::from_sat(amount_sat))
    }
}

#[tokio::test]
async fn a_checkout_says_what_is_taken_and_shows_no_address() {
    let mut world = World::new(None, |_| {}).await;
    let path = format!("/tasks/{}/pledge", world.id);
    let (html, json) = world.page(&path).await;
    assert_eq!(json["closed"], Value::Null);
    let fields = world.charter.fields();
    assert_eq!(json["minimum_sat"], fields.minimum_pledge_sat);
    assert_eq!(json["left_sat"], fields.cap_sat);
    assert!(!html.contains("bcrt1"), "no address before it was checked: {html}");
    assert!(
        html.contains(&format!("upfront pledge {}", world.id)),
        "the command line for those without JavaScript"
    );
    assert!(html.contains("checkout.js"));
    // An address that waits for its payment takes room.
    world.sent("pledges", world.pledge_body(1, 300_000)).await;
    assert_eq!(world.page(&path).await.1["left_sat"], world.charter.fields().cap_sat - 300_000);
    world.advance_to(world.charter.fields().funding_close + 1).await;
    let (html, json) = world.page(&path).await;
    assert!(json["closed"].as_str().unwrap().contains("Funding has closed"), "{json}");
    assert!(html.contains("No pledges now"));
    let (status, _, _) = world.browse(&format!("/tasks/{}/pledge", "0".repeat(64))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pledge_is_told_from_address_to_refund() {
    let mut world = World::new(Some(Amount::from_sat(1_000_000)), |_| {}).await;
    world.sent("pledges", world.pledge_body(1, 500_000)).await;
    let (html, json) = world.stands(1, "waiting").await;
    let address = json["pledge"]["address"].as_str().unwrap();
    let outside = html.split("<noscript>").next().unwrap();
    assert!(
        !outside.contains(address),
        "an address that nobody checked is for those without JavaScript alone"
    );
    assert!(html.contains("Not checked"));
    let outpoint = world.pay_pledge(1, 500_000);
    world.look().await;
    let (html, json) = world.stands(1, "seen").await;
    assert_eq!(json["payments"][0]["security"]["state"], "unsecured");
    assert!(html.contains("Keep this tab open until your refund is secured"));
    assert!(!html.contains("Not checked"), "what is paid is asked for no more");
    world.mine(1).await;
    world.stands(1, "credited_unsecured").await;
    world.sent("refunds", serde_json::json!(world.bundle(outpoint))).await;
    let (html, _) = world.stands(1, "credited_secured").await;
    assert!(html.contains("data-security=\"secured\""), "{html}");
    // A second payment, and one that is too small.
    world.pay_pledge(1, 1_000);
    world.mine(1).await;
    let (_, json) = world.stands(1, "credited_unsecured").await;
    assert_eq!(json["remarks"][0]["state"], "double");
    let small: Vec<&str> = json["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| payment["words"]["state"].as_str().unwrap())
        .collect();
    assert!(small.contains(&"below_minimum") && small.contains(&"credited"), "{small:?}");
    world.advance_to(world.charter.fields().refund_time + 1).await;
    world.look().await;
    let (_, json) = world.page(&format!("/tasks/{}/pledges/1", world.id)).await;
    let states: Vec<&str> = json["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| payment["words"]["state"].as_str().unwrap())
        .collect();
    assert!(states.contains(&"refunding") && states.contains(&"refund_unsigned"), "{states:?}");
    assert_eq!(json["headline"]["state"], "refund_unsigned");
    let (status, _, _) = world.browse(&format!("/tasks/{}/pledges/2", world.id)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_pledge_below_and_above_what_was_meant_has_words_for_it() {
    let world = &mut World::new(None, |_| {}).await;
    world.sent("pledges", world.pledge_body(1, 500_000)).await;
    world.sent("pledges", world.pledge_body(2, 400_000)).await;
    world.pay_pledge(1, 450_000);
    world.pay_pledge(2, 450_000);
    world.look().await;
    assert_eq!(world.stands(1, "seen").await.1["remarks"][0]["state"], "under");
    assert_eq!(world.stands(2, "seen").await.1["remarks"][0]["state"], "over_promised");
}

#[tokio::test]
async fn a_pledge_is_led_to_other_tasks_and_tells_where_its_sponsor_moves_it() {
    let mut world = World::new(None, |_| {}).await;
    let path = format!("/tasks/{}/pledges/1/move", world.id);
    let (status, _, _) = world.browse(&path).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "no such pledge");
    let outpoint = world.fund(1, 400_000).await;
    let (html, json) = world.page(&path).await;
    assert_eq!((&json["closed"], &json["destinations"]), (&Value::Null, &serde_json::json!([])));
    assert!(html.contains("No other task of this repository takes pledges now"), "{html}");
    assert!(html.contains(&format!("upfront pledge move {}", world.id)) && html.contains("move.js"));
    assert!(!html.contains("bcrt1"), "no address: {html}");
    let (_, task) = world.page(&format!("/tasks/{}", world.id)).await;
    assert_eq!(task["go_on"], Value::Null, "there is nowhere to go on");

    // Another charter of the same wish, whose funding is open beyond this one's T; and one that closed.
    let later = 140 * 86_400;
    let here = world
        .elsewhere(|fields| {
            fields.refund_time += later;
            fields.work_deadline += later;
            fields.milestones[0].due += later;
            fields.funding_close += later;
        })
        .await;
    let there = world.charter.clone();
    world.sent("pledges", world.pledge_body(1, 400_000)).await;
    let address = world.service.read_task(&world.id, |task, _| task.pledges()[&1].output.address.clone());
    let address = address.unwrap().to_string();
    world.elsewhere(|fields| fields.repository = "https://example.org/another".into()).await;
    let stranger = world.id;
    world.back_to(here.clone());
    let (html, json) = world.page(&path).await;
    assert_eq!(json["destinations"].as_array().unwrap().len(), 1, "{}", json["destinations"]);
    let told = &json["destinations"][0];
    assert_eq!(
        (&told["charter"], &told["same"]),
        (&serde_json::json!(there.id()), &serde_json::json!("wish"))
    );
    assert_eq!((&told["takes_later"], &json["to"]), (&serde_json::json!(true), &Value::Null));
    // Anybody can have such a charter attested: it is chosen only by whoever was led to it, and told with its holders.
    let chosen = |html: &str, id: CharterId| html.contains(&format!("name=\"to\" value=\"{id}\" checked"));
    assert!(html.contains(&format!("name=\"to\" value=\"{}\"", there.id())), "{html}");
    assert!(!html.contains("name=\"to\" value=\"\" checked") && !chosen(&html, there.id()), "{html}");
    let seat = testing::seat(here.network(), 1);
    assert!(html.contains("look at its three key holders") && html.contains(&seat.nominated_by), "{html}");
    assert_eq!(told["holders"].as_array().unwrap().len(), 3, "{told}");
    assert!(seat.key.contains(told["holders"][0]["fingerprint"].as_str().unwrap()), "{told}");
    let (html, _) = world.page(&format!("{path}?to={}", there.id())).await;
    assert!(chosen(&html, there.id()), "{html}");
    // Whatever is named comes first, a stranger too; the task itself is no other.
    let (html, json) = world.page(&format!("{path}?to={stranger}")).await;
    assert_eq!(
        (&json["destinations"][0]["same"], &json["to_listed"]),
        (&serde_json::json!("nothing"), &serde_json::json!(true))
    );
    assert!(html.contains("example.org/another"));
    let (html, json) = world.page(&format!("{path}?to={}", "0".repeat(64))).await;
    assert_eq!(json["to_listed"], false);
    assert!(html.contains(&format!("value=\"{}\"", "0".repeat(64))), "{html}");
    assert_eq!(world.page(&format!("{path}?to={}", world.id)).await.1["to"], Value::Null);
    let (status, _, _) = world.browse(&format!("{path}?to=there")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (html, task) = world.page(&format!("/tasks/{}", world.id)).await;
    assert_eq!(task["go_on"]["pledges"], serde_json::json!([1]));
    assert!(html.contains("look at its three key holders before you move there"), "{html}");
    assert!(html.contains(&format!("/pledges/1/move?to={}", there.id())), "{html}");
    let (html, json) = world.stands(1, "credited_secured").await;
    assert_eq!((&json["movable"], &json["moves"]), (&serde_json::json!(true), &serde_json::json!([])));
    assert!(html.contains(&format!("href=\"{path}\"")), "{html}");

    // Signed; then too late for signers; then T.
    let said = Move {
        network: here.network(),
        charter: here.id(),
        outpoint,
        to_charter: there.id(),
        to_index: 1,
        to_address: address,
    };
    let consent = Signed::new(&Secp256k1::new(), said, &testing::sponsor(1));
    world.sent("moves", serde_json::json!(consent)).await;
    let (html, json) = world.stands(1, "credited_secured").await;
    let told = &json["moves"][0];
    assert_eq!((&told["step"], &told["to_pledge"]), (&serde_json::json!("consented"), &serde_json::json!(1)));
    assert!(html.contains("data-move=\"consented\"") && html.contains("two of this task’s three"), "{html}");
    let (html, _) = world.page(&path).await;
    assert!(html.contains("id=\"move-signed\"") && html.contains("data-move=\"consented\""), "{html}");
    let (html, json) = world.page(&format!("/tasks/{}/pledges/1", there.id())).await;
    assert_eq!(
        (&json["headline"]["state"], &json["wanted"]),
        (&serde_json::json!("moving_here"), &serde_json::json!(false))
    );
    assert!(html.contains("Do not pay here besides") && !html.contains("Where to pay"), "{html}");
    let offers = world.page(&format!("/tasks/{}/settlements", world.id)).await.1;
    let kinds = offers["offers"].as_array().unwrap().iter();
    assert!(
        kinds.clone().any(|offer| offer["kind"] == "move" && offer["to"] == serde_json::json!(there.id()))
    );
    world.advance_to(here.cutoff_secs() + 1).await;
    assert_eq!(world.stands(1, "credited_secured").await.1["moves"][0]["step"], "too_late");
    let (_, json) = world.page(&format!("/tasks/{}/pledges/1", there.id())).await;
    assert_eq!(json["headline"]["state"], "lapsed", "nothing comes any more");
    world.advance_to(here.refund_time_secs() + 1).await;
    let (html, json) = world.page(&path).await;
    assert!(json["closed"].as_str().unwrap().contains("refund time has come"), "{json}");
    assert!(html.contains("Nothing can move now") && !html.contains("id=\"where-form\""), "{html}");
    assert_eq!(world.page(&format!("/tasks/{}", world.id)).await.1["go_on"], Value::Null);
}

/// Dates and the wish that a charter names are whatever its drafter says; money that was paid is not.
#[tokio::test]
async fn what_was_written_first_or_raised_more_is_offered_first_whatever_a_charter_promises() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 400_000).await;
    let path = format!("/tasks/{}/pledges/1/move", world.id);
    let later = 140 * 86_400;
    let put_off = |fields: &mut crate::escrow::charter::CharterFields, days: u32| {
        let later = later + days * 86_400;
        fields.refund_time += later;
        fields.work_deadline += later;
        fields.milestones[0].due += later;
        fields.funding_close += later;
    };
    let here = world
        .elsewhere(|fields| {
            put_off(fields, 0);
            fields.task = TaskId([9; 32]);
        })
        .await;
    let project = world.charter.clone();
    // It names the same wish, and takes pledges for longest.
    world
        .elsewhere(|fields| {
            put_off(fields, 140);
            fields.task = here.fields().task;
        })
        .await;
    let hostile = world.charter.clone();
    world.back_to(here.clone());
    let order = |json: &Value| -> Vec<String> {
        let all = json["destinations"].as_array().unwrap().iter();
        all.map(|each| each["charter"].as_str().unwrap().to_owned()).collect()
    };
    let ids = |all: &[&Charter]| -> Vec<String> { all.iter().map(|each| each.id().to_string()).collect() };
    assert_eq!(order(&world.page(&path).await.1), ids(&[&project, &hostile]));
    let (_, task) = world.page(&format!("/tasks/{}", world.id)).await;
    assert_eq!(task["go_on"]["to"].as_array().unwrap().len(), 1, "T is far: the other names the same wish");
    // What is named comes first, and once.
    let (_, json) = world.page(&format!("{path}?to={}", hostile.id())).await;
    assert_eq!(order(&json), ids(&[&hostile, &project]));
    // Money moves a task up.
    world.back_to(hostile.clone());
    world.fund(1, 300_000).await;
    world.back_to(here);
    assert_eq!(order(&world.page(&path).await.1), ids(&[&hostile, &project]));
}

#[tokio::test]
async fn a_vote_says_what_it_does_and_how_the_count_stands() {
    let mut world = World::new(None, |_| {}).await;
    let path = format!("/tasks/{}/vote", world.id);
    let (html, json) = world.page(&path).await;
    assert_eq!(json["work"], Value::Null);
    assert!(html.contains("nothing to vote on yet"));
    for index in 1..=2 {
        world.fund(index, 400_000).await;
    }
    world.advance_to(world.charter.fields().funding_close + 1).await;
    let submission = world.submit(0).await;
    world.sent("votes", world.vote_body(submission, 1, Choice::Yes, 0)).await;
    let (html, json) = world.page(&path).await;
    assert_eq!(json["work"]["id"], submission.to_string());
    assert_eq!(json["work"]["tally"]["yes_sat"], 400_000);
    assert_eq!(json["work"]["silent_sat"], 400_000);
    assert_eq!(json["work"]["closed"], false);
    assert!(
        html.contains("free chance to be refunded") && html.contains("releases your own money"),
        "{html}"
    );
    assert!(html.contains("href=\"https://example.org/pull/7\""), "{html}");
    assert!(html.contains(&format!("upfront vote {}", world.id)));
    let (html, json) = world.page(&format!("/tasks/{}/pledges/1", world.id)).await;
    assert_eq!(json["voting"], true);
    assert!(html.contains(&format!("href=\"/tasks/{}/vote\"", world.id)));
    assert_eq!(json["steps"][4]["mark"], "done", "{}", json["steps"]);
    let closes = world.task().await["submissions"][0]["window"]["closes_secs"].as_u64().unwrap();
    world.advance_to(u32::try_from(closes).unwrap() + 1).await;
    assert_eq!(world.page(&path).await.1["work"]["closed"], true);
}
