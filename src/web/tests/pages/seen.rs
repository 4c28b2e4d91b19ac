//! What is seen of people: timelines with who signed what, signers who are silent, arbiters' records.

use super::public::assert_has;
use crate::escrow::network::Network;
use crate::escrow::statement::{Choice, Role};
use crate::escrow::testing;
use crate::web::tests::fakes::World;
use axum::http::StatusCode;
use bitcoin::secp256k1::Secp256k1;
use serde_json::{Value, json};

#[tokio::test]
async fn a_timeline_says_of_every_act_who_signed_it() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 200_000).await;
    let submission = world.submit(0).await;
    world.sent("votes", world.vote_body(submission, 1, Choice::Yes, 1)).await;
    let (html, json) = world.page(&world.task_path("/timeline")).await;
    let events = json["events"].as_array().unwrap();
    let key = testing::sponsor(1).x_only_public_key().0;
    let vote = events.iter().find(|row| row["event"]["type"] == "vote_cast").unwrap();
    assert_eq!(vote["source"], "signed");
    let signed = json!({ "part": "sponsor", "form": "bip340", "key": key.to_string() });
    assert_eq!(vote["event"]["signed_by"], signed);
    let paid = events.iter().find(|row| row["event"]["type"] == "payment_seen").unwrap();
    let outpoint = paid["event"]["data"]["outpoint"].as_str().unwrap();
    assert_eq!((paid["source"].as_str(), outpoint.split(':').next()), (Some("chain"), paid["txid"].as_str()));
    let script = format!("Signed by the sponsor of pledge 1 (BIP340), key <span class=\"hash\">{key}</span>");
    let seen =
        format!("Seen on the chain, txid <span class=\"hash\">{}</span>", paid["txid"].as_str().unwrap());
    assert_has(&html, &[&script, &seen, "Signed by nobody: it binds nobody", "This is where it begins."]);
    assert_has(
        &html,
        &["feed.atom", "data-live", &format!("data-events=\"/api/v1/tasks/{}/events\"", world.id)],
    );
    // What the API tells is what stands here, the other way round.
    let (_, told) = world.get(&format!("/api/v1/tasks/{}/events?limit=1000", world.id)).await;
    let mut told = told["items"].as_array().unwrap().clone();
    told.reverse();
    assert_eq!(events.iter().map(|row| row["event"].clone()).collect::<Vec<_>>(), told);

    let project = json["project"].as_str().unwrap();
    let (html, json) = world.page(&format!("/projects/{project}/timeline")).await;
    assert_eq!(json["events"].as_array().unwrap().len(), told.len());
    assert_has(
        &html,
        &["Teach the parser to read dates before 1970.", &format!("/api/v1/projects/{project}/feed.atom")],
    );
    world.missing(&format!("/projects/{}/timeline", "0".repeat(32))).await;
    world.missing(&format!("/tasks/{}/timeline", "0".repeat(64))).await;
    let (status, ..) = world.browse(&world.task_path("/timeline?before=never")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, feed) = world.get(&format!("/api/v1/tasks/{}/feed.atom", world.id)).await;
    assert_has(feed.as_str().unwrap(), &[&format!("Signed by the sponsor of pledge 1, key {key}.")]);
}

