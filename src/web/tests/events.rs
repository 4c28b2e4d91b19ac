//! What is told while the service runs: only what is durable, in order, the same after a restart.

use super::fakes::World;
use crate::escrow::charter::Charter;
use crate::escrow::public::{EventId, ProjectId, PublicEvent};
use crate::escrow::statement::Digest;
use crate::service::events::{Full, Topic};
use crate::service::views::EventPage;
use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

impl World {
    fn told(&self) -> Vec<Arc<PublicEvent>> {
        self.service.events().page(&Topic::All, EventId::default(), usize::MAX).unwrap().items
    }

    fn told_types(&self, from: usize) -> Vec<String> {
        let kind = |event: &Arc<PublicEvent>| {
            serde_json::to_value(&**event).unwrap()["type"].as_str().unwrap().to_owned()
        };
        self.told()[from..].iter().map(kind).collect()
    }
}

#[tokio::test]
async fn a_restart_tells_the_same() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 300_000).await;
    let told = world.told();
    assert!(world.told_types(0).contains(&"payment_credited".to_owned()));
    world.restart().await;
    assert_eq!(world.told(), told);
    assert_eq!(world.service.events().newest(), told.last().unwrap().id);
    assert_eq!(told.last().unwrap().recorded_secs, 43_200);
}

#[tokio::test]
async fn nothing_is_told_before_it_is_durable() {
    let world = World::new(None, |_| {}).await;
    let before = world.told().len();
    let (path, body) = (world.path("pledges"), world.pledge_body(1, 100_000));
    world.disk.0.hold(true);
    assert!(world.post_unsigned(&path, &body).now_or_never().is_none());
    tokio::task::yield_now().await;
    assert_eq!(world.told().len(), before);
    let mut watch = world.service.events().watch();
    watch.mark_unchanged();
    world.disk.0.hold(false);
    watch.changed().await.unwrap();
    assert_eq!(world.told_types(before), ["pledge_issued"]);
}

#[tokio::test]
async fn what_a_full_disk_refuses_is_never_told() {
    let mut world = World::new(None, |_| {}).await;
    let before = world.told().len();
    world.disk.0.fill(true);
    world.refused("pledges", world.pledge_body(1, 50_000), 503, "disk_full").await;
    assert_eq!(world.told().len(), before);
    world.disk.0.fill(false);
    world.sent("pledges", world.pledge_body(1, 60_000)).await;
    assert_eq!(world.told_types(before), ["pledge_issued"]);
    let told = world.told();
    world.restart().await;
    assert_eq!(world.told(), told, "what came after the refusal has the ids that the journal gave it");
}

async fn respond(world: &World, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.respond_to(request.body(Body::empty()).unwrap(), "127.0.0.1:50000").await
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

const STREAM: (&str, &str) = ("accept", "text/event-stream");

/// A stream being read.
struct Stream {
    body: BodyDataStream,
    unread: String,
}

impl Stream {
    async fn open(world: &World, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut all = vec![STREAM];
        all.extend(headers);
        let response = respond(world, path, &all).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut stream = Stream { body: response.into_body().into_data_stream(), unread: String::new() };
        let hello = stream.next().await.unwrap();
        assert!(hello.starts_with("retry: 3000\nid: ") && hello.contains("\nevent: hello\n"), "{hello}");
        stream
    }

    /// The next block of lines that is there; `None` when nothing is.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(block);
            }
            let bytes = self.body.next().now_or_never()??.unwrap();
            self.unread.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// Ids of all that is there, each checked against what it stands on.
    async fn ids(&mut self) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(block) = self.next().await {
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{block}"))
            };
            let event: PublicEvent = serde_json::from_str(field("data: ")).unwrap();
            let value: Value = serde_json::from_str(field("data: ")).unwrap();
            assert_eq!(
                (field("id: "), field("event: ")),
                (event.id.to_string().as_str(), value["type"].as_str().unwrap())
            );
            ids.push(event.id.to_string());
        }
        ids
    }
}

fn ids(events: &[Arc<PublicEvent>]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}

