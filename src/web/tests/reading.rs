//! Reading: pages whose cursors stay right, filters, tags, HEAD.

use super::fakes::World;
use crate::escrow::charter::Charter;
use crate::escrow::network::Network;
use crate::escrow::testing;
use crate::web::router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

impl World {
    /// Writes another task down, with another target; it stays a draft.
    async fn draft(&self, target_sat: u64) -> String {
        let mut fields = testing::fields(Network::Regtest);
        (fields.target_sat, fields.cap_sat) = (target_sat, target_sat);
        let charter = Charter::from_fields(fields).unwrap();
        let text = String::from_utf8(charter.bytes().to_vec()).unwrap();
        let (status, _) = self.post("/api/v1/tasks", json!({ "charter": text, "text": testing::TEXT })).await;
        assert_eq!(status, StatusCode::CREATED);
        charter.id().to_string()
    }

    async fn asked(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.respond_to(request.body(Body::empty()).unwrap(), "127.0.0.1:50000").await;
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    async fn listed(&self, query: &str) -> (Vec<String>, Option<String>) {
        let (status, page) = self.get(&format!("/api/v1/tasks{query}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let ids = page["items"].as_array().unwrap().iter().map(|t| t["charter"].as_str().unwrap().to_owned());
        (ids.collect(), page["next"].as_str().map(str::to_owned))
    }
}

#[tokio::test]
async fn tasks_come_in_pages_that_inserts_do_not_upset() {
    let mut world = World::new(None, |_| {}).await;
    let first = world.id.to_string();
    let second = world.draft(300_000).await;
    let (page, next) = world.listed("?limit=1").await;
    assert_eq!(page, std::slice::from_ref(&second), "the newest first");
    // Written down between two pages: on neither of the rest, and nothing is repeated.
    let third = world.draft(400_000).await;
    let (page, end) = world.listed(&format!("?limit=1&cursor={}", next.unwrap())).await;
    assert_eq!((page, end), (vec![first.clone()], None));
    let all = vec![third.clone(), second.clone(), first.clone()];
    assert_eq!(world.listed("").await, (all.clone(), None));

    world.fund(1, 100_000).await;
    let (page, next) = world.listed("?sort=most_funded&limit=2").await;
    assert_eq!(page, [first.clone(), third.clone()]);
    let cursor = next.unwrap();
    assert_eq!(
        world.listed(&format!("?sort=most_funded&cursor={cursor}")).await,
        (vec![second.clone()], None)
    );

    let (status, headers, _) =
        world.asked(Method::GET, "/api/v1/tasks?limit=2&sort=newest&cursor=n9", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["link"], "</api/v1/tasks?limit=2&sort=newest&cursor=n1>; rel=\"next\"");

    assert_eq!(world.listed("?stage=draft").await.0, [third.clone(), second.clone()]);
    assert_eq!(world.listed("?min_target_sat=400000&stage=draft").await.0, [third]);
    let word = testing::TEXT.split_whitespace().next().unwrap().to_uppercase();
    assert_eq!(world.listed(&format!("?q={word}")).await.0, all);
    assert_eq!(world.listed("?q=nobodywrotethis").await.0, Vec::<String>::new());
    let repository = testing::fields(Network::Regtest).repository;
    assert_eq!(world.listed(&format!("?repository={repository}")).await.0, all);
    assert_eq!(world.listed("?repository=x").await.0, Vec::<String>::new());

    let sort = format!("?cursor={cursor}");
    for bad in [
        "?limit=0",
        "?limit=201",
        "?limit=-1",
        "?limit=x",
        "?stages=open",
        "?stage=opened",
        "?cursor=n01",
        "?min_target_sat=2100000000000001",
        &sort,
    ] {
        let (status, problem) = world.get(&format!("/api/v1/tasks{bad}")).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("bad_request")), "{bad}");
    }
    world.restart().await;
    assert_eq!(world.listed("").await.0, all, "the journal keeps the order");
}

#[tokio::test]
async fn what_a_task_has_comes_in_pages() {
    let mut world = World::new(None, |_| {}).await;
    for index in 1..=3 {
        world.fund(index, 50_000).await;
    }
    let task = world.task().await;
    let mut seen = Vec::new();
    let mut path = "pledges?limit=2".to_owned();
    loop {
        let (status, page) = world.get(&world.path(&path)).await;
        assert_eq!(status, StatusCode::OK);
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("pledges?limit=2&cursor={next}");
    }
    assert_eq!(Value::Array(seen), task["pledges"]);

    let submission = world.submit(0).await;
    for pledge in 1..=3 {
        world
            .sent("votes", world.vote_body(submission, pledge, crate::escrow::statement::Choice::Yes, 1))
            .await;
    }
    let task = world.task().await;
    let votes = world.path(&format!("submissions/{submission}/votes"));
    let (_, page) = world.get(&format!("{votes}?limit=2")).await;
    let cursor = page["next"].as_str().unwrap();
    let (_, rest) = world.get(&format!("{votes}?cursor={cursor}")).await;
    let all: Vec<Value> =
        [&page, &rest].iter().flat_map(|p| p["items"].as_array().unwrap().clone()).collect();
    assert_eq!(Value::Array(all), task["submissions"][0]["votes"]);
    assert_eq!(rest["next"], Value::Null);

    for feerate in [1, 20] {
        let payout = json!({ "kind": "payout", "submission": submission, "feerate_sat_per_vb": feerate });
        world.sent("settlements", payout).await;
    }
    let (_, page) = world.get(&world.path("settlements?limit=1")).await;
    assert_eq!(page["items"][0]["feerate_sat_per_vb"], 1);
    let cursor = page["next"].as_str().unwrap();
    let (_, page) = world.get(&world.path(&format!("settlements?limit=1&cursor={cursor}"))).await;
    assert_eq!((&page["items"][0]["feerate_sat_per_vb"], &page["next"]), (&json!(20), &Value::Null));
    let (_, page) = world.get(&world.path("submissions")).await;
    assert_eq!(page["items"], world.task().await["submissions"]);
    for kind in ["payout", "early_return", "ruling"] {
        let unknown = json!({ "kind": kind, "submission": submission, "feerate": 1 });
        world.refused("settlements", unknown, 400, "bad_request").await;
    }
    for list in ["pledges", "submissions", "settlements"] {
        let (status, _) = world.get(&world.path(&format!("{list}?cursor=x"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let (status, _) = world.get(&world.path(&format!("submissions/{}/votes", "0".repeat(64)))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_tag_holds_until_the_chain_or_a_write_changes_the_answer() {
    let mut world = World::new(None, |_| {}).await;
    let path = format!("/api/v1/tasks/{}", world.id);
    let (status, headers, body) = world.asked(Method::GET, &path, &[]).await;
    assert_eq!((status, &headers["cache-control"]), (StatusCode::OK, &"no-cache".parse().unwrap()));
    let tag = headers["etag"].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
        let (status, headers, body) = world.asked(Method::GET, &path, &[("if-none-match", &known)]).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
        assert_eq!(headers["etag"], tag);
    }
    let (status, headers, nothing) = world.asked(Method::HEAD, &path, &[]).await;
    assert_eq!((status, nothing.len()), (StatusCode::OK, 0));
    assert_eq!(headers["etag"], tag);
    assert_eq!(headers["content-length"], body.len().to_string());

    // The tip alone moves: what is shown is another answer.
    world.mine(1).await;
    let (status, headers, _) = world.asked(Method::GET, &path, &[("if-none-match", &tag)]).await;
    assert_eq!(status, StatusCode::OK);
    let moved = headers["etag"].to_str().unwrap().to_owned();
    assert_ne!(moved, tag);
    // A reorg back to the same tip is the same answer again.
    world.chain().disconnect(1);
    world.look().await;
    let (status, ..) = world.asked(Method::GET, &path, &[("if-none-match", &tag)]).await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
    world.sent("pledges", world.pledge_body(1, 50_000)).await;
    let (status, ..) = world.asked(Method::GET, &path, &[("if-none-match", &tag)]).await;
    assert_eq!(status, StatusCode::OK);

    let (_, headers, _) = world.asked(Method::GET, &world.path("charter"), &[]).await;
    assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
    let (_, headers, _) = world.asked(Method::GET, "/api/v1/tasks/x", &[]).await;
    assert_eq!((headers.get("etag"), &headers["cache-control"]), (None, &"no-store".parse().unwrap()));
}

/// A key belongs to who signs: without a signature the answer is 401, whatever else came with the key.
#[tokio::test]
async fn a_request_without_the_signature_it_needs_uses_up_no_key() {
    let world = World::new(None, |_| {}).await;
    for body in ["{}", "[]", "{}"] {
        for path in ["/api/v1/tasks".to_owned(), "/api/v1/webhooks".to_owned(), world.path("settlements")] {
            let request =
                Request::post(&path).header("idempotency-key", "one").body(Body::from(body)).unwrap();
            let response = router(world.app()).oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path} {body}");
        }
    }
    for body in ["1", "2"] {
        let request = Request::builder().method("TRACE").uri(world.path("votes"));
        let request = request.header("idempotency-key", "two").body(Body::from(body)).unwrap();
        let response = router(world.app()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
