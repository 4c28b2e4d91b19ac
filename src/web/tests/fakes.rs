//! The real service and router on a chain, a journal, a clock and a fee wallet in memory. What is faked
//! is the world; nothing of our own.

use super::contract::{Contract, Exchange};
use crate::chain::{
    BroadcastError, ChainAlarm, ChainError, ChainSource, ServerState, ServerStatus, ServerTip, TxProof,
};
use crate::config::api::ApiLimits;
use crate::escrow::charter::{Charter, CharterFields};
use crate::escrow::fee;
use crate::escrow::network::Network;
use crate::escrow::refund::{self, BatchError, FeeInput, RefundBundle};
use crate::escrow::statement::{Attest, CharterId, Role, Statement};
use crate::escrow::testing::{self, FakeChain};
use crate::nip98::{self, Asked};
use crate::service::hidden::Hidden;
use crate::service::views::FeeWalletView;
use crate::service::{Clock, FeeWallet, FundError, Funded, Memory, Parts, Policy, Service};
use crate::store::journal::sim::SimFiles;
use crate::store::journal::{AppendError, Journal, MemoryJournal, OpenError, Recorded, Ticket};
use crate::store::replay::ReplayCache;
use crate::web::faucet::Faucet;
use crate::web::{App, Edge, router};
use crate::webhooks::Webhooks;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use bitcoin::block::Header;
use bitcoin::hashes::Hash;
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::{Keypair, Message, Secp256k1};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{Amount, BlockHash, FeeRate, OutPoint, ScriptBuf, Transaction, TxOut, Txid, Witness};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use tower::ServiceExt;

/// The API's document, which every answer here is held to.
static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::new(crate::web::openapi::build(crate::web::api::router()).1));

/// The chain in memory as a source; the test says when the watcher looks.
#[derive(Clone)]
pub struct FakeSource {
    chain: Arc<Mutex<FakeChain>>,
    pub watched: Arc<Mutex<BTreeSet<ScriptBuf>>>,
    /// Nothing can be sent.
    pub offline: Arc<AtomicBool>,
    /// What it is said to cost to confirm soon.
    pub feerate: Arc<Mutex<Option<FeeRate>>>,
}

impl ChainSource for FakeSource {
    fn watch(&self, scripts: Vec<ScriptBuf>) {
        self.watched.lock().unwrap().extend(scripts);
    }
    fn retire(&self, scripts: Vec<ScriptBuf>) {
        self.watched.lock().unwrap().retain(|script| !scripts.contains(script));
    }
    fn servers(&self) -> Vec<ServerStatus> {
        let tip = self.chain.lock().unwrap().tip();
        vec![ServerStatus {
            address: "tcp://fake:1".into(),
            state: ServerState::Connected,
            tip: Some(ServerTip { height: tip.height, hash: tip.hash }),
            at_best_tip: true,
            watches: true,
            subscriptions: self.watched.lock().unwrap().len(),
            last_answer_age_secs: Some(0),
        }]
    }
    fn alarms(&self) -> Vec<ChainAlarm> {
        Vec::new()
    }
    fn broadcast(&self, tx: Transaction) -> BoxFuture<'_, Result<Txid, BroadcastError>> {
        if self.offline.load(Ordering::SeqCst) {
            return async { Err(BroadcastError::Offline) }.boxed();
        }
        let sent = self.chain.lock().unwrap().broadcast(&tx);
        let sent = sent.map_err(|why| BroadcastError::Rejected { reason: format!("{why:?}") });
        async move { sent }.boxed()
    }
    fn estimate(&self, _: u16) -> BoxFuture<'_, Option<FeeRate>> {
        async { *self.feerate.lock().unwrap() }.boxed()
    }
    fn relay_feerate(&self) -> BoxFuture<'_, Option<FeeRate>> {
        async { None }.boxed()
    }
    fn proof(&self, _: Txid, _: u32) -> BoxFuture<'_, Result<TxProof, ChainError>> {
        async { Err(ChainError::Offline) }.boxed()
    }
    fn header(&self, _: u32) -> Option<Header> {
        None
    }
    fn block(&self, height: u32) -> Option<(BlockHash, u32)> {
        self.chain.lock().unwrap().block(height)
    }
    fn transaction(&self, txid: Txid) -> BoxFuture<'_, Result<Transaction, ChainError>> {
        let found = self.chain.lock().unwrap().transaction(&txid).cloned();
        async move { found.ok_or(ChainError::Offline) }.boxed()
    }
}

/// A journal that outlives the service, as a disk does.
#[derive(Clone, Default)]
pub struct Disk(pub Arc<MemoryJournal>);