#[tokio::test]
async fn a_stream_tells_each_event_once_and_goes_on_where_it_broke() {
    let mut world = World::new(None, |_| {}).await;
    let before = world.told().len();
    let mut live = Stream::open(&world, "/api/v1/events", &[]).await;
    let mut task = Stream::open(&world, &world.path("events"), &[]).await;
    let mut all = Stream::open(&world, "/api/v1/events?after=0", &[]).await;
    assert_eq!(live.ids().await, [] as [&str; 0], "what was is not told to who asks for what comes");
    world.fund(1, 300_000).await;
    let told = world.told();
    assert_eq!(live.ids().await, ids(&told[before..]));
    assert_eq!(task.ids().await, ids(&told[before..]));
    assert_eq!(all.ids().await, ids(&told));
    let mut pledge = Stream::open(&world, &world.path("pledges/1/events?after=0"), &[]).await;
    let mine: Vec<_> = told.iter().filter(|event| event.pledge == Some(1)).cloned().collect();
    assert_eq!(pledge.ids().await, ids(&mine));

    // From every place, also after a restart; the header, which browsers send, wins.
    for at in [0, before, told.len() - 1] {
        let id = told[at].id.to_string();
        let mut resumed = Stream::open(&world, "/api/v1/events?after=0", &[("last-event-id", &id)]).await;
        assert_eq!(resumed.ids().await, ids(&told[at + 1..]));
    }
    world.restart().await;
    let id = told[before].id.to_string();
    let mut resumed = Stream::open(&world, &format!("/api/v1/events?after={id}"), &[]).await;
    world.sent("pledges", world.pledge_body(2, 70_000)).await;
    assert_eq!(resumed.ids().await, ids(&world.told()[before + 1..]));
}

#[tokio::test]
async fn who_falls_behind_misses_nothing() {
    let mut world = World::new(None, |fields| fields.cap_sat = 10_000_000).await;
    let before = world.told().len();
    let mut stream = Stream::open(&world, "/api/v1/events", &[]).await;
    // More appends than wait for anybody.
    for index in 1..=30 {
        world.sent("pledges", world.pledge_body(index, 20_000)).await;
    }
    assert_eq!(stream.ids().await, ids(&world.told()[before..]));
    world.mine(1).await;
    world.fund(31, 20_000).await;
    let mut rest = stream.ids().await;
    let told = world.told();
    assert_eq!(rest, ids(&told[before + 30..]));
    // Beyond what is kept (a hundred here) the stream ends, and going on is refused.
    for index in 32..=140 {
        world.sent("pledges", world.pledge_body(index, 20_000)).await;
    }
    rest = stream.ids().await;
    assert!(rest.is_empty() && world.service.events().listeners() == 0, "ended: {rest:?}");
    let response = respond(&world, "/api/v1/events?after=1-0", &[]).await;
    assert_eq!(response.status(), StatusCode::GONE);
    assert!(text(response).await.contains("events_forgotten"));
}

