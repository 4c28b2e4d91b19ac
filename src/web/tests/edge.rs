//! The guard before the handlers: signatures, repeated keys, limits, other sites; through the router.

use super::fakes::{PUBLIC_URL, World, identity, read};
use crate::config::api::{ApiLimits, PublicKey};
use crate::escrow::event::Record;
use crate::nip98::{self, Asked};
use crate::store::journal::Journal;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use futures::stream;
use serde_json::{Value, json};
use std::convert::Infallible;

const HERE: &str = "127.0.0.1:50000";
const THERE: &str = "198.51.100.7:50000";
/// The clock of the fakes.
const NOON: u64 = 43_200;

fn post(path: &str, body: &Value) -> Request<Body> {
    Request::post(path).body(Body::from(body.to_string())).unwrap()
}

fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// Status and code of what is refused, code empty where it is done.
async fn code(world: &World, request: Request<Body>, peer: &str) -> (u16, String, HeaderMap) {
    let response = world.respond_to(request, peer).await;
    let headers = response.headers().clone();
    let (status, body) = read(response).await;
    (status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned(), headers)
}

fn proposal() -> Value {
    json!({ "kind": "early_return", "feerate_sat_per_vb": 1 })
}

#[tokio::test]
async fn what_is_done_in_somebodys_name_is_signed() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 100_000).await;
    let path = world.path("settlements");
    let body = proposal().to_string().into_bytes();
    let bare = |path: &str| Request::post(path).body(Body::from(body.clone())).unwrap();
    for path in ["/api/v1/tasks", &path] {
        let (status, code, headers) = code(&world, bare(path), HERE).await;
        assert_eq!((status, code.as_str()), (401, "auth_required"));
        assert_eq!(headers["www-authenticate"], "Nostr");
        assert_eq!(headers["cache-control"], "no-store");
    }
    let basic = with(bare(&path), &[("authorization", "Basic dTpw")]);
    assert_eq!(code(&world, basic, HERE).await.1, "auth_required", "another scheme is a proxy's affair");

    let sign = |url: &str, method, at| {
        let asked = Asked { url, method, body: &body };
        nip98::authorization(&identity(1), &asked, at, "")
    };
    let url = format!("{PUBLIC_URL}{path}");
    let send = |header: String| with(bare(&path), &[("authorization", &header)]);
    for (header, expected) in [
        (sign(&format!("https://other.example{path}"), "POST", NOON), "auth_url"),
        (sign(&format!("http://127.0.0.1:50000{path}"), "POST", NOON), "auth_url"),
        (sign(&format!("{url}?x=1"), "POST", NOON), "auth_url"),
        (sign(&url, "PUT", NOON), "auth_method"),
        (sign(&url, "POST", NOON - 61), "auth_clock"),
        (sign(&url, "POST", NOON + 61), "auth_clock"),
        ("Nostr e30=".into(), "auth_malformed"),
    ] {
        // The Host header says what the client likes.
        let request = with(send(header), &[("host", "other.example")]);
        assert_eq!(code(&world, request, HERE).await.1, expected);
    }
    let other = with(
        Request::post(&path).body(Body::from(body.clone())).unwrap(),
        &[(
            "authorization",
            &nip98::authorization(&identity(1), &Asked { url: &url, method: "POST", body: b"{}" }, NOON, ""),
        )],
    );
    assert_eq!(code(&world, other, HERE).await.1, "auth_payload");

    // Once, and not again: not for this service, and not for the next one on the same disk.
    let good = sign(&url, "POST", NOON - 60);
    assert_eq!(code(&world, send(good.clone()), HERE).await.0, 201);
    assert_eq!(code(&world, send(good.clone()), HERE).await.1, "auth_replayed");
    world.restart().await;
    assert_eq!(code(&world, send(good.clone()), HERE).await.1, "auth_replayed", "also after a restart");
    assert_eq!(code(&world, send(sign(&url, "POST", NOON)), HERE).await.0, 201);

    // Where a signature is not needed, one that is there must be good.
    let votes = world.path("votes");
    let request = with(bare(&votes), &[("authorization", &good)]);
    assert_eq!(code(&world, request, HERE).await.1, "auth_url");
    assert_eq!(code(&world, bare(&votes), HERE).await.1, "bad_request", "the vote speaks for itself");
}