impl<E: Serialize + DeserializeOwned> Journal<E> for Disk {
    fn append(&self, seq: u64, at_secs: u64, events: &[E]) -> Result<Ticket, AppendError> {
        self.0.append(seq, at_secs, events)
    }
    fn next_seq(&self) -> u64 {
        Journal::<E>::next_seq(&*self.0)
    }
    fn read_from(&self, seq: u64) -> Result<Vec<Recorded<E>>, OpenError> {
        self.0.read_from(seq)
    }
}

pub struct Noon;

impl Clock for Noon {
    fn now_secs(&self) -> u64 {
        43_200
    }
}

/// A wallet with one output on the fake chain.
pub struct OneOutput {
    key: Keypair,
    pub outpoint: OutPoint,
    prevout: TxOut,
    /// The program with the key does not sign.
    pub unsigned: bool,
}

impl OneOutput {
    pub fn new(chain: &mut FakeChain, amount: Amount) -> OneOutput {
        let secp = Secp256k1::new();
        let key = Keypair::from_seckey_slice(&secp, &[0x77; 32]).unwrap();
        let script_pubkey = ScriptBuf::new_p2tr(&secp, key.x_only_public_key().0, None);
        let outpoint = chain.pay_one(&script_pubkey, amount);
        chain.mine(1);
        OneOutput { key, outpoint, prevout: TxOut { value: amount, script_pubkey }, unsigned: false }
    }
}

impl FeeWallet for OneOutput {
    fn sync(&mut self) -> Result<(), FundError> {
        Ok(())
    }
    fn view(&mut self) -> Result<FeeWalletView, FundError> {
        let confirmed_sat = self.prevout.value.to_sat();
        Ok(FeeWalletView {
            confirmed_sat,
            pending_sat: 0,
            address: testing::address(Network::Regtest, 9).to_string(),
            needed_sat: 0,
            low: false,
            signer_error: None,
        })
    }
    fn fund(
        &mut self,
        bundles: &[&RefundBundle],
        feerate: FeeRate,
        max_fee: Amount,
        _: &[Transaction],
        avoid: &HashSet<OutPoint>,
    ) -> Result<Funded, FundError> {
        if self.unsigned {
            return Err(FundError::Signer { detail: "nobody at home".to_owned() });
        }
        let short = |needed| FundError::Insufficient { needed, available: Amount::ZERO };
        if avoid.contains(&self.outpoint) {
            return Err(short(max_fee));
        }
        let input =
            FeeInput { outpoint: self.outpoint, prevout: self.prevout.clone(), weight: fee::KEY_PATH_INPUT };
        let mut batch =
            refund::batch(bundles, &[input], &self.prevout.script_pubkey, feerate).map_err(|e| match e {
                BatchError::Fee { fee, .. } => short(fee),
                other => FundError::Failed { detail: other.to_string() },
            })?;
        if batch.fee > max_fee {
            return Err(short(batch.fee));
        }
        let at = batch.prevouts.len() - 1;
        let sighash = SighashCache::new(&batch.transaction)
            .taproot_key_spend_signature_hash(at, &Prevouts::All(&batch.prevouts), TapSighashType::Default)
            .unwrap();
        let secp = Secp256k1::new();
        let key = self.key.tap_tweak(&secp, None).to_keypair();
        let message = Message::from_digest(sighash.to_byte_array());
        let signature = secp.sign_schnorr_no_aux_rand(&message, &key);
        batch.transaction.input[at].witness = Witness::from_slice(&[signature.as_ref().as_slice()]);
        Ok(Funded { transaction: batch.transaction, fee: batch.fee, fee_inputs: vec![self.outpoint] })
    }
    fn note_broadcast(&mut self, _: &Transaction, _: u64) {}
}

/// Service, router and world.
pub struct World {
    pub source: FakeSource,
    pub disk: Disk,
    pub service: Arc<Service>,
    pub charter: Charter,
    pub id: CharterId,
    pub memory: Memory,
    pub edge: Arc<Edge>,
    pub replay: SimFiles,
    nonce: AtomicU64,
    pub webhooks: Option<Arc<Webhooks>>,
    pub faucet: Option<Arc<Faucet>>,
    /// Operations that were answered with a success, as the document describes it.
    pub succeeded: Mutex<BTreeSet<String>>,
}

pub const PUBLIC_URL: &str = "https://upfront.example/base";

pub fn identity(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).unwrap()
}

fn edge(replay: &SimFiles, limits: ApiLimits) -> Arc<Edge> {
    let cache = ReplayCache::open(Path::new("/data"), Arc::new(replay.clone())).unwrap();
    Arc::new(Edge::new(PUBLIC_URL, limits, cache, Arc::new(Noon)))
}

