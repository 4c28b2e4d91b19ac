//! The regtest faucet: a node that mines, pays and moves its clock when a page's button is pressed, so that a person
//! can try everything by hand. It is there only on regtest, where the operator has set it; else its routes do not
//! exist. It talks to the node alone: to the service it is a stranger who pays, and the service's time is what the
//! chain says, as ever.

pub mod node;

use super::body::Fields;
use super::pages::{Asked, respond, words};
use super::{ApiError, App};
use crate::config::faucet::FaucetNode;
use crate::escrow::charter::address;
use crate::escrow::network::{DAY_SECS, Network};
use crate::escrow::statement::CharterId;
use crate::service::views::TaskView;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use node::{Node, NodeError, RpcNode};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Most blocks at once.
const MAX_BLOCKS: u32 = 50;
/// Most that is paid at once: what two blocks of a young chain make.
const MAX_PAYMENT_SAT: u64 = 100 * 100_000_000;
/// How far the clock goes at once.
const MAX_AHEAD_SECS: u32 = 3 * 366 * DAY_SECS;
/// Six blocks of one time outvote any five before them: they are the median of eleven (BIP113).
const BLOCKS_OF_THE_MEDIAN: u32 = 6;
/// How long the service is waited for, so that the next page already knows the new block.
const CATCH_UP: Duration = Duration::from_secs(5);

/// The faucet.
pub struct Faucet {
    node: Arc<dyn Node>,
    /// One thing after the other: two who move the clock would be in each other's way.
    turn: Mutex<()>,
}

impl Faucet {
    /// The operator's, if there is one to be.
    pub fn open(network: Network, settings: Option<&FaucetNode>) -> Option<Arc<Faucet>> {
        Faucet::with_node(network, Arc::new(RpcNode::new(settings?.clone())))
    }

    /// Over a node, on regtest; on any other network there is none, whatever the settings say.
    pub fn with_node(network: Network, node: Arc<dyn Node>) -> Option<Arc<Faucet>> {
        (network == Network::Regtest).then(|| Arc::new(Faucet { node, turn: Mutex::new(()) }))
    }

    async fn call(&self, method: &'static str, params: Value) -> Result<Value, ApiError> {
        let node = Arc::clone(&self.node);
        let called = tokio::task::spawn_blocking(move || node.call(method, params)).await;
        called.map_err(|_| ApiError::internal())?.map_err(|error| {
            if let NodeError::Away { detail } = &error {
                tracing::warn!(detail, method, "the faucet's node was not reached");
            }
            ApiError::new("faucet_failed", error.to_string())
        })
    }

    async fn number(&self, method: &'static str, field: &str) -> Result<u32, ApiError> {
        let answer = self.call(method, json!([])).await?;
        let number = answer.get(field).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| ApiError::new("faucet_failed", NodeError::Wrong.to_string()))
    }

    async fn mine(&self, blocks: u32) -> Result<(), ApiError> {
        let to = self.call("getnewaddress", json!([])).await?;
        self.call("generatetoaddress", json!([blocks, to])).await.map(drop)
    }

    /// Waits, but not for ever, until the service knows the node's tip; says which that is.
    async fn seen_by(&self, app: &App) -> Result<u32, ApiError> {
        let height = self.number("getblockchaininfo", "blocks").await?;
        let caught_up = async {
            while app.service.read(|book| book.tip().is_none_or(|tip| tip.height < height)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // The page tells of the block when it comes.
        let _ = tokio::time::timeout(CATCH_UP, caught_up).await;
        Ok(height)
    }
}

/// Its routes, for a service that has one.
pub fn router() -> Router<App> {
    Router::new()
        .route("/faucet/mine", post(mine))
        .route("/faucet/pay", post(pay))
        .route("/faucet/time", post(time))
}

fn of(app: &App) -> Result<&Faucet, ApiError> {
    app.faucet.as_deref().ok_or(ApiError::missing("faucet"))
}

fn number<N: std::str::FromStr>(fields: &Fields, name: &str) -> Result<N, ApiError> {
    let given = fields.get(name).replace([',', ' ', '_'], "");
    given.parse().map_err(|_| ApiError::shape(format!("{name} must be a whole number")))
}

async fn mine(State(app): State<App>, headers: HeaderMap, fields: Fields) -> Result<Response, ApiError> {
    let blocks = number::<u32>(&fields, "blocks")?;
    if !(1..=MAX_BLOCKS).contains(&blocks) {
        return Err(ApiError::shape(format!("blocks is a number from 1 to {MAX_BLOCKS}")));
    }
    let faucet = of(&app)?;
    let _turn = faucet.turn.lock().await;
    faucet.mine(blocks).await?;
    let height = faucet.seen_by(&app).await?;
    answer(&headers, &fields, json!({ "height": height }))
}

async fn pay(State(app): State<App>, headers: HeaderMap, fields: Fields) -> Result<Response, ApiError> {
    let amount_sat = number::<u64>(&fields, "amount_sat")?;
    if !(1..=MAX_PAYMENT_SAT).contains(&amount_sat) {
        return Err(ApiError::shape(format!("amount_sat is a number from 1 to {MAX_PAYMENT_SAT}")));
    }
    // Any of this chain: what is paid here is worth nothing.
    let to = address("address", fields.get("address").trim(), Network::Regtest)
        .map_err(|error| ApiError::shape(error.to_string()))?;
    let faucet = of(&app)?;
    let _turn = faucet.turn.lock().await;
    let amount = words::btc(amount_sat);
    let payment = json!({ "address": to.to_string(), "amount": amount, "fee_rate": 2 });
    let txid = faucet.call("sendtoaddress", payment).await?;
    answer(&headers, &fields, json!({ "txid": txid }))
}

async fn time(State(app): State<App>, headers: HeaderMap, fields: Fields) -> Result<Response, ApiError> {
    let to_secs = number::<u32>(&fields, "to_secs")?;
    let faucet = of(&app)?;
    let _turn = faucet.turn.lock().await;
    let mut mtp_secs = faucet.number("getblockchaininfo", "mediantime").await?;
    let latest = mtp_secs.saturating_add(MAX_AHEAD_SECS).min(i32::MAX.unsigned_abs());
    if to_secs > latest {
        return Err(ApiError::shape(format!(
            "to_secs is at most {latest}, three years from the chain's time"
        )));
    }
    if mtp_secs < to_secs {
        faucet.call("setmocktime", json!([to_secs])).await?;
        faucet.mine(BLOCKS_OF_THE_MEDIAN).await?;
        mtp_secs = faucet.number("getblockchaininfo", "mediantime").await?;
    }
    let height = faucet.seen_by(&app).await?;
    answer(&headers, &fields, json!({ "height": height, "mtp_secs": mtp_secs }))
}

/// To browsers the page they came from, to programs what was done.
fn answer(headers: &HeaderMap, fields: &Fields, done: Value) -> Result<Response, ApiError> {
    if !respond::browses(headers) || Asked::of(headers, None) == Asked::Json {
        return Ok(Json(done).into_response());
    }
    let back = Some(fields.get("back")).filter(|back| is_local(back)).unwrap_or("/");
    let location = HeaderValue::from_str(back).map_err(|_| ApiError::internal())?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// A path of this service, which no browser takes for another one's.
fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 400
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// What a page offers of the faucet: `faucet.html` shows it. Absent where there is no faucet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// The page to come back to.
    pub back: String,
    /// What to pay, if the page asks for money.
    pub pay: Option<Pay>,
    /// Moments worth going to, the nearest first.
    pub moments: Vec<Moment>,
    #[serde(skip)]
    pub(super) mtp_secs: u32,
}

/// A payment that a page asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pay {
    /// Address.
    pub address: String,
    /// How much is asked for.
    pub amount_sat: u64,
}

