//! From a wish to a charter that can be funded, over HTTP, by commands, and as pages show it.

use super::fakes::{World, identity};
use crate::escrow::charter::Charter;
use crate::escrow::network::Network;
use crate::escrow::project::{Project, ProjectWithdrawal};
use crate::escrow::public::ProjectId;
use crate::escrow::statement::{Attest, Digest, Role, Signed, Statement, TaskId};
use crate::escrow::testing;
use crate::escrow::wish::{
    Lead, LeadChoice, Like, Offer, OfferChoice, OfferedSeat, Promise, Wish, Withdrawal, Word,
};
use axum::http::StatusCode;
use bitcoin::secp256k1::{Secp256k1, XOnlyPublicKey};
use serde_json::{Value, json};

mod drafted;
mod lies;
mod told;
mod withdrawn;

const NET: Network = Network::Regtest;
const REPOSITORY: &str = "https://example.org/speech";
const TEXT: &str = "# Speak Klingon & <b>Vulcan</b>\n\nOnly English is spoken so far.";

fn key(n: u8) -> XOnlyPublicKey {
    identity(n).x_only_public_key().0
}

fn signed<S: Statement>(statement: S, n: u8) -> Signed<S> {
    Signed::new(&Secp256k1::new(), statement, &identity(n))
}

fn wish_of(n: u8, text: &str) -> (TaskId, Value) {
    let statement = Wish {
        network: NET,
        repository: REPOSITORY.into(),
        link: Some("https://example.org/speech/issues/7".into()),
        text_hash: Digest::of(text.as_bytes()),
        by: key(n),
    };
    let id = statement.id();
    let Signed { statement, signature } = signed(statement, n);
    (id, json!({ "statement": statement, "signature": signature, "text": text }))
}

fn like(task: TaskId, n: u8, like: bool, counter: u32) -> Word {
    Word::Like(signed(Like { network: NET, task, by: key(n), like, counter }, n))
}

fn promise(task: TaskId, n: u8, amount_sat: u64, counter: u32) -> Word {
    Word::Promise(signed(Promise { network: NET, task, by: key(n), amount_sat, counter }, n))
}

fn offer(task: TaskId, n: u8, choice: OfferChoice, until: Option<u32>, counter: u32) -> Word {
    let seat = OfferedSeat::Developer;
    Word::Offer(signed(Offer { network: NET, task, by: key(n), seat, choice, until, counter }, n))
}

fn lead(task: TaskId, n: u8, choice: LeadChoice, place: Option<u32>, counter: u32) -> Word {
    Word::Lead(signed(Lead { network: NET, task, by: key(n), choice, place, counter }, n))
}

fn project(n: u8, counter: u32) -> Project {
    Project {
        network: NET,
        repository: REPOSITORY.into(),
        name: "Speech & <i>more</i>".into(),
        description: "Says what it reads".into(),
        licence: "Apache-2.0".into(),
        arbiter: Some("the speech foundation".into()),
        leader_address: Some(testing::address(NET, 5).to_string()),
        leader_share_bps: 250,
        minimum_pledge_sat: 20_000,
        donations: Some("https://example.org/donate".into()),
        likes: true,
        published: Some("https://example.org/speech/blob/main/UPFRONT".into()),
        by: key(n),
        counter,
    }
}

/// Every operation of wishes, once.
pub async fn every_operation(world: &World) {
    let id = world.wished(2, TEXT).await;
    world.said(&like(id, 3, true, 1)).await;
    assert_eq!(world.set(project(7, 1), 7).await.0, StatusCode::OK);
    for path in ["", "/words", "/events", "/feed.atom"] {
        assert_eq!(world.get(&format!("/api/v1/wishes/{id}{path}")).await.0, StatusCode::OK);
    }
    assert_eq!(world.get("/api/v1/wishes").await.0, StatusCode::OK);
    world.withdrawn(id, 2).await;
    let repository = REPOSITORY.to_owned();
    let withdrawal = signed(ProjectWithdrawal { network: NET, repository, by: key(7), counter: 2 }, 7);
    let path = format!("/api/v1/projects/{}/withdrawal", ProjectId::of(REPOSITORY));
    assert_eq!(world.post_unsigned(&path, &json!(withdrawal)).await.0, StatusCode::OK);
}

