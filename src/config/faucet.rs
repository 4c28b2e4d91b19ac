//! The faucet: a node that mines and pays when somebody asks. On regtest only, where bitcoin is worth nothing and time is made.

use super::read::Reader;
use crate::escrow::network::Network;
use std::path::PathBuf;

/// How the faucet's node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaucetNode {
    /// `http://host:port` of its RPC server.
    pub rpc_url: String,
    /// File with `user:password`, as the node's own `.cookie`.
    pub cookie_file: PathBuf,
    /// Its wallet that pays; the node's only one if left out.
    pub wallet: Option<String>,
}

impl FaucetNode {
    /// Nothing where no key of the section is set. A faucet anywhere but on regtest is a problem: it would be a
    /// wallet that pays whoever asks.
    pub(super) fn read(reader: &mut Reader<'_>, network: Option<Network>) -> Option<FaucetNode> {
        let rpc_url: Option<String> = reader.optional("faucet.rpc_url");
        let cookie_file: Option<PathBuf> = reader.optional("faucet.cookie_file");
        let wallet: Option<String> = reader.optional("faucet.wallet");
        let first = [
            ("faucet.rpc_url", rpc_url.is_some()),
            ("faucet.cookie_file", cookie_file.is_some()),
            ("faucet.wallet", wallet.is_some()),
        ];
        let (key, _) = first.into_iter().find(|(_, set)| *set)?;
        if let Some(network) = network.filter(|network| *network != Network::Regtest) {
            reader.problem(
                key,
                format!(
                    "a faucet pays whoever asks, and is for regtest alone, not for {network}: remove [faucet]"
                ),
            );
            return None;
        }
        for (key, set) in [first[0], first[1]] {
            if !set {
                reader.problem(key, "is missing: a faucet has both rpc_url and cookie_file");
            }
        }
        let (rpc_url, cookie_file) = (rpc_url?, cookie_file?);
        let plain =
            rpc_url.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.contains('@'));
        if !plain {
            reader.problem(
                "faucet.rpc_url",
                "must be http://HOST:PORT; user and password are in faucet.cookie_file",
            );
        }
        if wallet
            .as_ref()
            .is_some_and(|name| !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)))
        {
            reader
                .problem("faucet.wallet", "must be a name of letters, digits, dots, dashes and underscores");
        }
        let rpc_url = rpc_url.trim_end_matches('/').to_owned();
        Some(FaucetNode { rpc_url, cookie_file, wallet })
    }
}
