//! The operator's settings: one TOML file, overridden by `UPFRONT_*` variables, checked once. A key that
//! nobody knows is refused, so that a misspelt limit cannot go unnoticed.

use crate::chain::headers;
use crate::escrow::network::Network;
use bitcoin::consensus::encode::deserialize_hex;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Everything that can be set. `docs/upfront.example.toml` explains each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Chain to work on.
    pub network: Network,
    /// Where journal, index, receipt key and fee wallet are.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Electrum server, `tcp://host:port`.
    pub electrum: String,
    /// The address people reach the service at.
    pub public_url: String,
    /// Most the fee wallet spends on refunds in 144 blocks.
    pub refund_budget_sat: u64,
    /// Most tasks kept.
    pub max_tasks: usize,
    /// Header to start from instead of the genesis block.
    pub checkpoint: Option<Checkpoint>,
}

/// A block that the operator vouches for: headers before it are not fetched, and none that contradicts it
/// is believed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Height of the block.
    pub height: u32,
    /// Its header, 80 bytes in hex (`bitcoin-cli getblockheader HASH false`).
    pub header: String,
}

/// The file as written: everything may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: Option<String>,
    data_dir: Option<PathBuf>,
    listen: Option<String>,
    electrum: Option<String>,
    public_url: Option<String>,
    refund_budget_sat: Option<u64>,
    max_tasks: Option<usize>,
    checkpoint: Option<Checkpoint>,
}

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
    /// Not TOML, or a key nobody knows.
    #[error("{}: {detail}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        detail: String,
    },
    /// A value is missing.
    #[error("{key} is not set: put it into the configuration file, or set {variable}")]
    Missing {
        /// Key in the file.
        key: &'static str,
        /// Name of the variable.
        variable: &'static str,
    },
    /// A value cannot be used.
    #[error("{key}: {detail}")]
    Value {
        /// Key in the file.
        key: &'static str,
        /// What is wrong.
        detail: String,
    },
}

impl Config {
    /// Reads the file, if one is given, and lets `variable` (the environment) override it.
    pub fn load(
        path: Option<&Path>,
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let file = match path {
            None => File::default(),
            Some(path) => {
                let read = |source| ConfigError::Read { path: path.to_owned(), source };
                let text = std::fs::read_to_string(path).map_err(read)?;
                let parse =
                    |e: toml::de::Error| ConfigError::Parse { path: path.to_owned(), detail: e.to_string() };
                toml::from_str(&text).map_err(parse)?
            }
        };
        let text = |key, name, given: Option<String>| {
            variable(name).or(given).ok_or(ConfigError::Missing { key, variable: name })
        };
        let network: Network = value("network", &text("network", "UPFRONT_NETWORK", file.network)?)?;
        let number = |key: &'static str, name, given: Option<u64>, otherwise: u64| match variable(name) {
            Some(text) => value(key, &text),
            None => Ok(given.unwrap_or(otherwise)),
        };
        let data_dir = file.data_dir.map(|dir| dir.to_string_lossy().into_owned());
        let listen = variable("UPFRONT_LISTEN").or(file.listen).unwrap_or_else(|| "127.0.0.1:8032".into());
        let listen: SocketAddr = value("listen", &listen)?;
        let public_url = variable("UPFRONT_PUBLIC_URL").or(file.public_url);
        let max_tasks = file.max_tasks.and_then(|n| u64::try_from(n).ok());
        Ok(Config {
            network,
            data_dir: PathBuf::from(text("data_dir", "UPFRONT_DATA_DIR", data_dir)?),
            listen,
            electrum: text("electrum", "UPFRONT_ELECTRUM", file.electrum)?,
            public_url: public_url.unwrap_or_else(|| format!("http://{listen}")),
            refund_budget_sat: number(
                "refund_budget_sat",
                "UPFRONT_REFUND_BUDGET_SAT",
                file.refund_budget_sat,
                1_000_000,
            )?,
            max_tasks: usize::try_from(number("max_tasks", "UPFRONT_MAX_TASKS", max_tasks, 10_000)?)
                .map_err(|e| ConfigError::Value { key: "max_tasks", detail: e.to_string() })?,
            checkpoint: file.checkpoint,
        })
    }

    /// The block that headers start from.
    pub fn checkpoint(&self) -> Result<headers::Checkpoint, ConfigError> {
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(headers::Checkpoint::genesis(self.network.bitcoin()));
        };
        let header = deserialize_hex(&checkpoint.header)
            .map_err(|e| ConfigError::Value { key: "checkpoint.header", detail: e.to_string() })?;
        Ok(headers::Checkpoint { height: checkpoint.height, header })
    }

    /// Reads the file and the process's environment.
    pub fn from_environment(path: Option<&Path>) -> Result<Config, ConfigError> {
        Config::load(path, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }
}

fn value<T: std::str::FromStr>(key: &'static str, text: &str) -> Result<T, ConfigError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| ConfigError::Value { key, detail: format!("{text:?}: {e}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &'static str) -> Option<String> {
        None
    }

    #[test]
    fn the_commented_example_is_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/upfront.example.toml");
        let config = Config::load(Some(&path), none).unwrap();
        assert_eq!(config.network, Network::Regtest);
        assert_eq!(config.listen.to_string(), "127.0.0.1:8032");
        assert_eq!(config.checkpoint().unwrap().height, 0);
    }

    #[test]
    fn a_checkpoint_is_a_whole_header() {
        let genesis = headers::Checkpoint::genesis(bitcoin::Network::Regtest).header;
        let header = bitcoin::consensus::encode::serialize_hex(&genesis);
        let mut config = Config {
            network: Network::Regtest,
            data_dir: "x".into(),
            listen: "127.0.0.1:1".parse().unwrap(),
            electrum: String::new(),
            public_url: String::new(),
            refund_budget_sat: 0,
            max_tasks: 0,
            checkpoint: Some(Checkpoint { height: 5, header }),
        };
        let checkpoint = config.checkpoint().unwrap();
        assert_eq!((checkpoint.height, checkpoint.header), (5, genesis));
        config.checkpoint = Some(Checkpoint { height: 5, header: "00".into() });
        assert!(config.checkpoint().unwrap_err().to_string().contains("checkpoint.header"));
    }

    #[test]
    fn variables_override_and_what_is_missing_is_named() {
        let set = |name: &'static str| match name {
            "UPFRONT_NETWORK" => Some("signet".to_owned()),
            "UPFRONT_DATA_DIR" => Some("/tmp/x".to_owned()),
            _ => None,
        };
        let error = Config::load(None, set).unwrap_err().to_string();
        assert!(error.contains("electrum") && error.contains("UPFRONT_ELECTRUM"), "{error}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/upfront.example.toml");
        assert_eq!(Config::load(Some(&path), set).unwrap().network, Network::Signet);
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "network = \"regtest\"\nlisten_on = \"x\"\n").unwrap();
        assert!(Config::load(Some(&path), none).unwrap_err().to_string().contains("listen_on"));
        std::fs::write(&path, "network = \"testnet3\"\n").unwrap();
        assert!(Config::load(Some(&path), none).unwrap_err().to_string().contains("testnet4"));
    }
}
