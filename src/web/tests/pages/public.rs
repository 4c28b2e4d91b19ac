//! The pages that anybody reads, on tasks in the states of a life.

use crate::escrow::charter::{Charter, Milestone, Payee};
use crate::escrow::network::Network;
use crate::escrow::statement::{Choice, Digest, Named, NamedBy, Role, Signed, Submission};
use crate::escrow::testing;
use crate::web::tests::fakes::{World, parse};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bitcoin::Amount;
use bitcoin::secp256k1::Secp256k1;
use serde_json::{Value, json};

/// What a task page may weigh, stylesheet and all.
const TASK_PAGE_BYTES: usize = 40 * 1_024;

/// As browsers measure what is served: the page and the one stylesheet.
fn assert_light(html: &str) {
    let style = crate::web::assets::asset("app.css").bytes.len();
    assert!(html.len() + style <= TASK_PAGE_BYTES, "{} + {style} bytes", html.len());
}

impl World {
    pub(super) fn task_path(&self, rest: &str) -> String {
        format!("/tasks/{}{rest}", self.id)
    }

    /// Writes another task down with a text and repository of its own; it stays a draft.
    async fn drafted(&self, text: &str, repository: &str) -> String {
        let mut fields = testing::fields(Network::Regtest);
        fields.text_hash = Digest::of(text.as_bytes());
        fields.repository = repository.to_owned();
        let charter = Charter::from_fields(fields).unwrap();
        let bytes = String::from_utf8(charter.bytes().to_vec()).unwrap();
        let (status, body) = self.post("/api/v1/tasks", json!({ "charter": bytes, "text": text })).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        charter.id().to_string()
    }

    pub(super) async fn missing(&self, path: &str) {
        let (status, _, html) = self.browse(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {html}");
        assert!(html.contains("<h1>"), "{path}: a page, not a document");
    }
}

#[track_caller]
pub(super) fn assert_has(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
}

#[tokio::test]
async fn explore_finds_and_filters_and_goes_on() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 250_000).await;
    let draft = world.drafted("Speak Klingon & <b>Vulcan</b>", "https://example.org/speech").await;
    let (html, json) = world.page("/tasks").await;
    assert_eq!(json["tasks"][0]["charter"], world.id.to_string(), "most funded first");
    assert_has(&html, &["250,000 sat</strong> of 1,000,000 sat", "Takes pledges", "Waits for its signers"]);
    assert_has(&html, &["aria-current=\"page\"", "Funding closes in", "Speak Klingon &#38; &#60;b&#62;"]);
    for (query, found) in [
        ("q=klingon", vec![draft.clone()]),
        ("stage=draft", vec![draft.clone()]),
        ("stage=open&q=&min=&repository=&sort=newest", vec![world.id.to_string()]),
        ("repository=https%3A%2F%2Fexample.org%2Fspeech", vec![draft.clone()]),
        ("min=1%2C000%2C001", vec![]),
        ("q=nobody", vec![]),
    ] {
        let (_, json) = world.page(&format!("/tasks?{query}")).await;
        let ids: Vec<&str> =
            json["tasks"].as_array().unwrap().iter().map(|t| t["charter"].as_str().unwrap()).collect();
        assert_eq!(ids, found, "{query}");
    }
    let (html, json) = world.page("/tasks?min=lots").await;
    assert!(html.contains("aria-invalid") && json["min_error"].is_string());
    assert!(json["next"].is_null());
    let (status, ..) = world.browse("/tasks?cursor=none").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_project_has_its_tasks_sums_and_code_to_embed() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 250_000).await;
    let (html, json) = world.page("/projects").await;
    let project = json["projects"][0]["project"].as_str().unwrap().to_owned();
    assert_has(&html, &["example.org/parser", "250,000 sat raised", "1 task,"]);
    let (html, json) = world.page(&format!("/projects/{project}")).await;
    assert_eq!((&json["raised_sat"], &json["count"]), (&json!(250_000), &json!(1)));
    let code = format!("&lt;iframe src=\"https://escrow.example.org/pay/embed/tasks/{}\"", world.id);
    assert_has(&html, &["feed.atom", "/new?repository=https%3A%2F%2Fexample.org%2Fparser", &code]);
    world.missing(&format!("/projects/{}", "0".repeat(32))).await;
    world.missing("/projects/x").await;
}