/// Nothing is done under a signature whose use cannot be recorded.
#[tokio::test]
async fn without_a_record_of_use_nothing_signed_is_done() {
    use crate::store::journal::sim::Faults;
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 100_000).await;
    let before = Journal::<Record>::next_seq(&world.disk);
    world.replay.set(Faults { room_bytes: Some(0), ..Faults::default() });
    world.refused("settlements", proposal(), 503, "disk_full").await;
    world.replay.set(Faults { sync_fails: true, ..Faults::default() });
    world.refused("settlements", proposal(), 503, "auth_unavailable").await;
    world.replay.set(Faults::default());
    world.refused("settlements", proposal(), 503, "auth_unavailable").await;
    assert_eq!(Journal::<Record>::next_seq(&world.disk), before);
    // What carries its own authority goes on.
    let unsigned = post(&world.path("pledges"), &world.pledge_body(2, 50_000));
    assert_eq!(code(&world, unsigned, HERE).await.0, 201);
    world.restart().await;
    world.sent("settlements", proposal()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_a_hundred_times_at_once_has_one_effect() {
    let world = World::new(None, |_| {}).await;
    let path = world.path("pledges");
    let body = world.pledge_body(1, 50_000);
    let before = Journal::<Record>::next_seq(&world.disk);
    let ask = |body: &Value, key: &str, peer: &'static str| {
        let request = with(post(&path, body), &[("idempotency-key", key)]);
        let world = &world;
        async move {
            let response = world.respond_to(request, peer).await;
            let again = response.headers().contains_key("idempotent-replayed");
            (read(response).await, again)
        }
    };
    let asks = (0..100).map(|_| ask(&body, "\"7d0e\"", HERE));
    let answers = futures::future::join_all(asks).await;
    let firsts = answers.iter().filter(|(_, again)| !again).count();
    assert_eq!(firsts, 1, "one was carried out, the others heard of it");
    assert!(
        answers.iter().all(|((status, body), _)| (*status, body) == (StatusCode::CREATED, &answers[0].0.1))
    );
    assert_eq!(Journal::<Record>::next_seq(&world.disk), before + 1, "one record");

    let other = world.pledge_body(2, 50_000);
    let ((status, refused), _) = ask(&other, "7d0e", HERE).await;
    assert_eq!((status.as_u16(), &refused["code"]), (422, &json!("idempotency_key_reused")));
    // Another client's key is another key.
    let ((status, _), again) = ask(&other, "7d0e", THERE).await;
    assert_eq!((status.as_u16(), again), (201, false));
    let ((status, _), _) = ask(&body, "", HERE).await;
    assert_eq!(status.as_u16(), 400);

    // What went wrong for the moment is tried anew.
    world.disk.0.fill(true);
    let third = world.pledge_body(3, 50_000);
    assert_eq!(ask(&third, "third", HERE).await.0.0.as_u16(), 503);
    world.disk.0.fill(false);
    let ((status, _), again) = ask(&third, "third", HERE).await;
    assert_eq!((status.as_u16(), again), (201, false));
}

/// A signed request that is repeated with its key, as a client does that heard no answer: the first answer,
/// though the signature works once.
#[tokio::test]
async fn a_repeated_key_needs_no_new_signature() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 100_000).await;
    let path = world.path("settlements");
    let body = proposal().to_string().into_bytes();
    let url = format!("{PUBLIC_URL}{path}");
    let header =
        nip98::authorization(&identity(1), &Asked { url: &url, method: "POST", body: &body }, NOON, "");
    let request = || {
        let request = Request::post(&path).body(Body::from(body.clone())).unwrap();
        with(request, &[("authorization", &header), ("idempotency-key", "k")])
    };
    let first = read(world.respond_to(request(), HERE).await).await;
    assert_eq!(first.0, StatusCode::CREATED);
    assert_eq!(read(world.respond_to(request(), HERE).await).await, first);
    // Somebody else's signature is somebody else's key.
    let theirs = with(world.signed(&identity(2), &path, &body), &[("idempotency-key", "k")]);
    let response = world.respond_to(theirs, HERE).await;
    assert!(!response.headers().contains_key("idempotent-replayed"));
}

