//! `upfront recover`: a sponsor's money back after T, with the recovery file and any Electrum server. No
//! service is asked.

use super::context::{Context, Patience};
use super::electrum::ProxyArg;
use super::exit::{Exit, Failure};
use super::pledge::read_recovery;
use super::text::{Rows, groups, sat, when};
use crate::chain::oneshot::OneShot;
use crate::escrow::facts::{Deposit, ScriptView, Spend, SpendPath, Tip};
use crate::escrow::recovery::RecoveryFile;
use crate::escrow::refund;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Address, FeeRate, OutPoint, Transaction, TxOut, Txid};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Blocks within which a refund should confirm.
const TARGET_BLOCKS: u16 = 6;
/// Feerate where the server cannot tell, sat/vB.
const DEFAULT_SAT_PER_VB: u64 = 5;
/// Highest feerate taken from a server's word, sat/vB; more must be asked for with --feerate.
const MAX_ESTIMATE_SAT_PER_VB: u64 = 200;

/// What a pledge that moved needs from here on.
const ELSEWHERE: &str = "If you moved this pledge to another task, that is its address there: go on with the recovery file of \
                         that pledge.";

#[derive(Args)]
pub struct RecoverArgs {
    /// Recovery file of the pledge, encrypted or not
    file: PathBuf,
    /// Electrum servers, tcp://host:port or ssl://host:port, parted by commas: the first that can be used
    #[arg(long, value_name = "URL", env = "UPFRONT_ELECTRUM")]
    electrum: String,
    #[command(flatten)]
    proxy: ProxyArg,
    /// Send the refunds; without it they are only shown
    #[arg(long)]
    broadcast: bool,
    /// Feerate, sat/vB; the server's estimate by default. Also replaces a refund that is stuck at less
    #[arg(long, value_name = "SAT_PER_VB", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    feerate: Option<u64>,
    /// Stay until every refund is mined
    #[arg(long, requires = "broadcast")]
    wait: bool,
    /// With --wait: give up after so many seconds, with exit status 3
    #[arg(long, value_name = "SECS", default_value_t = 86_400, requires = "wait")]
    timeout: u64,
}

/// What became of one outpoint, or can become.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    /// Two of three moved it; where to, if all of it went to one address.
    Settled {
        txid: Txid,
        mined: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// It is back, or on its way.
    Refunded { txid: Txid, mined: bool },
    /// Its sponsor's key sent it elsewhere than home: to the pledge under another charter that it moved to, if it did.
    Moved {
        txid: Txid,
        mined: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Not in a block yet.
    Unconfirmed,
    /// The chain's median time past has not passed the time it is locked to.
    Locked { until: u32, median_time: u32 },
    /// Signed and not sent.
    Ready { txid: Txid, fee_sat: u64, transaction: String },
    /// Sent now.
    Sent { txid: Txid, fee_sat: u64 },
    /// The node did not take it.
    Rejected { txid: Txid, reason: String },
    /// Neither a key nor a signed refund fits.
    NoWay { reason: String },
}

#[derive(Serialize)]
struct Item {
    outpoint: OutPoint,
    /// Of the pledge's address: above 0 it is what a milestone left.
    generation: u32,
    amount_sat: u64,
    #[serde(flatten)]
    state: State,
}

#[derive(Serialize)]
struct Recovered {
    task: String,
    index: u32,
    address: String,
    refund_address: String,
    refund_time: u32,
    tip: Option<Tip>,
    outpoints: Vec<Item>,
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = Rows::new();
        rows.row("task", &self.task)
            .row("pledge", self.index)
            .row("address", groups(&self.address))
            .row("refunds to", &self.refund_address)
            .row("T", when(self.refund_time));
        if let Some(tip) = &self.tip {
            rows.row("chain", format!("block {}, median time {}", tip.height, when(tip.mtp_secs)));
        }
        write!(f, "{rows}")?;
        if self.outpoints.is_empty() {
            writeln!(f, "Nothing ever arrived at this address, as far as this server says.")?;
        }
        for Item { outpoint, generation, amount_sat, state } in &self.outpoints {
            let left = if *generation > 0 { "  what a milestone left in escrow" } else { "" };
            writeln!(f, "{outpoint}  {}{left}", sat(*amount_sat))?;
            let mined = |mined: &bool| if *mined { "mined" } else { "in the mempool" };
            match state {
                State::Settled { txid, mined: at, address } => {
                    writeln!(f, "  moved by two of the three signers: {txid}, {}", mined(at))?;
                    if let Some(address) = address {
                        writeln!(f, "  all of it to {address}")?;
                        writeln!(f, "  {ELSEWHERE}")?;
                    }
                }
                State::Refunded { txid, mined: at } => writeln!(f, "  refunded: {txid}, {}", mined(at))?,
                State::Moved { txid, mined: at, address } => {
                    writeln!(f, "  moved by the sponsor's key: {txid}, {}", mined(at))?;
                    let address = address.as_deref().unwrap_or("an output without address");
                    writeln!(f, "  not to the refund address, but to {address}")?;
                    writeln!(f, "  {ELSEWHERE}")?;
                }
                State::Unconfirmed => writeln!(f, "  not in a block yet")?,
                State::Locked { until, median_time } => writeln!(
                    f,
                    "  not yet: the chain's median time is {}; it must pass {}",
                    when(*median_time),
                    when(*until)
                )?,
                State::Ready { txid, fee_sat, transaction } => {
                    writeln!(f, "  ready: {txid}, fee {}; --broadcast sends it", sat(*fee_sat))?;
                    writeln!(f, "  {transaction}")?;
                }
                State::Sent { txid, fee_sat } => writeln!(f, "  sent: {txid}, fee {}", sat(*fee_sat))?,
                State::Rejected { txid, reason } => writeln!(f, "  {txid} was rejected: {reason}")?,
                State::NoWay { reason } => writeln!(f, "  {reason}")?,
            }
        }
        Ok(())
    }
}