#[tokio::test]
async fn a_task_that_takes_pledges_says_how_much_is_there_and_who_decides() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 250_000).await;
    let body = world.pledge_body(2, 100_000);
    world.sent("pledges", body).await;
    let id = world.id;
    let script = world.service.read_task(&id, |task, _| task.pledges()[&2].output.script_pubkey.clone());
    world.chain().pay_one(&script.unwrap(), Amount::from_sat(100_000));
    world.look().await;
    let (html, json) = world.page(&world.task_path("")).await;
    assert_light(&html);
    assert_eq!((&json["stage"], &json["takes_pledges"]), (&json!("open"), &json!(true)));
    assert_eq!(
        (&json["progress"]["raised_sat"], &json["progress"]["pending_sat"]),
        (&json!(250_000), &json!(100_000))
    );
    assert_eq!(json["pledges"][0]["arrivals"][0]["state"], "seen, not confirmed");
    assert_eq!(json["pledges"][1]["arrivals"][0]["secured"], "yes");
    let fund = format!("<a class=\"button\" href=\"/tasks/{id}/pledge\">Fund this</a>");
    assert_has(
        &html,
        &[&fund, "250,000 sat confirmed of 1,000,000 sat, 100,000 sat on the way", "✓ signed the terms"],
    );
    assert_has(
        &html,
        &[
            "Teach the parser to read dates before 1970.",
            "locktime 1811721600",
            "66.67 %",
            "A gift has no refund.",
        ],
    );
    assert_has(
        &html,
        &["upfront verify", "multi_a(2,", "tr(musig(", "data-events=\"/api/v1/tasks/", "data-live"],
    );
    assert_has(&html, &["Refund of 250,000 sat secured for pledge 1", &format!("/tasks/{id}/pledges/1\"")]);
    world.missing(&format!("/tasks/{}", "0".repeat(64))).await;
    world.missing("/tasks/x").await;
}