#[tokio::test]
async fn clients_are_held_to_their_rates_and_told() {
    let mut world = World::new(None, |_| {}).await;
    let limits = ApiLimits {
        reads_per_minute: 3,
        writes_per_minute: 2,
        costly_per_minute: 1,
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..ApiLimits::default()
    };
    world.guard(limits.clone());
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let status = "/api/v1/status";
    for left in [2, 1, 0] {
        let (done, _, headers) = code(&world, get(status), THERE).await;
        assert_eq!(done, 200);
        assert_eq!(headers["ratelimit"], format!("\"reads\";r={left}"));
        assert_eq!(headers["ratelimit-policy"], "\"reads\";q=3;w=60");
    }
    let (done, problem, headers) = code(&world, get(status), THERE).await;
    assert_eq!((done, problem.as_str()), (429, "too_many_requests"));
    let wait: u32 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=21).contains(&wait), "a third of a minute: {wait}");
    assert_eq!(headers["ratelimit"], "\"reads\";r=0");

    assert_eq!(code(&world, get(status), "198.51.100.8:1").await.0, 200, "another client");
    let vote = || post(&world.path("votes"), &json!({}));
    assert_eq!(code(&world, vote(), THERE).await.0, 400, "another bucket");
    // A proof document is costly.
    let proof = || get(world.path("proof").as_str());
    assert_ne!(code(&world, proof(), THERE).await.0, 429);
    assert_eq!(code(&world, proof(), THERE).await.0, 429);

    // One /64 is one client; behind a trusted proxy each is its own, behind others all are one.
    for last in 1..=3 {
        assert_eq!(code(&world, get(status), &format!("[2001:db8::{last}]:1")).await.0, 200);
    }
    assert_eq!(code(&world, get(status), "[2001:db8::4]:1").await.0, 429);
    assert_eq!(code(&world, get(status), "[2001:db8:0:1::4]:1").await.0, 200);
    for client in 1..=5 {
        let address = format!("192.0.2.{client}");
        let request = with(get(status), &[("x-forwarded-for", &address)]);
        assert_eq!(code(&world, request, "10.0.0.1:1").await.0, 200);
        let spoofed = with(get(status), &[("x-forwarded-for", &address)]);
        assert_eq!(code(&world, spoofed, THERE).await.0, 429);
    }

    // This machine is not limited, unless it is said so, or speaks for others.
    for _ in 0..10 {
        assert_eq!(code(&world, get(status), HERE).await.0, 200);
    }
    let forwarded = || with(get(status), &[("x-forwarded-for", "192.0.2.9")]);
    let mut last = 0;
    for _ in 0..4 {
        last = code(&world, forwarded(), HERE).await.0;
    }
    assert_eq!(last, 429, "a proxy that nobody told of lifts no limit");
    world.guard(ApiLimits { limit_loopback: true, ..limits });
    for _ in 0..4 {
        last = code(&world, get(status), HERE).await.0;
    }
    assert_eq!(last, 429);
}

/// A key has a rate of its own, from however many addresses it asks.
#[tokio::test]
async fn an_identity_is_held_to_its_rate_from_every_address() {
    let mut world = World::new(None, |_| {}).await;
    world.fund(1, 100_000).await;
    world.guard(ApiLimits { costly_per_minute: 2, ..ApiLimits::default() });
    let path = world.path("settlements");
    let body = proposal().to_string().into_bytes();
    let mut statuses = Vec::new();
    for address in 1..=3 {
        let request = world.signed(&identity(1), &path, &body);
        statuses.push(code(&world, request, &format!("192.0.2.{address}:1")).await.0);
    }
    assert_eq!(statuses, [201, 201, 429]);
}

