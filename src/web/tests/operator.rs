//! Health, readiness, metrics, request ids: what an operator and their monitoring see.

use super::fakes::{OneOutput, World};
use crate::config::HttpLimits;
use crate::escrow::testing::FakeChain;
use crate::web::connections::Connections;
use crate::web::health::{Probe, State};
use crate::web::operator::Operator;
use crate::web::{metrics, router};
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use bitcoin::Amount;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt;

struct Seen {
    operator: Arc<Operator>,
    router: axum::Router,
}

fn seen(world: &World, probes: Vec<Probe>, elsewhere: bool) -> Seen {
    let operator = Operator::new(Arc::clone(&world.service), probes, elsewhere);
    let router = operator.beside(router(world.app()));
    Seen { operator, router }
}

impl Seen {
    async fn ask(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// As a client at `peer` asks.
    async fn from(&self, peer: &str, path: &str) -> (StatusCode, String) {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = Request::get(path).extension(ConnectInfo(peer)).body(Body::empty()).unwrap();
        let response = self.ask(request).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn here(&self, path: &str) -> (StatusCode, String) {
        self.from("127.0.0.1:5", path).await
    }

    /// Status of `/ready`, and a check's state and words.
    async fn check(&self, name: &str) -> (StatusCode, String, String) {
        let (status, text) = self.here("/ready").await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["ready"], status == StatusCode::OK);
        let check = answer["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("no check {name}: {text}"));
        let word = |key: &str| check[key].as_str().unwrap().to_owned();
        (status, word("state"), word("detail"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_says_what_fails_and_recovers_with_it() {
    let world = World::new(Some(Amount::from_sat(60_000)), |_| ()).await;
    let broken = Arc::new(AtomicBool::new(false));
    let looked = Arc::clone(&broken);
    let look = move || match looked.load(Ordering::Relaxed) {
        false => (State::Ok, "room".to_owned()),
        true => (State::Failing, "no room".to_owned()),
    };
    let seen = seen(&world, vec![Probe { name: "disk", look: Box::new(look) }], false);
    assert_eq!(seen.check("running").await.0, StatusCode::OK);
    for name in ["running", "servers", "lag", "journal", "disk"] {
        assert_eq!(seen.check(name).await.1, "ok", "{name}");
    }
    // Not asked yet, then enough, then low: a warning never makes it unready.
    assert_eq!(seen.check("fee_wallet").await.1, "warning");
    world.service.refresh_wallet().await;
    assert_eq!(seen.check("fee_wallet").await.1, "ok");

    broken.store(true, Ordering::Relaxed);
    let (status, state, words) = seen.check("disk").await;
    assert_eq!(
        (status, state.as_str(), words.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "failing", "no room")
    );
    broken.store(false, Ordering::Relaxed);

    // The disk is full (FAULTS 22): a refused append is told until one succeeds.
    world.disk.0.fill(true);
    let (status, answer) = world.post(&world.path("pledges"), world.pledge_body(1, 200_000)).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (503, Some("disk_full")));
    let (status, state, words) = seen.check("journal").await;
    assert_eq!((status, state.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "failing"));
    assert!(words.contains("no room"), "{words}");
    assert!(seen.here("/health").await.0.is_success(), "alive all the same");
    assert!(seen.here("/api/v1/status").await.0.is_success(), "reads go on");
    world.disk.0.fill(false);
    world.sent("pledges", world.pledge_body(1, 200_000)).await;
    assert_eq!(seen.check("journal").await.0, StatusCode::OK);

    seen.operator.stop();
    let (status, state, _) = seen.check("running").await;
    assert_eq!((status, state.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "failing"));
    assert!(seen.here("/health").await.0.is_success());
}

/// The status page, `/ready` and `/metrics` say of the fee wallet what one rule says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_next_refunds_need_makes_the_fee_wallet_low_everywhere() {
    let mut world = World::new(Some(Amount::from_sat(60_000)), |_| ()).await;
    let told = async |world: &World| {
        world.service.refresh_wallet().await;
        let view = world.service.fee_wallet().unwrap();
        let seen = seen(world, Vec::new(), false);
        let (status, state, words) = seen.check("fee_wallet").await;
        assert!(status.is_success(), "a warning makes nothing unready");
        let (_, metrics) = seen.here("/metrics").await;
        (view, state, words, value(&metrics, "upfront_fee_wallet_low"))
    };
    let (view, state, _, metric) = told(&world).await;
    assert_eq!((view.needed_sat, view.low, state.as_str(), metric), (0, false, "ok", 0.0));
    // Above the operator's own limit (none here), and too little for these.
    world.fund(1, 200_000).await;
    world.fund(2, 150_000).await;
    let (view, state, words, metric) = told(&world).await;
    assert!(view.confirmed_sat == 60_000 && view.needed_sat > 60_000, "{view:?}");
    assert_eq!((view.low, state.as_str(), metric), (true, "warning", 1.0));
    assert!(words.contains(&format!("{} sat needed", view.needed_sat)), "{words}");
    let (_, shown) = world.get("/api/v1/status").await;
    assert_eq!(shown["fee_wallet"]["low"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signer_that_does_not_sign_is_told_in_ready() {
    let unsigned = |chain: &mut FakeChain| {
        let mut wallet = OneOutput::new(chain, Amount::from_sat(100_000));
        wallet.unsigned = true;
        Some(wallet)
    };
    let mut world = World::with_wallet(unsigned, |_| ()).await;
    world.fund(1, 50_000).await;
    world.service.refresh_wallet().await;
    assert_eq!(seen(&world, Vec::new(), false).check("fee_wallet").await.1, "ok");
    world.advance_to(world.charter.refund_time_secs() + 1).await;
    let (status, state, words) = seen(&world, Vec::new(), false).check("fee_wallet").await;
    assert_eq!((status, state.as_str()), (StatusCode::OK, "warning"), "{words}");
    assert!(words.contains("did not sign: nobody at home"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_block_known_it_is_not_ready() {
    let mut world = World::new(None, |_| ()).await;
    assert_eq!(seen(&world, Vec::new(), false).check("lag").await.0, StatusCode::OK);
    // Three blocks that the servers announced and the service has not taken in.
    world.chain().mine(3);
    let (status, state, words) = seen(&world, Vec::new(), false).check("lag").await;
    assert_eq!((status, state.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "failing"), "{words}");
    assert!(words.contains("3 behind"), "{words}");
    world.look().await;
    assert_eq!(seen(&world, Vec::new(), false).check("lag").await.1, "ok");
}

/// The value of a sample line, by its name with labels.
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_sums_and_nothing_of_anybody() {
    let mut world = World::new(Some(Amount::from_sat(10_000)), |_| ()).await;
    let outpoint = world.fund(1, 200_000).await;
    world.fund(2, 150_000).await;
    world.service.refresh_wallet().await;
    let seen = seen(&world, Vec::new(), false);
    for path in ["/api/v1/tasks", "/api/v1/nowhere", &format!("/api/v1/tasks/{}", world.id), "/a/b?secret=c"]
    {
        seen.here(path).await;
    }
    let (status, text) = seen.here("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(value(&text, "upfront_tasks{stage=\"open\"}"), 1.0);
    assert_eq!(value(&text, "upfront_outpoints{standing=\"credited\"}"), 2.0);
    assert_eq!(value(&text, "upfront_outpoints_sat{standing=\"credited\"}"), 350_000.0);
    assert_eq!(value(&text, "upfront_outpoints{standing=\"seen\"}"), 0.0);
    assert_eq!(value(&text, "upfront_unsecured_outpoints"), 0.0);
    assert_eq!(value(&text, "upfront_fee_wallet_sat{state=\"confirmed\"}"), 10_000.0);
    assert_eq!(value(&text, "upfront_fee_wallet_low"), 1.0);
    assert_eq!(value(&text, "upfront_chain_servers{state=\"connected\"}"), 1.0);
    assert_eq!(value(&text, "upfront_ready"), 1.0);
    let tip = f64::from(world.tip().height);
    assert_eq!(value(&text, "upfront_chain_tip_height"), tip);
    let listed = "upfront_http_requests_total{route=\"/api/v1/tasks\",method=\"GET\",status=\"200\"}";
    assert_eq!(value(&text, listed), 1.0);
    let shown =
        "upfront_http_requests_total{route=\"/api/v1/tasks/{charter}\",method=\"GET\",status=\"200\"}";
    assert_eq!(value(&text, shown), 1.0);
    let other = "upfront_http_requests_total{route=\"other\",method=\"GET\",status=\"404\"}";
    assert_eq!(value(&text, other), 2.0, "paths that are no routes are one");
    assert!(value(&text, "process_resident_memory_bytes") > 1e6);
    assert!(value(&text, "process_open_fds") > 3.0 && value(&text, "process_max_fds") > 100.0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let started = value(&text, "process_start_time_seconds");
    assert!(started <= now + 2.0 && started > now - 36_000.0, "{started} {now}");
    for private in [world.id.to_string(), outpoint.txid.to_string(), "secret".into(), "bcrt1".into()] {
        assert!(!text.contains(&private), "{private} is nobody's business");
    }
    // A change is told; figures are not kept beyond it.
    world.fund(3, 100_000).await;
    let (_, text) = seen.here("/metrics").await;
    assert_eq!(value(&text, "upfront_outpoints_sat{standing=\"credited\"}"), 450_000.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_for_this_machine_or_a_listener_of_their_own() {
    let world = World::new(None, |_| ()).await;
    let shown = seen(&world, Vec::new(), false);
    assert_eq!(shown.from("203.0.113.4:9", "/metrics").await.0, StatusCode::NOT_FOUND);
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let peer: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let request = Request::get("/metrics").extension(ConnectInfo(peer)).header(header, "203.0.113.4");
        let answer = shown.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{header}: a proxy asks for another");
    }
    assert_eq!(
        shown.ask(Request::get("/metrics").body(Body::empty()).unwrap()).await.status(),
        StatusCode::NOT_FOUND
    );
    let apart = seen(&world, Vec::new(), true);
    assert_eq!(apart.here("/metrics").await.0, StatusCode::NOT_FOUND);
    let alone = apart.operator.alone();
    let answer = alone.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.headers()["content-type"], metrics::MEDIA_TYPE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_a_request_id() {
    let world = World::new(None, |_| ()).await;
    let seen = seen(&world, Vec::new(), false);
    let id_of = async |given: Option<&str>| {
        let mut request = Request::get("/api/v1/status");
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        let answer = seen.ask(request.body(Body::empty()).unwrap()).await;
        answer.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id_of(Some("proxy-17")).await, "proxy-17");
    let key = "ab".repeat(32);
    assert_ne!(id_of(Some(&key)).await, key, "what may be a key is not repeated");
    assert_ne!(id_of(None).await, id_of(None).await);
    let lost = seen.ask(Request::get("/nowhere").body(Body::empty()).unwrap()).await;
    assert!(lost.headers().contains_key("x-request-id"), "errors have one too");
}

/// Names of the samples that `/metrics` can have, by its TYPE lines.
fn samples(text: &str) -> BTreeSet<String> {
    let of = |line: &str| -> Vec<String> {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else {
            return Vec::new();
        };
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        endings.iter().map(|ending| format!("{name}{ending}")).collect()
    };
    text.lines().flat_map(of).collect()
}

/// Words of a query that name metrics of ours.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("upfront_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_and_alerts_ask_for_what_there_is_and_the_dashboard_shows_all() {
    let world = World::new(None, |_| ()).await;
    let seen = seen(&world, Vec::new(), false);
    Connections::new(HttpLimits::default(), &world.service.metrics().http);
    seen.here("/api/v1/tasks").await;
    let known = samples(&seen.here("/metrics").await.1);
    assert!(known.len() > 40, "{known:?}");
    let dashboard: Value =
        serde_json::from_str(include_str!("../../../packaging/grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    let shown = named(&queries.join("\n"));
    let alerts = include_str!("../../../packaging/prometheus-alerts.yml");
    let alerted: BTreeSet<String> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).flat_map(named).collect();
    assert!(alerted.len() > 10, "{alerted:?}");
    for name in shown.union(&alerted) {
        assert!(known.contains(name), "{name} is asked for and is not there");
    }
    for name in &known {
        let family = name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
        assert!(shown.iter().any(|shown| shown.starts_with(family)), "{name} is on no panel");
    }
}