/// A moment worth going to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// The first second after it.
    pub to_secs: u64,
    /// What ends then.
    pub name: String,
    /// When that is, in words.
    pub when: String,
}

impl Offer {
    /// On the page at `back`.
    pub fn on(app: &App, back: impl Into<String>) -> Option<Offer> {
        app.faucet.as_ref()?;
        let mtp_secs = app.service.read(|book| book.tip().map_or(0, |tip| tip.mtp_secs));
        Some(Offer { back: back.into(), pay: None, moments: Vec::new(), mtp_secs })
    }

    /// On a page about a task: with its deadlines.
    pub fn of_task(app: &App, charter: &CharterId, back: String) -> Option<Offer> {
        let offer = Offer::on(app, back)?;
        Some(offer.deadlines(&app.service.read_task(charter, TaskView::new).ok()?))
    }

    /// On a pledge's page: with what it promises, too.
    pub fn of_pledge(app: &App, charter: &CharterId, index: u32) -> Option<Offer> {
        let offer = Offer::on(app, format!("/tasks/{charter}/pledges/{index}"))?;
        let task = app.service.read_task(charter, TaskView::new).ok()?;
        let pledge = task.pledges.iter().find(|pledge| pledge.index == index)?;
        Some(offer.paying(&pledge.address, pledge.promised_sat).deadlines(&task))
    }

    /// With a payment.
    #[must_use]
    pub fn paying(mut self, address: impl Into<String>, amount_sat: u64) -> Offer {
        self.pay = Some(Pay { address: address.into(), amount_sat });
        self
    }

    /// With a moment, unless it has passed.
    #[must_use]
    pub fn past(mut self, name: impl Into<String>, secs: impl Into<u64>) -> Offer {
        let secs: u64 = secs.into();
        if secs >= self.mtp_secs.into() {
            let when = words::time(u32::try_from(secs).unwrap_or(u32::MAX));
            self.moments.push(Moment { to_secs: secs.saturating_add(1), name: name.into(), when });
            self.moments.sort_by_key(|moment| moment.to_secs);
        }
        self
    }

    /// With every deadline of a task that is still to come.
    #[must_use]
    pub fn deadlines(self, task: &TaskView) -> Offer {
        let terms = &task.terms;
        let mut offer = self
            .past("funding close", terms.funding_close)
            .past("the work deadline", terms.work_deadline)
            .past("T, when refunds begin", terms.refund_time);
        if let Some(window) = task.submissions.last().and_then(|submission| submission.window) {
            offer = offer
                .past("the review", window.closes_secs)
                .past("the arbiter's time", window.ruling_ends_secs);
        }
        offer
    }
}
