//! Proposing a task: the form, the charter it makes, what is wrong told at its field, and nothing kept.

use crate::escrow::charter::Charter;
use crate::escrow::network::Network;
use crate::escrow::testing;
use crate::web::tests::fakes::{World, read};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

/// A form that is filled in as little as can be.
fn least() -> Value {
    let key = |person| testing::seat(Network::Regtest, person).key;
    json!({
        "title": "Survive truncated input", "text": "No panic on any prefix.\r\n\r\nA test for each.",
        "repository": "https://example.org/parser", "licence": "MIT", "target_sat": "1,000,000",
        "refund_time": "2h", "developer": key(1), "representative": key(2), "arbiter": key(3),
        "payee_1_address": testing::address(Network::Regtest, 0).to_string(),
    })
}

fn with(changes: Value) -> Value {
    let mut form = least();
    let Value::Object(changes) = changes else { panic!("an object") };
    form.as_object_mut().unwrap().extend(changes);
    form
}

async fn preview(world: &World, form: &Value, accept: &str) -> (StatusCode, Value) {
    let request = Request::post("/new/preview")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, accept)
        .body(Body::from(form.to_string()))
        .unwrap();
    read(world.respond_to(request, "127.0.0.1:50000").await).await
}

#[tokio::test]
async fn the_form_begins_with_good_defaults() {
    let world = World::new(None, |_| {}).await;
    let (html, json) = world.page("/new").await;
    assert!(html.contains("<form method=\"post\" action=\"/new/preview\""), "{html}");
    for name in ["title", "target_sat", "developer", "refund_time", "payee_1_address", "threshold", "depth"] {
        assert!(html.contains(&format!("name=\"{name}\"")), "{name}");
        assert!(html.contains(&format!("for=\"{name}\"")), "{name} has a label");
    }
    assert_eq!(json["values"]["threshold"], "66.67");
    assert_eq!(json["errors"], json!({}));
    let moments: Vec<u64> =
        json["moments"].as_array().unwrap().iter().map(|moment| moment["secs"].as_u64().unwrap()).collect();
    assert!(moments.len() == 6 && moments.is_sorted(), "{moments:?}");
}

#[tokio::test]
async fn what_is_previewed_can_be_written_down_and_is_kept_nowhere_before() {
    let world = World::new(None, |_| {}).await;
    let (status, review) = preview(&world, &least(), "application/json").await;
    assert_eq!(status, StatusCode::OK, "{review}");
    let canonical = review["canonical"].as_str().unwrap();
    let charter = Charter::parse(canonical.as_bytes()).unwrap();
    assert_eq!(review["charter"], charter.id().to_string());
    let fields = charter.fields();
    assert_eq!(
        (fields.target_sat, fields.cap_sat, fields.minimum_pledge_sat),
        (1_000_000, 2_000_000, 10_000)
    );
    assert_eq!(fields.payees[0].share_bps, 10_000, "the first payee gets what the others leave");
    assert_eq!(review["text"], "# Survive truncated input\n\nNo panic on any prefix.\n\nA test for each.\n");
    let (status, _) = world.get(&format!("/api/v1/tasks/{}", charter.id())).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "a preview leaves no trace");
    let body = json!({ "charter": canonical, "text": review["text"] });
    let (status, created) = world.post("/api/v1/tasks", body).await;
    assert_eq!((status, created["charter"].as_str()), (StatusCode::CREATED, review["charter"].as_str()));
    // Then the three sign on its charter's page.
    let (html, _) = world.page(&format!("/tasks/{}/charter", charter.id())).await;
    assert!(html.contains("id=\"hand-in\"") && html.contains("/attest.js"), "{html}");
    let (signed, _) = world.page(&format!("/tasks/{}/charter", world.id)).await;
    assert!(!signed.contains("id=\"hand-in\""), "nothing more is to be signed");
}

