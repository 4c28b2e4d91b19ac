//! The operator's settings: one TOML file, overridden by `UPFRONT_*` variables, checked once and whole. A key
//! that nobody knows is refused, so that a misspelt limit cannot go unnoticed.
//!
//! To add a setting: a field of [`Config`], its line in `Config::read`, its paragraph in
//! `docs/upfront.example.toml`. A test compares the three.

pub mod advice;
pub mod api;
pub mod electrum;
pub mod faucet;
pub mod hide;
pub mod read;

use crate::chain::Checkpoint;
use crate::escrow::network::Network;
use api::ApiLimits;
use bitcoin::BlockHash;
use read::{Effective, Problem, Reader, text_settings};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The commented example, which is the reference of all keys.
pub const EXAMPLE: &str = include_str!("../docs/upfront.example.toml");

/// Everything that can be set. `docs/upfront.example.toml` explains each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Chain to work on.
    pub network: Network,
    /// Where journal, index, receipt key and fee wallet are.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// The address people reach the service at.
    pub public_url: String,
    /// Electrum servers, and how they are used.
    pub electrum: electrum::Servers,
    /// Block to start headers from instead of the one shipped with the program.
    pub checkpoint: Option<Checkpoint>,
    /// Most the fee wallet spends on refunds in 144 blocks.
    pub refund_budget_sat: u64,
    /// Below this the fee wallet's balance is told as low.
    pub fee_wallet_low_sat: u64,
    /// File with the passphrase of an encrypted fee wallet.
    pub wallet_passphrase_file: Option<PathBuf>,
    /// Program and arguments that sign for a fee wallet with public descriptors; empty is none.
    pub wallet_signer: Vec<String>,
    /// Longest time that program may take.
    pub wallet_signer_timeout_secs: u64,
    /// Most tasks kept.
    pub max_tasks: usize,
    /// Most public events kept in memory; older ones are not told again.
    pub max_events: usize,
    /// Whether events are posted to addresses that people name.
    pub webhooks: bool,
    /// Most webhooks of one identity.
    pub webhooks_per_identity: usize,
    /// `host:port` of targets that may be in any network, also by plain http.
    pub webhooks_allow: Vec<String>,
    /// Most listeners to events at once.
    pub max_listeners: usize,
    /// Most of them from one address (IPv6: one /64) that is not this machine's; 0 is any number.
    pub max_listeners_per_address: usize,
    /// Where to serve `/metrics`; without it, to this machine only, at `listen`.
    pub metrics_listen: Option<SocketAddr>,
    /// Bounds of the connections.
    pub http: HttpLimits,
    /// Bounds of what clients of the API may do.
    pub api: ApiLimits,
    /// What is not shown of wishes, and of what is said of projects.
    pub hide: hide::Hide,
    /// The node of the faucet; on regtest only.
    pub faucet: Option<faucet::FaucetNode>,
    /// Filter of the log, as `RUST_LOG` is written.
    pub log: String,
    /// Form of the log.
    pub log_format: LogFormat,
}

/// Bounds of what connections may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Most connections at once.
    pub max_connections: usize,
    /// Most from one address (IPv6: one /64) that is not this machine's; 0 is any number.
    pub max_connections_per_address: usize,
    /// Longest time a request's head may take.
    pub header_timeout_secs: u64,
    /// Longest time a request's body may take.
    pub body_timeout_secs: u64,
    /// Longest time a connection may rest between two requests.
    pub idle_timeout_secs: u64,
    /// Longest time a client may take nothing of its answer.
    pub send_timeout_secs: u64,
    /// Longest time that requests under way are given when the service is told to stop.
    pub shutdown_timeout_secs: u64,
}

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Listen, String> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Listen::Unix(path.into())),
            Some(_) => Err("the path after unix: must begin with /".into()),
            None => text
                .parse()
                .map(Listen::Tcp)
                .map_err(|_| "must be ADDRESS:PORT, as 127.0.0.1:8032, or unix:/path/of/socket".into()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<LogFormat, &'static str> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be text or json"),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

text_settings!(Network, Listen, LogFormat);

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("{}: {detail}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        detail: String,
    },
    /// Values that are missing, unknown or of no use.
    #[error("{}", words(.0))]
    Problems(Vec<Problem>),
}