#[tokio::test]
async fn a_client_holds_few_addresses_unpaid() {
    let mut world = World::new(None, |_| {}).await;
    world.guard(ApiLimits { max_unpaid_pledges: 2, ..ApiLimits::default() });
    let path = world.path("pledges");
    let ask = |index| post(&path, &world.pledge_body(index, 50_000));
    assert_eq!(code(&world, ask(1), THERE).await.0, 201);
    assert_eq!(code(&world, ask(1), THERE).await.0, 201, "the same again");
    // Refused for another reason: it holds nothing.
    assert_eq!(code(&world, ask(9), THERE).await.1, "index_taken");
    assert_eq!(code(&world, ask(2), THERE).await.0, 201);
    let (status, problem, headers) = code(&world, ask(3), THERE).await;
    assert_eq!((status, problem.as_str()), (429, "too_many_unpaid"));
    assert!(headers.contains_key("retry-after"));
    assert_eq!(code(&world, ask(3), "198.51.100.8:1").await.0, 201, "another client");
    assert_eq!(code(&world, ask(4), HERE).await.0, 201, "this machine");
    // Paid is paid, and what lapsed holds nothing.
    let script =
        world.service.read_task(&world.id, |task, _| task.pledges()[&1].output.script_pubkey.clone());
    world.chain().pay_one(&script.unwrap(), bitcoin::Amount::from_sat(50_000));
    world.look().await;
    let ask = |world: &World, index| post(&path, &world.pledge_body(index, 50_000));
    let request = ask(&world, 5);
    assert_eq!(code(&world, request, THERE).await.0, 201);
    let request = ask(&world, 6);
    assert_eq!(code(&world, request, THERE).await.1, "too_many_unpaid");
    let later = world.chain().tip().mtp_secs + 1_801;
    world.advance_to(later).await;
    let request = ask(&world, 6);
    assert_eq!(code(&world, request, THERE).await.0, 201);
}

#[tokio::test]
async fn long_bodies_are_refused_before_they_are_read() {
    let world = World::new(None, |_| {}).await;
    let small = 64 << 10;
    let refused = async |request: Request<Body>| {
        let (_, body) = read(world.respond_unread(request, HERE).await).await;
        body["code"].as_str().unwrap_or_default().to_owned()
    };
    // Announced: not a byte is asked for.
    let unread = Body::from_stream(stream::once(async {
        panic!("the body was read");
        #[expect(unreachable_code)]
        Ok::<Bytes, Infallible>(Bytes::new())
    }));
    let request =
        Request::post(world.path("votes")).header("content-length", small + 1).body(unread).unwrap();
    assert_eq!(refused(request).await, "too_long");
    // Not announced: reading stops soon after the limit.
    for (rest, max) in
        [("votes", small), ("pledges", small), ("refunds", small), ("settlements/x/signatures", 8 << 20)]
    {
        let chunk = Bytes::from(vec![b' '; 32 << 10]);
        let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&read);
        let endless = stream::repeat_with(move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok::<Bytes, Infallible>(chunk.clone())
        });
        let request = Request::post(world.path(rest)).body(Body::from_stream(endless)).unwrap();
        assert_eq!(refused(request).await, "too_long", "{rest}");
        let chunks = read.load(std::sync::atomic::Ordering::Relaxed);
        assert!(chunks <= (max >> 15) + 2, "{rest}: {chunks} chunks were read");
    }
    let whole = vec![b' '; small];
    let request = Request::post(world.path("votes")).body(Body::from(whole)).unwrap();
    assert_eq!(code(&world, request, HERE).await.1, "bad_request", "just not too long");
}