#[tokio::test]
async fn the_review_says_the_terms_and_gives_the_files_without_a_script() {
    let world = World::new(None, |_| {}).await;
    let form = with(json!({
        "text": "<b>bold</b>", "silence": "hold", "yes_waits": true, "payee_2_share": "12.5",
        "payee_2_address": testing::address(Network::Regtest, 1).to_string(),
    }));
    let (status, html) = preview(&world, &form, "text/html").await;
    let html = html.as_str().unwrap();
    assert_eq!(status, StatusCode::OK, "{html}");
    for part in [
        "Check the charter",
        "87.5 %",
        "12.5 %",
        "&#60;b&#62;bold",
        "download=\"charter.json\"",
        "data:application/json;base64,",
        "upfront task create",
        "id=\"write-down\"",
        "value=\"true\" checked",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("<b>bold"), "what was put in is shown, not run");
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_its_field() {
    let world = World::new(None, |_| {}).await;
    let address = testing::address(Network::Regtest, 1).to_string();
    for (changes, fields) in [
        (
            json!({ "title": "", "target_sat": "many", "licence": "" }),
            &["title", "target_sat", "licence"][..],
        ),
        (
            json!({ "developer": "nothing", "arbiter": "[d34db33f/87h/1h/0h]tpubx" }),
            &["developer", "arbiter"],
        ),
        (json!({ "minimum_pledge_sat": "5000000", "threshold": "40" }), &["minimum_pledge_sat", "threshold"]),
        (json!({ "threshold": "x", "quorum": "101" }), &["threshold", "quorum"]),
        (json!({ "arbiter": testing::seat(Network::Regtest, 1).key }), &["arbiter"]),
        (json!({ "refund_time": "60s" }), &["refund_time"]),
        (json!({ "refund_time": "soon" }), &["refund_time"]),
        (json!({ "funding_close": "119m" }), &["funding_close"]),
        (json!({ "work_deadline": "119m" }), &["work_deadline"]),
        (json!({ "payee_1_address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4" }), &["payee_1_address"]),
        (json!({ "payee_1_share": "40" }), &["payee_1_share"]),
        (json!({ "payee_2_share": "40" }), &["payee_2_address"]),
        (json!({ "leader_key": "npub1" }), &["leader_address", "leader_key"]),
        (json!({ "vote_opens": "merged" }), &["leader_address", "leader_key"]),
        (json!({ "operator_address": address }), &["operator_share"]),
        (
            json!({ "silence": "maybe", "vote_opens": "x", "funding_rule": "y" }),
            &["silence", "vote_opens", "funding_rule"],
        ),
        (json!({ "title": "a\u{202e}b", "repository": "a\u{202e}b" }), &["repository"]),
        (json!({ "pot": "x", "feerate_cap_sat_per_vb": "-1" }), &["pot", "feerate_cap_sat_per_vb"]),
        (json!({ "depth": "0" }), &["depth"]),
    ] {
        let (status, answer) = preview(&world, &with(changes.clone()), "application/json").await;
        assert_eq!(status, StatusCode::OK, "{changes}: {answer}");
        assert_eq!(answer["charter"], Value::Null, "no charter is made of it");
        let errors = answer["errors"].as_object().unwrap();
        for field in fields {
            assert!(errors.contains_key(*field), "{changes}: {errors:?}");
        }
        assert_eq!(errors.len(), fields.len(), "{changes}: {errors:?}");
        let (_, html) = preview(&world, &with(changes), "text/html").await;
        let html = html.as_str().unwrap();
        for field in fields {
            assert!(html.contains(&format!("id=\"{field}-error\"")), "{field}: {html}");
            assert!(html.contains(&format!("href=\"#{field}\"")), "{field} is named at the top");
        }
    }
    let (status, problem) = preview(&world, &with(json!({ "target": 5 })), "application/json").await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::BAD_REQUEST, Some("bad_request")));
}

#[tokio::test]
async fn a_secret_that_reaches_the_service_is_refused_and_never_repeated() {
    let world = World::new(None, |_| {}).await;
    let words =
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
    let xprv = testing::master(Network::Regtest, 1).to_string();
    let wif = "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA";
    for secret in [words, &xprv, wif, &format!("[d34db33f/87h/1h/0h]{xprv}")] {
        for accept in ["application/json", "text/html"] {
            let (status, answer) = preview(&world, &with(json!({ "arbiter": secret })), accept).await;
            assert_eq!(status, StatusCode::OK);
            assert!(!answer.to_string().contains(secret), "{accept}");
        }
    }
}

#[tokio::test]
async fn loading_a_preview_again_begins_anew() {
    let world = World::new(None, |_| {}).await;
    let (status, headers, _) = world.browse("/new/preview").await;
    assert_eq!((status, headers[header::LOCATION].to_str().unwrap()), (StatusCode::SEE_OTHER, "/new"));
}