pub fn run(context: &Context<'_>, args: &RecoverArgs) -> anyhow::Result<Exit> {
    let file = read_recovery(context, &args.file)?.file;
    let network = file.charter().network();
    let server = args.proxy.connect(&args.electrum, network)?;
    let places = look(&server, &file)?;
    let mut report = Recovered {
        task: file.charter().id().to_string(),
        index: file.pledge().index,
        address: file.output().address.to_string(),
        refund_address: file.pledge().refund_address.to_string(),
        refund_time: file.charter().refund_time_secs(),
        tip: server.tip(),
        outpoints: Vec::new(),
    };
    let feerate = args.feerate.unwrap_or_else(|| estimate(&server));
    let arrived = places.iter().flat_map(|place| place.view.deposits.iter().map(move |held| (place, held)));
    for (place, deposit) in arrived {
        let state = judge(&file, place, deposit, report.tip.as_ref(), feerate, args.feerate.is_some())?;
        let state = match state {
            Judged::Known(state) => state,
            Judged::Refund(transaction) if args.broadcast => send(&server, deposit, &transaction),
            Judged::Refund(transaction) => State::Ready {
                txid: transaction.compute_txid(),
                fee_sat: fee_of(deposit, &transaction),
                transaction: serialize_hex(&transaction),
            },
        };
        report.outpoints.push(Item {
            outpoint: deposit.outpoint,
            generation: place.generation,
            amount_sat: deposit.amount.to_sat(),
            state,
        });
    }
    context.report(&report)?;
    let waiting = |item: &Item| matches!(item.state, State::Locked { .. } | State::Unconfirmed);
    let failed = |item: &Item| matches!(item.state, State::Rejected { .. } | State::NoWay { .. });
    if report.outpoints.iter().any(failed) {
        return Ok(Exit::Refused);
    }
    if args.wait {
        wait(context, &server, &file, args.timeout)?;
    }
    Ok(if report.outpoints.is_empty() || report.outpoints.iter().any(waiting) {
        Exit::NotYet
    } else {
        Exit::Done
    })
}

/// One generation of the pledge's address with what the server knows of it.
struct Place {
    generation: u32,
    view: ScriptView,
    /// The transactions that spend what is there.
    spenders: BTreeMap<Txid, Transaction>,
}

/// Every address at which money of the pledge can be.
fn look(server: &OneShot, file: &RecoveryFile) -> anyhow::Result<Vec<Place>> {
    let secp = Secp256k1::verification_only();
    let place = |generation: u32| {
        let output = file.output_at(&secp, generation)?;
        let view = server.view(&output.script_pubkey)?;
        let mut spenders = BTreeMap::new();
        for spend in &view.spends {
            spenders.insert(spend.txid, server.transaction(spend.txid)?);
        }
        Ok(Place { generation, view, spenders })
    };
    file.generations().map(place).collect()
}

fn estimate(server: &OneShot) -> u64 {
    let given = server.estimate(TARGET_BLOCKS).map(FeeRate::to_sat_per_vb_ceil);
    given.unwrap_or(DEFAULT_SAT_PER_VB).clamp(1, MAX_ESTIMATE_SAT_PER_VB)
}

enum Judged {
    Known(State),
    Refund(Transaction),
}