#[tokio::test]
async fn a_task_under_review_leads_to_the_vote_and_a_paid_one_to_the_payout() {
    let mut world = World::new(None, |_| {}).await;
    for index in 1..=3 {
        world.fund(index, 200_000).await;
    }
    let submission = world.submit(0).await;
    for (pledge, choice) in [(1, Choice::Yes), (2, Choice::No)] {
        world.sent("votes", world.vote_body(submission, pledge, choice, 1)).await;
    }
    let (html, json) = world.page(&world.task_path("")).await;
    assert_light(&html);
    assert_eq!(json["stage"], "voting");
    assert_has(&html, &["Vote</a>", "200,000 sat say yes, 200,000 sat say no, 200,000 sat have not voted"]);
    let path = world.task_path(&format!("/submissions/{submission}"));
    let (html, json) = world.page(&path).await;
    assert_has(
        &html,
        &["https://example.org/pull/7", "Sponsors vote", "2 votes", "held for a ruling", "may be paid"],
    );
    assert_eq!(
        (&json["votes"][0]["choice"], &json["votes"][0]["counted"]),
        (&json!("no"), &json!("counted"))
    );
    assert_eq!(json["verdicts"][2], json!({ "pledge": 3, "said": "nothing", "verdict": "waits" }));

    world.advance_to(world.tip().mtp_secs + world.charter.fields().review_secs + 1).await;
    let (html, _) = world.page(&path).await;
    assert_has(&html, &["Voting is over, the arbiter may rule", "has said nothing", "has not ruled"]);
    world.sent("rulings", world.ruling_body(submission, 2_550)).await;
    let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": 2 });
    let settlement = world.sent("settlements", payout).await;
    world.sign(&settlement, Role::Developer).await;
    world.sign(&settlement, Role::Representative).await;
    world.look().await;
    let (html, json) = world.page(&world.task_path("")).await;
    assert_eq!(json["settlements"][0]["state"], "signed by two, on its way");
    assert_has(&html, &["See the settlement", "developer and representative"]);
    world.mine(1).await;
    let (html, json) = world.page(&path).await;
    assert_has(
        &html,
        &["25.5 % of the noes is paid", &format!("/settlements/{}", settlement["id"].as_str().unwrap())],
    );
    assert_eq!(json["ruled"], "25.5 %");
    let (_, json) = world.page(&world.task_path("")).await;
    assert_eq!(json["settlements"][0]["state"], "confirmed");
    world.missing(&world.task_path(&format!("/submissions/{}", "0".repeat(64)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_after_its_refund_time_says_that_money_went_back() {
    let mut world = World::new(Some(Amount::from_sat(100_000)), |_| {}).await;
    world.fund(1, 50_000).await;
    world.advance_to(world.charter.refund_time_secs() + 1).await;
    let (html, json) = world.page(&world.task_path("")).await;
    assert_eq!((&json["stage"], &json["takes_pledges"]), (&json!("refunding"), &json!(false)));
    assert!(
        !html.contains("Fund this") && !html.contains("the open address</summary>"),
        "nobody is led to pay"
    );
    assert_eq!(json["open_address"], Value::Null);
    world.mine(1).await;
    let (html, json) = world.page(&world.task_path("")).await;
    assert_eq!(json["pledges"][0]["arrivals"][0]["state"], "refunded");
    assert_has(&html, &["what was left went back to its sponsors"]);
}

#[tokio::test]
async fn long_lists_are_cut_and_can_be_had_whole() {
    let mut world = World::new(None, |_| {}).await;
    for index in 1..=15 {
        world.sent("pledges", world.pledge_body(index, 10_000)).await;
    }
    world.fund(16, 10_000).await;
    let (html, json) = world.page(&world.task_path("")).await;
    assert_light(&html);
    assert_eq!((json["pledges"].as_array().unwrap().len(), &json["pledges"][0]["index"]), (10, &json!(16)));
    assert_eq!(json["pledges"][9]["index"], 7);
    assert_has(&html, &["All 16 pledges", "promised, nothing arrived", "The whole timeline</a>"]);
    let (_, json) = world.page(&world.task_path("?all=1")).await;
    assert_eq!(json["pledges"].as_array().unwrap().len(), 16);
    assert_eq!(json["more_events"], false);
}

#[tokio::test]
async fn a_charter_stands_beside_its_bytes_and_signatures() {
    let world = World::new(None, |_| {}).await;
    let (html, json) = world.page(&world.task_path("/charter")).await;
    let canonical = String::from_utf8(world.charter.bytes().to_vec()).unwrap();
    assert_eq!(json["canonical"], canonical);
    assert_eq!(json["holders"].as_array().unwrap().iter().filter(|h| h["attested"] == true).count(), 3);
    assert_has(&html, &["All three have signed", "upfront charter check", "1000/0", &world.id.to_string()]);
    let (_, headers, _) = world.browse(&world.task_path("/charter")).await;
    assert_eq!(
        headers[header::CACHE_CONTROL],
        "no-cache",
        "attestations come and go; only the API's bytes stay"
    );
    let draft = world.drafted("Another", "https://example.org/other").await;
    let (html, json) = world.page(&format!("/tasks/{draft}/charter")).await;
    assert_eq!(json["attested"], false);
    assert_has(&html, &["nothing can be paid yet", "upfront charter attest"]);
    let (html, _) = world.page(&format!("/tasks/{draft}")).await;
    assert_has(&html, &["Read the charter", "has not signed yet"]);
    assert!(!html.contains("Fund this"));
}

#[tokio::test]
async fn what_strangers_write_does_nothing() {
    let world = World::new(None, |_| {}).await;
    let text = "<script>alert(1)</script>\u{202e}evil\u{200b}\"'\n\n<img src=x onerror=alert(1)>\u{2066}";
    let repository = "data:text/html,alert('x')//\"><b>";
    let draft = world.drafted(text, repository).await;
    let project = world.page("/projects").await.1["projects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|project| project["name"].as_str().unwrap().contains("alert"))
        .unwrap()["project"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        "/".to_owned(),
        "/tasks".to_owned(),
        format!("/tasks/{draft}"),
        format!("/tasks/{draft}/charter"),
        "/projects".to_owned(),
        format!("/projects/{project}"),
        format!("/embed/tasks/{draft}"),
        "/tasks?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
    ] {
        let (html, _) = world.page(&path).await;
        for bad in
            ["<script>alert", "<img src=x", "\u{202e}", "\u{200b}", "\u{2066}", "href=\"data:", "<b>\""]
        {
            assert!(!html.contains(bad), "{path} has {bad:?}");
        }
    }
    let (status, headers, svg) = world.browse(&format!("/badge/{draft}.svg")).await;
    assert_eq!((status, &headers[header::CONTENT_TYPE]), (StatusCode::OK, &"image/svg+xml".parse().unwrap()));
    assert!(!svg.contains("alert"));
}

#[tokio::test]
async fn a_long_text_stays_a_small_page() {
    let world = World::new(None, |_| {}).await;
    let draft = world.drafted(&"x".repeat(60_000), "https://example.org/long").await;
    let (html, json) = world.page(&format!("/tasks/{draft}")).await;
    assert_light(&html);
    assert_eq!(json["text_cut"], true);
    assert_has(&html, &["The whole text"]);
    let (html, _) = world.page(&format!("/tasks/{draft}/charter")).await;
    assert!(html.contains(&"x".repeat(60_000)), "the whole of it");
}

#[tokio::test]
async fn other_sites_frame_the_widget_and_read_the_badge() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 250_000).await;
    let (html, json) = world.page(&format!("/embed/tasks/{}", world.id)).await;
    assert_eq!(json["task"]["progress"]["percent"], 25);
    assert_has(&html, &["target=\"_blank\" rel=\"noopener\"", "Fund this", "250,000 sat"]);
    for (ending, kind) in [("svg", "image/svg+xml"), ("json", "application/json")] {
        let request = Request::get(format!("/badge/{}.{ending}", world.id)).body(Body::empty()).unwrap();
        let response = world.respond_to(request, "192.0.2.7:50000").await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], kind);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=60");
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains("25 % of 1,000,000 sat"), "{text}");
        if ending == "json" {
            let badge: Value = parse(&serde_json::from_str(&text).unwrap());
            assert_eq!((&badge["schemaVersion"], &badge["color"]), (&json!(1), &json!("brightgreen")));
        }
    }
    for path in ["/badge/x.svg", "/badge/x", "/embed/tasks/x"] {
        world.missing(path).await;
    }
    world.missing(&format!("/badge/{}.png", world.id)).await;
    world.missing(&format!("/badge/{}.svg", "0".repeat(64))).await;
}

