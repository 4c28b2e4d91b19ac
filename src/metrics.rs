//! What is counted and measured while the service runs, for `/metrics` (OpenMetrics). Whoever counts holds a
//! handle of here; what can be computed from the book is not counted but looked at when asked for
//! (`service/figures.rs`, `web/metrics.rs`). No label takes a value that strangers choose, and none names a
//! task, a person, an address or an outpoint.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// Labels: names and values of fixed sets.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];
/// A gauge of what cannot be negative.
pub type Whole = Gauge<u64, AtomicU64>;
type HistogramOf = fn() -> Histogram;

/// Seconds, from what a cached read takes to the longest time a request may.
const REQUEST_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];
/// Seconds, from a good SSD to a disk that is about to fail.
const SYNC_BUCKETS: [f64; 11] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0];
const GROUP_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Everything counted while the service runs.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests and connections.
    pub http: HttpMetrics,
    /// The journal's writer.
    pub journal: JournalMetrics,
    /// The chain, and what is sent to it.
    pub chain: ChainMetrics,
    /// Webhooks that have events to deliver.
    pub webhooks_pending: Whole,
    /// Webhook deliveries, by `result`: `delivered`, `failed`, `given_up`.
    pub webhook_deliveries: Family<Labels<1>, Counter>,
}

/// Requests and connections.
#[derive(Debug)]
pub struct HttpMetrics {
    /// Answered, by `route` (the pattern, never the path), `method` and `status`.
    pub requests: Family<RouteLabels, Counter>,
    /// Seconds from a request's head to its answer's, by `route` and `method`.
    pub seconds: Family<Labels<2>, Histogram, HistogramOf>,
    /// Under way.
    pub in_flight: Gauge,
    /// Open connections.
    pub connections: Whole,
    /// Accepted.
    pub accepted: Counter,
    /// Closed by us, by `reason`.
    pub closed: Family<Labels<1>, Counter>,
    /// Listeners to event streams.
    pub sse_listeners: Gauge,
}

/// Labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteLabels {
    /// The route's pattern, or `other`.
    pub route: &'static str,
    /// `GET`, `POST`, ..., or `other`.
    pub method: &'static str,
    /// Status of the answer.
    pub status: u16,
}

impl EncodeLabelSet for RouteLabels {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        [("route", self.route), ("method", self.method), ("status", &self.status.to_string())].encode(encoder)
    }
}

impl Default for HttpMetrics {
    fn default() -> HttpMetrics {
        HttpMetrics {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            in_flight: Gauge::default(),
            connections: Whole::default(),
            accepted: Counter::default(),
            closed: Family::default(),
            sse_listeners: Gauge::default(),
        }
    }
}

/// The journal's writer. Clones count together.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    /// Batches made durable.
    pub appends: Counter,
    /// Bytes made durable.
    pub bytes: Counter,
    /// Groups that were refused or lost.
    pub failures: Counter,
    /// Seconds of each sync.
    pub sync_seconds: Histogram,
    /// Batches made durable by one sync.
    pub group_size: Histogram,
}

impl Default for JournalMetrics {
    fn default() -> JournalMetrics {
        JournalMetrics {
            appends: Counter::default(),
            bytes: Counter::default(),
            failures: Counter::default(),
            sync_seconds: Histogram::new(SYNC_BUCKETS),
            group_size: Histogram::new(GROUP_BUCKETS),
        }
    }
}

/// The chain, and what is sent to it.
#[derive(Debug, Default)]
pub struct ChainMetrics {
    /// Transactions handed to the network, by `result`: `taken`, `rejected`, `offline`, `timed_out`.
    pub broadcasts: Family<Labels<1>, Counter>,
    /// Reorganisations, by `depth` in blocks: `1`, `2`, `3-6`, `7+`.
    pub reorgs: Family<Labels<1>, Counter>,
}

/// A registry, with everything counted in it under its name.
pub fn registry(metrics: &Metrics) -> Registry {
    let mut registry = Registry::default();
    let r = &mut registry;
    let Metrics { http, journal, chain, webhooks_pending, webhook_deliveries } = metrics;
    let requests = "HTTP requests answered, by route pattern, method and status";
    r.register("upfront_http_requests", requests, http.requests.clone());
    let seconds = "Seconds from a request's head to its answer's";
    r.register("upfront_http_request_duration_seconds", seconds, http.seconds.clone());
    r.register("upfront_http_requests_in_flight", "HTTP requests under way", http.in_flight.clone());
    r.register("upfront_http_connections", "Open connections", http.connections.clone());
    r.register("upfront_http_connections_accepted", "Connections accepted", http.accepted.clone());
    let closed = "Connections closed by the service, by reason";
    r.register("upfront_http_connections_closed", closed, http.closed.clone());
    r.register("upfront_sse_listeners", "Listeners to event streams", http.sse_listeners.clone());
    r.register("upfront_journal_appends", "Batches of records made durable", journal.appends.clone());
    r.register("upfront_journal_written_bytes", "Bytes made durable", journal.bytes.clone());
    let failures = "Groups of appends that were refused or lost";
    r.register("upfront_journal_failures", failures, journal.failures.clone());
    r.register("upfront_journal_sync_seconds", "Seconds of each fdatasync", journal.sync_seconds.clone());
    let group = "Batches made durable by one fdatasync";
    r.register("upfront_journal_group_size", group, journal.group_size.clone());
    let broadcasts = "Transactions handed to the network, by what became of them";
    r.register("upfront_broadcasts", broadcasts, chain.broadcasts.clone());
    r.register(
        "upfront_chain_reorgs",
        "Reorganisations of the chain, by depth in blocks",
        chain.reorgs.clone(),
    );
    r.register("upfront_webhooks_pending", "Webhooks that have events to deliver", webhooks_pending.clone());
    let deliveries = "Tries to deliver a webhook event, by result";
    r.register("upfront_webhook_deliveries", deliveries, webhook_deliveries.clone());
    // Present from the start, so that a rate over them has a beginning.
    for result in ["taken", "rejected", "offline", "timed_out"] {
        let _ = chain.broadcasts.get_or_create(&[("result", result)]);
    }
    for result in ["delivered", "failed", "given_up"] {
        let _ = webhook_deliveries.get_or_create(&[("result", result)]);
    }
    for depth in DEPTHS {
        let _ = chain.reorgs.get_or_create(&[("depth", depth)]);
    }
    registry
}

const DEPTHS: [&str; 4] = ["1", "2", "3-6", "7+"];

/// The label of a reorganisation's depth.
pub fn depth_label(depth: u32) -> &'static str {
    match depth {
        0 | 1 => DEPTHS[0],
        2 => DEPTHS[1],
        3..=6 => DEPTHS[2],
        _ => DEPTHS[3],
    }
}

/// Text that lives as long as the process, for labels. Only for sets that are bounded: routes of the router.
#[derive(Debug, Default)]
pub struct Interned(Mutex<std::collections::BTreeSet<&'static str>>);

impl Interned {
    /// At most this many; whatever comes later is `other`.
    const MOST: usize = 256;

    /// The same text, for ever.
    pub fn get(&self, text: &str) -> &'static str {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = known.get(text) {
            return known;
        }
        if known.len() >= Interned::MOST {
            return "other";
        }
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        known.insert(text);
        text
    }
}