fn judge(
    file: &RecoveryFile,
    place: &Place,
    deposit: &Deposit,
    tip: Option<&Tip>,
    sat_per_vb: u64,
    replace: bool,
) -> anyhow::Result<Judged> {
    let replaces = |spend: &&Spend| {
        // A refund of one's own that is stuck is signed again where a feerate is asked for.
        replace && spend.path == SpendPath::Refund && spend.confirmation.is_none() && file.key().is_some()
    };
    let spend = place.view.spends.iter().find(|spend| spend.prevout == deposit.outpoint);
    if let Some(spend) = spend.filter(|spend| !replaces(spend)) {
        return Ok(Judged::Known(spent(file, spend, place.spenders.get(&spend.txid))));
    }
    if deposit.confirmation.is_none() {
        return Ok(Judged::Known(State::Unconfirmed));
    }
    let Some(tip) = tip else {
        return Err(Failure::refused("chain", "the server's chain is too short to have a median time").into());
    };
    let until = file.charter().refund_time_secs();
    if tip.mtp_secs <= until {
        return Ok(Judged::Known(State::Locked { until, median_time: tip.mtp_secs }));
    }
    let Some(key) = file.key() else { return Ok(held_rung(file, deposit, tip, sat_per_vb)) };
    let secp = Secp256k1::new();
    let target = file.target_at(&secp, place.generation, deposit.outpoint, deposit.amount)?;
    let feerate = FeeRate::from_sat_per_vb(sat_per_vb)
        .ok_or_else(|| Failure::usage(format!("a feerate of {sat_per_vb} sat/vB is beyond any number")))?;
    Ok(match refund::sign_alone(&secp, &target, key, feerate) {
        Ok(transaction) => Judged::Refund(transaction),
        Err(error) => Judged::Known(State::NoWay { reason: error.to_string() }),
    })
}

/// Where a spend took an outpoint. A pair is paid out beside its input; what one input alone makes is all its own.
fn spent(file: &RecoveryFile, spend: &Spend, transaction: Option<&Transaction>) -> State {
    let (txid, mined) = (spend.txid, spend.confirmation.is_some());
    let outputs = transaction.map(|transaction| transaction.output.as_slice()).unwrap_or_default();
    let home = file.pledge().refund_address.script_pubkey();
    let beside = usize::try_from(spend.vin).ok().and_then(|at| outputs.get(at));
    let goes_home = |output: &TxOut| output.script_pubkey == home;
    let address = |output: &TxOut| {
        let network = file.charter().network().bitcoin();
        Address::from_script(&output.script_pubkey, network).ok().map(|address| address.to_string())
    };
    match spend.path {
        SpendPath::Refund if beside.is_some_and(goes_home) => State::Refunded { txid, mined },
        SpendPath::Refund => {
            State::Moved { txid, mined, address: beside.or(outputs.first()).and_then(address) }
        }
        SpendPath::Key | SpendPath::Cooperative | SpendPath::Unknown => {
            let alone = transaction.filter(|transaction| transaction.input.len() == 1);
            let one = match alone.map(|transaction| transaction.output.as_slice()) {
                Some([output]) if !goes_home(output) => address(output),
                _ => None,
            };
            State::Settled { txid, mined, address: one }
        }
    }
}

/// The highest rung of the file that is not above the wanted feerate, else the lowest there is.
fn held_rung(file: &RecoveryFile, deposit: &Deposit, tip: &Tip, sat_per_vb: u64) -> Judged {
    let rungs: Vec<_> = file
        .ready_transactions()
        .into_iter()
        .filter(|ready| ready.outpoint == deposit.outpoint && ready.sat_per_vb > 0)
        .collect();
    let open = |lock: u32| tip.mtp_secs > lock;
    let valid = || rungs.iter().filter(|ready| open(ready.lock_time.to_consensus_u32()));
    let below = valid().filter(|ready| ready.sat_per_vb <= sat_per_vb).max_by_key(|ready| ready.sat_per_vb);
    match below.or_else(|| valid().min_by_key(|ready| ready.sat_per_vb)) {
        Some(ready) => Judged::Refund(ready.transaction.clone()),
        None => Judged::Known(State::NoWay {
            reason: "the file holds neither the sponsor's key nor a signed refund for this output: sign with the wallet \
                     that has the key (the file's instructions tell how)"
                .into(),
        }),
    }
}

fn fee_of(deposit: &Deposit, transaction: &Transaction) -> u64 {
    let out = transaction.output.iter().map(|output| output.value).sum();
    deposit.amount.checked_sub(out).map_or(0, |fee| fee.to_sat())
}

fn send(server: &OneShot, deposit: &Deposit, transaction: &Transaction) -> State {
    let txid = transaction.compute_txid();
    match server.broadcast(transaction) {
        Ok(_) => State::Sent { txid, fee_sat: fee_of(deposit, transaction) },
        Err(error) => State::Rejected { txid, reason: error.to_string() },
    }
}

/// Waits until everything that arrived is spent in a block.
fn wait(
    context: &Context<'_>,
    server: &OneShot,
    file: &RecoveryFile,
    timeout_secs: u64,
) -> anyhow::Result<()> {
    let mut patience = Patience::new(timeout_secs);
    loop {
        let places = look(server, file)?;
        let mined = |view: &ScriptView, outpoint: &OutPoint| {
            view.spends.iter().any(|spend| spend.prevout == *outpoint && spend.confirmation.is_some())
        };
        let all = |view: &ScriptView| view.deposits.iter().all(|deposit| mined(view, &deposit.outpoint));
        if places.iter().all(|place| all(&place.view)) {
            context.note("All of it is mined.");
            return Ok(());
        }
        if !patience.rest() {
            return Err(Failure::not_yet("timeout", format!("not mined within {timeout_secs} s")).into());
        }
    }
}

#[cfg(test)]
mod tests;
