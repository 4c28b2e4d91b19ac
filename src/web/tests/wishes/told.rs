//! What is said to wishes and of projects, as events: on timelines, in feeds, in streams; and what the operator hides.

use super::*;
use axum::body::{Body, to_bytes};
use axum::http::Request;

async fn text(world: &World, path: &str, accept: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
    let response = world.respond_to(request, "127.0.0.1:50000").await;
    let status = response.status();
    // A stream does not end; what it begins with is enough.
    if accept == "text/event-stream" {
        return (status, String::new());
    }
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

fn kinds(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_wish_and_its_project_have_timelines_feeds_and_streams() {
    let mut world = World::new(None, |_| {}).await;
    let id = world.wished(2, TEXT).await;
    world.set(project(7, 1), 7).await;
    world.said(&like(id, 3, true, 1)).await;
    world.said(&promise(id, 3, 40_000, 1)).await;
    world.said(&lead(id, 7, LeadChoice::Accept, None, 1)).await;
    let charter = world.chartered(id, TEXT, None).await;
    let path = format!("/api/v1/wishes/{id}/events");
    let (status, page) = world.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let said = ["wish_written", "wish_liked", "promise_made", "wish_judged", "wish_chartered"];
    assert_eq!(kinds(&page), said);
    let liked = &page["items"][1];
    assert_eq!(
        (&liked["signed_by"]["key"], &liked["signed_by"]["part"]),
        (&json!(key(3)), &json!("identity"))
    );
    assert_eq!((&liked["wish"], liked.get("charter")), (&json!(id), None));
    assert_eq!(page["items"][4]["charter"], json!(charter));
    world.restart().await;
    assert_eq!(world.get(&path).await.1, page, "the same after a restart, under the same ids");

    let project_id = ProjectId::of(REPOSITORY);
    let (_, of_project) = world.get(&format!("/api/v1/projects/{project_id}/events")).await;
    let of_project = kinds(&of_project);
    assert_eq!(of_project[..4], ["wish_written", "project_claimed", "wish_liked", "promise_made"]);
    assert!(of_project.contains(&"task_opened") && of_project.contains(&"wish_chartered"), "{of_project:?}");
    let (status, _) = text(&world, &path, "text/event-stream").await;
    assert_eq!(status, StatusCode::OK);

    let (html, json) = world.page(&format!("/wishes/{id}/timeline")).await;
    assert_eq!(json["events"].as_array().unwrap().len(), 5);
    for part in [
        "Liked",
        "40,000 sat promised",
        "A charter was drafted from the wish",
        &format!("href=\"/tasks/{charter}\""),
        "Signed by an identity (BIP340), key ",
        &crate::nip98::npub(&key(3)),
        &format!("data-events=\"{path}\""),
    ] {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
    let (html, _) = world.page(&format!("/projects/{project_id}/timeline")).await;
    for part in
        ["A key claims to lead the project", &format!("href=\"/wishes/{id}\""), "Signed by the leader"]
    {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
    let (html, _) = world.page(&format!("/wishes/{id}")).await;
    assert!(
        html.contains(&format!("data-events=\"{path}\"")) && html.contains("id=\"fund\" data-live"),
        "{html}"
    );

    let (status, feed) = text(&world, &format!("/api/v1/wishes/{id}/feed.atom"), "*/*").await;
    assert_eq!(status, StatusCode::OK);
    let feed: atom_syndication::Feed = feed.parse().unwrap();
    assert_eq!(feed.entries.len(), 5);
    assert!(feed.title.as_str().contains("Vulcan"), "{:?}", feed.title);
    let links: Vec<&str> = feed.entries[4].links.iter().map(|link| link.href.as_str()).collect();
    assert!(links.iter().any(|link| link.ends_with(&format!("/api/v1/wishes/{id}"))), "{links:?}");
    assert!(links.iter().any(|link| link.contains(&format!("/wishes/{id}/timeline#event-"))), "{links:?}");
    let (_, feed) = text(&world, &format!("/api/v1/projects/{project_id}/feed.atom"), "*/*").await;
    assert!(
        feed.contains("A key claims to lead the project")
            && feed.contains(&format!("/projects/{project_id}/timeline#event-"))
    );
    let (status, answer) = world.get(&format!("/api/v1/wishes/{}/events", "0".repeat(64))).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (404, Some("unknown_wish")));
}

#[tokio::test]
async fn what_the_operator_hides_is_not_shown_and_not_forgotten() {
    let mut world = World::new(None, |_| {}).await;
    let (spam, good) = (world.wished(9, "Buy things").await, world.wished(2, TEXT).await);
    world.said(&like(good, 8, true, 1)).await;
    world.said(&promise(good, 8, 2_000_000_000_000_000, 1)).await;
    world.said(&promise(good, 3, 40_000, 1)).await;
    world.set(Project { description: "Buy more things".into(), ..project(8, 1) }, 8).await;
    let events = |page: Value| page["items"].as_array().unwrap().clone();
    let before = events(world.get("/api/v1/events").await.1);
    world
        .restart_with(|policy| {
            policy.hidden.wishes = [spam].into();
            policy.hidden.keys = [key(8)].into();
        })
        .await;
    let (_, listed) = world.get("/api/v1/wishes").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    for path in ["", "/words", "/events", "/feed.atom"] {
        let (status, answer) = world.get(&format!("/api/v1/wishes/{spam}{path}")).await;
        assert_eq!((status.as_u16(), answer["code"].as_str()), (404, Some("not_shown")), "{path}");
    }
    let (status, ..) = world.browse(&format!("/wishes/{spam}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, view) = world.get(&format!("/api/v1/wishes/{good}")).await;
    let summary = &view["summary"];
    assert_eq!(
        (&summary["likes"], &summary["promised_sat"], &view["words"]),
        (&json!(0), &json!(40_000), &json!(1))
    );
    let (html, _) = world.page(&format!("/wishes/{good}")).await;
    assert!(!html.contains("2,000,000,000,000,000"), "{html}");
    let project_id = ProjectId::of(REPOSITORY);
    let (html, json) = world.page(&format!("/projects/{project_id}")).await;
    assert!(!html.contains("Buy") && json["wish_count"] == 1, "{html}");
    let (_, view) = world.get(&format!("/api/v1/projects/{project_id}")).await;
    assert_eq!(view["claims"], json!([]));
    let (html, _) = world.page(&format!("/new?wish={good}")).await;
    assert!(!html.contains("Apache-2.0\""), "what is hidden is put into no charter: {html}");
    // The ids of what is told are those it had.
    let hidden = |event: &Value| event["wish"] == json!(spam) || event["signed_by"]["key"] == json!(key(8));
    let left: Vec<Value> = before.iter().filter(|event| !hidden(event)).cloned().collect();
    let after = events(world.get("/api/v1/events").await.1);
    assert!(left.len() + 4 == before.len() && after == left, "{after:?}");
    // A hidden key is heard as before, and finds its own words.
    let answered = world.said(&like(good, 8, false, 2)).await;
    assert_eq!(answered["words"], 1);
    // A word costs nothing: it does not open what is hidden, but to whoever wrote it.
    let opened = world.said(&like(spam, 3, true, 1)).await;
    assert_eq!(
        [&opened["text"], &opened["summary"]["title"], &opened["link"]],
        [&json!(""), &json!(""), &Value::Null]
    );
    assert_eq!(world.said(&like(spam, 9, true, 1)).await["text"], "Buy things");
    let (_, own) = world.get(&format!("/api/v1/wishes/{good}/words?by={}", key(8))).await;
    assert_eq!(own["items"].as_array().unwrap().len(), 3);
    world.restart_with(|_| ()).await;
    let (_, listed) = world.get("/api/v1/wishes").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "nothing was erased");
}