#[tokio::test]
async fn pages_are_for_who_does_not_stream() {
    let world = World::new(None, |_| {}).await;
    let told = world.told();
    let mut after = "0".to_owned();
    let mut seen = Vec::new();
    loop {
        let path = format!("/api/v1/events?limit=2&after={after}");
        let page: EventPage = serde_json::from_str(&text(respond(&world, &path, &[]).await).await).unwrap();
        after = page.next.to_string();
        if page.items.is_empty() {
            break;
        }
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(Arc::new));
    }
    assert_eq!(seen, told);
    // Waiting ends with an event.
    let path = format!("/api/v1/events?wait_secs=30&after={after}");
    let (waited, _) =
        futures::future::join(respond(&world, &path, &[("accept", "application/json")]), async {
            tokio::task::yield_now().await;
            world.sent("pledges", world.pledge_body(1, 70_000)).await
        })
        .await;
    let page: EventPage = serde_json::from_str(&text(waited).await).unwrap();
    assert_eq!(page.items.len(), 1);
    for bad in ["after=x", "after=1", "limit=0", "limit=1001", "wait_secs=31", "wait=3", "limit=-1"] {
        let response = respond(&world, &format!("/api/v1/events?{bad}"), &[]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    let response = respond(&world, "/api/v1/events?after=999999-0", &[]).await;
    assert_eq!(response.status(), StatusCode::GONE);
    for none in [world.path("pledges/9/events"), format!("/api/v1/projects/{}/events", "0".repeat(32))] {
        assert_eq!(respond(&world, &none, &[]).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn listeners_are_limited_in_all_and_by_address() {
    let world = World::new(None, |_| {}).await;
    let log = world.service.events();
    let from = |text: &str| Some(text.parse().unwrap());
    let two: Vec<_> = (0..2).map(|_| log.seat(from("2001:db8::1")).unwrap()).collect();
    assert_eq!(log.seat(from("2001:db8::2")).unwrap_err(), Full::Address { max: 2 }, "the same /64");
    let others: Vec<_> = (0..6).map(|_| log.seat(from("127.0.0.1")).unwrap()).collect();
    assert_eq!(log.seat(None).unwrap_err(), Full::All { max: 8 });
    let response = respond(&world, "/api/v1/events", &[STREAM]).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    drop((two, others));
    assert_eq!(log.listeners(), 0);
    let stream = Stream::open(&world, "/api/v1/events", &[]).await;
    assert_eq!(log.listeners(), 1);
    drop(stream);
    assert_eq!(log.listeners(), 0);
}

#[tokio::test]
async fn projects_are_listed_and_shown() {
    let world = World::new(None, |_| {}).await;
    let (_, list) = world.get("/api/v1/projects").await;
    assert_eq!((list.as_array().unwrap().len(), &list[0]["tasks"]), (1, &json!(1)));
    let path = format!("/api/v1/projects/{}", list[0]["project"].as_str().unwrap());
    let (_, project) = world.get(&path).await;
    assert_eq!(project["repository"], world.charter.fields().repository);
    assert_eq!(project["tasks"][0]["charter"], world.id.to_string());
    let (_, page) = world.get(&format!("{path}/events")).await;
    assert_eq!(page["items"].as_array().unwrap().len(), world.told().len());
}

/// What RFC 4287 asks of a feed, looked at with a parser that knows nothing of Atom.
fn check_feed(xml: &str) -> Vec<String> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(xml);
    let (mut path, mut seen, mut titles) = (Vec::<String>::new(), Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                path.push(String::from_utf8(tag.name().as_ref().to_vec()).unwrap());
                seen.push(path.join("/"));
            }
            Event::Empty(tag) => {
                let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
                let relation = tag.try_get_attribute("rel").unwrap();
                let relation =
                    relation.map(|r| String::from_utf8(r.value.to_vec()).unwrap()).unwrap_or_default();
                seen.push(format!("{}/{name}:{relation}", path.join("/")));
            }
            Event::Text(text) if path.join("/") == "feed/entry/title" => {
                titles.push(text.decode().unwrap().into_owned());
            }
            Event::End(_) => drop(path.pop()),
            Event::Eof => break,
            _ => {}
        }
    }
    let count = |what: &str| seen.iter().filter(|seen| *seen == what).count();
    for once in ["feed/title", "feed/id", "feed/updated", "feed/link:self"] {
        assert_eq!(count(once), 1, "{once}: {xml}");
    }
    // The same as JSON, and as a page: two types, as RFC 4287 allows.
    assert_eq!(count("feed/link:alternate"), 2, "{xml}");
    assert!(count("feed/author/name") >= 1);
    for each in ["title", "id", "updated", "content"] {
        assert_eq!(count(&format!("feed/entry/{each}")), count("feed/entry"), "{each}");
    }
    assert_eq!(count("feed/entry/link:alternate"), 2 * count("feed/entry"));
    titles
}

#[tokio::test]
async fn feeds_are_atom_and_inert() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 300_000).await;
    let path = world.path("feed.atom");
    let response = respond(&world, &path, &[]).await;
    assert_eq!(response.headers()["content-type"], "application/atom+xml; charset=utf-8");
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let xml = text(response).await;
    let titles = check_feed(&xml);
    assert!(titles.contains(&"300,000 sat credited on pledge 1".to_owned()), "{titles:?}");
    let again = respond(&world, &path, &[("if-none-match", &etag)]).await;
    assert_eq!(
        (again.status(), &again.headers()["etag"]),
        (StatusCode::NOT_MODIFIED, &etag.parse().unwrap())
    );
    let feed: atom_syndication::Feed = xml.parse().unwrap();
    assert_eq!(feed.id, format!("tag:escrow.example.org,2026:upfront/tasks/{}", world.id));
    assert_eq!(
        feed.links[0].href,
        format!("https://escrow.example.org/pay/api/v1/tasks/{}/feed.atom", world.id)
    );
    let ids: BTreeSet<&str> = feed.entries.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!((ids.len(), feed.entries.len()), (world.told().len(), world.told().len()));
    assert_eq!(feed.updated.timestamp(), 43_200);
    let before = feed.entries[0].id.clone();
    world.restart().await;
    let same: atom_syndication::Feed = text(respond(&world, &path, &[]).await).await.parse().unwrap();
    assert_eq!(same.entries[0].id, before);
    world.sent("pledges", world.pledge_body(2, 70_000)).await;
    assert_eq!(respond(&world, &path, &[("if-none-match", &etag)]).await.status(), StatusCode::OK);

    // A title that would be markup, or turn the page around, is neither.
    let hostile = "</title><script>alert(1)</script> \u{202e}txt\u{1}&amp; ]]>";
    let mut fields = world.charter.fields().clone();
    fields.text_hash = Digest::of(hostile.as_bytes());
    fields.repository = "https://example.org/<b>&\"'".into();
    let Ok(charter) = Charter::from_fields(fields) else { panic!("a charter may name such a repository") };
    let body = json!({ "charter": String::from_utf8(charter.bytes().to_vec()).unwrap(), "text": hostile });
    assert_eq!(world.post("/api/v1/tasks", body).await.0, StatusCode::CREATED);
    let project = ProjectId::of(&charter.fields().repository);
    for path in [format!("tasks/{}", charter.id()), format!("projects/{project}")] {
        let xml = text(respond(&world, &format!("/api/v1/{path}/feed.atom"), &[]).await).await;
        check_feed(&xml);
        assert!(!xml.contains("<script") && !xml.contains("<b>"), "{xml}");
        assert!(!xml.contains('\u{202e}') && !xml.contains('\u{1}'), "{xml}");
    }
}
