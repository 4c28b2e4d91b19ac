//! The faucet's node, asked by JSON-RPC over HTTP. Calls block.

use crate::config::faucet::FaucetNode;
use bitcoin::base64::Engine;
use bitcoin::base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::AUTHORIZATION;

/// Longest time a call may take: fifty blocks of regtest take well under one second.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest answer read.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// Nobody answers, or the cookie cannot be read.
    #[error("the faucet's node cannot be reached")]
    Away {
        /// For the log.
        detail: String,
    },
    /// It answered with an error.
    #[error("the faucet's node refused: {message}")]
    Refused {
        /// Its words.
        message: String,
    },
    /// It answered something else than was asked for.
    #[error("the faucet's node answered something that is no answer")]
    Wrong,
}

/// A node that mines and pays.
pub trait Node: Send + Sync {
    /// Calls a method with positional (array) or named (object) parameters.
    ///
    /// # Errors
    /// [`NodeError`].
    fn call(&self, method: &str, params: Value) -> Result<Value, NodeError>;
}

/// The real one.
#[derive(Debug)]
pub struct RpcNode {
    agent: Agent,
    url: String,
    settings: FaucetNode,
}

impl RpcNode {
    /// Asks no one yet.
    pub fn new(settings: FaucetNode) -> RpcNode {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .build();
        let url = match &settings.wallet {
            Some(wallet) => format!("{}/wallet/{wallet}", settings.rpc_url),
            None => settings.rpc_url.clone(),
        };
        RpcNode { agent: config.into(), url, settings }
    }
}

impl Node for RpcNode {
    fn call(&self, method: &str, params: Value) -> Result<Value, NodeError> {
        let away = |detail: String| NodeError::Away { detail };
        // Read each time: the node writes another one whenever it starts.
        let cookie = std::fs::read_to_string(&self.settings.cookie_file)
            .map_err(|error| away(format!("{}: {error}", self.settings.cookie_file.display())))?;
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(cookie.trim()));
        let body =
            json!({ "jsonrpc": "1.0", "id": "faucet", "method": method, "params": params }).to_string();
        let sent = self.agent.post(&self.url).header(AUTHORIZATION, authorization).send(body);
        let mut response = sent.map_err(|error| away(error.to_string()))?;
        if response.status().as_u16() == 401 {
            return Err(away("the node does not take the cookie".into()));
        }
        let text = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string();
        let text = text.map_err(|error| away(error.to_string()))?;
        let mut answer: Value = serde_json::from_str(&text).map_err(|_| NodeError::Wrong)?;
        match answer.get("error").and_then(|error| error.get("message")).and_then(Value::as_str) {
            Some(message) => Err(NodeError::Refused { message: message.to_owned() }),
            None => answer.get_mut("result").map(Value::take).ok_or(NodeError::Wrong),
        }
    }
}