impl World {
    async fn wished(&self, n: u8, text: &str) -> TaskId {
        let (id, body) = wish_of(n, text);
        let (status, view) = self.post_unsigned("/api/v1/wishes", &body).await;
        assert_eq!((status, &view["summary"]["wish"]), (StatusCode::CREATED, &json!(id)), "{view}");
        id
    }

    async fn said(&self, word: &Word) -> Value {
        let path = format!("/api/v1/wishes/{}/words", word.task());
        let (status, view) = self.post_unsigned(&path, &json!(word)).await;
        assert_eq!(status, StatusCode::OK, "{view}");
        view
    }

    async fn withdrawn(&self, task: TaskId, n: u8) -> Value {
        let withdrawal = signed(Withdrawal { network: NET, task, by: key(n) }, n);
        let path = format!("/api/v1/wishes/{task}/withdrawal");
        let (status, view) = self.post_unsigned(&path, &json!(withdrawal)).await;
        assert_eq!(status, StatusCode::OK, "{view}");
        view
    }

    async fn not_said(&self, word: &Word, status: u16, code: &str) {
        let path = format!("/api/v1/wishes/{}/words", word.task());
        let (given, answer) = self.post_unsigned(&path, &json!(word)).await;
        assert_eq!((given.as_u16(), answer["code"].as_str()), (status, Some(code)), "{answer}");
    }

    async fn set(&self, project: Project, n: u8) -> (StatusCode, Value) {
        self.post_unsigned("/api/v1/projects", &json!(signed(project, n))).await
    }

    /// A charter of a wish, attested by all three.
    async fn chartered(&self, wish: TaskId, text: &str, leader: Option<u8>) -> String {
        let mut fields = testing::fields(NET);
        fields.task = wish;
        fields.text_hash = Digest::of(text.as_bytes());
        fields.repository = REPOSITORY.into();
        if let (Some(n), Some(leader)) = (leader, fields.leader.as_mut()) {
            leader.key = key(n).to_string();
        }
        let charter = Charter::from_fields(fields).unwrap();
        let bytes = String::from_utf8(charter.bytes().to_vec()).unwrap();
        let (status, body) = self.post("/api/v1/tasks", json!({ "charter": bytes, "text": text })).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        for role in Role::ALL {
            let signature = Attest { charter: charter.id() }
                .sign(&Secp256k1::new(), &testing::statement_keypair(NET, role));
            let path = format!("/api/v1/tasks/{}/attestations", charter.id());
            let (status, _) = self.post(&path, json!({ "role": role, "signature": signature })).await;
            assert_eq!(status, StatusCode::OK);
        }
        charter.id().to_string()
    }
}

