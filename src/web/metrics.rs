//! `/metrics`: what was counted (`crate::metrics`), and what is looked at when asked for: the book in figures,
//! servers, fee wallet, the process itself. Every name and meaning is here or there; the dashboard and the
//! alert rules in `packaging/` are tested against them.

use crate::chain::ServerState;
use crate::metrics::{Labels, Whole, registry};
use crate::service::Service;
use crate::service::figures::Figures;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Media type of OpenMetrics text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Clock ticks a second in `/proc` (`USER_HZ`, the same on every Linux that Rust builds for).
const TICKS_PER_SEC: u64 = 100;
/// Bytes of a page; `/proc/self/status` gives kilobytes, which needs none.
const KIB: u64 = 1024;

/// Codes of [`crate::chain::ChainAlarm`], each told as 0 while there is none.
const ALARMS: [&str; 9] = [
    "no_server",
    "one_server",
    "nobody_at_best_tip",
    "disagreement",
    "server_dropped",
    "tip_stale",
    "clock_skew",
    "long_reorg",
    "subscriptions_refused",
];

type By = Family<Labels<1>, Whole>;

/// What is looked at.
#[derive(Default)]
struct Looked {
    ready: Gauge,
    tip_height: Whole,
    tip_age_secs: Gauge,
    servers: By,
    servers_at_best_tip: Whole,
    subscriptions: Whole,
    alarms: By,
    tasks: By,
    outpoints: By,
    outpoints_sat: By,
    settlements: By,
    unsecured: Whole,
    unsecured_sat: Whole,
    refunds_due: Whole,
    refunds_due_sat: Whole,
    scripts: Whole,
    fee_wallet_sat: By,
    fee_wallet_low: Whole,
    budget_sat: Whole,
    budget_used_sat: Whole,
    journal_failed: Whole,
    resident_bytes: Whole,
    open_fds: Whole,
    max_fds: Whole,
    threads: Whole,
    started_secs: Whole,
    cpu_secs: Counter,
}

impl Looked {
    fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, gauge: &Whole| registry.register(name, help, gauge.clone());
        add(
            "upfront_chain_tip_height",
            "Height of the block that facts are recorded under",
            &self.tip_height,
        );
        let at_best = "Electrum servers connected and at the best tip";
        add("upfront_chain_servers_at_best_tip", at_best, &self.servers_at_best_tip);
        add("upfront_chain_subscriptions", "Scripts subscribed to, on all servers", &self.subscriptions);
        add("upfront_unsecured_outpoints", "Mined, unspent pledges without a refund", &self.unsecured);
        add(
            "upfront_unsecured_sat",
            "Satoshis of mined, unspent pledges without a refund",
            &self.unsecured_sat,
        );
        add("upfront_refunds_due", "Refunds due and not mined", &self.refunds_due);
        add("upfront_refunds_due_sat", "Satoshis of refunds due and not mined", &self.refunds_due_sat);
        add("upfront_scripts", "Addresses issued", &self.scripts);
        add("upfront_fee_wallet_low", "1 if the fee wallet holds less than it should", &self.fee_wallet_low);
        add("upfront_refund_budget_sat", "Most spent on refunds in 144 blocks", &self.budget_sat);
        add("upfront_refund_budget_used_sat", "Spent on refunds in 144 blocks", &self.budget_used_sat);
        add("upfront_journal_failed", "1 if the journal takes nothing now", &self.journal_failed);
        add("process_resident_memory_bytes", "Resident memory", &self.resident_bytes);
        add("process_open_fds", "Open file descriptors", &self.open_fds);
        add("process_max_fds", "Most file descriptors", &self.max_fds);
        add("process_threads", "Threads", &self.threads);
        add("process_start_time_seconds", "Start of the process, Unix seconds", &self.started_secs);
        let mut by = |name: &str, help: &str, family: &By| registry.register(name, help, family.clone());
        by("upfront_chain_servers", "Electrum servers by state", &self.servers);
        by("upfront_chain_alarms", "Alarms of the chain's side now, by code", &self.alarms);
        by("upfront_tasks", "Tasks by stage", &self.tasks);
        by("upfront_outpoints", "Outputs at issued addresses by standing", &self.outpoints);
        by(
            "upfront_outpoints_sat",
            "Satoshis of outputs at issued addresses by standing",
            &self.outpoints_sat,
        );
        by("upfront_settlements", "Settlements by progress", &self.settlements);
        by("upfront_fee_wallet_sat", "Satoshis of the fee wallet by state", &self.fee_wallet_sat);
        registry.register("upfront_ready", "1 if /ready says so", self.ready.clone());
        let age = "Seconds since the time in the header of the tip";
        registry.register("upfront_chain_tip_age_seconds", age, self.tip_age_secs.clone());
        registry.register("process_cpu_seconds", "Processor time used", self.cpu_secs.clone());
    }
}

/// Everything `/metrics` tells.
pub struct Exporter {
    service: Arc<Service>,
    registry: Registry,
    looked: Looked,
    /// The book in figures, and the count of changes they were made at.
    figures: Mutex<Option<(u64, Figures)>>,
}

