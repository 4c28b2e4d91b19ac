//! `upfront serve`, put together: journal, index, chain, fee wallet, service, HTTP; and taken apart again in
//! order. Wiring only: no rules.

mod fees;
mod notify;
mod stop;

use crate::chain::electrum::{ElectrumChain, ElectrumConfig};
use crate::chain::{ChainCache, ChainSource};
use crate::config::electrum::ElectrumServer;
use crate::config::{Config, HttpLimits, Listen, LogFormat};
use crate::escrow::event::Record;
use crate::escrow::network::Network;
use crate::metrics::Metrics;
use crate::service::{Clock, Parts, Policy, Service, SystemClock, run_scheduler, run_watcher};
use crate::store::files::{Files, RealFiles};
use crate::store::index::Index;
use crate::store::journal::{AppendError, Birth, FileJournal};
use crate::store::replay::ReplayCache;
use crate::watcher::IndexCache;
use crate::web::faucet::Faucet;
use crate::web::health::{Probe, State};
use crate::web::listen::{self, Listener};
use crate::web::operator::Operator;
use crate::web::{self, App, Edge};
use crate::webhooks::{self, HookRecord, SystemRandomness, UreqOutgoing, Webhooks};
use anyhow::Context;
use bitcoin::secp256k1::{Keypair, Secp256k1, SecretKey};
use notify::{Notifier, watchdog_interval};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stop::Signals;
use tokio::net::{TcpListener, UnixListener};

/// Name of the file with the key of receipts, in the data directory.
const RECEIPT_KEY_FILE: &str = "receipt.key";
/// Files that are open besides connections: index, journal, servers, and some to spare.
const OWN_FILES: usize = 256;
/// Places at the listener of the monitoring.
const MONITORS: usize = 64;
/// With less room than this the longest record may not fit.
const LEAST_FREE: u64 = 16 << 20;
/// With less room than this somebody should look.
const LOW_FREE: u64 = 512 << 20;
/// Longest time the last records may take to get to the disk.
const FLUSH: Duration = Duration::from_secs(30);