/// Status, and the body as JSON or text.
pub async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::String(text)))
}

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    network: Network::Regtest,
    refund_budget_sat: 1_000_000,
    max_tasks: 3,
    max_events: 100,
    max_listeners: 8,
    max_listeners_per_address: 2,
    public_url: "https://escrow.example.org/pay".to_owned(),
    max_drafts: 4,
    max_drafts_per_identity: 2,
    drafters: Vec::new(),
    hidden: Hidden::default(),
});

fn start(source: &FakeSource, disk: &Disk, wallet: Option<OneOutput>) -> Arc<Service> {
    start_with(source, disk, wallet, |_| ())
}

fn start_with(
    source: &FakeSource,
    disk: &Disk,
    wallet: Option<OneOutput>,
    change: impl FnOnce(&mut Policy),
) -> Arc<Service> {
    let records = disk.read_from(0).unwrap();
    let mut policy = POLICY.clone();
    change(&mut policy);
    Service::new(Parts {
        journal: Box::new(disk.clone()),
        records,
        chain: Arc::new(source.clone()),
        clock: Arc::new(Noon),
        receipt: testing::receipt_keypair(),
        wallet: wallet.map(|wallet| Box::new(wallet) as Box<dyn FeeWallet>),
        policy,
    })
    .unwrap()
}

impl World {
    /// An attested, open task; with a fee wallet of `fees`, if any.
    pub async fn new(fees: Option<Amount>, change: impl FnOnce(&mut CharterFields)) -> World {
        World::with_wallet(|chain| fees.map(|fees| OneOutput::new(chain, fees)), change).await
    }

    /// As [`World::new`], with this fee wallet.
    pub async fn with_wallet(
        wallet: impl FnOnce(&mut FakeChain) -> Option<OneOutput>,
        change: impl FnOnce(&mut CharterFields),
    ) -> World {
        let mut fields = testing::fields(Network::Regtest);
        change(&mut fields);
        let mut chain = FakeChain::new(fields.funding_close - 30 * 86_400);
        chain.verify_with(verify);
        let wallet = wallet(&mut chain);
        let source = FakeSource {
            chain: Arc::new(Mutex::new(chain)),
            watched: Arc::default(),
            offline: Arc::default(),
            feerate: Arc::default(),
        };
        let disk = Disk::default();
        let service = start(&source, &disk, wallet);
        let charter = Charter::from_fields(fields).unwrap();
        let id = charter.id();
        let replay = SimFiles::default();
        let edge = edge(&replay, ApiLimits::default());
        let (memory, nonce) = (Memory::default(), AtomicU64::new(0));
        let mut world = World {
            source,
            disk,
            service,
            charter,
            id,
            memory,
            edge,
            replay,
            nonce,
            webhooks: None,
            faucet: None,
            succeeded: Mutex::default(),
        };
        world.look().await;
        let body = json!({
            "charter": String::from_utf8(world.charter.bytes().to_vec()).unwrap(),
            "text": testing::TEXT,
        });
        let (status, created) = world.post("/api/v1/tasks", body).await;
        assert_eq!((status, created), (StatusCode::CREATED, json!({ "charter": id.to_string() })));
        let secp = Secp256k1::new();
        for role in Role::ALL {
            let key = testing::statement_keypair(Network::Regtest, role);
            let signature = Attest { charter: id }.sign(&secp, &key);
            let task = world.sent("attestations", json!({ "role": role, "signature": signature })).await;
            assert_eq!(task["open_address"].is_string(), role == Role::Arbiter, "open with the third");
        }
        world
    }

    /// The service dies and another one starts on what is on the disk. Its wallet is gone with it.
    pub async fn restart(&mut self) {
        self.service = start(&self.source, &self.disk, None);
        self.guard(ApiLimits::default());
        self.memory = Memory::default();
        self.look().await;
    }

    /// As [`World::restart`], with other settings.
    pub async fn restart_with(&mut self, change: impl FnOnce(&mut Policy)) {
        self.service = start_with(&self.source, &self.disk, None, change);
        self.memory = Memory::default();
        self.look().await;
    }

