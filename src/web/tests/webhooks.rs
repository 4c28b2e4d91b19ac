//! Webhooks over HTTP: the real ones, with a receiver that is scripted. And that every operation of the document was
//! seen to succeed as it describes.

use super::fakes::{Disk, Noon, World, identity, read};
use super::{Choice, Role};
use crate::escrow::public::ProjectId;
use crate::metrics::Metrics;
use crate::service::Clock;
use crate::store::journal::Journal;
use crate::webhooks::{
    self, Answered, Limits, NoRandomness, Outgoing, Post, PostError, Randomness, Webhooks,
};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

const HERE: &str = "127.0.0.1:50000";

/// Answers everything with one status, and keeps what it got.
struct Receiver {
    status: AtomicU16,
    got: Mutex<Vec<Post>>,
}

impl Outgoing for Receiver {
    fn post(&self, post: Post) -> BoxFuture<'_, Result<Answered, PostError>> {
        self.got.lock().unwrap().push(post);
        let status = self.status.load(Ordering::SeqCst);
        async move { Ok(Answered { status }) }.boxed()
    }
}

/// Counts up, so that nothing is the same twice.
#[derive(Default)]
struct Counting(AtomicU8);

impl Randomness for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
        Ok(())
    }
}

/// A world whose service sends webhooks, to this receiver, from this disk.
async fn world() -> (World, Arc<Receiver>, Disk) {
    let mut world = World::new(None, |_| {}).await;
    let receiver = Arc::new(Receiver { status: AtomicU16::new(204), got: Mutex::default() });
    let disk = Disk::default();
    let webhooks = Webhooks::new(webhooks::Parts {
        journal: Box::new(disk.clone()) as Box<dyn Journal<webhooks::HookRecord>>,
        records: Vec::new(),
        events: Arc::clone(world.service.events()),
        outgoing: Arc::clone(&receiver) as Arc<dyn Outgoing>,
        clock: Arc::new(Noon) as Arc<dyn Clock>,
        randomness: Arc::new(Counting::default()),
        metrics: Arc::new(Metrics::default()),
        limits: Limits::default(),
    });
    tokio::spawn(webhooks::run(Arc::clone(&webhooks)));
    world.webhooks = Some(webhooks);
    (world, receiver, disk)
}

impl World {
    /// Asks in the name of an identity; status, body and headers.
    async fn as_identity(
        &self,
        number: u8,
        method: Method,
        path: &str,
        body: Value,
    ) -> (u16, Value, HeaderMap) {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = self.signed_as(&identity(number), method, &format!("/api/v1/{path}"), &bytes);
        let response = self.respond_to(request, HERE).await;
        let headers = response.headers().clone();
        let (status, body) = read(response).await;
        (status.as_u16(), body, headers)
    }

    /// Subscribes to everything; the id.
    async fn subscribed(&self) -> String {
        let new = json!({ "url": "https://example.org/hook" });
        let (status, made, _) = self.as_identity(1, Method::POST, "webhooks", new).await;
        assert_eq!(status, 201, "{made}");
        assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
        made["webhook"]["id"].as_str().unwrap().to_owned()
    }