/// `upfront serve`: reads the settings, logs to standard error (`RUST_LOG` sets how much), and runs until told
/// to stop. Blocks.
pub fn main(config: Option<&Path>) -> anyhow::Result<()> {
    let config = Config::from_environment(config)?;
    log_to_stderr(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (listen, public_url) = (config.listen.clone(), config.public_url.clone());
    let done = runtime.block_on(run(config, |address| match (address, listen) {
        (Some(address), _) => println!("listening on http://{address}, public address {public_url}"),
        (None, listen) => println!("listening on {listen}, public address {public_url}"),
    }));
    // A broadcast that hangs must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(5));
    done
}

fn log_to_stderr(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(&config.log));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call in one process (tests) keeps the first subscriber.
    let _ = match config.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

/// Runs the service until it is told to stop (SIGINT, SIGTERM) or its journal fails. `ready` is told the
/// address it listens on; a socket in the file system has none.
pub async fn run(config: Config, ready: impl FnOnce(Option<SocketAddr>)) -> anyhow::Result<()> {
    let files: Arc<dyn Files> = Arc::new(RealFiles);
    let opened = FileJournal::<Record>::open(&config.data_dir, files, birth(&config)?)
        .context("opening the journal")?;
    if let Some(torn) = &opened.recovery.torn {
        tracing::warn!(seq = torn.seq, bytes = torn.bytes, saved_as = %torn.saved_as.display(), "cut off a torn tail of the journal: none of it had been acknowledged");
    }
    let receipt = receipt_key(&config.data_dir)?;

    let electrum = electrum_config(&config)?;
    let instance = &opened.recovery.header.instance;
    let (index, found) = Index::open(&config.data_dir, instance).context("opening the index")?;
    tracing::info!(?found, records = opened.recorded.len(), "data directory open");
    let cache = Arc::new(IndexCache::new(index, electrum.checkpoint.base_height(electrum.network)));
    let (chain, updates, watching) =
        ElectrumChain::start(electrum, Arc::clone(&cache) as Arc<dyn ChainCache>);

    let wallet = fees::open(&config, Arc::clone(&chain) as Arc<dyn ChainSource>);
    let wallet = wallet.context("opening the fee wallet")?;
    let service = Service::new(Parts {
        journal: Box::new(opened.journal),
        records: opened.recorded,
        chain: Arc::clone(&chain) as Arc<dyn ChainSource>,
        clock: Arc::new(SystemClock),
        receipt,
        wallet,
        policy: Policy {
            network: config.network,
            refund_budget_sat: config.refund_budget_sat,
            max_tasks: config.max_tasks,
            max_events: config.max_events,
            max_listeners: config.max_listeners,
            max_listeners_per_address: config.max_listeners_per_address,
            public_url: config.public_url.trim_end_matches('/').to_owned(),
            max_drafts: config.api.max_drafts,
            max_drafts_per_identity: config.api.max_drafts_per_identity,
            drafters: config.api.drafters.iter().map(|key| key.0).collect(),
            hidden: config.hide.hidden(),
        },
    })
    .context("replaying the journal")?;

    let interval = Duration::from_secs(if config.network == Network::Regtest { 1 } else { 30 });
    let jobs = [
        tokio::spawn(run_watcher(Arc::clone(&service), updates)),
        tokio::spawn(run_scheduler(Arc::clone(&service), interval)),
        tokio::spawn(refresh_wallet(Arc::clone(&service), interval)),
        watching,
    ];
    let replay = ReplayCache::open(&config.data_dir, Arc::new(RealFiles))
        .context("opening the record of used requests")?;
    let edge = Edge::new(&config.public_url, config.api.clone(), replay, Arc::new(SystemClock));
    let webhooks = open_webhooks(&config, &service).context("opening the webhooks")?;
    let delivering = webhooks.as_ref().map(|webhooks| tokio::spawn(webhooks::run(Arc::clone(webhooks))));
    let app = App {
        service: Arc::clone(&service),
        edge: Arc::new(edge),
        webhooks: webhooks.clone(),
        faucet: Faucet::open(config.network, config.faucet.as_ref()),
    };
    let mut probes = vec![disk_probe(config.data_dir.clone()), index_probe(cache)];
    probes.extend(webhooks.clone().map(webhooks_probe));
    let apart = config.metrics_listen.is_some();
    let operator = Operator::new(Arc::clone(&service), probes, apart);
    let monitoring = match config.metrics_listen {
        Some(address) => Some(tokio::spawn(serve_monitoring(address, Arc::clone(&operator)).await?)),
        None => None,
    };
    let notifier = Arc::new(Notifier::from_environment());
    let signals = Signals::listen().context("listening to signals")?;
    let limits = allowed(&config.http);
    let (listener, address) = bind(&config.listen).await?;
    ready(address);
    notifier.tell("READY=1");
    let watchdog = tokio::spawn(feed_watchdog(Arc::clone(&notifier), Arc::clone(&service)));
    let stop = async {
        signals.stop(&service).await;
        operator.stop();
        notifier.tell("STOPPING=1");
    };
    listen::serve(listener, operator.beside(web::router(app)), &limits, service.metrics(), stop).await;
    if let Listen::Unix(path) = &config.listen {
        // Gone already is as good.
        let _ = std::fs::remove_file(path);
    }
    // What was begun is made durable before those who began it are stopped.
    let flushed = tokio::time::timeout(FLUSH, service.flush()).await;
    for job in jobs {
        job.abort();
        let _ = job.await;
    }
    if let (Some(webhooks), Some(delivering)) = (webhooks, delivering) {
        delivering.abort();
        // Jobs end with the one that started them.
        let _ = delivering.await;
        webhooks.flush().await;
    }
    watchdog.abort();
    if let Some(monitoring) = monitoring {
        monitoring.abort();
    }
    if let Some(reason) = service.status().journal_error {
        anyhow::bail!("stopped because the journal failed: {reason}");
    }
    match flushed {
        Ok(Ok(())) => {
            tracing::info!("stopped: everything is on the disk");
            Ok(())
        }
        Ok(Err(error)) => Err(error).context("stopped, and what was begun last was not recorded"),
        Err(_) => anyhow::bail!("stopped, and the journal did not answer within {} s", FLUSH.as_secs()),
    }
}

/// Name of the directory of the webhooks' own journal, in the data directory.
const WEBHOOKS_DIR: &str = "webhooks";

/// The webhooks, unless the operator wants none.
fn open_webhooks(config: &Config, service: &Arc<Service>) -> anyhow::Result<Option<Arc<Webhooks>>> {
    if !config.webhooks {
        return Ok(None);
    }
    let dir = config.data_dir.join(WEBHOOKS_DIR);
    private_directory(&dir)?;
    let opened = FileJournal::<HookRecord>::open(&dir, Arc::new(RealFiles), birth(config)?)?;
    let allow: BTreeSet<String> =
        config.webhooks_allow.iter().map(|entry| entry.to_ascii_lowercase()).collect();
    let limits = webhooks::Limits {
        per_owner: config.webhooks_per_identity,
        allow: allow.clone(),
        ..webhooks::Limits::of(config.network)
    };
    Ok(Some(Webhooks::new(webhooks::Parts {
        journal: Box::new(opened.journal),
        records: opened.recorded.into_iter().map(|recorded| recorded.event).collect(),
        events: Arc::clone(service.events()),
        outgoing: Arc::new(UreqOutgoing::new(allow)),
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness),
        metrics: Arc::clone(service.metrics()),
        limits,
    })))
}