    pub fn chain(&self) -> MutexGuard<'_, FakeChain> {
        self.source.chain.lock().unwrap()
    }

    /// The watcher looks, and the scheduler does what is due; twice, because doing changes the mempool.
    pub async fn look(&mut self) {
        for _ in 0..2 {
            let (tip, views) = {
                let chain = self.chain();
                (chain.tip(), chain.views(self.source.watched.lock().unwrap().iter()))
            };
            self.service.observe(&tip, &views).await.unwrap();
            self.service.perform_due(&mut self.memory).await.unwrap();
        }
    }

    pub async fn mine(&mut self, blocks: u32) {
        self.chain().mine(blocks);
        self.look().await;
    }

    pub async fn advance_to(&mut self, mtp_secs: u32) {
        self.chain().advance_to(mtp_secs);
        self.look().await;
    }

    pub fn app(&self) -> App {
        App {
            service: Arc::clone(&self.service),
            edge: Arc::clone(&self.edge),
            webhooks: self.webhooks.clone(),
            faucet: self.faucet.clone(),
        }
    }

    /// Another guard in front of the same service, on the same disk.
    pub fn guard(&mut self, limits: ApiLimits) {
        self.edge = edge(&self.replay, limits);
    }

    /// As a client at this address asks, whose body is handed over unread and whose answer is looked at by nobody else.
    pub async fn respond_unread(&self, mut request: Request<Body>, peer: &str) -> Response {
        request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        router(self.app()).oneshot(request).await.unwrap()
    }

    /// As a client at this address asks. Every answer is held to the document.
    pub async fn respond_to(&self, request: Request<Body>, peer: &str) -> Response {
        let (parts, body) = request.into_parts();
        let (method, target) = (parts.method.to_string(), parts.uri.to_string());
        let sent = to_bytes(body, usize::MAX).await.unwrap();
        let request = Request::from_parts(parts, Body::from(sent.clone()));
        let (parts, body) = self.respond_unread(request, peer).await.into_parts();
        let media_type = parts.headers.get("content-type").map(|value| value.to_str().unwrap().to_owned());
        // A stream has no end; what is in it is `events.rs`'s to look at.
        let stream = media_type.as_deref() == Some("text/event-stream");
        let (bytes, body) = if stream {
            (Default::default(), body)
        } else {
            let bytes = to_bytes(body, usize::MAX).await.unwrap();
            (bytes.clone(), Body::from(bytes))
        };
        let succeeded = CONTRACT.check(&Exchange {
            method: &method,
            target: &target,
            sent: Some(&sent),
            status: parts.status.as_u16(),
            media_type: media_type.as_deref(),
            headers: parts.headers.keys().map(|name| name.as_str().to_owned()).collect(),
            body: &bytes,
        });
        self.succeeded.lock().unwrap().extend(succeeded);
        Response::from_parts(parts, body)
    }

    pub async fn ask(&self, request: Request<Body>) -> (StatusCode, Value) {
        read(self.respond_to(request, "127.0.0.1:50000").await).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.post_bytes(path, body.to_string().into_bytes()).await
    }

    pub async fn post_bytes(&self, path: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let signed = self.signed(&identity(1), path, &body);
        self.ask(signed).await
    }

    /// As [`World::post`], in nobody's name: nothing is written down before the request itself is.
    pub async fn post_unsigned(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(Request::post(path).body(Body::from(body.to_string())).unwrap()).await
    }

    /// A request that `key` has signed now.
    pub fn signed(&self, key: &Keypair, path: &str, body: &[u8]) -> Request<Body> {
        self.signed_as(key, Method::POST, path, body)
    }

    /// The same, of any method.
    pub fn signed_as(&self, key: &Keypair, method: Method, path: &str, body: &[u8]) -> Request<Body> {
        let url = format!("{PUBLIC_URL}{path}");
        let nonce = format!("{:08x}", self.nonce.fetch_add(1, Ordering::Relaxed));
        let asked = Asked { url: &url, method: method.as_str(), body };
        let header = nip98::authorization(key, &asked, Noon.now_secs(), &nonce);
        let request = Request::builder().method(method).uri(path).header("authorization", header);
        request.body(Body::from(body.to_vec())).unwrap()
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/tasks/{}/{rest}", self.id)
    }

    /// Posts to a resource of the task, and expects it to be done.
    pub async fn sent(&self, rest: &str, body: Value) -> Value {
        let (status, answer) = self.post(&self.path(rest), body).await;
        assert!(status.is_success(), "{rest}: {status} {answer}");
        answer
    }

    /// Posts to a resource of the task, and expects a refusal with this status and code.
    pub async fn refused(&self, rest: &str, body: Value, status: u16, code: &str) {
        let (given, answer) = self.post(&self.path(rest), body).await;
        assert_eq!((given.as_u16(), answer["code"].as_str()), (status, Some(code)), "{answer}");
    }

    /// The task as the API shows it.
    pub async fn task(&self) -> Value {
        let (status, task) = self.get(&format!("/api/v1/tasks/{}", self.id)).await;
        assert_eq!(status, StatusCode::OK);
        task
    }
}

pub fn parse<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// Bitcoin Core's script verifier.
fn verify(transaction: &Transaction, input: usize, prevouts: &[TxOut]) -> bool {
    crate::escrow::consensus::verify_input(transaction, prevouts, input)
}