#[tokio::test]
async fn a_wish_gathers_words_and_keeps_them_over_a_restart() {
    let mut world = World::new(None, |_| {}).await;
    let id = world.wished(2, TEXT).await;
    let (_, body) = wish_of(2, TEXT);
    let (status, again) = world.post_unsigned("/api/v1/wishes", &body).await;
    assert_eq!((status, &again["words"]), (StatusCode::CREATED, &json!(0)), "twice is once");
    world.said(&like(id, 3, true, 1)).await;
    world.said(&like(id, 3, true, 1)).await;
    world.said(&promise(id, 3, 40_000, 1)).await;
    world.said(&promise(id, 4, 60_000, 1)).await;
    let view = world.said(&promise(id, 4, 0, 2)).await;
    let summary = &view["summary"];
    assert_eq!((&summary["likes"], &summary["promises"]), (&json!(1), &json!(1)));
    assert_eq!((&summary["promised_sat"], &view["words"]), (&json!(40_000), &json!(4)));
    let newest = &view["last_words"][0];
    assert_eq!((&newest["number"], &newest["counts"]), (&json!(3), &json!(true)));
    assert_eq!(newest["word"]["statement"]["by"], json!(key(4)));
    assert_eq!(view["last_words"][1]["counts"], json!(false), "replaced, and still there");
    assert_eq!(view["representative"], json!(key(2)));

    let until = world.tip().mtp_secs + 3_600;
    let view = world.said(&offer(id, 5, OfferChoice::Reserve, Some(until), 1)).await;
    let held = json!({ "by": key(5), "until_secs": until });
    assert_eq!((&view["summary"]["reservation"], &view["developers"]), (&held, &json!([])));
    world.not_said(&offer(id, 6, OfferChoice::Reserve, Some(until), 1), 409, "reserved").await;
    world.said(&offer(id, 5, OfferChoice::Accept, None, 2)).await;
    world.advance_to(until + 1).await;
    let (_, view) = world.get(&format!("/api/v1/wishes/{id}")).await;
    assert_eq!((&view["summary"]["reservation"], &view["developers"]), (&Value::Null, &json!([key(5)])));

    world.restart().await;
    let (_, after) = world.get(&format!("/api/v1/wishes/{id}")).await;
    assert_eq!(after, view, "replayed from the journal");
    let (_, page) = world.get(&format!("/api/v1/wishes/{id}/words?by={}&limit=1", key(4))).await;
    assert_eq!(page["items"][0]["word"]["statement"]["amount_sat"], 60_000);
    let next = page["next"].as_str().unwrap();
    let path = format!("/api/v1/wishes/{id}/words?by={}&cursor={next}", key(4));
    let (_, page) = world.get(&path).await;
    assert_eq!((page["items"][0]["number"].as_u64(), &page["next"]), (Some(3), &Value::Null));
}

#[tokio::test]
async fn what_is_wrong_with_a_wish_or_a_word_is_told() {
    let world = World::new(None, |_| {}).await;
    let id = world.wished(2, TEXT).await;
    let refused = |body: Value, status: u16, code: &'static str| {
        let world = &world;
        async move {
            let (given, answer) = world.post_unsigned("/api/v1/wishes", &body).await;
            assert_eq!((given.as_u16(), answer["code"].as_str()), (status, Some(code)), "{answer}");
            assert!(!answer["hint"].as_str().unwrap().is_empty());
        }
    };
    let (_, good) = wish_of(3, "Another");
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    refused(with("/text", json!("Altered")), 422, "wish_text").await;
    refused(with("/statement/by", json!(key(4))), 422, "bad_signature").await;
    refused(with("/statement/repository", json!("two\nlines")), 422, "statement_field").await;
    refused(with("/statement/link", json!("javascript:alert(1)")), 422, "statement_field").await;
    refused(with("/statement/network", json!("signet")), 422, "other_network").await;
    refused(json!({ "statement": good["statement"] }), 400, "bad_request").await;
    let mut unknown = good.clone();
    unknown["statement"]["colour"] = json!("red");
    refused(unknown, 400, "bad_request").await;

    let elsewhere = TaskId([7; 32]);
    world.not_said(&like(elsewhere, 3, true, 1), 404, "unknown_wish").await;
    let path = format!("/api/v1/wishes/{id}/words");
    let (status, answer) = world.post_unsigned(&path, &json!(like(elsewhere, 3, true, 1))).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (409, Some("other_task")));
    let mut stolen = json!(like(id, 3, true, 1));
    stolen["statement"]["by"] = json!(key(4));
    let (status, answer) = world.post_unsigned(&path, &stolen).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (422, Some("bad_signature")));
    world.said(&like(id, 3, true, 1)).await;
    world.not_said(&like(id, 3, false, 1), 409, "counter_used").await;
    world.not_said(&like(id, 3, false, u32::MAX), 422, "counter_too_high").await;
    world.not_said(&promise(id, 3, u64::MAX, 1), 422, "promise_amount").await;
    world.not_said(&offer(id, 3, OfferChoice::Reserve, None, 1), 422, "reservation_time").await;
    world.not_said(&offer(id, 3, OfferChoice::Accept, Some(1), 1), 422, "statement_field").await;
    world.not_said(&lead(id, 3, LeadChoice::Accept, None, 1), 403, "not_leader").await;
    for counter in 2..=32 {
        world.said(&like(id, 3, counter % 2 == 1, counter)).await;
    }
    world.not_said(&like(id, 3, true, 99), 409, "too_many_words").await;
    for path in
        ["/api/v1/wishes/x", "/api/v1/wishes?cursor=none", "/api/v1/wishes?limit=0", "/wishes?project=x"]
    {
        let (status, _) = world.get(path).await;
        assert!(status.is_client_error(), "{path}");
    }
    let (status, answer) = world.get(&format!("/api/v1/wishes/{elsewhere}")).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (404, Some("unknown_wish")));
}