impl Exporter {
    /// Over a service.
    pub fn new(service: Arc<Service>) -> Exporter {
        let mut registry = registry(service.metrics());
        let looked = Looked::default();
        looked.register(&mut registry);
        let network = service.policy().network.to_string();
        let about = Info::new([("version", env!("CARGO_PKG_VERSION").to_owned()), ("network", network)]);
        registry.register("upfront_build", "What is running", about);
        Exporter { service, registry, looked, figures: Mutex::new(None) }
    }

    /// OpenMetrics text.
    pub fn text(&self, ready: bool) -> String {
        self.looked.ready.set(i64::from(ready));
        self.look_at_book();
        self.look_at_chain();
        self.look_at_wallet();
        self.look_at_process();
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn look_at_book(&self) {
        let changes = *self.service.changes().borrow();
        let mut kept = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|(at, _)| *at != changes) {
            *kept = Some((changes, self.service.figures()));
        }
        let Some((_, figures)) = kept.as_ref() else { return };
        let looked = &self.looked;
        for (stage, count) in &figures.tasks {
            looked.tasks.get_or_create(&[("stage", stage)]).set(*count);
        }
        for (standing, sum) in &figures.outpoints {
            looked.outpoints.get_or_create(&[("standing", standing)]).set(sum.count);
            looked.outpoints_sat.get_or_create(&[("standing", standing)]).set(sum.sat);
        }
        for (progress, count) in &figures.settlements {
            looked.settlements.get_or_create(&[("progress", progress)]).set(*count);
        }
        looked.unsecured.set(figures.unsecured.count);
        looked.unsecured_sat.set(figures.unsecured.sat);
        looked.refunds_due.set(figures.refunds_due.count);
        looked.refunds_due_sat.set(figures.refunds_due.sat);
        looked.scripts.set(figures.scripts);
        looked.budget_sat.set(self.service.policy().refund_budget_sat);
        looked.budget_used_sat.set(figures.budget_used_sat);
        looked.journal_failed.set(u64::from(self.service.journal_trouble().is_some()));
    }

    fn look_at_chain(&self) {
        let (looked, chain) = (&self.looked, self.service.chain());
        if let Some(tip) = self.service.read(|book| book.tip().copied()) {
            looked.tip_height.set(u64::from(tip.height));
            let time = chain.header(tip.height).map_or(tip.mtp_secs, |header| header.time);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let age = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(i64::from(time));
            looked.tip_age_secs.set(age);
        }
        let servers = chain.servers();
        let count = |holds: &dyn Fn(&ServerState) -> bool| {
            u64::try_from(servers.iter().filter(|server| holds(&server.state)).count()).unwrap_or(u64::MAX)
        };
        let states: [(&'static str, u64); 3] = [
            ("connected", count(&|state| matches!(state, ServerState::Connected))),
            ("connecting", count(&|state| matches!(state, ServerState::Connecting { .. }))),
            ("dropped", count(&|state| matches!(state, ServerState::Dropped { .. }))),
        ];
        for (state, count) in states {
            looked.servers.get_or_create(&[("state", state)]).set(count);
        }
        let up = servers.iter().filter(|server| server.state == ServerState::Connected);
        let at_best = up.filter(|server| server.at_best_tip).count();
        looked.servers_at_best_tip.set(u64::try_from(at_best).unwrap_or(u64::MAX));
        let subscriptions: usize = servers.iter().map(|server| server.subscriptions).sum();
        looked.subscriptions.set(u64::try_from(subscriptions).unwrap_or(u64::MAX));
        for code in ALARMS {
            looked.alarms.get_or_create(&[("alarm", code)]).set(0);
        }
        for alarm in chain.alarms() {
            looked.alarms.get_or_create(&[("alarm", alarm.code())]).inc();
        }
    }

    fn look_at_wallet(&self) {
        let looked = &self.looked;
        let wallet = self.service.fee_wallet();
        // One that nobody knows of holds nothing.
        let (confirmed, pending, low) =
            wallet.map_or((0, 0, true), |wallet| (wallet.confirmed_sat, wallet.pending_sat, wallet.low));
        looked.fee_wallet_sat.get_or_create(&[("state", "confirmed")]).set(confirmed);
        looked.fee_wallet_sat.get_or_create(&[("state", "pending")]).set(pending);
        looked.fee_wallet_low.set(u64::from(low));
    }

    fn look_at_process(&self) {
        let looked = &self.looked;
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let of = |text: &str, key: &str, place: usize| -> Option<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().nth(place)?.parse().ok()
        };
        looked.resident_bytes.set(of(&status, "VmRSS:", 0).unwrap_or(0) * KIB);
        looked.threads.set(of(&status, "Threads:", 0).unwrap_or(0));
        looked.max_fds.set(of(&read("/proc/self/limits"), "Max open files", 0).unwrap_or(0));
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count());
        looked.open_fds.set(u64::try_from(open).unwrap_or(u64::MAX));
        // Fields from the third on follow the name in brackets, which may hold anything.
        let stat = read("/proc/self/stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field =
            |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let cpu = (field(14) + field(15)) / TICKS_PER_SEC;
        looked.cpu_secs.inc_by(cpu.saturating_sub(looked.cpu_secs.get()));
        let booted = of(&read("/proc/stat"), "btime", 0).unwrap_or(0);
        looked.started_secs.set(booted + field(22) / TICKS_PER_SEC);
    }
}
