//! The service as anybody may see it: its chain servers, what it holds back, what is due, what it runs. Only what
//! `/api/v1/status` tells and sums over public tasks; nothing can be changed from here.

use super::super::{ApiError, App, assets};
use super::{Asked, Site, money, pieces, show as respond, words};
use crate::chain::{ChainAlarm, ServerState};
use crate::service::figures::Figures;
use crate::service::views::StatusView;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

#[derive(Template, Serialize)]
#[template(path = "operator.html")]
struct OperatorPage {
    #[serde(skip)]
    site: Site,
    /// As the API tells it.
    status: StatusView,
    /// Why the journal takes nothing now, if it does not.
    journal_trouble: Option<String>,
    /// Blocks that the facts are behind the best block a server announced.
    behind: Option<u32>,
    /// Money for which no refund is held.
    unsecured: Sum,
    /// Refunds due and not mined.
    refunds_due: Sum,
    /// What refunds of the last 144 blocks cost, and the most they may.
    budget_used_sat: u64,
    budget_sat: u64,
    /// Scripts ever issued, all watched.
    scripts: u64,
    /// Public events kept for streams and feeds.
    events: usize,
    /// Whether events are posted to addresses of people.
    webhooks: bool,
    /// Files that browsers are given.
    files: Vec<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Sum {
    outpoints: u64,
    amount_sat: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct File {
    name: &'static str,
    bytes: usize,
    sha256: String,
    path: String,
}

pub(super) async fn show(State(app): State<App>, asked: Asked) -> Result<Response, ApiError> {
    let site = Site::new(&app);
    let service = std::sync::Arc::clone(&app.service);
    // Counting the book may take a while; others go on meanwhile.
    let counted = tokio::task::spawn_blocking(move || (service.status(), service.figures())).await;
    let (status, figures) = counted.map_err(|_| ApiError::internal())?;
    respond(asked, &OperatorPage::new(site, &app, status, &figures))
}

impl OperatorPage {
    fn new(site: Site, app: &App, status: StatusView, figures: &Figures) -> OperatorPage {
        let connected = status.servers.iter().filter(|server| server.state == ServerState::Connected);
        let best = connected.filter_map(|server| Some(server.tip?.height)).max();
        let sum = |sum: &crate::service::figures::Sum| Sum { outpoints: sum.count, amount_sat: sum.sat };
        let file = |asset: &assets::Asset| File {
            name: asset.name,
            bytes: asset.bytes.len(),
            sha256: asset.sha256.clone(),
            path: asset.path.clone(),
        };
        let offline = super::offline_files().map(|(name, bytes, sha256)| File {
            name,
            bytes: bytes.len(),
            sha256,
            path: format!("/{name}"),
        });
        // In the order in which their hashes make the one in the foot of every page.
        let mut files: Vec<File> = assets::all().map(file).chain(offline).collect();
        files.sort_by_key(|file| file.name);
        OperatorPage {
            site,
            journal_trouble: app.service.journal_trouble(),
            behind: best.zip(status.tip).map(|(best, tip)| best.saturating_sub(tip.height)),
            unsecured: sum(&figures.unsecured),
            refunds_due: sum(&figures.refunds_due),
            budget_used_sat: figures.budget_used_sat,
            budget_sat: app.service.policy().refund_budget_sat,
            scripts: figures.scripts,
            events: app.service.events().len(),
            webhooks: app.webhooks.is_some(),
            files,
            status,
        }
    }

    /// In a sentence, how the service is.
    fn summary(&self) -> (&'static str, &'static str) {
        let connected = self.status.servers.iter().any(|server| server.state == ServerState::Connected);
        if self.journal_trouble.is_some() {
            return ("bad", "It cannot write its journal: nothing new is taken.");
        }
        if !connected {
            return ("bad", "It is cut off from the chain: nothing new is seen until a server answers.");
        }
        if !self.status.alarms.is_empty() || self.low() {
            return ("warn", "It works, and its operator has something to look at.");
        }
        ("good", "It works: the chain is followed, the journal is written.")
    }

    fn low(&self) -> bool {
        self.status.fee_wallet.as_ref().is_some_and(|wallet| wallet.low || wallet.signer_error.is_some())
    }

    fn deepest_reorg(&self) -> Option<u32> {
        let depths = self.status.alarms.iter().filter_map(|alarm| match alarm {
            ChainAlarm::LongReorg { depth, .. } => Some(*depth),
            _ => None,
        });
        depths.max()
    }
}

/// A server's state, coloured and in words.
fn server_state(state: &ServerState) -> (&'static str, String) {
    match state {
        ServerState::Connected => ("good", "connected".to_owned()),
        ServerState::Connecting { reason: None } => ("warn", "connecting".to_owned()),
        ServerState::Connecting { reason: Some(reason) } => {
            ("warn", format!("connecting: {}", pieces::inert(reason)))
        }
        ServerState::Dropped { reason, .. } => {
            ("bad", format!("it broke a rule and is not asked for a time: {}", pieces::inert(reason)))
        }
    }
}

/// An alarm in words.
fn alarm_words(alarm: &ChainAlarm) -> String {
    match alarm {
        ChainAlarm::NoServer => "No server is connected: the chain is not followed.".to_owned(),
        ChainAlarm::OneServer { address } => {
            format!("Only {address} is connected: nobody is there to contradict it.")
        }
        ChainAlarm::NobodyAtBestTip { height } => {
            format!("No connected server is on the chain with most work, up to block {height}.")
        }
        ChainAlarm::Disagreement { address, height, .. } => {
            format!("{address} follows another chain, at block {height}.")
        }
        ChainAlarm::ServerDropped { address, reason, .. } => {
            format!("{address} broke a rule and is not asked for a time: {}", pieces::inert(reason))
        }
        ChainAlarm::TipStale { height, age_secs } => {
            format!("No block came since {height}, {} minutes ago by its own time.", age_secs / 60)
        }
        ChainAlarm::ClockSkew { ahead_secs } => {
            format!("The best block is {ahead_secs} seconds ahead of this machine's clock.")
        }
        ChainAlarm::LongReorg { depth, fork_height, .. } => {
            format!("{depth} blocks above block {fork_height} were reorganised within the last day.")
        }
        ChainAlarm::SubscriptionsRefused { address, scripts } => {
            format!("{address} does not watch {scripts} scripts: they are looked at in turns.")
        }
    }
}

/// A page that people may read, as the word before a file's hash says.
fn is_offline(name: &&'static str) -> bool {
    name.ends_with(".html")
}