#[tokio::test]
async fn a_project_nobody_set_up_is_wished_for_claimed_and_led() {
    let world = World::new(None, |_| {}).await;
    let project_id = ProjectId::of(REPOSITORY);
    let path = format!("/api/v1/projects/{project_id}");
    assert_eq!(world.get(&path).await.0, StatusCode::NOT_FOUND);
    let (first, second) = (world.wished(2, TEXT).await, world.wished(2, "Whisper").await);
    let (status, view) = world.get(&path).await;
    assert_eq!((status, &view["leader"], &view["wish_count"]), (StatusCode::OK, &Value::Null, &json!(2)));
    let (_, listed) = world.get(&format!("/api/v1/wishes?project={project_id}&limit=1")).await;
    assert_eq!((&listed["items"][0]["wish"], &listed["next"]), (&json!(second), &json!("1")));

    let (status, view) = world.set(project(7, 1), 7).await;
    assert_eq!((status, &view["leader"]["key"]), (StatusCode::OK, &json!(key(7))), "{view}");
    let (_, view) = world.set(project(8, 1), 8).await;
    assert_eq!((&view["claims"][0]["leads"], &view["claims"][1]["leads"]), (&json!(true), &json!(false)));
    world.said(&lead(first, 7, LeadChoice::Decline, None, 1)).await;
    world.said(&lead(second, 7, LeadChoice::Accept, Some(1), 1)).await;
    world.not_said(&lead(second, 8, LeadChoice::Decline, None, 1), 403, "not_leader").await;
    let (_, view) = world.get(&path).await;
    let order: Vec<&Value> = view["wishes"].as_array().unwrap().iter().map(|wish| &wish["wish"]).collect();
    assert_eq!(order, [&json!(second), &json!(first)]);

    let (status, answer) = world.set(Project { counter: 2, ..project(7, 1) }, 8).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (422, Some("bad_signature")));
    let wrong = Project { donations: Some("http://plain".into()), ..project(7, 2) };
    let (status, answer) = world.set(wrong, 7).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (422, Some("statement_field")));
    let wrong = Project { leader_address: Some("bc1qnothing".into()), ..project(7, 2) };
    let (status, answer) = world.set(wrong, 7).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (422, Some("charter_address")));
    world.said(&like(second, 3, true, 1)).await;
    let (_, view) = world.set(Project { likes: false, ..project(7, 2) }, 7).await;
    assert_eq!(view["claims"][0]["settings"]["likes"], json!(false));
    world.not_said(&like(second, 4, true, 1), 409, "likes_off").await;
    world.said(&like(second, 3, false, 2)).await;
}