#[tokio::test]
async fn the_pages_that_explain_are_there() {
    let world = World::new(None, |_| {}).await;
    let (html, _) = world.page("/how-it-works").await;
    assert_has(&html, &["The life of a pledge", "and_v(v:pk(S), after(T))", "<title id=\"life-title\">"]);
    let (html, _) = world.page("/risks").await;
    assert_has(
        &html,
        &["No outside audit", "any two key holders can move the money", "A gift has no refund at all"],
    );
    let (html, json) = world.page("/recover").await;
    assert_has(&html, &["upfront recover", "recovery file"]);
    let sums = include_str!("../../static/SHA256SUMS");
    assert_eq!(json["files"].as_array().unwrap().len(), 2);
    for file in json["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let (status, headers, body) = world.browse(&format!("/{name}")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_DISPOSITION], format!("attachment; filename=\"{name}\""));
        assert_eq!(file["sha256"], Digest::of(body.as_bytes()).to_string(), "the hash is the file's");
        let published = format!("{}  {name}\n", file["sha256"].as_str().unwrap());
        assert!(sums.contains(&published), "the release publishes another hash than {published}");
        assert!(html.contains(file["sha256"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn errors_are_explained_to_browsers_and_programs() {
    let world = World::new(None, |_| {}).await;
    let (html, json) = world.page("/problems").await;
    assert_eq!(json["problems"].as_array().unwrap().len(), crate::web::CODES.len());
    assert_has(&html, &["/problems/cap_reached"]);
    let (html, json) = world.page("/problems/cap_reached").await;
    assert_eq!((&json["status"], &json["code"]), (&json!(409), &json!("cap_reached")));
    assert_has(&html, &["The cap is reached", "What to do:"]);
    world.missing("/problems/none").await;
    let (_, text) = world.get("/problems/cap_reached").await;
    assert!(text.as_str().unwrap().starts_with("The cap is reached\n\n"), "{text}");
    let (_, text) = world.get("/problems").await;
    assert!(text.as_str().unwrap().contains("409 cap_reached: "), "{text}");
}

#[tokio::test]
async fn the_reference_has_every_request_and_schema_of_the_document() {
    let world = World::new(None, |_| {}).await;
    let (html, json) = world.page("/api").await;
    let document = crate::web::openapi::build(crate::web::api::router()).1;
    let mut requests = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert_has(
                &html,
                &[&format!("id=\"{id}\""), &format!("<strong>{}</strong> {path}", method.to_uppercase())],
            );
            requests += 1;
        }
    }
    let groups = json["groups"].as_array().unwrap();
    assert_eq!(
        groups.iter().map(|group| group["operations"].as_array().unwrap().len()).sum::<usize>(),
        requests
    );
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert_has(&html, &[&format!("id=\"schema-{}\"", name.to_lowercase())]);
    }
    // Every link within the page leads somewhere, and every code has its page.
    for link in html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(html.contains(&format!("id=\"{link}\"")), "#{link} leads nowhere");
    }
    for code in html.split("href=\"/problems/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(crate::web::CODES.iter().any(|entry| entry.code == code), "{code}");
    }
    assert_has(&html, &["Authorization: Nostr", "-X POST &#34;$SERVER/api/v1/tasks/$CHARTER/votes&#34;"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_single_payout_can_pay_is_said_while_there_is_time() {
    let mut world = World::new(None, |fields| {
        let due = fields.work_deadline;
        fields.milestones = [6_000, 4_000].map(|share_bps| Milestone { share_bps, due }).into();
    })
    .await;
    let outpoint = world.fund(1, 300_000).await;
    for milestone in 0..2 {
        let address = testing::address(Network::Regtest, 55).to_string();
        let payees = vec![Payee { address, share_bps: 9_500 }];
        let named = (milestone == 0).then_some(Named { by: NamedBy::Representative, payees });
        let role = if named.is_some() { Role::Representative } else { Role::Developer };
        let statement = Submission { milestone: Some(milestone), named, ..world.submission(milestone) };
        let (id, key) = (statement.id(), testing::statement_keypair(Network::Regtest, role));
        world.sent("submissions", json!(Signed::new(&Secp256k1::new(), statement, &key))).await;
        let shown = world.page(&world.task_path("")).await.1;
        assert_eq!(shown["parted"], json!([]), "one part alone is approved");
        world.sent("votes", world.vote_body(id, 1, Choice::Yes, 1)).await;
        let closes = world.chain().tip().mtp_secs + world.charter.fields().review_secs + 1;
        world.advance_to(closes).await;
    }
    let (html, json) = world.page(&world.task_path("")).await;
    let cutoff = world.charter.cutoff_secs();
    assert_eq!(json["parted"], json!([{ "pledge": 1, "milestones": "1 and 2", "until_secs": cutoff }]));
    assert!(
        html.contains("Different people are to be paid") && html.contains("Milestones 1 and 2"),
        "{html}"
    );
    let told = &world.task().await["parted"];
    assert_eq!(*told, json!([{ "pledge": 1, "outpoint": outpoint.to_string(), "milestones": [0, 1] }]));
    world.advance_to(cutoff + 1).await;
    assert_eq!(world.page(&world.task_path("")).await.1["parted"], json!([]));
}