#[tokio::test]
async fn a_long_timeline_is_paged_backwards() {
    let world = World::new(None, |_| {}).await;
    for index in 1..=60 {
        world.sent("pledges", world.pledge_body(index, 10_000)).await;
    }
    let (mut path, mut ids, mut pages) = (world.task_path("/timeline"), Vec::new(), 0);
    loop {
        let (html, json) = world.page(&path).await;
        pages += 1;
        ids.extend(json["events"].as_array().unwrap().iter().map(|row| row["event"]["id"].to_string()));
        assert_eq!(html.contains("Back to the newest"), pages > 1);
        let Some(next) = json["next"].as_str() else {
            assert_eq!(json["complete"], true);
            break;
        };
        assert_has(&html, &[&format!("/timeline?before={next}")]);
        path = world.task_path(&format!("/timeline?before={next}"));
    }
    let (_, told) = world.get(&format!("/api/v1/tasks/{}/events?limit=1000", world.id)).await;
    let mut told: Vec<_> =
        told["items"].as_array().unwrap().iter().map(|event| event["id"].to_string()).collect();
    told.reverse();
    assert_eq!((ids, pages), (told, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_signer_is_shown_with_what_the_others_can_do() {
    let (mut world, submission) = World::voted().await;
    let task = format!("/tasks/{}", world.id);
    let waits = |json: &Value, role: &str| {
        let signers = json["signers"].as_array().unwrap();
        signers.iter().find(|signer| signer["role"] == role).unwrap().clone()
    };
    world.close_vote().await;
    let (html, json) = world.page(&task).await;
    let arbiter = waits(&json, "arbiter");
    assert_eq!((&arbiter["silent"], &arbiter["waiting"][0]["what"]), (&json!(false), &json!("ruling")));
    assert!(html.contains("What waits for them") && html.contains("Called silent after"), "{html}");
    assert!(!html.contains("Meanwhile the other two can"), "{html}");
    let (_, desk) = world.page("/desk/developer").await;
    assert_eq!(desk["silent"], json!([]));

    let last = u32::try_from(arbiter["waiting"][0]["silent_after_secs"].as_u64().unwrap()).unwrap();
    world.advance_to(last + 1).await;
    let (html, json) = world.page(&task).await;
    let arbiter = waits(&json, "arbiter");
    assert_eq!(
        (&arbiter["silent"], &arbiter["waiting"][0]["submission"]),
        (&json!(true), &json!(submission))
    );
    let ways: Vec<&str> = arbiter["waiting"][0]["others_can"]
        .as_array()
        .unwrap()
        .iter()
        .map(|way| way["way"].as_str().unwrap())
        .collect();
    assert_eq!(ways, ["pay_freed", "early_return", "noes_return"]);
    for part in [
        "Meanwhile the other two can",
        "the two can sign that payout",
        "<span class=\"state warn\">silent</span>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    for role in ["developer", "representative", "arbiter"] {
        let (html, desk) = world.page(&format!("/desk/{role}")).await;
        let silent = desk["silent"].as_array().unwrap();
        let arbiter = silent.iter().find(|seat| seat["signer"]["role"] == "arbiter").unwrap();
        assert_eq!(arbiter["own"], role == "arbiter");
        assert!(html.contains("Silent signers") && html.contains("ten minutes"), "{html}");
    }
    // The API tells the same.
    let (_, view) = world.get(&format!("/api/v1/tasks/{}", world.id)).await;
    assert_eq!(view["signers"], json["signers"]);

    let ruled = world.ruling_body(submission, 5_000);
    world.sent("rulings", ruled).await;
    let (_, json) = world.page(&task).await;
    let arbiter = waits(&json, "arbiter");
    assert_eq!((&arbiter["silent"], &arbiter["waiting"]), (&json!(false), &json!([])));
    assert_eq!(arbiter["last_act_secs"], world.tip().mtp_secs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_arbiter_has_a_record_of_what_was_ruled_and_what_was_not() {
    let (mut world, submission) = World::voted().await;
    let root = testing::master(Network::Regtest, 3).fingerprint(&Secp256k1::new()).to_string();
    let path = format!("/arbiters/{root}");
    let api = format!("/api/v1{path}");
    let (html, json) = world.page(&path).await;
    assert_eq!((&json["task_count"], &json["attested"], &json["ruled"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(json["tasks"][0]["cases"][0]["state"], "voting");
    assert_has(&html, &["declared, not proved", "One account was declared", "sponsors vote", "0.00100000"]);
    world.close_vote().await;
    let (_, told) = world.get(&api).await;
    assert_eq!((&told["due"], &told["tasks"][0]["cases"][0]["noes_sat"]), (&json!(1), &json!(100_000)));

    world.advance_to(world.tip().mtp_secs + 86_400).await;
    world.sent("rulings", world.ruling_body(submission, 2_500)).await;
    let ruling = json!({ "kind": "ruling", "submission": submission, "feerate_sat_per_vb": 1 });
    let settlement = world.sent("settlements", ruling).await;
    for role in [Role::Arbiter, Role::Representative] {
        world.sign(&settlement, role).await;
    }
    world.look().await;
    world.mine(1).await;
    let (_, told) = world.get(&api).await;
    let case = &told["tasks"][0]["cases"][0];
    assert_eq!((&case["state"], &case["pay_bps"]), (&json!("ruled"), &json!(2_500)));
    assert_eq!(
        case["took_secs"],
        case["ruled_secs"].as_u64().unwrap() - case["closes_secs"].as_u64().unwrap()
    );
    let txid = &settlement["transactions"][0]["forms"][0]["txid"];
    let outcome = json!({
        "outcome": "carried_out", "amount_sat": 100_000, "txid": txid, "settlement": settlement["id"], "mined": true,
    });
    assert_eq!(case["outcomes"], json!([outcome]));
    let (html, json) = world.page(&path).await;
    assert_eq!(json, told, "the page as JSON is what the API tells");
    assert_has(
        &html,
        &["25 % of the noes is paid", "24 hours", "carried out by a settlement", txid.as_str().unwrap()],
    );

    // The task and its charter lead here, and others have no record.
    for rest in ["", "/charter"] {
        let (html, _) = world.page(&world.task_path(rest)).await;
        assert_has(&html, &[&format!("href=\"/arbiters/{root}\"")]);
    }
    world.missing("/arbiters/00000000").await;
    world.missing("/arbiters/x").await;
    let (status, problem) = world.get("/api/v1/arbiters/00000000").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ruling_that_did_not_come_stays_in_the_record() {
    let (mut world, _) = World::voted().await;
    let root = testing::master(Network::Regtest, 3).fingerprint(&Secp256k1::new()).to_string();
    let fields = world.charter.fields();
    world.advance_to(world.tip().mtp_secs + fields.review_secs + fields.ruling_secs + 1).await;
    let (html, json) = world.page(&format!("/arbiters/{root}")).await;
    assert_eq!((&json["missed"], &json["due"], &json["ruled"]), (&json!(1), &json!(0), &json!(0)));
    assert_has(&html, &["was due and did not come", "Last time for a ruling", "waits at its addresses"]);
}

#[tokio::test]
async fn a_vote_page_opened_before_there_is_work_learns_of_it() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 200_000).await;
    let (before, _) = world.page(&world.task_path("/vote")).await;
    assert_has(&before, &["<div id=\"vote-none\" data-live>", "nothing to vote on yet", "data-follow="]);
    world.submit(0).await;
    let (after, _) = world.page(&world.task_path("/vote")).await;
    assert_has(&after, &["<div id=\"vote-none\" data-live hidden></div>", "id=\"vote-work\""]);
    // The script reads the page anew when this part changes.
    let script = String::from_utf8_lossy(crate::web::assets::asset("vote.js").bytes).into_owned();
    assert_has(&script, &["vote-none"]);
}