    async fn waits_for(&self, what: &str, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..500 {
            let (status, shown, _) = self.as_identity(1, Method::GET, path, Value::Null).await;
            assert_eq!(status, 200);
            if done(&shown) {
                return shown;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("waited in vain for {what}");
    }
}

/// What was posted, held to what the document says is posted.
fn posted_as_described(post: &Post) -> Value {
    let document = crate::web::openapi::build(crate::web::api::router()).1;
    let body: Value = serde_json::from_str(&post.body).unwrap();
    let kind = if body["type"] == "webhook_test" { "test" } else { "event" };
    let operation = &document["webhooks"][kind]["post"];
    let schema = |wanted: &Value| {
        let root = json!({ "components": document["components"], "allOf": [wanted] });
        jsonschema::draft202012::new(&root).unwrap()
    };
    let wanted = schema(&operation["requestBody"]["content"]["application/json"]["schema"]);
    let problems: Vec<String> = wanted.iter_errors(&body).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{body}: {problems:?}");
    for parameter in operation["parameters"].as_array().unwrap() {
        let (_, value) = post.headers.iter().find(|(name, _)| parameter["name"] == *name).unwrap();
        assert!(schema(&parameter["schema"]).is_valid(&json!(value)), "{parameter}: {value}");
    }
    assert_eq!(operation["parameters"].as_array().unwrap().len(), post.headers.len());
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_made_read_tried_disabled_resumed_and_ended() {
    let (world, receiver, _) = world().await;
    let id = world.subscribed().await;
    let path = format!("webhooks/{id}");
    let (_, listed, _) = world.as_identity(1, Method::GET, "webhooks", Value::Null).await;
    assert_eq!(listed["items"][0]["id"], *id);
    let (status, tried, _) = world.as_identity(1, Method::POST, &format!("{path}/test"), Value::Null).await;
    assert_eq!((status, &tried["status"]), (200, &json!(204)));
    world.sent("pledges", world.pledge_body(1, 60_000)).await;
    let shown = world.waits_for("a delivery", &path, |hook| !hook["attempts"][0].is_null()).await;
    assert_eq!(shown["attempts"][0]["event"], shown["delivered"]);
    let got = receiver.got.lock().unwrap().clone();
    let kinds: Vec<Value> = got.iter().map(posted_as_described).map(|told| told["type"].clone()).collect();
    assert_eq!(kinds, ["webhook_test", "pledge_issued"]);

    receiver.status.store(410, Ordering::SeqCst);
    world.sent("pledges", world.pledge_body(2, 60_000)).await;
    world.waits_for("its end", &path, |hook| hook["disabled"].is_string()).await;
    receiver.status.store(200, Ordering::SeqCst);
    let (status, resumed, _) =
        world.as_identity(1, Method::POST, &format!("{path}/resume"), Value::Null).await;
    assert_eq!((status, &resumed["disabled"]), (200, &Value::Null));
    let (status, body, _) = world.as_identity(1, Method::DELETE, &path, Value::Null).await;
    assert_eq!((status, body), (204, json!("")));
    let (status, gone, _) = world.as_identity(1, Method::GET, &path, Value::Null).await;
    assert_eq!((status, gone["code"].as_str()), (404, Some("unknown_webhook")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_shown_to_its_owner_and_to_no_other_site() {
    let (world, ..) = world().await;
    let id = world.subscribed().await;
    let (status, other, _) = world.as_identity(2, Method::GET, &format!("webhooks/{id}"), Value::Null).await;
    assert_eq!((status, other["code"].as_str()), (404, Some("unknown_webhook")));
    for path in ["webhooks".to_owned(), format!("webhooks/{id}")] {
        let (status, _, headers) = world.as_identity(1, Method::GET, &path, Value::Null).await;
        assert_eq!(status, 200);
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}: reading it is not public");
        let unsigned = Request::get(format!("/api/v1/{path}")).body(Body::empty()).unwrap();
        let response = world.respond_to(unsigned, HERE).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        let preflight = Request::options(format!("/api/v1/{path}"))
            .header("origin", "https://elsewhere.example")
            .header("access-control-request-method", "GET")
            .body(Body::empty())
            .unwrap();
        let response = world.respond_to(preflight, HERE).await;
        assert!(!response.headers().contains_key("access-control-allow-methods"), "{path}");
    }
    let public = Request::get("/api/v1/status").body(Body::empty()).unwrap();
    let response = world.respond_to(public, HERE).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_theirs_is_said_to_be_full() {
    let (world, _, disk) = world().await;
    disk.0.fill(true);
    let new = json!({ "url": "https://example.org/hook" });
    let (status, refused, headers) = world.as_identity(1, Method::POST, "webhooks", new).await;
    assert_eq!((status, refused["code"].as_str()), (503, Some("disk_full")), "{refused}");
    assert!(headers.contains_key("retry-after"));
    disk.0.fill(false);
    world.subscribed().await;
}

/// Proofs need real headers: the journeys see them (`tests/harness/api.rs` holds their answers to the same document).
const SEEN_ELSEWHERE: [&str; 1] = ["getProof"];

/// One life that passes every operation of the document, each answered with a success that is as described.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_seen_to_succeed_as_described() {
    let (mut world, receiver, _) = world().await;
    for path in ["status", "openapi.json", "tasks", "projects", "events"] {
        let (status, _) = world.get(&format!("/api/v1/{path}")).await;
        assert!(status.is_success(), "{path}");
    }
    let project = ProjectId::of(&world.charter.fields().repository);
    for path in ["", "/events", "/feed.atom"] {
        let (status, _) = world.get(&format!("/api/v1/projects/{project}{path}")).await;
        assert!(status.is_success(), "{path}");
    }
    super::wishes::every_operation(&world).await;
    world.fund(1, 200_000).await;
    world.fund(2, 200_000).await;
    let submission = world.submit(0).await;
    world.sent("votes", world.vote_body(submission, 1, Choice::Yes, 1)).await;
    world.sent("votes", world.vote_body(submission, 2, Choice::No, 1)).await;
    world.advance_to(world.tip().mtp_secs + world.charter.fields().review_secs + 1).await;
    world.accept(submission).await;
    world.sent("rulings", world.ruling_body(submission, 10_000)).await;
    let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": 2 });
    let settlement = world.sent("settlements", payout).await;
    world.sign(&settlement, Role::Developer).await;
    let id = settlement["id"].as_str().unwrap();
    for rest in [
        "charter",
        "events",
        "feed.atom",
        "pledges",
        "pledges/1",
        "pledges/1/events",
        "pledges/1/qr.svg",
        "settlements",
        &format!("settlements/{id}"),
        "submissions",
        &format!("submissions/{submission}"),
        &format!("submissions/{submission}/votes"),
    ] {
        let (status, _) = world.get(&world.path(rest)).await;
        assert!(status.is_success(), "{rest}");
    }
    super::moves::every_operation(&mut world, submission, id).await;
    let arbiter = world.charter.signer(crate::escrow::statement::Role::Arbiter).fingerprint();
    assert!(world.get(&format!("/api/v1/arbiters/{arbiter}")).await.0.is_success());
    world.task().await;
    let hook = format!("webhooks/{}", world.subscribed().await);
    world.as_identity(1, Method::GET, "webhooks", Value::Null).await;
    world.as_identity(1, Method::POST, &format!("{hook}/test"), Value::Null).await;
    receiver.status.store(410, Ordering::SeqCst);
    world.sent("pledges", world.pledge_body(3, 60_000)).await;
    world.waits_for("its end", &hook, |hook| hook["disabled"].is_string()).await;
    world.as_identity(1, Method::POST, &format!("{hook}/resume"), Value::Null).await;
    world.as_identity(1, Method::DELETE, &hook, Value::Null).await;

    let document = crate::web::openapi::build(crate::web::api::router()).1;
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let all: BTreeSet<String> =
        operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect();
    let mut seen = world.succeeded.lock().unwrap().clone();
    assert!(SEEN_ELSEWHERE.iter().all(|id| !seen.contains(*id)), "the exception is none any more");
    seen.extend(SEEN_ELSEWHERE.map(str::to_owned));
    let never: Vec<&String> = all.difference(&seen).collect();
    assert!(all.len() > 35 && never.is_empty(), "nobody saw these succeed: {never:?}");
}