/// Makes a directory that its owner alone can enter: what is in it signs in our name.
fn private_directory(dir: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.recursive(true).create(dir).with_context(|| format!("making {}", dir.display()))
}

/// How the servers are reached and used.
fn electrum_config(config: &Config) -> anyhow::Result<ElectrumConfig> {
    let read = |server: &ElectrumServer| {
        server.read().with_context(|| format!("the certificate of {}", server.address))
    };
    let servers = config.electrum.servers.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let mut electrum = ElectrumConfig::with_servers(servers, config.network.bitcoin());
    electrum.checkpoint = config.checkpoint();
    electrum.socks5.clone_from(&config.electrum.socks5);
    electrum.watch_on = config.electrum.watch_on;
    if let Some(secs) = config.electrum.sweep_secs {
        electrum.sweep = Duration::from_secs(secs);
    }
    Ok(electrum)
}

/// The limits, as far as this process may open files. The soft limit is raised to the hard one first.
fn allowed(limits: &HttpLimits) -> HttpLimits {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    let files = if raised.is_ok() { now.maximum } else { now.current };
    let room = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    let most = room.saturating_sub(OWN_FILES).max(1);
    if most < limits.max_connections {
        tracing::warn!(
            max_connections = limits.max_connections,
            taken = most,
            "the system allows fewer open files than max_connections asks for (ulimit -n, LimitNOFILE=)"
        );
    }
    HttpLimits { max_connections: limits.max_connections.min(most), ..limits.clone() }
}

async fn bind(listen: &Listen) -> anyhow::Result<(Listener, Option<SocketAddr>)> {
    let at = || format!("listening on {listen}");
    match listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).await.with_context(at)?;
            let address = listener.local_addr()?;
            Ok((Listener::Tcp(listener), Some(address)))
        }
        Listen::Unix(path) => {
            // One left behind by a process that was killed would be in the way; one that answers is in use.
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                anyhow::bail!("another process listens on {listen}");
            }
            let left = std::fs::symlink_metadata(path);
            if left.is_ok_and(|left| std::os::unix::fs::FileTypeExt::is_socket(&left.file_type())) {
                std::fs::remove_file(path).with_context(at)?;
            }
            Ok((Listener::Unix(UnixListener::bind(path).with_context(at)?), None))
        }
    }
}