#[tokio::test]
async fn pages_lead_from_wish_to_charter_and_back() {
    let mut world = World::new(None, |_| {}).await;
    let project_id = ProjectId::of(REPOSITORY);
    let (html, _) = world.page("/wishes").await;
    assert!(html.contains("None yet"), "{html}");
    let id = world.wished(2, TEXT).await;
    world.said(&like(id, 3, true, 1)).await;
    world.said(&promise(id, 3, 40_000, 1)).await;
    let until = world.tip().mtp_secs + 86_400;
    world.said(&offer(id, 5, OfferChoice::Reserve, Some(until), 1)).await;
    let (html, json) = world.page(&format!("/wishes/{id}")).await;
    assert_eq!((&json["promised_sat"], &json["likes"]), (&json!(40_000), &json!(1)));
    for part in [
        "<h1><bdi>Speak Klingon &#38; &#60;b&#62;Vulcan&#60;/b&#62;</bdi></h1>",
        "Only English is spoken so far.",
        "promises 40,000 sat",
        "reserves it until",
        "No charter yet.",
        &crate::nip98::npub(&key(2)),
        "href=\"https://example.org/speech/issues/7\" rel=\"nofollow noopener\"",
    ] {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
    assert!(!html.contains("Fund it now") && json["fund"].is_null());
    assert_eq!(json["words"].as_array().unwrap().len(), 3);
    let (_, earlier) = world.page(&format!("/wishes/{id}?before=1")).await;
    assert_eq!(earlier["words"].as_array().unwrap().len(), 1);

    let (html, _) = world.page(&format!("/projects/{project_id}")).await;
    assert!(html.contains("Nobody has claimed this project") && html.contains("1 wish"), "{html}");
    world.set(project(7, 1), 7).await;
    world.set(Project { published: None, ..project(8, 1) }, 8).await;
    world.said(&lead(id, 7, LeadChoice::Accept, Some(3), 1)).await;
    let charter = world.chartered(id, TEXT, Some(7)).await;
    let (html, json) = world.page(&format!("/wishes/{id}")).await;
    let fund = format!("<a class=\"button\" href=\"/tasks/{charter}/pledge\">Fund it now</a>");
    for part in ["It can be funded now.", &fund, "Accepted by the project", "place 3", "data-fund=\"/tasks/"]
    {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
    assert_eq!((&json["fund"], &json["charters"][0]["same_text"]), (&json!(charter), &json!(true)));
    let (html, json) = world.page(&format!("/tasks/{charter}")).await;
    assert!(html.contains(&format!("<a href=\"/wishes/{id}\">a wish</a>")), "{html}");
    assert_eq!(json["wish"], json!(id));
    let (html, json) = world.page(&format!("/projects/{project_id}")).await;
    for part in [
        "<h1><bdi>Speech &#38; &#60;i&#62;more&#60;/i&#62;</bdi></h1>",
        "Says what it reads",
        "the speech foundation",
        "2.5 % of what is paid out",
        "https://example.org/donate",
        "This site cannot know who leads a repository.",
        "https://example.org/speech/blob/main/UPFRONT",
        &key(7).to_string(),
        "Others who claim it",
    ] {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
    assert_eq!(json["leader"]["charter"], json!(charter), "named by a charter that three attested");
    let (html, json) = world.page(&format!("/wishes?project={project_id}")).await;
    assert_eq!(json["wishes"][0]["charters"], 1);
    assert!(html.contains("/wishes/new?repository=https%3A%2F%2Fexample.org%2Fspeech"), "{html}");
    let (html, _) = world.page("/wishes/new?repository=https%3A%2F%2Fa.example%2F%22%3E").await;
    assert!(html.contains("value=\"https://a.example/&#34;&#62;\""), "{html}");
    let (_, json) = world.page("/projects").await;
    let names: Vec<&Value> =
        json["projects"].as_array().unwrap().iter().map(|project| &project["name"]).collect();
    assert!(names.contains(&&json!("Speech & <i>more</i>")), "{names:?}");
    // A charter for another repository that names the wish is none of it.
    world.advance_to(world.tip().mtp_secs + 1).await;
    let (status, ..) = world.browse(&format!("/wishes/{}", "0".repeat(64))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_wish_leads_to_a_charter_of_its_own_text_and_chooses_none_of_several() {
    let mut world = World::new(None, |_| {}).await;
    world.restart_with(|policy| policy.max_tasks = 10).await;
    let id = world.wished(2, TEXT).await;
    let charter = world.chartered(id, TEXT, Some(7)).await;
    let fund = format!("<a class=\"button\" href=\"/tasks/{charter}/pledge\">Fund it now</a>");
    // A charter with another text gets no button, and takes the first one's from nobody.
    let other = world.chartered(id, "Something else", None).await;
    let (html, json) = world.page(&format!("/wishes/{id}")).await;
    assert_eq!((&json["fund"], &json["fund_count"]), (&json!(charter), &json!(1)), "{html}");
    assert!(html.contains(&fund) && !html.contains(&format!("/tasks/{other}/pledge")), "{html}");
    assert!(html.contains(&format!("<a href=\"/tasks/{other}#keys\">Who holds its keys</a>")), "{html}");
    // Of two with its text none is chosen.
    let second = world.chartered(id, TEXT, None).await;
    let (html, json) = world.page(&format!("/wishes/{id}")).await;
    assert_eq!((&json["fund"], &json["fund_count"]), (&Value::Null, &json!(2)), "{html}");
    assert!(!html.contains("Fund it now") && html.contains("data-several"), "{html}");
    for each in [&charter, &second] {
        assert!(html.contains(&format!("<li><a href=\"/tasks/{each}#keys\">")), "{html}");
    }
}

/// Where the service of a world is reached.
async fn served(world: &World) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = crate::web::router(world.app());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

/// Runs a command against the service, with the phrase of a person as identity.
async fn run(server: &str, person: &str, args: &[&str]) -> (u8, Value) {
    let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    args.splice(0..0, ["upfront".to_owned(), "--json".into(), "--server".into(), server.to_owned()]);
    if !person.is_empty() {
        args.extend(["--identity".to_owned(), person.to_owned()]);
    }
    tokio::task::spawn_blocking(move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = crate::cli::run_with(args.iter().map(std::ffi::OsString::from), &mut out, &mut err);
        let text = if status == 0 { out } else { err };
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().last().unwrap_or("null").to_owned();
        (status, serde_json::from_str(&line).unwrap_or(Value::String(text)))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_go_from_a_wish_to_a_charter() {
    let world = World::new(None, |_| {}).await;
    let server = served(&world).await;
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let people: Vec<String> = ["author", "sponsor", "developer", "leader"].map(&path).into();
    let phrases = [
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
        "legal winner thank year wave sausage worth useful legal winner thank yellow",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
    ];
    for (file, phrase) in people.iter().zip(phrases) {
        std::fs::write(file, phrase).unwrap();
    }
    let [author, sponsor, developer, leader] = &people[..] else { panic!("four") };
    std::fs::write(path("wish.md"), TEXT).unwrap();
    let said = |(status, answer): (u8, Value)| {
        assert_eq!(status, 0, "{answer}");
        answer
    };
    let text = path("wish.md");
    let made = run(&server, author, &["wish", "new", "--text", &text, "--repository", REPOSITORY]).await;
    let made = said(made);
    let id = made["summary"]["wish"].as_str().unwrap();
    said(run(&server, sponsor, &["wish", "like", id]).await);
    said(run(&server, sponsor, &["wish", "promise", id, "--amount-sat", "70000"]).await);
    said(run(&server, sponsor, &["wish", "promise", id, "--amount-sat", "50000"]).await);
    let offered = said(run(&server, developer, &["wish", "offer", id, "--as", "developer", "accept"]).await);
    assert_eq!(offered["summary"]["promised_sat"], 50_000, "the later promise, under a counter of its own");
    let reserve = ["wish", "offer", id, "--as", "developer", "reserve", "--until", "7d"];
    let reserved = said(run(&server, developer, &reserve).await);
    assert!(reserved["summary"]["reservation"]["until_secs"].is_u64(), "{reserved}");
    let (status, refused) = run(&server, author, &reserve).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (1, Some("reserved")), "{refused}");
    let (status, refused) = run(&server, author, &["wish", "lead", id, "accept"]).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (1, Some("not_leader")), "{refused}");

    let payout = testing::address(NET, 6).to_string();
    let claim = [
        "project",
        "claim",
        REPOSITORY,
        "--name",
        "Speech",
        "--description",
        "Speaks",
        "--licence",
        "MIT",
        "--leader-address",
        &payout,
        "--leader-share-bps",
        "300",
        "--minimum-pledge-sat",
        "15000",
    ];
    said(run(&server, leader, &claim).await);
    let (status, refused) = run(&server, leader, &claim).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (1, Some("claimed")), "{refused}");
    let set = ["project", "set", REPOSITORY, "--likes", "off", "--published", "https://example.org/key"];
    let project = said(run(&server, leader, &set).await);
    assert_eq!(project["claims"][0]["settings"]["likes"], false);
    assert_eq!(project["claims"][0]["settings"]["leader_share_bps"], 300, "what is not named stays");
    let led = said(run(&server, leader, &["wish", "lead", id, "accept", "--place", "1"]).await);
    assert_eq!((&led["summary"]["lead"], &led["summary"]["place"]), (&json!("accept"), &json!(1)));
    let listed = said(run(&server, "", &["wish", "list", "--repository", REPOSITORY]).await);
    assert_eq!(listed[0]["wish"], id);
    let shown = said(run(&server, "", &["project", "show", REPOSITORY]).await);
    assert_eq!(shown["wish_count"], 1);
    let (status, _) = run(&server, "", &["wish", "show", &"0".repeat(64)]).await;
    assert_eq!(status, 1);

    let seat = |person: u8| testing::seat(NET, person).key;
    let (developer_key, representative_key, arbiter_key) = (seat(1), seat(2), seat(3));
    let (out, payee) = (path("charter.json"), format!("{}:9700", testing::address(NET, 0)));
    let refund = testing::REFUND_TIME.to_string();
    let charter_args = [
        "charter",
        "new",
        "--wish",
        id,
        "--out",
        &out,
        "--developer",
        &developer_key,
        "--representative",
        &representative_key,
        "--arbiter",
        &arbiter_key,
        "--target-sat",
        "500000",
        "--payee",
        &payee,
        "--refund-time",
        &refund,
    ];
    said(run(&server, "", &charter_args).await);
    let charter = Charter::parse(&std::fs::read(&out).unwrap()).unwrap();
    let fields = charter.fields();
    assert_eq!((fields.task.to_string().as_str(), fields.repository.as_str()), (id, REPOSITORY));
    assert_eq!((fields.licence.as_str(), fields.minimum_pledge_sat), ("MIT", 15_000));
    let named = fields.leader.as_ref().unwrap();
    assert_eq!((&named.address, named.share_bps), (&payout, 300));
    assert_eq!(named.key, shown["leader"]["key"].as_str().unwrap());
    let text = format!("{out}.txt");
    assert_eq!(std::fs::read_to_string(&text).unwrap(), TEXT);
    let bytes = String::from_utf8(charter.bytes().to_vec()).unwrap();
    let (status, body) = world.post("/api/v1/tasks", json!({ "charter": bytes, "text": TEXT })).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let shown = said(run(&server, "", &["wish", "show", id]).await);
    assert_eq!(shown["charters"][0]["charter"], json!(charter.id()));
    let named = fields.developer.nominated_by.as_str();
    assert!(named.starts_with("themselves, as npub1"), "{named}");
    assert!(fields.representative.nominated_by.starts_with("the wish, which npub1"), "as on the page");
    // A file that is there already is not written over.
    std::fs::write(&text, "something else").unwrap();
    let (status, refused) = run(&server, "", &charter_args).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (1, Some("exists")), "{refused}");

    let told = said(run(&server, "", &["events", "--wish", id, "--limit", "1"]).await);
    assert_eq!((&told["type"], &told["wish"]), (&json!("wish_written"), &json!(id)), "{told}");
    let withdraw = ["wish", "withdraw", id];
    let (status, refused) = run(&server, sponsor, &withdraw).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (1, Some("not_author")), "{refused}");
    let taken = said(run(&server, author, &withdraw).await);
    assert!(taken["summary"]["withdrawn_secs"].is_u64(), "{taken}");
    assert_eq!(said(run(&server, "", &["wish", "list"]).await), json!([]));
    assert_eq!(said(run(&server, "", &["wish", "list", "--withdrawn"]).await)[0]["wish"], id);
    let (status, refused) = run(&server, "", &charter_args).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (1, Some("wish_withdrawn")), "{refused}");
    let gone = said(run(&server, leader, &["project", "withdraw", REPOSITORY]).await);
    assert!(gone["claims"][0]["withdrawn"]["counter"].is_u64(), "{gone}");
    let (status, refused) = run(&server, leader, &["project", "withdraw", REPOSITORY]).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (1, Some("not_claimed")), "{refused}");
    let back = said(run(&server, leader, &claim).await);
    assert_eq!(back["claims"][0]["withdrawn"], Value::Null, "{back}");
}