#[tokio::test]
async fn other_sites_read_and_do_not_write() {
    let world = World::new(None, |_| {}).await;
    let get = Request::get("/api/v1/status").header("origin", "https://other.example");
    let (status, _, headers) = code(&world, get.body(Body::empty()).unwrap(), HERE).await;
    assert_eq!((status, &headers["access-control-allow-origin"]), (200, &"*".parse().unwrap()));
    assert!(!headers.contains_key("access-control-allow-credentials"));
    for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
        assert_eq!(headers[name], value);
    }
    assert!(headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert_eq!(headers["cache-control"], "no-cache");

    let votes = world.path("votes");
    for header in [("origin", "https://other.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")]
    {
        let (status, problem, headers) = code(&world, with(post(&votes, &json!({})), &[header]), HERE).await;
        assert_eq!((status, problem.as_str()), (403, "cross_site"));
        assert!(!headers.contains_key("access-control-allow-origin"));
        assert_eq!(headers["cache-control"], "no-store");
    }
    let own = with(post(&votes, &json!({})), &[("origin", "https://upfront.example")]);
    assert_eq!(code(&world, own, HERE).await.1, "bad_request");

    let preflight = |method: &'static str| {
        let request = Request::builder().method(Method::OPTIONS).uri(&votes).body(Body::empty()).unwrap();
        with(request, &[("origin", "https://other.example"), ("access-control-request-method", method)])
    };
    let (status, _, headers) = code(&world, preflight("GET"), HERE).await;
    assert_eq!((status, &headers["access-control-allow-methods"]), (204, &"GET, HEAD".parse().unwrap()));
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let (status, problem, headers) = code(&world, preflight(method), HERE).await;
        assert_eq!((status, problem.as_str()), (403, "cross_site"));
        assert!(!headers.contains_key("access-control-allow-methods"));
    }
}

/// Strangers cannot fill the service with tasks that nobody has agreed to.
#[tokio::test]
async fn drafts_are_limited_by_identity_and_together() {
    use crate::escrow::charter::Charter;
    use crate::escrow::network::Network;
    use crate::escrow::testing;
    let mut world = World::new(None, |_| {}).await;
    let close = world.charter.fields().funding_close;
    let draft = |number: u8, change: u32| {
        let mut fields = testing::fields(Network::Regtest);
        fields.task = crate::escrow::statement::TaskId([number; 32]);
        fields.funding_close = close - change;
        let charter = Charter::from_fields(fields).unwrap();
        let charter = String::from_utf8(charter.bytes().to_vec()).unwrap();
        json!({ "charter": charter, "text": testing::TEXT }).to_string().into_bytes()
    };
    let ask = async |world: &World, who: u8, body: &[u8]| {
        code(world, world.signed(&identity(who), "/api/v1/tasks", body), HERE).await
    };
    assert_eq!(ask(&world, 1, &draft(1, 10)).await.0, 201);
    assert_eq!(ask(&world, 1, &draft(2, 0)).await.0, 201);
    let (status, problem, _) = ask(&world, 1, &draft(3, 0)).await;
    assert_eq!((status, problem.as_str()), (409, "too_many_drafts"));
    assert_eq!(ask(&world, 1, &draft(2, 0)).await.0, 201, "the same again");
    assert_eq!(ask(&world, 2, &draft(3, 0)).await.0, 201);
    assert_eq!(ask(&world, 3, &draft(4, 0)).await.0, 201);
    assert_eq!(ask(&world, 4, &draft(5, 0)).await.1, "too_many_drafts", "of everybody together");
    // Whose funding has closed can open no more.
    world.advance_to(close - 5).await;
    assert_eq!(ask(&world, 1, &draft(6, 0)).await.0, 201);
    world.restart().await;
    assert_eq!(ask(&world, 1, &draft(7, 0)).await.1, "too_many_drafts", "counted from the journal");
    let drafted = world.service.read(|book| {
        book.tasks()
            .values()
            .filter(|task| task.drafted_by() == Some(identity(1).x_only_public_key().0))
            .count()
    });
    assert_eq!(drafted, 4, "with the attested one");
    assert_eq!(PublicKey(identity(1).x_only_public_key().0).to_string().len(), 63);
}