fn words(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

/// Settings read, with everything there is to say about them.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The settings; absent where there are problems.
    pub config: Option<Config>,
    /// Every setting as it is in force.
    pub settings: Vec<Effective>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

impl Config {
    /// Reads the file, if one is given, and lets `variable` (the environment) override it.
    pub fn load(
        path: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let Examined { config, problems, .. } = Config::examine(path, variable)?;
        config.ok_or(ConfigError::Problems(problems))
    }

    /// As [`Config::load`], but tells every setting and every problem.
    pub fn examine(
        path: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Examined, ConfigError> {
        let file = match path {
            None => toml::Table::new(),
            Some(path) => {
                let read = |source| ConfigError::Read { path: path.to_owned(), source };
                let text = std::fs::read_to_string(path).map_err(read)?;
                let parse =
                    |e: toml::de::Error| ConfigError::Parse { path: path.to_owned(), detail: e.to_string() };
                toml::from_str(&text).map_err(parse)?
            }
        };
        let mut reader = Reader::new(file, &variable);
        let config = Config::read(&mut reader);
        let (settings, problems) = reader.finish();
        Ok(Examined { config: config.filter(|_| problems.is_empty()), settings, problems })
    }

    fn read(reader: &mut Reader<'_>) -> Option<Config> {
        let network = reader.required("network");
        let data_dir = reader.required("data_dir");
        let listen = reader.or("listen", Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 8032))));
        let here = match &listen {
            Listen::Tcp(address) => format!("http://{address}"),
            Listen::Unix(_) => "http://localhost".to_owned(),
        };
        let public_url = reader.or("public_url", here);
        if !["http://", "https://"].iter().any(|scheme| public_url.starts_with(scheme)) {
            reader.problem("public_url", format!("{public_url:?} must begin with https:// or http://"));
        }
        let electrum = electrum::Servers::read(reader);
        let checkpoint = Config::read_checkpoint(reader, network);
        let refund_budget_sat = reader.or("refund_budget_sat", 1_000_000);
        let fee_wallet_low_sat = reader.or("fee_wallet_low_sat", 100_000);
        let wallet_passphrase_file = reader.optional("wallet_passphrase_file");
        let wallet_signer = reader.optional::<Vec<String>>("wallet_signer").unwrap_or_default();
        let wallet_signer_timeout_secs = reader.or("wallet_signer_timeout_secs", 20);
        if wallet_signer_timeout_secs == 0 {
            reader.problem("wallet_signer_timeout_secs", "must be at least 1");
        }
        let max_tasks = reader.or("max_tasks", 10_000);
        let max_events = reader.or("max_events", 1_000_000);
        let webhooks = reader.or("webhooks", true);
        let webhooks_per_identity = reader.or("webhooks_per_identity", 20);
        let webhooks_allow = reader.or("webhooks_allow", Vec::new());
        let max_listeners = reader.or("max_listeners", 4096);
        let max_listeners_per_address = reader.or("max_listeners_per_address", 64);
        let metrics_listen = reader.optional("metrics_listen");
        if metrics_listen.is_some_and(|metrics| Listen::Tcp(metrics) == listen) {
            reader.problem("metrics_listen", "must be another address or port than listen");
        }
        let http = HttpLimits::read(reader);
        let api = ApiLimits::read(reader);
        let hide = hide::Hide::read(reader);
        let faucet = faucet::FaucetNode::read(reader, network);
        let log: String = reader.or("log", "info".to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&log) {
            reader.problem("log", format!("{log:?} is no filter: {error}"));
        }
        let log_format = reader.or("log_format", LogFormat::Text);
        Some(Config {
            network: network?,
            data_dir: data_dir?,
            listen,
            public_url,
            electrum: electrum?,
            checkpoint,
            refund_budget_sat,
            fee_wallet_low_sat,
            wallet_passphrase_file,
            wallet_signer,
            wallet_signer_timeout_secs,
            max_tasks,
            max_events,
            webhooks,
            webhooks_per_identity,
            webhooks_allow,
            max_listeners,
            max_listeners_per_address,
            metrics_listen,
            http,
            api,
            hide,
            faucet,
            log,
            log_format,
        })
    }

    fn read_checkpoint(reader: &mut Reader<'_>, network: Option<Network>) -> Option<Checkpoint> {
        let height = reader.optional("checkpoint.height");
        let hash: Option<String> = reader.optional("checkpoint.hash");
        match (height, hash, network) {
            (Some(height), Some(hash), Some(network)) => {
                let checkpoint = hash
                    .parse::<BlockHash>()
                    .map_err(|error| format!("{hash:?} is no block hash: {error}"))
                    .and_then(|hash| {
                        Checkpoint::vouched(network.bitcoin(), height, hash).map_err(|e| e.to_string())
                    });
                checkpoint.map_err(|problem| reader.problem("checkpoint.hash", problem)).ok()
            }
            (Some(_), None, _) | (None, Some(_), _) => {
                let missing = if height.is_some() { "checkpoint.hash" } else { "checkpoint.height" };
                reader.problem(missing, "is missing: a checkpoint is a height and a hash");
                None
            }
            // Without a network there is a problem already.
            (None, None, _) | (_, _, None) => None,
        }
    }

    /// The block that the chain of headers stands on: the operator's, else the one shipped.
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint.unwrap_or_else(|| Checkpoint::shipped(self.network.bitcoin()))
    }

    /// Reads the file and the process's environment.
    pub fn from_environment(path: Option<&Path>) -> Result<Config, ConfigError> {
        Config::load(path, environment)
    }
}

/// A variable of this process; an empty one counts as not set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl HttpLimits {
    fn read(reader: &mut Reader<'_>) -> HttpLimits {
        let otherwise = HttpLimits::default();
        let mut positive = |key, otherwise: u64| {
            let value = reader.or(key, otherwise);
            if value == 0 {
                reader.problem(key, "must be at least 1");
            }
            value
        };
        let header_timeout_secs = positive("header_timeout_secs", otherwise.header_timeout_secs);
        let body_timeout_secs = positive("body_timeout_secs", otherwise.body_timeout_secs);
        let idle_timeout_secs = positive("idle_timeout_secs", otherwise.idle_timeout_secs);
        let send_timeout_secs = positive("send_timeout_secs", otherwise.send_timeout_secs);
        let max_connections = reader.or("max_connections", otherwise.max_connections);
        if max_connections == 0 {
            reader.problem("max_connections", "must be at least 1");
        }
        HttpLimits {
            max_connections,
            max_connections_per_address: reader
                .or("max_connections_per_address", otherwise.max_connections_per_address),
            header_timeout_secs,
            body_timeout_secs,
            idle_timeout_secs,
            send_timeout_secs,
            shutdown_timeout_secs: reader.or("shutdown_timeout_secs", otherwise.shutdown_timeout_secs),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            max_connections: 8192,
            max_connections_per_address: 256,
            header_timeout_secs: 10,
            body_timeout_secs: 45,
            idle_timeout_secs: 75,
            send_timeout_secs: 30,
            shutdown_timeout_secs: 30,
        }
    }
}

#[cfg(test)]
mod tests;