/// Tells the service manager, as often as it asks for it, that decisions are still made.
async fn feed_watchdog(notifier: Arc<Notifier>, service: Arc<Service>) {
    let variable = crate::config::environment;
    let interval =
        watchdog_interval(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref());
    let Some(interval) = interval else { return };
    loop {
        // Takes the lock that every decision takes.
        let looked = Arc::clone(&service);
        if tokio::task::spawn_blocking(move || looked.read(|_| ())).await.is_ok() {
            notifier.tell("WATCHDOG=1");
        }
        tokio::time::sleep(interval).await;
    }
}

/// Serves the operator's routes alone, at an address of their own, until the very end.
async fn serve_monitoring(
    address: SocketAddr,
    operator: Arc<Operator>,
) -> anyhow::Result<impl Future<Output = ()>> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("listening for metrics on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics are served apart");
    // Few and trusted: its own small number of places, counted apart from everybody's.
    let limits = HttpLimits { max_connections: MONITORS, ..HttpLimits::default() };
    Ok(async move {
        let (router, apart) = (operator.alone(), Arc::new(Metrics::default()));
        listen::serve(Listener::Tcp(listener), router, &limits, &apart, std::future::pending()).await;
    })
}

/// Whether there is room for the journal to grow.
fn disk_probe(dir: PathBuf) -> Probe {
    let look = move || match rustix::fs::statvfs(&dir) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let words = format!("{} MiB free in {}", free >> 20, dir.display());
            match free {
                0..LEAST_FREE => (State::Failing, format!("{words}: make room, or writes are refused")),
                LEAST_FREE..LOW_FREE => (State::Warning, format!("{words}: little is left")),
                _ => (State::Ok, words),
            }
        }
        Err(error) => (State::Failing, format!("{}: {error}", dir.display())),
    };
    Probe { name: "disk", look: Box::new(look) }
}

/// Whether what is kept of the chain can be read and written. It can be done without, slowly.
fn index_probe(cache: Arc<IndexCache>) -> Probe {
    let look = move || match cache.trouble() {
        None => (State::Ok, "kept and read back".to_owned()),
        Some(error) => (State::Warning, format!("the chain is asked again and again: {error}")),
    };
    Probe { name: "index", look: Box::new(look) }
}

/// Whether the webhooks' own journal takes what it is given. Without it nobody subscribes, and a restart delivers
/// twice what could not be noted; the rest works.
fn webhooks_probe(webhooks: Arc<Webhooks>) -> Probe {
    let look = move || match webhooks.trouble() {
        None => (State::Ok, "the last record is on the disk".to_owned()),
        Some(error @ AppendError::NoSpace { .. }) => (State::Warning, error.to_string()),
        Some(error) => (State::Failing, error.to_string()),
    };
    Probe { name: "webhooks", look: Box::new(look) }
}

/// Looks at the fee wallet every tenth interval, and at each while nobody can be asked.
async fn refresh_wallet(service: Arc<Service>, interval: Duration) {
    loop {
        let answered = service.refresh_wallet().await;
        tokio::time::sleep(if answered { interval * 10 } else { interval }).await;
    }
}

fn random<const BYTES: usize>() -> anyhow::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system has no randomness: {e}"))?;
    Ok(bytes)
}

/// What a journal that is made now begins with.
fn birth(config: &Config) -> anyhow::Result<Birth> {
    let network = config.network.bitcoin();
    Ok(Birth { network, instance: random()?, at_secs: SystemClock.now_secs() })
}

/// The key of receipts: made once, kept in the data directory, of no power over money.
fn receipt_key(dir: &Path) -> anyhow::Result<Keypair> {
    let path = dir.join(RECEIPT_KEY_FILE);
    let secp = Secp256k1::new();
    if !path.exists() {
        let key = SecretKey::from_slice(&random::<32>()?).context("making the receipt key")?;
        let text = format!("{}\n", key.display_secret());
        crate::keys::write_new_secret(&path, text.as_bytes())?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    // The parser's own words could repeat the key.
    let key: SecretKey = text
        .trim()
        .parse()
        .map_err(|_| anyhow::anyhow!("{} holds no secret key (64 hex digits)", path.display()))?;
    Ok(Keypair::from_secret_key(&secp, &key))
}
